//! What Twilio's webhooks say. Parameters come and go without notice, so only those that are used are read.
//!
//! Sources: twilio.com/docs/messaging/guides/webhook-request, /docs/messaging/guides/track-outbound-message-status,
//! /docs/messaging/tutorials/advanced-opt-out; `reference/channels.md` section 2.

use super::CORRELATION;
use crate::care::{Address, Phi, ReceiptStatus};
use crate::channel::codes::CodeTable;
use crate::channel::event::{Body, Event, Handled, MediaItem, Person, ReceiptEvent, ReplyEvent};
use crate::channel::{Callback, Unreadable};
use std::collections::HashMap;

/// The most files of one message.
const MOST_MEDIA: usize = 10;

pub(super) fn of_callback(
    callback: &Callback,
    codes: &CodeTable,
) -> Result<Vec<Event>, Unreadable> {
    let form = Form::of(&callback.body);
    let id = form
        .text("MessageSid")
        .or_else(|| form.text("SmsSid"))
        .ok_or_else(|| Unreadable { kind: "no field `MessageSid`".to_owned() })?;
    match form.text("MessageStatus").or_else(|| form.text("SmsStatus")) {
        Some(word) if word != "received" => Ok(vec![receipt(callback, &form, id, word, codes)]),
        _ => Ok(vec![reply(&form, id)]),
    }
}

/// The parameters of a callback; empty ones count as absent.
struct Form(HashMap<String, String>);

impl Form {
    fn of(body: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(body).into_owned();
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// A number, or whoever else Twilio names; WhatsApp's have a prefix.
    fn person(&self, name: &str) -> Person {
        let address = self.0.get(name).map(|text| text.strip_prefix("whatsapp:").unwrap_or(text));
        Person {
            address: address.filter(|address| address.starts_with('+')).map(Address::new),
            user_id: self.0.get("ExternalUserId").map(Address::new),
        }
    }
}

fn receipt(callback: &Callback, form: &Form, id: String, word: String, codes: &CodeTable) -> Event {
    let echo = callback.parameter(CORRELATION);
    let error = form.text("ErrorCode").filter(|code| code != "0");
    Event::Receipt(ReceiptEvent {
        correlation: echo.as_deref().and_then(|echo| echo.parse().ok()),
        echo,
        provider_id: Some(id),
        status: receipt_status(&word),
        raw_status: word,
        error: error.map(|code| (code.clone(), codes.asks_in_receipt(&code))),
        details: form.text("ErrorMessage"),
        to: form.person("To"),
        ..ReceiptEvent::default()
    })
}

/// What a status of Twilio's is; none: one that says nothing here.
pub(super) fn receipt_status(word: &str) -> Option<ReceiptStatus> {
    match word {
        "accepted" | "scheduled" | "queued" | "sending" => Some(ReceiptStatus::Accepted),
        "sent" => Some(ReceiptStatus::Sent),
        "delivered" => Some(ReceiptStatus::Delivered),
        "read" => Some(ReceiptStatus::Read),
        "undelivered" | "failed" | "canceled" => Some(ReceiptStatus::Failed),
        _ => None,
    }
}

fn reply(form: &Form, id: String) -> Event {
    let from = form.person("From");
    if from.known_by().next().is_none() {
        return Event::ignored("without a sender");
    }
    Event::Reply(ReplyEvent {
        account: form.text("To"),
        to: None,
        provider_id: id,
        from,
        body: body(form),
        context: form.text("OriginalRepliedMessageSid"),
        handled: match form.text("OptOutType").as_deref() {
            Some("STOP") => Some(Handled::Stop),
            Some("START") => Some(Handled::Start),
            Some("HELP") => Some(Handled::Help),
            _ => None,
        },
        at: None,
    })
}

fn body(form: &Form) -> Body {
    let words = |name: &str| form.text(name).map(Phi::new);
    if let Some(payload) = form.text("ButtonPayload") {
        let title = words("ButtonText").or_else(|| words("Body"));
        let title = title.unwrap_or_else(|| Phi::new(payload.clone()));
        return Body::Button { title, payload };
    }
    let degrees = |name: &str| form.text(name).and_then(|text| text.parse::<f64>().ok());
    if let (Some(north), Some(east)) = (degrees("Latitude"), degrees("Longitude")) {
        let name = words("Label").or_else(|| words("Address"));
        return Body::Location { latitude: Phi::new(north), longitude: Phi::new(east), name };
    }
    let count = form.text("NumMedia").and_then(|text| text.parse().ok()).unwrap_or(0);
    if count > 0 {
        let item = |index: usize| MediaItem {
            url: form.text(&format!("MediaUrl{index}")),
            mime_type: form.text(&format!("MediaContentType{index}")),
            ..MediaItem::default()
        };
        let items = (0..count.min(MOST_MEDIA)).map(item).collect();
        return Body::Media { caption: words("Body"), items };
    }
    Body::Text(words("ButtonText").or_else(|| words("Body")).unwrap_or_else(|| Phi::from("")))
}
