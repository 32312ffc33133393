//! The built daemon as a process of its own, on real time; the stand-in for the providers runs in this one.

use carebell::care::contact::ConsentDecision;
use carebell::care::ids::{ActivityId, PatientId};
use carebell::care::{Activity, ActivityKind, ConsentBasis, Patient, Phi, Schedule, Timing, UtcMs};
use carebell::cli::{app, stage};
use carebell::clock::{Clock as _, SystemClock};
use carebell::config::KindConfig;
use carebell::message::{Catalogue, Programmes};
use carebell::sandbox::{Sandbox, SandboxConfig};
use carebell::security::{Keyring, SharedRng};
use carebell::store::activities::{self, PutActivity};
use carebell::store::patients::{self, PutPatient};
use carebell::store::{Store, connect_postgres, connect_sqlite};
use carebell::zones::Zones;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UnixDatagram;

use crate::house::On;

/// A net under waits that nothing else ends; no test asserts on it.
pub const GIVE_UP: Duration = Duration::from_secs(100);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(5);
const MASTER_KEY: [u8; 32] = [7; 32];

/// What a test may want otherwise.
pub struct Wishes {
    pub permits: u32,
    pub messages_per_second: f64,
    pub sandbox: SandboxConfig,
    pub log_filter: &'static str,
}

impl Default for Wishes {
    fn default() -> Self {
        let zones = Zones::built_in();
        let catalogue = Catalogue::load(None).unwrap();
        let programmes = Programmes::load(None, &zones, &catalogue).unwrap();
        Self {
            permits: 64,
            messages_per_second: 1_000.0,
            sandbox: stage::sandbox_config(&programmes),
            log_filter: "info",
        }
    }
}

/// An installation: folder, configuration, key, database, and the providers it talks to.
pub struct Installation {
    pub sandbox: Sandbox,
    pub store: Store,
    pub url: String,
    /// What is started as the daemon: the built binary, or what a bench puts in its place.
    pub program: PathBuf,
    dir: tempfile::TempDir,
    notices: UnixDatagram,
    database: Option<crate::postgres::Database>,
}

impl Installation {
    /// `None` where there is no PostgreSQL server to be had.
    pub async fn make(on: On, mut wishes: Wishes) -> Option<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        app::make_state_dir(&state).unwrap();
        write_key(&state.join(app::MASTER_KEY_FILE), MASTER_KEY);
        let keys = Keyring::new(&MASTER_KEY);
        let (store, database) = match on {
            On::Sqlite => {
                (connect_sqlite(&state.join(app::SQLITE_FILE), keys).await.unwrap(), None)
            }
            On::Postgres => {
                let database = crate::postgres::database().await?;
                let options = sqlx::postgres::PgConnectOptions::from_str(&database.url()).unwrap();
                (connect_postgres([options], 4, keys).await.unwrap(), Some(database))
            }
        };
        store.migrate().await.unwrap();
        wishes.sandbox.ledger = Some(dir.path().join("ledger.ndjson"));
        let sandbox = Sandbox::start(wishes.sandbox.clone(), Arc::new(SystemClock)).await.unwrap();
        let url = format!("http://127.0.0.1:{}", free_port());
        sandbox.call_back(&url).unwrap();
        let notices = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_carebell"));
        let made = Self { sandbox, store, url, program, dir, notices, database };
        std::fs::write(made.config_file(), made.config(&wishes)).unwrap();
        Some(made)
    }

    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("carebell.toml")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// PostgreSQL's URL.
    pub fn database_url(&self) -> String {
        self.database.as_ref().unwrap().url()
    }

    /// Whether these words are in the log, wherever its lines break.
    pub fn said(&self, words: &str) -> bool {
        flat(&self.log()).contains(words)
    }

    /// Everything that all runs so far have said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn config(&self, wishes: &Wishes) -> String {
        let channels = stage::channels_of(&wishes.sandbox, &self.sandbox);
        let of = |name: &str| channels.get(name);
        let (
            Some(KindConfig::Whatsapp(whatsapp)),
            Some(KindConfig::Twilio(twilio)),
            Some(KindConfig::Email(email)),
        ) = (of("whatsapp"), of("twilio"), of("email"))
        else {
            panic!("the stage has all channels")
        };
        let database = self.database.as_ref().map(crate::postgres::Database::url);
        let mut text = String::new();
        write!(
            text,
            r#"
state_dir = "{state}"
database.url = "{database}"
http = {{ listen = "{listen}", public_url = "{url}" }}
schedules.dir = "{state}/schedules"
deliver = {{ permits = {permits}, lease_seconds = 20, retry_seconds = [1, 1, 1, 1, 1, 1] }}
log.filter = "{filter}"
[channels]
whatsapp = {{ base_url = "{whatsapp_url}", phone_number_id = "{phone}", access_token = "{access}", app_secrets = ["{app_secret}"], verify_token = "{verify}", messages_per_second = {pace:.1} }}
twilio = {{ base_url = "{twilio_url}", account_sid = "{sid}", auth_tokens = ["{auth}"], from = "{from}", segments_per_second = {pace:.1} }}
email = {{ url = "{smtp}", from = "{sender}", messages_per_second = {pace:.1}, connections = 4 }}
"#,
            state = self.state_dir().display(),
            database = database.unwrap_or_default(),
            listen = self.url.trim_start_matches("http://"),
            url = self.url,
            permits = wishes.permits,
            filter = wishes.log_filter,
            pace = wishes.messages_per_second,
            whatsapp_url = whatsapp.base_url,
            phone = whatsapp.phone_number_id,
            access = whatsapp.access_token.expose(),
            app_secret = whatsapp.app_secrets[0].expose(),
            verify = whatsapp.verify_token.expose(),
            twilio_url = twilio.base_url,
            sid = twilio.account_sid,
            auth = twilio.auth_tokens[0].expose(),
            from = twilio.from,
            smtp = email.url,
            sender = email.from,
        )
        .unwrap();
        text
    }

    /// Starts the daemon without waiting for it.
    pub fn spawn(&self) -> Running {
        self.spawn_with(&[])
    }

    /// Starts another instance on the same database, with a folder and a port of its own; it tells nobody either.
    pub fn spawn_other(&self, n: u32, environment: &[(&str, &str)]) -> Running {
        let config = self.dir.path().join(format!("other-{n}.toml"));
        if !config.exists() {
            let folder = self.dir.path().join(format!("other-{n}"));
            app::make_state_dir(&folder).unwrap();
            write_key(&folder.join(app::MASTER_KEY_FILE), MASTER_KEY);
            let listen = self.url.trim_start_matches("http://");
            let text = std::fs::read_to_string(self.config_file()).unwrap();
            let text = text
                .replace(&self.state_dir().display().to_string(), &folder.display().to_string())
                .replace(
                    &format!("listen = \"{listen}\""),
                    &format!("listen = \"127.0.0.1:{}\"", free_port_after(3_000 * n)),
                );
            std::fs::write(&config, text).unwrap();
        }
        self.spawn_on(&config, environment)
    }

    /// Where another instance that was started once listens.
    pub fn url_of(&self, n: u32) -> String {
        let text =
            std::fs::read_to_string(self.dir.path().join(format!("other-{n}.toml"))).unwrap();
        let (_, after) = text.split_once("listen = \"").unwrap();
        format!("http://{}", after.split('"').next().unwrap())
    }

    fn spawn_with(&self, environment: &[(&str, &str)]) -> Running {
        let notify = self.dir.path().join("notify");
        let told = [("NOTIFY_SOCKET", notify.to_str().unwrap())];
        self.spawn_on(&self.config_file(), &[&told, environment].concat())
    }

    /// Starts the daemon; it tells nobody when it is ready: a socket for notices that is not read would fill up and
    /// hold it.
    pub fn spawn_untold(&self, environment: &[(&str, &str)]) -> Running {
        self.spawn_on(&self.config_file(), environment)
    }

    fn spawn_on(&self, config: &Path, environment: &[(&str, &str)]) -> Running {
        let log = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.dir.path().join("log"))
            .unwrap();
        // As systemd does, WATCHDOG_PID names the process that WATCHDOG_USEC is for (sd_watchdog_enabled(3)).
        let child = Command::new("/bin/sh")
            .args(["-c", "WATCHDOG_PID=$$ exec \"$0\" run --config \"$1\""])
            .arg(&self.program)
            .arg(config)
            .env_clear()
            .envs(environment.iter().copied())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Running(child)
    }

    /// Starts the daemon and waits until it is ready.
    pub async fn start(&self) -> Running {
        self.start_with(&[]).await
    }

    /// The same, with more in its environment.
    pub async fn start_with(&self, environment: &[(&str, &str)]) -> Running {
        self.hear();
        let mut running = self.spawn_with(environment);
        self.until_told(&mut running, "READY=1").await;
        running
    }

    /// Hears what was told so far and nobody waited for: ten notices unheard would hold the daemon.
    pub fn hear(&self) {
        while self.notices.try_recv(&mut [0; 4096]).is_ok() {}
    }

    /// Waits for a notice to systemd with this in it, and returns the whole notice.
    pub async fn until_told(&self, running: &mut Running, wanted: &str) -> String {
        let began = Instant::now();
        let mut buffer = [0; 4096];
        loop {
            let soon = tokio::time::timeout(LOOK * 20, self.notices.recv(&mut buffer)).await;
            if let Ok(told) = soon {
                let notice = String::from_utf8_lossy(&buffer[..told.unwrap()]).into_owned();
                if notice.contains(wanted) {
                    return notice;
                }
            } else if let Some(status) = running.0.try_wait().unwrap() {
                panic!("ended with {status} before {wanted}: {}", self.log());
            }
            assert!(began.elapsed() < GIVE_UP, "never told {wanted}: {}", self.log());
        }
    }

    /// Adds patients with their activities, woken as an import wakes them.
    pub async fn enrol(&self, people: &[(Patient, Vec<Activity>)]) {
        enrol(&self.store, people).await;
    }

    /// An answer of the daemon's server: status and body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = client().get(format!("{}{path}", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

/// A client of the daemon's server.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Writes a master key that only its owner can read.
pub fn write_key(path: &Path, key: [u8; 32]) {
    let _ = std::fs::remove_file(path);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).unwrap();
    for byte in key {
        write!(file, "{byte:02x}").unwrap();
    }
}

/// A port below those that the system hands out: nobody else gets it while the daemon is down.
fn free_port() -> u16 {
    free_port_after(0)
}

fn free_port_after(offset: u32) -> u16 {
    let start = (std::process::id() + offset) % 10_000;
    let ports = (start..start + 10_000).map(|n| 20_000 + u16::try_from(n % 10_000).unwrap());
    ports
        .into_iter()
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

/// A running daemon; killed when dropped.
pub struct Running(Child);

impl Running {
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL: no code of the daemon runs any more.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Sends a signal by its name, `TERM`, `HUP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// How it ended, if it has.
    pub fn end(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Waits for its end: the exit code.
    pub async fn ended(mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < GIVE_UP, "it does not end");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// SIGTERM, and its end.
    pub async fn stop(self) -> Option<i32> {
        self.signal("TERM");
        self.ended().await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Looks at a condition until it holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < GIVE_UP, "it never came to this: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

pub fn now() -> UtcMs {
    SystemClock.now()
}

/// A zone where it is about noon, so that no patient's quiet hours hold anything back.
pub fn noon_zone() -> String {
    let hour = now().0.div_euclid(3_600_000).rem_euclid(24);
    // POSIX signs: Etc/GMT-3 is east (IANA, etcetera).
    match 12 - hour {
        0 => "Etc/UTC".to_owned(),
        east @ 1.. => format!("Etc/GMT-{east}"),
        west => format!("Etc/GMT+{}", -west),
    }
}

/// An activity that is due once.
pub fn once(kind: ActivityKind, key: &str, due: UtcMs) -> Activity {
    let mut activity = crate::house::medicine(key, &[]);
    activity.kind = kind;
    activity.class = kind.class();
    activity.schedule = match kind {
        // The general programme reminds two hours before.
        ActivityKind::Appointment => Schedule::Appointment { start: due.plus_ms(2 * 3_600_000) },
        _ => Schedule::from(Timing { event: vec![due.rfc3339()], ..Timing::default() }),
    };
    if kind != ActivityKind::Medication {
        activity.drug = None;
    }
    activity
}

/// Adds patients with their activities, in batches; every slot of the last ten minutes counts.
pub async fn enrol(store: &Store, people: &[(Patient, Vec<Activity>)]) {
    let rng = SharedRng::seeded(now().0.unsigned_abs());
    for batch in people.chunks(200) {
        enrol_batch(store, batch, &rng).await;
    }
}

async fn enrol_batch(store: &Store, people: &[(Patient, Vec<Activity>)], rng: &SharedRng) {
    let (now, keys, mut rng) = (now(), store.keys(), rng.fork());
    let ids: Vec<PatientId> = people.iter().map(|_| PatientId::new(now, &mut rng)).collect();
    let puts: Vec<_> = ids
        .iter()
        .zip(people)
        .map(|(id, (patient, _))| PutPatient {
            id: *id,
            programme: "general",
            patient,
            fingerprint: vec![1],
        })
        .collect();
    let mut tx = store.write().await.unwrap();
    patients::insert(&mut tx, keys, &mut rng, &puts, now).await.unwrap();
    let rows = patients::load(&mut tx, keys, &ids).await.unwrap();
    patients::put_contacts(&mut tx, keys, &mut rng, &rows, now).await.unwrap();
    let given = ConsentBasis {
        channel: None,
        decision: ConsentDecision::Given,
        basis: Phi::from("signed form"),
        at: UtcMs(0),
    };
    let consents: Vec<_> = rows.iter().map(|row| (row, "import", &given)).collect();
    patients::put_consents(&mut tx, keys, &mut rng, &consents, now).await.unwrap();
    let mut lines = Vec::new();
    for (id, (_, plan)) in ids.iter().zip(people) {
        let owner = rows.iter().find(|row| row.id == *id).unwrap();
        for activity in plan {
            lines.push(PutActivity {
                id: ActivityId::new(now, &mut rng),
                patient: *id,
                key: owner.key.clone(),
                activity,
                plan_key_hash: None,
                confidence: carebell::care::Confidence::Exact,
                fingerprint: vec![1],
                reminders_from: now.plus_ms(-600_000),
            });
        }
    }
    activities::insert(&mut tx, keys, &mut rng, &lines, now).await.unwrap();
    patients::lock(&mut tx, &ids).await.unwrap();
    patients::disturb(&mut tx, &ids, now).await.unwrap();
    tx.commit().await.unwrap();
}

/// Words as they follow each other, wherever their lines break: where that is hangs on the length of a path.
pub fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
