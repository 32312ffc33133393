//! The reckoning: what the stand-in accepted, joined with what the store says of it. Nothing is assumed.

use super::cast::{Cast, channel_word};
use super::house::House;
use super::scenes::Scene;
use crate::care::ids::{AttemptId, MessageId};
use crate::care::time::MINUTE_MS;
use crate::care::{AttemptState, Reason, ReminderState, UtcMs};
use crate::cli::{Failure, Output, Tone};
use crate::policy::keywords::{Heard, hear};
use crate::sandbox::Entry;
use crate::store::attempts::AttemptRow;
use crate::store::messages::MessageRow;
use crate::store::reminders::ReminderRow;
use crate::store::{Result, attempts, messages, reminders, story};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Messages that left, and what became of them.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    sent: usize,
    delivered: usize,
    read: usize,
}

impl Counts {
    fn add(&mut self, state: AttemptState) {
        self.sent += 1;
        self.delivered += usize::from(state >= AttemptState::Delivered);
        self.read += usize::from(state >= AttemptState::Read);
    }
}

/// Reminders that ended in one way for one reason.
#[derive(Debug, Serialize)]
struct NotSent {
    state: &'static str,
    reason: String,
    reminders: usize,
}

/// What must be zero.
#[derive(Debug, Default, Serialize)]
struct Faults {
    /// Accepted past its validity, or a minute after it was due with no reason on record.
    late: usize,
    /// Accepted more than once.
    duplicates: usize,
    /// Sent to somebody between STOP and START, the confirmation aside.
    after_stop: usize,
    /// In the ledger without an attempt in the store, or the other way round.
    unaccounted: usize,
}

/// The summary of a day.
#[derive(Debug, Serialize)]
pub(super) struct Tally {
    from: String,
    until: String,
    patients: usize,
    due: usize,
    sent: usize,
    not_sent: Vec<NotSent>,
    messages: Counts,
    channels: BTreeMap<&'static str, Counts>,
    zones: BTreeMap<String, Counts>,
    #[serde(flatten)]
    faults: Faults,
}

/// What the ledger calls an attempt: a provider echoes the attempt's id; an email has no receipts and bears its
/// message's, so that a mail reader knows a repeat as the same letter.
pub(super) fn correlation(attempt: &AttemptRow) -> String {
    match attempt.channel.as_str() {
        "email" => attempt.message.to_string(),
        _ => attempt.id.to_string(),
    }
}

/// What the store says of the day.
struct Books {
    reminders: Vec<ReminderRow>,
    messages: BTreeMap<MessageId, MessageRow>,
    /// By what the ledger calls them.
    attempts: BTreeMap<String, AttemptRow>,
    excused: BTreeSet<MessageId>,
}

impl Tally {
    /// Reckons from `from` to `until`.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn of(
        house: &House,
        cast: &Cast,
        scenes: &[Scene],
        from: UtcMs,
        until: UtcMs,
    ) -> Result<Self> {
        let books = Books::read(house, cast).await?;
        let ledger = house.sandbox.ledger().entries();
        let (mut channels, mut zones) = (BTreeMap::new(), BTreeMap::new());
        let mut messages = Counts::default();
        for (entry, attempt) in ledger.iter().filter_map(|e| Some((e, books.attempt_of(e)?))) {
            let zone = cast.get(attempt.patient).map_or("", |person| person.zone.name());
            let per_channel: &mut Counts =
                channels.entry(channel_word(entry.message.channel)).or_default();
            per_channel.add(attempt.state);
            let per_zone: &mut Counts = zones.entry(zone.to_owned()).or_default();
            per_zone.add(attempt.state);
            messages.add(attempt.state);
        }
        let sent = |row: &&ReminderRow| row.state == ReminderState::Sent;
        Ok(Self {
            from: from.rfc3339(),
            until: until.rfc3339(),
            patients: cast.len(),
            due: books.reminders.len(),
            sent: books.reminders.iter().filter(sent).count(),
            not_sent: not_sent(&books.reminders),
            messages,
            channels,
            zones,
            faults: Faults {
                late: ledger.iter().filter(|entry| books.is_late(entry)).count(),
                duplicates: duplicates(&ledger, &books),
                after_stop: after_stop(&ledger, &books, cast, scenes),
                unaccounted: books.unaccounted(&ledger),
            },
        })
    }

    /// Whether nothing is wrong.
    pub(super) const fn is_clean(&self) -> bool {
        let Faults { late, duplicates, after_stop, unaccounted } = self.faults;
        late == 0 && duplicates == 0 && after_stop == 0 && unaccounted == 0
    }

    /// Prints it for people.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(super) fn print(&self, output: &Output) -> std::result::Result<(), Failure> {
        let Counts { sent, delivered, read } = self.messages;
        output.print(&format!(
            "\n{} reminders came due for {} patients: {} sent, {} not.\n\
             {sent} messages left: {delivered} reported delivered, {read} read.",
            self.due,
            self.patients,
            self.sent,
            self.due - self.sent,
        ))?;
        let Faults { late, duplicates, after_stop, unaccounted } = self.faults;
        for (name, count) in [
            ("late", late),
            ("duplicates", duplicates),
            ("sent after STOP", after_stop),
            ("unaccounted for", unaccounted),
        ] {
            let tone = if count == 0 { Tone::Good } else { Tone::Bad };
            output.print(&format!("  {:>3} {name}", output.paint(tone, &format!("{count:>3}"))))?;
        }
        let reasons: Vec<Vec<String>> = self
            .not_sent
            .iter()
            .map(|it| vec![it.reminders.to_string(), it.state.to_owned(), it.reason.clone()])
            .collect();
        output.print("")?;
        output.table(&["not sent", "state", "reason"], &reasons)?;
        let row = |name: &str, it: &Counts| {
            vec![
                name.to_owned(),
                it.sent.to_string(),
                it.delivered.to_string(),
                it.read.to_string(),
            ]
        };
        let rows: Vec<_> = self.channels.iter().map(|(name, it)| row(name, it)).collect();
        output.print("")?;
        output.table(&["channel", "sent", "delivered", "read"], &rows)?;
        let rows: Vec<_> = self.zones.iter().map(|(name, it)| row(name, it)).collect();
        output.print("")?;
        output.table(&["zone", "sent", "delivered", "read"], &rows)
    }
}

impl Books {
    async fn read(house: &House, cast: &Cast) -> Result<Self> {
        let everybody = cast.ids();
        let mut tx = house.app.store.read().await?;
        let reminders = reminders::of_patients(&mut tx, &everybody, UtcMs::MIN).await?;
        let messages = messages::at_minutes(&mut tx, &everybody, UtcMs::MIN).await?;
        let ids: Vec<MessageId> = messages.iter().map(|message| message.id).collect();
        let attempts = attempts::of_messages(&mut tx, &ids).await?;
        let mut subjects: BTreeMap<_, MessageId> = ids.iter().map(|id| (id.0, *id)).collect();
        subjects.extend(reminders.iter().filter_map(|row| Some((row.id.0, row.message?))));
        let wanted: Vec<_> = subjects.keys().copied().collect();
        let turns = story::of(&mut tx, &wanted).await?;
        let excused = turns
            .iter()
            .filter(|turn| serde_json::from_str(&turn.reason).is_ok_and(|reason| excuses(&reason)))
            .filter_map(|turn| subjects.get(&turn.subject_id).copied())
            .collect();
        Ok(Self {
            reminders,
            messages: messages.into_iter().map(|row| (row.id, row)).collect(),
            attempts: attempts.into_iter().map(|row| (correlation(&row), row)).collect(),
            excused,
        })
    }

    fn attempt_of(&self, entry: &Entry) -> Option<&AttemptRow> {
        self.attempts.get(entry.message.correlation.as_ref()?)
    }

    fn message_of(&self, entry: &Entry) -> Option<&MessageRow> {
        self.messages.get(&self.attempt_of(entry)?.message)
    }

    fn is_late(&self, entry: &Entry) -> bool {
        self.message_of(entry).is_some_and(|message| {
            let put_off = entry.at.since(message.minute) >= MINUTE_MS;
            entry.at >= message.valid_until || (put_off && !self.excused.contains(&message.id))
        })
    }

    fn unaccounted(&self, ledger: &[Entry]) -> usize {
        let known: BTreeSet<AttemptId> =
            ledger.iter().filter_map(|entry| Some(self.attempt_of(entry)?.id)).collect();
        let unknown = ledger.iter().filter(|entry| self.attempt_of(entry).is_none()).count();
        let accepted = self.attempts.values().filter(|row| row.state >= AttemptState::Accepted);
        unknown + accepted.filter(|row| !known.contains(&row.id)).count()
    }
}

/// What puts a message off for good reason.
const fn excuses(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::QuietHours { .. }
            | Reason::Reinstated
            | Reason::Retry { .. }
            | Reason::NextChannel { .. }
    )
}

fn not_sent(reminders: &[ReminderRow]) -> Vec<NotSent> {
    let mut counts: BTreeMap<(&'static str, String), usize> = BTreeMap::new();
    for row in reminders.iter().filter(|row| row.state != ReminderState::Sent) {
        *counts.entry((row.state.word(), row.reason.to_string())).or_default() += 1;
    }
    let to_row = |((state, reason), reminders)| NotSent { state, reason, reminders };
    counts.into_iter().map(to_row).collect()
}

/// Entries that repeat an earlier one: by the message they belong to, or, whatever the store says, by address,
/// minute and content.
fn duplicates(ledger: &[Entry], books: &Books) -> usize {
    let (mut messages, mut contents) = (BTreeSet::new(), BTreeSet::new());
    ledger
        .iter()
        .filter(|entry| {
            let message = books.message_of(entry).map(|message| message.id);
            let said = &entry.message;
            let template = said.template.as_ref().map(|it| (&it.name, &it.parameters));
            let content = (&said.to, entry.at.minute(), &said.body, template);
            let new_content = contents.insert(content);
            let new_message = message.is_none_or(|id| messages.insert(id));
            !(new_content && new_message)
        })
        .count()
}

/// Entries for people who had said STOP and not START since; the confirmation is owed to them.
fn after_stop(ledger: &[Entry], books: &Books, cast: &Cast, scenes: &[Scene]) -> usize {
    let silent = |entry: &Entry, label: &str| {
        let mut heard = scenes.iter().filter(|scene| {
            scene.at <= entry.at
                && cast.at_address(&scene.reply.from).is_some_and(|person| person.label == label)
        });
        heard.next_back().is_some_and(|last| hear(&last.reply.text) == Heard::Stop)
    };
    ledger
        .iter()
        .filter(|entry| {
            let person = cast.at_address(&entry.message.to);
            let confirms = books.message_of(entry).is_some_and(|it| it.name == "stop-confirmation");
            !confirms && person.is_some_and(|person| silent(entry, &person.label))
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::ids::{ContactPointId, InstanceId, PatientId};
    use crate::care::{Class, MessageState};
    use crate::sandbox::{Channel, Message};
    use crate::store::attempts::Repeat;
    use uuid::Uuid;

    const DUE: UtcMs = UtcMs(1_795_392_000_000);

    /// Books with one message that was due at [`DUE`] and its one accepted attempt.
    fn books(valid_ms: i64) -> Books {
        let message = MessageRow {
            id: MessageId(Uuid::from_u128(1)),
            patient: PatientId(Uuid::nil()),
            minute: DUE,
            class_group: "dose".to_owned(),
            step: 0,
            part: 0,
            class: Class::Dose,
            name: "reminder".to_owned(),
            state: MessageState::Sent,
            reason: Reason::Accepted,
            lane: String::new(),
            wake_at: None,
            valid_until: DUE.plus_ms(valid_ms),
            contact_point: None,
            tried: Vec::new(),
            tries: 1,
            repeats: 0,
            created_at: DUE,
            updated_at: DUE,
        };
        let attempt = AttemptRow {
            id: AttemptId(Uuid::from_u128(2)),
            message: message.id,
            patient: message.patient,
            contact_point: ContactPointId(Uuid::nil()),
            channel: "twilio".to_owned(),
            number: 1,
            repeat: Repeat::First,
            state: AttemptState::Accepted,
            reason: Reason::Accepted,
            instance: InstanceId(Uuid::nil()),
            token: Uuid::nil(),
            lease_until: DUE,
            intent_at: DUE,
            ended_at: None,
            code: None,
            provider_id: None,
            content: Vec::new(),
            wake_at: None,
            hop_until: None,
            own_parts: None,
            named_parts: None,
            day_costs: None,
        };
        Books {
            reminders: Vec::new(),
            messages: [(message.id, message)].into(),
            attempts: [(correlation(&attempt), attempt)].into(),
            excused: BTreeSet::new(),
        }
    }

    fn entry(at: UtcMs, correlation: Option<u128>, body: &str) -> Entry {
        let correlation = correlation.map(|id| AttemptId(Uuid::from_u128(id)).to_string());
        let message = Message {
            channel: Channel::Twilio,
            from: "+15005550006".to_owned(),
            to: "+12025550101".to_owned(),
            user_id: None,
            correlation,
            body: Some(body.to_owned()),
            template: None,
            subject: None,
            valid_seconds: None,
            status_callback: None,
            provider_id: String::new(),
        };
        Entry { seq: 1, at, received_ms: 0, message }
    }

    #[test]
    fn p1_a_repeat_shows_by_its_message_and_by_its_words() {
        let books = books(7_200_000);
        let (same, later) = (entry(DUE, Some(2), "a"), DUE.plus_ms(MINUTE_MS));
        for (second, expected) in [
            (entry(later, Some(2), "b"), 1),
            (entry(DUE, None, "a"), 1),
            (entry(DUE, None, "b"), 0),
            (entry(later, None, "a"), 0),
        ] {
            assert_eq!(duplicates(&[same.clone(), second], &books), expected);
        }
    }

    #[test]
    fn p5_late_is_past_validity_or_put_off_without_a_reason() {
        let mut books = books(7_200_000);
        let after = |ms| entry(DUE.plus_ms(ms), Some(2), "a");
        let late = |books: &Books| [59_999, 60_000, 7_200_000].map(|ms| books.is_late(&after(ms)));
        assert_eq!(late(&books), [false, true, true]);
        books.excused.insert(MessageId(Uuid::from_u128(1)));
        assert_eq!(late(&books), [false, false, true]);
    }

    #[test]
    fn what_only_one_side_knows_is_unaccounted_for() {
        let books = books(7_200_000);
        assert_eq!(books.unaccounted(&[entry(DUE, Some(2), "a")]), 0);
        assert_eq!(books.unaccounted(&[]), 1);
        assert_eq!(books.unaccounted(&[entry(DUE, Some(2), "a"), entry(DUE, Some(3), "b")]), 1);
    }
}
