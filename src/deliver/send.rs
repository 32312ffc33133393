//! The loop's shell: permits, rate tokens, claims, one task per send, and the writer of outcomes.

use super::claim::{Claimed, claim_lane};
use super::day::Days;
use super::holds::Holds;
use super::media::Failures;
use super::money::Paid;
use super::outcomes::write_outcomes;
use super::pace::Pace;
use super::parts::OwnParts;
use crate::care::ids::{AttemptId, InstanceId, PatientId};
use crate::care::{Class, UtcMs, ZoneRules};
use crate::channel::{Channel, Channels, Outbound, Outcome, Person};
use crate::clock::Clock;
use crate::crash;
use crate::home::{Home, HomeError};
use crate::message::{Catalogue, Programmes, Tariff};
use crate::policy::grouping::{is_urgent, sender_of};
use crate::policy::held_back::held_back;
use crate::security::SharedRng;
use crate::store::{Result, Store, StoreError, alarms};
use futures::FutureExt;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// How long a claim waits for more permits while sends are in flight.
const GATHER: Duration = Duration::from_millis(20);
/// Messages of one claim at most.
const LARGEST_CLAIM: usize = 256;
/// The database is to be compared with what this home remembers before anything is claimed.
const NEVER: u64 = u64::MAX;

/// What delivering needs.
#[derive(Clone)]
pub struct DelivererDeps {
    /// The database.
    pub store: Store,
    /// Business time.
    pub clock: Arc<dyn Clock>,
    /// Zone rules.
    pub zones: Arc<dyn ZoneRules>,
    /// Programmes.
    pub programmes: Arc<Programmes>,
    /// Texts.
    pub catalogue: Arc<Catalogue>,
    /// What they cost.
    pub tariff: Arc<Tariff>,
    /// Channels.
    pub channels: Arc<Channels>,
    /// Randomness.
    pub rng: Arc<SharedRng>,
    /// This daemon.
    pub instance: InstanceId,
    /// What it remembers outside the database.
    pub home: Arc<Home>,
    /// The machine it runs on.
    pub host: String,
    /// How long an intent is held, on the database's clock, in milliseconds.
    pub lease_ms: i64,
    /// Waits between tries, in milliseconds.
    pub waits_ms: Vec<i64>,
    /// Open intents at most.
    pub permits: usize,
}

/// A committed intent on its way to the channel.
pub(super) struct Intent {
    pub(super) id: AttemptId,
    pub(super) token: Uuid,
    pub(super) patient: PatientId,
    pub(super) class: Class,
    pub(super) channel: Arc<dyn Channel>,
    pub(super) outbound: Outbound,
    /// The messages of their own it goes as, if it does.
    pub(super) own: Option<OwnParts>,
    /// What it was counted as.
    pub(super) paid: Option<Paid>,
}

/// Between the claim and the last moment for a first byte.
#[derive(Clone, Copy)]
pub(super) struct Window {
    claimed_from: Instant,
    /// On the steady clock, in milliseconds: `Instant` stands still while the machine sleeps.
    lease_ends_ms: i64,
}

impl Window {
    /// Whether no request may begin any more.
    pub(super) const fn is_over(self, now_ms: i64) -> bool {
        now_ms >= self.lease_ends_ms
    }

    /// What forbids a request that would end at `ends_ms` of the steady clock: the lease, or a STOP heard since the claim began, which
    /// holds on every channel and for all but answers.
    fn shut_at(self, ends_ms: i64, class: Class, heard: Option<Instant>) -> Option<&'static str> {
        let stopped = heard.is_some_and(|heard| heard >= self.claimed_from);
        if ends_ms >= self.lease_ends_ms {
            Some("lease")
        } else if stopped && class != Class::Answer {
            Some("stop")
        } else {
            None
        }
    }
}

/// How an attempt ended, on its way to the writer. The permit goes with it, and returns when it is committed.
pub(super) struct Ended {
    pub(super) id: AttemptId,
    pub(super) token: Uuid,
    pub(super) channel: String,
    pub(super) outcome: Outcome,
    /// By what else the provider knows the person.
    pub(super) receiver: Option<Person>,
    /// What its intent was counted as.
    pub(super) paid: Option<Paid>,
    _permit: OwnedSemaphorePermit,
}

/// What a tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Alarms taken.
    pub alarms: usize,
    /// Intents committed and handed to their channels.
    pub intents: usize,
}

/// Which messages of a lane a claim takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Take {
    /// Those that are due.
    Due,
    /// Of a lane that is held: those whose validity has ended, and those of these classes.
    Held(&'static [Class]),
}

/// Sends what is due.
#[derive(Clone)]
pub struct Deliverer {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) deps: DelivererDeps,
    pub(super) holds: Holds,
    pub(super) days: Days,
    permits: Arc<Semaphore>,
    pub(super) pace: Pace,
    sends: TaskTracker,
    outcomes: mpsc::Sender<Ended>,
    pub(super) in_flight: AtomicUsize,
    /// The same by sender.
    by_sender: Mutex<BTreeMap<String, usize>>,
    stopped: AtomicBool,
    /// The count of connections when the database was last compared with what this home remembers.
    compared: AtomicU64,
    stopped_at: Mutex<BTreeMap<PatientId, Instant>>,
    /// Uploads that failed.
    pub(super) failures: Mutex<Failures>,
    /// When messages were last claimed.
    claimed_at: Mutex<Option<Instant>>,
    pub(super) recorded: Notify,
}

impl Deliverer {
    /// A deliverer; its writer of outcomes runs on `writers` until the deliverer is dropped and every outcome
    /// is committed.
    pub fn start(deps: DelivererDeps, writers: &TaskTracker) -> Self {
        let (outcomes, received) = mpsc::channel(deps.permits.max(1));
        let pace = Pace::default();
        for channel in deps.channels.iter() {
            let per_second = channel.capabilities().messages_per_second;
            pace.add(channel.name(), per_second, Instant::now());
        }
        let shared = Arc::new(Shared {
            permits: Arc::new(Semaphore::new(deps.permits)),
            pace,
            sends: TaskTracker::new(),
            outcomes,
            in_flight: AtomicUsize::new(0),
            by_sender: Mutex::default(),
            stopped: AtomicBool::new(false),
            compared: AtomicU64::new(NEVER),
            stopped_at: Mutex::new(BTreeMap::new()),
            failures: Mutex::default(),
            claimed_at: Mutex::default(),
            recorded: Notify::new(),
            holds: Holds::default(),
            days: Days::default(),
            deps,
        });
        writers.spawn(crash::inherit(write_outcomes(Arc::downgrade(&shared), received)));
        Self { shared }
    }

    /// What the deliverer works with.
    pub fn deps(&self) -> &DelivererDeps {
        &self.shared.deps
    }

    /// Claims and sends one round over all lanes, most urgent first.
    ///
    /// # Errors
    /// When the database fails; what was not committed is due again.
    pub async fn tick(&self) -> Result<Sent> {
        let shared = &self.shared;
        let now = shared.deps.clock.now();
        if shared.compared.load(Ordering::SeqCst) != shared.deps.store.connected() {
            self.look_back().await?;
        }
        let in_force = self.look_at_holds().await?;
        let mut sent = Sent::default();
        let waiting = self.claim_suspects(now, &mut sent).await?;
        let mut tx = shared.deps.store.read().await?;
        let lanes = alarms::lanes(&mut tx).await?;
        drop(tx);
        let due: Vec<_> = lanes
            .into_iter()
            .filter(|lane| UtcMs(lane.wake_at_ms) <= now && !waiting.contains(&lane.lane))
            .collect();
        let senders: BTreeSet<&str> = due.iter().map(|lane| sender_of(&lane.lane)).collect();
        let senders = senders.len();
        for lane in due {
            if shared.stopped.load(Ordering::SeqCst) {
                break;
            }
            let sender = sender_of(&lane.lane).to_owned();
            if let Some(held) = held_back(now, &sender, &in_force) {
                sent.alarms += self.sweep(&lane.lane, held, now).await?.alarms;
                continue;
            }
            let left = self.left_of_day(&sender, now).await?.unwrap_or(usize::MAX);
            let room = self.room(&lane.lane, senders).min(left);
            let mut permits = self.permits(self.batch().min(room));
            if permits.is_empty() || self.gathers(permits.len(), &lane.lane) {
                continue;
            }
            let tokens = shared.pace.take(&sender, permits.len(), Instant::now(), now);
            permits.truncate(tokens);
            if permits.is_empty() {
                continue;
            }
            let window = self.window();
            let claimed = self.claim(&lane.lane, Take::Due, permits.len(), now).await?;
            shared.pace.give_back(&sender, tokens.saturating_sub(claimed.intents.len()), now);
            self.send_off(claimed, permits, window, now, &mut sent);
        }
        Ok(sent)
    }

    /// Messages of one claim at most: half of what may be in flight, so that one half is claimed while the other is on
    /// its way. What a claim costs is much the same for few and for many.
    fn batch(&self) -> usize {
        (self.deps().permits / 2).clamp(1, LARGEST_CLAIM)
    }

    /// How many sends a lane may add to those of its sender: a provider that answers slowly must not hold every permit
    /// while others are due. What is most urgent may take them all.
    fn room(&self, lane: &str, senders: usize) -> usize {
        if is_urgent(lane) {
            return self.deps().permits;
        }
        let (permits, configured) = (self.deps().permits, self.deps().channels.iter().count());
        // A quarter is kept for senders of which nothing is due yet.
        let kept = if senders < configured { permits / 4 } else { 0 };
        let share = (permits - kept).div_ceil(senders.max(1));
        share.saturating_sub(self.shared.in_flight_of(sender_of(lane)))
    }

    /// Whether a claim waits a moment for more permits: each costs a commit, and a herd that goes by twos and threes
    /// spends its time on commits. What is most urgent never waits.
    fn gathers(&self, permits: usize, lane: &str) -> bool {
        let few = permits < self.batch() / 2 && self.in_flight() > 0;
        let mut claimed = self.shared.claimed_at.lock().unwrap_or_else(PoisonError::into_inner);
        if few && !is_urgent(lane) && claimed.is_some_and(|at| at.elapsed() < GATHER) {
            return true;
        }
        *claimed = Some(Instant::now());
        false
    }

    /// The window of a claim that begins now. Its lease runs on the database's clock from the claim's commit on; this
    /// one is only ever shorter.
    pub(super) fn window(&self) -> Window {
        let deps = self.deps();
        let lease_ends_ms = deps.clock.steady_ms() + deps.lease_ms;
        Window { claimed_from: Instant::now(), lease_ends_ms }
    }

    /// Hands a claim's intents to their channels.
    pub(super) fn send_off(
        &self,
        claimed: Claimed,
        permits: Vec<OwnedSemaphorePermit>,
        mut window: Window,
        now: UtcMs,
        sent: &mut Sent,
    ) {
        sent.alarms += claimed.alarms;
        sent.intents += claimed.intents.len();
        if claimed.regressed {
            self.doubt();
        }
        if let Err(fault) = self.remember(&claimed, now) {
            tracing::error!(%fault, "the state file cannot be written: nothing is sent");
            window.lease_ends_ms = i64::MIN;
        }
        for (intent, permit) in claimed.intents.into_iter().zip(permits) {
            let cost = intent.channel.costs(&intent.outbound.content);
            self.shared.pace.charge(intent.channel.name(), cost.saturating_sub(1));
            self.shared.days.take(intent.channel.name(), cost);
            self.hand_over(intent, permit, window);
        }
    }

    /// Before the first byte: a database that is put back later must not make this home forget these sends.
    fn remember(&self, claimed: &Claimed, now: UtcMs) -> std::result::Result<(), HomeError> {
        let more = i64::try_from(claimed.intents.len()).unwrap_or(i64::MAX);
        if more == 0 {
            return Ok(());
        }
        self.deps().home.sent(claimed.sends, more, now)
    }

    pub(super) fn permits(&self, wanted: usize) -> Vec<OwnedSemaphorePermit> {
        std::iter::from_fn(|| Arc::clone(&self.shared.permits).try_acquire_owned().ok())
            .take(wanted)
            .collect()
    }

    pub(super) async fn claim(
        &self,
        lane: &str,
        take: Take,
        limit: usize,
        now: UtcMs,
    ) -> Result<Claimed> {
        let deps = &self.shared.deps;
        match AssertUnwindSafe(claim_lane(deps, lane, take, limit)).catch_unwind().await {
            Ok(Ok(claimed)) => Ok(claimed),
            Ok(Err(StoreError::Driver(fault))) => Err(StoreError::Driver(fault)),
            Ok(Err(_)) | Err(_) => self.claim_one_by_one(lane, take, limit, now).await,
        }
    }

    fn hand_over(&self, intent: Intent, permit: OwnedSemaphorePermit, window: Window) {
        let shared = Arc::clone(&self.shared);
        shared.in_flight.fetch_add(1, Ordering::SeqCst);
        *shared.senders().entry(intent.channel.name().to_owned()).or_default() += 1;
        self.shared.sends.spawn(crash::unheard(async move {
            crash::point("before-send").await;
            let (outcome, receiver) = shared.carry_out(&intent, window).await;
            crash::point("answered").await;
            let ended = Ended {
                id: intent.id,
                token: intent.token,
                channel: intent.channel.name().to_owned(),
                outcome,
                receiver,
                paid: intent.paid.clone(),
                _permit: permit,
            };
            // The writer lives as long as this deliverer; without it the intent stays open and is found lost.
            let name = intent.channel.name();
            if shared.outcomes.send(ended).await.is_err() {
                shared.in_flight.fetch_sub(1, Ordering::SeqCst);
                shared.landed(name);
            }
        }));
    }

    /// So many live instances share each sender's rate from now on, this one included.
    pub fn share_among(&self, instances: u32) {
        self.shared.pace.share_among(instances);
    }

    /// Nothing was sent for a while: every sender begins slowly.
    pub fn pick_up(&self) {
        self.shared.pace.pick_up(self.shared.deps.clock.now());
    }

    /// The database may not be the one it was: it is compared with what this home remembers before the next claim.
    pub fn doubt(&self) {
        self.shared.compared.store(NEVER, Ordering::SeqCst);
    }

    /// Whether the database is still to be compared with what this home remembers, or went back.
    pub fn is_in_doubt(&self) -> bool {
        self.shared.compared.load(Ordering::SeqCst) == NEVER
    }

    /// Sends that have no committed outcome yet.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// Resolves when outcomes were committed: what waits on them may be due now.
    pub async fn outcome_recorded(&self) {
        self.shared.recorded.notified().await;
    }

    /// A patient said STOP: what is claimed but not yet on the wire is not sent.
    /// Called while the patient's row is locked: a claim that begins later reads the STOP itself.
    pub fn opted_out(&self, patient: PatientId) {
        let lease = Duration::from_millis(millis(self.shared.deps.lease_ms));
        let mut stops = self.shared.stopped_at.lock().unwrap_or_else(PoisonError::into_inner);
        stops.retain(|_, heard| heard.elapsed() <= lease);
        stops.insert(patient, Instant::now());
    }

    /// Stops claiming and waits until every send has its committed outcome.
    pub async fn drain(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.shared.sends.close();
        self.shared.sends.wait().await;
        let permits = u32::try_from(self.shared.deps.permits).unwrap_or(u32::MAX);
        // Every permit back means every outcome committed.
        let _all = self.shared.permits.acquire_many(permits).await;
    }
}

impl Shared {
    fn senders(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.by_sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_flight_of(&self, sender: &str) -> usize {
        self.senders().get(sender).copied().unwrap_or(0)
    }

    /// A send of this sender is no longer in flight.
    pub(super) fn landed(&self, sender: &str) {
        if let Some(count) = self.senders().get_mut(sender) {
            *count = count.saturating_sub(1);
        }
    }

    pub(super) fn compared(&self, connected: u64) {
        self.compared.store(connected, Ordering::SeqCst);
    }

    /// Just before the first byte: holds, the lease and the STOP once more; then the channel, once.
    pub(super) async fn ask(
        &self,
        intent: &Intent,
        outbound: &Outbound,
        window: Window,
    ) -> (Outcome, Option<Person>) {
        let timeout_ms = intent.channel.capabilities().request_timeout_ms;
        if let Some(stage) = self.held_now(intent.channel.name()).await {
            return (Outcome::NotSent { stage }, None);
        }
        let heard = {
            let stops = self.stopped_at.lock().unwrap_or_else(PoisonError::into_inner);
            stops.get(&intent.patient).copied()
        };
        let ends_ms = self.deps.clock.steady_ms() + timeout_ms;
        if let Some(stage) = window.shut_at(ends_ms, intent.class, heard) {
            return (Outcome::NotSent { stage }, None);
        }
        let send = AssertUnwindSafe(intent.channel.send_and_hear(outbound)).catch_unwind();
        match tokio::time::timeout(Duration::from_millis(millis(timeout_ms)), send).await {
            Ok(Ok(heard)) => heard,
            Ok(Err(_panic)) => (Outcome::Unknown { stage: "panic" }, None),
            Err(_elapsed) => (Outcome::Unknown { stage: "time-out" }, None),
        }
    }
}

fn millis(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p6_the_last_look_heeds_the_lease_and_a_stop_since_the_claim() {
        let zero = Instant::now();
        let at = |seconds| zero + Duration::from_secs(seconds);
        let window = Window { claimed_from: at(10), lease_ends_ms: 60 };
        for (ends, class, heard, shut) in [
            (20, Class::Dose, None, None),
            (60, Class::Dose, None, Some("lease")),
            (60, Class::Answer, None, Some("lease")),
            // A STOP that the claim has read already, perhaps with the START after it.
            (20, Class::Dose, Some(9), None),
            (20, Class::Dose, Some(10), Some("stop")),
            (20, Class::Notice, Some(15), Some("stop")),
            (20, Class::Answer, Some(15), None),
        ] {
            let got = window.shut_at(ends, class, heard.map(at));
            assert_eq!(got, shut, "{class:?} until {ends}, heard {heard:?}");
        }
    }
}
