//! `carebell check`: is this installation fit to run? A list of checks, each yielding problems with place and
//! fix. It reads only, sends nothing and needs no running daemon.

use super::app::{MASTER_KEY_FILE, build_channels, catalogue_problems, connect, sqlite_file};
use super::templates::{Held, together};
use super::{Context, Exit, Failure, Form, Tone, jobs, media, printable, wrapped};
use crate::care::hold::Scope;
use crate::channel::{ChannelConfigError, Channels};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Effective, Engine, Loaded, Mode, Problem};
use crate::message::{Catalogue, Prices, Programmes};
use crate::security::{Keyring, MasterKeyError, SharedRng, WhenMissing, load_or_create_master_key};
use crate::store::meta::{self, fact};
use crate::store::{MigrationStatus, Result as Stored, Store, holds, templates};
use crate::zones::Zones;
use serde::Serialize;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    form: Form,
}

/// One check of a valid configuration: its name, and what it finds.
struct Check {
    name: &'static str,
    look: fn(&Context, &Loaded) -> Found,
}

/// In the order in which a person would put things right.
const CHECKS: &[Check] = &[
    Check { name: "state folder", look: |_, loaded| state_folder(loaded).into() },
    Check { name: "secrets", look: |_, loaded| secrets(loaded).into() },
    Check { name: "programmes, texts and prices", look: |_, loaded| programmes(loaded).into() },
    Check { name: "jobs", look: |_, loaded| jobs::problems(&loaded.config.schedules.dir).into() },
    Check {
        name: "channels",
        look: |_, loaded| channels(loaded).err().into_iter().collect::<Vec<_>>().into(),
    },
    Check { name: "media", look: |_, loaded| media(loaded) },
    Check { name: "master key and database", look: database },
];

/// What a check found.
#[derive(Debug, Default, Serialize)]
struct Found {
    problems: Vec<Problem>,
    /// Worth knowing; no fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl From<Vec<Problem>> for Found {
    fn from(problems: Vec<Problem>) -> Self {
        Self { problems, note: None }
    }
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    #[serde(flatten)]
    found: Found,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let finding = |check, found| Finding { check, found };
    let (findings, exit) =
        match crate::config::load(context.config.as_deref(), &context.environment) {
            Err(problems) => {
                (vec![finding("configuration", problems.0.into())], Exit::BadConfiguration)
            }
            Ok(loaded) => {
                let mut findings = vec![finding("configuration", Found::default())];
                let looks = CHECKS.iter();
                findings
                    .extend(looks.map(|check| finding(check.name, (check.look)(context, &loaded))));
                (findings, Exit::Failed)
            }
        };
    if args.form.json {
        context.output.json(&findings)?;
    } else {
        context.output.print(&findings.iter().map(|one| text(one, context)).collect::<String>())?;
    }
    if findings.iter().all(|one| one.found.problems.is_empty()) {
        Ok(())
    } else {
        Err(Failure::Answered(exit))
    }
}

fn text(finding: &Finding, context: &Context) -> String {
    let Found { problems, note } = &finding.found;
    let (tone, word) =
        if problems.is_empty() { (Tone::Good, "ok    ") } else { (Tone::Bad, "failed") };
    let mut text = format!("{}  {}\n", context.output.paint(tone, word), finding.check);
    if let Some(line) = note {
        text += &wrapped(&printable(line), 8);
    }
    for problem in problems {
        text += &wrapped(&printable(&format!("{}: {}", problem.place, problem.what)), 8);
        text += &wrapped(&printable(&format!("fix: {}", problem.fix)), 10);
    }
    text
}

/// The schedules folder over the copy in the binary, read as the daemon reads it.
fn programmes(loaded: &Loaded) -> Vec<Problem> {
    let prices = Prices::load(loaded.config.schedules.overlay()).err().unwrap_or_default();
    let mut problems = read_programmes(loaded).err().unwrap_or_default();
    problems.extend(catalogue_problems(&prices));
    problems
}

fn read_programmes(loaded: &Loaded) -> Result<(Catalogue, Programmes), Vec<Problem>> {
    let overlay = loaded.config.schedules.overlay();
    let zones = Zones::open(loaded.config.zones.folder()).map_err(|fault| {
        let place = format!("{}: zones.folder", loaded.origin("zones.folder"));
        vec![Problem::new(place, fault.to_string(), "write the file, or leave the key out")]
    })?;
    Catalogue::load(overlay)
        .and_then(|catalogue| {
            let programmes = Programmes::load(overlay, &zones, &catalogue)?;
            Ok((catalogue, programmes))
        })
        .map_err(|problems| catalogue_problems(&problems))
}

/// What only building a channel shows: addresses that sandbox mode refuses, missing root certificates.
fn channels(loaded: &Loaded) -> Result<Channels, Problem> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Nothing is sent: any key will do, and the master key is not touched.
    let keys = Keyring::new(&[0; 32]);
    build_channels(&loaded.config, keys.tokens()).map_err(|fault: ChannelConfigError| {
        Problem::new("channels", fault.to_string(), "correct the key, or leave the channel out")
    })
}

/// Material that a channel would refuse. What cannot be read of programmes or channels is told by their own checks.
fn media(loaded: &Loaded) -> Found {
    let (Ok((catalogue, programmes)), Ok(channels)) = (read_programmes(loaded), channels(loaded))
    else {
        return Found::default();
    };
    let bare = media::uncovered(&programmes, &catalogue);
    let note = (!bare.is_empty()).then(|| format!("words alone go out for {}", bare.join("; ")));
    Found { problems: media::problems(&programmes, &channels), note }
}

/// Opens what is there, and makes nothing: not the folder, not the key, not the database.
fn database(context: &Context, loaded: &Loaded) -> Found {
    let config = &loaded.config;
    let file = sqlite_file(config);
    if config.database.engine() == Engine::Sqlite && !file.exists() {
        let note = Some(format!("{} will be made at the first start", file.display()));
        return Found { problems: Vec::new(), note };
    }
    let key = config.state_dir.join(MASTER_KEY_FILE);
    let credential = loaded.master_key_credential.as_deref();
    let rng = &mut SharedRng::from_os().fork();
    let master = match load_or_create_master_key(credential, &key, WhenMissing::Refuse, rng) {
        Ok(master) => master,
        Err(MasterKeyError::Missing { .. }) if config.database.engine() == Engine::Postgres => {
            let note = format!(
                "{} is not there: the first daemon on this database makes it, others need a copy",
                key.display()
            );
            return Found { problems: Vec::new(), note: Some(note) };
        }
        Err(fault) => {
            let fix = "see Backup in the README";
            let place = credential.unwrap_or(&key).display().to_string();
            return vec![Problem::new(place, fault.to_string(), fix)].into();
        }
    };
    let keys = Keyring::new(&master);
    let looked = context.block_on(async {
        let store = connect(config, keys).await?;
        let found = look(&store, config.mode).await;
        store.close().await;
        Ok(found?)
    });
    looked.unwrap_or_else(|failure| {
        let what = match failure {
            Failure::Told { message, .. } => message,
            _ => "cannot be opened".to_owned(),
        };
        let fix = "is the server up, and may this user use it?";
        vec![Problem::new(place_of(config), what, fix)].into()
    })
}

fn place_of(config: &Config) -> String {
    match config.database.engine() {
        Engine::Sqlite => sqlite_file(config).display().to_string(),
        Engine::Postgres => "database.url".to_owned(),
    }
}

async fn look(store: &Store, mode: Mode) -> Stored<Found> {
    let MigrationStatus { applied, known } = store.migration_status().await?;
    let problem = |what: String, fix: &str| Found::from(vec![Problem::new("database", what, fix)]);
    if applied > known {
        let what = format!("its schema is {applied}, this binary knows {known}");
        return Ok(problem(what, "use the binary that the daemon runs"));
    }
    if applied < known {
        let note = Some(format!("its schema goes from {applied} to {known} at the next start"));
        return Ok(Found { problems: Vec::new(), note });
    }
    let refused = store.refused_statements().await?;
    if let Some((name, why)) = refused.first() {
        let what = format!("{} statements are refused, {name} first: {why}", refused.len());
        return Ok(problem(what, "was the schema changed by hand? restore it from a backup"));
    }
    let mut tx = store.read().await?;
    let print = meta::get(&mut tx, fact::KEY_FINGERPRINT).await?;
    if print.is_some_and(|print| print != store.keys().fingerprint()) {
        let what = "it was sealed with another master key".to_owned();
        return Ok(problem(what, "restore the master key that belongs to this database"));
    }
    let stamped = meta::get(&mut tx, fact::MODE).await?;
    if let Some(stamped) = stamped.filter(|stamped| stamped != mode.word()) {
        let what = format!("it is stamped {stamped}, the configuration says {}", mode.word());
        let fix = if stamped == "demo" {
            "use another state_dir: a demo database can never be used for patients"
        } else {
            "carebell db go-live moves a database from sandbox to live"
        };
        return Ok(problem(what, fix));
    }
    let now = SystemClock.now();
    let holds: Vec<_> =
        holds::all(&mut tx).await?.into_iter().filter(|hold| hold.holds_at(now)).collect();
    if let Some(hold) = holds.iter().find(|hold| hold.scope == Scope::Restored) {
        return Ok(problem(hold.to_string(), "carebell reconcile lists what may have been lost"));
    }
    let said: Vec<String> = holds.iter().map(ToString::to_string).collect();
    let held = together(templates::held(&mut tx, now).await?).into_iter();
    let problems = held.map(|Held { place, what, why }| Problem::new(place, what, why)).collect();
    Ok(Found { problems, note: (!said.is_empty()).then(|| said.join("; ")) })
}

/// The folder that holds the database and the master key is the daemon's alone.
fn state_folder(loaded: &Loaded) -> Vec<Problem> {
    let folder = &loaded.config.state_dir;
    let place = folder.display().to_string();
    match std::fs::metadata(folder) {
        // The first start makes it.
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(fault) => {
            let what = format!("cannot be looked at: {fault}");
            vec![Problem::new(place, what, "run this as the daemon's user")]
        }
        Ok(found) if !found.is_dir() => {
            vec![Problem::new(place, "is no folder", "move the file away, or set state_dir")]
        }
        Ok(found) => {
            let mode = found.permissions().mode() & 0o777;
            let open = (mode & 0o077 != 0).then(|| {
                Problem::new(
                    &place,
                    format!("is open to others (mode {mode:o})"),
                    format!("chmod 700 {place}"),
                )
            });
            open.into_iter().collect()
        }
    }
}

/// A file with secrets may be read by its owner and group only.
fn secrets(loaded: &Loaded) -> Vec<Problem> {
    let mut problems: Vec<Problem> = loaded
        .effective()
        .into_iter()
        .filter(Effective::is_secret)
        .filter_map(|one| {
            let mode = std::fs::metadata(Path::new(&one.origin)).ok()?.permissions().mode() & 0o777;
            (mode & 0o007 != 0).then(|| {
                Problem::new(
                    &one.origin,
                    format!("holds {} and may be read by anybody (mode {mode:o})", one.key),
                    format!("chmod 640 {}, or hand the secret over as a credential", one.origin),
                )
            })
        })
        .collect();
    problems.dedup_by(|a, b| a.place == b.place);
    problems
}
