//! Writing what a step of an import has made of the records: bulk statements, each over all that changed.

use crate::care::UtcMs;
use crate::care::ids::PatientId;
use crate::import::held::{Fate, Held, HeldPatient};
use crate::security::SealingKey;
use crate::store::activities::{self, PutActivity};
use crate::store::patients::{self, PatientRow, PutPatient};
use crate::store::plans::{self, PutPlan};
use crate::store::sources::{self, MarkRow};
use crate::store::{Result, StoreError, Tx};
use rand::RngCore;
use std::collections::BTreeMap;

impl Held {
    /// Writes what is new or changed; what is as stored touches nothing. Then the patients whose sends it
    /// changes are told.
    pub(super) async fn write(
        &self,
        tx: &mut Tx,
        rng: &mut (dyn RngCore + Send),
        now: UtcMs,
    ) -> Result<()> {
        let touched: Vec<&HeldPatient> =
            self.patients.values().filter(|patient| is_touched(patient)).collect();
        if touched.is_empty() && self.new_names.is_empty() && self.dropped_names.is_empty() {
            return Ok(());
        }
        self.write_patients(tx, rng, &touched, now).await?;
        let ids: Vec<PatientId> = touched.iter().map(|patient| patient.id).collect();
        let rows: BTreeMap<PatientId, PatientRow> =
            patients::load(tx, &self.keys, &ids).await?.into_iter().map(|r| (r.id, r)).collect();
        self.write_decisions(tx, rng, &touched, &rows, now).await?;
        self.write_orders(tx, rng, &touched, &rows, now).await?;
        sources::drop_names(tx, &self.dropped_names).await?;
        let names: Vec<_> =
            self.new_names.iter().filter_map(|hash| self.names.get(hash).cloned()).collect();
        sources::put_names(tx, &names).await?;
        sources::put_marks(tx, &marks(&touched)).await?;
        let disturbed: Vec<PatientId> =
            touched.iter().filter(|p| p.disturbed).map(|p| p.id).collect();
        patients::disturb(tx, &disturbed, now).await
    }

    async fn write_patients(
        &self,
        tx: &mut Tx,
        rng: &mut (dyn RngCore + Send),
        touched: &[&HeldPatient],
        now: UtcMs,
    ) -> Result<()> {
        let of = |fate| touched.iter().filter(move |patient| patient.fate == fate);
        let new: Vec<PutPatient<'_>> = of(Fate::New).map(|patient| put(patient)).collect();
        if !new.is_empty() {
            patients::insert(tx, &self.keys, rng, &new, now).await?;
        }
        let changed: Vec<&&HeldPatient> = of(Fate::Changed).collect();
        let ids: Vec<PatientId> = changed.iter().map(|patient| patient.id).collect();
        let keys: BTreeMap<PatientId, SealingKey> = patients::load(tx, &self.keys, &ids)
            .await?
            .into_iter()
            .map(|r| (r.id, r.key))
            .collect();
        let mut updates = Vec::new();
        for patient in &changed {
            let key = keys.get(&patient.id).ok_or_else(gone)?.clone();
            updates.push((put(patient), key));
        }
        patients::update(tx, rng, &updates, now).await?;
        for patient in changed.iter().filter(|patient| patient.status != patient.record.status) {
            patients::set_status(tx, patient.id, patient.status, now).await?;
        }
        Ok(())
    }

    async fn write_decisions(
        &self,
        tx: &mut Tx,
        rng: &mut (dyn RngCore + Send),
        touched: &[&HeldPatient],
        rows: &BTreeMap<PatientId, PatientRow>,
        now: UtcMs,
    ) -> Result<()> {
        let moved: Vec<PatientRow> = touched
            .iter()
            .filter(|patient| patient.contacts != Fate::Kept)
            .filter_map(|patient| rows.get(&patient.id).cloned())
            .collect();
        if !moved.is_empty() {
            patients::put_contacts(tx, &self.keys, rng, &moved, now).await?;
        }
        let mut decided = Vec::new();
        for patient in touched {
            let row = rows.get(&patient.id).ok_or_else(gone)?;
            decided.extend(patient.decided.iter().map(|(source, basis)| (row, *source, basis)));
        }
        patients::put_consents(tx, &self.keys, rng, &decided, now).await?;
        for patient in touched {
            let row = rows.get(&patient.id).ok_or_else(gone)?;
            for (origin, bases) in &patient.replaced_consents {
                let consent = (*origin, bases.as_slice());
                sources::replace_consents(tx, &self.keys, rng, row, consent, now).await?;
            }
        }
        Ok(())
    }

    async fn write_orders(
        &self,
        tx: &mut Tx,
        rng: &mut (dyn RngCore + Send),
        touched: &[&HeldPatient],
        rows: &BTreeMap<PatientId, PatientRow>,
        now: UtcMs,
    ) -> Result<()> {
        let (mut plans, mut new, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for patient in touched {
            let key = &rows.get(&patient.id).ok_or_else(gone)?.key;
            for plan in patient.plans.iter().filter(|plan| plan.fate != Fate::Kept) {
                plans.push(PutPlan {
                    id: plan.id,
                    patient: patient.id,
                    key: key.clone(),
                    key_hash: plan.key_hash.clone(),
                    status: plan.record.status.word(),
                    document: serde_json::json!(plan.record).to_string(),
                    fingerprint: plan.fingerprint.clone(),
                });
            }
            for activity in &patient.activities {
                let put = PutActivity {
                    id: activity.id,
                    patient: patient.id,
                    key: key.clone(),
                    activity: &activity.record,
                    plan_key_hash: activity.plan.clone(),
                    confidence: activity.confidence,
                    fingerprint: activity.fingerprint.clone(),
                    reminders_from: activity.reminders_from,
                };
                match activity.fate {
                    Fate::New => new.push(put),
                    Fate::Changed => changed.push(put),
                    Fate::Kept => {}
                }
            }
        }
        plans::put(tx, rng, &plans, now).await?;
        activities::insert(tx, &self.keys, rng, &new, now).await?;
        activities::update(tx, &self.keys, rng, &changed, now).await
    }
}

fn put(patient: &HeldPatient) -> PutPatient<'_> {
    PutPatient {
        id: patient.id,
        programme: &patient.programme,
        patient: &patient.record,
        fingerprint: patient.fingerprint.clone(),
    }
}

fn is_touched(patient: &HeldPatient) -> bool {
    let kept = |fate| fate == Fate::Kept;
    !(kept(patient.fate)
        && kept(patient.mark.fate)
        && !patient.disturbed
        && patient.decided.is_empty()
        && patient.replaced_consents.is_empty()
        && patient.consent_marks.values().all(|mark| kept(mark.fate))
        && patient.plans.iter().all(|plan| kept(plan.fate) && kept(plan.mark.fate))
        && patient.activities.iter().all(|one| kept(one.fate) && kept(one.mark.fate)))
}

fn marks(touched: &[&HeldPatient]) -> Vec<MarkRow> {
    let mut rows = Vec::new();
    for patient in touched {
        let mut add = |mark: &crate::import::held::Mark, subject| {
            if mark.fate != Fate::Kept {
                rows.push(mark.row(subject, patient.id));
            }
        };
        add(&patient.mark, patient.id.0);
        patient.consent_marks.iter().for_each(|(subject, mark)| add(mark, *subject));
        patient.plans.iter().for_each(|plan| add(&plan.mark, plan.id.0));
        patient.activities.iter().for_each(|activity| add(&activity.mark, activity.id.0));
    }
    rows
}

const fn gone() -> StoreError {
    StoreError::Inconsistent { table: "patients", column: "id", what: "gone while it was locked" }
}
