//! A patient's routine as a batch or a file gives it: wake, breakfast, lunch, dinner, bed, a table of clock times
//! for n a day.

use crate::care::Routine;
use crate::care::timing::parse_time_of_day;
use chrono::{NaiveTime, Timelike};
use serde_json::{Map, Value};

/// Names under which the table may stand; its digits may also stand beside the meals.
const TABLES: [&str; 5] = ["times_per_day", "timesPerDay", "table", "times", "per_day"];

/// Most times a day in a table.
const MOST_PER_DAY: usize = 24;

/// Reads a routine. The object must not have a key twice.
///
/// # Errors
/// Names the key, and how it is written.
pub(super) fn read(written: &Map<String, Value>) -> Result<Routine, String> {
    let mut routine = Routine::default();
    for (key, value) in written.iter().filter(|(_, value)| !value.is_null()) {
        match (key.as_str(), value) {
            ("wake", value) => routine.wake = Some(time(key, value)?),
            ("breakfast", value) => routine.breakfast = Some(time(key, value)?),
            ("lunch", value) => routine.lunch = Some(time(key, value)?),
            ("dinner", value) => routine.dinner = Some(time(key, value)?),
            ("bed", value) => routine.bed = Some(time(key, value)?),
            ("weekend", Value::Object(weekend)) => {
                routine.weekend = Some(Box::new(read(weekend)?));
            }
            (_, Value::Object(table)) if TABLES.contains(&key.as_str()) => {
                for (n, times) in table {
                    row(&mut routine, n, times)?;
                }
            }
            (n, times) if n.bytes().all(|byte| byte.is_ascii_digit()) => {
                row(&mut routine, n, times)?;
            }
            _ => return Err(unknown(key)),
        }
    }
    Ok(routine)
}

fn unknown(key: &str) -> String {
    let key: String = key.chars().filter(|c| !c.is_control()).take(40).collect();
    format!(
        "routine.{key} is no key of a routine: wake, breakfast, lunch, dinner, bed, weekend, times_per_day"
    )
}

/// The clock times of n a day.
fn row(routine: &mut Routine, n: &str, times: &Value) -> Result<(), String> {
    let count = n.parse().ok().filter(|count| (1..=MOST_PER_DAY).contains(count));
    let Some(count) = count else {
        return Err(format!("routine: a table's keys are 1 to {MOST_PER_DAY} times a day"));
    };
    let texts: Vec<&str> = match times {
        Value::String(text) => text.split(',').map(str::trim).collect(),
        Value::Array(list) => list.iter().map(|one| one.as_str().unwrap_or_default()).collect(),
        _ => Vec::new(),
    };
    let mut times: Vec<NaiveTime> =
        texts.iter().map(|text| clock(text)).collect::<Option<_>>().unwrap_or_default();
    times.sort_unstable();
    times.dedup();
    if times.len() != count {
        return Err(format!("routine: {n} a day needs {n} different times, each HH:MM"));
    }
    let shown = times.iter().map(|time| time.format("%H:%M").to_string()).collect();
    match routine.times_per_day.insert(count.to_string(), shown) {
        None => Ok(()),
        Some(_) => Err(format!("routine: {n} a day is given twice")),
    }
}

fn time(key: &str, value: &Value) -> Result<NaiveTime, String> {
    let fault = || format!("routine.{key} is no time of day: HH:MM, from 00:00 to 23:59");
    value.as_str().and_then(clock).ok_or_else(fault)
}

/// Whole minutes, as every routine has them.
fn clock(text: &str) -> Option<NaiveTime> {
    parse_time_of_day(text).filter(|time| time.second() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_json(value: &Value) -> Result<Routine, String> {
        read(value.as_object().unwrap())
    }

    #[test]
    fn the_table_may_stand_under_several_names() {
        let expected: Routine = serde_json::from_value(
            json!({"wake": "06:30", "times_per_day": {"2": ["07:00", "19:30"]}}),
        )
        .unwrap();
        for written in [
            json!({"wake": "06:30", "times_per_day": {"2": ["07:00", "19:30"]}}),
            json!({"wake": "06:30:00", "table": {"2": ["19:30", "07:00"]}}),
            json!({"wake": "06:30", "timesPerDay": {"2": "07:00, 19:30"}, "lunch": null}),
            json!({"wake": "06:30", "2": ["07:00", "19:30"]}),
        ] {
            assert_eq!(read_json(&written).as_ref(), Ok(&expected), "{written}");
        }
    }

    #[test]
    fn what_is_no_routine_is_named() {
        for (written, named) in [
            (json!({"diner": "19:00"}), "routine.diner"),
            (json!({"diner": {"2": ["07:00", "19:00"]}}), "routine.diner"),
            (json!({"wake": "25:00"}), "routine.wake"),
            (json!({"wake": 7}), "routine.wake"),
            (json!({"bed": "22:00:30"}), "routine.bed"),
            (json!({"table": {"0": []}}), "keys are 1 to 24"),
            (json!({"table": {"two": ["07:00", "19:00"]}}), "keys are 1 to 24"),
            (json!({"table": {"2": ["07:00"]}}), "2 a day needs 2"),
            (json!({"table": {"2": ["07:00", "7"]}}), "2 a day needs 2"),
            (json!({"table": {"2": ["07:00", "07:00"]}}), "2 a day needs 2"),
            (json!({"1": ["07:00"], "table": {"1": ["08:00"]}}), "given twice"),
        ] {
            let fault = read_json(&written).unwrap_err();
            assert!(fault.contains(named), "{written}: {fault}");
        }
    }
}
