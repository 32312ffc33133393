//! Whom the watch looks at next: every programme in every zone in turn, each from where the last look ended, until
//! all of its patients have been looked at or the quarter of an hour is over. Pure.

use crate::care::UtcMs;
use crate::care::ids::PatientId;
use crate::store::watch::{Phase, Stratum};
use uuid::Uuid;

/// The stratum as it stands when a look at `quarter` goes on: a new quarter begins a new round where the last ended.
pub(super) fn begin(stratum: Stratum, quarter: UtcMs) -> Stratum {
    if stratum.quarter >= quarter {
        return stratum;
    }
    let began_after = stratum.looked_until;
    Stratum { quarter, began_after, phase: Phase::Looking, ..stratum }
}

/// Between which ids the next patients lie: `after < id <= until`.
pub(super) const fn range(stratum: &Stratum) -> (Uuid, Uuid) {
    let until = match stratum.phase {
        Phase::Looking => Uuid::max(),
        Phase::Again | Phase::Done => stratum.began_after,
    };
    (stratum.looked_until, until)
}

/// The stratum after a look at `members`, of `limit` that were asked for.
pub(super) fn advance(stratum: Stratum, members: &[PatientId], limit: usize) -> Stratum {
    let looked_until = members.last().map_or(stratum.looked_until, |id| id.0);
    if members.len() >= limit {
        return Stratum { looked_until, ..stratum };
    }
    match stratum.phase {
        Phase::Looking if !stratum.began_after.is_nil() => {
            Stratum { looked_until: Uuid::nil(), phase: Phase::Again, ..stratum }
        }
        // Where it began is where it ends: the next round begins with the first patient.
        Phase::Looking => Stratum { looked_until: Uuid::nil(), phase: Phase::Done, ..stratum },
        Phase::Again | Phase::Done => Stratum { looked_until, phase: Phase::Done, ..stratum },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(stratum: &Stratum, all: u128, limit: usize) -> Vec<PatientId> {
        let (after, until) = range(stratum);
        let ids = (1..=all).map(Uuid::from_u128);
        ids.filter(|id| after < *id && *id <= until).take(limit).map(PatientId).collect()
    }

    #[test]
    fn a_round_looks_at_everyone_once_wherever_it_begins() {
        for all in 0..8 {
            for began in 0..9 {
                let mut stratum = begin(
                    Stratum {
                        programme: String::new(),
                        zone: String::new(),
                        quarter: UtcMs(0),
                        began_after: Uuid::nil(),
                        looked_until: Uuid::from_u128(began),
                        phase: Phase::Done,
                    },
                    UtcMs(1),
                );
                let mut seen = Vec::new();
                for _ in 0..20 {
                    if stratum.phase == Phase::Done {
                        break;
                    }
                    let found = members(&stratum, all, 3);
                    stratum = advance(stratum, &found, 3);
                    seen.extend(found);
                }
                assert_eq!(stratum.phase, Phase::Done);
                seen.sort_unstable();
                let everyone: Vec<_> = (1..=all).map(|n| PatientId(Uuid::from_u128(n))).collect();
                assert_eq!(seen, everyone, "{all} patients, begun after {began}");
            }
        }
    }

    #[test]
    fn a_quarter_that_ended_early_goes_on_where_it_was() {
        let mut stratum = Stratum {
            programme: String::new(),
            zone: String::new(),
            quarter: UtcMs(1),
            began_after: Uuid::nil(),
            looked_until: Uuid::from_u128(4),
            phase: Phase::Looking,
        };
        assert_eq!(begin(stratum.clone(), UtcMs(1)), stratum);
        stratum = begin(stratum, UtcMs(2));
        assert_eq!(stratum.began_after, Uuid::from_u128(4));
        assert_eq!(range(&stratum), (Uuid::from_u128(4), Uuid::max()));
    }
}
