//! `carebell channels`: how each channel stands, and the operator's hand on it.

mod replay;
mod test;

use super::app::App;
use super::installation::{When, must_know_the_time, not_found, opened, tell_doubt};
use super::{Context, Exit, Failure, Form, templates, wrapped};
use crate::care::UtcMs;
use crate::care::hold::{Hold, Scope};
use crate::care::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::channel::Channel;
use crate::config::KindConfig;
use crate::policy::grouping::sender_of;
use crate::store::story::{Act, audit};
use crate::store::templates as stored;
use crate::store::{Result as Stored, Tx, alarms, attempts, holds, inbound};
use clap::Subcommand;
use serde::Serialize;
use std::collections::BTreeMap;

/// The longest pause that ends by itself: longer ones are no pause, and no slip of the keyboard.
const LONGEST_MS: i64 = 30 * DAY_MS;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the channels: sender, pause, rest, queue, last signs of life
    #[command(after_help = "Example: carebell channels list --json")]
    List(List),
    /// List the templates as their providers have them, and why some are held
    #[command(after_help = "Example: carebell channels templates --sync")]
    Templates(templates::Args),
    /// Hold one channel back on every instance: its messages wait while they are valid
    #[command(
        after_help = "Appointments and measurements go over the patient's next consented channel, if there is \
                      one; everything else waits.\n\
                      Example: carebell channels pause twilio --for 2h --because \"sender under review\""
    )]
    Pause(Pause),
    /// Let a paused channel go on
    #[command(after_help = "Example: carebell channels resume twilio")]
    Resume(Resume),
    /// Show the request of a message and what the provider says of us; with --to, send it
    Test(test::Args),
    /// Show what stored callbacks say: who, what, when, and whether the signature is right
    Replay(replay::Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, clap::Args)]
pub(super) struct Pause {
    /// The channel, as configured
    name: String,
    /// How long: 30m, 2h, 3d [default: until it is resumed]
    #[arg(long = "for", value_name = "TIME", value_parser = lasting)]
    lasting: Option<Lasting>,
    /// Why; recorded and shown, so nothing of a patient belongs in it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    because: String,
    /// Who decides; recorded
    #[arg(long, value_name = "NAME", default_value = "operator")]
    by: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Resume {
    /// The channel, as configured
    name: String,
    /// Who decides; recorded
    #[arg(long, value_name = "NAME", default_value = "operator")]
    by: String,
}

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lasting(i64);

fn lasting(text: &str) -> Result<Lasting, String> {
    let wrong = || "write a whole number and m, h or d: 30m, 2h, 3d; 30 days at most".to_owned();
    let unit = match text.chars().last() {
        Some('m') => MINUTE_MS,
        Some('h') => HOUR_MS,
        Some('d') => DAY_MS,
        _ => return Err(wrong()),
    };
    let number: i64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let ms = number.checked_mul(unit).filter(|ms| (1..=LONGEST_MS).contains(ms));
    ms.map(Lasting).ok_or_else(wrong)
}

pub(super) fn run(action: &Action, context: &Context) -> Result<(), Failure> {
    match action {
        Action::List(args) => opened(context, async |app| list(args, app, context).await),
        Action::Templates(args) => {
            opened(context, async |app| templates::run(args, app, context).await)
        }
        Action::Pause(args) => opened(context, async |app| pause(args, app, context).await),
        Action::Resume(args) => opened(context, async |app| resume(args, app, context).await),
        Action::Test(args) => opened(context, async |app| test::run(args, app, context).await),
        Action::Replay(args) => replay::run(args, context),
    }
}

/// How a channel stands.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    kind: &'static str,
    sender: String,
    paused: bool,
    paused_until: Option<When>,
    paused_by: Option<String>,
    because: Option<String>,
    /// `closed`: messages pass; `open`: some instance rests the sender because the provider refused us.
    breaker: &'static str,
    breaker_until: Option<When>,
    /// Messages that wait, by lane.
    queued: BTreeMap<String, i64>,
    last_accepted: Option<When>,
    last_webhook: Option<When>,
    /// What the provider said of the account when it was asked last.
    facts: Vec<(String, String)>,
    warnings: Vec<String>,
}

async fn list(args: &List, app: &App, context: &Context) -> Result<(), Failure> {
    let mut tx = app.store.read().await?;
    let shown = gather(app, &mut tx).await?;
    drop(tx);
    if args.form.json {
        return context.output.json(&shown);
    }
    if shown.is_empty() {
        return context.output.print("no channel is configured");
    }
    context.output.table(&["channel", "what", "how it stands"], &rows(&shown))
}

async fn gather(app: &App, tx: &mut Tx) -> Stored<Vec<Shown>> {
    let now = app.clock.now();
    let holds = holds::all(tx).await?;
    let rests = holds::rests(tx, now).await?;
    let queued = alarms::queued(tx).await?;
    let accepted = attempts::last_accepted(tx).await?;
    let heard = inbound::last_heard(tx).await?;
    let standings = stored::standings(tx).await?;
    let at = |list: &[(String, UtcMs)], name: &str| {
        list.iter().find(|(channel, _)| channel == name).map(|(_, at)| When::new(*at, None))
    };
    let show = |channel: &dyn Channel| {
        let name = channel.name();
        let scope = Scope::Channel(name.to_owned());
        let pause = holds.iter().find(|hold| hold.scope == scope && hold.holds_at(now));
        let breaker_until = at(&rests, name);
        let said = standings.iter().find(|one| one.channel == name);
        Shown {
            name: name.to_owned(),
            kind: channel.kind().word(),
            sender: app
                .config
                .channels
                .get(name)
                .map(KindConfig::sender)
                .unwrap_or_default()
                .to_owned(),
            paused: pause.is_some(),
            paused_until: pause.and_then(|hold| hold.until).map(|until| When::new(until, None)),
            paused_by: pause.map(|hold| hold.actor.clone()),
            because: pause.map(|hold| hold.because.clone()),
            breaker: if breaker_until.is_some() { "open" } else { "closed" },
            breaker_until,
            queued: queued
                .iter()
                .filter(|(lane, _)| sender_of(lane) == name)
                .map(|(lane, count)| (lane.clone(), *count))
                .collect(),
            last_accepted: at(&accepted, name),
            last_webhook: at(&heard, name),
            facts: said.map(|one| one.facts.clone()).unwrap_or_default(),
            warnings: said.map(|one| one.warnings.clone()).unwrap_or_default(),
        }
    };
    Ok(app.channels.iter().map(|channel| show(channel.as_ref())).collect())
}

fn rows(shown: &[Shown]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for one in shown {
        let mut name = one.name.clone();
        let mut say = |what: &str, how: String| {
            rows.push(vec![std::mem::take(&mut name), what.to_owned(), how]);
        };
        let when = |at: &Option<When>| at.as_ref().map_or_else(|| "never".into(), When::to_string);
        say("kind", one.kind.to_owned());
        say("sender", one.sender.clone());
        if one.paused {
            let until = one.paused_until.as_ref();
            let until =
                until.map_or_else(|| "until it is resumed".into(), |at| format!("until {at}"));
            let (by, because) = (&one.paused_by, &one.because);
            let by = by.as_deref().unwrap_or_default();
            let because = because.as_deref().unwrap_or_default();
            say("paused", format!("{until}, by {by}: {because}"));
        }
        let rest = one.breaker_until.as_ref().map(|at| format!("open: it rests until {at}"));
        say("breaker", rest.unwrap_or_else(|| one.breaker.to_owned()));
        let lanes: Vec<String> =
            one.queued.iter().map(|(lane, n)| format!("{n} on {lane}")).collect();
        say("queued", if lanes.is_empty() { "none".to_owned() } else { lanes.join(", ") });
        say("last accepted", when(&one.last_accepted));
        say("last webhook", when(&one.last_webhook));
        for (fact, value) in &one.facts {
            say(fact, value.clone());
        }
        for warning in &one.warnings {
            say("warning", warning.clone());
        }
    }
    rows
}

async fn pause(args: &Pause, app: &App, context: &Context) -> Result<(), Failure> {
    must_be_configured(app, &args.name)?;
    // What lasts until somebody ends it needs no clock.
    if args.lasting.is_some() {
        must_know_the_time(app).await?;
    } else {
        tell_doubt(&app.clock_watch(), context).await;
    }
    let now = app.clock.now();
    let hold = Hold {
        scope: Scope::Channel(args.name.clone()),
        until: args.lasting.map(|Lasting(ms)| now.plus_ms(ms)),
        actor: args.by.clone(),
        because: args.because.clone(),
        at: now,
    };
    let detail = serde_json::json!(hold).to_string();
    let act =
        Act { actor: &args.by, action: "channel.pause", subject: &args.name, detail: &detail };
    let mut tx = app.store.write().await?;
    holds::set(&mut tx, &hold).await?;
    audit(&mut tx, &mut app.rng.fork(), &act, now).await?;
    tx.commit().await?;
    let until = hold.until.map_or_else(
        || format!("carebell channels resume {} ends it", args.name),
        |until| format!("it ends at {}", When::new(until, None)),
    );
    context.output.print(&wrapped(
        &format!("{} is paused on every instance within two seconds; {until}.", args.name),
        0,
    ))
}

async fn resume(args: &Resume, app: &App, context: &Context) -> Result<(), Failure> {
    let scope = Scope::Channel(args.name.clone());
    tell_doubt(&app.clock_watch(), context).await;
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    // A channel that has left the configuration may still be paused.
    let paused = holds::lift(&mut tx, &scope).await?;
    if paused {
        let act =
            Act { actor: &args.by, action: "channel.resume", subject: &args.name, detail: "{}" };
        audit(&mut tx, &mut app.rng.fork(), &act, now).await?;
    }
    tx.commit().await?;
    if !paused {
        must_be_configured(app, &args.name)?;
        return context.output.print(&format!("{} was not paused", args.name));
    }
    context.output.print(&format!("{} goes on within two seconds", args.name))
}

fn must_be_configured(app: &App, name: &str) -> Result<(), Failure> {
    if app.channels.by_name(name).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = app.channels.iter().map(|channel| channel.name()).collect();
    if names.is_empty() {
        let fix = "configure one under [channels] in carebell.toml";
        return Err(Failure::new(Exit::NotFound, "no channel is configured", fix));
    }
    Err(not_found("channel", &name, &format!("configured are: {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_lasts_as_said_and_no_slip_of_the_keyboard() {
        for (text, ms) in [
            ("30m", Some(30 * MINUTE_MS)),
            ("2h", Some(2 * HOUR_MS)),
            ("30d", Some(LONGEST_MS)),
            ("31d", None),
            ("0h", None),
            ("-2h", None),
            ("2", None),
            ("h", None),
            ("", None),
            ("2 h", None),
            ("2\u{20ac}", None),
            ("9223372036854775807d", None),
        ] {
            assert_eq!(lasting(text).ok(), ms.map(Lasting), "{text}");
        }
    }
}
