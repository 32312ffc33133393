//! From messages to outcomes, against a stand-in that misbehaves: intents (P3), unknown outcomes (P4), validity
//! (P5), re-reading (P6), receipts (P8), broken rows (P9), health data (P10), and all of it at random.

mod beside_import;
mod breaker;
mod broken_rows;
mod buttons;
mod day;
mod failures;
mod fallback;
mod gateways;
mod health;
mod holds;
mod media;
mod money;
mod outage;
mod own_parts;
mod parts;
mod privacy;
mod providers;
mod reach;
mod receipts;
mod restored;
mod silence;
mod simulation;
mod suspects;
mod templates;
mod unknown;
