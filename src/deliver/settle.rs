//! Settles unknown outcomes: the provider's look-up where there is one, then silence as proof, then the class table
//! (design.md section 6).

use super::effects::{Effects, lock_awaiting, settle_alarm};
use super::evidence::{self, Evidence};
use super::fallback::fall_back;
use super::follow_up::{FailedAttempt, follow_up, given_up};
use super::lost::give_up;
use super::outage;
use super::poison::TRIES;
use super::record::reminders_by_message;
use super::said;
use super::send::{Deliverer, DelivererDeps};
use crate::care::ids::{AttemptId, TaskId};
use crate::care::time::{HOUR_MS, MINUTE_MS};
use crate::care::{AttemptState, MessageState, Reason, ReceiptHabit, ReminderState, UtcMs};
use crate::channel::{Action, Channels, Found, LookUp};
use crate::crash;
use crate::home::{Step, Suspect};
use crate::policy::grouping::{lane, sender_of};
use crate::policy::outcome::{Next, Settlement, after_silence, look_at, settle, settle_at};
use crate::policy::silence::{Line, Silence, silence};
use crate::store::alarms::AlarmKind;
use crate::store::attempts::{AttemptMove, AttemptRow};
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::{
    Result, Store, StoreError, Tx, alarms, attempts, database_clock_ms, homes, listening, messages,
};

/// A provider lists what it took by then at the latest, in milliseconds: it is not missed earlier.
const LISTED_AFTER_MS: i64 = 2 * MINUTE_MS;
/// Attempts of one round.
const BATCH: usize = 64;

impl Deliverer {
    /// Settles the unknown outcomes that are due for it; returns how many alarms it took.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle(&self) -> Result<usize> {
        let deps = self.deps();
        let now = deps.clock.now();
        outage::look(deps, now).await?;
        self.park_suspects().await?;
        let mut tx = deps.store.read().await?;
        let due = alarms::due_unlocked(&mut tx, AlarmKind::Settle, "", now, BATCH).await?;
        let ids: Vec<_> = due.iter().map(|alarm| alarm.id).collect();
        let reading = (!ids.is_empty()).then(|| deps.home.in_hand(Step::Settle, &ids));
        let questions = questions(deps, &mut tx, &due).await?;
        drop((tx, reading));
        for (alarm, question) in &questions {
            let _in_hand = deps.home.in_hand(Step::Settle, &[alarm.id]);
            // The provider is asked outside any transaction.
            let found = match question {
                Some((channel, look_up)) => channel.look_up(look_up).await,
                None => None,
            };
            match settle_one(deps, *alarm, found, now).await {
                Err(StoreError::Driver(fault)) => return Err(StoreError::Driver(fault)),
                Err(fault) => {
                    let mut tx = deps.store.write().await?;
                    let old = settle_alarm(alarm.id, UtcMs(alarm.wake_at_ms));
                    alarms::drop_all(&mut tx, &[old]).await?;
                    tx.commit().await?;
                    give_up(deps, AttemptId(alarm.id), &fault.to_string()).await?;
                }
                Ok(()) => {}
            }
            deps.home.clear(Step::Settle, alarm.id);
        }
        Ok(questions.len())
    }

    /// Attempts whose settling brought the process down again and again.
    async fn park_suspects(&self) -> Result<()> {
        let deps = self.deps();
        for Suspect { id, times } in deps.home.suspects(Step::Settle) {
            if i64::from(times) < TRIES {
                continue;
            }
            let mut tx = deps.store.write().await?;
            alarms::drop_of(&mut tx, AlarmKind::Settle, id).await?;
            tx.commit().await?;
            give_up(deps, AttemptId(id), "it brought the daemon down").await?;
            deps.home.clear(Step::Settle, id);
        }
        Ok(())
    }
}

type Question = (std::sync::Arc<dyn crate::channel::Channel>, LookUp);

async fn questions(
    deps: &DelivererDeps,
    tx: &mut Tx,
    due: &[alarms::Due],
) -> Result<Vec<(alarms::Due, Option<Question>)>> {
    let mut questions = Vec::with_capacity(due.len());
    for alarm in due {
        let asked = question(&deps.store, &deps.channels, tx, AttemptId(alarm.id)).await;
        let question = match asked {
            Ok(question) => question,
            Err(StoreError::Driver(fault)) => return Err(StoreError::Driver(fault)),
            Err(fault) => {
                tracing::warn!(attempt_id = %alarm.id, %fault, "an attempt is not looked up");
                None
            }
        };
        questions.push((*alarm, question));
    }
    Ok(questions)
}

/// What to ask the provider of an attempt whose outcome is open.
pub(super) async fn question(
    store: &Store,
    channels: &Channels,
    tx: &mut Tx,
    id: AttemptId,
) -> Result<Option<Question>> {
    let row = attempts::read(tx, &[id]).await?.pop();
    let Some(row) = row.filter(|row| row.state == AttemptState::Unknown) else { return Ok(None) };
    let Some(channel) = channels.by_name(&row.channel).cloned() else { return Ok(None) };
    let Some(outbound) = said::open(tx, store.keys(), &row).await? else { return Ok(None) };
    let look_up = LookUp {
        correlation: row.id,
        to: outbound.to,
        content: outbound.content,
        intent_at: row.intent_at,
    };
    Ok(Some((channel, look_up)))
}

async fn settle_one(
    deps: &DelivererDeps,
    alarm: alarms::Due,
    found: Option<Found>,
    now: UtcMs,
) -> Result<()> {
    let mut tx = deps.store.write().await?;
    let mut effects = Effects::default();
    let old = settle_alarm(alarm.id, UtcMs(alarm.wake_at_ms));
    effects.drop.push(old);
    let mut rng = deps.rng.fork();
    lock_awaiting(&mut tx, &[AttemptId(alarm.id)], now).await?;
    let row = attempts::lock(&mut tx, &[AttemptId(alarm.id)]).await?.pop();
    let row = row.filter(|row| row.wake_at == Some(UtcMs(alarm.wake_at_ms)));
    let row = match row {
        Some(row) if row.state == AttemptState::Unknown => row,
        Some(row) if matches!(row.state, AttemptState::Accepted | AttemptState::Sent) => {
            fall_back(deps, &mut tx, &row, &mut effects, now).await?;
            effects.write(&mut tx, &mut rng, now).await?;
            return tx.commit().await;
        }
        _ => {
            effects.write(&mut tx, &mut rng, now).await?;
            return tx.commit().await;
        }
    };
    // Nothing concludes "not accepted" earlier than a request's time after the lease's end.
    let database_now = database_clock_ms(&mut tx).await?;
    let lease_over = database_now > row.lease_until.plus_ms(deps.lease_ms / 2);
    // What went out in a gap of the database's memory went at a time, and with a text, that it does not know; and its
    // receipts came to a database that has forgotten them: there neither a list nor silence proves anything.
    let gap_until = homes::gap_until(&mut tx).await?;
    let provable = lease_over && gap_until.is_none_or(|until| row.intent_at > until);
    let mut moved = row.moved_to(AttemptState::Unknown, row.reason.clone());
    match found {
        Some(Found::Accepted { id }) => {
            let fact = Evidence {
                attempt: row.id,
                proves: AttemptState::Accepted,
                reason: Reason::LookedUp,
                error: None,
                provider_id: Some(id),
                at: None,
            };
            evidence::apply(deps, &mut tx, &[fact], now).await?;
        }
        Some(Found::Absent) if provable && now.since(row.intent_at) >= LISTED_AFTER_MS => {
            moved.state = AttemptState::SettledNotAccepted;
            moved.reason = Reason::LookedUp;
            effects.attempts.push(moved);
            if let Some(mut message) = messages::lock(&mut tx, &[row.message]).await?.pop()
                && message.state == MessageState::Unknown
            {
                let held = reminders_by_message(&mut tx, &[message.id]).await?;
                let speaks_for = held.get(&message.id).map_or(&[][..], Vec::as_slice);
                let failed = FailedAttempt {
                    row: &row,
                    action: Action::Retry,
                    code: "not-accepted",
                    retry_after_ms: None,
                };
                follow_up(deps, &mut tx, &mut message, speaks_for, &failed, &mut effects, now)
                    .await?;
            }
        }
        None if provable => match listen(deps, &mut tx, &row, now).await? {
            Silence::NotAccepted { silent_ms } => {
                moved.state = AttemptState::SettledNotAccepted;
                moved.reason = Reason::Silence { silent_ms };
                effects.attempts.push(moved);
                go_again(&mut tx, &row, silent_ms, &mut effects, now).await?;
            }
            Silence::Nothing { .. } => {
                wait_or_decide(deps, &mut tx, &row, moved, &mut effects, now).await?;
            }
        },
        // It is too early to miss it, or it may have gone unseen.
        Some(Found::Absent) | None => {
            wait_or_decide(deps, &mut tx, &row, moved, &mut effects, now).await?;
        }
    }
    effects.write(&mut tx, &mut rng, now).await?;
    crash::point("settle-written").await;
    tx.commit().await?;
    crash::point("settle-committed").await;
    Ok(())
}

/// What the silence of an attempt's provider says.
async fn listen(
    deps: &DelivererDeps,
    tx: &mut Tx,
    row: &AttemptRow,
    now: UtcMs,
) -> Result<Silence> {
    let channel = deps.channels.by_name(&row.channel);
    let habit = channel.map_or(ReceiptHabit::None, |channel| channel.receipt_habit());
    let mut line = Line {
        habit,
        intent_at: row.intent_at,
        lease_until: row.intent_at.plus_ms(deps.lease_ms),
        open: &[],
        turned_away: None,
        later_heard: 0,
        unmatched: 0,
        usual_delay_ms: None,
    };
    if !matches!(habit, ReceiptHabit::OnAcceptance { .. }) {
        return Ok(silence(&line));
    }
    let (open, turned_away) = listening::spans(tx, &row.channel, row.intent_at).await?;
    (line.open, line.turned_away) = (&open, turned_away);
    line.later_heard = listening::later_heard(tx, &row.channel, row.intent_at).await?;
    line.unmatched = listening::unmatched(tx, &row.channel, row.intent_at).await?;
    line.usual_delay_ms =
        listening::usual_delay_ms(tx, &row.channel, now.plus_ms(-HOUR_MS)).await?;
    Ok(silence(&line))
}

/// Silence proved that the provider never took the attempt: its message goes again, once.
async fn go_again(
    tx: &mut Tx,
    row: &AttemptRow,
    silent_ms: i64,
    effects: &mut Effects,
    now: UtcMs,
) -> Result<()> {
    tracing::warn!(attempt_id = %row.id, channel = row.channel, silent_ms,
        "silence on an open line settled an attempt as not accepted");
    metrics::counter!("carebell_silence_proofs_total", "channel" => row.channel.clone())
        .increment(1);
    let Some(mut message) = messages::lock(tx, &[row.message]).await?.pop() else { return Ok(()) };
    if message.state != MessageState::Unknown {
        return Ok(());
    }
    let held = reminders_by_message(tx, &[message.id]).await?;
    let speaks_for = held.get(&message.id).map_or(&[][..], Vec::as_slice);
    let all = attempts::of_messages(tx, &[message.id]).await?;
    if let Some(left) = all.iter().find(|a| a.state.has_left()) {
        let end = (MessageState::Sent, ReminderState::Sent, left.reason.clone());
        effects.end_message(&mut message, speaks_for, end, now);
        return Ok(());
    }
    let proofs = all.iter().filter(|a| matches!(a.reason, Reason::Silence { .. })).count();
    let reason = Reason::Silence { silent_ms };
    match after_silence(proofs, now, message.valid_until) {
        Next::Again { at } => effects.requeue(&mut message, speaks_for, at, reason, now),
        Next::Elsewhere | Next::Fail => {
            let end = given_up(&all, row.id, message.class, reason);
            effects.end_message(&mut message, speaks_for, end, now);
        }
    }
    Ok(())
}

/// No evidence came: it is looked for again until the deadline, then the class decides.
async fn wait_or_decide(
    deps: &DelivererDeps,
    tx: &mut Tx,
    row: &AttemptRow,
    mut moved: AttemptMove,
    effects: &mut Effects,
    now: UtcMs,
) -> Result<()> {
    let message = messages::lock(tx, &[row.message]).await?.pop();
    let Some(mut message) = message.filter(|m| m.state == MessageState::Unknown) else {
        effects.attempts.push(moved);
        return Ok(());
    };
    let deadline = settle_at(row.ended_at.unwrap_or(row.intent_at), message.valid_until);
    moved.wake_at = (now < deadline).then(|| look_at(now, deadline));
    let decided = moved.wake_at.is_none();
    effects.attempts.push(moved);
    if !decided {
        return Ok(());
    }
    let held = reminders_by_message(tx, &[message.id]).await?;
    let speaks_for = held.get(&message.id).map_or(&[][..], Vec::as_slice);
    match settle(message.class, now, message.valid_until, message.repeats) {
        Settlement::Repeat => {
            message.repeats += 1;
            let sender = sender_of(&message.lane).to_owned();
            message.lane = lane(message.class, message.answering(), Some(&sender));
            effects.requeue(&mut message, speaks_for, now, Reason::Repeated, now);
        }
        Settlement::AskPerson { because } => {
            effects.tasks.push(NewTask {
                id: TaskId::new(now, &mut deps.rng.fork()),
                patient: Some(message.patient),
                kind: TaskKind::UnknownDose,
                subject: message.id.to_string(),
                reason: because.clone(),
                due_at: now.plus_ms(HOUR_MS),
            });
            let end = (MessageState::Unknown, ReminderState::Unknown, because);
            effects.end_message(&mut message, speaks_for, end, now);
        }
        Settlement::Leave { because } => {
            let end = (MessageState::Unknown, ReminderState::Unknown, because);
            effects.end_message(&mut message, speaks_for, end, now);
        }
    }
    Ok(())
}
