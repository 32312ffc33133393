//! How patients are reached: their contact points with their health, and what they have consented to.

use super::PatientRow;
use crate::care::contact::{ConsentDecision, KnownConsent, KnownContact};
use crate::care::ids::{AttemptId, ContactPointId, PatientId, new_uuid};
use crate::care::{Address, ChannelKind, ConsentBasis, ContactHealth, UtcMs};
use crate::policy::health;
use crate::security::{Keyring, Place, SealingKey};
use crate::store::dialect::{Sql, insert_rows, on, sql, statements};
use crate::store::rows::{Bytes, Id, rows};
use crate::store::{Result, StoreError, Tx, id_list};
use rand::RngCore;
use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

#[derive(FromRow)]
struct RawContact {
    id: Uuid,
    patient_id: Uuid,
    channel: String,
    rank: i64,
    address: Vec<u8>,
    health: String,
    health_at_ms: Option<i64>,
    health_code: Option<String>,
    in_use: i64,
}

#[derive(FromRow)]
struct RawConsent {
    patient_id: Uuid,
    channel: String,
    decision: String,
    source: String,
    at_ms: i64,
}

statements! {
    CONTACTS = sql!(("-- patients::contacts\nSELECT id, patient_id, channel, rank, address, health, health_at_ms, health_code, in_use FROM contact_points \
        WHERE patient_id IN "), (ids "$1"), (" ORDER BY patient_id, rank, id"));
    CONTACT_OWNERS = Sql::both("-- patients::with_address\nSELECT id, patient_id FROM contact_points WHERE address_hash = $1 AND in_use = 1 ORDER BY patient_id, id");
    PUT_CONTACTS = insert_rows!("-- patients::put_contacts" "contact_points" (id id, patient_id id, channel text, rank int, address bytes,
        address_hash bytes, health text, in_use int)
        "ON CONFLICT (patient_id, channel, address_hash) DO UPDATE SET rank = excluded.rank, in_use = 1");
    RETIRE_CONTACTS = sql!(("-- patients::retire_contacts\nUPDATE contact_points SET in_use = 0 WHERE patient_id IN "), (ids "$1"));
    SET_HEALTH = sql!(("-- patients::set_health\nUPDATE contact_points SET health = r.health, health_code = r.code, health_at_ms = r.at_ms FROM "),
        (rows "$1" id id, health text, code text, at_ms int),
        (" AS r WHERE contact_points.id = r.id AND NOT (contact_points.health = 'opted-out' AND r.health IN ('suspect', 'bad'))"));
    HEALTH = Sql::both("-- patients::health\nSELECT patient_id, health, health_at_ms, health_code FROM contact_points WHERE id = $1");
    // What arrived proves nothing of a doubt that came after it was sent.
    ARRIVED = sql!(("-- patients::arrived\nUPDATE contact_points SET health = 'ok', health_code = NULL, health_at_ms = $2 FROM \
        (SELECT contact_point_id, max(intent_at_ms) AS intent_at_ms FROM attempts WHERE id IN "), (ids "$1"), (" GROUP BY contact_point_id) AS a \
        WHERE contact_points.id = a.contact_point_id AND a.intent_at_ms >= coalesce(health_at_ms, 0) \
        AND (health = 'suspect' OR (health = 'bad' AND health_code = $3))"));
    HEARD = Sql::both("-- patients::heard\nUPDATE contact_points SET health = 'ok', health_code = NULL, health_at_ms = $2 WHERE id = $1 \
        AND (health = 'suspect' OR (health = 'bad' AND health_code = $3))");
    CONSENTS = sql!(("-- patients::consents\nSELECT patient_id, channel, decision, source, at_ms FROM consents WHERE patient_id IN "),
        (ids "$1"), (" ORDER BY patient_id, at_ms, id"));
    PUT_CONSENTS = insert_rows!("-- patients::put_consents" "consents" (id id, patient_id id, channel text, decision text, source text,
        basis bytes, basis_hash bytes, at_ms int, recorded_at_ms int, imported_as id)
        "ON CONFLICT (patient_id, channel, decision, source, at_ms, basis_hash) DO NOTHING");
    FORGET_HEALTH = Sql::both("-- patients::forget_learned\nUPDATE contact_points SET health = 'ok', health_code = NULL, health_at_ms = $1 \
        WHERE health <> 'ok' AND coalesce(health_at_ms, 0) < $2");
    FORGET_CONSENTS = Sql::both("-- patients::forget_learned\nDELETE FROM consents WHERE source IN ('reply', 'provider') AND recorded_at_ms < $1");
}

/// What sends and replies had taught about patients, and was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// Contact points that count as good again.
    pub contacts: u64,
    /// Decisions that came by reply or by provider.
    pub consents: u64,
}

/// Going live: forgets contact health, opt-outs and decisions learnt before `heard_since`, for in the sandbox only
/// invented people answer. A STOP that a real provider has brought since then stays.
///
/// The decisions are deleted, not marked: whatever reads consents later cannot take one for a patient's own. The
/// replies they came from stay, as the sandbox's evidence.
pub async fn forget_learned(tx: &mut Tx, heard_since: UtcMs, now: UtcMs) -> Result<Forgotten> {
    let contacts = on!(tx, FORGET_HEALTH, |c, sql| {
        sqlx::query(sql).bind(now.0).bind(heard_since.0).execute(c).await?.rows_affected()
    });
    let consents = on!(tx, FORGET_CONSENTS, |c, sql| {
        sqlx::query(sql).bind(heard_since.0).execute(c).await?.rows_affected()
    });
    Ok(Forgotten { contacts, consents })
}

/// Contact points of patients, by patient and rank.
pub async fn contacts(tx: &mut Tx, patients: &[PatientRow]) -> Result<Vec<KnownContact>> {
    let list = id_list(patients.iter().map(|p| p.id.0));
    let rows: Vec<RawContact> =
        on!(tx, CONTACTS, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    let keys: std::collections::HashMap<Uuid, &SealingKey> =
        patients.iter().map(|p| (p.id.0, &p.key)).collect();
    rows.into_iter()
        .map(|raw| {
            let fault =
                |column, what| StoreError::Inconsistent { table: "contact_points", column, what };
            let key = keys
                .get(&raw.patient_id)
                .ok_or_else(|| fault("patient_id", "a patient that was not asked for"))?;
            let place =
                Place { table: "contact_points", column: "address", row: raw.id.as_bytes() };
            let address = String::from_utf8(key.open(place, &raw.address)?)
                .map_err(|_| fault("address", "not text"))?;
            let health = ContactHealth::parse(&raw.health)
                .ok_or_else(|| fault("health", "an unknown word"))?;
            let since = raw.health_at_ms.map(UtcMs);
            let known = health::Standing { health, since, code: raw.health_code.as_deref() };
            Ok(KnownContact {
                id: ContactPointId(raw.id),
                patient: PatientId(raw.patient_id),
                channel: ChannelKind::parse(&raw.channel)
                    .ok_or_else(|| fault("channel", "an unknown word"))?,
                rank: raw.rank,
                address: Address::new(address),
                health,
                again_at: health::again_at(&known),
                in_use: raw.in_use == 1,
            })
        })
        .collect()
}

/// Contact points in use that have this address, on any channel and of any patient.
pub async fn with_address(
    tx: &mut Tx,
    keys: &Keyring,
    address: &Address,
) -> Result<Vec<(ContactPointId, PatientId)>> {
    let hash = keys.look_up("address", address.expose());
    let found: Vec<(Uuid, Uuid)> =
        on!(tx, CONTACT_OWNERS, |c, sql| sqlx::query_as(sql).bind(hash).fetch_all(c).await?);
    Ok(found.into_iter().map(|(id, patient)| (ContactPointId(id), PatientId(patient))).collect())
}

#[derive(Serialize)]
struct ContactRow {
    id: Id,
    patient_id: Id,
    channel: &'static str,
    rank: u16,
    address: Bytes<Vec<u8>>,
    address_hash: Bytes<Vec<u8>>,
    health: &'static str,
    in_use: i64,
}

/// Makes the patient's contact points what the source says: the listed ones are in use, others are not.
/// Health stays with an address that stays.
pub async fn put_contacts(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    patients: &[PatientRow],
    now: UtcMs,
) -> Result<()> {
    let list = id_list(patients.iter().map(|p| p.id.0));
    on!(tx, RETIRE_CONTACTS, |c, sql| {
        sqlx::query(sql).bind(list).execute(c).await?;
    });
    let mut list = Vec::new();
    for row in patients {
        for contact in &row.patient.contacts {
            let id = ContactPointId::new(now, rng);
            let place = Place { table: "contact_points", column: "address", row: id.0.as_bytes() };
            let address = contact.address.expose();
            list.push(ContactRow {
                id: Id(id.0),
                patient_id: Id(row.id.0),
                channel: contact.channel.word(),
                rank: contact.rank,
                address: Bytes(row.key.seal(place, address.as_bytes(), rng)),
                address_hash: Bytes(keys.look_up("address", address)),
                health: ContactHealth::Ok.word(),
                in_use: 1,
            });
        }
    }
    if list.is_empty() {
        return Ok(());
    }
    let rows = rows(list)?;
    on!(tx, PUT_CONTACTS, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// A move of a contact point's health.
#[derive(Clone, Debug)]
pub struct HealthMove {
    /// Which.
    pub id: ContactPointId,
    /// To what.
    pub health: ContactHealth,
    /// The code or word that asked for it.
    pub code: String,
}

#[derive(Serialize)]
struct HealthRow<'a> {
    id: Id,
    health: &'static str,
    code: &'a str,
    at_ms: i64,
}

/// Moves the health of contact points; what its owner stopped is never made merely suspect or bad.
pub async fn set_health(tx: &mut Tx, moves: &[HealthMove], now: UtcMs) -> Result<()> {
    if moves.is_empty() {
        return Ok(());
    }
    let rows = rows(moves.iter().map(|m| HealthRow {
        id: Id(m.id.0),
        health: m.health.word(),
        code: &m.code,
        at_ms: now.0,
    }))?;
    on!(tx, SET_HEALTH, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// A refusal that says that an address may not be reachable at all. Returns its health when it changes.
pub async fn doubt(
    tx: &mut Tx,
    id: ContactPointId,
    code: &str,
    now: UtcMs,
) -> Result<Option<ContactHealth>> {
    let Some((_, word, since, known_by)) = standing_of(tx, id).await? else { return Ok(None) };
    let Some(health) = ContactHealth::parse(&word) else { return Ok(None) };
    let known = health::Standing { health, since: since.map(UtcMs), code: known_by.as_deref() };
    let Some((health, code)) = health::doubted(&known, code, now) else { return Ok(None) };
    set_health(tx, &[HealthMove { id, health, code: code.to_owned() }], now).await?;
    Ok(Some(health))
}

type RawHealth = (Uuid, String, Option<i64>, Option<String>);

async fn standing_of(tx: &mut Tx, id: ContactPointId) -> Result<Option<RawHealth>> {
    Ok(on!(tx, HEALTH, |c, sql| sqlx::query_as(sql).bind(id.0).fetch_optional(c).await?))
}

/// Whose an address is, and its health.
pub async fn health(tx: &mut Tx, id: ContactPointId) -> Result<Option<(PatientId, ContactHealth)>> {
    let Some((patient, word, ..)) = standing_of(tx, id).await? else { return Ok(None) };
    let health = ContactHealth::parse(&word).ok_or(StoreError::Inconsistent {
        table: "contact_points",
        column: "health",
        what: "an unknown word",
    })?;
    Ok(Some((PatientId(patient), health)))
}

/// Messages of these attempts have arrived: what was doubted about their addresses is settled.
pub async fn arrived(tx: &mut Tx, attempts: &[AttemptId], now: UtcMs) -> Result<()> {
    if attempts.is_empty() {
        return Ok(());
    }
    let list = id_list(attempts.iter().map(|id| id.0));
    on!(tx, ARRIVED, |c, sql| {
        sqlx::query(sql).bind(list).bind(now.0).bind(health::NOT_REACHED).execute(c).await?;
    });
    Ok(())
}

/// Somebody wrote from an address: it is reachable.
pub async fn heard(tx: &mut Tx, id: ContactPointId, now: UtcMs) -> Result<()> {
    on!(tx, HEARD, |c, sql| {
        sqlx::query(sql).bind(id.0).bind(now.0).bind(health::NOT_REACHED).execute(c).await?;
    });
    Ok(())
}

/// Consents of patients, by patient and time.
pub async fn consents(tx: &mut Tx, ids: &[PatientId]) -> Result<Vec<KnownConsent>> {
    let list = id_list(ids.iter().map(|id| id.0));
    let rows: Vec<RawConsent> =
        on!(tx, CONSENTS, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    Ok(rows
        .into_iter()
        .map(|raw| KnownConsent {
            patient: PatientId(raw.patient_id),
            channel: ChannelKind::parse(&raw.channel),
            decision: if raw.decision == "given" {
                ConsentDecision::Given
            } else {
                ConsentDecision::Refused
            },
            source: raw.source,
            at: UtcMs(raw.at_ms),
        })
        .collect())
}

#[derive(Serialize)]
struct ConsentRow {
    id: Id,
    patient_id: Id,
    channel: &'static str,
    decision: &'static str,
    source: &'static str,
    basis: Bytes<Vec<u8>>,
    basis_hash: Bytes<Vec<u8>>,
    at_ms: i64,
    recorded_at_ms: i64,
    imported_as: Option<Id>,
}

/// Records decisions; one that is there already is not recorded again.
pub async fn put_consents(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    consents: &[(&PatientRow, &'static str, &ConsentBasis)],
    now: UtcMs,
) -> Result<u64> {
    put_consents_of(tx, keys, rng, consents, None, now).await
}

/// The same for decisions that a consent of a source holds, by its id: they go with it.
pub(in crate::store) async fn put_consents_of(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    consents: &[(&PatientRow, &'static str, &ConsentBasis)],
    origin: Option<Uuid>,
    now: UtcMs,
) -> Result<u64> {
    if consents.is_empty() {
        return Ok(0);
    }
    let rows = rows(consents.iter().map(|(owner, source, consent)| {
        let id = new_uuid(now, rng);
        let place = Place { table: "consents", column: "basis", row: id.as_bytes() };
        let basis = consent.basis.expose();
        ConsentRow {
            id: Id(id),
            patient_id: Id(owner.id.0),
            channel: consent.channel.map_or("", ChannelKind::word),
            decision: match consent.decision {
                ConsentDecision::Given => "given",
                ConsentDecision::Refused => "refused",
            },
            source,
            basis: Bytes(owner.key.seal(place, basis.as_bytes(), rng)),
            basis_hash: Bytes(keys.look_up("basis", basis)),
            at_ms: consent.at.0,
            recorded_at_ms: now.0,
            imported_as: origin.map(Id),
        }
    }))?;
    Ok(on!(tx, PUT_CONSENTS, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?.rows_affected()
    }))
}
