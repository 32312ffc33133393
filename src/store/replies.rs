//! What patients sent, each once, with the message it belongs to.

use super::dialect::{Sql, on, sql, statements};
use super::{Result, StoreError, Tx, id_list};
use crate::care::ids::{AttemptId, ContactPointId, InboundId, MessageId, PatientId, ReplyId};
use crate::care::{Press, UtcMs};
use crate::policy::whose::{KnownBy, Owned};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

/// A reply of a patient.
#[derive(Clone, Debug)]
pub struct PutReply {
    /// Id.
    pub id: ReplyId,
    /// Who.
    pub patient: PatientId,
    /// From which address.
    pub contact_point: ContactPointId,
    /// Configured channel.
    pub channel: String,
    /// Provider's id of the reply.
    pub provider_id: String,
    /// stop, start, help, other.
    pub keyword: &'static str,
    /// What they wrote, sealed.
    pub sealed_text: Vec<u8>,
    /// When it came.
    pub received_at: UtcMs,
    /// The callback that brought it.
    pub inbound: Option<InboundId>,
    /// To what it belongs.
    pub belongs: Belongs,
}

/// To what a reply belongs, and what it says there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Belongs {
    /// The message.
    pub message: Option<MessageId>,
    /// How we know, or why we do not.
    pub known_by: Option<KnownBy>,
    /// What it quotes as the provider names it, where no message is known by it yet; else empty.
    pub quoted: String,
    /// What was pressed.
    pub press: Option<Press>,
    /// When it was said, by the provider's clock.
    pub said_at: Option<UtcMs>,
}

/// A reply without its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyRow {
    /// Id.
    pub id: ReplyId,
    /// Who.
    pub patient: PatientId,
    /// Configured channel.
    pub channel: String,
    /// Provider's id of it.
    pub provider_id: String,
    /// stop, start, help, other.
    pub keyword: String,
    /// The callback that brought it.
    pub inbound: Option<InboundId>,
    /// The message it belongs to.
    pub message: Option<MessageId>,
    /// How we know, or why we do not.
    pub known_by: Option<KnownBy>,
    /// What was pressed.
    pub press: Option<Press>,
    /// When it was said; where nobody kept that, when it came.
    pub said_at: UtcMs,
    /// When it came.
    pub received_at: UtcMs,
}

#[derive(FromRow)]
struct Raw {
    id: Uuid,
    patient_id: Uuid,
    channel: String,
    provider_id: String,
    keyword: String,
    inbound_id: Option<Uuid>,
    message_id: Option<Uuid>,
    known_by: String,
    press: String,
    said_at_ms: Option<i64>,
    received_at_ms: i64,
}

impl TryFrom<Raw> for ReplyRow {
    type Error = StoreError;
    fn try_from(raw: Raw) -> Result<Self> {
        let fault =
            |column| StoreError::Inconsistent { table: "replies", column, what: "an unknown word" };
        let known_by = match raw.known_by.as_str() {
            "" => None,
            word => Some(KnownBy::parse(word).ok_or_else(|| fault("known_by"))?),
        };
        let press = match raw.press.as_str() {
            "" => None,
            word => Some(Press::parse(word).ok_or_else(|| fault("press"))?),
        };
        Ok(Self {
            id: ReplyId(raw.id),
            patient: PatientId(raw.patient_id),
            channel: raw.channel,
            provider_id: raw.provider_id,
            keyword: raw.keyword,
            inbound: raw.inbound_id.map(InboundId),
            message: raw.message_id.map(MessageId),
            known_by,
            press,
            said_at: UtcMs(raw.said_at_ms.unwrap_or(raw.received_at_ms)),
            received_at: UtcMs(raw.received_at_ms),
        })
    }
}

macro_rules! select {
    ($who:literal, $where:literal) => {
        concat!(
            "-- ", $who, "\nSELECT id, patient_id, channel, provider_id, keyword, inbound_id, message_id, known_by, press, said_at_ms, \
             received_at_ms FROM replies WHERE ", $where
        )
    };
}

statements! {
    PUT = Sql::both("-- replies::put\nINSERT INTO replies (id, patient_id, contact_point_id, channel, provider_id, keyword, text, received_at_ms, \
        inbound_id, message_id, known_by, quoted, press, said_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
        ON CONFLICT (patient_id, channel, provider_id) DO NOTHING");
    COUNT = Sql::both("-- replies::count\nSELECT keyword, count(*) AS replies FROM replies GROUP BY keyword ORDER BY keyword");
    OF_MESSAGES = sql!((select!("replies::of_messages", "message_id IN ")), (ids "$1"), (" ORDER BY received_at_ms, id"));
    OF_CALLBACKS = sql!((select!("replies::of_callbacks", "inbound_id IN ")), (ids "$1"), (" ORDER BY received_at_ms, id"));
    OWNER_OF_ATTEMPT = Sql::both("-- replies::owner_of_attempt\nSELECT message_id, patient_id FROM attempts WHERE id = $1");
    OWNER_BY_PROVIDER_ID = Sql::both("-- replies::owner_by_provider_id\nSELECT id, message_id, patient_id FROM attempts \
        WHERE channel = $1 AND provider_id = $2 ORDER BY id LIMIT 1");
    OWNER_OF_MESSAGE = Sql::both("-- replies::owner_of_message\nSELECT id, patient_id FROM messages WHERE id = $1");
    OPEN = sql!(("-- replies::open\nSELECT m.id, m.patient_id FROM messages m WHERE m.class <> 'answer' AND m.state <> 'cancelled' \
        AND m.valid_until_ms > $2 AND EXISTS (SELECT 1 FROM attempts t WHERE t.message_id = m.id AND t.intent_at_ms <= $2 \
        AND t.state IN ('intent', 'unknown', 'accepted', 'sent', 'delivered', 'read')) AND m.patient_id IN "), (ids "$1"), (" ORDER BY m.id"));
    NAMED = sql!(("-- replies::named\nUPDATE replies SET message_id = t.message_id, known_by = 'quote' FROM "),
        (rows "$1" channel text, quoted text, attempt_id id), (" AS r JOIN attempts t ON t.id = r.attempt_id \
        WHERE replies.known_by = 'unknown' AND replies.channel = r.channel AND replies.quoted = r.quoted AND replies.patient_id = t.patient_id"));
}

/// Records a reply; false when it was there already.
pub async fn put(tx: &mut Tx, reply: &PutReply) -> Result<bool> {
    let belongs = &reply.belongs;
    let rows = on!(tx, PUT, |c, sql| {
        sqlx::query(sql)
            .bind(reply.id.0)
            .bind(reply.patient.0)
            .bind(reply.contact_point.0)
            .bind(&reply.channel)
            .bind(&reply.provider_id)
            .bind(reply.keyword)
            .bind(&reply.sealed_text)
            .bind(reply.received_at.0)
            .bind(reply.inbound.map(|id| id.0))
            .bind(belongs.message.map(|id| id.0))
            .bind(belongs.known_by.map_or("", KnownBy::word))
            .bind(&belongs.quoted)
            .bind(belongs.press.map_or("", Press::word))
            .bind(belongs.said_at.map(|at| at.0))
            .execute(c)
            .await?
            .rows_affected()
    });
    Ok(rows == 1)
}

/// How many replies there are of each keyword.
pub async fn count(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, COUNT, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// Replies that belong to messages, in order of arrival.
pub async fn of_messages(tx: &mut Tx, ids: &[MessageId]) -> Result<Vec<ReplyRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<Raw> =
        on!(tx, OF_MESSAGES, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Replies that callbacks brought, in order of arrival.
pub async fn of_callbacks(tx: &mut Tx, ids: &[InboundId]) -> Result<Vec<ReplyRow>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<Raw> =
        on!(tx, OF_CALLBACKS, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

const fn owned((message, patient): (Uuid, Uuid)) -> Owned {
    Owned { message: MessageId(message), patient: PatientId(patient) }
}

/// The message of an attempt, with its owner.
pub async fn owner_of_attempt(tx: &mut Tx, id: AttemptId) -> Result<Option<Owned>> {
    let found: Option<(Uuid, Uuid)> = on!(tx, OWNER_OF_ATTEMPT, |c, sql| {
        sqlx::query_as(sql).bind(id.0).fetch_optional(c).await?
    });
    Ok(found.map(owned))
}

/// The attempt that a provider knows by this id, with its message. Nothing else of it is read: a damaged row keeps
/// nobody's STOP from being heard.
pub async fn owner_by_provider_id(
    tx: &mut Tx,
    channel: &str,
    id: &str,
) -> Result<Option<(AttemptId, Owned)>> {
    let found: Option<(Uuid, Uuid, Uuid)> = on!(tx, OWNER_BY_PROVIDER_ID, |c, sql| {
        sqlx::query_as(sql).bind(channel).bind(id).fetch_optional(c).await?
    });
    Ok(found.map(|(attempt, message, patient)| (AttemptId(attempt), owned((message, patient)))))
}

/// A message with its owner, if there is one.
pub async fn owner_of_message(tx: &mut Tx, id: MessageId) -> Result<Option<Owned>> {
    let found: Option<(Uuid, Uuid)> = on!(tx, OWNER_OF_MESSAGE, |c, sql| {
        sqlx::query_as(sql).bind(id.0).fetch_optional(c).await?
    });
    Ok(found.map(owned))
}

/// Messages of patients that had left by `at`, as far as anybody knows, and were still of use then. Answers of ours are
/// none of them.
pub async fn open(tx: &mut Tx, patients: &[PatientId], at: UtcMs) -> Result<Vec<Owned>> {
    let list = id_list(patients.iter().map(|id| id.0));
    let found: Vec<(Uuid, Uuid)> =
        on!(tx, OPEN, |c, sql| sqlx::query_as(sql).bind(list).bind(at.0).fetch_all(c).await?);
    Ok(found.into_iter().map(owned).collect())
}

/// Providers' ids of attempts are known now: replies of their patients that quote them, and came before, belong to them.
pub async fn named(tx: &mut Tx, names: &[(&str, &str, AttemptId)]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let row = |(channel, quoted, attempt): &(&str, &str, AttemptId)| json!({ "channel": channel, "quoted": quoted, "attempt_id": attempt.0.simple().to_string() });
    let rows = json!(names.iter().map(row).collect::<Vec<_>>()).to_string();
    on!(tx, NAMED, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}
