//! What a gateway said, with its parts read as they are asked for: query, form, headers, JSON, XML.

use super::xml;
use crate::channel::Callback;
use serde_json::Value;
use std::sync::OnceLock;

/// A callback or an answer.
pub(super) struct Document<'a> {
    query: &'a str,
    headers: &'a [(String, String)],
    body: &'a [u8],
    pairs: OnceLock<Pairs>,
    trees: OnceLock<Trees>,
}

/// Names and values.
struct Pairs {
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
}

/// The body, as far as it is one of them.
struct Trees {
    json: Option<Value>,
    xml: Option<Value>,
}

impl<'a> Document<'a> {
    pub(super) fn of_callback(callback: &'a Callback) -> Self {
        Self::new(callback.query(), &callback.headers, &callback.body)
    }

    pub(super) fn of_answer(body: &'a [u8]) -> Self {
        Self::new("", &[], body)
    }

    fn new(query: &'a str, headers: &'a [(String, String)], body: &'a [u8]) -> Self {
        Self { query, headers, body, pairs: OnceLock::new(), trees: OnceLock::new() }
    }

    fn pairs(&self) -> &Pairs {
        let pairs = |bytes: &[u8]| form_urlencoded::parse(bytes).into_owned().collect();
        self.pairs
            .get_or_init(|| Pairs { query: pairs(self.query.as_bytes()), form: pairs(self.body) })
    }

    fn trees(&self) -> &Trees {
        self.trees.get_or_init(|| {
            let json = serde_json::from_slice(self.body).ok();
            let xml = if json.is_none() { self.text().and_then(xml::tree) } else { None };
            Trees { json, xml }
        })
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        first(&self.pairs().query, name)
    }

    pub(super) fn form(&self, name: &str) -> Option<&str> {
        first(&self.pairs().form, name)
    }

    /// By its lower-case name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        first(self.headers, name)
    }

    /// The body, where it is text.
    pub(super) fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.body).ok()
    }

    pub(super) fn json(&self, pointer: &str) -> Option<&Value> {
        walk(self.trees().json.as_ref()?, pointer)
    }

    /// With the root's name as the first step, or without it.
    pub(super) fn xml(&self, pointer: &str) -> Option<&Value> {
        let root = self.trees().xml.as_ref()?;
        let inner = || root.as_object().and_then(|root| root.values().next());
        walk(root, pointer).or_else(|| walk(inner()?, pointer))
    }

    /// In whatever the body is.
    pub(super) fn root(&self, pointer: &str) -> Option<&Value> {
        self.json(pointer).or_else(|| self.xml(pointer))
    }
}

fn first<'a>(pairs: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
}

/// A JSON pointer (RFC 6901) that looks into the first entry of a list where it names none, and takes `/` for the
/// whole.
pub(super) fn walk<'a>(root: &'a Value, pointer: &str) -> Option<&'a Value> {
    let Some(steps) = pointer.strip_prefix('/').filter(|steps| !steps.is_empty()) else {
        return pointer.len().le(&1).then_some(root);
    };
    steps.split('/').try_fold(root, |at, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        match at {
            Value::Object(fields) => fields.get(&step),
            Value::Array(entries) => match step.parse::<usize>() {
                Ok(index) => entries.get(index),
                Err(_) => entries.first()?.get(&step),
            },
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pointer_finds_what_is_there() {
        let root = json!({ "a": [{ "b/c": 1 }, { "b/c": 2 }], "d": null });
        for (pointer, found) in [
            ("/a/1/b~1c", Some(json!(2))),
            ("/a/b~1c", Some(json!(1))),
            ("", Some(root.clone())),
            ("/", Some(root.clone())),
            ("/d", Some(json!(null))),
            ("/a/2", None),
            ("/x", None),
            ("/d/e", None),
        ] {
            assert_eq!(walk(&root, pointer), found.as_ref(), "{pointer}");
        }
    }
}
