//! `carebell inbound`: the callbacks that came in, and another reading of those that could not be applied.

use super::app::App;
use super::installation::{When, not_found, opened, tell_doubt};
use super::{Context, Failure, Form, wrapped};
use crate::care::ids::{InboundId, MessageId, ReplyId};
use crate::care::{Press, UtcMs};
use crate::policy::whose::KnownBy;
use crate::store::inbound::{self, InboundState, Standing};
use crate::store::replies::{self, ReplyRow};
use crate::store::story::{Act, audit};
use clap::Subcommand;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List callbacks, the newest first: where they stand, why, and which messages patients answered
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
    /// What patients said in it, once for each patient with the address.
    replies: Vec<Said>,
    received: When,
}

/// A reply without its words.
#[derive(Debug, Serialize)]
struct Said {
    id: ReplyId,
    keyword: String,
    /// What was pressed.
    pressed: Option<Press>,
    /// The message that it belongs to.
    message: Option<MessageId>,
    /// How that is known, or why it is not.
    known_by: Option<&'static str>,
}

impl Said {
    fn new(row: ReplyRow) -> Self {
        Self {
            id: row.id,
            keyword: row.keyword,
            pressed: row.press,
            message: row.message,
            known_by: row.known_by.map(KnownBy::word),
        }
    }

    fn text(&self) -> String {
        let what = match self.pressed {
            Some(press) => format!("pressed {}", press.word()),
            None => format!("wrote ({})", self.keyword),
        };
        match (self.message, self.known_by) {
            (Some(message), Some(known_by)) => format!("{what}: {message} by {known_by}"),
            (None, Some(known_by)) => format!("{what}: no message, {known_by}"),
            _ => what,
        }
    }
}

async fn list(args: &List, app: &App, context: &Context) -> Result<(), Failure> {
    let mut tx = app.store.read().await?;
    let found = inbound::newest(&mut tx, args.state.map(Into::into), i64::from(args.limit)).await?;
    let ids: Vec<InboundId> = found.iter().map(|row| InboundId(row.id)).collect();
    let mut said: BTreeMap<InboundId, Vec<Said>> = BTreeMap::new();
    for row in replies::of_callbacks(&mut tx, &ids).await? {
        if let Some(callback) = row.inbound {
            said.entry(callback).or_default().push(Said::new(row));
        }
    }
    drop(tx);
    let mut show = |row: Standing| Shown {
        replies: said.remove(&InboundId(row.id)).unwrap_or_default(),
        id: InboundId(row.id),
        channel: row.channel,
        state: row.state,
        tries: row.tries,
        note: row.note,
        received: When::new(UtcMs(row.received_at_ms), None),
    };
    let shown: Vec<Shown> = found.into_iter().map(&mut show).collect();
    if args.form.json {
        return context.output.json(&shown);
    }
    if shown.is_empty() {
        return context.output.print("no callback is kept");
    }
    let row = |one: &Shown| {
        let mut state = if one.note.is_empty() {
            one.state.clone()
        } else {
            format!("{}: {}", one.state, one.note)
        };
        for said in &one.replies {
            state = format!("{state}; {}", said.text());
        }
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
