//! Meta's Cloud API: what it checks, how it answers, what its webhooks look like.
//!
//! Sources: Meta's documentation of 2026-09 ("messages/send-messages", "webhooks/reference", "support/error-codes")
//! and facebook/openapi, by way of `reference/channels.md` section 1.

use super::callbacks::{Callback, Payload};
use super::config::DEFAULT_TEMPLATE_TTL_SECONDS;
use super::http::{Dialect, Refusal, read_body, settle, severed};
use super::media;
use super::people::{Status, Step};
use super::world::World;
use super::{Channel, Condition, Entry, Message, Reply, Template, TemplateUse, WhatsappAccount};
use crate::care::UtcMs;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// Longest free text, in characters.
const MAX_TEXT_CHARS: usize = 4096;
/// Longest `biz_opaque_callback_data`, in characters.
const MAX_OPAQUE_CHARS: usize = 512;
/// Most spaces in a row in a template's parameter.
const MAX_SPACES: usize = 4;

pub(super) const DIALECT: Dialect = Dialect { accepted, refused };

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/{version}/{phone_number_id}/messages", post(send))
}

async fn send(
    State(world): State<Arc<World>>,
    Path((_version, phone_number_id)): Path<(String, String)>,
    request: Request,
) -> Response {
    let _busy = world.agenda().busy();
    if world.faults().take_drop_before_reading(Channel::Whatsapp) {
        return severed();
    }
    let (head, body) = request.into_parts();
    let account = &world.config().whatsapp;
    if let Err(refusal) = admit(account, &head.headers, &phone_number_id, &account.phone_number_id)
    {
        return DIALECT.refuse(&refusal);
    }
    let Some(body) = read_body(body).await else {
        return severed();
    };
    match judge(&world, &body) {
        Ok(message) => settle(&world, &DIALECT, message).await,
        Err(refusal) => DIALECT.refuse(&refusal),
    }
}

/// The token, then the object that the path names.
pub(super) fn admit(
    account: &WhatsappAccount,
    headers: &HeaderMap,
    named: &str,
    expected: &str,
) -> Result<(), Refusal> {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = format!("Bearer {}", account.access_token);
    if !token.is_some_and(|token| token.as_bytes().ct_eq(bearer.as_bytes()).into()) {
        let details = "The access token is missing, expired or not this account's.";
        return Err(Refusal::new(401, 190, "Invalid OAuth access token", details));
    }
    if named != expected {
        let details = "Object does not exist, or cannot be loaded due to missing permissions.";
        return Err(Refusal::new(400, 100, "Unsupported post request", details));
    }
    Ok(())
}

/// News of a field of the account.
pub(super) fn news(world: &World, field: &str, value: &Value) -> Callback {
    of_field(world, world.ids().hex(), field, value)
}

/// Everything Meta checks, in its order: the request, the template, then the person.
fn judge(world: &World, body: &[u8]) -> Result<Message, Refusal> {
    let request: Value = serde_json::from_slice(body)
        .map_err(|_| Refusal::new(400, 100, "Invalid parameter", "The body is not JSON."))?;
    let account = &world.config().whatsapp;
    let mut message = read_message(&request, world)?;
    let now = world.now();
    let mut people = world.people();
    if message.template.is_none() && !people.window_is_open(&message.to, now) {
        let details =
            "More than 24 hours have passed since the recipient last replied to the sender number.";
        return Err(Refusal::new(400, 131_047, "Re-engagement message", details));
    }
    if people.condition(&message.to) == Some(Condition::Unknown) {
        let details = "Unable to deliver message.";
        return Err(Refusal::new(400, 131_026, "Message undeliverable", details));
    }
    if let Some(limit) = account.pair_limit
        && !people.take_pair_slot(&message.to, limit, now)
    {
        let details = "Too many messages sent from the sender phone number to the same recipient \
                       phone number in a short period of time.";
        let title = "(Business Account, Consumer Account) pair rate limit hit";
        return Err(Refusal::new(400, 131_056, title, details));
    }
    message.provider_id = wamid(world);
    Ok(message)
}

fn wamid(world: &World) -> String {
    format!("wamid.{}", BASE64.encode(format!("HBg{}", world.ids().hex())))
}

pub(super) fn required(field: &str) -> Refusal {
    let details = format!("The parameter {field} is required.");
    Refusal::new(400, 100, "Invalid parameter", details)
}

fn invalid(details: &str) -> Refusal {
    Refusal::new(400, 131_009, "Parameter value is not valid", details)
}

fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// Pure: what the request says, if it may say so.
fn read_message(request: &Value, world: &World) -> Result<Message, Refusal> {
    let account = &world.config().whatsapp;
    if text_at(request, "/messaging_product") != Some("whatsapp") {
        return Err(required("messaging_product"));
    }
    let to = text_at(request, "/to").ok_or_else(|| required("to"))?;
    if !is_e164(to) {
        // Meta would take it and put the business's own country code before it: a stranger's number.
        return Err(invalid("`to` is not a plus sign and 7 to 15 digits."));
    }
    let correlation = text_at(request, "/biz_opaque_callback_data");
    if correlation.is_some_and(|opaque| opaque.chars().count() > MAX_OPAQUE_CHARS) {
        return Err(invalid("`biz_opaque_callback_data` is longer than 512 characters."));
    }
    let mut message = Message {
        channel: Channel::Whatsapp,
        from: account.phone_number_id.clone(),
        to: to.to_owned(),
        user_id: text_at(request, "/recipient").map(str::to_owned),
        correlation: correlation.map(str::to_owned),
        body: None,
        template: None,
        subject: None,
        valid_seconds: None,
        status_callback: None,
        provider_id: String::new(),
    };
    match text_at(request, "/type").unwrap_or("text") {
        "text" => {
            let body = text_at(request, "/text/body").ok_or_else(|| required("text[body]"))?;
            if body.is_empty() || body.chars().count() > MAX_TEXT_CHARS {
                return Err(invalid("`text.body` must have 1 to 4096 characters."));
            }
            message.body = Some(body.to_owned());
        }
        "template" => {
            let (template, ttl_seconds) = read_template(request, world)?;
            message.template = Some(template);
            message.valid_seconds = Some(ttl_seconds);
        }
        "interactive" => message.body = Some(interactive(request)?),
        kind @ ("image" | "video" | "document") => {
            let caption = text_at(request, &format!("/{kind}/caption")).unwrap_or_default();
            let file = media::of_message(kind, request.get(kind), world)?;
            message.body = Some(format!("[{file}] {caption}"));
        }
        _ => {
            let details =
                "The sandbox takes text, template, interactive, image, video and document.";
            return Err(Refusal::new(400, 131_051, "Unsupported message type", details));
        }
    }
    Ok(message)
}

fn read_template(request: &Value, world: &World) -> Result<(TemplateUse, u32), Refusal> {
    let name = text_at(request, "/template/name").ok_or_else(|| required("template[name]"))?;
    let language = text_at(request, "/template/language/code")
        .ok_or_else(|| required("template[language][code]"))?;
    let templates = world.templates();
    let approved = templates.get(name).filter(|t| t.languages.contains(language));
    let title = "Template is Paused";
    match approved.map(|template| template.status.as_str()) {
        Some("PAUSED") => return Err(Refusal::new(400, 132_015, title, "Template is paused")),
        Some("DISABLED") => return Err(Refusal::new(400, 132_016, title, "Template is disabled")),
        _ => {}
    }
    let is_approved = |t: &&Template| matches!(t.status.as_str(), "" | "APPROVED" | "FLAGGED");
    let Some(approved) = approved.filter(is_approved) else {
        let details = format!("template name ({name}) does not exist in {language}");
        let title = "Template name does not exist in the translation";
        return Err(Refusal::new(404, 132_001, title, details));
    };
    let (mut parameters, mut buttons, mut header) = (Vec::new(), Vec::new(), None);
    for component in
        request.pointer("/template/components").and_then(Value::as_array).into_iter().flatten()
    {
        match text_at(component, "/type").map(str::to_ascii_lowercase).as_deref() {
            Some("body") => {
                parameters.extend(body_parameters(component)?);
                named_as(component, approved)?;
            }
            Some("header") => header = Some(header_file(component, approved, world)?),
            Some("button") => buttons.push(button_payload(component)?),
            _ => return Err(invalid("The sandbox takes the components header, body and button.")),
        }
    }
    if parameters.len() != approved.parameters {
        let details = format!(
            "body: number of localizable_params ({}) does not match the expected number of params ({})",
            parameters.len(),
            approved.parameters
        );
        let title = "Number of parameters does not match the expected number of params";
        return Err(Refusal::new(400, 132_000, title, details));
    }
    if buttons.len() > approved.buttons.len() {
        let details = "buttons: a quick reply that the template does not have";
        return Err(Refusal::new(400, 132_018, "Invalid parameter", details));
    }
    if header.is_none() && !matches!(approved.header.as_str(), "" | "TEXT") {
        return Err(other_header());
    }
    let ttl_seconds = approved.ttl_seconds.unwrap_or(DEFAULT_TEMPLATE_TTL_SECONDS);
    let (name, language) = (name.to_owned(), language.to_owned());
    let template = TemplateUse { name, language, parameters, buttons, header };
    Ok((template, ttl_seconds))
}

/// Parameters with names must have the template's.
fn named_as(component: &Value, template: &Template) -> Result<(), Refusal> {
    let parameters = component["parameters"].as_array().into_iter().flatten();
    let names: Vec<&str> = parameters.filter_map(|p| p["parameter_name"].as_str()).collect();
    if names == template.parameter_names {
        return Ok(());
    }
    let title = "Template Parameter Format Mismatch";
    Err(Refusal::new(400, 132_012, title, "The parameters' names are not the template's."))
}

fn header_file(component: &Value, template: &Template, world: &World) -> Result<String, Refusal> {
    let file = &component["parameters"][0];
    let kind = file["type"].as_str().unwrap_or_default();
    if !kind.eq_ignore_ascii_case(&template.header) {
        return Err(other_header());
    }
    media::of_message(kind, file.get(kind), world)
}

fn other_header() -> Refusal {
    let title = "Template Parameter Format Mismatch";
    Refusal::new(400, 132_012, title, "header: Format mismatch")
}

/// Reply buttons or a list, with Meta's limits; returns the text.
fn interactive(request: &Value) -> Result<String, Refusal> {
    let body = text_at(request, "/interactive/body/text").ok_or_else(|| required("body"))?;
    let action = &request["interactive"]["action"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (choices, most, longest) = match text_at(request, "/interactive/type") {
        Some("button") => {
            let of = |b: Value| b["reply"].clone();
            (list(&action["buttons"]).into_iter().map(of).collect::<Vec<_>>(), 3, 20)
        }
        Some("list") => {
            let sections = list(&action["sections"]).into_iter();
            (sections.flat_map(|s| list(&s["rows"])).collect(), 10, 24)
        }
        _ => {
            return Err(invalid("The sandbox takes interactive messages of type button and list."));
        }
    };
    let fits = |one: &Value| {
        let title = one["title"].as_str().map_or(0, |title| title.chars().count());
        (1..=longest).contains(&title) && one["id"].as_str().is_some_and(|id| !id.is_empty())
    };
    if body.is_empty() || choices.is_empty() || choices.len() > most || !choices.iter().all(fits) {
        return Err(invalid("The choices are too many, too long or without id."));
    }
    Ok(body.to_owned())
}

fn body_parameters(component: &Value) -> Result<Vec<String>, Refusal> {
    let parameters = component.pointer("/parameters").and_then(Value::as_array);
    parameters.into_iter().flatten().map(body_parameter).collect()
}

fn body_parameter(parameter: &Value) -> Result<String, Refusal> {
    let missing =
        |details: &str| Refusal::new(400, 131_008, "Required parameter is missing", details);
    if text_at(parameter, "/type") != Some("text") {
        return Err(missing("The sandbox takes parameters of type text."));
    }
    let text = text_at(parameter, "/text")
        .filter(|text| !text.is_empty())
        .ok_or_else(|| missing("Parameter of type text is missing text value"))?;
    let spaces = " ".repeat(MAX_SPACES + 1);
    if text.contains(['\n', '\r', '\t']) || text.contains(&spaces) {
        let details =
            "Param text cannot have new-line/tab characters or more than 4 consecutive spaces";
        return Err(Refusal::new(400, 132_018, "Invalid parameter", details));
    }
    Ok(text.to_owned())
}

fn button_payload(component: &Value) -> Result<String, Refusal> {
    let is_quick_reply = text_at(component, "/sub_type") == Some("quick_reply");
    let has_index = component.get("index").is_some();
    match text_at(component, "/parameters/0/payload") {
        Some(payload) if is_quick_reply && has_index => Ok(payload.to_owned()),
        _ => Err(invalid("A button needs sub_type quick_reply, an index and a payload.")),
    }
}

/// A plus sign and 7 to 15 digits, the first not zero (ITU-T E.164).
pub(super) fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn digits(number: &str) -> &str {
    number.trim_start_matches('+')
}

fn accepted(world: &World, entry: &Entry) -> Response {
    let message = &entry.message;
    let wa_id = world.people().known_as(&message.to);
    axum::Json(json!({
        "messaging_product": "whatsapp",
        "contacts": [{"input": message.to, "wa_id": wa_id}],
        "messages": [{"id": message.provider_id, "message_status": "accepted"}],
    }))
    .into_response()
}

fn refused(refusal: &Refusal) -> Value {
    let code = refusal.code.as_deref().unwrap_or_default();
    json!({"error": {
        "message": format!("(#{code}) {}", refusal.message),
        "type": "OAuthException",
        "code": code.parse::<u32>().unwrap_or_default(),
        "error_data": {"messaging_product": "whatsapp", "details": refusal.details},
        "fbtrace_id": "Asandbox",
    }})
}

/// A status webhook. Failed ones carry no contacts block.
pub(super) fn receipt(world: &World, entry: &Entry, step: Step) -> Callback {
    let message = &entry.message;
    let wa_id = world.people().known_as(&message.to);
    let mut status = json!({
        "id": message.provider_id,
        "status": match step.status {
            Status::Sent => "sent",
            Status::Delivered => "delivered",
            Status::Read => "read",
            Status::Failed(_) => "failed",
        },
        "timestamp": seconds(step.at),
        "recipient_id": wa_id,
    });
    if let Some(opaque) = &message.correlation {
        status["biz_opaque_callback_data"] = json!(opaque);
    }
    let mut value = json!({"messaging_product": "whatsapp", "metadata": metadata(world)});
    if let Status::Failed(code) = step.status {
        status["errors"] = json!([{
            "code": code,
            "title": "Message undeliverable",
            "message": "Message undeliverable",
            "error_data": {"details": "Unable to deliver message."},
            "href": "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes",
        }]);
    } else {
        value["contacts"] = json!([contact(&wa_id)]);
    }
    value["statuses"] = json!([status]);
    webhook(world, message.provider_id.clone(), &value)
}

/// What a person says, as Meta posts it: text, or the tap on a template's button.
pub(super) fn inbound(world: &World, at: UtcMs, reply: &Reply) -> Callback {
    let wa_id = digits(&reply.from);
    let id = wamid(world);
    let mut message = json!({"from": wa_id, "id": id, "timestamp": seconds(at)});
    if let Some(context) = &reply.context {
        message["context"] =
            json!({"from": world.config().whatsapp.display_phone_number, "id": context});
    }
    if let Some(payload) = &reply.payload {
        message["type"] = json!("button");
        message["button"] = json!({"payload": payload, "text": reply.text});
    } else {
        message["type"] = json!("text");
        message["text"] = json!({"body": reply.text});
    }
    let value = json!({
        "messaging_product": "whatsapp",
        "metadata": metadata(world),
        "contacts": [contact(wa_id)],
        "messages": [message],
    });
    webhook(world, id, &value)
}

fn metadata(world: &World) -> Value {
    let account = &world.config().whatsapp;
    json!({
        "display_phone_number": account.display_phone_number,
        "phone_number_id": account.phone_number_id,
    })
}

fn contact(wa_id: &str) -> Value {
    json!({"profile": {"name": "A. Patient"}, "wa_id": wa_id})
}

fn webhook(world: &World, about: String, value: &Value) -> Callback {
    of_field(world, about, "messages", value)
}

fn of_field(world: &World, about: String, field: &str, value: &Value) -> Callback {
    let account = &world.config().whatsapp.business_account_id;
    // The same news at another time are other news.
    let time = world.now().0.div_euclid(1_000);
    let body = json!({
        "object": "whatsapp_business_account",
        "entry": [{"id": account, "time": time, "changes": [{"value": value, "field": field}]}],
    });
    let body = Payload::Json(escape_as_meta(&body.to_string()));
    Callback::new(Channel::Whatsapp, about, None, body, world.ids().hex())
}

fn seconds(at: UtcMs) -> String {
    at.0.div_euclid(1_000).to_string()
}

/// Meta escapes every non-ASCII character as `\uXXXX` and every slash as `\/`, and signs that.
fn escape_as_meta(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '/' => escaped.push_str("\\/"),
            ' '..='~' => escaped.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_are_ascii_and_mean_the_same() {
        let value = json!({"body": "दवा 💊 a/b \n é"});
        let escaped = escape_as_meta(&value.to_string());
        assert!(
            escaped.is_ascii() && escaped.contains("\\ud83d\\udc8a") && escaped.contains("\\/")
        );
        assert_eq!(serde_json::from_str::<Value>(&escaped).unwrap(), value);
    }
}
