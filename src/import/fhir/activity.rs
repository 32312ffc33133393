//! What all orders have in common: status, intent, anchor, review, and the activity that comes of them.

use super::datatypes::Concept;
use super::json::{Flag, Remarks, Text};
use super::scope::{Known, Scope};
use crate::care::{Activity, ActivityKind, ActivityStatus, Phi, Schedule};
use crate::import::change::{ActivityChange, AnchorFrom, Identity, Reference, fingerprint};
use crate::import::date::Date;
use crate::import::text;
use crate::import::why::Why;
use chrono::NaiveDateTime;

/// An activity in the making: collects remarks and reasons for review.
pub(super) struct Draft<'r> {
    pub(super) remarks: &'r mut Remarks,
    /// Places and reasons for a person to look.
    pub(super) doubts: Vec<(String, Why)>,
}

impl<'r> Draft<'r> {
    pub(super) fn new(known: &Known<'_>, remarks: &'r mut Remarks) -> Self {
        let mut draft = Self { remarks, doubts: Vec::new() };
        if known.modified {
            draft.review("modifierExtension", Why::Modifier);
        }
        if known.shares_identifier {
            draft.review("identifier", Why::SharedIdentifier);
        }
        draft
    }

    /// A person must look at it.
    pub(super) fn review(&mut self, path: &str, why: Why) {
        self.doubts.push((path.to_owned(), why));
    }

    /// Where it stands, by a table of the codes that mean something; a missing or unknown code is for a person
    /// to decide.
    pub(super) fn status(
        &mut self,
        written: Option<Text>,
        table: &[(&str, ActivityStatus)],
        path: &str,
    ) -> ActivityStatus {
        let Some(code) = self.remarks.take(written, path) else {
            self.review(path, Why::NoStatus);
            return ActivityStatus::Active;
        };
        let lower = code.trim().to_ascii_lowercase();
        let Some((_, status)) = table.iter().find(|(known, _)| *known == lower) else {
            self.review(path, Why::UnknownStatus);
            return ActivityStatus::Active;
        };
        if lower != code {
            self.remarks.add(path, Why::Case);
        }
        *status
    }

    /// Only an order is acted on (<https://hl7.org/fhir/R4/valueset-request-intent.html>); `filler-order` and
    /// `reflex-order` are a laboratory's or pharmacy's own.
    pub(super) fn intent(
        &mut self,
        written: Option<Text>,
        orders: &[&str],
        status: ActivityStatus,
    ) -> ActivityStatus {
        let Some(code) = self.remarks.take(written, "intent") else {
            self.review("intent", Why::NoIntent);
            return status;
        };
        let lower = code.trim().to_ascii_lowercase();
        if orders.contains(&lower.as_str()) {
            return status;
        }
        let known = ["proposal", "plan", "directive", "reflex-order", "filler-order", "option"];
        let intent =
            if known.contains(&lower.as_str()) { lower } else { "unknown intent".to_owned() };
        self.remarks.add("intent", Why::NotAnOrder { intent });
        weaker(status, ActivityStatus::Inactive)
    }

    /// `doNotPerform`: the order is not to do it.
    pub(super) fn prohibition(
        &mut self,
        written: Option<Flag>,
        path: &str,
        status: ActivityStatus,
    ) -> ActivityStatus {
        if self.remarks.take(written, path) != Some(true) {
            return status;
        }
        self.remarks.add(path, Why::DoNotPerform);
        weaker(status, ActivityStatus::Stopped)
    }

    /// The first date that is one, with its strength.
    pub(super) fn anchor(
        &mut self,
        scope: &Scope<'_>,
        from: [(AnchorFrom, Option<&str>, &str); 3],
    ) -> (String, AnchorFrom) {
        for (strength, written, path) in from {
            let Some(date) = written else { continue };
            if Date::parse(date).is_some() {
                return (date.trim().to_owned(), strength);
            }
            self.remarks.add(path, Why::NotADate);
        }
        (scope.settings.now.rfc3339(), AnchorFrom::Import)
    }

    /// The change. Every reason for review is a remark of the resource as well.
    pub(super) fn finish(self, made: Made) -> ActivityChange {
        let mut review = Vec::new();
        for (path, why) in self.doubts {
            self.remarks.add(path, why);
            review.extend(self.remarks.0.last().map(ToString::to_string));
        }
        ActivityChange {
            activity: Activity {
                key: made.identity.key.expose().to_owned(),
                kind: made.kind,
                class: made.kind.class(),
                status: made.status,
                title: Phi::new(made.title),
                instruction: made.instruction.map(Phi::new),
                drug: made.drug.map(Phi::new),
                schedule: made.schedule,
                anchor: made.anchor.0,
                material: made.material,
                review,
            },
            anchor_from: made.anchor.1,
            identity: made.identity,
            subject: made.subject,
            plan: None,
            local_start: made.local_start,
            replaces: made.replaces,
        }
    }
}

/// All that an activity is made of.
pub(super) struct Made {
    pub(super) identity: Identity,
    pub(super) subject: Reference,
    pub(super) kind: ActivityKind,
    pub(super) status: ActivityStatus,
    pub(super) title: String,
    pub(super) instruction: Option<String>,
    pub(super) drug: Option<String>,
    pub(super) schedule: Schedule,
    pub(super) local_start: Option<NaiveDateTime>,
    pub(super) anchor: (String, AnchorFrom),
    pub(super) replaces: Vec<Reference>,
    pub(super) material: Option<String>,
}

/// The status that stands when two hold.
pub(super) fn weaker(one: ActivityStatus, other: ActivityStatus) -> ActivityStatus {
    let rank = |status| match status {
        ActivityStatus::Active => 0,
        ActivityStatus::OnHold => 1,
        ActivityStatus::Inactive => 2,
        ActivityStatus::Stopped => 3,
        ActivityStatus::EnteredInError => 4,
    };
    if rank(one) >= rank(other) { one } else { other }
}

/// Codes of `request-status`, `medicationrequest-status` (R4, R5).
pub(super) const REQUEST_STATUS: &[(&str, ActivityStatus)] = &[
    ("active", ActivityStatus::Active),
    ("on-hold", ActivityStatus::OnHold),
    ("revoked", ActivityStatus::Stopped),
    ("cancelled", ActivityStatus::Stopped),
    ("stopped", ActivityStatus::Stopped),
    ("ended", ActivityStatus::Stopped),
    ("completed", ActivityStatus::Stopped),
    ("entered-in-error", ActivityStatus::EnteredInError),
    ("draft", ActivityStatus::Inactive),
    ("unknown", ActivityStatus::Inactive),
];

/// Intents that are orders.
pub(super) const ORDERS: &[&str] = &["order", "original-order", "instance-order"];

/// Title of a concept, or the fallback.
pub(super) fn title(concept: Option<&Concept>, fallback: &str) -> String {
    concept.and_then(Concept::name).and_then(text::line).unwrap_or_else(|| fallback.to_owned())
}

/// Stands for an order without identifier and id: subject, code and date of writing (design.md section 1).
pub(super) fn print(subject: &Reference, code: &str, authored_on: Option<&str>) -> Option<String> {
    let subject = subject.candidates.first()?;
    Some(fingerprint(&[
        subject.expose().as_bytes(),
        code.as_bytes(),
        authored_on.unwrap_or_default().as_bytes(),
    ]))
}
