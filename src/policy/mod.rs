//! Decisions about what may be said, when and to whom.
//!
//! Pure functions that return their reason: no I/O, no clock, no randomness. Called by `schedule`, `deliver`,
//! `inbound` and `followup`, which act on what they return.

pub mod announced;
pub mod backlog;
pub mod breaker;
pub mod budget;
pub mod calendar;
pub mod clock;
pub mod contact_choice;
pub mod day;
pub mod disk;
pub mod fallback;
pub mod grouping;
pub mod health;
pub mod held_back;
pub mod keywords;
pub mod media;
pub mod outage;
pub mod outcome;
pub mod pair;
pub mod parts;
pub mod pulse;
pub mod quiet_hours;
pub mod send;
pub mod silence;
pub mod templates;
pub mod validity;
pub mod went_back;
pub mod whose;
