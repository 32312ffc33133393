//! Parts of a message: what is said of one becomes what is known of the whole.

use super::evidence::Evidence;
use super::said;
use super::send::{DelivererDeps, Intent, Shared, Window};
use crate::care::ids::{AttemptId, ContactPointId, MessageId, distinct};
use crate::care::{Reason, ReceiptStatus};
use crate::channel::{Action, Channel, Content, Outbound, Outcome, Person};
use crate::crash;
use crate::policy::parts::{together, together_of};
use crate::store::attempts::AttemptRow;
use crate::store::parts::PartRow;
use crate::store::receipts::ReceiptRow;
use crate::store::{Result, Tx, attempts, parts, receipts};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A record that fails is tried again after this.
const KEEP_AGAIN: Duration = Duration::from_millis(200);

/// An accepted message of several parts, as its provider names them. Where several were expected, one is told as well.
pub(super) fn of_accepted(row: &AttemptRow, ids: &[String]) -> Vec<PartRow> {
    if ids.len() < 2 && row.named_parts.is_none() {
        return Vec::new();
    }
    let part = |(id, part): (&String, i64)| PartRow {
        attempt: row.id,
        part,
        channel: row.channel.clone(),
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
    let mut ids = distinct(evidence.iter().map(|fact| fact.attempt));
    let in_parts = attempts::in_parts(tx, &ids).await?;
    if in_parts.is_empty() {
        return Ok(Cow::Borrowed(evidence));
    }
    let cutting = in_parts.into_iter().filter(|(_, own)| *own > 0).map(|(channel, _)| channel);
    let cutting: Vec<String> = cutting.collect();
    let names: Vec<&str> = evidence.iter().filter_map(|fact| fact.provider_id.as_deref()).collect();
    ids.extend(parts::named(tx, &cutting, &names).await?.iter().map(|part| part.attempt));
    let ids = distinct(ids);
    // What was read before the lock may be old.
    let rows = attempts::lock(tx, &ids).await?;
    let mut known = parts::of_attempts(tx, &ids).await?;
    let early = early(tx, &rows, &known).await?;
    let mut weighed = Vec::with_capacity(evidence.len());
    for fact in evidence {
        let Some(row) = rows.iter().find(|row| row.id == fact.attempt) else {
            weighed.push(fact.clone());
            continue;
        };
        if let Some(named) = early.get(&row.id) {
            weighed.push(weigh_early(row, named, fact));
            continue;
        }
        weighed.extend(weigh_one(row, &mut known, fact));
        // What one attempt left with the provider counts for the one that went on from there.
        for other in rows.iter().filter(|other| other.message == row.message && other.id != row.id)
        {
            if known.iter().any(|part| is_named(part, other, fact)) {
                let fact = Evidence { attempt: other.id, ..fact.clone() };
                weighed.extend(weigh_one(other, &mut known, &fact));
            }
        }
    }
    parts::put(tx, &known).await?;
    Ok(Cow::Owned(weighed))
}

/// What receipts say of parts that nobody has named to us yet, by attempt and the provider's id.
type Early = BTreeMap<AttemptId, BTreeMap<String, ReceiptStatus>>;

/// Attempts whose provider names parts, as long as the answer that tells their ids is not on record.
async fn early(tx: &mut Tx, rows: &[AttemptRow], known: &[PartRow]) -> Result<Early> {
    let unnamed = |row: &&AttemptRow| {
        row.named_parts.is_some() && !known.iter().any(|part| part.attempt == row.id)
    };
    let mut early: Early =
        rows.iter().filter(unnamed).map(|row| (row.id, BTreeMap::new())).collect();
    if early.is_empty() {
        return Ok(early);
    }
    let ids: Vec<AttemptId> = early.keys().copied().collect();
    for receipt in receipts::of_attempts(tx, &ids).await? {
        let Some(named) = receipt.attempt.and_then(|id| early.get_mut(&id)) else { continue };
        let said = named.entry(receipt.provider_id).or_insert(receipt.status);
        *said = receipt.status.max(*said);
    }
    Ok(early)
}

/// What a fact proves before the parts are named: of those not heard of we know that the provider has them, since it
/// takes a message as a whole.
fn weigh_early(
    row: &AttemptRow,
    named: &BTreeMap<String, ReceiptStatus>,
    fact: &Evidence,
) -> Evidence {
    let Some(said) = ReceiptStatus::parse(fact.proves.word()) else { return fact.clone() };
    let mut named = named.clone();
    if let Some(id) = &fact.provider_id {
        let most = named.entry(id.clone()).or_insert(said);
        *most = said.max(*most);
    }
    let expected = row.named_parts.and_then(|parts| usize::try_from(parts).ok()).unwrap_or(1);
    let unheard = expected.saturating_sub(named.len());
    let all = named.into_values().chain(std::iter::repeat_n(ReceiptStatus::Accepted, unheard));
    together(all).map_or_else(|| fact.clone(), |whole| of_the_whole(whole, said, fact))
}

fn is_named(part: &PartRow, attempt: &AttemptRow, fact: &Evidence) -> bool {
    part.attempt == attempt.id && Some(&part.provider_id) == fact.provider_id.as_ref()
}

/// What a fact proves of an attempt; `None`: nothing of the whole.
fn weigh_one(row: &AttemptRow, known: &mut Vec<PartRow>, fact: &Evidence) -> Option<Evidence> {
    let Some(said) = ReceiptStatus::parse(fact.proves.word()) else { return Some(fact.clone()) };
    if let Some(part) = known.iter_mut().find(|part| is_named(part, row, fact)) {
        part.state = part.state.max(said);
    } else {
        let Some(planned) = row.own_parts else { return Some(fact.clone()) };
        // They leave one after the other: a name that nobody knows is that of the first one that is open.
        let is_open =
            |number: &i64| !known.iter().any(|part| part.attempt == row.id && part.part == *number);
        let part = (1..=planned).find(is_open)?;
        known.push(PartRow {
            attempt: row.id,
            part,
            channel: row.channel.clone(),
            provider_id: fact.provider_id.clone()?,
            state: said,
        });
    }
    let all: Vec<ReceiptStatus> =
        known.iter().filter(|part| part.attempt == row.id).map(|part| part.state).collect();
    let planned = row.own_parts.and_then(|planned| usize::try_from(planned).ok());
    let whole = together_of(planned.unwrap_or(0), &all)?;
    Some(of_the_whole(whole, said, fact))
}

/// A fact about one part, as what all of them say together.
fn of_the_whole(whole: ReceiptStatus, said: ReceiptStatus, fact: &Evidence) -> Evidence {
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

/// The messages of their own that an intent goes as.
pub(super) struct OwnParts {
    contents: Vec<Content>,
    /// Ids of those that an earlier attempt left with the provider.
    taken: BTreeMap<i64, String>,
}

impl OwnParts {
    /// `None`: it goes as one.
    pub(super) fn of(contents: Vec<Content>, taken: &[PartRow]) -> Option<Self> {
        let taken = taken.iter().map(|part| (part.part, part.provider_id.clone())).collect();
        (contents.len() > 1).then_some(Self { contents, taken })
    }

    /// How many they are.
    pub(super) fn planned(&self) -> i64 {
        i64::try_from(self.contents.len()).unwrap_or(i64::MAX)
    }
}

/// What an attempt left with its provider before it ended in the middle.
pub(super) struct Begun {
    attempt: AttemptRow,
    content: Content,
    parts: Vec<PartRow>,
}

impl Begun {
    /// Whether a message over this way says the same, cut into as many.
    pub(super) fn is_of(
        &self,
        contact: ContactPointId,
        channel: &Arc<dyn Channel>,
        outbound: &Outbound,
    ) -> bool {
        let cut = i64::try_from(channel.parts(&outbound.content).len()).ok();
        self.attempt.contact_point == contact
            && self.attempt.channel == channel.name()
            && self.content == outbound.content
            && self.attempt.own_parts == cut
    }

    /// The parts that are not to be sent again, as those of another attempt.
    pub(super) fn left_to(&self, attempt: AttemptId) -> Vec<PartRow> {
        self.parts.iter().map(|part| PartRow { attempt, ..part.clone() }).collect()
    }
}

/// What these attempts began, oldest first.
pub(super) async fn begun(
    deps: &DelivererDeps,
    tx: &mut Tx,
    halves: &[AttemptRow],
) -> Result<BTreeMap<MessageId, Vec<Begun>>> {
    let ids: Vec<AttemptId> = halves.iter().map(|attempt| attempt.id).collect();
    let mut all = parts::of_attempts(tx, &ids).await?;
    all.retain(|part| part.state != ReceiptStatus::Failed);
    let mut begun: BTreeMap<MessageId, Vec<Begun>> = BTreeMap::new();
    for attempt in halves {
        let parts: Vec<PartRow> =
            all.iter().filter(|part| part.attempt == attempt.id).cloned().collect();
        if parts.is_empty() {
            continue;
        }
        let Some(outbound) = said::open(tx, deps.store.keys(), attempt).await? else { continue };
        let half = Begun { attempt: attempt.clone(), content: outbound.content, parts };
        begun.entry(attempt.message).or_default().push(half);
    }
    Ok(begun)
}

impl Shared {
    /// Sends a message, or those of its own parts that are not with the provider yet, one after the other: each is on
    /// record before the next one leaves. The first that is not taken decides how the attempt ends; the others stay.
    pub(super) async fn carry_out(
        &self,
        intent: &Intent,
        window: Window,
    ) -> (Outcome, Option<Person>) {
        match &intent.own {
            None => self.ask(intent, &intent.outbound, window).await,
            Some(own) => (self.carry_out_parts(intent, own, window).await, None),
        }
    }

    async fn carry_out_parts(&self, intent: &Intent, own: &OwnParts, window: Window) -> Outcome {
        let mut ids = Vec::with_capacity(own.contents.len());
        for (content, part) in own.contents.iter().zip(1..) {
            if let Some(id) = own.taken.get(&part) {
                ids.push(id.clone());
                continue;
            }
            let outbound = Outbound { content: content.clone(), ..intent.outbound.clone() };
            let taken = match self.ask(intent, &outbound, window).await.0 {
                Outcome::Accepted { ids } => ids.into_iter().next(),
                outcome => return outcome,
            };
            let Some(id) = taken else { return Outcome::Unknown { stage: "body" } };
            if part < own.planned() {
                crash::point("answered").await;
                if !self.keep(intent, part, &id, window).await {
                    return Outcome::Unknown { stage: "part" };
                }
                crash::point("before-send").await;
            }
            ids.push(id);
        }
        Outcome::Accepted { ids }
    }

    /// Puts a part on record; whether it is there before the lease is over.
    async fn keep(&self, intent: &Intent, part: i64, id: &str, window: Window) -> bool {
        let row = PartRow {
            attempt: intent.id,
            part,
            channel: intent.channel.name().to_owned(),
            provider_id: id.to_owned(),
            state: ReceiptStatus::Accepted,
        };
        while let Err(fault) = self.keep_once(&row).await {
            tracing::error!(attempt_id = %intent.id, %fault, "a part cannot be recorded: trying again");
            if window.is_over(self.deps.clock.steady_ms()) {
                return false;
            }
            tokio::time::sleep(KEEP_AGAIN).await;
        }
        true
    }

    async fn keep_once(&self, row: &PartRow) -> Result<()> {
        let mut tx = self.deps.store.write().await?;
        attempts::lock(&mut tx, &[row.attempt]).await?;
        parts::add(&mut tx, std::slice::from_ref(row)).await?;
        tx.commit().await
    }
}
