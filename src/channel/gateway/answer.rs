//! What a gateway's answer means: its status, and what its body says of each entry.

use super::super::build::{ChannelConfigError, Section};
use super::super::codes::CodeTable;
use super::super::http::{Answer, Spoken};
use super::super::verdict::{self, Said};
use super::super::{Action, Outcome};
use super::codes;
use super::document::Document;
use super::field::{Field, NoField, expression};
use crate::care::time::SECOND_MS;
use crate::config::GatewayConfig;
use regex::Regex;
use serde_json::Value;
use std::ops::RangeInclusive;

/// How answers are read.
pub(super) struct Answers {
    statuses: Vec<RangeInclusive<u16>>,
    each: Option<Field>,
    ok: Option<Test>,
    id: Option<Field>,
    code: Option<Field>,
    retry_after: Option<Field>,
    codes: CodeTable,
}

struct Test {
    at: Field,
    is: Vec<String>,
    matches: Option<Regex>,
}

/// What becomes of one entry.
enum Entry {
    Taken(Option<String>),
    Refused(String),
    Unclear,
}

impl Answers {
    pub(super) fn new(
        section: Section<'_>,
        config: &GatewayConfig,
    ) -> Result<Self, ChannelConfigError> {
        let wrong = |key: &'static str| {
            move |no: NoField| ChannelConfigError::WrongForm {
                key: section.key(&format!("answer.{key}")),
                fix: no.0,
            }
        };
        let answer = &config.answer;
        let field = |key, text: &Option<String>| {
            text.as_deref().map(Field::parse).transpose().map_err(wrong(key))
        };
        let statuses = answer.statuses.iter().map(|text| statuses(text)).collect::<Option<_>>();
        let statuses =
            statuses.ok_or(NoField("write 200 or 200-299")).map_err(wrong("statuses"))?;
        let ok = match &answer.ok {
            None => None,
            Some(test) if test.is.is_empty() && test.matches.is_none() => {
                let nothing = NoField("give `is` with a list of words, or `matches`");
                return Err(wrong("ok")(nothing));
            }
            Some(test) => Some(Test {
                at: Field::parse(&test.at).map_err(wrong("ok.at"))?,
                is: test.is.clone(),
                matches: test
                    .matches
                    .as_deref()
                    .map(expression)
                    .transpose()
                    .map_err(wrong("ok.matches"))?,
            }),
        };
        Ok(Self {
            statuses,
            each: field("each", &answer.each)?,
            ok,
            id: field("id", &answer.id)?,
            code: field("code", &answer.code)?,
            retry_after: field("retry_after", &answer.retry_after)?,
            codes: codes::of_answers(section, config)?,
        })
    }

    /// The outcome of an answered send. What is half taken is unknown, for some of it may be on its way.
    pub(super) fn outcome(&self, spoken: &Spoken) -> Outcome {
        let document = Document::of_answer(spoken.body.as_deref().unwrap_or_default());
        let mut retry_after_ms = spoken.retry_after_ms;
        if let Some(seconds) = self.retry_after.as_ref().and_then(|f| f.of(&document, None)) {
            let asked = seconds.trim().parse::<u32>().ok().map(|s| i64::from(s) * SECOND_MS);
            retry_after_ms = retry_after_ms.max(asked);
        }
        let succeeded = self.is_success(spoken.status);
        let entries =
            if spoken.body.is_some() { self.entries(&document) } else { vec![Entry::Unclear] };
        let mut ids = Vec::new();
        let (mut taken, mut unclear, mut refused) = (0, 0, None);
        for entry in entries {
            match entry {
                Entry::Taken(id) => {
                    taken += 1;
                    ids.extend(id);
                }
                Entry::Refused(code) => refused = refused.or(Some(code)),
                Entry::Unclear => unclear += 1,
            }
        }
        let status = match (succeeded, spoken.status) {
            (true, _) => 200,
            // A success that the configuration does not count as one.
            (false, 200..300) => 500,
            (false, other) => other,
        };
        if succeeded && refused.is_none() && unclear == 0 && taken > 0 {
            return Outcome::Accepted { ids };
        }
        if succeeded && (taken > 0 || refused.is_none()) {
            return Outcome::Unknown { stage: "body" };
        }
        let by_status = format!("http-{}", spoken.status);
        let known = |code: &String| self.codes.asks(code).is_some();
        let code = refused.or_else(|| Some(by_status).filter(known));
        let said = Said { ids: Vec::new(), code };
        let answer = Answer { status, retry_after_ms, body: None };
        match verdict::outcome(&answer, said, &self.codes) {
            Outcome::Refused { action: Action::Unknown, .. } => {
                Outcome::Unknown { stage: "status" }
            }
            outcome => outcome,
        }
    }

    fn is_success(&self, status: u16) -> bool {
        let usual = 200..=299;
        match &self.statuses[..] {
            [] => usual.contains(&status),
            said => said.iter().any(|range| range.contains(&status)),
        }
    }

    fn entries(&self, document: &Document<'_>) -> Vec<Entry> {
        let Some(each) = &self.each else { return vec![self.entry(document, None)] };
        match each.entries(document) {
            Some(entries) if !entries.is_empty() => {
                entries.into_iter().map(|entry| self.entry(document, Some(entry))).collect()
            }
            // Without entries the body as a whole may say why.
            _ => vec![self.code(document, None).map_or(Entry::Unclear, Entry::Refused)],
        }
    }

    fn entry(&self, document: &Document<'_>, entry: Option<&Value>) -> Entry {
        if let Some(test) = &self.ok {
            let found = test.at.of(document, entry);
            let passes = |text: &String| {
                test.is.iter().any(|word| word == text.trim())
                    || test.matches.as_ref().is_some_and(|matches| matches.is_match(text))
            };
            if !found.as_ref().is_some_and(passes) {
                // A word that is not among those of success is its own code; a text may be anything.
                let itself = found.filter(|_| !test.is.is_empty()).map(|text| codes::code(&text));
                return self
                    .code(document, entry)
                    .or(itself)
                    .map_or(Entry::Unclear, Entry::Refused);
            }
        }
        match &self.id {
            None => Entry::Taken(None),
            Some(id) => match id.of(document, entry) {
                Some(id) => Entry::Taken(Some(id.trim().to_owned())),
                None if self.ok.is_some() => Entry::Unclear,
                None => self.code(document, entry).map_or(Entry::Unclear, Entry::Refused),
            },
        }
    }

    /// The first code that asks for something; else the first there is.
    fn code(&self, document: &Document<'_>, entry: Option<&Value>) -> Option<String> {
        let field = self.code.as_ref()?;
        let found: Vec<String> =
            field.all(document, entry).map(|text| codes::code(&text)).collect();
        let known = found.iter().find(|code| self.codes.asks(code).is_some());
        known.or(found.first()).cloned()
    }
}

fn statuses(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (100 <= first && first <= last && last <= 599).then_some(first..=last)
}
