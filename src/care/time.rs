//! Business time: an instant in whole milliseconds.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// One second in milliseconds.
pub const SECOND_MS: i64 = 1_000;
/// One minute in milliseconds.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// One hour in milliseconds.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Twenty-four hours in milliseconds (an elapsed day, not a calendar day).
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Whole milliseconds survive a round trip through both databases (design.md section 5).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UtcMs(pub i64);

impl UtcMs {
    /// Before everything that can happen.
    pub const MIN: Self = Self(i64::MIN / 4);
    /// After everything that can happen.
    pub const MAX: Self = Self(i64::MAX / 4);

    /// This instant `ms` milliseconds later (earlier when negative); saturates.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The start of this instant's UTC minute (offsets of whole minutes keep it a local minute too).
    #[must_use]
    pub const fn minute(self) -> Self {
        Self(self.0.div_euclid(MINUTE_MS) * MINUTE_MS)
    }

    /// The same instant as a chrono date-time; saturates at chrono's limits.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or(if self.0 < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        })
    }

    /// The wall-clock time that a place `offset_seconds` east of UTC shows at this instant.
    pub fn at_offset(self, offset_seconds: i32) -> NaiveDateTime {
        self.plus_ms(i64::from(offset_seconds) * SECOND_MS).to_utc().naive_utc()
    }

    /// The instant at which a clock that shows UTC shows `local`.
    pub fn from_naive_utc(local: NaiveDateTime) -> Self {
        Self(local.and_utc().timestamp_millis())
    }

    /// RFC 3339 in UTC, to the second.
    pub fn rfc3339(self) -> String {
        self.to_utc().format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// What a machine's two clocks show at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The wall clock: what people, providers and timers outside go by. It can be set.
    pub wall: UtcMs,
    /// Milliseconds since an unnamed start, suspend included. It never steps, and starts anew with the machine.
    pub steady_ms: i64,
}

impl Reading {
    /// What the wall clock shows at `steady_ms` if nobody set it since this reading.
    #[must_use]
    pub const fn expected(self, steady_ms: i64) -> UtcMs {
        self.wall.plus_ms(steady_ms.saturating_sub(self.steady_ms))
    }

    /// By how much the wall clock was set forward (back when negative) between this reading and `later`, in
    /// milliseconds.
    pub const fn step_to(self, later: Self) -> i64 {
        later.wall.since(self.expected(later.steady_ms))
    }
}

impl From<DateTime<Utc>> for UtcMs {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_millis())
    }
}

impl std::ops::Add<TimeDelta> for UtcMs {
    type Output = Self;
    fn add(self, delta: TimeDelta) -> Self {
        self.plus_ms(delta.num_milliseconds())
    }
}
