//! Timings for people: what each phrase means, what is refused and where, and that what is said is read again.

mod laws;

use FaultKind::{
    Ambiguous, Contradiction, Incomplete, NotUnderstood, OutOfRange, Repeated, TooLong,
};
use carebell::care::timing::native::{CYCLE, MINIMUM_SPACING, MONTH_END, WHILE_AWAKE};
use carebell::care::{Confidence, Dosage, Timing};
use carebell::timing::text::{FORMS, FaultKind, parse, say};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const DAY_OF_MONTH: &str = "http://hl7.org/fhir/StructureDefinition/timing-dayOfMonth";

fn model(text: &str) -> Value {
    let dosages = parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    serde_json::to_value(dosages).unwrap()
}

/// The `repeat` of a text that is one plain schedule.
fn repeat(text: &str) -> Value {
    let model = model(text);
    let repeat = model[0]["timing"]["repeat"].clone();
    assert_eq!(model, json!([{"timing": {"repeat": repeat}}]), "{text}");
    repeat
}

fn rate(frequency: u32, period: u32, unit: &str) -> Value {
    json!({"frequency": frequency, "period": period, "periodUnit": unit})
}

/// A `repeat` with more in it.
fn with(mut repeat: Value, more: &Value) -> Value {
    repeat.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    repeat
}

fn at(times: &[&str]) -> Value {
    json!({"timeOfDay": times.iter().map(|time| format!("{time}:00")).collect::<Vec<_>>()})
}

fn when(codes: &[&str]) -> Value {
    json!({"when": codes})
}

fn on(days: &[&str]) -> Value {
    json!({"dayOfWeek": days})
}

fn month_days(days: &[u32], end: Option<&str>) -> Value {
    let day = |day: &u32| json!({"url": DAY_OF_MONTH, "valuePositiveInt": day});
    let end = end.map(|code| json!({"url": MONTH_END, "valueCode": code}));
    json!({"extension": days.iter().map(day).chain(end).collect::<Vec<_>>()})
}

#[test]
#[rustfmt::skip] // a row a line
fn phrases_become_fhir() {
    let weekdays = || on(&["mon", "tue", "wed", "thu", "fri"]);
    let nine = || at(&["09:00"]);
    let eight = || at(&["08:00"]);
    let duration = |value: u32, code: &str| json!({"boundsDuration": {"value": value, "code": code}});
    let period = |start: &str, end: &str| json!({"boundsPeriod": {"start": start, "end": end}});
    let rows: Vec<(&str, Value)> = vec![
        // Clock times: each once, in order (timing-rules 12).
        ("08:00, 20:00", at(&["08:00", "20:00"])),
        ("20:00 and 08:00, 8:00", at(&["08:00", "20:00"])),
        ("8:00", eight()),
        ("8am, 8:30 pm", at(&["08:00", "20:30"])),
        ("At 8 AM & 12:30pm.", at(&["08:00", "12:30"])),
        ("12:30 am", at(&["00:30"])),
        ("23:59:30", json!({"timeOfDay": ["23:59:30"]})),
        // Rates.
        ("3x/day", rate(3, 1, "d")),
        ("3 x / d", rate(3, 1, "d")),
        ("3\u{d7}/day", rate(3, 1, "d")),
        ("3/day", rate(3, 1, "d")),
        ("3 times a day", rate(3, 1, "d")),
        ("three times daily", rate(3, 1, "d")),
        ("TWICE DAILY", rate(2, 1, "d")),
        ("once daily", rate(1, 1, "d")),
        ("daily", rate(1, 1, "d")),
        ("every day", rate(1, 1, "d")),
        ("every day 8 times", rate(8, 1, "d")),
        ("5x/day", rate(5, 1, "d")),
        ("once a week", rate(1, 1, "wk")),
        ("3x/week", rate(3, 1, "wk")),
        ("fortnightly", rate(1, 2, "wk")),
        ("once every 2 weeks", rate(1, 2, "wk")),
        ("every 8h", rate(1, 8, "h")),
        ("every 8 hours", rate(1, 8, "h")),
        ("every hour", rate(1, 1, "h")),
        ("every 36 h", rate(1, 36, "h")),
        ("every 90 min", rate(1, 90, "min")),
        ("every other day", rate(1, 2, "d")),
        ("every 2nd day", rate(1, 2, "d")),
        ("monthly", rate(1, 1, "mo")),
        ("every 3 months", rate(1, 3, "mo")),
        ("every 6 mo", rate(1, 6, "mo")),
        ("quarterly", rate(1, 3, "mo")),
        ("yearly", rate(1, 1, "a")),
        ("twice a month", rate(2, 1, "mo")),
        // ValueSet timing-abbreviation, and the British forms of it.
        ("BID", rate(2, 1, "d")), ("b.i.d.", rate(2, 1, "d")), ("bd", rate(2, 1, "d")),
        ("TID", rate(3, 1, "d")), ("qid", rate(4, 1, "d")), ("QDS", rate(4, 1, "d")),
        ("QD", rate(1, 1, "d")), ("OD", rate(1, 1, "d")), ("QOD", rate(1, 2, "d")),
        ("Q6H", rate(1, 6, "h")), ("q 4 h", rate(1, 4, "h")),
        ("BED", when(&["HS"])), ("AM", when(&["MORN"])), ("pm", when(&["AFT"])),
        // A frequency is the number of what is listed (timing-rules 11, 12).
        ("every 2 days at 08:00", with(rate(1, 2, "d"), &eight())),
        ("every 2 days at 08:00, 20:00", with(rate(2, 2, "d"), &at(&["08:00", "20:00"]))),
        ("3x/day 08:00, 14:00, 20:00", with(rate(3, 1, "d"), &at(&["08:00", "14:00", "20:00"]))),
        ("every 2 weeks on Tue 10:00", with(rate(1, 2, "wk"), &with(on(&["tue"]), &at(&["10:00"])))),
        ("weekly on Mon and Thu", with(rate(2, 1, "wk"), &on(&["mon", "thu"]))),
        ("3x/week Mon Wed Fri", with(rate(3, 1, "wk"), &on(&["mon", "wed", "fri"]))),
        ("3x/week at 09:00", with(rate(3, 1, "wk"), &nine())),
        ("twice daily on weekends", with(rate(2, 1, "d"), &on(&["sat", "sun"]))),
        // Days.
        ("Mon Wed Fri 09:00", with(on(&["mon", "wed", "fri"]), &nine())),
        ("monday, wednesday and friday at 9 am", with(on(&["mon", "wed", "fri"]), &nine())),
        ("Mon/Wed/Fri", on(&["mon", "wed", "fri"])),
        ("weekdays 07:30", with(weekdays(), &at(&["07:30"]))),
        ("08:00 on weekdays", with(weekdays(), &eight())),
        ("weekends", on(&["sat", "sun"])),
        ("Mon-Fri 08:00", with(weekdays(), &eight())),
        ("Mon \u{2013} Fri 08:00", with(weekdays(), &eight())),
        ("Sat to Mon", on(&["mon", "sat", "sun"])),
        ("every Monday", on(&["mon"])),
        // ValueSet event-timing, in words and codes.
        ("before breakfast", when(&["ACM"])),
        ("30 min before breakfast", json!({"when": ["ACM"], "offset": 30})),
        ("1h after dinner", json!({"when": ["PCV"], "offset": 60})),
        ("30 min before breakfast and dinner", json!({"when": ["ACM", "ACV"], "offset": 30})),
        ("with lunch", when(&["CD"])),
        ("at bedtime", when(&["HS"])),
        ("20 minutes before bed", json!({"when": ["HS"], "offset": 20})),
        ("1 hour after bedtime", json!({"when": ["PHS"], "offset": 60})),
        ("on waking", when(&["WAKE"])),
        ("30 min after waking", json!({"when": ["WAKE"], "offset": 30})),
        ("before meals", when(&["AC"])),
        ("with meals", when(&["C"])),
        ("after every meal and at bedtime", when(&["PC", "HS"])),
        ("in the morning", when(&["MORN"])),
        ("early in the morning", when(&["MORN.early"])),
        ("in the late evening", when(&["EVE.late"])),
        ("morning, noon and night", when(&["MORN", "NOON", "NIGHT"])),
        ("every evening", when(&["EVE"])),
        ("nightly", when(&["NIGHT"])),
        ("ACM", when(&["ACM"])), ("HS", when(&["HS"])), ("acm, ACV", when(&["ACM", "ACV"])),
        ("MORN.early", when(&["MORN.early"])),
        ("every 2 days in the morning", with(rate(1, 2, "d"), &when(&["MORN"]))),
        // Generic meals are three (timing-rules 16), or the frequency's choice of them.
        ("daily with meals", with(rate(3, 1, "d"), &when(&["C"]))),
        ("twice daily with meals", with(rate(2, 1, "d"), &when(&["C"]))),
        // Days of the month: design.md section 5 clamps, timing-rules 13 only filters.
        ("on the 1st and 15th at 09:00", with(month_days(&[1, 15], None), &nine())),
        ("on 1, 15", month_days(&[1, 15], None)),
        ("monthly on 31 at 09:00", with(rate(1, 1, "mo"), &with(month_days(&[31], Some("clamp")), &nine()))),
        ("monthly on 31 at 09:00 or skip", with(rate(1, 1, "mo"), &with(month_days(&[31], Some("skip")), &nine()))),
        ("on the 30th, skipping short months", month_days(&[30], Some("skip"))),
        ("on the last day of the month at 09:00", with(month_days(&[31], Some("clamp")), &nine())),
        ("monthly on the 28th or skip", with(rate(1, 1, "mo"), &month_days(&[28], None))),
        ("monthly or skip", with(rate(1, 1, "mo"), &month_days(&[], Some("skip")))),
        ("every 3 months on the 2nd and 3rd", with(rate(2, 3, "mo"), &month_days(&[2, 3], None))),
        // Limits. A period of 14 days from a day ends on the 14th day (FHIR: an end date includes its day).
        ("08:00 for 14 days", with(eight(), &duration(14, "d"))),
        ("BID x 7 days", with(rate(2, 1, "d"), &duration(7, "d"))),
        ("08:00 for 2 weeks", with(eight(), &duration(2, "wk"))),
        ("08:00 for 3 months", with(eight(), &duration(3, "mo"))),
        ("every 2h for 12 hours", with(rate(1, 2, "h"), &duration(12, "h"))),
        ("08:00 for a week", with(eight(), &duration(1, "wk"))),
        ("08:00, 10 times", with(eight(), &json!({"count": 10}))),
        ("every 8h, 10 times", with(rate(1, 8, "h"), &json!({"count": 10}))),
        ("twice daily, 10 times", with(rate(2, 1, "d"), &json!({"count": 10}))),
        ("daily, 10 times in all", with(rate(1, 1, "d"), &json!({"count": 10}))),
        ("08:00 x10", with(eight(), &json!({"count": 10}))),
        ("08:00 for 10 doses", with(eight(), &json!({"count": 10}))),
        ("once", json!({"count": 1})),
        ("08:00 from 2026-01-05", with(eight(), &json!({"boundsPeriod": {"start": "2026-01-05"}}))),
        ("08:00 until 2026-03-01", with(eight(), &json!({"boundsPeriod": {"end": "2026-03-01"}}))),
        ("08:00 from 2026-01-05 until 2026-03-01", with(eight(), &period("2026-01-05", "2026-03-01"))),
        ("08:00 from 2026-01-05 until 2026-01-05", with(eight(), &period("2026-01-05", "2026-01-05"))),
        ("every 8h from 2026-01-05T10:00", with(rate(1, 8, "h"), &json!({"boundsPeriod": {"start": "2026-01-05T10:00:00"}}))),
        ("08:00 from 2026-01-05 for 14 days", with(eight(), &period("2026-01-05", "2026-01-18"))),
        ("08:00 from 2026-01-31 for 1 month", with(eight(), &period("2026-01-31", "2026-02-27"))),
        ("every 2h from 2026-01-05T10:00 for 12 hours", with(rate(1, 2, "h"), &period("2026-01-05T10:00:00", "2026-01-05T21:59:59"))),
        // The house's own extensions.
        ("08:00, 21 days on 7 days off", with(eight(), &json!({"extension": [{"url": CYCLE, "extension": [
            {"url": "on", "valuePositiveInt": 21}, {"url": "off", "valuePositiveInt": 7}]}]}))),
        ("3 weeks on and 1 week off, 08:00", with(eight(), &json!({"extension": [{"url": CYCLE, "extension": [
            {"url": "on", "valuePositiveInt": 21}, {"url": "off", "valuePositiveInt": 7}]}]}))),
        ("08:00, 21 on / 7 off", with(eight(), &json!({"extension": [{"url": CYCLE, "extension": [
            {"url": "on", "valuePositiveInt": 21}, {"url": "off", "valuePositiveInt": 7}]}]}))),
        ("3 weeks on, 1 off at 08:00", with(eight(), &json!({"extension": [{"url": CYCLE, "extension": [
            {"url": "on", "valuePositiveInt": 21}, {"url": "off", "valuePositiveInt": 7}]}]}))),
        ("every 2h while awake", with(rate(1, 2, "h"), &json!({"extension": [{"url": WHILE_AWAKE, "valueBoolean": true}]}))),
        ("3x/day at least 4h apart", with(rate(3, 1, "d"), &json!({"extension": [{"url": MINIMUM_SPACING, "valuePositiveInt": 240}]}))),
        ("3x/day, at least 90 min apart", with(rate(3, 1, "d"), &json!({"extension": [{"url": MINIMUM_SPACING, "valuePositiveInt": 90}]}))),
    ];
    assert!(rows.len() > 80, "{}", rows.len());
    for (text, expected) in rows {
        // Decimals are kept as they were written, so the model's JSON is compared.
        assert_eq!(repeat(text), expected, "{text}");
    }
}

#[test]
#[rustfmt::skip] // a row a line
fn schedules_side_by_side_one_after_the_other_and_as_needed() {
    let week = json!({"boundsDuration": {"value": 7, "code": "d"}});
    let twice = json!({"repeat": with(rate(2, 1, "d"), &week)});
    let once = json!({"repeat": with(rate(1, 1, "d"), &week)});
    let rows = [
        ("08:00; at bedtime", json!([{"timing": {"repeat": at(&["08:00"])}}, {"timing": {"repeat": when(&["HS"])}}])),
        ("Mon 08:00; Tue 09:00", json!([
            {"timing": {"repeat": with(on(&["mon"]), &at(&["08:00"]))}},
            {"timing": {"repeat": with(on(&["tue"]), &at(&["09:00"]))}}])),
        // FHIR Dosage.sequence: other numbers follow each other.
        ("2x/day for 7 days, then 1x/day for 7 days", json!([
            {"sequence": 1, "timing": twice}, {"sequence": 2, "timing": once}])),
        ("2x/day for 7 days; then once daily", json!([
            {"sequence": 1, "timing": twice}, {"sequence": 2, "timing": {"repeat": rate(1, 1, "d")}}])),
        // Equal numbers run side by side; without one a schedule stands beside the steps.
        ("step 1: 2x/day for 7 days; step 1: 1x/day for 7 days; step 2: 08:00; HS", json!([
            {"sequence": 1, "timing": twice}, {"sequence": 1, "timing": once},
            {"sequence": 2, "timing": {"repeat": at(&["08:00"])}}, {"timing": {"repeat": when(&["HS"])}}])),
        ("as needed", json!([{"asNeededBoolean": true}])),
        ("PRN", json!([{"asNeededBoolean": true}])),
        ("if needed for 7 days", json!([{"asNeededBoolean": true, "timing": {"repeat": week}}])),
        ("every 6h as needed", json!([{"asNeededBoolean": true, "timing": {"repeat": rate(1, 6, "h")}}])),
        // Dates are events, by the patient's clock.
        ("2026-03-01 09:00, 2026-04-01 09:00", json!([{"timing": {"event": ["2026-03-01T09:00:00", "2026-04-01T09:00:00"]}}])),
        ("on 2026-04-01 at 9am and 2026-03-01T09:00", json!([{"timing": {"event": ["2026-03-01T09:00:00", "2026-04-01T09:00:00"]}}])),
        ("2026-03-01", json!([{"timing": {"event": ["2026-03-01"]}}])),
    ];
    for (text, expected) in rows {
        assert_eq!(model(text), expected, "{text}");
    }
}

/// What is refused: the text, the column in characters, the kind.
#[rustfmt::skip] // a row a line
const REFUSED: &[(&str, usize, FaultKind)] = &[
    // Nothing, or not enough.
    ("", 1, Incomplete), ("   ", 1, Incomplete), ("08:00;", 7, Incomplete), ("08:00,", 7, Incomplete),
    ("every", 6, Incomplete), ("for 7 days", 1, Incomplete), ("10 times", 1, Incomplete),
    ("21 days on 7 days off", 1, Incomplete),
    ("2x/day, then 1x/day for 7 days", 1, Incomplete),
    ("every day 8 times, then 08:00", 1, Incomplete),
    ("step 2: 08:00 for 7 days; step 1: 09:00", 27, Incomplete),
    // Two readings.
    ("8", 1, Ambiguous), ("at 8", 4, Ambiguous), ("08:00, 8", 8, Ambiguous), ("8h", 1, Ambiguous),
    ("every 5 m", 9, Ambiguous), ("5 m", 1, Ambiguous), ("12am", 1, Ambiguous), ("at 12 pm", 4, Ambiguous),
    ("MO", 1, Ambiguous), ("MO WE FR", 1, Ambiguous), ("at midnight", 4, Ambiguous), ("biweekly", 1, Ambiguous),
    ("breakfast", 1, Ambiguous), ("in the morning and dinner", 20, Ambiguous),
    ("once in the morning", 1, Ambiguous), ("08:00, 20:00, 2 times", 15, Ambiguous), ("daily, 10 times", 8, Ambiguous),
    ("Mon 3 times", 5, Ambiguous), ("every 2 days 3 times", 14, Ambiguous),
    ("every 8h from 2026-01-05 10:00", 26, Ambiguous), ("from 2026-01-05 at 08:00", 17, Ambiguous),
    ("2026-03-01, 2026-04-01 09:00", 13, Ambiguous),
    ("twice daily and at bedtime", 13, Ambiguous),
    ("08:00; 09:00 for 7 days, then 10:00", 26, Ambiguous),
    ("08:00 for 7 days then 09:00 for 7 days; 10:00", 39, Ambiguous), ("step 1: 08:00 for 7 days then 09:00", 1, Ambiguous),
    // Said twice: two schedules in one.
    ("Mon 08:00, Tue 09:00", 12, Repeated), ("08:00 on Mon and 20:00", 14, Ambiguous),
    ("08:00 daily 20:00", 13, Repeated), ("BID TID", 5, Repeated), ("08:00 for 7 days for 2 weeks", 18, Repeated),
    // Contradictions.
    ("3x/day 08:00, 20:00", 1, Contradiction), ("once a week Mon Wed", 1, Contradiction),
    ("3 times every 8h", 1, Contradiction), ("every 8h at 08:00", 10, Contradiction), ("every 8h with meals", 10, Contradiction),
    ("5x/day with meals", 1, Contradiction), ("monthly on Mon", 9, Contradiction), ("every 3 days on Mon", 14, Contradiction),
    ("daily on the 1st", 7, Contradiction), ("Mon on the 15th", 5, Contradiction), ("yearly on the 1st", 8, Contradiction),
    ("08:00 and at bedtime", 7, Ambiguous), ("08:00, at bedtime", 8, Contradiction),
    ("30 min before breakfast, 1h after dinner", 26, Contradiction), ("30 min before breakfast, with lunch", 26, Contradiction),
    ("08:00 until 2026-03-01 for 7 days", 24, Contradiction), ("08:00 from 2026-03-01 until 2026-02-28", 23, Contradiction),
    ("08:00 while awake", 7, Contradiction), ("08:00 or skip", 7, Contradiction), ("2026-03-01 09:00, 08:00", 19, Contradiction),
    ("2026-03-01 for 7 days", 12, Contradiction),
    // Out of range.
    ("24:00", 1, OutOfRange), ("08:60", 1, OutOfRange), ("8:5", 1, OutOfRange), ("13pm", 1, OutOfRange), ("108:00", 1, OutOfRange),
    ("0x/day", 1, OutOfRange), ("every 10000 days", 7, OutOfRange), ("every 1.5 days", 7, OutOfRange),
    ("08:00 from 2026-02-30", 12, OutOfRange), ("on the 32nd", 8, OutOfRange), ("3 days before breakfast", 3, OutOfRange),
    ("08:00 from 9999-12-01 for 9999 years", 23, OutOfRange), ("08:00 from 2026-01-05 for 12 hours", 23, OutOfRange),
    ("08:00 at least 4 days apart", 18, OutOfRange),
    // Not of the grammar.
    ("frei", 1, NotUnderstood), ("every frei", 7, NotUnderstood), ("before frei", 8, NotUnderstood), ("with frei", 1, NotUnderstood),
    ("every 4-6 hours", 8, NotUnderstood), ("1-0-1", 3, OutOfRange), ("1-1-1", 1, NotUnderstood), ("on the 2nd Tuesday", 12, NotUnderstood),
    ("before waking", 8, NotUnderstood), ("08:00 from today", 12, NotUnderstood), ("08:00 (daily)", 7, NotUnderstood),
    ("08:00 from 2026-01-05T10:00Z", 28, NotUnderstood), ("08:00 from 2026-01-05T10:00+03:00", 28, NotUnderstood),
    ("\u{663}x/day", 1, NotUnderstood), ("t\u{e4}glich", 2, NotUnderstood), ("08:00,, 09:00", 7, NotUnderstood), ("step 08:00", 6, NotUnderstood),
    ("3x/m", 4, Ambiguous), ("21 days on 7 hours off", 14, NotUnderstood), ("08:00 or 09:00", 7, Ambiguous),
];

#[test]
fn what_could_be_read_two_ways_is_refused_at_its_place() {
    let got = |text: &str| parse(text).map_err(|fault| (fault.column, fault.kind));
    let wrong = REFUSED.iter().filter(|(text, column, kind)| got(text) != Err((*column, *kind)));
    let wrong: Vec<_> = wrong.map(|row| (row, parse(row.0))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_fault_says_where_and_what_to_write() {
    let said = |text: &str| parse(text).unwrap_err().to_string();
    assert_eq!(
        said("every 5 m"),
        "column 9: `m` could be read two ways; write `min` or `months`, such as `every 90 min`"
    );
    assert_eq!(
        said("12am"),
        "column 1: `12` could be read two ways; write `00:00` for midnight or `12:00` for noon"
    );
    assert_eq!(
        said("at least 4h"),
        "column 12: this is not complete; write a length in hours or minutes, such as `at least 4h apart`"
    );
    let fault = parse(&"x".repeat(500)).unwrap_err();
    assert_eq!(fault.word, Some("x".repeat(20)), "cut");
    let fault = parse("08:00 \u{1f48a}").unwrap_err();
    assert_eq!((fault.word, fault.column), (None, 7), "only what is plain is repeated");
}

/// Whether an example is read, alone or as a limit of something.
fn is_read(example: &str) -> bool {
    ["", "08:00 ", "monthly "].iter().any(|head| parse(&format!("{head}{example}")).is_ok())
}

#[test]
fn examples_in_faults_and_help_are_read() {
    let mut examples: BTreeSet<&str> = BTreeSet::new();
    for (text, ..) in REFUSED {
        let quoted = parse(text).unwrap_err().expected.split('`').skip(1).step_by(2);
        // A single word is one to use, not an example.
        examples.extend(quoted.filter(|it| it.contains(|c: char| c == ' ' || c.is_ascii_digit())));
    }
    assert!(examples.len() > 40, "{examples:?}");
    let lines = FORMS.lines().inspect(|line| assert!(line.len() <= 78, "{line}"));
    let heads = ["limits: ", "several: "];
    let bare = |line| heads.iter().find_map(|head| str::strip_prefix(line, head)).unwrap_or(line);
    examples.extend(lines.flat_map(|line| bare(line).split(" | ")));
    let wrong: Vec<&str> = examples.into_iter().filter(|it| !is_read(it)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn length_and_number_of_schedules_are_bounded() {
    let many = |number: usize| vec!["08:00"; number].join("; ");
    assert_eq!(parse(&many(64)).unwrap().len(), 64);
    let fault = parse(&many(65)).unwrap_err();
    assert_eq!((fault.kind, fault.column), (TooLong, 64 * 7 + 1));
    let fault = parse(&" ".repeat(1_001)).unwrap_err();
    assert_eq!((fault.kind, fault.column), (TooLong, 1_001));
    assert_eq!(parse(&format!("08:00{}", " ".repeat(995))).unwrap().len(), 1);
}

fn dosages(model: Value) -> Vec<Dosage> {
    serde_json::from_value(model).unwrap()
}

/// What is read, and how it is said.
#[rustfmt::skip] // a row a line
const SAID: &[(&str, &str)] = &[
    ("08:00, 20:00", "at 08:00 and 20:00"),
    ("3x/day", "3 times a day"),
    ("BID", "twice a day"),
    ("QOD", "every 2 days"),
    ("every 8h", "every 8 hours"),
    ("every 1 h", "every hour"),
    ("every 90 min", "every 90 minutes"),
    ("every 2 days at 08:00", "every 2 days at 08:00"),
    ("3x/week 09:00", "3 times a week at 09:00"),
    ("14x/week", "14 times a week"),
    ("Mon Wed Fri 09:00", "on Mon, Wed and Fri at 09:00"),
    ("Mon-Fri 08:00", "on weekdays at 08:00"),
    ("every 2 weeks on Tue 10:00", "every 2 weeks on Tue at 10:00"),
    ("Mon-Sun", "on Mon, Tue, Wed, Thu, Fri, Sat and Sun"),
    ("30 min before breakfast and dinner", "30 min before breakfast and 30 min before dinner"),
    ("90 min after bed", "90 min after bedtime"),
    ("2h after lunch", "2 hours after lunch"),
    ("before meals and at bedtime", "before meals and at bedtime"),
    ("MORN.early, night", "in the early morning and at night"),
    ("once a day with meals", "once a day with meals"),
    ("daily with meals", "daily with meals"),
    ("monthly on 31 at 09:00", "monthly on the 31st or the last day at 09:00"),
    ("monthly on 31 at 09:00 or skip", "monthly on the 31st at 09:00, skipping short months"),
    ("on the 1st, 2nd, 3rd, 4th, 11th, 12th, 13th, 21st, 22nd and 23rd", "on the 1st, 2nd, 3rd, 4th, 11th, 12th, 13th, 21st, 22nd and 23rd"),
    ("monthly or skip", "once a month, skipping short months"),
    ("yearly", "once a year"),
    ("08:00 for 1 week", "at 08:00 for 1 week"),
    ("08:00 from 2026-01-05 for 14 days", "at 08:00 from 2026-01-05 until 2026-01-18"),
    ("every 8h from 2026-01-05T10:00 x10", "every 8 hours from 2026-01-05T10:00, 10 times in all"),
    ("once from 2026-01-05T10:00", "once from 2026-01-05T10:00"),
    ("08:00 once in all", "at 08:00, once in all"),
    ("08:00, 21 days on 7 days off, at least 4h apart", "at 08:00, 21 days on and 7 days off, at least 4 hours apart"),
    ("every 2h while awake", "every 2 hours while awake"),
    ("as needed", "as needed"),
    ("prn, 08:00 from 2026-01-05", "at 08:00 from 2026-01-05, as needed"),
    ("prn for 7 days x10", "as needed for 7 days, 10 times in all"),
    ("2x/day for 7 days, then 1x/day", "twice a day for 7 days, then once a day"),
    ("step 1: 08:00 for 7 days; step 2: 09:00; HS", "step 1: at 08:00 for 7 days; step 2: at 09:00; at bedtime"),
    ("step 2: 08:00", "step 2: at 08:00"),
    ("2026-03-01 09:00, 2026-04-01 09:30", "on 2026-03-01 09:00 and 2026-04-01 09:30"),
    ("2026-03-01, 2026-04-01", "on 2026-03-01 and 2026-04-01"),
];

#[test]
fn what_is_read_is_said_in_plain_words_and_read_again() {
    for (text, expected) in SAID {
        let read = parse(text).unwrap();
        assert_eq!(say(&read), *expected, "{text}");
        assert_eq!(parse(expected).as_ref(), Ok(&read), "{text}");
    }
}

#[test]
fn what_is_read_leaves_the_engine_no_question() {
    for (text, _) in SAID {
        let model = serde_json::to_value(parse(text).unwrap()).unwrap();
        let case = super::Case::new(model, "Europe/Berlin", "2026-01-05");
        let compiled = case.compiled();
        let (confidence, notes) = (compiled.confidence(), compiled.notes());
        assert_ne!(confidence, Confidence::Review, "{text}: {notes:?}");
        assert_eq!(confidence == Confidence::None, say(&case.dosages).contains("needed"), "{text}");
    }
    // So many without times is often a number of tablets (timing-rules 8): that the engine asks.
    let many = super::Case::new(model("5x/day"), "UTC", "2026-01-05");
    assert_eq!(many.confidence(), Confidence::Review);
}

#[test]
#[rustfmt::skip] // a row a line
fn what_the_grammar_has_no_words_for_is_still_said() {
    let timed = |repeat: Value| json!([{"timing": {"repeat": repeat}}]);
    let rows = [
        (json!([]), "nothing is scheduled"),
        (json!([{}]), "at no stated time"),
        (json!([{"text": "Zanzibarella"}]), "as its text says"),
        (json!([{"asNeededCodeableConcept": {"text": "Zanzibarella"}}]), "as needed for a stated reason"),
        // FHIR's ranges, and which end is reminded (timing-rules 18).
        (timed(json!({"frequency": 2, "frequencyMax": 3, "period": 1, "periodUnit": "d"})), "2 to 3 times a day (reminded 2 times)"),
        (timed(json!({"frequency": 1, "period": 4, "periodMax": 6, "periodUnit": "h"})), "every 4 to 6 hours (reminded every 6 hours)"),
        (timed(json!({"timeOfDay": ["08:00"], "count": 10, "countMax": 12})), "at 08:00, 10 to 12 times in all (reminded 10 times)"),
        (timed(json!({"timeOfDay": ["08:00"], "boundsRange": {"low": {"value": 7, "code": "d"}, "high": {"value": 10, "code": "d"}}})),
            "at 08:00 for 7 days to 10 days (reminded for 10 days)"),
        (timed(json!({"timeOfDay": ["08:00"], "boundsRange": {"low": {"value": 7, "unit": "d"}}})), "at 08:00 for at least 7 days"),
        (timed(json!({"frequency": 1, "period": 1.5, "periodUnit": "d"})), "every 1.5 days"),
        (timed(json!({"frequency": 1, "period": 5, "periodUnit": "fortnights"})), "every 5 unknown units"),
        (timed(json!({"frequency": 3, "period": 1, "periodUnit": "d", "timeOfDay": ["08:00", "20:00"]})), "3 times a day at 08:00 and 20:00"),
        (timed(json!({"frequency": 2})), "twice"),
        (timed(json!({"frequency": 1, "period": 1, "periodUnit": "d", "duration": 30, "durationMax": 45, "durationUnit": "min"})),
            "once a day, each lasting 30 to 45 minutes"),
        (timed(json!({"when": ["XYZ", "CM"]})), "at an event that is not known and with breakfast"),
        (timed(json!({"when": ["MORN"], "offset": 30})), "30 min after in the morning"),
        (timed(json!({"dayOfWeek": ["mon", "frei"], "timeOfDay": ["25:00"]})), "on Mon and a day that is not known at a time that cannot be read"),
        (timed(json!({"boundsPeriod": {"start": "2026-01", "end": "Zanzibarella"}})), "once from 2026-01 until a date that cannot be read"),
        (timed(json!({"timeOfDay": ["08:00"], "boundsPeriod": {"start": "2026-01-05T10:00:00+03:00"}})), "at 08:00 from 2026-01-05T10:00:00+03:00"),
        // A filter without the house's extension never clamps (timing-rules 13).
        (timed(month_days(&[31], None)), "on the 31st, skipping short months"),
        (timed(json!({"timeOfDay": ["08:00"], "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/timing-exact", "valueBoolean": true}, {"url": "urn:other"}]})),
            "at 08:00, exactly on time, with an extension that is not known"),
        (json!([{"timing": {"code": {"coding": [{"code": "BID"}]}}}]), "twice a day (code BID)"),
        (json!([{"timing": {"code": {"coding": [{"code": "BID"}]}, "repeat": {"timeOfDay": ["08:00"]}}}]), "at 08:00 (code BID)"),
        (json!([{"timing": {"code": {"coding": [{"code": "Zanzibarella"}]}}}]), "by a code that is not known"),
        (json!([{"timing": {"code": {"text": "Zanzibarella"}}}]), "as its text says"),
        (json!([{"timing": {"event": ["2026-03-01T09:00:00"], "repeat": rate(1, 2, "d")}}]), "every 2 days, counted from 2026-03-01 09:00"),
        (json!([{"timing": {"event": ["2026-03-01", "2026-03-03"], "repeat": rate(1, 2, "d")}}]), "on 2026-03-01 and 2026-03-03, which stands for every 2 days"),
        (json!([{"timing": {"repeat": at(&["08:00"]), "modifierExtension": [{"url": "urn:other"}]}}]), "at 08:00, under a condition that is not understood"),
    ];
    for (model, expected) in rows {
        assert_eq!(say(&dosages(model.clone())), expected, "{model}");
    }
}

#[test]
fn nothing_of_a_text_stays_in_the_model() {
    for text in ["as needed", "08:00; HS", "2x/day for 7 days, then 1x/day"] {
        for dosage in parse(text).unwrap() {
            assert_eq!((dosage.text, dosage.patient_instruction), (None, None));
            let Timing { code, modifier_extension, .. } = dosage.timing.unwrap_or_default();
            assert!(code.is_none() && modifier_extension.is_empty());
        }
    }
}
