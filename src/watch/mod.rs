//! The watch: what should have ended and has not, zone rules that moved, the instance's heartbeat.
//!
//! It compares and tells (metrics, log); what it can mend safely, it mends: alarms that are missing, patients
//! whose zone's rules changed. Called by the job `watch-tick` and at the daemon's start.

use crate::care::time::{MINUTE_MS, SECOND_MS};
use crate::care::{UtcMs, ZoneRules};
use crate::clock::Clock;
use crate::store::{Result, Store, Tx, alarms, patients, receipts, reminders, tasks};
use std::sync::Arc;

/// A reminder still open this long after its validity is a fault, in milliseconds.
const OVERDUE_MS: i64 = 5 * MINUTE_MS;
/// A patient's alarm this late is a fault, in milliseconds.
const BEHIND_MS: i64 = 30 * SECOND_MS;
/// Patients re-woken by one step when their zone's rules changed.
const BATCH: i64 = 256;

/// Watches one database.
#[derive(Clone)]
pub struct Watch {
    store: Store,
    clock: Arc<dyn Clock>,
    zones: Arc<dyn ZoneRules>,
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
}

impl Sighting {
    /// Whether somebody must look.
    pub const fn is_fault(&self) -> bool {
        self.overdue_reminders > 0 || self.behind_ms > BEHIND_MS
    }
}

impl Watch {
    /// A watch.
    pub fn new(store: Store, clock: Arc<dyn Clock>, zones: Arc<dyn ZoneRules>) -> Self {
        Self { store, clock, zones }
    }

    /// Looks once, tells what it sees, and mends what it can.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tick(&self) -> Result<Sighting> {
        let now = self.clock.now();
        let rezoned_patients = self.rezone(now).await?;
        let mut tx = self.store.read().await?;
        let sighting = Sighting { rezoned_patients, ..look(&mut tx, now).await? };
        metrics::gauge!("carebell_reminders_overdue").set(sighting.overdue_reminders as f64);
        metrics::gauge!("carebell_patients_behind_seconds").set(sighting.behind_ms as f64 / 1e3);
        metrics::gauge!("carebell_receipts_parked").set(sighting.parked_receipts as f64);
        metrics::gauge!("carebell_tasks_open").set(sighting.open_tasks as f64);
        metrics::gauge!("carebell_watch_success_timestamp_seconds").set(now.0 as f64 / 1e3);
        if sighting.is_fault() {
            tracing::error!(
                overdue_reminders = sighting.overdue_reminders,
                behind_ms = sighting.behind_ms,
                "reminders are missing: see `carebell status`"
            );
        }
        Ok(sighting)
    }

    /// Puts back alarms that their owners name and the table lacks; run at start.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rebuild_alarms(&self) -> Result<u64> {
        let mut tx = self.store.write().await?;
        let put_back = alarms::rebuild(&mut tx).await?;
        tx.commit().await?;
        if put_back > 0 {
            tracing::warn!(alarms = put_back, "alarms were missing and are put back");
        }
        Ok(put_back)
    }

    /// Wakes the patients of zones whose rules differ from those they were expanded by.
    async fn rezone(&self, now: UtcMs) -> Result<usize> {
        let mut tx = self.store.read().await?;
        let zones = patients::zones(&mut tx).await?;
        drop(tx);
        let mut woken = 0;
        for (name, hash) in zones {
            let Some(zone) = self.zones.zone(&name) else { continue };
            let rules = crate::zones::fingerprint(&zone).into_bytes();
            if hash.is_empty() || hash == rules {
                continue;
            }
            let mut tx = self.store.write().await?;
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
    Ok(Sighting {
        overdue_reminders: reminders::overdue(tx, now.plus_ms(-OVERDUE_MS)).await?,
        behind_ms: alarms::next(tx, alarms::AlarmKind::Patient)
            .await?
            .map_or(0, |at| now.since(at).max(0)),
        parked_receipts: receipts::count_parked(tx).await?,
        open_tasks: tasks::count(tx).await?.iter().map(|(_, open)| open).sum(),
        rezoned_patients: 0,
    })
}
