//! The section `backup`.

use super::problem::Report;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Copies of a SQLite database.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupConfig {
    /// Folder of the copies; empty: none are made.
    folder: PathBuf,
    /// Copies kept.
    pub keep: u32,
}

impl BackupConfig {
    /// The folder, if one is named.
    pub fn folder(&self) -> Option<&Path> {
        Some(self.folder.as_path()).filter(|folder| !folder.as_os_str().is_empty())
    }

    pub(super) fn validate(&self, report: &mut Report<'_>) {
        report.require(
            self.folder().is_none_or(Path::is_absolute),
            "backup.folder",
            "is not an absolute path",
            "name a folder on another disk, like /var/backups/carebell",
        );
        report.require(
            (1..=1000).contains(&self.keep),
            "backup.keep",
            "is not between 1 and 1000",
            "7 keeps a week of daily copies",
        );
    }
}
