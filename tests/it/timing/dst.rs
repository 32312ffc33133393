//! The DST vectors through the whole engine: one dose at each of their moments, and what a new release of the zone
//! rules does to a plan that is under way.

use super::Case;
use crate::zones::{Replan, data, local, utc};
use carebell::care::slot::Planned;
use carebell::care::{Routine, Slot, UtcMs};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

const DAY: i64 = 86_400_000;

#[derive(Deserialize)]
struct Vector {
    zone: String,
    local: String,
    kind: String,
    expected_utc_earliest: String,
    expected_utc_latest: String,
    recommended_utc: String,
    note: String,
}

fn vectors<T: for<'de> Deserialize<'de>>(name: &str) -> Vec<T> {
    let text = std::fs::read_to_string(data("dst").join(name)).unwrap();
    let vectors: Vec<T> = serde_json::from_str(&text).unwrap();
    assert!(vectors.len() > 10, "{name}");
    vectors
}

#[test]
fn p7_one_dose_at_each_vector_is_due_once_by_its_name() {
    for vector in vectors::<Vector>("dst_vectors.json") {
        let (day, time) = vector.local.split_once('T').unwrap();
        let repeat = json!({"timeOfDay": [time], "boundsPeriod": {"start": day, "end": day}});
        let case = Case::new(json!([{"timing": {"repeat": repeat}}]), &vector.zone, "2000-01-01");
        let at = utc(&vector.recommended_utc);
        let found = case.expand(at.plus_ms(-3 * DAY), at.plus_ms(3 * DAY)).occurrences;
        let told = format!("{} in {} ({})", vector.local, vector.zone, vector.note);
        assert_eq!(found.len(), 1, "{told}");
        let named = Slot { dosage: 1, planned: Planned::Local(local(&vector.local)) };
        assert_eq!((&found[0].slot, found[0].at), (&named, at), "{told}");
        let (earliest, latest) =
            (utc(&vector.expected_utc_earliest), utc(&vector.expected_utc_latest));
        assert_eq!(at, if vector.kind == "gap" { latest } else { earliest }, "{told}");
        // A gap has no such moment: the clock then shows what lies as far behind it.
        let shifted = if vector.kind == "gap" { latest.since(earliest) } else { 0 };
        let shown = found[0].local - local(&vector.local);
        assert_eq!(shown.num_milliseconds(), shifted, "{told}");
    }
}

/// A daily dose at a vector's time, under one release.
fn daily(vector: &Replan, release: &str) -> Case {
    let time = vector.local.split_once('T').unwrap().1;
    let dosages = json!([{"timing": {"repeat": {"timeOfDay": [time]}}}]);
    Case {
        dosages: serde_json::from_value(dosages).unwrap(),
        zone: Arc::new(vector.zone_of(release)),
        routine: Routine::default(),
        anchor: "2020-01-01".to_owned(),
    }
}

/// Every slot of a window with its instant; those that are announced together count each.
fn slots(case: &Case, from: UtcMs, to: UtcMs) -> BTreeMap<Slot, UtcMs> {
    let occurrences = case.expand(from, to).occurrences;
    let named = occurrences
        .iter()
        .flat_map(|o| std::iter::once(&o.slot).chain(&o.merged).map(|slot| (slot.clone(), o.at)));
    named.collect()
}

#[test]
fn p1_a_new_release_moves_an_occurrence_under_its_name_and_neither_doubles_nor_loses_it() {
    // What the schedule is set back by when rules change: design.md section 3, 26 h and the longest validity.
    let back = (26 + 24) * 3_600_000;
    let mut moved = 0;
    for vector in vectors::<Replan>("dst_replan_vectors.json") {
        let told = format!("{} in {} ({})", vector.local, vector.zone, vector.note);
        let (old, new) = (daily(&vector, &vector.tzdata_old), daily(&vector, &vector.tzdata_new));
        let (utc_old, utc_new) = (utc(&vector.utc_old), utc(&vector.utc_new));
        let slot = Slot { dosage: 1, planned: Planned::Local(local(&vector.local)) };
        for (case, at) in [(&old, utc_old), (&new, utc_new)] {
            let found = case.compiled().slot(&slot);
            assert_eq!(found.map(|o| (o.slot, o.at)), Some((slot.clone(), at)), "{told}");
        }
        let half = DAY / 2;
        let (from, to) = (utc_old.plus_ms(-5 * DAY - half), utc_old.plus_ms(5 * DAY + half));
        let (before, after) = (slots(&old, from, to), slots(&new, from, to));
        assert!(before.keys().eq(after.keys()), "the names are the same: {told}");
        moved += before.iter().filter(|(slot, at)| after[*slot] != **at).count();
        // The rules change at any moment near: what was announced is known by its name, the rest is due.
        for minutes in [-1_500, -61, -60, -59, -1, 0, 1, 59, 60, 61, 1_500] {
            let now = utc_old.min(utc_new).plus_ms(minutes * 60_000);
            let announced = slots(&old, from, now);
            let due = slots(&new, now.plus_ms(-back), to);
            let lost = before.keys().find(|s| !announced.contains_key(s) && !due.contains_key(s));
            assert_eq!(lost, None, "lost at {minutes} min: {told}");
            let expected = before.len() - announced.len();
            let rest = due.keys().filter(|slot| !announced.contains_key(slot)).count();
            assert_eq!(rest, expected, "each once at {minutes} min: {told}");
        }
    }
    assert!(moved >= 8, "{moved}");
}
