//! What callbacks say, in one form for all providers.

use super::Action;
use crate::care::ids::AttemptId;
use crate::care::{Address, Phi, ReceiptStatus, UtcMs};

/// What a callback says.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A receipt.
    Receipt(ReceiptEvent),
    /// A reply.
    Reply(ReplyEvent),
    /// Somebody's identity at the provider changed: who answers there may be another person now.
    Identity(IdentityEvent),
    /// A person's choice in the provider's own settings.
    Preference(PreferenceEvent),
    /// News of a template.
    Template(TemplateEvent),
    /// News of our account or number, for operators.
    Account {
        /// The provider's name of the news: `account_update`.
        field: String,
        /// What it says, in the provider's words; no patient's data.
        says: String,
    },
    /// Something that changes nothing here; counted by its kind.
    Ignored {
        /// Its kind.
        kind: String,
    },
}

impl Event {
    /// Something that changes nothing here.
    pub(super) fn ignored(kind: impl Into<String>) -> Self {
        Self::Ignored { kind: kind.into() }
    }
}

/// A receipt in normal form.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ReceiptEvent {
    /// Which of our numbers it concerns, as the provider names it.
    pub account: Option<String>,
    /// What the provider echoes of ours, as it came.
    pub echo: Option<String>,
    /// Our correlation id, where the echo is one.
    pub correlation: Option<AttemptId>,
    /// The provider's message id; some gateways tell none.
    pub provider_id: Option<String>,
    /// What it says; none: a word we do not know, which changes nothing.
    pub status: Option<ReceiptStatus>,
    /// The provider's word for it.
    pub raw_status: String,
    /// The provider's error code, with what it asks for.
    pub error: Option<(String, Action)>,
    /// The provider's words about the error.
    pub details: Option<String>,
    /// When it happened, by the provider's clock.
    pub at: Option<UtcMs>,
    /// To whom.
    pub to: Person,
    /// What it cost.
    pub pricing: Option<Pricing>,
    /// What a delivery report says of a mail's recipient.
    pub bounce: Option<Box<Bounce>>,
}

/// What a delivery report (RFC 3464) says of one recipient, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Bounce {
    /// The kind of report that the mail says it is.
    pub report_type: Option<String>,
    /// The Message-ID of the mail that is enclosed, in its brackets.
    pub original_message_id: Option<String>,
    /// Where it could not be delivered to.
    pub final_recipient: Option<Phi<String>>,
    /// Where it had been sent to.
    pub original_recipient: Option<Phi<String>>,
    /// `failed`, `delayed`, `delivered`, `relayed`, `expanded`, or another word, in small letters.
    pub action: Option<String>,
    /// The enhanced status code (RFC 3463), without its explanation.
    pub status: Option<String>,
    /// What the other server said.
    pub diagnostic: Option<Phi<String>>,
    /// What it amounts to.
    pub kind: BounceKind,
}

/// What a delivery report amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BounceKind {
    /// Given up, and for good.
    Hard,
    /// Given up for a passing cause, or not given up yet.
    Soft,
    /// It arrived, or went on to where no reports come from.
    Delivered,
    /// It does not say.
    #[default]
    Unknown,
}

impl BounceKind {
    /// The word shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Delivered => "delivered",
            Self::Unknown => "unknown",
        }
    }
}

/// Who wrote or got a message: a phone number or mail address, and an id that the provider gives the person.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Person {
    /// E.164 with a plus sign, or a mail address in lower case.
    pub address: Option<Address>,
    /// Meta's business-scoped user id, `CC.` and up to 128 characters; beside the number or in its place.
    pub user_id: Option<Address>,
}

impl Person {
    /// Whatever the person is known by, the address first.
    pub fn known_by(&self) -> impl Iterator<Item = &Address> {
        self.address.iter().chain(&self.user_id)
    }
}

/// What a provider says that a message cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pricing {
    /// `utility`, `marketing`, `service`, ...
    pub category: Option<String>,
    /// `regular`, `free_customer_service`, `free_entry_point`.
    pub kind: Option<String>,
    /// Whether it is billed.
    pub billable: Option<bool>,
}

/// A reply in normal form.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplyEvent {
    /// Which of our numbers it came to, as the provider names it.
    pub account: Option<String>,
    /// The same where a gateway names it as a mere destination.
    pub to: Option<String>,
    /// The provider's id of the reply: the same reply twice has the same id.
    pub provider_id: String,
    /// From whom; at least one of the two is there.
    pub from: Person,
    /// What it says.
    pub body: Body,
    /// The provider's id of the message it answers.
    pub context: Option<String>,
    /// What the provider itself made of it. It has answered the patient then: record it, answer nothing.
    pub handled: Option<Handled>,
    /// When, by the provider's clock.
    pub at: Option<UtcMs>,
}

/// What a reply says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Written words.
    Text(Phi<String>),
    /// A button was pressed.
    Button {
        /// Its title.
        title: Phi<String>,
        /// Our payload of it.
        payload: String,
    },
    /// A row of a list was chosen.
    List {
        /// Its title.
        title: Phi<String>,
        /// Our payload of it.
        payload: String,
        /// Its description.
        description: Option<String>,
    },
    /// Pictures, films, voice notes, documents.
    Media {
        /// Words with it.
        caption: Option<Phi<String>>,
        /// What there is; not fetched.
        items: Vec<MediaItem>,
    },
    /// A place.
    Location {
        /// Degrees north.
        latitude: Phi<f64>,
        /// Degrees east.
        longitude: Phi<f64>,
        /// Its name.
        name: Option<Phi<String>>,
    },
    /// Contact cards.
    Contacts {
        /// How many.
        count: usize,
    },
    /// A sign put to one of our messages; empty when it was taken away.
    Reaction {
        /// The sign.
        emoji: String,
    },
    /// A form that was filled in.
    Flow {
        /// Words of its end.
        text: Option<Phi<String>>,
        /// What was filled in, JSON.
        response: Phi<String>,
    },
    /// An earlier message has other words now.
    Edit {
        /// The earlier message.
        original: String,
        /// The words.
        text: Phi<String>,
    },
    /// An earlier message was taken back.
    Revoke {
        /// The earlier message.
        original: String,
    },
    /// What the provider does not pass on.
    Unsupported {
        /// Its kind, in the provider's word.
        kind: String,
        /// The provider's error code.
        code: Option<String>,
    },
}

/// One file of a reply.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MediaItem {
    /// `image`, `video`, `audio`, `document`, `sticker`; unknown where the provider tells the type only.
    pub kind: Option<String>,
    /// The provider's id.
    pub id: Option<String>,
    /// Where it lies; needs our credentials.
    pub url: Option<String>,
    /// Its type.
    pub mime_type: Option<String>,
    /// Its hash as the provider writes it.
    pub sha256: Option<String>,
}

/// What a provider makes of a reply by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// It blocks further messages.
    Stop,
    /// It lets them pass again.
    Start,
    /// It has told how to get help.
    Help,
}

impl Handled {
    /// The provider's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stop => "STOP",
            Self::Start => "START",
            Self::Help => "HELP",
        }
    }
}

impl ReplyEvent {
    /// The words as they are kept and heard: what is no text stands in brackets, which no keyword rule takes for an
    /// answer, so that a person looks at it.
    pub fn words(&self) -> Phi<String> {
        let kind_of = |items: &[MediaItem]| {
            items.first().and_then(|item| item.kind.clone()).unwrap_or_else(|| "media".to_owned())
        };
        match &self.body {
            Body::Text(text) => text.clone(),
            Body::Button { title, .. } | Body::List { title, .. } => title.clone(),
            Body::Media { caption: Some(caption), .. } => caption.clone(),
            Body::Media { caption: None, items } => Phi::new(format!("[{}]", kind_of(items))),
            Body::Location { .. } => Phi::from("[location]"),
            Body::Contacts { .. } => Phi::from("[contacts]"),
            Body::Reaction { emoji } => Phi::new(format!("[reaction {emoji}]")),
            Body::Flow { text, .. } => text.clone().unwrap_or_else(|| Phi::from("[form]")),
            Body::Edit { text, .. } => Phi::new(format!("[edited] {}", text.expose())),
            Body::Revoke { .. } => Phi::from("[taken back]"),
            Body::Unsupported { kind, .. } => Phi::new(format!("[{kind}]")),
        }
    }

    /// Our payload of what was pressed.
    pub fn payload(&self) -> Option<&str> {
        match &self.body {
            Body::Button { payload, .. } | Body::List { payload, .. } => Some(payload),
            _ => None,
        }
    }
}

/// A change of who somebody is at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityEvent {
    /// Which of our numbers heard it, as the provider names it.
    pub account: Option<String>,
    /// The provider's id of the news: the same news twice has the same id.
    pub provider_id: Option<String>,
    /// Known as before.
    pub from: Person,
    /// What changed.
    pub change: IdentityChange,
    /// When.
    pub at: Option<UtcMs>,
}

/// What changed of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityChange {
    /// The account has another number. It is never written to before somebody asked whose it is.
    Number {
        /// The new one.
        to: Person,
    },
    /// The account was set up anew, perhaps by somebody else on the same number.
    Key,
}

/// A choice in the provider's own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreferenceEvent {
    /// Which of our numbers it concerns, as the provider names it.
    pub account: Option<String>,
    /// Whose.
    pub from: Person,
    /// What of: `marketing_messages`.
    pub category: String,
    /// `stop`, `resume`.
    pub value: String,
    /// When.
    pub at: Option<UtcMs>,
}

/// News of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateEvent {
    /// Its name.
    pub name: String,
    /// The provider's language code.
    pub language: String,
    /// What is new.
    pub news: TemplateNews,
}

/// What is new of a template, in the provider's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateNews {
    /// Its state: `APPROVED`, `PAUSED`, `DISABLED`, ...
    Status {
        /// The state.
        word: String,
        /// Why.
        reason: Option<String>,
    },
    /// The provider sorted it anew.
    Category {
        /// Before.
        from: Option<String>,
        /// Now.
        to: String,
    },
    /// What people think of it: `GREEN`, `YELLOW`, `RED`, `UNKNOWN`.
    Quality {
        /// Now.
        to: String,
    },
    /// Its texts were edited.
    Components,
}
