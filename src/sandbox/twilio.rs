//! Twilio's Messages resource: what it checks, how it answers and lists, what its callbacks look like.
//!
//! Sources: Twilio's documentation ("Messages resource", "Track outbound message status", "Security",
//! "Error and warning dictionary", "Test credentials") by way of `reference/channels.md` section 2.

use super::callbacks::{Callback, Payload};
use super::config::is_loopback_url;
use super::http::{Dialect, Refusal, read_body, settle, severed};
use super::ledger::TemplateUse;
use super::meta::is_e164;
use super::people::{OptOutType, Status, Step};
use super::world::World;
use super::{Channel, Condition, Entry, Message, Query, Reply};
use crate::care::UtcMs;
use axum::extract::{Form, FromRequest as _, Path, Query as UrlQuery, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, NaiveDate, NaiveTime};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// Longest body, in characters.
const MAX_BODY_CHARS: usize = 1600;
/// Longest `ValidityPeriod`, in seconds; the default as well.
const MAX_VALIDITY_SECONDS: u32 = 36_000;
const DEFAULT_PAGE_SIZE: usize = 50;
const MAX_PAGE_SIZE: usize = 1000;

/// Twilio's test numbers, by the parameter they are used in ("Test credentials").
const TEST_NUMBERS: [(&str, &str, u32, &str); 8] = [
    ("To", "+15005550001", 21_211, "Invalid 'To' Phone Number"),
    ("To", "+15005550002", 21_612, "Message cannot be sent with this From and To"),
    ("To", "+15005550003", 21_408, "Permission to send an SMS has not been enabled for the region"),
    ("To", "+15005550004", 21_610, "Attempt to send to unsubscribed recipient"),
    ("To", "+15005550009", 21_614, "'To' number is not a valid mobile number"),
    ("From", "+15005550001", 21_212, "Invalid 'From' Phone Number"),
    ("From", "+15005550007", 21_606, "The From phone number is not a valid, SMS-capable number"),
    (
        "From",
        "+15005550008",
        21_611,
        "This From number has exceeded the maximum number of queued messages",
    ),
];

const DIALECT: Dialect = Dialect { accepted, refused };

/// What stands before a WhatsApp address.
const WHATSAPP: &str = "whatsapp:";

type Parameters = Vec<(String, String)>;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/2010-04-01/Accounts/{account_sid}/Messages.json", get(list).post(send))
        .route("/2010-04-01/Accounts/{account_sid}/Messages/{file}", get(fetch))
}

fn value<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, v)| v.as_str())
        .filter(|v| !v.is_empty())
}

/// Basic authentication, then the account in the path.
fn admit(world: &World, headers: &HeaderMap, account_sid: &str) -> Result<(), Refusal> {
    let account = &world.config().twilio;
    let expected = BASE64.encode(format!("{}:{}", account.account_sid, account.auth_token));
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Basic "));
    if !given.is_some_and(|given| given.as_bytes().ct_eq(expected.as_bytes()).into()) {
        return Err(Refusal::new(401, 20_003, "Authenticate", ""));
    }
    if account_sid != account.account_sid {
        return Err(Refusal::new(404, 20_404, "The requested resource was not found", ""));
    }
    Ok(())
}

async fn send(
    State(world): State<Arc<World>>,
    Path(account_sid): Path<String>,
    request: Request,
) -> Response {
    let _busy = world.agenda().busy();
    if world.faults().take_drop_before_reading(Channel::Twilio) {
        return severed();
    }
    if let Err(refusal) = admit(&world, request.headers(), &account_sid) {
        return DIALECT.refuse(&refusal);
    }
    let (head, body) = request.into_parts();
    let Some(body) = read_body(body).await else {
        return severed();
    };
    let request = Request::from_parts(head, body.into());
    let Ok(Form(parameters)) = Form::<Parameters>::from_request(request, &()).await else {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    };
    match judge(&world, &parameters) {
        Ok(message) => settle(&world, &DIALECT, message).await,
        Err(refusal) => DIALECT.refuse(&refusal),
    }
}

/// Everything Twilio checks: sender, recipient, content, options, then whether the person has said STOP.
fn judge(world: &World, parameters: &Parameters) -> Result<Message, Refusal> {
    let no = |code, message: &str| Err(Refusal::new(400, code, message, ""));
    let Some(to) = value(parameters, "To") else {
        return no(21_604, "A 'To' phone number is required.");
    };
    let from = value(parameters, "MessagingServiceSid").or_else(|| value(parameters, "From"));
    let Some(from) = from else {
        return no(21_603, "A 'From' phone number is required.");
    };
    for (name, number, code, message) in TEST_NUMBERS {
        if (name == "To" && number == to) || (name == "From" && number == from) {
            return no(code, message);
        }
    }
    let by_whatsapp = to.starts_with(WHATSAPP);
    let (to, from) = match (to.strip_prefix(WHATSAPP), from.strip_prefix(WHATSAPP)) {
        (Some(to), Some(from)) => (to, from),
        // A Messaging Service has a sender of each kind.
        (Some(to), None) if from.starts_with("MG") => (to, from),
        (None, None) => (to, from),
        _ => return no(63_007, "Twilio could not find a Channel with the specified From address"),
    };
    if !world.config().twilio.senders.iter().any(|sender| sender == from) {
        return no(21_606, "The From phone number is not a valid, SMS-capable number");
    }
    if !is_e164(to) || world.people().condition(to) == Some(Condition::Unknown) {
        return no(21_211, "Invalid 'To' Phone Number");
    }
    let content = value(parameters, "ContentSid");
    let Some(body) = content.map_or_else(|| value(parameters, "Body"), |_| Some("")) else {
        return no(21_602, "Message body is required.");
    };
    if content.is_some_and(|sid| !is_content_sid(sid)) {
        return no(21_656, "The Content Variables parameter is invalid.");
    }
    let variables = value(parameters, "ContentVariables").unwrap_or("{}");
    let Ok(variables) = serde_json::from_str::<BTreeMap<String, String>>(variables) else {
        return no(21_656, "The Content Variables parameter is invalid.");
    };
    if by_whatsapp && content.is_none() && !world.people().window_is_open(to, world.now()) {
        return no(
            63_016,
            "Failed to send freeform message because you are outside the allowed window",
        );
    }
    if body.chars().count() > MAX_BODY_CHARS {
        return no(21_617, "The concatenated message body exceeds the 1600 character limit");
    }
    let status_callback = value(parameters, "StatusCallback");
    if status_callback.is_some_and(|url| !is_loopback_url(url)) {
        return no(21_609, "The StatusCallback URL is not a valid loopback URL");
    }
    let Some(valid_seconds) = validity_seconds(value(parameters, "ValidityPeriod")) else {
        return no(90_007, "ValidityPeriod must be from 1 to 36000 seconds");
    };
    if world.people().has_opted_out(to) {
        return no(21_610, "Attempt to send to unsubscribed recipient");
    }
    // As it was given, so that a list by address finds it.
    let addressed = |number: &str| {
        if by_whatsapp && number.starts_with('+') {
            format!("{WHATSAPP}{number}")
        } else {
            number.to_owned()
        }
    };
    Ok(Message {
        channel: Channel::Twilio,
        from: addressed(from),
        to: addressed(to),
        user_id: None,
        correlation: status_callback.and_then(first_query_value),
        body: Some(body.to_owned()).filter(|body| !body.is_empty()),
        template: content.map(|sid| TemplateUse {
            name: sid.to_owned(),
            language: String::new(),
            parameters: variables.into_values().collect(),
            buttons: Vec::new(),
            header: None,
        }),
        subject: None,
        valid_seconds: Some(valid_seconds),
        status_callback: status_callback.map(str::to_owned),
        provider_id: message_sid(world),
    })
}

/// `HX` and 32 hexadecimal digits.
fn is_content_sid(sid: &str) -> bool {
    sid.strip_prefix("HX")
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn validity_seconds(given: Option<&str>) -> Option<u32> {
    given.map_or(Some(MAX_VALIDITY_SECONDS), |text| {
        text.parse().ok().filter(|seconds| (1..=MAX_VALIDITY_SECONDS).contains(seconds))
    })
}

fn first_query_value(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    url.query_pairs().next().map(|(_, value)| value.into_owned())
}

fn message_sid(world: &World) -> String {
    format!("SM{}", world.ids().hex())
}

fn accepted(world: &World, entry: &Entry) -> Response {
    (StatusCode::CREATED, Json(resource(world, entry))).into_response()
}

fn refused(refusal: &Refusal) -> Value {
    let code = refusal.code.as_deref().unwrap_or_default();
    json!({
        "code": code.parse::<u32>().unwrap_or_default(),
        "message": refusal.message,
        "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
        "status": refusal.status,
    })
}

/// The Message resource as it stands now. `date_sent` is null while the message is queued.
fn resource(world: &World, entry: &Entry) -> Value {
    let Message { provider_id: sid, from, .. } = &entry.message;
    let account_sid = &world.config().twilio.account_sid;
    let reached = world.reached(sid);
    let (status, error_code) = reached.map_or(("queued", None), |(_, status)| words(status));
    json!({
        "sid": sid,
        "account_sid": account_sid,
        "api_version": "2010-04-01",
        "messaging_service_sid": from.starts_with("MG").then_some(from),
        "from": (!from.starts_with("MG")).then_some(from),
        "to": entry.message.to,
        "body": entry.message.body,
        "direction": "outbound-api",
        "status": status,
        "error_code": error_code,
        "error_message": null,
        // Twilio says 0 too until it has chosen a sender; the sandbox does not count segments.
        "num_segments": "0",
        "num_media": "0",
        "price": null,
        "price_unit": "USD",
        "date_created": rfc2822(entry.at),
        "date_updated": rfc2822(reached.map_or(entry.at, |(at, _)| at)),
        "date_sent": sent_at(world, entry).map(rfc2822),
        "uri": format!("/2010-04-01/Accounts/{account_sid}/Messages/{sid}.json"),
        "subresource_uris": {},
    })
}

fn sent_at(world: &World, entry: &Entry) -> Option<UtcMs> {
    world.reached(&entry.message.provider_id)?;
    Some(entry.at.plus_ms(world.config().receipts.sent_after_ms))
}

fn rfc2822(at: UtcMs) -> String {
    at.to_utc().format("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// Twilio's word for a status, with its error code.
const fn words(status: Status) -> (&'static str, Option<u32>) {
    match status {
        Status::Sent => ("sent", None),
        Status::Delivered | Status::Read => ("delivered", None),
        Status::Failed(code) => ("undelivered", Some(code)),
    }
}

async fn fetch(
    State(world): State<Arc<World>>,
    Path((account_sid, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = admit(&world, &headers, &account_sid) {
        return DIALECT.refuse(&refusal);
    }
    let found = file.strip_suffix(".json").and_then(|sid| world.ledger().by_provider_id(sid));
    match found.filter(|entry| entry.message.channel == Channel::Twilio) {
        Some(entry) => Json(resource(&world, &entry)).into_response(),
        None => DIALECT.refuse(&Refusal::new(404, 20_404, "The resource was not found", "")),
    }
}

/// The list, newest first. Its only filters are To, From and the date sent, as at Twilio.
async fn list(
    State(world): State<Arc<World>>,
    Path(account_sid): Path<String>,
    headers: HeaderMap,
    UrlQuery(parameters): UrlQuery<Parameters>,
) -> Response {
    if let Err(refusal) = admit(&world, &headers, &account_sid) {
        return DIALECT.refuse(&refusal);
    }
    let Some(sent) = SentFilter::read(&parameters) else {
        return DIALECT.refuse(&Refusal::new(400, 20_001, "DateSent is not a date", ""));
    };
    let number = |name| value(&parameters, name).and_then(|text| text.parse::<usize>().ok());
    let page_size = number("PageSize").unwrap_or(DEFAULT_PAGE_SIZE).clamp(1, MAX_PAGE_SIZE);
    let page = number("Page").unwrap_or(0);
    let query = Query {
        channel: Some(Channel::Twilio),
        to: value(&parameters, "To").map(str::to_owned),
        ..Query::default()
    };
    let from = value(&parameters, "From");
    let mut found = world.ledger().find(&query);
    found.reverse();
    found.retain(|entry| {
        from.is_none_or(|from| from == entry.message.from) && sent.matches(sent_at(&world, entry))
    });
    let messages: Vec<Value> = found
        .iter()
        .skip(page.saturating_mul(page_size))
        .take(page_size)
        .map(|entry| resource(&world, entry))
        .collect();
    let has_more = found.len() > (page + 1).saturating_mul(page_size);
    let path = format!("/2010-04-01/Accounts/{account_sid}/Messages.json");
    Json(json!({
        "messages": messages,
        "page": page,
        "page_size": page_size,
        "uri": path,
        "next_page_uri": has_more.then(|| next_page(&path, &parameters, page + 1)),
    }))
    .into_response()
}

fn next_page(path: &str, parameters: &Parameters, page: usize) -> Option<String> {
    let kept = parameters.iter().filter(|(name, _)| name != "Page").cloned();
    let all = kept.chain([("Page".to_owned(), page.to_string())]);
    let url = reqwest::Url::parse_with_params("http://localhost", all).ok()?;
    Some(format!("{path}?{}", url.query().unwrap_or_default()))
}

/// `DateSent` is a day; `DateSent<` (an end) and `DateSent>` (a start) take a day or an instant, and include it.
struct SentFilter {
    from: UtcMs,
    to: UtcMs,
    is_set: bool,
}

impl SentFilter {
    fn read(parameters: &Parameters) -> Option<Self> {
        let mut filter = Self { from: UtcMs::MIN, to: UtcMs::MAX, is_set: false };
        for (name, text) in parameters {
            let Some(operator) = name.strip_prefix("DateSent") else { continue };
            let (first, last) = span(text)?;
            filter.is_set = true;
            if matches!(operator, "" | ">") {
                filter.from = first;
            }
            if matches!(operator, "" | "<") {
                filter.to = last;
            }
        }
        Some(filter)
    }

    fn matches(&self, sent_at: Option<UtcMs>) -> bool {
        !self.is_set || sent_at.is_some_and(|at| self.from <= at && at <= self.to)
    }
}

/// The first and the last millisecond of a day or of an instant's second.
fn span(text: &str) -> Option<(UtcMs, UtcMs)> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        let first = UtcMs::from_naive_utc(day.and_time(NaiveTime::MIN));
        return Some((first, first.plus_ms(crate::care::time::DAY_MS - 1)));
    }
    let at = UtcMs(DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis());
    Some((at, at.plus_ms(999)))
}

/// A status callback; none without a `StatusCallback` in the request.
pub(super) fn receipt(world: &World, entry: &Entry, step: Step) -> Option<Callback> {
    let message = &entry.message;
    let url = message.status_callback.clone()?;
    let (word, error_code) = words(step.status);
    let sid = &message.provider_id;
    let mut parameters = vec![
        ("AccountSid", world.config().twilio.account_sid.clone()),
        ("ApiVersion", "2010-04-01".to_owned()),
        ("From", message.from.clone()),
        ("MessageSid", sid.clone()),
        ("MessageStatus", word.to_owned()),
        ("SmsSid", sid.clone()),
        ("SmsStatus", word.to_owned()),
        ("To", message.to.clone()),
    ];
    if let Some(code) = error_code {
        parameters.push(("ErrorCode", code.to_string()));
    } else if step.status == Status::Delivered {
        parameters.push(("RawDlrDoneDate", step.at.to_utc().format("%y%m%d%H%M").to_string()));
    }
    let payload = Payload::Form(parameters);
    Some(Callback::new(Channel::Twilio, sid.clone(), Some(url), payload, world.ids().hex()))
}

/// What a person says, as Twilio posts it to the number's webhook.
pub(super) fn inbound(world: &World, reply: &Reply) -> Callback {
    let sid = message_sid(world);
    let account = &world.config().twilio;
    // Only WhatsApp has buttons.
    let prefix = if reply.payload.is_some() { WHATSAPP } else { "" };
    let mut parameters = vec![
        ("AccountSid", account.account_sid.clone()),
        ("ApiVersion", "2010-04-01".to_owned()),
        ("Body", reply.text.clone()),
        ("From", format!("{prefix}{}", reply.from)),
        ("MessageSid", sid.clone()),
        ("NumMedia", "0".to_owned()),
        ("NumSegments", "1".to_owned()),
        ("SmsMessageSid", sid.clone()),
        ("SmsSid", sid.clone()),
        ("SmsStatus", "received".to_owned()),
        ("To", format!("{prefix}{}", account.senders.first().map_or("", String::as_str))),
    ];
    if let Some(payload) = &reply.payload {
        parameters.push(("ButtonPayload", payload.clone()));
        parameters.push(("ButtonText", reply.text.clone()));
    }
    if let Some(context) = &reply.context {
        parameters.push(("OriginalRepliedMessageSid", context.clone()));
    }
    if let Some(keyword) = OptOutType::of(&reply.text) {
        parameters.push(("OptOutType", keyword.word().to_owned()));
    }
    Callback::new(Channel::Twilio, sid, None, Payload::Form(parameters), world.ids().hex())
}
