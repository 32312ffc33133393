//! The people behind the addresses: what they answer, what they have said before, and what becomes of a
//! message to them.

use super::{Channel, Condition, Entry, Message, PairLimit, Presses, Receipts, Template};
use crate::care::UtcMs;
use crate::care::time::{DAY_MS, SECOND_MS};
use rand::{Rng, RngCore};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A user's message opens the customer service window for 24 hours (Meta, messages/send-messages).
const WINDOW_MS: i64 = DAY_MS;

/// Something a person says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// Over which channel.
    pub channel: Channel,
    /// Their number, with a plus sign.
    pub from: String,
    /// What they write, or the title of the button they press.
    pub text: String,
    /// The payload of the button they press (WhatsApp, by Meta or by Twilio).
    #[serde(default)]
    pub payload: Option<String>,
    /// The provider's id of the message they answer.
    #[serde(default)]
    pub context: Option<String>,
}

impl Reply {
    /// Free text.
    pub fn text(channel: Channel, from: &str, text: &str) -> Self {
        Self { channel, from: from.to_owned(), text: text.to_owned(), payload: None, context: None }
    }

    /// A tap on a template's quick-reply button.
    pub fn button(from: &str, title: &str, payload: &str, context: &str) -> Self {
        Self {
            payload: Some(payload.to_owned()),
            context: Some(context.to_owned()),
            ..Self::text(Channel::Whatsapp, from, title)
        }
    }

    /// A tap on a button of an accepted template, from the left, 0 first; none: there is no such button.
    pub fn press(entry: &Entry, button: usize, title: &str) -> Option<Self> {
        let Message { channel, to, template, provider_id, .. } = &entry.message;
        let payload = template.as_ref()?.buttons.get(button)?;
        Some(Self { channel: *channel, ..Self::button(to, title, payload, provider_id) })
    }
}

/// The channel has no inbound webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("email has no inbound webhook; reply over whatsapp or twilio")]
pub struct NoInbound;

/// What the providers remember of people. Forgotten at a restart.
pub(super) struct People {
    conditions: BTreeMap<String, Condition>,
    heard_at: HashMap<String, UtcMs>,
    opted_out: BTreeSet<String>,
    paced_until: HashMap<String, UtcMs>,
    known_as: HashMap<String, String>,
}

impl People {
    pub(super) fn new(conditions: BTreeMap<String, Condition>) -> Self {
        Self {
            conditions,
            heard_at: HashMap::new(),
            opted_out: BTreeSet::new(),
            paced_until: HashMap::new(),
            known_as: HashMap::new(),
        }
    }

    pub(super) fn set_condition(&mut self, address: &str, condition: Option<Condition>) {
        match condition {
            Some(condition) => self.conditions.insert(address.to_owned(), condition),
            None => self.conditions.remove(address),
        };
    }

    /// WhatsApp knows a number by other digits (Brazil, Mexico).
    pub(super) fn know_as(&mut self, address: &str, digits: &str) {
        self.known_as.insert(address.to_owned(), digits.to_owned());
    }

    /// The digits by which WhatsApp knows a number.
    pub(super) fn known_as(&self, address: &str) -> String {
        let own = || address.trim_start_matches('+').to_owned();
        self.known_as.get(address).cloned().unwrap_or_else(own)
    }

    pub(super) fn condition(&self, address: &str) -> Option<Condition> {
        self.conditions.get(address).copied()
    }

    /// Whether WhatsApp's window to this person is open.
    pub(super) fn window_is_open(&self, address: &str, now: UtcMs) -> bool {
        self.heard_at.get(address).is_some_and(|at| now < at.plus_ms(WINDOW_MS))
    }

    /// Whether this number has said STOP over Twilio.
    pub(super) fn has_opted_out(&self, address: &str) -> bool {
        self.opted_out.contains(address)
    }

    /// Counts a message against the pair limit (a generic cell rate algorithm); `false` when it is over.
    pub(super) fn take_pair_slot(&mut self, address: &str, limit: PairLimit, now: UtcMs) -> bool {
        let free_at = self.paced_until.get(address).copied().unwrap_or(now).max(now);
        let fits = free_at.since(now) <= (limit.burst - 1).max(0).saturating_mul(limit.gap_ms);
        if fits {
            self.paced_until.insert(address.to_owned(), free_at.plus_ms(limit.gap_ms));
        }
        fits
    }

    /// A person has spoken: the window opens, and Twilio acts on its keywords.
    pub(super) fn hear(&mut self, reply: &Reply, at: UtcMs) {
        match reply.channel {
            Channel::Whatsapp => {
                let heard = self.heard_at.entry(reply.from.clone()).or_insert(at);
                *heard = at.max(*heard);
            }
            Channel::Twilio => match OptOutType::of(&reply.text) {
                Some(OptOutType::Stop) => {
                    self.opted_out.insert(reply.from.clone());
                }
                Some(OptOutType::Start) => {
                    self.opted_out.remove(&reply.from);
                }
                Some(OptOutType::Help) | None => {}
            },
            Channel::Email => {}
        }
    }
}

/// What a standard keyword does (Twilio, "Support for opt-out keywords", English).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OptOutType {
    Stop,
    Start,
    Help,
}

impl OptOutType {
    /// The keyword is the whole message, in any case.
    pub(super) fn of(text: &str) -> Option<Self> {
        match text.trim().to_ascii_uppercase().as_str() {
            "STOP" | "STOPALL" | "UNSUBSCRIBE" | "CANCEL" | "END" | "QUIT" | "OPTOUT"
            | "REVOKE" => Some(Self::Stop),
            "START" | "YES" | "UNSTOP" => Some(Self::Start),
            "HELP" | "INFO" => Some(Self::Help),
            _ => None,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Stop => "STOP",
            Self::Start => "START",
            Self::Help => "HELP",
        }
    }
}

/// What a receipt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Sent,
    Delivered,
    Read,
    /// With the provider's code.
    Failed(u32),
}

/// A receipt to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) at: UtcMs,
    pub(super) status: Status,
}

/// An accepted message as its fate depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) channel: Channel,
    pub(super) at: UtcMs,
    pub(super) valid_seconds: Option<u32>,
    pub(super) condition: Option<Condition>,
}

/// What becomes of an accepted message. Email has no receipts.
///
/// Past its validity Meta drops in silence (Meta, templates/time-to-live); Twilio says undelivered, 30036.
pub(super) fn fate(sent: Sent, receipts: &Receipts, chance: &mut dyn RngCore) -> Vec<Step> {
    let failed_code = match sent.channel {
        Channel::Whatsapp => 131_026,
        Channel::Twilio => 30_003,
        Channel::Email => return Vec::new(),
    };
    let fails = chance.random::<f64>() < receipts.failed_probability;
    let is_read = chance.random::<f64>() < receipts.read_probability;

    let mut steps =
        vec![Step { at: sent.at.plus_ms(receipts.sent_after_ms), status: Status::Sent }];
    let due = sent.at.plus_ms(receipts.delivered_after_ms);
    let delivered_at = match sent.condition {
        Some(Condition::OffUntil(on_again)) => due.max(on_again),
        Some(Condition::Unknown | Condition::Unreachable) | None => due,
    };
    if fails || sent.condition == Some(Condition::Unreachable) {
        steps.push(Step { at: due, status: Status::Failed(failed_code) });
        return steps;
    }
    let valid_until =
        sent.valid_seconds.map(|seconds| sent.at.plus_ms(i64::from(seconds) * SECOND_MS));
    if let Some(valid_until) = valid_until.filter(|until| delivered_at > *until) {
        steps.retain(|step| step.at <= valid_until);
        if sent.channel == Channel::Twilio {
            steps.push(Step { at: valid_until, status: Status::Failed(30_036) });
        }
        return steps;
    }
    steps.push(Step { at: delivered_at, status: Status::Delivered });
    if is_read && sent.channel == Channel::Whatsapp {
        let read_at = sent.at.plus_ms(receipts.read_after_ms).max(delivered_at);
        steps.push(Step { at: read_at, status: Status::Read });
    }
    steps
}

/// When somebody presses a button of a template that was delivered to them, and which; none: nobody does.
pub(super) fn pressed(
    entry: &Entry,
    template: &Template,
    steps: &[Step],
    presses: &Presses,
    chance: &mut dyn RngCore,
) -> Option<(UtcMs, Reply)> {
    let is_pressed = chance.random::<f64>() < presses.probability;
    let buttons = entry.message.template.as_ref()?.buttons.len();
    let arrived = steps.iter().find(|step| step.status == Status::Delivered)?;
    if !is_pressed || buttons == 0 {
        return None;
    }
    let button = chance.random_range(0..buttons);
    let title = template.buttons.get(button)?;
    Some((arrived.at.plus_ms(presses.after_ms), Reply::press(entry, button, title)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn statuses(sent: Sent, receipts: &Receipts) -> Vec<(i64, Status)> {
        fate(sent, receipts, &mut StdRng::seed_from_u64(1))
            .iter()
            .map(|step| (step.at.0, step.status))
            .collect()
    }

    #[test]
    fn fate_of_a_message() {
        let all_read = Receipts { read_probability: 1.0, ..Receipts::default() };
        let off = Some(Condition::OffUntil(UtcMs(10_000)));
        let sent = |channel, valid_seconds, condition| Sent {
            channel,
            at: UtcMs(0),
            valid_seconds,
            condition,
        };
        let first = (1_000, Status::Sent);
        let cases = [
            (
                sent(Channel::Whatsapp, None, None),
                vec![first, (2_000, Status::Delivered), (60_000, Status::Read)],
            ),
            (sent(Channel::Twilio, None, None), vec![first, (2_000, Status::Delivered)]),
            (
                sent(Channel::Twilio, None, Some(Condition::Unreachable)),
                vec![first, (2_000, Status::Failed(30_003))],
            ),
            (sent(Channel::Whatsapp, Some(5), off), vec![first]),
            (sent(Channel::Twilio, Some(5), off), vec![first, (5_000, Status::Failed(30_036))]),
            (sent(Channel::Twilio, Some(10), off), vec![first, (10_000, Status::Delivered)]),
            (sent(Channel::Email, None, None), vec![]),
        ];
        for (sent, expected) in cases {
            assert_eq!(statuses(sent, &all_read), expected, "{sent:?}");
        }
    }

    #[test]
    fn the_pair_limit_borrows_a_burst_and_pays_it_back() {
        let mut people = People::new(BTreeMap::new());
        let limit = PairLimit { gap_ms: 6_000, burst: 3 };
        let mut takes = |at| people.take_pair_slot("+1", limit, UtcMs(at));
        assert_eq!([takes(0), takes(0), takes(0), takes(0)], [true, true, true, false]);
        assert_eq!([takes(5_999), takes(6_000), takes(6_000)], [false, true, false]);
    }
}
