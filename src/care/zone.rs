//! Zone rules as a port: a zone is a table of offset changes, whoever read it from wherever.
//!
//! The sources (TZif files, the binary's copy, chrono-tz) live in the room `zones`; the domain sees only this.

use crate::care::UtcMs;
use chrono::NaiveDateTime;
use std::sync::Arc;

/// Where zones come from. Implemented by the room `zones`, and by fixed tables in tests.
pub trait ZoneRules: Send + Sync {
    /// The rules of an IANA zone name (links included), or `None` when no source knows it.
    /// A bare offset such as `+02:00` is not a zone.
    fn zone(&self, name: &str) -> Option<Arc<Zone>>;

    /// The release of the rules in force, for example `2026f`.
    fn version(&self) -> String;
}

/// One change of the offset: from this instant on, local time is UTC plus this many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First instant at which the offset holds, in seconds since 1970-01-01T00:00:00Z.
    pub from_utc_seconds: i64,
    /// Seconds east of UTC.
    pub offset_seconds: i32,
}

/// What a wall-clock time names on a given date in a given zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Exactly one instant.
    One(UtcMs),
    /// No instant: clocks jump over it. Shifted forward by the length of the gap.
    Gap(UtcMs),
    /// Two instants: clocks go back. The first of them.
    Fold(UtcMs),
}

impl Resolved {
    /// The instant that a dose at this wall time is due (design.md P7: gap forward, fold first;
    /// RFC 5545 section 3.3.5, Temporal's "compatible").
    pub const fn instant(self) -> UtcMs {
        match self {
            Self::One(at) | Self::Gap(at) | Self::Fold(at) => at,
        }
    }
}

/// The offsets of one zone as a table of segments in order of time; the first reaches back without end,
/// the last forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    segments: Vec<Segment>,
}

impl Zone {
    /// A zone from its segments, which are sorted here; an empty list means UTC.
    pub fn new(name: impl Into<String>, mut segments: Vec<Segment>) -> Self {
        segments.sort_by_key(|s| s.from_utc_seconds);
        segments.dedup_by_key(|s| s.from_utc_seconds);
        if segments.is_empty() {
            segments.push(Segment { from_utc_seconds: i64::MIN, offset_seconds: 0 });
        }
        Self { name: name.into(), segments }
    }

    /// The name under which the zone was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All segments, in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Seconds east of UTC at an instant.
    pub fn offset_at(&self, at: UtcMs) -> i32 {
        let seconds = at.0.div_euclid(1_000);
        let next = self.segments.partition_point(|s| s.from_utc_seconds <= seconds);
        self.segments[next.saturating_sub(1)].offset_seconds
    }

    /// What the wall clock shows at an instant.
    pub fn local(&self, at: UtcMs) -> NaiveDateTime {
        at.at_offset(self.offset_at(at))
    }

    /// The instant that a wall-clock time names.
    pub fn resolve(&self, local: NaiveDateTime) -> Resolved {
        let wall = UtcMs::from_naive_utc(local);
        // Offsets are within a day, so only segments around the wall time read as UTC can hold it.
        let seconds = wall.0.div_euclid(1_000);
        let start = self
            .segments
            .partition_point(|s| s.from_utc_seconds < seconds.saturating_sub(2 * 86_400))
            .saturating_sub(1);
        let mut found = None;
        let mut before_gap = self.segments[start].offset_seconds;
        for (index, segment) in self.segments.iter().enumerate().skip(start) {
            let at = seconds - i64::from(segment.offset_seconds);
            if index > start && at < segment.from_utc_seconds {
                break;
            }
            let ends = self.segments.get(index + 1).map_or(i64::MAX, |s| s.from_utc_seconds);
            if at < ends {
                let instant = wall.plus_ms(-1_000 * i64::from(segment.offset_seconds));
                if let Some(first) = found {
                    return Resolved::Fold(first);
                }
                found = Some(instant);
            }
            before_gap = segment.offset_seconds;
        }
        // In a gap the offset before it shifts the time forward by the gap's length.
        found.map_or_else(
            || Resolved::Gap(wall.plus_ms(-1_000 * i64::from(before_gap))),
            Resolved::One,
        )
    }
}
