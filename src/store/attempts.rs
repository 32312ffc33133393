//! Attempts: calls to providers, each with its intent and the token that fences late writers.

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::rows::{Bytes, Id, Json, rows};
use super::{Result, StoreError, Tx, id_list, touched};
use crate::care::ids::{AttemptId, ContactPointId, InstanceId, MessageId, PatientId};
use crate::care::{AttemptState, Reason, UtcMs};
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

/// An attempt; its content stays sealed unless asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// Id, and correlation id.
    pub id: AttemptId,
    /// For which message.
    pub message: MessageId,
    /// To whom.
    pub patient: PatientId,
    /// Over which address.
    pub contact_point: ContactPointId,
    /// Configured channel.
    pub channel: String,
    /// 1, 2, ... within the message.
    pub number: i64,
    /// Whether it is marked as a repeat.
    pub repeat: Repeat,
    /// State.
    pub state: AttemptState,
    /// Why it is in it.
    pub reason: Reason,
    /// The daemon that holds the intent.
    pub instance: InstanceId,
    /// Fence.
    pub token: Uuid,
    /// On the database's clock.
    pub lease_until: UtcMs,
    /// When the intent was committed.
    pub intent_at: UtcMs,
    /// When the outcome was recorded.
    pub ended_at: Option<UtcMs>,
    /// Provider's code.
    pub code: Option<String>,
    /// Provider's message id.
    pub provider_id: Option<String>,
    /// What was sent where, sealed under the patient's key.
    pub content: Vec<u8>,
    /// The settle alarm it names.
    pub wake_at: Option<UtcMs>,
    /// Until when the provider may deliver it, where another channel would follow for want of a receipt.
    pub hop_until: Option<UtcMs>,
    /// How many messages of their own it goes as, one after the other; `None`: as one.
    pub own_parts: Option<i64>,
    /// How many parts the provider may name, each by an id of its own; `None`: it names the whole.
    pub named_parts: Option<i64>,
    /// How many messages of its day the provider counts it as; `None`: the channel has no such limit.
    pub day_costs: Option<i64>,
}

/// First saying, or a repeat of one whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// First.
    First,
    /// Again, marked as such.
    Again,
}

impl AttemptRow {
    /// A move to a state for a reason, with no news of the provider's and no settle alarm.
    pub const fn moved_to(&self, state: AttemptState, reason: Reason) -> AttemptMove {
        let (id, token) = (self.id, self.token);
        AttemptMove { id, token, state, reason, code: None, provider_id: None, wake_at: None }
    }
}

#[derive(FromRow)]
struct Raw {
    id: Uuid,
    message_id: Uuid,
    patient_id: Uuid,
    contact_point_id: Uuid,
    channel: String,
    number: i64,
    repeat: i64,
    state: String,
    reason: String,
    instance_id: Uuid,
    token: Uuid,
    lease_until_ms: i64,
    intent_at_ms: i64,
    ended_at_ms: Option<i64>,
    code: Option<String>,
    provider_id: Option<String>,
    content: Vec<u8>,
    wake_at_ms: Option<i64>,
    hop_until_ms: Option<i64>,
    own_parts: Option<i64>,
    named_parts: Option<i64>,
    day_costs: Option<i64>,
}

impl TryFrom<Raw> for AttemptRow {
    type Error = StoreError;
    fn try_from(raw: Raw) -> Result<Self> {
        let fault = |column, what| StoreError::Inconsistent { table: "attempts", column, what };
        Ok(Self {
            id: AttemptId(raw.id),
            message: MessageId(raw.message_id),
            patient: PatientId(raw.patient_id),
            contact_point: ContactPointId(raw.contact_point_id),
            channel: raw.channel,
            number: raw.number,
            repeat: if raw.repeat == 0 { Repeat::First } else { Repeat::Again },
            state: AttemptState::parse(&raw.state)
                .ok_or_else(|| fault("state", "an unknown word"))?,
            reason: serde_json::from_str(&raw.reason)
                .map_err(|_| fault("reason", "not a reason of this version"))?,
            instance: InstanceId(raw.instance_id),
            token: raw.token,
            lease_until: UtcMs(raw.lease_until_ms),
            intent_at: UtcMs(raw.intent_at_ms),
            ended_at: raw.ended_at_ms.map(UtcMs),
            code: raw.code,
            provider_id: raw.provider_id,
            content: raw.content,
            wake_at: raw.wake_at_ms.map(UtcMs),
            hop_until: raw.hop_until_ms.map(UtcMs),
            own_parts: raw.own_parts,
            named_parts: raw.named_parts,
            day_costs: raw.day_costs,
        })
    }
}

macro_rules! select {
    ($who:literal, $where:literal) => {
        concat!(
            "-- ", $who, "\nSELECT id, message_id, patient_id, contact_point_id, channel, number, repeat, state, reason, instance_id, token, \
             lease_until_ms, intent_at_ms, ended_at_ms, code, provider_id, content, wake_at_ms, hop_until_ms, own_parts, named_parts, day_costs FROM attempts WHERE ", $where
        )
    };
}

statements! {
    OF_MESSAGES = sql!((select!("attempts::of_messages", "message_id IN ")), (ids "$1"), (" ORDER BY message_id, number"));
    BY_IDS = sql!((select!("attempts::lock", "id IN ")), (ids "$1"), (" ORDER BY id"), (lock));
    READ = sql!((select!("attempts::read", "id IN ")), (ids "$1"), (" ORDER BY id"));
    BY_PROVIDER_ID = Sql::both(select!("attempts::by_provider_id", "channel = $1 AND provider_id = $2"));
    LOST = sql!(("-- attempts::lost\nSELECT id FROM attempts WHERE state = 'intent' AND (lease_until_ms <= $1 OR instance_id IN "),
        (ids "$2"), (") ORDER BY lease_until_ms, id LIMIT $3"));
    PARK = sql!(("-- attempts::park\nUPDATE attempts SET state = CASE state WHEN 'intent' THEN 'unknown' ELSE state END, reason = $2, \
        wake_at_ms = NULL WHERE id IN "), (ids "$1"), (" RETURNING message_id"));
    IN_PARTS = sql!(("-- attempts::in_parts\nSELECT channel, count(own_parts) AS own FROM attempts WHERE id IN "), (ids "$1"),
        (" AND (own_parts IS NOT NULL OR named_parts IS NOT NULL OR EXISTS (SELECT 1 FROM attempt_parts WHERE attempt_id = attempts.id)) GROUP BY channel ORDER BY channel"));
    OF_DAY = Sql::both("-- attempts::of_day\nSELECT CAST(coalesce(sum(day_costs), 0) AS BIGINT) AS taken, min(intent_at_ms) AS first_ms FROM attempts \
        WHERE channel = $1 AND intent_at_ms > $2 AND day_costs IS NOT NULL AND state NOT IN ('not-sent', 'refused', 'settled-not-accepted')");
    OPEN_INSTANCES = Sql::both("-- attempts::open_instances\nSELECT DISTINCT instance_id FROM attempts WHERE state = 'intent'");
    INSERT = insert_rows!("-- attempts::insert" "attempts" (id id, message_id id, patient_id id, contact_point_id id, channel text,
        number int, repeat int, state text, reason text, instance_id id, token id, lease_until_ms int, intent_at_ms int, content bytes, hop_until_ms int,
        own_parts int, named_parts int, day_costs int) "");
    END = sql!(("-- attempts::end\nUPDATE attempts SET state = r.state, reason = r.reason, ended_at_ms = r.ended_at_ms, code = r.code, \
        provider_id = coalesce(r.provider_id, attempts.provider_id), wake_at_ms = r.wake_at_ms FROM "),
        (rows "$1" id id, token id, state text, reason text, ended_at_ms int, code text, provider_id text, wake_at_ms int),
        (" AS r WHERE attempts.id = r.id AND attempts.token = r.token AND attempts.state = 'intent' RETURNING attempts.id"));
    MOVE = sql!(("-- attempts::move_to\nUPDATE attempts SET state = r.state, reason = r.reason, code = coalesce(r.code, attempts.code), \
        provider_id = coalesce(attempts.provider_id, r.provider_id), ended_at_ms = coalesce(attempts.ended_at_ms, r.ended_at_ms), \
        wake_at_ms = r.wake_at_ms FROM "),
        (rows "$1" id id, state text, reason text, code text, provider_id text, ended_at_ms int, wake_at_ms int),
        (" AS r WHERE attempts.id = r.id"));
    COUNT = Sql::both("-- attempts::count\nSELECT channel, state, count(*) AS attempts FROM attempts GROUP BY channel, state ORDER BY channel, state");
    LAST_ACCEPTED = Sql::both("-- attempts::last_accepted\nSELECT channel, max(ended_at_ms) AS ended_at_ms FROM attempts \
        WHERE state IN ('accepted', 'sent', 'delivered', 'read') AND ended_at_ms IS NOT NULL GROUP BY channel");
    INTENTS_TO = sql!(("-- attempts::intents_to\nSELECT patient_id, channel, intent_at_ms FROM attempts \
        WHERE intent_at_ms >= $2 AND patient_id IN "), (ids "$1"), (" ORDER BY intent_at_ms"));
    GO_LIVE = Sql::both("-- attempts::go_live\nUPDATE attempts SET state = 'unknown', reason = $1, wake_at_ms = NULL, \
        ended_at_ms = coalesce(ended_at_ms, $2) WHERE state IN ('intent', 'unknown')");
}

/// Attempts of messages, by message and number.
pub async fn of_messages(tx: &mut Tx, ids: &[MessageId]) -> Result<Vec<AttemptRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<Raw> =
        on!(tx, OF_MESSAGES, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Attempts by id, locked, in order of id.
pub async fn lock(tx: &mut Tx, ids: &[AttemptId]) -> Result<Vec<AttemptRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<Raw> =
        on!(tx, BY_IDS, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Attempts by id, not locked.
pub async fn read(tx: &mut Tx, ids: &[AttemptId]) -> Result<Vec<AttemptRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<Raw> =
        on!(tx, READ, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The channels over which some of these attempts go in parts; each with how many go as several messages of their own.
pub async fn in_parts(tx: &mut Tx, ids: &[AttemptId]) -> Result<Vec<(String, i64)>> {
    let list = id_list(ids.iter().map(|id| id.0));
    Ok(on!(tx, IN_PARTS, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?))
}

/// The attempt that a provider knows by this id.
pub async fn by_provider_id(tx: &mut Tx, channel: &str, id: &str) -> Result<Option<AttemptRow>> {
    let row: Option<Raw> = on!(tx, BY_PROVIDER_ID, |c, sql| {
        sqlx::query_as(sql).bind(channel).bind(id).fetch_optional(c).await?
    });
    row.map(TryInto::try_into).transpose()
}

/// What a channel's provider has counted since an instant, and when the first of that had its intent.
pub async fn of_day(tx: &mut Tx, channel: &str, since: UtcMs) -> Result<(i64, Option<UtcMs>)> {
    let (taken, first): (i64, Option<i64>) = on!(tx, OF_DAY, |c, sql| {
        sqlx::query_as(sql).bind(channel).bind(since.0).fetch_one(c).await?
    });
    Ok((taken, first.map(UtcMs)))
}

/// Instances that hold open intents.
pub async fn open_instances(tx: &mut Tx) -> Result<Vec<InstanceId>> {
    let ids: Vec<Uuid> =
        on!(tx, OPEN_INSTANCES, |c, sql| sqlx::query_scalar(sql).fetch_all(c).await?);
    Ok(ids.into_iter().map(InstanceId).collect())
}

/// Open intents whose lease ended before `database_now`, or whose instance is one of `dead`.
pub async fn lost(
    tx: &mut Tx,
    database_now: UtcMs,
    dead: &[InstanceId],
    limit: i64,
) -> Result<Vec<AttemptId>> {
    let list = id_list(dead.iter().map(|id| id.0));
    let ids: Vec<Uuid> = on!(tx, LOST, |c, sql| {
        sqlx::query_scalar(sql).bind(database_now.0).bind(list).bind(limit).fetch_all(c).await?
    });
    Ok(ids.into_iter().map(AttemptId).collect())
}

/// Takes an attempt that cannot be read off every list, unknown as it is; returns its message.
pub async fn park(tx: &mut Tx, id: AttemptId) -> Result<Option<MessageId>> {
    let reason = json!(Reason::Poisoned).to_string();
    let message: Option<Uuid> = on!(tx, PARK, |c, sql| {
        sqlx::query_scalar(sql).bind(id_list([id.0])).bind(reason).fetch_optional(c).await?
    });
    Ok(message.map(MessageId))
}

#[derive(Serialize)]
struct InsertRow<'a> {
    id: Id,
    message_id: Id,
    patient_id: Id,
    contact_point_id: Id,
    channel: &'a str,
    number: i64,
    repeat: i64,
    state: &'static str,
    reason: Json<'a, Reason>,
    instance_id: Id,
    token: Id,
    lease_until_ms: i64,
    intent_at_ms: i64,
    content: Bytes<&'a [u8]>,
    hop_until_ms: Option<i64>,
    own_parts: Option<i64>,
    named_parts: Option<i64>,
    day_costs: Option<i64>,
}

/// Writes intents (P3).
pub async fn insert(tx: &mut Tx, attempts: &[AttemptRow]) -> Result<()> {
    if attempts.is_empty() {
        return Ok(());
    }
    let rows = rows(attempts.iter().map(|a| InsertRow {
        id: Id(a.id.0),
        message_id: Id(a.message.0),
        patient_id: Id(a.patient.0),
        contact_point_id: Id(a.contact_point.0),
        channel: &a.channel,
        number: a.number,
        repeat: i64::from(a.repeat == Repeat::Again),
        state: a.state.word(),
        reason: Json(&a.reason),
        instance_id: Id(a.instance.0),
        token: Id(a.token),
        lease_until_ms: a.lease_until.0,
        intent_at_ms: a.intent_at.0,
        content: Bytes(&a.content),
        hop_until_ms: a.hop_until.map(|at| at.0),
        own_parts: a.own_parts,
        named_parts: a.named_parts,
        day_costs: a.day_costs,
    }))?;
    let actual =
        on!(tx, INSERT, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched("attempts::insert", actual, attempts.len() as u64)
}

/// How an attempt ended, or what evidence says of it.
#[derive(Clone, Debug)]
pub struct AttemptMove {
    /// Which.
    pub id: AttemptId,
    /// Fence: the token of the intent.
    pub token: Uuid,
    /// State.
    pub state: AttemptState,
    /// Why.
    pub reason: Reason,
    /// Provider's code.
    pub code: Option<String>,
    /// Provider's message id.
    pub provider_id: Option<String>,
    /// The settle alarm it names from now on.
    pub wake_at: Option<UtcMs>,
}

#[derive(Serialize)]
struct MoveRow<'a> {
    id: Id,
    token: Id,
    state: &'static str,
    reason: Json<'a, Reason>,
    ended_at_ms: i64,
    code: Option<&'a str>,
    provider_id: Option<&'a str>,
    wake_at_ms: Option<i64>,
}

fn move_rows(moves: &[AttemptMove], now: UtcMs) -> Result<String> {
    rows(moves.iter().map(|m| MoveRow {
        id: Id(m.id.0),
        token: Id(m.token),
        state: m.state.word(),
        reason: Json(&m.reason),
        ended_at_ms: now.0,
        code: m.code.as_deref(),
        provider_id: m.provider_id.as_deref(),
        wake_at_ms: m.wake_at.map(|at| at.0),
    }))
}

/// Ends open intents; returns those whose token still held. A stale token changes nothing (P3).
pub async fn end(tx: &mut Tx, moves: &[AttemptMove], now: UtcMs) -> Result<Vec<AttemptId>> {
    if moves.is_empty() {
        return Ok(Vec::new());
    }
    let rows = move_rows(moves, now)?;
    let ids: Vec<Uuid> =
        on!(tx, END, |c, sql| sqlx::query_scalar(sql).bind(rows).fetch_all(c).await?);
    Ok(ids.into_iter().map(AttemptId).collect())
}

/// Moves attempts that the caller has locked and read.
pub async fn move_to(tx: &mut Tx, moves: &[AttemptMove], now: UtcMs) -> Result<()> {
    if moves.is_empty() {
        return Ok(());
    }
    let rows = move_rows(moves, now)?;
    let actual =
        on!(tx, MOVE, |c, sql| sqlx::query(sql).bind(rows).execute(c).await?.rows_affected());
    touched("attempts::move_to", actual, moves.len() as u64)
}

/// How many attempts there are on each channel in each state.
pub async fn count(tx: &mut Tx) -> Result<Vec<(String, String, i64)>> {
    Ok(on!(tx, COUNT, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// When each channel's provider last took a message, by the record of its outcome.
pub async fn last_accepted(tx: &mut Tx) -> Result<Vec<(String, UtcMs)>> {
    let rows: Vec<(String, i64)> =
        on!(tx, LAST_ACCEPTED, |c, sql| sqlx::query_as(sql).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(channel, at)| (channel, UtcMs(at))).collect())
}

/// The intents to patients since `since`, in order: what the pair limiter goes by.
pub async fn intents_to(
    tx: &mut Tx,
    patients: &[PatientId],
    since: UtcMs,
) -> Result<Vec<(PatientId, String, UtcMs)>> {
    let list = id_list(patients.iter().map(|id| id.0));
    let rows: Vec<(Uuid, String, i64)> = on!(tx, INTENTS_TO, |c, sql| {
        sqlx::query_as(sql).bind(list).bind(since.0).fetch_all(c).await?
    });
    Ok(rows.into_iter().map(|(id, channel, at)| (PatientId(id), channel, UtcMs(at))).collect())
}

/// Going live: open attempts of the sandbox end and are never settled.
pub async fn go_live(tx: &mut Tx, now: UtcMs) -> Result<u64> {
    let reason = json!(Reason::GoLive).to_string();
    Ok(on!(tx, GO_LIVE, |c, sql| {
        sqlx::query(sql).bind(reason).bind(now.0).execute(c).await?.rows_affected()
    }))
}
