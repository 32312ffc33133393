//! One story: reminders, the message that speaks for them, its attempts, receipts and tasks, as events in order
//! of time.

use crate::care::ids::{
    ActivityId, AttemptId, ContactPointId, MessageId, PatientId, ReminderId, ReplyId, TaskId,
};
use crate::care::time::{MINUTE_MS, SECOND_MS};
use crate::care::{MessageState, Press, Reason, UtcMs, Zone, ZoneRules};
use crate::cli::app::App;
use crate::cli::installation::{When, masked, standing_of};
use crate::cli::{Failure, printable, wrapped};
use crate::policy::grouping::sender_of;
use crate::policy::held_back::held_back;
use crate::policy::whose::{KnownBy, Pressed, last_pressed};
use crate::store::attempts::{AttemptRow, Repeat};
use crate::store::messages::MessageRow;
use crate::store::receipts::ReceiptRow;
use crate::store::reminders::ReminderRow;
use crate::store::replies::ReplyRow;
use crate::store::standing::Standing;
use crate::store::tasks::TaskRow;
use crate::store::{Tx, attempts, holds, receipts, reminders, replies, story, tasks};
use serde::Serialize;
use std::fmt::Write as _;
use uuid::Uuid;

/// The story of a message, or of a reminder that has none.
#[derive(Debug, Serialize)]
pub(super) struct Story {
    patient: PatientId,
    pub(super) reminders: Vec<Reminder>,
    message: Option<Message>,
    attempts: Vec<Attempt>,
    /// What the patient answered.
    replies: Vec<Reply>,
    events: Vec<Event>,
}

#[derive(Debug, Serialize)]
pub(super) struct Reminder {
    pub(super) id: ReminderId,
    pub(super) activity: ActivityId,
    slot: String,
    dosage: u16,
    pub(super) due: When,
    class: &'static str,
    valid_until: When,
    pub(super) state: &'static str,
    reason: Reason,
    pub(super) why: String,
}

impl Reminder {
    pub(super) fn new(row: &ReminderRow, zone: Option<&Zone>) -> Self {
        Self {
            id: row.id,
            activity: row.activity,
            slot: row.slot.planned.to_string(),
            dosage: row.slot.dosage,
            due: When::new(row.due_at, zone),
            class: row.class.word(),
            valid_until: When::new(row.valid_until, zone),
            state: row.state.word(),
            reason: row.reason.clone(),
            why: row.reason.to_string(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Message {
    id: MessageId,
    name: String,
    step: i64,
    part: i64,
    class: &'static str,
    valid_until: When,
    state: &'static str,
    reason: Reason,
    why: String,
    next: Option<When>,
    /// What the patient pressed last.
    pressed: Option<Press>,
    /// What holds it back now: a stop, a pause, a hold of the whole house.
    held_back: Option<String>,
}

#[derive(Debug, Serialize)]
struct Attempt {
    id: AttemptId,
    number: i64,
    channel: String,
    contact_point: ContactPointId,
    is_repeat: bool,
    state: &'static str,
    reason: Reason,
    why: String,
    code: Option<String>,
    provider_id: Option<String>,
    intent_at: When,
    ended_at: Option<When>,
    receipts: Vec<Receipt>,
}

#[derive(Debug, Serialize)]
struct Receipt {
    status: &'static str,
    code: String,
    provider_at: Option<When>,
    received_at: When,
}

#[derive(Debug, Serialize)]
struct Reply {
    id: ReplyId,
    channel: String,
    keyword: String,
    pressed: Option<Press>,
    known_by: Option<&'static str>,
    said_at: When,
    received_at: When,
}

/// Something that happened, or how something stands since then.
#[derive(Debug, Serialize)]
struct Event {
    #[serde(skip)]
    order: UtcMs,
    at: When,
    subject: String,
    what: String,
}

/// Gathers events in the patient's time.
struct Events<'a> {
    zone: Option<&'a Zone>,
    all: Vec<Event>,
}

impl Events<'_> {
    fn add(&mut self, at: UtcMs, subject: &impl std::fmt::Display, what: impl Into<String>) {
        let when = When::new(at, self.zone);
        let (subject, what) = (subject.to_string(), what.into());
        self.all.push(Event { order: at, at: when, subject, what });
    }

    fn reminder(&mut self, row: &ReminderRow) {
        let (slot, due) = (row.slot.planned, When::new(row.due_at, self.zone));
        let text = format!("written: slot {slot} of {}, due {due}", row.activity);
        self.add(row.created_at, &row.id, text);
        self.add(row.updated_at, &row.id, format!("is {}: {}", row.state.word(), row.reason));
    }

    fn message(&mut self, row: &MessageRow) {
        let until = When::new(row.valid_until, self.zone);
        let text = format!("queued: {}, step {}, valid until {until}", row.name, row.step);
        self.add(row.created_at, &row.id, text);
        let mut text = format!("is {}: {}", row.state.word(), row.reason);
        if let Some(next) = row.wake_at {
            let _ = write!(text, "; leaves {}", When::new(next, self.zone));
        }
        self.add(row.updated_at, &row.id, text);
    }

    fn attempt(&mut self, row: &AttemptRow, standing: &Standing) {
        let contact = standing.contacts.iter().find(|contact| contact.id == row.contact_point);
        let to = contact.map_or_else(|| "?".to_owned(), |contact| masked(&contact.address));
        let again = if row.repeat == Repeat::Again { ", marked as a repeat" } else { "" };
        // What the database forgot was never written as an intent here.
        let what = if row.reason == Reason::RestoredBackup { "perhaps sent" } else { "intent" };
        let text = format!("{what} {} over {} to {to}{again}", row.number, row.channel);
        self.add(row.intent_at, &row.id, text);
        if let Some(at) = row.ended_at {
            let code = row.code.as_ref().map(|code| format!(" (code {code})")).unwrap_or_default();
            self.add(at, &row.id, format!("ended; is {}{code}: {}", row.state.word(), row.reason));
        }
    }

    fn receipt(&mut self, row: &ReceiptRow, attempt: AttemptId) {
        let mut text = format!("receipt: {}", row.status.word());
        if !row.code.is_empty() {
            let _ = write!(text, ", code {}", row.code);
        }
        if let Some(at) = row.at {
            let _ = write!(text, ", at the provider {}", When::new(at, self.zone));
        }
        self.add(row.received_at, &attempt, text);
    }

    fn reply(&mut self, row: &ReplyRow, sent: &[AttemptRow]) {
        let mut text = match row.press {
            Some(press) => format!("the patient pressed: {}", press.word()),
            None => "the patient wrote".to_owned(),
        };
        let before = |attempt: &&AttemptRow| attempt.intent_at <= row.said_at;
        if let Some(attempt) = sent.iter().filter(before).max_by_key(|attempt| attempt.intent_at) {
            let _ = write!(text, ", {} after", lasted(row.said_at.since(attempt.intent_at)));
        }
        if let Some(known_by) = row.known_by {
            let _ = write!(text, " ({})", known_by.told());
        }
        self.add(row.received_at, &row.id, text);
    }

    fn task(&mut self, row: &TaskRow) {
        let why = reason(&row.reason).map(|reason| reason.to_string()).unwrap_or_default();
        let id = TaskId(row.id);
        let text = format!("task {} opened for {}, is {}: {why}", row.kind, row.subject, row.state);
        self.add(UtcMs(row.opened_at_ms), &id, text);
    }

    fn turn(&mut self, row: &story::TurnRow, ids: &[(Uuid, String)]) {
        let subject = ids.iter().find(|(id, _)| *id == row.subject_id);
        let shown = subject.map_or_else(String::new, |(_, shown)| shown.clone());
        let why = reason(&row.reason).map(|reason| reason.to_string()).unwrap_or_default();
        self.add(UtcMs(row.at_ms), &shown, format!("became {}: {why}", row.state));
    }

    fn in_order(mut self) -> Vec<Event> {
        self.all.sort_by_key(|event| event.order);
        self.all
    }
}

/// A length as people say it.
fn lasted(ms: i64) -> String {
    match ms / MINUTE_MS {
        0 => format!("{} s", ms / SECOND_MS),
        minutes @ 1..120 => format!("{minutes} min"),
        minutes @ 120..2_880 => format!("{} h", minutes / 60),
        minutes => format!("{} days", minutes / 1_440),
    }
}

fn reason(json: &str) -> Option<Reason> {
    serde_json::from_str(json).ok()
}

/// The story of a reminder that no message speaks for.
pub(super) async fn of_reminder(
    app: &App,
    tx: &mut Tx,
    row: ReminderRow,
) -> Result<Story, Failure> {
    tell(app, tx, row.patient, vec![row], None).await
}

/// The story of a message with every reminder it speaks for.
pub(super) async fn of_message(app: &App, tx: &mut Tx, row: MessageRow) -> Result<Story, Failure> {
    let held = reminders::of_messages(tx, &[row.id]).await?;
    tell(app, tx, row.patient, held, Some(row)).await
}

async fn tell(
    app: &App,
    tx: &mut Tx,
    patient: PatientId,
    held: Vec<ReminderRow>,
    message: Option<MessageRow>,
) -> Result<Story, Failure> {
    let standing = standing_of(app, tx, patient).await?;
    let zone = app.zones.zone(&standing.row.patient.zone);
    let zone = zone.as_deref();
    let sent = match &message {
        Some(row) => attempts::of_messages(tx, &[row.id]).await?,
        None => Vec::new(),
    };
    let ids: Vec<AttemptId> = sent.iter().map(|attempt| attempt.id).collect();
    let came = receipts::of_attempts(tx, &ids).await?;
    let mut names: Vec<(Uuid, String)> = held.iter().map(|r| (r.id.0, r.id.to_string())).collect();
    names.extend(message.iter().map(|row| (row.id.0, row.id.to_string())));
    names.extend(ids.iter().map(|id| (id.0, id.to_string())));
    let subjects: Vec<Uuid> = names.iter().map(|(id, _)| *id).collect();
    let mut shown: Vec<String> = names.iter().map(|(_, shown)| shown.clone()).collect();
    let answers = match &message {
        Some(row) => replies::of_messages(tx, &[row.id]).await?,
        None => Vec::new(),
    };
    shown.extend(answers.iter().map(|reply| reply.id.to_string()));

    let held_back = match &message {
        Some(row) => what_holds(app, tx, row).await?,
        None => None,
    };
    let mut events = Events { zone, all: Vec::new() };
    for row in &held {
        events.reminder(row);
    }
    if let Some(row) = &message {
        events.message(row);
    }
    for row in &sent {
        events.attempt(row, &standing);
    }
    for receipt in &came {
        if let Some(attempt) = receipt.attempt {
            events.receipt(receipt, attempt);
        }
    }
    for row in &answers {
        events.reply(row, &sent);
    }
    for row in &story::of(tx, &subjects).await? {
        events.turn(row, &names);
    }
    for row in &tasks::about(tx, &shown).await? {
        events.task(row);
    }
    Ok(Story {
        patient,
        reminders: held.iter().map(|row| Reminder::new(row, zone)).collect(),
        message: message.map(|row| Message {
            id: row.id,
            step: row.step,
            part: row.part,
            class: row.class.word(),
            valid_until: When::new(row.valid_until, zone),
            state: row.state.word(),
            why: row.reason.to_string(),
            next: row.wake_at.map(|at| When::new(at, zone)),
            pressed: pressed(&answers),
            held_back,
            name: row.name,
            reason: row.reason,
        }),
        attempts: sent.into_iter().map(|row| attempt(row, &came, zone)).collect(),
        replies: answers.into_iter().map(|row| reply(row, zone)).collect(),
        events: events.in_order(),
    })
}

/// What counts of what was pressed under the message.
fn pressed(answers: &[ReplyRow]) -> Option<Press> {
    let of = |row: &ReplyRow| {
        let (at, provider_id) = (row.said_at, row.provider_id.clone());
        row.press.map(|press| Pressed { at, provider_id, press })
    };
    let presses: Vec<Pressed> = answers.iter().filter_map(of).collect();
    last_pressed(&presses).map(|last| last.press)
}

fn reply(row: ReplyRow, zone: Option<&Zone>) -> Reply {
    Reply {
        id: row.id,
        channel: row.channel,
        keyword: row.keyword,
        pressed: row.press,
        known_by: row.known_by.map(KnownBy::word),
        said_at: When::new(row.said_at, zone),
        received_at: When::new(row.received_at, zone),
    }
}

/// What keeps a queued message from leaving, whoever says so.
async fn what_holds(app: &App, tx: &mut Tx, row: &MessageRow) -> Result<Option<String>, Failure> {
    if row.state != MessageState::Queued {
        return Ok(None);
    }
    if let Some(hold) = &app.hold {
        return Ok(Some(hold.clone()));
    }
    let (now, holds) = (app.clock.now(), holds::all(tx).await?);
    let held = held_back(now, sender_of(&row.lane), &holds);
    Ok(held.map(|held| held.reason().to_string()))
}

fn attempt(row: AttemptRow, came: &[ReceiptRow], zone: Option<&Zone>) -> Attempt {
    let receipts = came.iter().filter(|receipt| receipt.attempt == Some(row.id));
    let receipts = receipts.map(|receipt| Receipt {
        status: receipt.status.word(),
        code: receipt.code.clone(),
        provider_at: receipt.at.map(|at| When::new(at, zone)),
        received_at: When::new(receipt.received_at, zone),
    });
    Attempt {
        id: row.id,
        number: row.number,
        contact_point: row.contact_point,
        is_repeat: row.repeat == Repeat::Again,
        state: row.state.word(),
        why: row.reason.to_string(),
        intent_at: When::new(row.intent_at, zone),
        ended_at: row.ended_at.map(|at| When::new(at, zone)),
        receipts: receipts.collect(),
        channel: row.channel,
        reason: row.reason,
        code: row.code,
        provider_id: row.provider_id,
    }
}

impl Story {
    /// For people: how each reminder stands, then what happened, each event under its time.
    pub(super) fn text(&self) -> String {
        let mut text = format!("of {}\n", self.patient);
        for reminder in &self.reminders {
            let Reminder { id, due, state, why, .. } = reminder;
            let _ = writeln!(text, "{id}, due {due}");
            text += &wrapped(&printable(&format!("{state}: {why}")), 2);
        }
        if let Some(held) = self.message.as_ref().and_then(|message| message.held_back.as_ref()) {
            text += &wrapped(&printable(&format!("held back: {held}")), 0);
        }
        text += "\n";
        for event in &self.events {
            let _ = writeln!(text, "{}  {}", event.at, event.subject);
            text += &wrapped(&printable(&event.what), 4);
        }
        text
    }
}
