//! A small honest SMTP server (RFC 5321; AUTH PLAIN by RFC 4954; enhanced codes by RFC 3463). Loopback only, so
//! no STARTTLS.

use super::faults::AnswerFault;
use super::http::{MAX_BODY_BYTES, accept_loop};
use super::world::World;
use super::{Channel, Condition, Message, SmtpLogin, mime};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::io;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};

/// The longest command line, in bytes (RFC 5321 4.5.3.1.4 asks for 512; AUTH needs more).
const MAX_LINE_BYTES: u64 = 4096;

/// Serves SMTP until the sandbox stops.
pub(super) async fn run(world: Arc<World>, listener: TcpListener) {
    accept_loop(&world, listener, |stream| serve(Arc::clone(&world), stream)).await;
}

async fn serve(world: Arc<World>, stream: TcpStream) {
    if world.faults().take_drop_before_reading(Channel::Email) {
        return;
    }
    let mut session = Session {
        line: BufStream::new(stream),
        is_logged_in: false,
        sender: None,
        recipients: Vec::new(),
        world: Arc::clone(&world),
    };
    tokio::select! {
        // A client that breaks off is no concern of the server's.
        _ = session.converse() => {}
        () = world.cancelled().cancelled() => {}
    }
}

/// Whether the conversation goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Line,
    Close,
}

struct Session {
    line: BufStream<TcpStream>,
    is_logged_in: bool,
    sender: Option<String>,
    recipients: Vec<String>,
    world: Arc<World>,
}

impl Session {
    async fn converse(&mut self) -> io::Result<()> {
        self.say("220 sandbox.invalid ESMTP carebell sandbox").await?;
        while let Some(line) = self.read_line().await? {
            if self.obey(&line).await? == Next::Close {
                break;
            }
        }
        Ok(())
    }

    async fn say(&mut self, reply: &str) -> io::Result<Next> {
        self.line.write_all(reply.as_bytes()).await?;
        self.line.write_all(b"\r\n").await?;
        self.line.flush().await?;
        Ok(Next::Line)
    }

    async fn read_line(&mut self) -> io::Result<Option<String>> {
        let mut bytes = Vec::new();
        (&mut self.line).take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes).await?;
        if !bytes.ends_with(b"\n") {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&bytes).trim_end().to_owned()))
    }

    async fn obey(&mut self, line: &str) -> io::Result<Next> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                self.reset();
                let login = if self.world.config().smtp_login.is_some() {
                    "250-AUTH PLAIN\r\n"
                } else {
                    ""
                };
                let reply = format!(
                    "250-sandbox.invalid\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n{login}250 ENHANCEDSTATUSCODES"
                );
                self.say(&reply).await
            }
            "HELO" => {
                self.reset();
                self.say("250 sandbox.invalid").await
            }
            "AUTH" => self.log_in(rest).await,
            "MAIL" => self.mail(rest).await,
            "RCPT" => self.recipient(rest).await,
            "DATA" => self.data().await,
            "RSET" => {
                self.reset();
                self.say("250 2.0.0 reset").await
            }
            "NOOP" => self.say("250 2.0.0 ok").await,
            "QUIT" => {
                self.say("221 2.0.0 bye").await?;
                Ok(Next::Close)
            }
            _ => self.say("502 5.5.2 command not recognised").await,
        }
    }

    fn reset(&mut self) {
        self.sender = None;
        self.recipients.clear();
    }

    async fn log_in(&mut self, rest: &str) -> io::Result<Next> {
        let Some(login) = self.world.config().smtp_login.clone() else {
            return self.say("503 5.5.1 no login here").await;
        };
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        if !mechanism.eq_ignore_ascii_case("PLAIN") {
            return self.say("504 5.5.4 only PLAIN").await;
        }
        let given = if initial.is_empty() {
            self.say("334 ").await?;
            self.read_line().await?.unwrap_or_default()
        } else {
            initial.to_owned()
        };
        self.is_logged_in = is_login(&given, &login);
        if self.is_logged_in {
            self.say("235 2.7.0 logged in").await
        } else {
            self.say("535 5.7.8 authentication credentials invalid").await
        }
    }

    async fn mail(&mut self, rest: &str) -> io::Result<Next> {
        if self.world.config().smtp_login.is_some() && !self.is_logged_in {
            return self.say("530 5.7.0 authentication required").await;
        }
        if self.sender.is_some() {
            return self.say("503 5.5.1 nested MAIL").await;
        }
        let Some(sender) = path(rest, "FROM:") else {
            return self.say("501 5.5.4 expected MAIL FROM:<address>").await;
        };
        self.sender = Some(sender);
        self.say("250 2.1.0 ok").await
    }

    async fn recipient(&mut self, rest: &str) -> io::Result<Next> {
        if self.sender.is_none() {
            return self.say("503 5.5.1 MAIL first").await;
        }
        let Some(to) = path(rest, "TO:").filter(|to| is_mailbox(to)) else {
            return self.say("501 5.1.3 expected RCPT TO:<address>").await;
        };
        if self.world.people().condition(&to) == Some(Condition::Unknown) {
            return self.say("550 5.1.1 no such user here").await;
        }
        if let Some(AnswerFault::Refuse { status, code, .. }) =
            self.world.faults().take_refusal(Channel::Email, &to)
        {
            return self.refuse(status, code).await;
        }
        self.recipients.push(to);
        self.say("250 2.1.5 ok").await
    }

    async fn refuse(&mut self, status: u16, code: Option<String>) -> io::Result<Next> {
        let code = code.unwrap_or_else(|| format!("{}.0.0", status / 100));
        self.say(&format!("{status} {code} refused by the sandbox's script")).await
    }

    async fn data(&mut self) -> io::Result<Next> {
        let world = Arc::clone(&self.world);
        let _busy = world.agenda().busy();
        if self.recipients.is_empty() {
            return self.say("503 5.5.1 RCPT first").await;
        }
        self.say("354 end with a dot on a line of its own").await?;
        let Some(raw) = self.read_message().await? else {
            return self.say("552 5.3.4 message too big").await;
        };
        let mail = mime::read(&raw);
        let queue_id = world.ids().hex()[..12].to_owned();
        let sender = self.sender.take().unwrap_or_default();
        let recipients = std::mem::take(&mut self.recipients);
        let fault = recipients.iter().find_map(|to| world.faults().take_answer(Channel::Email, to));
        if let Some(AnswerFault::Refuse { status, code, .. }) = fault {
            return self.refuse(status, code).await;
        }
        for to in recipients {
            let message = Message {
                channel: Channel::Email,
                from: sender.clone(),
                to,
                user_id: None,
                correlation: mail.message_id.as_deref().map(local_part),
                body: Some(mail.body.clone()),
                template: None,
                subject: mail.subject.clone(),
                valid_seconds: None,
                status_callback: None,
                provider_id: queue_id.clone(),
            };
            if world.accept(message).await.is_err() {
                return self.say("451 4.3.0 the sandbox's ledger failed").await;
            }
        }
        self.answer(fault, &queue_id).await
    }

    async fn answer(&mut self, fault: Option<AnswerFault>, queue_id: &str) -> io::Result<Next> {
        let accepted = format!("250 2.0.0 queued as {queue_id}");
        match fault {
            None | Some(AnswerFault::Refuse { .. }) => self.say(&accepted).await,
            Some(AnswerFault::Drop) => Ok(Next::Close),
            Some(AnswerFault::Hold | AnswerFault::HoldBody) => {
                let opening = self.world.gate().next_opening();
                opening.await;
                self.say(&accepted).await
            }
            Some(AnswerFault::Fail { .. }) => self.say("451 4.3.0 local error in processing").await,
            Some(AnswerFault::Garbage) => self.say("<h1>Somebody else's error page</h1>").await,
        }
    }

    /// Up to the dot, with stuffed dots taken out (RFC 5321 4.5.2); `None` when it was too big.
    async fn read_message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut message = Vec::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            (&mut self.line).take(MAX_BODY_BYTES as u64).read_until(b'\n', &mut line).await?;
            if !line.ends_with(b"\n") && line.len() < MAX_BODY_BYTES {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == b".\r\n" {
                return Ok((message.len() <= MAX_BODY_BYTES).then_some(message));
            }
            if message.len() <= MAX_BODY_BYTES {
                message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            }
        }
    }
}

/// `FROM:<address> parameters` to the address in lower case.
fn path(rest: &str, keyword: &str) -> Option<String> {
    let given = rest.get(..keyword.len())?;
    let after = rest[keyword.len()..].trim_start().strip_prefix('<')?;
    let (address, _parameters) = after.split_once('>')?;
    given.eq_ignore_ascii_case(keyword).then(|| address.to_lowercase())
}

fn is_mailbox(address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !address.contains(char::is_whitespace)
}

/// `[authorize] NUL user NUL password` (RFC 4616).
fn is_login(given: &str, login: &SmtpLogin) -> bool {
    let expected = format!("\0{}\0{}", login.username, login.password);
    BASE64.decode(given).is_ok_and(|given| {
        let from_user =
            given.iter().position(|byte| *byte == 0).map_or(&given[..], |at| &given[at..]);
        from_user.ct_eq(expected.as_bytes()).into()
    })
}

/// `<local@domain>` to `local`.
fn local_part(message_id: &str) -> String {
    let bare = message_id.trim_start_matches('<').trim_end_matches('>');
    bare.split('@').next().unwrap_or_default().to_owned()
}
