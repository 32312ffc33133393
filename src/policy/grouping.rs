//! Which reminders share a message, how urgent a message is, and on which lane its alarm lies.

use crate::care::Class;

/// Reminders of one patient at one minute whose classes have the same group become one message. Classes that
/// wait, expire or are repeated by different rules never share one.
pub const fn class_group(class: Class) -> &'static str {
    match class {
        Class::TimeCriticalDose | Class::Dose => "dose",
        Class::Appointment => "appointment",
        Class::Measurement => "measurement",
        Class::Education | Class::Notice => "education",
        Class::Answer => "answer",
    }
}

/// Whether a message is a STOP confirmation, which passes everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// It confirms a STOP.
    Stop,
    /// Anything else.
    Other,
}

/// The lane of a message: priority, then sender, so that STOP confirmations and time-critical doses pass a
/// herd and a paused channel starves nobody. Lanes are claimed in the order of their names.
pub fn lane(class: Class, answering: Answering, sender: Option<&str>) -> String {
    let priority = match (class, answering) {
        (_, Answering::Stop) | (Class::TimeCriticalDose, _) => 0,
        (Class::Dose, _) => 1,
        (Class::Appointment | Class::Answer, _) => 2,
        (Class::Measurement | Class::Education | Class::Notice, _) => 3,
    };
    format!("{priority}-{}", sender.unwrap_or(NO_SENDER))
}

/// Whether a lane is for STOP confirmations and time-critical doses.
pub fn is_urgent(lane: &str) -> bool {
    lane.starts_with("0-")
}

/// The sender of lanes whose messages no configured channel carries: they are claimed all the same, and end
/// with their reason.
pub const NO_SENDER: &str = "none";

/// The sender in a lane's name.
pub fn sender_of(lane: &str) -> &str {
    lane.split_once('-').map_or(NO_SENDER, |(_, sender)| sender)
}
