//! Webhooks on their way to the daemon: how they are signed, and when they are tried again.

use super::{Channel, WhatsappAccount};
use crate::care::UtcMs;
use crate::care::time::{DAY_MS, HOUR_MS, SECOND_MS};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the daemon may take to answer a webhook; Twilio's limit is 15 s in all (Twilio,
/// webhooks-connection-overrides).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// One webhook request.
#[derive(Clone, Debug)]
pub(super) struct Callback {
    /// Whose language it is in.
    pub channel: Channel,
    /// The message it is about; callbacks about one message keep their order.
    pub about: String,
    /// Where to, when it is not the daemon's registered webhook; a fragment holds Twilio's retry overrides.
    pub url: Option<String>,
    /// What it says.
    pub payload: Payload,
    /// Stays the same when it is tried again (`I-Twilio-Idempotency-Token`).
    pub token: String,
    forged: bool,
    attempts: u32,
    first_at: Option<UtcMs>,
}

/// The body of a webhook.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    /// Meta's.
    Json(String),
    /// Twilio's.
    Form(Vec<(&'static str, String)>),
}

impl Callback {
    pub(super) fn new(
        channel: Channel,
        about: String,
        url: Option<String>,
        payload: Payload,
        token: String,
    ) -> Self {
        Self { channel, about, url, payload, token, forged: false, attempts: 0, first_at: None }
    }

    /// Has it signed with a wrong key.
    pub(super) fn forge(&mut self) {
        self.forged = true;
    }

    /// When to try again after a failure at `now`; `None` gives up.
    ///
    /// Meta: falling frequency for seven days. Twilio: `rc` times and only for the kinds of failure in `rp`, by
    /// default once and only when the connection failed.
    pub(super) fn retry_at(&mut self, failure: Failure, now: UtcMs) -> Option<UtcMs> {
        let first_at = *self.first_at.get_or_insert(now);
        self.attempts += 1;
        match self.channel {
            Channel::Whatsapp => {
                let wait = (5 * SECOND_MS).saturating_mul(1 << (self.attempts - 1).min(20));
                let next = now.plus_ms(wait.min(HOUR_MS));
                (next.since(first_at) <= 7 * DAY_MS).then_some(next)
            }
            Channel::Twilio | Channel::Email => {
                let overrides = Overrides::of(self.url.as_deref().unwrap_or_default());
                (self.attempts <= overrides.retries && overrides.retry(failure)).then_some(now)
            }
        }
    }
}

/// How a webhook failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection.
    Connect,
    /// No answer in time, or a broken one.
    Read,
    /// An answer that is not a success.
    Status(u16),
}

/// Twilio's connection overrides, the fragment of a callback URL: `#rc=5&rp=all`.
struct Overrides<'a> {
    retries: u32,
    policy: &'a str,
}

impl<'a> Overrides<'a> {
    fn of(url: &'a str) -> Self {
        let fragment = url.split_once('#').map_or("", |(_, fragment)| fragment);
        let value = |name: &str| {
            fragment.split('&').find_map(|pair| {
                pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value)
            })
        };
        Self {
            retries: value("rc").and_then(|count| count.parse().ok()).unwrap_or(1).min(5),
            policy: value("rp").unwrap_or("ct"),
        }
    }

    fn retry(&self, failure: Failure) -> bool {
        let kind = match failure {
            Failure::Connect => "ct",
            Failure::Read => "rt",
            Failure::Status(400..=499) => "4xx",
            Failure::Status(_) => "5xx",
        };
        self.policy.split(',').any(|allowed| allowed == "all" || allowed == kind)
    }
}

/// Signs webhooks and posts them.
pub(super) struct Poster {
    client: reqwest::Client,
}

impl Poster {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        // An error means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_TIMEOUT)
            .build()?;
        Ok(Self { client })
    }

    /// Posts to `url` (with or without a fragment); `Ok` when the daemon took it.
    pub(super) async fn post(
        &self,
        callback: &Callback,
        url: &str,
        account: &WhatsappAccount,
        auth_token: &str,
    ) -> Result<(), Failure> {
        let url = url.split('#').next().unwrap_or(url);
        let spoil = if callback.forged { "not the key" } else { "" };
        let request = match &callback.payload {
            Payload::Json(body) => {
                let key = format!("{}{spoil}", account.app_secret);
                self.client
                    .post(url)
                    .header("Content-Type", "application/json")
                    .header("X-Hub-Signature-256", meta_signature(&key, body.as_bytes()))
                    .body(body.clone())
            }
            Payload::Form(parameters) => {
                let key = format!("{auth_token}{spoil}");
                self.client
                    .post(url)
                    .header("X-Twilio-Signature", twilio_signature(&key, url, parameters))
                    .header("I-Twilio-Idempotency-Token", &callback.token)
                    .form(parameters)
            }
        };
        let answer = request
            .send()
            .await
            .map_err(|error| if error.is_connect() { Failure::Connect } else { Failure::Read })?;
        // Meta takes 200 and nothing else; Twilio any 2xx.
        let taken = match callback.channel {
            Channel::Whatsapp => answer.status() == 200,
            Channel::Twilio | Channel::Email => answer.status().is_success(),
        };
        if taken { Ok(()) } else { Err(Failure::Status(answer.status().as_u16())) }
    }

    /// A GET without a body, for a webhook's registration: status and text.
    pub(super) async fn get(&self, url: reqwest::Url) -> Result<(u16, String), reqwest::Error> {
        let answer = self.client.get(url).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }
}

/// `sha256=` and the lower-case hex HMAC-SHA256 of the raw body (Meta, webhooks, "validate payloads").
pub(super) fn meta_signature(app_secret: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(app_secret.as_bytes()) else {
        return String::new();
    };
    mac.update(body);
    format!("sha256={:x}", mac.finalize().into_bytes())
}

/// Base64 of the HMAC-SHA1 over the full URL and each parameter, sorted by name (Twilio, webhooks-security).
pub(super) fn twilio_signature(
    auth_token: &str,
    url: &str,
    parameters: &[(&'static str, String)],
) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(auth_token.as_bytes()) else {
        return String::new();
    };
    mac.update(url.as_bytes());
    for (name, value) in parameters.iter().map(|(n, v)| (*n, v)).collect::<BTreeMap<_, _>>() {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    BASE64.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(url: &str) -> Callback {
        let payload = Payload::Form(Vec::new());
        Callback::new(Channel::Twilio, String::new(), Some(url.to_owned()), payload, String::new())
    }

    /// Signatures made by the official twilio-python 9.13.0 (checked with twilio-node 6.2.0) and, for Meta's, over
    /// a body escaped as Meta escapes it; keys of the same vectors.
    #[test]
    fn signatures_of_the_official_libraries() {
        let parameters = [
            ("AccountSid", "ACa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"),
            ("From", "+15005550006"),
            ("MessageSid", "SM7a87ab5845f2507e7aa7e36d6f4f0ebb"),
            ("MessageStatus", "undelivered"),
            ("SmsSid", "SM7a87ab5845f2507e7aa7e36d6f4f0ebb"),
            ("SmsStatus", "undelivered"),
            ("To", "+15555550123"),
            ("ApiVersion", "2010-04-01"),
            ("ErrorCode", "30003"),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        let url = "https://hooks.example.org/channels/tw1/webhook?msg=018f3a7e-0000-7000-8000-0000000000aa";
        let signature = twilio_signature("dev0123456789abcdef0123456789abcd", url, &parameters);
        assert_eq!(signature, "ODdQfk+aFjApR0et4iiBTb2tlQY=");

        let body = concat!(
            r#"{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":"#,
            r#"{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","#,
            r#""phone_number_id":"106540352242922"},"statuses":[{"id":"wamid.HBgLREVWMDAwMg==","#,
            r#""status":"failed","timestamp":"1764000010","recipient_id":"16505550111","errors":"#,
            r#"[{"code":131026,"title":"Message undeliverable","message":"Message undeliverable","#,
            r#""error_data":{"details":"Unable to deliver message."},"#,
            r#""href":"https:\/\/developers.facebook.com\/documentation\/business-messaging\/whatsapp\/"#,
            r#"support\/error-codes"}]}]},"field":"messages"}]}]}"#,
        );
        let expected = "sha256=8c4b6f51e84b0d4fdbd4942fa735fe43eabc5aa08261e66d312826579679d9d1";
        assert_eq!(meta_signature("dev-app-secret-5f0c1e", body.as_bytes()), expected);
    }

    #[test]
    fn twilio_retries_by_its_overrides() {
        let five_hundred = Failure::Status(500);
        let cases = [
            ("http://x/", Failure::Connect, 1),
            ("http://x/", five_hundred, 0),
            ("http://x/#rc=5&rp=all", five_hundred, 5),
            ("http://x/#rc=3&rp=ct,4xx", Failure::Status(404), 3),
            ("http://x/#rc=3&rp=ct,4xx", five_hundred, 0),
        ];
        for (url, failure, retries) in cases {
            let mut callback = failing(url);
            let count =
                (0..9).take_while(|_| callback.retry_at(failure, UtcMs(0)).is_some()).count();
            assert_eq!(count, retries, "{url} {failure:?}");
        }
    }

    #[test]
    fn meta_retries_ever_more_rarely_for_seven_days() {
        let mut callback = failing("http://x/");
        callback.channel = Channel::Whatsapp;
        let (mut now, mut gaps) = (UtcMs(0), Vec::new());
        while let Some(next) = callback.retry_at(Failure::Connect, now) {
            gaps.push(next.since(now));
            now = next;
        }
        assert!(gaps.is_sorted() && gaps[0] == 5_000);
        assert!(now.0 > 6 * DAY_MS && now.0 <= 7 * DAY_MS, "{now:?}");
    }
}
