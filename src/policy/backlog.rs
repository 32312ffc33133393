//! What becomes of what piled up while nothing could leave: nothing new waits behind it, the newest slot of an activity
//! speaks for the older ones, and a patient hears all of it at once (design.md section 6, F22).

use crate::care::ids::{ActivityId, MessageId, PatientId, ReminderId};
use crate::care::time::MINUTE_MS;
use crate::care::{Class, Reason, UtcMs};
use std::collections::BTreeMap;

/// Who waits in due order waits no longer than this, else what is due now goes first, in milliseconds.
const BEHIND_MS: i64 = MINUTE_MS;
/// A message with less of its validity left is not joined with others: it would cut theirs short, in milliseconds.
const JOIN_NEEDS_MS: i64 = 30 * MINUTE_MS;

/// Whether a queue is behind, by the oldest that is due in it.
///
/// Then the newest goes first: in due order whatever comes due would leave as late as the backlog is long, or expire;
/// so the backlog waits instead, within its own validity.
pub fn is_behind(oldest_due: Option<UtcMs>, now: UtcMs) -> bool {
    oldest_due.is_some_and(|at| now.since(at) > BEHIND_MS)
}

/// Whether a message that is claimed at `now` has piled up: it waited although it could have left, unlike one that kept
/// quiet hours.
pub fn has_piled_up(minute: UtcMs, reason: &Reason, now: UtcMs) -> bool {
    is_behind(Some(minute), now) && !matches!(reason, Reason::QuietHours { .. })
}

/// A message announces at most so many reminders when others are joined to it: an overt text names each, and a text
/// that is too long for its channel is none.
const JOIN_MOST: usize = 8;

/// A reminder as its patient's other ones see it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Which.
    pub id: ReminderId,
    /// Of which activity.
    pub activity: ActivityId,
    /// When it was due.
    pub due_at: UtcMs,
    /// Never sent at or after it.
    pub valid_until: UtcMs,
    /// Whether it says something.
    pub voice: Voice,
    /// Its slot's name.
    pub slot: String,
}

/// Whether a reminder says something to its patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// It was said, is being said, or may have been.
    Said,
    /// It is queued, and nothing stops it.
    Waits,
    /// It ended unsaid, or will.
    None,
}

/// The queued reminders that end because a newer one of their activity is due as well and still valid, said already or
/// not; each with its reason.
pub fn outdated(now: UtcMs, all: &[Known]) -> Vec<(ReminderId, Reason)> {
    let speaks = |other: &&Known| {
        other.voice != Voice::None && other.due_at <= now && now < other.valid_until
    };
    let newer_than = |old: &Known| {
        all.iter()
            .filter(|other| other.activity == old.activity && other.due_at > old.due_at)
            .filter(speaks)
            .max_by_key(|other| other.due_at)
    };
    all.iter()
        .filter(|old| old.voice == Voice::Waits && old.due_at <= now)
        .filter_map(|old| {
            let reason = Reason::MergedInto { slot: newer_than(old)?.slot.clone() };
            Some((old.id, reason))
        })
        .collect()
}

/// A queued message that is due and has no intent yet.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    /// Which.
    pub id: MessageId,
    /// To whom.
    pub patient: PatientId,
    /// Its class group.
    pub group: &'a str,
    /// Its class.
    pub class: Class,
    /// The minute it was due.
    pub minute: UtcMs,
    /// Never sent at or after it.
    pub valid_until: UtcMs,
    /// How many reminders it announces.
    pub reminders: usize,
    /// Whether it is being claimed.
    pub hand: Hand,
}

/// Whether a message is about to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// It is in hand.
    InHand,
    /// It waits for its own turn.
    Waits,
}

/// Which messages are said by which other one: those of one patient and one class group by the newest that is in hand.
///
/// A time-critical dose keeps its own message, as ever, and so does an appointment, whose text names when it starts; and
/// whatever has little validity left.
pub fn joined(now: UtcMs, waiting: &[Waiting<'_>]) -> Vec<(MessageId, MessageId)> {
    let may_join = |one: &&Waiting<'_>| {
        let alone = matches!(
            one.class,
            Class::TimeCriticalDose | Class::Appointment | Class::Answer | Class::Notice
        );
        !alone && one.valid_until.since(now) >= JOIN_NEEDS_MS
    };
    let speaker = |one: &Waiting<'_>| {
        waiting
            .iter()
            .filter(may_join)
            .filter(|other| other.hand == Hand::InHand)
            .filter(|other| other.patient == one.patient && other.group == one.group)
            .max_by_key(|other| (other.minute, other.id))
    };
    let mut newest_first: Vec<&Waiting<'_>> = waiting.iter().filter(may_join).collect();
    newest_first.sort_by_key(|one| std::cmp::Reverse((one.minute, one.id)));
    let mut said: BTreeMap<MessageId, usize> = BTreeMap::new();
    let mut joined = Vec::new();
    for one in newest_first {
        let Some(speaker) = speaker(one).filter(|speaker| speaker.id != one.id) else { continue };
        let count = said.entry(speaker.id).or_insert(speaker.reminders);
        if *count + one.reminders <= JOIN_MOST {
            *count += one.reminders;
            joined.push((one.id, speaker.id));
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const fn minutes(minutes: i64) -> UtcMs {
        UtcMs(minutes * MINUTE_MS)
    }

    #[test]
    fn f22_a_queue_is_behind_after_a_minute() {
        assert!(!is_behind(None, minutes(9)));
        assert!(!is_behind(Some(minutes(8)), minutes(9)));
        assert!(is_behind(Some(UtcMs(minutes(8).0 - 1)), minutes(9)));
        assert!(has_piled_up(minutes(0), &Reason::Due, minutes(9)));
        let kept_quiet = Reason::QuietHours { until: minutes(9) };
        assert!(!has_piled_up(minutes(0), &kept_quiet, minutes(9)));
    }

    #[test]
    fn f22_the_newest_valid_slot_speaks_for_the_older_ones() {
        use Voice::{None, Said, Waits};
        let known = |id: u128, activity: u128, due: i64, until: i64, voice| Known {
            id: ReminderId(Uuid::from_u128(id)),
            activity: ActivityId(Uuid::from_u128(activity)),
            due_at: minutes(due),
            valid_until: minutes(until),
            voice,
            slot: due.to_string(),
        };
        for (newer, outdates) in [
            (known(2, 1, 30, 200, Waits), true),
            (known(2, 1, 30, 200, Said), true),
            // Failed, or withdrawn by an edit meanwhile: the older one is all there is.
            (known(2, 1, 30, 200, None), false),
            (known(2, 1, 30, 100, Waits), false),
            (known(2, 1, 101, 200, Waits), false),
            (known(2, 2, 30, 200, Waits), false),
        ] {
            let got = outdated(minutes(100), &[known(1, 1, 0, 200, Waits), newer.clone()]);
            let expected =
                (ReminderId(Uuid::from_u128(1)), Reason::MergedInto { slot: "30".into() });
            assert_eq!(got, if outdates { vec![expected] } else { vec![] }, "{newer:?}");
        }
        for older in [Said, None] {
            let all = [known(1, 1, 0, 200, older), known(2, 1, 30, 200, Waits)];
            assert!(outdated(minutes(100), &all).is_empty(), "{older:?} stays");
        }
    }

    #[test]
    fn f22_one_message_for_a_patient_and_class_group() {
        use Class::{Appointment, Dose, Education, TimeCriticalDose};
        use Hand::{InHand, Waits};
        let waiting = |id: u128, patient: u128, class, minute: i64, left: i64, hand| Waiting {
            id: MessageId(Uuid::from_u128(id)),
            patient: PatientId(Uuid::from_u128(patient)),
            group: crate::policy::grouping::class_group(class),
            class,
            minute: minutes(minute),
            valid_until: minutes(100 + left),
            reminders: 1,
            hand,
        };
        for (other, joins) in [
            (waiting(1, 1, Dose, 0, 30, Waits), true),
            (waiting(1, 1, Dose, 0, 30, InHand), true),
            (waiting(1, 1, Dose, 60, 30, Waits), true),
            (waiting(1, 1, Dose, 0, 29, Waits), false),
            (waiting(1, 2, Dose, 0, 30, Waits), false),
            (waiting(1, 1, Education, 0, 30, Waits), false),
            (waiting(1, 1, TimeCriticalDose, 0, 30, Waits), false),
        ] {
            let newest = waiting(2, 1, Dose, 50, 60, InHand);
            let got = joined(minutes(100), &[other, newest]);
            assert_eq!(got, if joins { vec![(other.id, newest.id)] } else { vec![] }, "{other:?}");
        }
        let visits = [0, 1].map(|n| waiting(n, 1, Appointment, 0, 60, InHand));
        assert!(joined(minutes(100), &visits).is_empty(), "each names its own start");
        let many = [3, 2, 1].map(|n| Waiting {
            reminders: 3,
            ..waiting(n, 1, Dose, i64::try_from(n).unwrap(), 60, InHand)
        });
        let ids = many.map(|one| one.id);
        assert_eq!(joined(minutes(100), &many), [(ids[1], ids[0])], "a text has an end");
        let nobody = [1, 2].map(|n| waiting(n, 1, Dose, 0, 60, Waits));
        assert!(joined(minutes(100), &nobody).is_empty(), "none is in hand");
    }
}
