//! The story: turns that no other row tells, and acts of people.

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::rows::{Id, Json, rows};
use super::{Result, Tx, id_list};
use crate::care::ids::new_uuid;
use crate::care::{Reason, UtcMs};
use rand::RngCore;
use serde::Serialize;
use uuid::Uuid;

/// A turn in the story of a reminder, message or attempt.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Of what.
    pub subject: Uuid,
    /// State after it.
    pub state: &'static str,
    /// Why.
    pub reason: Reason,
}

/// A turn as stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TurnRow {
    /// Of what.
    pub subject_id: Uuid,
    /// When, ms since 1970 UTC.
    pub at_ms: i64,
    /// State after it.
    pub state: String,
    /// Why, as JSON.
    pub reason: String,
}

statements! {
    TELL = insert_rows!("-- story::tell" "transitions" (id id, subject_id id, at_ms int, state text, reason text) "");
    OF = sql!(("-- story::of\nSELECT subject_id, at_ms, state, reason FROM transitions WHERE subject_id IN "), (ids "$1"),
        (" ORDER BY at_ms, id"));
    AUDIT = Sql::both("-- story::audit\nINSERT INTO audit (id, at_ms, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)");
}

#[derive(Serialize)]
struct TellRow<'a> {
    id: Id,
    subject_id: Id,
    at_ms: i64,
    state: &'static str,
    reason: Json<'a, Reason>,
}

/// Adds turns.
pub async fn tell(
    tx: &mut Tx,
    rng: &mut (dyn RngCore + Send),
    turns: &[Turn],
    now: UtcMs,
) -> Result<()> {
    if turns.is_empty() {
        return Ok(());
    }
    let rows = rows(turns.iter().map(|t| TellRow {
        id: Id(new_uuid(now, rng)),
        subject_id: Id(t.subject),
        at_ms: now.0,
        state: t.state,
        reason: Json(&t.reason),
    }))?;
    on!(tx, TELL, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// The turns of these subjects, in order of time.
pub async fn of(tx: &mut Tx, subjects: &[Uuid]) -> Result<Vec<TurnRow>> {
    let list = id_list(subjects.iter().copied());
    Ok(on!(tx, OF, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?))
}

/// An act of a person or operator.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    /// Who.
    pub actor: &'a str,
    /// What.
    pub action: &'a str,
    /// On what: an id.
    pub subject: &'a str,
    /// Facts of the act, without health data.
    pub detail: &'a str,
}

/// Records an act, in the transaction of the act itself.
pub async fn audit(
    tx: &mut Tx,
    rng: &mut (dyn RngCore + Send),
    act: &Act<'_>,
    now: UtcMs,
) -> Result<()> {
    let id = new_uuid(now, rng);
    on!(tx, AUDIT, |c, sql| {
        sqlx::query(sql)
            .bind(id)
            .bind(now.0)
            .bind(act.actor)
            .bind(act.action)
            .bind(act.subject)
            .bind(act.detail)
            .execute(c)
            .await?;
    });
    Ok(())
}
