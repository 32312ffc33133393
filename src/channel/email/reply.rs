//! What a patient answers by mail, and what only looks like an answer: other machines' mail is never answered (RFC
//! 3834 section 2), or two machines would write to each other for ever.

use super::super::Person;
use super::super::event::{Body, Event, MediaItem, ReplyEvent};
use super::super::signature::fingerprint;
use super::quoted::{new_html, new_text};
use crate::care::ids::{AttemptId, MessageId};
use crate::care::{Address, Phi, UtcMs};
use mail_parser::decoders::html::html_to_text;
use mail_parser::{HeaderValue, Message, MimeHeaders, PartType};

/// Longest answer that is kept, in characters.
const LONGEST: usize = 4_000;
/// Files of one answer that are told of.
const MOST_FILES: usize = 16;
/// Subjects that a mail program made: they are not the patient's words.
const ANSWERS: [&str; 14] = [
    "re:", "re :", "aw:", "antw:", "sv:", "rv:", "res:", "r:", "rif:", "fwd:", "fw:", "tr:", "رد:",
    "回复:",
];

/// What a mail that reports nothing says.
///
/// `answers` is the attempt whose token the mail was sent to; `own` are our addresses in small letters.
pub(super) fn reply(message: &Message<'_>, answers: Option<AttemptId>, own: &[String]) -> Event {
    let from = message.from().and_then(|from| from.first()).and_then(|from| from.address());
    let from = from.map(|from| from.trim().to_lowercase()).filter(|from| from.contains('@'));
    if let Some(kind) = of_a_machine(message, from.as_deref(), own) {
        return Event::ignored(kind);
    }
    let Some(from) = from else { return Event::ignored("mail.no-sender") };
    let id = message.message_id().map(|id| format!("<{id}>"));
    let id = id.unwrap_or_else(|| fingerprint([message.raw_message()]));
    let at = message.date().map(|date| UtcMs(date.to_timestamp().saturating_mul(1_000)));
    Event::Reply(ReplyEvent {
        account: None,
        to: None,
        provider_id: id,
        from: Person { address: Some(Address::new(from)), user_id: None },
        body: body(message),
        context: answers.map(|id| id.to_string()).or_else(|| answered(message)),
        handled: None,
        at,
    })
}

/// The kind of a mail that no person wrote to us.
fn of_a_machine(message: &Message<'_>, from: Option<&str>, own: &[String]) -> Option<&'static str> {
    let header = |name: &str| message.header_raw(name.to_owned()).map(|v| v.trim().to_lowercase());
    let is_there = |name: &str| header(name).is_some();
    let mut first_word = header("Auto-Submitted").unwrap_or_default();
    first_word.truncate(first_word.find([';', ' ', '(']).unwrap_or(first_word.len()));
    let precedence = header("Precedence").unwrap_or_default();
    let local = from.and_then(|from| from.split('@').next()).unwrap_or_default();
    if message.parts.iter().any(|part| part.is_content_type("message", "disposition-notification"))
    {
        Some("mail.read-notification")
    } else if message.parts.iter().any(|part| part.is_content_type("message", "feedback-report")) {
        Some("mail.complaint")
    } else if !["", "no"].contains(&first_word.as_str()) {
        Some("mail.auto-submitted")
    } else if ["X-Autoreply", "X-Autorespond", "X-Autoresponder"].into_iter().any(is_there) {
        Some("mail.auto-reply")
    } else if ["bulk", "list", "junk", "auto_reply"].contains(&precedence.as_str()) {
        Some("mail.bulk")
    } else if is_there("List-Id") {
        Some("mail.list")
    } else if header("Return-Path").is_some_and(|path| path == "<>") {
        Some("mail.null-sender")
    } else if from.is_some_and(|from| is_own(from, own)) {
        Some("mail.own")
    } else if ["mailer-daemon", "postmaster"].contains(&local) {
        Some("mail.daemon")
    } else {
        None
    }
}

/// Whether an address is ours, with or without a token.
fn is_own(from: &str, own: &[String]) -> bool {
    let Some((local, domain)) = from.rsplit_once('@') else { return false };
    let bare = format!("{}@{domain}", local.split('+').next().unwrap_or(local));
    own.iter().any(|own| *own == from || *own == bare)
}

/// The Message-ID that a mail answers: the one it names, else the last of its thread; but one of ours before others,
/// because who writes a second mail answers the own first one.
fn answered(message: &Message<'_>) -> Option<String> {
    let newest_first = |value: &HeaderValue<'_>| match value {
        HeaderValue::Text(id) => vec![id.to_string()],
        HeaderValue::TextList(ids) => ids.iter().rev().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    let mut named = newest_first(message.in_reply_to());
    named.extend(newest_first(message.references()));
    let is_ours =
        |id: &&String| id.split('@').next().is_some_and(|left| left.parse::<MessageId>().is_ok());
    let ours = named.iter().find(is_ours).cloned();
    ours.or_else(|| named.into_iter().next())
}

fn body(message: &Message<'_>) -> Body {
    let text = words(message);
    let subject = message.subject().unwrap_or_default().trim();
    let small = subject.to_lowercase();
    let is_theirs = !subject.is_empty() && !ANSWERS.iter().any(|answer| small.starts_with(answer));
    let items = files(message);
    if !text.is_empty() && items.is_empty() {
        Body::Text(Phi::new(text))
    } else if !items.is_empty() {
        Body::Media { caption: (!text.is_empty()).then(|| Phi::new(text)), items }
    } else if is_theirs {
        Body::Text(Phi::new(cut(subject)))
    } else {
        Body::Unsupported { kind: "empty mail".to_owned(), code: None }
    }
}

/// The new words of the first text there is; of HTML alone what a reader would see of it.
fn words(message: &Message<'_>) -> String {
    let first = message.text_bodies().next().map(|part| &part.body);
    match first {
        Some(PartType::Text(text)) => cut(&new_text(text)),
        Some(PartType::Html(html)) => cut(&new_text(&html_to_text(new_html(html)))),
        _ => String::new(),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// What is enclosed, by its type; never opened. Pictures within the text, such as logos, are no answer.
fn files(message: &Message<'_>) -> Vec<MediaItem> {
    let enclosed = message.attachments().filter_map(|part| {
        let inline = part.content_disposition().is_some_and(mail_parser::ContentType::is_inline);
        let kind = part.content_type().filter(|_| !inline || part.content_id().is_none())?;
        let family = match kind.ctype() {
            family @ ("image" | "video" | "audio") => family,
            "multipart" | "text" => return None,
            _ => "document",
        };
        let subtype = kind.subtype().unwrap_or("octet-stream");
        Some(MediaItem {
            kind: Some(family.to_owned()),
            mime_type: Some(format!("{}/{subtype}", kind.ctype())),
            ..MediaItem::default()
        })
    });
    enclosed.take(MOST_FILES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_parser::MessageParser;

    fn read(mail: &str) -> Event {
        let mail = mail.replace('\n', "\r\n");
        let message = MessageParser::default().parse(mail.as_bytes()).unwrap();
        reply(&message, None, &["clinic@x.org".to_owned(), "replies@x.org".to_owned()])
    }

    fn said(mail: &str) -> ReplyEvent {
        match read(mail) {
            Event::Reply(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    const HEAD: &str = "From: Amina <Amina@Example.org>\nMessage-ID: <1@e>\n";

    #[test]
    fn what_a_person_writes_is_heard_in_every_charset_and_form() {
        for (mail, words) in [
            ("Subject: Re: A\n\nSTOP\n", "STOP"),
            ("Subject: STOP\n\n", "STOP"),
            ("Subject: STOP\n\nSent from my iPhone\n", "STOP"),
            ("Subject: Re: A reminder\n\n\n", "[empty mail]"),
            (
                "Content-Type: text/plain; charset=windows-1252\nContent-Transfer-Encoding: quoted-printable\n\nArr=EAt",
                "Arrêt",
            ),
            (
                "Content-Type: text/plain; charset=iso-8859-6\nContent-Transfer-Encoding: base64\n\n5Oc=\n",
                "له",
            ),
            (
                "Content-Type: text/html\n\n<html><body><p>Stop</p><blockquote>To go on, reply START</blockquote></body></html>",
                "Stop",
            ),
            (
                "Content-Type: multipart/alternative; boundary=b\n\n--b\n\nSTOP\n\n--b\nContent-Type: text/html\n\n<p>STOP</p>\n--b--\n",
                "STOP",
            ),
            (
                "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nsee\n--b\nContent-Type: image/jpeg\nContent-Disposition: attachment\n\nx\n--b--\n",
                "see",
            ),
            (
                "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/jpeg\nContent-Disposition: attachment\n\nx\n--b--\n",
                "[image]",
            ),
        ] {
            let reply = said(&format!("{HEAD}{mail}"));
            assert_eq!(reply.words().expose(), words, "{mail}");
            assert_eq!(reply.from.address, Some(Address::new("amina@example.org")));
            assert_eq!(reply.provider_id, "<1@e>");
        }
    }

    #[test]
    fn the_mail_it_answers_is_named() {
        let of = |head: &str| said(&format!("{HEAD}{head}\n\nYes")).context;
        assert_eq!(
            of("In-Reply-To: <m@x.org>\nReferences: <a@b> <c@d>"),
            Some("m@x.org".to_owned())
        );
        assert_eq!(of("References: <a@b>\n <m@x.org>"), Some("m@x.org".to_owned()));
        assert_eq!(of("Subject: a"), None);
        let ours = "msg_019b2f0c5d7e7a61b1d2c3e4f5061728@x.org";
        let thread = format!("In-Reply-To: <own@e>\nReferences: <{ours}> <own@e>");
        assert_eq!(of(&thread), Some(ours.to_owned()));
    }

    #[test]
    fn machines_are_not_answered() {
        for (head, kind) in [
            ("From: a@b.org\nAuto-Submitted: auto-replied", "mail.auto-submitted"),
            ("From: a@b.org\nAuto-Submitted: auto-generated (vacation)", "mail.auto-submitted"),
            ("From: a@b.org\nX-Autoreply: yes", "mail.auto-reply"),
            ("From: a@b.org\nPrecedence: Bulk", "mail.bulk"),
            ("From: a@b.org\nPrecedence: list", "mail.bulk"),
            ("From: a@b.org\nPrecedence: junk", "mail.bulk"),
            ("From: a@b.org\nList-Id: <l.b.org>", "mail.list"),
            ("From: a@b.org\nReturn-Path: <>", "mail.null-sender"),
            ("From: Clinic@X.org", "mail.own"),
            ("From: replies+abc@x.org", "mail.own"),
            ("From: MAILER-DAEMON@b.org", "mail.daemon"),
            ("Subject: STOP", "mail.no-sender"),
        ] {
            assert_eq!(read(&format!("{head}\n\nSTOP\n")), Event::ignored(kind), "{head}");
        }
        assert!(matches!(read("From: a@b.org\nAuto-Submitted: no\n\nSTOP"), Event::Reply(_)));
    }
}
