//! What messages cost: the prices, and what each text is charged as, which is found out once.

use super::cost::Charge;
use super::survey::sample;
use super::{Catalogue, Enclosed, MessageName, Prices, Rendered, Repeat, Saying};
use crate::care::{ChannelKind, Class, Micros, Programme, TextStyle};
use chrono::NaiveDate;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Prices, with the texts that they are for.
pub struct Tariff {
    prices: Prices,
    catalogue: Arc<Catalogue>,
    /// Discreet texts are few, and each is rendered once.
    charges: Mutex<BTreeMap<Discreet, Option<Charge>>>,
}

/// What a discreet text depends on, but for its time, which is always five characters.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Discreet {
    programme: String,
    language: String,
    what: MessageName,
    channel: ChannelKind,
    repeat: Repeat,
    count: usize,
    /// Of appointments: their date is written out.
    date: Option<NaiveDate>,
}

impl Tariff {
    /// The tariff of these prices for these texts.
    pub const fn new(prices: Prices, catalogue: Arc<Catalogue>) -> Self {
        Self { prices, catalogue, charges: Mutex::new(BTreeMap::new()) }
    }

    /// The prices.
    pub const fn prices(&self) -> &Prices {
        &self.prices
    }

    /// What is charged for a text that is made.
    pub fn price(
        &self,
        rendered: &Rendered,
        channel: ChannelKind,
        address: &str,
    ) -> Option<Micros> {
        self.prices.estimate(Charge::of(rendered, channel), address)
    }

    /// What a saying is charged as over a kind of channel; `None` where it has no text there.
    pub fn charge(
        &self,
        programme: &Programme,
        saying: &Saying,
        channel: ChannelKind,
    ) -> Option<Charge> {
        let rendered = || self.catalogue.render(programme, saying).ok();
        let is_overt = programme.style(saying.style) == TextStyle::Overt;
        if is_overt || saying.material != Enclosed::default() {
            return rendered().map(|rendered| Charge::of(&rendered, channel));
        }
        let dated = saying.what.is_dated();
        let key = Discreet {
            programme: programme.name.clone(),
            language: saying.language.clone(),
            what: saying.what,
            channel,
            repeat: saying.repeat,
            count: saying.items.len(),
            date: dated.then(|| saying.local_time.date()),
        };
        let mut charges = self.charges.lock().unwrap_or_else(PoisonError::into_inner);
        let charge = || rendered().map(|rendered| Charge::of(&rendered, channel));
        *charges.entry(key).or_insert_with(charge)
    }

    /// What a reminder of a class will cost at most, before anybody has written it; `None`: nobody knows.
    pub fn foreseen(
        &self,
        programme: &Programme,
        language: &str,
        class: Class,
        channel: ChannelKind,
        address: &str,
    ) -> Option<Micros> {
        let what = match class {
            Class::TimeCriticalDose | Class::Dose => MessageName::Dose,
            Class::Appointment => MessageName::Appointment,
            Class::Measurement => MessageName::Measurement,
            Class::Education => MessageName::Education,
            Class::Notice => MessageName::Notice,
            Class::Answer => return None,
        };
        let saying = sample(what, language, TextStyle::Discreet, Repeat::First, channel);
        self.prices.estimate(self.charge(programme, &saying, channel)?, address)
    }
}
