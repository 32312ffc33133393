//! The extensions of a `repeat` that narrow or spread it: HL7's days of a cycle and the house's own.

use super::days::{Cycle, MonthEnds};
use super::moment::Day;
use super::notes::{Decision, Findings};
use crate::care::timing::{Extension, Repeat, native};

/// What the extensions say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extensions {
    pub(super) cycle: InCycle,
    /// What becomes of a day that a month does not have, where the order says.
    pub(super) month_ends: Option<MonthEnds>,
    /// Whether an interval holds while awake only.
    pub(super) awake: Option<WhileAwake>,
}

/// The days of a cycle on which a rule holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum InCycle {
    /// There is no cycle.
    Always,
    /// On these.
    Only(Cycle),
    /// On these of a cycle as long as the period.
    OfPeriod(Cycle),
    /// Cannot be placed; a person was asked.
    Refused,
}

/// An interval counts from waking to going to bed.
#[derive(Clone, Copy, Debug)]
pub(super) struct WhileAwake;

impl Extensions {
    pub(super) fn read(repeat: &Repeat, first: Day, findings: &mut Findings) -> Self {
        if repeat.extension.is_empty() {
            return Self { cycle: InCycle::Always, month_ends: None, awake: None };
        }
        let awake = repeat.native(native::WHILE_AWAKE).and_then(|e| e.value_boolean);
        Self {
            cycle: cycle(repeat, first, findings),
            month_ends: month_ends(repeat, findings),
            awake: awake.filter(|awake| *awake).map(|_| WhileAwake),
        }
    }

    /// Whether they mean anything without a rate beside them.
    pub(super) const fn say_something(&self) -> bool {
        !matches!(self.cycle, InCycle::Always) || self.awake.is_some()
    }
}

fn month_ends(repeat: &Repeat, findings: &mut Findings) -> Option<MonthEnds> {
    match repeat.native(native::MONTH_END)?.value_code.as_deref() {
        Some("skip") => Some(MonthEnds::Skip),
        Some("clamp") => Some(MonthEnds::Clamp),
        _ => {
            findings.ask_that(Decision::BadValue, "timing-month-end is neither skip nor clamp");
            None
        }
    }
}

fn cycle(repeat: &Repeat, first: Day, findings: &mut Findings) -> InCycle {
    let listed: Option<Vec<i64>> = days_of_cycle(repeat);
    let on_and_off = repeat.native(native::CYCLE).map(|extension| {
        let part = |name: &str| {
            let part = extension.extension.iter().find(|part| part.url == name)?;
            part.value_positive_int.filter(|days| (1..=366).contains(days))
        };
        part("on").zip(part("off"))
    });
    let (cycle, known) = match (on_and_off, listed) {
        (None, None) => return InCycle::Always,
        (Some(None), _) => (None, true),
        (Some(Some((on, off))), None) => (Cycle::new(first, on + off, 1..=on), true),
        (Some(Some((on, off))), Some(days)) => {
            (Cycle::new(first, on + off, days.into_iter()), true)
        }
        (None, Some(days)) => {
            findings.ask(Decision::DaysOfCycle);
            let length = length_of_period(repeat);
            (length.and_then(|length| Cycle::new(first, length, days.into_iter())), false)
        }
    };
    match cycle {
        Some(cycle) if known => InCycle::Only(cycle),
        Some(cycle) => InCycle::OfPeriod(cycle),
        None => {
            findings.ask(if known { Decision::Cycle } else { Decision::DaysOfCycle });
            InCycle::Refused
        }
    }
}

/// The days that HL7's extension lists, as parts `day` or, as some write it, as its own value.
fn days_of_cycle(repeat: &Repeat) -> Option<Vec<i64>> {
    let mut days = None;
    for extension in repeat.extensions("timing-daysOfCycle") {
        let parts = extension.extension.iter().filter(|part| part.url == "day");
        let named = |e: &Extension| e.value_positive_int.unwrap_or_default();
        let list: &mut Vec<i64> = days.get_or_insert_default();
        list.extend(parts.map(named).chain(extension.value_positive_int));
    }
    days
}

/// The period in days, where it is one.
fn length_of_period(repeat: &Repeat) -> Option<i64> {
    let factor = match repeat.period_unit.as_deref()? {
        "d" => 1,
        "wk" => 7,
        _ => return None,
    };
    repeat.period.as_ref()?.whole_times(factor)
}
