//! From (timing, routine, zone, range) to occurrences. Pure: no I/O, no clock.
//!
//! What the standard leaves open is decided here and nowhere else ([`Decision`], printed by `carebell timing
//! --explain`). Called by `schedule`, `deliver` (to re-read a slot before it is sent), `cli preview` and the
//! watch. The way in: `plan` (steps and numbers), `normal` (a timing becomes a rule), `bounds` (its limits),
//! `course` and `civil` (occurrences in closed form).

mod activity;
mod bounds;
mod civil;
mod clock_times;
mod codes;
mod course;
mod elements;
mod invariants;
mod leads;
mod moment;
mod normal;
mod notes;
mod plan;
pub mod text;

pub use activity::{
    ActivityContext, activity_confidence, activity_slot, expand_activity, next_activity_slot,
};
pub use leads::leads;
pub use notes::Decision;

use crate::care::slot::Planned;
use crate::care::{Confidence, Dosage, Expansion, Note, Occurrence, Routine, Slot, UtcMs, Zone};
use plan::{Plan, plan};

/// A window with more occurrences than this is refused.
pub const MAX_OCCURRENCES: i64 = 1_000_000;

/// What an expansion needs besides the dosages.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The patient's zone.
    pub zone: &'a Zone,
    /// The patient's routine, the programme's filled in.
    pub routine: &'a Routine,
    /// Date or date-time (FHIR's forms) that counting starts from when the timing has no start of its own.
    pub anchor: &'a str,
}

/// The due moments of `dosages` with `from <= instant < to`.
///
/// Two windows that meet give together what one over both gives. The work is bounded by the answer, whatever
/// the order says; an answer of more than [`MAX_OCCURRENCES`] is refused: none, `review`, and a note.
pub fn expand(dosages: &[Dosage], context: Context<'_>, from: UtcMs, to: UtcMs) -> Expansion {
    let Plan { courses, mut findings } = plan(dosages, context);
    let mut occurrences = Vec::new();
    let most = courses.iter().map(|course| course.at_most(context.zone, from, to));
    if most.fold(0, i64::saturating_add) > MAX_OCCURRENCES {
        findings.ask(Decision::TooMany);
    } else {
        for (dosage, course) in (1_u16..).zip(&courses) {
            course.expand(dosage, context.zone, (from, to), &mut occurrences);
        }
        merge(&mut occurrences);
    }
    Expansion { confidence: findings.confidence, notes: findings.notes, occurrences }
}

/// The first due moment with `after < instant < horizon`, found without expanding what lies between.
pub fn next_after(
    dosages: &[Dosage],
    context: Context<'_>,
    after: UtcMs,
    horizon: UtcMs,
) -> Option<UtcMs> {
    let Plan { courses, .. } = plan(dosages, context);
    let next = |course: &course::Course| course.next(context.zone, after.plus_ms(1), horizon);
    courses.iter().filter_map(next).min()
}

/// The occurrence that holds this slot today, or `None` when the dosages have no such slot (any more).
///
/// The slot keeps its name while its instant moves with the zone. It may stand in `merged`: then another slot
/// announces it.
pub fn has_slot(dosages: &[Dosage], context: Context<'_>, slot: &Slot) -> Option<Occurrence> {
    let at = match slot.planned {
        Planned::Local(local) => context.zone.resolve(local).instant(),
        Planned::Elapsed(at) => at,
    };
    let there = expand(dosages, context, at, at.plus_ms(1)).occurrences;
    there.into_iter().find(|found| found.slot == *slot || found.merged.contains(slot))
}

/// How sure an expansion is, and why, without expanding.
pub fn confidence(dosages: &[Dosage], context: Context<'_>) -> (Confidence, Vec<Note>) {
    let Plan { findings, .. } = plan(dosages, context);
    (findings.confidence, findings.notes)
}

/// By instant, then slot; slots on one instant become one occurrence (design.md section 5).
fn merge(occurrences: &mut Vec<Occurrence>) {
    let key = |o: &Occurrence| (o.at, o.slot.dosage, o.slot.planned);
    if !occurrences.is_sorted_by_key(key) {
        occurrences.sort_by_key(key);
    }
    occurrences.dedup_by(|later, first| {
        let same = later.at == first.at;
        if same && later.slot != first.slot {
            first.merged.push(later.slot.clone());
        }
        same
    });
}
