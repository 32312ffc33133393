//! The open door: rows of the table `intake`, imported while the daemon runs (design.md section 7).

use crate::care::UtcMs;
use crate::import::importer::{Importer, Mode, Options, Piece, Run};
use crate::import::quarantine::row_report;
use crate::import::report::{Outcome, Remark, ResourceRef, ResourceReport, Why};
use crate::import::source::{Body, Document};
use crate::import::unpack::{FirstTime, Opened};
use crate::store::intake::{self, IntakeRow, IntakeState, Quarantine};
use crate::store::{Result, StoreError, Tx, sources};
use futures::FutureExt;
use serde_json::{Map, Value};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows of one transaction.
const ROWS: i64 = 32;
/// A row that broke its step so often is rejected (design.md P9).
const TRIES: i64 = 3;

/// Imports what other programs insert.
#[derive(Clone)]
pub struct Intake {
    importer: Importer,
    /// Whether somebody may have come that a row waits for.
    look_again: Arc<AtomicBool>,
}

impl Intake {
    /// An intake that imports with `importer`.
    pub fn new(importer: Importer) -> Self {
        Self { importer, look_again: Arc::new(AtomicBool::new(true)) }
    }

    /// Imports rows that are new, and what waited for the patients in them; returns how many rows it took.
    ///
    /// # Errors
    /// When the database fails; what was not committed is taken again.
    pub async fn tick(&self) -> Result<usize> {
        // Most ticks find nothing: the write lock is taken only when a row is there.
        let mut tx = self.importer.store.read().await?;
        let keys = self.importer.store.keys();
        let first = intake::open(&mut tx, keys, IntakeState::New, 0, 1).await?;
        // Ended here and now: PostgreSQL has locked the row for it.
        tx.commit().await?;
        if first.is_empty() {
            if self.look_again.swap(false, Ordering::SeqCst) {
                match self.importer.try_waiting(&mut Run::new(), &mut |_| {}).await {
                    Err(fault @ StoreError::Driver(_)) => return Err(fault),
                    Err(fault) => tracing::error!(%fault, "what waits cannot be tried again"),
                    Ok(()) => {}
                }
            }
            return Ok(0);
        }
        let taken = match AssertUnwindSafe(self.take(0, ROWS)).catch_unwind().await {
            Ok(Err(fault @ StoreError::Driver(_))) => return Err(fault),
            Ok(Ok(rows)) => rows,
            Ok(Err(_)) | Err(_) => self.one_by_one().await?,
        };
        self.look_again.store(true, Ordering::SeqCst);
        metrics::counter!("carebell_intake_rows_total").increment(taken as u64);
        Ok(taken)
    }

    async fn take(&self, after: i64, limit: i64) -> Result<usize> {
        let mut tx = self.importer.store.write().await?;
        let keys = self.importer.store.keys();
        let rows = intake::open(&mut tx, keys, IntakeState::New, after, limit).await?;
        let now = self.importer.clock.now();
        let mut run = Run::new();
        for row in &rows {
            self.take_row(&mut tx, &mut run, row, now).await?;
        }
        tx.commit().await?;
        Ok(rows.len())
    }

    async fn take_row(
        &self,
        tx: &mut Tx,
        run: &mut Run,
        row: &IntakeRow,
        now: UtcMs,
    ) -> Result<()> {
        let Some(programme) = self.importer.programmes.get(&row.programme) else {
            return self.reject(tx, row, "programme", Why::UnknownProgramme, now).await;
        };
        let raw = String::from_utf8_lossy(&row.payload).into_owned();
        let body = match row.kind.as_str() {
            "fhir" => Body::Fhir(raw.clone()),
            "csv" => match table(&raw) {
                Some(table) => Body::Csv(table),
                None => return self.reject(tx, row, "payload", Why::NotColumns, now).await,
            },
            _ => return self.reject(tx, row, "kind", Why::UnknownKind, now).await,
        };
        let document = Document { source: format!("intake:{}", row.id), body: Ok(body) };
        let options = Options {
            programme,
            source_system: source_system(&row.source, &programme.name),
            assertion: None,
            mode: Mode::Write,
        };
        let mut pieces: Vec<Piece> = Vec::new();
        self.importer.read(&document, &options, &mut pieces);
        let opened = Opened {
            row: row.id,
            pieces,
            done: Vec::new(),
            raw: Some(raw),
            first_time: FirstTime::Yes,
        };
        self.importer.take_rows(tx, run, vec![opened], programme, now).await?;
        Ok(())
    }

    async fn reject(
        &self,
        tx: &mut Tx,
        row: &IntakeRow,
        path: &str,
        why: Why,
        now: UtcMs,
    ) -> Result<()> {
        let report = ResourceReport {
            resource: ResourceRef {
                source: format!("intake:{}", row.id),
                kind: "row".to_owned(),
                id: None,
            },
            outcome: Outcome::Rejected,
            reasons: vec![Remark::at(path, why)],
        };
        let (keys, mut rng) = (self.importer.store.keys(), self.importer.rng.fork());
        let text = row_report(&[report]);
        let state = Quarantine::Rejected;
        intake::park(tx, keys, &mut rng, row.id, state, &row.payload, &text, now).await
    }

    /// A set broke: its rows are stepped alone, so that one bad row hurts no other.
    async fn one_by_one(&self) -> Result<usize> {
        let mut tx = self.importer.store.read().await?;
        let keys = self.importer.store.keys();
        let rows = intake::open(&mut tx, keys, IntakeState::New, 0, ROWS).await?;
        tx.commit().await?;
        for row in &rows {
            match AssertUnwindSafe(self.take(row.id - 1, 1)).catch_unwind().await {
                Ok(Ok(_)) => {}
                Ok(Err(fault @ StoreError::Driver(_))) => return Err(fault),
                Ok(Err(_)) | Err(_) => self.broke(row).await?,
            }
        }
        Ok(rows.len())
    }

    async fn broke(&self, row: &IntakeRow) -> Result<()> {
        let mut tx = self.importer.store.write().await?;
        let tries = sources::tried(&mut tx, row.id).await?;
        tracing::error!(row = row.id, tries, "an intake row could not be imported");
        metrics::counter!("carebell_steps_broken_total", "step" => "intake").increment(1);
        if tries >= TRIES {
            let now = self.importer.clock.now();
            self.reject(&mut tx, row, ".", Why::Broke, now).await?;
        }
        tx.commit().await
    }
}

/// Ids of a row are relative to whoever inserted it; of one who says nothing, to the programme's own feed.
fn source_system(source: &str, programme: &str) -> String {
    let named = source.trim();
    if named.is_empty() { programme.to_owned() } else { named.to_owned() }
}

/// A JSON object of columns as a table of one row.
fn table(json: &str) -> Option<String> {
    let columns: Map<String, Value> = serde_json::from_str(json).ok()?;
    let cell = |value: &Value| match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    };
    let cells: Vec<String> = columns.values().map(cell).collect::<Option<_>>()?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.keys()).ok()?;
    writer.write_record(&cells).ok()?;
    String::from_utf8(writer.into_inner().ok()?).ok()
}
