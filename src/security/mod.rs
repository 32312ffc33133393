//! Keys and sealing: what identifies a patient or tells of their health is stored only sealed.
//!
//! XChaCha20-Poly1305 under a key per patient, itself wrapped by the master key; the associated data names
//! table, row and column, so a ciphertext moved elsewhere does not open (design.md section 7). Look-up by phone
//! or external id goes through a keyed hash.

mod master;
mod tokens;

pub use master::{MasterKeyError, WhenMissing, load_or_create_master_key};
pub use tokens::{Purpose, Tokens};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// A sealed value did not open: wrong key, wrong place, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value in {table}.{column} does not open: wrong key, or it was moved or damaged")]
pub struct DoesNotOpen {
    /// Table.
    pub table: &'static str,
    /// Column.
    pub column: &'static str,
}

/// Where a sealed value lives; bound to it as associated data.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Table.
    pub table: &'static str,
    /// Column.
    pub column: &'static str,
    /// The row's id.
    pub row: &'a [u8],
}

impl Place<'_> {
    fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(64);
        for part in [self.table.as_bytes(), self.column.as_bytes(), self.row] {
            data.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }
}

/// A 256-bit key that seals values.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealingKey([u8; 32]);

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(********)")
    }
}

impl SealingKey {
    /// A new random key.
    pub fn random(rng: &mut dyn RngCore) -> Self {
        let mut bytes = [0_u8; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Seals a value to its place. Layout: version, nonce, ciphertext with tag.
    pub fn seal(&self, place: Place<'_>, clear: &[u8], rng: &mut dyn RngCore) -> Vec<u8> {
        let mut nonce = [0_u8; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let cipher = XChaCha20Poly1305::new((&self.0).into());
        let payload = Payload { msg: clear, aad: &place.associated_data() };
        // Encryption fails only beyond 256 GiB; an empty value then does not open, and nothing leaks.
        let sealed = cipher.encrypt(XNonce::from_slice(&nonce), payload).unwrap_or_default();
        let mut out = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }

    /// Opens what [`SealingKey::seal`] sealed to the same place.
    ///
    /// # Errors
    /// When key, place or bytes are not those of the sealing.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        let fault = DoesNotOpen { table: place.table, column: place.column };
        if sealed.len() <= 1 + NONCE_BYTES || sealed[0] != VERSION {
            return Err(fault);
        }
        let (nonce, ciphertext) = sealed[1..].split_at(NONCE_BYTES);
        XChaCha20Poly1305::new((&self.0).into())
            .decrypt(
                XNonce::from_slice(nonce),
                Payload { msg: ciphertext, aad: &place.associated_data() },
            )
            .map_err(|_| fault)
    }
}

/// The keys of one installation, all derived from the master key.
#[derive(Clone)]
pub struct Keyring {
    wrapping: SealingKey,
    inbox: SealingKey,
    index: [u8; 32],
    tokens: Tokens,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring(********)")
    }
}

impl Keyring {
    /// The keyring of a master key.
    pub fn new(master: &[u8; 32]) -> Self {
        Self {
            wrapping: SealingKey(keyed(master, &[b"wrap"])),
            inbox: SealingKey(keyed(master, &[b"inbox"])),
            index: keyed(master, &[b"index"]),
            tokens: Tokens::new(master),
        }
    }

    /// Wraps a patient's key for storage beside the patient.
    pub fn wrap(&self, row: &[u8], key: &SealingKey, rng: &mut dyn RngCore) -> Vec<u8> {
        self.wrapping.seal(Place { table: "patients", column: "wrapped_key", row }, &key.0, rng)
    }

    /// Unwraps a patient's key.
    ///
    /// # Errors
    /// When the master key is another one, or the wrapped key belongs to another row.
    pub fn unwrap(&self, row: &[u8], wrapped: &[u8]) -> Result<SealingKey, DoesNotOpen> {
        let place = Place { table: "patients", column: "wrapped_key", row };
        let mut clear = self.wrapping.open(place, wrapped)?;
        let key = <[u8; 32]>::try_from(clear.as_slice()).map(SealingKey);
        clear.zeroize();
        key.map_err(|_| DoesNotOpen { table: place.table, column: place.column })
    }

    /// The key for what belongs to no patient yet: raw callbacks, quarantined imports.
    pub const fn inbox(&self) -> &SealingKey {
        &self.inbox
    }

    /// The maker of tokens that go out in addresses and links.
    pub const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// A keyed hash for look-ups: equal inputs of one purpose give equal hashes, and without the key nobody
    /// can try phone numbers against them. Cut to 128 bits.
    pub fn look_up(&self, purpose: &str, value: &str) -> Vec<u8> {
        keyed(&self.index, &[purpose.as_bytes(), value.as_bytes()])[..16].to_vec()
    }

    /// A value that tells this master key from another without revealing it; stored at the first start.
    pub fn fingerprint(&self) -> String {
        hex(&keyed(&self.index, &[b"fingerprint"])[..16])
    }
}

/// Randomness that the whole daemon shares: each piece of work forks a generator of its own, so that a seeded
/// run is reproducible and no lock is held over an await.
#[derive(Debug)]
pub struct SharedRng(std::sync::Mutex<StdRng>);

impl SharedRng {
    /// From the operating system.
    pub fn from_os() -> Self {
        Self(std::sync::Mutex::new(StdRng::from_os_rng()))
    }

    /// From a seed: tests, simulation and the demo.
    pub fn seeded(seed: u64) -> Self {
        Self(std::sync::Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// A generator for one piece of work.
    pub fn fork(&self) -> StdRng {
        let mut shared = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        StdRng::from_rng(&mut *shared)
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// The bytes of hexadecimal digits, of either case; none where the text is not whole pairs of them.
pub fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC pads a key with zeros to its block of 64 bytes (RFC 2104 section 2).
    let mut block = [0_u8; 64];
    block[..32].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as Mac>::new((&block).into());
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_a_sealed_value_opens_only_in_its_place_under_its_key() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        let key = SealingKey::random(&mut rng);
        let place = Place { table: "patients", column: "document", row: b"one" };
        let sealed = key.seal(place, b"metformin", &mut rng);
        assert!(!sealed.windows(9).any(|w| w == b"metformin"));
        assert_eq!(key.open(place, &sealed).unwrap(), b"metformin");
        assert!(key.open(Place { row: b"two", ..place }, &sealed).is_err());
        assert!(key.open(Place { column: "name", ..place }, &sealed).is_err());
        assert!(SealingKey::random(&mut rng).open(place, &sealed).is_err());
        let mut damaged = sealed.clone();
        damaged[30] ^= 1;
        assert!(key.open(place, &damaged).is_err());
    }

    #[test]
    fn a_wrapped_key_belongs_to_its_row_and_master_key() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(8);
        let (ring, other) = (Keyring::new(&[1; 32]), Keyring::new(&[2; 32]));
        let key = SealingKey::random(&mut rng);
        let wrapped = ring.wrap(b"row", &key, &mut rng);
        assert_eq!(ring.unwrap(b"row", &wrapped).unwrap().0, key.0);
        assert!(ring.unwrap(b"other", &wrapped).is_err());
        assert!(other.unwrap(b"row", &wrapped).is_err());
        assert_ne!(ring.look_up("phone", "+1"), ring.look_up("email", "+1"));
        assert_ne!(ring.fingerprint(), other.fingerprint());
    }
}
