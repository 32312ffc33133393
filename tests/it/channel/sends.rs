//! Sending over HTTP: where it failed decides what is known (design.md section 6).

use super::stub::{Play, answer};
use super::{TIMEOUT_MS, attempt, channels, outbound, sms, stub, text};
use carebell::care::{Address, UtcMs};
use carebell::channel::{Action, Content, Found, LookUp, Outcome};

const SHORT_MS: i64 = 1_000;
const NO_MAIL: &str = "smtp://127.0.0.1:1";

async fn send(name: &str, base_url: &str, timeout_ms: i64) -> Outcome {
    let channels = channels(base_url, NO_MAIL, timeout_ms);
    channels.by_name(name).unwrap().send(&sms("Hello")).await
}

fn refused(action: Action, code: &str, retry_after_ms: Option<i64>) -> Outcome {
    Outcome::Refused { action, code: code.to_owned(), retry_after_ms }
}

#[tokio::test]
async fn p4_what_an_answer_means() {
    let date =
        "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:50:07 GMT\r\n";
    let huge = format!("{{\"sid\":\"SM1\",\"x\":\"{}\"}}", "y".repeat(1 << 20));
    let unknown = |stage| Outcome::Unknown { stage };
    let retry = |code, after| refused(Action::Retry, code, after);
    for (play, expected) in [
        (answer("200 OK", "", "<html>Welcome</html>"), unknown("body")),
        (answer("200 OK", "", ""), unknown("body")),
        (answer("200 OK", "", &huge), unknown("body")),
        (Play::Say("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_owned()), unknown("body")),
        (answer("500 Oops", "", "oops"), unknown("status")),
        (answer("503 Busy", "", ""), unknown("status")),
        (answer("503 Busy", "retry-after: 7\r\n", ""), retry("http-503", Some(7_000))),
        (answer("429 Slow", "retry-after: 7\r\n", "{}"), retry("http-429", Some(7_000))),
        (answer("429 Slow", date, "{}"), retry("http-429", Some(30_000))),
        (answer("429 Slow", "", "{}"), retry("http-429", None)),
        (answer("401 No", "", "{}"), refused(Action::PauseChannel, "http-401", None)),
        (answer("403 No", "", "<html>"), refused(Action::PauseChannel, "http-403", None)),
        (answer("404 None", "", "<html>"), refused(Action::Fix, "http-404", None)),
        (Play::Say("garbage\r\n\r\n".to_owned()), unknown("write")),
    ] {
        for name in ["whatsapp", "twilio"] {
            let stub = stub::http(play.clone()).await;
            assert_eq!(send(name, &stub.url(), TIMEOUT_MS).await, expected, "{name}");
            assert_eq!(stub.heard().len(), 1, "a send is one request");
        }
    }
}

#[tokio::test]
async fn p4_provider_codes_ask_for_actions() {
    for (name, status, body, action, code) in [
        ("whatsapp", "400 Bad", r#"{"error":{"code":131026}}"#, Action::NextChannel, "131026"),
        ("whatsapp", "200 OK", r#"{"error":{"code":190}}"#, Action::PauseChannel, "190"),
        ("whatsapp", "400 Bad", r#"{"error":{"code":777777}}"#, Action::Fix, "777777"),
        ("twilio", "400 Bad", r#"{"code":21610,"message":"x"}"#, Action::OptedOut, "21610"),
        (
            "twilio",
            "201 Created",
            r#"{"sid":"SM1","error_code":30005}"#,
            Action::BadAddress,
            "30005",
        ),
    ] {
        let stub = stub::http(answer(status, "", body)).await;
        assert_eq!(
            send(name, &stub.url(), TIMEOUT_MS).await,
            refused(action, code, None),
            "{code}"
        );
    }
}

#[tokio::test]
async fn p4_where_a_call_breaks() {
    let nobody = stub::nobody().await;
    let not_sent = |stage| Outcome::NotSent { stage };
    for name in ["whatsapp", "twilio"] {
        let url = format!("http://{nobody}");
        assert_eq!(send(name, &url, TIMEOUT_MS).await, not_sent("connect"));
        for play in [Play::CloseAtOnce, Play::CloseAfterRequest] {
            let stub = stub::http(play).await;
            let outcome = send(name, &stub.url(), TIMEOUT_MS).await;
            assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        }
        let silent = stub::http(Play::Hang).await;
        assert_eq!(send(name, &silent.url(), SHORT_MS).await, Outcome::Unknown { stage: "read" });
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"sid\":".to_owned();
        let stuck = stub::http(Play::SayAndHang(head)).await;
        assert_eq!(send(name, &stuck.url(), SHORT_MS).await, Outcome::Unknown { stage: "body" });
        // TLS is part of connecting: a server that never shakes hands was never given the request.
        let https = |stub: &stub::Stub| format!("https://{}", stub.address);
        let no_tls = stub::smtp(stub::FRIENDLY).await;
        assert_eq!(send(name, &https(&no_tls), TIMEOUT_MS).await, not_sent("tls"));
        let mute = stub::http(Play::Hang).await;
        assert_eq!(send(name, &https(&mute), SHORT_MS).await, not_sent("connect"));
    }
}

#[tokio::test]
async fn nothing_leaves_the_machine_in_the_sandbox() {
    let gate = Outcome::NotSent { stage: "gate" };
    for url in
        ["http://192.0.2.1", "https://192.0.2.1", "http://0xC0000201", "http://[2001:db8::1]"]
    {
        assert_eq!(send("whatsapp", url, TIMEOUT_MS).await, gate, "{url}");
        assert_eq!(send("twilio", url, TIMEOUT_MS).await, gate, "{url}");
    }
    // A redirect is an answer that is not followed, so it says itself that nothing was taken.
    let away = stub::http(answer("307 Away", "location: http://192.0.2.1/\r\n", "")).await;
    let fix = refused(Action::Fix, "http-307", None);
    assert_eq!(send("whatsapp", &away.url(), TIMEOUT_MS).await, fix);
    let beyond = stub::http(answer("200 OK", "", r#"{"messages":[{"id":"wamid.1"}]}"#)).await;
    let location = format!("location: {}/\r\n", beyond.url());
    let near = stub::http(answer("307 Near", &location, "")).await;
    assert_eq!(send("whatsapp", &near.url(), TIMEOUT_MS).await, fix);
    assert!(beyond.heard().is_empty());
}

#[tokio::test]
async fn whatsapp_is_asked_as_meta_documents() {
    let stub = stub::http(answer("200 OK", "", r#"{"messages":[{"id":"wamid.1"}]}"#)).await;
    let channels = channels(&format!("{}/v25.0", stub.url()), NO_MAIL, TIMEOUT_MS);
    let whatsapp = channels.by_name("whatsapp").unwrap();
    let template = Content::Template {
        name: "dose_discreet".to_owned(),
        language: "en_US".to_owned(),
        parameters: vec![text("Ana"), text("8:00")],
        names: Vec::new(),
        header: None,
        buttons: Vec::new(),
    };
    for message in [sms("Hello"), outbound("+5511999990000", template)] {
        let accepted = Outcome::Accepted { ids: vec!["wamid.1".to_owned()] };
        assert_eq!(whatsapp.send(&message).await, accepted);
    }
    let heard = stub.heard();
    let (head, body) = heard[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v25.0/106540352242922/messages HTTP/1.1"));
    assert!(head.contains("authorization: Bearer token-1"));
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let correlation = attempt(1).to_string();
    assert_eq!(
        body,
        serde_json::json!({
            "messaging_product": "whatsapp", "recipient_type": "individual",
            "to": "+15555550123", "type": "text",
            "text": { "preview_url": false, "body": "Hello" },
            "biz_opaque_callback_data": correlation,
        })
    );
    let body = heard[1].split_once("\r\n\r\n").unwrap().1;
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["to"], "+5511999990000");
    assert_eq!(
        body["template"],
        serde_json::json!({
            "name": "dose_discreet", "language": { "code": "en_US" },
            "components": [{ "type": "body", "parameters": [
                { "type": "text", "text": "Ana" }, { "type": "text", "text": "8:00" },
            ] }],
        })
    );
}

#[tokio::test]
async fn an_address_without_its_plus_sign_is_never_sent() {
    let stub = stub::http(Play::CloseAtOnce).await;
    let channels = channels(&stub.url(), NO_MAIL, TIMEOUT_MS);
    for to in ["15555550123", "+0155555501", "+1 555 5550123", "", "+", "patient@example.net"] {
        let message = outbound(to, Content::text(text("Hello")));
        for name in ["whatsapp", "twilio"] {
            let outcome = channels.by_name(name).unwrap().send(&message).await;
            assert_eq!(outcome, refused(Action::BadAddress, "not-e164", None), "{to}");
        }
    }
}

#[tokio::test]
async fn p5_twilio_is_given_the_validity_and_a_callback_with_our_id() {
    let stub = stub::http(answer("201 Created", "", r#"{"sid":"SM1","error_code":null}"#)).await;
    let channels = channels(&stub.url(), NO_MAIL, TIMEOUT_MS);
    let twilio = channels.by_name("twilio").unwrap();
    let accepted = Outcome::Accepted { ids: vec!["SM1".to_owned()] };
    let validities = [(7_200, "7200"), (0, "1"), (90_000, "36000")];
    for (validity_seconds, _) in validities {
        let mut message = sms("Take it & smile");
        message.validity_seconds = validity_seconds;
        assert_eq!(twilio.send(&message).await, accepted);
    }
    for (request, (_, validity)) in stub.heard().iter().zip(validities) {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1"));
        // `AC1:current-token`: the first token signs in, the others only verify.
        assert!(head.contains("authorization: Basic QUMxOmN1cnJlbnQtdG9rZW4="), "{head}");
        let callback = format!(
            "https%3A%2F%2Fhooks.example.org%2Fwebhooks%2Ftwilio%3Fmsg%3D{}%23rc%3D5%26rp%3Dall",
            attempt(1)
        );
        let form = [
            "To=%2B15555550123",
            "From=%2B15005550006",
            "Body=Take+it+%26+smile",
            &format!("ValidityPeriod={validity}"),
            &format!("StatusCallback={callback}"),
        ];
        assert_eq!(body, form.join("&"));
    }
    assert_eq!(stub.heard().len(), validities.len());
}

#[tokio::test]
async fn p4_a_look_up_finds_the_one_message_that_fits() {
    let row = |sid: &str, body: &str, created: &str| {
        format!(
            r#"{{"sid":"{sid}","to":"+15555550123","body":"{body}","date_created":"{created}"}}"#
        )
    };
    let (just_then, day_before) =
        ("Mon, 24 Nov 2025 16:00:02 +0000", "Sun, 23 Nov 2025 16:00:02 +0000");
    let found = Some(Found::Accepted { id: "SM1".to_owned() });
    for (rows, expected) in [
        (vec![row("SM1", "Hello", just_then)], found.clone()),
        (vec![row("SM0", "Hello", day_before), row("SM1", "Hello", just_then)], found),
        (vec![row("SM1", "Hello", just_then), row("SM2", "Hello", just_then)], None),
        (vec![row("SM1", "Other", just_then)], Some(Found::Absent)),
        (vec![row("SM1", "Hello", day_before)], Some(Found::Absent)),
        (vec![], Some(Found::Absent)),
        // Redacted, or of no known time: it may be the one.
        (vec![row("SM1", "", just_then)], None),
        (vec![row("SM1", "Hello", "")], None),
    ] {
        let body = format!(r#"{{"messages":[{}],"next_page_uri":null}}"#, rows.join(","));
        looked_up(("200 OK", &body), expected).await;
    }
    // A further page: absence is proved only where this one reaches back behind the intent.
    for (status, rows, expected) in [
        ("200 OK", row("SM1", "Other", just_then), None),
        ("200 OK", row("SM1", "Other", day_before), Some(Found::Absent)),
        ("500 Internal Server Error", row("SM1", "Other", day_before), None),
    ] {
        let body = format!(r#"{{"messages":[{rows}],"next_page_uri":"/next"}}"#);
        looked_up((status, &body), expected).await;
    }
}

/// What Twilio's channel makes of a list.
async fn looked_up((status, body): (&str, &str), expected: Option<Found>) {
    let stub = stub::http(answer(status, "", body)).await;
    let channels = channels(&stub.url(), NO_MAIL, TIMEOUT_MS);
    let asked = LookUp {
        correlation: attempt(1),
        to: Address::new("+15555550123"),
        content: Content::text(text("Hello")),
        intent_at: UtcMs(1_764_000_000_000),
    };
    let answer = channels.by_name("twilio").unwrap().look_up(&asked).await;
    assert_eq!(answer, expected, "{body}");
    assert!(stub.heard()[0].starts_with(
        "GET /2010-04-01/Accounts/AC1/Messages.json?To=%2B15555550123&PageSize=200&From="
    ));
}
