//! A section of kind `whatsapp`.

use super::Keys;
use crate::config::Secret;
use serde::{Deserialize, Serialize};

/// WhatsApp by Meta's Cloud API.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    pub(super) fn validate(&self, keys: &mut Keys<'_, '_>) {
        keys.base_url("base_url", &self.base_url);
        keys.require(
            !self.phone_number_id.is_empty()
                && self.phone_number_id.bytes().all(|byte| byte.is_ascii_digit()),
            "phone_number_id",
            "is not a number's id, digits only",
            "copy it from WhatsApp Manager; it is not the phone number",
        );
        keys.secret("access_token", &self.access_token);
        keys.secrets("app_secrets", &self.app_secrets);
        keys.secret("verify_token", &self.verify_token);
        keys.pace("messages_per_second", self.messages_per_second);
    }
}
