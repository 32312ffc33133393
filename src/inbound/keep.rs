//! Keeping callbacks: who comes while a group is being committed goes with the next one, so that a herd's receipts
//! cost a commit a group, not a commit each; every provider is answered after its own callback is durable.

use super::Inbound;
use super::line::Taking;
use crate::channel::Callback;
use crate::store::inbound::Keep;
use crate::store::{Result, inbound};
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

/// Callbacks of one commit.
const GROUP: usize = 256;

/// A callback was not kept; why is in the log. The provider must come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the callback could not be kept")]
pub struct NotKept;

/// Callbacks on their way into the database.
#[derive(Default)]
pub(super) struct Door {
    waiting: Mutex<Vec<Arrival>>,
    committing: tokio::sync::Mutex<()>,
}

struct Arrival {
    channel: String,
    dedupe_key: String,
    payload: Vec<u8>,
    told: oneshot::Sender<std::result::Result<(), NotKept>>,
}

impl Inbound {
    /// Keeps a verified callback durably before it is understood; the same one twice is kept once.
    ///
    /// # Errors
    /// When it could not be written: the provider must come again.
    pub async fn keep(
        &self,
        channel: &str,
        callback: &Callback,
        dedupe_key: &str,
    ) -> std::result::Result<(), NotKept> {
        let keeping: Taking<'_> = self.line.taking();
        let payload = serde_json::to_vec(callback).map_err(|_| NotKept)?;
        let (told, mut heard) = oneshot::channel();
        let arrival = Arrival {
            channel: channel.to_owned(),
            dedupe_key: dedupe_key.to_owned(),
            payload,
            told,
        };
        self.door.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
        let turn = self.door.committing.lock().await;
        let kept = match heard.try_recv() {
            // Whoever had the turn before took this one along.
            Ok(kept) => kept,
            Err(oneshot::error::TryRecvError::Closed) => Err(NotKept),
            Err(oneshot::error::TryRecvError::Empty) => {
                self.commit_group().await;
                heard.try_recv().unwrap_or(Err(NotKept))
            }
        };
        drop(turn);
        kept?;
        keeping.taken();
        metrics::counter!("carebell_callbacks_total", "channel" => channel.to_owned()).increment(1);
        self.kept.notify_one();
        Ok(())
    }

    /// Commits callbacks that wait, the oldest first, until nothing of what waited at the start is left.
    async fn commit_group(&self) {
        loop {
            let group: Vec<Arrival> = {
                let mut waiting = self.door.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let most = waiting.len().min(GROUP);
                waiting.drain(..most).collect()
            };
            if group.is_empty() {
                return;
            }
            let kept = self.write(&group).await.map_err(|fault| {
                tracing::error!(%fault, callbacks = group.len(), "callbacks could not be kept");
                NotKept
            });
            for arrival in group {
                // Who no longer waits for the answer comes again, and is known by the key.
                let _ = arrival.told.send(kept);
            }
        }
    }

    async fn write(&self, group: &[Arrival]) -> Result<()> {
        let deps = self.deliverer.deps();
        let rows: Vec<Keep<'_>> = group
            .iter()
            .map(|arrival| Keep {
                channel: &arrival.channel,
                dedupe_key: &arrival.dedupe_key,
                payload: &arrival.payload,
            })
            .collect();
        let mut rng = deps.rng.fork();
        let mut tx = deps.store.write().await?;
        inbound::keep(&mut tx, deps.store.keys(), &mut rng, &rows, deps.clock.now()).await?;
        tx.commit().await
    }
}
