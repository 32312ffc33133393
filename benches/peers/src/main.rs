//! graphile_worker with everything of its that batches, on a PostgreSQL of the same settings as the herd's: jobs that do
//! nothing, from the worker's start until the last one is off the table.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml [-- JOBS]`, 100000 unless told; three rounds, the best
//! counts. With the herd's figures on its input it tells the ratio too, on the same machine in the same minutes:
//!
//! `cargo bench --bench herd -- --channel none --patients 20000 | cargo run --release --manifest-path
//! benches/peers/Cargo.toml -- 20000`
//!
//! It records less than the herd does: a job is locked, done and deleted. No intent is committed before the call, no
//! patient is read anew, nothing is rendered or sealed, and no ledger is left.

#[path = "../../../tests/it/postgres.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod postgres;

use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RawJobSpec, TaskHandler, WorkerContext,
    WorkerOptions,
};
use sqlx::PgPool;
use std::io::{BufRead as _, IsTerminal as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: u32 = 3;
/// What was best for it here (reference/durable-scheduling.md, section 3.2).
const CONCURRENCY: usize = 24;
const LOCAL_QUEUE: usize = 500;
const COMPLETE_DELAY: Duration = Duration::from_millis(5);

#[derive(serde::Serialize, serde::Deserialize)]
struct Nothing {
    patient: u32,
}

impl TaskHandler for Nothing {
    const IDENTIFIER: &'static str = "nothing";

    async fn run(self, _context: WorkerContext) -> impl IntoTaskHandlerResult {
        Ok::<(), String>(())
    }
}

#[tokio::main]
async fn main() {
    // The herd goes first: its figures end when it does.
    let herd: Vec<serde_json::Value> = match std::io::stdin() {
        terminal if terminal.is_terminal() => Vec::new(),
        figures => figures.lock().lines().map_while(Result::ok).filter_map(told).collect(),
    };
    let jobs = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(100_000);
    postgres::SETTINGS.get_or_init(|| "");
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let Some(rate) = drain(jobs).await else { return };
        best = best.max(rate);
    }
    let tell = |database: &str, figure: &str, value: f64| {
        println!(
            r#"{{"bench":"peers","peer":"graphile_worker","database":"{database}","jobs":{jobs},"figure":"{figure}","value":{value:.2}}}"#
        );
    };
    tell("postgresql", "messages_per_second", best);
    for figure in herd.iter().filter(|f| f["figure"] == "messages_per_second") {
        if let (Some(database), Some(rate)) =
            (figure["database"].as_str(), figure["value"].as_f64())
        {
            tell(database, "herd_by_peer", rate / best);
        }
    }
}

/// A line of the herd, passed on.
fn told(line: String) -> Option<serde_json::Value> {
    println!("{line}");
    serde_json::from_str(&line).ok()
}

/// Jobs a second; `None` where no server is installed.
async fn drain(jobs: u32) -> Option<f64> {
    let database = postgres::database().await?;
    let pool = PgPool::connect(&database.url()).await.unwrap();
    let options = WorkerOptions::default()
        .pg_pool(pool.clone())
        .schema("graphile_worker")
        .concurrency(CONCURRENCY)
        .poll_interval(Duration::from_millis(100))
        .local_queue(LocalQueueConfig::default().with_size(LOCAL_QUEUE))
        .complete_job_batch_delay(COMPLETE_DELAY)
        .define_job::<Nothing>();
    let worker = Arc::new(options.init().await.unwrap());
    let utils = worker.create_utils();
    for from in (0..jobs).step_by(10_000) {
        let one = |patient| RawJobSpec {
            identifier: Nothing::IDENTIFIER.to_owned(),
            payload: serde_json::json!({ "patient": patient }),
            spec: JobSpec::default(),
        };
        let some: Vec<_> = (from..jobs.min(from + 10_000)).map(one).collect();
        utils.add_raw_jobs(&some).await.unwrap();
    }
    let began = Instant::now();
    let running = tokio::spawn({
        let worker = Arc::clone(&worker);
        async move { worker.run().await }
    });
    let left = "SELECT count(*) FROM graphile_worker._private_jobs";
    while sqlx::query_scalar::<_, i64>(left).fetch_one(&pool).await.unwrap() > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    worker.request_shutdown();
    running.await.unwrap().unwrap();
    pool.close().await;
    Some(f64::from(jobs) / seconds)
}
