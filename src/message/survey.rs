//! What every message takes over every channel, with sample values, and what a programme should mend about it.

use super::cost::Charge;
use super::segments::{self, Encoding};
use super::template::{code_in, with_header};
use super::{
    Catalogue, Enclosed, Form, Item, MessageName, NotRenderable, Prices, Rendered, Repeat, Saying,
    media,
};
use crate::care::programme::Permission;
use crate::care::{ActivityKind, ChannelKind, MediaKind, Micros, Phi, Programme, TextStyle};
use chrono::{NaiveDate, NaiveDateTime};
use phonenumber::metadata::DATABASE;
use serde::Serialize;

/// So many different characters that force sixteen bits look like slips; more look like a language.
const FEW: usize = 6;
/// The shortest validity of a message that says doses, in seconds: that of a time-critical one (design.md section 5).
const SHORTEST_DOSE_SECONDS: i64 = 30 * 60;
/// That of everything else that is announced by templates with their longest TTL, in seconds.
const SHORTEST_OTHER_SECONDS: i64 = 2 * 60 * 60;
/// Messages that may be sent once more, marked as a repeat (design.md section 6).
const REPEATED: [MessageName; 6] = [
    MessageName::Measurement,
    MessageName::Refill,
    MessageName::CheckIn,
    MessageName::Appointment,
    MessageName::AppointmentAfter,
    MessageName::Several,
];

/// One message of one programme in one language over one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Surveyed {
    /// The programme.
    pub programme: String,
    /// Its language tag.
    pub language: String,
    /// The message's id in the catalogue; `-repeat` at the end where it is marked as one.
    pub message: String,
    /// The channel.
    pub channel: ChannelKind,
    /// What it takes; absent when there is no text.
    #[serde(flatten)]
    pub size: Option<Size>,
    /// What is wrong with it or could be better.
    pub findings: Vec<Finding>,
}

/// What a message takes, with sample values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Characters that the patient reads.
    pub characters: usize,
    /// The alphabet; of SMS only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// Parts; of SMS only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<usize>,
    /// Estimated price to the programme's region; absent where none is known.
    pub cost: Option<Micros>,
}

/// Something to mend, or to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "finding", rename_all = "kebab-case")]
pub enum Finding {
    /// It cannot be said over this channel.
    #[error("{why}")]
    Unsaid {
        /// Why.
        why: String,
    },
    /// It cannot be repeated over this channel; another one is taken.
    #[error(
        "a repeat goes over another channel: there is no template {template}; add it to programme.toml"
    )]
    Unrepeated {
        /// The template that is looked for.
        template: String,
    },
    /// Many parts.
    #[error("takes {parts} parts, {limit} at most are wanted: shorten the text")]
    Long {
        /// How many.
        parts: usize,
        /// How many are wanted at most.
        limit: usize,
    },
    /// A few characters make the whole text dearer.
    #[error("16 bits a character, {parts} parts instead of {without}, for {}", named(characters))]
    Forced {
        /// Which.
        characters: Vec<char>,
        /// Parts now.
        parts: usize,
        /// Parts with letters of the seven-bit alphabet in their place.
        without: usize,
    },
    /// Material that no template shows.
    #[error("shows no {}: words go alone until there is a template {template} in this language", kind.word())]
    Unshown {
        /// The kind of file.
        kind: MediaKind,
        /// The template that is looked for.
        template: String,
    },
    /// Material without an edition in the language.
    #[error("words go alone: there is no edition of {material} in this language")]
    Uncovered {
        /// Its name.
        material: String,
    },
    /// The English text under another language.
    #[error("says the same as in English: is it translated?")]
    Untranslated,
    /// An answer without the word that it should teach.
    #[error("holds no word that is heard as {word}: patients cannot know what to reply")]
    Wordless {
        /// The word, in English.
        word: &'static str,
    },
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// A patient would not get the message, or not as wanted.
    Problem,
    /// It works, and could be better.
    Hint,
}

impl Finding {
    /// How bad it is.
    pub const fn weight(&self) -> Weight {
        match self {
            Self::Unsaid { .. } | Self::Long { .. } | Self::Wordless { .. } => Weight::Problem,
            Self::Unrepeated { .. }
            | Self::Forced { .. }
            | Self::Unshown { .. }
            | Self::Uncovered { .. }
            | Self::Untranslated => Weight::Hint,
        }
    }
}

/// Surveys a programme: every message in every language over every channel that it uses. More parts of SMS than
/// `most_parts` are a problem.
pub fn survey(
    catalogue: &Catalogue,
    programme: &Programme,
    prices: &Prices,
    most_parts: usize,
) -> Vec<Surveyed> {
    let region = number_beginning(programme);
    let mut all = Vec::new();
    for language in catalogue.languages(&programme.name) {
        for (what, style, repeat) in messages(programme) {
            for &channel in &programme.channels {
                let saying = sample(what, language, style, repeat, channel);
                let rendered = catalogue.render(programme, &saying);
                let mut findings = Vec::new();
                let size = match rendered {
                    Ok(rendered) => {
                        let charge = Charge::of(&rendered, channel);
                        let size = size(&rendered, channel, prices.estimate(charge, &region));
                        findings.extend(lint(&rendered, size, most_parts));
                        findings.extend(untranslated(catalogue, programme, &saying, &rendered));
                        Some(size)
                    }
                    Err(fault) => {
                        findings.push(unsaid(fault, repeat));
                        None
                    }
                };
                if repeat == Repeat::First && what == MessageName::Education {
                    findings.extend(unseen(programme, what, language, channel));
                }
                let repeated = if repeat == Repeat::Again { "-repeat" } else { "" };
                all.push(Surveyed {
                    programme: programme.name.clone(),
                    language: language.to_owned(),
                    message: what.id(style) + repeated,
                    channel,
                    size,
                    findings,
                });
            }
        }
    }
    all
}

/// Material that patients of a language do not get to see with a message.
fn unseen(
    programme: &Programme,
    what: MessageName,
    language: &str,
    channel: ChannelKind,
) -> Vec<Finding> {
    let find = |material: &String| {
        let Some(edition) = media::edition(programme, material, language) else {
            return Some(Finding::Uncovered { material: material.clone() });
        };
        let kind = media::kind(edition).filter(|_| channel == ChannelKind::Whatsapp)?;
        let template = with_header(what.word(), kind);
        let known = programme.whatsapp_templates.get(&template);
        let is_there = known.is_some_and(|known| code_in(known, language).is_some());
        (!is_there).then_some(Finding::Unshown { kind, template })
    };
    let mut findings: Vec<Finding> = programme.media.keys().filter_map(find).collect();
    findings.dedup();
    findings
}

/// Every message that the programme can say, in the styles that it permits, and once more where it may be repeated.
fn messages(programme: &Programme) -> Vec<(MessageName, TextStyle, Repeat)> {
    let permitted = |style: &&TextStyle| {
        **style == TextStyle::Discreet || programme.overt_texts == Permission::Allowed
    };
    let mut messages = Vec::new();
    for what in MessageName::ALL {
        for &style in what.styles().iter().filter(permitted) {
            messages.push((what, style, Repeat::First));
            if REPEATED.contains(&what) {
                messages.push((what, style, Repeat::Again));
            }
        }
    }
    messages
}

/// A saying with values as long as usual ones.
pub fn sample(
    what: MessageName,
    language: &str,
    style: TextStyle,
    repeat: Repeat,
    channel: ChannelKind,
) -> Saying {
    let kinds: &[ActivityKind] = match what {
        MessageName::Several => &[ActivityKind::Measurement, ActivityKind::Refill],
        what if !what.is_reminder() => &[],
        _ => &[ActivityKind::Medication],
    };
    let item = |kind: &ActivityKind| Item {
        kind: *kind,
        title: Phi::from("Sample item 500 mg"),
        instruction: Some(Phi::from("one with food")),
    };
    Saying {
        what,
        language: language.to_owned(),
        style,
        form: form(what, channel),
        local_time: sample_time(),
        also_at: Vec::new(),
        items: kinds.iter().map(item).collect(),
        repeat,
        material: Enclosed::default(),
    }
}

/// How a message travels over a kind of channel, with the least validity that it may have.
pub fn form(what: MessageName, channel: ChannelKind) -> Form {
    match channel {
        ChannelKind::Sms => Form::Text,
        ChannelKind::Email => Form::Email,
        ChannelKind::Whatsapp if !what.is_reminder() => Form::Text,
        ChannelKind::Whatsapp => Form::Template {
            valid_for_seconds: match what {
                MessageName::Dose => SHORTEST_DOSE_SECONDS,
                _ => SHORTEST_OTHER_SECONDS,
            },
        },
    }
}

/// A Wednesday in September: the longest date in most languages.
fn sample_time() -> NaiveDateTime {
    let day = NaiveDate::from_ymd_opt(2026, 9, 23).unwrap_or_default();
    day.and_hms_opt(8, 30, 0).unwrap_or_default()
}

/// How numbers of the programme's region begin; empty where it names none.
pub fn number_beginning(programme: &Programme) -> String {
    let plan = programme
        .phone_region
        .as_deref()
        .and_then(|region| DATABASE.by_id(&region.to_ascii_uppercase()));
    plan.map(|plan| format!("+{}", plan.country_code())).unwrap_or_default()
}

/// What a text takes over a kind of channel.
pub fn size(rendered: &Rendered, channel: ChannelKind, cost: Option<Micros>) -> Size {
    let text = rendered.text.expose();
    let sms = (channel == ChannelKind::Sms).then(|| segments::count(text));
    Size {
        characters: text.chars().count(),
        encoding: sms.map(|sms| sms.encoding),
        parts: sms.map(|sms| sms.parts),
        cost,
    }
}

fn unsaid(fault: NotRenderable, repeat: Repeat) -> Finding {
    match (fault, repeat) {
        (NotRenderable::NoTemplate { message, .. }, Repeat::Again) => {
            Finding::Unrepeated { template: message }
        }
        (fault, _) => Finding::Unsaid { why: fault.to_string() },
    }
}

fn lint(rendered: &Rendered, size: Size, limit: usize) -> Vec<Finding> {
    let Some(parts) = size.parts else { return Vec::new() };
    let mut findings = Vec::new();
    if parts > limit {
        findings.push(Finding::Long { parts, limit });
    }
    let text = rendered.text.expose();
    let characters = segments::forcing(text);
    if (1..=FEW).contains(&characters.len()) {
        let plain: String =
            text.chars().map(|c| if characters.contains(&c) { 'x' } else { c }).collect();
        let without = segments::count(&plain).parts;
        if without < parts {
            findings.push(Finding::Forced { characters, parts, without });
        }
    }
    findings
}

fn untranslated(
    catalogue: &Catalogue,
    programme: &Programme,
    saying: &Saying,
    rendered: &Rendered,
) -> Option<Finding> {
    let is_english = |tag: &str| tag.split('-').next() == Some("en");
    // Once a text, not once a channel.
    if saying.form != Form::Text || is_english(&saying.language) {
        return None;
    }
    let english = Saying { language: "en".to_owned(), ..saying.clone() };
    let english = catalogue.render(programme, &english).ok()?;
    (english.text == rendered.text).then_some(Finding::Untranslated)
}

/// `ç (U+00E7), ã (U+00E3)`.
pub fn named(characters: &[char]) -> String {
    let named = characters.iter().map(|c| format!("{c} (U+{:04X})", u32::from(*c)));
    named.collect::<Vec<_>>().join(", ")
}
