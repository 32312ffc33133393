//! `carebell config`: the values in force, and the commented file with every key.

use super::{Context, Failure, Form};
use crate::config::{DEFAULT_FILE, Effective};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Show every value in force; secrets are masked
    Show(Show),
    /// Print the commented configuration file with every key and its default
    Default,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Show which layer set each value
    #[arg(long)]
    origin: bool,
    #[command(flatten)]
    form: Form,
}

pub(super) fn run(action: &Action, context: &Context) -> Result<(), Failure> {
    match action {
        Action::Default => context.output.print(DEFAULT_FILE),
        Action::Show(show) => {
            let values = context.load()?.effective();
            if show.form.json {
                return context.output.json(&values);
            }
            let (headers, columns) = (["key", "value", "origin"], if show.origin { 3 } else { 2 });
            let row = |value: &Effective| {
                let mut cells = vec![value.key.clone(), shown(&value.value), value.origin.clone()];
                cells.truncate(columns);
                cells
            };
            let rows: Vec<Vec<String>> = values.iter().map(row).collect();
            context.output.table(&headers[..columns], &rows)
        }
    }
}

fn shown(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
