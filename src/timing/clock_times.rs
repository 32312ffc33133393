//! Clock times: listed ones, those of the routine's table, and those that `when` names.

use super::moment::DAY_SECONDS;
use super::notes::{Decision, Findings};
use crate::care::Routine;
use crate::care::timing::{Repeat, parse_time_of_day};
use chrono::{NaiveTime, Timelike};

const HOUR: i64 = 3_600;
const MINUTE: i64 = 60;
const BREAKFAST: i64 = 8 * HOUR;
const LUNCH: i64 = 13 * HOUR;
const DINNER: i64 = 19 * HOUR;
const WAKE: i64 = 7 * HOUR;
const BED: i64 = 22 * HOUR;
/// Before a meal, where the order does not say how long.
const BEFORE_MEAL: i64 = 30 * MINUTE;
/// More often than this a day needs clock times.
const MOST_PER_DAY: i64 = 8;

fn seconds(time: NaiveTime) -> i64 {
    i64::from(time.num_seconds_from_midnight())
}

/// `timeOfDay` and `when`, in seconds from the base day's midnight, sorted, each once; `None` when the order has
/// neither. An empty list means that none of them could be read.
pub(super) fn listed(
    repeat: &Repeat,
    routine: &Routine,
    findings: &mut Findings,
) -> Option<Vec<i64>> {
    let mut times = if !repeat.time_of_day.is_empty() {
        times_of_day(repeat, findings)
    } else if !repeat.when.is_empty() {
        times_of_when(repeat, routine, findings)
    } else {
        return None;
    };
    times.sort_unstable();
    times.dedup();
    Some(times)
}

fn times_of_day(repeat: &Repeat, findings: &mut Findings) -> Vec<i64> {
    let times: Vec<i64> =
        repeat.time_of_day.iter().filter_map(|text| parse_time_of_day(text).map(seconds)).collect();
    if times.len() < repeat.time_of_day.len() {
        findings.ask_that(
            Decision::BadValue,
            "a timeOfDay is not a time (HH:MM:SS, from 00:00:00 to 23:59:59)",
        );
    }
    times
}

/// The table's times for `n` times a day; empty when there is no sensible table.
pub(super) fn per_day(n: i64, routine: &Routine, findings: &mut Findings) -> Vec<i64> {
    if n > 4 {
        findings.ask_that(
            Decision::ManyPerDay,
            format!("{n} times a day without clock times: times, or a number of tablets?"),
        );
    }
    if !(1..=MOST_PER_DAY).contains(&n) {
        return Vec::new();
    }
    let times = routine_table(n, routine).unwrap_or_else(|| match (n, routine.wake, routine.bed) {
        (1, None, None) => vec![8 * HOUR],
        (2, None, None) => vec![8 * HOUR, 20 * HOUR],
        (3, None, None) => vec![8 * HOUR, 14 * HOUR, 20 * HOUR],
        (4, None, None) => vec![8 * HOUR, 12 * HOUR, 16 * HOUR, 20 * HOUR],
        (_, wake, bed) => spread(n, wake.map_or(WAKE, seconds), bed.map_or(BED, seconds)),
    });
    findings.assume_that(Decision::TimesPerDay, format!("{n} a day: {}", show(&times)));
    times
}

/// The routine's own table, where it has as many times as it says, each once.
fn routine_table(n: i64, routine: &Routine) -> Option<Vec<i64>> {
    let texts = routine.times_per_day.get(&n.to_string())?;
    let mut times: Vec<i64> =
        texts.iter().map(|text| parse_time_of_day(text).map(seconds)).collect::<Option<_>>()?;
    times.sort_unstable();
    times.dedup();
    (times.len() as i64 == n).then_some(times)
}

/// From wake to bed, both included, to the whole minute; a day that ends after midnight goes on into it.
fn spread(n: i64, wake: i64, bed: i64) -> Vec<i64> {
    let waking = (bed - wake).rem_euclid(DAY_SECONDS);
    let step = waking / (n - 1).max(1);
    let mut times: Vec<i64> = (0..n)
        .map(|index| (wake + index * step).rem_euclid(DAY_SECONDS) / MINUTE * MINUTE)
        .collect();
    times.sort_unstable();
    times.dedup();
    times
}

/// The time of day from which an interval counts when its start has none.
pub(super) fn origin(routine: &Routine) -> i64 {
    routine_table(1, routine)
        .and_then(|times| times.first().copied())
        .or_else(|| routine.wake.map(seconds))
        .unwrap_or(0)
}

/// What an event code of `when` names.
struct Event {
    at: i64,
    direction: i64,
    /// What applies where the order gives no offset.
    lead: Option<i64>,
    source: Source,
}

#[derive(PartialEq, Eq)]
enum Source {
    Routine,
    Table,
}

/// The clock times of `when` (ValueSet event-timing, <https://hl7.org/fhir/R4/valueset-event-timing.html>).
fn times_of_when(repeat: &Repeat, routine: &Routine, findings: &mut Findings) -> Vec<i64> {
    let offset = repeat.offset.filter(|minutes| (0..=7 * 24 * 60).contains(minutes));
    if offset != repeat.offset {
        findings.ask_that(Decision::BadValue, "offset is not a number of minutes from 0 to a week");
    }
    let mut times: Vec<i64> = Vec::new();
    for code in codes(repeat, findings) {
        let Some(event) = event(code, routine) else {
            findings
                .ask_that(Decision::UnknownCode, "a code in when is not in ValueSet event-timing");
            continue;
        };
        if event.source == Source::Table {
            findings.assume_that(Decision::When, format!("{code}: {}", show(&[event.at])));
        }
        let shift = offset.map_or_else(
            || {
                if let Some(lead) = event.lead {
                    let minutes = lead / MINUTE;
                    findings.assume_that(
                        Decision::Lead,
                        format!("{code}: {minutes} minutes from the meal"),
                    );
                }
                event.lead.unwrap_or(0)
            },
            |minutes| minutes * MINUTE,
        );
        times.push(event.at + event.direction * shift);
    }
    let mut on_the_clock: Vec<i64> = times.iter().map(|t| t.rem_euclid(DAY_SECONDS)).collect();
    on_the_clock.sort_unstable();
    on_the_clock.dedup();
    times.sort_unstable();
    times.dedup();
    if on_the_clock.len() < times.len() {
        findings.ask_that(
            Decision::When,
            "the offset brings two codes to one clock time on different days",
        );
    }
    times
}

/// The distinct codes of `when`, generic meal codes spelled out; a frequency must be their number.
fn codes<'a>(repeat: &'a Repeat, findings: &mut Findings) -> Vec<&'a str> {
    let mut given: Vec<&str> = Vec::new();
    for code in &repeat.when {
        if !given.contains(&code.as_str()) {
            given.push(code);
        }
    }
    let mut spelled: Vec<&str> = Vec::new();
    for code in &given {
        let Some(meals) = meals(code) else {
            spelled.push(code);
            continue;
        };
        let chosen = match (given.len(), repeat.frequency) {
            (1, Some(1)) => vec![meals[0]],
            (1, Some(2)) => vec![meals[0], meals[2]],
            _ => meals.to_vec(),
        };
        findings.assume_that(Decision::Meals, format!("{code}: {}", chosen.join(", ")));
        spelled.extend(chosen.into_iter().filter(|code| !given.contains(code)));
    }
    spelled
}

/// How many times a day `when` stands for, to compare a frequency with: its codes, not their clock times.
pub(super) fn stated_per_day(repeat: &Repeat, times: &[i64]) -> i64 {
    if repeat.when.is_empty() || !repeat.time_of_day.is_empty() {
        times.len() as i64
    } else {
        codes(repeat, &mut Findings::default()).len() as i64
    }
}

fn meals(code: &str) -> Option<[&'static str; 3]> {
    match code {
        "C" => Some(["CM", "CD", "CV"]),
        "AC" => Some(["ACM", "ACD", "ACV"]),
        "PC" => Some(["PCM", "PCD", "PCV"]),
        _ => None,
    }
}

/// What a code names: by the routine where it has the key, else by the table. The offset goes before for AC*
/// and HS, after for all others.
fn event(code: &str, routine: &Routine) -> Option<Event> {
    let of = |key: Option<NaiveTime>, otherwise: i64| match key {
        Some(time) => (seconds(time), Source::Routine),
        None => (otherwise, Source::Table),
    };
    let part = |hour: i64, minute: i64| (hour * HOUR + minute * MINUTE, Source::Table);
    let (at, source) = match code {
        "WAKE" => of(routine.wake, WAKE),
        "CM" | "ACM" | "PCM" => of(routine.breakfast, BREAKFAST),
        "CD" | "ACD" | "PCD" => of(routine.lunch, LUNCH),
        "CV" | "ACV" | "PCV" => of(routine.dinner, DINNER),
        "HS" | "PHS" | "NIGHT" => of(routine.bed, BED),
        "MORN" => part(8, 0),
        "MORN.early" => part(6, 30),
        "MORN.late" => part(10, 30),
        "NOON" => part(12, 0),
        "AFT" => part(15, 0),
        "AFT.early" => part(13, 30),
        "AFT.late" => part(16, 30),
        "EVE" => part(18, 30),
        "EVE.early" => part(17, 30),
        "EVE.late" => part(20, 0),
        _ => return None,
    };
    let (direction, lead) = match code {
        "ACM" | "ACD" | "ACV" => (-1, Some(BEFORE_MEAL)),
        "PCM" | "PCD" | "PCV" => (1, Some(0)),
        "HS" => (-1, None),
        _ => (1, None),
    };
    Some(Event { at, direction, lead, source })
}

/// Clock times for a note: `08:00, 20:00`.
pub(super) fn show(times: &[i64]) -> String {
    let clock = |time: &i64| {
        let of_day = time.rem_euclid(DAY_SECONDS);
        format!("{:02}:{:02}", of_day / HOUR, of_day % HOUR / MINUTE)
    };
    times.iter().map(clock).collect::<Vec<_>>().join(", ")
}
