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

    const fn plus_ms(self, ms: i64) -> Self {
        match self {
            Self::One(at) => Self::One(at.plus_ms(ms)),
            Self::Gap(at) => Self::Gap(at.plus_ms(ms)),
            Self::Fold(at) => Self::Fold(at.plus_ms(ms)),
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

/// No two places on Earth are further apart than this, in seconds (UTC-12 to UTC+14).
const MAX_APART_SECONDS: i64 = 26 * 3_600;

impl Zone {
    /// A zone from its segments, which are sorted here; neighbours with one offset become one, and an empty
    /// list means UTC.
    pub fn new(name: impl Into<String>, mut segments: Vec<Segment>) -> Self {
        segments.sort_by_key(|s| s.from_utc_seconds);
        segments.dedup_by_key(|s| s.from_utc_seconds);
        segments.dedup_by_key(|s| s.offset_seconds);
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
        self.segments[self.index_at(at.0.div_euclid(1_000))].offset_seconds
    }

    /// What the wall clock shows at an instant.
    pub fn local(&self, at: UtcMs) -> NaiveDateTime {
        at.at_offset(self.offset_at(at))
    }

    /// The instant that a wall-clock time names.
    pub fn resolve(&self, local: NaiveDateTime) -> Resolved {
        let wall_ms = UtcMs::from_naive_utc(local).0;
        self.resolve_wall(wall_ms.div_euclid(1_000)).plus_ms(wall_ms.rem_euclid(1_000))
    }

    /// A reader for many wall-clock times in a row: one comparison each while the offset stays the same.
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor { zone: self, from_wall: 0, to_wall: 0, offset_seconds: 0 }
    }

    fn index_at(&self, utc: i64) -> usize {
        self.segments.partition_point(|s| s.from_utc_seconds <= utc).saturating_sub(1)
    }

    /// The indices of the segments that can hold or border a wall-clock time.
    fn near(&self, wall: i64) -> std::ops::RangeInclusive<usize> {
        self.index_at(wall.saturating_sub(MAX_APART_SECONDS))
            ..=self.index_at(wall.saturating_add(MAX_APART_SECONDS))
    }

    /// The lowest and the highest offset, in seconds, that a wall-clock time naming an instant of this range
    /// can have.
    pub fn offsets_around(&self, from: UtcMs, to: UtcMs) -> (i64, i64) {
        let first = self.index_at(from.0.div_euclid(1_000).saturating_sub(MAX_APART_SECONDS));
        let last = self.index_at(to.0.div_euclid(1_000).saturating_add(MAX_APART_SECONDS));
        let offsets = self.segments[first..=last].iter().map(|s| i64::from(s.offset_seconds));
        offsets
            .fold((i64::MAX, i64::MIN), |(low, high), offset| (low.min(offset), high.max(offset)))
    }

    /// [`Zone::resolve`] of seconds since 1970-01-01T00:00:00 on the wall clock.
    ///
    /// Every nearby segment is asked, for two changes may lie closer together than their offsets are apart.
    fn resolve_wall(&self, wall: i64) -> Resolved {
        let mut found = None;
        for index in self.near(wall) {
            let segment = self.segments[index];
            let utc = wall - i64::from(segment.offset_seconds);
            let begun = index == 0 || utc >= segment.from_utc_seconds;
            let ended = self.segments.get(index + 1).is_some_and(|s| utc >= s.from_utc_seconds);
            match found {
                _ if !begun || ended => {}
                Some(first) => return Resolved::Fold(utc_ms(first)),
                None => found = Some(utc),
            }
        }
        if let Some(utc) = found {
            return Resolved::One(utc_ms(utc));
        }
        // In a gap the offset before it shifts the time forward by the gap's length.
        let mut before = self.segments[*self.near(wall).start()].offset_seconds;
        for index in self.near(wall).skip(1) {
            let segment = self.segments[index];
            let after = segment.offset_seconds;
            let opens = segment.from_utc_seconds.saturating_add(i64::from(before));
            if opens <= wall && wall < segment.from_utc_seconds + i64::from(after) {
                break;
            }
            before = after;
        }
        Resolved::Gap(utc_ms(wall - i64::from(before)))
    }

    /// The stretch of wall-clock time around `wall` that a single segment holds alone, with its offset.
    fn plain_stretch(&self, wall: i64) -> Option<(i64, i64, i32)> {
        let near = self.near(wall);
        let clear_of = |index: usize| {
            let (before, after) = (self.segments[index - 1], self.segments[index]);
            let change = after.from_utc_seconds;
            let (a, b) = (i64::from(before.offset_seconds), i64::from(after.offset_seconds));
            (change + a.min(b), change + a.max(b))
        };
        // Two changes within reach of one wall-clock time are left to the full search.
        let (first, last) = (*near.start(), *near.end());
        let index = match last - first {
            0 => first,
            1 if wall >= clear_of(last).1 => last,
            1 if wall < clear_of(last).0 => first,
            _ => return None,
        };
        let from = if index == 0 { i64::MIN } else { clear_of(index).1 };
        let to = if index + 1 == self.segments.len() { i64::MAX } else { clear_of(index + 1).0 };
        // What borders a short segment may reach over it.
        let short = self.segments.get(index + 1).is_some_and(|next| {
            let lasts = next.from_utc_seconds.saturating_sub(self.segments[index].from_utc_seconds);
            index > 0 && lasts < 2 * MAX_APART_SECONDS
        });
        (!short && from <= wall && wall < to).then_some((
            from,
            to,
            self.segments[index].offset_seconds,
        ))
    }
}

/// Resolves wall-clock times one after the other; remembers the stretch of plain offset that it is in.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    zone: &'a Zone,
    from_wall: i64,
    to_wall: i64,
    offset_seconds: i64,
}

impl Cursor<'_> {
    /// What the wall-clock time `wall` names, in seconds since 1970-01-01T00:00:00 on that clock.
    pub fn resolve(&mut self, wall: i64) -> Resolved {
        if wall < self.from_wall || wall >= self.to_wall {
            match self.zone.plain_stretch(wall) {
                Some((from, to, offset)) => {
                    (self.from_wall, self.to_wall) = (from, to);
                    self.offset_seconds = i64::from(offset);
                }
                None => return self.zone.resolve_wall(wall),
            }
        }
        Resolved::One(utc_ms(wall - self.offset_seconds))
    }

    /// The one offset, in seconds east of UTC, that all wall-clock times from `first` to `last` have, if it is
    /// plain: no gap and no fold comes near them.
    pub fn plain_offset(&mut self, first: i64, last: i64) -> Option<i64> {
        if first < self.from_wall || first >= self.to_wall {
            let (from, to, offset) = self.zone.plain_stretch(first)?;
            (self.from_wall, self.to_wall) = (from, to);
            self.offset_seconds = i64::from(offset);
        }
        (last < self.to_wall).then_some(self.offset_seconds)
    }
}

const fn utc_ms(utc_seconds: i64) -> UtcMs {
    UtcMs(utc_seconds.saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn zone(changes: &[(i64, i32)]) -> Zone {
        let segment = |&(from, offset): &(i64, i32)| Segment {
            from_utc_seconds: from,
            offset_seconds: offset,
        };
        Zone::new("Test/Zone", changes.iter().map(segment).collect())
    }

    fn at(hours: i64) -> UtcMs {
        utc_ms(hours * HOUR)
    }

    #[test]
    fn p7_two_changes_close_together_are_both_seen() {
        // +0, ten hours forward for two hours, then back: the wall shows 10:00 to 12:00 twice.
        let zone = zone(&[(i64::MIN, 0), (0, 10 * 3_600), (2 * HOUR, 0)]);
        for (hour, expected) in [
            (-1, Resolved::One(at(-1))),
            (1, Resolved::Gap(at(1))),
            (3, Resolved::One(at(3))),
            (11, Resolved::Fold(at(1))),
            (13, Resolved::One(at(13))),
        ] {
            assert_eq!(zone.resolve_wall(hour * HOUR), expected, "{hour}:00");
        }
    }

    #[test]
    fn p7_the_cursor_agrees_with_the_full_search() {
        let zones = [
            zone(&[(i64::MIN, 0), (0, 10 * 3_600), (2 * HOUR, 0)]),
            zone(&[(-HOUR, -36_000), (0, 50_400), (400 * HOUR, 46_800)]),
            zone(&[(0, 3_600), (30 * HOUR, 0), (60 * HOUR, 3_600), (300 * HOUR, -7_200)]),
        ];
        for zone in zones {
            let mut cursor = zone.cursor();
            for wall in (-100 * HOUR..500 * HOUR).step_by(900) {
                let full = zone.resolve_wall(wall);
                assert_eq!(cursor.resolve(wall), full, "{wall} in {:?}", zone.segments());
            }
        }
    }

    #[test]
    fn the_first_segment_reaches_back_and_the_last_forward() {
        let zone = zone(&[(0, 3_600), (1_000 * HOUR, 7_200)]);
        assert_eq!(zone.offset_at(at(-1_000_000)), 3_600);
        assert_eq!(zone.resolve_wall(-1_000_000 * HOUR), Resolved::One(at(-1_000_001)));
        assert_eq!(zone.offset_at(UtcMs(i64::MAX)), 7_200);
    }
}
