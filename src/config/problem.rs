//! What is wrong with a configuration, where, and what to do about it.

use figment::Figment;
use serde::Serialize;
use std::fmt::{Display, Formatter};

/// Something wrong that a person can put right. Names kinds, never values: a value may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// File, variable or credential, with the key or row.
    pub place: String,
    /// What is wrong, as a lower-case fragment.
    pub what: String,
    /// What to do.
    pub fix: String,
}

impl Problem {
    /// A problem at a place.
    pub fn new(place: impl Into<String>, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), fix: fix.into() }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.what, self.fix)
    }
}

/// Every problem of a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigProblems(pub Vec<Problem>);

impl Display for ConfigProblems {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "the configuration has {} problem(s)", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

/// Collects the problems of a section; knows which layer set a key.
pub(super) struct Report<'a> {
    layers: &'a Figment,
    problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    pub(super) fn new(layers: &'a Figment) -> Self {
        Self { layers, problems: Vec::new() }
    }

    /// Notes a problem of `key` unless `holds`.
    pub(super) fn require(&mut self, holds: impl Into<Holds>, key: &str, what: &str, fix: &str) {
        if holds.into() == Holds::No {
            self.problems.push(Problem::new(place(self.layers, key), what, fix));
        }
    }

    pub(super) fn into_result(self) -> Result<(), ConfigProblems> {
        if self.problems.is_empty() { Ok(()) } else { Err(ConfigProblems(self.problems)) }
    }
}

/// Whether a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    No,
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// The layer that set a key, by its name: `default`, a file, a variable, a credential.
pub(super) fn origin(layers: &Figment, key: &str) -> String {
    layers.find_metadata(key).map_or_else(|| super::DEFAULT.to_owned(), |m| m.name.to_string())
}

/// The layer that set a key, with the key.
pub(super) fn place(layers: &Figment, key: &str) -> String {
    format!("{}: {key}", origin(layers, key))
}
