//! The closed list of messages.

use crate::care::{ActivityKind, TextStyle};

/// What can be said. Each is a message of the catalogue under its [`word`](Self::word); reminders have a variant
/// `-overt` beside the discreet one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageName {
    /// One dose, or several at one moment.
    Dose,
    /// A measurement.
    Measurement,
    /// A refill.
    Refill,
    /// A check-in.
    CheckIn,
    /// An appointment.
    Appointment,
    /// After an appointment.
    AppointmentAfter,
    /// An appointment that no longer stands.
    AppointmentCalledOff,
    /// Education.
    Education,
    /// A habit.
    Lifestyle,
    /// A notice.
    Notice,
    /// Activities of several kinds at one moment.
    Several,
    /// Answers a STOP.
    StopConfirmation,
    /// Answers a START.
    StartConfirmation,
    /// Answers a HELP.
    Help,
}

impl MessageName {
    /// Every message.
    pub const ALL: [Self; 14] = [
        Self::Dose,
        Self::Measurement,
        Self::Refill,
        Self::CheckIn,
        Self::Appointment,
        Self::AppointmentAfter,
        Self::AppointmentCalledOff,
        Self::Education,
        Self::Lifestyle,
        Self::Notice,
        Self::Several,
        Self::StopConfirmation,
        Self::StartConfirmation,
        Self::Help,
    ];

    /// The message's id in the catalogue, and its key among WhatsApp templates.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dose => "dose",
            Self::Measurement => "measurement",
            Self::Refill => "refill",
            Self::CheckIn => "check-in",
            Self::Appointment => "appointment",
            Self::AppointmentAfter => "appointment-after",
            Self::AppointmentCalledOff => "appointment-called-off",
            Self::Education => "education",
            Self::Lifestyle => "lifestyle",
            Self::Notice => "notice",
            Self::Several => "several",
            Self::StopConfirmation => "stop-confirmation",
            Self::StartConfirmation => "start-confirmation",
            Self::Help => "help",
        }
    }

    /// The message that announces activities of these kinds together. `None` for no activity, and for an
    /// appointment among others: its own date and time would be lost.
    pub fn announcing(kinds: &[ActivityKind]) -> Option<Self> {
        let (first, rest) = kinds.split_first()?;
        if rest.iter().all(|kind| kind == first) {
            Some(Self::from(*first))
        } else {
            (!kinds.contains(&ActivityKind::Appointment)).then_some(Self::Several)
        }
    }

    /// Whether a file can go with it.
    pub const fn takes_material(self) -> bool {
        matches!(self, Self::Education | Self::Lifestyle | Self::Notice)
    }

    /// Whether it announces activities; the others answer a reply, or take back what was announced.
    pub const fn is_reminder(self) -> bool {
        !matches!(
            self,
            Self::AppointmentCalledOff
                | Self::StopConfirmation
                | Self::StartConfirmation
                | Self::Help
        )
    }

    /// Whether its text names the day.
    pub const fn is_dated(self) -> bool {
        matches!(self, Self::Appointment | Self::AppointmentAfter | Self::AppointmentCalledOff)
    }

    /// The styles it is written in. An answer says nothing that could be overt.
    pub const fn styles(self) -> &'static [TextStyle] {
        if self.is_reminder() {
            &[TextStyle::Discreet, TextStyle::Overt]
        } else {
            &[TextStyle::Discreet]
        }
    }

    /// The id in the catalogue for a style.
    pub(super) fn id(self, style: TextStyle) -> String {
        match style {
            TextStyle::Overt if self.is_reminder() => format!("{}-overt", self.word()),
            TextStyle::Overt | TextStyle::Discreet => self.word().to_owned(),
        }
    }

    /// The variables that its text may not leave out.
    pub(super) fn must_say(self, style: TextStyle) -> Vec<&'static str> {
        let mut said = vec!["sender"];
        if self.is_reminder() || self == Self::AppointmentCalledOff {
            said.push("time");
        }
        if self.is_dated() {
            said.push("date");
        }
        if style == TextStyle::Overt {
            said.push("items");
        }
        said
    }
}

impl From<ActivityKind> for MessageName {
    fn from(kind: ActivityKind) -> Self {
        match kind {
            ActivityKind::Medication => Self::Dose,
            ActivityKind::Measurement => Self::Measurement,
            ActivityKind::Appointment => Self::Appointment,
            ActivityKind::Refill => Self::Refill,
            ActivityKind::Education => Self::Education,
            ActivityKind::Lifestyle => Self::Lifestyle,
            ActivityKind::CheckIn => Self::CheckIn,
            ActivityKind::Notice => Self::Notice,
        }
    }
}

/// What mails say beside their text, and the page behind their link to unsubscribe.
pub(super) const LETTERS: [&str; 6] = [
    "subject",
    "material",
    "appointment-title",
    "unsubscribe",
    "unsubscribe-ask",
    "unsubscribe-done",
];

/// The ids that a catalogue may define: every message in every style, and the helpers.
pub(super) fn known_ids() -> Vec<String> {
    let messages = MessageName::ALL
        .into_iter()
        .flat_map(|name| name.styles().iter().map(move |style| name.id(*style)));
    messages
        .chain(["date", "repeat-mark"].map(str::to_owned))
        .chain(LETTERS.map(str::to_owned))
        .collect()
}
