//! What is posted to Meta, and what Meta would refuse of it. Pure.
//!
//! Sources: developers.facebook.com/documentation/business-messaging/whatsapp, pages messages/send-messages,
//! messages/interactive-reply-buttons-messages, messages/interactive-list-messages and templates; facebook/openapi;
//! `reference/channels.md` section 1.1.

use crate::care::Address;
use crate::channel::{Action, Button, Content, Media, MediaKind, Outbound, Outcome, Problem, Text};
use crate::config::is_e164;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Longest free text.
const TEXT_CHARS: usize = 4_096;
/// Longest text with buttons, and longest caption.
const BODY_CHARS: usize = 1_024;
/// Most reply buttons; more become a list.
const MOST_BUTTONS: usize = 3;
const BUTTON_CHARS: usize = 20;
/// Most rows of a list.
const MOST_ROWS: usize = 10;
const ROW_CHARS: usize = 24;
const BUTTON_ID_CHARS: usize = 256;
const ROW_ID_CHARS: usize = 200;
/// Most quick replies of a template.
const MOST_QUICK_REPLIES: usize = 10;
/// Four spaces in a row are the most in a template's parameter (error 132018).
const TOO_MANY_SPACES: &str = "     ";
/// What opens a list; a word would have to be in the patient's language.
const OPENS_LIST: &str = "\u{2630}";

/// A file as Meta takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attached {
    /// There is none, or Meta does not take it.
    Nothing,
    /// Id of an upload.
    Id(String),
    /// Where Meta fetches it.
    Link(String),
}

impl Attached {
    fn object(&self, media: &Media, caption: Option<&str>) -> Option<Value> {
        let mut object = match self {
            Self::Nothing => return None,
            Self::Id(id) => json!({ "id": id }),
            Self::Link(url) => json!({ "link": url }),
        };
        if let Some(caption) = caption.filter(|caption| !caption.is_empty()) {
            object["caption"] = json!(caption);
        }
        if let (MediaKind::Document, Some(name)) = (media.kind, &media.file_name) {
            object["filename"] = json!(name);
        }
        Some(object)
    }
}

/// The file of a content.
pub(super) const fn media_of(content: &Content) -> Option<&Media> {
    match content {
        Content::Text { media, .. } => media.as_ref(),
        Content::Template { header, .. } => header.as_ref(),
        Content::Email { .. } => None,
    }
}

/// The body of a send.
///
/// `to` keeps its plus sign: without it Meta takes the number for a national one of the sender's country. A
/// template's validity is stored with the template, so `validity_seconds` is not said here.
///
/// # Errors
/// What would reach nobody, or a stranger.
pub(super) fn body(outbound: &Outbound, attached: &Attached) -> Result<Value, Outcome> {
    let (kind, content) = match &outbound.content {
        Content::Text { body, buttons, media } => {
            let media = media.as_ref().map(|media| (media, attached));
            free_form(body.0.expose(), buttons, media)
        }
        Content::Template { .. } => ("template", template(&outbound.content, attached)),
        Content::Email { .. } => return Err(Outcome::refused(Action::Fix, "content-is-email")),
    };
    let mut request = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "type": kind,
        kind: content,
        "biz_opaque_callback_data": outbound.correlation.to_string(),
    });
    let (key, whom) = recipient(outbound)?;
    request[key] = json!(whom);
    Ok(request)
}

/// A number where there is one: of the two Meta heeds `to`. People who hide theirs are known by an id.
fn recipient(outbound: &Outbound) -> Result<(&'static str, &str), Outcome> {
    let number = outbound.to.expose();
    if is_e164(number) {
        return Ok(("to", number));
    }
    let by_id = outbound.user_id.iter().chain([&outbound.to]).map(Address::expose);
    let id = by_id.into_iter().find(|id| is_user_id(id));
    id.map(|id| ("recipient", id)).ok_or_else(|| Outcome::refused(Action::BadAddress, "not-e164"))
}

/// A business-scoped user id: country, dot, letters and digits.
fn is_user_id(text: &str) -> bool {
    let Some((country, rest)) = text.split_once('.') else { return false };
    let id = rest.strip_prefix("ENT.").unwrap_or(rest);
    country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// What may be said inside the window: words, a file with a caption, something to press.
fn free_form(
    body: &str,
    buttons: &[Button],
    media: Option<(&Media, &Attached)>,
) -> (&'static str, Value) {
    let header = |(media, attached): (&Media, &Attached)| {
        let kind = word(media.kind);
        Some(json!({ "type": kind, kind: attached.object(media, None)? }))
    };
    if !buttons.is_empty() {
        let is_list = needs_list(buttons);
        let action = if is_list {
            let row = |b: &Button| json!({ "id": b.payload, "title": b.title.0.expose() });
            let rows: Vec<Value> = buttons.iter().map(row).collect();
            json!({ "button": OPENS_LIST, "sections": [{ "rows": rows }] })
        } else {
            let reply = |b: &Button| {
                let reply = json!({ "id": b.payload, "title": b.title.0.expose() });
                json!({ "type": "reply", "reply": reply })
            };
            json!({ "buttons": buttons.iter().map(reply).collect::<Vec<_>>() })
        };
        let kind = if is_list { "list" } else { "button" };
        let mut interactive = json!({ "type": kind, "body": { "text": body }, "action": action });
        if let Some(header) = media.and_then(header).filter(|_| !is_list) {
            interactive["header"] = header;
        }
        return ("interactive", interactive);
    }
    let with_caption = media.and_then(|(media, attached)| {
        Some((word(media.kind), attached.object(media, Some(body))?))
    });
    with_caption.unwrap_or_else(|| ("text", json!({ "preview_url": false, "body": body })))
}

fn needs_list(buttons: &[Button]) -> bool {
    let is_long = |b: &Button| chars(&b.title) > BUTTON_CHARS;
    buttons.len() > MOST_BUTTONS || buttons.iter().any(is_long)
}

fn template(content: &Content, attached: &Attached) -> Value {
    let Content::Template { name, language, names, parameters, header, buttons } = content else {
        return Value::Null;
    };
    let mut components = Vec::new();
    let file = header.as_ref().and_then(|media| {
        let kind = word(media.kind);
        Some(json!({ "type": kind, kind: attached.object(media, None)? }))
    });
    if let Some(file) = file {
        components.push(json!({ "type": "header", "parameters": [file] }));
    }
    let said = |(at, text): (usize, &Text)| {
        let mut parameter = json!({ "type": "text", "text": text.0.expose() });
        if let Some(name) = names.get(at) {
            parameter["parameter_name"] = json!(name);
        }
        parameter
    };
    if !parameters.is_empty() {
        let parameters: Vec<Value> = parameters.iter().enumerate().map(said).collect();
        components.push(json!({ "type": "body", "parameters": parameters }));
    }
    for (index, button) in buttons.iter().enumerate() {
        components.push(json!({
            "type": "button", "sub_type": "quick_reply", "index": index.to_string(),
            "parameters": [{ "type": "payload", "payload": button.payload }],
        }));
    }
    json!({ "name": name, "language": { "code": language }, "components": components })
}

/// Tells Meta that a person has read what a patient wrote: the patient sees it.
pub(super) fn read(provider_id: &str) -> Value {
    json!({ "messaging_product": "whatsapp", "status": "read", "message_id": provider_id })
}

const fn word(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Video => "video",
        MediaKind::Document => "document",
    }
}

/// What Meta would refuse of a content.
pub(super) fn problems(content: &Content) -> Vec<Problem> {
    let mut found = Problems(Vec::new());
    match content {
        Content::Text { body, buttons, media } => free_form_problems(
            &mut found,
            (chars(body), body.0.expose().trim().is_empty()),
            buttons,
            media.as_ref(),
        ),
        Content::Template { names, parameters, buttons, .. } => {
            template_problems(&mut found, names, parameters, buttons);
        }
        Content::Email { .. } => found.add("it is an email", "send it by email"),
    }
    found.0
}

struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, what: impl Into<String>, fix: &'static str) {
        self.0.push(Problem { what: what.into(), fix });
    }

    fn limit(&mut self, what: &str, length: usize, limit: usize, fix: &'static str) {
        if length > limit {
            self.add(format!("{what}: {length}, at most {limit}"), fix);
        }
    }
}

fn free_form_problems(
    found: &mut Problems,
    (length, is_blank): (usize, bool),
    buttons: &[Button],
    media: Option<&Media>,
) {
    let limit = if buttons.is_empty() && media.is_none() { TEXT_CHARS } else { BODY_CHARS };
    found.limit("characters of the text", length, limit, "shorten the text");
    let needs_words = media.is_none() || !buttons.is_empty();
    if is_blank && needs_words {
        found.add("the text is empty", "write one");
    }
    found.limit("choices", buttons.len(), MOST_ROWS, "offer fewer");
    let is_list = needs_list(buttons);
    let (title_chars, id_chars) =
        if is_list { (ROW_CHARS, ROW_ID_CHARS) } else { (BUTTON_CHARS, BUTTON_ID_CHARS) };
    for button in buttons {
        found.limit("characters of a choice", chars(&button.title), title_chars, "shorten it");
        let is_blank = button.title.0.expose().trim().is_empty() || button.payload.is_empty();
        if is_blank {
            found.add("a choice without a title or an id", "give it both");
        }
        let length = button.payload.chars().count();
        found.limit("characters of a choice's id", length, id_chars, "shorten it");
    }
    let titles: BTreeSet<&str> = buttons.iter().map(|b| b.title.0.expose().as_str()).collect();
    let ids: BTreeSet<&str> = buttons.iter().map(|b| b.payload.as_str()).collect();
    if titles.len() < buttons.len() || ids.len() < buttons.len() {
        found.add("two choices are the same", "make each its own");
    }
    if is_list && media.is_some() {
        found.add("a list takes no file", "offer at most three short choices");
    }
}

fn template_problems(
    found: &mut Problems,
    names: &[String],
    parameters: &[Text],
    buttons: &[Button],
) {
    if !names.is_empty() && names.len() != parameters.len() {
        let what = format!("{} names for {} parameters", names.len(), parameters.len());
        found.add(what, "name every parameter, or none");
    }
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if names.iter().any(|name| name.is_empty() || !name.chars().all(is_name)) {
        found.add("a parameter has a name that is none of Meta's", "use a-z, 0-9 and _");
    }
    for (at, text) in parameters.iter().enumerate() {
        let text = text.0.expose();
        if text.trim().is_empty() {
            found.add(format!("parameter {} is empty", at + 1), "fill it");
        }
        if text.contains(['\n', '\r', '\t']) || text.contains(TOO_MANY_SPACES) {
            let what = format!("parameter {} has a line break, a tab or five spaces", at + 1);
            found.add(what, "write it in one line");
        }
    }
    let length: usize = parameters.iter().map(chars).sum();
    found.limit("characters of all parameters", length, BODY_CHARS, "shorten them");
    found.limit("quick replies", buttons.len(), MOST_QUICK_REPLIES, "offer fewer");
    for button in buttons {
        let length = button.payload.chars().count();
        found.limit("characters of a payload", length, BUTTON_ID_CHARS, "shorten it");
        if length == 0 {
            found.add("a quick reply without payload", "give it one");
        }
    }
}

fn chars(text: &Text) -> usize {
    text.0.expose().chars().count()
}
