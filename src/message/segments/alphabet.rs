//! The two alphabets of SMS: what a character takes in each, and a text as the hex that some gateways ask for.

use std::fmt::Write;

/// Basic character set in the order of its codes, without the escape at 0x1B (3GPP TS 23.038 section 6.2.1).
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                     ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Extension table (section 6.2.1.1): each takes the escape and a septet of its own.
const EXTENSION: [(char, u8); 10] = [
    ('\u{c}', 0x0a),
    ('^', 0x14),
    ('{', 0x28),
    ('}', 0x29),
    ('\\', 0x2f),
    ('[', 0x3c),
    ('~', 0x3d),
    (']', 0x3e),
    ('|', 0x40),
    ('€', 0x65),
];
/// What stands before a septet of the extension table.
const ESCAPE: u8 = 0x1b;

/// Septets that a character takes; `None` when it is not in the seven-bit alphabet.
pub(super) fn septets(c: char) -> Option<usize> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '\n' | '.' | ',');
    if plain(c) || BASIC.contains(c) {
        Some(1)
    } else {
        EXTENSION.iter().any(|(extra, _)| *extra == c).then_some(2)
    }
}

/// Two hex digits a septet, not packed, as gateways take GSM-7; `None` when a character is not in the alphabet.
pub fn gsm7_hex(text: &str) -> Option<String> {
    let mut hex = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if let Some(place) = BASIC.chars().position(|basic| basic == c) {
            // The escape has a place of its own among the basic codes.
            let code = place + usize::from(place >= usize::from(ESCAPE));
            let _ = write!(hex, "{code:02X}");
        } else {
            let (_, code) = EXTENSION.iter().find(|(extra, _)| *extra == c)?;
            let _ = write!(hex, "{ESCAPE:02X}{code:02X}");
        }
    }
    Some(hex)
}

/// Four hex digits a code unit, high byte first, as gateways take UCS-2; a character beyond the basic plane as its
/// surrogate pair.
pub fn ucs2_hex(text: &str) -> String {
    let mut hex = String::with_capacity(text.len() * 4);
    for unit in text.encode_utf16() {
        let _ = write!(hex, "{unit:04X}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_that_of_the_standards_tables() {
        // Codes of 3GPP TS 23.038, table 6.2.1 and 6.2.1.1.
        assert_eq!(gsm7_hex("@Δ_ΞÆÉ @").unwrap(), "0010111A1C1F2000");
        assert_eq!(gsm7_hex("AZÄ§¿azà").unwrap(), "415A5B5F60617A7F");
        assert_eq!(gsm7_hex("€[x]").unwrap(), "1B651B3C781B3E");
        assert_eq!(gsm7_hex("ç"), None);
        assert_eq!(ucs2_hex("aç€"), "006100E720AC");
        assert_eq!(ucs2_hex("😀"), "D83DDE00");
    }

    #[test]
    fn what_can_be_encoded_is_what_is_counted() {
        for c in ('\0'..='\u{ffff}').chain(['😀']) {
            let hex = gsm7_hex(&c.to_string());
            assert_eq!(hex.map(|hex| hex.len() / 2), septets(c), "{c:?}");
        }
    }
}
