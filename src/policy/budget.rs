//! What a programme's budget of the month lets leave.

use crate::care::programme::Budget;
use crate::care::{Class, Micros, Reason, Spent, UtcMs, Zone};
use chrono::{Datelike, Days, Months, NaiveDate, NaiveTime};

/// How a programme stands with its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spending {
    /// Nothing to say.
    Within,
    /// The share to warn from is reached.
    RunsOut,
    /// Nothing is left.
    Spent,
}

/// How what was spent in a month stands against the budget: the worse of amount and number.
pub fn spending(spent: Spent, budget: &Budget) -> Spending {
    let of = |used: u64, limit: Option<u64>| match limit {
        Some(limit) if used >= limit => Spending::Spent,
        Some(limit) if used >= Micros(limit).percent(budget.warn_percent).0 => Spending::RunsOut,
        Some(_) | None => Spending::Within,
    };
    let cost = of(spent.cost.0, budget.monthly.map(|monthly| monthly.0));
    cost.max(of(spent.messages, budget.messages))
}

/// Why a message must wait for money, if it must.
///
/// Never a dose, an appointment, a measurement or an answer: money does not come before safety. Lessons, habits and
/// notices wait when their own price does not fit any more; one without a known price waits once all is spent.
pub fn held_for_money(
    class: Class,
    price: Option<Micros>,
    spent: Spent,
    budget: &Budget,
) -> Option<Reason> {
    let essential = match class {
        Class::TimeCriticalDose
        | Class::Dose
        | Class::Appointment
        | Class::Measurement
        | Class::Answer => true,
        Class::Education | Class::Notice => false,
    };
    if essential {
        return None;
    }
    if let Some(messages) = budget.messages.filter(|most| spent.messages >= *most) {
        return Some(Reason::CapReached { messages });
    }
    let monthly = budget.monthly?;
    let after = spent.cost.plus(price.unwrap_or_default());
    let fits = after <= monthly && spent.cost < monthly;
    // What costs nothing is not held back for money.
    if fits || price == Some(Micros::default()) {
        return None;
    }
    Some(Reason::BudgetSpent { monthly })
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

    const BUDGET: Budget =
        Budget { monthly: Some(Micros(50_000_000)), messages: None, warn_percent: 80 };
    const CAP: Budget = Budget { monthly: None, messages: Some(10), warn_percent: 80 };

    fn cost(cost: u64) -> Spent {
        Spent { cost: Micros(cost), messages: 3 }
    }

    fn messages(messages: u64) -> Spent {
        Spent { cost: Micros(70_000_000), messages }
    }

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
            assert_eq!(spending(cost(spent), &BUDGET), expected, "{spent}");
        }
        for (sent, expected) in
            [(7, Spending::Within), (8, Spending::RunsOut), (10, Spending::Spent)]
        {
            assert_eq!(spending(messages(sent), &CAP), expected, "{sent}");
            let both = Budget { messages: CAP.messages, ..BUDGET };
            assert_eq!(spending(messages(sent), &both), Spending::Spent, "the worse of both");
        }
    }

    #[test]
    fn only_what_is_not_essential_waits_for_money() {
        let held = |class, price: Option<u64>, spent| {
            held_for_money(class, price.map(Micros), cost(spent), &BUDGET)
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
                let because = Reason::BudgetSpent { monthly: Micros(50_000_000) };
                assert!(held.is_none_or(|held| held == because));
            }
        }
    }

    #[test]
    fn a_number_holds_what_is_not_essential_whatever_it_costs() {
        let held = |class, sent| held_for_money(class, Some(Micros(0)), messages(sent), &CAP);
        assert_eq!(held(Class::Education, 9), None);
        let because = Reason::CapReached { messages: 10 };
        assert_eq!(held(Class::Education, 10), Some(because));
        assert_eq!(held(Class::Dose, 10), None);
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
