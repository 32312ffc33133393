//! WhatsApp by Meta's Cloud API: what is asked, held against the schema of Meta's own description.

use super::stub::{Stub, answer};
use super::{PUBLIC_URL, TIMEOUT_MS, attempt, channels, outbound, stub, text, whatsapp};
use carebell::care::Address;
use carebell::channel::{
    Action, Button, Channel, Channels, Content, Media, MediaKind, MediaSource, Outbound, Outcome,
};
use carebell::config::{ChannelsConfig, KindConfig, Mode, WhatsappConfig};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

const NO_MAIL: &str = "smtp://127.0.0.1:1";
const TAKEN: &str = r#"{"messages":[{"id":"wamid.1"}]}"#;

fn data(file: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/provider-specs");
    serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap()
}

/// What Meta takes as the body of a send.
fn schema() -> jsonschema::Validator {
    jsonschema::draft202012::new(&data("meta-send-message.request.schema.json")).unwrap()
}

fn body_of(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

async fn taking() -> (Stub, Arc<dyn Channel>) {
    let stub = stub::http(answer("200 OK", "", TAKEN)).await;
    let channels = channels(&format!("{}/v25.0", stub.url()), NO_MAIL, TIMEOUT_MS);
    let channel = Arc::clone(channels.by_name("whatsapp").unwrap());
    (stub, channel)
}

fn of(config: WhatsappConfig) -> Arc<dyn Channel> {
    let config = ChannelsConfig::default().with("whatsapp", KindConfig::Whatsapp(config));
    let channels =
        Channels::build(&config, Mode::Sandbox, PUBLIC_URL, TIMEOUT_MS, &super::tokens()).unwrap();
    Arc::clone(channels.by_name("whatsapp").unwrap())
}

fn buttons(titles: &[&str]) -> Vec<Button> {
    let button =
        |(at, title): (usize, &&str)| Button { title: text(title), payload: format!("att_1:{at}") };
    titles.iter().enumerate().map(button).collect()
}

fn linked(kind: MediaKind, mime_type: &str) -> Media {
    Media {
        kind,
        source: MediaSource::Link { url: "https://media.example.org/inhaler".to_owned() },
        mime_type: mime_type.to_owned(),
        file_name: (kind == MediaKind::Document).then(|| "inhaler.pdf".to_owned()),
    }
}

fn template() -> Content {
    Content::Template {
        name: "carebell_dose".to_owned(),
        language: "pt_BR".to_owned(),
        names: Vec::new(),
        parameters: vec![text("Clínica"), text("08:00")],
        header: None,
        buttons: Vec::new(),
    }
}

fn named(changed: impl FnOnce(&mut Vec<String>, &mut Option<Media>, &mut Vec<Button>)) -> Content {
    let mut content = template();
    if let Content::Template { names, header, buttons, .. } = &mut content {
        changed(names, header, buttons);
    }
    content
}

fn said(body: &str, titles: &[&str], media: Option<Media>) -> Content {
    Content::Text { body: text(body), buttons: buttons(titles), media }
}

/// Every kind of content, with what Meta's words for it must hold.
fn contents() -> Vec<(&'static str, Content, &'static str, Value)> {
    let image = || Some(linked(MediaKind::Image, "image/jpeg"));
    let film = || Some(linked(MediaKind::Video, "video/mp4"));
    let paper = || Some(linked(MediaKind::Document, "application/pdf"));
    let link = "https://media.example.org/inhaler";
    let three = ["Taken", "Later", "Skip"];
    let ten = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
    vec![
        (
            "text",
            said("Hello", &[], None),
            "/text",
            json!({ "body": "Hello", "preview_url": false }),
        ),
        ("longest text", said(&"ह".repeat(4_096), &[], None), "/type", json!("text")),
        (
            "a button",
            said("Taken?", &["Taken"], None),
            "/interactive/action",
            json!({ "buttons": [{ "type": "reply", "reply": { "id": "att_1:0", "title": "Taken" } }] }),
        ),
        ("three buttons", said("Taken?", &three, None), "/interactive/type", json!("button")),
        ("a list", said("Which?", &ten, None), "/interactive/type", json!("list")),
        (
            "a long title",
            said("Which?", &["Sim, já tomei o remédio"], None),
            "/interactive/action/sections/0/rows/0",
            json!({ "id": "att_1:0", "title": "Sim, já tomei o remédio" }),
        ),
        (
            "an image above buttons",
            said("Taken?", &three, image()),
            "/interactive/header",
            json!({ "type": "image", "image": { "link": link } }),
        ),
        (
            "an image",
            said("Shake it", &[], image()),
            "/image",
            json!({ "link": link, "caption": "Shake it" }),
        ),
        ("a film without words", said("", &[], film()), "/video", json!({ "link": link })),
        (
            "a document",
            said("Read it", &[], paper()),
            "/document",
            json!({ "link": link, "caption": "Read it", "filename": "inhaler.pdf" }),
        ),
        (
            "a template",
            template(),
            "/template",
            json!({
                "name": "carebell_dose", "language": { "code": "pt_BR" },
                "components": [{ "type": "body", "parameters": [
                    { "type": "text", "text": "Clínica" }, { "type": "text", "text": "08:00" },
                ] }],
            }),
        ),
        (
            "a template with names",
            named(|names, _, _| *names = vec!["sender".to_owned(), "time".to_owned()]),
            "/template/components/0/parameters/1",
            json!({ "type": "text", "text": "08:00", "parameter_name": "time" }),
        ),
        (
            "a template with a film",
            named(|_, header, _| *header = film()),
            "/template/components/0",
            json!({ "type": "header", "parameters": [{ "type": "video", "video": { "link": link } }] }),
        ),
        (
            "a template with quick replies",
            named(|_, _, quick| *quick = buttons(&["Taken", "Later"])),
            "/template/components/2",
            json!({
                "type": "button", "sub_type": "quick_reply", "index": "1",
                "parameters": [{ "type": "payload", "payload": "att_1:1" }],
            }),
        ),
        (
            "a template of its name alone",
            Content::Template {
                name: "hello".to_owned(),
                language: "en".to_owned(),
                names: Vec::new(),
                parameters: Vec::new(),
                header: None,
                buttons: Vec::new(),
            },
            "/template/components",
            json!([]),
        ),
    ]
}

#[tokio::test]
async fn every_request_meets_metas_schema_and_says_what_it_must() {
    let schema = schema();
    let (stub, channel) = taking().await;
    let contents = contents();
    for (name, content, pointer, expected) in &contents {
        assert_eq!(channel.problems(content), [], "{name}");
        let outcome = channel.send(&outbound("+5511999990000", content.clone())).await;
        assert_eq!(outcome, Outcome::Accepted { ids: vec!["wamid.1".to_owned()] }, "{name}");
        let body = body_of(stub.heard().last().unwrap());
        assert!(schema.is_valid(&body), "{name}: {body}");
        assert_eq!(body.pointer(pointer), Some(expected), "{name}: {body}");
        let told = (&body["to"], &body["biz_opaque_callback_data"]);
        assert_eq!(told, (&json!("+5511999990000"), &json!(attempt(1).to_string())), "{name}");
    }
    assert_eq!(stub.heard().len(), contents.len());
}

#[test]
fn the_schema_takes_metas_examples_and_refuses_broken_ones() {
    let (schema, examples) = (schema(), data("meta-send-message.examples.json"));
    let passing = examples["pass_patched_schema"].as_array().unwrap();
    assert_eq!(passing.len(), 45);
    // Placeholders of links stand in brackets, or not.
    let filled =
        examples["requests"].to_string().replace("<http(s)", "https").replace("http(s)", "https");
    let requests: Value = serde_json::from_str(&filled).unwrap();
    for name in passing {
        assert!(schema.is_valid(&requests[name.as_str().unwrap()]), "{name}");
    }
    let fine = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+15550100",
        "type": "text", "text": { "body": "Hello" }, "biz_opaque_callback_data": "att_1",
    });
    assert!(schema.is_valid(&fine));
    for (pointer, value) in [
        ("/messaging_product", json!("sms")),
        ("/text/body", json!("")),
        ("/text/body", json!("x".repeat(4_097))),
        ("/text", json!({ "boddy": "Hello" })),
        ("/biz_opaque_callback_data", json!("x".repeat(513))),
        ("/recipient_type", json!("people")),
    ] {
        let mut broken = fine.clone();
        *broken.pointer_mut(pointer).unwrap() = value;
        assert!(!schema.is_valid(&broken), "{broken}");
    }
}

#[tokio::test]
async fn what_meta_would_refuse_is_told_beforehand_and_not_sent() {
    let (stub, channel) = taking().await;
    let image = || Some(linked(MediaKind::Image, "image/jpeg"));
    let eleven = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"];
    let parameter = |value: &str| {
        let mut content = template();
        if let Content::Template { parameters, .. } = &mut content {
            parameters[1] = text(value);
        }
        content
    };
    let with =
        |button: Button| Content::Text { body: text("x"), buttons: vec![button], media: None };
    let press =
        |title: &str, payload: &str| Button { title: text(title), payload: payload.to_owned() };
    for (name, content, word) in [
        ("text too long", said(&"x".repeat(4_097), &[], None), "4097"),
        ("no text", said(" ", &[], None), "empty"),
        ("long text over buttons", said(&"x".repeat(1_025), &["A"], None), "1025"),
        ("caption too long", said(&"x".repeat(1_025), &[], image()), "1025"),
        ("eleven choices", said("x", &eleven, None), "11"),
        ("a title too long", said("x", &[&"ü".repeat(25)], None), "25"),
        ("twice the same", said("x", &["A", "A"], None), "the same"),
        ("no title", with(press("", "a")), "without a title"),
        ("no id", with(press("A", "")), "without a title"),
        ("an id too long", with(press("A", &"a".repeat(257))), "257"),
        ("a list with an image", said("x", &["1", "2", "3", "4"], image()), "no file"),
        ("an empty parameter", parameter(""), "parameter 2 is empty"),
        ("a newline", parameter("8\n9"), "line break"),
        ("five spaces", parameter("8     9"), "five spaces"),
        ("parameters too long", parameter(&"x".repeat(1_024)), "1031"),
        ("names that miss", named(|names, _, _| names.push("time".to_owned())), "1 names"),
        (
            "odd names",
            named(|names, _, _| *names = vec!["Sender".to_owned(), "time".to_owned()]),
            "none of Meta's",
        ),
        (
            "a payload too long",
            named(|_, _, quick| quick.push(press("A", &"p".repeat(257)))),
            "257",
        ),
        ("no payload", named(|_, _, quick| quick.push(press("A", ""))), "without payload"),
        ("an email", super::mail("x").content, "an email"),
    ] {
        let problems = channel.problems(&content);
        assert!(problems.iter().any(|p| p.what.contains(word)), "{name}: {problems:?}");
        let outcome = channel.send(&outbound("+15550100123", content)).await;
        let Outcome::Refused { action: Action::Fix, .. } = outcome else {
            unreachable!("{name}: {outcome:?}")
        };
    }
    assert!(stub.heard().is_empty());
}

#[tokio::test]
async fn who_hides_the_number_is_written_to_by_id() {
    let schema = schema();
    let (stub, channel) = taking().await;
    let send = async |to: &str, user_id: Option<&str>| {
        let user_id = user_id.map(Address::new);
        let outbound = Outbound { user_id, ..outbound(to, template()) };
        channel.send(&outbound).await
    };
    let accepted = Outcome::Accepted { ids: vec!["wamid.1".to_owned()] };
    let (number, id) = ("+15550100123", "US.13491208655302741918");
    let parent = "US.ENT.11815799212886844830";
    for (to, user_id, by_number, by_id) in [
        (number, None, Some(number), None),
        (number, Some(id), Some(number), Some(id)),
        (number, Some("+15550100124"), Some(number), None),
        (id, None, None, Some(id)),
        ("", Some(parent), None, Some(parent)),
    ] {
        assert_eq!(send(to, user_id).await, accepted, "{to}");
        let body = body_of(stub.heard().last().unwrap());
        assert!(schema.is_valid(&body), "{body}");
        assert_eq!((body["to"].as_str(), body["recipient"].as_str()), (by_number, by_id));
    }
    let heard = stub.heard().len();
    for (to, user_id) in
        [("15550100123", None), ("us.1", None), ("US.", None), ("x", Some("US.a b"))]
    {
        let refused = Outcome::Refused {
            action: Action::BadAddress,
            code: "not-e164".to_owned(),
            retry_after_ms: None,
        };
        assert_eq!(send(to, user_id).await, refused, "{to}");
    }
    assert_eq!(stub.heard().len(), heard);
}

#[tokio::test]
async fn a_partner_is_asked_with_its_own_header_and_path() {
    let stub = stub::http(answer("200 OK", "", TAKEN)).await;
    let mut config = whatsapp(&stub.url());
    "D360-API-KEY".clone_into(&mut config.auth_header);
    config.phone_id_in_path = false;
    let outcome = of(config).send(&outbound("+15550100123", template())).await;
    assert_eq!(outcome, Outcome::Accepted { ids: vec!["wamid.1".to_owned()] });
    let heard = stub.heard();
    assert!(heard[0].starts_with("POST /messages HTTP/1.1"), "{}", heard[0]);
    assert!(heard[0].contains("d360-api-key: token-1\r\n"), "{}", heard[0]);
    assert!(!heard[0].to_lowercase().contains("authorization:"), "{}", heard[0]);
    for (header, token) in [("no header", "token-1"), ("Authorization", "two\nlines")] {
        let mut config = whatsapp("https://graph.example.org");
        header.clone_into(&mut config.auth_header);
        config.access_token = carebell::config::Secret::new(token);
        let config = ChannelsConfig::default().with("whatsapp", KindConfig::Whatsapp(config));
        let fault =
            Channels::build(&config, Mode::Sandbox, PUBLIC_URL, TIMEOUT_MS, &super::tokens())
                .err()
                .unwrap();
        let told = fault.to_string();
        assert!(told.contains("channels.whatsapp.") && !told.contains("lines"), "{told}");
    }
}

#[tokio::test]
async fn the_answer_tells_by_what_else_a_person_is_known() {
    let send = async |contact: &str| {
        let body = format!(r#"{{"contacts":[{contact}],"messages":[{{"id":"wamid.1"}}]}}"#);
        let stub = stub::http(answer("200 OK", "", &body)).await;
        let channel = of(whatsapp(&stub.url()));
        let (outcome, person) =
            channel.send_and_hear(&outbound("+5511999990000", template())).await;
        assert_eq!(outcome, Outcome::Accepted { ids: vec!["wamid.1".to_owned()] });
        let person = person.unwrap_or_default();
        person.known_by().map(|by| by.expose().to_owned()).collect::<Vec<_>>()
    };
    for (contact, known_by) in [
        (r#"{"input":"+5511999990000","wa_id":"5511999990000"}"#, &[][..]),
        (r#"{"input":"+5511999990000","wa_id":"551199990000"}"#, &["+551199990000"]),
        (r#"{"wa_id":"551199990000","user_id":"BR.1"}"#, &["+551199990000", "BR.1"]),
        (r#"{"user_id":"BR.1"}"#, &["BR.1"]),
        ("{}", &[]),
    ] {
        assert_eq!(send(contact).await, known_by, "{contact}");
    }
}

#[tokio::test]
async fn a_reply_is_marked_read_by_its_id() {
    let stub = stub::http(answer("200 OK", "", r#"{"success":true}"#)).await;
    let channels = channels(&stub.url(), NO_MAIL, TIMEOUT_MS);
    let marked = channels.by_name("whatsapp").unwrap().mark_read("wamid.7").await;
    assert!(matches!(marked, Some(Outcome::Accepted { .. })), "{marked:?}");
    let expected =
        json!({ "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.7" });
    assert_eq!(body_of(&stub.heard()[0]), expected);
    assert_eq!(channels.by_name("twilio").unwrap().mark_read("SM1").await, None);
}

fn filed(folder: &Path) -> Media {
    let path = folder.join("inhaler.jpg");
    std::fs::write(&path, b"jpeg").unwrap();
    let sha256 = "41e5787e9f28562d07b891b1816b492309d646c0f2829743fa4963a9f9cc1d61".to_owned();
    Media {
        kind: MediaKind::Image,
        source: MediaSource::File { path, sha256 },
        mime_type: "image/jpeg".to_owned(),
        file_name: None,
    }
}

const MEDIA: &str = r#"{"id":"1013859600285441"}"#;

#[tokio::test]
async fn a_file_is_handed_over_and_goes_by_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let media = filed(folder.path());
    let stub = stub::answering(|request| {
        let is_upload = request.starts_with("POST /106540352242922/media ");
        ("200 OK", if is_upload { MEDIA } else { TAKEN })
    })
    .await;
    let channel = of(whatsapp(&stub.url()));
    let upload = channel.hand_over(&media).await.unwrap().unwrap();
    assert_eq!((upload.id.as_str(), upload.good_for_ms), ("1013859600285441", 25 * 86_400_000));
    let sha256 = "41e5".to_owned();
    let known = Media { source: MediaSource::Upload { id: upload.id, sha256 }, ..media.clone() };
    for content in [
        said("Shake it", &[], Some(known.clone())),
        named(|_, header, _| *header = Some(known.clone())),
    ] {
        let outcome = channel.send(&outbound("+15550100123", content)).await;
        assert_eq!(outcome, Outcome::Accepted { ids: vec!["wamid.1".to_owned()] });
    }
    let heard = stub.heard();
    assert_eq!(heard.len(), 3, "one upload, two messages");
    for part in [
        "name=\"messaging_product\"\r\n\r\nwhatsapp\r\n",
        "name=\"type\"\r\n\r\nimage/jpeg\r\n",
        "content-type: image/jpeg\r\n\r\njpeg\r\n--carebell-",
    ] {
        assert!(heard[0].contains(part), "{part} in {}", heard[0]);
    }
    let schema = schema();
    let (first, second) = (body_of(&heard[1]), body_of(&heard[2]));
    assert!(schema.is_valid(&first) && schema.is_valid(&second));
    assert_eq!(first["image"], json!({ "id": "1013859600285441", "caption": "Shake it" }));
    let header = second.pointer("/template/components/0/parameters/0/image").unwrap();
    assert_eq!(*header, json!({ "id": "1013859600285441" }));
    // A link is nothing to hand over; nor has a channel without files anything to do with one.
    assert_eq!(channel.hand_over(&linked(MediaKind::Image, "image/png")).await, None);
    let channels = channels(&stub.url(), NO_MAIL, TIMEOUT_MS);
    assert_eq!(channels.by_name("twilio").unwrap().hand_over(&media).await, None);
}

#[tokio::test]
async fn what_is_only_on_this_machine_is_no_part_of_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let media = filed(folder.path());
    let (stub, channel) = taking().await;
    let words = outbound("+15550100123", said("Shake it", &[], Some(media.clone())));
    assert!(matches!(channel.send(&words).await, Outcome::Accepted { .. }));
    assert_eq!(body_of(&stub.heard()[0])["text"]["body"], "Shake it");
    // A template is nothing without its file.
    let header = named(|_, header, _| *header = Some(media));
    let outcome = channel.send(&outbound("+15550100123", header)).await;
    let Outcome::Refused { action: Action::TemplateProblem, .. } = outcome else {
        unreachable!("{outcome:?}")
    };
    assert_eq!(stub.heard().len(), 1);
}

#[tokio::test]
async fn p4_what_becomes_of_an_upload_is_never_an_unknown_send() {
    let folder = tempfile::tempdir().unwrap();
    let media = filed(folder.path());
    let refused = |action, code: &str| Outcome::Refused {
        action,
        code: code.to_owned(),
        retry_after_ms: None,
    };
    for (play, expected) in [
        (stub::Play::CloseAfterRequest, Outcome::NotSent { stage: "media" }),
        (answer("500 Oops", "", ""), Outcome::NotSent { stage: "media" }),
        (answer("200 OK", "", "<html>"), Outcome::NotSent { stage: "media" }),
        (
            answer("400 Bad Request", "", r#"{"error":{"code":190}}"#),
            refused(Action::PauseChannel, "190"),
        ),
    ] {
        let stub = stub::http(play).await;
        let channels = channels(&stub.url(), NO_MAIL, 1_000);
        let outcome = channels.by_name("whatsapp").unwrap().hand_over(&media).await;
        assert_eq!(outcome, Some(Err(expected)));
        assert_eq!(stub.heard().len(), 1);
    }
    // The file is another one by now.
    std::fs::write(folder.path().join("inhaler.jpg"), b"other").unwrap();
    let (stub, channel) = taking().await;
    let outcome = channel.hand_over(&media).await;
    assert_eq!(outcome, Some(Err(refused(Action::Fix, "media-changed"))));
    assert!(stub.heard().is_empty());
}
