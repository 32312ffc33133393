//! F10: a clock that is set, that starts in 1970 or sleeps. Nothing is announced twice, nothing expires in bulk, and
//! it is told; when the clock is right again, or a person says that it is, everything goes on.

use crate::house::{House, MONDAY, On, at, medicine, on_both, person};
use carebell::care::time::{DAY_MS, HOUR_MS, MINUTE_MS, Reading};
use carebell::care::{ChannelKind, UtcMs};
use carebell::cli::app::App;
use carebell::cli::daemon::Daemon;
use carebell::clock::{Clock, GuardedClock, ManualClock, SystemClock};
use carebell::http::Readiness as _;
use carebell::jobs::{Job, Run};
use carebell::policy::clock::{FOLLOWED_MS, Trouble};
use carebell::store::Engine;
use carebell::watch::troubles;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio_util::task::TaskTracker;

const PHONE: &str = "+351912345001";

/// One patient in Lisbon with a dose at eight every day.
async fn one_dose(house: &House) -> carebell::care::ids::PatientId {
    let id = house.patient(person(PHONE, "Europe/Lisbon", &[(ChannelKind::Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    id
}

async fn detail(daemon: &Daemon) -> Option<String> {
    let components = daemon.components().await;
    let clock = components.into_iter().find(|one| one.name == "clock").unwrap();
    assert_eq!(clock.fault, None, "callbacks must still come in");
    clock.detail
}

/// Everything that must not move while the clock is in doubt.
async fn ledger(house: &House) -> (BTreeMap<String, i64>, Vec<i64>, i64) {
    let mut tx = house.app.store.read().await.unwrap();
    let alarms = carebell::store::alarms::lanes(&mut tx).await.unwrap().len() as i64;
    drop(tx);
    (house.reminders().await, house.accepted(PHONE), alarms)
}

/// Another life of the daemon on this house, whose clock starts as it stands.
fn restarted(house: &House) -> Daemon {
    let clock = GuardedClock::new(house.clock.clone(), FOLLOWED_MS);
    let app = App { clock: Arc::new(clock), ..house.app.clone() };
    Daemon::new(app, Vec::new(), &TaskTracker::new())
}

on_both!(f10_steps_hold_everything_until_the_clock_is_right_again, async |house: House| {
    let id = one_dose(&house).await;
    house.play_until(at(7, 0)).await;
    let year = 365 * DAY_MS;
    let steps = [HOUR_MS, 2 * DAY_MS, 60 * year, -HOUR_MS, -3 * DAY_MS, -at(7, 0).0];
    for step in steps {
        let before = ledger(&house).await;
        let truth = house.clock.now();
        house.clock.step_to(truth.plus_ms(step));
        house.settle().await;
        house.clock.advance_ms(5 * MINUTE_MS);
        house.settle().await;
        assert_eq!(ledger(&house).await, before, "a step by {step} ms moves nothing");
        assert_eq!(house.tasks().await.get("clock"), Some(&1), "{step}");
        assert!(detail(&house.daemon).await.is_some(), "{step}");
        assert_eq!(house.daemon.next_alarm().await.unwrap(), None);
        let run = house.daemon.jobs().run_once(Job::WatchTick).await.unwrap();
        assert!(matches!(run, Run::Held(_)), "{run:?}");
        house.clock.step_to(truth.plus_ms(5 * MINUTE_MS));
        house.settle().await;
        assert_eq!(detail(&house.daemon).await, None, "{step}");
        assert_eq!(house.tasks().await.get("clock"), None, "{step}");
    }
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [8 * 60]);
    assert_eq!(house.story_of(id).await, [("sent", "accepted".to_owned())]);
});

on_both!(
    f10_a_dose_that_comes_due_in_doubt_leaves_once_when_the_clock_is_right,
    async |house: House| {
        one_dose(&house).await;
        house.play_until(at(7, 50)).await;
        house.clock.step_to(at(3, 0));
        house.settle().await;
        house.clock.advance_ms(20 * MINUTE_MS);
        house.settle().await;
        assert_eq!(house.accepted(PHONE), [0_i64; 0]);
        house.clock.step_to(at(8, 10));
        house.settle().await;
        house.play_until(at(12, 0)).await;
        assert_eq!(house.accepted(PHONE), [8 * 60 + 10]);
    }
);

on_both!(f10_suspend_is_downtime_and_small_steps_are_followed, async |house: House| {
    let id = one_dose(&house).await;
    house.play_until(at(7, 0)).await;
    for by in [1_000, -1_000, 100_000, -100_000] {
        house.clock.step_to(house.clock.now().plus_ms(by));
        house.settle().await;
        assert_eq!(house.app.clock.now(), house.clock.now(), "{by} ms are followed");
        assert_eq!(detail(&house.daemon).await, None, "{by} ms are no trouble");
    }
    house.clock.advance_ms(9 * HOUR_MS);
    house.settle().await;
    assert_eq!(detail(&house.daemon).await, None);
    assert_eq!(house.story_of(id).await, [("expired", "past-validity".to_owned())]);
});

on_both!(f10_a_confirmed_step_forward_is_downtime, async |house: House| {
    let id = one_dose(&house).await;
    house.play_until(at(7, 0)).await;
    house.clock.step_to(at(48 + 9, 0));
    house.settle().await;
    assert_eq!(house.reminders_of(id).await.len(), 0);
    assert_eq!(house.app.clock_watch().confirm().await.unwrap(), None);
    house.settle().await;
    assert_eq!(detail(&house.daemon).await, None);
    assert_eq!(house.accepted(PHONE), [(48 + 9) * 60], "the newest alone, still valid");
});

on_both!(f10_a_confirmed_step_back_repeats_nothing, async |house: House| {
    one_dose(&house).await;
    house.play_until(at(72 + 9, 0)).await;
    let sent = [8, 32, 56, 80].map(|hour| hour * 60);
    assert_eq!(house.accepted(PHONE), sent);
    house.clock.step_to(at(9, 0));
    house.settle().await;
    assert_eq!(house.app.clock_watch().confirm().await.unwrap(), None);
    house.settle().await;
    assert_eq!(detail(&house.daemon).await, None);
    house.play_until(at(72 + 23, 0)).await;
    assert_eq!(house.accepted(PHONE), sent, "P1: what was sent is not sent again");
    house.play_until(at(96 + 9, 0)).await;
    assert_eq!(house.accepted(PHONE)[4..], [(96 + 8) * 60], "and it goes on after it");
});

on_both!(f10_a_start_in_1970_waits_for_the_time, async |house: House| {
    one_dose(&house).await;
    house.play_until(at(7, 0)).await;
    let before = ledger(&house).await;
    house.clock.step_to(UtcMs(5_000));
    let daemon = restarted(&house);
    daemon.recover().await.unwrap();
    assert!(!daemon.step().await.unwrap());
    assert_eq!(ledger(&house).await, before);
    assert!(detail(&daemon).await.unwrap().contains("before this program was made"));
    let refused = house.app.clock_watch().confirm().await.unwrap();
    assert_eq!(refused, Some(Trouble::BeforeBuilt), "nobody can say that 1970 is right");
    house.clock.step_to(at(8, 5));
    while daemon.step().await.unwrap() || !daemon.is_quiet().await.unwrap() {}
    assert_eq!(detail(&daemon).await, None);
    assert_eq!(house.accepted(PHONE), [8 * 60 + 5]);
});

on_both!(f10_a_restart_forgets_no_step, async |house: House| {
    one_dose(&house).await;
    house.play_until(at(7, 0)).await;
    house.clock.step_to(at(24 + 7, 0));
    house.settle().await;
    let before = ledger(&house).await;
    let daemon = restarted(&house);
    daemon.recover().await.unwrap();
    daemon.step().await.unwrap();
    assert_eq!(ledger(&house).await, before);
    let mut tx = house.app.store.read().await.unwrap();
    let told = troubles(&mut tx).await.unwrap();
    drop(tx);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].trouble, Trouble::Unresolved);
    assert_eq!(house.app.clock_watch().confirm().await.unwrap(), None);
    daemon.step().await.unwrap();
    assert_eq!(detail(&daemon).await, None);
});

on_both!(f10_a_start_behind_the_ledger_waits, async |house: House| {
    one_dose(&house).await;
    house.play_until(at(9, 0)).await;
    house.clock.step_to(MONDAY);
    let daemon = restarted(&house);
    daemon.recover().await.unwrap();
    assert!(detail(&daemon).await.unwrap().contains("9 h behind"), "{:?}", detail(&daemon).await);
    house.clock.step_to(at(9, 1));
    daemon.step().await.unwrap();
    assert_eq!(detail(&daemon).await, None);
});

/// The system's clock, set wrong by so many milliseconds.
struct Wrong(AtomicI64);

impl Clock for Wrong {
    fn now(&self) -> UtcMs {
        self.reading().wall
    }

    fn reading(&self) -> Reading {
        let reading = SystemClock.reading();
        Reading { wall: reading.wall.plus_ms(self.0.load(Ordering::SeqCst)), ..reading }
    }
}

#[tokio::test]
async fn f10_the_databases_clock_bears_witness() {
    let Some(house) = House::build(On::Postgres).await else { return };
    assert_eq!(house.app.store.engine(), Engine::Postgres);
    let wrong = Arc::new(Wrong(AtomicI64::new(10 * MINUTE_MS)));
    let guarded = Arc::new(GuardedClock::new(wrong.clone(), FOLLOWED_MS));
    let app = App { clock: guarded, ..house.app.clone() };
    let watch = app.clock_watch();
    let trouble = watch.look().await.unwrap();
    assert!(matches!(trouble, Some(Trouble::OffDatabase { by_ms }) if by_ms > 9 * MINUTE_MS));
    wrong.0.store(0, Ordering::SeqCst);
    assert_eq!(watch.look().await.unwrap(), None, "set right: the database says so");
    wrong.0.store(-HOUR_MS, Ordering::SeqCst);
    assert!(watch.look().await.unwrap().is_some());
    assert!(app.clock.now().since(SystemClock.now()).abs() < MINUTE_MS, "business time stays");
    wrong.0.store(0, Ordering::SeqCst);
    assert_eq!(watch.look().await.unwrap(), None);
}

#[test]
fn the_system_has_a_steady_clock() {
    let clock = SystemClock;
    let first = clock.steady_ms();
    assert!(first > 0);
    assert!(clock.steady_ms() >= first);
    let manual = ManualClock::new(MONDAY);
    manual.step_to(UtcMs(0));
    assert_eq!(manual.steady_ms(), 0, "a step takes no time");
}
