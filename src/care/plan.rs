//! A care plan: what holds activities together.

use crate::care::timing::Period;
use crate::care::{ActivityStatus, Phi, phi};
use serde::{Deserialize, Serialize};

/// A care plan, as imported; its activities name it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Identity in the source; lives on across revisions.
    pub key: String,
    /// Where it stands.
    pub status: ActivityStatus,
    /// What it is called, for the care team.
    #[serde(with = "phi::sealed_option", default)]
    pub title: Option<Phi<String>>,
    /// When it is in force, as written.
    #[serde(default)]
    pub period: Period,
}
