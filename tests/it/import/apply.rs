//! Import into the store: outcomes, what patients then get, and that a second import changes nothing.

use super::data;
use crate::house::{House, MONDAY, On, on_both};
use carebell::care::time::{DAY_MS, HOUR_MS};
use carebell::care::{PatientStatus, UtcMs};
use carebell::import::{
    Assertion, Body, Counts, Document, Importer, Mode, Options, Outcome, ResourceReport, documents,
};
use carebell::store::{Tx, patients};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

fn importer(house: &House) -> Importer {
    Importer::new(
        house.app.store.clone(),
        house.clock.clone(),
        house.app.zones.clone(),
        Arc::clone(&house.app.programmes),
        Arc::clone(&house.app.rng),
    )
}

async fn run(
    house: &House,
    documents: impl Iterator<Item = Document> + Send,
    mode: Mode,
    assertion: Option<Assertion>,
) -> (Vec<ResourceReport>, Counts) {
    let programme = house.app.programmes.get("general").unwrap();
    let options = Options { programme, source_system: "clinic".to_owned(), assertion, mode };
    let mut reports = Vec::new();
    let counts = importer(house)
        .import(documents, &options, &mut |report| reports.push(report))
        .await
        .unwrap();
    for outcome in Outcome::ALL {
        let reported = reports.iter().filter(|r| r.outcome == outcome).count() as u64;
        assert_eq!(counts.of(outcome), reported, "the counts are the reports' sum");
    }
    (reports, counts)
}

async fn fhir(house: &House, resources: &[Value]) -> Vec<ResourceReport> {
    let documents = resources.iter().enumerate().map(|(i, resource)| Document {
        source: format!("a.ndjson:{}", i + 1),
        body: Ok(Body::Fhir(resource.to_string())),
    });
    let documents: Vec<Document> = documents.collect();
    run(house, documents.into_iter(), Mode::Write, None).await.0
}

pub(super) async fn csv(house: &House, table: &str) -> Vec<ResourceReport> {
    let document = Document { source: "a.csv".to_owned(), body: Ok(Body::Csv(table.to_owned())) };
    run(house, std::iter::once(document), Mode::Write, None).await.0
}

pub(super) fn outcomes(reports: &[ResourceReport]) -> Vec<&'static str> {
    reports.iter().map(|report| report.outcome.word()).collect()
}

pub(super) fn reasons(reports: &[ResourceReport]) -> String {
    let all = reports.iter().flat_map(|report| report.reasons.iter().map(ToString::to_string));
    all.collect::<Vec<_>>().join("\n")
}

fn person(id: &str, extra: &Value) -> Value {
    let mut patient = json!({"resourceType": "Patient", "id": id,
        "identifier": [{"system": "urn:nhs", "value": id}],
        "birthDate": "1960-05-05",
        "telecom": [{"system": "sms", "value": "+12025550101"}],
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "UTC"}]});
    merge(&mut patient, extra);
    patient
}

fn order(id: &str, time: &str, extra: &Value) -> Value {
    let mut order = json!({"resourceType": "MedicationRequest", "id": id, "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p"}, "authoredOn": "2026-11-01",
        "medicationCodeableConcept": {"text": format!("Drug {id}")},
        "dosageInstruction": [{"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "timeOfDay": [time]}}}]});
    merge(&mut order, extra);
    order
}

fn consent(decision: &str) -> Value {
    json!({"resourceType": "Consent", "id": "c", "status": "active", "patient": {"reference": "Patient/p"},
        "category": [{"coding": [{"system": "x", "code": "y"}]}], "dateTime": "2026-01-01",
        "provision": {"type": decision, "class": [{"code": "Communication"}]}})
}

fn merge(into: &mut Value, extra: &Value) {
    for (key, value) in extra.as_object().unwrap() {
        into[key] = value.clone();
    }
}

/// When each message left, in hours after Monday, to the minute.
fn sent(house: &House) -> Vec<f64> {
    let entries = house.sandbox.ledger().entries();
    entries.iter().map(|e| e.at.minute().since(MONDAY) as f64 / HOUR_MS as f64).collect()
}

async fn text(house: &House, sql: &'static str) -> String {
    let mut tx = house.app.store.read().await.unwrap();
    match &mut tx {
        Tx::Sqlite(tx) => sqlx::query_scalar(sql).fetch_one(&mut **tx).await.unwrap(),
        Tx::Postgres(tx) => sqlx::query_scalar(sql).fetch_one(&mut **tx).await.unwrap(),
    }
}

/// Everything that a write would move.
async fn state(house: &House) -> String {
    let parts: [&'static str; 4] = [
        "SELECT 'patients ' || count(*) || ' ' || sum(revision) || ' ' || sum(expanded_until_ms) || ' ' || \
         coalesce(sum(wake_at_ms), 0) || ' ' || sum(updated_at_ms) FROM patients",
        "SELECT 'activities ' || count(*) || ' ' || coalesce(sum(revision), 0) || ' ' || coalesce(sum(updated_at_ms), 0) FROM activities",
        "SELECT 'plans ' || count(*) || ' ' || coalesce(sum(revision), 0) FROM plans",
        "SELECT 'other ' || (SELECT count(*) FROM source_names) || ' ' || (SELECT count(*) FROM source_marks) || ' ' || \
         (SELECT count(*) FROM consents) || ' ' || (SELECT count(*) FROM contact_points) || ' ' || \
         (SELECT count(*) FROM intake)",
    ];
    let mut all = String::new();
    for part in parts {
        all += &text(house, part).await;
        all.push('\n');
    }
    all
}

const TABLE: &str =
    "patient_id,phone,timezone,consent,consent_at,order_id,type,title,times,start,status\n";

on_both!(
    f10_a_second_import_writes_nothing_and_an_edit_updates_what_it_edits,
    async |house: House| {
        let table = format!(
            "{TABLE}1,+12025550101,UTC,yes,,a,medication,Drug,08:00,2026-11-01,active\n\
         1,,,,,b,appointment,,,2026-11-25T10:00,active\n"
        );
        let first = csv(&house, &table).await;
        assert_eq!(outcomes(&first), ["created"; 3], "{}", reasons(&first));
        let before = state(&house).await;
        house.clock.advance_ms(HOUR_MS);
        assert_eq!(outcomes(&csv(&house, &table).await), ["unchanged"; 3]);
        assert_eq!(state(&house).await, before);
        let edited = csv(&house, &table.replace("08:00,", "09:00,")).await;
        assert_eq!(outcomes(&edited), ["unchanged", "updated", "unchanged"]);
    }
);

on_both!(p1_an_edited_time_moves_what_comes_and_repeats_nothing, async |house: House| {
    let bundle =
        |time: &str| [person("p", &json!({})), order("m", time, &json!({})), consent("permit")];
    fhir(&house, &bundle("08:00:00")).await;
    house.play_until(MONDAY.plus_ms(8 * HOUR_MS + HOUR_MS / 2)).await;
    assert_eq!(
        outcomes(&fhir(&house, &bundle("09:30:00")).await),
        ["unchanged", "updated", "unchanged"]
    );
    house.play_until(MONDAY.plus_ms(2 * DAY_MS)).await;
    assert_eq!(sent(&house), [8.0, 24.0 + 9.5], "Monday's dose was announced at 08:00 already");
});

on_both!(p6_a_stopped_order_sends_nothing_more_and_comes_back_as_it_was, async |house: House| {
    let with = |status: &str| order("m", "08:00:00", &json!({"status": status}));
    fhir(&house, &[person("p", &json!({})), consent("permit"), with("active")]).await;
    house.play_until(MONDAY.plus_ms(12 * HOUR_MS)).await;
    assert_eq!(outcomes(&fhir(&house, &[with("stopped")]).await), ["updated"]);
    house.play_until(MONDAY.plus_ms(2 * DAY_MS + 7 * HOUR_MS)).await;
    assert_eq!(sent(&house), [8.0]);
    fhir(&house, &[with("active")]).await;
    house.play_until(MONDAY.plus_ms(3 * DAY_MS)).await;
    assert_eq!(sent(&house), [8.0, 56.0]);
});

on_both!(p7_a_new_zone_moves_doses_and_appointments_of_the_wall_clock, async |house: House| {
    let table = |zone: &str| {
        format!(
            "{TABLE}1,+12025550101,{zone},yes,2026-01-01,a,medication,Drug,08:00,2026-11-01,active\n\
             1,,,,,b,appointment,,,2026-11-24T10:00,active\n"
        )
    };
    csv(&house, &table("UTC")).await;
    let patient_only = "patient_id,phone,timezone,consent,consent_at\n1,+12025550101,America/New_York,yes,2026-01-01\n";
    assert_eq!(outcomes(&csv(&house, patient_only).await), ["updated"]);
    house.play_until(MONDAY.plus_ms(2 * DAY_MS)).await;
    // 08:00 in New York; the visit's leads: the evening before at 18:00, and two hours before 10:00.
    assert_eq!(sent(&house), [13.0, 23.0, 37.0, 37.0]);
    assert_eq!(outcomes(&csv(&house, &table("America/New_York")).await), ["unchanged"; 3]);
});

on_both!(
    what_names_an_unknown_patient_waits_sealed_until_the_patient_comes,
    async |house: House| {
        let early = fhir(&house, &[order("m", "08:00:00", &json!({})), consent("permit")]).await;
        assert_eq!(outcomes(&early), ["review", "review"]);
        assert!(reasons(&early).contains("not known yet"));
        let before = state_of_intake(&house).await;
        assert_eq!(before, "waiting 2 clear 0");
        fhir(&house, &[order("m", "08:00:00", &json!({}))]).await;
        assert_eq!(state_of_intake(&house).await, before, "what waits is kept once");
        let late = fhir(&house, &[person("p", &json!({}))]).await;
        assert_eq!(outcomes(&late), ["created"]);
        assert_eq!(state_of_intake(&house).await, "waiting 0 clear 0");
        house.play_until(MONDAY.plus_ms(DAY_MS)).await;
        assert_eq!(sent(&house), [8.0]);
    }
);

on_both!(within_one_import_the_order_of_files_does_not_matter, async |house: House| {
    // More than one group apart, so that the order is read and parked before its patient is read.
    let mut resources = vec![order("m", "08:00:00", &json!({}))];
    resources.extend((0..300).map(|n| {
        let identifier = json!({"identifier": [], "telecom": []});
        person(&format!("q{n}"), &identifier)
    }));
    resources.push(person("p", &json!({})));
    let reports = fhir(&house, &resources).await;
    assert_eq!(reports.len(), resources.len());
    assert!(reports.iter().all(|r| r.outcome == Outcome::Created), "{}", reasons(&reports));
});

async fn state_of_intake(house: &House) -> String {
    text(
        house,
        "SELECT 'waiting ' || coalesce(sum(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), 0) || ' clear ' || \
         coalesce(sum(length(payload)), 0) FROM intake",
    )
    .await
}

on_both!(a_deletion_stops_and_erases_nothing, async |house: House| {
    let start = [person("p", &json!({})), consent("permit"), order("m", "08:00:00", &json!({}))];
    fhir(&house, &start).await;
    house.play_until(MONDAY.plus_ms(12 * HOUR_MS)).await;
    let delete = |url: &str| json!({"resourceType": "Bundle", "type": "transaction", "entry": [{"request": {"method": "DELETE", "url": url}}]});
    assert_eq!(outcomes(&fhir(&house, &[delete("MedicationRequest/none")]).await), ["ignored"]);
    assert_eq!(outcomes(&fhir(&house, &[delete("MedicationRequest/m")]).await), ["updated"]);
    assert_eq!(outcomes(&fhir(&house, &[delete("MedicationRequest/m")]).await), ["unchanged"]);
    fhir(&house, &[order("n", "09:00:00", &json!({}))]).await;
    house.play_until(MONDAY.plus_ms(DAY_MS + 12 * HOUR_MS)).await;
    assert_eq!(sent(&house), [8.0, 33.0]);
    fhir(&house, &[delete("Patient/p")]).await;
    house.play_until(MONDAY.plus_ms(3 * DAY_MS)).await;
    assert_eq!(sent(&house), [8.0, 33.0]);
    assert_eq!(outcomes(&fhir(&house, &start).await), ["updated", "unchanged", "updated"]);
    house.play_until(MONDAY.plus_ms(3 * DAY_MS + 12 * HOUR_MS)).await;
    assert_eq!(sent(&house), [8.0, 33.0, 80.0, 81.0]);
});

on_both!(an_older_version_changes_nothing, async |house: House| {
    let version = |at: &str, number: &str, time: &str| {
        order("m", time, &json!({"meta": {"versionId": number, "lastUpdated": at}}))
    };
    let (old, new) = ("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z");
    fhir(&house, &[person("p", &json!({})), version(new, "2", "08:00:00")]).await;
    let stale = fhir(&house, &[version(old, "1", "21:00:00")]).await;
    assert_eq!(
        (outcomes(&stale), reasons(&stale).contains("older version")),
        (vec!["ignored"], true)
    );
    let same = fhir(&house, &[version("2026-11-03T00:00:00Z", "3", "08:00:00")]).await;
    assert_eq!(outcomes(&same), ["unchanged"]);
    let between = fhir(&house, &[version("2026-11-02T12:00:00Z", "2", "21:00:00")]).await;
    assert_eq!(outcomes(&between), ["ignored"], "the version of an unchanged resource counts too");
});

on_both!(p1_a_second_order_of_one_medicine_waits_until_the_first_ends, async |house: House| {
    let drug = json!({"text": "Metformin"});
    let of = |id: &str, time: &str, status: &str, end: Option<&str>| {
        let mut order =
            order(id, time, &json!({"medicationCodeableConcept": drug, "status": status}));
        if let Some(end) = end {
            order["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] = json!({"end": end});
        }
        order
    };
    fhir(
        &house,
        &[person("p", &json!({})), consent("permit"), of("a", "08:00:00", "active", None)],
    )
    .await;
    let second = fhir(&house, &[of("b", "09:00:00", "active", None)]).await;
    assert_eq!(outcomes(&second), ["review"]);
    assert!(reasons(&second).contains("same medicine"), "{}", reasons(&second));
    assert_eq!(
        outcomes(&fhir(&house, &[of("b", "09:00:00", "active", None)]).await),
        ["unchanged"]
    );
    house.play_until(MONDAY.plus_ms(DAY_MS)).await;
    assert_eq!(sent(&house), [8.0]);
    fhir(&house, &[of("a", "08:00:00", "stopped", None)]).await;
    house.play_until(MONDAY.plus_ms(2 * DAY_MS)).await;
    assert_eq!(sent(&house), [8.0, 33.0]);
    // One that ends before the other begins is no double.
    let ends = of("c", "10:00:00", "active", Some("2026-12-01"));
    assert_eq!(outcomes(&fhir(&house, &[ends]).await), ["review"]);
    let mut begins = of("d", "10:00:00", "active", None);
    begins["medicationCodeableConcept"] = json!({"text": "Other"});
    let mut later = begins.clone();
    later["id"] = json!("e");
    begins["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] =
        json!({"end": "2026-12-01"});
    later["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] =
        json!({"start": "2026-12-02"});
    assert_eq!(outcomes(&fhir(&house, &[begins, later]).await), ["created", "created"]);
});

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

fn plan(id: &str, lines: &[(&str, &str)], extra: &Value) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(name, time)| {
            json!({"id": name, "detail": {"kind": "ServiceRequest", "status": "scheduled", "code": {"text": name},
                "scheduledTiming": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "timeOfDay": [time]}}}})
        })
        .collect();
    let mut plan = json!({"resourceType": "CarePlan", "id": id, "status": "active", "intent": "plan",
        "subject": {"reference": "Patient/p"}, "activity": lines});
    merge(&mut plan, extra);
    plan
}

on_both!(lines_end_with_their_plan_and_with_the_plan_that_takes_its_place, async |house: House| {
    let old = |lines: &[(&str, &str)], status: &str| plan("old", lines, &json!({"status": status}));
    let both = [("a", "09:00:00"), ("b", "10:00:00")];
    fhir(&house, &[person("p", &json!({})), consent("permit"), old(&both, "active")]).await;
    assert_eq!(outcomes(&fhir(&house, &[old(&both, "active")]).await), ["unchanged"]);
    assert_eq!(outcomes(&fhir(&house, &[old(&both[..1], "active")]).await), ["updated"]);
    house.play_until(MONDAY.plus_ms(DAY_MS)).await;
    assert_eq!(sent(&house), [9.0], "line b is in the plan no more");
    let new =
        plan("new", &[("c", "11:00:00")], &json!({"replaces": [{"reference": "CarePlan/old"}]}));
    fhir(&house, std::slice::from_ref(&new)).await;
    assert_eq!(outcomes(&fhir(&house, &[new, old(&both[..1], "active")]).await), ["unchanged"; 2]);
    house.play_until(MONDAY.plus_ms(2 * DAY_MS)).await;
    assert_eq!(sent(&house), [9.0, 35.0]);
});

on_both!(an_order_without_a_date_counts_from_the_plan_that_lists_it, async |house: House| {
    // Every second day, so that the anchor shows: Monday by the order, Tuesday by the plan.
    let mut order = order("m", "08:00:00", &json!({"authoredOn": "2026-11-23"}));
    order["dosageInstruction"][0]["timing"]["repeat"]["period"] = json!(2);
    let plan = plan(
        "x",
        &[],
        &json!({"period": {"start": "2026-11-24"},
        "activity": [{"reference": {"reference": "MedicationRequest/m"}}]}),
    );
    let all = [plan, person("p", &json!({})), consent("permit"), order];
    let first = fhir(&house, &all).await;
    assert_eq!(outcomes(&first), ["created"; 4], "{}", reasons(&first));
    assert_eq!(outcomes(&fhir(&house, &all).await), ["unchanged"; 4]);
    house.play_until(MONDAY.plus_ms(3 * DAY_MS)).await;
    assert_eq!(sent(&house), [32.0]);
});

on_both!(a_replaced_order_ends_in_whatever_order_the_two_come, async |house: House| {
    let old = order("old", "08:00:00", &json!({}));
    let visit = |id: &str, time: &str, extra: &Value| {
        let mut visit = json!({"resourceType": "ServiceRequest", "id": id, "status": "active", "intent": "order",
            "subject": {"reference": "Patient/p"}, "code": {"text": "weigh"},
            "occurrenceTiming": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "timeOfDay": [time]}}});
        merge(&mut visit, extra);
        visit
    };
    let one = visit("1", "09:00:00", &json!({}));
    let two = visit("2", "10:00:00", &json!({"replaces": [{"reference": "ServiceRequest/1"}]}));
    let four = visit("4", "12:00:00", &json!({"replaces": [{"reference": "ServiceRequest/3"}]}));
    let three = visit("3", "11:00:00", &json!({}));
    let start = [person("p", &json!({})), consent("permit"), old, one, four];
    fhir(&house, &start).await;
    let then = fhir(&house, &[two, three]).await;
    assert_eq!(outcomes(&then), ["updated", "ignored"], "{}", reasons(&then));
    assert_eq!(outcomes(&fhir(&house, &start[3..]).await), ["ignored", "unchanged"]);
    house.play_until(MONDAY.plus_ms(DAY_MS)).await;
    assert_eq!(sent(&house), [8.0, 10.0, 12.0]);
});

on_both!(one_identifier_on_two_orders_of_a_source_names_two_orders, async |house: House| {
    let shared = json!({"identifier": [{"system": "urn:rx", "value": "7"}]});
    let both = [order("a", "08:00:00", &shared), order("b", "09:00:00", &shared)];
    fhir(&house, &[person("p", &json!({})), consent("permit")]).await;
    let reports = fhir(&house, &both).await;
    assert_eq!(outcomes(&reports), ["created", "created"]);
    assert!(reasons(&reports).contains("also stands on another resource"), "{}", reasons(&reports));
    assert_eq!(outcomes(&fhir(&house, &both).await), ["unchanged"; 2]);
    house.play_until(MONDAY.plus_ms(DAY_MS)).await;
    assert_eq!(sent(&house), [8.0, 9.0]);
});

on_both!(a_dry_run_tells_what_an_import_does_and_does_nothing, async |house: House| {
    let resources: Vec<Value> = (0..300)
        .map(|n| person(&format!("q{n}"), &json!({"identifier": [], "telecom": []})))
        .chain([person("p", &json!({})), order("m", "08:00:00", &json!({})), consent("permit")])
        .chain([order("x", "08:00:00", &json!({"subject": {"reference": "Patient/none"}}))])
        .collect();
    let documents = || {
        let one =
            |r: &Value| Document { source: "a".to_owned(), body: Ok(Body::Fhir(r.to_string())) };
        resources.iter().map(one).collect::<Vec<_>>().into_iter()
    };
    let count =
        "SELECT 'rows ' || (SELECT count(*) FROM patients) || ' ' || (SELECT count(*) FROM intake)";
    let (dry, _) = run(&house, documents(), Mode::DryRun, None).await;
    assert_eq!(text(&house, count).await, "rows 0 0");
    let (wet, _) = run(&house, documents(), Mode::Write, None).await;
    let mut wet = outcomes(&wet);
    assert_eq!(wet.len(), resources.len());
    wet.sort_unstable();
    let mut dry = outcomes(&dry);
    dry.sort_unstable();
    assert_eq!(dry, wet);
});

async fn insert(house: &House, kind: &str, programme: &str, payload: &str) {
    let sql = "INSERT INTO intake (kind, programme, source, payload) VALUES ($1, $2, 'clinic', $3)";
    let mut tx = house.app.store.write().await.unwrap();
    match &mut tx {
        Tx::Sqlite(tx) => drop(
            sqlx::query(sql)
                .bind(kind)
                .bind(programme)
                .bind(payload)
                .execute(&mut **tx)
                .await
                .unwrap(),
        ),
        Tx::Postgres(tx) => drop(
            sqlx::query(sql)
                .bind(kind)
                .bind(programme)
                .bind(payload)
                .execute(&mut **tx)
                .await
                .unwrap(),
        ),
    }
    tx.commit().await.unwrap();
}

on_both!(p10_rows_that_others_insert_are_imported_and_emptied, async |house: House| {
    insert(&house, "fhir", "general", &order("m", "08:00:00", &json!({})).to_string()).await;
    insert(&house, "fhir", "general", &consent("permit").to_string()).await;
    insert(
        &house,
        "csv",
        "general",
        &json!({"patient_id": "7", "phone": "+12025550107", "timezone": "UTC",
        "consent": "yes", "order_id": 1, "type": "medication", "title": "Canary", "times": "09:00"})
        .to_string(),
    )
    .await;
    insert(&house, "fhir", "nowhere", "{}").await;
    insert(&house, "fhir", "general", "{ broken canary").await;
    insert(&house, "xml", "general", "<a/>").await;
    house.settle().await;
    let states = "SELECT (SELECT count(*) FROM intake WHERE state = 'waiting') || ' ' || (SELECT count(*) FROM intake \
        WHERE state = 'done') || ' ' || (SELECT count(*) FROM intake WHERE state = 'rejected' AND sealed IS NOT NULL) || ' ' || \
        (SELECT sum(length(payload)) FROM intake)";
    assert_eq!(text(&house, states).await, "2 1 3 0");
    insert(&house, "fhir", "general", &person("p", &json!({})).to_string()).await;
    house.settle().await;
    assert_eq!(text(&house, states).await, "0 4 3 0");
    let report = "SELECT report FROM intake WHERE id = (SELECT min(id) FROM intake)";
    let report: Value = serde_json::from_str(&text(&house, report).await).unwrap();
    assert_eq!(
        (&report["counts"]["created"], &report["resources"][0]["outcome"]),
        (&json!(1), &json!("created"))
    );
    assert_eq!(report["resources"][0]["id"], Value::Null);
    house.play_until(MONDAY.plus_ms(DAY_MS)).await;
    assert_eq!(sent(&house), [8.0, 9.0]);
});

on_both!(the_corpus_imported_twice_changes_nothing, async |house: House| {
    let mut created = 0;
    // Files of it contradict one another, so each is imported twice in a row.
    for document in documents(&[data("fhir"), data("csv")]) {
        let again = || {
            let body = document.body.as_ref().map_err(Clone::clone).map(|body| match body {
                Body::Fhir(text) => Body::Fhir(text.clone()),
                Body::Csv(text) => Body::Csv(text.clone()),
            });
            std::iter::once(Document { source: document.source.clone(), body })
        };
        let (first, counts) = run(&house, again(), Mode::Write, None).await;
        created += counts.of(Outcome::Created);
        let before = state(&house).await;
        house.clock.advance_ms(1);
        let (second, _) = run(&house, again(), Mode::Write, None).await;
        assert_eq!(moved(&second), [] as [String; 0]);
        assert_eq!(first.len(), second.len(), "{}", document.source);
        assert_eq!(state(&house).await, before, "{}", document.source);
    }
    assert!(created > 10, "{created}");
});

/// Resources of the shared corpus that two files tell differently, so that each import moves them.
const CONTRADICTED: [&str; 2] = [
    "hl7au/Bundle/Bundle-aups-basicsummary-missing-comp-elements.json",
    "hl7au/Bundle/Bundle-aups-section-emptyreason.json",
];

on_both!(the_shared_corpus_imported_twice_changes_nothing, async |house: House| {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/fhir");
    if !shared.is_dir() {
        return;
    }
    let paths = [shared];
    let (first, counts) = run(&house, documents(&paths), Mode::Write, None).await;
    assert!(counts.of(Outcome::Created) > 100, "{:?}", counts.by_outcome());
    house.clock.advance_ms(1);
    let (second, _) = run(&house, documents(&paths), Mode::Write, None).await;
    assert_eq!(first.len(), second.len());
    let mut moved = moved(&second);
    moved.retain(|source| !CONTRADICTED.iter().any(|known| source.contains(known)));
    assert_eq!(moved, [] as [String; 0]);
});

/// Sources of resources that were created or updated.
fn moved(reports: &[ResourceReport]) -> Vec<String> {
    let moved = |r: &&ResourceReport| matches!(r.outcome, Outcome::Created | Outcome::Updated);
    reports.iter().filter(moved).map(|report| report.resource.source.clone()).collect()
}

/// A sample's text with its dates filled in.
fn dated(text: &str, today: UtcMs) -> String {
    let mut rest = text;
    let mut filled = String::new();
    while let Some((before, after)) = rest.split_once("{{today") {
        let (days, after) = after.split_once("}}").unwrap();
        let days: i64 = if days.is_empty() { 0 } else { days.parse().unwrap() };
        let date = today.plus_ms(days * DAY_MS).to_utc().format("%Y-%m-%d");
        filled.push_str(before);
        filled.push_str(&date.to_string());
        rest = after;
    }
    filled + rest
}

#[test]
fn sample_dates_are_filled_in() {
    assert_eq!(
        dated("a{{today}}b{{today+2}}T1{{today-1}}", MONDAY),
        "a2026-11-23b2026-11-25T12026-11-22"
    );
}

on_both!(the_sample_data_is_imported_whole, async |house: House| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo/sample");
    let mut people = 0;
    for folder in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        let Some(programme) =
            folder.file_name().and_then(|n| house.app.programmes.get(n.to_str()?))
        else {
            assert!(!folder.is_dir(), "{folder:?} is no programme");
            continue;
        };
        let options = Options {
            programme,
            source_system: programme.name.clone(),
            assertion: None,
            mode: Mode::Write,
        };
        for again in [false, true] {
            let filled = documents(std::slice::from_ref(&folder)).map(|document| Document {
                source: document.source,
                body: document.body.map(|body| match body {
                    Body::Fhir(text) => Body::Fhir(dated(&text, MONDAY)),
                    Body::Csv(text) => Body::Csv(dated(&text, MONDAY)),
                }),
            });
            let filled: Vec<Document> = filled.collect();
            let mut reports = Vec::new();
            let counts = importer(&house)
                .import(filled.into_iter(), &options, &mut |report| reports.push(report))
                .await
                .unwrap();
            assert_eq!(counts.of(Outcome::Rejected), 0, "{}", reasons(&reports));
            assert_eq!(counts.of(Outcome::Created) == 0, again, "{:?}", counts.by_outcome());
            if again {
                people += reports
                    .iter()
                    .filter(|r| r.resource.kind.eq_ignore_ascii_case("patient"))
                    .count();
            }
        }
    }
    assert_eq!(people, 25);
});

on_both!(an_address_of_several_people_is_remarked, async |house: House| {
    let reports = fhir(&house, &[person("p", &json!({})), person("q", &json!({}))]).await;
    assert_eq!(reasons(&reports).matches("same address").count(), 2, "{}", reasons(&reports));
    let later = fhir(&house, &[person("r", &json!({}))]).await;
    assert!(reasons(&later).contains("2 other active patients"), "{}", reasons(&later));
});
