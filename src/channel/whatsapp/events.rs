//! What Meta's webhooks say. Keys that nobody knows are passed over, and what lacks its own is counted as ignored:
//! Meta adds fields at any time, and turning a callback away brings it back for seven days.
//!
//! Sources: developers.facebook.com/documentation/business-messaging/whatsapp, pages webhooks/reference/messages/*
//! and webhooks/reference/*_update; `reference/channels.md` sections 1.5, 1.7 and 1.9.

use super::code;
use crate::care::time::SECOND_MS;
use crate::care::{Address, Phi, ReceiptStatus, UtcMs};
use crate::channel::codes::CodeTable;
use crate::channel::event::{
    Body, Event, IdentityChange, IdentityEvent, MediaItem, Person, PreferenceEvent, Pricing,
    ReceiptEvent, ReplyEvent, TemplateEvent, TemplateNews,
};
use serde_json::Value;

/// Timestamps are Unix seconds as text; milliseconds have been seen. No second of this era is as large.
const LEAST_MILLISECONDS: i64 = 100_000_000_000;

/// One change of a callback: messages and statuses of one number, or news of another field.
pub(super) fn of_change(change: &Value, codes: &CodeTable) -> Vec<Event> {
    let field = change["field"].as_str().unwrap_or("without a field");
    let value = &change["value"];
    match field {
        "messages" => of_messages(value, codes),
        "user_preferences" => {
            list(value, "user_preferences").iter().map(|choice| preference(value, choice)).collect()
        }
        "message_template_status_update"
        | "message_template_quality_update"
        | "message_template_components_update"
        | "template_category_update" => vec![template(field, value)],
        "account_update"
        | "account_alerts"
        | "account_review_update"
        | "phone_number_quality_update"
        | "phone_number_name_update"
        | "business_capability_update"
        | "business_status_update"
        | "security" => vec![account(field, value)],
        _ => vec![Event::ignored(field)],
    }
}

fn of_messages(value: &Value, codes: &CodeTable) -> Vec<Event> {
    let messages = list(value, "messages").iter().map(|one| message(value, one));
    let statuses = list(value, "statuses").iter().map(|one| status(value, one, codes));
    let errors = list(value, "errors").iter().map(|_| Event::ignored("errors"));
    messages.chain(statuses).chain(errors).collect()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn owned(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

fn account_of(value: &Value) -> Option<String> {
    owned(&value["metadata"]["phone_number_id"])
}

/// Digits of a number, with or without its plus sign.
pub(super) fn phone(value: &Value) -> Option<Address> {
    let digits = value.as_str()?.trim_start_matches('+');
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Address::new(format!("+{digits}")))
}

pub(super) fn user_id(value: &Value) -> Option<Address> {
    value.as_str().filter(|id| !id.is_empty()).map(Address::new)
}

fn status(value: &Value, status: &Value, codes: &CodeTable) -> Event {
    let (Some(word), Some(id)) = (status["status"].as_str(), status["id"].as_str()) else {
        return Event::ignored("status.missing");
    };
    let known = match word {
        "sent" => Some(ReceiptStatus::Sent),
        "delivered" => Some(ReceiptStatus::Delivered),
        "read" | "played" => Some(ReceiptStatus::Read),
        "failed" => Some(ReceiptStatus::Failed),
        _ => None,
    };
    let error = &status["errors"][0];
    let echo = owned(&status["biz_opaque_callback_data"]);
    let pricing = &status["pricing"];
    Event::Receipt(ReceiptEvent {
        account: account_of(value),
        correlation: echo.as_deref().and_then(|echo| echo.parse().ok()),
        echo,
        provider_id: Some(id.to_owned()),
        status: known,
        raw_status: word.to_owned(),
        error: code(&error["code"]).map(|code| (code.clone(), codes.asks_in_receipt(&code))),
        details: owned(&error["error_data"]["details"]),
        at: instant(&status["timestamp"]),
        to: Person {
            address: phone(&status["recipient_id"]),
            user_id: user_id(&status["recipient_user_id"]),
        },
        pricing: pricing.is_object().then(|| Pricing {
            category: owned(&pricing["category"]),
            kind: owned(&pricing["type"]),
            billable: pricing["billable"].as_bool(),
        }),
        bounce: None,
    })
}

/// What a patient wrote or pressed.
fn message(value: &Value, message: &Value) -> Event {
    let kind = message["type"].as_str().unwrap_or("missing");
    // Since 2026 a person may hide the number; then only the business-scoped id is there.
    let from =
        Person { address: phone(&message["from"]), user_id: user_id(&message["from_user_id"]) };
    let Some(id) = message["id"].as_str().filter(|_| from.known_by().next().is_some()) else {
        return Event::ignored(format!("message.{kind}"));
    };
    if kind == "system" {
        return system(value, message, id, from);
    }
    Event::Reply(ReplyEvent {
        account: account_of(value),
        to: None,
        provider_id: id.to_owned(),
        from,
        body: body(kind, message),
        context: owned(&message["context"]["id"]).or_else(|| {
            (kind == "reaction").then(|| owned(&message["reaction"]["message_id"])).flatten()
        }),
        handled: None,
        at: instant(&message["timestamp"]),
    })
}

fn body(kind: &str, message: &Value) -> Body {
    let content = &message[kind];
    let words = |value: &Value| value.as_str().map(Phi::from);
    let read = match kind {
        "text" => words(&content["body"]).map(Body::Text),
        "button" => words(&content["text"]).map(|title| {
            // A quick reply without a payload of ours says its title.
            let payload = owned(&content["payload"]).unwrap_or_else(|| title.expose().clone());
            Body::Button { title, payload }
        }),
        "interactive" => interactive(content),
        "image" | "video" | "audio" | "document" | "sticker" => Some(Body::Media {
            caption: words(&content["caption"]),
            items: vec![media(kind, content)],
        }),
        "location" => match (content["latitude"].as_f64(), content["longitude"].as_f64()) {
            (Some(north), Some(east)) => Some(Body::Location {
                latitude: Phi::new(north),
                longitude: Phi::new(east),
                name: words(&content["name"]),
            }),
            _ => None,
        },
        "contacts" => Some(Body::Contacts { count: list(message, "contacts").len() }),
        // Without a sign the reaction was taken away.
        "reaction" => Some(Body::Reaction { emoji: owned(&content["emoji"]).unwrap_or_default() }),
        "edit" => edit(content),
        "revoke" => {
            owned(&content["original_message_id"]).map(|original| Body::Revoke { original })
        }
        _ => None,
    };
    read.unwrap_or_else(|| Body::Unsupported {
        kind: kind.to_owned(),
        code: code(&message["errors"][0]["code"]),
    })
}

fn interactive(content: &Value) -> Option<Body> {
    let kind = content["type"].as_str()?;
    let chosen = &content[kind];
    let title = |key: &str| chosen[key].as_str().map(Phi::from);
    match kind {
        "button_reply" => {
            Some(Body::Button { title: title("title")?, payload: owned(&chosen["id"])? })
        }
        "list_reply" => Some(Body::List {
            title: title("title")?,
            payload: owned(&chosen["id"])?,
            description: owned(&chosen["description"]),
        }),
        // What was filled in is a text that holds JSON.
        "nfm_reply" => Some(Body::Flow { text: title("body"), response: title("response_json")? }),
        _ => None,
    }
}

fn media(kind: &str, content: &Value) -> MediaItem {
    MediaItem {
        kind: Some(kind.to_owned()),
        id: owned(&content["id"]),
        url: owned(&content["url"]),
        mime_type: owned(&content["mime_type"]),
        sha256: owned(&content["sha256"]),
    }
}

/// An edited message holds the new one whole.
fn edit(content: &Value) -> Option<Body> {
    let original = owned(&content["original_message_id"])?;
    let message = &content["message"];
    let kind = message["type"].as_str().unwrap_or("text");
    let text = ["body", "caption", "text"]
        .iter()
        .find_map(|key| message[kind][key].as_str())
        .or_else(|| content["text"]["body"].as_str());
    Some(Body::Edit { original, text: Phi::from(text.unwrap_or_default()) })
}

fn system(value: &Value, message: &Value, id: &str, from: Person) -> Event {
    let news = &message["system"];
    let change = match news["type"].as_str() {
        // Older versions name the new number `new_wa_id`.
        Some("user_changed_number") => {
            let address = phone(&news["wa_id"]).or_else(|| phone(&news["new_wa_id"]));
            let to = Person { address, user_id: user_id(&news["user_id"]) };
            IdentityChange::Number { to }
        }
        Some("customer_identity_changed" | "user_identity_changed") => IdentityChange::Key,
        other => return Event::ignored(format!("message.system.{}", other.unwrap_or("missing"))),
    };
    Event::Identity(IdentityEvent {
        account: account_of(value),
        provider_id: Some(id.to_owned()),
        from,
        change,
        at: instant(&message["timestamp"]),
    })
}

fn preference(value: &Value, choice: &Value) -> Event {
    let from = Person { address: phone(&choice["wa_id"]), user_id: user_id(&choice["user_id"]) };
    match (owned(&choice["category"]), owned(&choice["value"])) {
        (Some(category), Some(word)) if from.known_by().next().is_some() => {
            Event::Preference(PreferenceEvent {
                account: account_of(value),
                from,
                category,
                value: word,
                at: instant(&choice["timestamp"]),
            })
        }
        _ => Event::ignored("user_preferences"),
    }
}

fn template(field: &str, value: &Value) -> Event {
    let name = owned(&value["message_template_name"]);
    let language = owned(&value["message_template_language"]);
    let (Some(name), Some(language)) = (name, language) else { return Event::ignored(field) };
    let news = match field {
        "message_template_status_update" => owned(&value["event"]).map(|word| {
            let reason = owned(&value["reason"]).filter(|reason| reason != "NONE");
            TemplateNews::Status { word, reason }
        }),
        "message_template_quality_update" => {
            owned(&value["new_quality_score"]).map(|to| TemplateNews::Quality { to })
        }
        "template_category_update" => owned(&value["new_category"])
            .or_else(|| owned(&value["correct_category"]))
            .map(|to| TemplateNews::Category { from: owned(&value["previous_category"]), to }),
        _ => Some(TemplateNews::Components),
    };
    news.map_or_else(
        || Event::ignored(field),
        |news| Event::Template(TemplateEvent { name, language, news }),
    )
}

/// News for operators: its words and numbers, and nothing deeper than one step.
fn account(field: &str, value: &Value) -> Event {
    let plain = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    let pairs = value.as_object().into_iter().flatten();
    let mut said: Vec<String> =
        pairs.filter_map(|(key, value)| Some(format!("{key}: {}", plain(value)?))).collect();
    said.sort();
    Event::Account { field: field.to_owned(), says: said.join("; ") }
}

fn instant(value: &Value) -> Option<UtcMs> {
    let number: i64 = match value {
        Value::String(text) => text.parse().ok()?,
        other => other.as_i64()?,
    };
    let ms = if number < LEAST_MILLISECONDS { number.checked_mul(SECOND_MS)? } else { number };
    Some(UtcMs(ms))
}
