//! The section `deliver`.

use super::problem::Report;
use serde::{Deserialize, Serialize};

/// Sending.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverConfig {
    /// Open intents at most: the blast radius of a crash (design.md section 3).
    pub permits: u32,
    /// How long an intent is held, in seconds; a request's time-out is under half of it.
    pub lease_seconds: u32,
    /// Waits between tries, in seconds.
    pub retry_seconds: Vec<u32>,
}

impl DeliverConfig {
    pub(super) fn validate(&self, report: &mut Report<'_>) {
        report.require(
            (1..=1024).contains(&self.permits),
            "deliver.permits",
            "is not between 1 and 1024",
            "64 keeps what a crash leaves unknown small",
        );
        report.require(
            (20..=600).contains(&self.lease_seconds),
            "deliver.lease_seconds",
            "is not between 20 and 600",
            "60 leaves a request just under 30 seconds",
        );
        report.require(
            self.retry_seconds.iter().all(|wait| (1..=86_400).contains(wait)),
            "deliver.retry_seconds",
            "has a wait that is not between 1 and 86400",
            "[60, 300, 900] suits most providers",
        );
    }
}
