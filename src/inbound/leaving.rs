//! Leaving by the link of a mail: heard as a STOP over email is, and nothing is answered, because the page says it.

use super::Inbound;
use super::replies::{Heeded, Kept};
use crate::care::contact::ConsentDecision;
use crate::care::ids::{ContactPointId, PatientId, ReplyId};
use crate::care::{ChannelKind, ContactHealth, Phi};
use crate::policy::contact_choice::consent;
use crate::policy::keywords::Heard;
use crate::security::Purpose;
use crate::store::patients::PatientRow;
use crate::store::replies::Belongs;
use crate::store::{Result, Tx, patients};

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaver {
    /// Who.
    pub patient: PatientId,
    /// The programme whose messages the token ends.
    pub programme: String,
    /// The patient's language, BCP 47.
    pub language: String,
}

impl Inbound {
    /// Whose a token is; none when it is not ours, or the patient is gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn leaver(&self, token: &str) -> Result<Option<Leaver>> {
        let Some((programme, patient)) = self.read_token(token) else { return Ok(None) };
        let deps = self.deliverer.deps();
        let mut tx = deps.store.read().await?;
        let row = patients::load(&mut tx, deps.store.keys(), &[patient]).await?.pop();
        Ok(row.map(|row| Leaver { patient, programme, language: row.patient.language }))
    }

    /// Stops the messages of the token's programme, once; whose it was, as [`Inbound::leaver`].
    ///
    /// A patient who is in another programme by now stays in that one, and a person asks what was meant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn leave(&self, token: &str) -> Result<Option<Leaver>> {
        let Some((programme, patient)) = self.read_token(token) else { return Ok(None) };
        let deps = self.deliverer.deps();
        let now = deps.clock.now();
        let mut tx = deps.store.write().await?;
        patients::lock(&mut tx, &[patient]).await?;
        let Some(row) = patients::load(&mut tx, deps.store.keys(), &[patient]).await?.pop() else {
            return Ok(None);
        };
        let contacts = self.mail_addresses(&mut tx, &row).await?;
        let leaver = Leaver { patient, programme, language: row.patient.language.clone() };
        let channel = deps.channels.iter().find(|channel| channel.kind() == ChannelKind::Email);
        if let (Some((contact, _)), Some(channel)) = (contacts.first(), channel) {
            let heeded = Heeded {
                owner: &row,
                contact: *contact,
                reply: ReplyId::new(now, &mut deps.rng.fork()),
                channel: channel.name(),
            };
            let id = format!("unsubscribe-{}", heeded.reply);
            let words = Phi::from("[unsubscribe]");
            let kept = |heard| Kept {
                provider_id: &id,
                words: &words,
                heard,
                inbound: None,
                belongs: Belongs::default(),
            };
            if row.programme != leaver.programme {
                self.keep_reply(&mut tx, &heeded, kept(Heard::PerhapsStop), now).await?;
                self.ask_person(&mut tx, &heeded, now).await?;
            } else if !self.has_left(&mut tx, &row, &contacts).await? {
                self.keep_reply(&mut tx, &heeded, kept(Heard::Stop), now).await?;
                let all: Vec<ContactPointId> = contacts.iter().map(|(id, _)| *id).collect();
                self.stop(&mut tx, &heeded, &all, now).await?;
            }
        }
        tx.commit().await?;
        Ok(Some(leaver))
    }

    /// The programme and the patient of a token. The programme cannot be read from it: those there are are tried.
    fn read_token(&self, token: &str) -> Option<(String, PatientId)> {
        let deps = self.deliverer.deps();
        deps.programmes.iter().find_map(|programme| {
            let purpose = Purpose::Unsubscribe { programme: &programme.name };
            let patient = deps.store.keys().tokens().read(purpose, token)?;
            Some((programme.name.clone(), PatientId(patient)))
        })
    }

    async fn mail_addresses(
        &self,
        tx: &mut Tx,
        row: &PatientRow,
    ) -> Result<Vec<(ContactPointId, ContactHealth)>> {
        let known = patients::contacts(tx, std::slice::from_ref(row)).await?;
        let mail = known.iter().filter(|c| c.channel == ChannelKind::Email && c.in_use);
        Ok(mail.map(|contact| (contact.id, contact.health)).collect())
    }

    async fn has_left(
        &self,
        tx: &mut Tx,
        row: &PatientRow,
        contacts: &[(ContactPointId, ContactHealth)],
    ) -> Result<bool> {
        let consents = patients::consents(tx, &[row.id]).await?;
        let decision = consent(&consents, ChannelKind::Email, self.deliverer.deps().clock.now());
        let stopped = contacts.iter().all(|(_, health)| *health == ContactHealth::OptedOut);
        Ok(stopped && decision == Some(ConsentDecision::Refused))
    }
}
