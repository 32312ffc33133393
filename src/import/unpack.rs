//! Rows of the intake table: fresh ones that other programs inserted, and those that wait. Each row is a parcel
//! of resources and ends with its report.

use crate::care::{Programme, UtcMs};
use crate::import::importer::{Done, Importer, Piece, Run, report};
use crate::import::quarantine::{Parcel, Parked, park_waiting, row_report};
use crate::import::report::{Outcome, ResourceReport};
use crate::import::shared;
use crate::store::intake::{self, IntakeEnd, IntakeRow, IntakeState, Quarantine};
use crate::store::{Result, Tx};
use std::collections::BTreeMap;

/// A row in hand.
pub(super) struct Opened {
    pub(super) row: i64,
    pub(super) pieces: Vec<Piece>,
    pub(super) done: Vec<ResourceReport>,
    pub(super) raw: Option<String>,
    /// Whether the row has not been looked at before.
    pub(super) first_time: FirstTime,
}

/// Whether a row must be written whatever comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstTime {
    /// It holds clear text.
    Yes,
    /// It waits already, sealed.
    No,
}

impl Importer {
    /// Tries waiting rows after `after` again, up to `last`; returns the reports of their resources.
    pub(super) async fn unpack(
        &self,
        run: &mut Run,
        (after, last): (i64, i64),
        limit: i64,
    ) -> Result<Vec<(i64, ResourceReport)>> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let keys = self.store.keys();
        let rows = intake::open(&mut tx, keys, IntakeState::Waiting, after, limit).await?;
        let mut by_programme: BTreeMap<String, Vec<Opened>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.id <= last) {
            let Some(opened) = reopened(row) else { continue };
            by_programme.entry(row.programme.clone()).or_default().push(opened);
        }
        let mut reports = Vec::new();
        for (name, opened) in by_programme {
            // A programme that is gone leaves its rows waiting.
            let Some(programme) = self.programmes.get(&name) else { continue };
            reports.extend(self.take_rows(&mut tx, run, opened, programme, now).await?);
        }
        tx.commit().await?;
        Ok(reports)
    }

    /// Imports the resources of rows, and leaves each row done, rejected or waiting, with its report.
    pub(super) async fn take_rows(
        &self,
        tx: &mut Tx,
        run: &mut Run,
        rows: Vec<Opened>,
        programme: &Programme,
        now: UtcMs,
    ) -> Result<Vec<(i64, ResourceReport)>> {
        let chunk: Vec<&Piece> = rows.iter().flat_map(|row| &row.pieces).collect();
        let (held, mut done) = self.decide(tx, run, &chunk, programme, now).await?;
        shared::remark_addresses(tx, &held, &chunk, &mut done).await?;
        held.write(tx, &mut self.rng.fork(), now).await?;
        let mut done = done.into_iter();
        let mut reports = Vec::new();
        for row in rows {
            reports.extend(self.end_row(tx, row, &mut done, now).await?);
        }
        Ok(reports)
    }

    async fn end_row(
        &self,
        tx: &mut Tx,
        row: Opened,
        done: &mut impl Iterator<Item = Done>,
        now: UtcMs,
    ) -> Result<Vec<(i64, ResourceReport)>> {
        let (keys, mut rng) = (self.store.keys(), self.rng.fork());
        let mut parcel = Parcel { items: Vec::new(), done: row.done, raw: row.raw };
        let before = parcel.done.len();
        for (piece, done) in row.pieces.into_iter().zip(done) {
            match done {
                Done::Waits => parcel.items.push(Parked::of(&piece)),
                Done::Ended(outcome, remarks) => {
                    parcel.done.push(report(piece.item, outcome, remarks));
                }
            }
        }
        let unchanged = parcel.done.len() == before && row.first_time == FirstTime::No;
        let rejected = parcel.done.iter().any(|one| one.outcome == Outcome::Rejected);
        if !parcel.items.is_empty() && !unchanged {
            park_waiting(tx, keys, &mut rng, row.row, &parcel, now).await?;
        }
        let (id, waits, raw) = (row.row, !parcel.items.is_empty(), parcel.raw.clone());
        let reports = parcel.reports();
        if !waits {
            let text = row_report(&reports);
            match raw.filter(|_| rejected) {
                Some(raw) => {
                    let raw = raw.as_bytes();
                    let state = Quarantine::Rejected;
                    intake::park(tx, keys, &mut rng, id, state, raw, &text, now).await?;
                }
                None => intake::close(tx, id, IntakeEnd::Done, &text, now).await?,
            }
        }
        Ok(reports.into_iter().map(|report| (id, report)).collect())
    }
}

fn reopened(row: &IntakeRow) -> Option<Opened> {
    let parcel = Parcel::open(row)?;
    Some(Opened {
        row: row.id,
        pieces: parcel.items.into_iter().map(Parked::into_piece).collect(),
        done: parcel.done,
        raw: parcel.raw,
        first_time: FirstTime::No,
    })
}
