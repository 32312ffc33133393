//! What the house adds to FHIR's timing, and what an order itself forbids.

use super::Case;
use Confidence::{Defaulted, Exact, Review};
use carebell::care::Confidence;
use carebell::timing::Decision;
use serde_json::{Value, json};

/// Repeat, anchor, window, confidence, expected wall-clock times (UTC).
type Row<'a> = (Value, &'a str, (&'a str, &'a str), Confidence, &'a [&'a str]);

fn check(routine: &Value, rows: &[Row<'_>]) {
    for (repeat, anchor, (from, to), sure, expected) in rows {
        let case = Case::repeat(repeat, anchor).with_routine(routine.clone());
        assert_eq!(case.shown(from, to), *expected, "{repeat} from {anchor}");
        assert_eq!(case.confidence(), *sure, "{repeat}: {:?}", case.compiled().notes());
    }
}

fn cycle(on: i64, off: i64) -> Value {
    json!({"url": "urn:carebell:timing-cycle", "extension": [
        {"url": "on", "valuePositiveInt": on}, {"url": "off", "valuePositiveInt": off}]})
}

fn month_end(code: &str) -> Value {
    json!({"url": "urn:carebell:timing-month-end", "valueCode": code})
}

fn day_of_month(day: i64) -> Value {
    json!({"url": "http://hl7.org/fhir/StructureDefinition/timing-dayOfMonth", "valuePositiveInt": day})
}

fn days_of_cycle(days: &[i64]) -> Value {
    let days: Vec<Value> = days.iter().map(|d| json!({"url": "day", "valueInteger": d})).collect();
    json!({"url": "http://hl7.org/fhir/StructureDefinition/timing-daysOfCycle", "extension": days})
}

#[test]
#[rustfmt::skip] // a row a line
fn cycles() {
    let march = ("2025-03-01", "2025-04-01");
    check(&json!({}), &[
        // 21 on, 7 off from 1 March: 22 to 28 March are off.
        (json!({"timeOfDay": ["09:00"], "extension": [cycle(21, 7)]}), "2025-03-01", ("2025-03-20", "2025-03-31"), Exact,
            &["03-20T09:00", "03-21T09:00", "03-29T09:00", "03-30T09:00"]),
        (json!({"timeOfDay": ["09:00"], "count": 3, "extension": [cycle(2, 5)]}), "2025-03-01", march, Exact,
            &["03-01T09:00", "03-02T09:00", "03-08T09:00"]),
        // Every second day, of those the first three days of seven: days 0, 2, 8, 14, 16, 22, 28, 30.
        (json!({"period": 2, "periodUnit": "d", "timeOfDay": ["09:00"], "extension": [cycle(3, 4)]}), "2025-03-01", march, Exact,
            &["03-01T09:00", "03-03T09:00", "03-09T09:00", "03-15T09:00", "03-17T09:00", "03-23T09:00", "03-29T09:00", "03-31T09:00"]),
        (json!({"dayOfWeek": ["mon", "thu"], "timeOfDay": ["09:00"], "extension": [cycle(7, 7)]}), "2025-03-03", march, Exact,
            &["03-03T09:00", "03-06T09:00", "03-17T09:00", "03-20T09:00", "03-31T09:00"]),
        (json!({"period": 8, "periodUnit": "h", "extension": [cycle(1, 30)]}), "2025-03-01T06:00:00", march, Exact,
            &["03-01T06:00", "03-01T14:00", "03-01T22:00"]),
        (json!({"frequency": 1, "period": 1, "periodUnit": "d", "extension": [cycle(28, 28), days_of_cycle(&[1, 8, 15])]}), "2025-03-01", march, Defaulted,
            &["03-01T08:00", "03-08T08:00", "03-15T08:00"]),
        (json!({"frequency": 3, "period": 28, "periodUnit": "d", "extension": [days_of_cycle(&[1, 8, 15])]}), "2025-03-01", march, Review,
            &["03-01T08:00", "03-08T08:00", "03-15T08:00", "03-29T08:00"]),
        (json!({"timeOfDay": ["09:00"], "extension": [days_of_cycle(&[1, 14])]}), "2025-03-01", march, Review, &[]),
        (json!({"timeOfDay": ["09:00"], "extension": [cycle(0, 7)]}), "2025-03-01", march, Review, &[]),
        (json!({"timeOfDay": ["09:00"], "extension": [cycle(300, 300)]}), "2025-03-01", march, Review, &[]),
        (json!({"period": 1, "periodUnit": "mo", "timeOfDay": ["09:00"], "extension": [cycle(21, 7)]}), "2025-03-01", march, Review, &[]),
        (json!({"period": 5, "periodUnit": "h", "extension": [cycle(21, 7)]}), "2025-03-01T06:00:00", march, Review, &[]),
        (json!({"extension": [cycle(21, 7)]}), "2025-03-01", march, Review, &[]),
    ]);
}

#[test]
#[rustfmt::skip] // a row a line
fn while_awake_and_month_ends() {
    let awake = json!({"url": "urn:carebell:timing-while-awake", "valueBoolean": true});
    let day = ("2025-03-04", "2025-03-05");
    check(&json!({"wake": "06:30", "bed": "22:00"}), &[
        (json!({"period": 4, "periodUnit": "h", "extension": [awake]}), "2025-03-01T11:11:00", day, Exact,
            &["03-04T06:30", "03-04T10:30", "03-04T14:30", "03-04T18:30"]),
        (json!({"period": 5, "periodUnit": "h", "extension": [awake]}), "2025-03-01", day, Exact,
            &["03-04T06:30", "03-04T11:30", "03-04T16:30", "03-04T21:30"]),
    ]);
    check(&json!({}), &[
        (json!({"period": 5, "periodUnit": "h", "extension": [awake]}), "2025-03-01", day, Defaulted,
            &["03-04T07:00", "03-04T12:00", "03-04T17:00", "03-04T22:00"]),
    ]);
    let half = ("2025-01-01", "2025-06-01");
    check(&json!({}), &[
        (json!({"period": 1, "periodUnit": "mo", "timeOfDay": ["09:00"], "extension": [month_end("skip")]}), "2025-01-31", half, Exact,
            &["01-31T09:00", "03-31T09:00", "05-31T09:00"]),
        (json!({"timeOfDay": ["09:00"], "extension": [day_of_month(31), month_end("clamp")]}), "2025-01-01", half, Exact,
            &["01-31T09:00", "02-28T09:00", "03-31T09:00", "04-30T09:00", "05-31T09:00"]),
        (json!({"timeOfDay": ["09:00"], "extension": [day_of_month(31), day_of_month(30), month_end("clamp")]}), "2025-02-01", ("2025-02-01", "2025-05-01"), Exact,
            &["02-28T09:00", "03-30T09:00", "03-31T09:00", "04-30T09:00"]),
        (json!({"timeOfDay": ["09:00"], "extension": [day_of_month(31), month_end("skip")]}), "2025-01-01", half, Exact,
            &["01-31T09:00", "03-31T09:00", "05-31T09:00"]),
        (json!({"timeOfDay": ["09:00"], "extension": [month_end("guess")]}), "2025-03-04", day, Review, &["03-04T09:00"]),
    ]);
}

#[test]
#[rustfmt::skip] // a row a line
fn weekends_have_their_own_anchors() {
    // 7 and 14 March 2025 are Fridays.
    let days = ("2025-03-07", "2025-03-10");
    check(&json!({"breakfast": "07:00", "bed": "22:00", "weekend": {"breakfast": "09:30"}}), &[
        (json!({"when": ["ACM"], "offset": 30}), "2025-03-01", days, Exact,
            &["03-07T06:30", "03-08T09:00", "03-09T09:00"]),
        (json!({"when": ["CM", "HS"], "count": 3}), "2025-03-07", days, Exact,
            &["03-07T07:00", "03-07T22:00", "03-08T09:30"]),
        (json!({"timeOfDay": ["08:00"]}), "2025-03-01", days, Exact,
            &["03-07T08:00", "03-08T08:00", "03-09T08:00"]),
        (json!({"dayOfWeek": ["fri", "sat"], "when": ["CM"]}), "2025-03-01", days, Exact,
            &["03-07T07:00", "03-08T09:30"]),
        (json!({"period": 1, "periodUnit": "mo", "when": ["CM"]}), "2025-02-08", ("2025-02-01", "2025-05-01"), Exact,
            &["02-08T09:30", "03-08T09:30", "04-08T07:00"]),
    ]);
    check(&json!({"wake": "07:00", "bed": "21:00", "weekend": {"wake": "09:00", "bed": "23:00"}}), &[
        (json!({"frequency": 2, "period": 1, "periodUnit": "d"}), "2025-03-01", days, Defaulted,
            &["03-07T07:00", "03-07T21:00", "03-08T09:00", "03-08T23:00", "03-09T09:00", "03-09T23:00"]),
    ]);
    check(&json!({"times_per_day": {"1": ["06:00"]}, "weekend": {"times_per_day": {"1": ["10:00"]}}}), &[
        (json!({"frequency": 1, "period": 1, "periodUnit": "d"}), "2025-03-01", days, Defaulted,
            &["03-07T06:00", "03-08T10:00", "03-09T10:00"]),
    ]);
}

#[test]
fn slots_closer_than_the_orders_own_minimum_are_asked_about() {
    let spacing = |minutes: i64| json!({"url": "urn:carebell:timing-minimum-spacing", "valuePositiveInt": minutes});
    let order = |times: Value, minutes: i64| json!({"timing": {"repeat": {"timeOfDay": times, "extension": [spacing(minutes)]}}});
    let other = |times: Value| json!({"sequence": 1, "timing": {"repeat": {"timeOfDay": times}}});
    let rows = [
        (json!([order(json!(["08:00", "20:00"]), 240)]), Exact),
        (json!([order(json!(["08:00", "12:00"]), 240)]), Exact),
        (json!([order(json!(["08:00", "11:59"]), 240)]), Review),
        // Over midnight, and between dosages.
        (json!([order(json!(["01:00", "22:00"]), 240)]), Review),
        (json!([order(json!(["08:00"]), 240), other(json!(["10:00"]))]), Review),
        (json!([order(json!(["08:00"]), 240), other(json!(["08:00", "12:00"]))]), Exact),
    ];
    for (dosages, expected) in rows {
        let case = Case::new(dosages, "Europe/Berlin", "2025-03-01");
        assert_eq!(case.confidence(), expected, "{:?}", case.dosages);
    }
}

#[test]
fn more_than_the_maximum_is_asked_about() {
    let quantity = |value: f64, code: &str| json!({"value": value, "code": code});
    let max = |value: f64, days: f64| json!([{"numerator": quantity(value, "mg"), "denominator": quantity(days, "d")}]);
    let dosage = |dose: Value, times: Value, max: Value| json!({"timing": {"repeat": {"timeOfDay": times}}, "doseAndRate": [dose], "maxDosePerPeriod": max});
    let mg = |value: f64| json!({"doseQuantity": quantity(value, "mg")});
    let thrice = || json!(["08:00", "14:00", "20:00"]);
    let rows = [
        (json!([dosage(mg(500.0), thrice(), max(1500.0, 1.0))]), Exact, 0),
        (json!([dosage(mg(500.5), thrice(), max(1500.0, 1.0))]), Review, 1),
        (json!([dosage(mg(500.0), thrice(), max(2999.0, 2.0))]), Review, 1),
        (
            json!([dosage(
                json!({"doseRange": {"low": quantity(250.0, "mg"), "high": quantity(600.0, "mg")}}),
                thrice(),
                max(1500.0, 1.0)
            )]),
            Review,
            1,
        ),
        // A calculated dose is not the ordered one; other units are not compared, and that is said.
        (
            json!([dosage(
                json!({"type": {"coding": [{"code": "calculated"}]}, "doseQuantity": quantity(900.0, "mg")}),
                thrice(),
                max(1.0, 1.0)
            )]),
            Exact,
            1,
        ),
        (
            json!([dosage(
                json!({"doseQuantity": quantity(2.0, "{tablet}")}),
                thrice(),
                max(1.0, 1.0)
            )]),
            Exact,
            1,
        ),
        (
            json!([
                dosage(mg(500.0), json!(["08:00"]), max(1000.0, 1.0)),
                dosage(mg(600.0), json!(["12:00"]), json!([]))
            ]),
            Review,
            1,
        ),
    ];
    for (dosages, expected, notes) in rows {
        let case = Case::new(dosages, "UTC", "2025-03-01");
        let said = case.compiled().notes();
        assert_eq!((case.confidence(), said.len()), (expected, notes), "{said:?}");
        assert!(said.iter().all(|note| note.rule == Decision::MaximumDose.rule()));
    }
}
