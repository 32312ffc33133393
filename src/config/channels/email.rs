//! A section of kind `email`.

use super::Keys;
use crate::config::{Secret, is_loopback};
use reqwest::Url;
use serde::{Deserialize, Serialize};

/// Email by SMTP.
#[derive(Clone, Debug, Serialize, Deserialize)]
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

impl EmailConfig {
    pub(super) fn validate(&self, keys: &mut Keys<'_, '_>) {
        let encrypted = |url: &Url| match url.scheme() {
            "smtps" => true,
            "smtp" => {
                let required =
                    url.query_pairs().any(|(key, word)| key == "tls" && word == "required");
                required || url.host_str().is_some_and(is_loopback)
            }
            _ => false,
        };
        keys.require(
            Url::parse(&self.url).is_ok_and(|url| url.has_host() && encrypted(&url)),
            "url",
            "is not an SMTP URL with TLS",
            "write smtps://host:465 or smtp://host:587?tls=required; plain smtp:// is for loopback",
        );
        keys.require(
            self.username.is_some() == self.password.is_some(),
            "username",
            "and channels.email.password are not set together",
            "set both, or none for a server without login",
        );
        keys.require(
            self.from.parse::<lettre::message::Mailbox>().is_ok(),
            "from",
            "is no sender",
            "write it as Name <address@example.org>",
        );
        keys.pace("messages_per_second", self.messages_per_second);
        keys.require(
            (1..=64).contains(&self.connections),
            "connections",
            "is not between 1 and 64",
            "2 suits most servers",
        );
    }
}
