//! The section `channels`: `[channels.NAME]`, each of a `kind`; one file per kind. What none names is not used.

mod email;
mod gateway;
mod twilio;
mod whatsapp;

pub use email::EmailConfig;
pub use gateway::{
    AnswerConfig, AuthConfig, BasicConfig, CallbacksConfig, CodeConfig, GatewayConfig, HabitConfig,
    HmacAlgorithm, HmacEncoding, MappingConfig, NamedSecretConfig, PartsConfig, RequestConfig,
    SignatureConfig, TestConfig,
};
pub(super) use gateway::{FREE_SECTIONS, Preset};
pub use twilio::{AddressRetention, ContentRetention, Speaks, TwilioConfig, WHATSAPP};
pub use whatsapp::WhatsappConfig;

use super::problem::{Holds, Report};
use super::{Secret, is_loopback};
use figment::Figment;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The channels by their names: a name is part of webhook URLs, lanes and metrics.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct ChannelsConfig(BTreeMap<String, ChannelConfig>);

/// One channel.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelConfig {
    /// Among the channels that reach one kind of address the lowest goes first.
    pub rank: i64,
    /// How it reaches patients.
    #[serde(flatten)]
    pub kind: KindConfig,
}

/// How a channel reaches patients, with the keys that takes.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum KindConfig {
    /// WhatsApp by Meta's Cloud API, or a partner that speaks it.
    Whatsapp(WhatsappConfig),
    /// SMS by Twilio.
    Twilio(TwilioConfig),
    /// Email by SMTP.
    Email(EmailConfig),
    /// SMS by any gateway that takes HTTP requests.
    #[serde(rename = "http")]
    Gateway(Box<GatewayConfig>),
}

impl KindConfig {
    /// The words of all kinds.
    pub const WORDS: [&str; 4] = ["whatsapp", "twilio", "email", "http"];

    /// Whether patients' replies come in by this channel's webhook.
    pub const fn hears(&self) -> bool {
        match self {
            Self::Whatsapp(_) | Self::Twilio(_) => true,
            Self::Email(email) => !email.webhook_secrets.is_empty(),
            Self::Gateway(gateway) => gateway.replies.is_some(),
        }
    }

    /// From whom patients see the messages come.
    pub fn sender(&self) -> &str {
        match self {
            Self::Whatsapp(whatsapp) => &whatsapp.phone_number_id,
            Self::Twilio(twilio) => &twilio.from,
            Self::Email(email) => &email.from,
            Self::Gateway(gateway) => &gateway.from,
        }
    }

    /// Reads a channel's keys; the schema has checked that there is such a kind.
    fn extract(word: &str, layers: &Figment, section: &str) -> Result<Option<Self>, Fault> {
        Ok(Some(match word {
            "whatsapp" => Self::Whatsapp(inner(layers, section)?),
            "twilio" => Self::Twilio(inner(layers, section)?),
            "email" => Self::Email(inner(layers, section)?),
            "http" => Self::Gateway(Box::new(inner(layers, section)?)),
            _ => return Ok(None),
        }))
    }
}

/// A fault of the extraction; boxed, because it is large.
type Fault = Box<figment::Error>;

/// What every kind has.
#[derive(Deserialize)]
struct Common {
    kind: String,
    rank: i64,
}

impl ChannelsConfig {
    /// With one more channel, ranked behind those there are.
    #[must_use]
    pub fn with(mut self, name: &str, kind: KindConfig) -> Self {
        let rank = i64::try_from(self.0.len()).unwrap_or(i64::MAX);
        self.0.insert(name.to_owned(), ChannelConfig { rank, kind });
        self
    }

    /// A channel by its name.
    pub fn get(&self, name: &str) -> Option<&KindConfig> {
        self.0.get(name).map(|channel| &channel.kind)
    }

    /// The channels with their names: by rank, then by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &KindConfig)> {
        let mut ranked: Vec<_> = self.0.iter().collect();
        ranked.sort_by_key(|(name, channel)| (channel.rank, name.as_str()));
        ranked.into_iter().map(|(name, channel)| (name.as_str(), &channel.kind))
    }

    /// Reads the section; names and kinds of keys were checked before.
    pub(super) fn extract(layers: &Figment) -> Result<Self, Vec<Fault>> {
        let (mut channels, mut faults) = (BTreeMap::new(), Vec::new());
        for name in names(layers) {
            let section = format!("channels.{name}");
            let read = || {
                let common: Common = inner(layers, &section)?;
                let kind = KindConfig::extract(&common.kind, layers, &section)?;
                Ok(kind.map(|kind| ChannelConfig { rank: common.rank, kind }))
            };
            match read() {
                Ok(channel) => channels.extend(channel.map(|channel| (name, channel))),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(Self(channels)) } else { Err(faults) }
    }

    pub(super) fn validate(&self, report: &mut Report<'_>) {
        for (name, kind) in self.iter() {
            let mut keys = Keys { section: format!("channels.{name}"), report };
            keys.require(
                is_name(name),
                "kind",
                "belongs to a channel whose name is none",
                "name it with lower-case letters, digits and underscores, a letter first",
            );
            match kind {
                KindConfig::Whatsapp(whatsapp) => whatsapp.validate(&mut keys),
                KindConfig::Twilio(twilio) => twilio.validate(&mut keys),
                KindConfig::Email(email) => email.validate(&mut keys),
                KindConfig::Gateway(gateway) => gateway.validate(&mut keys),
            }
        }
    }
}

/// A name that URLs, variables, lanes and metrics take as it is.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn names(layers: &Figment) -> Vec<String> {
    let section = layers.find_value("channels").ok();
    section
        .and_then(figment::value::Value::into_dict)
        .map_or_else(Vec::new, |d| d.into_keys().collect())
}

/// A section by itself; its faults name the whole key.
fn inner<T: DeserializeOwned>(layers: &Figment, section: &str) -> Result<T, Fault> {
    layers.extract_inner(section).map_err(|mut fault| {
        let whole: Vec<String> = section.split('.').map(ToOwned::to_owned).collect();
        // Below a word that chooses among forms the section comes last.
        if fault.path.len() > whole.len() && fault.path.ends_with(&whole) {
            fault.path.truncate(fault.path.len() - whole.len());
        }
        if !fault.path.starts_with(&whole) {
            fault.path.splice(..0, whole);
        }
        Box::new(fault)
    })
}

/// What is required of the keys of one channel's section.
pub(super) struct Keys<'a, 'b> {
    section: String,
    report: &'a mut Report<'b>,
}

impl Keys<'_, '_> {
    /// Notes a problem of a key of this section unless `holds`.
    fn require(&mut self, holds: impl Into<Holds>, key: &str, what: &str, fix: &str) {
        self.report.require(holds, &format!("{}.{key}", self.section), what, fix);
    }

    fn base_url(&mut self, key: &str, text: &str) {
        let safe = |url: &Url| {
            let loopback = url.host_str().is_some_and(is_loopback);
            url.scheme() == "https" || (url.scheme() == "http" && loopback)
        };
        self.require(
            Url::parse(text).is_ok_and(|url| safe(&url)),
            key,
            "is no https URL",
            "write it as https://host; plain http:// is for loopback",
        );
    }

    fn secret(&mut self, key: &str, secret: &Secret) {
        self.require(
            !secret.expose().trim().is_empty(),
            key,
            "is empty",
            "hand it over as a credential named like the key",
        );
    }

    fn secrets(&mut self, key: &str, secrets: &[Secret]) {
        self.require(
            !secrets.is_empty() && secrets.iter().all(|one| !one.expose().trim().is_empty()),
            key,
            "is empty or has an empty entry",
            "hand it over as a credential named like the key, one a line",
        );
    }

    fn pace(&mut self, key: &str, messages_per_second: f64) {
        self.require(
            messages_per_second.is_finite() && messages_per_second > 0.0,
            key,
            "is not above zero",
            "write what the provider allows this sender",
        );
    }
}

/// Whether a text is a phone number in E.164 with its plus sign: at most 15 digits, and no country code begins with 0
/// (ITU-T E.164 section 6); fewer than 7 are nobody's.
pub fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// Twilio's string identifiers: two letters and 32 hexadecimal digits (Twilio glossary, "SID").
fn is_sid(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
