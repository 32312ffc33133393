//! What a provider takes in a day: where it is used up, the sender rests until there is room, as one in trouble does.

use super::send::{Deliverer, Shared};
use crate::care::ids::TaskId;
use crate::care::time::{DAY_MS, HOUR_MS};
use crate::care::{Reason, UtcMs};
use crate::policy::day::{Day, day};
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::{Result, attempts, holds, tasks};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A count is good for so long, with what this instance sent since, in milliseconds: others send as well.
const KNOWN_FOR_MS: i64 = 5_000;
/// Why a sender rests that has nothing left of its day.
const BECAUSE: &str = "messages-per-day";

/// What is left of each sender's day.
#[derive(Debug, Default)]
pub(super) struct Days(Mutex<BTreeMap<String, Counted>>);

#[derive(Clone, Copy, Debug)]
struct Counted {
    at: UtcMs,
    left: u32,
}

impl Days {
    /// Takes what was sent off a sender's day.
    pub(super) fn take(&self, sender: &str, costs: u32) {
        let mut days = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = days.get_mut(sender) {
            counted.left = counted.left.saturating_sub(costs);
        }
    }

    fn known(&self, sender: &str, now: UtcMs) -> Option<u32> {
        let days = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = days.get(sender).filter(|c| now.since(c.at).abs() < KNOWN_FOR_MS)?;
        (counted.left > 0).then_some(counted.left)
    }

    fn learn(&self, sender: &str, counted: Counted) {
        let mut days = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        days.insert(sender.to_owned(), counted);
    }
}

impl Deliverer {
    /// How many messages a sender may take more in this day; `None`: as many as there are. A sender without room rests.
    pub(super) async fn left_of_day(&self, sender: &str, now: UtcMs) -> Result<Option<usize>> {
        let channel = self.deps().channels.by_name(sender);
        let Some(most) = channel.and_then(|channel| channel.messages_per_day()) else {
            return Ok(None);
        };
        let shared = &self.shared;
        let left = match shared.days.known(sender, now) {
            Some(left) => left,
            None => shared.count_day(sender, most, now).await?,
        };
        Ok(Some(usize::try_from(left).unwrap_or(usize::MAX)))
    }
}

impl Shared {
    async fn count_day(&self, sender: &str, most: u32, now: UtcMs) -> Result<u32> {
        let mut tx = self.deps.store.read().await?;
        let (taken, first) = attempts::of_day(&mut tx, sender, now.plus_ms(-DAY_MS)).await?;
        drop(tx);
        let day = day(now, most, taken, first);
        let left = match day {
            Day::Left { messages } => messages,
            Day::UsedUp { .. } => 0,
        };
        self.days.learn(sender, Counted { at: now, left });
        metrics::gauge!("carebell_messages_left_of_day", "channel" => sender.to_owned())
            .set(f64::from(left));
        let subject = format!("{sender} {BECAUSE}");
        let mut tx = self.deps.store.write().await?;
        match day {
            Day::Left { .. } => tasks::close(&mut tx, TaskKind::Channel, &subject).await?,
            Day::UsedUp { until } => {
                tracing::error!(
                    channel = sender,
                    until = until.rfc3339(),
                    "a channel rests: the day's messages are used up"
                );
                let (channel, because) = (sender.to_owned(), BECAUSE.to_owned());
                let rest = holds::Rest { channel, until, since: now, because };
                holds::rest(&mut tx, self.deps.instance, &rest).await?;
                let task = NewTask {
                    id: TaskId::new(now, &mut self.deps.rng.fork()),
                    patient: None,
                    kind: TaskKind::Channel,
                    subject,
                    reason: Reason::ChannelResting { until: Some(until) },
                    due_at: now.plus_ms(HOUR_MS),
                };
                tasks::open(&mut tx, &task, now).await?;
            }
        }
        tx.commit().await?;
        if left == 0 {
            self.look_at_holds().await?;
        }
        Ok(left)
    }
}
