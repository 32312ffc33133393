//! `carebell messages check`.

use super::Texts;
use crate::care::ChannelKind;
use crate::cli::installation::not_found;
use crate::cli::{Context, Exit, Failure, Form, Tone, printable, wrapped};
use crate::message::survey::{Finding, Size, Surveyed, Weight, named, survey};
use crate::message::{Catalogue, MessageName};
use crate::policy::keywords::{Heard, hear};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// More parts than this are a problem unless said otherwise: what the texts in the binary take at most.
const MOST_PARTS: usize = 4;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One programme alone
    #[arg(long, value_name = "NAME")]
    programme: Option<String>,
    /// One language alone
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// More parts of SMS than these are a problem
    #[arg(long, value_name = "NUMBER", default_value_t = MOST_PARTS)]
    parts: usize,
    /// Show every message, not only what was found
    #[arg(long, conflicts_with = "json")]
    all: bool,
    #[command(flatten)]
    form: Form,
}

#[derive(Serialize)]
struct Answer<'a> {
    currency: &'a str,
    problems: usize,
    hints: usize,
    messages: &'a [Surveyed],
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let texts = Texts::read(context)?;
    let messages = surveyed(args, &texts)?;
    let count = |weight| {
        let findings = messages.iter().flat_map(|one| &one.findings);
        findings.filter(|finding| finding.weight() == weight).count()
    };
    let (problems, hints) = (count(Weight::Problem), count(Weight::Hint));
    let currency = texts.prices.currency.as_str();
    if args.form.json {
        context.output.json(&Answer { currency, problems, hints, messages: &messages })?;
    } else {
        print(args, currency, &messages, context)?;
        context.output.say(&format!("{problems} problem(s), {hints} hint(s)"));
    }
    if problems == 0 { Ok(()) } else { Err(Failure::Answered(Exit::Failed)) }
}

fn surveyed(args: &Args, texts: &Texts) -> Result<Vec<Surveyed>, Failure> {
    let wanted = |name: &str| args.programme.as_deref().is_none_or(|only| only == name);
    let programmes: Vec<_> = texts.programmes.iter().filter(|p| wanted(&p.name)).collect();
    if programmes.is_empty() {
        let name = args.programme.clone().unwrap_or_default();
        return Err(not_found("programme", &name, "carebell messages check names them all"));
    }
    let mut messages: Vec<Surveyed> = programmes
        .iter()
        .flat_map(|programme| survey(&texts.catalogue, programme, &texts.prices, args.parts))
        .collect();
    if let Some(language) = &args.language {
        messages.retain(|one| one.language.eq_ignore_ascii_case(language));
        if messages.is_empty() {
            return Err(not_found("text in language", language, "add <language>.ftl"));
        }
    }
    for programme in programmes {
        for language in texts.catalogue.languages(&programme.name) {
            for (what, word, expected) in ANSWERS {
                let heard = teaches(&texts.catalogue, programme, what, language, expected);
                let mut rows = messages.iter_mut().filter(|one| {
                    (one.programme.as_str(), one.language.as_str(), one.message.as_str())
                        == (&programme.name, language, what.word())
                });
                // Once a text, not once a channel.
                if let (false, Some(row)) = (heard, rows.next()) {
                    row.findings.push(Finding::Wordless { word });
                }
            }
        }
    }
    Ok(messages)
}

/// Answers, and the word that each must teach.
const ANSWERS: [(MessageName, &str, Heard); 3] = [
    (MessageName::StopConfirmation, "START", Heard::Start),
    (MessageName::StartConfirmation, "STOP", Heard::Stop),
    (MessageName::Help, "STOP", Heard::Stop),
];

/// Whether an answer holds a word that the daemon itself hears as it should.
fn teaches(
    catalogue: &Catalogue,
    programme: &crate::care::Programme,
    what: MessageName,
    language: &str,
    expected: Heard,
) -> bool {
    use crate::care::TextStyle;
    use crate::message::{Repeat, survey::sample};
    let saying = sample(what, language, TextStyle::Discreet, Repeat::First, ChannelKind::Sms);
    let Ok(rendered) = catalogue.render(programme, &saying) else { return true };
    let mut words = rendered.text.expose().split_whitespace();
    words.any(|word| hear(word) == expected)
}

fn print(
    args: &Args,
    currency: &str,
    messages: &[Surveyed],
    context: &Context,
) -> Result<(), Failure> {
    if args.all {
        let cost = format!("{currency} at most");
        let headers = ["message", "over", "characters", "alphabet", "parts", &cost];
        for one in
            messages.chunk_by(|a, b| (&a.programme, &a.language) == (&b.programme, &b.language))
        {
            let Some(first) = one.first() else { continue };
            context.output.print(&format!("\n{}, {}\n", first.programme, first.language))?;
            context.output.table(&headers, &one.iter().map(row).collect::<Vec<_>>())?;
        }
    } else {
        let dearest = format!("dearest SMS ({currency})");
        let headers = ["programme", "language", "texts", "longest SMS", "alphabet", &dearest];
        context.output.table(&headers, &summaries(messages))?;
    }
    let told = told(messages, context);
    if told.is_empty() { Ok(()) } else { context.output.print(&format!("\n{told}")) }
}

fn row(one: &Surveyed) -> Vec<String> {
    let size = |cell: &dyn Fn(&Size) -> Option<String>| {
        one.size.as_ref().and_then(cell).unwrap_or_else(|| "-".to_owned())
    };
    vec![
        one.message.clone(),
        one.channel.word().to_owned(),
        size(&|size| Some(size.characters.to_string())),
        size(&|size| Some(size.encoding?.word().to_owned())),
        size(&|size| Some(size.parts?.to_string())),
        size(&|size| Some(size.cost?.to_string())),
    ]
}

/// One row for each programme and language.
fn summaries(messages: &[Surveyed]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for one in messages.chunk_by(|a, b| (&a.programme, &a.language) == (&b.programme, &b.language))
    {
        let Some(first) = one.first() else { continue };
        let sms = || one.iter().filter_map(|one| one.size).filter(|size| size.parts.is_some());
        let longest = sms().max_by_key(|size| size.parts);
        let dearest = sms().filter_map(|size| size.cost).max();
        let dash = || "-".to_owned();
        rows.push(vec![
            first.programme.clone(),
            first.language.clone(),
            one.iter().filter(|one| one.size.is_some()).count().to_string(),
            longest.and_then(|size| size.parts).map_or_else(dash, |parts| format!("{parts} parts")),
            longest.and_then(|size| size.encoding).map_or_else(dash, |e| e.word().to_owned()),
            dearest.map_or_else(dash, |cost| cost.to_string()),
        ]);
    }
    rows
}

/// Findings, problems first; what several programmes, languages and messages share is told once.
fn told(messages: &[Surveyed], context: &Context) -> String {
    let mut groups: BTreeMap<(Weight, String), Group> = BTreeMap::new();
    for one in messages {
        for finding in &one.findings {
            let key = match finding {
                // Letters of a language return in all its texts.
                Finding::Forced { .. } => one.language.clone(),
                Finding::Untranslated => format!("{} as in English", one.language),
                _ => format!("{}, {finding}", one.message),
            };
            let group = groups.entry((finding.weight(), key)).or_default();
            group.add(one, finding);
        }
    }
    let mut text = String::new();
    for ((weight, _), group) in groups {
        let (tone, word) = match weight {
            Weight::Problem => (Tone::Bad, "problem"),
            Weight::Hint => (Tone::Warning, "hint   "),
        };
        let body = wrapped(&printable(&group.to_string()), 9);
        text += &body.replacen("       ", &context.output.paint(tone, word), 1);
    }
    text
}

/// Findings that are mended in one place.
#[derive(Default)]
struct Group {
    programmes: BTreeSet<String>,
    languages: BTreeSet<String>,
    messages: BTreeSet<String>,
    channels: BTreeSet<&'static str>,
    letters: Vec<char>,
    what: String,
}

impl Group {
    fn add(&mut self, one: &Surveyed, finding: &Finding) {
        self.programmes.insert(one.programme.clone());
        self.languages.insert(one.language.clone());
        self.messages.insert(one.message.clone());
        self.channels.insert(one.channel.word());
        if let Finding::Forced { characters, .. } = finding {
            let new = characters.iter().filter(|c| !self.letters.contains(c));
            self.letters.extend(new.copied().collect::<Vec<_>>());
            let letters = named(&self.letters);
            self.what = format!("16 bits a character and more parts for no more than {letters}");
        } else {
            self.what = finding.to_string();
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |all: &BTreeSet<String>| all.iter().cloned().collect::<Vec<_>>().join(" ");
        let channels = self.channels.iter().copied().collect::<Vec<_>>().join(" ");
        let (messages, languages) = (listed(&self.messages), listed(&self.languages));
        write!(
            f,
            "{messages} over {channels} in {languages} of {}: {}",
            listed(&self.programmes),
            self.what
        )
    }
}
