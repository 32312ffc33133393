//! The states that reminders, messages and attempts go through.

use serde::{Deserialize, Serialize};

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every state.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word stored and shown.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads what `word` writes.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

states! {
    /// The state of a reminder. All but `queued` and `sending` are ends (design.md P2).
    ReminderState {
        /// Waits for its message to leave.
        Queued = "queued",
        /// Its message has an open intent.
        Sending = "sending",
        /// A provider accepted its message.
        Sent = "sent",
        /// Every try was refused.
        Failed = "failed",
        /// Its validity passed first.
        Expired = "expired",
        /// The patient was paused, admitted or on hold.
        Suppressed = "suppressed",
        /// No consent, no usable contact, or review.
        Blocked = "blocked",
        /// Stopped before it left.
        Cancelled = "cancelled",
        /// Another reminder took its place.
        Superseded = "superseded",
        /// Nobody knows whether it left.
        Unknown = "unknown",
        /// Three tries broke on it.
        Parked = "parked",
    }
}

states! {
    /// The state of a message.
    MessageState {
        /// Waits for its alarm.
        Queued = "queued",
        /// Has an open intent.
        Sending = "sending",
        /// Accepted by a provider.
        Sent = "sent",
        /// Every try was refused.
        Failed = "failed",
        /// Its validity passed first.
        Expired = "expired",
        /// No consent or no usable contact.
        Blocked = "blocked",
        /// Nothing was left to say.
        Cancelled = "cancelled",
        /// An attempt's outcome is unknown.
        Unknown = "unknown",
        /// Three tries broke on it.
        Parked = "parked",
    }
}

states! {
    /// The state of an attempt, in the order of P8: a later word never gives way to an earlier one.
    AttemptState {
        /// Intent committed, outcome open.
        Intent = "intent",
        /// Nobody knows.
        Unknown = "unknown",
        /// Concluded from evidence: the provider never took it.
        SettledNotAccepted = "settled-not-accepted",
        /// It failed before the request was written.
        NotSent = "not-sent",
        /// The provider said no.
        Refused = "refused",
        /// The provider took it.
        Accepted = "accepted",
        /// The provider sent it on.
        Sent = "sent",
        /// The provider gave up on it.
        Failed = "failed",
        /// It reached the phone or mailbox.
        Delivered = "delivered",
        /// It was opened.
        Read = "read",
    }
}

states! {
    /// What a provider says of an attempt, in the order of P8.
    ReceiptStatus {
        /// The provider took it.
        Accepted = "accepted",
        /// It is on its way.
        Sent = "sent",
        /// The provider gave up.
        Failed = "failed",
        /// It reached the phone or mailbox.
        Delivered = "delivered",
        /// It was opened.
        Read = "read",
    }
}

/// What a provider tells, unasked, of the messages it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptHabit {
    /// A receipt with our correlation id on its own acceptance, whatever becomes of the message: its silence
    /// means something.
    OnAcceptance {
        /// Within what time it comes again after we did not answer, in milliseconds, as it states; `None` where it
        /// states none.
        redelivered_within_ms: Option<i64>,
    },
    /// Receipts of what becomes of a message later, perhaps none for a long time.
    OnProgress,
    /// None at all.
    None,
}

impl ReceiptStatus {
    /// The attempt state that this receipt proves.
    pub const fn proves(self) -> AttemptState {
        match self {
            Self::Accepted => AttemptState::Accepted,
            Self::Sent => AttemptState::Sent,
            Self::Failed => AttemptState::Failed,
            Self::Delivered => AttemptState::Delivered,
            Self::Read => AttemptState::Read,
        }
    }
}

impl AttemptState {
    /// Whether it proves that the message left.
    pub const fn has_left(self) -> bool {
        matches!(self, Self::Accepted | Self::Sent | Self::Delivered | Self::Read)
    }

    /// The state after more evidence: the maximum, so that order and repetition do not matter (P8).
    #[must_use]
    pub fn with(self, evidence: Self) -> Self {
        self.max(evidence)
    }
}
