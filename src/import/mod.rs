//! From files and feeds to the store: FHIR JSON and CSV are read, checked and named; each resource is compared
//! with what is stored, taken or not, and reported once.
//!
//! Reading (`fhir`, `csv`) and deciding (`diff`) are pure; `importer` and `intake` are the shell around them. It
//! never guesses: what could reach the wrong person or a wrong time is refused or left to a person. Called by
//! `cli import` and the daemon's intake loop.

pub mod change;
mod csv;
mod date;
mod diff;
pub mod dosages;
mod dry_run;
mod fhir;
mod held;
mod importer;
pub mod intake;
mod keys;
mod material;
mod person;
pub mod phone;
mod quarantine;
pub mod report;
mod shared;
pub mod source;
mod text;
mod unpack;
mod why;
mod write;

pub use change::{Change, Item, Reading};
pub use importer::{Importer, Mode, Options, Sink};
pub use intake::Intake;
pub use report::{Counts, Outcome, Remark, ReportLine, ResourceRef, ResourceReport};
pub use source::{Body, Document, documents};
pub use why::Why;

use crate::care::contact::ConsentDecision;
use crate::care::{ConsentBasis, Phi, Programme, UtcMs, ZoneRules};

/// What reading needs to know besides the document.
#[derive(Clone)]
pub struct Settings<'a> {
    /// Defaults: zone, language, region of phone numbers.
    pub programme: &'a Programme,
    /// Which zones there are.
    pub zones: &'a dyn ZoneRules,
    /// The time of the import.
    pub now: UtcMs,
    /// Consent that the operator asserts for patients whose record is silent about it.
    pub assertion: Option<Assertion>,
    /// What ids are relative to: the server's base URL, or a name of the feed.
    pub source_system: String,
}

/// An operator's assertion that consent was given (design.md section 9).
#[derive(Clone, Debug)]
pub struct Assertion {
    /// Its wording.
    pub basis: String,
    /// Its date.
    pub at: UtcMs,
}

impl Settings<'_> {
    fn asserted_consent(&self) -> Option<ConsentBasis> {
        let assertion = self.assertion.as_ref()?;
        Some(ConsentBasis {
            channel: None,
            decision: ConsentDecision::Given,
            basis: Phi::new(assertion.basis.clone()),
            at: assertion.at,
        })
    }
}

/// Reads one document: every resource in it ends in exactly one item. A document that breaks the reader is
/// rejected and hurts no other (design.md P9).
pub fn read(document: &Document, settings: &Settings<'_>) -> Vec<Item> {
    let source = &document.source;
    let whole = || ResourceRef { source: source.clone(), kind: "file".to_owned(), id: None };
    let body = match &document.body {
        Ok(body) => body,
        Err(Why::NotData) => {
            return vec![Item::ended(whole(), Reading::Ignored, Remark::at(".", Why::NotData))];
        }
        Err(why) => {
            return vec![Item::ended(whole(), Reading::Rejected, Remark::at(".", why.clone()))];
        }
    };
    let read = std::panic::AssertUnwindSafe(|| match body {
        Body::Fhir(json) => fhir::read(source, json, settings),
        Body::Csv(table) => csv::read(source, table, settings),
    });
    std::panic::catch_unwind(read).unwrap_or_else(|_| {
        vec![Item::ended(whole(), Reading::Rejected, Remark::at(".", Why::Broke))]
    })
}
