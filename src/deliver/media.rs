//! Material on its way: files are handed to providers before any message names them, and what a provider does not take
//! goes once more, then stays away, while the words go on.

use super::send::{Deliverer, DelivererDeps};
use crate::care::ids::TaskId;
use crate::care::time::DAY_MS;
use crate::care::{Edition, Media, MediaSource, Reason, UtcMs};
use crate::channel::{Action, Channel, Outcome, Upload};
use crate::policy::media::{RESTS_MS, Standing, standing, try_again_at};
use crate::security::hex;
use crate::store::attempts::AttemptRow;
use crate::store::media::{self, UploadRow};
use crate::store::tasks::{self, NewTask, TaskKind};
use crate::store::{Result as Stored, Tx};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

/// So much of a hash names a file in logs and tasks: its own name may tell what must not be told.
const HASH_CHARS: usize = 12;

/// Failed uploads, by channel and content: how often, and when the next is.
pub(super) type Failures = BTreeMap<(String, String), (u32, UtcMs)>;

/// What providers have of the programmes' files.
#[derive(Debug, Default)]
pub(super) struct Shelf(BTreeMap<(String, String), UploadRow>);

impl Shelf {
    /// What is known; nothing is asked for where no programme has material.
    pub(super) async fn read(deps: &DelivererDeps, tx: &mut Tx) -> Stored<Self> {
        if deps.programmes.iter().all(|programme| programme.media.is_empty()) {
            return Ok(Self::default());
        }
        let rows = media::all(tx).await?.into_iter();
        Ok(Self(rows.map(|row| ((row.channel.clone(), row.content.clone()), row)).collect()))
    }

    /// What of an edition goes with a message of a channel now; none: its link in words, or nothing.
    pub(super) fn file(
        &self,
        channel: &dyn Channel,
        edition: &Edition,
        now: UtcMs,
    ) -> Option<Media> {
        let media = channel.takes(edition).ok().flatten()?;
        match (self.standing(channel.name(), &media, now), &media.source) {
            (Standing::LeftOut, _) | (Standing::Fresh, MediaSource::File { .. }) => None,
            (Standing::Ready { id }, MediaSource::File { sha256, .. }) => {
                let source = MediaSource::Upload { id: id.to_owned(), sha256: sha256.clone() };
                Some(Media { source, ..media })
            }
            (_, MediaSource::Link { .. } | MediaSource::Upload { .. }) => Some(media),
        }
    }

    fn standing(&self, channel: &str, media: &Media, now: UtcMs) -> Standing<'_> {
        let key = (channel.to_owned(), content_of(media));
        standing(self.0.get(&key).map(UploadRow::shelved).as_ref(), now)
    }
}

/// What a file is remembered by.
fn content_of(media: &Media) -> String {
    match &media.source {
        MediaSource::File { sha256, .. } | MediaSource::Upload { sha256, .. } => sha256.clone(),
        MediaSource::Link { url } => hex(&Sha256::digest(url.as_bytes())),
    }
}

/// What comes after a message was refused because of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterRefusal {
    /// The file is tried once more.
    OnceMore,
    /// The words go without it.
    Without,
}

/// A provider refused a message because of its file, at once or by a later receipt. Told to a person when it is refused
/// for good.
pub(super) async fn refused(
    deps: &DelivererDeps,
    tx: &mut Tx,
    attempt: &AttemptRow,
    file: &Media,
    code: &str,
    now: UtcMs,
) -> Stored<AfterRefusal> {
    let id = match &file.source {
        MediaSource::Upload { id, .. } => id,
        MediaSource::File { .. } | MediaSource::Link { .. } => "",
    };
    let content = content_of(file);
    note(deps, tx, &attempt.channel, &content, id, code, now).await?;
    let shelf = Shelf::read(deps, tx).await?;
    Ok(match shelf.standing(&attempt.channel, file, now) {
        Standing::LeftOut => AfterRefusal::Without,
        Standing::Ready { .. } | Standing::Fresh => AfterRefusal::OnceMore,
    })
}

/// Notes a refusal; the one that takes a file out opens a task.
async fn note(
    deps: &DelivererDeps,
    tx: &mut Tx,
    channel: &str,
    content: &str,
    id: &str,
    code: &str,
    now: UtcMs,
) -> Stored<()> {
    media::refuse(tx, channel, content, id, now, now.plus_ms(-RESTS_MS)).await?;
    let known = media::all(tx).await?;
    let row = known.iter().find(|row| row.channel == channel && row.content == content);
    if standing(row.map(UploadRow::shelved).as_ref(), now) != Standing::LeftOut {
        return Ok(());
    }
    let subject = subject(channel, content);
    tracing::error!(subject, code, "a file is not taken and is left out: see the open task");
    let task = NewTask {
        id: TaskId::new(now, &mut deps.rng.fork()),
        patient: None,
        kind: TaskKind::Channel,
        subject,
        reason: Reason::Refused { code: code.to_owned() },
        due_at: now.plus_ms(DAY_MS),
    };
    tasks::open(tx, &task, now).await
}

fn subject(channel: &str, content: &str) -> String {
    format!("{channel} file {}", content.get(..HASH_CHARS).unwrap_or(content))
}

/// A file that a channel's provider has not.
struct Missing {
    channel: Arc<dyn Channel>,
    media: Media,
    content: String,
}

impl Deliverer {
    /// Hands over every file of the programmes that its channel's provider has not, or not for long any more. It is no
    /// part of any send and may take minutes; what fails is tried again later. Returns how many were taken.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hand_over_media(&self) -> Stored<usize> {
        let deps = self.deps();
        let mut taken = 0;
        for Missing { channel, media, content } in self.missing().await? {
            let Some(outcome) = channel.hand_over(&media).await else { continue };
            let now = deps.clock.now();
            let key = (channel.name().to_owned(), content);
            self.heed(&key, &outcome, now);
            let mut tx = deps.store.write().await?;
            let (channel, content) = (&key.0, &key.1);
            match outcome {
                Ok(Upload { id, good_for_ms }) => {
                    media::put(&mut tx, channel, content, &id, now.plus_ms(good_for_ms)).await?;
                    tasks::close(&mut tx, TaskKind::Channel, &subject(channel, content)).await?;
                    taken += 1;
                }
                // Trouble of the channel is told where messages meet it.
                Err(Outcome::Refused { action, code, .. }) if action != Action::PauseChannel => {
                    note(deps, &mut tx, channel, content, "", &code, now).await?;
                }
                Err(outcome) => {
                    let subject = subject(channel, content);
                    tracing::warn!(subject, ?outcome, "a file is not handed over yet");
                }
            }
            tx.commit().await?;
        }
        Ok(taken)
    }

    fn heed(&self, key: &(String, String), outcome: &Result<Upload, Outcome>, now: UtcMs) {
        let mut failures = self.shared.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if outcome.is_ok() {
            failures.remove(key);
        } else {
            let count = failures.get(key).map_or(0, |(count, _)| *count) + 1;
            failures.insert(key.clone(), (count, try_again_at(now, count)));
        }
    }

    async fn missing(&self) -> Stored<Vec<Missing>> {
        let deps = self.deps();
        let mut wanted: BTreeMap<(String, String), Missing> = BTreeMap::new();
        for programme in deps.programmes.iter() {
            for edition in programme.media.values().flat_map(|material| material.0.values()) {
                for channel in deps.channels.iter() {
                    let Ok(Some(media)) = channel.takes(edition) else { continue };
                    let MediaSource::File { sha256, .. } = &media.source else { continue };
                    let (channel, content) = (Arc::clone(channel), sha256.clone());
                    let key = (channel.name().to_owned(), content.clone());
                    wanted.entry(key).or_insert(Missing { channel, media, content });
                }
            }
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = deps.store.read().await?;
        let shelf = Shelf::read(deps, &mut tx).await?;
        drop(tx);
        let now = deps.clock.now();
        let failures = self.shared.failures.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_due = |key: &(String, String)| failures.get(key).is_none_or(|(_, at)| *at <= now);
        let is_fresh =
            |one: &Missing| shelf.standing(one.channel.name(), &one.media, now) == Standing::Fresh;
        Ok(wanted
            .into_iter()
            .filter(|(key, one)| is_due(key) && is_fresh(one))
            .map(|(_, one)| one)
            .collect())
    }
}
