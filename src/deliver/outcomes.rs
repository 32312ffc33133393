//! The writer of outcomes: groups of them, and what each says of its sender.

use super::record::record;
use super::send::{DelivererDeps, Ended, Shared};
use crate::care::ids::TaskId;
use crate::care::time::HOUR_MS;
use crate::care::{Reason, UtcMs};
use crate::channel::Outcome;
use crate::policy::breaker::Change;
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::{Result, StoreError, holds, tasks};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

/// Outcomes of one commit.
const GROUP: usize = 256;
/// How long a first outcome waits for others while sends are in flight.
const GATHER_OUTCOMES: Duration = Duration::from_millis(3);

/// Commits outcomes in groups: at once when the writer is free, so a group is what came in meanwhile.
pub(super) async fn write_outcomes(
    shared: std::sync::Weak<Shared>,
    mut received: mpsc::Receiver<Ended>,
) {
    let mut group = Vec::with_capacity(GROUP);
    while received.recv_many(&mut group, GROUP).await > 0 {
        let Some(shared) = shared.upgrade() else { return };
        if group.len() < shared.in_flight.load(Ordering::SeqCst) {
            // A commit for several costs as much as for one (design.md section 3: 5 ms at most).
            tokio::time::sleep(GATHER_OUTCOMES).await;
            while let (true, Ok(ended)) = (group.len() < GROUP, received.try_recv()) {
                group.push(ended);
            }
        }
        let outcomes = std::mem::take(&mut group);
        let mut pause = Duration::from_millis(50);
        // The outcome of a send that happened is not given up: without it the attempt would be unknown.
        while let Err(fault) = record(&shared.deps, &outcomes).await {
            tracing::error!(%fault, outcomes = outcomes.len(), "outcomes cannot be recorded: trying again");
            if !matches!(fault, StoreError::Driver(_)) {
                one_by_one(&shared.deps, &outcomes).await;
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        for ended in &outcomes {
            shared.heed(ended).await;
            shared.landed(&ended.channel);
        }
        shared.in_flight.fetch_sub(outcomes.len(), Ordering::SeqCst);
        drop(outcomes);
        shared.recorded.notify_waiters();
    }
}

/// A group failed on a row: outcomes are recorded alone, and the one that fails leaves its attempt to be found
/// lost.
async fn one_by_one(deps: &DelivererDeps, outcomes: &[Ended]) {
    for ended in outcomes {
        if let Err(fault) = record(deps, std::slice::from_ref(ended)).await {
            tracing::error!(attempt_id = %ended.id, %fault, "an outcome cannot be recorded");
        }
    }
}

impl Shared {
    /// Heeds what an outcome says of its sender; a rest is told where claims and operators see it.
    async fn heed(&self, ended: &Ended) {
        let now = self.deps.clock.now();
        let Some(change) = self.pace.hear(&ended.channel, &ended.outcome, now) else { return };
        let told = match change {
            Change::Rests { until } => self.tell_rest(ended, now, until).await,
            Change::PicksUp => self.tell_recovery(&ended.channel).await,
        };
        if let Err(fault) = told {
            tracing::warn!(%fault, channel = ended.channel, "a rest of a channel is not told");
        }
    }

    async fn tell_rest(&self, ended: &Ended, now: UtcMs, until: UtcMs) -> Result<()> {
        let because = match &ended.outcome {
            Outcome::Refused { code, .. } => code.clone(),
            Outcome::NotSent { stage } | Outcome::Unknown { stage } => (*stage).to_owned(),
            Outcome::Accepted { .. } => String::new(),
        };
        tracing::error!(
            channel = ended.channel,
            because,
            until = until.rfc3339(),
            "a channel rests: its provider is in trouble, or refuses us"
        );
        metrics::gauge!("carebell_channel_resting", "channel" => ended.channel.clone()).set(1.0);
        let channel = ended.channel.clone();
        let task = NewTask {
            id: TaskId::new(now, &mut self.deps.rng.fork()),
            patient: None,
            kind: TaskKind::Channel,
            subject: resting(&channel),
            reason: Reason::ChannelResting { until: Some(until) },
            due_at: now.plus_ms(HOUR_MS),
        };
        let rest = holds::Rest { channel, until, since: now, because };
        let mut tx = self.deps.store.write().await?;
        holds::rest(&mut tx, self.deps.instance, &rest).await?;
        tasks::open(&mut tx, &task, now).await?;
        tx.commit().await?;
        self.look_at_holds().await.map(|_| ())
    }

    async fn tell_recovery(&self, channel: &str) -> Result<()> {
        tracing::info!(channel, "a channel works again, slowly at first");
        metrics::gauge!("carebell_channel_resting", "channel" => channel.to_owned()).set(0.0);
        let mut tx = self.deps.store.write().await?;
        tasks::close(&mut tx, TaskKind::Channel, &resting(channel)).await?;
        tx.commit().await
    }
}

/// What the task about a resting channel is about.
fn resting(channel: &str) -> String {
    format!("{channel} resting")
}
