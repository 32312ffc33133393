//! `carebell channels templates`: what providers list beside what programmes mean.

use super::app::App;
use super::{Context, Failure, Form, jobs};
use crate::care::{HeldTemplate, ListedTemplate};
use crate::jobs::Job;
use crate::store::{Result as Stored, templates};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ask the providers now, as the job `templates-sync` does at every start and every hour
    #[arg(long)]
    sync: bool,
    #[command(flatten)]
    form: Form,
}

/// One template in one language.
#[derive(Debug, Serialize)]
struct Line {
    channel: String,
    name: String,
    language: String,
    /// What the provider lists; absent: it has none of this name.
    listed: Option<ListedTemplate>,
    /// Why messages do not go by it, by programme; empty: they do, or none uses it.
    held: BTreeMap<String, String>,
}

pub(super) async fn run(args: &Args, app: &App, context: &Context) -> Result<(), Failure> {
    if args.sync {
        jobs::run_quietly(Job::TemplatesSync, app).await?;
    }
    let lines = gather(app).await?;
    if args.form.json {
        return context.output.json(&lines);
    }
    if lines.is_empty() {
        return context.output.print(
            "no template is listed: name business_account_id under [channels.whatsapp], then --sync",
        );
    }
    context.output.table(&["template", "how it stands"], &lines.iter().map(row).collect::<Vec<_>>())
}

async fn gather(app: &App) -> Stored<Vec<Line>> {
    let mut tx = app.store.read().await?;
    let mut lines: BTreeMap<(String, String, String), Line> = BTreeMap::new();
    let line = |channel: &str, name: &str, language: &str| Line {
        channel: channel.to_owned(),
        name: name.to_owned(),
        language: language.to_owned(),
        listed: None,
        held: BTreeMap::new(),
    };
    for channel in app.channels.iter() {
        for listed in templates::listed(&mut tx, channel.name()).await? {
            let mut one = line(channel.name(), &listed.name, &listed.language);
            let key = (one.channel.clone(), one.name.clone(), one.language.clone());
            one.listed = Some(listed);
            lines.insert(key, one);
        }
    }
    for HeldTemplate { channel, programme, name, language, why } in
        templates::held(&mut tx, app.clock.now()).await?
    {
        let key = (channel.clone(), name.clone(), language.clone());
        let one = lines.entry(key).or_insert_with(|| line(&channel, &name, &language));
        one.held.insert(programme, why);
    }
    Ok(lines.into_values().collect())
}

/// A template that is held for one reason, with all that it is held for.
pub(super) struct Held {
    /// Which, and where.
    pub(super) place: String,
    /// Whose messages do not go by it.
    pub(super) what: String,
    /// Why, with the fix.
    pub(super) why: String,
}

/// What is held, languages and programmes together.
pub(super) fn together(held: Vec<HeldTemplate>) -> Vec<Held> {
    let mut by_reason: BTreeMap<_, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for HeldTemplate { channel, programme, name, language, why } in held {
        let (languages, programmes) = by_reason.entry((channel, name, why)).or_default();
        languages.insert(language);
        programmes.insert(programme);
    }
    let list = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(", ");
    by_reason
        .into_iter()
        .map(|((channel, name, why), (languages, programmes))| Held {
            place: format!("template {name} of {channel} in {}", list(languages)),
            what: format!("messages of {} do not go by it", list(programmes)),
            why,
        })
        .collect()
}

fn row(line: &Line) -> Vec<String> {
    let mut how = match &line.listed {
        None => "not listed".to_owned(),
        Some(listed) => {
            let ttl =
                listed.ttl_seconds.map_or_else(|| "no TTL".to_owned(), |s| format!("TTL {s} s"));
            let ListedTemplate { status, category, quality, parameters, buttons, .. } = listed;
            let buttons = match buttons {
                0 => String::new(),
                buttons => format!("{buttons} buttons, "),
            };
            format!("{status}, {category}, {quality}, {parameters} parameters, {buttons}{ttl}")
        }
    };
    let mut reasons: Vec<&String> = line.held.values().collect();
    reasons.dedup();
    for why in reasons {
        how = format!("{how}; held: {why}");
    }
    vec![format!("{} {} {}", line.channel, line.name, line.language), how]
}
