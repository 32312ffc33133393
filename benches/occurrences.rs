//! Occurrences a second of plain daily times: forty zones, one year, four times a day; beside chrono-tz alone
//! on the same, which every schedule library pays at least.
//!
//! `cargo bench --bench occurrences`. Prints one JSON line a figure.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench ends at the first fault")]

use carebell::care::timing::{Repeat, Timing};
use carebell::care::{Dosage, Routine, UtcMs, Zone, ZoneRules as _};
use carebell::timing::{Context, expand};
use carebell::zones::Zones;
use chrono::{Days, NaiveDate, NaiveTime, TimeZone as _};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const TIMES: [&str; 4] = ["08:00:00", "12:30:00", "18:00:00", "22:15:00"];
const ROUNDS: u32 = 20;
const DAYS: u64 = 365;

fn main() {
    let tables = Zones::built_in();
    let step = chrono_tz::TZ_VARIANTS.len() / 40;
    let names = chrono_tz::TZ_VARIANTS.iter().step_by(step).take(40);
    let zones: Vec<(chrono_tz::Tz, Arc<Zone>)> =
        names.filter_map(|tz| Some((*tz, tables.zone(tz.name())?))).collect();
    assert_eq!(zones.len(), 40, "a zone of chrono-tz is unknown to the house");
    let first = NaiveDate::from_ymd_opt(2027, 1, 1).expect("a date");
    let ours = rate(|| zones.iter().map(|(_, zone)| by_the_house(zone, first)).sum());
    let theirs = rate(|| zones.iter().map(|(tz, _)| by_chrono_tz(*tz, first)).sum());
    println!(r#"{{"bench":"occurrences","figure":"occurrences_per_second","value":{ours:.0}}}"#);
    println!(r#"{{"bench":"occurrences","figure":"chrono_tz_per_second","value":{theirs:.0}}}"#);
    let ratio = ours / theirs;
    println!(r#"{{"bench":"occurrences","figure":"ratio_to_chrono_tz","value":{ratio:.2}}}"#);
}

/// Results a second, the best of some rounds.
fn rate(work: impl Fn() -> usize) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let began = Instant::now();
        let results = black_box(work());
        results as f64 / began.elapsed().as_secs_f64()
    });
    rounds.fold(0.0, f64::max)
}

fn by_the_house(zone: &Zone, first: NaiveDate) -> usize {
    let time_of_day = TIMES.map(str::to_owned).to_vec();
    let repeat = Repeat { time_of_day, ..Repeat::default() };
    let dosages = [Dosage::of(Timing { repeat: Some(repeat), ..Timing::default() })];
    let context = Context { zone, routine: &Routine::default(), anchor: "2026-12-01" };
    let last = first.checked_add_days(Days::new(DAYS)).expect("a date");
    let midnight = |day: NaiveDate| zone.resolve(day.and_time(NaiveTime::MIN)).instant();
    expand(&dosages, context, midnight(first), midnight(last)).occurrences.len()
}

fn by_chrono_tz(tz: chrono_tz::Tz, first: NaiveDate) -> usize {
    let times = TIMES.map(|text| text.parse::<NaiveTime>().unwrap());
    let mut instants: Vec<UtcMs> = Vec::new();
    for day in first.iter_days().take(DAYS as usize) {
        for time in times {
            // A gap gives none: the few such times do not matter here.
            let at = tz.from_local_datetime(&day.and_time(time)).earliest();
            instants.extend(at.map(|at| UtcMs(at.timestamp_millis())));
        }
    }
    black_box(&instants).len()
}
