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
/// announced until it starts; should the start be unknown, as long as a dose. What asks after an appointment and a
/// measurement last to the end of the patient's own day.
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
        Class::Appointment => match appointment_start {
            Some(start) if start > due => start,
            Some(_) => end_of_day(due, zone),
            None => due.plus_ms(DOSE_MS),
        },
        Class::Measurement => end_of_day(due, zone),
        Class::Education | Class::Notice => due.plus_ms(DAY_MS),
        Class::Answer => due.plus_ms(ANSWER_MS),
    }
}

/// By how much a message that arrived at `arrived` came too late, in milliseconds; `None`: in time, or the provider
/// does not say when. What arrives at the end of validity is of no use any more.
pub fn late_by_ms(arrived: Option<UtcMs>, valid_until: UtcMs) -> Option<i64> {
    arrived.map(|at| at.since(valid_until)).filter(|by_ms| *by_ms >= 0)
}

/// The next local midnight after an instant.
fn end_of_day(at: UtcMs, zone: &Zone) -> UtcMs {
    let tomorrow = zone.local(at).date().succ_opt();
    tomorrow.map_or(at, |day| zone.resolve(day.and_time(NaiveTime::MIN)).instant())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::zone::Segment;
    use chrono::NaiveDateTime;

    fn utc(text: &str) -> UtcMs {
        UtcMs::from_naive_utc(NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").unwrap())
    }

    #[test]
    fn p5_validity_by_class() {
        let segment = Segment { from_utc_seconds: i64::MIN, offset_seconds: 19_800 };
        let kolkata = Zone::new("Asia/Kolkata", vec![segment]);
        let due = utc("2026-03-04T02:30"); // 08:00 in Kolkata
        let rows = [
            (Class::TimeCriticalDose, None, None, "2026-03-04T03:00"),
            (Class::TimeCriticalDose, Some("2026-03-04T08:30"), None, "2026-03-04T03:00"),
            (Class::Dose, None, None, "2026-03-04T04:30"),
            (Class::Dose, Some("2026-03-05T02:30"), None, "2026-03-04T04:30"),
            (Class::Dose, Some("2026-03-04T05:30"), None, "2026-03-04T04:00"),
            (Class::Dose, Some("2026-03-04T02:30"), None, "2026-03-04T04:30"),
            (Class::Appointment, None, Some("2026-03-05T05:00"), "2026-03-05T05:00"),
            (Class::Appointment, None, Some("2026-03-03T05:00"), "2026-03-04T18:30"),
            (Class::Appointment, None, None, "2026-03-04T04:30"),
            (Class::Measurement, None, None, "2026-03-04T18:30"),
            (Class::Education, None, None, "2026-03-05T02:30"),
            (Class::Notice, None, None, "2026-03-05T02:30"),
            (Class::Answer, None, None, "2026-03-04T03:30"),
        ];
        for (class, next, start, expected) in rows {
            let got = valid_until(class, due, next.map(utc), &kolkata, start.map(utc));
            assert_eq!(got, utc(expected), "{}", class.word());
        }
    }

    #[test]
    fn p5_late_is_from_the_end_of_validity_on() {
        for (arrived, late) in [(Some(999), None), (Some(1_000), Some(0)), (Some(1_700), Some(700))]
        {
            assert_eq!(late_by_ms(arrived.map(UtcMs), UtcMs(1_000)), late, "{arrived:?}");
        }
        assert_eq!(late_by_ms(None, UtcMs(1_000)), None, "nobody says when");
    }

    #[test]
    fn p7_a_measurement_lasts_to_the_patients_own_midnight() {
        // Cairo springs forward at midnight: 24 April 2026 begins at 01:00 (IANA 2026f).
        let cairo = Zone::new(
            "Africa/Cairo",
            vec![
                Segment { from_utc_seconds: i64::MIN, offset_seconds: 7_200 },
                Segment {
                    from_utc_seconds: utc("2026-04-23T22:00").0 / 1_000,
                    offset_seconds: 10_800,
                },
            ],
        );
        let due = utc("2026-04-23T18:00");
        let got = valid_until(Class::Measurement, due, None, &cairo, None);
        assert_eq!(got, utc("2026-04-23T22:00"));
    }
}
