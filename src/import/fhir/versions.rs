//! Several versions of one thing in one document: the newest holds, whatever the order they stand in.

use crate::import::change::{Change, Item, Reading};
use crate::import::report::Remark;
use crate::import::why::Why;
use std::collections::HashMap;

/// What the order of a document's entries means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Nothing. What is deleted and written at once is written: a transaction deletes first
    /// (<https://hl7.org/fhir/R4/http.html#trules>).
    Any,
    /// A history: deletions have their time, too.
    History,
}

/// Leaves one item of each thing to be applied; the others end as ignored, or all as rejected when nothing says
/// which is the newest.
pub(super) fn settle(mut items: Vec<Item>, order: Order) -> Vec<Item> {
    let mut groups: HashMap<(String, String), Vec<usize>> = HashMap::new();
    for (i, item) in items.iter_mut().enumerate() {
        let deletes = matches!(item.changes(), [Change::Delete(_)]);
        if order == Order::History && deletes && item.revision.updated_at.is_none() {
            end(item, Reading::Rejected, Remark::at("response.lastModified", Why::NoTime));
        }
        if let Some(name) = name(item) {
            groups.entry((item.resource.kind.clone(), name)).or_default().push(i);
        }
    }
    for group in groups.into_values().filter(|group| group.len() > 1) {
        choose(&mut items, &group, order);
    }
    items
}

/// What an item and a deletion of it have in common.
fn name(item: &Item) -> Option<String> {
    match item.changes().first()? {
        Change::Delete(deletion) => {
            deletion.target.candidates.first().map(|key| key.expose().to_owned())
        }
        change => {
            let identity = change.identity()?;
            Some(identity.local.as_ref().unwrap_or(&identity.key).expose().to_owned())
        }
    }
}

fn choose(items: &mut [Item], group: &[usize], order: Order) {
    let content = |item: &Item| item.changes().iter().map(Change::fingerprint).collect::<Vec<_>>();
    let age = |item: &Item| {
        let writes = order == Order::Any && !matches!(item.changes(), [Change::Delete(_)]);
        let version = item.revision.version.as_deref().and_then(|v| v.parse::<u64>().ok());
        (writes, item.revision.updated_at, version)
    };
    let newest = group.iter().map(|i| age(&items[*i])).max();
    let candidates: Vec<usize> =
        group.iter().copied().filter(|i| Some(age(&items[*i])) == newest).collect();
    let Some((&chosen, rivals)) = candidates.split_first() else { return };
    if rivals.iter().all(|rival| content(&items[*rival]) == content(&items[chosen])) {
        let (kept, newest) = (content(&items[chosen]), candidates.len());
        for &i in group.iter().filter(|i| **i != chosen) {
            let same = newest > 1 && content(&items[i]) == kept;
            let why = if same { Why::Twice } else { Why::OlderVersion };
            end(&mut items[i], Reading::Ignored, Remark::at(".", why));
        }
    } else {
        for &i in group {
            end(
                &mut items[i],
                Reading::Rejected,
                Remark::at("meta.lastUpdated", Why::Contradiction),
            );
        }
    }
}

fn end(item: &mut Item, reading: Reading, remark: Remark) {
    item.reading = reading;
    item.remarks.insert(0, remark);
}
