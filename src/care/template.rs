//! A message template as its provider lists it.

use serde::{Deserialize, Serialize};

/// A template in one language, in the provider's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedTemplate {
    /// Its name.
    pub name: String,
    /// The provider's language code.
    pub language: String,
    /// `UTILITY`, `MARKETING`, ...
    pub category: String,
    /// `APPROVED`, `PAUSED`, `DISABLED`, ...
    pub status: String,
    /// `GREEN`, `YELLOW`, `RED`, `UNKNOWN`; empty where it is not told.
    pub quality: String,
    /// How many parameters its body has.
    pub parameters: usize,
    /// Their names, where they have names; else empty.
    pub parameter_names: Vec<String>,
    /// What its header is: `IMAGE`, `TEXT`, ...; empty without one.
    pub header: String,
    /// Its quick replies.
    pub buttons: usize,
    /// `message_send_ttl_seconds`; none: not set, or taken away when it was sorted anew.
    pub ttl_seconds: Option<u32>,
}

/// A template by which a programme's messages may not go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldTemplate {
    /// Configured channel.
    pub channel: String,
    /// Whose messages.
    pub programme: String,
    /// Its name at the provider.
    pub name: String,
    /// The provider's language code.
    pub language: String,
    /// Why, in words for operators.
    pub why: String,
}
