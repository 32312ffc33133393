//! Mail that comes in by webhook: whose it is, and where the mail lies in the request.

use super::super::signature::{fingerprint, is_one_of};
use super::super::{Callback, Reject, Unreadable, Verified};
use crate::config::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mail_parser::{MessageParser, MimeHeaders};
use serde_json::Value;

/// The header that may carry the secret.
const SECRET_HEADER: &str = "x-webhook-secret";

/// How mail comes in.
pub(super) struct Inlet {
    /// Any of them opens; none: nothing comes in.
    pub(super) secrets: Vec<Secret>,
    /// The field of a form or a JSON object in which the mail lies.
    pub(super) field: String,
}

/// A mail as it came in.
pub(super) struct Arrival {
    /// The mail, byte for byte.
    pub(super) mail: Vec<u8>,
    /// What else the request says: the envelope's recipient among it.
    pub(super) beside: String,
}

impl Inlet {
    /// Whether whoever calls knows one of the secrets: by basic or bearer authorisation, a header, or the last part of
    /// the path.
    pub(super) fn verify(&self, callback: &Callback) -> Result<Verified, Reject> {
        if self.secrets.is_empty() || callback.method != "POST" {
            return Err(Reject::Unexpected);
        }
        let given = given(callback);
        if given.is_empty() {
            return Err(Reject::Unsigned);
        }
        // Everything given is tried, so that the time does not tell what fits.
        if given.iter().filter(|given| is_one_of(&self.secrets, given)).count() == 0 {
            return Err(Reject::BadSignature);
        }
        // A service that tries again packs the same mail anew.
        let dedupe_key = match self.open(callback) {
            Ok(arrival) => fingerprint([&arrival.mail[..]]),
            Err(_) => fingerprint([&callback.body[..]]),
        };
        Ok(Verified::Event { dedupe_key })
    }

    /// The mail of a request.
    pub(super) fn open(&self, callback: &Callback) -> Result<Arrival, Unreadable> {
        let kind = callback.header("content-type").unwrap_or_default();
        let family = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let found = match family.as_str() {
            "application/json" => self.in_json(&callback.body),
            "application/x-www-form-urlencoded" => self.in_form(&callback.body),
            "multipart/form-data" => self.in_parts(kind, &callback.body),
            _ => Some(Arrival { mail: callback.body.clone(), beside: String::new() }),
        };
        found
            .filter(|arrival| !arrival.mail.is_empty())
            .ok_or_else(|| Unreadable { kind: format!("no mail in the field {}", self.field) })
    }

    /// A field by its name, or by its path with dots; as text, or as text in base64.
    fn in_json(&self, body: &[u8]) -> Option<Arrival> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let path = self.field.split('.').try_fold(&value, |inner, key| inner.get(key));
        let mail = value.get(&self.field).or(path)?.as_str()?;
        let mut beside = Vec::new();
        texts(&value, mail, &mut beside);
        Some(Arrival { mail: unpacked(mail), beside: beside.join("\n") })
    }

    fn in_form(&self, body: &[u8]) -> Option<Arrival> {
        let fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let mail = fields.iter().find(|(name, _)| *name == self.field).map(|(_, mail)| mail)?;
        let others = fields.iter().filter(|(name, _)| *name != self.field);
        let beside: Vec<&str> = others.map(|(_, value)| value.as_str()).collect();
        Some(Arrival { mail: unpacked(mail), beside: beside.join("\n") })
    }

    /// A form with parts is MIME as well (RFC 7578).
    fn in_parts(&self, kind: &str, body: &[u8]) -> Option<Arrival> {
        let head = format!("Content-Type: {kind}\r\n\r\n");
        let whole = [head.as_bytes(), body].concat();
        let form = MessageParser::default().parse(&whole)?;
        let (mut mail, mut beside) = (None, Vec::new());
        for part in &form.parts {
            let Some(how) = part.content_disposition() else { continue };
            if how.attribute("name") == Some(self.field.as_str()) {
                mail = Some(part.contents().to_vec());
            } else {
                beside.push(String::from_utf8_lossy(part.contents()).into_owned());
            }
        }
        Some(Arrival { mail: mail?, beside: beside.join("\n") })
    }
}

/// What the caller gives as the secret.
fn given(callback: &Callback) -> Vec<String> {
    let mut given = Vec::new();
    let authorization = callback.header("authorization").unwrap_or_default();
    match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            given.push(token.trim().to_owned());
        }
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => {
            let pair =
                BASE64.decode(pair.trim()).ok().and_then(|pair| String::from_utf8(pair).ok());
            given.extend(pair.and_then(|pair| Some(pair.split_once(':')?.1.to_owned())));
        }
        _ => {}
    }
    given.extend(callback.header(SECRET_HEADER).map(ToOwned::to_owned));
    // `/webhooks/NAME/SECRET`
    let path = callback.path_and_query.split('?').next().unwrap_or_default();
    given.extend(path.split('/').nth(3).filter(|part| !part.is_empty()).map(ToOwned::to_owned));
    given
}

/// A mail, or a mail in base64: a mail has colons, which base64 has not.
fn unpacked(text: &str) -> Vec<u8> {
    let packed: String = text.split_whitespace().collect();
    let decoded = (!text.contains(':')).then(|| BASE64.decode(packed).ok()).flatten();
    decoded.unwrap_or_else(|| text.as_bytes().to_vec())
}

/// Every text of a JSON value but one.
fn texts(value: &Value, without: &str, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text != without => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, without, found)),
        Value::Object(fields) => fields.values().for_each(|item| texts(item, without, found)),
        _ => {}
    }
}
