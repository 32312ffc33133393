//! ValueSet timing-abbreviation: each code read as the `repeat` that it stands for.

use crate::care::timing::{Code, Decimal, Repeat};

/// The `repeat` that a code stands for, with the code itself; `None` when none of its codings is in the value
/// set (<https://hl7.org/fhir/R4/valueset-timing-abbreviation.html>, with JB and JE of v3-GTSAbbreviation).
pub(super) fn repeat_of(code: &Code) -> Option<(&str, Repeat)> {
    known(code).next()
}

/// Whether two codings of the value set say different things.
pub(super) fn contradict_each_other(code: &Code) -> bool {
    let mut words = known(code).map(|(word, _)| word);
    words.next().is_some_and(|first| words.any(|other| other != first))
}

/// The part of the day that a code names, in seconds from midnight; BED goes on past it.
pub(super) fn part_of_day(word: &str) -> Option<std::ops::Range<i64>> {
    const HOUR: i64 = 3_600;
    match word {
        "AM" => Some(0..12 * HOUR),
        "PM" => Some(12 * HOUR..24 * HOUR),
        "BED" => Some(18 * HOUR..28 * HOUR),
        _ => None,
    }
}

fn known(code: &Code) -> impl Iterator<Item = (&str, Repeat)> {
    code.coding.iter().filter_map(|coding| coding.code.as_deref()).filter_map(|word| {
        let repeat = match word {
            "QD" => per(1, 1, "d"),
            "BID" => per(2, 1, "d"),
            "TID" => per(3, 1, "d"),
            "QID" => per(4, 1, "d"),
            "QOD" => per(1, 2, "d"),
            "WK" => per(1, 1, "wk"),
            "MO" => per(1, 1, "mo"),
            "Q1H" => per(1, 1, "h"),
            "Q2H" => per(1, 2, "h"),
            "Q3H" => per(1, 3, "h"),
            "Q4H" => per(1, 4, "h"),
            "Q6H" => per(1, 6, "h"),
            "Q8H" => per(1, 8, "h"),
            "AM" => Repeat { time_of_day: words(&["08:00"]), ..Repeat::default() },
            "PM" => Repeat { time_of_day: words(&["15:00"]), ..Repeat::default() },
            "BED" => Repeat { when: words(&["HS"]), ..Repeat::default() },
            "JB" => on(&["mon", "tue", "wed", "thu", "fri"]),
            "JE" => on(&["sat", "sun"]),
            _ => return None,
        };
        Some((word, repeat))
    })
}

fn per(frequency: i64, period: i64, unit: &str) -> Repeat {
    Repeat {
        frequency: Some(frequency),
        period: Some(Decimal::from(period)),
        period_unit: Some(unit.to_owned()),
        ..Repeat::default()
    }
}

fn on(days: &[&str]) -> Repeat {
    Repeat { day_of_week: words(days), ..Repeat::default() }
}

fn words(of: &[&str]) -> Vec<String> {
    of.iter().map(|&word| word.to_owned()).collect()
}
