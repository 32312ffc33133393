//! The days on which a rule by the wall clock holds, in closed form.

use super::civil::div_ceil;
use super::moment::{Day, END_DAY, FIRST_DAY, date, month, month_of, plus_months};
use chrono::Datelike;

/// The Gregorian calendar repeats after 400 years: whole weeks, and so many months.
const CYCLE_MONTHS: i64 = 4_800;
/// Steps beyond the calendar's length mean "once"; they are cut to this.
const MAX_STEP: i64 = END_DAY - FIRST_DAY;
/// Every day of the week, as bits from Monday.
const ALL_WEEK: u8 = 127;

/// The days on which a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Days {
    pattern: Pattern,
    /// Of those only these weekdays (bit 0: Monday),
    weekdays: u8,
    /// and only these days of a cycle.
    cycle: Option<Cycle>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    /// Every `step` days from the first.
    Every { first: Day, step: i64 },
    /// In every `step`-th block of seven days from the first, the days whose bit is set (bit 0: its weekday).
    Weeks { first: Day, step: i64, offsets: u8 },
    /// Every `step` months from the first, month ends clamped.
    Months { first: Day, step: i64 },
    /// In every `step`-th month from the first day's, those days of the month (bit n: day n) that fall on those
    /// weekdays (bit 0: Monday). Never before the first day.
    OfMonth { first: Day, step: i64, days: u32, weekdays: u8, ends: MonthEnds },
}

/// What becomes of a day that a month does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MonthEnds {
    /// It is left out.
    Skip,
    /// It is the month's last day.
    Clamp,
}

/// Days on and days off, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cycle {
    first: Day,
    length: i64,
    /// Bit n: the cycle's n-th day, from 0.
    on: [u64; 6],
}

impl Cycle {
    /// A cycle of so many days that begins with the first; `on` are the days that count, from 1. `None` when it
    /// is longer than a leap year, or a day lies outside it.
    pub(super) fn new(first: Day, length: i64, on: impl Iterator<Item = i64>) -> Option<Self> {
        let mut cycle = Self { first, length, on: [0; 6] };
        for day in on {
            if !(1..=length.min(366)).contains(&day) {
                return None;
            }
            cycle.on[(day - 1) as usize / 64] |= 1 << ((day - 1) % 64);
        }
        (1..=366).contains(&length).then_some(cycle)
    }

    fn holds(&self, day: Day) -> bool {
        let index = (day - self.first).rem_euclid(self.length);
        self.on[index as usize / 64] & (1 << (index % 64)) != 0
    }
}

/// Days that are counted many times over.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    days: &'a Days,
    /// Rules by days of the month: how many lie in the second month that the rule visits and those after it,
    /// over one cycle of the calendar.
    in_months: Option<Vec<u32>>,
}

impl Counted<'_> {
    /// How many of these days lie before `end`.
    pub(super) fn before(&self, end: Day) -> i64 {
        let (Pattern::OfMonth { first, step, .. }, Some(sums)) =
            (self.days.pattern, &self.in_months)
        else {
            return self.days.before(end);
        };
        let end = end.min(END_DAY);
        if end <= first {
            return 0;
        }
        let within = |index: i64| {
            let days = self.days.pattern.in_month(index);
            days.filter(|day| (first..end).contains(day)).count() as i64
        };
        let anchor = month_of(first);
        // Months after the first that end before `end`; the next one visited may hold it.
        let whole = (month_of(end) - anchor - 1).div_euclid(step).max(0);
        let visited = sums.len() as i64 - 1;
        let sum = |months: i64| i64::from(sums[months as usize]);
        let counted = whole / visited * sum(visited) + sum(whole % visited);
        within(anchor) + counted + within(anchor + (whole + 1) * step)
    }
}

/// How two rhythms of days compare: so many days in so many of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rhythm {
    /// In so many days.
    InDays(i64, i64),
    /// In so many months.
    InMonths(i64, i64),
}

impl Days {
    const fn of(pattern: Pattern) -> Self {
        Self { pattern, weekdays: ALL_WEEK, cycle: None }
    }

    /// Every so many days.
    pub(super) fn every(first: Day, step: i64) -> Self {
        Self::of(Pattern::Every { first, step: step.clamp(1, MAX_STEP) })
    }

    /// The days at these offsets (0 to 6) in every so many weeks.
    pub(super) fn weeks(first: Day, step: i64, offsets: impl Iterator<Item = i64>) -> Self {
        let offsets = offsets.fold(0, |mask, offset| mask | (1_u8 << offset.rem_euclid(7)));
        Self::of(Pattern::Weeks { first, step: step.clamp(1, MAX_STEP), offsets })
    }

    /// Every so many months on the first day's day of the month.
    pub(super) fn months(first: Day, step: i64, ends: MonthEnds) -> Self {
        let step = step.clamp(1, MAX_STEP);
        match ends {
            MonthEnds::Clamp => Self::of(Pattern::Months { first, step }),
            MonthEnds::Skip => Self::of_month(first, step, 1 << date(first).day(), ALL_WEEK, ends),
        }
    }

    /// Those days of every so many months that fall on those weekdays.
    pub(super) fn of_month(
        first: Day,
        step: i64,
        days: u32,
        weekdays: u8,
        ends: MonthEnds,
    ) -> Self {
        let step = step.clamp(1, MAX_STEP);
        Self::of(Pattern::OfMonth { first, step, days, weekdays, ends })
    }

    /// Of these days only those on these weekdays (bit 0: Monday).
    #[must_use]
    pub(super) fn only_on(mut self, mask: u8) -> Self {
        match &mut self.pattern {
            Pattern::Weeks { first, offsets, .. } => {
                let listed =
                    (0..7).filter(|o| mask & (1 << (weekday(*first) + o).rem_euclid(7)) != 0);
                *offsets &= listed.fold(0, |bits, offset| bits | (1_u8 << offset));
            }
            Pattern::OfMonth { weekdays, .. } => *weekdays &= mask,
            Pattern::Every { .. } | Pattern::Months { .. } => self.weekdays &= mask,
        }
        self
    }

    /// Of these days only those of the cycle; `None` for rules by months, which no cycle of days fits.
    pub(super) fn only_in(mut self, cycle: Cycle) -> Option<Self> {
        self.cycle = Some(cycle);
        matches!(self.pattern, Pattern::Every { .. } | Pattern::Weeks { .. }).then_some(self)
    }

    /// How often these days come round, filters aside.
    pub(super) fn rhythm(&self) -> Rhythm {
        match self.pattern {
            Pattern::Every { step, .. } => Rhythm::InDays(1, step),
            Pattern::Weeks { step, offsets, .. } => {
                Rhythm::InDays(i64::from(offsets.count_ones()), 7 * step)
            }
            Pattern::Months { step, .. } => Rhythm::InMonths(1, step),
            Pattern::OfMonth { step, days, .. } => {
                Rhythm::InMonths(i64::from(days.count_ones()), step)
            }
        }
    }

    fn is_filtered(&self) -> bool {
        self.weekdays != ALL_WEEK || self.cycle.is_some()
    }

    fn holds(&self, day: Day) -> bool {
        (self.weekdays == ALL_WEEK || self.weekdays & (1 << weekday(day)) != 0)
            && self.cycle.is_none_or(|cycle| cycle.holds(day))
    }

    /// After so many days of its pattern the filters repeat.
    fn recurs_after(&self) -> i64 {
        let of = |step: i64| {
            let weeks = if self.weekdays == ALL_WEEK { 1 } else { 7 / gcd(step, 7) };
            let cycles = self.cycle.map_or(1, |cycle| cycle.length / gcd(step, cycle.length));
            weeks / gcd(weeks, cycles) * cycles
        };
        match self.pattern {
            Pattern::Every { step, .. } => of(step),
            Pattern::Weeks { step, offsets, .. } => of(7 * step) * i64::from(offsets.count_ones()),
            Pattern::Months { step, .. } => CYCLE_MONTHS / gcd(step, CYCLE_MONTHS),
            Pattern::OfMonth { .. } => 1,
        }
    }

    /// The first of these days that is not before `from`.
    pub(super) fn next(&self, from: Day) -> Option<Day> {
        let mut day = self.pattern.next(from)?;
        if self.is_filtered() {
            let mut left = self.recurs_after();
            while !self.holds(day) {
                left -= 1;
                day = self.pattern.next(day + 1).filter(|_| left > 0)?;
            }
        }
        Some(day)
    }

    /// The next of these days after one of them.
    pub(super) fn following(&self, day: Day) -> Option<Day> {
        match self.pattern {
            Pattern::Every { step, .. } if !self.is_filtered() => {
                Some(day + step).filter(|next| *next < END_DAY)
            }
            _ => self.next(day + 1),
        }
    }

    /// How many of these days lie before `end`.
    pub(super) fn before(&self, end: Day) -> i64 {
        if !self.is_filtered() {
            return self.pattern.before(end);
        }
        match self.pattern {
            Pattern::Every { first, step } => self.before_of(end, first, step),
            Pattern::Weeks { first, step, offsets } => {
                let offsets = (0..7).filter(|offset| offsets & (1 << offset) != 0);
                offsets.map(|offset| self.before_of(end, first + offset, 7 * step)).sum()
            }
            Pattern::Months { first, step } => {
                let nth = |n: i64| plus_months(first, n * step);
                self.among(self.pattern.before(end), CYCLE_MONTHS / gcd(step, CYCLE_MONTHS), nth)
            }
            Pattern::OfMonth { .. } => self.pattern.before(end),
        }
    }

    /// The same days, ready to be counted many times over.
    pub(super) fn counted(&self) -> Counted<'_> {
        let in_months = match self.pattern {
            Pattern::OfMonth { first, step, .. } => {
                let second = month_of(first) + step;
                let visited = CYCLE_MONTHS / gcd(step, CYCLE_MONTHS);
                let mut sum = 0;
                let months = (0..visited).map(|index| {
                    // Far from the calendar's end, where a cycle begins anew.
                    let index = CYCLE_MONTHS + (second + index * step) % CYCLE_MONTHS;
                    sum += self.pattern.in_month(index).count() as u32;
                    sum
                });
                Some(std::iter::once(0).chain(months).collect())
            }
            _ => None,
        };
        Counted { days: self, in_months }
    }

    /// How many of every `step` days from the first lie before `end` and pass the filters.
    fn before_of(&self, end: Day, first: Day, step: i64) -> i64 {
        let every = Pattern::Every { first, step };
        let recurs = Self { pattern: every, ..*self }.recurs_after();
        self.among(every.before(end), recurs, |n| first + n * step)
    }

    /// How many of the first `count` days pass the filters, which repeat after `recurs` of them.
    fn among(&self, count: i64, recurs: i64, nth: impl Fn(i64) -> Day) -> i64 {
        let passing =
            |range: std::ops::Range<i64>| range.filter(|n| self.holds(nth(*n))).count() as i64;
        let whole = if count >= recurs { count / recurs * passing(0..recurs) } else { 0 };
        whole + passing(0..count % recurs)
    }
}

impl Pattern {
    /// The first of these days that is not before `from`.
    fn next(&self, from: Day) -> Option<Day> {
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
                // What one cycle of the calendar does not have never comes.
                let visited = CYCLE_MONTHS / gcd(step, CYCLE_MONTHS) + 1;
                (start..month_of(END_DAY))
                    .step_by(usize::try_from(step).unwrap_or(usize::MAX))
                    .take(visited as usize)
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
        let (mut mask, weekdays, ends) = match *self {
            Self::OfMonth { days, weekdays, ends, .. } => (days, weekdays, ends),
            _ => (0, 0, MonthEnds::Skip),
        };
        let (first, length) = month(index).unwrap_or((END_DAY, 0));
        if ends == MonthEnds::Clamp && length > 0 && mask >> length >> 1 != 0 {
            mask |= 1 << length;
        }
        (1..=length)
            .filter(move |n| mask & (1 << n) != 0)
            .map(move |n| first + i64::from(n) - 1)
            .filter(move |day| weekdays & (1 << weekday(*day)) != 0)
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
    // 1970-01-01 was a Thursday.
    (of + 3).rem_euclid(7)
}

const fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether a day belongs, said as plainly as possible.
    fn belongs(days: &Days, of: Day) -> bool {
        let in_pattern = match days.pattern {
            Pattern::Every { first, step } => of >= first && (of - first) % step == 0,
            Pattern::Weeks { first, step, offsets } => {
                of >= first
                    && (of - first) / 7 % step == 0
                    && offsets & (1 << ((of - first) % 7)) != 0
            }
            Pattern::Months { first, step } => {
                let months = month_of(of) - month_of(first);
                let length = month(month_of(of)).unwrap().1;
                months >= 0 && months % step == 0 && date(of).day() == date(first).day().min(length)
            }
            Pattern::OfMonth { first, step, days, weekdays, ends } => {
                let length = month(month_of(of)).unwrap().1;
                let named = |n: u32| days & (1 << n) != 0;
                let last = ends == MonthEnds::Clamp && date(of).day() == length;
                of >= first
                    && (month_of(of) - month_of(first)) % step == 0
                    && (named(date(of).day()) || (last && (length + 1..=31).any(named)))
                    && weekdays & (1 << weekday(of)) != 0
            }
        };
        let weekday = u8::try_from(date(of).weekday().num_days_from_monday()).unwrap();
        let in_cycle = days.cycle.is_none_or(|c| {
            let index = (of - c.first).rem_euclid(c.length);
            c.on[usize::try_from(index / 64).unwrap()] >> (index % 64) & 1 == 1
        });
        in_pattern && in_cycle && days.weekdays >> weekday & 1 == 1
    }

    fn first_of(days: &Days) -> Day {
        let (Pattern::Every { first, .. }
        | Pattern::Weeks { first, .. }
        | Pattern::Months { first, .. }
        | Pattern::OfMonth { first, .. }) = days.pattern;
        first
    }

    pub(in crate::timing) fn any_days() -> impl Strategy<Value = Days> {
        let first = -1_000_i64..30_000;
        let ends = prop::sample::select(vec![MonthEnds::Skip, MonthEnds::Clamp]);
        let pattern = prop_oneof![
            (first.clone(), 1_i64..40).prop_map(|(first, step)| Days::every(first, step)),
            (first.clone(), 1_i64..5, 1_u8..128).prop_map(|(first, step, offsets)| Days::of(
                Pattern::Weeks { first, step, offsets }
            )),
            (first.clone(), 1_i64..30, ends.clone())
                .prop_map(|(first, step, ends)| Days::months(first, step, ends)),
            (first, 1_i64..14, 0_u32.., 1_u8..128, ends).prop_map(
                |(first, step, days, weekdays, ends)| {
                    Days::of_month(first, step, days & !1, weekdays, ends)
                }
            ),
        ];
        let weekdays = prop_oneof![3 => Just(ALL_WEEK), 1 => 1_u8..128];
        let cycle = (1_i64..40, proptest::collection::btree_set(1_i64..40, 1..20));
        (pattern, weekdays, proptest::option::weighted(0.3, cycle)).prop_map(
            |(days, weekdays, cycle)| {
                let days = days.only_on(weekdays);
                let cycle = cycle.and_then(|(length, on)| {
                    let on = on.into_iter().filter(|day| *day <= length);
                    Cycle::new(first_of(&days) - 3, length, on)
                });
                cycle.and_then(|cycle| days.only_in(cycle)).unwrap_or(days)
            },
        )
    }

    proptest! {
        #[test]
        fn days_in_closed_form_are_those_of_a_day_by_day_walk(days in any_days(), skip in -50_i64..3_000) {
            let first = first_of(&days);
            let from = first + skip;
            let walked: Vec<Day> = (first - 60..from + 1_500).filter(|d| belongs(&days, *d)).collect();
            let ahead = walked.iter().copied().find(|d| *d >= from);
            if ahead.is_some() {
                prop_assert_eq!(days.next(from), ahead);
            }
            if let Some(day) = ahead {
                let after = walked.iter().copied().find(|d| *d > day);
                prop_assert!(after.is_none() || days.following(day) == after);
            }
            let before = walked.iter().filter(|d| **d < from).count() as i64;
            prop_assert_eq!(days.before(from), before);
            prop_assert_eq!(days.counted().before(from), before);
        }
    }

    #[test]
    fn a_month_rule_counts_over_cycles_of_the_calendar() {
        let days = Days::of_month(0, 1, 1 << 13, 1 << 4, MonthEnds::Skip);
        // 688 Fridays the 13th in every 400 years.
        assert_eq!(days.before(4 * 146_097) - days.before(146_097), 3 * 688);
        let years = |n: i64| n * 146_097;
        assert_eq!(days.counted().before(years(4)), days.before(years(4)));
        let quarterly = Days::of_month(17, 3, 1 << 31 | 1 << 30, ALL_WEEK, MonthEnds::Clamp);
        for end in [0, 18, 100, 40_000, years(1) + 17, years(3) + 5, END_DAY - 1, END_DAY] {
            assert_eq!(quarterly.counted().before(end), quarterly.before(end), "{end}");
        }
        let never = Days::of_month(31, 12, 1 << 31, ALL_WEEK, MonthEnds::Skip);
        assert_eq!((never.next(31), never.before(END_DAY)), (None, 0));
    }

    #[test]
    fn a_filter_that_leaves_nothing_ends() {
        let none = Cycle::new(0, 28, std::iter::empty()).unwrap();
        let days = Days::every(0, 1).only_in(none).unwrap();
        assert_eq!((days.next(0), days.before(END_DAY)), (None, 0));
        // Every seventh day, a Thursday, is never a Monday.
        assert_eq!(Days::every(0, 7).only_on(1).next(0), None);
        assert_eq!(Cycle::new(0, 367, std::iter::once(1)), None);
        assert_eq!(Cycle::new(0, 28, std::iter::once(29)), None);
    }
}
