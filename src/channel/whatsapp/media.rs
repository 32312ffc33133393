//! Files on their way to Meta: what it takes of a material, and the upload that comes before a message names it.
//!
//! An upload is no message: whatever becomes of it, nothing was sent. Source: pages business-phone-numbers/media and
//! support/error-codes (131053); `reference/channels.md` section 1.6.

use super::request::Attached;
use super::{Whatsapp, said, verdict};
use crate::care::media::{Colours, Film, FilmIndex, Inside};
use crate::care::time::DAY_MS;
use crate::care::{Edition, MediaKind};
use crate::channel::{Action, Content, Media, MediaSource, Outcome, Problem, Upload};
use reqwest::header::CONTENT_TYPE;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// An id is good for 30 days; it is renewed before.
const GOOD_FOR_MS: i64 = 25 * DAY_MS;
/// The code for a file that Meta could not store or fetch.
pub(super) const NOT_TAKEN: &str = "131053";
/// The longest time of an upload: it is not part of a send, and holds up none.
const UPLOAD_TIMEOUT: Duration = Duration::from_mins(5);
/// H.264 profiles above this one do not play on every phone.
const MAIN_PROFILE: u8 = 77;
const ENCODE: &str = "encode it as H.264 Main or Baseline without B-frames, with AAC, its index first: \
                      ffmpeg -c:v libx264 -profile:v main -bf 0 -c:a aac -movflags +faststart";

/// Most bytes of a kind.
const fn most_bytes(kind: MediaKind) -> u64 {
    match kind {
        MediaKind::Image => 5 << 20,
        MediaKind::Video => 16 << 20,
        MediaKind::Document => 100 << 20,
    }
}

/// What of a material Meta takes: its file, else what the provider fetches from its URL.
///
/// # Errors
/// What Meta would refuse about it, or no phone would show.
pub(super) fn takes(edition: &Edition) -> Result<Option<Media>, Problem> {
    if let (Some(path), Some(content)) = (&edition.file, &edition.content) {
        let form = &content.form;
        let most = most_bytes(form.kind);
        if content.bytes > most {
            let what = format!("{} bytes, Meta takes {most} of such a file", content.bytes);
            return Err(Problem { what, fix: "shorten or compress it" });
        }
        let fault = match &form.inside {
            Inside::Picture { bits: 8, colours: Colours::Rgb } | Inside::Pages => None,
            Inside::Picture { .. } => {
                let what = "Meta takes pictures of 8 bits a colour in RGB or RGBA".to_owned();
                Some(Problem { what, fix: "save it as an RGB picture" })
            }
            Inside::Film(film) => film_fault(film).map(|what| Problem { what, fix: ENCODE }),
        };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let (path, sha256) = (path.clone(), content.sha256.clone());
        return fault.map_or(Ok(()), Err).map(|()| {
            Some(Media {
                kind: form.kind,
                source: MediaSource::File { path, sha256 },
                mime_type: form.mime_type.to_owned(),
                file_name: name.filter(|_| form.kind == MediaKind::Document),
            })
        });
    }
    let (Some(url), Some(mime_type)) = (&edition.url, &edition.mime_type) else { return Ok(None) };
    Ok(crate::message::media::kind(edition).map(|kind| Media {
        kind,
        source: MediaSource::Link { url: url.clone() },
        mime_type: mime_type.clone(),
        file_name: None,
    }))
}

fn film_fault(film: &Film) -> Option<String> {
    let other =
        film.codecs.iter().find(|codec| !matches!(codec.as_str(), "avc1" | "avc3" | "mp4a"));
    let sounds = film.codecs.iter().filter(|codec| *codec == "mp4a").count();
    if let Some(codec) = other {
        Some(format!("a track of codec {codec}, Meta takes avc1 (H.264) and mp4a (AAC)"))
    } else if sounds > 1 {
        Some(format!("{sounds} tracks of sound, Meta takes one"))
    } else if let Some(profile) = film.profile.filter(|profile| *profile > MAIN_PROFILE) {
        Some(format!(
            "H.264 of profile {profile}, Android's WhatsApp plays up to {MAIN_PROFILE} (Main)"
        ))
    } else if film.index == FilmIndex::Last {
        Some("its index stands last: it plays only once it is loaded whole".to_owned())
    } else {
        None
    }
}

/// The file of a content as Meta takes it: what is only on this machine is no part of a message.
///
/// # Errors
/// How the send ends for want of it: a template is approved with its file, words can do without.
pub(super) fn attach(content: &Content, media: Option<&Media>) -> Result<Attached, Outcome> {
    match media.map(|media| &media.source) {
        Some(MediaSource::Link { url }) => Ok(Attached::Link(url.clone())),
        Some(MediaSource::Upload { id, .. }) => Ok(Attached::Id(id.clone())),
        Some(MediaSource::File { .. }) if matches!(content, Content::Template { .. }) => {
            Err(Outcome::refused(Action::TemplateProblem, "media"))
        }
        Some(MediaSource::File { .. }) | None => Ok(Attached::Nothing),
    }
}

impl Whatsapp {
    /// Uploads a file; none where there is nothing to upload.
    pub(super) async fn upload(&self, media: &Media) -> Option<Result<Upload, Outcome>> {
        let MediaSource::File { path, sha256 } = &media.source else { return None };
        let bytes = tokio::fs::read(path).await.unwrap_or_default();
        // Another file than the one that was checked is none.
        if format!("{:x}", Sha256::digest(&bytes)) != *sha256 {
            return Some(Err(Outcome::refused(Action::Fix, "media-changed")));
        }
        let boundary = format!("carebell-{sha256}");
        let request = self
            .signed(self.http.post(self.number_url("media")))
            .timeout(UPLOAD_TIMEOUT)
            .header(CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}"))
            .body(form(&boundary, media, &bytes));
        drop(bytes);
        let answer = match self.http.call(request).await {
            Ok(answer) => answer,
            Err(Outcome::Unknown { .. }) => return Some(Err(Outcome::NotSent { stage: "media" })),
            Err(outcome) => return Some(Err(outcome)),
        };
        let mut said = said(&answer);
        let id = answer.body.as_ref().and_then(|body| body["id"].as_str());
        said.ids = id.into_iter().map(ToOwned::to_owned).collect();
        Some(match verdict::outcome(&answer, said, &self.codes) {
            Outcome::Accepted { mut ids } => {
                Ok(Upload { id: ids.swap_remove(0), good_for_ms: GOOD_FOR_MS })
            }
            refused @ Outcome::Refused { .. } => Err(refused),
            _ => Err(Outcome::NotSent { stage: "media" }),
        })
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
    use crate::care::media::{FileContent, MediaForm};

    fn edition(kind: MediaKind, bytes: u64, inside: Inside) -> Edition {
        let form = MediaForm { kind, mime_type: "a/b", inside };
        let content = Some(FileContent { sha256: "00".to_owned(), bytes, form });
        Edition { file: Some("/m/a.pdf".into()), content, ..Edition::default() }
    }

    fn film(codecs: &[&str], profile: u8, index: FilmIndex) -> Edition {
        let codecs = codecs.iter().map(|codec| (*codec).to_owned()).collect();
        let inside = Inside::Film(Film { codecs, profile: Some(profile), index });
        edition(MediaKind::Video, 1_000, inside)
    }

    #[test]
    fn what_meta_would_refuse_or_no_phone_would_show_is_told() {
        use FilmIndex::{First, Last};
        use MediaKind::{Document, Image, Video};
        let picture = |bits, colours| edition(Image, 1_000, Inside::Picture { bits, colours });
        for (edition, fault) in [
            (picture(8, Colours::Rgb), None),
            (picture(16, Colours::Rgb), Some("8 bits")),
            (picture(8, Colours::Other), Some("RGB")),
            (edition(Image, 5 << 20, Inside::Pages), None),
            (edition(Image, (5 << 20) + 1, Inside::Pages), Some("5242880")),
            (edition(Video, (16 << 20) + 1, Inside::Pages), Some("16777216")),
            (edition(Document, 100 << 20, Inside::Pages), None),
            (film(&["avc1", "mp4a"], 77, First), None),
            (film(&["avc1"], 66, First), None),
            (film(&["hvc1", "mp4a"], 66, First), Some("codec hvc1")),
            (film(&["avc1", "samr"], 66, First), Some("codec samr")),
            (film(&["avc1", "mp4a", "mp4a"], 66, First), Some("2 tracks")),
            (film(&["avc1", "mp4a"], 100, First), Some("profile 100")),
            (film(&["avc1", "mp4a"], 77, Last), Some("index")),
        ] {
            match (takes(&edition), fault) {
                (Ok(Some(_)), None) => {}
                (Err(problem), Some(fault)) => assert!(problem.what.contains(fault), "{problem}"),
                (got, fault) => unreachable!("{got:?}, not {fault:?}"),
            }
        }
        let linked = |mime_type: Option<&str>| Edition {
            url: Some("https://m.example.org/7".to_owned()),
            mime_type: mime_type.map(str::to_owned),
            ..Edition::default()
        };
        let media = takes(&linked(Some("video/mp4"))).unwrap().unwrap();
        assert_eq!((media.kind, media.file_name), (Video, None));
        assert_eq!(takes(&linked(None)), Ok(None), "a page is no file");
        let paper = takes(&edition(Document, 9, Inside::Pages)).unwrap().unwrap();
        assert_eq!(paper.file_name.as_deref(), Some("a.pdf"));
    }
}
