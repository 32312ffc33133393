//! Finds out what has happened: the store and the stand-in's ledger against what was told already.

use super::cast::{Cast, Person, channel_word};
use super::event::{Event, What};
use super::house::House;
use super::scenes::Scene;
use super::tally::correlation;
use crate::care::ids::{AttemptId, MessageId, PatientId, ReminderId, ReplyId};
use crate::care::{AttemptState, MessageState, Reason, ReminderState, UtcMs};
use crate::clock::Clock as _;
use crate::sandbox::{Message, Query};
use crate::store::attempts::AttemptRow;
use crate::store::{Result, attempts, messages, reminders, replies};
use std::collections::{BTreeMap, BTreeSet};

/// What was told already.
pub(super) struct Reporter<'a> {
    house: &'a House,
    cast: &'a Cast,
    scenes: &'a [Scene],
    reminders: BTreeMap<ReminderId, (ReminderState, Reason)>,
    held: BTreeMap<MessageId, UtcMs>,
    attempts: BTreeMap<AttemptId, AttemptState>,
    presses: BTreeSet<ReplyId>,
}

impl<'a> Reporter<'a> {
    /// Nothing was told yet; the scenes are, when their time has come.
    pub(super) fn new(house: &'a House, cast: &'a Cast, scenes: &'a [Scene]) -> Self {
        Self {
            house,
            cast,
            scenes,
            reminders: BTreeMap::new(),
            held: BTreeMap::new(),
            attempts: BTreeMap::new(),
            presses: BTreeSet::new(),
        }
    }

    /// What has happened since the last look.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn look(&mut self) -> Result<Vec<Event>> {
        let now = self.house.clock.now();
        let everybody = self.cast.ids();
        let mut tx = self.house.app.store.read().await?;
        let due = reminders::of_patients(&mut tx, &everybody, UtcMs::MIN).await?;
        let said = messages::at_minutes(&mut tx, &everybody, UtcMs::MIN).await?;
        let ids: Vec<MessageId> = said.iter().map(|message| message.id).collect();
        let tried = attempts::of_messages(&mut tx, &ids).await?;
        let answers = replies::of_messages(&mut tx, &ids).await?;
        drop(tx);
        let mut events = self.replies(now);
        let cast = self.cast;
        let mut tell = |at: UtcMs, patient: PatientId, what: Option<What>| {
            if let (Some(person), Some(what)) = (cast.get(patient), what) {
                events.push(Event::new(at, person, what));
            }
        };
        for row in due {
            let turn = (row.state, row.reason.clone());
            if self.reminders.insert(row.id, turn.clone()) != Some(turn) {
                // What stops a reminder is known a little ahead of its time; it is told of its time.
                tell(now.max(row.due_at), row.patient, of_reminder(row.state, row.reason));
            }
        }
        for row in said {
            if let (MessageState::Queued, Reason::QuietHours { until }) = (row.state, &row.reason)
                && self.held.insert(row.id, *until) != Some(*until)
            {
                let until = self.cast.get(row.patient).map(|person| person.local_time(*until));
                tell(
                    now,
                    row.patient,
                    until.map(|until_local_time| What::Held { until_local_time }),
                );
            }
        }
        for row in answers {
            if let Some(pressed) = row.press.filter(|_| self.presses.insert(row.id)) {
                let channel = channel_of(&row.channel);
                tell(row.said_at, row.patient, Some(What::Press { channel, pressed }));
            }
        }
        for row in tried {
            let before = self.attempts.insert(row.id, row.state).unwrap_or(AttemptState::Intent);
            if before == row.state {
                continue;
            }
            if before < AttemptState::Accepted && row.state >= AttemptState::Accepted {
                tell(now, row.patient, self.sent(&row));
            }
            tell(now, row.patient, of_attempt(&row));
        }
        Ok(events)
    }

    /// Replies whose time has come.
    fn replies(&mut self, now: UtcMs) -> Vec<Event> {
        let (spoken, to_come) =
            self.scenes.split_at(self.scenes.partition_point(|scene| scene.at <= now));
        self.scenes = to_come;
        spoken
            .iter()
            .filter_map(|scene| {
                let person: &Person = self.cast.at_address(&scene.reply.from)?;
                let channel = channel_word(scene.reply.channel);
                let what = What::Reply { channel, text: scene.reply.text.clone() };
                Some(Event::new(scene.at, person, what))
            })
            .collect()
    }

    /// What the stand-in's ledger says of an attempt.
    fn sent(&self, attempt: &AttemptRow) -> Option<What> {
        let query = Query { correlation: Some(correlation(attempt)), ..Query::default() };
        let entry = self.house.sandbox.ledger().find(&query).pop()?;
        Some(What::Sent {
            channel: channel_word(entry.message.channel),
            language: self.cast.get(attempt.patient)?.language.clone(),
            text: text(&entry.message),
        })
    }
}

/// The text that went out; of a template, what fills it and its name.
fn text(message: &Message) -> String {
    match (&message.body, &message.template) {
        // The link at the end of a mail is another one in every run.
        (Some(body), _) => match body.rsplit_once("\n\n") {
            Some((text, link)) if link.contains("/u/") => text.to_owned(),
            _ => body.clone(),
        },
        (None, Some(used)) => format!("{} ({})", used.parameters.join(", "), used.name),
        (None, None) => String::new(),
    }
}

fn of_reminder(state: ReminderState, reason: Reason) -> Option<What> {
    match state {
        ReminderState::Queued if reason != Reason::Reinstated => None,
        ReminderState::Sending | ReminderState::Sent => None,
        _ => Some(What::Reminder { state, reason }),
    }
}

/// A configured channel as the demo names it.
fn channel_of(configured: &str) -> String {
    match configured {
        "twilio" => "sms".to_owned(),
        other => other.to_owned(),
    }
}

fn of_attempt(attempt: &AttemptRow) -> Option<What> {
    let channel = channel_of(&attempt.channel);
    match attempt.state {
        AttemptState::Delivered | AttemptState::Read | AttemptState::Unknown => {
            Some(What::Receipt { channel, status: attempt.state.word() })
        }
        AttemptState::Refused | AttemptState::Failed => {
            Some(What::Refused { channel, code: attempt.code.clone().unwrap_or_default() })
        }
        _ => None,
    }
}
