//! Expected against sent: a rotating look at patients, a slice of all alarms, and once a quarter of an hour the rows
//! that should have ended. An alarm for each programme and zone in which reminders are missing.

use super::expected::{Counts, GRACE_MS, compare};
use super::round::{advance, begin, range};
use super::{Sighting, Watch};
use crate::care::ids::{PatientId, TaskId};
use crate::care::time::{HOUR_MS, MINUTE_MS};
use crate::care::{Reason, UtcMs};
use crate::store::reminders::ReminderRow;
use crate::store::standing::Standing;
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::watch::{self, Hour, Stratum};
use crate::store::{Result, StoreError, Tx, meta, reminders, standing, tasks};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use uuid::Uuid;

/// The stretch of due times looked at together, in milliseconds.
pub(super) const QUARTER_MS: i64 = 15 * MINUTE_MS;
/// Patients expanded by one look at most, some more where there are many strata: 15,000 an hour are looked at whole.
const PATIENTS: i64 = 256;
/// Strata of one look.
const STRATA: i64 = 32;
/// Patients of one look at least, of each stratum.
const OF_EACH: i64 = 8;
/// Patients whose alarms one look compares with their rows: a million are through within the hour.
const SLICE: i64 = 20_000;
/// How far back a slot's row may lie by its due time: a zone may move by as much, in milliseconds.
const ROWS_BACK_MS: i64 = 26 * HOUR_MS;
/// When rows are looked at again, long after every validity but an appointment's, in milliseconds.
const LOOK_BACK_MS: i64 = 26 * HOUR_MS;
/// Where the slice of alarms stands.
const SWEPT_UNTIL: &str = "watch_swept_until";
/// Start of the quarter whose rows were looked at last.
const ROWS_LOOKED: &str = "watch_rows_quarter_ms";

/// Programme and zone.
type Place = (String, String);

/// What is wrong in one programme and zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Trouble {
    /// Slots without a reminder.
    missing: i64,
    /// Reminders that will not leave by themselves.
    unsent: i64,
    /// Patients whose alarm is lost or late.
    unwoken: i64,
    /// Patients whose plan cannot be expanded.
    unreadable: i64,
}

/// The newest quarter of an hour whose reminders must all be there.
fn quarter(now: UtcMs) -> UtcMs {
    let ended = now.plus_ms(-GRACE_MS).0.div_euclid(QUARTER_MS) * QUARTER_MS;
    UtcMs(ended - QUARTER_MS)
}

impl Watch {
    /// Accounts, records what it found, mends lost alarms and raises the alarm where reminders are missing.
    pub(super) async fn account(&self, now: UtcMs) -> Result<Sighting> {
        let quarter = quarter(now);
        let window = (quarter, quarter.plus_ms(QUARTER_MS));
        let mut tx = self.deps.store.write().await?;
        watch::enter_strata(&mut tx).await?;
        tx.commit().await?;

        let mut troubles: BTreeMap<Place, Trouble> = BTreeMap::new();
        let mut tx = self.deps.store.read().await?;
        let due = watch::due_strata(&mut tx, quarter, STRATA).await?;
        let limit = (PATIENTS / (due.len().max(1) as i64)).max(OF_EACH);
        let mut looked = Vec::new();
        for stratum in due {
            looked.push(self.look_at(&mut tx, now, begin(stratum, quarter), limit).await?);
        }
        for (stratum, hour) in &looked {
            let trouble = troubles.entry(place(&stratum.programme, &stratum.zone)).or_default();
            trouble.missing += hour.missing;
            trouble.unreadable += hour.unreadable;
        }
        let (slice, next) = self.slice(&mut tx).await?;
        for tally in watch::unwoken(&mut tx, slice, now.plus_ms(-GRACE_MS)).await? {
            troubles.entry(place(&tally.programme, &tally.zone)).or_default().unwoken +=
                tally.count;
        }
        let rows_looked = meta::get(&mut tx, ROWS_LOOKED).await?.and_then(|ms| ms.parse().ok());
        let rows_due = rows_looked.is_none_or(|last: i64| last < quarter.0);
        if rows_due {
            let back = (window.0.plus_ms(-LOOK_BACK_MS), window.1.plus_ms(-LOOK_BACK_MS));
            for rows in [window, back] {
                let overdue = now.plus_ms(-GRACE_MS);
                for tally in watch::unsent(&mut tx, rows, overdue).await? {
                    troubles.entry(place(&tally.programme, &tally.zone)).or_default().unsent +=
                        tally.count;
                }
            }
        }
        drop(tx);

        let mut tx = self.deps.store.write().await?;
        let mut hours = Vec::new();
        for (stratum, hour) in looked {
            watch::put_stratum(&mut tx, &stratum, now).await?;
            hours.push(hour);
        }
        watch::add_hours(&mut tx, &hours).await?;
        let mut put_back = 0;
        if troubles.values().any(|trouble| trouble.unwoken > 0) {
            put_back += watch::put_back_patients(&mut tx, slice).await?;
        }
        if troubles.values().any(|trouble| trouble.unsent > 0) {
            put_back += watch::put_back_messages(&mut tx, window).await?;
        }
        meta::set(&mut tx, SWEPT_UNTIL, &next.simple().to_string()).await?;
        if rows_due {
            meta::set(&mut tx, ROWS_LOOKED, &quarter.0.to_string()).await?;
        }
        troubles.retain(|_, trouble| *trouble != Trouble::default());
        let raised = self.raise(&mut tx, now, &troubles).await?;
        tx.commit().await?;
        tell(&raised, put_back);
        let sum = |count: fn(&Trouble) -> i64| troubles.values().map(count).sum();
        Ok(Sighting {
            missing_reminders: sum(|t| t.missing + t.unsent),
            unwoken_patients: sum(|t| t.unwoken),
            unreadable_patients: sum(|t| t.unreadable),
            alarms_put_back: put_back,
            ..Sighting::default()
        })
    }

    /// Looks at the next patients of a stratum; returns it as it stands then, and what was found.
    async fn look_at(
        &self,
        tx: &mut Tx,
        now: UtcMs,
        stratum: Stratum,
        limit: i64,
    ) -> Result<(Stratum, Hour)> {
        let window = (stratum.quarter, stratum.quarter.plus_ms(QUARTER_MS));
        let ids = watch::members(tx, &stratum, range(&stratum), limit).await?;
        let mut hour = Hour {
            hour_ms: window.0.0.div_euclid(HOUR_MS) * HOUR_MS,
            programme: stratum.programme.clone(),
            zone: stratum.zone.clone(),
            looks: ids.len() as i64,
            ..Hour::default()
        };
        match self.look_together(tx, now, window, &ids).await {
            Ok(counts) => hour.add(&counts),
            Err(StoreError::Driver(fault)) => return Err(StoreError::Driver(fault)),
            // One that cannot be read hides no other (P9).
            Err(_) => {
                for id in &ids {
                    match self.look_together(tx, now, window, &[*id]).await {
                        Ok(counts) => hour.add(&counts),
                        Err(StoreError::Driver(fault)) => return Err(StoreError::Driver(fault)),
                        Err(_) => hour.unreadable += 1,
                    }
                }
            }
        }
        Ok((advance(stratum, &ids, limit as usize), hour))
    }

    /// What patients' plans expect of a stretch of time; `None` for a patient whose plan cannot be expanded.
    async fn look_together(
        &self,
        tx: &mut Tx,
        now: UtcMs,
        window: (UtcMs, UtcMs),
        ids: &[PatientId],
    ) -> Result<Vec<Option<Counts>>> {
        let standings = standing::load(tx, self.deps.store.keys(), ids).await?;
        let mut by_patient: BTreeMap<PatientId, Vec<ReminderRow>> = BTreeMap::new();
        let since = window.0.plus_ms(-ROWS_BACK_MS);
        for reminder in reminders::of_patients(tx, ids, since).await? {
            by_patient.entry(reminder.patient).or_default().push(reminder);
        }
        let expand = |patient: &Standing| {
            let programme = self.deps.programmes.get(&patient.row.programme)?;
            let zone = self.deps.zones.zone(&patient.row.patient.zone)?;
            let rows = by_patient.get(&patient.row.id).map_or(&[][..], Vec::as_slice);
            let look = || compare(now, window, patient, (programme, &zone), rows);
            catch_unwind(AssertUnwindSafe(look)).ok()
        };
        Ok(standings.values().map(expand).collect())
    }

    /// The patients whose alarms are compared next, and where the slice after them begins.
    async fn slice(&self, tx: &mut Tx) -> Result<((Uuid, Uuid), Uuid)> {
        let after = meta::get(tx, SWEPT_UNTIL).await?;
        let after = after.and_then(|id| Uuid::try_parse(&id).ok()).unwrap_or_default();
        Ok(match watch::slice_end(tx, after, SLICE).await? {
            Some(until) => ((after, until), until),
            None => ((after, Uuid::max()), Uuid::nil()),
        })
    }

    /// Opens a task for each place in trouble that has none open yet; returns those places.
    async fn raise(
        &self,
        tx: &mut Tx,
        now: UtcMs,
        troubles: &BTreeMap<Place, Trouble>,
    ) -> Result<Vec<(Place, Trouble)>> {
        if troubles.is_empty() {
            return Ok(Vec::new());
        }
        let open = tasks::open_subjects(tx, TaskKind::Watch).await?;
        let mut rng = self.deps.rng.fork();
        let mut raised = Vec::new();
        for (place, trouble) in troubles {
            let subject = format!("{} in {}", place.0, place.1);
            if open.contains(&subject) {
                continue;
            }
            let task = NewTask {
                id: TaskId::new(now, &mut rng),
                patient: None,
                kind: TaskKind::Watch,
                subject,
                reason: Reason::RemindersMissing {
                    missing: trouble.missing + trouble.unsent,
                    patients: trouble.unwoken + trouble.unreadable,
                },
                due_at: now.plus_ms(HOUR_MS),
            };
            tasks::open(tx, &task, now).await?;
            raised.push((place.clone(), *trouble));
        }
        Ok(raised)
    }
}

fn place(programme: &str, zone: &str) -> Place {
    (programme.to_owned(), zone.to_owned())
}

fn tell(raised: &[(Place, Trouble)], put_back: u64) {
    if put_back > 0 {
        tracing::warn!(alarms = put_back, "alarms were missing and are put back");
    }
    for ((programme, zone), trouble) in raised {
        metrics::counter!("carebell_watch_alarms_total", "programme" => programme.clone(), "zone" => zone.clone())
            .increment(1);
        tracing::error!(
            programme,
            zone,
            missing = trouble.missing,
            unsent = trouble.unsent,
            patients_unwoken = trouble.unwoken,
            patients_unreadable = trouble.unreadable,
            "reminders are missing: see `carebell doctor` and the open task"
        );
    }
}

impl Hour {
    fn add(&mut self, counts: &[Option<Counts>]) {
        for counts in counts {
            match counts {
                Some(counts) => {
                    self.expected += counts.expected;
                    self.missing += counts.missing;
                }
                None => self.unreadable += 1,
            }
        }
    }
}
