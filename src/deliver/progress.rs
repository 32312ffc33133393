//! Receipts that only tell how far an attempt has come whose message left long ago: most of what comes in. They move
//! nothing but their attempts, so a whole set of them is written at once.

use super::effects::{Effects, settle_alarm};
use super::evidence::Evidence;
use super::send::DelivererDeps;
use crate::care::ids::{AttemptId, MessageId};
use crate::care::{AttemptState, MessageState, UtcMs};
use crate::policy::fallback::receipt_due;
use crate::policy::validity::late_by_ms;
use crate::store::attempts::{AttemptMove, AttemptRow};
use crate::store::messages::MessageRow;
use crate::store::{Result, Tx, attempts, messages};
use std::collections::{BTreeMap, BTreeSet};

/// Applies what is progress alone, and returns the rest in its order.
pub(super) async fn apply<'e>(
    deps: &DelivererDeps,
    tx: &mut Tx,
    evidence: &'e [Evidence],
    now: UtcMs,
) -> Result<Vec<&'e Evidence>> {
    let ids: Vec<AttemptId> = evidence.iter().map(|fact| fact.attempt).collect();
    let mut rows: BTreeMap<AttemptId, AttemptRow> =
        attempts::lock(tx, &ids).await?.into_iter().map(|row| (row.id, row)).collect();
    let of: BTreeSet<MessageId> = rows.values().map(|row| row.message).collect();
    let of: Vec<MessageId> = of.into_iter().collect();
    let messages: BTreeMap<MessageId, MessageRow> =
        messages::lock(tx, &of).await?.into_iter().map(|row| (row.id, row)).collect();
    let other: BTreeSet<AttemptId> = evidence
        .iter()
        .filter(|fact| {
            let known = rows.get(&fact.attempt);
            let message = known.and_then(|row| messages.get(&row.message));
            !known.zip(message).is_some_and(|(row, message)| is_progress(fact, row, message))
        })
        .map(|fact| fact.attempt)
        .collect();
    let mut effects = Effects::default();
    for fact in evidence.iter().filter(|fact| !other.contains(&fact.attempt)) {
        let Some(row) = rows.get_mut(&fact.attempt) else { continue };
        let state = row.state.with(fact.proves);
        if state != row.state {
            effects.drop.extend(row.wake_at.take().map(|at| settle_alarm(row.id.0, at)));
            row.reason = fact.reason.clone();
            row.state = state;
            if matches!(state, AttemptState::Accepted | AttemptState::Sent) {
                row.wake_at = receipt_due(row.hop_until, now);
            }
        }
        effects.attempts.retain(|earlier| earlier.id != row.id);
        effects.attempts.push(AttemptMove {
            provider_id: row.provider_id.clone(),
            wake_at: row.wake_at,
            ..row.moved_to(row.state, row.reason.clone())
        });
    }
    effects.write(tx, &mut deps.rng.fork(), now).await?;
    Ok(evidence.iter().filter(|fact| other.contains(&fact.attempt)).collect())
}

/// Whether a receipt tells of nothing but progress: the message is sent by its newest attempt, which had left before
/// and has left still, under an id that is known; and what arrived did so in time.
fn is_progress(fact: &Evidence, row: &AttemptRow, message: &MessageRow) -> bool {
    let arrived = fact.at.filter(|_| fact.proves == AttemptState::Delivered);
    row.state.has_left()
        && fact.proves.has_left()
        && fact.error.is_none()
        && (row.provider_id.is_some() || fact.provider_id.is_none())
        && message.state == MessageState::Sent
        && row.number == message.tries
        && late_by_ms(arrived, message.valid_until).is_none()
}
