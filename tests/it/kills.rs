//! Kills at any moment: the real binary, SIGKILL, start again; the providers' ledger is what is believed.

use crate::house::{On, person};
use crate::process::{Installation, Running, Wishes, noon_zone, now, once, until};
use carebell::care::ids::{AttemptId, MessageId, PatientId};
use carebell::care::{
    Activity, ActivityKind, AttemptState, ChannelKind, Patient, Reason, ReminderState, UtcMs,
};
use carebell::sandbox::{AnswerFault, Entry, Fault, Rule};
use carebell::store::alarms::{Alarm, AlarmKind};
use carebell::store::attempts::{AttemptMove, AttemptRow, Repeat};
use carebell::store::reminders::ReminderRow;
use carebell::store::{alarms, attempts, messages, patients, reminders, tasks};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::{BTreeMap, BTreeSet};

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
            _ => Self { patients: 60, kills: 7, seed: 20_261_123 },
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
    /// Every kind comes in turn; how far it lets the daemon go is drawn, so that all lives together come to an end.
    fn draw(round: usize, messages_a_life: usize, rng: &mut StdRng) -> Self {
        match round % 3 {
            0 if round == 0 => Self::Ready,
            0 => Self::Accepted(0),
            1 => Self::Held {
                after: rng.random_range(0..=messages_a_life / 2),
                answers: rng.random_range(1..=5),
            },
            _ => Self::Accepted(rng.random_range(1..=messages_a_life)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_p3_p4_kills_never_double_and_never_lose_on_sqlite() {
    kills(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_p3_p4_p11_kills_never_double_and_never_lose_on_postgres() {
    kills(On::Postgres).await;
}

async fn kills(on: On) {
    let size = Size::asked_for();
    let wishes = Wishes { permits: PERMITS, messages_per_second: 5.0, ..Wishes::default() };
    let Some(installation) = Installation::make(on, wishes).await else { return };
    let people = ward(size.patients);
    let slots: usize = people.iter().map(|(_, plan)| plan.len()).sum();
    installation.enrol(&people).await;
    let mut rng = StdRng::seed_from_u64(size.seed);
    for round in 0..size.kills {
        let moment = Moment::draw(round, slots / size.kills, &mut rng);
        let running = installation.start().await;
        reach(&installation, moment).await;
        running.kill();
        installation.sandbox.faults().clear();
        installation.sandbox.release();
    }
    let running = drain(&installation).await;
    assert_eq!(running.stop().await, Some(0), "{}", installation.log());
    let story = Story::read(&installation).await;
    story.check(slots, size.kills * PERMITS as usize);
    for secret in ["Canary", "canary-drug", "+1202555", "@example.org"] {
        assert!(!installation.log().contains(secret), "p10: {secret} in the log");
    }
}

/// Patients of all channels and classes, with everything due a little while ago.
fn ward(patients: usize) -> Vec<(Patient, Vec<Activity>)> {
    let (zone, due) = (noon_zone(), now().plus_ms(-60_000));
    let kinds = [
        [ActivityKind::Medication, ActivityKind::Medication],
        [ActivityKind::Measurement, ActivityKind::Appointment],
        [ActivityKind::Appointment, ActivityKind::Education],
        [ActivityKind::Appointment, ActivityKind::Measurement],
    ];
    (0..patients)
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

async fn reach(installation: &Installation, moment: Moment) {
    let sandbox = &installation.sandbox;
    let before = sandbox.ledger().len();
    match moment {
        Moment::Ready => {}
        Moment::Accepted(more) => {
            until("messages are accepted", async || sandbox.ledger().len() >= before + more).await;
        }
        Moment::Held { after, answers } => {
            until("messages are accepted", async || sandbox.ledger().len() >= before + after).await;
            sandbox.faults().add(Rule::always(Fault::Answer(AnswerFault::Hold)));
            until("answers are held", async || sandbox.held() >= answers).await;
        }
    }
}

/// Lets the last daemon finish: everything sent, every lease over; then what no receipt has settled is settled
/// at once instead of in ten minutes.
async fn drain(installation: &Installation) -> Running {
    let running = installation.start().await;
    let store = &installation.store;
    until("every slot has left or is unknown", async || {
        let mut tx = store.read().await.unwrap();
        let states = reminders::count(&mut tx).await.unwrap();
        let open = states.iter().any(|(state, _)| state == "queued" || state == "sending");
        !states.is_empty() && !open
    })
    .await;
    until("every unknown outcome is settled", async || {
        settle_now(installation).await;
        let mut tx = store.read().await.unwrap();
        let states = reminders::count(&mut tx).await.unwrap();
        let open = states.iter().any(|(state, _)| state == "queued" || state == "sending");
        let unsettled = alarms::next(&mut tx, AlarmKind::Settle).await.unwrap();
        !open && unsettled.is_none()
    })
    .await;
    running
}

/// Moves the alarms of unknown outcomes whose leases are long over to now.
async fn settle_now(installation: &Installation) {
    let now = now();
    let mut tx = installation.store.write().await.unwrap();
    let due = alarms::due_unlocked(&mut tx, AlarmKind::Settle, "", UtcMs::MAX, 256).await.unwrap();
    let later: Vec<_> = due.into_iter().filter(|alarm| alarm.wake_at_ms > now.0).collect();
    let ids: Vec<_> = later.iter().map(|alarm| AttemptId(alarm.id)).collect();
    let unknown = attempts::lock(&mut tx, &ids).await.unwrap();
    // A third of a lease more than settling itself asks for.
    let over = |row: &&AttemptRow| {
        row.state == AttemptState::Unknown && now > row.lease_until.plus_ms(12_000)
    };
    for row in unknown.iter().filter(over) {
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
        long_unknown(&mut tx, row.id).await;
        let alarm = |at| Alarm::new(AlarmKind::Settle, "", at, row.id.0);
        alarms::drop_all(&mut tx, &[alarm(row.wake_at.unwrap())]).await.unwrap();
        alarms::put(&mut tx, &[alarm(now)]).await.unwrap();
    }
    tx.commit().await.unwrap();
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

/// What is left when all is over: the house's books, and what the providers accepted.
struct Story {
    reminders: Vec<ReminderRow>,
    attempts: BTreeMap<MessageId, Vec<AttemptRow>>,
    accepted: BTreeMap<MessageId, Vec<Entry>>,
    subjects: BTreeSet<String>,
}

impl Story {
    async fn read(installation: &Installation) -> Self {
        let mut tx = installation.store.read().await.unwrap();
        let owners: Vec<PatientId> = patients::page(&mut tx, None, 100_000).await.unwrap();
        let reminders =
            reminders::of_patients(&mut tx, &owners, now().plus_ms(-86_400_000)).await.unwrap();
        let mut ids: Vec<MessageId> = reminders.iter().filter_map(|r| r.message).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut attempts: BTreeMap<MessageId, Vec<AttemptRow>> = BTreeMap::new();
        for row in attempts::of_messages(&mut tx, &ids).await.unwrap() {
            attempts.entry(row.message).or_default().push(row);
        }
        let mut accepted: BTreeMap<MessageId, Vec<Entry>> = BTreeMap::new();
        for entry in installation.sandbox.ledger().entries() {
            let message = Self::message_of(&mut tx, &entry).await;
            accepted.entry(message).or_default().push(entry);
        }
        let subjects = tasks::list(&mut tx).await.unwrap().into_iter().map(|t| t.subject).collect();
        Self { reminders, attempts, accepted, subjects }
    }

    /// P3: what was accepted has its intent in the books, whenever the daemon died.
    async fn message_of(tx: &mut carebell::store::Tx, entry: &Entry) -> MessageId {
        let correlation = entry.message.correlation.as_deref().unwrap();
        if let Ok(id) = correlation.parse::<MessageId>() {
            assert!(messages::by_id(tx, id).await.unwrap().is_some(), "p3: {entry:?}");
            return id;
        }
        let id: AttemptId = correlation.parse().unwrap();
        let rows = attempts::read(tx, &[id]).await.unwrap();
        assert_eq!(rows.len(), 1, "p3: accepted without an intent: {entry:?}");
        rows[0].message
    }

    fn check(&self, slots: usize, unknown_at_most: usize) {
        assert_eq!(self.reminders.len(), slots, "p2: every slot has its row, once");
        let mut unknown = BTreeSet::new();
        let mut repeats = 0;
        for reminder in &self.reminders {
            let message = reminder.message.unwrap();
            let accepted = self.accepted.get(&message).map_or(0, Vec::len);
            let attempts = self.attempts.get(&message).map_or(&[][..], Vec::as_slice);
            let may_repeat = usize::from(!reminder.class.is_dose());
            assert!(accepted <= 1 + may_repeat, "p1: {accepted} times: {reminder:?} {attempts:?}");
            if accepted > 1 {
                repeats += 1;
                let last = attempts.iter().max_by_key(|row| row.number).unwrap();
                assert_eq!(last.repeat, Repeat::Again, "p4: not marked: {attempts:?}");
            }
            match reminder.state {
                ReminderState::Sent => assert!(accepted > 0, "p2: sent, but not: {reminder:?}"),
                ReminderState::Unknown => {
                    unknown.insert(message);
                    let known = matches!(reminder.reason, Reason::StaysUnknown | Reason::Dropped);
                    assert!(known, "p2: {reminder:?}");
                    let task = self.subjects.contains(&message.to_string());
                    assert_eq!(
                        task,
                        reminder.class.is_dose(),
                        "p4: a person is asked: {reminder:?}"
                    );
                }
                _ => panic!("p2: neither sent nor unknown: {reminder:?} {attempts:?}"),
            }
        }
        assert!(unknown.len() <= unknown_at_most, "{} > {unknown_at_most}", unknown.len());
        let mut ends: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
        for reminder in &self.reminders {
            for row in self.attempts.get(&reminder.message.unwrap()).into_iter().flatten() {
                let end = (reminder.class.word(), row.channel.as_str(), row.state.word());
                *ends.entry(end).or_default() += 1;
            }
        }
        eprintln!(
            "{slots} slots, {repeats} repeated, {} unknown; attempts {ends:?}",
            unknown.len()
        );
    }
}
