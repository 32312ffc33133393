//! Whether the wall clock may be believed. Business time decides what is due and what has expired, so a clock that
//! was set by much holds everything back until it is judged: one wrong hour must neither expire nor announce a dose.

use crate::care::UtcMs;
use crate::care::time::{DAY_MS, MINUTE_MS, Reading, SECOND_MS};
use serde::{Deserialize, Serialize};

/// Up to this a time service slews or sets a sound clock (chrony steps from 1 s, ntpd from 128 ms; a leap second is
/// 1 s); nobody needs to know, in milliseconds.
const UNTOLD_MS: i64 = 10 * SECOND_MS;
/// Steps up to this are followed, and told above [`UNTOLD_MS`]: two minutes neither expire a dose in bulk (the
/// shortest default validity is 30 minutes) nor announce it at another time of day. In milliseconds.
pub const FOLLOWED_MS: i64 = 2 * MINUTE_MS;
/// No binary is used for longer, in milliseconds.
const LIFETIME_MS: i64 = 30 * 365 * DAY_MS;
/// A start so long after the ledger's newest time asks for a look at the clock first, in milliseconds.
const LONG_MS: i64 = 35 * DAY_MS;
/// How long a person's word that the clock is right is good for, in milliseconds.
const CONFIRMED_FOR_MS: i64 = 10 * MINUTE_MS;

/// What is known of the clock.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// What the machine shows.
    pub reading: Reading,
    /// What it showed when it was last believed, since the machine started.
    pub last: Option<Reading>,
    /// What another clock says, where there is one.
    pub witness: Option<Witness>,
    /// The newest time at which any daemon on this database believed its clock.
    pub known: Option<UtcMs>,
    /// An earlier run of this machine ended while its clock was set by much.
    pub unresolved: bool,
    /// What the wall clock showed when a person last said that it is right.
    pub confirmed: Option<UtcMs>,
    /// No right clock shows an earlier time.
    pub built_after: UtcMs,
}

/// What the database's clock says; it may be this machine's own.
#[derive(Clone, Copy, Debug)]
pub struct Witness {
    /// Now.
    pub now: UtcMs,
    /// What it said when it was last asked and agreed, by this machine's steady clock.
    pub last: Option<Reading>,
}

/// Whether the wall clock may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Fine,
    /// It may, and it was set.
    Stepped {
        /// Forward, or back when negative, in milliseconds.
        by_ms: i64,
    },
    /// It may not.
    Implausible(Trouble),
}

/// Why the wall clock may not be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "clock", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Trouble {
    /// It shows a time before this binary was made.
    BeforeBuilt,
    /// It shows a time at which this binary is long out of use.
    FarAhead,
    /// The database's clock shows another time.
    OffDatabase {
        /// Ahead of it, or behind when negative, in milliseconds.
        by_ms: i64,
    },
    /// It was set by much, and nothing else confirms it.
    Stepped {
        /// Forward, or back when negative, in milliseconds.
        by_ms: i64,
    },
    /// An earlier run saw it set by much, and nobody has said which time is right.
    Unresolved,
    /// A daemon has worked at a later time already.
    BehindLedger {
        /// How much later, in milliseconds.
        by_ms: i64,
    },
    /// No daemon has worked for very long, by this clock.
    LongSilence {
        /// How long, in milliseconds.
        by_ms: i64,
    },
}

impl Trouble {
    /// Whether a person may say that the clock is right all the same.
    pub const fn may_be_confirmed(self) -> bool {
        match self {
            Self::BeforeBuilt | Self::FarAhead | Self::OffDatabase { .. } => false,
            Self::Stepped { .. }
            | Self::Unresolved
            | Self::BehindLedger { .. }
            | Self::LongSilence { .. } => true,
        }
    }

    /// Whether a restart must not make it forgotten: the next start has nothing to compare the clock with.
    pub const fn outlives_a_restart(self) -> bool {
        matches!(self, Self::Stepped { .. } | Self::Unresolved)
    }

    /// What to do about it.
    pub const fn fix(self) -> &'static str {
        if self.may_be_confirmed() {
            "set the clock right; if it is right as it is: carebell doctor --confirm-clock"
        } else {
            "set the clocks of this machine and of the database right"
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::BeforeBuilt => f.write_str("the clock shows a time before this program was made"),
            Self::FarAhead => f.write_str("the clock shows a time decades ahead"),
            Self::OffDatabase { by_ms } => {
                let (way, by) = (if by_ms > 0 { "ahead of" } else { "behind" }, Span(by_ms));
                write!(f, "the clock is {by} {way} the database's")
            }
            Self::Stepped { by_ms } => {
                let way = if by_ms > 0 { "forward" } else { "back" };
                write!(f, "the clock was set {way} by {}, and nothing confirms it", Span(by_ms))
            }
            Self::Unresolved => {
                f.write_str("the clock was set by much before the last stop, and nobody has said which time is right")
            }
            Self::BehindLedger { by_ms } => {
                write!(f, "the clock is {} behind what a daemon has worked at already", Span(by_ms))
            }
            Self::LongSilence { by_ms } => {
                write!(f, "by the clock no daemon has worked for {}", Span(by_ms))
            }
        }
    }
}

/// A length of time in the largest fitting unit.
struct Span(i64);

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let minutes = self.0.abs() / MINUTE_MS;
        match (minutes / (24 * 60), minutes / 60) {
            (0, 0) => write!(f, "{minutes} min"),
            (0, hours) => write!(f, "{hours} h"),
            (days, _) => write!(f, "{days} days"),
        }
    }
}

/// Whether the wall clock may be believed, first match wins: what no right clock shows; what the database's clock
/// denies; a person's word; then how the wall clock moved against the steady one, or, at a start, against the ledger.
///
/// Suspend is no step: both clocks went on. A large step is believed when the database's clock did not step with it
/// and shows the same; a step back to what was expected ends the trouble by itself. Source: design.md section 5,
/// hazard H19 in reference/security-reliability.md (hold beyond 120 s).
pub fn judge(facts: &Facts) -> Verdict {
    use Trouble::{BeforeBuilt, BehindLedger, FarAhead, LongSilence, OffDatabase, Unresolved};
    let wall = facts.reading.wall;
    if wall < facts.built_after {
        return Verdict::Implausible(BeforeBuilt);
    }
    if wall.since(facts.built_after) > LIFETIME_MS {
        return Verdict::Implausible(FarAhead);
    }
    if let Some(witness) = facts.witness {
        let by_ms = wall.since(witness.now);
        if by_ms.abs() > FOLLOWED_MS {
            return Verdict::Implausible(OffDatabase { by_ms });
        }
    }
    if let Some(last) = facts.last {
        let by_ms = last.step_to(facts.reading);
        return if by_ms.abs() <= UNTOLD_MS {
            Verdict::Fine
        } else if by_ms.abs() <= FOLLOWED_MS || facts.is_confirmed() || facts.is_witnessed() {
            Verdict::Stepped { by_ms }
        } else {
            Verdict::Implausible(Trouble::Stepped { by_ms })
        };
    }
    if facts.is_confirmed() {
        return Verdict::Fine;
    }
    if facts.unresolved {
        return Verdict::Implausible(Unresolved);
    }
    match facts.known.map(|known| wall.since(known)) {
        Some(by_ms) if by_ms < -FOLLOWED_MS => Verdict::Implausible(BehindLedger { by_ms: -by_ms }),
        Some(by_ms) if by_ms > LONG_MS => Verdict::Implausible(LongSilence { by_ms }),
        _ => Verdict::Fine,
    }
}

impl Facts {
    /// A person said a short while ago, by this very clock, that it is right.
    fn is_confirmed(&self) -> bool {
        let ago = self.confirmed.map(|confirmed| self.reading.wall.since(confirmed));
        ago.is_some_and(|ago| (-FOLLOWED_MS..=CONFIRMED_FOR_MS).contains(&ago))
    }

    /// The database's clock, which agrees, was not set as well: one machine's clock cannot confirm itself.
    fn is_witnessed(&self) -> bool {
        let step = |witness: Witness| {
            let now = Reading { wall: witness.now, steady_ms: self.reading.steady_ms };
            witness.last.map(|last| last.step_to(now))
        };
        self.witness.and_then(step).is_some_and(|step| step.abs() <= FOLLOWED_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::time::HOUR_MS;

    /// 2026-11-23T08:00:00Z.
    const EIGHT: UtcMs = UtcMs(1_795_420_800_000);
    const YEAR_MS: i64 = 365 * DAY_MS;

    fn reading(wall_ms: i64, steady_ms: i64) -> Reading {
        Reading { wall: EIGHT.plus_ms(wall_ms), steady_ms: 5_000_000 + steady_ms }
    }

    fn facts(reading: Reading) -> Facts {
        Facts {
            reading,
            last: None,
            witness: None,
            known: None,
            unresolved: false,
            confirmed: None,
            built_after: UtcMs(1_767_225_600_000),
        }
    }

    #[test]
    fn f10_while_running_the_wall_clock_is_held_against_the_steady_one() {
        let trouble = |by_ms| Verdict::Implausible(Trouble::Stepped { by_ms });
        let stepped = |by_ms| Verdict::Stepped { by_ms };
        for (what, wall_ms, steady_ms, verdict) in [
            ("a second", 1_000, 1_000, Verdict::Fine),
            ("a night's suspend, in which both go on", 8 * HOUR_MS, 8 * HOUR_MS, Verdict::Fine),
            ("a month's suspend", 30 * DAY_MS, 30 * DAY_MS, Verdict::Fine),
            ("no time at all", 0, 0, Verdict::Fine),
            ("a leap second", 1_000, 2_000, Verdict::Fine),
            ("slewed", 70_000, 60_000, Verdict::Fine),
            ("slewed, one more", 70_001, 60_000, stepped(10_001)),
            ("two minutes forward", 121_000, 1_000, stepped(120_000)),
            ("two minutes back", -119_000, 1_000, stepped(-120_000)),
            ("more than two minutes", 121_001, 1_000, trouble(120_001)),
            ("an hour forward", HOUR_MS, 0, trouble(HOUR_MS)),
            ("an hour forward in a suspend of two", 3 * HOUR_MS, 2 * HOUR_MS, trouble(HOUR_MS)),
            ("two days forward", 2 * DAY_MS, 0, trouble(2 * DAY_MS)),
            ("an hour back", -HOUR_MS, 0, trouble(-HOUR_MS)),
            ("three days back", -3 * DAY_MS, 0, trouble(-3 * DAY_MS)),
            ("sixty years", 60 * YEAR_MS, 0, Verdict::Implausible(Trouble::FarAhead)),
            ("1970", -EIGHT.0, 0, Verdict::Implausible(Trouble::BeforeBuilt)),
        ] {
            let last = Some(reading(0, 0));
            let got = judge(&Facts { last, ..facts(reading(wall_ms, steady_ms)) });
            assert_eq!(got, verdict, "{what}");
        }
    }

    #[test]
    fn f10_at_a_start_the_ledger_and_the_last_run_are_asked() {
        let trouble = Verdict::Implausible;
        let known = |ms| Some(EIGHT.plus_ms(ms));
        for (what, known, unresolved, confirmed, verdict) in [
            ("the first start ever", None, false, None, Verdict::Fine),
            ("after a night", known(-8 * HOUR_MS), false, None, Verdict::Fine),
            ("after 35 days", known(-35 * DAY_MS), false, None, Verdict::Fine),
            (
                "after 36",
                known(-36 * DAY_MS),
                false,
                None,
                trouble(Trouble::LongSilence { by_ms: 36 * DAY_MS }),
            ),
            ("after 36, confirmed", known(-36 * DAY_MS), false, known(-5_000), Verdict::Fine),
            ("another machine's clock", known(120_000), false, None, Verdict::Fine),
            (
                "an hour behind",
                known(HOUR_MS),
                false,
                None,
                trouble(Trouble::BehindLedger { by_ms: HOUR_MS }),
            ),
            ("an hour behind, confirmed", known(HOUR_MS), false, known(0), Verdict::Fine),
            ("what a stop left open", known(-1), true, None, trouble(Trouble::Unresolved)),
            ("the same, confirmed", known(-1), true, known(-600_000), Verdict::Fine),
            ("a word too old", known(-1), true, known(-600_001), trouble(Trouble::Unresolved)),
            (
                "a word by another clock",
                known(-1),
                true,
                known(HOUR_MS),
                trouble(Trouble::Unresolved),
            ),
        ] {
            let facts = Facts { known, unresolved, confirmed, ..facts(reading(0, 0)) };
            assert_eq!(judge(&facts), verdict, "{what}");
        }
    }

    #[test]
    fn f10_the_databases_clock_denies_and_confirms_unless_it_was_set_too() {
        let stepped = |by_ms| Verdict::Implausible(Trouble::Stepped { by_ms });
        let off = |by_ms| Verdict::Implausible(Trouble::OffDatabase { by_ms });
        for (what, wall_ms, database_ms, database_last_ms, verdict) in [
            ("they agree", 0, 0, Some(0), Verdict::Fine),
            ("skew", 0, 120_000, Some(120_000), Verdict::Fine),
            ("more skew", 0, 120_001, Some(120_001), off(-120_001)),
            ("set forward, the database not", HOUR_MS, 0, Some(0), off(HOUR_MS)),
            (
                "set right: the database had said so all along",
                HOUR_MS,
                HOUR_MS,
                Some(HOUR_MS),
                Verdict::Stepped { by_ms: HOUR_MS },
            ),
            ("both set: they may be one machine", HOUR_MS, HOUR_MS, Some(0), stepped(HOUR_MS)),
            ("never asked before", HOUR_MS, HOUR_MS, None, stepped(HOUR_MS)),
        ] {
            let last = database_last_ms.map(|ms| reading(ms, 0));
            let witness = Some(Witness { now: EIGHT.plus_ms(database_ms), last });
            let facts = Facts { last: Some(reading(0, 0)), witness, ..facts(reading(wall_ms, 0)) };
            assert_eq!(judge(&facts), verdict, "{what}");
        }
    }

    #[test]
    fn a_persons_word_confirms_a_step_but_never_1970() {
        let last = Some(reading(0, 0));
        let forward = reading(2 * DAY_MS, 0);
        let confirmed = Some(forward.wall);
        let got = judge(&Facts { last, confirmed, ..facts(forward) });
        assert_eq!(got, Verdict::Stepped { by_ms: 2 * DAY_MS });
        let never = Reading { wall: UtcMs(0), steady_ms: 5_000_000 };
        let got = judge(&Facts { last, confirmed: Some(UtcMs(0)), ..facts(never) });
        assert_eq!(got, Verdict::Implausible(Trouble::BeforeBuilt));
        assert!(!Trouble::BeforeBuilt.may_be_confirmed());
    }
}
