//! The vocabulary that reading and saying share.

/// A unit of time, as UCUM has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    const ALL: [Self; 6] =
        [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// The unit that a word names. A bare `m` is none: minutes or months?
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "min" | "mins" | "minute" | "minutes" => Self::Minute,
            "h" | "hr" | "hrs" | "hour" | "hours" => Self::Hour,
            "d" | "day" | "days" => Self::Day,
            "w" | "wk" | "wks" | "week" | "weeks" => Self::Week,
            "mo" | "mos" | "month" | "months" => Self::Month,
            "y" | "yr" | "yrs" | "year" | "years" => Self::Year,
            _ => return None,
        })
    }

    /// The unit of a UCUM code.
    pub(super) fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.code() == code)
    }

    /// Its UCUM code.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Minute => "min",
            Self::Hour => "h",
            Self::Day => "d",
            Self::Week => "wk",
            Self::Month => "mo",
            Self::Year => "a",
        }
    }

    /// One of it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Whether it is counted on the clock rather than on the calendar.
    pub(super) const fn is_of_clock(self) -> bool {
        matches!(self, Self::Minute | Self::Hour)
    }
}

/// The adverbs of a rate: unit and how many of it.
pub(super) fn adverb(word: &str) -> Option<(u32, Unit)> {
    Some(match word {
        "hourly" => (1, Unit::Hour),
        "daily" => (1, Unit::Day),
        "weekly" => (1, Unit::Week),
        "fortnightly" => (2, Unit::Week),
        "monthly" => (1, Unit::Month),
        "quarterly" => (3, Unit::Month),
        "yearly" | "annually" => (1, Unit::Year),
        _ => return None,
    })
}

/// FHIR's codes of the days of a week.
pub(super) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Monday to Friday, as bits from Monday.
pub(super) const WEEKDAYS: u8 = 0b001_1111;
/// Saturday and Sunday.
pub(super) const WEEKEND: u8 = 0b110_0000;

/// The day that a word names, from Monday. Two letters are not taken: `MO` is FHIR's code for monthly.
pub(super) fn day(word: &str) -> Option<usize> {
    Some(match word {
        "mon" | "monday" | "mondays" => 0,
        "tue" | "tues" | "tuesday" | "tuesdays" => 1,
        "wed" | "weds" | "wednesday" | "wednesdays" => 2,
        "thu" | "thur" | "thurs" | "thursday" | "thursdays" => 3,
        "fri" | "friday" | "fridays" => 4,
        "sat" | "saturday" | "saturdays" => 5,
        "sun" | "sunday" | "sundays" => 6,
        _ => return None,
    })
}

/// A code of ValueSet event-timing, and how it is said without and with an offset.
pub(super) struct Event {
    pub(super) code: &'static str,
    pub(super) said: &'static str,
    /// What follows an offset; `None` where none goes with the code.
    pub(super) after_offset: Option<&'static str>,
}

const fn event(code: &'static str, said: &'static str) -> Event {
    Event { code, said, after_offset: None }
}

const fn shifted(code: &'static str, said: &'static str, after: &'static str) -> Event {
    Event { code, said, after_offset: Some(after) }
}

/// Every code (<https://hl7.org/fhir/R4/valueset-event-timing.html>), in the order of a day.
pub(super) const EVENTS: [Event; 26] = [
    shifted("WAKE", "on waking", "after waking"),
    event("MORN.early", "in the early morning"),
    event("MORN", "in the morning"),
    event("MORN.late", "in the late morning"),
    shifted("ACM", "before breakfast", "before breakfast"),
    event("CM", "with breakfast"),
    shifted("PCM", "after breakfast", "after breakfast"),
    shifted("NOON", "at noon", "after noon"),
    shifted("ACD", "before lunch", "before lunch"),
    event("CD", "with lunch"),
    shifted("PCD", "after lunch", "after lunch"),
    event("AFT.early", "in the early afternoon"),
    event("AFT", "in the afternoon"),
    event("AFT.late", "in the late afternoon"),
    event("EVE.early", "in the early evening"),
    event("EVE", "in the evening"),
    event("EVE.late", "in the late evening"),
    shifted("ACV", "before dinner", "before dinner"),
    event("CV", "with dinner"),
    shifted("PCV", "after dinner", "after dinner"),
    shifted("AC", "before meals", "before meals"),
    event("C", "with meals"),
    shifted("PC", "after meals", "after meals"),
    shifted("HS", "at bedtime", "before bedtime"),
    shifted("PHS", "after bedtime", "after bedtime"),
    event("NIGHT", "at night"),
];

/// The code that a word is, dots left out: `acm`, `mornearly`.
pub(super) fn code(word: &str) -> Option<usize> {
    let word = match word {
        "am" => "morn",
        "pm" => "aft",
        "bed" | "qhs" => "hs",
        "nightly" => "night",
        word => word,
    };
    EVENTS.iter().position(|event| event.code.replace('.', "").eq_ignore_ascii_case(word))
}

/// The meals that a generic meal code stands for; one code for any other.
pub(super) fn spelled(code: &str) -> &[&str] {
    match code {
        "C" => &["CM", "CD", "CV"],
        "AC" => &["ACM", "ACD", "ACV"],
        "PC" => &["PCM", "PCD", "PCV"],
        _ => &[],
    }
}

/// HL7's extension for days of the month.
pub(super) const DAY_OF_MONTH: &str = "http://hl7.org/fhir/StructureDefinition/timing-dayOfMonth";
