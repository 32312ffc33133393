//! Files that providers have, and those that they did not take.

use super::dialect::{Sql, on, statements};
use super::{Result, Tx};
use crate::care::UtcMs;
use crate::policy::media::Shelved;

statements! {
    ALL = Sql::both("-- media::all\nSELECT channel, content, provider_id, until_ms, refused, refused_at_ms FROM media_uploads \
        ORDER BY channel, content");
    PUT = Sql::both("-- media::put\nINSERT INTO media_uploads (channel, content, provider_id, until_ms, refused, refused_at_ms) \
        VALUES ($1, $2, $3, $4, 0, 0) ON CONFLICT (channel, content) DO UPDATE SET provider_id = excluded.provider_id, \
        until_ms = excluded.until_ms");
    // Many messages may fail for one upload: it counts once.
    REFUSE = Sql::both("-- media::refuse\nINSERT INTO media_uploads (channel, content, provider_id, until_ms, refused, refused_at_ms) \
        VALUES ($1, $2, '', 0, 1, $4) ON CONFLICT (channel, content) DO UPDATE SET provider_id = '', until_ms = 0, \
        refused = CASE WHEN media_uploads.refused_at_ms > $5 THEN media_uploads.refused + 1 ELSE 1 END, refused_at_ms = $4 \
        WHERE media_uploads.provider_id = $3");
    FORGET = Sql::both("-- media::forget\nDELETE FROM media_uploads");
}

/// A file, or a link's, as one channel's provider has it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct UploadRow {
    /// Configured channel.
    pub channel: String,
    /// SHA-256 of the file, or of the URL, in lower-case hex.
    pub content: String,
    /// The provider's id; empty: it has none.
    pub provider_id: String,
    /// How long messages may name it.
    pub until_ms: i64,
    /// How often in a row it was not taken.
    pub refused: i64,
    /// When last.
    pub refused_at_ms: i64,
}

impl UploadRow {
    /// How it stands, for the rules.
    pub fn shelved(&self) -> Shelved<'_> {
        Shelved {
            id: &self.provider_id,
            until: UtcMs(self.until_ms),
            refused: self.refused,
            refused_at: UtcMs(self.refused_at_ms),
        }
    }
}

/// Every file that is known.
pub async fn all(tx: &mut Tx) -> Result<Vec<UploadRow>> {
    Ok(on!(tx, ALL, |c, sql| sqlx::query_as(sql).fetch_all(c).await?))
}

/// A provider took a file; messages may name it by this id for a while.
pub async fn put(
    tx: &mut Tx,
    channel: &str,
    content: &str,
    provider_id: &str,
    until: UtcMs,
) -> Result<()> {
    on!(tx, PUT, |c, sql| {
        let query = sqlx::query(sql).bind(channel).bind(content).bind(provider_id);
        query.bind(until.0).execute(c).await?;
    });
    Ok(())
}

/// A provider did not take a file, or a message because of it, that was named by this id (empty: a link, or an upload
/// that failed). What was said of an id that is none any more changes nothing; refusals before `recent` do not count.
pub async fn refuse(
    tx: &mut Tx,
    channel: &str,
    content: &str,
    provider_id: &str,
    now: UtcMs,
    recent: UtcMs,
) -> Result<()> {
    on!(tx, REFUSE, |c, sql| {
        let query = sqlx::query(sql).bind(channel).bind(content).bind(provider_id);
        query.bind(now.0).bind(recent.0).execute(c).await?;
    });
    Ok(())
}

/// Forgets every upload: they were another provider's.
pub async fn forget(tx: &mut Tx) -> Result<()> {
    on!(tx, FORGET, |c, sql| {
        sqlx::query(sql).execute(c).await?;
    });
    Ok(())
}
