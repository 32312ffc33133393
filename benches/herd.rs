//! The whole way of a herd: patients who are all due at one minute, from that minute to the last outcome on
//! disk. The daemon is the built binary, the stand-in (with its fsynced ledger) runs in this process. Beside it
//! the bare limit: requests of the same kind by reqwest alone, as many at a time as the daemon has permits.
//!
//! `cargo bench --bench herd -- [--patients N] [--permits N] [--rate PER_SECOND] [--database sqlite|postgresql]
//! [--channel whatsapp|sms|email|mixed|none] [--instances N] [--held-snapshot] [--statements]`; 2000 patients, 64
//! permits, no pace, both databases and one daemon unless told (SQLite has one in any case). `none` is a channel that
//! accepts at once, within the daemon. Prints one JSON line a figure. PostgreSQL is a cluster of its own with the
//! server's own defaults: it flushes at each commit, and vacuums.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench ends at the first fault")]

mod common;

use carebell::care::{Activity, ActivityKind, ChannelKind, Patient, UtcMs};
use carebell::cli::stage;
use carebell::config::KindConfig;
use carebell::store::Engine;
use common::accepts::{self, counted, counting};
use common::counts::{Beside, Commits};
use common::house::person;
use common::process::{Installation, Running, Wishes, noon_zone, now, once};
use common::{Database, Teller, cpu_seconds, house, load, postgres, process, status_kib};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Time for the daemon to start and to look after itself before it wakes anybody.
const AHEAD_MS: i64 = 30_000;
/// A patient is woken so long before the minute: design.md section 3.
const LEAD_MS: i64 = 60_000;
/// More than it takes to read what PostgreSQL counted.
const COUNTING_MS: i64 = 15_000;
const WEEK_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// By these it is known how long enrolling takes; they are due another day.
const STRANGERS: u32 = 400;

/// Messages that wait for their minute.
const WAITING: &str = "SELECT count(*) FROM alarms WHERE kind = 'message'";
const ACCEPTED: &str =
    "SELECT count(*) FROM attempts WHERE state IN ('accepted', 'sent', 'delivered', 'read')";

/// What is asked for.
#[derive(clap::Parser)]
struct Options {
    #[arg(long, default_value_t = 2_000)]
    patients: u32,
    #[arg(long, default_value_t = 64)]
    permits: u32,
    #[arg(long, default_value_t = 100_000.0)]
    rate: f64,
    #[arg(long)]
    database: Option<Database>,
    #[arg(long, default_value = "mixed")]
    channel: Over,
    /// Daemons on one PostgreSQL.
    #[arg(long, default_value_t = 1)]
    instances: u32,
    /// Two herds at once on PostgreSQL, over one of which a snapshot is held that is older than it; with `--channel none`.
    #[arg(long)]
    held_snapshot: bool,
    /// Count statements, with `--channel none`: the counting takes its share of the time.
    #[arg(long)]
    statements: bool,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Over {
    Whatsapp,
    Sms,
    Email,
    Mixed,
    None,
}

impl Over {
    const fn word(self) -> &'static str {
        match self {
            Self::Whatsapp => "whatsapp",
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Mixed => "mixed",
            Self::None => accepts::NAME,
        }
    }

    /// The address of the nth patient.
    fn address(self, n: u32) -> (ChannelKind, String) {
        match (self, n % 3) {
            (Self::Whatsapp, _) | (Self::Mixed, 0) => {
                (ChannelKind::Whatsapp, format!("+1202{n:07}"))
            }
            (Self::Sms | Self::None, _) | (Self::Mixed, 1) => {
                (ChannelKind::Sms, format!("+1202{n:07}"))
            }
            _ => (ChannelKind::Email, format!("patient-{n}@example.org")),
        }
    }
}

/// Whether a snapshot is held while the herd goes.
#[derive(Clone, Copy, PartialEq)]
enum Snapshot {
    None,
    Held,
}

#[tokio::main]
async fn main() {
    accepts::run_if_asked().await;
    let options = <Options as clap::Parser>::parse();
    for database in Database::ALL {
        if options.database.is_none_or(|wanted| wanted == database) {
            herd(database, &options).await;
        }
    }
}

/// Lets one herd go; or two at one minute, over one of which a snapshot is held: what else disturbs then disturbs both.
async fn herd(database: Database, options: &Options) {
    let both = [Snapshot::None, Snapshot::Held];
    let snapshots = if options.held_snapshot && database == Database::Postgresql {
        // Daemons with a server would want the same port.
        assert!(options.channel == Over::None, "--held-snapshot goes with --channel none");
        &both[..]
    } else {
        &both[..1]
    };
    let mut herds = Vec::new();
    for snapshot in snapshots {
        let Some(herd) = Herd::gather(database, options, *snapshot).await else { return };
        herds.push(herd);
    }
    let due = herds[0].minute(snapshots.len()).await;
    for herd in &herds {
        herd.enrol(due).await;
    }
    let teller = herds[0].teller.clone();
    let alone = if herds.len() == 1 { Alone::Yes } else { Alone::No };
    let rates = futures::future::join_all(herds.into_iter().map(|herd| herd.go(due, alone))).await;
    if let [free, held] = rates[..] {
        teller.tell("held_snapshot_costs_percent", 100.0 * (1.0 - held / free));
    }
}

/// Patients of one installation who are due at one minute.
struct Herd<'a> {
    options: &'a Options,
    installation: Installation,
    snapshot: Snapshot,
    teller: Teller,
    /// What the stand-in takes without a daemon, where it takes part, in requests a second.
    bare: Option<f64>,
}

/// Whether the server serves this herd only: it counts some things for all of its databases together.
#[derive(Clone, Copy, PartialEq)]
enum Alone {
    Yes,
    No,
}

impl<'a> Herd<'a> {
    async fn gather(database: Database, options: &'a Options, snapshot: Snapshot) -> Option<Self> {
        let Options { patients, permits, rate, .. } = *options;
        let wishes = Wishes { permits, messages_per_second: rate, ..Wishes::default() };
        let mut installation = database.installation(wishes).await?;
        let mut teller = Teller::new("herd")
            .with("database", database.word())
            .with("channel", options.channel.word())
            .with("patients", patients)
            .with("permits", permits)
            .with("rate", rate);
        if snapshot == Snapshot::Held {
            teller = teller.with("snapshot", "held");
        }
        if options.statements {
            teller = teller.with("statements", "counted");
        }
        teller.tell("load_before", load());
        let bare = if options.channel == Over::None {
            accepts::take_the_place(&mut installation);
            None
        } else {
            Some(bare_limit(&installation, options).await)
        };
        Some(Self { options, installation, snapshot, teller, bare })
    }

    /// Patients who are due at the minute, or whenever.
    fn people(&self, numbers: std::ops::Range<u32>, due: UtcMs) -> Vec<(Patient, Vec<Activity>)> {
        let zone = noon_zone();
        let one = |n: u32| {
            let (channel, address) = self.options.channel.address(n);
            let patient = person(&format!("p{n}"), &zone, &[(channel, &address)]);
            (patient, vec![once(ActivityKind::Medication, "m", due)])
        };
        numbers.map(one).collect()
    }

    /// A minute that is far enough for so many herds to be enrolled.
    async fn minute(&self, herds: usize) -> UtcMs {
        let patients = self.options.patients;
        let strangers = self.people(patients..patients + STRANGERS, now().plus_ms(WEEK_MS));
        let began = Instant::now();
        self.installation.enrol(&strangers).await;
        let one_ms = began.elapsed().as_secs_f64() * 1_000.0 / f64::from(STRANGERS);
        // Twice as long and more, as others may work on this machine too.
        let enrolling_ms = (one_ms * 2.5 * f64::from(patients) * herds as f64) as i64;
        now().plus_ms(enrolling_ms + AHEAD_MS + LEAD_MS + 60_000).minute()
    }

    async fn enrol(&self, due: UtcMs) {
        let patients = self.options.patients;
        let began = Instant::now();
        for from in (0..patients).step_by(10_000) {
            let to = patients.min(from + 10_000);
            self.installation.enrol(&self.people(from..to, due)).await;
        }
        let seconds = began.elapsed().as_secs_f64();
        self.teller.tell("enrolled_per_second", f64::from(patients) / seconds);
        let late_ms = now().plus_ms(AHEAD_MS + LEAD_MS).since(due);
        assert!(late_ms < 0, "enrolling took {late_ms} ms too long: try again, or fewer patients");
    }

    /// Starts the daemons and waits for the last outcome; returns messages a second.
    async fn go(self, due: UtcMs, alone: Alone) -> f64 {
        let Self { options, installation, snapshot, teller, bare } = self;
        let Options { patients, rate, .. } = *options;
        let tell = |figure: &str, value: f64| teller.tell(figure, value);
        if let Some(bare) = bare {
            tell("bare_requests_per_second", bare);
        }
        let before = installation.sandbox.ledger().len();
        let mut beside = Beside::connect(&installation).await;
        let mut holder = Beside::connect(&installation).await;
        if snapshot == Snapshot::Held {
            holder.hold_snapshot().await;
        }
        tell("bytes_per_patient_enrolled", beside.bytes().await as f64 / f64::from(patients));

        let began = now();
        let environment = if options.statements { vec![counting()] } else { Vec::new() };
        let running = installation.start_with(&environment).await;
        tell("start_to_ready_ms", now().since(began) as f64);
        let others: Vec<_> = match installation.store.engine() {
            Engine::Sqlite => Vec::new(),
            Engine::Postgres => {
                (1..options.instances).map(|n| installation.spawn_other(n, &environment)).collect()
            }
        };
        tell("instances", others.len() as f64 + 1.0);
        let all: Vec<&Running> = others.iter().chain([&running]).collect();
        let cpu_of_all = || all.iter().map(|one| cpu_seconds(one.id())).sum::<f64>();

        let mut waking = None;
        while beside.number(WAITING).await < i64::from(patients) && now() < due {
            installation.hear();
            tokio::time::sleep(look(patients)).await;
            let some = beside.number(WAITING).await;
            waking = waking.or((some > 0).then(|| (now(), some)));
        }
        let woken = beside.number(WAITING).await;
        if let Some((since, already)) = waking.filter(|(_, already)| *already < woken) {
            let ms = now().since(since) as f64;
            tell("woken_per_second", (woken - already) as f64 * 1_000.0 / ms);
        }
        tell("woken_before_due", woken as f64);
        tell("woken_before_due_ms", due.since(now()) as f64);
        // Reading them takes a while on PostgreSQL: where the minute is that near, they are not told.
        let is_early =
            alone == Alone::Yes && woken == i64::from(patients) && due.since(now()) > COUNTING_MS;
        let commits_before = if is_early { Some(Commits::read(&installation).await) } else { None };
        sleep_until(due.plus_ms(-500)).await;
        for one in &all {
            if options.statements {
                one.signal("USR2");
            }
        }
        sleep_until(due).await;
        let (cpu_before, own_before) = (cpu_of_all(), cpu_seconds(std::process::id()));

        while beside.number(WAITING).await > 0
            || beside.number(ACCEPTED).await < i64::from(patients)
        {
            installation.hear();
            tokio::time::sleep(look(patients)).await;
        }
        let (cpu, own) = (cpu_of_all() - cpu_before, cpu_seconds(std::process::id()) - own_before);
        if options.statements {
            running.signal("USR2");
        }
        let ended = beside.numbers("SELECT ended_at_ms FROM attempts ORDER BY ended_at_ms").await;
        let late: Vec<i64> = ended.into_iter().map(|at| UtcMs(at).since(due)).collect();
        assert_eq!(late.len(), patients as usize, "attempts");
        let seconds = late[late.len() - 1] as f64 / 1_000.0;
        let drained = f64::from(patients) / seconds;
        tell("seconds", seconds);
        tell("messages_per_second", drained);
        if let Some(bare) = bare {
            tell("percent_of_bare", 100.0 * drained / bare);
            tell("sandbox_cpu_seconds", own);
            assert_eq!(installation.sandbox.ledger().len() - before, patients as usize);
        }
        tell("lateness_p50_ms", late[late.len() / 2] as f64);
        tell("lateness_p99_ms", late[late.len() * 99 / 100] as f64);
        // What the pace alone makes of it, were each sender's second of burst not there.
        let senders = if options.channel == Over::Mixed { 3.0 } else { 1.0 };
        tell(
            "lateness_p99_by_the_rate_ms",
            f64::from(patients) * 0.99 / (rate * senders) * 1_000.0,
        );
        tell("cpu_seconds", cpu);
        tell("cpu_ms_per_message", cpu * 1_000.0 / f64::from(patients));
        tell("rss_kib", status_kib(running.id(), "VmRSS"));
        tell("peak_rss_kib", status_kib(running.id(), "VmHWM"));
        if let Some(before) = commits_before {
            let after = Commits::read(&installation).await;
            let per_1000 = |count: i64| count as f64 * 1_000.0 / f64::from(patients);
            tell("commits_per_1000_messages", per_1000(after.commits - before.commits));
            tell("fsyncs_per_1000_messages", per_1000(after.flushes_since(before)));
        }
        if options.statements {
            tell_statements(&installation, patients, &tell);
        }
        tell("bytes_per_patient", beside.bytes().await as f64 / f64::from(patients));
        tell("load_after", load());
        drop(all);
        installation.hear();
        for one in others.into_iter().chain([running]) {
            assert_eq!(one.stop().await, Some(0));
        }
        drained
    }
}

/// Statements of the first daemon since the minute, by name and in all. What begins and ends transactions, which the
/// driver tells on PostgreSQL only, is not in the sum: commits are told beside.
fn tell_statements(installation: &Installation, patients: u32, tell: &impl Fn(&str, f64)) {
    let counted = counted(installation).unwrap();
    let per_1000 = |count: f64| count * 1_000.0 / f64::from(patients);
    let speaks =
        |(name, _): &(&String, _)| !["BEGIN", "COMMIT", "ROLLBACK"].contains(&name.as_str());
    let calls: u64 = counted.iter().filter(speaks).map(|(_, (calls, _))| calls).sum();
    tell("statements_per_1000_messages", per_1000(calls as f64));
    for (name, (calls, seconds)) in counted {
        tell(&format!("statement {name} per_1000"), per_1000(calls as f64));
        tell(&format!("statement {name} ms_per_1000"), per_1000(seconds * 1_000.0));
    }
}

/// How often it is looked: a look at a large herd costs more.
fn look(patients: u32) -> Duration {
    Duration::from_millis(u64::from(patients) / 100).max(Duration::from_millis(50))
}

async fn sleep_until(at: UtcMs) {
    tokio::time::sleep(Duration::from_millis(at.since(now()).max(0).unsigned_abs())).await;
}

/// Requests a second to the stand-in's WhatsApp, without a daemon.
async fn bare_limit(installation: &Installation, options: &Options) -> f64 {
    let configured = stage::channels_of(&Wishes::default().sandbox, &installation.sandbox);
    let Some(KindConfig::Whatsapp(whatsapp)) = configured.get("whatsapp") else {
        panic!("no WhatsApp")
    };
    let url = format!("{}/{}/messages", whatsapp.base_url, whatsapp.phone_number_id);
    let client = process::client();
    let next = AtomicU32::new(0);
    let began = Instant::now();
    let senders = (0..options.permits).map(|_| async {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= options.patients {
                return;
            }
            let body = serde_json::json!({
                "messaging_product": "whatsapp", "recipient_type": "individual",
                "to": format!("+1303{n:07}"), "type": "template",
                "template": {"name": "carebell_dose", "language": {"code": "en"}, "components": [
                    {"type": "body", "parameters": [
                        {"type": "text", "text": "Carebell"}, {"type": "text", "text": "12:00"}]}]},
            });
            let request = client.post(&url).bearer_auth(whatsapp.access_token.expose());
            let answer = request.json(&body).send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        }
    });
    futures::future::join_all(senders).await;
    f64::from(options.patients) / began.elapsed().as_secs_f64()
}
