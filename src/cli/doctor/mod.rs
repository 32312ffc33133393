//! `carebell doctor`: what will go wrong although everything runs? A list of looks, a file each, that find things
//! with place and fix. It reads only, unless told to repair: then it mends what is derived from other rows.
//!
//! `carebell check` asks whether an installation is fit to run; this asks what it runs on.

mod channels;
mod ledger;
mod machine;
mod rules;

use super::app::{App, Sources, Stamp, catalogue_failure};
use super::installation::must_exist;
use super::{Context, Exit, Failure, Form, Tone, printable, wrapped};
use crate::config::Loaded;
use crate::message::{Catalogue, Programmes};
use crate::store::doctor;
use crate::store::parked;
use crate::store::patients::{self, ZoneCount};
use crate::store::story::{Act, audit};
use crate::store::tasks::{self, TaskKind};
use crate::zones::Zones;
use anyhow::Context as _;
use serde::Serialize;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0: nothing needs attention; 1: something does. Notes need none.\n\
                  Examples:\n  carebell doctor\n  carebell doctor --repair --json\n  carebell doctor --unpark --by \"A. Ngozi\""
)]
pub(super) struct Args {
    /// Mend what is derived from other rows (alarms, messages of queued reminders), in one transaction; a daemon may run
    #[arg(long)]
    repair: bool,
    /// Say that this machine's clock is right as it is, although a daemon does not believe it
    #[arg(long, conflicts_with = "repair")]
    confirm_clock: bool,
    /// Give parked patients, messages and callbacks another try, once what broke them is mended; closes their tasks
    #[arg(long, conflicts_with_all = ["repair", "confirm_clock"])]
    unpark: bool,
    /// Who decides; recorded
    #[arg(long, value_name = "NAME", default_value = "operator", requires = "unpark")]
    by: String,
    #[command(flatten)]
    form: Form,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Task {
    Look,
    Repair,
    ConfirmClock,
    Unpark { by: String },
}

impl Args {
    fn task(&self) -> Task {
        match (self.repair, self.confirm_clock, self.unpark) {
            (true, _, _) => Task::Repair,
            (_, true, _) => Task::ConfirmClock,
            (_, _, true) => Task::Unpark { by: self.by.clone() },
            (false, false, false) => Task::Look,
        }
    }
}

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) weight: Weight,
    /// What it is about.
    #[serde(rename = "where")]
    pub(super) place: String,
    /// What was found, as a lower-case fragment.
    pub(super) what: String,
    /// What to do.
    pub(super) fix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Weight {
    /// Good to know.
    Note,
    /// Somebody must act.
    Attention,
}

#[derive(Serialize)]
struct Answer {
    /// Which rules hold.
    zone_rules: String,
    sources: Vec<rules::SourceShown>,
    findings: Vec<Finding>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let loaded = context.load()?;
    let answer = context.block_on(examine(&loaded, args.task()))?;
    if args.form.json {
        context.output.json(&answer)?;
    } else {
        context.output.print(&text(&answer, context))?;
    }
    if answer.findings.iter().all(|finding| finding.weight == Weight::Note) {
        Ok(())
    } else {
        Err(Failure::Answered(Exit::Failed))
    }
}

/// An installation that was never started has programmes and no patients.
async fn examine(loaded: &Loaded, task: Task) -> Result<Answer, Failure> {
    let sources = Sources::real();
    let now = sources.clock.now();
    if must_exist(&loaded.config).is_err() {
        let zones =
            Zones::open(loaded.config.zones.folder()).context("failed to read the zone rules")?;
        let overlay = Some(loaded.config.schedules.dir.as_path()).filter(|dir| dir.exists());
        let programmes = Catalogue::load(overlay)
            .and_then(|catalogue| Programmes::load(overlay, &zones, &catalogue))
            .map_err(|problems| catalogue_failure(&problems))?;
        return Ok(answer(&zones, &rules::in_use(&[], &programmes), now));
    }
    let app = App::open_with(loaded, sources, Stamp::AsItIs).await?;
    let found = findings(&app, task).await;
    app.store.close().await;
    let (counts, found) = found?;
    let mut answer = answer(&app.zones, &rules::in_use(&counts, &app.programmes), now);
    answer.findings.extend(found);
    Ok(answer)
}

/// Zones in use, and what is wrong in the database after a repair, if one was asked for.
async fn findings(app: &App, task: Task) -> crate::store::Result<(Vec<ZoneCount>, Vec<Finding>)> {
    let mut found = Vec::new();
    let now = app.clock.now();
    if let Task::Unpark { by } = &task {
        found.extend(ledger::unparked(&unpark(app, by).await?, now));
    }
    if task == Task::Repair {
        let mut tx = app.store.write().await?;
        let mended = doctor::repair(&mut tx, now).await?;
        tx.commit().await?;
        found.extend(ledger::mended(&mended, now));
    }
    if task == Task::ConfirmClock {
        found.push(machine::confirm_clock(app).await?);
    }
    found.extend(machine::look(app).await?);
    found.extend(channels::look(app).await?);
    found.extend(ledger::look(app).await?);
    let counts = patients::zone_counts(&mut app.store.read().await?).await?;
    Ok((counts, found))
}

/// Everything that an open task says is parked; each that comes back is recorded, and its task closed.
async fn unpark(app: &App, by: &str) -> crate::store::Result<Vec<String>> {
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    let subjects = tasks::open_subjects(&mut tx, TaskKind::Parked).await?;
    let back = parked::unpark(&mut tx, &subjects, now).await?;
    for subject in &back {
        tasks::close(&mut tx, TaskKind::Parked, subject).await?;
        let act = Act { actor: by, action: "parked.unpark", subject, detail: "{}" };
        audit(&mut tx, &mut app.rng.fork(), &act, now).await?;
    }
    tx.commit().await?;
    Ok(back)
}

fn answer(zones: &Zones, in_use: &[rules::InUse], now: crate::care::UtcMs) -> Answer {
    use crate::care::ZoneRules as _;
    Answer {
        zone_rules: zones.version(),
        sources: rules::sources(zones),
        findings: rules::look(zones, in_use, now),
    }
}

fn text(answer: &Answer, context: &Context) -> String {
    let sources: Vec<String> = answer.sources.iter().map(ToString::to_string).collect();
    let mut text = wrapped(&printable(&format!("zone rules: {}", sources.join(", "))), 0);
    for finding in &answer.findings {
        let (tone, word) = match finding.weight {
            Weight::Note => (Tone::Warning, "note     "),
            Weight::Attention => (Tone::Bad, "attention"),
        };
        let place = printable(&finding.place);
        text += &context.output.paint(tone, word);
        text += "  ";
        text += wrapped(&place, 11).trim_start();
        text += &wrapped(&printable(&finding.what), 11);
        text += &wrapped(&printable(&format!("fix: {}", finding.fix)), 13);
    }
    if answer.findings.is_empty() {
        text += &context.output.paint(Tone::Good, "ok       ");
        text += "  zone rules agree, the ledger is whole\n";
    }
    text
}
