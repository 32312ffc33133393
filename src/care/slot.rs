//! Slots and occurrences: the name of a due moment, and the instant it falls on.

use crate::care::UtcMs;
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

/// The name of one due moment within an activity: dosage number and planned time. The name never changes
/// when the instant does (design.md section 1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    /// Rank of the dosage by sequence, then first slot, then canonical content; counts from 1.
    pub dosage: u16,
    /// When it was planned.
    pub planned: Planned,
}

/// The planned time of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Planned {
    /// A wall-clock time in the patient's zone.
    Local(NaiveDateTime),
    /// An instant, for elapsed intervals.
    Elapsed(UtcMs),
}

/// Fractions of a second are written where there are any: a FHIR `instant` may have them, and a name that lost
/// them would not be found again.
const FORM: &str = "%Y-%m-%dT%H:%M:%S%.f";

impl std::fmt::Display for Planned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(local) => write!(f, "{}", local.format(FORM)),
            Self::Elapsed(at) => write!(f, "{}Z", at.to_utc().format(FORM)),
        }
    }
}

impl Planned {
    /// Reads what `Display` writes: with a `Z` it is an instant, without it is wall-clock time.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('Z') {
            Some(utc) => NaiveDateTime::parse_from_str(utc, FORM)
                .ok()
                .map(|t| Self::Elapsed(UtcMs::from_naive_utc(t))),
            None => NaiveDateTime::parse_from_str(text, FORM).ok().map(Self::Local),
        }
    }
}

/// A slot resolved to an instant on the world's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Its name.
    pub slot: Slot,
    /// When it is due.
    pub at: UtcMs,
    /// What the patient's wall clock shows then.
    pub local: NaiveDateTime,
    /// Further slots of the same activity on the same instant: announced with this one, never on their own.
    pub merged: Vec<Slot>,
}

/// How sure an expansion is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Every time and day comes from the order.
    #[default]
    Exact,
    /// A table or a default filled some of it.
    Defaulted,
    /// A person must confirm before anything is sent.
    Review,
    /// Nothing is scheduled (as needed, no timing).
    None,
}

impl Confidence {
    /// That of two parts together: the less sure one names the whole; `none` only where both are.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, other) | (other, Self::None) => other,
            (a, b) => a.max(b),
        }
    }

    /// The word stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Defaulted => "defaulted",
            Self::Review => "review",
            Self::None => "none",
        }
    }
}

/// Which rule filled or refused what, in words a clinician understands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Short stable name of the rule.
    pub rule: String,
    /// The sentence.
    pub text: String,
}

/// The outcome of expanding an activity over a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expansion {
    /// How sure it is, for the whole activity.
    pub confidence: Confidence,
    /// Why.
    pub notes: Vec<Note>,
    /// Due moments in the window, by instant, then slot.
    pub occurrences: Vec<Occurrence>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p2_a_planned_time_is_found_again_by_its_name() {
        let at = UtcMs(1_795_366_759_000);
        let rows = [
            (Planned::Elapsed(at), "2026-11-22T16:59:19Z"),
            (Planned::Elapsed(at.plus_ms(78)), "2026-11-22T16:59:19.078Z"),
            (Planned::Local(at.at_offset(0)), "2026-11-22T16:59:19"),
            (Planned::Local(at.plus_ms(500).at_offset(0)), "2026-11-22T16:59:19.500"),
        ];
        for (planned, name) in rows {
            assert_eq!(planned.to_string(), name);
            assert_eq!(Planned::parse(name), Some(planned), "{name}");
        }
    }
}
