//! The section `log`.

use super::problem::Report;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// Logs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Filter, for example `info,carebell=debug`.
    pub filter: String,
    /// Text or JSON.
    pub format: LogFormat,
}

impl LogConfig {
    pub(super) fn validate(&self, report: &mut Report<'_>) {
        report.require(
            EnvFilter::try_new(&self.filter).is_ok(),
            "log.filter",
            "is no filter",
            "write levels by commas: info,carebell=debug",
        );
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}
