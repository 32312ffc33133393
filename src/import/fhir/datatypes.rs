//! FHIR data types, as narrow as the importer needs them (<https://hl7.org/fhir/R4/datatypes.html>).

use super::json::{Flag, List, Number, Present, Text, Whole, object};
use crate::care::timing::{Code, Coding as CareCoding, Period};
use serde::Deserialize;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Identifier {
    #[serde(rename = "use")]
    pub(crate) usage: Option<String>,
    pub(crate) system: Option<String>,
    pub(crate) value: Option<Text>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Reference {
    pub(crate) reference: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) identifier: List<Identifier>,
    pub(crate) display: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Coding {
    pub(crate) system: Option<String>,
    pub(crate) code: Option<Text>,
    pub(crate) display: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Concept {
    pub(crate) coding: List<Coding>,
    pub(crate) text: Option<String>,
}

impl Concept {
    /// What a person would call it.
    pub(crate) fn name(&self) -> Option<&str> {
        let display = || self.coding.iter().find_map(|c| c.display.as_deref());
        let code = || self.coding.iter().find_map(|c| c.code.as_ref().map(|t| t.value.as_str()));
        [self.text.as_deref(), display(), code()]
            .into_iter()
            .flatten()
            .find(|name| !name.trim().is_empty())
    }

    /// `system|code`, the first in order of system, so that the order of codings does not matter.
    pub(crate) fn token(&self) -> Option<String> {
        let tokens = self.coding.iter().filter_map(|coding| {
            Some(format!("{}|{}", coding.system.as_deref()?, coding.code.as_ref()?.value))
        });
        tokens.min()
    }

    /// Whether it bears a code.
    pub(crate) fn has(&self, system: &str, code: &str) -> bool {
        self.codes().any(|(s, c)| s == system && c == code)
    }

    /// System (empty when absent) and code of each coding.
    pub(crate) fn codes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.coding.iter().filter_map(|coding| {
            let code = coding.code.as_ref()?.value.as_str();
            Some((coding.system.as_deref().unwrap_or_default(), code))
        })
    }

    pub(crate) fn into_care(self) -> Code {
        let coding = self.coding.0.into_iter().map(|coding| CareCoding {
            system: coding.system,
            code: coding.code.map(|code| code.value),
            display: coding.display,
        });
        Code { coding: coding.collect(), text: self.text }
    }
}

/// R5 `CodeableReference`; R4 has a concept or a reference in its place.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ConceptOrReference {
    pub(crate) concept: Option<Concept>,
    pub(crate) reference: Option<Reference>,
    // What a bare CodeableConcept has in the same place.
    coding: List<Coding>,
    text: Option<String>,
}

impl ConceptOrReference {
    /// The concept, in R5's form or R4's.
    pub(crate) fn into_concept(self) -> Option<Concept> {
        let bare = Concept { coding: self.coding, text: self.text };
        self.concept.or_else(|| (bare != Concept::default()).then_some(bare))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Meta {
    #[serde(rename = "versionId")]
    pub(crate) version_id: Option<Text>,
    #[serde(rename = "lastUpdated")]
    pub(crate) last_updated: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Extension {
    pub(crate) url: Option<String>,
    pub(crate) value_code: Option<String>,
    pub(crate) value_string: Option<String>,
    pub(crate) value_boolean: Option<Flag>,
    pub(crate) value_positive_int: Option<Whole>,
    pub(crate) value_integer: Option<Whole>,
    pub(crate) extension: List<Self>,
}

impl Extension {
    /// The last part of its URL or URN.
    pub(crate) fn name(&self) -> &str {
        self.url.as_deref().and_then(|url| url.rsplit(['/', ':']).next()).unwrap_or_default()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Quantity {
    pub(crate) value: Option<Number>,
    pub(crate) unit: Option<Text>,
    pub(crate) code: Option<Text>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct QuantityRange {
    #[serde(deserialize_with = "object")]
    pub(crate) low: Option<Quantity>,
    #[serde(deserialize_with = "object")]
    pub(crate) high: Option<Quantity>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ContactPoint {
    pub(crate) system: Option<String>,
    pub(crate) value: Option<Text>,
    #[serde(rename = "use")]
    pub(crate) usage: Option<String>,
    pub(crate) rank: Option<Whole>,
    pub(crate) period: Option<Period>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct HumanName {
    #[serde(rename = "use")]
    pub(crate) usage: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) family: List<Text>,
    pub(crate) given: List<Text>,
}

/// A contained resource or an entry's, read only as far as to know it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Head {
    #[serde(rename = "resourceType")]
    pub(crate) kind: Option<String>,
    pub(crate) id: Option<Text>,
    pub(crate) identifier: List<Identifier>,
    pub(crate) meta: Option<Meta>,
    #[serde(rename = "modifierExtension")]
    pub(crate) modifier: Present,
}
