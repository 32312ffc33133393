//! The disk under the state folder: the database's, or the logs' and copies'.

use crate::policy::disk::{Room, room};
use serde::Serialize;
use std::path::Path;

/// What is left of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// What the daemon's user may still write, in bytes.
    pub free_bytes: u64,
    /// All of it, in bytes.
    pub total_bytes: u64,
}

impl Disk {
    /// The disk that a folder lies on; none when the folder cannot be looked at.
    pub fn of(folder: &Path) -> Option<Self> {
        let found = rustix::fs::statvfs(folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(Self { free_bytes: bytes(found.f_bavail), total_bytes: bytes(found.f_blocks) })
    }

    /// How much room that is.
    pub fn room(self) -> Room {
        room(self.free_bytes, self.total_bytes)
    }
}

impl std::fmt::Display for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} MiB free of {} MiB", self.free_bytes >> 20, self.total_bytes >> 20)
    }
}
