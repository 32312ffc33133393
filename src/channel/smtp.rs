//! One SMTP relay: connections, and sending step by step, so that it is known at which step it broke.
//!
//! lettre's own transport hides the step, and its pool's size bounds idle connections only; so a semaphore
//! stands around the relay, and the idle connections are kept here.

use super::build::ChannelConfigError;
use super::gate::{Gate, Protection, names_loopback};
use super::http::cause;
use crate::config::Mode;
use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Severity;
use reqwest::Url;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

const EXAMPLE: &str = "smtps://host:465";

/// The longest that an idle connection may take to say that it lives.
const ALIVE_WITHIN: Duration = Duration::from_secs(2);

/// A relay and its connections.
pub(super) struct Relay {
    host: String,
    port: u16,
    security: Security,
    gate: Gate,
    login: Option<Credentials>,
    hello: ClientId,
    permits: Semaphore,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

/// How a connection is protected.
enum Security {
    /// Not at all: loopback only.
    Clear,
    /// By STARTTLS, which is never skipped (RFC 3207).
    StartTls(TlsParameters),
    /// From the first byte (RFC 8314).
    Implicit(TlsParameters),
}

/// One mail, ready for the wire.
pub(super) struct Letter<'a> {
    pub(super) from: &'a Address,
    pub(super) to: &'a Address,
    pub(super) bytes: &'a [u8],
}

/// Where and how a dialogue ended without acceptance.
#[derive(Debug)]
pub(super) struct Broken {
    /// `queue`, `resolve`, `gate`, `connect`, `tls`, `login`, `mail`, `rcpt`, `data`; `content` once the
    /// message itself was on its way.
    pub(super) stage: &'static str,
    pub(super) fault: Fault,
}

/// How a step failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server said no: basic code, and the enhanced one if there is one.
    Reply(String, Option<String>),
    /// Our side will not go on: no common way to log in.
    Ours,
    /// No readable reply in time.
    Line,
}

impl Relay {
    /// The relay of a URL: `smtps://host:465`, `smtp://host:587?tls=required`, `smtp://127.0.0.1:2525`.
    pub(super) fn new(
        key: String,
        url: &str,
        login: Option<Credentials>,
        mode: Mode,
        connections: u32,
    ) -> Result<Self, ChannelConfigError> {
        let not_a_url = || ChannelConfigError::NotAUrl { key: key.clone(), example: EXAMPLE };
        let url = Url::parse(url).map_err(|_| not_a_url())?;
        let host = url.host_str().ok_or_else(not_a_url)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if !url.username().is_empty() || url.password().is_some() {
            let fix = "write the login to channels.email.username and channels.email.password";
            return Err(ChannelConfigError::WrongForm { key, fix });
        }
        let tls = || {
            TlsParameters::new(bare.clone())
                .map_err(|_| ChannelConfigError::NoTls { key: key.clone() })
        };
        let starttls = match url.query() {
            None => false,
            Some("tls=required") => true,
            Some(_) => {
                let fix = "the only option is `?tls=required`";
                return Err(ChannelConfigError::WrongForm { key, fix });
            }
        };
        let (security, default_port) = match (url.scheme(), starttls) {
            ("smtps", _) => (Security::Implicit(tls()?), 465),
            ("smtp", true) => (Security::StartTls(tls()?), 587),
            ("smtp", false) => (Security::Clear, 25),
            _ => return Err(not_a_url()),
        };
        let protection = match security {
            Security::Clear => Protection::Clear,
            Security::StartTls(_) | Security::Implicit(_) => Protection::Tls,
        };
        if mode == Mode::Live && protection == Protection::Clear && !names_loopback(host) {
            let fix = "write smtps://host:465 or smtp://host:587?tls=required";
            return Err(ChannelConfigError::ClearText { key, fix });
        }
        Ok(Self {
            port: url.port().unwrap_or(default_port),
            security,
            gate: Gate::of(mode, protection),
            login,
            hello: ClientId::default(),
            permits: Semaphore::new(connections as usize),
            idle: Mutex::new(Vec::new()),
            host: bare,
        })
    }

    /// Where it is, without the login.
    pub(super) fn shown(&self) -> String {
        let scheme = match self.security {
            Security::Clear => "smtp",
            Security::StartTls(_) => "smtp+starttls",
            Security::Implicit(_) => "smtps",
        };
        format!("{scheme}://{}:{}", self.host, self.port)
    }

    /// Sends once. All that comes before the content has half of the time, so that the other half is left for
    /// the reply that decides.
    pub(super) async fn send(&self, letter: Letter<'_>, within: Duration) -> Result<(), Broken> {
        let (prepared_by, decided_by) = (Instant::now() + within / 2, Instant::now() + within);
        let permit = timeout_at(prepared_by, self.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else { return Err(Fault::Line.at("queue")) };
        let mut connection = self.connection(prepared_by).await?;
        let sent = deliver(&mut connection, &letter, prepared_by, decided_by).await;
        let is_usable = match &sent {
            Ok(()) => true,
            Err(Broken { fault: Fault::Reply(..), .. }) => {
                step(decided_by, "reset", connection.command(Rset)).await.is_ok()
            }
            Err(_) => false,
        };
        if is_usable {
            self.idle().push(connection);
        }
        sent
    }

    /// An idle connection that still answers, or a new one.
    async fn connection(&self, by: Instant) -> Result<AsyncSmtpConnection, Broken> {
        loop {
            let Some(mut idle) = self.idle().pop() else { return self.connect(by).await };
            let alive_by = by.min(Instant::now() + ALIVE_WITHIN);
            if timeout_at(alive_by, idle.test_connected()).await == Ok(true) {
                return Ok(idle);
            }
        }
    }

    async fn connect(&self, by: Instant) -> Result<AsyncSmtpConnection, Broken> {
        let addresses = timeout_at(by, self.gate.resolve(&self.host, self.port))
            .await
            .map_err(|_| Fault::Line.at("resolve"))?
            .map_err(|none| Fault::Line.at(none.stage()))?;
        let implicit = match &self.security {
            Security::Implicit(tls) => Some(tls.clone()),
            Security::Clear | Security::StartTls(_) => None,
        };
        let connecting = AsyncSmtpConnection::connect_tokio1(
            addresses.as_slice(),
            None,
            &self.hello,
            implicit,
            None,
        );
        let mut connection = step(by, "connect", connecting).await?;
        if let Security::StartTls(tls) = &self.security {
            step(by, "tls", connection.starttls(tls.clone(), &self.hello)).await?;
        }
        if let Some(login) = &self.login {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            step(by, "login", connection.auth(&mechanisms, login)).await?;
        }
        Ok(connection)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<AsyncSmtpConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    const fn at(self, stage: &'static str) -> Broken {
        Broken { stage, fault: self }
    }
}

/// The mail transaction of RFC 5321 section 3.3.
async fn deliver(
    connection: &mut AsyncSmtpConnection,
    letter: &Letter<'_>,
    prepared_by: Instant,
    decided_by: Instant,
) -> Result<(), Broken> {
    let mail = Mail::new(Some(letter.from.clone()), Vec::new());
    step(prepared_by, "mail", connection.command(mail)).await?;
    let recipient = Rcpt::new(letter.to.clone(), Vec::new());
    step(prepared_by, "rcpt", connection.command(recipient)).await?;
    let go_ahead = step(prepared_by, "data", connection.command(Data)).await?;
    if !go_ahead.has_code(354) {
        return Err(Fault::Line.at("data"));
    }
    let taken = step(decided_by, "content", connection.message(letter.bytes)).await?;
    match taken.code().severity {
        Severity::PositiveCompletion => Ok(()),
        _ => Err(Fault::Line.at("content")),
    }
}

async fn step<T>(
    by: Instant,
    stage: &'static str,
    doing: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
) -> Result<T, Broken> {
    let error = match timeout_at(by, doing).await {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => error,
        Err(_) => return Err(Fault::Line.at(stage)),
    };
    if let Some(code) = error.status() {
        return Err(Fault::Reply(code.to_string(), enhanced(&error)).at(stage));
    }
    // A handshake that fails while connecting is a connection error to lettre.
    let is_tls = error.is_tls() || cause::<rustls::Error>(&error).is_some();
    Err(match (stage, error.is_client()) {
        ("connect", _) if is_tls => Fault::Line.at("tls"),
        (_, true) => Fault::Ours.at(stage),
        _ => Fault::Line.at(stage),
    })
}

/// The enhanced status code that begins a reply's text (RFC 2034 section 4); the rest may name a person.
fn enhanced(error: &lettre::transport::smtp::Error) -> Option<String> {
    let text = error.source()?.to_string();
    let word = text.split_whitespace().next()?;
    let mut numbers = 0;
    for part in word.split('.') {
        part.parse::<u16>().ok()?;
        numbers += 1;
    }
    (numbers == 3).then(|| word.to_owned())
}
