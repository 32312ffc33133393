//! What follows from a failed attempt: the message goes again, elsewhere, or has failed; and what the code says of the
//! address, the template, the file and the channel.

use super::effects::Effects;
use super::evidence;
use super::media::{self, AfterRefusal};
use super::said;
use super::send::DelivererDeps;
use super::templates;
use crate::care::contact::KnownContact;
use crate::care::ids::{AttemptId, TaskId};
use crate::care::time::DAY_MS;
use crate::care::{
    AttemptState, ChannelKind, Class, ContactHealth, MessageState, Reason, ReminderState, UtcMs,
};
use crate::channel::{Action, Content, Meaning};
use crate::policy::contact_choice::{Choice, Needs, choose};
use crate::policy::grouping::lane;
use crate::policy::held_back::Held;
use crate::policy::outcome::{Failure, Next, Others, Past, after_failure, still_unknown};
use crate::store::attempts::AttemptRow;
use crate::store::messages::MessageRow;
use crate::store::patients::HealthMove;
use crate::store::reminders::ReminderRow;
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::{Result, Tx, attempts, patients, reach, standing};

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
