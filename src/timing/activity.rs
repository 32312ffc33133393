//! When an activity is due, whatever its schedule is made of: dosages, or leads before an appointment.

use crate::care::programme::AppointmentLead;
use crate::care::{
    Activity, Confidence, Expansion, Note, Occurrence, Routine, Schedule, Slot, UtcMs, Zone,
};
use crate::timing::{self, Context};

/// What an activity's expansion needs of patient and programme.
#[derive(Clone, Copy, Debug)]
pub struct ActivityContext<'a> {
    /// The patient's zone.
    pub zone: &'a Zone,
    /// The patient's routine, the programme's filled in.
    pub routine: &'a Routine,
    /// The programme's leads before an appointment.
    pub leads: &'a [AppointmentLead],
}

impl<'a> ActivityContext<'a> {
    const fn timing(self, activity: &'a Activity) -> Context<'a> {
        Context { zone: self.zone, routine: self.routine, anchor: activity.anchor.as_str() }
    }
}

/// The due moments of an activity with `from <= instant < to`.
pub fn expand_activity(
    activity: &Activity,
    context: ActivityContext<'_>,
    from: UtcMs,
    to: UtcMs,
) -> Expansion {
    match &activity.schedule {
        Schedule::Dosages(dosages) => timing::expand(dosages, context.timing(activity), from, to),
        Schedule::Appointment { start } => Expansion {
            occurrences: timing::leads(*start, context.leads, context.zone)
                .into_iter()
                .filter(|occurrence| from <= occurrence.at && occurrence.at < to)
                .collect(),
            ..Expansion::default()
        },
        Schedule::Unscheduled => Expansion { confidence: Confidence::None, ..Expansion::default() },
    }
}

/// How sure an activity's expansion is, and why.
pub fn activity_confidence(
    activity: &Activity,
    context: ActivityContext<'_>,
) -> (Confidence, Vec<Note>) {
    let (confidence, mut notes) = match &activity.schedule {
        Schedule::Dosages(dosages) => {
            let compiled = timing::compile(dosages, context.timing(activity));
            (compiled.confidence(), compiled.notes())
        }
        Schedule::Appointment { .. } => (Confidence::Exact, Vec::new()),
        Schedule::Unscheduled => (Confidence::None, Vec::new()),
    };
    notes.extend(
        activity.review.iter().map(|why| Note { rule: "import".to_owned(), text: why.clone() }),
    );
    if activity.review.is_empty() { (confidence, notes) } else { (Confidence::Review, notes) }
}

/// One slot, re-read: its occurrence as the activity stands now, or `None` when it no longer has it.
pub fn activity_slot(
    activity: &Activity,
    context: ActivityContext<'_>,
    slot: &Slot,
) -> Option<Occurrence> {
    match &activity.schedule {
        Schedule::Dosages(dosages) => timing::compile(dosages, context.timing(activity)).slot(slot),
        Schedule::Appointment { start } => timing::leads(*start, context.leads, context.zone)
            .into_iter()
            .find(|occurrence| occurrence.slot == *slot || occurrence.merged.contains(slot)),
        Schedule::Unscheduled => None,
    }
}

/// The first due moment after `after` and before `horizon`.
pub fn next_activity_slot(
    activity: &Activity,
    context: ActivityContext<'_>,
    after: UtcMs,
    horizon: UtcMs,
) -> Option<UtcMs> {
    match &activity.schedule {
        Schedule::Dosages(dosages) => {
            timing::compile(dosages, context.timing(activity)).next_after(after, horizon)
        }
        Schedule::Appointment { start } => timing::leads(*start, context.leads, context.zone)
            .into_iter()
            .map(|occurrence| occurrence.at)
            .filter(|at| *at > after && *at < horizon)
            .min(),
        Schedule::Unscheduled => None,
    }
}
