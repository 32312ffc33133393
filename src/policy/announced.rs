//! Whether a dose was announced already under another name (design.md P1).
//!
//! An edit that renames a slot, a new key or another order of the same drug makes a new slot; the old one, sent
//! or in flight, is then an *orphan*: the current expansion no longer holds it.

use crate::care::ids::ReminderId;
use crate::care::time::HOUR_MS;
use crate::care::{ReminderState, UtcMs};

/// A slot about to be queued.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its instant.
    pub at: UtcMs,
    /// The nearest slot of the same activity, before or after.
    pub neighbour: Option<UtcMs>,
}

/// A reminder that was sent, is in flight or unknown, of the same drug, under a slot that no longer exists.
#[derive(Clone, Copy, Debug)]
pub struct Orphan {
    /// Which.
    pub id: ReminderId,
    /// When it was due.
    pub at: UtcMs,
}

/// Whether a reminder still speaks for the dose, or may: what it stood in for waits for its end.
pub const fn may_yet_announce(state: ReminderState) -> bool {
    use ReminderState::{Queued, Sending, Sent, Unknown};
    matches!(state, Queued | Sending | Sent | Unknown)
}

/// How far from it a slot can lie that an orphan stood in for, in milliseconds.
pub const WITHIN_MS: i64 = 26 * HOUR_MS;

/// How near an announcement counts as the same dose when the activity has no other slot, in milliseconds.
const ALONE_MS: i64 = 12 * HOUR_MS;

/// The orphan that announced this slot already: the nearest one less than half the gap to the nearest
/// neighbour away. The caller uses each orphan up once.
pub fn already_announced(candidate: Candidate, orphans: &[Orphan]) -> Option<Orphan> {
    let gap =
        candidate.neighbour.map_or(2 * ALONE_MS, |neighbour| neighbour.since(candidate.at).abs());
    orphans
        .iter()
        .filter(|orphan| 2 * orphan.at.since(candidate.at).abs() < gap)
        .min_by_key(|orphan| (orphan.at.since(candidate.at).abs(), orphan.id))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::time::MINUTE_MS;
    use uuid::Uuid;

    #[test]
    fn p2_only_what_surely_did_not_leave_gives_a_dose_back() {
        let gives_back =
            ReminderState::ALL.iter().filter(|s| !may_yet_announce(**s)).map(|s| s.word());
        assert_eq!(
            gives_back.collect::<Vec<_>>(),
            ["failed", "expired", "suppressed", "blocked", "cancelled", "superseded", "parked"]
        );
    }

    #[test]
    fn p1_half_the_gap_decides_and_the_nearest_orphan_is_taken() {
        let orphan = |n, at| Orphan { id: ReminderId(Uuid::from_u128(n)), at: UtcMs(at) };
        let day = 24 * HOUR_MS;
        // Once daily, moved from 08:00 to 09:00: the 08:00 that was sent counts.
        let nine = Candidate { at: UtcMs(9 * HOUR_MS), neighbour: Some(UtcMs(9 * HOUR_MS + day)) };
        let eight = orphan(1, 8 * HOUR_MS);
        assert_eq!(already_announced(nine, &[eight]).map(|o| o.id), Some(eight.id));
        // Every two hours: 08:00 and 09:00 are an hour apart, not less than half the gap.
        let two_hourly = Candidate { at: UtcMs(9 * HOUR_MS), neighbour: Some(UtcMs(11 * HOUR_MS)) };
        assert!(already_announced(two_hourly, &[eight]).is_none());
        let near = orphan(2, 9 * HOUR_MS - MINUTE_MS);
        assert_eq!(already_announced(nine, &[eight, near]).map(|o| o.id), Some(near.id));
        assert!(already_announced(nine, &[]).is_none());
    }
}
