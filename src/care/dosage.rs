//! FHIR R4 `Dosage`, as far as a reminder needs it.

use crate::care::timing::{Code, Extension, Quantity, QuantityRange, Ratio, Timing};
use serde::{Deserialize, Serialize};

/// FHIR R4 `Dosage` (<https://hl7.org/fhir/R4/dosage.html>). The dose itself is only ever *said* and held against
/// the order's own maximum, never computed (design.md P12).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dosage {
    /// Order of steps: equal numbers run side by side, different ones follow each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// The clinician's free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What the patient is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient_instruction: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// Take as needed: never scheduled when true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_needed_boolean: Option<bool>,
    /// Take as needed for this reason: implies as needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_needed_codeable_concept: Option<Code>,
    /// How much is taken each time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dose_and_rate: Vec<DoseAndRate>,
    /// The most that may be taken in a period (a list since R5).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub max_dose_per_period: Vec<Ratio>,
    /// What changes the meaning of the rest; must not be ignored (FHIR R4, extensibility).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modifier_extension: Vec<Extension>,
}

/// FHIR R4 `Dosage.doseAndRate`, without rates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DoseAndRate {
    /// Ordered or calculated.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Code>,
    /// So much,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dose_quantity: Option<Quantity>,
    /// or from so much to so much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dose_range: Option<QuantityRange>,
}

impl DoseAndRate {
    /// Whether it was calculated rather than ordered.
    pub fn is_calculated(&self) -> bool {
        let codes = self.kind.iter().flat_map(|kind| &kind.coding);
        codes.filter_map(|coding| coding.code.as_deref()).any(|code| code == "calculated")
    }
}

impl Dosage {
    /// A dosage that is nothing but a timing.
    pub fn of(timing: Timing) -> Self {
        Self { timing: Some(timing), ..Self::default() }
    }

    /// Whether the patient decides when to take it (PRN). A reason implies it (FHIR R4 Dosage.asNeeded).
    pub fn is_as_needed(&self) -> bool {
        self.as_needed_boolean == Some(true) || self.as_needed_codeable_concept.is_some()
    }

    /// The content by which two otherwise equal dosages are told apart: the timing first, for the slots are its.
    pub fn canonical(&self) -> (String, String) {
        let json = |value: serde_json::Result<String>| value.unwrap_or_default();
        (json(serde_json::to_string(&self.timing)), json(serde_json::to_string(self)))
    }
}
