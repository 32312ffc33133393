//! Over which channel a patient's reminders will go, as far as that can be told before they are due: the claim decides
//! anew (P6).

use crate::care::contact::KnownContact;
use crate::care::{ChannelKind, Class, Micros, Programme, UtcMs};
use crate::message::Tariff;
use crate::policy::contact_choice::{Choice, Needs};
use crate::store::standing::Standing;

/// The channels that there are, and what they cost.
#[derive(Clone, Copy)]
pub struct Channels<'a> {
    /// Kinds that are configured.
    pub configured: &'a [ChannelKind],
    /// What messages cost.
    pub tariff: &'a Tariff,
}

impl<'a> Channels<'a> {
    pub(super) fn price(
        &self,
        patient: &Standing,
        programme: &Programme,
        class: Class,
        to: &KnownContact,
    ) -> Option<Micros> {
        let (language, address) = (&patient.row.patient.language, to.address.expose());
        self.tariff.foreseen(programme, language, class, to.channel, address)
    }

    pub(super) fn choice(
        self,
        now: UtcMs,
        patient: &'a Standing,
        programme: &'a Programme,
        class: Class,
        price: &'a dyn Fn(&KnownContact) -> Option<Micros>,
    ) -> Choice<'a> {
        Choice {
            now,
            contacts: &patient.contacts,
            consents: &patient.consents,
            preference: &programme.channels,
            prefer: programme.prefer,
            needs: Needs { class, style: programme.style(patient.row.patient.text_style) },
            price,
            configured: self.configured,
            tried: &[],
        }
    }
}
