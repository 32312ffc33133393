//! What all the servers of one sandbox share, and the way of a message through it: judged, written down,
//! answered, receipted.

use super::agenda::{Agenda, Event};
use super::callbacks::{Callback, Poster};
use super::config::check_callback_url;
use super::faults::{CallbackFault, bend};
use super::media::Upload;
use super::people::{NoInbound, People, Sent, Status, Step, fate, pressed};
use super::{
    Channel, Condition, Entry, Faults, Ledger, LedgerError, Message, Reply, SandboxConfig,
    SandboxError, Template, TemplateUse, meta, twilio,
};
use crate::care::UtcMs;
use crate::clock::{Clock, SystemClock};
use futures::StreamExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often the clock is looked at while something is due later: a driven clock gives no sign when it moves.
const LOOK_AT_CLOCK: Duration = Duration::from_millis(10);

/// Webhooks about different messages travel side by side.
const PARALLEL_CALLBACKS: usize = 16;

/// A lock that outlives a panic elsewhere: the data behind it are whole after every statement.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What all the servers of one sandbox share.
pub(super) struct World {
    config: SandboxConfig,
    clock: Arc<dyn Clock>,
    clock_ahead_ms: AtomicI64,
    callback_url: Mutex<Option<String>>,
    ledger: Arc<Ledger>,
    faults: Faults,
    people: Mutex<People>,
    templates: Mutex<BTreeMap<String, Template>>,
    uploads: Mutex<BTreeMap<String, Upload>>,
    messaging_limit: Mutex<String>,
    fates: Mutex<HashMap<String, Vec<Step>>>,
    /// How often the same was accepted, by its hash.
    repeats: Mutex<HashMap<[u8; 32], u64>>,
    agenda: Agenda,
    ticking: tokio::sync::Mutex<()>,
    poster: Poster,
    gate: Gate,
    ids: Ids,
    tracker: TaskTracker,
    cancelled: CancellationToken,
}

impl World {
    pub(super) fn new(
        mut config: SandboxConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SandboxError> {
        Ok(Self {
            clock,
            clock_ahead_ms: AtomicI64::new(0),
            callback_url: Mutex::new(config.callback_url.take()),
            ledger: Arc::new(Ledger::open(config.ledger.as_deref())?),
            faults: Faults::default(),
            templates: Mutex::new(config.whatsapp.templates.clone()),
            uploads: Mutex::default(),
            messaging_limit: Mutex::new(config.whatsapp.messaging_limit.clone()),
            people: Mutex::new(People::new(std::mem::take(&mut config.people))),
            fates: Mutex::default(),
            repeats: Mutex::default(),
            agenda: Agenda::default(),
            ticking: tokio::sync::Mutex::default(),
            poster: Poster::new()?,
            gate: Gate::new(),
            ids: Ids::new(config.seed),
            tracker: TaskTracker::new(),
            cancelled: CancellationToken::new(),
            config,
        })
    }

    pub(super) fn config(&self) -> &SandboxConfig {
        &self.config
    }

    pub(super) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn agenda(&self) -> &Agenda {
        &self.agenda
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(super) fn ids(&self) -> &Ids {
        &self.ids
    }

    pub(super) fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    pub(super) fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    pub(super) fn people(&self) -> MutexGuard<'_, People> {
        locked(&self.people)
    }

    pub(super) fn templates(&self) -> MutexGuard<'_, BTreeMap<String, Template>> {
        locked(&self.templates)
    }

    fn template(&self, name: &str) -> Option<Template> {
        self.templates().get(name).cloned()
    }

    pub(super) fn messaging_limit(&self) -> MutexGuard<'_, String> {
        locked(&self.messaging_limit)
    }

    /// Files that were uploaded, by their ids.
    pub(super) fn uploads(&self) -> MutexGuard<'_, BTreeMap<String, Upload>> {
        locked(&self.uploads)
    }

    /// Posts news of a field as soon as the sandbox ticks.
    pub(super) fn post_news(&self, field: &str, value: &serde_json::Value) {
        let callback = meta::news(self, field, value);
        self.post_later(vec![(self.now(), callback)]);
    }

    pub(super) fn now(&self) -> UtcMs {
        self.clock.now().plus_ms(self.clock_ahead_ms.load(Ordering::SeqCst))
    }

    /// Sets the sandbox's clock ahead of the one it was given.
    pub(super) fn advance_ms(&self, ms: i64) {
        self.clock_ahead_ms.fetch_add(ms, Ordering::SeqCst);
    }

    pub(super) fn set_condition(&self, address: &str, condition: Option<Condition>) {
        self.people().set_condition(address, condition);
    }

    pub(super) fn call_back(&self, base_url: &str) -> Result<(), SandboxError> {
        check_callback_url(base_url)?;
        *locked(&self.callback_url) = Some(base_url.trim_end_matches('/').to_owned());
        Ok(())
    }

    pub(super) async fn subscribe(&self, verify_token: &str) -> Result<(), SandboxError> {
        let failed = |why: &str| SandboxError::NotSubscribed(why.to_owned());
        let base =
            self.webhook(Channel::Whatsapp).ok_or_else(|| failed("no callback URL is set"))?;
        let challenge = self.ids.hex();
        let query = [
            ("hub.mode", "subscribe"),
            ("hub.challenge", challenge.as_str()),
            ("hub.verify_token", verify_token),
        ];
        let url = reqwest::Url::parse_with_params(&base, query)
            .map_err(|_| failed("the callback URL is not a URL"))?;
        match self.poster.get(url).await? {
            (200, body) if body == challenge => Ok(()),
            (200, _) => Err(failed("the answer is not the bare challenge")),
            (status, _) => Err(failed(&format!("the daemon answered {status}"))),
        }
    }

    /// Takes a message: on disk first, then its receipts are planned. Runs to its end even when the client
    /// hangs up, as at a real provider.
    pub(super) async fn accept(self: &Arc<Self>, message: Message) -> Result<Entry, LedgerError> {
        let world = Arc::clone(self);
        let taken = self.tracker.spawn(async move {
            let _busy = world.agenda.busy();
            let entry = world.ledger.append(world.now(), message).await?;
            if world.plan_callbacks(&entry) == Timing::BeforeResponse {
                world.tick().await;
            }
            Ok(entry)
        });
        taken.await.unwrap_or(Err(LedgerError::Failed))
    }

    fn plan_callbacks(&self, entry: &Entry) -> Timing {
        let message = &entry.message;
        let sent = Sent {
            channel: message.channel,
            at: entry.at,
            valid_seconds: message.valid_seconds,
            condition: self.people().condition(&message.to),
        };
        let mut chance = self.chance(entry);
        let steps = fate(sent, &self.config.receipts, &mut chance);
        if let Some(template) = message.template.as_ref().and_then(|t| self.template(&t.name))
            && let Some((at, reply)) =
                pressed(entry, &template, &steps, &self.config.presses, &mut chance)
        {
            self.agenda.push(at, Event::Say(reply));
        }
        let callbacks =
            steps.iter().filter_map(|step| Some((step.at, self.receipt(entry, *step)?))).collect();
        locked(&self.fates).insert(message.provider_id.clone(), steps);
        let faults = self.faults.take_callbacks(message.channel, &message.to);
        self.post_later(bend(callbacks, &faults, self.now()));
        if faults.contains(&CallbackFault::BeforeResponse) {
            Timing::BeforeResponse
        } else {
            Timing::WhenDue
        }
    }

    fn receipt(&self, entry: &Entry, step: Step) -> Option<Callback> {
        match entry.message.channel {
            Channel::Whatsapp => Some(meta::receipt(self, entry, step)),
            Channel::Twilio => twilio::receipt(self, entry, step),
            Channel::Email => None,
        }
    }

    /// Chance for one message: the same for the same words to the same address at the same time and the same
    /// seed, whatever else is going on. Ids do not count: they are other ones in each run.
    fn chance(&self, entry: &Entry) -> StdRng {
        let Message { channel, to, body, template, subject, .. } = &entry.message;
        let template = template.clone().map(|used| TemplateUse { buttons: Vec::new(), ..used });
        let mut hash = Sha256::new();
        hash.update(self.config.seed.to_le_bytes());
        hash.update(format!("{:?}", (entry.at, channel, to, body, template, subject)));
        let name: [u8; 32] = hash.finalize().into();
        let mut repeats = locked(&self.repeats);
        let repeat = repeats.entry(name).or_insert(0_u64);
        *repeat += 1;
        StdRng::from_seed(
            Sha256::new().chain_update(name).chain_update(repeat.to_le_bytes()).finalize().into(),
        )
    }

    /// The latest step of a message that has happened by now; `None` while it is queued, or after a restart.
    pub(super) fn reached(&self, provider_id: &str) -> Option<(UtcMs, Status)> {
        let now = self.now();
        let fates = locked(&self.fates);
        let step = fates.get(provider_id)?.iter().rfind(|step| step.at <= now)?;
        Some((step.at, step.status))
    }

    fn post_later(&self, callbacks: Vec<(UtcMs, Callback)>) {
        for (due, callback) in callbacks {
            self.agenda.push(due, Event::Post(callback));
        }
    }

    pub(super) fn schedule_reply(&self, at: UtcMs, reply: Reply) -> Result<(), NoInbound> {
        if reply.channel == Channel::Email {
            return Err(NoInbound);
        }
        self.agenda.push(at, Event::Say(reply));
        Ok(())
    }

    fn say(&self, at: UtcMs, reply: &Reply) {
        self.people().hear(reply, at);
        let callback = match reply.channel {
            Channel::Whatsapp => meta::inbound(self, at, reply),
            Channel::Twilio => twilio::inbound(self, reply),
            Channel::Email => return,
        };
        let faults = self.faults.take_callbacks(reply.channel, &reply.from);
        self.post_later(bend(vec![(at, callback)], &faults, self.now()));
    }

    /// Does everything that is due, until nothing is; goes on when the caller stops waiting.
    pub(super) async fn tick(self: &Arc<Self>) {
        let world = Arc::clone(self);
        let done = self.tracker.spawn(async move {
            tokio::select! {
                () = world.cancelled.cancelled() => {}
                () = world.do_what_is_due() => {}
            }
        });
        // An error means that a panic is on its way up elsewhere; what it held is lost with it.
        let _ = done.await;
    }

    async fn do_what_is_due(&self) {
        let _alone = self.ticking.lock().await;
        while let Some((due, _busy)) = self.agenda.take_due(self.now()) {
            let mut by_message: BTreeMap<String, Vec<Callback>> = BTreeMap::new();
            for (at, event) in due {
                match event {
                    Event::Say(reply) => {
                        self.say(at, &reply);
                        self.agenda.settle();
                    }
                    Event::Post(callback) => {
                        by_message.entry(callback.about.clone()).or_default().push(callback);
                    }
                }
            }
            futures::stream::iter(by_message.into_values())
                .for_each_concurrent(PARALLEL_CALLBACKS, |callbacks| async {
                    for callback in callbacks {
                        self.post(callback).await;
                    }
                })
                .await;
        }
    }

    async fn post(&self, mut callback: Callback) {
        let url = callback.url.clone().or_else(|| self.webhook(callback.channel));
        if let Some(url) = url {
            let (whatsapp, twilio) = (&self.config.whatsapp, &self.config.twilio);
            let posted = self.poster.post(&callback, &url, whatsapp, &twilio.auth_token).await;
            if let Err(failure) = posted
                && let Some(again_at) = callback.retry_at(failure, self.now())
            {
                self.agenda.push(again_at, Event::Post(callback));
            }
        }
        self.agenda.settle();
    }

    fn webhook(&self, channel: Channel) -> Option<String> {
        let base = locked(&self.callback_url).clone()?;
        let name = match channel {
            Channel::Whatsapp => "whatsapp",
            Channel::Twilio => "twilio",
            Channel::Email => return None,
        };
        Some(format!("{}/webhooks/{name}", base.trim_end_matches('/')))
    }

    /// Posts what is due by itself, whoever drives the clock.
    pub(super) async fn fire_when_due(self: Arc<Self>) {
        loop {
            let wait = async {
                match self.agenda.next_at() {
                    None => self.agenda.changed().await,
                    Some(at) if at > self.now() => tokio::time::sleep(LOOK_AT_CLOCK).await,
                    Some(_) => {}
                }
                self.tick().await;
            };
            tokio::select! {
                () = self.cancelled.cancelled() => return,
                () = wait => {}
            }
        }
    }

    pub(super) fn cancel(&self) {
        self.cancelled.cancel();
    }

    pub(super) async fn shut_down(&self) {
        self.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// When the first callback of a message leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timing {
    WhenDue,
    BeforeResponse,
}

/// Holds responses back until it is opened.
pub(super) struct Gate {
    openings: watch::Sender<u64>,
    held: Arc<AtomicUsize>,
}

impl Gate {
    fn new() -> Self {
        Self { openings: watch::Sender::new(0), held: Arc::default() }
    }

    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    pub(super) fn release(&self) {
        self.openings.send_modify(|count| *count += 1);
    }

    /// Resolves at the next release; counted as held from this call on, until then or until it is dropped.
    pub(super) fn next_opening(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut openings = self.openings.subscribe();
        let held = Held::new(Arc::clone(&self.held));
        async move {
            let _held = held;
            // An error means that the sandbox is gone, and nothing is held any more.
            let _ = openings.changed().await;
        }
    }
}

struct Held(Arc<AtomicUsize>);

impl Held {
    fn new(held: Arc<AtomicUsize>) -> Self {
        held.fetch_add(1, Ordering::SeqCst);
        Self(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Provider ids. They never repeat, not even after a restart with the same seed and a driven clock, because the
/// real time of the start goes into them.
pub(super) struct Ids {
    salt: [u8; 16],
    drawn: AtomicU64,
}

impl Ids {
    fn new(seed: u64) -> Self {
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&seed.to_le_bytes());
        salt[8..].copy_from_slice(&SystemClock.now().0.to_le_bytes());
        Self { salt, drawn: AtomicU64::new(0) }
    }

    /// 32 hex digits.
    pub(super) fn hex(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.salt);
        hash.update(self.drawn.fetch_add(1, Ordering::SeqCst).to_le_bytes());
        format!("{:x}", hash.finalize())[..32].to_owned()
    }
}
