//! Tokens that go out in addresses and links and come back: signed, so that nobody can make one, and of small letters
//! and digits only, because mail servers fold case.

use super::keyed;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// RFC 4648 section 6, in small letters.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const ID_BYTES: usize = 16;
/// 72 bits: nobody tries so many online, and the local part of an address has 64 octets at most (RFC 5321 section
/// 4.5.3.1.1).
const MAC_BYTES: usize = 9;
const BYTES: usize = ID_BYTES + MAC_BYTES;
/// Characters of a token.
const CHARACTERS: usize = BYTES * 8 / 5;

/// What a token is for: one that is made for one purpose is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// The return path of an attempt.
    Bounce,
    /// Where the answer to an attempt goes.
    Reply,
    /// A patient leaves this programme's messages.
    Unsubscribe {
        /// The programme; it is not readable from the token.
        programme: &'a str,
    },
}

impl Purpose<'_> {
    const fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Bounce => ("bounce", ""),
            Self::Reply => ("reply", ""),
            Self::Unsubscribe { programme } => ("unsubscribe", programme),
        }
    }
}

/// Makes and reads tokens, under a key of its own.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Tokens([u8; 32]);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(********)")
    }
}

impl Tokens {
    pub(super) fn new(master: &[u8; 32]) -> Self {
        Self(keyed(master, &[b"tokens"]))
    }

    /// The token of an id: 40 characters of `a-z2-7`.
    pub fn sign(&self, purpose: Purpose<'_>, id: Uuid) -> String {
        let mut bytes = [0_u8; BYTES];
        bytes[..ID_BYTES].copy_from_slice(id.as_bytes());
        bytes[ID_BYTES..].copy_from_slice(&self.mac(purpose, id));
        spelled(&bytes)
    }

    /// The id of a token, in whatever case it came back; none if we did not make it for this purpose.
    pub fn read(&self, purpose: Purpose<'_>, token: &str) -> Option<Uuid> {
        let bytes = read(token)?;
        let id = Uuid::from_slice(&bytes[..ID_BYTES]).ok()?;
        let is_ours: bool = bytes[ID_BYTES..].ct_eq(&self.mac(purpose, id)).into();
        is_ours.then_some(id)
    }

    fn mac(&self, purpose: Purpose<'_>, id: Uuid) -> [u8; MAC_BYTES] {
        let (word, scope) = purpose.words();
        let mac = keyed(&self.0, &[word.as_bytes(), scope.as_bytes(), id.as_bytes()]);
        let mut short = [0_u8; MAC_BYTES];
        short.copy_from_slice(&mac[..MAC_BYTES]);
        short
    }
}

/// Five bytes to eight characters.
fn spelled(bytes: &[u8; BYTES]) -> String {
    let groups = bytes
        .chunks_exact(5)
        .map(|five| five.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte)));
    let characters = groups.flat_map(|number| {
        (0..8).rev().map(move |place| ALPHABET[(number >> (5 * place) & 31) as usize])
    });
    characters.map(char::from).collect()
}

fn read(token: &str) -> Option<[u8; BYTES]> {
    if token.len() != CHARACTERS {
        return None;
    }
    let mut bytes = [0_u8; BYTES];
    for (eight, five) in token.as_bytes().chunks_exact(8).zip(bytes.chunks_exact_mut(5)) {
        let number = eight.iter().try_fold(0_u64, |number, character| {
            let small = character.to_ascii_lowercase();
            let value = ALPHABET.iter().position(|letter| *letter == small)?;
            Some((number << 5) | value as u64)
        })?;
        five.copy_from_slice(&number.to_be_bytes()[3..]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_in_any_case_and_serves_one_purpose_only() {
        let tokens = Tokens::new(&[1; 32]);
        let id = Uuid::from_u128(0x0195_2d3c_4b5a_7988_a7b6_c5d4_e3f2_0110);
        let rowan = Purpose::Unsubscribe { programme: "rowan" };
        let maple = Purpose::Unsubscribe { programme: "maple" };
        for purpose in [Purpose::Bounce, Purpose::Reply, rowan, maple] {
            let token = tokens.sign(purpose, id);
            assert_eq!(token.len(), CHARACTERS);
            assert!(token.bytes().all(|byte| ALPHABET.contains(&byte)), "{token}");
            assert_eq!(tokens.read(purpose, &token), Some(id));
            assert_eq!(tokens.read(purpose, &token.to_uppercase()), Some(id));
            for other in [Purpose::Bounce, Purpose::Reply, rowan, maple] {
                assert_eq!(tokens.read(other, &token).is_some(), other == purpose);
            }
            assert_eq!(Tokens::new(&[2; 32]).read(purpose, &token), None);
        }
    }

    #[test]
    fn what_is_changed_or_cut_is_no_token() {
        let tokens = Tokens::new(&[1; 32]);
        let token = tokens.sign(Purpose::Bounce, Uuid::from_u128(7));
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'a' { b'b' } else { b'a' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(tokens.read(Purpose::Bounce, &changed), None, "{place}");
        }
        for wrong in ["", "a", &token[1..], &format!("{token}a"), &"1".repeat(40), &"é".repeat(20)]
        {
            assert_eq!(tokens.read(Purpose::Bounce, wrong), None, "{wrong}");
        }
    }
}
