//! Mail in a whole house: what goes out, who leaves, what comes back.

use crate::house::{House, On, at, medicine, on_both, person, planned};
use carebell::care::ids::PatientId;
use carebell::care::{ChannelKind, Patient};
use carebell::security::Purpose;

const ADDRESS: &str = "amina@example.net";

fn reader(key: &str) -> Patient {
    person(key, "UTC", &[(ChannelKind::Email, ADDRESS)])
}

/// A house with a patient who has had the dose of 08:00 by mail; 20:00 is to come.
async fn told(house: &House, patient: Patient) -> PatientId {
    let id = house.patient(patient).await;
    house.activity(id, medicine("a", &["08:00", "20:00"])).await;
    house.play_until(at(8, 5)).await;
    assert_eq!(house.accepted(ADDRESS), [480]);
    id
}

/// The link at the end of the last mail.
fn link(house: &House) -> String {
    let entries = house.sandbox.ledger().entries();
    let body = entries.last().unwrap().message.body.clone().unwrap();
    let (_, url) = body.rsplit_once(": ").unwrap();
    url.trim().to_owned()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

on_both!(p6_one_click_stops_what_is_queued, async |house: House| {
    let patient = told(&house, reader("a")).await;
    let url = link(&house);
    assert!(url.starts_with("http://127.0.0.1:") && url.contains("/u/"), "{url}");
    let asked = client().get(&url).send().await.unwrap();
    assert_eq!(asked.status(), 200);
    let page = asked.text().await.unwrap();
    assert!(page.contains("lang=\"en\"") && page.contains("<form method=\"post\">"), "{page}");
    house.settle().await;
    assert!(house.story_of(patient).await.iter().all(|(_, reason)| reason != "ConsentRefused"));
    let mut request = client().post(&url);
    request = request.form(&[("List-Unsubscribe", "One-Click")]);
    let left = request.send().await.unwrap();
    assert_eq!(left.status(), 200, "at once, and no redirect");
    assert!(!left.text().await.unwrap().contains("<form"));
    // The mail program of the patient asks once more.
    assert_eq!(client().post(&url).send().await.unwrap().status(), 200);
    let mut tx = house.app.store.read().await.unwrap();
    let replies = carebell::store::inbound::count_replies(&mut tx).await.unwrap();
    drop(tx);
    assert_eq!(replies, [("stop".to_owned(), 1)]);
    house.play_until(at(20, 5)).await;
    assert_eq!(house.accepted(ADDRESS), [480], "and no confirmation by mail");
    let story = house.story_of(patient).await;
    assert_eq!(story.last().unwrap().0, "blocked", "{story:?}");
});

on_both!(p6_a_token_ends_its_own_programme_only, async |house: House| {
    let patient = told(&house, reader("a")).await;
    let url = link(&house);
    let (base, _) = url.rsplit_once('/').unwrap();
    let tokens = house.app.store.keys().tokens().clone();
    let of = |purpose| format!("{base}/{}", tokens.sign(purpose, patient.0));
    for wrong in [format!("{base}/aaaa"), of(Purpose::Reply), of(Purpose::Bounce)] {
        assert_eq!(client().post(&wrong).send().await.unwrap().status(), 404);
        assert_eq!(client().get(&wrong).send().await.unwrap().status(), 404);
    }
    let rowan = of(Purpose::Unsubscribe { programme: "rowan" });
    assert_eq!(client().post(&rowan).send().await.unwrap().status(), 200);
    assert_eq!(house.tasks().await.get("reply"), Some(&1), "a person asks what was meant");
    house.play_until(at(20, 5)).await;
    assert_eq!(house.accepted(ADDRESS), [480, 1_200]);
});

on_both!(the_page_speaks_the_patients_language, async |house: House| {
    told(&house, Patient { language: "ar".to_owned(), ..reader("a") }).await;
    let page = client().get(link(&house)).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("dir=\"rtl\"") && page.contains("إيقاف هذه الرسائل"), "{page}");
    assert!(!page.contains("canary"));
});

on_both!(p10_a_mail_holds_nothing_of_what_it_announces, async |house: House| {
    house.clock.set(planned());
    told(&house, reader("a")).await;
    let entries = house.sandbox.ledger().entries();
    let mail = &entries.last().unwrap().message;
    assert!(!format!("{mail:?}").contains("canary"), "{mail:?}");
});
