//! A sandbox on a manual clock, a daemon that keeps what it gets, and what they say to each other.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carebell::care::UtcMs;
use carebell::clock::{Clock as _, ManualClock};
use carebell::sandbox::{Entry, Sandbox, SandboxConfig, Template};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

pub const START: UtcMs = UtcMs(1_764_000_000_000);

pub const PATIENT: &str = "+16505550111";

pub const SECRET: &str = "an app secret";

pub const TOKEN: &str = "an auth token";

pub const HOUR_MS: i64 = 3_600_000;

/// A webhook as the daemon got it.
#[derive(Clone, Debug)]
pub struct Received {
    pub uri: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn form(&self) -> BTreeMap<String, String> {
        let url = format!("http://x/?{}", String::from_utf8(self.body.clone()).unwrap());
        reqwest::Url::parse(&url).unwrap().query_pairs().into_owned().collect()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub fn status(&self) -> String {
        if self.uri.starts_with("/webhooks/whatsapp") {
            let json = self.json();
            json.pointer("/entry/0/changes/0/value/statuses/0/status")
                .unwrap()
                .as_str()
                .unwrap()
                .into()
        } else {
            self.form()["MessageStatus"].clone()
        }
    }
}

/// A daemon that takes every webhook and answers with a status that the test sets.
#[derive(Clone)]
pub struct Daemon {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    answer: Arc<Mutex<StatusCode>>,
    tracker: TaskTracker,
}

impl Daemon {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let daemon = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            received: Arc::default(),
            answer: Arc::new(Mutex::new(StatusCode::OK)),
            tracker: TaskTracker::new(),
        };
        let router = Router::new().fallback(take).with_state(daemon.clone());
        daemon.tracker.spawn(async move { axum::serve(listener, router).await.unwrap() });
        daemon
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub fn statuses(&self) -> Vec<String> {
        self.received().iter().map(Received::status).collect()
    }

    pub fn answer_with(&self, status: StatusCode) {
        *self.answer.lock().unwrap() = status;
    }
}

async fn take(
    State(daemon): State<Daemon>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let challenge = uri.query().and_then(|query| {
        let url = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
        let value =
            |name: &str| url.query_pairs().find(|(n, _)| n == name).map(|(_, v)| v.into_owned());
        (value("hub.verify_token")? == "let me in").then(|| value("hub.challenge"))?
    });
    let received = Received { uri: uri.to_string(), headers, body: body.to_vec() };
    daemon.received.lock().unwrap().push(received);
    (*daemon.answer.lock().unwrap(), challenge.unwrap_or_default())
}

pub struct Stage {
    pub sandbox: Sandbox,
    pub clock: Arc<ManualClock>,
    pub daemon: Daemon,
    pub client: reqwest::Client,
}

pub fn config() -> SandboxConfig {
    let mut config = SandboxConfig::default();
    config.whatsapp.app_secret = SECRET.into();
    config.twilio.auth_token = TOKEN.into();
    let template = Template {
        languages: ["en".to_owned()].into(),
        parameters: 1,
        ttl_seconds: Some(1_800),
        buttons: vec!["Taken".to_owned()],
        ..Template::default()
    };
    config.whatsapp.templates.insert("dose".to_owned(), template);
    config
}

impl Stage {
    pub async fn set(config: SandboxConfig) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let sandbox = Sandbox::start(config, Arc::clone(&clock) as _).await.unwrap();
        let daemon = Daemon::start().await;
        sandbox.call_back(&daemon.url).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { sandbox, clock, daemon, client }
    }

    pub async fn plain() -> Self {
        Self::set(config()).await
    }

    pub fn whatsapp_url(&self) -> String {
        format!("{}/v25.0/106540352242922/messages", self.sandbox.http_url())
    }

    pub async fn whatsapp(&self, body: &Value) -> (u16, Value) {
        self.whatsapp_raw(body).await.unwrap()
    }

    pub async fn whatsapp_raw(&self, body: &Value) -> reqwest::Result<(u16, Value)> {
        let request =
            self.client.post(self.whatsapp_url()).bearer_auth("sandbox-access-token").json(body);
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_str(&answer.text().await?).unwrap_or_default()))
    }

    pub async fn sms(&self, parameters: &[(&str, &str)]) -> (u16, Value) {
        let account = SandboxConfig::default().twilio.account_sid;
        let url =
            format!("{}/2010-04-01/Accounts/{account}/Messages.json", self.sandbox.http_url());
        let request = self.client.post(url).basic_auth(account, Some(TOKEN)).form(parameters);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    pub async fn list(&self, query: &[(&str, &str)]) -> Value {
        let account = SandboxConfig::default().twilio.account_sid;
        let url =
            format!("{}/2010-04-01/Accounts/{account}/Messages.json", self.sandbox.http_url());
        let url = reqwest::Url::parse_with_params(&url, query).unwrap();
        let answer = self.client.get(url).basic_auth(account, Some(TOKEN)).send().await.unwrap();
        answer.json().await.unwrap()
    }

    pub async fn control(&self, path: &str, order: Value) -> u16 {
        let url = format!("{}/_sandbox/{path}", self.sandbox.http_url());
        self.client.post(url).json(&order).send().await.unwrap().status().as_u16()
    }

    pub fn now(&self) -> UtcMs {
        self.clock.now()
    }

    pub async fn advance(&self, ms: i64) {
        self.clock.advance_ms(ms);
        self.sandbox.tick().await;
    }

    pub fn accepted(&self) -> Vec<Entry> {
        self.sandbox.ledger().entries()
    }

    pub async fn until_held(&self, count: usize) {
        while self.sandbox.held() != count {
            tokio::task::yield_now().await;
        }
    }
}

pub fn template(parameter: &str) -> Value {
    json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": PATIENT,
        "type": "template", "biz_opaque_callback_data": "att_1",
        "template": {"name": "dose", "language": {"code": "en"}, "components": [
            {"type": "body", "parameters": [{"type": "text", "text": parameter}]},
            {"type": "button", "sub_type": "quick_reply", "index": "0",
             "parameters": [{"type": "payload", "payload": "taken:1"}]},
        ]},
    })
}

pub fn free_text() -> Value {
    json!({"messaging_product": "whatsapp", "to": PATIENT, "type": "text", "text": {"body": "Thanks"}})
}

pub fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[key] = value;
    body
}

pub fn sms_of(callback: &str) -> [(&str, &str); 4] {
    [
        ("To", PATIENT),
        ("From", "+15005550006"),
        ("Body", "Your 8:00 dose"),
        ("StatusCallback", callback),
    ]
}

/// Meta's signature, computed apart from the sandbox's code.
pub fn hub_signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={:x}", mac.finalize().into_bytes())
}

/// Twilio's signature, computed apart from the sandbox's code.
pub fn twilio_signature(base: &str, webhook: &Received) -> String {
    let mut signed = format!("{base}{}", webhook.uri);
    for (name, value) in webhook.form() {
        signed += &name;
        signed += &value;
    }
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}
