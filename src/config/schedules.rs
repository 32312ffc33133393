//! The section `schedules`.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Programmes and jobs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchedulesConfig {
    /// Folder laid over the copy in the binary; it may be absent.
    pub dir: PathBuf,
}
