//! What a sandbox is told at its start. The defaults are complete: tests change what they need.

use super::SandboxError;
use crate::care::UtcMs;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The longest TTL of a utility template without one of its own: thirty days (Meta, templates/time-to-live).
pub(super) const DEFAULT_TEMPLATE_TTL_SECONDS: u32 = 30 * 24 * 3600;

/// Everything that can be configured.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxConfig {
    /// Where HTTP is spoken; loopback, port 0 lets the system choose.
    pub http: SocketAddr,
    /// Where SMTP is spoken; loopback, port 0 lets the system choose.
    pub smtp: SocketAddr,
    /// The daemon, `http://127.0.0.1:PORT`; without it no webhook is posted until `call_back` names one.
    pub callback_url: Option<String>,
    /// The WhatsApp account.
    pub whatsapp: WhatsappAccount,
    /// The Twilio account.
    pub twilio: TwilioAccount,
    /// The SMTP login that is demanded, if any.
    pub smtp_login: Option<SmtpLogin>,
    /// Where accepted messages are written; without it they are kept in memory alone.
    pub ledger: Option<PathBuf>,
    /// When and how often receipts come.
    pub receipts: Receipts,
    /// How often people press a button.
    pub presses: Presses,
    /// Addresses with something special about them, in normal form.
    pub people: BTreeMap<String, Condition>,
    /// Seed of every chance decision; each message draws from its own stream, so neither ids nor arrival order matter.
    pub seed: u64,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        let loopback = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self {
            http: loopback,
            smtp: loopback,
            callback_url: None,
            whatsapp: WhatsappAccount::default(),
            twilio: TwilioAccount::default(),
            smtp_login: None,
            ledger: None,
            receipts: Receipts::default(),
            presses: Presses::default(),
            people: BTreeMap::new(),
            seed: 0,
        }
    }
}

impl SandboxConfig {
    pub(super) fn validate(&self) -> Result<(), SandboxError> {
        for (key, address) in [("http", self.http), ("smtp", self.smtp)] {
            if !address.ip().is_loopback() {
                return Err(SandboxError::NotLoopback { key, value: address.to_string() });
            }
        }
        self.callback_url.as_deref().map_or(Ok(()), check_callback_url)
    }
}

/// A callback URL must stay on this machine.
pub(super) fn check_callback_url(url: &str) -> Result<(), SandboxError> {
    if is_loopback_url(url) {
        Ok(())
    } else {
        Err(SandboxError::NotLoopback { key: "callback_url", value: url.to_owned() })
    }
}

/// Whether `url` is plain http(s) to this machine.
pub(super) fn is_loopback_url(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| {
                let bare = host.trim_start_matches('[').trim_end_matches(']');
                bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            })
    })
}

/// The WhatsApp account.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WhatsappAccount {
    /// The sender's id, as in the path.
    pub phone_number_id: String,
    /// The sender's number, digits only.
    pub display_phone_number: String,
    /// Bearer token.
    pub access_token: String,
    /// Key of webhook signatures.
    pub app_secret: String,
    /// The account's id, as in the path of its template list.
    pub business_account_id: String,
    /// How many people may be written to in a day, in Meta's word.
    pub messaging_limit: String,
    /// Templates by name.
    pub templates: BTreeMap<String, Template>,
    /// Pace to one user; `None` switches error 131056 off.
    pub pair_limit: Option<PairLimit>,
}

impl Default for WhatsappAccount {
    fn default() -> Self {
        Self {
            phone_number_id: "106540352242922".to_owned(),
            display_phone_number: "15550783881".to_owned(),
            access_token: "sandbox-access-token".to_owned(),
            app_secret: "sandbox-app-secret".to_owned(),
            business_account_id: "102290129340398".to_owned(),
            messaging_limit: "TIER_2K".to_owned(),
            templates: BTreeMap::new(),
            pair_limit: None,
        }
    }
}

/// A template; approved and of use unless it says otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Template {
    /// Languages it is approved in, in Meta's codes.
    pub languages: BTreeSet<String>,
    /// Parameters of its body.
    pub parameters: usize,
    /// `message_send_ttl_seconds`; thirty days when absent.
    pub ttl_seconds: Option<u32>,
    /// The parameters' names, where they have names.
    pub parameter_names: Vec<String>,
    /// Titles of its quick replies.
    pub buttons: Vec<String>,
    /// Kind of its header: `IMAGE`; empty without one.
    pub header: String,
    /// Meta's word for its state; empty: `APPROVED`.
    pub status: String,
    /// Meta's word for its category; empty: `UTILITY`.
    pub category: String,
}

/// Meta's pair limit: one message per gap, with a burst that borrows from the future (Meta, about-the-platform).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PairLimit {
    /// Gap between two messages to one user, in milliseconds.
    pub gap_ms: i64,
    /// How many may be borrowed.
    pub burst: i64,
}

impl Default for PairLimit {
    fn default() -> Self {
        Self { gap_ms: 6_000, burst: 45 }
    }
}

/// The Twilio account.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TwilioAccount {
    /// `AC` and 32 hex digits.
    pub account_sid: String,
    /// Password of requests and key of webhook signatures.
    pub auth_token: String,
    /// Numbers and Messaging Services that may send; the first one is what people write to.
    pub senders: Vec<String>,
}

impl Default for TwilioAccount {
    fn default() -> Self {
        Self {
            account_sid: "ACa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1".to_owned(),
            auth_token: "sandbox-auth-token".to_owned(),
            senders: vec!["+15005550006".to_owned()],
        }
    }
}

/// The SMTP login that is demanded.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpLogin {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

/// When receipts come, in milliseconds after acceptance, and how often.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Receipts {
    /// `sent`.
    pub sent_after_ms: i64,
    /// `delivered` (or `failed`, `undelivered`).
    pub delivered_after_ms: i64,
    /// `read`, on WhatsApp.
    pub read_after_ms: i64,
    /// How many delivered WhatsApp messages are read, from 0 to 1.
    pub read_probability: f64,
    /// How many messages fail after they were accepted, from 0 to 1.
    pub failed_probability: f64,
}

impl Default for Receipts {
    fn default() -> Self {
        Self {
            sent_after_ms: 1_000,
            delivered_after_ms: 2_000,
            read_after_ms: 60_000,
            read_probability: 0.0,
            failed_probability: 0.0,
        }
    }
}

/// Buttons that people press by themselves.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Presses {
    /// How many delivered templates with buttons have one pressed, from 0 to 1; any of them alike.
    pub probability: f64,
    /// How long after the delivery, in milliseconds.
    pub after_ms: i64,
}

impl Default for Presses {
    fn default() -> Self {
        Self { probability: 0.0, after_ms: 240_000 }
    }
}

/// What is special about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Refused at once: Meta 131026, Twilio 21211, SMTP 550 5.1.1.
    Unknown,
    /// Accepted, then failed: Meta 131026, Twilio 30003.
    Unreachable,
    /// The phone is off until then: delivered afterwards, or dropped when the TTL has passed by then
    /// (Meta: no receipt at all; Twilio: undelivered, 30036).
    OffUntil(UtcMs),
}
