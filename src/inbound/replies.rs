//! Replies: STOP and START act at once; everything else waits for a person, as a task.

use super::Inbound;
use super::about::About;
use super::leaving::LEAVES;
use crate::care::contact::{ConsentDecision, KnownConsent};
use crate::care::ids::{ContactPointId, InboundId, MessageId, ReplyId, TaskId, distinct};
use crate::care::time::HOUR_MS;
use crate::care::{
    ChannelKind, Class, ConsentBasis, ContactHealth, MessageState, Phi, Reason, UtcMs,
};
use crate::channel::{ReminderForm, ReplyEvent, WINDOW_MS};
use crate::policy::grouping::lane;
use crate::policy::keywords::{Heard, leaves_mail};
use crate::policy::validity::{STOP_CONFIRMATION_MS, valid_until};
use crate::security::Place;
use crate::store::alarms::{Alarm, AlarmKind};
use crate::store::inbound::InboundRow;
use crate::store::messages::MessageRow;
use crate::store::patients::{HealthMove, PatientRow};
use crate::store::replies::{Belongs, PutReply};
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::{Result, Tx, alarms, messages, patients, reach, replies, tasks};

/// Whether the patient was answered already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    /// By the provider, or as another owner of the same address.
    ByProvider,
    /// Nobody has answered.
    NotYet,
}

/// A reply by one patient who has the address.
pub(super) struct Heeded<'a> {
    pub(super) owner: &'a PatientRow,
    pub(super) contact: ContactPointId,
    pub(super) reply: ReplyId,
    pub(super) channel: &'a str,
}

/// What is kept of a reply.
pub(super) struct Kept<'a> {
    pub(super) provider_id: &'a str,
    pub(super) words: &'a Phi<String>,
    pub(super) keyword: &'static str,
    pub(super) inbound: Option<InboundId>,
    pub(super) belongs: Belongs,
}

impl Inbound {
    /// Applies a reply for every patient who has the address: a STOP stops it for all of them.
    pub(super) async fn reply(
        &self,
        tx: &mut Tx,
        row: &InboundRow,
        reply: &ReplyEvent,
        about: &About,
        now: UtcMs,
    ) -> Result<()> {
        let deps = self.deliverer.deps();
        let (channel, owners) = (row.channel.as_str(), &about.owners);
        let (words, heard) = (reply.words(), about.heard);
        metrics::counter!("carebell_replies_total", "keyword" => word(heard)).increment(1);
        if about.is_strangers() {
            metrics::counter!("carebell_replies_disbelieved_total", "channel" => channel.to_owned())
                .increment(1);
        }
        let kind = deps.channels.by_name(channel).map(|c| c.kind());
        let ids = distinct(owners.iter().map(|(_, patient)| *patient));
        let ids = patients::lock(tx, &ids).await?;
        let rows = patients::load(tx, deps.store.keys(), &ids).await?;
        let known = patients::contacts(tx, &rows).await?;
        let mut confirmation = match reply.handled {
            Some(_) => Answered::ByProvider,
            None => Answered::NotYet,
        };
        for owner in &rows {
            let theirs = known.iter().filter(|c| c.patient == owner.id && c.in_use);
            let same: Vec<_> =
                theirs.filter(|c| owners.iter().any(|(contact, _)| *contact == c.id)).collect();
            let from = same.iter().find(|c| Some(c.channel) == kind).or(same.first());
            let Some(contact) = from.map(|c| c.id) else { continue };
            let heeded =
                Heeded { owner, contact, reply: ReplyId::new(now, &mut deps.rng.fork()), channel };
            let leaves = kind == Some(ChannelKind::Email) && leaves_mail(words.expose());
            let kept = Kept {
                provider_id: &reply.provider_id,
                words: &words,
                keyword: if leaves { LEAVES } else { word(heard) },
                inbound: Some(row.id),
                belongs: about.belongs(owner.id),
            };
            let press = kept.belongs.press;
            if !self.keep_reply(tx, &heeded, kept, now).await? {
                continue;
            }
            about.count(owner.id);
            let all: Vec<ContactPointId> = same.iter().map(|c| c.id).collect();
            self.heard_from(tx, &heeded, reply, about.said_at, now).await?;
            match heard {
                Heard::Stop if leaves => self.leave_mail(tx, &heeded, &all, now).await?,
                Heard::Stop => {
                    self.stop(tx, &heeded, &all, now).await?;
                    self.answer(tx, &heeded, "stop-confirmation", confirmation, now).await?;
                }
                // What was pressed says more than its title does.
                _ if press.is_some() => {
                    if let Some(message) = about.wants_person(owner.id) {
                        self.ask_about(tx, &heeded, message, now).await?;
                    } else if heard == Heard::PerhapsStop {
                        self.ask_person(tx, &heeded, now).await?;
                    }
                }
                _ if reply.payload().is_some() && about.is_for_another(owner.id) => {}
                Heard::Start => {
                    if self.start(tx, &heeded, &all, now).await? {
                        self.answer(tx, &heeded, "start-confirmation", confirmation, now).await?;
                    }
                }
                Heard::Help => self.answer(tx, &heeded, "help", confirmation, now).await?,
                Heard::PerhapsStop | Heard::Number(_) | Heard::Other
                    if about.is_for_another(owner.id) => {}
                Heard::PerhapsStop | Heard::Number(_) | Heard::Other => {
                    self.ask_person(tx, &heeded, now).await?;
                }
            }
            // Several people behind one address get one answer.
            confirmation = Answered::ByProvider;
        }
        Ok(())
    }

    /// Who wrote is reached there, takes free text for a while, and is known by an id of the provider's from now on.
    async fn heard_from(
        &self,
        tx: &mut Tx,
        heeded: &Heeded<'_>,
        reply: &ReplyEvent,
        said_at: UtcMs,
        now: UtcMs,
    ) -> Result<()> {
        let deps = self.deliverer.deps();
        patients::heard(tx, heeded.contact, now).await?;
        let channel = deps.channels.by_name(heeded.channel);
        if channel.is_none_or(|c| c.capabilities().reminders != ReminderForm::Template) {
            return Ok(());
        }
        reach::open(tx, heeded.contact, heeded.channel, said_at.plus_ms(WINDOW_MS)).await?;
        // An id that came without its number was known before: that is how its owner was found.
        let (Some(_), Some(id)) = (&reply.from.address, &reply.from.user_id) else { return Ok(()) };
        let alias = (heeded.contact, heeded.owner.id, id);
        reach::learn(tx, deps.store.keys(), &mut deps.rng.fork(), &[alias], now).await
    }

    pub(super) async fn keep_reply(
        &self,
        tx: &mut Tx,
        heeded: &Heeded<'_>,
        kept: Kept<'_>,
        now: UtcMs,
    ) -> Result<bool> {
        let mut rng = self.deliverer.deps().rng.fork();
        let place = Place { table: "replies", column: "text", row: heeded.reply.0.as_bytes() };
        let row = PutReply {
            id: heeded.reply,
            patient: heeded.owner.id,
            contact_point: heeded.contact,
            channel: heeded.channel.to_owned(),
            provider_id: kept.provider_id.to_owned(),
            keyword: kept.keyword,
            sealed_text: patients::seal_text(heeded.owner, place, kept.words, &mut rng),
            received_at: now,
            inbound: kept.inbound,
            belongs: kept.belongs,
        };
        replies::put(tx, &row).await
    }

    /// STOP: the address is stopped on every channel, and the patient's consent to all of them is withdrawn.
    /// What is queued is decided by these rows when it is claimed; what is claimed is caught before its first
    /// byte.
    pub(super) async fn stop(
        &self,
        tx: &mut Tx,
        heeded: &Heeded<'_>,
        contacts: &[ContactPointId],
        now: UtcMs,
    ) -> Result<()> {
        let moves = health(contacts, ContactHealth::OptedOut, "STOP");
        patients::set_health(tx, &moves, now).await?;
        self.decide(tx, heeded, ConsentDecision::Refused, "STOP", now).await?;
        self.deliverer.opted_out(heeded.owner.id);
        Ok(())
    }

    /// START, from the same address: it lifts a STOP, and renews a consent that was there before. It makes none.
    async fn start(
        &self,
        tx: &mut Tx,
        heeded: &Heeded<'_>,
        contacts: &[ContactPointId],
        now: UtcMs,
    ) -> Result<bool> {
        let before = patients::consents(tx, &[heeded.owner.id]).await?;
        let consented = before.iter().any(|c: &KnownConsent| c.decision == ConsentDecision::Given);
        if !consented {
            self.ask_person(tx, heeded, now).await?;
            return Ok(false);
        }
        patients::set_health(tx, &health(contacts, ContactHealth::Ok, "START"), now).await?;
        self.decide(tx, heeded, ConsentDecision::Given, "START", now).await?;
        patients::disturb(tx, &[heeded.owner.id], now).await?;
        Ok(true)
    }

    async fn decide(
        &self,
        tx: &mut Tx,
        heeded: &Heeded<'_>,
        decision: ConsentDecision,
        said: &str,
        now: UtcMs,
    ) -> Result<()> {
        let deps = self.deliverer.deps();
        let consent = ConsentBasis { channel: None, decision, basis: Phi::from(said), at: now };
        let rows = [(heeded.owner, "reply", &consent)];
        patients::put_consents(tx, deps.store.keys(), &mut deps.rng.fork(), &rows, now).await?;
        Ok(())
    }

    /// Queues an answer to the address that asked.
    async fn answer(
        &self,
        tx: &mut Tx,
        heeded: &Heeded<'_>,
        name: &str,
        answered: Answered,
        now: UtcMs,
    ) -> Result<()> {
        let deps = self.deliverer.deps();
        if answered == Answered::ByProvider {
            return Ok(());
        }
        let valid_until = if name == "stop-confirmation" {
            now.plus_ms(STOP_CONFIRMATION_MS)
        } else {
            let utc = crate::care::Zone::new("UTC", Vec::new());
            valid_until(Class::Answer, now, None, &utc, None)
        };
        let mut message = MessageRow {
            id: MessageId::new(now, &mut deps.rng.fork()),
            patient: heeded.owner.id,
            minute: now.minute(),
            class_group: format!("answer:{}", heeded.reply),
            step: 0,
            part: 0,
            class: Class::Answer,
            name: name.to_owned(),
            state: MessageState::Queued,
            reason: Reason::Due,
            lane: String::new(),
            wake_at: Some(now),
            valid_until,
            contact_point: Some(heeded.contact),
            tried: Vec::new(),
            tries: 0,
            repeats: 0,
            created_at: now,
            updated_at: now,
        };
        message.lane = lane(Class::Answer, message.answering(), Some(heeded.channel));
        let alarm = Alarm::new(AlarmKind::Message, &message.lane, now, message.id.0);
        messages::put(tx, &[message]).await?;
        alarms::put(tx, &[alarm]).await
    }

    pub(super) async fn ask_person(
        &self,
        tx: &mut Tx,
        heeded: &Heeded<'_>,
        now: UtcMs,
    ) -> Result<()> {
        self.ask(tx, heeded, (heeded.reply.to_string(), "the patient wrote"), now).await
    }

    /// What was pressed under a message wants a person: one task a message, however often it is pressed.
    async fn ask_about(
        &self,
        tx: &mut Tx,
        heeded: &Heeded<'_>,
        message: MessageId,
        now: UtcMs,
    ) -> Result<()> {
        let what = (message.to_string(), "a button of the message asks for a person");
        self.ask(tx, heeded, what, now).await
    }

    async fn ask(
        &self,
        tx: &mut Tx,
        heeded: &Heeded<'_>,
        (subject, what): (String, &str),
        now: UtcMs,
    ) -> Result<()> {
        let task = NewTask {
            id: TaskId::new(now, &mut self.deliverer.deps().rng.fork()),
            patient: Some(heeded.owner.id),
            kind: TaskKind::Reply,
            subject,
            reason: Reason::Person { what: what.to_owned() },
            due_at: now.plus_ms(4 * HOUR_MS),
        };
        tasks::open(tx, &task, now).await
    }
}

pub(super) fn health(
    contacts: &[ContactPointId],
    health: ContactHealth,
    code: &str,
) -> Vec<HealthMove> {
    contacts.iter().map(|id| HealthMove { id: *id, health, code: code.to_owned() }).collect()
}

const fn word(heard: Heard) -> &'static str {
    match heard {
        Heard::Stop => "stop",
        Heard::PerhapsStop => "perhaps-stop",
        Heard::Start => "start",
        Heard::Help => "help",
        Heard::Number(_) => "number",
        Heard::Other => "other",
    }
}
