//! Reads a `Timing` into one rule. What the standard leaves open is decided here, each point with its
//! [`Decision`].

use super::civil::{Civil, DayTimes, Times};
use super::clock_times::{listed, origin, per_day, stated_per_day, while_awake};
use super::codes;
use super::course::Rule;
use super::days::{Days, MonthEnds, weekday};
use super::elements::{HOUR_SECONDS, Period, frequency, month_days, period, weekdays};
use super::extensions::{Extensions, InCycle};
use super::moment::{DAY_SECONDS, Moment, Precision, Start, instant};
use super::notes::{Decision, Findings, show};
use crate::care::slot::Planned;
use crate::care::timing::Repeat;
use crate::care::{Routine, Timing, UtcMs, Zone};

/// What a rule is read against.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) zone: &'a Zone,
    pub(super) routine: &'a Routine,
    pub(super) start: Start,
}

/// A rule, and whether it holds only once.
pub(super) struct Reading {
    pub(super) rule: Rule,
    pub(super) once: Option<Once>,
}

/// The rule's first slot is its only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Once;

impl From<Rule> for Reading {
    fn from(rule: Rule) -> Self {
        Self { rule, once: None }
    }
}

/// The rule of a timing; `None` when it says nothing to schedule by.
pub(super) fn read(timing: &Timing, frame: Frame<'_>, findings: &mut Findings) -> Option<Reading> {
    let absent = Repeat::default();
    let repeat = timing.repeat.as_ref().unwrap_or(&absent);
    let extensions = Extensions::read(repeat, frame.start.day(), findings);
    let mut reader = Reader { frame, extensions, findings };
    let coded = timing.code.as_ref().and_then(codes::repeat_of);
    if timing.code.as_ref().is_some_and(|code| coded.is_none() && !code.coding.is_empty()) {
        reader.findings.ask_that(
            Decision::UnknownCode,
            "the timing's code is not in ValueSet timing-abbreviation",
        );
    }
    if timing.code.as_ref().is_some_and(codes::contradict_each_other) {
        reader.findings.ask_that(Decision::CodeConflict, "two codings of the timing differ");
    }
    let has_rule = states_a_rate(repeat);
    if !timing.event.is_empty() && !is_anchor_event(timing, has_rule || coded.is_some()) {
        return Some(reader.events(&timing.event).into());
    }
    match coded {
        Some((word, coded)) if has_rule => {
            let reading = reader.repeat(repeat);
            let mut quiet = Findings::default();
            let stated = Reader { frame, extensions, findings: &mut quiet }.repeat(&coded);
            let conflict = if reading.rule.rate() != stated.rule.rate()
                || (reading.once.is_some() && stated.once.is_none())
            {
                Some("the timing's code and its repeat give different rates")
            } else if codes::part_of_day(word).is_some_and(|part| !reading.rule.keeps_to(&part)) {
                Some("the timing's code names another part of the day than its repeat")
            } else {
                None
            };
            if let Some(told) = conflict {
                reader.findings.ask_that(Decision::CodeConflict, told);
            }
            Some(reading)
        }
        Some((word, coded)) => {
            if coded.period_unit.as_deref() != Some("h") {
                reader
                    .findings
                    .assume_that(Decision::Abbreviation, format!("{word} is at the table's times"));
            }
            Some(reader.repeat(&coded))
        }
        None if has_rule => Some(reader.repeat(repeat)),
        None => reader.unstated(repeat),
    }
}

/// Exactly one event beside a rule without bounds is where the rule starts.
pub(super) fn anchor_event(timing: &Timing) -> Option<&str> {
    let repeat = timing.repeat.as_ref();
    let coded = timing.code.as_ref().and_then(codes::repeat_of).is_some();
    let has_rule = coded || repeat.is_some_and(states_a_rate);
    is_anchor_event(timing, has_rule).then(|| timing.event[0].as_str())
}

fn is_anchor_event(timing: &Timing, has_rule: bool) -> bool {
    let bounded = timing.repeat.as_ref().is_some_and(|r| is_bounded(r) || r.count.is_some());
    timing.event.len() == 1 && has_rule && !bounded
}

/// Whether any `bounds[x]` is there.
pub(super) const fn is_bounded(repeat: &Repeat) -> bool {
    repeat.bounds_period.is_some()
        || repeat.bounds_duration.is_some()
        || repeat.bounds_range.is_some()
}

fn states_a_rate(repeat: &Repeat) -> bool {
    repeat.frequency.is_some()
        || repeat.frequency_max.is_some()
        || repeat.period.is_some()
        || repeat.period_max.is_some()
        || !repeat.day_of_week.is_empty()
        || !repeat.time_of_day.is_empty()
        || !repeat.when.is_empty()
        || repeat.extensions("timing-dayOfMonth").next().is_some()
        || repeat.extensions("timing-daysOfCycle").next().is_some()
}

struct Reader<'a, 'f> {
    frame: Frame<'a>,
    extensions: Extensions,
    findings: &'f mut Findings,
}

impl Reader<'_, '_> {
    fn repeat(&mut self, repeat: &Repeat) -> Reading {
        let mut period = period(repeat, self.findings);
        let mut frequency = frequency(repeat, self.findings);
        match self.extensions.cycle {
            InCycle::Refused => return Rule::Nothing.into(),
            // The period was the cycle's length, the frequency the days listed in it.
            InCycle::OfPeriod(_) => (period, frequency) = (Period::Days(1), None),
            InCycle::Always | InCycle::Only(_) => {}
        }
        let times = listed(repeat, self.frame.routine, self.findings);
        let weekdays = weekdays(repeat, self.findings);
        let month_days = month_days(repeat, self.findings);
        if period == Period::Unusable || times.as_ref().is_some_and(DayTimes::is_empty) {
            return Rule::Nothing.into();
        }
        if let Some(days) = month_days {
            return self.on_month_days(days, weekdays, period, frequency, times).into();
        }
        if let Some(mask) = weekdays {
            return self.on_weekdays(mask, period, frequency, times).into();
        }
        match times {
            Some(times) => {
                let stated = stated_per_day(repeat, &times);
                self.at_times(times, stated, period, frequency).into()
            }
            None if period == Period::Absent => self.without_period(repeat, frequency),
            None => self.without_times(period, frequency.unwrap_or(1)).into(),
        }
    }

    /// Nothing but bounds, a count or less.
    fn unstated(&mut self, repeat: &Repeat) -> Option<Reading> {
        match repeat.count {
            _ if self.extensions.say_something() => {
                self.findings.ask(Decision::NoPeriod);
                Some(Rule::Nothing.into())
            }
            Some(count) if count > 1 => {
                self.findings.ask(Decision::NoPeriod);
                Some(Rule::Nothing.into())
            }
            None if !is_bounded(repeat) => None,
            _ => Some(self.once(repeat)),
        }
    }

    fn without_period(&mut self, repeat: &Repeat, frequency: Option<i64>) -> Reading {
        if frequency == Some(1) && repeat.count.is_none_or(|count| count == 1) {
            return self.once(repeat);
        }
        self.findings.ask(Decision::NoPeriod);
        Rule::Nothing.into()
    }

    /// One occurrence: when the bounds open, if they name a time; else at the table's.
    fn once(&mut self, repeat: &Repeat) -> Reading {
        self.findings.assume(Decision::Once);
        let opens = repeat.bounds_period.as_ref().is_some_and(|period| period.start.is_some());
        let times = match self.frame.start.time_of_day() {
            Some(time) if opens => Times::from_slice(&[time]).into(),
            _ => per_day(1, self.frame.routine, self.findings),
        };
        let days = Days::every(self.frame.start.day(), 1);
        Reading { rule: self.civil(days, times), once: Some(Once) }
    }

    /// `event`: dates and date-times, each once.
    fn events(&mut self, events: &[String]) -> Rule {
        let mut planned = Vec::with_capacity(events.len());
        for text in events {
            match Moment::parse(text) {
                Some(Moment::At(at)) => planned.push(Planned::Elapsed(at)),
                Some(Moment::Local(wall)) => {
                    self.findings.mention(Decision::LocalStart);
                    planned.push(Planned::Local(super::moment::wall_time(wall)));
                }
                Some(Moment::Days { first, end }) if end == first + 1 => {
                    self.findings.assume(Decision::EventDay);
                    let times = per_day(1, self.frame.routine, self.findings);
                    let wall = first * DAY_SECONDS + times.on(first)[0];
                    planned.push(Planned::Local(super::moment::wall_time(wall)));
                }
                Some(Moment::Days { .. }) => self.findings.ask(Decision::EventDay),
                None => {
                    self.findings.ask_that(Decision::BadValue, "an event is no date or date-time");
                }
            }
        }
        planned.sort_unstable();
        planned.dedup();
        Rule::Events(planned)
    }

    fn on_weekdays(
        &mut self,
        mask: u8,
        period: Period,
        frequency: Option<i64>,
        times: Option<DayTimes>,
    ) -> Rule {
        let first = self.frame.start.day();
        let offsets = (0..7).filter(|day| mask & (1 << day) != 0).map(|day| day - weekday(first));
        match period.in_days() {
            Period::Absent | Period::Days(1) => {
                let Some(times) = self.daily_times(times, period, frequency) else {
                    return Rule::Nothing;
                };
                self.civil(Days::weeks(first, 1, offsets), times)
            }
            Period::Weeks(n) => {
                let times = self.times_or_one(times);
                self.expect(frequency, i64::from(mask.count_ones()) * times.len());
                self.civil(Days::weeks(first, n, offsets), times)
            }
            Period::Interval(_) => self.refuse(Decision::IntervalConflict),
            _ => self.refuse(Decision::DayConflict),
        }
    }

    fn on_month_days(
        &mut self,
        days: u32,
        weekdays: Option<u8>,
        period: Period,
        frequency: Option<i64>,
        times: Option<DayTimes>,
    ) -> Rule {
        let first = self.frame.start.day();
        let ends = self.extensions.month_ends.unwrap_or(MonthEnds::Skip);
        let of = |step| Days::of_month(first, step, days, weekdays.unwrap_or(127), ends);
        match period.in_days() {
            Period::Absent | Period::Days(1) => {
                let Some(times) = self.daily_times(times, period, frequency) else {
                    return Rule::Nothing;
                };
                self.civil(of(1), times)
            }
            Period::Months(n) if weekdays.is_none() => {
                let times = self.times_or_one(times);
                self.expect(frequency, i64::from(days.count_ones()) * times.len());
                self.civil(of(n), times)
            }
            Period::Interval(_) => self.refuse(Decision::IntervalConflict),
            _ => self.refuse(Decision::DayConflict),
        }
    }

    /// The times of a listed day when the frequency counts within it.
    fn daily_times(
        &mut self,
        times: Option<DayTimes>,
        period: Period,
        frequency: Option<i64>,
    ) -> Option<DayTimes> {
        let times = match (times, period) {
            (Some(times), _) => {
                self.expect(frequency, times.len());
                times
            }
            (None, Period::Interval(_)) if frequency.is_none_or(|f| f == 1) => {
                Times::from_slice(&[self.origin()]).into()
            }
            (None, _) => per_day(frequency.unwrap_or(1), self.frame.routine, self.findings),
        };
        (!times.is_empty()).then_some(times)
    }

    fn times_or_one(&mut self, times: Option<DayTimes>) -> DayTimes {
        times.unwrap_or_else(|| per_day(1, self.frame.routine, self.findings))
    }

    /// Clock times without a day filter; `stated` is how many times a day the order names.
    fn at_times(
        &mut self,
        times: DayTimes,
        stated: i64,
        period: Period,
        frequency: Option<i64>,
    ) -> Rule {
        let first = self.frame.start.day();
        let days = match period.in_days() {
            Period::Weeks(1) => match frequency {
                Some(f) if f != stated && f % stated == 0 && f / stated <= 7 => {
                    return self.days_of_week(f / stated, times);
                }
                _ => Days::every(first, 7),
            },
            Period::Days(n) => Days::every(first, n),
            Period::Weeks(n) => Days::every(first, n.saturating_mul(7)),
            Period::Months(n) => Days::months(first, n, self.month_ends()),
            Period::Interval(seconds) => {
                let fits = seconds.checked_mul(stated) == Some(DAY_SECONDS);
                if !fits || frequency.is_some_and(|f| f != 1) {
                    self.findings.ask(Decision::IntervalConflict);
                }
                return self.civil(Days::every(first, 1), times);
            }
            Period::Absent | Period::Unusable => Days::every(first, 1),
        };
        self.expect(frequency, stated);
        self.civil(days, times)
    }

    fn without_times(&mut self, period: Period, frequency: i64) -> Rule {
        let first = self.frame.start.day();
        let days = match (period, frequency) {
            (Period::Interval(seconds), 1) => return self.interval(seconds),
            (Period::Interval(_), _) => match period.in_days() {
                Period::Days(n) => return self.without_times(Period::Days(n), frequency),
                _ => return self.refuse(Decision::TimesPerPeriod),
            },
            (Period::Days(1), n) => {
                let times = per_day(n, self.frame.routine, self.findings);
                return if times.is_empty() {
                    Rule::Nothing
                } else {
                    self.civil(Days::every(first, 1), times)
                };
            }
            (Period::Weeks(1), 2..=7) => {
                let times = self.times_or_one(None);
                return self.days_of_week(frequency, times);
            }
            (Period::Weeks(1), 14 | 21 | 28) => {
                return self.without_times(Period::Days(1), frequency / 7);
            }
            (Period::Days(n), 1) => Days::every(first, n),
            (Period::Weeks(n), 1) => Days::every(first, n.saturating_mul(7)),
            (Period::Months(n), 1) => Days::months(first, n, self.month_ends()),
            _ => return self.refuse(Decision::TimesPerPeriod),
        };
        let times = self.times_or_one(None);
        self.civil(days, times)
    }

    /// n days a week from the start's weekday, by the table of offsets.
    fn days_of_week(&mut self, n: i64, times: DayTimes) -> Rule {
        const OFFSETS: [&[i64]; 7] = [
            &[0],
            &[0, 3],
            &[0, 2, 4],
            &[0, 2, 4, 6],
            &[0, 1, 2, 3, 4],
            &[0, 1, 2, 3, 4, 5],
            &[0, 1, 2, 3, 4, 5, 6],
        ];
        let offsets = OFFSETS[(n - 1).clamp(0, 6) as usize];
        self.findings.assume_that(
            Decision::TimesPerWeek,
            format!("{n} a week: {offsets:?} days after the start's weekday"),
        );
        let days = Days::weeks(self.frame.start.day(), 1, offsets.iter().copied());
        self.civil(days, times)
    }

    /// Every so many seconds: days, a grid on the wall clock, or elapsed time.
    fn interval(&mut self, seconds: i64) -> Rule {
        let first = self.frame.start.day();
        if self.extensions.awake.is_some() {
            let times = while_awake(seconds, self.frame.routine, self.findings);
            return self.civil(Days::every(first, 1), times);
        }
        let origin = self.origin();
        if let Period::Days(n) = Period::Interval(seconds).in_days() {
            return self.civil(Days::every(first, n), Times::from_slice(&[origin]).into());
        }
        if seconds % HOUR_SECONDS == 0 && DAY_SECONDS % seconds == 0 {
            let on_the_clock = |index: i64| (origin + index * seconds).rem_euclid(DAY_SECONDS);
            let mut times: Times = (0..DAY_SECONDS / seconds).map(on_the_clock).collect();
            times.sort_unstable();
            return self.civil(Days::every(first, 1), times.into());
        }
        if !matches!(self.extensions.cycle, InCycle::Always) {
            return self.refuse(Decision::Cycle);
        }
        let first = match self.frame.start.precision {
            Precision::Time => self.frame.start.instant(self.frame.zone),
            Precision::Day => instant(self.frame.zone, first * DAY_SECONDS + origin),
        };
        let step_ms = seconds.saturating_mul(1_000).min(UtcMs::MAX.0);
        Rule::Elapsed { first, step_ms }
    }

    /// Clock times on days, within the cycle if there is one.
    fn civil(&mut self, days: Days, times: DayTimes) -> Rule {
        let days = match self.extensions.cycle {
            InCycle::Only(cycle) | InCycle::OfPeriod(cycle) => days.only_in(cycle),
            InCycle::Always | InCycle::Refused => Some(days),
        };
        match days {
            Some(days) => Rule::Civil(Civil::new(days, times)),
            None => self.refuse(Decision::Cycle),
        }
    }

    fn month_ends(&self) -> MonthEnds {
        self.extensions.month_ends.unwrap_or(MonthEnds::Clamp)
    }

    /// The time of day from which an interval counts.
    fn origin(&mut self) -> i64 {
        self.frame.start.time_of_day().unwrap_or_else(|| {
            let origin = origin(self.frame.routine);
            self.findings.assume_that(
                Decision::IntervalOrigin,
                format!("the start has no time of day: counted from {}", show(&[origin])),
            );
            origin
        })
    }

    /// A frequency that is there must be the number of listed times.
    fn expect(&mut self, frequency: Option<i64>, listed: i64) {
        if let Some(frequency) = frequency.filter(|f| *f != listed) {
            self.findings.ask_that(
                Decision::FrequencyConflict,
                format!("frequency is {frequency}, the listed days and times make {listed}"),
            );
        }
    }

    fn refuse(&mut self, decision: Decision) -> Rule {
        self.findings.ask(decision);
        Rule::Nothing
    }
}
