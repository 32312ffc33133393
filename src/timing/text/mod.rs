//! Timings for people: phrases read into FHIR's model, and said back from it. Pure; one vocabulary for both ways.
//!
//! ```text
//! schedules = schedule *( ";" schedule )          side by side
//!           | schedule *( [","|";"] "then" schedule )  one after the other: steps 1, 2, ...; all but the last end
//! schedule  = [ "step" n ":" ] phrase *( [","] phrase )          in any order, each kind once
//!
//! phrase = rate | days | month-days | times | events | dates | limit | condition
//! rate   = n times a [m] unit | once, twice a unit | n x/unit | every [other | m] unit | daily, weekly, quarterly, ...
//!        | QD OD BID BD TID TDS QID QDS QOD QnH               never "m" alone: min or months?
//! days   = Mon Wed Fri | Mon-Fri | weekdays | weekends        never "MO": Monday or monthly?
//! month-days = on the 1st and 15th | on 31 | on the last day [ "or skip" | "or the last day" ]
//! times  = 08:00, 20:00 | 8am, 8:30 pm                        never "8" or "12am"
//! events = [ n min | n h ] before, after | with, at, on, in ... breakfast lunch dinner meals bedtime waking
//!          noon [early | late] morning afternoon evening night
//!        | a code of ValueSet event-timing | AM | PM | BED
//! dates  = 2026-03-01 09:00, 2026-04-01 09:00                 the whole schedule
//! limit  = for n units | from date | until date | n times | x n | n times in all
//! condition = as needed | prn | while awake | or skip | n [days] on [and, /] n [days] off
//!           | at least n h apart
//! ```
//!
//! Words are case-insensitive; within a list `,`, `and` and a blank mean the same. What it means:
//!
//! - A rate beside clock times, events or days counts them: `every 2 weeks on Tue 10:00` has frequency 1. A rate
//!   that says another number is refused, as is a second list of one kind (`Mon 08:00, Tue 09:00` is two
//!   schedules).
//! - A day of the month that a month lacks is served on the month's last day, `or skip` leaves it out. FHIR's
//!   timing-dayOfMonth only filters, so days after the 28th carry [`native::MONTH_END`] beside it.
//! - Both `;` and `then` in one text are refused: does what stands before the `;` go on beside the steps? Numbers
//!   say it (`step 1: ...; step 1: ...; step 2: ...`); equal ones run side by side, none stands beside them all.
//! - `until` is inclusive. `from` a date `for` a length becomes `boundsPeriod`, a length alone `boundsDuration`,
//!   for FHIR has one `bounds[x]`. `from 2026-01-05T10:00` starts at that time.
//! - `n times` is a total where it cannot be anything else: beside a rate with its own number or in hours, or
//!   when it exceeds the times of a day. Right after `every day` it is that day's frequency. Else it is refused.
//! - An offset holds for every event of its schedule, and clock times do not mix with events (FHIR's tim-9 and
//!   tim-10): such schedules are written apart, with `;`.
//!
//! What could be read two ways is refused with its place and both ways, never guessed (conventions: parse at the
//! border). Called by the CSV import and the command line.
//!
//! [`native::MONTH_END`]: crate::care::timing::native::MONTH_END

mod draft;
mod events;
mod fault;
mod frequency;
mod limits;
mod parse;
mod rates;
mod say;
mod tokens;
mod words;

pub use fault::{FaultKind, TextFault};
pub use parse::parse;
pub use say::say;

/// The forms by example, for a help text: a form a line, at most 78 columns.
pub const FORMS: &str = "\
08:00, 20:00 | 8am | 3x/day | twice daily | BID | every 8h | Q6H
every 2 days at 08:00 | Mon Wed Fri 09:00 | weekdays 07:30 | weekends
30 min before breakfast | with meals | at bedtime | in the morning | HS
every 2 weeks on Tue 10:00 | on the 1st and 15th | monthly on 31 or skip
2026-03-01 09:00, 2026-04-01 09:00 | every 2h while awake | as needed
limits: for 14 days | from 2026-01-05 | until 2026-03-01 | 10 times in all
08:00, 21 days on 7 days off | at least 4h apart
several: 08:00; at bedtime | 2x/day for 7 days, then 1x/day for 7 days";

/// The longest text, in characters.
pub const MAX_CHARACTERS: usize = 1_000;
/// The most schedules in one text.
pub const MAX_SCHEDULES: usize = 64;
