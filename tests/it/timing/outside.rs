//! What the test suites of other schedulers expect, as far as a `Timing` can say the same (facts only; the suite
//! and the test's name stand in each row of `tests/data/timing/outside.json`).

use super::Case;
use crate::zones::{data, local, utc};
use carebell::care::Occurrence;
use chrono::NaiveDateTime;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    source: String,
    name: String,
    zone: String,
    anchor: String,
    /// One `repeat` (or `event` list) per dosage.
    repeats: Vec<Value>,
    routine: Option<Value>,
    /// The clock there: what is due later is asked for.
    after: Option<String>,
    /// The next local times after it.
    expected: Option<Vec<String>>,
    /// The same as instants.
    utc: Option<Vec<String>>,
    /// Nothing is due after the expected ones.
    #[serde(default)]
    only: bool,
    /// How many there are in all, and the date of the last.
    count: Option<usize>,
    last: Option<String>,
    confidence: Option<String>,
    /// Why we differ, and what we expect instead.
    differs: Option<String>,
    ours: Option<Vec<String>>,
    our_last: Option<String>,
}

impl Row {
    fn case(&self) -> Case {
        let dosage = |repeat: &Value| match repeat.get("event") {
            Some(events) => json!({"timing": {"event": events}}),
            None => json!({"timing": {"repeat": repeat}}),
        };
        let dosages: Vec<Value> = self.repeats.iter().map(dosage).collect();
        let case = Case::new(json!(dosages), &self.zone, &self.anchor);
        match &self.routine {
            Some(routine) => case.with_routine(routine.clone()),
            None => case,
        }
    }

    fn told(&self) -> String {
        format!("{}: {}", self.source, self.name)
    }

    fn check(&self) {
        let case = self.case();
        let told = self.told();
        let expansion = case.expand(utc("1969-12-01T00:00:00Z"), utc("2031-01-01T00:00:00Z"));
        if let Some(confidence) = &self.confidence {
            assert_eq!(expansion.confidence.word(), confidence, "{told}");
        }
        let after = self.after.as_deref().map_or(NaiveDateTime::MIN, local);
        let due: Vec<&Occurrence> =
            expansion.occurrences.iter().filter(|o| o.local > after).collect();
        if let Some(theirs) = &self.expected {
            let expected = self.ours.as_ref().unwrap_or(theirs);
            let shown = |o: &&Occurrence| o.local.format("%Y-%m-%dT%H:%M").to_string();
            let next: Vec<String> = due.iter().take(expected.len()).map(shown).collect();
            assert_eq!(next, *expected, "{told}");
            if self.only || expected.is_empty() {
                assert_eq!(due.len(), expected.len(), "no more of {told}");
            }
        }
        if let Some(instants) = &self.utc {
            let next: Vec<String> =
                due.iter().take(instants.len()).map(|o| o.at.rfc3339()).collect();
            assert_eq!(next, *instants, "{told}");
        }
        if let (Some(count), Some(theirs)) = (self.count, &self.last) {
            let last = due.last().map(|o| o.local.date().to_string());
            assert_eq!(due.len(), count, "{told}");
            assert_eq!(last.as_ref(), Some(self.our_last.as_ref().unwrap_or(theirs)), "{told}");
        }
    }
}

#[test]
fn the_suites_of_others_agree_or_differ_for_a_reason() {
    let text = std::fs::read_to_string(data("timing/outside.json")).unwrap();
    let rows: Vec<Row> = serde_json::from_str(&text).unwrap();
    for row in &rows {
        assert!(row.expected.is_some() || row.last.is_some(), "{} says nothing", row.told());
        assert_eq!(
            row.differs.is_some(),
            row.ours.is_some() || row.our_last.is_some(),
            "{}: a difference has its reason and our expectation",
            row.told()
        );
        row.check();
    }
    assert!(rows.len() > 120, "only {} rows were read", rows.len());
}
