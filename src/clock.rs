//! The only reader of time. Business time is whole milliseconds, handed down as a parameter; leases live on
//! the database's clock, and waits are tokio's (design.md section 5).

use crate::care::UtcMs;
use std::sync::atomic::{AtomicI64, Ordering};

/// A source of business time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> UtcMs;
}

/// The system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> UtcMs {
        chrono::Utc::now().into()
    }
}

/// A clock that stands still until it is moved: tests, simulation and the demo drive it.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `at`.
    pub const fn new(at: UtcMs) -> Self {
        Self(AtomicI64::new(at.0))
    }

    /// Moves the clock to `at`, forward or back.
    pub fn set(&self, at: UtcMs) {
        self.0.store(at.0, Ordering::SeqCst);
    }

    /// Moves the clock by `ms` milliseconds.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UtcMs {
        UtcMs(self.0.load(Ordering::SeqCst))
    }
}
