//! From any dosages to a phrase that a clinician understands.

use super::words::{DAYS, EVENTS, Unit, WEEKDAYS, WEEKEND, spelled};
use crate::care::timing::{
    Code, Decimal, Extension, Period, Quantity, QuantityRange, Repeat, native, parse_time_of_day,
};
use crate::care::{Dosage, Timing};
use crate::timing::codes;
use chrono::Timelike as _;
use std::collections::BTreeSet;

/// The house's own extensions.
const KNOWN: [&str; 4] =
    [native::CYCLE, native::WHILE_AWAKE, native::MONTH_END, native::MINIMUM_SPACING];

/// Says when, in plain English.
///
/// What [`parse`](super::parse()) can give is said in words that it reads back to an equal model. What it cannot
/// (ranges, codes of nobody's, texts) is still said as it will be kept. Free text is never repeated.
pub fn say(dosages: &[Dosage]) -> String {
    let steps = dosages.len() > 1
        && (1..).zip(dosages).all(|(number, dosage)| dosage.sequence == Some(number));
    let said: Vec<String> = dosages
        .iter()
        .map(|dosage| match dosage.sequence {
            Some(number) if !steps => format!("step {number}: {}", one(dosage)),
            _ => one(dosage),
        })
        .collect();
    match said.as_slice() {
        [] => "nothing is scheduled".to_owned(),
        said => said.join(if steps { ", then " } else { "; " }),
    }
}

fn one(dosage: &Dosage) -> String {
    let needed = match (&dosage.as_needed_codeable_concept, dosage.is_as_needed()) {
        (Some(_), _) => "as needed for a stated reason",
        (None, true) => "as needed",
        (None, false) => "",
    };
    let absent = Timing::default();
    let timing = dosage.timing.as_ref().unwrap_or(&absent);
    let repeat = timing.repeat.clone().unwrap_or_default();
    let mut said = Said(rule(timing, &repeat));
    let mut count = repeat.count.is_some();
    if said.0.is_empty() {
        let bounded = repeat.bounds_period.is_some()
            || repeat.bounds_duration.is_some()
            || repeat.bounds_range.is_some();
        let once = needed.is_empty() && repeat.count.map_or(bounded, |count| count == 1);
        count &= !once;
        let otherwise = if dosage.text.is_some() || dosage.patient_instruction.is_some() {
            "as its text says"
        } else {
            "at no stated time"
        };
        said.add("", if once { "once" } else { needed });
        said.add("", if said.0.is_empty() { otherwise } else { "" });
    }
    bounds(&repeat, &mut said);
    conditions(&repeat, &mut said);
    if count {
        said.add(", ", &total(&repeat));
    }
    if !needed.is_empty() && !said.0.starts_with(needed) {
        said.add(", ", needed);
    }
    if !(dosage.modifier_extension.is_empty() && timing.modifier_extension.is_empty()) {
        said.add(", ", "under a condition that is not understood");
    }
    said.0
}

/// A phrase that grows.
struct Said(String);

impl Said {
    fn add(&mut self, joint: &str, what: &str) {
        if !(what.is_empty() || self.0.is_empty()) {
            self.0.push_str(joint);
        }
        self.0.push_str(what);
    }
}

/// When, without limits; empty where nothing says.
fn rule(timing: &Timing, repeat: &Repeat) -> String {
    let stated = of_repeat(repeat);
    let coded = timing.code.as_ref().map(|code| of_code(code, &stated));
    let rule = coded.unwrap_or(stated);
    let unbounded = repeat.bounds_period.is_none()
        && repeat.bounds_duration.is_none()
        && repeat.bounds_range.is_none()
        && repeat.count.is_none();
    let events: Vec<String> = timing.event.iter().map(|event| moment(event, " ")).collect();
    match events.as_slice() {
        [] => rule,
        events if rule.is_empty() => format!("on {}", list(events)),
        [event] if unbounded => format!("{rule}, counted from {event}"),
        events => format!("on {}, which stands for {rule}", list(events)),
    }
}

fn of_code(code: &Code, stated: &str) -> String {
    match codes::repeat_of(code) {
        Some((word, _)) if !stated.is_empty() => format!("{stated} (code {word})"),
        Some((word, repeat)) => format!("{} (code {word})", of_repeat(&repeat)),
        None if code.coding.is_empty() && !stated.is_empty() => stated.to_owned(),
        None if code.coding.is_empty() => "as its text says".to_owned(),
        None if stated.is_empty() => "by a code that is not known".to_owned(),
        None => format!("{stated} (with a code that is not known)"),
    }
}

fn of_repeat(repeat: &Repeat) -> String {
    let mut said = Said(rate(repeat));
    said.add(" ", &week_days(repeat));
    said.add(" ", &month_days(repeat));
    let times: Vec<String> = repeat.time_of_day.iter().map(|time| clock(time)).collect();
    if !times.is_empty() {
        said.add(" ", &format!("at {}", list(&times)));
    }
    let events: Vec<String> = repeat.when.iter().map(|code| event(code, repeat.offset)).collect();
    said.add(" ", &list(&events));
    if repeat.native(native::WHILE_AWAKE).and_then(|it| it.value_boolean) == Some(true) {
        said.add(" ", "while awake");
    }
    said.0
}

/// How often; empty where the lists say it all.
fn rate(repeat: &Repeat) -> String {
    let lists = !(repeat.day_of_week.is_empty()
        && repeat.time_of_day.is_empty()
        && repeat.when.is_empty()
        && repeat.extensions("timing-dayOfMonth").next().is_none());
    let unit = repeat.period_unit.as_deref().unwrap_or_default();
    let implied = repeat.frequency_max.is_none()
        && repeat.frequency.is_none_or(|frequency| frequency == listed(repeat, unit));
    let times = match (repeat.frequency, repeat.frequency_max) {
        (Some(low), Some(high)) => format!("{low} to {high} times"),
        (None, Some(high)) => format!("up to {high} times"),
        (Some(1), None) => "once".to_owned(),
        (Some(2), None) => "twice".to_owned(),
        (Some(times), None) => format!("{times} times"),
        (None, None) => String::new(),
    };
    let Some(period) = repeat.period.as_ref().or(repeat.period_max.as_ref()) else {
        return if implied && lists { String::new() } else { times };
    };
    let single = period.whole_times(1) == Some(1) && repeat.period_max.is_none();
    let every = match (&repeat.period, &repeat.period_max) {
        (Some(low), Some(high)) => {
            let high = units(high, unit);
            format!("every {} to {high} (reminded every {high})", low.0)
        }
        _ if single => format!("every {}", unit_word(unit)),
        _ => format!("every {}", units(period, unit)),
    };
    let calendar = Unit::of_code(unit).filter(|unit| single && !unit.is_of_clock());
    let reminded = match (repeat.frequency, repeat.frequency_max) {
        (Some(low), Some(_)) => format!(" (reminded {low} times)"),
        _ => String::new(),
    };
    match calendar {
        Some(unit) if implied && lists => match unit {
            Unit::Week => "weekly",
            Unit::Month => "monthly",
            Unit::Year => "yearly",
            _ => "daily",
        }
        .to_owned(),
        Some(unit) if !times.is_empty() => format!("{times} a {}{reminded}", unit.word()),
        _ if implied => every,
        _ => format!("{times} {every}{reminded}"),
    }
}

/// The frequency that the listed times and days make within a period.
fn listed(repeat: &Repeat, unit: &str) -> i64 {
    let meals: BTreeSet<&str> = repeat
        .when
        .iter()
        .flat_map(|code| match spelled(code) {
            [] => vec![code.as_str()],
            meals => meals.to_vec(),
        })
        .collect();
    let days = match unit {
        "wk" => repeat.day_of_week.len(),
        "mo" => repeat.extensions("timing-dayOfMonth").count(),
        _ => 1,
    };
    let times = if repeat.time_of_day.is_empty() { meals.len() } else { repeat.time_of_day.len() };
    i64::try_from(days.max(1) * times.max(1)).unwrap_or(i64::MAX)
}

fn week_days(repeat: &Repeat) -> String {
    let name = |code: &String| match DAYS.iter().position(|day| day == code) {
        Some(day) => ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][day].to_owned(),
        None => "a day that is not known".to_owned(),
    };
    let mask = repeat.day_of_week.iter().try_fold(0_u8, |mask, code| {
        DAYS.iter().position(|day| day == code).map(|day| mask | 1 << day)
    });
    match mask {
        Some(0) => String::new(),
        Some(WEEKDAYS) => "on weekdays".to_owned(),
        Some(WEEKEND) => "on weekends".to_owned(),
        _ => format!("on {}", list(&repeat.day_of_week.iter().map(name).collect::<Vec<_>>())),
    }
}

fn month_days(repeat: &Repeat) -> String {
    let ordinal = |extension: &Extension| {
        let Some(day) = extension.value_positive_int else {
            return "a day that is not known".to_owned();
        };
        let ending = match (day % 10, day % 100) {
            (_, 11..=13) => "th",
            (1, _) => "st",
            (2, _) => "nd",
            (3, _) => "rd",
            _ => "th",
        };
        format!("{day}{ending}")
    };
    let days: Vec<String> = repeat.extensions("timing-dayOfMonth").map(ordinal).collect();
    match days.as_slice() {
        [] => String::new(),
        days if month_end(repeat) == Some("clamp") => {
            format!("on the {} or the last day", list(days))
        }
        days => format!("on the {}", list(days)),
    }
}

fn month_end(repeat: &Repeat) -> Option<&str> {
    repeat.native(native::MONTH_END)?.value_code.as_deref()
}

fn event(code: &str, offset: Option<i64>) -> String {
    let Some(event) = EVENTS.iter().find(|event| event.code == code) else {
        return "at an event that is not known".to_owned();
    };
    match (offset, event.after_offset) {
        (None, _) => event.said.to_owned(),
        (Some(minutes), Some(after)) => format!("{} {after}", minutes_said(minutes)),
        (Some(minutes), None) => format!("{} after {}", minutes_said(minutes), event.said),
    }
}

fn bounds(repeat: &Repeat, said: &mut Said) {
    if let Some(Period { start, end }) = &repeat.bounds_period {
        if let Some(start) = start {
            said.add(" ", &format!("from {}", moment(start, "T")));
        }
        if let Some(end) = end {
            said.add(" ", &format!("until {}", moment(end, "T")));
        }
    }
    if let Some(duration) = &repeat.bounds_duration {
        said.add(" ", &format!("for {}", quantity(duration)));
    }
    if let Some(QuantityRange { low, high }) = &repeat.bounds_range {
        let range = match (low, high) {
            (Some(low), Some(high)) => {
                let high = quantity(high);
                format!("for {} to {high} (reminded for {high})", quantity(low))
            }
            (Some(low), None) => format!("for at least {}", quantity(low)),
            (None, Some(high)) => format!("for up to {}", quantity(high)),
            (None, None) => "for a length that is not stated".to_owned(),
        };
        said.add(" ", &range);
    }
}

fn conditions(repeat: &Repeat, said: &mut Said) {
    if let Some(duration) = &repeat.duration {
        let unit = repeat.duration_unit.as_deref().unwrap_or_default();
        let length = match &repeat.duration_max {
            Some(most) => format!("{} to {}", duration.0, units(most, unit)),
            None => units(duration, unit),
        };
        let each = if matches!(unit, "s" | "min" | "h") { "each lasting" } else { "lasting" };
        said.add(", ", &format!("{each} {length}"));
    }
    // FHIR's extension only filters: a month without the day has none.
    let filters = repeat
        .extensions("timing-dayOfMonth")
        .any(|day| day.value_positive_int.is_some_and(|day| day > 28));
    if month_end(repeat) == Some("skip") || (filters && month_end(repeat).is_none()) {
        said.add(", ", "skipping short months");
    }
    if let Some(cycle) = repeat.native(native::CYCLE) {
        let part = |name: &str| {
            let part = cycle.extension.iter().find(|part| part.url == name);
            let days = part.and_then(|part| part.value_positive_int);
            days.map_or_else(
                || format!("unknown days {name}"),
                |days| format!("{} {name}", plural(&days.to_string(), "day")),
            )
        };
        said.add(", ", &format!("{} and {}", part("on"), part("off")));
    }
    if let Some(minutes) = repeat.native(native::MINIMUM_SPACING).and_then(|e| e.value_positive_int)
    {
        said.add(", ", &format!("at least {} apart", minutes_said(minutes)));
    }
    if repeat.extensions("timing-daysOfCycle").next().is_some() {
        said.add(", ", "on some days of a cycle whose length is not known");
    }
    if repeat.is_exact() {
        said.add(", ", "exactly on time");
    }
    let core = ["timing-dayOfMonth", "timing-daysOfCycle", "timing-exact"];
    let known = core.iter().map(|name| repeat.extensions(name).count()).sum::<usize>()
        + repeat.extension.iter().filter(|e| KNOWN.contains(&e.url.as_str())).count();
    if known < repeat.extension.len() {
        said.add(", ", "with an extension that is not known");
    }
}

fn total(repeat: &Repeat) -> String {
    match (repeat.count, repeat.count_max) {
        (Some(low), Some(high)) => format!("{low} to {high} times in all (reminded {low} times)"),
        (Some(1), None) => "once in all".to_owned(),
        (Some(count), None) => format!("{count} times in all"),
        (None, _) => String::new(),
    }
}

/// A clock time as people write it: seconds only where there are any.
fn clock(time: &str) -> String {
    match parse_time_of_day(time) {
        Some(time) if time.second() == 0 => time.format("%H:%M").to_string(),
        Some(time) => time.format("%H:%M:%S").to_string(),
        None => "a time that cannot be read".to_owned(),
    }
}

/// A FHIR date or date-time; by the patient's own clock without the seconds that are none.
fn moment(text: &str, between: &str) -> String {
    let plain = |c: char| c.is_ascii_digit() || "-:TZ+.".contains(c);
    if text.len() > 35
        || !text.starts_with(|c: char| c.is_ascii_digit())
        || !text.chars().all(plain)
    {
        return "a date that cannot be read".to_owned();
    }
    match text.split_once('T') {
        Some((date, time)) if time.len() == 8 => format!("{date}{between}{}", clock(time)),
        _ => text.to_owned(),
    }
}

fn quantity(quantity: &Quantity) -> String {
    let unit = quantity.code.as_deref().or(quantity.unit.as_deref()).unwrap_or_default();
    match &quantity.value {
        Some(value) => units(value, unit),
        None => "a length that is not stated".to_owned(),
    }
}

fn units(value: &Decimal, unit: &str) -> String {
    plural(&value.0.to_string(), unit_word(unit))
}

fn plural(number: &str, word: &str) -> String {
    let ending = if number == "1" { "" } else { "s" };
    format!("{number} {word}{ending}")
}

fn unit_word(code: &str) -> &'static str {
    match code {
        "s" => "second",
        code => Unit::of_code(code).map_or("unknown unit", Unit::word),
    }
}

fn minutes_said(minutes: i64) -> String {
    match minutes {
        60.. if minutes % 60 == 0 => plural(&(minutes / 60).to_string(), "hour"),
        _ => format!("{minutes} min"),
    }
}

/// `a, b and c`.
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}
