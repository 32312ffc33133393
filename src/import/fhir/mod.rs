//! FHIR JSON to changes: R4, with the shapes of R5 and STU3 where they cost little, told by shape.
//!
//! A document is a Bundle or a single resource. Each resource is read on its own, so that one bad entry blocks
//! no other, and ends in exactly one item. Called by `import`; knows no store and no timing rules.

mod activity;
mod appointment;
mod bundle;
mod consent;
mod datatypes;
mod dosage;
pub(crate) mod json;
mod order;
mod patient;
mod payload;
mod plan;
mod scope;
mod versions;

pub(crate) use bundle::read;
pub(crate) use dosage::{Dosage, Timing};
