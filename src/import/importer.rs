//! From documents to rows: each step reads, decides and writes some resources in one transaction.
//!
//! Steps are short and yield as long as they lasted, so that an import never holds up the daemon (design.md
//! section 7). Memory holds one group of resources, the counts, and the row numbers of what waits.

use crate::care::ids::PatientId;
use crate::care::{ActivityStatus, Programme, UtcMs, ZoneRules};
use crate::clock::Clock;
use crate::import::change::{Change, Item, Reading};
use crate::import::diff::{Diff, Resource, Stop};
use crate::import::held::Held;
use crate::import::quarantine::{self, Parcel, Sealed};
use crate::import::report::{Counts, Outcome, Remark, ResourceReport};
use crate::import::source::Document;
use crate::import::why::Why;
use crate::import::{Assertion, Settings, dry_run::Ghosts, read, shared};
use crate::message::Programmes;
use crate::security::SharedRng;
use crate::store::intake::{self, IntakeState};
use crate::store::{Result, Store, StoreError, Tx};
use futures::FutureExt;
use std::collections::{BTreeSet, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most resources of one transaction.
const MOST: usize = 256;
/// Fewest resources of one transaction, and where an import begins.
const FEWEST: usize = 16;
/// How long a transaction may last.
const LONGEST: Duration = Duration::from_millis(20);
/// Rows of the quarantine that are tried at once.
const PAGE: i64 = 32;
/// How often a step is tried again that another import got in the way of.
const COLLISIONS: usize = 3;

/// Imports documents.
#[derive(Clone)]
pub struct Importer {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) zones: Arc<dyn ZoneRules>,
    pub(super) programmes: Arc<Programmes>,
    pub(super) rng: Arc<SharedRng>,
}

/// Whether an import writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It writes.
    Write,
    /// It only says what it would do.
    DryRun,
}

/// How to import.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Programme of new patients, and whose defaults fill gaps.
    pub programme: &'a Programme,
    /// What ids are relative to: a server's base URL, or the name of a feed.
    pub source_system: String,
    /// Consent that the operator asserts for patients whose record is silent.
    pub assertion: Option<Assertion>,
    /// Whether it writes.
    pub mode: Mode,
}

/// Where reports go, one per resource; nothing is kept of them.
pub type Sink<'s> = &'s mut (dyn FnMut(ResourceReport) + Send);

/// A resource in hand.
pub(super) struct Piece {
    pub(super) item: Item,
    pub(super) read_at: UtcMs,
    /// What is kept of it when it is rejected.
    pub(super) sealed: Option<Sealed>,
}

/// What came of a piece.
pub(super) enum Done {
    /// It has its outcome.
    Ended(Outcome, Vec<Remark>),
    /// It waits for its patient.
    Waits,
}

/// What an import remembers from step to step.
pub(super) struct Run {
    pub(super) limit: usize,
    pub(super) doubted: BTreeSet<PatientId>,
    /// Rows of this import that wait.
    pub(super) waiting: HashSet<i64>,
    pub(super) ghosts: Ghosts,
    pub(super) counts: Counts,
}

impl Run {
    pub(super) fn new() -> Self {
        Self {
            limit: FEWEST,
            doubted: BTreeSet::new(),
            waiting: HashSet::new(),
            ghosts: Ghosts::default(),
            counts: Counts::default(),
        }
    }
}

impl Importer {
    /// An importer into `store`.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        zones: Arc<dyn ZoneRules>,
        programmes: Arc<Programmes>,
        rng: Arc<SharedRng>,
    ) -> Self {
        Self { store, clock, zones, programmes, rng }
    }

    /// Imports documents; every resource gets exactly one report. What names a patient who is not known yet is
    /// sealed into the quarantine and tried again at the end, and whenever new patients come.
    ///
    /// # Errors
    /// When the database fails; what was reported before is committed, and importing again is safe.
    pub async fn import(
        &self,
        documents: impl Iterator<Item = Document> + Send,
        options: &Options<'_>,
        sink: Sink<'_>,
    ) -> Result<Counts> {
        let mut run = Run::new();
        let mut group = Vec::new();
        for document in documents {
            self.read(&document, options, &mut group);
            if group.len() >= MOST {
                self.take_group(&mut run, std::mem::take(&mut group), options, sink).await?;
            }
        }
        self.take_group(&mut run, group, options, sink).await?;
        if options.mode == Mode::Write {
            self.try_waiting(&mut run, sink).await?;
        }
        Ok(run.counts)
    }

    /// Reads a document into pieces.
    pub(super) fn read(&self, document: &Document, options: &Options<'_>, into: &mut Vec<Piece>) {
        let read_at = self.clock.now();
        let settings = Settings {
            programme: options.programme,
            zones: &*self.zones,
            now: read_at,
            assertion: options.assertion.clone(),
            source_system: options.source_system.clone(),
        };
        for item in read(document, &settings) {
            let rejected = item.reading == Reading::Rejected && options.mode == Mode::Write;
            let sealed =
                if rejected { quarantine::raw(document, &item.resource.source) } else { None };
            into.push(Piece { item, read_at, sealed });
        }
    }

    /// Takes a group in the order in which things depend on one another, and reports it in its own.
    async fn take_group(
        &self,
        run: &mut Run,
        pieces: Vec<Piece>,
        options: &Options<'_>,
        sink: Sink<'_>,
    ) -> Result<()> {
        let mut order: Vec<usize> = (0..pieces.len()).collect();
        order.sort_by_key(|index| turn(&pieces[*index].item));
        let mut done: Vec<Option<Done>> = pieces.iter().map(|_| None).collect();
        let mut rest = order.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(run.limit.min(rest.len()));
            let chunk: Vec<&Piece> = now.iter().map(|index| &pieces[*index]).collect();
            for (index, one) in now.iter().zip(self.step(run, &chunk, options).await?) {
                done[*index] = Some(one);
            }
            rest = later;
        }
        for (piece, done) in pieces.into_iter().zip(done) {
            match (done, options.mode) {
                (Some(Done::Ended(outcome, remarks)), _) => {
                    emit(run, sink, report(piece.item, outcome, remarks));
                }
                (Some(Done::Waits) | None, Mode::DryRun) => {
                    let remarks = vec![Remark::at("subject", Why::WaitsForPatient)];
                    emit(run, sink, report(piece.item, Outcome::Review, remarks));
                }
                // Its report comes when it is tried again at the end.
                (Some(Done::Waits) | None, Mode::Write) => {}
            }
        }
        Ok(())
    }

    /// One transaction; then as long a pause. A set that breaks is stepped one by one (design.md P9).
    async fn step(
        &self,
        run: &mut Run,
        chunk: &[&Piece],
        options: &Options<'_>,
    ) -> Result<Vec<Done>> {
        let begun = Instant::now();
        let done = match self.guarded(run, chunk, options).await? {
            Some(done) => done,
            None => self.one_by_one(run, chunk, options).await?,
        };
        let lasted = begun.elapsed();
        run.limit = match lasted {
            _ if lasted > LONGEST => run.limit / 2,
            _ if lasted < LONGEST / 2 => run.limit * 2,
            _ => run.limit,
        }
        .clamp(FEWEST, MOST);
        tokio::time::sleep(lasted).await;
        Ok(done)
    }

    async fn one_by_one(
        &self,
        run: &mut Run,
        chunk: &[&Piece],
        options: &Options<'_>,
    ) -> Result<Vec<Done>> {
        let mut done = Vec::new();
        for piece in chunk {
            let broke = || vec![Done::Ended(Outcome::Rejected, vec![Remark::at(".", Why::Broke)])];
            let alone = self.guarded(run, &[*piece], options).await?;
            done.extend(alone.unwrap_or_else(broke));
        }
        Ok(done)
    }

    /// A step that neither a panic nor a row that cannot be breaks; `None` when it broke.
    async fn guarded(
        &self,
        run: &mut Run,
        chunk: &[&Piece],
        options: &Options<'_>,
    ) -> Result<Option<Vec<Done>>> {
        for _ in 0..COLLISIONS {
            let step = AssertUnwindSafe(self.transact(run, chunk, options)).catch_unwind().await;
            match step {
                Ok(Ok(done)) => return Ok(Some(done)),
                Ok(Err(fault)) if collided(&fault) => {}
                Ok(Err(fault @ StoreError::Driver(_))) => return Err(fault),
                Ok(Err(_)) | Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    async fn transact(
        &self,
        run: &mut Run,
        chunk: &[&Piece],
        options: &Options<'_>,
    ) -> Result<Vec<Done>> {
        let now = self.clock.now();
        let mut rng = self.rng.fork();
        let mut tx = match options.mode {
            Mode::Write => self.store.write().await?,
            Mode::DryRun => self.store.read().await?,
        };
        let (held, mut done) = self.decide(&mut tx, run, chunk, options.programme, now).await?;
        shared::remark_addresses(&mut tx, &held, chunk, &mut done).await?;
        match options.mode {
            Mode::Write => {
                held.write(&mut tx, &mut rng, now).await?;
                let waiting =
                    self.keep(&mut tx, chunk, &done, &options.programme.name, now).await?;
                tx.commit().await?;
                run.waiting.extend(waiting);
            }
            Mode::DryRun => run.ghosts.remember(&held),
        }
        Ok(done)
    }

    /// Reads what the pieces touch, and decides each in turn.
    pub(super) async fn decide(
        &self,
        tx: &mut Tx,
        run: &mut Run,
        chunk: &[&Piece],
        programme: &Programme,
        now: UtcMs,
    ) -> Result<(Held, Vec<Done>)> {
        let keys = self.store.keys();
        let changes = chunk.iter().flat_map(|piece| piece.item.changes());
        let mut held = Held::load(tx, keys, changes).await?;
        run.ghosts.haunt(&mut held, programme);
        let mut rng = self.rng.fork();
        let mut diff = Diff {
            held: &mut held,
            now,
            programme,
            programmes: &self.programmes,
            zones: &*self.zones,
            doubted: &mut run.doubted,
            rng: &mut rng,
        };
        let mut done = Vec::new();
        for piece in chunk {
            let resource = Resource {
                changes: piece.item.changes(),
                revision: &piece.item.revision,
                read_at: piece.read_at,
            };
            done.push(match piece.item.reading {
                Reading::Ignored => Done::Ended(Outcome::Ignored, Vec::new()),
                Reading::Rejected => Done::Ended(Outcome::Rejected, Vec::new()),
                Reading::Parsed(_) => match diff.apply(resource) {
                    Ok(taken) => Done::Ended(taken.outcome, taken.remarks),
                    Err(Stop::Ends(outcome, remark)) => Done::Ended(outcome, vec![remark]),
                    Err(Stop::Waits) => Done::Waits,
                },
            });
        }
        Ok((held, done))
    }

    /// Seals what waits and what was rejected, each once; returns the rows that wait.
    async fn keep(
        &self,
        tx: &mut Tx,
        chunk: &[&Piece],
        done: &[Done],
        programme: &str,
        now: UtcMs,
    ) -> Result<Vec<i64>> {
        let mut rng = self.rng.fork();
        let mut parcels = Vec::new();
        let mut rejected = Vec::new();
        for (piece, done) in chunk.iter().zip(done) {
            match (done, &piece.sealed) {
                (Done::Waits, _) => parcels.push(Parcel::of(piece)),
                (Done::Ended(..), Some(sealed)) => {
                    let report = report(piece.item.clone(), Outcome::Rejected, Vec::new());
                    rejected.push((sealed, report));
                }
                (Done::Ended(..), None) => {}
            }
        }
        let keys = self.store.keys();
        quarantine::keep_rejected(tx, keys, &mut rng, &rejected, programme, now).await?;
        quarantine::keep_waiting(tx, keys, &mut rng, &parcels, programme, now).await
    }

    /// Tries what waits in the quarantine again, page by page; a page that nobody is known of is only read.
    /// Rows of this import are reported.
    pub(super) async fn try_waiting(&self, run: &mut Run, sink: Sink<'_>) -> Result<()> {
        let keys = self.store.keys();
        let mut after = 0;
        loop {
            let mut tx = self.store.read().await?;
            let rows = intake::open(&mut tx, keys, IntakeState::Waiting, after, PAGE).await?;
            let Some(last) = rows.last().map(|row| row.id) else { break };
            let parcels: Vec<(i64, Parcel)> =
                rows.iter().filter_map(|row| Some((row.id, Parcel::open(row)?))).collect();
            let changes = parcels.iter().flat_map(|(_, parcel)| parcel.changes());
            let known = !Held::load(&mut tx, keys, changes).await?.patients.is_empty();
            // Ended here and now: PostgreSQL has locked the rows for it.
            tx.commit().await?;
            let reports = if known {
                self.pause_after(self.unpack(run, (after, last), PAGE)).await?
            } else {
                let reports = |(row, parcel): (i64, Parcel)| {
                    parcel.reports().into_iter().map(move |report| (row, report))
                };
                parcels.into_iter().flat_map(reports).collect()
            };
            for (row, report) in reports {
                if run.waiting.contains(&row) {
                    emit(run, sink, report);
                }
            }
            after = last;
        }
        Ok(())
    }

    /// Yields as long as some work lasted.
    async fn pause_after<T>(&self, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = work.await;
        tokio::time::sleep(begun.elapsed()).await;
        done
    }
}

pub(super) fn emit(run: &mut Run, sink: Sink<'_>, report: ResourceReport) {
    run.counts.add(&report);
    sink(report);
}

/// The report of an item: what the store made of it first, then what reading noticed.
pub(super) fn report(item: Item, outcome: Outcome, mut remarks: Vec<Remark>) -> ResourceReport {
    let mut report = item.report(outcome);
    remarks.append(&mut report.reasons);
    report.reasons = remarks;
    report
}

/// Patients first; then what ends orders, so that nothing is held against what is over; plans last, since they
/// name orders.
fn turn(item: &Item) -> u8 {
    let in_force = |status| matches!(status, ActivityStatus::Active | ActivityStatus::OnHold);
    match item.changes().first() {
        None => 0,
        Some(Change::Patient(_)) => 1,
        Some(Change::Consent(_)) => 2,
        Some(Change::Delete(_)) => 3,
        Some(Change::Activity(change)) if !in_force(change.activity.status) => 4,
        Some(Change::Plan(change)) if !in_force(change.plan.status) => 5,
        Some(Change::Activity(_)) => 6,
        Some(Change::Plan(_)) => 7,
    }
}

/// Another import gave away the same name, or wrote the same patient, a moment ago.
fn collided(fault: &StoreError) -> bool {
    matches!(fault, StoreError::Refused(sqlx::Error::Database(cause)) if cause.is_unique_violation())
}
