//! Files at Meta: taken once, named by id. Refused is what Meta refuses: other types, too many bytes, a content that is
//! not what its type says, an id that nobody has.
//!
//! Sources: Meta's documentation of 2026-09 ("business-phone-numbers/media", "support/error-codes").

use super::http::{Refusal, severed};
use super::meta::{DIALECT, admit, required};
use super::world::World;
use axum::extract::{Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// The largest upload that is read: Meta's largest file and the form around it, in bytes.
const MOST_BODY_BYTES: usize = (100 << 20) + (1 << 16);

/// A type that Meta takes.
struct Taken {
    mime_type: &'static str,
    kind: &'static str,
    most_bytes: usize,
    /// What its contents begin with, and where.
    mark: &'static [u8],
    at: usize,
}

const fn taken(
    mime_type: &'static str,
    kind: &'static str,
    most_mebibytes: usize,
    mark: &'static [u8],
    at: usize,
) -> Taken {
    Taken { mime_type, kind, most_bytes: most_mebibytes << 20, mark, at }
}

const TAKEN: &[Taken] = &[
    taken("image/jpeg", "image", 5, b"\xff\xd8\xff", 0),
    taken("image/png", "image", 5, b"\x89PNG", 0),
    taken("video/mp4", "video", 16, b"ftyp", 4),
    taken("video/3gpp", "video", 16, b"ftyp3g", 4),
    taken("application/pdf", "document", 100, b"%PDF-", 0),
    taken("application/msword", "document", 100, b"\xd0\xcf\x11\xe0", 0),
    taken("text/plain", "document", 100, b"", 0),
];

/// A file at Meta.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    /// `image`, `video`, `document`.
    kind: &'static str,
    /// Whether the content is what the type says: found out only when a message is to go.
    is_sound: bool,
}

/// Takes a file.
pub(super) async fn upload(
    State(world): State<Arc<World>>,
    Path((_version, named)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let account = &world.config().whatsapp;
    if let Err(refusal) = admit(account, &head.headers, &named, &account.phone_number_id) {
        return DIALECT.refuse(&refusal);
    }
    let Ok(body) = axum::body::to_bytes(body, MOST_BODY_BYTES).await else { return severed() };
    let kind = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match kept(kind.unwrap_or_default(), &body) {
        Ok(upload) => {
            let id = world.ids().hex();
            world.uploads().insert(id.clone(), upload);
            axum::Json(json!({"id": id})).into_response()
        }
        Err(refusal) => DIALECT.refuse(&refusal),
    }
}

fn kept(content_type: &str, body: &[u8]) -> Result<Upload, Refusal> {
    let boundary = content_type.split_once("boundary=").map(|(_, boundary)| boundary);
    let parts = parts(boundary.ok_or_else(|| required("file"))?, body);
    let part = |name: &str| {
        let disposition = format!("name=\"{name}\"");
        let found = parts.iter().find(|(head, _)| head.contains(&disposition));
        found.ok_or_else(|| required(name))
    };
    if part("messaging_product")?.1 != b"whatsapp" {
        return Err(required("messaging_product"));
    }
    let told = String::from_utf8_lossy(part("type")?.1).into_owned();
    let (head, content) = part("file")?;
    let is_it = |one: &&Taken| one.mime_type == told && head.contains(one.mime_type);
    let Some(taken) = TAKEN.iter().find(is_it) else {
        let details =
            format!("Param file must be a file with one of the following types, not {told}.");
        return Err(Refusal::new(400, 100, "Invalid parameter", &details));
    };
    if content.len() > taken.most_bytes {
        return Err(not_taken("The file is larger than is allowed for its type."));
    }
    let is_sound = content.get(taken.at..).is_some_and(|rest| rest.starts_with(taken.mark));
    Ok(Upload { kind: taken.kind, is_sound })
}

/// The parts of a form (RFC 7578): each head in small letters, and its content.
fn parts<'a>(boundary: &str, body: &'a [u8]) -> Vec<(String, &'a [u8])> {
    let (first, between) = (format!("--{boundary}\r\n"), format!("\r\n--{boundary}"));
    let Some(mut rest) = body.strip_prefix(first.as_bytes()) else { return Vec::new() };
    let mut parts = Vec::new();
    while let (Some(head_end), Some(end)) =
        (find(rest, b"\r\n\r\n"), find(rest, between.as_bytes()))
    {
        let Some(content) = rest.get(head_end + 4..end) else { break };
        let head = String::from_utf8_lossy(&rest[..head_end]).to_ascii_lowercase();
        parts.push((head, content));
        rest = rest.get(end + between.len() + 2..).unwrap_or_default();
    }
    parts
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The file of a message: of an upload, which must be of this kind, or of a link.
pub(super) fn of_message(
    kind: &str,
    file: Option<&Value>,
    world: &World,
) -> Result<String, Refusal> {
    let file = file.unwrap_or(&Value::Null);
    if let Some(id) = file["id"].as_str() {
        return match world.uploads().get(id) {
            Some(upload) if upload.kind != kind => {
                Err(not_taken("The file is not of the message's type."))
            }
            Some(upload) if upload.is_sound => Ok(format!("{kind} {id}")),
            Some(_) => Err(not_taken("Unsupported file mime type.")),
            None => Err(not_taken("Unable to fetch the media.")),
        };
    }
    match file["link"].as_str().filter(|url| url.starts_with("http")) {
        Some(url) => Ok(format!("{kind} {url}")),
        None => Err(not_taken("Unable to fetch the media.")),
    }
}

fn not_taken(details: &str) -> Refusal {
    Refusal::new(400, 131_053, "Media upload error", details)
}
