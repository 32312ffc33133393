//! The material that an order names. Nothing but what the programme configures is ever sent: what an order holds is a
//! name of it, a URL no less.

use crate::care::{ActivityKind, Programme};
use crate::import::fhir::json::Remarks;
use crate::import::why::Why;
use crate::message::media::is_name;

/// The material of a name. One that the programme has not is kept, so that it goes out once it is configured; until
/// then words go alone.
pub(super) fn named(
    name: &str,
    kind: ActivityKind,
    path: &str,
    programme: &Programme,
    remarks: &mut Remarks,
) -> Option<String> {
    let name = name.trim().to_lowercase();
    if !goes_with(kind, path, remarks) {
        return None;
    }
    if !programme.media.contains_key(&name) {
        remarks.add(path, Why::UnknownMaterial);
    }
    is_name(&name).then_some(name)
}

/// The material that one of these words names: its name, or a URL of one of its editions. What names none is remarked.
pub(super) fn meant<'a>(
    words: impl IntoIterator<Item = &'a str>,
    kind: ActivityKind,
    path: &str,
    programme: &Programme,
    remarks: &mut Remarks,
) -> Option<String> {
    let found = words.into_iter().find_map(|word| of_word(word, programme));
    if found.is_none() {
        remarks.add(path, Why::UnknownMaterial);
    }
    found.filter(|_| goes_with(kind, path, remarks))
}

/// The material of a URL that may mean something else as well, such as a protocol: then nothing is said.
pub(super) fn instantiated<'a>(
    urls: impl IntoIterator<Item = &'a str>,
    kind: ActivityKind,
    programme: &Programme,
) -> Option<String> {
    urls.into_iter().find_map(|url| of_url(url, programme)).filter(|_| has_material(kind))
}

const fn has_material(kind: ActivityKind) -> bool {
    matches!(kind, ActivityKind::Education | ActivityKind::Lifestyle | ActivityKind::Notice)
}

fn goes_with(kind: ActivityKind, path: &str, remarks: &mut Remarks) -> bool {
    if !has_material(kind) {
        remarks.add(path, Why::MaterialHere { kind: kind.word().to_owned() });
    }
    has_material(kind)
}

fn of_word(word: &str, programme: &Programme) -> Option<String> {
    let name = word.trim().to_lowercase();
    let known = programme.media.contains_key(&name).then_some(name);
    known.or_else(|| of_url(word, programme))
}

fn of_url(url: &str, programme: &Programme) -> Option<String> {
    let url = Some(url.trim());
    let mut media = programme.media.iter();
    let is_it = |edition: &crate::care::Edition| edition.url.as_deref() == url;
    media.find(|(_, material)| material.0.values().any(is_it)).map(|(name, _)| name.clone())
}
