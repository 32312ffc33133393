//! Accepted is not delivered (F82): what follows when no receipt comes, by class. The oracle is the stand-in's ledger.

use crate::house::{House, On, at, doing, medicine, on_both, person};
use carebell::care::ChannelKind::{Email, Sms, Whatsapp};
use carebell::care::ids::PatientId;
use carebell::care::{Activity, ActivityKind, PatientStatus, Schedule};
use carebell::sandbox::{AnswerFault, CallbackFault, Channel, Fault, Rule};
use carebell::store::{messages, story};

const PHONE: &str = "+351912345001";
const MAIL: &str = "p@example.org";

async fn both(house: &House, activity: Activity) -> PatientId {
    let contacts = [(Whatsapp, PHONE), (Sms, PHONE)];
    let id = house.patient(person("p", "Europe/Lisbon", &contacts)).await;
    house.activity(id, activity).await;
    id
}

/// An appointment at 14:00, of which the patient hears at 12:00.
fn visit() -> Activity {
    let mut visit = doing(ActivityKind::Appointment, "v", &[]);
    visit.schedule = Schedule::Appointment { start: at(14, 0) };
    visit
}

fn silent() -> Rule {
    Rule::always(Fault::Callbacks(CallbackFault::Off)).on(Channel::Whatsapp)
}

/// Channel and minute of everything that was accepted.
fn accepted(house: &House) -> Vec<(Channel, i64)> {
    let entries = house.sandbox.ledger().entries();
    entries.iter().map(|e| (e.message.channel, e.at.since(at(0, 0)) / 60_000)).collect()
}

async fn turns(house: &House, id: PatientId) -> Vec<String> {
    let mut tx = house.app.store.read().await.unwrap();
    let message = messages::at_minutes(&mut tx, &[id], at(0, 0)).await.unwrap()[0].id;
    let turns = story::of(&mut tx, &[message.0]).await.unwrap();
    turns.into_iter().map(|turn| turn.state).collect()
}

on_both!(f82_an_appointment_without_a_receipt_goes_over_the_next_channel, async |house: House| {
    let id = both(&house, visit()).await;
    house.sandbox.faults().add(silent());
    house.play_until(at(20, 0)).await;
    // The template may wait an hour, a receipt a minute more.
    assert_eq!(accepted(&house), [(Channel::Whatsapp, 720), (Channel::Twilio, 781)]);
    assert_eq!(house.story_of(id).await[0].0, "sent");
    assert_eq!(turns(&house, id).await, ["queued"], "nothing is known to be doubled");
});

on_both!(f82_a_receipt_stops_the_timer, async |house: House| {
    let id = both(&house, visit()).await;
    house.play_until(at(20, 0)).await;
    assert_eq!(accepted(&house), [(Channel::Whatsapp, 720)]);
    assert_eq!(house.story_of(id).await[0].0, "sent");
});

on_both!(f82_a_receipt_after_the_fallback_tells_of_a_double, async |house: House| {
    let id = both(&house, visit()).await;
    let late = CallbackFault::DelayedMs(90 * 60_000);
    house.sandbox.faults().add(Rule::once(Fault::Callbacks(late)).on(Channel::Whatsapp));
    house.play_until(at(20, 0)).await;
    assert_eq!(accepted(&house), [(Channel::Whatsapp, 720), (Channel::Twilio, 781)]);
    assert_eq!(house.story_of(id).await[0].0, "sent");
    assert_eq!(turns(&house, id).await, ["queued", "doubled"]);
});

on_both!(f82_what_a_provider_took_is_sent_however_the_fallback_ends, async |house: House| {
    let id = both(&house, visit()).await;
    house.sandbox.faults().add(silent());
    let refuse = AnswerFault::Refuse { status: 400, code: Some("21610".into()), retry_after: None };
    house.sandbox.faults().add(Rule::always(Fault::Answer(refuse)).on(Channel::Twilio));
    house.play_until(at(20, 0)).await;
    assert_eq!(accepted(&house), [(Channel::Whatsapp, 720)]);
    assert_eq!(house.story_of(id).await, [("sent", "accepted".to_owned())]);
});

on_both!(
    f82_what_a_provider_took_is_sent_when_the_patient_pauses_meanwhile,
    async |house: House| {
        let id = both(&house, visit()).await;
        house.sandbox.faults().add(silent());
        house.play_until(at(12, 30)).await;
        house.status(id, PatientStatus::Paused).await;
        house.play_until(at(20, 0)).await;
        assert_eq!(accepted(&house), [(Channel::Whatsapp, 720)]);
        assert_eq!(house.story_of(id).await, [("sent", "accepted".to_owned())]);
    }
);

on_both!(f82_an_unknown_attempt_never_starts_the_timer, async |house: House| {
    let id = both(&house, visit()).await;
    house.sandbox.faults().add(silent());
    let lost = Fault::Answer(AnswerFault::Drop);
    house.sandbox.faults().add(Rule::always(lost).on(Channel::Whatsapp));
    house.play_until(at(20, 0)).await;
    let whatsapp = |minute| (Channel::Whatsapp, minute);
    assert_eq!(accepted(&house), [whatsapp(720), whatsapp(730)], "the class's one repeat");
    assert_eq!(house.story_of(id).await[0].0, "unknown");
});

on_both!(f82_what_was_repeated_without_a_receipt_is_not_said_a_third_time, async |house: House| {
    let id = both(&house, doing(ActivityKind::Measurement, "m", &["10:00"])).await;
    house.sandbox.faults().add(silent());
    let lost = Fault::Answer(AnswerFault::Drop);
    house.sandbox.faults().add(Rule::once(lost).on(Channel::Whatsapp));
    house.play_until(at(20, 0)).await;
    let whatsapp = |minute| (Channel::Whatsapp, minute);
    assert_eq!(accepted(&house), [whatsapp(600), whatsapp(610)], "the first may have arrived");
    assert_eq!(house.story_of(id).await, [("sent", "accepted".to_owned())]);
});

on_both!(f82_a_dose_falls_back_only_where_the_programme_says_so, async |mut house: House| {
    let id = both(&house, medicine("a", &["08:00"])).await;
    house.sandbox.faults().add(silent());
    house.play_until(at(12, 0)).await;
    assert_eq!(accepted(&house), [(Channel::Whatsapp, 480)]);
    let text = "title = \"General\"\ndose_fallback = \"allowed\"\n";
    house.schedules(&[("programmes/general/programme.toml", text)]);
    house.play_until(at(36, 0)).await;
    let next_day = 24 * 60 + 480;
    let sent = accepted(&house);
    assert_eq!(sent[1..], [(Channel::Whatsapp, next_day), (Channel::Twilio, next_day + 61)]);
    assert!(house.story_of(id).await.iter().all(|(state, _)| *state == "sent"));
});

on_both!(f82_education_and_what_tells_of_no_delivery_stay, async |house: House| {
    both(&house, doing(ActivityKind::Education, "e", &["10:00"])).await;
    let contacts = [(Email, MAIL), (Sms, "+351912345002")];
    let mailed = house.patient(person("m", "Europe/Lisbon", &contacts)).await;
    house.activity(mailed, visit()).await;
    house.sandbox.faults().add(silent());
    house.play_until(at(20, 0)).await;
    assert_eq!(accepted(&house), [(Channel::Whatsapp, 600), (Channel::Email, 720)]);
});
