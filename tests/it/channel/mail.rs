//! Sending email: the step at which it broke decides what is known.

use super::stub::{FRIENDLY, Script};
use super::{PUBLIC_URL, TIMEOUT_MS, channels, email, mail, outbound, stub, text, tokens};
use carebell::care::UtcMs;
use carebell::care::ids::PatientId;
use carebell::channel::{Action, Channels, Content, Invite, Outcome};
use carebell::config::{ChannelsConfig, EmailConfig, KindConfig, Mode, Secret};
use carebell::security::Purpose;
use mail_parser::MimeHeaders as _;

const NO_HTTP: &str = "http://127.0.0.1:1";
const SHORT_MS: i64 = 1_000;

async fn send(url: &str, timeout_ms: i64) -> Outcome {
    let channels = channels(NO_HTTP, url, timeout_ms);
    channels.by_name("email").unwrap().send(&mail("Reminder")).await
}

fn refused(action: Action, code: &str, retry_after_ms: Option<i64>) -> Outcome {
    Outcome::Refused { action, code: code.to_owned(), retry_after_ms }
}

#[tokio::test]
async fn p4_the_step_decides() {
    let f = FRIENDLY;
    let no = refused;
    let not_sent = |stage| Outcome::NotSent { stage };
    let unknown = Outcome::Unknown { stage: "content" };
    let bad = Action::BadAddress;
    for (script, expected) in [
        (Script { greeting: "", ..f }, not_sent("connect")),
        (Script { greeting: "554 go away", ..f }, no(Action::PauseChannel, "554", None)),
        (Script { greeting: "421 busy", ..f }, no(Action::Retry, "421", Some(60_000))),
        (Script { mail: "", ..f }, not_sent("mail")),
        (Script { mail: "451 later", ..f }, no(Action::Retry, "451", Some(60_000))),
        (Script { mail: "550 5.1.8 sender", ..f }, no(Action::Fix, "550 5.1.8", None)),
        (Script { rcpt: "", ..f }, not_sent("rcpt")),
        (Script { rcpt: "550 5.1.1 who", ..f }, no(bad, "550 5.1.1", None)),
        (Script { rcpt: "550 who", ..f }, no(bad, "550", None)),
        (Script { rcpt: "550 5.7.1 spam", ..f }, no(Action::NextChannel, "550 5.7.1", None)),
        (Script { rcpt: "450 4.7.1 grey", ..f }, no(Action::Retry, "450 4.7.1", Some(300_000))),
        (Script { rcpt: "452 4.2.2 full", ..f }, no(Action::Retry, "452 4.2.2", Some(3_600_000))),
        (Script { data: "", ..f }, not_sent("data")),
        (Script { data: "250 what", ..f }, not_sent("data")),
        (Script { data: "554 no", ..f }, no(Action::NextChannel, "554", None)),
        (Script { content: "554 5.7.1 spam", ..f }, no(Action::NextChannel, "554 5.7.1", None)),
        (Script { content: "550 no", ..f }, no(Action::NextChannel, "550", None)),
        (Script { content: "552 big", ..f }, no(Action::Fix, "552", None)),
        (Script { content: "552 5.3.4 big", ..f }, no(Action::Fix, "552 5.3.4", None)),
        (Script { content: "421 4.3.2 bye", ..f }, no(Action::Retry, "421 4.3.2", Some(60_000))),
        (Script { content: "550 5.7.26 dmarc", ..f }, no(Action::NextChannel, "550 5.7.26", None)),
        (Script { mail: "421 bye", ..f }, no(Action::Retry, "421", Some(60_000))),
        (Script { mail: "452 4.3.1 full", ..f }, no(Action::Retry, "452 4.3.1", Some(60_000))),
        (Script { mail: "530 5.7.0 log in", ..f }, no(Action::PauseChannel, "530 5.7.0", None)),
        (Script { rcpt: "421 bye", ..f }, no(Action::Retry, "421", Some(60_000))),
        // The code that explains says less than the plain one at this step.
        (Script { rcpt: "450 4.2.1 busy", ..f }, no(Action::Retry, "450 4.2.1", Some(300_000))),
        (Script { rcpt: "451 4.3.0 later", ..f }, no(Action::Retry, "451 4.3.0", Some(300_000))),
        (Script { rcpt: "550 5.1.10 null", ..f }, no(bad, "550 5.1.10", None)),
        (Script { rcpt: "553 5.1.2 host", ..f }, no(bad, "553 5.1.2", None)),
        (Script { rcpt: "554 5.7.1 no", ..f }, no(Action::NextChannel, "554 5.7.1", None)),
        (Script { data: "451 4.7.1 grey", ..f }, no(Action::Retry, "451 4.7.1", Some(300_000))),
        (Script { content: "451 later", ..f }, no(Action::Retry, "451", Some(60_000))),
        (Script { content: "", ..f }, unknown.clone()),
        (Script { content: "gibberish", ..f }, unknown.clone()),
        (Script { content: "354 what", ..f }, unknown),
    ] {
        let stub = stub::smtp(script).await;
        let url = format!("smtp://{}", stub.address);
        assert_eq!(send(&url, TIMEOUT_MS).await, expected, "{:?}", stub.heard());
    }
    for (script, expected) in [
        (Script { greeting: "hang", ..f }, not_sent("connect")),
        (Script { rcpt: "hang", ..f }, not_sent("rcpt")),
        (Script { content: "hang", ..f }, Outcome::Unknown { stage: "content" }),
    ] {
        let stub = stub::smtp(script).await;
        assert_eq!(send(&format!("smtp://{}", stub.address), SHORT_MS).await, expected);
    }
    let nobody = stub::nobody().await;
    assert_eq!(send(&format!("smtp://{nobody}"), TIMEOUT_MS).await, not_sent("connect"));
}

#[tokio::test]
async fn nothing_is_said_without_tls_where_tls_is_required() {
    let stub = stub::smtp(FRIENDLY).await;
    let url = format!("smtp://{}?tls=required", stub.address);
    assert_eq!(send(&url, TIMEOUT_MS).await, Outcome::NotSent { stage: "tls" });
    assert!(!stub.heard().iter().any(|line| line.starts_with("MAIL")));
    let url = format!("smtps://{}", stub.address);
    assert_eq!(send(&url, TIMEOUT_MS).await, Outcome::NotSent { stage: "tls" });
}

#[tokio::test]
async fn no_mail_leaves_the_machine_in_the_sandbox() {
    // The second host is a name to the URL, and 192.0.2.1 to the resolver.
    for url in ["smtp://192.0.2.1:25", "smtp://0xC0000201:25", "smtps://192.0.2.1:465"] {
        assert_eq!(send(url, TIMEOUT_MS).await, Outcome::NotSent { stage: "gate" }, "{url}");
    }
}

#[tokio::test]
async fn a_mail_on_the_wire() {
    let stub = stub::smtp(FRIENDLY).await;
    let channels = channels(NO_HTTP, &format!("smtp://{}", stub.address), TIMEOUT_MS);
    let email = channels.by_name("email").unwrap();
    for _ in 0..2 {
        let accepted = Outcome::Accepted { ids: vec!["msg-1@example.org".to_owned()] };
        assert_eq!(email.send(&mail("Erinnerung für Sie")).await, accepted);
    }
    let heard = stub.heard();
    for line in [
        "RCPT TO:<patient@example.net>",
        "From: Clinic <clinic@example.org>",
        "To: patient@example.net",
        "Message-ID: <msg-1@example.org>",
        "Auto-Submitted: auto-generated",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "Content-Type: text/plain; charset=utf-8",
        "It is time.",
        "Reply if you need help. Gr=C3=BC=C3=9Fe",
        "Content-Type: text/html; charset=utf-8",
    ] {
        assert_eq!(heard.iter().filter(|heard| *heard == line).count(), 2, "{line}: {heard:#?}");
    }
    let connected = heard.iter().filter(|line| *line == "(connected)").count();
    assert_eq!(connected, 1, "the second mail takes the idle connection");
}

/// The mail that a stub heard last, as a reader of mails that is not the writer's sees it.
fn read<T>(heard: &[String], what: impl Fn(&mail_parser::Message<'_>) -> T) -> T {
    let data = heard.iter().rposition(|line| line == "DATA").unwrap();
    let mail: Vec<&str> =
        heard[data + 1..].iter().take_while(|line| *line != ".").map(String::as_str).collect();
    what(&mail_parser::MessageParser::default().parse(mail.join("\r\n").as_bytes()).unwrap())
}

#[tokio::test]
async fn a_mail_says_where_it_bounces_where_answers_go_and_how_to_leave() {
    let stub = stub::smtp(FRIENDLY).await;
    let channels = channels(NO_HTTP, &format!("smtp://{}", stub.address), TIMEOUT_MS);
    let email = channels.by_name("email").unwrap();
    let mut outbound = mail("Erinnerung für Sie");
    for _ in 0..2 {
        assert!(matches!(email.send(&outbound).await, Outcome::Accepted { .. }));
    }
    let heard = stub.heard();
    let id = outbound.correlation.0;
    let bounce = format!("bounces+{}@example.org", tokens().sign(Purpose::Bounce, id));
    let reply = format!("replies+{}@example.org", tokens().sign(Purpose::Reply, id));
    assert_eq!(heard.iter().filter(|line| **line == format!("MAIL FROM:<{bounce}>")).count(), 2);
    read(&heard, |mail| {
        assert_eq!(mail.subject(), Some("Erinnerung für Sie"));
        assert_eq!(mail.message_id(), Some("msg-1@example.org"));
        assert!(mail.date().is_some());
        let reply_to = mail.reply_to().unwrap().first().unwrap().address();
        assert_eq!(reply_to, Some(reply.as_str()));
        let ways = mail.header_raw("List-Unsubscribe").unwrap();
        let ways: Vec<&str> = ways.split(',').map(str::trim).collect();
        let (url, mailto) =
            (format!("<{PUBLIC_URL}/u/token>"), format!("<mailto:{reply}?subject=unsubscribe>"));
        assert_eq!(ways, [url, mailto]);
        assert_eq!(mail.body_text(0).unwrap().lines().next(), Some("It is time."));
        assert_eq!(mail.body_html(0).unwrap(), "<p>It is time.</p>");
        assert_eq!(mail.attachment_count(), 0);
    });
    let bare = EmailConfig {
        reply_address: String::new(),
        bounce_address: String::new(),
        ..super::email(&format!("smtp://{}", stub.address))
    };
    let config = ChannelsConfig::default().with("email", KindConfig::Email(bare));
    let channels = Channels::build(&config, Mode::Sandbox, "", TIMEOUT_MS, &tokens()).unwrap();
    let email = channels.by_name("email").unwrap();
    let patient = PatientId(outbound.correlation.0);
    assert_eq!(email.unsubscribe_url(patient, "general"), None, "nobody could open it");
    let Content::Email { unsubscribe_url, .. } = &mut outbound.content else { unreachable!() };
    *unsubscribe_url = None;
    assert!(matches!(email.send(&outbound).await, Outcome::Accepted { .. }));
    let heard = stub.heard();
    assert!(heard.iter().any(|line| line == "MAIL FROM:<clinic@example.org>"));
    read(&heard, |mail| {
        assert!(mail.reply_to().is_none() && mail.header_raw("List-Unsubscribe").is_none());
        assert!(mail.header_raw("List-Unsubscribe-Post").is_none());
    });
}

#[tokio::test]
async fn an_appointment_comes_with_its_entry_for_the_calendar() {
    let stub = stub::smtp(FRIENDLY).await;
    let channels = channels(NO_HTTP, &format!("smtp://{}", stub.address), TIMEOUT_MS);
    let mut outbound = mail("Erinnerung");
    let Content::Email { invite, .. } = &mut outbound.content else { unreachable!() };
    *invite = Some(Invite {
        act: carebell::channel::InviteAct::Request,
        uid: "act_1".to_owned(),
        sequence: 2,
        start: UtcMs(1_795_518_000_000),
        stamp: UtcMs(1_795_392_000_000),
        summary: text(
            "Termin: Praxis für Sie, immer zu Ihren Diensten, auch an jedem Sonntag und Feiertag",
        ),
    });
    let sent = channels.by_name("email").unwrap().send(&outbound).await;
    assert!(matches!(sent, Outcome::Accepted { .. }));
    read(&stub.heard(), |mail| {
        assert!(mail.is_content_type("multipart", "mixed"));
        let within = |part: u32| {
            let part = mail.part(part).unwrap();
            let kind = part.content_type().unwrap();
            (format!("{}/{}", kind.ctype(), kind.subtype().unwrap()), part.attachment_name())
        };
        let kinds: Vec<_> = (1..=5).map(within).collect();
        let expected = [
            ("multipart/alternative", None),
            ("text/plain", None),
            ("text/html", None),
            ("text/calendar", None),
            ("application/ics", Some("invite.ics")),
        ];
        assert_eq!(kinds, expected.map(|(kind, name)| (kind.to_owned(), name)));
        let calendar = mail.part(4).unwrap();
        assert_eq!(calendar.content_type().unwrap().attribute("method"), Some("REQUEST"));
        let entry = calendar.text_contents().unwrap();
        assert_eq!(entry, mail.part(5).unwrap().text_contents().unwrap());
        let lines: Vec<&str> = entry.split("\r\n").collect();
        for line in [
            "METHOD:REQUEST",
            "UID:act_1@example.org",
            "SEQUENCE:2",
            "DTSTART:20261124T110000Z",
            "ATTENDEE;RSVP=FALSE:mailto:patient@example.net",
        ] {
            assert!(lines.contains(&line), "{line}: {entry}");
        }
        assert!(lines.iter().all(|line| line.len() <= 75));
        assert!(entry.replace("\r\n ", "").contains("Praxis für Sie\\, immer"), "{entry}");
    });
}

/// A key for tests, published nowhere: PKCS#8 of the seed of RFC 8032 section 7.1, test 1.
const DKIM_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----\n";

/// RSA, 2048 bits, made for this test.
const DKIM_RSA_KEY: &str = include_str!("../../data/dkim/rsa.pem");

#[tokio::test]
async fn a_mail_is_signed_where_a_key_is_configured() {
    for (key, algorithm) in [(DKIM_KEY, "ed25519-sha256"), (DKIM_RSA_KEY, "rsa-sha256")] {
        is_signed(key, algorithm).await;
    }
}

async fn is_signed(key: &str, algorithm: &str) {
    let stub = stub::smtp(FRIENDLY).await;
    let config = EmailConfig {
        dkim_domain: "example.org".to_owned(),
        dkim_selector: "s1".to_owned(),
        dkim_key: Some(Secret::new(key)),
        ..email(&format!("smtp://{}", stub.address))
    };
    let config = ChannelsConfig::default().with("email", KindConfig::Email(config));
    let channels = Channels::build(&config, Mode::Sandbox, "", TIMEOUT_MS, &tokens()).unwrap();
    let sent = channels.by_name("email").unwrap().send(&mail("Erinnerung für Sie")).await;
    assert!(matches!(sent, Outcome::Accepted { .. }));
    read(&stub.heard(), |mail| {
        let signature = mail.header_raw("DKIM-Signature").unwrap();
        assert!(signature.contains(&format!("a={algorithm};")), "{signature}");
        for part in ["d=example.org;", "s=s1;", "c=relaxed/relaxed;"] {
            assert!(signature.contains(part), "{signature}");
        }
        for header in ["List-Unsubscribe:", "List-Unsubscribe-Post:", "Reply-To:", "Message-ID:"] {
            assert!(signature.contains(header), "{signature}");
        }
        assert!(!signature.contains("Content-Type"));
    });
}

#[tokio::test]
async fn a_refusal_leaves_the_connection_usable_and_a_dead_one_is_replaced() {
    let accepted = Outcome::Accepted { ids: vec!["msg-1@example.org".to_owned()] };
    let refused = refused(Action::BadAddress, "550 5.1.1", None);
    for (script, expected, connections) in [
        (Script { rcpt: "550 5.1.1 who", ..FRIENDLY }, refused, 1),
        (Script { content: "bye 250 ok", ..FRIENDLY }, accepted, 2),
    ] {
        let stub = stub::smtp(script).await;
        let channels = channels(NO_HTTP, &format!("smtp://{}", stub.address), TIMEOUT_MS);
        let email = channels.by_name("email").unwrap();
        for _ in 0..2 {
            assert_eq!(email.send(&mail("Reminder")).await, expected);
        }
        let heard = stub.heard();
        assert_eq!(heard.iter().filter(|line| *line == "(connected)").count(), connections);
    }
}

#[tokio::test]
async fn no_more_connections_than_configured() {
    let stub = stub::smtp(Script { content: "hang", ..FRIENDLY }).await;
    let channels = channels(NO_HTTP, &format!("smtp://{}", stub.address), 2 * SHORT_MS);
    let email = channels.by_name("email").unwrap();
    let message = mail("Reminder");
    let (one, two, three) =
        tokio::join!(email.send(&message), email.send(&message), email.send(&message));
    let unknown = Outcome::Unknown { stage: "content" };
    assert_eq!([one, two, three], [unknown.clone(), unknown, Outcome::NotSent { stage: "queue" }]);
    let connected = stub.heard().iter().filter(|line| *line == "(connected)").count();
    assert_eq!(connected, 2);
}

#[tokio::test]
async fn no_header_can_begin_another_one() {
    let stub = stub::smtp(FRIENDLY).await;
    let channels = channels(NO_HTTP, &format!("smtp://{}", stub.address), TIMEOUT_MS);
    let email = channels.by_name("email").unwrap();
    let fix = refused(Action::Fix, "control-character-in-header", None);
    for subject in ["Hi\r\nBcc: all@example.org", "Hi\nthere", "Hi\0"] {
        assert_eq!(email.send(&mail(subject)).await, fix);
    }
    let content = mail("Hi").content;
    assert_eq!(email.send(&outbound("a@b.org\r\nBcc: c@d.org", content.clone())).await, fix);
    let bad = refused(Action::BadAddress, "not-an-address", None);
    assert_eq!(email.send(&outbound("not an address", content)).await, bad);
    let wrong = outbound("patient@example.net", Content::text(text("Hi")));
    let outcome = email.send(&wrong).await;
    assert_eq!(outcome, refused(Action::Fix, "content-is-not-email", None));
    assert!(stub.heard().is_empty());
}

#[tokio::test]
async fn a_refused_login_pauses_the_channel() {
    for (script, expected) in [
        (
            Script { auth: "535 5.7.8 no", ..FRIENDLY },
            refused(Action::PauseChannel, "535 5.7.8", None),
        ),
        (
            Script { ehlo: "250 stub", ..FRIENDLY },
            refused(Action::PauseChannel, "no-login-mechanism", None),
        ),
        (Script { auth: "", ..FRIENDLY }, Outcome::NotSent { stage: "login" }),
    ] {
        let stub = stub::smtp(script).await;
        let config = EmailConfig {
            username: Some("u".to_owned()),
            password: Some(Secret::new("p")),
            ..email(&format!("smtp://{}", stub.address))
        };
        let config = ChannelsConfig::default().with("email", KindConfig::Email(config));
        let channels = Channels::build(&config, Mode::Sandbox, "", TIMEOUT_MS, &tokens()).unwrap();
        let outcome = channels.by_name("email").unwrap().send(&mail("Hi")).await;
        assert_eq!(outcome, expected);
    }
}

#[test]
fn a_relay_is_configured_safely_or_not_at_all() {
    let built = |config: EmailConfig, mode| {
        let config = ChannelsConfig::default().with("email", KindConfig::Email(config));
        Channels::build(&config, mode, "", TIMEOUT_MS, &tokens())
            .map(drop)
            .map_err(|e| e.to_string())
    };
    let by_url = |url, mode| built(email(url), mode);
    assert_eq!(by_url("smtps://mail.example.org", Mode::Live), Ok(()));
    assert_eq!(by_url("smtp://mail.example.org?tls=required", Mode::Live), Ok(()));
    assert_eq!(by_url("smtp://127.0.0.1:2525", Mode::Live), Ok(()));
    for (url, word) in [
        ("smtp://mail.example.org:587", "without TLS"),
        ("smtp://mail.example.org?tls=opportunistic", "wrong form"),
        ("smtps://user:secret@mail.example.org", "username"),
        ("https://mail.example.org", "not a URL"),
        ("mail.example.org", "not a URL"),
    ] {
        let fault = by_url(url, Mode::Live).unwrap_err();
        assert!(fault.contains("channels.email.url") && fault.contains(word), "{fault}");
        assert!(!fault.contains("secret"));
    }
    let local = || email("smtp://127.0.0.1:2525");
    for (config, key) in [
        (EmailConfig { from: "nobody".to_owned(), ..local() }, "channels.email.from"),
        (EmailConfig { connections: 0, ..local() }, "channels.email.connections"),
        (EmailConfig { messages_per_second: 0.0, ..local() }, "messages_per_second"),
        (EmailConfig { dkim_key: Some(Secret::new("x")), ..local() }, "dkim_selector"),
        (
            EmailConfig {
                dkim_key: Some(Secret::new("x")),
                dkim_domain: "example.org".to_owned(),
                dkim_selector: "s1".to_owned(),
                ..local()
            },
            "dkim_key",
        ),
        (EmailConfig { username: Some("u".to_owned()), ..local() }, "channels.email.username"),
    ] {
        let fault = built(config, Mode::Sandbox).unwrap_err();
        assert!(fault.contains(key), "{fault}");
    }
}
