//! One line of a care plan.

use crate::care::milestone::Facts;
use crate::care::{Dosage, Phi, Timing, UtcMs, phi};
use serde::{Deserialize, Serialize};

/// What an activity asks of the patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivityKind {
    /// Take a medicine.
    Medication,
    /// Measure something (blood pressure, sugar, weight).
    Measurement,
    /// Come to an appointment.
    Appointment,
    /// Fetch the next supply.
    Refill,
    /// Read or watch something.
    Education,
    /// A habit (walk, diet, breathing).
    Lifestyle,
    /// Tell how it goes.
    CheckIn,
    /// A message of the care team.
    Notice,
}

impl ActivityKind {
    /// The word stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Medication => "medication",
            Self::Measurement => "measurement",
            Self::Appointment => "appointment",
            Self::Refill => "refill",
            Self::Education => "education",
            Self::Lifestyle => "lifestyle",
            Self::CheckIn => "check-in",
            Self::Notice => "notice",
        }
    }

    /// The class that an activity of this kind has unless its plan says that it is time-critical.
    pub const fn class(self) -> Class {
        match self {
            Self::Medication => Class::Dose,
            Self::Appointment => Class::Appointment,
            Self::Measurement | Self::Refill | Self::CheckIn => Class::Measurement,
            Self::Education | Self::Lifestyle => Class::Education,
            Self::Notice => Class::Notice,
        }
    }
}

/// What decides validity, quiet hours and retry (design.md section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A dose that must be on time.
    TimeCriticalDose,
    /// A dose.
    Dose,
    /// An appointment.
    Appointment,
    /// A measurement, refill or check-in.
    Measurement,
    /// Education or lifestyle.
    Education,
    /// A notice.
    Notice,
    /// A reply to what the patient wrote; has no activity.
    Answer,
}

impl Class {
    /// Every class, in order of urgency of its own kind.
    pub const ALL: [Self; 7] = [
        Self::TimeCriticalDose,
        Self::Dose,
        Self::Appointment,
        Self::Measurement,
        Self::Education,
        Self::Notice,
        Self::Answer,
    ];

    /// The word stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TimeCriticalDose => "time-critical-dose",
            Self::Dose => "dose",
            Self::Appointment => "appointment",
            Self::Measurement => "measurement",
            Self::Education => "education",
            Self::Notice => "notice",
            Self::Answer => "answer",
        }
    }

    /// Reads what [`Class::word`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    /// Whether it announces a dose.
    pub const fn is_dose(self) -> bool {
        matches!(self, Self::TimeCriticalDose | Self::Dose)
    }
}

/// Where an activity stands in its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivityStatus {
    /// In force.
    Active,
    /// Paused: slots are written and end suppressed.
    OnHold,
    /// Stopped, completed, cancelled or revoked: has no slots.
    Stopped,
    /// Entered in error: has no slots, and counts in no history.
    EnteredInError,
    /// Draft, proposal or unknown: has no slots yet.
    Inactive,
}

impl ActivityStatus {
    /// The word stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::OnHold => "on-hold",
            Self::Stopped => "stopped",
            Self::EnteredInError => "entered-in-error",
            Self::Inactive => "inactive",
        }
    }
}

/// When an activity is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// By its dosages; other timed activities have one dosage that is nothing but a timing.
    Dosages(Vec<Dosage>),
    /// Leads before a start; the leads are the programme's.
    Appointment {
        /// When the appointment starts.
        start: UtcMs,
    },
    /// The alerts of a protocol's milestones; the protocol is the programme's.
    Protocol {
        /// The protocol's name.
        name: String,
        /// What is already met.
        facts: Facts,
    },
    /// Never on its own.
    Unscheduled,
}

impl From<Timing> for Schedule {
    fn from(timing: Timing) -> Self {
        Self::Dosages(vec![Dosage::of(timing)])
    }
}

/// One line of a plan, as imported. All of it is sealed in the store but what queries need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// Identity in the source (design.md section 1); lives on across revisions and `replaces`.
    pub key: String,
    /// What it asks.
    pub kind: ActivityKind,
    /// How urgent it is.
    pub class: Class,
    /// Where it stands.
    pub status: ActivityStatus,
    /// What it is called, for overt texts and for the care team.
    #[serde(with = "phi::sealed")]
    pub title: Phi<String>,
    /// What the patient is told to do, as the clinician wrote it; overt texts only.
    #[serde(with = "phi::sealed_option", default)]
    pub instruction: Option<Phi<String>>,
    /// What two orders of one drug have in common: `system|code`, else the lower-case name.
    #[serde(with = "phi::sealed_option", default)]
    pub drug: Option<Phi<String>>,
    /// When.
    pub schedule: Schedule,
    /// Date or date-time that counting starts from when the timing has no start of its own.
    pub anchor: String,
    /// The programme's material that goes with it, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<String>,
    /// Why a person must look at it first, beyond what its expansion says: missing status, modifiers, ...
    #[serde(default)]
    pub review: Vec<String>,
}
