//! SMTP by hand.

use super::stage::{Stage, config};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carebell::sandbox::{AnswerFault, Channel, Condition, Fault, Rule, SmtpLogin};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A client that speaks SMTP by hand.
struct Smtp(BufReader<TcpStream>);

impl Smtp {
    async fn connect(stage: &Stage) -> Self {
        let stream = TcpStream::connect(stage.sandbox.smtp_addr()).await.unwrap();
        Self(BufReader::new(stream))
    }

    /// The last line of the next reply; empty when the server has hung up.
    async fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    async fn says(&mut self, command: &str) -> String {
        self.0.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
        self.reply().await
    }

    async fn expect(&mut self, dialogue: &[(&str, &str)]) {
        for (command, reply) in dialogue {
            let got = self.says(command).await;
            assert!(got.starts_with(reply), "{command}: {got}");
        }
    }
}

const MAIL: &str =
    "Message-ID: <att_9@carebell.example>\r\nSubject: =?utf-8?B?w6k=?=\r\n\r\nhello\r\n..dot\r\n.";

#[tokio::test]
async fn an_smtp_dialogue() {
    let mut config = config();
    config.smtp_login = Some(SmtpLogin { username: "u".to_owned(), password: "p".to_owned() });
    config.people.insert("gone@example.org".to_owned(), Condition::Unknown);
    let stage = Stage::set(config).await;
    let mut smtp = Smtp::connect(&stage).await;
    assert!(smtp.reply().await.starts_with("220 "));
    let plain = |text: &str| format!("AUTH PLAIN {}", BASE64.encode(text));
    smtp.expect(&[
        ("EHLO client", "250 "),
        ("MAIL FROM:<a@example.org>", "530 5.7.0"),
        (&plain("\0u\0wrong"), "535 5.7.8"),
        (&plain("\0u\0p"), "235 2.7.0"),
        ("RCPT TO:<b@example.org>", "503"),
        ("MAIL FROM:<a@example.org> BODY=8BITMIME", "250"),
        ("DATA", "503"),
        ("RCPT TO:<Gone@Example.org>", "550 5.1.1"),
        ("RCPT TO:nobody", "501"),
        ("NOOP", "250"),
        ("RSET", "250"),
        ("RCPT TO:<b@example.org>", "503"),
        ("MAIL FROM:<>", "250"),
        ("RCPT TO:<B@Example.org>", "250 2.1.5"),
        ("DATA", "354"),
        (MAIL, "250 2.0.0 queued as "),
        ("WHAT", "502"),
        ("QUIT", "221"),
    ])
    .await;
    assert_eq!(smtp.reply().await, "");
    let message = stage.accepted().remove(0).message;
    assert_eq!((message.channel, message.to.as_str()), (Channel::Email, "b@example.org"));
    assert_eq!(message.correlation.as_deref(), Some("att_9"));
    assert_eq!(
        (message.subject.as_deref(), message.body.as_deref()),
        (Some("é"), Some("hello\n.dot"))
    );
}

#[tokio::test]
async fn p4_smtp_faults() {
    let stage = Stage::plain().await;
    let script = |fault| stage.sandbox.faults().add(Rule::once(fault).on(Channel::Email));
    let to_data: [(&str, &str); 4] = [
        ("EHLO client", "250"),
        ("MAIL FROM:<a@example.org>", "250"),
        ("RCPT TO:<b@example.org>", "250"),
        ("DATA", "354"),
    ];
    script(Fault::DropBeforeReading);
    assert_eq!(Smtp::connect(&stage).await.reply().await, "");

    let greylist =
        AnswerFault::Refuse { status: 451, code: Some("4.7.1".to_owned()), retry_after: None };
    script(Fault::Answer(greylist));
    let mut smtp = Smtp::connect(&stage).await;
    smtp.reply().await;
    smtp.expect(&to_data[..2]).await;
    smtp.expect(&[("RCPT TO:<b@example.org>", "451 4.7.1"), ("RCPT TO:<b@example.org>", "250")])
        .await;
    assert!(stage.accepted().is_empty());

    let after_the_dot = [
        (AnswerFault::Drop, ""),
        (AnswerFault::Fail { status: 500 }, "451 4.3.0"),
        (AnswerFault::Garbage, "<h1>"),
    ];
    for (taken, (fault, reply)) in after_the_dot.into_iter().enumerate() {
        script(Fault::Answer(fault));
        let mut smtp = Smtp::connect(&stage).await;
        smtp.reply().await;
        smtp.expect(&to_data).await;
        let got = smtp.says(MAIL).await;
        assert!(got.starts_with(reply) && got.is_empty() == reply.is_empty(), "{got}");
        assert_eq!(stage.accepted().len(), taken + 1, "taken all the same");
    }
}
