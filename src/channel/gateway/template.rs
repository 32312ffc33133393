//! Templates of requests: strict, and escaped for the place they stand in.

use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use std::fmt::Write as _;

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// As it is: headers, plain bodies, and parameters that are escaped as a whole.
    Plain,
    /// In a URL's path.
    Url,
    /// In a form that is written as one text.
    Form,
    /// Between the quotes of a JSON string; numbers stand without.
    Json,
    /// In an element or attribute.
    Xml,
}

impl Place {
    const ALL: [Self; 5] = [Self::Plain, Self::Url, Self::Form, Self::Json, Self::Xml];

    const fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Url => "url",
            Self::Form => "form",
            Self::Json => "json",
            Self::Xml => "xml",
        }
    }

    /// The place that a body of this type is.
    pub(super) fn of_type(content_type: &str) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => Self::Form,
            kind if kind.ends_with("json") => Self::Json,
            kind if kind.ends_with("xml") => Self::Xml,
            _ => Self::Plain,
        }
    }

    /// A value as it may stand there.
    fn escaped(self, text: &str) -> String {
        let form =
            |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        match self {
            Self::Plain => text.to_owned(),
            Self::Form => form(text),
            // A plus sign of the text itself is escaped already.
            Self::Url => form(text).replace('+', "%20"),
            Self::Json => {
                let quoted = serde_json::Value::from(text).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Self::Xml => xml(text),
        }
    }
}

/// XML 1.0 section 2.2 has no place for other control characters, escaped or not.
fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' | '\r' | '\t' => {
                // Written out: an attribute's value would lose them.
                let _ = write!(escaped, "&#{};", u32::from(sign));
            }
            sign if sign.is_control() => {}
            sign => escaped.push(sign),
        }
    }
    escaped
}

/// The templates of one channel by their keys.
pub(super) struct Templates(Environment<'static>);

/// A template that does not read or does not render, in minijinja's words, which hold no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadTemplate {
    pub(super) key: String,
    pub(super) fault: String,
}

impl BadTemplate {
    fn new(key: &str, fault: &minijinja::Error) -> Self {
        let detail = fault.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        Self { key: key.to_owned(), fault: format!("{}{detail}", fault.kind()) }
    }
}

impl Templates {
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| {
            let word = name.split(':').next().unwrap_or_default();
            let place = Place::ALL.into_iter().find(|place| place.word() == word);
            AutoEscape::Custom(place.unwrap_or(Place::Plain).word().into())
        });
        environment.set_formatter(|out, state, value| {
            let AutoEscape::Custom(word) = state.auto_escape() else {
                return Err(minijinja::ErrorKind::InvalidOperation.into());
            };
            let place = Place::ALL.into_iter().find(|place| place.word() == *word);
            let text = match value.kind() {
                ValueKind::None => String::new(),
                // As gateways write them, not as Python does.
                ValueKind::Bool => value.is_true().to_string(),
                _ => value.to_string(),
            };
            out.write_str(&place.unwrap_or(Place::Plain).escaped(&text))?;
            Ok(())
        });
        // JSON within a form, say: escaped once more by its place.
        environment.add_filter("json", |text: String| serde_json::Value::from(text).to_string());
        Self(environment)
    }

    /// Reads the template of a key.
    pub(super) fn add(&mut self, place: Place, key: &str, text: &str) -> Result<(), BadTemplate> {
        let name = format!("{}:{key}", place.word());
        let added = self.0.add_template_owned(name, text.to_owned());
        added.map_err(|fault| BadTemplate::new(key, &fault))
    }

    /// Renders it.
    pub(super) fn render(
        &self,
        place: Place,
        key: &str,
        values: &Value,
    ) -> Result<String, BadTemplate> {
        let name = format!("{}:{key}", place.word());
        let template = self.0.get_template(&name);
        template
            .and_then(|template| template.render(values))
            .map_err(|fault| BadTemplate::new(key, &fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;

    #[test]
    fn a_value_is_escaped_for_its_place() {
        let said = "a&b \"<1>\"\n+é/'";
        for (place, expected) in [
            (Place::Plain, said),
            (Place::Url, "a%26b%20%22%3C1%3E%22%0A%2B%C3%A9%2F%27"),
            (Place::Form, "a%26b+%22%3C1%3E%22%0A%2B%C3%A9%2F%27"),
            (Place::Json, "a&b \\\"<1>\\\"\\n+é/'"),
            (Place::Xml, "a&amp;b &quot;&lt;1&gt;&quot;&#10;+é/&apos;"),
        ] {
            let mut templates = Templates::new();
            templates.add(place, "k", "{{ text }}{% if yes %}{{ 7 }}{% endif %}").unwrap();
            let values = context! { text => said, yes => true };
            let got = templates.render(place, "k", &values).unwrap();
            assert_eq!(got, format!("{expected}7"), "{place:?}");
        }
    }

    #[test]
    fn nothing_marks_a_value_as_safe_and_what_is_not_there_is_told() {
        let mut templates = Templates::new();
        templates.add(Place::Json, "safe", "{{ text|safe }}{{ text|json }}").unwrap();
        let got = templates.render(Place::Json, "safe", &context! { text => "\"" }).unwrap();
        assert_eq!(got, "\\\"\\\"\\\\\\\"\\\"");
        templates.add(Place::Plain, "absent", "{{ txt }}").unwrap();
        let fault = templates.render(Place::Plain, "absent", &context! { text => "S3CRET" });
        let fault = fault.unwrap_err();
        assert!(fault.fault.contains("undefined") && !fault.fault.contains("S3CRET"), "{fault:?}");
        assert!(templates.add(Place::Plain, "bad", "{{ text ").is_err());
    }
}
