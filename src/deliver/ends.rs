//! What a step writes of its message: it leaves, waits, changes lanes or ends, each with its reason.

use super::step::Step;
use crate::care::ids::TaskId;
use crate::care::time::DAY_MS;
use crate::care::{MessageState, Reason, ReminderState, UtcMs};
use crate::message::NotRenderable;
use crate::policy::grouping::lane;
use crate::policy::held_back::Held;
use crate::policy::outcome::still_unknown;
use crate::store::activities::ActivityRow;
use crate::store::messages::MessageRow;
use crate::store::reminders::{ReminderMove, ReminderRow};
use crate::store::standing::Standing;
use crate::store::story::Turn;
use crate::store::tasks::{NewTask, TaskKind};
use uuid::Uuid;

/// A message whose slot moved waits for its patient's wake at the new instant, at least so long, in milliseconds.
const WAKE_FIRST_MS: i64 = 2_000;
/// A message whose patient's wake brings nothing is looked at again after this, in milliseconds.
pub(super) const WAKE_MISSING_MS: i64 = 60_000;

impl Step<'_> {
    pub(super) fn leave(&mut self, mut message: MessageRow, held: &[(&ReminderRow, &ActivityRow)]) {
        message.state = MessageState::Sending;
        message.reason = Reason::Due;
        message.tries += 1;
        message.wake_at = None;
        message.updated_at = self.now;
        self.effects.messages.push(message);
        self.effects.reminders.extend(held.iter().map(|(reminder, _)| ReminderMove {
            id: reminder.id,
            state: ReminderState::Sending,
            reason: Reason::Due,
        }));
    }

    /// The patient's wake plans what moved anew, and this message speaks for it no longer. What moved while an outcome
    /// was open has had its wake, which let it be: it gets another one.
    pub(super) fn wait_for_wake(&mut self, message: MessageRow, standing: &Standing, to: UtcMs) {
        let because = Reason::Moved { to };
        let comes = standing.row.wake_at.is_some_and(|at| at <= self.now);
        let mut wait_ms = WAKE_FIRST_MS;
        if !comes && message.reason == because {
            // Asked for, and in vain: the patient is parked, with a task.
            wait_ms = WAKE_MISSING_MS;
        } else if !comes {
            self.effects.disturbed.push(message.patient);
        }
        let until = self.now.plus_ms(wait_ms).max(to);
        self.wait(message, until, because);
    }

    pub(super) fn wait(&mut self, mut message: MessageRow, until: UtcMs, because: Reason) {
        if message.reason != because {
            self.tell(message.id.0, MessageState::Queued.word(), &because);
        }
        message.reason = because;
        message.wake_at = Some(until);
        message.updated_at = self.now;
        self.effects.messages.push(message);
    }

    /// A hold keeps it: it stays due, in its place. What might go over another channel is looked at again later.
    pub(super) fn hold_back(&mut self, mut message: MessageRow, held: Held) {
        let because = held.reason();
        if message.reason != because {
            self.tell(message.id.0, MessageState::Queued.word(), &because);
        }
        message.reason = because;
        message.updated_at = self.now;
        self.effects.messages.push(message);
    }

    pub(super) fn change_lane(&mut self, mut message: MessageRow, sender: &str) {
        message.lane = lane(message.class, message.answering(), Some(sender));
        message.wake_at = Some(self.now);
        message.updated_at = self.now;
        self.effects.messages.push(message);
    }

    /// No contact point can carry it; a text that is missing is named rather than a contact.
    pub(super) fn no_way(
        &mut self,
        message: MessageRow,
        standing: &Standing,
        because: Reason,
        fault: Option<NotRenderable>,
        held: &[(&ReminderRow, &ActivityRow)],
    ) {
        let Some(fault) = fault else {
            let failed_before = message.tries > 0 && because == Reason::NoContact;
            let state = if failed_before { MessageState::Failed } else { MessageState::Blocked };
            self.end(message, state, because, held);
            return;
        };
        if fault == NotRenderable::WindowClosed {
            self.end(message, MessageState::Blocked, Reason::WindowClosed, held);
            return;
        }
        if let NotRenderable::TemplateHeld { template, language, why } = fault {
            let because = Reason::TemplateHeld { template, language, why };
            self.end(message, MessageState::Blocked, because, held);
            return;
        }
        tracing::error!(message_id = %message.id, %fault, "a message has no text: see the open task");
        self.effects.tasks.push(NewTask {
            id: TaskId::new(self.now, self.rng),
            patient: Some(standing.row.id),
            kind: TaskKind::NoText,
            subject: message.id.to_string(),
            reason: Reason::NoText,
            due_at: self.now.plus_ms(DAY_MS),
        });
        self.end(message, MessageState::Blocked, Reason::NoText, held);
    }

    pub(super) fn end(
        &mut self,
        mut message: MessageRow,
        state: MessageState,
        because: Reason,
        held: &[(&ReminderRow, &ActivityRow)],
    ) {
        let may_have_left = self.facts.unknown.contains_key(&message.id);
        let (state, because) = match self.facts.left.get(&message.id) {
            Some(reason) => (MessageState::Sent, reason.clone()),
            None if may_have_left && state != MessageState::Cancelled => {
                (MessageState::Unknown, still_unknown(message.class))
            }
            None => (state, because),
        };
        let reminder_state = match state {
            MessageState::Unknown => ReminderState::Unknown,
            MessageState::Sent => ReminderState::Sent,
            MessageState::Expired => ReminderState::Expired,
            MessageState::Blocked => ReminderState::Blocked,
            MessageState::Failed => ReminderState::Failed,
            _ => ReminderState::Cancelled,
        };
        self.effects.reminders.extend(held.iter().map(|(reminder, _)| ReminderMove {
            id: reminder.id,
            state: reminder_state,
            reason: because.clone(),
        }));
        self.tell(message.id.0, state.word(), &because);
        message.state = state;
        message.reason = because;
        message.wake_at = None;
        message.updated_at = self.now;
        self.effects.messages.push(message);
    }

    fn tell(&mut self, subject: Uuid, state: &'static str, reason: &Reason) {
        self.effects.turns.push(Turn { subject, state, reason: reason.clone() });
    }
}
