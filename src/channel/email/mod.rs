//! Email by SMTP.
//!
//! Sources: RFC 5321 and 5322, `reference/channels.md` section 4. What bounces and what patients answer comes by mail as
//! well: a service that takes in mail posts it, raw, to the webhook.

mod addresses;
mod bounce;
mod calendar;
mod dkim;
mod inlet;
mod mail;
mod quoted;
mod reply;

pub(super) use addresses::Ours;

use super::build::{ChannelConfigError, Section};
use super::codes::CodeTable;
use super::smtp::{Broken, Fault, Letter, Relay};
use super::{
    Action, Callback, Capabilities, Channel, Event, Meaning, Outbound, Outcome, Reject,
    ReminderForm, ShownRequest, Unreadable, Verified,
};
use crate::care::ChannelKind;
use crate::care::ids::PatientId;
use crate::config::{EmailConfig, Mode, Secret};
use crate::security::Purpose;
use addresses::Addresses;
use dkim::Signer;
use futures::future::BoxFuture;
use inlet::Inlet;
use lettre::transport::smtp::authentication::Credentials;
use mail::{Mail, mail};
use mail_parser::MessageParser;
use std::time::Duration;

/// Replies that ask for a login, or refuse ours.
const LOGIN_REPLIES: [&str; 4] = ["530", "534", "535", "538"];

/// The channel `email`.
pub(super) struct Email {
    name: String,
    relay: Relay,
    codes: CodeTable,
    addresses: Addresses,
    inlet: Inlet,
    signer: Option<Signer>,
    capabilities: Capabilities,
}

impl Email {
    /// The channel of a configuration.
    pub(super) fn new(
        section: Section<'_>,
        config: &EmailConfig,
        mode: Mode,
        ours: Ours<'_>,
        request_timeout_ms: i64,
    ) -> Result<Self, ChannelConfigError> {
        let clean = |from: &&String| !from.chars().any(char::is_control) && from.is_ascii();
        let from = Some(&config.from).filter(clean);
        let from =
            from.and_then(|from| from.parse().ok()).ok_or(ChannelConfigError::WrongForm {
                key: section.key("from"),
                fix: "write `Name <name@host>`",
            })?;
        let address = |key: &str, text: &str| match text {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| ChannelConfigError::WrongForm {
                key: section.key(key),
                fix: "write `name@host`",
            }),
        };
        let reply = address("reply_address", &config.reply_address)?;
        let bounce = address("bounce_address", &config.bounce_address)?;
        let secrets = match &config.webhook_secrets[..] {
            [] => Vec::new(),
            some => section.secrets("webhook_secrets", some, "leave out what is empty")?,
        };
        let login = match (&config.username, &config.password) {
            (None, None) => None,
            (Some(name), Some(password)) => Some(credentials(name, password)),
            _ => {
                let fix = "give username and password together, or neither";
                return Err(ChannelConfigError::WrongForm { key: section.key("username"), fix });
            }
        };
        if config.connections == 0 {
            let fix = "allow at least 1";
            return Err(ChannelConfigError::WrongForm { key: section.key("connections"), fix });
        }
        Ok(Self {
            name: section.name.to_owned(),
            relay: Relay::new(section.key("url"), &config.url, login, mode, config.connections)?,
            codes: CodeTable::smtp()?,
            addresses: Addresses::new(from, reply, bounce, ours),
            signer: signer(section, config)?,
            inlet: Inlet { secrets, field: config.webhook_field.clone() },
            capabilities: Capabilities {
                reminders: ReminderForm::Email,
                messages_per_second: section
                    .rate("messages_per_second", config.messages_per_second)?,
                pair_gap_ms: 0,
                request_timeout_ms,
            },
        })
    }

    /// The mail, signed where there is a key.
    fn signed(&self, outbound: &Outbound) -> Result<Mail, Outcome> {
        let mail = mail(&self.addresses, outbound)?;
        let Some(signer) = &self.signer else { return Ok(mail) };
        let bytes = signer.signed(&mail.bytes);
        let bytes = bytes.ok_or_else(|| Outcome::refused(Action::Fix, "message-does-not-sign"))?;
        Ok(Mail { bytes, ..mail })
    }

    async fn send_once(&self, outbound: &Outbound) -> Outcome {
        let Mail { to, envelope_from, message_id, bytes } = match self.signed(outbound) {
            Ok(mail) => mail,
            Err(refused) => return refused,
        };
        let letter = Letter { from: &envelope_from, to: &to, bytes: &bytes };
        let timeout_ms = u64::try_from(self.capabilities.request_timeout_ms).unwrap_or(0);
        match self.relay.send(letter, Duration::from_millis(timeout_ms)).await {
            Ok(()) => Outcome::Accepted { ids: vec![message_id] },
            Err(broken) => self.outcome(broken),
        }
    }

    /// What a dialogue without acceptance means.
    ///
    /// A refusal is what its code says at its stage; unknown ones: 4xx again later, 5xx our fault (RFC 5321
    /// section 4.2.1). A broken line is unknown only once the content was on its way.
    fn outcome(&self, broken: Broken) -> Outcome {
        let Broken { stage, fault } = broken;
        match fault {
            Fault::Reply(basic, enhanced) => {
                let stage = if stage == "content" { "data" } else { stage };
                let mut codes = [enhanced.as_deref(), Some(basic.as_str())];
                // They speak of our login, whatever explains them (RFC 4954 section 6).
                if LOGIN_REPLIES.contains(&basic.as_str()) {
                    codes.reverse();
                }
                let asked = codes.into_iter().flatten().find_map(|c| self.codes.asks_at(c, stage));
                let default = if basic.starts_with('4') { Action::Retry } else { Action::Fix };
                Outcome::Refused {
                    action: asked.map_or(default, |asked| asked.action),
                    retry_after_ms: asked.and_then(|asked| asked.wait_ms),
                    code: enhanced.map_or(basic.clone(), |enhanced| format!("{basic} {enhanced}")),
                }
            }
            Fault::Ours if stage == "login" => {
                Outcome::refused(Action::PauseChannel, "no-login-mechanism")
            }
            Fault::Ours | Fault::Line if stage == "content" => Outcome::Unknown { stage },
            Fault::Ours | Fault::Line => Outcome::NotSent { stage },
        }
    }
}

impl Channel for Email {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> ChannelKind {
        ChannelKind::Email
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn send<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Outcome> {
        Box::pin(self.send_once(outbound))
    }

    /// A mailbox that stays full is one that nobody reads (RFC 3463 section 3.3).
    fn meaning(&self, code: &str) -> Option<Meaning> {
        (code == "5.2.2").then_some(Meaning::Doubted)
    }

    fn unsubscribe_url(&self, patient: PatientId, programme: &str) -> Option<String> {
        self.addresses.unsubscribe_url(patient, programme)
    }

    fn rendered(&self, outbound: &Outbound) -> Result<ShownRequest, Outcome> {
        let Mail { to, envelope_from, bytes, .. } = self.signed(outbound)?;
        Ok(ShownRequest {
            method: "SMTP".to_owned(),
            url: self.relay.shown(),
            headers: vec![
                ("MAIL FROM".to_owned(), envelope_from.to_string()),
                ("RCPT TO".to_owned(), to.to_string()),
            ],
            body: Some(String::from_utf8_lossy(&bytes).into_owned()),
        })
    }

    fn verify(&self, callback: &Callback) -> Result<Verified, Reject> {
        self.inlet.verify(callback)
    }

    fn events(&self, callback: &Callback) -> Result<Vec<Event>, Unreadable> {
        let arrival = self.inlet.open(callback)?;
        let Some(message) = MessageParser::default().parse(&arrival.mail) else {
            return Err(Unreadable { kind: "it is no mail".to_owned() });
        };
        let bounced = self.addresses.token_in(Purpose::Bounce, &message, &arrival.beside);
        let bounces = bounce::bounces(&message, bounced.as_ref(), &self.codes);
        if !bounces.is_empty() {
            return Ok(bounces);
        }
        let answers = self.addresses.token_in(Purpose::Reply, &message, &arrival.beside);
        let answers = answers.map(|(attempt, _)| attempt);
        Ok(vec![reply::reply(&message, answers, &self.addresses.own())])
    }
}

/// Who signs, where a key is configured.
fn signer(
    section: Section<'_>,
    config: &EmailConfig,
) -> Result<Option<Signer>, ChannelConfigError> {
    let Some(key) = &config.dkim_key else { return Ok(None) };
    let fault = |key, fix| ChannelConfigError::WrongForm { key: section.key(key), fix };
    let names = [&config.dkim_domain, &config.dkim_selector];
    if !names.into_iter().all(|name| is_domain_name(name)) {
        return Err(fault("dkim_selector", "give dkim_domain and dkim_selector as in the DNS"));
    }
    Signer::new(&config.dkim_domain, &config.dkim_selector, key.expose()).map(Some).ok_or_else(
        || fault("dkim_key", "give a private key in PEM: RSA of 1024 bits or more, or Ed25519"),
    )
}

fn is_domain_name(name: &str) -> bool {
    let is_sign = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    !name.is_empty() && name.chars().all(is_sign)
}

fn credentials(name: &str, password: &Secret) -> Credentials {
    Credentials::new(name.to_owned(), password.expose().to_owned())
}
