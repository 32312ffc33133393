//! XML as a tree of JSON, so that one kind of pointer finds its way in both.
//!
//! An element without attributes and children is its text; any other is an object of its children by their local
//! names (several of one name: a list), its attributes as `@name` and its text as `#text`. No entities but XML's own
//! five are known, so nothing is fetched and nothing grows.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

/// Elements within one another at most: what is walked and dropped by recursion must not be endless.
const DEEPEST: usize = 64;

/// The tree of a document; none, if it is not well-formed.
pub(super) fn tree(text: &str) -> Option<Value> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}').trim());
    // The document itself is the element at the bottom.
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                open.push(Element::of(&start)?);
                if open.len() > DEEPEST {
                    return None;
                }
            }
            Event::Empty(start) => {
                let element = Element::of(&start)?;
                open.last_mut()?.adopt(element);
            }
            Event::End(_) => {
                let element = open.pop()?;
                open.last_mut()?.adopt(element);
            }
            Event::Text(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
            Event::CData(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
            Event::GeneralRef(reference) => {
                let text = &mut open.last_mut()?.text;
                match reference.resolve_char_ref().ok()? {
                    Some(sign) => text.push(sign),
                    None => text.push_str(resolve_predefined_entity(&reference.decode().ok()?)?),
                }
            }
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_) => {}
        }
    }
    let (document, None) = (open.pop()?, open.pop()) else { return None };
    let is_one = document.fields.len() == 1 && document.text.trim().is_empty();
    is_one.then_some(Value::Object(document.fields))
}

#[derive(Default)]
struct Element {
    name: String,
    fields: Map<String, Value>,
    text: String,
}

impl Element {
    fn of(start: &BytesStart<'_>) -> Option<Self> {
        let local = |name: &[u8]| std::str::from_utf8(name).ok().map(ToOwned::to_owned);
        let mut fields = Map::new();
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            let name = local(attribute.key.local_name().as_ref())?;
            let value = std::str::from_utf8(&attribute.value).ok()?;
            let value = quick_xml::escape::unescape(value).ok()?.into_owned();
            fields.insert(format!("@{name}"), Value::String(value));
        }
        Some(Self { name: local(start.local_name().as_ref())?, fields, text: String::new() })
    }

    fn adopt(&mut self, child: Self) {
        let Self { name, mut fields, text } = child;
        let text = text.trim();
        let value = if fields.is_empty() {
            Value::from(text)
        } else {
            if !text.is_empty() {
                fields.insert("#text".to_owned(), Value::from(text));
            }
            Value::Object(fields)
        };
        match self.fields.get_mut(&name) {
            None => {
                self.fields.insert(name, value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn elements_attributes_lists_and_references() {
        let text = "<?xml version=\"1.0\"?>\n<r:Reports xmlns:r=\"urn:x\"><dlr id=\"7&amp;8\"><status>DELIVRD</status>\
                    </dlr><dlr id=\"9\">a &lt;&#x41;<![CDATA[<b>]]></dlr><empty/></r:Reports>";
        assert_eq!(
            tree(text),
            Some(json!({ "Reports": {
                "@r": "urn:x",
                "dlr": [{ "@id": "7&8", "status": "DELIVRD" }, { "@id": "9", "#text": "a <A<b>" }],
                "empty": "",
            } }))
        );
    }

    #[test]
    fn what_is_not_well_formed_or_endless_is_nothing() {
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        for text in
            ["", "text", "<a>", "<a></b>", "<a/><b/>", "<a>&x;</a>", "<a b=>x</a>", "<a/>x", &deep]
        {
            assert_eq!(tree(text), None, "{text}");
        }
    }
}
