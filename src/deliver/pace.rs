//! Pace: a token bucket per sender, shared fairly with the other instances, behind the sender's breaker.

use crate::care::UtcMs;
use crate::channel::{Action, Outcome};
use crate::policy::breaker::{Admission, Breaker, Change, Signal};
use crate::policy::held_back::Held;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Whoever waits for an outcome looks again after this, in milliseconds.
const UNTIL_HEARD_MS: i64 = 1_000;

/// The pace of all senders of this instance. What it knows may be lost on restart.
#[derive(Debug)]
pub(super) struct Pace(Mutex<Known>);

#[derive(Debug)]
struct Known {
    senders: BTreeMap<String, Sender>,
    /// Live instances that share each sender's rate, this one included.
    instances: u32,
}

#[derive(Debug)]
struct Sender {
    per_second: f64,
    tokens: f64,
    refilled: Instant,
    breaker: Breaker,
}

impl Default for Pace {
    fn default() -> Self {
        Self(Mutex::new(Known { senders: BTreeMap::new(), instances: 1 }))
    }
}

impl Pace {
    /// Makes a sender known.
    pub(super) fn add(&self, sender: &str, per_second: f64, at: Instant) {
        let fresh = Sender {
            per_second,
            tokens: burst(per_second),
            refilled: at,
            breaker: Breaker::default(),
        };
        self.lock().senders.insert(sender.to_owned(), fresh);
    }

    /// So many live instances share every sender's rate from now on.
    pub(super) fn share_among(&self, instances: u32) {
        self.lock().instances = instances.max(1);
    }

    /// Every sender begins slowly: nothing was sent for a while.
    pub(super) fn pick_up(&self, now: UtcMs) {
        for sender in self.lock().senders.values_mut() {
            sender.breaker = Breaker::picking_up(now);
        }
    }

    /// Takes up to `wanted` tokens; none from a sender that rests, one from a sender that is tried again. A sender
    /// that is not known has no pace.
    pub(super) fn take(&self, sender: &str, wanted: usize, at: Instant, now: UtcMs) -> usize {
        let mut known = self.lock();
        let instances = f64::from(known.instances);
        let Some(sender) = known.senders.get_mut(sender) else { return wanted };
        let share = match sender.breaker.admits(now) {
            Admission::Rest { .. } => return 0,
            Admission::Probe => {
                let taken = wanted.min(1);
                if taken == 1 {
                    sender.breaker.probe(now);
                }
                return taken;
            }
            Admission::Share(share) => share,
        };
        let rate = sender.per_second * share / instances;
        let elapsed = at.saturating_duration_since(sender.refilled).as_secs_f64();
        sender.tokens = (sender.tokens + elapsed * rate).min(burst(rate));
        sender.refilled = at;
        let taken = (sender.tokens.floor().max(0.0) as usize).min(wanted);
        sender.tokens -= taken as f64;
        taken
    }

    /// In how many milliseconds a token may be there; a second where an outcome decides.
    pub(super) fn wait_ms(&self, sender: &str, at: Instant, now: UtcMs) -> i64 {
        let known = self.lock();
        let instances = f64::from(known.instances);
        let Some(sender) = known.senders.get(sender) else { return 0 };
        let share = match sender.breaker.admits(now) {
            Admission::Probe => return 0,
            Admission::Rest { .. } => return UNTIL_HEARD_MS,
            Admission::Share(share) => share,
        };
        let rate = sender.per_second * share / instances;
        let elapsed = at.saturating_duration_since(sender.refilled).as_secs_f64();
        let lacking = 1.0 - sender.tokens - elapsed * rate;
        (lacking.max(0.0) / rate * 1e3).ceil().min(UNTIL_HEARD_MS as f64) as i64
    }

    /// Gives back tokens that were not used.
    pub(super) fn give_back(&self, sender: &str, unused: usize, now: UtcMs) {
        let mut known = self.lock();
        let Some(sender) = known.senders.get_mut(sender).filter(|_| unused > 0) else { return };
        sender.breaker.no_probe(now);
        sender.tokens = (sender.tokens + unused as f64).min(burst(sender.per_second));
    }

    /// A message takes more than the one token that was taken for it: long texts travel in parts. The bucket may owe,
    /// and nothing leaves before it is paid.
    pub(super) fn charge(&self, sender: &str, more: u32) {
        if let Some(sender) = self.lock().senders.get_mut(sender) {
            sender.tokens -= f64::from(more);
        }
    }

    /// Heeds what an outcome says of its sender; returns what that changed for the sender.
    pub(super) fn hear(&self, sender: &str, outcome: &Outcome, now: UtcMs) -> Option<Change> {
        let mut known = self.lock();
        let breaker = &mut known.senders.get_mut(sender)?.breaker;
        let Some(signal) = signal(outcome) else {
            breaker.no_probe(now);
            return None;
        };
        breaker.hear(signal, now)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an outcome says of its sender; nothing where our own house kept it from leaving.
fn signal(outcome: &Outcome) -> Option<Signal> {
    match outcome {
        Outcome::NotSent { stage } if Held::of_stage(stage).is_some() => None,
        Outcome::NotSent { stage: "lease" | "stop" | "request" | "queue" | "gate" } => None,
        Outcome::NotSent { .. } | Outcome::Unknown { .. } => Some(Signal::Trouble),
        Outcome::Refused { action: Action::PauseChannel, .. } => Some(Signal::Refuses),
        Outcome::Refused { action: Action::Retry, retry_after_ms: Some(_), .. } => {
            Some(Signal::Throttles)
        }
        Outcome::Accepted { .. } | Outcome::Refused { .. } => Some(Signal::Works),
    }
}

/// A bucket holds one second's worth, at least one message.
fn burst(per_second: f64) -> f64 {
    per_second.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn paced(per_second: f64) -> (Pace, Instant) {
        let pace = Pace::default();
        let start = Instant::now();
        pace.add("sms", per_second, start);
        (pace, start)
    }

    const NOW: UtcMs = UtcMs(0);
    const BROKEN: Outcome = Outcome::Unknown { stage: "read" };

    #[test]
    fn a_bucket_gives_its_rate() {
        let (pace, start) = paced(10.0);
        assert_eq!(pace.take("sms", 100, start, NOW), 10);
        assert_eq!(pace.take("sms", 100, start, NOW), 0);
        assert_eq!(pace.take("sms", 100, start + Duration::from_millis(500), NOW), 5);
        pace.give_back("sms", 2, NOW);
        assert_eq!(pace.take("sms", 100, start + Duration::from_millis(500), NOW), 2);
        assert_eq!(pace.take("unknown", 7, start, NOW), 7);
        assert_eq!(pace.wait_ms("sms", start + Duration::from_millis(520), NOW), 80);
        assert_eq!(pace.wait_ms("sms", start + Duration::from_millis(600), NOW), 0);
    }

    #[test]
    fn a_long_text_is_paid_part_by_part() {
        let (pace, start) = paced(1.0);
        assert_eq!(pace.take("sms", 9, start, NOW), 1);
        pace.charge("sms", 2);
        let given = |seconds| pace.take("sms", 9, start + Duration::from_secs(seconds), NOW);
        assert_eq!((given(1), given(2), given(3)), (0, 0, 1));
        assert_eq!(pace.wait_ms("sms", start + Duration::from_secs(3), NOW), 1_000);
    }

    #[test]
    fn instances_share_a_rate_and_a_slow_sender_still_speaks() {
        let (pace, start) = paced(10.0);
        pace.share_among(5);
        assert_eq!(pace.take("sms", 100, start, NOW), 2);
        assert_eq!(pace.take("sms", 100, start + Duration::from_secs(1), NOW), 2);
        let (pace, start) = paced(1.0);
        pace.share_among(3);
        assert_eq!(pace.take("sms", 100, start, NOW), 1);
        let given = |seconds| pace.take("sms", 100, start + Duration::from_secs(seconds), NOW);
        assert_eq!((given(2), given(4), given(5)), (0, 1, 0));
    }

    #[test]
    fn a_sender_in_trouble_rests_is_tried_once_and_picks_up_slowly() {
        let (pace, start) = paced(80.0);
        for _ in 0..4 {
            assert_eq!(pace.hear("sms", &BROKEN, NOW), None);
        }
        let Some(Change::Rests { until }) = pace.hear("sms", &BROKEN, NOW) else {
            unreachable!("five troubles in a row")
        };
        let later = start + Duration::from_mins(1);
        assert_eq!(pace.take("sms", 9, later, UtcMs(until.0 - 1)), 0);
        assert_eq!(pace.take("sms", 9, later, until), 1);
        assert_eq!(pace.take("sms", 9, later, until), 0, "one probe at a time");
        // The probe was caught by a stop: it says nothing, and the next one is the probe.
        assert_eq!(pace.hear("sms", &Outcome::NotSent { stage: "sending-stopped" }, until), None);
        assert_eq!(pace.take("sms", 9, later, until), 1);
        pace.give_back("sms", 1, until);
        assert_eq!(pace.take("sms", 9, later, until), 1, "nothing was there to be claimed");
        pace.hear("sms", &Outcome::Accepted { ids: Vec::new() }, until);
        assert_eq!(pace.take("sms", 100, later + Duration::from_secs(1), until), 10);
    }
}
