//! Templates as providers list them, what is held of them, and how accounts stand.

use super::dialect::{Sql, insert_rows, on, statements};
use super::{Result, StoreError, Tx};
use crate::care::ids::PatientId;
use crate::care::{ChannelKind, HeldTemplate, ListedTemplate, UtcMs};
use serde_json::json;
use uuid::Uuid;

statements! {
    FORGET = Sql::both("-- templates::put_list\nDELETE FROM provider_templates WHERE channel = $1");
    PUT = insert_rows!("-- templates::put" "provider_templates" (channel text, name text, language text, category text, status text, quality text,
        parameters int, parameter_names text, header text, buttons int, ttl_seconds int, known_at_ms int)
        "ON CONFLICT (channel, name, language) DO UPDATE SET category = excluded.category, status = excluded.status, \
        quality = excluded.quality, known_at_ms = excluded.known_at_ms");
    LISTED = Sql::both("-- templates::listed\nSELECT name, language, category, status, quality, parameters, parameter_names, header, buttons, ttl_seconds \
        FROM provider_templates WHERE channel = $1 ORDER BY name, language");
    HELD = Sql::both("-- templates::held\nSELECT channel, programme, name, language, why FROM held_templates \
        WHERE until_ms IS NULL OR until_ms > $1 ORDER BY channel, name, language, programme");
    HOLD = insert_rows!("-- templates::hold" "held_templates" (channel text, programme text, name text, language text, why text, since_ms int, until_ms int)
        "ON CONFLICT (channel, programme, name, language) DO UPDATE SET why = excluded.why, until_ms = excluded.until_ms");
    LIFT_ALL = Sql::both("-- templates::lift_all\nDELETE FROM held_templates WHERE channel = $1");
    LIFT = Sql::both("-- templates::lift\nDELETE FROM held_templates WHERE channel = $1 AND name = $2 AND language = $3");
    PUT_STANDING = Sql::both("-- templates::put_standing\nINSERT INTO channel_standings (channel, asked_at_ms, listed_at_ms, facts, warnings) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (channel) DO UPDATE SET asked_at_ms = excluded.asked_at_ms, \
        listed_at_ms = coalesce(excluded.listed_at_ms, channel_standings.listed_at_ms), facts = excluded.facts, warnings = excluded.warnings");
    STANDINGS = Sql::both("-- templates::standings\nSELECT channel, asked_at_ms, listed_at_ms, facts, warnings FROM channel_standings ORDER BY channel");
    FORGET_LISTS = Sql::both("-- templates::forget\nDELETE FROM provider_templates");
    FORGET_HELD = Sql::both("-- templates::forget\nDELETE FROM held_templates");
    FORGET_STANDINGS = Sql::both("-- templates::forget\nDELETE FROM channel_standings");
    REACHED = Sql::both("-- templates::reached\nSELECT count(DISTINCT c.patient_id) FROM contact_points c JOIN patients p ON p.id = c.patient_id \
        WHERE c.channel = $1 AND c.in_use = 1 AND c.health IN ('ok', 'suspect') AND p.status NOT IN ('deceased', 'left') AND EXISTS \
        (SELECT 1 FROM consents s WHERE s.patient_id = c.patient_id AND s.decision = 'given' AND s.channel IN ('', $1))");
    WAITING = Sql::both("-- templates::waiting\nSELECT DISTINCT patient_id FROM reminders WHERE state = 'blocked' AND valid_until_ms > $1 \
        AND reason LIKE '%\"template-held\"%' ORDER BY patient_id LIMIT 256");
}

#[derive(sqlx::FromRow)]
struct Raw {
    name: String,
    language: String,
    category: String,
    status: String,
    quality: String,
    parameters: i64,
    parameter_names: String,
    header: String,
    buttons: i64,
    ttl_seconds: Option<i64>,
}

impl TryFrom<Raw> for ListedTemplate {
    type Error = StoreError;
    fn try_from(raw: Raw) -> Result<Self> {
        let names = serde_json::from_str(&raw.parameter_names).map_err(|_| {
            let (table, column) = ("provider_templates", "parameter_names");
            StoreError::Inconsistent { table, column, what: "not a list of names" }
        })?;
        Ok(Self {
            name: raw.name,
            language: raw.language,
            category: raw.category,
            status: raw.status,
            quality: raw.quality,
            parameters: usize::try_from(raw.parameters).unwrap_or(0),
            parameter_names: names,
            header: raw.header,
            buttons: usize::try_from(raw.buttons).unwrap_or(0),
            ttl_seconds: raw.ttl_seconds.and_then(|seconds| u32::try_from(seconds).ok()),
        })
    }
}

/// Puts a provider's whole list in place of the former one.
pub async fn put_list(
    tx: &mut Tx,
    channel: &str,
    list: &[ListedTemplate],
    now: UtcMs,
) -> Result<()> {
    on!(tx, FORGET, |c, sql| {
        sqlx::query(sql).bind(channel).execute(c).await?;
    });
    put(tx, channel, list, now).await
}

/// Puts what is new of templates: category, status and quality of those that are known, the others whole.
pub async fn put(tx: &mut Tx, channel: &str, list: &[ListedTemplate], now: UtcMs) -> Result<()> {
    let row = |one: &ListedTemplate| {
        json!({
            "channel": channel, "name": one.name, "language": one.language,
            "category": one.category, "status": one.status, "quality": one.quality,
            "parameters": one.parameters, "parameter_names": json!(one.parameter_names).to_string(),
            "header": one.header, "buttons": one.buttons, "ttl_seconds": one.ttl_seconds,
            "known_at_ms": now.0,
        })
    };
    if list.is_empty() {
        return Ok(());
    }
    let rows = json!(list.iter().map(row).collect::<Vec<_>>()).to_string();
    on!(tx, PUT, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// What a provider listed last.
pub async fn listed(tx: &mut Tx, channel: &str) -> Result<Vec<ListedTemplate>> {
    let rows: Vec<Raw> =
        on!(tx, LISTED, |c, sql| sqlx::query_as(sql).bind(channel).fetch_all(c).await?);
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Templates that are held at `now`, of all channels.
pub async fn held(tx: &mut Tx, now: UtcMs) -> Result<Vec<HeldTemplate>> {
    let rows: Vec<(String, String, String, String, String)> =
        on!(tx, HELD, |c, sql| sqlx::query_as(sql).bind(now.0).fetch_all(c).await?);
    let held = |(channel, programme, name, language, why)| HeldTemplate {
        channel,
        programme,
        name,
        language,
        why,
    };
    Ok(rows.into_iter().map(held).collect())
}

/// Holds templates, until an instant or until they are lifted.
pub async fn hold(
    tx: &mut Tx,
    held: &[HeldTemplate],
    until: Option<UtcMs>,
    now: UtcMs,
) -> Result<()> {
    if held.is_empty() {
        return Ok(());
    }
    let row = |one: &HeldTemplate| {
        json!({
            "channel": one.channel, "programme": one.programme, "name": one.name,
            "language": one.language, "why": one.why, "since_ms": now.0,
            "until_ms": until.map(|at| at.0),
        })
    };
    let rows = json!(held.iter().map(row).collect::<Vec<_>>()).to_string();
    on!(tx, HOLD, |c, sql| {
        sqlx::query(sql).bind(rows).execute(c).await?;
    });
    Ok(())
}

/// Lifts whatever is held of a channel's templates.
pub async fn lift_all(tx: &mut Tx, channel: &str) -> Result<()> {
    on!(tx, LIFT_ALL, |c, sql| {
        sqlx::query(sql).bind(channel).execute(c).await?;
    });
    Ok(())
}

/// Lifts what is held of one template.
pub async fn lift(tx: &mut Tx, channel: &str, name: &str, language: &str) -> Result<()> {
    on!(tx, LIFT, |c, sql| {
        sqlx::query(sql).bind(channel).bind(name).bind(language).execute(c).await?;
    });
    Ok(())
}

/// How a channel's account stood when its provider was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelStanding {
    /// Configured channel.
    pub channel: String,
    /// When.
    pub asked_at: UtcMs,
    /// When its templates were listed whole; none: never.
    pub listed_at: Option<UtcMs>,
    /// Names and values.
    pub facts: Vec<(String, String)>,
    /// What will hurt.
    pub warnings: Vec<String>,
}

/// Records how a channel stands; a list that was not asked for this time stays dated as it was.
pub async fn put_standing(tx: &mut Tx, standing: &ChannelStanding) -> Result<()> {
    let (facts, warnings) =
        (json!(standing.facts).to_string(), json!(standing.warnings).to_string());
    on!(tx, PUT_STANDING, |c, sql| {
        sqlx::query(sql)
            .bind(&standing.channel)
            .bind(standing.asked_at.0)
            .bind(standing.listed_at.map(|at| at.0))
            .bind(facts)
            .bind(warnings)
            .execute(c)
            .await?;
    });
    Ok(())
}

/// How every channel stood when it was asked last.
pub async fn standings(tx: &mut Tx) -> Result<Vec<ChannelStanding>> {
    let rows: Vec<(String, i64, Option<i64>, String, String)> =
        on!(tx, STANDINGS, |c, sql| sqlx::query_as(sql).fetch_all(c).await?);
    let fault =
        |column, what| StoreError::Inconsistent { table: "channel_standings", column, what };
    rows.into_iter()
        .map(|(channel, asked_at, listed_at, facts, warnings)| {
            Ok(ChannelStanding {
                channel,
                asked_at: UtcMs(asked_at),
                listed_at: listed_at.map(UtcMs),
                facts: serde_json::from_str(&facts).map_err(|_| fault("facts", "not pairs"))?,
                warnings: serde_json::from_str(&warnings)
                    .map_err(|_| fault("warnings", "not a list"))?,
            })
        })
        .collect()
}

/// Going live: what the sandbox said of templates and accounts is forgotten.
pub async fn forget(tx: &mut Tx) -> Result<()> {
    for statement in [FORGET_LISTS, FORGET_HELD, FORGET_STANDINGS] {
        on!(tx, statement, |c, sql| {
            sqlx::query(sql).execute(c).await?;
        });
    }
    Ok(())
}

/// How many patients have consented to be reached over a kind of channel, and have an address there.
pub async fn reached(tx: &mut Tx, kind: ChannelKind) -> Result<i64> {
    Ok(on!(tx, REACHED, |c, sql| sqlx::query_scalar(sql).bind(kind.word()).fetch_one(c).await?))
}

/// Patients with reminders that a held template blocks and that are still of use, 256 at most.
pub async fn waiting(tx: &mut Tx, now: UtcMs) -> Result<Vec<PatientId>> {
    let ids: Vec<Uuid> =
        on!(tx, WAITING, |c, sql| sqlx::query_scalar(sql).bind(now.0).fetch_all(c).await?);
    Ok(ids.into_iter().map(PatientId).collect())
}
