//! The order in a row: what is due, and when.

use super::cells::{date, flag, not_understood, number, parts, time, word};
use super::columns::{Column, Row};
use super::{patient_identity, phrase, protocol};
use crate::care::timing::{Decimal, Period, Repeat, Timing};
use crate::care::{Activity, ActivityKind, ActivityStatus, Class, Dosage, Phi, Schedule};
use crate::import::change::{ActivityChange, AnchorFrom, Identity, Key, Reference, fingerprint};
use crate::import::date::Date;
use crate::import::fhir::json::Remarks;
use crate::import::report::Remark;
use crate::import::why::Why;
use crate::import::{Settings, material, text};
use chrono::NaiveDateTime;

/// Reads the order.
///
/// # Errors
/// With the column of the cell that cannot be taken.
pub(super) fn read(
    row: &Row,
    patient_id: &str,
    settings: &Settings<'_>,
    remarks: &mut Remarks,
) -> Result<ActivityChange, Remark> {
    let kind = kind(row)?.ok_or_else(|| Remark::at(Column::Type.name(), Why::Missing))?;
    let title = match (row.get(Column::Title).and_then(text::line), kind) {
        (Some(title), _) => title,
        (None, ActivityKind::Medication) => {
            return Err(Remark::at(Column::Title.name(), Why::Missing));
        }
        (None, kind) => kind.word().to_owned(),
    };
    let start = date(row, Column::Start)?;
    let told = row.get(Column::DoseText).and_then(text::block);
    let when = schedule(row, kind, start.as_ref(), told.as_deref(), remarks)?;
    let class = match when.kind.class() {
        Class::Dose if flag(row, Column::TimeCritical)? => Class::TimeCriticalDose,
        class => class,
    };
    let path = Column::Material.name();
    let material = row
        .get(Column::Material)
        .and_then(|name| material::named(name, when.kind, path, settings.programme, remarks));
    let subject = patient_identity(row, patient_id, settings);
    // Programmes number orders per patient, so an order's id alone would name many.
    let named = |order: &str| Key::new(format!("{}|{patient_id}|{order}", settings.source_system));
    let key = row.get(Column::OrderId).map_or_else(
        || {
            let start = start.as_ref().map_or("", |(written, _)| written);
            let print =
                fingerprint(&[subject.key.expose().as_bytes(), title.as_bytes(), start.as_bytes()]);
            Key::new(format!("{}#{print}", settings.source_system))
        },
        named,
    );
    let (anchor, anchor_from) = match start {
        Some((written, _)) => (written, AnchorFrom::Own),
        None => (settings.now.rfc3339(), AnchorFrom::Import),
    };
    let activity = Activity {
        key: key.expose().to_owned(),
        kind: when.kind,
        class,
        status: status(row)?,
        drug: (kind == ActivityKind::Medication).then(|| Phi::new(title.to_lowercase())),
        title: Phi::new(title),
        instruction: told.map(Phi::new),
        schedule: when.schedule,
        anchor,
        material,
        review: Vec::new(),
    };
    Ok(ActivityChange {
        identity: Identity::of(key),
        subject: Reference::to(&subject),
        plan: None,
        activity,
        anchor_from,
        local_start: when.local_start,
        replaces: row
            .get(Column::Replaces)
            .map(|old| Reference::by(named(old)))
            .into_iter()
            .collect(),
    })
}

fn kind(row: &Row) -> Result<Option<ActivityKind>, Remark> {
    const WORDS: &[(&[&str], ActivityKind)] = &[
        (&["medication", "medicine", "drug", "dose"], ActivityKind::Medication),
        (&["follow-up", "followup", "appointment", "visit"], ActivityKind::Appointment),
        (&["measurement", "measure"], ActivityKind::Measurement),
        (&["refill", "pickup", "pick-up"], ActivityKind::Refill),
        (&["education"], ActivityKind::Education),
        (&["lifestyle"], ActivityKind::Lifestyle),
        (&["check-in", "checkin"], ActivityKind::CheckIn),
        (&["notice", "message"], ActivityKind::Notice),
    ];
    word(row, Column::Type, WORDS)
}

fn status(row: &Row) -> Result<ActivityStatus, Remark> {
    const WORDS: &[(&[&str], ActivityStatus)] = &[
        (&["active", "booked"], ActivityStatus::Active),
        (&["on-hold", "paused"], ActivityStatus::OnHold),
        (&["stopped", "completed", "cancelled", "canceled", "revoked"], ActivityStatus::Stopped),
        (&["entered-in-error"], ActivityStatus::EnteredInError),
        (&["draft"], ActivityStatus::Inactive),
    ];
    Ok(word(row, Column::Status, WORDS)?.unwrap_or(ActivityStatus::Active))
}

struct When {
    kind: ActivityKind,
    schedule: Schedule,
    local_start: Option<NaiveDateTime>,
}

fn schedule(
    row: &Row,
    kind: ActivityKind,
    start: Option<&(String, Date)>,
    told: Option<&str>,
    remarks: &mut Remarks,
) -> Result<When, Remark> {
    let as_needed = flag(row, Column::Prn)?;
    let of = |schedule| When { kind, schedule, local_start: None };
    if let Some(schedule) = protocol::read(row)? {
        // A milestone is a day to come on, not an appointment with a time.
        let kind = if kind == ActivityKind::Appointment { ActivityKind::CheckIn } else { kind };
        return Ok(When { kind, ..of(schedule) });
    }
    if let Some(dosages) = phrase::read(row, start)? {
        if let (ActivityKind::Appointment, Some(at)) = (kind, phrase::only_date(&dosages)) {
            return Ok(When { local_start: Some(at), ..of(Schedule::Unscheduled) });
        }
        let kind = if kind == ActivityKind::Appointment { ActivityKind::CheckIn } else { kind };
        let dosages = dosages.into_iter().map(|dosage| Dosage {
            text: told.map(str::to_owned),
            as_needed_boolean: dosage.as_needed_boolean.or(as_needed.then_some(true)),
            ..dosage
        });
        return Ok(When { kind, ..of(Schedule::Dosages(dosages.collect())) });
    }
    let repeat = repeat(row, start)?;
    let Some(repeat) = repeat else {
        return Ok(match (kind, start) {
            (ActivityKind::Appointment, Some((_, Date::Instant(start)))) => {
                of(Schedule::Appointment { start: *start })
            }
            (ActivityKind::Appointment, Some((_, Date::Local(start)))) => {
                When { local_start: Some(*start), ..of(Schedule::Unscheduled) }
            }
            (ActivityKind::Medication, _) => of(dosage(told, None, as_needed)),
            // A follow-up on a day without a time is no appointment yet: the patient is asked to come that day.
            (_, Some((written, _))) => {
                let kind =
                    if kind == ActivityKind::Appointment { ActivityKind::CheckIn } else { kind };
                let timing = Timing { event: vec![written.clone()], ..Timing::default() };
                When { kind, ..of(dosage(told, Some(timing), as_needed)) }
            }
            (_, None) => {
                remarks.add(Column::Times.name(), Why::NoTiming);
                of(Schedule::Unscheduled)
            }
        });
    };
    // Repeated visits have no one start: each is a check-in on its day.
    let kind = if kind == ActivityKind::Appointment { ActivityKind::CheckIn } else { kind };
    let timing = Timing { repeat: Some(repeat), ..Timing::default() };
    Ok(When { kind, ..of(dosage(told, Some(timing), as_needed)) })
}

fn dosage(told: Option<&str>, timing: Option<Timing>, as_needed: bool) -> Schedule {
    Schedule::Dosages(vec![Dosage {
        text: told.map(str::to_owned),
        timing,
        as_needed_boolean: as_needed.then_some(true),
        ..Dosage::default()
    }])
}

/// `times`, `days`, `every`, `times_per_day` and `count` as FHIR's `Timing.repeat`; `None` without any of them.
fn repeat(row: &Row, start: Option<&(String, Date)>) -> Result<Option<Repeat>, Remark> {
    let mut times = Vec::new();
    for part in row.get(Column::Times).into_iter().flat_map(parts) {
        times.push(time(part, Column::Times)?.format("%H:%M:%S").to_string());
    }
    times.sort_unstable();
    times.dedup();
    let days = days(row)?;
    let every = every(row)?;
    let per_day = number(row, Column::TimesPerDay)?;
    let count = number(row, Column::Count)?;
    if times.is_empty()
        && days.is_empty()
        && every.is_none()
        && per_day.is_none()
        && count.is_none()
    {
        return Ok(None);
    }
    if per_day.is_some() && (!times.is_empty() || every.is_some()) {
        return Err(not_understood(
            Column::TimesPerDay,
            "either times_per_day, or times and every",
        ));
    }
    let several = i64::try_from(times.len().max(1)).unwrap_or(1);
    let (frequency, period, unit) = match (per_day, every) {
        (Some(n), _) => (Some(n), Some(1), Some("d")),
        // FHIR counts per period: every clock time, on every listed day of a week.
        (None, Some((n, unit))) => {
            let days = if unit == "wk" { i64::try_from(days.len().max(1)).unwrap_or(1) } else { 1 };
            (Some(several * days), Some(n), Some(unit))
        }
        (None, None) => (None, None, None),
    };
    let end = date(row, Column::End)?;
    if let (Some((_, start)), Some((_, end))) = (start, end.as_ref())
        && end.ends() <= start.begins()
    {
        return Err(not_understood(Column::End, "a date not before start"));
    }
    let bounds = Period {
        start: start.map(|(written, _)| written.clone()),
        end: end.map(|(written, _)| written),
    };
    Ok(Some(Repeat {
        bounds_period: (bounds != Period::default()).then_some(bounds),
        count,
        frequency,
        period: period.map(|n: i64| Decimal(n.into())),
        period_unit: unit.map(str::to_owned),
        day_of_week: days,
        time_of_day: times,
        ..Repeat::default()
    }))
}

/// `mon;thu`, English names in full or cut to three letters.
fn days(row: &Row) -> Result<Vec<String>, Remark> {
    const DAYS: [&str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let mut found = [false; 7];
    for part in row.get(Column::Days).into_iter().flat_map(parts) {
        let lower = part.to_lowercase();
        let known = DAYS.iter().position(|day| lower == *day || lower == day[..3]);
        let known =
            known.ok_or_else(|| not_understood(Column::Days, "mon;tue;wed;thu;fri;sat;sun"))?;
        found[known] = true;
    }
    Ok(DAYS.iter().zip(found).filter(|(_, is)| *is).map(|(day, _)| day[..3].to_owned()).collect())
}

/// `8h`, `2d`, `1wk`, `1mo`, `1y`, `90min`. A bare `m` could be minutes or months and is refused.
fn every(row: &Row) -> Result<Option<(i64, &'static str)>, Remark> {
    let Some(cell) = row.get(Column::Every) else { return Ok(None) };
    let lower = cell.to_lowercase();
    let (digits, unit) =
        lower.split_at(lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len()));
    let unit = match unit.trim() {
        "min" | "minutes" => "min",
        "h" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "w" | "wk" | "week" | "weeks" => "wk",
        "mo" | "month" | "months" => "mo",
        "y" | "a" | "year" | "years" => "a",
        _ => "",
    };
    match digits.parse() {
        Ok(number @ 1..) if !unit.is_empty() => Ok(Some((number, unit))),
        _ => Err(not_understood(Column::Every, "8h, 2d, 1wk, 1mo")),
    }
}
