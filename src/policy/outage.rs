//! When a stretch without sends is an outage, and when the care team is told of it.

use crate::care::time::{HOUR_MS, MINUTE_MS};
use crate::care::{Reason, ReminderState, UtcMs};
use std::collections::BTreeMap;

/// A stretch in which nothing, or nothing over one channel, could leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The configured channel that rested; empty: no daemon ran.
    pub channel: String,
    /// From.
    pub since: UtcMs,
    /// To, as far as is known.
    pub until: UtcMs,
    /// When its toll was counted last.
    pub looked: UtcMs,
}

/// What is shorter is told by the reasons of its reminders alone, in milliseconds.
const TOLD_FROM_MS: i64 = 15 * MINUTE_MS;
/// A channel that has not had to rest again for so long works, in milliseconds.
const WORKS_AFTER_MS: i64 = 5 * MINUTE_MS;
/// What has not ended so long after an outage is told of as it stands, in milliseconds.
const DRAINS_WITHIN_MS: i64 = HOUR_MS;
/// How often the toll is counted until then, in milliseconds.
const LOOK_EVERY_MS: i64 = MINUTE_MS;

/// The outage that ended when a daemon found patients overdue and no daemon had been at work; `alive_at` is when one was
/// last, `oldest_due` the earliest alarm.
pub fn downtime(alive_at: Option<UtcMs>, oldest_due: Option<UtcMs>, now: UtcMs) -> Option<Outage> {
    let long_ago = |at: &UtcMs| now.since(*at) > TOLD_FROM_MS;
    let since = alive_at.filter(long_ago)?;
    oldest_due.filter(long_ago)?;
    Some(Outage { channel: String::new(), since, until: now, looked: UtcMs(0) })
}

/// How an outage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It goes on, or was looked at a moment ago.
    GoesOn,
    /// It was too short to be told of.
    Brief,
    /// It is over: its toll is counted.
    Over,
}

/// How an outage stands at `now`.
pub fn standing(outage: &Outage, now: UtcMs) -> Standing {
    let quiet_ms = if outage.channel.is_empty() { 0 } else { WORKS_AFTER_MS };
    if now < outage.until.plus_ms(quiet_ms) || now.since(outage.looked).abs() < LOOK_EVERY_MS {
        Standing::GoesOn
    } else if outage.until.since(outage.since) < TOLD_FROM_MS {
        Standing::Brief
    } else {
        Standing::Over
    }
}

/// What an outage came to, by programme.
#[derive(Clone, Debug, Default)]
pub struct Toll {
    /// How many reminders that were due then ended, or stand, in each state.
    pub reminders: Vec<(String, ReminderState, i64)>,
    /// How many slots that came due then are only counted.
    pub in_gaps: Vec<(String, i64)>,
    /// The earliest alarm of a patient: what was due before it has its rows.
    pub woken_until: Option<UtcMs>,
}

/// The report of each programme on an outage that is over, once every patient was woken and nothing of it is open any
/// more, or an hour has passed; none before. Programmes that lost nothing and sent nothing later have none.
pub fn reports(outage: &Outage, now: UtcMs, toll: &Toll) -> Option<Vec<(String, Reason)>> {
    let is_open = |state| matches!(state, ReminderState::Queued | ReminderState::Sending);
    let drains = toll.reminders.iter().any(|(_, state, _)| is_open(*state));
    let wakes = toll.woken_until.is_some_and(|at| at < outage.until);
    if (drains || wakes) && now < outage.until.plus_ms(DRAINS_WITHIN_MS) {
        return None;
    }
    let mut by_programme: BTreeMap<&str, (BTreeMap<ReminderState, i64>, i64)> = BTreeMap::new();
    for (programme, state, count) in &toll.reminders {
        *by_programme.entry(programme).or_default().0.entry(*state).or_default() += count;
    }
    for (programme, slots) in &toll.in_gaps {
        by_programme.entry(programme).or_default().1 += slots;
    }
    let report = |(programme, (counts, in_gaps)): (&str, (BTreeMap<ReminderState, i64>, i64))| {
        let of = |state: ReminderState| counts.get(&state).copied().unwrap_or(0);
        let (sent, expired, superseded) =
            (of(ReminderState::Sent), of(ReminderState::Expired), of(ReminderState::Superseded));
        let reason = Reason::Outage {
            channel: (!outage.channel.is_empty()).then(|| outage.channel.clone()),
            since: outage.since,
            until: outage.until,
            sent,
            expired,
            superseded,
            other: counts.values().sum::<i64>() - sent - expired - superseded,
            in_gaps,
        };
        (programme.to_owned(), reason)
    };
    Some(by_programme.into_iter().map(report).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn minutes(minutes: i64) -> UtcMs {
        UtcMs(minutes * MINUTE_MS)
    }

    #[test]
    fn f30_a_downtime_is_a_gap_in_which_somebody_was_due() {
        let now = minutes(100);
        for (alive, due, found) in [
            (Some(40), Some(50), true),
            (None, Some(50), false),
            (Some(40), None, false),
            // The clock of a demo runs ahead to the next alarm: nobody was due meanwhile.
            (Some(40), Some(100), false),
            // A daemon that is behind is not down.
            (Some(99), Some(50), false),
        ] {
            let got = downtime(alive.map(minutes), due.map(minutes), now);
            assert_eq!(got.map(|o| (o.since, o.until)), found.then(|| (minutes(40), now)));
        }
    }

    #[test]
    fn f30_an_outage_is_told_of_once_it_is_over_and_drained() {
        use ReminderState::{Expired, Queued, Sent, Suppressed};
        let outage = |channel: &str, until| Outage {
            channel: channel.to_owned(),
            since: minutes(10),
            until: minutes(until),
            looked: UtcMs(0),
        };
        assert_eq!(standing(&outage("", 60), minutes(60)), Standing::Over);
        assert_eq!(standing(&outage("sms", 60), minutes(64)), Standing::GoesOn);
        assert_eq!(standing(&outage("sms", 60), minutes(65)), Standing::Over);
        assert_eq!(standing(&outage("sms", 24), minutes(29)), Standing::Brief);
        let looked = Outage { looked: minutes(69), ..outage("", 60) };
        assert_eq!(standing(&looked, UtcMs(minutes(70).0 - 1)), Standing::GoesOn);

        let general = "general".to_owned();
        let toll = |counts: &[(ReminderState, i64)]| Toll {
            reminders: counts.iter().map(|(state, n)| (general.clone(), *state, *n)).collect(),
            ..Toll::default()
        };
        let open = toll(&[(Queued, 1), (Expired, 3)]);
        assert_eq!(reports(&outage("", 60), minutes(119), &open), None);
        let told = reports(&outage("", 60), minutes(120), &open).unwrap();
        assert!(matches!(told[0].1, Reason::Outage { expired: 3, other: 1, .. }), "{told:?}");
        let done = toll(&[(Sent, 2), (Expired, 3), (Suppressed, 4)]);
        let told = reports(&outage("", 60), minutes(61), &done).unwrap();
        let [(programme, Reason::Outage { sent: 2, expired: 3, other: 4, .. })] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!(programme, "general");
        assert_eq!(reports(&outage("", 60), minutes(61), &Toll::default()), Some(Vec::new()));

        let in_gaps = vec![(general.clone(), 5)];
        let told = reports(&outage("", 60), minutes(61), &Toll { in_gaps, ..toll(&[]) }).unwrap();
        let [(programme, reason @ Reason::Outage { expired: 0, in_gaps: 5, .. })] = &told[..]
        else {
            panic!("{told:?}")
        };
        assert_eq!(*programme, general);
        assert!(reason.to_string().ends_with("5 slots were found more than two days overdue"));
        // Whoever is not woken yet has no rows to count.
        for (next, now, tells) in [(59, 61, false), (60, 61, true), (59, 120, true)] {
            let woken_until = Some(minutes(next));
            let told =
                reports(&outage("", 60), minutes(now), &Toll { woken_until, ..done.clone() });
            assert_eq!(told.is_some(), tells, "{next} {now}");
        }
    }
}
