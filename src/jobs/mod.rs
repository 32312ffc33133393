//! Housekeeping: jobs declared in `schedules/jobs.toml`, rung by tokio-cron-scheduler, run through
//! [`Jobs::run_once`].
//!
//! The bell only rings: a row lease keeps runs from overlapping on any machine, and what was missed while the
//! daemon was down is caught up where the file says so. No patient's reminder depends on a job.

mod backup;
mod declared;
mod retention;
mod ring;

pub use backup::{Copy, copies};
pub use declared::{CatchUp, Declared, JobsProblem, load};

use crate::care::UtcMs;
use crate::care::ids::new_uuid;
use crate::care::time::SECOND_MS;
use crate::config::{BackupConfig, RetentionConfig};
use crate::deliver::DelivererDeps;
use crate::deliver::stuck::ask_after_stuck;
use crate::deliver::sweep::{Swept, sweep_once};
use crate::deliver::templates;
use crate::policy::clock::Trouble;
use crate::store::jobs::{JobEnd, JobRow};
use crate::store::{Result, database_clock_ms, jobs};
use crate::watch::{ClockWatch, Watch};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The jobs that are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Copies a SQLite database into the configured folder.
    Backup,
    /// Lets the database tidy statistics and logs.
    DatabaseOptimize,
    /// Uses evidence that lies about, and settles again what nothing settles.
    ReconcileSweep,
    /// Drops what is old and no promise needs.
    Retention,
    /// Asks the providers for our templates and how we stand, and holds what does not agree.
    TemplatesSync,
    /// Compares what should have gone out with what did.
    WatchTick,
}

impl Job {
    /// Every job.
    pub const ALL: [Self; 6] = [
        Self::DatabaseOptimize,
        Self::WatchTick,
        Self::ReconcileSweep,
        Self::Retention,
        Self::Backup,
        Self::TemplatesSync,
    ];

    /// Its name in `jobs.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::DatabaseOptimize => "database-optimize",
            Self::ReconcileSweep => "reconcile-sweep",
            Self::Retention => "retention",
            Self::TemplatesSync => "templates-sync",
            Self::WatchTick => "watch-tick",
        }
    }

    /// The job of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|job| job.name() == name)
    }
}

/// What jobs need.
#[derive(Clone)]
pub struct JobsDeps {
    /// What evidence is applied with; the database, clock and randomness of all jobs.
    pub deliver: DelivererDeps,
    /// The watch over the reminders.
    pub watch: Watch,
    /// The watch over the clock.
    pub clock_watch: ClockWatch,
    /// How long rows are kept.
    pub retention: RetentionConfig,
    /// Where copies go.
    pub backup: BackupConfig,
}

/// Runs jobs.
#[derive(Clone)]
pub struct Jobs {
    deps: JobsDeps,
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
    /// The daemon stopped under it.
    Stopped,
    /// The clock is not believed: what a job would find late, or old enough to drop, may be neither.
    Held(Trouble),
}

impl Jobs {
    /// The jobs of a database.
    pub const fn new(deps: JobsDeps, declared: Arc<Vec<Declared>>) -> Self {
        Self { deps, declared }
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
        self.run_until(job, &CancellationToken::new()).await
    }

    /// The same, but stopped by `shutdown`, with its lease given back: the next start catches it up.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_until(&self, job: Job, shutdown: &CancellationToken) -> Result<Run> {
        let JobsDeps { deliver: DelivererDeps { store, clock, rng, .. }, .. } = &self.deps;
        if let Some(trouble) = self.deps.clock_watch.look().await? {
            return Ok(Run::Held(trouble));
        }
        let timeout_seconds = self
            .declared
            .iter()
            .find(|declared| declared.job == job)
            .map_or(60, |declared| declared.timeout_seconds);
        let token = new_uuid(clock.now(), &mut rng.fork());
        let mut tx = store.write().await?;
        let database_now = database_clock_ms(&mut tx).await?;
        let lease_until = database_now.plus_ms((i64::from(timeout_seconds) + 10) * SECOND_MS);
        let now = clock.now();
        let mine = jobs::take(&mut tx, job.name(), token, lease_until, database_now, now).await?;
        tx.commit().await?;
        if !mine {
            return Ok(Run::UnderWay);
        }
        let within = Duration::from_secs(u64::from(timeout_seconds));
        let work = tokio::time::timeout(within, self.work(job));
        let (end, outcome) = tokio::select! {
            biased;
            () = shutdown.cancelled() => (JobEnd::Stopped, "stopped with the daemon".to_owned()),
            done = work => match done {
                Ok(Ok(said)) => (JobEnd::Success, said),
                Ok(Err(fault)) => (JobEnd::Failure, fault.to_string()),
                Err(_) => (JobEnd::Failure, format!("stopped after {timeout_seconds} s")),
            },
        };
        let mut tx = store.write().await?;
        jobs::finish(&mut tx, job.name(), token, &end, &outcome, clock.now()).await?;
        tx.commit().await?;
        let word = match end {
            JobEnd::Success => "success",
            JobEnd::Failure => "failure",
            JobEnd::Stopped => "stopped",
        };
        metrics::counter!("carebell_job_runs_total", "job" => job.name(), "outcome" => word)
            .increment(1);
        Ok(match end {
            JobEnd::Success => Run::Done(outcome),
            JobEnd::Stopped => Run::Stopped,
            JobEnd::Failure => {
                tracing::error!(job = job.name(), outcome, "a job failed");
                Run::Failed(outcome)
            }
        })
    }

    async fn work(&self, job: Job) -> Result<String> {
        let JobsDeps { deliver, watch, retention, backup, .. } = &self.deps;
        let now = deliver.clock.now();
        match job {
            Job::Backup => backup::run(&deliver.store, backup, now).await,
            Job::DatabaseOptimize => deliver.store.optimize().await,
            Job::ReconcileSweep => {
                let mut swept = Swept::default();
                loop {
                    let begun = std::time::Instant::now();
                    let step = sweep_once(deliver).await?;
                    swept.add(step);
                    if step == Swept::default() {
                        let asked = ask_after_stuck(deliver).await?;
                        return Ok(serde_json::json!({
                            "receipts_matched": swept.receipts_matched,
                            "attempts_armed": swept.attempts_armed,
                            "alarms_put_back": swept.alarms_put_back,
                            "asked_after": asked.asked,
                            "heard": asked.heard,
                        })
                        .to_string());
                    }
                    tracing::warn!(?step, "evidence and alarms that lay about are put to use");
                    tokio::time::sleep(begun.elapsed()).await;
                }
            }
            Job::Retention => {
                let dropped = retention::run(&deliver.store, now, retention.days).await?;
                Ok(serde_json::json!(dropped).to_string())
            }
            Job::TemplatesSync => {
                let synced = templates::sync(deliver).await?;
                Ok(serde_json::json!(synced).to_string())
            }
            Job::WatchTick => {
                let seen = watch.tick().await?;
                Ok(serde_json::json!(seen).to_string())
            }
        }
    }

    /// What is known of the runs so far.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn history(&self) -> Result<Vec<JobRow>> {
        let mut tx = self.deps.deliver.store.read().await?;
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

    fn now(&self) -> UtcMs {
        self.deps.deliver.clock.now()
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
