//! What keeps a message from leaving although it is due: the emergency stop, a restored database, a paused
//! channel. Nothing here ends a message; its validity does (P5).

use crate::care::hold::{Hold, Scope};
use crate::care::time::MINUTE_MS;
use crate::care::{Class, Reason, UtcMs};

/// Why a send is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// All sending is stopped.
    Stopped,
    /// The database went back in time.
    Restored,
    /// The channel is paused.
    Paused {
        /// Until when; `None`: until somebody resumes it.
        until: Option<UtcMs>,
    },
    /// The channel rests: its provider is in trouble, or refuses us.
    Resting {
        /// Until when.
        until: Option<UtcMs>,
    },
}

impl Held {
    /// The reason to store.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Stopped => Reason::SendingStopped,
            Self::Restored => Reason::RestoredBackup,
            Self::Paused { until } => Reason::ChannelPaused { until },
            Self::Resting { until } => Reason::ChannelResting { until },
        }
    }

    /// Where a claimed send ended that was caught by it: the stage of `not sent`.
    pub const fn stage(self) -> &'static str {
        match self {
            Self::Stopped => "sending-stopped",
            Self::Restored => "restored",
            Self::Paused { .. } => "channel-paused",
            Self::Resting { .. } => "channel-resting",
        }
    }

    /// What a stage of `not sent` says was holding; a send that ended so was no try of the provider.
    pub fn of_stage(stage: &str) -> Option<Self> {
        let (paused, resting) = (Self::Paused { until: None }, Self::Resting { until: None });
        [Self::Stopped, Self::Restored, paused, resting]
            .into_iter()
            .find(|held| held.stage() == stage)
    }
}

/// What keeps messages from leaving over `channel` at `now`; what holds everything counts before what holds one
/// channel. Source: design.md sections 3 and 7.
pub fn held_back(now: UtcMs, channel: &str, holds: &[Hold]) -> Option<Held> {
    let in_force =
        |wanted: &Scope| holds.iter().find(|hold| hold.scope == *wanted && hold.holds_at(now));
    if in_force(&Scope::Sending).is_some() {
        return Some(Held::Stopped);
    }
    if in_force(&Scope::Restored).is_some() {
        return Some(Held::Restored);
    }
    if let Some(pause) = in_force(&Scope::Channel(channel.to_owned())) {
        return Some(Held::Paused { until: pause.until });
    }
    in_force(&Scope::Rest(channel.to_owned())).map(|rest| Held::Resting { until: rest.until })
}

/// Classes that go over the next consented channel while theirs is held: those whose silence hurts. The others wait
/// within their validity.
pub const GOES_ROUND: [Class; 4] =
    [Class::TimeCriticalDose, Class::Dose, Class::Appointment, Class::Measurement];

/// What a held channel keeps is looked at again so often: another one may have opened, in milliseconds.
pub const LOOK_AGAIN_MS: i64 = 5 * MINUTE_MS;

/// What is known of a message's earlier attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// Surely nothing left.
    NothingLeft,
    /// One left, or may have.
    MayHaveLeft,
}

/// Whether a message goes over the next channel when the first does not carry it, even if an earlier attempt may have
/// arrived: what may be said again at all (design.md section 6).
const fn falls_back(class: Class) -> bool {
    matches!(class, Class::Appointment | Class::Measurement)
}

/// Whether a message goes over the patient's next consented channel while its own is paused or rests.
///
/// A dose only when surely nothing of it left: another channel than the first is then no second time (P1).
pub fn goes_round(class: Class, earlier: Earlier) -> bool {
    GOES_ROUND.contains(&class) && (earlier == Earlier::NothingLeft || falls_back(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(scope: Scope, until: Option<i64>) -> Hold {
        let (actor, because) = ("operator".to_owned(), String::new());
        Hold { scope, until: until.map(UtcMs), actor, because, at: UtcMs(0) }
    }

    #[test]
    fn the_widest_hold_counts_and_an_end_ends_it() {
        let sms = Scope::Channel("sms".to_owned());
        let paused = hold(sms.clone(), Some(100));
        let rest = hold(Scope::Rest("sms".to_owned()), Some(50));
        let until = Some(UtcMs(100));
        for (holds, now, channel, held) in [
            (vec![], 0, "sms", None),
            (vec![paused.clone()], 99, "sms", Some(Held::Paused { until })),
            (vec![paused.clone()], 100, "sms", None),
            (vec![paused.clone()], 99, "email", None),
            (vec![hold(sms, None)], i64::MAX, "sms", Some(Held::Paused { until: None })),
            (vec![rest.clone()], 49, "sms", Some(Held::Resting { until: Some(UtcMs(50)) })),
            (vec![rest.clone()], 50, "sms", None),
            (vec![rest.clone()], 0, "email", None),
            (vec![rest, paused.clone()], 0, "sms", Some(Held::Paused { until })),
            (vec![paused.clone(), hold(Scope::Restored, None)], 0, "sms", Some(Held::Restored)),
            (vec![hold(Scope::Restored, None)], 0, "none", Some(Held::Restored)),
            (
                vec![paused, hold(Scope::Restored, None), hold(Scope::Sending, None)],
                0,
                "sms",
                Some(Held::Stopped),
            ),
        ] {
            assert_eq!(held_back(UtcMs(now), channel, &holds), held, "{holds:?} at {now}");
        }
    }

    #[test]
    fn p1_a_dose_goes_round_only_when_surely_nothing_left() {
        use Earlier::{MayHaveLeft, NothingLeft};
        for (class, after_nothing, after_something) in [
            (Class::TimeCriticalDose, true, false),
            (Class::Dose, true, false),
            (Class::Appointment, true, true),
            (Class::Measurement, true, true),
            (Class::Education, false, false),
            (Class::Notice, false, false),
            (Class::Answer, false, false),
        ] {
            assert_eq!(goes_round(class, NothingLeft), after_nothing, "{class:?}");
            assert_eq!(goes_round(class, MayHaveLeft), after_something, "{class:?}");
        }
    }

    #[test]
    fn a_stage_tells_what_held() {
        let (paused, resting) = (Held::Paused { until: None }, Held::Resting { until: None });
        for held in [Held::Stopped, Held::Restored, paused, resting] {
            assert_eq!(Held::of_stage(held.stage()), Some(held));
        }
        assert_eq!(Held::of_stage("connect"), None);
    }
}
