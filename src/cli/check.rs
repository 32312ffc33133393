//! `carebell check`: is this installation fit to run? A list of checks, each yielding problems with place and
//! fix. It reads only, sends nothing and needs no running daemon.

use super::{Context, Exit, Failure, Form, Tone, printable, wrapped};
use crate::config::{Effective, Loaded, Problem};
use serde::Serialize;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    form: Form,
}

/// One check of a valid configuration: its name, and what it finds wrong.
struct Check {
    name: &'static str,
    problems: fn(&Loaded) -> Vec<Problem>,
}

/// In the order in which a person would put things right.
const CHECKS: &[Check] = &[
    Check { name: "state folder", problems: state_folder },
    Check { name: "secrets", problems: secrets },
];

/// What a check found.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    problems: Vec<Problem>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let (findings, exit) =
        match crate::config::load(context.config.as_deref(), &context.environment) {
            Err(problems) => (
                vec![Finding { check: "configuration", problems: problems.0 }],
                Exit::BadConfiguration,
            ),
            Ok(loaded) => {
                let mut findings = vec![Finding { check: "configuration", problems: Vec::new() }];
                findings.extend(CHECKS.iter().map(|check| Finding {
                    check: check.name,
                    problems: (check.problems)(&loaded),
                }));
                (findings, Exit::Failed)
            }
        };
    if args.form.json {
        context.output.json(&findings)?;
    } else {
        context.output.print(&findings.iter().map(|one| text(one, context)).collect::<String>())?;
    }
    if findings.iter().all(|one| one.problems.is_empty()) {
        Ok(())
    } else {
        Err(Failure::Answered(exit))
    }
}

fn text(finding: &Finding, context: &Context) -> String {
    let (tone, word) =
        if finding.problems.is_empty() { (Tone::Good, "ok    ") } else { (Tone::Bad, "failed") };
    let mut text = format!("{}  {}\n", context.output.paint(tone, word), finding.check);
    for problem in &finding.problems {
        text += &wrapped(&printable(&format!("{}: {}", problem.place, problem.what)), 8);
        text += &wrapped(&printable(&format!("fix: {}", problem.fix)), 10);
    }
    text
}

/// The folder that holds the database and the master key is the daemon's alone.
fn state_folder(loaded: &Loaded) -> Vec<Problem> {
    let folder = &loaded.config.state_dir;
    let place = folder.display().to_string();
    match std::fs::metadata(folder) {
        // The first start makes it.
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(fault) => {
            let what = format!("cannot be looked at: {fault}");
            vec![Problem::new(place, what, "run this as the daemon's user")]
        }
        Ok(found) if !found.is_dir() => {
            vec![Problem::new(place, "is no folder", "move the file away, or set state_dir")]
        }
        Ok(found) => {
            let mode = found.permissions().mode() & 0o777;
            let open = (mode & 0o077 != 0).then(|| {
                Problem::new(
                    &place,
                    format!("is open to others (mode {mode:o})"),
                    format!("chmod 700 {place}"),
                )
            });
            open.into_iter().collect()
        }
    }
}

/// A file with secrets may be read by its owner and group only.
fn secrets(loaded: &Loaded) -> Vec<Problem> {
    let mut problems: Vec<Problem> = loaded
        .effective()
        .into_iter()
        .filter(Effective::is_secret)
        .filter_map(|one| {
            let mode = std::fs::metadata(Path::new(&one.origin)).ok()?.permissions().mode() & 0o777;
            (mode & 0o007 != 0).then(|| {
                Problem::new(
                    &one.origin,
                    format!("holds {} and may be read by anybody (mode {mode:o})", one.key),
                    format!("chmod 640 {}, or hand the secret over as a credential", one.origin),
                )
            })
        })
        .collect();
    problems.dedup_by(|a, b| a.place == b.place);
    problems
}
