//! Reminders before and after an appointment.

use super::merge;
use super::moment::{DAY_SECONDS, day, instant, wall_time};
use crate::care::programme::AppointmentLead;
use crate::care::slot::Planned;
use crate::care::time::MINUTE_MS;
use crate::care::timing::parse_time_of_day;
use crate::care::{Occurrence, Slot, UtcMs, Zone};
use chrono::Timelike;

/// The leads of an appointment that starts at `start`, by instant; the dosage number is the lead's place in the
/// list, from 1.
///
/// Days are counted on the patient's calendar and named by the planned local time; minutes are elapsed time and
/// named by their instant, so that a change of zone does not rename them. A lead that falls on the wrong side of
/// the start is left out, and so is one whose time cannot be read (the programme's check refuses it).
pub fn leads(start: UtcMs, leads: &[AppointmentLead], zone: &Zone) -> Vec<Occurrence> {
    let on_day = |days: i64, at: &str| {
        let time = i64::from(parse_time_of_day(at)?.num_seconds_from_midnight());
        let wall = (day(zone.local(start).date()) + days) * DAY_SECONDS + time;
        Some((Planned::Local(wall_time(wall)), instant(zone, wall)))
    };
    let planned = |lead: &AppointmentLead| match lead {
        AppointmentLead::DayBefore { days, at } => {
            on_day(-i64::from(*days), at).filter(|(_, at)| *at < start)
        }
        AppointmentLead::DayAfter { days_after, at } => {
            on_day(i64::from(*days_after), at).filter(|(_, at)| *at > start)
        }
        AppointmentLead::MinutesBefore { minutes } => {
            let at = start.plus_ms(-i64::from(*minutes) * MINUTE_MS);
            (at < start).then_some((Planned::Elapsed(at), at))
        }
    };
    let mut occurrences: Vec<Occurrence> = (1_u16..)
        .zip(leads)
        .filter_map(|(dosage, lead)| planned(lead).map(|(planned, at)| (dosage, planned, at)))
        .map(|(dosage, planned, at)| Occurrence {
            slot: Slot { dosage, planned },
            at,
            local: zone.local(at),
            merged: Vec::new(),
        })
        .collect();
    merge(&mut occurrences);
    occurrences
}
