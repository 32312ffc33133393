//! What is due when, and how much is going on right now.

use super::Reply;
use super::callbacks::Callback;
use super::world::locked;
use crate::care::UtcMs;
use std::collections::BTreeMap;
use std::sync::Mutex;
use tokio::sync::Notify;

/// What happens at a due time.
#[derive(Debug)]
pub(super) enum Event {
    /// A person says something.
    Say(Reply),
    /// A webhook leaves.
    Post(Callback),
}

/// What is due when, and how much is going on right now.
#[derive(Default)]
pub(super) struct Agenda {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    events: BTreeMap<(UtcMs, u64), Event>,
    pushed: u64,
    busy: usize,
    posting: usize,
}

impl Agenda {
    pub(super) fn push(&self, due: UtcMs, event: Event) {
        let mut inner = locked(&self.inner);
        inner.pushed += 1;
        let key = (due, inner.pushed);
        inner.events.insert(key, event);
        self.changed.notify_one();
    }

    /// Everything due at `now`, in order, if anything is; the guard keeps it counted until it is done.
    pub(super) fn take_due(&self, now: UtcMs) -> Option<(Vec<(UtcMs, Event)>, Busy<'_>)> {
        let mut inner = locked(&self.inner);
        let later = inner.events.split_off(&(now.plus_ms(1), 0));
        let due = std::mem::replace(&mut inner.events, later);
        if due.is_empty() {
            return None;
        }
        inner.busy += 1;
        inner.posting += due.len();
        let due = due.into_iter().map(|((at, _), event)| (at, event)).collect();
        Some((due, Busy { agenda: self }))
    }

    /// One event that was taken is done with.
    pub(super) fn settle(&self) {
        locked(&self.inner).posting -= 1;
    }

    /// Counts something as going on until the guard is dropped.
    pub(super) fn busy(&self) -> Busy<'_> {
        locked(&self.inner).busy += 1;
        Busy { agenda: self }
    }

    pub(super) fn pending(&self) -> usize {
        let inner = locked(&self.inner);
        inner.events.len() + inner.posting
    }

    pub(super) fn next_at(&self) -> Option<UtcMs> {
        locked(&self.inner).events.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn is_idle(&self, now: UtcMs) -> bool {
        let inner = locked(&self.inner);
        inner.busy == 0 && inner.events.first_key_value().is_none_or(|((at, _), _)| *at > now)
    }

    /// Returns when something was pushed since the last call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// Something going on.
pub(super) struct Busy<'a> {
    agenda: &'a Agenda,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        locked(&self.agenda.inner).busy -= 1;
    }
}
