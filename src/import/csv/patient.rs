//! The patient in a row.

use super::cells::{date, not_understood, time, word};
use super::columns::{Column, Row};
use super::patient_identity;
use crate::care::contact::ConsentDecision;
use crate::care::{ChannelKind, ConsentBasis, Patient, PatientStatus, Phi, Routine, TextStyle};
use crate::import::change::PatientChange;
use crate::import::date::Date;
use crate::import::fhir::json::Remarks;
use crate::import::person::{Contacts, language, zone};
use crate::import::report::Remark;
use crate::import::why::Why;
use crate::import::{Settings, text};
use chrono::NaiveTime;

/// Reads the patient.
///
/// # Errors
/// With the column of the cell that cannot be taken.
pub(super) fn read(
    row: &Row,
    id: &str,
    settings: &Settings<'_>,
    remarks: &mut Remarks,
) -> Result<PatientChange, Remark> {
    let identity = patient_identity(row, id, settings);
    let (zone, zone_origin) =
        zone(row.get(Column::Timezone), Column::Timezone.name(), settings, remarks)?;
    let consents = consents(row, settings, remarks)?;
    let birth_date = match row.get(Column::BirthDate) {
        Some(written) if !written.contains(['/', '.']) && Date::parse(written).is_some() => {
            Some(written.to_owned())
        }
        _ => date(row, Column::BirthDate)?.map(|(written, _)| written),
    };
    let patient = Patient {
        key: identity.key.0.clone(),
        name: row.get(Column::Name).and_then(text::line).map(Phi::new),
        birth_date: birth_date.map(Phi::new),
        language: language(row.get(Column::Language), Column::Language.name(), settings, remarks),
        zone,
        zone_origin,
        routine: routine(row)?,
        status: status(row)?,
        text_style: text_style(row)?,
        contacts: contacts(row, settings, remarks),
        consents,
    };
    let asserted = settings.asserted_consent().filter(|_| patient.consents.is_empty());
    Ok(PatientChange { identity, patient, asserted, replaced_by: None })
}

fn status(row: &Row) -> Result<PatientStatus, Remark> {
    let Some(cell) = row.get(Column::PatientStatus) else { return Ok(PatientStatus::Active) };
    PatientStatus::parse(&cell.to_lowercase()).ok_or_else(|| {
        not_understood(Column::PatientStatus, "active, paused, admitted, deceased, left")
    })
}

fn text_style(row: &Row) -> Result<TextStyle, Remark> {
    let words: &[(&[&str], TextStyle)] =
        &[(&["discreet"], TextStyle::Discreet), (&["overt"], TextStyle::Overt)];
    Ok(word(row, Column::TextStyle, words)?.unwrap_or_default())
}

fn routine(row: &Row) -> Result<Routine, Remark> {
    let at = |column: Column| -> Result<Option<NaiveTime>, Remark> {
        row.get(column).map(|cell| time(cell, column)).transpose()
    };
    Ok(Routine {
        wake: at(Column::Wake)?,
        breakfast: at(Column::Breakfast)?,
        lunch: at(Column::Lunch)?,
        dinner: at(Column::Dinner)?,
        bed: at(Column::Bed)?,
        ..Routine::default()
    })
}

fn contacts(
    row: &Row,
    settings: &Settings<'_>,
    remarks: &mut Remarks,
) -> Vec<crate::care::ContactPoint> {
    let own_whatsapp = row.get(Column::Whatsapp);
    let mut contacts = Contacts::default();
    // A WhatsApp number of its own takes WhatsApp away from the phone.
    let of_phone: &[ChannelKind] = match own_whatsapp {
        Some(_) => &[ChannelKind::Sms],
        None => &[ChannelKind::Whatsapp, ChannelKind::Sms],
    };
    let numbers: [(Column, &[ChannelKind]); 3] = [
        (Column::Whatsapp, &[ChannelKind::Whatsapp]),
        (Column::Phone, of_phone),
        (Column::Sms, &[ChannelKind::Sms]),
    ];
    for (column, channels) in numbers {
        if let Some(number) = row.get(column) {
            contacts.phone(number, channels, column.name(), settings, remarks);
        }
    }
    if let Some(address) = row.get(Column::Email) {
        contacts.email(address, Column::Email.name(), remarks);
    }
    contacts.finish(Column::Phone.name(), remarks)
}

fn consents(
    row: &Row,
    settings: &Settings<'_>,
    remarks: &mut Remarks,
) -> Result<Vec<ConsentBasis>, Remark> {
    use ConsentDecision::{Given, Refused};
    const WORDS: &[(&[&str], ConsentDecision)] = &[
        (&["yes", "y", "true", "1", "given", "granted", "opt-in", "permit"], Given),
        (
            &[
                "no",
                "n",
                "false",
                "0",
                "refused",
                "denied",
                "withdrawn",
                "revoked",
                "opt-out",
                "deny",
            ],
            Refused,
        ),
    ];
    let columns = [
        (Column::Consent, None),
        (Column::ConsentWhatsapp, Some(ChannelKind::Whatsapp)),
        (Column::ConsentSms, Some(ChannelKind::Sms)),
        (Column::ConsentEmail, Some(ChannelKind::Email)),
    ];
    let at = date(row, Column::ConsentAt)?.map(|(_, date)| date.begins());
    let wording = row.get(Column::ConsentBasis).and_then(text::block);
    let mut consents = Vec::new();
    for (column, channel) in columns {
        if let Some(decision) = word(row, column, WORDS)? {
            let basis = wording.clone().unwrap_or_else(|| format!("column {}", column.name()));
            consents.push(ConsentBasis {
                channel,
                decision,
                basis: Phi::new(basis),
                at: at.unwrap_or(settings.now),
            });
        }
    }
    if !consents.is_empty() && at.is_none() {
        remarks.add(Column::ConsentAt.name(), Why::ConsentUndated);
    }
    Ok(consents)
}
