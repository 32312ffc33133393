//! How a gateway is asked to send, and what its answer means.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A request. Every text is a minijinja template; what a template leaves empty in `query`, `form` and `headers` is
/// left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestConfig {
    /// `GET`, `POST`, `PUT`.
    #[serde(default = "post")]
    pub method: String,
    /// What follows `base_url`; values in it are escaped for a URL.
    #[serde(default)]
    pub path: String,
    /// Parameters of the URL.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A form as the body.
    #[serde(default)]
    pub form: BTreeMap<String, String>,
    /// Any other body; values in it are escaped as `content_type` asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The type of `body`: JSON, XML, a form, or plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Who we are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthConfig>,
}

fn post() -> String {
    "POST".to_owned()
}

/// How a request says who we are. Secrets are named, see `secrets`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AuthConfig {
    /// User and password (RFC 7617).
    Basic {
        /// The user; a template.
        user: String,
        /// The name of the password.
        secret: String,
    },
    /// A bearer token (RFC 6750).
    Bearer {
        /// The name of the token.
        secret: String,
    },
    /// A header.
    Header {
        /// Its name.
        name: String,
        /// What stands before the secret: `App `.
        #[serde(default)]
        prefix: String,
        /// The name of its value.
        secret: String,
    },
    /// A parameter of the URL.
    Query {
        /// Its name.
        name: String,
        /// The name of its value.
        secret: String,
    },
    /// A parameter of the form.
    Form {
        /// Its name.
        name: String,
        /// The name of its value.
        secret: String,
    },
    /// A keyed hash of the request.
    Hmac {
        /// The header that carries it.
        header: String,
        /// What stands before it.
        #[serde(default)]
        prefix: String,
        /// Which hash.
        #[serde(default)]
        algorithm: HmacAlgorithm,
        /// How it is written.
        #[serde(default)]
        encoding: HmacEncoding,
        /// What is hashed: text with `{method}`, `{url}`, `{path}`, `{query}`, `{body}`, ...
        payload: String,
        /// The name of the key.
        secret: String,
    },
}

impl AuthConfig {
    /// The name of its secret.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Basic { secret, .. }
            | Self::Bearer { secret }
            | Self::Header { secret, .. }
            | Self::Query { secret, .. }
            | Self::Form { secret, .. }
            | Self::Hmac { secret, .. } => Some(secret),
        }
    }
}

/// Which keyed hash (RFC 2104).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HmacAlgorithm {
    /// HMAC-SHA-1.
    Sha1,
    /// HMAC-SHA-256.
    #[default]
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

/// How a hash is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HmacEncoding {
    /// Hexadecimal digits.
    #[default]
    Hex,
    /// Base64 (RFC 4648 section 4).
    Base64,
}

/// What an answer means. Fields are read as in a callback, with `json:`, `xml:`, `header.` and `regex:`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerConfig {
    /// HTTP statuses of a message that was taken: `200`, `200-299`; none: 200-299.
    #[serde(default)]
    pub statuses: Vec<String>,
    /// Where the entries lie when the answer has one for each recipient or part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// What an entry of a message that was taken passes; none: the status decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<TestConfig>,
    /// The gateway's id of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Seconds to wait, where they stand in the body; the header `Retry-After` counts in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// What the codes of answers ask for, before those of `codes`.
    #[serde(default)]
    pub codes: BTreeMap<String, CodeConfig>,
}

impl AnswerConfig {
    /// Whether it says nothing.
    pub fn is_silent(&self) -> bool {
        self.statuses.is_empty()
            && self.each.is_none()
            && self.ok.is_none()
            && self.id.is_none()
            && self.code.is_none()
            && self.retry_after.is_none()
            && self.codes.is_empty()
    }
}

/// What a value must be: one of some words, or what a regular expression finds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestConfig {
    /// The field.
    pub at: String,
    /// Its words.
    #[serde(default)]
    pub is: Vec<String>,
    /// A regular expression that finds something in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
}

/// What a code asks for: a word of our actions, or one with a pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CodeConfig {
    /// `retry`, `next-channel`, `bad-address`, `opted-out`, `pause-channel`, `unknown`, `fix`.
    Action(String),
    /// The same, with the least pause before the next try.
    Paused {
        /// The action.
        action: String,
        /// In seconds.
        wait_seconds: u32,
    },
}
