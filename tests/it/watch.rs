//! The watch: reminders that are missing are seen within the hour, whatever made them so, and all well is silent.

mod clock;
mod damage;
mod dead_man;
mod missing;
