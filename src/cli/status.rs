//! `carebell status`: how the installation stands, in numbers. Reads only; names nobody.

use super::app::App;
use super::installation::{When, alive, opened};
use super::watched;
use super::{Context, Failure, Form};
use crate::care::hold::Hold;
use crate::care::{Reason, UtcMs};
use crate::config::Engine;
use crate::jobs::copies;
use crate::store::alarms::{self, AlarmKind};
use crate::store::meta::{self, InstanceRow, fact};
use crate::store::{
    MigrationStatus, Result as Stored, Tx, activities, attempts, holds, inbound, intake, messages,
    patients, receipts, reminders, replies, tasks,
};
use crate::watch::{self, Disk, Sighting};
use serde::Serialize;
use std::collections::BTreeMap;

/// Examples:
///   carebell status
///   carebell status --watch
///   carebell status --json | jq .reminders
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Show what was expected of the last 24 hours and what became of it, by programme and zone
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    form: Form,
}

type Counts = BTreeMap<String, i64>;

/// The answer; its keys are the words of `design.md`.
#[derive(Debug, Serialize)]
struct Status {
    mode: String,
    configured_mode: &'static str,
    hold: Option<String>,
    holds: Vec<Hold>,
    /// Hosts whose clocks their daemons do not believe.
    clocks: Vec<String>,
    live_since: Option<When>,
    engine: &'static str,
    /// The disk under the state folder.
    disk: Option<Disk>,
    /// When the newest copy was made; absent where this installation makes none.
    newest_backup: Option<When>,
    schema: MigrationStatus,
    instances: Vec<InstanceRow>,
    patients: Counts,
    activities: Counts,
    in_review: usize,
    reminders: Counts,
    reasons: BTreeMap<String, Counts>,
    messages: Counts,
    attempts: BTreeMap<String, Counts>,
    receipts: Counts,
    replies: Counts,
    callbacks_waiting: i64,
    tasks: Counts,
    intake: Counts,
    next_wake: Option<When>,
    next_message: Option<When>,
    next_settle: Option<When>,
    watch: Sighting,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    opened(context, async |app| {
        if args.watch {
            let lines = watched::last_day(app).await?;
            if args.form.json {
                return context.output.json(&lines);
            }
            let rows: Vec<_> = lines.iter().map(watched::Line::row).collect();
            return context.output.table(&watched::HEAD, &rows);
        }
        let status = status(app).await?;
        if args.form.json {
            return context.output.json(&status);
        }
        context.output.table(&["what", "how it stands"], &rows(&status))
    })
}

async fn status(app: &App) -> Stored<Status> {
    let schema = app.store.migration_status().await?;
    let mut tx = app.store.read().await?;
    let tx = &mut tx;
    let when = |at: UtcMs| When::new(at, None);
    let live_since = meta::get(tx, fact::LIVE_SINCE_MS).await?.and_then(|ms| ms.parse().ok());
    let lanes = alarms::lanes(tx).await?;
    Ok(Status {
        mode: meta::get(tx, fact::MODE).await?.unwrap_or_default(),
        configured_mode: app.config.mode.word(),
        hold: app.hold.clone(),
        holds: in_force(tx, app.clock.now()).await?,
        clocks: watch::troubles(tx).await?.iter().map(ToString::to_string).collect(),
        live_since: live_since.map(UtcMs).map(when),
        engine: app.store.engine().word(),
        disk: Disk::of(&app.config.state_dir),
        newest_backup: newest_backup(app).map(when),
        schema,
        instances: alive(tx).await?,
        patients: counted(patients::count(tx).await?),
        activities: counted(activities::count(tx).await?),
        in_review: activities::in_review(tx).await?.len(),
        reminders: counted(reminders::count(tx).await?),
        reasons: reasons(tx).await?,
        messages: counted(messages::count(tx).await?),
        attempts: by_first(attempts::count(tx).await?),
        receipts: counted(receipts::count(tx).await?),
        replies: counted(replies::count(tx).await?),
        callbacks_waiting: inbound::count_new(tx).await?,
        tasks: counted(tasks::count(tx).await?),
        intake: counted(intake::count(tx).await?),
        next_wake: alarms::next(tx, AlarmKind::Patient).await?.map(when),
        next_message: lanes.iter().map(|lane| UtcMs(lane.wake_at_ms)).min().map(when),
        next_settle: alarms::next(tx, AlarmKind::Settle).await?.map(when),
        watch: watch::look(tx, app.clock.now()).await?,
    })
}

/// A folder that cannot be read is `doctor`'s to tell of.
fn newest_backup(app: &App) -> Option<UtcMs> {
    let folder = app.config.backup.folder()?;
    let sqlite = app.config.database.engine() == Engine::Sqlite;
    let newest = copies(folder).ok()?.pop()?;
    sqlite.then_some(newest.at)
}

async fn in_force(tx: &mut Tx, now: UtcMs) -> Stored<Vec<Hold>> {
    Ok(holds::all(tx).await?.into_iter().filter(|hold| hold.holds_at(now)).collect())
}

fn counted(rows: Vec<(String, i64)>) -> Counts {
    rows.into_iter().collect()
}

/// Sums by the first word, then by the second.
fn by_first(rows: Vec<(String, String, i64)>) -> BTreeMap<String, Counts> {
    let mut sums: BTreeMap<String, Counts> = BTreeMap::new();
    for (first, second, count) in rows {
        *sums.entry(first).or_default().entry(second).or_default() += count;
    }
    sums
}

/// How many reminders are in each state, by the reason's word: its facts differ from row to row.
async fn reasons(tx: &mut Tx) -> Stored<BTreeMap<String, Counts>> {
    let word = |reason: &str| serde_json::from_str::<Reason>(reason).map(|r| r.word());
    let rows = reminders::count_reasons(tx).await?.into_iter();
    Ok(by_first(
        rows.map(|(state, reason, count)| (state, word(&reason).unwrap_or(reason), count))
            .collect(),
    ))
}

fn rows(status: &Status) -> Vec<Vec<String>> {
    let mut rows = Rows(Vec::new());
    rows.say("mode", &status.mode);
    if let Some(hold) = &status.hold {
        rows.say("hold", hold);
    }
    for hold in &status.holds {
        rows.say("held back", hold);
    }
    for clock in &status.clocks {
        rows.say("clock", clock);
    }
    if let Some(since) = &status.live_since {
        rows.say("live since", since);
    }
    let MigrationStatus { applied, known } = status.schema;
    rows.say("database", &format!("{}, schema {applied} of {known}", status.engine));
    if let Some(disk) = &status.disk {
        rows.say("disk", disk);
    }
    if let Some(newest) = &status.newest_backup {
        rows.say("newest backup", newest);
    }
    if status.instances.is_empty() {
        rows.say("daemons", &"none is running");
    }
    for one in &status.instances {
        let since = When::new(UtcMs(one.started_at_ms), None);
        let InstanceRow { host, pid, version, .. } = one;
        rows.say("daemon", &format!("{version} on {host}, process {pid}, since {since}"));
    }
    rows.count("patients", &status.patients);
    rows.count("activities", &status.activities);
    rows.number("in review", i64::try_from(status.in_review).unwrap_or(i64::MAX));
    rows.count("reminders", &status.reminders);
    for (state, reasons) in &status.reasons {
        rows.count(&format!("  {state}"), reasons);
    }
    rows.count("messages", &status.messages);
    for (channel, states) in &status.attempts {
        rows.count(&format!("attempts, {channel}"), states);
    }
    rows.count("receipts", &status.receipts);
    rows.number("  parked", status.watch.parked_receipts);
    rows.count("replies", &status.replies);
    rows.number("callbacks waiting", status.callbacks_waiting);
    rows.count("open tasks", &status.tasks);
    rows.count("intake", &status.intake);
    for (what, next) in [
        ("next patient", &status.next_wake),
        ("next message", &status.next_message),
        ("next to settle", &status.next_settle),
    ] {
        if let Some(next) = next {
            rows.say(what, next);
        }
    }
    rows.number("overdue reminders", status.watch.overdue_reminders);
    rows.number("behind, in seconds", status.watch.behind_ms / 1_000);
    rows.0
}

struct Rows(Vec<Vec<String>>);

impl Rows {
    fn say(&mut self, what: &str, how: &impl std::fmt::Display) {
        self.0.push(vec![what.to_owned(), how.to_string()]);
    }

    fn count(&mut self, what: &str, counts: &Counts) {
        let each: Vec<String> = counts.iter().map(|(word, n)| format!("{n} {word}")).collect();
        self.say(what, &if each.is_empty() { "none".to_owned() } else { each.join(", ") });
    }

    /// Zero is not worth a line.
    fn number(&mut self, what: &str, number: i64) {
        if number != 0 {
            self.say(what, &number);
        }
    }
}
