//! The elements of a `repeat` one by one: period, frequency, days. What cannot be read is asked about.

use super::moment::DAY_SECONDS;
use super::notes::{Decision, Findings};
use crate::care::timing::{Decimal, Extension, Repeat};

/// Seconds of an hour.
pub(super) const HOUR_SECONDS: i64 = 3_600;

/// The period of a rule, in the unit by which it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Period {
    Absent,
    Days(i64),
    Weeks(i64),
    Months(i64),
    /// Given in hours or minutes, or a fraction of days or weeks; in seconds.
    Interval(i64),
    /// Cannot be counted; a person was asked.
    Unusable,
}

impl Period {
    /// 24, 48, 72 and 168 h are 1, 2, 3 and 7 days.
    pub(super) const fn in_days(self) -> Self {
        match self {
            Self::Interval(seconds) => match seconds / HOUR_SECONDS {
                24 | 48 | 72 | 168 if seconds % HOUR_SECONDS == 0 => {
                    Self::Days(seconds / DAY_SECONDS)
                }
                _ => self,
            },
            other => other,
        }
    }
}

/// Days of the week, as bits from Monday; unknown ones are left out.
pub(super) fn weekdays(repeat: &Repeat, findings: &mut Findings) -> Option<u8> {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    if repeat.day_of_week.is_empty() {
        return None;
    }
    let mut mask = 0;
    for day in &repeat.day_of_week {
        match DAYS.iter().position(|name| name == day) {
            Some(index) => mask |= 1 << index,
            None => {
                findings.ask_that(Decision::UnknownCode, "a dayOfWeek is none of mon to sun");
            }
        }
    }
    Some(mask)
}

/// Days of the month, as bits from 1.
pub(super) fn month_days(repeat: &Repeat, findings: &mut Findings) -> Option<u32> {
    let day = |e: &Extension| e.value_positive_int.filter(|day| (1..=31).contains(day));
    let mut days = None;
    for extension in repeat.extensions("timing-dayOfMonth") {
        let bit = day(extension).map_or(0, |day| 1_u32 << day);
        if bit == 0 {
            findings.ask_that(Decision::BadValue, "a timing-dayOfMonth is not a day from 1 to 31");
        }
        days = Some(days.unwrap_or(0) | bit);
    }
    days
}

/// The period; the longer of a range.
pub(super) fn period(repeat: &Repeat, findings: &mut Findings) -> Period {
    if repeat.period_max.is_some() {
        findings.assume(Decision::PeriodMax);
    }
    let Some(value) = repeat.period_max.as_ref().or(repeat.period.as_ref()) else {
        return Period::Absent;
    };
    let reversed =
        repeat.period.as_ref().is_some_and(|low| value.is_at_least(1, low, 1) == Some(false));
    let positive =
        [&repeat.period, &repeat.period_max].into_iter().flatten().all(Decimal::is_positive);
    if reversed || !positive {
        findings.ask(Decision::BadPeriod);
        return Period::Unusable;
    }
    let interval = |unit_seconds: i64| value.whole_times(unit_seconds).map(Period::Interval);
    let period = match repeat.period_unit.as_deref() {
        Some("min") => interval(60),
        Some("h") => interval(HOUR_SECONDS),
        Some("d") => value.whole_times(1).map(Period::Days).or_else(|| interval(DAY_SECONDS)),
        Some("wk") => value.whole_times(1).map(Period::Weeks).or_else(|| interval(7 * DAY_SECONDS)),
        Some("mo") => value.whole_times(1).map(Period::Months),
        Some("a") => {
            value.whole_times(1).and_then(|years| years.checked_mul(12)).map(Period::Months)
        }
        _ => None,
    };
    match period {
        Some(Period::Interval(seconds)) if seconds < HOUR_SECONDS => {
            findings.ask(Decision::ShortPeriod);
            Period::Unusable
        }
        Some(period) => period,
        None => {
            findings.ask(Decision::BadPeriod);
            Period::Unusable
        }
    }
}

/// The frequency; the lower of a range.
pub(super) fn frequency(repeat: &Repeat, findings: &mut Findings) -> Option<i64> {
    match (repeat.frequency, repeat.frequency_max) {
        (Some(least), Some(most)) if most >= least => {
            findings.assume(Decision::FrequencyMax);
        }
        (None | Some(_), None) => {}
        _ => findings.ask(Decision::FrequencyMax),
    }
    let positive = repeat.frequency.filter(|frequency| *frequency > 0);
    if positive != repeat.frequency {
        findings.ask_that(Decision::BadValue, "frequency is not a number from 1");
    }
    positive
}
