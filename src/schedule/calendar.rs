//! What went into a patient's calendar and no longer holds: a message takes it back, or moves it.

use crate::care::ids::{AttemptId, MessageId};
use crate::care::{Class, MessageState, PatientStatus, Programme, Reason, UtcMs, Zone};
use crate::message::MessageName;
use crate::policy::calendar::{Follow, follow};
use crate::policy::grouping::{Answering, lane};
use crate::store::invites::InviteRow;
use crate::store::messages::{FOR_CALENDAR, MessageRow};
use crate::store::standing::Standing;
use rand::RngCore;
use std::collections::BTreeMap;

/// A message with the entries that it takes back or moves.
pub(super) struct FollowUp {
    pub(super) message: MessageRow,
    pub(super) entries: Vec<AttemptId>,
}

/// What follows for the entries of one patient, one message for each appointment and address. `earlier` are the
/// messages that were to do so before, and were cancelled because the appointment came back.
pub(super) fn follow_ups(
    now: UtcMs,
    standing: &Standing,
    programme: &Programme,
    zone: &Zone,
    entries: &[InviteRow],
    earlier: &BTreeMap<MessageId, MessageRow>,
    rng: &mut dyn RngCore,
) -> Vec<FollowUp> {
    if standing.row.status != PatientStatus::Active {
        return Vec::new();
    }
    let same = |a: &InviteRow, b: &InviteRow| {
        (a.activity, a.contact_point) == (b.activity, b.contact_point)
    };
    let mut all = Vec::new();
    for entries in entries.chunk_by(same) {
        let Some(latest) = entries.iter().max_by_key(|entry| entry.sequence) else { continue };
        let announced = standing.announced(latest, programme, zone, (now, now));
        let Some(news) = announced.and_then(|(announced, _)| follow(&announced)) else { continue };
        let (name, valid_until) = match news {
            Follow::CalledOff => (MessageName::AppointmentCalledOff, latest.start),
            Follow::Moved { to } => (MessageName::Appointment, to),
        };
        let class_group = format!("{FOR_CALENDAR}{}", latest.attempt);
        let minute = now.minute();
        let before = latest.followed_by.and_then(|id| earlier.get(&id));
        let before = before.filter(|m| m.minute == minute && m.class_group == class_group);
        let message = MessageRow {
            id: MessageId::new(now, rng),
            patient: standing.row.id,
            minute,
            class_group,
            step: 0,
            part: before.map_or(0, |message| message.part + 1),
            class: Class::Appointment,
            name: name.word().to_owned(),
            state: MessageState::Queued,
            reason: Reason::PlanChanged,
            lane: lane(Class::Appointment, Answering::Other, Some(&latest.channel)),
            wake_at: Some(now),
            valid_until,
            contact_point: Some(latest.contact_point),
            tried: Vec::new(),
            tries: 0,
            repeats: 0,
            created_at: now,
            updated_at: now,
        };
        all.push(FollowUp { message, entries: entries.iter().map(|e| e.attempt).collect() });
    }
    all
}
