//! How many parts an SMS takes, how to save some, and how to cut a text into messages of their own. Pure; `channel`
//! counts, cuts and encodes by it, `cost` and the lints count by it.

mod alphabet;
mod smart;
mod split;

pub use alphabet::{gsm7_hex, ucs2_hex};
pub use smart::smart;
pub use split::{split, split_numbered};

use alphabet::septets;

/// Septets of one message that is not joined to others (3GPP TS 23.040 section 9.2.3.24).
const SEPTETS_ALONE: usize = 160;
/// And of each of several: the header that joins them takes the rest.
const SEPTETS_JOINED: usize = 153;
/// Code units of one message alone.
const UNITS_ALONE: usize = 70;
/// And of each of several.
const UNITS_JOINED: usize = 67;

/// The alphabet that a text travels in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Encoding {
    /// Seven bits a character (3GPP TS 23.038 section 6.2.1).
    #[serde(rename = "GSM-7")]
    Gsm7,
    /// Sixteen bits a code unit.
    #[serde(rename = "UCS-2")]
    Ucs2,
}

impl Encoding {
    /// The word shown, as providers call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        }
    }
}

/// What a text takes as SMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Its alphabet.
    pub encoding: Encoding,
    /// What it takes in units of the alphabet: septets or code units.
    pub units: usize,
    /// Number of parts; each one is paid for.
    pub parts: usize,
}

/// Counts the parts of a text: 160 septets or 70 code units alone, 153 or 67 in each of several. An escape or
/// surrogate pair is never cut.
pub fn count(text: &str) -> Segments {
    let seven: Option<Vec<usize>> = text.chars().map(septets).collect();
    let (encoding, widths, alone, joined) = if let Some(widths) = seven {
        (Encoding::Gsm7, widths, SEPTETS_ALONE, SEPTETS_JOINED)
    } else {
        let widths: Vec<usize> = text.chars().map(char::len_utf16).collect();
        (Encoding::Ucs2, widths, UNITS_ALONE, UNITS_JOINED)
    };
    let units = widths.iter().sum();
    let parts = if units <= alone { 1 } else { fill(&widths, joined) };
    Segments { encoding, units, parts }
}

/// The characters that force sixteen bits, each once, in the order of the text. None of them: it travels in seven.
pub fn forcing(text: &str) -> Vec<char> {
    let mut found = Vec::new();
    for c in text.chars().filter(|c| septets(*c).is_none()) {
        if !found.contains(&c) {
            found.push(c);
        }
    }
    found
}

/// Parts of `room` units each that hold characters of these widths, none of them cut.
fn fill(widths: &[usize], room: usize) -> usize {
    let mut parts = 1;
    let mut used = 0;
    for width in widths {
        if used + width > room {
            parts += 1;
            used = 0;
        }
        used += width;
    }
    parts
}
