//! The commands that look at an installation or change it, as a user meets them: the built binary on a state
//! folder of the test's own.

mod cost;
mod doctor;
mod home;
mod inbound;
mod jobs;
mod live;
mod messages;
mod replay;
mod stories;
mod timing;
mod trial;

use crate::process::flat;
use home::{Home, PHONE, TITLE};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// Looking must not make files that another user then owns.
#[test]
fn looking_at_an_installation_that_was_never_started_makes_nothing() {
    let home = Home::new();
    let nobody = "pat_00000000000000000000000000000000";
    for arguments in [
        &["status"][..],
        &["patients", "list"],
        &["patients", "show", nobody],
        &["jobs", "list"],
        &["review", "list"],
        &["db", "status"],
        &["preview", "--patient", nobody],
        &["explain", "rem_00000000000000000000000000000000"],
        &["cost"],
        &["messages", "preview", "--patient", nobody],
        &["channels", "list"],
        &["inbound", "list"],
        &["inbound", "reprocess"],
        &["channels", "pause", "twilio"],
        &["stop-sending"],
        &["stop-sending", "--resume"],
        &["reconcile"],
        &["reconcile", "--settle", "--yes"],
    ] {
        let said = home.run(arguments);
        assert_eq!(said.code, 3, "{arguments:?}: {}", said.talk);
        assert!(flat(&said.talk).contains("there is no database"), "{arguments:?}: {}", said.talk);
        let mut words = said.talk.lines().filter(|line| line.contains(' '));
        assert!(words.all(|line| line.chars().count() <= 80), "{}", said.talk);
    }
    let said = home.run(&["check"]);
    assert_eq!(said.code, 0, "{}", said.answer);
    assert!(said.answer.contains("will be made at the first start"), "{}", said.answer);
    assert!(!home.state().exists());
}

#[tokio::test]
async fn p10_patients_are_listed_without_names_unless_asked_for() {
    let home = Home::new();
    let (one, two) = (home.patient("one").await, home.patient("two").await);
    let said = home.run(&["patients", "list"]);
    assert_eq!(said.code, 0, "{}", said.talk);
    assert!(said.answer.contains(&one.to_string()) && said.answer.contains(&two.to_string()));
    assert!(said.answer.lines().all(|line| line.chars().count() <= 80), "{}", said.answer);
    let show = home.run(&["patients", "show", &one.to_string()]);
    assert_eq!(show.code, 0, "{}", show.talk);
    assert!(show.answer.contains("+1202***0101"), "{}", show.answer);
    assert!(show.answer.lines().all(|line| line.chars().count() <= 80), "{}", show.answer);
    for text in [&said.answer, &show.answer, &home.run(&["status"]).answer] {
        for secret in [PHONE, TITLE, "Wanjiru one"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let named = home.run(&["patients", "show", &one.to_string(), "--names", "--json"]).json();
    assert_eq!(named["name"], "Wanjiru one");
    assert_eq!(named["contacts"][0]["address"], PHONE);
    assert_eq!(named["activities"][0]["title"], TITLE);
    assert_eq!(named["consents"]["sms"], "given");
    assert!(named["activities"][0]["next_due"]["local"].as_str().unwrap().contains('T'));
}

#[tokio::test]
async fn patients_are_listed_by_page_programme_and_status() {
    let home = Home::new();
    for name in ["one", "two", "three"] {
        home.patient(name).await;
    }
    let first = home.run(&["patients", "list", "--limit", "2", "--json"]);
    let page = first.json();
    assert_eq!(page.as_array().unwrap().len(), 2);
    let last = page[1]["id"].as_str().unwrap();
    assert!(first.talk.contains(last), "{}", first.talk);
    let rest = home.run(&["patients", "list", "--after", last, "--json"]);
    assert_eq!((rest.json().as_array().unwrap().len(), rest.talk.as_str()), (1, ""));
    let none = |arguments: &[&str]| home.run(arguments).json().as_array().unwrap().is_empty();
    assert!(none(&["patients", "list", "--status", "left", "--json"]));
    assert!(none(&["patients", "list", "--programme", "cedar", "--json"]));
    assert!(!none(&["patients", "list", "--programme", "general", "--status", "active", "--json"]));
    assert_eq!(home.run(&["patients", "list", "--status", "asleep"]).code, 2);
    assert_eq!(home.run(&["patients", "show", "msg_1"]).code, 2);
    assert_eq!(home.run(&["patients", "show", "pat_00000000000000000000000000000000"]).code, 3);
}

#[tokio::test]
async fn status_counts_and_never_mends() {
    let home = Home::new();
    let patient = home.patient("one").await;
    home.wake(&[patient]).await;
    let status = home.run(&["status", "--json"]).json();
    assert_eq!(status["mode"], "sandbox");
    assert_eq!(status["engine"], "sqlite");
    assert_eq!(status["patients"]["active"], 1);
    assert_eq!(status["activities"]["active"], 1);
    let queued = status["reminders"]["queued"].as_i64().unwrap();
    assert!(queued > 0);
    assert_eq!(status["reasons"]["queued"]["due"], queued);
    assert_eq!(status["schema"]["applied"], status["schema"]["known"]);
    assert!(status["next_wake"]["utc"].is_string());
    let text = home.run(&["status"]).answer;
    assert!(text.contains("none is running"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[tokio::test]
async fn sending_is_stopped_once_and_resumed_once_by_somebody() {
    let home = Home::new();
    home.patient("one").await;
    let stop = ["stop-sending", "--because", "wrong text", "--by", "A. Ngozi", "--json"];
    let said = home.run(&stop).json();
    assert_eq!((&said["stopped"], &said["changed"]), (&true.into(), &true.into()), "{said}");
    let again = home.run(&["stop-sending", "--because", "another", "--json"]).json();
    assert_eq!((&again["changed"], &again["because"]), (&false.into(), &"wrong text".into()));
    let status = home.run(&["status", "--json"]).json();
    assert_eq!(status["holds"][0]["scope"], "sending");
    assert_eq!(status["holds"][0]["actor"], "A. Ngozi");
    let resumed = home.run(&["stop-sending", "--resume", "--json"]).json();
    assert_eq!((&resumed["stopped"], &resumed["changed"]), (&false.into(), &true.into()));
    let resumed = home.run(&["stop-sending", "--resume", "--json"]).json();
    assert_eq!(resumed["changed"], false);
    assert_eq!(home.run(&["stop-sending", "--resume", "--because", "x"]).code, 2);
    let acts = home.audited("sending.%").await;
    assert_eq!(acts, ["A. Ngozi sending.stop", "operator sending.resume"]);
}

#[tokio::test]
async fn h25_a_restored_database_is_named_everywhere_and_settled_once_by_somebody() {
    use carebell::care::UtcMs;
    use carebell::care::hold::{Hold, Scope};
    use carebell::care::time::{DAY_MS, HOUR_MS};
    use carebell::store::{holds, homes};
    let home = Home::new();
    // 08:00 in Nairobi today, or tomorrow: still valid whatever the hour is here.
    let (patient, _) = home
        .patient_with("one", |_, activity| activity.class = carebell::care::Class::Notice)
        .await;
    home.wake(&[patient]).await;
    assert_eq!(home.run(&["reconcile"]).code, 0);
    assert_eq!(home.run(&["check"]).code, 0);
    let now = carebell::clock::Clock::now(&carebell::clock::SystemClock);
    let (app, _) = home.open(now).await;
    let id = uuid::Uuid::from_u128(7);
    let row = homes::RegressionRow {
        home_id: id,
        knew: "a b".to_owned(),
        kind: "forgot".to_owned(),
        host: "ward".to_owned(),
        file_sends: 500,
        database_sends: 0,
        from_ms: Some(now.0 - HOUR_MS),
        until_ms: now.0 + 2 * DAY_MS,
        found_at_ms: now.0,
    };
    let hold = Hold {
        scope: Scope::Restored,
        until: None,
        actor: "carebell on ward".to_owned(),
        because: "it has forgotten 500 sends".to_owned(),
        at: now,
    };
    let mut tx = app.store.write().await.unwrap();
    homes::found(&mut tx, &row).await.unwrap();
    holds::set(&mut tx, &hold).await.unwrap();
    let waiting = homes::waiting(&mut tx, UtcMs(row.until_ms), now).await.unwrap().len();
    tx.commit().await.unwrap();
    app.store.close().await;
    let check = home.run(&["check"]);
    assert!(check.code == 1 && check.answer.contains("went back in time"), "{check:?}");
    assert!(home.run(&["status"]).answer.contains("forgotten 500 sends"));
    let said = home.run(&["reconcile", "--json"]);
    assert_eq!(said.code, 1, "{}", said.talk);
    let told = said.json();
    assert_eq!(told["homes"][0]["file_sends"], 500);
    assert_eq!(told["may_have_gone"].as_array().unwrap().len(), waiting);
    let text = home.run(&["reconcile"]).answer;
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(words.join(" ").contains("500 sends in its file, 0 in the database"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(home.run(&["reconcile", "--yes"]).code, 2);
    assert_eq!(home.run(&["reconcile", "--settle"]).code, 2, "nobody was there to be asked");
    assert_eq!(home.run(&["check"]).code, 1);
    let done = home.run(&["reconcile", "--settle", "--yes", "--by", "A. Ngozi", "--json"]);
    assert!(done.code == 0 && done.json()["settled"] == true, "{done:?}");
    assert_eq!(home.run(&["reconcile", "--settle", "--yes"]).code, 0);
    assert_eq!(home.run(&["check"]).code, 0);
    assert_eq!(home.audited("restored.%").await, ["A. Ngozi restored.settle"]);
    let (app, _) = home.open(now).await;
    let mut tx = app.store.read().await.unwrap();
    let (sends, _) = homes::counter(&mut tx, id).await.unwrap().unwrap();
    assert_eq!(sends, 500, "the counter takes what the home remembers");
}

#[tokio::test]
async fn channels_are_listed_paused_and_resumed() {
    let home = Home::new();
    let patient = home.patient("one").await;
    home.wake(&[patient]).await;
    let set: Vec<(String, &str)> =
        home::SMS.iter().map(|(key, value)| (format!("CAREBELL_{key}"), *value)).collect();
    let set: Vec<(&str, &str)> = set.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    let run = |arguments: &[&str]| home.run_with(&set, arguments);
    let listed = || run(&["channels", "list", "--json"]).json()[0].clone();
    let fresh = listed();
    assert_eq!((&fresh["name"], &fresh["kind"]), (&"twilio".into(), &"sms".into()), "{fresh}");
    assert_eq!((&fresh["sender"], &fresh["breaker"]), (&"+15005550006".into(), &"closed".into()));
    assert_eq!(fresh["paused"], false);
    assert!(fresh["queued"]["1-twilio"].as_i64().unwrap() > 0, "{fresh}");
    let pause = ["channels", "pause", "twilio", "--for", "2h", "--because", "under review"];
    let said = run(&pause);
    assert!(said.code == 0 && said.answer.contains("it ends at"), "{said:?}");
    let paused = listed();
    assert_eq!((&paused["paused"], &paused["because"]), (&true.into(), &"under review".into()));
    assert!(paused["paused_until"]["utc"].is_string());
    assert_eq!(run(&["channels", "pause", "twilio"]).code, 0);
    assert!(listed()["paused_until"].is_null(), "until it is resumed");
    let text = run(&["channels", "list"]).answer;
    assert!(text.contains("until it is resumed, by operator"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(run(&["channels", "resume", "twilio"]).answer.contains("goes on"));
    assert_eq!(listed()["paused"], false);
    assert!(run(&["channels", "resume", "twilio"]).answer.contains("was not paused"));
    let unknown = run(&["channels", "pause", "pigeon"]);
    assert!(unknown.code == 3 && unknown.talk.contains("twilio"), "{unknown:?}");
    assert_eq!(run(&["channels", "pause", "twilio", "--for", "soon"]).code, 2);
    let acts = home.audited("channel.%").await;
    let expected = ["channel.pause", "channel.pause", "channel.resume"];
    assert_eq!(acts, expected.map(|act| format!("operator {act}")));
}

#[tokio::test]
async fn jobs_run_by_name_and_leave_their_history() {
    let home = Home::new();
    home.patient("one").await;
    let before = home.run(&["jobs", "list", "--json"]).json();
    assert_eq!(before[1]["name"], "watch-tick");
    assert!(before[1]["last_success"].is_null() && before[1]["next"]["utc"].is_string());
    assert_eq!(home.run(&["jobs", "run", "watch-tick"]).code, 0);
    let after = home.run(&["jobs", "list", "--json"]).json();
    assert!(after[1]["last_success"]["utc"].is_string());
    assert_eq!(after[1]["runs"], 1);
    assert_eq!(home.run(&["jobs", "run", "watch-tock"]).code, 3);
}

#[test]
fn check_looks_at_programmes_jobs_keys_and_database() {
    let home = Home::new();
    assert_eq!(home.run(&["db", "migrate"]).code, 0);
    assert_eq!(home.run(&["check"]).code, 0);
    let dir = home.folder().join("schedules");
    std::fs::create_dir_all(dir.join("programmes/oak")).unwrap();
    std::fs::write(dir.join("programmes/oak/programme.toml"), "title = \"Oak\"\nzone = \"Mars\"\n")
        .unwrap();
    std::fs::write(dir.join("jobs.toml"), "[[jobs]]\nname = \"x\"\n").unwrap();
    let key = home.state().join("master.key");
    let right = std::fs::read_to_string(&key).unwrap();
    let said = home.run_with(&[("CAREBELL_SCHEDULES__DIR", dir.to_str().unwrap())], &["check"]);
    assert_eq!(said.code, 1);
    for wrong in ["give an IANA name", "missing field `cron`"] {
        assert!(said.answer.contains(wrong), "{}", said.answer);
    }
    // A stamp first: a database that nothing was sealed in yet opens with any key.
    assert_eq!(home.run(&["status"]).code, 0);
    std::fs::write(&key, right.replace(|c: char| c.is_ascii_digit(), "a")).unwrap();
    let said = home.run(&["check"]);
    assert_eq!(said.code, 1);
    assert!(said.answer.contains("another master key"), "{}", said.answer);
    std::fs::remove_file(&key).unwrap();
    let said = home.run(&["check"]);
    assert!(said.answer.contains("is missing") && !key.exists(), "{}", said.answer);
}

#[test]
fn check_holds_material_against_the_channels() {
    let home = Home::new();
    let fragment = home.run(&["sandbox", "config", "--http", "127.0.0.1:9001"]).answer;
    let oak = home.folder().join("schedules/programmes/oak");
    std::fs::create_dir_all(oak.join("media")).unwrap();
    let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/media");
    let programme = |sample: &str| {
        std::fs::copy(samples.join(sample), oak.join("media/f.mp4")).unwrap();
        let text = "title = \"Oak\"\n[media.m1]\nen = { file = \"f.mp4\" }\n";
        std::fs::write(oak.join("programme.toml"), text).unwrap();
    };
    let file = home.folder().join("carebell.toml");
    std::fs::write(&file, fragment).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let schedules = home.folder().join("schedules");
    let run = |arguments: &[&str]| {
        home.run_with(&[("CAREBELL_SCHEDULES__DIR", schedules.to_str().unwrap())], arguments)
    };
    programme("film.mp4");
    let said = run(&["check"]);
    assert_eq!(said.code, 0, "{}", said.answer);
    let told = flat(&said.answer);
    assert!(told.contains("words alone go out for m1 of oak: ar, es, fr, hi, pt, sw"), "{told}");
    programme("high.mp4");
    let said = run(&["check"]);
    let told = flat(&said.answer);
    assert_eq!(said.code, 1, "{told}");
    assert!(
        told.contains("key media.m1.en, over whatsapp") && told.contains("profile 100"),
        "{told}"
    );
    // Everything else goes on, without the file.
    assert_eq!(home.run(&["db", "migrate"]).code, 0);
    assert_eq!(run(&["status"]).code, 0);
}

#[test]
fn the_sandbox_says_where_it_listens_and_ends_at_a_signal() {
    let home = Home::new();
    let mut child = home
        .command(&["sandbox", "--http", "127.0.0.1:0", "--smtp", "127.0.0.1:0", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let places: serde_json::Value = serde_json::from_str(&line).unwrap();
    let mut http = TcpStream::connect(places["http"].as_str().unwrap()).unwrap();
    write!(http, "GET /_sandbox/state HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    http.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"accepted\":0"), "{answer}");
    let mut greeting = String::new();
    let smtp = TcpStream::connect(places["smtp"].as_str().unwrap()).unwrap();
    BufReader::new(smtp).read_line(&mut greeting).unwrap();
    assert!(greeting.starts_with("220"), "{greeting}");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!home.state().exists());
}

#[test]
fn the_sandboxs_fragment_is_a_whole_configuration() {
    let home = Home::new();
    let fragment = home.run(&["sandbox", "config", "--http", "127.0.0.1:9001"]).answer;
    assert!(fragment.contains("http://127.0.0.1:9001/v25.0"), "{fragment}");
    let file = home.folder().join("carebell.toml");
    std::fs::write(&file, fragment).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let said = home.run(&["check"]);
    assert_eq!(said.code, 0, "{}", said.answer);
    let refused = home.run(&["sandbox", "--http", "192.0.2.1:80"]);
    assert_eq!(refused.code, 1);
    assert!(refused.talk.contains("loopback"), "{}", refused.talk);
}
