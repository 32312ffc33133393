//! The whole way of a herd: patients who are all due at one minute, from that minute to the last outcome on
//! disk. The daemon is the built binary, the stand-in (with its fsynced ledger) runs in this process. Beside it
//! the bare limit: requests of the same kind by reqwest alone, as many at a time as the daemon has permits.
//!
//! `cargo bench --bench herd -- [--patients N] [--permits N] [--rate PER_SECOND] [--database sqlite|postgresql]
//! [--channel whatsapp|sms|email|mixed] [--instances N]`; 2000 patients, 64 permits, no pace, both databases and one
//! daemon unless told (SQLite has one in any case).
//! Prints one JSON line a figure.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench ends at the first fault")]

mod figures;
#[path = "../tests/it/house.rs"]
#[expect(
    dead_code,
    unused_imports,
    unused_macros,
    clippy::assigning_clones,
    reason = "the tests use the rest"
)]
mod house;
#[path = "../tests/it/postgres.rs"]
mod postgres;
#[path = "../tests/it/process.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod process;

use carebell::care::{ActivityKind, ChannelKind, UtcMs};
use carebell::cli::stage;
use carebell::store::{alarms, attempts, reminders};
use figures::{cpu_seconds, status_kib};
use house::{On, person};
use process::{Installation, Wishes, noon_zone, now, once};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Time for the daemon to start and to wake everybody before the minute comes.
const AHEAD_MS: i64 = 20_000;

/// What is asked for.
#[derive(clap::Parser)]
struct Options {
    #[arg(long, default_value_t = 2_000)]
    patients: u32,
    #[arg(long, default_value_t = 64)]
    permits: u32,
    #[arg(long, default_value_t = 10_000.0)]
    rate: f64,
    #[arg(long)]
    database: Option<Database>,
    #[arg(long, default_value = "mixed")]
    channel: Over,
    /// Daemons on one PostgreSQL.
    #[arg(long, default_value_t = 1)]
    instances: u32,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Database {
    Sqlite,
    Postgresql,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Over {
    Whatsapp,
    Sms,
    Email,
    Mixed,
}

#[tokio::main]
async fn main() {
    let options = <Options as clap::Parser>::parse();
    for (database, on) in [(Database::Sqlite, On::Sqlite), (Database::Postgresql, On::Postgres)] {
        if options.database.is_none_or(|wanted| wanted == database) {
            herd(on, &options).await;
        }
    }
}

async fn herd(on: On, options: &Options) {
    let Options { patients, permits, .. } = *options;
    let wishes = Wishes { permits, messages_per_second: options.rate, ..Wishes::default() };
    let Some(installation) = Installation::make(on, wishes).await else { return };
    let name = match on {
        On::Sqlite => "sqlite",
        On::Postgres => "postgresql",
    };
    let tell = |figure: &str, value: f64| {
        println!(
            r#"{{"bench":"herd","database":"{name}","patients":{patients},"permits":{permits},"figure":"{figure}","value":{value:.1}}}"#
        );
    };
    let bare = bare_limit(&installation, options).await;
    tell("bare_requests_per_second", bare);
    let before = installation.sandbox.ledger().len();
    // Enrolled for a minute that is far enough whatever enrolling takes.
    let herd_takes_ms = AHEAD_MS + i64::from(patients) * 8;
    let due = now().plus_ms(herd_takes_ms + 60_000).minute();
    let zone = noon_zone();
    let people: Vec<_> = (0..patients)
        .map(|n| {
            let (channel, address) = match (options.channel, n % 3) {
                (Over::Whatsapp, _) | (Over::Mixed, 0) => {
                    (ChannelKind::Whatsapp, format!("+1202{n:07}"))
                }
                (Over::Sms, _) | (Over::Mixed, 1) => (ChannelKind::Sms, format!("+1202{n:07}")),
                _ => (ChannelKind::Email, format!("patient-{n}@example.org")),
            };
            let patient = person(&format!("p{n}"), &zone, &[(channel, &address)]);
            (patient, vec![once(ActivityKind::Medication, "m", due)])
        })
        .collect();
    installation.enrol(&people).await;
    let late_ms = now().plus_ms(AHEAD_MS).since(due);
    assert!(late_ms < 0, "enrolling took {late_ms} ms too long: fewer patients, or a faster disk");
    let began = now();
    let running = installation.start().await;
    tell("start_to_ready_ms", now().since(began) as f64);
    let others: Vec<_> = match on {
        On::Sqlite => Vec::new(),
        On::Postgres => (1..options.instances).map(|n| installation.spawn_other(n, &[])).collect(),
    };
    let cpu_of_all = || -> f64 {
        cpu_seconds(running.id()) + others.iter().map(|other| cpu_seconds(other.id())).sum::<f64>()
    };
    tell("instances", others.len() as f64 + 1.0);
    while queued(&installation).await < i64::from(patients) && now() < due {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tell("woken_before_due_ms", due.since(now()) as f64);
    tokio::time::sleep(Duration::from_millis(due.since(now()).max(0).unsigned_abs())).await;
    let cpu_before = cpu_of_all();
    let own_before = cpu_seconds(std::process::id());
    while sent(&installation).await < i64::from(patients) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let cpu = cpu_of_all() - cpu_before;
    let own = cpu_seconds(std::process::id()) - own_before;
    let late = lateness_ms(&installation, due).await;
    let seconds = late[late.len() - 1] as f64 / 1_000.0;
    let rate = f64::from(patients) / seconds;
    tell("seconds", seconds);
    tell("messages_per_second", rate);
    tell("percent_of_bare", 100.0 * rate / bare);
    tell("lateness_p50_ms", late[late.len() / 2] as f64);
    tell("lateness_p99_ms", late[late.len() * 99 / 100] as f64);
    tell("cpu_seconds", cpu);
    tell("cpu_ms_per_message", cpu * 1_000.0 / f64::from(patients));
    tell("sandbox_cpu_seconds", own);
    tell("peak_rss_kib", status_kib(running.id(), "VmHWM"));
    assert_eq!(installation.sandbox.ledger().len() - before, patients as usize);
    for one in others.into_iter().chain([running]) {
        assert_eq!(one.stop().await, Some(0));
    }
}

/// Messages that wait for the minute.
async fn queued(installation: &Installation) -> i64 {
    count(installation, "queued").await
}

async fn sent(installation: &Installation) -> i64 {
    count(installation, "sent").await
}

async fn count(installation: &Installation, state: &str) -> i64 {
    let mut tx = installation.store.read().await.unwrap();
    let states = reminders::count(&mut tx).await.unwrap();
    states.into_iter().find(|(word, _)| word == state).map_or(0, |(_, n)| n)
}

/// How long after the minute each outcome was recorded, in order.
async fn lateness_ms(installation: &Installation, due: UtcMs) -> Vec<i64> {
    let mut tx = installation.store.read().await.unwrap();
    assert!(alarms::lanes(&mut tx).await.unwrap().is_empty());
    let entries = installation.sandbox.ledger().entries();
    let ids: Vec<_> = entries
        .iter()
        .filter_map(|entry| entry.message.correlation.as_ref()?.parse().ok())
        .collect();
    let rows = attempts::read(&mut tx, &ids).await.unwrap();
    let mut late: Vec<i64> = rows.iter().filter_map(|row| Some(row.ended_at?.since(due))).collect();
    late.sort_unstable();
    late
}

/// Requests a second to the stand-in's WhatsApp, without a daemon.
async fn bare_limit(installation: &Installation, options: &Options) -> f64 {
    let configured = stage::channels_of(&Wishes::default().sandbox, &installation.sandbox);
    let whatsapp = configured.whatsapp.unwrap();
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
