//! What a gateway is asked, and what its answers mean.

use super::super::stub::{self, Play, answer};
use super::super::{PUBLIC_URL, attempt, outbound, sms, text};
use super::{SECRETS, gateway};
use carebell::care::Address;
use carebell::channel::{Action, Channel, Content, Outcome};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const SHORT_MS: i64 = 1_000;

fn preset_at(name: &str, url: &str) -> Arc<dyn Channel> {
    let keys = format!(
        "preset = \"{name}\"\nbase_url = \"{url}\"\nusername = \"carebell\"\nfrom = \"CLINIC\"\n"
    );
    gateway(&format!("{keys}{SECRETS}")).unwrap()
}

fn accepted(ids: &[&str]) -> Outcome {
    Outcome::Accepted { ids: ids.iter().map(|id| (*id).to_owned()).collect() }
}

fn refused(action: Action, code: &str, retry_after_ms: Option<i64>) -> Outcome {
    Outcome::Refused { action, code: code.to_owned(), retry_after_ms }
}

const KANNEL_OK: &str = "0: Accepted for delivery";
const AFRICAS: &str = r#"{"SMSMessageData":{"Message":"Sent to 1/1","Recipients":[{"statusCode":101,"number":"+15555550123","status":"Success","messageId":"ATXid_1"}]}}"#;
const VONAGE: &str = r#"{"message-count":"2","messages":[{"status":"0","message-id":"V1"},{"status":"0","message-id":"V2"}]}"#;
const INFOBIP: &str = r#"{"messages":[{"messageId":"I1","status":{"groupName":"PENDING","name":"PENDING_ACCEPTED"},"to":"15555550123"}]}"#;
const GUPSHUP: &str = "success | 15555550123 | 3322-26";

/// Parameters of a form or query.
fn parameters(text: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

#[tokio::test]
async fn every_preset_asks_as_its_gateway_documents() {
    let said = "Take it & \"smile\" {{ now }}";
    for (name, status, body, ids) in [
        ("africastalking", "201 Created", AFRICAS, &["ATXid_1"][..]),
        ("vonage", "200 OK", VONAGE, &["V1", "V2"]),
        ("infobip", "200 OK", INFOBIP, &["I1"]),
        ("kannel", "202 Accepted", KANNEL_OK, &[]),
        ("gupshup", "200 OK", GUPSHUP, &["3322-26"]),
    ] {
        let stub = stub::http(answer(status, "", body)).await;
        assert_eq!(preset_at(name, &stub.url()).send(&sms(said)).await, accepted(ids), "{name}");
        let heard = stub.heard();
        let (head, body) = heard[0].split_once("\r\n\r\n").unwrap();
        let line = head.lines().next().unwrap();
        let callback = format!("{PUBLIC_URL}/webhooks/sms1/hook-1/status?msg={}", attempt(1));
        let is = |fields: &BTreeMap<String, String>, wanted: &[(&str, &str)]| {
            for (key, value) in wanted {
                assert_eq!(fields.get(*key).map(String::as_str), Some(*value), "{name}: {key}");
            }
        };
        match name {
            "africastalking" => {
                assert_eq!(line, "POST /version1/messaging HTTP/1.1");
                assert!(head.contains("apikey: key-1"), "{head}");
                let fields = [
                    ("username", "carebell"),
                    ("to", "+15555550123"),
                    ("message", said),
                    ("from", "CLINIC"),
                ];
                is(&parameters(body), &fields);
            }
            "vonage" => {
                assert_eq!(line, "POST /sms/json HTTP/1.1");
                let fields = [
                    ("api_key", "carebell"),
                    ("api_secret", "key-2"),
                    ("to", "15555550123"),
                    ("text", said),
                    ("type", "text"),
                    ("ttl", "7200000"),
                    ("callback", &callback),
                ];
                is(&parameters(body), &fields);
            }
            "infobip" => {
                assert!(head.contains("authorization: App key-1"), "{head}");
                let body: Value = serde_json::from_str(body).unwrap();
                assert_eq!(
                    body["messages"][0],
                    json!({
                        "from": "CLINIC", "destinations": [{ "to": "15555550123" }], "text": said,
                        "validityPeriod": 120, "callbackData": attempt(1).to_string(),
                        "notifyUrl": callback, "notifyContentType": "application/json",
                    })
                );
            }
            "kannel" => {
                let query = line.split(['?', ' ']).nth(2).unwrap();
                assert!(line.starts_with("GET /cgi-bin/sendsms?"), "{line}");
                let url = format!("{callback}&status=%d&answer=%A&fid=%F");
                let fields = [
                    ("username", "carebell"),
                    ("password", "key-3"),
                    ("to", "+15555550123"),
                    ("text", said),
                    ("coding", "0"),
                    ("validity", "120"),
                    ("dlr-url", &url),
                ];
                is(&parameters(query), &fields);
                assert!(body.is_empty());
            }
            _ => {
                let fields = [
                    ("userid", "carebell"),
                    ("password", "key-3"),
                    ("msg", said),
                    ("msg_type", "TEXT"),
                ];
                is(&parameters(body), &fields);
            }
        }
    }
}

#[tokio::test]
async fn a_text_beyond_the_seven_bit_alphabet_is_told_to_the_gateway() {
    for (name, key, wanted) in
        [("vonage", "type", "unicode"), ("gupshup", "msg_type", "Unicode_text")]
    {
        let stub = stub::http(Play::CloseAfterRequest).await;
        drop(preset_at(name, &stub.url()).send(&sms("दवा का समय")).await);
        let heard = stub.heard();
        let fields = parameters(heard[0].split_once("\r\n\r\n").unwrap().1);
        assert_eq!(fields[key], wanted, "{name}");
    }
    // Typographic signs are no reason for it, unless the operator wants them.
    for (smart, text, unicode, gsm7) in
        [(true, "It's 8", "false", Some("497427732038")), (false, "It\u{2019}s 8", "true", None)]
    {
        let stub = stub::http(answer("200 OK", "", "")).await;
        let keys = format!(
            "base_url = \"{}\"\nsmart = {smart}\nrequest.query = {{ t = \"{{{{ text }}}}\", u = \"{{{{ unicode }}}}\", \
             n = \"{{{{ to_national }}}}\", h = \"{{{{ ucs2_hex }}}}\", \
             g = \"{{{{ gsm7_hex }}}}\", s = \"{{{{ segments }}}}\" }}\n",
            stub.url()
        );
        drop(gateway(&keys).unwrap().send(&sms("It\u{2019}s 8")).await);
        let heard = stub.heard();
        let query = heard[0].split(['?', ' ']).nth(2).unwrap().to_owned();
        let fields = parameters(&query);
        assert_eq!((fields["t"].as_str(), fields["u"].as_str()), (text, unicode));
        assert_eq!((fields["n"].as_str(), fields["s"].as_str()), ("5555550123", "1"));
        assert!(fields["h"].starts_with("00490074"), "{}", fields["h"]);
        assert_eq!(fields.get("g").map(String::as_str), gsm7);
    }
}

#[test]
fn a_text_costs_as_many_parts_as_travel() {
    let curly = format!("{}\u{2019}", "x".repeat(152));
    for (smart, said, parts) in [
        (true, "x".repeat(160), 1),
        (true, "x".repeat(161), 2),
        // As it is sent, not as it was written.
        (true, curly.clone(), 1),
        (false, curly, 3),
    ] {
        let keys = format!(
            "base_url = \"http://127.0.0.1:1\"\nsmart = {smart}\nrequest.path = \"/\"\n\
             segments_per_second = 7\n"
        );
        let channel = gateway(&keys).unwrap();
        assert_eq!(channel.costs(&Content::text(text(&said))), parts, "{smart} {}", said.len());
        assert!((channel.capabilities().messages_per_second - 7.0).abs() < 1e-9);
    }
}

#[tokio::test]
async fn p4_what_a_gateways_answer_means() {
    let date =
        "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:50:07 GMT\r\n";
    let unknown = |stage| Outcome::Unknown { stage };
    let at =
        |status: &str| AFRICAS.replace("101", status).replace("Success", &format!("Word{status}"));
    let one_of_two = VONAGE.replacen("\"status\":\"0\"", "\"status\":\"5\"", 1);
    let throttled = VONAGE.replace("\"status\":\"0\"", "\"status\":\"1\"");
    let huge = format!("{KANNEL_OK}{}", "y".repeat(1 << 20));
    for (name, play, expected) in [
        // An answer of success says nothing yet.
        (
            "africastalking",
            answer(
                "201 Created",
                "",
                &AFRICAS.replace("101", "406").replace("Success", "UserInBlacklist"),
            ),
            refused(Action::OptedOut, "UserInBlacklist", None),
        ),
        (
            "africastalking",
            answer(
                "201 Created",
                "",
                &AFRICAS.replace("101", "500").replace("Success", "InternalServerError"),
            ),
            refused(Action::Retry, "InternalServerError", Some(60_000)),
        ),
        (
            "africastalking",
            answer("201 Created", "", &at("499")),
            refused(Action::Retry, "Word499", None),
        ),
        (
            "africastalking",
            answer(
                "201 Created",
                "",
                r#"{"SMSMessageData":{"Message":"InvalidSenderId","Recipients":[]}}"#,
            ),
            refused(Action::PauseChannel, "InvalidSenderId", None),
        ),
        (
            "africastalking",
            answer("401 No", "", "The supplied authentication is invalid"),
            refused(Action::PauseChannel, "http-401", None),
        ),
        (
            "africastalking",
            answer("402 Pay", "", ""),
            refused(Action::PauseChannel, "http-402", None),
        ),
        ("africastalking", answer("200 OK", "", "<html>Welcome</html>"), unknown("body")),
        ("africastalking", answer("200 OK", "", ""), unknown("body")),
        (
            "africastalking",
            answer("200 OK", "", &AFRICAS.replace("messageId", "id")),
            unknown("body"),
        ),
        (
            "africastalking",
            Play::Say("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_owned()),
            unknown("body"),
        ),
        ("vonage", answer("200 OK", "", &throttled), refused(Action::Retry, "1", Some(1_000))),
        // Half of it is on its way.
        ("vonage", answer("200 OK", "", &one_of_two), unknown("body")),
        (
            "vonage",
            answer("200 OK", "", r#"{"messages":[{"status":"9"}]}"#),
            refused(Action::PauseChannel, "9", None),
        ),
        ("vonage", answer("200 OK", "", r#"{"error":{"code":1}}"#), unknown("body")),
        (
            "infobip",
            answer(
                "401 No",
                "",
                r#"{"requestError":{"serviceException":{"messageId":"UNAUTHORIZED"}}}"#,
            ),
            refused(Action::PauseChannel, "UNAUTHORIZED", None),
        ),
        ("infobip", answer("400 Bad", "", "{}"), refused(Action::Fix, "http-400", None)),
        ("kannel", answer("200 OK", "", KANNEL_OK), unknown("status")),
        ("kannel", answer("202 Accepted", "", &huge), unknown("body")),
        ("kannel", answer("202 Accepted", "", "hello"), unknown("body")),
        (
            "kannel",
            answer("403 No", "", "Authorization failed for sendsms"),
            refused(Action::PauseChannel, "http-403", None),
        ),
        (
            "gupshup",
            answer("200 OK", "", "error | 102 | Authentication failed"),
            refused(Action::PauseChannel, "102", None),
        ),
        (
            "gupshup",
            answer("200 OK", "", "error | 105 | The phone number 15555550123 is not valid"),
            refused(Action::NextChannel, "105", None),
        ),
        // What all of them share.
        ("vonage", answer("500 Oops", "", "oops"), unknown("status")),
        ("vonage", answer("503 Busy", "", ""), unknown("status")),
        (
            "vonage",
            answer("503 Busy", "retry-after: 7\r\n", ""),
            refused(Action::Retry, "http-503", Some(7_000)),
        ),
        (
            "vonage",
            answer("429 Slow", "retry-after: 7\r\n", "{}"),
            refused(Action::Retry, "http-429", Some(7_000)),
        ),
        (
            "vonage",
            answer("429 Slow", date, "{}"),
            refused(Action::Retry, "http-429", Some(30_000)),
        ),
        (
            "vonage",
            answer("307 Away", "location: http://192.0.2.1/\r\n", ""),
            refused(Action::Fix, "http-307", None),
        ),
        ("vonage", Play::Say("garbage\r\n\r\n".to_owned()), unknown("write")),
    ] {
        let shown = format!("{name}: {expected:?}");
        let stub = stub::http(play).await;
        assert_eq!(preset_at(name, &stub.url()).send(&sms("Hello")).await, expected, "{shown}");
        assert_eq!(stub.heard().len(), 1, "a send is one request");
    }
}

#[tokio::test]
async fn p4_where_a_call_to_a_gateway_breaks() {
    let nobody = format!("http://{}", stub::nobody().await);
    let not_sent = |stage| Outcome::NotSent { stage };
    assert_eq!(preset_at("kannel", &nobody).send(&sms("x")).await, not_sent("connect"));
    for play in [Play::CloseAtOnce, Play::CloseAfterRequest] {
        let stub = stub::http(play).await;
        let outcome = preset_at("kannel", &stub.url()).send(&sms("x")).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    }
    let head = "HTTP/1.1 202 OK\r\ncontent-length: 20\r\n\r\n0: ".to_owned();
    for (play, stage) in [(Play::Hang, "read"), (Play::SayAndHang(head), "body")] {
        let stub = stub::http(play).await;
        let short = super::within(
            &format!("preset = \"kannel\"\nbase_url = \"{}\"\n{SECRETS}", stub.url()),
            SHORT_MS,
        );
        assert_eq!(short.send(&sms("x")).await, Outcome::Unknown { stage });
    }
    // Nothing leaves the machine in the sandbox; and a path leads nowhere else.
    for url in ["https://192.0.2.1", "https://[2001:db8::1]"] {
        assert_eq!(preset_at("vonage", url).send(&sms("x")).await, not_sent("gate"), "{url}");
    }
}

#[tokio::test]
async fn what_is_no_text_to_a_number_is_never_sent() {
    let stub = stub::http(Play::CloseAtOnce).await;
    let kannel = preset_at("kannel", &stub.url());
    for to in ["15555550123", "+0155555501", "", "patient@example.net"] {
        let message = outbound(to, Content::text(text("Hello")));
        assert_eq!(
            kannel.send(&message).await,
            refused(Action::BadAddress, "not-e164", None),
            "{to}"
        );
    }
    let mail = super::super::mail("x");
    let mail = outbound("+15555550123", mail.content);
    assert_eq!(kannel.send(&mail).await, refused(Action::Fix, "content-is-not-text", None));
}

#[tokio::test]
async fn each_kind_of_login_is_sent_and_none_is_shown() {
    let secret = "S3CR3T";
    let signed = "3f1f4d6c";
    for (auth, places) in [
        (
            "{ kind = \"basic\", user = \"{{ username }}\", secret = \"key\" }",
            &["authorization: Basic dXNlcjpTM0NSM1Q="][..],
        ),
        ("{ kind = \"bearer\", secret = \"key\" }", &["authorization: Bearer S3CR3T"]),
        (
            "{ kind = \"header\", name = \"X-Key\", prefix = \"App \", secret = \"key\" }",
            &["x-key: App S3CR3T"],
        ),
        ("{ kind = \"query\", name = \"pw\", secret = \"key\" }", &["/send?pw=S3CR3T HTTP/1.1"]),
        ("{ kind = \"form\", name = \"pw\", secret = \"key\" }", &["&pw=S3CR3T"]),
        (
            "{ kind = \"hmac\", header = \"X-Sign\", payload = \"{method} {path} {body}\", secret = \"key\" }",
            &["x-sign: "],
        ),
    ] {
        let stub = stub::http(answer("200 OK", "", "")).await;
        let keys = format!(
            "base_url = \"{}\"\nusername = \"user\"\nsecrets.key = \"{secret}\"\nrequest.path = \"/send\"\n\
             request.form = {{ to = \"{{{{ to }}}}\", none = \"\" }}\nrequest.auth = {auth}\n",
            stub.url()
        );
        let channel = gateway(&keys).unwrap();
        assert_eq!(channel.send(&sms("x")).await, accepted(&[]));
        let heard = stub.heard();
        for place in places {
            assert!(heard[0].contains(place), "{place} in {}", heard[0]);
        }
        assert!(!heard[0].contains("none="), "what is empty is left out");
        let shown = channel.rendered(&sms("x")).unwrap();
        let shown = format!("{shown:?}");
        assert!(shown.contains("********") && !shown.contains(secret), "{shown}");
        assert!(!shown.contains("dXNlcjpTM0NSM1Q=") && !shown.contains(signed), "{shown}");
        if auth.contains("hmac") {
            use hmac::Mac as _;
            let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            mac.update(b"POST /send to=%2B15555550123");
            let hash = carebell::security::hex(&mac.finalize().into_bytes());
            assert!(heard[0].contains(&format!("x-sign: {hash}")), "{}", heard[0]);
        }
    }
}

#[test]
fn a_gateway_serves_the_numbers_it_is_given() {
    let base = "base_url = \"http://127.0.0.1:1\"\nrequest.path = \"/\"\n";
    let some = gateway(&format!("{base}prefixes = [\"+254\", \"+2557\"]\n")).unwrap();
    let all = gateway(base).unwrap();
    for (to, served) in [
        ("+254700000001", true),
        ("+255700000001", true),
        ("+255600000001", false),
        ("+2547", true),
    ] {
        assert_eq!(some.serves(&Address::new(to)), served, "{to}");
        assert!(all.serves(&Address::new(to)));
    }
}
