//! Wakes patients: occurrences become reminders, reminders become messages.
//!
//! What lives here: the step that a patient's alarm asks for, pure planning ([`plan`], [`gather`]) and the one
//! transaction around it. What may not: sending, rendering. The daemon calls [`Scheduler::tick`].

mod calendar;
mod channels;
mod forecast;
mod foresee;
mod gather;
mod plan;
mod wake;

pub use channels::Channels;
pub use forecast::{Forecast, ForeseenMessage, forecast};
pub use foresee::{Fate, Foreseen, foresee, why_silent};
pub use plan::{LEAD_MS, Wake, WakePlan, has_slots, plan_wake};
pub use wake::{Scheduler, SchedulerDeps, TickReport};
