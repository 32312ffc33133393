//! Meta's Cloud API.

use super::stage::{
    HOUR_MS, PATIENT, Received, SECRET, START, Stage, config, free_text, hub_signature, template,
    with,
};
use carebell::sandbox::{Channel, Condition, PairLimit, Reply, Template};
use serde_json::{Value, json};

#[tokio::test]
async fn meta_refuses_what_meta_refuses() {
    let mut config = config();
    config.people.insert("+16505550199".to_owned(), Condition::Unknown);
    let stage = Stage::set(config).await;
    let cases = [
        ("no product", with(template("8:00"), "/messaging_product", Value::Null), 400, 100),
        ("no recipient", with(template("8:00"), "/to", Value::Null), 400, 100),
        ("no plus sign", with(template("8:00"), "/to", json!("16505550111")), 400, 131_009),
        ("not digits", with(template("8:00"), "/to", json!("+1650555o111")), 400, 131_009),
        ("type", with(template("8:00"), "/type", json!("sticker")), 400, 131_051),
        ("template", with(template("8:00"), "/template/name", json!("other")), 404, 132_001),
        ("language", with(template("8:00"), "/template/language/code", json!("hi")), 404, 132_001),
        ("count", with(template("8:00"), "/template/components", json!([])), 400, 132_000),
        ("empty parameter", template(""), 400, 131_008),
        ("newline", template("8:00\n"), 400, 132_018),
        ("tab", template("8\t00"), 400, 132_018),
        ("five spaces", template("8     00"), 400, 132_018),
        (
            "long id",
            with(template("8:00"), "/biz_opaque_callback_data", json!("x".repeat(513))),
            400,
            131_009,
        ),
        ("closed window", free_text(), 400, 131_047),
        ("not on WhatsApp", with(template("8:00"), "/to", json!("+16505550199")), 400, 131_026),
    ];
    for (name, body, status, code) in cases {
        let (got, answer) = stage.whatsapp(&body).await;
        assert_eq!((got, &answer["error"]["code"]), (status, &json!(code)), "{name}: {answer}");
    }
    let bad = stage.client.post(stage.whatsapp_url()).bearer_auth("wrong").json(&template("8:00"));
    let answer = bad.send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], 190);
    assert!(stage.accepted().is_empty() && stage.sandbox.pending() == 0);
    assert_eq!(stage.whatsapp(&template("8    00")).await.0, 200, "four spaces are fine");
}

#[tokio::test]
async fn meta_takes_files_that_are_what_they_say_and_knows_them_by_id() {
    let mut config = config();
    let film = Template {
        languages: ["en".to_owned()].into(),
        parameters: 1,
        header: "VIDEO".to_owned(),
        buttons: vec!["Taken".to_owned()],
        ..Template::default()
    };
    config.whatsapp.templates.insert("film".to_owned(), film);
    let stage = Stage::set(config).await;
    let upload = async |kind: &str, content: &[u8]| {
        let head = format!(
            "--b\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n\
             --b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\n{kind}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\
             Content-Type: {kind}\r\n\r\n"
        );
        let body = [head.as_bytes(), content, b"\r\n--b--\r\n"].concat();
        let url = stage.whatsapp_url().replace("/messages", "/media");
        let request = stage.client.post(url).bearer_auth("sandbox-access-token");
        let request = request.header("content-type", "multipart/form-data; boundary=b").body(body);
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    for (kind, content, code) in [
        ("image/gif", &b"GIF89a"[..], 100),
        ("video/webm", b"\x1a\x45\xdf\xa3", 100),
        ("image/jpeg", &vec![0xff; (5 << 20) + 1], 131_053),
    ] {
        let answer = upload(kind, content).await;
        assert_eq!(answer["error"]["code"], code, "{kind}: {answer}");
    }
    let film = include_bytes!("../../data/media/film.mp4");
    let good = upload("video/mp4", film).await["id"].as_str().unwrap().to_owned();
    let other = upload("video/mp4", b"no film").await["id"].as_str().unwrap().to_owned();
    let picture = upload("image/png", b"\x89PNG\r\n").await["id"].as_str().unwrap().to_owned();
    let headed = |kind: &str, id: &str| {
        let parameters = json!([{ "type": kind, kind: { "id": id } }]);
        let body = template("8:00").pointer("/template/components/0").cloned().unwrap();
        let components = json!([{ "type": "header", "parameters": parameters }, body]);
        let named = with(template("8:00"), "/template/name", json!("film"));
        with(named, "/template/components", components)
    };
    for (body, code) in [
        (headed("video", &other), 131_053),
        (headed("video", &picture), 131_053),
        (headed("video", "unknown"), 131_053),
        (headed("image", &picture), 132_012),
        (with(template("8:00"), "/template/name", json!("film")), 132_012),
    ] {
        let (_, answer) = stage.whatsapp(&body).await;
        assert_eq!(answer["error"]["code"], code, "{body}: {answer}");
    }
    assert_eq!(stage.whatsapp(&headed("video", &good)).await.0, 200);
    let used = stage.accepted()[0].message.template.clone().unwrap();
    assert_eq!(used.header, Some(format!("video {good}")));
    stage.sandbox.lose_uploads();
    assert_eq!(stage.whatsapp(&headed("video", &good)).await.1["error"]["code"], 131_053);
}

#[tokio::test]
async fn meta_limits_the_pair() {
    let mut config = config();
    config.whatsapp.pair_limit = Some(PairLimit { gap_ms: 6_000, burst: 1 });
    let stage = Stage::set(config).await;
    assert_eq!(stage.whatsapp(&template("8:00")).await.0, 200);
    assert_eq!(stage.whatsapp(&template("8:00")).await.1["error"]["code"], 131_056);
    stage.advance(6_000).await;
    assert_eq!(stage.whatsapp(&template("8:00")).await.0, 200);
}

#[tokio::test]
async fn meta_accepts_never_deduplicates_and_posts_signed_receipts() {
    let mut config = config();
    config.receipts.read_probability = 1.0;
    let stage = Stage::set(config).await;
    let (status, answer) = stage.whatsapp(&template("8:00 दवा")).await;
    assert_eq!(status, 200);
    assert_eq!(answer["contacts"][0], json!({"input": PATIENT, "wa_id": "16505550111"}));
    let id = answer["messages"][0]["id"].as_str().unwrap();
    assert!(id.starts_with("wamid."));
    let again = stage.whatsapp(&template("8:00 दवा")).await.1;
    assert_ne!(again["messages"][0]["id"], id);

    let accepted = stage.accepted();
    assert_eq!(accepted.len(), 2);
    let (first, used) = (&accepted[0], accepted[0].message.template.as_ref().unwrap());
    assert_eq!((first.seq, first.at, first.message.to.as_str()), (1, START, PATIENT));
    assert_eq!(first.message.correlation.as_deref(), Some("att_1"));
    assert_eq!((used.name.as_str(), &used.parameters[..]), ("dose", &["8:00 दवा".to_owned()][..]));
    assert_eq!(used.buttons, ["taken:1"]);

    assert!(stage.sandbox.is_idle());
    assert_eq!((stage.sandbox.pending(), stage.sandbox.next_at()), (6, Some(START.plus_ms(1_000))));
    assert!(stage.daemon.received().is_empty());
    stage.advance(60_000).await;
    assert_eq!((stage.sandbox.pending(), stage.sandbox.is_idle()), (0, true));
    let mine: Vec<Received> =
        stage.daemon.received().into_iter().filter(|r| r.json().to_string().contains(id)).collect();
    assert_eq!(
        mine.iter().map(Received::status).collect::<Vec<_>>(),
        ["sent", "delivered", "read"]
    );
    let status = mine[1].json().pointer("/entry/0/changes/0/value/statuses/0").cloned().unwrap();
    assert_eq!(status["biz_opaque_callback_data"], "att_1");
    assert_eq!(
        (&status["timestamp"], &status["recipient_id"]),
        (&json!("1764000002"), &json!("16505550111"))
    );
    for webhook in &mine {
        assert_eq!(webhook.header("x-hub-signature-256"), hub_signature(SECRET, &webhook.body));
    }
}

#[tokio::test]
async fn a_reply_opens_the_window_for_a_day() {
    let stage = Stage::plain().await;
    stage.sandbox.reply(Reply::text(Channel::Whatsapp, PATIENT, "हाँ 👍")).await.unwrap();
    let webhook = &stage.daemon.received()[0];
    assert_eq!(webhook.uri, "/webhooks/whatsapp");
    assert!(
        webhook.body.is_ascii()
            && webhook.header("x-hub-signature-256") == hub_signature(SECRET, &webhook.body)
    );
    let json = webhook.json();
    let message = json.pointer("/entry/0/changes/0/value/messages/0").unwrap();
    assert_eq!(
        (&message["from"], &message["text"]["body"]),
        (&json!("16505550111"), &json!("हाँ 👍"))
    );

    stage.advance(24 * HOUR_MS - 1).await;
    assert_eq!(stage.whatsapp(&free_text()).await.0, 200);
    stage.advance(1).await;
    assert_eq!(stage.whatsapp(&free_text()).await.1["error"]["code"], 131_047);

    let tap = Reply::button(PATIENT, "Taken", "taken:1", "wamid.x");
    stage.sandbox.schedule_reply(stage.now().plus_ms(5_000), tap).unwrap();
    stage.advance(4_999).await;
    assert_eq!(stage.whatsapp(&free_text()).await.0, 400);
    stage.advance(1).await;
    assert_eq!(stage.whatsapp(&free_text()).await.0, 200);
    let json = stage.daemon.received().last().unwrap().json();
    let message = json.pointer("/entry/0/changes/0/value/messages/0").unwrap();
    assert_eq!(message["button"], json!({"payload": "taken:1", "text": "Taken"}));
    assert_eq!(message["context"]["id"], "wamid.x");
    let email = Reply::text(Channel::Email, "a@example.org", "x");
    assert!(stage.sandbox.reply(email).await.is_err());
}

#[tokio::test]
async fn the_webhook_is_registered_as_by_meta() {
    let stage = Stage::plain().await;
    stage.sandbox.subscribe("let me in").await.unwrap();
    assert!(stage.daemon.received()[0].uri.starts_with("/webhooks/whatsapp?hub.mode=subscribe&"));
    assert!(stage.sandbox.subscribe("wrong").await.is_err());
}

#[tokio::test]
async fn people_press_buttons_as_often_as_they_are_told() {
    let mut config = config();
    config.presses.probability = 1.0;
    config.presses.after_ms = 60_000;
    let stage = Stage::set(config).await;
    let mut one_too_many = template("8:00");
    let second = json!({ "type": "button", "sub_type": "quick_reply", "index": "1",
        "parameters": [{ "type": "payload", "payload": "later" }] });
    one_too_many["template"]["components"].as_array_mut().unwrap().push(second);
    assert_eq!(stage.whatsapp(&one_too_many).await.1["error"]["code"], 132_018);
    let (_, answer) = stage.whatsapp(&template("8:00")).await;
    let id = &answer["messages"][0]["id"];
    stage.advance(2_000).await;
    let before = stage.daemon.received().len();
    stage.advance(60_000).await;
    let webhook = stage.daemon.received().last().unwrap().clone();
    assert_eq!(stage.daemon.received().len(), before + 1);
    assert_eq!(webhook.header("x-hub-signature-256"), hub_signature(SECRET, &webhook.body));
    let json = webhook.json();
    let message = json.pointer("/entry/0/changes/0/value/messages/0").unwrap();
    assert_eq!(message["button"], json!({ "payload": "taken:1", "text": "Taken" }));
    assert_eq!(&message["context"]["id"], id);
    // It is a message of theirs: the window is open.
    assert_eq!(stage.whatsapp(&free_text()).await.0, 200);
}
