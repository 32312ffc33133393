//! The bell: tokio-cron-scheduler, in UTC, for a handful of jobs.

use super::{Job, Jobs, Run};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job as Bell, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Rings waiting to be heard: a job that is under way swallows further ones anyway.
const RINGS: usize = 16;
/// How often a missed run is tried again while another one holds the lease.
const AGAIN: Duration = Duration::from_secs(30);

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
        let (jobs, runs) = (self.clone(), tracker.clone());
        tracker.spawn(async move {
            match jobs.missed(jobs.now()).await {
                Ok(missed) => {
                    for job in missed {
                        tracing::info!(job = job.name(), "a missed run is caught up");
                        let (jobs, shutdown) = (jobs.clone(), shutdown.clone());
                        runs.spawn(async move { jobs.catch_up(job, &shutdown).await });
                    }
                }
                Err(fault) => tracing::error!(%fault, "missed jobs could not be caught up"),
            }
            loop {
                let job = tokio::select! {
                    () = shutdown.cancelled() => break,
                    job = heard.recv() => job,
                };
                let Some(job) = job else { break };
                // Each run is a task of its own: a long one delays no other, and the lease lets none overlap.
                let (jobs, shutdown) = (jobs.clone(), shutdown.clone());
                runs.spawn(async move { jobs.run_or_tell(job, &shutdown).await });
            }
            if let Err(fault) = scheduler.shutdown().await {
                tracing::warn!(%fault, "the job scheduler did not stop");
            }
        });
        Ok(())
    }

    /// Runs a job; whether it ran.
    async fn run_or_tell(&self, job: Job, shutdown: &CancellationToken) -> bool {
        match self.run_until(job, shutdown).await {
            Ok(run) => !matches!(run, Run::UnderWay | Run::Held(_)),
            Err(fault) => {
                tracing::error!(job = job.name(), %fault, "a job could not be run");
                false
            }
        }
    }

    /// Runs a job once the lease of a run that was killed is over.
    async fn catch_up(&self, job: Job, shutdown: &CancellationToken) {
        while !self.run_or_tell(job, shutdown).await {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }
}
