//! How often: a rate against the times, events and days beside it, and what a bare `n times` counts.

use super::draft::{Draft, Placed, Rate};
use super::fault::{FaultKind, TextFault};
use super::words::{EVENTS, Unit, spelled};
use std::collections::BTreeSet;

const COUNTS: &str = "write as many times as the rate says, such as `3x/day 08:00, 14:00, 20:00`; other schedules after `;`";
const IN_ALL: &str = "write `10 times a day` or `10 times in all`";
const INTERVAL: &str = "write an interval alone, such as `every 8h from 2026-01-05T08:00`, or list its times: `08:00, 16:00`";
const PER_INTERVAL: &str = "write one interval, such as `every 4h`";
const WEEK_DAYS: &str = "put days of the week beside days or weeks, such as `every 2 weeks on Tue`";
const MONTH_DAYS: &str =
    "put days of the month beside months, such as `every 3 months on the 1st`; others after `;`";

/// The frequency of a schedule's rate. A bare `n times` becomes the rate's number or the count.
pub(super) fn frequency(draft: &mut Draft) -> Result<Option<u32>, TextFault> {
    let shape = Shape::of(draft);
    settle(draft, &shape)?;
    conflicts(draft)?;
    let Some(Placed { value: rate, column }) = &draft.rate else { return Ok(None) };
    let listed = shape.listed(rate);
    let own = rate.times.unwrap_or(listed);
    if shape.allows(own, listed, rate) {
        Ok(Some(own))
    } else if rate.unit.is_of_clock() {
        Err(FaultKind::Contradiction.at(*column, PER_INTERVAL))
    } else {
        Err(FaultKind::Contradiction.at(*column, COUNTS))
    }
}

/// How many days and times a schedule lists.
struct Shape {
    week_days: u32,
    month_days: u32,
    /// Times or events of a day, generic meals as three.
    per_day: Option<u32>,
    /// One generic meal code: fewer meals than three can be meant.
    generic: bool,
}

impl Shape {
    fn of(draft: &Draft) -> Self {
        let codes: Vec<&str> = draft
            .events
            .iter()
            .flat_map(|events| events.value.codes.iter().map(|code| EVENTS[*code].code))
            .collect();
        let meals: BTreeSet<&str> = codes
            .iter()
            .flat_map(|code| match spelled(code) {
                [] => std::slice::from_ref(code),
                meals => meals,
            })
            .copied()
            .collect();
        let times = draft.times.as_ref().map(|times| times.value.len());
        let per_day = times.or((!meals.is_empty()).then_some(meals.len()));
        Self {
            week_days: draft.days.as_ref().map_or(0, |days| days.value.count_ones()),
            month_days: draft.month_days.as_ref().map_or(0, |days| days.value.count_ones()),
            per_day: per_day.and_then(|number| u32::try_from(number).ok()),
            generic: matches!(codes.as_slice(), [code] if !spelled(code).is_empty()),
        }
    }

    /// The frequency that the lists make within a rate's period.
    fn listed(&self, rate: &Rate) -> u32 {
        let days = match rate.unit {
            Unit::Week => self.week_days.max(1),
            Unit::Month => self.month_days.max(1),
            _ => 1,
        };
        days * self.per_day.unwrap_or(1)
    }

    /// Whether a rate's own number agrees with the lists.
    fn allows(&self, own: u32, listed: u32, rate: &Rate) -> bool {
        let days = match rate.unit {
            Unit::Week => self.week_days,
            Unit::Month => self.month_days,
            _ => 0,
        };
        if own == listed {
            return true;
        }
        if rate.unit.is_of_clock() {
            return false;
        }
        match self.per_day {
            None => days == 0,
            Some(_) if self.generic && rate.unit == Unit::Day => own < listed,
            // n days a week, each at the listed times: the week's table places them.
            Some(times) if rate.unit == Unit::Week && rate.period == 1 && days == 0 => {
                own.is_multiple_of(times) && own / times <= 7
            }
            Some(_) => false,
        }
    }
}

/// Decides what a bare `n times` counts, or that it could be either.
fn settle(draft: &mut Draft, shape: &Shape) -> Result<(), TextFault> {
    let Some(bare) = draft.bare.take() else { return Ok(()) };
    let Placed { value: bare, column } = bare;
    let total = match &mut draft.rate {
        Some(rate) if rate.value.times.is_some() || rate.value.unit.is_of_clock() => true,
        Some(rate) if rate.value.ends == bare.starts && rate.value.period == 1 => {
            rate.value.times = Some(bare.times);
            return Ok(());
        }
        Some(_) => shape.per_day.is_some_and(|times| bare.times > times),
        None => match shape.per_day {
            Some(times) => bare.times > times,
            // Days without times could be so many times on each; nothing at all is a single dose.
            None => shape.week_days + shape.month_days == 0,
        },
    };
    if !total {
        return Err(FaultKind::Ambiguous.at(column, IN_ALL));
    }
    super::draft::put(&mut draft.count, Placed { value: bare.times, column })
}

/// What no rate can have beside it.
fn conflicts(draft: &Draft) -> Result<(), TextFault> {
    let fault = |column: usize, expected| Err(FaultKind::Contradiction.at(column, expected));
    if let (Some(_), Some(days)) = (&draft.days, &draft.month_days) {
        return fault(days.column, MONTH_DAYS);
    }
    let Some(rate) = &draft.rate else { return Ok(()) };
    let (period, unit) = (rate.value.period, rate.value.unit);
    let lists = [
        draft.days.as_ref().map(|days| days.column),
        draft.month_days.as_ref().map(|days| days.column),
        draft.times.as_ref().map(|times| times.column),
        draft.events.as_ref().map(|events| events.column),
    ];
    if let Some(column) = lists.into_iter().flatten().min().filter(|_| unit.is_of_clock()) {
        return fault(column, INTERVAL);
    }
    match (&draft.days, &draft.month_days) {
        (Some(days), _) if !(unit == Unit::Week || (unit == Unit::Day && period == 1)) => {
            fault(days.column, WEEK_DAYS)
        }
        (_, Some(days)) if unit != Unit::Month => fault(days.column, MONTH_DAYS),
        _ => Ok(()),
    }
}
