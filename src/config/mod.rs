//! Configuration: built-in defaults, `carebell.toml`, `CAREBELL_*`, systemd credentials; one file per section,
//! each with its `validate`. The only room that reads the environment. Called by `cli`, which hands each room
//! its section.

mod backup;
mod channels;
mod database;
mod deliver;
mod environment;
mod http;
mod load;
mod log;
mod mask;
mod problem;
mod retention;
mod schedules;
mod schema;
mod secret;
mod zones;

pub use backup::BackupConfig;
pub use channels::{
    AddressRetention, AnswerConfig, AuthConfig, BasicConfig, CallbacksConfig, ChannelsConfig,
    CodeConfig, ContentRetention, EmailConfig, GatewayConfig, HabitConfig, HmacAlgorithm,
    HmacEncoding, KindConfig, MappingConfig, NamedSecretConfig, PartsConfig, RequestConfig,
    SignatureConfig, Speaks, TestConfig, TwilioConfig, WHATSAPP, WhatsappConfig, is_e164,
};
pub use database::{DatabaseConfig, Engine, RefusedTls, UnverifiedTls, connect_options_policy};
pub use deliver::DeliverConfig;
pub use environment::{Environment, User};
pub use http::HttpConfig;
pub use load::{Loaded, load, read_channels};
pub use log::{LogConfig, LogFormat};
pub use mask::{Effective, without_password};
pub use problem::{ConfigProblems, Problem};
pub use retention::RetentionConfig;
pub use schedules::SchedulesConfig;
pub use schema::DEFAULT_FILE;
pub use secret::{MASK, Secret};
pub use zones::ZonesConfig;

use problem::Report;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The name of the lowest layer.
const DEFAULT: &str = "default";

/// Everything that can be configured.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// Rules of time zones.
    pub zones: ZonesConfig,
    /// Sending.
    pub deliver: DeliverConfig,
    /// How long rows are kept that no promise needs.
    pub retention: RetentionConfig,
    /// Copies of a SQLite database.
    pub backup: BackupConfig,
    /// The channels; read by their kinds, see [`ChannelsConfig`].
    #[serde(skip_deserializing)]
    pub channels: ChannelsConfig,
    /// Logs.
    pub log: LogConfig,
}

impl Config {
    fn validate(&self, report: &mut Report<'_>) {
        report.require(
            self.state_dir.is_absolute(),
            "state_dir",
            "is not an absolute path",
            "write it from the root: /var/lib/carebell",
        );
        self.database.validate(report);
        self.http.validate(report);
        self.zones.validate(report);
        self.deliver.validate(report);
        self.retention.validate(report);
        self.backup.validate(report);
        self.channels.validate(report);
        self.log.validate(report);
        let heard = self.channels.iter().any(|(_, kind)| kind.hears());
        report.require(
            self.mode != Mode::Live || !heard || self.http.public_url.starts_with("https://"),
            "http.public_url",
            "is not an https URL, but patients' replies (STOP) come in there in live mode",
            "write the URL under which providers reach this server",
        );
    }
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

/// Whether a host is this machine, by its name alone.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}
