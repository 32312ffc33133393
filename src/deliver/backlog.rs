//! A lane that is behind: what is due now leaves first, what is over ends, and a patient's older messages are joined
//! into the newest, in the claim's transaction.

use super::effects::alarm_of;
use super::send::DelivererDeps;
use super::step::slot_standing;
use crate::care::ids::{MessageId, PatientId, ReminderId, distinct};
use crate::care::time::DAY_MS;
use crate::care::{MessageState, Reason, ReminderState, UtcMs};
use crate::policy::backlog::{Hand, Known, Voice, Waiting, is_behind, joined, outdated};
use crate::policy::send::stop;
use crate::store::alarms::{AlarmKind, Due};
use crate::store::messages::MessageRow;
use crate::store::reminders::{ReminderMove, ReminderRow};
use crate::store::standing::Standing;
use crate::store::story::Turn;
use crate::store::{Result, Tx, alarms, backlog, messages, reminders, story};
use crate::timing::ActivityContext;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Nothing older than this is still valid but an appointment, which is not joined, in milliseconds.
const REACHES_BACK_MS: i64 = 2 * DAY_MS;

/// What a claim takes of a lane, and whether the lane is behind.
pub(super) struct Taken {
    pub(super) due: Vec<Due>,
    pub(super) pressure: Pressure,
}

/// Whether a lane is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pressure {
    /// What is due is claimed as it comes due.
    OnTime,
    /// More is due than leaves.
    Behind,
    /// Nothing leaves: what waits keeps its place, for nobody knows yet what will be the newest then.
    Held,
}

/// Alarms of a lane that are due: in due order, or, when the lane is behind, the newest first, beside them what is over
/// among the oldest, which needs no sending. Never more than `limit`.
pub(super) async fn take(tx: &mut Tx, lane: &str, now: UtcMs, limit: usize) -> Result<Taken> {
    let oldest = alarms::due(tx, AlarmKind::Message, lane, now, limit).await?;
    if !is_behind(oldest.first().map(|due| UtcMs(due.wake_at_ms)), now) {
        return Ok(Taken { due: oldest, pressure: Pressure::OnTime });
    }
    let head: Vec<Uuid> = oldest.iter().take(limit / 2).map(|due| due.id).collect();
    let over = backlog::over(tx, &head, now).await?;
    let mut due: Vec<Due> = oldest.into_iter().filter(|due| over.contains(&due.id)).collect();
    let newest = alarms::newest(tx, AlarmKind::Message, lane, now, limit).await?;
    let room = limit.saturating_sub(due.len());
    let fresh = newest.into_iter().filter(|due| !over.contains(&due.id)).take(room);
    due.extend(fresh.collect::<Vec<_>>());
    Ok(Taken { due, pressure: Pressure::Behind })
}

/// Ends what a newer slot outdates, and joins what is left, before the messages in hand are decided. Only messages of
/// which surely nothing left change, and what is retried after an intent keeps its own.
pub(super) async fn fold(
    deps: &DelivererDeps,
    tx: &mut Tx,
    standings: &BTreeMap<PatientId, Standing>,
    mine: &mut Vec<MessageRow>,
    now: UtcMs,
) -> Result<()> {
    let in_hand: BTreeSet<MessageId> = mine.iter().map(|message| message.id).collect();
    let owners = distinct(mine.iter().map(|message| message.patient));
    let since = now.plus_ms(-REACHES_BACK_MS);
    let waiting: BTreeMap<MessageId, MessageRow> = messages::waiting(tx, &owners, since, now)
        .await?
        .into_iter()
        .map(|message| (message.id, message))
        .collect();
    let all = reminders::of_patients(tx, &owners, since).await?;
    let known: Vec<Known> = all
        .iter()
        .map(|reminder| Known {
            id: reminder.id,
            activity: reminder.activity,
            due_at: reminder.due_at,
            valid_until: reminder.valid_until,
            voice: voice(deps, standings.get(&reminder.patient), reminder),
            slot: reminder.slot.planned.to_string(),
        })
        .collect();
    let outdated: BTreeMap<ReminderId, Reason> = outdated(now, &known).into_iter().collect();
    let of_waiting = |r: &&ReminderRow| r.message.is_some_and(|id| waiting.contains_key(&id));
    let (ending, staying): (Vec<&ReminderRow>, Vec<&ReminderRow>) = all
        .iter()
        .filter(|r| r.state == ReminderState::Queued)
        .filter(of_waiting)
        .partition(|r| outdated.contains_key(&r.id));
    let speaking: BTreeSet<MessageId> = staying.iter().filter_map(|r| r.message).collect();
    let candidates: Vec<Waiting<'_>> = waiting
        .values()
        .filter(|message| speaking.contains(&message.id) && message.tries == 0)
        .map(|message| Waiting {
            id: message.id,
            patient: message.patient,
            group: &message.class_group,
            class: message.class,
            minute: message.minute,
            valid_until: message.valid_until,
            reminders: staying.iter().filter(|r| r.message == Some(message.id)).count(),
            hand: if in_hand.contains(&message.id) { Hand::InHand } else { Hand::Waits },
        })
        .collect();
    let joined: BTreeMap<MessageId, MessageId> = joined(now, &candidates).into_iter().collect();

    let moves: Vec<ReminderMove> = ending
        .iter()
        .filter_map(|r| {
            let reason = outdated.get(&r.id)?.clone();
            Some(ReminderMove { id: r.id, state: ReminderState::Superseded, reason })
        })
        .collect();
    reminders::move_to(tx, &moves, now).await?;
    let rejoined: Vec<ReminderRow> = staying
        .iter()
        .filter_map(|r| {
            let into = joined.get(&r.message?)?;
            Some(ReminderRow { message: Some(*into), updated_at: now, ..(*r).clone() })
        })
        .collect();
    reminders::replan(tx, &rejoined).await?;

    let mut ended: BTreeMap<MessageId, Reason> = joined
        .into_iter()
        .map(|(one, into)| (one, Reason::JoinedInto { message: into.to_string() }))
        .collect();
    for reminder in ending {
        let (Some(message), Some(reason)) = (reminder.message, outdated.get(&reminder.id)) else {
            continue;
        };
        if !speaking.contains(&message) {
            ended.insert(message, reason.clone());
        }
    }
    mine.retain(|message| !ended.contains_key(&message.id));
    end(deps, tx, &waiting, &in_hand, ended, now).await
}

/// Ends messages that have nothing left to say; the alarms of those in hand are the caller's.
async fn end(
    deps: &DelivererDeps,
    tx: &mut Tx,
    waiting: &BTreeMap<MessageId, MessageRow>,
    in_hand: &BTreeSet<MessageId>,
    ended: BTreeMap<MessageId, Reason>,
    now: UtcMs,
) -> Result<()> {
    let (mut rows, mut turns, mut rung) = (Vec::new(), Vec::new(), Vec::new());
    let state = MessageState::Cancelled;
    for (id, reason) in ended {
        let Some(message) = waiting.get(&id).cloned() else { continue };
        if !in_hand.contains(&id) {
            rung.extend(alarm_of(&message));
        }
        turns.push(Turn { subject: id.0, state: state.word(), reason: reason.clone() });
        rows.push(MessageRow { state, reason, wake_at: None, updated_at: now, ..message });
    }
    alarms::drop_all(tx, &rung).await?;
    messages::move_to(tx, &rows).await?;
    story::tell(tx, &mut deps.rng.fork(), &turns, now).await
}

/// Whether a reminder says something, as patient, activity and plan stand now.
fn voice(deps: &DelivererDeps, standing: Option<&Standing>, reminder: &ReminderRow) -> Voice {
    match reminder.state {
        ReminderState::Sending | ReminderState::Sent | ReminderState::Unknown => Voice::Said,
        ReminderState::Queued if standing.is_some_and(|s| still_stands(deps, s, reminder)) => {
            Voice::Waits
        }
        _ => Voice::None,
    }
}

fn still_stands(deps: &DelivererDeps, standing: &Standing, reminder: &ReminderRow) -> bool {
    let Some(programme) = deps.programmes.get(&standing.row.programme) else { return false };
    let Some(zone) = deps.zones.zone(&standing.row.patient.zone) else { return false };
    let routine = standing.row.patient.routine.or(&programme.routine);
    let context = ActivityContext { zone: &zone, routine: &routine, programme };
    let row = standing.activities.iter().find(|activity| activity.id == reminder.activity);
    let slot = row.map(|row| slot_standing(standing, row, context, reminder));
    slot.is_some_and(|slot| stop(&slot).is_none() && slot.planned == Some(reminder.due_at))
}
