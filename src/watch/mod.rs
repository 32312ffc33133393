//! The watch: what should be there and is not, what should have ended and has not, zone rules that moved, clocks that
//! are not to be believed.
//!
//! It compares and tells (metrics, log, tasks); what it can mend safely, it mends: alarms that are missing, patients
//! whose zone's rules changed. Called by the job `watch-tick` and at the daemon's start.

mod account;
mod clock;
mod disk;
mod expected;
mod round;

pub use clock::{ClockWatch, HostTrouble, troubles};
pub use disk::Disk;

use crate::care::time::{HOUR_MS, MINUTE_MS};
use crate::care::{UtcMs, ZoneRules};
use crate::clock::Clock;
use crate::message::Programmes;
use crate::security::SharedRng;
use crate::store::tasks::TaskKind;
use crate::store::{Result, Store, Tx, alarms, patients, receipts, reminders, tasks, watch};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A reminder still open this long after its validity is a fault, in milliseconds.
const OVERDUE_MS: i64 = 5 * MINUTE_MS;
/// How far back overdue reminders are looked for, in milliseconds.
const OVERDUE_SINCE_MS: i64 = 48 * HOUR_MS;
/// Hours that the gauge of missing reminders sums, in milliseconds.
const GAUGE_MS: i64 = 2 * HOUR_MS;
/// Patients re-woken by one step when their zone's rules changed.
const BATCH: i64 = 256;

/// What watching needs.
#[derive(Clone)]
pub struct WatchDeps {
    /// The database.
    pub store: Store,
    /// Business time.
    pub clock: Arc<dyn Clock>,
    /// Zone rules.
    pub zones: Arc<dyn ZoneRules>,
    /// Programmes.
    pub programmes: Arc<Programmes>,
    /// Randomness.
    pub rng: Arc<SharedRng>,
}

/// Watches one database.
#[derive(Clone)]
pub struct Watch {
    deps: WatchDeps,
    overdue: Arc<Overdue>,
}

/// How many reminders were overdue when they were counted last: the count reads two days of rows.
#[derive(Debug)]
struct Overdue {
    /// The quarter of an hour in which that was.
    quarter: AtomicI64,
    reminders: AtomicI64,
}

/// What a look found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Sighting {
    /// Reminders still open well after their validity.
    pub overdue_reminders: i64,
    /// How late the earliest patient's alarm is, in milliseconds; 0 when none is.
    pub behind_ms: i64,
    /// Receipts that no attempt matches.
    pub parked_receipts: i64,
    /// Open tasks.
    pub open_tasks: i64,
    /// Patients woken because their zone's rules changed.
    pub rezoned_patients: usize,
    /// Slots among the patients looked at that have no reminder, and reminders that will not leave by themselves.
    pub missing_reminders: i64,
    /// Patients whose alarm is lost or late.
    pub unwoken_patients: i64,
    /// Patients looked at whose plan cannot be expanded.
    pub unreadable_patients: i64,
    /// Alarms that were lost and are there again.
    pub alarms_put_back: u64,
    /// Programmes and zones whose missing reminders nobody has dealt with yet.
    pub open_alarms: Vec<String>,
}

impl Watch {
    /// A watch.
    pub fn new(deps: WatchDeps) -> Self {
        let (quarter, reminders) = (AtomicI64::new(i64::MIN), AtomicI64::new(0));
        Self { deps, overdue: Arc::new(Overdue { quarter, reminders }) }
    }

    /// Looks once before the first wake, at what costs no walk over all patients; alarms that are lost are found by the
    /// account of their programme and zone, within the hour.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(&self) -> Result<()> {
        self.rezone(self.deps.clock.now()).await?;
        Ok(())
    }

    /// Looks once, tells what it sees, and mends what it can.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tick(&self) -> Result<Sighting> {
        let now = self.deps.clock.now();
        let rezoned_patients = self.rezone(now).await?;
        let found = self.account(now).await?;
        let mut tx = self.deps.store.read().await?;
        let hours = watch::hours(&mut tx, now.plus_ms(-GAUGE_MS)).await?;
        let overdue_reminders = self.overdue(&mut tx, now).await?;
        let sighting =
            Sighting { overdue_reminders, rezoned_patients, ..glance(&mut tx, now).await? };
        drop(tx);
        gauge(&sighting, &hours, now);
        Ok(Sighting {
            missing_reminders: found.missing_reminders,
            unwoken_patients: found.unwoken_patients,
            unreadable_patients: found.unreadable_patients,
            alarms_put_back: found.alarms_put_back,
            ..sighting
        })
    }

    /// Overdue reminders, counted once a quarter of an hour.
    async fn overdue(&self, tx: &mut Tx, now: UtcMs) -> Result<i64> {
        let quarter = now.0.div_euclid(account::QUARTER_MS);
        if self.overdue.quarter.load(Ordering::SeqCst) != quarter {
            let counted = overdue(tx, now).await?;
            self.overdue.reminders.store(counted, Ordering::SeqCst);
            self.overdue.quarter.store(quarter, Ordering::SeqCst);
        }
        Ok(self.overdue.reminders.load(Ordering::SeqCst))
    }

    /// Wakes the patients of zones whose rules differ from those they were expanded by.
    async fn rezone(&self, now: UtcMs) -> Result<usize> {
        let mut tx = self.deps.store.read().await?;
        let zones = patients::zones(&mut tx).await?;
        drop(tx);
        let mut woken = 0;
        for (name, hash) in zones {
            let Some(zone) = self.deps.zones.zone(&name) else { continue };
            let rules = crate::zones::fingerprint(&zone).into_bytes();
            if hash.is_empty() || hash == rules {
                continue;
            }
            let mut tx = self.deps.store.write().await?;
            let ids = patients::in_zone_by_other_rules(&mut tx, &name, &rules, BATCH).await?;
            let ids = patients::lock(&mut tx, &ids).await?;
            patients::disturb(&mut tx, &ids, now).await?;
            tx.commit().await?;
            if !ids.is_empty() {
                tracing::warn!(
                    zone = name,
                    patients = ids.len(),
                    "the zone's rules changed: its patients are expanded anew"
                );
            }
            woken += ids.len();
        }
        Ok(woken)
    }
}

/// Looks without telling or mending anything.
///
/// # Errors
/// When the database fails.
pub async fn look(tx: &mut Tx, now: UtcMs) -> Result<Sighting> {
    Ok(Sighting { overdue_reminders: overdue(tx, now).await?, ..glance(tx, now).await? })
}

async fn overdue(tx: &mut Tx, now: UtcMs) -> Result<i64> {
    reminders::overdue(tx, now.plus_ms(-OVERDUE_SINCE_MS), now.plus_ms(-OVERDUE_MS)).await
}

/// What costs little to look at.
async fn glance(tx: &mut Tx, now: UtcMs) -> Result<Sighting> {
    Ok(Sighting {
        behind_ms: alarms::next(tx, alarms::AlarmKind::Patient)
            .await?
            .map_or(0, |at| now.since(at).max(0)),
        parked_receipts: receipts::count_parked(tx).await?,
        open_tasks: tasks::count(tx).await?.iter().map(|(_, open)| open).sum(),
        open_alarms: tasks::open_subjects(tx, TaskKind::Watch).await?,
        ..Sighting::default()
    })
}

fn gauge(sighting: &Sighting, hours: &[watch::Hour], now: UtcMs) {
    metrics::gauge!("carebell_reminders_overdue").set(sighting.overdue_reminders as f64);
    metrics::gauge!("carebell_patients_behind_seconds").set(sighting.behind_ms as f64 / 1e3);
    metrics::gauge!("carebell_receipts_parked").set(sighting.parked_receipts as f64);
    metrics::gauge!("carebell_tasks_open").set(sighting.open_tasks as f64);
    metrics::gauge!("carebell_watch_alarms_open").set(sighting.open_alarms.len() as f64);
    metrics::gauge!("carebell_watch_success_timestamp_seconds").set(now.0 as f64 / 1e3);
    let mut sums: BTreeMap<(&str, &str), (i64, i64)> = BTreeMap::new();
    for hour in hours {
        let sum = sums.entry((&hour.programme, &hour.zone)).or_default();
        sum.0 += hour.expected;
        sum.1 += hour.missing;
    }
    for ((programme, zone), (expected, missing)) in sums {
        let labels = [("programme", programme.to_owned()), ("zone", zone.to_owned())];
        metrics::gauge!("carebell_reminders_expected", &labels).set(expected as f64);
        metrics::gauge!("carebell_reminders_missing", &labels).set(missing as f64);
    }
}
