//! `jobs.toml`: which jobs there are, when they ring, what happens to missed runs.

use super::Job;
use crate::care::UtcMs;
use crate::care::time::SECOND_MS;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use serde::Deserialize;
use std::path::Path;

const BUILT_IN: &str = include_str!("../../schedules/jobs.toml");

/// A job as declared.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Which.
    pub job: Job,
    /// Six-field cron expression in UTC.
    pub cron: String,
    /// What happens to a missed run.
    pub catch_up: CatchUp,
    /// A run that takes longer is stopped, in seconds.
    pub timeout_seconds: u32,
    /// Whether it rings.
    pub enabled: bool,
    pattern: Cron,
}

/// What happens to a run that was missed while the daemon was down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// It is gone.
    None,
    /// It runs once, however many were missed.
    Once,
}

/// Something is wrong in `jobs.toml`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct JobsProblem {
    /// File and job.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    jobs: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    cron: String,
    catch_up: CatchUp,
    timeout_seconds: u32,
    enabled: bool,
}

/// Reads `jobs.toml` of the configured folder, else the one in the binary.
///
/// # Errors
/// Every problem, with its place and fix.
pub fn load(dir: &Path) -> Result<Vec<Declared>, Vec<JobsProblem>> {
    let file = dir.join("jobs.toml");
    match std::fs::read_to_string(&file) {
        Ok(text) => parse(&text, &file.display().to_string()),
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {
            parse(BUILT_IN, "built-in jobs.toml")
        }
        Err(fault) => Err(vec![JobsProblem {
            place: file.display().to_string(),
            what: format!("cannot be read: {fault}"),
            fix: "let the daemon's user read it".to_owned(),
        }]),
    }
}

fn parse(text: &str, place: &str) -> Result<Vec<Declared>, Vec<JobsProblem>> {
    let file: File = toml::from_str(text).map_err(|fault| {
        vec![JobsProblem {
            place: place.to_owned(),
            what: fault.message().to_owned(),
            fix: "the copy in the binary shows every key".to_owned(),
        }]
    })?;
    let mut declared = Vec::new();
    let mut problems = Vec::new();
    for entry in file.jobs {
        let place = format!("{place}, job {}", entry.name);
        let Some(job) = Job::named(&entry.name) else {
            let names = Job::ALL.map(Job::name).join(", ");
            let what = "no job of this name is built in".to_owned();
            problems.push(JobsProblem { place, what, fix: format!("use one of {names}") });
            continue;
        };
        // The scheduler's own dialect: six fields, seconds first.
        match CronParser::builder().seconds(Seconds::Required).build().parse(&entry.cron) {
            Ok(pattern) => declared.push(Declared {
                job,
                cron: entry.cron,
                catch_up: entry.catch_up,
                timeout_seconds: entry.timeout_seconds,
                enabled: entry.enabled,
                pattern,
            }),
            Err(fault) => problems.push(JobsProblem {
                place,
                what: format!("cron is not an expression: {fault}"),
                fix: "write second minute hour day month weekday, in UTC".to_owned(),
            }),
        }
    }
    if problems.is_empty() { Ok(declared) } else { Err(problems) }
}

impl Declared {
    /// Whether it should have rung after `since` and up to `now`.
    pub fn due_since(&self, since: UtcMs, now: UtcMs) -> bool {
        self.next_after(since).is_some_and(|at| at <= now)
    }

    /// Whether it has rung twice after `success` without another one, the second time longer ago than a run may take.
    pub fn is_overdue(&self, success: UtcMs, now: UtcMs) -> bool {
        let second = self.next_after(success).and_then(|first| self.next_after(first));
        let run_ms = i64::from(self.timeout_seconds) * SECOND_MS;
        second.is_some_and(|at| now.since(at) > run_ms)
    }

    /// When it rings next after `at`.
    pub fn next_after(&self, at: UtcMs) -> Option<UtcMs> {
        // The pattern's grain is a second; croner carries the milliseconds of where it looks from along.
        let whole = UtcMs(at.0.div_euclid(SECOND_MS) * SECOND_MS);
        self.pattern.find_next_occurrence(&whole.to_utc(), false).ok().map(UtcMs::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_file_declares_every_job_and_faults_name_their_place() {
        let declared = parse(BUILT_IN, "built-in").unwrap();
        assert_eq!(declared.iter().map(|d| d.job).collect::<Vec<_>>(), Job::ALL);
        let bad = BUILT_IN.replace("watch-tick", "watch-tock").replace("0 30 9 * * *", "at noon");
        let problems = parse(&bad, "jobs.toml").unwrap_err();
        assert_eq!(problems.len(), 2);
        assert!(problems[0].place.contains("database-optimize"), "{problems:?}");
        assert!(problems[1].fix.contains("watch-tick"), "{problems:?}");
        assert!(parse("[[jobs]]\nname = 1", "jobs.toml").is_err());
    }

    #[test]
    fn f26_a_job_that_rang_twice_in_vain_is_overdue() {
        let declared = parse(BUILT_IN, "built-in").unwrap();
        let optimize = declared.iter().find(|d| d.job == Job::DatabaseOptimize).unwrap();
        let (nine_thirty, day) = (UtcMs(1_700_040_600_000), 24 * 3_600_000);
        let allowed = 2 * day + 600_000;
        assert!(!optimize.is_overdue(nine_thirty, nine_thirty.plus_ms(allowed)));
        assert!(optimize.is_overdue(nine_thirty, nine_thirty.plus_ms(allowed + 1)));
    }

    #[test]
    fn a_missed_run_is_known() {
        let declared = parse(BUILT_IN, "built-in").unwrap();
        let nine_thirty = UtcMs(1_700_040_600_000);
        let optimize = &declared[0];
        assert_eq!(optimize.next_after(nine_thirty.plus_ms(-1)), Some(nine_thirty));
        assert!(optimize.due_since(nine_thirty.plus_ms(-1), nine_thirty));
        assert!(!optimize.due_since(nine_thirty, nine_thirty.plus_ms(3_600_000)));
    }
}
