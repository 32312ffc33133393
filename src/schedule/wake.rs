//! The shell around a wake: alarms claimed, patients locked, one transaction, next alarm set.

use super::calendar::{FollowUp, follow_ups};
use super::channels::Channels;
use super::gather::gather;
use super::plan::{GAP_AFTER_MS, Wake, plan_wake};
use crate::care::Class;
use crate::care::contact::KnownContact;
use crate::care::ids::{MessageId, PatientId, ReminderId, TaskId, distinct};
use crate::care::time::{DAY_MS, MINUTE_MS};
use crate::care::{ChannelKind, Reason, ReminderState, UtcMs, ZoneRules};
use crate::clock::Clock;
use crate::crash;
use crate::home::{Home, Step, Suspect};
use crate::message::{Programmes, Tariff};
use crate::policy::backlog::is_behind;
use crate::policy::contact_choice::choose;
use crate::policy::outage::downtime;
use crate::security::SharedRng;
use crate::store::alarms::{Alarm, AlarmKind};
use crate::store::meta::{self, fact};
use crate::store::patients::{Rearm, claim, rearm, step_failed, unarm};
use crate::store::standing::Standing;
use crate::store::story::{Turn, tell};
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::{
    Result, Store, Tx, alarms, attempts, backlog, invites, messages, reminders, standing, tasks,
};
use futures::FutureExt;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// Patients of one transaction.
const BATCH: usize = 32;
/// How often a daemon tells that it is at work, in milliseconds.
const AT_WORK_EVERY_MS: i64 = MINUTE_MS;
/// A step that broke so often in a row is taken away from a patient (P9).
const TRIES: i64 = 3;

/// What waking needs.
#[derive(Clone)]
pub struct SchedulerDeps {
    /// The database.
    pub store: Store,
    /// Business time.
    pub clock: Arc<dyn Clock>,
    /// Zone rules.
    pub zones: Arc<dyn ZoneRules>,
    /// Programmes.
    pub programmes: Arc<Programmes>,
    /// What messages cost.
    pub tariff: Arc<Tariff>,
    /// Names of the configured channels by kind.
    pub senders: BTreeMap<ChannelKind, String>,
    /// Randomness.
    pub rng: Arc<SharedRng>,
    /// Where the patients in hand are written down.
    pub home: Arc<Home>,
}

/// Wakes patients whose alarm is due.
#[derive(Clone)]
pub struct Scheduler {
    deps: SchedulerDeps,
}

/// What a tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TickReport {
    /// Patients woken.
    pub woken: usize,
    /// Reminders written.
    pub reminders: usize,
    /// Steps that broke.
    pub broken: usize,
}

impl Scheduler {
    /// A scheduler.
    pub const fn new(deps: SchedulerDeps) -> Self {
        Self { deps }
    }

    /// Wakes up to a batch of patients that are due; the caller ticks again while `woken` is not zero.
    ///
    /// # Errors
    /// When the database fails; what was not committed is due again.
    pub async fn tick(&self) -> Result<TickReport> {
        let now = self.deps.clock.now();
        let suspects = self.deps.home.suspects(Step::Wake);
        if !suspects.is_empty() {
            return self.wake_suspects(now, &suspects).await;
        }
        match AssertUnwindSafe(self.wake_batch(now, BATCH)).catch_unwind().await {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(fault)) if is_poison(&fault) => self.one_by_one(now).await,
            Ok(Err(fault)) => Err(fault),
            Err(_panic) => self.one_by_one(now).await,
        }
    }

    /// A set failed: its patients are stepped alone, so that one bad row hurts nobody else (P9).
    async fn one_by_one(&self, now: UtcMs) -> Result<TickReport> {
        let mut tx = self.deps.store.read().await?;
        let due = alarms::due_unlocked(&mut tx, AlarmKind::Patient, "", now, BATCH).await?;
        drop(tx);
        let mut report = TickReport::default();
        for alarm in due {
            self.wake_alone(now, alarm, &mut report).await?;
        }
        report.woken += report.broken;
        Ok(report)
    }

    /// Patients that were in hand when an earlier life of this instance died: each alone, before anything else.
    async fn wake_suspects(&self, now: UtcMs, suspects: &[Suspect]) -> Result<TickReport> {
        let mut report = TickReport::default();
        for suspect in suspects {
            let mut tx = self.deps.store.read().await?;
            let alarms = alarms::of(&mut tx, AlarmKind::Patient, suspect.id).await?;
            drop(tx);
            if i64::from(suspect.times) >= TRIES {
                let mut tx = self.deps.store.write().await?;
                self.park(&mut tx, PatientId(suspect.id), now).await?;
                tx.commit().await?;
            } else if let Some(due) = alarms.first().filter(|alarm| alarm.wake_at_ms <= now.0) {
                let alarm = alarms::Due { wake_at_ms: due.wake_at_ms, id: suspect.id };
                self.wake_alone(now, alarm, &mut report).await?;
            }
            self.deps.home.clear(Step::Wake, suspect.id);
        }
        report.woken += suspects.len();
        Ok(report)
    }

    async fn wake_alone(
        &self,
        now: UtcMs,
        alarm: alarms::Due,
        report: &mut TickReport,
    ) -> Result<()> {
        let step = AssertUnwindSafe(self.wake_one(now, alarm)).catch_unwind().await;
        match step {
            Ok(Ok(one)) => {
                report.woken += one.woken;
                report.reminders += one.reminders;
            }
            Ok(Err(fault)) if !is_poison(&fault) => return Err(fault),
            Ok(Err(_)) | Err(_) => {
                report.broken += 1;
                self.step_failed(PatientId(alarm.id), now).await?;
            }
        }
        Ok(())
    }

    async fn wake_one(&self, now: UtcMs, alarm: alarms::Due) -> Result<TickReport> {
        let _in_hand = self.deps.home.in_hand(Step::Wake, &[alarm.id]);
        let mut tx = self.deps.store.write().await?;
        let report = self.wake_claimed(&mut tx, now, vec![alarm]).await?;
        tx.commit().await?;
        Ok(report)
    }

    async fn wake_batch(&self, now: UtcMs, limit: usize) -> Result<TickReport> {
        // Most ticks find nothing: the write lock is taken only when something is due.
        let mut tx = self.deps.store.read().await?;
        let next = alarms::next(&mut tx, AlarmKind::Patient).await?;
        let at_work = at_work(&mut tx).await?;
        drop(tx);
        if at_work.is_none_or(|at| now.since(at).abs() >= AT_WORK_EVERY_MS) {
            self.be_at_work(now, next).await?;
        }
        if next.is_none_or(|at| at > now) {
            return Ok(TickReport::default());
        }
        let mut tx = self.deps.store.write().await?;
        let due = due(&mut tx, now, limit).await?;
        let ids: Vec<_> = due.iter().map(|alarm| alarm.id).collect();
        let _in_hand = self.deps.home.in_hand(Step::Wake, &ids);
        let report = self.wake_claimed(&mut tx, now, due).await?;
        crash::point("wake-written").await;
        tx.commit().await?;
        crash::point("wake-committed").await;
        Ok(report)
    }

    /// Tells that a daemon is at work; and if none was for a while, although patients were due, that there was an outage.
    async fn be_at_work(&self, now: UtcMs, oldest_due: Option<UtcMs>) -> Result<()> {
        let mut tx = self.deps.store.write().await?;
        if let Some(outage) = downtime(at_work(&mut tx).await?, oldest_due, now) {
            tracing::warn!(since = outage.since.rfc3339(), "no daemon was at work for a while");
            backlog::begin_outage(&mut tx, &outage.channel, outage.since, outage.until).await?;
        }
        meta::set(&mut tx, fact::AT_WORK_MS, &now.0.to_string()).await?;
        tx.commit().await
    }

    /// The step itself: owners locked, stale alarms dropped, then everything read anew, planned and written.
    async fn wake_claimed(
        &self,
        tx: &mut Tx,
        now: UtcMs,
        due: Vec<alarms::Due>,
    ) -> Result<TickReport> {
        let ids: Vec<_> = due.iter().map(|alarm| alarm.id).collect();
        let named: BTreeMap<_, _> =
            claim(tx, &ids).await?.into_iter().map(|(id, at)| (id.0, at)).collect();
        let alarm =
            |due: &alarms::Due| Alarm::new(AlarmKind::Patient, "", UtcMs(due.wake_at_ms), due.id);
        // An alarm whose owner is busy elsewhere stays due.
        let held: Vec<_> = due.into_iter().filter(|due| named.contains_key(&due.id)).collect();
        alarms::drop_all(tx, &held.iter().map(alarm).collect::<Vec<_>>()).await?;
        let names = |due: &&alarms::Due| named.get(&due.id) == Some(&Some(UtcMs(due.wake_at_ms)));
        let mine = distinct(held.iter().filter(names).map(|due| PatientId(due.id)));
        let dropped = held.len();
        if mine.is_empty() {
            return Ok(TickReport { woken: dropped, ..TickReport::default() });
        }
        let reminders = self.plan_and_write(tx, now, &mine).await?;
        Ok(TickReport { woken: dropped, reminders, broken: 0 })
    }

    async fn plan_and_write(&self, tx: &mut Tx, now: UtcMs, mine: &[PatientId]) -> Result<usize> {
        let deps = &self.deps;
        let mut rng = deps.rng.fork();
        let standings = standing::load(tx, deps.store.keys(), mine).await?;
        let earliest = standings.values().map(|s| s.row.expanded_until).min().unwrap_or(now);
        let since = earliest.min(now).plus_ms(-GAP_AFTER_MS);
        let mut by_patient: BTreeMap<PatientId, Vec<_>> = BTreeMap::new();
        for reminder in reminders::of_patients(tx, mine, since).await? {
            by_patient.entry(reminder.patient).or_default().push(reminder);
        }
        let attempted = attempted(tx, &by_patient).await?;
        let mut all_new = Vec::new();
        let mut all_replanned = Vec::new();
        let mut gaps = Vec::new();
        let mut rearms = Vec::new();
        let mut turns = Vec::new();
        for (id, standing) in &standings {
            let Some(programme) = deps.programmes.get(&standing.row.programme) else {
                rearms.push(without_rules(standing, now));
                continue;
            };
            let Some(zone) = deps.zones.zone(&standing.row.patient.zone) else {
                rearms.push(without_rules(standing, now));
                continue;
            };
            let wake = Wake {
                now,
                row: &standing.row,
                programme,
                zone: &zone,
                activities: &standing.activities,
                reminders: by_patient.get(id).map_or(&[], Vec::as_slice),
                attempted: &attempted,
            };
            let plan = plan_wake(&wake, &mut rng);
            turns.extend(plan.replanned.iter().map(|r| Turn {
                subject: r.id.0,
                state: r.state.word(),
                reason: r.reason.clone(),
            }));
            all_new.extend(plan.new);
            all_replanned.extend(plan.replanned);
            gaps.extend(plan.gaps);
            rearms.push(Rearm {
                id: *id,
                expanded_until: plan.expanded_until,
                changed_until: standing.row.changed_until,
                wake_at: plan.wake_at,
                zone_hash: crate::zones::fingerprint(&zone).into_bytes(),
            });
        }
        let written = all_new.len();
        self.give_messages(tx, now, &standings, &mut all_new, &mut all_replanned).await?;
        self.mend_calendars(tx, now, &standings).await?;
        reminders::insert(tx, &all_new).await?;
        reminders::replan(tx, &all_replanned).await?;
        reminders::put_gaps(tx, &gaps).await?;
        tell(tx, &mut rng, &turns, now).await?;
        rearm(tx, &rearms).await?;
        let next: Vec<Alarm> = rearms
            .iter()
            .filter_map(|r| Some(Alarm::new(AlarmKind::Patient, "", r.wake_at?, r.id.0)))
            .collect();
        alarms::put(tx, &next).await?;
        for reminder in &all_new {
            metrics::counter!("carebell_reminders_total", "state" => reminder.state.word())
                .increment(1);
        }
        Ok(written)
    }

    /// Queues messages for the reminders that want one, and sets their alarms.
    async fn give_messages(
        &self,
        tx: &mut Tx,
        now: UtcMs,
        standings: &BTreeMap<PatientId, Standing>,
        new: &mut [reminders::ReminderRow],
        replanned: &mut [reminders::ReminderRow],
    ) -> Result<()> {
        let queued = |r: &&reminders::ReminderRow| r.state == ReminderState::Queued;
        let wanting: Vec<_> = new.iter().chain(replanned.iter()).filter(queued).collect();
        let Some(earliest) = wanting.iter().map(|r| r.due_at.minute()).min() else {
            return Ok(());
        };
        let owners = distinct(wanting.iter().map(|r| r.patient));
        let mut existing: BTreeMap<PatientId, Vec<_>> = BTreeMap::new();
        for message in messages::at_minutes(tx, &owners, earliest).await? {
            existing.entry(message.patient).or_default().push(message);
        }
        let mut rng = self.deps.rng.fork();
        let mut put = Vec::new();
        let mut stale = Vec::new();
        for owner in owners {
            let Some(standing) = standings.get(&owner) else { continue };
            let sender = |class| self.sender(standing, class, now);
            let known = existing.remove(&owner).unwrap_or_default();
            let named: BTreeMap<_, _> = known
                .iter()
                .filter_map(|m| {
                    Some((m.id, Alarm::new(AlarmKind::Message, &m.lane, m.wake_at?, m.id.0)))
                })
                .collect();
            let mut mine: Vec<_> = new
                .iter_mut()
                .chain(replanned.iter_mut())
                .filter(|r| r.patient == owner && r.state == ReminderState::Queued)
                .collect();
            let mut rows: Vec<_> = mine.iter().map(|r| (**r).clone()).collect();
            let gathered = gather(&mut rows, known, &sender, now, &mut rng);
            for (to, from) in mine.iter_mut().zip(rows) {
                **to = from;
            }
            stale.extend(gathered.iter().filter_map(|m| named.get(&m.id).cloned()));
            put.extend(gathered);
        }
        let fresh: Vec<Alarm> = put
            .iter()
            .filter_map(|m| Some(Alarm::new(AlarmKind::Message, &m.lane, m.wake_at?, m.id.0)))
            .collect();
        alarms::drop_all(tx, &stale).await?;
        messages::put(tx, &put).await?;
        alarms::put(tx, &fresh).await
    }

    /// Queues messages that take back or move what went into calendars and no longer holds.
    async fn mend_calendars(
        &self,
        tx: &mut Tx,
        now: UtcMs,
        standings: &BTreeMap<PatientId, Standing>,
    ) -> Result<()> {
        let owners: Vec<PatientId> = standings.keys().copied().collect();
        let entries = invites::open(tx, &owners, now).await?;
        if entries.is_empty() {
            return Ok(());
        }
        let before = distinct(entries.iter().filter_map(|entry| entry.followed_by));
        let before = messages::lock(tx, &before).await?;
        let before: BTreeMap<_, _> = before.into_iter().map(|row| (row.id, row)).collect();
        let mut rng = self.deps.rng.fork();
        for entries in entries.chunk_by(|a, b| a.patient == b.patient) {
            let Some(standing) = entries.first().and_then(|e| standings.get(&e.patient)) else {
                continue;
            };
            let programme = self.deps.programmes.get(&standing.row.programme);
            let zone = self.deps.zones.zone(&standing.row.patient.zone);
            let (Some(programme), Some(zone)) = (programme, zone) else { continue };
            let all = follow_ups(now, standing, programme, &zone, entries, &before, &mut rng);
            for FollowUp { message, entries } in all {
                let alarm = Alarm::new(AlarmKind::Message, &message.lane, now, message.id.0);
                messages::put(tx, std::slice::from_ref(&message)).await?;
                alarms::put(tx, &[alarm]).await?;
                invites::follow(tx, &entries, message.id).await?;
            }
        }
        Ok(())
    }

    /// The sender on whose lane a patient's messages of a class wait; the claim decides anew (P6).
    fn sender(&self, standing: &Standing, class: Class, now: UtcMs) -> Option<&str> {
        let programme = self.deps.programmes.get(&standing.row.programme)?;
        let configured: Vec<ChannelKind> = self.deps.senders.keys().copied().collect();
        let channels = Channels { configured: &configured, tariff: &self.deps.tariff };
        let price = |to: &KnownContact| channels.price(standing, programme, class, to);
        let contact = choose(&channels.choice(now, standing, programme, class, &price)).ok()?;
        self.deps.senders.get(&contact.channel).map(String::as_str)
    }

    async fn step_failed(&self, id: PatientId, now: UtcMs) -> Result<()> {
        let mut tx = self.deps.store.write().await?;
        let failures = step_failed(&mut tx, id).await?;
        tracing::warn!(patient_id = %id, failures, "waking a patient broke");
        metrics::counter!("carebell_steps_broken_total", "step" => "wake").increment(1);
        if failures >= TRIES {
            self.park(&mut tx, id, now).await?;
        }
        tx.commit().await
    }

    /// Nothing wakes the patient any more, until a person has looked.
    async fn park(&self, tx: &mut Tx, id: PatientId, now: UtcMs) -> Result<()> {
        alarms::drop_of(tx, AlarmKind::Patient, id.0).await?;
        unarm(tx, id, TRIES).await?;
        let task = NewTask {
            id: TaskId::new(now, &mut self.deps.rng.fork()),
            patient: Some(id),
            kind: TaskKind::Parked,
            subject: id.to_string(),
            reason: Reason::Poisoned,
            due_at: now.plus_ms(DAY_MS),
        };
        tasks::open(tx, &task, now).await?;
        tracing::error!(patient_id = %id, "a patient is parked: see the open task");
        Ok(())
    }
}

/// Patients that are due: in due order, or, when they are behind, half of them the newest, so that who comes due now
/// does not wait for everybody before.
async fn due(tx: &mut Tx, now: UtcMs, limit: usize) -> Result<Vec<alarms::Due>> {
    let mut due = alarms::due(tx, AlarmKind::Patient, "", now, limit).await?;
    if is_behind(due.first().map(|due| UtcMs(due.wake_at_ms)), now) && due.len() == limit {
        due.truncate(limit / 2);
        let newest = alarms::newest(tx, AlarmKind::Patient, "", now, limit - due.len()).await?;
        let fresh: Vec<_> = newest.into_iter().filter(|one| !due.contains(one)).collect();
        due.extend(fresh);
    }
    Ok(due)
}

/// When a daemon was last at work.
async fn at_work(tx: &mut Tx) -> Result<Option<UtcMs>> {
    let at = meta::get(tx, fact::AT_WORK_MS).await?;
    Ok(at.and_then(|ms| ms.parse().ok()).map(UtcMs))
}

/// Stopped reminders that were open when an intent for their message was made.
async fn attempted(
    tx: &mut Tx,
    by_patient: &BTreeMap<PatientId, Vec<reminders::ReminderRow>>,
) -> Result<BTreeSet<ReminderId>> {
    let mut spoken_for: BTreeMap<MessageId, Vec<&reminders::ReminderRow>> = BTreeMap::new();
    for reminder in by_patient.values().flatten() {
        if let (true, Some(message)) = (reminder.was_stopped(), reminder.message) {
            spoken_for.entry(message).or_default().push(reminder);
        }
    }
    if spoken_for.is_empty() {
        return Ok(BTreeSet::new());
    }
    let messages: Vec<MessageId> = spoken_for.keys().copied().collect();
    let mut attempted = BTreeSet::new();
    for attempt in attempts::of_messages(tx, &messages).await? {
        let held = spoken_for.get(&attempt.message).into_iter().flatten();
        attempted.extend(held.filter(|r| r.was_open_at(attempt.intent_at)).map(|r| r.id));
    }
    Ok(attempted)
}

/// A patient whose programme or zone this binary does not know is looked at again in an hour; the watch counts
/// them, and nothing is sent by rules that are not theirs.
fn without_rules(standing: &Standing, now: UtcMs) -> Rearm {
    tracing::error!(
        patient_id = %standing.row.id,
        "a patient's programme or zone is unknown to this daemon: add the programme, or correct the zone"
    );
    Rearm {
        id: standing.row.id,
        expanded_until: standing.row.expanded_until,
        changed_until: standing.row.changed_until,
        wake_at: Some(now.plus_ms(crate::care::time::HOUR_MS)),
        zone_hash: standing.row.zone_hash.clone(),
    }
}

/// Whether a fault lies in the rows in hand rather than in the database.
fn is_poison(fault: &crate::store::StoreError) -> bool {
    !matches!(fault, crate::store::StoreError::Driver(_))
}
