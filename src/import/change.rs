//! A validated change: what one resource asks the store to become. Nothing here knows the store.
//!
//! Files come in any order, so a change names its patient and its relatives by keys; the store resolves them
//! when it applies the change, and sets aside what it cannot resolve yet.

use crate::care::{Activity, ConsentBasis, Patient, Phi, Plan, UtcMs, phi};
use crate::import::report::{Outcome, Remark, ResourceRef, ResourceReport};
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One name by which a source knows a thing: `system|value` of a business identifier, `source/Type/id`, or a
/// fingerprint. An identifier of a person is health data.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(#[serde(with = "phi::sealed")] pub Phi<String>);

impl Key {
    /// A key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(Phi::new(key.into()))
    }

    /// The key; every call is a place where it is used on purpose.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Every name of a thing. The store knows it again by any of them and keeps the key it had first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The name to keep: design.md section 1.
    pub key: Key,
    /// Source and id. Two things with one business identifier and different ids are not one thing.
    pub local: Option<Key>,
    /// All other business identifiers, sorted.
    pub others: Vec<Key>,
}

impl Identity {
    /// A thing with one name.
    pub fn of(key: Key) -> Self {
        Self { key, local: None, others: Vec::new() }
    }

    /// Every name, the key first.
    pub fn names(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.key).chain(&self.local).chain(&self.others)
    }
}

/// A thing named by another one: the first candidate that the store knows is it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Names to try, in order.
    pub candidates: Vec<Key>,
}

impl Reference {
    /// A reference to a thing whose names are known.
    pub fn to(identity: &Identity) -> Self {
        Self { candidates: identity.names().cloned().collect() }
    }

    /// A reference by one name.
    pub fn by(key: Key) -> Self {
        Self { candidates: vec![key] }
    }
}

/// What a resource asks the store to become.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// A patient is so.
    Patient(Box<PatientChange>),
    /// A plan is so.
    Plan(Box<PlanChange>),
    /// An activity is so.
    Activity(Box<ActivityChange>),
    /// A consent is so; no basis at all means that it never was.
    Consent(ConsentChange),
    /// The source has deleted it.
    Delete(Deletion),
}

/// A patient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatientChange {
    /// Names.
    pub identity: Identity,
    /// The patient; `consents` is what the record itself says.
    pub patient: Patient,
    /// The operator's assertion of consent. It fills a silence: a recorded refusal stands against it.
    pub asserted: Option<ConsentBasis>,
    /// The record that took this one's place.
    pub replaced_by: Option<Reference>,
}

/// A care plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanChange {
    /// Names.
    pub identity: Identity,
    /// Whose.
    pub subject: Reference,
    /// The plan.
    pub plan: Plan,
    /// Activities that stand on their own and hang on this plan.
    pub members: Vec<Reference>,
    /// Plans whose function it takes; they end when it starts.
    pub replaces: Vec<Reference>,
}

/// An activity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActivityChange {
    /// Names.
    pub identity: Identity,
    /// Whose.
    pub subject: Reference,
    /// The plan that holds it.
    pub plan: Option<Reference>,
    /// The activity.
    pub activity: Activity,
    /// Where its anchor comes from: a plan's start beats all but `Own`.
    pub anchor_from: AnchorFrom,
    /// Start of an appointment on the patient's wall clock, given without an offset: the store resolves it by
    /// the patient's zone and puts it into the schedule.
    pub local_start: Option<NaiveDateTime>,
    /// Activities whose identity it carries on.
    pub replaces: Vec<Reference>,
}

/// Where an anchor comes from, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnchorFrom {
    /// The order's own period.
    Own,
    /// The date it was written.
    Authored,
    /// The import; the store keeps the first one.
    Import,
}

impl AnchorFrom {
    /// The word stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Authored => "authored",
            Self::Import => "import",
        }
    }

    /// Reads what [`AnchorFrom::word`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Own, Self::Authored, Self::Import].into_iter().find(|from| from.word() == word)
    }
}

/// A consent that stands on its own in the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsentChange {
    /// Names.
    pub identity: Identity,
    /// Whose.
    pub subject: Reference,
    /// Decisions in order of time. One dated later than now (the end of a limited consent) counts from then.
    pub bases: Vec<ConsentBasis>,
}

/// Something that the source has deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// FHIR resource type.
    pub kind: String,
    /// What.
    pub target: Reference,
}

impl Change {
    /// SHA-256 over the change's canonical JSON: equal content has an equal fingerprint, whatever the source's
    /// key order, text, meta or white space. The time of the import is left out.
    pub fn fingerprint(&self) -> String {
        let json = match self {
            Self::Activity(change) if change.anchor_from == AnchorFrom::Import => {
                let mut still = change.clone();
                still.activity.anchor.clear();
                serde_json::to_vec(&still)
            }
            other => serde_json::to_vec(other),
        };
        // Serialising plain structs cannot fail; were it to, an empty text is equal to no stored fingerprint.
        json.map(|bytes| fingerprint(&[&bytes])).unwrap_or_default()
    }

    /// The names of what it changes.
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Patient(change) => Some(&change.identity),
            Self::Plan(change) => Some(&change.identity),
            Self::Activity(change) => Some(&change.identity),
            Self::Consent(change) => Some(&change.identity),
            Self::Delete(_) => None,
        }
    }
}

/// SHA-256 over parts, each preceded by its length, in hexadecimal.
pub(crate) fn fingerprint(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    crate::security::hex(&hash.finalize())
}

/// Which version of a resource this is, by its source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// `meta.versionId`.
    pub version: Option<String>,
    /// `meta.lastUpdated`.
    pub updated_at: Option<UtcMs>,
}

/// One resource, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Which.
    pub resource: ResourceRef,
    /// Its version.
    pub revision: Revision,
    /// What was noticed.
    pub remarks: Vec<Remark>,
    /// What came of it.
    pub reading: Reading,
}

/// What came of reading a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// These changes, all or none.
    Parsed(Vec<Change>),
    /// Nothing to act on.
    Ignored,
    /// Not fit to act on.
    Rejected,
}

impl Item {
    /// A resource that ends here.
    pub(crate) fn ended(resource: ResourceRef, reading: Reading, remark: Remark) -> Self {
        Self { resource, revision: Revision::default(), remarks: vec![remark], reading }
    }

    /// The changes; none when it was ignored or rejected.
    pub fn changes(&self) -> &[Change] {
        match &self.reading {
            Reading::Parsed(changes) => changes,
            Reading::Ignored | Reading::Rejected => &[],
        }
    }

    /// The report, given what the store made of the changes.
    pub fn report(self, stored: Outcome) -> ResourceReport {
        let outcome = match self.reading {
            Reading::Parsed(_) => stored,
            Reading::Ignored => Outcome::Ignored,
            Reading::Rejected => Outcome::Rejected,
        };
        ResourceReport { resource: self.resource, outcome, reasons: self.remarks }
    }
}
