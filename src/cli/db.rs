//! `carebell db`: the schema, the stamp, and the one way from sandbox to live.

use super::app::{App, host_name, open_store, sqlite_file};
use super::ask::confirm;
use super::installation::{When, alive, must_exist, must_know_the_time, opened};
use super::{Context, Exit, Failure, Form, wrapped};
use crate::care::UtcMs;
use crate::care::time::DAY_MS;
use crate::channel::WINDOW_MS;
use crate::config::{Config, Engine, Mode, without_password};
use crate::security::SharedRng;
use crate::store::meta::{self, fact};
use crate::store::patients::Forgotten;
use crate::store::story::{Act, audit};
use crate::store::{
    MigrationStatus, Result as Stored, Tx, activities, attempts, inbound, invites, media, messages,
    patients, reach, receipts, reminders, spending, tasks, templates,
};
use clap::Subcommand;
use serde::Serialize;

/// A verified callback of a live provider this old still shows that STOP is heard, in milliseconds.
const HEARD_WITHIN_MS: i64 = 7 * DAY_MS;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Show where the database is, its schema and its stamp
    #[command(after_help = "Example: carebell db status --json")]
    Status(Status),
    /// Bring the schema to this binary's version
    #[command(after_help = "The daemon does so at every start; this is for doing it beforehand.\n\
                            Example: carebell db migrate")]
    Migrate,
    /// Move the database from sandbox to live: from then on messages reach people
    #[command(
        after_help = "What the sandbox had queued or sent is cancelled and never comes back; what it \
                            taught about addresses and consents is forgotten.\n\
                            Needs `mode = \"live\"`, no running daemon, and a webhook verified within 7 days.\n\
                            Examples:\n  carebell db go-live\n  carebell db go-live --yes --waive-inbound \
                            \"email only, STOP comes by phone\" --by \"A. Ngozi\""
    )]
    GoLive(GoLive),
}

#[derive(Debug, clap::Args)]
pub(super) struct Status {
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, clap::Args)]
pub(super) struct GoLive {
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Go live although no webhook can hear a STOP, for this reason; it is recorded
    #[arg(long, value_name = "REASON", requires = "by", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    waive_inbound: Option<String>,
    /// Who decides; it is recorded
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

pub(super) fn run(action: &Action, context: &Context) -> Result<(), Failure> {
    match action {
        Action::Status(args) => show(args, context),
        Action::Migrate => migrate(context),
        Action::GoLive(args) => opened(context, async |app| go_live(args, app, context).await),
    }
}

/// What `db status` answers. It looks at a database of any version, so it does not open the installation.
#[derive(Debug, Serialize)]
struct Shown {
    engine: &'static str,
    place: String,
    schema: MigrationStatus,
    id: Option<String>,
    mode: Option<String>,
    host: Option<String>,
    live_since: Option<When>,
}

fn place(config: &Config) -> String {
    match config.database.engine() {
        Engine::Sqlite => sqlite_file(config).display().to_string(),
        Engine::Postgres => without_password(&config.database.url),
    }
}

fn show(args: &Status, context: &Context) -> Result<(), Failure> {
    let loaded = context.load()?;
    must_exist(&loaded.config)?;
    context.block_on(async {
        let store = open_store(&loaded, &SharedRng::from_os()).await?;
        let schema = store.migration_status().await?;
        let mut shown = Shown {
            engine: store.engine().word(),
            place: place(&loaded.config),
            schema,
            id: None,
            mode: None,
            host: None,
            live_since: None,
        };
        if schema.applied > 0 {
            let mut tx = store.read().await?;
            let since = meta::get(&mut tx, fact::LIVE_SINCE_MS).await?;
            shown.id = meta::get(&mut tx, fact::DATABASE_ID).await?;
            shown.mode = meta::get(&mut tx, fact::MODE).await?;
            shown.host = meta::get(&mut tx, fact::HOST).await?;
            shown.live_since =
                since.and_then(|ms| ms.parse().ok()).map(|ms| When::new(UtcMs(ms), None));
        }
        store.close().await;
        if args.form.json {
            return context.output.json(&shown);
        }
        let MigrationStatus { applied, known } = shown.schema;
        let said = |value: Option<String>| value.unwrap_or_else(|| "not stamped yet".to_owned());
        let mut rows = vec![
            ["database", &format!("{}, {}", shown.engine, shown.place)].map(str::to_owned).to_vec(),
            vec!["schema".to_owned(), format!("{applied}, this binary knows {known}")],
            vec!["mode".to_owned(), said(shown.mode)],
            vec!["host".to_owned(), said(shown.host)],
            vec!["id".to_owned(), said(shown.id)],
        ];
        rows.extend(shown.live_since.map(|at| vec!["live since".to_owned(), at.to_string()]));
        context.output.table(&["what", "how it stands"], &rows)
    })
}

fn migrate(context: &Context) -> Result<(), Failure> {
    let loaded = context.load()?;
    context.block_on(async {
        let store = open_store(&loaded, &SharedRng::from_os()).await?;
        let before = store.migration_status().await?.applied;
        store.migrate().await?;
        let after = store.migration_status().await?.applied;
        store.close().await;
        context.output.print(&if before == after {
            format!("the schema is at {after} already")
        } else {
            format!("the schema went from {before} to {after}")
        })
    })
}

/// What shows that a patient's STOP is heard.
#[derive(Debug, PartialEq, Eq)]
enum Hearing {
    /// Every channel that patients can answer had a verified callback lately.
    Verified,
    /// Not so; why.
    Not(String),
}

/// Whether STOP is heard. `verified` holds each answerable channel's name with its last verified callback.
fn hearing(config: &Config, verified: &[(&str, Option<UtcMs>)], now: UtcMs) -> Hearing {
    if verified.is_empty() {
        return Hearing::Not("no channel with a webhook (WhatsApp, Twilio) is configured".into());
    }
    if !config.http.public_url.starts_with("https://") {
        return Hearing::Not("http.public_url is not an https URL".into());
    }
    let recent = |at: &Option<UtcMs>| at.is_some_and(|at| now.since(at) <= HEARD_WITHIN_MS);
    match verified.iter().find(|(_, at)| !recent(at)) {
        Some((channel, _)) => Hearing::Not(format!(
            "no callback of {channel} was verified within 7 days at {}/webhooks/{channel}",
            config.http.public_url
        )),
        None => Hearing::Verified,
    }
}

async fn heard(app: &App, tx: &mut Tx) -> Stored<Hearing> {
    let mut verified = Vec::new();
    for (name, _) in app.config.channels.iter().filter(|(_, kind)| kind.hears()) {
        let key = format!("{}{name}", fact::WEBHOOK_VERIFIED_MS);
        let at = meta::get(tx, &key).await?.and_then(|ms| ms.parse().ok()).map(UtcMs);
        verified.push((name, at));
    }
    Ok(hearing(&app.config, &verified, app.clock.now()))
}

/// What going live did.
#[derive(Debug, Serialize)]
struct Went {
    reminders_cancelled: u64,
    messages_cancelled: u64,
    attempts_ended: u64,
    receipts_dropped: u64,
    callbacks_dropped: u64,
    tasks_closed: u64,
    #[serde(flatten)]
    forgotten: Forgotten,
    patients_woken: u64,
    inbound_waived: Option<String>,
}

/// The move itself, design.md section 8. The caller's transaction makes it all or nothing.
async fn move_to_live(
    app: &App,
    tx: &mut Tx,
    args: &GoLive,
    waived: Option<&String>,
) -> Stored<Went> {
    let now = app.clock.now();
    let heard = meta::get(tx, fact::HEARD_LIVE_SINCE_MS).await?;
    let heard_since = heard.and_then(|ms| ms.parse().ok()).map_or(now, UtcMs);
    let went = Went {
        reminders_cancelled: reminders::go_live(tx, now).await?,
        messages_cancelled: messages::go_live(tx, now).await?,
        attempts_ended: attempts::go_live(tx, now).await?,
        receipts_dropped: receipts::go_live(tx).await?,
        callbacks_dropped: inbound::go_live(tx, heard_since).await?,
        tasks_closed: tasks::go_live(tx).await?,
        forgotten: patients::forget_learned(tx, heard_since, now).await?,
        patients_woken: {
            reach::forget(tx, heard_since, WINDOW_MS).await?;
            templates::forget(tx).await?;
            media::forget(tx).await?;
            invites::forget(tx).await?;
            spending::go_live(tx).await?;
            patients::disturb_all(tx, now).await?
        },
        inbound_waived: waived.cloned(),
    };
    activities::set_reminders_from(tx, now).await?;
    meta::set(tx, fact::MODE, Mode::Live.word()).await?;
    meta::set(tx, fact::HOST, &host_name()).await?;
    meta::set(tx, fact::LIVE_SINCE_MS, &now.0.to_string()).await?;
    let subject = meta::get(tx, fact::DATABASE_ID).await?.unwrap_or_default();
    let detail = serde_json::json!(went).to_string();
    let actor = args.by.as_deref().unwrap_or("operator");
    let act = Act { actor, action: "db.go-live", subject: &subject, detail: &detail };
    audit(tx, &mut app.rng.fork(), &act, now).await?;
    Ok(went)
}

async fn go_live(args: &GoLive, app: &App, context: &Context) -> Result<(), Failure> {
    if app.config.mode != Mode::Live {
        return Err(Failure::new(
            Exit::Failed,
            "the configuration says mode = \"sandbox\"",
            "set mode = \"live\" with the real channels first; carebell check tells what is missing",
        ));
    }
    must_know_the_time(app).await?;
    let mut tx = app.store.read().await?;
    let waived = may_go_live(args, app, &mut tx).await?;
    drop(tx);
    if !args.yes {
        confirm(context, "From now on messages reach people.", "live", "going live")?;
    }
    let mut tx = app.store.write().await?;
    // Asked again: the answer may have taken its time.
    may_go_live(args, app, &mut tx).await?;
    let went = move_to_live(app, &mut tx, args, waived.as_ref()).await?;
    tx.commit().await?;
    context.output.print(&told(&went))
}

/// Everything that stands in the way; gives the waiver that is made use of.
async fn may_go_live(args: &GoLive, app: &App, tx: &mut Tx) -> Result<Option<String>, Failure> {
    let mode = meta::get(tx, fact::MODE).await?.unwrap_or_default();
    if mode != Mode::Sandbox.word() {
        let message = format!("the database is stamped {mode}: only a sandbox can go live");
        return Err(Failure::new(Exit::Failed, message, "carebell db status shows the stamp"));
    }
    if let Some(one) = alive(tx).await?.first() {
        let message = format!("a daemon is running on {}, process {}", one.host, one.pid);
        let fix =
            "stop it first, and wait a minute if it crashed: it would go on by the sandbox's rules";
        return Err(Failure::new(Exit::Failed, message, fix));
    }
    match (heard(app, tx).await?, &args.waive_inbound) {
        (Hearing::Verified, _) => Ok(None),
        (Hearing::Not(_), Some(reason)) => Ok(Some(reason.clone())),
        (Hearing::Not(why), None) => Err(Failure::new(
            Exit::Failed,
            format!("a patient's STOP would not be heard: {why}"),
            "start the daemon with mode = \"live\" (it holds until go-live) and let the provider call its \
             webhook; or record why not with --waive-inbound REASON --by NAME",
        )),
    }
}

fn told(went: &Went) -> String {
    let mut text = "The database is live.\n".to_owned();
    for (count, what) in [
        (went.reminders_cancelled, "reminders of the sandbox are cancelled and never come back"),
        (went.messages_cancelled, "messages of the sandbox are cancelled"),
        (went.attempts_ended, "open attempts are ended"),
        (went.receipts_dropped, "unmatched receipts are dropped"),
        (went.callbacks_dropped, "unread callbacks are dropped"),
        (went.tasks_closed, "tasks of the sandbox are closed"),
        (went.forgotten.contacts, "contact points count as good again"),
        (went.forgotten.consents, "decisions that came by reply or provider are deleted"),
        (went.patients_woken, "patients are woken at the daemon's next start"),
    ] {
        text += &wrapped(&format!("{count} {what}"), 2);
    }
    if let Some(reason) = &went.inbound_waived {
        text += &wrapped(&format!("Hearing a STOP was waived: {reason}"), 2);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, User};

    #[test]
    fn stop_is_heard_only_where_every_answerable_channel_was_verified_lately() {
        let environment = Environment {
            variables: [("CAREBELL_STATE_DIR".to_owned(), "/nowhere".to_owned())].into(),
            working_dir: "/nowhere".into(),
            system_dir: "/nowhere".into(),
            user: User::Other,
        };
        let mut config = crate::config::load(None, &environment).unwrap().config;
        let now = UtcMs(100 * DAY_MS);
        let (fresh, stale) = (Some(UtcMs(93 * DAY_MS)), Some(UtcMs(93 * DAY_MS - 1)));
        let deaf =
            |config: &Config, facts: &[_]| matches!(hearing(config, facts, now), Hearing::Not(_));
        assert!(deaf(&config, &[("twilio", fresh)]));
        config.http.public_url = "https://carebell.example.org".to_owned();
        assert!(deaf(&config, &[]));
        assert!(deaf(&config, &[("twilio", None)]));
        assert!(deaf(&config, &[("twilio", stale)]));
        assert!(deaf(&config, &[("twilio", fresh), ("whatsapp", None)]));
        assert_eq!(hearing(&config, &[("twilio", fresh)], now), Hearing::Verified);
    }
}
