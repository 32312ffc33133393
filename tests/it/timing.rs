//! The time engine: outside schedules, the traps that real plans set, and its laws.

mod corpus;
mod dst;
mod laws;
mod milestones;
mod native;
mod oracle;
mod outside;
mod sweep;
mod tables;
mod text;

use crate::zones::{data, local, utc};
use Confidence::{Exact, Review};
use carebell::care::programme::AppointmentLead;
use carebell::care::slot::Planned;
use carebell::care::{Confidence, Dosage, Expansion, Routine, Slot, UtcMs, ZoneRules};
use carebell::timing::{Compiled, Context, compile, expand, leads};
use carebell::zones::Zones;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// An activity with everything that an expansion needs.
#[derive(Debug)]
struct Case {
    dosages: Vec<Dosage>,
    zone: std::sync::Arc<carebell::care::Zone>,
    routine: Routine,
    anchor: String,
}

impl Case {
    fn new(dosages: Value, zone: &str, anchor: &str) -> Self {
        Self {
            dosages: serde_json::from_value(dosages).unwrap(),
            zone: Zones::built_in().zone(zone).unwrap(),
            routine: Routine::default(),
            anchor: anchor.to_owned(),
        }
    }

    /// A repeat in UTC from an anchor.
    fn repeat(repeat: &Value, anchor: &str) -> Self {
        Self::new(json!([{"timing": {"repeat": repeat}}]), "UTC", anchor)
    }

    fn with_routine(mut self, routine: Value) -> Self {
        self.routine = serde_json::from_value(routine).unwrap();
        self
    }

    fn context(&self) -> Context<'_> {
        Context { zone: &self.zone, routine: &self.routine, anchor: &self.anchor }
    }

    fn expand(&self, from: UtcMs, to: UtcMs) -> Expansion {
        expand(&self.dosages, self.context(), from, to)
    }

    /// Wall-clock times in a window of UTC dates, as `MM-DDTHH:MM`.
    fn shown(&self, from: &str, to: &str) -> Vec<String> {
        let expansion =
            self.expand(utc(&format!("{from}T00:00:00Z")), utc(&format!("{to}T00:00:00Z")));
        expansion.occurrences.iter().map(|o| o.local.format("%m-%dT%H:%M").to_string()).collect()
    }

    fn compiled(&self) -> Compiled<'_> {
        compile(&self.dosages, self.context())
    }

    fn confidence(&self) -> Confidence {
        self.compiled().confidence()
    }
}

#[derive(Deserialize)]
struct DailyTimes {
    zone: String,
    times: Vec<String>,
    start_date: String,
    days: u32,
    local_occurrences: usize,
    expected_utc: Vec<String>,
    merged: Vec<Vec<String>>,
    min_separation_minutes: i64,
    note: String,
}

#[test]
fn p7_daily_times_over_gaps_and_folds() {
    let text = std::fs::read_to_string(data("dst/dst_schedules.json")).unwrap();
    let cases: Vec<DailyTimes> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 10);
    for case in cases {
        let repeat =
            json!({"timeOfDay": case.times, "boundsDuration": {"value": case.days, "code": "d"}});
        let plan = Case::new(json!([{"timing": {"repeat": repeat}}]), &case.zone, &case.start_date);
        let start = utc(&format!("{}T00:00:00Z", case.start_date));
        let expansion = plan.expand(start.plus_ms(-172_800_000), start.plus_ms(1_728_000_000));
        let got: Vec<String> = expansion.occurrences.iter().map(|o| o.at.rfc3339()).collect();
        assert_eq!(got, case.expected_utc, "{} ({})", case.zone, case.note);
        assert_eq!(expansion.confidence, Confidence::Exact);
        let slots = expansion.occurrences.iter().map(|o| 1 + o.merged.len()).sum::<usize>();
        assert_eq!(slots, case.local_occurrences, "{} ({})", case.zone, case.note);
        let apart = expansion.occurrences.windows(2).map(|pair| pair[1].at.since(pair[0].at));
        let closest = apart.min().map(|apart| apart / 60_000);
        assert_eq!(closest, Some(case.min_separation_minutes), "{} ({})", case.zone, case.note);
        let merged: Vec<Vec<Planned>> = expansion
            .occurrences
            .iter()
            .filter(|o| !o.merged.is_empty())
            .map(|o| std::iter::once(&o.slot).chain(&o.merged).map(|slot| slot.planned).collect())
            .collect();
        let expected: Vec<Vec<Planned>> = case
            .merged
            .iter()
            .map(|group| group.iter().map(|text| Planned::Local(local(text))).collect())
            .collect();
        assert_eq!(merged, expected, "{} ({})", case.zone, case.note);
    }
}

#[test]
fn steps_follow_each_other_whatever_their_place() {
    let step = |sequence: i64, time: &str, bounds: Value| {
        let mut repeat = json!({"timeOfDay": [time]});
        repeat.as_object_mut().unwrap().extend(bounds.as_object().unwrap().clone());
        json!({"sequence": sequence, "timing": {"repeat": repeat}})
    };
    let two_days = json!({"boundsDuration": {"value": 2, "code": "d"}});
    let taper = [
        step(1, "08:00", two_days.clone()),
        step(2, "09:00", json!({"count": 2})),
        step(3, "10:00", json!({})),
    ];
    let expected =
        ["03-01T08:00", "03-02T08:00", "03-03T09:00", "03-04T09:00", "03-05T10:00", "03-06T10:00"];
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let dosages: Vec<Value> = order.iter().map(|index| taper[*index].clone()).collect();
        let case = Case::new(json!(dosages), "UTC", "2025-03-01");
        assert_eq!(case.shown("2025-03-01", "2025-03-07"), expected, "{order:?}");
        assert_eq!(case.confidence(), Exact);
        let numbers: Vec<u16> = case
            .expand(utc("2025-03-01T00:00:00Z"), utc("2025-03-07T00:00:00Z"))
            .occurrences
            .iter()
            .map(|o| o.slot.dosage)
            .collect();
        assert_eq!(numbers, [1, 1, 2, 2, 3, 3], "{order:?}");
    }
    // medrx0321: numbered, all without end.
    let open = json!([step(2, "08:00", json!({})), step(1, "09:00", json!({}))]);
    let case = Case::new(open, "UTC", "2025-03-01");
    assert_eq!(case.confidence(), Review);
    assert_eq!(case.shown("2025-03-01", "2025-03-02"), ["03-01T08:00", "03-01T09:00"]);
    // The number follows the sequence, not the first slot.
    let own_start = json!([
        step(1, "08:00", json!({"boundsPeriod": {"start": "2025-03-10", "end": "2025-03-10"}})),
        step(2, "09:00", json!({"boundsPeriod": {"start": "2025-03-01", "end": "2025-03-01"}})),
    ]);
    let second_first = Case::new(own_start, "UTC", "2025-01-01");
    let found = second_first.expand(utc("2025-03-01T00:00:00Z"), utc("2025-04-01T00:00:00Z"));
    let numbers: Vec<u16> = found.occurrences.iter().map(|o| o.slot.dosage).collect();
    assert_eq!(numbers, [2, 1]);
    // The same instant twice is one occurrence that carries the other's name.
    let twice = Case::new(
        json!([step(1, "08:00", json!({})), step(1, "08:00", json!({"count": 1}))]),
        "UTC",
        "2025-03-01",
    );
    let both = twice.expand(utc("2025-03-01T00:00:00Z"), utc("2025-03-02T00:00:00Z")).occurrences;
    assert_eq!((both.len(), both[0].slot.dosage, both[0].merged[0].dosage), (1, 1, 2));
}

#[test]
fn p1_a_slot_keeps_its_name_when_the_patient_moves() {
    let dosages = json!([{"timing": {"repeat": {"timeOfDay": ["02:30", "03:30"]}}}]);
    let home = Case::new(dosages.clone(), "Europe/Berlin", "2025-01-01");
    let away = Case::new(dosages, "America/New_York", "2025-01-01");
    let slot = |text: &str| Slot { dosage: 1, planned: Planned::Local(local(text)) };
    let plain = slot("2025-03-10T02:30:00");
    let here = home.compiled().slot(&plain).unwrap();
    let there = away.compiled().slot(&plain).unwrap();
    assert_eq!((here.at, there.at), (utc("2025-03-10T01:30:00Z"), utc("2025-03-10T06:30:00Z")));
    // In the gap it stands with the slot that it meets, under the earlier name.
    let gap = home.compiled().slot(&slot("2025-03-30T03:30:00")).unwrap();
    assert_eq!(
        (gap.slot, gap.merged),
        (slot("2025-03-30T02:30:00"), vec![slot("2025-03-30T03:30:00")])
    );
    for gone in
        [slot("2025-03-10T02:31:00"), slot("2024-12-31T02:30:00"), Slot { dosage: 2, ..plain }]
    {
        assert_eq!(home.compiled().slot(&gone), None, "{gone:?}");
    }
}

#[test]
fn p7_a_gap_may_bring_the_later_name_first() {
    let dosages = json!([{"timing": {"repeat": {"timeOfDay": ["02:30", "03:15"]}}}]);
    let case = Case::new(dosages, "Europe/Berlin", "2025-01-01");
    let (from, to) = (utc("2025-03-30T00:00:00Z"), utc("2025-03-31T00:00:00Z"));
    let got = case.expand(from, to).occurrences;
    assert_eq!((got[0].at, got[1].at), (utc("2025-03-30T01:15:00Z"), utc("2025-03-30T01:30:00Z")));
    assert_eq!(case.compiled().next_after(from, to), Some(got[0].at));
}

#[test]
fn appointment_leads() {
    let zone = Zones::built_in().zone("Europe/Berlin").unwrap();
    let start = utc("2025-03-31T07:00:00Z"); // 09:00, the day after the clocks went forward
    let wanted = [
        AppointmentLead::MinutesBefore { minutes: 120 },
        AppointmentLead::DayBefore { days: 1, at: "02:30".to_owned() },
        AppointmentLead::DayBefore { days: 0, at: "09:00".to_owned() },
        AppointmentLead::MinutesBefore { minutes: 0 },
        AppointmentLead::DayBefore { days: 2, at: "18:00".to_owned() },
    ];
    let got: Vec<(u16, String, String)> = leads(start, &wanted, &zone)
        .into_iter()
        .map(|o| (o.slot.dosage, o.slot.planned.to_string(), o.at.rfc3339()))
        .collect();
    let row = |dosage, planned: &str, at: &str| (dosage, planned.to_owned(), at.to_owned());
    assert_eq!(
        got,
        [
            row(5, "2025-03-29T18:00:00", "2025-03-29T17:00:00Z"),
            row(2, "2025-03-30T02:30:00", "2025-03-30T01:30:00Z"),
            row(1, "2025-03-31T05:00:00Z", "2025-03-31T05:00:00Z"),
        ]
    );
}

#[test]
fn p7_a_dose_each_quarter_is_due_once_in_every_local_day() {
    let times: Vec<String> = (0..96).map(|q| format!("{:02}:{:02}", q / 4, q % 4 * 15)).collect();
    let dosages = json!([{"timing": {"repeat": {"timeOfDay": times}}}]);
    for zone in [
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Antarctica/Troll",
        "America/Havana",
        "Asia/Gaza",
        "Asia/Kathmandu",
    ] {
        let case = Case::new(dosages.clone(), zone, "2024-01-01");
        let got = case.expand(utc("2024-01-02T00:00:00Z"), utc("2026-01-01T00:00:00Z")).occurrences;
        assert!(
            got.windows(2).all(|pair| pair[0].at < pair[1].at),
            "{zone}: in order, no instant twice"
        );
        let mut slots = BTreeSet::new();
        for slot in got.iter().flat_map(|o| std::iter::once(&o.slot).chain(&o.merged)) {
            assert!(slots.insert(slot.clone()), "{zone}: {slot:?} twice");
        }
        let (Planned::Local(first), Planned::Local(last)) =
            (slots.first().unwrap().planned, slots.last().unwrap().planned)
        else {
            panic!("wall-clock slots");
        };
        assert_eq!(slots.len() as i64, (last - first).num_minutes() / 15 + 1, "{zone}: none lost");
    }
}
