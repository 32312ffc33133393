//! One kept callback: its events, applied in one transaction.

use super::Inbound;
use crate::care::ids::{AttemptId, ReceiptId};
use crate::care::{ContactHealth, UtcMs};
use crate::channel::{Callback, Event, ReceiptEvent};
use crate::crash;
use crate::deliver::evidence::{self, Evidence};
use crate::store::inbound::{InboundRow, InboundState};
use crate::store::receipts::ReceiptRow;
use crate::store::{Result, StoreError, Tx, attempts, inbound, patients, receipts};

impl Inbound {
    pub(super) async fn apply(&self, row: &InboundRow) -> Result<()> {
        let deps = self.deliverer.deps();
        let now = deps.clock.now();
        let callback: Callback =
            serde_json::from_slice(&row.payload).map_err(|_| StoreError::Inconsistent {
                table: "inbound",
                column: "payload",
                what: "not a callback of this version",
            })?;
        let events = match deps.channels.by_name(&row.channel) {
            Some(channel) => channel.events(&callback),
            None => Ok(Vec::new()),
        };
        let mut tx = deps.store.write().await?;
        let (state, note) = match events {
            Ok(events) => {
                // The provider has answered the patient itself: one confirmation is enough.
                let answered = events.iter().any(|e| matches!(e, Event::ProviderOptOut { .. }));
                for event in &events {
                    self.apply_event(&mut tx, &row.channel, event, answered.into(), now).await?;
                }
                (InboundState::Done, String::new())
            }
            Err(unreadable) => {
                tracing::error!(inbound_id = %row.id, channel = row.channel, %unreadable,
                    "a callback is not readable; it is kept");
                (InboundState::Failed, unreadable.kind)
            }
        };
        inbound::mark(&mut tx, row.id, state, &note).await?;
        crash::point("callback-written").await;
        tx.commit().await?;
        crash::point("callback-committed").await;
        Ok(())
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
            Event::Receipt(receipt) => self.receipt(tx, channel, receipt, now).await,
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

    /// A receipt settles its attempt, or is parked until we know the attempt.
    async fn receipt(
        &self,
        tx: &mut Tx,
        channel: &str,
        receipt: &ReceiptEvent,
        now: UtcMs,
    ) -> Result<()> {
        let deps = self.deliverer.deps();
        let attempt = self.attempt_of(tx, channel, receipt).await?;
        let row = ReceiptRow {
            id: ReceiptId::new(now, &mut deps.rng.fork()),
            channel: channel.to_owned(),
            provider_id: receipt.provider_id.clone(),
            status: receipt.status,
            code: receipt.error.as_ref().map(|(code, _)| code.clone()).unwrap_or_default(),
            attempt,
            at: receipt.at,
            received_at: now,
        };
        let new = receipts::insert(tx, &row).await?;
        metrics::counter!("carebell_receipts_total", "channel" => channel.to_owned(),
            "status" => receipt.status.word(), "matched" => if attempt.is_some() { "yes" } else { "no" })
        .increment(1);
        let Some(attempt) = attempt.filter(|_| new) else { return Ok(()) };
        let fact = Evidence::receipt(
            attempt,
            receipt.status,
            receipt.error.clone(),
            receipt.provider_id.clone(),
        );
        evidence::apply(deps, tx, &[fact], now).await
    }

    /// Our own correlation id first; it must name an attempt over this channel.
    async fn attempt_of(
        &self,
        tx: &mut Tx,
        channel: &str,
        receipt: &ReceiptEvent,
    ) -> Result<Option<AttemptId>> {
        if let Some(id) = receipt.correlation {
            let row = attempts::read(tx, &[id]).await?.pop();
            if let Some(row) = row.filter(|row| row.channel == channel) {
                return Ok(Some(row.id));
            }
        }
        let row = attempts::by_provider_id(tx, channel, &receipt.provider_id).await?;
        Ok(row.map(|row| row.id))
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
