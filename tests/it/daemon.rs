//! `carebell run` as systemd and an operator meet it: notices, signals, refusals, its server and its log.

use crate::house::{On, person};
use crate::process::{Installation, Wishes, client, noon_zone, now, once, until, write_key};
use carebell::care::{ActivityKind, ChannelKind};
use carebell::cli::app::{MASTER_KEY_FILE, SQLITE_FILE};
use carebell::sandbox::{AnswerFault, Channel, Fault, Reply, Rule};
use carebell::store::{holds, patients, reminders};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

/// An interval that has STATUS and WATCHDOG told every 100 ms.
const WATCHED: [(&str, &str); 1] = [("WATCHDOG_USEC", "300000")];

async fn installation() -> Installation {
    Installation::make(On::Sqlite, Wishes::default()).await.unwrap()
}

/// One patient with one dose, due a minute ago.
async fn enrol_one(installation: &Installation) {
    let patient = person("p", &noon_zone(), &[(ChannelKind::Sms, "+12025550101")]);
    let dose = once(ActivityKind::Medication, "m", now().plus_ms(-60_000));
    installation.enrol(&[(patient, vec![dose])]).await;
}

async fn reminders_by_state(installation: &Installation) -> BTreeMap<String, i64> {
    let mut tx = installation.store.read().await.unwrap();
    reminders::count(&mut tx).await.unwrap().into_iter().collect()
}

#[tokio::test]
async fn a_first_start_makes_what_is_missing_and_tells_systemd_all_its_life() {
    let installation = installation().await;
    let fresh = installation.state_dir().join("fresh");
    let state = [("CAREBELL_STATE_DIR", fresh.to_str().unwrap())];
    let mut running = installation.start_with(&[&WATCHED[..], &state].concat()).await;
    let fed = installation.until_told(&mut running, "WATCHDOG=1").await;
    assert!(fed.contains("STATUS=sandbox: 0 in flight, no alarm set"), "{fed}");
    installation.until_told(&mut running, "WATCHDOG=1").await;
    let mode = |name: &str| fresh.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("."), mode(MASTER_KEY_FILE)), (0o700, 0o600));
    assert!(fresh.join(SQLITE_FILE).exists());
    running.signal("TERM");
    installation.until_told(&mut running, "STOPPING=1").await;
    assert_eq!(running.ended().await, Some(0));
}

#[tokio::test]
async fn p3_sigterm_waits_for_what_is_on_the_wire() {
    let installation = installation().await;
    installation.sandbox.faults().add(Rule::always(Fault::Answer(AnswerFault::Hold)));
    enrol_one(&installation).await;
    let mut running = installation.start_with(&WATCHED).await;
    until("the answer is held", async || installation.sandbox.held() == 1).await;
    running.signal("TERM");
    installation.until_told(&mut running, "STOPPING=1").await;
    for _ in 0..3 {
        // It lives and waits: one that has ended is no longer fed.
        installation.until_told(&mut running, "WATCHDOG=1").await;
    }
    installation.sandbox.release();
    assert_eq!(running.ended().await, Some(0));
    assert_eq!(reminders_by_state(&installation).await, [("sent".to_owned(), 1)].into());
}

#[tokio::test]
async fn p4_a_second_sigterm_ends_at_once_and_the_open_send_is_unknown_afterwards() {
    let installation = installation().await;
    installation.sandbox.faults().add(Rule::always(Fault::Answer(AnswerFault::Hold)));
    enrol_one(&installation).await;
    let mut running = installation.start().await;
    until("the answer is held", async || installation.sandbox.held() == 1).await;
    running.signal("TERM");
    installation.until_told(&mut running, "STOPPING=1").await;
    running.signal("TERM");
    assert_eq!(running.ended().await, Some(0));
    assert!(installation.log().contains("stopped at once"), "{}", installation.log());
    assert_eq!(reminders_by_state(&installation).await, [("sending".to_owned(), 1)].into());
    // Without a daemon nobody hears the receipt; after its start the lost intent is the first thing it finds.
    let running = installation.start().await;
    until("the lost intent is told of", async || {
        installation.log().contains("their outcome is unknown")
    })
    .await;
    installation.sandbox.release();
    assert_eq!(running.stop().await, Some(0));
    assert_eq!(installation.sandbox.ledger().len(), 1, "p1: sent again");
}

#[tokio::test]
async fn sighup_takes_a_good_file_and_keeps_the_old_configuration_for_a_faulty_one() {
    let installation = installation().await;
    let mut running = installation.start().await;
    let good = std::fs::read_to_string(installation.config_file()).unwrap();
    let (status, _) = installation.get("/healthz").await;
    assert_eq!(status, 200);
    std::fs::write(installation.config_file(), format!("{good}\nnonsense = 1\n")).unwrap();
    running.signal("HUP");
    let told = installation.until_told(&mut running, "RELOADING=1").await;
    assert!(told.contains("MONOTONIC_USEC="), "{told}");
    installation.until_told(&mut running, "READY=1").await;
    assert_eq!(installation.get("/healthz").await.0, 200);
    // The log has a writer of its own, which may be behind.
    until("the log tells of it", async || {
        let log = installation.log();
        log.contains("the old one stays in force") && log.contains("channels.nonsense")
    })
    .await;
    std::fs::write(installation.config_file(), good.replace("\"info\"", "\"warn\"")).unwrap();
    running.signal("HUP");
    installation.until_told(&mut running, "RELOADING=1").await;
    installation.until_told(&mut running, "READY=1").await;
    assert_eq!(installation.get("/healthz").await.0, 200);
    enrol_one(&installation).await;
    until("the new life sends", async || installation.sandbox.ledger().len() == 1).await;
    assert_eq!(running.stop().await, Some(0));
}

#[tokio::test]
async fn a_sigterm_while_a_reload_drains_stops_the_daemon() {
    let installation = installation().await;
    installation.sandbox.faults().add(Rule::always(Fault::Answer(AnswerFault::Hold)));
    enrol_one(&installation).await;
    let mut running = installation.start_with(&WATCHED).await;
    until("the answer is held", async || installation.sandbox.held() == 1).await;
    running.signal("HUP");
    installation.until_told(&mut running, "RELOADING=1").await;
    // systemd's watchdog runs on while a service reloads.
    installation.until_told(&mut running, "WATCHDOG=1").await;
    running.signal("TERM");
    installation.until_told(&mut running, "STOPPING=1").await;
    installation.sandbox.release();
    assert_eq!(running.ended().await, Some(0));
    assert_eq!(reminders_by_state(&installation).await, [("sent".to_owned(), 1)].into());
}

#[tokio::test]
async fn p1_a_second_daemon_on_one_sqlite_file_is_refused_and_told_of_the_first() {
    let installation = installation().await;
    let first = installation.start().await;
    assert_eq!(installation.spawn().ended().await, Some(75));
    let named = format!("another daemon (process {} on ", first.id());
    assert!(installation.said(&named), "{}", installation.log());
    first.kill();
    // The lock dies with its holder.
    assert_eq!(installation.start().await.stop().await, Some(0));
}

#[tokio::test]
async fn p10_a_key_that_is_wrong_open_to_others_or_gone_is_refused() {
    let installation = installation().await;
    enrol_one(&installation).await;
    let key = installation.state_dir().join(MASTER_KEY_FILE);
    write_key(&key, [8; 32]);
    assert_eq!(installation.spawn().ended().await, Some(78));
    assert!(installation.said("is not the one this database was sealed with"));
    write_key(&key, [7; 32]);
    std::fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    assert_eq!(installation.spawn().ended().await, Some(78));
    assert!(installation.said("may be read by others (mode 640)"));
    std::fs::remove_file(&key).unwrap();
    assert_eq!(installation.spawn().ended().await, Some(78));
    assert!(installation.said("is missing, but the database has sealed data"));
    assert!(!key.exists(), "a new key was made beside sealed data");
    write_key(&key, [7; 32]);
    assert_eq!(installation.start().await.stop().await, Some(0));
}

#[tokio::test]
async fn the_server_answers_probes_and_takes_only_signed_webhooks() {
    let installation = installation().await;
    let running = installation.start().await;
    assert_eq!(installation.get("/healthz").await, (200, "ok\n".to_owned()));
    let (status, ready) = installation.get("/readyz").await;
    assert!(status == 200 && ready.contains(r#""ready":true"#), "{ready}");
    let body = r#"{"object":"whatsapp_business_account","entry":[]}"#;
    let mut mac = Hmac::<Sha256>::new_from_slice(b"sandbox-app-secret").unwrap();
    mac.update(body.as_bytes());
    let good = format!("sha256={:x}", mac.finalize().into_bytes());
    let bad = format!("sha256={}", "0".repeat(64));
    for (signature, expected) in [(Some(bad), 403), (None, 403), (Some(good), 200)] {
        let mut request = client().post(format!("{}/webhooks/whatsapp", installation.url));
        if let Some(signature) = &signature {
            request = request.header("X-Hub-Signature-256", signature);
        }
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "{signature:?}");
    }
    installation.sandbox.subscribe(carebell::cli::stage::VERIFY_TOKEN).await.unwrap();
    let (status, metrics) = installation.get("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        r#"carebell_webhook_rejected_total{channel="whatsapp",reason="bad-signature"} 1"#,
        r#"carebell_webhook_rejected_total{channel="whatsapp",reason="unsigned"} 1"#,
        r#"carebell_last_cycle_timestamp_seconds{loop="send"} "#,
        r#"carebell_last_cycle_timestamp_seconds{loop="settle"} "#,
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert_eq!(running.stop().await, Some(0));
}

#[tokio::test]
async fn a_mode_that_is_not_the_databases_holds_every_send() {
    let installation = installation().await;
    assert_eq!(installation.start().await.stop().await, Some(0));
    enrol_one(&installation).await;
    let live = [("CAREBELL_MODE", "live"), ("CAREBELL_HTTP__PUBLIC_URL", "https://example.org")];
    let live = [&WATCHED[..], &live].concat();
    let mut running = installation.start_with(&live).await;
    let (status, ready) = installation.get("/readyz").await;
    assert!(status == 503 && ready.contains("the database is stamped sandbox"), "{ready}");
    until("the slot is written", async || {
        reminders_by_state(&installation).await == [("queued".to_owned(), 1)].into()
    })
    .await;
    for _ in 0..3 {
        let status = installation.until_told(&mut running, "STATUS=").await;
        assert!(status.contains("STATUS=on hold"), "{status}");
    }
    assert_eq!(reminders_by_state(&installation).await, [("queued".to_owned(), 1)].into());
    assert!(installation.sandbox.ledger().is_empty(), "it sent on hold");
    assert_eq!(running.stop().await, Some(0));
    // The hold was the only reason.
    let running = installation.start().await;
    until("it leaves", async || installation.sandbox.ledger().len() == 1).await;
    assert_eq!(running.stop().await, Some(0));
}

#[tokio::test]
async fn sigusr1_stops_all_sending_and_the_command_lets_it_go_on() {
    let installation = installation().await;
    let running = installation.start().await;
    running.signal("USR1");
    until("the stop is in the database", async || {
        let mut tx = installation.store.read().await.unwrap();
        !holds::all(&mut tx).await.unwrap().is_empty()
    })
    .await;
    enrol_one(&installation).await;
    until("the slot is written", async || {
        reminders_by_state(&installation).await == [("queued".to_owned(), 1)].into()
    })
    .await;
    let (status, ready) = installation.get("/readyz").await;
    assert!(status == 200 && ready.contains("all sending is stopped since"), "{ready}");
    let (_, metrics) = installation.get("/metrics").await;
    assert!(metrics.contains("carebell_sending_stopped 1"), "{metrics}");
    // A stop outlives the daemon that was told.
    assert_eq!(running.stop().await, Some(0));
    let running = installation.start().await;
    until("the next daemon knows", async || {
        installation.get("/metrics").await.1.contains("carebell_sending_stopped 1")
    })
    .await;
    assert_eq!(reminders_by_state(&installation).await, [("queued".to_owned(), 1)].into());
    assert!(installation.sandbox.ledger().is_empty(), "it sent although stopped");
    let command = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_carebell"));
        command.args(arguments).arg("--config").arg(installation.config_file()).env_clear();
        let said = command.output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    };
    assert!(command(&["status"]).contains("all sending is stopped since"));
    assert!(command(&["check"]).contains("all sending is stopped since"));
    assert!(command(&["stop-sending", "--resume"]).contains("goes on"));
    until("it leaves", async || installation.sandbox.ledger().len() == 1).await;
    assert!(command(&["stop-sending", "--because", "a drill"]).contains("within two seconds"));
    assert_eq!(running.stop().await, Some(0));
}

#[tokio::test]
async fn p10_the_log_holds_nothing_of_a_patient_and_no_secret_even_at_its_most_talkative() {
    let wishes = Wishes { log_filter: "trace", ..Wishes::default() };
    let installation = Installation::make(On::Sqlite, wishes).await.unwrap();
    let zone = noon_zone();
    let contacts = [
        (ChannelKind::Whatsapp, "+12025550111"),
        (ChannelKind::Sms, "+12025550122"),
        (ChannelKind::Email, "canary@example.org"),
    ];
    let people: Vec<_> = contacts
        .iter()
        .map(|contact| {
            let dose = once(ActivityKind::Medication, "m", now().plus_ms(-60_000));
            (person(contact.1, &zone, &[*contact]), vec![dose])
        })
        .collect();
    installation.enrol(&people).await;
    // Refusals, broken lines and a late answer make the daemon talk.
    let refuse = |status| AnswerFault::Refuse { status, code: None, retry_after: None };
    for (channel, status) in
        [(Channel::Whatsapp, 500), (Channel::Twilio, 429), (Channel::Email, 550)]
    {
        installation.sandbox.faults().add(Rule::once(Fault::Answer(refuse(status))).on(channel));
        installation.sandbox.faults().add(Rule::once(Fault::DropBeforeReading).on(channel));
    }
    let running = installation.start().await;
    until("every slot has ended", async || {
        let states = reminders_by_state(&installation).await;
        states.values().sum::<i64>() == 3
            && !states.contains_key("queued")
            && !states.contains_key("sending")
    })
    .await;
    let reply = Reply::text(Channel::Twilio, "+12025550122", "canary-words of a patient");
    installation.sandbox.reply(reply).await.unwrap();
    until("every callback is heard", async || installation.sandbox.pending() == 0).await;
    assert_eq!(running.stop().await, Some(0));
    let mut tx = installation.store.read().await.unwrap();
    let ids = patients::page(&mut tx, None, 10).await.unwrap();
    let log = installation.log();
    assert!(log.contains(" INFO ") && log.contains(" TRACE "), "the log is not what it should be");
    for secret in [
        "Canary",
        "canary",
        "drug|",
        "2025550111",
        "2025550122",
        "sandbox-access-token",
        "sandbox-app-secret",
        "sandbox-auth-token",
        "sandbox-verify-token",
        &"07".repeat(32),
    ] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
    assert_eq!(ids.len(), 3);
}

/// The provider refuses the account: the running daemon rests the sender, and the list of channels says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_rests_is_listed_with_an_open_breaker() {
    let installation = installation().await;
    let account = Some("20003".to_owned());
    let refused = AnswerFault::Refuse { status: 401, code: account, retry_after: None };
    installation.sandbox.faults().add(Rule::always(Fault::Answer(refused)));
    let running = installation.start().await;
    let list = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_carebell"));
        let config = installation.config_file();
        command.args(["channels", "list", "--json", "--config"]).arg(config).env_clear();
        let said = command.output().unwrap();
        let all: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        let twilio = all.as_array().unwrap().iter().find(|one| one["name"] == "twilio");
        twilio.unwrap().clone()
    };
    let before = list();
    assert_eq!(before["breaker"], "closed");
    assert!(before["breaker_until"].is_null());
    enrol_one(&installation).await;
    until("the sender rests", async || list()["breaker"] == "open").await;
    assert!(list()["breaker_until"]["utc"].is_string());
    assert_eq!(running.stop().await, Some(0), "{}", installation.log());
}
