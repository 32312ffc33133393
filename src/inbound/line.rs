//! The record of how long this instance's webhooks have been answered, without which silence proves nothing
//! (design.md section 6).

use super::Inbound;
use crate::care::UtcMs;
use crate::care::time::{DAY_MS, SECOND_MS};
use crate::policy::silence::Span;
use crate::store::{Result, database_clock_ms, listening};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// How often a line that stays open is recorded, in milliseconds of the business clock.
const BEAT_MS: i64 = 5 * SECOND_MS;
/// Records further apart than this, by the database's clock, are two stretches: between them the process may have
/// stood still. In milliseconds.
const STOOD_STILL_MS: i64 = 30 * SECOND_MS;
/// How long stretches are kept, in milliseconds: unknown outcomes are settled within minutes.
const KEPT_MS: i64 = DAY_MS;

/// What this instance knows of its own line.
#[derive(Debug, Default)]
pub(super) struct Line {
    last: Mutex<Option<Last>>,
    breaks: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    span: Span,
    recorded: UtcMs,
    breaks: u64,
}

impl Line {
    /// A callback is being taken. Unless it is, the line has a break: what was turned away may never come again.
    pub(super) const fn taking(&self) -> Taking<'_> {
        Taking { line: self, taken: false }
    }
}

/// A callback on its way into the database; dropped before it is taken, it breaks the line.
pub(super) struct Taking<'a> {
    line: &'a Line,
    taken: bool,
}

impl Taking<'_> {
    /// The callback is kept.
    pub(super) fn taken(mut self) {
        self.taken = true;
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        if !self.taken {
            self.line.breaks.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Inbound {
    /// Records that the webhooks of all channels are being answered. Called every few seconds by whoever serves
    /// them, and only then; nothing is written more often than that.
    ///
    /// # Errors
    /// When the database fails; the line counts as open only as far as it is recorded.
    pub async fn stays_open(&self) -> Result<()> {
        let deps = self.deliverer.deps();
        let mut last = self.line.last.lock().await;
        let breaks = self.line.breaks.load(Ordering::SeqCst);
        let now = deps.clock.now();
        let known = last.filter(|last| now >= last.span.until);
        let broke = last.map_or(breaks > 0, |last| last.breaks != breaks);
        if !broke && known.is_some_and(|known| now.since(known.span.until) < BEAT_MS) {
            return Ok(());
        }
        let channels: Vec<String> = deps.channels.iter().map(|c| c.name().to_owned()).collect();
        let mut tx = deps.store.write().await?;
        let recorded = database_clock_ms(&mut tx).await?;
        let known =
            known.filter(|known| (0..=STOOD_STILL_MS).contains(&recorded.since(known.recorded)));
        let span = Span { since: known.map_or(now, |known| known.span.since), until: now };
        if known.is_none() {
            listening::forget(&mut tx, now.plus_ms(-KEPT_MS)).await?;
        }
        let turned_away = broke.then_some(now);
        listening::put(&mut tx, deps.instance, &channels, span, turned_away).await?;
        tx.commit().await?;
        *last = Some(Last { span, recorded, breaks });
        Ok(())
    }
}
