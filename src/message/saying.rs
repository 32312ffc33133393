//! What goes into rendering and what comes out of it.

use super::MessageName;
use crate::care::programme::TemplateCategory;
use crate::care::{ActivityKind, Phi, TextStyle};
use chrono::{NaiveDateTime, NaiveTime};

/// What to say to one patient.
#[derive(Clone, Debug)]
pub struct Saying {
    /// Which message.
    pub what: MessageName,
    /// The patient's language, BCP 47.
    pub language: String,
    /// The patient's choice; the programme must permit overt texts as well.
    pub style: TextStyle,
    /// How it travels.
    pub form: Form,
    /// The patient's wall-clock time of what is announced: when the dose is due, when the appointment starts.
    pub local_time: NaiveDateTime,
    /// Further times, of what is announced together with it after a time in which nothing could leave.
    pub also_at: Vec<NaiveTime>,
    /// What is announced; empty for answers. Discreet texts see only how many they are.
    pub items: Vec<Item>,
    /// Whether it may have been said before.
    pub repeat: Repeat,
}

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Free text: SMS, and answers over WhatsApp.
    Text,
    /// An approved WhatsApp template.
    Template {
        /// How much validity the message has left, in seconds; the template's TTL must be shorter (P5).
        valid_for_seconds: i64,
    },
    /// Subject and plain text.
    Email,
}

/// One activity as the clinician wrote it.
#[derive(Clone, Debug)]
pub struct Item {
    /// Kind.
    pub kind: ActivityKind,
    /// Title.
    pub title: Phi<String>,
    /// Instruction.
    pub instruction: Option<Phi<String>>,
}

/// Whether the patient may have had the message already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repeat {
    /// No.
    First,
    /// Yes: an earlier attempt's outcome stayed unknown (design.md section 6). The text says so.
    Again,
}

/// A message ready to be handed to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// What the patient reads; for a template what we say that it says, for the record.
    pub text: Phi<String>,
    /// For [`Form::Email`].
    pub subject: Option<Phi<String>>,
    /// For [`Form::Template`].
    pub template: Option<Template>,
}

/// A template with its parameters filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its name at the provider.
    pub name: String,
    /// The provider's language code.
    pub language: String,
    /// The parameters' names, where they have names.
    pub names: Vec<String>,
    /// Body parameters in order, without newlines, tabs or runs of spaces.
    pub parameters: Vec<Phi<String>>,
    /// How long the provider keeps trying, as stored with it.
    pub ttl_seconds: u32,
    /// The category it is approved in.
    pub category: TemplateCategory,
}

/// Why there is no text. None of it holds health data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRenderable {
    /// Nothing is written in the patient's language, and no other one takes its place.
    #[error("no texts in language {language}: add {language}.ftl to the programme or to general")]
    NoLanguage {
        /// The language.
        language: String,
    },
    /// The message does not render.
    #[error("message {message} in {language} does not render: {what}")]
    Broken {
        /// Its id.
        message: String,
        /// The language.
        language: String,
        /// What the renderer found.
        what: String,
    },
    /// A reminder without activities, or with one that has no title.
    #[error("{what} is empty: complete the activity in its source")]
    Empty {
        /// What is empty.
        what: &'static str,
    },
    /// The text holds something that looks like a slip of a machine (hazard H17).
    #[error(
        "the text holds {token}, which looks like an unfilled placeholder: correct the activity"
    )]
    Placeholder {
        /// What it holds.
        token: &'static str,
    },
    /// The text is longer than the provider takes; it is never cut, since that could cut a dose (hazard H02).
    #[error("the text has {length} characters, {limit} is the most: shorten the activity's texts")]
    TooLong {
        /// Its length in characters.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// An appointment together with other activities has no place for its own date.
    #[error("an appointment is announced together with other activities: give it its own message")]
    NotTogether,
    /// The programme has no template for the message.
    #[error(
        "programme {programme} has no WhatsApp template for {message}: add it to programme.toml"
    )]
    NoTemplate {
        /// The programme.
        programme: String,
        /// The key that was looked for.
        message: String,
    },
    /// Free text is not taken now, and no template says it.
    #[error("the window for free text is closed, and no template says it")]
    WindowClosed,
    /// Every template that could carry it is held.
    #[error("WhatsApp template {template} in {language} is held: {why}")]
    TemplateHeld {
        /// Its name at the provider.
        template: String,
        /// The provider's language code.
        language: String,
        /// Why.
        why: String,
    },
    /// The template is not approved in the language.
    #[error("WhatsApp template {template} is not approved in {language}")]
    NoTemplateLanguage {
        /// Its name at the provider.
        template: String,
        /// The language.
        language: String,
    },
    /// Every template could be delivered when the message is of no use any more (P5).
    #[error(
        "WhatsApp template {template} may wait {ttl_seconds} s, but {valid_for_seconds} s are left"
    )]
    OutlivesMessage {
        /// Name of the one with the shortest TTL.
        template: String,
        /// Its TTL.
        ttl_seconds: u32,
        /// What is left.
        valid_for_seconds: i64,
    },
}
