//! FHIR dates: checked at the border, kept as written, turned into instants only where an instant is meant.

use crate::care::UtcMs;
use chrono::{DateTime, Months, NaiveDate, NaiveDateTime, NaiveTime};

/// A date or date-time as FHIR writes it (<https://hl7.org/fhir/R4/datatypes.html#dateTime>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Date {
    /// A year, month or day: its first day, and the first day after it.
    Days { first: NaiveDate, after: NaiveDate },
    /// A wall-clock time without an offset: not FHIR's, but common.
    Local(NaiveDateTime),
    /// An instant.
    Instant(UtcMs),
}

impl Date {
    /// Reads a date or date-time.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.is_ascii() {
            return None;
        }
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Some(Self::Instant(UtcMs(at.timestamp_millis())));
        }
        for form in
            ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
        {
            if let Ok(local) = NaiveDateTime::parse_from_str(text, form) {
                return Some(Self::Local(local));
            }
        }
        // Minutes with an offset, which RFC 3339 has only with seconds.
        if let Ok(at) = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M%:z") {
            return Some(Self::Instant(UtcMs(at.timestamp_millis())));
        }
        let (first, months) = match text.len() {
            10 => {
                let first = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
                return Some(Self::Days { first, after: first.succ_opt()? });
            }
            7 => (NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok()?, 1),
            4 => (NaiveDate::parse_from_str(&format!("{text}-01-01"), "%Y-%m-%d").ok()?, 12),
            _ => return None,
        };
        Some(Self::Days { first, after: first.checked_add_months(Months::new(months))? })
    }

    /// The instant it begins at; without an offset, by UTC: for order in time, not for a patient's clock.
    pub(crate) fn begins(self) -> UtcMs {
        match self {
            Self::Days { first, .. } => UtcMs::from_naive_utc(first.and_time(NaiveTime::MIN)),
            Self::Local(local) => UtcMs::from_naive_utc(local),
            Self::Instant(at) => at,
        }
    }

    /// The first instant after it, likewise.
    pub(crate) fn ends(self) -> UtcMs {
        match self {
            Self::Days { after, .. } => UtcMs::from_naive_utc(after.and_time(NaiveTime::MIN)),
            at => at.begins().plus_ms(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_the_standard_writes_them() {
        let at = |text: &str| Date::parse(text).map(|d| d.begins().rfc3339());
        assert_eq!(at("2018").as_deref(), Some("2018-01-01T00:00:00Z"));
        assert_eq!(at("1973-06").as_deref(), Some("1973-06-01T00:00:00Z"));
        assert_eq!(at("2015-02-07T13:28:17-05:00").as_deref(), Some("2015-02-07T18:28:17Z"));
        assert!(matches!(Date::parse("2015-02-07T13:28:17"), Some(Date::Local(_))));
        assert_eq!(
            Date::parse("2018").map(|d| d.ends().rfc3339()).as_deref(),
            Some("2019-01-01T00:00:00Z")
        );
        for bad in [
            "",
            "01/02/2024",
            "2024-13-01",
            "2024-02-30",
            "{date}",
            "2024-1-1",
            "tomorrow",
            "２０２４",
        ] {
            assert_eq!(Date::parse(bad), None, "{bad}");
        }
    }
}
