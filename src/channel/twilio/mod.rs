//! SMS by Twilio.
//!
//! Sources: twilio.com/docs/messaging/api/message-resource, /docs/usage/webhooks/webhooks-security,
//! /docs/usage/webhooks/webhooks-connection-overrides; `reference/channels.md` section 2.
//!
//! `ContentRetention=discard` is not asked for: it empties the stored body, by which [`Channel::look_up`] finds
//! an attempt again.

mod events;

use super::build::{Section, is_e164};
use super::codes::CodeTable;
use super::http::{Answer, Http};
use super::verdict::{self, Said};
use super::{
    Action, Callback, Capabilities, Channel, ChannelConfigError, Content, Event, Found, LookUp,
    Outbound, Outcome, Reject, ReminderForm, Unreadable, Verified, signature,
};
use crate::care::time::{MINUTE_MS, SECOND_MS};
use crate::care::{ChannelKind, ReceiptHabit, UtcMs};
use crate::config::{Mode, Secret, TwilioConfig};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::DateTime;
use futures::future::BoxFuture;
use reqwest::{RequestBuilder, Url};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

const API: &str = "2010-04-01";
/// Messages of one look.
const LISTED: u32 = 200;

/// Twilio's bounds of `ValidityPeriod`, in seconds.
const VALIDITY_SECONDS: std::ops::RangeInclusive<u32> = 1..=36_000;

/// Five tries of a status callback on any fault instead of one on a failed connect; the fragment is neither
/// sent nor signed (page webhooks-connection-overrides).
const CALLBACK_RETRIES: &str = "rc=5&rp=all";

/// Our parameter of the callback's URL.
const CORRELATION: &str = "msg";

/// How much the provider's clock may differ from ours, in milliseconds.
const CLOCK_SLACK_MS: i64 = 5 * SECOND_MS;

/// The channel `twilio`.
pub(super) struct Twilio {
    name: String,
    http: Http,
    codes: CodeTable,
    account_sid: String,
    auth_tokens: Vec<Secret>,
    from: Sender,
    public_url: Url,
    capabilities: Capabilities,
}

/// Who sends.
enum Sender {
    /// A number in E.164, or an alphanumeric sender id.
    Number(String),
    /// A Messaging Service (`MG...`), which chooses the number.
    Service(String),
}

impl Twilio {
    /// The channel of a configuration.
    pub(super) fn new(
        section: Section<'_>,
        config: &TwilioConfig,
        mode: Mode,
        public_url: &str,
        request_timeout_ms: i64,
    ) -> Result<Self, ChannelConfigError> {
        let account_sid = section.present(
            "account_sid",
            &config.account_sid,
            "copy it from the console, it begins with AC",
        )?;
        let from = section.present(
            "from",
            &config.from,
            "give a number in E.164, or a Messaging Service that begins with MG",
        )?;
        let public_url = Url::parse(public_url).ok().filter(Url::has_host).ok_or(
            ChannelConfigError::NotAUrl {
                key: "http.public_url".to_owned(),
                example: "https://host",
            },
        )?;
        Ok(Self {
            name: section.name.to_owned(),
            http: Http::new(section.key("base_url"), &config.base_url, mode, request_timeout_ms)?,
            codes: CodeTable::twilio()?,
            account_sid: account_sid.to_owned(),
            auth_tokens: section.secrets(
                "auth_tokens",
                &config.auth_tokens,
                "copy the auth token from the console",
            )?,
            from: match from {
                service if service.starts_with("MG") => Sender::Service(service.to_owned()),
                number => Sender::Number(number.to_owned()),
            },
            public_url,
            capabilities: Capabilities {
                reminders: ReminderForm::Text,
                messages_per_second: section
                    .rate("messages_per_second", config.messages_per_second)?,
                pair_gap_ms: 0,
                request_timeout_ms,
            },
        })
    }

    fn resource(&self) -> Url {
        self.http.url([API, "Accounts", &self.account_sid, "Messages.json"])
    }

    fn signed_in(&self, request: RequestBuilder) -> RequestBuilder {
        let token = self.auth_tokens.first().map(Secret::expose);
        request.basic_auth(&self.account_sid, token)
    }

    async fn send_once(&self, outbound: &Outbound) -> Outcome {
        let form = match self.request(outbound) {
            Ok(form) => form,
            Err(refused) => return refused,
        };
        let request = self.signed_in(self.http.post(self.resource())).form(&form);
        match self.http.call(request).await {
            Ok(answer) => verdict::outcome(&answer, said(&answer), &self.codes),
            Err(outcome) => outcome,
        }
    }

    fn request(&self, outbound: &Outbound) -> Result<Vec<(&'static str, String)>, Outcome> {
        if !is_e164(outbound.to.expose()) {
            return Err(Outcome::refused(Action::BadAddress, "not-e164"));
        }
        let Content::Text { body, .. } = &outbound.content else {
            return Err(Outcome::refused(Action::Fix, "content-is-not-text"));
        };
        let validity_seconds =
            outbound.validity_seconds.clamp(*VALIDITY_SECONDS.start(), *VALIDITY_SECONDS.end());
        let from = match &self.from {
            Sender::Number(number) => ("From", number.clone()),
            Sender::Service(service) => ("MessagingServiceSid", service.clone()),
        };
        Ok(vec![
            ("To", outbound.to.expose().to_owned()),
            from,
            ("Body", body.0.expose().clone()),
            ("ValidityPeriod", validity_seconds.to_string()),
            ("StatusCallback", self.status_callback(outbound)),
        ])
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

    /// Finds an attempt among the newest messages to its address. Without the filter `DateSent`, because that
    /// date is null while a message is queued.
    ///
    /// Two that fit prove nothing, for one may be another attempt's. Absence is proved only by a list that reaches
    /// back behind the intent and has nothing in its time that could be it, a text that was redacted included; the
    /// caller sees to it that Twilio has had time to list it.
    async fn find(&self, attempt: &LookUp) -> Option<Found> {
        let Content::Text { body, .. } = &attempt.content else { return None };
        let mut url = self.resource();
        url.query_pairs_mut()
            .append_pair("To", attempt.to.expose())
            .append_pair("PageSize", &LISTED.to_string());
        if let Sender::Number(number) = &self.from {
            url.query_pairs_mut().append_pair("From", number);
        }
        let answer = self.http.call(self.signed_in(self.http.get(url))).await.ok()?;
        if !(200..300).contains(&answer.status) {
            return None;
        }
        let earliest = attempt.intent_at.plus_ms(-CLOCK_SLACK_MS);
        let latest =
            attempt.intent_at.plus_ms(2 * self.capabilities.request_timeout_ms + MINUTE_MS);
        let list = answer.body?;
        let messages = list["messages"].as_array()?;
        let in_time: Vec<_> = messages
            .iter()
            .filter(|message| {
                // One whose time cannot be read may be of any.
                created(message).is_none_or(|at| (earliest..=latest).contains(&at))
                    && message["to"].as_str() == Some(attempt.to.expose())
            })
            .collect();
        let said = |message: &&&Value| message["body"].as_str() == Some(body.0.expose());
        let mut fits = in_time.iter().filter(said);
        match (fits.next(), fits.next()) {
            (Some(only), None) if created(only).is_some() => {
                Some(Found::Accepted { id: only["sid"].as_str()?.to_owned() })
            }
            (None, None) => {
                let another = |m: &&Value| m["body"].as_str().is_some_and(|text| !text.is_empty());
                let reaches_back = list["next_page_uri"].is_null()
                    || messages.iter().filter_map(created).min().is_some_and(|at| at < earliest);
                (reaches_back && in_time.iter().all(another)).then_some(Found::Absent)
            }
            _ => None,
        }
    }

    /// The URLs that Twilio may have signed: as configured, without its port, with its scheme's port. The
    /// request's own host is never asked, because whoever calls can choose it.
    fn signed_urls(&self, path_and_query: &str) -> Vec<String> {
        let base = &self.public_url;
        let (Some(host), Some(port)) = (base.host_str(), base.port_or_known_default()) else {
            return Vec::new();
        };
        let prefix = base.path().trim_end_matches('/');
        [format!("{host}:{port}"), host.to_owned()]
            .iter()
            .map(|authority| format!("{}://{authority}{prefix}{path_and_query}", base.scheme()))
            .collect()
    }
}

/// When a listed message was made.
fn created(message: &Value) -> Option<UtcMs> {
    let text = message["date_created"].as_str()?;
    let at = DateTime::parse_from_rfc2822(text).ok()?;
    Some(UtcMs(at.timestamp_millis()))
}

impl Channel for Twilio {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> ChannelKind {
        ChannelKind::Sms
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// There is no callback for the initial status, and none from a carrier that gives no receipt. `ValidityPeriod`
    /// covers Twilio's own queue only, so nothing surely lapses.
    fn receipt_habit(&self) -> ReceiptHabit {
        ReceiptHabit::OnProgress
    }

    fn send<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Outcome> {
        Box::pin(self.send_once(outbound))
    }

    /// HMAC-SHA-1 over the public URL and the sorted form (page webhooks-security). A body that is no form is
    /// covered only by its hash in the signed query, and refused without one.
    fn verify(&self, callback: &Callback) -> Result<Verified, Reject> {
        if callback.method != "POST" {
            return Err(Reject::Unexpected);
        }
        let header = callback.header("x-twilio-signature").ok_or(Reject::Unsigned)?;
        let given = BASE64_STANDARD.decode(header).map_err(|_| Reject::BadSignature)?;
        let is_form = callback.header("content-type").is_some_and(|kind| {
            kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
        });
        let body_hash = callback.parameter("bodySHA256");
        let body_is_covered = match &body_hash {
            Some(hash) => signature::same(
                &crate::security::hex(&Sha256::digest(&callback.body)),
                &hash.to_ascii_lowercase(),
            ),
            None => is_form || callback.body.is_empty(),
        };
        let form = if is_form { sorted_form(&callback.body) } else { String::new() };
        let signed: Vec<String> =
            self.signed_urls(&callback.path_and_query).into_iter().map(|url| url + &form).collect();
        if !body_is_covered || !signature::is_hmac_sha1(&self.auth_tokens, &signed, &given) {
            return Err(Reject::BadSignature);
        }
        let path_and_query = callback.path_and_query.as_bytes();
        let content = if is_form { form.as_bytes() } else { &callback.body };
        Ok(Verified::Event { dedupe_key: signature::fingerprint([path_and_query, content]) })
    }

    fn events(&self, callback: &Callback) -> Result<Vec<Event>, Unreadable> {
        events::of_callback(callback, &self.codes)
    }

    fn look_up<'a>(&'a self, attempt: &'a LookUp) -> BoxFuture<'a, Option<Found>> {
        Box::pin(self.find(attempt))
    }
}

/// A created message has `sid` and `error_code`; an error has `code`.
fn said(answer: &Answer) -> Said {
    let Some(body) = &answer.body else { return Said::default() };
    let number = |value: &Value| value.as_u64().map(|code| code.to_string());
    Said {
        ids: body["sid"].as_str().map(ToOwned::to_owned).into_iter().collect(),
        code: number(&body["code"]).or_else(|| number(&body["error_code"])),
    }
}

/// Names and values of a form run together, sorted by name, then value, each pair once.
fn sorted_form(body: &[u8]) -> String {
    let pairs: BTreeSet<_> = form_urlencoded::parse(body).collect();
    pairs.iter().flat_map(|(name, value)| [name.as_ref(), value.as_ref()]).collect()
}
