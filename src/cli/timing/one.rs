//! One order: what it says, how sure that is and why, and when it is due.

use super::line::form_note;
use super::moments::Written;
use super::{Args, routines, unreadable, zones};
use crate::care::time::DAY_MS;
use crate::care::{Confidence, Dosage, Note, Occurrence, Routine, Slot, UtcMs, Zone, ZoneRules};
use crate::cli::calendar::{self, Event};
use crate::cli::{Context, Exit, Failure, printable, wrapped};
use crate::clock::{Clock, SystemClock};
use crate::import::Remark;
use crate::import::dosages::{Found, Read, all_of_resource};
use crate::timing::{self, Decision};
use serde::Serialize;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// How far it is looked ahead when nothing is said.
const AHEAD_MS: i64 = 7 * DAY_MS;

/// Larger inputs are no order, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// What is asked of an order.
struct Question {
    zone: Arc<Zone>,
    rules: String,
    anchor: String,
    anchor_from: AnchorFrom,
    from: UtcMs,
    to: UtcMs,
    now: UtcMs,
    routine: Routine,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum AnchorFrom {
    Given,
    Today,
}

#[derive(Serialize)]
struct Answer<'a> {
    zone: &'a str,
    zone_rules: &'a str,
    anchor: &'a str,
    anchor_from: AnchorFrom,
    from: String,
    to: String,
    timings: Vec<Part>,
}

/// What one element of the input comes to.
#[derive(Serialize)]
struct Part {
    path: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    phrase: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<Confidence>,
    notes: Vec<Told>,
    occurrences: Vec<Due>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A note, with the decision behind it where that is asked for.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    note: Note,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'static str>,
}

#[derive(Serialize)]
struct Due {
    slot: String,
    local: String,
    weekday: String,
    utc: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    merged: Vec<String>,
    #[serde(skip)]
    at: UtcMs,
}

impl From<&Occurrence> for Due {
    fn from(occurrence: &Occurrence) -> Self {
        Self {
            slot: name(&occurrence.slot),
            local: occurrence.local.format("%Y-%m-%dT%H:%M:%S").to_string(),
            weekday: occurrence.local.format("%a").to_string(),
            utc: occurrence.at.rfc3339(),
            merged: occurrence.merged.iter().map(name).collect(),
            at: occurrence.at,
        }
    }
}

/// The planned time; dosages from the second on bear their number.
fn name(slot: &Slot) -> String {
    match slot.dosage {
        0 | 1 => slot.planned.to_string(),
        number => format!("{}#{number}", slot.planned),
    }
}

#[derive(Serialize)]
struct Row {
    rule: &'static str,
    text: &'static str,
}

/// Prints the whole table of decisions.
pub(super) fn decisions(args: &Args, context: &Context) -> Result<(), Failure> {
    let row = |decision: &Decision| Row { rule: decision.rule(), text: decision.text() };
    let rows: Vec<Row> = Decision::ALL.iter().map(row).collect();
    if args.form.json {
        return context.output.json(&rows);
    }
    let told = rows.iter().map(|Row { rule, text }| format!("{rule}\n{}", wrapped(text, 2)));
    context.output.print(&told.collect::<String>())
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let question = question(args, context)?;
    let text = input(args)?;
    let found = read(&text)?;
    let parts: Vec<Part> = found.into_iter().map(|one| part(one, &question, args)).collect();
    let broken = parts.iter().any(|part| part.error.is_some());
    if args.ics {
        context.output.print(&ics(&parts, &question, &text))?;
        for part in &parts {
            part.error.iter().for_each(|why| context.output.say(&format!("{}: {why}", part.path)));
        }
    } else if args.form.json {
        let Question { zone, rules, anchor, anchor_from, from, to, .. } = &question;
        context.output.json(&Answer {
            zone: zone.name(),
            zone_rules: rules,
            anchor,
            anchor_from: *anchor_from,
            from: from.rfc3339(),
            to: to.rfc3339(),
            timings: parts,
        })?;
    } else {
        print(&parts, &question, context)?;
    }
    if broken { Err(Failure::Answered(Exit::Failed)) } else { Ok(()) }
}

fn question(args: &Args, context: &Context) -> Result<Question, Failure> {
    let usage = |what: String, fix: &str| Failure::new(Exit::Usage, what, fix);
    let Some(name) = &args.zone else {
        return Err(usage(
            "--zone is missing: an order is due by its patient's clock".to_owned(),
            "give an IANA name: --zone Africa/Nairobi",
        ));
    };
    let zones = zones(context)?;
    let zone = zones.zone(name).ok_or_else(|| {
        let what = format!("{} is no time zone that is known", printable(name));
        usage(what, "give an IANA name such as Africa/Nairobi; an offset is no zone")
    })?;
    let now = SystemClock.now();
    let moment = |key: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => Written::parse(text).map(Some).ok_or_else(|| {
            let what = format!("{key} {} is no date, date-time or instant", printable(text));
            usage(what, "write it as 2026-03-08, 2026-03-08T08:00 or 2026-03-08T08:00:00Z")
        }),
    };
    let from = moment("--from", &args.from)?.map_or(now, |from| from.instant(&zone));
    let to = moment("--to", &args.to)?.map_or(from.plus_ms(AHEAD_MS), |to| to.instant(&zone));
    if to < from {
        return Err(usage("--to is before --from".to_owned(), "give a later instant to --to"));
    }
    moment("--anchor", &args.anchor)?;
    let today = || zone.local(now).format("%Y-%m-%d").to_string();
    Ok(Question {
        anchor: args.anchor.clone().unwrap_or_else(today),
        anchor_from: if args.anchor.is_some() { AnchorFrom::Given } else { AnchorFrom::Today },
        rules: zones.version(),
        routine: args.routine.as_deref().map(routine).transpose()?.unwrap_or_default(),
        zone,
        from,
        to,
        now,
    })
}

fn routine(file: &Path) -> Result<Routine, Failure> {
    let text = std::fs::read_to_string(file).map_err(|fault| unreadable(file, &fault))?;
    let fault = |why: String| {
        let message = format!("{}: {why}", file.display());
        Failure::new(
            Exit::Failed,
            message,
            "keys: wake, breakfast, lunch, dinner, bed as HH:MM; times_per_day",
        )
    };
    let read = if text.trim_start().starts_with('{') {
        crate::import::dosages::strict(&text).map_err(|remark| fault(remark.to_string()))?
    } else {
        toml::from_str(&text).map_err(|error| fault(error.message().to_owned()))?
    };
    routines::read(&read).map_err(fault)
}

/// The text of a phrase, a file or standard input.
fn input(args: &Args) -> Result<String, Failure> {
    let stdin = Path::new("-");
    let (name, input): (&Path, Box<dyn std::io::Read>) = match (&args.text, args.file.as_deref()) {
        (Some(phrase), _) => return Ok(phrase.clone()),
        (None, None) => {
            let what = "there is nothing to read";
            let fix = "name a file, - for standard input, or give a phrase with --text";
            return Err(Failure::new(Exit::Usage, what, fix));
        }
        (None, Some(file)) if file == stdin => (stdin, Box::new(std::io::stdin())),
        (None, Some(file)) => {
            let opened = std::fs::File::open(file).map_err(|fault| unreadable(file, &fault))?;
            (file, Box::new(opened))
        }
    };
    let mut bytes = Vec::new();
    let read = input.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|fault| unreadable(name, &fault))?;
    if bytes.len() as u64 > MAX_BYTES {
        let what = format!("{} is larger than 64 MiB", name.display());
        return Err(Failure::new(
            Exit::Failed,
            what,
            "--batch takes any number of orders, one a line",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::new(Exit::Failed, format!("{} is not UTF-8", name.display()), "save it as UTF-8")
    })?;
    Ok(text.trim_start_matches('\u{feff}').trim().to_owned())
}

/// What the input holds: JSON by its first sign, else a phrase.
fn read(text: &str) -> Result<Vec<Found>, Failure> {
    if !text.starts_with(['{', '[']) {
        let dosages = timing::text::parse(text).map_err(|fault| {
            let fix = "carebell timing --help shows what is read";
            Failure::new(Exit::Failed, format!("the phrase is not read: {fault}"), fix)
        })?;
        let read = Ok(Read { dosages, ..Read::default() });
        return Ok(vec![Found { path: ".".to_owned(), read }]);
    }
    let found = all_of_resource(text).map_err(|remark| {
        Failure::new(Exit::Failed, remark.to_string(), "correct the JSON and try again")
    })?;
    if found.is_empty() {
        let fix = "give a Timing, a Dosage, or a resource with timing, dosage or dosageInstruction";
        return Err(Failure::new(Exit::NotFound, "there is no timing in it", fix));
    }
    Ok(found)
}

fn part(found: Found, question: &Question, args: &Args) -> Part {
    let Found { path, read } = found;
    match read {
        Ok(Read { dosages, remarks }) => expanded(path, &dosages, &remarks, question, args),
        Err(fault) => Part {
            path,
            phrase: String::new(),
            confidence: None,
            notes: Vec::new(),
            occurrences: Vec::new(),
            error: Some(fault.to_string()),
        },
    }
}

fn expanded(
    path: String,
    dosages: &[Dosage],
    remarks: &[Remark],
    question: &Question,
    args: &Args,
) -> Part {
    let Question { zone, routine, anchor, from, to, .. } = question;
    let expansion = timing::expand(dosages, timing::Context { zone, routine, anchor }, *from, *to);
    let decision = |note: &Note| {
        let of_rule = |decision: &&Decision| decision.rule() == note.rule;
        Decision::ALL.iter().find(of_rule).filter(|_| args.explain).map(|found| found.text())
    };
    let notes = expansion.notes.into_iter().chain(remarks.iter().map(form_note));
    Part {
        path,
        phrase: timing::text::say(dosages),
        confidence: Some(expansion.confidence),
        notes: notes.map(|note| Told { decision: decision(&note), note }).collect(),
        occurrences: expansion.occurrences.iter().map(Due::from).collect(),
        error: None,
    }
}

fn print(parts: &[Part], question: &Question, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    let Question { zone, rules, anchor, anchor_from, from, to, .. } = question;
    let shown = |at: UtcMs| zone.local(at).format("%Y-%m-%d %H:%M").to_string();
    let said = if *anchor_from == AnchorFrom::Today { ", which is today" } else { "" };
    let mut head = wrapped(&format!("{}, by the rules of {rules}", zone.name()), 0);
    head += &wrapped(&format!("{} to {}", shown(*from), shown(*to)), 0);
    head += &wrapped(&format!("counted from {anchor}{said}"), 0);
    output.print(&head)?;
    for part in parts {
        output.print(&about(part))?;
        if part.occurrences.is_empty() {
            if part.error.is_none() {
                output.print("  Nothing is due in this window.")?;
            }
            continue;
        }
        let rows: Vec<Vec<String>> = part.occurrences.iter().map(cells).collect();
        output.table(&["local", "day", "UTC", "slot", "merged"], &rows)?;
    }
    Ok(())
}

/// Everything of a part but its table.
fn about(part: &Part) -> String {
    let mut text = String::from("\n");
    let path = if part.path == "." { String::new() } else { format!("{}: ", part.path) };
    match (&part.error, part.confidence) {
        (Some(why), _) => text += &wrapped(&printable(&format!("{path}not read: {why}")), 0),
        (None, sure) => {
            let sure = sure.unwrap_or_default().word();
            text += &wrapped(&printable(&format!("{path}{sure}")), 0);
        }
    }
    text += &wrapped(&printable(&part.phrase), 2);
    for Told { note, decision } in &part.notes {
        text += &wrapped(&printable(&format!("{}: {}", note.rule, note.text)), 2);
        if let Some(decision) = decision.filter(|decision| *decision != note.text) {
            text += &wrapped(decision, 6);
        }
    }
    text
}

fn cells(due: &Due) -> Vec<String> {
    let minute = |text: &str| text.get(..16).unwrap_or(text).replace('T', " ");
    vec![
        minute(&due.local),
        due.weekday.clone(),
        minute(&due.utc) + "Z",
        due.slot.clone(),
        due.merged.join(" "),
    ]
}

/// The due moments as a calendar that names nothing.
fn ics(parts: &[Part], question: &Question, input: &str) -> String {
    let order = calendar::hash(input);
    let event = |part: &Part, due: &Due| Event {
        identity: format!("{order} {} {}", part.path, due.slot),
        at: due.at,
        summary: calendar::DISCREET.to_owned(),
    };
    let of_part = |part: &'_ Part| part.occurrences.iter().map(|due| event(part, due)).collect();
    let events: Vec<Event> =
        parts.iter().flat_map(|part| -> Vec<Event> { of_part(part) }).collect();
    calendar::calendar("Reminders", question.now, &events)
}
