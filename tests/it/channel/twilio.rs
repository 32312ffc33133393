//! Twilio beyond plain texts: WhatsApp by contents, keys, retention, pace, signatures of its own helper library.

use super::stub::{self, answer};
use super::{TIMEOUT_MS, attempt, outbound, sms, text};
use carebell::care::ids::AttemptId;
use carebell::care::{ChannelKind, ReceiptStatus};
use carebell::channel::{Action, Callback, Channel, Channels, Content, Outcome, Reject};
use carebell::config::{
    AddressRetention, ChannelsConfig, ContentRetention, KindConfig, Mode, Secret, Speaks,
    TwilioConfig,
};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

const CONTENT: &str = "HX0123456789abcdef0123456789abcdef";

fn twilio(url: &str, change: impl FnOnce(&mut TwilioConfig)) -> Arc<dyn Channel> {
    let mut config = super::twilio(url);
    change(&mut config);
    let config = ChannelsConfig::default().with("clinic", KindConfig::Twilio(config));
    let public_url = "https://hooks.example.org";
    let channels =
        Channels::build(&config, Mode::Sandbox, public_url, TIMEOUT_MS, &super::tokens()).unwrap();
    Arc::clone(channels.by_name("clinic").unwrap())
}

fn whatsapp(config: &mut TwilioConfig) {
    config.speaks = Speaks::Whatsapp;
    config.from = "whatsapp:+15005550006".to_owned();
    config.contents = vec![format!("dose_discreet/en_US={CONTENT}")];
}

fn template(language: &str, names: &[&str]) -> Content {
    Content::Template {
        name: "dose_discreet".to_owned(),
        language: language.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        parameters: vec![text("Clinic"), text("08:00")],
        header: None,
        buttons: Vec::new(),
    }
}

/// The form of the last request.
fn form(stub: &stub::Stub) -> Vec<(String, String)> {
    let heard = stub.heard();
    let (_, body) = heard.last().unwrap().split_once("\r\n\r\n").unwrap();
    form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

fn said<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What is wrong with a form by Twilio's own specification: texts become the numbers and truths that it names.
fn faults(form: &[(String, String)]) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/provider-specs/twilio-create-message.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut said = serde_json::Map::new();
    for (name, text) in form {
        let property = &schema["properties"][name];
        let value = match property["type"].as_str() {
            Some("integer" | "number" | "boolean") => serde_json::from_str(text).unwrap(),
            Some("array") => serde_json::json!([text]),
            _ => Value::from(text.as_str()),
        };
        assert!(said.insert(name.clone(), value).is_none(), "{name} twice");
    }
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    validator.iter_errors(&Value::Object(said)).map(|fault| fault.to_string()).collect()
}

#[tokio::test]
async fn every_form_is_one_of_twilios_specification() {
    let stub = stub::http(answer("201 Created", "", r#"{"sid":"MM1","error_code":null}"#)).await;
    let service = "MG0123456789abcdef0123456789abcdef";
    let kept = |config: &mut TwilioConfig| {
        config.content_retention = ContentRetention::Discard;
        config.address_retention = AddressRetention::Obfuscate;
    };
    let sms_channel = twilio(&stub.url(), kept);
    let by_service = twilio(&stub.url(), |config| config.from = service.to_owned());
    let by_whatsapp = twilio(&stub.url(), whatsapp);
    let mut sent = 0;
    for (channel, message) in [
        (&sms_channel, sms("Take it & smile")),
        (&by_service, sms("Grüße \u{905}")),
        (&by_whatsapp, outbound("+15555550123", template("en_US", &[]))),
        (&by_whatsapp, sms("An answer")),
    ] {
        assert!(matches!(channel.send(&message).await, Outcome::Accepted { .. }));
        sent += 1;
        let form = form(&stub);
        assert_eq!(faults(&form), Vec::<String>::new(), "{form:?}");
        // A misspelt name, a sender of another form, a validity that is none are seen.
        for (name, value) in [
            ("Boddy", "x"),
            ("ContentSid", "HX1"),
            ("MessagingServiceSid", "MG1"),
            ("ContentRetention", "forget"),
        ] {
            let mut broken: Vec<_> = form.iter().filter(|(n, _)| n != name).cloned().collect();
            broken.push((name.to_owned(), value.to_owned()));
            assert!(!faults(&broken).is_empty(), "{name}");
        }
        let without: Vec<_> = form.iter().filter(|(name, _)| name != "To").cloned().collect();
        assert!(!faults(&without).is_empty());
    }
    assert_eq!(sent, stub.heard().len());
}

#[tokio::test]
async fn whatsapp_goes_by_approved_contents() {
    let stub = stub::http(answer("201 Created", "", r#"{"sid":"MM1","error_code":null}"#)).await;
    let channel = twilio(&stub.url(), whatsapp);
    assert_eq!(channel.kind(), ChannelKind::Whatsapp);
    let accepted = Outcome::Accepted { ids: vec!["MM1".to_owned()] };
    for (names, variables) in [
        (&[][..], r#"{"1":"Clinic","2":"08:00"}"#),
        (&["sender", "time"], r#"{"sender":"Clinic","time":"08:00"}"#),
    ] {
        let message = outbound("+15555550123", template("en_US", names));
        assert_eq!(channel.send(&message).await, accepted);
        let form = form(&stub);
        assert_eq!(said(&form, "To"), Some("whatsapp:+15555550123"));
        assert_eq!(said(&form, "From"), Some("whatsapp:+15005550006"));
        assert_eq!(said(&form, "ContentSid"), Some(CONTENT));
        assert_eq!(said(&form, "ContentVariables"), Some(variables));
        assert_eq!(said(&form, "Body"), None);
        let callback = format!("https://hooks.example.org/webhooks/clinic?msg={}#", attempt(1));
        assert!(said(&form, "StatusCallback").unwrap().starts_with(&callback));
    }
    let other = template("sw", &[]);
    assert_eq!(channel.problems(&other).len(), 1);
    let refused = Outcome::Refused {
        action: Action::TemplateProblem,
        code: "no-content-sid".to_owned(),
        retry_after_ms: None,
    };
    assert_eq!(channel.send(&outbound("+15555550123", other)).await, refused);
    assert_eq!(stub.heard().len(), 2, "what Twilio does not know is not asked of it");
}

#[tokio::test]
async fn p10_a_key_signs_in_and_what_is_kept_is_said() {
    let stub = stub::http(answer("201 Created", "", r#"{"sid":"SM1","error_code":null}"#)).await;
    let channel = twilio(&stub.url(), |config| {
        config.api_key = Some("SK1".to_owned());
        config.api_secret = Some(Secret::new("key-secret"));
        config.content_retention = ContentRetention::Discard;
        config.address_retention = AddressRetention::Obfuscate;
    });
    channel.send(&sms("Hello")).await;
    // `SK1:key-secret`
    assert!(stub.heard()[0].contains("authorization: Basic U0sxOmtleS1zZWNyZXQ="));
    let form = form(&stub);
    assert_eq!(said(&form, "ContentRetention"), Some("discard"));
    assert_eq!(said(&form, "AddressRetention"), Some("obfuscate"));
    // A list by address would lack what is there: nothing is asked, nothing concluded.
    let asked = carebell::channel::LookUp {
        correlation: attempt(1),
        to: sms("x").to,
        content: Content::text(text("Hello")),
        intent_at: carebell::care::UtcMs(1_764_000_000_000),
    };
    assert_eq!(channel.look_up(&asked).await, None);
    assert_eq!(stub.heard().len(), 1);
}

#[test]
fn a_long_text_takes_the_pace_of_its_parts() {
    let channel = twilio("http://127.0.0.1:1", |_| ());
    for (body, parts) in [("a".repeat(160), 1), ("a".repeat(161), 2), ("\u{905}".repeat(71), 2)] {
        assert_eq!(channel.costs(&Content::text(text(&body))), parts);
    }
    let by_whatsapp = twilio("http://127.0.0.1:1", whatsapp);
    assert_eq!(by_whatsapp.costs(&Content::text(text(&"a".repeat(400)))), 1);
}

#[tokio::test]
async fn p8_what_became_of_a_message_can_be_asked() {
    for (status, code, known, action) in [
        ("delivered", "null", Some(ReceiptStatus::Delivered), None),
        ("undelivered", "30005", Some(ReceiptStatus::Failed), Some(Action::BadAddress)),
        ("sent", "null", Some(ReceiptStatus::Sent), None),
        ("shrugged", "null", None, None),
    ] {
        let body = format!(
            r#"{{"sid":"SM1","status":"{status}","error_code":{code},"date_updated":"Fri, 24 May 2024 17:18:28 +0000"}}"#
        );
        let stub = stub::http(answer("200 OK", "", &body)).await;
        let channel = twilio(&stub.url(), |_| ());
        let receipt = channel.ask_after("SM1").unwrap().await.unwrap();
        let head = &stub.heard()[0];
        assert!(head.starts_with("GET /2010-04-01/Accounts/AC1/Messages/SM1.json "), "{head}");
        assert_eq!(receipt.status, known);
        assert_eq!(receipt.error.map(|(_, action)| action), action);
        assert_eq!(receipt.at.map(|at| at.0), Some(1_716_571_108_000));
    }
    let stub = stub::http(answer("404 Not Found", "", r#"{"code":20404}"#)).await;
    assert_eq!(twilio(&stub.url(), |_| ()).ask_after("SM1").unwrap().await, None);
}

/// Golden signatures: `tests/oracle/twilio_signatures.py`.
#[test]
fn signatures_of_twilios_own_library_are_right_and_every_other_is_wrong() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/webhooks/twilio-signatures.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let token = golden["token"].as_str().unwrap();
    let channel = twilio("http://127.0.0.1:1", |config| {
        config.auth_tokens = vec![Secret::new("retired"), Secret::new(token)];
    });
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 56);
    for case in cases {
        let of = |name: &str| case[name].as_str();
        let url = reqwest::Url::parse(of("url").unwrap()).unwrap();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut callback = Callback {
            method: "POST".to_owned(),
            path_and_query: format!("{}{query}", url.path()),
            headers: vec![
                ("x-twilio-signature".to_owned(), of("signature").unwrap().to_owned()),
                (
                    "content-type".to_owned(),
                    if of("json").is_some() {
                        "application/json"
                    } else {
                        "application/x-www-form-urlencoded"
                    }
                    .to_owned(),
                ),
            ],
            body: of("json").or(of("body")).unwrap().as_bytes().to_vec(),
        };
        let algorithm = of("algorithm").unwrap();
        let settings = |algorithm: &str| {
            let value = format!("key=webhooks_sharedkey_1,algorithm={algorithm}");
            ("x-twilio-webhooks-signature-settings".to_owned(), value)
        };
        if algorithm == "HMAC_SHA256" {
            assert_eq!(channel.verify(&callback), Err(Reject::BadSignature), "{case}");
            callback.headers.push(settings(algorithm));
        }
        assert!(channel.verify(&callback).is_ok(), "{case}");
        let mut changed = callback.clone();
        changed.path_and_query.push('x');
        assert_eq!(channel.verify(&changed), Err(Reject::BadSignature), "{case}");
        let mut stranger = callback;
        stranger.headers.retain(|(name, _)| !name.ends_with("settings"));
        stranger.headers.push(settings("HMAC_MD5"));
        assert_eq!(channel.verify(&stranger), Err(Reject::BadSignature), "{case}");
    }
}

/// An id as it comes back.
#[test]
fn the_echo_is_our_attempt() {
    let id: AttemptId = attempt(3);
    let callback = Callback {
        method: "POST".to_owned(),
        path_and_query: format!("/webhooks/clinic?msg={id}"),
        headers: Vec::new(),
        body: b"MessageSid=SM1&MessageStatus=canceled&To=whatsapp%3A%2B15555550123".to_vec(),
    };
    let events = twilio("http://127.0.0.1:1", whatsapp).events(&callback).unwrap();
    let told = events[0].told();
    assert_eq!(told["status"], "canceled");
    assert_eq!(told["to_phone"], "+15555550123");
    assert_eq!(told["correlation"], id.to_string());
}
