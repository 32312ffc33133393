//! Material as programmes configure it: its files are looked into once, at load, and a patient's language finds its
//! edition.

use super::Catalogue;
use super::files::{CatalogueProblem, normal_tag};
use super::sniff::{Unfit, kind_of, sniff};
use crate::care::media::{FileContent, FileFault, MediaForm};
use crate::care::{Edition, Material, MediaKind, Programme};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

/// Material by its name.
pub(super) type Materials = BTreeMap<String, Material>;

/// The folder of a programme's files.
const FOLDER: &str = "media";
/// No provider takes a larger file than Meta a document, in bytes
/// (developers.facebook.com/documentation/business-messaging/whatsapp, page business-phone-numbers/media).
const LARGEST_BYTES: u64 = 100 << 20;
/// So much of a file is looked into: all of a film or picture that any provider takes.
const LOOKED_INTO_BYTES: usize = 16 << 20;
/// Longest URL: it is part of an SMS.
const URL_CHARS: usize = 300;
/// Longest name, as plans write it.
const NAME_CHARS: usize = 64;

/// The edition of a material in a patient's language, shortened as for texts: `pt` for `pt-BR`. None in another one.
pub fn edition<'a>(
    programme: &'a Programme,
    material: &str,
    language: &str,
) -> Option<&'a Edition> {
    let Material(editions) = programme.media.get(material)?;
    let tag = normal_tag(language);
    std::iter::successors(Some(tag.as_str()), |tag| Some(tag.rsplit_once('-')?.0))
        .find_map(|tag| editions.get(tag))
}

/// The kind of file that an edition leads to; none: a page.
pub fn kind(edition: &Edition) -> Option<MediaKind> {
    match (&edition.content, &edition.mime_type) {
        (Some(content), _) => Some(content.form.kind),
        (None, Some(mime_type)) => kind_of(mime_type),
        (None, None) => None,
    }
}

/// The languages of a programme in which a material has no edition: patients who speak them get the words alone.
pub fn uncovered<'a>(
    catalogue: &'a Catalogue,
    programme: &Programme,
    material: &str,
) -> Vec<&'a str> {
    let languages = catalogue.languages(&programme.name).into_iter();
    languages.filter(|language| edition(programme, material, language).is_none()).collect()
}

/// Lays material over other: edition by edition, each whole.
pub(super) fn lay_over(lower: &mut Materials, upper: &Materials) {
    for (name, Material(editions)) in upper {
        let below = &mut lower.entry(name.clone()).or_default().0;
        below.extend(editions.iter().map(|(tag, edition)| (tag.clone(), edition.clone())));
    }
}

/// The material that a programme's file names, with what is in its files; and what is wrong with it.
pub(super) fn read(
    file: &str,
    folder: Option<&Path>,
    programme: &str,
    written: Materials,
    catalogue: &Catalogue,
) -> (Materials, Vec<CatalogueProblem>) {
    let mut problems = Vec::new();
    let mut materials = Materials::new();
    for (name, Material(editions)) in written {
        let mut problem = |place: String, what: String, fix: String| {
            problems.push(CatalogueProblem { file: file.to_owned(), place, what, fix });
        };
        if !is_name(&name) {
            problem(
                format!("key media.{name}"),
                "the name is not usable".to_owned(),
                format!("use a-z, 0-9 and hyphens, at most {NAME_CHARS}"),
            );
        }
        let mut read = Material::default();
        for (tag, mut edition) in editions {
            let place = format!("key media.{name}.{tag}");
            if catalogue.texts(programme, &tag).is_none() {
                let known = catalogue.languages(programme);
                let what = "there are no texts in this language".to_owned();
                problem(place.clone(), what, format!("add the texts, or use one of {known:?}"));
            }
            if edition.file.is_none() && edition.url.is_none() {
                let what = "it has neither file nor url".to_owned();
                problem(place.clone(), what, "give one of them, or both".to_owned());
            }
            if let Some((what, fix)) = edition.url.as_deref().and_then(url_fault) {
                problem(format!("{place}.url"), what.to_owned(), fix.to_owned());
            }
            if let Some((what, fix)) = type_fault(&edition) {
                problem(format!("{place}.type"), what.to_owned(), fix.to_owned());
            }
            if let Some(below) = edition.file.take() {
                match folder.map_or(Err(Fault::Elsewhere), |folder| located(folder, &below)) {
                    Err(fault) => problem(format!("{place}.file"), fault.to_string(), fault.fix()),
                    Ok(path) => match look_into(&path) {
                        // A film that is not there yet, or not fit, is no reason to keep doses back.
                        Err(fault) => {
                            let (what, fix) = (fault.to_string(), fault.fix());
                            edition.fault = Some(FileFault { path, what, fix });
                        }
                        Ok(content) => {
                            edition.file = Some(path);
                            edition.content = Some(content);
                        }
                    },
                }
            }
            read.0.insert(normal_tag(&tag), edition);
        }
        materials.insert(name, read);
    }
    (materials, problems)
}

/// Whether a plan can name a material so.
pub fn is_name(name: &str) -> bool {
    let is_of = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=NAME_CHARS).contains(&name.len()) && name.chars().all(is_of)
}

fn url_fault(url: &str) -> Option<(&'static str, &'static str)> {
    let Some(rest) = url.strip_prefix("https://") else {
        return Some(("it is no https URL", "begin it with https://"));
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.contains('@') {
        return Some(("it names no host, or a user", "write https://host/path"));
    }
    let is_plain =
        |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '{' | '}');
    if !url.chars().all(is_plain) {
        return Some(("it has characters that a URL has not", "escape them, as %20"));
    }
    (url.len() > URL_CHARS).then_some(("it is too long for a text", "give a short one"))
}

fn type_fault(edition: &Edition) -> Option<(&'static str, &'static str)> {
    let mime_type = edition.mime_type.as_deref()?;
    if edition.file.is_some() {
        return Some(("a file tells its type itself", "remove the key"));
    }
    let fix = "give image/jpeg, image/png, video/mp4, application/pdf, or nothing for a page";
    kind_of(mime_type).is_none().then_some(("no channel takes files of this type", fix))
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// It is written as a path that may lead anywhere.
    #[error("it is not a path below the programme's folder {FOLDER}/")]
    Elsewhere,
    #[error("it cannot be read ({0})")]
    Unreadable(io::ErrorKind),
    #[error("it is no file")]
    NotAFile,
    #[error("it has {bytes} bytes, at most {LARGEST_BYTES} are taken anywhere")]
    TooLarge { bytes: u64 },
    #[error(transparent)]
    Unfit(Unfit),
}

impl Fault {
    fn fix(&self) -> String {
        match self {
            Self::Elsewhere => {
                "put the file into it, and name it from there, without .. and without / in front"
            }
            Self::Unreadable(io::ErrorKind::NotFound) => "put the file there, or correct its name",
            Self::Unreadable(_) => "give the daemon's user the right to read it",
            Self::NotAFile => "name a file",
            Self::TooLarge { .. } => "shorten or compress it",
            Self::Unfit(unfit) => unfit.fix(),
        }
        .to_owned()
    }
}

impl From<io::Error> for Fault {
    fn from(fault: io::Error) -> Self {
        Self::Unreadable(fault.kind())
    }
}

fn located(folder: &Path, below: &Path) -> Result<PathBuf, Fault> {
    let is_below = below.components().all(|part| matches!(part, Component::Normal(_)));
    if !is_below || below.as_os_str().is_empty() {
        return Err(Fault::Elsewhere);
    }
    Ok(folder.join(FOLDER).join(below))
}

/// What is in a file. A part at a time: a document may be larger than what should be held in memory.
fn look_into(path: &Path) -> Result<FileContent, Fault> {
    let found = std::fs::metadata(path)?;
    if !found.is_file() {
        return Err(Fault::NotAFile);
    }
    if found.len() > LARGEST_BYTES {
        return Err(Fault::TooLarge { bytes: found.len() });
    }
    let mut file = File::open(path)?;
    let (mut hash, mut head, mut bytes) = (Sha256::new(), Vec::new(), 0);
    let mut part = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut part)?;
        if read == 0 {
            break;
        }
        let part = &part[..read];
        hash.update(part);
        bytes += read as u64;
        let room = LOOKED_INTO_BYTES.saturating_sub(head.len()).min(read);
        head.extend_from_slice(&part[..room]);
    }
    let extension = path.extension().map(|e| e.to_string_lossy()).unwrap_or_default();
    let form: MediaForm = sniff(&head, bytes, &extension).map_err(Fault::Unfit)?;
    Ok(FileContent { sha256: crate::security::hex(&hash.finalize()), bytes, form })
}
