//! `carebell preview`: what a patient will be sent, by the very expansion and decisions of the scheduler.

use super::app::App;
use super::calendar::{self, Event};
use super::installation::{When, opened, rules, standing_of};
use super::patients::Names;
use super::{Context, Failure, Form, printable, wrapped};
use crate::care::ids::{ActivityId, PatientId};
use crate::care::time::DAY_MS;
use crate::care::{ChannelKind, Confidence, Note, Programme, Reason, UtcMs, Zone};
use crate::schedule::{Fate, Foreseen, foresee, why_silent};
use crate::store::activities::ActivityRow;
use crate::store::standing::Standing;
use crate::timing::{ActivityContext, activity_confidence};
use serde::Serialize;

/// The fate of a slot that leaves at its instant.
const LEAVES: &str = "sent";
/// And of one that leaves later.
const WAITS: &str = "waits";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing is sent or written. Each slot is decided as if nothing changed until then.\n\
                        Examples:\n  carebell preview --patient pat_019b2f0c5d7e7a61b1d2c3e4f5061728\n  \
                        carebell preview --patient pat_019b2f0c5d7e7a61b1d2c3e4f5061728 --days 30 --json"
)]
pub(super) struct Args {
    /// The patient
    #[arg(long, value_name = "ID")]
    patient: PatientId,
    /// How many days from now
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=400))]
    days: u16,
    /// Print a calendar (iCalendar) that a phone can subscribe to; what is taken stays unsaid without --names
    #[arg(long, conflicts_with = "json")]
    ics: bool,
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Serialize)]
struct Preview {
    patient: PatientId,
    programme: String,
    status: &'static str,
    zone: String,
    language: String,
    hold: Option<String>,
    slots: Vec<Line>,
    activities: Vec<Sureness>,
    silent: Vec<Silent>,
    #[serde(skip)]
    sender: String,
    #[serde(skip)]
    now: UtcMs,
}

/// How sure an activity's expansion is, and why.
#[derive(Debug, Serialize)]
struct Sureness {
    activity: ActivityId,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    kind: &'static str,
    confidence: Confidence,
    notes: Vec<Note>,
}

/// A slot to come.
#[derive(Debug, Serialize)]
struct Line {
    due: When,
    #[serde(skip)]
    at: UtcMs,
    slot: String,
    dosage: u16,
    activity: ActivityId,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    kind: &'static str,
    class: &'static str,
    confidence: Confidence,
    channel: Option<ChannelKind>,
    valid_until: When,
    fate: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    why: String,
}

/// An activity without slots.
#[derive(Debug, Serialize)]
struct Silent {
    activity: ActivityId,
    kind: &'static str,
    reason: Reason,
    why: String,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    opened(context, async |app| {
        let mut tx = app.store.read().await?;
        let standing = standing_of(app, &mut tx, args.patient).await?;
        let preview = preview(args, app, &standing)?;
        if args.ics {
            context.output.print(&ics(&preview))
        } else if args.form.json {
            context.output.json(&preview)
        } else {
            print(&preview, context)
        }
    })
}

fn preview(args: &Args, app: &App, standing: &Standing) -> Result<Preview, Failure> {
    let (programme, zone) = rules(app, standing)?;
    let now = app.clock.now();
    let configured = app.channel_kinds();
    let channels = app.foreseen_channels(&configured);
    let window = (now, now.plus_ms(i64::from(args.days) * DAY_MS));
    let slots = foresee(window, standing, programme, &zone, channels);
    let line = |slot: &Foreseen| {
        let activity = standing.activities.iter().find(|a| a.id == slot.activity)?;
        Some(line(slot, activity, &zone, args.names))
    };
    let silent = standing.activities.iter().filter_map(|activity| {
        let reason = why_silent(&standing.row, activity)?;
        let (kind, why) = (activity.activity.kind.word(), reason.to_string());
        Some(Silent { activity: activity.id, kind, reason, why })
    });
    Ok(Preview {
        patient: standing.row.id,
        programme: programme.name.clone(),
        status: standing.row.status.word(),
        zone: zone.name().to_owned(),
        language: standing.row.patient.language.clone(),
        hold: app.hold.clone(),
        slots: slots.iter().filter_map(line).collect(),
        activities: sureness(standing, programme, &zone, args.names),
        silent: silent.collect(),
        sender: programme.sender_name.clone(),
        now,
    })
}

/// The notes of every activity that is not silent, in the order in which it is stored.
fn sureness(
    standing: &Standing,
    programme: &Programme,
    zone: &Zone,
    names: Names,
) -> Vec<Sureness> {
    let routine = standing.row.patient.routine.or(&programme.routine);
    let context = ActivityContext { zone, routine: &routine, programme };
    let speaks = |row: &&ActivityRow| why_silent(&standing.row, row).is_none();
    let one = |row: &ActivityRow| {
        let (confidence, notes) = activity_confidence(&row.activity, context);
        Sureness {
            activity: row.id,
            title: names.names.then(|| row.activity.title.expose().clone()),
            kind: row.activity.kind.word(),
            confidence,
            notes,
        }
    };
    standing.activities.iter().filter(speaks).map(one).collect()
}

/// What would leave, as a calendar.
fn ics(preview: &Preview) -> String {
    let leaves = |line: &&Line| matches!(line.fate, LEAVES | WAITS);
    let event = |line: &Line| Event {
        identity: format!("{} {} {} {}", preview.patient, line.activity, line.dosage, line.slot),
        at: line.at,
        summary: line.title.clone().unwrap_or_else(|| preview.sender.clone()),
    };
    let events: Vec<Event> = preview.slots.iter().filter(leaves).map(event).collect();
    calendar::calendar(&preview.sender, preview.now, &events)
}

fn line(slot: &Foreseen, activity: &ActivityRow, zone: &Zone, names: Names) -> Line {
    let when = |at: UtcMs| When::new(at, Some(zone));
    let (fate, reason, why) = match &slot.fate {
        Fate::Leaves => (LEAVES, None, "due by the plan".to_owned()),
        Fate::Waits { until, because } => (
            WAITS,
            Some(because.clone()),
            format!("waits until {}: quiet hours", when(*until).local_minute()),
        ),
        Fate::Ends { state, because } => (state.word(), Some(because.clone()), because.to_string()),
    };
    Line {
        due: when(slot.occurrence.at),
        at: slot.occurrence.at,
        slot: slot.occurrence.slot.planned.to_string(),
        dosage: slot.occurrence.slot.dosage,
        activity: activity.id,
        title: names.names.then(|| activity.activity.title.expose().clone()),
        kind: activity.activity.kind.word(),
        class: activity.activity.class.word(),
        confidence: activity.confidence,
        channel: slot.channel,
        valid_until: when(slot.valid_until),
        fate,
        reason,
        why,
    }
}

fn print(preview: &Preview, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    let Preview { patient, programme, status, zone, language, .. } = preview;
    output.print(&format!("{patient}, {status}\n{programme}, {zone}, texts in {language}\n"))?;
    if let Some(hold) = &preview.hold {
        output.say(wrapped(&format!("held: {hold}"), 0).trim_end());
    }
    if preview.slots.is_empty() {
        output.print("No slot falls into these days.")?;
    } else {
        let rows: Vec<_> = preview.slots.iter().map(cells).collect();
        output.table(&["local", "UTC", "activity", "sure", "over", "what and why"], &rows)?;
    }
    for Sureness { activity, title, kind, confidence, notes } in &preview.activities {
        if notes.is_empty() {
            continue;
        }
        let name = title.clone().unwrap_or_else(|| short(kind, *activity));
        let mut told = wrapped(&printable(&format!("{name}: {}", confidence.word())), 0);
        for Note { rule, text } in notes {
            told += &wrapped(&printable(&format!("{rule}: {text}")), 2);
        }
        output.print(&told)?;
    }
    for silent in &preview.silent {
        let id = silent.activity;
        output.print(&wrapped(&format!("{} {id}: no slots: {}", silent.kind, silent.why), 0))?;
    }
    Ok(())
}

fn cells(line: &Line) -> Vec<String> {
    let kind = line.title.clone().unwrap_or_else(|| short(line.kind, line.activity));
    vec![
        line.due.local_minute(),
        line.due.utc.get(11..16).unwrap_or_default().to_owned() + "Z",
        kind,
        line.confidence.word().to_owned(),
        line.channel.map_or("-", ChannelKind::word).to_owned(),
        format!("{}: {}", line.fate, line.why),
    ]
}

/// The kind with the end of the id: enough to tell two medications apart without naming them.
fn short(kind: &str, id: ActivityId) -> String {
    let id = id.to_string();
    format!("{kind} {}", id.get(id.len() - 4..).unwrap_or_default())
}
