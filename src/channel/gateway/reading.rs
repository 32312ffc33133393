//! Callbacks of a gateway: receipts and replies, as the configuration maps them.

use super::super::build::{ChannelConfigError, Section};
use super::super::codes::CodeTable;
use super::super::event::{Body, Event, Person, ReceiptEvent, ReplyEvent};
use super::super::{Unreadable, signature};
use super::codes;
use super::document::Document;
use super::field::{Field, NoField};
use super::phone::Numbers;
use super::time::Times;
use crate::care::{Phi, ReceiptStatus};
use crate::config::MappingConfig;
use serde_json::Value;
use std::collections::BTreeMap;

/// Our parameter of the callback's URL.
pub(super) const CORRELATION: &str = "msg";

/// Under which names gateways tell the recipient of a receipt, most telling first: what is no number (a sender's name)
/// is passed over.
const RECIPIENT: [&str; 14] = [
    "phoneNumber",
    "phone_number",
    "msisdn",
    "recipient",
    "destination",
    "destAddr",
    "dest",
    "phoneNo",
    "mobile",
    "number",
    "phone",
    "receiver",
    "to",
    "To",
];

/// How receipts, or replies, are read.
#[derive(Debug)]
pub(super) struct Reading {
    each: Option<Field>,
    id: Option<Field>,
    correlation: Field,
    from: Option<Field>,
    to: Option<Field>,
    /// The same of receipts, which need not be told where it lies.
    recipient: Field,
    text: Option<Field>,
    context: Option<Field>,
    status: Option<Field>,
    statuses: BTreeMap<String, Word>,
    error: Option<Field>,
    details: Option<Field>,
    time: Option<Field>,
    times: Times,
    numbers: Numbers,
}

/// What a gateway's word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Says(Option<ReceiptStatus>),
    Ignored,
}

impl Word {
    /// A word of the status map.
    fn of(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "queued" | "accepted" => Self::Says(Some(ReceiptStatus::Accepted)),
            "sent" => Self::Says(Some(ReceiptStatus::Sent)),
            "delivered" => Self::Says(Some(ReceiptStatus::Delivered)),
            "read" => Self::Says(Some(ReceiptStatus::Read)),
            "failed" | "canceled" => Self::Says(Some(ReceiptStatus::Failed)),
            "unknown" => Self::Says(None),
            "ignore" => Self::Ignored,
            _ => return None,
        })
    }
}

impl Reading {
    pub(super) fn new(
        section: Section<'_>,
        part: &str,
        mapping: &MappingConfig,
    ) -> Result<Self, ChannelConfigError> {
        let wrong = |key: &str, no: NoField| ChannelConfigError::WrongForm {
            key: section.key(&format!("{part}.{key}")),
            fix: no.0,
        };
        let field = |key: &str, text: &Option<String>| {
            text.as_deref().map(Field::parse).transpose().map_err(|no| wrong(key, no))
        };
        let word = |(word, ours): (&String, &String)| {
            let words = "write queued, sent, delivered, read, failed, canceled, unknown or ignore";
            match Word::of(ours) {
                Some(says) => Ok((word.clone(), says)),
                None => Err(wrong(&format!("status_map.{word}"), NoField(words))),
            }
        };
        let correlation = field("correlation", &mapping.correlation)?;
        Ok(Self {
            each: field("each", &mapping.each)?,
            id: field("id", &mapping.id)?,
            correlation: match correlation {
                Some(field) => field,
                None => Field::parse(&format!("query.{CORRELATION}"))
                    .map_err(|no| wrong("correlation", no))?,
            },
            from: field("from", &mapping.from)?,
            recipient: field("to", &mapping.to)?.unwrap_or_else(|| Field::anywhere(&RECIPIENT)),
            to: field("to", &mapping.to)?,
            text: field("text", &mapping.text)?,
            context: field("context", &mapping.context)?,
            status: field("status", &mapping.status)?,
            statuses: mapping.status_map.iter().map(word).collect::<Result<_, _>>()?,
            error: field("error", &mapping.error)?,
            details: field("error_details", &mapping.error_details)?,
            time: field("time", &mapping.time)?,
            times: Times::new(mapping.time_format.as_deref(), mapping.time_zone.as_deref())
                .map_err(|(key, no)| wrong(key, no))?,
            numbers: Numbers::new(mapping.country_code.as_deref()),
        })
    }

    /// Whether a callback to no particular address has what this reads.
    pub(super) fn fits(&self, document: &Document<'_>) -> bool {
        let entry = match &self.each {
            None => None,
            Some(each) => match each.entries(document) {
                Some(entries) => entries.first().copied(),
                None => return false,
            },
        };
        let there = |field: &Option<Field>| {
            field.as_ref().is_some_and(|field| field.of(document, entry).is_some())
        };
        there(&self.status) || there(&self.from)
    }

    /// The receipts of a callback.
    pub(super) fn receipts(
        &self,
        document: &Document<'_>,
        codes: &CodeTable,
    ) -> Result<Vec<Event>, Unreadable> {
        self.entries(document)?.map(|entry| self.receipt(document, entry, codes)).collect()
    }

    /// The replies of a callback.
    pub(super) fn replies(&self, document: &Document<'_>) -> Result<Vec<Event>, Unreadable> {
        Ok(self.entries(document)?.map(|entry| self.reply(document, entry)).collect())
    }

    fn entries<'a>(
        &self,
        document: &'a Document<'_>,
    ) -> Result<std::vec::IntoIter<Option<&'a Value>>, Unreadable> {
        let Some(each) = &self.each else { return Ok(vec![None].into_iter()) };
        let entries = each.entries(document);
        let entries =
            entries.ok_or_else(|| Unreadable { kind: "no list as in `each`".to_owned() })?;
        Ok(entries.into_iter().map(Some).collect::<Vec<_>>().into_iter())
    }

    fn receipt(
        &self,
        document: &Document<'_>,
        entry: Option<&Value>,
        codes: &CodeTable,
    ) -> Result<Event, Unreadable> {
        let read = |field: &Option<Field>| {
            let text = field.as_ref()?.of(document, entry)?;
            Some(text.trim().to_owned())
        };
        let Some(raw_status) = read(&self.status) else {
            return Self::missing(entry, "no field as in `status`");
        };
        let word = self.statuses.get(&raw_status).copied().or_else(|| {
            let same = |(word, _): &(&String, &Word)| word.eq_ignore_ascii_case(&raw_status);
            self.statuses.iter().find(same).map(|(_, word)| *word)
        });
        let word = word.or_else(|| Word::of(&raw_status)).unwrap_or(Word::Says(None));
        let Word::Says(status) = word else { return Ok(Event::ignored("status.ignored")) };
        let provider_id = read(&self.id);
        let echo = self.correlation.of(document, entry).map(|text| text.trim().to_owned());
        if provider_id.is_none() && echo.is_none() {
            return Self::missing(entry, "neither a field as in `id` nor an id of ours");
        }
        // What a gateway tells beside a success is no error.
        let failed = status == Some(ReceiptStatus::Failed);
        let error = read(&self.error).filter(|_| failed).map(|text| codes::code(&text));
        let details = read(&self.details).filter(|_| failed).map(|text| codes::code(&text));
        Ok(Event::Receipt(ReceiptEvent {
            correlation: echo.as_deref().and_then(|echo| echo.parse().ok()),
            echo,
            provider_id,
            status,
            raw_status,
            error: error.map(|code| (code.clone(), codes.asks_in_receipt(&code))),
            details,
            at: self.at(document, entry),
            to: self.recipient(document, entry),
            ..ReceiptEvent::default()
        }))
    }

    /// A callback that misses something is not readable; an entry among others is passed over.
    fn missing(entry: Option<&Value>, what: &str) -> Result<Event, Unreadable> {
        match entry {
            Some(_) => Ok(Event::ignored("status.of-nothing")),
            None => Err(Unreadable { kind: what.to_owned() }),
        }
    }

    fn reply(&self, document: &Document<'_>, entry: Option<&Value>) -> Event {
        let read = |field: &Option<Field>| field.as_ref()?.of(document, entry);
        let word = |field: &Option<Field>| read(field).map(|text| text.trim().to_owned());
        let Some(from) = word(&self.from).and_then(|text| self.numbers.address(&text)) else {
            return Event::ignored("without a sender");
        };
        let text = read(&self.text).unwrap_or_default();
        let provider_id = word(&self.id).unwrap_or_else(|| {
            // Whoever gives replies no id sends the same fields again when he sends one twice.
            let time = word(&self.time).unwrap_or_default();
            let parts = [from.expose().as_bytes(), text.as_bytes(), time.as_bytes()];
            signature::fingerprint(parts)
        });
        Event::Reply(ReplyEvent {
            account: None,
            to: word(&self.to),
            provider_id,
            from: Person { address: Some(from), user_id: None },
            body: Body::Text(Phi::new(text)),
            context: word(&self.context),
            handled: None,
            at: self.at(document, entry),
        })
    }

    fn at(&self, document: &Document<'_>, entry: Option<&Value>) -> Option<crate::care::UtcMs> {
        self.times.read(&self.time.as_ref()?.of(document, entry)?)
    }

    fn recipient(&self, document: &Document<'_>, entry: Option<&Value>) -> Person {
        let mut found = self.recipient.all(document, entry);
        let address = found.find_map(|text| self.numbers.address(&text));
        Person { address, user_id: None }
    }
}
