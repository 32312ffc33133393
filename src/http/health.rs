//! Whether the daemon lives, whether it is ready, and its figures.

use super::State;
use axum::Json;
use axum::extract;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use futures::future::BoxFuture;
use serde::Serialize;
use std::sync::Arc;

/// How the daemon is. Implemented by `cli`, which knows its parts.
pub trait Readiness: Send + Sync {
    /// Every component, in a fixed order.
    fn components(&self) -> BoxFuture<'_, Vec<Component>>;
}

/// One part of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Its name: `database`, `schedule`, ...
    pub name: &'static str,
    /// Why it is not ready, for an operator; absent when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// What an operator should know all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Component {
    /// A part with its fault, if it has one.
    pub const fn new(name: &'static str, fault: Option<String>) -> Self {
        Self { name, fault, note: None }
    }
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    components: Vec<Component>,
}

/// `GET /healthz`: the process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 when every component is ready, else 503; both with the list.
pub(super) async fn ready(extract::State(state): extract::State<Arc<State>>) -> impl IntoResponse {
    let components = state.parts.readiness.components().await;
    let ready = components.iter().all(|component| component.fault.is_none());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Report { ready, components }))
}

/// `GET /metrics`, for Prometheus.
pub(super) async fn metrics(
    extract::State(state): extract::State<Arc<State>>,
) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], (state.parts.metrics)())
}
