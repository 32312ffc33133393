//! CSV to changes: one wide file, or a file of patients and one of orders; the header tells.
//!
//! Rows of one patient may each tell a part of it, but must not disagree; an order is taken as a whole or not
//! at all. What a spreadsheet has damaged is refused, never mended by a guess.

mod cells;
mod columns;
mod order;
mod patient;
mod phrase;
mod protocol;

use crate::import::Settings;
use crate::import::change::{Change, Identity, Item, Key, PatientChange, Reading, Revision};
use crate::import::fhir::json::Remarks;
use crate::import::report::{Remark, ResourceRef};
use crate::import::why::Why;
use columns::{Column, Header, Row};
use std::collections::{BTreeMap, HashMap};

/// Reads a table: each patient ends in one item, each order in one, and so does each row that is neither.
pub(crate) fn read(source: &str, table: &str, settings: &Settings<'_>) -> Vec<Item> {
    let Dialect { table, delimiter, first_line } = Dialect::of(table);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(table.as_bytes());
    let at = |line: u64, kind: &str, reading, remarks| {
        let resource =
            ResourceRef { source: format!("{source}:{line}"), kind: kind.to_owned(), id: None };
        Item { resource, revision: Revision::default(), remarks, reading }
    };
    let whole = |reading, remark| {
        let resource = ResourceRef { source: source.to_owned(), kind: "file".to_owned(), id: None };
        vec![Item::ended(resource, reading, remark)]
    };
    // A text cannot fail to be read as records: rows of any length are let through and checked below.
    let mut records = reader.records().filter_map(Result::ok);
    let Some(first) = records.next() else {
        return whole(Reading::Ignored, Remark::at(".", Why::Empty));
    };
    let (header, unknown) = match Header::read(&first) {
        Ok(header) => header,
        Err(remark) => return whole(Reading::Rejected, remark),
    };
    let mut items = Vec::new();
    if !unknown.is_empty() {
        let why = Why::UnknownColumns { names: unknown.join(", ") };
        items.push(at(first_line, "header", Reading::Ignored, vec![Remark::at(".", why)]));
    }
    let mut rows = Vec::new();
    for record in records.filter(|record| record.iter().any(|cell| !cell.trim().is_empty())) {
        let line = first_line - 1 + record.position().map_or(0, csv::Position::line);
        match header.row(&record, line) {
            Ok(row) => rows.push(row),
            Err(remark) => items.push(at(line, "row", Reading::Rejected, vec![remark])),
        }
    }
    if rows.is_empty() && items.is_empty() {
        return whole(Reading::Ignored, Remark::at(".", Why::Empty));
    }
    let people = People::of(&rows);
    for (id, person) in &people.by_id {
        if person.row.tells_of_patient() {
            let mut remarks = Remarks::default();
            let read = person.read(id, settings, &mut remarks);
            let read = read.map(|change| Change::Patient(Box::new(change)));
            items.push(at(person.row.line, "patient", reading(read, &mut remarks), remarks.0));
        }
    }
    let mut orders = Vec::new();
    for row in &rows {
        let Some((id, person)) = row.patient_id().and_then(|id| people.by_id.get_key_value(id))
        else {
            let remark = Remark::at(Column::PatientId.name(), Why::Missing);
            items.push(at(row.line, "row", Reading::Rejected, vec![remark]));
            continue;
        };
        if row.has_order() {
            let mut remarks = Remarks::default();
            // What cannot be believed of the patient cannot be believed of the order in the same table.
            let read = person
                .read(id, settings, &mut Remarks::default())
                .and_then(|_| order::read(row, id, settings, &mut remarks))
                .map(|change| Change::Activity(Box::new(change)));
            orders.push(at(row.line, "order", reading(read, &mut remarks), remarks.0));
        } else if row.line != person.row.line || !row.tells_of_patient() {
            let remark =
                Remark::at(".", if row.tells_of_patient() { Why::Twice } else { Why::Empty });
            items.push(at(row.line, "row", Reading::Ignored, vec![remark]));
        }
    }
    settle(&mut orders);
    items.extend(orders);
    items.sort_by_key(line_of);
    items
}

fn reading(read: Result<Change, Remark>, remarks: &mut Remarks) -> Reading {
    match read {
        Ok(change) => Reading::Parsed(vec![change]),
        Err(remark) => {
            remarks.0.insert(0, remark);
            Reading::Rejected
        }
    }
}

fn line_of(item: &Item) -> u64 {
    item.resource.source.rsplit(':').next().and_then(|line| line.parse().ok()).unwrap_or(0)
}

/// How a table is written.
struct Dialect<'t> {
    table: &'t str,
    delimiter: u8,
    /// The line of the header.
    first_line: u64,
}

impl<'t> Dialect<'t> {
    /// By Excel's `sep=` line, else the separator that the header has most of outside quotes.
    fn of(table: &'t str) -> Self {
        let first = table.lines().next().unwrap_or_default();
        if let Some(delimiter) = first.strip_prefix("sep=").and_then(|rest| rest.bytes().next()) {
            let table = table.split_once('\n').map_or("", |(_, rest)| rest);
            return Self { table, delimiter, first_line: 2 };
        }
        let count = |separator: &u8| {
            let mut quoted = false;
            let outside = first.bytes().filter(|byte| {
                quoted ^= *byte == b'"';
                !quoted && byte == separator
            });
            outside.count()
        };
        let most = [b'|', b'\t', b';', b','].into_iter().max_by_key(count);
        Self { table, delimiter: most.unwrap_or(b','), first_line: 1 }
    }
}

/// What the rows together tell of each patient.
struct People {
    by_id: BTreeMap<String, Person>,
}

struct Person {
    /// Every cell that some row fills; the line is the first that tells of the patient.
    row: Row,
    /// Where rows disagree. None can be trusted more than the other, so none of the patient's is taken.
    conflict: Option<Remark>,
}

impl People {
    fn of(rows: &[Row]) -> Self {
        let mut by_id: BTreeMap<String, Person> = BTreeMap::new();
        for row in rows {
            let Some(id) = row.patient_id() else { continue };
            let person = by_id
                .entry(id.to_owned())
                .or_insert_with(|| Person { row: row.clone(), conflict: None });
            if !person.row.tells_of_patient() {
                person.row.line = row.line;
            }
            if let Err(column) = person.row.merge_patient(row) {
                let why = Why::Disagrees { line: person.row.line };
                person.conflict.get_or_insert_with(|| Remark::at(column.name(), why));
            }
        }
        Self { by_id }
    }
}

impl Person {
    fn read(
        &self,
        id: &str,
        settings: &Settings<'_>,
        remarks: &mut Remarks,
    ) -> Result<PatientChange, Remark> {
        match &self.conflict {
            Some(conflict) => Err(conflict.clone()),
            None => patient::read(&self.row, id, settings, remarks),
        }
    }
}

/// The names of a patient: the id within this source, and the contact's UUID.
fn patient_identity(row: &Row, id: &str, settings: &Settings<'_>) -> Identity {
    let uuid = row.get(Column::Uuid).filter(|uuid| *uuid != id);
    Identity {
        key: Key::new(format!("{}|{id}", settings.source_system)),
        local: None,
        others: uuid
            .map(|uuid| Key::new(format!("{}|{uuid}", settings.source_system)))
            .into_iter()
            .collect(),
    }
}

/// One order in two rows: the same once more is left out; different ones are refused, since neither is surely
/// the one that holds.
fn settle(orders: &mut [Item]) {
    let mut rows: HashMap<String, Vec<usize>> = HashMap::new();
    for (i, item) in orders.iter().enumerate() {
        if let [Change::Activity(activity)] = item.changes() {
            rows.entry(activity.activity.key.clone()).or_default().push(i);
        }
    }
    for same in rows.into_values().filter(|same| same.len() > 1) {
        let print = |i: &usize| orders[*i].changes().first().map(Change::fingerprint);
        let agree = same.iter().all(|i| print(i) == print(&same[0]));
        let line = line_of(&orders[same[0]]);
        for &i in &same[usize::from(agree)..] {
            let (reading, why) = if agree {
                (Reading::Ignored, Why::Twice)
            } else {
                (Reading::Rejected, Why::SameOrder { line })
            };
            orders[i].reading = reading;
            orders[i].remarks.insert(0, Remark::at(Column::OrderId.name(), why));
        }
    }
}
