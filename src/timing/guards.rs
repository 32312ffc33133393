//! What an order itself forbids: slots too close together, more than its maximum dose. Both are compared on the
//! planned local times, and only ever asked about.

use super::course::Course;
use super::moment::{DAY_SECONDS, Wall};
use super::notes::{Decision, Findings};
use crate::care::timing::{Quantity, Ratio, native};
use crate::care::{Dosage, Zone};

/// Whatever repeats shows itself within five weeks of its start.
const SPAN_SECONDS: i64 = 35 * DAY_SECONDS;
/// More slots than this are not looked through.
const MOST: usize = 4_096;

/// Each dosage is held against each other, so more of them than this are left to a person.
const MOST_DOSAGES: usize = 64;

/// Asks about what the dosages' own guards forbid, if they have any.
pub(super) fn check(parts: &[(&Dosage, &Course)], zone: &Zone, findings: &mut Findings) {
    if parts.len() <= MOST_DOSAGES {
        spacing(parts, zone, findings);
        maximum(parts, zone, findings);
    } else if parts.iter().any(|(dosage, _)| is_guarded(dosage)) {
        findings.ask_that(Decision::ManyDosages, "so many dosages are not held against a maximum");
    }
}

fn is_guarded(dosage: &Dosage) -> bool {
    !dosage.max_dose_per_period.is_empty() || minimum_spacing(dosage).is_some()
}

/// The dosage's own minimum, in minutes.
fn minimum_spacing(dosage: &Dosage) -> Option<i64> {
    let repeat = dosage.timing.as_ref()?.repeat.as_ref()?;
    repeat.native(native::MINIMUM_SPACING)?.value_positive_int
}

/// Asks about slots closer together than the dosages' own minimum. Two slots on one time are announced once.
fn spacing(parts: &[(&Dosage, &Course)], zone: &Zone, findings: &mut Findings) {
    let minimum = parts.iter().filter_map(|(dosage, _)| minimum_spacing(dosage));
    let Some(minutes) = minimum.max() else { return };
    for start in starts(parts, zone) {
        let mut walls: Vec<Wall> = Vec::new();
        for (_, course) in parts {
            course.walls(zone, (start, start + SPAN_SECONDS), MOST, &mut walls);
        }
        walls.sort_unstable();
        walls.dedup();
        if let Some(pair) = walls.windows(2).find(|pair| pair[1] - pair[0] < minutes * 60) {
            let apart = (pair[1] - pair[0]) / 60;
            let told = format!("slots are {apart} minutes apart, the order asks for {minutes}");
            findings.ask_that(Decision::MinimumSpacing, told);
            return;
        }
    }
}

/// Asks about more than a dosage's own maximum within its period, whatever dosages it comes from.
///
/// Source: FHIR R4 Dosage.maxDosePerPeriod. Nothing is computed for the patient (design.md P12).
fn maximum(parts: &[(&Dosage, &Course)], zone: &Zone, findings: &mut Findings) {
    for (dosage, _) in parts {
        for ratio in &dosage.max_dose_per_period {
            match exceeds(ratio, dosage, parts, zone) {
                Some(false) => {}
                Some(true) => findings.ask(Decision::MaximumDose),
                None => findings.mention_that(
                    Decision::MaximumDose,
                    "the maximum dose and the dose have no units in common: not compared",
                ),
            }
        }
    }
}

/// Whether the doses of some period are more than the maximum; `None` when they cannot be compared.
fn exceeds(
    ratio: &Ratio,
    dosage: &Dosage,
    parts: &[(&Dosage, &Course)],
    zone: &Zone,
) -> Option<bool> {
    let most = ratio.numerator.as_ref()?;
    let length = period_seconds(ratio.denominator.as_ref()?)?;
    let limit = billionths(most)?;
    dose_in(dosage, most)?;
    let mut taken: Vec<(Wall, i128)> = Vec::new();
    for start in starts(parts, zone) {
        taken.clear();
        for (dosage, course) in parts {
            let Some(dose) = dose_in(dosage, most) else { continue };
            let mut walls = Vec::new();
            course.walls(zone, (start, start + length.max(SPAN_SECONDS)), MOST, &mut walls);
            taken.extend(walls.into_iter().map(|wall| (wall, dose)));
        }
        taken.sort_unstable();
        let (mut first, mut sum) = (0, 0);
        for (wall, dose) in &taken {
            sum += dose;
            while taken[first].0 <= wall - length {
                sum -= taken[first].1;
                first += 1;
            }
            if sum > limit {
                return Some(true);
            }
        }
    }
    Some(false)
}

/// The wall-clock times at which dosages begin.
fn starts(parts: &[(&Dosage, &Course)], zone: &Zone) -> Vec<Wall> {
    let first = |(_, course): &(&Dosage, &Course)| course.first_wall(zone);
    let mut starts: Vec<Wall> = parts.iter().filter_map(first).collect();
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// The ordered dose, its upper end where it is a range, in the unit of `like`.
fn dose_in(dosage: &Dosage, like: &Quantity) -> Option<i128> {
    let ordered = dosage.dose_and_rate.iter().find(|dose| !dose.is_calculated())?;
    let range = || ordered.dose_range.as_ref().and_then(|range| range.high.as_ref());
    let quantity = ordered.dose_quantity.as_ref().or_else(range)?;
    let same = match (&quantity.code, &like.code) {
        (Some(one), Some(other)) => one == other,
        _ => quantity.unit == like.unit,
    };
    if same { billionths(quantity) } else { None }
}

fn billionths(quantity: &Quantity) -> Option<i128> {
    quantity.value.as_ref()?.whole_times(1_000_000_000).map(i128::from)
}

fn period_seconds(quantity: &Quantity) -> Option<i64> {
    let unit = match quantity.code.as_deref().or(quantity.unit.as_deref())? {
        "min" => 60,
        "h" | "hour" => 3_600,
        "d" | "day" => DAY_SECONDS,
        "wk" | "week" => 7 * DAY_SECONDS,
        "mo" | "month" => 2_629_800,
        _ => return None,
    };
    let seconds = quantity.value.as_ref()?.whole_times(unit)?;
    (1..=366 * DAY_SECONDS).contains(&seconds).then_some(seconds)
}
