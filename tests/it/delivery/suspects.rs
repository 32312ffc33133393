//! A row that brings the process down (P9): what was in hand at an unclean end is stepped alone, and parked after
//! three times.

use crate::house::{House, On, at, medicine, on_both, person, planned};
use crate::process::{Installation, Wishes, noon_zone, now, once, until};
use carebell::care::ChannelKind::{Sms, Whatsapp};
use carebell::care::ids::PatientId;
use carebell::care::{ActivityKind, AttemptState};
use carebell::cli::daemon::Daemon;
use carebell::home::{Home, Step};
use carebell::sandbox::{AnswerFault, CallbackFault, Channel, Fault, Reply, Rule};
use carebell::store::alarms::{self, AlarmKind};
use carebell::store::{attempts, parked, reminders, tasks};
use sqlx::Connection as _;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

const PHONE: &str = "+351912345001";
const OTHER: &str = "+351912345002";

fn home(folder: &Path) -> Home {
    Home::take(folder, Uuid::from_u128(2)).unwrap()
}

/// The process ends in the middle of a step, so often.
fn die_with(folder: &Path, step: Step, id: Uuid, times: usize) {
    for _ in 0..times {
        let home = home(folder);
        std::mem::forget(home.in_hand(step, &[id]));
    }
}

/// The daemon starts again after that.
fn start_again(house: &mut House, folder: &Path) {
    let (app, home) = (house.app.clone(), Arc::new(home(folder)));
    house.daemon = Daemon::in_home(app, Vec::new(), &TaskTracker::new(), home);
}

async fn two(house: &House) -> [PatientId; 2] {
    let one = house.patient(person("one", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(one, medicine("a", &["08:00", "20:00"])).await;
    let other = house.patient(person("other", "Europe/Lisbon", &[(Sms, OTHER)])).await;
    house.activity(other, medicine("b", &["08:00", "20:00"])).await;
    [one, other]
}

on_both!(p9_a_patient_whose_wake_kills_three_times_is_parked_alone, async |mut house: House| {
    let folder = tempfile::tempdir().unwrap();
    let [one, _] = two(&house).await;
    die_with(folder.path(), Step::Wake, one.0, 3);
    start_again(&mut house, folder.path());
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(OTHER), [480]);
    assert!(house.accepted(PHONE).is_empty());
    assert_eq!(house.tasks().await, [("parked".to_owned(), 1)].into());
});

on_both!(p9_a_patient_that_was_only_near_is_cleared_by_its_next_step, async |mut house: House| {
    let folder = tempfile::tempdir().unwrap();
    let [one, _] = two(&house).await;
    die_with(folder.path(), Step::Wake, one.0, 2);
    start_again(&mut house, folder.path());
    house.play_until(planned()).await;
    house.restart();
    die_with(folder.path(), Step::Wake, one.0, 2);
    start_again(&mut house, folder.path());
    house.play_until(at(9, 0)).await;
    assert_eq!((house.accepted(PHONE), house.accepted(OTHER)), (vec![480], vec![480]));
    assert_eq!(house.tasks().await, [].into());
});

on_both!(p9_a_message_whose_claim_kills_three_times_is_parked_alone, async |mut house: House| {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = two(&house).await;
    house.play_until(planned()).await;
    let message = house.reminders_of(one).await[0].message.unwrap();
    die_with(folder.path(), Step::Claim, message.0, 3);
    let near = house.reminders_of(other).await[0].message.unwrap();
    start_again(&mut house, folder.path());
    house.play_until(at(8, 5)).await;
    assert_eq!(house.accepted(OTHER), [480]);
    assert!(house.accepted(PHONE).is_empty());
    assert_eq!(house.story_of(one).await[0], ("parked", "poisoned".to_owned()));
    let mut tx = house.app.store.read().await.unwrap();
    assert!(alarms::of(&mut tx, AlarmKind::Message, near.0).await.unwrap().is_empty());
    drop(tx);
    // The patient is no suspect: the evening's dose goes out.
    house.play_until(at(21, 0)).await;
    assert_eq!(house.accepted(PHONE), [1200]);
});

on_both!(p9_a_suspect_message_goes_alone_and_is_sent, async |mut house: House| {
    let folder = tempfile::tempdir().unwrap();
    let [one, _] = two(&house).await;
    house.play_until(planned()).await;
    let message = house.reminders_of(one).await[0].message.unwrap();
    die_with(folder.path(), Step::Claim, message.0, 2);
    start_again(&mut house, folder.path());
    house.clock.set(at(8, 0));
    let first = house.daemon.deliverer().tick().await.unwrap();
    assert_eq!(first.intents, 2);
    house.settle().await;
    assert_eq!((house.accepted(PHONE), house.accepted(OTHER)), (vec![480], vec![480]));
    assert!(house.daemon.deliverer().deps().home.suspects(Step::Claim).is_empty());
});

on_both!(p9_suspects_that_wait_for_their_sender_hold_up_no_other, async |mut house: House| {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = two(&house).await;
    let third = house.patient(person("third", "Europe/Lisbon", &[(Whatsapp, PHONE)])).await;
    house.activity(third, medicine("c", &["08:00"])).await;
    house.play_until(planned()).await;
    let mut in_hand = Vec::new();
    for id in [one, other] {
        in_hand.push(house.reminders_of(id).await[0].message.unwrap().0);
    }
    std::mem::forget(home(folder.path()).in_hand(Step::Claim, &in_hand));
    start_again(&mut house, folder.path());
    // So slow a pace that a sender's first message is its last one here.
    house.daemon.deliverer().share_among(u32::MAX);
    house.clock.set(at(8, 0));
    let first = house.daemon.deliverer().tick().await.unwrap();
    assert_eq!(first.intents, 2, "one suspect, and what goes over the other channel");
    assert_eq!(house.daemon.deliverer().deps().home.suspects(Step::Claim).len(), 1);
    house.daemon.deliverer().share_among(1);
    house.settle().await;
    assert_eq!((house.accepted(PHONE), house.accepted(OTHER)), (vec![480, 480], vec![480]));
});

on_both!(p9_a_callback_that_kills_three_times_holds_up_no_stop, async |mut house: House| {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = two(&house).await;
    house.sandbox.reply(Reply::text(Channel::Twilio, PHONE, "hello")).await.unwrap();
    let mut tx = house.app.store.read().await.unwrap();
    let keys = house.app.store.keys();
    let rows = carebell::store::inbound::fresh(&mut tx, keys, 9).await.unwrap();
    drop(tx);
    let killer = rows[0].as_ref().unwrap().id;
    die_with(folder.path(), Step::Inbound, killer.0, 3);
    start_again(&mut house, folder.path());
    house.sandbox.reply(Reply::text(Channel::Twilio, OTHER, "STOP")).await.unwrap();
    house.play_until(at(9, 0)).await;
    assert_eq!(house.accepted(PHONE), [480]);
    assert_eq!(house.story_of(other).await[0].0, "blocked");
    assert_eq!(house.tasks().await, [("parked".to_owned(), 1)].into());
    assert_eq!(house.story_of(one).await[0].0, "sent");
});

on_both!(p9_what_is_parked_comes_back_when_a_person_says_so, async |mut house: House| {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = two(&house).await;
    house.play_until(planned()).await;
    let message = house.reminders_of(one).await[0].message.unwrap();
    die_with(folder.path(), Step::Claim, message.0, 3);
    start_again(&mut house, folder.path());
    house.play_until(at(8, 5)).await;
    assert_eq!(house.story_of(one).await[0].0, "parked");
    // The other one is parked as a patient.
    house.restart();
    die_with(folder.path(), Step::Wake, other.0, 3);
    start_again(&mut house, folder.path());
    house.play_until(at(8, 10)).await;
    assert_eq!(house.tasks().await, [("parked".to_owned(), 2)].into());
    let now = at(8, 10);
    let mut tx = house.app.store.write().await.unwrap();
    let subjects = tasks::open_subjects(&mut tx, tasks::TaskKind::Parked).await.unwrap();
    let mut back = parked::unpark(&mut tx, &subjects, now).await.unwrap();
    tx.commit().await.unwrap();
    back.sort();
    let mut expected = [other.to_string(), message.to_string()];
    expected.sort();
    assert_eq!(back, expected);
    house.play_until(at(21, 0)).await;
    assert_eq!(house.accepted(PHONE), [490, 1200]);
    assert_eq!(house.accepted(OTHER), [480, 1200]);
});

on_both!(p1_p4_p9_settling_that_kills_three_times_leaves_it_unknown, async |mut house: House| {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = two(&house).await;
    house.sandbox.faults().add(Rule::once(Fault::Callbacks(CallbackFault::Off)).to(PHONE));
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Drop)).to(PHONE));
    house.play_until(at(8, 0)).await;
    let message = house.reminders_of(one).await[0].message.unwrap();
    let mut tx = house.app.store.read().await.unwrap();
    let attempt = attempts::of_messages(&mut tx, &[message]).await.unwrap().remove(0);
    drop(tx);
    assert_eq!(attempt.state, AttemptState::Unknown);
    die_with(folder.path(), Step::Settle, attempt.id.0, 3);
    start_again(&mut house, folder.path());
    house.play_until(at(9, 0)).await;
    assert_eq!(house.story_of(one).await[0], ("unknown", "poisoned".to_owned()));
    let mut tx = house.app.store.write().await.unwrap();
    assert!(alarms::of(&mut tx, AlarmKind::Settle, attempt.id.0).await.unwrap().is_empty());
    // It may have left: who takes the message back from where it is parked does not send it again.
    let back = parked::unpark(&mut tx, &[message.to_string()], at(9, 0)).await.unwrap();
    assert!(back.is_empty(), "{back:?}");
    tx.commit().await.unwrap();
    assert_eq!(house.tasks().await, [("parked".to_owned(), 1)].into());
    assert_eq!(house.story_of(other).await[0].0, "sent");
    house.play_until(at(21, 0)).await;
    assert_eq!(house.accepted(PHONE), [480, 1200], "the evening's dose is no suspect");
});

/// A place of the real daemon's state file.
fn place<T: serde::de::DeserializeOwned + Default>(folder: &Path, place: usize) -> T {
    let bytes = std::fs::read(folder.join("instance-1.state")).unwrap_or_default();
    let place = bytes.get(place * 16 * 1024..).unwrap_or_default();
    let line = place.split(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice(line).unwrap_or_default()
}

/// Ids that it has in hand for a wake.
fn in_hand(folder: &Path) -> Vec<Uuid> {
    place(folder, 1)
}

/// How often in a row the worst of its suspects was in hand at an end.
fn counted(folder: &Path) -> u32 {
    let suspects: BTreeMap<String, BTreeMap<Uuid, u32>> = place(folder, 5);
    suspects.values().flat_map(BTreeMap::values).copied().max().unwrap_or(0)
}

/// The real daemon, killed in the middle of a wake that a locked table holds up: first with everybody in hand, then
/// with one alone, until that one is parked and everybody else is sent to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p9_p11_a_daemon_killed_in_its_step_steps_alone_and_parks_one_on_postgres() {
    let Some(installation) = Installation::make(On::Postgres, Wishes::default()).await else {
        return;
    };
    let due = now().plus_ms(-60_000);
    let people: Vec<_> = (0..4)
        .map(|n| {
            let phone = format!("+1202555{n:04}");
            let patient = person(&format!("p{n}"), &noon_zone(), &[(Sms, &phone)]);
            (patient, vec![once(ActivityKind::Medication, "a", due)])
        })
        .collect();
    installation.enrol(&people).await;
    let mut lock = sqlx::PgConnection::connect(&installation.database_url()).await.unwrap();
    let locked = "BEGIN; LOCK TABLE reminders IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(locked).execute(&mut lock).await.unwrap();
    let mut alone = Vec::new();
    for (times, together) in [(0, 4), (1, 1), (2, 1)] {
        let running = installation.spawn();
        until("the step has them in hand", async || {
            let folder = installation.state_dir();
            counted(&folder) == times && in_hand(&folder).len() == together
        })
        .await;
        alone = in_hand(&installation.state_dir());
        running.kill();
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut lock).await.unwrap();
    let running = installation.start().await;
    let store = &installation.store;
    until("everybody else is sent to", async || {
        let mut tx = store.read().await.unwrap();
        reminders::count(&mut tx).await.unwrap() == [("sent".to_owned(), 3)]
    })
    .await;
    let mut tx = store.read().await.unwrap();
    let open = tasks::list(&mut tx).await.unwrap();
    let parked: Vec<_> =
        open.iter().map(|task| (task.kind.as_str(), task.patient_id.unwrap())).collect();
    assert_eq!(parked, [("parked", alone[0])]);
    drop(tx);
    assert_eq!(running.stop().await, Some(0), "{}", installation.log());
    assert_eq!(installation.sandbox.ledger().len(), 3);
}
