//! Templates held against what their providers list: what does not agree is held before a patient waits for it.

use super::said;
use super::send::DelivererDeps;
use crate::care::ids::TaskId;
use crate::care::programme::WhatsappTemplate;
use crate::care::time::DAY_MS;
use crate::care::{HeldTemplate, ListedTemplate, Reason, UtcMs};
use crate::channel::{Channel, Content, DAILY_LIMIT, TemplateEvent, TemplateNews};
use crate::policy::templates::{
    Fault, fault_of, fault_of_category, fault_of_status, refused_for_ms,
};
use crate::store::attempts::AttemptRow;
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::templates::ChannelStanding;
use crate::store::{Result, Tx, patients, tasks, templates};
use serde::Serialize;
use std::collections::BTreeSet;

/// What asking the providers brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Synced {
    /// Channels whose templates were listed.
    pub listed: Vec<String>,
    /// Templates on those lists, each language counted.
    pub templates: usize,
    /// Templates that are held now, each language and programme counted.
    pub held: usize,
    /// Channels that could not be asked, with what went wrong.
    pub failed: Vec<String>,
}

/// Asks every provider how we stand and what templates there are, and holds what does not agree.
///
/// # Errors
/// When the database fails; a provider that does not answer is told of, and what was known stays.
pub async fn sync(deps: &DelivererDeps) -> Result<Synced> {
    let mut synced = Synced::default();
    for channel in deps.channels.iter() {
        let (health, list) = (channel.probe().await, channel.templates().await);
        let now = deps.clock.now();
        let mut fail = |outcome| {
            tracing::error!(
                channel = channel.name(),
                ?outcome,
                "a provider does not tell how we stand"
            );
            synced.failed.push(format!("{}: {outcome:?}", channel.name()));
        };
        let (health, list) = match (health, list) {
            (Ok(health), Ok(list)) => (health, list),
            (Err(outcome), _) | (_, Err(outcome)) => {
                fail(outcome);
                continue;
            }
        };
        let mut tx = deps.store.write().await?;
        let mut warnings = health.warnings;
        let limit = health.facts.iter().find(|(name, _)| *name == DAILY_LIMIT);
        if let Some(limit) = limit.and_then(|(_, people)| people.parse::<i64>().ok()) {
            let patients = templates::reached(&mut tx, channel.kind()).await?;
            if patients > limit {
                warnings.push(format!(
                    "{patients} patients are to be reached, and the provider lets {limit} be written to a day"
                ));
            }
        }
        for warning in &warnings {
            tracing::warn!(
                channel = channel.name(),
                warning,
                "what a provider says of us will hurt"
            );
        }
        let facts = health.facts.into_iter().map(|(name, value)| (name.to_owned(), value));
        let standing = ChannelStanding {
            channel: channel.name().to_owned(),
            asked_at: now,
            listed_at: list.as_ref().map(|_| now),
            facts: facts.collect(),
            warnings,
        };
        templates::put_standing(&mut tx, &standing).await?;
        if let Some(list) = list {
            templates::put_list(&mut tx, channel.name(), &list, now).await?;
            judge(deps, &mut tx, channel.as_ref(), &list, now).await?;
            synced.listed.push(channel.name().to_owned());
            synced.templates += list.len();
        }
        tx.commit().await?;
    }
    let mut tx = deps.store.read().await?;
    synced.held = templates::held(&mut tx, deps.clock.now()).await?.len();
    drop(tx);
    revive(deps).await?;
    Ok(synced)
}

/// Every template of every programme in each of its languages.
fn wanted(deps: &DelivererDeps) -> impl Iterator<Item = (&str, &WhatsappTemplate, &str)> {
    deps.programmes.iter().flat_map(|programme| {
        programme.whatsapp_templates.values().flat_map(move |template| {
            let codes = template.languages.values();
            codes.map(move |code| (programme.name.as_str(), template, code.as_str()))
        })
    })
}

/// Holds what does not agree with a whole list, and lifts everything else.
async fn judge(
    deps: &DelivererDeps,
    tx: &mut Tx,
    channel: &dyn Channel,
    list: &[ListedTemplate],
    now: UtcMs,
) -> Result<()> {
    let categories = channel.template_categories();
    let of = |name: &str, language: &str| {
        list.iter().find(|one| one.name == name && one.language == language)
    };
    let faults = wanted(deps).filter_map(|(programme, template, code)| {
        let fault = fault_of(template, of(&template.name, code), categories)?;
        Some(held(channel.name(), programme, &template.name, code, &fault))
    });
    let faults: Vec<HeldTemplate> = faults.collect();
    let before = templates::held(tx, now).await?;
    let before: Vec<_> = before.into_iter().filter(|h| h.channel == channel.name()).collect();
    templates::lift_all(tx, channel.name()).await?;
    templates::hold(tx, &faults, None, now).await?;
    tell(deps, tx, &before, &faults, now).await
}

fn held(channel: &str, programme: &str, name: &str, language: &str, fault: &Fault) -> HeldTemplate {
    HeldTemplate {
        channel: channel.to_owned(),
        programme: programme.to_owned(),
        name: name.to_owned(),
        language: language.to_owned(),
        why: fault.to_string(),
    }
}

/// One task for each template that is held, closed when it no longer is.
async fn tell(
    deps: &DelivererDeps,
    tx: &mut Tx,
    before: &[HeldTemplate],
    held: &[HeldTemplate],
    now: UtcMs,
) -> Result<()> {
    let subjects: BTreeSet<String> = held.iter().map(subject).collect();
    for lifted in before.iter().map(subject).filter(|one| !subjects.contains(one)) {
        tasks::close(tx, TaskKind::Channel, &lifted).await?;
    }
    let known: BTreeSet<(String, &str)> =
        before.iter().map(|h| (subject(h), h.why.as_str())).collect();
    for one in held.iter().filter(|one| !known.contains(&(subject(one), one.why.as_str()))) {
        tracing::error!(
            channel = one.channel,
            template = one.name,
            language = one.language,
            why = one.why,
            "a template is held: see the open task"
        );
        let task = NewTask {
            id: TaskId::new(now, &mut deps.rng.fork()),
            patient: None,
            kind: TaskKind::Channel,
            subject: subject(one),
            reason: Reason::TemplateHeld {
                template: one.name.clone(),
                language: one.language.clone(),
                why: one.why.clone(),
            },
            due_at: now.plus_ms(DAY_MS),
        };
        tasks::open(tx, &task, now).await?;
    }
    Ok(())
}

/// What a template's task is about.
fn subject(held: &HeldTemplate) -> String {
    format!("{} {} {}", held.channel, held.name, held.language)
}

/// Heeds news of a template at once. Whether an operator has been told by a task.
///
/// # Errors
/// When the database fails.
pub async fn heed(
    deps: &DelivererDeps,
    tx: &mut Tx,
    channel: &dyn Channel,
    event: &TemplateEvent,
    now: UtcMs,
) -> Result<Told> {
    let mut list = templates::listed(tx, channel.name()).await?;
    let listed =
        list.iter_mut().find(|one| one.name == event.name && one.language == event.language);
    let fault = match &event.news {
        TemplateNews::Status { word, .. } => fault_of_status(of_news(word)),
        TemplateNews::Category { to, .. } => fault_of_category(to, channel.template_categories()),
        TemplateNews::Quality { .. } | TemplateNews::Components => None,
    };
    if let Some(listed) = listed {
        match &event.news {
            TemplateNews::Status { word, .. } => of_news(word).clone_into(&mut listed.status),
            TemplateNews::Category { to, .. } => to.clone_into(&mut listed.category),
            TemplateNews::Quality { to } => to.clone_into(&mut listed.quality),
            TemplateNews::Components => {}
        }
        let changed = [listed.clone()];
        templates::put(tx, channel.name(), &changed, now).await?;
        judge(deps, tx, channel, &list, now).await?;
    } else if matches!(event.news, TemplateNews::Status { .. } | TemplateNews::Category { .. }) {
        // Nobody has listed it: the news alone hold it, or let it go.
        let before = of_template(tx, channel.name(), &event.name, &event.language, now).await?;
        let faults = match &fault {
            Some(fault) => uses(deps, channel.name(), &event.name, &event.language, fault),
            None => Vec::new(),
        };
        templates::lift(tx, channel.name(), &event.name, &event.language).await?;
        templates::hold(tx, &faults, None, now).await?;
        tell(deps, tx, &before, &faults, now).await?;
    }
    let is_used = wanted(deps).any(|(_, t, code)| t.name == event.name && code == event.language);
    let is_settled =
        matches!(event.news, TemplateNews::Status { .. } | TemplateNews::Category { .. });
    Ok(if is_used && is_settled { Told::Yes } else { Told::No })
}

/// Whether an operator was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// By a task, or there is nothing to tell.
    Yes,
    /// Not yet.
    No,
}

/// A state in the words of the list: news have words of their own for being approved again.
fn of_news(word: &str) -> &str {
    match word {
        "REINSTATED" | "UNPAUSED" => "APPROVED",
        other => other,
    }
}

async fn of_template(
    tx: &mut Tx,
    channel: &str,
    name: &str,
    language: &str,
    now: UtcMs,
) -> Result<Vec<HeldTemplate>> {
    let all = templates::held(tx, now).await?;
    let is_it = |h: &HeldTemplate| h.channel == channel && h.name == name && h.language == language;
    Ok(all.into_iter().filter(is_it).collect())
}

/// The programmes that use a template, each with the fault.
fn uses(
    deps: &DelivererDeps,
    channel: &str,
    name: &str,
    language: &str,
    fault: &Fault,
) -> Vec<HeldTemplate> {
    let mut found: Vec<HeldTemplate> = wanted(deps)
        .filter(|(_, template, code)| template.name == name && *code == language)
        .map(|(programme, ..)| held(channel, programme, name, language, fault))
        .collect();
    found.dedup();
    found
}

/// A provider refused a message because of its template: the template is held for a while.
pub(super) async fn refused(
    deps: &DelivererDeps,
    tx: &mut Tx,
    attempt: &AttemptRow,
    code: &str,
    now: UtcMs,
) -> Result<()> {
    let Some(for_ms) = refused_for_ms(code) else { return Ok(()) };
    let Some(outbound) = said::open(tx, deps.store.keys(), attempt).await? else { return Ok(()) };
    let Content::Template { name, language, .. } = outbound.content else { return Ok(()) };
    let fault = Fault::Refused { code: code.to_owned() };
    let before = of_template(tx, &attempt.channel, &name, &language, now).await?;
    // What the list says of it is never shortened by a refusal.
    if !before.is_empty() {
        return Ok(());
    }
    let faults = uses(deps, &attempt.channel, &name, &language, &fault);
    templates::hold(tx, &faults, Some(now.plus_ms(for_ms)), now).await?;
    tell(deps, tx, &[], &faults, now).await
}

/// Wakes patients whose reminders a held template blocked and that are still of use: where it is held no longer, they
/// come back.
///
/// # Errors
/// When the database fails.
pub async fn revive(deps: &DelivererDeps) -> Result<()> {
    let now = deps.clock.now();
    let mut tx = deps.store.write().await?;
    let ids = templates::waiting(&mut tx, now).await?;
    if !ids.is_empty() {
        let ids = patients::lock(&mut tx, &ids).await?;
        patients::disturb(&mut tx, &ids, now).await?;
    }
    tx.commit().await
}
