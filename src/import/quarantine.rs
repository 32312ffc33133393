//! What cannot be imported yet, or at all, and is kept so that nothing is lost: sealed, and each once.
//!
//! What waits is kept as the validated change it was read to, since its document is gone when it is tried again;
//! what was rejected is kept as it came.

use crate::care::UtcMs;
use crate::import::change::{Change, Item, Reading, Revision};
use crate::import::importer::Piece;
use crate::import::report::{
    Counts, Outcome, Remark, ReportLine, ResourceRef, ResourceReport, Why,
};
use crate::import::source::{Body, Document};
use crate::security::Keyring;
use crate::store::intake::{self, IntakeRow, Quarantine};
use crate::store::{Result, Tx, sources};
use rand::RngCore;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A rejected resource as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    /// `fhir` or `csv`.
    pub(super) kind: &'static str,
    pub(super) payload: String,
}

/// What a row of the quarantine holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Parcel {
    pub(super) items: Vec<Parked>,
    /// Resources of the same row that have their outcome.
    pub(super) done: Vec<ResourceReport>,
    /// The row as it came, when something in it was rejected.
    pub(super) raw: Option<String>,
}

/// A resource that waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Parked {
    resource: ResourceRef,
    revision: Revision,
    remarks: Vec<Remark>,
    changes: Vec<Change>,
    read_at: UtcMs,
}

impl Parked {
    pub(super) fn of(piece: &Piece) -> Self {
        Self {
            resource: piece.item.resource.clone(),
            revision: piece.item.revision.clone(),
            remarks: piece.item.remarks.clone(),
            changes: piece.item.changes().to_vec(),
            read_at: piece.read_at,
        }
    }

    pub(super) fn into_piece(self) -> Piece {
        let item = Item {
            resource: self.resource,
            revision: self.revision,
            remarks: self.remarks,
            reading: Reading::Parsed(self.changes),
        };
        Piece { item, read_at: self.read_at, sealed: None }
    }

    fn report(self) -> ResourceReport {
        let mut reasons = vec![Remark::at("subject", Why::WaitsForPatient)];
        reasons.extend(self.remarks);
        ResourceReport { resource: self.resource, outcome: Outcome::Review, reasons }
    }
}

impl Parcel {
    pub(super) fn of(piece: &Piece) -> Self {
        Self { items: vec![Parked::of(piece)], done: Vec::new(), raw: None }
    }

    /// Reads a row that waits; `None` when another version of the program wrote it.
    pub(super) fn open(row: &IntakeRow) -> Option<Self> {
        let parcel = serde_json::from_slice(&row.payload).ok();
        if parcel.is_none() {
            tracing::error!(row = row.id, "a waiting intake row cannot be read by this version");
        }
        parcel
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.items.iter().flat_map(|item| &item.changes)
    }

    /// The reports, with what waits as it is.
    pub(super) fn reports(self) -> Vec<ResourceReport> {
        self.done.into_iter().chain(self.items.into_iter().map(Parked::report)).collect()
    }

    /// What it is known again by: the same resource of the same place waits once, two resources in two rows.
    fn content(&self) -> String {
        let sources = self.items.iter().map(|item| item.resource.source.clone());
        sources.chain(self.changes().map(Change::fingerprint)).collect::<Vec<_>>().join(" ")
    }
}

/// The report of a row, as whoever inserted it reads it. Ids of the source are left out: a patient's is health
/// data, and the row is not sealed.
pub(super) fn row_report(reports: &[ResourceReport]) -> String {
    let mut counts = Counts::default();
    let lines: Vec<ReportLine> = reports
        .iter()
        .map(|report| {
            counts.add(report);
            let mut line = ReportLine::from(report);
            line.resource.id = None;
            line
        })
        .collect();
    json!({"resources": lines, "counts": counts.by_outcome()}).to_string()
}

/// The resource that `source` names within a document, as it came.
pub(super) fn raw(document: &Document, source: &str) -> Option<Sealed> {
    let within = source.strip_prefix(&document.source)?;
    match document.body.as_ref().ok()? {
        Body::Fhir(json) => {
            let mut payload = json.as_str();
            for step in within.split("/entry/").skip(1) {
                payload = entry(payload, step)?;
            }
            Some(Sealed { kind: "fhir", payload: payload.to_owned() })
        }
        Body::Csv(table) => {
            let Some(line) = within.strip_prefix(':') else {
                return Some(Sealed { kind: "csv", payload: table.clone() });
            };
            Some(Sealed { kind: "csv", payload: columns(table, line.parse().ok()?)? })
        }
    }
}

/// The resource of an entry, or the whole entry when it has none that can be told apart.
fn entry<'a>(bundle: &'a str, step: &str) -> Option<&'a str> {
    #[derive(Deserialize)]
    struct Bundle<'a> {
        #[serde(borrow)]
        entry: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow)]
        resource: Option<&'a RawValue>,
    }
    let index: usize = step.trim_end_matches("/resource").parse().ok()?;
    let bundle: Bundle<'a> = serde_json::from_str(bundle).ok()?;
    let entry = bundle.entry.get(index)?.get();
    let inner = serde_json::from_str::<Entry<'a>>(entry).ok().and_then(|entry| entry.resource);
    Some(inner.map_or(entry, RawValue::get))
}

/// A row of a table as a JSON object of its columns.
fn columns(table: &str, line: u64) -> Option<String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(table.as_bytes());
    let header = reader.headers().ok()?.clone();
    let at = |record: &csv::StringRecord| record.position().map(csv::Position::line) == Some(line);
    let record = reader.records().filter_map(std::result::Result::ok).find(at)?;
    let cells: Map<String, Value> =
        header.iter().zip(&record).map(|(name, cell)| (name.to_owned(), json!(cell))).collect();
    Some(Value::Object(cells).to_string())
}

/// Keeps rejected resources.
pub(super) async fn keep_rejected(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    rejected: &[(&Sealed, ResourceReport)],
    programme: &str,
    now: UtcMs,
) -> Result<()> {
    let hashes: Vec<Vec<u8>> = rejected
        .iter()
        .map(|(sealed, _)| keys.look_up("rejected", &format!("{} {}", sealed.kind, sealed.payload)))
        .collect();
    let mut known: BTreeMap<Vec<u8>, i64> =
        sources::quarantined(tx, &hashes).await?.into_iter().collect();
    for ((sealed, report), hash) in rejected.iter().zip(hashes) {
        if known.contains_key(&hash) {
            continue;
        }
        let row = intake::add(tx, &report.resource.source, sealed.kind, programme, now).await?;
        let text = row_report(std::slice::from_ref(report));
        let payload = sealed.payload.as_bytes();
        intake::park(tx, keys, rng, row, Quarantine::Rejected, payload, &text, now).await?;
        sources::quarantine(tx, row, &hash).await?;
        known.insert(hash, row);
    }
    Ok(())
}

/// Keeps what waits; returns its rows, those that were there before included.
pub(super) async fn keep_waiting(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    parcels: &[Parcel],
    programme: &str,
    now: UtcMs,
) -> Result<Vec<i64>> {
    let hashes: Vec<Vec<u8>> =
        parcels.iter().map(|parcel| keys.look_up("waiting", &parcel.content())).collect();
    let mut known: BTreeMap<Vec<u8>, i64> =
        sources::quarantined(tx, &hashes).await?.into_iter().collect();
    let mut rows = Vec::new();
    for (parcel, hash) in parcels.iter().zip(hashes) {
        if let Some(row) = known.get(&hash) {
            rows.push(*row);
            continue;
        }
        let source = parcel.items.first().map_or("", |item| item.resource.source.as_str());
        let row = intake::add(tx, source, "fhir", programme, now).await?;
        park_waiting(tx, keys, rng, row, parcel, now).await?;
        sources::quarantine(tx, row, &hash).await?;
        known.insert(hash, row);
        rows.push(row);
    }
    Ok(rows)
}

/// Leaves a row to wait with what is in the parcel.
pub(super) async fn park_waiting(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    row: i64,
    parcel: &Parcel,
    now: UtcMs,
) -> Result<()> {
    let text = row_report(&parcel.clone().reports());
    let payload = json!(parcel).to_string();
    intake::park(tx, keys, rng, row, Quarantine::Waiting, payload.as_bytes(), &text, now).await
}
