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
