//! `inbound`: what came in, and another reading of it.

use super::home::{Home, PHONE, seeded_at, wake_until};
use carebell::care::ids::ReplyId;
use carebell::care::time::DAY_MS;
use carebell::care::{Press, UtcMs};
use carebell::channel::Callback;
use carebell::clock::Clock as _;
use carebell::policy::whose::KnownBy;
use carebell::store::inbound::{self, InboundState, Keep};
use carebell::store::replies::{self, Belongs, PutReply};
use carebell::store::{messages, patients};

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

#[tokio::test]
async fn what_was_pressed_is_listed_with_its_callback_and_told_with_its_message() {
    let home = Home::new();
    let patient = home.patient("one").await;
    keep(&home, "a", "anything").await;
    let (app, clock) = home.open(seeded_at()).await;
    wake_until(&app, &clock, &[patient], seeded_at().plus_ms(DAY_MS)).await;
    let mut tx = app.store.write().await.unwrap();
    let callback = inbound::fresh(&mut tx, app.store.keys(), 9).await.unwrap().remove(0).unwrap();
    let message = messages::at_minutes(&mut tx, &[patient], UtcMs(0)).await.unwrap().remove(0).id;
    let rows = patients::load(&mut tx, app.store.keys(), &[patient]).await.unwrap();
    let contact = patients::contacts(&mut tx, &rows).await.unwrap()[0].id;
    for (provider_id, press, said_at) in
        [("SM2", Some(Press::Done), 2_000), ("SM1", Some(Press::Help), 1_000), ("SM3", None, 3_000)]
    {
        let reply = PutReply {
            id: ReplyId::new(clock.now(), &mut app.rng.fork()),
            patient,
            contact_point: contact,
            channel: "twilio".to_owned(),
            provider_id: provider_id.to_owned(),
            keyword: "other",
            sealed_text: Vec::new(),
            received_at: clock.now(),
            inbound: Some(callback.id),
            belongs: Belongs {
                message: Some(message),
                known_by: Some(if press.is_some() { KnownBy::Payload } else { KnownBy::OnlyOpen }),
                quoted: String::new(),
                press,
                said_at: Some(clock.now().plus_ms(said_at)),
            },
        };
        for is_new in [true, false] {
            assert_eq!(replies::put(&mut tx, &reply).await.unwrap(), is_new, "kept once");
        }
    }
    tx.commit().await.unwrap();
    app.store.close().await;

    let listed = home.run(&["inbound", "list", "--json"]).json();
    let said = listed[0]["replies"].as_array().unwrap();
    assert_eq!(said.len(), 3, "{listed}");
    for reply in said {
        assert_eq!(reply["message"], message.to_string());
    }
    let text = home.run(&["inbound", "list"]).answer;
    assert!(text.contains("pressed") && text.contains("payload"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");

    let message = message.to_string();
    let story = home.run(&["explain", &message, "--json"]).json();
    assert_eq!(story["message"]["pressed"], "done", "what was pressed last counts: {story}");
    assert_eq!(story["replies"].as_array().unwrap().len(), 3);
    let text = home.run(&["explain", &message]).answer;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in [
        "the patient pressed: done (known by its button)",
        "the patient pressed: help",
        "the patient wrote (the only message that was open)",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
}
