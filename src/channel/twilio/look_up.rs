//! What Twilio's list of messages proves of an attempt, and what became of one message.

use super::{CLOCK_SLACK_MS, LISTED, Sender, Twilio};
use crate::care::UtcMs;
use crate::care::time::MINUTE_MS;
use crate::channel::{Content, Found, LookUp, Person, ReceiptEvent};
use crate::config::AddressRetention;
use chrono::DateTime;
use serde_json::Value;

impl Twilio {
    /// Finds an attempt among the newest messages to its address. Without the filter `DateSent`, because that
    /// date is null while a message is queued.
    ///
    /// Two that fit prove nothing, for one may be another attempt's. Absence is proved only by a list that reaches
    /// back behind the intent and has nothing in its time that could be it, a text that was redacted included; the
    /// caller sees to it that Twilio has had time to list it. Where addresses are not kept, a list by address proves
    /// nothing.
    pub(super) async fn find(&self, attempt: &LookUp) -> Option<Found> {
        let Content::Text { body, .. } = &attempt.content else { return None };
        if self.address_retention == AddressRetention::Obfuscate {
            return None;
        }
        let to = self.addressed(attempt.to.expose());
        let mut url = self.resource();
        url.query_pairs_mut().append_pair("To", &to).append_pair("PageSize", &LISTED.to_string());
        if let Sender::Number(number) = &self.from {
            url.query_pairs_mut().append_pair("From", &self.addressed(number));
        }
        let answer = self.http.call(self.signed_in(self.http.get(url))).await.ok()?;
        if !(200..300).contains(&answer.status) {
            return None;
        }
        let earliest = attempt.intent_at.plus_ms(-CLOCK_SLACK_MS);
        let latest =
            attempt.intent_at.plus_ms(2 * self.capabilities.request_timeout_ms + MINUTE_MS);
        let list = answer.body?;
        let messages = list["messages"].as_array()?;
        let in_time: Vec<_> = messages
            .iter()
            .filter(|message| {
                // One whose time cannot be read may be of any.
                instant(message, "date_created").is_none_or(|at| (earliest..=latest).contains(&at))
                    && message["to"].as_str() == Some(&to)
            })
            .collect();
        let said = |message: &&&Value| message["body"].as_str() == Some(body.0.expose());
        let mut fits = in_time.iter().filter(said);
        let created = |message: &Value| instant(message, "date_created");
        match (fits.next(), fits.next()) {
            (Some(only), None) if created(only).is_some() => {
                Some(Found::Accepted { id: only["sid"].as_str()?.to_owned() })
            }
            (None, None) => {
                let another = |m: &&Value| m["body"].as_str().is_some_and(|text| !text.is_empty());
                let reaches_back = list["next_page_uri"].is_null()
                    || messages.iter().filter_map(created).min().is_some_and(|at| at < earliest);
                (reaches_back && in_time.iter().all(another)).then_some(Found::Absent)
            }
            _ => None,
        }
    }

    /// What Twilio says of one message now, as if it had called.
    pub(super) async fn fetch(&self, provider_id: &str) -> Option<ReceiptEvent> {
        let mut url = self.resource();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop().extend(["Messages", &format!("{provider_id}.json")]);
        }
        let answer = self.http.call(self.signed_in(self.http.get(url))).await.ok()?;
        let message = answer.body.filter(|_| answer.status == 200)?;
        let word = message["status"].as_str()?;
        let error = message["error_code"].as_u64().map(|code| code.to_string());
        Some(ReceiptEvent {
            provider_id: Some(provider_id.to_owned()),
            status: super::events::receipt_status(word),
            raw_status: word.to_owned(),
            error: error.map(|code| (code.clone(), self.codes.asks_in_receipt(&code))),
            at: instant(&message, "date_updated"),
            to: Person::default(),
            ..ReceiptEvent::default()
        })
    }
}

/// An instant of a listed message (RFC 2822).
fn instant(message: &Value, name: &str) -> Option<UtcMs> {
    let at = DateTime::parse_from_rfc2822(message[name].as_str()?).ok()?;
    Some(UtcMs(at.timestamp_millis()))
}
