//! Damage that rows can have: counted by class, and mended where what is damaged is derived from other rows.

use super::dialect::{Sql, on, sql, statements};
use super::{Pools, Result, Store, Tx, alarms, patients};
use crate::care::UtcMs;
use crate::care::ids::PatientId;
use uuid::Uuid;

/// A class of damaged rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// Owners name an alarm that is not there.
    AlarmsMissing,
    /// Alarms that no owner names: orphans and doubles.
    AlarmsLeftOver,
    /// Queued messages that name no alarm.
    MessagesUnarmed,
    /// Queued reminders without a message.
    RemindersUnspoken,
    /// Reminders still open more than five minutes after their validity.
    RemindersOverdue,
    /// Open intents whose lease ended more than a minute ago.
    IntentsAbandoned,
    /// Patients and messages that broke their step three times.
    Parked,
    /// Receipts of more than an hour ago that match no attempt.
    ReceiptsUnmatched,
    /// Patients whose alarm was due more than five minutes ago.
    PatientsBehind,
}

impl Damage {
    /// Every class.
    pub const ALL: [Self; 9] = [
        Self::AlarmsMissing,
        Self::AlarmsLeftOver,
        Self::MessagesUnarmed,
        Self::RemindersUnspoken,
        Self::RemindersOverdue,
        Self::IntentsAbandoned,
        Self::Parked,
        Self::ReceiptsUnmatched,
        Self::PatientsBehind,
    ];

    const fn statement(self) -> (Sql, Bound) {
        match self {
            Self::AlarmsMissing => (MISSING, Bound::Nothing),
            Self::AlarmsLeftOver => (LEFT_OVER, Bound::Nothing),
            Self::MessagesUnarmed => (UNARMED, Bound::Nothing),
            Self::RemindersUnspoken => (UNSPOKEN_COUNT, Bound::Nothing),
            Self::RemindersOverdue => (OVERDUE, Bound::Business),
            Self::IntentsAbandoned => (ABANDONED, Bound::Database),
            Self::Parked => (PARKED, Bound::Nothing),
            Self::ReceiptsUnmatched => (UNMATCHED, Bound::Business),
            Self::PatientsBehind => (BEHIND, Bound::Business),
        }
    }
}

/// What a statement's `$1` is.
#[derive(Clone, Copy)]
enum Bound {
    Nothing,
    /// Now, business time.
    Business,
    /// Now, on the database's clock.
    Database,
}

statements! {
    MISSING = Sql::both("-- doctor::count\nSELECT \
        (SELECT count(*) FROM patients o WHERE wake_at_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM alarms a \
            WHERE a.kind = 'patient' AND a.lane = '' AND a.wake_at_ms = o.wake_at_ms AND a.id = o.id)) + \
        (SELECT count(*) FROM messages o WHERE wake_at_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM alarms a \
            WHERE a.kind = 'message' AND a.lane = o.lane AND a.wake_at_ms = o.wake_at_ms AND a.id = o.id)) + \
        (SELECT count(*) FROM attempts o WHERE wake_at_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM alarms a \
            WHERE a.kind = 'settle' AND a.lane = '' AND a.wake_at_ms = o.wake_at_ms AND a.id = o.id))");
    LEFT_OVER = Sql::both("-- doctor::count\nSELECT count(*) FROM alarms a WHERE \
        (kind = 'patient' AND NOT EXISTS (SELECT 1 FROM patients o WHERE o.id = a.id AND o.wake_at_ms = a.wake_at_ms AND a.lane = '')) OR \
        (kind = 'message' AND NOT EXISTS (SELECT 1 FROM messages o WHERE o.id = a.id AND o.wake_at_ms = a.wake_at_ms AND a.lane = o.lane)) OR \
        (kind = 'settle' AND NOT EXISTS (SELECT 1 FROM attempts o WHERE o.id = a.id AND o.wake_at_ms = a.wake_at_ms AND a.lane = ''))");
    UNARMED = Sql::both("-- doctor::count\nSELECT count(*) FROM messages WHERE state = 'queued' AND wake_at_ms IS NULL");
    UNSPOKEN_COUNT = Sql::both("-- doctor::count\nSELECT count(*) FROM reminders WHERE state = 'queued' \
        AND (message_id IS NULL OR message_id NOT IN (SELECT id FROM messages))");
    OVERDUE = Sql::both("-- doctor::count\nSELECT count(*) FROM reminders WHERE state IN ('queued', 'sending') AND valid_until_ms < $1 - 300000");
    ABANDONED = Sql::both("-- doctor::count\nSELECT count(*) FROM attempts WHERE state = 'intent' AND lease_until_ms < $1 - 60000");
    PARKED = Sql::both("-- doctor::count\nSELECT (SELECT count(*) FROM patients WHERE failures >= 3 AND wake_at_ms IS NULL) + \
        (SELECT count(*) FROM messages WHERE state = 'parked')");
    UNMATCHED = Sql::both("-- doctor::count\nSELECT count(*) FROM receipts WHERE attempt_id IS NULL AND received_at_ms < $1 - 3600000");
    BEHIND = Sql::both("-- doctor::count\nSELECT count(*) FROM patients WHERE wake_at_ms < $1 - 300000");
    PROGRAMMES = Sql::both("-- doctor::programmes\nSELECT programme, count(*) FROM patients WHERE status NOT IN ('deceased', 'left') \
        GROUP BY programme ORDER BY programme");
    // Whoever sets an alarm holds its owner: once these are held, nobody sets the very alarm that is taken away.
    LOCK_PATIENTS = sql!(("-- doctor::repair\nSELECT id FROM patients WHERE id IN (SELECT a.id FROM alarms a WHERE kind = 'patient' AND NOT EXISTS \
        (SELECT 1 FROM patients o WHERE o.id = a.id AND o.wake_at_ms = a.wake_at_ms AND a.lane = '')) ORDER BY id"), (lock));
    LOCK_MESSAGES = sql!(("-- doctor::repair\nSELECT id FROM messages WHERE id IN (SELECT a.id FROM alarms a WHERE kind = 'message' AND NOT EXISTS \
        (SELECT 1 FROM messages o WHERE o.id = a.id AND o.wake_at_ms = a.wake_at_ms AND a.lane = o.lane)) ORDER BY id"), (lock));
    LOCK_ATTEMPTS = sql!(("-- doctor::repair\nSELECT id FROM attempts WHERE id IN (SELECT a.id FROM alarms a WHERE kind = 'settle' AND NOT EXISTS \
        (SELECT 1 FROM attempts o WHERE o.id = a.id AND o.wake_at_ms = a.wake_at_ms AND a.lane = '')) ORDER BY id"), (lock));
    DROP_LEFT_OVER = Sql::both("-- doctor::repair\nDELETE FROM alarms WHERE \
        (kind = 'patient' AND NOT EXISTS (SELECT 1 FROM patients o WHERE o.id = alarms.id AND o.wake_at_ms = alarms.wake_at_ms AND alarms.lane = '')) OR \
        (kind = 'message' AND NOT EXISTS (SELECT 1 FROM messages o WHERE o.id = alarms.id AND o.wake_at_ms = alarms.wake_at_ms AND alarms.lane = o.lane)) OR \
        (kind = 'settle' AND NOT EXISTS (SELECT 1 FROM attempts o WHERE o.id = alarms.id AND o.wake_at_ms = alarms.wake_at_ms AND alarms.lane = ''))");
    ARM = Sql::both("-- doctor::repair\nUPDATE messages SET wake_at_ms = $1, updated_at_ms = $1 WHERE state = 'queued' AND wake_at_ms IS NULL");
    UNSPOKEN = Sql::both("-- doctor::repair\nSELECT DISTINCT patient_id FROM reminders WHERE state = 'queued' AND valid_until_ms > $1 \
        AND (message_id IS NULL OR message_id NOT IN (SELECT id FROM messages)) ORDER BY patient_id");
    FORGET_MESSAGE = Sql::both("-- doctor::repair\nUPDATE reminders SET message_id = NULL, updated_at_ms = $1 WHERE state = 'queued' \
        AND valid_until_ms > $1 AND (message_id IS NULL OR message_id NOT IN (SELECT id FROM messages))");
}

/// How many rows each class of damage has; classes without any are left out.
pub async fn damages(tx: &mut Tx, now: UtcMs, database_now: UtcMs) -> Result<Vec<(Damage, i64)>> {
    let mut found = Vec::new();
    for class in Damage::ALL {
        let (statement, bound) = class.statement();
        let at = match bound {
            Bound::Nothing => None,
            Bound::Business => Some(now.0),
            Bound::Database => Some(database_now.0),
        };
        let rows: i64 = on!(tx, statement, |c, sql| {
            let query = sqlx::query_scalar(sql);
            match at {
                Some(at) => query.bind(at).fetch_one(c).await?,
                None => query.fetch_one(c).await?,
            }
        });
        if rows > 0 {
            found.push((class, rows));
        }
    }
    Ok(found)
}

/// Programmes that patients are in, and how many.
pub async fn programmes(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, PROGRAMMES, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// Mends what is derived from other rows: alarms, and the messages of reminders that are still valid. Returns how many
/// rows of each class it mended. Patients are locked before messages, messages before attempts.
pub async fn repair(tx: &mut Tx, now: UtcMs) -> Result<Vec<(Damage, u64)>> {
    let unspoken: Vec<Uuid> =
        on!(tx, UNSPOKEN, |c, sql| sqlx::query_scalar(sql).bind(now.0).fetch_all(c).await?);
    let owners: Vec<PatientId> = unspoken.into_iter().map(PatientId).collect();
    patients::lock(tx, &owners).await?;
    for statement in [LOCK_PATIENTS, LOCK_MESSAGES, LOCK_ATTEMPTS] {
        on!(tx, statement, |c, sql| {
            sqlx::query(sql).execute(c).await?;
        });
    }
    let left_over =
        on!(tx, DROP_LEFT_OVER, |c, sql| sqlx::query(sql).execute(c).await?.rows_affected());
    let missing = alarms::rebuild(tx).await?;
    let armed =
        on!(tx, ARM, |c, sql| sqlx::query(sql).bind(now.0).execute(c).await?.rows_affected());
    let spoken = on!(tx, FORGET_MESSAGE, |c, sql| sqlx::query(sql)
        .bind(now.0)
        .execute(c)
        .await?
        .rows_affected());
    // The wake gives a queued reminder without a message a new one; the slot is the same, so nothing is said twice.
    patients::disturb(tx, &owners, now).await?;
    alarms::rebuild(tx).await?;
    let mended = [
        (Damage::AlarmsLeftOver, left_over),
        (Damage::AlarmsMissing, missing),
        (Damage::MessagesUnarmed, armed),
        (Damage::RemindersUnspoken, spoken),
    ];
    Ok(mended.into_iter().filter(|(_, rows)| *rows > 0).collect())
}

impl Store {
    /// What SQLite's own check finds wrong with the file (pragma quick_check); none on PostgreSQL, which checks pages
    /// as it reads them.
    pub async fn quick_check(&self) -> Result<Vec<String>> {
        let Pools::Sqlite { readers, .. } = &self.pools else { return Ok(Vec::new()) };
        let said: Vec<String> =
            sqlx::query_scalar("-- doctor::quick_check\nPRAGMA quick_check(10)")
                .fetch_all(readers)
                .await?;
        Ok(said.into_iter().filter(|line| line != "ok").collect())
    }
}
