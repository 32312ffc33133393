//! All dosages of one activity: steps one after the other, numbers that do not depend on the array's order.

use super::bounds::{limits, own_start};
use super::course::{Course, Limits, Rule};
use super::moment::{Moment, Start, Wall};
use super::normal::{Frame, Reading, anchor_event, read};
use super::notes::{Decision, Findings};
use super::{Context, MAX_DOSAGES};
use super::{guards, invariants};
use crate::care::{Confidence, Dosage, Timing, Zone};
use smallvec::SmallVec;

/// An activity's courses, numbered from 1 in this order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) courses: SmallVec<[Course; 1]>,
    pub(super) findings: Findings,
}

/// One dosage, read.
struct Part<'a> {
    dosage: &'a Dosage,
    course: Course,
    findings: Findings,
}

type Parts<'a> = SmallVec<[Part<'a>; 1]>;

/// Reads all dosages of an activity.
pub(super) fn plan(dosages: &[Dosage], context: Context<'_>) -> Plan {
    let mut findings = Findings::default();
    let anchor = anchor(context, &mut findings);
    let mut parts = steps(dosages, anchor, context).unwrap_or_else(|| {
        findings
            .ask_that(Decision::Steps, "a step before the last has no end: all run side by side");
        dosages.iter().map(|dosage| part(dosage, anchor, context)).collect()
    });
    if parts.len() > 1 {
        parts.sort_by_cached_key(|part| {
            let first = part.course.first(context.zone);
            (part.dosage.sequence, first.is_none(), first, part.dosage.canonical())
        });
    }
    if parts.len() > usize::from(MAX_DOSAGES) {
        parts.truncate(usize::from(MAX_DOSAGES));
        findings.ask(Decision::ManyDosages);
    }
    guard(&parts, context.zone, &mut findings);
    let mut courses = SmallVec::with_capacity(parts.len());
    let mut sureness = parts.iter().map(|part| part.findings.confidence).reduce(Confidence::with);
    if findings.confidence == Confidence::Review {
        sureness = Some(Confidence::Review);
    }
    findings.confidence = sureness.unwrap_or(Confidence::None);
    for part in parts {
        courses.push(part.course);
        findings.take(part.findings);
    }
    Plan { courses, findings }
}

/// What the order itself forbids.
fn guard(parts: &[Part<'_>], zone: &Zone, findings: &mut Findings) {
    let parts: SmallVec<[(&Dosage, &Course); 1]> =
        parts.iter().map(|part| (part.dosage, &part.course)).collect();
    guards::check(&parts, zone, findings);
}

/// Where counting starts for whatever brings no start of its own.
fn anchor(context: Context<'_>, findings: &mut Findings) -> Option<Start> {
    let moment = Moment::parse(context.anchor);
    if matches!(moment, Some(Moment::Local(_))) {
        findings.mention(Decision::LocalStart);
    }
    moment.map(|moment| Start::of(moment, context.zone))
}

/// The dosages as steps, each from the end of the one before; `None` when a step before the last has no end.
fn steps<'a>(
    dosages: &'a [Dosage],
    anchor: Option<Start>,
    context: Context<'_>,
) -> Option<Parts<'a>> {
    let mut ordered: SmallVec<[&Dosage; 1]> = dosages.iter().collect();
    ordered.sort_by_key(|dosage| dosage.sequence);
    let last = ordered.last().and_then(|dosage| dosage.sequence);
    let mut parts = Parts::with_capacity(ordered.len());
    let mut start = anchor;
    for step in ordered.chunk_by(|one, other| one.sequence == other.sequence) {
        let first = parts.len();
        parts.extend(step.iter().map(|dosage| part(dosage, start, context)));
        // What has no number runs beside all steps.
        if let Some(number) = step[0].sequence
            && Some(number) != last
        {
            let ends: Option<SmallVec<[Wall; 1]>> =
                parts[first..].iter().map(|part| part.course.limits.end(context.zone)).collect();
            start = Some(Start::at_wall(ends?.into_iter().max()?));
        }
    }
    Some(parts)
}

/// One dosage from its start.
fn part<'a>(dosage: &'a Dosage, start: Option<Start>, context: Context<'_>) -> Part<'a> {
    let mut findings = Findings::default();
    let course = course(dosage, start, context, &mut findings);
    Part { dosage, course, findings }
}

fn course(
    dosage: &Dosage,
    start: Option<Start>,
    context: Context<'_>,
    findings: &mut Findings,
) -> Course {
    let absent = Timing::default();
    let timing = dosage.timing.as_ref().unwrap_or(&absent);
    if !dosage.modifier_extension.is_empty() || !timing.modifier_extension.is_empty() {
        findings.ask(Decision::Modifier);
    }
    if let Some(repeat) = &timing.repeat {
        invariants::check(repeat, findings);
    }
    let start = own(timing, context.zone, findings).or(start);
    let frame =
        Frame { zone: context.zone, routine: context.routine, start: start.unwrap_or_default() };
    if dosage.is_as_needed() {
        *findings = Findings::default();
        findings.nothing(Decision::AsNeeded);
        // As a step it ends where its bounds end: nobody knows when a count of it is reached.
        let bounds = timing
            .repeat
            .as_ref()
            .map(|repeat| limits(repeat, &Rule::Nothing, None, frame, &mut Findings::default()));
        let limits = bounds.unwrap_or_else(|| Limits::from(frame.start));
        return Course { rule: Rule::Nothing, limits };
    }
    let reading = read(timing, frame, findings);
    let Reading { rule, once } = reading.unwrap_or_else(|| {
        if timing.code.is_some() || dosage.text.is_some() || dosage.patient_instruction.is_some() {
            findings.ask(Decision::TextOnly);
        } else {
            findings.nothing(Decision::NoTiming);
        }
        Rule::Nothing.into()
    });
    let counts = !matches!(rule, Rule::Nothing | Rule::Events(_));
    if start.is_none() && counts {
        findings.ask_that(Decision::Anchor, "the date that counting starts from is no date");
        return Course { rule: Rule::Nothing, limits: Limits::from(frame.start) };
    }
    let limits = match &timing.repeat {
        Some(repeat) => limits(repeat, &rule, once, frame, findings),
        None => Limits::from(frame.start),
    };
    Course { rule, limits }
}

/// The start that a timing brings itself: its bounds', or its single event's.
fn own(timing: &Timing, zone: &Zone, findings: &mut Findings) -> Option<Start> {
    if let Some(text) = anchor_event(timing) {
        findings.assume(Decision::Events);
        return match Moment::parse(text) {
            Some(moment @ Moment::Days { first, end }) if end != first + 1 => {
                findings.ask(Decision::EventDay);
                Some(Start::of(moment, zone))
            }
            Some(moment) => Some(Start::of(moment, zone)),
            None => {
                findings.ask_that(Decision::BadValue, "an event is no date or date-time");
                None
            }
        };
    }
    own_start(timing.repeat.as_ref()?, zone, findings)
}
