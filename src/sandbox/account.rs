//! What Meta tells of an account: the list of its templates, how its number stands.
//!
//! Sources: Meta's documentation of 2026-09 ("templates/overview", "messaging-limits").

use super::Template;
use super::media::upload;
use super::meta::{DIALECT, admit};
use super::world::World;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/{version}/{phone_number_id}/media", post(upload))
        .route("/{version}/{account}/message_templates", get(list_templates))
        .route("/{version}/{phone_number_id}", get(number))
}

/// The list of templates, a page at a time, in Meta's words.
async fn list_templates(
    State(world): State<Arc<World>>,
    Path((_version, named)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let account = &world.config().whatsapp;
    if let Err(refusal) = admit(account, &headers, &named, &account.business_account_id) {
        return DIALECT.refuse(&refusal);
    }
    let number = |key: &str| query.get(key).and_then(|text| text.parse::<usize>().ok());
    let (from, limit) = (number("after").unwrap_or(0), number("limit").unwrap_or(25));
    let templates = world.templates();
    let each = |(name, template): (&String, &Template)| {
        let (name, template) = (name.clone(), template.clone());
        let languages: Vec<String> = template.languages.iter().cloned().collect();
        languages.into_iter().map(move |language| listed(&name, &language, &template))
    };
    let all: Vec<Value> = templates.iter().flat_map(each).collect();
    let to = from.saturating_add(limit).min(all.len());
    let mut paging = json!({"cursors": {"before": from.to_string(), "after": to.to_string()}});
    if to < all.len() {
        paging["next"] = json!(format!("https://graph.example.org/{named}?after={to}"));
    }
    let page: Vec<&Value> = all.iter().skip(from).take(limit).collect();
    axum::Json(json!({"data": page, "paging": paging})).into_response()
}

fn listed(name: &str, language: &str, template: &Template) -> Value {
    let or =
        |word: &str, usual: &str| if word.is_empty() { usual.to_owned() } else { word.to_owned() };
    let by_name = !template.parameter_names.is_empty();
    let numbers = (1..=template.parameters).map(|n| format!("{{{{{n}}}}}"));
    let names = template.parameter_names.iter().map(|name| format!("{{{{{name}}}}}"));
    let slots: Vec<String> = if by_name { names.collect() } else { numbers.collect() };
    let mut components =
        vec![json!({"type": "BODY", "text": format!("Reminder {} end.", slots.join(" and "))})];
    if !template.header.is_empty() {
        components.insert(0, json!({"type": "HEADER", "format": template.header}));
    }
    if !template.buttons.is_empty() {
        let quick = |title: &String| json!({"type": "QUICK_REPLY", "text": title});
        let buttons: Vec<Value> = template.buttons.iter().map(quick).collect();
        components.push(json!({"type": "BUTTONS", "buttons": buttons}));
    }
    json!({
        "id": format!("{name}.{language}"),
        "name": name,
        "language": language,
        "status": or(&template.status, "APPROVED"),
        "category": or(&template.category, "UTILITY"),
        "quality_score": {"score": "GREEN"},
        "parameter_format": if by_name { "NAMED" } else { "POSITIONAL" },
        "message_send_ttl_seconds": template.ttl_seconds,
        "components": components,
    })
}

/// How the number stands.
async fn number(
    State(world): State<Arc<World>>,
    Path((_version, named)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let account = &world.config().whatsapp;
    if let Err(refusal) = admit(account, &headers, &named, &account.phone_number_id) {
        return DIALECT.refuse(&refusal);
    }
    axum::Json(json!({
        "id": account.phone_number_id,
        "status": "CONNECTED",
        "quality_rating": "GREEN",
        "throughput": {"level": "STANDARD"},
        "whatsapp_business_manager_messaging_limit": *world.messaging_limit(),
    }))
    .into_response()
}
