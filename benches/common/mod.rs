//! What the benches share: an installation with its daemon, the people in it, what is counted, and how a figure is
//! told. Not every bench needs all of it.

#![allow(dead_code, unused_imports, reason = "each bench uses its part")]

pub mod accepts;
pub mod counts;
#[path = "../../tests/it/house.rs"]
#[allow(unused_imports, unused_macros, clippy::assigning_clones, reason = "the tests use the rest")]
pub mod house;
#[path = "../../tests/it/postgres.rs"]
pub mod postgres;
#[path = "../../tests/it/process.rs"]
pub mod process;
mod process_figures;

pub use process_figures::{cpu_seconds, load, status_kib};

use self::house::On;
use self::process::{Installation, Wishes};
use std::fmt::Write as _;

/// A server as it comes: it flushes what it commits, writes whole pages, and vacuums.
const AS_IT_COMES: &str = "";

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Database {
    Sqlite,
    Postgresql,
}

impl Database {
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgresql];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgresql => "postgresql",
        }
    }

    /// An installation on it; `None`, and said so, where there is no PostgreSQL.
    pub async fn installation(self, wishes: Wishes) -> Option<Installation> {
        postgres::SETTINGS.get_or_init(|| AS_IT_COMES);
        let on = match self {
            Self::Sqlite => On::Sqlite,
            Self::Postgresql => On::Postgres,
        };
        Installation::make(on, wishes).await
    }
}

/// Tells figures, one JSON line each, every line with the facts it was measured under.
#[derive(Clone)]
pub struct Teller(String);

impl Teller {
    pub fn new(bench: &str) -> Self {
        Self(format!(r#"{{"bench":"{bench}""#))
    }

    #[must_use]
    pub fn with(mut self, fact: &str, value: impl Into<serde_json::Value>) -> Self {
        write!(self.0, r#","{fact}":{}"#, value.into()).unwrap();
        self
    }

    pub fn tell(&self, figure: &str, value: f64) {
        println!(r#"{},"figure":"{figure}","value":{value:.1}}}"#, self.0);
    }
}
