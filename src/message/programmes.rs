//! The programmes: their settings, read, laid over each other and checked.

use super::Catalogue;
use super::files::{self, CatalogueProblem, FileKind, GENERAL, nearest, problem_at};
use super::render::{Variables, allowed};
use super::template::known_keys;
use crate::care::milestone::{MAX_ALERT_COUNT, Milestone, Window};
use crate::care::programme::{AppointmentLead, WhatsappTemplate};
use crate::care::{Programme, ZoneRules};
use chrono::NaiveTime;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;

/// Meta's limits of `message_send_ttl_seconds` for utility templates, in seconds
/// (<https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/time-to-live>).
const TEMPLATE_TTL_SECONDS: RangeInclusive<u32> = 30..=43_200;
/// Most alerts of a milestone.
const MOST_ALERTS: usize = 16;
/// Longest lead of an appointment, in days.
const MOST_LEAD_DAYS: u32 = 60;

/// All programmes by name.
#[derive(Clone, Debug)]
pub struct Programmes(BTreeMap<String, Programme>);

impl Programmes {
    /// Reads the copy in the binary and lays `overlay` (the folder `schedules.dir`) over it. A key that a
    /// programme does not set is taken from `general`, but for the title.
    ///
    /// # Errors
    /// Every problem found.
    pub fn load(
        overlay: Option<&Path>,
        zones: &dyn ZoneRules,
        catalogue: &Catalogue,
    ) -> Result<Self, Vec<CatalogueProblem>> {
        let mut problems = Vec::new();
        let mut own: BTreeMap<String, (String, toml::Table)> = BTreeMap::new();
        for file in files::read(overlay)? {
            if file.kind != FileKind::Programme {
                continue;
            }
            match parse(&file.text) {
                Ok(table) => {
                    let entry = own.entry(file.programme).or_default();
                    entry.0 = file.shown;
                    lay_over(&mut entry.1, table);
                }
                Err(fault) => {
                    let fix = "see the comments in general/programme.toml";
                    problems.push(problem_at(&file.shown, &file.text, &fault, fix));
                }
            }
        }
        let general = own.get(GENERAL).map(|(_, table)| table.clone()).unwrap_or_default();
        let mut programmes = BTreeMap::new();
        for (name, (file, table)) in own {
            let mut merged = general.clone();
            lay_over(&mut merged, table);
            match merged.try_into::<Programme>() {
                Ok(programme) => {
                    let programme = Programme { name: name.clone(), ..programme };
                    problems.extend(check(&file, &programme, zones, catalogue));
                    programmes.insert(name, programme);
                }
                Err(fault) => problems.push(CatalogueProblem {
                    file,
                    place: "together with general".to_owned(),
                    what: fault.message().to_owned(),
                    fix: "correct the key".to_owned(),
                }),
            }
        }
        if problems.is_empty() { Ok(Self(programmes)) } else { Err(problems) }
    }

    /// The programme of this name.
    pub fn get(&self, name: &str) -> Option<&Programme> {
        self.0.get(name)
    }

    /// All programmes, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Programme> {
        self.0.values()
    }
}

/// A file on its own must be a whole programme; its table keeps only what it says itself.
fn parse(text: &str) -> Result<toml::Table, toml::de::Error> {
    toml::from_str::<Programme>(text)?;
    toml::from_str(text)
}

/// Lays `upper` over `lower`, table by table; a list replaces a list.
fn lay_over(lower: &mut toml::Table, upper: toml::Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => lay_over(below, above),
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

fn check(
    file: &str,
    programme: &Programme,
    zones: &dyn ZoneRules,
    catalogue: &Catalogue,
) -> Vec<CatalogueProblem> {
    let mut problems = Vec::new();
    let mut problem = |key: &str, what: &str, fix: String| {
        let (place, what) = (format!("key {key}"), what.to_owned());
        problems.push(CatalogueProblem { file: file.to_owned(), place, what, fix });
    };
    if programme.sender_name.trim().is_empty() || programme.sender_name.contains(['{', '}', '\n']) {
        let fix = "give a short neutral name in one line".to_owned();
        problem("sender_name", "it signs every text", fix);
    }
    if zones.zone(&programme.zone).is_none() {
        let fix = "give an IANA name such as Africa/Nairobi".to_owned();
        problem("zone", "the zone is not known", fix);
    }
    if let Some(region) = &programme.phone_region
        && region.parse::<phonenumber::country::Id>().is_err()
    {
        let fix = "give two capital letters of ISO 3166, such as KE".to_owned();
        problem("phone_region", "the region is not known", fix);
    }
    if catalogue.texts(&programme.name, &programme.language).is_none() {
        let fix =
            format!("add the texts, or use one of {:?}", catalogue.languages(&programme.name));
        problem("language", "there are no texts in it", fix);
    }
    if programme.channels.is_empty() {
        problem("channels", "there is none", "list at least one".to_owned());
    }
    if programme.budget.is_some_and(|budget| !(1..=100).contains(&budget.warn_percent)) {
        problem("budget.warn_percent", "it is no share", "give 1 to 100".to_owned());
    }
    if programme.budget.is_some_and(|b| b.monthly.is_none() && b.messages.is_none()) {
        let fix = "give monthly, messages, or both".to_owned();
        problem("budget", "it limits nothing", fix);
    }
    for lead in &programme.appointment_leads {
        if !is_usable(lead) {
            let fix = format!(
                "give days (at most {MOST_LEAD_DAYS}) with at = \"HH:MM\", or minutes above 0"
            );
            problem("appointment_leads", "a lead is not usable", fix);
        }
    }
    for (name, protocol) in &programme.protocols {
        let mut names = BTreeSet::new();
        for milestone in protocol {
            let place = format!("protocols.{name}");
            if let Some((what, fix)) = milestone_fault(milestone) {
                problem(&place, what, fix.to_owned());
            }
            if !names.insert(&milestone.name) {
                problem(&place, "two milestones have one name", "rename one".to_owned());
            }
        }
    }
    for times in programme.routine.times_per_day.values().flatten() {
        if NaiveTime::parse_from_str(times, "%H:%M").is_err() {
            let fix = "write HH:MM, from 00:00 to 23:59".to_owned();
            problem("routine.times_per_day", "a time is not readable", fix);
        }
    }
    let keys = known_keys();
    for (key, template) in &programme.whatsapp_templates {
        let place = format!("whatsapp_templates.{key}");
        match keys.iter().find(|(known, _)| known == key) {
            None => {
                let near = nearest(key, keys.iter().map(|(known, _)| known.as_str()));
                let fix =
                    near.map_or("remove it".to_owned(), |near| format!("did you mean {near}?"));
                problem(&place, "there is no such message", fix);
            }
            Some((_, style)) => {
                if let Some((what, fix)) = template_fault(template, allowed(*style)) {
                    problem(&place, what, fix);
                }
            }
        }
    }
    problems
}

/// What makes a milestone of no use.
fn milestone_fault(milestone: &Milestone) -> Option<(&'static str, &'static str)> {
    let has = |window| match window {
        Window::Earliest => milestone.earliest.is_some(),
        Window::Due => milestone.due.is_some(),
        Window::Late => milestone.late.is_some(),
        Window::Max => milestone.max.is_some(),
    };
    let readable = |at: &String| NaiveTime::parse_from_str(at, "%H:%M").is_ok();
    if milestone.name.trim().is_empty() || milestone.name.contains([';', '=', ',']) {
        Some(("a milestone's name is not usable", "give it one without ; , and ="))
    } else if milestone.alerts.len() > MOST_ALERTS {
        Some(("a milestone has more than 16 alerts", "repeat one with every and count"))
    } else if milestone.alerts.iter().any(|alert| !has(alert.window)) {
        Some(("an alert's window has no length", "give the milestone that window"))
    } else if milestone.alerts.iter().filter_map(|alert| alert.at.as_ref()).any(|at| !readable(at))
    {
        Some(("an alert's time is not readable", "write at = \"HH:MM\", from 00:00 to 23:59"))
    } else if milestone.alerts.iter().any(|alert| !(1..=MAX_ALERT_COUNT).contains(&alert.count)) {
        Some(("an alert's count is not usable", "give 1 to 366"))
    } else {
        None
    }
}

/// What Meta would refuse of a template, or what must not be handed to it.
fn template_fault(template: &WhatsappTemplate, allowed: &[&str]) -> Option<(&'static str, String)> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if template.name.is_empty() || !template.name.chars().all(is_name) {
        return Some(("the name is not one of Meta's", "use a-z, 0-9 and _".to_owned()));
    }
    if template.languages.is_empty() {
        return Some(("it has no language", "map ours to Meta's: { pt = \"pt_BR\" }".to_owned()));
    }
    if !TEMPLATE_TTL_SECONDS.contains(&template.ttl_seconds) {
        return Some(("ttl_seconds is not one of Meta's", "use 30 to 43200".to_owned()));
    }
    let names = &template.parameter_names;
    if !names.is_empty() && names.len() != template.parameters.len() {
        let fix = "give one for each of the parameters, in their order, or none".to_owned();
        return Some(("parameter_names are not as many as the parameters", fix));
    }
    if names.iter().any(|name| name.is_empty() || !name.chars().all(is_name)) {
        return Some(("a parameter's name is not one of Meta's", "use a-z, 0-9 and _".to_owned()));
    }
    let unknown = template.parameters.iter().find(|name| !allowed.contains(&name.as_str()))?;
    Some(if Variables::NAMES.contains(&unknown.as_str()) {
        ("a discreet template must not carry the items", "remove the parameter".to_owned())
    } else {
        ("a parameter is not a variable", format!("use of {allowed:?}"))
    })
}

fn is_usable(lead: &AppointmentLead) -> bool {
    match lead {
        AppointmentLead::DayBefore { days, at }
        | AppointmentLead::DayAfter { days_after: days, at } => {
            u32::from(*days) <= MOST_LEAD_DAYS && NaiveTime::parse_from_str(at, "%H:%M").is_ok()
        }
        AppointmentLead::MinutesBefore { minutes } => {
            (1..=MOST_LEAD_DAYS * 24 * 60).contains(minutes)
        }
    }
}
