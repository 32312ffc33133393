//! A whole house for tests: daemon parts and stand-in over loopback, a clock that the test drives, either
//! database.

use carebell::care::contact::ConsentDecision;
use carebell::care::ids::{ActivityId, PatientId};
use carebell::care::patient::Origin;
use carebell::care::timing::{Repeat, Timing};
use carebell::care::{
    Activity, ActivityKind, ActivityStatus, Address, ChannelKind, Confidence, ConsentBasis,
    ContactPoint, Patient, PatientStatus, Phi, Routine, Schedule, TextStyle, UtcMs, ZoneRules as _,
};
use carebell::channel::Channels;
use carebell::cli::app::App;
use carebell::cli::daemon::Daemon;
use carebell::cli::stage;
use carebell::clock::{Clock, GuardedClock, ManualClock};
use carebell::config::{ChannelsConfig, Config, Mode};
use carebell::home::Home;
use carebell::http::{Limits, Parts};
use carebell::message::{Catalogue, Prices, Programmes, Tariff};
use carebell::policy::clock::FOLLOWED_MS;
use carebell::sandbox::{Sandbox, SandboxConfig};
use carebell::security::{Keyring, SharedRng};
use carebell::store::activities::{self, PutActivity};
use carebell::store::meta::{self, fact};
use carebell::store::patients::{self, PutPatient};
use carebell::store::reminders::{self, ReminderRow};
use carebell::store::{Store, connect_postgres, connect_sqlite, standing};
use carebell::zones::Zones;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// 2026-11-23T00:00:00Z, a Monday.
pub const MONDAY: UtcMs = UtcMs(1_795_392_000_000);

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Sqlite,
    Postgres,
}

pub struct House {
    pub app: App,
    pub daemon: Daemon,
    pub sandbox: Sandbox,
    pub clock: Arc<ManualClock>,
    pub home: Arc<Home>,
    /// Where callbacks reach it.
    pub url: String,
    _server: tokio_util::sync::DropGuard,
    dir: tempfile::TempDir,
    database: Option<crate::postgres::Database>,
}

/// Runs a test's body on SQLite and, where a server is installed, on PostgreSQL (P11).
macro_rules! on_both {
    ($name:ident, $body:expr) => {
        mod $name {
            use super::*;
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let Some(house) = House::build(On::Sqlite).await else { return };
                ($body)(house).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let Some(house) = House::build(On::Postgres).await else { return };
                ($body)(house).await;
            }
        }
    };
}
pub(crate) use on_both;

impl House {
    pub async fn build(on: On) -> Option<Self> {
        Self::with_timeout(on, 5_000).await
    }

    /// The same with another time for a request to a provider, in real milliseconds.
    pub async fn with_timeout(on: On, request_timeout_ms: i64) -> Option<Self> {
        Self::with_channels(on, request_timeout_ms, |_| ()).await
    }

    /// The same with other channels than those of the stand-in.
    pub async fn with_channels(
        on: On,
        request_timeout_ms: i64,
        change: impl FnOnce(&mut ChannelsConfig),
    ) -> Option<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let database = match on {
            On::Sqlite => None,
            On::Postgres => Some(crate::postgres::database().await?),
        };
        let store = connect(&dir, database.as_ref()).await;
        store.migrate().await.unwrap();
        let mut tx = store.write().await.unwrap();
        meta::set_once(&mut tx, fact::DATABASE_ID, "first").await.unwrap();
        tx.commit().await.unwrap();
        let zones = Zones::built_in();
        let (catalogue, programmes) = texts();
        let tariff = Tariff::new(Prices::load(None).unwrap(), Arc::clone(&catalogue));
        let clock = Arc::new(ManualClock::new(MONDAY));
        let sandbox_config: SandboxConfig = stage::sandbox_config(&programmes);
        let sandbox =
            Sandbox::start(sandbox_config.clone(), clock.clone() as Arc<dyn Clock>).await.unwrap();
        let mut config = config(&sandbox_config, &sandbox, dir.path(), database.as_ref());
        change(&mut config.channels);
        // The server's address is part of Twilio's signatures, so it is bound before the channels are built.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let public_url = format!("http://{address}");
        let channels = Channels::build(
            &config.channels,
            Mode::Sandbox,
            &public_url,
            request_timeout_ms,
            store.keys().tokens(),
        )
        .unwrap();
        let app = App {
            config: Arc::new(config),
            store,
            clock: Arc::new(GuardedClock::new(clock.clone(), FOLLOWED_MS)),
            rng: Arc::new(SharedRng::seeded(1)),
            zones: Arc::new(zones),
            programmes,
            catalogue,
            tariff: Arc::new(tariff),
            channels: Arc::new(channels),
            hold: None,
        };
        let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let home = Arc::new(Home::take(dir.path(), uuid::Uuid::from_u128(1)).unwrap());
        let daemon = Daemon::in_home(app.clone(), Vec::new(), &tracker, Arc::clone(&home));
        let limits = Limits::with_max_body_bytes(1 << 20);
        let parts = Parts {
            channels: (*app.channels).clone(),
            sink: Arc::new(daemon.clone()),
            leaving: Arc::new(daemon.clone()),
            readiness: Arc::new(daemon.clone()),
            metrics: Arc::new(String::new),
        };
        let router = carebell::http::router(parts, limits);
        let listen = address.to_string();
        carebell::http::start(&listen, router, limits, &tracker, shutdown.clone()).await.unwrap();
        sandbox.call_back(&public_url).unwrap();
        let server = shutdown.drop_guard();
        let url = public_url;
        Some(Self { app, daemon, sandbox, clock, home, url, _server: server, dir, database })
    }

    /// Steps until nothing is due, in flight or to be read at the clock's time.
    pub async fn settle(&self) {
        // What came in while a step was under way is for another step.
        let mut was_quiet = false;
        loop {
            let stepped = self.daemon.step().await.unwrap();
            self.sandbox.tick().await;
            let quiet = !stepped && self.daemon.is_quiet().await.unwrap() && self.sandbox.is_idle();
            if quiet && was_quiet {
                return;
            }
            was_quiet = quiet;
            tokio::task::yield_now().await;
        }
    }

    /// Moves the clock from alarm to alarm up to `until`, settling at each.
    pub async fn play_until(&self, until: UtcMs) {
        self.settle().await;
        loop {
            let next = [self.daemon.next_alarm().await.unwrap(), self.sandbox.next_at()];
            let now = self.clock.now();
            match next.into_iter().flatten().min() {
                // What is due and not taken is held back by a paused channel: a while passes.
                Some(at) if at <= now && now.plus_ms(1_000) <= until => {
                    self.clock.advance_ms(1_000);
                }
                Some(at) if at > now && at <= until => self.clock.set(at),
                _ => break,
            }
            self.settle().await;
        }
        self.clock.set(until);
        self.settle().await;
    }

    /// Adds a patient; consent to everything is given unless told otherwise.
    pub async fn patient(&self, patient: Patient) -> PatientId {
        let mut rng = self.app.rng.fork();
        let now = self.clock.now();
        let id = PatientId::new(now, &mut rng);
        let keys = self.app.store.keys();
        let mut tx = self.app.store.write().await.unwrap();
        let put = PutPatient { id, programme: "general", patient: &patient, fingerprint: vec![1] };
        patients::insert(&mut tx, keys, &mut rng, &[put], now).await.unwrap();
        let rows = patients::load(&mut tx, keys, &[id]).await.unwrap();
        patients::put_contacts(&mut tx, keys, &mut rng, &rows, now).await.unwrap();
        let consents: Vec<_> =
            patient.consents.iter().map(|consent| (&rows[0], "import", consent)).collect();
        patients::put_consents(&mut tx, keys, &mut rng, &consents, now).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Adds an activity, and wakes its patient as an import does.
    pub async fn activity(&self, patient: PatientId, activity: Activity) -> ActivityId {
        let mut rng = self.app.rng.fork();
        let now = self.clock.now();
        let id = ActivityId::new(now, &mut rng);
        let keys = self.app.store.keys();
        let mut tx = self.app.store.write().await.unwrap();
        patients::lock(&mut tx, &[patient]).await.unwrap();
        let key = patients::load(&mut tx, keys, &[patient]).await.unwrap()[0].key.clone();
        let put = PutActivity {
            id,
            patient,
            key,
            activity: &activity,
            plan_key_hash: None,
            confidence: if activity.review.is_empty() {
                Confidence::Exact
            } else {
                Confidence::Review
            },
            fingerprint: vec![1],
            reminders_from: now,
        };
        activities::insert(&mut tx, keys, &mut rng, &[put], now).await.unwrap();
        patients::disturb(&mut tx, &[patient], now).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Writes an activity anew, as an import does.
    pub async fn edit(&self, id: ActivityId, patient: PatientId, activity: &Activity) {
        let mut rng = self.app.rng.fork();
        let now = self.clock.now();
        let keys = self.app.store.keys();
        let mut tx = self.app.store.write().await.unwrap();
        patients::lock(&mut tx, &[patient]).await.unwrap();
        let known = standing::load(&mut tx, keys, &[patient]).await.unwrap();
        let known = &known[&patient];
        let row = known.activities.iter().find(|row| row.id == id).unwrap();
        let put = PutActivity {
            id,
            patient,
            key: known.row.key.clone(),
            activity,
            plan_key_hash: None,
            confidence: if activity.review.is_empty() {
                Confidence::Exact
            } else {
                Confidence::Review
            },
            fingerprint: vec![2],
            reminders_from: row.reminders_from,
        };
        activities::update(&mut tx, keys, &mut rng, &[put], now).await.unwrap();
        patients::disturb(&mut tx, &[patient], now).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Moves a patient's standing, as an operator does.
    pub async fn status(&self, patient: PatientId, status: PatientStatus) {
        let now = self.clock.now();
        let mut tx = self.app.store.write().await.unwrap();
        patients::lock(&mut tx, &[patient]).await.unwrap();
        patients::set_status(&mut tx, patient, status, now).await.unwrap();
        patients::disturb(&mut tx, &[patient], now).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Writes a patient's record anew, as an import does.
    pub async fn change(&self, id: PatientId, change: impl FnOnce(&mut Patient)) {
        let mut rng = self.app.rng.fork();
        let now = self.clock.now();
        let mut tx = self.app.store.write().await.unwrap();
        patients::lock(&mut tx, &[id]).await.unwrap();
        let row = patients::load(&mut tx, self.app.store.keys(), &[id]).await.unwrap().remove(0);
        // The sealed record has the status of its import; an operator's is in the row.
        let mut patient = Patient { status: row.status, ..row.patient };
        change(&mut patient);
        let put = PutPatient { id, programme: "general", patient: &patient, fingerprint: vec![2] };
        patients::update(&mut tx, &mut rng, &[(put, row.key)], now).await.unwrap();
        patients::disturb(&mut tx, &[id], now).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Lays files over the schedules in the binary, by their paths there, and starts the daemon anew.
    pub fn schedules(&mut self, files: &[(&str, &str)]) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let overlay = Some(folder.path());
        let catalogue = Arc::new(Catalogue::load(overlay).unwrap());
        let programmes = Programmes::load(overlay, &*self.app.zones, &catalogue).unwrap();
        let prices = Prices::load(overlay).unwrap();
        self.app.tariff = Arc::new(Tariff::new(prices, Arc::clone(&catalogue)));
        self.app.programmes = Arc::new(programmes);
        self.app.catalogue = catalogue;
        self.restart();
    }

    /// Drops the daemon with whatever it has in flight, and starts another one.
    pub fn restart(&mut self) {
        let (app, home) = (self.app.clone(), Arc::clone(&self.home));
        self.daemon = Daemon::in_home(app, Vec::new(), &TaskTracker::new(), home);
    }

    /// Keeps the database as it is now; the daemon then starts anew.
    pub async fn back_up(&mut self) {
        if self.database.is_none() {
            let copy = self.dir.path().join("copy.db");
            self.damage(&format!("VACUUM INTO '{}'", copy.display())).await;
        }
        self.app.store.close().await;
        if let Some(database) = &self.database {
            database.back_up().await;
        }
        self.open_again().await;
    }

    /// Puts back what was kept, as an operator does: the state folder's other files stay as they are.
    pub async fn restore(&mut self) {
        self.app.store.close().await;
        if let Some(database) = &self.database {
            database.restore().await;
        } else {
            let file = |name: &str| self.dir.path().join(name);
            for left in ["carebell.db-wal", "carebell.db-shm"] {
                let _ = std::fs::remove_file(file(left));
            }
            std::fs::rename(file("copy.db"), file("carebell.db")).unwrap();
        }
        self.open_again().await;
    }

    async fn open_again(&mut self) {
        self.app.store = connect(&self.dir, self.database.as_ref()).await;
        self.restart();
        self.daemon.recover().await.unwrap();
    }

    /// Another daemon on the same database.
    pub fn daemon(&self) -> Daemon {
        Daemon::new(self.app.clone(), Vec::new(), &TaskTracker::new())
    }

    /// A patient's reminders, by due time.
    pub async fn reminders_of(&self, patient: PatientId) -> Vec<ReminderRow> {
        let mut tx = self.app.store.read().await.unwrap();
        reminders::of_patients(&mut tx, &[patient], UtcMs(0)).await.unwrap()
    }

    /// The same as state and reason words.
    pub async fn story_of(&self, patient: PatientId) -> Vec<(&'static str, String)> {
        let told = |r: &ReminderRow| (r.state.word(), r.reason.word());
        self.reminders_of(patient).await.iter().map(told).collect()
    }

    /// When messages to an address were accepted, in minutes since Monday's first.
    pub fn accepted(&self, address: &str) -> Vec<i64> {
        let entries = self.sandbox.ledger().entries();
        let to = entries.iter().filter(|e| e.message.to == address);
        to.map(|e| e.at.since(MONDAY) / 60_000).collect()
    }

    /// Open tasks by kind.
    pub async fn tasks(&self) -> std::collections::BTreeMap<String, i64> {
        let mut tx = self.app.store.read().await.unwrap();
        carebell::store::tasks::count(&mut tx).await.unwrap().into_iter().collect()
    }

    /// Where the database is.
    pub fn database_url(&self) -> String {
        let file = || self.dir.path().join("carebell.db").to_string_lossy().into_owned();
        self.database.as_ref().map_or_else(file, crate::postgres::Database::url)
    }

    /// Damages rows behind the daemon's back. `{bytes}` stands for a byte string that opens with no key.
    pub async fn damage(&self, statement: &str) -> u64 {
        use sqlx::Connection as _;
        let sql = |bytes| sqlx::AssertSqlSafe(statement.replace("{bytes}", bytes));
        let url = self.database_url();
        if self.database.is_some() {
            let mut c = sqlx::PgConnection::connect(&url).await.unwrap();
            let done = sqlx::raw_sql(sql("'\\x00'::bytea")).execute(&mut c).await.unwrap();
            return done.rows_affected();
        }
        let mut c = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let done = sqlx::raw_sql(sql("x'00'")).execute(&mut c).await.unwrap();
        c.close().await.unwrap();
        done.rows_affected()
    }

    /// Every byte that SQLite has on disk; empty on PostgreSQL.
    pub fn bytes_on_disk(&self) -> Vec<u8> {
        if self.database.is_some() {
            return Vec::new();
        }
        let files = std::fs::read_dir(self.dir.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap_or_default()).collect()
    }

    /// How many reminders are in each state.
    pub async fn reminders(&self) -> std::collections::BTreeMap<String, i64> {
        let mut tx = self.app.store.read().await.unwrap();
        carebell::store::reminders::count(&mut tx).await.unwrap().into_iter().collect()
    }
}

async fn connect(dir: &tempfile::TempDir, database: Option<&crate::postgres::Database>) -> Store {
    let keys = Keyring::new(&[7; 32]);
    match database {
        None => connect_sqlite(&dir.path().join("carebell.db"), keys).await.unwrap(),
        Some(database) => {
            let options =
                sqlx::postgres::PgConnectOptions::from_str(database.url().as_str()).unwrap();
            connect_postgres([options], 8, keys).await.unwrap()
        }
    }
}

/// The texts and programmes of the binary, read once for all houses.
fn texts() -> (Arc<Catalogue>, Arc<Programmes>) {
    static TEXTS: LazyLock<(Arc<Catalogue>, Arc<Programmes>)> = LazyLock::new(|| {
        let catalogue = Catalogue::load(None).unwrap();
        let programmes = Programmes::load(None, &Zones::built_in(), &catalogue).unwrap();
        (Arc::new(catalogue), Arc::new(programmes))
    });
    TEXTS.clone()
}

fn config(
    sandbox_config: &SandboxConfig,
    sandbox: &Sandbox,
    dir: &std::path::Path,
    database: Option<&crate::postgres::Database>,
) -> Config {
    let environment = carebell::config::Environment::of_process();
    let mut config = carebell::config::load(None, &environment).unwrap().config;
    config.mode = Mode::Sandbox;
    config.state_dir = dir.to_owned();
    config.database.url = database.map(|d| d.url().as_str().to_owned()).unwrap_or_default();
    config.deliver.retry_seconds = vec![60, 300];
    config.channels = stage::channels_of(sandbox_config, sandbox);
    config
}

/// A patient in a zone, reached on these channels, who consented to all.
pub fn person(key: &str, zone: &str, contacts: &[(ChannelKind, &str)]) -> Patient {
    assert!(Zones::built_in().zone(zone).is_some(), "{zone}");
    Patient {
        key: Phi::from(key),
        name: Some(Phi::from("Amina Canary")),
        birth_date: None,
        language: "en".to_owned(),
        zone: zone.to_owned(),
        zone_origin: Origin::Given,
        routine: Routine::default(),
        status: PatientStatus::Active,
        text_style: TextStyle::Discreet,
        contacts: contacts
            .iter()
            .zip(1..)
            .map(|((channel, address), rank)| ContactPoint {
                channel: *channel,
                address: Address::new(*address),
                rank,
            })
            .collect(),
        consents: vec![ConsentBasis {
            channel: None,
            decision: ConsentDecision::Given,
            basis: Phi::from("signed form"),
            at: UtcMs(0),
        }],
    }
}

/// A medicine at these times of day.
pub fn medicine(key: &str, times: &[&str]) -> Activity {
    let repeat = Repeat {
        time_of_day: times.iter().map(|t| format!("{t}:00")).collect(),
        ..Repeat::default()
    };
    Activity {
        key: key.to_owned(),
        kind: ActivityKind::Medication,
        class: ActivityKind::Medication.class(),
        status: ActivityStatus::Active,
        title: Phi::from(format!("canary-drug-{key}")),
        instruction: None,
        drug: Some(Phi::from(format!("drug|{key}"))),
        schedule: Schedule::from(Timing { repeat: Some(repeat), ..Timing::default() }),
        anchor: "2026-11-20".to_owned(),
        material: None,
        review: Vec::new(),
    }
}

/// Something of another kind at these times of day.
pub fn doing(kind: ActivityKind, key: &str, times: &[&str]) -> Activity {
    Activity { kind, class: kind.class(), ..medicine(key, times) }
}

/// An instant of Monday, or of a later day when the hours pass 24.
pub fn at(hours: i64, minutes: i64) -> UtcMs {
    MONDAY.plus_ms((hours * 60 + minutes) * 60_000)
}

/// Monday, when what is due at 08:00 is planned and not sent yet.
pub fn planned() -> UtcMs {
    at(8, 0).plus_ms(-30_000)
}
