//! `carebell jobs`: the housekeeping, as declared and as it ran.

use super::app::App;
use super::installation::{When, not_found, opened};
use super::{Context, Exit, Failure, Form};
use crate::care::UtcMs;
use crate::care::ids::{InstanceId, new_uuid};
use crate::config::Problem;
use crate::home::Home;
use crate::jobs::{Job, Jobs, Run, load};
use crate::store::jobs::JobRow;
use clap::Subcommand;
use serde::Serialize;
use std::sync::Arc;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the jobs, when they ring and how they went
    #[command(after_help = "Example: carebell jobs list --json")]
    List(List),
    /// Run a job now, unless a run of it is under way anywhere
    #[command(after_help = "Example: carebell jobs run watch-tick")]
    Run {
        /// The job
        name: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    form: Form,
}

pub(super) fn run(action: &Action, context: &Context) -> Result<(), Failure> {
    match action {
        Action::List(args) => opened(context, async |app| list(args, app, context).await),
        Action::Run { name } => opened(context, async |app| run_one(name, app, context).await),
    }
}

/// What `jobs.toml` is wrong in.
pub(super) fn problems(dir: &std::path::Path) -> Vec<Problem> {
    let faults = load(dir).err().unwrap_or_default();
    faults.into_iter().map(|fault| Problem::new(fault.place, fault.what, fault.fix)).collect()
}

fn jobs(app: &App) -> Result<Jobs, Failure> {
    let dir = &app.config.schedules.dir;
    let declared = load(dir).map_err(|_| Failure::Configuration(problems(dir)))?;
    let instance = InstanceId::new(app.clock.now(), &mut app.rng.fork());
    // Jobs send nothing: there is nothing for a home to remember.
    let home = Home::without_file(new_uuid(app.clock.now(), &mut app.rng.fork()));
    let deps = app.deliverer_deps(instance, Arc::new(home));
    Ok(app.jobs(deps, app.clock_watch(), declared))
}

#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    cron: String,
    enabled: bool,
    next: Option<When>,
    last_start: Option<When>,
    last_success: Option<When>,
    runs: i64,
    failures: i64,
    outcome: String,
}

async fn list(args: &List, app: &App, context: &Context) -> Result<(), Failure> {
    let jobs = jobs(app)?;
    let history = jobs.history().await?;
    let now = app.clock.now();
    let when = |at: Option<i64>| at.map(|at| When::new(UtcMs(at), None));
    let lines: Vec<Line> = jobs
        .declared()
        .iter()
        .map(|declared| {
            let ran = |row: &&JobRow| row.name == declared.job.name();
            let row = history.iter().find(ran);
            let next = declared.enabled.then(|| declared.next_after(now)).flatten();
            Line {
                name: declared.job.name(),
                cron: declared.cron.clone(),
                enabled: declared.enabled,
                next: next.map(|at| When::new(at, None)),
                last_start: when(row.and_then(|row| row.started_at_ms)),
                last_success: when(row.and_then(|row| row.succeeded_at_ms)),
                runs: row.map_or(0, |row| row.runs),
                failures: row.map_or(0, |row| row.failures),
                outcome: row.map_or_else(String::new, |row| row.outcome.clone()),
            }
        })
        .collect();
    if args.form.json {
        return context.output.json(&lines);
    }
    let said = |when: &Option<When>, else_: &str| {
        when.as_ref().map_or_else(|| else_.to_owned(), When::utc_minute)
    };
    let rows: Vec<_> = lines
        .iter()
        .map(|line| {
            let next = if line.enabled { said(&line.next, "never") } else { "disabled".to_owned() };
            let last = said(&line.last_success, "never");
            vec![line.name.to_owned(), line.cron.clone(), next, last, line.outcome.clone()]
        })
        .collect();
    context.output.table(&["job", "cron (UTC)", "next", "last success", "outcome"], &rows)
}

/// Runs a job now, and says nothing of what it brought.
pub(super) async fn run_quietly(job: Job, app: &App) -> Result<(), Failure> {
    outcome(job.name(), jobs(app)?.run_once(job).await?).map(drop)
}

async fn run_one(name: &str, app: &App, context: &Context) -> Result<(), Failure> {
    let fix = "carebell jobs list shows those there are";
    let job = Job::named(name).ok_or_else(|| not_found("job", &name, fix))?;
    context.output.print(&outcome(name, jobs(app)?.run_once(job).await?)?)
}

/// What a run says, or why there was none.
fn outcome(name: &str, run: Run) -> Result<String, Failure> {
    match run {
        Run::Done(said) => Ok(said),
        Run::Failed(why) => {
            Err(Failure::new(Exit::Failed, format!("{name} failed: {why}"), "see the log"))
        }
        Run::Held(why) => {
            Err(Failure::new(Exit::Failed, format!("{name} was not run: {why}"), why.fix()))
        }
        Run::Stopped => {
            Err(Failure::new(Exit::Failed, format!("{name} was stopped"), "run it again"))
        }
        Run::UnderWay => Err(Failure::new(
            Exit::Failed,
            format!("a run of {name} is under way"),
            "wait for its end, or for its lease if it crashed",
        )),
    }
}
