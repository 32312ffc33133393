//! What holds for every text and every model: no input breaks the reader, and what it gives is said and read
//! again as it was.

use super::{CYCLE, DAY_OF_MONTH, MINIMUM_SPACING, MONTH_END, REFUSED, WHILE_AWAKE, dosages, with};
use carebell::timing::text::{parse, say};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A text that is read is said and read again as it was; a fault lies within the text or right after it.
fn holds(text: &str) -> Result<(), TestCaseError> {
    match parse(text) {
        Ok(model) => {
            let said = say(&model);
            prop_assert_eq!(parse(&said), Ok(model), "{:?} is said {:?}", text, said);
        }
        Err(fault) => {
            let end = text.chars().count() + 1;
            prop_assert!((1..=end).contains(&fault.column), "{:?}: {}", text, fault);
            prop_assert!(fault.word.as_ref().is_none_or(|word| word.len() <= 20));
        }
    }
    Ok(())
}

const PHRASES: [&str; 14] = [
    "08:00, 20:00",
    "every 8h from 2026-01-05T10:00 for 12 hours",
    "3x/day at least 4h apart",
    "every 2 weeks on Tue 10:00 until 2026-03-01",
    "30 min before breakfast and dinner, 10 times in all",
    "early in the morning and at bedtime as needed",
    "monthly on the 31st at 09:00 or skip",
    "on the 1st and last day of the month 8:30 pm",
    "2x/day for 7 days, then 1x/day for 7 days",
    "step 1: weekdays 07:30 x 7 days; step 2: Q6H; HS",
    "08:00, 21 days on and 7 days off",
    "every 2h while awake on weekends",
    "2026-03-01 09:00, 2026-04-01 09:00",
    "twice daily with meals from 2026-01-05 for 2 weeks",
];

/// Every word, sign and form of the grammar, and a few that it has not.
const SOUP: [&str; 88] = [
    ",",
    ";",
    ":",
    "/",
    "-",
    ".",
    "and",
    "or",
    "then",
    "x",
    "3",
    "1",
    "31",
    "2",
    "10",
    "9999",
    "0",
    "am",
    "pm",
    "08:00",
    "20:00",
    "8:30",
    "12:00",
    "2026-01-05",
    "2026-03-01",
    "2026-01-05T10:00",
    "every",
    "each",
    "other",
    "once",
    "twice",
    "times",
    "doses",
    "a",
    "per",
    "day",
    "days",
    "h",
    "min",
    "week",
    "months",
    "year",
    "m",
    "daily",
    "weekly",
    "monthly",
    "BID",
    "QOD",
    "Q",
    "Mon",
    "Tue",
    "weekdays",
    "weekends",
    "MO",
    "on",
    "at",
    "in",
    "the",
    "with",
    "before",
    "after",
    "breakfast",
    "dinner",
    "meals",
    "bedtime",
    "waking",
    "morning",
    "night",
    "early",
    "ACM",
    "HS",
    "C",
    "1st",
    "15th",
    "last",
    "of",
    "month",
    "for",
    "from",
    "until",
    "needed",
    "as",
    "prn",
    "while",
    "awake",
    "least",
    "apart",
    "off",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_breaks_the_reader(text in any::<String>(), long in "\\PC{0,200}") {
        holds(&text)?;
        holds(&long)?;
    }

    #[test]
    fn words_in_any_order_are_read_one_way_or_refused(words in vec(select(&SOUP[..]), 1..14)) {
        holds(&words.join(" "))?;
        holds(&words.concat())?;
    }

    #[test]
    fn a_phrase_that_is_damaged_is_read_one_way_or_refused(
        phrase in select(&PHRASES[..]), other in select(&SOUP[..]), at in any::<prop::sample::Index>(),
        cut in 0_usize..4,
    ) {
        let at = at.index(phrase.len() + 1);
        let rest = phrase.get(at + cut..).unwrap_or_default();
        holds(&format!("{} {other} {rest}", &phrase[..at]))?;
        holds(&format!("{}{rest}", &phrase[..at]))?;
    }

    #[test]
    fn what_the_grammar_can_express_is_said_and_read_again(model in schedules()) {
        let model = dosages(model);
        let said = say(&model);
        prop_assert_eq!(parse(&said), Ok(model), "{}", said);
    }

    #[test]
    fn any_model_is_said_and_none_of_its_texts(model in any_model()) {
        let said = say(&dosages(model.clone()));
        prop_assert!(!said.is_empty() && !said.contains("anzibar"), "{}: {}", model, said);
        let _ = parse(&said);
    }
}

#[test]
fn the_longest_texts_are_read_or_refused_in_one_pass() {
    for piece in
        ["08:00, ", "Mon-", "before ", "1 ", "then ", "2026-01-01T", "on the ", "x", "every ", "; "]
    {
        let text: String = piece.repeat(1_000 / piece.len());
        assert!(holds(&text).is_ok(), "{piece}");
    }
    for phrase in PHRASES.iter().chain(REFUSED.iter().map(|(text, ..)| text)) {
        assert!(holds(phrase).is_ok(), "{phrase}");
    }
}

const CODES: [&str; 26] = [
    "WAKE",
    "MORN.early",
    "MORN",
    "MORN.late",
    "ACM",
    "CM",
    "PCM",
    "NOON",
    "ACD",
    "CD",
    "PCD",
    "AFT.early",
    "AFT",
    "AFT.late",
    "EVE.early",
    "EVE",
    "EVE.late",
    "ACV",
    "CV",
    "PCV",
    "AC",
    "C",
    "PC",
    "HS",
    "PHS",
    "NIGHT",
];
/// Those that an offset goes with (FHIR's tim-9, and an offset means something beside them).
const SHIFTED: [&str; 11] =
    ["WAKE", "ACM", "PCM", "ACD", "PCD", "ACV", "PCV", "AC", "PC", "HS", "PHS"];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// How many times a day codes stand for (timing-rules 16).
fn meals(codes: &[&str]) -> usize {
    let spelled = codes.iter().flat_map(|code| match *code {
        "C" => vec!["CM", "CD", "CV"],
        "AC" => vec!["ACM", "ACD", "ACV"],
        "PC" => vec!["PCM", "PCD", "PCV"],
        code => vec![code],
    });
    spelled.collect::<BTreeSet<_>>().len()
}

fn clock() -> impl Strategy<Value = String> {
    (0..24, 0..60, select(vec![0, 0, 0, 30])).prop_map(|(h, m, s)| format!("{h:02}:{m:02}:{s:02}"))
}

/// Times or events, and how many they are; perhaps none.
fn slots() -> impl Strategy<Value = (Value, usize)> {
    let times =
        btree_set(clock(), 1..5).prop_map(|times| (json!({"timeOfDay": times}), times.len()));
    let events =
        subsequence(&CODES[..], 1..4).prop_map(|codes| (json!({"when": codes}), meals(&codes)));
    let shifted = (subsequence(&SHIFTED[..], 1..4), 1..1_440)
        .prop_map(|(codes, offset)| (json!({"when": codes, "offset": offset}), meals(&codes)));
    prop_oneof![Just((json!({}), 0)), times, events, shifted]
}

fn rate(frequency: usize, period: u32, unit: &str) -> Value {
    json!({"frequency": frequency, "period": period, "periodUnit": unit})
}

/// Every form of rule that the grammar has.
fn rule() -> impl Strategy<Value = Value> {
    let number = || prop_oneof![Just(1_u32), 1_u32..10, 1_u32..=9_999];
    let calendar = || select(vec!["d", "wk", "mo", "a"]);
    let plain = (1_usize..=9_999, number(), calendar()).prop_map(|(n, p, unit)| rate(n, p, unit));
    let interval =
        (number(), select(vec!["h", "min"]), any::<bool>()).prop_map(|(p, unit, awake)| {
            let waking = json!({"extension": [{"url": WHILE_AWAKE, "valueBoolean": true}]});
            with(rate(1, p, unit), &if awake { waking } else { json!({}) })
        });
    let listed = (slots(), option::of((number(), calendar())), 1_usize..8).prop_filter_map(
        "lists something",
        |((slots, n), rated, times)| {
            let rated = rated.map(|(p, unit)| match (p, unit) {
                (1, "wk") => rate(n * times, p, unit),
                _ => rate(n, p, unit),
            });
            (n > 0).then(|| with(slots, &rated.unwrap_or(json!({}))))
        },
    );
    let week =
        (slots(), subsequence(&DAYS[..], 1..8), option::of((number(), any::<bool>())), 1_usize..10)
            .prop_map(|((slots, n), days, rated, free)| {
                let rated = match rated {
                    Some((p, true)) => rate(days.len() * n.max(1), p, "wk"),
                    Some(_) => rate(if n == 0 { free } else { n }, 1, "d"),
                    None => json!({}),
                };
                with(with(slots, &json!({"dayOfWeek": days})), &rated)
            });
    let month =
        (slots(), btree_set(1..=31_u32, 1..4), option::of(number()), select(vec!["clamp", "skip"]))
            .prop_map(|((slots, n), days, months, end)| {
                let long = days.iter().any(|day| *day > 28);
                let end = long.then(|| json!({"url": MONTH_END, "valueCode": end}));
                let day = |day: &u32| json!({"url": DAY_OF_MONTH, "valuePositiveInt": day});
                let rated = months.map(|p| rate(days.len() * n.max(1), p, "mo"));
                let all: Vec<Value> = days.iter().map(day).chain(end).collect();
                with(with(slots, &json!({"extension": all})), &rated.unwrap_or(json!({})))
            });
    let short = (number(), select(vec!["mo", "a"])).prop_map(|(p, unit)| {
        with(rate(1, p, unit), &json!({"extension": [{"url": MONTH_END, "valueCode": "skip"}]}))
    });
    let fewer_meals = (1_usize..=3, select(vec!["C", "AC", "PC"]))
        .prop_map(|(n, code)| with(rate(n, 1, "d"), &json!({"when": [code]})));
    prop_oneof![plain, interval, listed, week, month, short, fewer_meals]
}

fn date() -> impl Strategy<Value = String> {
    let day = (1_950..2_100, 1..=12, 1..=28);
    let time = option::of(clock());
    (day, time).prop_map(|((y, m, d), time)| {
        let date = format!("{y:04}-{m:02}-{d:02}");
        time.map_or(date.clone(), |time| format!("{date}T{time}"))
    })
}

fn bounds() -> impl Strategy<Value = Value> {
    let unit = select(vec!["min", "h", "d", "wk", "mo", "a"]);
    let lasting = (1_u32..=9_999, unit)
        .prop_map(|(value, code)| json!({"boundsDuration": {"value": value, "code": code}}));
    let from = date().prop_map(|start| json!({"boundsPeriod": {"start": start}}));
    let until = date().prop_map(|end| json!({"boundsPeriod": {"end": end}}));
    let both = (date(), date()).prop_map(|(a, b)| {
        // Dates of different days are in the order of their texts.
        let (start, end) = if a[..10] <= b[..10] { (a, b) } else { (b, a) };
        let end = if start[..10] == end[..10] { start[..10].to_owned() } else { end };
        json!({"boundsPeriod": {"start": start, "end": end}})
    });
    prop_oneof![2 => Just(json!({})), 1 => lasting, 1 => from, 1 => until, 1 => both]
}

/// Adds an extension behind those that are there.
fn extended(mut repeat: Value, extension: Option<Value>) -> Value {
    let mut all = repeat["extension"].as_array().cloned().unwrap_or_default();
    all.extend(extension);
    if !all.is_empty() {
        repeat["extension"] = json!(all);
    }
    repeat
}

fn schedule() -> impl Strategy<Value = Value> {
    let number = || 1_u32..=9_999;
    let count = option::of(prop_oneof![Just(1_u32), number()]);
    let limits = (bounds(), count, option::of((number(), number())), option::of(number()));
    let needed = || select(vec![json!({}), json!({}), json!({"asNeededBoolean": true})]);
    let repeated =
        (rule(), limits, needed()).prop_map(|(rule, (bounds, count, cycle, apart), needed)| {
            let cycle = cycle.map(|(on, off)| {
                let part = |url: &str, days: u32| json!({"url": url, "valuePositiveInt": days});
                json!({"url": CYCLE, "extension": [part("on", on), part("off", off)]})
            });
            let apart = apart.map(|n| json!({"url": MINIMUM_SPACING, "valuePositiveInt": n}));
            let repeat = extended(extended(with(rule, &bounds), cycle), apart);
            let repeat =
                count.map_or(repeat.clone(), |count| with(repeat, &json!({"count": count})));
            with(json!({"timing": {"repeat": repeat}}), &needed)
        });
    let once = bounds()
        .prop_map(|bounds| json!({"timing": {"repeat": with(json!({"count": 1}), &bounds)}}));
    let prn = bounds().prop_map(|bounds| {
        let needed = json!({"asNeededBoolean": true});
        let timing = json!({"timing": {"repeat": bounds}});
        if bounds == json!({}) { needed } else { with(needed, &timing) }
    });
    let days = btree_set("20[0-9]{2}-0[1-9]-[0-2][1-8]", 1..5);
    let times = btree_set("20[0-9]{2}-0[1-9]-[0-2][1-8]T[01][0-9]:[0-5][0-9]:00", 1..5);
    let dates = prop_oneof![days, times].prop_map(|event| json!({"timing": {"event": event}}));
    prop_oneof![8 => repeated, 1 => once, 1 => prn, 1 => dates]
}

/// Schedules, perhaps as steps; one that is followed by another has an end.
fn schedules() -> impl Strategy<Value = Value> {
    let numbered = option::of(1_u32..4);
    let ends = |schedule: &Value| {
        let repeat = &schedule["timing"]["repeat"];
        repeat["count"].is_number()
            || repeat["boundsDuration"].is_object()
            || repeat["boundsPeriod"]["end"].is_string()
    };
    let number = move |mut schedule: Value, number: Option<u32>| {
        if let Some(number) = number.filter(|_| ends(&schedule)) {
            schedule["sequence"] = json!(number);
        }
        schedule
    };
    let beside = vec((schedule(), numbered), 1..4).prop_map(move |all| {
        json!(all.into_iter().map(|(one, at)| number(one, at)).collect::<Vec<_>>())
    });
    let steps = vec(schedule(), 1..5).prop_map(move |all| {
        let all = all.into_iter().filter(ends).zip(1..);
        json!(all.map(|(one, at)| number(one, Some(at))).collect::<Vec<_>>())
    });
    prop_oneof![
        beside,
        steps.prop_filter("has steps", |all| all.as_array().is_some_and(|it| !it.is_empty()))
    ]
}

/// Models that no grammar is asked for: every element, with values that are wrong or strange.
fn any_model() -> impl Strategy<Value = Value> {
    let text = || {
        select(vec![
            "Zanzibarella",
            "",
            "BID",
            "mon",
            "ACM",
            "08:00",
            "25:61",
            "2026",
            "d",
            "h",
            "\u{1f48a}",
        ])
    };
    let number = || {
        prop_oneof![
            any::<i64>().prop_map(|n| json!(n)),
            (-2..3).prop_map(|n| json!(n)),
            Just(json!(1.5)),
            Just(json!(1e300)),
        ]
    };
    let whole = || prop_oneof![any::<i64>(), -2_i64..3];
    let quantity =
        || (number(), text()).prop_map(|(value, unit)| json!({"value": value, "unit": unit}));
    let elements = vec(
        prop_oneof![
            (select(vec!["count", "countMax", "frequency", "frequencyMax", "offset"]), whole()).prop_map(|(k, n)| json!({k: n})),
            (select(vec!["period", "periodMax", "duration", "durationMax"]), number()).prop_map(|(k, n)| json!({k: n})),
            (select(vec!["periodUnit", "durationUnit"]), text()).prop_map(|(k, t)| json!({k: t})),
            (select(vec!["dayOfWeek", "timeOfDay", "when"]), vec(text(), 0..4)).prop_map(|(k, t)| json!({k: t})),
            (text(), text()).prop_map(|(start, end)| json!({"boundsPeriod": {"start": start, "end": end}})),
            quantity().prop_map(|it| json!({"boundsDuration": it})),
            (quantity(), quantity()).prop_map(|(low, high)| json!({"boundsRange": {"low": low, "high": high}})),
            vec((select(vec![CYCLE, WHILE_AWAKE, MONTH_END, MINIMUM_SPACING, DAY_OF_MONTH, "Zanzibarella"]), whole(), text())
                .prop_map(|(url, n, code)| json!({"url": url, "valuePositiveInt": n, "valueCode": code})), 0..4)
                .prop_map(|all| json!({"extension": all})),
        ],
        0..8,
    );
    let repeat = elements.prop_map(|all| all.iter().fold(json!({}), with));
    let one = (repeat, option::of(whole()), option::of(text()), vec(text(), 0..3), option::of(text())).prop_map(
        |(repeat, sequence, code, event, told)| {
            let code = code.map(|code| json!({"coding": [{"code": code}], "text": "Zanzibarella"}));
            json!({"sequence": sequence, "text": told, "timing": {"repeat": repeat, "code": code, "event": event}})
        },
    );
    vec(one, 0..4).prop_map(|all| json!(all))
}
