//! What a daemon with nothing to do costs: memory and CPU over a while on an empty database, and its size.
//!
//! `cargo bench --bench idle -- [SECONDS]`, 20 unless told. Prints one JSON line a figure.

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

use figures::{cpu_seconds, status_kib};
use house::On;
use process::{Installation, Wishes, now};
use std::time::Duration;

#[tokio::main]
async fn main() {
    let seconds = std::env::args().skip(1).find_map(|word| word.parse::<u32>().ok()).unwrap_or(20);
    let binary = std::fs::metadata(env!("CARGO_BIN_EXE_carebell")).unwrap().len();
    println!(r#"{{"bench":"idle","figure":"binary_bytes","value":{binary}}}"#);
    for (on, name) in [(On::Sqlite, "sqlite"), (On::Postgres, "postgresql")] {
        let Some(installation) = Installation::make(on, Wishes::default()).await else { continue };
        let tell = |figure: &str, value: f64| {
            println!(
                r#"{{"bench":"idle","database":"{name}","figure":"{figure}","value":{value:.1}}}"#
            );
        };
        let began = now();
        let running = installation.start().await;
        tell("start_to_ready_ms", now().since(began) as f64);
        let before = cpu_seconds(running.id());
        tokio::time::sleep(Duration::from_secs(u64::from(seconds))).await;
        let spent_ms = (cpu_seconds(running.id()) - before) * 1_000.0;
        tell("cpu_ms_per_minute", spent_ms * 60.0 / f64::from(seconds));
        tell("rss_kib", status_kib(running.id(), "VmRSS"));
        tell("peak_rss_kib", status_kib(running.id(), "VmHWM"));
        assert_eq!(running.stop().await, Some(0));
    }
}
