//! The command line: one file per subcommand, which prints, asks and shows progress; all else is asked of the
//! rooms below. Answers go to stdout, talk goes to stderr. Only here errors become `anyhow`, and then an exit
//! code.

pub mod app;
mod ask;
mod calendar;
mod channels;
mod check;
mod completions;
mod config;
mod cost;
pub mod daemon;
mod db;
mod demo;
mod doctor;
mod exit;
mod explain;
mod import;
mod inbound;
mod installation;
mod jobs;
mod leaving;
mod lock;
pub mod logging;
mod man;
mod media;
mod messages;
pub mod metrics;
mod output;
mod patients;
mod preview;
mod readiness;
mod reconcile;
mod review;
mod run;
mod sandbox;
mod signals;
pub mod stage;
mod status;
mod stop_sending;
mod templates;
mod timing;
mod watched;

pub use exit::{Exit, Failure};
pub use output::{Color, Output, Tone, printable, wrapped};

use crate::config::{Environment, Loaded};
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Threads that block get so long to end with the process.
const LAST_THREADS: std::time::Duration = std::time::Duration::from_secs(5);

/// Keeps chronic-care patients on their plan, over WhatsApp, SMS and email.
#[derive(Debug, Parser)]
#[command(name = "carebell", version, after_help = exit::HELP, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// Configuration file [default: carebell.toml here, else /etc/carebell/carebell.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// When to colour the output; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    Run(run::Args),
    /// Import patients and care plans from FHIR and CSV files
    Import(import::Args),
    /// Play a day of sample patients on this machine alone, in about a minute
    Demo(demo::Args),
    /// Check the installation and say how to put right what is wrong
    Check(check::Args),
    /// Look for what will go wrong although everything runs: zone rules that disagree
    Doctor(doctor::Args),
    /// Show how the installation stands, in numbers
    Status(status::Args),
    /// List patients, or show one
    #[command(subcommand)]
    Patients(patients::Action),
    /// Decide about activities that a person must confirm first
    #[command(subcommand)]
    Review(review::Action),
    /// Work out when an order is due, with the reasons; no patients needed
    Timing(Box<timing::Args>),
    /// Show what a patient will be sent, when and why
    Preview(preview::Args),
    /// Check the texts of the programmes, and show them as patients see them
    #[command(subcommand)]
    Messages(messages::Action),
    /// Forecast what the plans will cost
    Cost(cost::Args),
    /// Tell the whole story of a reminder, sent or not
    Explain(explain::Args),
    /// List the housekeeping jobs, or run one
    #[command(subcommand)]
    Jobs(jobs::Action),
    /// Show how the channels stand; pause one, or let it go on
    #[command(subcommand)]
    Channels(channels::Action),
    /// List the callbacks that came in, or have some read again
    #[command(subcommand)]
    Inbound(inbound::Action),
    /// Stop all sending at once, on every instance, or let it go on
    StopSending(stop_sending::Args),
    /// After a restored backup: list what may have gone out already, and settle it
    Reconcile(reconcile::Args),
    /// Look after the database; go live
    #[command(subcommand)]
    Db(db::Action),
    /// Stand in for the providers on this machine
    Sandbox(Box<sandbox::Args>),
    /// Show the configuration
    #[command(subcommand)]
    Config(config::Action),
    /// Print completions for a shell
    Completions(completions::Args),
    /// Print the manual page
    Man,
}

/// What every subcommand is given.
#[derive(Debug)]
pub struct Context {
    /// The process's surroundings.
    pub environment: Environment,
    /// Where answers and talk go.
    pub output: Output,
    config: Option<PathBuf>,
}

impl Context {
    /// The configuration in force.
    ///
    /// # Errors
    /// With every problem of it; ends in [`Exit::BadConfiguration`].
    pub fn load(&self) -> Result<Loaded, Failure> {
        Ok(crate::config::load(self.config.as_deref(), &self.environment)?)
    }

    /// Runs a command's asynchronous work to its end.
    ///
    /// # Errors
    /// Those of the work; or no runtime can be made.
    pub fn block_on<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("failed to start the runtime")?;
        let done = runtime.block_on(work);
        // A thread that waits for what never comes must not keep a process that has ended.
        runtime.shutdown_timeout(LAST_THREADS);
        done
    }
}

/// `--json`, on every subcommand that reads.
#[derive(Clone, Copy, Debug, Args)]
pub struct Form {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command line and says how it went.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(stop) => {
            // Help and version are answers, not faults; a reader that went away is none either.
            let _ = stop.print();
            return if stop.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    let environment = Environment::of_process();
    let output = Output::new(cli.global.color, &environment);
    let context = Context { environment, output, config: cli.global.config };
    match run(&cli.command, &context) {
        Ok(()) => Exit::Ok,
        Err(failure) => failure.tell(&context.output),
    }
}

fn run(command: &Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Run(args) => run::run(args, context),
        Command::Import(args) => import::run(args, context),
        Command::Demo(args) => demo::run(args, context),
        Command::Check(args) => check::run(args, context),
        Command::Doctor(args) => doctor::run(args, context),
        Command::Status(args) => status::run(args, context),
        Command::Patients(action) => patients::run(action, context),
        Command::Review(action) => review::run(action, context),
        Command::Timing(args) => timing::run(args, context),
        Command::Preview(args) => preview::run(args, context),
        Command::Messages(action) => messages::run(action, context),
        Command::Cost(args) => cost::run(args, context),
        Command::Explain(args) => explain::run(args, context),
        Command::Jobs(action) => jobs::run(action, context),
        Command::Channels(action) => channels::run(action, context),
        Command::Inbound(action) => inbound::run(action, context),
        Command::StopSending(args) => stop_sending::run(args, context),
        Command::Reconcile(args) => reconcile::run(args, context),
        Command::Db(action) => db::run(action, context),
        Command::Sandbox(args) => sandbox::run(args, context),
        Command::Config(action) => config::run(action, context),
        Command::Completions(args) => completions::run(args, context),
        Command::Man => man::run(context),
    }
}

/// The command tree, for completions and the manual page.
fn tree() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}
