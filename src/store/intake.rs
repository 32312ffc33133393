//! The open door: rows that other programs insert, and what waits in quarantine.

use super::dialect::{Sql, on, sql, statements};
use super::{Result, Tx};
use crate::care::UtcMs;
use crate::security::{Keyring, Place};
use rand::RngCore;
use sqlx::FromRow;

/// A row to import.
#[derive(Clone, Debug)]
pub struct IntakeRow {
    /// Row number.
    pub id: i64,
    /// Who inserted it.
    pub source: String,
    /// `fhir` or `csv`.
    pub kind: String,
    /// Programme of new patients.
    pub programme: String,
    /// The resource, in clear.
    pub payload: Vec<u8>,
}

#[derive(FromRow)]
struct Raw {
    id: i64,
    source: String,
    kind: String,
    programme: String,
    payload: String,
    sealed: Option<Vec<u8>>,
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntakeState {
    /// Not read yet.
    New,
    /// Waits for its subject.
    Waiting,
}

impl IntakeState {
    const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Waiting => "waiting",
        }
    }
}

statements! {
    OPEN = sql!(("-- intake::open\nSELECT id, source, kind, programme, payload, sealed FROM intake WHERE state = $1 AND id > $2 \
        ORDER BY id LIMIT $3"), (skip));
    CLOSE = Sql::both("-- intake::close\nUPDATE intake SET state = $2, report = $3, payload = '', sealed = NULL, \
        received_at_ms = CASE WHEN received_at_ms = 0 THEN $4 ELSE received_at_ms END WHERE id = $1");
    PARK = Sql::both("-- intake::park\nUPDATE intake SET state = $2, report = $3, payload = '', sealed = $4, \
        received_at_ms = CASE WHEN received_at_ms = 0 THEN $5 ELSE received_at_ms END WHERE id = $1");
    ADD = Sql::both("-- intake::add\nINSERT INTO intake (source, kind, programme, payload, state, report, received_at_ms) \
        VALUES ($1, $2, $3, '', 'new', '', $4) RETURNING id");
    COUNT = Sql::both("-- intake::count\nSELECT state, count(*) AS rows_there FROM intake GROUP BY state ORDER BY state");
}

/// Rows in a state after a row number, opened; locked on PostgreSQL.
pub async fn open(
    tx: &mut Tx,
    keys: &Keyring,
    state: IntakeState,
    after: i64,
    limit: i64,
) -> Result<Vec<IntakeRow>> {
    let rows: Vec<Raw> = on!(tx, OPEN, |c, sql| {
        sqlx::query_as(sql).bind(state.word()).bind(after).bind(limit).fetch_all(c).await?
    });
    rows.into_iter()
        .map(|raw| {
            let payload = match &raw.sealed {
                Some(sealed) => keys.inbox().open(place(&raw.id.to_be_bytes()), sealed)?,
                None => raw.payload.into_bytes(),
            };
            Ok(IntakeRow {
                id: raw.id,
                source: raw.source,
                kind: raw.kind,
                programme: raw.programme,
                payload,
            })
        })
        .collect()
}

/// How an intake row ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntakeEnd {
    /// Imported, unchanged, ignored or in review: the report says which.
    Done,
    /// Not importable.
    Rejected,
}

/// Empties a row's payload and leaves its report.
pub async fn close(tx: &mut Tx, id: i64, end: IntakeEnd, report: &str, now: UtcMs) -> Result<()> {
    let state = match end {
        IntakeEnd::Done => "done",
        IntakeEnd::Rejected => "rejected",
    };
    on!(tx, CLOSE, |c, sql| {
        sqlx::query(sql).bind(id).bind(state).bind(report).bind(now.0).execute(c).await?;
    });
    Ok(())
}

/// What is kept of a resource that cannot be imported yet, or at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quarantine {
    /// Its subject is not known yet: tried again when more is known.
    Waiting,
    /// Rejected: kept, so that nothing is lost.
    Rejected,
}

/// Seals a row's payload and leaves it in quarantine.
#[expect(clippy::too_many_arguments, reason = "one row's columns")]
pub async fn park(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    id: i64,
    quarantine: Quarantine,
    payload: &[u8],
    report: &str,
    now: UtcMs,
) -> Result<()> {
    let state = match quarantine {
        Quarantine::Waiting => "waiting",
        Quarantine::Rejected => "rejected",
    };
    let sealed = keys.inbox().seal(place(&id.to_be_bytes()), payload, rng);
    on!(tx, PARK, |c, sql| {
        sqlx::query(sql)
            .bind(id)
            .bind(state)
            .bind(report)
            .bind(sealed)
            .bind(now.0)
            .execute(c)
            .await?;
    });
    Ok(())
}

/// Adds an empty row, to be parked in the same transaction; returns its number.
pub async fn add(
    tx: &mut Tx,
    source: &str,
    kind: &str,
    programme: &str,
    now: UtcMs,
) -> Result<i64> {
    Ok(on!(tx, ADD, |c, sql| {
        sqlx::query_scalar(sql)
            .bind(source)
            .bind(kind)
            .bind(programme)
            .bind(now.0)
            .fetch_one(c)
            .await?
    }))
}

/// How many rows there are in each state.
pub async fn count(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, COUNT, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

const fn place(row: &[u8; 8]) -> Place<'_> {
    Place { table: "intake", column: "sealed", row }
}
