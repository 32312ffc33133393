//! What a message announces decides which message it is, the time that it names, and its items.

use super::{Item, MessageName, NotRenderable};
use crate::care::slot::Planned;
use crate::care::{Activity, Schedule, UtcMs, Zone};
use chrono::{NaiveDateTime, NaiveTime};

/// A due moment of an activity.
#[derive(Clone, Copy, Debug)]
pub struct Announced<'a> {
    /// The activity.
    pub activity: &'a Activity,
    /// When it is due.
    pub due_at: UtcMs,
    /// As it was planned.
    pub planned: Planned,
}

impl Announced<'_> {
    fn appointment(&self) -> Option<UtcMs> {
        match self.activity.schedule {
            Schedule::Appointment { start } => Some(start),
            Schedule::Dosages(_) | Schedule::Protocol { .. } | Schedule::Unscheduled => None,
        }
    }

    fn is_over(&self) -> bool {
        self.appointment().is_some_and(|start| start <= self.due_at)
    }

    fn local(&self, zone: &Zone) -> NaiveDateTime {
        match (self.appointment(), self.planned) {
            (Some(start), _) => zone.local(start),
            (None, Planned::Local(local)) => local,
            (None, Planned::Elapsed(_)) => zone.local(self.due_at),
        }
    }
}

/// The message that announces all of this together.
///
/// # Errors
/// For nothing, and for an appointment among others: its own date and time would be lost.
pub fn what(announced: &[Announced<'_>]) -> Result<MessageName, NotRenderable> {
    if !announced.is_empty() && announced.iter().all(Announced::is_over) {
        return Ok(MessageName::AppointmentAfter);
    }
    let kinds: Vec<_> = announced.iter().map(|one| one.activity.kind).collect();
    MessageName::announcing(&kinds).ok_or(NotRenderable::NotTogether)
}

/// The times that the text names: when the appointment starts, else the planned time of the first; and those of
/// others that were joined with it. `None`: nothing is announced.
pub fn times(announced: &[Announced<'_>], zone: &Zone) -> Option<(NaiveDateTime, Vec<NaiveTime>)> {
    let first = announced.first()?.local(zone);
    let mut also: Vec<NaiveTime> = Vec::new();
    for one in announced.iter().filter(|one| one.appointment().is_none()) {
        let time = one.local(zone).time();
        if time != first.time() && !also.contains(&time) {
            also.push(time);
        }
    }
    Some((first, also))
}

/// What overt texts name, in its order.
pub fn items(announced: &[Announced<'_>]) -> Vec<Item> {
    let item = |one: &Announced<'_>| Item {
        kind: one.activity.kind,
        title: one.activity.title.clone(),
        instruction: one.activity.instruction.clone(),
    };
    announced.iter().map(item).collect()
}
