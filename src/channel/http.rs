//! The one place that builds HTTP clients, and the one that tells where a call failed.
//!
//! What a channel gets back is either an [`Answer`] or the [`Outcome`] that follows from where the call broke
//! (design.md section 6). Error texts of the client hold URLs, so none of them leaves this file.

use super::gate::{Gate, NoAddress, Protection, names_loopback};
use super::{ChannelConfigError, Outcome, ShownRequest};
use crate::care::time::SECOND_MS;
use crate::config::{MASK, Mode};
use chrono::DateTime;
use reqwest::dns::Resolve;
use reqwest::header::{
    ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::{Client, Method, RequestBuilder, Url};
use std::error::Error;
use std::time::Duration;

/// The largest answer that is read, in bytes.
const ANSWER_CAP_BYTES: usize = 1 << 20;

/// Servers close idle connections after a minute or more. Ours go first, so that a request is not written
/// into a connection that is just being closed: its outcome would be unknown.
const IDLE: Duration = Duration::from_secs(15);

/// Calls to one provider.
pub(super) struct Http {
    client: Client,
    base: Url,
    gate: Gate,
}

/// What a provider answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// `Retry-After`, in milliseconds.
    pub(super) retry_after_ms: Option<i64>,
    /// The body, if it came whole, within the cap, and is JSON.
    pub(super) body: Option<serde_json::Value>,
}

/// What a provider answered, in whatever it speaks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spoken {
    /// The HTTP status.
    pub(super) status: u16,
    /// `Retry-After`, in milliseconds.
    pub(super) retry_after_ms: Option<i64>,
    /// The body, if it came whole and within the cap.
    pub(super) body: Option<Vec<u8>>,
}

impl Http {
    /// A client for `base_url`, the value of the configuration's `key`.
    ///
    /// Connecting (name, TCP, TLS) has half of the time of a whole call: what runs out later ran out after the
    /// connection stood, when the request may have been written.
    pub(super) fn new(
        key: String,
        base_url: &str,
        mode: Mode,
        request_timeout_ms: i64,
    ) -> Result<Self, ChannelConfigError> {
        let base = Url::parse(base_url).ok().filter(Url::has_host);
        let (Some(base), Ok(timeout_ms)) = (base, u64::try_from(request_timeout_ms)) else {
            return Err(ChannelConfigError::NotAUrl { key, example: "https://host/path" });
        };
        let protection = match base.scheme() {
            "https" => Protection::Tls,
            "http" => Protection::Clear,
            _ => return Err(ChannelConfigError::NotAUrl { key, example: "https://host/path" }),
        };
        let host_is_local = base.host_str().is_some_and(names_loopback);
        if mode == Mode::Live && protection == Protection::Clear && !host_is_local {
            return Err(ChannelConfigError::ClearText { key, fix: "begin it with https://" });
        }
        let gate = Gate::of(mode, protection);
        let client = client(gate, timeout_ms).ok_or(ChannelConfigError::NoTls { key })?;
        Ok(Self { client, base, gate })
    }

    /// The URL of a resource below the base.
    pub(super) fn url<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// A POST request, for [`Http::call`].
    pub(super) fn post(&self, url: Url) -> RequestBuilder {
        self.client.post(url)
    }

    /// A request of any method, for [`Http::ask`].
    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// A GET request, for [`Http::call`].
    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url)
    }

    /// Calls once.
    ///
    /// # Errors
    /// [`Outcome::NotSent`] if it broke before the request was written, else [`Outcome::Unknown`].
    pub(super) async fn call(&self, request: RequestBuilder) -> Result<Answer, Outcome> {
        let Spoken { status, retry_after_ms, body } = self.ask(request).await?;
        let body = body.and_then(|body| serde_json::from_slice(&body).ok());
        Ok(Answer { status, retry_after_ms, body })
    }

    /// Calls once a provider that may speak anything.
    ///
    /// # Errors
    /// As [`Http::call`].
    pub(super) async fn ask(&self, request: RequestBuilder) -> Result<Spoken, Outcome> {
        // The client asks its resolver for names only, so a literal address is judged here.
        if self.literal_is_refused() {
            return Err(Outcome::NotSent { stage: "gate" });
        }
        let mut response = request.send().await.map_err(|error| broken(&error))?;
        let mut body = Vec::new();
        let whole = loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_CAP_BYTES => {
                    body.extend_from_slice(&chunk);
                }
                Ok(None) => break true,
                Ok(Some(_)) | Err(_) => break false,
            }
        };
        Ok(Spoken {
            status: response.status().as_u16(),
            retry_after_ms: retry_after_ms(response.headers()),
            body: whole.then_some(body),
        })
    }

    /// A request as it may be shown: of headers that are not known to be harmless only the name.
    ///
    /// # Errors
    /// [`Outcome::NotSent`] if no request can be made of it.
    pub(super) fn shown(request: RequestBuilder) -> Result<ShownRequest, Outcome> {
        let request = request.build().map_err(|_| Outcome::NotSent { stage: "request" })?;
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            let harmless = matches!(*name, CONTENT_TYPE | ACCEPT);
            let value = value.to_str().ok().filter(|_| harmless).unwrap_or(MASK);
            (name.to_string(), value.to_owned())
        };
        let body = request.body().and_then(reqwest::Body::as_bytes);
        Ok(ShownRequest {
            method: request.method().to_string(),
            url: request.url().to_string(),
            headers: request.headers().iter().map(header).collect(),
            body: body.map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        })
    }

    fn literal_is_refused(&self) -> bool {
        let host = self.base.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse().is_ok_and(|address| self.gate.admit(address).is_err())
    }
}

fn client(resolver: impl Resolve + 'static, timeout_ms: u64) -> Option<Client> {
    // The process has one TLS provider; whoever installed it first installed the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("carebell/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .dns_resolver(resolver)
        .connect_timeout(Duration::from_millis(timeout_ms / 2))
        .timeout(Duration::from_millis(timeout_ms))
        .pool_idle_timeout(IDLE)
        .build()
        .ok()
}

/// Where a call without an answer broke.
fn broken(error: &reqwest::Error) -> Outcome {
    if let Some(no_address) = cause::<NoAddress>(error) {
        return Outcome::NotSent { stage: no_address.stage() };
    }
    if error.is_builder() {
        return Outcome::NotSent { stage: "request" };
    }
    if error.is_connect() {
        let stage = if cause::<rustls::Error>(error).is_some() { "tls" } else { "connect" };
        return Outcome::NotSent { stage };
    }
    Outcome::Unknown { stage: if error.is_timeout() { "read" } else { "write" } }
}

/// The cause of a given type, however deep; I/O errors hide theirs from `source`.
pub(super) fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// `Retry-After` in milliseconds: seconds, or a date that is read against the answer's own `Date`
/// (RFC 9110 section 10.2.3), so that no clock of ours is asked.
fn retry_after_ms(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(i64::from(seconds) * SECOND_MS);
    }
    let until = DateTime::parse_from_rfc2822(text).ok()?;
    let date = DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some((until - date).num_milliseconds().max(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::dns::{Addrs, Name, Resolving};

    /// Every name leads to a machine of the documentation's network (RFC 5737).
    struct Elsewhere(Gate);

    impl Resolve for Elsewhere {
        fn resolve(&self, _name: Name) -> Resolving {
            let judged = self.0.judge(vec![([192, 0, 2, 1], 0).into()]);
            Box::pin(async { Ok(Box::new(judged?.into_iter()) as Addrs) })
        }
    }

    #[tokio::test]
    async fn where_a_name_leads_decides_and_where_it_broke_is_told() {
        let call = async |mut http: Http, resolver: Option<Elsewhere>| {
            if let Some(resolver) = resolver {
                http.client = client(resolver, 1_000).unwrap();
            }
            http.call(http.get(http.url(["x"]))).await.unwrap_err()
        };
        let http = |host: &str| {
            let url = format!("http://{host}:9");
            Http::new("k".to_owned(), &url, Mode::Sandbox, 1_000).unwrap()
        };
        let not_sent = |stage| Outcome::NotSent { stage };
        let elsewhere = Some(Elsewhere(Gate::LoopbackOnly));
        assert_eq!(call(http("sandbox.example.org"), elsewhere).await, not_sent("gate"));
        assert_eq!(call(http("192.0.2.1"), None).await, not_sent("gate"));
        assert_eq!(call(http("0xC0000201"), None).await, not_sent("gate"));
        assert_eq!(call(http("[::ffff:192.0.2.1]"), None).await, not_sent("gate"));
        // No resolver takes a label of more than 63 octets (RFC 1035 section 2.3.4).
        assert_eq!(call(http(&"x".repeat(64)), None).await, not_sent("resolve"));
    }

    #[test]
    fn retry_after_comes_in_seconds_or_as_a_date() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        for (text, date, expected) in [
            ("17", None, Some(17_000)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", date, Some(120_000)),
            ("Sun, 06 Nov 1994 08:40:00 GMT", date, Some(0)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", None, None),
            ("-5", date, None),
            ("soon", date, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            assert_eq!(retry_after_ms(&headers), expected, "{text}");
        }
        assert_eq!(retry_after_ms(&HeaderMap::new()), None);
    }

    #[test]
    fn clear_text_to_another_machine_is_refused_when_live() {
        let new = |url, mode| {
            Http::new("channels.whatsapp.base_url".to_owned(), url, mode, 1_000).map(drop)
        };
        for (url, mode, is_fine) in [
            ("https://graph.example.org/v25.0", Mode::Live, true),
            ("http://127.0.0.1:4010", Mode::Live, true),
            ("http://graph.example.org", Mode::Live, false),
            ("http://graph.example.org", Mode::Sandbox, true),
            ("ftp://graph.example.org", Mode::Sandbox, false),
            ("graph.example.org", Mode::Live, false),
        ] {
            assert_eq!(new(url, mode).is_ok(), is_fine, "{url} in {}", mode.word());
        }
    }

    #[test]
    fn resources_lie_below_the_base_whatever_its_last_character() {
        for base in ["http://127.0.0.1:1/v25.0", "http://127.0.0.1:1/v25.0/"] {
            let http = Http::new("k".to_owned(), base, Mode::Sandbox, 1_000).unwrap();
            let url = http.url(["106", "messages"]);
            assert_eq!(url.as_str(), "http://127.0.0.1:1/v25.0/106/messages");
        }
    }
}
