//! Clock times: listed ones, those of the routine's table, and those that `when` names.

use super::civil::{DayTimes, Times};
use super::moment::DAY_SECONDS;
use super::notes::{Decision, Findings, Told};
use crate::care::Routine;
use crate::care::timing::{Repeat, parse_time_of_day};
use chrono::{NaiveTime, Timelike};
use smallvec::SmallVec;

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

/// `timeOfDay` and `when`, sorted, each once; `None` when the order has neither. An empty list means that none of
/// them could be read.
pub(super) fn listed(
    repeat: &Repeat,
    routine: &Routine,
    findings: &mut Findings,
) -> Option<DayTimes> {
    if !repeat.time_of_day.is_empty() {
        Some(times_of_day(repeat, findings).into())
    } else if !repeat.when.is_empty() {
        Some(on_both(routine, |routine| times_of_when(repeat, routine, findings)))
    } else {
        None
    }
}

/// The table's times for `n` times a day; empty when there is no sensible table.
pub(super) fn per_day(n: i64, routine: &Routine, findings: &mut Findings) -> DayTimes {
    on_both(routine, |routine| times_per_day(n, routine, findings))
}

/// Every so many seconds from waking to going to bed.
pub(super) fn while_awake(step: i64, routine: &Routine, findings: &mut Findings) -> DayTimes {
    on_both(routine, |routine| {
        if routine.wake.is_none() || routine.bed.is_none() {
            findings.assume(Decision::WhileAwake);
        }
        let wake = routine.wake.map_or(WAKE, seconds);
        let waking = (routine.bed.map_or(BED, seconds) - wake).rem_euclid(DAY_SECONDS);
        sorted((0..=waking / step).map(|index| wake + index * step).collect())
    })
}

/// Times by the routine; those of the weekend where it has others.
fn on_both(routine: &Routine, mut times: impl FnMut(&Routine) -> Times) -> DayTimes {
    let weekdays = times(routine);
    let weekend = routine.weekend.as_ref().map(|weekend| times(&weekend.or(routine)));
    DayTimes { weekend: weekend.filter(|weekend| *weekend != weekdays), weekdays }
}

fn sorted(mut times: Times) -> Times {
    times.sort_unstable();
    times.dedup();
    times
}

fn times_of_day(repeat: &Repeat, findings: &mut Findings) -> Times {
    let times: Times =
        repeat.time_of_day.iter().filter_map(|text| parse_time_of_day(text).map(seconds)).collect();
    if times.len() < repeat.time_of_day.len() {
        findings.ask_that(
            Decision::BadValue,
            "a timeOfDay is not a time (HH:MM:SS, from 00:00:00 to 23:59:59)",
        );
    }
    sorted(times)
}

fn times_per_day(n: i64, routine: &Routine, findings: &mut Findings) -> Times {
    if n > 4 {
        findings.ask_that(
            Decision::ManyPerDay,
            format!("{n} times a day without clock times: times, or a number of tablets?"),
        );
    }
    if !(1..=MOST_PER_DAY).contains(&n) {
        return Times::new();
    }
    let times = routine_table(n, routine).unwrap_or_else(|| match (n, routine.wake, routine.bed) {
        (1, None, None) => Times::from_slice(&[8 * HOUR]),
        (2, None, None) => Times::from_slice(&[8 * HOUR, 20 * HOUR]),
        (3, None, None) => Times::from_slice(&[8 * HOUR, 14 * HOUR, 20 * HOUR]),
        (4, None, None) => Times::from_slice(&[8 * HOUR, 12 * HOUR, 16 * HOUR, 20 * HOUR]),
        (_, wake, bed) => spread(n, wake.map_or(WAKE, seconds), bed.map_or(BED, seconds)),
    });
    if (times.len() as i64) < n {
        let told = "the time from wake to bed is too short for so many times a day";
        findings.ask_that(Decision::TimesPerDay, told);
    }
    findings.assume_that(Decision::TimesPerDay, Told::PerDay(n, times.clone()));
    times
}

/// The routine's own table, where it has as many times as it says, each once.
fn routine_table(n: i64, routine: &Routine) -> Option<Times> {
    if routine.times_per_day.is_empty() {
        return None;
    }
    let texts = routine.times_per_day.get(&n.to_string())?;
    let times: Option<Times> =
        texts.iter().map(|text| parse_time_of_day(text).map(seconds)).collect();
    times.map(sorted).filter(|times| times.len() as i64 == n)
}

/// From wake to bed, both included, to the whole minute; a day that ends after midnight goes on into it.
fn spread(n: i64, wake: i64, bed: i64) -> Times {
    let waking = (bed - wake).rem_euclid(DAY_SECONDS);
    let step = waking / (n - 1).max(1);
    let on_the_clock = |index: i64| (wake + index * step).rem_euclid(DAY_SECONDS) / MINUTE * MINUTE;
    sorted((0..n).map(on_the_clock).collect())
}

/// The time of day from which an interval counts when its start has none.
pub(super) fn origin(routine: &Routine) -> i64 {
    routine_table(1, routine)
        .and_then(|times| times.first().copied())
        .or_else(|| routine.wake.map(seconds))
        .unwrap_or(0)
}

/// The clock times of `when` (ValueSet event-timing, <https://hl7.org/fhir/R4/valueset-event-timing.html>).
fn times_of_when(repeat: &Repeat, routine: &Routine, findings: &mut Findings) -> Times {
    let offset = repeat.offset.filter(|minutes| (0..=7 * 24 * 60).contains(minutes));
    if offset != repeat.offset {
        findings.ask_that(Decision::BadValue, "offset is not a number of minutes from 0 to a week");
    }
    let mut times = Times::new();
    for code in codes(repeat, findings) {
        let Some(event) = EVENTS.iter().find(|event| event.code == code) else {
            findings
                .ask_that(Decision::UnknownCode, "a code in when is not in ValueSet event-timing");
            continue;
        };
        let at = event.of_routine.and_then(|key| key(routine)).map_or_else(
            || {
                let usual = Times::from_slice(&[event.usual]);
                findings.assume_that(Decision::When, Told::At(event.code, usual));
                event.usual
            },
            seconds,
        );
        let shift = offset.map_or_else(
            || {
                if let Some(lead) = event.lead {
                    let minutes = lead / MINUTE;
                    let told = format!("{}: {minutes} minutes from the meal", event.code);
                    findings.assume_that(Decision::Lead, told);
                }
                event.lead.unwrap_or(0)
            },
            |minutes| minutes * MINUTE,
        );
        times.push(at + event.direction * shift);
    }
    let times = sorted(times);
    if sorted(times.iter().map(|t| t.rem_euclid(DAY_SECONDS)).collect()).len() < times.len() {
        findings.ask_that(
            Decision::When,
            "the offset brings two codes to one clock time on different days",
        );
    }
    times
}

/// The distinct codes of `when`, generic meal codes spelled out; a frequency must be their number.
fn codes<'a>(repeat: &'a Repeat, findings: &mut Findings) -> SmallVec<[&'a str; 6]> {
    let mut given: SmallVec<[&str; 6]> = SmallVec::new();
    for code in &repeat.when {
        if !given.contains(&code.as_str()) {
            given.push(code);
        }
    }
    let mut spelled: SmallVec<[&str; 6]> = SmallVec::new();
    for code in &given {
        let Some(meals) = meals(code) else {
            spelled.push(code);
            continue;
        };
        let chosen = match (given.len(), repeat.frequency) {
            (1, Some(1)) => &meals[..1],
            (1, Some(2)) => &[meals[0], meals[2]][..],
            _ => &meals[..],
        };
        findings.assume_that(Decision::Meals, format!("{code}: {}", chosen.join(", ")));
        spelled.extend(chosen.iter().copied().filter(|code| !given.contains(code)));
    }
    spelled
}

/// How many times a day `when` stands for, to compare a frequency with: its codes, not their clock times.
pub(super) fn stated_per_day(repeat: &Repeat, times: &DayTimes) -> i64 {
    if repeat.when.is_empty() || !repeat.time_of_day.is_empty() {
        times.weekdays.len() as i64
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

/// What a code of `when` names.
struct Event {
    code: &'static str,
    /// The routine's own time for it, where the routine can have one.
    of_routine: Option<fn(&Routine) -> Option<NaiveTime>>,
    /// The table's time, in seconds from midnight.
    usual: i64,
    /// Where an offset goes: before (-1) for AC* and HS, after (1) for all others.
    direction: i64,
    /// What applies where the order gives no offset, in seconds.
    lead: Option<i64>,
}

/// ValueSet event-timing with table 1b.
static EVENTS: &[Event] = &{
    const fn part(code: &'static str, hour: i64, minute: i64) -> Event {
        let usual = hour * HOUR + minute * MINUTE;
        Event { code, of_routine: None, usual, direction: 1, lead: None }
    }
    const fn of(
        code: &'static str,
        key: fn(&Routine) -> Option<NaiveTime>,
        usual: i64,
        direction: i64,
        lead: Option<i64>,
    ) -> Event {
        Event { code, of_routine: Some(key), usual, direction, lead }
    }
    const BEFORE: Option<i64> = Some(BEFORE_MEAL);
    [
        of("WAKE", |routine| routine.wake, WAKE, 1, None),
        of("CM", |routine| routine.breakfast, BREAKFAST, 1, None),
        of("CD", |routine| routine.lunch, LUNCH, 1, None),
        of("CV", |routine| routine.dinner, DINNER, 1, None),
        of("ACM", |routine| routine.breakfast, BREAKFAST, -1, BEFORE),
        of("ACD", |routine| routine.lunch, LUNCH, -1, BEFORE),
        of("ACV", |routine| routine.dinner, DINNER, -1, BEFORE),
        of("PCM", |routine| routine.breakfast, BREAKFAST, 1, Some(0)),
        of("PCD", |routine| routine.lunch, LUNCH, 1, Some(0)),
        of("PCV", |routine| routine.dinner, DINNER, 1, Some(0)),
        of("HS", |routine| routine.bed, BED, -1, None),
        of("PHS", |routine| routine.bed, BED, 1, None),
        of("NIGHT", |routine| routine.bed, BED, 1, None),
        part("MORN", 8, 0),
        part("MORN.early", 6, 30),
        part("MORN.late", 10, 30),
        part("NOON", 12, 0),
        part("AFT", 15, 0),
        part("AFT.early", 13, 30),
        part("AFT.late", 16, 30),
        part("EVE", 18, 30),
        part("EVE.early", 17, 30),
        part("EVE.late", 20, 0),
    ]
};
