//! `carebell explain`: the whole story of a reminder in order of time, or why there is none.

mod absence;
mod story;

use super::app::App;
use super::installation::{not_found, opened, rules, standing_of};
use super::{Context, Failure, Form};
use crate::care::UtcMs;
use crate::care::ids::{AttemptId, MessageId, PatientId, ReminderId};
use crate::care::slot::Planned;
use crate::store::{Tx, attempts, messages, reminders};
use std::str::FromStr;
use story::Story;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carebell explain rem_019b2f0c5d7e7a61b1d2c3e4f5061728\n  carebell explain \
                        --patient pat_019b2f0c5d7e7a61b1d2c3e4f5061728 --at 2026-11-22T08:00\nA time without Z \
                        is the patient's own."
)]
pub(super) struct Args {
    /// A reminder, message or attempt: rem_..., msg_..., att_...
    #[arg(required_unless_present = "patient", conflicts_with_all = ["patient", "at"])]
    id: Option<Subject>,
    /// The patient who was, or was not, reminded
    #[arg(long, value_name = "ID", requires = "at")]
    patient: Option<PatientId>,
    /// When: 2026-11-22T08:00 on the patient's clock, or 2026-11-22T06:00Z
    #[arg(long, value_name = "TIME", requires = "patient", value_parser = time)]
    at: Option<Planned>,
    #[command(flatten)]
    form: Form,
}

/// What a story is asked for by.
#[derive(Clone, Copy, Debug)]
enum Subject {
    Reminder(ReminderId),
    Message(MessageId),
    Attempt(AttemptId),
}

impl FromStr for Subject {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let reminder = text.parse().map(Self::Reminder).ok();
        let message = || text.parse().map(Self::Message).ok();
        let attempt = || text.parse().map(Self::Attempt).ok();
        reminder.or_else(message).or_else(attempt).ok_or("give a rem_..., msg_... or att_... id")
    }
}

fn time(text: &str) -> Result<Planned, &'static str> {
    let (bare, zone) = text.strip_suffix('Z').map_or((text, ""), |bare| (bare, "Z"));
    let seconds = if bare.matches(':').count() == 1 { ":00" } else { "" };
    Planned::parse(&format!("{bare}{seconds}{zone}"))
        .ok_or("write it as 2026-11-22T08:00, or with a Z for UTC")
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    opened(context, async |app| {
        let mut tx = app.store.read().await?;
        match (args.id, args.patient.zip(args.at)) {
            (Some(subject), _) => {
                let story = of_subject(subject, app, &mut tx).await?;
                if args.form.json {
                    return context.output.json(&story);
                }
                context.output.print(&story.text())
            }
            (None, Some((patient, at))) => {
                of_moment(patient, at, args, app, context, &mut tx).await
            }
            // clap demands one of the two.
            (None, None) => Ok(()),
        }
    })
}

async fn of_subject(subject: Subject, app: &App, tx: &mut Tx) -> Result<Story, Failure> {
    let fix = "carebell explain --patient ID --at TIME finds it by its time";
    let message = match subject {
        Subject::Reminder(id) => {
            let reminder = reminders::by_id(tx, id).await?;
            let reminder = reminder.ok_or_else(|| not_found("reminder", &id, fix))?;
            match reminder.message {
                Some(message) => message,
                None => return story::of_reminder(app, tx, reminder).await,
            }
        }
        Subject::Message(id) => id,
        Subject::Attempt(id) => {
            let attempt = attempts::read(tx, &[id]).await?.pop();
            attempt.ok_or_else(|| not_found("attempt", &id, fix))?.message
        }
    };
    let row = messages::by_id(tx, message).await?;
    let row = row.ok_or_else(|| not_found("message", &message, fix))?;
    story::of_message(app, tx, row).await
}

async fn of_moment(
    patient: PatientId,
    at: Planned,
    args: &Args,
    app: &App,
    context: &Context,
    tx: &mut Tx,
) -> Result<(), Failure> {
    let standing = standing_of(app, tx, patient).await?;
    let (programme, zone) = rules(app, &standing)?;
    let instant: UtcMs = match at {
        Planned::Local(local) => zone.resolve(local).instant(),
        Planned::Elapsed(at) => at,
    };
    let answer = absence::around(app, tx, &standing, programme, &zone, instant).await?;
    if args.form.json {
        return context.output.json(&answer);
    }
    context.output.print(&answer.text())
}
