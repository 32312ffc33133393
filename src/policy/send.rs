//! Whether a message may leave now; decided in the claim's transaction, never when it was planned (P6).

use super::contact_choice::{Choice, choose};
use super::quiet_hours::opening_after;
use crate::care::contact::KnownContact;
use crate::care::programme::QuietHours;
use crate::care::{
    ActivityStatus, Class, MessageState, PatientStatus, Reason, ReminderState, UtcMs, Zone,
};

/// A reminder at the moment its message is claimed, or its slot is written.
#[derive(Clone, Copy, Debug)]
pub struct SlotStanding {
    /// The patient.
    pub patient: PatientStatus,
    /// The activity.
    pub activity: ActivityStatus,
    /// Whether a person must confirm it, or refused it.
    pub review: Review,
    /// Whether the plan as it stands has the slot, and when.
    pub planned: Option<UtcMs>,
}

/// What review says of an activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    /// Nobody needs to look, or a person confirmed this revision.
    Clear,
    /// A person must confirm this revision first.
    Needed,
}

/// What stops a reminder, if anything does: the patient first, then the activity, then review.
pub const fn stop(slot: &SlotStanding) -> Option<(ReminderState, Reason)> {
    match slot.patient {
        PatientStatus::Active => {}
        status @ (PatientStatus::Paused | PatientStatus::Admitted) => {
            return Some((ReminderState::Suppressed, Reason::PatientStatus { status }));
        }
        status @ (PatientStatus::Deceased | PatientStatus::Left) => {
            return Some((ReminderState::Cancelled, Reason::PatientStatus { status }));
        }
    }
    match slot.activity {
        ActivityStatus::Active => {}
        ActivityStatus::OnHold => return Some((ReminderState::Suppressed, Reason::OnHold)),
        ActivityStatus::Stopped | ActivityStatus::EnteredInError | ActivityStatus::Inactive => {
            return Some((ReminderState::Cancelled, Reason::PlanChanged));
        }
    }
    if matches!(slot.review, Review::Needed) {
        return Some((ReminderState::Blocked, Reason::NeedsReview));
    }
    if slot.planned.is_none() {
        return Some((ReminderState::Cancelled, Reason::PlanChanged));
    }
    None
}

/// A message about to leave.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    /// Class.
    pub class: Class,
    /// Never sent at or after it.
    pub valid_until: UtcMs,
    /// The patient's zone.
    pub zone: &'a Zone,
    /// The programme's quiet hours.
    pub quiet_hours: &'a QuietHours,
    /// Answers go to the address that asked, whatever was decided about reminders.
    pub answer_to: Option<&'a KnownContact>,
}

/// What becomes of a message.
#[derive(Clone, Debug)]
pub enum Verdict<'a> {
    /// It leaves over this contact point.
    Send(&'a KnownContact),
    /// It waits.
    Wait {
        /// Until when.
        until: UtcMs,
        /// Why.
        because: Reason,
    },
    /// It ends unsent.
    End {
        /// How.
        state: MessageState,
        /// Why.
        because: Reason,
    },
}

/// Whether a message may leave now.
///
/// First match wins: validity; consent and contact; quiet hours. A wait never passes `valid_until`.
/// Source: design.md P5, P6 and section 5.
pub fn may_send<'a>(now: UtcMs, due: &Due<'a>, choice: &Choice<'a>) -> Verdict<'a> {
    if now >= due.valid_until {
        let by_ms = now.since(due.valid_until);
        return Verdict::End {
            state: MessageState::Expired,
            because: Reason::PastValidity { by_ms },
        };
    }
    if let Some(contact) = due.answer_to {
        return Verdict::Send(contact);
    }
    let contact = match choose(choice) {
        Ok(contact) => contact,
        Err(because) => return Verdict::End { state: MessageState::Blocked, because },
    };
    if keeps_quiet_hours(due.class)
        && let Some(until) = opening_after(now, due.zone, due.quiet_hours)
    {
        return if until < due.valid_until {
            Verdict::Wait { until, because: Reason::QuietHours { until } }
        } else {
            Verdict::End { state: MessageState::Expired, because: Reason::QuietUntilTooLate }
        };
    }
    Verdict::Send(contact)
}

/// Quiet hours never shift or expire a dose or an answer (design.md section 5).
pub const fn keeps_quiet_hours(class: Class) -> bool {
    match class {
        Class::TimeCriticalDose | Class::Dose | Class::Answer => false,
        Class::Appointment | Class::Measurement | Class::Education | Class::Notice => true,
    }
}
