//! The simulated house: operations applied to it, and what an onlooker remembers of them.

use super::acts::Held;
use super::ops::{DOSE_TIMES, NEIGHBOUR, Op, RESIDENTS, Resident, ZONES};
use crate::house::{House, MONDAY, On, doing, medicine, person};
use carebell::care::ids::{ActivityId, PatientId};
use carebell::care::{ActivityKind, ChannelKind, ContactHealth, PatientStatus, UtcMs};
use carebell::cli::daemon::Daemon;
use carebell::clock::Clock as _;
use carebell::crash::Trap;
use carebell::sandbox::{AnswerFault, CallbackFault, Channel, Fault, Rule};
use carebell::store::Tx;
use carebell::store::alarms::{self, AlarmKind};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A daemon and the trap it runs under.
pub(super) struct Life {
    pub(super) daemon: Daemon,
    pub(super) trap: Trap,
}

/// What an onlooker knows of a resident, independent of the daemon.
pub struct Remembered {
    pub patient: PatientId,
    pub dose: ActivityId,
    /// Activities with their wall-clock times; the dose's are in `doses`.
    pub others: Vec<(ActivityId, &'static [&'static str])>,
    /// Index into the dose times, the newest last; `None` while the dose has ended.
    pub doses: Vec<Option<usize>>,
    pub zone: usize,
    /// When anything of this patient's was changed last.
    pub changed_at: UtcMs,
    pub paused: bool,
    pub stopped: bool,
    pub bad: bool,
    /// Stretches of the ledger in which nothing but answers may leave, and why.
    pub silences: Vec<Silence>,
    /// Stretches in which nothing may leave to the first address.
    pub bad_stretches: Vec<Silence>,
}

/// A stretch of the ledger, both ends left out; open while `to` is none.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    pub from: u64,
    pub to: Option<u64>,
    pub why: &'static str,
}

impl Silence {
    pub fn covers(&self, seq: u64) -> bool {
        self.from < seq && self.to.is_none_or(|to| seq <= to)
    }
}

/// Opens a stretch when something forbids, closes it when nothing does any more.
fn stretch(stretches: &mut Vec<Silence>, why: Option<&'static str>, seq: u64) {
    let open = stretches.last_mut().filter(|last| last.to.is_none());
    match (open, why) {
        (None, Some(why)) => stretches.push(Silence { from: seq, to: None, why }),
        (Some(open), None) => open.to = Some(seq),
        _ => {}
    }
}

/// Steps at one instant: more are a loop without an end.
const MOST_STEPS: u32 = 1_500;
/// Alarms that ring in an hour of the house, one after the other: more are a loop without an end.
const MOST_RINGS_AN_HOUR: i64 = 1_000;
/// Steps that failed for the database in one list: every cut connection is one.
const MOST_FAULTS: usize = 1_000;
/// A net under waits that nothing else ends.
const GIVE_UP: Duration = Duration::from_mins(1);
/// Real time: a list may wait for it.
const REQUEST_TIMEOUT_MS: i64 = 1_000;
/// How often it is looked whether what is in flight has come down.
pub(super) const LOOK: Duration = Duration::from_micros(300);

pub struct World {
    pub house: House,
    pub people: Vec<Remembered>,
    pub poisoned: bool,
    pub(super) lives: Vec<Life>,
    /// Faults of the database seen by a step.
    faults: usize,
    pub holds: Vec<Held>,
    /// Why it never came to rest (P2); nothing goes on then.
    pub restless: Vec<String>,
    pub crashes: usize,
    /// How often a daemon stood still past its lease.
    pub stalled: usize,
    /// How often nobody waited for an answer any more.
    pub timed_out: usize,
    /// The zone in which the addressee of each entry of the ledger lived then.
    pub zones_then: BTreeMap<u64, usize>,
}

impl World {
    pub async fn build(on: On) -> Option<Self> {
        let house = House::with_timeout(on, REQUEST_TIMEOUT_MS).await?;
        let mut people = Vec::new();
        for resident in &RESIDENTS {
            let id = house.patient(person(resident.phone(), ZONES[0].0, resident.contacts)).await;
            let dose = house.activity(id, medicine("dose", &[DOSE_TIMES[resident.dose]])).await;
            let mut others = Vec::new();
            for (kind, key, times) in [
                (ActivityKind::Measurement, "m", &["10:00", "16:00"][..]),
                (ActivityKind::Education, "e", &["11:00"][..]),
            ] {
                others.push((house.activity(id, doing(kind, key, times)).await, times));
            }
            people.push(Remembered {
                patient: id,
                dose,
                others,
                doses: vec![Some(resident.dose)],
                zone: 0,
                changed_at: MONDAY,
                paused: false,
                stopped: false,
                bad: false,
                silences: Vec::new(),
                bad_stretches: Vec::new(),
            });
        }
        let mut neighbour = person(NEIGHBOUR, ZONES[0].0, &[(ChannelKind::Sms, NEIGHBOUR)]);
        "hi".clone_into(&mut neighbour.language);
        let neighbour = house.patient(neighbour).await;
        house.activity(neighbour, medicine("dose", &["08:00"])).await;
        let mut world = Self {
            house,
            people,
            poisoned: false,
            lives: Vec::new(),
            faults: 0,
            holds: Vec::new(),
            restless: Vec::new(),
            crashes: 0,
            stalled: 0,
            timed_out: 0,
            zones_then: BTreeMap::new(),
        };
        world.begin_life().await;
        world.play_until(MONDAY.plus_ms(7 * 3_600_000 + 30 * 60_000)).await;
        Some(world)
    }

    pub fn now(&self) -> UtcMs {
        self.house.clock.now()
    }

    async fn begin_life(&mut self) {
        let trap = Trap::default();
        let daemon = trap.run(async { self.house.daemon() }).await.unwrap();
        self.lives.push(Life { daemon, trap });
    }

    /// Steps every daemon until nothing is due, in flight or to be read; the dead are replaced.
    pub async fn settle(&mut self) {
        let mut steps = 0_u32;
        let began = Instant::now();
        while self.restless.is_empty() {
            // What is held back by the script goes on: nobody else would let it.
            self.house.sandbox.release();
            let mut stepped = false;
            for life in &self.lives {
                match life.trap.run(life.daemon.step()).await {
                    None => {}
                    Some(Ok(more)) => stepped |= more,
                    Some(Err(fault)) => {
                        self.faults += 1;
                        stepped = true;
                        if self.faults > MOST_FAULTS {
                            self.restless.push(format!("P2: steps fail for ever: {fault}"));
                        }
                    }
                }
            }
            self.house.sandbox.tick().await;
            let mut quiet = self.house.sandbox.is_idle();
            for life in self.lives.iter().filter(|life| !life.trap.has_fallen()) {
                quiet &= life.daemon.is_quiet().await.unwrap_or(false);
            }
            let fallen = self.lives.iter().filter(|life| life.trap.has_fallen());
            quiet &= fallen.clone().all(|life| life.trap.under_way() <= self.house.sandbox.held());
            if !stepped && quiet {
                if fallen.count() == 0 {
                    return;
                }
                self.bury().await;
            }
            steps += u32::from(stepped);
            if steps > MOST_STEPS || began.elapsed() > GIVE_UP {
                let at = self.now().rfc3339();
                self.restless.push(format!("P2: never at rest, {steps} steps at {at}"));
            } else if stepped {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// The dead are replaced, and their leases end: what they had in flight arrived or did not long ago.
    async fn bury(&mut self) {
        let before = self.lives.len();
        self.lives.retain(|life| !life.trap.has_fallen());
        self.crashes += before - self.lives.len();
        if self.lives.is_empty() {
            self.begin_life().await;
        }
        self.end_leases().await;
        let life = &self.lives[0];
        if let Some(recovered) = life.trap.run(life.daemon.recover()).await {
            recovered.unwrap();
        }
    }

    pub(super) async fn end_leases(&self) {
        self.house.damage("UPDATE attempts SET lease_until_ms = 0 WHERE state = 'intent'").await;
    }

    /// Leases run on the database's real clock: those of unknown outcomes are over when these are looked at.
    async fn end_leases_of_unknown(&self) {
        let mut tx = self.house.app.store.write().await.unwrap();
        let next = alarms::next(&mut tx, AlarmKind::Settle).await.unwrap();
        if next.is_some_and(|at| at <= self.now()) {
            const OVER: &str = "UPDATE attempts SET lease_until_ms = 0 WHERE state = 'unknown'";
            match &mut tx {
                Tx::Sqlite(tx) => drop(sqlx::query(OVER).execute(&mut **tx).await.unwrap()),
                Tx::Postgres(tx) => drop(sqlx::query(OVER).execute(&mut **tx).await.unwrap()),
            }
        }
        tx.commit().await.unwrap();
    }

    /// Moves the clock from alarm to alarm up to `until`, settling at each.
    pub async fn play_until(&mut self, until: UtcMs) {
        self.settle().await;
        let (from, mut rings) = (self.now(), 0);
        while self.restless.is_empty() {
            rings += 1;
            if rings > MOST_RINGS_AN_HOUR * (self.now().since(from) / 3_600_000 + 1) {
                let at = self.now().rfc3339();
                self.restless.push(format!("P2: {rings} alarms rang by {at}"));
            }
            let daemon = &self.lives[0].daemon;
            let next = [daemon.next_alarm().await.unwrap(), self.house.sandbox.next_at()];
            let now = self.now();
            match next.into_iter().flatten().min() {
                // What is due and not taken is held back by a paused channel: a while passes.
                Some(at) if at <= now && now.plus_ms(10_000) <= until => {
                    self.house.clock.advance_ms(10_000);
                }
                Some(at) if at > now && at <= until => self.house.clock.set(at),
                _ => break,
            }
            self.end_leases_of_unknown().await;
            self.settle().await;
        }
        self.house.clock.set(until);
        self.settle().await;
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.house.sandbox.ledger().entries().last().map_or(0, |entry| entry.seq)
    }

    /// Remembers from where on, and until where, a person must not be written to.
    fn hush(&mut self, who: usize) {
        let seq = self.last_seq();
        let person = &mut self.people[who];
        let why = match (person.stopped, person.paused) {
            (true, _) => Some("after STOP"),
            (_, true) => Some("while paused"),
            _ => None,
        };
        stretch(&mut person.silences, why, seq);
        stretch(&mut person.bad_stretches, person.bad.then_some("to a bad address"), seq);
    }

    pub async fn apply(&mut self, op: &Op) {
        // What was claimed before a change has left before it.
        self.settle().await;
        self.look();
        let now = self.now();
        match op {
            Op::Advance { minutes } => self.play_until(now.plus_ms(minutes * 60_000)).await,
            Op::Outage { minutes } => self.outage(*minutes).await,
            Op::EditDose { who, time } => self.dose(*who, Some(*time)).await,
            Op::RevertDose { who } => {
                let doses = &self.people[*who].doses;
                let before = doses.len().checked_sub(2).and_then(|at| doses[at]);
                self.dose(*who, before.or(Some(0))).await;
            }
            Op::EndDose { who } => self.dose(*who, None).await,
            Op::Pause { who } => {
                self.house.status(self.people[*who].patient, PatientStatus::Paused).await;
                self.people[*who].paused = true;
                self.hush(*who);
            }
            Op::Resume { who } => {
                self.house.status(self.people[*who].patient, PatientStatus::Active).await;
                self.people[*who].paused = false;
                self.hush(*who);
            }
            Op::Stop { who } => {
                self.says(*who, "STOP").await;
                self.people[*who].stopped = true;
                self.hush(*who);
            }
            Op::Start { who } => {
                // Who writes from an address shows that it works.
                self.people[*who].bad = false;
                self.people[*who].stopped = false;
                self.hush(*who);
                self.says(*who, "START").await;
            }
            Op::Move { who, zone } => {
                let name = ZONES[*zone].0.to_owned();
                self.people[*who].zone = *zone;
                self.house.change(self.people[*who].patient, |p| p.zone = name).await;
            }
            Op::GoneBad { who } => {
                self.health(*who, ContactHealth::Bad).await;
                self.people[*who].bad = true;
                self.hush(*who);
            }
            Op::Mended { who } => {
                self.people[*who].bad = false;
                self.hush(*who);
                self.health(*who, ContactHealth::Ok).await;
            }
            Op::Misbehave(rule) => self.house.sandbox.faults().add(rule.clone()),
            Op::LoseAllTrace => {
                let fault = |fault| Rule::once(fault).on(Channel::Whatsapp);
                self.house.sandbox.faults().add(fault(Fault::Answer(AnswerFault::Drop)));
                self.house.sandbox.faults().add(fault(Fault::Callbacks(CallbackFault::Off)));
            }
            Op::Crash { point, nth } => self.lives[0].trap.arm(point, *nth),
            Op::Stall { minutes } => self.stall(*minutes).await,
            Op::TimeOut { who } => self.time_out(*who).await,
            Op::StopSending => self.hold(None).await,
            Op::ResumeSending => self.lift(None).await,
            Op::PauseChannel { channel } => self.hold(Some(*channel)).await,
            Op::ResumeChannel { channel } => self.lift(Some(*channel)).await,
            Op::Rival if self.lives.len() < 2 => self.begin_life().await,
            Op::CutDatabase => self.cut_database().await,
            Op::Poison => {
                let damaged = "UPDATE patients SET document = {bytes} WHERE language = 'hi'";
                self.house.damage(damaged).await;
                self.poisoned = true;
            }
            Op::Rival => {}
        }
        if let Op::EditDose { who, .. }
        | Op::RevertDose { who }
        | Op::EndDose { who }
        | Op::Pause { who }
        | Op::Resume { who }
        | Op::Stop { who }
        | Op::Start { who }
        | Op::Move { who, .. }
        | Op::GoneBad { who }
        | Op::Mended { who } = op
        {
            self.people[*who].changed_at = self.now();
        }
    }

    /// Looks at what left since the last look.
    pub fn look(&mut self) {
        for entry in self.house.sandbox.ledger().entries() {
            let reached = |r: &Resident| r.contacts.iter().any(|(_, a)| *a == entry.message.to);
            if let Some(who) = RESIDENTS.iter().position(reached) {
                self.zones_then.entry(entry.seq).or_insert(self.people[who].zone);
            }
        }
    }

    /// Everything that was to come comes: faults over, traps away, some hours lived, then a day slept through, so that
    /// whatever is left has outlived its validity.
    pub async fn end(&mut self) {
        self.house.sandbox.faults().clear();
        for life in &self.lives {
            life.trap.disarm();
        }
        for channel in [None, Some(Channel::Whatsapp), Some(Channel::Twilio), Some(Channel::Email)]
        {
            self.lift(channel).await;
        }
        self.settle().await;
        self.play_until(self.now().plus_ms(5 * 3_600_000)).await;
        self.house.clock.advance_ms(25 * 3_600_000);
        self.play_until(self.now().plus_ms(3_600_000)).await;
        self.look();
    }
}
