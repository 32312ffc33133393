//! `inbound`: what came in, and another reading of it.

use super::home::{Home, PHONE, seeded_at};
use carebell::channel::Callback;
use carebell::clock::Clock as _;
use carebell::store::inbound::{self, InboundState, Keep};

/// Keeps a callback as the webhook does.
async fn keep(home: &Home, key: &str, body: &str) {
    let (app, clock) = home.open(seeded_at()).await;
    let callback = Callback {
        method: "POST".to_owned(),
        path_and_query: "/webhooks/twilio".to_owned(),
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
    };
    let payload = serde_json::to_vec(&callback).unwrap();
    let row = Keep { channel: "twilio", dedupe_key: key, payload: &payload };
    let mut tx = app.store.write().await.unwrap();
    let mut rng = app.rng.fork();
    inbound::keep(&mut tx, app.store.keys(), &mut rng, &[row], clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    app.store.close().await;
}

#[tokio::test]
async fn callbacks_that_failed_are_listed_and_read_again_once_somebody_says_so() {
    let home = Home::new();
    home.patient("one").await;
    keep(&home, "a", &format!("MessageSid=SM1&From=%2B{}&Body=STOP", &PHONE[1..])).await;
    keep(&home, "b", "nothing").await;
    let (app, _) = home.open(seeded_at()).await;
    let mut tx = app.store.write().await.unwrap();
    let fresh = inbound::fresh(&mut tx, app.store.keys(), 9).await.unwrap();
    let ids: Vec<_> = fresh.into_iter().map(|row| row.unwrap().id).collect();
    for id in &ids {
        inbound::mark(&mut tx, *id, InboundState::Failed, "it broke its step").await.unwrap();
    }
    tx.commit().await.unwrap();
    app.store.close().await;

    let listed = home.run(&["inbound", "list", "--state", "failed", "--json"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[0]["note"], "it broke its step");
    assert!(!listed.to_string().contains("STOP"), "{listed}");
    let text = home.run(&["inbound", "list"]).answer;
    assert!(text.contains("inb_") && text.contains("failed: it broke"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");

    let one = ids[0].to_string();
    let said = home.run(&["inbound", "reprocess", &one, "--by", "A. Ngozi"]);
    assert_eq!(said.code, 0, "{}", said.talk);
    assert!(said.answer.starts_with("1 callback is read again"), "{}", said.answer);
    let failed = || home.run(&["inbound", "list", "--state", "failed", "--json"]).json();
    assert_eq!(failed().as_array().unwrap().len(), 1);
    assert!(home.run(&["inbound", "reprocess"]).answer.starts_with("1 callback is read again"));
    assert!(home.run(&["inbound", "reprocess"]).answer.starts_with("no callback has failed"));
    assert_eq!(home.audited("inbound.reprocess").await.len(), 2);
    let unknown = "inb_00000000000000000000000000000000";
    assert_eq!(home.run(&["inbound", "reprocess", unknown]).code, 3);
}
