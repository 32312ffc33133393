//! Messages that take back or move what went into a calendar: they go where the entry went, while it still does not hold.

use super::step::Step;
use crate::care::contact::KnownContact;
use crate::care::ids::AttemptId;
use crate::care::programme::Programme;
use crate::care::{Class, MessageState, PatientStatus, Reason, Zone};
use crate::channel::{Content, InviteAct, Outbound};
use crate::message::MessageName;
use crate::policy::calendar::{Follow, follow};
use crate::store::activities::ActivityRow;
use crate::store::invites::InviteRow;
use crate::store::messages::MessageRow;
use crate::store::standing::Standing;
use std::borrow::Cow;

/// What a calendar is told, of which entry.
#[derive(Clone, Copy)]
pub(super) struct News<'a> {
    pub(super) follow: Follow,
    pub(super) entry: &'a InviteRow,
    /// The appointment as it is now.
    pub(super) row: &'a ActivityRow,
}

impl News<'_> {
    /// The message that says it.
    const fn name(&self) -> MessageName {
        match self.follow {
            Follow::CalledOff => MessageName::AppointmentCalledOff,
            Follow::Moved { .. } => MessageName::Appointment,
        }
    }
}

impl<'a> Step<'a> {
    /// What a message tells a calendar, as the appointment stands now.
    pub(super) fn news<'s>(
        &self,
        message: &MessageRow,
        standing: &'s Standing,
        programme: &Programme,
        zone: &Zone,
    ) -> Option<News<'s>>
    where
        'a: 's,
    {
        let entry = self.facts.followed.get(&message.id)?;
        let (announced, row) =
            standing.announced(entry, programme, zone, (self.now, message.created_at))?;
        follow(&announced).map(|follow| News { follow, entry, row })
    }

    /// Ends a message that would tell a calendar what is not so any more (P6). Gives it back where it still holds.
    pub(super) fn still_news(
        &mut self,
        message: MessageRow,
        standing: &Standing,
        programme: &Programme,
        zone: &Zone,
    ) -> Option<MessageRow> {
        let status = standing.row.status;
        let news = self.news(&message, standing, programme, zone);
        let because = match news {
            _ if status != PatientStatus::Active => Reason::PatientStatus { status },
            Some(news) if news.name().word() == message.name => return Some(message),
            Some(_) | None => Reason::PlanChanged,
        };
        if news.is_some() {
            // There is something else to tell: the patient's wake does.
            self.effects.disturbed.push(message.patient);
        }
        self.end(message, MessageState::Cancelled, because, &[]);
        None
    }

    /// Keeps on record that an attempt brings a calendar's entry.
    pub(super) fn keep_entry(
        &mut self,
        attempt: AttemptId,
        contact: &KnownContact,
        channel: &str,
        outbound: &Outbound,
    ) {
        let Content::Email { invite: Some(invite), .. } = &outbound.content else { return };
        let Ok(activity) = invite.uid.parse() else { return };
        if invite.act == InviteAct::Request {
            self.effects.invites.push(InviteRow {
                attempt,
                patient: contact.patient,
                activity,
                contact_point: contact.id,
                channel: channel.to_owned(),
                sequence: invite.sequence,
                start: invite.start,
                followed_by: None,
            });
        }
    }
}

/// The addresses that a message may go to: what tells a calendar goes where the entry went, and nowhere else.
pub(super) fn reachable<'s>(
    message: &MessageRow,
    standing: &'s Standing,
) -> Cow<'s, [KnownContact]> {
    match message.contact_point {
        Some(id) if message.class != Class::Answer => {
            standing.contacts.iter().filter(|contact| contact.id == id).cloned().collect()
        }
        _ => Cow::Borrowed(&standing.contacts),
    }
}
