//! The daemon's parts put together, and the loops that drive them. No timer object per patient exists: each
//! loop steps, then waits for the next alarm, a hint, or a second of real time at most.

mod loops;

use super::app::App;
use crate::care::UtcMs;
use crate::care::hold::{Hold, Scope};
use crate::care::ids::{InstanceId, new_uuid};
use crate::config::Engine;
use crate::deliver::Deliverer;
use crate::home::Home;
use crate::import::{Importer, Intake};
use crate::inbound::Inbound;
use crate::jobs::Jobs;
use crate::policy::pulse::{self, SLOW};
use crate::schedule::{Scheduler, SchedulerDeps};
use crate::store::alarms::AlarmKind;
use crate::store::meta::{self, InstanceRow};
use crate::store::{Result, alarms, attempts, database_clock_ms, homes};
use crate::watch::{ClockWatch, Watch};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// An instance that has not been heard of for so long shares no rate any more, in milliseconds: three beats.
const LIVES_MS: i64 = 15_000;
/// Messages that are overdue by more than this at the start tell of an outage, in milliseconds.
const OUTAGE_MS: i64 = 5 * 60 * 1_000;
/// An instance that has not been heard of for so long is off the list, in milliseconds.
const SILENT_MS: i64 = 24 * 60 * 60 * 1_000;

/// A daemon's parts.
#[derive(Clone)]
pub struct Daemon {
    pub(super) app: App,
    instance: InstanceId,
    home: Arc<Home>,
    scheduler: Scheduler,
    pub(super) deliverer: Deliverer,
    pub(super) inbound: Inbound,
    intake: Intake,
    pub(super) jobs: Jobs,
    watch: Watch,
    pub(super) clock_watch: ClockWatch,
    /// What lies behind an earlier run waits for a clock that is believed.
    owes_recovery: Arc<AtomicBool>,
    /// Told once, until it has room again.
    disk_is_low: Arc<AtomicBool>,
    pulse: Arc<Pulse>,
    /// When it was made.
    pub(super) started: UtcMs,
}

/// When each loop stepped last, in milliseconds since the daemon was made.
#[derive(Debug)]
struct Pulse {
    born: std::time::Instant,
    beats: [AtomicI64; LOOPS.len()],
}

/// Whether a turn of the settling loop is one of those that leave a trace.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Beat,
    Between,
}

/// The loops, by the names that readiness shows.
pub(super) const LOOPS: [&str; 3] = ["send", "inbound", "settle"];

impl Pulse {
    /// A loop has turned, at `now`: what alarms outside go by when this process says nothing any more.
    fn beat(&self, which: usize, now: UtcMs) {
        metrics::gauge!("carebell_last_cycle_timestamp_seconds", "loop" => LOOPS[which])
            .set(now.0 as f64 / 1e3);
        let age = i64::try_from(self.born.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.beats[which].store(age, Ordering::SeqCst);
    }

    fn silent(&self, which: usize) -> Duration {
        let last = u64::try_from(self.beats[which].load(Ordering::SeqCst)).unwrap_or(0);
        self.born.elapsed().saturating_sub(Duration::from_millis(last))
    }
}

impl Daemon {
    /// Puts the parts together; the writer of outcomes runs on `writers`.
    ///
    /// It remembers nothing outside the database: a demo's goes with its folder.
    pub fn new(app: App, declared: Vec<crate::jobs::Declared>, writers: &TaskTracker) -> Self {
        let id = new_uuid(app.clock.now(), &mut app.rng.fork());
        Self::in_home(app, declared, writers, Arc::new(Home::without_file(id)))
    }

    /// The same, in a home that outlasts it.
    pub fn in_home(
        app: App,
        declared: Vec<crate::jobs::Declared>,
        writers: &TaskTracker,
        home: Arc<Home>,
    ) -> Self {
        let instance = InstanceId::new(app.clock.now(), &mut app.rng.fork());
        let scheduler = Scheduler::new(SchedulerDeps {
            store: app.store.clone(),
            clock: Arc::clone(&app.clock),
            zones: app.zones.clone(),
            programmes: Arc::clone(&app.programmes),
            tariff: Arc::clone(&app.tariff),
            senders: app.channels.iter().map(|c| (c.kind(), c.name().to_owned())).collect(),
            rng: Arc::clone(&app.rng),
            home: Arc::clone(&home),
        });
        let deliver = app.deliverer_deps(instance, Arc::clone(&home));
        let deliverer = Deliverer::start(deliver.clone(), writers);
        let (watch, clock_watch) = (app.watch(), app.clock_watch());
        let jobs = app.jobs(deliver, clock_watch.clone(), declared);
        let intake = Intake::new(Importer::new(
            app.store.clone(),
            Arc::clone(&app.clock),
            app.zones.clone(),
            Arc::clone(&app.programmes),
            Arc::clone(&app.rng),
        ));
        let pulse = Pulse {
            born: std::time::Instant::now(),
            beats: std::array::from_fn(|_| AtomicI64::new(0)),
        };
        Self {
            started: app.clock.now(),
            inbound: Inbound::new(deliverer.clone()),
            intake,
            app,
            instance,
            home,
            scheduler,
            deliverer,
            jobs,
            watch,
            clock_watch,
            owes_recovery: Arc::new(AtomicBool::new(false)),
            disk_is_low: Arc::new(AtomicBool::new(false)),
            pulse: Arc::new(pulse),
        }
    }

    /// The opened installation.
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// The jobs.
    pub const fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// The deliverer.
    pub const fn deliverer(&self) -> &Deliverer {
        &self.deliverer
    }

    /// The inbound side.
    pub const fn inbound(&self) -> &Inbound {
        &self.inbound
    }

    /// Before the first step: intents of dead daemons found. On SQLite this process
    /// holds the only lock, so every open intent is a dead one's; on PostgreSQL leases decide.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recover(&self) -> Result<()> {
        let waits = self.clock_watch.look().await?.is_some();
        self.owes_recovery.store(waits, Ordering::SeqCst);
        if waits {
            return Ok(());
        }
        self.deliverer.look_back().await?;
        self.watch.begin().await?;
        self.beat().await?;
        let now = self.app.clock.now();
        let mut tx = self.app.store.read().await?;
        let lanes = alarms::lanes(&mut tx).await?;
        drop(tx);
        if lanes.iter().any(|lane| now.since(UtcMs(lane.wake_at_ms)) > OUTAGE_MS) {
            tracing::warn!(
                "messages are overdue: nothing was sent for a while, and sending begins slowly"
            );
            self.deliverer.pick_up();
        }
        let dead = match self.app.config.database.engine() {
            Engine::Sqlite => {
                let mut tx = self.app.store.read().await?;
                attempts::open_instances(&mut tx).await?
            }
            Engine::Postgres => Vec::new(),
        };
        self.deliverer.find_lost(&dead).await?;
        Ok(())
    }

    /// One step of everything that is due now; true when something was done, so that more may be due.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn step(&self) -> Result<bool> {
        self.step_media().await?;
        let sent = self.step_sends().await?;
        let heard = self.step_inbound().await?;
        let settled = self.step_settling(Turn::Beat).await?;
        Ok(sent || heard || settled > 0)
    }

    /// Whether business time may be acted by; the first time after a start in doubt it recovers first.
    async fn clock_is_believed(&self) -> Result<bool> {
        if self.clock_watch.look().await?.is_some() {
            return Ok(false);
        }
        if self.owes_recovery.load(Ordering::SeqCst) {
            self.recover().await?;
        }
        Ok(true)
    }

    /// Files on their way to providers; on a loop of its own, for it may take minutes.
    async fn step_media(&self) -> Result<()> {
        if self.app.hold.is_none() && self.clock_watch.look().await?.is_none() {
            self.deliverer.hand_over_media().await?;
        }
        Ok(())
    }

    async fn step_sends(&self) -> Result<bool> {
        if !self.clock_is_believed().await? {
            return Ok(false);
        }
        let woken = self.scheduler.tick().await?.woken;
        if self.app.hold.is_some() {
            let ended = self.deliverer.expire_held().await?;
            return Ok(woken > 0 || ended > 0);
        }
        let sent = self.deliverer.tick().await?;
        Ok(woken > 0 || sent.alarms > 0)
    }

    /// Callbacks are read whatever the clock shows: a STOP must be heard. Imports wait, for reminders begin with them.
    async fn step_inbound(&self) -> Result<bool> {
        let callbacks = self.inbound.tick().await?;
        if self.clock_watch.trouble().is_some() {
            return Ok(callbacks > 0);
        }
        let rows = self.intake.tick().await?;
        Ok(callbacks > 0 || rows > 0)
    }

    /// Settles what is due; with a beat it also records that callbacks are answered.
    async fn step_settling(&self, turn: Turn) -> Result<usize> {
        if self.clock_watch.look().await?.is_some() {
            return Ok(0);
        }
        if turn == Turn::Beat {
            self.inbound.stays_open().await?;
        }
        self.deliverer.settle().await
    }

    /// The earliest alarm of patients and messages; none while the clock is not believed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_alarm(&self) -> Result<Option<UtcMs>> {
        if self.clock_watch.trouble().is_some() {
            return Ok(None);
        }
        let mut tx = self.app.store.read().await?;
        let patients = alarms::next(&mut tx, AlarmKind::Patient).await?;
        let settle = alarms::next(&mut tx, AlarmKind::Settle).await?;
        let lanes = alarms::lanes(&mut tx).await?;
        // What is held back is not due, however long its alarm has rung.
        let opens =
            |lane: &alarms::Lane| self.deliverer.lane_opens(&lane.lane, UtcMs(lane.wake_at_ms));
        let messages = match self.app.hold {
            Some(_) => None,
            None => lanes.iter().filter_map(opens).min(),
        };
        Ok([patients, settle, messages].into_iter().flatten().min())
    }

    /// Whether no send is in flight and no callback waits to be read.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_quiet(&self) -> Result<bool> {
        Ok(self.deliverer.in_flight() == 0 && self.inbound.is_idle().await?)
    }

    async fn beat(&self) -> Result<()> {
        let fault = self.disk();
        if self.disk_is_low.swap(fault.is_some(), Ordering::SeqCst) != fault.is_some() {
            if let Some(fault) = fault {
                tracing::error!(fault, "the disk runs full: make room");
            } else {
                tracing::info!("the disk has room again");
            }
        }
        let mut tx = self.app.store.write().await?;
        let database_now = database_clock_ms(&mut tx).await?;
        let row = InstanceRow {
            id: self.instance.0,
            host: super::app::host_name(),
            pid: i64::from(std::process::id()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at_ms: self.app.clock.now().0,
            heartbeat_ms: database_now.0,
        };
        meta::beat(&mut tx, &row).await?;
        let live = meta::live_instances(&mut tx, database_now.plus_ms(-LIVES_MS)).await?;
        let all_sends = homes::all_sends(&mut tx).await?;
        tx.commit().await?;
        // On SQLite this process holds the only lock: whoever else is on the list is dead.
        if self.app.config.database.engine() == Engine::Postgres {
            self.deliverer.share_among(live);
        }
        // What a database in doubt says is not taken for more than was known.
        self.remember((!self.deliverer.is_in_doubt()).then_some(all_sends)).await;
        Ok(())
    }

    /// Makes what this home remembers outlast a power cut.
    async fn remember(&self, all_sends: Option<i64>) {
        let home = Arc::clone(&self.home);
        let written = tokio::task::spawn_blocking(move || {
            all_sends.map_or(Ok(()), |sends| home.heard(sends)).and_then(|()| home.sync())
        });
        if let Ok(Err(fault)) = written.await {
            tracing::error!(%fault, "the state file cannot be written");
        }
    }

    /// Stops claiming, waits for every outcome, and takes the instance off the list.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drain(&self) -> Result<()> {
        self.deliverer.drain().await;
        self.remember(None).await;
        let mut tx = self.app.store.write().await?;
        let database_now = database_clock_ms(&mut tx).await?;
        meta::leave(&mut tx, self.instance, database_now.plus_ms(-SILENT_MS)).await?;
        tx.commit().await
    }

    /// Loops that have not stepped for too long, by name: what the watchdog goes by.
    pub fn stuck(&self) -> Vec<&'static str> {
        self.loops(|silent| silent > SLOW)
    }

    /// Loops that will not step any more, by name, where nobody looked for `unwatched`: what the process ends by.
    pub fn gone(&self, unwatched: Duration) -> Vec<&'static str> {
        self.loops(|silent| pulse::judge(silent, unwatched) == pulse::Pulse::Gone)
    }

    fn loops(&self, which: impl Fn(Duration) -> bool) -> Vec<&'static str> {
        let named = LOOPS.into_iter().enumerate();
        named.filter(|(n, _)| which(self.pulse.silent(*n))).map(|(_, name)| name).collect()
    }

    /// One line for operators: `systemctl status` shows it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn summary(&self) -> Result<String> {
        if let Some(hold) = &self.app.hold {
            return Ok(format!("on hold: {hold}"));
        }
        if let Some(stop) = self.deliverer.holds().into_iter().find(holds_everything) {
            return Ok(format!("on hold: {stop}"));
        }
        if let Some(trouble) = self.clock_watch.trouble() {
            return Ok(format!("on hold: {trouble}"));
        }
        let next = self
            .next_alarm()
            .await?
            .map_or_else(|| "no alarm set".to_owned(), |at| format!("next {}", at.rfc3339()));
        Ok(format!(
            "{}: {} in flight, {next}",
            self.app.config.mode.word(),
            self.deliverer.in_flight()
        ))
    }
}

/// Whether a hold is on every channel.
fn holds_everything(hold: &Hold) -> bool {
    matches!(hold.scope, Scope::Sending | Scope::Restored)
}
