//! Import into the store: outcomes of orders and plans, what patients then get, and that nothing is said twice.

use crate::house::{House, MONDAY, On, on_both};
use carebell::care::time::{DAY_MS, HOUR_MS};
use carebell::import::{
    Assertion, Body, Counts, Document, Importer, Mode, Options, Outcome, ResourceReport,
};
use carebell::store::Tx;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn importer(house: &House) -> Importer {
    Importer::new(
        house.app.store.clone(),
        house.clock.clone(),
        house.app.zones.clone(),
        Arc::clone(&house.app.programmes),
        Arc::clone(&house.app.rng),
    )
}

pub(super) async fn run(
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

pub(super) async fn fhir(house: &House, resources: &[Value]) -> Vec<ResourceReport> {
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

pub(super) fn person(id: &str, extra: &Value) -> Value {
    let mut patient = json!({"resourceType": "Patient", "id": id,
        "identifier": [{"system": "urn:nhs", "value": id}],
        "birthDate": "1960-05-05",
        "telecom": [{"system": "sms", "value": "+12025550101"}],
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "UTC"}]});
    merge(&mut patient, extra);
    patient
}

pub(super) fn order(id: &str, time: &str, extra: &Value) -> Value {
    let mut order = json!({"resourceType": "MedicationRequest", "id": id, "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p"}, "authoredOn": "2026-11-01",
        "medicationCodeableConcept": {"text": format!("Drug {id}")},
        "dosageInstruction": [{"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "timeOfDay": [time]}}}]});
    merge(&mut order, extra);
    order
}

pub(super) fn consent(decision: &str) -> Value {
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
pub(super) fn sent(house: &House) -> Vec<f64> {
    let entries = house.sandbox.ledger().entries();
    entries.iter().map(|e| e.at.minute().since(MONDAY) as f64 / HOUR_MS as f64).collect()
}

pub(super) async fn text(house: &House, sql: &'static str) -> String {
    let mut tx = house.app.store.read().await.unwrap();
    match &mut tx {
        Tx::Sqlite(tx) => sqlx::query_scalar(sql).fetch_one(&mut **tx).await.unwrap(),
        Tx::Postgres(tx) => sqlx::query_scalar(sql).fetch_one(&mut **tx).await.unwrap(),
    }
}

/// Everything that a write would move.
pub(super) async fn state(house: &House) -> String {
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
