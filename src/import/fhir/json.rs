//! Reading FHIR's JSON: forgiving about the form of a leaf, strict about duplicate keys, and silent about
//! values in its errors.

use crate::care::timing::Decimal;
use crate::import::report::Remark;
use crate::import::why::Why;
use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, Deserializer, Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde_json::error::Category;
use std::fmt;
use std::marker::PhantomData;

/// Reads a resource or a part of one.
///
/// # Errors
/// With the JSON path and the kind of the fault; never with a value.
pub(crate) fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Remark> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let (path, why) = (error.path().to_string(), fault(error.inner()));
        // The path ends at the object that has a key twice; serde's text names the key, one of ours.
        let text = error.inner().to_string();
        let key = text.split('`').nth(1).filter(|_| why == Why::DuplicateKey);
        Remark::at(key.map_or(path.clone(), |key| join(&path, key)), why)
    })?;
    deserializer.end().map_err(|error| Remark::at(".", fault(&error)))?;
    Ok(parsed)
}

fn join(path: &str, key: &str) -> String {
    if path == "." { key.to_owned() } else { format!("{path}.{key}") }
}

/// What [`Found`] calls the primitives.
const OWN: [&str; 3] = ["a number", "text", "true or false"];

/// The kind of a fault. serde's own text quotes the value it met, so only its fixed parts are taken: the word
/// before the value, and what was expected, which comes last.
fn fault(error: &serde_json::Error) -> Why {
    let text = error.to_string();
    match error.classify() {
        Category::Data if text.starts_with("duplicate field") => Why::DuplicateKey,
        Category::Data => {
            let rest = text.strip_prefix("invalid type: ");
            let own = |rest: &&str| OWN.iter().find(|name| rest.starts_with(**name)).copied();
            let word = |rest: &'_ str| rest.split([' ', ',']).next().map(str::to_owned);
            let found = rest
                .and_then(|rest| own(&rest).map(str::to_owned).or_else(|| word(rest)))
                .unwrap_or_else(|| "of another form".to_owned());
            let expected =
                text.rsplit_once(", expected ").map_or("a FHIR element", |(_, rest)| rest);
            let expected = expected.split(" at line ").next().unwrap_or(expected);
            Why::WrongType { found, expected: expected.to_owned() }
        }
        category => Why::Syntax {
            kind: match category {
                Category::Eof => "it ends too early",
                _ => "a fault of syntax",
            }
            .to_owned(),
            line: error.line(),
            column: error.column(),
        },
    }
}

/// A list in which nulls are skipped; a single element stands for a list of one, as STU3 and R5 sources and
/// generators of XML origin write it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> std::ops::Deref for List<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_unit<E: Error>(self) -> Result<List<T>, E> {
                Ok(List::default())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<List<T>, E> {
                T::deserialize(serde::de::value::StrDeserializer::new(text))
                    .map(|one| List(vec![one]))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<List<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| List(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
                let mut elements = Vec::new();
                while let Some(Element(element)) = seq.next_element()? {
                    elements.extend(element);
                }
                Ok(List(elements))
            }
        }

        deserializer.deserialize_any(Elements(PhantomData))
    }
}

/// An element of a list, or nothing where a null stands. serde would take a list for an object, by position.
struct Element<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Element<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = Element<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an element")
            }

            fn visit_unit<E: Error>(self) -> Result<Element<T>, E> {
                Ok(Element(None))
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Element<T>, E> {
                T::deserialize(flag.into_deserializer()).map(|one| Element(Some(one)))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Element<T>, E> {
                T::deserialize(number.into_deserializer()).map(|one| Element(Some(one)))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Element<T>, E> {
                T::deserialize(number.into_deserializer()).map(|one| Element(Some(one)))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Element<T>, E> {
                T::deserialize(number.into_deserializer()).map(|one| Element(Some(one)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Element<T>, E> {
                T::deserialize(text.into_deserializer()).map(|one| Element(Some(one)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Element<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| Element(Some(one)))
            }
        }

        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// Reads an object, or nothing where a null stands: for `deserialize_with`. serde would take a list for an
/// object, by position.
pub(crate) fn object<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }

    deserializer.deserialize_any(Object(PhantomData))
}

/// A leaf that may come as another primitive than the standard's: a number as text, a text as number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leaf<T> {
    pub(crate) value: T,
    /// What it was instead, when it was.
    pub(crate) instead: Option<&'static str>,
}

pub(crate) type Text = Leaf<String>;
pub(crate) type Whole = Leaf<i64>;
pub(crate) type Number = Leaf<Decimal>;
pub(crate) type Flag = Leaf<bool>;

/// How a leaf's value is read from each primitive.
pub(crate) trait Primitive: Sized {
    /// What the standard has there.
    const NAME: &'static str;
    /// What the primitive is called when it is as it should be.
    const OWN: &'static str;
    fn read(found: Found<'_>) -> Option<Self>;
}

/// A primitive as it was met.
#[derive(Clone, Copy)]
pub(crate) enum Found<'a> {
    Text(&'a str),
    Whole(i64),
    Float(f64),
    Flag(bool),
}

impl Found<'_> {
    const fn name(self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Whole(_) | Self::Float(_) => "a number",
            Self::Flag(_) => "true or false",
        }
    }
}

impl Primitive for String {
    const NAME: &'static str = "a text";
    const OWN: &'static str = "text";
    fn read(found: Found<'_>) -> Option<Self> {
        Some(match found {
            Found::Text(text) => text.to_owned(),
            Found::Whole(number) => number.to_string(),
            Found::Float(number) => number.to_string(),
            Found::Flag(flag) => flag.to_string(),
        })
    }
}

impl Primitive for i64 {
    const NAME: &'static str = "a whole number";
    const OWN: &'static str = "a number";
    fn read(found: Found<'_>) -> Option<Self> {
        match found {
            Found::Text(text) => text.trim().parse().ok(),
            Found::Whole(number) => Some(number),
            Found::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                Some(number as Self)
            }
            Found::Float(_) | Found::Flag(_) => None,
        }
    }
}

impl Primitive for Decimal {
    const NAME: &'static str = "a number";
    const OWN: &'static str = "a number";
    fn read(found: Found<'_>) -> Option<Self> {
        match found {
            Found::Text(text) => text.trim().parse().ok().map(Self),
            Found::Whole(number) => Some(Self(number.into())),
            Found::Float(number) => serde_json::Number::from_f64(number).map(Self),
            Found::Flag(_) => None,
        }
    }
}

impl Primitive for bool {
    const NAME: &'static str = "true or false";
    const OWN: &'static str = "true or false";
    fn read(found: Found<'_>) -> Option<Self> {
        match found {
            Found::Flag(flag) => Some(flag),
            Found::Text(text) => text.trim().to_ascii_lowercase().parse().ok(),
            Found::Whole(_) | Found::Float(_) => None,
        }
    }
}

impl<'de, T: Primitive> Deserialize<'de> for Leaf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);

        impl<T: Primitive> Any<T> {
            fn leaf<E: Error>(found: Found<'_>) -> Result<Leaf<T>, E> {
                let instead = (found.name() != T::OWN).then(|| found.name());
                T::read(found).map(|value| Leaf { value, instead }).ok_or_else(|| {
                    E::custom(format_args!("invalid type: {}, expected {}", found.name(), T::NAME))
                })
            }
        }

        impl<T: Primitive> Visitor<'_> for Any<T> {
            type Value = Leaf<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::NAME)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Leaf<T>, E> {
                Self::leaf(Found::Text(text))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Leaf<T>, E> {
                Self::leaf(Found::Whole(number))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Leaf<T>, E> {
                Self::leaf(i64::try_from(number).map_or(Found::Float(number as f64), Found::Whole))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Leaf<T>, E> {
                Self::leaf(Found::Float(number))
            }
            fn visit_bool<E: Error>(self, flag: bool) -> Result<Leaf<T>, E> {
                Self::leaf(Found::Flag(flag))
            }
        }

        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// Whether an element is there at all, whatever it holds: a modifier extension need not be understood to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Present(pub(crate) bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        List::<IgnoredAny>::deserialize(deserializer).map(|list| Self(!list.is_empty()))
    }
}

/// Takes leaves out of their wrapping and keeps a remark of each that came in another form.
#[derive(Debug, Default)]
pub(crate) struct Remarks(pub(crate) Vec<Remark>);

impl Remarks {
    pub(crate) fn add(&mut self, path: impl Into<String>, why: Why) {
        self.0.push(Remark::at(path, why));
    }

    pub(crate) fn take<T: Primitive>(
        &mut self,
        leaf: Option<Leaf<T>>,
        path: impl fmt::Display,
    ) -> Option<T> {
        let leaf = leaf?;
        if let Some(found) = leaf.instead {
            self.add(
                path.to_string(),
                Why::Loose { found: found.to_owned(), expected: T::NAME.to_owned() },
            );
        }
        Some(leaf.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, serde::Deserialize, PartialEq)]
    #[serde(default)]
    struct Sample {
        name: Option<Text>,
        count: Option<Whole>,
        list: List<Text>,
        inner: Option<Box<Sample>>,
    }

    #[test]
    fn leaves_may_come_in_another_form_and_lists_as_one() {
        let sample: Sample = parse(r#"{"name":5,"count":"7","list":[null,"a",3],"x":{}}"#).unwrap();
        assert_eq!(sample.name, Some(Leaf { value: "5".into(), instead: Some("a number") }));
        assert_eq!(sample.count, Some(Leaf { value: 7, instead: Some("text") }));
        assert_eq!(sample.list.iter().map(|t| t.value.as_str()).collect::<Vec<_>>(), ["a", "3"]);
        let one: Sample = parse(r#"{"list":"a","count":null}"#).unwrap();
        assert_eq!((one.list.len(), one.count), (1, None));
    }

    #[test]
    fn p10_a_fault_names_path_and_kind_but_never_the_value() {
        let cases = [
            (r#"{"inner":{"count":"Anna, expected Bob"}}"#, "inner.count"),
            (r#"{"inner":"Anna, expected Bob"}"#, "inner"),
            (r#"{"list":[{"Anna":1}]}"#, "list[0]"),
            (r#"{"name":"Anna","name":"Bob"}"#, "name"),
            (r#"{"name":"Anna"#, "name"),
        ];
        for (json, path) in cases {
            let remark = parse::<Sample>(json).unwrap_err();
            assert_eq!(remark.path, path, "{json}");
            let text = remark.to_string();
            assert!(!text.contains("Anna") && !text.contains("Bob"), "{text}");
        }
        let twice = parse::<Sample>(r#"{"count":1,"count":10}"#).unwrap_err();
        assert_eq!(twice.why, Why::DuplicateKey);
    }
}
