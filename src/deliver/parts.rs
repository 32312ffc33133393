//! Parts of a message: what is said of one becomes what is known of the whole.

use super::evidence::Evidence;
use crate::care::ids::{AttemptId, distinct};
use crate::care::{Reason, ReceiptStatus};
use crate::channel::Action;
use crate::policy::parts::together;
use crate::store::parts::PartRow;
use crate::store::receipts::ReceiptRow;
use crate::store::{Result, Tx, attempts, parts, receipts};
use std::borrow::Cow;

/// An accepted message of several parts, as its provider names them.
pub(super) fn of_accepted(attempt: AttemptId, channel: &str, ids: &[String]) -> Vec<PartRow> {
    if ids.len() < 2 {
        return Vec::new();
    }
    let part = |(id, part): (&String, i64)| PartRow {
        attempt,
        part,
        channel: channel.to_owned(),
        provider_id: id.clone(),
        state: ReceiptStatus::Accepted,
    };
    ids.iter().zip(1..).map(part).collect()
}

/// What receipts said of these attempts before their parts were known, to be weighed again.
pub(super) async fn said_before(tx: &mut Tx, parts: &[PartRow]) -> Result<Vec<Evidence>> {
    let ids = distinct(parts.iter().map(|part| part.attempt));
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let all = receipts::of_attempts(tx, &ids).await?.into_iter();
    let fact = |receipt: ReceiptRow| {
        let error = (!receipt.code.is_empty()).then_some((receipt.code, Action::NextChannel));
        let attempt = receipt.attempt?;
        Some(Evidence::receipt(attempt, receipt.status, error, receipt.provider_id).at(receipt.at))
    };
    Ok(all.filter_map(fact).collect())
}

/// The same evidence with what is said of single parts weighed: each fact then proves what all parts of its attempt
/// say together.
pub(super) async fn weigh<'e>(
    tx: &mut Tx,
    evidence: &'e [Evidence],
) -> Result<Cow<'e, [Evidence]>> {
    let ids = distinct(evidence.iter().map(|fact| fact.attempt));
    if parts::of_attempts(tx, &ids).await?.is_empty() {
        return Ok(Cow::Borrowed(evidence));
    }
    // What was read before the lock may be old.
    attempts::lock(tx, &ids).await?;
    let mut known = parts::of_attempts(tx, &ids).await?;
    let weighed: Vec<Evidence> = evidence.iter().map(|fact| weigh_one(&mut known, fact)).collect();
    parts::put(tx, &known).await?;
    Ok(Cow::Owned(weighed))
}

fn weigh_one(known: &mut [PartRow], fact: &Evidence) -> Evidence {
    let Some(said) = ReceiptStatus::parse(fact.proves.word()) else { return fact.clone() };
    let of_part = |part: &&mut PartRow| {
        part.attempt == fact.attempt && Some(&part.provider_id) == fact.provider_id.as_ref()
    };
    let Some(part) = known.iter_mut().find(of_part) else { return fact.clone() };
    part.state = part.state.max(said);
    let all = known.iter().filter(|part| part.attempt == fact.attempt).map(|part| part.state);
    let whole = together(all).unwrap_or(said);
    if whole == said {
        return fact.clone();
    }
    Evidence {
        proves: whole.proves(),
        reason: Reason::Receipt { status: whole.word().to_owned() },
        // A time tells when the message arrived: it has not, or did so in another part.
        at: None,
        ..fact.clone()
    }
}
