//! One mail: its headers and parts (RFC 5322, RFC 2046, RFC 3834, RFC 8058).

use super::super::{Action, Content, Outbound, Outcome, Text};
use super::addresses::Addresses;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart};

/// What a mail says that leaves the mails alone; `policy::keywords` hears it.
const LEAVE_SUBJECT: &str = "unsubscribe";

/// A mail on its way to the relay.
pub(super) struct Mail {
    pub(super) to: lettre::Address,
    pub(super) envelope_from: lettre::Address,
    pub(super) message_id: String,
    pub(super) bytes: Vec<u8>,
}

/// The mail of an outbound message.
///
/// Control characters are refused before lettre sees them: it panics on a line break in a name, and a header must not
/// be able to begin another one.
pub(super) fn mail(addresses: &Addresses, outbound: &Outbound) -> Result<Mail, Outcome> {
    let Content::Email { subject, text, html, message_id, unsubscribe_url, invite } =
        &outbound.content
    else {
        return Err(Outcome::refused(Action::Fix, "content-is-not-email"));
    };
    let to = outbound.to.expose();
    let url = unsubscribe_url.as_deref().unwrap_or_default();
    let headers = [to, subject.0.expose(), message_id, url];
    if !headers.into_iter().all(is_header_text) {
        return Err(Outcome::refused(Action::Fix, "control-character-in-header"));
    }
    if !to.is_ascii() {
        return Err(Outcome::refused(Action::NextChannel, "address-needs-smtputf8"));
    }
    let to: lettre::Address =
        to.parse().map_err(|_| Outcome::refused(Action::BadAddress, "not-an-address"))?;
    let message_id = addresses.message_id(message_id);
    let mut builder = Message::builder()
        .from(addresses.from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(subject.0.expose().as_str())
        .message_id(Some(format!("<{message_id}>")))
        .raw_header(header("Auto-Submitted", "auto-generated".to_owned()));
    let reply_to = addresses.reply_to(outbound.correlation);
    if let Some(reply_to) = &reply_to {
        builder = builder.reply_to(Mailbox::new(None, reply_to.clone()));
    }
    let mailto = reply_to.map(|address| format!("<mailto:{address}?subject={LEAVE_SUBJECT}>"));
    let https = unsubscribe_url.as_ref().map(|url| format!("<{url}>"));
    let ways: Vec<String> = https.into_iter().chain(mailto).collect();
    if !ways.is_empty() {
        builder = builder.raw_header(header("List-Unsubscribe", ways.join(", ")));
    }
    if unsubscribe_url.is_some() {
        let one_click = "List-Unsubscribe=One-Click".to_owned();
        builder = builder.raw_header(header("List-Unsubscribe-Post", one_click));
    }
    let part = |kind, text: &Text| SinglePart::builder().header(kind).body(text.0.expose().clone());
    let plain = part(ContentType::TEXT_PLAIN, text);
    let html = html.as_ref().map(|html| part(ContentType::TEXT_HTML, html));
    let entry = invite.as_ref().map(|invite| addresses.calendar_entry(invite, &to));
    let built = match (html, entry) {
        (None, None) => builder.singlepart(plain),
        (html, None) => builder.multipart(alternative(plain, html)),
        (html, Some(entry)) => {
            let act = invite.as_ref().map(|invite| invite.act).unwrap_or_default();
            let method = format!("text/calendar; charset=utf-8; method={}", act.method());
            let calendar = SinglePart::builder().header(kind(&method)?).body(entry.clone());
            let file = Attachment::new("invite.ics".to_owned());
            let file = file.body(entry, kind("application/ics")?);
            let inner = alternative(plain, html).singlepart(calendar);
            builder.multipart(MultiPart::mixed().multipart(inner).singlepart(file))
        }
    };
    let message = built.map_err(|_| Outcome::refused(Action::Fix, "message-does-not-build"))?;
    let envelope_from = addresses.envelope_from(outbound.correlation);
    Ok(Mail { to, envelope_from, message_id, bytes: message.formatted() })
}

fn alternative(plain: SinglePart, html: Option<SinglePart>) -> MultiPart {
    let parts = MultiPart::alternative().singlepart(plain);
    match html {
        Some(html) => parts.singlepart(html),
        None => parts,
    }
}

fn kind(text: &str) -> Result<ContentType, Outcome> {
    ContentType::parse(text).map_err(|_| Outcome::refused(Action::Fix, "message-does-not-build"))
}

fn header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

fn is_header_text(text: &str) -> bool {
    !text.chars().any(char::is_control)
}
