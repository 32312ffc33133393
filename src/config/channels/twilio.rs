//! A section of kind `twilio`.

use super::{Keys, is_e164, is_sid};
use crate::config::Secret;
use serde::{Deserialize, Serialize};

/// SMS by Twilio.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    pub(super) fn validate(&self, keys: &mut Keys<'_, '_>) {
        keys.base_url("base_url", &self.base_url);
        keys.require(
            is_sid(&self.account_sid, "AC"),
            "account_sid",
            "is not AC with 32 hexadecimal digits",
            "copy it from Twilio's console",
        );
        keys.secrets("auth_tokens", &self.auth_tokens);
        keys.require(
            is_e164(&self.from) || is_sid(&self.from, "MG"),
            "from",
            "is neither a number in E.164 nor a Messaging Service",
            "write it as +14155550100 or MG and 32 hexadecimal digits",
        );
        keys.pace("messages_per_second", self.messages_per_second);
    }
}
