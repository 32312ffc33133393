//! The bell: tokio-cron-scheduler, in UTC, for a handful of jobs.

use super::{Job, Jobs};
use crate::store::Result;
use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job as Bell, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Rings waiting to be heard: a job that is under way swallows further ones anyway.
const RINGS: usize = 16;

impl Jobs {
    /// Catches up what was missed, then rings every declared job until `shutdown`.
    ///
    /// The scheduler's own tasks only put the job's name into a channel: it drops bursts, keeps no overlap
    /// guard and waits for nobody at shutdown, so the work itself runs here, on `tracker`.
    ///
    /// # Errors
    /// When the scheduler cannot be set up.
    pub async fn ring(
        &self,
        tracker: &TaskTracker,
        shutdown: CancellationToken,
    ) -> std::result::Result<(), JobSchedulerError> {
        let (rings, mut heard) = mpsc::channel::<Job>(RINGS);
        let mut scheduler = JobScheduler::new().await?;
        for declared in self.declared().iter().filter(|declared| declared.enabled) {
            let rings = rings.clone();
            let job = declared.job;
            let bell = Bell::new(declared.cron.as_str(), move |_, _| {
                // A full channel means that runs are under way; the next ring comes.
                let _ = rings.try_send(job);
            })?;
            scheduler.add(bell).await?;
        }
        scheduler.start().await?;
        let jobs = self.clone();
        tracker.spawn(async move {
            if let Err(fault) = jobs.catch_up().await {
                tracing::error!(%fault, "missed jobs could not be caught up");
            }
            loop {
                let job = tokio::select! {
                    () = shutdown.cancelled() => break,
                    job = heard.recv() => job,
                };
                let Some(job) = job else { break };
                if let Err(fault) = jobs.run_once(job).await {
                    tracing::error!(job = job.name(), %fault, "a job could not be run");
                }
            }
            if let Err(fault) = scheduler.shutdown().await {
                tracing::warn!(%fault, "the job scheduler did not stop");
            }
        });
        Ok(())
    }

    async fn catch_up(&self) -> Result<()> {
        for job in self.missed(self.clock.now()).await? {
            tracing::info!(job = job.name(), "a missed run is caught up");
            self.run_once(job).await?;
        }
        Ok(())
    }
}
