//! A message that a provider took, and of which no receipt came while the hop lasted: the next channel (section 6).

use super::effects::Effects;
use super::follow_up::next_contact;
use super::record::reminders_by_message;
use super::send::DelivererDeps;
use crate::care::{MessageState, Reason, UtcMs};
use crate::policy::fallback::has_time;
use crate::policy::grouping::lane;
use crate::store::attempts::AttemptRow;
use crate::store::{Result, Tx, messages};

/// Queues the message for its next contact point, if there is one and time enough. The attempt stays as it is known.
pub(super) async fn fall_back(
    deps: &DelivererDeps,
    tx: &mut Tx,
    row: &AttemptRow,
    effects: &mut Effects,
    now: UtcMs,
) -> Result<()> {
    effects.attempts.push(row.moved_to(row.state, row.reason.clone()));
    let message = messages::lock(tx, &[row.message]).await?.pop();
    let newest = |m: &crate::store::messages::MessageRow| m.tries == row.number;
    let Some(mut message) = message.filter(|m| m.state == MessageState::Sent && newest(m)) else {
        return Ok(());
    };
    if !has_time(now, message.valid_until) {
        return Ok(());
    }
    let mut tried = message.tried.clone();
    if !tried.contains(&row.contact_point) {
        tried.push(row.contact_point);
    }
    let Some(contact) = next_contact(deps, tx, &message, &tried, now).await? else {
        return Ok(());
    };
    let held = reminders_by_message(tx, &[message.id]).await?;
    let speaks_for = held.get(&message.id).map_or(&[][..], Vec::as_slice);
    message.tried = tried;
    let sender = deps.channels.towards(contact.channel, &contact.address, |_| true);
    let sender = sender.map(|channel| channel.name());
    message.lane = lane(message.class, message.answering(), sender);
    effects.requeue(&mut message, speaks_for, now, Reason::NoReceipt, now);
    metrics::counter!("carebell_fallbacks_total", "channel" => row.channel.clone()).increment(1);
    Ok(())
}
