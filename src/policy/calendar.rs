//! What becomes of a calendar entry that went to a patient when its appointment changes.

use crate::care::time::HOUR_MS;
use crate::care::{ActivityStatus, UtcMs};

/// An appointment as it is now, beside the entry that announced it.
#[derive(Clone, Copy, Debug)]
pub struct Announced {
    /// Now.
    pub now: UtcMs,
    /// When the change was learnt.
    pub learnt: UtcMs,
    /// When it begins, by the entry that went out.
    pub told: UtcMs,
    /// The appointment's status.
    pub status: ActivityStatus,
    /// When it begins now; `None`: it is no appointment any more, or a person must look at it first.
    pub start: Option<UtcMs>,
    /// When a reminder of it comes next.
    pub next_reminder: Option<UtcMs>,
}

/// What a calendar is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The appointment no longer stands.
    CalledOff,
    /// It begins at another time.
    Moved {
        /// When.
        to: UtcMs,
    },
}

/// A source says "stopped" of a visit that is taking place as well (FHIR: arrived, checked-in, fulfilled), and people
/// come early: what is learnt so close to the start calls nothing off, in milliseconds.
const ARRIVES_MS: i64 = 2 * HOUR_MS;
/// A reminder that comes this soon brings the new time itself, in milliseconds.
const SOON_MS: i64 = 24 * HOUR_MS;

/// What follows from a change, if anything does.
///
/// An appointment of the past needs nothing. One that is on hold keeps its place, and so does one that a person must
/// look at first. What moved is told at once, unless a reminder brings it within a day: until then the calendar shows
/// a time at which nobody waits. Source: RFC 5546 sections 3.2.2 and 3.2.5.
pub fn follow(of: &Announced) -> Option<Follow> {
    if of.told <= of.now {
        return None;
    }
    match of.status {
        ActivityStatus::EnteredInError => Some(Follow::CalledOff),
        ActivityStatus::Stopped | ActivityStatus::Inactive => {
            (of.told.since(of.learnt) > ARRIVES_MS).then_some(Follow::CalledOff)
        }
        ActivityStatus::OnHold => None,
        ActivityStatus::Active => {
            let to = of.start.filter(|start| *start != of.told && *start > of.now)?;
            let soon = of.next_reminder.is_some_and(|at| at.since(of.now) <= SOON_MS);
            (!soon).then_some(Follow::Moved { to })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::time::DAY_MS;

    #[test]
    fn what_a_calendar_is_told_by_status_and_time() {
        use ActivityStatus::{Active, EnteredInError, Inactive, OnHold, Stopped};
        let (day, hour) = (|n: i64| UtcMs(n * DAY_MS), |n: i64| UtcMs(n * HOUR_MS));
        let moved = |to| Some(Follow::Moved { to });
        for (told, status, start, next_reminder, expected) in [
            (day(3), Active, Some(day(3)), None, None),
            (day(3), Stopped, Some(day(3)), None, Some(Follow::CalledOff)),
            (day(3), Inactive, Some(day(3)), None, Some(Follow::CalledOff)),
            (day(3), EnteredInError, Some(day(3)), None, Some(Follow::CalledOff)),
            (day(3), OnHold, Some(day(5)), None, None),
            // They are in the waiting room.
            (hour(2), Stopped, Some(hour(2)), None, None),
            (hour(2), EnteredInError, Some(hour(2)), None, Some(Follow::CalledOff)),
            // It is over.
            (day(0), Stopped, Some(day(0)), None, None),
            (day(0), Active, Some(day(5)), None, None),
            (day(3), Active, Some(day(5)), None, moved(day(5))),
            (day(3), Active, Some(day(5)), Some(day(2)), moved(day(5))),
            (day(3), Active, Some(day(2)), Some(day(1)), None),
            (day(3), Active, Some(day(0)), None, None),
            (day(3), Active, None, None, None),
        ] {
            let of =
                Announced { now: UtcMs(0), learnt: UtcMs(0), told, status, start, next_reminder };
            assert_eq!(follow(&of), expected, "{of:?}");
        }
        // What was learnt in the evening is told in the morning all the same.
        let of = Announced {
            now: hour(23),
            learnt: hour(12),
            told: hour(24),
            status: Stopped,
            start: None,
            next_reminder: None,
        };
        assert_eq!(follow(&of), Some(Follow::CalledOff));
    }
}
