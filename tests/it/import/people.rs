//! Who people are to an import, and what they agreed to: identity, consent, and what replies and operators decided.

use super::apply::{consent, fhir, order, outcomes, person, reasons, run, sent};
use crate::house::{House, MONDAY, On, on_both};
use carebell::care::PatientStatus;
use carebell::care::time::{DAY_MS, HOUR_MS};
use carebell::import::{Assertion, Body, Document, Mode};
use carebell::store::patients;
use serde_json::json;

on_both!(p6_an_assertion_fills_a_silence_and_a_refusal_stands_against_it, async |house: House| {
    let silent = person("s", &json!({"telecom": [{"system": "sms", "value": "+12025550102"}]}));
    let of_silent = order("n", "08:00:00", &json!({"subject": {"reference": "Patient/s"}}));
    let all = [
        person("p", &json!({})),
        consent("deny"),
        order("m", "08:00:00", &json!({})),
        silent,
        of_silent,
    ];
    let documents: Vec<Document> = all
        .iter()
        .map(|r| Document { source: "a".to_owned(), body: Ok(Body::Fhir(r.to_string())) })
        .collect();
    let assertion = Assertion { basis: "signed at enrolment".to_owned(), at: MONDAY };
    run(&house, documents.into_iter(), Mode::Write, Some(assertion)).await;
    house.play_until(MONDAY.plus_ms(DAY_MS)).await;
    let to: Vec<String> =
        house.sandbox.ledger().entries().iter().map(|e| e.message.to.clone()).collect();
    assert_eq!(to, ["+12025550102"]);
});

on_both!(p6_a_consent_counts_until_it_lapses_and_may_be_put_right, async |house: House| {
    let until = |end: &str| {
        let mut consent = consent("permit");
        consent["provision"]["period"] = json!({"end": end});
        consent
    };
    let order = order("m", "08:00:00", &json!({}));
    fhir(&house, &[person("p", &json!({})), until("2026-11-23"), order]).await;
    house.play_until(MONDAY.plus_ms(2 * DAY_MS)).await;
    assert_eq!(sent(&house), [8.0]);
    assert_eq!(outcomes(&fhir(&house, &[until("2026-11-30")]).await), ["updated"]);
    house.play_until(MONDAY.plus_ms(3 * DAY_MS)).await;
    assert_eq!(sent(&house), [8.0, 56.0]);
});

on_both!(h01_one_identifier_and_another_birth_date_are_not_one_person, async |house: House| {
    fhir(&house, &[person("p", &json!({})), consent("permit")]).await;
    let other = person(
        "p",
        &json!({"birthDate": "1999-01-01", "telecom": [{"system": "sms", "value": "+12025550109"}]}),
    );
    let reports = fhir(&house, &[other, order("m", "08:00:00", &json!({}))]).await;
    assert_eq!(outcomes(&reports), ["review", "review"], "{}", reasons(&reports));
    assert!(!reasons(&reports).contains("1999"), "no health data in a report");
    house.play_until(MONDAY.plus_ms(DAY_MS)).await;
    assert_eq!(sent(&house), [] as [f64; 0]);
    let part = person("p", &json!({"birthDate": "1960"}));
    assert_eq!(outcomes(&fhir(&house, &[part]).await), ["unchanged"], "a part of the date agrees");
});

on_both!(p6_what_people_decided_outlives_an_update_of_the_record, async |house: House| {
    fhir(&house, &[person("p", &json!({})), consent("permit"), order("m", "08:00:00", &json!({}))])
        .await;
    house.play_until(MONDAY.plus_ms(12 * HOUR_MS)).await;
    assert_eq!(sent(&house), [8.0]);
    let mut tx = house.app.store.write().await.unwrap();
    let id = patients::page(&mut tx, None, 9).await.unwrap()[0];
    patients::set_status(&mut tx, id, PatientStatus::Paused, MONDAY).await.unwrap();
    tx.commit().await.unwrap();
    let renamed = person("p", &json!({"name": [{"text": "New Name"}]}));
    assert_eq!(outcomes(&fhir(&house, std::slice::from_ref(&renamed)).await), ["updated"]);
    house.play_until(MONDAY.plus_ms(2 * DAY_MS)).await;
    assert_eq!(sent(&house), [8.0]);
    // The source itself moves the standing.
    let mut gone = renamed.clone();
    gone["deceasedBoolean"] = json!(true);
    fhir(&house, &[gone]).await;
    let back = fhir(&house, &[renamed]).await;
    assert_eq!(outcomes(&back), ["review"], "the dead stay dead: {}", reasons(&back));
    let mut tx = house.app.store.read().await.unwrap();
    let row = &patients::load(&mut tx, house.app.store.keys(), &[id]).await.unwrap()[0];
    assert_eq!(row.status, PatientStatus::Deceased);
});

on_both!(an_address_of_several_people_is_remarked, async |house: House| {
    let reports = fhir(&house, &[person("p", &json!({})), person("q", &json!({}))]).await;
    assert_eq!(reasons(&reports).matches("same address").count(), 2, "{}", reasons(&reports));
    let later = fhir(&house, &[person("r", &json!({}))]).await;
    assert!(reasons(&later).contains("2 other active patients"), "{}", reasons(&later));
});
