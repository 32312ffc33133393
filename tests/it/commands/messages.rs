//! The texts of the programmes, checked and shown before a patient sees them.

use super::home::{Home, Said};
use serde_json::Value;

fn check(home: &Home, more: &[&str]) -> Said {
    home.run(&[&["messages", "check"], more].concat())
}

/// Messages with this finding.
fn found(said: &Said, finding: &str) -> Vec<Value> {
    let has =
        |one: &&Value| one["findings"].as_array().unwrap().iter().any(|f| f["finding"] == finding);
    said.json()["messages"].as_array().unwrap().iter().filter(has).cloned().collect()
}

#[test]
fn the_texts_in_the_binary_have_no_problem() {
    let home = Home::new();
    for more in [&[][..], &["--all"], &["--programme", "maple", "--language", "AR"]] {
        let said = check(&home, more);
        assert_eq!(said.code, 0, "{}", said.answer);
        assert!(said.answer.lines().all(|line| line.chars().count() <= 80), "{}", said.answer);
        assert!(said.talk.starts_with("0 problem(s)"), "{}", said.talk);
    }
    let said = check(&home, &["--json"]);
    let json = said.json();
    let one = |programme: &str, language: &str, message: &str, channel: &str| {
        let all = json["messages"].as_array().unwrap();
        let is = |m: &&Value| {
            m["programme"] == programme
                && m["language"] == language
                && m["message"] == message
                && m["channel"] == channel
        };
        all.iter().find(is).unwrap_or_else(|| panic!("{message} over {channel}")).clone()
    };
    let dose = one("linden", "sw", "dose", "sms");
    assert_eq!((&dose["encoding"], &dose["parts"]), (&"GSM-7".into(), &1.into()));
    assert_eq!(dose["cost"], "0.06", "Kenya's price for one part");
    assert_eq!(one("rowan", "hi", "dose-overt", "sms")["encoding"], "UCS-2");
    assert_eq!(one("rowan", "hi", "dose", "whatsapp")["cost"], "0.0014");
    assert_eq!(one("rowan", "hi", "help", "whatsapp")["cost"], "0.00", "answers are free");
    // What a programme does not permit is not counted.
    assert!(json["messages"].as_array().unwrap().iter().all(|m| {
        m["programme"] != "linden" || !m["message"].as_str().unwrap().contains("overt")
    }));
}

#[test]
fn p5_a_dose_is_shown_by_the_template_that_its_shortest_validity_allows() {
    let home = Home::new();
    let json = home.run(&["messages", "preview", "dose", "--json"]).json();
    assert_eq!(json[0]["template"]["name"], "carebell_dose_short");
    home.schedule(
        "programmes/oak/programme.toml",
        "title = \"Oak\"\n[whatsapp_templates.dose-short]\nname = \"slow\"\nttl_seconds = 1800\n\
         languages = { en = \"en\" }\n",
    );
    let said = check(&home, &["--programme", "oak", "--language", "en", "--json"]);
    let unsaid = found(&said, "unsaid");
    assert_eq!((said.code, unsaid.len()), (1, 1), "{}", said.answer);
    assert_eq!(
        (&unsaid[0]["message"], &unsaid[0]["channel"]),
        (&"dose".into(), &"whatsapp".into())
    );
    let why = unsaid[0]["findings"][0]["why"].as_str().unwrap();
    assert!(why.contains("slow may wait 1800 s, but 1800 s are left"), "{why}");
}

#[test]
fn what_is_wrong_with_a_text_is_found_with_its_place() {
    let home = Home::new();
    home.schedule("programmes/linden/en.ftl",
        "lifestyle = { $sender } { $time }: this is the façade of a text that would fit into one part\n\
         help = { $sender }: for no more messages, write to us\n\
         notice = { $sender } { $time } this text is far too long to be read by anybody at all, and it goes on and \
         on so that it takes more than one part, and then it costs twice as much as a good one\n",
    );
    home.schedule("programmes/linden/sw.ftl",
        "refill = { $sender }, { $time }: please fetch your next supply in good time, as on your plan.\n",
    );
    let said = check(&home, &["--programme", "linden", "--parts", "1", "--json"]);
    assert_eq!(said.code, 1);
    let english = |finding| {
        let all = found(&said, finding).into_iter().filter(|one| one["language"] == "en");
        all.map(|one| one["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(english("forced"), ["lifestyle"]);
    assert!(english("long").contains(&"notice".to_owned()));
    assert_eq!(english("wordless"), ["help"]);
    let forced = &found(&said, "forced").into_iter().find(|one| one["language"] == "en").unwrap();
    assert_eq!(forced["findings"][1]["characters"], serde_json::json!(["ç"]));
    let untranslated = found(&said, "untranslated");
    assert_eq!(untranslated.len(), 1, "{untranslated:?}");
    assert_eq!(
        (&untranslated[0]["language"], &untranslated[0]["message"]),
        (&"sw".into(), &"refill".into())
    );
    let text = check(&home, &["--programme", "linden", "--language", "en"]).answer;
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("problem help over sms in en of linden: holds no word that is heard as STOP"),
        "{text}"
    );
    assert!(flat.contains("hint lifestyle over sms in en of linden: 16 bits a character and more parts for no more than ç (U+00E7)"), "{text}");
}

#[test]
fn a_language_without_its_template_and_a_faulty_file_are_problems() {
    let home = Home::new();
    let english = include_str!("../../../schedules/programmes/general/en.ftl");
    home.schedule("programmes/oak/programme.toml", "title = \"Oak\"\nchannels = [\"whatsapp\"]\n");
    home.schedule("programmes/oak/de.ftl", english);
    let said = check(&home, &["--programme", "oak", "--language", "de", "--json"]);
    assert_eq!(said.code, 1);
    let unsaid = found(&said, "unsaid");
    let why = unsaid[0]["findings"][0]["why"].as_str().unwrap();
    assert!(why.contains("is not approved in de"), "{why}");
    home.schedule("programmes/oak/de.ftl", "dose = { $sender } { $tiem }\n");
    let said = check(&home, &[]);
    assert_eq!(said.code, 78);
    assert!(said.words().contains("Unknown variable: $tiem"), "{}", said.talk);
    let unknown = check(&Home::new(), &["--programme", "nowhere"]);
    assert_eq!(unknown.code, 3, "{}", unknown.talk);
}

#[test]
fn a_message_is_shown_as_it_would_be_read() {
    let home = Home::new();
    let said = home.run(&["messages", "preview", "appointment", "--programme", "maple", "--overt"]);
    assert_eq!(said.code, 0, "{}", said.talk);
    assert!(said.answer.lines().all(|line| line.chars().count() <= 80), "{}", said.answer);
    for expected in [
        "whatsapp: ",
        "template carebell_appointment (en, utility), kept for 3600 s",
        "{{2}} date: Wednesday 23 September",
        "sms: 1 part in GSM-7, ",
        "    - Sample item 500 mg: one with food",
        "Subject: A reminder from Maple Clinic",
    ] {
        assert!(said.answer.contains(expected), "{expected}: {}", said.answer);
    }
    // Marks of direction are for phones; a terminal shows none.
    let arabic = home.run(&["messages", "preview", "dose", "--language", "ar"]).answer;
    assert!(arabic.contains("08:30") && !arabic.contains("2068"), "{arabic}");
    for (arguments, code, expected) in [
        (&["dose", "--overt"][..], 1, "permits no overt texts"),
        (&["doze"], 2, "no such message"),
        (&["dose", "--programme", "oak"], 3, "there is no programme oak"),
    ] {
        let said = home.run(&[&["messages", "preview"], arguments].concat());
        assert_eq!(said.code, code, "{arguments:?}: {}", said.talk);
        assert!(said.words().contains(expected), "{}", said.talk);
    }
    let unsaid = home.run(&["messages", "preview", "several", "--repeat"]).answer;
    assert!(unsaid.contains("whatsapp: not sent: "), "{unsaid}");
}
