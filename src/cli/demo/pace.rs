//! How fast the demo's clock runs: ahead of a real one by a factor, and never while something is in flight.

use crate::care::UtcMs;
use std::time::Duration;
use tokio::time::Instant;

/// The pace of a day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    from: UtcMs,
    started: Instant,
    speed: u32,
}

impl Pace {
    /// Starts now, at `from` of the demo's clock; that runs `speed` times as fast as a real one.
    pub(super) fn starting_at(from: UtcMs, speed: u32) -> Self {
        Self { from, started: Instant::now(), speed: speed.max(1) }
    }

    /// Waits until it is `at`; at once when the day is behind its time.
    pub(super) async fn wait_for(&self, at: UtcMs) {
        let ms = u64::try_from(at.since(self.from)).unwrap_or(0);
        tokio::time::sleep_until(self.started + Duration::from_millis(ms) / self.speed).await;
    }
}
