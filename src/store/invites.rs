//! Calendar entries that went to patients, so that they can be moved and taken back.

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::rows::{Id, rows};
use super::{Result, Tx, id_list, touched};
use crate::care::UtcMs;
use crate::care::ids::{ActivityId, AttemptId, ContactPointId, MessageId, PatientId};
use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

/// An entry that went out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteRow {
    /// The attempt that carried it.
    pub attempt: AttemptId,
    /// To whom.
    pub patient: PatientId,
    /// The appointment.
    pub activity: ActivityId,
    /// The address it went to.
    pub contact_point: ContactPointId,
    /// Configured channel.
    pub channel: String,
    /// Its number in the calendar.
    pub sequence: i64,
    /// When the appointment begins, by the entry.
    pub start: UtcMs,
    /// The message that takes it back or moves it.
    pub followed_by: Option<MessageId>,
}

#[derive(FromRow)]
struct Raw {
    attempt_id: Uuid,
    patient_id: Uuid,
    activity_id: Uuid,
    contact_point_id: Uuid,
    channel: String,
    sequence: i64,
    start_ms: i64,
    followed_by: Option<Uuid>,
}

impl From<Raw> for InviteRow {
    fn from(raw: Raw) -> Self {
        Self {
            attempt: AttemptId(raw.attempt_id),
            patient: PatientId(raw.patient_id),
            activity: ActivityId(raw.activity_id),
            contact_point: ContactPointId(raw.contact_point_id),
            channel: raw.channel,
            sequence: raw.sequence,
            start: UtcMs(raw.start_ms),
            followed_by: raw.followed_by.map(MessageId),
        }
    }
}

/// An entry counts while its attempt may have left.
macro_rules! select {
    ($who:literal, $where:literal) => {
        concat!(
            "-- ", $who, "\nSELECT i.attempt_id, i.patient_id, i.activity_id, i.contact_point_id, i.channel, i.sequence, i.start_ms, i.followed_by \
             FROM invites i JOIN attempts a ON a.id = i.attempt_id LEFT JOIN messages m ON m.id = i.followed_by \
             WHERE a.state NOT IN ('not-sent', 'refused', 'settled-not-accepted', 'failed') AND ", $where
        )
    };
}

statements! {
    INSERT = insert_rows!("-- invites::insert" "invites" (attempt_id id, patient_id id, activity_id id, contact_point_id id, channel text,
        sequence int, start_ms int) "");
    OPEN = sql!((select!("invites::open", "i.start_ms > $2 AND (m.id IS NULL OR m.state = 'cancelled') AND i.patient_id IN ")), (ids "$1"),
        (" ORDER BY i.patient_id, i.activity_id, i.contact_point_id, i.sequence"));
    OF_MESSAGES = sql!((select!("invites::of_messages", "i.followed_by IN ")), (ids "$1"),
        (" ORDER BY i.followed_by, i.sequence"));
    FOLLOW = sql!(("-- invites::follow\nUPDATE invites SET followed_by = $2 WHERE attempt_id IN "), (ids "$1"));
    FORGET = Sql::both("-- invites::forget\nDELETE FROM invites");
}

#[derive(Serialize)]
struct InsertRow<'a> {
    attempt_id: Id,
    patient_id: Id,
    activity_id: Id,
    contact_point_id: Id,
    channel: &'a str,
    sequence: i64,
    start_ms: i64,
}

/// Writes the entries that new attempts carry.
pub async fn insert(tx: &mut Tx, invites: &[InviteRow]) -> Result<()> {
    if invites.is_empty() {
        return Ok(());
    }
    let rows = rows(invites.iter().map(|invite| InsertRow {
        attempt_id: Id(invite.attempt.0),
        patient_id: Id(invite.patient.0),
        activity_id: Id(invite.activity.0),
        contact_point_id: Id(invite.contact_point.0),
        channel: &invite.channel,
        sequence: invite.sequence,
        start_ms: invite.start.0,
    }))?;
    let actual =
        on!(tx, INSERT, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched("invites::insert", actual, invites.len() as u64)
}

/// Entries of patients that begin after `now`, may have arrived, and that no message takes back or moves; by patient,
/// appointment, address and number.
pub async fn open(tx: &mut Tx, owners: &[PatientId], now: UtcMs) -> Result<Vec<InviteRow>> {
    let list = id_list(owners.iter().map(|id| id.0));
    let rows: Vec<Raw> =
        on!(tx, OPEN, |c, sql| sqlx::query_as(sql).bind(list).bind(now.0).fetch_all(c).await?);
    Ok(rows.into_iter().map(Into::into).collect())
}

/// What messages take back or move, by message and number; still only what may have arrived.
pub async fn of_messages(tx: &mut Tx, ids: &[MessageId]) -> Result<Vec<InviteRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<Raw> =
        on!(tx, OF_MESSAGES, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    Ok(rows.into_iter().map(Into::into).collect())
}

/// A message takes these entries back, or moves them.
pub async fn follow(tx: &mut Tx, attempts: &[AttemptId], message: MessageId) -> Result<()> {
    let list = id_list(attempts.iter().map(|id| id.0));
    on!(tx, FOLLOW, |c, sql| {
        sqlx::query(sql).bind(list).bind(message.0).execute(c).await?;
    });
    Ok(())
}

/// Going live: what went to the sandbox is in nobody's calendar.
pub async fn forget(tx: &mut Tx) -> Result<()> {
    on!(tx, FORGET, |c, sql| {
        sqlx::query(sql).execute(c).await?;
    });
    Ok(())
}
