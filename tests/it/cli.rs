//! The command line as a user meets it: the built binary, its two streams and its exit codes.

use crate::process::flat;
use std::io::Read;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn carebell(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carebell"));
    command
        .args(arguments)
        .env_clear()
        .env("STATE_DIRECTORY", folder.path().join("state"))
        .current_dir(folder.path())
        .stdin(Stdio::null());
    command
}

fn run(folder: &TempDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = carebell(folder, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn the_exit_code_says_how_it_went() {
    let folder = TempDir::new().unwrap();
    for (arguments, code) in [
        (&["--version"][..], 0),
        (&["config", "default"], 0),
        (&["check"], 0),
        (&["completions", "bash"], 0),
        (&["man"], 0),
        (&[], 2),
        (&["nonsense"], 2),
        (&["check", "--config", "absent.toml"], 78),
        (&["config", "show", "--config", "absent.toml"], 78),
    ] {
        assert_eq!(run(&folder, arguments).0, Some(code), "{arguments:?}");
    }
}

#[test]
fn the_printed_default_file_is_a_valid_configuration() {
    let folder = TempDir::new().unwrap();
    let (_, text, _) = run(&folder, &["config", "default"]);
    std::fs::write(folder.path().join("carebell.toml"), text).unwrap();
    let (code, shown, _) = run(&folder, &["config", "show", "--json"]);
    assert_eq!(code, Some(0));
    let values: Vec<serde_json::Value> = serde_json::from_str(&shown).unwrap();
    let listen = values.iter().find(|value| value["key"] == "http.listen").unwrap();
    assert_eq!(
        (&listen["value"], &listen["origin"]),
        (&"127.0.0.1:8480".into(), &"carebell.toml".into())
    );
}

#[test]
fn check_says_where_what_and_how_to_put_it_right() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("carebell.toml"), "[http]\nlistn = 1\n").unwrap();
    let (code, answer, talk) = run(&folder, &["check"]);
    assert_eq!((code, talk.as_str()), (Some(78), ""));
    let expected = "failed  configuration\n        carebell.toml: http.listn: is no key\n          \
                    fix: did you mean http.listen?\n";
    assert_eq!(answer, expected);
    // The same fault met by another command is talk, not an answer.
    let (code, answer, talk) = run(&folder, &["config", "show"]);
    assert_eq!((code, answer.as_str()), (Some(78), ""));
    assert!(flat(&talk).contains("fix: did you mean http.listen?"), "{talk}");
}

#[test]
fn p10_check_finds_secrets_and_state_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let (file, state) = (folder.path().join("carebell.toml"), folder.path().join("state"));
    let twilio = "[http]\npublic_url = \"http://127.0.0.1:8480\"\n[channels.twilio]\naccount_sid = \"AC0123456789abcdef0123456789abcdef\"\n\
                  auth_tokens = [\"S3CRET\"]\nfrom = \"+14155550100\"\n";
    std::fs::write(&file, twilio).unwrap();
    std::fs::create_dir(&state).unwrap();
    let mode =
        |path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    mode(&file, 0o640);
    mode(&state, 0o700);
    assert_eq!(run(&folder, &["check"]).0, Some(0));
    mode(&file, 0o644);
    mode(&state, 0o755);
    let (code, answer, _) = run(&folder, &["check", "--json"]);
    assert_eq!(code, Some(1));
    assert!(answer.contains("holds channels.twilio.auth_tokens"), "{answer}");
    assert!(answer.contains("is open to others (mode 755)"), "{answer}");
    assert!(!answer.contains("S3CRET"), "{answer}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let folder = TempDir::new().unwrap();
    // A closed pipe from the start: the write fails whatever its size.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = carebell(&folder, &["config", "default"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut talk = String::new();
    child.stderr.take().unwrap().read_to_string(&mut talk).unwrap();
    assert_eq!((child.wait().unwrap().code(), talk.as_str()), (Some(0), ""));
}

#[test]
#[cfg(target_os = "linux")]
fn an_answer_that_finds_no_room_is_told_of() {
    let folder = TempDir::new().unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ended = carebell(&folder, &["config", "default"]).stdout(full).output().unwrap();
    let talk = crate::process::flat(&String::from_utf8(ended.stderr).unwrap());
    assert!(talk.starts_with("carebell: failed to write the answer: No space left"), "{talk}");
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn colour_comes_only_when_asked_for() {
    let folder = TempDir::new().unwrap();
    assert!(!run(&folder, &["check"]).1.contains('\u{1b}'));
    assert!(run(&folder, &["check", "--color", "always"]).1.contains('\u{1b}'));
}
