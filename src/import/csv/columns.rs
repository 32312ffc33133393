//! Columns: what a header may be called, and which cells a row has of them.

use crate::import::report::Remark;
use crate::import::why::Why;

/// A column that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Column {
    PatientId,
    Uuid,
    Name,
    Phone,
    Whatsapp,
    Sms,
    Email,
    Language,
    Timezone,
    BirthDate,
    PatientStatus,
    TextStyle,
    Wake,
    Breakfast,
    Lunch,
    Dinner,
    Bed,
    Consent,
    ConsentWhatsapp,
    ConsentSms,
    ConsentEmail,
    ConsentAt,
    ConsentBasis,
    OrderId,
    Type,
    Title,
    DoseText,
    Start,
    End,
    Timing,
    Times,
    Days,
    Every,
    TimesPerDay,
    Count,
    Protocol,
    Met,
    Prn,
    TimeCritical,
    Status,
    Replaces,
    Material,
}

use Column as C;

/// Every column: its own name first, then other names that programmes and their tools give it. RapidPro
/// writes `Name`, `Phone` or `URN:Tel`, `Language`, `UUID` and `Field:<name>`.
const NAMES: &[(Column, &[&str])] = &[
    (C::PatientId, &["patient_id", "patient", "external_id", "mrn", "id"]),
    (C::Uuid, &["uuid", "contact_uuid"]),
    (C::Name, &["name", "full_name", "patient_name", "contact_name"]),
    (C::Phone, &["phone", "tel", "telephone", "mobile", "phone_number", "msisdn", "urn:tel"]),
    (C::Whatsapp, &["whatsapp", "whatsapp_number", "urn:whatsapp"]),
    (C::Sms, &["sms", "sms_number"]),
    (C::Email, &["email", "e_mail", "mail", "urn:mailto"]),
    (C::Language, &["language", "lang", "preferred_language"]),
    (C::Timezone, &["timezone", "time_zone", "tz", "zone"]),
    (C::BirthDate, &["birth_date", "birthdate", "date_of_birth", "dob"]),
    (C::PatientStatus, &["patient_status"]),
    (C::TextStyle, &["text_style"]),
    (C::Wake, &["wake"]),
    (C::Breakfast, &["breakfast"]),
    (C::Lunch, &["lunch"]),
    (C::Dinner, &["dinner"]),
    (C::Bed, &["bed"]),
    (C::Consent, &["consent", "opt_in"]),
    (C::ConsentWhatsapp, &["consent_whatsapp"]),
    (C::ConsentSms, &["consent_sms"]),
    (C::ConsentEmail, &["consent_email"]),
    (C::ConsentAt, &["consent_at", "consent_date"]),
    (C::ConsentBasis, &["consent_basis", "consent_wording"]),
    (C::OrderId, &["order_id", "order", "prescription_id", "activity_id"]),
    (C::Type, &["type", "order_type", "kind"]),
    (C::Title, &["title", "drug", "medication", "medicine"]),
    (C::DoseText, &["dose_text", "dose", "instruction", "instructions", "sig"]),
    (C::Start, &["start", "start_date", "date"]),
    (C::End, &["end", "end_date", "until"]),
    (C::Timing, &["timing", "schedule", "when"]),
    (C::Times, &["times", "time", "time_of_day"]),
    (C::Days, &["days", "day_of_week", "weekdays"]),
    (C::Every, &["every", "interval"]),
    (C::TimesPerDay, &["times_per_day", "per_day"]),
    (C::Count, &["count", "number_of_doses"]),
    (C::Protocol, &["protocol"]),
    (C::Met, &["met", "milestones_met"]),
    (C::Prn, &["prn", "as_needed"]),
    (C::TimeCritical, &["time_critical"]),
    (C::Status, &["status", "order_status"]),
    (C::Replaces, &["replaces"]),
    (C::Material, &["material"]),
];

impl Column {
    /// The column that a header names.
    pub(super) fn of(header: &str) -> Option<Self> {
        let lower = header.trim().trim_start_matches('\u{FEFF}').to_lowercase();
        let bare = lower.strip_prefix("field:").unwrap_or(&lower).trim().replace([' ', '-'], "_");
        NAMES.iter().find(|(_, names)| names.contains(&bare.as_str())).map(|(column, _)| *column)
    }

    /// Its own name.
    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(column, _)| *column == self).map_or("", |(_, names)| names[0])
    }

    /// Whether it tells of the patient rather than of an order.
    pub(super) fn is_of_patient(self) -> bool {
        (self as usize) < (Self::OrderId as usize)
    }
}

/// A table's columns, by place.
pub(super) struct Header {
    columns: Vec<Option<Column>>,
}

impl Header {
    /// The header of a table, and the names that mean nothing.
    ///
    /// # Errors
    /// When no column says whose the rows are, or two say the same.
    pub(super) fn read(record: &csv::StringRecord) -> Result<(Self, Vec<String>), Remark> {
        let columns: Vec<Option<Column>> = record.iter().map(Column::of).collect();
        for (i, column) in columns.iter().enumerate() {
            if let Some(column) = column.filter(|_| columns[..i].contains(column)) {
                let why = Why::TwiceColumn { column: column.name().to_owned() };
                return Err(Remark::at(record.get(i).unwrap_or_default(), why));
            }
        }
        if columns.iter().all(Option::is_none) {
            return Err(Remark::at(".", Why::NotData));
        }
        if !columns.contains(&Some(C::PatientId)) && !columns.contains(&Some(C::Uuid)) {
            return Err(Remark::at(C::PatientId.name(), Why::NoColumn));
        }
        let unknown =
            record.iter().zip(&columns).filter(|(name, c)| c.is_none() && !name.trim().is_empty());
        let unknown = unknown.map(|(name, _)| name.trim().to_owned()).collect();
        Ok((Self { columns }, unknown))
    }

    /// A row under this header.
    ///
    /// # Errors
    /// When it has another number of cells, or a cell that no text has. More cells are fine when they are empty.
    pub(super) fn row(&self, record: &csv::StringRecord, line: u64) -> Result<Row, Remark> {
        let expected = self.columns.len();
        if record.len() < expected
            || record.iter().skip(expected).any(|cell| !cell.trim().is_empty())
        {
            return Err(Remark::at(".", Why::Ragged { found: record.len(), expected }));
        }
        let mut cells = Vec::new();
        for (cell, column) in record.iter().zip(&self.columns) {
            let Some(column) = *column else { continue };
            if cell.len() > CELL_LIMIT_BYTES || cell.contains('\0') {
                return Err(Remark::at(
                    column.name(),
                    Why::BadCell { limit_bytes: CELL_LIMIT_BYTES },
                ));
            }
            if !cell.trim().is_empty() {
                cells.push((column, cell.trim().to_owned()));
            }
        }
        Ok(Row { line, cells })
    }
}

/// Longest cell.
const CELL_LIMIT_BYTES: usize = 1 << 20;

/// The cells of a row that are not empty.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    cells: Vec<(Column, String)>,
}

impl Row {
    /// A cell, if it is not empty.
    pub(super) fn get(&self, column: Column) -> Option<&str> {
        self.cells.iter().find(|(c, _)| *c == column).map(|(_, cell)| cell.as_str())
    }

    /// Who it is about: the patient's id, else the contact's UUID.
    pub(super) fn patient_id(&self) -> Option<&str> {
        self.get(C::PatientId).or_else(|| self.get(C::Uuid))
    }

    /// Whether it tells anything of the patient but who it is.
    pub(super) fn tells_of_patient(&self) -> bool {
        self.cells.iter().any(|(c, _)| c.is_of_patient() && !matches!(c, C::PatientId | C::Uuid))
    }

    /// Whether it has an order.
    pub(super) fn has_order(&self) -> bool {
        self.cells.iter().any(|(c, _)| !c.is_of_patient())
    }

    /// Takes over what another row of the same patient tells.
    ///
    /// # Errors
    /// The column in which they disagree.
    pub(super) fn merge_patient(&mut self, other: &Self) -> Result<(), Column> {
        for (column, cell) in other.cells.iter().filter(|(c, _)| c.is_of_patient()) {
            match self.get(*column) {
                Some(own) if own != cell => return Err(*column),
                Some(_) => {}
                None => self.cells.push((*column, cell.clone())),
            }
        }
        Ok(())
    }
}
