//! The keys there are, with their kinds and defaults: read from `default.toml`, the one list of them.

use super::channels::{FREE_SECTIONS, KindConfig};
use super::problem::Problem;
use std::borrow::Cow;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The commented configuration file with every key and its default.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

/// Every key of the configuration. A channel's keys are described once a kind, under the kind's own name.
pub(super) struct Schema {
    keys: BTreeMap<String, Value>,
    defaults: Table,
    kinds: Kinds,
}

/// The kinds of channels by their names, as the layers say them. A channel that is named like a kind is of it.
#[derive(Default)]
pub(super) struct Kinds(BTreeMap<String, String>);

impl Kinds {
    /// Notes the kinds that a layer states.
    pub(super) fn learn(&mut self, key: &str, value: &Value) {
        let name = channel_of(key).filter(|name| key == format!("channels.{name}.kind"));
        if let (Some(name), Some(kind)) = (name, value.as_str()) {
            self.0.insert(name.to_owned(), kind.to_owned());
        }
    }

    fn of<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let kind = self.0.get(name).map_or(name, String::as_str);
        KindConfig::WORDS.contains(&kind).then_some(kind)
    }
}

impl Schema {
    /// Reads the built-in file: as it stands it holds the defaults, with its `#key` lines uncommented the keys.
    pub(super) fn built_in() -> Result<Self, Problem> {
        let read = |text: &str| {
            text.parse::<Table>().map_err(|fault| {
                Problem::new("built-in default.toml", fault.message(), "report this as a defect")
            })
        };
        let keys = leaves(&read(&uncommented(DEFAULT_FILE))?);
        Ok(Self { keys, defaults: read(DEFAULT_FILE)?, kinds: Kinds::default() })
    }

    /// The same, for channels of these kinds.
    pub(super) fn of_kinds(self, kinds: Kinds) -> Self {
        Self { kinds, ..self }
    }

    /// The defaults of a configuration in which `present` keys are set: a channel's defaults count only when
    /// the channel is used.
    pub(super) fn defaults<'a>(&self, present: impl Iterator<Item = &'a str>) -> Table {
        let mut table = self.defaults.clone();
        let of_kind = |name| Some((name, format!("channels.{}.", self.kinds.of(name)?)));
        for (name, kind) in present.filter_map(channel_of).filter_map(of_kind) {
            for (key, value) in &self.keys {
                if let Some(rest) = key.strip_prefix(&kind).filter(|_| !is_empty(value)) {
                    insert(&mut table, &format!("channels.{name}.{rest}"), value.clone());
                }
            }
        }
        table
    }

    /// The key under which `default.toml` describes a key.
    fn described<'a>(&self, key: &'a str) -> Cow<'a, str> {
        let kind = channel_of(key).and_then(|name| Some((name, self.kinds.of(name)?)));
        match kind {
            Some((name, kind)) if name != kind => {
                let rest = &key["channels.".len() + name.len()..];
                Cow::Owned(format!("channels.{kind}{rest}"))
            }
            _ => Cow::Borrowed(key),
        }
    }

    fn model(&self, key: &str) -> Option<&Value> {
        self.keys.get(self.described(key).as_ref())
    }

    /// Whether a key stands in one of the free sections of a gateway, whose structs check what is in them.
    fn is_free(&self, key: &str) -> bool {
        let described = self.described(key);
        let section =
            described.strip_prefix("channels.http.").and_then(|rest| rest.split('.').next());
        section.is_some_and(|section| FREE_SECTIONS.contains(&section))
    }

    /// The name of the channel of a key, if nothing says of which kind it is.
    fn of_no_kind<'a>(&self, key: &'a str) -> Option<&'a str> {
        channel_of(key).filter(|name| self.kinds.of(name).is_none())
    }

    /// What is wrong with the keys and kinds of a layer.
    pub(super) fn check(&self, layer: &Table, origin: &str) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        for (key, value) in leaves(layer) {
            let found = self.check_key(&key, &value, origin);
            problems.extend(found.filter(|found| !problems.contains(found)));
        }
        problems
    }

    fn check_key(&self, key: &str, value: &Value, origin: &str) -> Option<Problem> {
        if let Some(name) = self.of_no_kind(key) {
            return Some(Fault::NoKind.at(format!("{origin}: channels.{name}")));
        }
        if self.is_free(key) {
            return None;
        }
        let place = format!("{origin}: {key}");
        let Some(model) = self.model(key) else {
            if self.is_section(key) {
                // An empty table is a section without keys; a bare value in its place is a fault.
                return (!value.is_table())
                    .then(|| Problem::new(place, "is a section, not a value", "set a key in it"));
            }
            return Some(Problem::new(place, "is no key", self.suggestion(key)));
        };
        let (expected, found) = (kind(model), kind(value));
        let fits = expected == found || (expected == "a number" && found == "a whole number");
        (!fits).then(|| {
            Problem::new(place, format!("is {found}, not {expected}"), format!("write {expected}"))
        })
    }

    /// Turns the text of a variable or credential into the kind of its key.
    pub(super) fn coerce(&self, key: &str, text: &str) -> Result<Value, Fault> {
        let model = match self.model(key) {
            Some(model) => model,
            None if self.is_free(key) => return Ok(Value::String(text.to_owned())),
            None if self.of_no_kind(key).is_some() => return Err(Fault::NoKind),
            None if self.is_section(key) => return Err(Fault::Section),
            None => return Err(Fault::Unknown { fix: self.suggestion(key) }),
        };
        coerce(model, text).ok_or_else(|| Fault::Kind { expected: kind(model) })
    }

    fn is_section(&self, key: &str) -> bool {
        let prefix = format!("{}.", self.described(key));
        self.keys.keys().any(|known| known.starts_with(&prefix))
    }

    fn suggestion(&self, key: &str) -> String {
        // Compared under the channel's own name; what another kind calls so is no help.
        let named = self.keys.keys().map(|known| match (channel_of(key), channel_of(known)) {
            (Some(name), Some(kind)) => known.replacen(kind, name, 1),
            _ => known.clone(),
        });
        let others = named.filter(|known| known != key);
        let near = others.map(|known| (strsim::damerau_levenshtein(key, &known), known)).min();
        match near {
            Some((distance, known)) if distance <= 2.max(key.len() / 4) => {
                format!("did you mean {known}?")
            }
            _ => "`carebell config default` lists the keys".to_owned(),
        }
    }
}

/// Why a text is no value of a key.
pub(super) enum Fault {
    Unknown { fix: String },
    Section,
    NoKind,
    Kind { expected: &'static str },
}

impl Fault {
    pub(super) fn at(self, place: String) -> Problem {
        match self {
            Self::Unknown { fix } => Problem::new(place, "is no key", fix),
            Self::Section => Problem::new(place, "is a section, not a value", "set a key in it"),
            Self::NoKind => {
                let words = KindConfig::WORDS.join(", ");
                Problem::new(place, "is a channel of no kind", format!("set its kind: {words}"))
            }
            Self::Kind { expected } => {
                Problem::new(place, format!("is not {expected}"), format!("write {expected}"))
            }
        }
    }
}

/// The file with its `#key` and `#[section]` lines uncommented; a comment has a space after the sign.
pub(super) fn uncommented(file: &str) -> String {
    file.lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest,
            _ => line,
        })
        .fold(String::new(), |text, line| text + line + "\n")
}

/// The values of a table by their dotted keys; lists and empty tables count as values.
pub(super) fn leaves(table: &Table) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) if !inner.is_empty() => {
                found.extend(leaves(inner).into_iter().map(|(k, v)| (format!("{key}.{k}"), v)));
            }
            other => {
                found.insert(key.clone(), other.clone());
            }
        }
    }
    found
}

/// Puts a value at a dotted key, making the tables on the way.
pub(super) fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = table.entry(head).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

fn channel_of(key: &str) -> Option<&str> {
    key.strip_prefix("channels.").and_then(|rest| rest.split('.').next())
}

fn is_empty(value: &Value) -> bool {
    value.as_str().is_some_and(str::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

fn coerce(model: &Value, text: &str) -> Option<Value> {
    match model {
        Value::String(_) => Some(Value::String(text.to_owned())),
        Value::Integer(_) => text.trim().parse().ok().map(Value::Integer),
        Value::Float(_) => text.trim().parse().ok().map(Value::Float),
        Value::Boolean(_) => text.trim().parse().ok().map(Value::Boolean),
        Value::Array(models) => {
            let text_model = Value::String(String::new());
            let model = models.first().unwrap_or(&text_model);
            let items = text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty());
            items.map(|item| coerce(model, item)).collect::<Option<_>>().map(Value::Array)
        }
        Value::Datetime(_) | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use figment::Figment;
    use figment::providers::{Format, Toml};

    #[test]
    fn the_default_file_names_exactly_the_keys_of_the_configuration() {
        let mut table: Table = uncommented(DEFAULT_FILE).parse().unwrap();
        let config =
            crate::config::load::extract(&Figment::from(Toml::string(&uncommented(DEFAULT_FILE))))
                .unwrap();
        insert(&mut table, "state_dir", "/var/lib/carebell".into());
        let known: Vec<String> = leaves(&table).into_keys().collect();
        let fields: Table = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
        assert_eq!(known, leaves(&fields).into_keys().collect::<Vec<_>>());
    }

    #[test]
    fn every_key_and_its_place_are_commented() {
        let lines: Vec<&str> = DEFAULT_FILE.lines().collect();
        let is_key = |line: &str| {
            line.trim_start_matches('#').starts_with(|c: char| c.is_ascii_lowercase())
                && line.contains(" = ")
        };
        let keys: Vec<usize> = (0..lines.len()).filter(|&row| is_key(lines[row])).collect();
        assert_eq!(keys.len(), Schema::built_in().unwrap().keys.len());
        for row in keys {
            assert!(lines[row - 1].starts_with("# "), "no comment above: {}", lines[row]);
        }
    }

    #[test]
    fn the_readme_lists_every_key() {
        let readme = include_str!("../../README.md");
        let listed = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let mut listed: Vec<&str> = listed.filter(|name| !name.ends_with('/')).collect();
        listed.sort_unstable();
        let schema = Schema::built_in().unwrap();
        assert_eq!(listed, schema.keys.keys().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn lists_come_by_commas_or_lines_and_text_stays_text() {
        let schema = Schema::built_in().unwrap();
        let coerce = |key, text| schema.coerce(key, text).ok();
        assert_eq!(coerce("deliver.retry_seconds", "60, 300"), Some(vec![60, 300].into()));
        assert_eq!(coerce("channels.whatsapp.app_secrets", "a\nb\n"), Some(vec!["a", "b"].into()));
        // A number in E.164 and a token of digits are text, whatever they look like.
        assert_eq!(coerce("channels.twilio.from", "+14155550100"), Some("+14155550100".into()));
        assert_eq!(coerce("deliver.permits", "many"), None);
        assert_eq!(coerce("http", "x"), None);
    }
}
