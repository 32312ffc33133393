//! A section of kind `whatsapp`.

use super::Keys;
use crate::config::Secret;
use serde::{Deserialize, Serialize};

/// Meta's categories that a reminder can be of; templates for passwords carry no reminders.
const CATEGORIES: [&str; 2] = ["UTILITY", "MARKETING"];

/// WhatsApp by Meta's Cloud API.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WhatsappConfig {
    /// `https://graph.facebook.com/v25.0`, or a partner's.
    pub base_url: String,
    /// The sender.
    pub phone_number_id: String,
    /// Whether the sender's id is part of the paths: Meta wants it, partners know the sender by the token.
    pub phone_id_in_path: bool,
    /// The account whose templates are listed; without it they are not looked at.
    pub business_account_id: Option<String>,
    /// Token of requests.
    pub access_token: Secret,
    /// The header it travels in: as `Bearer` in `Authorization`, bare in any other.
    pub auth_header: String,
    /// Key of webhook signatures; two during rotation.
    pub app_secrets: Vec<Secret>,
    /// Expected at the webhook's registration.
    pub verify_token: Secret,
    /// Categories of templates that reminders may go by.
    pub template_categories: Vec<String>,
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
        let account = self.business_account_id.as_deref().unwrap_or_default();
        keys.require(
            account.bytes().all(|byte| byte.is_ascii_digit()),
            "business_account_id",
            "is not an account's id, digits only",
            "copy it from WhatsApp Manager, or leave it out",
        );
        keys.require(
            self.auth_header.parse::<reqwest::header::HeaderName>().is_ok(),
            "auth_header",
            "is no name of a header",
            "write Authorization, or what the partner wants: D360-API-KEY",
        );
        keys.require(
            !self.template_categories.is_empty()
                && self.template_categories.iter().all(|c| CATEGORIES.contains(&c.as_str())),
            "template_categories",
            "is empty or has a word that is no category of Meta's",
            "write UTILITY; MARKETING beside it lets reminders go by what Meta calls marketing",
        );
        keys.secret("access_token", &self.access_token);
        keys.secrets("app_secrets", &self.app_secrets);
        keys.secret("verify_token", &self.verify_token);
        keys.pace("messages_per_second", self.messages_per_second);
    }
}
