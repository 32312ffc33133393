//! F26: what no longer runs says so itself. A mail job of one peer was dead for weeks before anybody noticed.

use crate::house::{House, On, at, on_both};
use carebell::cli::daemon::Daemon;
use carebell::http::Readiness as _;
use carebell::jobs::{Job, load};
use std::path::Path;
use tokio_util::task::TaskTracker;

async fn detail(daemon: &Daemon, name: &str) -> Option<String> {
    let components = daemon.components().await;
    let one = components.into_iter().find(|one| one.name == name).unwrap();
    assert_eq!(one.fault, None, "a detail turns no webhook away");
    one.detail
}

on_both!(f26_a_job_that_no_longer_runs_is_told_by_readiness, async |house: House| {
    let declared = load(Path::new("/nowhere")).unwrap();
    let daemon = Daemon::new(house.app.clone(), declared, &TaskTracker::new());
    house.clock.set(at(0, 2));
    assert_eq!(detail(&daemon, "jobs").await, None);
    house.clock.set(at(0, 10));
    let told = detail(&daemon, "jobs").await.unwrap();
    assert!(told.contains("watch-tick"), "{told}");
    daemon.jobs().run_once(Job::WatchTick).await.unwrap();
    assert_eq!(detail(&daemon, "jobs").await, None);
    house.clock.set(at(0, 20));
    assert!(detail(&daemon, "jobs").await.is_some());
});

on_both!(f25_missing_reminders_are_a_detail_of_readiness, async |house: House| {
    use crate::house::{medicine, person};
    let phone = "+351912345001";
    let id = house
        .patient(person(phone, "Europe/Lisbon", &[(carebell::care::ChannelKind::Sms, phone)]))
        .await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(at(8, 20)).await;
    house.app.watch().tick().await.unwrap();
    assert_eq!(detail(&house.daemon, "watch").await, None);
    house.clock.set(at(33, 0));
    house.app.watch().tick().await.unwrap();
    let told = detail(&house.daemon, "watch").await.unwrap();
    assert_eq!(told, "reminders are missing: general in Europe/Lisbon");
});

#[test]
fn the_machine_has_a_name() {
    let name = carebell::cli::app::host_name();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(name, kernel.trim(), "also where /proc does not show it");
}
