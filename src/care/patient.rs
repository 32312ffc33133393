//! A patient, as imported.

use crate::care::{ConsentBasis, ContactPoint, Phi, Routine, phi};
use serde::{Deserialize, Serialize};

/// Whether a patient may be reminded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum PatientStatus {
    /// In care.
    #[default]
    Active,
    /// Paused by the programme.
    Paused,
    /// In hospital: others give the medicine.
    Admitted,
    /// Died. Terminal.
    Deceased,
    /// Left the programme, or the record is not in use.
    Left,
}

impl PatientStatus {
    /// The word stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Admitted => "admitted",
            Self::Deceased => "deceased",
            Self::Left => "left",
        }
    }

    /// Reads what [`PatientStatus::word`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Active, Self::Paused, Self::Admitted, Self::Deceased, Self::Left]
            .into_iter()
            .find(|s| s.word() == word)
    }
}

/// How plainly texts may speak (design.md section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum TextStyle {
    /// No drug, no disease, no name.
    #[default]
    Discreet,
    /// Names what is due; a recorded choice of the patient, and only where the programme permits it.
    Overt,
}

/// Where a patient's zone comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The source says so.
    Given,
    /// The programme's default filled it.
    Defaulted,
}

/// A patient, as imported. Sealed in the store but for zone, language and status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Patient {
    /// Identity in the source.
    #[serde(with = "phi::sealed")]
    pub key: Phi<String>,
    /// Name, for the care team and for overt texts.
    #[serde(with = "phi::sealed_option", default)]
    pub name: Option<Phi<String>>,
    /// Birth date as written; the second identifier that must agree on an update (hazard H01).
    #[serde(with = "phi::sealed_option", default)]
    pub birth_date: Option<Phi<String>>,
    /// BCP 47 language.
    pub language: String,
    /// IANA zone.
    pub zone: String,
    /// Where the zone comes from.
    pub zone_origin: Origin,
    /// The patient's own anchors; the programme's fill what is absent.
    #[serde(default)]
    pub routine: Routine,
    /// Standing.
    pub status: PatientStatus,
    /// Discreet or overt.
    #[serde(default)]
    pub text_style: TextStyle,
    /// Addresses in order of preference.
    pub contacts: Vec<ContactPoint>,
    /// Consents that came with the record; `None` when the source says nothing about consent.
    #[serde(default)]
    pub consents: Vec<ConsentBasis>,
}
