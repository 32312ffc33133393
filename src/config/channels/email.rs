//! A section of kind `email`.

use super::Keys;
use crate::config::{Secret, is_loopback};
use reqwest::Url;
use serde::{Deserialize, Serialize};

/// Email by SMTP.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EmailConfig {
    /// `smtps://host:465`, `smtp://host:587?tls=required`; `smtp://127.0.0.1:2525` on loopback only.
    pub url: String,
    /// User name.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// From, as `Name <address>`.
    pub from: String,
    /// Where answers go; each mail's has a token behind a plus sign. Empty: to the sender.
    #[serde(default)]
    pub reply_address: String,
    /// Where bounces go; each mail's has a token behind a plus sign. Empty: to the sender.
    #[serde(default)]
    pub bounce_address: String,
    /// Secrets by which mail may come in over the webhook; two during rotation. None: nothing comes in.
    #[serde(default)]
    pub webhook_secrets: Vec<Secret>,
    /// The field of a form or of JSON in which the mail lies; a mail that is the whole body needs none.
    pub webhook_field: String,
    /// The domain that signs (DKIM).
    #[serde(default)]
    pub dkim_domain: String,
    /// Under which name in that domain the public key is: `SELECTOR._domainkey.DOMAIN`.
    #[serde(default)]
    pub dkim_selector: String,
    /// The private key in PEM; without it nothing is signed here.
    pub dkim_key: Option<Secret>,
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
        for (key, address) in
            [("reply_address", &self.reply_address), ("bounce_address", &self.bounce_address)]
        {
            keys.require(
                address.is_empty() || takes_a_token(address),
                key,
                "is no address that a token can be added to",
                "write it as replies@mail.example.org; its server must keep what follows a plus sign",
            );
        }
        if !self.webhook_secrets.is_empty() {
            keys.secrets("webhook_secrets", &self.webhook_secrets);
        }
        let has_key = self.dkim_key.is_some();
        for (key, name) in
            [("dkim_domain", &self.dkim_domain), ("dkim_selector", &self.dkim_selector)]
        {
            keys.require(
                has_key != name.is_empty(),
                key,
                "and the other dkim keys are not set together",
                "set dkim_domain, dkim_selector and dkim_key, or none of them",
            );
        }
        keys.pace("messages_per_second", self.messages_per_second);
        keys.require(
            (1..=64).contains(&self.connections),
            "connections",
            "is not between 1 and 64",
            "2 suits most servers",
        );
    }
}

/// A mail address with room for `+TOKEN` in its local part (RFC 5321 section 4.5.3.1.1: 64 octets).
fn takes_a_token(address: &str) -> bool {
    let is_address = address.parse::<lettre::Address>().is_ok() && address.is_ascii();
    is_address
        && address.split_once('@').is_some_and(|(local, _)| {
            local.len() <= 64 - 1 - TOKEN_CHARACTERS && !local.contains(['+', '"'])
        })
}

/// Characters of a token; `security::tokens` makes them.
const TOKEN_CHARACTERS: usize = 40;
