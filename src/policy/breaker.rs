//! The breaker of one sender: when a provider is in trouble, most of what waits for it stays unsent and known, and
//! is not turned into unknown outcomes; when it works again, it is not flooded (design.md section 6).

use crate::care::UtcMs;
use crate::care::time::{MINUTE_MS, SECOND_MS};

/// So many troubles in a row open it; one is enough while the sender is still picking up.
const TROUBLES: u32 = 5;
/// The first rest after troubles and the longest, in milliseconds: short of a time-critical dose's validity.
const TROUBLED_MS: (i64, i64) = (30 * SECOND_MS, 4 * MINUTE_MS);
/// The first rest after a refusal of the sender itself and the longest, in milliseconds: a person must mend it.
const REFUSED_MS: (i64, i64) = (MINUTE_MS, 16 * MINUTE_MS);
/// A probe of which nothing was heard for so long is given up, in milliseconds: longer than any lease.
const PROBE_MS: i64 = 11 * MINUTE_MS;
/// The share of its rate a sender has when it picks up.
const FIRST_SHARE: f64 = 0.125;
/// The share doubles in so many milliseconds.
const DOUBLES_MS: i64 = 10 * SECOND_MS;
/// Throttling never takes more of the rate than this leaves.
const LEAST_SHARE: f64 = 0.0625;

/// What the outcome of a send says of the sender, whatever it says of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The provider answered as it should.
    Works,
    /// It could not be reached, or broke.
    Trouble,
    /// It refuses the sender: a key, an account, a template account.
    Refuses,
    /// It asks to be asked less.
    Throttles,
}

/// How much may be sent now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Admission {
    /// Nothing until then.
    Rest {
        /// When.
        until: UtcMs,
    },
    /// One message, to see whether it works again.
    Probe,
    /// At this share of the rate.
    Share(f64),
}

/// What a signal changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It opened: the sender rests.
    Rests {
        /// Until when.
        until: UtcMs,
    },
    /// It closed again.
    PicksUp,
}

/// The breaker.
#[derive(Clone, Copy, Debug)]
pub struct Breaker {
    state: State,
    /// The rests to come, after troubles and after refusals, in milliseconds.
    next_ms: (i64, i64),
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Messages pass, at a share that grows from `since` on.
    Closed { troubles: u32, share: f64, since: UtcMs },
    /// Nothing passes until then; then one.
    Open { until: UtcMs },
    /// One message is out.
    Probing { since: UtcMs },
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed { troubles: 0, share: 1.0, since: UtcMs::MIN },
            next_ms: (TROUBLED_MS.0, REFUSED_MS.0),
        }
    }
}

impl Breaker {
    /// A sender that picks up after a time in which nothing was sent.
    pub fn picking_up(now: UtcMs) -> Self {
        let state = State::Closed { troubles: 0, share: FIRST_SHARE, since: now };
        Self { state, ..Self::default() }
    }

    /// What may be sent at `now`.
    pub fn admits(&self, now: UtcMs) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Share(self.share(now)),
            State::Open { until } if now < until => Admission::Rest { until },
            State::Open { .. } => Admission::Probe,
            State::Probing { since } => {
                let until = since.plus_ms(PROBE_MS);
                // A clock that went back must not hold the sender.
                if now < until && now >= since {
                    Admission::Rest { until }
                } else {
                    Admission::Probe
                }
            }
        }
    }

    /// The message of [`Admission::Probe`] is on its way.
    pub fn probe(&mut self, now: UtcMs) {
        self.state = State::Probing { since: now };
    }

    /// There was no message to probe with, or it never reached its first byte.
    pub fn no_probe(&mut self, now: UtcMs) {
        if let State::Probing { .. } = self.state {
            self.state = State::Open { until: now };
        }
    }

    /// Heeds what an outcome says; returns what that changed.
    pub fn hear(&mut self, signal: Signal, now: UtcMs) -> Option<Change> {
        match (signal, &mut self.state) {
            (Signal::Works, State::Closed { troubles, .. }) => *troubles = 0,
            (Signal::Works | Signal::Throttles, State::Probing { .. }) => {
                *self = Self::picking_up(now);
                return Some(Change::PicksUp);
            }
            // What was on its way when it opened says nothing of now.
            (Signal::Works | Signal::Trouble | Signal::Throttles, State::Open { .. }) => {}
            (Signal::Refuses, State::Open { until }) if now < *until => {}
            (Signal::Trouble, State::Closed { troubles, .. }) => {
                *troubles += 1;
                if *troubles >= TROUBLES || self.share(now) < 1.0 {
                    return Some(self.open_for_troubles(now));
                }
            }
            (Signal::Trouble, State::Probing { .. }) => return Some(self.open_for_troubles(now)),
            (Signal::Refuses, _) => {
                let (_, rest) = &mut self.next_ms;
                let until = now.plus_ms(*rest);
                *rest = (*rest * 2).min(REFUSED_MS.1);
                self.state = State::Open { until };
                return Some(Change::Rests { until });
            }
            // One wish is heard of all that are on their way together.
            (Signal::Throttles, State::Closed { since, .. }) => {
                if now.since(*since) >= SECOND_MS {
                    let share = (self.share(now) / 2.0).max(LEAST_SHARE);
                    self.state = State::Closed { troubles: 0, share, since: now };
                }
            }
        }
        None
    }

    fn open_for_troubles(&mut self, now: UtcMs) -> Change {
        let (rest, _) = &mut self.next_ms;
        let until = now.plus_ms(*rest);
        *rest = (*rest * 2).min(TROUBLED_MS.1);
        self.state = State::Open { until };
        Change::Rests { until }
    }

    fn share(&self, now: UtcMs) -> f64 {
        let State::Closed { share, since, .. } = self.state else { return 0.0 };
        let doublings = now.since(since).max(0) as f64 / DOUBLES_MS as f64;
        (share * doublings.exp2()).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = SECOND_MS;

    fn heard(breaker: &mut Breaker, signals: &[Signal], at: i64) -> Option<i64> {
        let change = signals.iter().filter_map(|s| breaker.hear(*s, UtcMs(at * SECOND))).last();
        match change {
            Some(Change::Rests { until }) => Some(until.0 / SECOND),
            Some(Change::PicksUp) | None => None,
        }
    }

    fn admits(breaker: &Breaker, at: i64) -> Admission {
        breaker.admits(UtcMs(at * SECOND))
    }

    #[test]
    fn five_troubles_in_a_row_open_it_and_one_good_answer_starts_the_count_again() {
        use Signal::{Trouble, Works};
        let mut breaker = Breaker::default();
        assert_eq!(heard(&mut breaker, &[Trouble, Trouble, Trouble, Trouble, Works], 0), None);
        assert_eq!(heard(&mut breaker, &[Trouble; 4], 0), None);
        assert_eq!(admits(&breaker, 0), Admission::Share(1.0));
        assert_eq!(heard(&mut breaker, &[Trouble], 0), Some(30));
        assert_eq!(admits(&breaker, 29), Admission::Rest { until: UtcMs(30 * SECOND) });
        // What was on its way meanwhile changes nothing.
        assert_eq!(heard(&mut breaker, &[Works, Trouble], 10), None);
        assert_eq!(admits(&breaker, 30), Admission::Probe);
    }

    #[test]
    fn one_probe_decides_and_rests_grow_to_a_bound() {
        let mut breaker = Breaker::default();
        heard(&mut breaker, &[Signal::Trouble; 5], 0);
        let mut at = 30;
        for rest in [60, 120, 240, 240] {
            breaker.probe(UtcMs(at * SECOND));
            assert!(matches!(admits(&breaker, at + 1), Admission::Rest { .. }), "a second probe");
            assert_eq!(heard(&mut breaker, &[Signal::Trouble], at), Some(at + rest));
            at += rest;
        }
        breaker.probe(UtcMs(at * SECOND));
        breaker.no_probe(UtcMs(at * SECOND));
        assert_eq!(admits(&breaker, at), Admission::Probe);
        breaker.probe(UtcMs(at * SECOND));
        assert_eq!(breaker.hear(Signal::Works, UtcMs(at * SECOND)), Some(Change::PicksUp));
        assert_eq!(admits(&breaker, at), Admission::Share(FIRST_SHARE));
        // A probe of which nothing is ever heard does not hold the sender for good, nor does a clock that went back.
        breaker.probe(UtcMs(at * SECOND));
        assert_eq!(admits(&breaker, at + 11 * 60), Admission::Probe);
        assert_eq!(admits(&breaker, at - 1), Admission::Probe);
    }

    #[test]
    fn who_picks_up_is_slow_at_first_and_stumbles_over_one_trouble() {
        let mut breaker = Breaker::picking_up(UtcMs(0));
        for (at, share) in [(0, 0.125), (10, 0.25), (20, 0.5), (30, 1.0), (99, 1.0)] {
            assert_eq!(admits(&breaker, at), Admission::Share(share));
        }
        assert_eq!(heard(&mut breaker, &[Signal::Trouble], 29), Some(29 + 30));
        let mut breaker = Breaker::picking_up(UtcMs(0));
        assert_eq!(heard(&mut breaker, &[Signal::Trouble], 30), None);
    }

    #[test]
    fn a_refused_sender_rests_longer_and_a_throttled_one_goes_slower() {
        let mut breaker = Breaker::default();
        assert_eq!(heard(&mut breaker, &[Signal::Refuses, Signal::Refuses], 0), Some(60));
        breaker.probe(UtcMs(60 * SECOND));
        assert_eq!(heard(&mut breaker, &[Signal::Refuses], 60), Some(60 + 120));
        let mut breaker = Breaker::default();
        heard(&mut breaker, &[Signal::Throttles; 9], 0);
        assert_eq!(admits(&breaker, 0), Admission::Share(0.5));
        for second in 1..9 {
            heard(&mut breaker, &[Signal::Throttles], second);
        }
        assert_eq!(admits(&breaker, 8), Admission::Share(LEAST_SHARE));
        assert_eq!(admits(&breaker, 48), Admission::Share(1.0));
    }
}
