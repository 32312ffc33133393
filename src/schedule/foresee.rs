//! What a patient's coming days hold: the wake's own expansion and the send's own decisions, nothing written.

use super::channels::Channels;
use super::plan::{Wake, due_slots, has_slots, standing};
use crate::care::contact::KnownContact;
use crate::care::ids::{ActivityId, ContactPointId};
use crate::care::{
    ChannelKind, MessageState, Occurrence, PatientStatus, Programme, Reason, ReminderState, UtcMs,
    Zone,
};
use crate::policy::contact_choice::choose;
use crate::policy::send::{Due, Verdict, may_send, stop};
use crate::store::activities::ActivityRow;
use crate::store::patients::PatientRow;
use crate::store::standing::Standing;
use std::collections::BTreeSet;

/// A slot to come.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// Of which activity.
    pub activity: ActivityId,
    /// The slot and its instant.
    pub occurrence: Occurrence,
    /// Never sent at or after it.
    pub valid_until: UtcMs,
    /// Over which kind of channel it would go; none where none is usable.
    pub channel: Option<ChannelKind>,
    /// To which contact point; none where none is usable.
    pub contact: Option<ContactPointId>,
    /// What would become of it.
    pub fate: Fate,
}

/// What would become of a slot if nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It leaves at its instant.
    Leaves,
    /// It leaves later.
    Waits {
        /// When.
        until: UtcMs,
        /// Why.
        because: Reason,
    },
    /// It ends unsent.
    Ends {
        /// How.
        state: ReminderState,
        /// Why.
        because: Reason,
    },
}

/// The slots with `now <= instant < until`, by instant.
///
/// Each is decided as if its instant had come and nothing had changed since: the claim decides anew (P6).
pub fn foresee(
    (now, until): (UtcMs, UtcMs),
    patient: &Standing,
    programme: &Programme,
    zone: &Zone,
    channels: Channels<'_>,
) -> Vec<Foreseen> {
    let routine = patient.row.patient.routine.or(&programme.routine);
    let wake = Wake {
        now,
        row: &patient.row,
        programme,
        zone,
        activities: &patient.activities,
        reminders: &[],
        attempted: &BTreeSet::new(),
    };
    let mut slots = due_slots(&wake, &routine, now, until).slots;
    slots.sort_by_key(|slot| (slot.occurrence.at, slot.activity.id, slot.occurrence.slot.clone()));
    slots
        .into_iter()
        .map(|slot| {
            let class = slot.activity.activity.class;
            let price = |to: &KnownContact| channels.price(patient, programme, class, to);
            let choice = channels.choice(now, patient, programme, class, &price);
            let contact = choose(&choice).ok();
            let due = Due {
                class,
                valid_until: slot.valid_until,
                zone,
                quiet_hours: &programme.quiet_hours,
                answer_to: None,
            };
            let fate = match stop(&standing(&patient.row, &slot)) {
                Some((state, because)) => Fate::Ends { state, because },
                None => may_send(slot.occurrence.at, &due, &choice).into(),
            };
            Foreseen {
                activity: slot.activity.id,
                occurrence: slot.occurrence,
                valid_until: slot.valid_until,
                channel: contact.map(|contact| contact.channel),
                contact: contact.map(|contact| contact.id),
                fate,
            }
        })
        .collect()
}

impl From<Verdict<'_>> for Fate {
    fn from(verdict: Verdict<'_>) -> Self {
        match verdict {
            Verdict::Send(_) => Self::Leaves,
            Verdict::Wait { until, because } => Self::Waits { until, because },
            Verdict::End { state: MessageState::Expired, because } => {
                Self::Ends { state: ReminderState::Expired, because }
            }
            Verdict::End { because, .. } => Self::Ends { state: ReminderState::Blocked, because },
        }
    }
}

/// Why an activity has no slots at all, if it has none.
pub fn why_silent(row: &PatientRow, activity: &ActivityRow) -> Option<Reason> {
    if has_slots(row, activity) {
        return None;
    }
    Some(match row.status {
        status @ (PatientStatus::Deceased | PatientStatus::Left) => {
            Reason::PatientStatus { status }
        }
        _ if activity.rejected_revision == Some(activity.revision) => {
            Reason::Person { what: "rejected in review".to_owned() }
        }
        _ => Reason::PlanChanged,
    })
}
