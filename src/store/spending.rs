//! What programmes with a budget spent, by month.

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::rows::{Id, rows};
use super::{Result, Tx};
use crate::care::{Micros, Spent, UtcMs};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A month of a programme: its name, and the month's first instant.
pub type Month = (String, UtcMs);

/// What is added to a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Change {
    /// Messages; below zero where they were surely not sent.
    pub messages: i64,
    /// Their cost in millionths of the currency.
    pub cost_micros: i64,
}

statements! {
    ADD = insert_rows!("-- spending::add" "spending" (programme text, month_ms int, home_id id, messages int, cost_micros int)
        "ON CONFLICT (programme, month_ms, home_id) DO UPDATE SET messages = spending.messages + excluded.messages, \
        cost_micros = spending.cost_micros + excluded.cost_micros");
    // A sum of whole numbers is a numeric on PostgreSQL.
    OF = sql!(("-- spending::of\nSELECT programme, month_ms, CAST(sum(messages) AS BIGINT) AS messages, CAST(sum(cost_micros) AS BIGINT) AS cost_micros \
        FROM spending WHERE programme IN "), (texts "$1"), (" AND month_ms >= $2 GROUP BY programme, month_ms"));
    GO_LIVE = Sql::both("-- spending::go_live\nDELETE FROM spending");
}

#[derive(Serialize)]
struct AddRow<'a> {
    programme: &'a str,
    month_ms: i64,
    home_id: Id,
    messages: i64,
    cost_micros: i64,
}

/// Adds what a home spent.
pub async fn add(tx: &mut Tx, home: Uuid, changes: &BTreeMap<Month, Change>) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let rows = rows(changes.iter().map(|((programme, month), change)| AddRow {
        programme,
        month_ms: month.0,
        home_id: Id(home),
        messages: change.messages,
        cost_micros: change.cost_micros,
    }))?;
    on!(tx, ADD, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// What was spent in these months, by everybody.
pub async fn of(tx: &mut Tx, months: &[Month]) -> Result<BTreeMap<Month, Spent>> {
    let Some(earliest) = months.iter().map(|(_, month)| *month).min() else {
        return Ok(BTreeMap::new());
    };
    let programmes: Vec<&str> = months.iter().map(|(programme, _)| programme.as_str()).collect();
    let programmes = json!(programmes).to_string();
    let found: Vec<(String, i64, i64, i64)> = on!(tx, OF, |c, sql| {
        sqlx::query_as(sql).bind(programmes).bind(earliest.0).fetch_all(c).await?
    });
    let spent = |messages: i64, cost: i64| Spent {
        messages: u64::try_from(messages).unwrap_or(0),
        cost: Micros(u64::try_from(cost).unwrap_or(0)),
    };
    let found = found.into_iter();
    let found = found.map(|(name, month, n, cost)| ((name, UtcMs(month)), spent(n, cost)));
    Ok(found.filter(|(month, _)| months.contains(month)).collect())
}

/// Forgets what the sandbox's messages would have cost.
pub async fn go_live(tx: &mut Tx) -> Result<()> {
    on!(tx, GO_LIVE, |c, sql| {
        sqlx::query(sql).execute(c).await?;
    });
    Ok(())
}
