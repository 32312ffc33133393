//! SMS gateways that are configured, not programmed: a reminder from plan to receipt and reply, and one that carries
//! for another.

use crate::channel::gateway::configured;
use crate::channel::stub::{self, Stub, answer};
use crate::house::{House, On, at, medicine, person};
use carebell::care::ChannelKind::Sms;
use carebell::care::UtcMs;
use carebell::care::hold::{Hold, Scope};
use carebell::clock::Clock as _;
use carebell::store::{attempts, holds, messages};

const LISBON: &str = "+351912345001";
const NAIROBI: &str = "+254700000001";

/// Kannel takes everything and tells no id.
async fn kannel() -> Stub {
    stub::http(answer("202 Accepted", "", "0: Accepted for delivery")).await
}

/// Two gateways: one for Portugal, which goes first, and one for every country.
async fn house(on: On, near: &Stub, far: &Stub) -> Option<House> {
    let of = |name: &str, stub: &Stub, more: &str| {
        format!(
            "[channels.{name}]\nkind = \"http\"\npreset = \"kannel\"\nbase_url = \"{}\"\nusername = \"c\"\n\
             segments_per_second = 1000\nsecrets = {{ password = \"p\", webhook = \"hook-{name}\" }}\n{more}\n",
            stub.url()
        )
    };
    let toml = of(
        "near",
        near,
        "rank = 1\nprefixes = [\"+351\"]\ncallbacks.answer = \"ACK\"\ncallbacks.content_type = \"text/x-ack\"\n",
    ) + &of("far", far, "rank = 2");
    House::with_channels(on, 5_000, |channels| *channels = configured(&toml).channels).await
}

/// Parameters of what a gateway was asked.
fn asked(request: &str) -> std::collections::BTreeMap<String, String> {
    let query = request.split(['?', ' ']).nth(2).unwrap();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

async fn refused(url: &str) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().status().as_u16()
}

/// Status, type and body of what is answered.
async fn get(url: &str) -> (u16, String, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).send().await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), kind, answer.text().await.unwrap())
}

/// The state of the only attempt for a patient's dose.
async fn attempt(
    house: &House,
    id: carebell::care::ids::PatientId,
    due: UtcMs,
) -> (String, String) {
    let mut tx = house.app.store.read().await.unwrap();
    let message = messages::at_minutes(&mut tx, &[id], due).await.unwrap()[0].id;
    let mut all = attempts::of_messages(&mut tx, &[message]).await.unwrap();
    assert_eq!(all.len(), 1);
    let only = all.remove(0);
    (only.channel, only.state.word().to_owned())
}

async fn from_plan_to_receipt_and_reply(on: On) {
    let (near, far) = (kannel().await, kannel().await);
    let Some(house) = house(on, &near, &far).await else { return };
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, LISBON)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(8, 0)).await;
    assert_eq!(attempt(&house, id, at(8, 0)).await, ("near".to_owned(), "accepted".to_owned()));
    let heard = near.heard();
    let fields = asked(&heard[0]);
    assert_eq!((fields["to"].as_str(), heard.len()), (LISBON, 1));

    // The gateway calls as it was asked to: taken by the centre, then delivered, each twice and out of order.
    let wanted = (200, "text/x-ack".to_owned(), "ACK".to_owned());
    let call = |status: &str| {
        let url =
            fields["dlr-url"].replace("%d", status).replace("%A", "ACK%2F").replace("%F", "m1");
        async move { get(&url).await }
    };
    for status in ["1", "8", "1", "8"] {
        assert_eq!(call(status).await, wanted);
        house.settle().await;
    }
    assert_eq!(attempt(&house, id, at(8, 0)).await.1, "delivered");
    // Who does not know the secret is not heard.
    let secretless = fields["dlr-url"].replace("hook-near", "hook-far").replace("%d", "2");
    assert_eq!(refused(&secretless).await, 403);

    let inbound = fields["dlr-url"].split("/status").next().unwrap().to_owned() + "/inbound";
    let reply =
        format!("{inbound}?id=r1&from={}&to=123&text=STOP&time=2026-11-23+09:00:00", &LISBON[1..]);
    for _ in 0..2 {
        assert_eq!(get(&reply).await, wanted);
    }
    house.play_until(at(24 + 9, 0)).await;
    let texts: Vec<String> =
        near.heard().iter().map(|request| asked(request)["text"].clone()).collect();
    assert_eq!(
        texts.len(),
        2,
        "the reminder, one confirmation of the STOP, and nothing more: {texts:?}"
    );
    assert_eq!(house.story_of(id).await.last().unwrap().0, "blocked");
    assert!(far.heard().is_empty());
}

async fn one_carries_for_another(on: On) {
    let (near, far) = (kannel().await, kannel().await);
    let Some(house) = house(on, &near, &far).await else { return };
    let here = house.patient(person("p", "Europe/Lisbon", &[(Sms, LISBON)])).await;
    let there = house.patient(person("q", "Europe/Lisbon", &[(Sms, NAIROBI)])).await;
    for id in [here, there] {
        house.activity(id, medicine("a", &["08:00"])).await;
    }
    house.play_until(at(8, 0)).await;
    assert_eq!(attempt(&house, here, at(8, 0)).await.0, "near");
    assert_eq!(
        attempt(&house, there, at(8, 0)).await.0,
        "far",
        "the first serves one country only"
    );
    let pause = Hold {
        scope: Scope::Channel("near".to_owned()),
        until: None,
        actor: "operator".to_owned(),
        because: "out of credit".to_owned(),
        at: house.clock.now(),
    };
    let mut tx = house.app.store.write().await.unwrap();
    holds::set(&mut tx, &pause).await.unwrap();
    tx.commit().await.unwrap();
    house.play_until(at(24 + 8, 0)).await;
    for id in [here, there] {
        assert_eq!(attempt(&house, id, at(24 + 8, 0)).await.0, "far");
    }
    assert_eq!((near.heard().len(), far.heard().len()), (1, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_a_gateway_carries_from_plan_to_receipt_and_reply_on_sqlite() {
    from_plan_to_receipt_and_reply(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_p11_a_gateway_carries_from_plan_to_receipt_and_reply_on_postgres() {
    from_plan_to_receipt_and_reply(On::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_carries_for_another_that_is_paused_on_sqlite() {
    one_carries_for_another(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_a_gateway_carries_for_another_that_is_paused_on_postgres() {
    one_carries_for_another(On::Postgres).await;
}
