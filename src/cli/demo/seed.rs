//! Stands in for the importer until it lands.

use super::super::Failure;
use super::house::House;
use super::sample::Sample;
use crate::care::ids::{ActivityId, PatientId};
use crate::care::{Confidence, ZoneRules as _};
use crate::clock::Clock as _;
use crate::import::{Change, Settings, read};
use crate::store::activities::{self, PutActivity};
use crate::store::patients::{self, PutPatient};
use anyhow::Context as _;
use std::collections::BTreeMap;

pub(super) async fn seed(
    house: &House,
    samples: Vec<Sample>,
) -> Result<BTreeMap<&'static str, usize>, Failure> {
    let mut rng = house.app.rng.fork();
    let now = house.clock.now();
    let keys = house.app.store.keys();
    let mut counts = BTreeMap::new();
    let mut tx = house.app.store.write().await.context("write")?;
    for sample in samples {
        let settings = Settings {
            programme: house.app.programmes.get(sample.programme).context("programme")?,
            zones: &*house.app.zones,
            now,
            assertion: None,
            source_system: "demo".to_owned(),
        };
        let mut changes: Vec<Change> = Vec::new();
        for document in &sample.documents {
            for item in read(document, &settings) {
                *counts.entry("read").or_insert(0) += 1;
                changes.extend(item.changes().iter().cloned());
            }
        }
        let mut known: BTreeMap<String, PatientId> = BTreeMap::new();
        for change in &changes {
            if let Change::Patient(it) = change {
                let id = PatientId::new(now, &mut rng);
                let put = PutPatient {
                    id,
                    programme: sample.programme,
                    patient: &it.patient,
                    fingerprint: vec![1],
                };
                patients::insert(&mut tx, keys, &mut rng, &[put], now).await.context("a")?;
                let rows = patients::load(&mut tx, keys, &[id]).await.context("b")?;
                patients::put_contacts(&mut tx, keys, &mut rng, &rows, now).await.context("c")?;
                let consents: Vec<_> =
                    it.patient.consents.iter().map(|c| (&rows[0], "import", c)).collect();
                patients::put_consents(&mut tx, keys, &mut rng, &consents, now)
                    .await
                    .context("d")?;
                known.extend(it.identity.names().map(|key| (key.expose().to_owned(), id)));
            }
        }
        for change in &changes {
            let subject = match change {
                Change::Activity(it) => &it.subject,
                Change::Consent(it) => &it.subject,
                _ => continue,
            };
            let Some(id) = subject.candidates.iter().find_map(|key| known.get(key.expose())) else {
                continue;
            };
            let rows = patients::load(&mut tx, keys, &[*id]).await.context("b")?;
            match change {
                Change::Activity(it) => {
                    let mut activity = it.activity.clone();
                    if let Some(start) = it.local_start {
                        let zone = house.app.zones.zone(&rows[0].patient.zone).context("zone")?;
                        activity.schedule = crate::care::Schedule::Appointment {
                            start: zone.resolve(start).instant(),
                        };
                    }
                    let put = PutActivity {
                        id: ActivityId::new(now, &mut rng),
                        patient: *id,
                        key: rows[0].key.clone(),
                        activity: &activity,
                        plan_key_hash: None,
                        confidence: Confidence::Exact,
                        fingerprint: vec![1],
                        reminders_from: now,
                    };
                    activities::insert(&mut tx, keys, &mut rng, &[put], now).await.context("e")?;
                    patients::disturb(&mut tx, &[*id], now).await.context("f")?;
                }
                Change::Consent(it) => {
                    let consents: Vec<_> =
                        it.bases.iter().map(|c| (&rows[0], "import", c)).collect();
                    patients::put_consents(&mut tx, keys, &mut rng, &consents, now)
                        .await
                        .context("g")?;
                }
                _ => {}
            }
        }
    }
    tx.commit().await.context("h")?;
    Ok(counts)
}
