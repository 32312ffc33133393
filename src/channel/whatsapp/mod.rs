//! WhatsApp by Meta's Cloud API, or a partner that speaks it.
//!
//! Sources: developers.facebook.com/documentation/business-messaging/whatsapp, pages messages/send-messages,
//! webhooks/overview and webhooks/reference/messages; `reference/channels.md` section 1.

mod account;
mod events;
mod media;
mod request;

use super::build::Section;
use super::codes::CodeTable;
use super::http::{Answer, Http};
use super::verdict::{self, Said};
use super::{
    Action, Callback, Capabilities, Channel, ChannelConfigError, Content, Event, Health, Meaning,
    Media, MediaSource, Outbound, Outcome, Person, Problem, Reject, ReminderForm, ShownRequest,
    Unreadable, Upload, Verified, signature,
};
use crate::care::time::SECOND_MS;
use crate::care::{Address, ChannelKind, Edition, ListedTemplate, ReceiptHabit};
use crate::config::{HmacAlgorithm, Mode, Secret, WhatsappConfig};
use crate::security::bytes_of_hex;
use futures::future::BoxFuture;
use request::Attached;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Url};
use serde_json::Value;

/// Meta allows one message in 6 s to one user (page about-the-platform).
const PAIR_GAP_MS: i64 = 6 * SECOND_MS;

/// So many may be borrowed from the future.
const PAIR_BURST: u32 = 45;

/// The channel `whatsapp`.
pub(super) struct Whatsapp {
    name: String,
    http: Http,
    codes: CodeTable,
    /// What stands before each resource of the number: its id, where the provider wants it there.
    number_path: Option<String>,
    auth: (HeaderName, HeaderValue),
    app_secrets: Vec<Secret>,
    verify_token: Secret,
    capabilities: Capabilities,
    business_account_id: Option<String>,
    template_categories: Vec<String>,
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
        let auth = auth(section, config)?;
        section.present(
            "verify_token",
            config.verify_token.expose(),
            "choose one and enter it at the webhook's registration too",
        )?;
        Ok(Self {
            name: section.name.to_owned(),
            http: Http::new(section.key("base_url"), &config.base_url, mode, request_timeout_ms)?,
            codes: CodeTable::meta()?,
            number_path: config.phone_id_in_path.then(|| phone_number_id.to_owned()),
            auth,
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
            business_account_id: config.business_account_id.clone().filter(|id| !id.is_empty()),
            template_categories: config.template_categories.clone(),
        })
    }

    async fn send_once(&self, outbound: &Outbound) -> (Outcome, Option<Person>) {
        if !request::problems(&outbound.content).is_empty() {
            return (Outcome::refused(Action::Fix, "content"), None);
        }
        let media = outbound.content.file();
        let attached = match media::attach(&outbound.content, media) {
            Ok(attached) => attached,
            Err(outcome) => return (outcome, None),
        };
        let body = match request::body(outbound, &attached) {
            Ok(body) => body,
            Err(refused) => return (refused, None),
        };
        let (outcome, answer) = self.post(&body).await;
        (outcome, answer.and_then(|answer| receiver(&answer, &outbound.to)))
    }

    fn posting(&self, body: &Value) -> RequestBuilder {
        self.signed(self.http.post(self.number_url("messages"))).json(body)
    }

    async fn post(&self, body: &Value) -> (Outcome, Option<Answer>) {
        match self.http.call(self.posting(body)).await {
            Ok(answer) => (verdict::outcome(&answer, said(&answer), &self.codes), Some(answer)),
            Err(outcome) => (outcome, None),
        }
    }

    /// The URL of a resource of our number.
    fn number_url(&self, resource: &str) -> Url {
        self.http.url(self.number_path.iter().map(String::as_str).chain([resource]))
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        request.header(self.auth.0.clone(), self.auth.1.clone())
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
        if !signature::is_hmac(HmacAlgorithm::Sha256, &self.app_secrets, &[&callback.body], &given)
        {
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

    fn problems(&self, content: &Content) -> Vec<Problem> {
        request::problems(content)
    }

    fn send<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Outcome> {
        Box::pin(async { self.send_once(outbound).await.0 })
    }

    fn send_and_hear<'a>(
        &'a self,
        outbound: &'a Outbound,
    ) -> BoxFuture<'a, (Outcome, Option<Person>)> {
        Box::pin(self.send_once(outbound))
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, Outcome>> {
        Box::pin(self.standing())
    }

    fn templates(&self) -> BoxFuture<'_, Result<Option<Vec<ListedTemplate>>, Outcome>> {
        Box::pin(self.list())
    }

    fn template_categories(&self) -> &[String] {
        &self.template_categories
    }

    fn pair_burst(&self) -> u32 {
        PAIR_BURST
    }

    fn meaning(&self, code: &str) -> Option<Meaning> {
        match code {
            "131047" => Some(Meaning::WindowClosed),
            "131050" => Some(Meaning::MarketingStopped),
            media::NOT_TAKEN => Some(Meaning::MediaRefused),
            "131056" => Some(Meaning::PairLimited),
            "131026" => Some(Meaning::Doubted),
            "135000" => Some(Meaning::OnceMore),
            _ => None,
        }
    }

    fn mark_read<'a>(&'a self, provider_id: &'a str) -> BoxFuture<'a, Option<Outcome>> {
        Box::pin(async { Some(self.post(&request::read(provider_id)).await.0) })
    }

    fn takes(&self, edition: &Edition) -> Result<Option<Media>, Problem> {
        media::takes(edition)
    }

    fn hand_over<'a>(&'a self, media: &'a Media) -> BoxFuture<'a, Option<Result<Upload, Outcome>>> {
        Box::pin(self.upload(media))
    }

    /// A file that is not uploaded yet is shown by its hash in place of an id.
    fn rendered(&self, outbound: &Outbound) -> Result<ShownRequest, Outcome> {
        let attached = match outbound.content.file().map(|media| &media.source) {
            None => Attached::Nothing,
            Some(MediaSource::Link { url }) => Attached::Link(url.clone()),
            Some(MediaSource::Upload { id, .. }) => Attached::Id(id.clone()),
            Some(MediaSource::File { sha256, .. }) => Attached::Id(format!("sha256:{sha256}")),
        };
        let body = request::body(outbound, &attached)?;
        Http::shown(self.posting(&body))
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

/// The header that signs requests: a bearer token in `Authorization`, the bare token in a partner's own.
fn auth(
    section: Section<'_>,
    config: &WhatsappConfig,
) -> Result<(HeaderName, HeaderValue), ChannelConfigError> {
    let token = section.present(
        "access_token",
        config.access_token.expose(),
        "create a system user's token",
    )?;
    let wrong = |key, fix| ChannelConfigError::WrongForm { key: section.key(key), fix };
    let name: HeaderName = config
        .auth_header
        .parse()
        .map_err(|_| wrong("auth_header", "write the header's name: Authorization"))?;
    let value = if name == AUTHORIZATION { format!("Bearer {token}") } else { token.to_owned() };
    let mut value: HeaderValue =
        value.parse().map_err(|_| wrong("access_token", "copy the token in one line"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// By what else Meta knows whom it took a message for: the number in another form (Brazil, Mexico), an id.
fn receiver(answer: &Answer, to: &Address) -> Option<Person> {
    let contact = &answer.body.as_ref()?["contacts"][0];
    let address = events::phone(&contact["wa_id"]).filter(|number| number != to);
    let person = Person { address, user_id: events::user_id(&contact["user_id"]) };
    let is_news = person.known_by().next().is_some();
    is_news.then_some(person)
}

fn said(answer: &Answer) -> Said {
    let Some(body) = &answer.body else { return Said::default() };
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    // What is no message has no id of its own: `{"success": true}`.
    let done = (body["success"] == true).then(|| "success".to_owned());
    Said {
        ids: messages
            .iter()
            .filter_map(|m| m["id"].as_str())
            .map(ToOwned::to_owned)
            .chain(done)
            .collect(),
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
