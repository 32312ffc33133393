//! Callbacks: what is signed by the provider is read as its documentation says, everything else is refused.

use super::{
    PUBLIC_URL, TIMEOUT_MS, TWILIO_TOKEN, attempt, channels, tokens, twilio, twilio_signature,
    whatsapp,
};
use carebell::care::Address;
use carebell::channel::{Action, Callback, Channel, Channels, Event, Reject, Verified};
use carebell::config::{ChannelsConfig, KindConfig, Mode, Secret};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

fn channel(name: &str) -> Arc<dyn Channel> {
    static ALL: LazyLock<Channels> =
        LazyLock::new(|| channels("http://127.0.0.1:1", "smtp://127.0.0.1:1", TIMEOUT_MS));
    Arc::clone(ALL.by_name(name).unwrap())
}

fn data(file: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/webhooks").join(file);
    std::fs::read(path).unwrap()
}

pub fn callback(case: &Value) -> Callback {
    let request = &case["request"];
    let url = request["url"].as_str().unwrap();
    let content_type = request["content_type"].as_str().unwrap().to_owned();
    let headers = request["headers"].as_object().unwrap().iter();
    let mut headers: Vec<(String, String)> = headers
        .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap().to_owned()))
        .collect();
    headers.push(("content-type".to_owned(), content_type));
    Callback {
        method: request["method"].as_str().unwrap().to_owned(),
        path_and_query: url.strip_prefix(PUBLIC_URL).unwrap().to_owned(),
        headers,
        body: data(case["file"].as_str().unwrap()),
    }
}

pub fn index() -> Vec<Value> {
    let index: Value = serde_json::from_slice(&data("index.json")).unwrap();
    index["files"].as_array().unwrap().clone()
}

fn cases() -> Vec<Value> {
    let is_theirs = |case: &Value| !case["provider"].as_str().unwrap().starts_with("generic:");
    index().into_iter().filter(is_theirs).collect()
}

fn channel_of(case: &Value) -> Arc<dyn Channel> {
    channel(if case["provider"] == "twilio" { "twilio" } else { "whatsapp" })
}

#[test]
fn every_recorded_callback_is_verified_and_read() {
    let cases = cases();
    assert!(cases.len() >= 31, "only {} callbacks were read", cases.len());
    for case in &cases {
        let file = case["file"].as_str().unwrap();
        let (channel, callback) = (channel_of(case), callback(case));
        let verified = channel.verify(&callback);
        if case["signature_valid"] == false {
            assert_eq!(verified, Err(Reject::BadSignature), "{file}");
            continue;
        }
        let Ok(events) = channel.events(&callback) else {
            assert_eq!(verified, Err(Reject::Unexpected), "{file}");
            assert_eq!(case["events"], serde_json::json!([]), "{file}");
            continue;
        };
        let events: Vec<Value> = events.iter().map(Event::told).collect();
        assert_eq!(Value::Array(events.clone()), case["events"], "{file}");
        assert!(verified.is_ok() && !events.is_empty(), "{file}");
    }
}

#[test]
fn one_changed_byte_one_missing_or_old_header_and_it_is_refused() {
    for case in cases().iter().filter(|case| case["signature_valid"] == true) {
        let (channel, original) = (channel_of(case), callback(case));
        let mut changed = original.clone();
        // The last byte of JSON is its brace; of a form, the last character of a value.
        *changed.body.last_mut().unwrap() ^= 1;
        assert_eq!(channel.verify(&changed), Err(Reject::BadSignature));
        let mut unsigned = original.clone();
        unsigned.headers.retain(|(name, _)| !name.ends_with("signature") && !name.ends_with("256"));
        unsigned.headers.push(("x-hub-signature".to_owned(), "sha1=00".to_owned()));
        assert_eq!(channel.verify(&unsigned), Err(Reject::Unsigned));
        let mut garbled = original;
        for (_, value) in garbled.headers.iter_mut().filter(|(name, _)| name != "content-type") {
            "sha256=é".clone_into(value);
        }
        assert_eq!(channel.verify(&garbled), Err(Reject::BadSignature));
    }
}

#[test]
fn the_same_callback_has_the_same_key_and_another_has_another() {
    let mut keys = std::collections::BTreeSet::new();
    let mut verified = 0;
    for case in cases() {
        let (channel, callback) = (channel_of(&case), callback(&case));
        if let Ok(Verified::Event { dedupe_key }) = channel.verify(&callback) {
            let again = Ok(Verified::Event { dedupe_key: dedupe_key.clone() });
            assert_eq!(channel.verify(&callback), again);
            verified += 1;
            keys.insert(dedupe_key);
        }
    }
    assert_eq!(keys.len(), verified);
    // The order of a form is not signed, so it must not make a new callback either.
    let form = |body: &str| signed_form("/webhooks/twilio", body, TWILIO_TOKEN, PUBLIC_URL);
    let twilio = channel("twilio");
    let key = |body| twilio.verify(&form(body)).unwrap();
    assert_eq!(key("MessageSid=SM1&Body=a"), key("Body=a&MessageSid=SM1"));
    assert_ne!(key("MessageSid=SM1&Body=a"), key("MessageSid=SM1&Body=b"));
}

/// A form as Twilio posts it.
fn signed_form(path_and_query: &str, body: &str, token: &str, origin: &str) -> Callback {
    let signature = twilio_signature(&format!("{origin}{path_and_query}"), body, token);
    Callback {
        method: "POST".to_owned(),
        path_and_query: path_and_query.to_owned(),
        headers: vec![
            ("x-twilio-signature".to_owned(), signature),
            (
                "content-type".to_owned(),
                "application/x-www-form-urlencoded; charset=UTF-8".to_owned(),
            ),
        ],
        body: body.as_bytes().to_vec(),
    }
}

#[test]
fn twilio_signs_the_configured_url_with_or_without_its_port() {
    let twilio = channel("twilio");
    let verify = |token, origin| {
        twilio.verify(&signed_form("/webhooks/twilio?msg=x", "Body=Ta%C3%AFd", token, origin))
    };
    for token in ["current-token", TWILIO_TOKEN] {
        assert!(verify(token, "https://hooks.example.org").is_ok());
        assert!(verify(token, "https://hooks.example.org:443").is_ok());
        for origin in [
            "http://hooks.example.org",
            "https://evil.example.org",
            "https://hooks.example.org:8443",
        ] {
            assert_eq!(verify(token, origin), Err(Reject::BadSignature), "{origin}");
        }
    }
    assert_eq!(verify("former-token", PUBLIC_URL), Err(Reject::BadSignature));
}

#[test]
fn a_body_that_is_no_form_needs_its_hash_in_the_signed_url() {
    use sha2::{Digest, Sha256};
    let twilio = channel("twilio");
    let body = r#"{"a":1}"#;
    let hash = carebell::security::hex(&Sha256::digest(body));
    let signed = |query: &str, body: &str| {
        let mut callback =
            signed_form(&format!("/webhooks/twilio{query}"), "", TWILIO_TOKEN, PUBLIC_URL);
        callback.headers[1].1 = "application/json".to_owned();
        callback.body = body.as_bytes().to_vec();
        callback
    };
    assert!(twilio.verify(&signed(&format!("?bodySHA256={hash}"), body)).is_ok());
    assert_eq!(
        twilio.verify(&signed(&format!("?bodySHA256={hash}"), "{}")),
        Err(Reject::BadSignature)
    );
    assert_eq!(twilio.verify(&signed("", body)), Err(Reject::BadSignature));
}

#[test]
fn receipts_carry_our_id_and_what_their_code_asks_for() {
    let id = attempt(7);
    let path = format!("/webhooks/twilio?msg={id}");
    let body = "MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30005";
    let callback = signed_form(&path, body, TWILIO_TOKEN, PUBLIC_URL);
    let [Event::Receipt(receipt)] = &channel("twilio").events(&callback).unwrap()[..] else {
        panic!("not one receipt")
    };
    assert_eq!(receipt.correlation, Some(id));
    assert_eq!(receipt.error, Some(("30005".to_owned(), Action::BadAddress)));

    let status = |word: &str| {
        serde_json::json!({ "entry": [{ "changes": [{ "field": "messages", "value": { "statuses": [
            { "id": "wamid.1", "status": word, "biz_opaque_callback_data": id.to_string(),
              "timestamp": "1764000000123", "errors": [{ "code": 999_999 }] },
        ] } }] }] })
    };
    let read = |word| {
        let body = serde_json::to_vec(&status(word)).unwrap();
        channel("whatsapp").events(&Callback { body, ..callback.clone() }).unwrap()
    };
    let [Event::Receipt(receipt)] = &read("failed")[..] else { panic!("not one receipt") };
    assert_eq!(receipt.correlation, Some(id));
    assert_eq!(receipt.error, Some(("999999".to_owned(), Action::Retry)));
    assert_eq!(receipt.at.map(|at| at.0), Some(1_764_000_000_123));
    let [Event::Receipt(unknown)] = &read("deleted")[..] else { panic!("not one receipt") };
    assert_eq!((unknown.status, unknown.raw_status.as_str()), (None, "deleted"));
}

#[test]
fn a_patient_who_hides_the_number_is_heard_by_the_scoped_id() {
    let body = serde_json::json!({ "entry": [{ "changes": [{ "field": "messages", "value": {
        "messages": [
            { "from_user_id": "US.9000", "id": "wamid.1", "type": "text", "text": { "body": "STOP" } },
            { "id": "wamid.2", "type": "text", "text": { "body": "nobody" } },
            { "from": 1, "id": [], "type": {}, "text": 5 },
            null,
        ] } }, { "field": 3 }, 7] }, {}] });
    let body = serde_json::to_vec(&body).unwrap();
    let callback = Callback {
        method: "POST".to_owned(),
        path_and_query: "/".to_owned(),
        headers: Vec::new(),
        body,
    };
    let events = channel("whatsapp").events(&callback).unwrap();
    assert_eq!(events.len(), 6);
    let Event::Reply(reply) = &events[0] else { panic!("not a reply") };
    let known_by: Vec<&str> = reply.from.known_by().map(Address::expose).collect();
    assert_eq!((known_by, reply.words().expose().as_str()), (vec!["US.9000"], "STOP"));
    assert!(events[1..].iter().all(|event| matches!(event, Event::Ignored { .. })), "{events:?}");
}

#[test]
fn a_webhook_is_registered_only_with_the_token() {
    let whatsapp = channel("whatsapp");
    let get = |query: &str| {
        whatsapp.verify(&Callback {
            method: "GET".to_owned(),
            path_and_query: format!("/webhooks/whatsapp?{query}"),
            headers: Vec::new(),
            body: Vec::new(),
        })
    };
    for (query, expected) in [
        (
            "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=verify-1",
            Ok(Verified::Challenge("1158201444".to_owned())),
        ),
        ("hub.mode=subscribe&hub.challenge=1&hub.verify_token=verify-2", Err(Reject::BadSignature)),
        ("hub.mode=subscribe&hub.challenge=1&hub.verify_token=", Err(Reject::BadSignature)),
        ("hub.mode=subscribe&hub.challenge=1", Err(Reject::Unsigned)),
        ("hub.mode=subscribe&hub.verify_token=verify-1", Err(Reject::Unexpected)),
        ("hub.mode=unsubscribe&hub.verify_token=verify-1", Err(Reject::Unexpected)),
        ("", Err(Reject::Unexpected)),
    ] {
        assert_eq!(get(query), expected, "{query}");
    }
    let email = channel("email");
    let any = Callback {
        method: "POST".to_owned(),
        path_and_query: "/".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    assert_eq!(email.verify(&any), Err(Reject::Unsigned));
}

#[test]
fn a_channel_without_what_guards_it_is_not_built() {
    let built = |config: ChannelsConfig, public_url| {
        Channels::build(&config, Mode::Live, public_url, TIMEOUT_MS, &tokens())
            .map(drop)
            .map_err(|fault| fault.to_string())
    };
    let by_whatsapp = |change: fn(&mut carebell::config::WhatsappConfig)| {
        let mut config = whatsapp("https://graph.example.org/v25.0");
        change(&mut config);
        built(ChannelsConfig::default().with("whatsapp", KindConfig::Whatsapp(config)), PUBLIC_URL)
    };
    assert_eq!(by_whatsapp(|_| ()), Ok(()));
    for (fault, key) in [
        (by_whatsapp(|c| c.app_secrets.clear()), "channels.whatsapp.app_secrets"),
        (by_whatsapp(|c| c.app_secrets.push(Secret::new(""))), "channels.whatsapp.app_secrets"),
        (by_whatsapp(|c| c.verify_token = Secret::new(" ")), "channels.whatsapp.verify_token"),
        (by_whatsapp(|c| c.access_token = Secret::new("")), "channels.whatsapp.access_token"),
        (by_whatsapp(|c| c.phone_number_id.clear()), "channels.whatsapp.phone_number_id"),
        (by_whatsapp(|c| c.base_url = "http://graph.example.org".into()), "without TLS"),
        (by_whatsapp(|c| c.messages_per_second = f64::NAN), "messages_per_second"),
    ] {
        assert!(fault.as_ref().is_err_and(|text| text.contains(key)), "{key}: {fault:?}");
    }
    let config = ChannelsConfig::default()
        .with("twilio", KindConfig::Twilio(twilio("https://api.example.org")));
    assert_eq!(built(config.clone(), PUBLIC_URL), Ok(()));
    assert!(built(config, "").is_err_and(|text| text.contains("http.public_url")));
}

proptest::proptest! {
    #[test]
    fn p9_no_bytes_can_break_the_reader(
        body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        path in "/[ -~]{0,40}",
        header in "\\PC{0,80}",
    ) {
        let headers = ["x-hub-signature-256", "x-twilio-signature", "content-type"];
        let headers = headers.map(|name| (name.to_owned(), header.clone())).to_vec();
        for method in ["GET", "POST"] {
            let callback = Callback {
                method: method.to_owned(),
                path_and_query: path.clone(),
                headers: headers.clone(),
                body: body.clone(),
            };
            for name in ["whatsapp", "twilio", "email"] {
                proptest::prop_assert!(channel(name).verify(&callback).is_err());
                drop(channel(name).events(&callback));
            }
        }
    }
}
