//! Answers on stdout, talk on stderr: tables in 80 columns, JSON, colour only where it is wanted.

use super::Failure;
use crate::config::Environment;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{IsTerminal, Write};

/// Everything is laid out for terminals this wide, and for pipes alike.
pub const COLUMNS: u16 = 80;

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set (no-color.org).
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a coloured word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Bad,
}

/// Where answers and talk go.
#[derive(Debug)]
pub struct Output {
    color: Color,
}

impl Output {
    pub(super) fn new(wanted: Color, environment: &Environment) -> Self {
        let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        let color = match wanted {
            Color::Auto if terminal && environment.variable("NO_COLOR").is_none() => Color::Always,
            Color::Auto => Color::Never,
            said => said,
        };
        Self { color }
    }

    /// Prints an answer.
    ///
    /// # Errors
    /// [`Failure::ReaderGone`] when nobody reads any more.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let written =
            stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(end.as_bytes()));
        written.and_then(|()| stdout.flush()).map_err(Failure::unwritten)
    }

    /// Prints an answer as JSON.
    ///
    /// # Errors
    /// As [`Output::print`].
    pub fn json(&self, answer: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(answer).map_err(anyhow::Error::from)?;
        self.print(&text)
    }

    /// Prints an answer as a table. Cells are foreign text: control characters are escaped.
    ///
    /// # Errors
    /// As [`Output::print`].
    pub fn table(&self, headers: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        self.print(&table(headers, rows))
    }

    /// Says something on stderr; nobody may be listening.
    pub fn say(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// A word in its colour.
    pub fn paint<'a>(&self, tone: Tone, word: &'a str) -> Cow<'a, str> {
        let code = match tone {
            Tone::Good => 32,
            Tone::Warning => 33,
            Tone::Bad => 31,
        };
        match self.color {
            Color::Always => format!("\u{1b}[1;{code}m{word}\u{1b}[0m").into(),
            Color::Auto | Color::Never => word.into(),
        }
    }
}

fn table(headers: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(COLUMNS)
        .set_header(headers)
        .add_rows(rows.iter().map(|row| row.iter().map(|cell| printable(cell))));
    // The first column names the row; it is the last to be broken.
    let name = rows.iter().filter_map(|row| row.first()).map(|cell| cell.chars().count()).max();
    let name = u16::try_from(name.unwrap_or(0)).unwrap_or(COLUMNS).min(COLUMNS / 2);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index == 0 {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(name + 2)));
        }
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// Text of foreign origin with its control characters escaped, so that it can neither move the cursor, nor
/// colour, nor reorder what a terminal shows (Unicode Technical Report 36, section 2.5, on bidi controls).
pub fn printable(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(harmful) {
        return text.into();
    }
    let escape = |c: char| if harmful(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect::<String>().into()
}

/// A paragraph broken at spaces to fit [`COLUMNS`], every line behind `indent` spaces.
pub fn wrapped(text: &str, indent: usize) -> String {
    let (margin, room) = (" ".repeat(indent), usize::from(COLUMNS).saturating_sub(indent));
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().flat_map(|line| [margin.as_str(), line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[31mb\r\u{9b}2J\u{202e}c"),
            "a\\u{1b}[31mb\\r\\u{9b}2J\\u{202e}c"
        );
        assert!(matches!(printable("Zoë, 2 × 500 mg"), Cow::Borrowed(_)));
    }

    #[test]
    fn tables_and_paragraphs_fit_80_columns() {
        let row = vec!["state".to_owned(), "word ".repeat(60), "\u{1b}[2J".to_owned()];
        let text =
            table(&["key", "value", "origin"], &[row]) + "\n" + &wrapped(&"ab ".repeat(90), 6);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("\\u{1b}[2J") && !text.contains('\u{1b}'));
    }
}
