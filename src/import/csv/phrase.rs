//! The column `timing`: a text of the timing grammar, bounded by the columns `start` and `end`.

use super::cells::{date, not_understood};
use super::columns::{Column, Row};
use crate::care::Dosage;
use crate::care::timing::Period;
use crate::import::date::Date;
use crate::import::report::Remark;
use crate::import::why::Why;
use crate::timing::text::{TextFault, parse};
use chrono::NaiveDateTime;

/// The dosages of the column; `None` when it is empty.
///
/// # Errors
/// With the place in the text that is no timing, or the column that contradicts it. No word of the cell is
/// repeated, for a spreadsheet may have put anything there.
pub(super) fn read(
    row: &Row,
    start: Option<&(String, Date)>,
) -> Result<Option<Vec<Dosage>>, Remark> {
    let Some(text) = row.get(Column::Timing) else { return Ok(None) };
    let others = [Column::Times, Column::Days, Column::Every, Column::TimesPerDay, Column::Count];
    if others.into_iter().any(|column| row.get(column).is_some()) {
        let expected = "either timing, or times, days, every, times_per_day and count";
        return Err(not_understood(Column::Timing, expected));
    }
    let mut dosages = parse(text).map_err(|TextFault { column, kind, expected, .. }| {
        let (found, expected) = (kind.to_string(), expected.to_owned());
        Remark::at(Column::Timing.name(), Why::Phrase { character: column, found, expected })
    })?;
    let start = start.map(|(written, _)| written);
    let end = date(row, Column::End)?.map(|(written, _)| written);
    let last = dosages.iter().filter_map(|dosage| dosage.sequence).max();
    let first = dosages.iter().filter_map(|dosage| dosage.sequence).min();
    for dosage in &mut dosages {
        // A step starts where the one before it ends, so only the first is bounded by start, the last by end.
        let start = start.filter(|_| dosage.sequence.is_none() || dosage.sequence == first);
        let end = end.as_ref().filter(|_| dosage.sequence.is_none() || dosage.sequence == last);
        bound(dosage, start, end)?;
    }
    Ok(Some(dosages))
}

/// The one date with a time that is all the dosages say, by the patient's clock.
pub(super) fn only_date(dosages: &[Dosage]) -> Option<NaiveDateTime> {
    let [Dosage { timing: Some(timing), .. }] = dosages else { return None };
    let [event] = timing.event.as_slice() else { return None };
    match Date::parse(event)? {
        Date::Local(at) => Some(at),
        _ => None,
    }
}

/// Fills in the bounds that the text leaves open. A length needs no start: it counts from the order's anchor.
fn bound(dosage: &mut Dosage, start: Option<&String>, end: Option<&String>) -> Result<(), Remark> {
    let Some(timing) = &mut dosage.timing else { return Ok(()) };
    let Some(repeat) = &mut timing.repeat else {
        return end.map_or(Ok(()), |_| Err(not_understood(Column::End, "no end beside dates")));
    };
    if repeat.bounds_duration.is_some() {
        let expected = "one end, here or in timing";
        return end.map_or(Ok(()), |_| Err(not_understood(Column::End, expected)));
    }
    let mut bounds = repeat.bounds_period.take().unwrap_or_default();
    fill(&mut bounds.start, start)
        .ok_or_else(|| not_understood(Column::Start, "one start, here or in timing"))?;
    fill(&mut bounds.end, end)
        .ok_or_else(|| not_understood(Column::End, "one end, here or in timing"))?;
    let read = |written: &Option<String>| written.as_deref().and_then(Date::parse);
    if let (Some(start), Some(end)) = (read(&bounds.start), read(&bounds.end))
        && end.ends() <= start.begins()
    {
        return Err(not_understood(Column::End, "a date not before start"));
    }
    repeat.bounds_period = (bounds != Period::default()).then_some(bounds);
    Ok(())
}

/// Fills a gap; `None` where something else stands in it.
fn fill(slot: &mut Option<String>, with: Option<&String>) -> Option<()> {
    match (&slot, with) {
        (Some(own), Some(with)) if own != with => None,
        (None, Some(with)) => {
            *slot = Some(with.clone());
            Some(())
        }
        _ => Some(()),
    }
}
