//! The section `retention`.

use super::problem::Report;
use serde::{Deserialize, Serialize};

/// How long rows are kept that no promise needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    /// Days.
    pub days: u32,
}

impl RetentionConfig {
    pub(super) fn validate(&self, report: &mut Report<'_>) {
        // Receipts come up to a week late and are still matched (design.md P8).
        report.require(
            (30..=3650).contains(&self.days),
            "retention.days",
            "is not between 30 and 3650",
            "90 keeps a quarter of a year for questions",
        );
    }
}
