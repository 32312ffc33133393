//! Gateways that are known: data files with the keys of a channel, a layer below the operator's.

use crate::config::problem::Problem;
use toml::{Table, Value};

/// The gateways whose files are in the binary.
const KNOWN: [(&str, &str); 5] = [
    ("africastalking", include_str!("presets/africastalking.toml")),
    ("gupshup", include_str!("presets/gupshup.toml")),
    ("infobip", include_str!("presets/infobip.toml")),
    ("kannel", include_str!("presets/kannel.toml")),
    ("vonage", include_str!("presets/vonage.toml")),
];

/// The keys that a preset sets.
pub(in crate::config) struct Preset {
    /// What `config show --origin` names.
    pub(in crate::config) origin: String,
    /// The keys of one channel.
    pub(in crate::config) table: Table,
}

impl Preset {
    /// Reads a preset for a channel: a known name, or the path of a file.
    pub(in crate::config) fn read(channel: &str, name: &str) -> Result<Self, Problem> {
        let key = format!("channels.{channel}.preset");
        let (origin, text) = match KNOWN.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => (format!("preset {name}"), (*text).to_owned()),
            None if name.contains('/') => match std::fs::read_to_string(name) {
                Ok(text) => (name.to_owned(), text),
                Err(fault) => {
                    let what = format!("names a file that cannot be read: {fault}");
                    return Err(Problem::new(key, what, "make it readable, or correct its path"));
                }
            },
            None => {
                let known: Vec<&str> = KNOWN.iter().map(|(known, _)| *known).collect();
                let fix = format!("write one of: {}; or the path of a file", known.join(", "));
                return Err(Problem::new(key, "is no known gateway", fix));
            }
        };
        let not_toml = |_| {
            Problem::new(origin.clone(), "is not TOML", "check quotes, brackets and repeated keys")
        };
        let keys: Table = text.parse().map_err(not_toml)?;
        if keys.contains_key("preset") || keys.contains_key("kind") {
            let what = "sets `preset` or `kind`, which only the configuration may";
            return Err(Problem::new(origin, what, "take the key out of the file"));
        }
        let named = Table::from_iter([(channel.to_owned(), Value::Table(keys))]);
        let table = Table::from_iter([("channels".to_owned(), Value::Table(named))]);
        Ok(Self { origin, table })
    }
}
