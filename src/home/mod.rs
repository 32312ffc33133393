//! What an instance remembers outside the database: which database it worked on, how many sends it has made, and
//! which rows it has in hand. A database that was put back to an earlier state is known by it (design.md section 7),
//! and a row that takes the process with it (P9).
//!
//! What lives here: the state file, its lock, its layout. What may not: what follows from a difference (it is
//! `policy::went_back`). The daemon takes a home at its start; the deliverer writes to it before a first byte.

mod file;
mod hand;

pub use file::HomeError;
pub use hand::{InHand, Step, Suspect};

use crate::care::UtcMs;
use file::StateFile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// What a home remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The home's own id, made with its file.
    pub home: Uuid,
    /// The database's identity; empty before the first look at one.
    pub database: String,
    /// PostgreSQL: the system's identifier and its timeline. SQLite has none.
    pub timeline: Option<String>,
    /// Whether a commit waited for a standby when that was last looked at.
    pub synchronous: bool,
    /// Sends of this home.
    pub sends: i64,
    /// When that rose last.
    pub sent_at: UtcMs,
    /// Sends of all homes of the database, as far as this one has heard.
    pub all_sends: i64,
}

impl Memory {
    const fn new(home: Uuid) -> Self {
        Self {
            home,
            database: String::new(),
            timeline: None,
            synchronous: false,
            sends: 0,
            sent_at: UtcMs::MIN,
            all_sends: 0,
        }
    }

    /// What tells this memory from every other of the home: a settlement is of one memory and no other.
    pub fn fingerprint(&self) -> String {
        let timeline = self.timeline.as_deref().unwrap_or("none");
        format!("{} {timeline} {} {}", self.database, self.sends, self.all_sends)
    }
}

/// Rows that were in hand when the process died, and how often in a row.
type Suspects = BTreeMap<Step, BTreeMap<Uuid, u32>>;

/// The place of one instance in a state folder. Its file is locked for as long as this lives.
#[derive(Debug)]
pub struct Home {
    memory: Mutex<Memory>,
    suspects: Mutex<Suspects>,
    file: Option<StateFile>,
}

impl Home {
    /// Takes the first place in the folder that no running instance has; `fresh` becomes the id of a new one.
    ///
    /// # Errors
    /// When no file can be made or locked, or one cannot be read.
    pub fn take(folder: &Path, fresh: Uuid) -> Result<Self, HomeError> {
        let (file, memory) = StateFile::take(folder)?;
        let is_new = memory.is_none();
        let memory = memory.unwrap_or_else(|| Memory::new(fresh));
        if is_new {
            file.write_memory(&memory)?;
            file.sync()?;
        }
        let in_hand = file.take_ids(&Step::ALL.map(|step| (step, step.place())))?;
        let earlier = file.read_suspects()?;
        let mut suspects = earlier.clone();
        if !in_hand.is_empty() {
            suspects = hand::count(&earlier, in_hand);
            file.write_suspects(&suspects)?;
            for step in Step::ALL {
                file.write_ids(step.place(), &[])?;
            }
        }
        Ok(Self { memory: Mutex::new(memory), suspects: Mutex::new(suspects), file: Some(file) })
    }

    /// A home without a file: a demo's, whose clock is its own, or of a command that sends nothing.
    pub fn without_file(fresh: Uuid) -> Self {
        let (memory, suspects) = (Mutex::new(Memory::new(fresh)), Mutex::default());
        Self { memory, suspects, file: None }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_suspects(&self) -> MutexGuard<'_, Suspects> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it remembers.
    pub fn memory(&self) -> Memory {
        self.lock().clone()
    }

    /// Takes a database as it is: identity, timeline and counters.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn adopt(&self, memory: Memory) -> Result<(), HomeError> {
        self.change(|known| *known = memory)
    }

    /// Remembers that the counter of this home rose by `more` to `sends`, before the first byte of any of them.
    ///
    /// # Errors
    /// When the file cannot be written: nothing may be sent that it does not know of.
    pub fn sent(&self, sends: i64, more: i64, at: UtcMs) -> Result<(), HomeError> {
        self.change(|known| {
            known.sends = sends;
            known.sent_at = known.sent_at.max(at);
            known.all_sends = known.all_sends.saturating_add(more).max(sends);
        })
    }

    /// Remembers how many sends of all homes the database knows of.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn heard(&self, all_sends: i64) -> Result<(), HomeError> {
        self.change(|known| known.all_sends = known.all_sends.max(all_sends))
    }

    fn change(&self, change: impl FnOnce(&mut Memory)) -> Result<(), HomeError> {
        let mut memory = self.lock();
        let before = memory.clone();
        change(&mut memory);
        if *memory == before {
            return Ok(());
        }
        // Under the lock: an older memory never overwrites a newer one.
        self.file.as_ref().map_or(Ok(()), |file| file.write_memory(&memory))
    }

    /// Makes what was written outlast a power cut.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn sync(&self) -> Result<(), HomeError> {
        self.file.as_ref().map_or(Ok(()), StateFile::sync)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_one_instances_and_remembers() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let home = Home::take(folder.path(), one).unwrap();
        home.sent(3, 3, UtcMs(5)).unwrap();
        home.heard(9).unwrap();
        let neighbour = Home::take(folder.path(), two).unwrap();
        assert_eq!(neighbour.memory(), Memory::new(two), "a place of its own");
        let left = home.memory();
        assert_eq!((left.home, left.sends, left.all_sends), (one, 3, 9));
        drop(home);
        assert_eq!(Home::take(folder.path(), Uuid::from_u128(3)).unwrap().memory(), left);
    }

    #[test]
    fn a_damaged_file_is_named_and_no_new_home() {
        let folder = tempfile::tempdir().unwrap();
        drop(Home::take(folder.path(), Uuid::from_u128(1)).unwrap());
        std::fs::write(folder.path().join("instance-1.state"), "{\n").unwrap();
        let told = Home::take(folder.path(), Uuid::from_u128(2)).unwrap_err().to_string();
        assert!(told.contains("instance-1.state"), "{told}");
    }
}
