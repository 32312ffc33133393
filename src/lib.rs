//! Carebell keeps chronic-care patients on their plan.
//!
//! The rooms and the edges between them are drawn in `tests/data/rooms.toml`, which a test holds against the
//! code. Start reading at [`care`], the words; then the flow: import, schedule, deliver, inbound.

pub mod care;
pub mod channel;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crash;
pub mod deliver;
pub mod home;
pub mod http;
pub mod import;
pub mod inbound;
pub mod jobs;
pub mod message;
pub mod policy;
pub mod sandbox;
pub mod schedule;
pub mod security;
pub mod store;
pub mod timing;
pub mod watch;
pub mod zones;
