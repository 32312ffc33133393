//! Isolates a claim that breaks (P9): what was in hand when the daemon died goes alone and first, a set that failed goes
//! one by one, and what broke three times is parked, with a task.

use super::claim::{Claimed, claim_one};
use super::send::{Deliverer, Sent, Take};
use crate::care::ids::{MessageId, TaskId};
use crate::care::time::DAY_MS;
use crate::care::{Reason, UtcMs};
use crate::home::{Step, Suspect};
use crate::policy::grouping::sender_of;
use crate::store::alarms::AlarmKind;
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::{Result, StoreError, Tx, alarms, messages, reminders, tasks};
use futures::FutureExt;
use rand::rngs::StdRng;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

/// A step that broke so often in a row is taken away from a message (P9).
pub(super) const TRIES: i64 = 3;

impl Deliverer {
    /// Messages that were in hand when an earlier life of this instance died: each alone, before anything else of its
    /// lane. Returns the lanes whose suspects the pace lets not go on yet: nothing else of them goes either.
    pub(super) async fn claim_suspects(
        &self,
        now: UtcMs,
        sent: &mut Sent,
    ) -> Result<BTreeSet<String>> {
        let (shared, home) = (&self.shared, &self.deps().home);
        let mut waiting = BTreeSet::new();
        for Suspect { id, times } in home.suspects(Step::Claim) {
            if i64::from(times) >= TRIES {
                let mut tx = shared.deps.store.write().await?;
                self.park_message(&mut tx, MessageId(id), now).await?;
                tx.commit().await?;
                sent.alarms += 1;
            } else {
                let mut tx = shared.deps.store.read().await?;
                let alarms = alarms::of(&mut tx, AlarmKind::Message, id).await?;
                drop(tx);
                if let Some(alarm) = alarms.into_iter().find(|alarm| alarm.wake_at_ms <= now.0) {
                    let (permits, sender) = (self.permits(1), sender_of(&alarm.lane));
                    if shared.pace.take(sender, permits.len(), Instant::now(), now) == 0 {
                        waiting.insert(alarm.lane);
                        continue;
                    }
                    let window = self.window();
                    let due = alarms::Due { wake_at_ms: alarm.wake_at_ms, id };
                    let claimed = self.claim_alone(&alarm.lane, due, now).await?;
                    let unused = 1_usize.saturating_sub(claimed.intents.len());
                    shared.pace.give_back(sender, unused, now);
                    self.send_off(claimed, permits, window, now, sent);
                }
            }
            home.clear(Step::Claim, id);
        }
        Ok(waiting)
    }

    /// A set failed: its messages are stepped alone (P9).
    pub(super) async fn claim_one_by_one(
        &self,
        lane: &str,
        take: Take,
        limit: usize,
        now: UtcMs,
    ) -> Result<Claimed> {
        let deps = &self.shared.deps;
        let mut tx = deps.store.read().await?;
        let due = match take {
            Take::Due => {
                alarms::due_unlocked(&mut tx, AlarmKind::Message, lane, now, limit).await?
            }
            Take::Held(classes) => alarms::held_due(&mut tx, lane, classes, now, limit).await?,
        };
        drop(tx);
        let mut all = Claimed::default();
        for alarm in due {
            let one = self.claim_alone(lane, alarm, now).await?;
            all.alarms += one.alarms;
            all.sends = all.sends.max(one.sends);
            all.regressed |= one.regressed;
            all.intents.extend(one.intents);
        }
        Ok(all)
    }

    async fn claim_alone(&self, lane: &str, alarm: alarms::Due, now: UtcMs) -> Result<Claimed> {
        let step = claim_one(self.deps(), lane, alarm);
        match AssertUnwindSafe(step).catch_unwind().await {
            Ok(Ok(one)) => Ok(one),
            Ok(Err(StoreError::Driver(fault))) => Err(StoreError::Driver(fault)),
            Ok(Err(_)) | Err(_) => {
                self.step_failed(MessageId(alarm.id), now).await?;
                Ok(Claimed { alarms: 1, ..Claimed::default() })
            }
        }
    }

    async fn step_failed(&self, id: MessageId, now: UtcMs) -> Result<()> {
        let deps = &self.shared.deps;
        let mut tx = deps.store.write().await?;
        let failures = messages::step_failed(&mut tx, id).await?;
        tracing::warn!(message_id = %id, failures, "claiming a message broke");
        metrics::counter!("carebell_steps_broken_total", "step" => "claim").increment(1);
        if failures >= TRIES {
            self.park_message(&mut tx, id, now).await?;
        }
        tx.commit().await
    }

    async fn park_message(&self, tx: &mut Tx, id: MessageId, now: UtcMs) -> Result<()> {
        alarms::drop_of(tx, AlarmKind::Message, id.0).await?;
        tracing::error!(message_id = %id, "a message is parked: see the open task");
        park(tx, &[id], &mut self.deps().rng.fork(), now).await
    }
}

/// Parks messages and the reminders they speak for, each with a task, without reading more of a row than its id:
/// what broke the step may be in it (P9).
pub(super) async fn park(
    tx: &mut Tx,
    ids: &[MessageId],
    rng: &mut StdRng,
    now: UtcMs,
) -> Result<()> {
    reminders::park(tx, ids, now).await?;
    for (id, patient) in messages::park(tx, ids, now).await? {
        let task = NewTask {
            id: TaskId::new(now, rng),
            patient: Some(patient),
            kind: TaskKind::Parked,
            subject: id.to_string(),
            reason: Reason::Poisoned,
            due_at: now.plus_ms(DAY_MS),
        };
        tasks::open(tx, &task, now).await?;
    }
    Ok(())
}
