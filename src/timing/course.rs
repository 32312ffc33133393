//! A rule with its limits: what it is asked, and how its slots become occurrences.

use super::civil::Civil;
use super::days::Rhythm;
use super::moment::{
    DAY_SECONDS, END_DAY, FIRST_DAY, Start, Wall, date, instant, wall, wall_at, wall_time,
    wall_time_near,
};
use crate::care::slot::Planned;
use crate::care::zone::Resolved;
use crate::care::{Occurrence, Slot, UtcMs, Zone};

/// Up to here a rough upper limit does.
const ROUGHLY: i64 = 100_000;

/// When something is due, before limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Never.
    Nothing,
    /// At listed moments, sorted.
    Events(Vec<Planned>),
    /// By the wall clock.
    Civil(Civil),
    /// Every so many milliseconds of elapsed time.
    Elapsed { first: UtcMs, step_ms: i64 },
}

/// How often a rule comes round, to compare two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    Unknown,
    /// So many in this many seconds, in lowest terms.
    PerSeconds(i64, i64),
    /// So many in this many months, in lowest terms.
    PerMonths(i64, i64),
}

/// How an end by the wall clock is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WallEnd {
    /// The first second no more.
    Exclusive,
    /// The second before it is the last one.
    Inclusive,
    /// It was given as this instant, the first no more.
    At(UtcMs),
}

/// From when to when a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// First wall-clock time.
    from_wall: Wall,
    /// First wall-clock time no more,
    until_wall: Wall,
    /// and how elapsed rules, which live in instants, read it.
    until_as: WallEnd,
    /// First instant no more, for either (lengths in hours).
    until: UtcMs,
}

impl From<Start> for Limits {
    fn from(start: Start) -> Self {
        Self {
            from_wall: start.wall,
            until_wall: Wall::MAX,
            until_as: WallEnd::Exclusive,
            until: UtcMs::MAX,
        }
    }
}

impl Limits {
    /// Ends at a wall-clock time; an earlier end stays.
    pub(super) fn end_at_wall(&mut self, wall: Wall, read_as: WallEnd) {
        if wall < self.until_wall {
            (self.until_wall, self.until_as) = (wall, read_as);
        }
    }

    /// Ends at an instant; an earlier end stays.
    pub(super) fn end_at(&mut self, at: UtcMs) {
        self.until = self.until.min(at);
    }

    /// The wall-clock time at which the limits end, if they do.
    pub(super) fn end(&self, zone: &Zone) -> Option<Wall> {
        let at = (self.until < UtcMs::MAX).then(|| wall_at(zone, self.until));
        let wall = (self.until_wall < Wall::MAX).then_some(self.until_wall);
        at.into_iter().chain(wall).min()
    }

    /// Whether nothing can lie within.
    pub(super) const fn are_empty(&self) -> bool {
        self.until_wall <= self.from_wall
    }
}

/// One dosage's rule with its limits.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) rule: Rule,
    pub(super) limits: Limits,
}

impl Rule {
    /// How often it comes round.
    pub(super) fn rate(&self) -> Rate {
        let (days, times) = match self {
            Self::Civil(civil) => civil.usual(),
            Self::Elapsed { step_ms, .. } => return Rate::PerSeconds(1, step_ms / 1_000),
            Self::Nothing | Self::Events(_) => return Rate::Unknown,
        };
        let lowest = |count: i64, of: i64| {
            let (mut a, mut b) = (count, of);
            while b != 0 {
                (a, b) = (b, a % b);
            }
            (count / a.max(1), of / a.max(1))
        };
        let per_seconds = |(count, of)| Rate::PerSeconds(count, of);
        let per_months = |(count, of)| Rate::PerMonths(count, of);
        match days.rhythm() {
            Rhythm::InDays(days, of) => per_seconds(lowest(times * days, of * DAY_SECONDS)),
            Rhythm::InMonths(days, of) => per_months(lowest(times * days, of)),
        }
    }

    /// Its first slot within the limits' start, by the patient's clock.
    pub(super) fn first(&self, limits: &Limits, zone: &Zone) -> Option<Wall> {
        match self {
            Self::Nothing => None,
            Self::Events(events) => events.iter().map(|event| planned_wall(*event, zone)).min(),
            Self::Civil(civil) => civil.next(limits.from_wall),
            Self::Elapsed { first, .. } => Some(wall_at(zone, *first)),
        }
    }

    /// Whether all its clock times lie in this part of the day, which may go on past midnight.
    pub(super) fn keeps_to(&self, part: &std::ops::Range<i64>) -> bool {
        let Self::Civil(civil) = self else { return true };
        let within = |time: i64| part.contains(&time) || part.contains(&(time + DAY_SECONDS));
        civil.times().all(|time| within(time.rem_euclid(DAY_SECONDS)))
    }

    /// Whether the limits end after so many slots by the wall clock, not before.
    pub(super) fn has_room(&self, count: i64, limits: &Limits) -> bool {
        let Self::Civil(civil) = self else { return true };
        let last = civil.nth(limits.from_wall, count.saturating_sub(1).max(0));
        last.is_none_or(|last| last < limits.until_wall)
    }

    /// Ends the limits where slot number `count` + 1 would be.
    pub(super) fn stop_after(&self, count: i64, limits: &mut Limits) {
        match self {
            Self::Nothing | Self::Events(_) => {}
            Self::Civil(civil) => {
                if let Some(next) = civil.nth(limits.from_wall, count) {
                    limits.end_at_wall(next, WallEnd::Exclusive);
                }
            }
            Self::Elapsed { first, step_ms } => {
                limits.end_at(first.plus_ms(step_ms.saturating_mul(count)));
            }
        }
    }
}

/// The wall-clock time of a slot.
pub(super) fn planned_wall(planned: Planned, zone: &Zone) -> Wall {
    match planned {
        Planned::Local(local) => wall(local),
        Planned::Elapsed(at) => wall_at(zone, at),
    }
}

impl Course {
    /// The name of its first slot.
    pub(super) fn first(&self, zone: &Zone) -> Option<Planned> {
        match &self.rule {
            Rule::Nothing => None,
            Rule::Events(events) => events.first().copied(),
            Rule::Civil(civil) => {
                civil.next(self.limits.from_wall).map(|wall| Planned::Local(wall_time(wall)))
            }
            Rule::Elapsed { first, .. } => Some(Planned::Elapsed(*first)),
        }
        .filter(|planned| !self.limits.are_empty() && self.may_hold(*planned, zone))
    }

    /// Its first slot by the patient's clock.
    pub(super) fn first_wall(&self, zone: &Zone) -> Option<Wall> {
        self.first(zone).map(|planned| planned_wall(planned, zone))
    }

    /// Appends its slots with `from <= wall < to` by the patient's clock, at most so many.
    pub(super) fn walls(
        &self,
        zone: &Zone,
        (from, to): (Wall, Wall),
        most: usize,
        into: &mut Vec<Wall>,
    ) {
        match &self.rule {
            Rule::Nothing => {}
            Rule::Events(events) => {
                let walls = events.iter().map(|event| planned_wall(*event, zone));
                into.extend(walls.filter(|wall| (from..to).contains(wall)).take(most));
            }
            Rule::Civil(civil) => {
                let from = from.max(self.limits.from_wall);
                let walls = std::iter::successors(civil.next(from), |wall| civil.next(wall + 1));
                let within = |wall: &Wall| {
                    *wall < to.min(self.limits.until_wall)
                        && instant(zone, *wall) < self.limits.until
                };
                into.extend(walls.take_while(within).take(most));
            }
            Rule::Elapsed { first, step_ms } => {
                let passed = instant(zone, from).since(*first).max(0) / step_ms;
                let begin = first.plus_ms(passed.saturating_mul(*step_ms));
                let instants = std::iter::successors(Some(begin), |at| Some(at.plus_ms(*step_ms)));
                let instants = instants.take(most).take_while(|at| *at < self.elapsed_until(zone));
                let walls = instants.map(|at| wall_at(zone, at));
                into.extend(walls.skip_while(|wall| *wall < from).take_while(|wall| *wall < to));
            }
        }
    }

    /// Events know no limits; everything else ends.
    fn may_hold(&self, planned: Planned, zone: &Zone) -> bool {
        match (&self.rule, planned) {
            (Rule::Events(_), _) => true,
            (_, Planned::Local(local)) => {
                let wall = wall(local);
                wall < self.limits.until_wall && instant(zone, wall) < self.limits.until
            }
            (_, Planned::Elapsed(at)) => at < self.elapsed_until(zone),
        }
    }

    /// Where elapsed rules end.
    fn elapsed_until(&self, zone: &Zone) -> UtcMs {
        let Limits { until_wall, until_as, until, .. } = self.limits;
        if until_wall == Wall::MAX {
            return until;
        }
        until.min(match until_as {
            WallEnd::Exclusive => instant(zone, until_wall),
            WallEnd::Inclusive => instant(zone, until_wall - 1).plus_ms(1_000),
            WallEnd::At(at) => at,
        })
    }

    /// The wall-clock times that can name an instant of the window, cut by the limits.
    fn wall_window(&self, zone: &Zone, from: UtcMs, to: UtcMs) -> (Wall, Wall) {
        let (low, high) = zone.offsets_around(from, to);
        let calendar = |wall: Wall| wall.clamp(FIRST_DAY * DAY_SECONDS, END_DAY * DAY_SECONDS);
        let first = from.0.div_euclid(1_000).saturating_add(low);
        let last = to.0.div_euclid(1_000).saturating_add(high + 1);
        (calendar(first).max(self.limits.from_wall), calendar(last).min(self.limits.until_wall))
    }

    /// An upper limit of how many slots the window holds; a rough one, at no cost, where that is enough.
    pub(super) fn at_most(&self, zone: &Zone, from: UtcMs, to: UtcMs) -> i64 {
        match &self.rule {
            Rule::Nothing => 0,
            Rule::Events(events) => events.len() as i64,
            Rule::Civil(civil) => {
                let days = to.since(from).max(0) / (DAY_SECONDS * 1_000) + 4;
                let rough = days.saturating_mul(civil.most_a_day());
                if rough <= ROUGHLY {
                    return rough;
                }
                let (first, last) = self.wall_window(zone, from, to);
                if first < last { civil.before(last) - civil.before(first) } else { 0 }
            }
            Rule::Elapsed { first, step_ms } => {
                let from = from.max(*first);
                to.min(self.elapsed_until(zone)).since(from).max(0) / step_ms + 1
            }
        }
    }

    /// Writes its occurrences with `from <= instant < to`, in order of their names.
    pub(super) fn expand(
        &self,
        dosage: u16,
        zone: &Zone,
        (from, to): (UtcMs, UtcMs),
        into: &mut Vec<Occurrence>,
    ) {
        let mut push = |planned: Planned, at: UtcMs, local| {
            if from <= at && at < to {
                into.push(Occurrence {
                    slot: Slot { dosage, planned },
                    at,
                    local,
                    merged: Vec::new(),
                });
            }
        };
        match &self.rule {
            Rule::Nothing => {}
            Rule::Events(events) => {
                for event in events {
                    let at = match *event {
                        Planned::Local(local) => zone.resolve(local).instant(),
                        Planned::Elapsed(at) => at,
                    };
                    push(*event, at, zone.local(at));
                }
            }
            Rule::Civil(civil) => {
                let (first, last) = self.wall_window(zone, from, to);
                let mut cursor = zone.cursor();
                civil.each_day(first, last, |midnight, times| {
                    let day = date(midnight / DAY_SECONDS);
                    for wall in times.iter().map(|time| midnight + time) {
                        if wall < first || wall >= last {
                            continue;
                        }
                        let resolved = cursor.resolve(wall);
                        let at = resolved.instant();
                        if at < self.limits.until {
                            let planned = wall_time_near(day, midnight, wall);
                            let shown = match resolved {
                                Resolved::Gap(at) => zone.local(at),
                                Resolved::One(_) | Resolved::Fold(_) => planned,
                            };
                            push(Planned::Local(planned), at, shown);
                        }
                    }
                });
            }
            Rule::Elapsed { first, step_ms } => {
                let passed = from.since(*first).max(0);
                let skipped = passed / step_ms + i64::from(passed % step_ms != 0);
                let mut at = first.plus_ms(skipped.saturating_mul(*step_ms));
                let end = to.min(self.elapsed_until(zone)).min(calendar_end());
                while at < end {
                    push(Planned::Elapsed(at), at, zone.local(at));
                    at = at.plus_ms(*step_ms);
                }
            }
        }
    }

    /// Writes the instants of its occurrences with `from <= instant < to`, in order of their names: what
    /// [`Course::expand`] writes, without the names.
    pub(super) fn instants(&self, zone: &Zone, (from, to): (UtcMs, UtcMs), into: &mut Vec<UtcMs>) {
        let Rule::Civil(civil) = &self.rule else {
            let mut named = Vec::new();
            self.expand(0, zone, (from, to), &mut named);
            into.extend(named.iter().map(|occurrence| occurrence.at));
            return;
        };
        let (first, last) = self.wall_window(zone, from, to);
        let to = to.min(self.limits.until);
        let mut cursor = zone.cursor();
        civil.each_day(first, last, |midnight, times| {
            let (Some(earliest), Some(latest)) = (times.first(), times.last()) else { return };
            let (earliest, latest) = (midnight + earliest, midnight + latest);
            match cursor.plain_offset(earliest, latest) {
                // Far from every change and from both ends of the window a day is additions only.
                Some(offset) if first <= earliest && latest < last => {
                    let at = |wall: i64| UtcMs((wall - offset) * 1_000);
                    if from <= at(earliest) && at(latest) < to {
                        into.extend(times.iter().map(|time| at(midnight + time)));
                    } else {
                        let all = times.iter().map(|time| at(midnight + time));
                        into.extend(all.filter(|at| (from..to).contains(at)));
                    }
                }
                _ => {
                    let walls = times.iter().map(|time| midnight + time);
                    let walls = walls.filter(|wall| (first..last).contains(wall));
                    let all = walls.map(|wall| cursor.resolve(wall).instant());
                    into.extend(all.filter(|at| (from..to).contains(at)));
                }
            }
        });
    }

    /// Its earliest instant with `from <= instant < to`, found without expanding the window.
    pub(super) fn next(&self, zone: &Zone, from: UtcMs, to: UtcMs) -> Option<UtcMs> {
        match &self.rule {
            Rule::Civil(civil) => {
                let candidate = self.some_civil_after(civil, zone, from, to)?;
                // A gap may bring a later wall-clock time to an earlier instant: look at what lies between.
                let mut between = Vec::new();
                self.expand(0, zone, (from, candidate), &mut between);
                between.iter().map(|occurrence| occurrence.at).min().or(Some(candidate))
            }
            Rule::Elapsed { first, step_ms } => {
                let passed = from.since(*first).max(0);
                let skipped = passed / step_ms + i64::from(passed % step_ms != 0);
                let at = first.plus_ms(skipped.saturating_mul(*step_ms));
                (at < to.min(self.elapsed_until(zone)).min(calendar_end())).then_some(at)
            }
            Rule::Nothing | Rule::Events(_) => {
                let mut events = Vec::new();
                self.expand(0, zone, (from, to), &mut events);
                events.iter().map(|occurrence| occurrence.at).min()
            }
        }
    }

    /// The first slot by name whose instant lies in the window.
    fn some_civil_after(
        &self,
        civil: &Civil,
        zone: &Zone,
        from: UtcMs,
        to: UtcMs,
    ) -> Option<UtcMs> {
        let (first, _) = self.wall_window(zone, from, from);
        let last = self.wall_window(zone, to, to).1;
        let mut cursor = zone.cursor();
        let mut next = civil.next(first);
        while let Some(wall) = next.filter(|wall| *wall < last) {
            let at = cursor.resolve(wall).instant();
            if from <= at && at < to.min(self.limits.until) {
                return Some(at);
            }
            next = civil.next(wall + 1);
        }
        None
    }
}

/// The end of FHIR's calendar.
const fn calendar_end() -> UtcMs {
    UtcMs(END_DAY * DAY_SECONDS * 1_000)
}
