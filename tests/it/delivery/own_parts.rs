//! Messages cut by us into several of their own: each part is a request, and none that was taken is sent again.

use crate::channel::gateway::configured;
use crate::channel::stub::{self, Stub};
use crate::house::{House, On, at, doing, medicine, person, planned};
use carebell::care::ChannelKind::Sms;
use carebell::care::ids::PatientId;
use carebell::care::{Activity, ActivityKind};
use carebell::crash::Trap;
use carebell::store::{attempts, messages};
use std::sync::atomic::{AtomicUsize, Ordering};

const TAKEN: &str = "200 OK";
const FIRST: (&str, &str) = (TAKEN, r#"{"id":"P1"}"#);
const SECOND: (&str, &str) = (TAKEN, r#"{"id":"P2"}"#);
const BUSY: (&str, &str) = (TAKEN, r#"{"error":"busy"}"#);
const OOPS: (&str, &str) = ("500 Oops", "");

/// A gateway that says this of second parts, one after the other, and takes whatever else comes.
async fn gateway(seconds: Vec<(&'static str, &'static str)>) -> Stub {
    let asked = AtomicUsize::new(0);
    stub::answering(move |request| {
        if is_part(request, 1) {
            return FIRST;
        }
        seconds.get(asked.fetch_add(1, Ordering::SeqCst)).copied().unwrap_or(SECOND)
    })
    .await
}

fn fields(request: &str) -> std::collections::BTreeMap<String, String> {
    let form = request.split_once("\r\n\r\n").unwrap().1;
    form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

fn is_part(request: &str, number: usize) -> bool {
    fields(request)["text"].starts_with(&format!("({number}/2) "))
}

/// Which parts were asked for, in order.
fn asked(stub: &Stub) -> Vec<usize> {
    let number = |request: &String| fields(request)["text"][1..2].parse().unwrap();
    stub.heard().iter().map(number).collect()
}

/// A house with one patient, who is told of this over the gateway in Hindi: two parts.
async fn house(on: On, stub: &Stub, activity: Activity) -> Option<(House, PatientId)> {
    let toml = format!(
        "[channels.own]\nkind = \"http\"\nbase_url = \"{}\"\nparts = \"own\"\nsegments_per_second = 1000\n\
         secrets.webhook = \"hook\"\ncodes = {{ busy = \"retry\" }}\n\
         request = {{ form = {{ to = \"{{{{ to }}}}\", text = \"{{{{ text }}}}\", cb = \"{{{{ callback }}}}\" }} }}\n\
         answer = {{ id = \"json:/id\", code = \"json:/error\" }}\n\
         receipts = {{ id = \"query.id\", status = \"query.s\" }}\ncallbacks.path_secrets = [\"webhook\"]\n",
        stub.url()
    );
    let house = House::with_channels(on, 5_000, |channels| *channels = configured(&toml).channels);
    let house = house.await?;
    let mut patient = person("p", "Europe/Lisbon", &[(Sms, "+351912345001")]);
    patient.language = "hi".to_owned();
    let id = house.patient(patient).await;
    house.activity(id, activity).await;
    Some((house, id))
}

/// The states of the attempts for what was due at eight.
async fn states(house: &House, id: PatientId) -> Vec<&'static str> {
    let mut tx = house.app.store.read().await.unwrap();
    let message = messages::at_minutes(&mut tx, &[id], at(8, 0)).await.unwrap()[0].id;
    let all = attempts::of_messages(&mut tx, &[message]).await.unwrap();
    all.into_iter().map(|attempt| attempt.state.word()).collect()
}

/// A receipt as the gateway was asked for it by the `nth` request, or without our id.
async fn told(house: &House, stub: &Stub, nth: Option<usize>, said: &str) {
    let callback = fields(&stub.heard()[nth.unwrap_or(0)])["cb"].clone();
    let url = match nth {
        Some(_) => format!("{callback}&{said}"),
        None => format!("{}?{said}", callback.split('?').next().unwrap()),
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
    house.settle().await;
}

async fn a_refused_part(on: On) {
    let stub = gateway(vec![BUSY, BUSY]).await;
    let Some((house, id)) = house(on, &stub, medicine("a", &["08:00"])).await else { return };
    house.play_until(at(8, 0)).await;
    assert_eq!((asked(&stub), states(&house, id).await), (vec![1, 2], vec!["refused"]));
    // Half a message has arrived: that is no message.
    told(&house, &stub, Some(0), "id=P1&s=delivered").await;
    assert_eq!(states(&house, id).await, ["refused"]);
    house.play_until(at(8, 30)).await;
    assert_eq!(asked(&stub), [1, 2, 2, 2], "what was taken is not sent again");
    assert_eq!(states(&house, id).await, ["refused", "refused", "accepted"]);
    told(&house, &stub, None, "id=P2&s=sent").await;
    assert_eq!(states(&house, id).await, ["refused", "refused", "sent"]);
    told(&house, &stub, None, "id=P2&s=delivered").await;
    assert_eq!(states(&house, id).await, ["refused", "refused", "delivered"]);
    assert_eq!(house.story_of(id).await[0].0, "sent");
}

/// The first part's receipt comes last, and belongs to another attempt.
async fn a_late_receipt(on: On) {
    let stub = gateway(vec![BUSY]).await;
    let Some((house, id)) = house(on, &stub, medicine("a", &["08:00"])).await else { return };
    house.play_until(at(8, 30)).await;
    assert_eq!(
        (asked(&stub), states(&house, id).await),
        (vec![1, 2, 2], vec!["refused", "accepted"])
    );
    told(&house, &stub, Some(2), "id=P2&s=delivered").await;
    assert_eq!(states(&house, id).await, ["refused", "accepted"]);
    told(&house, &stub, Some(0), "id=P1&s=delivered").await;
    assert_eq!(states(&house, id).await, ["refused", "delivered"]);
}

/// A part that its provider gave up is missing: what goes on goes on without it.
async fn a_failed_part(on: On) {
    let stub = gateway(vec![BUSY]).await;
    let Some((house, id)) = house(on, &stub, medicine("a", &["08:00"])).await else { return };
    house.play_until(at(8, 0)).await;
    assert_eq!((asked(&stub), states(&house, id).await), (vec![1, 2], vec!["refused"]));
    told(&house, &stub, Some(0), "id=P1&s=failed").await;
    assert_eq!(states(&house, id).await, ["failed"], "half a message that failed has failed");
    house.play_until(at(8, 30)).await;
    assert_eq!(asked(&stub), [1, 2, 1, 2]);
    assert_eq!(states(&house, id).await, ["failed", "accepted"]);
}

async fn an_unknown_part(on: On) {
    let stub = gateway(vec![OOPS]).await;
    let Some((house, id)) = house(on, &stub, medicine("a", &["08:00"])).await else { return };
    house.play_until(at(20, 0)).await;
    assert_eq!(asked(&stub), [1, 2], "a dose is never said again blindly");
    assert_eq!(house.story_of(id).await, [("unknown", "stays-unknown".to_owned())]);
    told(&house, &stub, Some(0), "id=P1&s=delivered").await;
    assert_eq!(states(&house, id).await, ["unknown"], "of the other part nothing is known");
    told(&house, &stub, Some(1), "id=X2&s=delivered").await;
    assert_eq!(states(&house, id).await, ["delivered"]);
    assert_eq!(house.story_of(id).await[0].0, "sent");
}

async fn a_repeat(on: On) {
    let stub = gateway(vec![OOPS]).await;
    let reading = doing(ActivityKind::Measurement, "m", &["08:00"]);
    let Some((house, id)) = house(on, &stub, reading).await else { return };
    house.play_until(at(20, 0)).await;
    assert_eq!(asked(&stub), [1, 2, 2], "only what may be missing is said again");
    assert_eq!(states(&house, id).await, ["unknown", "accepted"]);
}

/// The daemon dies at a place behind the first part; what is then said again begins with the `expected` one.
async fn a_crash(on: On, place: &'static str, expected: usize) {
    let stub = gateway(Vec::new()).await;
    let reading = doing(ActivityKind::Measurement, "m", &["08:00"]);
    let Some((mut house, id)) = house(on, &stub, reading).await else { return };
    house.play_until(planned()).await;
    house.clock.set(at(8, 0));
    let trap = Trap::default();
    let daemon = trap.run(async { house.daemon() }).await.unwrap();
    trap.arm(place, if place == "answered" { 1 } else { 2 });
    while !trap.has_fallen() {
        if let Some(stepped) = trap.run(daemon.step()).await {
            stepped.unwrap();
        }
        tokio::task::yield_now().await;
    }
    drop(daemon);
    assert_eq!(asked(&stub), [1]);
    house.damage("UPDATE attempts SET lease_until_ms = 0 WHERE state = 'intent'").await;
    house.restart();
    house.daemon.recover().await.unwrap();
    house.play_until(at(20, 0)).await;
    let again = asked(&stub).split_off(1);
    assert!(again.iter().copied().eq(expected..=*again.last().unwrap()), "{place}: {again:?}");
    assert!(again.len() > 2 - expected, "{place}: {again:?}");
    assert_eq!(states(&house, id).await, ["unknown", "accepted"]);
}

macro_rules! both {
    ($name:ident, $body:expr) => {
        mod $name {
            use super::*;
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                ($body)(On::Sqlite).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn p11_on_postgres() {
                ($body)(On::Postgres).await;
            }
        }
    };
}

both!(p1_p8_after_a_refused_part_only_what_is_missing_is_sent, a_refused_part);
both!(p8_a_receipt_counts_for_the_attempt_that_went_on, a_late_receipt);
both!(p1_p8_a_part_that_failed_is_sent_again, a_failed_part);
both!(p4_a_dose_of_which_a_part_is_unknown_stays_unknown, an_unknown_part);
both!(p1_p4_a_repeat_is_of_the_unknown_part_alone, a_repeat);
both!(p1_p3_a_part_on_record_survives_a_crash, async |on| a_crash(on, "before-send", 2).await);
// The answer to it was lost with the daemon: it is unknown, and said once more with the rest.
both!(p4_a_part_that_is_not_on_record_is_unknown, async |on| a_crash(on, "answered", 1).await);
