//! Tasks of the care team; one open task per kind and subject.

use super::dialect::{Sql, on, sql, statements};
use super::{Result, Tx};
use crate::care::ids::{PatientId, TaskId};
use crate::care::{Reason, UtcMs};
use serde_json::json;
use uuid::Uuid;

/// What a task asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Nobody knows whether a dose was announced: ask the patient.
    UnknownDose,
    /// A step broke three times: look at it.
    Parked,
    /// A patient wrote something: read it.
    Reply,
    /// An address may be another person's now: ask whose it is.
    Address,
    /// A channel refuses us: an operator must act.
    Channel,
    /// A language has no text for a message.
    NoText,
    /// Reminders are missing: find out whose, and why.
    Watch,
    /// A machine's clock may not be believed: set it right.
    Clock,
    /// Nothing could leave for a while: see what was lost.
    Outage,
    /// A programme's budget of the month runs out, or is spent: raise it, or let what is not essential wait.
    Budget,
}

impl TaskKind {
    /// The word stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::UnknownDose => "unknown-dose",
            Self::Parked => "parked",
            Self::Reply => "reply",
            Self::Address => "address",
            Self::Channel => "channel",
            Self::NoText => "no-text",
            Self::Watch => "watch",
            Self::Clock => "clock",
            Self::Outage => "outage",
            Self::Budget => "budget",
        }
    }
}

/// A task to open.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Id.
    pub id: TaskId,
    /// Whom it concerns; an operator's has none.
    pub patient: Option<PatientId>,
    /// What it asks for.
    pub kind: TaskKind,
    /// Id of what it is about.
    pub subject: String,
    /// Why.
    pub reason: Reason,
    /// When it should be done.
    pub due_at: UtcMs,
}

/// A task as listed.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TaskRow {
    /// Id.
    pub id: Uuid,
    /// Whom it concerns.
    pub patient_id: Option<Uuid>,
    /// What it asks for.
    pub kind: String,
    /// Id of what it is about.
    pub subject: String,
    /// Why, as JSON.
    pub reason: String,
    /// `open` or `done`.
    pub state: String,
    /// When it was opened, ms since 1970 UTC.
    pub opened_at_ms: i64,
}

statements! {
    OPEN = Sql::both("-- tasks::open\nINSERT INTO tasks (id, patient_id, kind, subject, reason, state, opened_at_ms, due_at_ms) \
        VALUES ($1, $2, $3, $4, $5, 'open', $6, $7) ON CONFLICT (kind, subject) DO UPDATE SET state = 'open', reason = excluded.reason");
    CLOSE = Sql::both("-- tasks::close\nUPDATE tasks SET state = 'done' WHERE kind = $1 AND subject = $2");
    LIST = Sql::both("-- tasks::list\nSELECT id, patient_id, kind, subject, reason, state, opened_at_ms FROM tasks WHERE state = 'open' ORDER BY opened_at_ms, id");
    ABOUT = sql!(("-- tasks::about\nSELECT id, patient_id, kind, subject, reason, state, opened_at_ms FROM tasks WHERE subject IN "), (texts "$1"),
        (" ORDER BY opened_at_ms, id"));
    GO_LIVE = Sql::both("-- tasks::go_live\nUPDATE tasks SET state = 'done' WHERE state = 'open' AND kind IN ('unknown-dose', 'reply', 'channel')");
    OPEN_SUBJECTS = Sql::both("-- tasks::open_subjects\nSELECT subject FROM tasks WHERE state = 'open' AND kind = $1");
    COUNT = Sql::both("-- tasks::count\nSELECT kind, count(*) AS tasks FROM tasks WHERE state = 'open' GROUP BY kind ORDER BY kind");
}

/// Opens a task, or opens it again.
pub async fn open(tx: &mut Tx, task: &NewTask, now: UtcMs) -> Result<()> {
    let reason = json!(task.reason).to_string();
    on!(tx, OPEN, |c, sql| {
        sqlx::query(sql)
            .bind(task.id.0)
            .bind(task.patient.map(|p| p.0))
            .bind(task.kind.word())
            .bind(&task.subject)
            .bind(reason)
            .bind(now.0)
            .bind(task.due_at.0)
            .execute(c)
            .await?;
    });
    Ok(())
}

/// Closes a task whose cause is gone.
pub async fn close(tx: &mut Tx, kind: TaskKind, subject: &str) -> Result<()> {
    on!(tx, CLOSE, |c, sql| {
        sqlx::query(sql).bind(kind.word()).bind(subject).execute(c).await?;
    });
    Ok(())
}

/// Open tasks, oldest first.
pub async fn list(tx: &mut Tx) -> Result<Vec<TaskRow>> {
    Ok(on!(tx, LIST, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// What open tasks of a kind are about.
pub async fn open_subjects(tx: &mut Tx, kind: TaskKind) -> Result<Vec<String>> {
    Ok(on!(tx, OPEN_SUBJECTS, |c, sql| {
        sqlx::query_scalar(sql).bind(kind.word()).fetch_all(c).await?
    }))
}

/// How many open tasks there are of each kind.
pub async fn count(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, COUNT, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// Tasks about these subjects, done ones included, oldest first.
pub async fn about(tx: &mut Tx, subjects: &[String]) -> Result<Vec<TaskRow>> {
    let list = json!(subjects).to_string();
    Ok(on!(tx, ABOUT, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?))
}

/// Going live: closes what the sandbox's sends and replies had opened.
pub async fn go_live(tx: &mut Tx) -> Result<u64> {
    Ok(on!(tx, GO_LIVE, |c, sql| sqlx::query(sql).execute(c).await?.rows_affected()))
}
