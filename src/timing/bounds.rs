//! Where a rule ends: bounds, count, and a duration that is a course length in disguise.

use super::course::{Limits, Rule, WallEnd};
use super::moment::{DAY_SECONDS, Moment, Start, instant, plus_months, wall};
use super::normal::{Frame, Once, is_bounded};
use super::notes::{Decision, Findings};
use crate::care::Zone;
use crate::care::timing::{Decimal, Period, Quantity, QuantityRange, Repeat};

/// UCUM units of a period or duration in seconds; months count as 30.4375 days, as UCUM has them.
fn unit_seconds(unit: &str) -> Option<i64> {
    match unit {
        "s" => Some(1),
        "min" => Some(60),
        "h" => Some(3_600),
        "d" => Some(DAY_SECONDS),
        "wk" => Some(7 * DAY_SECONDS),
        "mo" => Some(2_629_800),
        "a" => Some(31_557_600),
        _ => None,
    }
}

/// The start that a timing brings itself: its bounds' start.
pub(super) fn own_start(repeat: &Repeat, zone: &Zone, findings: &mut Findings) -> Option<Start> {
    let text = repeat.bounds_period.as_ref()?.start.as_ref()?;
    let moment = Moment::parse(text);
    match moment {
        Some(Moment::Local(_)) => {
            findings.mention(Decision::LocalStart);
        }
        Some(_) => {}
        None => {
            findings
                .ask_that(Decision::BadValue, "the start of boundsPeriod is no date or date-time");
        }
    }
    moment.map(|moment| Start::of(moment, zone))
}

/// The limits of a rule that starts at `frame.start`.
pub(super) fn limits(
    repeat: &Repeat,
    rule: &Rule,
    once: Option<Once>,
    frame: Frame<'_>,
    findings: &mut Findings,
) -> Limits {
    let forms = [
        repeat.bounds_period.is_some(),
        repeat.bounds_duration.is_some(),
        repeat.bounds_range.is_some(),
    ];
    if forms.iter().filter(|there| **there).count() > 1 {
        findings.ask_that(Decision::BadBounds, "more than one form of bounds");
    }
    let mut limits = Limits::from(frame.start);
    if let Some(period) = &repeat.bounds_period {
        end_of_period(period, frame, findings, &mut limits);
    }
    let length = match (&repeat.bounds_duration, &repeat.bounds_range) {
        (Some(duration), _) => Some(duration),
        (None, Some(range)) => {
            findings.assume(Decision::BoundsRange);
            if is_reversed(range) {
                findings.ask_that(Decision::BadBounds, "the range of lengths is reversed");
            }
            range.high.as_ref()
        }
        (None, None) => None,
    };
    if let Some(Quantity { value, code, unit }) = length {
        let value_and_unit = value.as_ref().zip(code.as_deref().or(unit.as_deref()));
        let fits = value_and_unit
            .is_some_and(|(value, unit)| lasting(value, unit, rule, frame, &mut limits));
        if !fits {
            findings.ask_that(
                Decision::BadBounds,
                "the length of the bounds is no positive number with a unit",
            );
        }
    } else if *rule != Rule::Nothing
        && let Some((value, unit)) = course_in_duration(repeat)
        && lasting(value, unit, rule, frame, &mut limits)
    {
        findings.assume(Decision::DurationAsCourse);
        if repeat.count.is_some_and(|count| !rule.has_room(count, &limits)) {
            let told = "a duration that ends the course leaves no room for the count";
            findings.ask_that(Decision::DurationAsCourse, told);
        }
    }
    if let Some(count) = count(repeat, once, findings) {
        rule.stop_after(count, &mut limits);
    }
    limits
}

/// Whether a range in one unit ends below its beginning.
fn is_reversed(range: &QuantityRange) -> bool {
    let (Some(low), Some(high)) = (&range.low, &range.high) else { return false };
    let unit = |quantity: &Quantity| quantity.code.clone().or_else(|| quantity.unit.clone());
    let (Some(least), Some(most)) = (&low.value, &high.value) else { return false };
    unit(low) == unit(high) && most.is_at_least(1, least, 1) == Some(false)
}

fn count(repeat: &Repeat, once: Option<Once>, findings: &mut Findings) -> Option<i64> {
    if repeat.count_max.is_some() {
        findings.assume(Decision::CountMax);
    }
    if once.is_some() {
        return Some(1);
    }
    let count = repeat.count.filter(|count| *count > 0);
    if count != repeat.count {
        findings.ask_that(Decision::BadValue, "count is not a number from 1");
    }
    count
}

/// The end includes any matching time: a date its whole day, a date-time its very second.
fn end_of_period(period: &Period, frame: Frame<'_>, findings: &mut Findings, limits: &mut Limits) {
    let Some(text) = &period.end else { return };
    let zone = frame.zone;
    let (end, at) = match Moment::parse(text) {
        // The whole day by the patient's clock, also an hour that comes twice at its end.
        Some(Moment::Days { end, .. }) => (end * DAY_SECONDS, WallEnd::Exclusive),
        Some(Moment::Local(end)) => (end + 1, WallEnd::Inclusive),
        Some(Moment::At(end)) => (wall(zone.local(end)) + 1, WallEnd::At(end.plus_ms(1_000))),
        None => {
            findings
                .ask_that(Decision::BadValue, "the end of boundsPeriod is no date or date-time");
            return;
        }
    };
    limits.end_at_wall(end, at);
    if period.start.is_some() && limits.are_empty() {
        findings.ask_that(Decision::BadBounds, "boundsPeriod ends before it starts");
    }
}

/// Ends the limits so long after the first slot; whether the length could be read.
fn lasting(
    value: &Decimal,
    unit: &str,
    rule: &Rule,
    frame: Frame<'_>,
    limits: &mut Limits,
) -> bool {
    if !value.is_positive() {
        return false;
    }
    let first = rule.first(limits, frame.zone).unwrap_or(frame.start.wall);
    let days = |day_seconds: i64| value.whole_times(day_seconds).map(|s| first.saturating_add(s));
    let months = |months: i64| {
        let later = plus_months(first.div_euclid(DAY_SECONDS), value.whole_times(months)?);
        Some(later * DAY_SECONDS + first.rem_euclid(DAY_SECONDS))
    };
    let calendar = match unit {
        "d" if value.whole_times(1).is_some() => days(DAY_SECONDS),
        "wk" if value.whole_times(1).is_some() => days(7 * DAY_SECONDS),
        "mo" => months(1).filter(|_| value.whole_times(1).is_some()),
        "a" => months(12).filter(|_| value.whole_times(1).is_some()),
        _ => None,
    };
    if let Some(end) = calendar {
        limits.end_at_wall(end, WallEnd::Exclusive);
        return true;
    }
    let elapsed = match unit {
        "s" | "min" | "h" | "d" | "wk" => unit_seconds(unit).and_then(|s| value.whole_times(s)),
        _ => None,
    };
    if let Some(seconds) = elapsed {
        limits.end_at(instant(frame.zone, first).plus_ms(seconds.saturating_mul(1_000)));
    }
    elapsed.is_some()
}

/// A `duration` in days or longer that spans the period, where nothing else bounds the rule.
fn course_in_duration(repeat: &Repeat) -> Option<(&Decimal, &str)> {
    let (value, unit) = repeat.duration.as_ref().zip(repeat.duration_unit.as_deref())?;
    if is_bounded(repeat) || !["d", "wk", "mo", "a"].contains(&unit) {
        return None;
    }
    let day = Decimal::from(1);
    let (period, period_unit) =
        repeat.period.as_ref().zip(repeat.period_unit.as_deref()).unwrap_or((&day, "d"));
    let spans = value.is_at_least(unit_seconds(unit)?, period, unit_seconds(period_unit)?)?;
    spans.then_some((value, unit))
}
