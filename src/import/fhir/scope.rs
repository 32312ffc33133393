//! Who is who within a document: identities, and where references lead.

use super::bundle::Stop;
use super::datatypes::{Head, Identifier, Meta, Reference as Written};
use super::json::{Remarks, parse};
use crate::import::Settings;
use crate::import::change::{Identity, Key, Reference};
use crate::import::why::Why;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};

/// A resource of the document, read as far as to know it.
pub(super) struct Known<'a> {
    pub(super) source: String,
    pub(super) kind: String,
    pub(super) id: Option<String>,
    pub(super) meta: Option<Meta>,
    pub(super) json: &'a str,
    /// The text that holds contained resources: its own, or the container's when it is contained itself.
    pub(super) container: &'a str,
    /// `search.mode` when it is not a match.
    pub(super) company: Option<String>,
    /// Whether it bears modifier extensions.
    pub(super) modified: bool,
    /// Whether one of its business identifiers stands on another resource too.
    pub(super) shares_identifier: bool,
    /// Names; `None` until it has been read, when it has neither identifier nor id.
    pub(super) identity: Option<Identity>,
    identifiers: Vec<Identifier>,
    full_url: Option<String>,
}

impl<'a> Known<'a> {
    pub(super) fn new(head: Head, full_url: Option<String>, json: &'a str, source: String) -> Self {
        Self {
            source,
            kind: head.kind.unwrap_or_default(),
            id: head.id.map(|id| id.value).filter(|id| !id.trim().is_empty()),
            meta: head.meta,
            json,
            container: json,
            company: None,
            modified: head.modifier.0,
            shares_identifier: false,
            identity: None,
            identifiers: head.identifier.0,
            full_url,
        }
    }

    /// A resource contained in another one.
    pub(super) fn inside(container: &Self, head: Head, json: &'a str) -> Self {
        let container_json = container.container;
        Self { container: container_json, ..Self::new(head, None, json, container.source.clone()) }
    }

    /// The base of the server it comes from, when its fullUrl is a RESTful one.
    fn base(&self) -> Option<&str> {
        let full = self.full_url.as_deref().filter(|full| full.starts_with("http"))?;
        full.split_once(&format!("/{}/", self.kind)).map(|(base, _)| base)
    }

    /// Source and id.
    fn local(&self, source_system: &str) -> Option<Key> {
        let id = self.id.as_ref()?;
        let base = self.base().unwrap_or(source_system);
        Some(Key::new(format!("{base}/{}/{id}", self.kind)))
    }
}

/// A document and what its resources are called.
pub(super) struct Scope<'a> {
    pub(super) settings: &'a Settings<'a>,
    pub(super) known: Vec<Known<'a>>,
    /// By fullUrl, `Type/id` and id; `None` where a name is ambiguous.
    by_name: HashMap<String, Option<usize>>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(settings: &'a Settings<'a>, mut known: Vec<Known<'a>>) -> Self {
        let shared = shared_identifiers(&known, settings);
        for one in &mut known {
            let mut names = business_keys(&one.identifiers, &settings.source_system);
            let before = names.len();
            names.retain(|key| !shared.contains(&(one.kind.clone(), key.expose().to_owned())));
            one.shares_identifier = names.len() < before;
            one.identity = identity(names, one.local(&settings.source_system));
        }
        let mut by_name: HashMap<String, Option<usize>> = HashMap::new();
        for (i, one) in known.iter().enumerate() {
            let typed = one.id.as_ref().map(|id| format!("{}/{id}", one.kind));
            for name in [one.full_url.clone(), typed, one.id.clone()].into_iter().flatten() {
                let same =
                    |j: &usize| known[*j].kind == one.kind && known[*j].full_url == one.full_url;
                let seen = by_name.entry(name).or_insert(Some(i));
                *seen = seen.filter(same);
            }
        }
        Self { settings, known, by_name }
    }

    /// Where a reference leads. `expected` is the type that a bare id is taken for.
    pub(super) fn resolve(
        &self,
        from: &Known<'a>,
        written: &Written,
        expected: &str,
    ) -> Option<Target<'_, 'a>> {
        let logical = business_keys(&written.identifier, &self.settings.source_system);
        let Some(text) =
            written.reference.as_deref().map(str::trim).filter(|text| !text.is_empty())
        else {
            let candidates = logical;
            return (!candidates.is_empty()).then(|| Target::Outside {
                kind: written.kind.clone(),
                to: Reference { candidates },
            });
        };
        if let Some(inner) = text.strip_prefix('#') {
            let id = inner.rsplit('/').next().unwrap_or(inner);
            return contained(from.container, id)
                .map(|(head, json)| Target::Contained { head: Box::new(head), json });
        }
        let name = text.split("/_history/").next().unwrap_or(text);
        // A relative reference is relative to the server that its bearer comes from (R4 Bundle, 2.36.4.1).
        let relative = name.contains('/') && !name.contains(':');
        let absolute = from.base().filter(|_| relative).map(|base| format!("{base}/{name}"));
        let names = match &absolute {
            Some(absolute) => vec![absolute.clone()],
            None => vec![name.to_owned(), format!("urn:uuid:{name}")],
        };
        if let Some(i) = names.iter().find_map(|name| self.by_name.get(name).copied().flatten()) {
            return Some(Target::Inside(&self.known[i]));
        }
        let key = if let Some((_, identifier)) = name.split_once("?identifier=") {
            conditional(identifier, &self.settings.source_system)
        } else if name.contains(':') {
            name.to_owned()
        } else if name.contains('/') {
            absolute.unwrap_or_else(|| format!("{}/{name}", self.settings.source_system))
        } else {
            format!("{}/{expected}/{name}", self.settings.source_system)
        };
        let mut candidates = vec![Key::new(key)];
        candidates.extend(logical);
        let kind = written.kind.clone().or_else(|| kind_of(name));
        Some(Target::Outside { kind, to: Reference { candidates } })
    }

    /// The patient that a resource is about.
    pub(super) fn subject(
        &self,
        from: &Known<'a>,
        written: Option<&Written>,
        path: &str,
    ) -> Result<Reference, Stop> {
        let nobody = || Stop::reject(path, Why::NoSubject);
        let target = written.and_then(|w| self.resolve(from, w, "Patient")).ok_or_else(nobody)?;
        match target.kind() {
            Some("Patient") | None => {
                let rejected = matches!(target, Target::Inside(_));
                let why = if rejected { Why::PatientRejected } else { Why::NoSubject };
                target.reference(self).ok_or_else(|| Stop::reject(path, why))
            }
            Some(_) => Err(Stop::ignore(path, Why::NotForPatient)),
        }
    }

    /// The names of a resource, or the fingerprint that stands for them.
    pub(super) fn identity(
        &self,
        known: &Known<'a>,
        print: impl FnOnce() -> Option<String>,
    ) -> Option<Identity> {
        known.identity.clone().or_else(|| {
            let print = print()?;
            Some(Identity::of(Key::new(format!("{}#{}", self.settings.source_system, print))))
        })
    }

    /// References, resolved; what leads nowhere is remarked and left out.
    pub(super) fn all(
        &self,
        from: &Known<'a>,
        written: &[Written],
        path: &str,
        remarks: &mut Remarks,
    ) -> Vec<Reference> {
        let mut found = Vec::new();
        for (i, one) in written.iter().enumerate() {
            match self.resolve(from, one, &from.kind).and_then(|target| target.reference(self)) {
                Some(reference) => found.push(reference),
                None => remarks.add(format!("{path}[{i}]"), Why::Dangling),
            }
        }
        found
    }
}

/// What a reference leads to.
pub(super) enum Target<'s, 'a> {
    /// A resource of the document.
    Inside(&'s Known<'a>),
    /// A contained resource.
    Contained { head: Box<Head>, json: &'a str },
    /// Something that is not in the document.
    Outside { kind: Option<String>, to: Reference },
}

impl<'a> Target<'_, 'a> {
    /// Its resource type, as far as it is known.
    pub(super) fn kind(&self) -> Option<&str> {
        match self {
            Self::Inside(known) => Some(&known.kind),
            Self::Contained { head, .. } => head.kind.as_deref(),
            Self::Outside { kind, .. } => kind.as_deref(),
        }
    }

    /// Its text, when it is in the document.
    pub(super) fn json(&self) -> Option<&'a str> {
        match self {
            Self::Inside(known) => Some(known.json),
            Self::Contained { json, .. } => Some(json),
            Self::Outside { .. } => None,
        }
    }

    /// The names to find it by. A contained resource has no life of its own: only a business identifier names it.
    pub(super) fn reference(self, scope: &Scope<'_>) -> Option<Reference> {
        match self {
            Self::Inside(known) => known.identity.as_ref().map(Reference::to),
            Self::Contained { head, .. } => {
                let candidates = business_keys(&head.identifier, &scope.settings.source_system);
                (!candidates.is_empty()).then_some(Reference { candidates })
            }
            Self::Outside { to, .. } => Some(to),
        }
    }
}

#[derive(Deserialize)]
struct Container<'a> {
    #[serde(borrow, default)]
    contained: Option<Vec<&'a RawValue>>,
}

fn contained<'a>(json: &'a str, id: &str) -> Option<(Head, &'a str)> {
    let all = parse::<Container<'a>>(json).ok()?.contained?;
    all.into_iter().find_map(|raw| {
        let head = parse::<Head>(raw.get()).ok()?;
        let own = head.id.as_ref()?.value.trim_start_matches('#');
        (own == id).then_some((head, raw.get()))
    })
}

/// The type in `Type/id` or `http://server/Type/id`.
fn kind_of(name: &str) -> Option<String> {
    let mut parts = name.split('?').next()?.rsplit('/');
    let last = parts.next()?;
    let kind = if name.contains('?') { last } else { parts.next()? };
    kind.starts_with(|c: char| c.is_ascii_uppercase()).then(|| kind.to_owned())
}

/// The key in `Type?identifier=system|value`; without a system it is the source's own.
pub(super) fn conditional(identifier: &str, source_system: &str) -> String {
    let text = identifier.replace("%7C", "|").replace("%7c", "|");
    match text.split_once('|') {
        Some((system, _)) if !system.is_empty() => text,
        Some((_, value)) => format!("{source_system}|{value}"),
        None => format!("{source_system}|{text}"),
    }
}

/// `system|value` of each lasting identifier: the official first, then in order of text, so that the order in
/// the source does not matter.
fn business_keys(identifiers: &[Identifier], source_system: &str) -> Vec<Key> {
    let mut keys: Vec<(u8, String)> = identifiers
        .iter()
        .filter_map(|identifier| {
            let rank = match identifier.usage.as_deref() {
                Some("official") => 0,
                Some("old" | "temp") => return None,
                Some("secondary") => 2,
                _ => 1,
            };
            let value = identifier.value.as_ref()?.value.trim();
            let system = identifier.system.as_deref().map(str::trim).filter(|s| !s.is_empty());
            (!value.is_empty())
                .then(|| (rank, format!("{}|{value}", system.unwrap_or(source_system))))
        })
        .collect();
    keys.sort();
    keys.dedup_by(|a, b| a.1 == b.1);
    keys.into_iter().map(|(_, key)| Key::new(key)).collect()
}

fn identity(business: Vec<Key>, local: Option<Key>) -> Option<Identity> {
    let mut names = business.into_iter();
    match (names.next(), local) {
        (Some(key), local) => Some(Identity { key, local, others: names.collect() }),
        (None, Some(local)) => {
            Some(Identity { key: local.clone(), local: Some(local), others: Vec::new() })
        }
        (None, None) => None,
    }
}

/// Business identifiers that stand on several resources of one type: they name none of them.
fn shared_identifiers(known: &[Known<'_>], settings: &Settings<'_>) -> HashSet<(String, String)> {
    let mut owners: HashMap<(String, String), Option<Key>> = HashMap::new();
    let mut shared = HashSet::new();
    for one in known {
        let local = one.local(&settings.source_system);
        for key in business_keys(&one.identifiers, &settings.source_system) {
            let name = (one.kind.clone(), key.expose().to_owned());
            match owners.get(&name) {
                Some(owner) if *owner != local => drop(shared.insert(name)),
                Some(_) => {}
                None => drop(owners.insert(name, local.clone())),
            }
        }
    }
    shared
}
