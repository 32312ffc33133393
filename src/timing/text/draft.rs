//! One schedule as it was read, and the dosage that it makes.

use super::events::{Events, MonthDays, written_day, written_time};
use super::fault::{FaultKind, TextFault};
use super::frequency::frequency;
use super::words::{DAY_OF_MONTH, DAYS, EVENTS, Unit};
use crate::care::timing::{Decimal, Extension, Period, Quantity, Repeat, native};
use crate::care::{Dosage, Timing};
use chrono::{Datelike as _, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use std::collections::BTreeSet;

/// What was read, and where its phrase begins.
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) column: usize,
}

/// So many times per so many units.
pub(super) struct Rate {
    /// Its own number, where it has one.
    pub(super) times: Option<u32>,
    pub(super) period: u32,
    pub(super) unit: Unit,
    /// The token after it.
    pub(super) ends: usize,
}

/// `n times`, of what is not said.
pub(super) struct Bare {
    pub(super) times: u32,
    /// Its first token.
    pub(super) starts: usize,
}

/// What becomes of a month that lacks the day.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MonthEnd {
    Clamp,
    Skip,
}

/// A date, or a date and time by the patient's clock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Day(NaiveDate),
    Time(NaiveDateTime),
}

/// The phrases of one schedule, each at most once.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) column: usize,
    pub(super) step: Option<u32>,
    pub(super) rate: Option<Placed<Rate>>,
    pub(super) bare: Option<Placed<Bare>>,
    pub(super) count: Option<Placed<u32>>,
    pub(super) days: Option<Placed<u8>>,
    pub(super) month_days: Option<Placed<MonthDays>>,
    pub(super) month_end: Option<Placed<MonthEnd>>,
    pub(super) times: Option<Placed<BTreeSet<NaiveTime>>>,
    pub(super) events: Option<Placed<Events>>,
    pub(super) dates: Option<Placed<BTreeSet<String>>>,
    pub(super) length: Option<Placed<(u32, Unit)>>,
    pub(super) from: Option<Placed<Moment>>,
    pub(super) until: Option<Placed<Moment>>,
    pub(super) cycle: Option<Placed<(u32, u32)>>,
    /// Minutes.
    pub(super) spacing: Option<Placed<u32>>,
    pub(super) awake: Option<Placed<()>>,
    pub(super) as_needed: Option<Placed<()>>,
}

/// Takes a phrase in; a schedule has one of each kind.
pub(super) fn put<T>(slot: &mut Option<Placed<T>>, found: Placed<T>) -> Result<(), TextFault> {
    let column = found.column;
    let expected = "write each kind once in a schedule, other schedules after `;`, such as `Mon 08:00; Tue 09:00`";
    slot.replace(found).map_or(Ok(()), |_| Err(FaultKind::Repeated.at(column, expected)))
}

const RULE: &str = "say when, such as `08:00`, `3x/day`, `every 8h`, `with meals`, `as needed`";
const ALONE: &str =
    "write dates alone, such as `2026-03-01 09:00, 2026-04-01 09:00`; other schedules after `;`";
const BOUNDS: &str = "write two of `from`, `until`, `for`, such as `from 2026-01-05 for 14 days`";
const ORDER: &str = "write an end after the start, such as `from 2026-01-05 until 2026-03-01`";
const HOURS: &str = "write an interval, such as `every 2h while awake`";
const MONTHS: &str = "write a day of the month or a month, such as `monthly on 31 or skip`";
const MIXED: &str = "write clock times and events apart, such as `08:00; at bedtime`";

impl Draft {
    /// Days, times or a rate: something that says when.
    const fn has_rule(&self) -> bool {
        self.rate.is_some()
            || self.days.is_some()
            || self.month_days.is_some()
            || self.times.is_some()
            || self.events.is_some()
    }

    /// The dosage.
    pub(super) fn finish(mut self) -> Result<Dosage, TextFault> {
        let as_needed_boolean = self.as_needed.is_some().then_some(true);
        let sequence = self.step.map(i64::from);
        let timing = if let Some(dates) = self.dates.take() {
            Some(self.of_dates(dates)?)
        } else {
            let repeat = self.repeat()?;
            let timing = || Timing { repeat: Some(repeat.clone()), ..Timing::default() };
            (repeat != Repeat::default()).then(timing)
        };
        Ok(Dosage { sequence, timing, as_needed_boolean, ..Dosage::default() })
    }

    /// Dates are a whole schedule: nothing limits or repeats them.
    fn of_dates(&self, dates: Placed<BTreeSet<String>>) -> Result<Timing, TextFault> {
        let others = [
            self.rate.as_ref().map(Placed::column),
            self.bare.as_ref().map(Placed::column),
            self.count.as_ref().map(Placed::column),
            self.days.as_ref().map(Placed::column),
            self.month_days.as_ref().map(Placed::column),
            self.month_end.as_ref().map(Placed::column),
            self.times.as_ref().map(Placed::column),
            self.events.as_ref().map(Placed::column),
            self.length.as_ref().map(Placed::column),
            self.from.as_ref().map(Placed::column),
            self.until.as_ref().map(Placed::column),
            self.cycle.as_ref().map(Placed::column),
            self.spacing.as_ref().map(Placed::column),
            self.awake.as_ref().map(Placed::column),
            self.as_needed.as_ref().map(Placed::column),
        ];
        match others.into_iter().flatten().min() {
            Some(column) => Err(FaultKind::Contradiction.at(column, ALONE)),
            None => Ok(Timing { event: dates.value.into_iter().collect(), ..Timing::default() }),
        }
    }

    fn repeat(&mut self) -> Result<Repeat, TextFault> {
        if let (Some(times), Some(events)) = (&self.times, &self.events) {
            let column = times.column.max(events.column);
            return Err(FaultKind::Contradiction.at(column, MIXED));
        }
        let frequency = frequency(self)?;
        let once = self.count.as_ref().is_some_and(|count| count.value == 1);
        if !self.has_rule() && self.as_needed.is_none() && !once {
            return Err(FaultKind::Incomplete.at(self.column, RULE));
        }
        let interval = self.rate.as_ref().is_some_and(|rate| rate.value.unit.is_of_clock());
        if let Some(awake) = self.awake.as_ref().filter(|_| !interval) {
            return Err(FaultKind::Contradiction.at(awake.column, HOURS));
        }
        let (bounds_period, bounds_duration) = self.bounds()?;
        let (codes, offset) = match &self.events {
            Some(Placed { value, .. }) => (
                value.codes.iter().map(|code| EVENTS[*code].code.to_owned()).collect(),
                value.offset,
            ),
            None => (Vec::new(), None),
        };
        let days = self.days.as_ref().map_or(0, |days| days.value);
        let days = DAYS.iter().enumerate().filter(|(day, _)| days & 1 << day != 0);
        let times = self.times.as_ref().into_iter().flat_map(|times| &times.value);
        Ok(Repeat {
            bounds_period,
            bounds_duration,
            count: self.count.as_ref().map(|count| i64::from(count.value)),
            frequency: frequency.map(i64::from),
            period: self.rate.as_ref().map(|rate| Decimal::from(i64::from(rate.value.period))),
            period_unit: self.rate.as_ref().map(|rate| rate.value.unit.code().to_owned()),
            day_of_week: days.map(|(_, code)| (*code).to_owned()).collect(),
            time_of_day: times.map(|time| time.format("%H:%M:%S").to_string()).collect(),
            when: codes,
            offset: offset.map(i64::from),
            extension: self.extensions()?,
            ..Repeat::default()
        })
    }

    /// `boundsPeriod` or `boundsDuration`: a length from a start becomes the period it covers.
    fn bounds(&self) -> Result<(Option<Period>, Option<Quantity>), TextFault> {
        let from = self.from.as_ref().map(|from| from.value);
        let mut until = self.until.as_ref().map(|until| until.value);
        if let Some(length) = &self.length {
            let (value, unit) = length.value;
            if until.is_some() {
                return Err(FaultKind::Contradiction.at(length.column, BOUNDS));
            }
            let Some(from) = from else {
                let value = Some(Decimal::from(i64::from(value)));
                let code = Some(unit.code().to_owned());
                return Ok((None, Some(Quantity { value, code, unit: None })));
            };
            let end = last(from, value, unit).ok_or_else(|| {
                let expected = "write a length that ends by the year 9999, in hours only after a start with a time: `from 2026-01-05T10:00 for 12 hours`";
                FaultKind::OutOfRange.at(length.column, expected)
            })?;
            until = Some(end);
        }
        if let (Some(from), Some(end), Some(until)) = (from, until, &self.until)
            && opens(end) < opens(from)
            && !(matches!(end, Moment::Day(day) if day == opens(from).date()))
        {
            return Err(FaultKind::Contradiction.at(until.column, ORDER));
        }
        let (start, end) = (from.map(written), until.map(written));
        Ok(((start.is_some() || end.is_some()).then_some(Period { start, end }), None))
    }

    /// FHIR's and the house's own extensions, in one order.
    fn extensions(&self) -> Result<Vec<Extension>, TextFault> {
        let extension = |url: &str| Extension { url: url.to_owned(), ..Extension::default() };
        let number = |url: &str, value: u32| Extension {
            value_positive_int: Some(i64::from(value)),
            ..extension(url)
        };
        let mask = self.month_days.as_ref().map_or(0, |days| days.value);
        let mut all: Vec<Extension> = (1..=31)
            .filter(|day| mask & 1 << day != 0)
            .map(|day| number(DAY_OF_MONTH, day))
            .collect();
        let months = self
            .rate
            .as_ref()
            .is_some_and(|rate| matches!(rate.value.unit, Unit::Month | Unit::Year));
        let missing_days = mask >> 29 != 0;
        let end = match &self.month_end {
            Some(end) if mask == 0 && !months => {
                return Err(FaultKind::Contradiction.at(end.column, MONTHS));
            }
            // Days up to the 28th are in every month, and a period in months clamps as it is.
            Some(end) if end.value == MonthEnd::Skip && (missing_days || mask == 0) => Some("skip"),
            _ => missing_days.then_some("clamp"),
        };
        all.extend(end.map(|end| Extension {
            value_code: Some(end.to_owned()),
            ..extension(native::MONTH_END)
        }));
        all.extend(
            self.awake
                .as_ref()
                .map(|_| Extension { value_boolean: Some(true), ..extension(native::WHILE_AWAKE) }),
        );
        all.extend(self.cycle.as_ref().map(|cycle| Extension {
            extension: vec![number("on", cycle.value.0), number("off", cycle.value.1)],
            ..extension(native::CYCLE)
        }));
        all.extend(
            self.spacing.as_ref().map(|spacing| number(native::MINIMUM_SPACING, spacing.value)),
        );
        Ok(all)
    }
}

impl<T> Placed<T> {
    const fn column(&self) -> usize {
        self.column
    }
}

fn opens(moment: Moment) -> NaiveDateTime {
    match moment {
        Moment::Day(day) => day.and_time(NaiveTime::MIN),
        Moment::Time(at) => at,
    }
}

fn written(moment: Moment) -> String {
    match moment {
        Moment::Day(day) => written_day(day),
        Moment::Time(at) => written_time(at),
    }
}

/// The last day, or the last second, of a length; hours go with a start that has a time.
fn last(from: Moment, value: u32, unit: Unit) -> Option<Moment> {
    let start = opens(from);
    let end = match (unit, from) {
        (Unit::Minute, Moment::Time(_)) => {
            start.checked_add_signed(TimeDelta::minutes(i64::from(value)))
        }
        (Unit::Hour, Moment::Time(_)) => {
            start.checked_add_signed(TimeDelta::hours(i64::from(value)))
        }
        (Unit::Minute | Unit::Hour, Moment::Day(_)) => None,
        (Unit::Day, _) => start.checked_add_days(Days::new(u64::from(value))),
        (Unit::Week, _) => start.checked_add_days(Days::new(7 * u64::from(value))),
        (Unit::Month, _) => start.checked_add_months(Months::new(value)),
        (Unit::Year, _) => start.checked_add_months(Months::new(value.checked_mul(12)?)),
    }?;
    let end = match from {
        Moment::Day(_) => Moment::Day(end.date().pred_opt()?),
        Moment::Time(_) => Moment::Time(end.checked_sub_signed(TimeDelta::seconds(1))?),
    };
    (opens(end).year() <= 9_999).then_some(end)
}
