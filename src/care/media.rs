//! Teaching material: what a programme has its patients see or read, one edition a language.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A material: its editions by language tag. Names of materials, files and URLs are opaque on purpose: they may appear
/// in logs, and a URL on a patient's screen, so they must not tell of an illness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Material(pub BTreeMap<String, Edition>);

/// A material in one language: a file on this machine, where it is on the web, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edition {
    /// The file: below `media/` in the programme's folder as it is written, its whole path once it is read.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// An https URL. Patients see it where no file can go with a message.
    #[serde(default)]
    pub url: Option<String>,
    /// What the URL leads to, as `video/mp4`; absent: a page. Of a file it is found out.
    #[serde(default, rename = "type")]
    pub mime_type: Option<String>,
    /// What was found in the file.
    #[serde(skip)]
    pub content: Option<FileContent>,
    /// Why the file is not used: the words, and the URL if there is one, go without it.
    #[serde(skip)]
    pub fault: Option<FileFault>,
}

/// Why a file is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    /// Which.
    pub path: PathBuf,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

/// What is in a file, found out by looking into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileContent {
    /// Its SHA-256 in lower-case hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// What it is.
    pub form: MediaForm,
}

/// What a file is, by its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaForm {
    /// Which kind.
    pub kind: MediaKind,
    /// Its type, as `image/jpeg`.
    pub mime_type: &'static str,
    /// What it is made of, as far as providers mind.
    pub inside: Inside,
}

/// What a file is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inside {
    /// A picture.
    Picture {
        /// Bits of one colour of one pixel.
        bits: u8,
        /// Of what a pixel is made.
        colours: Colours,
    },
    /// A film.
    Film(Film),
    /// Nothing that anybody minds.
    Pages,
}

/// Of what a pixel is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// Red, green and blue, with transparency or without.
    Rgb,
    /// Grey, a palette, or the inks of print.
    Other,
}

/// A film's insides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Film {
    /// Its tracks by their codecs: `avc1`, `mp4a`.
    pub codecs: Vec<String>,
    /// The H.264 profile of its picture, as the standard numbers them: 66 Baseline, 77 Main, 100 High.
    pub profile: Option<u8>,
    /// Where its index is.
    pub index: FilmIndex,
}

/// Where a film's index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilmIndex {
    /// Before the film: it plays while it loads.
    #[default]
    First,
    /// After it.
    Last,
}

/// A file that goes with a message. Not a patient's: the programme's teaching material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// What it is.
    pub kind: MediaKind,
    /// Where it is.
    pub source: MediaSource,
    /// Its type, as `image/jpeg`.
    pub mime_type: String,
    /// The name of a document.
    #[serde(default)]
    pub file_name: Option<String>,
}

/// Kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// Anything to read.
    Document,
}

impl MediaKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Image, Self::Video, Self::Document];

    /// The word stored and shown, which is Meta's as well.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Document => "document",
        }
    }
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaSource {
    /// On this machine: to be handed over before a message names it.
    File {
        /// Its path.
        path: PathBuf,
        /// Its SHA-256 in lower-case hex: the key under which an upload is remembered.
        sha256: String,
    },
    /// At the provider, who has it already.
    Upload {
        /// The provider's id.
        id: String,
        /// The file's SHA-256 in lower-case hex.
        sha256: String,
    },
    /// Where the provider fetches it.
    Link {
        /// The URL.
        url: String,
    },
}
