//! Tables: what they give, and what is refused.

use super::*;

#[test]
fn a_wide_table_gives_patients_and_orders() {
    let items: Vec<Item> =
        with(|s| documents(&[data("csv/wide.csv")]).flat_map(|d| read(&d, s)).collect());
    assert_eq!(rejected(&items), [], "{:?}", why(&items));
    let asha = patient(&items);
    assert_eq!(asha.identity.key.expose(), "test|P-1");
    assert_eq!(asha.patient.name.as_ref().unwrap().expose(), "Asha\u{2019}s \"Didi\" Rao");
    assert_eq!(
        (asha.patient.language.as_str(), asha.patient.zone.as_str()),
        ("sw", "Africa/Nairobi")
    );
    assert_eq!(asha.patient.consents[0].decision, ConsentDecision::Given);
    let orders: Vec<&ActivityChange> = changes(&items)
        .into_iter()
        .filter_map(|change| match change {
            Change::Activity(activity) => Some(&**activity),
            _ => None,
        })
        .collect();
    assert_eq!(orders.len(), 4);
    assert_eq!(orders[0].activity.key, "test|P-1|1");
    assert_eq!(orders[0].subject.candidates[0], asha.identity.key);
    let repeat = |n: usize| match &orders[n].activity.schedule {
        Schedule::Dosages(dosages) => dosages[0].timing.as_ref().unwrap().repeat.clone().unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(repeat(0).time_of_day, ["08:00:00", "20:00:00"]);
    assert_eq!(repeat(0).bounds_period.unwrap().end.as_deref(), Some("2026-03-31"));
    assert_eq!(repeat(1).day_of_week, ["mon", "thu"]);
    assert_eq!((repeat(2).period_unit.as_deref(), repeat(2).count), (Some("h"), Some(6)));
    assert_eq!(orders[3].activity.kind, ActivityKind::Appointment);
    assert_eq!(orders[3].local_start.unwrap().to_string(), "2026-03-05 09:30:00");
    let unknown: Vec<String> =
        why(&items).into_iter().filter(|w| w.contains("unknown columns")).collect();
    assert_eq!(unknown, ["unknown columns are left out: Favourite colour"]);
}

#[test]
fn a_pair_of_tables_gives_the_same_as_the_wide_one() {
    let patients = csv_items(
        "UUID,Name,Phone,Language,Field:timezone\nu-1,Asha,+254712000001,eng,Asia/Kolkata\n",
    );
    assert_eq!(patient(&patients).identity.key.expose(), "test|u-1");
    assert_eq!(patient(&patients).patient.zone, "Asia/Kolkata");
    assert_eq!(patient(&patients).patient.language, "en");
    let orders = csv_items(
        "patient_id;order_id;type;title;times;replaces\nu-1;2;medication;X;08:00,20:00;1\n",
    );
    assert_eq!(activity(&orders).subject.candidates[0], patient(&patients).identity.key);
    assert_eq!(activity(&orders).replaces[0].candidates[0].expose(), "test|u-1|1");
    assert_eq!(changes(&orders).len(), 1, "an order tells nothing of the patient");
}

#[test]
fn what_a_spreadsheet_damaged_is_refused_with_its_column() {
    let understood = |expected: &str| Why::NotUnderstood { expected: expected.to_owned() };
    let cases = [
        ("birth_date", "03/04/1970", Why::AmbiguousDate),
        ("consent_at", "3.4.2025", Why::AmbiguousDate),
        ("start", "45292", Why::NotADate),
        ("timezone", "Nairobi", Why::UnknownZone),
        ("timezone", "UTC+3", Why::OffsetIsNoZone),
        ("times", "0.333333", understood("HH:MM, 00:00 to 23:59")),
        ("times", "24:00", understood("HH:MM, 00:00 to 23:59")),
        ("every", "3m", understood("8h, 2d, 1wk, 1mo")),
        ("every", "0h", understood("8h, 2d, 1wk, 1mo")),
        ("days", "mon;frei", understood("mon;tue;wed;thu;fri;sat;sun")),
        ("count", "-1", understood("a whole number from 1")),
        ("consent", "maybe", understood("yes, no")),
        ("prn", "perhaps", understood("yes, no")),
        ("status", "on", understood("active, on-hold, stopped, entered-in-error, draft")),
    ];
    for (column, cell, expected) in cases {
        let items = csv_items(&format!(
            "patient_id,order_id,type,title,{column}\nP,1,medication,X,{cell}\n"
        ));
        assert!(
            rejected(&items).contains(&(column, &expected)),
            "{column}={cell}: {:?}",
            why(&items)
        );
        assert!(
            !items.iter().any(|i| matches!(i.changes(), [Change::Activity(_)])),
            "{column}={cell}"
        );
    }
    let items = csv_items("patient_id,phone\nP,2.54712E+11\n");
    assert!(patient(&items).patient.contacts.is_empty(), "imported, but unreachable");
    assert!(why(&items)[1].contains("scientific notation"), "{:?}", why(&items));
}

#[test]
fn a_landline_is_warned_of_and_kept_for_whatsapp_after_everything_else() {
    let contacts = |cells: &str| {
        let items = csv_items(&format!("patient_id,phone,sms,email\nP,{cells}\n"));
        let points = &patient(&items).patient.contacts;
        let points =
            points.iter().map(|p| (p.channel.word(), p.rank, p.address.expose().to_owned()));
        (points.collect::<Vec<_>>(), why(&items).join("; "))
    };
    let landline = "+61270101193".to_owned();
    let (alone, told) = contacts("+61270101193,,");
    assert_eq!(alone, [("whatsapp", 1, landline.clone())]);
    assert!(told.contains("is a landline, which takes no SMS"), "{told}");
    let (last, _) = contacts("+61270101193,+61491571491,a@b.org");
    assert_eq!(
        last,
        [
            ("sms", 1, "+61491571491".to_owned()),
            ("email", 2, "a@b.org".to_owned()),
            ("whatsapp", 3, landline)
        ]
    );
    // Said to take SMS, it is good for nothing.
    let (none, told) = contacts(",+61270101193,");
    assert!(none.is_empty());
    assert!(told.contains("it is a fixed-line number, which takes no messages"), "{told}");
}

/// The dosages of an order whose row has these further columns.
fn dosages_of(columns: &str, cells: &str) -> Vec<Value> {
    let items =
        csv_items(&format!("patient_id,order_id,type,title,{columns}\nP,1,medication,X,{cells}\n"));
    match &activity(&items).activity.schedule {
        Schedule::Dosages(dosages) => {
            dosages.iter().map(|dosage| serde_json::to_value(dosage).unwrap()).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// Every day at 08:00, with more in the `repeat`.
fn at_eight(more: &Value) -> Value {
    let mut repeat = json!({"timeOfDay": ["08:00:00"]});
    repeat.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"repeat": repeat})
}

#[test]
fn a_timing_is_read_as_text_and_bounded_by_start_and_end() {
    let (first, last) = ("2026-01-05", "2026-03-01");
    let from = json!({"boundsPeriod": {"start": first}});
    let until = json!({"boundsPeriod": {"end": last}});
    let both = json!({"boundsPeriod": {"start": first, "end": last}});
    let week = json!({"boundsDuration": {"value": 7, "code": "d"}});
    let twice = json!({"boundsPeriod": {"start": first}, "count": 2});
    let told = json!({"text": "One", "asNeededBoolean": true, "timing": at_eight(&both)});
    let rows = [
        ("08:00,,,,", json!([{"timing": at_eight(&json!({}))}])),
        ("08:00,2026-01-05,,,", json!([{"timing": at_eight(&from)}])),
        ("08:00 from 2026-01-05,2026-01-05,2026-03-01,,", json!([{"timing": at_eight(&both)}])),
        ("08:00 until 2026-03-01,2026-01-05,,,", json!([{"timing": at_eight(&both)}])),
        // Several: each is bounded and told; steps start with the first and end with the last.
        ("08:00; 08:00,2026-01-05,2026-03-01,One,yes", json!([told, told])),
        (
            "\"08:00 x2, then 08:00\",2026-01-05,2026-03-01,,",
            json!([
                {"sequence": 1, "timing": at_eight(&twice)},
                {"sequence": 2, "timing": at_eight(&until)},
            ]),
        ),
        // A length counts from the first slot after the start, which is the order's anchor.
        ("08:00 for 7 days,2026-01-05,,,", json!([{"timing": at_eight(&week)}])),
        ("2026-03-01 09:00,2026-01-05,,,", json!([{"timing": {"event": ["2026-03-01T09:00:00"]}}])),
    ];
    for (cells, expected) in rows {
        let got = dosages_of("timing,start,end,dose_text,prn", cells);
        assert_eq!(json!(got), expected, "{cells}");
    }
    for alias in ["schedule", "When"] {
        assert_eq!(
            dosages_of(alias, "08:00"),
            [json!({"timing": at_eight(&json!({}))})],
            "{alias}"
        );
    }
    // One date with a time is an appointment's start, as in the column start; several are visits.
    let visit = |timing: &str| {
        let table = format!("patient_id,order_id,type,timing\nP,1,visit,\"{timing}\"\n");
        let items = csv_items(&table);
        let read = activity(&items);
        (read.activity.kind, read.local_start.map(|start| start.to_string()))
    };
    let start = Some("2026-03-05 09:30:00".to_owned());
    assert_eq!(visit("2026-03-05 09:30"), (ActivityKind::Appointment, start));
    assert_eq!(visit("2026-03-05 09:30, 2026-04-05 09:30"), (ActivityKind::CheckIn, None));
}

#[test]
#[rustfmt::skip] // a row a line
fn a_timing_that_is_none_or_contradicts_its_row_is_refused() {
    let phrase = Why::Phrase {
        character: 9,
        found: "could be read two ways".to_owned(),
        expected: "write `min` or `months`, such as `every 90 min`".to_owned(),
    };
    let understood = |expected: &str| Why::NotUnderstood { expected: expected.to_owned() };
    let apart = understood("either timing, or times, days, every, times_per_day and count");
    let (start, end) = (understood("one start, here or in timing"), understood("one end, here or in timing"));
    let order = understood("a date not before start");
    let cases = [
        ("timing", "every 5 m", "timing", &phrase),
        ("timing,times", "08:00,09:00", "timing", &apart),
        ("timing,days", "08:00,mon", "timing", &apart),
        ("timing,every", "08:00,2d", "timing", &apart),
        ("timing,times_per_day", "08:00,2", "timing", &apart),
        ("timing,count", "08:00,3", "timing", &apart),
        ("timing,start", "08:00 from 2026-01-05,2026-01-06", "start", &start),
        ("timing,end", "08:00 until 2026-01-05,2026-01-06", "end", &end),
        ("timing,end", "08:00 for 7 days,2026-01-06", "end", &end),
        ("timing,end", "2026-03-01 09:00,2026-01-06", "end", &understood("no end beside dates")),
        ("timing,end", "08:00 from 2026-01-05,2026-01-04", "end", &order),
        ("timing,start", "08:00 until 2026-01-05,2026-01-06", "end", &order),
    ];
    for (columns, cells, column, expected) in cases {
        let items = csv_items(&format!("patient_id,order_id,type,title,{columns}\nP,1,medication,X,{cells}\n"));
        assert_eq!(rejected(&items), [(column, expected)], "{cells}: {:?}", why(&items));
    }
}

#[test]
fn rows_are_checked_against_header_and_each_other() {
    let table = "patient_id,name,phone\n1,Ann\n2,\"Ben\nB\",0712000002\n3,C,0712000003,,\n4,D,0712000004,x\n,E,0712000005\n";
    let items = csv_items(table);
    let got: Vec<(&str, bool)> =
        items.iter().map(|i| (i.resource.source.as_str(), !i.changes().is_empty())).collect();
    assert_eq!(
        got,
        [
            ("a.csv:2", false),
            ("a.csv:3", true),
            ("a.csv:5", true),
            ("a.csv:6", false),
            ("a.csv:7", false)
        ]
    );

    let items = csv_items(
        "patient_id,phone,order_id,type,title\n1,0712000001,a,medication,X\n1,0712000002,b,medication,Y\n2,,a,medication,Z\n",
    );
    assert_eq!(rejected(&items).len(), 3, "patient and both orders: {:?}", why(&items));
    assert!(
        why(&items).iter().any(|w| w == "phone: differs from line 2, which is of the same patient")
    );
    assert_eq!(changes(&items).len(), 1, "the other patient's order is not hurt");

    let items = csv_items(
        "patient_id,order_id,type,title\n1,a,medication,X\n1,a,medication,X\n1,b,medication,X\n1,b,medication,Y\n",
    );
    assert_eq!(changes(&items).len(), 1);
    assert!(
        why(&items).iter().any(|w| w.contains("is the order of line 4, but differs")),
        "{:?}",
        why(&items)
    );

    assert_eq!(rejected(&csv_items("name,phone\nA,1\n")), [("patient_id", &Why::NoColumn)]);
    let twice = Why::TwiceColumn { column: "phone".into() };
    assert_eq!(rejected(&csv_items("patient_id,Phone,Mobile\n1,2,3\n")), [("Mobile", &twice)]);
    assert_eq!(
        patient(&csv_items("sep=;\npatient_id;name\n1;A\n")).identity.key.expose(),
        "test|1"
    );
}

#[test]
fn the_operators_assertion_fills_a_silence_only() {
    let programme = programme();
    let assertion = Some(Assertion { basis: "signed form of the clinic".into(), at: UtcMs(1) });
    let settings = Settings {
        programme: &programme,
        zones: &Names,
        now: UtcMs(2),
        assertion,
        source_system: "t".into(),
    };
    let table = "patient_id,phone,consent,consent_at\n1,0712000001,,\n2,0712000002,no,2025-01-01\n";
    let items = read(&document("a.csv", Body::Csv(table.to_owned())), &settings);
    let asserted: Vec<bool> = items
        .iter()
        .filter_map(|item| match &item.changes()[0] {
            Change::Patient(patient) => Some(patient.asserted.is_some()),
            _ => None,
        })
        .collect();
    assert_eq!(asserted, [true, false]);
}

#[test]
fn p10_no_cell_stands_in_a_report() {
    let columns = [
        "name",
        "phone",
        "whatsapp",
        "email",
        "language",
        "timezone",
        "birth_date",
        "patient_status",
        "text_style",
        "wake",
        "consent",
        "consent_at",
        "order_id",
        "type",
        "title",
        "start",
        "end",
        "timing",
        "times",
        "days",
        "every",
        "times_per_day",
        "count",
        "prn",
        "time_critical",
        "status",
    ];
    for column in columns {
        for other in ["patient_id,type", "patient_id,type,title"] {
            let fill = if other.ends_with("title") { "P,medication,X" } else { "P,medication" };
            let table = format!("{other},{column}\n{fill},Zanzibarella\n");
            let told = why(&csv_items(&table)).join("\n").to_lowercase();
            assert!(!told.contains("zanzi"), "{column}: {told}");
        }
    }
}
