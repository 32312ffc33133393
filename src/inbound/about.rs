//! What a reply is about: found out before anything moves by it.

use super::Inbound;
use super::apply::owners;
use crate::care::ids::{AttemptId, ContactPointId, MessageId, PatientId, distinct};
use crate::care::press::Payload;
use crate::care::{AttemptState, Press, Reason, UtcMs};
use crate::channel::{Handled, ReplyEvent};
use crate::deliver::evidence::Evidence;
use crate::policy::keywords::{Heard, hear};
use crate::policy::whose::{By, KnownBy, Owned, Pointer, Whose, whose};
use crate::store::replies::{self, Belongs};
use crate::store::{Result, Tx, parts};

/// What a reply is about.
pub(super) struct About {
    pub(super) heard: Heard,
    /// The contact points of whoever wrote, with their patients.
    pub(super) owners: Vec<(ContactPointId, PatientId)>,
    whose: Whose,
    quoted: String,
    pressed: Option<Press>,
    pub(super) said_at: UtcMs,
    /// What brought the message that is answered.
    answers: Option<AttemptId>,
}

/// What a reply points at, with the attempt that brought it where that is told.
struct Found {
    pointer: Pointer,
    attempt: Option<AttemptId>,
}

impl Found {
    const NOTHING: Self = Self { pointer: Pointer::None, attempt: None };

    fn of(owned: Option<Owned>, attempt: Option<AttemptId>) -> Self {
        match owned {
            Some(owned) => Self { pointer: Pointer::At(owned), attempt },
            None => Self { pointer: Pointer::Unknown, attempt: None },
        }
    }
}

impl About {
    /// What is kept of it with the reply of one sender.
    pub(super) fn belongs(&self, sender: PatientId) -> Belongs {
        Belongs {
            message: self.whose.message(sender),
            known_by: Some(self.whose.known_by(sender)),
            quoted: self.quoted.clone(),
            press: self.pressed_by(sender),
            said_at: Some(self.said_at),
        }
    }

    /// What a sender pressed under a message of the sender's own.
    fn pressed_by(&self, sender: PatientId) -> Option<Press> {
        self.whose.message(sender).and(self.pressed)
    }

    /// The message under which a sender pressed something that a person must look at.
    pub(super) fn wants_person(&self, sender: PatientId) -> Option<MessageId> {
        let press = self.pressed_by(sender)?;
        self.whose.message(sender).filter(|_| press.wants_person())
    }

    /// Whether the reply tells for certain that another patient with the same address is meant.
    pub(super) fn is_for_another(&self, sender: PatientId) -> bool {
        matches!(self.whose, Whose::Of(owned, By::Payload | By::Quote) if owned.patient != sender)
    }

    /// Whether nobody believes what it points at.
    pub(super) fn is_strangers(&self) -> bool {
        self.whose == Whose::Stranger
    }

    /// Who answers a message has got it: as good as a receipt, for it tells the attempt (design.md section 6). A STOP
    /// proves nothing: it must be heard whatever became of that row (P9).
    pub(super) fn proves(&self) -> Option<Evidence> {
        Some(Evidence {
            attempt: self.answers.filter(|_| self.heard != Heard::Stop)?,
            proves: AttemptState::Read,
            reason: Reason::Answered,
            error: None,
            provider_id: None,
            at: None,
        })
    }

    /// Counts what was pressed.
    pub(super) fn count(&self, sender: PatientId) {
        let Some(press) = self.pressed_by(sender) else { return };
        let known_by: KnownBy = self.whose.known_by(sender);
        metrics::counter!("carebell_presses_total", "press" => press.word(), "known_by" => known_by.word())
            .increment(1);
    }
}

impl Inbound {
    /// What a reply is about, by what is known now.
    pub(super) async fn about(
        &self,
        tx: &mut Tx,
        channel: &str,
        reply: &ReplyEvent,
        now: UtcMs,
    ) -> Result<About> {
        let owners = owners(tx, self.deliverer.deps().store.keys(), &reply.from).await?;
        let senders = distinct(owners.iter().map(|(_, patient)| *patient));
        let said_at = reply.at.map_or(now, |at| at.min(now));
        let ours = reply.payload().and_then(Payload::read);
        let payload = match ours {
            Some(Payload { attempt, .. }) => {
                Found::of(replies::owner_of_attempt(tx, attempt).await?, Some(attempt))
            }
            None => Found::NOTHING,
        };
        let quote = match &reply.context {
            Some(quoted) => quote(tx, channel, quoted).await?,
            None => Found::NOTHING,
        };
        let open = match (payload.pointer, quote.pointer) {
            (Pointer::None, Pointer::None) => replies::open(tx, &senders, said_at).await?,
            _ => Vec::new(),
        };
        let whose = whose(&senders, payload.pointer, quote.pointer, &open);
        let pressed = match (whose, ours) {
            (Whose::Of(_, By::Payload), Some(ours)) => Some(ours.press),
            // A content of Twilio's has payloads of its own: an operator writes our words there.
            (Whose::Of(..), None) => reply.payload().and_then(Press::parse),
            _ => None,
        };
        let answers = match whose {
            Whose::Of(_, By::Payload) => payload.attempt,
            Whose::Of(_, By::Quote) => quote.attempt,
            _ => None,
        };
        // What is not known yet may be known once its provider has answered us. A Message-ID would be known already,
        // and may tell more of a person than we should keep.
        let waits =
            reply.context.as_ref().filter(|id| whose == Whose::Unknown && !id.contains('@'));
        let quoted = waits.cloned().unwrap_or_default();
        // What the provider made of it counts as well: it has the keywords of more languages, and blocks by them.
        let heard = match reply.handled {
            Some(Handled::Stop) => Heard::Stop,
            Some(Handled::Help) => Heard::Help,
            Some(Handled::Start) | None => hear(reply.words().expose()),
        };
        Ok(About { heard, owners, whose, quoted, pressed, said_at, answers })
    }
}

/// The message that a reply quotes: by our own ids where mail carries them, else by the provider's.
async fn quote(tx: &mut Tx, channel: &str, quoted: &str) -> Result<Found> {
    if let Ok(attempt) = quoted.parse::<AttemptId>() {
        return Ok(Found::of(replies::owner_of_attempt(tx, attempt).await?, Some(attempt)));
    }
    // A Message-ID of ours tells the message, and not which of its attempts arrived.
    let left = quoted.split('@').next().unwrap_or_default();
    if let Ok(message) = left.parse::<MessageId>() {
        return Ok(Found::of(replies::owner_of_message(tx, message).await?, None));
    }
    // One part of several proves nothing of the others.
    if let Some(attempt) = parts::attempt_of(tx, channel, quoted).await? {
        return Ok(Found::of(replies::owner_of_attempt(tx, attempt).await?, None));
    }
    let found = replies::owner_by_provider_id(tx, channel, quoted).await?;
    Ok(Found::of(found.map(|(_, owned)| owned), found.map(|(attempt, _)| attempt)))
}
