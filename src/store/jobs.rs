//! Runs of housekeeping jobs: a row lease, so that no run overlaps another on any machine.

use super::dialect::{Sql, on, statements};
use super::{Result, Tx};
use crate::care::UtcMs;
use uuid::Uuid;

/// What is known of a job's runs.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow, serde::Serialize)]
pub struct JobRow {
    /// Job.
    pub name: String,
    /// Last start, ms since 1970 UTC.
    pub started_at_ms: Option<i64>,
    /// Last success, ms since 1970 UTC.
    pub succeeded_at_ms: Option<i64>,
    /// What the last run said.
    pub outcome: String,
    /// Runs so far.
    pub runs: i64,
    /// Failed runs so far.
    pub failures: i64,
}

statements! {
    ENTER = Sql::both("-- jobs::enter\nINSERT INTO job_runs (name, lease_until_ms, outcome, runs, failures) VALUES ($1, 0, '', 0, 0) \
        ON CONFLICT (name) DO NOTHING");
    TAKE = Sql::both("-- jobs::take\nUPDATE job_runs SET token = $2, lease_until_ms = $3, started_at_ms = $4 \
        WHERE name = $1 AND (token IS NULL OR lease_until_ms <= $5)");
    FINISH = Sql::both("-- jobs::finish\nUPDATE job_runs SET token = NULL, lease_until_ms = 0, outcome = $3, runs = runs + 1, \
        failures = failures + $4, succeeded_at_ms = coalesce($5, succeeded_at_ms) WHERE name = $1 AND token = $2");
    ALL = Sql::both("-- jobs::all\nSELECT name, started_at_ms, succeeded_at_ms, outcome, runs, failures FROM job_runs ORDER BY name");
}

/// Takes the lease of a job until `lease_until` (database clock); false when a run is under way.
pub async fn take(
    tx: &mut Tx,
    name: &str,
    token: Uuid,
    lease_until: UtcMs,
    database_now: UtcMs,
    now: UtcMs,
) -> Result<bool> {
    on!(tx, ENTER, |c, sql| {
        sqlx::query(sql).bind(name).execute(c).await?;
    });
    let rows = on!(tx, TAKE, |c, sql| {
        sqlx::query(sql)
            .bind(name)
            .bind(token)
            .bind(lease_until.0)
            .bind(now.0)
            .bind(database_now.0)
            .execute(c)
            .await?
            .rows_affected()
    });
    Ok(rows == 1)
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// It worked.
    Success,
    /// It did not.
    Failure,
    /// The daemon stopped under it; it goes on where it was.
    Stopped,
}

/// Gives the lease back and records the run; a run that lost its lease records nothing.
pub async fn finish(
    tx: &mut Tx,
    name: &str,
    token: Uuid,
    end: &JobEnd,
    outcome: &str,
    now: UtcMs,
) -> Result<()> {
    let (failed, succeeded_at) = match end {
        JobEnd::Success => (0_i64, Some(now.0)),
        JobEnd::Failure => (1, None),
        JobEnd::Stopped => (0, None),
    };
    on!(tx, FINISH, |c, sql| {
        sqlx::query(sql)
            .bind(name)
            .bind(token)
            .bind(outcome)
            .bind(failed)
            .bind(succeeded_at)
            .execute(c)
            .await?;
    });
    Ok(())
}

/// Every job that ever ran.
pub async fn all(tx: &mut Tx) -> Result<Vec<JobRow>> {
    Ok(on!(tx, ALL, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}
