//! `carebell reconcile`: after a restored backup, what may have gone out that the database does not know of; and the
//! end of the hold it is under.

use super::app::App;
use super::ask::confirm;
use super::installation::{When, must_know_the_time, opened};
use super::stop_sending::has_holds;
use super::{Context, Exit, Failure, Form, printable, wrapped};
use crate::care::hold::{Hold, Scope};
use crate::care::ids::{AttemptId, MessageId};
use crate::care::{Class, UtcMs};
use crate::channel::Found;
use crate::deliver::ask_provider;
use crate::store::homes::{self, RegressionRow};
use crate::store::story::{Act, audit};
use crate::store::{Result as Stored, Tx, holds};
use serde::Serialize;

/// Messages and attempts that are listed one by one; --json lists all.
const SHOWN: usize = 20;

/// A database that is older than what this machine remembers of it (a restored backup, a promoted standby that lagged)
/// starts on hold. This lists what may have gone out in the gap; --settle ends the hold.
///
/// Once settled, a message that was due in the gap counts as sent with an unknown outcome: the provider is asked where
/// it can be, then a dose stays unsent and a task opens, an appointment or measurement is said once more, marked as a
/// repeat, and the rest is dropped. What comes due later goes out as ever.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Exit code 0: nothing is to be settled, or it was settled; 1: the database went back in time.\n\
                  Examples:\n  carebell reconcile\n  carebell reconcile --settle"
)]
pub(super) struct Args {
    /// End the hold; what may have gone is never sent again blindly
    #[arg(long)]
    settle: bool,
    /// Do not ask
    #[arg(long, requires = "settle")]
    yes: bool,
    /// Who decides; recorded
    #[arg(long, value_name = "NAME", default_value = "operator", requires = "settle")]
    by: String,
    #[command(flatten)]
    form: Form,
}

/// What a gap may hold.
#[derive(Debug, Serialize)]
struct Answer {
    hold: Option<Hold>,
    homes: Vec<RegressionRow>,
    /// Due in the gap, queued and still valid.
    may_have_gone: Vec<Waiting>,
    /// Open in this database, of messages still valid.
    attempts: Vec<Unsure>,
    settled: bool,
}

#[derive(Debug, Serialize)]
struct Waiting {
    message: MessageId,
    class: String,
    due: When,
    valid_until: When,
    /// What settling does.
    then: &'static str,
}

#[derive(Debug, Serialize)]
struct Unsure {
    attempt: AttemptId,
    channel: String,
    state: String,
    intent_at: When,
    /// `accepted`, `absent`, or `not told`.
    provider: &'static str,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    opened(context, async |app| {
        has_holds(&app.store).await?;
        if args.settle {
            must_know_the_time(app).await?;
        }
        let mut answer = gather(app).await?;
        let open = answer.hold.is_some() || !answer.homes.is_empty();
        if args.settle && open {
            if !args.yes {
                if !args.form.json {
                    context.output.print(&text(&answer))?;
                }
                confirm(context, WARNING, "settle", "settling")?;
            }
            settle(app, args).await?;
            answer.settled = true;
        }
        if args.form.json {
            context.output.json(&answer)?;
        } else if answer.settled {
            context.output.print(&wrapped(SETTLED, 0))?;
        } else {
            context.output.print(&text(&answer))?;
        }
        if open && !answer.settled { Err(Failure::Answered(Exit::Failed)) } else { Ok(()) }
    })
}

const WARNING: &str = "Nothing listed as never sent can be brought back.";

const SETTLED: &str = "Sending goes on within two seconds. carebell explain tells what became of a message; the \
                       tasks name the patients to ask.";

async fn gather(app: &App) -> Result<Answer, Failure> {
    let now = app.clock.now();
    let mut tx = app.store.read().await?;
    let hold = holds::all(&mut tx).await?.into_iter().find(|hold| hold.scope == Scope::Restored);
    let homes = homes::open(&mut tx).await?;
    let Some(until) = homes.iter().map(|home| UtcMs(home.until_ms)).max() else {
        let (may_have_gone, attempts) = (Vec::new(), Vec::new());
        return Ok(Answer { hold, homes, may_have_gone, attempts, settled: false });
    };
    let may_have_gone = waiting(&mut tx, until, now).await?;
    let unsure = homes::unsure(&mut tx, now).await?;
    drop(tx);
    let mut attempts = Vec::with_capacity(unsure.len());
    for row in unsure {
        let id = AttemptId(row.id);
        let provider = match ask_provider(&app.store, &app.channels, id).await {
            Ok(Some(Found::Accepted { .. })) => "accepted",
            Ok(Some(Found::Absent)) => "absent",
            // One that cannot be read hides no other.
            Ok(None) | Err(_) => "not told",
        };
        attempts.push(Unsure {
            attempt: id,
            channel: row.channel,
            state: row.state,
            intent_at: When::new(UtcMs(row.intent_at_ms), None),
            provider,
        });
    }
    Ok(Answer { hold, homes, may_have_gone, attempts, settled: false })
}

async fn waiting(tx: &mut Tx, until: UtcMs, now: UtcMs) -> Stored<Vec<Waiting>> {
    let rows = homes::waiting(tx, until, now).await?;
    let shown = |row: homes::WaitingRow| Waiting {
        message: MessageId(row.id),
        then: then(Class::parse(&row.class)),
        class: row.class,
        due: When::new(UtcMs(row.minute_ms), None),
        valid_until: When::new(UtcMs(row.valid_until_ms), None),
    };
    Ok(rows.into_iter().map(shown).collect())
}

/// The class table of design.md section 6 in an operator's words.
const fn then(class: Option<Class>) -> &'static str {
    match class {
        Some(Class::Appointment | Class::Measurement) => "said once more, marked as a repeat",
        Some(Class::Education | Class::Notice) => "dropped",
        Some(Class::TimeCriticalDose | Class::Dose | Class::Answer) | None => {
            "never sent; a task opens"
        }
    }
}

async fn settle(app: &App, args: &Args) -> Stored<()> {
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    let open = homes::open(&mut tx).await?;
    homes::settle(&mut tx, now).await?;
    holds::lift(&mut tx, &Scope::Restored).await?;
    let detail = serde_json::json!(open).to_string();
    let subject = Scope::Restored.word();
    let act =
        Act { actor: &args.by, action: "restored.settle", subject: &subject, detail: &detail };
    audit(&mut tx, &mut app.rng.fork(), &act, now).await?;
    tx.commit().await
}

fn text(answer: &Answer) -> String {
    let Some(hold) = &answer.hold else {
        return wrapped(
            "Nothing is to be settled: no daemon found the database older than it was.",
            0,
        );
    };
    let mut text = wrapped(&printable(&hold.to_string()), 0);
    for home in &answer.homes {
        let when = |ms: i64| When::new(UtcMs(ms), None);
        let from = home.from_ms.map_or_else(|| "never".to_owned(), |ms| when(ms).to_string());
        let line = format!(
            "{} on {}: {} sends in its file, {} in the database; the last one known {from}, the last that may be \
             missing {}",
            home.home_id,
            home.host,
            home.file_sends,
            home.database_sends,
            when(home.until_ms)
        );
        text += &wrapped(&printable(&line), 2);
    }
    text += &wrapped(&format!("{} messages may have gone", answer.may_have_gone.len()), 0);
    for one in answer.may_have_gone.iter().take(SHOWN) {
        text += &wrapped(&format!("{}, {}, due {}", one.message, one.class, one.due), 2);
        text += &wrapped(one.then, 4);
    }
    text += &wrapped(&format!("{} attempts are open", answer.attempts.len()), 0);
    for one in answer.attempts.iter().take(SHOWN) {
        let line = format!(
            "{}, {}, {} since {}; the provider says: {}",
            one.attempt, one.channel, one.state, one.intent_at, one.provider
        );
        text += &wrapped(&line, 2);
    }
    text + &wrapped(
        "What patients wrote in the gap, a STOP among it, is lost here: look it up at the providers, and import \
             again what was imported since.",
        0,
    )
}
