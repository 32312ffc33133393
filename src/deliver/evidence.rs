//! Evidence moves attempts, and through them messages and reminders, whatever order it comes in (P8).

use super::effects::{Effects, alarm_of, lock_awaiting, settle_alarm};
use super::follow_up::{FailedAttempt, follow_up};
use super::record::reminders_by_message;
use super::send::DelivererDeps;
use super::{parts, progress};
use crate::care::ids::AttemptId;
use crate::care::{AttemptState, MessageState, Reason, ReceiptStatus, ReminderState, UtcMs};
use crate::channel::Action;
use crate::policy::fallback::receipt_due;
use crate::policy::validity::late_by_ms;
use crate::store::attempts::{AttemptMove, AttemptRow};
use crate::store::messages::MessageRow;
use crate::store::reminders::{ReminderMove, ReminderRow};
use crate::store::story::Turn;
use crate::store::tasks::TaskKind;
use crate::store::{Result, Tx, attempts, messages, patients, receipts, replies, story, tasks};

/// What is now known of an attempt.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Which attempt.
    pub attempt: AttemptId,
    /// What it proves.
    pub proves: AttemptState,
    /// Why we know.
    pub reason: Reason,
    /// The provider's error code and what it asks for.
    pub error: Option<(String, Action)>,
    /// The provider's message id.
    pub provider_id: Option<String>,
    /// When it happened, by the provider; `None`: it does not say.
    pub at: Option<UtcMs>,
}

impl Evidence {
    /// What a receipt proves.
    pub fn receipt(
        attempt: AttemptId,
        status: ReceiptStatus,
        error: Option<(String, Action)>,
        provider_id: String,
    ) -> Self {
        Self {
            attempt,
            proves: status.proves(),
            reason: Reason::Receipt { status: status.word().to_owned() },
            error,
            provider_id: Some(provider_id),
            at: None,
        }
    }

    /// The same with the provider's time.
    #[must_use]
    pub fn at(self, at: Option<UtcMs>) -> Self {
        Self { at, ..self }
    }
}

/// Applies evidence in a transaction of the caller's: the attempt's state becomes the maximum of what is known,
/// and the message and its reminders follow it.
///
/// # Errors
/// When the database fails.
pub async fn apply(
    deps: &DelivererDeps,
    tx: &mut Tx,
    evidence: &[Evidence],
    now: UtcMs,
) -> Result<()> {
    if evidence.is_empty() {
        return Ok(());
    }
    let failed = evidence.iter().filter(|fact| !fact.proves.has_left()).map(|fact| fact.attempt);
    lock_awaiting(tx, &failed.collect::<Vec<_>>(), now).await?;
    let evidence = parts::weigh(tx, evidence).await?;
    let arrived = evidence.iter().filter(|fact| reached(fact.proves)).map(|fact| fact.attempt);
    patients::arrived(tx, &arrived.collect::<Vec<_>>(), now).await?;
    for fact in progress::apply(deps, tx, &evidence, now).await? {
        let attempt = apply_one(deps, tx, fact, now).await?;
        let (Some(channel), Some(id)) = (attempt, &fact.provider_id) else { continue };
        // The provider's id is known now: what came about it before is waiting.
        let named =
            Named { channel: &channel, attempt: fact.attempt, ids: std::slice::from_ref(id) };
        for early in parked(tx, &[named]).await? {
            apply_one(deps, tx, &early, now).await?;
        }
    }
    Ok(())
}

/// An attempt with the ids its provider gave it.
pub(super) struct Named<'a> {
    pub(super) channel: &'a str,
    pub(super) attempt: AttemptId,
    pub(super) ids: &'a [String],
}

/// Receipts that were here before we knew the provider's ids, matched from now on; as are replies that quote them.
pub(super) async fn parked(tx: &mut Tx, named: &[Named<'_>]) -> Result<Vec<Evidence>> {
    let wanted: Vec<&str> =
        named.iter().flat_map(|named| named.ids.iter()).map(String::as_str).collect();
    let mut names = Vec::new();
    for Named { channel, attempt, ids } in named {
        names.extend(ids.iter().map(|id| (*channel, id.as_str(), *attempt)));
    }
    replies::named(tx, &names).await?;
    let mut evidence = Vec::new();
    for receipt in receipts::parked(tx, &wanted).await? {
        let id = &receipt.provider_id;
        let of = |named: &&Named<'_>| named.channel == receipt.channel && named.ids.contains(id);
        let Some(Named { channel, attempt, .. }) = named.iter().find(of) else { continue };
        receipts::match_parked(tx, channel, id, *attempt).await?;
        let error = (!receipt.code.is_empty()).then(|| (receipt.code.clone(), Action::NextChannel));
        let fact = Evidence::receipt(*attempt, receipt.status, error, id.clone());
        evidence.push(fact.at(receipt.at));
    }
    Ok(evidence)
}

const fn reached(state: AttemptState) -> bool {
    matches!(state, AttemptState::Delivered | AttemptState::Read)
}

/// Returns the channel when the provider's id was news.
async fn apply_one(
    deps: &DelivererDeps,
    tx: &mut Tx,
    fact: &Evidence,
    now: UtcMs,
) -> Result<Option<String>> {
    let Some(mut row) = attempts::lock(tx, &[fact.attempt]).await?.pop() else { return Ok(None) };
    let state = row.state.with(fact.proves);
    let new_id = row.provider_id.is_none() && fact.provider_id.is_some();
    let advanced = state != row.state;
    let arrives = reached(state) && !reached(row.state);
    let leaves = state.has_left() && !row.state.has_left();
    // An arrival tells how late it was, whatever is known already.
    let arrival = fact.proves == AttemptState::Delivered && fact.at.is_some();
    if !advanced && !new_id && !arrival {
        return Ok(None);
    }
    let mut effects = Effects::default();
    if advanced {
        effects.drop.extend(row.wake_at.take().map(|at| settle_alarm(row.id.0, at)));
        row.reason = fact.reason.clone();
        if matches!(state, AttemptState::Accepted | AttemptState::Sent) {
            row.wake_at = receipt_due(row.hop_until, now);
        }
    }
    // An open intent moves as well: its own writer then finds the intent ended, and weighs in as evidence.
    row.state = state;
    row.provider_id = row.provider_id.take().or_else(|| fact.provider_id.clone());
    let message =
        if advanced || arrival { messages::lock(tx, &[row.message]).await?.pop() } else { None };
    effects.attempts.push(AttemptMove {
        code: fact.error.as_ref().map(|(code, _)| code.clone()),
        provider_id: row.provider_id.clone(),
        wake_at: row.wake_at,
        ..row.moved_to(state, row.reason.clone())
    });
    if let Some(mut message) = message {
        let held = reminders_by_message(tx, &[message.id]).await?;
        let speaks_for = held.get(&message.id).map_or(&[][..], Vec::as_slice);
        // What arrived after all, though the next channel had taken over, was said twice as well.
        if leaves || (arrives && row.number < message.tries) {
            tell_if_doubled(tx, &message, &row, &mut effects).await?;
        }
        match state {
            _ if !advanced => {}
            AttemptState::Accepted | AttemptState::Sent if !leaves => {}
            left if left.has_left() => {
                it_left(tx, &mut message, &row, speaks_for, &mut effects, now).await?;
            }
            AttemptState::Failed if failed_last(&message, &row) => {
                let (code, action) = fact
                    .error
                    .clone()
                    .unwrap_or_else(|| ("failed".to_owned(), Action::NextChannel));
                // The provider took it and gave up: the same address is not tried again at once.
                let action = if action == Action::Retry { Action::NextChannel } else { action };
                let failed = FailedAttempt { row: &row, action, code: &code, retry_after_ms: None };
                follow_up(deps, tx, &mut message, speaks_for, &failed, &mut effects, now).await?;
            }
            AttemptState::NotSent | AttemptState::Refused
                if message.state == MessageState::Unknown && row.number == message.tries =>
            {
                // A late writer knows that nothing left: the message may go on while it is valid.
                let failed = FailedAttempt {
                    row: &row,
                    action: Action::Retry,
                    code: state.word(),
                    retry_after_ms: None,
                };
                follow_up(deps, tx, &mut message, speaks_for, &failed, &mut effects, now).await?;
            }
            _ => {}
        }
        tell_if_late(tx, &message, &row, fact, speaks_for, &mut effects).await?;
    }
    let mut rng = deps.rng.fork();
    effects.write(tx, &mut rng, now).await?;
    Ok(new_id.then_some(row.channel))
}

fn failed_last(message: &MessageRow, attempt: &AttemptRow) -> bool {
    attempt.number == message.tries
        && matches!(
            message.state,
            MessageState::Sent | MessageState::Unknown | MessageState::Sending
        )
}

/// It left: the message and its reminders are sent, and whatever else was to be tried is called off.
async fn it_left(
    tx: &mut Tx,
    message: &mut MessageRow,
    attempt: &AttemptRow,
    speaks_for: &[ReminderRow],
    effects: &mut Effects,
    now: UtcMs,
) -> Result<()> {
    let open = match message.state {
        MessageState::Sent => false,
        MessageState::Sending => attempt.number == message.tries,
        _ => true,
    };
    if !open {
        return Ok(());
    }
    effects.drop.extend(alarm_of(message));
    tasks::close(tx, TaskKind::UnknownDose, &message.id.to_string()).await?;
    let end = (MessageState::Sent, ReminderState::Sent, attempt.reason.clone());
    effects.end_message(message, speaks_for, end, now);
    // What was stopped or expired only after this intent was said all the same.
    let said = speaks_for.iter().filter(|r| {
        let ended =
            r.was_stopped() || matches!(r.state, ReminderState::Expired | ReminderState::Parked);
        ended && r.was_open_at(attempt.intent_at)
    });
    effects.reminders.extend(said.map(|r| ReminderMove {
        id: r.id,
        state: ReminderState::Sent,
        reason: attempt.reason.clone(),
    }));
    Ok(())
}

/// A message that the provider delivered after it was of use is told of, once, whatever its receipts' order (P5). Its
/// state stays: it was sent.
async fn tell_if_late(
    tx: &mut Tx,
    message: &MessageRow,
    attempt: &AttemptRow,
    fact: &Evidence,
    speaks_for: &[ReminderRow],
    effects: &mut Effects,
) -> Result<()> {
    let arrived = fact.at.filter(|_| fact.proves == AttemptState::Delivered);
    let Some(by_ms) = late_by_ms(arrived, message.valid_until) else { return Ok(()) };
    let told = story::of(tx, &[attempt.id.0]).await?;
    if told.iter().any(|turn| turn.state == DELIVERED_LATE) {
        return Ok(());
    }
    let reason = Reason::DeliveredLate { by_ms };
    effects.turns.push(Turn {
        subject: attempt.id.0,
        state: DELIVERED_LATE,
        reason: reason.clone(),
    });
    metrics::counter!("carebell_delivered_late_total", "channel" => attempt.channel.clone(),
        "class" => message.class.word())
    .increment(1);
    for reminder in speaks_for {
        match effects.reminders.iter_mut().find(|moved| moved.id == reminder.id) {
            Some(moved) if moved.state == ReminderState::Sent => moved.reason = reason.clone(),
            None if reminder.state == ReminderState::Sent => effects.reminders.push(ReminderMove {
                id: reminder.id,
                state: ReminderState::Sent,
                reason: reason.clone(),
            }),
            _ => {}
        }
    }
    Ok(())
}

/// What the story of an attempt says then.
const DELIVERED_LATE: &str = "delivered-late";

/// A message that left twice is told of, whichever of the two is known of first.
pub(super) async fn tell_if_doubled(
    tx: &mut Tx,
    message: &MessageRow,
    attempt: &AttemptRow,
    effects: &mut Effects,
) -> Result<()> {
    if message.tries < 2 {
        return Ok(());
    }
    let all = attempts::of_messages(tx, &[message.id]).await?;
    let twice = |other: &AttemptRow| {
        other.id != attempt.id
            && other.state.has_left()
            && !gave_way(other, attempt)
            && !gave_way(attempt, other)
    };
    if all.iter().any(twice) {
        effects.turns.push(Turn {
            subject: message.id.0,
            state: "doubled",
            reason: attempt.reason.clone(),
        });
        metrics::counter!("carebell_doubled_total", "class" => message.class.word()).increment(1);
    }
    Ok(())
}

/// Whether one attempt gave way to a later one for want of a receipt: the provider took it, and nobody knows of an
/// arrival.
pub(super) fn gave_way(earlier: &AttemptRow, later: &AttemptRow) -> bool {
    matches!(earlier.state, AttemptState::Accepted | AttemptState::Sent)
        && earlier.number < later.number
        && earlier.hop_until.is_some_and(|until| until <= later.intent_at)
}

/// Why we know that another attempt for the message left, if one did: then it is sent, however this one ends.
pub(super) async fn other_that_left(
    tx: &mut Tx,
    message: &MessageRow,
    attempt: AttemptId,
) -> Result<Option<Reason>> {
    if message.tries < 2 {
        return Ok(None);
    }
    let all = attempts::of_messages(tx, &[message.id]).await?;
    let other = all.into_iter().find(|other| other.id != attempt && other.state.has_left());
    Ok(other.map(|other| other.reason))
}
