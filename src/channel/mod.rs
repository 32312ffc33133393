//! Channels: how a message reaches a provider, and how the provider's words reach us.
//!
//! One trait, one file per channel, code tables as data. A channel renders nothing, decides nothing and never
//! sees the store: it gets an [`Outbound`] and returns an [`Outcome`]; it gets a callback and returns
//! [`Event`]s.

mod build;
mod codes;
mod email;
mod event;
mod gate;
mod gateway;
mod http;
mod signature;
mod smtp;
mod told;
mod twilio;
mod verdict;
mod whatsapp;

pub use build::{ChannelConfigError, Channels};
pub use codes::BadCodeTable;
pub use event::{
    Body, Bounce, BounceKind, Event, Handled, IdentityChange, IdentityEvent, MediaItem, Person,
    PreferenceEvent, Pricing, ReceiptEvent, ReplyEvent, TemplateEvent, TemplateNews,
};

use crate::care::ids::{AttemptId, PatientId};
use crate::care::{Address, ChannelKind, ListedTemplate, Phi, ReceiptHabit, UtcMs};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// A way to reach patients.
pub trait Channel: Send + Sync {
    /// The name in the configuration and in URLs; without more words than a kind's: `whatsapp`, `twilio`, `email`.
    fn name(&self) -> &str;

    /// The kind of address it reaches.
    fn kind(&self) -> ChannelKind;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Whether messages to an address may go this way; some lead to a few countries only.
    fn serves(&self, _to: &Address) -> bool {
        true
    }

    /// How much of the sender's pace a content takes, in messages.
    fn costs(&self, _content: &Content) -> u32 {
        1
    }

    /// The messages of their own that a content goes as, in their order, each to be sent alone; none where it goes as
    /// one.
    fn parts(&self, _content: &Content) -> Vec<Content> {
        Vec::new()
    }

    /// What the provider would refuse about a content, before anything is sent.
    fn problems(&self, _content: &Content) -> Vec<Problem> {
        Vec::new()
    }

    /// Sends once. Never retries by itself: what a failure means is decided by where it happened
    /// (design.md section 6).
    fn send<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Outcome>;

    /// Tells the sender of a reply that a person has read it; `None` where the channel has no such sign. Never to be
    /// said for a machine: a patient takes it for somebody's eyes.
    fn mark_read<'a>(&'a self, _provider_id: &'a str) -> BoxFuture<'a, Option<Outcome>> {
        Box::pin(async { None })
    }

    /// The request that [`Channel::send`] would make, secrets masked, for whoever tries a configuration out. `None`
    /// where a channel cannot show it.
    ///
    /// # Errors
    /// The outcome of a message that would be refused before anything is sent.
    fn rendered(&self, _outbound: &Outbound) -> Option<Result<ShownRequest, Outcome>> {
        None
    }

    /// Verifies a callback on its raw bytes, in constant time.
    ///
    /// # Errors
    /// [`Reject`] says why; nothing of the body is trusted or kept then.
    fn verify(&self, callback: &Callback) -> Result<Verified, Reject>;

    /// What a callback that is kept is answered; most providers want nothing, and some would send it to the patient.
    fn kept_answer(&self) -> KeptAnswer {
        KeptAnswer::default()
    }

    /// What a verified callback says. Called later, from the stored event, so it must not need the network.
    ///
    /// # Errors
    /// The kind of the fault, never the content.
    fn events(&self, callback: &Callback) -> Result<Vec<Event>, Unreadable>;

    /// Where this patient leaves the programme's messages by one click, for channels whose messages bear a link.
    fn unsubscribe_url(&self, _patient: PatientId, _programme: &str) -> Option<String> {
        None
    }

    /// What the provider tells, unasked, of the messages it takes.
    fn receipt_habit(&self) -> ReceiptHabit {
        ReceiptHabit::None
    }

    /// Whether the provider surely drops a message whose validity has passed.
    fn drops_what_lapsed(&self) -> bool {
        false
    }

    /// Asks the provider whether it would take messages of ours now: login, sender, templates. Sends nothing.
    fn probe(&self) -> BoxFuture<'_, Result<Health, Outcome>> {
        Box::pin(async { Ok(Health::default()) })
    }

    /// Asks the provider for all templates of ours; `None` where it has none, or cannot list them. Sends nothing.
    fn templates(&self) -> BoxFuture<'_, Result<Option<Vec<ListedTemplate>>, Outcome>> {
        Box::pin(async { Ok(None) })
    }

    /// The categories of templates that reminders may go by, in the provider's words.
    fn template_categories(&self) -> &[String] {
        &[]
    }

    /// Asks the provider for an attempt whose outcome is unknown. `None` when it has no such look-up or the
    /// look-up proves nothing.
    fn look_up<'a>(&'a self, _attempt: &'a LookUp) -> BoxFuture<'a, Option<Found>> {
        Box::pin(async { None })
    }

    /// Asks what became of a message that the provider took, in place of a receipt that does not come. `None`: it
    /// cannot be asked; it may also not know.
    fn ask_after<'a>(
        &'a self,
        _provider_id: &'a str,
    ) -> Option<BoxFuture<'a, Option<ReceiptEvent>>> {
        None
    }
}

/// What a channel can do.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities {
    /// Whether reminders need an approved template.
    pub reminders: ReminderForm,
    /// Messages a second for one sender.
    pub messages_per_second: f64,
    /// Least time between two messages to one address, in milliseconds.
    pub pair_gap_ms: i64,
    /// Longest time one `send` may take, in milliseconds; under half the lease.
    pub request_timeout_ms: i64,
}

/// What a provider would refuse about a content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {fix}")]
pub struct Problem {
    /// What is wrong, without the content.
    pub what: String,
    /// What to do.
    pub fix: &'static str,
}

/// What a provider says of our standing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Facts worth showing, as (name, value): quality rating, tier, sender.
    pub facts: Vec<(&'static str, String)>,
    /// What will hurt, in words for operators.
    pub warnings: Vec<String>,
}

/// How reminders travel on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReminderForm {
    /// Free text.
    Text,
    /// A template approved beforehand; free text is for answers.
    Template,
    /// Subject and body.
    Email,
}

/// One message to one address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outbound {
    /// Ours; comes back in receipts.
    pub correlation: AttemptId,
    /// Where to.
    pub to: Address,
    /// The id by which the provider knows the person as well, where it gave one.
    #[serde(default)]
    pub user_id: Option<Address>,
    /// What.
    pub content: Content,
    /// How long the provider may go on trying, in seconds (P5).
    pub validity_seconds: u32,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Free text.
    Text {
        /// The text.
        body: Text,
        /// What can be pressed under it, where the channel has buttons.
        #[serde(default)]
        buttons: Vec<Button>,
        /// A picture, film or document with it, where the channel takes one.
        #[serde(default)]
        media: Option<Media>,
    },
    /// An approved template.
    Template {
        /// Its name at the provider.
        name: String,
        /// The provider's language code.
        language: String,
        /// Names of the parameters where the template has names; none: they go by order.
        #[serde(default)]
        names: Vec<String>,
        /// Body parameters in order.
        parameters: Vec<Text>,
        /// The file of its header.
        #[serde(default)]
        header: Option<Media>,
        /// Its quick replies in order: only the payloads travel, the titles are the template's.
        #[serde(default)]
        buttons: Vec<Button>,
    },
    /// An email.
    Email {
        /// Subject, without health data.
        subject: Text,
        /// Plain text.
        text: Text,
        /// The same as HTML.
        #[serde(default)]
        html: Option<Text>,
        /// The same message in its later versions has the same Message-ID: its left side, or the whole.
        message_id: String,
        /// Where the patient leaves the programme's messages by one click.
        #[serde(default)]
        unsubscribe_url: Option<String>,
        /// The appointment it announces, for the patient's calendar.
        #[serde(default)]
        invite: Option<Invite>,
    },
}

impl Content {
    /// Free text and nothing else.
    pub fn text(body: Text) -> Self {
        Self::Text { body, buttons: Vec::new(), media: None }
    }
}

/// An appointment for a calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Ours; the same for as long as it is the same appointment.
    pub uid: String,
    /// Rises with every change: a calendar takes the highest.
    pub sequence: i64,
    /// When it begins.
    pub start: UtcMs,
    /// When this was written.
    pub stamp: UtcMs,
    /// What the calendar shows; discreet, because others see calendars.
    pub summary: Text,
}

/// Something to press.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What the patient reads.
    pub title: Text,
    /// What comes back; opaque, never health data.
    pub payload: String,
}

/// A file that goes with a message. Not a patient's: the programme's teaching material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// What it is.
    pub kind: MediaKind,
    /// Where it lies on this machine, or an https URL that the provider fetches.
    pub source: MediaSource,
    /// Its type, as `image/jpeg`.
    pub mime_type: String,
    /// The name of a document.
    #[serde(default)]
    pub file_name: Option<String>,
}

/// Kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// Anything to read.
    Document,
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaSource {
    /// On this machine.
    File {
        /// Its path.
        path: std::path::PathBuf,
        /// Its SHA-256 in lower-case hex: the key under which an upload is remembered.
        sha256: String,
    },
    /// Where the provider fetches it.
    Link {
        /// The URL.
        url: String,
    },
}

/// Text for one patient: serialisable because an attempt's content is sealed as one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(#[serde(with = "crate::care::phi::sealed")] pub Phi<String>);

/// How a send ended (design.md section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it.
    Accepted {
        /// The provider's ids, one per part.
        ids: Vec<String>,
    },
    /// The provider said no.
    Refused {
        /// What its code asks for.
        action: Action,
        /// Its code.
        code: String,
        /// How long it asks to wait, in milliseconds.
        retry_after_ms: Option<i64>,
    },
    /// It failed before the request was written: safe to retry.
    NotSent {
        /// Where: request, queue, resolve, gate, connect, tls, login, media, mail, rcpt, data.
        stage: &'static str,
    },
    /// The request may have arrived.
    Unknown {
        /// Where: write, read, status, body; content of an email.
        stage: &'static str,
    },
}

impl Outcome {
    /// A refusal of our own, before anything is sent.
    fn refused(action: Action, code: &str) -> Self {
        Self::Refused { action, code: code.to_owned(), retry_after_ms: None }
    }
}

/// What an error code asks for (design.md section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Back off and try the same channel again while valid.
    Retry,
    /// Next consented channel now.
    NextChannel,
    /// Mark the address unusable on this channel, then the next one.
    BadAddress,
    /// Suppress this channel for this person.
    OptedOut,
    /// Something is wrong with the template.
    TemplateProblem,
    /// Stop the channel and call an operator.
    PauseChannel,
    /// Wait for evidence.
    Unknown,
    /// Our fault: fail, and call an operator.
    Fix,
}

impl Action {
    const ALL: [Self; 8] = [
        Self::Retry,
        Self::NextChannel,
        Self::BadAddress,
        Self::OptedOut,
        Self::TemplateProblem,
        Self::PauseChannel,
        Self::Unknown,
        Self::Fix,
    ];

    /// The action of a word.
    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }

    /// The word stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::NextChannel => "next-channel",
            Self::BadAddress => "bad-address",
            Self::OptedOut => "opted-out",
            Self::TemplateProblem => "template-problem",
            Self::PauseChannel => "pause-channel",
            Self::Unknown => "unknown",
            Self::Fix => "fix",
        }
    }
}

/// A callback as it came in, raw. Stored sealed before it is understood.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Callback {
    /// Method, upper case.
    pub method: String,
    /// Path and query as they came.
    pub path_and_query: String,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    #[serde(with = "base64_body")]
    pub body: Vec<u8>,
}

/// A body in JSON: as a list of numbers it would be four times as long.
mod base64_body {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(body: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(body))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        STANDARD.decode(text.as_bytes()).map_err(|_| D::Error::custom("the body is not base64"))
    }
}

impl Callback {
    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The query as it came, empty when there is none.
    pub fn query(&self) -> &str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }

    /// The first value of a parameter of the query.
    pub fn parameter(&self, wanted: &str) -> Option<String> {
        let mut query = form_urlencoded::parse(self.query().as_bytes());
        query.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    }
}

/// The name under which the caller's address stands among a callback's headers: one that no request can carry (RFC 9110
/// section 5.1).
pub const PEER_HEADER: &str = ":peer";

/// A callback that is what it says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Store it, answer 200 with an empty body, read it later.
    Event {
        /// The same callback sent twice has the same key.
        dedupe_key: String,
    },
    /// Nothing to store: answer 200 with this body at once (a webhook's registration).
    Challenge(String),
}

/// A request as it may be shown: its secrets are masked, its text and address are the message's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownRequest {
    /// Its method.
    pub method: String,
    /// Its URL.
    pub url: String,
    /// Names and values of its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Option<String>,
}

/// The answer to a callback that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Its body.
    pub body: String,
    /// The type of the body; plain text where none is told.
    pub content_type: Option<String>,
}

/// Why a callback is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// It carries no signature.
    #[error("the callback carries no signature")]
    Unsigned,
    /// The signature is wrong.
    #[error("the callback's signature does not match its bytes")]
    BadSignature,
    /// This channel takes no such request.
    #[error("the channel takes no such request")]
    Unexpected,
}

/// A verified callback that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the callback is not readable: {kind}")]
pub struct Unreadable {
    /// What is wrong, without the content.
    pub kind: String,
}

/// An attempt to ask the provider about.
#[derive(Clone, Debug)]
pub struct LookUp {
    /// Ours.
    pub correlation: AttemptId,
    /// Where it went.
    pub to: Address,
    /// What it said.
    pub content: Content,
    /// When its intent was committed.
    pub intent_at: UtcMs,
}

/// What a look-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The provider has it.
    Accepted {
        /// The provider's id.
        id: String,
    },
    /// The provider surely has no such message.
    Absent,
}
