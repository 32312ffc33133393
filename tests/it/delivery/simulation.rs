//! All of it at random: operations on a small house with a manual clock, and what must hold whatever they are.
//! A failing case prints its operations; proptest keeps its seed.

use crate::house::{House, MONDAY, On, doing, medicine, person};
use carebell::care::ids::{ActivityId, PatientId};
use carebell::care::{ActivityKind, ChannelKind, PatientStatus, UtcMs};
use carebell::sandbox::{AnswerFault, CallbackFault, Channel, Fault, Reply, Rule};
use carebell::store::attempts;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;

const PEOPLE: [(&str, ChannelKind, Channel); 3] = [
    ("+351912345001", ChannelKind::Whatsapp, Channel::Whatsapp),
    ("+351912345002", ChannelKind::Sms, Channel::Twilio),
    ("+351912345003", ChannelKind::Whatsapp, Channel::Whatsapp),
];
const TIMES: [&str; 4] = ["08:00", "08:15", "09:00", "12:00"];
const ZONES: [&str; 3] = ["Europe/Lisbon", "Asia/Kolkata", "America/New_York"];

#[derive(Clone, Debug)]
enum Op {
    Advance {
        minutes: i64,
    },
    EditDose {
        who: usize,
        time: usize,
    },
    Pause {
        who: usize,
    },
    Resume {
        who: usize,
    },
    Stop {
        who: usize,
    },
    Start {
        who: usize,
    },
    Move {
        who: usize,
        zone: usize,
    },
    Misbehave(Fault),
    /// The next message to be taken on WhatsApp: neither answer nor receipts come.
    LoseAllTrace,
    Restart,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let who = || 0..PEOPLE.len();
    let faults = prop_oneof![
        Just(Fault::DropBeforeReading),
        Just(Fault::Answer(AnswerFault::Drop)),
        Just(Fault::Answer(AnswerFault::Fail { status: 500 })),
        Just(Fault::Callbacks(CallbackFault::Doubled)),
        Just(Fault::Callbacks(CallbackFault::Off)),
        Just(Fault::Callbacks(CallbackFault::DelayedMs(40 * 60_000))),
    ];
    let op = prop_oneof![
        6 => (1_i64..200).prop_map(|minutes| Op::Advance { minutes }),
        2 => (who(), 0..TIMES.len()).prop_map(|(who, time)| Op::EditDose { who, time }),
        1 => who().prop_map(|who| Op::Pause { who }),
        1 => who().prop_map(|who| Op::Resume { who }),
        1 => who().prop_map(|who| Op::Stop { who }),
        1 => who().prop_map(|who| Op::Start { who }),
        1 => (who(), 0..ZONES.len()).prop_map(|(who, zone)| Op::Move { who, zone }),
        3 => faults.prop_map(Op::Misbehave),
        3 => Just(Op::LoseAllTrace),
        1 => Just(Op::Restart),
    ];
    prop::collection::vec(op, 8..24)
}

struct World {
    house: House,
    patients: Vec<(PatientId, ActivityId)>,
    /// When each person said STOP and had not said START since.
    stopped: BTreeMap<usize, UtcMs>,
}

impl World {
    async fn build() -> Self {
        let house = House::build(On::Sqlite).await.unwrap();
        let mut patients = Vec::new();
        for (phone, kind, _) in PEOPLE {
            let id = house.patient(person(phone, "Europe/Lisbon", &[(kind, phone)])).await;
            let dose = house.activity(id, medicine("dose", &["08:00"])).await;
            house.activity(id, doing(ActivityKind::Measurement, "m", &["10:00", "16:00"])).await;
            patients.push((id, dose));
        }
        house.play_until(MONDAY.plus_ms(7 * 3_600_000 + 30 * 60_000)).await;
        Self { house, patients, stopped: BTreeMap::new() }
    }

    async fn apply(&mut self, op: &Op) {
        let house = &mut self.house;
        let now = house.app.clock.now();
        match op {
            Op::Advance { minutes } => house.play_until(now.plus_ms(minutes * 60_000)).await,
            Op::EditDose { who, time } => {
                let (patient, dose) = self.patients[*who];
                house.edit(dose, patient, &medicine("dose", &[TIMES[*time]])).await;
            }
            Op::Pause { who } => house.status(self.patients[*who].0, PatientStatus::Paused).await,
            Op::Resume { who } => house.status(self.patients[*who].0, PatientStatus::Active).await,
            Op::Stop { who } => {
                Self::says(house, *who, "STOP").await;
                self.stopped.entry(*who).or_insert(now);
            }
            Op::Start { who } => {
                Self::says(house, *who, "START").await;
                self.stopped.remove(who);
            }
            Op::Move { who, zone } => {
                let zone = ZONES[*zone].to_owned();
                house.change(self.patients[*who].0, |patient| patient.zone = zone).await;
            }
            Op::Misbehave(fault) => house.sandbox.faults().add(Rule::once(fault.clone())),
            Op::LoseAllTrace => {
                let fault = |fault| Rule::once(fault).on(Channel::Whatsapp);
                house.sandbox.faults().add(fault(Fault::Answer(AnswerFault::Drop)));
                house.sandbox.faults().add(fault(Fault::Callbacks(CallbackFault::Off)));
            }
            Op::Restart => {
                // What the old daemon has in flight it never records.
                house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Hold)));
                house.daemon.step().await.unwrap();
                house.restart();
                house.daemon.recover().await.unwrap();
                house.sandbox.release();
                let held = Fault::Answer(AnswerFault::Hold);
                let rules = house.sandbox.faults().rules();
                house.sandbox.faults().clear();
                for rule in rules.into_iter().filter(|rule| rule.fault != held) {
                    house.sandbox.faults().add(rule);
                }
                house.settle().await;
            }
        }
        self.check_stop();
    }

    async fn says(house: &House, who: usize, word: &str) {
        let (phone, _, channel) = PEOPLE[who];
        // The same minute never hears one person twice: what they said is told apart by its time.
        house.clock.advance_ms(1_000);
        // The script may lose callbacks about messages, never what a person says: nobody can heed the unheard.
        let rules = house.sandbox.faults().rules();
        house.sandbox.faults().clear();
        house.sandbox.reply(Reply::text(channel, phone, word)).await.unwrap();
        house.settle().await;
        for rule in rules {
            house.sandbox.faults().add(rule);
        }
    }

    /// Nothing but confirmations, as free text, after a STOP.
    fn check_stop(&self) {
        let entries = self.house.sandbox.ledger().entries();
        for (who, since) in &self.stopped {
            let (phone, kind, _) = PEOPLE[*who];
            let after =
                entries.iter().filter(|e| e.message.to == phone && e.at > since.plus_ms(1_000));
            for entry in after {
                let confirms = kind == ChannelKind::Whatsapp && entry.message.template.is_none();
                assert!(confirms, "after STOP: {entry:?}");
            }
        }
    }

    /// What must hold at the end, when everything had its time.
    async fn check(self) {
        self.house.sandbox.faults().clear();
        let now = self.house.app.clock.now();
        self.house.play_until(now.plus_ms(30 * 3_600_000)).await;
        self.check_stop();
        let house = &self.house;
        let entries = house.sandbox.ledger().entries();
        let mut tx = house.app.store.read().await.unwrap();
        for (patient, dose) in &self.patients {
            let rows = carebell::store::reminders::of_patients(&mut tx, &[*patient], UtcMs(0))
                .await
                .unwrap();
            let now = house.app.clock.now();
            for row in &rows {
                let open = matches!(row.state.word(), "queued" | "sending");
                assert!(!open || row.valid_until > now, "still open: {row:?}");
                let Some(message) = row.message else { continue };
                let all = attempts::of_messages(&mut tx, &[message]).await.unwrap();
                let taken: Vec<_> = all
                    .iter()
                    .filter_map(|a| {
                        let id = a.id.to_string();
                        let taken =
                            entries.iter().find(|e| e.message.correlation.as_ref() == Some(&id));
                        taken.map(|entry| (a, entry))
                    })
                    .collect();
                for (_, entry) in &taken {
                    assert!(entry.at < row.valid_until, "late: {row:?} {entry:?}");
                }
                let most = if row.activity == *dose { 1 } else { 2 };
                assert!(taken.len() <= most, "{} times: {row:?}", taken.len());
                if let Some((second, _)) = taken.get(1) {
                    assert_eq!(second.repeat, attempts::Repeat::Again, "{row:?}");
                }
            }
            // A dose a day by the patient's clock, whatever it was called that day.
            let mut days: BTreeMap<_, usize> = BTreeMap::new();
            let said = rows.iter().filter(|r| r.activity == *dose && r.state.word() == "sent");
            for row in said {
                *days.entry(row.slot.planned.to_string()[..10].to_owned()).or_default() += 1;
            }
            assert!(days.values().all(|times| *times == 1), "{days:?} {rows:#?}");
        }
    }
}

#[test]
fn whatever_happens_the_promises_hold() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let cases = std::env::var_os("CI").map_or(12, |_| 40);
    let mut runner = TestRunner::new(Config {
        cases,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let run = runner.run(&ops(), |ops| {
        let case = async {
            let mut world = World::build().await;
            for op in &ops {
                world.apply(op).await;
            }
            world.check().await;
        };
        runtime.block_on(case);
        Ok(())
    });
    if let Err(fault) = run {
        panic!("{fault}");
    }
}
