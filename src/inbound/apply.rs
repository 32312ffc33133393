//! Kept callbacks: their events, applied in one transaction.

use super::Inbound;
use super::about::About;
use crate::care::ids::{AttemptId, ContactPointId, InboundId, PatientId, ReceiptId};
use crate::care::{Address, ChannelKind, ReceiptStatus, UtcMs};
use crate::channel::{Callback, Event, Person, ReceiptEvent, Unreadable};
use crate::crash;
use crate::deliver::evidence::{self, Evidence};
use crate::deliver::templates;
use crate::security::Keyring;
use crate::store::inbound::{InboundRow, InboundState};
use crate::store::receipts::ReceiptRow;
use crate::store::{Result, StoreError, Tx, attempts, inbound, parts, patients, reach, receipts};
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
        let mut abouts = Vec::new();
        for (row, events) in &read {
            for event in events {
                let Event::Reply(reply) = event else { continue };
                abouts.push(self.about(&mut tx, &row.channel, reply, now).await?);
            }
        }
        let answered: Vec<Evidence> = abouts.iter().filter_map(About::proves).collect();
        self.receipts(&mut tx, &told, answered, now).await?;
        let mut abouts = abouts.iter();
        for (row, events) in &read {
            for event in events {
                let about = matches!(event, Event::Reply(_)).then(|| abouts.next()).flatten();
                self.apply_event(&mut tx, row, event, about, now).await?;
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
        let mut events = read.iter().flat_map(|(_, events)| events);
        if events.any(|event| matches!(event, Event::Template(_))) {
            templates::revive(deps).await?;
        }
        Ok(())
    }

    /// The rows of the patients who wrote, before any message of theirs: a wake takes them in this order, and two
    /// that take them in different orders wait for each other.
    async fn lock_writers(&self, tx: &mut Tx, read: &[(&InboundRow, Vec<Event>)]) -> Result<()> {
        let keys = self.deliverer.deps().store.keys();
        let mut writers = BTreeSet::new();
        for event in read.iter().flat_map(|(_, events)| events) {
            let person = match event {
                Event::Reply(reply) => &reply.from,
                Event::Identity(identity) => &identity.from,
                Event::Preference(preference) => &preference.from,
                _ => continue,
            };
            let owners = owners(tx, keys, person).await?;
            writers.extend(owners.into_iter().map(|(_, patient)| patient));
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
        row: &InboundRow,
        event: &Event,
        about: Option<&About>,
        now: UtcMs,
    ) -> Result<()> {
        let channel = row.channel.as_str();
        match event {
            Event::Receipt(_) => Ok(()),
            Event::Reply(reply) => match about {
                Some(about) => self.reply(tx, row, reply, about, now).await,
                None => Ok(()),
            },
            Event::Identity(identity) => self.identity(tx, channel, identity, now).await,
            Event::Preference(preference) => self.preference(tx, channel, preference, now).await,
            Event::Template(template) => self.template(tx, channel, template, now).await,
            Event::Account { field, says } => self.account(tx, channel, field, says, now).await,
            Event::Ignored { kind } => {
                metrics::counter!("carebell_events_ignored_total", "kind" => kind.clone())
                    .increment(1);
                Ok(())
            }
        }
    }

    /// Receipts settle their attempts, or are parked until we know the attempt; with them whatever else is proven of
    /// attempts, because those are locked all at once.
    async fn receipts(
        &self,
        tx: &mut Tx,
        told: &[(&str, &ReceiptEvent)],
        mut proven: Vec<Evidence>,
        now: UtcMs,
    ) -> Result<()> {
        let deps = self.deliverer.deps();
        if told.is_empty() {
            return evidence::apply(deps, tx, &proven, now).await;
        }
        let ids: Vec<AttemptId> = told.iter().filter_map(|(_, r)| r.correlation).collect();
        let known: BTreeMap<AttemptId, String> =
            attempts::read(tx, &ids).await?.into_iter().map(|row| (row.id, row.channel)).collect();
        let mut rng = deps.rng.fork();
        let mut rows = Vec::with_capacity(told.len());
        let mut facts = BTreeMap::new();
        for (channel, receipt) in told {
            let Some(status) = receipt.status else {
                metrics::counter!("carebell_events_ignored_total", "kind" => "status.unknown")
                    .increment(1);
                continue;
            };
            // A gateway that tells no id of its own is known by ours.
            let Some(provider_id) = receipt.provider_id.clone().or_else(|| receipt.echo.clone())
            else {
                metrics::counter!("carebell_events_ignored_total", "kind" => "status.of-nothing")
                    .increment(1);
                continue;
            };
            // Our own correlation id first; it must name an attempt over this channel.
            let ours = receipt
                .correlation
                .filter(|id| known.get(id).is_some_and(|known| known == channel));
            let attempt = match ours {
                Some(id) => Some(id),
                None => match attempts::by_provider_id(tx, channel, &provider_id).await? {
                    Some(row) => Some(row.id),
                    None => parts::attempt_of(tx, channel, &provider_id).await?,
                },
            };
            let row = ReceiptRow {
                id: ReceiptId::new(now, &mut rng),
                channel: (*channel).to_owned(),
                provider_id: provider_id.clone(),
                status,
                code: receipt.error.as_ref().map(|(code, _)| code.clone()).unwrap_or_default(),
                attempt,
                at: receipt.at,
                received_at: now,
            };
            metrics::counter!("carebell_receipts_total", "channel" => row.channel.clone(),
                "status" => status.word(), "matched" => if attempt.is_some() { "yes" } else { "no" })
            .increment(1);
            let error = receipt.error.clone();
            let fact =
                attempt.map(|id| Evidence::receipt(id, status, error, provider_id).at(receipt.at));
            facts.extend(fact.map(|fact| (row.id, fact)));
            rows.push(row);
        }
        self.learn(tx, told, &rows, now).await?;
        let new = receipts::insert(tx, &rows).await?;
        proven.extend(new.iter().filter_map(|id| facts.remove(id)));
        evidence::apply(deps, tx, &proven, now).await
    }
}

impl Inbound {
    /// By what else the people are known of whom receipts tell: an id, the number in another form.
    async fn learn(
        &self,
        tx: &mut Tx,
        told: &[(&str, &ReceiptEvent)],
        rows: &[ReceiptRow],
        now: UtcMs,
    ) -> Result<()> {
        let deps = self.deliverer.deps();
        // Elsewhere a number in another form may be a stranger's.
        let names = |channel: &str| {
            let channel = deps.channels.by_name(channel);
            channel.is_some_and(|channel| channel.kind() == ChannelKind::Whatsapp)
        };
        let of = |row: &ReceiptRow| {
            let attempt = row.attempt.filter(|_| names(&row.channel))?;
            let is_it = |receipt: &&ReceiptEvent| {
                let id = receipt.provider_id.as_ref().or(receipt.echo.as_ref());
                id == Some(&row.provider_id) && receipt.status == Some(row.status)
            };
            let receipt = told.iter().map(|(_, receipt)| *receipt).find(is_it)?;
            // A number alone is nearly always the one that was written to: it is looked at once a message.
            let first = row.status == ReceiptStatus::Sent || receipt.to.user_id.is_some();
            first.then_some((attempt, receipt))
        };
        let aliases: Vec<(AttemptId, &Address)> = rows
            .iter()
            .filter_map(of)
            .flat_map(|(attempt, receipt)| receipt.to.known_by().map(move |by| (attempt, by)))
            .collect();
        let keys = deps.store.keys();
        let news = reach::unknown_aliases(tx, keys, &aliases).await?;
        reach::learn(tx, keys, &mut deps.rng.fork(), &news, now).await
    }
}

/// The contact points of whoever wrote, with their patients.
pub(super) async fn owners(
    tx: &mut Tx,
    keys: &Keyring,
    person: &Person,
) -> Result<Vec<(ContactPointId, PatientId)>> {
    let mut owners = Vec::new();
    for address in person.known_by() {
        let known = patients::with_address(tx, keys, address).await?;
        let aliased = reach::known_as(tx, keys, address).await?;
        for owner in known.into_iter().chain(aliased) {
            if !owners.contains(&owner) {
                owners.push(owner);
            }
        }
    }
    Ok(owners)
}
