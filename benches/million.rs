//! A million patients with a daily dose each, spread over the day: what loading them takes, how soon a daemon is at work
//! over them, what it holds in memory, and what it costs while nobody is due.
//!
//! `cargo bench --bench million -- [--patients N] [--database sqlite|postgresql] [--seconds N]`; a million, both databases
//! and a minute of idling unless told. Prints one JSON line a figure.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench ends at the first fault")]

mod common;

use carebell::care::{Activity, Address, ChannelKind, Patient, Phi};
use common::counts::Beside;
use common::house::{medicine, person};
use common::process::{Installation, Running, Wishes, noon_zone, now};
use common::{Database, Teller, cpu_seconds, house, load, postgres, status_kib};
use std::time::{Duration, Instant};

/// Doses are due from so many minutes after midnight on, over so many minutes: none while the bench runs, about noon.
const FIRST_MINUTE: u32 = 15 * 60;
const MINUTES: u32 = 18 * 60;
/// What is in memory at once while loading.
const LOADED_AT_ONCE: u32 = 10_000;
const LOOK: Duration = Duration::from_millis(5);
/// A wake moves its patients' alarms.
const EARLIEST: &str = "SELECT wake_at_ms FROM alarms WHERE kind = 'patient' AND lane = '' \
                        ORDER BY wake_at_ms LIMIT 1";

/// What is asked for.
#[derive(clap::Parser)]
struct Options {
    #[arg(long, default_value_t = 1_000_000)]
    patients: u32,
    #[arg(long)]
    database: Option<Database>,
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let options = <Options as clap::Parser>::parse();
    for database in Database::ALL {
        if options.database.is_none_or(|wanted| wanted == database) {
            million(database, &options).await;
        }
    }
}

async fn million(database: Database, options: &Options) {
    let Some(installation) = database.installation(Wishes::default()).await else { return };
    let patients = f64::from(options.patients);
    let teller =
        Teller::new("million").with("database", database.word()).with("patients", options.patients);
    let tell = |figure: &str, value: f64| teller.tell(figure, value);
    tell("load_before", load());
    let began = Instant::now();
    let people = People::new();
    for from in (0..options.patients).step_by(LOADED_AT_ONCE as usize) {
        let some: Vec<_> =
            (from..options.patients.min(from + LOADED_AT_ONCE)).map(|n| people.nth(n)).collect();
        installation.enrol(&some).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    tell("load_seconds", seconds);
    tell("loaded_per_second", patients / seconds);
    let mut beside = Beside::connect(&installation).await;
    tell("bytes_per_patient_loaded", beside.bytes().await as f64 / patients);

    // Everybody is new: each is woken once, and sleeps until the dose.
    let running = start(&installation, &mut beside, "first_start", &tell).await;
    let began = Instant::now();
    while is_any_due(&mut beside).await {
        installation.hear();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    tell("all_woken_seconds", seconds);
    tell("woken_per_second", patients / seconds);
    tell("peak_rss_kib_all_woken", status_kib(running.id(), "VmHWM"));
    tell("bytes_per_patient", beside.bytes().await as f64 / patients);
    assert_eq!(running.stop().await, Some(0));

    // A start as any other: of all of them one is due.
    installation.enrol(&[people.nth(options.patients)]).await;
    let running = start(&installation, &mut beside, "start", &tell).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let before = cpu_seconds(running.id());
    let idled = Instant::now();
    for _ in 0..options.seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        installation.hear();
    }
    let spent = cpu_seconds(running.id()) - before;
    tell("idle_cpu_percent", 100.0 * spent / idled.elapsed().as_secs_f64());
    tell("rss_kib", status_kib(running.id(), "VmRSS"));
    tell("peak_rss_kib", status_kib(running.id(), "VmHWM"));
    tell("load_after", load());
    assert_eq!(running.stop().await, Some(0));
}

/// Starts the daemon; tells how long it took until the first wake was committed, and waits until it is ready.
async fn start(
    installation: &Installation,
    beside: &mut Beside,
    which: &str,
    tell: &impl Fn(&str, f64),
) -> Running {
    let earliest = beside.numbers(EARLIEST).await;
    let began = Instant::now();
    let mut running = installation.spawn();
    while beside.numbers(EARLIEST).await == earliest {
        tokio::time::sleep(LOOK).await;
    }
    tell(&format!("{which}_to_first_wake_ms"), began.elapsed().as_secs_f64() * 1_000.0);
    installation.until_told(&mut running, "READY=1").await;
    running
}

/// Whether somebody waits to be woken.
async fn is_any_due(beside: &mut Beside) -> bool {
    beside.numbers(EARLIEST).await.first().is_some_and(|at| *at <= now().0)
}

/// Patients who differ in what must differ: a name's zone is looked up once for all.
struct People {
    patient: Patient,
    activity: Activity,
}

impl People {
    fn new() -> Self {
        let patient = person("p", &noon_zone(), &[(ChannelKind::Whatsapp, "+12020000000")]);
        Self { patient, activity: medicine("m", &["08:00"]) }
    }

    fn nth(&self, n: u32) -> (Patient, Vec<Activity>) {
        let mut patient = self.patient.clone();
        patient.key = Phi::from(format!("p{n}").as_str());
        patient.contacts[0].address = Address::new(format!("+1202{n:07}").as_str());
        let minute = (FIRST_MINUTE + n % MINUTES) % (24 * 60);
        let time = format!("{:02}:{:02}", minute / 60, minute % 60);
        let mut activity = self.activity.clone();
        activity.schedule = medicine("m", &[&time]).schedule;
        (patient, vec![activity])
    }
}
