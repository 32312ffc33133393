//! Files of programmes: the copy in the binary, folders laid over it, and their faults.

use super::*;
use carebell::care::Micros;
use carebell::message::{Prices, cost::Charge};

#[test]
fn the_binary_holds_every_file_of_the_schedules() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schedules/programmes");
    let names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let programmes = programmes();
    assert!(names.len() > 5);
    for name in &names {
        let programme = programmes.get(name).unwrap_or_else(|| panic!("{name} is not built in"));
        assert_eq!(catalogue().languages(name), LANGUAGES);
        // What a programme does not say, general says.
        assert_eq!(programme.whatsapp_templates.len(), 17, "{name}");
    }
    assert_eq!(programmes.iter().count(), names.len());
    assert_eq!(programmes.get("linden").unwrap().sender_name, "Linden");
    assert_eq!(programmes.get("linden").unwrap().overt_texts, Permission::Denied);
}

/// A folder of schedules with these files under `programmes/`.
fn schedules(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join("programmes").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

#[test]
fn a_folder_is_laid_over_message_by_message() {
    let dir = schedules(&[
        ("general/en.ftl", "lifestyle = { $sender } { $time } from the folder\n"),
        ("linden/en.ftl", "dose = { $sender } { $time } from linden\n"),
        ("linden/notes.txt", "not read"),
    ]);
    let catalogue = Catalogue::load(Some(dir.path())).unwrap_or_else(|p| panic!("{}", p[0]));
    let says = |name: &str, what| {
        let programme = programme(name, Permission::Denied);
        let saying = saying(what, "en", Form::Text);
        catalogue.render(&programme, &saying).unwrap().text.into_inner()
    };
    assert_eq!(says("linden", MessageName::Dose), "Linden 08:05 from linden");
    assert_eq!(says("linden", MessageName::Lifestyle), "Linden 08:05 from the folder");
    assert!(says("cedar", MessageName::Dose).contains("08:05 dose"));
    assert!(Catalogue::load(Some(Path::new("/nowhere/at/all"))).is_ok());
}

#[test]
fn a_faulty_text_is_found_at_load_with_its_place() {
    let rows = [
        ("general/en.ftl", "dose = { $sender } says\n", "message dose: it does not say $time"),
        ("general/en.ftl", "dose = { $sender } { $time } { $items }\n", "Unknown variable: $items"),
        ("general/en.ftl", "dose = { $sender } { $time } { $naem }\n", "Unknown variable: $naem"),
        ("general/en.ftl", "\ndoes = x\n", "line 2: there is no message does; did you mean dose?"),
        (
            "general/en.ftl",
            "help = { $sender }\nhelp = { $sender }\n",
            "line 2: message help is wr",
        ),
        ("general/en.ftl", "subject = {\n", "line"),
        (
            "general/de.ftl",
            "dose = { $sender } { $time }\n",
            "message dose-overt: the message is m",
        ),
        ("linden/not a tag.ftl", "", "it is not a language tag"),
        ("Linden/en.ftl", "", "a programme is named by lower-case letters"),
        ("linden/programm.toml", "", "one TOML file, programme.toml"),
    ];
    for (file, text, expected) in rows {
        let dir = schedules(&[(file, text)]);
        let problems = Catalogue::load(Some(dir.path())).err().unwrap_or_default();
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(shown.iter().any(|problem| problem.contains(expected)), "{text}: {shown:?}");
    }
}

#[test]
fn a_faulty_programme_is_found_at_load_with_its_place() {
    let template =
        |rest: &str| format!("title = \"X\"\n[whatsapp_templates.dose]\nname = \"d\"\n{rest}\n");
    let en = "languages = { en = \"en\" }";
    let rows = [
        ("zone = \"UTC\"".to_owned(), "missing field `title`"),
        ("title = \"X\"\nzoen = \"UTC\"".to_owned(), "line 2: unknown field `zoen`"),
        ("title = \"X\"\nzone = \"Mars/Base\"".to_owned(), "key zone: the zone is not known"),
        ("title = \"X\"\nzone = \"+02:00\"".to_owned(), "key zone: the zone is not known"),
        ("title = \"X\"\nphone_region = \"Kenya\"".to_owned(), "key phone_region"),
        ("title = \"X\"\nlanguage = \"xx\"".to_owned(), "key language: there are no texts"),
        ("title = \"X\"\nchannels = []".to_owned(), "key channels"),
        ("title = \"X\"\nsender_name = \" \"".to_owned(), "key sender_name"),
        (
            "title = \"X\"\nappointment_leads = [{ days = 1, at = \"25:00\" }]".to_owned(),
            "key appointment_leads",
        ),
        (
            "title = \"X\"\nbudget = { monthly = \"50\", warn_percent = 0 }".to_owned(),
            "key budget.warn_percent: it is no share",
        ),
        ("title = \"X\"\nbudget = { monthly = \"fifty\" }".to_owned(), "is no amount"),
        (
            template(&format!("{en}\nttl_seconds = 60\ncategory = \"promo\"")),
            "unknown variant `promo`",
        ),
        ("title = \"X\"\nroutine = { wake = \"7\" }".to_owned(), "HH:MM"),
        (template(&format!("{en}\nttl_seconds = 5")), "ttl_seconds is not one of Meta's"),
        (
            template(&format!("{en}\nttl_seconds = 60\nparameters = [\"items\"]")),
            "a discreet template must not carry the items",
        ),
        (
            template(&format!("{en}\nttl_seconds = 60\nbuttons = [\"done\", \"done\"]")),
            "two of its buttons say the same",
        ),
        (
            template(&format!("{en}\nttl_seconds = 60\nbuttons = [\"taken\"]")),
            "unknown variant `taken`",
        ),
        (
            template(&format!("{en}\nttl_seconds = 60\nparameters = [\"drug\"]")),
            "a parameter is not a variable",
        ),
        (
            "title = \"X\"\n[whatsapp_templates.doze]\nname = \"d\"\nlanguages = {}\nttl_seconds = 60"
                .to_owned(),
            "did you mean dose?",
        ),
    ];
    for (text, expected) in rows {
        let dir = schedules(&[("oak/programme.toml", &text)]);
        let problems = Programmes::load(Some(dir.path()), &Names, &catalogue());
        let shown: Vec<String> =
            problems.err().unwrap_or_default().iter().map(ToString::to_string).collect();
        assert!(shown.iter().any(|problem| problem.contains(expected)), "{text}: {shown:?}");
    }
    let dir =
        schedules(&[("oak/programme.toml", "title = \"X\"\nquiet_hours = { from = \"20:30\" }")]);
    assert!(Programmes::load(Some(dir.path()), &Names, &catalogue()).is_err());
}

#[test]
fn own_prices_take_the_place_of_the_examples_whole() {
    let dir = tempfile::tempdir().unwrap();
    let price = |prices: &Prices, charge| prices.estimate(charge, "+254712345678");
    let built_in = Prices::load(Some(dir.path())).unwrap();
    assert_eq!(built_in.currency, "USD");
    assert!(price(&built_in, Charge::Email).is_some());
    let own = "currency = \"KES\"\n[sms]\n\"+254\" = \"0.8\"\n";
    std::fs::write(dir.path().join("prices.toml"), own).unwrap();
    let prices = Prices::load(Some(dir.path())).unwrap();
    assert_eq!(prices.currency, "KES");
    assert_eq!(price(&prices, Charge::Sms { parts: 2 }), Micros::parse("1.6").ok());
    assert_eq!(price(&prices, Charge::Email), None, "no example beside a contract");
    std::fs::write(dir.path().join("prices.toml"), "curency = \"KES\"").unwrap();
    let problems = Prices::load(Some(dir.path())).unwrap_err();
    assert!(problems[0].to_string().contains("unknown field `curency`"), "{problems:?}");
}
