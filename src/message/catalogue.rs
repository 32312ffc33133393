//! The texts: one Fluent bundle per programme and language.

use super::check;
use super::files::{self, CatalogueProblem, FileKind, GENERAL, ProgrammeFile, nearest, normal_tag};
use super::letter::Letters;
use super::name::known_ids;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use unic_langid::LanguageIdentifier;

/// The texts of all programmes in all languages, checked.
///
/// A message that a programme does not write is taken from `general` in the same language, never from another
/// language: a patient who cannot read a text is not reminded (hazard H10).
pub struct Catalogue {
    /// By programme, then language tag in lower case.
    texts: BTreeMap<String, BTreeMap<String, Texts>>,
    pub(super) letters: Letters,
}

/// The messages of one programme in one language, those of `general` filled in.
pub(super) struct Texts {
    /// The language tag, in lower case.
    pub language: String,
    bundle: FluentBundle<Arc<FluentResource>>,
}

impl Catalogue {
    /// Reads the copy in the binary and lays `overlay` (the folder `schedules.dir`) over it, message by message.
    ///
    /// # Errors
    /// Every problem found: files that do not parse, unknown or doubled messages, and messages that do not
    /// render with sample values or leave out what they must say.
    pub fn load(overlay: Option<&Path>) -> Result<Self, Vec<CatalogueProblem>> {
        let mut problems = Vec::new();
        let mut layers: BTreeMap<(String, String), Vec<Arc<FluentResource>>> = BTreeMap::new();
        for file in files::read(overlay)? {
            let FileKind::Texts { language } = &file.kind else { continue };
            if let Some(resource) = parse(&file, &mut problems) {
                let key = (file.programme.clone(), language.clone());
                layers.entry(key).or_default().push(Arc::new(resource));
            }
        }
        let mut catalogue = Self { texts: BTreeMap::new(), letters: Letters::load(overlay)? };
        for ((programme, language), own) in &layers {
            let general = (GENERAL.to_owned(), language.clone());
            let beneath = if programme == GENERAL { None } else { layers.get(&general) }
                .into_iter()
                .flatten();
            match Texts::new(language, beneath.chain(own)) {
                Some(texts) => {
                    let languages = catalogue.texts.entry(programme.clone()).or_default();
                    languages.insert(language.clone(), texts);
                }
                None => problems.push(CatalogueProblem {
                    file: format!("{programme}/{language}.ftl"),
                    place: "the file's name".to_owned(),
                    what: "it is not a language tag (BCP 47)".to_owned(),
                    fix: "name it like en.ftl or pt-BR.ftl".to_owned(),
                }),
            }
        }
        if problems.is_empty() {
            problems = catalogue.check();
        }
        if problems.is_empty() { Ok(catalogue) } else { Err(problems) }
    }

    /// The languages in which a programme's patients can be reminded, as lower-case tags.
    pub fn languages(&self, programme: &str) -> Vec<&str> {
        let own = self.texts.get(programme).into_iter().chain(self.texts.get(GENERAL));
        let mut languages: Vec<&str> = own.flat_map(BTreeMap::keys).map(String::as_str).collect();
        languages.sort_unstable();
        languages.dedup();
        languages
    }

    /// The texts for a patient's language: the tag itself, then without its last subtags (`pt-BR`, then `pt`).
    pub(super) fn texts(&self, programme: &str, language: &str) -> Option<&Texts> {
        let tag = normal_tag(language);
        let mut tag = tag.as_str();
        loop {
            let found = [programme, GENERAL]
                .into_iter()
                .find_map(|name| self.texts.get(name).and_then(|languages| languages.get(tag)));
            if found.is_some() {
                return found;
            }
            tag = tag.rsplit_once('-')?.0;
        }
    }

    /// Every message of every programme in every language with sample values.
    fn check(&self) -> Vec<CatalogueProblem> {
        self.texts
            .iter()
            .flat_map(|(programme, languages)| languages.values().map(move |t| (programme, t)))
            .flat_map(|(programme, texts)| check::problems(programme, texts))
            .collect()
    }
}

impl Texts {
    /// `None` when the language is no language tag.
    fn new<'a>(
        language: &str,
        layers: impl Iterator<Item = &'a Arc<FluentResource>>,
    ) -> Option<Self> {
        let identifier: LanguageIdentifier = language.parse().ok()?;
        let mut bundle = FluentBundle::new_concurrent(vec![identifier]);
        // FSI and PDI are not in the GSM alphabet: one pair makes an SMS of 160 characters one of 70.
        bundle.set_use_isolating(false);
        for resource in layers {
            bundle.add_resource_overriding(Arc::clone(resource));
        }
        Some(Self { language: language.to_owned(), bundle })
    }

    /// The text of a message.
    ///
    /// # Errors
    /// What is missing: the message, or a variable, term or function it refers to.
    pub(super) fn say(&self, id: &str, variables: &FluentArgs<'_>) -> Result<String, String> {
        let pattern = self
            .bundle
            .get_message(id)
            .and_then(|message| message.value())
            .ok_or_else(|| "the message is missing".to_owned())?;
        let mut faults = Vec::new();
        let text = self.bundle.format_pattern(pattern, Some(variables), &mut faults);
        match faults.first() {
            None => Ok(text.into_owned()),
            Some(fault) => Err(fault.to_string()),
        }
    }
}

fn parse(file: &ProgrammeFile, problems: &mut Vec<CatalogueProblem>) -> Option<FluentResource> {
    let before = problems.len();
    let mut problem = |place: String, what: String, fix: String| {
        problems.push(CatalogueProblem { file: file.shown.clone(), place, what, fix });
    };
    let known = known_ids();
    let mut seen: Vec<&str> = Vec::new();
    for (line, id) in message_ids(&file.text) {
        if seen.contains(&id) {
            let fix = "keep one of the two".to_owned();
            problem(format!("line {line}"), format!("message {id} is written twice"), fix);
        } else if !known.iter().any(|name| name == id) {
            let near = nearest(id, known.iter().map(String::as_str));
            let fix = near.map_or("remove it".to_owned(), |near| format!("did you mean {near}?"));
            problem(format!("line {line}"), format!("there is no message {id}"), fix);
        }
        seen.push(id);
    }
    let parsed = FluentResource::try_new(file.text.clone().into_owned());
    if let Err((_, faults)) = &parsed {
        for fault in faults {
            let line = 1 + file.text[..fault.pos.start].matches('\n').count();
            let fix = "correct the Fluent syntax (https://projectfluent.org/fluent/guide/)";
            problem(format!("line {line}"), fault.kind.to_string(), fix.to_owned());
        }
    }
    if problems.len() == before { parsed.ok() } else { None }
}

/// Lines and ids of the messages of a Fluent text: only a message's id stands at the start of a line before `=`.
fn message_ids(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let id = line.split_once('=')?.0.trim_end();
        let is_id = id.starts_with(|c: char| c.is_ascii_alphabetic())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        is_id.then_some((index + 1, id))
    })
}
