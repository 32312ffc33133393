//! The section `channels`: one subsection per channel; an absent one is not used.

use super::problem::Report;
use super::{Secret, is_loopback};
use reqwest::Url;
use serde::{Deserialize, Serialize};

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

impl ChannelsConfig {
    pub(super) fn validate(&self, report: &mut Report<'_>) {
        if let Some(whatsapp) = &self.whatsapp {
            whatsapp.validate(report);
        }
        if let Some(twilio) = &self.twilio {
            twilio.validate(report);
        }
        if let Some(email) = &self.email {
            email.validate(report);
        }
    }
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

impl WhatsappConfig {
    fn validate(&self, report: &mut Report<'_>) {
        base_url(report, "channels.whatsapp.base_url", &self.base_url);
        report.require(
            !self.phone_number_id.is_empty()
                && self.phone_number_id.bytes().all(|byte| byte.is_ascii_digit()),
            "channels.whatsapp.phone_number_id",
            "is not a number's id, digits only",
            "copy it from WhatsApp Manager; it is not the phone number",
        );
        secret(report, "channels.whatsapp.access_token", &self.access_token);
        secrets(report, "channels.whatsapp.app_secrets", &self.app_secrets);
        secret(report, "channels.whatsapp.verify_token", &self.verify_token);
        pace(report, "channels.whatsapp.messages_per_second", self.messages_per_second);
    }
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

impl TwilioConfig {
    fn validate(&self, report: &mut Report<'_>) {
        base_url(report, "channels.twilio.base_url", &self.base_url);
        report.require(
            is_sid(&self.account_sid, "AC"),
            "channels.twilio.account_sid",
            "is not AC with 32 hexadecimal digits",
            "copy it from Twilio's console",
        );
        secrets(report, "channels.twilio.auth_tokens", &self.auth_tokens);
        report.require(
            is_e164(&self.from) || is_sid(&self.from, "MG"),
            "channels.twilio.from",
            "is neither a number in E.164 nor a Messaging Service",
            "write it as +14155550100 or MG and 32 hexadecimal digits",
        );
        pace(report, "channels.twilio.messages_per_second", self.messages_per_second);
    }
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

impl EmailConfig {
    fn validate(&self, report: &mut Report<'_>) {
        let encrypted = |url: &Url| match url.scheme() {
            "smtps" => true,
            "smtp" => {
                let required =
                    url.query_pairs().any(|(key, word)| key == "tls" && word == "required");
                required || url.host_str().is_some_and(is_loopback)
            }
            _ => false,
        };
        report.require(
            Url::parse(&self.url).is_ok_and(|url| url.has_host() && encrypted(&url)),
            "channels.email.url",
            "is not an SMTP URL with TLS",
            "write smtps://host:465 or smtp://host:587?tls=required; plain smtp:// is for loopback",
        );
        report.require(
            self.username.is_some() == self.password.is_some(),
            "channels.email.username",
            "and channels.email.password are not set together",
            "set both, or none for a server without login",
        );
        report.require(
            self.from.parse::<lettre::message::Mailbox>().is_ok(),
            "channels.email.from",
            "is no sender",
            "write it as Name <address@example.org>",
        );
        pace(report, "channels.email.messages_per_second", self.messages_per_second);
        report.require(
            (1..=64).contains(&self.connections),
            "channels.email.connections",
            "is not between 1 and 64",
            "2 suits most servers",
        );
    }
}

fn base_url(report: &mut Report<'_>, key: &str, text: &str) {
    let safe = |url: &Url| {
        let loopback = url.host_str().is_some_and(is_loopback);
        url.scheme() == "https" || (url.scheme() == "http" && loopback)
    };
    report.require(
        Url::parse(text).is_ok_and(|url| safe(&url)),
        key,
        "is no https URL",
        "write it as https://host; plain http:// is for loopback",
    );
}

fn secret(report: &mut Report<'_>, key: &str, secret: &Secret) {
    report.require(
        !secret.expose().trim().is_empty(),
        key,
        "is empty",
        "hand it over as a credential named like the key",
    );
}

fn secrets(report: &mut Report<'_>, key: &str, secrets: &[Secret]) {
    report.require(
        !secrets.is_empty() && secrets.iter().all(|one| !one.expose().trim().is_empty()),
        key,
        "is empty or has an empty entry",
        "hand it over as a credential named like the key, one a line",
    );
}

fn pace(report: &mut Report<'_>, key: &str, messages_per_second: f64) {
    report.require(
        messages_per_second.is_finite() && messages_per_second > 0.0,
        key,
        "is not above zero",
        "write what the provider allows this sender",
    );
}

/// ITU-T E.164: a plus sign, at most 15 digits, the first not zero.
fn is_e164(text: &str) -> bool {
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
