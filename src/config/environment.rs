//! What the process is given by its surroundings, as a value: the loader and the tests read it alike.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Variables, folders and user of a process.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// Where a `carebell.toml` is looked for first.
    pub working_dir: PathBuf,
    /// Where it is looked for next; `/etc/carebell`.
    pub system_dir: PathBuf,
    /// Who runs the process.
    pub user: User,
}

/// Who runs a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// User id 0.
    Root,
    /// Anybody else.
    Other,
}

impl Environment {
    /// Of this process.
    pub fn of_process() -> Self {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        // The owner of /proc/self is the effective user; elsewhere than on Linux nobody counts as root.
        let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        Self {
            variables: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            working_dir: PathBuf::from("."),
            system_dir: PathBuf::from("/etc/carebell"),
            user: if root { User::Root } else { User::Other },
        }
    }

    /// A variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Where the daemon keeps its files unless told otherwise, and what says so.
    pub(super) fn state_dir(&self) -> (PathBuf, &'static str) {
        // systemd lists several folders with colons; the first is ours (systemd.exec(5), StateDirectory=).
        if let Some(first) = self.variable("STATE_DIRECTORY").and_then(|all| all.split(':').next())
        {
            return (first.into(), "STATE_DIRECTORY");
        }
        if self.user == User::Root {
            return ("/var/lib/carebell".into(), super::DEFAULT);
        }
        // XDG Base Directory Specification 0.8.
        if let Some(state) = self.variable("XDG_STATE_HOME") {
            return (PathBuf::from(state).join("carebell"), "XDG_STATE_HOME");
        }
        match self.variable("HOME") {
            Some(home) => (PathBuf::from(home).join(".local/state/carebell"), "HOME"),
            None => ("/var/lib/carebell".into(), super::DEFAULT),
        }
    }
}
