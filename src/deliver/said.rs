//! What an attempt says to whom: sealed beside it, and read again.

use crate::care::ids::AttemptId;
use crate::channel::Outbound;
use crate::security::{Keyring, Place, SealingKey};
use crate::store::attempts::AttemptRow;
use crate::store::{Result, Tx, patients};
use rand::rngs::StdRng;

/// The record of what is sent where.
pub(super) fn seal(
    outbound: &Outbound,
    attempt: AttemptId,
    key: &SealingKey,
    rng: &mut StdRng,
) -> Vec<u8> {
    key.seal(place(&attempt), serde_json::json!(outbound).to_string().as_bytes(), rng)
}

/// What an attempt says. `None`: the patient is gone, or it was written by a version that wrote it otherwise.
pub(super) async fn open(
    tx: &mut Tx,
    keys: &Keyring,
    attempt: &AttemptRow,
) -> Result<Option<Outbound>> {
    let owner = patients::load(tx, keys, &[attempt.patient]).await?.pop();
    let Some(owner) = owner else { return Ok(None) };
    let clear = owner.key.open(place(&attempt.id), &attempt.content)?;
    let outbound = serde_json::from_slice(&clear).ok();
    if outbound.is_none() {
        tracing::warn!(attempt_id = %attempt.id, "what an attempt said is not of this version");
    }
    Ok(outbound)
}

fn place(attempt: &AttemptId) -> Place<'_> {
    Place { table: "attempts", column: "content", row: attempt.0.as_bytes() }
}
