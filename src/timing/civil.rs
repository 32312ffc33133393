//! Rules by the wall clock: base days in closed form, clock times on each.
//!
//! Every question (the next slot, how many lie before, the n-th) is answered without walking from the anchor.

use super::days::{Days, weekday};
use super::moment::{DAY_SECONDS, Day, END_DAY, Wall};
use smallvec::{SmallVec, smallvec};

/// Seconds from a base day's midnight, sorted, each once. An offset may push one past either midnight.
pub(super) type Times = SmallVec<[i64; 6]>;

/// A rule by the wall clock: one part, or one each for weekdays and weekends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    parts: SmallVec<[Part; 1]>,
}

/// Base days that share their clock times.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    days: Days,
    times: Times,
}

/// Clock times; those of Saturdays and Sundays where they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DayTimes {
    pub(super) weekdays: Times,
    pub(super) weekend: Option<Times>,
}

impl From<Times> for DayTimes {
    fn from(times: Times) -> Self {
        Self { weekdays: times, weekend: None }
    }
}

impl DayTimes {
    /// How many there are on a weekday.
    pub(super) fn len(&self) -> i64 {
        self.weekdays.len() as i64
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.weekdays.is_empty()
    }

    /// Those of a day.
    pub(super) fn on(&self, day: Day) -> &[i64] {
        self.weekend.as_ref().filter(|_| weekday(day) >= 5).unwrap_or(&self.weekdays)
    }
}

const WEEKDAYS: u8 = 0b001_1111;
const WEEKEND: u8 = 0b110_0000;

impl Civil {
    /// These clock times on these days.
    pub(super) fn new(days: Days, times: DayTimes) -> Self {
        let parts = match times.weekend {
            None => smallvec![Part { days, times: times.weekdays }],
            Some(weekend) => smallvec![
                Part { days: days.only_on(WEEKDAYS), times: times.weekdays },
                Part { days: days.only_on(WEEKEND), times: weekend },
            ],
        };
        Self { parts }
    }

    /// The days of its first part and how many times it has on each, to compare rates.
    pub(super) fn usual(&self) -> (&Days, i64) {
        (&self.parts[0].days, self.parts[0].times.len() as i64)
    }

    /// Every clock time of every part.
    pub(super) fn times(&self) -> impl Iterator<Item = i64> {
        self.parts.iter().flat_map(|part| part.times.iter().copied())
    }

    /// At most so many slots share a base day.
    pub(super) fn most_a_day(&self) -> i64 {
        self.parts.iter().map(|part| part.times.len() as i64).max().unwrap_or(0)
    }

    /// The first slot that is not before `from`.
    pub(super) fn next(&self, from: Wall) -> Option<Wall> {
        let of = |part: &Part| {
            let mut days = Once::new(|day| part.days.next(day));
            let on = |time: &i64| {
                let day = days.of(div_ceil(from - time, DAY_SECONDS))?;
                Some(day * DAY_SECONDS + time)
            };
            part.times.iter().filter_map(on).min()
        };
        self.parts.iter().filter_map(of).min()
    }

    /// How many slots lie before `end`.
    pub(super) fn before(&self, end: Wall) -> i64 {
        self.parts.iter().map(|part| part.before(end, |day| part.days.before(day))).sum()
    }

    /// The n-th slot (from 0) of those not before `from`; `None` when the calendar ends first.
    pub(super) fn nth(&self, from: Wall, n: i64) -> Option<Wall> {
        let counted: SmallVec<[_; 1]> =
            self.parts.iter().map(|part| (part, part.days.counted())).collect();
        let before = |end: Wall| -> i64 {
            let parts = counted.iter();
            parts.map(|(part, days)| part.before(end, |day| days.before(day))).sum()
        };
        let target = before(from).checked_add(n)?;
        let end = END_DAY * DAY_SECONDS;
        // Doubling first keeps the search near the start, where the answer mostly is.
        let (mut low, mut reach) = (from, DAY_SECONDS);
        let mut high = loop {
            let high = from.saturating_add(reach).min(end);
            if before(high) > target {
                break high;
            }
            if high == end {
                return None;
            }
            (low, reach) = (high, reach * 2);
        };
        while high - low > 1 {
            let middle = i64::midpoint(low, high);
            if before(middle) > target { high = middle } else { low = middle }
        }
        Some(low)
    }

    /// Hands on the midnight of every base day that may have a slot with `from <= slot < to`, and its clock
    /// times; part by part, day by day.
    pub(super) fn each_day(&self, from: Wall, to: Wall, mut take: impl FnMut(Wall, &[i64])) {
        for Part { days, times } in &self.parts {
            let (Some(&earliest), Some(&latest)) = (times.first(), times.last()) else { continue };
            let mut next = days.next((from - latest).div_euclid(DAY_SECONDS));
            while let Some(day) = next {
                let midnight = day * DAY_SECONDS;
                if midnight + earliest >= to {
                    break;
                }
                take(midnight, times);
                next = days.following(day);
            }
        }
    }
}

impl Part {
    /// How many of its slots lie before `end`; `days_before` says how many of its days lie before one.
    fn before(&self, end: Wall, days_before: impl Fn(Day) -> i64) -> i64 {
        let mut days = Once::new(days_before);
        self.times.iter().map(|time| days.of(div_ceil(end - time, DAY_SECONDS))).sum()
    }
}

/// Answers about days, each asked for once: the times of a day ask about two days or three, in a row.
struct Once<T, F> {
    ask: F,
    latest: Option<(Day, T)>,
}

impl<T: Copy, F: Fn(Day) -> T> Once<T, F> {
    const fn new(ask: F) -> Self {
        Self { ask, latest: None }
    }

    fn of(&mut self, day: Day) -> T {
        match self.latest {
            Some((known, answer)) if known == day => answer,
            _ => self.latest.insert((day, (self.ask)(day))).1,
        }
    }
}

/// The smallest whole number of `by` that reaches `value`.
pub(super) const fn div_ceil(value: i64, by: i64) -> i64 {
    -(-value).div_euclid(by)
}

#[cfg(test)]
mod tests {
    use super::super::days::tests::any_days;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_nth_slot_has_n_before_it(
            days in any_days(), times in proptest::collection::btree_set(-7_200_i64..90_000, 1..4),
            weekend in proptest::option::of(proptest::collection::btree_set(-7_200_i64..90_000, 1..4)),
            n in 0_i64..500, skip in 0_i64..1_000_000,
        ) {
            let list = |times: std::collections::BTreeSet<i64>| times.into_iter().collect::<Times>();
            let most = times.len().max(weekend.as_ref().map_or(0, std::collections::BTreeSet::len));
            let civil = Civil::new(days, DayTimes { weekdays: list(times), weekend: weekend.map(list) });
            let start = skip * 60;
            if let Some(wall) = civil.nth(start, n) {
                prop_assert_eq!(civil.next(wall), Some(wall));
                prop_assert!(wall >= start);
                let mut seen = 0;
                civil.each_day(start, wall, |midnight, times| {
                    seen += times.iter().filter(|t| (start..wall).contains(&(midnight + **t))).count() as i64;
                });
                prop_assert!(seen <= n && n < seen + 2 * i64::try_from(most).unwrap());
            }
        }
    }
}
