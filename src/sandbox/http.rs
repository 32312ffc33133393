//! The HTTP side: an accept loop of its own, because a fault must be able to close a connection without an
//! answer; and what both HTTP providers do alike once a request is judged.

use super::faults::AnswerFault;
use super::world::World;
use super::{Entry, Message, account, control, meta, twilio};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

/// How long open connections may finish what they do when the sandbox stops; held ones are cut then.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// After a failed accept (no file handles left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The largest request body that is read, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 1 << 20;

/// Marks a response whose connection is closed instead.
#[derive(Clone, Copy)]
struct Severed;

#[derive(Debug, thiserror::Error)]
#[error("the connection is closed by a fault")]
struct ClosedByFault;

/// Serves HTTP until the sandbox stops.
pub(super) async fn run(world: Arc<World>, listener: TcpListener) {
    let router = meta::routes()
        .merge(account::routes())
        .merge(twilio::routes())
        .merge(control::routes())
        .with_state(Arc::clone(&world));
    accept_loop(&world, listener, |stream| serve(Arc::clone(&world), router.clone(), stream)).await;
}

/// Gives every connection a task of its own until the sandbox stops.
pub(super) async fn accept_loop<Serving>(
    world: &World,
    listener: TcpListener,
    serve: impl Fn(TcpStream) -> Serving,
) where
    Serving: Future<Output = ()> + Send + 'static,
{
    loop {
        tokio::select! {
            () = world.cancelled().cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    world.tracker().spawn(serve(stream));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

async fn serve(world: Arc<World>, router: Router, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move {
            let response = router.oneshot(request.map(Body::new)).await;
            let response = response.unwrap_or_else(|never: Infallible| match never {});
            match response.extensions().get::<Severed>() {
                Some(Severed) => Err(ClosedByFault),
                None => Ok(response),
            }
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = world.cancelled().cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(LAST_WORDS, connection).await;
        }
    }
}

/// The connection is closed without an answer.
pub(super) fn severed() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Severed);
    response
}

/// A provider's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// The provider's code; without one the body is empty.
    pub(super) code: Option<String>,
    pub(super) message: String,
    pub(super) details: String,
    pub(super) retry_after: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: u32, message: &str, details: impl Into<String>) -> Self {
        Self {
            status,
            code: Some(code.to_string()),
            message: message.to_owned(),
            details: details.into(),
            retry_after: None,
        }
    }
}

/// How a provider words its answers.
pub(super) struct Dialect {
    pub(super) accepted: fn(&World, &Entry) -> Response,
    pub(super) refused: fn(&Refusal) -> serde_json::Value,
}

impl Dialect {
    pub(super) fn refuse(&self, refusal: &Refusal) -> Response {
        let mut response = if refusal.code.is_some() {
            axum::Json((self.refused)(refusal)).into_response()
        } else {
            Response::new(Body::empty())
        };
        *response.status_mut() = status(refusal.status);
        if let Some(value) =
            refusal.retry_after.as_deref().and_then(|wait| HeaderValue::from_str(wait).ok())
        {
            response.headers_mut().insert(RETRY_AFTER, value);
        }
        response
    }
}

/// Takes a message that passed the provider's checks, unless the script says otherwise.
pub(super) async fn settle(world: &Arc<World>, dialect: &Dialect, message: Message) -> Response {
    let fault = world.faults().take_answer(message.channel, &message.to);
    if let Some(AnswerFault::Refuse { status, code, retry_after }) = fault {
        return dialect.refuse(&Refusal {
            status,
            code,
            message: "refused by the sandbox's script".to_owned(),
            details: String::new(),
            retry_after,
        });
    }
    let entry = match world.accept(message).await {
        Ok(entry) => entry,
        Err(error) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
        }
    };
    let response = (dialect.accepted)(world, &entry);
    match fault {
        None | Some(AnswerFault::Refuse { .. }) => response,
        Some(AnswerFault::Drop) => severed(),
        Some(AnswerFault::Hold) => {
            world.gate().next_opening().await;
            response
        }
        Some(AnswerFault::HoldBody) => hold_body(world, response),
        Some(AnswerFault::Fail { status: code }) => status(code).into_response(),
        Some(AnswerFault::Garbage) => garbage(),
    }
}

/// The head leaves at once; the body follows at the next release.
fn hold_body(world: &World, response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    let opening = world.gate().next_opening();
    let late = async move {
        opening.await;
        axum::body::to_bytes(body, MAX_BODY_BYTES).await
    };
    Response::from_parts(head, Body::from_stream(futures::stream::once(late)))
}

fn garbage() -> Response {
    let page = "<!doctype html><title>502</title><h1>Somebody else's error page</h1>";
    ([(CONTENT_TYPE, "text/html")], page).into_response()
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The body of a request, or nothing when the client broke off or sent too much.
pub(super) async fn read_body(body: Body) -> Option<Bytes> {
    axum::body::to_bytes(body, MAX_BODY_BYTES).await.ok()
}
