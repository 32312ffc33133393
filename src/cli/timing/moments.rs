//! Instants, dates and date-times as they are written on the command line and in a batch.

use crate::care::timing::parse_time_of_day;
use crate::care::{UtcMs, Zone};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// A date, or a date-time with or without an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// A day of the patient's calendar.
    Date(NaiveDate),
    /// A time on the patient's clock.
    Local(NaiveDateTime),
    /// With `Z` or an offset.
    Instant(UtcMs),
}

impl Written {
    /// Reads `YYYY-MM-DD` and `YYYY-MM-DDThh:mm[:ss[.f]][Z|±hh:mm]` (RFC 3339; the offset may be absent).
    pub(super) fn parse(text: &str) -> Option<Self> {
        if !text.is_ascii() {
            return None;
        }
        let date = date(text.get(..10)?.as_bytes())?;
        let Some(rest) = text.get(10..).filter(|rest| !rest.is_empty()) else {
            return Some(Self::Date(date));
        };
        let clock = rest.strip_prefix('T')?;
        let (time, offset) = match clock.find(['Z', '+', '-']) {
            Some(at) => (time(&clock[..at])?, Some(offset_ms(&clock[at..])?)),
            None => (time(clock)?, None),
        };
        let local = date.and_time(time);
        Some(match offset {
            Some(offset) => Self::Instant(UtcMs::from_naive_utc(local).plus_ms(-offset)),
            None => Self::Local(local),
        })
    }

    /// The instant; a date is its first.
    pub(super) fn instant(self, zone: &Zone) -> UtcMs {
        match self {
            Self::Date(date) => zone.resolve(date.and_time(NaiveTime::MIN)).instant(),
            Self::Local(local) => zone.resolve(local).instant(),
            Self::Instant(at) => at,
        }
    }
}

fn date(bytes: &[u8]) -> Option<NaiveDate> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *bytes else { return None };
    let number = |digits: &[u8]| {
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| digits.iter().fold(0, |n, digit| n * 10 + u32::from(digit - b'0')))
    };
    let year = number(&[y1, y2, y3, y4]).filter(|year| *year > 0)?;
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, number(&[m1, m2])?, number(&[d1, d2])?)
}

/// To the millisecond; what is finer is dropped.
fn time(text: &str) -> Option<NaiveTime> {
    let time = parse_time_of_day(text)?;
    let fraction = text.get(9..).unwrap_or_default();
    let ms = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let ms = ms.fold(0, |ms, digit| ms * 10 + u32::from(digit - b'0'));
    time.with_nanosecond(ms * 1_000_000)
}

/// Of `Z` or `±hh:mm`, in milliseconds east of UTC.
fn offset_ms(text: &str) -> Option<i64> {
    let sign = match text.as_bytes() {
        b"Z" => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let clock = text.get(1..).filter(|clock| clock.len() == 5)?;
    Some(sign * i64::from(parse_time_of_day(clock)?.num_seconds_from_midnight()) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_times_and_instants_are_told_apart() {
        for (text, ms) in [
            ("1970-01-01T00:00:01Z", 1_000),
            ("1970-01-01T01:00:00.25+01:00", 250),
            ("1969-12-31T23:00-01:00", 0),
        ] {
            assert_eq!(Written::parse(text), Some(Written::Instant(UtcMs(ms))), "{text}");
        }
        assert!(matches!(Written::parse("2026-03-08"), Some(Written::Date(_))));
        assert!(matches!(Written::parse("2026-03-08T02:30"), Some(Written::Local(_))));
        for bad in [
            "",
            "2026",
            "2026-3-8",
            "2026-02-30",
            "0000-01-01",
            "2026-03-08T",
            "2026-03-08 08:00",
            "2026-03-08T24:00:00Z",
            "2026-03-08T08:00:00z",
            "2026-03-08T08:00:00+1",
            "2026-03-08T08:00:00Z ",
            "２026-03-08",
            "now",
        ] {
            assert_eq!(Written::parse(bad), None, "{bad}");
        }
    }
}
