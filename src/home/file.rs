//! The state file: places of fixed size, each one line of JSON. A place is written by one call of the system, so a
//! process that dies leaves it as it was or as it is meant.

use super::{Memory, Step, Suspects};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Instances that may share a state folder.
const INSTANCES: u32 = 64;
/// The size of a place in bytes.
const PLACE: usize = 16 * 1024;
/// The place of rows that were in hand when the process died; those in hand lie between it and the memory.
const SUSPECTS: usize = 5;
/// Ids that fit into a place, with their quotes and commas.
const IDS: usize = PLACE / 40;

/// The state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The system said no.
    #[error("{file}: {fault}")]
    File {
        /// Which file.
        file: PathBuf,
        /// What it said.
        fault: std::io::Error,
    },
    /// It holds something else.
    #[error("{file} is damaged: what was sent before cannot be told from it")]
    Damaged {
        /// Which file.
        file: PathBuf,
    },
    /// Every place is taken.
    #[error("{folder}: {INSTANCES} daemons use this state folder already")]
    Full {
        /// Which folder.
        folder: PathBuf,
    },
}

/// An open, locked state file.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    file: File,
}

impl StateFile {
    /// Locks the first file of the folder that nobody has, and reads it; `None`: it is new.
    pub(super) fn take(folder: &Path) -> Result<(Self, Option<Memory>), HomeError> {
        for number in 1..=INSTANCES {
            let path = folder.join(format!("instance-{number}.state"));
            let told = |fault| HomeError::File { file: path.clone(), fault };
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(&path).map_err(told)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(fault)) => return Err(told(fault)),
            }
            let is_new = file.metadata().map_err(told)?.len() == 0;
            let state = Self { path, file };
            if is_new {
                return Ok((state, None));
            }
            let memory = state.read(0)?;
            return match memory {
                Some(memory) => Ok((state, Some(memory))),
                None => Err(HomeError::Damaged { file: state.path }),
            };
        }
        Err(HomeError::Full { folder: folder.to_owned() })
    }

    pub(super) fn write_memory(&self, memory: &Memory) -> Result<(), HomeError> {
        self.write(0, memory)
    }

    pub(super) fn sync(&self) -> Result<(), HomeError> {
        self.file.sync_data().map_err(|fault| self.told(fault))
    }

    pub(super) fn write_ids(&self, place: usize, ids: &[Uuid]) -> Result<(), HomeError> {
        self.write(place, &ids.iter().take(IDS).collect::<Vec<_>>())
    }

    /// Ids that a process left in these places when it died.
    pub(super) fn take_ids(
        &self,
        places: &[(Step, usize)],
    ) -> Result<Vec<(Step, Vec<Uuid>)>, HomeError> {
        let mut left = Vec::new();
        for (step, place) in places {
            let ids: Vec<Uuid> = self.read(*place)?.unwrap_or_default();
            if !ids.is_empty() {
                left.push((*step, ids));
            }
        }
        Ok(left)
    }

    /// More suspects than fit are not of one crash, and a crash alone will tell them again.
    pub(super) fn write_suspects(&self, suspects: &Suspects) -> Result<(), HomeError> {
        self.write(SUSPECTS, suspects)
    }

    pub(super) fn read_suspects(&self) -> Result<Suspects, HomeError> {
        Ok(self.read(SUSPECTS)?.unwrap_or_default())
    }

    fn write(&self, place: usize, value: &impl Serialize) -> Result<(), HomeError> {
        let mut line = serde_json::json!(value).to_string().into_bytes();
        line.push(b'\n');
        let at = (place * PLACE) as u64;
        self.file.write_all_at(&line, at).map_err(|fault| self.told(fault))
    }

    /// What a place holds; `None` where that cannot be read.
    fn read<T: DeserializeOwned>(&self, place: usize) -> Result<Option<T>, HomeError> {
        let mut bytes = vec![0; PLACE];
        let at = (place * PLACE) as u64;
        let mut filled = 0;
        while filled < PLACE {
            let more = self.file.read_at(&mut bytes[filled..], at + filled as u64);
            match more.map_err(|fault| self.told(fault))? {
                0 => break,
                read => filled += read,
            }
        }
        let line = bytes[..filled].split(|byte| *byte == b'\n').next().unwrap_or_default();
        Ok(serde_json::from_slice(line).ok())
    }

    fn told(&self, fault: std::io::Error) -> HomeError {
        HomeError::File { file: self.path.clone(), fault }
    }
}
