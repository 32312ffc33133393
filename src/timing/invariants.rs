//! FHIR's own rules for `Timing` (tim-1 to tim-10, with R5's wording of tim-9). A broken one is confirmed by a
//! person, never a reason to drop the order.

use super::notes::{Decision, Findings};
use crate::care::timing::{Decimal, Repeat};

const UNITS: [&str; 7] = ["s", "min", "h", "d", "wk", "mo", "a"];

/// Source: <https://hl7.org/fhir/R4/datatypes.html#Timing>, invariants; R5 for tim-9.
pub(super) fn check(repeat: &Repeat, findings: &mut Findings) {
    let negative = |value: &Option<Decimal>| value.as_ref().is_some_and(Decimal::is_negative);
    let meal = |code: &String| ["C", "CM", "CD", "CV"].contains(&code.as_str());
    let no_unit = |unit: &Option<String>| unit.as_deref().is_none_or(|unit| !UNITS.contains(&unit));
    let rules = [
        (
            "tim-1: a duration has a unit",
            repeat.duration.is_some() && no_unit(&repeat.duration_unit),
        ),
        ("tim-2: a period has a unit", repeat.period.is_some() && no_unit(&repeat.period_unit)),
        ("tim-4: a duration is not negative", negative(&repeat.duration)),
        ("tim-5: a period is not negative", negative(&repeat.period)),
        ("tim-6: a periodMax has a period", repeat.period_max.is_some() && repeat.period.is_none()),
        (
            "tim-7: a durationMax has a duration",
            repeat.duration_max.is_some() && repeat.duration.is_none(),
        ),
        ("tim-8: a countMax has a count", repeat.count_max.is_some() && repeat.count.is_none()),
        (
            "tim-9: an offset goes with when, and not with C, CM, CD, CV",
            repeat.offset.is_some() && (repeat.when.is_empty() || repeat.when.iter().any(meal)),
        ),
        (
            "tim-10: timeOfDay and when exclude each other",
            !repeat.time_of_day.is_empty() && !repeat.when.is_empty(),
        ),
    ];
    for (rule, _) in rules.into_iter().filter(|(_, broken)| *broken) {
        findings.ask_that(Decision::Invariant, rule);
    }
}
