//! Keyed hashes over callbacks, compared in constant time.

use crate::config::{HmacAlgorithm, Secret};
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq};

/// Whether any of the secrets makes `given` over `message` with HMAC-SHA-256.
pub(super) fn is_hmac_sha256(secrets: &[Secret], message: &[u8], given: &[u8]) -> bool {
    any::<Hmac<Sha256>>(secrets, message, given).into()
}

/// Whether any of the secrets makes `given` over any of the messages with HMAC-SHA-1.
pub(super) fn is_hmac_sha1(secrets: &[Secret], messages: &[String], given: &[u8]) -> bool {
    any_of::<Hmac<sha1::Sha1>>(secrets, messages, given)
}

/// The same with HMAC-SHA-256.
pub(super) fn is_any_hmac_sha256(secrets: &[Secret], messages: &[String], given: &[u8]) -> bool {
    any_of::<Hmac<Sha256>>(secrets, messages, given)
}

fn any_of<M: Mac + KeyInit>(secrets: &[Secret], messages: &[String], given: &[u8]) -> bool {
    messages
        .iter()
        .map(|message| any::<M>(secrets, message.as_bytes(), given))
        .fold(Choice::from(0), |found, one| found | one)
        .into()
}

/// Whether any of the secrets makes `given` over `message` with this hash.
pub(super) fn is_hmac(
    algorithm: HmacAlgorithm,
    secrets: &[Secret],
    message: &[u8],
    given: &[u8],
) -> bool {
    match algorithm {
        HmacAlgorithm::Sha1 => any::<Hmac<sha1::Sha1>>(secrets, message, given).into(),
        HmacAlgorithm::Sha256 => is_hmac_sha256(secrets, message, given),
        HmacAlgorithm::Sha512 => any::<Hmac<Sha512>>(secrets, message, given).into(),
    }
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

/// A hash that names a callback: equal parts give equal names.
pub(super) fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    crate::security::hex(&hash.finalize()[..16])
}

/// Every secret is tried, whichever fits, so that the time does not tell which.
fn any<M: Mac + KeyInit>(secrets: &[Secret], message: &[u8], given: &[u8]) -> Choice {
    secrets.iter().fold(Choice::from(0), |found, secret| {
        let Ok(mac) = <M as Mac>::new_from_slice(secret.expose().as_bytes()) else {
            return found;
        };
        found | mac.chain_update(message).finalize().into_bytes().ct_eq(given)
    })
}
