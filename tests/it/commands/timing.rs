//! `timing`: one order as a person asks it, and batches line by line (timing-rules, section Lines: 23, 24).

use super::home::{Home, Said};
use crate::process::flat;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

/// Answers to a batch, given as bytes.
fn batch(home: &Home, input: &[u8]) -> (Said, Vec<Value>) {
    let said = said(home, input);
    let answers = said.answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (said, answers)
}

fn said(home: &Home, input: &[u8]) -> Said {
    let file = home.folder().join("batch.ndjson");
    std::fs::write(&file, input).unwrap();
    let said = home.run(&["timing", "--batch", file.to_str().unwrap()]);
    assert_eq!((said.code, said.talk.as_str()), (0, ""));
    said
}

/// A day in New York around the gap of 2026-03-08, with these keys over it.
fn line(over: &Value) -> Value {
    let mut line = json!({
        "id": 1,
        "timing": {"repeat": {"timeOfDay": ["02:30:00"]}},
        "zone": "America/New_York",
        "anchor": "2026-03-01",
        "from": "2026-03-08T00:00:00Z",
        "to": "2026-03-09T00:00:00Z"
    });
    for (key, value) in over.as_object().unwrap() {
        line[key] = value.clone();
    }
    // A key set to null is taken out: absent and null are the same.
    line.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    line
}

fn one(home: &Home, over: &Value) -> Value {
    let (_, mut answers) = batch(home, line(over).to_string().as_bytes());
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

#[test]
fn a_line_is_answered_with_slot_local_time_and_instant() {
    let home = Home::new();
    let (said, _) = batch(&home, line(&json!({})).to_string().as_bytes());
    // The gap shifts forward by its length (RFC 5545 section 3.3.5); the slot keeps its name.
    assert_eq!(
        said.answer,
        "{\"id\":1,\"confidence\":\"exact\",\"notes\":[],\"occurrences\":[{\"slot\":\"2026-03-08T02:30:00\",\
         \"local\":\"2026-03-08T03:30:00\",\"utc\":\"2026-03-08T07:30:00Z\"}]}\n"
    );
    let twice = json!({"timing": {"repeat": {"timeOfDay": ["02:30:00", "03:30:00"]}}});
    let merged = &one(&home, &twice)["occurrences"];
    assert_eq!(merged[0]["merged"], json!(["2026-03-08T03:30:00"]));
    assert_eq!(merged.as_array().unwrap().len(), 1);
    // 5 h does not divide the day: elapsed, from midnight in New York, 05:00Z.
    let elapsed = json!({"timing": {"repeat": {"frequency": 1, "period": 5, "periodUnit": "h"}},
        "anchor": "2026-03-08T00:00:00"});
    assert_eq!(one(&home, &elapsed)["occurrences"][1]["slot"], "2026-03-08T10:00:00Z");
    let two = json!({"timing": null, "dosages": [
        {"timing": {"repeat": {"timeOfDay": ["08:00:00"]}}},
        {"timing": {"repeat": {"timeOfDay": ["09:00:00"]}}}]});
    assert_eq!(one(&home, &two)["occurrences"][1]["slot"], "2026-03-08T09:00:00#2");
}

/// What each line comes to: an error that says this, or a confidence with so many occurrences.
enum Comes {
    Error(&'static str),
    To(&'static str, usize),
}

#[test]
fn what_a_line_lacks_or_has_too_much_is_said() {
    use Comes::{Error, To};
    let home = Home::new();
    let daily = json!({"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}});
    let bounded =
        json!({"repeat": {"boundsPeriod": {"start": "2026-03-01"}, "timeOfDay": ["08:00:00"]}});
    let needed = json!({"asNeededBoolean": true, "timing": daily});
    for (over, comes) in [
        // Rule 23: an unknown zone, a bare offset, nothing to expand.
        (json!({"zone": null}), Error("zone is missing")),
        (json!({"zone": "Mars/Olympus"}), Error("zone is none")),
        (json!({"zone": "+02:00"}), Error("zone is none")),
        (json!({"zone": "UTC+2"}), Error("zone is none")),
        (json!({"zone": 2}), Error("zone: is integer")),
        (json!({"zone": "UTC"}), To("exact", 1)),
        (json!({"from": null}), Error("from is missing")),
        (json!({"to": null}), Error("to is missing")),
        (json!({"from": "2026-03-08"}), Error("from is no instant")),
        (json!({"to": "2026-03-09T00:00:00"}), Error("to is no instant")),
        (json!({"to": "2026-03-07T00:00:00Z"}), Error("to is before from")),
        (json!({"to": "2026-03-08T00:00:00Z"}), To("exact", 0)),
        (json!({"to": "2026-03-08T08:00:00+00:30"}), To("exact", 0)),
        (json!({"timing": null}), Error("nothing to expand")),
        (json!({"timing": null, "dosages": []}), Error("nothing to expand")),
        (json!({"dosage": {"timing": daily}}), Error("only one of")),
        (json!({"text": "BID"}), Error("only one of")),
        (json!({"timing": {}}), To("none", 0)),
        (json!({"timing": []}), Error("timing: is sequence, not an object")),
        (json!({"timing": {"repeat": [null, null, null, 1]}}), Error("timing.repeat: is sequence")),
        (json!({"timing": null, "dosages": [[1, "x"]]}), Error("dosages[0]: is sequence")),
        // Without an anchor: fine where the timing starts by itself, or is never scheduled.
        (json!({"anchor": null, "timing": daily}), Error("anchor is missing")),
        (json!({"anchor": null, "timing": bounded}), To("exact", 1)),
        (json!({"anchor": null, "timing": {"event": ["2026-03-08T09:00:00Z"]}}), To("exact", 1)),
        (json!({"anchor": null, "timing": null, "dosage": needed}), To("none", 0)),
        (json!({"anchor": "soon"}), Error("anchor is no date")),
        (json!({"anchor": "2026-02-30"}), Error("anchor is no date")),
        (json!({"anchor": "2026-03-08T12:00:00"}), To("exact", 0)),
        (json!({"other": {"x": [1]}}), To("exact", 1)),
        (json!({"routine": {"wake": "06:00"}}), To("exact", 1)),
        (json!({"routine": {"lunsh": "06:00"}}), Error("routine.lunsh")),
        (json!({"routine": []}), Error("routine is no object")),
        // Rule 20: broken values are for a person; rule 23: wrong types and numbers out of range are errors.
        (
            json!({"timing": {"repeat": {"frequency": 1, "period": -1, "periodUnit": "d"}}}),
            To("review", 0),
        ),
        (json!({"timing": {"repeat": {"frequency": true}}}), Error("timing.repeat.frequency: is")),
        (json!({"timing": {"repeat": {"count": 1e30}}}), Error("timing.repeat.count: is a number")),
        (
            json!({"timing": {"repeat": {"timeOfDay": [8]}}}),
            Error("timing.repeat.timeOfDay[0]: is integer"),
        ),
        // Rule 24: absurd sizes are answered or refused.
        (json!({"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T00:00:00Z"}), To("review", 0)),
        (json!({"anchor": "0001-01-01"}), To("exact", 1)),
        (json!({"timing": null, "dosages": vec![json!({}); 1_000]}), To("none", 0)),
        (
            json!({"timing": null, "dosages": vec![json!({}); 1_001]}),
            Error("more than 1000 dosages"),
        ),
        (
            json!({"timing": {"repeat": {"count": 1_000_000_000_000_i64, "timeOfDay": ["08:00:00"]}}}),
            To("exact", 1),
        ),
    ] {
        let answer = one(&home, &over);
        assert_eq!(answer["id"], 1, "{over}");
        match comes {
            Error(says) => {
                let error = answer["error"].as_str().unwrap_or_default();
                assert!(error.contains(says), "{over}: {answer}");
            }
            To(confidence, count) => {
                assert_eq!(answer["confidence"], confidence, "{over}: {answer}");
                assert_eq!(answer["occurrences"].as_array().unwrap().len(), count, "{over}");
                assert!(answer.get("error").is_none(), "{over}: {answer}");
            }
        }
    }
}

#[test]
fn a_routine_moves_what_depends_on_it() {
    let home = Home::new();
    let over = |routine: Value| {
        json!({"timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}, "routine": routine,
            "zone": "UTC"})
    };
    let times = |routine: Value| -> Vec<String> {
        let answer = one(&home, &over(routine));
        let occurrences = answer["occurrences"].as_array().unwrap().clone();
        occurrences.iter().map(|o| o["local"].as_str().unwrap()[11..16].to_owned()).collect()
    };
    // Table 1a; a routine's own table replaces it.
    assert_eq!(times(json!({})), ["08:00", "20:00"]);
    assert_eq!(times(json!({"table": {"2": ["06:15", "18:15"]}})), ["06:15", "18:15"]);
    assert_eq!(times(json!({"2": "06:15,18:15"})), ["06:15", "18:15"]);
}

#[test]
fn a_leaf_in_another_form_is_taken_as_meant_and_said() {
    let home = Home::new();
    let answer =
        one(&home, &json!({"timing": {"repeat": {"frequency": "1", "timeOfDay": "08:00:00"}}}));
    assert_eq!(answer["notes"][0]["rule"], "form");
    assert!(answer["notes"][0]["text"].as_str().unwrap().starts_with("timing.repeat.frequency"));
    assert_eq!(answer["occurrences"].as_array().unwrap().len(), 1);
}

#[test]
fn duplicate_keys_anywhere_and_nesting_without_end_are_errors() {
    let home = Home::new();
    let plain = line(&json!({"routine": {"wake": "07:00"}})).to_string();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (from, to, says) in [
        ("\"zone\":", "\"zone\":\"UTC\",\"zone\":", "zone: the key is given twice"),
        ("\"zone\":", "\"z\\u006fne\":\"UTC\",\"zone\":", "zone: the key is given twice"),
        ("\"repeat\":", "\"repeat\":{},\"repeat\":", "timing.repeat: the key is given twice"),
        (
            "\"timeOfDay\":",
            "\"_x\":{\"a\":1,\"a\":1},\"timeOfDay\":",
            "timing.repeat._x.a: the key",
        ),
        ("\"wake\":", "\"wake\":\"06:00\",\"wake\":", "routine.wake: the key is given twice"),
        ("\"zone\":", "\"other\":[{\"q\":1,\"q\":1}],\"zone\":", "other[0].q: the key"),
        ("\"timeOfDay\":", "\"count\":NaN,\"timeOfDay\":", "not JSON"),
        ("\"timeOfDay\":", "\"count\":1e999,\"timeOfDay\":", "not JSON"),
        ("\"timeOfDay\":", &format!("\"_x\":{deep},\"timeOfDay\":"), "within each other"),
    ] {
        assert!(plain.contains(from), "{from}");
        let (_, answers) = batch(&home, plain.replacen(from, to, 1).as_bytes());
        let error = answers[0]["error"].as_str().unwrap_or_default();
        assert!(error.contains(says), "{from}: {error}");
        assert_eq!(answers[0]["id"], 1);
    }
}

#[test]
fn an_id_comes_back_byte_by_byte() {
    let home = Home::new();
    let ids = [
        "1.0",
        "-0",
        "123456789012345678901234567890.10",
        "1e999",
        "\"a\\u0041\\/\"",
        "{ \"a\" : [1 , 2] }",
        "[]",
        "true",
        "null",
    ];
    let whole =
        ids.map(|id| line(&json!({})).to_string().replacen("\"id\":1", &format!("\"id\":{id}"), 1));
    let faulty = ids.map(|id| format!("{{\"id\":{id},\"zone\":5}}"));
    for lines in [whole, faulty] {
        let said = said(&home, lines.join("\n").as_bytes());
        assert_eq!(said.answer.lines().count(), ids.len());
        for (answer, id) in said.answer.lines().zip(ids) {
            assert!(answer.starts_with(&format!("{{\"id\":{id},\"confidence\":")), "{answer}");
        }
    }
    for (unknown, id) in [
        ("[1]", "null"),
        ("garbage", "null"),
        ("{\"id\":1,\"id\":2}", "null"),
        ("{\"id\":12", "null"),
        ("{\"id\":12,\"tim", "12"),
        ("{\"timing\":}", "null"),
    ] {
        let (said, answers) = batch(&home, unknown.as_bytes());
        assert!(said.answer.starts_with(&format!("{{\"id\":{id},")), "{unknown}: {}", said.answer);
        assert!(answers[0]["error"].is_string(), "{unknown}");
    }
}

#[test]
fn lines_keep_their_places_whatever_stands_between_them() {
    let home = Home::new();
    let good = |id: u8| line(&json!({"id": id})).to_string();
    let long = vec![b' '; 5 << 20];
    let input = [
        b"\xEF\xBB\xBF".as_slice(),
        good(0).as_bytes(),
        b"\r\n\n  \t \r\n{\"id\":\"bad\",\xff\xfe}\n",
        b"{\"id\":\"long\",\"pad\":\"",
        &long,
        b"\"}\n",
        good(3).as_bytes(),
        b"\n{\"id\":\"cut\",\"zone\":\"Eur",
    ]
    .concat();
    let (_, answers) = batch(&home, &input);
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(0), &json!("bad"), &json!("long"), &json!(3), &json!("cut")]);
    let errors: Vec<&str> =
        answers.iter().map(|answer| answer["error"].as_str().unwrap_or_default()).collect();
    assert_eq!((errors[0], errors[3]), ("", ""));
    assert!(errors[1].contains("not UTF-8"), "{errors:?}");
    assert!(errors[2].contains("longer than 4 MiB"), "{errors:?}");
    assert!(errors[4].contains("it ends too early"), "{errors:?}");
}

#[test]
fn many_lines_are_answered_as_one_by_one_and_in_order() {
    let home = Home::new();
    let zones = ["America/New_York", "Europe/Berlin", "Africa/Nairobi", "Pacific/Apia"];
    let timings = [
        json!({"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}}),
        json!({"repeat": {"frequency": 1, "period": 1, "periodUnit": "h"}}),
        json!({"code": {"coding": [{"code": "BID"}]}}),
        json!({"repeat": {"frequency": "x"}}),
    ];
    let kinds: Vec<Value> = zones
        .iter()
        .flat_map(|zone| timings.iter().map(move |timing| (zone, timing)))
        .map(|(zone, timing)| line(&json!({"zone": zone, "timing": timing})))
        .collect();
    let alone: Vec<String> =
        kinds.iter().map(|kind| batch(&home, kind.to_string().as_bytes()).0.answer).collect();
    let (mut input, mut expected) = (String::new(), String::new());
    for id in 0..4_000 {
        let mut kind = kinds[id % kinds.len()].clone();
        kind["id"] = json!(id);
        input += &(kind.to_string() + "\n");
        expected += &alone[id % kinds.len()].replacen("\"id\":1", &format!("\"id\":{id}"), 1);
    }
    assert!(input.len() > 2 * (256 << 10), "several blocks");
    assert!(batch(&home, input.as_bytes()).0.answer == expected);
}

#[test]
fn an_answer_comes_before_the_next_question_is_asked() {
    let home = Home::new();
    let mut child = home
        .command(&["timing", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut asks, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut answers = BufReader::new(answers).lines();
    for id in 0..5 {
        writeln!(asks, "{}", line(&json!({"id": id}))).unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer["id"], id);
    }
    drop(asks);
    assert!(answers.next().is_none());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Bytes near to lines and far from them.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let whole = line(&json!({"routine": {"wake": "07:00", "2": ["08:00", "20:00"]}})).to_string();
    let mangled = (0..whole.len(), 0..whole.len(), any::<u8>()).prop_map(move |(cut, at, byte)| {
        let mut bytes = whole.clone().into_bytes();
        bytes[at] = byte;
        bytes.truncate(cut.max(1));
        bytes
    });
    let json = prop::collection::vec(
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"id\"",
            "\"timing\"",
            "\"repeat\"",
            "\"zone\"",
            "\"UTC\"",
            "1",
            "null",
            "-1e9",
            "\"\\u0000\"",
            "\"count\"",
            " ",
        ]),
        0..40,
    );
    prop_oneof![
        mangled,
        json.prop_map(|parts| parts.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..60),
    ]
    .prop_map(|mut bytes| {
        bytes.retain(|byte| *byte != b'\n');
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Rule 23 for any bytes: as many answers as lines that are not blank, each JSON, in a run that ends well.
    #[test]
    fn any_bytes_are_answered_line_by_line(lines in prop::collection::vec(any_line(), 1..60)) {
        let home = Home::new();
        let asked = lines
            .iter()
            .map(|line| line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line))
            .filter(|line| !line.trim_ascii().is_empty())
            .count();
        let (_, answers) = batch(&home, &lines.join(&b'\n'));
        prop_assert_eq!(answers.len(), asked);
        for answer in answers {
            prop_assert!(answer["error"].is_string() || answer["confidence"].is_string());
        }
    }
}

const ORDER: &str = r#"{"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "MedicationRequest",
    "dosageInstruction": [{"text": "twice", "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}}]}},
    {"resource": {"resourceType": "ServiceRequest", "occurrenceTiming": {"event": ["2026-03-08T09:00:00Z"]}}},
    {"resource": {"resourceType": "CarePlan", "activity": [{"detail": {"scheduledTiming": {"repeat": {"count": 1}}}}]}},
    {"resource": {"resourceType": "NutritionOrder", "oralDiet": {"schedule": {"timing": [{"code": {"text": "x"}}]}}}},
    {"resource": {"resourceType": "Slot", "schedule": {"reference": "Schedule/1"}}}]}"#;

fn written(home: &Home, name: &str, text: &str) -> String {
    let file = home.folder().join(name);
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

const WHERE_AND_WHEN: [&str; 8] = [
    "--zone",
    "Europe/Berlin",
    "--anchor",
    "2026-03-01",
    "--from",
    "2026-03-07",
    "--to",
    "2026-03-09",
];

fn asked(home: &Home, more: &[&str]) -> Said {
    home.run(&[&["timing"][..], &WHERE_AND_WHEN, more].concat())
}

#[test]
fn every_timing_of_a_resource_is_found_and_named() {
    let home = Home::new();
    let file = written(&home, "bundle.json", ORDER);
    let said = asked(&home, &[&file, "--json"]).json();
    let parts = said["timings"].as_array().unwrap();
    let paths: Vec<&str> = parts.iter().map(|part| part["path"].as_str().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "entry[0].resource.dosageInstruction",
            "entry[1].resource.occurrenceTiming",
            "entry[2].resource.activity[0].detail.scheduledTiming",
            "entry[3].resource.oralDiet.schedule.timing",
        ]
    );
    assert_eq!(parts[0]["confidence"], "defaulted");
    assert_eq!(parts[0]["occurrences"][0]["utc"], "2026-03-07T07:00:00Z");
    assert_eq!(parts[0]["occurrences"].as_array().unwrap().len(), 4);
    assert_eq!(parts[3]["confidence"], "review");
    assert_eq!((&said["anchor"], &said["anchor_from"]), (&json!("2026-03-01"), &json!("given")));
    let text = asked(&home, &[&file, "--explain"]).answer;
    assert!(text.contains("entry[1].resource.occurrenceTiming: exact"), "{text}");
    assert!(text.contains("times-per-day: 2 a day: 08:00, 20:00"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn timings_dosages_and_lists_are_read_as_they_are() {
    let home = Home::new();
    for (name, text, count) in [
        ("timing.json", r#"{"repeat": {"timeOfDay": ["08:00:00"]}}"#, 2),
        ("dosage.json", r#"{"sequence": 1, "timing": {"repeat": {"timeOfDay": ["08:00:00"]}}}"#, 2),
        (
            "list.json",
            r#"[{"repeat": {"timeOfDay": ["08:00:00"]}}, {"timing": {"repeat": {"timeOfDay": ["09:00"]}}}]"#,
            4,
        ),
        (
            "stu3.json",
            r#"{"resourceType": "MedicationRequest", "dosageInstruction": [{"timing": {"repeat": {"when": "CM"}}}]}"#,
            2,
        ),
        (
            "r5.json",
            r#"{"resourceType": "MedicationStatement", "dosage": [{"asNeeded": true, "timing": {"code": {"text": "x"}}}]}"#,
            0,
        ),
    ] {
        let file = written(&home, name, text);
        let said = asked(&home, &[&file, "--json"]).json();
        let occurrences = said["timings"][0]["occurrences"].as_array().unwrap();
        assert_eq!(occurrences.len(), count, "{name}: {said}");
    }
}

#[test]
fn what_cannot_be_asked_is_said_with_its_exit_code() {
    let home = Home::new();
    let good = written(&home, "good.json", r#"{"repeat": {"timeOfDay": ["08:00:00"]}}"#);
    let none = written(&home, "none.json", r#"{"resourceType": "Patient"}"#);
    let broken = written(&home, "broken.json", "{\n  \"repeat\": {,}\n}");
    let twice = written(&home, "twice.json", r#"{"repeat": {"count": 1, "count": 2}}"#);
    for (arguments, code, says) in [
        (vec!["timing", &good], 2, "--zone is missing"),
        (vec!["timing", &good, "--zone", "+02:00"], 2, "is no time zone"),
        (vec!["timing", "--zone", "UTC"], 2, "nothing to read"),
        (vec!["timing", &good, "--zone", "UTC", "--from", "soon"], 2, "--from soon is no date"),
        (vec!["timing", &good, "--zone", "UTC", "--anchor", "2026"], 2, "--anchor 2026 is no date"),
        (vec!["timing", &good, "--zone", "UTC", "--json", "--ics"], 2, "cannot be used with"),
        (vec!["timing", &none, "--zone", "UTC"], 3, "no timing in it"),
        (vec!["timing", "absent.json", "--zone", "UTC"], 3, "absent.json cannot be read"),
        (vec!["timing", "--batch", "absent.json"], 3, "absent.json cannot be read"),
        (vec!["timing", &broken, "--zone", "UTC"], 1, "line 2, column 14"),
        (vec!["timing", &twice, "--zone", "UTC"], 1, "repeat.count: the key is given twice"),
    ] {
        let said = home.run(&arguments);
        assert_eq!(said.code, code, "{arguments:?}: {}", said.talk);
        assert!(flat(&said.talk).contains(says), "{arguments:?}: {}", said.talk);
        assert_eq!(said.answer, "", "{arguments:?}");
    }
}

#[test]
fn without_an_anchor_counting_starts_today_and_that_is_said() {
    let home = Home::new();
    let file = written(&home, "daily.json", r#"{"repeat": {"timeOfDay": ["23:59:59"]}}"#);
    let routine =
        written(&home, "routine.toml", "wake = \"06:00\"\n[times_per_day]\n1 = [\"09:00\"]\n");
    let said = home.run(&["timing", &file, "--zone", "Asia/Kolkata", "--routine", &routine]);
    assert_eq!(said.code, 0, "{}", said.talk);
    assert!(said.answer.contains("which is today"), "{}", said.answer);
    assert!(said.answer.contains("23:59"), "{}", said.answer);
    let wrong = written(&home, "wrong.toml", "wakes = \"06:00\"\n");
    let said = home.run(&["timing", &file, "--zone", "UTC", "--routine", &wrong]);
    assert!(said.code == 1 && said.talk.contains("routine.wakes"), "{}", said.talk);
}

#[test]
fn the_table_of_decisions_is_printed_whole() {
    let home = Home::new();
    let text = home.run(&["timing", "--explain"]).answer;
    let rows = home.run(&["timing", "--explain", "--json"]).json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), carebell::timing::Decision::ALL.len());
    assert!(rows.iter().all(|row| text.contains(row["rule"].as_str().unwrap())), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_calendar_holds_the_instants_and_not_the_order() {
    let home = Home::new();
    let file = written(&home, "metformin.json", ORDER);
    let said = asked(&home, &[&file, "--ics"]);
    assert_eq!(said.code, 0, "{}", said.talk);
    let starts: Vec<&str> =
        said.answer.lines().filter_map(|line| line.strip_prefix("DTSTART:")).collect();
    assert_eq!(starts[..2], ["20260307T070000Z", "20260307T190000Z"]);
    assert!(said.answer.lines().any(|line| line == "SUMMARY:Reminder"), "{}", said.answer);
    assert!(!said.answer.contains("twice") && !said.answer.contains("dosage"), "{}", said.answer);
    let uids = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("UID:")).map(str::to_owned).collect()
    };
    let again = asked(&home, &[&file, "--ics"]);
    assert_eq!(uids(&said.answer), uids(&again.answer));
    let distinct: std::collections::BTreeSet<_> = uids(&said.answer).into_iter().collect();
    assert_eq!(distinct.len(), starts.len());
}
