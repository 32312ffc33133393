//! `carebell review`: activities that a person must confirm before anything is sent.

use super::app::App;
use super::installation::{When, must_know_the_time, not_found, opened, rules, standing_of};
use super::patients::Names;
use super::{Context, Exit, Failure, Form, wrapped};
use crate::care::Note;
use crate::care::ids::{ActivityId, PatientId, distinct};
use crate::care::time::DAY_MS;
use crate::store::activities::{self, ActivityRow, ReviewDecision};
use crate::store::patients;
use crate::store::standing;
use crate::store::story::{Act, audit};
use crate::timing::{ActivityContext, activity_confidence, expand_activity};
use clap::Subcommand;
use serde::Serialize;
use std::fmt::Write as _;

/// How far ahead occurrences are shown, in milliseconds, and how many.
const SHOWN_AHEAD_MS: i64 = 60 * DAY_MS;
const SHOWN: usize = 12;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List what waits for a person
    #[command(after_help = "Example: carebell review list")]
    List(List),
    /// Show why an activity waits, and when it would remind
    #[command(
        after_help = "Example: carebell review show act_019b2f0c5d7e7a61b1d2c3e4f5061728 --names"
    )]
    Show(Show),
    /// Confirm the revision that was shown: its reminders are sent from now on
    #[command(
        after_help = "Example: carebell review confirm act_019b2f0c5d7e7a61b1d2c3e4f5061728 \
                            --revision 2 --by \"A. Ngozi\""
    )]
    Confirm(Decide),
    /// Reject the revision that was shown: it has no reminders
    #[command(after_help = "Example: carebell review reject act_019b2f0c5d7e7a61b1d2c3e4f5061728 \
                            --revision 2 --by \"A. Ngozi\"")]
    Reject(Decide),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The activity
    id: ActivityId,
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, clap::Args)]
pub(super) struct Decide {
    /// The activity
    id: ActivityId,
    /// The revision that `review show` showed
    #[arg(long, value_name = "N")]
    revision: i64,
    /// Who decides; it is recorded
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    by: String,
}

pub(super) fn run(action: &Action, context: &Context) -> Result<(), Failure> {
    match action {
        Action::List(args) => opened(context, async |app| list(args, app, context).await),
        Action::Show(args) => opened(context, async |app| show(args, app, context).await),
        Action::Confirm(args) => {
            opened(context, async |app| decide(args, ReviewDecision::Confirm, app, context).await)
        }
        Action::Reject(args) => {
            opened(context, async |app| decide(args, ReviewDecision::Reject, app, context).await)
        }
    }
}

#[derive(Debug, Serialize)]
struct Waiting {
    activity: ActivityId,
    patient: PatientId,
    programme: String,
    kind: &'static str,
    revision: i64,
}

async fn list(args: &List, app: &App, context: &Context) -> Result<(), Failure> {
    let mut tx = app.store.read().await?;
    let in_review = activities::in_review(&mut tx).await?;
    let ids = distinct(in_review.iter().map(|(patient, _)| *patient));
    let standings = standing::load(&mut tx, app.store.keys(), &ids).await?;
    let waiting: Vec<Waiting> = in_review
        .iter()
        .filter_map(|(patient, id)| {
            let standing = standings.get(patient)?;
            let row = standing.activities.iter().find(|activity| activity.id == *id)?;
            Some(Waiting {
                activity: *id,
                patient: *patient,
                programme: standing.row.programme.clone(),
                kind: row.activity.kind.word(),
                revision: row.revision,
            })
        })
        .collect();
    if args.form.json {
        return context.output.json(&waiting);
    }
    if waiting.is_empty() {
        return context.output.print("Nothing waits for a person.");
    }
    let rows: Vec<_> = waiting
        .iter()
        .map(|one| {
            let Waiting { activity, programme, kind, revision, .. } = one;
            let what = format!("{kind}, {programme}");
            vec![activity.to_string(), what, revision.to_string()]
        })
        .collect();
    context.output.table(&["activity", "what", "revision"], &rows)
}

#[derive(Debug, Serialize)]
struct Shown {
    activity: ActivityId,
    patient: PatientId,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instruction: Option<String>,
    kind: &'static str,
    class: &'static str,
    status: &'static str,
    confidence: &'static str,
    revision: i64,
    verdict: &'static str,
    notes: Vec<Note>,
    occurrences: Vec<When>,
}

async fn show(args: &Show, app: &App, context: &Context) -> Result<(), Failure> {
    let mut tx = app.store.read().await?;
    let owner = owner(&mut tx, args.id).await?;
    let standing = standing_of(app, &mut tx, owner).await?;
    let row = in_standing(&standing, args.id)?;
    let (programme, zone) = rules(app, &standing)?;
    let routine = standing.row.patient.routine.or(&programme.routine);
    let timing = ActivityContext { zone: &zone, routine: &routine, programme };
    let (confidence, notes) = activity_confidence(&row.activity, timing);
    let now = app.clock.now();
    let occurrences =
        expand_activity(&row.activity, timing, now, now.plus_ms(SHOWN_AHEAD_MS)).occurrences;
    let clear = |text: &crate::care::Phi<String>| args.names.names.then(|| text.expose().clone());
    let shown = Shown {
        activity: row.id,
        patient: owner,
        title: clear(&row.activity.title),
        instruction: row.activity.instruction.as_ref().and_then(clear),
        kind: row.activity.kind.word(),
        class: row.activity.class.word(),
        status: row.activity.status.word(),
        confidence: confidence.word(),
        revision: row.revision,
        verdict: verdict(row),
        notes,
        occurrences: occurrences
            .iter()
            .take(SHOWN)
            .map(|occurrence| When::new(occurrence.at, Some(&zone)))
            .collect(),
    };
    if args.form.json { context.output.json(&shown) } else { print(&shown, context) }
}

fn verdict(row: &ActivityRow) -> &'static str {
    if row.rejected_revision == Some(row.revision) {
        "rejected"
    } else if row.needs_review() {
        "waits for a person"
    } else if row.confirmed_revision == Some(row.revision) {
        "confirmed"
    } else {
        "needs no review"
    }
}

fn print(shown: &Shown, context: &Context) -> Result<(), Failure> {
    let Shown { activity, patient, kind, class, status, verdict, revision, .. } = shown;
    let mut text = format!("{activity} of {patient}\n");
    for line in shown.title.iter().chain(&shown.instruction) {
        text += &wrapped(line, 2);
    }
    let _ = writeln!(text, "  {kind}, {class}, {status}; revision {revision} {verdict}");
    text += if shown.notes.is_empty() { "No rule asks for a look.\n" } else { "Why:\n" };
    for note in &shown.notes {
        text += &wrapped(&format!("{}: {}", note.rule, note.text), 2);
    }
    text += if shown.occurrences.is_empty() {
        "It would not remind within 60 days.\n"
    } else {
        "It would remind at (patient's clock, UTC):\n"
    };
    for occurrence in &shown.occurrences {
        let _ = writeln!(text, "  {occurrence}");
    }
    let _ = writeln!(
        text,
        "Decide with:\n  carebell review confirm {activity} \\\n    --revision {revision} --by NAME"
    );
    context
        .output
        .print(&text.lines().map(|line| super::printable(line) + "\n").collect::<String>())
}

async fn owner(tx: &mut crate::store::Tx, id: ActivityId) -> Result<PatientId, Failure> {
    let found = activities::owner(tx, id).await?;
    found.ok_or_else(|| not_found("activity", &id, "carebell review list shows what waits"))
}

fn in_standing(standing: &standing::Standing, id: ActivityId) -> Result<&ActivityRow, Failure> {
    let found = standing.activities.iter().find(|activity| activity.id == id);
    found.ok_or_else(|| not_found("activity", &id, "carebell review list shows what waits"))
}

/// One transaction: the patient locked, the revision decided, the act recorded, the patient woken.
async fn decide(
    args: &Decide,
    decision: ReviewDecision,
    app: &App,
    context: &Context,
) -> Result<(), Failure> {
    let (action, done) = match decision {
        ReviewDecision::Confirm => ("review.confirm", "confirmed"),
        ReviewDecision::Reject => ("review.reject", "rejected"),
    };
    must_know_the_time(app).await?;
    let Decide { id, revision, by } = args;
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    let owner = owner(&mut tx, *id).await?;
    patients::lock(&mut tx, &[owner]).await?;
    let standing = standing_of(app, &mut tx, owner).await?;
    let row = in_standing(&standing, *id)?;
    if row.confidence != crate::care::Confidence::Review {
        let message = format!("{id} needs no review");
        return Err(Failure::new(Exit::Failed, message, "carebell review list shows what does"));
    }
    if !activities::decide_review(&mut tx, *id, *revision, decision, now).await? {
        let message = format!("{id} is at revision {} by now, not {revision}", row.revision);
        let fix = format!("look at it again: carebell review show {id}");
        return Err(Failure::new(Exit::Failed, message, fix));
    }
    patients::disturb(&mut tx, &[owner], now).await?;
    let detail = serde_json::json!({ "revision": revision }).to_string();
    let subject = id.to_string();
    let act = Act { actor: by, action, subject: &subject, detail: &detail };
    audit(&mut tx, &mut app.rng.fork(), &act, now).await?;
    tx.commit().await?;
    context.output.print(&format!("{id}, revision {revision}: {done}"))
}
