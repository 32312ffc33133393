//! Twilio's Messages resource.

use super::stage::{HOUR_MS, PATIENT, Stage, sms_of, twilio_signature};
use carebell::sandbox::{Channel, Condition, Reply};
use serde_json::{Value, json};

#[tokio::test]
async fn twilio_refuses_what_twilio_refuses() {
    let stage = Stage::plain().await;
    let long = "x".repeat(1_601);
    let cases: [(&[(&str, &str)], u64); 11] = [
        (&[("From", "+15005550006"), ("Body", "x")], 21_604),
        (&[("To", PATIENT), ("Body", "x")], 21_603),
        (&[("To", PATIENT), ("From", "+15005550006")], 21_602),
        (&[("To", "16505550111"), ("From", "+15005550006"), ("Body", "x")], 21_211),
        (&[("To", "+15005550009"), ("From", "+15005550006"), ("Body", "x")], 21_614),
        (&[("To", PATIENT), ("From", "+15005550007"), ("Body", "x")], 21_606),
        (&[("To", PATIENT), ("From", "+14155550100"), ("Body", "x")], 21_606),
        (&[("To", PATIENT), ("From", "+15005550006"), ("Body", &long)], 21_617),
        (
            &[("To", PATIENT), ("From", "+15005550006"), ("Body", "x"), ("ValidityPeriod", "0")],
            90_007,
        ),
        (
            &[
                ("To", PATIENT),
                ("From", "+15005550006"),
                ("Body", "x"),
                ("ValidityPeriod", "36001"),
            ],
            90_007,
        ),
        (
            &[
                ("To", PATIENT),
                ("From", "+15005550006"),
                ("Body", "x"),
                ("StatusCallback", "https://example.org/"),
            ],
            21_609,
        ),
    ];
    for (parameters, code) in cases {
        let (status, answer) = stage.sms(parameters).await;
        assert_eq!((status, &answer["code"]), (400, &json!(code)), "{answer}");
    }
    let url = format!("{}/2010-04-01/Accounts/ACx/Messages.json", stage.sandbox.http_url());
    let bad = stage
        .client
        .post(url)
        .basic_auth("ACx", Some("wrong"))
        .form(&sms_of(""))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (bad.status().as_u16(), bad.json::<Value>().await.unwrap()["code"].clone()),
        (401, json!(20_003))
    );
    assert!(stage.accepted().is_empty());
}

#[tokio::test]
async fn twilio_posts_signed_receipts_to_the_status_callback() {
    let stage = Stage::plain().await;
    stage.sandbox.set_condition("+16505550122", Some(Condition::Unreachable));
    let callback = format!("{}/webhooks/twilio?attempt=att_7#rc=5&rp=all", stage.daemon.url);
    let (status, answer) = stage.sms(&sms_of(&callback)).await;
    assert_eq!(
        (status, &answer["status"], &answer["date_sent"]),
        (201, &json!("queued"), &Value::Null)
    );
    let mut unreachable = sms_of(&callback);
    unreachable[0].1 = "+16505550122";
    stage.sms(&unreachable).await;
    assert_eq!(stage.accepted()[0].message.correlation.as_deref(), Some("att_7"));
    stage.advance(2_000).await;

    let received = stage.daemon.received();
    let sid = answer["sid"].as_str().unwrap();
    let mine: Vec<_> = received.iter().filter(|r| r.form()["MessageSid"] == sid).collect();
    assert_eq!(mine.iter().map(|r| r.status()).collect::<Vec<_>>(), ["sent", "delivered"]);
    let other = received.iter().find(|r| r.form()["MessageStatus"] == "undelivered").unwrap();
    assert_eq!(other.form()["ErrorCode"], "30003");
    for webhook in &received {
        assert_eq!(webhook.uri, "/webhooks/twilio?attempt=att_7", "the fragment stays behind");
        let signature = twilio_signature(&stage.daemon.url, webhook);
        assert_eq!(webhook.header("x-twilio-signature"), signature);
    }
}

#[tokio::test]
async fn twilio_blocks_after_stop_until_start() {
    let stage = Stage::plain().await;
    let say = |text: &str| stage.sandbox.reply(Reply::text(Channel::Twilio, PATIENT, text));
    say("Taken").await.unwrap();
    assert_eq!(stage.sms(&sms_of("")).await.0, 201);
    say(" stop ").await.unwrap();
    assert_eq!(stage.sms(&sms_of("")).await.1["code"], 21_610);
    say("START").await.unwrap();
    assert_eq!(stage.sms(&sms_of("")).await.0, 201);

    let received = stage.daemon.received();
    let types: Vec<_> = received.iter().map(|r| r.form().get("OptOutType").cloned()).collect();
    assert_eq!(types, [None, Some("STOP".to_owned()), Some("START".to_owned())]);
    for webhook in &received {
        assert_eq!(
            webhook.header("x-twilio-signature"),
            twilio_signature(&stage.daemon.url, webhook)
        );
    }
}

#[tokio::test]
async fn twilio_lists_by_to_from_and_date_sent() {
    let stage = Stage::plain().await;
    stage.sms(&sms_of("")).await;
    stage.advance(24 * HOUR_MS).await;
    stage.sms(&sms_of("")).await;
    let count = |list: Value| list["messages"].as_array().unwrap().len();
    let all = stage.list(&[("To", PATIENT), ("PageSize", "1000")]).await;
    let states: Vec<_> =
        all["messages"].as_array().unwrap().iter().map(|m| m["status"].clone()).collect();
    assert_eq!(states, ["queued", "delivered"], "newest first");
    assert_eq!(all["messages"][1]["date_sent"], "Mon, 24 Nov 2025 16:00:01 +0000");
    assert_eq!(count(stage.list(&[("To", "+16505550100")]).await), 0);
    assert_eq!(count(stage.list(&[("From", "+15005550006")]).await), 2);
    assert_eq!(count(stage.list(&[("DateSent", "2025-11-24")]).await), 1);
    assert_eq!(count(stage.list(&[("DateSent>", "2025-11-25")]).await), 0, "queued: not sent yet");
    assert_eq!(count(stage.list(&[("DateSent>", "2025-11-24T16:00:02Z")]).await), 0);
    let page = stage.list(&[("PageSize", "1")]).await;
    assert_eq!(count(page.clone()), 1);
    assert!(page["next_page_uri"].as_str().unwrap().contains("Page=1"));
}
