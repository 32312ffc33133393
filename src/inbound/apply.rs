//! Kept callbacks: their events, applied in one transaction.

use super::Inbound;
use crate::care::ids::{AttemptId, InboundId, ReceiptId};
use crate::care::{ContactHealth, UtcMs};
use crate::channel::{Callback, Event, ReceiptEvent, Unreadable};
use crate::crash;
use crate::deliver::evidence::{self, Evidence};
use crate::store::inbound::{InboundRow, InboundState};
use crate::store::receipts::ReceiptRow;
use crate::store::{Result, StoreError, Tx, attempts, inbound, patients, receipts};
use std::collections::{BTreeMap, BTreeSet};

impl Inbound {
    /// Applies callbacks in one transaction: receipts first, all at once, since they may come in any order (P8).
    pub(super) async fn apply(&self, rows: &[&InboundRow]) -> Result<()> {
        let deps = self.deliverer.deps();
        let now = deps.clock.now();
        let mut read = Vec::with_capacity(rows.len());
        let mut unreadable = Vec::new();
        for row in rows {
            match self.events(row)? {
                Ok(events) => read.push((*row, events)),
                Err(fault) => unreadable.push((*row, fault)),
            }
        }
        let mut tx = deps.store.write().await?;
        self.lock_writers(&mut tx, &read).await?;
        let told: Vec<(&str, &ReceiptEvent)> = read
            .iter()
            .flat_map(|(row, events)| events.iter().map(|event| (row.channel.as_str(), event)))
            .filter_map(|(channel, event)| match event {
                Event::Receipt(receipt) => Some((channel, receipt)),
                _ => None,
            })
            .collect();
        self.receipts(&mut tx, &told, now).await?;
        for (row, events) in &read {
            // The provider has answered the patient itself: one confirmation is enough.
            let answered = events.iter().any(|e| matches!(e, Event::ProviderOptOut { .. }));
            for event in events {
                self.apply_event(&mut tx, &row.channel, event, answered.into(), now).await?;
            }
        }
        let done: Vec<InboundId> = read.iter().map(|(row, _)| row.id).collect();
        inbound::done(&mut tx, &done).await?;
        for (row, fault) in unreadable {
            tracing::error!(inbound_id = %row.id, channel = row.channel, unreadable = %fault,
                "a callback is not readable; it is kept");
            inbound::mark(&mut tx, row.id, InboundState::Failed, &fault.kind).await?;
        }
        crash::point("callback-written").await;
        tx.commit().await?;
        crash::point("callback-committed").await;
        Ok(())
    }

    /// The rows of the patients who wrote, before any message of theirs: a wake takes them in this order, and two
    /// that take them in different orders wait for each other.
    async fn lock_writers(&self, tx: &mut Tx, read: &[(&InboundRow, Vec<Event>)]) -> Result<()> {
        let keys = self.deliverer.deps().store.keys();
        let mut writers = BTreeSet::new();
        for event in read.iter().flat_map(|(_, events)| events) {
            if let Event::Reply(reply) = event {
                let owners = patients::with_address(tx, keys, &reply.from).await?;
                writers.extend(owners.into_iter().map(|(_, patient)| patient));
            }
        }
        let writers: Vec<_> = writers.into_iter().collect();
        if !writers.is_empty() {
            patients::lock(tx, &writers).await?;
        }
        Ok(())
    }

    fn events(&self, row: &InboundRow) -> Result<std::result::Result<Vec<Event>, Unreadable>> {
        let callback: Callback =
            serde_json::from_slice(&row.payload).map_err(|_| StoreError::Inconsistent {
                table: "inbound",
                column: "payload",
                what: "not a callback of this version",
            })?;
        Ok(match self.deliverer.deps().channels.by_name(&row.channel) {
            Some(channel) => channel.events(&callback),
            None => Ok(Vec::new()),
        })
    }

    async fn apply_event(
        &self,
        tx: &mut Tx,
        channel: &str,
        event: &Event,
        answered: Answered,
        now: UtcMs,
    ) -> Result<()> {
        match event {
            Event::Receipt(_) => Ok(()),
            Event::Reply(reply) => self.reply(tx, channel, reply, answered, now).await,
            Event::ProviderOptOut { from } => {
                let deps = self.deliverer.deps();
                let moves: Vec<_> = patients::with_address(tx, deps.store.keys(), from)
                    .await?
                    .into_iter()
                    .map(|(id, _)| patients::HealthMove {
                        id,
                        health: ContactHealth::OptedOut,
                        code: "provider".to_owned(),
                    })
                    .collect();
                patients::set_health(tx, &moves, now).await
            }
            Event::Ignored { kind } => {
                metrics::counter!("carebell_events_ignored_total", "kind" => kind.clone())
                    .increment(1);
                Ok(())
            }
        }
    }

    /// Receipts settle their attempts, or are parked until we know the attempt.
    async fn receipts(
        &self,
        tx: &mut Tx,
        told: &[(&str, &ReceiptEvent)],
        now: UtcMs,
    ) -> Result<()> {
        if told.is_empty() {
            return Ok(());
        }
        let deps = self.deliverer.deps();
        let ids: Vec<AttemptId> = told.iter().filter_map(|(_, r)| r.correlation).collect();
        let known: BTreeMap<AttemptId, String> =
            attempts::read(tx, &ids).await?.into_iter().map(|row| (row.id, row.channel)).collect();
        let mut rng = deps.rng.fork();
        let mut rows = Vec::with_capacity(told.len());
        let mut facts = BTreeMap::new();
        for (channel, receipt) in told {
            // Our own correlation id first; it must name an attempt over this channel.
            let ours = receipt
                .correlation
                .filter(|id| known.get(id).is_some_and(|known| known == channel));
            let attempt = match ours {
                Some(id) => Some(id),
                None => attempts::by_provider_id(tx, channel, &receipt.provider_id)
                    .await?
                    .map(|row| row.id),
            };
            let row = ReceiptRow {
                id: ReceiptId::new(now, &mut rng),
                channel: (*channel).to_owned(),
                provider_id: receipt.provider_id.clone(),
                status: receipt.status,
                code: receipt.error.as_ref().map(|(code, _)| code.clone()).unwrap_or_default(),
                attempt,
                at: receipt.at,
                received_at: now,
            };
            metrics::counter!("carebell_receipts_total", "channel" => row.channel.clone(),
                "status" => receipt.status.word(), "matched" => if attempt.is_some() { "yes" } else { "no" })
            .increment(1);
            let (error, provider_id) = (receipt.error.clone(), receipt.provider_id.clone());
            let fact = attempt
                .map(|id| Evidence::receipt(id, receipt.status, error, provider_id).at(receipt.at));
            facts.extend(fact.map(|fact| (row.id, fact)));
            rows.push(row);
        }
        let new = receipts::insert(tx, &rows).await?;
        let facts: Vec<Evidence> = new.iter().filter_map(|id| facts.remove(id)).collect();
        evidence::apply(deps, tx, &facts, now).await
    }
}

/// Whether the provider has answered the patient already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// It has.
    ByProvider,
    /// Nobody has.
    NotYet,
}

impl From<bool> for Answered {
    fn from(by_provider: bool) -> Self {
        if by_provider { Self::ByProvider } else { Self::NotYet }
    }
}
