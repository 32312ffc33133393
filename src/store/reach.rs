//! How far a provider lets us reach an address: the window for free text, by what else its owner is known there, and
//! who lets no marketing through.

use super::dialect::{Sql, insert_rows, on, sql, statements};
use super::patients::{self, PatientRow};
use super::{Result, StoreError, Tx, id_list};
use crate::care::ids::{AttemptId, ContactPointId, PatientId, new_uuid};
use crate::care::{Address, UtcMs};
use crate::security::{Keyring, Place, hex};
use rand::RngCore;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

statements! {
    OPEN = Sql::both("-- reach::open\nINSERT INTO windows (contact_point_id, channel, open_until_ms) VALUES ($1, $2, $3) \
        ON CONFLICT (contact_point_id, channel) DO UPDATE SET open_until_ms = \
        CASE WHEN excluded.open_until_ms > windows.open_until_ms THEN excluded.open_until_ms ELSE windows.open_until_ms END");
    CLOSE = Sql::both("-- reach::close\nDELETE FROM windows WHERE contact_point_id = $1 AND channel = $2");
    WINDOWS = sql!(("-- reach::windows\nSELECT w.contact_point_id, w.channel FROM windows w JOIN contact_points c ON c.id = w.contact_point_id \
        WHERE w.open_until_ms > $2 AND c.patient_id IN "), (ids "$1"));
    STOP = Sql::both("-- reach::stop_marketing\nINSERT INTO marketing_stops (contact_point_id, since_ms) VALUES ($1, $2) \
        ON CONFLICT (contact_point_id) DO NOTHING");
    RESUME = Sql::both("-- reach::resume_marketing\nDELETE FROM marketing_stops WHERE contact_point_id = $1");
    STOPS = sql!(("-- reach::marketing_stops\nSELECT m.contact_point_id FROM marketing_stops m JOIN contact_points c ON c.id = m.contact_point_id \
        WHERE c.patient_id IN "), (ids "$1"));
    ALIASED = Sql::both("-- reach::known_as\nSELECT c.id, c.patient_id FROM contact_aliases a JOIN contact_points c ON c.id = a.contact_point_id \
        WHERE a.alias_hash = $1 AND c.in_use = 1 ORDER BY c.patient_id, c.id");
    USER_IDS = sql!(("-- reach::user_ids\nSELECT a.id, a.contact_point_id, a.patient_id, a.alias FROM contact_aliases a \
        JOIN contact_points c ON c.id = a.contact_point_id WHERE c.in_use = 1 AND c.health <> 'bad' AND c.patient_id IN "), (ids "$1"),
        (" ORDER BY a.learned_at_ms, a.id"));
    NEWS = sql!(("-- reach::unknown_aliases\nSELECT r.n, c.id, c.patient_id FROM "), (rows "$1" n int, id id, alias_hash bytes),
        (" AS r JOIN attempts t ON t.id = r.id JOIN contact_points c ON c.id = t.contact_point_id WHERE c.address_hash <> r.alias_hash \
        AND NOT EXISTS (SELECT 1 FROM contact_aliases a WHERE a.contact_point_id = c.id AND a.alias_hash = r.alias_hash)"));
    LEARN = insert_rows!("-- reach::learn" "contact_aliases" (id id, contact_point_id id, patient_id id, alias bytes, alias_hash bytes, learned_at_ms int)
        "ON CONFLICT (contact_point_id, alias_hash) DO NOTHING");
    UNLEARN = Sql::both("-- reach::unlearn\nDELETE FROM contact_aliases WHERE contact_point_id = $1");
    FORGET_WINDOWS = Sql::both("-- reach::forget\nDELETE FROM windows WHERE open_until_ms < $1");
    FORGET_ALIASES = Sql::both("-- reach::forget\nDELETE FROM contact_aliases WHERE learned_at_ms < $1");
    FORGET_STOPS = Sql::both("-- reach::forget\nDELETE FROM marketing_stops WHERE since_ms < $1");
}

/// The owner of an address wrote: until `until` free text is taken there. One that is open longer stays so.
pub async fn open(tx: &mut Tx, contact: ContactPointId, channel: &str, until: UtcMs) -> Result<()> {
    on!(tx, OPEN, |c, sql| {
        sqlx::query(sql).bind(contact.0).bind(channel).bind(until.0).execute(c).await?;
    });
    Ok(())
}

/// The provider says that the window is closed.
pub async fn close(tx: &mut Tx, contact: ContactPointId, channel: &str) -> Result<()> {
    on!(tx, CLOSE, |c, sql| {
        sqlx::query(sql).bind(contact.0).bind(channel).execute(c).await?;
    });
    Ok(())
}

/// Addresses of patients with the channels on which their window is open at `now`.
pub async fn windows(
    tx: &mut Tx,
    owners: &[PatientId],
    now: UtcMs,
) -> Result<BTreeSet<(ContactPointId, String)>> {
    let list = id_list(owners.iter().map(|id| id.0));
    let rows: Vec<(Uuid, String)> =
        on!(tx, WINDOWS, |c, sql| sqlx::query_as(sql).bind(list).bind(now.0).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(id, channel)| (ContactPointId(id), channel)).collect())
}

/// The owner of an address lets no marketing through.
pub async fn stop_marketing(tx: &mut Tx, contact: ContactPointId, now: UtcMs) -> Result<()> {
    on!(tx, STOP, |c, sql| {
        sqlx::query(sql).bind(contact.0).bind(now.0).execute(c).await?;
    });
    Ok(())
}

/// The owner of an address lets marketing through again.
pub async fn resume_marketing(tx: &mut Tx, contact: ContactPointId) -> Result<()> {
    on!(tx, RESUME, |c, sql| {
        sqlx::query(sql).bind(contact.0).execute(c).await?;
    });
    Ok(())
}

/// Addresses of patients to which no marketing goes.
pub async fn marketing_stops(
    tx: &mut Tx,
    owners: &[PatientId],
) -> Result<BTreeSet<ContactPointId>> {
    let list = id_list(owners.iter().map(|id| id.0));
    let ids: Vec<Uuid> =
        on!(tx, STOPS, |c, sql| sqlx::query_scalar(sql).bind(list).fetch_all(c).await?);
    Ok(ids.into_iter().map(ContactPointId).collect())
}

/// Contact points in use whose owner is known by this id or number as well.
pub async fn known_as(
    tx: &mut Tx,
    keys: &Keyring,
    alias: &Address,
) -> Result<Vec<(ContactPointId, PatientId)>> {
    let hash = keys.look_up("address", alias.expose());
    let found: Vec<(Uuid, Uuid)> =
        on!(tx, ALIASED, |c, sql| sqlx::query_as(sql).bind(hash).fetch_all(c).await?);
    Ok(found.into_iter().map(|(id, patient)| (ContactPointId(id), PatientId(patient))).collect())
}

/// The newest id by which a provider knows the owner of an address beside the number. None of an address that is bad:
/// whoever answers to the id may be another person.
pub async fn user_ids(
    tx: &mut Tx,
    owners: &[&PatientRow],
) -> Result<BTreeMap<ContactPointId, Address>> {
    let list = id_list(owners.iter().map(|owner| owner.id.0));
    let rows: Vec<(Uuid, Uuid, Uuid, Vec<u8>)> =
        on!(tx, USER_IDS, |c, sql| sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    let mut known = BTreeMap::new();
    for (id, contact, patient, alias) in rows {
        let Some(owner) = owners.iter().find(|owner| owner.id.0 == patient) else { continue };
        let place = Place { table: "contact_aliases", column: "alias", row: id.as_bytes() };
        let alias = String::from_utf8(owner.key.open(place, &alias)?).map_err(|_| {
            let (table, column) = ("contact_aliases", "alias");
            StoreError::Inconsistent { table, column, what: "not text" }
        })?;
        // The number in another form is no id.
        if !alias.starts_with('+') {
            known.insert(ContactPointId(contact), Address::new(alias));
        }
    }
    Ok(known)
}

/// What receipts call the people they tell of, and what is news of it: the contact point with its owner.
pub async fn unknown_aliases<'a>(
    tx: &mut Tx,
    keys: &Keyring,
    told: &[(AttemptId, &'a Address)],
) -> Result<Vec<(ContactPointId, PatientId, &'a Address)>> {
    if told.is_empty() {
        return Ok(Vec::new());
    }
    let row = |(n, (attempt, alias)): (usize, &(AttemptId, &Address))| {
        json!({
            "n": n, "id": attempt.0.simple().to_string(),
            "alias_hash": hex(&keys.look_up("address", alias.expose())),
        })
    };
    let rows = json!(told.iter().enumerate().map(row).collect::<Vec<_>>()).to_string();
    let found: Vec<(i64, Uuid, Uuid)> =
        on!(tx, NEWS, |c, sql| sqlx::query_as(sql).bind(rows).fetch_all(c).await?);
    let of = |(n, contact, patient): (i64, Uuid, Uuid)| {
        let (_, alias) = told.get(usize::try_from(n).ok()?)?;
        Some((ContactPointId(contact), PatientId(patient), *alias))
    };
    Ok(found.into_iter().filter_map(of).collect())
}

/// Learns by what else the owners of addresses are known; what is known already stays.
pub async fn learn(
    tx: &mut Tx,
    keys: &Keyring,
    rng: &mut (dyn RngCore + Send),
    aliases: &[(ContactPointId, PatientId, &Address)],
    now: UtcMs,
) -> Result<()> {
    if aliases.is_empty() {
        return Ok(());
    }
    let ids: Vec<PatientId> = aliases.iter().map(|(_, patient, _)| *patient).collect();
    let owners: Vec<PatientRow> = patients::load(tx, keys, &ids).await?;
    let mut rows = Vec::new();
    for (contact, patient, alias) in aliases {
        let Some(owner) = owners.iter().find(|owner| owner.id == *patient) else { continue };
        let id = new_uuid(now, rng);
        let place = Place { table: "contact_aliases", column: "alias", row: id.as_bytes() };
        rows.push(json!({
            "id": id.simple().to_string(),
            "contact_point_id": contact.0.simple().to_string(),
            "patient_id": patient.0.simple().to_string(),
            "alias": hex(&owner.key.seal(place, alias.expose().as_bytes(), rng)),
            "alias_hash": hex(&keys.look_up("address", alias.expose())),
            "learned_at_ms": now.0,
        }));
    }
    let rows = json!(rows).to_string();
    on!(tx, LEARN, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// Nobody knows any more whose the ids of this address are.
pub async fn unlearn(tx: &mut Tx, contact: ContactPointId) -> Result<()> {
    on!(tx, UNLEARN, |c, sql| {
        sqlx::query(sql).bind(contact.0).execute(c).await?;
    });
    Ok(())
}

/// Going live: forgets what the sandbox's people taught; what a real provider has told since `heard_since` stays.
/// `window_ms` is how long a window is open.
pub async fn forget(tx: &mut Tx, heard_since: UtcMs, window_ms: i64) -> Result<()> {
    for (statement, before) in [
        (FORGET_WINDOWS, heard_since.plus_ms(window_ms)),
        (FORGET_ALIASES, heard_since),
        (FORGET_STOPS, heard_since),
    ] {
        on!(tx, statement, |c, sql| {
            sqlx::query(sql).bind(before.0).execute(c).await?;
        });
    }
    Ok(())
}
