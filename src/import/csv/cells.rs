//! Cells: words, dates, times and numbers as people and spreadsheets write them; what could be read two ways
//! is refused.

use super::columns::{Column, Row};
use crate::care::timing::parse_time_of_day;
use crate::import::date::Date;
use crate::import::report::Remark;
use crate::import::why::Why;
use chrono::NaiveTime;

/// A cell that is one of a few words.
pub(super) fn word<T: Copy>(
    row: &Row,
    column: Column,
    words: &[(&[&str], T)],
) -> Result<Option<T>, Remark> {
    let Some(cell) = row.get(column) else { return Ok(None) };
    let lower = cell.to_lowercase().replace([' ', '_'], "-");
    if let Some((_, meaning)) = words.iter().find(|(names, _)| names.contains(&lower.as_str())) {
        return Ok(Some(*meaning));
    }
    let expected: Vec<&str> =
        words.iter().filter_map(|(names, _)| names.first().copied()).collect();
    Err(not_understood(column, &expected.join(", ")))
}

pub(super) fn not_understood(column: Column, expected: &str) -> Remark {
    Remark::at(column.name(), Why::NotUnderstood { expected: expected.to_owned() })
}

/// Yes or no.
pub(super) fn flag(row: &Row, column: Column) -> Result<bool, Remark> {
    const WORDS: &[(&[&str], bool)] =
        &[(&["yes", "y", "true", "1", "x"], true), (&["no", "n", "false", "0"], false)];
    Ok(word(row, column, WORDS)?.unwrap_or(false))
}

/// A date or date-time as ISO 8601 writes it, to the day at least.
pub(super) fn date(row: &Row, column: Column) -> Result<Option<(String, Date)>, Remark> {
    let Some(cell) = row.get(column) else { return Ok(None) };
    match Date::parse(cell) {
        Some(date) if cell.len() >= 10 => Ok(Some((cell.replacen(' ', "T", 1), date))),
        _ if cell.contains(['/', '.']) => Err(Remark::at(column.name(), Why::AmbiguousDate)),
        _ => Err(Remark::at(column.name(), Why::NotADate)),
    }
}

/// The parts of a cell that holds several.
pub(super) fn parts(cell: &str) -> impl Iterator<Item = &str> {
    cell.split([';', ',', '|', ' ', '\n']).map(str::trim).filter(|part| !part.is_empty())
}

/// A time of day, `08:00` or, as spreadsheets write it, `8:00`.
pub(super) fn time(text: &str, column: Column) -> Result<NaiveTime, Remark> {
    let padded = if text.find(':') == Some(1) { format!("0{text}") } else { text.to_owned() };
    parse_time_of_day(&padded).ok_or_else(|| not_understood(column, "HH:MM, 00:00 to 23:59"))
}

/// A whole number from 1.
pub(super) fn number(row: &Row, column: Column) -> Result<Option<i64>, Remark> {
    let Some(cell) = row.get(column) else { return Ok(None) };
    match cell.parse() {
        Ok(number @ 1..) => Ok(Some(number)),
        _ => Err(not_understood(column, "a whole number from 1")),
    }
}
