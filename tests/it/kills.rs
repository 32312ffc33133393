//! Kills at any moment: the real binary, SIGKILL, start again; the providers' ledger is what is believed.

mod story;

pub use story::Story;

use crate::house::{On, person};
use crate::process::{Installation, Running, Wishes, client, noon_zone, now, once, until};
use carebell::care::ids::AttemptId;
use carebell::care::{Activity, ActivityKind, AttemptState, ChannelKind, Patient, UtcMs};
use carebell::crash::POINTS;
use carebell::sandbox::{AnswerFault, Fault, Rule};
use carebell::store::alarms::{Alarm, AlarmKind};
use carebell::store::attempts::{AttemptMove, AttemptRow};
use carebell::store::{alarms, attempts, reminders};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::ops::Range;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// Open intents of a daemon at most: what one kill may leave unknown.
const PERMITS: u32 = 8;

/// How much is done; `CAREBELL_KILLS=patients,kills,seed` asks for more than CI does.
struct Size {
    patients: usize,
    kills: usize,
    seed: u64,
}

impl Size {
    fn asked_for() -> Self {
        let asked = std::env::var_os("CAREBELL_KILLS").unwrap_or_default();
        let numbers: Vec<u64> =
            asked.to_string_lossy().split(',').filter_map(|n| n.parse().ok()).collect();
        match numbers[..] {
            [patients, kills, seed] => {
                Self { patients: patients as usize, kills: kills as usize, seed }
            }
            _ => Self { patients: 60, kills: 3, seed: 20_261_123 },
        }
    }
}

/// What a kill waits for: progress of the sends, never a time.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The daemon is ready: patients are being woken.
    Ready,
    /// So many more messages were accepted.
    Accepted(usize),
    /// After so many more, so many answers are held back: accepted, and the daemon does not know.
    Held { after: usize, answers: usize },
}

impl Moment {
    /// Every kind comes in turn; how far it lets the daemons go is drawn, and never past the messages of a life.
    fn draw(round: usize, messages_a_life: usize, instances: usize, rng: &mut StdRng) -> Self {
        match round % 3 {
            0 if round == 0 => Self::Ready,
            0 => Self::Accepted(0),
            1 => Self::Held {
                after: rng.random_range(0..=messages_a_life / 2),
                // Some of whoever dies.
                answers: rng.random_range(1..=5) * instances,
            },
            _ => Self::Accepted(rng.random_range(1..=messages_a_life)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_p3_p4_f08_kills_never_double_and_never_lose_on_sqlite() {
    kills(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_p3_p4_p11_f08_kills_among_three_never_double_and_never_lose_on_postgres() {
    kills(On::Postgres).await;
}

/// Daemons live and die: alone on SQLite, any of three on PostgreSQL, in random order. Every life finds new work.
async fn kills(on: On) {
    let size = Size::asked_for();
    let wishes = Wishes { permits: PERMITS, messages_per_second: 5.0, ..Wishes::default() };
    let Some(installation) = Installation::make(on, wishes).await else { return };
    let mut rng = StdRng::seed_from_u64(size.seed);
    let mut living = Living::of(&installation, on);
    let (mut patients, mut slots) = (0, 0);
    let (mut victims, mut killed) = (Vec::new(), [0; 3]);
    for round in 0..size.kills {
        let next = size.patients * (round + 1) / size.kills;
        let people = wing(patients..next);
        let fresh: usize = people.iter().map(|(_, plan)| plan.len()).sum();
        (patients, slots) = (next, slots + fresh);
        living.begin().await;
        let before = installation.sandbox.ledger().len();
        installation.enrol(&people).await;
        let moment = Moment::draw(round, fresh, living.instances.len(), &mut rng);
        reach(&installation, moment, before, slots).await;
        if victims.is_empty() {
            victims.extend(0..living.instances.len());
            victims.shuffle(&mut rng);
        }
        let victim = victims.pop().unwrap();
        living.kill(victim);
        killed[victim] += 1;
        installation.sandbox.faults().clear();
        installation.sandbox.release();
    }
    living.begin().await;
    until("every slot has its reminder", async || states(&installation).await.all == slots).await;
    finish(&installation).await;
    living.stop().await;
    let told = installation.log().matches("it brought the daemon down").count();
    eprintln!("killed on {on:?}, seed {}: {killed:?}; {told} rows given up", size.seed);
    let story = Story::read(&installation).await;
    story.check(slots, size.kills * PERMITS as usize);
    for secret in ["Canary", "canary-drug", "+1202555", "@example.org"] {
        assert!(!installation.log().contains(secret), "p10: {secret} in the log");
    }
}

/// The instances of an installation; whoever is dead is `None`.
struct Living<'a> {
    installation: &'a Installation,
    instances: Vec<Option<Running>>,
}

impl<'a> Living<'a> {
    fn of(installation: &'a Installation, on: On) -> Self {
        let instances = match on {
            On::Sqlite => vec![None],
            On::Postgres => vec![None, None, None],
        };
        Self { installation, instances }
    }

    fn url_of(&self, place: usize) -> String {
        match u32::try_from(place + 1).unwrap() {
            1 => self.installation.url.clone(),
            n => self.installation.url_of(n),
        }
    }

    /// Starts the dead, and waits until they answer.
    async fn begin(&mut self) {
        let dead: Vec<usize> =
            (0..self.instances.len()).filter(|place| self.instances[*place].is_none()).collect();
        for place in &dead {
            self.instances[*place] = Some(match u32::try_from(place + 1).unwrap() {
                1 => self.installation.spawn_untold(&[]),
                n => self.installation.spawn_other(n, &[]),
            });
        }
        for place in dead {
            let probe = format!("{}/healthz", self.url_of(place));
            until("a daemon answers", async || client().get(&probe).send().await.is_ok()).await;
        }
    }

    /// SIGKILL. As a proxy would have it, callbacks go to another one from now on, if there is one.
    fn kill(&mut self, victim: usize) {
        let heir = (victim + 1) % self.instances.len();
        self.installation.sandbox.call_back(&self.url_of(heir)).unwrap();
        self.instances[victim].take().unwrap().kill();
    }

    async fn stop(self) {
        for running in self.instances.into_iter().flatten() {
            assert_eq!(running.stop().await, Some(0), "{}", self.installation.log());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_p3_p4_a_lone_daemon_dies_at_every_place_on_sqlite() {
    places(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_p3_p4_p11_one_daemon_of_three_dies_at_every_place_on_postgres() {
    places(On::Postgres).await;
}

/// The third of three instances, where there are three.
const VICTIM: u32 = 3;

/// A daemon ends itself at each named place in turn, without a destructor run; where there are three, the first
/// keeps the webhooks open.
async fn places(on: On) {
    let wishes = Wishes { permits: PERMITS, messages_per_second: 20.0, ..Wishes::default() };
    let Some(installation) = Installation::make(on, wishes).await else { return };
    let mut others = Vec::new();
    if on == On::Postgres {
        others.push(installation.spawn_untold(&[]));
        others.push(installation.spawn_other(2, &[]));
    }
    let spawn = |environment: &[(&str, &str)]| match on {
        On::Sqlite => installation.spawn_untold(environment),
        On::Postgres => installation.spawn_other(VICTIM, environment),
    };
    let rounds = Size::asked_for().kills.div_ceil(POINTS.len());
    let (mut patients, mut kills) = (0, 0);
    for round in 0..rounds {
        for point in POINTS {
            let mut victim = spawn(&[("CRASH_AT", &format!("{point}:{}", round % 3 + 1))]);
            if on == On::Postgres && point.starts_with("callback") {
                installation.sandbox.call_back(&installation.url_of(VICTIM)).unwrap();
            }
            let ended = lure(&installation, point, &mut victim, &mut patients).await;
            assert_eq!(ended.signal(), Some(SIGABRT), "{point}: {}", installation.log());
            installation.sandbox.call_back(&installation.url).unwrap();
            installation.sandbox.faults().clear();
            installation.sandbox.release();
            kills += 1;
        }
    }
    others.push(spawn(&[]));
    // What is sent last has a receipt: it shows that the line speaks.
    installation.enrol(&two(&mut patients)).await;
    come_to_rest(&installation, on).await;
    for running in others {
        assert_eq!(running.stop().await, Some(0), "{}", installation.log());
    }
    let story = Story::read(&installation).await;
    story.check(patients, kills * PERMITS as usize);
    story.check_once(on);
    eprintln!("{kills} daemons died at {} places on {on:?}", POINTS.len());
}

/// `abort(3)` ends a process by it.
const SIGABRT: i32 = 6;

/// Gives a daemon what leads it to a place, again and again until it dies there: another instance may be quicker.
async fn lure(
    installation: &Installation,
    point: &str,
    victim: &mut Running,
    patients: &mut usize,
) -> ExitStatus {
    let sandbox = &installation.sandbox;
    let mut ended = None;
    let mut looks = 0_u32;
    until(point, async || {
        if looks.is_multiple_of(200) {
            sandbox.faults().clear();
            sandbox.release();
            let rule = |fault| Rule::always(Fault::Answer(fault));
            match point.split('-').next() {
                Some("lost") => sandbox.faults().add(rule(AnswerFault::Hold)),
                Some("settle") => sandbox.faults().add(rule(AnswerFault::Drop)),
                _ => {}
            }
            installation.enrol(&two(patients)).await;
        }
        looks += 1;
        if point.starts_with("lost") && sandbox.held() > 0 {
            change(installation, "UPDATE attempts SET lease_until_ms = 0 WHERE state = 'intent'")
                .await;
        }
        if point.starts_with("settle") {
            ring(installation, |_| true).await;
        }
        ended = victim.end();
        ended.is_some()
    })
    .await;
    ended.unwrap()
}

/// Two patients with a dose each, one on a line with receipts, one on a line that can be asked.
fn two(patients: &mut usize) -> Vec<(Patient, Vec<Activity>)> {
    let due = now().plus_ms(-60_000);
    [ChannelKind::Whatsapp, ChannelKind::Sms]
        .map(|channel| {
            let address = format!("+1202556{patients:04}");
            let patient = person(&format!("q{patients}"), &noon_zone(), &[(channel, &address)]);
            *patients += 1;
            (patient, vec![once(ActivityKind::Medication, "dose", due)])
        })
        .into()
}

/// The daemons lock the same rows in orders of their own: where PostgreSQL makes the test give way, it tries again.
async fn change(installation: &Installation, statement: &'static str) {
    while let Err(fault) = changed(installation, statement).await {
        let code = fault.as_database_error().and_then(sqlx::error::DatabaseError::code);
        assert_eq!(code.as_deref(), Some("40P01"), "{fault}");
    }
}

async fn changed(installation: &Installation, statement: &'static str) -> sqlx::Result<()> {
    use carebell::store::Tx::{Postgres, Sqlite};
    let mut tx = installation.store.write().await.unwrap();
    match &mut tx {
        Sqlite(tx) => sqlx::query(statement).execute(&mut **tx).await?.rows_affected(),
        Postgres(tx) => sqlx::query(statement).execute(&mut **tx).await?.rows_affected(),
    };
    tx.commit().await.unwrap();
    Ok(())
}

/// Lets the living finish. Where the webhooks stayed open all the while, minutes of silence pass at once.
async fn come_to_rest(installation: &Installation, on: On) {
    until("every slot has left or is unknown", async || open(installation).await == 0).await;
    if on == On::Postgres {
        // What is still on its way would be late by these minutes, which no receipt is.
        let sandbox = &installation.sandbox;
        until("the providers have told all", async || {
            sandbox.is_idle() && sandbox.next_at().is_none()
        })
        .await;
        // As if all that is unknown, and the open line, were four minutes older.
        change(installation, "UPDATE listening SET since_ms = since_ms - 240000").await;
        change(
            installation,
            "UPDATE attempts SET intent_at_ms = intent_at_ms - 240000, \
             lease_until_ms = lease_until_ms - 240000 WHERE state = 'unknown'",
        )
        .await;
    }
    until("silence has settled what it can", async || {
        on == On::Sqlite || ring(installation, |row| row.channel == "whatsapp").await.is_empty()
    })
    .await;
    until("every unknown outcome is settled", async || {
        settle_now(installation).await;
        is_settled(installation).await
    })
    .await;
}

/// Patients of all channels and classes, with everything due a little while ago.
pub fn ward(patients: usize) -> Vec<(Patient, Vec<Activity>)> {
    wing(0..patients)
}

/// Some of them, by their numbers.
fn wing(patients: Range<usize>) -> Vec<(Patient, Vec<Activity>)> {
    let (zone, due) = (noon_zone(), now().plus_ms(-60_000));
    let kinds = [
        [ActivityKind::Medication, ActivityKind::Medication],
        [ActivityKind::Measurement, ActivityKind::Appointment],
        [ActivityKind::Appointment, ActivityKind::Education],
        [ActivityKind::Appointment, ActivityKind::Measurement],
    ];
    patients
        .map(|n| {
            let (channel, address) = match n % 3 {
                0 => (ChannelKind::Whatsapp, format!("+1202555{n:04}")),
                1 => (ChannelKind::Sms, format!("+1202555{n:04}")),
                _ => (ChannelKind::Email, format!("patient-{n}@example.org")),
            };
            let patient = person(&format!("p{n}"), &zone, &[(channel, &address)]);
            let [first, second] = kinds[n / 3 % 4];
            // Another minute is another message.
            let first = once(first, "first", due.plus_ms(-180_000));
            let second = once(second, "second", due);
            (patient, vec![first, second])
        })
        .collect()
}

/// Waits for a moment of a life that began with `before` messages accepted, or until all of `slots` have left: what
/// waited for more than a minute goes in fewer messages.
async fn reach(installation: &Installation, moment: Moment, before: usize, slots: usize) {
    let sandbox = &installation.sandbox;
    let comes_to = async |what, holds: &dyn Fn() -> bool| {
        until(what, async || holds() || nothing_waits(installation, slots).await).await;
    };
    match moment {
        Moment::Ready => {}
        Moment::Accepted(more) => {
            comes_to("messages are accepted", &|| sandbox.ledger().len() >= before + more).await;
        }
        Moment::Held { after, answers } => {
            comes_to("messages are accepted", &|| sandbox.ledger().len() >= before + after).await;
            sandbox.faults().add(Rule::always(Fault::Answer(AnswerFault::Hold)));
            comes_to("answers are held", &|| sandbox.held() >= answers).await;
        }
    }
}

/// Whether every slot has its reminder, and none waits to be claimed.
async fn nothing_waits(installation: &Installation, slots: usize) -> bool {
    let states = states(installation).await;
    states.all == slots && states.queued == 0
}

/// How the reminders stand.
pub struct States {
    pub all: usize,
    queued: usize,
    /// Those on their way among them.
    open: usize,
}

pub async fn states(installation: &Installation) -> States {
    let mut tx = installation.store.read().await.unwrap();
    let counts = reminders::count(&mut tx).await.unwrap();
    let of = |wanted: &[&str]| -> usize {
        let counts = counts.iter().filter(|(state, _)| wanted.contains(&state.as_str()));
        counts.map(|(_, count)| usize::try_from(*count).unwrap()).sum()
    };
    let all = counts.iter().map(|(_, count)| usize::try_from(*count).unwrap()).sum();
    States { all, queued: of(&["queued"]), open: of(&["queued", "sending"]) }
}

/// Lets who runs finish: everything sent, every lease over; then what no receipt has settled is settled at once
/// instead of in ten minutes.
pub async fn finish(installation: &Installation) {
    let mut waiting = usize::MAX;
    while waiting > 0 {
        // However many there are: the net is under each.
        let before = waiting;
        until("one more slot has left or is unknown", async || {
            waiting = open(installation).await;
            waiting < before
        })
        .await;
    }
    until("every unknown outcome is settled", async || {
        settle_now(installation).await;
        is_settled(installation).await
    })
    .await;
}

/// Whether nothing is open or to be settled: before and after the look at the alarms, for what is on its way may become
/// unknown, and what is unknown may go again.
async fn is_settled(installation: &Installation) -> bool {
    let was_open = open(installation).await;
    let mut tx = installation.store.read().await.unwrap();
    let unsettled = alarms::next(&mut tx, AlarmKind::Settle).await.unwrap();
    drop(tx);
    was_open == 0 && unsettled.is_none() && open(installation).await == 0
}

/// How many slots are queued or on their way; one at least while none has its reminder.
async fn open(installation: &Installation) -> usize {
    let states = states(installation).await;
    states.open.max(usize::from(states.all == 0))
}

/// Settles at once what has been unknown for longer than any lease.
async fn settle_now(installation: &Installation) {
    let rung = ring(installation, lease_over).await;
    if rung.is_empty() {
        return;
    }
    let mut tx = installation.store.write().await.unwrap();
    for id in rung {
        long_unknown(&mut tx, id).await;
    }
    tx.commit().await.unwrap();
}

/// Whether the lease of an attempt is over, by a third of it more than settling itself asks for.
fn lease_over(row: &AttemptRow) -> bool {
    now() > row.lease_until.plus_ms(12_000)
}

/// Moves the alarms of unknown outcomes to now; returns whose.
async fn ring(installation: &Installation, which: impl Fn(&AttemptRow) -> bool) -> Vec<AttemptId> {
    let now = now();
    let mut tx = installation.store.write().await.unwrap();
    let due = alarms::due_unlocked(&mut tx, AlarmKind::Settle, "", UtcMs::MAX, 256).await.unwrap();
    let ids: Vec<_> = due.iter().map(|alarm| AttemptId(alarm.id)).collect();
    let unknown = attempts::lock(&mut tx, &ids).await.unwrap();
    let mut rung = Vec::new();
    for row in unknown.iter().filter(|row| row.state == AttemptState::Unknown && which(row)) {
        rung.push(row.id);
        let Some(wake_at) = row.wake_at.filter(|at| *at > now) else { continue };
        let moved = AttemptMove {
            id: row.id,
            token: row.token,
            state: row.state,
            reason: row.reason.clone(),
            code: None,
            provider_id: None,
            wake_at: Some(now),
        };
        attempts::move_to(&mut tx, &[moved], now).await.unwrap();
        let alarm = |at| Alarm::new(AlarmKind::Settle, "", at, row.id.0);
        alarms::drop_all(&mut tx, &[alarm(wake_at)]).await.unwrap();
        alarms::put(&mut tx, &[alarm(now)]).await.unwrap();
    }
    tx.commit().await.unwrap();
    rung
}

/// As if the ten minutes in which evidence is looked for were over.
async fn long_unknown(tx: &mut carebell::store::Tx, id: AttemptId) {
    use carebell::store::Tx::{Postgres, Sqlite};
    const AGE: &str = "UPDATE attempts SET ended_at_ms = 0 WHERE id = $1";
    match tx {
        Sqlite(tx) => sqlx::query(AGE).bind(id.0).execute(&mut **tx).await.map(|_| ()).unwrap(),
        Postgres(tx) => sqlx::query(AGE).bind(id.0).execute(&mut **tx).await.map(|_| ()).unwrap(),
    }
}
