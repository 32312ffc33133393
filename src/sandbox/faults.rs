//! Misbehaviour by script: rules in a queue, each for some messages, each for some number of times.

use super::Channel;
use super::callbacks::Callback;
use super::world::locked;
use crate::care::UtcMs;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;

/// One line of the script. Of several that match a message the first one is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only on this channel.
    #[serde(default)]
    pub channel: Option<Channel>,
    /// Only for messages to this address, in normal form.
    #[serde(default)]
    pub to: Option<String>,
    /// How many messages it is for; `None` is every one.
    #[serde(default)]
    pub times: Option<u32>,
    /// What goes wrong.
    pub fault: Fault,
}

impl Rule {
    /// For the next message.
    pub const fn once(fault: Fault) -> Self {
        Self { channel: None, to: None, times: Some(1), fault }
    }

    /// For every message.
    pub const fn always(fault: Fault) -> Self {
        Self { channel: None, to: None, times: None, fault }
    }

    /// Only on `channel`.
    #[must_use]
    pub const fn on(mut self, channel: Channel) -> Self {
        self.channel = Some(channel);
        self
    }

    /// Only for messages to `address`.
    #[must_use]
    pub fn to(mut self, address: &str) -> Self {
        self.to = Some(address.to_owned());
        self
    }

    fn matches(&self, channel: Channel, to: Option<&str>) -> bool {
        self.channel.is_none_or(|wanted| wanted == channel)
            && match (&self.to, to) {
                (None, _) => true,
                (Some(wanted), Some(to)) => wanted == to,
                (Some(_), None) => false,
            }
    }
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The connection is closed before the request is read; nothing is accepted. The address is not known yet,
    /// so a rule with `to` never matches.
    DropBeforeReading,
    /// The answer to a message that would have been accepted.
    Answer(AnswerFault),
    /// The callbacks about an accepted message, or of a reply.
    Callbacks(CallbackFault),
}

/// What goes wrong with the answer. All but `Refuse` accept the message first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerFault {
    /// The provider says no.
    Refuse {
        /// HTTP status, or SMTP reply code.
        status: u16,
        /// The provider's code (`131056`, `20429`, `4.7.1`); without it the body is empty.
        #[serde(default)]
        code: Option<String>,
        /// `Retry-After` as it is to be sent: seconds or an HTTP date.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// The connection is closed without an answer.
    Drop,
    /// The answer waits until it is released.
    Hold,
    /// The head of the answer comes, its body waits until it is released (SMTP: as `Hold`).
    HoldBody,
    /// A server error after the message was taken (SMTP: 451 whatever the status).
    Fail {
        /// HTTP status.
        status: u16,
    },
    /// 200 with a page of HTML (SMTP: a line that is no reply).
    Garbage,
}

/// What goes wrong with callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallbackFault {
    /// None comes.
    Off,
    /// They come in reverse order, at the same times.
    Reversed,
    /// Each comes twice.
    Doubled,
    /// They come this much later, in milliseconds of the clock.
    DelayedMs(i64),
    /// The first one comes before the answer to the request.
    BeforeResponse,
    /// They are signed with a wrong key.
    Forged,
}

/// The script of misbehaviour.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Rule>>);

impl Faults {
    /// Adds a rule at the end of the script.
    pub fn add(&self, rule: Rule) {
        locked(&self.0).push(rule);
    }

    /// From here on everything goes right.
    pub fn clear(&self) {
        locked(&self.0).clear();
    }

    /// What is left of the script.
    pub fn rules(&self) -> Vec<Rule> {
        locked(&self.0).clone()
    }

    /// Whether this connection is to be closed unread.
    pub(super) fn take_drop_before_reading(&self, channel: Channel) -> bool {
        self.take(channel, None, |fault| (*fault == Fault::DropBeforeReading).then_some(()))
            .is_some()
    }

    /// What goes wrong with the answer to this message.
    pub(super) fn take_answer(&self, channel: Channel, to: &str) -> Option<AnswerFault> {
        self.take(channel, Some(to), |fault| match fault {
            Fault::Answer(answer) => Some(answer.clone()),
            _ => None,
        })
    }

    /// As [`Faults::take_answer`], but leaves the rule alone unless it refuses (SMTP refuses before the message
    /// comes).
    pub(super) fn take_refusal(&self, channel: Channel, to: &str) -> Option<AnswerFault> {
        let mut rules = locked(&self.0);
        let at = rules
            .iter()
            .position(|r| r.matches(channel, Some(to)) && matches!(r.fault, Fault::Answer(_)))?;
        match &rules[at].fault {
            Fault::Answer(refuse @ AnswerFault::Refuse { .. }) => {
                let refuse = refuse.clone();
                spend(&mut rules, at);
                Some(refuse)
            }
            _ => None,
        }
    }

    /// Everything that goes wrong with the callbacks of this message.
    pub(super) fn take_callbacks(&self, channel: Channel, to: &str) -> Vec<CallbackFault> {
        let mut rules = locked(&self.0);
        let mut taken = Vec::new();
        let mut at = 0;
        while at < rules.len() {
            let before = rules.len();
            if let Fault::Callbacks(fault) = rules[at].fault
                && rules[at].matches(channel, Some(to))
            {
                taken.push(fault);
                spend(&mut rules, at);
            }
            at += usize::from(rules.len() == before);
        }
        taken
    }

    fn take<T>(
        &self,
        channel: Channel,
        to: Option<&str>,
        wanted: impl Fn(&Fault) -> Option<T>,
    ) -> Option<T> {
        let mut rules = locked(&self.0);
        let (at, found) = rules.iter().enumerate().find_map(|(at, rule)| {
            rule.matches(channel, to).then(|| wanted(&rule.fault)).flatten().map(|f| (at, f))
        })?;
        spend(&mut rules, at);
        Some(found)
    }
}

fn spend(rules: &mut Vec<Rule>, at: usize) {
    match &mut rules[at].times {
        None => {}
        Some(times) if *times > 1 => *times -= 1,
        Some(_) => {
            rules.remove(at);
        }
    }
}

/// Callbacks with their due times, after the faults had their way with them.
pub(super) fn bend(
    mut callbacks: Vec<(UtcMs, Callback)>,
    faults: &[CallbackFault],
    now: UtcMs,
) -> Vec<(UtcMs, Callback)> {
    for fault in faults {
        match fault {
            CallbackFault::Off => callbacks.clear(),
            CallbackFault::Reversed => {
                let times: Vec<UtcMs> = callbacks.iter().map(|(due, _)| *due).collect();
                callbacks.reverse();
                for (slot, due) in callbacks.iter_mut().zip(times) {
                    slot.0 = due;
                }
            }
            CallbackFault::Doubled => {
                callbacks = callbacks.into_iter().flat_map(|one| [one.clone(), one]).collect();
            }
            CallbackFault::DelayedMs(ms) => {
                for (due, _) in &mut callbacks {
                    *due = due.plus_ms(*ms);
                }
            }
            CallbackFault::BeforeResponse => {
                if let Some((due, _)) = callbacks.first_mut() {
                    *due = now;
                }
            }
            CallbackFault::Forged => {
                for (_, callback) in &mut callbacks {
                    callback.forge();
                }
            }
        }
    }
    callbacks
}
