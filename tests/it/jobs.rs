//! The jobs, over a whole house: what they drop, mend and copy, and that a run that was killed is gone on with.

use crate::house::{House, MONDAY, On, at, medicine, on_both, person, planned};
use carebell::care::ids::{AttemptId, ReceiptId};
use carebell::care::time::{DAY_MS, HOUR_MS};
use carebell::care::{AttemptState, ChannelKind::Sms, ReceiptStatus};
use carebell::cli::app::App;
use carebell::cli::daemon::Daemon;
use carebell::clock::Clock as _;
use carebell::config::BackupConfig;
use carebell::jobs::{Job, Run, copies, load};
use carebell::sandbox::{AnswerFault, CallbackFault, Fault, Rule};
use carebell::store::backup::faults_of_copy;
use carebell::store::receipts::ReceiptRow;
use carebell::store::retention::{Stale, drop_some};
use carebell::store::{Engine, attempts, database_clock_ms, jobs, messages, patients, receipts};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

const PHONE: &str = "+351912345001";

async fn done(house: &House, job: Job) -> String {
    match house.daemon.jobs().run_once(job).await.unwrap() {
        Run::Done(said) => said,
        other => unreachable!("{other:?}"),
    }
}

/// How many rows of a table hold a condition.
async fn rows(house: &House, table: &str, column: &str, condition: &str) -> u64 {
    house.damage(&format!("UPDATE {table} SET {column} = {column} WHERE {condition}")).await
}

on_both!(retention_drops_what_tells_and_keeps_what_promises_need, async |house: House| {
    let id = house.patient(person(PHONE, "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(48 + 9, 0)).await;
    house.app.watch().tick().await.unwrap();
    house
        .damage(&format!(
            "INSERT INTO tasks (id, kind, subject, reason, state, opened_at_ms, due_at_ms) \
             SELECT id, 'watch', 'x', '{{}}', 'done', {0}, {0} FROM attempts WHERE number = 1 \
             ORDER BY id LIMIT 1",
            MONDAY.0
        ))
        .await;
    house
        .damage(
            "INSERT INTO transitions (id, subject_id, at_ms, state, reason) \
             SELECT id, id, intent_at_ms, 'queued', '{}' FROM attempts",
        )
        .await;
    house
        .damage(&format!(
            "INSERT INTO outages (channel, since_ms, until_ms, looked_ms, reported_ms) \
             VALUES ('told', {0}, {0}, {0}, {0}), ('untold', {0}, {1}, 0, NULL)",
            MONDAY.0,
            MONDAY.plus_ms(200 * DAY_MS).0
        ))
        .await;
    let all = "1 = 1";
    let told = [
        ("inbound", "note"),
        ("receipts", "code"),
        ("transitions", "state"),
        ("tasks", "state"),
        ("watch_hours", "looks"),
        ("outages", "looked_ms"),
    ];
    for (table, column) in told {
        assert!(rows(&house, table, column, all).await > 0, "the test needs rows in {table}");
    }
    let kept = [
        ("reminders", "state"),
        ("messages", "state"),
        ("attempts", "state"),
        ("consents", "source"),
        ("audit", "actor"),
        ("gaps", "slots"),
    ];
    let mut before = Vec::new();
    for (table, column) in kept {
        before.push(rows(&house, table, column, all).await);
    }
    done(&house, Job::Retention).await;
    for (table, column) in told {
        assert!(rows(&house, table, column, all).await > 0, "{table}: nothing is old yet");
    }
    assert_eq!(rows(&house, "attempts", "state", "length(content) = 0").await, 0);
    // A run that was killed after its first transaction is gone on with. The patient left meanwhile.
    house.status(id, carebell::care::PatientStatus::Left).await;
    house.settle().await;
    house.clock.advance_ms(100 * DAY_MS);
    let mut tx = house.app.store.write().await.unwrap();
    let cutoff = house.clock.now().plus_ms(-90 * DAY_MS);
    assert_eq!(drop_some(&mut tx, Stale::Contents, cutoff, 1).await.unwrap(), 1);
    tx.commit().await.unwrap();
    let said: Value = serde_json::from_str(&done(&house, Job::Retention).await).unwrap();
    assert_eq!(said["contents"], json!(2), "{said}");
    for (table, column) in told {
        let left = rows(&house, table, column, all).await;
        let goes_on = u64::from(table == "outages");
        assert_eq!(left, goes_on, "{table}: {said}");
    }
    for ((table, column), count) in kept.into_iter().zip(before) {
        assert_eq!(rows(&house, table, column, all).await, count, "{table}");
    }
    assert_eq!(rows(&house, "outages", "looked_ms", "channel = 'untold'").await, 1);
    assert_eq!(rows(&house, "attempts", "state", "length(content) > 0").await, 0);
});

on_both!(p1_after_retention_no_slot_comes_back, async |house: House| {
    let id = house.patient(person(PHONE, "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(48 + 9, 0)).await;
    let mut tx = house.app.store.write().await.unwrap();
    // All but the rows of the last minute are old by this rule.
    for kind in Stale::ALL {
        drop_some(&mut tx, kind, house.clock.now(), 1_000).await.unwrap();
    }
    patients::lock(&mut tx, &[id]).await.unwrap();
    patients::disturb(&mut tx, &[id], house.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    house.play_until(at(72 + 9, 0)).await;
    assert_eq!(house.accepted(PHONE), [8, 32, 56, 80].map(|hour| hour * 60));
});

on_both!(the_sweep_settles_what_nothing_settles, async |house: House| {
    let id = house.patient(person(PHONE, "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Drop)));
    house.play_until(at(8, 0)).await;
    assert_eq!(house.story_of(id).await[0].0, "unknown");
    assert_eq!(house.damage("UPDATE attempts SET wake_at_ms = NULL").await, 1);
    assert_eq!(house.damage("DELETE FROM alarms WHERE kind = 'settle'").await, 1);
    house.play_until(at(9, 0)).await;
    assert_eq!(house.story_of(id).await[0].0, "unknown", "nothing settles it");
    let said = done(&house, Job::ReconcileSweep).await;
    assert!(said.contains(r#""attempts_armed":1"#), "{said}");
    house.play_until(at(9, 30)).await;
    assert_eq!(house.story_of(id).await, [("sent", "looked-up".to_owned())]);
    let said = done(&house, Job::ReconcileSweep).await;
    assert!(said.contains(r#""attempts_armed":0"#), "settled ones are left alone: {said}");
});

// Our webhook was not there, and Twilio does not come again: an hour on it is asked.
on_both!(p8_what_no_receipt_told_is_asked_an_hour_later, async |house: House| {
    let id = house.patient(person(PHONE, "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    house.play_until(at(8, 30)).await;
    let state = async || {
        let mut tx = house.app.store.read().await.unwrap();
        let message = messages::at_minutes(&mut tx, &[id], at(8, 0)).await.unwrap()[0].id;
        let attempt = attempts::of_messages(&mut tx, &[message]).await.unwrap().remove(0);
        (attempt.state.word(), attempt.reason.to_string())
    };
    let asked = async |asked: usize, heard: usize| {
        let said = done(&house, Job::ReconcileSweep).await;
        let expected = format!(r#""asked_after":{asked},"attempts_armed":0,"heard":{heard},"#);
        assert!(said.contains(&expected), "{said}");
    };
    asked(0, 0).await;
    assert_eq!(state().await.0, "accepted");
    house.play_until(at(9, 30)).await;
    asked(1, 1).await;
    assert_eq!(state().await, ("delivered", "the provider's list shows it".to_owned()));
    asked(0, 0).await;
});

on_both!(the_sweep_leaves_what_was_decided, async |house: House| {
    let id = house
        .patient(person(PHONE, "Europe/Lisbon", &[(carebell::care::ChannelKind::Whatsapp, PHONE)]))
        .await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Drop)));
    house.play_until(at(9, 0)).await;
    assert_eq!(house.story_of(id).await[0], ("unknown", "stays-unknown".to_owned()));
    let said = done(&house, Job::ReconcileSweep).await;
    assert!(said.contains(r#""attempts_armed":0"#), "{said}");
});

on_both!(p8_the_sweep_matches_parked_receipts, async |house: House| {
    let id = house.patient(person(PHONE, "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    house.play_until(at(8, 5)).await;
    let sent = house.sandbox.ledger().entries().remove(0);
    let attempt: AttemptId = sent.message.correlation.as_ref().unwrap().parse().unwrap();
    let read = async || {
        let mut tx = house.app.store.read().await.unwrap();
        attempts::read(&mut tx, &[attempt]).await.unwrap().remove(0)
    };
    let row = read().await;
    assert_eq!(row.state, AttemptState::Accepted);
    let now = house.clock.now();
    let mut tx = house.app.store.write().await.unwrap();
    let parked = ReceiptRow {
        id: ReceiptId::new(now, &mut house.app.rng.fork()),
        channel: row.channel.clone(),
        provider_id: row.provider_id.clone().unwrap(),
        status: ReceiptStatus::Delivered,
        code: String::new(),
        attempt: None,
        at: None,
        received_at: now,
    };
    receipts::insert(&mut tx, &[parked]).await.unwrap();
    tx.commit().await.unwrap();
    let said = done(&house, Job::ReconcileSweep).await;
    assert!(said.contains(r#""receipts_matched":1"#), "{said}");
    assert_eq!(read().await.state, AttemptState::Delivered);
    let mut tx = house.app.store.read().await.unwrap();
    assert_eq!(receipts::count_parked(&mut tx).await.unwrap(), 0);
});

on_both!(the_sweep_puts_back_alarms_of_messages, async |house: House| {
    let id = house.patient(person(PHONE, "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(planned()).await;
    assert_eq!(house.damage("DELETE FROM alarms WHERE kind = 'message'").await, 1);
    let said = done(&house, Job::ReconcileSweep).await;
    assert!(said.contains(r#""alarms_put_back":1"#), "{said}");
    house.play_until(at(8, 5)).await;
    assert_eq!(house.accepted(PHONE), [480]);
});

on_both!(a_job_runs_once_over_all_instances_and_again_after_a_kill, async |house: House| {
    let other = house.daemon();
    let lease = async |ms: i64| {
        let mut tx = house.app.store.write().await.unwrap();
        let database_now = database_clock_ms(&mut tx).await.unwrap();
        let until = database_now.plus_ms(ms);
        let (name, now) = (Job::Retention.name(), house.clock.now());
        let taken = jobs::take(&mut tx, name, Uuid::from_u128(7), until, database_now, now).await;
        tx.commit().await.unwrap();
        taken.unwrap()
    };
    assert!(lease(HOUR_MS).await);
    assert!(!lease(HOUR_MS).await);
    assert_eq!(other.jobs().run_once(Job::Retention).await.unwrap(), Run::UnderWay);
    // The one that held it was killed, and its lease ends.
    assert_eq!(house.damage("UPDATE job_runs SET lease_until_ms = 0").await, 1);
    assert!(matches!(other.jobs().run_once(Job::Retention).await.unwrap(), Run::Done(_)));
    // A run whose daemon stops gives its lease back, and counts neither as success nor as failure.
    let stopping = tokio_util::sync::CancellationToken::new();
    stopping.cancel();
    let run = other.jobs().run_until(Job::Retention, &stopping).await.unwrap();
    assert_eq!(run, Run::Stopped);
    let history = other.jobs().history().await.unwrap();
    let row = history.iter().find(|row| row.name == "retention").unwrap();
    assert_eq!((row.runs, row.failures), (2, 0), "{row:?}");
    assert!(lease(0).await, "the lease is free");
});

/// A daemon that makes copies in a folder.
fn with_backups(house: &House, folder: &Path) -> Daemon {
    let mut config = (*house.app.config).clone();
    let section = json!({"folder": folder, "keep": 2});
    config.backup = serde_json::from_value::<BackupConfig>(section).unwrap();
    let app = App { config: Arc::new(config), ..house.app.clone() };
    let declared = load(Path::new("/nowhere")).unwrap();
    Daemon::new(app, declared, &TaskTracker::new())
}

on_both!(backup_copies_checks_and_rotates, async |house: House| {
    let id = house.patient(person(PHONE, "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("copies");
    let daemon = with_backups(&house, &folder);
    if house.app.store.engine() == Engine::Postgres {
        let Run::Done(said) = daemon.jobs().run_once(Job::Backup).await.unwrap() else {
            unreachable!()
        };
        assert!(said.contains("pg_dump"), "{said}");
        assert!(!folder.exists());
        return;
    }
    for hour in 0..3 {
        house.clock.set(at(hour, 0));
        // What an earlier run left unfinished is in nobody's way.
        if folder.exists() {
            std::fs::write(folder.join("carebell-unfinished.db"), "half").unwrap();
        }
        let run = daemon.jobs().run_once(Job::Backup).await.unwrap();
        assert!(matches!(run, Run::Done(_)), "{run:?}");
    }
    let kept = copies(&folder).unwrap();
    assert_eq!(kept.iter().map(|copy| copy.at).collect::<Vec<_>>(), [at(1, 0), at(2, 0)]);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "nothing unfinished is left");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&kept[1].file)), (0o700, 0o600));
    let keys = carebell::security::Keyring::new(&[7; 32]);
    let copy = carebell::store::connect_sqlite(&kept[1].file, keys).await.unwrap();
    let mut tx = copy.read().await.unwrap();
    assert_eq!(patients::count(&mut tx).await.unwrap(), [("active".to_owned(), 1)]);
    drop(tx);
    copy.close().await;
    // A copy that is damaged is seen.
    let mut bytes = std::fs::read(&kept[0].file).unwrap();
    assert_eq!(faults_of_copy(&kept[0].file).await.unwrap(), Vec::<String>::new());
    // A page far from those that opening reads.
    let last = bytes.len() - 4_096;
    bytes[last..].fill(0xA5);
    std::fs::write(&kept[0].file, bytes).unwrap();
    assert!(faults_of_copy(&kept[0].file).await.map_or(true, |faults| !faults.is_empty()));
});
