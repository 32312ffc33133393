//! The HTTP server: what it keeps, what it turns away, and that no client can hold it up.

use super::{TIMEOUT_MS, TWILIO_TOKEN, channels, twilio_signature};
use carebell::channel::Callback;
use carebell::http::{
    Component, Leaving, Limits, NotHeard, NotKept, Parts, Readiness, Sink, router, start,
};
use futures::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusBuilder;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const CHALLENGE: &str =
    "/webhooks/whatsapp?hub.mode=subscribe&hub.verify_token=verify-1&hub.challenge=42";

/// Keeps in memory; fails on request; waits for a permit before each keep, and a while after it.
struct Memory {
    open: AtomicUsize,
    most_open: AtomicUsize,
    kept: Mutex<Vec<(String, Callback, String)>>,
    fails: bool,
    permits: Semaphore,
    reached: Semaphore,
}

impl Sink for Memory {
    fn keep<'a>(
        &'a self,
        channel: &'a str,
        callback: Callback,
        dedupe_key: String,
    ) -> BoxFuture<'a, Result<(), NotKept>> {
        Box::pin(async move {
            self.reached.add_permits(1);
            let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_open.fetch_max(open, Ordering::SeqCst);
            self.permits.acquire().await.unwrap().forget();
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            self.open.fetch_sub(1, Ordering::SeqCst);
            if self.fails {
                return Err(NotKept);
            }
            self.kept.lock().unwrap().push((channel.to_owned(), callback, dedupe_key));
            Ok(())
        })
    }
}

struct Database(Option<String>);

impl Readiness for Database {
    fn components(&self) -> BoxFuture<'_, Vec<Component>> {
        Box::pin(async { vec![Component::new("database", self.0.clone())] })
    }
}

/// Nobody's token is ours.
struct Nobody;

impl Leaving for Nobody {
    fn ask<'a>(&'a self, _token: &'a str) -> BoxFuture<'a, Result<Option<String>, NotHeard>> {
        Box::pin(async { Ok(None) })
    }

    fn leave<'a>(&'a self, _token: &'a str) -> BoxFuture<'a, Result<Option<String>, NotHeard>> {
        Box::pin(async { Err(NotHeard) })
    }
}

struct Running {
    address: SocketAddr,
    sink: Arc<Memory>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

struct Setting {
    limits: Limits,
    sink_fails: bool,
    permits: usize,
    fault: Option<&'static str>,
}

fn usual() -> Setting {
    let limits = Limits { max_body_bytes: 1_000, ..Limits::with_max_body_bytes(0) };
    Setting { limits, sink_fails: false, permits: 1_000, fault: None }
}

async fn run(setting: Setting) -> Running {
    let sink = Arc::new(Memory {
        open: AtomicUsize::new(0),
        most_open: AtomicUsize::new(0),
        kept: Mutex::default(),
        fails: setting.sink_fails,
        permits: Semaphore::new(setting.permits),
        reached: Semaphore::new(0),
    });
    let parts = Parts {
        channels: channels("http://127.0.0.1:1", "smtp://127.0.0.1:1", TIMEOUT_MS),
        sink: Arc::clone(&sink) as Arc<dyn Sink>,
        leaving: Arc::new(Nobody),
        readiness: Arc::new(Database(setting.fault.map(ToOwned::to_owned))),
        metrics: Arc::new(|| "carebell_up 1\n".to_owned()),
    };
    let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let router = router(parts, setting.limits);
    let address = start("127.0.0.1:0", router, setting.limits, &tracker, shutdown.clone()).await;
    Running { address: address.unwrap(), sink, tracker, shutdown }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Says `words` and hears until the server closes.
    async fn say(&self, words: &str) -> String {
        let mut stream = self.connect().await;
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(words.as_bytes()).await;
        hear(&mut stream).await
    }

    async fn get(&self, path: &str) -> String {
        self.say(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await
    }
}

async fn hear(stream: &mut TcpStream) -> String {
    let (mut heard, mut chunk) = (Vec::new(), [0_u8; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        heard.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8(heard).unwrap()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("(none)")
}

/// A status callback as Twilio would sign it.
fn post(body: &str, token: &str) -> String {
    let url = "https://hooks.example.org/webhooks/twilio";
    let signature = twilio_signature(url, body, token);
    format!(
        "POST /webhooks/twilio HTTP/1.1\r\nhost: evil.example.org\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\nx-twilio-signature: {signature}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_verified_callback_is_kept_and_answered_with_nothing() {
    let server = run(usual()).await;
    let answer = server.say(&post("MessageSid=SM1&MessageStatus=sent", TWILIO_TOKEN)).await;
    assert_eq!(status(&answer), "200");
    assert!(answer.ends_with("\r\n\r\n"), "an answer with words would be sent to the patient");
    let kept = server.sink.kept.lock().unwrap();
    let (channel, callback, key) = &kept[0];
    assert_eq!((channel.as_str(), kept.len()), ("twilio", 1));
    assert_eq!(callback.body, b"MessageSid=SM1&MessageStatus=sent");
    assert_eq!(callback.path_and_query, "/webhooks/twilio");
    assert!(!key.is_empty());
}

#[tokio::test]
async fn what_is_not_verified_leaves_nothing_but_a_count() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let figures = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let server = run(usual()).await;
    let body = "MessageSid=SM1&MessageStatus=sent";
    let unsigned = post(body, TWILIO_TOKEN).replace("x-twilio-signature", "x-other");
    let large = post(&format!("Body={}", "x".repeat(2_000)), TWILIO_TOKEN);
    let chunked = "POST /webhooks/twilio HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
                   7d0\r\n"
        .to_owned()
        + &"x".repeat(2_000);
    let get = "GET /webhooks/twilio HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned();
    let put = "PUT /webhooks/twilio HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned();
    for (request, expected) in [
        (post(body, "wrong"), "403"),
        (unsigned, "403"),
        (post(body, TWILIO_TOKEN).replace("/webhooks/twilio", "/webhooks/sinch"), "404"),
        (large, "413"),
        (chunked, "413"),
        (get, "400"),
        (put, "405"),
    ] {
        assert_eq!(status(&server.say(&request).await), expected);
    }
    assert!(server.sink.kept.lock().unwrap().is_empty());
    let text = figures.render();
    for (channel, reason, count) in [
        ("twilio", "bad-signature", 1),
        ("twilio", "unsigned", 1),
        ("none", "unknown-channel", 1),
        ("twilio", "body-too-large", 2),
        ("twilio", "unexpected", 1),
    ] {
        let line = format!(
            "carebell_webhook_rejected_total{{channel=\"{channel}\",reason=\"{reason}\"}} {count}\n"
        );
        assert!(text.contains(&line), "{line} in {text}");
    }
    assert!(!text.contains("sinch"), "a label must not be what a stranger wrote");
}

#[tokio::test]
async fn when_nothing_can_be_kept_the_provider_shall_come_again() {
    let server = run(Setting { sink_fails: true, ..usual() }).await;
    let answer = server.say(&post("MessageSid=SM1", TWILIO_TOKEN)).await;
    assert_eq!(status(&answer), "503");
    let limits = Limits { keep: Duration::from_millis(50), ..usual().limits };
    let server = run(Setting { limits, permits: 0, ..usual() }).await;
    let answer = server.say(&post("MessageSid=SM1", TWILIO_TOKEN)).await;
    assert_eq!(status(&answer), "503");
}

#[tokio::test]
async fn a_webhook_registers_over_http() {
    let server = run(usual()).await;
    let answer = server.get(CHALLENGE).await;
    assert_eq!((status(&answer), answer.ends_with("\r\n\r\n42")), ("200", true));
    assert_eq!(status(&server.get(&CHALLENGE.replace("verify-1", "guess")).await), "403");
}

#[tokio::test]
async fn health_readiness_and_metrics() {
    let server = run(usual()).await;
    assert_eq!(status(&server.get("/healthz").await), "200");
    let ready = server.get("/readyz").await;
    assert_eq!(status(&ready), "200");
    assert!(ready.ends_with(r#"{"ready":true,"components":[{"name":"database"}]}"#), "{ready}");
    assert!(server.get("/metrics").await.ends_with("carebell_up 1\n"));
    assert_eq!(status(&server.get("/nowhere").await), "404");
    let server = run(Setting { fault: Some("locked"), ..usual() }).await;
    let ready = server.get("/readyz").await;
    assert_eq!(status(&ready), "503");
    assert!(ready.contains(r#"{"name":"database","fault":"locked"}"#), "{ready}");
}

#[tokio::test]
async fn a_dribbling_client_is_let_go_and_the_next_is_served() {
    let short = Duration::from_millis(100);
    let limits = Limits { connections: 2, header: short, body: short, ..usual().limits };
    let server = run(Setting { limits, ..usual() }).await;
    let mut dribbling = Vec::new();
    for words in ["", "GET /healthz HT", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: "].repeat(3) {
        let mut stream = server.connect().await;
        stream.write_all(words.as_bytes()).await.unwrap();
        dribbling.push(stream);
    }
    // More than the cap were waiting before this one, so it is served only if each is let go.
    assert_eq!(status(&server.get("/healthz").await), "200");
    for mut stream in dribbling {
        let heard = hear(&mut stream).await;
        assert!(heard.is_empty() || status(&heard) == "408", "{heard}");
    }
    let half = post("MessageSid=SM1", TWILIO_TOKEN).replace("SM1", "S");
    assert_eq!(status(&server.say(&half).await), "408");
    // An idle connection is one whose next head does not come.
    let mut idle = server.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(status(&hear(&mut idle).await), "200");
}

#[tokio::test]
async fn no_more_connections_than_the_cap_and_nobody_is_lost() {
    let limits = Limits { connections: 2, ..usual().limits };
    let server = run(Setting { limits, ..usual() }).await;
    let request = post("MessageSid=SM1", TWILIO_TOKEN);
    let answers = futures::future::join_all((0..6).map(|_| server.say(&request))).await;
    assert!(answers.iter().all(|answer| status(answer) == "200"), "{answers:?}");
    let most_open = server.sink.most_open.load(Ordering::SeqCst);
    assert!(most_open <= 2, "{most_open} at once");
}

#[tokio::test]
async fn an_oversize_head_is_refused() {
    let server = run(usual()).await;
    let head = format!("GET /healthz HTTP/1.1\r\nx-a: {}\r\n\r\n", "x".repeat(64 * 1024));
    assert_eq!(status(&server.say(&head).await), "431");
    let many = "x-a: 1\r\n".repeat(200);
    assert_eq!(status(&server.say(&format!("GET / HTTP/1.1\r\n{many}\r\n")).await), "431");
}

#[tokio::test]
async fn shutdown_answers_what_is_under_way_and_takes_nothing_new() {
    let server = run(Setting { permits: 0, ..usual() }).await;
    let mut stream = server.connect().await;
    let request = post("MessageSid=SM1", TWILIO_TOKEN).replace("connection: close\r\n", "");
    stream.write_all(request.as_bytes()).await.unwrap();
    server.sink.reached.acquire().await.unwrap().forget();
    server.shutdown.cancel();
    server.sink.permits.add_permits(1);
    assert_eq!(status(&hear(&mut stream).await), "200");
    server.tracker.close();
    server.tracker.wait().await;
    assert!(TcpStream::connect(server.address).await.is_err());
    assert_eq!(server.sink.kept.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let server = run(usual()).await;
    let taken = server.address.to_string();
    let parts = Parts {
        channels: channels("http://127.0.0.1:1", "smtp://127.0.0.1:1", TIMEOUT_MS),
        sink: Arc::clone(&server.sink) as Arc<dyn Sink>,
        leaving: Arc::new(Nobody),
        readiness: Arc::new(Database(None)),
        metrics: Arc::new(String::new),
    };
    let limits = usual().limits;
    let started =
        start(&taken, router(parts, limits), limits, &server.tracker, CancellationToken::new());
    let fault = started.await.unwrap_err().to_string();
    assert!(fault.contains("http.listen") && fault.contains(&taken), "{fault}");
}
