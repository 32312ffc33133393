//! What is left when all is over, and whether the promises held.

use crate::house::On;
use crate::process::{Installation, now};
use carebell::care::ids::{AttemptId, MessageId, PatientId};
use carebell::care::{Reason, ReminderState};
use carebell::sandbox::Entry;
use carebell::store::attempts::{AttemptRow, Repeat};
use carebell::store::reminders::ReminderRow;
use carebell::store::{attempts, messages, patients, reminders, tasks};
use std::collections::{BTreeMap, BTreeSet};

/// What is left when all is over: the house's books, and what the providers accepted.
pub struct Story {
    reminders: Vec<ReminderRow>,
    attempts: BTreeMap<MessageId, Vec<AttemptRow>>,
    accepted: BTreeMap<MessageId, Vec<Entry>>,
    subjects: BTreeSet<String>,
}

impl Story {
    pub async fn read(installation: &Installation) -> Self {
        let mut tx = installation.store.read().await.unwrap();
        let owners: Vec<PatientId> = patients::page(&mut tx, None, 100_000).await.unwrap();
        let reminders =
            reminders::of_patients(&mut tx, &owners, now().plus_ms(-86_400_000)).await.unwrap();
        let mut ids: Vec<MessageId> = reminders.iter().filter_map(|r| r.message).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut attempts: BTreeMap<MessageId, Vec<AttemptRow>> = BTreeMap::new();
        for row in attempts::of_messages(&mut tx, &ids).await.unwrap() {
            attempts.entry(row.message).or_default().push(row);
        }
        let mut accepted: BTreeMap<MessageId, Vec<Entry>> = BTreeMap::new();
        for entry in installation.sandbox.ledger().entries() {
            let message = Self::message_of(&mut tx, &entry).await;
            accepted.entry(message).or_default().push(entry);
        }
        let subjects = tasks::list(&mut tx).await.unwrap().into_iter().map(|t| t.subject).collect();
        Self { reminders, attempts, accepted, subjects }
    }

    /// P3: what was accepted has its intent in the books, whenever the daemon died.
    async fn message_of(tx: &mut carebell::store::Tx, entry: &Entry) -> MessageId {
        let correlation = entry.message.correlation.as_deref().unwrap();
        if let Ok(id) = correlation.parse::<MessageId>() {
            assert!(messages::by_id(tx, id).await.unwrap().is_some(), "p3: {entry:?}");
            return id;
        }
        let id: AttemptId = correlation.parse().unwrap();
        let rows = attempts::read(tx, &[id]).await.unwrap();
        assert_eq!(rows.len(), 1, "p3: accepted without an intent: {entry:?}");
        rows[0].message
    }

    /// What a provider took is known wherever it can be: on a line that can be asked, and on one whose receipts
    /// somebody always heard. There, what was never taken goes again, so that every slot has left exactly once.
    pub fn check_once(&self, on: On) {
        for reminder in &self.reminders {
            let message = reminder.message.unwrap();
            let attempts = &self.attempts[&message];
            let times = self.accepted.get(&message).map_or(0, Vec::len);
            let asked = attempts.iter().all(|a| a.channel == "twilio");
            let known = match (asked, on) {
                // The look-up never says that a message is surely absent.
                (true, _) => times == usize::from(reminder.state == ReminderState::Sent),
                (false, On::Postgres) => times == 1 && reminder.state == ReminderState::Sent,
                (false, On::Sqlite) => times <= 1,
            };
            let states: Vec<_> =
                attempts.iter().map(|a| (&a.channel, a.state, &a.reason)).collect();
            assert!(known, "p1, p2: {times} times: {reminder:?} {states:?}");
        }
    }

    /// How many messages speak for the slots.
    pub fn messages(&self) -> usize {
        self.reminders.iter().filter_map(|reminder| reminder.message).collect::<BTreeSet<_>>().len()
    }

    /// How many messages the providers accepted, every repetition counted.
    pub fn times_accepted(&self) -> usize {
        self.accepted.values().map(Vec::len).sum()
    }

    pub fn check(&self, slots: usize, unknown_at_most: usize) {
        assert_eq!(self.reminders.len(), slots, "p2: every slot has its row, once");
        let mut unknown = BTreeSet::new();
        let mut repeats = 0;
        for reminder in &self.reminders {
            let message = reminder.message.unwrap();
            let accepted = self.accepted.get(&message).map_or(0, Vec::len);
            let attempts = self.attempts.get(&message).map_or(&[][..], Vec::as_slice);
            let may_repeat = usize::from(!reminder.class.is_dose());
            assert!(accepted <= 1 + may_repeat, "p1: {accepted} times: {reminder:?} {attempts:?}");
            if accepted > 1 {
                repeats += 1;
                let last = attempts.iter().max_by_key(|row| row.number).unwrap();
                assert_eq!(last.repeat, Repeat::Again, "p4: not marked: {attempts:?}");
            }
            match reminder.state {
                ReminderState::Sent => assert!(accepted > 0, "p2: sent, but not: {reminder:?}"),
                ReminderState::Unknown => {
                    unknown.insert(message);
                    // In hand at three unclean ends, it is given up as poison (P9): a person is asked then too.
                    let poison = reminder.reason == Reason::Poisoned;
                    let known = matches!(reminder.reason, Reason::StaysUnknown | Reason::Dropped);
                    assert!(known || poison, "p2: {reminder:?} {attempts:?}");
                    let task = self.subjects.contains(&message.to_string());
                    assert_eq!(
                        task,
                        poison || reminder.class.is_dose(),
                        "p4: a person is asked: {reminder:?}"
                    );
                }
                _ => panic!("p2: neither sent nor unknown: {reminder:?} {attempts:?}"),
            }
        }
        assert!(unknown.len() <= unknown_at_most, "{} > {unknown_at_most}", unknown.len());
        let mut ends: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
        for reminder in &self.reminders {
            for row in self.attempts.get(&reminder.message.unwrap()).into_iter().flatten() {
                let end = (reminder.class.word(), row.channel.as_str(), row.state.word());
                *ends.entry(end).or_default() += 1;
            }
        }
        eprintln!(
            "{slots} slots, {repeats} repeated, {} unknown; attempts {ends:?}",
            unknown.len()
        );
    }
}
