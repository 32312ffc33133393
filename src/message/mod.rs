//! What is said: texts per programme and language, their rendering, SMS parts, WhatsApp template parameters.
//!
//! No I/O but reading the schedules folder once, at load; no channel, no store. A text either renders whole or is
//! refused: a blank or a placeholder never leaves. Called by `deliver`, `followup`, `inbound` and `cli`.

pub mod announced;
mod catalogue;
mod check;
pub mod cost;
mod files;
mod letter;
mod name;
mod parameters;
mod prices;
mod programmes;
mod render;
mod saying;
pub mod segments;
pub mod survey;
mod tariff;
mod template;

pub use catalogue::Catalogue;
pub use files::CatalogueProblem;
pub use letter::{LeavingPage, Letter};
pub use name::MessageName;
pub use prices::Prices;
pub use programmes::Programmes;
pub use saying::{Form, Item, NotRenderable, Rendered, Repeat, Saying, Template};
pub use tariff::Tariff;
