//! What holds for every timing: an independent naive model, and the engine's laws.

use super::Case;
use crate::zones::utc;
use carebell::care::slot::Planned;
use carebell::care::{Occurrence, UtcMs};
use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use proptest::prelude::*;
use serde_json::{Value, json};

const ZONES: [&str; 6] = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/Santiago",
];
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// An order that has one meaning, by clock times.
#[derive(Clone, Debug)]
struct Order {
    unit: &'static str,
    every: u32,
    minutes: Vec<u32>,
    weekdays: Vec<usize>,
    count: Option<usize>,
    lasts: Option<(u32, &'static str)>,
    start: NaiveDateTime,
    zone: &'static str,
}

impl Order {
    fn case(&self) -> Case {
        let time = |minutes: &u32| format!("{:02}:{:02}:00", minutes / 60, minutes % 60);
        let mut repeat = json!({
            "period": self.every,
            "periodUnit": self.unit,
            "timeOfDay": self.minutes.iter().map(time).collect::<Vec<_>>(),
            "dayOfWeek": self.weekdays.iter().map(|day| WEEKDAYS[*day]).collect::<Vec<_>>(),
        });
        if let Some(count) = self.count {
            repeat["count"] = json!(count);
        }
        if let Some((value, code)) = self.lasts {
            repeat["boundsDuration"] = json!({"value": value, "code": code});
        }
        let anchor = self.start.format("%Y-%m-%dT%H:%M:%S").to_string();
        Case::new(json!([{"timing": {"repeat": repeat}}]), self.zone, &anchor)
    }

    /// Whether the rule holds on a day, as a person would say it.
    fn holds_on(&self, day: NaiveDate) -> bool {
        let anchor = self.start.date();
        let days = (day - anchor).num_days();
        let every = i64::from(self.every);
        let listed = self.weekdays.contains(&(day.weekday().num_days_from_monday() as usize));
        match self.unit {
            "d" if self.weekdays.is_empty() => days % every == 0,
            "d" => listed,
            "wk" if self.weekdays.is_empty() => days % (7 * every) == 0,
            "wk" => (days / 7) % every == 0 && listed,
            _ => (0..1_200)
                .map(|k| anchor + Months::new(k * self.every))
                .any(|candidate| candidate == day),
        }
    }

    /// Every wall-clock slot up to a day, walked day by day.
    fn walk(&self, to: NaiveDate) -> Vec<NaiveDateTime> {
        let days = self.start.date().iter_days().take_while(|day| *day < to);
        let slots = days.filter(|day| self.holds_on(*day)).flat_map(|day| {
            let at = |minutes: &u32| {
                day.and_time(NaiveTime::MIN) + TimeDelta::minutes(i64::from(*minutes))
            };
            self.minutes.iter().map(at).collect::<Vec<_>>()
        });
        let mut slots: Vec<NaiveDateTime> = slots.filter(|slot| *slot >= self.start).collect();
        if let (Some((value, unit)), Some(first)) = (self.lasts, slots.first().copied()) {
            let end = match unit {
                "d" => first + Days::new(u64::from(value)),
                "wk" => first + Days::new(7 * u64::from(value)),
                _ => first + Months::new(value),
            };
            slots.retain(|slot| *slot < end);
        }
        slots.truncate(self.count.unwrap_or(usize::MAX));
        slots
    }
}

/// Temporal's "compatible" by jiff, which shares no code with ours.
fn instant(slot: NaiveDateTime, zone: &str) -> UtcMs {
    let date = jiff::civil::date(slot.year() as i16, slot.month() as i8, slot.day() as i8);
    let civil = date.at(slot.hour() as i8, slot.minute() as i8, slot.second() as i8, 0);
    let tz = jiff::tz::TimeZone::get(zone).unwrap();
    UtcMs(tz.to_ambiguous_timestamp(civil).compatible().unwrap().as_millisecond())
}

fn any_order() -> impl Strategy<Value = Order> {
    let days = proptest::collection::btree_set(0_usize..7, 0..4);
    let minutes = proptest::collection::btree_set((0_u32..96).prop_map(|q| q * 15), 1..5);
    let lasts = proptest::option::of((1_u32..40, prop::sample::select(vec!["d", "wk", "mo"])));
    let start = (0_i64..1_000, 0_i64..1_440).prop_map(|(day, minute)| {
        let base = NaiveDate::from_ymd_opt(2023, 6, 1).unwrap().and_time(NaiveTime::MIN);
        base + TimeDelta::days(day) + TimeDelta::minutes(minute)
    });
    let unit = prop::sample::select(vec!["d", "wk", "mo"]);
    (
        unit,
        1_u32..6,
        minutes,
        days,
        proptest::option::of(1_usize..200),
        lasts,
        start,
        prop::sample::select(ZONES.to_vec()),
    )
        .prop_map(|(unit, every, minutes, weekdays, count, lasts, start, zone)| {
            let filter = unit == "wk" || (unit == "d" && every == 1);
            Order {
                unit,
                every,
                minutes: minutes.into_iter().collect(),
                weekdays: if filter { weekdays.into_iter().collect() } else { Vec::new() },
                count,
                lasts,
                start,
                zone,
            }
        })
}

/// Whatever a producer may write, sound or not.
fn any_repeat() -> impl Strategy<Value = Value> {
    let some = |values: Vec<Value>| proptest::option::of(prop::sample::select(values));
    let list = |values: &[&str]| {
        let values: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        prop_oneof![3 => Just(Vec::new()), 2 => prop::sample::subsequence(values, 1..4)]
    };
    (
        some(vec![json!(1), json!(2), json!(3), json!(5), json!(0), json!(1_000_000_000)]),
        some(vec![
            json!(1),
            json!(2),
            json!(8),
            json!(5),
            json!(24),
            json!(1.5),
            json!(36),
            json!(0),
        ]),
        prop::sample::select(vec!["h", "d", "wk", "mo", "a", "min", "s"]),
        list(&["02:30", "01:30:00", "23:45", "08:00", "25:00"]),
        list(&["ACM", "PCV", "HS", "WAKE", "C", "NOON", "X"]),
        list(&["mon", "wed", "sun", "feb"]),
        some(vec![json!(15), json!(300), json!(700), json!(-3)]),
        some(vec![json!(1), json!(7), json!(100_000), json!(-1)]),
        some(vec![
            json!({"start": "2025-03-01T10:00:00-05:00"}),
            json!({"start": "2025-02", "end": "2025-04"}),
            json!({"end": "2025-03-30T01:30:00"}),
            json!({"start": "2025-09-01", "end": "2024-01-01"}),
        ]),
        some(vec![
            json!({"value": 10, "code": "d"}),
            json!({"value": 100, "code": "h"}),
            json!({"value": 2, "code": "mo"}),
        ]),
    )
        .prop_map(
            |(frequency, period, unit, times, when, days, offset, count, bounds, duration)| {
                let mut repeat = json!({"timeOfDay": times, "when": when, "dayOfWeek": days});
                let fields = [
                    ("frequency", frequency),
                    ("period", period.clone()),
                    ("periodUnit", period.map(|_| json!(unit))),
                    ("offset", offset),
                    ("count", count),
                    ("boundsPeriod", bounds),
                    ("boundsDuration", duration),
                ];
                for (name, value) in fields {
                    if let Some(value) = value {
                        repeat[name] = value;
                    }
                }
                repeat
            },
        )
}

fn any_case() -> impl Strategy<Value = Case> {
    let dosage =
        (any_repeat(), proptest::option::of(1_i64..4)).prop_map(
            |(repeat, sequence)| match sequence {
                Some(sequence) => json!({"sequence": sequence, "timing": {"repeat": repeat}}),
                None => json!({"timing": {"repeat": repeat}}),
            },
        );
    let anchor = prop::sample::select(vec![
        "2025-01-31",
        "2025-03-08T22:15:00Z",
        "2024-02-29T07:00:00",
        "2025",
    ]);
    let routine = prop::sample::select(vec![
        json!({}),
        json!({"wake": "05:45", "dinner": "20:10", "bed": "00:30"}),
    ]);
    (proptest::collection::vec(dosage, 1..4), prop::sample::select(ZONES.to_vec()), anchor, routine)
        .prop_map(|(dosages, zone, anchor, routine)| {
            Case::new(json!(dosages), zone, anchor).with_routine(routine)
        })
}

/// Any quarter of an hour, more often than not close to a change of the clocks of one of [`ZONES`].
fn any_moment() -> impl Strategy<Value = UtcMs> {
    let anywhere = 0_i64..9_000 * 4;
    let changes = prop::sample::select(vec![
        "2025-03-09T07:00:00Z",
        "2025-11-02T06:00:00Z",
        "2025-03-30T01:00:00Z",
        "2025-10-26T01:00:00Z",
        "2025-04-05T15:00:00Z",
        "2025-10-04T15:30:00Z",
        "2025-02-23T02:00:00Z",
        "2025-04-06T02:00:00Z",
        "2025-04-06T03:00:00Z",
        "2025-09-07T04:00:00Z",
    ]);
    let quarter = |from: UtcMs, quarters: i64| from.plus_ms(quarters * 900_000);
    prop_oneof![
        anywhere.prop_map(move |quarters| quarter(utc("2025-01-01T00:00:00Z"), quarters)),
        (changes, -40_i64..40).prop_map(move |(change, quarters)| quarter(utc(change), quarters)),
    ]
}

fn hours(from: UtcMs, hours: i64) -> UtcMs {
    from.plus_ms(hours * 3_600_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn p7_clock_times_agree_with_a_naive_walk(order in any_order(), from in any_moment(), length in 1_i64..3_000) {
        let to = hours(from, length);
        let end = to.to_utc().date_naive() + Days::new(3);
        let mut expected: Vec<UtcMs> = order.walk(end).into_iter().map(|slot| instant(slot, order.zone)).collect();
        expected.retain(|at| from <= *at && *at < to);
        expected.sort_unstable();
        expected.dedup();
        let got: Vec<UtcMs> = order.case().expand(from, to).occurrences.iter().map(|o| o.at).collect();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn two_windows_that_meet_give_what_one_gives(case in any_case(), a in any_moment(), b in 0_i64..900, c in 0_i64..900) {
        let whole = case.expand(a, hours(a, b + c));
        let first = case.expand(a, hours(a, b));
        let second = case.expand(hours(a, b), hours(a, b + c));
        prop_assert_eq!(&whole.notes, &first.notes);
        let parts: Vec<Occurrence> = first.occurrences.into_iter().chain(second.occurrences).collect();
        prop_assert_eq!(whole.occurrences, parts);
    }

    #[test]
    fn occurrences_are_in_order_and_no_slot_or_instant_comes_twice(case in any_case(), a in any_moment()) {
        let occurrences = case.expand(a, hours(a, 500)).occurrences;
        prop_assert!(occurrences.windows(2).all(|pair| pair[0].at < pair[1].at));
        let mut slots: Vec<_> = occurrences.iter().flat_map(|o| std::iter::once(&o.slot).chain(&o.merged)).collect();
        let all = slots.len();
        slots.sort();
        slots.dedup();
        prop_assert_eq!(slots.len(), all);
        for occurrence in &occurrences {
            prop_assert_eq!(occurrence.local, case.zone.local(occurrence.at));
            prop_assert_eq!(Planned::parse(&occurrence.slot.planned.to_string()), Some(occurrence.slot.planned));
            for slot in std::iter::once(&occurrence.slot).chain(&occurrence.merged) {
                let found = case.compiled().slot(slot);
                prop_assert_eq!(found.as_ref(), Some(occurrence));
            }
        }
    }

    #[test]
    fn the_next_instant_is_the_first_of_the_expansion(case in any_case(), a in any_moment(), length in 1_i64..2_000) {
        let (after, horizon) = (a, hours(a, length));
        let first = case.expand(after.plus_ms(1), horizon).occurrences.first().map(|o| o.at);
        prop_assert_eq!(case.compiled().next_after(after, horizon), first);
    }

    #[test]
    fn instants_are_those_of_the_occurrences(case in any_case(), a in any_moment(), length in 1_i64..2_000) {
        let named: Vec<UtcMs> = case.expand(a, hours(a, length)).occurrences.iter().map(|o| o.at).collect();
        let mut bare = vec![UtcMs(7)];
        prop_assert_eq!(case.compiled().instants(a, hours(a, length), &mut bare), Some(()));
        prop_assert_eq!(bare.remove(0), UtcMs(7));
        prop_assert_eq!(bare, named);
    }

    #[test]
    fn the_place_in_the_array_changes_nothing(case in any_case(), a in any_moment(), turn in 0_usize..3) {
        let mut turned = Case { zone: case.zone.clone(), dosages: case.dosages.clone(), ..Case::new(json!([]), "UTC", &case.anchor) };
        turned.routine = case.routine.clone();
        turned.dosages.rotate_left(turn % case.dosages.len());
        let (one, other) = (case.expand(a, hours(a, 300)), turned.expand(a, hours(a, 300)));
        prop_assert_eq!(one.confidence, other.confidence);
        prop_assert_eq!(one.occurrences, other.occurrences);
    }
}
