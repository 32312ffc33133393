//! How a send ended, and what a provider's code asks for.

use serde::{Deserialize, Serialize};

/// How a send ended (design.md section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it.
    Accepted {
        /// The provider's ids, one per part.
        ids: Vec<String>,
    },
    /// The provider said no.
    Refused {
        /// What its code asks for.
        action: Action,
        /// Its code.
        code: String,
        /// How long it asks to wait, in milliseconds.
        retry_after_ms: Option<i64>,
    },
    /// It failed before the request was written: safe to retry.
    NotSent {
        /// Where: request, queue, resolve, gate, connect, tls, login, media, mail, rcpt, data.
        stage: &'static str,
    },
    /// The request may have arrived.
    Unknown {
        /// Where: write, read, status, body; content of an email.
        stage: &'static str,
    },
}

impl Outcome {
    /// A refusal of our own, before anything is sent.
    pub(super) fn refused(action: Action, code: &str) -> Self {
        Self::Refused { action, code: code.to_owned(), retry_after_ms: None }
    }
}

/// What an error code asks for (design.md section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Back off and try the same channel again while valid.
    Retry,
    /// Next consented channel now.
    NextChannel,
    /// Mark the address unusable on this channel, then the next one.
    BadAddress,
    /// Suppress this channel for this person.
    OptedOut,
    /// Something is wrong with the template.
    TemplateProblem,
    /// Stop the channel and call an operator.
    PauseChannel,
    /// Wait for evidence.
    Unknown,
    /// Our fault: fail, and call an operator.
    Fix,
}

impl Action {
    const ALL: [Self; 8] = [
        Self::Retry,
        Self::NextChannel,
        Self::BadAddress,
        Self::OptedOut,
        Self::TemplateProblem,
        Self::PauseChannel,
        Self::Unknown,
        Self::Fix,
    ];

    /// The action of a word.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }

    /// The word stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::NextChannel => "next-channel",
            Self::BadAddress => "bad-address",
            Self::OptedOut => "opted-out",
            Self::TemplateProblem => "template-problem",
            Self::PauseChannel => "pause-channel",
            Self::Unknown => "unknown",
            Self::Fix => "fix",
        }
    }
}
