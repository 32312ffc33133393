//! Reminders that want a message get one: same patient, same minute, compatible class (design.md section 6).

use crate::care::ids::MessageId;
use crate::care::{Class, MessageState, Reason, ReminderState, UtcMs};
use crate::policy::grouping::{Answering, class_group, lane};
use crate::store::messages::MessageRow;
use crate::store::reminders::ReminderRow;
use rand::RngCore;

/// The catalogue name of messages that announce reminders; which text they get is decided when they leave.
pub(crate) const REMINDER: &str = "reminder";

/// Gives every queued reminder a message: one that exists and has no intent yet, else a new one, else a further
/// part of it. Returns the messages to write; `messages` are all that exist at these minutes, and `sender` tells over
/// which configured channel one of a class will go.
pub(super) fn gather<'s>(
    reminders: &mut [ReminderRow],
    mut messages: Vec<MessageRow>,
    sender: &dyn Fn(Class) -> Option<&'s str>,
    now: UtcMs,
    rng: &mut dyn RngCore,
) -> Vec<MessageRow> {
    let mut touched: Vec<MessageId> = Vec::new();
    for reminder in reminders.iter_mut().filter(|r| r.state == ReminderState::Queued) {
        let minute = reminder.due_at.minute();
        let group = class_group(reminder.class);
        let parts = || {
            messages
                .iter()
                .enumerate()
                .filter(|(_, m)| m.minute == minute && m.class_group == group && m.step == 0)
        };
        let open = parts().find(|(_, m)| takes_more(m)).map(|(index, _)| index);
        let next_part = parts().map(|(_, m)| m.part + 1).max().unwrap_or(0);
        let index = open.unwrap_or_else(|| {
            messages.push(MessageRow {
                id: MessageId::new(now, rng),
                patient: reminder.patient,
                minute,
                class_group: group.to_owned(),
                step: 0,
                part: next_part,
                class: reminder.class,
                name: REMINDER.to_owned(),
                state: MessageState::Queued,
                reason: Reason::Due,
                lane: String::new(),
                wake_at: None,
                valid_until: reminder.valid_until,
                contact_point: None,
                tried: Vec::new(),
                tries: 0,
                repeats: 0,
                created_at: now,
                updated_at: now,
            });
            messages.len() - 1
        });
        let message = &mut messages[index];
        let fresh = open.is_none() || message.state != MessageState::Queued;
        if fresh {
            // No intent was made: what did not render then may render now.
            message.tried.clear();
        }
        message.class = if fresh { reminder.class } else { urgent(message.class, reminder.class) };
        message.valid_until = if fresh {
            reminder.valid_until
        } else {
            message.valid_until.min(reminder.valid_until)
        };
        message.state = MessageState::Queued;
        message.reason = Reason::Due;
        message.lane = lane(message.class, Answering::Other, sender(message.class));
        message.wake_at = Some(reminder.due_at.max(now));
        message.updated_at = now;
        reminder.message = Some(message.id);
        if !touched.contains(&message.id) {
            touched.push(message.id);
        }
    }
    messages.retain(|message| touched.contains(&message.id));
    messages
}

/// Whether more reminders may join: no intent was ever made for it.
fn takes_more(message: &MessageRow) -> bool {
    message.tries == 0
        && matches!(
            message.state,
            MessageState::Queued | MessageState::Cancelled | MessageState::Blocked
        )
}

fn urgent(a: Class, b: Class) -> Class {
    a.min(b)
}
