//! Events in words that every provider shares, for `carebell channels replay`.
//!
//! What an event does not say has no key. It shows what a patient wrote: whoever replays a callback holds it in his
//! hands already.

use super::event::{
    Body, Bounce, Event, IdentityChange, IdentityEvent, MediaItem, Person, PreferenceEvent,
    ReceiptEvent, ReplyEvent, TemplateEvent, TemplateNews,
};
use crate::care::{Address, ReceiptStatus, UtcMs};
use serde_json::{Map, Value, json};

/// An event that is being put into words.
#[derive(Default)]
struct Words(Map<String, Value>);

impl Words {
    fn say(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    fn may(&mut self, key: &str, value: Option<impl Into<Value>>) -> &mut Self {
        if let Some(value) = value {
            self.say(key, value);
        }
        self
    }

    fn person(&mut self, whose: &str, person: &Person) -> &mut Self {
        let (phone, user) = (format!("{whose}_phone"), format!("{whose}_user_id"));
        let address = person.address.as_ref().map(Address::expose);
        match address.filter(|address| address.contains('@')) {
            Some(mail) => self.say(&format!("{whose}_email"), mail),
            None => self.may(&phone, address),
        }
        .may(&user, person.user_id.as_ref().map(Address::expose))
    }
}

impl Event {
    /// The event as JSON.
    pub fn told(&self) -> Value {
        let mut words = Words::default();
        match self {
            Self::Receipt(receipt) => match &receipt.bounce {
                Some(bounce) => bounce.tell(receipt, &mut words),
                None => receipt.tell(&mut words),
            },
            Self::Reply(reply) => reply.tell(&mut words),
            Self::Identity(identity) => identity.tell(&mut words),
            Self::Preference(preference) => preference.tell(&mut words),
            Self::Template(template) => template.tell(&mut words),
            Self::Account { field, says } => {
                words.say("kind", "account").say("field", field.as_str());
                words.say("says", says.as_str());
            }
            Self::Ignored { kind } => {
                words.say("kind", "ignored").say("field", kind.as_str());
            }
        }
        Value::Object(words.0)
    }
}

fn text(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str)
}

impl ReceiptEvent {
    fn tell(&self, words: &mut Words) {
        let status = match (self.status, self.raw_status.as_str()) {
            (_, "canceled") => "canceled",
            (Some(ReceiptStatus::Accepted), _) => "queued",
            (Some(status), _) => status.word(),
            (None, _) => "unknown",
        };
        // Meta calls the echo opaque; everybody else's is a parameter of our own URL.
        let echo = if self.account.is_some() { "opaque" } else { "correlation" };
        words
            .say("kind", "status")
            .may("channel_account", text(self.account.as_ref()))
            .may("message_id", text(self.provider_id.as_ref()))
            .may(echo, text(self.echo.as_ref()))
            .say("status", status)
            .say("raw_status", self.raw_status.as_str())
            .may("error_code", self.error.as_ref().map(|(code, _)| code.as_str()))
            .may("error_details", text(self.details.as_ref()))
            .may("timestamp", self.at.map(UtcMs::rfc3339))
            .person("to", &self.to);
        if let Some(pricing) = &self.pricing {
            words
                .may("pricing_category", text(pricing.category.as_ref()))
                .may("pricing_type", text(pricing.kind.as_ref()))
                .may("billable", pricing.billable);
        }
    }
}

impl Bounce {
    fn tell(&self, receipt: &ReceiptEvent, words: &mut Words) {
        let phi = |value: &Option<crate::care::Phi<String>>| {
            value.as_ref().map(|value| value.expose().clone())
        };
        words
            .say("kind", "bounce")
            .may("correlation", receipt.correlation.map(|id| id.to_string()))
            .may("report_type", text(self.report_type.as_ref()))
            .may("original_message_id", text(self.original_message_id.as_ref()))
            .may("final_recipient", phi(&self.final_recipient))
            .may("original_recipient", phi(&self.original_recipient))
            .may("action", text(self.action.as_ref()))
            .may("status", text(self.status.as_ref()))
            .may("diagnostic", phi(&self.diagnostic))
            .say("bounce", self.kind.word());
    }
}

impl ReplyEvent {
    fn tell(&self, words: &mut Words) {
        words
            .say("kind", self.body.kind())
            .may("channel_account", text(self.account.as_ref()))
            .may("to", text(self.to.as_ref()))
            .say("message_id", self.provider_id.as_str())
            .person("from", &self.from)
            .may("in_reply_to", text(self.context.as_ref()))
            .may("opt_out", self.handled.map(super::Handled::word))
            .may("timestamp", self.at.map(UtcMs::rfc3339));
        self.body.tell(words);
    }
}

impl Body {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "message.text",
            Self::Button { .. } => "message.button",
            Self::List { .. } => "message.list",
            Self::Media { .. } => "message.media",
            Self::Location { .. } => "message.location",
            Self::Contacts { .. } => "message.contacts",
            Self::Reaction { .. } => "message.reaction",
            Self::Flow { .. } => "message.flow",
            Self::Edit { .. } => "message.edit",
            Self::Revoke { .. } => "message.revoke",
            Self::Unsupported { .. } => "message.unsupported",
        }
    }

    fn tell(&self, words: &mut Words) {
        match self {
            Self::Text(said) => {
                words.say("text", said.expose().as_str());
            }
            Self::Button { title, payload } => {
                words.say("text", title.expose().as_str()).say("payload", payload.as_str());
            }
            Self::List { title, payload, description } => {
                words
                    .say("text", title.expose().as_str())
                    .say("payload", payload.as_str())
                    .may("description", text(description.as_ref()));
            }
            Self::Media { caption, items } => {
                let items: Vec<Value> = items.iter().map(MediaItem::told).collect();
                words
                    .may("text", caption.as_ref().map(|caption| caption.expose().as_str()))
                    .say("media", items);
            }
            Self::Location { latitude, longitude, name } => {
                words
                    .say("latitude", *latitude.expose())
                    .say("longitude", *longitude.expose())
                    .may("name", name.as_ref().map(|name| name.expose().as_str()));
            }
            Self::Contacts { count } => {
                words.say("contacts_count", *count);
            }
            Self::Reaction { emoji } => {
                words.say("emoji", emoji.as_str());
            }
            Self::Flow { text, response } => {
                let response = serde_json::from_str(response.expose());
                words
                    .may("text", text.as_ref().map(|text| text.expose().as_str()))
                    .say("response", response.unwrap_or(Value::Null));
            }
            Self::Edit { original, text } => {
                words
                    .say("original_message_id", original.as_str())
                    .say("text", text.expose().as_str());
            }
            Self::Revoke { original } => {
                words.say("original_message_id", original.as_str());
            }
            Self::Unsupported { kind, code } => {
                words.say("wa_type", kind.as_str()).may("error_code", text(code.as_ref()));
            }
        }
    }
}

impl MediaItem {
    fn told(&self) -> Value {
        let mut words = Words::default();
        words
            .may("type", text(self.kind.as_ref()))
            .may("id", text(self.id.as_ref()))
            .may("url", text(self.url.as_ref()))
            .may("mime_type", text(self.mime_type.as_ref()))
            .may("sha256", text(self.sha256.as_ref()));
        Value::Object(words.0)
    }
}

impl IdentityEvent {
    fn tell(&self, words: &mut Words) {
        let kind = match &self.change {
            IdentityChange::Number { .. } => "identity.number_changed",
            IdentityChange::Key => "identity.key_changed",
        };
        words
            .say("kind", kind)
            .may("channel_account", text(self.account.as_ref()))
            .may("message_id", text(self.provider_id.as_ref()));
        if let IdentityChange::Number { to } = &self.change {
            words.person("new", to);
        }
        words.person("from", &self.from).may("timestamp", self.at.map(UtcMs::rfc3339));
    }
}

impl PreferenceEvent {
    fn tell(&self, words: &mut Words) {
        words
            .say("kind", "preference")
            .may("channel_account", text(self.account.as_ref()))
            .person("from", &self.from)
            .say("category", self.category.as_str())
            .say("value", self.value.as_str())
            .may("timestamp", self.at.map(UtcMs::rfc3339));
    }
}

impl TemplateEvent {
    fn tell(&self, words: &mut Words) {
        words
            .say("kind", "template")
            .say("name", self.name.as_str())
            .say("language", self.language.as_str());
        match &self.news {
            TemplateNews::Status { word, reason } => {
                words.say("status", word.as_str()).may("reason", text(reason.as_ref()));
            }
            TemplateNews::Category { from, to } => {
                words.may("previous_category", text(from.as_ref())).say("category", to.as_str());
            }
            TemplateNews::Quality { to } => {
                words.say("quality", to.as_str());
            }
            TemplateNews::Components => {
                words.say("components", json!("changed"));
            }
        }
    }
}
