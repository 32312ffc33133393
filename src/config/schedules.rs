//! The section `schedules`.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Programmes and jobs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchedulesConfig {
    /// Folder laid over the copy in the binary; it may be absent.
    pub dir: PathBuf,
}

impl SchedulesConfig {
    /// The folder, where it is there: what is laid over the copy in the binary.
    pub fn overlay(&self) -> Option<&Path> {
        Some(self.dir.as_path()).filter(|dir| dir.exists())
    }
}
