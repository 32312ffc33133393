//! One daemon per SQLite file: a lock on a file beside it, which names its holder.

use super::{Exit, Failure};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// The lock in the state folder.
const FILE: &str = "carebell.lock";

/// Held for as long as the daemon runs; a crash frees it.
#[derive(Debug)]
pub(super) struct DaemonLock {
    _file: File,
}

impl DaemonLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`Exit::AlreadyRunning`], naming the daemon that holds it.
    pub(super) fn take(state_dir: &Path) -> Result<Self, Failure> {
        super::app::make_state_dir(state_dir)?;
        let path = state_dir.join(FILE);
        let unusable = |fault: std::io::Error| {
            Failure::new(
                Exit::Failed,
                format!("the lock {} cannot be taken: {fault}", path.display()),
                "let this user own the state folder, make room on its disk, or set another state_dir",
            )
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(Failure::new(
                    Exit::AlreadyRunning,
                    format!(
                        "another daemon ({}) holds {}",
                        super::printable(holder.trim()),
                        state_dir.display()
                    ),
                    "stop it first, or give this one another state_dir or PostgreSQL",
                ));
            }
            Err(TryLockError::Error(fault)) => return Err(unusable(fault)),
        }
        name_holder(&mut file).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

fn name_holder(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "process {} on {}", std::process::id(), super::app::host_name())?;
    file.sync_all()
}
