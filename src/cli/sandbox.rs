//! `carebell sandbox`: the provider stand-in as a process of its own, until SIGINT or SIGTERM.

use super::signals::EndSignals;
use super::{Context, Exit, Failure};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::message::{Catalogue, Programmes};
use crate::sandbox::{Sandbox, SandboxConfig, Template};
use crate::zones::Zones;
use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The daemon's webhooks unless told otherwise: `http.listen`'s default.
const CALLBACK: &str = "http://127.0.0.1:8480";

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  carebell sandbox --ledger /tmp/ledger.ndjson\n  carebell sandbox --http \
                  127.0.0.1:0 --smtp 127.0.0.1:0 --json\n  carebell sandbox config >> carebell.toml"
)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    places: Places,
    /// Keep every accepted message in this file, synced before it is answered
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Accounts, receipts and people, as TOML or JSON
    #[arg(long = "settings", value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Print the addresses as one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the lines of carebell.toml that point every channel at the sandbox
    #[command(after_help = "Example: carebell sandbox config >> carebell.toml")]
    Config(Places),
}

#[derive(Debug, clap::Args)]
struct Places {
    /// Where Meta's and Twilio's HTTP is spoken; port 0 lets the system choose [default: 127.0.0.1:8490]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// Where SMTP is spoken [default: 127.0.0.1:2525]
    #[arg(long, value_name = "ADDRESS")]
    smtp: Option<SocketAddr>,
    /// Where the daemon takes webhooks [default: http://127.0.0.1:8480]
    #[arg(long, value_name = "URL")]
    callback: Option<String>,
}

impl Places {
    fn lay_over(&self, config: &mut SandboxConfig) {
        config.http = self.http.unwrap_or(config.http);
        config.smtp = self.smtp.unwrap_or(config.smtp);
        config.callback_url = self.callback.clone().or(config.callback_url.take());
    }
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    if let Some(Action::Config(places)) = &args.action {
        let mut config = base();
        places.lay_over(&mut config);
        return context.output.print(&fragment(&config));
    }
    let mut config = match &args.settings {
        Some(file) => settings(file)?,
        None => base(),
    };
    args.places.lay_over(&mut config);
    config.ledger = args.ledger.clone().or(config.ledger);
    add_templates(&mut config, &context.load()?.config)?;
    context.block_on(serve(config, args, context))
}

/// Addresses that do not change from start to start, so that `sandbox config` fits.
fn base() -> SandboxConfig {
    SandboxConfig {
        http: ([127, 0, 0, 1], 8490).into(),
        smtp: ([127, 0, 0, 1], 2525).into(),
        callback_url: Some(CALLBACK.to_owned()),
        ..SandboxConfig::default()
    }
}

fn settings(file: &Path) -> Result<SandboxConfig, Failure> {
    let unusable = |why: String| {
        Failure::new(
            Exit::BadConfiguration,
            format!("{} cannot be used: {why}", file.display()),
            "write it as TOML (or as .json) with keys such as http, smtp, callback_url, receipts, people",
        )
    };
    let text = std::fs::read_to_string(file).map_err(|fault| unusable(fault.to_string()))?;
    let is_json = file.extension().is_some_and(|extension| extension == "json");
    let parsed = if is_json {
        serde_json::from_str(&text).map_err(|fault| fault.to_string())
    } else {
        toml::from_str(&text).map_err(|fault| fault.message().to_owned())
    };
    let mut given: serde_json::Map<String, serde_json::Value> = parsed.map_err(unusable)?;
    let base = base();
    for (key, value) in [
        ("http", json!(base.http)),
        ("smtp", json!(base.smtp)),
        ("callback_url", json!(base.callback_url)),
    ] {
        given.entry(key).or_insert(value);
    }
    serde_json::from_value(given.into()).map_err(|fault| unusable(fault.to_string()))
}

/// The templates that the programmes name count as approved, unless the settings say more of them.
fn add_templates(config: &mut SandboxConfig, house: &Config) -> Result<(), Failure> {
    let zones = Zones::open(house.zones.folder()).context("failed to read the zone rules")?;
    let overlay = Some(house.schedules.dir.as_path()).filter(|dir| dir.exists());
    let programmes = Catalogue::load(overlay)
        .and_then(|catalogue| Programmes::load(overlay, &zones, &catalogue))
        .map_err(|problems| super::app::catalogue_failure(&problems))?;
    let known: Vec<String> = config.whatsapp.templates.keys().cloned().collect();
    for used in programmes.iter().flat_map(|programme| programme.whatsapp_templates.values()) {
        if known.contains(&used.name) {
            continue;
        }
        let template = config.whatsapp.templates.entry(used.name.clone()).or_insert(Template {
            parameters: used.parameters.len(),
            ttl_seconds: Some(used.ttl_seconds),
            buttons: used.buttons.iter().map(|press| press.word().to_owned()).collect(),
            header: used.header.map(|kind| kind.word().to_uppercase()).unwrap_or_default(),
            ..Template::default()
        });
        template.languages.extend(used.languages.values().cloned());
    }
    Ok(())
}

async fn serve(config: SandboxConfig, args: &Args, context: &Context) -> Result<(), Failure> {
    // One TLS provider for the process; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut signals = EndSignals::listen()?;
    let sandbox = Sandbox::start(config, Arc::new(SystemClock)).await.map_err(|fault| {
        let fix = "use free loopback addresses; port 0 lets the system choose";
        Failure::new(Exit::Failed, fault.to_string(), fix)
    })?;
    let (http, smtp) = (sandbox.http_addr().to_string(), sandbox.smtp_addr().to_string());
    context.output.print(&if args.json {
        json!({"http": http, "smtp": smtp}).to_string()
    } else {
        format!("WhatsApp and Twilio at http://{http}, SMTP at {smtp}; Ctrl-C ends it")
    })?;
    signals.heard().await;
    sandbox.stop().await;
    Ok(())
}

fn fragment(config: &SandboxConfig) -> String {
    let (whatsapp, twilio) = (&config.whatsapp, &config.twilio);
    let sender = twilio.senders.first().map_or("", String::as_str);
    let callback = config.callback_url.as_deref().unwrap_or(CALLBACK);
    let lists = |one: &str| json!([one]);
    format!(
        "# Points every channel at `carebell sandbox`. These secrets are the stand-in's, and public.\n\
         [http]\npublic_url = {}\n\n\
         [channels.whatsapp]\nbase_url = {}\nphone_number_id = {}\nbusiness_account_id = {}\naccess_token = {}\napp_secrets = {}\n\
         verify_token = \"sandbox-verify-token\"\n\n\
         [channels.twilio]\nbase_url = {}\naccount_sid = {}\nauth_tokens = {}\nfrom = {}\n\
         segments_per_second = 60.0\n\n\
         [channels.email]\nurl = {}\nfrom = \"Carebell <carebell@example.org>\"\n",
        json!(callback),
        json!(format!("http://{}/v25.0", config.http)),
        json!(whatsapp.phone_number_id),
        json!(whatsapp.business_account_id),
        json!(whatsapp.access_token),
        lists(&whatsapp.app_secret),
        json!(format!("http://{}", config.http)),
        json!(twilio.account_sid),
        lists(&twilio.auth_token),
        json!(sender),
        json!(format!("smtp://{}", config.smtp)),
    )
}
