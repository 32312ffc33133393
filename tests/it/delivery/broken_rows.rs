//! One bad row hurts nobody else (P9). Rows are damaged behind the daemon's back.

use crate::house::{House, On, at, medicine, on_both, person, planned};
use carebell::care::ChannelKind::Sms;
use carebell::care::{Class, Patient};
use carebell::channel::Callback;
use carebell::sandbox::{AnswerFault, Channel, Fault, Reply, Rule};
use carebell::store::attempts;

const POISONED: &str = "+351912345099";

fn neighbours() -> Vec<String> {
    (0..3).map(|n| format!("+35191234500{n}")).collect()
}

/// Three neighbours and a patient whose language is Hindi and whose dose is time-critical: what marks the rows
/// to damage.
async fn street(house: &House) -> carebell::care::ids::PatientId {
    for phone in neighbours() {
        let id = house.patient(person(&phone, "Europe/Lisbon", &[(Sms, &phone)])).await;
        let mut dose = medicine("a", &["08:00"]);
        dose.class = Class::TimeCriticalDose;
        house.activity(id, dose).await;
    }
    let poisoned = person(POISONED, "Europe/Lisbon", &[(Sms, POISONED)]);
    let id = house.patient(Patient { language: "hi".to_owned(), ..poisoned }).await;
    let mut dose = medicine("a", &["08:00"]);
    dose.class = Class::TimeCriticalDose;
    house.activity(id, dose).await;
    id
}

const OF_POISONED: &str = "(SELECT id FROM patients WHERE language = 'hi')";

async fn neighbours_were_sent(house: &House) {
    for phone in neighbours() {
        assert_eq!(house.accepted(&phone), [480], "{phone}");
    }
    assert!(house.accepted(POISONED).is_empty());
    assert_eq!(house.tasks().await, [("parked".to_owned(), 1)].into());
}

on_both!(p9_a_patient_that_does_not_open_is_parked_alone, async |house: House| {
    street(&house).await;
    house.settle().await;
    let damaged =
        house.damage("UPDATE patients SET document = {bytes} WHERE language = 'hi'").await;
    assert_eq!(damaged, 1);
    house.play_until(at(9, 0)).await;
    neighbours_were_sent(&house).await;
});

on_both!(p9_a_message_whose_patient_does_not_open_is_parked_alone, async |house: House| {
    let id = street(&house).await;
    house.play_until(planned()).await;
    house.damage("UPDATE patients SET document = {bytes} WHERE language = 'hi'").await;
    house.play_until(at(9, 0)).await;
    neighbours_were_sent(&house).await;
    assert_eq!(house.story_of(id).await, [("parked", "poisoned".to_owned())]);
});

on_both!(p9_a_message_whose_reminder_cannot_be_read_is_parked_alone, async |house: House| {
    street(&house).await;
    house.play_until(planned()).await;
    let statement = format!(
        "UPDATE reminders SET local_time = 'x', reason = '?' WHERE patient_id IN {OF_POISONED}"
    );
    assert_eq!(house.damage(&statement).await, 1);
    house.play_until(at(8, 5)).await;
    neighbours_were_sent(&house).await;
});

on_both!(p9_a_message_that_cannot_be_read_is_parked_alone, async |house: House| {
    street(&house).await;
    house.play_until(planned()).await;
    let statement = format!("UPDATE messages SET tried = '?' WHERE patient_id IN {OF_POISONED}");
    assert_eq!(house.damage(&statement).await, 1);
    house.play_until(at(8, 5)).await;
    neighbours_were_sent(&house).await;
});

on_both!(p9_an_intent_that_cannot_be_read_hides_no_other, async |house: House| {
    let id = street(&house).await;
    house.sandbox.faults().add(Rule::always(Fault::Answer(AnswerFault::Hold)));
    house.clock.set(at(8, 0));
    while house.sandbox.held() < 4 {
        house.daemon.step().await.unwrap();
        tokio::task::yield_now().await;
    }
    let statement = format!("UPDATE attempts SET reason = '?' WHERE patient_id IN {OF_POISONED}");
    assert_eq!(house.damage(&statement).await, 1);
    let mut tx = house.app.store.read().await.unwrap();
    let dead = attempts::open_instances(&mut tx).await.unwrap();
    drop(tx);
    assert_eq!(house.daemon().deliverer().find_lost(&dead).await.unwrap(), 4);
    assert_eq!(house.tasks().await, [("parked".to_owned(), 1)].into());
    assert_eq!(house.story_of(id).await[0].0, "parked");
    assert_eq!(house.reminders().await["unknown"], 3);
});

on_both!(p9_an_unknown_outcome_that_cannot_be_read_hides_no_other, async |house: House| {
    street(&house).await;
    house
        .sandbox
        .faults()
        .add(Rule::always(Fault::Callbacks(carebell::sandbox::CallbackFault::Off)));
    house.sandbox.faults().add(Rule::always(Fault::Answer(AnswerFault::Drop)));
    house.play_until(at(8, 0)).await;
    let statement = format!(
        "UPDATE attempts SET content = {{bytes}}, reason = '?' WHERE patient_id IN {OF_POISONED}"
    );
    assert_eq!(house.damage(&statement).await, 1);
    house.play_until(at(9, 0)).await;
    assert_eq!(house.reminders().await["sent"], 3, "the provider's list settles the others");
    assert_eq!(house.tasks().await["parked"], 1);
});

on_both!(p9_a_callback_that_does_not_open_holds_up_no_stop, async |house: House| {
    let phone = neighbours().remove(0);
    let id = house.patient(person(&phone, "Europe/Lisbon", &[(Sms, &phone)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    let callback = Callback {
        method: "POST".to_owned(),
        path_and_query: "/".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    house.daemon.inbound().keep("twilio", &callback, "one").await.unwrap();
    assert_eq!(house.damage("UPDATE inbound SET payload = {bytes}").await, 1);
    house.sandbox.reply(Reply::text(Channel::Twilio, &phone, "STOP")).await.unwrap();
    house.play_until(at(9, 0)).await;
    assert!(house.sandbox.ledger().is_empty());
    assert_eq!(house.story_of(id).await[0].0, "blocked");
    assert_eq!(house.tasks().await, [("parked".to_owned(), 1)].into());
});
