//! What will be, what was, and what a person decides: `preview`, `explain`, `review`.

use super::home::{Home, PHONE, TITLE, seeded_at, wake_until};
use carebell::care::ids::{ActivityId, PatientId};
use carebell::care::time::DAY_MS;
use carebell::care::{
    ActivityStatus, ChannelKind, Dosage, PatientStatus, ReminderState, Schedule, UtcMs,
};
use carebell::schedule::{Fate, foresee};
use carebell::store::{reminders, standing};

/// What the preview shows is what the scheduler then writes: same slots, same instants, same ends.
#[tokio::test]
async fn p2_the_preview_is_what_the_scheduler_does() {
    let home = Home::new();
    let (one, _) = home.patient_with("one", |_, _| {}).await;
    let (held, _) = home.patient_with("two", |_, a| a.status = ActivityStatus::OnHold).await;
    let (asked, _) = home.patient_with("three", |_, a| a.review.push("look".to_owned())).await;
    let (ward, _) = home.patient_with("four", |p, _| p.status = PatientStatus::Admitted).await;
    let ids = [one, held, asked, ward];
    let (app, clock) = home.open(seeded_at()).await;
    let until = seeded_at().plus_ms(5 * DAY_MS);
    let mut tx = app.store.read().await.unwrap();
    let known = standing::load(&mut tx, app.store.keys(), &ids).await.unwrap();
    drop(tx);
    let mut foreseen = Vec::new();
    for (id, standing) in &known {
        let programme = app.programmes.get("general").unwrap();
        let zone = carebell::care::ZoneRules::zone(&*app.zones, "Africa/Nairobi").unwrap();
        let window = (seeded_at(), until);
        let configured = [ChannelKind::Sms];
        let channels = app.foreseen_channels(&configured);
        for slot in foresee(window, standing, programme, &zone, channels) {
            let state = match slot.fate {
                Fate::Leaves => ReminderState::Queued,
                Fate::Ends { state, .. } => state,
                Fate::Waits { .. } => unreachable!("a dose keeps no quiet hours"),
            };
            foreseen.push((*id, slot.occurrence.at, slot.occurrence.slot, slot.valid_until, state));
        }
    }
    wake_until(&app, &clock, &ids, until).await;
    let mut tx = app.store.read().await.unwrap();
    let written = reminders::of_patients(&mut tx, &ids, UtcMs(0)).await.unwrap();
    let mut written: Vec<_> = written
        .into_iter()
        .filter(|r| r.due_at < until)
        .map(|r| (r.patient, r.due_at, r.slot, r.valid_until, r.state))
        .collect();
    written.sort();
    foreseen.sort();
    assert_eq!(foreseen.len(), 4 * 10);
    assert_eq!(foreseen, written);
}

#[tokio::test]
async fn preview_says_what_would_be_sent_and_what_not() {
    let home = Home::new();
    let (one, activity) = home.patient_with("one", |_, _| {}).await;
    let (silent, _) = home.patient_with("two", |p, _| p.consents.clear()).await;
    let (stopped, _) = home.patient_with("three", |_, a| a.status = ActivityStatus::Stopped).await;
    let preview = |id: PatientId, more: &[&str]| {
        home.with_sms(&[&["preview", "--patient", &id.to_string()], more].concat())
    };
    let json = preview(one, &["--days", "3", "--json"]).json();
    let slots = json["slots"].as_array().unwrap();
    assert_eq!(slots.len(), 6);
    for slot in slots {
        let local = slot["due"]["local"].as_str().unwrap();
        assert!(local.ends_with("T08:00:00") || local.ends_with("T20:00:00"), "{local}");
        let utc = slot["due"]["utc"].as_str().unwrap();
        assert!(utc.ends_with("T05:00:00Z") || utc.ends_with("T17:00:00Z"), "{utc}");
        assert_eq!((&slot["fate"], &slot["channel"]), (&"sent".into(), &"sms".into()));
        assert_eq!(slot["activity"], activity.to_string());
    }
    let text = preview(one, &[]).answer;
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(!text.contains(TITLE) && preview(one, &["--names"]).answer.contains("Metformin"));
    let json = preview(silent, &["--json"]).json();
    assert_eq!(json["slots"][0]["fate"], "blocked");
    assert_eq!(json["slots"][0]["reason"]["reason"], "no-consent");
    // The same patient without any configured channel.
    let bare = home.run(&["preview", "--patient", &one.to_string(), "--json"]).json();
    assert_eq!(bare["slots"][0]["reason"]["reason"], "no-channel");
    let json = preview(stopped, &["--json"]).json();
    assert!(json["slots"].as_array().unwrap().is_empty());
    assert_eq!(json["silent"][0]["reason"]["reason"], "plan-changed");
}

#[tokio::test]
async fn p2_explain_tells_the_story_of_a_reminder_by_any_of_its_ids() {
    let home = Home::new();
    let patient = home.patient("one").await;
    home.wake(&[patient]).await;
    let (app, _) = home.open(seeded_at()).await;
    let mut tx = app.store.read().await.unwrap();
    let row = reminders::of_patients(&mut tx, &[patient], UtcMs(0)).await.unwrap().remove(0);
    drop(tx);
    let (reminder, message) = (row.id.to_string(), row.message.unwrap().to_string());
    let story = home.run(&["explain", &reminder, "--json"]).json();
    assert_eq!(story["reminders"][0]["id"], reminder);
    assert_eq!(story["message"]["id"], message);
    let events = story["events"].as_array().unwrap();
    let times: Vec<&str> = events.iter().map(|e| e["at"]["utc"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times.len() >= 4, "{times:?}");
    assert_eq!(home.run(&["explain", &message, "--json"]).json(), story);
    let text = home.run(&["explain", &reminder]).answer;
    assert!(text.contains("queued: the slot came due"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(!text.contains(TITLE) && !text.contains(PHONE), "{text}");
    assert!(story["message"]["held_back"].is_null() && !text.contains("held back"));
    assert_eq!(home.run(&["stop-sending"]).code, 0);
    let held = home.run(&["explain", &reminder, "--json"]).json();
    assert_eq!(held["message"]["held_back"], "all sending is stopped");
    let text = home.run(&["explain", &reminder]).answer;
    assert!(text.contains("held back: all sending is stopped"), "{text}");
    for (id, code) in [("rem_", 3), ("msg_", 3), ("att_", 3), ("pat_", 2)] {
        assert_eq!(home.run(&["explain", &format!("{id}{:032}", 1)]).code, code, "{id}");
    }
    assert_eq!(home.run(&["explain"]).code, 2);
}

#[tokio::test]
async fn p2_explain_says_why_there_was_no_reminder() {
    let home = Home::new();
    let patient = home.patient("one").await;
    home.wake(&[patient]).await;
    let gone = home.patient_with("two", |p, _| p.status = PatientStatus::Left).await.0;
    let unwoken = home.patient("three").await;
    let day = |days: i64| seeded_at().plus_ms(days * DAY_MS).to_utc().format("%Y-%m-%d");
    let explain = |patient: PatientId, at: String| {
        let said = home.run(&["explain", "--patient", &patient.to_string(), "--at", &at, "--json"]);
        assert_eq!(said.code, 0, "{}", said.talk);
        said.json()
    };
    let cause = |patient: PatientId, at: String| {
        explain(patient, at)["without_reminder"][0]["cause"]["cause"].as_str().map(str::to_owned)
    };
    let there = explain(patient, format!("{}T20:00", day(0)));
    assert_eq!(there["reminders"].as_array().unwrap().len(), 1);
    assert!(there["without_reminder"].as_array().unwrap().is_empty());
    assert_eq!(explain(patient, format!("{}T17:00Z", day(0)))["reminders"], there["reminders"]);
    let none = explain(patient, format!("{}T12:00", day(1)));
    assert_eq!(none["without_reminder"][0]["cause"]["cause"], "no-slot-then");
    assert_eq!(none["without_reminder"][0]["slot_before"]["local"], format!("{}T08:00:00", day(1)));
    assert_eq!(none["without_reminder"][0]["slot_after"]["local"], format!("{}T20:00:00", day(1)));
    let said = |word: &str| Some(word.to_owned());
    assert_eq!(cause(patient, format!("{}T08:00", day(0))), said("before-reminders-from"));
    assert_eq!(cause(patient, format!("{}T08:00", day(9))), said("not-yet-due"));
    assert_eq!(cause(gone, format!("{}T20:00", day(0))), said("no-slots"));
    assert_eq!(cause(unwoken, format!("{}T20:00", day(0))), said("not-woken"));
    let text =
        home.run(&["explain", "--patient", &patient.to_string(), "--at", "2030-01-01T08:00"]);
    assert!(text.answer.contains("not yet due"), "{}", text.answer);
    assert!(text.answer.lines().all(|line| line.chars().count() <= 80), "{}", text.answer);
    assert_eq!(home.run(&["explain", "--patient", &patient.to_string()]).code, 2);
    let nobody = "pat_00000000000000000000000000000000";
    assert_eq!(home.run(&["explain", "--patient", nobody, "--at", "2030-01-01T08:00"]).code, 3);
}

#[tokio::test]
async fn a_review_is_decided_on_the_revision_that_was_shown() {
    let home = Home::new();
    let look = |_: &mut _, a: &mut carebell::care::Activity| a.review.push("no status".to_owned());
    let (_, first) = home.patient_with("one", look).await;
    let (_, second) = home.patient_with("two", look).await;
    let (_, clear) = home.patient_with("three", |_, _| {}).await;
    let waiting = || home.run(&["review", "list", "--json"]).json().as_array().unwrap().len();
    assert_eq!(waiting(), 2);
    let shown = home.run(&["review", "show", &first.to_string()]);
    assert_eq!(shown.code, 0, "{}", shown.talk);
    assert!(shown.answer.contains("import: no status"), "{}", shown.answer);
    assert!(!shown.answer.contains(TITLE), "{}", shown.answer);
    let json = home.run(&["review", "show", &first.to_string(), "--json", "--names"]).json();
    assert_eq!((&json["revision"], &json["title"]), (&1.into(), &TITLE.into()));
    assert_eq!(json["occurrences"].as_array().unwrap().len(), 12);

    let decide = |what: &str, id: ActivityId, revision: &str| {
        let id = id.to_string();
        home.run(&["review", what, &id, "--revision", revision, "--by", "A. Ngozi"]).code
    };
    assert_eq!(decide("confirm", first, "2"), 1);
    assert_eq!(decide("confirm", clear, "1"), 1);
    assert_eq!((waiting(), home.audit().await.len()), (2, 0));
    assert_eq!(decide("confirm", first, "1"), 0);
    assert_eq!(decide("reject", second, "1"), 0);
    assert_eq!(waiting(), 0);
    let acts: Vec<_> = home.audit().await.into_iter().map(|(_, action, _)| action).collect();
    assert_eq!(acts, ["review.confirm", "review.reject"]);
    assert_eq!(home.run(&["review", "show", &format!("act_{:032}", 1)]).code, 3);
}

#[tokio::test]
async fn p10_the_preview_tells_its_notes_and_gives_a_calendar_without_the_drug() {
    let home = Home::new();
    let (id, activity) = home
        .patient_with("one", |_, activity| {
            let timing =
                serde_json::json!({"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}});
            let dosage = Dosage::of(serde_json::from_value(timing).unwrap());
            activity.schedule = Schedule::Dosages(vec![dosage]);
        })
        .await;
    let patient = id.to_string();
    let shown = home.with_sms(&["preview", "--patient", &patient]).answer;
    assert_eq!(shown.matches("times-per-day: 2 a day: 08:00, 20:00").count(), 1, "{shown}");
    let answer = home.with_sms(&["preview", "--patient", &patient, "--json"]).json();
    assert_eq!(answer["activities"][0]["activity"], activity.to_string());
    assert_eq!(answer["activities"][0]["confidence"], "defaulted");
    assert_eq!(answer["activities"][0]["notes"][0]["rule"], "times-per-day");
    let calendar = home.with_sms(&["preview", "--patient", &patient, "--ics"]).answer;
    let events = calendar.matches("BEGIN:VEVENT").count();
    assert_eq!(events, answer["slots"].as_array().unwrap().len());
    assert!(events > 10 && !calendar.contains(TITLE), "{calendar}");
    let named = home.with_sms(&["preview", "--patient", &patient, "--ics", "--names"]).answer;
    assert_eq!(named.matches(&format!("SUMMARY:{TITLE}")).count(), events, "{named}");
}
