//! The remote control: whoever runs `carebell sandbox` as a process of its own drives it over `/_sandbox/...`.
//!
//! | request | does |
//! | --- | --- |
//! | `GET ledger?channel=&to=&correlation=&after_seq=` | entries that match, as an array |
//! | `GET state` | clock, idle, pending, next due time, held responses |
//! | `GET faults`, `POST faults` (array of rules), `DELETE faults` | the script |
//! | `POST reply`, `{channel, from, text, payload?, context?, at?}` | a person answers, now or at `at` |
//! | `POST condition`, `{address, condition}` | what is special about an address; null lifts it |
//! | `POST callback`, `{url}` | where the daemon listens |
//! | `POST subscribe`, `{verify_token}` | registers the WhatsApp webhook |
//! | `POST clock`, `{advance_ms}` | sets the sandbox's clock ahead |
//! | `POST tick`, `POST release` | posts what is due; lets held responses go |

use super::world::World;
use super::{Condition, Entry, Query, Reply, Rule, SandboxError};
use crate::care::UtcMs;
use axum::extract::{Query as UrlQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

type Shared = State<Arc<World>>;

pub(super) fn routes() -> Router<Arc<World>> {
    let control = Router::new()
        .route("/ledger", get(ledger))
        .route("/state", get(state))
        .route("/faults", get(faults).post(add_faults).delete(clear_faults))
        .route("/reply", post(reply))
        .route("/condition", post(condition))
        .route("/callback", post(callback))
        .route("/subscribe", post(subscribe))
        .route("/clock", post(clock))
        .route("/tick", post(tick))
        .route("/release", post(release));
    Router::new().nest("/_sandbox", control)
}

impl IntoResponse for SandboxError {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({"error": self.to_string()}))).into_response()
    }
}

async fn ledger(State(world): Shared, UrlQuery(query): UrlQuery<Query>) -> Json<Vec<Entry>> {
    Json(world.ledger().find(&query))
}

async fn state(State(world): Shared) -> Json<Value> {
    let (now, agenda) = (world.now(), world.agenda());
    Json(json!({
        "now": now,
        "is_idle": agenda.is_idle(now),
        "pending": agenda.pending(),
        "next_at": agenda.next_at(),
        "held": world.gate().held(),
        "accepted": world.ledger().len(),
    }))
}

async fn faults(State(world): Shared) -> Json<Vec<Rule>> {
    Json(world.faults().rules())
}

async fn add_faults(State(world): Shared, Json(rules): Json<Vec<Rule>>) -> StatusCode {
    for rule in rules {
        world.faults().add(rule);
    }
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(world): Shared) -> StatusCode {
    world.faults().clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct ReplyAt {
    #[serde(flatten)]
    reply: Reply,
    at: Option<UtcMs>,
}

async fn reply(
    State(world): Shared,
    Json(order): Json<ReplyAt>,
) -> Result<StatusCode, SandboxError> {
    world.schedule_reply(order.at.unwrap_or_else(|| world.now()), order.reply)?;
    world.tick().await;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionOf {
    address: String,
    condition: Option<Condition>,
}

async fn condition(State(world): Shared, Json(order): Json<ConditionOf>) -> StatusCode {
    world.set_condition(&order.address, order.condition);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallbackUrl {
    url: String,
}

async fn callback(
    State(world): Shared,
    Json(order): Json<CallbackUrl>,
) -> Result<StatusCode, SandboxError> {
    world.call_back(&order.url)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscribe {
    verify_token: String,
}

async fn subscribe(
    State(world): Shared,
    Json(order): Json<Subscribe>,
) -> Result<StatusCode, SandboxError> {
    world.subscribe(&order.verify_token).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: i64,
}

async fn clock(State(world): Shared, Json(order): Json<Advance>) -> StatusCode {
    world.advance_ms(order.advance_ms);
    StatusCode::NO_CONTENT
}

async fn tick(State(world): Shared) -> StatusCode {
    world.tick().await;
    StatusCode::NO_CONTENT
}

async fn release(State(world): Shared) -> StatusCode {
    world.gate().release();
    StatusCode::NO_CONTENT
}
