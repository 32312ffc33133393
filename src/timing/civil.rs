//! Rules by the wall clock: base days in closed form, clock times on each.
//!
//! Every question (the next slot, how many lie before, the n-th) is answered without walking from the anchor.

use super::moment::{
    DAY_SECONDS, Day, END_DAY, FIRST_DAY, Wall, date, month, month_of, plus_months,
};
use chrono::Datelike;

/// The Gregorian calendar repeats after 400 years: whole weeks, and so many months.
const CYCLE_MONTHS: i64 = 4_800;
/// Steps beyond the calendar's length mean "once"; they are cut to this.
const MAX_STEP: i64 = END_DAY - FIRST_DAY;

/// The days on which a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Days {
    /// Every `step` days from the first.
    Every { first: Day, step: i64 },
    /// In every `step`-th block of seven days from the first, the days whose bit is set (bit 0: its weekday).
    Weeks { first: Day, step: i64, offsets: u8 },
    /// Every `step` months from the first, month ends clamped.
    Months { first: Day, step: i64 },
    /// In every `step`-th month from the first day's, those days of the month (bit n: day n) that fall on those
    /// weekdays (bit 0: Monday). Never before the first day, never clamped.
    OfMonth { first: Day, step: i64, days: u32, weekdays: u8 },
}

impl Days {
    /// Every so many days.
    pub(super) fn every(first: Day, step: i64) -> Self {
        Self::Every { first, step: step.clamp(1, MAX_STEP) }
    }

    /// The days at these offsets (0 to 6) in every so many weeks.
    pub(super) fn weeks(first: Day, step: i64, offsets: impl Iterator<Item = i64>) -> Self {
        let offsets = offsets.fold(0, |mask, offset| mask | (1_u8 << offset.rem_euclid(7)));
        Self::Weeks { first, step: step.clamp(1, MAX_STEP), offsets }
    }

    /// Every so many months, clamped.
    pub(super) fn months(first: Day, step: i64) -> Self {
        Self::Months { first, step: step.clamp(1, MAX_STEP) }
    }

    /// The first of these days that is not before `from`.
    pub(super) fn next(&self, from: Day) -> Option<Day> {
        let found = match *self {
            Self::Every { first, step } => first + step * div_ceil((from - first).max(0), step),
            Self::Weeks { first, step, offsets } => {
                if offsets == 0 {
                    return None;
                }
                let (block, in_block) = week_block(first, step, from);
                match (in_block..7).find(|offset| offsets & (1 << offset) != 0) {
                    Some(offset) => first + block * 7 * step + offset,
                    None => first + (block + 1) * 7 * step + i64::from(offsets.trailing_zeros()),
                }
            }
            Self::Months { first, step } => {
                let index = ((month_of(from) - month_of(first)).max(0)) / step;
                let found = plus_months(first, index * step);
                if found >= from { found } else { plus_months(first, (index + 1) * step) }
            }
            Self::OfMonth { first, step, .. } => {
                let from = from.max(first);
                let anchor = month_of(first);
                let start = anchor + step * div_ceil(month_of(from) - anchor, step);
                (start..month_of(END_DAY))
                    .step_by(usize::try_from(step).unwrap_or(usize::MAX))
                    .find_map(|index| self.in_month(index).find(|found| *found >= from))?
            }
        };
        (found < END_DAY).then_some(found)
    }

    /// How many of these days lie before `end`.
    fn before(&self, end: Day) -> i64 {
        match *self {
            Self::Every { first, step } => div_ceil((end - first).max(0), step),
            Self::Weeks { first, step, offsets } => {
                let (block, in_block) = week_block(first, step, end);
                let passed = offsets & ((1_u16 << in_block) - 1) as u8;
                block * i64::from(offsets.count_ones()) + i64::from(passed.count_ones())
            }
            Self::Months { first, step } => {
                if end <= first {
                    return 0;
                }
                let index = (month_of(end) - month_of(first)) / step;
                index + i64::from(plus_months(first, index * step) < end)
            }
            Self::OfMonth { first, step, .. } => {
                let end = end.min(END_DAY);
                if end <= first {
                    return 0;
                }
                let anchor = month_of(first);
                let count = |months: std::ops::RangeInclusive<i64>| -> i64 {
                    months
                        .step_by(usize::try_from(step).unwrap_or(usize::MAX))
                        .map(|index| {
                            self.in_month(index).filter(|d| (first..end).contains(d)).count() as i64
                        })
                        .sum()
                };
                // Whole cycles from the second month on are alike; the rest is counted one by one.
                let cycle = CYCLE_MONTHS * step;
                let second = anchor + step;
                let cycles = (month_of(end) - second).max(0) / cycle;
                let whole = if cycles > 0 { count(second..=second + cycle - 1) } else { 0 };
                count(anchor..=anchor)
                    + cycles * whole
                    + count(second + cycles * cycle..=month_of(end))
            }
        }
    }

    /// The matching days of one month, whatever the first day.
    fn in_month(&self, index: i64) -> impl Iterator<Item = Day> {
        let (mask, weekdays) = match *self {
            Self::OfMonth { days, weekdays, .. } => (days, weekdays),
            _ => (0, 0),
        };
        let (first, length) = month(index).unwrap_or((END_DAY, 0));
        // 1970-01-01 was a Thursday.
        (1..=length)
            .filter(move |n| mask & (1 << n) != 0)
            .map(move |n| first + i64::from(n) - 1)
            .filter(move |day| weekdays & (1 << (day + 3).rem_euclid(7)) != 0)
    }
}

/// Which block of a weekly rule a day lies in, and how many of the block's seven days are over (7: between
/// blocks). Days before the first lie at the start of block 0.
fn week_block(first: Day, step: i64, of: Day) -> (i64, i64) {
    let since = (of - first).max(0);
    (since / (7 * step), (since % (7 * step)).min(7))
}

/// The weekday of a day, Monday 0.
pub(super) fn weekday(of: Day) -> i64 {
    i64::from(date(of).weekday().num_days_from_monday())
}

const fn div_ceil(value: i64, by: i64) -> i64 {
    -(-value).div_euclid(by)
}

/// A rule by the wall clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    /// The base days.
    pub(super) days: Days,
    /// Seconds from the base day's midnight, sorted, each once. An offset may push one past either midnight.
    pub(super) times: Vec<i64>,
}

impl Civil {
    /// The first slot that is not before `from`.
    pub(super) fn next(&self, from: Wall) -> Option<Wall> {
        let on = |time: &i64| {
            let day = self.days.next(div_ceil(from - time, DAY_SECONDS))?;
            Some(day * DAY_SECONDS + time)
        };
        self.times.iter().filter_map(on).min()
    }

    /// How many slots lie before `end`.
    pub(super) fn before(&self, end: Wall) -> i64 {
        self.times.iter().map(|time| self.days.before(div_ceil(end - time, DAY_SECONDS))).sum()
    }

    /// The n-th slot (from 0) of those not before `from`; `None` when the calendar ends first.
    pub(super) fn nth(&self, from: Wall, n: i64) -> Option<Wall> {
        let target = self.before(from).checked_add(n)?;
        let end = END_DAY * DAY_SECONDS;
        // Doubling first keeps the search near the start, where the answer mostly is.
        let (mut low, mut reach) = (from, DAY_SECONDS);
        let mut high = loop {
            let high = from.saturating_add(reach).min(end);
            if self.before(high) > target {
                break high;
            }
            if high == end {
                return None;
            }
            (low, reach) = (high, reach * 2);
        };
        while high - low > 1 {
            let middle = i64::midpoint(low, high);
            if self.before(middle) > target { high = middle } else { low = middle }
        }
        Some(low)
    }

    /// Hands every slot with `from <= slot < to` on, base day by base day.
    pub(super) fn each(&self, from: Wall, to: Wall, mut take: impl FnMut(Wall)) {
        let (Some(&earliest), Some(&latest)) = (self.times.first(), self.times.last()) else {
            return;
        };
        let mut next = self.days.next((from - latest).div_euclid(DAY_SECONDS));
        while let Some(day) = next {
            let midnight = day * DAY_SECONDS;
            if midnight + earliest >= to {
                return;
            }
            for time in &self.times {
                let wall = midnight + time;
                if from <= wall && wall < to {
                    take(wall);
                }
            }
            next = self.days.next(day + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether a day belongs, said as plainly as possible.
    fn belongs(days: &Days, of: Day) -> bool {
        match *days {
            Days::Every { first, step } => of >= first && (of - first) % step == 0,
            Days::Weeks { first, step, offsets } => {
                of >= first
                    && (of - first) / 7 % step == 0
                    && offsets & (1 << ((of - first) % 7)) != 0
            }
            Days::Months { first, step } => {
                let months = month_of(of) - month_of(first);
                let length = month(month_of(of)).unwrap().1;
                months >= 0 && months % step == 0 && date(of).day() == date(first).day().min(length)
            }
            Days::OfMonth { first, step, days, weekdays } => {
                of >= first
                    && (month_of(of) - month_of(first)) % step == 0
                    && days & (1 << date(of).day()) != 0
                    && weekdays & (1 << weekday(of)) != 0
            }
        }
    }

    fn any_days() -> impl Strategy<Value = Days> {
        let first = -1_000_i64..30_000;
        prop_oneof![
            (first.clone(), 1_i64..40).prop_map(|(first, step)| Days::Every { first, step }),
            (first.clone(), 1_i64..5, 1_u8..128).prop_map(|(first, step, offsets)| Days::Weeks {
                first,
                step,
                offsets
            }),
            (first.clone(), 1_i64..30).prop_map(|(first, step)| Days::Months { first, step }),
            (first, 1_i64..14, 0_u32.., 1_u8..128).prop_map(|(first, step, days, weekdays)| {
                Days::OfMonth { first, step, days, weekdays }
            }),
        ]
    }

    proptest! {
        #[test]
        fn days_in_closed_form_are_those_of_a_day_by_day_walk(days in any_days(), skip in -50_i64..3_000) {
            let (Days::Every { first, .. } | Days::Weeks { first, .. } | Days::Months { first, .. }
                | Days::OfMonth { first, .. }) = days;
            let from = first + skip;
            let walked: Vec<Day> = (first - 60..from + 1_500).filter(|d| belongs(&days, *d)).collect();
            let ahead = walked.iter().copied().find(|d| *d >= from);
            if ahead.is_some() {
                prop_assert_eq!(days.next(from), ahead);
            }
            prop_assert_eq!(days.before(from), walked.iter().filter(|d| **d < from).count() as i64);
        }

        #[test]
        fn the_nth_slot_has_n_before_it(
            days in any_days(), times in proptest::collection::btree_set(-7_200_i64..90_000, 1..4),
            n in 0_i64..500, skip in 0_i64..1_000_000,
        ) {
            let civil = Civil { days, times: times.into_iter().collect() };
            let start = skip * 60;
            if let Some(wall) = civil.nth(start, n) {
                prop_assert_eq!(civil.next(wall), Some(wall));
                prop_assert!(wall >= start);
                let mut seen = 0;
                civil.each(start, wall, |_| seen += 1);
                prop_assert!(seen <= n && n < seen + i64::try_from(civil.times.len()).unwrap());
            }
        }
    }

    #[test]
    fn a_month_rule_counts_over_cycles_of_the_calendar() {
        let days = Days::OfMonth { first: 0, step: 1, days: 1 << 13, weekdays: 1 << 4 };
        // 688 Fridays the 13th in every 400 years.
        assert_eq!(days.before(4 * 146_097) - days.before(146_097), 3 * 688);
        let never = Days::OfMonth { first: 31, step: 12, days: 1 << 31, weekdays: 127 };
        assert_eq!((never.next(31), never.before(END_DAY)), (None, 0));
    }
}
