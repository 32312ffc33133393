//! A callback as it came, what is checked of it, and what it is answered.

use serde::{Deserialize, Serialize};

/// A callback as it came in, raw. Stored sealed before it is understood.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Callback {
    /// Method, upper case.
    pub method: String,
    /// Path and query as they came.
    pub path_and_query: String,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    #[serde(with = "base64_body")]
    pub body: Vec<u8>,
}

/// A body in JSON: as a list of numbers it would be four times as long.
mod base64_body {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(body: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(body))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        STANDARD.decode(text.as_bytes()).map_err(|_| D::Error::custom("the body is not base64"))
    }
}

impl Callback {
    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The query as it came, empty when there is none.
    pub fn query(&self) -> &str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }

    /// The first value of a parameter of the query.
    pub fn parameter(&self, wanted: &str) -> Option<String> {
        let mut query = form_urlencoded::parse(self.query().as_bytes());
        query.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    }
}

/// The name under which the caller's address stands among a callback's headers: one that no request can carry (RFC 9110
/// section 5.1).
pub const PEER_HEADER: &str = ":peer";

/// A callback that is what it says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Store it, answer 200 with an empty body, read it later.
    Event {
        /// The same callback sent twice has the same key.
        dedupe_key: String,
    },
    /// Nothing to store: answer 200 with this body at once (a webhook's registration).
    Challenge(String),
}

/// The answer to a callback that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Its body.
    pub body: String,
    /// The type of the body; plain text where none is told.
    pub content_type: Option<String>,
}

/// Why a callback is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// It carries no signature.
    #[error("the callback carries no signature")]
    Unsigned,
    /// The signature is wrong.
    #[error("the callback's signature does not match its bytes")]
    BadSignature,
    /// This channel takes no such request.
    #[error("the channel takes no such request")]
    Unexpected,
}

/// A verified callback that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the callback is not readable: {kind}")]
pub struct Unreadable {
    /// What is wrong, without the content.
    pub kind: String,
}
