//! How many parts an SMS takes, and how to save some.

/// The alphabet that a text travels in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Seven bits a character (3GPP TS 23.038 section 6.2.1).
    Gsm7,
    /// Sixteen bits a code unit.
    Ucs2,
}

/// What a text takes as SMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Its alphabet.
    pub encoding: Encoding,
    /// Number of parts; each one is paid for.
    pub parts: usize,
}

/// Basic character set without the escape (3GPP TS 23.038 section 6.2.1); each takes one septet.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                     ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Extension table (section 6.2.1.1); each takes an escape and a septet.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// Counts the parts of a text: 160 septets or 70 code units alone, 153 or 67 in each of several (the header
/// that joins them takes the rest, 3GPP TS 23.040 section 9.2.3.24). An escape or surrogate pair is never cut.
pub fn count(text: &str) -> Segments {
    let septets: Option<Vec<usize>> = text.chars().map(septets).collect();
    let (encoding, widths, alone, joined) = match septets {
        Some(widths) => (Encoding::Gsm7, widths, 160, 153),
        None => (Encoding::Ucs2, text.chars().map(char::len_utf16).collect(), 70, 67),
    };
    let parts = if widths.iter().sum::<usize>() <= alone { 1 } else { fill(&widths, joined) };
    Segments { encoding, parts }
}

/// The text with typographic characters that force sixteen bits put into their plain forms. Letters stay: an
/// accent lost can change a word.
pub fn smart(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{2032}' | '\u{60}' | '\u{b4}' => {
                plain.push('\'');
            }
            '\u{201c}'..='\u{201e}' | '\u{2033}' | '«' | '»' => plain.push('"'),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => plain.push('-'),
            '\u{2022}' => plain.push('*'),
            '\u{2026}' => plain.push_str("..."),
            '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}' | '\t' => plain.push(' '),
            '\u{200b}' | '\u{feff}' => {}
            c => plain.push(c),
        }
    }
    plain
}

fn septets(c: char) -> Option<usize> {
    if BASIC.contains(c) {
        Some(1)
    } else if EXTENSION.contains(c) {
        Some(2)
    } else {
        None
    }
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
