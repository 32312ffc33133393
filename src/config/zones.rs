//! The section `zones`.

use super::problem::Report;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Rules of time zones.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZonesConfig {
    /// Folder of compiled rules (TZif), beside the binary's and the system's; empty: none.
    folder: PathBuf,
}

impl ZonesConfig {
    /// The folder, if one is named.
    pub fn folder(&self) -> Option<&Path> {
        Some(self.folder.as_path()).filter(|folder| !folder.as_os_str().is_empty())
    }

    pub(super) fn validate(&self, report: &mut Report<'_>) {
        report.require(
            self.folder().is_none_or(|folder| folder.is_absolute() && folder.is_dir()),
            "zones.folder",
            "is not an absolute path to a folder",
            "name a folder like /usr/share/zoneinfo, with a file +VERSION that holds its release",
        );
    }
}
