//! What comes in: verified callbacks are kept raw, then read into receipts and replies, each applied once.
//!
//! Keeping is one insert, so that the provider is answered at once; reading happens after, and again if it
//! breaks. What may not live here: verifying (it is the channel's), or what a receipt means for a message (it
//! is `deliver::evidence`). The daemon calls [`Inbound`].

mod about;
mod apply;
mod keep;
mod leaving;
mod line;
mod news;
mod replies;

pub use keep::NotKept;
pub use leaving::Leaver;

use crate::care::Reason;
use crate::care::ids::{InboundId, TaskId};
use crate::care::time::HOUR_MS;
use crate::deliver::Deliverer;
use crate::home::{Step, Suspect};
use crate::store::inbound::{InboundRow, InboundState};
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::{Result, StoreError, inbound, tasks};
use futures::FutureExt;
use line::Line;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::Notify;

/// Callbacks of one round.
const BATCH: i64 = 64;
/// A callback that broke so often is left to a person (P9).
const TRIES: i64 = 3;

/// Keeps and applies callbacks.
#[derive(Clone)]
pub struct Inbound {
    deliverer: Deliverer,
    line: Arc<Line>,
    door: Arc<keep::Door>,
    kept: Arc<Notify>,
    applied: Arc<Notify>,
}

impl Inbound {
    /// An inbound side that settles what `deliverer` sends.
    pub fn new(deliverer: Deliverer) -> Self {
        Self {
            deliverer,
            line: Arc::default(),
            door: Arc::default(),
            kept: Arc::new(Notify::new()),
            applied: Arc::new(Notify::new()),
        }
    }

    /// Resolves when a callback was kept.
    pub async fn kept(&self) {
        self.kept.notified().await;
    }

    /// Reads and applies callbacks that wait; returns how many it took.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tick(&self) -> Result<usize> {
        let deps = self.deliverer.deps();
        self.park_suspects().await?;
        let mut tx = deps.store.read().await?;
        let fresh = inbound::fresh(&mut tx, deps.store.keys(), BATCH).await?;
        drop(tx);
        let mut readable = Vec::with_capacity(fresh.len());
        for row in &fresh {
            match row {
                Ok(row) => readable.push(row),
                Err(id) => self.give_up(*id, "it does not open").await?,
            }
        }
        let suspects = deps.home.suspects(Step::Inbound);
        let suspected = |row: &&InboundRow| suspects.iter().any(|suspect| suspect.id == row.id.0);
        let (alone, together): (Vec<_>, Vec<_>) = readable.into_iter().partition(suspected);
        self.apply_alone(&alone).await?;
        self.apply_together(&together).await?;
        if !fresh.is_empty() {
            self.applied.notify_one();
        }
        Ok(fresh.len())
    }

    async fn apply_together(&self, rows: &[&InboundRow]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = rows.iter().map(|row| row.id.0).collect();
        let in_hand = self.deliverer.deps().home.in_hand(Step::Inbound, &ids);
        match AssertUnwindSafe(self.apply(rows)).catch_unwind().await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(StoreError::Driver(fault))) => Err(StoreError::Driver(fault)),
            Ok(Err(_)) | Err(_) => {
                drop(in_hand);
                self.apply_alone(rows).await
            }
        }
    }

    /// A set failed, or one of it brought the process down: its callbacks are applied alone (P9).
    async fn apply_alone(&self, rows: &[&InboundRow]) -> Result<()> {
        let home = &self.deliverer.deps().home;
        for row in rows {
            let in_hand = home.in_hand(Step::Inbound, &[row.id.0]);
            match AssertUnwindSafe(self.apply(&[row])).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(StoreError::Driver(fault))) => return Err(StoreError::Driver(fault)),
                Ok(Err(_)) | Err(_) => self.step_failed(row).await?,
            }
            drop(in_hand);
            home.clear(Step::Inbound, row.id.0);
        }
        Ok(())
    }

    /// Callbacks that brought the process down again and again.
    async fn park_suspects(&self) -> Result<()> {
        let home = &self.deliverer.deps().home;
        for Suspect { id, times } in home.suspects(Step::Inbound) {
            if i64::from(times) >= TRIES {
                self.give_up(InboundId(id), "it brought the daemon down").await?;
                home.clear(Step::Inbound, id);
            }
        }
        Ok(())
    }

    /// Resolves when callbacks were applied: an answer may be due.
    pub async fn applied(&self) {
        self.applied.notified().await;
    }

    /// Whether nothing waits to be read.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_idle(&self) -> Result<bool> {
        let mut tx = self.deliverer.deps().store.read().await?;
        Ok(inbound::count_new(&mut tx).await? == 0)
    }

    async fn step_failed(&self, row: &InboundRow) -> Result<()> {
        tracing::warn!(inbound_id = %row.id, channel = row.channel, tries = row.tries + 1,
            "a callback could not be applied");
        metrics::counter!("carebell_steps_broken_total", "step" => "inbound").increment(1);
        if row.tries + 1 >= TRIES {
            return self.give_up(row.id, "it broke its step").await;
        }
        let mut tx = self.deliverer.deps().store.write().await?;
        inbound::mark(&mut tx, row.id, InboundState::New, "it broke its step").await?;
        tx.commit().await
    }

    /// Leaves a callback to a person (P9).
    async fn give_up(&self, id: InboundId, why: &'static str) -> Result<()> {
        tracing::error!(inbound_id = %id, why, "a callback is parked: see the open task");
        let deps = self.deliverer.deps();
        let now = deps.clock.now();
        let task = NewTask {
            id: TaskId::new(now, &mut deps.rng.fork()),
            patient: None,
            kind: TaskKind::Parked,
            subject: id.to_string(),
            reason: Reason::Poisoned,
            due_at: now.plus_ms(HOUR_MS),
        };
        let mut tx = deps.store.write().await?;
        inbound::mark(&mut tx, id, InboundState::Failed, why).await?;
        tasks::open(&mut tx, &task, now).await?;
        tx.commit().await
    }
}
