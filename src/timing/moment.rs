//! FHIR `date` and `dateTime`, and the two clocks they are read by.

use crate::care::{UtcMs, Zone};
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// Seconds since 1970-01-01T00:00:00 on the patient's wall clock.
pub(super) type Wall = i64;
/// Days since 1970-01-01 on the patient's calendar.
pub(super) type Day = i64;

/// Seconds of a calendar day on the wall clock.
pub(super) const DAY_SECONDS: i64 = 86_400;
/// 0001-01-01, FHIR's first day.
pub(super) const FIRST_DAY: Day = -719_162;
/// 10000-01-01, the day after FHIR's last.
pub(super) const END_DAY: Day = 2_932_897;

/// The calendar date of a day; saturates at FHIR's limits.
pub(super) fn date(day: Day) -> NaiveDate {
    let day = day.clamp(FIRST_DAY, END_DAY);
    i32::try_from(day).ok().and_then(NaiveDate::from_epoch_days).unwrap_or_default()
}

/// The number of a calendar date.
pub(super) fn day(date: NaiveDate) -> Day {
    i64::from(date.to_epoch_days())
}

/// The wall-clock time as chrono has it.
pub(super) fn wall_time(wall: Wall) -> NaiveDateTime {
    let second = wall.rem_euclid(DAY_SECONDS) as u32;
    let time = NaiveTime::from_num_seconds_from_midnight_opt(second, 0).unwrap_or_default();
    date(wall.div_euclid(DAY_SECONDS)).and_time(time)
}

/// [`wall_time`] when the day of `midnight` is at hand.
pub(super) fn wall_time_near(day: NaiveDate, midnight: Wall, wall: Wall) -> NaiveDateTime {
    match u32::try_from(wall - midnight) {
        Ok(second) if i64::from(second) < DAY_SECONDS => {
            let time = NaiveTime::from_num_seconds_from_midnight_opt(second, 0);
            day.and_time(time.unwrap_or_default())
        }
        _ => wall_time(wall),
    }
}

/// The number of a wall-clock time.
pub(super) fn wall(local: NaiveDateTime) -> Wall {
    local.and_utc().timestamp()
}

/// Calendar months later, month ends clamped (31 January to 28 February); saturates.
pub(super) fn plus_months(from: Day, months: i64) -> Day {
    let months = u32::try_from(months.max(0)).unwrap_or(u32::MAX);
    match date(from).checked_add_months(Months::new(months)) {
        Some(later) if months < 12 * 10_000 => day(later).min(END_DAY),
        _ => END_DAY,
    }
}

/// The instant of a wall-clock time, gaps and folds by design.md P7.
pub(super) fn instant(zone: &Zone, wall: Wall) -> UtcMs {
    zone.cursor().resolve(wall).instant()
}

/// A FHIR date or date-time as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// A day, month or year: its first day and the day after its last.
    Days { first: Day, end: Day },
    /// A date-time without offset: the patient's clock is meant.
    Local(Wall),
    /// A date-time with offset.
    At(UtcMs),
}

impl Moment {
    /// Reads `YYYY`, `YYYY-MM`, `YYYY-MM-DD` and `YYYY-MM-DDThh:mm[:ss[.f]][Z|±hh:mm]`; fractions of a second are
    /// dropped. Source: <https://hl7.org/fhir/R4/datatypes.html#dateTime>.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if !text.is_ascii() || text.bytes().any(|b| b.is_ascii_whitespace()) {
            return None;
        }
        let Some((date_text, time_text)) = text.split_once('T') else {
            return Self::parse_days(text);
        };
        let Self::Days { first, end } = Self::parse_days(date_text)? else { return None };
        if end != first + 1 {
            return None;
        }
        let (clock, offset) = match time_text.find(['Z', '+', '-']) {
            Some(at) => (&time_text[..at], Some(offset_seconds(&time_text[at..])?)),
            None => (time_text, None),
        };
        let time = crate::care::timing::parse_time_of_day(clock)?;
        let wall = first * DAY_SECONDS + i64::from(time.num_seconds_from_midnight());
        Some(match offset {
            Some(offset) => Self::At(UtcMs((wall - offset) * 1_000)),
            None => Self::Local(wall),
        })
    }

    fn parse_days(text: &str) -> Option<Self> {
        let digits = |part: &str, length: usize| {
            let all = part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
            all.then(|| part.parse::<u32>().ok()).flatten()
        };
        let mut parts = text.split('-');
        let year = digits(parts.next()?, 4).filter(|year| *year > 0)?;
        let month = parts.next().map(|part| digits(part, 2)).map_or(Some(None), |m| m.map(Some))?;
        let day_of =
            parts.next().map(|part| digits(part, 2)).map_or(Some(None), |d| d.map(Some))?;
        if parts.next().is_some() {
            return None;
        }
        let year = i32::try_from(year).ok()?;
        let first = day(NaiveDate::from_ymd_opt(year, month.unwrap_or(1), day_of.unwrap_or(1))?);
        let end = match (month, day_of) {
            (None, _) => plus_months(first, 12),
            (_, None) => plus_months(first, 1),
            _ => first + 1,
        };
        Some(Self::Days { first, end })
    }
}

/// `Z` or `±hh:mm`, at most 14 hours (FHIR R4 dateTime).
fn offset_seconds(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, clock) = match text.split_at_checked(1)? {
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let time = (clock.len() == 5).then(|| crate::care::timing::parse_time_of_day(clock))??;
    let seconds = i64::from(time.num_seconds_from_midnight());
    (seconds <= 14 * 3_600).then_some(sign * seconds)
}

/// Where a rule starts: its anchor and its lower limit, on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// By the patient's clock.
    pub(super) wall: Wall,
    /// As an instant, where it was given as one.
    at: Option<UtcMs>,
    /// Whether a time of day was given; a date means 00:00 without saying so.
    pub(super) precision: Precision,
}

/// Whether a start has a time of day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Precision {
    /// A date, month or year.
    #[default]
    Day,
    /// A date-time.
    Time,
}

impl Start {
    /// The earliest that a moment can mean.
    pub(super) fn of(moment: Moment, zone: &Zone) -> Self {
        match moment {
            Moment::Days { first, .. } => {
                Self { precision: Precision::Day, ..Self::at_wall(first * DAY_SECONDS) }
            }
            Moment::Local(wall) => Self::at_wall(wall),
            Moment::At(at) => Self { at: Some(at), ..Self::at_wall(wall(zone.local(at))) },
        }
    }

    /// A start with a time, by the patient's clock.
    pub(super) const fn at_wall(wall: Wall) -> Self {
        Self { wall, at: None, precision: Precision::Time }
    }

    /// As an instant.
    pub(super) fn instant(&self, zone: &Zone) -> UtcMs {
        self.at.unwrap_or_else(|| instant(zone, self.wall))
    }

    /// The day from which days, weeks and months are counted.
    pub(super) const fn day(&self) -> Day {
        self.wall.div_euclid(DAY_SECONDS)
    }

    /// The time of day, if one was given.
    pub(super) fn time_of_day(&self) -> Option<i64> {
        (self.precision == Precision::Time).then(|| self.wall.rem_euclid(DAY_SECONDS))
    }
}

/// Months since year 0 of a day's month.
pub(super) fn month_of(day: Day) -> i64 {
    let date = date(day);
    i64::from(date.year()) * 12 + i64::from(date.month0())
}

/// First day of a month counted since year 0, and how many days it has; `None` outside the calendar.
pub(super) fn month(month: i64) -> Option<(Day, u32)> {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    const LENGTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (year, index) = (month.div_euclid(12), month.rem_euclid(12) as usize);
    if !(1..=9_999).contains(&year) {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let past = year - 1;
    let new_year = FIRST_DAY + past * 365 + past / 4 - past / 100 + past / 400;
    let first = new_year + BEFORE[index] + i64::from(leap && index > 1);
    Some((first, LENGTHS[index] + u32::from(leap && index == 1)))
}

/// The instant as chrono's range allows, for windows without an end.
pub(super) fn wall_at(zone: &Zone, at: UtcMs) -> Wall {
    let seconds = at.0.div_euclid(1_000).saturating_add(i64::from(zone.offset_at(at)));
    seconds.clamp(FIRST_DAY * DAY_SECONDS, END_DAY * DAY_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        for index in
            [12, 13, 12 * 100 + 1, 12 * 400 + 1, 12 * 1900 + 1, 12 * 2024 + 1, 12 * 9_999 + 11]
        {
            let first = NaiveDate::from_ymd_opt(index / 12, (index % 12) as u32 + 1, 1).unwrap();
            let next = first.checked_add_months(Months::new(1)).unwrap();
            let length = u32::try_from(day(next) - day(first)).unwrap();
            assert_eq!(month(i64::from(index)), Some((day(first), length)), "{first}");
        }
        assert_eq!((month(11), month(12 * 10_000)), (None, None));
    }

    #[test]
    fn fhir_dates_are_read_as_fhir_writes_them() {
        assert_eq!(day(NaiveDate::from_ymd_opt(1, 1, 1).unwrap()), FIRST_DAY);
        assert_eq!(day(NaiveDate::from_ymd_opt(10_000, 1, 1).unwrap()), END_DAY);
        for (text, expected) in [
            ("1970", Some(Moment::Days { first: 0, end: 365 })),
            ("1970-02", Some(Moment::Days { first: 31, end: 59 })),
            ("1970-02-01", Some(Moment::Days { first: 31, end: 32 })),
            ("1970-01-01T01:00", Some(Moment::Local(3_600))),
            ("1970-01-01T01:00:00.75Z", Some(Moment::At(UtcMs(3_600_000)))),
            ("1970-01-01T01:00:00+01:00", Some(Moment::At(UtcMs(0)))),
            ("9999", Some(Moment::Days { first: END_DAY - 365, end: END_DAY })),
            ("0000", None),
            ("1970-13", None),
            ("2025-02-29", None),
            ("1970-01T01:00", None),
            ("1970-01-01T24:00:00", None),
            ("1970-01-01T01:00:00+15:00", None),
            ("1970-01-01T01:00:00+01", None),
            ("1970-1-1", None),
            ("+1970", None),
            (" 1970", None),
            ("{placeholder}", None),
            ("", None),
        ] {
            assert_eq!(Moment::parse(text), expected, "{text}");
        }
    }
}
