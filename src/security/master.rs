//! Where the master key lies: a systemd credential, else a file that only its owner can read.

use rand::RngCore;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The master key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or made.
    #[error("the master key {path} cannot be used: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read it.
    #[error("the master key {path} may be read by others (mode {mode:o}): chmod 600 {path}")]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is not a key.
    #[error("the master key {path} is not 64 hexadecimal digits: restore it from its backup")]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// A database is there, but its key is gone.
    #[error(
        "the master key {path} is missing, but the database has sealed data: restore the key from its \
         backup; a new one would open nothing"
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
}

/// Whether a missing key may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenMissing {
    /// A first start: make one.
    Create,
    /// A database exists already: refuse.
    Refuse,
}

/// Reads the master key from `credential` if given, else from `file`, made on a first start with mode 0600.
///
/// # Errors
/// When it cannot be read, is open to others, is no key, or is missing beside an existing database.
pub fn load_or_create_master_key(
    credential: Option<&Path>,
    file: &Path,
    when_missing: WhenMissing,
    rng: &mut dyn RngCore,
) -> Result<[u8; 32], MasterKeyError> {
    let path = credential.unwrap_or(file);
    let fail = |source| MasterKeyError::File { path: path.to_owned(), source };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            if credential.is_none() {
                let mode = std::fs::metadata(path).map_err(fail)?.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(MasterKeyError::TooOpen { path: path.to_owned(), mode });
                }
            }
            parse(text.trim()).ok_or_else(|| MasterKeyError::NotAKey { path: path.to_owned() })
        }
        Err(missing) if missing.kind() == ErrorKind::NotFound && credential.is_none() => {
            if when_missing == WhenMissing::Refuse {
                return Err(MasterKeyError::Missing { path: path.to_owned() });
            }
            let mut key = [0_u8; 32];
            rng.fill_bytes(&mut key);
            let text = super::hex(&key);
            let mut out = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(fail)?;
            out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(fail)?;
            Ok(key)
        }
        Err(other) => Err(fail(other)),
    }
}

fn parse(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut key = [0_u8; 32];
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn the_master_key_is_made_once_and_refused_when_open_to_others_or_missing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("master.key");
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        assert!(matches!(
            load_or_create_master_key(None, &file, WhenMissing::Refuse, &mut rng),
            Err(MasterKeyError::Missing { .. })
        ));
        let key = load_or_create_master_key(None, &file, WhenMissing::Create, &mut rng).unwrap();
        let again = load_or_create_master_key(None, &file, WhenMissing::Create, &mut rng).unwrap();
        assert_eq!(key, again);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            load_or_create_master_key(None, &file, WhenMissing::Create, &mut rng),
            Err(MasterKeyError::TooOpen { .. })
        ));
    }
}
