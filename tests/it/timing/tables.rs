//! Tables of timings: what each means, and how sure that is. The traps are those of HL7's, NHS's and AU's own
//! examples (file names beside them).

use super::Case;
use Confidence::{Defaulted, Exact, Review};
use carebell::care::{Confidence, UtcMs};
use carebell::timing::Decision;
use serde_json::{Value, json};

/// Repeat, anchor, window, confidence, expected wall-clock times (UTC).
type Row<'a> = (Value, &'a str, (&'a str, &'a str), Confidence, &'a [&'a str]);

fn check(rows: &[Row<'_>]) {
    for (repeat, anchor, (from, to), sure, expected) in rows {
        let case = Case::repeat(repeat, anchor);
        assert_eq!(case.shown(from, to), *expected, "{repeat} from {anchor}");
        let compiled = case.compiled();
        let (confidence, notes) = (compiled.confidence(), compiled.notes());
        assert_eq!(confidence, *sure, "{repeat} from {anchor}: {notes:?}");
        if confidence != Confidence::Exact {
            assert!(!notes.is_empty(), "{repeat}: a default or a question is said");
        }
        for note in notes {
            assert!(Decision::ALL.iter().any(|decision| decision.rule() == note.rule));
        }
    }
}

#[test]
#[rustfmt::skip] // a row a line
fn days_weeks_and_months() {
    let week = ("2025-03-03", "2025-03-10"); // Monday to Sunday
    let long = ("2025-01-01", "2025-07-01");
    check(&[
        (json!({"timeOfDay": ["20:00", "08:00:00", "08:00"]}), "2025-03-08", week, Exact,
            &["03-08T08:00", "03-08T20:00", "03-09T08:00", "03-09T20:00"]),
        (json!({"timeOfDay": ["08:00"]}), "2025-03-08T08:00:01", week, Exact, &["03-09T08:00"]),
        (json!({"timeOfDay": ["08:00"]}), "2025-03-08T08:00:00", week, Exact, &["03-08T08:00", "03-09T08:00"]),
        (json!({"frequency": 3, "period": 1, "periodUnit": "d"}), "2025-03-09", week, Defaulted,
            &["03-09T08:00", "03-09T14:00", "03-09T20:00"]),
        (json!({"frequency": 1, "period": 2, "periodUnit": "d", "timeOfDay": ["09:30"]}), "2025-03-02", week, Exact,
            &["03-04T09:30", "03-06T09:30", "03-08T09:30"]),
        (json!({"period": 2, "periodUnit": "d", "timeOfDay": ["08:00", "18:00"]}), "2025-03-08", week, Exact,
            &["03-08T08:00", "03-08T18:00"]),
        (json!({"frequency": 4, "period": 1, "periodUnit": "d", "dayOfWeek": ["mon"]}), "2025-03-01", week, Defaulted,
            &["03-03T08:00", "03-03T12:00", "03-03T16:00", "03-03T20:00"]),
        (json!({"frequency": 1, "period": 1, "periodUnit": "d", "dayOfWeek": ["mon", "thu"]}), "2025-03-01", week, Defaulted,
            &["03-03T08:00", "03-06T08:00"]),
        (json!({"frequency": 2, "period": 1, "periodUnit": "wk", "dayOfWeek": ["tue", "sat"], "timeOfDay": ["07:00"]}), "2025-03-01", week, Exact,
            &["03-04T07:00", "03-08T07:00"]),
        (json!({"frequency": 1, "period": 1, "periodUnit": "wk", "dayOfWeek": ["tue", "sat"]}), "2025-03-01", week, Review,
            &["03-04T08:00", "03-08T08:00"]),
        // Blocks of seven days from the anchor, a Thursday: Monday 3 March lies in the first block.
        (json!({"frequency": 1, "period": 2, "periodUnit": "wk", "dayOfWeek": ["mon"], "timeOfDay": ["08:00"]}), "2025-02-27", ("2025-02-24", "2025-04-01"), Exact,
            &["03-03T08:00", "03-17T08:00", "03-31T08:00"]),
        (json!({"frequency": 3, "period": 1, "periodUnit": "wk"}), "2025-03-04", ("2025-03-03", "2025-03-12"), Defaulted,
            &["03-04T08:00", "03-06T08:00", "03-08T08:00", "03-11T08:00"]),
        (json!({"frequency": 14, "period": 1, "periodUnit": "wk"}), "2025-03-09", week, Defaulted,
            &["03-09T08:00", "03-09T20:00"]),
        (json!({"frequency": 9, "period": 1, "periodUnit": "wk"}), "2025-03-09", week, Review, &[]),
        (json!({"frequency": 1, "period": 1, "periodUnit": "mo", "timeOfDay": ["08:00"]}), "2025-01-31", long, Exact,
            &["01-31T08:00", "02-28T08:00", "03-31T08:00", "04-30T08:00", "05-31T08:00", "06-30T08:00"]),
        (json!({"frequency": 1, "period": 1, "periodUnit": "a"}), "2024-02-29", ("2025-01-01", "2029-01-01"), Defaulted,
            &["02-28T08:00", "02-28T08:00", "02-28T08:00", "02-29T08:00"]),
        (json!({"frequency": 2, "period": 1, "periodUnit": "mo"}), "2025-01-31", long, Review, &[]),
        (json!({"frequency": 1, "period": 1.5, "periodUnit": "mo"}), "2025-01-31", long, Review, &[]),
        (json!({"dayOfWeek": ["mon"], "period": 3, "periodUnit": "d"}), "2025-03-01", week, Review, &[]),
        (json!({"timeOfDay": ["08:00"], "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/timing-dayOfMonth", "valuePositiveInt": 31}, {"url": "http://hl7.org/fhir/StructureDefinition/timing-exact", "valueBoolean": true}]}), "2025-01-01", long, Exact,
            &["01-31T08:00", "03-31T08:00", "05-31T08:00"]),
        (json!({"dayOfWeek": ["fri"], "timeOfDay": ["08:00"], "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/timing-dayOfMonth", "valuePositiveInt": 13}]}), "2025-01-01", long, Exact,
            &["06-13T08:00"]),
    ]);
}

#[test]
#[rustfmt::skip] // a row a line
fn hours_on_a_grid_and_elapsed() {
    let window = ("2025-03-03", "2025-03-05");
    check(&[
        (json!({"frequency": 1, "period": 8, "periodUnit": "h"}), "2025-03-03T22:00", window, Exact,
            &["03-03T22:00", "03-04T06:00", "03-04T14:00", "03-04T22:00"]),
        (json!({"period": 360, "periodUnit": "min"}), "2025-03-04T09:15", window, Exact,
            &["03-04T09:15", "03-04T15:15", "03-04T21:15"]),
        (json!({"period": 0.5, "periodUnit": "d"}), "2025-03-04T09:15", window, Exact,
            &["03-04T09:15", "03-04T21:15"]),
        (json!({"period": 24, "periodUnit": "h"}), "2025-03-03T09:15", window, Exact,
            &["03-03T09:15", "03-04T09:15"]),
        (json!({"period": 1.5, "periodUnit": "d"}), "2025-03-03T06:00", window, Exact,
            &["03-03T06:00", "03-04T18:00"]),
        (json!({"period": 5, "periodUnit": "h"}), "2025-03-04T10:00", window, Exact,
            &["03-04T10:00", "03-04T15:00", "03-04T20:00"]),
        (json!({"period": 90, "periodUnit": "min"}), "2025-03-04T21:00", window, Exact,
            &["03-04T21:00", "03-04T22:30"]),
        (json!({"period": 12, "periodUnit": "h"}), "2025-03-04", window, Defaulted, &["03-04T00:00", "03-04T12:00"]),
        (json!({"period": 15, "periodUnit": "min"}), "2025-03-04T00:00", window, Review, &[]),
        (json!({"period": 3600, "periodUnit": "s"}), "2025-03-04T00:00", window, Review, &[]),
    ]);
    // Eight hours stay put by the clock when the clocks change; five hours elapse.
    for (hours, expected) in [
        (8, ["03-08T22:00", "03-09T06:00", "03-09T14:00"]),
        (5, ["03-08T22:00", "03-09T04:00", "03-09T09:00"]),
    ] {
        let dosage =
            json!([{"timing": {"repeat": {"period": hours, "periodUnit": "h", "count": 3}}}]);
        let case = Case::new(dosage, "America/New_York", "2025-03-08T22:00:00");
        assert_eq!(case.shown("2025-03-08", "2025-03-12"), expected, "{hours} h");
    }
    let routine = Case::repeat(&json!({"period": 12, "periodUnit": "h"}), "2025-03-04")
        .with_routine(json!({"wake": "06:30"}));
    assert_eq!(routine.shown("2025-03-04", "2025-03-05"), ["03-04T06:30", "03-04T18:30"]);
}

#[test]
#[rustfmt::skip] // a row a line
fn bounds_and_count() {
    let window = ("2025-01-01", "2025-12-31");
    let daily = |extra: Value| {
        let mut repeat = json!({"timeOfDay": ["08:00", "20:00"]});
        repeat.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        repeat
    };
    check(&[
        (daily(json!({"boundsPeriod": {"start": "2025-03-01T12:00:00", "end": "2025-03-02"}})), "2024-01-01", window, Exact,
            &["03-01T20:00", "03-02T08:00", "03-02T20:00"]),
        (daily(json!({"boundsPeriod": {"start": "2025-03-01", "end": "2025-03-01T20:00:00Z"}})), "2024-01-01", window, Exact,
            &["03-01T08:00", "03-01T20:00"]),
        (daily(json!({"boundsPeriod": {"start": "2025-12", "end": "2025-12"}, "dayOfWeek": ["mon"], "count": 3})), "2024-01-01", window, Exact,
            &["12-01T08:00", "12-01T20:00", "12-08T08:00"]),
        (daily(json!({"boundsPeriod": {"start": "2025-03-01", "end": "2025-03-02T08:00:00"}})), "2024-01-01", window, Exact,
            &["03-01T08:00", "03-01T20:00", "03-02T08:00"]),
        (daily(json!({"boundsDuration": {"value": 1, "code": "d"}})), "2025-03-01T12:00", window, Exact,
            &["03-01T20:00", "03-02T08:00"]),
        (daily(json!({"boundsDuration": {"value": 13, "code": "h"}})), "2025-03-01T12:00", window, Exact,
            &["03-01T20:00", "03-02T08:00"]),
        (daily(json!({"boundsRange": {"low": {"value": 1, "code": "d"}, "high": {"value": 2, "code": "d"}}})), "2025-03-01", window, Defaulted,
            &["03-01T08:00", "03-01T20:00", "03-02T08:00", "03-02T20:00"]),
        (daily(json!({"count": 3, "countMax": 5})), "2025-03-01T12:00", window, Defaulted,
            &["03-01T20:00", "03-02T08:00", "03-02T20:00"]),
        (json!({"frequency": 1, "period": 1, "periodUnit": "mo", "timeOfDay": ["08:00"], "boundsDuration": {"value": 2, "code": "mo"}}), "2025-01-31", window, Exact,
            &["01-31T08:00", "02-28T08:00"]),
        (daily(json!({"boundsPeriod": {"start": "2025-03-02", "end": "2025-03-01"}})), "2025-03-01", window, Review,
            &[]),
        (daily(json!({"boundsDuration": {"value": 2}, "count": 1})), "2025-03-01", window, Review, &["03-01T08:00"]),
    ]);
    let tid = Case::repeat(
        &json!({"frequency": 3, "period": 1, "periodUnit": "d", "boundsDuration": {"value": 14, "code": "d"}}),
        "2025-03-01T13:00",
    );
    assert_eq!(
        tid.shown("2025-01-01", "2026-01-01").len(),
        42,
        "three a day for 14 days, whatever the start's hour"
    );
}

#[test]
#[rustfmt::skip] // a row a line
fn meals_and_sleep() {
    let day = ("2025-03-04", "2025-03-05");
    check(&[
        (json!({"when": ["CM", "CV"]}), "2025-03-04", day, Defaulted, &["03-04T08:00", "03-04T19:00"]),
        (json!({"when": ["ACM"], "offset": 15}), "2025-03-04", day, Defaulted, &["03-04T07:45"]),
        (json!({"when": ["AC"]}), "2025-03-04", day, Defaulted, &["03-04T07:30", "03-04T12:30", "03-04T18:30"]),
        (json!({"when": ["C"], "frequency": 2, "period": 1, "periodUnit": "d"}), "2025-03-04", day, Defaulted,
            &["03-04T08:00", "03-04T19:00"]),
        (json!({"when": ["HS"], "frequency": 2, "period": 1, "periodUnit": "d"}), "2025-03-04", day, Review,
            &["03-04T22:00"]),
        (json!({"when": ["PHS"], "offset": 180}), "2025-03-03", day, Defaulted, &["03-04T01:00"]),
        (json!({"when": ["ACM"], "offset": 540}), "2025-03-04", ("2025-03-03", "2025-03-06"), Defaulted,
            &["03-04T23:00", "03-05T23:00"]),
        (json!({"when": ["LUNCH"]}), "2025-03-04", day, Review, &[]),
        (json!({"when": ["CM"], "offset": 10}), "2025-03-04", day, Review, &["03-04T08:10"]),
    ]);
    let routine = json!({"breakfast": "07:10", "bed": "23:00"});
    for (repeat, sure, expected) in [
        (json!({"when": ["CM", "HS"]}), Exact, vec!["03-04T07:10", "03-04T23:00"]),
        (json!({"when": ["ACM"], "offset": 20}), Exact, vec!["03-04T06:50"]),
        (json!({"when": ["ACM"]}), Defaulted, vec!["03-04T06:40"]),
        (json!({"when": ["CD"]}), Defaulted, vec!["03-04T13:00"]),
    ] {
        let case = Case::repeat(&repeat, "2025-03-04").with_routine(routine.clone());
        assert_eq!(
            (case.shown(day.0, day.1), case.confidence()),
            (expected.into_iter().map(str::to_owned).collect(), sure),
            "{repeat}"
        );
    }
    let own_table =
        Case::repeat(&json!({"frequency": 2, "period": 1, "periodUnit": "d"}), "2025-03-04")
            .with_routine(json!({"times_per_day": {"2": ["19:30", "07:30"]}}));
    assert_eq!(own_table.shown(day.0, day.1), ["03-04T07:30", "03-04T19:30"]);
    let short = Case::repeat(&json!({"frequency": 2, "period": 1, "periodUnit": "d"}), "2025-03-04")
        .with_routine(json!({"wake": "08:00", "bed": "08:00"}));
    assert_eq!(short.confidence(), Review, "two times a day in no time");
    let waking =
        Case::repeat(&json!({"frequency": 3, "period": 1, "periodUnit": "d"}), "2025-03-04")
            .with_routine(json!({"wake": "20:00", "bed": "10:00"}));
    assert_eq!(waking.shown(day.0, day.1), ["03-04T03:00", "03-04T10:00", "03-04T20:00"]);
}

#[test]
#[rustfmt::skip] // a row a line
fn the_traps_of_real_plans() {
    let window = ("2025-03-01", "2025-03-08");
    check(&[
        // medrx0302: four a day beside a text that says four days.
        (json!({"frequency": 4, "period": 1, "periodUnit": "d"}), "2025-03-07", window, Defaulted,
            &["03-07T08:00", "03-07T12:00", "03-07T16:00", "03-07T20:00"]),
        // medrx0317: the course's length in `duration`.
        (json!({"frequency": 1, "period": 2, "periodUnit": "d", "duration": 5, "durationUnit": "d"}), "2025-03-01", window, Defaulted,
            &["03-01T08:00", "03-03T08:00", "03-05T08:00"]),
        (json!({"timeOfDay": ["08:00"], "duration": 30, "durationUnit": "min"}), "2025-03-07", window, Exact,
            &["03-07T08:00"]),
        // medrx0332, medrx0335, CarePlan-preg.
        (json!({"count": 1}), "2025-03-04", window, Defaulted, &["03-04T08:00"]),
        (json!({"count": 2}), "2025-03-04", window, Review, &[]),
        (json!({"timeOfDay": ["10:00"]}), "2025-03-07", window, Exact, &["03-07T10:00"]),
        (json!({"boundsPeriod": {"start": "2025-03-02", "end": "2025-03-06"}}), "2024-01-01", window, Defaulted,
            &["03-02T08:00"]),
        // NHS: frequency used for tablets, or without a period.
        (json!({"frequency": 8, "period": 1, "periodUnit": "d", "count": 1}), "2025-03-07", window, Review,
            &["03-07T07:00"]),
        (json!({"frequency": 1_000_000_000, "period": 1, "periodUnit": "d"}), "2025-03-07", window, Review, &[]),
        (json!({"frequency": 2}), "2025-03-07", window, Review, &[]),
        (json!({"frequency": 1}), "2025-03-07", window, Defaulted, &["03-07T08:00"]),
        // fds: periodMax without period, offset without when; a start without offset.
        (json!({"frequency": 1, "periodMax": 2, "periodUnit": "d"}), "2025-03-06", window, Review, &["03-06T08:00"]),
        (json!({"timeOfDay": ["08:00"], "offset": 30}), "2025-03-07", window, Review, &["03-07T08:00"]),
        (json!({"timeOfDay": ["08:00"], "boundsPeriod": {"start": "2025-03-06T09:00:00"}}), "2024-01-01", window, Exact,
            &["03-07T08:00"]),
        // AU: every 1 to 10 days at 10:00.
        (json!({"frequency": 1, "period": 1, "periodMax": 4, "periodUnit": "d", "timeOfDay": ["10:00"]}), "2025-03-01", window, Defaulted,
            &["03-01T10:00", "03-05T10:00"]),
        (json!({"frequency": 2, "frequencyMax": 3, "period": 1, "periodUnit": "d"}), "2025-03-07", window, Defaulted,
            &["03-07T08:00", "03-07T20:00"]),
        // Broken invariants and values.
        (json!({"timeOfDay": ["08:00"], "when": ["CM"]}), "2025-03-07", window, Review, &["03-07T08:00"]),
        (json!({"frequency": 1, "period": 1}), "2025-03-07", window, Review, &[]),
        (json!({"frequency": 1, "period": -1, "periodUnit": "d"}), "2025-03-07", window, Review, &[]),
        (json!({"frequency": 1, "period": 0, "periodUnit": "d"}), "2025-03-07", window, Review, &[]),
        (json!({"frequency": 0, "period": 1, "periodUnit": "d", "timeOfDay": ["08:00"]}), "2025-03-07", window, Review,
            &["03-07T08:00"]),
        (json!({"timeOfDay": ["24:00"]}), "2025-03-07", window, Review, &[]),
        (json!({"timeOfDay": ["08:00"], "dayOfWeek": ["funday"]}), "2025-03-07", window, Review, &[]),
        (json!({"timeOfDay": ["08:00"], "countMax": 3}), "2025-03-07", window, Review, &["03-07T08:00"]),
        (json!({"timeOfDay": ["08:00"], "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/timing-daysOfCycle"}]}), "2025-03-07", window, Review,
            &[]),
        (json!({"timeOfDay": ["08:00"]}), "{placeholder}", window, Review, &[]),
        (json!({"timeOfDay": ["08:00"], "boundsPeriod": {"start": "soon"}}), "2025-03-07", window, Review,
            &["03-07T08:00"]),
    ]);
}

#[test]
#[rustfmt::skip] // a row a line
fn whole_dosages() {
    let code = |code: &str| json!({"coding": [{"code": code}]});
    let daily = json!({"repeat": {"timeOfDay": ["08:00"]}});
    for (dosages, sure, expected) in [
        (json!([{"timing": {"code": code("BID")}}]), Defaulted, vec!["03-07T08:00", "03-07T20:00"]),
        (json!([{"timing": {"code": code("PM"), "repeat": {"boundsPeriod": {"end": "2025-03-07"}}}}]), Defaulted,
            vec!["03-07T15:00"]),
        (json!([{"timing": {"code": code("BED")}}]), Defaulted, vec!["03-07T22:00"]),
        (json!([{"timing": {"code": code("QOD")}}]), Defaulted, vec!["03-07T08:00"]),
        (json!([{"timing": {"code": code("Q8H")}}]), Defaulted, vec!["03-07T00:00", "03-07T08:00", "03-07T16:00"]),
        (json!([{"timing": {"code": code("JE")}}]), Defaulted, vec![]),
        (json!([{"timing": {"code": code("JB")}}]), Defaulted, vec!["03-07T08:00"]),
        (json!([{"timing": {"code": code("bid")}}]), Review, vec![]),
        (json!([{"timing": {"code": {"text": "twice daily"}}}]), Review, vec![]),
        (json!([{"timing": {"code": code("BID"), "repeat": {"timeOfDay": ["08:00"]}}}]), Review, vec!["03-07T08:00"]),
        (json!([{"timing": {"code": code("QD"), "repeat": {"timeOfDay": ["08:00"]}}}]), Exact, vec!["03-07T08:00"]),
        // A part of the day that the clock times contradict; daily beside once; two codings that differ.
        (json!([{"timing": {"code": code("BED"), "repeat": {"timeOfDay": ["08:00"]}}}]), Review, vec!["03-07T08:00"]),
        (json!([{"timing": {"code": code("BED"), "repeat": {"timeOfDay": ["00:30"]}}}]), Exact, vec!["03-07T00:30"]),
        (json!([{"timing": {"code": code("AM"), "repeat": {"timeOfDay": ["07:15"]}}}]), Exact, vec!["03-07T07:15"]),
        (json!([{"timing": {"code": code("PM"), "repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}]), Review, vec!["03-07T08:00"]),
        (json!([{"timing": {"code": code("QD"), "repeat": {"frequency": 1}}}]), Review, vec!["03-07T08:00"]),
        (json!([{"timing": {"code": {"coding": [{"code": "TID"}, {"code": "BID"}]}}}]), Review, vec!["03-07T08:00", "03-07T14:00", "03-07T20:00"]),
        (json!([{"timing": {"event": ["2025-03-07T09:00:00Z", "2025-03-07T09:00:00Z", "2020-01-01T00:00:00Z"], "repeat": {"count": 1}}}]), Exact,
            vec!["03-07T09:00"]),
        (json!([{"timing": {"event": ["2025-03-07"]}}]), Defaulted, vec!["03-07T08:00"]),
        (json!([{"timing": {"event": ["2025-03"]}}]), Review, vec![]),
        // medrx0323: one event beside a rule without bounds.
        (json!([{"timing": {"event": ["2025-03-05T10:00:00Z"], "repeat": {"frequency": 1, "period": 24, "periodUnit": "h"}}}]), Defaulted,
            vec!["03-07T10:00"]),
        (json!([{"asNeededBoolean": true, "timing": daily}]), Confidence::None, vec![]),
        (json!([{"asNeededCodeableConcept": {"text": "pain"}, "timing": daily}]), Confidence::None, vec![]),
        (json!([{"asNeededBoolean": false, "timing": daily}]), Exact, vec!["03-07T08:00"]),
        (json!([{"text": "as directed"}]), Review, vec![]),
        (json!([{}]), Confidence::None, vec![]),
        (json!([]), Confidence::None, vec![]),
        (json!([{"asNeededBoolean": true}, {"timing": daily}]), Exact, vec!["03-07T08:00"]),
        // NHS complex4-alt2: a first step that is taken as needed ends nobody knows when.
        (json!([{"sequence": 1, "asNeededBoolean": true, "timing": {"repeat": {"count": 1}}}, {"sequence": 2, "timing": daily}]), Review,
            vec!["03-07T08:00"]),
        (json!([{"sequence": 1, "asNeededBoolean": true, "timing": {"repeat": {"boundsPeriod": {"end": "2025-03-07"}}}}, {"sequence": 2, "timing": daily}]), Exact,
            vec![]),
        // fhircore's antenatal visits: each lasts its month, eight of them do not fit into one.
        (json!([{"timing": {"repeat": {"count": 8, "duration": 1, "durationUnit": "mo", "period": 1, "periodUnit": "mo"}}}]), Review,
            vec!["03-07T08:00"]),
        (json!([{"timing": {"repeat": {"duration": 3, "durationUnit": "d"}}}]), Confidence::None, vec![]),
        (json!([{"timing": daily, "modifierExtension": [{"url": "urn:x"}]}]), Review, vec!["03-07T08:00"]),
    ] {
        let case = Case::new(dosages.clone(), "UTC", "2025-03-07");
        assert_eq!(case.shown("2025-03-07", "2025-03-08"), expected, "{dosages}");
        assert_eq!(
            case.confidence(),
            sure,
            "{dosages}: {:?}",
            case.compiled().notes()
        );
    }
}

#[test]
#[rustfmt::skip] // a row a line
fn absurd_sizes_cost_bounded_time() {
    let window = ("2025-03-04", "2025-03-05");
    check(&[
        (json!({"timeOfDay": ["08:00"], "count": 1_000_000_000_000_i64}), "0001-01-01", window, Exact,
            &["03-04T08:00"]),
        (json!({"timeOfDay": ["08:00"], "count": i64::MAX}), "0001-01-01", window, Exact, &["03-04T08:00"]),
        (json!({"timeOfDay": ["08:00"], "boundsDuration": {"value": 5000, "code": "a"}}), "2000-01-01", window, Exact,
            &["03-04T08:00"]),
        (json!({"timeOfDay": ["08:00"], "boundsDuration": {"value": 1e18, "code": "a"}}), "2000-01-01", window, Review,
            &["03-04T08:00"]),
        (json!({"timeOfDay": ["08:00"], "boundsDuration": {"value": 1e18, "code": "h"}}), "2000-01-01", window, Review,
            &["03-04T08:00"]),
        (json!({"period": 7, "periodUnit": "h", "count": i64::MAX}), "0001-01-01T00:00:00Z", window, Exact,
            &["03-04T04:00", "03-04T11:00", "03-04T18:00"]),
        (json!({"period": 1e15, "periodUnit": "a", "timeOfDay": ["08:00"]}), "2025-03-04", window, Exact,
            &["03-04T08:00"]),
        (json!({"period": 1e15, "periodUnit": "h"}), "2025-03-04T00:00:00Z", window, Exact, &["03-04T00:00"]),
        (json!({"period": 1e300, "periodUnit": "d"}), "2025-03-04T00:00:00Z", window, Review, &[]),
        (json!({"timeOfDay": ["08:00"], "count": 1_000_000_000, "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/timing-dayOfMonth", "valuePositiveInt": 4}]}), "0001-01-01", window, Exact,
            &["03-04T08:00"]),
    ]);
    let hourly = Case::repeat(&json!({"period": 1, "periodUnit": "h"}), "2025-01-01T00:00");
    let all = hourly.expand(UtcMs::MIN, UtcMs::MAX);
    assert_eq!((all.occurrences.len(), all.confidence), (0, Review));
    assert!(all.notes.iter().any(|note| note.rule == Decision::TooMany.rule()));
    let never = Case::repeat(
        &json!({"period": 1, "periodUnit": "a", "timeOfDay": ["08:00"], "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/timing-dayOfMonth", "valuePositiveInt": 31}]}),
        "2025-02-01",
    );
    assert_eq!(never.compiled().next_after(UtcMs(0), UtcMs::MAX), None);
    assert!(never.expand(UtcMs::MIN, UtcMs::MAX).occurrences.is_empty());
}
