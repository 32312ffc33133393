//! Intents whose daemon ended, or whose lease ran out: their outcome is unknown, never free again (P4).

use super::effects::{Effects, settle_alarm};
use super::evidence;
use super::poison::park;
use super::record::reminders_by_message;
use super::send::{Deliverer, DelivererDeps};
use crate::care::ids::{AttemptId, InstanceId, MessageId};
use crate::care::{AttemptState, MessageState, Reason, ReminderState};
use crate::crash;
use crate::policy::outcome::{look_at, settle_at};
use crate::store::attempts::AttemptMove;
use crate::store::{Result, StoreError, attempts, database_clock_ms, messages};

/// Attempts of one transaction.
const BATCH: i64 = 256;

impl Deliverer {
    /// Finds open intents whose lease ended on the database's clock, and those of instances known to be dead;
    /// returns how many became unknown.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_lost(&self, dead: &[InstanceId]) -> Result<usize> {
        let mut found = 0;
        loop {
            let batch = find_batch(self.deps(), dead).await?;
            found += batch;
            if batch == 0 {
                return Ok(found);
            }
        }
    }
}

async fn find_batch(deps: &DelivererDeps, dead: &[InstanceId]) -> Result<usize> {
    let mut tx = deps.store.read().await?;
    let database_now = database_clock_ms(&mut tx).await?;
    let ids = attempts::lost(&mut tx, database_now, dead, BATCH).await?;
    drop(tx);
    if ids.is_empty() {
        return Ok(0);
    }
    match lose(deps, &ids).await {
        Err(StoreError::Driver(fault)) => return Err(StoreError::Driver(fault)),
        Ok(lost) => return Ok(lost),
        Err(_) => {}
    }
    // A row in the set cannot be read: each is taken alone, so that the others are found (P9).
    let mut found = 0;
    for id in ids {
        found += match lose(deps, &[id]).await {
            Err(StoreError::Driver(fault)) => return Err(StoreError::Driver(fault)),
            Ok(lost) => lost,
            Err(fault) => {
                give_up(deps, id, &fault.to_string()).await?;
                1
            }
        };
    }
    Ok(found)
}

/// An attempt that cannot be read is left to a person: a second reading would not differ.
pub(super) async fn give_up(deps: &DelivererDeps, id: AttemptId, fault: &str) -> Result<()> {
    tracing::error!(attempt_id = %id, fault, "an attempt cannot be read: see the open task");
    let mut tx = deps.store.write().await?;
    let message = attempts::park(&mut tx, id).await?;
    let now = deps.clock.now();
    park(&mut tx, message.as_slice(), &mut deps.rng.fork(), now).await?;
    tx.commit().await
}

async fn lose(deps: &DelivererDeps, ids: &[AttemptId]) -> Result<usize> {
    let now = deps.clock.now();
    let mut tx = deps.store.write().await?;
    let mut lost = attempts::lock(&mut tx, ids).await?;
    lost.retain(|attempt| attempt.state == AttemptState::Intent);
    let ids: Vec<MessageId> = lost.iter().map(|attempt| attempt.message).collect();
    let held = reminders_by_message(&mut tx, &ids).await?;
    let mut effects = Effects::default();
    let mut moves = Vec::new();
    for mut message in messages::lock(&mut tx, &ids).await? {
        let speaks_for = held.get(&message.id).map_or(&[][..], Vec::as_slice);
        let id = message.id;
        for attempt in lost.iter().filter(|attempt| attempt.message == id) {
            let settle = look_at(now, settle_at(now, message.valid_until));
            let moved = attempt.moved_to(AttemptState::Unknown, Reason::LostInstance);
            moves.push(AttemptMove { wake_at: Some(settle), ..moved });
            effects.put.push(settle_alarm(attempt.id.0, settle));
            if message.state == MessageState::Sending && attempt.number == message.tries {
                let end = match evidence::other_that_left(&mut tx, &message, attempt.id).await? {
                    Some(reason) => (MessageState::Sent, ReminderState::Sent, reason),
                    None => (MessageState::Unknown, ReminderState::Unknown, Reason::LostInstance),
                };
                effects.end_message(&mut message, speaks_for, end, now);
            }
        }
    }
    let ended = attempts::end(&mut tx, &moves, now).await?;
    let mut rng = deps.rng.fork();
    effects.write(&mut tx, &mut rng, now).await?;
    crash::point("lost-written").await;
    tx.commit().await?;
    crash::point("lost-committed").await;
    tracing::warn!(attempts = ended.len(), "attempts lost their daemon: their outcome is unknown");
    metrics::counter!("carebell_leases_expired_total").increment(ended.len() as u64);
    Ok(ended.len())
}
