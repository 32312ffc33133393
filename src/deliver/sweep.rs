//! The reconcile sweep: evidence that lies here unused, and unknown outcomes that nothing settles any more.

use super::effects::settle_alarm;
use super::evidence::{self, Named};
use super::send::DelivererDeps;
use crate::care::AttemptState;
use crate::care::time::DAY_MS;
use crate::store::attempts::AttemptMove;
use crate::store::{Result, alarms, attempts, sweep};

/// How far back: past every validity, and past the week by which receipts may be late (P8), in milliseconds.
const BACK_MS: i64 = 8 * DAY_MS;
/// Rows of one transaction.
const BATCH: i64 = 64;

/// What a sweep mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Swept {
    /// Parked receipts that have their attempt now.
    pub receipts_matched: usize,
    /// Unknown attempts that are settled again.
    pub attempts_armed: usize,
    /// Alarms of messages and attempts that were gone.
    pub alarms_put_back: u64,
}

impl Swept {
    /// Adds what a further step mended.
    pub const fn add(&mut self, step: Self) {
        self.receipts_matched += step.receipts_matched;
        self.attempts_armed += step.attempts_armed;
        self.alarms_put_back += step.alarms_put_back;
    }
}

/// One step of the sweep, a bounded transaction; nothing mended means that nothing is left.
///
/// # Errors
/// When the database fails.
pub async fn sweep_once(deps: &DelivererDeps) -> Result<Swept> {
    let now = deps.clock.now();
    let since = now.plus_ms(-BACK_MS);
    let mut tx = deps.store.read().await?;
    let matching = sweep::matching(&mut tx, since, BATCH).await?;
    let unsettled = sweep::unsettled(&mut tx, since, BATCH).await?;
    drop(tx);
    let mut swept = Swept::default();
    let mut tx = deps.store.write().await?;
    for (channel, provider_id, attempt) in matching {
        let ids = [provider_id];
        let named = Named { channel: &channel, attempt, ids: &ids };
        // Whoever came first has matched them: none is left parked.
        for fact in evidence::parked(&mut tx, &[named]).await? {
            evidence::apply(deps, &mut tx, &[fact], now).await?;
            swept.receipts_matched += 1;
        }
    }
    let mut moves = Vec::new();
    for row in attempts::lock(&mut tx, &unsettled).await? {
        if row.state == AttemptState::Unknown && row.wake_at.is_none() {
            alarms::put(&mut tx, &[settle_alarm(row.id.0, now)]).await?;
            let stays = row.moved_to(row.state, row.reason.clone());
            moves.push(AttemptMove { wake_at: Some(now), ..stays });
        }
    }
    swept.attempts_armed = moves.len();
    attempts::move_to(&mut tx, &moves, now).await?;
    swept.alarms_put_back = sweep::put_back(&mut tx, since, BATCH).await?;
    tx.commit().await?;
    Ok(swept)
}
