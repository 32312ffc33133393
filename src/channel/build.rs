//! The channels that a configuration asks for.

use super::Channel;
use super::codes::BadCodeTable;
use super::email::{Email, Ours};
use super::gateway::Gateway;
use super::twilio::Twilio;
use super::whatsapp::Whatsapp;
use crate::care::{Address, ChannelKind};
use crate::config::{ChannelsConfig, KindConfig, Mode, Secret};
use crate::security::Tokens;
use std::sync::Arc;

/// The configured channels, in the default order of preference.
#[derive(Clone, Default)]
pub struct Channels(Vec<Arc<dyn Channel>>);

/// A channel cannot be built as it is configured. Names the key and the fix, never a value.
#[derive(Debug, thiserror::Error)]
pub enum ChannelConfigError {
    /// A URL that is none, or of a scheme that the channel does not speak.
    #[error("{key} is not a URL this channel can use: write it as `{example}`")]
    NotAUrl {
        /// The key.
        key: String,
        /// What one looks like.
        example: &'static str,
    },
    /// Patients' messages would travel in clear text.
    #[error("{key} leads to another machine without TLS: {fix}")]
    ClearText {
        /// The key.
        key: String,
        /// What to write instead.
        fix: &'static str,
    },
    /// A value that must be there is not.
    #[error("{key} is empty: {fix}")]
    Empty {
        /// The key.
        key: String,
        /// What belongs there.
        fix: &'static str,
    },
    /// A value of the wrong form.
    #[error("{key} has the wrong form: {fix}")]
    WrongForm {
        /// The key.
        key: String,
        /// The right form.
        fix: &'static str,
    },
    /// A template that does not read or render.
    #[error(
        "{key} is no template that renders: {fault}; see README.md for what templates may name"
    )]
    Template {
        /// The key.
        key: String,
        /// The engine's words; they hold no value.
        fault: String,
    },
    /// The system's certificate store does not open.
    #[error(
        "{key} needs TLS, but the system's root certificates do not load: install ca-certificates"
    )]
    NoTls {
        /// The key.
        key: String,
    },
    /// A table in the binary or its extension is broken.
    #[error(transparent)]
    Codes(#[from] BadCodeTable),
}

impl Channels {
    /// Builds what `config` names.
    ///
    /// `public_url` is how providers reach this server; their signatures are computed over it.
    /// `request_timeout_ms` bounds one send and must be under half the lease (design.md section 3). `tokens` makes
    /// what goes out in addresses and links and comes back.
    ///
    /// # Errors
    /// [`ChannelConfigError`], for the first key that is wrong.
    pub fn build(
        config: &ChannelsConfig,
        mode: Mode,
        public_url: &str,
        request_timeout_ms: i64,
        tokens: &Tokens,
    ) -> Result<Self, ChannelConfigError> {
        let mut channels: Vec<Arc<dyn Channel>> = Vec::new();
        for (name, kind) in config.iter() {
            let section = Section { name };
            channels.push(match kind {
                KindConfig::Whatsapp(whatsapp) => {
                    Arc::new(Whatsapp::new(section, whatsapp, mode, request_timeout_ms)?)
                }
                KindConfig::Twilio(twilio) => {
                    Arc::new(Twilio::new(section, twilio, mode, public_url, request_timeout_ms)?)
                }
                KindConfig::Email(email) => {
                    let ours = Ours { public_url, tokens };
                    Arc::new(Email::new(section, email, mode, ours, request_timeout_ms)?)
                }
                KindConfig::Gateway(gateway) => {
                    Arc::new(Gateway::new(section, gateway, mode, public_url, request_timeout_ms)?)
                }
            });
        }
        // By kind in the default order of preference; of one kind by rank.
        channels.sort_by_key(|channel| channel.kind());
        Ok(Self(channels))
    }

    /// The channel of a name, as in the configuration and in webhook URLs.
    pub fn by_name(&self, name: &str) -> Option<&Arc<dyn Channel>> {
        self.0.iter().find(|channel| channel.name() == name)
    }

    /// The channel by which a message goes to an address of a kind: the first by rank that serves it and is in
    /// `open`; if none is, the first that serves it.
    pub fn towards(
        &self,
        kind: ChannelKind,
        to: &Address,
        open: impl Fn(&str) -> bool,
    ) -> Option<&Arc<dyn Channel>> {
        let serving = || self.0.iter().filter(|c| c.kind() == kind && c.serves(to));
        serving().find(|channel| open(channel.name())).or_else(|| serving().next())
    }

    /// Every channel.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Channel>> {
        self.0.iter()
    }
}

impl From<Vec<Arc<dyn Channel>>> for Channels {
    fn from(channels: Vec<Arc<dyn Channel>>) -> Self {
        Self(channels)
    }
}

impl std::fmt::Debug for Channels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|channel| channel.name())).finish()
    }
}

/// The section of a channel, by the channel's name.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    pub(super) name: &'a str,
}

impl Section<'_> {
    /// The whole name of one of its keys.
    pub(super) fn key(self, key: &str) -> String {
        format!("channels.{}.{key}", self.name)
    }

    /// A value that must not be empty.
    pub(super) fn present<'a>(
        self,
        key: &str,
        value: &'a str,
        fix: &'static str,
    ) -> Result<&'a str, ChannelConfigError> {
        if value.trim().is_empty() {
            return Err(ChannelConfigError::Empty { key: self.key(key), fix });
        }
        Ok(value)
    }

    /// Secrets, at least one and none empty: with an empty one anybody could sign.
    pub(super) fn secrets(
        self,
        key: &str,
        secrets: &[Secret],
        fix: &'static str,
    ) -> Result<Vec<Secret>, ChannelConfigError> {
        if secrets.is_empty() || secrets.iter().any(|secret| secret.expose().trim().is_empty()) {
            return Err(ChannelConfigError::Empty { key: self.key(key), fix });
        }
        Ok(secrets.to_vec())
    }

    /// A rate that can be paced.
    pub(super) fn rate(self, key: &str, per_second: f64) -> Result<f64, ChannelConfigError> {
        if per_second.is_finite() && per_second > 0.0 {
            return Ok(per_second);
        }
        Err(ChannelConfigError::WrongForm { key: self.key(key), fix: "give a number above 0" })
    }
}
