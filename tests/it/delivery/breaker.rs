//! A provider in trouble: the breaker keeps what waits unsent and known (design.md section 6). The oracle is the
//! stand-in's ledger.

use crate::house::{House, On, at, medicine, on_both, person, planned};
use carebell::care::ChannelKind::{Sms, Whatsapp};
use carebell::care::hold::Scope;
use carebell::sandbox::{AnswerFault, Channel, Fault, Rule};

/// A patient for each minute from eight on.
const HERD: i64 = 40;

fn phone(minute: i64) -> String {
    format!("+3519123450{minute:02}")
}

async fn states(house: &House, ids: &[carebell::care::ids::PatientId]) -> Vec<&'static str> {
    let mut states = Vec::new();
    for id in ids {
        states.extend(house.story_of(*id).await.iter().map(|(state, _)| *state));
    }
    states
}

on_both!(
    p4_a_broken_provider_costs_a_few_unknown_outcomes_and_the_others_wait,
    async |house: House| {
        let mut ids = Vec::new();
        for minute in 0..HERD {
            let id = house
                .patient(person(&format!("p{minute}"), "Europe/Lisbon", &[(Sms, &phone(minute))]))
                .await;
            house.activity(id, medicine("a", &[&format!("08:{minute:02}")])).await;
            ids.push(id);
        }
        house.play_until(planned()).await;
        let broken =
            Rule { channel: Some(Channel::Twilio), ..Rule::always(Fault::DropBeforeReading) };
        house.sandbox.faults().add(broken);
        house.play_until(at(8, 7)).await;
        let holds = house.daemon.deliverer().holds();
        assert!(holds.iter().any(|h| h.scope == Scope::Rest("twilio".to_owned())), "{holds:?}");
        assert_eq!(house.tasks().await.get("channel"), Some(&1), "nobody is told");
        house.play_until(at(9, 0)).await;
        let known = states(&house, &ids).await;
        let unknown = known.iter().filter(|state| **state == "unknown").count();
        // Five to open it, then one for each rest of half a minute to four.
        assert!((5..=21).contains(&unknown), "{known:?}");
        assert_eq!(known.iter().filter(|state| **state == "queued").count(), 40 - unknown);
        house.sandbox.faults().clear();
        house.play_until(at(9, 6)).await;
        let known = states(&house, &ids).await;
        assert_eq!(known.iter().filter(|state| **state == "sent").count(), 40 - unknown);
        for minute in 0..HERD {
            assert!(house.accepted(&phone(minute)).len() <= 1, "twice at 08:{minute:02}");
        }
        assert_eq!(house.tasks().await.get("channel"), None, "it works again");
    }
);

on_both!(f03_a_slow_provider_does_not_hold_up_the_others, async |house: House| {
    for n in 0..80 {
        let number = format!("+35191234{n:04}");
        let id = house.patient(person(&number, "Europe/Lisbon", &[(Sms, &number)])).await;
        house.activity(id, medicine("a", &["08:00"])).await;
    }
    let number = "+351912349999";
    let id = house.patient(person(number, "Europe/Lisbon", &[(Whatsapp, number)])).await;
    house.activity(id, medicine("a", &["08:01"])).await;
    house.play_until(planned()).await;
    let slow = Rule::always(Fault::Answer(AnswerFault::Hold)).on(Channel::Twilio);
    house.sandbox.faults().add(slow);
    house.clock.set(at(8, 0));
    // More text messages are due than there are permits, and none is answered.
    for _ in 0..20 {
        house.daemon.step().await.unwrap();
    }
    let waiting = house.daemon.deliverer().in_flight();
    house.clock.set(at(8, 1));
    while house.accepted(number).is_empty() {
        house.daemon.step().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(house.daemon.deliverer().in_flight() >= waiting, "it went only after them");
    house.sandbox.release();
    house.sandbox.faults().clear();
    house.settle().await;
});
