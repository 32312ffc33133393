//! The ledger: everything that was accepted, on disk before the answer leaves.

use super::Channel;
use super::world::locked;
use crate::care::UtcMs;
use crate::clock::{Clock, SystemClock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// One accepted message with its place in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// 1, 2, 3 and so on, across restarts on one file.
    pub seq: u64,
    /// When, by the sandbox's clock.
    pub at: UtcMs,
    /// When, by the real clock, in milliseconds since 1970.
    pub received_ms: i64,
    /// What was accepted.
    #[serde(flatten)]
    pub message: Message,
}

/// An accepted message. The sandbox is for invented people: nothing here is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Whose language it came in.
    pub channel: Channel,
    /// The sender.
    pub from: String,
    /// To whom, in normal form.
    pub to: String,
    /// The provider's own id of the person, where it was given beside the number (Meta's `recipient`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The daemon's id: `biz_opaque_callback_data`, the first query value of `StatusCallback`, or the local part
    /// of the Message-ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The template, in place of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateUse>,
    /// Subject of an email.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How long it may be delivered, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_seconds: Option<u32>,
    /// Where its receipts go (Twilio).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_callback: Option<String>,
    /// The provider's id; never given twice.
    pub provider_id: String,
}

/// A template with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateUse {
    /// Its name.
    pub name: String,
    /// Meta's language code.
    pub language: String,
    /// Body parameters in order.
    pub parameters: Vec<String>,
    /// Payloads of its quick-reply buttons, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<String>,
    /// The file of its header: `video` and an id or a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// Which entries are wanted; an absent field matches all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Query {
    /// On this channel.
    pub channel: Option<Channel>,
    /// To this address.
    pub to: Option<String>,
    /// With this id of the daemon's.
    pub correlation: Option<String>,
    /// Later than this place in the ledger.
    pub after_seq: u64,
}

impl Query {
    fn matches(&self, message: &Message) -> bool {
        self.channel.is_none_or(|channel| channel == message.channel)
            && self.to.as_ref().is_none_or(|to| *to == message.to)
            && self.correlation.as_ref().is_none_or(|c| Some(c) == message.correlation.as_ref())
    }
}

/// Why the ledger cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file.
    #[error("sandbox ledger {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A line.
    #[error("sandbox ledger {}, line {line}: not a ledger entry: {source}; move the file away", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// An earlier write failed; what the file holds is not certain any more.
    #[error("the sandbox ledger failed before and takes nothing more; restart the sandbox")]
    Failed,
}

/// Everything that was accepted.
pub struct Ledger {
    waiting: Mutex<Waiting>,
    sink: Mutex<Sink>,
    entries: Mutex<BTreeMap<u64, Entry>>,
}

struct Waiting {
    last_seq: u64,
    lines: Vec<u8>,
}

enum Sink {
    Memory,
    File { path: PathBuf, file: File },
    Failed,
}

impl Ledger {
    /// The entries of a file. A last line without its end was never acknowledged and is left out.
    ///
    /// # Errors
    /// The file does not read, or a whole line is not an entry.
    pub fn read(path: &Path) -> Result<Vec<Entry>, LedgerError> {
        let mut file = File::open(path).map_err(|source| file_error(path, source))?;
        read_whole_lines(path, &mut file).map(|(entries, _)| entries)
    }

    pub(super) fn open(path: Option<&Path>) -> Result<Self, LedgerError> {
        let Some(path) = path else {
            return Ok(Self::with(Sink::Memory, Vec::new()));
        };
        let (entries, file) = open_file(path)?;
        Ok(Self::with(Sink::File { path: path.to_owned(), file }, entries))
    }

    fn with(sink: Sink, entries: Vec<Entry>) -> Self {
        let last_seq = entries.last().map_or(0, |entry| entry.seq);
        Self {
            waiting: Mutex::new(Waiting { last_seq, lines: Vec::new() }),
            sink: Mutex::new(sink),
            entries: Mutex::new(entries.into_iter().map(|entry| (entry.seq, entry)).collect()),
        }
    }

    /// All entries in order.
    pub fn entries(&self) -> Vec<Entry> {
        self.find(&Query::default())
    }

    /// The entries that match, in order.
    pub fn find(&self, query: &Query) -> Vec<Entry> {
        let entries = locked(&self.entries);
        entries
            .range(query.after_seq.saturating_add(1)..)
            .map(|(_, entry)| entry)
            .filter(|entry| query.matches(&entry.message))
            .cloned()
            .collect()
    }

    /// The entry with the provider's id.
    pub fn by_provider_id(&self, provider_id: &str) -> Option<Entry> {
        locked(&self.entries).values().find(|e| e.message.provider_id == provider_id).cloned()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        locked(&self.entries).len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes a message down; when this returns it is on disk.
    pub(super) async fn append(
        self: &Arc<Self>,
        at: UtcMs,
        message: Message,
    ) -> Result<Entry, LedgerError> {
        let entry = self.queue(at, message)?;
        let ledger = Arc::clone(self);
        let joined = tokio::task::spawn_blocking(move || {
            ledger.flush()?;
            locked(&ledger.entries).insert(entry.seq, entry.clone());
            Ok(entry)
        });
        joined.await.unwrap_or(Err(LedgerError::Failed))
    }

    fn queue(&self, at: UtcMs, message: Message) -> Result<Entry, LedgerError> {
        let mut waiting = locked(&self.waiting);
        waiting.last_seq += 1;
        let entry = Entry { seq: waiting.last_seq, at, received_ms: SystemClock.now().0, message };
        serde_json::to_writer(&mut waiting.lines, &entry).map_err(|_| LedgerError::Failed)?;
        waiting.lines.push(b'\n');
        Ok(entry)
    }

    /// Writes and syncs whatever waits: whoever comes first carries the others' lines along, so one fsync serves
    /// all that arrived during the last one.
    fn flush(&self) -> Result<(), LedgerError> {
        let mut sink = locked(&self.sink);
        let lines = std::mem::take(&mut locked(&self.waiting).lines);
        let written = match &mut *sink {
            Sink::Memory => Ok(()),
            Sink::Failed => Err(LedgerError::Failed),
            Sink::File { path, file } => {
                write_durably(file, &lines).map_err(|e| file_error(path, e))
            }
        };
        if written.is_err() {
            *sink = Sink::Failed;
        }
        written
    }
}

fn write_durably(file: &mut File, lines: &[u8]) -> std::io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    file.write_all(lines)?;
    file.sync_data()
}

fn open_file(path: &Path) -> Result<(Vec<Entry>, File), LedgerError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|source| file_error(path, source))?;
    let (entries, length) = read_whole_lines(path, &mut file)?;
    file.set_len(length)
        .and_then(|()| file.seek(SeekFrom::End(0)))
        .and_then(|_| file.sync_all())
        .and_then(|()| sync_folder(path))
        .map_err(|source| file_error(path, source))?;
    Ok((entries, file))
}

/// A new file survives a power cut only when its folder is synced too.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// The entries, and the bytes they take.
fn read_whole_lines(path: &Path, file: &mut File) -> Result<(Vec<Entry>, u64), LedgerError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|source| file_error(path, source))?;
    let length = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let entries = bytes[..length]
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_slice(line).map_err(|source| LedgerError::Line {
                path: path.to_owned(),
                line: index + 1,
                source,
            })
        })
        .collect::<Result<_, _>>()?;
    Ok((entries, length as u64))
}

fn file_error(path: &Path, source: std::io::Error) -> LedgerError {
    LedgerError::File { path: path.to_owned(), source }
}
