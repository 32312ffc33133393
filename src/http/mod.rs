//! The HTTP server: provider webhooks, the link to unsubscribe, health, readiness, metrics.
//!
//! It verifies, keeps and answers; what a callback means is read later, from what was kept. It knows neither
//! the store nor the daemon: both stand behind [`Sink`], [`Leaving`] and [`Readiness`]. Called by `cli`.

mod accept;
mod health;
mod unsubscribe;
mod webhooks;

pub use accept::{Limits, NotListening, serve_on, start};
pub use health::{Component, Readiness};
pub use unsubscribe::{Leaving, NotHeard};
pub use webhooks::{NotKept, Sink};

use crate::channel::Channels;
use axum::Router;
use axum::routing::get;
use std::sync::Arc;

/// What the routes need.
#[derive(Clone)]
pub struct Parts {
    /// The channels whose callbacks come in.
    pub channels: Channels,
    /// Where verified callbacks are kept.
    pub sink: Arc<dyn Sink>,
    /// Who leaves by a mail's link.
    pub leaving: Arc<dyn Leaving>,
    /// How the daemon is.
    pub readiness: Arc<dyn Readiness>,
    /// The metrics as text, in Prometheus' exposition format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// The routes of the daemon (design.md section 8).
pub fn router(parts: Parts, limits: Limits) -> Router {
    let webhook = get(webhooks::receive).post(webhooks::receive);
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/webhooks/{channel}", webhook.clone())
        // Gateways that sign nothing call an address that holds a secret: the channel itself reads the rest.
        .route("/webhooks/{channel}/{*rest}", webhook)
        .route("/u/{token}", get(unsubscribe::ask).post(unsubscribe::leave))
        .with_state(Arc::new(State { parts, limits }))
}

/// What the handlers share.
struct State {
    parts: Parts,
    limits: Limits,
}
