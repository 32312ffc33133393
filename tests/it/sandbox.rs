//! The provider stand-in over real sockets: what it refuses, what it writes down, what it posts, how it
//! misbehaves.

mod faults;
mod meta;
mod smtp;
mod stage;
mod twilio;

use carebell::clock::ManualClock;
use carebell::sandbox::{AnswerFault, Condition, Entry, Fault, Ledger, Query, Rule, Sandbox};
use serde_json::{Value, json};
use stage::{HOUR_MS, PATIENT, START, Stage, config, sms_of, template};
use std::sync::Arc;

#[tokio::test]
async fn a_phone_that_is_off_loses_what_outlives_its_time() {
    let stage = Stage::plain().await;
    let off = Condition::OffUntil(START.plus_ms(HOUR_MS));
    stage.sandbox.set_condition(PATIENT, Some(off));
    stage.whatsapp(&template("8:00")).await;
    let callback = format!("{}/webhooks/twilio", stage.daemon.url);
    stage.sms(&sms_of(&callback)).await;
    stage.advance(2 * HOUR_MS).await;
    let mut statuses = stage.daemon.statuses();
    statuses.sort();
    assert_eq!(
        statuses,
        ["delivered", "sent", "sent"],
        "WhatsApp's TTL is half an hour, the SMS's ten"
    );
}

#[tokio::test]
async fn the_ledger_is_on_disk_before_the_answer_and_outlives_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.ndjson");
    let mut config = config();
    config.ledger = Some(path.clone());
    let stage = Stage::set(config.clone()).await;
    let (one, two, three) = (template("1"), template("2"), template("3"));
    tokio::join!(stage.whatsapp(&one), stage.whatsapp(&two), stage.whatsapp(&three));
    let on_disk = Ledger::read(&path).unwrap();
    assert_eq!((on_disk.len(), &on_disk), (3, &stage.accepted()));
    assert_eq!(on_disk.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2, 3]);
    drop(stage);

    // A line cut off by a crash was never acknowledged.
    let torn = std::fs::read_to_string(&path).unwrap() + r#"{"seq":4,"at"#;
    std::fs::write(&path, torn).unwrap();
    assert_eq!(Ledger::read(&path).unwrap(), on_disk);
    let stage = Stage::set(config).await;
    stage.sms(&sms_of("")).await;
    let on_disk = Ledger::read(&path).unwrap();
    assert_eq!((on_disk.len(), on_disk[3].seq), (4, 4));
    assert_eq!(
        stage.sandbox.ledger().find(&Query { after_seq: 3, ..Query::default() }),
        on_disk[3..]
    );
    stage.sandbox.stop().await;
    std::fs::write(&path, "nonsense\n").unwrap();
    assert!(Ledger::read(&path).unwrap_err().to_string().contains("line 1"));
}

#[tokio::test]
async fn receipts_leave_by_themselves_when_the_clock_moves() {
    let stage = Stage::plain().await;
    stage.whatsapp(&template("8:00")).await;
    stage.clock.advance_ms(2_000);
    while stage.daemon.received().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.daemon.statuses(), ["sent", "delivered"]);
}

#[tokio::test]
async fn it_stops_whatever_is_held() {
    let stage = Stage::plain().await;
    stage.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Hold)));
    let (url, message) = (stage.whatsapp_url(), template("8:00"));
    let request = stage.client.post(url).bearer_auth("sandbox-access-token").json(&message).send();
    let stop = async {
        stage.until_held(1).await;
        assert!(!stage.sandbox.is_idle());
        stage.sandbox.stop().await;
    };
    let (answer, ()) = tokio::join!(request, stop);
    assert!(answer.is_err());
}

#[tokio::test]
async fn it_never_leaves_this_machine() {
    let mut outside = config();
    outside.http = "0.0.0.0:0".parse().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let error = Sandbox::start(outside, clock).await.err().unwrap();
    assert!(
        error.to_string().contains("sandbox.http: `0.0.0.0:0` is not a loopback address"),
        "{error}"
    );
    let stage = Stage::plain().await;
    for url in ["http://example.org", "http://10.0.0.1:80", "ftp://127.0.0.1", "127.0.0.1:80"] {
        assert!(stage.sandbox.call_back(url).is_err(), "{url}");
    }
    assert!(stage.sandbox.call_back("http://[::1]:80").is_ok());
}

#[tokio::test]
async fn the_remote_control_does_what_the_library_does() {
    let stage = Stage::plain().await;
    let fault = json!([{"channel": "whatsapp", "times": 1, "fault": {"answer": {"refuse": {"status": 503}}}},
                       {"to": PATIENT, "fault": {"callbacks": {"delayed-ms": 1}}}]);
    assert_eq!(stage.control("faults", fault).await, 204);
    assert_eq!(stage.whatsapp(&template("8:00")).await, (503, Value::Null));
    assert_eq!(stage.whatsapp(&template("8:00")).await.0, 200);
    let reply = json!({"channel": "whatsapp", "from": PATIENT, "text": "yes", "at": START.0 + 500});
    assert_eq!(stage.control("reply", reply).await, 204);
    assert_eq!(
        stage.control("reply", json!({"channel": "email", "from": "a@b", "text": "x"})).await,
        400
    );
    assert_eq!(stage.control("callback", json!({"url": "http://example.org"})).await, 400);
    assert_eq!(stage.control("clock", json!({"advance_ms": 2_000})).await, 204);
    assert_eq!(stage.control("tick", Value::Null).await, 204);
    assert_eq!(
        stage.daemon.received().len(),
        2,
        "the reply and `sent`; `delivered` is a millisecond late"
    );
    let off = json!({"address": PATIENT, "condition": {"off-until": START.0}});
    assert_eq!(stage.control("condition", off).await, 204);

    let get = async |path: &str| -> Value {
        let url = format!("{}/_sandbox/{path}", stage.sandbox.http_url());
        stage.client.get(url).send().await.unwrap().json().await.unwrap()
    };
    let state = get("state").await;
    let expected = json!({"now": START.0 + 2_000, "is_idle": true, "pending": 1,
                          "next_at": START.0 + 2_001, "held": 0, "accepted": 1});
    assert_eq!(state, expected);
    let entries: Vec<Entry> =
        serde_json::from_value(get("ledger?correlation=att_1").await).unwrap();
    assert_eq!(entries, stage.accepted());
    assert_eq!(get("ledger?channel=twilio").await, json!([]));
    assert_eq!(get("faults").await.as_array().unwrap().len(), 1);
}
