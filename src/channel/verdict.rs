//! What an HTTP answer to a send means. Pure.

use super::codes::CodeTable;
use super::http::Answer;
use super::{Action, Outcome};

/// What a provider's body says, as its channel reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Ids of what it took.
    pub(super) ids: Vec<String>,
    /// Its error code.
    pub(super) code: Option<String>,
}

/// The outcome of an answered send (design.md section 6, `reference/channels.md` section 6).
///
/// First match wins: an id on success; a code that the table knows; what the HTTP status says. A server error
/// stays unknown unless a known code explains it, because the message may have been taken before it broke.
pub(super) fn outcome(answer: &Answer, said: Said, codes: &CodeTable) -> Outcome {
    let succeeded = (200..300).contains(&answer.status);
    if succeeded && said.code.is_none() && !said.ids.is_empty() {
        return Outcome::Accepted { ids: said.ids };
    }
    let asked = said.code.as_deref().and_then(|code| codes.asks(code));
    if let (Some(asked), Some(code)) = (asked, &said.code) {
        let retry_after_ms = answer.retry_after_ms.max(asked.wait_ms);
        return Outcome::Refused { action: asked.action, code: code.clone(), retry_after_ms };
    }
    let action = match answer.status {
        200..300 if said.code.is_some() && said.ids.is_empty() => Action::Retry,
        200..300 => return Outcome::Unknown { stage: "body" },
        401 | 403 => Action::PauseChannel,
        429 => Action::Retry,
        503 if answer.retry_after_ms.is_some() => Action::Retry,
        // See Other follows what was done (RFC 9110 section 15.4.4).
        303 => return Outcome::Unknown { stage: "status" },
        // Other redirects are never followed: the base URL is wrong, or a stranger answers in its place.
        300..500 => Action::Fix,
        _ => return Outcome::Unknown { stage: "status" },
    };
    let code = said.code.unwrap_or_else(|| format!("http-{}", answer.status));
    Outcome::Refused { action, code, retry_after_ms: answer.retry_after_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, retry_after_ms: Option<i64>, id: &str, code: &str) -> Outcome {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let answer = Answer { status, retry_after_ms, body: None };
        let said = Said { ids: some(id).into_iter().collect(), code: some(code) };
        outcome(&answer, said, &CodeTable::meta().unwrap())
    }

    #[test]
    fn p4_where_and_how_a_send_failed_decides() {
        let refused = |action, code: &str, retry_after_ms| Outcome::Refused {
            action,
            code: code.to_owned(),
            retry_after_ms,
        };
        let unknown = |stage| Outcome::Unknown { stage };
        for (status, after, id, code, expected) in [
            (200, None, "wamid.1", "", Outcome::Accepted { ids: vec!["wamid.1".to_owned()] }),
            (200, None, "", "", unknown("body")),
            (200, None, "", "131026", refused(Action::NextChannel, "131026", None)),
            (200, None, "wamid.1", "131026", refused(Action::NextChannel, "131026", None)),
            (200, None, "", "999999", refused(Action::Retry, "999999", None)),
            (200, None, "wamid.1", "999999", unknown("body")),
            (302, None, "", "", refused(Action::Fix, "http-302", None)),
            (303, None, "", "", unknown("status")),
            (400, None, "", "131056", refused(Action::Retry, "131056", None)),
            (400, None, "", "999999", refused(Action::Fix, "999999", None)),
            (404, None, "", "", refused(Action::Fix, "http-404", None)),
            (422, None, "", "", refused(Action::Fix, "http-422", None)),
            (401, None, "", "", refused(Action::PauseChannel, "http-401", None)),
            (403, None, "", "999999", refused(Action::PauseChannel, "999999", None)),
            (403, None, "", "131050", refused(Action::NextChannel, "131050", None)),
            (429, Some(9), "", "", refused(Action::Retry, "http-429", Some(9))),
            (429, None, "", "", refused(Action::Retry, "http-429", None)),
            (429, Some(9_000), "", "130429", refused(Action::Retry, "130429", Some(9_000))),
            (503, Some(9), "", "", refused(Action::Retry, "http-503", Some(9))),
            (503, None, "", "", unknown("status")),
            (500, None, "", "", unknown("status")),
            (500, None, "", "999999", unknown("status")),
            (500, None, "wamid.1", "", unknown("status")),
            (500, None, "", "131000", refused(Action::Retry, "131000", None)),
            (504, Some(9), "", "", unknown("status")),
        ] {
            let got = judged(status, after, id, code);
            assert_eq!(got, expected, "{status} {after:?} {id:?} {code:?}");
        }
    }
}
