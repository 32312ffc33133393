//! Messages that a provider took, and of which nothing was heard since: the provider is asked. A receipt that our
//! webhook was not there to hear is lost at most providers (`reference/channels.md` section 2).

use super::evidence::{self, Evidence};
use super::send::DelivererDeps;
use crate::care::time::HOUR_MS;
use crate::care::{Reason, UtcMs};
use crate::store::attempts::AttemptRow;
use crate::store::{Result, sweep};
use std::collections::BTreeSet;

/// When a message is asked after, by its age: an hour on, when most receipts have long come; and half a day on, when
/// a phone that was off is on again. The job rings every hour, so each message is asked after once in each.
const AGES_MS: [(i64, i64); 2] = [(HOUR_MS, 2 * HOUR_MS), (12 * HOUR_MS, 13 * HOUR_MS)];
/// Messages of one page.
const PAGE: i64 = 64;

/// What asking after messages brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Asked {
    /// Messages that were asked after.
    pub asked: usize,
    /// Those of which the provider knew more than we did.
    pub heard: usize,
}

/// Asks after every message that is stuck, one at a time: management calls have a pace of their own.
///
/// # Errors
/// When the database fails.
pub async fn ask_after_stuck(deps: &DelivererDeps) -> Result<Asked> {
    let can_be_asked = |name: &str| {
        deps.channels.by_name(name).is_some_and(|channel| channel.ask_after("").is_some())
    };
    let names: BTreeSet<&str> =
        deps.channels.iter().map(|c| c.name()).filter(|name| can_be_asked(name)).collect();
    let mut all = Asked::default();
    if names.is_empty() {
        return Ok(all);
    }
    let now = deps.clock.now();
    for (youngest_ms, oldest_ms) in AGES_MS {
        let (mut since, until) = (now.plus_ms(-oldest_ms), now.plus_ms(-youngest_ms));
        let mut after = None;
        loop {
            let mut tx = deps.store.read().await?;
            let page = sweep::stuck(&mut tx, (since, until), after, PAGE).await?;
            drop(tx);
            let Some(last) = page.last() else { break };
            (since, after) = (last.intent_at, Some(last.id));
            for row in page.iter().filter(|row| names.contains(row.channel.as_str())) {
                all.asked += 1;
                all.heard += usize::from(ask_after(deps, row, now).await?);
            }
        }
    }
    Ok(all)
}

/// Whether the provider knew more than we did.
async fn ask_after(deps: &DelivererDeps, row: &AttemptRow, now: UtcMs) -> Result<bool> {
    let channel = deps.channels.by_name(&row.channel);
    let (Some(channel), Some(provider_id)) = (channel, &row.provider_id) else { return Ok(false) };
    let Some(asking) = channel.ask_after(provider_id) else { return Ok(false) };
    let Some(receipt) = asking.await else { return Ok(false) };
    let Some(status) = receipt.status.filter(|status| status.proves() != row.state) else {
        return Ok(false);
    };
    let said = Evidence::receipt(row.id, status, receipt.error, provider_id.clone());
    let fact = Evidence { reason: Reason::LookedUp, ..said.at(receipt.at) };
    let mut tx = deps.store.write().await?;
    evidence::apply(deps, &mut tx, &[fact], now).await?;
    tx.commit().await?;
    Ok(true)
}
