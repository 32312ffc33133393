//! What a message costs, before it is sent. Pure: prices and the message in, an amount out.

use super::prices::Prices;
use super::saying::Rendered;
use super::segments;
use crate::care::programme::TemplateCategory;
use crate::care::{ChannelKind, Micros};

/// What a provider charges for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Charge {
    /// Each part of an SMS.
    Sms {
        /// How many.
        parts: usize,
    },
    /// A template.
    Template {
        /// The category it is approved in.
        category: TemplateCategory,
    },
    /// A text that answers within 24 hours: nothing.
    Answer,
    /// An email.
    Email,
}

impl Charge {
    /// What a message over a kind of channel is charged as.
    pub fn of(rendered: &Rendered, channel: ChannelKind) -> Self {
        match (channel, &rendered.template) {
            (ChannelKind::Sms, _) => {
                Self::Sms { parts: segments::count(rendered.text.expose()).parts }
            }
            (ChannelKind::Whatsapp, Some(template)) => {
                Self::Template { category: template.category }
            }
            (ChannelKind::Whatsapp, None) => Self::Answer,
            (ChannelKind::Email, _) => Self::Email,
        }
    }

    /// What is counted on the bill: parts of SMS, else messages.
    pub const fn units(self) -> usize {
        match self {
            Self::Sms { parts } => parts,
            Self::Template { .. } | Self::Answer | Self::Email => 1,
        }
    }
}

impl Prices {
    /// What it costs at most to send to an address, of which its beginning is enough; `None` where no price is known.
    ///
    /// A utility template inside the 24 hours is free, which nobody knows beforehand
    /// (<https://developers.facebook.com/documentation/business-messaging/whatsapp/pricing>).
    pub fn estimate(&self, charge: Charge, address: &str) -> Option<Micros> {
        match charge {
            Charge::Sms { parts } => Some(self.sms.of(address)?.times(parts as u64)),
            Charge::Template { category } => self.whatsapp.get(&category)?.of(address),
            Charge::Answer => Some(Micros::default()),
            Charge::Email => self.email.of(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_has_the_price_of_its_channel_country_and_category() {
        let prices = Prices::load(None).unwrap();
        let (utility, marketing) = (TemplateCategory::Utility, TemplateCategory::Marketing);
        for (charge, address, expected) in [
            (Charge::Sms { parts: 3 }, "+254712345678", "0.18"),
            (Charge::Sms { parts: 1 }, "+8613912345678", "0.08"),
            (Charge::Template { category: utility }, "+254712345678", "0.004"),
            (Charge::Template { category: marketing }, "+254712345678", "0.0225"),
            (Charge::Answer, "+254712345678", "0"),
            (Charge::Email, "a@b.org", "0.0001"),
        ] {
            assert_eq!(
                prices.estimate(charge, address),
                Micros::parse(expected).ok(),
                "{charge:?}"
            );
        }
    }
}
