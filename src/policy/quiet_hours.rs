//! Quiet hours by the patient's clock (design.md section 5). Whether a class keeps them is not decided here.

use crate::care::programme::QuietHours;
use crate::care::{UtcMs, Zone};
use chrono::{Days, NaiveDate};

/// When the quiet hours that hold at `now` end; `None` when none hold. Equal ends mean that there are none.
///
/// Both ends are civil times resolved like a dose (P7): in a gap shifted forward, in a fold the first. So an
/// opening, once passed, stays passed when the clock goes back over it.
pub fn opening_after(now: UtcMs, zone: &Zone, hours: &QuietHours) -> Option<UtcMs> {
    let today = zone.local(now).date();
    // A night belongs to the date on which it begins; two dates back, because a zone can skip a whole date.
    (0..=2).filter_map(|days| today.checked_sub_days(Days::new(days))).find_map(|evening| {
        let (closing, opening) = night(evening, zone, hours)?;
        (closing <= now && now < opening).then_some(opening)
    })
}

/// The quiet hours that begin on a date.
fn night(evening: NaiveDate, zone: &Zone, hours: &QuietHours) -> Option<(UtcMs, UtcMs)> {
    let morning = match hours.from.cmp(&hours.to) {
        std::cmp::Ordering::Less => evening,
        std::cmp::Ordering::Equal => return None,
        std::cmp::Ordering::Greater => evening.succ_opt()?,
    };
    let closing = zone.resolve(evening.and_time(hours.from)).instant();
    let opening = zone.resolve(morning.and_time(hours.to)).instant();
    Some((closing, opening))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::zone::Segment;
    use chrono::{NaiveDateTime, NaiveTime};

    const HOUR: i32 = 3_600;

    fn zone(changes: &[(&str, i32)]) -> Zone {
        let segment = |(from, offset_seconds): &(&str, i32)| Segment {
            from_utc_seconds: if from.is_empty() { i64::MIN } else { utc(from).0 / 1_000 },
            offset_seconds: *offset_seconds,
        };
        Zone::new("test", changes.iter().map(segment).collect())
    }

    fn new_york() -> Zone {
        zone(&[("", -5 * HOUR), ("2026-03-08T07:00", -4 * HOUR), ("2026-11-01T06:00", -5 * HOUR)])
    }

    fn utc(text: &str) -> UtcMs {
        UtcMs::from_naive_utc(NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").unwrap())
    }

    fn hours(from: &str, to: &str) -> QuietHours {
        let time = |text| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
        QuietHours { from: time(from), to: time(to) }
    }

    #[test]
    fn p7_quiet_hours_follow_the_patients_clock_over_midnight_and_clock_changes() {
        let night = ("21:00", "08:00");
        let rows = [
            // Over midnight, in winter: 21:00 is 02:00 UTC, 08:00 is 13:00 UTC.
            (night, "2026-01-10T01:59", None),
            (night, "2026-01-10T02:00", Some("2026-01-10T13:00")),
            (night, "2026-01-10T05:00", Some("2026-01-10T13:00")),
            (night, "2026-01-10T12:59", Some("2026-01-10T13:00")),
            (night, "2026-01-10T13:00", None),
            // The night of the gap is an hour shorter, that of the fold an hour longer.
            (night, "2026-03-08T03:00", Some("2026-03-08T12:00")),
            (night, "2026-11-01T02:00", Some("2026-11-01T13:00")),
            // An opening within the gap is shifted to 03:30, 07:30 UTC.
            (("22:00", "02:30"), "2026-03-08T06:59", Some("2026-03-08T07:30")),
            (("22:00", "02:30"), "2026-03-08T07:30", None),
            // An opening within the fold is the first 01:30; the second 01:10 comes after it.
            (("22:00", "01:30"), "2026-11-01T05:29", Some("2026-11-01T05:30")),
            (("22:00", "01:30"), "2026-11-01T06:10", None),
            // A closing within the fold is the first as well.
            (("01:30", "05:00"), "2026-11-01T06:10", Some("2026-11-01T10:00")),
            // Within one day, and never.
            (("12:00", "14:00"), "2026-01-10T18:00", Some("2026-01-10T19:00")),
            (("12:00", "14:00"), "2026-01-10T20:00", None),
            (("08:00", "08:00"), "2026-01-10T13:00", None),
        ];
        for ((from, to), now, expected) in rows {
            let got = opening_after(utc(now), &new_york(), &hours(from, to));
            assert_eq!(got, expected.map(utc), "{from} to {to} at {now}");
        }
    }

    #[test]
    fn p7_a_date_that_a_zone_skips_still_opens() {
        // Samoa had no 30 December 2011 (IANA: Pacific/Apia).
        let apia = zone(&[("", -10 * HOUR), ("2011-12-30T10:00", 14 * HOUR)]);
        let at_three = utc("2011-12-30T13:00");
        let eight = utc("2011-12-30T18:00");
        assert_eq!(opening_after(at_three, &apia, &hours("21:00", "08:00")), Some(eight));
    }
}
