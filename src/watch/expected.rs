//! What a patient's plan expects of a stretch of time, against the reminders there are. Pure.

use crate::care::ids::ActivityId;
use crate::care::time::MINUTE_MS;
use crate::care::{Programme, Slot, UtcMs, Zone};
use crate::schedule::has_slots;
use crate::store::reminders::ReminderRow;
use crate::store::standing::Standing;
use crate::timing::{ActivityContext, expand_activity};
use std::collections::BTreeSet;

/// A wake that is due and not yet taken for this long is on its way, not missed, in milliseconds.
pub(super) const GRACE_MS: i64 = 5 * MINUTE_MS;

/// Slots of a patient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// That must have their reminder by now.
    pub(super) expected: i64,
    /// That have none.
    pub(super) missing: i64,
}

/// Counts the slots with `from <= instant < to` of a patient, by the very expansion that wakes the patient.
///
/// A slot is not expected while the patient's alarm has just rung: its wake is about to write it.
pub(super) fn compare(
    now: UtcMs,
    (from, to): (UtcMs, UtcMs),
    patient: &Standing,
    (programme, zone): (&Programme, &Zone),
    reminders: &[ReminderRow],
) -> Counts {
    let row = &patient.row;
    let routine = row.patient.routine.or(&programme.routine);
    let context = ActivityContext { zone, routine: &routine, programme };
    let written: BTreeSet<(ActivityId, &Slot)> =
        reminders.iter().map(|reminder| (reminder.activity, &reminder.slot)).collect();
    let just_rung = row.wake_at.is_some_and(|at| at <= now && now.since(at) < GRACE_MS);
    let mut counts = Counts::default();
    for activity in patient.activities.iter().filter(|activity| has_slots(row, activity)) {
        let from = from.max(activity.reminders_from);
        for occurrence in expand_activity(&activity.activity, context, from, to).occurrences {
            let is_written = written.contains(&(activity.id, &occurrence.slot));
            if !is_written && just_rung && row.expanded_until <= occurrence.at {
                continue;
            }
            counts.expected += 1;
            counts.missing += i64::from(!is_written);
        }
    }
    counts
}
