//! The way back of parked rows, once what broke their steps is gone.

use super::dialect::{Sql, on, sql, statements};
use super::{Result, Tx, alarms, id_list, patients};
use crate::care::ids::{InboundId, MessageId, PatientId, distinct};
use crate::care::{Reason, UtcMs};
use serde_json::json;
use uuid::Uuid;

statements! {
    OWNERS = sql!(("-- parked::unpark\nSELECT DISTINCT patient_id FROM messages WHERE id IN "), (ids "$1"), (" ORDER BY patient_id"));
    PATIENTS = sql!(("-- parked::unpark\nUPDATE patients SET failures = 0 WHERE failures >= 3 AND wake_at_ms IS NULL AND id IN "), (ids "$1"),
        (" RETURNING id"));
    // One that may have left stays parked: a person must ask the patient.
    MESSAGES = sql!(("-- parked::unpark\nUPDATE messages SET state = 'queued', reason = $2, failures = 0, wake_at_ms = $3, updated_at_ms = $3 \
        WHERE state = 'parked' AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.message_id = messages.id \
        AND attempts.state NOT IN ('not-sent', 'refused', 'settled-not-accepted')) AND id IN "), (ids "$1"), (" RETURNING id"));
    REMINDERS = sql!(("-- parked::unpark\nUPDATE reminders SET state = 'queued', reason = $2, updated_at_ms = $3 WHERE state = 'parked' AND message_id IN "),
        (ids "$1"));
    CALLBACKS = sql!(("-- parked::unpark\nUPDATE inbound SET state = 'new', tries = 0 WHERE state = 'failed' AND id IN "), (ids "$1"), (" RETURNING id"));
}

/// Gives parked rows their alarms back, with no broken step counted; `subjects` are what the open tasks of parked rows
/// are about. Returns those that came back. What is too late by now ends at its next step, with its reason.
pub async fn unpark(tx: &mut Tx, subjects: &[String], now: UtcMs) -> Result<Vec<String>> {
    let patient_ids = of(subjects, |id: PatientId| id.0);
    let message_ids = of(subjects, |id: MessageId| id.0);
    let callbacks = of(subjects, |id: InboundId| id.0);
    let list = id_list(message_ids.iter().copied());
    let owners: Vec<Uuid> =
        on!(tx, OWNERS, |c, sql| sqlx::query_scalar(sql).bind(&list).fetch_all(c).await?);
    // Patients are locked before messages.
    let owners = owners.into_iter().chain(patient_ids.iter().copied());
    let locked = distinct(owners.map(PatientId));
    patients::lock(tx, &locked).await?;
    let reason = json!(Reason::Reinstated).to_string();
    let awake = returned(tx, PATIENTS, &patient_ids).await?;
    let queued: Vec<Uuid> = on!(tx, MESSAGES, |c, sql| {
        sqlx::query_scalar(sql).bind(list).bind(&reason).bind(now.0).fetch_all(c).await?
    });
    let spoken = id_list(queued.iter().copied());
    on!(tx, REMINDERS, |c, sql| {
        sqlx::query(sql).bind(spoken).bind(reason).bind(now.0).execute(c).await?;
    });
    let fresh = returned(tx, CALLBACKS, &callbacks).await?;
    let back: Vec<PatientId> = awake.into_iter().map(PatientId).collect();
    patients::disturb(tx, &back, now).await?;
    alarms::rebuild(tx).await?;
    let patients = back.iter().map(ToString::to_string);
    let messages = queued.into_iter().map(|id| MessageId(id).to_string());
    let callbacks = fresh.into_iter().map(|id| InboundId(id).to_string());
    Ok(patients.chain(messages).chain(callbacks).collect())
}

async fn returned(tx: &mut Tx, statement: Sql, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    let list = id_list(ids.iter().copied());
    Ok(on!(tx, statement, |c, sql| sqlx::query_scalar(sql).bind(list).fetch_all(c).await?))
}

/// The subjects that are ids of one kind.
fn of<T: std::str::FromStr>(subjects: &[String], id: impl Fn(T) -> Uuid) -> Vec<Uuid> {
    subjects.iter().filter_map(|subject| subject.parse().ok()).map(id).collect()
}
