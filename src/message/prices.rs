//! `prices.toml`: what each channel charges, by country.

use super::files::{CatalogueProblem, problem_at};
use crate::care::Micros;
use crate::care::programme::TemplateCategory;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

const BUILT_IN: &str = include_str!("../../schedules/prices.toml");
/// The file in the schedules folder.
const FILE: &str = "prices.toml";
/// The key of the price that holds where no country's does.
const DEFAULT: &str = "default";
/// Most digits of a country's beginning: country code and area.
const MOST_DIGITS: usize = 8;

/// The prices of one installation, in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// ISO 4217.
    pub currency: String,
    /// For each part of an SMS.
    #[serde(default)]
    pub(super) sms: Table,
    /// For each delivered template.
    #[serde(default)]
    pub(super) whatsapp: BTreeMap<TemplateCategory, Table>,
    /// For each email.
    #[serde(default)]
    pub(super) email: Table,
}

/// Prices by the beginning of the number, and one for all others.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Default)]
#[serde(transparent)]
pub(super) struct Table(BTreeMap<String, Micros>);

impl Table {
    /// The price for an address: that of the longest beginning that fits, else the default.
    pub(super) fn of(&self, address: &str) -> Option<Micros> {
        let mut longest = (1..=address.len().min(MOST_DIGITS + 1)).rev();
        let country = longest.find_map(|end| self.0.get(address.get(..end)?));
        country.or_else(|| self.0.get(DEFAULT)).copied()
    }
}

impl Prices {
    /// Reads `prices.toml` of the folder `overlay` (`schedules.dir`), else the copy in the binary: one file alone, so
    /// that no price of an example stands beside those of a contract.
    ///
    /// # Errors
    /// Every problem found.
    pub fn load(overlay: Option<&Path>) -> Result<Self, Vec<CatalogueProblem>> {
        let Some(path) = overlay.map(|folder| folder.join(FILE)).filter(|path| path.exists())
        else {
            return parse("built-in prices.toml", BUILT_IN);
        };
        let shown = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => parse(&shown, &text),
            Err(fault) => Err(vec![super::files::unreadable(shown, &fault)]),
        }
    }
}

fn parse(file: &str, text: &str) -> Result<Prices, Vec<CatalogueProblem>> {
    let example = "the copy in the binary shows every key";
    let prices: Prices =
        toml::from_str(text).map_err(|fault| vec![problem_at(file, text, &fault, example)])?;
    let mut problems = Vec::new();
    let mut problem = |place: String, what: &str, fix: &str| {
        let (file, what, fix) = (file.to_owned(), what.to_owned(), fix.to_owned());
        problems.push(CatalogueProblem { file, place, what, fix });
    };
    let letters =
        prices.currency.len() == 3 && prices.currency.bytes().all(|b| b.is_ascii_uppercase());
    if !letters {
        problem("key currency".to_owned(), "it is no currency", "use ISO 4217, such as USD or KES");
    }
    let categories = prices
        .whatsapp
        .iter()
        .map(|(category, table)| (format!("whatsapp.{}", category.word()), table));
    let tables = [("sms".to_owned(), &prices.sms), ("email".to_owned(), &prices.email)];
    for (name, table) in categories.chain(tables) {
        for key in table.0.keys().filter(|key| *key != DEFAULT) {
            let place = format!("key {name}.\"{key}\"");
            if name == "email" {
                problem(place, "an email has no country", "use default alone");
            } else if !is_beginning(key) {
                let fix = "write a plus sign and the first digits, such as \"+254\", or default";
                problem(place, "it is no beginning of a number", fix);
            }
        }
    }
    if problems.is_empty() { Ok(prices) } else { Err(problems) }
}

/// Whether a key is how numbers of a country begin: a plus sign and a country code, which has no leading zero.
fn is_beginning(key: &str) -> bool {
    key.strip_prefix('+').is_some_and(|digits| {
        (1..=MOST_DIGITS).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_that_fits_holds() {
        let text =
            "currency = \"KES\"\n[sms]\ndefault = \"9\"\n\"+1\" = \"1\"\n\"+1876\" = \"4\"\n";
        let prices = parse("x", text).unwrap();
        for (address, price) in
            [("+12025550101", "1"), ("+18765550101", "4"), ("+254712345678", "9"), ("+1", "1")]
        {
            assert_eq!(prices.sms.of(address), Micros::parse(price).ok(), "{address}");
        }
        assert_eq!(prices.email.of("a@b.org"), None);
    }

    #[test]
    fn a_faulty_file_is_found_with_its_place() {
        let whole = "currency = \"KES\"\n";
        for (text, expected) in [
            ("", "x, line 1: missing field `currency`"),
            ("currency = \"kes\"", "key currency: it is no currency"),
            (&format!("{whole}[sms]\ndefault = 0.5"), "line 3: invalid type"),
            (&format!("{whole}[sms]\ndefault = \"0,5\""), "line 3: is no amount"),
            (
                &format!("{whole}[sms]\n\"KE\" = \"1\""),
                "key sms.\"KE\": it is no beginning of a number",
            ),
            (&format!("{whole}[sms]\n\"+0254\" = \"1\""), "it is no beginning"),
            (&format!("{whole}[email]\n\"+254\" = \"1\""), "an email has no country"),
            (&format!("{whole}[whatsapp.service]\ndefault = \"1\""), "unknown variant `service`"),
            (&format!("{whole}[telegram]\ndefault = \"1\""), "unknown field `telegram`"),
        ] {
            let problems = parse("x", text).unwrap_err();
            assert!(
                problems.iter().any(|p| p.to_string().contains(expected)),
                "{text}: {problems:?}"
            );
        }
    }
}
