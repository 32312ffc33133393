//! Follow-up visits: when a protocol's alerts are due, given what is already met.

use super::clock_times::per_day;
use super::moment::{DAY_SECONDS, Day, Moment, Start, Wall, instant, plus_months, wall_time};
use super::notes::{Decision, Findings};
use super::{Context, merge};
use crate::care::milestone::{
    Alert, Facts, Length, LengthUnit, MAX_ALERT_COUNT, Met, Milestone, Past, Window,
};
use crate::care::slot::Planned;
use crate::care::timing::parse_time_of_day;
use crate::care::{Expansion, Occurrence, Slot};
use chrono::Timelike;

/// A length of calendar time put together: months first, then days, then seconds by the wall clock, so that
/// months are never chained.
#[derive(Clone, Copy, Default)]
struct Span {
    months: i64,
    days: i64,
    seconds: i64,
}

impl Span {
    fn plus(self, length: Length, times: i64) -> Self {
        let value = i64::from(length.value) * times;
        match length.unit {
            LengthUnit::Hour => Self { seconds: self.seconds + value * 3_600, ..self },
            LengthUnit::Day => Self { days: self.days + value, ..self },
            LengthUnit::Week => Self { days: self.days + value * 7, ..self },
            LengthUnit::Month => Self { months: self.months + value, ..self },
            LengthUnit::Year => Self { months: self.months + value * 12, ..self },
        }
    }

    fn after(self, reference: Wall) -> Wall {
        let day = plus_months(reference.div_euclid(DAY_SECONDS), self.months) + self.days;
        day * DAY_SECONDS + reference.rem_euclid(DAY_SECONDS) + self.seconds
    }
}

/// From where a milestone counts.
#[derive(Clone, Copy)]
struct Reference {
    start: Start,
    /// When the house learnt of it, by the patient's clock; nothing is due before.
    known: Option<Wall>,
}

/// All alerts of a protocol, by instant: those of the milestone that is next, and of those before it up to the
/// moment at which they were met. The dosage number of a slot is the alert's place in the protocol, from 1.
///
/// Milestones that are met out of order count as passed. Hours are counted on the wall clock. Model: MOTECH,
/// schedule-tracking.
pub fn milestones(protocol: &[Milestone], facts: &Facts, context: Context<'_>) -> Expansion {
    let mut findings = Findings::default();
    let read = |text: &str| Moment::parse(text).map(|moment| Start::of(moment, context.zone));
    let mut recorded = |met: &Met| {
        let at = read(&met.at);
        if at.is_none() || met.recorded.as_deref().is_some_and(|text| read(text).is_none()) {
            let told = "a milestone's date is no date or date-time";
            findings.ask_that(Decision::BadValue, told);
        }
        at.map(|at| (at, met.recorded.as_deref().and_then(read).unwrap_or(at)))
    };
    let met: Vec<Option<(Start, Start)>> = protocol
        .iter()
        .map(|milestone| facts.met.get(&milestone.name).and_then(&mut recorded))
        .collect();
    let enrolled = facts.enrolled.as_deref().and_then(read);
    if facts.met.keys().any(|name| protocol.iter().all(|milestone| milestone.name != *name)) {
        findings.ask_that(Decision::Milestones, "a milestone that is met is not in the protocol");
    }
    let mut occurrences = Vec::new();
    if let Some(start) = read(context.anchor) {
        let known = enrolled.map(|enrolled| enrolled.wall);
        let mut reference = Some(Reference { start, known });
        let mut dosage = 1;
        for (index, milestone) in protocol.iter().enumerate() {
            let over = met[index..].iter().flatten().map(|(at, _)| at.wall).min();
            if let Some(from) = reference {
                alerts(milestone, from, over, dosage, context, &mut findings, &mut occurrences);
            }
            reference =
                met[index].map(|(start, recorded)| Reference { start, known: Some(recorded.wall) });
            dosage =
                dosage.saturating_add(u16::try_from(milestone.alerts.len()).unwrap_or(u16::MAX));
        }
    } else {
        findings.ask_that(Decision::Anchor, "the date that counting starts from is no date");
    }
    merge(&mut occurrences);
    Expansion { confidence: findings.confidence, notes: findings.notes(), occurrences }
}

/// The alerts of one milestone, before `over`.
fn alerts(
    milestone: &Milestone,
    reference: Reference,
    over: Option<Wall>,
    first_dosage: u16,
    context: Context<'_>,
    findings: &mut Findings,
    into: &mut Vec<Occurrence>,
) {
    for (dosage, alert) in (first_dosage..).zip(&milestone.alerts) {
        let Some((opens, closes)) = window(milestone, alert.window, reference.start.wall) else {
            let told = "an alert stands in a window that its milestone does not have";
            findings.ask_that(Decision::Milestones, told);
            continue;
        };
        let offset = |index: i64| {
            let span =
                alert.after.map_or_else(Span::default, |after| Span::default().plus(after, 1));
            alert.every.map_or(span, |every| span.plus(every, index))
        };
        let first = on_time(offset(0).after(opens), alert, reference.start, context, findings);
        // Those that follow keep the first one's time of day.
        let shift = first - offset(0).after(opens);
        let mut walls =
            (0..i64::from(count(alert))).map(|index| offset(index).after(opens) + shift);
        let floats = alert.past == Past::Float;
        let floated = reference.known.filter(|known| floats && first < *known).map(|known| {
            let today = known.div_euclid(DAY_SECONDS);
            let at = |day: Day| day * DAY_SECONDS + first.rem_euclid(DAY_SECONDS);
            let first = if at(today) >= known { at(today) } else { at(today + 1) };
            let every = |index| {
                alert.every.map_or_else(Span::default, |every| Span::default().plus(every, index))
            };
            (0..i64::from(count(alert))).map(move |index| every(index).after(first))
        });
        let all: Vec<Wall> = floated.map_or_else(|| walls.by_ref().collect(), Iterator::collect);
        for wall in all {
            let early = reference.known.is_some_and(|known| wall < known);
            if early || wall >= closes || over.is_some_and(|over| wall >= over) {
                continue;
            }
            let at = instant(context.zone, wall);
            into.push(Occurrence {
                slot: Slot { dosage, planned: Planned::Local(wall_time(wall)) },
                at,
                local: context.zone.local(at),
                merged: Vec::new(),
            });
        }
    }
}

fn count(alert: &Alert) -> u16 {
    if alert.every.is_some() { alert.count.min(MAX_ALERT_COUNT) } else { alert.count.min(1) }
}

/// From when to when a window of a milestone is open; `None` when the milestone does not have it.
fn window(milestone: &Milestone, window: Window, reference: Wall) -> Option<(Wall, Wall)> {
    let lengths = [
        (Window::Earliest, milestone.earliest),
        (Window::Due, milestone.due),
        (Window::Late, milestone.late),
        (Window::Max, milestone.max),
    ];
    let mut before = Span::default();
    for (name, length) in lengths {
        if name == window {
            return length.map(|l| (before.after(reference), before.plus(l, 1).after(reference)));
        }
        before = length.map_or(before, |length| before.plus(length, 1));
    }
    None
}

/// The alert's own time of day on that day; else the reference's; else the table's.
fn on_time(
    wall: Wall,
    alert: &Alert,
    reference: Start,
    context: Context<'_>,
    findings: &mut Findings,
) -> Wall {
    let midnight = wall.div_euclid(DAY_SECONDS) * DAY_SECONDS;
    match &alert.at {
        Some(text) => {
            let time = parse_time_of_day(text);
            if time.is_none() {
                findings.ask_that(Decision::BadValue, "an alert's time is not HH:MM");
            }
            time.map_or(wall, |time| midnight + i64::from(time.num_seconds_from_midnight()))
        }
        None if reference.time_of_day().is_some() => wall,
        None => {
            let times = per_day(1, context.routine, findings);
            midnight + times.on(midnight / DAY_SECONDS).first().copied().unwrap_or_default()
        }
    }
}
