//! `GET|POST /webhooks/{channel}`: verify, keep, answer. Nothing is read from a body here.

use super::State;
use super::accept::Peer;
use crate::channel::{Callback, Channel, KeptAnswer, PEER_HEADER, Reject, Verified};
use axum::body::Body;
use axum::extract::{self, Path, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use metrics::counter;
use std::sync::Arc;
use tokio::time::timeout;

/// Where verified callbacks are kept before they are understood. Implemented by the daemon over its store.
pub trait Sink: Send + Sync {
    /// Keeps a callback durably; one whose key the channel has given before is kept already, which is a
    /// success.
    ///
    /// # Errors
    /// [`NotKept`]: the provider is told to come again.
    fn keep<'a>(
        &'a self,
        channel: &'a str,
        callback: Callback,
        dedupe_key: String,
    ) -> BoxFuture<'a, Result<(), NotKept>>;
}

/// A callback could not be kept; whoever tried has logged why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the callback could not be kept")]
pub struct NotKept;

/// Why a request is turned away.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    UnknownChannel,
    Rejected(Reject),
    BodyTooLarge,
    BodyTooSlow,
    BodyBroken,
    NotKept,
}

impl Refusal {
    /// The label of the metric.
    const fn reason(self) -> &'static str {
        match self {
            Self::UnknownChannel => "unknown-channel",
            Self::Rejected(Reject::Unsigned) => "unsigned",
            Self::Rejected(Reject::BadSignature) => "bad-signature",
            Self::Rejected(Reject::Unexpected) => "unexpected",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyTooSlow => "body-too-slow",
            Self::BodyBroken => "body-broken",
            Self::NotKept => "not-kept",
        }
    }

    /// 5xx only where the provider shall come again.
    const fn status(self) -> StatusCode {
        match self {
            Self::UnknownChannel => StatusCode::NOT_FOUND,
            Self::Rejected(Reject::Unsigned | Reject::BadSignature) => StatusCode::FORBIDDEN,
            Self::Rejected(Reject::Unexpected) | Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NotKept => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

pub(super) async fn receive(
    extract::State(state): extract::State<Arc<State>>,
    Path(steps): Path<Vec<String>>,
    request: Request,
) -> Response {
    let name = steps.first().map_or("", String::as_str);
    let Some(channel) = state.parts.channels.by_name(name) else {
        return turn_away("none", Refusal::UnknownChannel);
    };
    match keep(&state, channel.as_ref(), request).await {
        Ok(answer) => {
            counter!("carebell_webhook_received_total", "channel" => channel.name().to_owned())
                .increment(1);
            said(answer)
        }
        Err(refusal) => turn_away(channel.name(), refusal),
    }
}

/// The answer: empty, because a provider may send what it finds there to the patient; what its channel is configured to
/// say; or a challenge.
async fn keep(
    state: &State,
    channel: &dyn Channel,
    request: Request,
) -> Result<KeptAnswer, Refusal> {
    let callback = read(state, request).await?;
    let dedupe_key = match channel.verify(&callback).map_err(Refusal::Rejected)? {
        Verified::Challenge(body) => return Ok(KeptAnswer { body, content_type: None }),
        Verified::Event { dedupe_key } => dedupe_key,
    };
    let keeping = state.parts.sink.keep(channel.name(), callback, dedupe_key);
    match timeout(state.limits.keep, keeping).await {
        Ok(Ok(())) => Ok(channel.kept_answer()),
        Ok(Err(NotKept)) | Err(_) => Err(Refusal::NotKept),
    }
}

fn said(KeptAnswer { body, content_type }: KeptAnswer) -> Response {
    match content_type {
        Some(kind) => ([(CONTENT_TYPE, kind)], body).into_response(),
        None => body.into_response(),
    }
}

async fn read(state: &State, request: Request<Body>) -> Result<Callback, Refusal> {
    let (head, body) = request.into_parts();
    let collecting = Limited::new(body, state.limits.max_body_bytes).collect();
    let body = match timeout(state.limits.body, collecting).await {
        Ok(Ok(whole)) => whole.to_bytes().to_vec(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Refusal::BodyTooLarge),
        Ok(Err(_)) => return Err(Refusal::BodyBroken),
        Err(_) => return Err(Refusal::BodyTooSlow),
    };
    let text = |value: &axum::http::HeaderValue| value.to_str().ok().map(ToOwned::to_owned);
    let headers = head.headers.iter();
    let peer = head.extensions.get::<Peer>();
    let peer = peer.map(|Peer(address)| (PEER_HEADER.to_owned(), address.to_string()));
    Ok(Callback {
        method: head.method.as_str().to_owned(),
        path_and_query: head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        headers: headers
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?)))
            .chain(peer)
            .collect(),
        body,
    })
}

fn turn_away(channel: &str, refusal: Refusal) -> Response {
    let (channel, reason) = (channel.to_owned(), refusal.reason());
    counter!("carebell_webhook_rejected_total", "channel" => channel, "reason" => reason)
        .increment(1);
    refusal.status().into_response()
}
