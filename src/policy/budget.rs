//! What a programme's budget of the month lets leave.

use crate::care::programme::Budget;
use crate::care::{Class, Micros, Reason, UtcMs, Zone};
use chrono::{Datelike, Days, Months, NaiveDate, NaiveTime};

/// How a programme stands with its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spending {
    /// Nothing to say.
    Within,
    /// The share to warn from is reached.
    RunsOut,
    /// Nothing is left.
    Spent,
}

/// How what was spent in a month stands against the budget.
pub fn spending(spent: Micros, budget: &Budget) -> Spending {
    if spent >= budget.monthly {
        Spending::Spent
    } else if spent >= budget.monthly.percent(budget.warn_percent) {
        Spending::RunsOut
    } else {
        Spending::Within
    }
}

/// Why a message waits for money, if it does, and until when at the longest: the end of the month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The first instant of the next month.
    pub until: UtcMs,
    /// Why.
    pub because: Reason,
}

/// Whether a message must wait because the budget is spent.
///
/// Never a dose, an appointment, a measurement or an answer: money does not come before safety. Lessons, habits and
/// notices wait when their own price does not fit any more; one without a known price waits once all is spent.
pub fn held_for_money(
    now: UtcMs,
    class: Class,
    price: Option<Micros>,
    spent: Micros,
    budget: &Budget,
    zone: &Zone,
) -> Option<Held> {
    let essential = match class {
        Class::TimeCriticalDose
        | Class::Dose
        | Class::Appointment
        | Class::Measurement
        | Class::Answer => true,
        Class::Education | Class::Notice => false,
    };
    let after = spent.plus(price.unwrap_or_default());
    let fits = after <= budget.monthly && spending(spent, budget) != Spending::Spent;
    // What costs nothing is not held back for money.
    if essential || fits || price == Some(Micros::default()) {
        return None;
    }
    let because = Reason::BudgetSpent { spent, monthly: budget.monthly };
    Some(Held { until: month(now, zone).1, because })
}

/// The calendar month around an instant by a zone's clock: its first instant, and the next one's.
pub fn month(now: UtcMs, zone: &Zone) -> (UtcMs, UtcMs) {
    let today = zone.local(now).date();
    let first = today.checked_sub_days(Days::new(u64::from(today.day0()))).unwrap_or(today);
    let next = first.checked_add_months(Months::new(1)).unwrap_or(first);
    let begins = |date: NaiveDate| zone.resolve(date.and_time(NaiveTime::MIN)).instant();
    (begins(first), begins(next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::zone::Segment;

    const BUDGET: Budget = Budget { monthly: Micros(50_000_000), warn_percent: 80 };

    fn nairobi() -> Zone {
        let segment = Segment { from_utc_seconds: i64::MIN, offset_seconds: 3 * 3_600 };
        Zone::new("Africa/Nairobi", vec![segment])
    }

    fn at(text: &str) -> UtcMs {
        UtcMs(chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    #[test]
    fn it_is_said_before_it_is_spent() {
        for (spent, expected) in [
            (0, Spending::Within),
            (39_999_999, Spending::Within),
            (40_000_000, Spending::RunsOut),
            (49_999_999, Spending::RunsOut),
            (50_000_000, Spending::Spent),
        ] {
            assert_eq!(spending(Micros(spent), &BUDGET), expected, "{spent}");
        }
    }

    #[test]
    fn only_what_is_not_essential_waits_for_money() {
        let now = at("2026-02-10T12:00:00Z");
        let held = |class, price: Option<u64>, spent| {
            held_for_money(now, class, price.map(Micros), Micros(spent), &BUDGET, &nairobi())
        };
        let essential = [
            Class::TimeCriticalDose,
            Class::Dose,
            Class::Appointment,
            Class::Measurement,
            Class::Answer,
        ];
        for class in essential {
            assert_eq!(held(class, Some(90_000), 99_000_000), None, "{class:?}");
        }
        for class in [Class::Education, Class::Notice] {
            for (price, spent, waits) in [
                (Some(90_000), 49_910_000, false),
                (Some(90_000), 49_910_001, true),
                (Some(90_000), 60_000_000, true),
                (None, 49_999_999, false),
                (None, 50_000_000, true),
                (Some(0), 60_000_000, false),
            ] {
                let held = held(class, price, spent);
                assert_eq!(held.is_some(), waits, "{class:?} {price:?} {spent}");
                let because = Reason::BudgetSpent { spent: Micros(spent), monthly: BUDGET.monthly };
                assert!(held.is_none_or(|held| {
                    held.because == because && held.until == at("2026-02-28T21:00:00Z")
                }));
            }
        }
    }

    #[test]
    fn a_month_begins_and_ends_by_the_programmes_clock() {
        for (now, from, until) in [
            ("2026-01-31T20:59:59Z", "2025-12-31T21:00:00Z", "2026-01-31T21:00:00Z"),
            ("2026-01-31T21:00:00Z", "2026-01-31T21:00:00Z", "2026-02-28T21:00:00Z"),
            ("2026-12-15T00:00:00Z", "2026-11-30T21:00:00Z", "2026-12-31T21:00:00Z"),
        ] {
            assert_eq!(month(at(now), &nairobi()), (at(from), at(until)), "{now}");
        }
    }
}
