//! Orders that name the programme's material; what is not the programme's is never sent.

use super::*;

const MEDIA: &str = "title = 'Test'\nzone = 'Africa/Nairobi'\n\
                     [media.m1]\nen = { url = 'https://m.example.org/1', type = 'video/mp4' }\n\
                     [media.m2]\nen = { url = 'https://m.example.org/2' }\n";
const UNKNOWN: &str = "names no material of the programme: words go out alone until programme.toml has it under media";

fn items(body: Body) -> Vec<Item> {
    let programme: Programme = toml::from_str(MEDIA).unwrap();
    let settings = Settings {
        programme: &programme,
        zones: &Names,
        now: UtcMs(1_760_000_000_000),
        assertion: None,
        source_system: "test".to_owned(),
    };
    read(&document("a", body), &settings)
}

#[test]
fn a_row_names_its_material() {
    for (kind, cell, material, remark) in [
        ("education", "m1", Some("m1"), None),
        ("lifestyle", " M2 ", Some("m2"), None),
        ("notice", "", None, None),
        // Kept: it goes out once the programme has it.
        ("education", "m3", Some("m3"), Some(format!("material: {UNKNOWN}"))),
        ("education", "https://evil.example/x", None, Some(format!("material: {UNKNOWN}"))),
        (
            "medication",
            "m1",
            None,
            Some(
                "material: goes with education, lifestyle and notices, not with medication: it is left out"
                    .to_owned(),
            ),
        ),
    ] {
        let table = format!(
            "patient_id,order_id,type,title,times,material\nP,1,{kind},X,08:00,\"{cell}\"\n"
        );
        let items = items(Body::Csv(table));
        assert_eq!(activity(&items).activity.material.as_deref(), material, "{kind} {cell}");
        assert_eq!(why(&items), remark.into_iter().collect::<Vec<_>>(), "{kind} {cell}");
    }
}

fn request(payload: &Value) -> Vec<Item> {
    let resource = json!({
        "resourceType": "CommunicationRequest", "id": "c", "status": "active",
        "subject": { "reference": "Patient/p" },
        "occurrenceDateTime": "2026-11-23T08:00:00Z", "authoredOn": "2026-11-20",
        "payload": payload,
    });
    items(Body::Fhir(resource.to_string()))
}

#[test]
fn a_communication_request_names_material_and_is_sent_nothing_else() {
    let attached = |url: &str, title: &str| json!({ "contentAttachment": { "contentType": "video/mp4", "url": url, "title": title } });
    let referred =
        |value: &str| json!({ "contentReference": { "identifier": { "value": value } } });
    let words = json!({ "contentString": "Look at this" });
    let unknown = |at: &str| format!("payload[{at}: {UNKNOWN}");
    for (payload, material, remarks) in [
        (json!([attached("https://m.example.org/1", "Inhaler")]), Some("m1"), vec![]),
        (json!([words, attached("https://elsewhere.example/9", "m2")]), Some("m2"), vec![]),
        (json!([referred("m1")]), Some("m1"), vec![]),
        (
            json!([attached("https://elsewhere.example/9", "Inhaler")]),
            None,
            vec![unknown("0].contentAttachment")],
        ),
        (json!([words, referred("m9")]), None, vec![unknown("1].contentReference")]),
        (
            json!([referred("m1"), attached("https://m.example.org/2", "")]),
            Some("m1"),
            vec![
                "payload[1].contentAttachment: is one more material; the first one is sent"
                    .to_owned(),
            ],
        ),
        (json!([words]), None, vec![]),
    ] {
        let items = request(&payload);
        let change = activity(&items);
        assert_eq!(change.activity.material.as_deref(), material, "{payload}");
        let told: Vec<String> =
            why(&items).into_iter().filter(|remark| remark.starts_with("payload")).collect();
        assert_eq!(told, remarks, "{payload}");
        let whole = serde_json::to_string(&change.activity).unwrap();
        assert!(!whole.contains("elsewhere"), "{whole}");
    }
}

#[test]
fn a_taught_service_names_material_by_its_uri() {
    let order = |category: &str, uri: &str| {
        let resource = json!({
            "resourceType": "ServiceRequest", "id": "s", "status": "active", "intent": "order",
            "category": [{ "coding": [{ "system": "http://snomed.info/sct", "code": category }] }],
            "code": { "text": "Inhaler" }, "subject": { "reference": "Patient/p" },
            "occurrenceTiming": { "repeat": { "frequency": 1, "period": 1, "periodUnit": "d" } },
            "instantiatesUri": ["https://example.org/protocol", uri],
        });
        activity(&items(Body::Fhir(resource.to_string()))).activity.material.clone()
    };
    assert_eq!(order("409073007", "https://m.example.org/1").as_deref(), Some("m1"));
    assert_eq!(order("409073007", "https://m.example.org/3"), None);
    assert_eq!(order("108252007", "https://m.example.org/1"), None, "a visit takes none");
}

/// A record without material is written as before there was any: no plan changes by an update.
#[test]
fn a_record_without_material_is_what_it_was() {
    let table = "patient_id,order_id,type,title,times\nP,1,education,X,08:00\n".to_owned();
    let bare = activity(&items(Body::Csv(table))).activity.clone();
    let written = serde_json::to_value(&bare).unwrap();
    assert_eq!(written.get("material"), None);
    assert_eq!(serde_json::from_value::<carebell::care::Activity>(written).unwrap(), bare);
}
