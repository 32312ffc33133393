//! Delivery reports (RFC 3464), read generously: real ones lack fields, nest their parts and explain their codes.

use super::super::codes::CodeTable;
use super::super::event::{Bounce, BounceKind, Event, ReceiptEvent};
use super::super::{Action, Person};
use crate::care::ids::AttemptId;
use crate::care::{Address, Phi, ReceiptStatus};
use mail_parser::{Message, MimeHeaders, PartType};

/// Parts within parts are followed so deep.
const DEEPEST: usize = 8;
/// Recipients of one report that are read.
const MOST: usize = 256;

/// What a mail reports, a recipient each; empty when it is no delivery report.
///
/// `ours` is the attempt whose token the mail carries: without one it is evidence of nothing.
pub(super) fn bounces(
    message: &Message<'_>,
    ours: Option<&(AttemptId, String)>,
    codes: &CodeTable,
) -> Vec<Event> {
    let mut found = Found::default();
    found.look_into(message, 0);
    let root = message.content_type().filter(|_| message.is_content_type("multipart", "report"));
    let report_type = root.and_then(|kind| kind.attribute("report-type")).map(ToOwned::to_owned);
    let original_message_id = found.original;
    let recipients = found.fields.iter().filter_map(bounce).take(MOST);
    recipients
        .map(|bounce| Bounce {
            report_type: report_type.clone(),
            original_message_id: original_message_id.clone(),
            ..bounce
        })
        .map(|bounce| receipt(bounce, &found.told, ours.cloned(), codes))
        .collect()
}

/// What lies in the parts of a mail.
#[derive(Default)]
struct Found {
    /// The groups of fields of every report.
    fields: Vec<Fields>,
    /// The Message-ID of the first mail that is enclosed.
    original: Option<String>,
    /// What is told to people: the first text.
    told: String,
}

impl Found {
    fn look_into(&mut self, message: &Message<'_>, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        for part in &message.parts {
            let is = |kind, subtype| part.is_content_type(kind, subtype);
            if let (0, true, PartType::Text(text)) = (depth, self.told.is_empty(), &part.body) {
                self.told = text.to_string();
            }
            if is("message", "delivery-status") || is("message", "global-delivery-status") {
                self.fields.extend(groups(&String::from_utf8_lossy(part.contents())));
            }
            if is("text", "rfc822-headers") && self.original.is_none() {
                let place = part.offset_body as usize..part.offset_end as usize;
                let head = message.raw_message.get(place).unwrap_or_default();
                let head = groups(&String::from_utf8_lossy(head)).into_iter().next();
                let id = head.and_then(|head| head.get("message-id").map(ToOwned::to_owned));
                self.original = id.filter(|id| id.starts_with('<') && id.ends_with('>'));
            }
            if let PartType::Message(enclosed) = &part.body {
                if self.original.is_none() {
                    self.original = enclosed.message_id().map(|id| format!("<{id}>"));
                }
                self.look_into(enclosed, depth + 1);
            }
        }
    }
}

/// Fields with their names in small letters, unfolded.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The value behind its type: `rfc822; a@example.org`.
    fn typed(&self, name: &str) -> Option<&str> {
        let value = self.get(name)?;
        let value = value.split_once(';').map_or(value, |(_, rest)| rest).trim();
        Some(value.trim_start_matches('<').trim_end_matches('>')).filter(|value| !value.is_empty())
    }
}

/// Groups of fields, a blank line between them.
fn groups(text: &str) -> Vec<Fields> {
    let mut groups = vec![Fields(Vec::new())];
    for line in text.lines() {
        let Some(group) = groups.last_mut() else { break };
        if line.is_empty() {
            groups.push(Fields(Vec::new()));
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = group.0.last_mut() {
                let more = line.split_whitespace().collect::<Vec<_>>().join(" ");
                if !more.is_empty() {
                    value.push(' ');
                    value.push_str(&more);
                }
            }
        } else if let Some((name, value)) = line.split_once(':') {
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            group.0.push((name.trim().to_ascii_lowercase(), value));
        }
    }
    groups
}

/// What a group of fields says of a recipient.
fn bounce(fields: &Fields) -> Option<Bounce> {
    let names = ["final-recipient", "original-recipient", "action"];
    names.iter().find_map(|name| fields.get(name))?;
    let action = fields.get("action").map(str::to_lowercase);
    let status = fields.get("status").and_then(enhanced_code);
    let words = |name| fields.typed(name).map(Phi::from);
    Some(Bounce {
        final_recipient: words("final-recipient"),
        original_recipient: words("original-recipient"),
        diagnostic: words("diagnostic-code"),
        kind: kind(action.as_deref(), status.as_deref()),
        action,
        status,
        ..Bounce::default()
    })
}

/// The code at the beginning of a text (RFC 3463 section 2); what stands behind it explains it.
fn enhanced_code(text: &str) -> Option<String> {
    let code = text.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let mut numbers = code.split('.');
    let class = numbers.next().filter(|class| ["2", "4", "5"].contains(class));
    let rest: Vec<&str> = numbers.collect();
    let detail = |number: &&str| (1..=3).contains(&number.len());
    (class.is_some() && rest.len() == 2 && rest.iter().all(detail)).then(|| code.to_owned())
}

/// A code anywhere in the words of a server: `550 5.1.1 User unknown`, `said: 550-5.1.1 ...`.
fn code_within(text: &str) -> Option<String> {
    text.split(|c: char| c.is_whitespace() || ['-', '<', '(', '#', ':', ';'].contains(&c))
        .find_map(enhanced_code)
}

/// What the server said of a recipient, where the report tells it to people only (OpenSMTPD):
/// `a@example.org: 550 Invalid recipient: <a@example.org>`.
fn reply_in<'a>(told: &'a str, recipient: &str) -> Option<&'a str> {
    told.lines().find_map(|line| {
        let (who, said) = line.trim().split_once(": ")?;
        who.eq_ignore_ascii_case(recipient).then_some(said)
    })
}

/// The basic code of a reply that refuses the recipient himself: one that does not name him may be of anything.
fn refusal(reply: &str, recipient: &str) -> Option<String> {
    let names_him = reply.to_lowercase().contains(&format!("<{recipient}>"));
    let code = reply.split(' ').next()?;
    (names_him && ["550", "553"].contains(&code)).then(|| code.to_owned())
}

fn kind(action: Option<&str>, status: Option<&str>) -> BounceKind {
    match action {
        Some("failed") if status.is_some_and(|status| status.starts_with('4')) => BounceKind::Soft,
        Some("failed") => BounceKind::Hard,
        Some("delayed") => BounceKind::Soft,
        Some("delivered" | "relayed" | "expanded") => BounceKind::Delivered,
        _ => BounceKind::Unknown,
    }
}

/// A report of one of our attempts moves it: only what failed is lost, and only what names the address condemns it.
fn receipt(
    bounce: Bounce,
    told: &str,
    ours: Option<(AttemptId, String)>,
    codes: &CodeTable,
) -> Event {
    let action = bounce.action.as_deref().unwrap_or_default();
    let status = match bounce.kind {
        _ if action.starts_with("fail") => Some(ReceiptStatus::Failed),
        BounceKind::Delivered if action == "delivered" => Some(ReceiptStatus::Delivered),
        _ => None,
    };
    let recipient = bounce.original_recipient.as_ref().or(bounce.final_recipient.as_ref());
    let address = recipient.map(|address| address.expose().to_lowercase());
    let told = address.as_deref().and_then(|address| reply_in(told, address).zip(Some(address)));
    let words = bounce.diagnostic.as_ref().map(|words| words.expose().as_str());
    let said = words.and_then(code_within).or_else(|| code_within(told?.0));
    // `5.0.0` says nothing: the server's own words may say more.
    let telling = bounce.status.clone().filter(|code| !code.ends_with(".0.0")).or(said);
    let refused = told.filter(|_| telling.is_none()).and_then(|(reply, him)| refusal(reply, him));
    let stage = if refused.is_some() { "rcpt" } else { "report" };
    let code = telling.or(refused).or_else(|| bounce.status.clone());
    let code = code.unwrap_or_else(|| "failed".to_owned());
    let asks = match bounce.kind {
        BounceKind::Hard => codes.asks_at(&code, stage).map(|asked| asked.action),
        _ => None,
    };
    let error = (status == Some(ReceiptStatus::Failed))
        .then(|| (code, asks.unwrap_or(Action::NextChannel)));
    let address = address.filter(|address| address.contains('@')).map(Address::new);
    let (correlation, echo) = ours.unzip();
    Event::Receipt(ReceiptEvent {
        correlation,
        echo,
        status,
        raw_status: action.to_owned(),
        error,
        to: Person { address, user_id: None },
        bounce: Some(Box::new(bounce)),
        ..ReceiptEvent::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_parser::MessageParser;
    use proptest::prelude::*;

    fn events(report: &str, ours: Option<AttemptId>) -> Vec<Event> {
        let mail = format!(
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n\
             --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n{report}\r\n--b--\r\n"
        );
        let message = MessageParser::default().parse(mail.as_bytes()).unwrap();
        bounces(
            &message,
            ours.map(|id| (id, "token".to_owned())).as_ref(),
            &CodeTable::smtp().unwrap(),
        )
    }

    #[test]
    fn only_what_names_the_address_condemns_it() {
        let id = AttemptId(uuid::Uuid::from_u128(1));
        let failed = Some(ReceiptStatus::Failed);
        for (fields, status, code, action) in [
            ("Action: failed\r\nStatus: 5.1.1", failed, "5.1.1", Action::BadAddress),
            ("Action: failed\r\nStatus: 5.1.10 (null MX)", failed, "5.1.10", Action::BadAddress),
            ("Action: Failed\r\nStatus: 5.2.1", failed, "5.2.1", Action::BadAddress),
            ("Action: failed\r\nStatus: 5.1.8", failed, "5.1.8", Action::NextChannel),
            ("Action: failed\r\nStatus: 5.2.2", failed, "5.2.2", Action::NextChannel),
            ("Action: failed\r\nStatus: 5.7.1", failed, "5.7.1", Action::NextChannel),
            ("Action: failed\r\nStatus: 5.0.0", failed, "5.0.0", Action::NextChannel),
            (
                "Action: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; host x said: 550-5.1.1 no\r\n such user",
                failed,
                "5.1.1",
                Action::BadAddress,
            ),
            (
                "Action: failed\r\nDiagnostic-Code: SMTP; 550 5.1.1 User unknown",
                failed,
                "5.1.1",
                Action::BadAddress,
            ),
            ("Action: failed\r\nStatus: 4.4.7", failed, "4.4.7", Action::NextChannel),
            ("Action: failed (bad address)\r\nStatus: 5.1.1", failed, "5.1.1", Action::NextChannel),
            ("Action: failed", failed, "failed", Action::NextChannel),
        ] {
            let events = events(&format!("Final-Recipient: rfc822; a@b.org\r\n{fields}"), Some(id));
            let [Event::Receipt(receipt)] = &events[..] else { panic!("{fields}: {events:?}") };
            assert_eq!((receipt.status, receipt.correlation), (status, Some(id)), "{fields}");
            assert_eq!(receipt.error, Some((code.to_owned(), action)), "{fields}");
        }
        for fields in [
            "Action: delayed\r\nStatus: 4.4.1",
            "Action: relayed",
            "Status: 5.1.1",
            "Action: error",
        ] {
            let events = events(&format!("Final-Recipient: rfc822; a@b.org\r\n{fields}"), Some(id));
            let [Event::Receipt(receipt)] = &events[..] else {
                assert!(!fields.starts_with("Action"), "{fields}: {events:?}");
                continue;
            };
            assert_eq!((receipt.status, &receipt.error), (None, &None), "{fields}");
        }
    }

    #[test]
    fn a_report_may_tell_its_reason_to_people_only() {
        // As OpenSMTPD 6.8 reports: the fields say 5.0.0 for everything.
        let fields = "Final-Recipient: rfc822; a@b.org\r\nAction: failed\r\nStatus: 5.0.0";
        let report = |said: &str| {
            format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHi!\r\n\r\n\
                 a@b.org: {said}\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
                 Reporting-MTA: dns; x\r\n\r\n{fields}\r\n\r\n--b--\r\n"
            )
        };
        let codes = CodeTable::smtp().unwrap();
        for (said, error) in [
            ("550 Invalid recipient: <A@b.org>", ("550", Action::BadAddress)),
            ("553 <a@b.org>: no such mailbox", ("553", Action::BadAddress)),
            ("550 5.1.1 User unknown", ("5.1.1", Action::BadAddress)),
            ("550 5.7.1 <a@b.org>: access denied", ("5.7.1", Action::NextChannel)),
            ("550 Message refused", ("5.0.0", Action::NextChannel)),
            ("550 Invalid recipient: <x@b.org>", ("5.0.0", Action::NextChannel)),
            ("451 <a@b.org>: later", ("5.0.0", Action::NextChannel)),
            ("Domain does not exist", ("5.0.0", Action::NextChannel)),
        ] {
            let mail = report(said);
            let message = MessageParser::default().parse(mail.as_bytes()).unwrap();
            let events = bounces(&message, None, &codes);
            let [Event::Receipt(receipt)] = &events[..] else { panic!("{said}: {events:?}") };
            assert_eq!(receipt.error, Some((error.0.to_owned(), error.1)), "{said}");
        }
    }

    proptest! {
        #[test]
        fn nothing_in_a_report_breaks_its_reader(report in "[ -~\r\n\t:;.<>é]{0,300}") {
            events(&report, None);
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Some(message) = MessageParser::default().parse(&bytes) {
                bounces(&message, None, &CodeTable::smtp().unwrap());
            }
        }
    }
}
