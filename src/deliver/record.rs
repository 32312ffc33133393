//! Outcomes, committed in groups under their tokens; and what follows from each.

use super::effects::{Effects, lock_awaiting, settle_alarm};
use super::evidence::{self, Evidence, Named};
use super::follow_up::{FailedAttempt, follow_up};
use super::parts;
use super::send::{DelivererDeps, Ended};
use crate::care::ids::{AttemptId, MessageId, distinct};
use crate::care::{Address, AttemptState, MessageState, Reason, ReminderState, UtcMs};
use crate::channel::{Action, Outcome, Person};
use crate::crash;
use crate::policy::fallback::receipt_due;
use crate::policy::held_back::Held;
use crate::policy::outcome::{look_at, settle_at};
use crate::store::attempts::{AttemptMove, AttemptRow};
use crate::store::messages::MessageRow;
use crate::store::parts::PartRow;
use crate::store::reminders::{ReminderMove, ReminderRow};
use crate::store::story::Turn;
use crate::store::{self, Result, Tx, attempts, messages, reach, reminders};
use std::collections::BTreeMap;

/// An outcome in the three kinds that differ in what follows.
enum Ending<'a> {
    Accepted(&'a [String]),
    Unknown(&'a str),
    /// A hold caught it before its first byte: it is queued as before.
    HeldBack(Held),
    Failed {
        action: Action,
        code: &'a str,
        retry_after_ms: Option<i64>,
    },
}

impl<'a> Ending<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Accepted { ids } => Self::Accepted(ids),
            Outcome::Unknown { stage } => Self::Unknown(stage),
            Outcome::Refused { action: Action::Unknown, code, .. } => Self::Unknown(code),
            Outcome::Refused { action, code, retry_after_ms } => {
                Self::Failed { action: *action, code, retry_after_ms: *retry_after_ms }
            }
            Outcome::NotSent { stage } => match Held::of_stage(stage) {
                Some(held) => Self::HeldBack(held),
                None => Self::Failed { action: Action::Retry, code: stage, retry_after_ms: None },
            },
        }
    }
}

/// Records a group of outcomes in one transaction. One whose token no longer holds moves nothing by itself:
/// it is kept as evidence, like a receipt (P3).
pub(super) async fn record(deps: &DelivererDeps, ended: &[Ended]) -> Result<()> {
    let now = deps.clock.now();
    let mut tx = deps.store.write().await?;
    let failed = ended.iter().filter(|e| !matches!(e.outcome, Outcome::Accepted { .. }));
    lock_awaiting(&mut tx, &failed.map(|e| e.id).collect::<Vec<_>>(), now).await?;
    let ids: Vec<AttemptId> = ended.iter().map(|e| e.id).collect();
    let rows: BTreeMap<AttemptId, AttemptRow> =
        attempts::lock(&mut tx, &ids).await?.into_iter().map(|row| (row.id, row)).collect();
    let message_ids = distinct(rows.values().map(|row| row.message));
    let mut known: BTreeMap<MessageId, MessageRow> =
        messages::lock(&mut tx, &message_ids).await?.into_iter().map(|row| (row.id, row)).collect();
    let moves: Vec<AttemptMove> = ended
        .iter()
        .filter_map(|e| {
            let row = rows.get(&e.id)?;
            Some(attempt_move(e, row, now, known.get(&row.message)?.valid_until))
        })
        .collect();
    let held_token = attempts::end(&mut tx, &moves, now).await?;
    let held = reminders_by_message(&mut tx, &message_ids).await?;
    let mut effects = Effects::default();
    let mut evidence = Vec::new();
    let mut accepted = Vec::new();
    let mut in_parts: Vec<PartRow> = Vec::new();
    let mut unspent = BTreeMap::new();
    for one in ended {
        let (Some(row), Some(moved)) =
            (rows.get(&one.id), moves.iter().find(|moved| moved.id == one.id))
        else {
            continue;
        };
        metrics::counter!("carebell_attempts_total", "channel" => one.channel.clone(),
            "outcome" => moved.state.word())
        .increment(1);
        // What the provider calls its parts is true whoever holds the token.
        if let Ending::Accepted(ids) = Ending::of(&one.outcome) {
            in_parts.extend(parts::of_accepted(row, ids));
        }
        if !held_token.contains(&one.id) {
            evidence.push(late(moved, &mut effects));
            continue;
        }
        let Some(message) = known.get_mut(&row.message) else { continue };
        let speaks_for = held.get(&message.id).map_or(&[][..], Vec::as_slice);
        let ending = Ending::of(&one.outcome);
        if let (Ending::HeldBack(_) | Ending::Failed { .. }, Some(paid)) = (&ending, &one.paid) {
            paid.take_off(&mut unspent);
        }
        match ending {
            Ending::Accepted(ids) => {
                evidence::tell_if_doubled(&mut tx, message, row, &mut effects).await?;
                let end = (MessageState::Sent, ReminderState::Sent, Reason::Accepted);
                effects.end_message(message, speaks_for, end, now);
                effects.put.extend(moved.wake_at.map(|at| settle_alarm(row.id.0, at)));
                accepted.push(Named { channel: &one.channel, attempt: row.id, ids });
            }
            Ending::Unknown(stage) => {
                let left = evidence::other_that_left(&mut tx, message, row.id).await?;
                let end = if let Some(reason) = left {
                    (MessageState::Sent, ReminderState::Sent, reason)
                } else {
                    let reason = Reason::UnknownOutcome { stage: stage.to_owned() };
                    (MessageState::Unknown, ReminderState::Unknown, reason)
                };
                effects.end_message(message, speaks_for, end, now);
                effects.put.extend(moved.wake_at.map(|at| settle_alarm(row.id.0, at)));
            }
            Ending::HeldBack(held) => {
                effects.requeue(message, speaks_for, now, held.reason(), now);
            }
            Ending::Failed { action, code, retry_after_ms } => {
                let failed = FailedAttempt { row, action, code, retry_after_ms };
                follow_up(deps, &mut tx, message, speaks_for, &failed, &mut effects, now).await?;
            }
        }
    }
    store::parts::add(&mut tx, &in_parts).await?;
    evidence.extend(parts::said_before(&mut tx, &in_parts).await?);
    evidence.extend(evidence::parked(&mut tx, &accepted).await?);
    let mut rng = deps.rng.fork();
    let heard: Vec<(AttemptId, &Address)> = ended
        .iter()
        .flat_map(|one| one.receiver.iter().flat_map(Person::known_by).map(|by| (one.id, by)))
        .collect();
    let news = reach::unknown_aliases(&mut tx, deps.store.keys(), &heard).await?;
    reach::learn(&mut tx, deps.store.keys(), &mut rng, &news, now).await?;
    store::spending::add(&mut tx, deps.home.memory().home, &unspent).await?;
    effects.write(&mut tx, &mut rng, now).await?;
    evidence::apply(deps, &mut tx, &evidence, now).await?;
    crash::point("outcome-written").await;
    tx.commit().await?;
    crash::point("outcome-committed").await;
    Ok(())
}

/// The reminders that messages speak for.
pub(super) async fn reminders_by_message(
    tx: &mut Tx,
    ids: &[MessageId],
) -> Result<BTreeMap<MessageId, Vec<ReminderRow>>> {
    let mut held: BTreeMap<MessageId, Vec<ReminderRow>> = BTreeMap::new();
    for reminder in reminders::of_messages(tx, ids).await? {
        if let Some(id) = reminder.message {
            held.entry(id).or_default().push(reminder);
        }
    }
    Ok(held)
}

fn attempt_move(ended: &Ended, row: &AttemptRow, now: UtcMs, valid_until: UtcMs) -> AttemptMove {
    let mut moved = AttemptMove {
        id: ended.id,
        token: ended.token,
        state: AttemptState::Unknown,
        reason: Reason::Accepted,
        code: None,
        provider_id: None,
        wake_at: None,
    };
    match Ending::of(&ended.outcome) {
        Ending::Accepted(ids) => {
            moved.state = AttemptState::Accepted;
            moved.provider_id = ids.first().cloned();
            moved.wake_at = receipt_due(row.hop_until, now);
        }
        Ending::Unknown(stage) => {
            moved.reason = Reason::UnknownOutcome { stage: stage.to_owned() };
            moved.wake_at = Some(look_at(now, settle_at(now, valid_until)));
        }
        Ending::HeldBack(held) => {
            moved.state = AttemptState::NotSent;
            moved.reason = Reason::NotSent { stage: held.stage().to_owned() };
        }
        Ending::Failed { code, .. } => {
            moved.code = Some(code.to_owned());
            (moved.state, moved.reason) = match &ended.outcome {
                Outcome::NotSent { stage } => {
                    (AttemptState::NotSent, Reason::NotSent { stage: (*stage).to_owned() })
                }
                _ => (AttemptState::Refused, Reason::Refused { code: code.to_owned() }),
            };
        }
    }
    moved
}

/// A writer whose token was taken away: what it knows is told and weighed, and moves nothing by itself.
fn late(moved: &AttemptMove, effects: &mut Effects) -> Evidence {
    effects.turns.push(Turn {
        subject: moved.id.0,
        state: moved.state.word(),
        reason: moved.reason.clone(),
    });
    Evidence {
        attempt: moved.id,
        proves: moved.state,
        reason: moved.reason.clone(),
        error: None,
        provider_id: moved.provider_id.clone(),
        at: None,
    }
}

impl Effects {
    /// Ends a message, and the reminders it speaks for that are still open.
    pub(super) fn end_message(
        &mut self,
        message: &mut MessageRow,
        speaks_for: &[ReminderRow],
        (state, reminder_state, reason): (MessageState, ReminderState, Reason),
        now: UtcMs,
    ) {
        message.state = state;
        message.reason = reason.clone();
        message.wake_at = None;
        message.updated_at = now;
        self.messages.retain(|other| other.id != message.id);
        self.messages.push(message.clone());
        self.move_open(speaks_for, reminder_state, &reason);
    }

    /// Queues a message again.
    pub(super) fn requeue(
        &mut self,
        message: &mut MessageRow,
        speaks_for: &[ReminderRow],
        at: UtcMs,
        reason: Reason,
        now: UtcMs,
    ) {
        let state = MessageState::Queued.word();
        self.turns.push(Turn { subject: message.id.0, state, reason: reason.clone() });
        self.move_open(speaks_for, ReminderState::Queued, &reason);
        message.state = MessageState::Queued;
        message.reason = reason;
        message.wake_at = Some(at);
        message.updated_at = now;
        self.messages.retain(|other| other.id != message.id);
        self.messages.push(message.clone());
    }

    /// Moves reminders whose story is not over.
    pub(super) fn move_open(
        &mut self,
        speaks_for: &[ReminderRow],
        state: ReminderState,
        reason: &Reason,
    ) {
        let open = |reminder: &&ReminderRow| {
            matches!(
                reminder.state,
                ReminderState::Queued
                    | ReminderState::Sending
                    | ReminderState::Sent
                    | ReminderState::Failed
                    | ReminderState::Unknown
            )
        };
        for reminder in speaks_for.iter().filter(open) {
            self.reminders.retain(|other| other.id != reminder.id);
            self.reminders.push(ReminderMove { id: reminder.id, state, reason: reason.clone() });
        }
    }
}
