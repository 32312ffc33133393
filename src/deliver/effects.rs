//! What a step of the delivery machine changes, gathered first and written in one go.

use crate::care::UtcMs;
use crate::care::ids::{AttemptId, PatientId, ReminderId, distinct};
use crate::policy::announced::{WITHIN_MS, may_yet_announce};
use crate::store::alarms::{Alarm, AlarmKind};
use crate::store::attempts::{AttemptMove, AttemptRow};
use crate::store::invites::InviteRow;
use crate::store::messages::MessageRow;
use crate::store::parts::PartRow;
use crate::store::patients::HealthMove;
use crate::store::reminders::ReminderMove;
use crate::store::spending::{Change, Month};
use crate::store::story::Turn;
use crate::store::tasks::NewTask;
use crate::store::{
    Result, Tx, alarms, attempts, invites, messages, parts, patients, reminders, story, tasks,
};
use rand::RngCore;
use std::collections::BTreeMap;

/// Rows to write.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Messages in their new state. Their former alarms are in `drop`.
    pub(super) messages: Vec<MessageRow>,
    /// Moves of reminders.
    pub(super) reminders: Vec<ReminderMove>,
    /// New intents.
    pub(super) intents: Vec<AttemptRow>,
    /// Calendar entries that new intents carry.
    pub(super) invites: Vec<InviteRow>,
    /// Parts of new intents that an earlier attempt left with the provider.
    pub(super) parts: Vec<PartRow>,
    /// Moves of attempts that are locked and read.
    pub(super) attempts: Vec<AttemptMove>,
    /// Moves of contact points' health.
    pub(super) health: Vec<HealthMove>,
    /// Alarms to set beside those that follow from the rows.
    pub(super) put: Vec<Alarm>,
    /// Alarms to take away.
    pub(super) drop: Vec<Alarm>,
    /// Turns of the story.
    pub(super) turns: Vec<Turn>,
    /// Tasks to open.
    pub(super) tasks: Vec<NewTask>,
    /// What is spent, by programme and month.
    pub(super) spent: BTreeMap<Month, Change>,
    /// Patients to be woken at once; the caller holds their rows.
    pub(super) disturbed: Vec<PatientId>,
}

/// The alarm that a message names.
pub(super) fn alarm_of(message: &MessageRow) -> Option<Alarm> {
    Some(Alarm::new(AlarmKind::Message, &message.lane, message.wake_at?, message.id.0))
}

/// The settle alarm that an attempt names.
pub(super) fn settle_alarm(attempt: uuid::Uuid, at: UtcMs) -> Alarm {
    Alarm::new(AlarmKind::Settle, "", at, attempt)
}

/// Takes the rows of the patients to whom the end of these attempts may give a dose back, before any row of theirs: a
/// wake holds its patient's and waits for messages, so that whoever takes them in the other order may wait for ever.
pub(super) async fn lock_awaiting(tx: &mut Tx, ending: &[AttemptId], now: UtcMs) -> Result<()> {
    if ending.is_empty() {
        return Ok(());
    }
    let rows = attempts::read(tx, ending).await?;
    let messages = distinct(rows.iter().map(|row| row.message));
    let spoken_for = reminders::of_messages(tx, &messages).await?;
    let ids: Vec<ReminderId> = spoken_for.iter().map(|reminder| reminder.id).collect();
    let awaiting = reminders::awaiting(tx, &ids, now.plus_ms(-WITHIN_MS), now).await?;
    if !awaiting.is_empty() {
        patients::lock(tx, &awaiting).await?;
    }
    Ok(())
}

/// A dose that was not announced because one of these had announced it comes back when that one did not leave after
/// all: its patient is woken, as by any other change (P1, P2).
async fn give_back(tx: &mut Tx, moves: &[ReminderMove], now: UtcMs) -> Result<()> {
    let unsent: Vec<ReminderId> =
        moves.iter().filter(|moved| !may_yet_announce(moved.state)).map(|moved| moved.id).collect();
    let mut awaiting = reminders::awaiting(tx, &unsent, now.plus_ms(-WITHIN_MS), now).await?;
    if awaiting.is_empty() {
        return Ok(());
    }
    awaiting = patients::lock(tx, &awaiting).await?;
    patients::disturb(tx, &awaiting, now).await
}

impl Effects {
    /// Writes everything, alarms that follow from the rows included.
    pub(super) async fn write(
        self,
        tx: &mut Tx,
        rng: &mut (dyn RngCore + Send),
        now: UtcMs,
    ) -> Result<()> {
        let mut fresh = self.put;
        fresh.extend(self.messages.iter().filter_map(alarm_of));
        fresh.extend(self.attempts.iter().filter_map(|m| Some(settle_alarm(m.id.0, m.wake_at?))));
        alarms::drop_all(tx, &self.drop).await?;
        messages::move_to(tx, &self.messages).await?;
        reminders::move_to(tx, &self.reminders, now).await?;
        attempts::insert(tx, &self.intents).await?;
        invites::insert(tx, &self.invites).await?;
        parts::add(tx, &self.parts).await?;
        attempts::move_to(tx, &self.attempts, now).await?;
        patients::set_health(tx, &self.health, now).await?;
        alarms::put(tx, &fresh).await?;
        story::tell(tx, rng, &self.turns, now).await?;
        for task in &self.tasks {
            tasks::open(tx, task, now).await?;
        }
        if !self.disturbed.is_empty() {
            patients::disturb(tx, &self.disturbed, now).await?;
        }
        give_back(tx, &self.reminders, now).await?;
        for moved in &self.reminders {
            metrics::counter!("carebell_reminders_total", "state" => moved.state.word())
                .increment(1);
        }
        Ok(())
    }
}
