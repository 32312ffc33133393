//! What a patient can press under a reminder, and what a button carries so that the press is known again.

use crate::care::ids::AttemptId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a press says of the message that it stands under. It is the patient's word, and no advice follows from it
/// (design.md P12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Press {
    /// It is done: taken, measured, fetched.
    Done,
    /// Not yet; it will be done later.
    Later,
    /// The patient comes to the appointment.
    Coming,
    /// It cannot be done, or the patient cannot come.
    Cannot,
    /// A person of the care team is wanted.
    Help,
}

impl Press {
    /// Every press.
    pub const ALL: [Self; 5] = [Self::Done, Self::Later, Self::Coming, Self::Cannot, Self::Help];

    /// The word in files, tables and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Later => "later",
            Self::Coming => "coming",
            Self::Cannot => "cannot",
            Self::Help => "help",
        }
    }

    /// Reads what `word` writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|press| press.word() == word)
    }

    /// Whether somebody of the care team must look at it.
    pub const fn wants_person(self) -> bool {
        matches!(self, Self::Cannot | Self::Help)
    }

    /// Its number in payloads. A number is never given to another press: buttons stay on phones for years.
    const fn number(self) -> u8 {
        match self {
            Self::Done => 1,
            Self::Later => 2,
            Self::Coming => 3,
            Self::Cannot => 4,
            Self::Help => 5,
        }
    }
}

/// What a button carries, and what comes back when it is pressed: which attempt brought the message, and which button
/// it was. Whoever reads it learns neither who nor what.
///
/// Callbacks are signed, so it is not; but who pressed must be the patient whom the attempt went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The attempt whose message it stands under; also the correlation id.
    pub attempt: AttemptId,
    /// Which button.
    pub press: Press,
}

/// Characters of a payload: an id and a number in hex.
const CHARACTERS: usize = 34;

impl std::fmt::Display for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:02x}", self.attempt.0.simple(), self.press.number())
    }
}

impl Payload {
    /// Reads what `Display` writes; none: it is not one of ours.
    pub fn read(text: &str) -> Option<Self> {
        let is_hex = text.len() == CHARACTERS && text.bytes().all(|b| b.is_ascii_hexdigit());
        let (id, number) = text.split_at_checked(CHARACTERS - 2).filter(|_| is_hex)?;
        let number = u8::from_str_radix(number, 16).ok()?;
        let press = Press::ALL.into_iter().find(|press| press.number() == number)?;
        Some(Self { attempt: AttemptId(Uuid::try_parse(id).ok()?), press })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_payload_comes_back_and_nothing_else_is_one() {
        let attempt = AttemptId(Uuid::from_u128(0x0195_2d3c_4b5a_7988_a7b6_c5d4_e3f2_0110));
        let mut seen = BTreeSet::new();
        for press in Press::ALL {
            let text = Payload { attempt, press }.to_string();
            assert_eq!(Payload::read(&text), Some(Payload { attempt, press }));
            assert_eq!(text.len(), CHARACTERS);
            assert!(!text.contains(press.word()) && !text.contains('_'), "{text}");
            assert!(seen.insert(text));
            assert_eq!(Press::parse(press.word()), Some(press));
        }
        let text = Payload { attempt, press: Press::Done }.to_string();
        let no_press = format!("{}00", &text[..32]);
        for other in
            ["", "done", "DONE", &text[1..], &format!("{text}0"), &no_press, &"é".repeat(17)]
        {
            assert_eq!(Payload::read(other), None, "{other}");
        }
    }
}
