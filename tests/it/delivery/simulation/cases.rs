//! Lists that once failed, or that make sure of a rare road: each with its name, on both databases.

use super::ops::Op::{
    self, Advance, Crash, CutDatabase, EditDose, GoneBad, LoseAllTrace, Mended, Misbehave, Move,
    Outage, Pause, PauseChannel, ResumeSending, Stall, Stop, StopSending, TimeOut,
};
use super::ops::{never_taken, refusal};
use super::{Seen, run};
use crate::house::On;
use carebell::crash::POINTS;
use carebell::sandbox::Channel;

fn named() -> Vec<(&'static str, Vec<Op>)> {
    vec![
        ("nothing happens", vec![Advance { minutes: 120 }]),
        ("six hours without a daemon", vec![Outage { minutes: 360 }, Advance { minutes: 60 }]),
        ("three days without a daemon", vec![Outage { minutes: 3 * 1_440 }]),
        (
            "a dose that left without a trace is moved later that day",
            vec![LoseAllTrace, Advance { minutes: 40 }, EditDose { who: 0, time: 3 }],
        ),
        (
            "an answer later than the lease, after the receipt",
            vec![Advance { minutes: 1 }, Stall { minutes: 2 }, Advance { minutes: 60 }],
        ),
        (
            "a stopped daemon wakes when silence has settled what it sent",
            vec![
                Stall { minutes: 24 },
                Advance { minutes: 344 },
                Advance { minutes: 203 },
                Stall { minutes: 15 },
            ],
        ),
        (
            "silence is taken as proof, wrongly and rightly",
            vec![
                LoseAllTrace,
                Advance { minutes: 90 },
                Advance { minutes: 22 * 60 },
                Misbehave(never_taken()),
                Advance { minutes: 90 },
            ],
        ),
        (
            "who is paused moves east",
            vec![Pause { who: 2 }, Move { who: 2, zone: 1 }, Stop { who: 0 }, Mended { who: 0 }],
        ),
        (
            "answers too late",
            vec![
                TimeOut { who: 1 },
                Advance { minutes: 30 },
                TimeOut { who: 2 },
                Advance { minutes: 300 },
            ],
        ),
        (
            "the emergency stop outlives a dose",
            vec![
                StopSending,
                Advance { minutes: 60 },
                ResumeSending,
                Advance { minutes: 60 },
                StopSending,
                Advance { minutes: 400 },
                ResumeSending,
            ],
        ),
        (
            "a repeat is refused while the first try may have arrived",
            vec![
                Advance { minutes: 30 },
                GoneBad { who: 0 },
                LoseAllTrace,
                Misbehave(refusal(Channel::Whatsapp, 400, "131026")),
                Advance { minutes: 26 },
                Advance { minutes: 104 },
            ],
        ),
        (
            "a paused channel",
            vec![PauseChannel { channel: Channel::Whatsapp }, Advance { minutes: 200 }],
        ),
        (
            "the database restarts while a dose leaves",
            vec![CutDatabase, Advance { minutes: 130 }, CutDatabase, Advance { minutes: 60 }],
        ),
    ]
}

/// A daemon that dies at each place.
fn deaths() -> Vec<(&'static str, Vec<Op>)> {
    let at = |point| (point, vec![Crash { point, nth: 2 }, Advance { minutes: 90 }]);
    POINTS.map(at).into()
}

/// The same, and what it sent first left no trace.
fn traceless_deaths() -> Vec<(&'static str, Vec<Op>)> {
    let at = |point| (point, vec![LoseAllTrace, Crash { point, nth: 1 }, Advance { minutes: 300 }]);
    POINTS.map(at).into()
}

/// Runs lists, all of which must hold; `rare` must have happened.
async fn all_hold(on: On, lists: Vec<(&'static str, Vec<Op>)>, rare: &[&str]) {
    if on == On::Postgres && crate::postgres::database().await.is_none() {
        return;
    }
    let seen = Seen::default();
    for (name, list) in lists {
        let broken = Box::pin(run(on, &list, &seen)).await;
        assert!(broken.is_empty(), "{name}: {list:?}\n{}", broken.join("\n"));
    }
    println!("{seen:?}");
    let never = seen.never();
    assert!(!rare.iter().any(|what| never.contains(what)), "{never:?}");
}

const RARE: [&str; 3] = ["stalled", "timed out", "settled by silence"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_lists_hold_on_sqlite() {
    Box::pin(all_hold(On::Sqlite, named(), &RARE)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_named_lists_hold_on_postgres() {
    Box::pin(all_hold(On::Postgres, named(), &RARE)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deaths_at_every_place_hold_on_sqlite() {
    Box::pin(all_hold(On::Sqlite, deaths(), &["crashed"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_deaths_at_every_place_hold_on_postgres() {
    Box::pin(all_hold(On::Postgres, deaths(), &["crashed"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deaths_without_a_trace_hold_on_sqlite() {
    Box::pin(all_hold(On::Sqlite, traceless_deaths(), &["crashed"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_deaths_without_a_trace_hold_on_postgres() {
    Box::pin(all_hold(On::Postgres, traceless_deaths(), &["crashed"])).await;
}
