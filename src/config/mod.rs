//! Configuration: built-in defaults, `carebell.toml`, `CAREBELL_*`, systemd credentials; one struct per
//! section. The only room that reads the environment.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that can be configured.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Sandbox or live.
    pub mode: Mode,
    /// Where the daemon keeps its files: SQLite database, master key, instance state.
    pub state_dir: PathBuf,
    /// The database.
    pub database: DatabaseConfig,
    /// The HTTP server.
    pub http: HttpConfig,
    /// Programmes and jobs.
    pub schedules: SchedulesConfig,
    /// Sending.
    pub deliver: DeliverConfig,
    /// The channels.
    pub channels: ChannelsConfig,
    /// Logs.
    pub log: LogConfig,
}

/// Whether connectors may leave this machine (design.md section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Every connector refuses an address that is not loopback.
    Sandbox,
    /// For real.
    Live,
}

impl Mode {
    /// The word stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Live => "live",
        }
    }
}

/// The database.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://...`; empty means SQLite in `state_dir`.
    pub url: String,
    /// Connections to PostgreSQL.
    pub max_connections: u32,
    /// TLS less strict than verify-full to a host that is not loopback.
    pub dangerous_accept_unverified_tls: bool,
}

/// The HTTP server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Address and port to listen on; port 0 lets the system choose.
    pub listen: String,
    /// How providers reach this server; signatures are computed over it.
    pub public_url: String,
    /// Largest webhook body, in bytes.
    pub max_body_bytes: usize,
}

/// Programmes and jobs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchedulesConfig {
    /// Folder laid over the copy in the binary.
    pub dir: PathBuf,
}

/// Sending.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverConfig {
    /// Open intents at most: the blast radius of a crash (design.md section 3).
    pub permits: u32,
    /// How long an intent is held, in seconds; a request's time-out is under half of it.
    pub lease_seconds: u32,
    /// Waits between tries, in seconds.
    pub retry_seconds: Vec<u32>,
}

/// The channels; an absent one is not used.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelsConfig {
    /// WhatsApp by Meta's Cloud API.
    pub whatsapp: Option<WhatsappConfig>,
    /// SMS by Twilio.
    pub twilio: Option<TwilioConfig>,
    /// Email by SMTP.
    pub email: Option<EmailConfig>,
}

/// WhatsApp by Meta's Cloud API.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhatsappConfig {
    /// `https://graph.facebook.com/v25.0`, or a partner's.
    pub base_url: String,
    /// The sender.
    pub phone_number_id: String,
    /// Bearer token.
    pub access_token: Secret,
    /// Key of webhook signatures; two during rotation.
    pub app_secrets: Vec<Secret>,
    /// Expected at the webhook's registration.
    pub verify_token: Secret,
    /// Messages a second.
    pub messages_per_second: f64,
}

/// SMS by Twilio.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwilioConfig {
    /// `https://api.twilio.com`.
    pub base_url: String,
    /// `AC...`.
    pub account_sid: String,
    /// Key of requests and of webhook signatures; further ones only verify, during rotation.
    pub auth_tokens: Vec<Secret>,
    /// Sender in E.164; or a Messaging Service (`MG...`).
    pub from: String,
    /// Messages a second.
    pub messages_per_second: f64,
}

/// Email by SMTP.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// `smtps://host:465`, `smtp://host:587?tls=required`; `smtp://127.0.0.1:2525` on loopback only.
    pub url: String,
    /// User name.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// From, as `Name <address>`.
    pub from: String,
    /// Messages a second.
    pub messages_per_second: f64,
    /// Parallel connections.
    pub connections: u32,
}

/// Logs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Filter, for example `info,carebell=debug`.
    pub filter: String,
    /// Text or JSON.
    pub format: LogFormat,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// A secret: `Debug` masks it, and so does serialising it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself; every call is a place where it is used on purpose.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("********")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str("********")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}
