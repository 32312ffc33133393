//! `carebell import`: care plans from files into the database, and what became of each resource.
//!
//! It ends with 0 when the import ran: resources that were rejected are in the report and its counts, and the
//! others are imported.

use super::app::App;
use super::installation::must_know_the_time;
use super::{Context, Exit, Failure, Tone, printable, wrapped};
use crate::care::UtcMs;
use crate::import::{
    Assertion, Counts, Importer, Mode, Options, Outcome, ReportLine, ResourceReport, documents,
};
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Lines about single resources before the rest is only counted.
const LINES: usize = 200;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// FHIR JSON, NDJSON and CSV files, folders of them, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Programme of new patients; its defaults fill gaps
    #[arg(long, value_name = "NAME", default_value = "general")]
    programme: String,
    /// What ids in the files are relative to: a server's base URL or the name of a feed [default: the
    /// programme]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Assert that patients whose record says nothing have consented: the wording they agreed to
    #[arg(long, value_name = "TEXT", requires = "consent_at")]
    consent_basis: Option<String>,
    /// When they did
    #[arg(long, value_name = "YYYY-MM-DD", requires = "consent_basis", value_parser = day)]
    consent_at: Option<UtcMs>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn day(text: &str) -> Result<UtcMs, String> {
    let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d");
    day.map(|day| UtcMs::from_naive_utc(day.into())).map_err(|_| "write YYYY-MM-DD".to_owned())
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    context.block_on(async {
        let app = App::open(context).await?;
        if !args.dry_run {
            must_know_the_time(&app).await?;
        }
        let Some(programme) = app.programmes.get(&args.programme) else {
            let known: Vec<&str> = app.programmes.iter().map(|p| p.name.as_str()).collect();
            return Err(Failure::new(
                Exit::NotFound,
                format!("there is no programme {}", printable(&args.programme)),
                format!("use one of {}, or add it under schedules/programmes", known.join(", ")),
            ));
        };
        let assertion = match (&args.consent_basis, args.consent_at) {
            (Some(basis), Some(at)) if at <= app.clock.now() => {
                Some(Assertion { basis: basis.clone(), at })
            }
            (Some(_), Some(_)) => {
                let message = "--consent-at lies in the future";
                return Err(Failure::new(Exit::Usage, message, "give the day they agreed on"));
            }
            _ => None,
        };
        let options = Options {
            programme,
            source_system: args.source.clone().unwrap_or_else(|| programme.name.clone()),
            assertion,
            mode: if args.dry_run { Mode::DryRun } else { Mode::Write },
        };
        let importer = Importer::new(
            app.store.clone(),
            Arc::clone(&app.clock),
            app.zones.clone(),
            Arc::clone(&app.programmes),
            Arc::clone(&app.rng),
        );
        let mut report = if args.json { Report::json() } else { Report::text() };
        let bar = progress();
        report.begin();
        let counts = importer
            .import(documents(&args.paths), &options, &mut |one| {
                bar.inc(1);
                report.add(&one);
            })
            .await
            .context("failed to import; what was reported before is stored, import again")?;
        bar.finish_and_clear();
        app.store.close().await;
        report.end(&counts, options.mode, context)
    })
}

/// Shown on a terminal only.
fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} resources, {per_sec}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// The report as it grows: as JSON it is written resource by resource, so that it needs no memory; as text it
/// keeps the lines that a person will read.
struct Report {
    form: Form,
    /// The first fault of writing; nothing is written after it, and the import goes on.
    written: std::io::Result<()>,
}

enum Form {
    Json { first: bool },
    Text { lines: Vec<ReportLine>, more: u64 },
}

impl Report {
    const fn json() -> Self {
        Self { form: Form::Json { first: true }, written: Ok(()) }
    }

    const fn text() -> Self {
        Self { form: Form::Text { lines: Vec::new(), more: 0 }, written: Ok(()) }
    }

    fn begin(&mut self) {
        if matches!(self.form, Form::Json { .. }) {
            self.write("{\"resources\":[");
        }
    }

    fn add(&mut self, report: &ResourceReport) {
        let line = ReportLine::from(report);
        match &mut self.form {
            Form::Json { first } => {
                let comma = if *first { "\n" } else { ",\n" };
                *first = false;
                let text = serde_json::to_string(&line).unwrap_or_default();
                self.write(&format!("{comma}{text}"));
            }
            Form::Text { lines, more } => match line.outcome {
                Outcome::Created | Outcome::Updated | Outcome::Unchanged => {}
                Outcome::Ignored | Outcome::Review | Outcome::Rejected if lines.len() < LINES => {
                    lines.push(line);
                }
                Outcome::Ignored | Outcome::Review | Outcome::Rejected => *more += 1,
            },
        }
    }

    fn write(&mut self, text: &str) {
        if self.written.is_ok() {
            self.written = std::io::stdout().lock().write_all(text.as_bytes());
        }
    }

    fn end(mut self, counts: &Counts, mode: Mode, context: &Context) -> Result<(), Failure> {
        let (lines, more) = match self.form {
            Form::Json { .. } => {
                let by_outcome = serde_json::json!(counts.by_outcome());
                self.write(&format!("\n],\"counts\":{by_outcome}}}\n"));
                return self.written.map_err(Failure::unwritten);
            }
            Form::Text { lines, more } => (lines, more),
        };
        let output = &context.output;
        let rows: Vec<Vec<String>> = counts
            .iter()
            .map(|(outcome, kind, count)| {
                vec![outcome.word().to_owned(), kind.to_owned(), count.to_string()]
            })
            .collect();
        if mode == Mode::DryRun {
            output.print("dry run: nothing was changed\n")?;
        }
        output.table(&["outcome", "type", "resources"], &rows)?;
        let mut text = String::new();
        for line in &lines {
            text.push('\n');
            text += &told(line, context);
        }
        if more > 0 {
            text += "\n";
            text += &wrapped(&format!("{more} more; --json tells of every resource"), 0);
        }
        if text.is_empty() { Ok(()) } else { output.print(&text) }
    }
}

fn told(line: &ReportLine, context: &Context) -> String {
    let tone = match line.outcome {
        Outcome::Rejected => Tone::Bad,
        Outcome::Review => Tone::Warning,
        _ => Tone::Good,
    };
    let (kind, source) = (printable(&line.resource.kind), printable(&line.resource.source));
    let mut text = format!("{}  {kind}\n", context.output.paint(tone, line.outcome.word()));
    text += &wrapped(&source, 2);
    for reason in &line.reasons {
        text += &wrapped(&printable(reason), 4);
    }
    text
}
