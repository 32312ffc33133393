//! What is said, and what is heard: texts in every language and form, SMS parts, programmes.

mod loading;
mod material;
mod sample;

use carebell::care::programme::Permission;
use carebell::care::{ActivityKind, Phi, Programme, TextStyle, Zone, ZoneRules};
use carebell::message::{
    Catalogue, Enclosed, Form, Item, MessageName, NotRenderable, Programmes, Rendered, Repeat,
    Saying, segments,
};
use carebell::policy::keywords::{Heard, hear};
use chrono::{NaiveDate, NaiveDateTime};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

const LANGUAGES: [&str; 7] = ["ar", "en", "es", "fr", "hi", "pt", "sw"];
const FORMS: [Form; 3] = [Form::Text, Form::Template { valid_for_seconds: 7_200 }, Form::Email];
const CANARIES: [&str; 3] = ["Canarymycin", "Canaritis", "Canaria Birdsong"];

/// Knows the names of zones; their rules play no part here.
struct Names;

impl ZoneRules for Names {
    fn zone(&self, name: &str) -> Option<Arc<Zone>> {
        name.parse::<chrono_tz::Tz>().ok()?;
        Some(Arc::new(Zone::new(name, Vec::new())))
    }

    fn version(&self) -> String {
        "none".to_owned()
    }
}

fn catalogue() -> Catalogue {
    Catalogue::load(None).unwrap_or_else(|problems| panic!("{}", problems[0]))
}

fn programmes() -> Programmes {
    Programmes::load(None, &Names, &catalogue())
        .unwrap_or_else(|problems| panic!("{}", problems[0]))
}

fn programme(name: &str, overt_texts: Permission) -> Programme {
    Programme { overt_texts, ..programmes().get(name).unwrap().clone() }
}

fn at(hour: u32, minute: u32) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 3, 4).unwrap().and_hms_opt(hour, minute, 0).unwrap()
}

fn item(title: &str, instruction: Option<&str>) -> Item {
    Item {
        kind: ActivityKind::Medication,
        title: Phi::from(title),
        instruction: instruction.map(Phi::from),
    }
}

fn canary() -> Item {
    item("Canarymycin 500 mg", Some("against Canaritis, for Canaria Birdsong"))
}

fn saying(what: MessageName, language: &str, form: Form) -> Saying {
    Saying {
        what,
        language: language.to_owned(),
        style: TextStyle::Discreet,
        form,
        local_time: at(8, 5),
        also_at: Vec::new(),
        items: if what.is_reminder() { vec![canary()] } else { Vec::new() },
        repeat: Repeat::First,
        material: Enclosed::default(),
    }
}

/// Everything that leaves the house with a message.
fn whole(rendered: &Rendered) -> String {
    let mut whole = rendered.text.expose().clone();
    if let Some(part) = &rendered.subject {
        whole.push_str(part.expose());
    }
    if let Some(template) = &rendered.template {
        whole.push_str(&template.name);
        for parameter in &template.parameters {
            whole.push_str(parameter.expose());
        }
    }
    whole
}

/// Every message in every language and form that it has, with counts that reach all plural forms.
fn every_saying() -> Vec<Saying> {
    let mut all = Vec::new();
    for language in LANGUAGES {
        for what in MessageName::ALL {
            for form in FORMS {
                if matches!(form, Form::Template { .. }) && !what.is_reminder() {
                    continue;
                }
                for count in if what.is_reminder() { vec![1, 2, 3, 11, 100] } else { vec![0] } {
                    let items = vec![canary(); count];
                    all.push(Saying { items, ..saying(what, language, form) });
                }
            }
        }
    }
    all
}

#[test]
fn p10_a_discreet_message_holds_nothing_of_what_it_announces() {
    let catalogue = catalogue();
    for overt_texts in [Permission::Denied, Permission::Allowed] {
        let programme = programme("general", overt_texts);
        for saying in every_saying() {
            // A programme that denies overt texts makes even those discreet that a patient wants overt.
            let style = match overt_texts {
                Permission::Denied => TextStyle::Overt,
                Permission::Allowed => TextStyle::Discreet,
            };
            let saying = Saying { style, ..saying };
            let rendered = catalogue.render(&programme, &saying).unwrap();
            let whole = whole(&rendered);
            for canary in CANARIES {
                assert!(!whole.contains(canary), "{:?} in {}", saying.what, saying.language);
            }
            for slip in ["{", "}", "null", "$"] {
                assert!(!whole.contains(slip), "{slip} in {whole}");
            }
        }
    }
}

#[test]
fn p5_every_reminder_names_its_local_time_and_an_appointment_its_date() {
    let catalogue = catalogue();
    let programme = programme("general", Permission::Allowed);
    let days = [
        ("ar", "الأربعاء 4 مارس"),
        ("en", "Wednesday 4 March"),
        ("es", "miércoles 4 de marzo"),
        ("fr", "mercredi 4 mars"),
        ("hi", "बुधवार, 4 मार्च"),
        ("pt", "quarta-feira, 4 de março"),
        ("sw", "Jumatano tarehe 4 Machi"),
    ];
    let short = |saying: &Saying| saying.what.is_reminder() && saying.items.len() < 12;
    for saying in every_saying().into_iter().filter(short) {
        for style in [TextStyle::Discreet, TextStyle::Overt] {
            let saying = Saying { style, ..saying.clone() };
            let rendered = catalogue.render(&programme, &saying).unwrap();
            let text = rendered.text.expose();
            assert!(text.contains("08:05"), "{text}");
            assert!(text.contains("Carebell"), "{text}");
            if saying.what == MessageName::Appointment {
                let day = days.iter().find(|(language, _)| *language == saying.language).unwrap().1;
                assert!(text.contains(day), "{text}");
            }
        }
    }
}

#[test]
fn an_overt_text_says_what_the_clinician_wrote() {
    let catalogue = catalogue();
    let programme = programme("general", Permission::Allowed);
    let overt = |form| Saying {
        style: TextStyle::Overt,
        items: vec![item("Metformin 500 mg", Some("one tablet\nwith food")), item("Aspirin", None)],
        ..saying(MessageName::Dose, "en", form)
    };
    let text = catalogue.render(&programme, &overt(Form::Text)).unwrap().text;
    assert_eq!(
        text.expose(),
        "Carebell: reminder for 08:05. Your plan says:\n\
         - Metformin 500 mg: one tablet with food\n- Aspirin"
    );
    // No overt template is approved: WhatsApp gets the discreet one.
    let sent = catalogue.render(&programme, &overt(FORMS[1])).unwrap();
    assert_eq!(sent.template.as_ref().unwrap().name, "carebell_dose");
    assert!(!whole(&sent).contains("Metformin"));
}

#[test]
fn a_repeat_says_so() {
    let catalogue = catalogue();
    let programme = programme("general", Permission::Denied);
    for language in LANGUAGES {
        for form in FORMS {
            let first = saying(MessageName::Appointment, language, form);
            let again = Saying { repeat: Repeat::Again, ..first.clone() };
            let first = catalogue.render(&programme, &first).unwrap();
            let again = catalogue.render(&programme, &again).unwrap();
            assert!(again.text.expose().ends_with(first.text.expose()));
            assert!(again.text.expose().len() > first.text.expose().len() + 20);
            if let Some(template) = again.template {
                assert_eq!(template.name, "carebell_appointment_repeat");
            }
        }
    }
    let dose = Saying { repeat: Repeat::Again, ..saying(MessageName::Dose, "en", FORMS[1]) };
    assert!(matches!(
        catalogue.render(&programme, &dose),
        Err(NotRenderable::NoTemplate { message, .. }) if message == "dose-repeat"
    ));
}

#[test]
fn a_language_falls_back_to_its_shorter_tag_and_to_no_other_language() {
    let catalogue = catalogue();
    let programme = programme("willow", Permission::Denied);
    for (language, template) in [("pt-BR", "pt_BR"), ("pt_AO", "pt_BR"), ("ES-419", "es")] {
        let rendered =
            catalogue.render(&programme, &saying(MessageName::Dose, language, FORMS[1])).unwrap();
        assert_eq!(rendered.template.unwrap().language, template);
    }
    for language in ["de", "", "english", "p"] {
        let refused =
            catalogue.render(&programme, &saying(MessageName::Dose, language, Form::Text));
        assert_eq!(refused, Err(NotRenderable::NoLanguage { language: language.to_owned() }));
    }
}

#[test]
fn p5_a_template_never_outlives_its_message() {
    let catalogue = catalogue();
    let programme = programme("general", Permission::Denied);
    let rows = [
        (7_200, Ok("carebell_dose")),
        (3_601, Ok("carebell_dose")),
        (3_600, Ok("carebell_dose_short")),
        (1_800, Ok("carebell_dose_short")),
        (1_200, Err(())),
        (-5, Err(())),
    ];
    for (valid_for_seconds, expected) in rows {
        let form = Form::Template { valid_for_seconds };
        let got = catalogue.render(&programme, &saying(MessageName::Dose, "en", form));
        match (got, expected) {
            (Ok(rendered), Ok(name)) => assert_eq!(rendered.template.unwrap().name, name),
            (Err(NotRenderable::OutlivesMessage { ttl_seconds: 1_200, .. }), Err(())) => {}
            (got, _) => panic!("{valid_for_seconds}: {got:?}"),
        }
    }
}

#[test]
fn p2_a_text_that_would_be_wrong_is_refused_with_its_reason() {
    let catalogue = catalogue();
    let programme = programme("general", Permission::Allowed);
    let overt = |items| Saying {
        style: TextStyle::Overt,
        items,
        ..saying(MessageName::Dose, "en", Form::Text)
    };
    let refused = |saying: &Saying| catalogue.render(&programme, saying).unwrap_err();
    let empty = |what| NotRenderable::Empty { what };
    let placeholder = |token| NotRenderable::Placeholder { token };
    let rows = [
        (overt(Vec::new()), empty("the list of activities")),
        (overt(vec![item(" \n", None)]), empty("an activity's title")),
        (overt(vec![item("Hi {{name}}", None)]), placeholder("{")),
        (overt(vec![item("Aspirin", Some("null"))]), placeholder("null")),
        (overt(vec![item("NaN mg", None)]), placeholder("NaN")),
    ];
    for (saying, expected) in rows {
        assert_eq!(refused(&saying), expected);
    }
    assert!(matches!(
        refused(&overt(vec![item(&"x".repeat(1_600), None)])),
        NotRenderable::TooLong { limit: 1_600, .. }
    ));
    let visit = Item { kind: ActivityKind::Appointment, ..canary() };
    let together = Saying { what: MessageName::Several, ..overt(vec![canary(), visit]) };
    assert_eq!(refused(&together), NotRenderable::NotTogether);
    // "None" as a word of a sentence is a slip as well; "none" and "Nonesuch" are not.
    assert!(catalogue.render(&programme, &overt(vec![item("Nonesuch, none", None)])).is_ok());
}

#[test]
fn a_template_parameter_is_one_line() {
    let catalogue = catalogue();
    let programme = Programme {
        sender_name: "The \t clinic\nof      Rowan".to_owned(),
        ..programme("rowan", Permission::Denied)
    };
    let rendered =
        catalogue.render(&programme, &saying(MessageName::Dose, "en", FORMS[1])).unwrap();
    assert_eq!(rendered.template.unwrap().parameters[0].expose(), "The clinic of Rowan");
}

#[test]
fn right_to_left_values_are_isolated_but_not_in_sms() {
    let catalogue = catalogue();
    let programme = programme("general", Permission::Denied);
    for form in FORMS {
        for language in LANGUAGES {
            let rendered =
                catalogue.render(&programme, &saying(MessageName::Dose, language, form)).unwrap();
            let isolated = whole(&rendered).contains("\u{2068}08:05\u{2069}");
            assert_eq!(isolated, language == "ar" && form != Form::Text, "{language} {form:?}");
            if language == "ar" {
                // The first strong letter sets the line's direction.
                assert!(rendered.text.expose().starts_with(['ت', 'ر']));
            }
        }
    }
}

#[test]
fn a_discreet_reminder_fits_two_parts_of_sms() {
    let catalogue = catalogue();
    let programme = programme("general", Permission::Denied);
    for language in LANGUAGES {
        for what in MessageName::ALL.into_iter().filter(|what| what.is_reminder()) {
            let text = catalogue.render(&programme, &saying(what, language, Form::Text)).unwrap();
            let most = if what == MessageName::CheckIn { 3 } else { 2 };
            let text = text.text.expose();
            assert!(segments::count(text).parts <= most, "{text}");
        }
    }
}

#[test]
fn the_words_that_answers_ask_for_are_heard() {
    let catalogue = catalogue();
    let programme = programme("general", Permission::Denied);
    let rows = [
        ("ar", "ابدأ", "توقف"),
        ("en", "START", "STOP"),
        ("es", "INICIAR", "PARAR"),
        ("fr", "REPRENDRE", "STOP"),
        ("hi", "शुरू", "बंद"),
        ("pt", "VOLTAR", "PARAR"),
        ("sw", "ANZA", "ACHA"),
    ];
    for (language, start, stop) in rows {
        let says =
            |what| catalogue.render(&programme, &saying(what, language, Form::Text)).unwrap();
        assert!(says(MessageName::StopConfirmation).text.expose().contains(start), "{language}");
        assert!(says(MessageName::StartConfirmation).text.expose().contains(stop), "{language}");
        assert!(says(MessageName::Help).text.expose().contains(stop), "{language}");
        assert_eq!((hear(start), hear(stop)), (Heard::Start, Heard::Stop), "{language}");
    }
}

#[test]
fn one_catalogue_serves_all_workers() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&catalogue());
    shared(&programmes());
}

#[test]
fn kinds_at_one_moment_make_one_message() {
    use ActivityKind::{Appointment, Measurement, Medication, Refill};
    let rows: [(&[ActivityKind], _); 6] = [
        (&[], None),
        (&[Medication], Some(MessageName::Dose)),
        (&[Medication, Medication], Some(MessageName::Dose)),
        (&[Medication, Measurement, Refill], Some(MessageName::Several)),
        (&[Appointment, Appointment], Some(MessageName::Appointment)),
        (&[Measurement, Appointment], None),
    ];
    for (kinds, expected) in rows {
        assert_eq!(MessageName::announcing(kinds), expected, "{kinds:?}");
    }
}

#[derive(serde::Deserialize)]
struct Vectors {
    rows: Vec<Vector>,
}

#[derive(serde::Deserialize)]
struct Vector {
    text: String,
    encoding: String,
    segments: usize,
}

#[test]
fn sms_parts_are_those_that_a_provider_counts() {
    let vectors: Vectors = serde_json::from_str(include_str!("../data/sms-segments.json")).unwrap();
    assert_eq!(vectors.rows.len(), 40);
    for row in vectors.rows {
        let counted = segments::count(&row.text);
        assert_eq!(
            (counted.encoding.word(), counted.parts),
            (row.encoding.as_str(), row.segments),
            "{:?}",
            row.text
        );
    }
}

proptest! {
    #[test]
    fn sms_parts_grow_with_the_text_and_hold_it(text in "\\PC{0,400}", more in "\\PC{0,20}") {
        let alone = segments::count(&text);
        let units: usize = text.encode_utf16().count();
        prop_assert!(alone.parts * 160 >= text.chars().count());
        prop_assert!(alone.encoding == segments::Encoding::Gsm7 || alone.parts * 70 >= units);
        let longer = segments::count(&format!("{text}{more}"));
        prop_assert!(longer.parts >= alone.parts);
    }
}

#[test]
fn p10_no_title_reaches_a_discreet_text() {
    let (catalogue, programme) = (catalogue(), programme("general", Permission::Allowed));
    proptest!(|(title in "[A-Z]{12}", language in proptest::sample::select(&LANGUAGES))| {
        for form in FORMS {
            let items = vec![item(&title, Some(&title))];
            let saying = Saying { items, ..saying(MessageName::Dose, language, form) };
            let rendered = catalogue.render(&programme, &saying).unwrap();
            prop_assert!(!whole(&rendered).contains(&title));
        }
    });
}
