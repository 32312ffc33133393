//! The domain: what a patient, a plan, an activity, a timing and a reminder *are*.
//!
//! Pure data and the rules that hold inside one value. No I/O, no clock, no randomness of its own:
//! time and zone rules come in as parameters ([`zone::ZoneRules`]). Every other room may import this one;
//! it imports none of them.

pub mod activity;
pub mod contact;
pub mod delivery;
pub mod dosage;
pub mod hold;
pub mod ids;
pub mod milestone;
pub mod money;
pub mod patient;
pub mod phi;
pub mod plan;
pub mod programme;
pub mod reason;
pub mod routine;
pub mod slot;
pub mod template;
pub mod time;
pub mod timing;
pub mod zone;

pub use activity::{Activity, ActivityKind, ActivityStatus, Class, Schedule};
pub use contact::{Address, ChannelKind, ConsentBasis, ContactHealth, ContactPoint};
pub use delivery::{AttemptState, MessageState, ReceiptHabit, ReceiptStatus, ReminderState};
pub use dosage::Dosage;
pub use hold::{Hold, Scope};
pub use money::{Micros, Spent};
pub use patient::{Patient, PatientStatus, TextStyle};
pub use phi::Phi;
pub use plan::Plan;
pub use programme::Programme;
pub use reason::Reason;
pub use routine::Routine;
pub use slot::{Confidence, Expansion, Note, Occurrence, Slot};
pub use template::{HeldTemplate, ListedTemplate};
pub use time::UtcMs;
pub use timing::Timing;
pub use zone::{Zone, ZoneRules};
