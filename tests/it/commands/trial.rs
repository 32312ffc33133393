//! `channels test`: the request, and one message for real.

use super::home::{Home, PHONE, SMS, seeded_at};
use crate::channel::stub::{self, answer};
use carebell::care::{Address, ContactHealth};
use carebell::store::patients::{self, HealthMove};

const STRANGER: &str = "+14155550100";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_is_tried_out_and_nobody_who_said_stop_is_written_to() {
    let home = Home::new();
    home.patient("one").await;
    let stub = stub::http(answer("201 Created", "", r#"{"sid":"SM1","error_code":null}"#)).await;
    let url = stub.url();
    let mut set: Vec<(String, String)> =
        SMS.iter().map(|(key, value)| (format!("CAREBELL_{key}"), (*value).to_owned())).collect();
    set.push(("CAREBELL_CHANNELS__TWILIO__BASE_URL".to_owned(), url));
    let set: Vec<(&str, &str)> = set.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let run =
        |more: &[&str]| home.run_with(&set, &[&["channels", "test", "twilio"][..], more].concat());

    let dry = run(&[]);
    assert_eq!(dry.code, 0, "{}", dry.talk);
    assert!(dry.answer.contains("POST http://127.0.0.1"), "{}", dry.answer);
    assert!(dry.answer.contains("authorization: ********"), "{}", dry.answer);
    assert!(dry.answer.contains("Nothing is sent without --to"), "{}", dry.answer);
    assert!(stub.heard().is_empty(), "a dry run asks nobody");

    assert_eq!(run(&["--to", STRANGER]).code, 2, "nobody is there to say yes");
    assert!(stub.heard().is_empty());
    let sent = run(&["--to", STRANGER, "--yes", "--by", "A. Ngozi", "--json"]).json();
    assert_eq!(sent["sent"], "accepted as SM1");
    assert_eq!(stub.heard().len(), 1);
    let audited = home.audited("channel.test").await;
    assert_eq!(audited.len(), 1);
    assert!(!audited[0].contains(STRANGER), "{audited:?}");

    let (app, _) = home.open(seeded_at()).await;
    let mut tx = app.store.write().await.unwrap();
    let known = Address::new(PHONE);
    let owners = patients::with_address(&mut tx, app.store.keys(), &known).await.unwrap();
    let stop =
        HealthMove { id: owners[0].0, health: ContactHealth::OptedOut, code: "STOP".to_owned() };
    patients::set_health(&mut tx, &[stop], seeded_at()).await.unwrap();
    tx.commit().await.unwrap();
    app.store.close().await;
    let refused = run(&["--to", PHONE, "--yes"]);
    assert_eq!(refused.code, 1);
    assert!(refused.words().contains("a patient has said STOP"), "{}", refused.talk);
    home.run_with(&set, &["stop-sending"]);
    let held = run(&["--to", STRANGER, "--yes"]);
    assert!(held.code == 1 && held.words().contains("sending is stopped"), "{}", held.talk);
    assert_eq!(stub.heard().len(), 1);

    let broken = run(&["--to", "4155550100", "--yes"]);
    assert!(broken.code == 1 && broken.answer.contains("not-e164"), "{}", broken.answer);
}
