//! `carebell timing`: when is it due? What an order says becomes a list of due moments, with how sure that is and
//! why. Knows no patients and no database.

mod answer;
mod batch;
mod line;
mod moments;
mod one;
mod routines;

use super::{Context, Exit, Failure, Form};
use crate::zones::Zones;
use anyhow::Context as _;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
FILE is JSON: a Timing, a Dosage, a list of them, or a resource or Bundle that holds some, in R4's, R5's
or STU3's shape. Anything else is read as a phrase.

--batch reads lines {\"id\", \"timing\" | \"dosage\" | \"dosages\" | \"text\", \"zone\", \"anchor\", \"from\", \"to\",
\"routine\"} and answers each with a line {\"id\", \"confidence\", \"notes\", \"occurrences\", \"error\"}, in order;
a line that cannot be read gets an error, and the exit code stays 0.

Examples:
  carebell timing --text \"BID for 14 days\" --zone Africa/Nairobi
  carebell timing order.json --zone Europe/Berlin --from 2026-03-27 --to 2026-03-31 --json
  carebell timing --batch < orders.ndjson > due.ndjson
  carebell timing --explain")]
pub(super) struct Args {
    /// What to read; - is standard input
    #[arg(value_name = "FILE", conflicts_with = "text")]
    file: Option<PathBuf>,
    /// A phrase instead of a file
    #[arg(long, value_name = "PHRASE", conflicts_with = "batch")]
    text: Option<String>,
    /// The patient's time zone, an IANA name; there is no default
    #[arg(long, value_name = "ZONE", conflicts_with = "batch")]
    zone: Option<String>,
    /// Date or date-time that counting starts from where the order has no start [default: today there]
    #[arg(long, value_name = "DATE", conflicts_with = "batch")]
    anchor: Option<String>,
    /// First instant: UTC (2026-03-08T00:00:00Z), or a date or date-time there [default: now]
    #[arg(long, value_name = "WHEN", conflicts_with = "batch")]
    from: Option<String>,
    /// First instant no more, written the same [default: 7 days later]
    #[arg(long, value_name = "WHEN", conflicts_with = "batch")]
    to: Option<String>,
    /// The patient's routine, TOML or JSON: wake, breakfast, lunch, dinner, bed, times_per_day
    #[arg(long, value_name = "FILE", conflicts_with = "batch")]
    routine: Option<PathBuf>,
    /// Read lines, answer lines
    #[arg(long, conflicts_with_all = ["json", "explain", "ics"])]
    batch: bool,
    /// Say what each note decides; without input, print the whole table of decisions
    #[arg(long, conflicts_with = "ics")]
    explain: bool,
    /// Print a calendar (iCalendar) that a phone can subscribe to
    #[arg(long, conflicts_with = "json")]
    ics: bool,
    #[command(flatten)]
    form: Form,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    if args.batch {
        let zones = zones(context)?;
        let input: Box<dyn Read + Send> = match args.file.as_deref() {
            None => Box::new(std::io::stdin()),
            Some(file) if file.as_os_str() == "-" => Box::new(std::io::stdin()),
            Some(file) => Box::new(File::open(file).map_err(|fault| unreadable(file, &fault))?),
        };
        return batch::run(input, &mut std::io::stdout().lock(), &zones);
    }
    if args.explain && args.file.is_none() && args.text.is_none() {
        return one::decisions(args, context);
    }
    one::run(args, context)
}

fn zones(context: &Context) -> Result<Zones, Failure> {
    let config = context.load()?.config;
    Ok(Zones::open(config.zones.folder()).context("failed to read the zone rules")?)
}

fn unreadable(file: &std::path::Path, fault: &std::io::Error) -> Failure {
    let exit = match fault.kind() {
        std::io::ErrorKind::NotFound => Exit::NotFound,
        _ => Exit::Failed,
    };
    let message = format!("{} cannot be read: {fault}", file.display());
    Failure::new(exit, message, "name a file, - for standard input, or give a phrase with --text")
}
