//! What a `CommunicationRequest` says: its words, and the material that it names.

use super::datatypes::Reference as Written;
use super::json::{List, Remarks, Text};
use super::scope::Scope;
use crate::care::ActivityKind;
use crate::import::material;
use crate::import::why::Why;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Payload {
    pub(super) content_string: Option<Text>,
    content_attachment: Option<Attachment>,
    content_reference: Option<Written>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attachment {
    url: Option<String>,
    title: Option<String>,
}

/// The material that payloads name: an attachment by its URL or its title, a reference by its identifier. What an
/// attachment itself holds is never sent.
pub(super) fn material(
    payload: &List<Payload>,
    kind: ActivityKind,
    scope: &Scope<'_>,
    remarks: &mut Remarks,
) -> Option<String> {
    let mut found = None;
    for (i, payload) in payload.iter().enumerate() {
        let attached = payload.content_attachment.iter().flat_map(|a| [&a.url, &a.title]);
        let attached: Vec<&str> = attached.filter_map(Option::as_deref).collect();
        let identifiers = payload.content_reference.iter().flat_map(|one| one.identifier.iter());
        let values = identifiers.filter_map(|one| Some(one.value.as_ref()?.value.as_str()));
        let references = payload.content_reference.iter().filter_map(|r| r.reference.as_deref());
        let referred: Vec<&str> = values.chain(references).collect();
        for (words, at) in [(attached, "contentAttachment"), (referred, "contentReference")] {
            if words.is_empty() {
                continue;
            }
            let path = format!("payload[{i}].{at}");
            let meant = material::meant(words, kind, &path, scope.settings.programme, remarks);
            if found.is_some() && meant.is_some() {
                remarks.add(path, Why::MoreMaterial);
            }
            found = found.or(meant);
        }
    }
    found
}
