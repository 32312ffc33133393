//! `jobs`: what there is, when it rings, how it went.

use super::home::Home;
use serde_json::Value;

#[tokio::test]
async fn jobs_are_listed_with_their_next_ring_and_last_result() {
    let home = Home::new();
    home.patient("one").await;
    let folder = home.folder().join("copies");
    let variables = [("CAREBELL_BACKUP__FOLDER", folder.to_str().unwrap())];
    let ran = home.run_with(&variables, &["jobs", "run", "backup"]);
    assert_eq!(ran.code, 0, "{}", ran.talk);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    let listed = home.run(&["jobs", "list", "--json"]).json();
    let job = |name: &str| -> Value {
        let all = listed.as_array().unwrap();
        all.iter().find(|job| job["name"] == name).unwrap().clone()
    };
    for name in ["database-optimize", "watch-tick", "reconcile-sweep", "retention"] {
        assert!(job(name)["next"].is_object() || job(name)["next"].is_string(), "{}", job(name));
        assert!(job(name)["last_success"].is_null());
    }
    let backup = job("backup");
    assert_eq!((&backup["runs"], &backup["failures"]), (&1.into(), &0.into()));
    assert!(backup["outcome"].as_str().unwrap().contains("copies/carebell-"), "{backup}");
    let text = home.run(&["jobs", "list"]).answer;
    assert!(text.contains("reconcile-sweep"), "{text}");
}

#[tokio::test]
async fn status_shows_the_disk_the_newest_copy_and_the_watchs_day() {
    use carebell::clock::{Clock as _, SystemClock};
    use carebell::store::watch::{self, Hour};
    let home = Home::new();
    home.patient("one").await;
    let folder = home.folder().join("copies");
    let variables = [("CAREBELL_BACKUP__FOLDER", folder.to_str().unwrap())];
    let before = home.run_with(&variables, &["status", "--json"]).json();
    assert!(before["disk"]["free_bytes"].as_u64().unwrap() > 0, "{before}");
    assert!(before["newest_backup"].is_null());
    assert_eq!(home.run_with(&variables, &["jobs", "run", "backup"]).code, 0);
    let after = home.run_with(&variables, &["status", "--json"]).json();
    assert!(!after["newest_backup"].is_null(), "{after}");

    let now = SystemClock.now();
    let (app, _) = home.open(now).await;
    let hour = |hours_ago: i64, expected, missing| Hour {
        hour_ms: now.0 - hours_ago * 3_600_000,
        programme: "general".to_owned(),
        zone: "Europe/Lisbon".to_owned(),
        expected,
        missing,
        ..Hour::default()
    };
    let mut tx = app.store.write().await.unwrap();
    watch::add_hours(&mut tx, &[hour(1, 40, 2), hour(5, 2, 1), hour(30, 900, 900)]).await.unwrap();
    tx.commit().await.unwrap();
    app.store.close().await;
    let day = home.run(&["status", "--watch", "--json"]).json();
    assert_eq!((&day[0]["expected"], &day[0]["missing"]), (&42.into(), &3.into()), "{day}");
    let text = home.run(&["status", "--watch"]).answer;
    assert!(text.contains("Europe/Lisbon") && text.contains("42"), "{text}");
}
