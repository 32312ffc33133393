//! The oracle: the stand-in's ledger joined with the store. One function a promise; what it returns is broken.

use super::Seen;
use super::ops::{DOSE_TIMES, RESIDENTS, ZONES, instant};
use super::world::{Remembered, World};
use carebell::care::ids::{ActivityId, AttemptId, MessageId};
use carebell::care::time::MINUTE_MS;
use carebell::care::{AttemptState, Class, Reason, ReminderState, UtcMs};
use carebell::sandbox::{Channel, Entry};
use carebell::store::attempts::{self, AttemptRow, Repeat};
use carebell::store::messages::{self, MessageRow};
use carebell::store::receipts;
use carebell::store::reminders::{self, GapRow, ReminderRow};
use carebell::store::{story, tasks};
use std::collections::{BTreeMap, BTreeSet};

/// Everything on both sides of the wire.
pub struct Books<'a> {
    world: &'a World,
    /// By resident.
    reminders: Vec<Vec<ReminderRow>>,
    gaps: Vec<GapRow>,
    messages: BTreeMap<MessageId, MessageRow>,
    attempts: BTreeMap<MessageId, Vec<AttemptRow>>,
    /// What was accepted for each message.
    accepted: BTreeMap<MessageId, Vec<Entry>>,
    /// Accepted without anything in the store that could have sent it.
    unheard_of: Vec<Entry>,
    /// What providers told of each attempt, and when it came in.
    receipts: BTreeMap<AttemptId, Vec<(AttemptState, UtcMs)>>,
    /// When the silence of its provider was taken as the proof that an attempt was not accepted.
    silences: BTreeMap<AttemptId, UtcMs>,
    /// Messages of which the story tells that they left twice.
    told_doubled: BTreeSet<MessageId>,
    open_tasks: BTreeSet<(String, String)>,
}

/// Every broken promise, by its number; empty when all hold.
pub async fn broken(world: &World, seen: &Seen) -> Vec<String> {
    let books = Books::read(world).await;
    let traceless: usize = books.attempts.keys().map(|id| books.without_trace(*id).count()).sum();
    seen.count(world, books.silences.len(), traceless);
    [
        world.restless.clone(),
        books.p1_never_twice(),
        books.p2_never_silent(),
        books.p3_no_intent_no_send(),
        books.p4_unknown_is_settled_by_evidence(),
        books.p5_never_late(),
        books.p6_read_again_before_each_send(),
        books.p8_receipts_end_in_the_maximum(),
        books.p9_one_bad_row_hurts_nobody_else(),
    ]
    .concat()
}

impl<'a> Books<'a> {
    async fn read(world: &'a World) -> Self {
        let mut tx = world.house.app.store.read().await.unwrap();
        let mut all = Vec::new();
        let mut activities: Vec<ActivityId> = Vec::new();
        for person in &world.people {
            let rows = reminders::of_patients(&mut tx, &[person.patient], UtcMs(0)).await.unwrap();
            all.push(rows);
            activities.push(person.dose);
            activities.extend(person.others.iter().map(|(id, _)| *id));
        }
        let mut ids: BTreeSet<MessageId> = all.iter().flatten().filter_map(|r| r.message).collect();
        let mut accepted: BTreeMap<MessageId, Vec<Entry>> = BTreeMap::new();
        let mut unheard_of = Vec::new();
        let known = |entry: &Entry| {
            RESIDENTS.iter().any(|r| r.contacts.iter().any(|(_, a)| *a == entry.message.to))
        };
        for entry in world.house.sandbox.ledger().entries().into_iter().filter(known) {
            let correlation = entry.message.correlation.clone().unwrap_or_default();
            let message = match correlation.parse::<AttemptId>() {
                Ok(id) => attempts::read(&mut tx, &[id]).await.unwrap().pop().map(|a| a.message),
                // Mail carries the message's id.
                Err(_) => correlation.parse::<MessageId>().ok(),
            };
            match message {
                Some(message) => accepted.entry(message).or_default().push(entry),
                None => unheard_of.push(entry),
            }
        }
        ids.extend(accepted.keys());
        let mut messages = BTreeMap::new();
        for id in &ids {
            messages.extend(messages::by_id(&mut tx, *id).await.unwrap().map(|row| (row.id, row)));
        }
        let list: Vec<MessageId> = ids.into_iter().collect();
        let mut by_message: BTreeMap<MessageId, Vec<AttemptRow>> = BTreeMap::new();
        for row in attempts::of_messages(&mut tx, &list).await.unwrap() {
            by_message.entry(row.message).or_default().push(row);
        }
        let gaps = reminders::gaps_of(&mut tx, &activities).await.unwrap();
        let open = tasks::list(&mut tx).await.unwrap().into_iter().filter(|t| t.state == "open");
        let known: Vec<AttemptId> = by_message.values().flatten().map(|a| a.id).collect();
        let mut receipts: BTreeMap<AttemptId, Vec<(AttemptState, UtcMs)>> = BTreeMap::new();
        for row in receipts::of_attempts(&mut tx, &known).await.unwrap() {
            let told = (row.status.proves(), row.received_at);
            receipts.entry(row.attempt.unwrap()).or_default().push(told);
        }
        let subjects: Vec<_> = list.iter().map(|id| id.0).collect();
        let turns = story::of(&mut tx, &subjects).await.unwrap();
        let doubled = turns.iter().filter(|turn| turn.state == "doubled");
        let told_doubled = doubled.map(|turn| MessageId(turn.subject_id)).collect();
        let mut silences = BTreeMap::new();
        for turn in turns.iter().filter(|turn| is_silence(&turn.reason)) {
            let tries = by_message.get(&MessageId(turn.subject_id)).into_iter().flatten();
            let settled = tries.rev().find(|attempt| attempt.intent_at.0 < turn.at_ms);
            silences.extend(settled.map(|attempt| (attempt.id, UtcMs(turn.at_ms))));
        }
        for attempt in by_message.values().flatten() {
            if matches!(attempt.reason, Reason::Silence { .. }) {
                // The message did not go again: it tells of the time.
                silences.entry(attempt.id).or_insert(messages[&attempt.message].updated_at);
            }
        }
        Self {
            world,
            reminders: all,
            gaps,
            messages,
            attempts: by_message,
            accepted,
            unheard_of,
            receipts,
            silences,
            told_doubled,
            open_tasks: open.map(|t| (t.kind, t.subject)).collect(),
        }
    }

    fn people(&self) -> impl Iterator<Item = (&Remembered, &[ReminderRow])> {
        self.world.people.iter().zip(self.reminders.iter().map(Vec::as_slice))
    }

    fn all(&self) -> impl Iterator<Item = &ReminderRow> {
        self.reminders.iter().flatten()
    }

    fn entries(&self, message: MessageId) -> &[Entry] {
        self.accepted.get(&message).map_or(&[], Vec::as_slice)
    }

    /// Of these, what does not count as twice: accepted, but its provider broke the premise of silence as proof
    /// (design.md section 6, step 3) by telling nothing of it until silence had settled it.
    fn without_trace(&self, message: MessageId) -> impl Iterator<Item = &AttemptRow> {
        self.tries(message).iter().filter(|attempt| {
            let settled = self.silences.get(&attempt.id);
            let told = self.receipts.get(&attempt.id).into_iter().flatten();
            let entry = self.entry_of(attempt);
            entry.is_some_and(|entry| entry.message.channel == Channel::Whatsapp)
                && settled.is_some_and(|at| told.clone().all(|(_, received)| received > at))
        })
    }

    /// How often a message was accepted, as far as its provider let us know.
    fn times(&self, message: MessageId) -> usize {
        self.entries(message).len() - self.without_trace(message).count()
    }

    fn tries(&self, message: MessageId) -> &[AttemptRow] {
        self.attempts.get(&message).map_or(&[], Vec::as_slice)
    }

    /// The reminders that a message really announced, as far as the store says.
    fn announced_by(&self, message: MessageId) -> impl Iterator<Item = &ReminderRow> {
        use ReminderState::{Failed, Sending, Sent, Unknown};
        self.all()
            .filter(move |r| r.message == Some(message))
            .filter(|r| matches!(r.state, Sent | Unknown | Failed | Sending))
    }

    fn entry_of(&self, attempt: &AttemptRow) -> Option<&Entry> {
        let id = attempt.id.to_string();
        let entries = self.entries(attempt.message).iter();
        entries.clone().find(|e| e.message.correlation.as_ref() == Some(&id))
    }

    /// A dose of a day once, whatever it was called and wherever the patient went; the rest as section 6 allows.
    fn p1_never_twice(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for (person, rows) in self.people() {
            let mut days: BTreeMap<String, usize> = BTreeMap::new();
            let mut slots = BTreeSet::new();
            for row in rows {
                if !slots.insert((row.activity, row.slot.clone())) {
                    broken.push(format!("P1: two reminders of one slot: {row:?}"));
                }
                let Some(message) = row.message else { continue };
                if !self.announced_by(message).any(|r| r.id == row.id) {
                    continue;
                }
                let times = self.times(message);
                if row.activity == person.dose {
                    *days.entry(row.slot.planned.to_string()[..10].to_owned()).or_default() +=
                        times;
                }
                let most = if row.class == Class::Measurement { 2 } else { 1 };
                if times > most {
                    broken.push(format!("P1: accepted {times} times: {row:?}"));
                }
            }
            for (day, times) in days.into_iter().filter(|(_, times)| *times > 1) {
                broken.push(format!("P1: the dose of {day} {times} times: {rows:?}"));
            }
        }
        broken
    }

    /// Every slot has its row or is counted, every row its end, and both sides of the wire agree on it.
    fn p2_never_silent(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let now = self.world.now();
        for row in self.all() {
            let open = matches!(row.state, ReminderState::Queued | ReminderState::Sending);
            if open && row.valid_until <= now {
                broken.push(format!("P2: open past its validity: {row:?}"));
            }
            let accepted = row.message.is_some_and(|message| !self.entries(message).is_empty());
            if row.state == ReminderState::Sent && !accepted {
                broken.push(format!("P2: sent, says the store alone: {row:?}"));
            }
        }
        for message in self.accepted.keys().filter(|message| self.times(**message) > 0) {
            if self.messages.get(message).is_some_and(|m| m.class == Class::Answer) {
                continue;
            }
            let all_failed = self
                .tries(*message)
                .iter()
                .all(|a| self.entry_of(a).is_none() || a.state == AttemptState::Failed);
            let told = self.all().filter(|r| r.message == Some(*message)).any(|r| {
                matches!(r.state, ReminderState::Sent | ReminderState::Unknown)
                    || (r.state == ReminderState::Failed && all_failed)
                    || r.was_stopped()
            });
            if !told {
                let rows: Vec<_> = self.all().filter(|r| r.message == Some(*message)).collect();
                broken.push(format!(
                    "P2: accepted, and no reminder says so: {rows:?} {:?}",
                    self.tries(*message)
                ));
            }
        }
        for (person, rows) in self.people() {
            for (activity, planned, at) in expected(person, now) {
                let row = rows.iter().any(|r| {
                    r.activity == activity && r.slot.planned.to_string() == format!("{planned}:00")
                });
                let counted = self
                    .gaps
                    .iter()
                    .any(|gap| gap.activity == activity && gap.from <= at && at < gap.to);
                if !row && !counted {
                    broken
                        .push(format!("P2: silent: {planned} of {activity}, due {}", at.rfc3339()));
                }
            }
        }
        broken
    }

    fn p3_no_intent_no_send(&self) -> Vec<String> {
        let mut broken: Vec<String> =
            self.unheard_of.iter().map(|e| format!("P3: no intent for {e:?}")).collect();
        for (message, entries) in &self.accepted {
            let tries = self.tries(*message);
            for entry in entries {
                if !tries.iter().any(|attempt| attempt.intent_at <= entry.at) {
                    broken.push(format!("P3: no intent before {entry:?}: {tries:?}"));
                }
            }
            if entries.len() > tries.len() {
                broken.push(format!("P3: more accepted than intended: {entries:?} {tries:?}"));
            }
        }
        broken
    }

    fn p4_unknown_is_settled_by_evidence(&self) -> Vec<String> {
        use AttemptState::{Failed, Intent, NotSent, Refused, SettledNotAccepted, Unknown};
        let mut broken = Vec::new();
        for (message, tries) in &self.attempts {
            let class = self.messages[message].class;
            for attempt in tries {
                if attempt.state == Intent {
                    broken.push(format!("P4: an intent without an end: {attempt:?}"));
                }
                let denied = matches!(attempt.state, NotSent | Refused | SettledNotAccepted);
                let traceless = self.without_trace(*message).any(|lost| lost.id == attempt.id);
                if let Some(entry) = self.entry_of(attempt).filter(|_| denied && !traceless) {
                    broken.push(format!("P4: denied, but accepted: {attempt:?} {entry:?}"));
                }
            }
            for (earlier, later) in tries.iter().zip(tries.iter().skip(1)) {
                let sure = matches!(earlier.state, NotSent | Refused | SettledNotAccepted | Failed);
                let marked = later.repeat == Repeat::Again;
                if fell_back(class, earlier, later) {
                    continue;
                }
                if !sure && (matches!(class, Class::Dose | Class::TimeCriticalDose) || !marked) {
                    broken.push(format!("P4: sent again without evidence: {earlier:?} {later:?}"));
                }
            }
        }
        for (id, at) in &self.silences {
            broken.extend(self.why_no_proof(*id, *at));
        }
        for row in self.all().filter(|r| r.class.is_dose() && r.state == ReminderState::Unknown) {
            let subject = row.message.map(|message| message.to_string()).unwrap_or_default();
            let unknown =
                row.message.is_some_and(|m| self.tries(m).iter().any(|a| a.state == Unknown));
            if !unknown || !self.open_tasks.contains(&("unknown-dose".to_owned(), subject)) {
                broken.push(format!("P4: unknown, and nobody is asked: {row:?}"));
            }
        }
        broken
    }

    /// What was lacking when silence was taken as proof (design.md section 6, step 3).
    fn why_no_proof(&self, id: AttemptId, at: UtcMs) -> Option<String> {
        let all = || self.attempts.values().flatten();
        let attempt = all().find(|attempt| attempt.id == id)?;
        let told = |other: &AttemptRow| {
            self.receipts.get(&other.id).into_iter().flatten().any(|(_, received)| *received <= at)
        };
        let later = all()
            .filter(|other| other.channel == attempt.channel)
            .any(|other| other.intent_at > attempt.intent_at && told(other));
        let proofs =
            self.tries(attempt.message).iter().filter(|a| self.silences.contains_key(&a.id));
        let why = if attempt.channel != "whatsapp" {
            "on a line that does not tell of all it takes"
        } else if at.since(attempt.intent_at) < 2 * MINUTE_MS {
            "too early"
        } else if told(attempt) {
            "although it was told of"
        } else if !later {
            // The neighbours' attempts are not in these books, but none of them is on this line.
            "on a line that told of nothing later"
        } else if proofs.count() > 2 {
            "again and again"
        } else {
            return None;
        };
        Some(format!("P4: silence as proof {why}, at {}: {attempt:?}", at.rfc3339()))
    }

    fn p5_never_late(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for (message, entries) in &self.accepted {
            let valid_until = self.announced_by(*message).map(|r| r.valid_until).min();
            let Some(valid_until) = valid_until else { continue };
            for entry in entries {
                let told = i64::from(entry.message.valid_seconds.unwrap_or(0)) * 1_000;
                if entry.at >= valid_until || entry.at.plus_ms(told) > valid_until {
                    broken.push(format!("P5: late, until {}: {entry:?}", valid_until.rfc3339()));
                }
            }
        }
        broken
    }

    /// STOP, pause, bad addresses, and quiet hours by the clock of where the patient was then.
    fn p6_read_again_before_each_send(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for (message, entries) in &self.accepted {
            let Some(row) = self.messages.get(message) else { continue };
            let Some(who) = self.world.people.iter().position(|p| p.patient == row.patient) else {
                continue;
            };
            let person = &self.world.people[who];
            for entry in entries {
                for held in self.world.holds.iter().filter(|held| held.covers(entry)) {
                    broken.push(format!("P6: while {} was held: {entry:?}", held.name()));
                }
                let silence = person.silences.iter().find(|s| s.covers(entry.seq));
                if let Some(silence) = silence.filter(|_| row.class != Class::Answer) {
                    broken.push(format!("P6: {}: {entry:?}", silence.why));
                }
                let first = entry.message.to == RESIDENTS[who].phone();
                let bad = person.bad_stretches.iter().find(|s| s.covers(entry.seq));
                if let Some(silence) = bad.filter(|_| first && row.class != Class::Answer) {
                    broken.push(format!("P6: {}: {entry:?}", silence.why));
                }
                let zone = self.world.zones_then[&entry.seq];
                let minute = entry.at.plus_ms(ZONES[zone].1 * 60_000).0.div_euclid(60_000) % 1_440;
                let quiet = !(8 * 60..21 * 60).contains(&minute);
                if quiet && matches!(row.class, Class::Measurement | Class::Education) {
                    broken.push(format!("P6: in quiet hours: {entry:?}"));
                }
            }
        }
        broken
    }

    fn p8_receipts_end_in_the_maximum(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let rows: BTreeMap<AttemptId, &AttemptRow> =
            self.attempts.values().flatten().map(|row| (row.id, row)).collect();
        let told = self
            .receipts
            .iter()
            .flat_map(|(id, all)| all.iter().map(move |(state, _)| (id, state)));
        for (id, proves) in told {
            if let Some(row) = rows.get(id).filter(|row| row.state < *proves) {
                broken.push(format!("P8: {proves:?} by receipt, yet {row:?}"));
            }
        }
        for (message, tries) in &self.attempts {
            let class = self.messages[message].class;
            // What gave way to the next channel, and never arrived, is taken for lapsed.
            let lapsed = |n: usize| {
                let arrived =
                    matches!(tries[n].state, AttemptState::Delivered | AttemptState::Read);
                let next = tries.get(n + 1);
                !arrived && next.is_some_and(|later| fell_back(class, &tries[n], later))
            };
            let left =
                (0..tries.len()).filter(|n| tries[*n].state.has_left() && !lapsed(*n)).count();
            if left > 1 && !self.told_doubled.contains(message) {
                broken.push(format!("P8: it left twice, and nobody is told: {tries:?}"));
            }
        }
        for row in rows.values().filter(|row| row.state.has_left()) {
            let message = &self.messages[&row.message];
            let mut spoken = self.all().filter(|r| r.message == Some(row.message));
            if message.class != Class::Answer && !spoken.any(|r| r.state == ReminderState::Sent) {
                broken.push(format!("P8: it left, and no reminder is sent: {row:?} {message:?}"));
            }
        }
        broken
    }

    fn p9_one_bad_row_hurts_nobody_else(&self) -> Vec<String> {
        let parked = self.open_tasks.iter().filter(|(kind, _)| kind == "parked").count();
        match (self.world.poisoned, parked) {
            (true, 0) => vec!["P9: a patient who does not open, and nobody is told".to_owned()],
            (false, 1..) => vec![format!("P9: parked without a cause: {:?}", self.open_tasks)],
            _ => Vec::new(),
        }
    }
}

fn is_silence(reason: &str) -> bool {
    matches!(serde_json::from_str(reason), Ok(Reason::Silence { .. }))
}

/// What was due since the patient was changed last, by a clock and a table of this test's own.
fn expected(person: &Remembered, now: UtcMs) -> Vec<(ActivityId, String, UtcMs)> {
    let dose = person.doses.last().copied().flatten();
    let doses = dose.map(|time| (person.dose, DOSE_TIMES[time]));
    let others = person.others.iter().flat_map(|(id, times)| times.iter().map(|time| (*id, *time)));
    let mut due = Vec::new();
    for (activity, time) in doses.into_iter().chain(others) {
        for day in -1..60 {
            let at = instant(day, time, person.zone);
            if person.changed_at < at && at <= now {
                let local = at.plus_ms(ZONES[person.zone].1 * 60_000).rfc3339();
                due.push((activity, local[..16].to_owned(), at));
            }
        }
    }
    due
}

/// Whether a later try is the next channel's, for want of a receipt of the earlier one (design.md section 6).
fn fell_back(class: Class, earlier: &AttemptRow, later: &AttemptRow) -> bool {
    let may = matches!(class, Class::Appointment | Class::Measurement);
    let over = earlier.hop_until.is_some_and(|until| until.plus_ms(60_000) <= later.intent_at);
    may && over && earlier.contact_point != later.contact_point
}
