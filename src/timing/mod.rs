//! From (timing, routine, zone, range) to occurrences. Pure: no I/O, no clock.
//!
//! What the standard leaves open is decided here and nowhere else ([`Decision`], printed by `carebell timing
//! --explain`). Called by `schedule`, `deliver` (to re-read a slot before it is sent), `cli preview` and the
//! watch. The way in: `plan` (steps and numbers), `normal` (a timing becomes a rule), `bounds` (its limits),
//! `course`, `civil` and `days` (occurrences in closed form), `guards` (what the order itself forbids). Beside them
//! `leads` (appointments) and `milestones` (follow-up visits); `activity` asks whichever an activity has.

mod activity;
mod bounds;
mod civil;
mod clock_times;
mod codes;
mod course;
mod days;
mod elements;
mod extensions;
mod guards;
mod invariants;
mod leads;
mod milestones;
mod moment;
mod normal;
mod notes;
mod plan;
pub mod text;

pub use activity::{
    ActivityContext, activity_confidence, activity_slot, expand_activity, next_activity_slot,
};
pub use leads::leads;
pub use milestones::milestones;
pub use notes::Decision;

use crate::care::slot::Planned;
use crate::care::{Confidence, Dosage, Expansion, Note, Occurrence, Routine, Slot, UtcMs, Zone};
use plan::{Plan, plan};

/// A window with more occurrences than this is refused.
pub const MAX_OCCURRENCES: i64 = 1_000_000;

/// An activity with more dosages than this is asked about, and only so many are expanded.
pub const MAX_DOSAGES: u16 = 1_000;

/// Room made at once for the answer; beyond it the list grows as it fills.
const RESERVED: usize = 64;

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

/// Dosages read once, to be asked many times. Nothing here is expanded until it is asked for, window by window.
#[derive(Debug)]
pub struct Compiled<'a> {
    plan: Plan,
    zone: &'a Zone,
}

/// Reads dosages: what they mean, and how sure that is.
pub fn compile<'a>(dosages: &[Dosage], context: Context<'a>) -> Compiled<'a> {
    Compiled { plan: plan(dosages, context), zone: context.zone }
}

impl Compiled<'_> {
    /// How sure the expansion of any window is.
    pub const fn confidence(&self) -> Confidence {
        self.plan.findings.confidence
    }

    /// Which rule filled or refused what.
    pub fn notes(&self) -> Vec<Note> {
        self.plan.findings.notes()
    }

    /// The due moments with `from <= instant < to`, by instant, then slot; `None` when they may be more than
    /// [`MAX_OCCURRENCES`].
    ///
    /// Two windows that meet give together what one over both gives. The work is bounded by the answer,
    /// whatever the order says.
    pub fn occurrences(&self, from: UtcMs, to: UtcMs) -> Option<Vec<Occurrence>> {
        let mut occurrences = Vec::with_capacity(self.room(from, to)?.min(RESERVED));
        for (dosage, course) in (1_u16..).zip(&self.plan.courses) {
            course.expand(dosage, self.zone, (from, to), &mut occurrences);
        }
        merge(&mut occurrences);
        Some(occurrences)
    }

    /// The instants of [`Compiled::occurrences`], without their names; appended to `into` in order. `None`, and
    /// nothing appended, when they may be more than [`MAX_OCCURRENCES`].
    pub fn instants(&self, from: UtcMs, to: UtcMs, into: &mut Vec<UtcMs>) -> Option<()> {
        let begin = into.len();
        into.reserve(self.room(from, to)?.min(RESERVED));
        for course in &self.plan.courses {
            course.instants(self.zone, (from, to), into);
        }
        if !into[begin..].is_sorted_by(|a, b| a < b) {
            let mut instants = into.split_off(begin);
            instants.sort_unstable();
            instants.dedup();
            into.extend(instants);
        }
        Some(())
    }

    /// The first due moment with `after < instant < horizon`, found without expanding what lies between.
    pub fn next_after(&self, after: UtcMs, horizon: UtcMs) -> Option<UtcMs> {
        let next = |course: &course::Course| course.next(self.zone, after.plus_ms(1), horizon);
        self.plan.courses.iter().filter_map(next).min()
    }

    /// The occurrence that holds this slot today, or `None` when the dosages have no such slot (any more).
    ///
    /// The slot keeps its name while its instant moves with the zone. It may stand in `merged`: then another
    /// slot announces it.
    pub fn slot(&self, slot: &Slot) -> Option<Occurrence> {
        let at = match slot.planned {
            Planned::Local(local) => self.zone.resolve(local).instant(),
            Planned::Elapsed(at) => at,
        };
        let there = self.occurrences(at, at.plus_ms(1))?;
        there.into_iter().find(|found| found.slot == *slot || found.merged.contains(slot))
    }

    /// An upper limit of the occurrences of a window; `None` beyond [`MAX_OCCURRENCES`].
    fn room(&self, from: UtcMs, to: UtcMs) -> Option<usize> {
        let most = self.plan.courses.iter().map(|course| course.at_most(self.zone, from, to));
        let most = most.fold(0, i64::saturating_add);
        usize::try_from(most).ok().filter(|_| most <= MAX_OCCURRENCES)
    }
}

/// The due moments of `dosages` with `from <= instant < to`, with confidence and notes. A window with too many
/// is refused: none, `review`, and a note.
pub fn expand(dosages: &[Dosage], context: Context<'_>, from: UtcMs, to: UtcMs) -> Expansion {
    let mut compiled = compile(dosages, context);
    let occurrences = compiled.occurrences(from, to).unwrap_or_else(|| {
        compiled.plan.findings.ask(Decision::TooMany);
        Vec::new()
    });
    Expansion { confidence: compiled.confidence(), notes: compiled.notes(), occurrences }
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
