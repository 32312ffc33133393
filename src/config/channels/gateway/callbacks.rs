//! Who may call back, and how what a gateway says is read.

use super::super::Keys;
use super::{CodeConfig, HmacAlgorithm, HmacEncoding};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Words of `status_map`.
const STATUSES: [&str; 8] =
    ["queued", "sent", "delivered", "read", "failed", "canceled", "unknown", "ignore"];

/// Where the fields of a callback lie.
///
/// A field is `form.NAME`, `query.NAME`, `header.NAME`, `json:/POINTER`, `xml:/POINTER`, `/POINTER` (into the entry of
/// `each`, else into the body), `body`, or alternatives of these with `|`. ` ~ REGEX` behind one takes what the first
/// group of the regular expression finds in it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MappingConfig {
    /// Where the entries lie when a callback has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// The gateway's id of the message, or of the reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Our id; without this key it is looked for in our own parameter of the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// Who wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// To whom; of receipts it is looked for under usual names without this key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What the patient wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The gateway's id of the message that a reply answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The gateway's word for what became of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Its words in ours: queued, sent, delivered, read, failed, canceled, unknown, ignore.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub status_map: BTreeMap<String, String>,
    /// Its error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its words about the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_details: Option<String>,
    /// What the codes of receipts ask for, before those of the channel.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub codes: BTreeMap<String, CodeConfig>,
    /// When it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// strftime's signs, or `unix`, `unix-ms`, `rfc3339`, `rfc2822`; without this key one of the last four.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_format: Option<String>,
    /// The zone of a time that names none; UTC without this key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The country code of numbers that come without one: `+254`; a leading zero is dropped then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country_code: Option<String>,
}

impl MappingConfig {
    pub(super) fn validate(&self, section: &str, keys: &mut Keys<'_, '_>) {
        for (word, ours) in &self.status_map {
            keys.require(
                STATUSES.contains(&ours.as_str()),
                &format!("{section}.status_map.{word}"),
                "is none of its words",
                &format!("write one of: {}", STATUSES.join(", ")),
            );
        }
        let zone = self.time_zone.as_deref().unwrap_or("UTC");
        keys.require(
            zone.parse::<chrono_tz::Tz>().is_ok(),
            &format!("{section}.time_zone"),
            "is no time zone",
            "write it as Africa/Nairobi",
        );
        if let Some(code) = &self.country_code {
            keys.require(
                super::is_prefix(code),
                &format!("{section}.country_code"),
                "is not a country code",
                "write it as +254",
            );
        }
    }
}

/// Who may call back: everything that is set must hold. Secrets are named, see `secrets`; of several any fits, so that
/// one can be rotated.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallbacksConfig {
    /// A part of the path behind the channel's name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub path_secrets: Vec<String>,
    /// A header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<NamedSecretConfig>,
    /// A parameter of the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<NamedSecretConfig>,
    /// User and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicConfig>,
    /// A keyed hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hmac: Option<SignatureConfig>,
    /// Addresses of the gateway: `203.0.113.7`, `203.0.113.0/24`, `2001:db8::/32`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// The header in which the proxy before this server names the caller last; without this key it is whoever connects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_header: Option<String>,
    /// The body of our answer, where the gateway wants one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub answer: String,
    /// The type of that body; plain text without this key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// A header or parameter with a secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedSecretConfig {
    /// Its name.
    pub name: String,
    /// Names of the secrets, any of which it may carry.
    pub secrets: Vec<String>,
}

/// HTTP basic authentication of callbacks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicConfig {
    /// The user.
    pub user: String,
    /// Names of the passwords.
    pub secrets: Vec<String>,
}

/// A keyed hash of callbacks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureConfig {
    /// The header that carries it.
    pub header: String,
    /// What stands before it.
    #[serde(default)]
    pub prefix: String,
    /// Which hash.
    #[serde(default)]
    pub algorithm: HmacAlgorithm,
    /// How it is written.
    #[serde(default)]
    pub encoding: HmacEncoding,
    /// What is hashed: text with `{method}`, `{url}`, `{path}`, `{query}`, `{query_sorted}`, `{form_sorted}`, `{body}`,
    /// `{body_sha256}`, `{body_sha256_bytes}`, `{header.NAME}`.
    pub payload: String,
    /// Names of the keys.
    pub secrets: Vec<String>,
}

impl CallbacksConfig {
    /// Whether it says nothing.
    pub fn is_silent(&self) -> bool {
        !self.is_guarded() && self.answer.is_empty()
    }

    /// Whether anything keeps strangers out.
    pub fn is_guarded(&self) -> bool {
        !self.addresses.is_empty() || !self.named_secrets().is_empty()
    }

    pub(super) fn named_secrets(&self) -> Vec<(&'static str, &str)> {
        let lists: [(&'static str, &[String]); 5] = [
            ("callbacks.path_secrets", &self.path_secrets),
            ("callbacks.header", self.header.as_ref().map_or(&[], |h| &h.secrets)),
            ("callbacks.parameter", self.parameter.as_ref().map_or(&[], |p| &p.secrets)),
            ("callbacks.basic", self.basic.as_ref().map_or(&[], |b| &b.secrets)),
            ("callbacks.hmac", self.hmac.as_ref().map_or(&[], |h| &h.secrets)),
        ];
        let named = lists.into_iter();
        named.flat_map(|(key, names)| names.iter().map(move |name| (key, name.as_str()))).collect()
    }
}
