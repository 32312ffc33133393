//! Addresses in their normal form: E.164 phone numbers and email addresses. What is not surely an address of
//! the patient is refused with a reason, never guessed: a wrong number is a message to a stranger (hazard H08).

use crate::care::Address;
use phonenumber::{Mode, Type, metadata::DATABASE};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Why an address is not used. Carries nothing of the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum AddressFault {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// `4.91512E+12`.
    #[error(
        "a spreadsheet turned it into scientific notation and lost digits; format the column as text"
    )]
    Scientific,
    /// No plus sign and no region.
    #[error(
        "it has no country code; write it with a plus sign, or set `phone_region` in programme.toml"
    )]
    NoRegion,
    /// No plus sign and no leading zero where the region has one.
    #[error(
        "it has neither a plus sign nor its leading zero, as spreadsheets leave it; write it with a plus sign"
    )]
    LostZero,
    /// An extension.
    #[error("it has an extension, which no message reaches")]
    Extension,
    /// Not a number of any plan.
    #[error("it is no valid phone number; write it with a plus sign and country code")]
    Invalid,
    /// A number that takes no messages.
    #[error("it is a {line} number, which takes no messages")]
    TakesNone {
        /// Kind of line.
        line: String,
    },
    /// Not an email address.
    #[error("it is no email address")]
    NotEmail,
}

/// Regions whose domestic numbers start with their trunk prefix 0 keep it in writing; a number without it and
/// without a plus sign has most likely been through a spreadsheet, and may as well be foreign.
const TRUNK_ZERO: &str = "0";

/// A phone number as written, in E.164.
///
/// Digits of any script are read. `region` is the ISO 3166 code for numbers without a country code.
///
/// # Errors
/// When it is not surely a number that takes messages.
pub fn phone(written: &str, region: Option<&str>) -> Result<Address, AddressFault> {
    let ascii = ascii_digits(written);
    let text = ascii.trim().trim_start_matches("tel:").trim();
    if text.is_empty() {
        return Err(AddressFault::Empty);
    }
    if is_scientific(text) {
        return Err(AddressFault::Scientific);
    }
    if text.contains(";ext=") {
        return Err(AddressFault::Extension);
    }
    let international = text.starts_with('+') || text.starts_with("(+");
    let country =
        region.and_then(|r| r.to_ascii_uppercase().parse::<phonenumber::country::Id>().ok());
    if !international {
        let Some(id) = country else { return Err(AddressFault::NoRegion) };
        let trunk = DATABASE.by_id(id.as_ref()).and_then(phonenumber::Metadata::national_prefix);
        let first = text.chars().find(char::is_ascii_digit);
        if trunk == Some(TRUNK_ZERO) && first != Some('0') {
            return Err(AddressFault::LostZero);
        }
    }
    let number = phonenumber::parse(country, text).map_err(|_| AddressFault::Invalid)?;
    if number.extension().is_some() {
        return Err(AddressFault::Extension);
    }
    if !number.is_valid() {
        return Err(AddressFault::Invalid);
    }
    match number.number_type(&DATABASE) {
        Type::FixedLine => Err(takes_none("fixed-line")),
        Type::TollFree => Err(takes_none("toll-free")),
        Type::PremiumRate => Err(takes_none("premium-rate")),
        Type::SharedCost => Err(takes_none("shared-cost")),
        Type::Pager => Err(takes_none("pager")),
        Type::Voicemail => Err(takes_none("voicemail")),
        Type::Uan => Err(takes_none("company")),
        Type::Emergency | Type::ShortCode => Err(takes_none("short")),
        _ => Ok(Address::new(number.format().mode(Mode::E164).to_string())),
    }
}

fn takes_none(line: &str) -> AddressFault {
    AddressFault::TakesNone { line: line.to_owned() }
}

/// Whether a spreadsheet has turned a long number into `4.91512E+12`.
fn is_scientific(text: &str) -> bool {
    text.contains(['e', 'E']) && text.replace(',', ".").parse::<f64>().is_ok()
}

/// An email address as written, in lower case.
///
/// # Errors
/// When it is none.
pub fn email(written: &str) -> Result<Address, AddressFault> {
    let text = written.trim().trim_start_matches("mailto:");
    if text.is_empty() {
        return Err(AddressFault::Empty);
    }
    let lower = text.to_lowercase();
    lower.parse::<lettre::Address>().map_err(|_| AddressFault::NotEmail)?;
    Ok(Address::new(lower))
}

/// Maps decimal digits of every script to ASCII, as well as the full-width plus; drops marks of direction.
fn ascii_digits(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mapped = text.chars().filter_map(|c| match c {
        '\u{FF0B}' => Some('+'),
        '\u{00A0}' | '\u{202F}' => Some(' '),
        '\u{2010}'..='\u{2015}' => Some('-'),
        '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2066}'..='\u{2069}'
        | '\u{FEFF}' => None,
        other => Some(ascii_digit(other).unwrap_or(other)),
    });
    Cow::Owned(mapped.collect())
}

/// Zeros of the decimal digits (Unicode general category Nd) of the basic plane; ten in a row each.
const ZEROS: [u32; 37] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
    0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
    0x0030,
];

fn ascii_digit(c: char) -> Option<char> {
    let code = u32::from(c);
    let zero = ZEROS.into_iter().find(|zero| (*zero..zero + 10).contains(&code))?;
    char::from_digit(code - zero, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers_are_normalised_or_refused_with_a_reason() {
        use AddressFault::{Empty, Extension, Invalid, LostZero, NoRegion, Scientific};
        let fixed = || takes_none("fixed-line");
        let cases: &[(&str, Option<&str>, Result<&str, AddressFault>)] = &[
            ("+254 712 345 678", None, Ok("+254712345678")),
            ("0712345678", Some("KE"), Ok("+254712345678")),
            ("tel:+254712345678", None, Ok("+254712345678")),
            ("٠٧١٢٣٤٥٦٧٨", Some("ke"), Ok("+254712345678")),
            ("＋２５４７１２３４５６７８", None, Ok("+254712345678")),
            ("\u{202A}+254712345678\u{202C}", None, Ok("+254712345678")),
            ("617-555-0123", Some("US"), Ok("+16175550123")),
            ("0491571491", Some("AU"), Ok("+61491571491")),
            ("712345678", Some("KE"), Err(LostZero)),
            ("254712345678", Some("KE"), Err(LostZero)),
            ("0712345678", None, Err(NoRegion)),
            ("2.54712E+11", Some("KE"), Err(Scientific)),
            ("2,54712E+11", Some("KE"), Err(Scientific)),
            ("0044 7911 123456", Some("US"), Err(Invalid)),
            ("+254712345678 ext. 12", None, Err(Extension)),
            ("+254712345678;ext=12", None, Err(Extension)),
            ("0270101193", Some("AU"), Err(fixed())),
            ("911", Some("US"), Err(Invalid)),
            ("  ", Some("US"), Err(Empty)),
            ("call my sister", Some("US"), Err(Invalid)),
        ];
        for (written, region, expected) in cases {
            let got = phone(written, *region);
            let got = got.as_ref().map(Address::expose).map_err(Clone::clone);
            assert_eq!(got, *expected, "{written} in {region:?}");
        }
    }

    #[test]
    fn email_addresses_are_normalised_or_refused() {
        assert_eq!(email(" Amy.Shaw@Example.COM ").unwrap().expose(), "amy.shaw@example.com");
        for bad in [
            "amy",
            "amy@",
            "a@b\r\nBcc: c@d.org",
            "Amy <amy@example.com>",
            "amy@example.com, b@c.de",
        ] {
            assert_eq!(email(bad).unwrap_err(), AddressFault::NotEmail, "{bad}");
        }
    }
}
