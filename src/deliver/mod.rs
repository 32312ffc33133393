//! Sends messages: claims what is due, calls channels, records outcomes, retries, falls back, settles what is
//! unknown.
//!
//! The order is fixed (design.md section 3): permit and rate token, then the claim with its intent, then the
//! first byte, then the outcome under its token. What lives here: those steps. What may not: rendering rules,
//! provider protocols, decisions (they are in `policy`). The daemon calls [`Deliverer`]; `inbound` hands
//! receipts to [`evidence`].

mod backlog;
mod calendar;
mod claim;
mod compose;
mod day;
mod effects;
mod ends;
pub mod evidence;
mod fallback;
mod follow_up;
mod holds;
mod lost;
mod media;
mod money;
mod outage;
mod outcomes;
mod pace;
mod parts;
mod poison;
mod progress;
mod record;
mod restored;
mod said;
mod send;
mod settle;
mod step;
pub mod stuck;
pub mod sweep;
pub mod templates;

pub use restored::ask_provider;
pub use send::{Deliverer, DelivererDeps, Sent};
