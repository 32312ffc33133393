//! What is held back: the emergency stop, a restored database, paused channels. Few rows, read at every step.

use super::dialect::{Sql, on, statements};
use super::{Result, StoreError, Tx};
use crate::care::UtcMs;
use crate::care::hold::{Hold, Scope};
use crate::care::ids::InstanceId;

#[derive(sqlx::FromRow)]
struct Raw {
    scope: String,
    until_ms: Option<i64>,
    actor: String,
    because: String,
    at_ms: i64,
}

impl TryFrom<Raw> for Hold {
    type Error = StoreError;
    fn try_from(raw: Raw) -> Result<Self> {
        let scope = Scope::parse(&raw.scope).ok_or(StoreError::Inconsistent {
            table: "holds",
            column: "scope",
            what: "an unknown word",
        })?;
        let Raw { until_ms, actor, because, at_ms, .. } = raw;
        Ok(Self { scope, until: until_ms.map(UtcMs), actor, because, at: UtcMs(at_ms) })
    }
}

statements! {
    ALL = Sql::both("-- holds::all\nSELECT scope, until_ms, actor, because, at_ms FROM holds ORDER BY scope");
    HOLDING = Sql::both("-- holds::holding\nSELECT scope, until_ms, actor, because, at_ms FROM holds \
        UNION ALL SELECT 'rest.' || channel AS scope, until_ms, 'the breaker' AS actor, because, since_ms AS at_ms \
        FROM channel_rests WHERE instance_id = $1");
    SET = Sql::both("-- holds::set\nINSERT INTO holds (scope, until_ms, actor, because, at_ms) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (scope) DO UPDATE SET until_ms = excluded.until_ms, actor = excluded.actor, because = excluded.because, at_ms = excluded.at_ms");
    SET_ONCE = Sql::both("-- holds::set_once\nINSERT INTO holds (scope, until_ms, actor, because, at_ms) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (scope) DO NOTHING");
    LIFT = Sql::both("-- holds::lift\nDELETE FROM holds WHERE scope = $1");
    REST = Sql::both("-- holds::rest\nINSERT INTO channel_rests (instance_id, channel, until_ms, since_ms, because) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (instance_id, channel) DO UPDATE SET until_ms = excluded.until_ms, since_ms = excluded.since_ms, because = excluded.because");
    RESTS = Sql::both("-- holds::rests\nSELECT channel, max(until_ms) AS until_ms FROM channel_rests WHERE until_ms > $1 GROUP BY channel ORDER BY channel");
}

/// Every hold, those whose end has passed included.
pub async fn all(tx: &mut Tx) -> Result<Vec<Hold>> {
    let rows: Vec<Raw> = on!(tx, ALL, |c, sql| sqlx::query_as(sql).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

/// What holds the sends of an instance back: every hold, and the rests of its own senders.
pub async fn holding(tx: &mut Tx, instance: InstanceId) -> Result<Vec<Hold>> {
    let rows: Vec<Raw> =
        on!(tx, HOLDING, |c, sql| sqlx::query_as(sql).bind(instance.0).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Sets a hold in place of an earlier one of its scope.
pub async fn set(tx: &mut Tx, hold: &Hold) -> Result<()> {
    write(tx, SET, hold).await.map(|_| ())
}

/// Sets a hold unless its scope is held already; whether it did.
pub async fn set_once(tx: &mut Tx, hold: &Hold) -> Result<bool> {
    Ok(write(tx, SET_ONCE, hold).await? == 1)
}

async fn write(tx: &mut Tx, statement: Sql, hold: &Hold) -> Result<u64> {
    Ok(on!(tx, statement, |c, sql| {
        sqlx::query(sql)
            .bind(hold.scope.word())
            .bind(hold.until.map(|at| at.0))
            .bind(&hold.actor)
            .bind(&hold.because)
            .bind(hold.at.0)
            .execute(c)
            .await?
            .rows_affected()
    }))
}

/// Lifts a hold; whether there was one.
pub async fn lift(tx: &mut Tx, scope: &Scope) -> Result<bool> {
    let rows = on!(tx, LIFT, |c, sql| {
        sqlx::query(sql).bind(scope.word()).execute(c).await?.rows_affected()
    });
    Ok(rows == 1)
}

/// A sender that an instance rests.
#[derive(Clone, Debug)]
pub struct Rest {
    /// Configured channel.
    pub channel: String,
    /// Until when.
    pub until: UtcMs,
    /// Since when.
    pub since: UtcMs,
    /// What the provider's trouble was.
    pub because: String,
}

/// Tells that an instance rests a sender.
pub async fn rest(tx: &mut Tx, instance: InstanceId, rest: &Rest) -> Result<()> {
    on!(tx, REST, |c, sql| {
        sqlx::query(sql)
            .bind(instance.0)
            .bind(&rest.channel)
            .bind(rest.until.0)
            .bind(rest.since.0)
            .bind(&rest.because)
            .execute(c)
            .await?;
    });
    Ok(())
}

/// Senders that rest on some instance after `now`, each with its latest end.
pub async fn rests(tx: &mut Tx, now: UtcMs) -> Result<Vec<(String, UtcMs)>> {
    let rows: Vec<(String, i64)> =
        on!(tx, RESTS, |c, sql| sqlx::query_as(sql).bind(now.0).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(channel, until)| (channel, UtcMs(until))).collect())
}
