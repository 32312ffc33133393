//! Times as gateways write them.

use super::field::NoField;
use crate::care::UtcMs;
use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone};
use chrono_tz::Tz;

/// How a time is read.
#[derive(Debug)]
pub(super) struct Times {
    /// Tried in this order.
    formats: Vec<Format>,
    /// The zone of times that name none.
    zone: Tz,
}

#[derive(Debug)]
enum Format {
    Unix,
    UnixMs,
    Rfc3339,
    Rfc2822,
    Strftime(String),
}

/// Seconds since 1970 that are rather milliseconds: the year 5138 and later.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

impl Times {
    pub(super) fn new(
        format: Option<&str>,
        zone: Option<&str>,
    ) -> Result<Self, (&'static str, NoField)> {
        let zone = zone.unwrap_or("UTC").parse();
        let zone = zone.map_err(|_| ("time_zone", NoField("write it as Africa/Nairobi")))?;
        let formats = match format {
            None => vec![Format::Rfc3339, Format::Unix, Format::Rfc2822],
            Some(text) => text.split('|').map(Format::parse).collect::<Result<_, _>>()?,
        };
        Ok(Self { formats, zone })
    }

    /// The instant; none, if the text is no time of this form or falls into a gap of the zone's clock. Of an hour that
    /// comes twice it is the first.
    pub(super) fn read(&self, text: &str) -> Option<UtcMs> {
        let text = text.trim();
        self.formats.iter().find_map(|format| format.read(text, self.zone))
    }
}

impl Format {
    fn parse(text: &str) -> Result<Self, (&'static str, NoField)> {
        Ok(match text.trim() {
            "unix" => Self::Unix,
            "unix-ms" => Self::UnixMs,
            "rfc3339" => Self::Rfc3339,
            "rfc2822" => Self::Rfc2822,
            format if StrftimeItems::new(format).any(|item| item == Item::Error) => {
                let fix =
                    "write strftime's signs (%Y-%m-%d %H:%M:%S), unix, unix-ms, rfc3339 or rfc2822";
                return Err(("time_format", NoField(fix)));
            }
            format => Self::Strftime(format.to_owned()),
        })
    }

    fn read(&self, text: &str, zone: Tz) -> Option<UtcMs> {
        let of = |at: DateTime<_>| UtcMs(at.timestamp_millis());
        match self {
            Self::Unix => {
                let seconds: i64 = text.split('.').next()?.parse().ok()?;
                // Some gateways write milliseconds where they say seconds.
                let is_ms = seconds.abs() >= MILLISECONDS_FROM;
                Some(UtcMs(if is_ms { seconds } else { seconds * 1_000 }))
            }
            Self::UnixMs => text.parse().ok().map(UtcMs),
            Self::Rfc3339 => DateTime::parse_from_rfc3339(text).ok().map(of),
            Self::Rfc2822 => DateTime::parse_from_rfc2822(text).ok().map(of),
            Self::Strftime(format) => {
                DateTime::parse_from_str(text, format).ok().map(of).or_else(|| {
                    let date =
                        || NaiveDate::parse_from_str(text, format).ok()?.and_hms_opt(0, 0, 0);
                    let local = NaiveDateTime::parse_from_str(text, format).ok().or_else(date)?;
                    let at = zone.from_local_datetime(&local).earliest()?;
                    Some(UtcMs(at.timestamp_millis()))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_their_gateway_writes_them() {
        let noon = Some("2026-03-05T09:15:04Z");
        for (format, zone, text, expected) in [
            (Some("%Y-%m-%d %H:%M:%S"), None, "2026-03-05 09:15:04", noon),
            (Some("%Y-%m-%d %H:%M:%S"), Some("Africa/Nairobi"), " 2026-03-05 12:15:04", noon),
            (Some("%Y-%m-%dT%H:%M:%S%.3f%z"), None, "2026-03-05T09:15:04.000+0000", noon),
            (Some("%Y-%m-%dT%H:%M:%S%.3f%z"), None, "2026-03-05T12:15:04.000+0300", noon),
            (Some("%d/%m/%y %I:%M:%S %p"), None, "05/03/26 09:15:04 AM", noon),
            (Some("unix"), None, "1772702104", noon),
            (Some("unix"), None, "1772702104000", noon),
            (Some("unix-ms"), None, "1772702104000", noon),
            (Some("%Y%m%d|rfc3339"), None, "2026-03-05T09:15:04Z", noon),
            (Some("%Y%m%d"), None, "20260305", Some("2026-03-05T00:00:00Z")),
            (None, None, "2026-03-05T12:15:04+03:00", noon),
            (None, None, "Thu, 05 Mar 2026 09:15:04 +0000", noon),
            (None, None, "1772702104", noon),
            (None, None, "soon", None),
            // The clocks went forward: there is no such time.
            (Some("%Y-%m-%d %H:%M"), Some("Europe/Berlin"), "2026-03-29 02:30", None),
            // And back: the first.
            (
                Some("%Y-%m-%d %H:%M"),
                Some("Europe/Berlin"),
                "2026-10-25 02:30",
                Some("2026-10-25T00:30:00Z"),
            ),
        ] {
            let read = Times::new(format, zone).unwrap().read(text).map(UtcMs::rfc3339);
            assert_eq!(read.as_deref(), expected, "{text}");
        }
        assert!(Times::new(Some("%Q"), None).is_err());
        assert!(Times::new(None, Some("Nowhere/Land")).is_err());
    }
}
