//! A section of kind `twilio`.

use super::{Keys, is_e164, is_sid};
use crate::config::Secret;
use serde::{Deserialize, Serialize};

/// What stands before a WhatsApp sender at Twilio.
pub const WHATSAPP: &str = "whatsapp:";

/// SMS or WhatsApp by Twilio.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TwilioConfig {
    /// `https://api.twilio.com`.
    pub base_url: String,
    /// `AC...`.
    pub account_sid: String,
    /// API key that signs requests in, `SK...`; with its secret. Without one the first auth token does.
    pub api_key: Option<String>,
    /// The key's secret.
    pub api_secret: Option<Secret>,
    /// Keys of webhook signatures: auth tokens, and shared keys of the newer form.
    pub auth_tokens: Vec<Secret>,
    /// Sender in E.164, after `whatsapp:` for WhatsApp; or a Messaging Service (`MG...`).
    pub from: String,
    /// What the sender speaks.
    pub speaks: Speaks,
    /// Approved contents of WhatsApp, `template/language=HX...`.
    #[serde(default)]
    pub contents: Vec<String>,
    /// What Twilio keeps of what was said.
    pub content_retention: ContentRetention,
    /// What Twilio keeps of to whom it was said.
    pub address_retention: AddressRetention,
    /// SMS parts a second; messages for WhatsApp.
    pub segments_per_second: f64,
}

/// What a sender speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaks {
    /// Text messages.
    Sms,
    /// WhatsApp.
    Whatsapp,
}

/// What Twilio keeps of a body (page messaging/api/message-resource, `ContentRetention`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentRetention {
    /// It stays.
    Retain,
    /// It goes.
    Discard,
}

/// What Twilio keeps of an address (the same page, `AddressRetention`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressRetention {
    /// It stays.
    Retain,
    /// Its last digits go.
    Obfuscate,
}

impl TwilioConfig {
    /// The sender without the mark of WhatsApp.
    pub fn bare_sender(&self) -> &str {
        self.from.strip_prefix(WHATSAPP).unwrap_or(&self.from)
    }

    /// The contents as (template, language, content).
    pub fn content_sids(&self) -> impl Iterator<Item = Option<(&str, &str, &str)>> {
        self.contents.iter().map(|text| {
            let (name, sid) = text.split_once('=')?;
            let (template, language) = name.trim().split_once('/')?;
            Some((template.trim(), language.trim(), sid.trim()))
        })
    }

    pub(super) fn validate(&self, keys: &mut Keys<'_, '_>) {
        keys.base_url("base_url", &self.base_url);
        keys.require(
            is_sid(&self.account_sid, "AC"),
            "account_sid",
            "is not AC with 32 hexadecimal digits",
            "copy it from Twilio's console",
        );
        keys.require(
            self.api_key.as_ref().is_none_or(|key| is_sid(key, "SK")),
            "api_key",
            "is not SK with 32 hexadecimal digits",
            "create a restricted key in Twilio's console",
        );
        keys.require(
            self.api_key.is_some() == self.api_secret.is_some(),
            "api_key",
            "and api_secret are not set together",
            "set both, or none to sign in by the first auth token",
        );
        keys.secrets("auth_tokens", &self.auth_tokens);
        keys.require(
            is_e164(self.bare_sender()) || is_sid(&self.from, "MG"),
            "from",
            "is neither a number in E.164 nor a Messaging Service",
            "write it as +14155550100, whatsapp:+14155550100, or MG and 32 hexadecimal digits",
        );
        keys.require(
            !self.from.starts_with(WHATSAPP) || self.speaks == Speaks::Whatsapp,
            "speaks",
            "is sms, but the sender is one of WhatsApp",
            "write speaks = \"whatsapp\"",
        );
        keys.require(
            self.content_sids().all(|one| one.is_some_and(|(_, _, sid)| is_sid(sid, "HX"))),
            "contents",
            "has an entry of another form",
            "write each as template/language=HX and 32 hexadecimal digits",
        );
        keys.pace("segments_per_second", self.segments_per_second);
    }
}
