//! `carebell doctor`: what will go wrong although everything runs? A list of looks, a file each, that find things
//! with place and fix. It reads only.
//!
//! `carebell check` asks whether an installation is fit to run; this asks what it runs on.

mod rules;

use super::app::{App, Sources, Stamp, catalogue_failure};
use super::installation::must_exist;
use super::{Context, Exit, Failure, Form, Tone, printable, wrapped};
use crate::config::Loaded;
use crate::message::{Catalogue, Programmes};
use crate::store::patients::{self, ZoneCount};
use crate::zones::Zones;
use anyhow::Context as _;
use serde::Serialize;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code 0: nothing needs attention; 1: something does. Notes need none.")]
pub(super) struct Args {
    #[command(flatten)]
    form: Form,
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
    let answer = context.block_on(examine(&loaded))?;
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
async fn examine(loaded: &Loaded) -> Result<Answer, Failure> {
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
    let counts = counts(&app).await;
    app.store.close().await;
    Ok(answer(&app.zones, &rules::in_use(&counts?, &app.programmes), now))
}

async fn counts(app: &App) -> crate::store::Result<Vec<ZoneCount>> {
    patients::zone_counts(&mut app.store.read().await?).await
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
        text += "  the sources agree\n";
    }
    text
}
