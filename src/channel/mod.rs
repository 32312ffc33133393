//! Channels: how a message reaches a provider, and how the provider's words reach us.
//!
//! One trait, one file per channel, code tables as data. A channel renders nothing, decides nothing and never
//! sees the store: it gets an [`Outbound`] and returns an [`Outcome`]; it gets a callback and returns
//! [`Event`]s.

mod build;
mod callback;
mod codes;
mod content;
mod email;
mod event;
mod gate;
mod gateway;
mod http;
mod outcome;
mod signature;
mod smtp;
mod told;
mod twilio;
mod verdict;
mod whatsapp;

pub use crate::care::{Media, MediaKind, MediaSource};
pub use build::{ChannelConfigError, Channels};
pub use callback::{Callback, KeptAnswer, PEER_HEADER, Reject, Unreadable, Verified};
pub use codes::BadCodeTable;
pub use content::{Button, Content, Invite, InviteAct, Outbound, ShownRequest, Text};
pub use event::{
    Body, Bounce, BounceKind, Event, Handled, IdentityChange, IdentityEvent, MediaItem, Person,
    PreferenceEvent, Pricing, ReceiptEvent, ReplyEvent, TemplateEvent, TemplateNews,
};
pub use outcome::{Action, Outcome};

use crate::care::ids::{AttemptId, PatientId};
use crate::care::{Address, ChannelKind, Edition, ListedTemplate, ReceiptHabit, UtcMs};
use futures::future::BoxFuture;

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

    /// How many messages the provider takes in 24 hours, counted as in [`Channel::costs`]; `None`: as many as there are.
    fn messages_per_day(&self) -> Option<u32> {
        None
    }

    /// The messages of their own that a content goes as, in their order, each to be sent alone; none where it goes as
    /// one.
    fn parts(&self, _content: &Content) -> Vec<Content> {
        Vec::new()
    }

    /// How many parts the provider may name, each by an id of its own, where it cuts a content; `None`: it names the
    /// whole.
    fn named_parts(&self, _content: &Content) -> Option<u32> {
        None
    }

    /// What the provider would refuse about a content, before anything is sent.
    fn problems(&self, _content: &Content) -> Vec<Problem> {
        Vec::new()
    }

    /// Sends once. Never retries by itself: what a failure means is decided by where it happened
    /// (design.md section 6).
    fn send<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Outcome>;

    /// How many messages to one address may go at once; each takes its [`Capabilities::pair_gap_ms`] from the future.
    fn pair_burst(&self) -> u32 {
        1
    }

    /// What of a material can go with a message: its file, or what the provider fetches from its URL. `None`: its link
    /// in words, where words can hold one.
    ///
    /// # Errors
    /// What the provider would refuse about it.
    fn takes(&self, _edition: &Edition) -> Result<Option<Media>, Problem> {
        Ok(None)
    }

    /// Hands a file over, so that messages can name it by an id ([`MediaSource::Upload`]); `None` where there is nothing
    /// to hand over. Not part of a send: it may take minutes.
    fn hand_over<'a>(
        &'a self,
        _media: &'a Media,
    ) -> BoxFuture<'a, Option<Result<Upload, Outcome>>> {
        Box::pin(async { None })
    }

    /// What a code means beyond what it asks for.
    fn meaning(&self, _code: &str) -> Option<Meaning> {
        None
    }

    /// Tells the sender of a reply that a person has read it; `None` where the channel has no such sign. Never to be
    /// said for a machine: a patient takes it for somebody's eyes.
    fn mark_read<'a>(&'a self, _provider_id: &'a str) -> BoxFuture<'a, Option<Outcome>> {
        Box::pin(async { None })
    }

    /// The request that [`Channel::send`] would make, secrets masked, for whoever tries a configuration out.
    ///
    /// # Errors
    /// The outcome of a message that would be refused before anything is sent.
    fn rendered(&self, outbound: &Outbound) -> Result<ShownRequest, Outcome>;

    /// Sends once, as [`Channel::send`]; and hears by what else the provider knows the person, where its answer says so.
    fn send_and_hear<'a>(
        &'a self,
        outbound: &'a Outbound,
    ) -> BoxFuture<'a, (Outcome, Option<Person>)> {
        Box::pin(async { (self.send(outbound).await, None) })
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

/// What a code means beyond what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Free text is not taken for this person now; a template is.
    WindowClosed,
    /// This person lets no marketing through; reminders pass.
    MarketingStopped,
    /// Too much to this one person in a short time.
    PairLimited,
    /// The address may not be reachable this way at all, or not now.
    Doubted,
    /// Worth one more try, and no further one.
    OnceMore,
    /// The handset is off: worth one more try, and later.
    HandsetOff,
    /// The file that went with it was not taken; the words may be.
    MediaRefused,
}

/// A file that a provider has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The provider's id.
    pub id: String,
    /// How long messages may name it, in milliseconds.
    pub good_for_ms: i64,
}

/// The fact of [`Health`] that tells how many people may be written to in 24 hours: a number, or a word.
pub const DAILY_LIMIT: &str = "messaging limit";

/// How long free text is taken after a person wrote, in milliseconds, where a channel takes it only then
/// (Meta, page messages/send-messages).
pub const WINDOW_MS: i64 = crate::care::time::DAY_MS;

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
