//! Keyed hashes over callbacks, compared in constant time.

use crate::config::{HmacAlgorithm, Secret};
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};
use std::collections::BTreeSet;
use subtle::{Choice, ConstantTimeEq};

/// Whether any of the secrets makes `given` over any of the messages with this hash.
pub(super) fn is_hmac(
    algorithm: HmacAlgorithm,
    secrets: &[Secret],
    messages: &[&[u8]],
    given: &[u8],
) -> bool {
    match algorithm {
        HmacAlgorithm::Sha1 => any::<Hmac<sha1::Sha1>>(secrets, messages, given),
        HmacAlgorithm::Sha256 => any::<Hmac<Sha256>>(secrets, messages, given),
        HmacAlgorithm::Sha512 => any::<Hmac<Sha512>>(secrets, messages, given),
    }
}

/// Every secret is tried with every message, whichever fits, so that the time does not tell which.
fn any<M: Mac + KeyInit>(secrets: &[Secret], messages: &[&[u8]], given: &[u8]) -> bool {
    let pairs = secrets.iter().flat_map(|secret| messages.iter().map(move |m| (secret, *m)));
    let found = pairs.fold(Choice::from(0), |found, (secret, message)| {
        let Ok(mac) = <M as Mac>::new_from_slice(secret.expose().as_bytes()) else {
            return found;
        };
        found | mac.chain_update(message).finalize().into_bytes().ct_eq(given)
    });
    found.into()
}

/// The hash of `message` under a secret.
pub(super) fn hmac(algorithm: HmacAlgorithm, secret: &Secret, message: &[u8]) -> Vec<u8> {
    fn made<M: Mac + KeyInit>(secret: &Secret, message: &[u8]) -> Vec<u8> {
        // A key of any length makes one.
        let mac = <M as Mac>::new_from_slice(secret.expose().as_bytes());
        mac.map_or_else(
            |_| Vec::new(),
            |mac| mac.chain_update(message).finalize().into_bytes().to_vec(),
        )
    }
    match algorithm {
        HmacAlgorithm::Sha1 => made::<Hmac<sha1::Sha1>>(secret, message),
        HmacAlgorithm::Sha256 => made::<Hmac<Sha256>>(secret, message),
        HmacAlgorithm::Sha512 => made::<Hmac<Sha512>>(secret, message),
    }
}

/// Whether two texts are equal; only their lengths show in the time it takes.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// Whether a text is one of the secrets. Every secret is compared, so that the time does not tell which one fits.
pub(super) fn is_one_of(secrets: &[Secret], given: &str) -> bool {
    secrets.iter().filter(|secret| same(secret.expose(), given)).count() > 0
}

/// Names and values of a form run together, sorted by name, then value, each pair once: what Twilio signs, and others
/// after it.
pub(super) fn sorted_form(body: &[u8]) -> String {
    let pairs: BTreeSet<_> = form_urlencoded::parse(body).collect();
    pairs.iter().flat_map(|(name, value)| [name.as_ref(), value.as_ref()]).collect()
}

/// A hash that names a callback: equal parts give equal names.
pub(super) fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    crate::security::hex(&hash.finalize()[..16])
}
