//! Where texts and programmes are read from: the copy in the binary, and a folder laid over it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// What is wrong in a programme's file, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, {place}: {what}; {fix}")]
pub struct CatalogueProblem {
    /// The file.
    pub file: String,
    /// Where in it: `line 12`, `message dose`, `key zone`.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

/// The programme whose texts and settings every other one falls back to.
pub(super) const GENERAL: &str = "general";

macro_rules! embedded {
    ($($programme:literal: $($file:literal)+;)+) => {
        &[$($(($programme, $file, include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"), "/schedules/programmes/", $programme, "/", $file
        )))),+),+]
    };
}

/// The copy in the binary: programme, file, content.
pub(super) const EMBEDDED: &[(&str, &str, &str)] = embedded! {
    "general": "programme.toml" "ar.ftl" "en.ftl" "es.ftl" "fr.ftl" "hi.ftl" "pt.ftl" "sw.ftl";
    "cedar": "programme.toml";
    "rowan": "programme.toml";
    "maple": "programme.toml";
    "linden": "programme.toml";
    "willow": "programme.toml";
};

/// One file of a programme.
pub(super) struct ProgrammeFile {
    /// The programme: its folder's name.
    pub programme: String,
    /// The file as an operator finds it.
    pub shown: String,
    /// What it is.
    pub kind: FileKind,
    /// Its content.
    pub text: Cow<'static, str>,
    /// The programme's folder; none in the binary.
    pub folder: Option<PathBuf>,
}

/// What a file of a programme is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// `programme.toml`.
    Programme,
    /// `<language>.ftl`.
    Texts {
        /// The language tag, in lower case.
        language: String,
    },
}

/// All files, in the order in which a later one is laid over an earlier one of its programme: the copy in the
/// binary, then `<overlay>/programmes/<name>/` by name. An absent folder lays nothing over.
pub(super) fn read(overlay: Option<&Path>) -> Result<Vec<ProgrammeFile>, Vec<CatalogueProblem>> {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for (programme, name, text) in EMBEDDED {
        if let Some(kind) = FileKind::of(name) {
            files.push(ProgrammeFile {
                programme: (*programme).to_owned(),
                shown: format!("built-in {programme}/{name}"),
                kind,
                text: Cow::Borrowed(text),
                folder: None,
            });
        }
    }
    if let Some(folder) = overlay.map(|dir| dir.join("programmes")).filter(|dir| dir.exists()) {
        for programme in entries(&folder, &mut problems) {
            if programme.is_dir() {
                read_programme(&programme, &mut files, &mut problems);
            }
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

fn read_programme(
    folder: &Path,
    files: &mut Vec<ProgrammeFile>,
    problems: &mut Vec<CatalogueProblem>,
) {
    let programme = file_name(folder);
    if !programme.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        problems.push(CatalogueProblem {
            file: folder.display().to_string(),
            place: "the folder's name".to_owned(),
            what: "a programme is named by lower-case letters, digits and hyphens".to_owned(),
            fix: "rename the folder".to_owned(),
        });
        return;
    }
    for path in entries(folder, problems) {
        let name = file_name(&path);
        let shown = path.display().to_string();
        match (FileKind::of(&name), std::fs::read_to_string(&path)) {
            (Some(kind), Ok(text)) => files.push(ProgrammeFile {
                programme: programme.clone(),
                shown,
                kind,
                text: Cow::Owned(text),
                folder: Some(folder.to_owned()),
            }),
            (Some(_), Err(fault)) => problems.push(unreadable(shown, &fault)),
            (None, _) if has_extension(&name, "toml") => problems.push(CatalogueProblem {
                file: shown,
                place: "the file's name".to_owned(),
                what: "a programme has one TOML file, programme.toml".to_owned(),
                fix: "rename or remove it".to_owned(),
            }),
            (None, _) => {}
        }
    }
}

impl FileKind {
    fn of(name: &str) -> Option<Self> {
        if name == "programme.toml" {
            return Some(Self::Programme);
        }
        let language = name.strip_suffix(".ftl").filter(|stem| !stem.starts_with('.'))?;
        Some(Self::Texts { language: normal_tag(language) })
    }
}

/// A language tag as it is compared: `pt_BR` as `pt-br`.
pub(super) fn normal_tag(tag: &str) -> String {
    tag.to_ascii_lowercase().replace('_', "-")
}

/// What a TOML file's reader found, with its line.
pub(super) fn problem_at(
    file: &str,
    text: &str,
    fault: &toml::de::Error,
    fix: &str,
) -> CatalogueProblem {
    let line = fault.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
    CatalogueProblem {
        file: file.to_owned(),
        place: format!("line {line}"),
        what: fault.message().to_owned(),
        fix: fix.to_owned(),
    }
}

/// "did you mean" for a message id or a key, when one is near.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, candidate)| candidate)
}

fn entries(folder: &Path, problems: &mut Vec<CatalogueProblem>) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder).and_then(|found| {
        found.map(|entry| entry.map(|e| e.path())).collect::<std::io::Result<Vec<_>>>()
    });
    match listed {
        Ok(mut paths) => {
            paths.sort();
            paths
        }
        Err(fault) => {
            problems.push(unreadable(folder.display().to_string(), &fault));
            Vec::new()
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

pub(super) fn unreadable(file: String, fault: &std::io::Error) -> CatalogueProblem {
    CatalogueProblem {
        file,
        place: "the file itself".to_owned(),
        what: format!("it cannot be read ({})", fault.kind()),
        fix: "give the daemon's user the right to read it, as UTF-8".to_owned(),
    }
}
