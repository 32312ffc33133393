//! What Meta tells of our account: its templates, and how our number stands.
//!
//! Sources: pages templates/overview, templates/time-to-live, messaging-limits, reference/whatsapp-business-phone-number;
//! `reference/channels.md` sections 1.3 and 1.4.

use super::{Whatsapp, said, verdict};
use crate::care::ListedTemplate;
use crate::channel::http::Answer;
use crate::channel::{DAILY_LIMIT, Health, Outcome};
use serde_json::Value;

/// What is asked of a template.
const FIELDS: &str = "name,language,status,category,quality_score,parameter_format,components,\
                      message_send_ttl_seconds";
/// What is asked of a number.
const NUMBER_FIELDS: &str = "status,quality_rating,throughput,whatsapp_business_manager_messaging_limit,\
                             messaging_limit_tier";
/// Templates of a page.
const PAGE: &str = "50";
/// An account has 6,000 templates at most, in one language each.
const MOST_PAGES: usize = 200;

impl Whatsapp {
    pub(super) async fn list(&self) -> Result<Option<Vec<ListedTemplate>>, Outcome> {
        let Some(account) = &self.business_account_id else { return Ok(None) };
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut url = self.http.url([account.as_str(), "message_templates"]);
            url.query_pairs_mut().append_pair("fields", FIELDS).append_pair("limit", PAGE);
            if let Some(cursor) = &after {
                url.query_pairs_mut().append_pair("after", cursor);
            }
            let answer = self.http.call(self.signed(self.http.get(url))).await?;
            let body = self.succeeded(&answer)?;
            let rows = body["data"].as_array().ok_or(Outcome::Unknown { stage: "body" })?;
            found.extend(rows.iter().filter_map(template));
            // The next page's URL holds our token; the cursor says the same.
            let paging = &body["paging"];
            let more = paging["next"].is_string() && !rows.is_empty();
            after = paging["cursors"]["after"].as_str().filter(|_| more).map(ToOwned::to_owned);
            if after.is_none() {
                return Ok(Some(found));
            }
        }
        // Half a list would tell of templates as missing that are there.
        Err(Outcome::Unknown { stage: "body" })
    }

    pub(super) async fn standing(&self) -> Result<Health, Outcome> {
        let Some(number) = &self.number_path else { return Ok(Health::default()) };
        let mut url = self.http.url([number.as_str()]);
        url.query_pairs_mut().append_pair("fields", NUMBER_FIELDS);
        let answer = self.http.call(self.signed(self.http.get(url))).await?;
        Ok(health(self.succeeded(&answer)?))
    }

    fn succeeded<'a>(&self, answer: &'a Answer) -> Result<&'a Value, Outcome> {
        match &answer.body {
            Some(body) if (200..300).contains(&answer.status) && body["error"].is_null() => {
                Ok(body)
            }
            _ => Err(verdict::outcome(answer, said(answer), &self.codes)),
        }
    }
}

fn health(number: &Value) -> Health {
    let mut health = Health::default();
    let words = |key: &str| number[key].as_str().filter(|word| !word.is_empty());
    if let Some(status) = words("status") {
        health.facts.push(("number", status.to_owned()));
        if status != "CONNECTED" {
            health.warnings.push(format!("the number is {status}: see WhatsApp Manager"));
        }
    }
    if let Some(quality) = words("quality_rating") {
        health.facts.push(("quality", quality.to_owned()));
        if matches!(quality, "RED" | "YELLOW") {
            health.warnings.push(format!(
                "the number's quality is {quality}: people block or report it; RED lowers its limits"
            ));
        }
    }
    if let Some(level) = number["throughput"]["level"].as_str() {
        health.facts.push(("throughput", level.to_owned()));
    }
    let tier = words("whatsapp_business_manager_messaging_limit")
        .or_else(|| words("messaging_limit_tier"));
    if let Some(tier) = tier {
        let people = people_of(tier).map_or_else(|| "unlimited".to_owned(), |n| n.to_string());
        health.facts.push((DAILY_LIMIT, people));
    }
    health
}

/// `TIER_2K`: how many people may be written to in 24 hours; none: as many as one likes.
fn people_of(tier: &str) -> Option<u64> {
    let word = tier.strip_prefix("TIER_").unwrap_or(tier);
    match word.strip_suffix('K') {
        Some(thousands) => thousands.parse::<u64>().ok().map(|n| n * 1_000),
        None => word.parse().ok(),
    }
}

/// One template of the list; what lacks its name is none.
fn template(row: &Value) -> Option<ListedTemplate> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let components = row["components"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |kind: &str| {
        let is_it = |c: &&Value| c["type"].as_str().is_some_and(|t| t.eq_ignore_ascii_case(kind));
        components.iter().find(is_it)
    };
    let placeholders = of("BODY").and_then(|c| c["text"].as_str()).map(placeholders);
    let placeholders = placeholders.unwrap_or_default();
    let by_name = row["parameter_format"].as_str().is_some_and(|f| f.eq_ignore_ascii_case("NAMED"));
    let is_quick =
        |b: &&Value| b["type"].as_str().is_some_and(|t| t.eq_ignore_ascii_case("QUICK_REPLY"));
    let buttons = of("BUTTONS").and_then(|c| c["buttons"].as_array());
    Some(ListedTemplate {
        name: row["name"].as_str()?.to_owned(),
        language: row["language"].as_str()?.to_owned(),
        category: word(&row["category"]),
        status: word(&row["status"]),
        quality: word(&row["quality_score"]["score"]),
        parameters: placeholders.len(),
        parameter_names: if by_name { placeholders } else { Vec::new() },
        header: of("HEADER").map(|c| word(&c["format"])).unwrap_or_default(),
        buttons: buttons.map_or(0, |buttons| buttons.iter().filter(is_quick).count()),
        ttl_seconds: row["message_send_ttl_seconds"].as_i64().and_then(|s| u32::try_from(s).ok()),
    })
}

/// What stands in double braces, each once, in its order.
fn placeholders(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in text.split("{{").skip(1) {
        let Some((name, _)) = part.split_once("}}") else { continue };
        let name = name.trim().to_owned();
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_listed_template_is_read_as_meta_writes_it() {
        let row = json!({
            "name": "carebell_dose", "language": "pt_BR", "status": "APPROVED", "category": "UTILITY",
            "quality_score": { "score": "GREEN", "date": 1 }, "message_send_ttl_seconds": 3600,
            "parameter_format": "POSITIONAL", "id": "920070352646140",
            "components": [
                { "type": "HEADER", "format": "IMAGE" },
                { "type": "BODY", "text": "From {{1}} for {{2}}: {{1}}" },
                { "type": "BUTTONS", "buttons": [
                    { "type": "QUICK_REPLY", "text": "Taken" }, { "type": "URL", "text": "More" },
                ] },
            ],
        });
        let read = template(&row).unwrap();
        assert_eq!((read.parameters, read.parameter_names.len(), read.buttons), (2, 0, 1));
        assert_eq!((read.header.as_str(), read.quality.as_str()), ("IMAGE", "GREEN"));
        assert_eq!(read.ttl_seconds, Some(3_600));
        let mut named = row;
        named["parameter_format"] = json!("NAMED");
        named["components"][1]["text"] = json!("From {{sender}} for {{time}}");
        named["message_send_ttl_seconds"] = Value::Null;
        let read = template(&named).unwrap();
        assert_eq!(read.parameter_names, ["sender", "time"]);
        assert_eq!(read.ttl_seconds, None);
        assert_eq!(template(&json!({ "status": "APPROVED" })), None);
    }

    #[test]
    fn a_number_tells_its_limit_and_its_quality() {
        for (tier, people) in [
            ("TIER_250", "250"),
            ("TIER_2K", "2000"),
            ("TIER_100K", "100000"),
            ("TIER_UNDAILY_LIMITED", "unlimited"),
        ] {
            let number = json!({ "quality_rating": "GREEN", "status": "CONNECTED",
                "whatsapp_business_manager_messaging_limit": tier });
            let health = health(&number);
            assert!(health.facts.contains(&(DAILY_LIMIT, people.to_owned())), "{health:?}");
            assert!(health.warnings.is_empty(), "{health:?}");
        }
        let poor = health(&json!({ "quality_rating": "RED", "status": "FLAGGED" }));
        assert_eq!(poor.warnings.len(), 2);
    }
}
