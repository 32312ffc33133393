//! The form of one message (page messaging/api/message-resource).

use super::{CALLBACK_RETRIES, CORRELATION, Sender, Twilio, VALIDITY_SECONDS};
use crate::channel::{Action, Content, Media, MediaSource, Outbound, Outcome, Problem, Text};
use crate::config::is_e164;
use crate::config::{AddressRetention, ContentRetention, Speaks, WHATSAPP};
use serde_json::{Map, Value};

/// Longest `Body` in characters.
const MOST_CHARACTERS: usize = 1_600;

type Form = Vec<(&'static str, String)>;

impl Twilio {
    /// What is posted for a message.
    pub(super) fn form(&self, outbound: &Outbound) -> Result<Form, Outcome> {
        if !is_e164(outbound.to.expose()) {
            return Err(Outcome::refused(Action::BadAddress, "not-e164"));
        }
        let validity_seconds =
            outbound.validity_seconds.clamp(*VALIDITY_SECONDS.start(), *VALIDITY_SECONDS.end());
        let mut form = vec![("To", self.addressed(outbound.to.expose()))];
        form.push(match &self.from {
            Sender::Number(number) => ("From", self.addressed(number)),
            Sender::Service(service) => ("MessagingServiceSid", service.clone()),
        });
        self.say(&outbound.content, &mut form)?;
        form.push(("ValidityPeriod", validity_seconds.to_string()));
        form.push(("StatusCallback", self.status_callback(outbound)));
        if self.content_retention == ContentRetention::Discard {
            form.push(("ContentRetention", "discard".to_owned()));
        }
        if self.address_retention == AddressRetention::Obfuscate {
            form.push(("AddressRetention", "obfuscate".to_owned()));
        }
        Ok(form)
    }

    /// A number as Twilio addresses it.
    pub(super) fn addressed(&self, number: &str) -> String {
        match self.speaks {
            Speaks::Sms => number.to_owned(),
            Speaks::Whatsapp => format!("{WHATSAPP}{number}"),
        }
    }

    fn say(&self, content: &Content, form: &mut Form) -> Result<(), Outcome> {
        match content {
            // What cannot be pressed over this sender is said in the text already.
            Content::Text { body, media, .. } => {
                form.push(("Body", body.0.expose().clone()));
                let link =
                    media.as_ref().and_then(link).filter(|_| self.speaks == Speaks::Whatsapp);
                form.extend(link.map(|url| ("MediaUrl", url.to_owned())));
                Ok(())
            }
            Content::Template { name, language, names, parameters, .. } => {
                let sid = self
                    .content_sid(name, language)
                    .ok_or_else(|| Outcome::refused(Action::TemplateProblem, "no-content-sid"))?;
                form.push(("ContentSid", sid.to_owned()));
                form.push(("ContentVariables", variables(names, parameters)));
                Ok(())
            }
            Content::Email { .. } => Err(Outcome::refused(Action::Fix, "content-is-email")),
        }
    }

    fn content_sid(&self, name: &str, language: &str) -> Option<&str> {
        let key = (name.to_owned(), language.to_owned());
        self.contents.get(&key).map(String::as_str)
    }

    /// What Twilio would refuse.
    pub(super) fn faults(&self, content: &Content) -> Vec<Problem> {
        let fault = |what: String, fix| vec![Problem { what, fix }];
        match content {
            Content::Text { body, .. } => match body.0.expose().chars().count() {
                0 => fault("the text is empty".to_owned(), "write a text"),
                length if length > MOST_CHARACTERS => fault(
                    format!("the text has {length} characters, {MOST_CHARACTERS} is the most"),
                    "shorten it",
                ),
                _ => Vec::new(),
            },
            Content::Template { name, language, .. } => match self.content_sid(name, language) {
                Some(_) => Vec::new(),
                None => fault(
                    format!("template {name} has no content in {language}"),
                    "add template/language=HX... to the channel's contents",
                ),
            },
            Content::Email { .. } => {
                fault("an email cannot go over Twilio".to_owned(), "report this as a defect")
            }
        }
    }

    fn status_callback(&self, outbound: &Outbound) -> String {
        let mut url = self.public_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["webhooks", self.name.as_str()]);
        }
        url.set_query(Some(&format!("{CORRELATION}={}", outbound.correlation)));
        url.set_fragment(Some(CALLBACK_RETRIES));
        url.into()
    }
}

fn link(media: &Media) -> Option<&str> {
    match &media.source {
        MediaSource::Link { url } => Some(url),
        MediaSource::File { .. } => None,
    }
}

/// `ContentVariables`: JSON by name, or by number from 1 (page content/send-templates-created-with-the-content-template-builder).
fn variables(names: &[String], parameters: &[Text]) -> String {
    let named = |(index, text): (usize, &Text)| {
        let name = names.get(index).cloned().unwrap_or_else(|| (index + 1).to_string());
        (name, Value::String(text.0.expose().clone()))
    };
    Value::Object(parameters.iter().enumerate().map(named).collect::<Map<_, _>>()).to_string()
}
