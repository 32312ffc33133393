//! When a message that was accepted but of which no receipt came goes over the next channel (design.md section 6).

use super::outcome::Others;
use crate::care::programme::Permission;
use crate::care::time::MINUTE_MS;
use crate::care::{Class, ReceiptHabit, UtcMs};

/// A receipt may come this much later than the hop's end, in milliseconds.
const GRACE_MS: i64 = MINUTE_MS;
/// Falling back needs at least this much validity, in milliseconds.
const NEEDS_MS: i64 = 10 * MINUTE_MS;

/// What is known of a hop before it is made.
#[derive(Clone, Copy, Debug)]
pub struct Hop {
    /// The message's class.
    pub class: Class,
    /// Whether another consented contact point is left.
    pub others: Others,
    /// What the provider tells of what becomes of a message.
    pub habit: ReceiptHabit,
    /// Whether the provider surely drops what lapsed.
    pub drops_what_lapsed: bool,
    /// The programme's option for doses.
    pub dose_fallback: Permission,
    /// Attempts before it whose outcome nobody knows.
    pub unknown: usize,
}

/// Whether the next channel would follow for want of a receipt.
///
/// Only where there is a next one, and where receipts are to be had at all. Appointments and measurements; doses where
/// the programme says so and the provider surely drops what lapsed; nothing else. What is repeated, because an attempt
/// before it may have arrived, is not said a third time.
pub fn would_fall_back(hop: &Hop) -> bool {
    if hop.others == Others::None || hop.habit == ReceiptHabit::None || hop.unknown > 0 {
        return false;
    }
    match hop.class {
        Class::Appointment | Class::Measurement => true,
        Class::TimeCriticalDose | Class::Dose => {
            hop.dose_fallback == Permission::Allowed && hop.drops_what_lapsed
        }
        Class::Education | Class::Notice | Class::Answer => false,
    }
}

/// When the want of a receipt is looked at, for an attempt that is known to be accepted; an unknown one is never.
pub fn receipt_due(hop_until: Option<UtcMs>, now: UtcMs) -> Option<UtcMs> {
    hop_until.map(|until| until.plus_ms(GRACE_MS).max(now))
}

/// Whether there is time enough for another channel.
pub fn has_time(now: UtcMs, valid_until: UtcMs) -> bool {
    valid_until.since(now) >= NEEDS_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f82_who_falls_back_for_want_of_a_receipt() {
        use Class::{Answer, Appointment, Dose, Education, Measurement, Notice, TimeCriticalDose};
        use Permission::{Allowed, Denied};
        let meta = ReceiptHabit::OnAcceptance { redelivered_within_ms: None };
        for (class, others, habit, drops_what_lapsed, dose_fallback, expected) in [
            (Appointment, Others::Left, meta, true, Denied, true),
            (Measurement, Others::Left, ReceiptHabit::OnProgress, false, Denied, true),
            (Appointment, Others::None, meta, true, Denied, false),
            // Who never tells of a delivery cannot be missed.
            (Appointment, Others::Left, ReceiptHabit::None, false, Denied, false),
            (Dose, Others::Left, meta, true, Denied, false),
            (Dose, Others::Left, meta, true, Allowed, true),
            (TimeCriticalDose, Others::Left, meta, true, Allowed, true),
            (Dose, Others::Left, ReceiptHabit::OnProgress, false, Allowed, false),
            (Education, Others::Left, meta, true, Allowed, false),
            (Notice, Others::Left, meta, true, Allowed, false),
            (Answer, Others::Left, meta, true, Allowed, false),
        ] {
            let hop = Hop { class, others, habit, drops_what_lapsed, dose_fallback, unknown: 0 };
            assert_eq!(would_fall_back(&hop), expected, "{hop:?}");
            assert!(!would_fall_back(&Hop { unknown: 1, ..hop }), "a third time: {hop:?}");
        }
    }

    #[test]
    fn f82_the_timer_runs_a_minute_longer_than_the_hop_and_needs_ten() {
        let minutes = |minutes: i64| UtcMs(minutes * MINUTE_MS);
        assert_eq!(receipt_due(Some(minutes(60)), minutes(0)), Some(minutes(61)));
        assert_eq!(receipt_due(Some(minutes(60)), minutes(90)), Some(minutes(90)));
        assert_eq!(receipt_due(None, minutes(0)), None);
        assert!(has_time(minutes(61), minutes(71)));
        assert!(!has_time(minutes(61).plus_ms(1), minutes(71)));
    }
}
