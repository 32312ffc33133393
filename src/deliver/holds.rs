//! What holds sends back, as this instance knows it: read at every step, and again before a first byte when what is
//! known is older than [`KNOWN_FOR`]. A stop by signal counts at once, whether or not the database can be written.

use super::claim::Claimed;
use super::send::{Deliverer, Shared, Take};
use crate::care::UtcMs;
use crate::care::hold::{Hold, Scope};
use crate::policy::grouping::sender_of;
use crate::policy::held_back::{GOES_ROUND, Held, held_back};
use crate::store::story::{Act, audit};
use crate::store::{Result, alarms, holds};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a look at the holds is good for: a stop reaches every instance within twice that.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// Messages of one look at a lane that is held.
const HELD_BATCH: usize = 32;
/// How often a lane that is held is searched for what its validity has ended, in milliseconds.
const SWEEP_EVERY_MS: i64 = 10_000;

/// What is known of holds.
#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    stored: Vec<Hold>,
    looked: Option<Instant>,
    /// A stop of this instance's own that is not in the database yet.
    own: Option<Hold>,
    swept: BTreeMap<String, UtcMs>,
}

impl Holds {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What holds, as far as this instance knows.
    pub(super) fn in_force(&self, now: UtcMs) -> Vec<Hold> {
        let known = self.lock();
        known.stored.iter().chain(&known.own).filter(|hold| hold.holds_at(now)).cloned().collect()
    }
}

impl Deliverer {
    /// Stops all sending at once, on this instance; the next look at the database writes it there, for the others.
    pub fn stop_sending(&self, stop: Hold) {
        self.shared.holds.lock().own = Some(stop);
    }

    /// A stop that is not in the database yet: it outlives this deliverer only in its caller's hands.
    pub fn unwritten_stop(&self) -> Option<Hold> {
        self.shared.holds.lock().own.clone()
    }

    /// What holds sends back, as this instance knows it.
    pub fn holds(&self) -> Vec<Hold> {
        self.shared.holds.in_force(self.deps().clock.now())
    }

    /// Looks at the database for what holds sends back, and writes a stop of its own there first.
    ///
    /// # Errors
    /// When the database fails; a stop of its own holds all the same.
    pub async fn look_at_holds(&self) -> Result<Vec<Hold>> {
        self.shared.look_at_holds().await
    }

    /// When messages of a lane whose earliest alarm rings at `wake_at` may leave, as far as holds and the sender's
    /// pace go; `None`: when somebody lifts what holds them.
    pub fn lane_opens(&self, lane: &str, wake_at: UtcMs) -> Option<UtcMs> {
        match held_back(self.deps().clock.now(), sender_of(lane), &self.holds()) {
            None => {
                let (now, at) = (self.deps().clock.now(), Instant::now());
                let wait_ms = self.shared.pace.wait_ms(sender_of(lane), at, now);
                Some(wake_at.max(now.plus_ms(wait_ms)))
            }
            Some(Held::Paused { until } | Held::Resting { until }) => {
                until.map(|until| until.max(wake_at))
            }
            Some(Held::Stopped | Held::Restored) => None,
        }
    }

    /// While the whole house is on hold: ends what is past its validity (P5), and nothing else. Returns how many
    /// messages it took.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn expire_held(&self) -> Result<usize> {
        let now = self.deps().clock.now();
        let mut tx = self.deps().store.read().await?;
        let lanes = alarms::lanes(&mut tx).await?;
        drop(tx);
        let mut taken = 0;
        for lane in lanes.into_iter().filter(|lane| UtcMs(lane.wake_at_ms) <= now) {
            taken += self.sweep(&lane.lane, Held::Stopped, now).await?.alarms;
        }
        Ok(taken)
    }

    /// Ends what expired on a lane that is held, and moves what may go over another channel.
    pub(super) async fn sweep(&self, lane: &str, held: Held, now: UtcMs) -> Result<Claimed> {
        let swept = self.shared.holds.lock().swept.get(lane).copied();
        if swept.is_some_and(|at| now.since(at).abs() < SWEEP_EVERY_MS) {
            return Ok(Claimed::default());
        }
        let classes: &[_] = match held {
            Held::Stopped | Held::Restored => &[],
            Held::Paused { .. } | Held::Resting { .. } => &GOES_ROUND,
        };
        let claimed = self.claim(lane, Take::Held(classes), HELD_BATCH, now).await?;
        if claimed.alarms < HELD_BATCH {
            self.shared.holds.lock().swept.insert(lane.to_owned(), now);
        }
        Ok(claimed)
    }
}

impl Shared {
    /// What holds this send back just before its first byte; an answer that cannot be had holds it back too.
    pub(super) async fn held_now(&self, channel: &str) -> Option<&'static str> {
        let fresh = self.holds.lock().looked.is_some_and(|at| at.elapsed() < KNOWN_FOR);
        if !fresh && let Err(fault) = self.look_at_holds().await {
            tracing::error!(%fault, "holds cannot be read: nothing is sent");
            return Some(Held::Stopped.stage());
        }
        let now = self.deps.clock.now();
        held_back(now, channel, &self.holds.in_force(now)).map(Held::stage)
    }

    pub(super) async fn look_at_holds(&self) -> Result<Vec<Hold>> {
        let own = self.holds.lock().own.clone();
        if let Some(stop) = own {
            self.write_stop(&stop).await?;
        }
        let looked = Instant::now();
        let mut tx = self.deps.store.read().await?;
        let stored = holds::holding(&mut tx, self.deps.instance).await?;
        drop(tx);
        let mut known = self.holds.lock();
        // Two looks may cross: the later one counts.
        if known.looked.is_none_or(|at| at <= looked) {
            known.stored = stored;
            known.looked = Some(looked);
        }
        drop(known);
        let in_force = self.holds.in_force(self.deps.clock.now());
        let stopped = in_force.iter().any(|hold| hold.scope == Scope::Sending);
        metrics::gauge!("carebell_sending_stopped").set(f64::from(u8::from(stopped)));
        Ok(in_force)
    }

    async fn write_stop(&self, stop: &Hold) -> Result<()> {
        let mut tx = self.deps.store.write().await?;
        if holds::set_once(&mut tx, stop).await? {
            let detail = serde_json::json!(stop).to_string();
            let act = Act {
                actor: &stop.actor,
                action: "sending.stop",
                subject: &stop.scope.word(),
                detail: &detail,
            };
            audit(&mut tx, &mut self.deps.rng.fork(), &act, self.deps.clock.now()).await?;
        }
        tx.commit().await?;
        let mut known = self.holds.lock();
        // From now on the database says so; until the next look this instance does.
        known.stored.push(stop.clone());
        known.own = None;
        Ok(())
    }
}
