//! The columns `protocol` and `met`: a follow-up protocol of the programme, and which of its milestones are met.

use super::cells::not_understood;
use super::columns::{Column, Row};
use crate::care::Schedule;
use crate::care::milestone::{Facts, Met};
use crate::import::date::Date;
use crate::import::report::Remark;
use crate::import::why::Why;

/// The protocol of a row; `None` when it names none. When the house learnt of what is met is filled in where the
/// row is compared with what is stored.
///
/// # Errors
/// With the column that contradicts it, or the milestone that has no date.
pub(super) fn read(row: &Row) -> Result<Option<Schedule>, Remark> {
    let Some(name) = row.get(Column::Protocol) else {
        return match row.get(Column::Met) {
            Some(_) => Err(Remark::at(Column::Protocol.name(), Why::Missing)),
            None => Ok(None),
        };
    };
    let others = [
        Column::Timing,
        Column::Times,
        Column::Days,
        Column::Every,
        Column::TimesPerDay,
        Column::Count,
        Column::End,
    ];
    if others.into_iter().any(|column| row.get(column).is_some()) {
        let expected =
            "either protocol, or timing, times, days, every, times_per_day, count and end";
        return Err(not_understood(Column::Protocol, expected));
    }
    let mut facts = Facts::default();
    for part in row.get(Column::Met).into_iter().flat_map(|cell| cell.split(';')) {
        if part.trim().is_empty() {
            continue;
        }
        let fault =
            || not_understood(Column::Met, "first visit=2026-05-17; second visit=2026-06-20");
        let (milestone, at) = part.split_once('=').ok_or_else(fault)?;
        let at = at.trim().replacen(' ', "T", 1);
        if at.len() < 10 || Date::parse(&at).is_none() {
            return Err(fault());
        }
        let met = Met { at, recorded: None };
        if facts.met.insert(milestone.trim().to_owned(), met).is_some() {
            return Err(not_understood(Column::Met, "each milestone once"));
        }
    }
    Ok(Some(Schedule::Protocol { name: name.to_owned(), facts }))
}
