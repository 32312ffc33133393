//! From (timing, routine, zone, range) to occurrences. Pure: no I/O, no clock.
//!
//! What the standard leaves open is decided here and nowhere else. Called by `schedule`, `deliver` (to re-read
//! a slot before it is sent), `cli preview` and the watch.

use crate::care::{Dosage, Expansion, Routine, UtcMs, Zone};

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
pub fn expand(_dosages: &[Dosage], _context: Context<'_>, _from: UtcMs, _to: UtcMs) -> Expansion {
    Expansion::default()
}
