//! The ledger: one row per slot that came due, and gap rows for what was found too late to list.

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::rows::{Id, Json, rows};
use super::{Result, StoreError, Tx, id_list, touched};
use crate::care::ids::{ActivityId, MessageId, PatientId, ReminderId};
use crate::care::slot::Planned;
use crate::care::{Class, Reason, ReminderState, Slot, UtcMs};
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

/// A reminder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReminderRow {
    /// Id.
    pub id: ReminderId,
    /// Whose.
    pub patient: PatientId,
    /// Of which activity.
    pub activity: ActivityId,
    /// Its slot.
    pub slot: Slot,
    /// The instant the slot falls on.
    pub due_at: UtcMs,
    /// What the patient's clock shows then, `YYYY-MM-DDTHH:MM:SS`.
    pub local_time: String,
    /// Class.
    pub class: Class,
    /// Never sent at or after it.
    pub valid_until: UtcMs,
    /// State.
    pub state: ReminderState,
    /// Why it is in it.
    pub reason: Reason,
    /// The message that speaks for it.
    pub message: Option<MessageId>,
    /// When it was written.
    pub created_at: UtcMs,
    /// When it was moved last.
    pub updated_at: UtcMs,
}

impl ReminderRow {
    /// Whether something stopped it that may go again.
    pub const fn was_stopped(&self) -> bool {
        use ReminderState::{Blocked, Cancelled, Suppressed};
        matches!(self.state, Suppressed | Blocked | Cancelled)
    }

    /// Whether a stopped or expired one was still open at an intent of its message: the intent spoke for it.
    pub fn was_open_at(&self, intent_at: UtcMs) -> bool {
        self.updated_at > intent_at
    }
}

#[derive(FromRow)]
struct Raw {
    id: Uuid,
    patient_id: Uuid,
    activity_id: Uuid,
    dosage: i64,
    slot: String,
    due_at_ms: i64,
    local_time: String,
    class: String,
    valid_until_ms: i64,
    state: String,
    reason: String,
    message_id: Option<Uuid>,
    created_at_ms: i64,
    updated_at_ms: i64,
}

impl TryFrom<Raw> for ReminderRow {
    type Error = StoreError;
    fn try_from(raw: Raw) -> Result<Self> {
        let fault = |column, what| StoreError::Inconsistent { table: "reminders", column, what };
        Ok(Self {
            id: ReminderId(raw.id),
            patient: PatientId(raw.patient_id),
            activity: ActivityId(raw.activity_id),
            slot: Slot {
                dosage: u16::try_from(raw.dosage).map_err(|_| fault("dosage", "out of range"))?,
                planned: Planned::parse(&raw.slot).ok_or_else(|| fault("slot", "not a slot"))?,
            },
            due_at: UtcMs(raw.due_at_ms),
            local_time: raw.local_time,
            class: super::activities::class(&raw.class)?,
            valid_until: UtcMs(raw.valid_until_ms),
            state: ReminderState::parse(&raw.state)
                .ok_or_else(|| fault("state", "an unknown word"))?,
            reason: serde_json::from_str(&raw.reason)
                .map_err(|_| fault("reason", "not a reason of this version"))?,
            message: raw.message_id.map(MessageId),
            created_at: UtcMs(raw.created_at_ms),
            updated_at: UtcMs(raw.updated_at_ms),
        })
    }
}

macro_rules! select {
    ($who:literal, $where:literal) => {
        concat!(
            "-- ", $who, "\nSELECT id, patient_id, activity_id, dosage, slot, due_at_ms, local_time, class, valid_until_ms, state, \
             reason, message_id, created_at_ms, updated_at_ms FROM reminders WHERE ", $where
        )
    };
}

statements! {
    OF_PATIENTS = sql!((select!("reminders::of_patients", "due_at_ms >= $2 AND patient_id IN ")), (ids "$1"),
        (" ORDER BY patient_id, due_at_ms, id"));
    OF_MESSAGES = sql!((select!("reminders::of_messages", "message_id IN ")), (ids "$1"), (" ORDER BY message_id, due_at_ms, id"));
    BY_ID = Sql::both(select!("reminders::by_id", "id = $1"));
    AROUND = Sql::both(select!("reminders::around", "patient_id = $1 AND due_at_ms BETWEEN $2 AND $3 ORDER BY due_at_ms, id"));
    INSERT = insert_rows!("-- reminders::insert" "reminders" (id id, patient_id id, activity_id id, dosage int, slot text, due_at_ms int,
        local_time text, class text, valid_until_ms int, state text, reason text, message_id id, created_at_ms int, updated_at_ms int)
        "ON CONFLICT (activity_id, dosage, slot) DO NOTHING");
    MOVE = sql!(("-- reminders::move_to\nUPDATE reminders SET state = r.state, reason = r.reason, updated_at_ms = r.updated_at_ms FROM "),
        (rows "$1" id id, state text, reason text, updated_at_ms int), (" AS r WHERE reminders.id = r.id"));
    // What may have left stays unknown, as its attempt does.
    PARK = sql!(("-- reminders::park\nUPDATE reminders SET state = CASE state WHEN 'unknown' THEN 'unknown' ELSE 'parked' END, \
        reason = $2, updated_at_ms = $3 WHERE state IN ('queued', 'sending', 'unknown') AND message_id IN "), (ids "$1"));
    REPLAN = sql!(("-- reminders::replan\nUPDATE reminders SET state = r.state, reason = r.reason, due_at_ms = r.due_at_ms, \
        local_time = r.local_time, valid_until_ms = r.valid_until_ms, message_id = r.message_id, updated_at_ms = r.updated_at_ms FROM "),
        (rows "$1" id id, state text, reason text, due_at_ms int, local_time text, valid_until_ms int, message_id id, updated_at_ms int),
        (" AS r WHERE reminders.id = r.id"));
    AWAITING = sql!(("-- reminders::awaiting\nSELECT DISTINCT patient_id FROM reminders WHERE due_at_ms >= $2 AND valid_until_ms > $3 \
        AND state = 'superseded' AND patient_id IN (SELECT patient_id FROM reminders WHERE id IN "), (ids "$1"),
        (") AND reason IN "), (texts "$4"), (" ORDER BY patient_id"));
    GAPS = insert_rows!("-- reminders::put_gaps" "gaps" (activity_id id, from_ms int, to_ms int, slots int, reason text)
        "ON CONFLICT (activity_id, from_ms) DO UPDATE SET to_ms = excluded.to_ms, slots = excluded.slots");
    GAPS_OF = sql!(("-- reminders::gaps_of\nSELECT activity_id, from_ms, to_ms, slots FROM gaps WHERE activity_id IN "), (ids "$1"),
        (" ORDER BY activity_id, from_ms"));
    COUNT = Sql::both("-- reminders::count\nSELECT state, count(*) AS reminders FROM reminders GROUP BY state ORDER BY state");
    COUNT_REASONS = Sql::both("-- reminders::count_reasons\nSELECT state, reason, count(*) AS reminders FROM reminders GROUP BY state, reason ORDER BY state, reason");
    OVERDUE = Sql::both("-- reminders::overdue\nSELECT count(*) FROM reminders WHERE due_at_ms >= $1 AND state IN ('queued', 'sending') AND valid_until_ms < $2");
    GO_LIVE = Sql::both("-- reminders::go_live\nUPDATE reminders SET state = 'cancelled', reason = $1, updated_at_ms = $2 \
        WHERE state IN ('queued', 'sending', 'unknown', 'sent', 'failed')");
}

/// Reminders of patients that are due at `since` or later.
pub async fn of_patients(tx: &mut Tx, ids: &[PatientId], since: UtcMs) -> Result<Vec<ReminderRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<Raw> = on!(tx, OF_PATIENTS, |c, sql| {
        sqlx::query_as(sql).bind(list).bind(since.0).fetch_all(c).await?
    });
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Reminders that messages speak for, by message.
pub async fn of_messages(tx: &mut Tx, ids: &[MessageId]) -> Result<Vec<ReminderRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<Raw> =
        on!(tx, OF_MESSAGES, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

/// One reminder.
pub async fn by_id(tx: &mut Tx, id: ReminderId) -> Result<Option<ReminderRow>> {
    let row: Option<Raw> =
        on!(tx, BY_ID, |c, sql| sqlx::query_as(sql).bind(id.0).fetch_optional(c).await?);
    row.map(TryInto::try_into).transpose()
}

/// Reminders of a patient that are due between two instants, both included.
pub async fn around(
    tx: &mut Tx,
    patient: PatientId,
    from: UtcMs,
    to: UtcMs,
) -> Result<Vec<ReminderRow>> {
    let rows: Vec<Raw> = on!(tx, AROUND, |c, sql| {
        sqlx::query_as(sql).bind(patient.0).bind(from.0).bind(to.0).fetch_all(c).await?
    });
    rows.into_iter().map(TryInto::try_into).collect()
}

fn reason_json(reason: &Reason) -> String {
    json!(reason).to_string()
}

#[derive(Serialize)]
struct InsertRow<'a> {
    id: Id,
    patient_id: Id,
    activity_id: Id,
    dosage: u16,
    slot: String,
    due_at_ms: i64,
    local_time: &'a str,
    class: &'static str,
    valid_until_ms: i64,
    state: &'static str,
    reason: Json<'a, Reason>,
    message_id: Option<Id>,
    created_at_ms: i64,
    updated_at_ms: i64,
}

/// Writes reminders of new slots; a slot that has its reminder keeps it (P1).
pub async fn insert(tx: &mut Tx, reminders: &[ReminderRow]) -> Result<u64> {
    if reminders.is_empty() {
        return Ok(0);
    }
    let rows = rows(reminders.iter().map(|r| InsertRow {
        id: Id(r.id.0),
        patient_id: Id(r.patient.0),
        activity_id: Id(r.activity.0),
        dosage: r.slot.dosage,
        slot: r.slot.planned.to_string(),
        due_at_ms: r.due_at.0,
        local_time: &r.local_time,
        class: r.class.word(),
        valid_until_ms: r.valid_until.0,
        state: r.state.word(),
        reason: Json(&r.reason),
        message_id: r.message.map(|m| Id(m.0)),
        created_at_ms: r.created_at.0,
        updated_at_ms: r.updated_at.0,
    }))?;
    Ok(on!(tx, INSERT, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected()))
}

#[derive(Serialize)]
struct MoveRow<'a> {
    id: Id,
    state: &'static str,
    reason: Json<'a, Reason>,
    updated_at_ms: i64,
}

/// A move of a reminder to another state.
#[derive(Clone, Debug)]
pub struct ReminderMove {
    /// Which.
    pub id: ReminderId,
    /// Where to.
    pub state: ReminderState,
    /// Why.
    pub reason: Reason,
}

/// Moves reminders.
pub async fn move_to(tx: &mut Tx, moves: &[ReminderMove], now: UtcMs) -> Result<()> {
    if moves.is_empty() {
        return Ok(());
    }
    let rows = rows(moves.iter().map(|m| MoveRow {
        id: Id(m.id.0),
        state: m.state.word(),
        reason: Json(&m.reason),
        updated_at_ms: now.0,
    }))?;
    let actual =
        on!(tx, MOVE, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched("reminders::move_to", actual, moves.len() as u64)
}

/// Whose slots, due at `since` or later and still valid at `now`, were not announced because one of these reminders had
/// announced the same dose; by id.
pub async fn awaiting(
    tx: &mut Tx,
    announced_by: &[ReminderId],
    since: UtcMs,
    now: UtcMs,
) -> Result<Vec<PatientId>> {
    if announced_by.is_empty() {
        return Ok(Vec::new());
    }
    let list = id_list(announced_by.iter().map(|id| id.0));
    let reasons: Vec<String> = announced_by
        .iter()
        .map(|id| reason_json(&Reason::AlreadyAnnounced { reminder: id.to_string() }))
        .collect();
    let ids: Vec<Uuid> = on!(tx, AWAITING, |c, sql| {
        sqlx::query_scalar(sql)
            .bind(list)
            .bind(since.0)
            .bind(now.0)
            .bind(json!(reasons).to_string())
            .fetch_all(c)
            .await?
    });
    Ok(ids.into_iter().map(PatientId).collect())
}

/// Parks the open reminders that messages speak for, without reading them.
pub async fn park(tx: &mut Tx, messages: &[MessageId], now: UtcMs) -> Result<()> {
    let list = id_list(messages.iter().map(|id| id.0));
    let reason = reason_json(&Reason::Poisoned);
    on!(tx, PARK, |c, sql| {
        sqlx::query(sql).bind(list).bind(reason).bind(now.0).execute(c).await?;
    });
    Ok(())
}

#[derive(Serialize)]
struct ReplanRow<'a> {
    id: Id,
    state: &'static str,
    reason: Json<'a, Reason>,
    due_at_ms: i64,
    local_time: &'a str,
    valid_until_ms: i64,
    message_id: Option<Id>,
    updated_at_ms: i64,
}

/// Writes reminders anew whose slot fell on another instant, or that come back.
pub async fn replan(tx: &mut Tx, reminders: &[ReminderRow]) -> Result<()> {
    if reminders.is_empty() {
        return Ok(());
    }
    let rows = rows(reminders.iter().map(|r| ReplanRow {
        id: Id(r.id.0),
        state: r.state.word(),
        reason: Json(&r.reason),
        due_at_ms: r.due_at.0,
        local_time: &r.local_time,
        valid_until_ms: r.valid_until.0,
        message_id: r.message.map(|m| Id(m.0)),
        updated_at_ms: r.updated_at.0,
    }))?;
    let actual =
        on!(tx, REPLAN, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched("reminders::replan", actual, reminders.len() as u64)
}

/// Slots counted instead of listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapRow {
    /// Of which activity.
    pub activity: ActivityId,
    /// First instant.
    pub from: UtcMs,
    /// After the last instant.
    pub to: UtcMs,
    /// How many.
    pub slots: i64,
}

#[derive(Serialize)]
struct PutGapRow {
    activity_id: Id,
    from_ms: i64,
    to_ms: i64,
    slots: i64,
    reason: Json<'static, Reason>,
}

/// Writes gap rows.
pub async fn put_gaps(tx: &mut Tx, gaps: &[GapRow]) -> Result<()> {
    if gaps.is_empty() {
        return Ok(());
    }
    let rows = rows(gaps.iter().map(|g| PutGapRow {
        activity_id: Id(g.activity.0),
        from_ms: g.from.0,
        to_ms: g.to.0,
        slots: g.slots,
        reason: Json(&Reason::Gap),
    }))?;
    on!(tx, GAPS, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// Gap rows of activities.
pub async fn gaps_of(tx: &mut Tx, activities: &[ActivityId]) -> Result<Vec<GapRow>> {
    let list = id_list(activities.iter().map(|id| id.0));
    let rows: Vec<(Uuid, i64, i64, i64)> =
        on!(tx, GAPS_OF, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    Ok(rows
        .into_iter()
        .map(|(activity, from, to, slots)| GapRow {
            activity: ActivityId(activity),
            from: UtcMs(from),
            to: UtcMs(to),
            slots,
        })
        .collect())
}

/// How many reminders there are in each state.
pub async fn count(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, COUNT, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// How many reminders there are in each state, by reason (as JSON).
pub async fn count_reasons(tx: &mut Tx) -> Result<Vec<(String, String, i64)>> {
    Ok(on!(tx, COUNT_REASONS, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// Reminders due at `since` or later that should have ended before `before` and have not.
pub async fn overdue(tx: &mut Tx, since: UtcMs, before: UtcMs) -> Result<i64> {
    Ok(on!(tx, OVERDUE, |c, sql| {
        sqlx::query_scalar(sql).bind(since.0).bind(before.0).fetch_one(c).await?
    }))
}

/// Going live: ends what the sandbox had open, and what it had sent: nothing of it reached a patient, so no rule
/// may count it as announced.
pub async fn go_live(tx: &mut Tx, now: UtcMs) -> Result<u64> {
    let reason = reason_json(&Reason::GoLive);
    Ok(on!(tx, GO_LIVE, |c, sql| {
        sqlx::query(sql).bind(reason).bind(now.0).execute(c).await?.rows_affected()
    }))
}
