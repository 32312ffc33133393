//! How fast the time engine is, as ratios: plain daily times of ten thousand patients over a year against
//! chrono-tz alone and against the rrule crate on the same work; and one order, read and expanded for one day.
//!
//! `cargo bench --bench timing`. Prints one JSON line a figure.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench ends at the first fault")]

use carebell::care::{Dosage, Routine, UtcMs, Zone, ZoneRules as _};
use carebell::timing::{Compiled, Context, compile};
use carebell::zones::Zones;
use chrono::{Days, NaiveDate, NaiveTime, TimeZone as _};
use serde_json::{Value, json};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const TIMES: [&str; 3] = ["08:00", "14:00", "20:00"];
const PATIENTS: usize = 10_000;
const ZONES: usize = 40;
const DAYS: u64 = 365;
/// The rrule crate is so much slower that fewer patients do.
const RRULE_PATIENTS: usize = 40;

fn main() {
    let tables = Zones::built_in();
    let step = chrono_tz::TZ_VARIANTS.len() / ZONES;
    let names = chrono_tz::TZ_VARIANTS.iter().step_by(step).take(ZONES);
    let zones: Vec<(chrono_tz::Tz, Arc<Zone>)> =
        names.filter_map(|tz| Some((*tz, tables.zone(tz.name())?))).collect();
    assert_eq!(zones.len(), ZONES, "a zone of chrono-tz is unknown to the house");
    let first = NaiveDate::from_ymd_opt(2027, 1, 1).expect("a date");
    let ours = by_the_house(&zones, first);
    let chrono_tz = rate(5, || by_chrono_tz(&zones, first));
    let rrule = rate(1, || by_rrule(&zones, first));
    let named = named_by_the_house(&zones, first);
    print("instants_per_second", ours);
    print("occurrences_per_second", named);
    print("chrono_tz_per_second", chrono_tz);
    print("rrule_per_second", rrule);
    print("ratio_to_chrono_tz", ours / chrono_tz);
    print("ratio_to_rrule", ours / rrule);
    for (name, dosage) in orders() {
        print(&format!("compile_and_expand_ns_{name}"), one_order(&dosage, &zones[7].1));
    }
}

fn print(figure: &str, value: f64) {
    let shown = if value < 1e5 { format!("{value:.2}") } else { format!("{value:.0}") };
    println!(r#"{{"bench":"timing","figure":"{figure}","value":{shown}}}"#);
}

/// Results a second, the best of some rounds.
fn rate(rounds: u32, mut work: impl FnMut() -> usize) -> f64 {
    let rounds = (0..rounds).map(|_| {
        let began = Instant::now();
        let results = black_box(work());
        results as f64 / began.elapsed().as_secs_f64()
    });
    rounds.fold(0.0, f64::max)
}

fn daily() -> [Dosage; 1] {
    dosages(&json!([{"timing": {"repeat": {"timeOfDay": TIMES}}}])).try_into().expect("one")
}

fn dosages(json: &Value) -> Vec<Dosage> {
    serde_json::from_value(json.clone()).expect("dosages")
}

fn year(zone: &Zone, first: NaiveDate) -> (UtcMs, UtcMs) {
    let last = first.checked_add_days(Days::new(DAYS)).expect("a date");
    let midnight = |day: NaiveDate| zone.resolve(day.and_time(NaiveTime::MIN)).instant();
    (midnight(first), midnight(last))
}

fn compiled(
    zones: &[(chrono_tz::Tz, Arc<Zone>)],
    first: NaiveDate,
) -> Vec<(Compiled<'_>, UtcMs, UtcMs)> {
    static ROUTINE: std::sync::OnceLock<Routine> = std::sync::OnceLock::new();
    let routine = ROUTINE.get_or_init(Routine::default);
    let patients = (0..PATIENTS).map(|patient| &zones[patient % zones.len()].1);
    let compiled = patients.map(|zone| {
        let context = Context { zone, routine, anchor: "2026-12-01" };
        let (from, to) = year(zone, first);
        (compile(&daily(), context), from, to)
    });
    compiled.collect()
}

fn by_the_house(zones: &[(chrono_tz::Tz, Arc<Zone>)], first: NaiveDate) -> f64 {
    let compiled = compiled(zones, first);
    let mut instants = Vec::new();
    rate(9, || {
        let patients = compiled.iter().map(|(order, from, to)| {
            instants.clear();
            order.instants(*from, *to, &mut instants).expect("not too many");
            black_box(&instants).len()
        });
        patients.sum()
    })
}

fn named_by_the_house(zones: &[(chrono_tz::Tz, Arc<Zone>)], first: NaiveDate) -> f64 {
    let compiled = compiled(zones, first);
    rate(3, || {
        let patients = compiled.iter().map(|(order, from, to)| {
            black_box(order.occurrences(*from, *to)).expect("not too many").len()
        });
        patients.sum()
    })
}

fn by_chrono_tz(zones: &[(chrono_tz::Tz, Arc<Zone>)], first: NaiveDate) -> usize {
    let times = TIMES.map(|text| format!("{text}:00").parse::<NaiveTime>().unwrap());
    let mut instants: Vec<UtcMs> = Vec::new();
    let patients = (0..PATIENTS).map(|patient| {
        let tz = zones[patient % zones.len()].0;
        instants.clear();
        for day in first.iter_days().take(DAYS as usize) {
            for time in times {
                // A gap gives none: the few such times do not matter here.
                let at = tz.from_local_datetime(&day.and_time(time)).earliest();
                instants.extend(at.map(|at| UtcMs(at.timestamp_millis())));
            }
        }
        black_box(&instants).len()
    });
    patients.sum()
}

fn by_rrule(zones: &[(chrono_tz::Tz, Arc<Zone>)], first: NaiveDate) -> usize {
    let patients = (0..RRULE_PATIENTS).map(|patient| {
        let tz = zones[patient % zones.len()].0;
        let day = first.format("%Y%m%d");
        let text = format!(
            "DTSTART;TZID={tz}:{day}T080000\nRRULE:FREQ=DAILY;BYHOUR=8,14,20;COUNT={}",
            DAYS as usize * TIMES.len()
        );
        let set: rrule::RRuleSet = text.parse().expect("a rule");
        black_box(set.all(u16::MAX).dates).len()
    });
    patients.sum()
}

/// Ordinary orders, as real sources write them.
fn orders() -> Vec<(&'static str, Vec<Dosage>)> {
    let per_day =
        |n: u8| json!([{"timing": {"repeat": {"frequency": n, "period": 1, "periodUnit": "d"}}}]);
    vec![
        ("twice_a_day", dosages(&per_day(2))),
        ("three_clock_times", daily().to_vec()),
        (
            "bounded",
            dosages(&json!([{"timing": {"repeat": {
                "boundsPeriod": {"start": "2027-03-01", "end": "2027-05-31"},
                "frequency": 1, "period": 1, "periodUnit": "d"}}}])),
        ),
    ]
}

/// Nanoseconds to read one order and expand it over one day.
fn one_order(dosages: &[Dosage], zone: &Zone) -> f64 {
    const ROUNDS: u32 = 200_000;
    let routine = Routine::default();
    let context = Context { zone, routine: &routine, anchor: "2027-01-01" };
    let day = NaiveDate::from_ymd_opt(2027, 3, 20).expect("a date");
    let from = zone.resolve(day.and_time(NaiveTime::MIN)).instant();
    let to = from.plus_ms(86_400_000);
    let best = (0..5).map(|_| {
        let began = Instant::now();
        for _ in 0..ROUNDS {
            let order = compile(black_box(dosages), context);
            black_box(order.occurrences(from, to)).expect("not too many");
        }
        began.elapsed().as_nanos() as f64 / f64::from(ROUNDS)
    });
    best.fold(f64::MAX, f64::min)
}
