//! Pace: a token bucket per sender, and senders that are paused for a while.

use crate::care::UtcMs;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How long a sender rests after its provider refused us, in milliseconds; doubles up to the last value.
const PAUSES_MS: (i64, i64) = (60_000, 960_000);

/// The pace of all senders of this instance. What it knows may be lost on restart.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<BTreeMap<String, Sender>>);

#[derive(Debug)]
struct Sender {
    per_second: f64,
    tokens: f64,
    refilled: Instant,
    paused_until: UtcMs,
    next_pause_ms: i64,
}

impl Pace {
    /// Makes a sender known.
    pub(super) fn add(&self, sender: &str, per_second: f64, now: Instant) {
        let fresh = Sender {
            per_second,
            tokens: burst(per_second),
            refilled: now,
            paused_until: UtcMs::MIN,
            next_pause_ms: PAUSES_MS.0,
        };
        self.lock().insert(sender.to_owned(), fresh);
    }

    /// Takes up to `wanted` tokens; none from a sender that is paused. A sender that is not known has no pace.
    pub(super) fn take(&self, sender: &str, wanted: usize, at: Instant, now: UtcMs) -> usize {
        let mut senders = self.lock();
        let Some(known) = senders.get_mut(sender) else { return wanted };
        if now < known.paused_until {
            return 0;
        }
        let elapsed = at.saturating_duration_since(known.refilled).as_secs_f64();
        known.tokens = (known.tokens + elapsed * known.per_second).min(burst(known.per_second));
        known.refilled = at;
        let taken = (known.tokens.floor().max(0.0) as usize).min(wanted);
        known.tokens -= taken as f64;
        taken
    }

    /// Gives back tokens that were not used.
    pub(super) fn give_back(&self, sender: &str, unused: usize) {
        if let Some(known) = self.lock().get_mut(sender) {
            known.tokens = (known.tokens + unused as f64).min(burst(known.per_second));
        }
    }

    /// Rests a sender; longer each time until it works again. Returns until when, unless it rests already.
    pub(super) fn pause(&self, sender: &str, now: UtcMs) -> Option<UtcMs> {
        let mut senders = self.lock();
        let known = senders.get_mut(sender).filter(|known| now >= known.paused_until)?;
        known.paused_until = now.plus_ms(known.next_pause_ms);
        known.next_pause_ms = (known.next_pause_ms * 2).min(PAUSES_MS.1);
        Some(known.paused_until)
    }

    /// A sender works again.
    pub(super) fn works(&self, sender: &str) {
        if let Some(known) = self.lock().get_mut(sender) {
            known.next_pause_ms = PAUSES_MS.0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Sender>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn a_bucket_gives_its_rate_and_a_paused_sender_nothing() {
        let pace = Pace::default();
        let start = Instant::now();
        pace.add("sms", 10.0, start);
        let now = UtcMs(0);
        assert_eq!(pace.take("sms", 100, start, now), 10);
        assert_eq!(pace.take("sms", 100, start, now), 0);
        assert_eq!(pace.take("sms", 100, start + Duration::from_millis(500), now), 5);
        pace.give_back("sms", 2);
        assert_eq!(pace.take("sms", 100, start + Duration::from_millis(500), now), 2);
        assert_eq!(pace.pause("sms", now), Some(UtcMs(60_000)));
        let later = start + Duration::from_mins(1);
        assert_eq!(pace.take("sms", 1, later, UtcMs(59_999)), 0);
        assert_eq!(pace.take("sms", 1, later, UtcMs(60_000)), 1);
    }
}
