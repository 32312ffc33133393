//! From files and feeds to a validated change set: FHIR JSON and CSV are read, checked and named, and every
//! resource ends in exactly one item.
//!
//! Reading is pure but for [`source`], which opens files: no store, no clock, no network. It never guesses:
//! what could reach the wrong person or a wrong time is refused or left to a person. Called by `cli import`,
//! the intake job and the HTTP `/fhir` route.

pub mod change;
mod csv;
mod date;
mod fhir;
mod person;
pub mod phone;
pub mod report;
pub mod source;
mod text;

pub use change::{Change, Item, Reading};
pub use report::{Outcome, Remark, ResourceRef, ResourceReport, Why};
pub use source::{Body, Document, documents};

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
