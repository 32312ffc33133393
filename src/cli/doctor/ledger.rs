//! The ledger: rows that contradict one another, or that nothing moves any more.

use super::{Finding, Weight};
use crate::care::UtcMs;
use crate::care::time::{MINUTE_MS, SECOND_MS};
use crate::cli::app::App;
use crate::store::doctor::{Damage, damages, programmes};
use crate::store::{Result, database_clock_ms};

/// This machine and the database may differ by so much, in milliseconds.
const CLOCKS_APART_MS: i64 = MINUTE_MS;

/// Looks at an installation that runs or ran.
pub(super) async fn look(app: &App) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for line in app.store.quick_check().await? {
        findings.push(attention(
            "database file".to_owned(),
            format!("quick_check says: {line}"),
            "stop the daemon and restore the newest backup, then carebell reconcile",
        ));
    }
    let mut tx = app.store.read().await?;
    let now = app.clock.now();
    let database_now = database_clock_ms(&mut tx).await?;
    let apart = now.since(database_now);
    if apart.abs() > CLOCKS_APART_MS {
        findings.push(attention(
            "clock".to_owned(),
            format!("this machine is {} s from the database's clock", apart / SECOND_MS),
            "set the clocks by NTP on both machines before anything is sent",
        ));
    }
    for (class, rows) in damages(&mut tx, now, database_now).await? {
        let (what, fix) = words(class);
        findings.push(attention(place(class).to_owned(), format!("{rows} {what}"), fix));
    }
    for (programme, patients) in programmes(&mut tx).await? {
        if app.programmes.get(&programme).is_none() {
            findings.push(attention(
                format!("programme {programme}"),
                format!("{patients} patients are in it, but it is not declared: nothing is sent"),
                "add its programme.toml under schedules.dir/programmes, or import them into another",
            ));
        }
    }
    Ok(findings)
}

/// What was mended, as notes.
pub(super) fn mended(rows: &[(Damage, u64)], now: UtcMs) -> Vec<Finding> {
    rows.iter()
        .map(|(class, rows)| Finding {
            weight: Weight::Note,
            place: place(*class).to_owned(),
            what: format!("{rows} {}: mended at {}", words(*class).0, now.rfc3339()),
            fix: "nothing: a running daemon goes on with them".to_owned(),
        })
        .collect()
}

/// What was given another try, as a note.
pub(super) fn unparked(back: &[String], now: UtcMs) -> Option<Finding> {
    (!back.is_empty()).then(|| Finding {
        weight: Weight::Note,
        place: "parked".to_owned(),
        what: format!("{} have another try since {}", back.join(", "), now.rfc3339()),
        fix: "nothing: what breaks its step again is parked again, with a task".to_owned(),
    })
}

fn attention(place: String, what: String, fix: &str) -> Finding {
    Finding { weight: Weight::Attention, place, what, fix: fix.to_owned() }
}

/// The stable name of a class.
const fn place(class: Damage) -> &'static str {
    match class {
        Damage::AlarmsMissing => "alarms missing",
        Damage::AlarmsLeftOver => "alarms left over",
        Damage::MessagesUnarmed => "messages without alarm",
        Damage::RemindersUnspoken => "reminders without message",
        Damage::RemindersOverdue => "reminders overdue",
        Damage::IntentsAbandoned => "intents abandoned",
        Damage::Parked => "parked",
        Damage::ReceiptsUnmatched => "receipts unmatched",
        Damage::PatientsBehind => "patients behind",
    }
}

const fn words(class: Damage) -> (&'static str, &'static str) {
    const REPAIR: &str = "carebell doctor --repair puts them right";
    match class {
        Damage::AlarmsMissing => ("owners name an alarm that is not there", REPAIR),
        Damage::AlarmsLeftOver => ("alarms that no owner names", REPAIR),
        Damage::MessagesUnarmed => ("queued messages that nothing wakes", REPAIR),
        Damage::RemindersUnspoken => (
            "queued reminders that no message speaks for",
            "carebell doctor --repair gives those still valid a message",
        ),
        Damage::RemindersOverdue => (
            "reminders still open after their validity",
            "is a daemon running, and not on hold? carebell status",
        ),
        Damage::IntentsAbandoned => (
            "open intents whose daemon is gone",
            "start a daemon: it makes them unknown and settles them",
        ),
        Damage::Parked => (
            "patients and messages that broke their step three times",
            "see the open tasks; correct the record, then carebell doctor --unpark",
        ),
        Damage::ReceiptsUnmatched => (
            "receipts of messages that nobody here sent",
            "does another installation use the same sender or webhook?",
        ),
        Damage::PatientsBehind => (
            "patients whose alarm was due more than 5 minutes ago",
            "is a daemon running? carebell status",
        ),
    }
}
