//! SMS by any gateway that takes HTTP requests, as its configuration describes it; see README.md.
//!
//! What gateways differ in lies in their configuration: [`request`] renders what is asked, [`answer`] reads what comes
//! back, [`guard`] and [`reading`] are for callbacks. Presets are in `config/channels/gateway/presets`.

mod answer;
mod codes;
mod document;
mod field;
mod guard;
mod hash;
mod phone;
mod reading;
mod request;
mod template;
mod time;
mod xml;

use super::build::Section;
use super::codes::CodeTable;
use super::http::Http;
use super::{
    Action, Callback, Capabilities, Channel, ChannelConfigError, Content, Event, KeptAnswer,
    Outbound, Outcome, Problem, Reject, ReminderForm, ShownRequest, Text, Unreadable, Verified,
    signature,
};
use crate::care::{Address, ChannelKind, Phi, ReceiptHabit};
use crate::config::is_e164;
use crate::config::{GatewayConfig, HabitConfig, Mode, PartsConfig};
use crate::message::segments;
use answer::Answers;
use document::Document;
use futures::future::BoxFuture;
use guard::{Brings, Guard};
use reading::{CORRELATION, Reading};
use request::{Rendered, Requests, Secrets, Values};
use reqwest::Url;
use std::time::Duration;
use tokio::sync::Semaphore;

/// A channel of kind `http`.
pub(super) struct Gateway {
    name: String,
    config: GatewayConfig,
    http: Http,
    requests: Requests,
    answers: Answers,
    guard: Guard,
    receipts: Option<Reading>,
    replies: Option<Reading>,
    receipt_codes: CodeTable,
    public_url: Option<Url>,
    connections: Semaphore,
    queue: Duration,
    capabilities: Capabilities,
}

impl Gateway {
    /// The channel of a configuration. Every template is tried out, so that what does not render is told now.
    pub(super) fn new(
        section: Section<'_>,
        config: &GatewayConfig,
        mode: Mode,
        public_url: &str,
        request_timeout_ms: i64,
    ) -> Result<Self, ChannelConfigError> {
        // A place among the parallel requests takes a quarter of the time at most, the request the rest.
        let queue_ms = request_timeout_ms / 4;
        let key = section.key("base_url");
        let http = Http::new(key, &config.base_url, mode, request_timeout_ms - queue_ms)?;
        let hears = config.receipts.is_some() || config.replies.is_some();
        let public = Url::parse(public_url).ok().filter(Url::has_host);
        if hears && public.is_none() {
            let key = "http.public_url".to_owned();
            return Err(ChannelConfigError::NotAUrl { key, example: "https://host" });
        }
        let reading = |part, mapping: &Option<_>| {
            mapping.as_ref().map(|mapping| Reading::new(section, part, mapping)).transpose()
        };
        Ok(Self {
            name: section.name.to_owned(),
            http,
            requests: Requests::new(section, config)?,
            answers: Answers::new(section, config)?,
            guard: Guard::new(section, config, public_url)?,
            receipts: reading("receipts", &config.receipts)?,
            replies: reading("replies", &config.replies)?,
            receipt_codes: codes::of_receipts(section, config)?,
            public_url: public,
            connections: Semaphore::new(usize::try_from(config.connections).unwrap_or(1).max(1)),
            queue: Duration::from_millis(u64::try_from(queue_ms).unwrap_or(0)),
            capabilities: Capabilities {
                reminders: ReminderForm::Text,
                messages_per_second: section
                    .rate("segments_per_second", config.segments_per_second)?,
                pair_gap_ms: 0,
                request_timeout_ms,
            },
            config: config.clone(),
        })
    }

    fn render(&self, outbound: &Outbound, secrets: Secrets) -> Result<Rendered, Outcome> {
        let to = outbound.to.expose();
        if !is_e164(to) {
            return Err(Outcome::refused(Action::BadAddress, "not-e164"));
        }
        let Content::Text { body, .. } = &outbound.content else {
            return Err(Outcome::refused(Action::Fix, "content-is-not-text"));
        };
        let text = self.said(body);
        let counted = segments::count(&text);
        let values = Values {
            to,
            to_digits: &to[1..],
            to_national: &phone::national(to),
            from: &self.config.from,
            username: &self.config.username,
            text: &text,
            ucs2_hex: &segments::ucs2_hex(&text),
            gsm7_hex: &segments::gsm7_hex(&text).unwrap_or_default(),
            id: &outbound.correlation.to_string(),
            callback: &self.callback_url(outbound, secrets),
            segments: counted.parts,
            unicode: counted.encoding == segments::Encoding::Ucs2,
            validity_seconds: outbound.validity_seconds,
        };
        // It rendered when it was built; what it holds cannot be told.
        let rendered = self.requests.render(&values, secrets);
        rendered.map_err(|_| Outcome::refused(Action::Fix, "template-does-not-render"))
    }

    /// A text as it is sent.
    fn said(&self, body: &Text) -> String {
        let said = body.0.expose();
        if self.config.smart { segments::smart(said) } else { said.clone() }
    }

    /// Where receipts of a message go: empty without a public URL.
    fn callback_url(&self, outbound: &Outbound, secrets: Secrets) -> String {
        let Some(mut url) = self.public_url.clone() else { return String::new() };
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(self.guard.receipts_path(secrets));
        }
        url.set_query(Some(&format!("{CORRELATION}={}", outbound.correlation)));
        url.into()
    }

    async fn send_once(&self, outbound: &Outbound) -> Outcome {
        let rendered = match self.render(outbound, Secrets::Told) {
            Ok(rendered) => rendered,
            Err(refused) => return refused,
        };
        let waiting = tokio::time::timeout(self.queue, self.connections.acquire());
        let Ok(Ok(_place)) = waiting.await else { return Outcome::NotSent { stage: "queue" } };
        let mut request = self.http.request(rendered.method, rendered.url);
        for (name, value) in rendered.headers {
            request = request.header(name, value);
        }
        if let Some(body) = rendered.body {
            request = request.body(body);
        }
        match self.http.ask(request).await {
            Ok(spoken) => self.answers.outcome(&spoken),
            Err(outcome) => outcome,
        }
    }
}

impl Channel for Gateway {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> ChannelKind {
        ChannelKind::Sms
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn serves(&self, to: &Address) -> bool {
        let prefixes = &self.config.prefixes;
        prefixes.is_empty() || prefixes.iter().any(|prefix| to.expose().starts_with(prefix))
    }

    /// A long text is sent, paced and paid part by part.
    fn costs(&self, content: &Content) -> u32 {
        let Content::Text { body, .. } = content else { return 1 };
        let parts = match self.config.parts {
            PartsConfig::Gateway | PartsConfig::Named => segments::count(&self.said(body)).parts,
            PartsConfig::Own => segments::split_numbered(&self.said(body)).len(),
        };
        u32::try_from(parts).unwrap_or(u32::MAX)
    }

    fn messages_per_day(&self) -> Option<u32> {
        self.config.messages_per_day
    }

    fn parts(&self, content: &Content) -> Vec<Content> {
        match content {
            Content::Text { body, .. } if self.config.parts == PartsConfig::Own => {
                let parts = segments::split_numbered(&self.said(body)).into_iter();
                parts.map(|part| Content::text(Text(Phi::new(part)))).collect()
            }
            _ => Vec::new(),
        }
    }

    fn named_parts(&self, content: &Content) -> Option<u32> {
        let parts = self.costs(content);
        (self.config.parts == PartsConfig::Named && parts > 1).then_some(parts)
    }

    fn problems(&self, content: &Content) -> Vec<Problem> {
        let problem = |what: &str, fix| Problem { what: what.to_owned(), fix };
        match content {
            Content::Text { body, .. } if body.0.expose().trim().is_empty() => {
                vec![problem("the text is empty", "write one")]
            }
            Content::Text { .. } => Vec::new(),
            _ => vec![problem("it is no plain text", "an SMS takes nothing else")],
        }
    }

    fn receipt_habit(&self) -> ReceiptHabit {
        match self.config.receipt_habit {
            _ if self.receipts.is_none() => ReceiptHabit::None,
            HabitConfig::None => ReceiptHabit::None,
            HabitConfig::OnProgress => ReceiptHabit::OnProgress,
            HabitConfig::OnAcceptance => ReceiptHabit::OnAcceptance { redelivered_within_ms: None },
        }
    }

    fn drops_what_lapsed(&self) -> bool {
        self.config.drops_what_lapsed
    }

    fn send<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Outcome> {
        Box::pin(self.send_once(outbound))
    }

    fn rendered(&self, outbound: &Outbound) -> Result<ShownRequest, Outcome> {
        let shown = |request: Rendered| ShownRequest {
            method: request.method.to_string(),
            url: request.url.into(),
            headers: request.headers,
            body: request.body,
        };
        self.render(outbound, Secrets::Masked).map(shown)
    }

    fn verify(&self, callback: &Callback) -> Result<Verified, Reject> {
        let brings = self.guard.check(callback)?;
        let heard = match brings {
            Brings::Receipts => self.receipts.is_some(),
            Brings::Replies => self.replies.is_some(),
            Brings::Either => self.receipts.is_some() || self.replies.is_some(),
        };
        if !heard {
            return Err(Reject::Unexpected);
        }
        let path_and_query = callback.path_and_query.as_bytes();
        let dedupe_key = signature::fingerprint([path_and_query, &callback.body]);
        Ok(Verified::Event { dedupe_key })
    }

    fn kept_answer(&self) -> KeptAnswer {
        KeptAnswer {
            body: self.config.callbacks.answer.clone(),
            content_type: self.config.callbacks.content_type.clone(),
        }
    }

    fn events(&self, callback: &Callback) -> Result<Vec<Event>, Unreadable> {
        let document = Document::of_callback(callback);
        let receipts = self.receipts.as_ref().map(|reading| (reading, Brings::Receipts));
        let replies = self.replies.as_ref().map(|reading| (reading, Brings::Replies));
        let reading = match guard::brings(callback) {
            Brings::Receipts => receipts.or(replies),
            Brings::Replies => replies.or(receipts),
            Brings::Either => {
                let fits = |one: &(&Reading, Brings)| one.0.fits(&document);
                receipts.filter(fits).or(replies.filter(fits)).or(receipts).or(replies)
            }
        };
        match reading {
            Some((reading, Brings::Replies)) => reading.replies(&document),
            Some((reading, _)) => reading.receipts(&document, &self.receipt_codes),
            None => {
                Err(Unreadable { kind: "the gateway is not configured to be heard".to_owned() })
            }
        }
    }
}
