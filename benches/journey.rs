//! The whole way of a herd: patients who are all due at one minute, from that minute to the last outcome on
//! disk. The daemon is the built binary, the stand-in (with its fsynced ledger) runs in this process.
//!
//! `cargo bench --bench journey -- [PATIENTS [PERMITS]]`, 2000 and 64 unless told; SQLite, and PostgreSQL where
//! a server is installed. Prints one JSON line a figure.

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

use carebell::care::{ActivityKind, ChannelKind};
use carebell::store::{alarms, attempts, reminders};
use figures::{cpu_seconds, status_kib};
use house::{On, person};
use process::{Installation, Wishes, noon_zone, now, once};
use std::time::Duration;

/// Time for the daemon to start and to wake everybody before the minute comes.
const AHEAD_MS: i64 = 20_000;

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse::<u32>().ok());
    let patients = numbers.next().unwrap_or(2_000);
    let permits = numbers.next().unwrap_or(64);
    for on in [On::Sqlite, On::Postgres] {
        journey(on, patients, permits).await;
    }
}

async fn journey(on: On, patients: u32, permits: u32) {
    let wishes = Wishes { permits, messages_per_second: 10_000.0, ..Wishes::default() };
    let Some(installation) = Installation::make(on, wishes).await else { return };
    let name = match on {
        On::Sqlite => "sqlite",
        On::Postgres => "postgresql",
    };
    let tell = |figure: &str, value: f64| {
        println!(
            r#"{{"bench":"journey","database":"{name}","patients":{patients},"permits":{permits},"figure":"{figure}","value":{value:.1}}}"#
        );
    };
    // Enrolled for a minute that is far enough whatever enrolling takes.
    let herd_takes_ms = AHEAD_MS + i64::from(patients) * 8;
    let due = now().plus_ms(herd_takes_ms + 60_000).minute();
    let zone = noon_zone();
    let people: Vec<_> = (0..patients)
        .map(|n| {
            let (channel, address) = match n % 3 {
                0 => (ChannelKind::Whatsapp, format!("+1202{n:07}")),
                1 => (ChannelKind::Sms, format!("+1202{n:07}")),
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
    while queued(&installation).await < i64::from(patients) && now() < due {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tell("woken_before_due_ms", due.since(now()) as f64);
    tokio::time::sleep(Duration::from_millis(due.since(now()).max(0).unsigned_abs())).await;
    let cpu_before = cpu_seconds(running.id());
    let own_before = cpu_seconds(std::process::id());
    while sent(&installation).await < i64::from(patients) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let cpu = cpu_seconds(running.id()) - cpu_before;
    let own = cpu_seconds(std::process::id()) - own_before;
    let seconds = last_outcome(&installation).await.since(due) as f64 / 1_000.0;
    tell("seconds", seconds);
    tell("messages_per_second", f64::from(patients) / seconds);
    tell("cpu_seconds", cpu);
    tell("sandbox_cpu_seconds", own);
    tell("peak_rss_kib", status_kib(running.id(), "VmHWM"));
    assert_eq!(installation.sandbox.ledger().len(), patients as usize);
    assert_eq!(running.stop().await, Some(0));
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

/// When the last attempt's outcome was recorded.
async fn last_outcome(installation: &Installation) -> carebell::care::UtcMs {
    let mut tx = installation.store.read().await.unwrap();
    assert!(alarms::lanes(&mut tx).await.unwrap().is_empty());
    let entries = installation.sandbox.ledger().entries();
    let ids: Vec<_> = entries
        .iter()
        .filter_map(|entry| entry.message.correlation.as_ref()?.parse().ok())
        .collect();
    let rows = attempts::read(&mut tx, &ids).await.unwrap();
    rows.iter().filter_map(|row| row.ended_at).max().unwrap()
}
