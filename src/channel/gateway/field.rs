//! Where a value lies in what a gateway says: the small language of `receipts`, `replies` and `answer`.

use super::document::Document;
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use std::borrow::Cow;

/// The most memory of one compiled expression, in bytes.
const REGEX_SIZE: usize = 1 << 20;

/// One value: the first of its alternatives that is there and not empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Field(Vec<Alternative>);

#[derive(Clone, Debug)]
struct Alternative {
    place: Place,
    /// Takes its first group, or all that it finds.
    part: Option<Regex>,
}

#[derive(Clone, Debug)]
enum Place {
    Form(String),
    Query(String),
    Header(String),
    Json(String),
    Xml(String),
    /// In the entry at hand, else in the body.
    Entry(String),
    Body,
}

/// A text that is no field. Says what is wrong and never a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoField(pub(super) &'static str);

const FORMS: &str = "write form.NAME, query.NAME, header.NAME, json:/POINTER, xml:/POINTER, /POINTER, body or \
                     regex:EXPRESSION; alternatives with |";

impl Field {
    /// Reads a field as it is configured.
    pub(super) fn parse(text: &str) -> Result<Self, NoField> {
        let alternatives = alternatives(text).into_iter().map(Alternative::parse);
        alternatives.collect::<Result<_, _>>().map(Self)
    }

    /// The first of these parameters, wherever it is, for fields that nobody configured.
    pub(super) fn anywhere(names: &[&str]) -> Self {
        let of = |name: &str| {
            let places = [
                Place::Entry(format!("/{name}")),
                Place::Form(name.to_owned()),
                Place::Query(name.to_owned()),
            ];
            places.map(|place| Alternative { place, part: None })
        };
        Self(names.iter().flat_map(|name| of(name)).collect())
    }

    /// Its value.
    pub(super) fn of(&self, document: &Document<'_>, entry: Option<&Value>) -> Option<String> {
        self.all(document, entry).next()
    }

    /// The values of all alternatives that are there.
    pub(super) fn all<'a>(
        &'a self,
        document: &'a Document<'_>,
        entry: Option<&'a Value>,
    ) -> impl Iterator<Item = String> + 'a {
        self.0.iter().filter_map(move |one| one.of(document, entry))
    }

    /// The entries it points to: those of a list, or the one thing there is. None: nothing is there.
    pub(super) fn entries<'a>(&self, document: &'a Document<'_>) -> Option<Vec<&'a Value>> {
        let found = self.0.iter().find_map(|one| match &one.place {
            Place::Json(pointer) => document.json(pointer),
            Place::Xml(pointer) => document.xml(pointer),
            Place::Entry(pointer) => document.root(pointer),
            _ => None,
        })?;
        Some(match found {
            Value::Array(entries) => entries.iter().collect(),
            Value::Null => Vec::new(),
            one => vec![one],
        })
    }
}

impl Alternative {
    fn parse(text: &str) -> Result<Self, NoField> {
        let (place, part) = match text.strip_prefix("regex:") {
            Some(expression) => ("body", Some(expression)),
            None => match text.split_once(" ~ ") {
                Some((place, expression)) => (place, Some(expression)),
                None => (text, None),
            },
        };
        Ok(Self { place: Place::parse(place.trim())?, part: part.map(expression).transpose()? })
    }

    fn of(&self, document: &Document<'_>, entry: Option<&Value>) -> Option<String> {
        let whole = match &self.place {
            Place::Form(name) => document.form(name).map(Cow::Borrowed),
            Place::Query(name) => document.query(name).map(Cow::Borrowed),
            Place::Header(name) => document.header(name).map(Cow::Borrowed),
            Place::Json(pointer) => document.json(pointer).and_then(word),
            Place::Xml(pointer) => document.xml(pointer).and_then(word),
            Place::Entry(pointer) => match entry {
                Some(entry) => super::document::walk(entry, pointer).and_then(word),
                None => document.root(pointer).and_then(word),
            },
            Place::Body => document.text().map(Cow::Borrowed),
        }?;
        let found = match &self.part {
            None => whole.into_owned(),
            Some(expression) => {
                let found = expression.captures(&whole)?;
                found.get(1).or_else(|| found.get(0))?.as_str().to_owned()
            }
        };
        (!found.trim().is_empty()).then_some(found)
    }
}

impl Place {
    fn parse(text: &str) -> Result<Self, NoField> {
        // A bar in front of no field is a slip, not part of a name.
        if text.contains('|') {
            return Err(NoField(FORMS));
        }
        let named = |prefix| text.strip_prefix(prefix).filter(|name| !name.is_empty());
        let pointer =
            |rest: &str| (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned());
        let place = if let Some(name) = named("form.") {
            Some(Self::Form(name.to_owned()))
        } else if let Some(name) = named("query.") {
            Some(Self::Query(name.to_owned()))
        } else if let Some(name) = named("header.") {
            Some(Self::Header(name.to_lowercase()))
        } else if let Some(rest) = text.strip_prefix("json:") {
            pointer(rest).map(Self::Json)
        } else if let Some(rest) = text.strip_prefix("xml:") {
            pointer(rest).map(Self::Xml)
        } else if text.starts_with('/') {
            Some(Self::Entry(text.to_owned()))
        } else {
            (text == "body").then_some(Self::Body)
        };
        place.ok_or(NoField(FORMS))
    }
}

/// A regular expression of bounded size; it runs in linear time.
pub(super) fn expression(text: &str) -> Result<Regex, NoField> {
    let built = RegexBuilder::new(text).size_limit(REGEX_SIZE).build();
    built.map_err(|_| {
        NoField("the regular expression is not one of the crate regex, or is too large")
    })
}

/// Cuts at each `|` behind which a field begins: others belong to a regular expression.
fn alternatives(text: &str) -> Vec<&str> {
    let begins = |rest: &str| {
        let rest = rest.trim_start();
        ["form.", "query.", "header.", "json:", "xml:", "regex:", "/", "body"]
            .iter()
            .any(|begin| rest.starts_with(begin))
    };
    let mut cuts: Vec<usize> =
        text.match_indices('|').map(|(at, _)| at).filter(|at| begins(&text[at + 1..])).collect();
    cuts.push(text.len());
    let mut from = 0;
    let mut found = Vec::with_capacity(cuts.len());
    for cut in cuts {
        found.push(text[from..cut].trim());
        from = cut + 1;
    }
    found
}

/// A value that can be written as a word.
fn word(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(is) => Some(Cow::Borrowed(if *is { "true" } else { "false" })),
        // An XML element with attributes, or a list of one.
        Value::Object(element) => element.get("#text").and_then(word),
        Value::Array(list) => list.first().filter(|first| !first.is_array()).and_then(word),
        Value::Null => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_keeps_its_bars() {
        assert_eq!(
            alternatives("query.a ~ ^(x|y)$|form.b | /c/d|regex:(e|f)"),
            ["query.a ~ ^(x|y)$", "form.b", "/c/d", "regex:(e|f)"]
        );
    }

    #[test]
    fn what_is_no_field_is_told() {
        for text in [
            "",
            "form.",
            "id",
            "json:results",
            "xml",
            "query.a|",
            "query.a|b",
            "body.x",
            "/a ~ (",
            "regex:[",
        ] {
            assert!(Field::parse(text).is_err(), "{text}");
        }
        for text in ["json:", "json:/a", "/", "form.a.b", "header.X-Id", "body ~ a", "query.a|/b"] {
            assert!(Field::parse(text).is_ok(), "{text}");
        }
    }
}
