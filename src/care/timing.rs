//! When an activity is due: FHIR R4 `Timing`, element for element, nothing invented beside it.
//!
//! The serde shape is FHIR's JSON (<https://hl7.org/fhir/R4/datatypes.html#Timing>), so an imported timing is
//! stored as it came. What the elements mean is decided in the room `timing`.

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};

/// FHIR R4 `Timing`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Timing {
    /// Specific times, each a date or date-time as written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub event: Vec<String>,
    /// The rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// An abbreviation such as `BID` (ValueSet timing-abbreviation).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// FHIR `CodeableConcept`, as far as schedules need it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Code {
    /// The codes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coding: Vec<Coding>,
    /// Plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// FHIR `Coding`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Coding {
    /// Code system URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What it says to a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

/// FHIR `Timing.repeat`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Repeat {
    /// `boundsPeriod`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds_period: Option<Period>,
    /// `boundsDuration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds_duration: Option<Quantity>,
    /// `boundsRange`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds_range: Option<QuantityRange>,
    /// Total number of times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// Upper limit of `count`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count_max: Option<i64>,
    /// How long each event lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Decimal>,
    /// Upper limit of `duration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_max: Option<Decimal>,
    /// Unit of `duration` (UCUM: s min h d wk mo a).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_unit: Option<String>,
    /// Times per period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<i64>,
    /// Upper limit of `frequency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_max: Option<i64>,
    /// Length of the period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Decimal>,
    /// Upper limit of `period`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_max: Option<Decimal>,
    /// Unit of `period` (UCUM: s min h d wk mo a).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_unit: Option<String>,
    /// `mon` to `sun`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub day_of_week: Vec<String>,
    /// Wall-clock times.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub time_of_day: Vec<String>,
    /// Codes of ValueSet event-timing, for example `ACM`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<String>,
    /// Minutes from the event that `when` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
}

/// FHIR `Period`; each end a date or date-time as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Period {
    /// Inclusive start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Inclusive end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

/// FHIR `Quantity`, `Duration` or `Age`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quantity {
    /// The number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// Unit for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Unit code (UCUM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// FHIR `Range`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QuantityRange {
    /// Lower end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<Quantity>,
    /// Upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<Quantity>,
}

/// A FHIR decimal, kept as the number that was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Decimal(pub serde_json::Number);

/// A wall-clock time of day as FHIR writes it (`HH:MM:SS`, `HH:MM` tolerated; 24:00 is not a time).
pub fn parse_time_of_day(text: &str) -> Option<NaiveTime> {
    NaiveTime::parse_from_str(text, "%H:%M:%S")
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S%.f"))
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M"))
        .ok()
}
