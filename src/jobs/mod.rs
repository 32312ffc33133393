//! Housekeeping: jobs declared in `schedules/jobs.toml`, rung by tokio-cron-scheduler, run through
//! [`Jobs::run_once`].
//!
//! The bell only rings: a row lease keeps runs from overlapping on any machine, and what was missed while the
//! daemon was down is caught up where the file says so. No patient's reminder depends on a job.

mod declared;
mod ring;

pub use declared::{CatchUp, Declared, JobsProblem, load};

use crate::care::UtcMs;
use crate::care::ids::new_uuid;
use crate::care::time::SECOND_MS;
use crate::clock::Clock;
use crate::policy::clock::Trouble;
use crate::security::SharedRng;
use crate::store::jobs::{JobEnd, JobRow};
use crate::store::{Result, Store, database_clock_ms, jobs};
use crate::watch::{ClockWatch, Watch};
use std::sync::Arc;
use std::time::Duration;

/// The jobs that are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Lets the database tidy statistics and logs.
    DatabaseOptimize,
    /// Compares what should have gone out with what did.
    WatchTick,
}

impl Job {
    /// Every job.
    pub const ALL: [Self; 2] = [Self::DatabaseOptimize, Self::WatchTick];

    /// Its name in `jobs.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DatabaseOptimize => "database-optimize",
            Self::WatchTick => "watch-tick",
        }
    }

    /// The job of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|job| job.name() == name)
    }
}

/// Runs jobs.
#[derive(Clone)]
pub struct Jobs {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<SharedRng>,
    watch: Watch,
    clock_watch: ClockWatch,
    declared: Arc<Vec<Declared>>,
}

/// How a call of [`Jobs::run_once`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// It ran; what it says.
    Done(String),
    /// It ran and failed; why.
    Failed(String),
    /// Another run is under way.
    UnderWay,
    /// The clock is not believed: what a job would find late, or old enough to drop, may be neither.
    Held(Trouble),
}

impl Jobs {
    /// The jobs of a database.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        rng: Arc<SharedRng>,
        (watch, clock_watch): (Watch, ClockWatch),
        declared: Arc<Vec<Declared>>,
    ) -> Self {
        Self { store, clock, rng, watch, clock_watch, declared }
    }

    /// What `jobs.toml` declares.
    pub fn declared(&self) -> &[Declared] {
        &self.declared
    }

    /// Runs a job now, unless a run of it is under way anywhere. A run that takes longer than the job's
    /// time-out is stopped and counted as failed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_once(&self, job: Job) -> Result<Run> {
        if let Some(trouble) = self.clock_watch.look().await? {
            return Ok(Run::Held(trouble));
        }
        let timeout_seconds = self
            .declared
            .iter()
            .find(|declared| declared.job == job)
            .map_or(60, |declared| declared.timeout_seconds);
        let token = new_uuid(self.clock.now(), &mut self.rng.fork());
        let mut tx = self.store.write().await?;
        let database_now = database_clock_ms(&mut tx).await?;
        let lease_until = database_now.plus_ms((i64::from(timeout_seconds) + 10) * SECOND_MS);
        let now = self.clock.now();
        let mine = jobs::take(&mut tx, job.name(), token, lease_until, database_now, now).await?;
        tx.commit().await?;
        if !mine {
            return Ok(Run::UnderWay);
        }
        let within = Duration::from_secs(u64::from(timeout_seconds));
        let (end, outcome) = match tokio::time::timeout(within, self.work(job)).await {
            Ok(Ok(said)) => (JobEnd::Success, said),
            Ok(Err(fault)) => (JobEnd::Failure, fault.to_string()),
            Err(_) => (JobEnd::Failure, format!("stopped after {timeout_seconds} s")),
        };
        let mut tx = self.store.write().await?;
        jobs::finish(&mut tx, job.name(), token, &end, &outcome, self.clock.now()).await?;
        tx.commit().await?;
        let word = if end == JobEnd::Success { "success" } else { "failure" };
        metrics::counter!("carebell_job_runs_total", "job" => job.name(), "outcome" => word)
            .increment(1);
        if end == JobEnd::Failure {
            tracing::error!(job = job.name(), outcome, "a job failed");
            return Ok(Run::Failed(outcome));
        }
        Ok(Run::Done(outcome))
    }

    async fn work(&self, job: Job) -> Result<String> {
        match job {
            Job::DatabaseOptimize => {
                self.store.optimize().await?;
                Ok("optimized".to_owned())
            }
            Job::WatchTick => {
                let seen = self.watch.tick().await?;
                Ok(serde_json::json!(seen).to_string())
            }
        }
    }

    /// What is known of the runs so far.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn history(&self) -> Result<Vec<JobRow>> {
        let mut tx = self.store.read().await?;
        jobs::all(&mut tx).await
    }

    /// Jobs that have rung twice since their last success, or since `started`, without another one: somebody must
    /// look, for nothing fails when nothing runs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn overdue(&self, started: UtcMs, now: UtcMs) -> Result<Vec<&'static str>> {
        let history = self.history().await?;
        let succeeded = |declared: &Declared| {
            let row = history.iter().find(|row| row.name == declared.job.name());
            row.and_then(|row| row.succeeded_at_ms).map_or(started, UtcMs)
        };
        let is_overdue = |declared: &&Declared| {
            declared.enabled && declared.is_overdue(succeeded(declared), now)
        };
        Ok(self.declared.iter().filter(is_overdue).map(|declared| declared.job.name()).collect())
    }

    /// Jobs whose last run was missed and that want to catch up.
    async fn missed(&self, now: UtcMs) -> Result<Vec<Job>> {
        let history = self.history().await?;
        let succeeded = |job: Job| {
            history.iter().find(|row| row.name == job.name()).and_then(|row| row.succeeded_at_ms)
        };
        Ok(self
            .declared
            .iter()
            .filter(|declared| declared.enabled && declared.catch_up == CatchUp::Once)
            .filter(|declared| {
                // A job that never ran has missed nothing yet.
                succeeded(declared.job).is_some_and(|at| declared.due_since(UtcMs(at), now))
            })
            .map(|declared| declared.job)
            .collect())
    }
}
