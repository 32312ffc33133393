//! `carebell inbound`: the callbacks that came in, and another reading of those that could not be applied.

use super::app::App;
use super::installation::{When, not_found, opened, tell_doubt};
use super::{Context, Failure, Form, wrapped};
use crate::care::UtcMs;
use crate::care::ids::InboundId;
use crate::store::inbound::{self, InboundState, Standing};
use crate::store::story::{Act, audit};
use clap::Subcommand;
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List callbacks, the newest first: where they stand, and why
    #[command(after_help = "Example: carebell inbound list --state failed --json")]
    List(List),
    /// Have the daemon read callbacks again, once what stood in their way is mended
    #[command(
        after_help = "What was applied before changes nothing when it is read again: a reply and a receipt count once.\n\
                      Examples:\n  carebell inbound reprocess\n  \
                      carebell inbound reprocess inb_019b2f0c5d7e7a61b1d2c3e4f5061728"
    )]
    Reprocess(Reprocess),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only those that stand so
    #[arg(long, value_enum)]
    state: Option<State>,
    /// How many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    form: Form,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum State {
    /// Kept, not applied yet
    New,
    /// Applied
    Done,
    /// Not readable, or it broke its step three times
    Failed,
}

impl From<State> for InboundState {
    fn from(state: State) -> Self {
        match state {
            State::New => Self::New,
            State::Done => Self::Done,
            State::Failed => Self::Failed,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Reprocess {
    /// Callbacks, in whatever state [default: all that failed]
    #[arg(value_name = "ID")]
    ids: Vec<InboundId>,
    /// Who decides; recorded
    #[arg(long, value_name = "NAME", default_value = "operator")]
    by: String,
}

pub(super) fn run(action: &Action, context: &Context) -> Result<(), Failure> {
    match action {
        Action::List(args) => opened(context, async |app| list(args, app, context).await),
        Action::Reprocess(args) => opened(context, async |app| reprocess(args, app, context).await),
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    id: InboundId,
    channel: String,
    state: String,
    tries: i64,
    /// Why it stands so; empty: nothing to say.
    note: String,
    received: When,
}

async fn list(args: &List, app: &App, context: &Context) -> Result<(), Failure> {
    let mut tx = app.store.read().await?;
    let found = inbound::newest(&mut tx, args.state.map(Into::into), i64::from(args.limit)).await?;
    drop(tx);
    let show = |row: Standing| Shown {
        id: InboundId(row.id),
        channel: row.channel,
        state: row.state,
        tries: row.tries,
        note: row.note,
        received: When::new(UtcMs(row.received_at_ms), None),
    };
    let shown: Vec<Shown> = found.into_iter().map(show).collect();
    if args.form.json {
        return context.output.json(&shown);
    }
    if shown.is_empty() {
        return context.output.print("no callback is kept");
    }
    let row = |one: &Shown| {
        let state = if one.note.is_empty() {
            one.state.clone()
        } else {
            format!("{}: {}", one.state, one.note)
        };
        vec![one.id.to_string(), one.channel.clone(), state, one.received.to_string()]
    };
    let rows: Vec<Vec<String>> = shown.iter().map(row).collect();
    context.output.table(&["callback", "channel", "how it stands", "received"], &rows)
}

async fn reprocess(args: &Reprocess, app: &App, context: &Context) -> Result<(), Failure> {
    tell_doubt(&app.clock_watch(), context).await;
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    let again = if args.ids.is_empty() {
        inbound::reopen_failed(&mut tx).await?
    } else {
        inbound::reopen(&mut tx, &args.ids).await?
    };
    if let Some(missing) = args.ids.iter().find(|id| !again.contains(id)) {
        return Err(not_found("callback", missing, "carebell inbound list shows what is kept"));
    }
    for id in &again {
        let subject = id.to_string();
        let act =
            Act { actor: &args.by, action: "inbound.reprocess", subject: &subject, detail: "{}" };
        audit(&mut tx, &mut app.rng.fork(), &act, now).await?;
    }
    tx.commit().await?;
    let said = match again.len() {
        0 => "no callback has failed: nothing is read again".to_owned(),
        1 => "1 callback is read again within two seconds of a running daemon.".to_owned(),
        n => format!("{n} callbacks are read again within two seconds of a running daemon."),
    };
    context.output.print(&wrapped(&said, 0))
}
