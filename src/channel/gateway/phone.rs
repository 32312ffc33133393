//! Numbers as gateways write them, in E.164.

use crate::care::Address;
use crate::config::is_e164;

/// How numbers are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    /// With a plus sign: of numbers that come without one.
    country_code: Option<String>,
}

impl Numbers {
    pub(super) fn new(country_code: Option<&str>) -> Self {
        Self { country_code: country_code.map(ToOwned::to_owned) }
    }

    /// The address; none: it is no number, but a name or a short code.
    pub(super) fn address(&self, text: &str) -> Option<Address> {
        let bare = text.trim().trim_start_matches("tel:").trim_start_matches("whatsapp:");
        // In a query a plus sign that was not escaped has become a blank, which is trimmed.
        let international = bare.starts_with('+') || text.starts_with(' ');
        let digits: String = bare
            .chars()
            .filter(|sign| !matches!(sign, '+' | ' ' | '-' | '(' | ')' | '.'))
            .collect();
        let digits = digits.strip_prefix("00").unwrap_or(&digits);
        let number = match &self.country_code {
            Some(code) if !international && !digits.starts_with(&code[1..]) => {
                format!("{code}{}", digits.trim_start_matches('0'))
            }
            _ => format!("+{digits}"),
        };
        is_e164(&number).then(|| Address::new(number))
    }
}

/// A number as it is dialled at home: without the country code, and without a leading zero.
pub(super) fn national(e164: &str) -> String {
    phonenumber::parse(None, e164).map_or_else(
        |_| e164.trim_start_matches('+').to_owned(),
        |number| number.national().value().to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_kinds_become_e164() {
        for (country_code, text, expected) in [
            (None, "+254700000001", Some("+254700000001")),
            (None, "254700000001", Some("+254700000001")),
            (None, " 254700000001", Some("+254700000001")),
            (None, "00254 700-000 001", Some("+254700000001")),
            (None, "tel:+1 (415) 555.0100", Some("+14155550100")),
            (Some("+254"), "0700000001", Some("+254700000001")),
            (Some("+254"), "700000001", Some("+254700000001")),
            (Some("+254"), "254700000001", Some("+254700000001")),
            (Some("+254"), "+447700900111", Some("+447700900111")),
            (None, "0700000001", None),
            (None, "REMINDER", None),
            (None, "21512", None),
            (None, "", None),
        ] {
            let got = Numbers::new(country_code).address(text);
            assert_eq!(got.as_ref().map(Address::expose), expected, "{text}");
        }
        assert_eq!(national("+254700000001"), "700000001");
        assert_eq!(national("+447700900111"), "7700900111");
    }
}
