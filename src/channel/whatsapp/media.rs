//! Files on their way to Meta: uploaded once for a number, remembered by their hash, left out when Meta does not
//! take them.
//!
//! An upload is no message: whatever becomes of it, nothing was sent. Source: pages business-phone-numbers/media and
//! support/error-codes (131053); `reference/channels.md` section 1.6.

use super::request::Attached;
use super::{Whatsapp, said, verdict};
use crate::care::time::{DAY_MS, SECOND_MS};
use crate::channel::{Action, Content, Media, MediaSource, Outcome};
use reqwest::header::CONTENT_TYPE;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An id is good for 30 days; it is renewed before.
const RENEWED_AFTER: Duration = Duration::from_secs((25 * DAY_MS / SECOND_MS) as u64);
/// A file that Meta refused so often in a row is left out.
const TRIES: u8 = 2;
/// The code for a file that Meta could not store or fetch.
pub(super) const NOT_TAKEN: &str = "131053";

/// What is known of the files of one number, by hash or URL. It may be lost on restart: then they are uploaded anew.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<BTreeMap<String, Upload>>);

#[derive(Debug, Default)]
struct Upload {
    id: Option<(String, Instant)>,
    refused: u8,
}

/// What to do about a file.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Known(String),
    New,
    LeftOut,
}

impl Uploads {
    fn standing(&self, key: &str, now: Instant) -> Standing {
        let known = self.lock();
        let Some(upload) = known.get(key) else { return Standing::New };
        if upload.refused >= TRIES {
            return Standing::LeftOut;
        }
        let fresh =
            upload.id.as_ref().filter(|(_, at)| now.saturating_duration_since(*at) < RENEWED_AFTER);
        fresh.map_or(Standing::New, |(id, _)| Standing::Known(id.clone()))
    }

    fn put(&self, key: &str, id: String, now: Instant) {
        self.lock().entry(key.to_owned()).or_default().id = Some((id, now));
    }

    /// Heeds how a message with a file ended: a file that was not taken is uploaded anew, once.
    fn heed(&self, key: &str, outcome: &Outcome) {
        let mut known = self.lock();
        let upload = known.entry(key.to_owned()).or_default();
        match outcome {
            Outcome::Refused { code, .. } if code == NOT_TAKEN => {
                upload.id = None;
                upload.refused = upload.refused.saturating_add(1);
            }
            Outcome::Accepted { .. } if upload.refused < TRIES => upload.refused = 0,
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Upload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn key(media: &Media) -> &String {
    match &media.source {
        MediaSource::File { sha256, .. } => sha256,
        MediaSource::Link { url } => url,
    }
}

impl Whatsapp {
    /// The file of a content as Meta takes it.
    ///
    /// # Errors
    /// How the send ends for want of it.
    pub(super) async fn attach(
        &self,
        content: &Content,
        media: Option<&Media>,
    ) -> Result<Attached, Outcome> {
        let Some(media) = media else { return Ok(Attached::Nothing) };
        // A template is approved with its file; words can do without.
        let without = || match content {
            Content::Template { .. } => Err(Outcome::refused(Action::TemplateProblem, "media")),
            _ => Ok(Attached::Nothing),
        };
        match (self.uploads.standing(key(media), Instant::now()), &media.source) {
            (Standing::LeftOut, _) => without(),
            (_, MediaSource::Link { url }) => Ok(Attached::Link(url.clone())),
            (Standing::Known(id), _) => Ok(Attached::Id(id)),
            (Standing::New, MediaSource::File { path, sha256 }) => {
                let bytes = tokio::fs::read(path).await.unwrap_or_default();
                // Another file than the one that was checked is none.
                if format!("{:x}", Sha256::digest(&bytes)) != *sha256 {
                    tracing::error!(
                        channel = self.name,
                        sha256,
                        "a file is not what was checked: it is left out"
                    );
                    return without();
                }
                let half =
                    Duration::from_millis(self.capabilities.request_timeout_ms.unsigned_abs() / 2);
                let upload = tokio::time::timeout(half, self.upload(media, &bytes)).await;
                let id = upload.unwrap_or(Err(Outcome::NotSent { stage: "media" }));
                if let Err(outcome) = &id {
                    self.uploads.heed(sha256, outcome);
                }
                let id = id?;
                self.uploads.put(sha256, id.clone(), Instant::now());
                Ok(Attached::Id(id))
            }
        }
    }

    /// Heeds how a send ended that carried a file.
    pub(super) fn heed_media(&self, media: &Media, outcome: &Outcome) {
        self.uploads.heed(key(media), outcome);
    }

    async fn upload(&self, media: &Media, bytes: &[u8]) -> Result<String, Outcome> {
        let boundary = format!("carebell-{}", key(media));
        let request = self
            .signed(self.http.post(self.number_url("media")))
            .header(CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}"))
            .body(form(&boundary, media, bytes));
        let answer = match self.http.call(request).await {
            Err(Outcome::Unknown { .. }) => return Err(Outcome::NotSent { stage: "media" }),
            other => other?,
        };
        let mut said = said(&answer);
        let id = answer.body.as_ref().and_then(|body| body["id"].as_str());
        said.ids = id.into_iter().map(ToOwned::to_owned).collect();
        match verdict::outcome(&answer, said, &self.codes) {
            Outcome::Accepted { mut ids } => Ok(ids.swap_remove(0)),
            refused @ Outcome::Refused { .. } => Err(refused),
            _ => Err(Outcome::NotSent { stage: "media" }),
        }
    }
}

/// The form of an upload (RFC 7578).
fn form(boundary: &str, media: &Media, bytes: &[u8]) -> Vec<u8> {
    let name = media.file_name.as_deref().unwrap_or("file");
    let name: String =
        name.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect();
    let kind = &media.mime_type;
    let head = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"type\"\r\n\r\n{kind}\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         content-type: {kind}\r\n\r\n"
    );
    [head.as_bytes(), bytes, format!("\r\n--{boundary}--\r\n").as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_renewed_in_time_and_a_file_that_is_not_taken_is_left_out() {
        let uploads = Uploads::default();
        let start = Instant::now();
        let day = Duration::from_hours(24);
        assert_eq!(uploads.standing("a", start), Standing::New);
        uploads.put("a", "1".to_owned(), start);
        assert_eq!(uploads.standing("a", start + day * 24), Standing::Known("1".to_owned()));
        assert_eq!(uploads.standing("a", start + day * 25), Standing::New);
        assert_eq!(uploads.standing("b", start), Standing::New);
        let not_taken = Outcome::refused(Action::Retry, NOT_TAKEN);
        uploads.heed("a", &not_taken);
        assert_eq!(uploads.standing("a", start), Standing::New);
        uploads.put("a", "2".to_owned(), start);
        uploads.heed("a", &Outcome::Accepted { ids: vec![] });
        uploads.heed("a", &Outcome::refused(Action::Retry, "131000"));
        assert_eq!(uploads.standing("a", start), Standing::Known("2".to_owned()));
        uploads.heed("a", &not_taken);
        uploads.heed("a", &not_taken);
        assert_eq!(uploads.standing("a", start), Standing::LeftOut);
        uploads.heed("a", &Outcome::Accepted { ids: vec![] });
        assert_eq!(uploads.standing("a", start), Standing::LeftOut);
    }
}
