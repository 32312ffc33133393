//! What holds sends back, by a person's word or by the house's own caution.

use crate::care::UtcMs;
use serde::Serialize;

/// A hold in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// What it holds back.
    pub scope: Scope,
    /// When it ends by itself; `None`: when a person lifts it.
    #[serde(rename = "until_ms")]
    pub until: Option<UtcMs>,
    /// Who.
    pub actor: String,
    /// Why, in their own words.
    pub because: String,
    /// Since when.
    #[serde(rename = "at_ms")]
    pub at: UtcMs,
}

impl Hold {
    /// Whether it still holds at `now`.
    pub fn holds_at(&self, now: UtcMs) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match &self.scope {
            Scope::Sending => "all sending is stopped".to_owned(),
            Scope::Restored => "the database went back in time".to_owned(),
            Scope::Channel(name) => format!("{name} is paused"),
            Scope::Rest(name) => format!("{name} rests"),
        };
        write!(f, "{what} since {} by {}", self.at.rfc3339(), self.actor)?;
        if let Some(until) = self.until {
            write!(f, ", until {}", until.rfc3339())?;
        }
        if self.because.is_empty() { Ok(()) } else { write!(f, ": {}", self.because) }
    }
}

/// What a hold holds back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub enum Scope {
    /// Everything: the emergency stop.
    Sending,
    /// Everything: the database went back in time.
    Restored,
    /// One channel, by its configured name.
    Channel(String),
    /// One channel, whose provider is in trouble or refuses us, on the instance that met with it.
    Rest(String),
}

/// What stands before a channel's name in a stored scope.
const CHANNEL: &str = "channel.";
/// What stands before it where the channel rests.
const REST: &str = "rest.";

impl Scope {
    /// The word stored and shown.
    pub fn word(&self) -> String {
        match self {
            Self::Sending => "sending".to_owned(),
            Self::Restored => "restored".to_owned(),
            Self::Channel(name) => format!("{CHANNEL}{name}"),
            Self::Rest(name) => format!("{REST}{name}"),
        }
    }

    /// Reads what `word` writes.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "sending" => Some(Self::Sending),
            "restored" => Some(Self::Restored),
            other => match (other.strip_prefix(CHANNEL), other.strip_prefix(REST)) {
                (Some(name), _) => Some(Self::Channel(name.to_owned())),
                (None, Some(name)) => Some(Self::Rest(name.to_owned())),
                (None, None) => None,
            },
        }
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.word()
    }
}
