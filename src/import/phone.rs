//! Addresses in their normal form: E.164 phone numbers and email addresses. What is not surely an address of
//! the patient is refused with a reason, never guessed: a wrong number is a message to a stranger (hazard H08).

use crate::care::Address;
use phonenumber::metadata::{DATABASE, Descriptor};
use phonenumber::{Mode, PhoneNumber, Type};
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

/// A phone number and what kind of line it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// The number, in E.164.
    pub address: Address,
    /// Kind of line.
    pub line: Line,
}

/// What a number takes, as far as its plan tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Nothing speaks against SMS.
    Mobile,
    /// A landline: no SMS, which some carriers read aloud to whoever lifts; WhatsApp may be registered on it.
    Landline,
}

/// A phone number as written, in E.164.
///
/// Digits of any script are read. `region` is the ISO 3166 code for numbers without a country code.
///
/// # Errors
/// When it is not surely a number that takes messages.
pub fn phone(written: &str, region: Option<&str>) -> Result<Number, AddressFault> {
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
    if !international && country.is_none() {
        return Err(AddressFault::NoRegion);
    }
    let number = phonenumber::parse(country, text).map_err(|_| AddressFault::Invalid)?;
    let number = match country {
        Some(country) if !number.is_valid() && !international => national(country, text),
        _ => Some(number),
    };
    let number = number.ok_or(AddressFault::Invalid)?;
    if number.extension().is_some() {
        return Err(AddressFault::Extension);
    }
    if !number.is_valid() {
        return Err(AddressFault::Invalid);
    }
    if !international && has_lost_zero(&number, text) {
        return Err(AddressFault::LostZero);
    }
    let line = match number.number_type(&DATABASE) {
        Type::FixedLine => Line::Landline,
        Type::Unknown if is_zero_led_landline(&number) => Line::Landline,
        Type::TollFree => return Err(takes_none("toll-free")),
        Type::PremiumRate => return Err(takes_none("premium-rate")),
        Type::SharedCost => return Err(takes_none("shared-cost")),
        Type::Pager => return Err(takes_none("pager")),
        Type::Voicemail => return Err(takes_none("voicemail")),
        Type::Uan => return Err(takes_none("company")),
        Type::Emergency | Type::ShortCode => return Err(takes_none("short")),
        _ => Line::Mobile,
    };
    Ok(Number { address: Address::new(number.format().mode(Mode::E164).to_string()), line })
}

/// The number that the digits are after the region's country code: a national number may begin as that code does
/// (Rwanda's landlines), and the parser takes such a beginning off.
fn national(country: phonenumber::country::Id, text: &str) -> Option<PhoneNumber> {
    let code = DATABASE.by_id(country.as_ref())?.country_code();
    phonenumber::parse(None, format!("+{code} {text}")).ok()
}

/// Whether people of the number's country would have written a zero that is not there: with neither it nor a plus
/// sign the number has most likely been through a spreadsheet, and may as well be foreign.
fn has_lost_zero(number: &PhoneNumber, text: &str) -> bool {
    let first = |text: &str| text.chars().find(char::is_ascii_digit);
    let usual = number.format().mode(Mode::National).to_string();
    first(&usual) == Some('0') && first(text) != Some('0')
}

/// Whether a number with a leading zero of its own (Italy, Benin) is a landline's: the crate forgets the zero when it
/// looks for the kind.
fn is_zero_led_landline(number: &PhoneNumber) -> bool {
    let national = number.national().to_string();
    let plans = DATABASE.by_code(&number.code().value()).unwrap_or_default();
    plans.iter().any(|plan| {
        let kinds = plan.descriptors();
        let is = |kind: Option<&Descriptor>| kind.is_some_and(|kind| kind.is_match(&national));
        is(kinds.fixed_line()) && !is(kinds.mobile())
    })
}

pub(super) fn takes_none(line: &str) -> AddressFault {
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

/// Maps decimal digits of every script to ASCII, as well as other forms of the plus; drops marks of direction.
fn ascii_digits(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mapped = text.chars().filter_map(|c| match c {
        '\u{FF0B}' | '\u{FE62}' => Some('+'),
        '\u{00A0}' | '\u{202F}' => Some(' '),
        '\u{2010}'..='\u{2015}' => Some('-'),
        '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'
        | '\u{2066}'..='\u{2069}'
        | '\u{FEFF}' => None,
        other => Some(ascii_digit(other).unwrap_or(other)),
    });
    Cow::Owned(mapped.collect())
}

/// Zeros of the decimal digits of all scripts (Unicode 17, general category Nd): ten in a row each, by value.
const ZEROS: [u32; 77] = [
    0x0030, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6,
    0x0D66, 0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80,
    0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0,
    0xFF10, 0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450,
    0x114D0, 0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0, 0x11C50,
    0x11D50, 0x11DA0, 0x11DE0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1CCF0,
    0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1, 0x1E950,
    0x1FBF0,
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
            ("0270101193", Some("AU"), Ok("+61270101193")),
            ("+1 800 234 5678", None, Err(takes_none("toll-free"))),
            ("911", Some("US"), Err(Invalid)),
            ("  ", Some("US"), Err(Empty)),
            ("+44 (0)7911 123456", None, Ok("+447911123456")),
            ("00254712345678", Some("GB"), Ok("+254712345678")),
            ("(11) 96123-4567", Some("BR"), Ok("+5511961234567")),
            ("011 96123-4567", Some("BR"), Ok("+5511961234567")),
            ("250 123 456", Some("RW"), Ok("+250250123456")),
            // Two numbers are none.
            ("0712345678/0722345678", Some("KE"), Err(Invalid)),
            ("0712345678, 0722345678", Some("KE"), Err(Invalid)),
            ("0712345678 or 0722345678", Some("KE"), Err(Invalid)),
            ("0712345678 (wife)", Some("KE"), Err(Invalid)),
            ("call my sister", Some("US"), Err(Invalid)),
        ];
        for (written, region, expected) in cases {
            let got = phone(written, *region);
            let got = got.as_ref().map(|n| n.address.expose()).map_err(Clone::clone);
            assert_eq!(got, *expected, "{written} in {region:?}");
        }
    }

    #[derive(Deserialize)]
    struct Vectors {
        rows: Vec<Row>,
    }

    /// What the port of Google's library for Python says of a number.
    #[derive(Deserialize)]
    struct Row {
        region: String,
        input: String,
        e164: Option<String>,
        valid: bool,
        #[serde(rename = "type")]
        kind: Option<String>,
    }

    /// Rows on which we say something else, and why.
    const DIFFERENT: [(&str, &str, &str); 1] =
        [("KE", "+254712123456 ext 5", "no message reaches an extension")];

    #[test]
    fn numbers_are_those_that_googles_library_knows() {
        let vectors: Vectors =
            serde_json::from_str(include_str!("../../tests/data/phone-e164.json")).unwrap();
        assert_eq!(vectors.rows.len(), 512);
        let mut different = Vec::new();
        for row in &vectors.rows {
            let line = match row.kind.as_deref() {
                Some("FIXED_LINE") => Line::Landline,
                _ => Line::Mobile,
            };
            let expected = row.e164.clone().filter(|_| row.valid).map(|e164| (e164, line));
            let got = phone(&row.input, Some(&row.region)).ok();
            let got = got.map(|number| (number.address.expose().to_owned(), number.line));
            if got != expected {
                different.push((row.region.as_str(), row.input.as_str(), got, expected));
            }
        }
        let known = |(region, input, got, _): &(&str, &str, Option<_>, _)| {
            got.is_none() && DIFFERENT.iter().any(|(r, i, _)| r == region && i == input)
        };
        assert_eq!(different.len(), DIFFERENT.len(), "{different:?}");
        assert!(different.iter().all(known), "{different:?}");
    }

    #[test]
    fn a_digit_of_any_script_is_that_digit() {
        let digits = (char::MIN..=char::MAX).filter_map(|c| Some((c, ascii_digit(c)?)));
        let mut found = 0;
        for (c, digit) in digits {
            assert!(c.is_numeric(), "{c:?} is taken for {digit}");
            found += 1;
        }
        assert_eq!(found, 10 * ZEROS.len());
        assert!(ZEROS.is_sorted());
        // Fullwidth, Arabic-Indic, Persian, Devanagari, Bengali, Burmese, Adlam, bold.
        for zero in ['０', '٠', '۰', '०', '০', '၀', '𞥐', '𝟎'] {
            let digit = |n: u32| char::from_u32(u32::from(zero) + n).unwrap();
            let written: String =
                "0712345678".chars().map(|c| digit(c.to_digit(10).unwrap())).collect();
            let number = phone(&written, Some("KE")).unwrap();
            assert_eq!(number.address.expose(), "+254712345678", "{written}");
        }
        // Signs that look like digits and are none do not become some.
        for sign in ["²", "①", "Ⅳ", "½", "〇"] {
            let written = format!("+25471234567{sign}");
            assert!(phone(&written, None).is_err(), "{written}");
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
