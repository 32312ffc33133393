//! Outcomes, committed in groups under their tokens; and what follows from each.

use super::effects::{Effects, lock_awaiting, settle_alarm};
use super::evidence::{self, Evidence, Named};
use super::media::{self, AfterRefusal};
use super::parts;
use super::said;
use super::send::{DelivererDeps, Ended};
use super::templates;
use crate::care::contact::KnownContact;
use crate::care::ids::{AttemptId, MessageId, TaskId, distinct};
use crate::care::time::DAY_MS;
use crate::care::{
    Address, AttemptState, ChannelKind, Class, ContactHealth, MessageState, Reason, ReminderState,
    UtcMs,
};
use crate::channel::{Action, Content, Meaning, Outcome, Person};
use crate::crash;
use crate::policy::contact_choice::{Choice, Needs, choose};
use crate::policy::fallback::receipt_due;
use crate::policy::grouping::lane;
use crate::policy::held_back::Held;
use crate::policy::outcome::{
    Failure, Next, Others, Past, after_failure, look_at, settle_at, still_unknown,
};
use crate::store::attempts::{AttemptMove, AttemptRow};
use crate::store::messages::MessageRow;
use crate::store::parts::PartRow;
use crate::store::patients::HealthMove;
use crate::store::reminders::{ReminderMove, ReminderRow};
use crate::store::story::Turn;
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::{self, Result, Tx, attempts, messages, patients, reach, reminders, standing};
use std::collections::BTreeMap;

/// An outcome in the three kinds that differ in what follows.
enum Ending<'a> {
    Accepted(&'a [String]),
    Unknown(&'a str),
    /// A hold caught it before its first byte: it is queued as before.
    HeldBack(Held),
    Failed {
        action: Action,
        code: &'a str,
        retry_after_ms: Option<i64>,
    },
}

impl<'a> Ending<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Accepted { ids } => Self::Accepted(ids),
            Outcome::Unknown { stage } => Self::Unknown(stage),
            Outcome::Refused { action: Action::Unknown, code, .. } => Self::Unknown(code),
            Outcome::Refused { action, code, retry_after_ms } => {
                Self::Failed { action: *action, code, retry_after_ms: *retry_after_ms }
            }
            Outcome::NotSent { stage } => match Held::of_stage(stage) {
                Some(held) => Self::HeldBack(held),
                None => Self::Failed { action: Action::Retry, code: stage, retry_after_ms: None },
            },
        }
    }
}

/// Records a group of outcomes in one transaction. One whose token no longer holds moves nothing by itself:
/// it is kept as evidence, like a receipt (P3).
pub(super) async fn record(deps: &DelivererDeps, ended: &[Ended]) -> Result<()> {
    let now = deps.clock.now();
    let mut tx = deps.store.write().await?;
    let failed = ended.iter().filter(|e| !matches!(e.outcome, Outcome::Accepted { .. }));
    lock_awaiting(&mut tx, &failed.map(|e| e.id).collect::<Vec<_>>(), now).await?;
    let ids: Vec<AttemptId> = ended.iter().map(|e| e.id).collect();
    let rows: BTreeMap<AttemptId, AttemptRow> =
        attempts::lock(&mut tx, &ids).await?.into_iter().map(|row| (row.id, row)).collect();
    let message_ids = distinct(rows.values().map(|row| row.message));
    let mut known: BTreeMap<MessageId, MessageRow> =
        messages::lock(&mut tx, &message_ids).await?.into_iter().map(|row| (row.id, row)).collect();
    let moves: Vec<AttemptMove> = ended
        .iter()
        .filter_map(|e| {
            let row = rows.get(&e.id)?;
            Some(attempt_move(e, row, now, known.get(&row.message)?.valid_until))
        })
        .collect();
    let held_token = attempts::end(&mut tx, &moves, now).await?;
    let held = reminders_by_message(&mut tx, &message_ids).await?;
    let mut effects = Effects::default();
    let mut evidence = Vec::new();
    let mut accepted = Vec::new();
    let mut in_parts: Vec<PartRow> = Vec::new();
    let mut unspent = BTreeMap::new();
    for one in ended {
        let (Some(row), Some(moved)) =
            (rows.get(&one.id), moves.iter().find(|moved| moved.id == one.id))
        else {
            continue;
        };
        metrics::counter!("carebell_attempts_total", "channel" => one.channel.clone(),
            "outcome" => moved.state.word())
        .increment(1);
        // What the provider calls its parts is true whoever holds the token.
        if let Ending::Accepted(ids) = Ending::of(&one.outcome) {
            in_parts.extend(parts::of_accepted(row, ids));
        }
        if !held_token.contains(&one.id) {
            evidence.push(late(moved, &mut effects));
            continue;
        }
        let Some(message) = known.get_mut(&row.message) else { continue };
        let speaks_for = held.get(&message.id).map_or(&[][..], Vec::as_slice);
        let ending = Ending::of(&one.outcome);
        if let (Ending::HeldBack(_) | Ending::Failed { .. }, Some(paid)) = (&ending, &one.paid) {
            paid.take_off(&mut unspent);
        }
        match ending {
            Ending::Accepted(ids) => {
                evidence::tell_if_doubled(&mut tx, message, row, &mut effects).await?;
                let end = (MessageState::Sent, ReminderState::Sent, Reason::Accepted);
                effects.end_message(message, speaks_for, end, now);
                effects.put.extend(moved.wake_at.map(|at| settle_alarm(row.id.0, at)));
                accepted.push(Named { channel: &one.channel, attempt: row.id, ids });
            }
            Ending::Unknown(stage) => {
                let left = evidence::other_that_left(&mut tx, message, row.id).await?;
                let end = if let Some(reason) = left {
                    (MessageState::Sent, ReminderState::Sent, reason)
                } else {
                    let reason = Reason::UnknownOutcome { stage: stage.to_owned() };
                    (MessageState::Unknown, ReminderState::Unknown, reason)
                };
                effects.end_message(message, speaks_for, end, now);
                effects.put.extend(moved.wake_at.map(|at| settle_alarm(row.id.0, at)));
            }
            Ending::HeldBack(held) => {
                effects.requeue(message, speaks_for, now, held.reason(), now);
            }
            Ending::Failed { action, code, retry_after_ms } => {
                let failed = FailedAttempt { row, action, code, retry_after_ms };
                follow_up(deps, &mut tx, message, speaks_for, &failed, &mut effects, now).await?;
            }
        }
    }
    store::parts::add(&mut tx, &in_parts).await?;
    evidence.extend(parts::said_before(&mut tx, &in_parts).await?);
    evidence.extend(evidence::parked(&mut tx, &accepted).await?);
    let mut rng = deps.rng.fork();
    let heard: Vec<(AttemptId, &Address)> = ended
        .iter()
        .flat_map(|one| one.receiver.iter().flat_map(Person::known_by).map(|by| (one.id, by)))
        .collect();
    let news = reach::unknown_aliases(&mut tx, deps.store.keys(), &heard).await?;
    reach::learn(&mut tx, deps.store.keys(), &mut rng, &news, now).await?;
    store::spending::add(&mut tx, deps.home.memory().home, &unspent).await?;
    effects.write(&mut tx, &mut rng, now).await?;
    evidence::apply(deps, &mut tx, &evidence, now).await?;
    crash::point("outcome-written").await;
    tx.commit().await?;
    crash::point("outcome-committed").await;
    Ok(())
}

/// The reminders that messages speak for.
pub(super) async fn reminders_by_message(
    tx: &mut Tx,
    ids: &[MessageId],
) -> Result<BTreeMap<MessageId, Vec<ReminderRow>>> {
    let mut held: BTreeMap<MessageId, Vec<ReminderRow>> = BTreeMap::new();
    for reminder in reminders::of_messages(tx, ids).await? {
        if let Some(id) = reminder.message {
            held.entry(id).or_default().push(reminder);
        }
    }
    Ok(held)
}

fn attempt_move(ended: &Ended, row: &AttemptRow, now: UtcMs, valid_until: UtcMs) -> AttemptMove {
    let mut moved = AttemptMove {
        id: ended.id,
        token: ended.token,
        state: AttemptState::Unknown,
        reason: Reason::Accepted,
        code: None,
        provider_id: None,
        wake_at: None,
    };
    match Ending::of(&ended.outcome) {
        Ending::Accepted(ids) => {
            moved.state = AttemptState::Accepted;
            moved.provider_id = ids.first().cloned();
            moved.wake_at = receipt_due(row.hop_until, now);
        }
        Ending::Unknown(stage) => {
            moved.reason = Reason::UnknownOutcome { stage: stage.to_owned() };
            moved.wake_at = Some(look_at(now, settle_at(now, valid_until)));
        }
        Ending::HeldBack(held) => {
            moved.state = AttemptState::NotSent;
            moved.reason = Reason::NotSent { stage: held.stage().to_owned() };
        }
        Ending::Failed { code, .. } => {
            moved.code = Some(code.to_owned());
            (moved.state, moved.reason) = match &ended.outcome {
                Outcome::NotSent { stage } => {
                    (AttemptState::NotSent, Reason::NotSent { stage: (*stage).to_owned() })
                }
                _ => (AttemptState::Refused, Reason::Refused { code: code.to_owned() }),
            };
        }
    }
    moved
}

/// A writer whose token was taken away: what it knows is told and weighed, and moves nothing by itself.
fn late(moved: &AttemptMove, effects: &mut Effects) -> Evidence {
    effects.turns.push(Turn {
        subject: moved.id.0,
        state: moved.state.word(),
        reason: moved.reason.clone(),
    });
    Evidence {
        attempt: moved.id,
        proves: moved.state,
        reason: moved.reason.clone(),
        error: None,
        provider_id: moved.provider_id.clone(),
        at: None,
    }
}

/// An attempt that surely left nothing with the patient.
pub(super) struct FailedAttempt<'a> {
    pub(super) row: &'a AttemptRow,
    pub(super) action: Action,
    pub(super) code: &'a str,
    pub(super) retry_after_ms: Option<i64>,
}

/// What becomes of a message after a failed attempt: again, elsewhere, or failed; and of the contact point.
pub(super) async fn follow_up(
    deps: &DelivererDeps,
    tx: &mut Tx,
    message: &mut MessageRow,
    speaks_for: &[ReminderRow],
    failed: &FailedAttempt<'_>,
    effects: &mut Effects,
    now: UtcMs,
) -> Result<()> {
    let mut health = mark_contact(failed, effects);
    let channel = deps.channels.by_name(&failed.row.channel);
    let meaning = channel.and_then(|channel| channel.meaning(failed.code));
    match meaning {
        Some(Meaning::WindowClosed) => {
            reach::close(tx, failed.row.contact_point, &failed.row.channel).await?;
        }
        Some(Meaning::MarketingStopped) => {
            reach::stop_marketing(tx, failed.row.contact_point, now).await?;
        }
        Some(Meaning::Doubted) => {
            health = patients::doubt(tx, failed.row.contact_point, failed.code, now).await?;
        }
        Some(
            Meaning::PairLimited | Meaning::OnceMore | Meaning::HandsetOff | Meaning::MediaRefused,
        )
        | None => {}
    }
    if failed.action == Action::TemplateProblem {
        templates::refused(deps, tx, failed.row, failed.code, now).await?;
    }
    call_operator(deps, failed, effects, now);
    let contact_point = failed.row.contact_point;
    let earlier = attempts::of_messages(tx, &[message.id]).await?;
    let left = |a: &&AttemptRow| a.id != failed.row.id && a.state.has_left();
    if let Some(other) = earlier.iter().filter(left).find(|a| !evidence::gave_way(a, failed.row)) {
        let end = (MessageState::Sent, ReminderState::Sent, other.reason.clone());
        effects.end_message(message, speaks_for, end, now);
        return Ok(());
    }
    let tried_it = |a: &&AttemptRow| a.contact_point == contact_point && !was_held_back(a);
    let tries = earlier.iter().filter(tried_it).count();
    let mut tried = message.tried.clone();
    if !tried.contains(&contact_point) {
        tried.push(contact_point);
    }
    let next = next_contact(deps, tx, message, &tried, now).await?;
    if health == Some(ContactHealth::Bad) && next.is_none() {
        ask_for_address(deps, failed, effects, now);
    }
    // What free text may not say now, a template may: the claim reads the window anew.
    let was_free = meaning == Some(Meaning::WindowClosed)
        && said::open(tx, deps.store.keys(), failed.row)
            .await?
            .is_some_and(|outbound| matches!(outbound.content, Content::Text { .. }));
    if was_free && now < message.valid_until {
        let reason = Reason::Retry { at: now, code: failed.code.to_owned() };
        effects.requeue(message, speaks_for, now, reason, now);
        return Ok(());
    }
    // What was not taken with its file may be without it.
    if meaning == Some(Meaning::MediaRefused)
        && now < message.valid_until
        && let Some(outbound) = said::open(tx, deps.store.keys(), failed.row).await?
        && let Some(file) = outbound.content.file()
    {
        let code = failed.code.to_owned();
        let (at, reason) =
            match media::refused(deps, tx, failed.row, file, failed.code, now).await? {
                AfterRefusal::Without => (now, Reason::WithoutMaterial { code }),
                AfterRefusal::OnceMore => {
                    let at = now.plus_ms(deps.waits_ms.first().copied().unwrap_or(0));
                    (at, Reason::Retry { at, code })
                }
            };
        effects.requeue(message, speaks_for, at, reason, now);
        return Ok(());
    }
    let failure = match failed.action {
        _ if meaning == Some(Meaning::PairLimited) => Failure::Pair,
        _ if meaning == Some(Meaning::OnceMore) => Failure::OnceMore,
        _ if meaning == Some(Meaning::HandsetOff) => Failure::HandsetOff,
        Action::Retry if is_unreached(failed.code) => Failure::Unreached,
        Action::Retry | Action::Unknown => {
            Failure::Passing { retry_after_ms: failed.retry_after_ms }
        }
        Action::PauseChannel => Failure::Channel,
        Action::NextChannel
        | Action::BadAddress
        | Action::OptedOut
        | Action::TemplateProblem
        | Action::Fix => Failure::Lasting,
    };
    // Who opted out at the provider is not followed to another channel on the strength of the same consent.
    let others = if next.is_some() && failed.action != Action::OptedOut {
        Others::Left
    } else {
        Others::None
    };
    let past =
        Past { now, valid_until: message.valid_until, tries, waits_ms: &deps.waits_ms, others };
    let code = failed.code.to_owned();
    match after_failure(failure, &past) {
        Next::Again { at } => {
            let reason = Reason::Retry { at, code };
            effects.requeue(message, speaks_for, at, reason, now);
        }
        Next::Elsewhere => {
            message.tried = tried;
            let sender =
                next.and_then(|to| deps.channels.towards(to.channel, &to.address, |_| true));
            let sender = sender.map(|channel| channel.name());
            message.lane = lane(message.class, message.answering(), sender);
            effects.requeue(message, speaks_for, now, Reason::NextChannel { code }, now);
        }
        Next::Fail => {
            let reason = match failed.action {
                Action::OptedOut => Reason::OptedOut,
                _ => Reason::Refused { code },
            };
            let end = match earlier.iter().find(left) {
                // The provider before this one took it, without a receipt.
                Some(other) => (MessageState::Sent, ReminderState::Sent, other.reason.clone()),
                None => given_up(&earlier, failed.row.id, message.class, reason),
            };
            effects.end_message(message, speaks_for, end, now);
        }
    }
    Ok(())
}

/// How a message ends that is not tried again after this attempt: failed, unless another one may have been accepted:
/// then nobody knows that nothing was said.
pub(super) fn given_up(
    attempts: &[AttemptRow],
    this: AttemptId,
    class: Class,
    reason: Reason,
) -> (MessageState, ReminderState, Reason) {
    if attempts.iter().any(|a| a.id != this && a.state == AttemptState::Unknown) {
        (MessageState::Unknown, ReminderState::Unknown, still_unknown(class))
    } else {
        (MessageState::Failed, ReminderState::Failed, reason)
    }
}

/// Whether a stage of `not sent` says that the provider was not reached: the message is as good as never tried, and
/// the sender's breaker keeps it from being tried too often.
fn is_unreached(stage: &str) -> bool {
    matches!(stage, "queue" | "lease" | "resolve" | "connect" | "tls" | "login")
}

/// Whether a hold caught it: no try of the provider.
fn was_held_back(attempt: &AttemptRow) -> bool {
    matches!(&attempt.reason, Reason::NotSent { stage } if Held::of_stage(stage).is_some())
}

pub(super) async fn next_contact(
    deps: &DelivererDeps,
    tx: &mut Tx,
    message: &MessageRow,
    tried: &[crate::care::ids::ContactPointId],
    now: UtcMs,
) -> Result<Option<KnownContact>> {
    if message.contact_point.is_some() {
        return Ok(None);
    }
    let standings = standing::load(tx, deps.store.keys(), &[message.patient]).await?;
    let Some(standing) = standings.get(&message.patient) else { return Ok(None) };
    let Some(programme) = deps.programmes.get(&standing.row.programme) else { return Ok(None) };
    let configured: Vec<ChannelKind> = deps.channels.iter().map(|c| c.kind()).collect();
    let patient = &standing.row.patient;
    let price = |to: &KnownContact| {
        let address = to.address.expose();
        deps.tariff.foreseen(programme, &patient.language, message.class, to.channel, address)
    };
    let choice = Choice {
        now,
        contacts: &standing.contacts,
        consents: &standing.consents,
        preference: &programme.channels,
        prefer: programme.prefer,
        needs: Needs { class: message.class, style: programme.style(patient.text_style) },
        price: &price,
        configured: &configured,
        tried,
    };
    Ok(choose(&choice).ok().cloned())
}

/// Nothing reaches the patient any more, and nobody would know.
fn ask_for_address(
    deps: &DelivererDeps,
    failed: &FailedAttempt<'_>,
    effects: &mut Effects,
    now: UtcMs,
) {
    effects.tasks.push(NewTask {
        id: TaskId::new(now, &mut deps.rng.fork()),
        patient: Some(failed.row.patient),
        kind: TaskKind::Address,
        subject: failed.row.contact_point.to_string(),
        reason: Reason::NoContact,
        due_at: now.plus_ms(DAY_MS),
    });
}

/// What a code says of the address itself.
fn mark_contact(failed: &FailedAttempt<'_>, effects: &mut Effects) -> Option<ContactHealth> {
    let health = match failed.action {
        Action::BadAddress => ContactHealth::Bad,
        Action::OptedOut => ContactHealth::OptedOut,
        _ => return None,
    };
    effects.health.push(HealthMove {
        id: failed.row.contact_point,
        health,
        code: failed.code.to_owned(),
    });
    Some(health)
}

/// A refused sender or template is an operator's to mend: one task per channel.
fn call_operator(
    deps: &DelivererDeps,
    failed: &FailedAttempt<'_>,
    effects: &mut Effects,
    now: UtcMs,
) {
    if !matches!(failed.action, Action::PauseChannel | Action::TemplateProblem | Action::Fix) {
        return;
    }
    effects.tasks.push(NewTask {
        id: TaskId::new(now, &mut deps.rng.fork()),
        patient: None,
        kind: TaskKind::Channel,
        subject: format!("{} {}", failed.row.channel, failed.code),
        reason: Reason::Refused { code: failed.code.to_owned() },
        due_at: now.plus_ms(DAY_MS),
    });
}

impl Effects {
    /// Ends a message, and the reminders it speaks for that are still open.
    pub(super) fn end_message(
        &mut self,
        message: &mut MessageRow,
        speaks_for: &[ReminderRow],
        (state, reminder_state, reason): (MessageState, ReminderState, Reason),
        now: UtcMs,
    ) {
        message.state = state;
        message.reason = reason.clone();
        message.wake_at = None;
        message.updated_at = now;
        self.messages.retain(|other| other.id != message.id);
        self.messages.push(message.clone());
        self.move_open(speaks_for, reminder_state, &reason);
    }

    /// Queues a message again.
    pub(super) fn requeue(
        &mut self,
        message: &mut MessageRow,
        speaks_for: &[ReminderRow],
        at: UtcMs,
        reason: Reason,
        now: UtcMs,
    ) {
        let state = MessageState::Queued.word();
        self.turns.push(Turn { subject: message.id.0, state, reason: reason.clone() });
        self.move_open(speaks_for, ReminderState::Queued, &reason);
        message.state = MessageState::Queued;
        message.reason = reason;
        message.wake_at = Some(at);
        message.updated_at = now;
        self.messages.retain(|other| other.id != message.id);
        self.messages.push(message.clone());
    }

    /// Moves reminders whose story is not over.
    pub(super) fn move_open(
        &mut self,
        speaks_for: &[ReminderRow],
        state: ReminderState,
        reason: &Reason,
    ) {
        let open = |reminder: &&ReminderRow| {
            matches!(
                reminder.state,
                ReminderState::Queued
                    | ReminderState::Sending
                    | ReminderState::Sent
                    | ReminderState::Failed
                    | ReminderState::Unknown
            )
        };
        for reminder in speaks_for.iter().filter(open) {
            self.reminders.retain(|other| other.id != reminder.id);
            self.reminders.push(ReminderMove { id: reminder.id, state, reason: reason.clone() });
        }
    }
}
