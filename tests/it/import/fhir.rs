//! FHIR resources: what each element comes to.

use super::*;
use carebell::care::{Confidence, Routine};
use carebell::import::change::AnchorFrom;
use carebell::timing;

#[test]
fn what_orders_say_is_copied_element_for_element() {
    let items = file(
        "docs__anc-resources__first-contact__MedicationRequest-mom-daily-elemental-iron-prescription.json",
    );
    let order = activity(&items);
    let Schedule::Dosages(dosages) = &order.activity.schedule else {
        panic!("{:?}", order.activity.schedule)
    };
    assert_eq!(dosages[0].text.as_deref(), Some("120mg daily"));
    assert_eq!(dosages[0].timing.as_ref().and_then(|t| t.repeat.as_ref()?.frequency), Some(1));
    assert_eq!(order.subject.candidates[0].expose(), "test/Patient/mom");
    assert_eq!(
        (order.activity.anchor.as_str(), order.anchor_from),
        ("2019-05-24", AnchorFrom::Authored)
    );
    assert_eq!(
        order.activity.review.len(),
        1,
        "the medicine is not named: {:?}",
        order.activity.review
    );

    let items = file("r5-medrx0306.json");
    let order = activity(&items);
    assert_eq!(order.activity.title.expose(), "Myleran 2mg tablet, film coated");
    assert_eq!(
        order.activity.drug.as_ref().unwrap().expose(),
        "http://hl7.org/fhir/sid/ndc|76388-713-25"
    );
    assert_eq!(order.identity.key.expose(), "http://www.bmc.nl/portal/prescriptions|12345689");
    assert_eq!(order.identity.local.as_ref().unwrap().expose(), "test/MedicationRequest/medrx0306");

    let items = file("MedicationRequest-medrx0323.json");
    let Schedule::Dosages(dosages) = &activity(&items).activity.schedule else { panic!() };
    let timing = dosages[0].timing.as_ref().unwrap();
    assert!(
        !timing.event.is_empty() && timing.repeat.is_some(),
        "event beside repeat stays for timing to judge"
    );
}

#[test]
fn traps_of_the_corpus_are_classed_as_stated() {
    // (file, outcome, a word of the reason); reference/fhir-careplans.md section 4.
    let cases = [
        (
            "MedicationRequest-reaptan-suppressed-subject.json",
            "rejected",
            "subject: does not say whose it is",
        ),
        ("Appointment-patch-minimal.json", "rejected", "participant: does not say whose it is"),
        ("Consent-mhr-consent-withdrawal.json", "ignored", "does not speak of reminders"),
        (
            "CommunicationRequest-communicationrequest-urgent-results-to-provider.json",
            "ignored",
            "somebody else",
        ),
        (
            "CommunicationRequest-communicationrequest-patient-instruction.json",
            "parsed",
            "says nothing of when",
        ),
        ("CarePlan-f201.json", "parsed", "not an order"),
        ("CarePlan-f201.json", "parsed", "the schedule is text"),
        (
            "docs__anc-resources__first-contact__ServiceRequest-mom-second-contact.json",
            "parsed",
            "is a plan, not an order",
        ),
        (
            "sequence__sequential_instructions_with_sequence.json",
            "rejected",
            "an array is no FHIR resource",
        ),
        ("example-dosage-complex4-alt2.json", "rejected", "has no resourceType"),
        ("SOURCES.md", "ignored", "neither FHIR JSON"),
    ];
    for (name, outcome, reason) in cases {
        let items: Vec<Item> = documents(&[data("fhir")])
            .filter(|d| d.source.ends_with(name))
            .flat_map(|d| with(|settings| read(&d, settings)))
            .collect();
        let got = match items[0].reading {
            Reading::Parsed(_) => "parsed",
            Reading::Ignored => "ignored",
            Reading::Rejected => "rejected",
        };
        assert_eq!(got, outcome, "{name}: {:?}", why(&items));
        assert!(why(&items).iter().any(|w| w.contains(reason)), "{name}: {:?}", why(&items));
    }
}

#[test]
fn stu3_orders_are_read_by_shape_and_wait_for_a_person() {
    let path = data("fhir").join("example-dosage-complex4-alt2.json");
    let wrapper: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let items = fhir_items(&wrapper["items"][0]["json"]);
    let order = activity(&items);
    assert_eq!(
        order.subject.candidates[0].expose(),
        "https://fhir.nhs.uk/Id/nhs-number|9999999999"
    );
    assert_eq!(order.activity.title.expose(), "Co-codamol 8mg/500mg tablets");
    assert!(
        order.activity.review.iter().any(|r| r.contains("has no status")),
        "{:?}",
        order.activity.review
    );
    let Schedule::Dosages(dosages) = &order.activity.schedule else { panic!() };
    assert_eq!(dosages.len(), 2);
}

#[test]
fn a_bundle_resolves_its_references_and_its_versions() {
    let items = file("Bundle-bundle-references.json");
    // Patient/45 stands there in two versions; the later one holds.
    let of_45: Vec<&Item> =
        items.iter().filter(|i| i.resource.id.as_deref() == Some("45")).collect();
    assert_eq!(of_45.iter().filter(|i| !i.changes().is_empty()).count(), 1);
    assert!(of_45.iter().any(|i| i.remarks[0].why == Why::OlderVersion));

    let items = file("nhs-eps-cancel.json");
    let order = activity(&items);
    assert_eq!(order.activity.status, ActivityStatus::Stopped);
    assert_eq!(
        order.subject.candidates[0],
        patient(&items).identity.key,
        "urn:uuid leads to the patient's own key"
    );

    let items = file("Bundle-bundle-transaction.json");
    let deleted: Vec<&str> = changes(&items)
        .iter()
        .filter_map(|change| match change {
            Change::Delete(deletion) => Some(deletion.target.candidates[0].expose()),
            _ => None,
        })
        .collect();
    assert_eq!(deleted, ["test/Patient/234", "test|123456"]);
}

pub(super) fn order(extra: &Value) -> Value {
    let mut order = json!({
        "resourceType": "MedicationRequest", "id": "1", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/1"}, "medicationCodeableConcept": {"text": "Metformin"},
        "authoredOn": "2025-01-01",
        "dosageInstruction": [{"timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}}]
    });
    for (key, value) in extra.as_object().unwrap() {
        order[key] = value.clone();
    }
    order
}

#[test]
fn status_intent_and_modifiers_stop_or_wait_for_a_person() {
    use ActivityStatus::{Active, EnteredInError, Inactive, OnHold, Stopped};
    let modifier = json!([{"url": "urn:x"}]);
    let cases = [
        (json!({}), Active, 0),
        (json!({"status": "on-hold"}), OnHold, 0),
        (json!({"status": "completed"}), Stopped, 0),
        (json!({"status": "entered-in-error"}), EnteredInError, 0),
        (json!({"status": "draft"}), Inactive, 0),
        (json!({"status": "ACTIVE"}), Active, 0),
        (json!({"status": null}), Active, 1),
        (json!({"status": "aktiv"}), Active, 1),
        (json!({"intent": "proposal"}), Inactive, 0),
        (json!({"intent": "filler-order"}), Inactive, 0),
        (json!({"intent": null}), Active, 1),
        (json!({"doNotPerform": true}), Stopped, 0),
        (json!({"doNotPerform": "true"}), Stopped, 0),
        (json!({"doNotPerform": false}), Active, 0),
        (json!({"modifierExtension": modifier}), Active, 1),
        (json!({"medicationCodeableConcept": null}), Active, 1),
    ];
    for (extra, status, reviews) in cases {
        let items = fhir_items(&order(&extra));
        let got = &activity(&items).activity;
        assert_eq!((got.status, got.review.len()), (status, reviews), "{extra}: {:?}", got.review);
    }
}

#[test]
fn what_modifies_or_narrows_a_timing_reaches_the_rules_of_time() {
    let modifier = json!([{"url": "urn:x"}]);
    let core = |name: &str| json!([{"url": format!("http://hl7.org/fhir/StructureDefinition/{name}"), "valueInteger": 5}]);
    let once = |extension: Value| json!({"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "extension": extension}}});
    let cases = [
        (once(json!([])), Confidence::Defaulted),
        (once(core("unheard-of")), Confidence::Defaulted),
        (
            json!({"modifierExtension": modifier, "timing": {"code": {"coding": [{"code": "BID"}]}}}),
            Confidence::Review,
        ),
        (
            json!({"timing": {"repeat": {"frequency": 1}, "modifierExtension": modifier}}),
            Confidence::Review,
        ),
        (
            json!({"timing": {"repeat": {"frequency": 1, "modifierExtension": modifier}}}),
            Confidence::Review,
        ),
        (once(core("timing-daysOfCycle")), Confidence::Review),
        (
            json!({"timing": {"code": {"text": "BID"}, "extension": core("timing-daysOfCycle")}}),
            Confidence::Review,
        ),
    ];
    let zone = Zone::new("UTC", Vec::new());
    let routine = Routine::default();
    let context = timing::Context { zone: &zone, routine: &routine, anchor: "2025-01-01" };
    for (dosage, expected) in cases {
        let items = fhir_items(&order(&json!({"dosageInstruction": [dosage]})));
        let Schedule::Dosages(dosages) = &activity(&items).activity.schedule else {
            panic!("{dosage}")
        };
        let (from, to) = (UtcMs(1_735_689_600_000), UtcMs(1_736_000_000_000));
        assert_eq!(timing::expand(dosages, context, from, to).confidence, expected, "{dosage}");
    }
}

#[test]
fn a_number_as_text_is_taken_with_a_remark_and_a_word_is_refused_with_its_path() {
    let repeat = |count: Value| {
        order(&json!({"dosageInstruction": [{"timing": {"repeat": {"countMax": count}}}]}))
    };
    let items = fhir_items(&repeat(json!("10")));
    assert!(why(&items).contains(
        &"dosageInstruction[0].timing.repeat.countMax: is text; the standard has a whole number; taken as meant".to_owned()
    ));
    let items = fhir_items(&repeat(json!("Anna")));
    let wrong = Why::WrongType { found: "text".into(), expected: "a whole number".into() };
    assert_eq!(rejected(&items), [("dosageInstruction[0].timing.repeat.countMax", &wrong)]);
    let twice = order(&json!({}))
        .to_string()
        .replace(r#""frequency":2"#, r#""frequency":2,"frequency":20"#);
    assert_eq!(
        rejected(&text(&twice)),
        [("dosageInstruction[0].timing.repeat.frequency", &Why::DuplicateKey)]
    );
}

pub(super) fn person(extra: &Value) -> Value {
    let mut person =
        json!({"resourceType": "Patient", "id": "1", "name": [{"family": "A", "given": ["B"]}]});
    for (key, value) in extra.as_object().unwrap() {
        person[key] = value.clone();
    }
    person
}

#[test]
fn a_patient_who_died_left_or_moved_is_not_active() {
    let cases = [
        (json!({}), PatientStatus::Active),
        (json!({"active": false}), PatientStatus::Left),
        (json!({"active": "false"}), PatientStatus::Left),
        (json!({"deceasedBoolean": true}), PatientStatus::Deceased),
        (json!({"deceasedBoolean": false}), PatientStatus::Active),
        (json!({"deceasedDateTime": "2020"}), PatientStatus::Deceased),
        (json!({"active": true, "deceasedDateTime": "2020-01-01"}), PatientStatus::Deceased),
        (
            json!({"link": [{"type": "replaced-by", "other": {"reference": "Patient/2"}}]}),
            PatientStatus::Left,
        ),
        (
            json!({"link": [{"type": "seealso", "other": {"reference": "Patient/2"}}]}),
            PatientStatus::Active,
        ),
    ];
    for (extra, status) in cases {
        assert_eq!(patient(&fhir_items(&person(&extra))).patient.status, status, "{extra}");
    }
    let moved = fhir_items(&person(
        &json!({"link": [{"type": "replaced-by", "other": {"reference": "Patient/2"}}]}),
    ));
    assert_eq!(
        patient(&moved).replaced_by.as_ref().unwrap().candidates[0].expose(),
        "test/Patient/2"
    );
}

#[test]
fn p7_an_absent_zone_is_the_programmes_and_an_unknown_one_is_refused() {
    let zone = |value: Value| {
        person(
            &json!({"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": value}]}),
        )
    };
    let given = fhir_items(&zone(json!("America/New_York")));
    assert_eq!(patient(&given).patient.zone, "America/New_York");
    assert_eq!(patient(&given).patient.zone_origin, Origin::Given);
    let absent = fhir_items(&person(&json!({})));
    assert_eq!(patient(&absent).patient.zone, "Africa/Nairobi");
    assert_eq!(patient(&absent).patient.zone_origin, Origin::Defaulted);
    assert_eq!(
        rejected(&fhir_items(&zone(json!("Mars/Olympus")))),
        [("extension", &Why::UnknownZone)]
    );
    assert_eq!(
        rejected(&fhir_items(&zone(json!("+02:00")))),
        [("extension", &Why::OffsetIsNoZone)]
    );
}

#[test]
fn contact_points_come_in_order_of_preference_and_unusable_ones_are_reported() {
    let items = fhir_items(&person(&json!({"telecom": [
        {"system": "phone", "value": "0712 000 001", "use": "work"},
        {"system": "phone", "value": "0712 000 002", "use": "mobile"},
        {"system": "phone", "value": 712_000_003, "use": "mobile"},
        {"system": "phone", "value": "0712 000 004", "use": "old"},
        {"system": "sms", "value": "0712 000 005", "period": {"end": "2020-01-01"}},
        {"system": "email", "value": "A@Example.org", "rank": 1},
        {"system": "fax", "value": "0712 000 006"}
    ]})));
    let got: Vec<(ChannelKind, &str, u16)> = patient(&items)
        .patient
        .contacts
        .iter()
        .map(|c| (c.channel, c.address.expose(), c.rank))
        .collect();
    assert_eq!(
        got,
        [
            (ChannelKind::Email, "a@example.org", 1),
            (ChannelKind::Whatsapp, "+254712000002", 2),
            (ChannelKind::Sms, "+254712000002", 2),
            (ChannelKind::Whatsapp, "+254712000001", 3),
            (ChannelKind::Sms, "+254712000001", 3),
        ]
    );
    let remarks = why(&items);
    assert!(
        remarks.iter().any(|r| r.starts_with("telecom[2].value: not used: it has neither a plus")),
        "{remarks:?}"
    );
}

pub(super) fn consent(extra: &Value) -> Value {
    let mut consent = json!({
        "resourceType": "Consent", "id": "c", "status": "active", "patient": {"reference": "Patient/1"},
        "dateTime": "2025-01-01", "category": [{"coding": [{"system": "urn:carebell", "code": "sms"}]}],
        "provision": {"type": "permit"}
    });
    for (key, value) in extra.as_object().unwrap() {
        consent[key] = value.clone();
    }
    consent
}

#[test]
fn a_consent_counts_only_when_it_speaks_of_reminders_and_is_in_force() {
    use ConsentDecision::{Given, Refused};
    let privacy = json!([{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}]);
    let cases = [
        (json!({}), Some(vec![Given])),
        (json!({"provision": {"type": "deny"}}), Some(vec![Refused])),
        (
            json!({"provision": {}, "policyRule": {"coding": [{"code": "OPTIN"}]}}),
            Some(vec![Given]),
        ),
        (json!({"provision": {}, "decision": "permit"}), Some(vec![Given])),
        (
            json!({"provision": {"type": "deny"}, "policyRule": {"coding": [{"code": "OPTIN"}]}}),
            Some(vec![Refused]),
        ),
        (json!({"status": "inactive"}), Some(vec![Refused])),
        (json!({"status": "rejected"}), Some(vec![Refused])),
        (json!({"status": "entered-in-error"}), Some(vec![])),
        (
            json!({"provision": {"type": "permit", "period": {"end": "2030-01-01"}}}),
            Some(vec![Given, Refused]),
        ),
        (
            json!({"category": privacy, "provision": {"type": "permit", "class": [{"code": "CommunicationRequest"}]}}),
            Some(vec![Given]),
        ),
        (json!({"category": privacy}), None),
        (json!({"status": "draft"}), None),
        (json!({"provision": {}}), None),
    ];
    for (extra, expected) in cases {
        let items = fhir_items(&consent(&extra));
        let got = match changes(&items).first() {
            Some(Change::Consent(change)) => {
                Some(change.bases.iter().map(|b| b.decision).collect::<Vec<_>>())
            }
            _ => None,
        };
        assert_eq!(got, expected, "{extra}: {:?}", why(&items));
    }
}

#[test]
fn an_appointment_is_for_its_patient_and_by_an_instant_or_the_patients_clock() {
    let of = |start: &str, participants: Value| {
        fhir_items(
            &json!({"resourceType": "Appointment", "id": "a", "status": "booked", "start": start, "participant": participants}),
        )
    };
    let both = json!([{"actor": {"reference": "Practitioner/1"}}, {"actor": {"reference": "Patient/1"}, "status": "accepted"}]);
    let items = of("2026-03-01T10:00:00+03:00", both.clone());
    assert_eq!(
        activity(&items).activity.schedule,
        Schedule::Appointment { start: UtcMs(1_772_348_400_000) }
    );
    let items = of("2026-03-01T10:00:00", both);
    assert_eq!(activity(&items).local_start.unwrap().to_string(), "2026-03-01 10:00:00");
    let declined = json!([{"actor": {"reference": "Patient/1"}, "status": "declined"}]);
    assert_eq!(
        activity(&of("2026-03-01T10:00:00Z", declined)).activity.status,
        ActivityStatus::Stopped
    );
    let two = json!([{"actor": {"reference": "Patient/1"}}, {"actor": {"reference": "Patient/2"}}]);
    assert_eq!(rejected(&of("2026-03-01T10:00:00Z", two)), [("participant", &Why::NoSubject)]);
    let items = file("Appointment-booked.json");
    assert_eq!(
        activity(&items).subject.candidates[0].expose(),
        "urn:uuid:788660eb-d2c9-4773-abd4-318484673fb2"
    );
}

#[test]
fn a_plan_holds_its_activities_whatever_their_place_and_stops_them_with_itself() {
    let plan = |status: &str, activities: Value| {
        fhir_items(&json!({
            "resourceType": "CarePlan", "id": "p", "status": status, "intent": "plan", "subject": {"reference": "Patient/1"},
            "period": {"start": "2025-01-01"}, "activity": activities,
            "contained": [{"resourceType": "MedicationRequest", "id": "m", "status": "active", "intent": "order",
                "subject": {"reference": "Patient/1"}, "medicationCodeableConcept": {"text": "X"}}]
        }))
    };
    let walk = json!({"detail": {"status": "scheduled", "code": {"text": "Walk"}, "scheduledTiming": {"repeat": {"frequency": 1}}}});
    let diet = json!({"detail": {"status": "scheduled", "code": {"text": "Diet"}, "kind": "NutritionOrder"}});
    let inside = json!({"reference": {"reference": "#m"}});
    let outside = json!({"reference": {"reference": "MedicationRequest/9"}});
    let keys = |items: &[Item]| -> BTreeMap<String, ActivityStatus> {
        let all = changes(items).into_iter().filter_map(|change| match change {
            Change::Activity(a) => Some((a.activity.key.clone(), a.activity.status)),
            _ => None,
        });
        all.collect()
    };
    let one = plan("active", json!([walk, diet, inside, outside]));
    let two = plan("active", json!([outside, inside, diet, walk]));
    assert_eq!(keys(&one), keys(&two));
    let names: Vec<String> = keys(&one).into_keys().collect();
    assert_eq!(names, ["test/CarePlan/p#Diet", "test/CarePlan/p#Walk", "test/CarePlan/p#m"]);
    let Change::Plan(change) = changes(&one)[0] else { panic!("the plan comes first") };
    assert_eq!(change.members[0].candidates[0].expose(), "test/MedicationRequest/9");
    assert_eq!(activity(&one).plan.as_ref().unwrap().candidates[0].expose(), "test/CarePlan/p");
    let stopped = plan("revoked", json!([walk, inside]));
    assert!(keys(&stopped).values().all(|status| *status == ActivityStatus::Stopped));
}

#[test]
fn one_identifier_on_two_resources_names_neither() {
    let entry = |id: &str| {
        json!({"resource": {"resourceType": "Patient", "id": id, "name": [{"text": id}],
            "identifier": [{"system": "urn:n", "value": "7"}]}})
    };
    let items = fhir_items(
        &json!({"resourceType": "Bundle", "type": "collection", "entry": [entry("a"), entry("b")]}),
    );
    let keys: Vec<String> = items
        .iter()
        .flat_map(|i| {
            i.changes()[0]
                .identity()
                .unwrap()
                .names()
                .map(|k| k.expose().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(keys, ["test/Patient/a", "test/Patient/a", "test/Patient/b", "test/Patient/b"]);
    assert!(items.iter().all(|item| item.remarks.iter().any(|r| r.why == Why::SharedIdentifier)));
}

#[test]
fn versions_without_any_mark_contradict_and_a_history_is_ordered() {
    let version = |family: &str, updated: Option<&str>| json!({"resource": {"resourceType": "Patient", "id": "1", "name": [{"family": family}], "meta": {"lastUpdated": updated}}});
    let deleted = |at: Option<&str>| json!({"request": {"method": "DELETE", "url": "Patient/1"}, "response": {"lastModified": at}});
    let of = |kind: &str, entries: Vec<Value>| {
        fhir_items(&json!({"resourceType": "Bundle", "type": kind, "entry": entries}))
    };
    let (old, new) = (Some("2024-01-01T00:00:00Z"), Some("2025-01-01T00:00:00Z"));

    let items = of("collection", vec![version("A", None), version("B", None)]);
    assert!(items.iter().all(|item| item.remarks[0].why == Why::Contradiction));
    assert_eq!(rejected(&items).len(), 2, "neither is surely the one that holds");
    let items = of("history", vec![version("A", new), version("B", old)]);
    assert_eq!(patient(&items).patient.name.as_ref().unwrap().expose(), "A");
    let items = of("history", vec![version("A", old), deleted(new)]);
    assert!(matches!(changes(&items)[..], [Change::Delete(_)]));
    let items = of("history", vec![version("A", new), deleted(old)]);
    assert!(matches!(changes(&items)[..], [Change::Patient(_)]));
    let items = of("history", vec![version("A", new), deleted(None)]);
    assert_eq!(rejected(&items), [("response.lastModified", &Why::NoTime)]);
    let items = of("transaction", vec![version("A", None), deleted(None)]);
    assert!(matches!(changes(&items)[..], [Change::Patient(_)]), "a transaction deletes first");
}
