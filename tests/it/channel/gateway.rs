//! HTTP gateways by configuration alone: what is read of a callback, and what is asked of the gateway.

use super::callbacks::{callback, index};
use super::{PUBLIC_URL, TIMEOUT_MS};
use carebell::channel::{Callback, Channel, Channels, Event, Reject, Verified};
use carebell::config::{Config, ConfigProblems, Environment, Loaded, User, load};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

mod sends;

/// What every preset asks for besides itself.
const SECRETS: &str = "secrets.api_key = \"key-1\"\nsecrets.api_secret = \"key-2\"\n\
                       secrets.password = \"key-3\"\nsecrets.webhook = \"hook-1\"\n";

fn loaded(toml: &str, credentials: &[(&str, &str)]) -> Result<Loaded, ConfigProblems> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carebell.toml");
    std::fs::write(&path, toml).unwrap();
    let mut variables = BTreeMap::from([("HOME".to_owned(), "/home/x".to_owned())]);
    for (name, text) in credentials {
        std::fs::write(folder.path().join(name), text).unwrap();
        let kept = folder.path().to_string_lossy().into_owned();
        variables.insert("CREDENTIALS_DIRECTORY".to_owned(), kept);
    }
    if !credentials.is_empty() {
        // The folder holds nothing but credentials.
        let elsewhere = tempfile::tempdir().unwrap();
        let moved = elsewhere.path().join("carebell.toml");
        std::fs::rename(&path, &moved).unwrap();
        return load(Some(&moved), &environment(folder.path(), variables));
    }
    load(Some(&path), &environment(folder.path(), variables))
}

fn environment(folder: &Path, variables: BTreeMap<String, String>) -> Environment {
    Environment {
        variables,
        working_dir: folder.join("nowhere"),
        system_dir: folder.join("nowhere"),
        user: User::Other,
    }
}

/// The configuration of a file.
pub fn configured(toml: &str) -> Config {
    loaded(toml, &[]).unwrap().config
}

/// The channel `sms1` of these keys.
fn gateway(keys: &str) -> Result<Arc<dyn Channel>, String> {
    built(keys, TIMEOUT_MS)
}

/// The same with this time for a request.
fn within(keys: &str, timeout_ms: i64) -> Arc<dyn Channel> {
    built(keys, timeout_ms).unwrap()
}

fn built(keys: &str, timeout_ms: i64) -> Result<Arc<dyn Channel>, String> {
    let toml = format!("[channels.sms1]\nkind = \"http\"\n{keys}");
    let config = loaded(&toml, &[]).map_err(|problems| problems.to_string())?.config;
    let all =
        Channels::build(&config.channels, config.mode, PUBLIC_URL, timeout_ms, &super::tokens());
    let all = all.map_err(|fault| fault.to_string())?;
    Ok(Arc::clone(all.by_name("sms1").unwrap()))
}

/// A TOML text of a JSON value.
fn toml_of(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut text = "{ ".to_owned();
            for (at, (key, value)) in fields.iter().enumerate() {
                let comma = if at == 0 { "" } else { ", " };
                let _ = write!(text, "{comma}{} = {}", Value::from(key.as_str()), toml_of(value));
            }
            text + " }"
        }
        other => other.to_string(),
    }
}

/// A gateway that reads callbacks as a mapping says.
fn mapped(mapping: &Value) -> Arc<dyn Channel> {
    let part = if mapping.get("status").is_some() { "receipts" } else { "replies" };
    let keys = format!(
        "base_url = \"http://127.0.0.1:1\"\nrequest = {{ path = \"/\" }}\n{part} = {}\n\
         callbacks = {{ addresses = [\"0.0.0.0/0\"] }}\n",
        toml_of(mapping)
    );
    gateway(&keys).unwrap()
}

fn preset(name: &str, more: &str) -> Arc<dyn Channel> {
    let base = "base_url = \"http://127.0.0.1:1\"\nusername = \"carebell\"\nfrom = \"CLINIC\"\n";
    gateway(&format!("preset = \"{name}\"\n{base}{more}{SECRETS}")).unwrap()
}

/// A callback to an address of ours.
fn posted(path_and_query: &str, content_type: &str, body: &str) -> Callback {
    Callback {
        method: if body.is_empty() { "GET" } else { "POST" }.to_owned(),
        path_and_query: path_and_query.to_owned(),
        headers: vec![("content-type".to_owned(), content_type.to_owned())],
        body: body.as_bytes().to_vec(),
    }
}

fn told(channel: &dyn Channel, callback: &Callback) -> Value {
    let events = channel.events(callback).unwrap();
    Value::Array(events.iter().map(Event::told).collect())
}

/// The recorded callbacks of gateways.
fn recorded() -> Vec<Value> {
    let is_generic = |case: &Value| case["provider"].as_str().unwrap().starts_with("generic:");
    index().into_iter().filter(is_generic).collect()
}

#[test]
fn every_recorded_callback_is_read_by_its_mapping() {
    let cases = recorded();
    assert!(cases.len() >= 8, "only {} callbacks were read", cases.len());
    for case in &cases {
        let (channel, callback) = (mapped(&case["mapping"]), callback(case));
        let file = case["file"].as_str().unwrap();
        assert_eq!(told(channel.as_ref(), &callback), case["events"], "{file}");
    }
}

#[test]
fn every_recorded_callback_is_read_by_its_preset() {
    for case in &recorded() {
        let provider = case["provider"].as_str().unwrap().trim_start_matches("generic:");
        let channel = preset(provider, "");
        let mut expected = case["events"].clone();
        if provider == "vonage" && expected[0]["kind"] == "status" {
            // The preset reads the time as well.
            expected[0]["timestamp"] = "2026-03-05T09:21:02Z".into();
        }
        let file = case["file"].as_str().unwrap();
        assert_eq!(told(channel.as_ref(), &callback(case)), expected, "{file}");
    }
}

#[test]
fn a_channel_is_its_preset_with_what_the_operator_says_above_it() {
    let toml = "[channels.kenya]\nkind = \"http\"\npreset = \"africastalking\"\nfrom = \"CLINIC\"\n\
                [channels.kenya.receipts.status_map]\nBuffered = \"ignore\"\n";
    let credentials = [
        ("channels.kenya.secrets.api_key", "S3CRET\n"),
        ("channels.kenya.secrets.webhook", "HOOK"),
    ];
    let loaded = loaded(toml, &credentials).unwrap();
    let shown: BTreeMap<String, (Value, String)> =
        loaded.effective().into_iter().map(|one| (one.key, (one.value, one.origin))).collect();
    let of = |key: &str| shown[&format!("channels.kenya.{key}")].clone();
    let preset = "preset africastalking".to_owned();
    assert_eq!(of("base_url"), ("https://api.africastalking.com".into(), preset.clone()));
    assert_eq!(of("segments_per_second"), (10.0.into(), preset.clone()));
    assert_eq!(of("receipts.status_map.Success"), ("delivered".into(), preset));
    assert_eq!(of("receipts.status_map.Buffered").0, Value::from("ignore"));
    assert_eq!(of("smart"), (true.into(), "default".to_owned()));
    let credential = "credential channels.kenya.secrets.api_key".to_owned();
    assert_eq!(of("secrets.api_key"), ("********".into(), credential));
}

#[test]
fn p10_what_is_wrong_names_its_key_and_no_value() {
    let base = "base_url = \"http://127.0.0.1:1\"\n";
    for (keys, place, what) in [
        (base.to_owned(), "channels.sms1.request", "is missing"),
        ("preset = \"clickatell\"\n".to_owned(), "channels.sms1.preset", "no known gateway"),
        ("preset = \"/nowhere/x.toml\"\n".to_owned(), "channels.sms1.preset", "cannot be read"),
        (
            format!("{base}request.pat = \"/S3CRET\"\n"),
            "channels.sms1.request.pat",
            "did you mean path?",
        ),
        (
            format!("{base}requests.path = \"/S3CRET\"\n"),
            "channels.sms1.requests.path",
            "is no key",
        ),
        (
            format!("{base}request.auth = {{ kind = \"basic\", usrname = \"S3CRET\" }}\n"),
            "channels.sms1.request.auth.usrname",
            "is no key",
        ),
        (
            format!("{base}request.auth = {{ kind = \"bearer\", secret = \"token\" }}\n"),
            "channels.sms1.secrets.token",
            "request.auth names it",
        ),
        (
            format!("{base}request.path = \"/\"\nreceipts.id = \"form.id\"\n"),
            "channels.sms1.callbacks",
            "anybody could answer",
        ),
        (
            format!(
                "{base}request.path = \"/\"\nreplies.from = \"form.f\"\nsecrets.h = \"x\"\n\
                 callbacks.path_secrets = [\"h\"]\n"
            ),
            "channels.sms1.replies",
            "would count once",
        ),
        (
            format!("{base}request.path = \"/{{{{ S3CRET }}\"\n"),
            "channels.sms1.request.path",
            "no template",
        ),
        (
            format!("{base}request.query.x = \"{{{{ txt }}}}\"\n"),
            "channels.sms1.request.query.x",
            "undefined",
        ),
        (
            format!(
                "{base}request.content_type = \"application/json\"\nrequest.body = '{{ \"t\": {{{{ text }}}} }}'\n"
            ),
            "channels.sms1.request.body",
            "within quotes",
        ),
        (
            format!("{base}request.body = \"{{{{ text }}}}\"\n"),
            "channels.sms1.request.content_type",
            "escaped",
        ),
        (
            format!("{base}request.path = \"@evil.example.org/\"\n"),
            "channels.sms1.request.path",
            "begin with /",
        ),
        (
            format!("{base}request.path = \"/\"\nanswer.id = \"message-id\"\n"),
            "channels.sms1.answer.id",
            "form.NAME",
        ),
        (
            format!("{base}request.path = \"/\"\nanswer.ok.at = \"/a\"\n"),
            "channels.sms1.answer.ok",
            "matches",
        ),
        (
            format!("{base}request.path = \"/\"\nanswer.statuses = [\"ok\"]\n"),
            "channels.sms1.answer.statuses",
            "200-299",
        ),
        (
            format!("{base}request.path = \"/\"\ncodes.1 = \"S3CRET\"\n"),
            "channels.sms1.codes.1",
            "opted-out",
        ),
        (
            format!("{base}request.path = \"/\"\nprefixes = [\"254\"]\n"),
            "channels.sms1.prefixes",
            "+254",
        ),
        (
            format!("{base}request.path = \"/\"\nparts = \"own\"\n"),
            "channels.sms1.answer.id",
            "which of them arrived",
        ),
    ] {
        let Err(fault) = gateway(&keys) else { panic!("{keys} is taken") };
        assert!(fault.contains(place) && fault.contains(what), "{keys}: {fault}");
        assert!(!fault.contains("S3CRET") || what == "undefined", "{fault}");
    }
}

#[test]
fn who_may_call_is_checked_as_configured() {
    let base = "base_url = \"http://127.0.0.1:1\"\nrequest.path = \"/\"\nreceipts = { id = \"form.id\", status = \"form.s\" }\n\
                secrets = { now = \"new word\", before = \"old\" }\n";
    let both = "[\"now\", \"before\"]";
    let body = "id=1&s=sent";
    let ok = |keys: &str, path: &str, headers: &[(&str, &str)]| {
        let channel = gateway(&format!("{base}{keys}")).unwrap();
        let mut callback = posted(path, "application/x-www-form-urlencoded", body);
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        callback.headers.extend(headers);
        channel.verify(&callback).map(drop)
    };
    let path = "/webhooks/sms1/status";
    let by_path = format!("callbacks.path_secrets = {both}\n");
    for (path, expected) in [
        ("/webhooks/sms1/new%20word/status", Ok(())),
        ("/webhooks/sms1/old/status?msg=1", Ok(())),
        ("/webhooks/sms1/old", Ok(())),
        ("/webhooks/sms1/older/status", Err(Reject::BadSignature)),
        ("/webhooks/sms1/status", Err(Reject::BadSignature)),
        ("/webhooks/sms1", Err(Reject::Unsigned)),
        ("/webhooks/sms1/old/elsewhere", Err(Reject::Unexpected)),
        ("/webhooks/sms1/old/status/old", Err(Reject::Unexpected)),
        // Replies are not configured.
        ("/webhooks/sms1/old/inbound", Err(Reject::Unexpected)),
    ] {
        assert_eq!(ok(&by_path, path, &[]), expected, "{path}");
    }
    let by_header = format!("callbacks.header = {{ name = \"X-Token\", secrets = {both} }}\n");
    assert_eq!(ok(&by_header, path, &[("x-token", "old")]), Ok(()));
    assert_eq!(ok(&by_header, path, &[("x-token", "ol")]), Err(Reject::BadSignature));
    assert_eq!(ok(&by_header, path, &[]), Err(Reject::Unsigned));
    let by_parameter = format!("callbacks.parameter = {{ name = \"t\", secrets = {both} }}\n");
    assert_eq!(ok(&by_parameter, &format!("{path}?t=new+word"), &[]), Ok(()));
    assert_eq!(ok(&by_parameter, &format!("{path}?t=x"), &[]), Err(Reject::BadSignature));
    let by_login = format!("callbacks.basic = {{ user = \"gate\", secrets = {both} }}\n");
    // gate:old, other:old
    assert_eq!(ok(&by_login, path, &[("authorization", "Basic Z2F0ZTpvbGQ=")]), Ok(()));
    let other = [("authorization", "Basic b3RoZXI6b2xk")];
    assert_eq!(ok(&by_login, path, &other), Err(Reject::BadSignature));
    let from = |address| [(":peer", address), ("x-forwarded-for", "198.51.100.9, 203.0.113.7")];
    let by_address = "callbacks.addresses = [\"203.0.113.0/24\"]\n";
    assert_eq!(ok(by_address, path, &from("203.0.113.1")), Ok(()));
    assert_eq!(ok(by_address, path, &from("127.0.0.1")), Err(Reject::BadSignature));
    let by_proxy = format!("{by_address}callbacks.address_header = \"X-Forwarded-For\"\n");
    assert_eq!(ok(&by_proxy, path, &from("127.0.0.1")), Ok(()));
    let by_hash = format!(
        "callbacks.hmac = {{ header = \"X-Sign\", prefix = \"sha256=\", payload = \"{{url}}.{{body}}\", secrets = {both} }}\n"
    );
    let signed = |secret: &str| {
        use hmac::Mac as _;
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{PUBLIC_URL}{path}.{body}").as_bytes());
        format!("sha256={}", carebell::security::hex(&mac.finalize().into_bytes()))
    };
    assert_eq!(ok(&by_hash, path, &[("x-sign", &signed("old"))]), Ok(()));
    assert_eq!(ok(&by_hash, path, &[("x-sign", &signed("new word"))]), Ok(()));
    assert_eq!(ok(&by_hash, path, &[("x-sign", &signed("other"))]), Err(Reject::BadSignature));
    assert_eq!(ok(&by_hash, path, &[("x-sign", "é")]), Err(Reject::BadSignature));
    assert_eq!(ok(&by_hash, path, &[]), Err(Reject::Unsigned));
    // Everything that is configured must hold.
    let both = format!("{by_path}{by_header}");
    assert_eq!(ok(&both, "/webhooks/sms1/old/status", &[("x-token", "old")]), Ok(()));
    assert_eq!(ok(&both, "/webhooks/sms1/old/status", &[]), Err(Reject::Unsigned));
}

#[test]
fn two_replies_with_the_same_words_are_two_callbacks() {
    let kannel = preset("kannel", "");
    let key = |time: &str| {
        let path =
            format!("/webhooks/sms1/hook-1/inbound?id=&from=254700000001&text=1&time={time}");
        match kannel.verify(&posted(&path, "", "")) {
            Ok(Verified::Event { dedupe_key }) => dedupe_key,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(key("2026-03-05+09:15:04"), key("2026-03-05+09:15:04"));
    assert_ne!(key("2026-03-05+09:15:04"), key("2026-03-05+20:15:04"));
}

#[test]
fn a_batch_of_three_megabytes_is_read_whole() {
    let one = |n: usize| {
        format!(
            r#"{{"messageId":"M{n}","to":"2557{n:08}","status":{{"groupName":"DELIVERED"}},"pad":"{}"}}"#,
            "x".repeat(500)
        )
    };
    let all: Vec<String> = (0..5_500).map(one).collect();
    let body = format!(r#"{{"results":[{}]}}"#, all.join(","));
    assert!(body.len() > 3_000_000);
    let mapping = serde_json::json!({ "each": "json:/results", "id": "/messageId", "status": "/status/groupName" });
    let callback = posted("/webhooks/sms1/status", "application/json", &body);
    let events = told(mapped(&mapping).as_ref(), &callback);
    assert_eq!(events.as_array().unwrap().len(), 5_500);
    assert_eq!(
        (&events[5_499]["message_id"], &events[5_499]["to_phone"]),
        (&"M5499".into(), &"+255700005499".into())
    );
}

#[test]
fn a_gateway_that_speaks_xml_is_read() {
    let mapping = serde_json::json!({
        "each": "xml:/reports/dlr", "id": "/@id", "status": "/status", "error": "/error/@code",
        "time": "/at", "time_format": "%d.%m.%Y %H:%M", "time_zone": "Africa/Kampala",
        "status_map": { "DELIVRD": "delivered", "UNDELIV": "failed", "ENROUTE": "ignore" },
    });
    let body = r#"<?xml version="1.0"?><reports>
        <dlr id="x1"><status>DELIVRD</status><to>256770000001</to><at>05.03.2026 12:15</at></dlr>
        <dlr id="x2"><status>UNDELIV</status><error code="9"/></dlr>
        <dlr id="x3"><status>ENROUTE</status></dlr><dlr id="x4"/></reports>"#;
    let events =
        told(mapped(&mapping).as_ref(), &posted("/webhooks/sms1/status", "text/xml", body));
    assert_eq!(
        events,
        serde_json::json!([
            { "kind": "status", "message_id": "x1", "status": "delivered", "raw_status": "DELIVRD",
              "to_phone": "+256770000001", "timestamp": "2026-03-05T09:15:00Z" },
            { "kind": "status", "message_id": "x2", "status": "failed", "raw_status": "UNDELIV", "error_code": "9" },
            { "kind": "ignored", "field": "status.ignored" },
            { "kind": "ignored", "field": "status.of-nothing" },
        ])
    );
}

proptest::proptest! {
    #[test]
    fn p9_no_bytes_can_break_a_gateways_reader(
        body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        text in "[<>{}\\[\\]\":,/a-z&;= 0-9]{0,120}",
        path in "/[ -~]{0,40}",
        header in "\\PC{0,80}",
    ) {
        static ALL: std::sync::LazyLock<Vec<Arc<dyn Channel>>> = std::sync::LazyLock::new(|| {
            let names = ["africastalking", "gupshup", "infobip", "kannel", "vonage"];
            let presets = names.map(|name| preset(name, ""));
            presets.into_iter().chain(recorded().iter().map(|case| mapped(&case["mapping"]))).collect()
        });
        for body in [body, text.into_bytes()] {
            let callback = Callback {
                method: "POST".to_owned(),
                path_and_query: path.clone(),
                headers: vec![(header.clone(), header.clone()), ("authorization".to_owned(), header.clone())],
                body,
            };
            for channel in ALL.iter() {
                proptest::prop_assert!(channel.verify(&callback).is_err());
                drop(channel.events(&callback));
            }
        }
    }
}
