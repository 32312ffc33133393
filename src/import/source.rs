//! Files, folders and standard input as a stream of documents, in bounded memory: NDJSON is read line by line,
//! a JSON or CSV file as a whole up to a limit. What cannot be read is a document too, so that it is reported.

use crate::import::report::Why;
use serde::de::IgnoredAny;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Largest JSON or CSV file, in bytes; larger feeds come as NDJSON.
pub const FILE_LIMIT_BYTES: usize = 64 << 20;
/// Largest line of an NDJSON file, in bytes.
pub const LINE_LIMIT_BYTES: usize = 16 << 20;

/// A piece of input that is read on its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    /// `file.json`, `file.ndjson:17`, `file.csv`.
    pub source: String,
    /// What is in it, or why it cannot be known.
    pub body: Result<Body, Why>,
}

/// What a document is.
#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    /// A FHIR resource or Bundle in JSON.
    Fhir(String),
    /// A table with a header.
    Csv(String),
}

/// Every document of the paths; a folder is read recursively, by name, without hidden files; `-` is standard
/// input. Files named after patients come first, since the others refer to them: the order changes no result,
/// but spares orders the wait for their patients.
pub fn documents(paths: &[PathBuf]) -> impl Iterator<Item = Document> + use<> {
    Documents { paths: patients_first(paths).map(Next::Named).collect(), lines: None }
}

fn patients_first(paths: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    let mut paths = paths.to_vec();
    paths.sort_by_key(|path| !is_of_patients(path));
    paths.into_iter()
}

/// `Patient.ndjson` of a bulk export, `patients.csv`, `Patient-1.json`.
fn is_of_patients(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("patient"))
}

enum Next {
    /// Named by the operator.
    Named(PathBuf),
    /// Found in a folder: a link to a folder is not followed, since it may lead in circles.
    Found(PathBuf),
}

struct Documents {
    paths: VecDeque<Next>,
    lines: Option<Lines>,
}

impl Iterator for Documents {
    type Item = Document;

    fn next(&mut self) -> Option<Document> {
        loop {
            if let Some(lines) = &mut self.lines {
                if let Some(line) = lines.next() {
                    return Some(line);
                }
                self.lines = None;
            }
            let next = self.paths.pop_front()?;
            if let Some(document) = self.open(next) {
                return Some(document);
            }
        }
    }
}

impl Documents {
    /// Opens a path: a folder puts its entries in front, NDJSON its lines; anything else is one document.
    fn open(&mut self, next: Next) -> Option<Document> {
        let (path, may_follow) = match next {
            Next::Named(path) if path.as_os_str() == "-" => {
                return self.read("-".to_owned(), "", Box::new(std::io::stdin()));
            }
            Next::Named(path) => (path, true),
            Next::Found(path) => (path, false),
        };
        let source = path.to_string_lossy().into_owned();
        let unreadable = |error: &std::io::Error| Document {
            source: source.clone(),
            body: Err(Why::Unreadable { kind: error.kind().to_string() }),
        };
        match std::fs::metadata(&path) {
            Ok(meta) if meta.is_dir() && !may_follow && path.is_symlink() => return None,
            Ok(meta) if meta.is_dir() => {
                return match entries(&path) {
                    Ok(found) => {
                        found.into_iter().rev().for_each(|p| self.paths.push_front(Next::Found(p)));
                        None
                    }
                    Err(error) => Some(unreadable(&error)),
                };
            }
            Err(error) => return Some(unreadable(&error)),
            Ok(_) => {}
        }
        let extension =
            path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        if !may_follow && !["json", "ndjson", "jsonl", "csv", "tsv"].contains(&extension.as_str()) {
            return Some(Document { source, body: Err(Why::NotData) });
        }
        match File::open(&path) {
            Ok(file) => self.read(source, &extension, Box::new(file)),
            Err(error) => Some(unreadable(&error)),
        }
    }

    /// Reads a stream: by its extension, else by what its first line shows.
    fn read(
        &mut self,
        source: String,
        extension: &str,
        stream: Box<dyn Read + Send>,
    ) -> Option<Document> {
        let mut reader = BufReader::with_capacity(1 << 16, stream);
        let body = match begin(&mut reader, extension) {
            Ok(Form::Lines { first }) => {
                self.lines = Some(Lines { source, reader, first, number: 0 });
                return None;
            }
            Ok(Form::Whole { first, csv }) => whole(&mut reader, first)
                .map(|text| if csv { Body::Csv(text) } else { Body::Fhir(text) }),
            Err(why) => Err(why),
        };
        Some(Document { source, body })
    }
}

fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            found.push(entry.path());
        }
    }
    found.sort_by_cached_key(|path| (!is_of_patients(path), path.clone()));
    Ok(found)
}

enum Form {
    Lines { first: Option<Vec<u8>> },
    Whole { first: Vec<u8>, csv: bool },
}

/// Looks at the start of a stream: encoding, compression, and whether it is one document or many lines.
fn begin(reader: &mut BufReader<Box<dyn Read + Send>>, extension: &str) -> Result<Form, Why> {
    let start = reader.fill_buf().map_err(|error| unreadable(&error))?;
    refuse_foreign(start)?;
    match extension {
        "ndjson" | "jsonl" => return Ok(Form::Lines { first: None }),
        "csv" | "tsv" => return Ok(Form::Whole { first: Vec::new(), csv: true }),
        _ => {}
    }
    let opening = start.trim_ascii_start();
    let opening =
        opening.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(opening).trim_ascii_start().first();
    match opening {
        Some(b'{' | b'[') => {}
        Some(b'<') => return Err(Why::Xml),
        _ => return Ok(Form::Whole { first: Vec::new(), csv: extension != "json" }),
    }
    // One complete JSON value on the first line, and more after it: NDJSON under another name.
    let mut first = Vec::new();
    let within =
        read_line(reader, &mut first, FILE_LIMIT_BYTES).map_err(|error| unreadable(&error))?;
    if within == Within::No {
        return Err(Why::TooLarge { limit_bytes: FILE_LIMIT_BYTES });
    }
    let more = reader.fill_buf().map_err(|error| unreadable(&error))?;
    let more = !more.trim_ascii().is_empty();
    if more && serde_json::from_slice::<IgnoredAny>(without_mark(&first)).is_ok() {
        return Ok(Form::Lines { first: Some(first) });
    }
    Ok(Form::Whole { first, csv: false })
}

fn unreadable(error: &std::io::Error) -> Why {
    Why::Unreadable { kind: error.kind().to_string() }
}

/// Refuses what is surely not UTF-8 text, with the hint that helps.
fn refuse_foreign(start: &[u8]) -> Result<(), Why> {
    match start {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, b'{' | b'[', ..] | [b'{' | b'[', 0, ..] => {
            Err(Why::Utf16)
        }
        [0x1F, 0x8B, ..] => Err(Why::Compressed { form: "gzip".to_owned() }),
        [b'P', b'K', 3, 4, ..] => Err(Why::Compressed { form: "zip or xlsx".to_owned() }),
        _ => Ok(()),
    }
}

fn whole(reader: &mut impl Read, mut bytes: Vec<u8>) -> Result<String, Why> {
    let rest = FILE_LIMIT_BYTES.saturating_sub(bytes.len()) as u64;
    reader.take(rest + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() > FILE_LIMIT_BYTES {
        return Err(Why::TooLarge { limit_bytes: FILE_LIMIT_BYTES });
    }
    text(bytes)
}

fn text(bytes: Vec<u8>) -> Result<String, Why> {
    let mut text = String::from_utf8(bytes).map_err(|_| Why::NotUtf8)?;
    if text.starts_with('\u{FEFF}') {
        text.drain(..'\u{FEFF}'.len_utf8());
    }
    Ok(text)
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

#[derive(PartialEq, Eq)]
enum Within {
    Yes,
    No,
}

/// Reads one line without its end; beyond the limit the rest of the line is skipped, not kept.
fn read_line(
    reader: &mut impl BufRead,
    line: &mut Vec<u8>,
    limit: usize,
) -> std::io::Result<Within> {
    let within = reader.by_ref().take(limit as u64 + 1).read_until(b'\n', line)? <= limit;
    if !within && line.last() != Some(&b'\n') {
        line.clear();
        reader.skip_until(b'\n')?;
    }
    Ok(if within { Within::Yes } else { Within::No })
}

struct Lines {
    source: String,
    reader: BufReader<Box<dyn Read + Send>>,
    first: Option<Vec<u8>>,
    number: u64,
}

impl Iterator for Lines {
    type Item = Document;

    fn next(&mut self) -> Option<Document> {
        loop {
            let mut line = Vec::new();
            let within = match self.first.take() {
                Some(first) => {
                    let within = first.len() <= LINE_LIMIT_BYTES;
                    line = first;
                    Ok(if within { Within::Yes } else { Within::No })
                }
                None => match self.reader.fill_buf() {
                    Ok([]) => return None,
                    Ok(_) => read_line(&mut self.reader, &mut line, LINE_LIMIT_BYTES),
                    Err(error) => Err(error),
                },
            };
            self.number += 1;
            let source = format!("{}:{}", self.source, self.number);
            let body = match within {
                Err(error) => {
                    // A stream that failed once is at its end: reading on would fail for ever.
                    self.reader = BufReader::new(Box::new(std::io::empty()));
                    Err(unreadable(&error))
                }
                Ok(Within::No) => Err(Why::TooLarge { limit_bytes: LINE_LIMIT_BYTES }),
                Ok(Within::Yes) => text(line).map(Body::Fhir),
            };
            match &body {
                Ok(Body::Fhir(line)) if line.trim().is_empty() => {}
                _ => return Some(Document { source, body }),
            }
        }
    }
}
