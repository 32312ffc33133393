//! A gateway whose day is used up: it rests until there is room.

use crate::channel::gateway::configured;
use crate::channel::stub::{self, answer};
use crate::house::{House, On, at, medicine, person};
use carebell::care::ChannelKind::{Email, Sms};
use carebell::store::{attempts, holds};

async fn used_up(on: On) {
    let stub = stub::http(answer("202 Accepted", "", "0: Accepted for delivery")).await;
    let toml = format!(
        "[channels.small]\nkind = \"http\"\npreset = \"kannel\"\nbase_url = \"{}\"\nusername = \"c\"\n\
         segments_per_second = 1000\nmessages_per_day = 3\n\
         secrets = {{ password = \"p\", webhook = \"hook\" }}\n",
        stub.url()
    );
    let house = House::with_channels(on, 5_000, |channels| {
        let email = channels.get("email").unwrap().clone();
        *channels = configured(&toml).channels.with("email", email);
    });
    let Some(house) = house.await else { return };
    for number in 0..5 {
        let (phone, mail) = (format!("+35191234500{number}"), format!("p{number}@example.org"));
        let contacts = [(Sms, phone.as_str()), (Email, mail.as_str())];
        let id = house.patient(person(&phone, "Europe/Lisbon", &contacts)).await;
        house.activity(id, medicine("a", &["08:00"])).await;
    }
    house.play_until(at(9, 0)).await;
    assert_eq!(stub.heard().len(), 3, "no more than its contract says");
    assert_eq!(house.sandbox.ledger().entries().len(), 2, "a dose goes round");
    assert_eq!(house.tasks().await.get("channel"), Some(&1));
    let mut tx = house.app.store.read().await.unwrap();
    let (taken, first) = attempts::of_day(&mut tx, "small", at(0, 0)).await.unwrap();
    assert_eq!((taken, first), (3, Some(at(8, 0))));
    let rests = holds::rests(&mut tx, at(9, 0)).await.unwrap();
    assert_eq!(rests, [("small".to_owned(), at(32, 0))]);
    drop(tx);
    // A day later the first have room again, and no more of them than before.
    house.play_until(at(34, 0)).await;
    assert_eq!(stub.heard().len(), 6);
    assert_eq!(house.sandbox.ledger().entries().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_is_used_up_rests_its_channel_on_sqlite() {
    used_up(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_a_day_that_is_used_up_rests_its_channel_on_postgres() {
    used_up(On::Postgres).await;
}
