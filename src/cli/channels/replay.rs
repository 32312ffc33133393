//! `carebell channels replay`: what stored callbacks say, without a database or a network.

use crate::channel::{Callback, Channel, ChannelConfigError, Channels, Reject};
use crate::cli::{Context, Exit, Failure};
use crate::config::{ChannelsConfig, Config, KindConfig, Mode, read_channels};
use crate::security::Keyring;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where callbacks come in when nothing else is said.
const ORIGIN: &str = "https://replay.invalid";
/// A secret that signs nothing: without a real one every signature is wrong.
const NO_SECRET: &str = "none";
/// The name of a channel that is made to read callbacks.
const NAME: &str = "replay";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Prints one JSON line a callback: {\"file\", \"signature\": valid|invalid|absent, \
                        \"events\": [...]}. It shows what patients wrote; nothing is sent, stored or changed.\n\
                        What is signed wrongly has no events, as the webhook would turn it away.\n\
                        Examples:\n  \
                        carebell channels replay --channel twilio --url 'https://bell.example.org/webhooks/twilio' \\\n    \
                        --header 'X-Twilio-Signature: ...' --secret \"$TOKEN\" callback.form\n  \
                        carebell channels replay --index webhooks/index.json"
)]
pub(in crate::cli) struct Args {
    /// A configured channel, or a kind: whatsapp, twilio, email, http:PRESET
    #[arg(long, value_name = "KIND", required_unless_present = "index")]
    channel: Option<String>,
    /// Callbacks as they came, byte for byte; what came by GET is an empty file with its --url
    #[arg(value_name = "FILE", required_unless_present = "index")]
    files: Vec<PathBuf>,
    /// A header of the callback; may be given again
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The address that was called, whole
    #[arg(long, value_parser = url)]
    url: Option<Url>,
    /// GET, POST, ... [default: GET for an empty file, else POST]
    #[arg(long)]
    method: Option<String>,
    /// What signatures are checked with, in place of the configured ones; may be given again
    #[arg(long = "secret", value_name = "SECRET")]
    secrets: Vec<String>,
    /// A list of callbacks with their requests, secrets and mappings; files beside it
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as `Name: value`")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(Url::has_host);
    url.ok_or_else(|| "write it whole: https://host/path?query".to_owned())
}

/// A list of callbacks.
#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    files: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    file: PathBuf,
    provider: Option<String>,
    /// How a gateway's callback is read, in the keys of `receipts` or `replies`.
    mapping: Option<Value>,
    request: Option<Request>,
}

#[derive(Deserialize)]
struct Request {
    method: Option<String>,
    url: Option<String>,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// One callback, and by which channel it is read.
struct Replay {
    name: String,
    callback: Callback,
    channel: Arc<dyn Channel>,
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    signature: &'static str,
    events: Vec<Value>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let replays = match &args.index {
        Some(index) => of_index(args, index, context)?,
        None => {
            args.files.iter().map(|file| of_file(args, file, context)).collect::<Result<_, _>>()?
        }
    };
    for replay in replays {
        let line = read(&replay, context);
        let line = serde_json::to_string(&line).map_err(anyhow::Error::from)?;
        context.output.print(&line)?;
    }
    Ok(())
}

fn read<'a>(replay: &'a Replay, context: &Context) -> Line<'a> {
    let Replay { name, callback, channel } = replay;
    let told = |fault: &dyn std::fmt::Display| context.output.say(&format!("{name}: {fault}"));
    let (signature, is_read) = match channel.verify(callback) {
        Ok(_) => ("valid", true),
        Err(Reject::Unsigned) => ("absent", true),
        Err(fault @ Reject::BadSignature) => {
            told(&fault);
            ("invalid", false)
        }
        Err(fault @ Reject::Unexpected) => {
            told(&fault);
            ("valid", false)
        }
    };
    let events = if is_read { channel.events(callback) } else { Ok(Vec::new()) };
    let events = events.unwrap_or_else(|fault| {
        told(&fault);
        Vec::new()
    });
    Line { file: name, signature, events: events.iter().map(crate::channel::Event::told).collect() }
}

fn of_file(args: &Args, file: &Path, context: &Context) -> Result<Replay, Failure> {
    let kind = args.channel.as_deref().unwrap_or_default();
    let body = bytes(file)?;
    let content_type = content_type(file);
    let url = args.url.clone().map_or_else(|| default_url(kind), Ok)?;
    let secrets: Vec<&str> = args.secrets.iter().map(String::as_str).collect();
    let mut headers = args.headers.clone();
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), content_type.to_owned()));
    }
    Ok(Replay {
        name: file.display().to_string(),
        channel: channel(kind, &secrets, None, &url, context)?,
        callback: callback(args.method.as_deref(), &url, headers, body),
    })
}

fn of_index(args: &Args, index: &Path, context: &Context) -> Result<Vec<Replay>, Failure> {
    let fault = |what: &str| {
        let message = format!("{}: {what}", index.display());
        Failure::new(Exit::Usage, message, "give a file of the form of data/webhooks/index.json")
    };
    let list: Index = serde_json::from_slice(&bytes(index)?).map_err(|f| fault(&f.to_string()))?;
    let folder = index.parent().unwrap_or(Path::new("."));
    let wanted = |entry: &&Entry| {
        args.files.is_empty() || args.files.iter().any(|file| file.ends_with(&entry.file))
    };
    let mut replays = Vec::new();
    for entry in list.files.iter().filter(wanted) {
        let provider = entry.provider.as_deref().or(args.channel.as_deref());
        let kind = provider.ok_or_else(|| fault("names no provider: give --channel"))?;
        let path = folder.join(&entry.file);
        let request = entry.request.as_ref();
        let url = match request.and_then(|request| request.url.as_deref()) {
            Some(text) => url(text).map_err(|what| fault(&what))?,
            None => default_url(kind)?,
        };
        let mut headers: Vec<(String, String)> = request
            .iter()
            .flat_map(|request| &request.headers)
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect();
        let said = request.map(|request| request.content_type.as_str());
        let said = said.filter(|said| !said.is_empty()).unwrap_or_else(|| content_type(&path));
        headers.push(("content-type".to_owned(), said.to_owned()));
        let secrets: Vec<&str> = match &args.secrets[..] {
            [] => list.secrets.values().map(String::as_str).collect(),
            given => given.iter().map(String::as_str).collect(),
        };
        let method = request.and_then(|request| request.method.as_deref());
        replays.push(Replay {
            name: entry.file.display().to_string(),
            channel: channel(kind, &secrets, entry.mapping.as_ref(), &url, context)?,
            callback: callback(method, &url, headers, bytes(&path)?),
        });
    }
    Ok(replays)
}

fn bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|fault| {
        let message = format!("{} cannot be read: {fault}", file.display());
        Failure::new(Exit::NotFound, message, "name a readable file")
    })
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("form") => "application/x-www-form-urlencoded",
        Some("eml") => "message/rfc822",
        Some("xml") => "application/xml",
        Some("query") => "",
        _ => "application/json",
    }
}

fn default_url(kind: &str) -> Result<Url, Failure> {
    let text = format!("{ORIGIN}/webhooks/{kind}");
    Url::parse(&text).map_err(|fault| anyhow::Error::from(fault).into())
}

fn callback(
    method: Option<&str>,
    url: &Url,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
) -> Callback {
    let usual = if body.is_empty() { "GET" } else { "POST" };
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    Callback {
        method: method.unwrap_or(usual).to_ascii_uppercase(),
        path_and_query: format!("{}{query}", url.path()),
        headers,
        body,
    }
}

/// The configured channel of a name, unless other secrets are given; else one of a kind, with those.
fn channel(
    kind: &str,
    secrets: &[&str],
    mapping: Option<&Value>,
    url: &Url,
    context: &Context,
) -> Result<Arc<dyn Channel>, Failure> {
    let mut name = kind;
    let is_configured = |config: &Config| config.channels.get(kind).is_some();
    let configured = context.load().map(|loaded| loaded.config);
    let built = match (configured, secrets) {
        (Ok(config), []) if is_configured(&config) => {
            build(&config.channels, &config.http.public_url)
        }
        (configured, secrets) => match (bare(kind, secrets, mapping, context)?, configured) {
            (Some(config), _) => {
                name = NAME;
                build(&config, &url.origin().ascii_serialization())
            }
            (None, Ok(config)) => build(&config.channels, &config.http.public_url),
            (None, Err(fault)) => return Err(fault),
        },
    };
    let built = built.map_err(anyhow::Error::from)?;
    built.by_name(name).cloned().ok_or_else(|| {
        let fix = format!("name a configured channel, or a kind: {}", KindConfig::WORDS.join(", "));
        Failure::new(Exit::NotFound, format!("there is no channel {kind}"), fix)
    })
}

fn build(config: &ChannelsConfig, public_url: &str) -> Result<Channels, ChannelConfigError> {
    // Tokens in addresses are not read: what they are signed with is in the state folder, which is not opened.
    let tokens = Keyring::new(&[0; 32]).tokens().clone();
    Channels::build(config, Mode::Sandbox, public_url, 1, &tokens)
}

/// A channel of a kind that reads callbacks and reaches nobody.
fn bare(
    kind: &str,
    secrets: &[&str],
    mapping: Option<&Value>,
    context: &Context,
) -> Result<Option<ChannelsConfig>, Failure> {
    let none = [NO_SECRET];
    let secrets = if secrets.is_empty() { &none[..] } else { secrets };
    let nobody = "http://127.0.0.1:9";
    let keys = match kind.split_once(':').unwrap_or((kind, "")) {
        ("whatsapp" | "meta-whatsapp", _) => json!({
            "kind": "whatsapp", "phone_number_id": "0", "access_token": NO_SECRET,
            "verify_token": NO_SECRET, "app_secrets": secrets,
        }),
        ("twilio", _) => json!({
            "kind": "twilio", "account_sid": "AC0", "from": "+10000000", "auth_tokens": secrets,
        }),
        ("email", _) => json!({
            "kind": "email", "url": "smtp://127.0.0.1:9",
            "from": "Replay <replay@replay.invalid>", "webhook_secrets": secrets,
        }),
        // Whoever holds the callback may read it: every address may have called.
        ("http" | "generic", preset) => {
            let mut keys = json!({
                "kind": "http", "base_url": nobody, "from": "0",
                "callbacks": { "addresses": ["0.0.0.0/0", "::/0"] },
            });
            if let Some(mapping) = mapping {
                let part = if mapping.get("status").is_some() { "receipts" } else { "replies" };
                keys["request"] = json!({ "path": "/" });
                keys[part] = mapping.clone();
            } else {
                let secret = secrets.first().copied().unwrap_or(NO_SECRET);
                keys["preset"] = json!(preset);
                keys["username"] = json!(NO_SECRET);
                keys["secrets"] = json!({
                    "api_key": secret, "api_secret": secret, "password": secret,
                    "webhook": secret,
                });
            }
            keys
        }
        _ => return Ok(None),
    };
    let table = toml::Table::try_from(json!({ "channels": { NAME: keys } }));
    let table = table.map_err(|fault| {
        let message = format!("the mapping of {kind} cannot be used: {fault}");
        Failure::new(Exit::Usage, message, "leave out what is null")
    })?;
    Ok(Some(read_channels(table, &context.environment)?))
}
