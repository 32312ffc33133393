//! From what to say to the text that leaves.

use super::catalogue::{Catalogue, Texts};
use super::parameters::BODY_LIMIT;
use super::saying::{Form, Item, NotRenderable, Rendered, Repeat, Saying};
use super::{MessageName, segments, template};
use crate::care::programme::Permission;
use crate::care::{ActivityKind, Phi, Programme, TextStyle};
use chrono::{Datelike, NaiveDate};
use fluent_bundle::{FluentArgs, FluentValue};

/// Longest free text in characters: Twilio's `Body`
/// (<https://www.twilio.com/docs/messaging/api/message-resource>).
const TEXT_LIMIT: usize = 1_600;
/// Words of machines that a text for people does not hold (hazard H17), beside braces.
const MACHINE_WORDS: [&str; 4] = ["null", "None", "NaN", "undefined"];
/// Languages written from right to left, by primary subtag.
const RIGHT_TO_LEFT: [&str; 9] = ["ar", "he", "fa", "ur", "ps", "sd", "ckb", "dv", "yi"];

impl Catalogue {
    /// The words for a saying, discreet unless the patient chose overt texts and the programme permits them.
    ///
    /// # Errors
    /// Whatever keeps the text from being whole and right; the caller says so and sends nothing by this channel.
    pub fn render(
        &self,
        programme: &Programme,
        saying: &Saying,
    ) -> Result<Rendered, NotRenderable> {
        let texts = self
            .texts(&programme.name, &saying.language)
            .ok_or_else(|| NotRenderable::NoLanguage { language: saying.language.clone() })?;
        let variables = Variables::of(programme, saying, texts)?;
        let mut style = permitted(programme, saying);
        let mut template = None;
        if let Form::Template { valid_for_seconds } = saying.form {
            let chosen = template::choose(programme, saying, style, valid_for_seconds)?;
            style = chosen.style;
            template = Some(chosen.fill(&variables, saying)?);
        }
        let arguments = variables.arguments(style, saying.form, &texts.language);
        let say = |id: &str| {
            texts.say(id, &arguments).map_err(|what| NotRenderable::Broken {
                message: id.to_owned(),
                language: texts.language.clone(),
                what,
            })
        };
        let mut text = say(&saying.what.id(style))?;
        if saying.repeat == Repeat::Again {
            text = format!("{} {text}", say("repeat-mark")?);
        }
        if saying.form == Form::Text {
            text = segments::smart(&text);
        }
        let subject = match saying.form {
            Form::Email => Some(Phi::from(flat(&say("subject")?))),
            Form::Text | Form::Template { .. } => None,
        };
        refuse_placeholders(&text)?;
        let mut links = saying.material.links.clone();
        if saying.form == Form::Text {
            text = std::iter::once(text)
                .chain(std::mem::take(&mut links))
                .collect::<Vec<_>>()
                .join("\n");
        }
        refuse_length(&text, saying.form)?;
        Ok(Rendered { text: Phi::from(text), subject, template, links })
    }
}

fn permitted(programme: &Programme, saying: &Saying) -> TextStyle {
    match programme.overt_texts {
        Permission::Allowed if saying.what.is_reminder() => saying.style,
        Permission::Allowed | Permission::Denied => TextStyle::Discreet,
    }
}

/// What a message can speak of, before any language or form.
pub(super) struct Variables {
    sender: String,
    time: String,
    date: String,
    count: usize,
    items: Vec<String>,
}

impl Variables {
    /// Names of all variables, as templates and messages use them.
    pub(super) const NAMES: [&str; 5] = ["sender", "time", "date", "count", "items"];

    fn of(programme: &Programme, saying: &Saying, texts: &Texts) -> Result<Self, NotRenderable> {
        let is_appointment = |item: &Item| item.kind == ActivityKind::Appointment;
        if saying.what == MessageName::Several && saying.items.iter().any(is_appointment) {
            return Err(NotRenderable::NotTogether);
        }
        if saying.what.is_reminder() && saying.items.is_empty() {
            return Err(NotRenderable::Empty { what: "the list of activities" });
        }
        let date = said_date(texts, saying.local_time.date()).map_err(|what| {
            let language = texts.language.clone();
            NotRenderable::Broken { message: "date".to_owned(), language, what }
        })?;
        Ok(Self {
            sender: filled(&programme.sender_name, "the programme's sender_name")?,
            time: said_times(saying),
            date,
            count: saying.items.len(),
            items: saying.items.iter().map(written).collect::<Result<_, _>>()?,
        })
    }

    /// Values that no real message has, to check texts with.
    pub(super) fn sample(count: usize) -> Self {
        Self {
            sender: "Sample Sender".to_owned(),
            time: "07:35".to_owned(),
            date: "Sample Date".to_owned(),
            count,
            items: vec!["Sample item".to_owned(); count],
        }
    }

    /// The message `date` for the first seven days of a month: each weekday and each month in turn.
    pub(super) fn sample_date(texts: &Texts, month: u32) -> Result<(), String> {
        (1..=7).filter_map(|day| NaiveDate::from_ymd_opt(2026, month, day)).try_for_each(|date| {
            let said = said_date(texts, date)?;
            if said.contains(&date.day().to_string()) {
                Ok(())
            } else {
                Err("it does not say $day".to_owned())
            }
        })
    }

    /// A variable as a text or a template says it.
    ///
    /// In right-to-left languages what may run the other way is isolated (Unicode UAX 9 section 2.4.2), but not
    /// in SMS, where the marks cost and old phones show them as boxes.
    pub(super) fn value(&self, name: &str, form: Form, language: &str) -> Option<String> {
        let value = match name {
            "sender" => self.sender.clone(),
            "time" => self.time.clone(),
            "date" => self.date.clone(),
            "count" => self.count.to_string(),
            "items" => match form {
                Form::Template { .. } => self.items.join("; "),
                Form::Text | Form::Email => format!("- {}", self.items.join("\n- ")),
            },
            _ => return None,
        };
        let isolate = form != Form::Text && is_right_to_left(language);
        Some(if isolate { format!("\u{2068}{value}\u{2069}") } else { value })
    }

    /// The variables that a style may use: a discreet text that asks for `$items` fails instead of telling.
    pub(super) fn arguments(
        &self,
        style: TextStyle,
        form: Form,
        language: &str,
    ) -> FluentArgs<'static> {
        let mut arguments = FluentArgs::new();
        for name in allowed(style) {
            if *name == "count" {
                arguments.set(*name, FluentValue::from(self.count));
            } else if let Some(value) = self.value(name, form, language) {
                arguments.set(*name, value);
            }
        }
        arguments
    }

    /// At most one variable, for messages that may use no other.
    pub(super) fn only(&self, name: Option<&'static str>) -> FluentArgs<'static> {
        let value = name.and_then(|name| Some((name, self.value(name, Form::Text, "en")?)));
        value.into_iter().collect()
    }
}

/// The time a text names, and further ones after it.
fn said_times(saying: &Saying) -> String {
    let times = std::iter::once(saying.local_time.time()).chain(saying.also_at.iter().copied());
    times.map(|time| time.format("%H:%M").to_string()).collect::<Vec<_>>().join(", ")
}

/// The variables that texts and template parameters of a style may use.
pub(super) fn allowed(style: TextStyle) -> &'static [&'static str] {
    match style {
        TextStyle::Discreet => &Variables::NAMES[..4],
        TextStyle::Overt => &Variables::NAMES,
    }
}

/// Whether a language is written from right to left.
pub(super) fn is_right_to_left(language: &str) -> bool {
    language.split('-').next().is_some_and(|primary| RIGHT_TO_LEFT.contains(&primary))
}

/// One line: runs of blanks, tabs and newlines become one space.
pub(super) fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Refuses a text that holds what looks like a slip of a machine.
pub(super) fn refuse_placeholders(text: &str) -> Result<(), NotRenderable> {
    let brace = ["{", "}"].into_iter().find(|brace| text.contains(brace));
    let word = || {
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        words.find_map(|w| MACHINE_WORDS.into_iter().find(|m| *m == w))
    };
    brace.or_else(word).map_or(Ok(()), |token| Err(NotRenderable::Placeholder { token }))
}

fn refuse_length(text: &str, form: Form) -> Result<(), NotRenderable> {
    let limit = match form {
        Form::Text => TEXT_LIMIT,
        Form::Template { .. } => BODY_LIMIT,
        Form::Email => return Ok(()),
    };
    let length = text.chars().count();
    if length > limit { Err(NotRenderable::TooLong { length, limit }) } else { Ok(()) }
}

/// A date in words: "tomorrow" would be wrong when a message is late, "03/04" is two dates.
fn said_date(texts: &Texts, date: NaiveDate) -> Result<String, String> {
    let parts = [
        ("weekday", FluentValue::from(date.weekday().number_from_monday())),
        ("day", FluentValue::from(date.day().to_string())),
        ("month", FluentValue::from(date.month())),
    ];
    texts.say("date", &parts.into_iter().collect())
}

/// An activity as an overt text lists it.
fn written(item: &Item) -> Result<String, NotRenderable> {
    let title = filled(item.title.expose(), "an activity's title")?;
    let instruction = item.instruction.as_ref().map(|text| flat(text.expose()));
    Ok(match instruction.filter(|text| !text.is_empty() && *text != title) {
        Some(instruction) => format!("{title}: {instruction}"),
        None => title,
    })
}

fn filled(text: &str, what: &'static str) -> Result<String, NotRenderable> {
    let text = flat(text);
    if text.is_empty() { Err(NotRenderable::Empty { what }) } else { Ok(text) }
}
