//! The job `backup`: a whole copy of a SQLite database in the configured folder, checked before it counts; the newest
//! ones are kept.

use crate::care::UtcMs;
use crate::config::BackupConfig;
use crate::store::backup::faults_of_copy;
use crate::store::{Engine, Result, Store, StoreError};
use chrono::NaiveDateTime;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// How a copy's name shows its time, in UTC.
const NAME: &str = "carebell-%Y%m%dT%H%M%SZ.db";
/// A copy that is being made; one that is left over was cut short.
const UNFINISHED: &str = "carebell-unfinished.db";

/// A copy that was checked when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// When it was made.
    pub at: UtcMs,
    /// Where it is.
    pub file: PathBuf,
}

/// The copies in a folder, oldest first; a folder that is not there has none.
///
/// # Errors
/// When the folder cannot be read.
pub fn copies(folder: &Path) -> io::Result<Vec<Copy>> {
    let entries = match std::fs::read_dir(folder) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut copies = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if let Ok(at) = NaiveDateTime::parse_from_str(&name.to_string_lossy(), NAME) {
            copies.push(Copy { at: UtcMs::from_naive_utc(at), file: entry.path() });
        }
    }
    copies.sort_by_key(|copy| copy.at);
    Ok(copies)
}

/// Makes a copy, checks it, and removes the oldest beyond those kept; returns what it did.
pub(super) async fn run(store: &Store, config: &BackupConfig, now: UtcMs) -> Result<String> {
    if store.engine() == Engine::Postgres {
        return Ok("nothing: pg_dump or base backups are the operator's".to_owned());
    }
    let Some(folder) = config.folder() else {
        return Ok("nothing: backup.folder names no folder".to_owned());
    };
    let unfinished = folder.join(UNFINISHED);
    begin(folder, &unfinished)?;
    store.copy_into(&unfinished).await?;
    let faults = faults_of_copy(&unfinished).await?;
    if !faults.is_empty() {
        std::fs::remove_file(&unfinished).map_err(fault)?;
        let text = format!("the copy is not whole: {}", faults.join("; "));
        return Err(fault(io::Error::other(text)));
    }
    let file = folder.join(now.to_utc().format(NAME).to_string());
    let finish = || {
        File::open(&unfinished)?.sync_all()?;
        std::fs::rename(&unfinished, &file)?;
        File::open(folder)?.sync_all()?;
        let bytes = std::fs::metadata(&file)?.len();
        let copies = copies(folder)?;
        let spare = copies.len().saturating_sub(config.keep as usize);
        for old in &copies[..spare] {
            std::fs::remove_file(&old.file)?;
        }
        Ok((bytes, spare))
    };
    let (bytes, removed) = finish().map_err(fault)?;
    metrics::gauge!("carebell_backup_timestamp_seconds").set(now.0 as f64 / 1e3);
    Ok(format!("{} of {bytes} bytes, {removed} older removed", file.display()))
}

/// An empty file of the owner's alone: SQLite fills it and keeps its mode.
fn begin(folder: &Path, unfinished: &Path) -> Result<()> {
    let begin = || {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        match std::fs::remove_file(unfinished) {
            Err(other) if other.kind() != io::ErrorKind::NotFound => return Err(other),
            _ => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)?;
        Ok(())
    };
    begin().map_err(|error: io::Error| {
        fault(io::Error::new(error.kind(), format!("{}: {error}", folder.display())))
    })
}

fn fault(error: io::Error) -> StoreError {
    StoreError::Driver(error.into())
}
