//! Until when a message is of use (design.md P5 and section 5).

use crate::care::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::care::{Class, UtcMs, Zone};
use chrono::NaiveTime;

/// How long the confirmation of a STOP is of use, in milliseconds. It is an answer with a shorter life.
pub const STOP_CONFIRMATION_MS: i64 = 5 * MINUTE_MS;

const TIME_CRITICAL_MS: i64 = 30 * MINUTE_MS;
const DOSE_MS: i64 = 2 * HOUR_MS;
const ANSWER_MS: i64 = HOUR_MS;

/// The first instant at which a message of this class, due at `due`, is of no use any more.
///
/// Half the gap to the next dose keeps two doses from being announced close together. An appointment is
/// announced until it starts; should the start be unknown, as long as a dose. A measurement lasts to the end of
/// the patient's own day.
pub fn valid_until(
    class: Class,
    due: UtcMs,
    next_due: Option<UtcMs>,
    zone: &Zone,
    appointment_start: Option<UtcMs>,
) -> UtcMs {
    match class {
        Class::TimeCriticalDose => due.plus_ms(TIME_CRITICAL_MS),
        Class::Dose => {
            let gap = next_due.map(|next| next.since(due)).filter(|gap| *gap > 0);
            due.plus_ms(gap.map_or(DOSE_MS, |gap| DOSE_MS.min(gap / 2)))
        }
        Class::Appointment => appointment_start.unwrap_or(due.plus_ms(DOSE_MS)),
        Class::Measurement => end_of_day(due, zone),
        Class::Education | Class::Notice => due.plus_ms(DAY_MS),
        Class::Answer => due.plus_ms(ANSWER_MS),
    }
}

/// The next local midnight after an instant.
fn end_of_day(at: UtcMs, zone: &Zone) -> UtcMs {
    let tomorrow = zone.local(at).date().succ_opt();
    tomorrow.map_or(at, |day| zone.resolve(day.and_time(NaiveTime::MIN)).instant())
}
