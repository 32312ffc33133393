//! What follows from how an attempt ended, and how an unknown one is settled (design.md section 6).

use crate::care::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::care::{Class, Reason, UtcMs};

/// What a message has behind it when an attempt ends.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// Now.
    pub now: UtcMs,
    /// Never sent at or after it.
    pub valid_until: UtcMs,
    /// Attempts over this contact point so far, this one included.
    pub tries: usize,
    /// Waits between tries, in milliseconds.
    pub waits_ms: &'a [i64],
    /// Whether another contact point could carry it.
    pub others: Others,
}

/// Whether another consented contact point is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// One is.
    Left,
    /// None is.
    None,
}

/// What happens next to a message whose attempt did not leave it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Again over the same contact point.
    Again {
        /// When.
        at: UtcMs,
    },
    /// Over another contact point, now.
    Elsewhere,
    /// Nothing is left to try.
    Fail,
}

/// What a failed attempt asks for, in the words of its code's action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The same contact point may work later.
    Passing {
        /// How long the provider asks to wait, in milliseconds.
        retry_after_ms: Option<i64>,
    },
    /// This recipient had too much in a short time: again after 1, 4, 16, ... seconds.
    Pair,
    /// The same contact point is worth one more try.
    OnceMore,
    /// The handset is off: another contact point, else one more try at half of what is left.
    HandsetOff,
    /// The provider was not reached, and surely nothing left.
    Unreached,
    /// This contact point will not work for this message.
    Lasting,
    /// The channel itself is in trouble: others first, else again later, however often.
    Channel,
}

/// A provider's wish to wait is heard within these bounds, in milliseconds.
const RETRY_AFTER_BOUNDS_MS: (i64, i64) = (SECOND_MS, HOUR_MS);

/// What follows from a failure. A retry that would come at or after the end of validity is none.
pub fn after_failure(failure: Failure, past: &Past<'_>) -> Next {
    let planned = past.tries.checked_sub(1).and_then(|done| past.waits_ms.get(done));
    let last = past.waits_ms.last();
    let (least, most) = RETRY_AFTER_BOUNDS_MS;
    let again = |wait_ms: Option<&i64>, asked_ms: Option<i64>| {
        let wait_ms = *wait_ms?;
        let asked_ms = asked_ms.map_or(wait_ms, |asked| asked.clamp(least, most));
        let at = past.now.plus_ms(wait_ms.max(asked_ms));
        (at < past.valid_until).then_some(Next::Again { at })
    };
    let elsewhere =
        (past.others == Others::Left && past.now < past.valid_until).then_some(Next::Elsewhere);
    match failure {
        Failure::Passing { retry_after_ms } => again(planned, retry_after_ms).or(elsewhere),
        Failure::OnceMore if past.tries <= 1 => again(planned, None).or(elsewhere),
        Failure::HandsetOff if past.tries <= 1 => {
            let half_ms = past.valid_until.since(past.now) / 2;
            elsewhere.or_else(|| again(Some(&half_ms), None))
        }
        Failure::Lasting | Failure::OnceMore | Failure::HandsetOff => elsewhere,
        Failure::Pair => {
            let times = u32::try_from(past.tries.saturating_sub(1)).unwrap_or(u32::MAX);
            again(Some(&SECOND_MS.saturating_mul(4_i64.saturating_pow(times))), None).or(elsewhere)
        }
        // What the channel refuses, or nobody answers to, is not the message's fault: it waits as long as it is of use.
        Failure::Channel => elsewhere.or_else(|| again(planned.or(last), None)),
        Failure::Unreached => again(planned, None).or(elsewhere).or_else(|| again(last, None)),
    }
    .unwrap_or(Next::Fail)
}

/// Evidence about an unknown outcome is looked for as often as this, in milliseconds.
const LOOK_EVERY_MS: i64 = MINUTE_MS;

/// By when evidence must have come for an outcome that is unknown since an instant: then the class decides. After
/// 10 minutes or a third of the validity.
pub fn settle_at(since: UtcMs, valid_until: UtcMs) -> UtcMs {
    since.plus_ms((10 * MINUTE_MS).min(valid_until.since(since).max(0) / 3))
}

/// When to look for evidence next; at the deadline at the latest, and never after it.
pub fn look_at(now: UtcMs, deadline: UtcMs) -> UtcMs {
    now.plus_ms(LOOK_EVERY_MS).min(deadline.max(now))
}

/// What follows when silence proved that an attempt was not accepted: the message may go again, once. A second
/// proof about one message says that something is wrong with the line rather than with the message.
pub fn after_silence(earlier_proofs: usize, now: UtcMs, valid_until: UtcMs) -> Next {
    if earlier_proofs == 0 && now < valid_until { Next::Again { at: now } } else { Next::Fail }
}

/// What becomes of a message whose outcome is still unknown then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It is sent once more, marked as a repeat.
    Repeat,
    /// It stays unknown, and a person is asked to find out.
    AskPerson {
        /// Why.
        because: Reason,
    },
    /// It stays unknown.
    Leave {
        /// Why.
        because: Reason,
    },
}

/// Why a message stays unknown that ends without a further send although an earlier one may have arrived: whatever
/// refuses, forbids or outlasts the repeat says nothing about the first.
pub fn still_unknown(class: Class) -> Reason {
    match class {
        Class::TimeCriticalDose | Class::Dose | Class::Appointment | Class::Measurement => {
            Reason::StaysUnknown
        }
        Class::Education | Class::Notice | Class::Answer => Reason::Dropped,
    }
}

/// A repeat of an appointment or measurement needs at least this much validity, in milliseconds.
const REPEAT_NEEDS_MS: i64 = 30 * MINUTE_MS;

/// The class table of design.md section 6: a dose is never sent again blindly.
pub fn settle(class: Class, now: UtcMs, valid_until: UtcMs, repeats: i64) -> Settlement {
    let left = valid_until.since(now);
    match class {
        Class::TimeCriticalDose | Class::Dose => {
            Settlement::AskPerson { because: Reason::StaysUnknown }
        }
        Class::Appointment | Class::Measurement if repeats < 1 && left > REPEAT_NEEDS_MS => {
            Settlement::Repeat
        }
        Class::Appointment | Class::Measurement => {
            Settlement::Leave { because: Reason::StaysUnknown }
        }
        Class::Answer if repeats < 3 && left > 0 => Settlement::Repeat,
        Class::Education | Class::Notice | Class::Answer => {
            Settlement::Leave { because: Reason::Dropped }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: &[i64] = &[60_000, 300_000];

    fn past(tries: usize, others: Others) -> Past<'static> {
        Past { now: UtcMs(0), valid_until: UtcMs(HOUR_MS), tries, waits_ms: WAITS, others }
    }

    #[test]
    fn p5_a_retry_stays_within_validity_and_the_schedule() {
        let passing = Failure::Passing { retry_after_ms: None };
        assert_eq!(
            after_failure(passing, &past(1, Others::None)),
            Next::Again { at: UtcMs(60_000) }
        );
        assert_eq!(after_failure(passing, &past(3, Others::None)), Next::Fail);
        assert_eq!(after_failure(passing, &past(3, Others::Left)), Next::Elsewhere);
        let short = Past { valid_until: UtcMs(60_000), ..past(1, Others::None) };
        assert_eq!(after_failure(passing, &short), Next::Fail);
        let asked = Failure::Passing { retry_after_ms: Some(90_000) };
        assert_eq!(after_failure(asked, &past(1, Others::None)), Next::Again { at: UtcMs(90_000) });
        for (tries, wait_s) in [(1, 1), (2, 4), (3, 16), (4, 64)] {
            let got = after_failure(Failure::Pair, &past(tries, Others::None));
            assert_eq!(got, Next::Again { at: UtcMs(wait_s * 1_000) }, "{tries}");
        }
        assert_eq!(after_failure(Failure::Pair, &past(30, Others::Left)), Next::Elsewhere);
        for (failure, tries, others, next) in [
            (Failure::OnceMore, 1, Others::Left, Next::Again { at: UtcMs(60_000) }),
            (Failure::OnceMore, 2, Others::Left, Next::Elsewhere),
            (Failure::HandsetOff, 1, Others::Left, Next::Elsewhere),
            (Failure::HandsetOff, 1, Others::None, Next::Again { at: UtcMs(HOUR_MS / 2) }),
            (Failure::HandsetOff, 2, Others::None, Next::Fail),
        ] {
            assert_eq!(after_failure(failure, &past(tries, others)), next, "{failure:?} {tries}");
        }
        let absurd = Failure::Passing { retry_after_ms: Some(i64::MAX) };
        assert_eq!(after_failure(absurd, &past(1, Others::Left)), Next::Elsewhere);
        assert_eq!(after_failure(Failure::Lasting, &past(1, Others::None)), Next::Fail);
        assert_eq!(
            after_failure(Failure::Channel, &past(1, Others::None)),
            Next::Again { at: UtcMs(60_000) }
        );
        assert_eq!(
            after_failure(Failure::Channel, &past(9, Others::None)),
            Next::Again { at: UtcMs(300_000) }
        );
        for (tries, others, next) in [
            (1, Others::Left, Next::Again { at: UtcMs(60_000) }),
            (9, Others::Left, Next::Elsewhere),
            (9, Others::None, Next::Again { at: UtcMs(300_000) }),
        ] {
            assert_eq!(after_failure(Failure::Unreached, &past(tries, others)), next, "{tries}");
        }
    }

    #[test]
    fn p4_the_class_table() {
        use Class::{Answer, Appointment, Dose, Education, Measurement, Notice, TimeCriticalDose};
        let far = UtcMs(2 * HOUR_MS);
        for (class, repeats, until, repeat) in [
            (TimeCriticalDose, 0, far, false),
            (Dose, 0, far, false),
            (Appointment, 0, far, true),
            (Appointment, 1, far, false),
            (Appointment, 0, UtcMs(30 * MINUTE_MS), false),
            (Measurement, 0, far, true),
            (Education, 0, far, false),
            (Notice, 0, far, false),
            (Answer, 2, far, true),
            (Answer, 3, far, false),
        ] {
            let got = settle(class, UtcMs(0), until, repeats);
            assert_eq!(got == Settlement::Repeat, repeat, "{class:?} after {repeats} repeats");
        }
        assert!(matches!(settle(Dose, UtcMs(0), far, 0), Settlement::AskPerson { .. }));
        assert_eq!(settle_at(UtcMs(0), far), UtcMs(10 * MINUTE_MS));
        assert_eq!(settle_at(UtcMs(0), UtcMs(15 * MINUTE_MS)), UtcMs(5 * MINUTE_MS));
    }

    #[test]
    fn p4_evidence_is_looked_for_until_the_deadline_and_proves_once() {
        let deadline = UtcMs(10 * MINUTE_MS);
        let minutes = |minutes: i64| UtcMs(minutes * MINUTE_MS);
        assert_eq!(look_at(minutes(0), deadline), minutes(1));
        assert_eq!(look_at(UtcMs(minutes(10).0 - 1), deadline), deadline);
        assert_eq!(look_at(minutes(11), deadline), minutes(11));
        assert_eq!(after_silence(0, minutes(3), deadline), Next::Again { at: minutes(3) });
        assert_eq!(after_silence(1, minutes(3), deadline), Next::Fail);
        assert_eq!(after_silence(0, deadline, deadline), Next::Fail);
    }
}
