//! A state folder with patients, filled by the library's own functions, and the binary that looks at it.

use carebell::care::contact::ConsentDecision;
use carebell::care::ids::{ActivityId, PatientId};
use carebell::care::patient::Origin;
use carebell::care::time::{DAY_MS, HOUR_MS};
use carebell::care::{
    Activity, ActivityKind, ActivityStatus, Address, ChannelKind, Confidence, ConsentBasis,
    ContactPoint, Dosage, Patient, PatientStatus, Phi, Routine, Schedule, TextStyle, UtcMs,
};
use carebell::cli::app::{App, Sources, Stamp};
use carebell::clock::{Clock as _, ManualClock, SystemClock};
use carebell::config::{Environment, User};
use carebell::schedule::{Scheduler, SchedulerDeps};
use carebell::security::SharedRng;
use carebell::store::activities::{self, PutActivity};
use carebell::store::patients::{self, PutPatient};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

pub const PHONE: &str = "+12025550101";
pub const TITLE: &str = "Metformin 500 mg";

/// Business time of everything seeded: an hour after noon in Nairobi, two days ago.
pub fn seeded_at() -> UtcMs {
    let today = SystemClock.now().0.div_euclid(DAY_MS) * DAY_MS;
    UtcMs(today - 2 * DAY_MS + 10 * HOUR_MS)
}

pub struct Home {
    folder: TempDir,
}

/// What a run of the binary said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub answer: String,
    pub talk: String,
}

impl Said {
    /// The talk, wherever its lines break.
    pub fn words(&self) -> String {
        self.talk.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub fn json(&self) -> serde_json::Value {
        let parsed = serde_json::from_str(&self.answer);
        parsed.unwrap_or_else(|_| unreadable(self))
    }
}

fn unreadable(said: &Said) -> serde_json::Value {
    assert_eq!(said.talk, "", "{}", said.answer);
    serde_json::Value::Null
}

impl Home {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn state(&self) -> PathBuf {
        self.folder().join("state")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carebell"));
        command
            .args(arguments)
            .env_clear()
            .env("CAREBELL_STATE_DIR", self.state())
            .env("CAREBELL_SCHEDULES__DIR", self.folder().join("absent"))
            .current_dir(self.folder())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(&[], arguments)
    }

    pub fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
        let mut command = self.command(arguments);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said {
            code: output.status.code().unwrap(),
            answer: text(output.stdout),
            talk: text(output.stderr),
        }
    }

    /// Runs the binary with the SMS channel of [`SMS`].
    pub fn with_sms(&self, arguments: &[&str]) -> Said {
        let sms = SMS.map(|(key, value)| (format!("CAREBELL_{key}"), value));
        let variables: Vec<(&str, &str)> = sms.iter().map(|(key, v)| (key.as_str(), *v)).collect();
        self.run_with(&variables, arguments)
    }

    /// Writes a file of the schedules folder.
    pub fn schedule(&self, path: &str, text: &str) {
        let path = self.folder().join("absent").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The installation at a business time of the test's own, with an SMS channel that nobody answers.
    pub async fn open(&self, now: UtcMs) -> (App, Arc<ManualClock>) {
        let set = |(key, value): (&str, &str)| (format!("CAREBELL_{key}"), value.to_owned());
        let state = self.state();
        let mut variables: std::collections::BTreeMap<_, _> = SMS.into_iter().map(set).collect();
        variables.insert("CAREBELL_STATE_DIR".into(), state.display().to_string());
        let environment = Environment {
            variables,
            working_dir: self.folder().to_owned(),
            system_dir: self.folder().to_owned(),
            user: User::Other,
        };
        let loaded = carebell::config::load(None, &environment).unwrap();
        let clock = Arc::new(ManualClock::new(now));
        let sources = Sources { clock: clock.clone(), rng: Arc::new(SharedRng::from_os()) };
        (App::open_with(&loaded, sources, Stamp::Configured).await.unwrap(), clock)
    }

    /// Inserts a patient in Nairobi with consent and a medication at 08:00 and 20:00.
    pub async fn patient(&self, name: &str) -> PatientId {
        self.patient_with(name, |_, _| {}).await.0
    }

    /// The same with a change to record and activity before they are stored.
    pub async fn patient_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut Patient, &mut Activity),
    ) -> (PatientId, ActivityId) {
        let (app, _) = self.open(seeded_at()).await;
        let now = app.clock.now();
        let (mut patient, mut activity) = (record(name, now), medication(now));
        change(&mut patient, &mut activity);
        let mut rng = app.rng.fork();
        let (id, activity_id) = (PatientId::new(now, &mut rng), ActivityId::new(now, &mut rng));
        let keys = app.store.keys();
        let mut tx = app.store.write().await.unwrap();
        let programme = "general";
        let put = PutPatient { id, programme, patient: &patient, fingerprint: vec![1] };
        patients::insert(&mut tx, keys, &mut rng, &[put], now).await.unwrap();
        let rows = patients::load(&mut tx, keys, &[id]).await.unwrap();
        patients::put_contacts(&mut tx, keys, &mut rng, &rows, now).await.unwrap();
        let consents: Vec<_> = patient.consents.iter().map(|c| (&rows[0], "import", c)).collect();
        patients::put_consents(&mut tx, keys, &mut rng, &consents, now).await.unwrap();
        let review = !activity.review.is_empty();
        let put = PutActivity {
            id: activity_id,
            patient: id,
            key: rows[0].key.clone(),
            activity: &activity,
            plan_key_hash: None,
            confidence: if review { Confidence::Review } else { Confidence::Exact },
            fingerprint: vec![1],
            reminders_from: now,
        };
        activities::insert(&mut tx, keys, &mut rng, &[put], now).await.unwrap();
        patients::disturb(&mut tx, &[id], now).await.unwrap();
        tx.commit().await.unwrap();
        app.store.close().await;
        (id, activity_id)
    }

    /// Acts on record whose name is like this: who and what, in order of time.
    pub async fn audited(&self, like: &str) -> Vec<String> {
        use sqlx::Connection as _;
        let file = self.state().join("carebell.db");
        let mut c = sqlx::SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
        let sql = "SELECT actor || ' ' || action FROM audit WHERE action LIKE $1 ORDER BY id";
        sqlx::query_scalar(sql).bind(like).fetch_all(&mut c).await.unwrap()
    }

    /// Wakes patients at their alarms from the seeding on, up to now.
    pub async fn wake(&self, ids: &[PatientId]) {
        let (app, clock) = self.open(seeded_at()).await;
        wake_until(&app, &clock, ids, SystemClock.now()).await;
        app.store.close().await;
    }
}

/// Wakes patients alarm by alarm.
pub async fn wake_until(app: &App, clock: &Arc<ManualClock>, ids: &[PatientId], until: UtcMs) {
    let scheduler = Scheduler::new(SchedulerDeps {
        home: Arc::new(carebell::home::Home::without_file(uuid::Uuid::from_u128(1))),
        store: app.store.clone(),
        clock: clock.clone(),
        zones: app.zones.clone(),
        programmes: app.programmes.clone(),
        tariff: app.tariff.clone(),
        senders: [(ChannelKind::Sms, "twilio".to_owned())].into(),
        rng: app.rng.clone(),
    });
    loop {
        while scheduler.tick().await.unwrap().woken > 0 {}
        let mut tx = app.store.read().await.unwrap();
        let rows = patients::load(&mut tx, app.store.keys(), ids).await.unwrap();
        let next = rows.iter().filter_map(|row| row.wake_at).min();
        match next.filter(|at| *at <= until) {
            Some(at) => clock.set(at),
            None => return,
        }
    }
}

/// Twilio on a loopback address that nothing listens on: channels are configured, nothing is sent.
pub const SMS: [(&str, &str); 5] = [
    ("CHANNELS__TWILIO__BASE_URL", "http://127.0.0.1:9"),
    ("CHANNELS__TWILIO__ACCOUNT_SID", "ACa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"),
    ("CHANNELS__TWILIO__AUTH_TOKENS", "token"),
    ("CHANNELS__TWILIO__FROM", "+15005550006"),
    ("HTTP__PUBLIC_URL", "http://127.0.0.1:8480"),
];

fn record(name: &str, now: UtcMs) -> Patient {
    let basis = Phi::from("asked at the clinic");
    Patient {
        key: Phi::from(name),
        name: Some(Phi::new(format!("Wanjiru {name}"))),
        birth_date: None,
        language: "en".to_owned(),
        zone: "Africa/Nairobi".to_owned(),
        zone_origin: Origin::Given,
        routine: Routine::default(),
        status: PatientStatus::Active,
        text_style: TextStyle::Discreet,
        contacts: vec![ContactPoint {
            channel: ChannelKind::Sms,
            address: Address::new(PHONE),
            rank: 1,
        }],
        consents: vec![ConsentBasis {
            channel: None,
            decision: ConsentDecision::Given,
            basis,
            at: now,
        }],
    }
}

fn medication(now: UtcMs) -> Activity {
    let timing = serde_json::json!({"repeat": {"frequency": 2, "period": 1, "periodUnit": "d",
        "timeOfDay": ["08:00:00", "20:00:00"]}});
    Activity {
        key: "order-1".to_owned(),
        kind: ActivityKind::Medication,
        class: ActivityKind::Medication.class(),
        status: ActivityStatus::Active,
        title: Phi::from(TITLE),
        instruction: None,
        drug: Some(Phi::from("metformin")),
        schedule: Schedule::Dosages(vec![Dosage::of(serde_json::from_value(timing).unwrap())]),
        anchor: now.to_utc().format("%Y-%m-%d").to_string(),
        review: Vec::new(),
    }
}
