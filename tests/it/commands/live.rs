//! Going live: what stands in the way, and what is left of the sandbox.

use super::home::{Home, SMS, seeded_at};
use crate::process::flat;
use carebell::care::contact::ConsentDecision;
use carebell::care::ids::InstanceId;
use carebell::care::{ConsentBasis, ContactHealth, Phi, Reason, ReminderState, UtcMs};
use carebell::clock::{Clock as _, SystemClock};
use carebell::store::meta::{self, InstanceRow, fact};
use carebell::store::patients::{self, HealthMove};
use carebell::store::reminders::{self, ReminderMove};
use carebell::store::{database_clock_ms, messages, spending, standing};
use sqlx::Row as _;

/// A live configuration: everything that sandbox mode had, and an address that providers reach.
const LIVE: [(&str, &str); 6] = [
    ("CAREBELL_MODE", "live"),
    ("CAREBELL_HTTP__PUBLIC_URL", "https://carebell.example.org"),
    ("CAREBELL_CHANNELS__TWILIO__ACCOUNT_SID", SMS[1].1),
    ("CAREBELL_CHANNELS__TWILIO__AUTH_TOKENS", SMS[2].1),
    ("CAREBELL_CHANNELS__TWILIO__FROM", SMS[3].1),
    ("CAREBELL_CHANNELS__TWILIO__BASE_URL", "https://api.twilio.com"),
];

const GO: [&str; 3] = ["db", "go-live", "--yes"];
const WAIVED: [&str; 7] =
    ["db", "go-live", "--yes", "--waive-inbound", "by phone", "--by", "A. Ngozi"];

#[tokio::test]
async fn going_live_is_refused_while_anything_stands_in_the_way() {
    let home = Home::new();
    assert_eq!(home.run_with(&LIVE, &GO).code, 3);
    home.patient("one").await;
    let said = home.run(&WAIVED);
    assert_eq!(said.code, 1);
    assert!(flat(&said.talk).contains("mode = \"sandbox\""), "{}", said.talk);
    let said = home.run_with(&LIVE, &GO);
    assert_eq!(said.code, 1);
    assert!(said.words().contains("no callback of twilio was verified"), "{}", said.talk);
    // Nobody answers at a pipe.
    assert_eq!(home.run_with(&LIVE, &[&["db", "go-live"], &WAIVED[3..]].concat()).code, 2);
    assert_eq!(home.run_with(&LIVE, &[&GO[..], &["--waive-inbound", "by phone"]].concat()).code, 2);

    let (app, _) = home.open(seeded_at()).await;
    let mut tx = app.store.write().await.unwrap();
    let instance = InstanceRow {
        id: InstanceId::new(seeded_at(), &mut app.rng.fork()).0,
        host: "elsewhere".to_owned(),
        pid: 7,
        version: "1".to_owned(),
        started_at_ms: 0,
        heartbeat_ms: database_clock_ms(&mut tx).await.unwrap().0,
    };
    meta::beat(&mut tx, &instance).await.unwrap();
    tx.commit().await.unwrap();
    let said = home.run_with(&LIVE, &WAIVED);
    assert_eq!(said.code, 1);
    assert!(flat(&said.talk).contains("a daemon is running on elsewhere"), "{}", said.talk);

    let mut tx = app.store.write().await.unwrap();
    meta::leave(&mut tx, InstanceId(instance.id), UtcMs(0)).await.unwrap();
    let key = format!("{}twilio", fact::WEBHOOK_VERIFIED_MS);
    meta::set(&mut tx, &key, &SystemClock.now().0.to_string()).await.unwrap();
    tx.commit().await.unwrap();
    let schema = app.store.migration_status().await.unwrap();
    assert_eq!(schema.applied, schema.known);
    assert_eq!(home.run_with(&LIVE, &GO).code, 0);
    let said = home.run_with(&LIVE, &GO);
    assert_eq!(said.code, 1);
    assert!(flat(&said.talk).contains("stamped live"), "{}", said.talk);
}

#[tokio::test]
async fn p1_nothing_of_the_sandbox_counts_once_it_is_live() {
    let home = Home::new();
    let patient = home.patient("one").await;
    home.wake(&[patient]).await;
    let (app, _) = home.open(seeded_at()).await;
    let keys = app.store.keys();
    let mut tx = app.store.write().await.unwrap();
    let before = reminders::of_patients(&mut tx, &[patient], UtcMs(0)).await.unwrap();
    assert!(before.len() > 2);
    let sent =
        ReminderMove { id: before[0].id, state: ReminderState::Sent, reason: Reason::Accepted };
    reminders::move_to(&mut tx, &[sent], seeded_at()).await.unwrap();
    let known = standing::load(&mut tx, keys, &[patient]).await.unwrap().remove(&patient).unwrap();
    let stopped = HealthMove {
        id: known.contacts[0].id,
        health: ContactHealth::OptedOut,
        code: "STOP".to_owned(),
    };
    patients::set_health(&mut tx, &[stopped], seeded_at()).await.unwrap();
    let refusal = ConsentBasis {
        channel: None,
        decision: ConsentDecision::Refused,
        basis: Phi::from("STOP"),
        at: SystemClock.now(),
    };
    let mut rng = app.rng.fork();
    let said = [(&known.row, "reply", &refusal)];
    patients::put_consents(&mut tx, keys, &mut rng, &said, seeded_at()).await.unwrap();
    let november = ("general".to_owned(), UtcMs(0));
    let spent = spending::Change { messages: 3, cost_micros: 5 };
    let spent = [(november.clone(), spent)].into();
    spending::add(&mut tx, uuid::Uuid::nil(), &spent).await.unwrap();
    tx.commit().await.unwrap();

    // A decision that a real provider brought, while the daemon held, is the patient's own.
    let real = ConsentBasis { basis: Phi::from("STOP again"), ..refusal.clone() };
    let heard = SystemClock.now();
    let mut tx = app.store.write().await.unwrap();
    meta::set(&mut tx, fact::HEARD_LIVE_SINCE_MS, &heard.0.to_string()).await.unwrap();
    let said = [(&known.row, "reply", &real)];
    patients::put_consents(&mut tx, keys, &mut rng, &said, heard).await.unwrap();
    tx.commit().await.unwrap();

    let started = SystemClock.now();
    let said = home.run_with(&LIVE, &WAIVED);
    assert_eq!(said.code, 0, "{}", said.talk);
    assert!(said.answer.contains("waived: by phone"), "{}", said.answer);

    let mut tx = app.store.read().await.unwrap();
    for reminder in reminders::of_patients(&mut tx, &[patient], UtcMs(0)).await.unwrap() {
        assert_eq!((reminder.state, reminder.reason), (ReminderState::Cancelled, Reason::GoLive));
    }
    let states = messages::count(&mut tx).await.unwrap();
    assert!(states.iter().all(|(state, _)| state == "cancelled") && !states.is_empty());
    let after = standing::load(&mut tx, keys, &[patient]).await.unwrap().remove(&patient).unwrap();
    assert_eq!(after.contacts[0].health, ContactHealth::Ok);
    assert_eq!(after.consents[..after.consents.len() - 1], known.consents);
    assert_eq!(after.consents.last().unwrap().source, "reply");
    assert!(after.activities.iter().all(|activity| activity.reminders_from >= started));
    assert!(after.row.wake_at.is_some_and(|at| at >= started));
    assert_eq!(meta::get(&mut tx, fact::MODE).await.unwrap().as_deref(), Some("live"));
    let since = meta::get(&mut tx, fact::LIVE_SINCE_MS).await.unwrap().unwrap();
    assert!(since.parse::<i64>().unwrap() >= started.0);
    assert_eq!(spending::of(&mut tx, &[november]).await.unwrap(), [].into());
    drop(tx);
    let audit = home.audit().await;
    assert_eq!(audit.len(), 1);
    let (actor, action, detail) = &audit[0];
    assert_eq!((actor.as_str(), action.as_str()), ("A. Ngozi", "db.go-live"));
    assert!(detail.contains("\"inbound_waived\":\"by phone\""), "{detail}");
}

/// `check` prepares every statement there is; the rest runs what the commands need of them.
#[tokio::test]
async fn p11_the_commands_work_on_postgresql() {
    let Some(database) = crate::postgres::database().await else { return };
    let (home, url) = (Home::new(), database.url());
    let on = |more: &[(&str, &str)], arguments: &[&str]| {
        let said = home.run_with(&[more, &[("CAREBELL_DATABASE__URL", &url)]].concat(), arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.answer, said.talk);
        said
    };
    on(&[], &["db", "migrate"]);
    let check = on(&[], &["check", "--json"]).json();
    let last = check.as_array().unwrap().last().unwrap();
    assert_eq!(last["check"], "master key and database");
    assert!(last["note"].is_null(), "nothing was prepared: {last}");
    assert_eq!(on(&[], &["status", "--json"]).json()["engine"], "postgresql");
    for arguments in [
        &["patients", "list"][..],
        &["patients", "list", "--programme", "general", "--status", "active"],
        &["review", "list"],
        &["jobs", "run", "watch-tick"],
        &["jobs", "run", "retention"],
        &["jobs", "run", "reconcile-sweep"],
        &["jobs", "run", "database-optimize"],
        &["jobs", "run", "backup"],
        &["db", "status"],
    ] {
        on(&[], arguments);
    }
    on(&LIVE, &WAIVED);
    assert_eq!(on(&LIVE, &["db", "status", "--json"]).json()["mode"], "live");
}

impl Home {
    /// Actor, action and detail of every recorded act.
    pub async fn audit(&self) -> Vec<(String, String, String)> {
        let options =
            sqlx::sqlite::SqliteConnectOptions::new().filename(self.state().join("carebell.db"));
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        let rows = sqlx::query("SELECT actor, action, detail FROM audit ORDER BY id");
        let rows = rows.fetch_all(&pool).await.unwrap();
        pool.close().await;
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }
}
