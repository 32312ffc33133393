//! WhatsApp by Meta's Cloud API, or a partner that speaks it.
//!
//! Sources: developers.facebook.com/documentation/business-messaging/whatsapp, pages messages/send-messages,
//! webhooks/overview and webhooks/reference/messages; `reference/channels.md` section 1.

mod events;

use super::build::{Section, is_e164};
use super::codes::CodeTable;
use super::http::{Answer, Http};
use super::verdict::{self, Said};
use super::{
    Action, Callback, Capabilities, Channel, ChannelConfigError, Content, Event, Outbound, Outcome,
    Reject, ReminderForm, Unreadable, Verified, signature,
};
use crate::care::time::SECOND_MS;
use crate::care::{ChannelKind, ReceiptHabit};
use crate::config::{Mode, Secret, WhatsappConfig};
use futures::future::BoxFuture;
use serde_json::{Value, json};

/// Meta allows one message in 6 s to one user (page about-the-platform).
const PAIR_GAP_MS: i64 = 6 * SECOND_MS;

/// The channel `whatsapp`.
pub(super) struct Whatsapp {
    name: String,
    http: Http,
    codes: CodeTable,
    phone_number_id: String,
    access_token: Secret,
    app_secrets: Vec<Secret>,
    verify_token: Secret,
    capabilities: Capabilities,
}

impl Whatsapp {
    /// The channel of a configuration.
    pub(super) fn new(
        section: Section<'_>,
        config: &WhatsappConfig,
        mode: Mode,
        request_timeout_ms: i64,
    ) -> Result<Self, ChannelConfigError> {
        let phone_number_id = section.present(
            "phone_number_id",
            &config.phone_number_id,
            "copy it from the app's WhatsApp settings",
        )?;
        section.present(
            "access_token",
            config.access_token.expose(),
            "create a system user's token",
        )?;
        section.present(
            "verify_token",
            config.verify_token.expose(),
            "choose one and enter it at the webhook's registration too",
        )?;
        Ok(Self {
            name: section.name.to_owned(),
            http: Http::new(section.key("base_url"), &config.base_url, mode, request_timeout_ms)?,
            codes: CodeTable::meta()?,
            phone_number_id: phone_number_id.to_owned(),
            access_token: config.access_token.clone(),
            app_secrets: section.secrets(
                "app_secrets",
                &config.app_secrets,
                "copy the app secret from the app's basic settings",
            )?,
            verify_token: config.verify_token.clone(),
            capabilities: Capabilities {
                reminders: ReminderForm::Template,
                messages_per_second: section
                    .rate("messages_per_second", config.messages_per_second)?,
                pair_gap_ms: PAIR_GAP_MS,
                request_timeout_ms,
            },
        })
    }

    async fn send_once(&self, outbound: &Outbound) -> Outcome {
        let body = match request(outbound) {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        let url = self.http.url([self.phone_number_id.as_str(), "messages"]);
        let request = self.http.post(url).bearer_auth(self.access_token.expose()).json(&body);
        match self.http.call(request).await {
            Ok(answer) => verdict::outcome(&answer, said(&answer), &self.codes),
            Err(outcome) => outcome,
        }
    }

    fn register(&self, callback: &Callback) -> Result<Verified, Reject> {
        let parameter = |wanted: &str| callback.parameter(wanted);
        if parameter("hub.mode").as_deref() != Some("subscribe") {
            return Err(Reject::Unexpected);
        }
        let token = parameter("hub.verify_token").ok_or(Reject::Unsigned)?;
        if !signature::same(&token, self.verify_token.expose()) {
            return Err(Reject::BadSignature);
        }
        parameter("hub.challenge").map(Verified::Challenge).ok_or(Reject::Unexpected)
    }

    /// The SHA-1 header that Meta sends beside it is ignored, alone it counts as no signature.
    fn verify_event(&self, callback: &Callback) -> Result<Verified, Reject> {
        let header = callback.header("x-hub-signature-256").ok_or(Reject::Unsigned)?;
        let given = header.strip_prefix("sha256=").and_then(bytes_of_hex);
        let given = given.ok_or(Reject::BadSignature)?;
        if !signature::is_hmac_sha256(&self.app_secrets, &callback.body, &given) {
            return Err(Reject::BadSignature);
        }
        serde_json::from_slice::<serde::de::IgnoredAny>(&callback.body)
            .map_err(|_| Reject::Unexpected)?;
        Ok(Verified::Event { dedupe_key: signature::fingerprint([callback.body.as_slice()]) })
    }
}

impl Channel for Whatsapp {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> ChannelKind {
        ChannelKind::Whatsapp
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Meta posts `sent` for what its servers took, with `biz_opaque_callback_data`. What we do not answer it posts
    /// again with falling frequency for up to seven days, and states no time by which it surely has.
    fn receipt_habit(&self) -> ReceiptHabit {
        ReceiptHabit::OnAcceptance { redelivered_within_ms: None }
    }

    /// A template not delivered within its stored TTL is dropped (page templates/time-to-live).
    fn drops_what_lapsed(&self) -> bool {
        true
    }

    fn send<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Outcome> {
        Box::pin(self.send_once(outbound))
    }

    fn verify(&self, callback: &Callback) -> Result<Verified, Reject> {
        match callback.method.as_str() {
            "GET" => self.register(callback),
            "POST" => self.verify_event(callback),
            _ => Err(Reject::Unexpected),
        }
    }

    fn events(&self, callback: &Callback) -> Result<Vec<Event>, Unreadable> {
        let body: Value = serde_json::from_slice(&callback.body)
            .map_err(|_| Unreadable { kind: "the body is not JSON".to_owned() })?;
        let entries = body["entry"]
            .as_array()
            .ok_or_else(|| Unreadable { kind: "no list `entry`".to_owned() })?;
        let changes = entries.iter().filter_map(|entry| entry["changes"].as_array()).flatten();
        Ok(changes.flat_map(|change| events::of_change(change, &self.codes)).collect())
    }
}

/// The body of a send.
///
/// `to` keeps its plus sign: without it Meta takes the number for a national one of the sender's country. A
/// template's validity is stored with the template, so `validity_seconds` is not said here.
fn request(outbound: &Outbound) -> Result<Value, Outcome> {
    if !is_e164(outbound.to.expose()) {
        return Err(Outcome::refused(Action::BadAddress, "not-e164"));
    }
    let (kind, content) = match &outbound.content {
        Content::Text { body, .. } => {
            ("text", json!({ "preview_url": false, "body": body.0.expose() }))
        }
        Content::Template { name, language, parameters, .. } => {
            let parameters: Vec<Value> = parameters
                .iter()
                .map(|text| json!({ "type": "text", "text": text.0.expose() }))
                .collect();
            let components = if parameters.is_empty() {
                json!([])
            } else {
                json!([{ "type": "body", "parameters": parameters }])
            };
            let language = json!({ "code": language });
            ("template", json!({ "name": name, "language": language, "components": components }))
        }
        Content::Email { .. } => return Err(Outcome::refused(Action::Fix, "content-is-email")),
    };
    Ok(json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": outbound.to.expose(),
        "type": kind,
        kind: content,
        "biz_opaque_callback_data": outbound.correlation.to_string(),
    }))
}

fn said(answer: &Answer) -> Said {
    let Some(body) = &answer.body else { return Said::default() };
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    Said {
        ids: messages.iter().filter_map(|m| m["id"].as_str()).map(ToOwned::to_owned).collect(),
        code: code(&body["error"]["code"]),
    }
}

fn code(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
