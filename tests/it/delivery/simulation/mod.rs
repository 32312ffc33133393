//! All of it at random: operations on a small house with a manual clock, on both databases, and what must hold
//! whatever they are. A failing list is shrunk and printed with its seed; put it into [`cases`] with a name.

mod acts;
mod cases;
mod ops;
mod oracle;
mod world;

use crate::house::On;
use futures::FutureExt as _;
use ops::{Op, lists};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use world::World;

/// No new list is begun after so long: on a machine much slower than the usual, fewer are run. One that never comes
/// to rest takes a minute longer, and the runner ends a test after eight (.config/nextest.toml).
const LISTS_FOR: Duration = Duration::from_secs(200);
/// A list that failed is made no shorter after so long, counted from the first list's beginning.
const SHRINKS_UNTIL: Duration = Duration::from_mins(5);
/// Of fewer lists nothing rare may be asked.
const FLOOR: u32 = 50;

/// How often what is rare happened in all lists: never would say that it was not tried.
#[derive(Debug, Default)]
pub struct Seen {
    crashes: AtomicUsize,
    stalled: AtomicUsize,
    timed_out: AtomicUsize,
    /// Attempts that silence settled.
    silences: AtomicUsize,
    /// Those that were accepted all the same: their provider had lost all trace of them.
    traceless: AtomicUsize,
}

impl Seen {
    fn count(&self, world: &World, silences: usize, traceless: usize) {
        self.crashes.fetch_add(world.crashes, Ordering::Relaxed);
        self.stalled.fetch_add(world.stalled, Ordering::Relaxed);
        self.timed_out.fetch_add(world.timed_out, Ordering::Relaxed);
        self.silences.fetch_add(silences, Ordering::Relaxed);
        self.traceless.fetch_add(traceless, Ordering::Relaxed);
    }

    /// What never happened.
    fn never(&self) -> Vec<&'static str> {
        let all = [
            ("crashed", &self.crashes),
            ("stalled", &self.stalled),
            ("timed out", &self.timed_out),
            ("settled by silence", &self.silences),
        ];
        let never = all.into_iter().filter(|(_, times)| times.load(Ordering::Relaxed) == 0);
        never.map(|(what, _)| what).collect()
    }
}

/// Lists; with the named ones about 200 on both databases together where `CI` is set. `SIMULATION=5000` or
/// `SIMULATION=5000,seed` asks for more (under `cargo test`, which sets no limit to a test's time).
struct Size {
    lists: u32,
    seed: u64,
    limits: Limits,
}

/// Whether real time may end the run before the last list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Limits {
    RealTime,
    None,
}

impl Limits {
    fn are_over(self, began: Instant, after: Duration) -> bool {
        self == Self::RealTime && began.elapsed() > after
    }
}

impl Size {
    fn asked_for(on: On) -> Self {
        let asked = std::env::var_os("SIMULATION").unwrap_or_default();
        let asked = asked.to_string_lossy();
        let mut numbers = asked.split(',').filter_map(|number| number.parse().ok());
        let usual = match (std::env::var_os("CI"), on) {
            (None, _) => 15,
            (Some(_), On::Sqlite) => 100,
            // What is the same on both is cheaper to find there.
            (Some(_), On::Postgres) => 40,
        };
        let wanted = numbers.next();
        let limits = if wanted.is_some() { Limits::None } else { Limits::RealTime };
        let seed = numbers.next().unwrap_or_else(rand::random);
        Self { lists: u32::try_from(wanted.unwrap_or(usual)).unwrap(), seed, limits }
    }
}

/// Applies a list, lets everything have its time, and asks the oracle.
async fn run(on: On, list: &[Op], seen: &Seen) -> Vec<String> {
    let Some(mut world) = World::build(on).await else { return Vec::new() };
    for op in list {
        world.apply(op).await;
    }
    world.end().await;
    oracle::broken(&world, seen).await
}

fn simulate(on: On) {
    let size = Size::asked_for(on);
    println!("SIMULATION={},{} on {on:?}", size.lists, size.seed);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config {
        cases: size.lists,
        max_shrink_iters: 200,
        max_shrink_time: 60_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&size.seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let (began, said, seen) = (Instant::now(), Once::new(), Seen::default());
    let begun = AtomicU32::new(0);
    let ran = runner.run(&lists(), |list| {
        let after = if said.is_completed() { SHRINKS_UNTIL } else { LISTS_FOR };
        if size.limits.are_over(began, after) {
            return Ok(());
        }
        begun.fetch_add(1, Ordering::Relaxed);
        let ran = AssertUnwindSafe(run(on, &list, &seen)).catch_unwind();
        let broken = runtime.block_on(ran).unwrap_or_else(|panic| vec![said_by(&*panic)]);
        if broken.is_empty() {
            return Ok(());
        }
        // Said at once: shrinking takes its time, and may be cut short.
        said.call_once(|| println!("broken by {list:?}\n{}", broken[0]));
        Err(TestCaseError::fail(broken.join("\n")))
    });
    let begun = begun.into_inner();
    println!("{begun} lists of {} asked for, {seen:?} in {:?}", size.lists, began.elapsed());
    match ran {
        Ok(()) => assert!(begun < FLOOR || seen.never().is_empty(), "{:?}", seen.never()),
        Err(TestError::Fail(why, list)) => {
            panic!("{on:?}, SIMULATION={},{}: {list:?}\n{why}", size.lists, size.seed)
        }
        Err(fault) => panic!("{fault}"),
    }
}

/// What a panic in a list said.
fn said_by(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a panic: {}", said.unwrap_or("without words"))
}

#[test]
fn p1_p2_p3_p4_p5_p6_p8_p9_hold_whatever_happens_on_sqlite() {
    simulate(On::Sqlite);
}

#[test]
fn p1_p2_p3_p4_p5_p6_p8_p9_p11_hold_whatever_happens_on_postgres() {
    simulate(On::Postgres);
}
