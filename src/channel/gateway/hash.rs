//! Keyed hashes of requests and callbacks, over a payload that the configuration words.

use super::super::signature;
use super::field::NoField;
use crate::config::{HmacAlgorithm, HmacEncoding, Secret};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

/// What is hashed: words and parts of a request.
#[derive(Clone, Debug)]
pub(super) struct Payload(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Words(String),
    Method,
    Url,
    Path,
    Query,
    QuerySorted,
    FormSorted,
    Body,
    BodySha256,
    BodySha256Bytes,
    Header(String),
}

/// The request that is hashed.
pub(super) struct Hashed<'a> {
    pub(super) method: &'a str,
    /// As it is reached from outside.
    pub(super) url: &'a str,
    /// Path without the query.
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
    /// Names in lower case.
    pub(super) headers: &'a [(String, String)],
}

impl Payload {
    /// Reads `{method}{url}...` with words between; `\n` stands for a line's end.
    pub(super) fn parse(text: &str) -> Result<Self, NoField> {
        const KNOWN: NoField = NoField(
            "write text with {method}, {url}, {path}, {query}, {query_sorted}, {form_sorted}, {body}, \
             {body_sha256}, {body_sha256_bytes} or {header.NAME}",
        );
        let text = text.replace("\\n", "\n");
        let (mut pieces, mut rest) = (Vec::new(), text.as_str());
        while let Some((words, after)) = rest.split_once('{') {
            if !words.is_empty() {
                pieces.push(Piece::Words(words.to_owned()));
            }
            let (name, after) = after.split_once('}').ok_or(KNOWN)?;
            pieces.push(Piece::of(name).ok_or(KNOWN)?);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Words(rest.to_owned()));
        }
        if pieces.iter().all(|piece| matches!(piece, Piece::Words(_))) {
            return Err(KNOWN);
        }
        Ok(Self(pieces))
    }

    /// The bytes that are hashed.
    pub(super) fn of(&self, hashed: &Hashed<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Words(words) => bytes.extend(words.as_bytes()),
                Piece::Method => bytes.extend(hashed.method.as_bytes()),
                Piece::Url => bytes.extend(hashed.url.as_bytes()),
                Piece::Path => bytes.extend(hashed.path.as_bytes()),
                Piece::Query => bytes.extend(hashed.query.as_bytes()),
                Piece::QuerySorted => bytes.extend(sorted_query(hashed.query).as_bytes()),
                Piece::FormSorted => bytes.extend(signature::sorted_form(hashed.body).as_bytes()),
                Piece::Body => bytes.extend(hashed.body),
                Piece::BodySha256 => {
                    let hash = crate::security::hex(&Sha256::digest(hashed.body));
                    bytes.extend(hash.as_bytes());
                }
                Piece::BodySha256Bytes => bytes.extend(Sha256::digest(hashed.body)),
                Piece::Header(name) => {
                    let value = hashed.headers.iter().find(|(header, _)| header == name);
                    bytes.extend(value.map_or("", |(_, value)| value).as_bytes());
                }
            }
        }
        bytes
    }
}

impl Piece {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "method" => Self::Method,
            "url" => Self::Url,
            "path" => Self::Path,
            "query" => Self::Query,
            "query_sorted" => Self::QuerySorted,
            "form_sorted" => Self::FormSorted,
            "body" => Self::Body,
            "body_sha256" => Self::BodySha256,
            "body_sha256_bytes" => Self::BodySha256Bytes,
            _ => {
                Self::Header(name.strip_prefix("header.").filter(|n| !n.is_empty())?.to_lowercase())
            }
        })
    }
}

/// The parameters as they came, in the order of their names.
fn sorted_query(query: &str) -> String {
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    pairs.join("&")
}

/// The hash of a payload as it is written.
pub(super) fn written(
    algorithm: HmacAlgorithm,
    encoding: HmacEncoding,
    secret: &Secret,
    payload: &[u8],
) -> String {
    let hash = signature::hmac(algorithm, secret, payload);
    match encoding {
        HmacEncoding::Hex => crate::security::hex(&hash),
        HmacEncoding::Base64 => BASE64_STANDARD.encode(hash),
    }
}

/// The bytes of a hash as it came; none: it is none.
pub(super) fn read(encoding: HmacEncoding, text: &str) -> Option<Vec<u8>> {
    match encoding {
        HmacEncoding::Base64 => BASE64_STANDARD.decode(text).ok(),
        HmacEncoding::Hex => crate::security::bytes_of_hex(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_put_together_as_worded() {
        let headers = [("x-time".to_owned(), "17".to_owned())];
        let hashed = Hashed {
            method: "POST",
            url: "https://h/p?b=2&a=1",
            path: "/p",
            query: "b=2&a=1",
            body: b"y=2&x=1",
            headers: &headers,
        };
        for (text, expected) in [
            ("{method} {url}\\n{body}", "POST https://h/p?b=2&a=1\ny=2&x=1"),
            ("{header.X-Time}.{path}.{query}.{query_sorted}", "17./p.b=2&a=1.a=1&b=2"),
            ("{form_sorted}{header.none}", "x1y2"),
            ("{body_sha256}", "70204149c64a38840fe3099830473a18329d3d8ac27b2c6f1acb6cf101903780"),
        ] {
            let got = Payload::parse(text).unwrap().of(&hashed);
            assert_eq!(String::from_utf8(got).unwrap(), expected, "{text}");
        }
        for text in ["", "words", "{boody}", "{body", "{header.}"] {
            assert!(Payload::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        for (algorithm, encoding) in [
            (HmacAlgorithm::Sha1, HmacEncoding::Hex),
            (HmacAlgorithm::Sha256, HmacEncoding::Base64),
            (HmacAlgorithm::Sha512, HmacEncoding::Hex),
        ] {
            let secret = Secret::new("key");
            let text = written(algorithm, encoding, &secret, b"payload");
            let bytes = read(encoding, &text).unwrap();
            assert!(signature::is_hmac(algorithm, &[secret], &[b"payload"], &bytes));
            assert!(!signature::is_hmac(algorithm, &[Secret::new("other")], &[b"payload"], &bytes));
        }
        // RFC 4231, test case 2.
        let text = written(
            HmacAlgorithm::Sha256,
            HmacEncoding::Hex,
            &Secret::new("Jefe"),
            b"what do ya want for nothing?",
        );
        assert_eq!(text, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        for bad in ["0", "zz", "é"] {
            assert_eq!(read(HmacEncoding::Hex, bad), None);
        }
    }
}
