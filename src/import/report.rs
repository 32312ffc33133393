//! What became of each resource, and why. No word of it holds a patient's data: it names places and kinds.

use crate::import::why::Why;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a resource came from and what it is; one per resource, line, row or deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceRef {
    /// `file.json`, `file.json#/entry/3`, `file.ndjson:17`, `file.csv:12`; `-` is standard input.
    pub source: String,
    /// FHIR resource type; `patient`, `order`, `row` or `header` in a CSV file; `file` or `entry` when nothing
    /// inside could be told apart.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id in the source, where it has one.
    pub id: Option<String>,
}

/// How the import of a resource ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// New in the store.
    Created,
    /// Changed in the store.
    Updated,
    /// As the store has it.
    Unchanged,
    /// Carries nothing that Carebell acts on.
    Ignored,
    /// Stored, but sends nothing before a person confirms it.
    Review,
    /// Not stored.
    Rejected,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 6] = [
        Self::Created,
        Self::Updated,
        Self::Unchanged,
        Self::Ignored,
        Self::Review,
        Self::Rejected,
    ];

    /// The word shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Ignored => "ignored",
            Self::Review => "review",
            Self::Rejected => "rejected",
        }
    }
}

/// How many resources ended how, by type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<(Outcome, String), u64>);

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, report: &ResourceReport) {
        *self.0.entry((report.outcome, report.resource.kind.clone())).or_default() += 1;
    }

    /// How many ended so.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.0.iter().filter(|((ended, _), _)| *ended == outcome).map(|(_, count)| count).sum()
    }

    /// By outcome, then type.
    pub fn iter(&self) -> impl Iterator<Item = (Outcome, &str, u64)> {
        self.0.iter().map(|((outcome, kind), count)| (*outcome, kind.as_str(), *count))
    }

    /// By outcome.
    pub fn by_outcome(&self) -> BTreeMap<&'static str, u64> {
        Outcome::ALL.into_iter().map(|outcome| (outcome.word(), self.of(outcome))).collect()
    }
}

/// The report of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceReport {
    /// Which.
    #[serde(flatten)]
    pub resource: ResourceRef,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, and what else was noticed.
    pub reasons: Vec<Remark>,
}

/// The report of one resource as people and programs get it.
#[derive(Clone, Debug, Serialize)]
pub struct ReportLine {
    /// Which.
    #[serde(flatten)]
    pub resource: ResourceRef,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, and what else was noticed.
    pub reasons: Vec<String>,
    /// Where the first reason lies, unless it is the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl From<&ResourceReport> for ReportLine {
    fn from(report: &ResourceReport) -> Self {
        let first = report.reasons.first().map(|remark| remark.path.as_str());
        Self {
            resource: report.resource.clone(),
            outcome: report.outcome,
            reasons: report.reasons.iter().map(ToString::to_string).collect(),
            path: first.filter(|path| *path != ".").map(str::to_owned),
        }
    }
}

/// Something noticed about a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// JSON path within the resource, or a CSV column; `.` is the whole.
    pub path: String,
    /// What.
    pub why: Why,
}

impl Remark {
    /// Something noticed at a place.
    pub fn at(path: impl Into<String>, why: Why) -> Self {
        Self { path: path.into(), why }
    }
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.path.as_str() {
            "." => write!(f, "{}", self.why),
            path => write!(f, "{path}: {}", self.why),
        }
    }
}
