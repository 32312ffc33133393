//! Follow-up protocols and what is asked after appointments, from a table to the phone.

use super::apply::{csv, outcomes, reasons};
use crate::house::{House, MONDAY, On, on_both};
use carebell::care::time::{DAY_MS, HOUR_MS};

/// A programme that asks after appointments and follows visits up.
fn with_protocols(house: &mut House) {
    let dir = tempfile::tempdir().unwrap();
    let general = dir.path().join("programmes/general");
    std::fs::create_dir_all(&general).unwrap();
    let settings = r#"
        title = "General"
        appointment_leads = [{ days_after = 1, at = "10:00" }]
        [[protocols.follow-up]]
        name = "first visit"
        due = "2 d"
        late = "3 d"
        alerts = [
          { window = "due", after = "1 d", at = "09:00" },
          { window = "late", at = "09:00", every = "1 d", count = 9 },
        ]
        [[protocols.follow-up]]
        name = "second visit"
        due = "1 wk"
        alerts = [{ window = "due", after = "2 d", at = "11:00", past = "float" }]
    "#;
    house.schedules(&[("programmes/general/programme.toml", settings)]);
}

on_both!(a_protocol_follows_visits_up_until_they_are_met, async |mut house: House| {
    with_protocols(&mut house);
    let table = |met: &str| {
        format!(
            "patient_id,sms,timezone,consent,consent_at,order_id,type,start,protocol,met\n\
             p,+12025550101,UTC,yes,2026-01-01,1,visit,2026-11-23,follow-up,{met}\n"
        )
    };
    assert_eq!(outcomes(&csv(&house, &table("")).await), ["created", "created"]);
    // Due on Tuesday, late from Wednesday to Friday.
    house.play_until(MONDAY.plus_ms(2 * DAY_MS + 12 * HOUR_MS)).await;
    let day = 24 * 60;
    assert_eq!(house.accepted("+12025550101"), [day + 540, 2 * day + 540]);
    // Met on Monday, told on Wednesday noon: the second visit's alert was due an hour ago, and floats.
    let met = csv(&house, &table("first visit=2026-11-23")).await;
    assert_eq!(outcomes(&met), ["unchanged", "updated"], "{}", reasons(&met));
    house.play_until(MONDAY.plus_ms(9 * DAY_MS)).await;
    assert_eq!(house.accepted("+12025550101"), [day + 540, 2 * day + 540, 3 * day + 660]);
    // The same once more changes nothing, also later: when the house learnt of it stays.
    assert_eq!(
        outcomes(&csv(&house, &table("first visit=2026-11-23")).await),
        ["unchanged", "unchanged"]
    );
});

on_both!(an_appointment_is_asked_after, async |mut house: House| {
    with_protocols(&mut house);
    let table = "patient_id,sms,timezone,consent,consent_at,order_id,type,start\n\
                 p,+12025550101,UTC,yes,2026-01-01,1,visit,2026-11-23T15:00:00\n";
    assert_eq!(outcomes(&csv(&house, table).await), ["created", "created"]);
    house.play_until(MONDAY.plus_ms(3 * DAY_MS)).await;
    assert_eq!(house.accepted("+12025550101"), [24 * 60 + 600]);
    let said = house.sandbox.ledger().entries()[0].message.body.clone().unwrap();
    assert!(said.contains("you had an appointment on") && said.contains("15:00"), "{said}");
});

#[test]
fn a_protocols_row_is_refused_with_its_column() {
    let rows = [
        ("follow-up,08:00,", "protocol"),
        (",,first visit=2026-05-17", "protocol"),
        ("follow-up,,first visit", "met"),
        ("follow-up,,first visit=17/05/2026", "met"),
        ("follow-up,,a=2026-05-17;a=2026-05-18", "met"),
    ];
    for (cells, column) in rows {
        let table = format!("patient_id,order_id,type,protocol,timing,met\nP,1,visit,{cells}\n");
        let items = super::csv_items(&table);
        assert_eq!(super::rejected(&items).len(), 1, "{cells}");
        let told = super::why(&items).join("\n");
        assert!(told.contains(column), "{cells}: {told}");
    }
}
