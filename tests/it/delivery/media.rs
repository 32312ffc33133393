//! Material with messages: handed over before it is named, shown where a channel can, linked to where words can, and
//! never the reason why the words do not go.

use crate::house::{House, On, at, doing, on_both, person};
use carebell::care::ActivityKind::{CheckIn, Education};
use carebell::care::ChannelKind::{Email, Sms, Whatsapp};
use carebell::care::ids::PatientId;
use carebell::care::{Activity, ChannelKind};
use carebell::message::{Catalogue, Programmes};
use carebell::sandbox::{AnswerFault, CallbackFault, Channel, Fault, Rule, Template, TemplateUse};
use carebell::store::{media, story};
use carebell::zones::Zones;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

const PHONE: &str = "+351912345001";
const OTHER: &str = "+351912345002";
const FILM: &str = "carebell_education_video";
const WORDS: &str = "carebell_education";
const LINK: &str = "https://m.example.org/x7f3";
const PROGRAMME: &str = "title = \"General\"\n\
    [whatsapp_templates.education-video]\nname = \"carebell_education_video\"\n\
    languages = { en = \"en\", es = \"es\" }\nparameters = [\"sender\", \"time\"]\nttl_seconds = 3600\n\
    [media.m1]\nen = { file = \"film.mp4\", url = \"https://m.example.org/x7f3\" }\n\
    es = { url = \"https://m.example.org/x7f3\", type = \"video/mp4\" }\n";

/// The house's programme, with a film; its file is there for as long as the folder is kept.
fn with_material(house: &mut House) -> tempfile::TempDir {
    let overlay = tempfile::tempdir().unwrap();
    let general = overlay.path().join("programmes/general");
    std::fs::create_dir_all(general.join("media")).unwrap();
    let film = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/media/film.mp4");
    std::fs::copy(film, general.join("media/film.mp4")).unwrap();
    std::fs::write(general.join("programme.toml"), PROGRAMME).unwrap();
    let (zones, catalogue) = (Zones::built_in(), Catalogue::load(None).unwrap());
    let programmes = Programmes::load(Some(overlay.path()), &zones, &catalogue).unwrap();
    house.app.programmes = Arc::new(programmes);
    house.sandbox.change_template(FILM, |template| {
        *template = Template {
            languages: ["en".to_owned(), "es".to_owned()].into(),
            parameters: 2,
            ttl_seconds: Some(3_600),
            header: "VIDEO".to_owned(),
            ..Template::default()
        };
    });
    house.restart();
    overlay
}

fn lesson(times: &[&str]) -> Activity {
    Activity { material: Some("m1".to_owned()), ..doing(Education, "e", times) }
}

async fn taught(house: &House, phone: &str, language: &str, over: ChannelKind) -> PatientId {
    let mut patient = person(phone, "Europe/Lisbon", &[(over, phone)]);
    language.clone_into(&mut patient.language);
    let id = house.patient(patient).await;
    house.activity(id, lesson(&["10:00"])).await;
    id
}

/// Minute, template and its header, of all that was accepted.
fn shown(house: &House) -> Vec<(i64, String, Option<String>)> {
    let entries = house.sandbox.ledger().entries();
    let of = |e: &carebell::sandbox::Entry| {
        let TemplateUse { name, header, .. } = e.message.template.clone()?;
        Some((e.at.since(at(0, 0)) / 60_000, name, header))
    };
    entries.iter().filter_map(of).collect()
}

fn not_taken() -> Fault {
    let (code, retry_after) = (Some("131053".to_owned()), None);
    Fault::Answer(AnswerFault::Refuse { status: 400, code, retry_after })
}

async fn uploads(house: &House) -> Vec<media::UploadRow> {
    let mut tx = house.app.store.read().await.unwrap();
    media::all(&mut tx).await.unwrap()
}

on_both!(a_file_is_handed_over_once_and_shown_to_everybody, async |mut house: House| {
    let _files = with_material(&mut house);
    taught(&house, PHONE, "en", Whatsapp).await;
    taught(&house, OTHER, "en", Whatsapp).await;
    let linked = taught(&house, "+351912345003", "es", Whatsapp).await;
    let bare = taught(&house, "+351912345004", "fr", Whatsapp).await;
    house.play_until(at(11, 0)).await;
    let id = uploads(&house).await.pop().unwrap().provider_id;
    let mut sent = shown(&house);
    sent.sort();
    let film = |header: &str| (600, FILM.to_owned(), Some(header.to_owned()));
    let by_id = film(&format!("video {id}"));
    let by_link = film(&format!("video {LINK}"));
    assert_eq!(sent, [(600, WORDS.to_owned(), None), by_id.clone(), by_id.clone(), by_link]);
    for id in [linked, bare] {
        assert_eq!(house.story_of(id).await, [("sent", "accepted".to_owned())]);
    }
    // What is known outlives the daemon, until it is to be renewed.
    house.restart();
    house.play_until(at(35, 0)).await;
    assert_eq!(uploads(&house).await[0].provider_id, id);
    assert!(shown(&house).contains(&(24 * 60 + 600, FILM.to_owned(), by_id.2)));
    house.play_until(at(25 * 24 + 1, 0)).await;
    let renewed = uploads(&house).await;
    assert_eq!(renewed.len(), 1);
    assert_ne!(renewed[0].provider_id, id);
});

on_both!(where_no_file_can_go_words_hold_the_link, async |mut house: House| {
    let _files = with_material(&mut house);
    taught(&house, PHONE, "en", Sms).await;
    taught(&house, "p@example.org", "pt", Email).await;
    taught(&house, "q@example.org", "es", Email).await;
    // A check-in shows nothing.
    let id = house.patient(person("o", "Europe/Lisbon", &[(Sms, OTHER)])).await;
    house.activity(id, doing(CheckIn, "c", &["10:00"])).await;
    house.play_until(at(11, 0)).await;
    let sent = house.sandbox.ledger().entries();
    let said = |to: &str| {
        let entry = sent.iter().find(|e| e.message.to == to).unwrap();
        entry.message.body.clone().unwrap()
    };
    assert!(said(PHONE).ends_with(&format!("\n{LINK}")), "{}", said(PHONE));
    assert!(!said(OTHER).contains("http"), "{}", said(OTHER));
    assert!(
        said("q@example.org").contains(&format!("Para leer o ver: {LINK}")),
        "{}",
        said("q@example.org")
    );
    assert!(!said("p@example.org").contains(LINK), "no edition in the patient's language");
});

on_both!(a_file_that_the_provider_lost_is_handed_over_anew_and_shown, async |mut house: House| {
    let _files = with_material(&mut house);
    let id = taught(&house, PHONE, "en", Whatsapp).await;
    house.play_until(at(9, 59)).await;
    let first = uploads(&house).await.pop().unwrap().provider_id;
    house.sandbox.lose_uploads();
    house.play_until(at(11, 0)).await;
    let second = uploads(&house).await.pop().unwrap().provider_id;
    assert_ne!(first, second);
    assert_eq!(shown(&house), [(601, FILM.to_owned(), Some(format!("video {second}")))]);
    assert_eq!(house.story_of(id).await, [("sent", "accepted".to_owned())]);
    assert!(house.tasks().await.is_empty());
});

on_both!(p2_what_is_not_taken_with_its_file_goes_without_it, async |mut house: House| {
    let _files = with_material(&mut house);
    let id = taught(&house, PHONE, "en", Whatsapp).await;
    house.sandbox.faults().add(Rule::once(not_taken()).to(PHONE));
    house.sandbox.faults().add(Rule::once(not_taken()).to(PHONE));
    house.play_until(at(11, 0)).await;
    assert_eq!(shown(&house), [(601, WORDS.to_owned(), None)]);
    assert_eq!(house.story_of(id).await, [("sent", "accepted".to_owned())]);
    assert_eq!(house.tasks().await, [("channel".to_owned(), 1)].into());
    let mut tx = house.app.store.read().await.unwrap();
    let messages = carebell::store::messages::at_minutes(&mut tx, &[id], at(0, 0)).await.unwrap();
    let turns = story::of(&mut tx, &[messages[0].id.0]).await.unwrap();
    drop(tx);
    assert!(turns.iter().any(|turn| turn.reason.contains("without-material")), "{turns:?}");
    // It is left out for everybody, and tried anew a day later; taken then, its task is done.
    taught(&house, OTHER, "en", Whatsapp).await;
    let twelve = lesson(&["12:00"]);
    house.activity(id, Activity { key: "f".to_owned(), ..twelve }).await;
    house.play_until(at(13, 0)).await;
    assert_eq!(shown(&house)[1..], [(720, WORDS.to_owned(), None)]);
    house.play_until(at(37, 0)).await;
    let day = 24 * 60;
    let later: Vec<_> = shown(&house).into_iter().filter(|(minute, ..)| *minute > day).collect();
    assert!(
        later.iter().any(|(minute, name, _)| *minute == day + 720 && name == FILM),
        "{later:?}"
    );
    assert!(house.tasks().await.is_empty());
});

on_both!(what_a_later_receipt_says_of_a_file_is_heeded_as_well, async |mut house: House| {
    let _files = with_material(&mut house);
    let id = taught(&house, PHONE, "en", Whatsapp).await;
    let off = Fault::Callbacks(CallbackFault::Off);
    house.sandbox.faults().add(Rule::always(off).to(PHONE));
    house.play_until(at(10, 5)).await;
    for round in 0..2 {
        let sent = house.sandbox.ledger().entries().pop().unwrap();
        let status = json!({
            "id": sent.message.provider_id, "status": "failed", "timestamp": "1795428600",
            "recipient_id": PHONE.trim_start_matches('+'),
            "biz_opaque_callback_data": sent.message.correlation,
            "errors": [{ "code": 131_053, "title": "Media upload error" }],
        });
        let value = json!({
            "messaging_product": "whatsapp", "statuses": [status],
            "metadata": { "display_phone_number": "15550100000", "phone_number_id": "106540352242922" },
        });
        house.sandbox.post_news("messages", &value).await;
        house.play_until(at(10, 10 + round * 5)).await;
    }
    let sent = shown(&house);
    let names: Vec<_> =
        sent.iter().map(|(_, name, header)| (name.as_str(), header.is_some())).collect();
    assert_eq!(names, [(FILM, true), (FILM, true), (WORDS, false)]);
    assert_ne!(sent[0].2, sent[1].2, "it was handed over anew");
    assert_eq!(house.story_of(id).await, [("sent", "accepted".to_owned())]);
});

on_both!(a_link_that_is_not_fetched_is_left_out_after_one_more_try, async |mut house: House| {
    let _files = with_material(&mut house);
    let id = taught(&house, PHONE, "es", Whatsapp).await;
    house.sandbox.faults().add(Rule::once(not_taken()).on(Channel::Whatsapp));
    house.play_until(at(11, 0)).await;
    assert_eq!(shown(&house), [(601, FILM.to_owned(), Some(format!("video {LINK}")))]);
    // The second refusal within a day: nobody gets it any more.
    house.sandbox.faults().add(Rule::once(not_taken()).on(Channel::Whatsapp));
    house.activity(id, Activity { key: "f".to_owned(), ..lesson(&["12:00"]) }).await;
    house.play_until(at(13, 0)).await;
    assert_eq!(shown(&house)[1..], [(720, WORDS.to_owned(), None)]);
});

on_both!(a_held_template_with_a_header_leaves_the_one_without, async |mut house: House| {
    let _files = with_material(&mut house);
    taught(&house, PHONE, "en", Whatsapp).await;
    house.sandbox.change_template(FILM, |t| "IMAGE".clone_into(&mut t.header));
    house.daemon.jobs().run_once(carebell::jobs::Job::TemplatesSync).await.unwrap();
    house.play_until(at(11, 0)).await;
    assert_eq!(shown(&house), [(600, WORDS.to_owned(), None)]);
});
