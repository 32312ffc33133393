//! Reminders before an appointment.

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
/// named by their instant, so that a change of zone does not rename them. A lead at or after the start is left
/// out, and so is one whose time cannot be read (the programme's check refuses it).
pub fn leads(start: UtcMs, leads: &[AppointmentLead], zone: &Zone) -> Vec<Occurrence> {
    let planned = |lead: &AppointmentLead| match lead {
        AppointmentLead::DayBefore { days, at } => {
            let time = i64::from(parse_time_of_day(at)?.num_seconds_from_midnight());
            let wall = (day(zone.local(start).date()) - i64::from(*days)) * DAY_SECONDS + time;
            Some((Planned::Local(wall_time(wall)), instant(zone, wall)))
        }
        AppointmentLead::MinutesBefore { minutes } => {
            let at = start.plus_ms(-i64::from(*minutes) * MINUTE_MS);
            Some((Planned::Elapsed(at), at))
        }
    };
    let mut occurrences: Vec<Occurrence> = (1_u16..)
        .zip(leads)
        .filter_map(|(dosage, lead)| planned(lead).map(|(planned, at)| (dosage, planned, at)))
        .filter(|(_, _, at)| *at < start)
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
