//! News that are no reply and no receipt: who somebody is, what they chose, how our templates and numbers stand.

use super::Inbound;
use super::apply::owners;
use crate::care::ids::{ContactPointId, TaskId, distinct};
use crate::care::time::{DAY_MS, HOUR_MS};
use crate::care::{ContactHealth, Reason, UtcMs};
use crate::channel::{
    IdentityChange, IdentityEvent, Person, PreferenceEvent, TemplateEvent, TemplateNews,
};
use crate::deliver::templates::{self, Told};
use crate::store::patients::HealthMove;
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::{Result, Tx, patients, reach, tasks};

impl Inbound {
    /// Whoever answers there may be another person now: nothing more goes to the address before a person of the care
    /// team has asked, and a new number is never taken over unasked.
    pub(super) async fn identity(
        &self,
        tx: &mut Tx,
        channel: &str,
        identity: &IdentityEvent,
        now: UtcMs,
    ) -> Result<()> {
        let deps = self.deliverer.deps();
        let kind = deps.channels.by_name(channel).map(|channel| channel.kind());
        let (code, what) = match identity.change {
            IdentityChange::Number { .. } => ("number-changed", "the number changed hands"),
            IdentityChange::Key => ("key-changed", "the account was set up anew"),
        };
        for (contact, patient) in owners(tx, deps.store.keys(), &identity.from).await? {
            let rows = patients::load(tx, deps.store.keys(), &[patient]).await?;
            let known = patients::contacts(tx, &rows).await?;
            if !known.iter().any(|c| c.id == contact && Some(c.channel) == kind) {
                continue;
            }
            let health =
                HealthMove { id: contact, health: ContactHealth::Bad, code: code.to_owned() };
            patients::set_health(tx, &[health], now).await?;
            reach::unlearn(tx, contact).await?;
            let task = NewTask {
                id: TaskId::new(now, &mut deps.rng.fork()),
                patient: Some(patient),
                kind: TaskKind::Address,
                subject: contact.to_string(),
                reason: Reason::Person { what: what.to_owned() },
                due_at: now.plus_ms(4 * HOUR_MS),
            };
            tasks::open(tx, &task, now).await?;
        }
        metrics::counter!("carebell_identities_changed_total", "change" => code).increment(1);
        Ok(())
    }

    /// A choice in the provider's own settings. It is about marketing, which Carebell never sends; but a provider may
    /// take education for it, so none goes there. Everything else goes on.
    pub(super) async fn preference(
        &self,
        tx: &mut Tx,
        channel: &str,
        preference: &PreferenceEvent,
        now: UtcMs,
    ) -> Result<()> {
        for contact in self.contacts_of(tx, channel, &preference.from).await? {
            match preference.value.as_str() {
                "stop" => reach::stop_marketing(tx, contact, now).await?,
                "resume" => reach::resume_marketing(tx, contact).await?,
                _ => {}
            }
        }
        metrics::counter!("carebell_preferences_total", "channel" => channel.to_owned(),
            "value" => preference.value.clone())
        .increment(1);
        Ok(())
    }

    /// Contact points of a person on a channel's kind of address.
    async fn contacts_of(
        &self,
        tx: &mut Tx,
        channel: &str,
        person: &Person,
    ) -> Result<Vec<ContactPointId>> {
        let deps = self.deliverer.deps();
        let keys = deps.store.keys();
        let kind = deps.channels.by_name(channel).map(|channel| channel.kind());
        let owned = owners(tx, keys, person).await?;
        let rows = patients::load(tx, keys, &distinct(owned.iter().map(|(_, id)| *id))).await?;
        let known = patients::contacts(tx, &rows).await?;
        let is_theirs =
            |id: &ContactPointId| known.iter().any(|c| c.id == *id && Some(c.channel) == kind);
        Ok(owned.into_iter().map(|(contact, _)| contact).filter(is_theirs).collect())
    }

    /// News of a template: what depends on it is held at once, or goes on; an operator must know.
    pub(super) async fn template(
        &self,
        tx: &mut Tx,
        channel: &str,
        template: &TemplateEvent,
        now: UtcMs,
    ) -> Result<()> {
        let deps = self.deliverer.deps();
        if let Some(channel) = deps.channels.by_name(channel)
            && templates::heed(deps, tx, channel.as_ref(), template, now).await? == Told::Yes
        {
            return Ok(());
        }
        let said = match &template.news {
            TemplateNews::Status { word, .. } => word.clone(),
            TemplateNews::Category { to, .. } | TemplateNews::Quality { to } => to.clone(),
            TemplateNews::Components => "components".to_owned(),
        };
        let subject = format!("{channel} {} {}", template.name, template.language);
        self.tell_operator(tx, subject, said, now).await
    }

    /// News of our account or number: an operator must know.
    pub(super) async fn account(
        &self,
        tx: &mut Tx,
        channel: &str,
        field: &str,
        says: &str,
        now: UtcMs,
    ) -> Result<()> {
        self.tell_operator(tx, format!("{channel} {field}"), says.to_owned(), now).await
    }

    async fn tell_operator(
        &self,
        tx: &mut Tx,
        subject: String,
        what: String,
        now: UtcMs,
    ) -> Result<()> {
        let task = NewTask {
            id: TaskId::new(now, &mut self.deliverer.deps().rng.fork()),
            patient: None,
            kind: TaskKind::Channel,
            subject,
            reason: Reason::Person { what },
            due_at: now.plus_ms(DAY_MS),
        };
        tasks::open(tx, &task, now).await
    }
}
