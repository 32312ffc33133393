//! The configuration as it may be shown: what is in force, who set it, and no secret.

use super::Config;
use super::problem::origin;
use super::secret::MASK;
use figment::Figment;
use reqwest::Url;
use serde::Serialize;
use serde_json::Value;

/// One value in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effective {
    /// Dotted key.
    pub key: String,
    /// Its value; secrets and passwords in URLs are masked.
    pub value: Value,
    /// The layer that set it: `default`, a file, a variable, a credential.
    pub origin: String,
}

impl Effective {
    /// Whether a secret is masked in it.
    pub fn is_secret(&self) -> bool {
        self.value.to_string().contains(MASK)
    }
}

/// Every value in force, sorted by key; what is not set is left out.
pub(super) fn effective(config: &Config, layers: &Figment) -> Vec<Effective> {
    let mut found = Vec::new();
    // A configuration of strings, numbers and lists always serialises.
    collect("", serde_json::to_value(config).unwrap_or_default(), &mut |key, value| {
        found.push(Effective { origin: origin(layers, &key), value: masked(value), key });
    });
    found
}

fn collect(prefix: &str, value: Value, found: &mut impl FnMut(String, Value)) {
    match value {
        Value::Object(inner) => {
            for (key, value) in inner {
                let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                collect(&key, value, found);
            }
        }
        Value::Null => {}
        other => found(prefix.to_owned(), other),
    }
}

fn masked(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_password(&text)),
        other => other,
    }
}

/// The same URL with its passwords masked: the one before the host, and `password=` in the query, which
/// PostgreSQL's URLs may carry (PostgreSQL 15 manual, section 34.1.1.2). Text that is no URL comes back as it is.
pub fn without_password(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return text.to_owned() };
    let in_query = url.query_pairs().any(|(name, _)| name == "password");
    if url.password().is_none() && !in_query {
        return text.to_owned();
    }
    if url.password().is_some() {
        // Refused only for URLs without a host, which cannot have a password.
        let _ = url.set_password(Some(MASK));
    }
    if in_query {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let masked = |name: &str, value: &str| {
            if name == "password" { MASK.into() } else { value.to_owned() }
        };
        url.query_pairs_mut()
            .clear()
            .extend_pairs(pairs.iter().map(|(name, value)| (name, masked(name, value))));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn p10_passwords_in_urls_are_masked() {
        for (url, shown) in [
            ("postgres://u:secret@db.example/c", "postgres://u:********@db.example/c"),
            (
                "postgres://db.example/c?user=u&password=secret",
                "postgres://db.example/c?user=u&password=********",
            ),
            ("smtps://u:secret@mail.example:465", "smtps://u:********@mail.example:465"),
            ("postgres://u@db.example/c", "postgres://u@db.example/c"),
            ("info,sqlx=warn", "info,sqlx=warn"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
