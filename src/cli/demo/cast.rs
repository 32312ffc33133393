//! The people of the demo as it names them: a number and a city, never a name or an address.

use crate::care::ids::PatientId;
use crate::care::{Address, UtcMs, Zone, ZoneRules as _};
use crate::cli::app::App;
use crate::sandbox::Channel;
use crate::store::{Result, StoreError, patients};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Patients read at once; the demo has fewer.
const PAGE: i64 = 1_000;

/// A patient as the demo knows one.
#[derive(Clone)]
pub(super) struct Person {
    /// `patient 07`.
    pub(super) label: String,
    /// The patient's clock.
    pub(super) zone: Arc<Zone>,
    /// Primary subtag of the language.
    pub(super) language: String,
    /// Everything that reaches the patient.
    addresses: Vec<Address>,
}

impl Person {
    /// The city that names the zone: `Dar es Salaam`.
    pub(super) fn city(&self) -> String {
        self.zone.name().rsplit('/').next().unwrap_or_default().replace('_', " ")
    }

    /// What the patient's clock shows, `HH:MM`.
    pub(super) fn local_time(&self, at: UtcMs) -> String {
        self.zone.local(at).format("%H:%M").to_string()
    }
}

/// Everybody, by id.
pub(super) struct Cast(BTreeMap<PatientId, Person>);

impl Cast {
    /// Numbers the patients of a database by their identity in the source, so that every run numbers alike.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn of(app: &App) -> Result<Self> {
        let mut tx = app.store.read().await?;
        let ids = patients::page(&mut tx, None, PAGE).await?;
        let mut rows = patients::load(&mut tx, app.store.keys(), &ids).await?;
        rows.sort_by(|a, b| {
            let key = |row: &patients::PatientRow| row.patient.key.expose().clone();
            (&a.programme, key(a)).cmp(&(&b.programme, key(b)))
        });
        let unknown_zone =
            StoreError::Inconsistent { table: "patients", column: "zone", what: "an unknown zone" };
        let mut people = BTreeMap::new();
        for (number, row) in (1..).zip(rows) {
            let Some(zone) = app.zones.zone(&row.patient.zone) else { return Err(unknown_zone) };
            let language = row.patient.language.split('-').next().unwrap_or_default().to_owned();
            let addresses = row.patient.contacts.into_iter().map(|point| point.address).collect();
            people.insert(
                row.id,
                Person { label: format!("patient {number:02}"), zone, language, addresses },
            );
        }
        Ok(Self(people))
    }

    /// Every id.
    pub(super) fn ids(&self) -> Vec<PatientId> {
        self.0.keys().copied().collect()
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A patient.
    pub(super) fn get(&self, id: PatientId) -> Option<&Person> {
        self.0.get(&id)
    }

    /// Who has an address.
    pub(super) fn at_address(&self, address: &str) -> Option<&Person> {
        self.0.values().find(|person| person.addresses.iter().any(|it| it.expose() == address))
    }

    /// The zones, each once.
    pub(super) fn zones(&self) -> BTreeMap<&str, usize> {
        self.0.values().fold(BTreeMap::new(), |mut zones, person| {
            *zones.entry(person.zone.name()).or_default() += 1;
            zones
        })
    }

    /// How many languages they speak.
    pub(super) fn languages(&self) -> usize {
        let spoken: std::collections::BTreeSet<_> =
            self.0.values().map(|person| &person.language).collect();
        spoken.len()
    }
}

/// A channel as the demo names it.
pub(super) const fn channel_word(channel: Channel) -> &'static str {
    match channel {
        Channel::Whatsapp => "whatsapp",
        Channel::Twilio => "sms",
        Channel::Email => "email",
    }
}
