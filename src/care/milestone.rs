//! Follow-up visits of a protocol: milestones with windows, alerts inside them, and what is already met.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One visit (or other step) of a protocol. The first counts from the patient's anchor, each later one from the
/// moment at which the one before it was met; until then it has no alerts.
///
/// Its windows follow one another: first too early, then due, late, and for the last time. When the last is over
/// the protocol waits for a person. Model: MOTECH's schedule tracking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Milestone {
    /// Its name within the protocol; facts are kept by it.
    pub name: String,
    /// How long after the reference it is too early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<Length>,
    /// How long it is then due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Length>,
    /// How long it is then late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<Length>,
    /// How long it can then still be met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Length>,
    /// When the patient is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<Alert>,
}

/// A window of a milestone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Window {
    /// Too early.
    Earliest,
    /// Due.
    Due,
    /// Late.
    Late,
    /// For the last time.
    Max,
}

/// Reminders inside a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// In which window.
    pub window: Window,
    /// How long after the window opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Length>,
    /// Local time, `HH:MM`; without one the reference's own time of day, else the routine's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// How long until the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Length>,
    /// How many there are, as far as the window has room.
    #[serde(default = "one")]
    pub count: u16,
    /// What happens to those that were already past when the house learnt of the reference.
    #[serde(default)]
    pub past: Past,
}

/// An alert has at most this many reminders.
pub const MAX_ALERT_COUNT: u16 = 366;

/// What happens to alerts that are already past when they become known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Past {
    /// They are over.
    #[default]
    Drop,
    /// They float: the same number follows from then on, as far as the window has room.
    Float,
}

/// A length of calendar time, written `10 d`, `4 wk`, `2 mo`, `1 a` or `12 h` (UCUM's units).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Length {
    /// How many.
    pub value: u32,
    /// Of what.
    pub unit: LengthUnit,
}

/// The unit of a [`Length`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthUnit {
    /// Hours.
    Hour,
    /// Calendar days.
    Day,
    /// Seven calendar days.
    Week,
    /// Calendar months, clamped.
    Month,
    /// Calendar years, clamped.
    Year,
}

impl LengthUnit {
    const ALL: [(Self, &str); 5] = [
        (Self::Hour, "h"),
        (Self::Day, "d"),
        (Self::Week, "wk"),
        (Self::Month, "mo"),
        (Self::Year, "a"),
    ];
}

impl TryFrom<String> for Length {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const FORM: &str = "a length is a number up to 9999 and h, d, wk, mo or a, such as 4 wk";
        let (value, unit) = text.trim().split_once(' ').ok_or(FORM)?;
        let unit = LengthUnit::ALL.iter().find(|(_, word)| *word == unit.trim()).ok_or(FORM)?.0;
        let value = value.parse().ok().filter(|value| *value <= 9_999).ok_or(FORM)?;
        Ok(Self { value, unit })
    }
}

impl From<Length> for String {
    fn from(length: Length) -> Self {
        let unit = LengthUnit::ALL.iter().find(|(unit, _)| *unit == length.unit);
        format!("{} {}", length.value, unit.map_or("", |(_, word)| word))
    }
}

/// What is already known of a patient's way through a protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// When the house learnt of the enrolment (date or date-time); floating alerts follow it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrolled: Option<String>,
    /// What is met, by the milestone's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub met: BTreeMap<String, Met>,
}

/// When a milestone was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Met {
    /// When it was met (date or date-time).
    pub at: String,
    /// When the house learnt of it; absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<String>,
}

const fn one() -> u16 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_ucum_has_them() {
        for good in ["12 h", "10 d", "4 wk", "2 mo", "1 a"] {
            assert_eq!(String::from(Length::try_from(good.to_owned()).unwrap()), good);
        }
        for bad in ["", "4", "wk", "4wk", "4 weeks", "-1 d", "1.5 d", "10000 d"] {
            assert!(Length::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
