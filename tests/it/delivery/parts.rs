//! Messages of several parts, of which the provider tells one by one (P8).

use crate::channel::gateway::configured;
use crate::channel::stub::{self, answer};
use crate::house::{House, On, at, medicine, on_both, person};
use carebell::care::ChannelKind::Sms;
use carebell::care::ReceiptStatus::{self, Accepted, Delivered, Failed, Read, Sent};
use carebell::channel::Action;
use carebell::deliver::evidence::{Evidence, apply};
use carebell::sandbox::{CallbackFault, Fault, Rule};
use carebell::store::parts::{self, PartRow};
use carebell::store::{attempts, messages};
use std::sync::{Arc, Mutex};

/// Receipts of parts, and the state of the attempt when all of them are in.
const CASES: [(&[(i64, ReceiptStatus)], &str); 6] = [
    (&[(1, Delivered)], "accepted"),
    (&[(1, Delivered), (2, Delivered)], "delivered"),
    (&[(1, Delivered), (2, Sent)], "sent"),
    (&[(1, Failed), (2, Delivered)], "failed"),
    (&[(1, Read), (2, Sent), (2, Delivered)], "delivered"),
    // The provider corrects itself.
    (&[(1, Failed), (1, Delivered), (2, Read)], "delivered"),
];

fn orders<T: Copy>(of: &[T]) -> Vec<Vec<T>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, first) in of.iter().enumerate() {
        let rest = [&of[..at], &of[at + 1..]].concat();
        all.extend(orders(&rest).into_iter().map(|order| [vec![*first], order].concat()));
    }
    all
}

on_both!(p8_parts_make_one_state_in_every_order, async |house: House| {
    house.sandbox.faults().add(Rule::always(Fault::Callbacks(CallbackFault::Off)));
    let cases: Vec<_> = CASES
        .iter()
        .flat_map(|(facts, end)| orders(facts).into_iter().map(move |order| (order, end)))
        .collect();
    assert_eq!(cases.len(), 1 + 2 + 2 + 2 + 6 + 6);
    let mut ids = Vec::new();
    for number in 0..cases.len() {
        let phone = format!("+3519123450{number:02}");
        let id = house.patient(person(&phone, "Europe/Lisbon", &[(Sms, &phone)])).await;
        house.activity(id, medicine("a", &["08:00"])).await;
        ids.push(id);
    }
    house.play_until(at(8, 0)).await;
    for (id, (order, end)) in ids.into_iter().zip(cases) {
        let mut tx = house.app.store.write().await.unwrap();
        let message = messages::at_minutes(&mut tx, &[id], at(8, 0)).await.unwrap()[0].id;
        let attempt = attempts::of_messages(&mut tx, &[message]).await.unwrap().remove(0);
        let name = |part: i64| format!("{}-{part}", attempt.id);
        let rows: Vec<PartRow> = (1..=2)
            .map(|part| PartRow {
                attempt: attempt.id,
                part,
                channel: attempt.channel.clone(),
                provider_id: name(part),
                state: Accepted,
            })
            .collect();
        parts::put(&mut tx, &rows).await.unwrap();
        for (part, status) in &order {
            let error = (*status == Failed).then(|| ("30007".to_owned(), Action::NextChannel));
            let fact = Evidence::receipt(attempt.id, *status, error, name(*part));
            apply(house.daemon.deliverer().deps(), &mut tx, &[fact], at(8, 1)).await.unwrap();
        }
        let attempt = attempts::read(&mut tx, &[attempt.id]).await.unwrap().remove(0);
        tx.commit().await.unwrap();
        assert_eq!(attempt.state.word(), *end, "{order:?}");
    }
});

/// A gateway that names two parts of one message.
async fn told_by_parts(on: On) {
    let two = r#"{"messages":[{"status":"0","message-id":"V1"},{"status":"0","message-id":"V2"}]}"#;
    let stub = stub::http(answer("200 OK", "", two)).await;
    let toml = format!(
        "[channels.uk]\nkind = \"http\"\npreset = \"vonage\"\nbase_url = \"{}\"\nfrom = \"CLINIC\"\n\
         secrets = {{ api_secret = \"s\", webhook = \"hook\" }}\n",
        stub.url()
    );
    let house = House::with_channels(on, 5_000, |channels| *channels = configured(&toml).channels);
    let Some(house) = house.await else { return };
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, "+351912345001")])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(8, 0)).await;
    let request = stub.heard().remove(0);
    let form = request.split_once("\r\n\r\n").unwrap().1.to_owned();
    let mut fields = form_urlencoded::parse(form.as_bytes());
    let callback = fields.find(|(name, _)| name == "callback").unwrap().1.into_owned();
    let state = async || {
        let mut tx = house.app.store.read().await.unwrap();
        let message = messages::at_minutes(&mut tx, &[id], at(8, 0)).await.unwrap()[0].id;
        attempts::of_messages(&mut tx, &[message]).await.unwrap().remove(0).state.word()
    };
    assert_eq!(state().await, "accepted");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    // One carries our id, the other is known by its own only.
    let bare = callback.split('?').next().unwrap();
    for (url, expected) in [
        (format!("{callback}&messageId=V1&status=delivered&err-code=0"), "accepted"),
        (format!("{bare}?messageId=V2&status=accepted&err-code=0"), "sent"),
        (format!("{bare}?messageId=V2&status=delivered&err-code=0"), "delivered"),
    ] {
        assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
        house.settle().await;
        assert_eq!(state().await, expected, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_a_message_is_delivered_when_all_its_parts_are_on_sqlite() {
    told_by_parts(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_p11_a_message_is_delivered_when_all_its_parts_are_on_postgres() {
    told_by_parts(On::Postgres).await;
}

/// Receipts of parts that come before the answer that names them: each counts for its own part.
async fn told_before_the_answer(on: On, early: &[&str], expected: &[&str]) {
    let two = r#"{"messages":[{"status":"0","message-id":"V1"},{"status":"0","message-id":"V2"}]}"#;
    let asked = Arc::new(Mutex::new(None));
    let heard = Arc::clone(&asked);
    let (release, released) = std::sync::mpsc::channel();
    let stub = stub::answering(move |request| {
        *heard.lock().unwrap() = Some(request.to_owned());
        tokio::task::block_in_place(|| released.recv()).unwrap();
        ("200 OK", two)
    })
    .await;
    let toml = format!(
        "[channels.uk]\nkind = \"http\"\npreset = \"vonage\"\nbase_url = \"{}\"\nfrom = \"CLINIC\"\n\
         secrets = {{ api_secret = \"s\", webhook = \"hook\" }}\n",
        stub.url()
    );
    let house = House::with_channels(on, 20_000, |channels| *channels = configured(&toml).channels);
    let Some(house) = house.await else { return };
    let mut patient = person("p", "Europe/Lisbon", &[(Sms, "+351912345001")]);
    patient.language = "hi".to_owned();
    let id = house.patient(patient).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.clock.set(at(8, 0));
    while asked.lock().unwrap().is_none() {
        house.daemon.step().await.unwrap();
        tokio::task::yield_now().await;
    }
    let form = asked.lock().unwrap().clone().unwrap();
    let form = form.split_once("\r\n\r\n").unwrap().1.to_owned();
    let mut fields = form_urlencoded::parse(form.as_bytes());
    let callback = fields.find(|(name, _)| name == "callback").unwrap().1.into_owned();
    let state = async || {
        let mut tx = house.app.store.read().await.unwrap();
        let message = messages::at_minutes(&mut tx, &[id], at(8, 0)).await.unwrap()[0].id;
        attempts::of_messages(&mut tx, &[message]).await.unwrap().remove(0).state.word()
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut states = Vec::new();
    let told = async |said: &str| {
        let url = format!("{callback}&{said}&err-code=0");
        assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
        // A send is in flight: the house never comes to rest.
        for _ in 0..8 {
            house.daemon.step().await.unwrap();
        }
    };
    for said in early {
        told(said).await;
        states.push(state().await);
    }
    release.send(()).unwrap();
    house.settle().await;
    states.push(state().await);
    told("messageId=V2&status=delivered").await;
    states.push(state().await);
    assert_eq!(states, expected, "{early:?}");
    let mut tx = house.app.store.read().await.unwrap();
    let message = messages::at_minutes(&mut tx, &[id], at(8, 0)).await.unwrap()[0].id;
    let attempt = attempts::of_messages(&mut tx, &[message]).await.unwrap().remove(0).id;
    let parts = parts::of_attempts(&mut tx, &[attempt]).await.unwrap();
    assert_eq!(parts.iter().map(|p| p.provider_id.as_str()).collect::<Vec<_>>(), ["V1", "V2"]);
}

async fn early_parts(on: On) {
    let (first, second) = ("messageId=V1&status=delivered", "messageId=V2&status=delivered");
    told_before_the_answer(on, &[first], &["accepted", "accepted", "delivered"]).await;
    let both = ["accepted", "delivered", "delivered", "delivered"];
    told_before_the_answer(on, &[first, second], &both).await;
    let failed = "messageId=V1&status=failed";
    told_before_the_answer(on, &[failed], &["failed", "failed", "failed"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn p8_a_part_told_of_before_our_commit_counts_for_itself_on_sqlite() {
    early_parts(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn p8_p11_a_part_told_of_before_our_commit_counts_for_itself_on_postgres() {
    early_parts(On::Postgres).await;
}
