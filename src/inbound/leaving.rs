//! Leaving the mails: by their link, or by the mail that their `List-Unsubscribe` header asks for (RFC 2369, RFC 8058).
//! It ends what comes by mail and nothing else; a STOP ends everything. Nothing is answered: the page says it, or the
//! patient's mail program.

use super::Inbound;
use super::replies::{Heeded, Kept, health};
use crate::care::contact::{ConsentBasis, ConsentDecision};
use crate::care::ids::{ContactPointId, PatientId, ReplyId};
use crate::care::{ChannelKind, ContactHealth, Phi, UtcMs};
use crate::policy::contact_choice::consent;
use crate::security::Purpose;
use crate::store::patients::PatientRow;
use crate::store::replies::Belongs;
use crate::store::{Result, Tx, patients};

/// The keyword of a reply by which a patient leaves the mails.
pub(super) const LEAVES: &str = "unsubscribe";

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaver {
    /// Who.
    pub patient: PatientId,
    /// The programme whose mails the token ends.
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

    /// Stops the mails of the token's programme, once; whose it was, as [`Inbound::leaver`].
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
            let kept = |keyword| Kept {
                provider_id: &id,
                words: &words,
                keyword,
                inbound: None,
                belongs: Belongs::default(),
            };
            if row.programme != leaver.programme {
                self.keep_reply(&mut tx, &heeded, kept("perhaps-stop"), now).await?;
                self.ask_person(&mut tx, &heeded, now).await?;
            } else if !self.has_left(&mut tx, &row, &contacts).await? {
                self.keep_reply(&mut tx, &heeded, kept(LEAVES), now).await?;
                let all: Vec<ContactPointId> = contacts.iter().map(|(id, _)| *id).collect();
                self.leave_mail(&mut tx, &heeded, &all, now).await?;
            }
        }
        tx.commit().await?;
        Ok(Some(leaver))
    }

    /// The patient's mail addresses are stopped, and the consent to mail is withdrawn; other channels stay. What is
    /// queued is decided by these rows when it is claimed; what is claimed is caught before its first byte.
    pub(super) async fn leave_mail(
        &self,
        tx: &mut Tx,
        heeded: &Heeded<'_>,
        contacts: &[ContactPointId],
        now: UtcMs,
    ) -> Result<()> {
        let deps = self.deliverer.deps();
        let moves = health(contacts, ContactHealth::OptedOut, "UNSUBSCRIBE");
        patients::set_health(tx, &moves, now).await?;
        let consent = ConsentBasis {
            channel: Some(ChannelKind::Email),
            decision: ConsentDecision::Refused,
            basis: Phi::from("UNSUBSCRIBE"),
            at: now,
        };
        let rows = [(heeded.owner, "reply", &consent)];
        patients::put_consents(tx, deps.store.keys(), &mut deps.rng.fork(), &rows, now).await?;
        self.deliverer.opted_out(heeded.owner.id);
        Ok(())
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
