//! The demo as somebody meets it who has just cloned the repository: the built binary at high speed, judged by
//! the ledger of the providers' stand-in.

use crate::process::flat;
use jiff::civil::Date;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// Faster than any machine: the day is played without a pause.
const AT_ONCE: &str = "4000000000";

fn demo(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carebell"));
    command
        .arg("demo")
        .args(arguments)
        .env_clear()
        .env("TMPDIR", folder.path())
        // Nowhere near a `../shared`: the built-in people alone.
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
        .stdin(Stdio::null());
    command
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The ledger's entries for an address: instant and text (or template).
fn ledger_of(folder: &Path, address: &str) -> Vec<(i64, String)> {
    let ledger = std::fs::read_to_string(folder.join("sandbox-ledger.ndjson")).unwrap();
    lines(&ledger)
        .into_iter()
        .filter(|entry| entry["to"] == address)
        .map(|entry| {
            let said = entry["body"].as_str().or(entry["template"]["name"].as_str()).unwrap();
            (entry["at"].as_i64().unwrap(), said.to_owned())
        })
        .collect()
}

/// Where a clock shows eight in the morning, by rules that are not Carebell's.
fn eight_oclock(date: Date, zone: &str) -> i64 {
    date.at(8, 0, 0, 0).in_tz(zone).unwrap().timestamp().as_millisecond()
}

#[test]
fn p1_p5_p6_p7_a_day_is_played_right() {
    let folder = TempDir::new().unwrap();
    let kept = folder.path().join("kept");
    let arguments = ["--speed", AT_ONCE, "--json", "--keep", kept.to_str().unwrap()];
    let Output { status, stdout, stderr } = demo(&folder, &arguments).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
    let told = lines(&String::from_utf8(stdout).unwrap());
    let (summary, events) = told.split_last().unwrap();
    for fault in ["late", "duplicates", "after_stop", "unaccounted"] {
        assert_eq!(summary[fault], 0, "{fault}: {summary}");
    }
    assert_eq!(summary["patients"], 25);
    let ledger = std::fs::read_to_string(kept.join("sandbox-ledger.ndjson")).unwrap();
    assert_eq!(summary["messages"]["sent"], ledger.lines().count());
    assert!(ledger.lines().count() > 30, "{summary}");

    let from = summary["from"].as_str().unwrap();
    let today: Date = from.strip_suffix("T00:00:00Z").unwrap().parse().unwrap();
    for (address, zone) in [("+918123456702", "Asia/Kolkata"), ("+12025550101", "America/New_York")]
    {
        let eight = eight_oclock(today, zone);
        let at_eight = ledger_of(&kept, address).into_iter().filter(|(at, _)| *at == eight).count();
        assert_eq!(at_eight, 1, "{address} in {zone}");
    }

    let cairo = ledger_of(&kept, "+201001234504");
    let [(morning, _), (_, confirmation)] = &cairo[..] else { panic!("after STOP: {cairo:?}") };
    assert_eq!(*morning, eight_oclock(today, "Africa/Cairo"));
    assert!(confirmation.contains("ابدأ"), "{confirmation}");
    let event = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    for kind in ["sent", "receipt", "held", "reminder"] {
        assert!(event(kind) > 0, "{kind}");
    }
    assert_eq!(event("reply"), 3);
    assert!(event("press") > 0, "nobody presses a button");
    let reasons: Vec<&str> =
        events.iter().filter_map(|event| event["reason"]["reason"].as_str()).collect();
    for reason in ["opted-out", "reinstated", "on-hold", "no-consent", "consent-refused"] {
        assert!(reasons.contains(&reason), "{reason} in {reasons:?}");
    }

    // Whoever looks around afterwards sees it, whatever else is configured there.
    std::fs::write(folder.path().join("carebell.toml"), "state_dir = \"/nowhere\"\n").unwrap();
    let look = |arguments: &[&str]| -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carebell"));
        command.args(arguments).env_clear().env("CAREBELL_STATE_DIR", &kept);
        let output = command.current_dir(folder.path()).stdin(Stdio::null()).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let patients = look(&["patients", "list", "--json"]);
    assert!(patients.as_array().unwrap().len() >= 25, "{patients}");
    assert_eq!(look(&["status", "--json"])["mode"], "demo");
    let doctor = look(&["doctor", "--json"]);
    let of_clock = |one: &&Value| one["where"].as_str().unwrap().starts_with("clock of");
    assert_eq!(doctor["findings"].as_array().unwrap().iter().find(of_clock), None);
}

#[test]
fn p10_a_line_is_narrow_plain_and_names_nobody_and_nothing_is_left_behind() {
    let folder = TempDir::new().unwrap();
    let output = demo(&folder, &["--speed", AT_ONCE]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.lines().all(|line| line.chars().count() <= 82), "{told}");
    assert!(!told.contains('\u{1b}'), "{told}");
    assert!(told.contains("08:00 Kolkata       patient ") && told.contains("\u{2068}"), "{told}");
    for name in ["Whitfield", "Grace", "+1", "@", "Wanjiru", "Metformin"] {
        assert!(!told.contains(name), "{name}: {told}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn chance_decides_who_reads_and_never_what_is_sent_when() {
    let folder = TempDir::new().unwrap();
    let play = |seed| {
        let output = demo(&folder, &["--speed", AT_ONCE, "--json", "--seed", seed]).output();
        let told = String::from_utf8(output.unwrap().stdout).unwrap();
        // At one instant the order is of no account.
        let (reads, mut rest): (Vec<_>, Vec<_>) = told
            .lines()
            .filter(|line| !line.contains(r#""event":"summary""#))
            .map(str::to_owned)
            .partition(|line| {
                line.contains(r#""status":"read""#) || line.contains(r#""event":"press""#)
            });
        rest.sort();
        assert!(!reads.is_empty() && !rest.is_empty());
        (reads.into_iter().collect::<BTreeSet<_>>(), rest)
    };
    let (first, again, other) = (play("7"), play("7"), play("8"));
    assert_eq!(first, again);
    assert_eq!(first.1, other.1);
    assert_ne!(first.0, other.0);
}

#[test]
fn ctrl_c_ends_it_cleanly() {
    let folder = TempDir::new().unwrap();
    let mut child: Child = demo(&folder, &["--speed", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap());
    told.read_line(&mut String::new()).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(rest.contains("The day was cut short."), "{rest}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_holds_a_database_is_not_played_over() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("carebell.db"), "").unwrap();
    let output = demo(&folder, &["--keep", folder.path().to_str().unwrap()]).output().unwrap();
    let talk = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{talk}");
    assert!(flat(&talk).contains("holds a database already"), "{talk}");
}
