//! Messages: what is said at one moment to one patient.

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::rows::{Id, Json, rows};
use super::{Result, StoreError, Tx, id_list, touched};
use crate::care::ids::{ContactPointId, MessageId, PatientId};
use crate::care::{Class, MessageState, Reason, UtcMs};
use crate::policy::grouping::Answering;
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Id.
    pub id: MessageId,
    /// To whom.
    pub patient: PatientId,
    /// The minute it is due.
    pub minute: UtcMs,
    /// Classes that may share it; answers: the reply they answer.
    pub class_group: String,
    /// 0 first, then nudges and snoozes.
    pub step: i64,
    /// 0; more for reminders that arrive after the earlier part has its intent.
    pub part: i64,
    /// Class that decides validity, quiet hours and retry.
    pub class: Class,
    /// Catalogue name: `reminder`, `stop-confirmation`, ...
    pub name: String,
    /// State.
    pub state: MessageState,
    /// Why it is in it.
    pub reason: Reason,
    /// Priority and sender of its alarm.
    pub lane: String,
    /// The alarm it names.
    pub wake_at: Option<UtcMs>,
    /// Never sent at or after it.
    pub valid_until: UtcMs,
    /// Answers: the address that asked; calendar entries: the address that got them.
    pub contact_point: Option<ContactPointId>,
    /// Contact points that failed for good.
    pub tried: Vec<ContactPointId>,
    /// Attempts so far.
    pub tries: i64,
    /// Resends after an unknown outcome.
    pub repeats: i64,
    /// When it was written.
    pub created_at: UtcMs,
    /// When it was moved last.
    pub updated_at: UtcMs,
}

impl MessageRow {
    /// Whether it confirms a STOP.
    pub fn answering(&self) -> Answering {
        if self.name == "stop-confirmation" { Answering::Stop } else { Answering::Other }
    }

    /// Whether it takes back or moves what went into a calendar; it speaks for no reminder.
    pub fn is_for_calendar(&self) -> bool {
        self.class_group.starts_with(FOR_CALENDAR)
    }
}

/// What the class group of a message begins with that takes back or moves what went into a calendar; the attempt that
/// had carried it comes after.
pub const FOR_CALENDAR: &str = "calendar:";

#[derive(FromRow)]
struct Raw {
    id: Uuid,
    patient_id: Uuid,
    minute_ms: i64,
    class_group: String,
    step: i64,
    part: i64,
    class: String,
    name: String,
    state: String,
    reason: String,
    lane: String,
    wake_at_ms: Option<i64>,
    valid_until_ms: i64,
    contact_point_id: Option<Uuid>,
    tried: String,
    tries: i64,
    repeats: i64,
    created_at_ms: i64,
    updated_at_ms: i64,
}

impl TryFrom<Raw> for MessageRow {
    type Error = StoreError;
    fn try_from(raw: Raw) -> Result<Self> {
        let fault = |column, what| StoreError::Inconsistent { table: "messages", column, what };
        Ok(Self {
            id: MessageId(raw.id),
            patient: PatientId(raw.patient_id),
            minute: UtcMs(raw.minute_ms),
            class_group: raw.class_group,
            step: raw.step,
            part: raw.part,
            class: super::activities::class(&raw.class)?,
            name: raw.name,
            state: MessageState::parse(&raw.state)
                .ok_or_else(|| fault("state", "an unknown word"))?,
            reason: serde_json::from_str(&raw.reason)
                .map_err(|_| fault("reason", "not a reason of this version"))?,
            lane: raw.lane,
            wake_at: raw.wake_at_ms.map(UtcMs),
            valid_until: UtcMs(raw.valid_until_ms),
            contact_point: raw.contact_point_id.map(ContactPointId),
            tried: serde_json::from_str(&raw.tried)
                .map_err(|_| fault("tried", "not a list of contact points"))?,
            tries: raw.tries,
            repeats: raw.repeats,
            created_at: UtcMs(raw.created_at_ms),
            updated_at: UtcMs(raw.updated_at_ms),
        })
    }
}

macro_rules! select {
    ($who:literal, $where:literal) => {
        concat!(
            "-- ", $who, "\nSELECT id, patient_id, minute_ms, class_group, step, part, class, name, state, reason, lane, wake_at_ms, \
             valid_until_ms, contact_point_id, tried, tries, repeats, created_at_ms, updated_at_ms FROM messages WHERE ", $where
        )
    };
}

statements! {
    CLAIM = sql!((select!("messages::claim", "id IN ")), (ids "$1"), (" ORDER BY id"), (skip));
    LOCK = sql!((select!("messages::lock", "id IN ")), (ids "$1"), (" ORDER BY id"), (lock));
    BY_ID = Sql::both(select!("messages::by_id", "id = $1"));
    AT_MINUTES = sql!((select!("messages::at_minutes", "minute_ms >= $2 AND patient_id IN ")), (ids "$1"),
        (" ORDER BY patient_id, minute_ms, class_group, step, part"), (lock));
    WAITING = sql!((select!("messages::waiting", "state = 'queued' AND step = 0 AND name = 'reminder' \
        AND minute_ms >= $2 AND wake_at_ms <= $3 AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.message_id = messages.id \
        AND attempts.state NOT IN ('not-sent', 'refused', 'settled-not-accepted')) AND patient_id IN ")), (ids "$1"), (" ORDER BY id"), (skip));
    PUT = insert_rows!("-- messages::put" "messages" (id id, patient_id id, minute_ms int, class_group text, step int, part int, class text,
        name text, state text, reason text, lane text, wake_at_ms int, valid_until_ms int, contact_point_id id, tried text, tries int,
        repeats int, created_at_ms int, updated_at_ms int)
        "ON CONFLICT (id) DO UPDATE SET class = excluded.class, state = excluded.state, reason = excluded.reason, lane = excluded.lane, \
         wake_at_ms = excluded.wake_at_ms, valid_until_ms = excluded.valid_until_ms, tried = excluded.tried, tries = excluded.tries, \
         repeats = excluded.repeats, failures = 0, updated_at_ms = excluded.updated_at_ms");
    MOVE = sql!(("-- messages::move_to\nUPDATE messages SET class = r.class, state = r.state, reason = r.reason, lane = r.lane, \
        wake_at_ms = r.wake_at_ms, valid_until_ms = r.valid_until_ms, tried = r.tried, tries = r.tries, repeats = r.repeats, \
        failures = 0, updated_at_ms = r.updated_at_ms FROM "),
        (rows "$1" id id, class text, state text, reason text, lane text, wake_at_ms int, valid_until_ms int, tried text,
        tries int, repeats int, updated_at_ms int),
        (" AS r WHERE messages.id = r.id"));
    FAILED = Sql::both("-- messages::step_failed\nUPDATE messages SET failures = failures + 1 WHERE id = $1 RETURNING failures");
    PARK = sql!(("-- messages::park\nUPDATE messages SET state = 'parked', reason = $2, wake_at_ms = NULL, updated_at_ms = $3 WHERE id IN "),
        (ids "$1"), (" RETURNING id, patient_id"));
    COUNT = Sql::both("-- messages::count\nSELECT state, count(*) AS messages FROM messages GROUP BY state ORDER BY state");
    GO_LIVE = Sql::both("-- messages::go_live\nUPDATE messages SET state = 'cancelled', reason = $1, wake_at_ms = NULL, updated_at_ms = $2 \
        WHERE state IN ('queued', 'sending', 'unknown', 'sent', 'failed')");
    GO_LIVE_ALARMS = Sql::both("-- messages::go_live\nDELETE FROM alarms WHERE kind IN ('message', 'settle')");
}

/// What of a message moves.
#[derive(Serialize)]
struct MoveRow<'a> {
    id: Id,
    class: &'static str,
    state: &'static str,
    reason: Json<'a, Reason>,
    lane: &'a str,
    wake_at_ms: Option<i64>,
    valid_until_ms: i64,
    tried: Json<'a, Vec<ContactPointId>>,
    tries: i64,
    repeats: i64,
    updated_at_ms: i64,
}

impl<'a> MoveRow<'a> {
    fn of(m: &'a MessageRow) -> Self {
        Self {
            id: Id(m.id.0),
            class: m.class.word(),
            state: m.state.word(),
            reason: Json(&m.reason),
            lane: &m.lane,
            wake_at_ms: m.wake_at.map(|at| at.0),
            valid_until_ms: m.valid_until.0,
            tried: Json(&m.tried),
            tries: m.tries,
            repeats: m.repeats,
            updated_at_ms: m.updated_at.0,
        }
    }
}

#[derive(Serialize)]
struct PutRow<'a> {
    #[serde(flatten)]
    moved: MoveRow<'a>,
    patient_id: Id,
    minute_ms: i64,
    class_group: &'a str,
    step: i64,
    part: i64,
    name: &'a str,
    contact_point_id: Option<Id>,
    created_at_ms: i64,
}

/// Messages that nobody else holds, locked.
pub async fn claim(tx: &mut Tx, ids: &[Uuid]) -> Result<Vec<MessageRow>> {
    let list = id_list(ids.iter().copied());
    let rows: Vec<Raw> =
        on!(tx, CLAIM, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Messages, locked after waiting for whoever holds them, in order of id.
pub async fn lock(tx: &mut Tx, ids: &[MessageId]) -> Result<Vec<MessageRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<Raw> =
        on!(tx, LOCK, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

/// One message.
pub async fn by_id(tx: &mut Tx, id: MessageId) -> Result<Option<MessageRow>> {
    let row: Option<Raw> =
        on!(tx, BY_ID, |c, sql| sqlx::query_as(sql).bind(id.0).fetch_optional(c).await?);
    row.map(TryInto::try_into).transpose()
}

/// Messages of patients at minute `since` or later, locked.
pub async fn at_minutes(tx: &mut Tx, ids: &[PatientId], since: UtcMs) -> Result<Vec<MessageRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<Raw> = on!(tx, AT_MINUTES, |c, sql| {
        sqlx::query_as(sql).bind(list).bind(since.0).fetch_all(c).await?
    });
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Announcements to patients that are due at `now`, of which surely nothing left yet, and that were first due at minute
/// `since` or later; locked, busy ones left out.
pub async fn waiting(
    tx: &mut Tx,
    ids: &[PatientId],
    since: UtcMs,
    now: UtcMs,
) -> Result<Vec<MessageRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<Raw> = on!(tx, WAITING, |c, sql| {
        sqlx::query_as(sql).bind(list).bind(since.0).bind(now.0).fetch_all(c).await?
    });
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Writes messages: new ones, and new states of those that exist.
pub async fn put(tx: &mut Tx, messages: &[MessageRow]) -> Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let rows = rows(messages.iter().map(|m| PutRow {
        moved: MoveRow::of(m),
        patient_id: Id(m.patient.0),
        minute_ms: m.minute.0,
        class_group: &m.class_group,
        step: m.step,
        part: m.part,
        name: &m.name,
        contact_point_id: m.contact_point.map(|c| Id(c.0)),
        created_at_ms: m.created_at.0,
    }))?;
    let actual =
        on!(tx, PUT, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched("messages::put", actual, messages.len() as u64)
}

/// Moves messages that the caller has locked and read.
pub async fn move_to(tx: &mut Tx, messages: &[MessageRow]) -> Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let rows = rows(messages.iter().map(MoveRow::of))?;
    let actual =
        on!(tx, MOVE, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched("messages::move_to", actual, messages.len() as u64)
}

/// Counts a step that broke on a message; returns how many did in a row.
pub async fn step_failed(tx: &mut Tx, id: MessageId) -> Result<i64> {
    Ok(on!(tx, FAILED, |c, sql| sqlx::query_scalar(sql).bind(id.0).fetch_one(c).await?))
}

/// Parks messages without reading them; returns whose they are. Their alarms are the caller's.
pub async fn park(
    tx: &mut Tx,
    ids: &[MessageId],
    now: UtcMs,
) -> Result<Vec<(MessageId, PatientId)>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let reason = json!(Reason::Poisoned).to_string();
    let rows: Vec<(Uuid, Uuid)> = on!(tx, PARK, |c, sql| {
        sqlx::query_as(sql).bind(list).bind(reason).bind(now.0).fetch_all(c).await?
    });
    Ok(rows.into_iter().map(|(id, owner)| (MessageId(id), PatientId(owner))).collect())
}

/// How many messages there are in each state.
pub async fn count(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, COUNT, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// Going live: ends what the sandbox had open or had sent, and its alarms.
pub async fn go_live(tx: &mut Tx, now: UtcMs) -> Result<u64> {
    let reason = json!(Reason::GoLive).to_string();
    on!(tx, GO_LIVE_ALARMS, |c, sql| {
        sqlx::query(sql).execute(c).await?;
    });
    Ok(on!(tx, GO_LIVE, |c, sql| {
        sqlx::query(sql).bind(reason).bind(now.0).execute(c).await?.rows_affected()
    }))
}
