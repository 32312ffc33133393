//! `carebell demo`: the main job shown to somebody who has just cloned the repository. Sample programmes are
//! imported into a folder of their own, the providers' stand-in answers on this machine, and one day and night
//! of them is played: the clock runs ahead to the next alarm and stands still while anything is in flight.

mod cast;
mod event;
mod house;
mod pace;
mod reporter;
mod sample;
mod scenes;
mod tally;

use super::app::SQLITE_FILE;
use super::signals::EndSignals;
use super::{Context, Exit, Failure, Tone, wrapped};
use crate::care::UtcMs;
use crate::care::time::{DAY_MS, MINUTE_MS};
use crate::clock::{Clock as _, SystemClock};
use anyhow::Context as _;
use cast::Cast;
use event::Event;
use house::{House, LEDGER_FILE};
use pace::Pace;
use reporter::Reporter;
use scenes::Scene;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tally::Tally;
use tempfile::TempDir;

/// After the day: time for the receipts of what left at its very end.
const LAST_RECEIPTS_MS: i64 = 2 * MINUTE_MS;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep database and ledger in this new folder; else they are removed at the end
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// How many times faster than the real day [1440: a day in a minute]
    #[arg(long, value_name = "N", default_value_t = 1_440, hide_default_value = true,
        value_parser = clap::value_parser!(u32).range(1..))]
    speed: u32,
    /// Seed of chance: who reads what; it never decides what is sent when
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print each event, and at the end the summary, as one JSON object a line
    #[arg(long)]
    json: bool,
}

/// How the day ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It was played to its end.
    Played,
    /// By Ctrl-C or SIGTERM.
    Interrupted,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let folder = Folder::make(args.keep.as_deref())?;
    context.block_on(play(args, context, folder.path()))
}

/// Where the demo keeps its files; a temporary folder goes when this is dropped.
enum Folder {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Folder {
    fn make(keep: Option<&Path>) -> Result<Self, Failure> {
        let Some(folder) = keep else {
            let made = tempfile::Builder::new().prefix("carebell-demo-").tempdir();
            return Ok(Self::Temporary(made.context("failed to make a temporary folder")?));
        };
        if folder.join(SQLITE_FILE).exists() || folder.join(LEDGER_FILE).exists() {
            return Err(Failure::new(
                Exit::Failed,
                format!("{} holds a database already", folder.display()),
                "give --keep a new folder",
            ));
        }
        super::app::make_state_dir(folder)?;
        Ok(Self::Kept(whole(folder)?))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }
}

async fn play(args: &Args, context: &Context, folder: &Path) -> Result<(), Failure> {
    let today = SystemClock.now().to_utc().date_naive();
    let from = UtcMs::from_naive_utc(today.and_time(chrono::NaiveTime::MIN));
    let until = from.plus_ms(DAY_MS + LAST_RECEIPTS_MS);
    let house = House::open(folder, args.seed, from).await?;
    let outcomes = house.import(sample::samples(today)).await?;
    let cast = Cast::of(&house.app).await.context("failed to read the patients")?;
    let scenes = scenes::scenes(&cast, from);
    let told = Told { args, context };
    // Before the first line: who reads it may end it at once.
    let mut signals = EndSignals::listen()?;
    told.opening(&cast, &outcomes, from)?;
    let end = tokio::select! {
        day = day(&house, &cast, &scenes, &told, until) => { day?; End::Played }
        () = signals.heard() => End::Interrupted,
    };
    let tally = Tally::of(&house, &cast, &scenes, from, house.clock.now()).await;
    house.close().await?;
    let tally = tally.context("failed to reckon up the day")?;
    told.closing(&tally, end)?;
    match end {
        End::Interrupted => Err(Failure::Answered(Exit::Interrupted)),
        End::Played if tally.is_clean() => Ok(()),
        End::Played => Err(Failure::Answered(Exit::Failed)),
    }
}

/// Plays from alarm to alarm up to `until`, which is part of the day.
async fn day(
    house: &House,
    cast: &Cast,
    scenes: &[Scene],
    told: &Told<'_>,
    until: UtcMs,
) -> Result<(), Failure> {
    for scene in scenes {
        let scheduled = house.sandbox.schedule_reply(scene.at, scene.reply.clone());
        scheduled.context("failed to schedule a reply")?;
    }
    let pace = Pace::starting_at(house.clock.now(), told.args.speed);
    let mut reporter = Reporter::new(house, cast, scenes);
    loop {
        house.settle().await?;
        let events = reporter.look().await.context("failed to read what has happened")?;
        events.iter().try_for_each(|event| told.event(event))?;
        let Some(next) = house.next_at().await?.filter(|at| *at <= until) else { break };
        pace.wait_for(next).await;
        house.clock.set(next.max(house.clock.now()));
    }
    pace.wait_for(until).await;
    house.clock.set(until);
    Ok(())
}

/// The telling: lines for people, or JSON a line.
struct Told<'a> {
    args: &'a Args,
    context: &'a Context,
}

impl Told<'_> {
    fn opening(&self, cast: &Cast, outcomes: &house::Outcomes, from: UtcMs) -> Result<(), Failure> {
        if self.args.json {
            return Ok(());
        }
        let output = &self.context.output;
        let resources: Vec<String> =
            outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        let text = format!(
            "{} patients in {} zones and {} languages, imported from samples ({}). Their providers are played \
             by a stand-in on this machine; nothing leaves it. The day begins {}; each line bears the \
             patient's own time.",
            cast.len(),
            cast.zones().len(),
            cast.languages(),
            resources.join(", "),
            from.rfc3339(),
        );
        output.print(&wrapped(&text, 0))?;
        output.print("")
    }

    fn event(&self, event: &Event) -> Result<(), Failure> {
        if self.args.json {
            return self.json(event);
        }
        self.context.output.print(&event.line(&self.context.output))
    }

    fn closing(&self, tally: &Tally, end: End) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Summary<'a> {
            event: &'static str,
            #[serde(flatten)]
            tally: &'a Tally,
        }
        if self.args.json {
            return self.json(&Summary { event: "summary", tally });
        }
        let output = &self.context.output;
        if end == End::Interrupted {
            output
                .print(&format!("\n{}", output.paint(Tone::Warning, "The day was cut short.")))?;
        }
        tally.print(output)?;
        match &self.args.keep {
            None => output.print(NEXT),
            Some(folder) => output.print(&next_with(&whole(folder)?)),
        }
    }

    fn json(&self, object: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(object).map_err(anyhow::Error::from)?;
        self.context.output.print(&line)
    }
}

/// What to try next.
const NEXT: &str = "
Next (until it is installed, write `cargo run --release --` for `carebell`):
  carebell demo --keep DIR   keep the database and the ledger, to look around
  carebell demo --json       the same as JSON, for programs
  carebell config default    every key of the configuration, with its meaning
  carebell check             is this machine fit to run the daemon?";

/// What to try next with a kept folder. The variable counts for more than any configuration file.
fn next_with(folder: &Path) -> String {
    let folder = quoted(&folder.display().to_string());
    format!(
        "
Kept: {folder}
  {SQLITE_FILE}, and in {LEDGER_FILE} all that the providers took. Look around
(until it is installed, write `cargo run --release --` for `carebell`):
  export CAREBELL_STATE_DIR={folder}
  carebell status
  carebell patients list
  carebell review list
  carebell explain --patient pat_... --at TIME"
    )
}

/// The folder's whole path.
fn whole(folder: &Path) -> anyhow::Result<PathBuf> {
    folder.canonicalize().with_context(|| format!("failed to find the folder {}", folder.display()))
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_folder_as_it_is() {
        for (folder, shown) in [
            ("/tmp/carebell-demo", "/tmp/carebell-demo"),
            ("/tmp/my demo", "'/tmp/my demo'"),
            ("/tmp/it's $HOME", r"'/tmp/it'\''s $HOME'"),
        ] {
            let line = format!("  export CAREBELL_STATE_DIR={shown}\n");
            assert!(next_with(Path::new(folder)).contains(&line), "{folder}");
        }
    }
}
