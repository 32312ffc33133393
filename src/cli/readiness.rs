//! What the daemon shows its HTTP server: where callbacks are kept, and how it stands.

use super::daemon::{Daemon, LOOPS};
use crate::care::UtcMs;
use crate::care::hold::{Hold, Scope};
use crate::channel::Callback;
use crate::config::Mode;
use crate::http::{Component, NotKept, Readiness, Sink};
use crate::policy::disk::Room;
use crate::policy::pulse::SLOW;
use crate::store::meta::{self, fact};
use crate::store::tasks::{self, TaskKind};
use crate::store::{Result, database_clock_ms};
use crate::watch::Disk;
use futures::future::BoxFuture;

impl Sink for Daemon {
    fn keep<'a>(
        &'a self,
        channel: &'a str,
        callback: Callback,
        dedupe_key: String,
    ) -> BoxFuture<'a, std::result::Result<(), NotKept>> {
        Box::pin(async move {
            self.inbound.keep(channel, &callback, &dedupe_key).await.map_err(|_| NotKept)?;
            self.heard(channel).await.map_err(|fault| {
                tracing::error!(%fault, channel, "that a webhook works could not be recorded");
                NotKept
            })
        })
    }
}

impl Daemon {
    /// Remembers, once a minute at most, that a channel's webhook works: going live asks for it. What the
    /// sandbox calls back shows nothing of the kind.
    async fn heard(&self, channel: &str) -> Result<()> {
        if self.app.config.mode != Mode::Live {
            return Ok(());
        }
        let key = format!("{}{channel}", fact::WEBHOOK_VERIFIED_MS);
        let now = self.app.clock.now();
        let mut tx = self.app.store.read().await?;
        let last = meta::get(&mut tx, &key).await?.and_then(|ms| ms.parse().ok()).map(UtcMs);
        drop(tx);
        if last.is_some_and(|at| now.since(at) < 60_000) {
            return Ok(());
        }
        let mut tx = self.app.store.write().await?;
        meta::set(&mut tx, &key, &now.0.to_string()).await?;
        meta::set_once(&mut tx, fact::HEARD_LIVE_SINCE_MS, &now.0.to_string()).await?;
        tx.commit().await
    }
}

impl Daemon {
    /// Where reminders are missing and nobody has dealt with it, for the readiness report.
    async fn missing_reminders(&self) -> Option<String> {
        let look = async {
            let mut tx = self.app.store.read().await?;
            tasks::open_subjects(&mut tx, TaskKind::Watch).await
        };
        // A database that does not answer has its own line.
        let places: Vec<String> = look.await.unwrap_or_default();
        (!places.is_empty()).then(|| format!("reminders are missing: {}", places.join(", ")))
    }

    /// A disk that runs full, for the readiness report.
    pub(super) fn disk(&self) -> Option<String> {
        let disk = Disk::of(&self.app.config.state_dir)?;
        metrics::gauge!("carebell_disk_free_bytes").set(disk.free_bytes as f64);
        let place = self.app.config.state_dir.display();
        (disk.room() != Room::Enough).then(|| format!("{place} runs full: {disk}"))
    }

    /// Jobs that no longer run, for the readiness report.
    async fn overdue_jobs(&self) -> Option<String> {
        let overdue = self.jobs.overdue(self.started, self.app.clock.now()).await;
        let names = overdue.unwrap_or_default();
        (!names.is_empty()).then(|| format!("rang twice without success: {}", names.join(", ")))
    }
}

impl Readiness for Daemon {
    fn components(&self) -> BoxFuture<'_, Vec<Component>> {
        Box::pin(async move {
            let database = match self.app.store.read().await {
                Ok(mut tx) => database_clock_ms(&mut tx).await.err(),
                Err(fault) => Some(fault),
            };
            let stuck = self.stuck();
            let holds = self.deliverer.holds();
            let restored = holds.iter().find(|hold| hold.scope == Scope::Restored);
            let hold = self.app.hold.clone().or_else(|| restored.map(Hold::to_string));
            let mut components = vec![
                Component::new("database", database.map(|fault| fault.to_string())),
                Component::new("hold", hold),
            ];
            let seconds = SLOW.as_secs();
            components.extend(LOOPS.into_iter().map(|name| {
                let fault = format!("has not stepped for more than {seconds} s");
                Component::new(name, stuck.contains(&name).then_some(fault))
            }));
            // What an operator holds back is no fault: callbacks, and a STOP among them, must still come in.
            let said = holds.iter().filter(|hold| hold.scope != Scope::Restored);
            components
                .extend(said.map(|hold| Component::detailed("sending", Some(hold.to_string()))));
            let clock = self.clock_watch.trouble();
            let clock = clock.map(|trouble| format!("{trouble}: {}", trouble.fix()));
            components.push(Component::detailed("clock", clock));
            components.push(Component::detailed("disk", self.disk()));
            components.push(Component::detailed("watch", self.missing_reminders().await));
            components.push(Component::detailed("jobs", self.overdue_jobs().await));
            components
        })
    }
}
