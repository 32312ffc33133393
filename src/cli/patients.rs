//! `carebell patients`: who is cared for, and how each one stands. Names and addresses only when asked for.

use super::app::App;
use super::installation::{When, masked, not_found, opened, standing_of};
use super::{Context, Exit, Failure, Form};
use crate::care::ids::{ActivityId, ContactPointId, PatientId};
use crate::care::time::DAY_MS;
use crate::care::{
    ChannelKind, Confidence, ContactHealth, Phi, Programme, Routine, UtcMs, Zone, ZoneRules,
};
use crate::policy::contact_choice::consent;
use crate::schedule::has_slots;
use crate::store::patients::{self, HealthMove, ListedPatient};
use crate::store::standing::Standing;
use crate::store::story::{Act, audit};
use crate::store::tasks::{self, TaskKind};
use crate::timing::{ActivityContext, next_activity_slot};
use clap::Subcommand;
use serde::Serialize;
use std::collections::BTreeMap;

/// How far the next due moment of an activity is looked for, in milliseconds.
const LOOK_AHEAD_MS: i64 = 400 * DAY_MS;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List patients in order of their id
    #[command(
        after_help = "Examples:\n  carebell patients list --programme cedar --status active\n  carebell \
                            patients list --limit 500 --json"
    )]
    List(List),
    /// Show how one patient stands: contacts, consents, routine, activities
    #[command(after_help = "Example: carebell patients show pat_019b2f0c5d7e7a61b1d2c3e4f5061728")]
    Show(Show),
    /// Say that an address is the patient's and works: it is used again
    #[command(
        after_help = "A number that changed hands, or that is refused as unknown, is not written to until somebody says \
                      so.\nWhat its owner stopped stays stopped: only START from there lifts it.\n\
                      Example:\n  carebell patients verify ctp_019b2f0c5d7e7a61b1d2c3e4f5061728 --by \"A. Ngozi\""
    )]
    Verify(Verify),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Of this programme only
    #[arg(long)]
    programme: Option<String>,
    /// With this status only: active, paused, admitted, deceased, left
    #[arg(long, value_parser = status)]
    status: Option<crate::care::PatientStatus>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Only those after this patient: the next page
    #[arg(long, value_name = "ID")]
    after: Option<PatientId>,
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The patient
    id: PatientId,
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// The contact point, as `patients show --json` names it
    id: ContactPointId,
    /// Who asked the patient; recorded
    #[arg(long, value_name = "NAME")]
    by: String,
}

/// `--names`: health data on purpose.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Names {
    /// Show names, addresses and titles: health data, for your eyes only
    #[arg(long)]
    pub(super) names: bool,
}

fn status(word: &str) -> Result<crate::care::PatientStatus, String> {
    crate::care::PatientStatus::parse(word)
        .ok_or_else(|| "use active, paused, admitted, deceased or left".to_owned())
}

pub(super) fn run(action: &Action, context: &Context) -> Result<(), Failure> {
    match action {
        Action::List(args) => opened(context, async |app| list(args, app, context).await),
        Action::Show(args) => opened(context, async |app| show(args, app, context).await),
        Action::Verify(args) => opened(context, async |app| verify(args, app, context).await),
    }
}

async fn verify(args: &Verify, app: &App, context: &Context) -> Result<(), Failure> {
    let Verify { id, by } = args;
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    let Some((patient, health)) = patients::health(&mut tx, *id).await? else {
        let fix = "carebell patients show --json names a patient's contact points";
        return Err(not_found("contact point", id, fix));
    };
    if health == ContactHealth::OptedOut {
        let fix = "the patient lifts it with START from that address";
        return Err(Failure::new(Exit::Failed, format!("{id} is stopped by its owner"), fix));
    }
    patients::lock(&mut tx, &[patient]).await?;
    let verified = HealthMove { id: *id, health: ContactHealth::Ok, code: "verified".to_owned() };
    patients::set_health(&mut tx, &[verified], now).await?;
    tasks::close(&mut tx, TaskKind::Address, &id.to_string()).await?;
    patients::disturb(&mut tx, &[patient], now).await?;
    let (subject, detail) = (id.to_string(), serde_json::json!({ "from": health }).to_string());
    let act = Act { actor: by, action: "contact.verify", subject: &subject, detail: &detail };
    audit(&mut tx, &mut app.rng.fork(), &act, now).await?;
    tx.commit().await?;
    context.output.print(&format!("{id} of {patient}: ok, was {}", health.word()))
}

/// A line of the list.
#[derive(Debug, Serialize)]
struct Listed {
    id: PatientId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    programme: String,
    status: String,
    zone: String,
    language: String,
    activities: i64,
    next_alarm: Option<When>,
}

async fn list(args: &List, app: &App, context: &Context) -> Result<(), Failure> {
    let mut tx = app.store.read().await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    // One more than asked for tells whether there are more.
    let programme = args.programme.as_deref();
    let mut found =
        patients::list(&mut tx, programme, args.status, args.after, i64::from(args.limit) + 1)
            .await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let mut names = BTreeMap::new();
    if args.names.names {
        let ids: Vec<PatientId> = found.iter().map(|row| PatientId(row.id)).collect();
        for row in patients::load(&mut tx, app.store.keys(), &ids).await? {
            names.insert(row.id, row.patient.name.map(Phi::into_inner).unwrap_or_default());
        }
    }
    let listed: Vec<Listed> = found.into_iter().map(|row| listed(row, app, &mut names)).collect();
    if args.form.json {
        context.output.json(&listed)?;
    } else {
        let mut headers = vec!["id", "programme", "status", "zone", "act.", "next alarm"];
        if args.names.names {
            headers.insert(1, "name");
        }
        context.output.table(&headers, &listed.iter().map(Listed::cells).collect::<Vec<_>>())?;
    }
    if let Some(last) = listed.last().filter(|_| more) {
        context.output.say(&format!("there are more: --after {}", last.id));
    }
    Ok(())
}

fn listed(row: ListedPatient, app: &App, names: &mut BTreeMap<PatientId, String>) -> Listed {
    let id = PatientId(row.id);
    let zone = app.zones.zone(&row.zone);
    Listed {
        id,
        name: names.remove(&id),
        next_alarm: row.wake_at_ms.map(|at| When::new(UtcMs(at), zone.as_deref())),
        programme: row.programme,
        status: row.status,
        zone: row.zone,
        language: row.language,
        activities: row.activities,
    }
}

impl Listed {
    fn cells(&self) -> Vec<String> {
        let next = self.next_alarm.as_ref().map_or_else(|| "none".to_owned(), When::local_minute);
        let mut cells = vec![self.id.to_string()];
        cells.extend(self.name.clone());
        cells.extend([self.programme.clone(), self.status.clone()]);
        cells.extend([format!("{} {}", self.zone, self.language), self.activities.to_string()]);
        cells.push(next);
        cells
    }
}

/// One patient.
#[derive(Debug, Serialize)]
struct Shown {
    id: PatientId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    programme: String,
    status: &'static str,
    zone: String,
    zone_origin: crate::care::patient::Origin,
    language: String,
    text_style: crate::care::TextStyle,
    revision: i64,
    routine: Routine,
    expanded_until: When,
    next_alarm: Option<When>,
    contacts: Vec<Contact>,
    consents: BTreeMap<&'static str, Option<crate::care::contact::ConsentDecision>>,
    decisions: Vec<Decision>,
    activities: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Contact {
    id: ContactPointId,
    channel: &'static str,
    address: String,
    rank: i64,
    health: &'static str,
    in_use: bool,
}

#[derive(Debug, Serialize)]
struct Decision {
    at: When,
    channel: &'static str,
    decision: crate::care::contact::ConsentDecision,
    source: String,
}

#[derive(Debug, Serialize)]
struct Line {
    id: ActivityId,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    kind: &'static str,
    class: &'static str,
    status: &'static str,
    confidence: Confidence,
    needs_review: bool,
    revision: i64,
    reminders_from: When,
    next_due: Option<When>,
}

async fn show(args: &Show, app: &App, context: &Context) -> Result<(), Failure> {
    let mut tx = app.store.read().await?;
    let standing = standing_of(app, &mut tx, args.id).await?;
    let shown = shown(app, &standing, args.names);
    if args.form.json { context.output.json(&shown) } else { print(&shown, context) }
}

fn shown(app: &App, standing: &Standing, names: Names) -> Shown {
    let row = &standing.row;
    let patient = &row.patient;
    let zone = app.zones.zone(&patient.zone);
    let zone = zone.as_deref();
    let programme = app.programmes.get(&row.programme);
    let clear = |phi: &Phi<String>| names.names.then(|| phi.expose().clone());
    let routine = programme.map_or_else(
        || patient.routine.clone(),
        |programme| patient.routine.or(&programme.routine),
    );
    let contacts = standing.contacts.iter().map(|contact| Contact {
        id: contact.id,
        channel: contact.channel.word(),
        address: clear(&contact.address.0).unwrap_or_else(|| masked(&contact.address)),
        rank: contact.rank,
        health: contact.health.word(),
        in_use: contact.in_use,
    });
    let decisions = standing.consents.iter().map(|consent| Decision {
        at: When::new(consent.at, zone),
        channel: consent.channel.map_or("all", ChannelKind::word),
        decision: consent.decision,
        source: consent.source.clone(),
    });
    let activities = standing.activities.iter().map(|activity| Line {
        id: activity.id,
        title: clear(&activity.activity.title),
        kind: activity.activity.kind.word(),
        class: activity.activity.class.word(),
        status: activity.activity.status.word(),
        confidence: activity.confidence,
        needs_review: activity.needs_review(),
        revision: activity.revision,
        reminders_from: When::new(activity.reminders_from, zone),
        next_due: zone
            .zip(programme)
            .filter(|_| has_slots(row, activity))
            .and_then(|rules| next_due(app.clock.now(), &routine, rules, activity))
            .map(|at| When::new(at, zone)),
    });
    Shown {
        id: row.id,
        name: patient.name.as_ref().and_then(clear),
        programme: row.programme.clone(),
        status: row.status.word(),
        zone: patient.zone.clone(),
        zone_origin: patient.zone_origin,
        language: patient.language.clone(),
        text_style: patient.text_style,
        revision: row.revision,
        expanded_until: When::new(row.expanded_until, zone),
        next_alarm: row.wake_at.map(|at| When::new(at, zone)),
        contacts: contacts.collect(),
        consents: ChannelKind::ALL
            .map(|kind| (kind.word(), consent(&standing.consents, kind, app.clock.now())))
            .into(),
        decisions: decisions.collect(),
        activities: activities.collect(),
        routine,
    }
}

fn next_due(
    now: UtcMs,
    routine: &Routine,
    (zone, programme): (&Zone, &Programme),
    activity: &crate::store::activities::ActivityRow,
) -> Option<UtcMs> {
    let context = ActivityContext { zone, routine, programme };
    let after = now.max(activity.reminders_from).plus_ms(-1);
    next_activity_slot(&activity.activity, context, after, now.plus_ms(LOOK_AHEAD_MS))
}

fn print(shown: &Shown, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    let none = || "none".to_owned();
    let mut facts = vec![("patient", shown.id.to_string())];
    facts.extend(shown.name.clone().map(|name| ("name", name)));
    facts.extend([
        ("programme", shown.programme.clone()),
        ("status", shown.status.to_owned()),
        ("zone", format!("{} ({})", shown.zone, word(&shown.zone_origin))),
        ("language", shown.language.clone()),
        ("texts", word(&shown.text_style)),
        ("routine", routine(&shown.routine)),
        ("next alarm", shown.next_alarm.as_ref().map_or_else(none, When::to_string)),
    ]);
    for (channel, decision) in &shown.consents {
        let said = decision.map_or_else(|| "none recorded".to_owned(), |said| word(&said));
        facts.push(("consent", format!("{channel}: {said}")));
    }
    let rows: Vec<_> = facts.into_iter().map(|(what, how)| vec![what.to_owned(), how]).collect();
    output.table(&["what", "how it stands"], &rows)?;
    let rows: Vec<_> = shown
        .contacts
        .iter()
        .map(|contact| {
            let health = if contact.in_use { contact.health } else { "not in use" };
            let address = contact.address.clone();
            vec![address, contact.channel.to_owned(), contact.rank.to_string(), health.to_owned()]
        })
        .collect();
    output.print("")?;
    output.table(&["contact", "channel", "rank", "health"], &rows)?;
    let rows: Vec<_> = shown
        .activities
        .iter()
        .map(|line| {
            let confidence =
                if line.needs_review { "review" } else { line.confidence.word() }.to_owned();
            let next = line.next_due.as_ref().map_or_else(none, When::to_string);
            let kind = line.title.clone().unwrap_or_else(|| line.kind.to_owned());
            vec![line.id.to_string(), kind, line.status.to_owned(), confidence, next]
        })
        .collect();
    output.print("")?;
    output.table(&["activity", "kind", "status", "confidence", "next due"], &rows)
}

/// The word that a value has in JSON.
fn word(value: &impl Serialize) -> String {
    serde_json::json!(value).as_str().unwrap_or_default().to_owned()
}

fn routine(routine: &Routine) -> String {
    let anchors = [
        ("wake", routine.wake),
        ("breakfast", routine.breakfast),
        ("lunch", routine.lunch),
        ("dinner", routine.dinner),
        ("bed", routine.bed),
    ];
    let given: Vec<String> = anchors
        .into_iter()
        .filter_map(|(name, at)| Some(format!("{name} {}", at?.format("%H:%M"))))
        .collect();
    if given.is_empty() { "the default's".to_owned() } else { given.join(", ") }
}
