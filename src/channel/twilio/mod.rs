//! SMS and WhatsApp by Twilio.
//!
//! Sources: twilio.com/docs/messaging/api/message-resource, /docs/usage/webhooks/webhooks-security,
//! /docs/usage/webhooks/webhooks-connection-overrides; `reference/channels.md` section 2.

mod events;
mod look_up;
mod request;

use super::build::Section;
use super::codes::CodeTable;
use super::http::{Answer, Http};
use super::verdict::{self, Said};
use super::{
    Callback, Capabilities, Channel, ChannelConfigError, Content, Event, Found, LookUp, Meaning,
    Outbound, Outcome, Problem, ReceiptEvent, Reject, ReminderForm, ShownRequest, Unreadable,
    Verified, signature,
};
use crate::care::time::SECOND_MS;
use crate::care::{ChannelKind, ReceiptHabit};
use crate::config::{
    AddressRetention, ContentRetention, HmacAlgorithm, Mode, Secret, Speaks, TwilioConfig,
};
use crate::message::segments;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::future::BoxFuture;
use reqwest::{RequestBuilder, Url};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const API: &str = "2010-04-01";
/// Messages of one look.
const LISTED: u32 = 200;

/// Twilio's bounds of `ValidityPeriod`, in seconds.
const VALIDITY_SECONDS: std::ops::RangeInclusive<u32> = 1..=36_000;

/// Five tries of a status callback on any fault instead of one on a failed connect; the fragment is neither
/// sent nor signed (page webhooks-connection-overrides).
const CALLBACK_RETRIES: &str = "rc=5&rp=all";

/// WhatsApp allows one message in 6 s to one user, whoever carries it.
const WHATSAPP_PAIR_GAP_MS: i64 = 6 * SECOND_MS;

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
    /// Who signs in, and by what.
    login: (String, Secret),
    auth_tokens: Vec<Secret>,
    from: Sender,
    speaks: Speaks,
    /// Approved contents by template and language.
    contents: BTreeMap<(String, String), String>,
    content_retention: ContentRetention,
    address_retention: AddressRetention,
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
        let auth_tokens = section.secrets(
            "auth_tokens",
            &config.auth_tokens,
            "copy the auth token from the console",
        )?;
        let login = match (&config.api_key, &config.api_secret, auth_tokens.first()) {
            (Some(key), Some(secret), _) => (key.clone(), secret.clone()),
            (_, _, Some(token)) => (account_sid.to_owned(), token.clone()),
            _ => {
                let fix = "give api_key and api_secret, or an auth token";
                return Err(ChannelConfigError::Empty { key: section.key("api_key"), fix });
            }
        };
        let mut contents = BTreeMap::new();
        for content in config.content_sids() {
            let Some((template, language, sid)) = content else {
                let fix = "write each as template/language=HX...";
                return Err(ChannelConfigError::WrongForm { key: section.key("contents"), fix });
            };
            contents.insert((template.to_owned(), language.to_owned()), sid.to_owned());
        }
        Ok(Self {
            name: section.name.to_owned(),
            http: Http::new(section.key("base_url"), &config.base_url, mode, request_timeout_ms)?,
            codes: CodeTable::twilio()?,
            account_sid: account_sid.to_owned(),
            login,
            auth_tokens,
            speaks: config.speaks,
            contents,
            content_retention: config.content_retention,
            address_retention: config.address_retention,
            from: match from {
                service if service.starts_with("MG") => Sender::Service(service.to_owned()),
                _ => Sender::Number(config.bare_sender().to_owned()),
            },
            public_url,
            capabilities: Capabilities {
                reminders: match config.speaks {
                    Speaks::Sms => ReminderForm::Text,
                    Speaks::Whatsapp => ReminderForm::Template,
                },
                messages_per_second: section
                    .rate("segments_per_second", config.segments_per_second)?,
                pair_gap_ms: match config.speaks {
                    Speaks::Sms => 0,
                    Speaks::Whatsapp => WHATSAPP_PAIR_GAP_MS,
                },
                request_timeout_ms,
            },
        })
    }

    fn resource(&self) -> Url {
        self.http.url([API, "Accounts", &self.account_sid, "Messages.json"])
    }

    fn signed_in(&self, request: RequestBuilder) -> RequestBuilder {
        let (name, secret) = &self.login;
        request.basic_auth(name, Some(secret.expose()))
    }

    fn request(&self, outbound: &Outbound) -> Result<RequestBuilder, Outcome> {
        let form = self.form(outbound)?;
        Ok(self.signed_in(self.http.post(self.resource())).form(&form))
    }

    async fn send_once(&self, outbound: &Outbound) -> Outcome {
        let request = match self.request(outbound) {
            Ok(request) => request,
            Err(refused) => return refused,
        };
        match self.http.call(request).await {
            Ok(answer) => verdict::outcome(&answer, said(&answer), &self.codes),
            Err(outcome) => outcome,
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

impl Channel for Twilio {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> ChannelKind {
        match self.speaks {
            Speaks::Sms => ChannelKind::Sms,
            Speaks::Whatsapp => ChannelKind::Whatsapp,
        }
    }

    /// A long text is sent, paced and paid part by part.
    fn costs(&self, content: &Content) -> u32 {
        match content {
            Content::Text { body, .. } if self.speaks == Speaks::Sms => {
                u32::try_from(segments::count(body.0.expose()).parts).unwrap_or(u32::MAX)
            }
            _ => 1,
        }
    }

    fn problems(&self, content: &Content) -> Vec<Problem> {
        self.faults(content)
    }

    fn meaning(&self, code: &str) -> Option<Meaning> {
        match code {
            "63016" => Some(Meaning::WindowClosed),
            "30003" => Some(Meaning::HandsetOff),
            "63019" | "63034" | "63037" => Some(Meaning::MediaRefused),
            "30008" | "63010" | "63009" | "63012" | "63023" | "30410" => Some(Meaning::OnceMore),
            _ => None,
        }
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

    fn rendered(&self, outbound: &Outbound) -> Result<ShownRequest, Outcome> {
        Http::shown(self.request(outbound)?)
    }

    /// A keyed hash over the public URL and the sorted form (page webhooks-security): HMAC-SHA-1 by the auth token,
    /// or what the settings' header names. A body that is no form is covered only by its hash in the signed query,
    /// and refused without one.
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
        let form = if is_form { signature::sorted_form(&callback.body) } else { String::new() };
        let signed: Vec<String> =
            self.signed_urls(&callback.path_and_query).into_iter().map(|url| url + &form).collect();
        let signed: Vec<&[u8]> = signed.iter().map(String::as_bytes).collect();
        let is_right = algorithm(callback).is_some_and(|algorithm| {
            signature::is_hmac(algorithm, &self.auth_tokens, &signed, &given)
        });
        if !body_is_covered || !is_right {
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

    fn ask_after<'a>(
        &'a self,
        provider_id: &'a str,
    ) -> Option<BoxFuture<'a, Option<ReceiptEvent>>> {
        Some(Box::pin(self.fetch(provider_id)))
    }
}

/// The algorithm that signs: the auth token's, unless the settings of a shared key name one (header
/// `X-Twilio-Webhooks-Signature-Settings`: `key=...,algorithm=HMAC_SHA256`); none: one that is not known here.
fn algorithm(callback: &Callback) -> Option<HmacAlgorithm> {
    let settings = callback.header("x-twilio-webhooks-signature-settings").unwrap_or_default();
    let pairs = settings.split(',').filter_map(|part| part.split_once('='));
    let mut named =
        pairs.filter(|(name, word)| name.trim() == "algorithm" && !word.trim().is_empty());
    match named.next().map(|(_, word)| word.trim().to_ascii_uppercase()).as_deref() {
        None | Some("HMAC_SHA1") => Some(HmacAlgorithm::Sha1),
        Some("HMAC_SHA256") => Some(HmacAlgorithm::Sha256),
        Some(_) => None,
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
