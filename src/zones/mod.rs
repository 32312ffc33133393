//! Where zone rules come from: TZif files of a configured folder, of the binary and of the system; chrono-tz
//! last. The newest release wins (design.md section 5).
//!
//! Reading happens here and nowhere else; the domain sees tables of offset changes ([`crate::care::Zone`]).
//! Called by whoever starts the program; nothing here knows patients.

mod last_resort;
mod posix;
mod source;
mod tzif;

pub use source::{Source, SourceKind};
pub use tzif::{TzifError, parse as parse_tzif};

use crate::care::{Zone, ZoneRules};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// Tables reach to the end of this year; the last offset then holds on.
pub(crate) const LAST_YEAR: i32 = 2100;

/// Changes before 2000-01-01T00:00:00Z move no reminder, so they do not count in [`fingerprint`].
const FINGERPRINT_FROM_UTC_SECONDS: i64 = 946_684_800;

/// The zone rules could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ZonesError {
    /// The configured folder does not tell its release, so it cannot be weighed against the others.
    #[error(
        "zone rules in {} name no release: put a file +VERSION there that holds one, such as 2026f",
        .0.display()
    )]
    NoVersion(PathBuf),
}

/// Every source of zone rules on this machine, newest first, and the zones read so far.
#[derive(Debug)]
pub struct Zones {
    sources: Vec<Source>,
    read: RwLock<HashMap<String, Arc<Zone>>>,
}

impl Zones {
    /// All sources: the configured folder, the binary's copy, the system's folder, chrono-tz.
    ///
    /// # Errors
    ///
    /// When the configured folder does not tell its release.
    pub fn open(configured: Option<&Path>) -> Result<Self, ZonesError> {
        let mut sources = Vec::new();
        if let Some(folder) = configured {
            let source = Source::folder(SourceKind::Configured, folder);
            if source.version.is_none() {
                return Err(ZonesError::NoVersion(folder.to_owned()));
            }
            sources.push(source);
        }
        sources.push(Source::binary());
        sources.push(Source::folder(SourceKind::System, Path::new(source::SYSTEM_FOLDER)));
        Ok(Self::from_sources(sources))
    }

    /// The binary's own rules and the last resort alone: the same on every machine.
    pub fn built_in() -> Self {
        Self::from_sources(vec![Source::binary()])
    }

    fn from_sources(mut sources: Vec<Source>) -> Self {
        // The sort is stable: sources of one release keep their order; one that names none comes after.
        sources.sort_by(|a, b| b.version.cmp(&a.version));
        sources.push(Source::last_resort());
        Self { sources, read: RwLock::default() }
    }

    /// Every source, in the order in which a zone is looked for.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }
}

impl ZoneRules for Zones {
    fn zone(&self, name: &str) -> Option<Arc<Zone>> {
        let known = self.read.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if known.is_some() {
            return known;
        }
        if !source::is_zone_name(name) {
            return None;
        }
        let zone = Arc::new(self.sources.iter().find_map(|source| source.zone(name))?);
        let mut read = self.read.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(read.entry(name.to_owned()).or_insert(zone)))
    }

    fn version(&self) -> String {
        self.sources.iter().find_map(|source| source.version.clone()).unwrap_or_default()
    }
}

/// A stable hash of a zone's rules since 2000: the same for the same offsets, whichever file or release they
/// were read from. When it changes, the zone's patients are woken.
pub fn fingerprint(zone: &Zone) -> String {
    let segments = zone.segments();
    let first = segments
        .partition_point(|s| s.from_utc_seconds <= FINGERPRINT_FROM_UTC_SECONDS)
        .saturating_sub(1);
    let mut hash = Sha256::new();
    for segment in &segments[first..] {
        let from = segment.from_utc_seconds.max(FINGERPRINT_FROM_UTC_SECONDS);
        hash.update(from.to_be_bytes());
        hash.update(segment.offset_seconds.to_be_bytes());
    }
    hash.finalize()[..16].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
