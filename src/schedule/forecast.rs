//! The messages that a patient's coming days hold: what [`foresee`] sees, gathered as a wake gathers it.

use super::channels::Channels;
use super::foresee::{Fate, Foreseen, foresee};
use crate::care::contact::KnownContact;
use crate::care::{Programme, UtcMs, Zone};
use crate::message::announced::{self, Announced};
use crate::message::survey::form;
use crate::message::{MessageName, Repeat, Saying};
use crate::policy::grouping::class_group;
use crate::store::activities::ActivityRow;
use crate::store::standing::Standing;
use chrono::{NaiveDateTime, NaiveTime};
use std::collections::BTreeMap;

/// What a patient would be sent, if nothing changed.
#[derive(Clone, Debug, Default)]
pub struct Forecast<'a> {
    /// The messages, by instant.
    pub messages: Vec<ForeseenMessage<'a>>,
    /// Slots that would end unsent.
    pub unsent: usize,
}

/// A message to come.
#[derive(Clone, Debug)]
pub struct ForeseenMessage<'a> {
    /// When it leaves.
    pub at: UtcMs,
    /// Over which contact point.
    pub contact: &'a KnownContact,
    /// What it says.
    pub what: MessageName,
    /// The time that it names.
    pub local_time: NaiveDateTime,
    /// Further times that it names.
    pub also_at: Vec<NaiveTime>,
    /// What it announces.
    pub announced: Vec<Announced<'a>>,
}

/// The messages of slots with `now <= instant < until`: slots of one minute and group of classes are one message.
pub fn forecast<'a>(
    window: (UtcMs, UtcMs),
    patient: &'a Standing,
    programme: &Programme,
    zone: &Zone,
    channels: Channels<'_>,
) -> Forecast<'a> {
    let slots = foresee(window, patient, programme, zone, channels);
    let mut forecast = Forecast::default();
    let mut groups: BTreeMap<(UtcMs, &str), Vec<(&Foreseen, &'a ActivityRow)>> = BTreeMap::new();
    for slot in &slots {
        let activity = patient.activities.iter().find(|row| row.id == slot.activity);
        match (activity, &slot.fate) {
            (Some(row), Fate::Leaves | Fate::Waits { .. }) => {
                let key = (slot.occurrence.at.minute(), class_group(row.activity.class));
                groups.entry(key).or_default().push((slot, row));
            }
            _ => forecast.unsent += 1,
        }
    }
    for group in groups.into_values() {
        match message(patient, &group, zone) {
            Some(message) => forecast.messages.push(message),
            None => forecast.unsent += group.len(),
        }
    }
    forecast.messages.sort_by_key(|message| message.at);
    forecast
}

fn message<'a>(
    patient: &'a Standing,
    slots: &[(&Foreseen, &'a ActivityRow)],
    zone: &Zone,
) -> Option<ForeseenMessage<'a>> {
    let (slot, _) = slots.first()?;
    let contact = patient.contacts.iter().find(|contact| Some(contact.id) == slot.contact)?;
    let announced: Vec<Announced<'a>> = slots
        .iter()
        .map(|(slot, row)| Announced {
            activity: &row.activity,
            due_at: slot.occurrence.at,
            planned: slot.occurrence.slot.planned,
        })
        .collect();
    let what = announced::what(&announced).ok()?;
    let (local_time, also_at) = announced::times(&announced, zone)?;
    let at = match slot.fate {
        Fate::Waits { until, .. } => until,
        Fate::Leaves | Fate::Ends { .. } => slot.occurrence.at,
    };
    Some(ForeseenMessage { at, contact, what, local_time, also_at, announced })
}

impl ForeseenMessage<'_> {
    /// What would be said to the patient.
    pub fn saying(&self, patient: &Standing) -> Saying {
        Saying {
            what: self.what,
            language: patient.row.patient.language.clone(),
            style: patient.row.patient.text_style,
            form: form(self.what, self.contact.channel),
            local_time: self.local_time,
            also_at: self.also_at.clone(),
            items: announced::items(&self.announced),
            repeat: Repeat::First,
        }
    }
}
