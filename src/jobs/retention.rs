//! The job `retention`: drops rows that no promise needs once they are old.

use crate::care::UtcMs;
use crate::care::time::DAY_MS;
use crate::store::retention::{Stale, drop_some};
use crate::store::{Result, Store};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Rows of one transaction at most, and how long it should take at most (design.md section 7).
const MOST: i64 = 256;
const LONGEST: Duration = Duration::from_millis(20);
const FEWEST: i64 = 8;

/// Drops what is older than `days` before `now`; returns how many rows of each kind it looked at. Each transaction
/// stands alone: a run that is killed is gone on with by the next.
pub(super) async fn run(
    store: &Store,
    now: UtcMs,
    days: u32,
) -> Result<BTreeMap<&'static str, u64>> {
    let before = now.plus_ms(-i64::from(days) * DAY_MS);
    let mut dropped = BTreeMap::new();
    let mut limit = MOST;
    for kind in Stale::ALL {
        loop {
            let mut tx = store.write().await?;
            let begun = Instant::now();
            let rows = drop_some(&mut tx, kind, before, limit).await?;
            tx.commit().await?;
            let lasted = begun.elapsed();
            *dropped.entry(kind.word()).or_default() += rows;
            metrics::counter!("carebell_retention_rows_total", "kind" => kind.word())
                .increment(rows);
            let all = rows < limit as u64;
            limit = if lasted > LONGEST { limit / 2 } else { limit * 2 }.clamp(FEWEST, MOST);
            // Whoever waits for the writer goes first.
            tokio::time::sleep(lasted).await;
            if all {
                break;
            }
        }
    }
    Ok(dropped)
}
