//! A section of kind `http`: an SMS gateway that is described by its configuration alone.
//!
//! The flat keys are described in `default.toml`; the free sections below them (`request`, `answer`, `receipts`,
//! `replies`, `callbacks`, `codes`, `secrets`) by the structs here. A preset is a layer below the operator's keys.

mod callbacks;
mod preset;
mod request;

pub use callbacks::{
    BasicConfig, CallbacksConfig, MappingConfig, NamedSecretConfig, SignatureConfig,
};
pub(in crate::config) use preset::Preset;
pub use request::{
    AnswerConfig, AuthConfig, CodeConfig, HmacAlgorithm, HmacEncoding, RequestConfig, TestConfig,
};

use super::Keys;
use crate::config::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The sections below a channel of this kind: what stands in them is checked by its own structs.
pub(in crate::config) const FREE_SECTIONS: [&str; 7] =
    ["answer", "callbacks", "codes", "receipts", "replies", "request", "secrets"];

/// SMS by any gateway that takes HTTP requests.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GatewayConfig {
    /// A gateway that is known, or a file of the operator's own: a layer below the other keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Scheme, host and port, with what all its paths begin with.
    pub base_url: String,
    /// The account's name at the gateway; `{{ username }}` in templates.
    #[serde(default)]
    pub username: String,
    /// From whom patients see the messages come; `{{ from }}` in templates.
    #[serde(default)]
    pub from: String,
    /// Beginnings of the numbers that it serves, with a plus sign; none: every number.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Whether typographic signs become plain ones where that costs fewer parts.
    pub smart: bool,
    /// Who cuts a text that is longer than one message.
    pub parts: PartsConfig,
    /// What the gateway tells of the messages it takes.
    pub receipt_habit: HabitConfig,
    /// Whether the gateway surely drops a message whose validity has passed.
    pub drops_what_lapsed: bool,
    /// SMS parts a second.
    pub segments_per_second: f64,
    /// SMS parts in 24 hours; none: as many as there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_per_day: Option<u32>,
    /// Parallel requests.
    pub connections: u32,
    /// Secrets by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Secret>,
    /// How a message is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestConfig>,
    /// What the answer to it means.
    #[serde(default, skip_serializing_if = "AnswerConfig::is_silent")]
    pub answer: AnswerConfig,
    /// What error codes ask for, wherever they come.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub codes: BTreeMap<String, CodeConfig>,
    /// How a receipt is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<MappingConfig>,
    /// How a reply is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replies: Option<MappingConfig>,
    /// Who may call back, and what is answered.
    #[serde(default, skip_serializing_if = "CallbacksConfig::is_silent")]
    pub callbacks: CallbacksConfig,
}

/// What a gateway tells, unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HabitConfig {
    /// Nothing.
    None,
    /// What becomes of a message, later.
    OnProgress,
    /// A receipt with our correlation id as soon as it has the message.
    OnAcceptance,
}

/// Who cuts a text that is longer than one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartsConfig {
    /// The gateway, and phones show one message.
    Gateway,
    /// The same, and the gateway names each part by an id of its own: in its answer and in receipts.
    Named,
    /// We: each part is a message of its own behind its number, and a request of its own.
    Own,
}

impl GatewayConfig {
    pub(super) fn validate(&self, keys: &mut Keys<'_, '_>) {
        keys.base_url("base_url", &self.base_url);
        keys.require(
            self.request.is_some(),
            "request",
            "is missing",
            "name a preset, or write how the gateway is asked to send",
        );
        keys.require(
            self.parts == PartsConfig::Gateway || self.answer.id.is_some(),
            "answer.id",
            "is missing: without the ids of parts nobody knows which of them arrived",
            "tell where the answer has the id, or let the gateway cut: parts = \"gateway\"",
        );
        keys.pace("segments_per_second", self.segments_per_second);
        keys.require(
            self.messages_per_day != Some(0),
            "messages_per_day",
            "is 0",
            "leave it out for no limit, or pause the channel",
        );
        keys.require(
            (1..=64).contains(&self.connections),
            "connections",
            "is not between 1 and 64",
            "8 suits most gateways",
        );
        keys.require(
            self.prefixes.iter().all(|prefix| is_prefix(prefix)),
            "prefixes",
            "has an entry that is not the beginning of a number",
            "write it as +254",
        );
        for (name, secret) in &self.secrets {
            keys.secret(&format!("secrets.{name}"), secret);
        }
        for (section, mapping) in [("receipts", &self.receipts), ("replies", &self.replies)] {
            if let Some(mapping) = mapping {
                mapping.validate(section, keys);
            }
        }
        if let Some(replies) = &self.replies {
            keys.require(
                replies.id.is_some() || replies.time.is_some(),
                "replies",
                "reads neither an id nor a time: the same answer to two reminders would count once",
                "set replies.id or replies.time",
            );
        }
        let hears = self.receipts.is_some() || self.replies.is_some();
        keys.require(
            !hears || self.callbacks.is_guarded(),
            "callbacks",
            "does not say who may call: anybody could answer for a patient",
            "set path_secrets, header, parameter, basic, hmac or addresses",
        );
        for (place, name) in self.named_secrets() {
            keys.require(
                self.secrets.contains_key(name),
                &format!("secrets.{name}"),
                &format!("is missing, and {place} names it"),
                "hand it over as a credential named like the key",
            );
        }
    }

    /// The secrets that the sections name, with the place that names each; templates are looked at when they are
    /// built.
    fn named_secrets(&self) -> Vec<(&'static str, &str)> {
        let request = self.request.iter().filter_map(|request| request.auth.as_ref());
        let of_request = request.filter_map(|auth| Some(("request.auth", auth.secret()?)));
        of_request.chain(self.callbacks.named_secrets()).collect()
    }
}

/// The beginning of a number in E.164.
fn is_prefix(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (1..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}
