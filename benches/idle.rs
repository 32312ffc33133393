//! What a daemon with nothing to do costs: memory and CPU over a while on an empty database, and its size.
//!
//! `cargo bench --bench idle -- [SECONDS]`, 20 unless told. Prints one JSON line a figure.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench ends at the first fault")]

mod common;

use common::process::{Wishes, now};
use common::{Database, Teller, cpu_seconds, house, postgres, status_kib};
use std::time::Duration;

#[tokio::main]
async fn main() {
    let seconds = std::env::args().skip(1).find_map(|word| word.parse::<u32>().ok()).unwrap_or(20);
    let binary = std::fs::metadata(env!("CARGO_BIN_EXE_carebell")).unwrap().len();
    Teller::new("idle").tell("binary_bytes", binary as f64);
    for database in Database::ALL {
        let Some(installation) = database.installation(Wishes::default()).await else { continue };
        let teller = Teller::new("idle").with("database", database.word());
        let began = now();
        let running = installation.start().await;
        teller.tell("start_to_ready_ms", now().since(began) as f64);
        let before = cpu_seconds(running.id());
        tokio::time::sleep(Duration::from_secs(u64::from(seconds))).await;
        let spent_ms = (cpu_seconds(running.id()) - before) * 1_000.0;
        teller.tell("cpu_ms_per_minute", spent_ms * 60.0 / f64::from(seconds));
        teller.tell("rss_kib", status_kib(running.id(), "VmRSS"));
        teller.tell("peak_rss_kib", status_kib(running.id(), "VmHWM"));
        assert_eq!(running.stop().await, Some(0));
    }
}
