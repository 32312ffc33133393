//! `/u/{token}`: a patient leaves by the link of a mail (RFC 8058). GET only asks, since scanners of links follow it;
//! POST does it, at once, without a login and without a redirect.

use super::State;
use axum::extract::{self, Path};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use futures::future::BoxFuture;
use metrics::counter;
use std::sync::Arc;
use tokio::time::timeout;

/// Who leaves by a mail's link. Implemented by the daemon over its store.
pub trait Leaving: Send + Sync {
    /// The page that asks whether the patient means it; none for a token that is not ours.
    ///
    /// # Errors
    /// [`NotHeard`], when the database fails.
    fn ask<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<String>, NotHeard>>;

    /// Stops the messages durably and returns the page that says so; none for a token that is not ours.
    ///
    /// # Errors
    /// [`NotHeard`]: whoever asked is told to come again.
    fn leave<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<String>, NotHeard>>;
}

/// It could not be read or written; whoever tried has logged why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request to leave could not be written")]
pub struct NotHeard;

pub(super) async fn ask(
    extract::State(state): extract::State<Arc<State>>,
    Path(token): Path<String>,
) -> Response {
    answer(&state, "asked", state.parts.leaving.ask(&token)).await
}

pub(super) async fn leave(
    extract::State(state): extract::State<Arc<State>>,
    Path(token): Path<String>,
) -> Response {
    answer(&state, "left", state.parts.leaving.leave(&token)).await
}

/// The page names a sender of health messages: it is kept nowhere, shown in no frame, and loads nothing.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    ),
];

async fn answer(
    state: &State,
    what: &'static str,
    page: BoxFuture<'_, Result<Option<String>, NotHeard>>,
) -> Response {
    let (what, response) = match timeout(state.limits.keep, page).await {
        Ok(Ok(Some(page))) => (what, (HEADERS, Html(page)).into_response()),
        Ok(Ok(None)) => ("unknown-token", StatusCode::NOT_FOUND.into_response()),
        Ok(Err(NotHeard)) | Err(_) => ("failed", StatusCode::SERVICE_UNAVAILABLE.into_response()),
    };
    counter!("carebell_unsubscribe_requests_total", "outcome" => what).increment(1);
    response
}
