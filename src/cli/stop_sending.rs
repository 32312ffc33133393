//! `carebell stop-sending`: the emergency stop of every instance, and its end. It needs the database and the master
//! key, and nothing else of the installation to be in order.

use super::app::{host_name, open_store};
use super::installation::{When, must_exist, tell_doubt};
use super::{Context, Exit, Failure, Form, wrapped};
use crate::care::UtcMs;
use crate::care::hold::{Hold, Scope};
use crate::clock::{Clock as _, SystemClock};
use crate::security::SharedRng;
use crate::store::story::{Act, audit};
use crate::store::{MigrationStatus, Result as Stored, Store, holds};
use crate::watch::ClockWatch;
use serde::Serialize;
use std::sync::Arc;

/// Every instance heeds it within two seconds; `kill -USR1` does the same on one daemon, even when the database
/// cannot be written. Messages stay queued; those whose validity ends meanwhile expire.
///
/// Examples:
///   carebell stop-sending --because "wrong template published"
///   carebell stop-sending --resume
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Let sending go on
    #[arg(long, conflicts_with = "because")]
    resume: bool,
    /// Why; recorded and shown, so nothing of a patient belongs in it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    because: String,
    /// Who decides; recorded
    #[arg(long, value_name = "NAME", default_value = "operator")]
    by: String,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Serialize)]
struct Answer {
    /// Whether sending is stopped now.
    stopped: bool,
    /// Whether this call changed it.
    changed: bool,
    since: Option<When>,
    by: Option<String>,
    because: Option<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let loaded = context.load()?;
    must_exist(&loaded.config)?;
    let answer = context.block_on(async {
        let rng = Arc::new(SharedRng::from_os());
        let store = open_store(&loaded, &rng).await?;
        let done = act(args, &store, &rng).await;
        if done.is_ok() {
            let clock = Arc::new(SystemClock);
            let watch = ClockWatch::new(store.clone(), clock, Arc::clone(&rng), host_name());
            tell_doubt(&watch, context).await;
        }
        store.close().await;
        done
    })?;
    if args.form.json { context.output.json(&answer) } else { context.output.print(&text(&answer)) }
}

async fn act(args: &Args, store: &Store, rng: &SharedRng) -> Result<Answer, Failure> {
    has_holds(store).await?;
    let now = SystemClock.now();
    if args.resume {
        let changed = lift(store, rng, args, now).await?;
        return Ok(Answer { stopped: false, changed, since: None, by: None, because: None });
    }
    let stop = Hold {
        scope: Scope::Sending,
        until: None,
        actor: args.by.clone(),
        because: args.because.clone(),
        at: now,
    };
    let (changed, stop) = set(store, rng, stop).await?;
    Ok(Answer {
        stopped: true,
        changed,
        since: Some(When::new(stop.at, None)),
        by: Some(stop.actor),
        because: Some(stop.because),
    })
}

/// Holds came with the third migration: without it no daemon heeds them.
pub(super) async fn has_holds(store: &Store) -> Result<(), Failure> {
    const SINCE: i64 = 3;
    let MigrationStatus { applied, .. } = store.migration_status().await?;
    if applied >= SINCE {
        return Ok(());
    }
    let message = format!("the database's schema is {applied}: its daemon knows of no such thing");
    Err(Failure::new(Exit::Failed, message, "stop the daemon itself: systemctl stop carebell"))
}

async fn set(store: &Store, rng: &SharedRng, stop: Hold) -> Stored<(bool, Hold)> {
    let mut tx = store.write().await?;
    let changed = holds::set_once(&mut tx, &stop).await?;
    if changed {
        let detail = serde_json::json!(stop).to_string();
        let subject = stop.scope.word();
        let act =
            Act { actor: &stop.actor, action: "sending.stop", subject: &subject, detail: &detail };
        audit(&mut tx, &mut rng.fork(), &act, stop.at).await?;
    }
    let held = holds::all(&mut tx).await?.into_iter().find(|hold| hold.scope == Scope::Sending);
    tx.commit().await?;
    Ok((changed, held.unwrap_or(stop)))
}

async fn lift(store: &Store, rng: &SharedRng, args: &Args, now: UtcMs) -> Stored<bool> {
    let mut tx = store.write().await?;
    let changed = holds::lift(&mut tx, &Scope::Sending).await?;
    if changed {
        let subject = Scope::Sending.word();
        let act =
            Act { actor: &args.by, action: "sending.resume", subject: &subject, detail: "{}" };
        audit(&mut tx, &mut rng.fork(), &act, now).await?;
    }
    tx.commit().await?;
    Ok(changed)
}

fn text(answer: &Answer) -> String {
    let said = match (answer.stopped, answer.changed) {
        (true, true) => {
            "Sending stops on every instance within two seconds. Messages stay queued; those whose \
             validity ends meanwhile expire. Sending goes on after: carebell stop-sending --resume"
        }
        (true, false) => "Sending was stopped already; carebell status shows by whom and why.",
        (false, true) => "Sending goes on within two seconds.",
        (false, false) => "Sending was not stopped.",
    };
    wrapped(said, 0)
}
