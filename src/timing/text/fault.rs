//! What is wrong with a phrase, where, and what to write instead.

/// Why a text is no timing. It names a place, a kind and the fix; of the text itself it holds one word at most.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {} {kind}; {expected}", .word.as_ref().map_or_else(|| "this".to_owned(), |word| format!("`{word}`")))]
pub struct TextFault {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong there.
    pub kind: FaultKind,
    /// The word there, where it is one of ASCII letters and digits; cut to 20 characters.
    pub word: Option<String>,
    /// What is expected, with an example.
    pub expected: &'static str,
}

/// What is wrong at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FaultKind {
    /// The text ends, or a part of it, before it says enough.
    #[error("is not complete")]
    Incomplete,
    /// No word of the grammar, or not at this place.
    #[error("is not understood here")]
    NotUnderstood,
    /// Two readings.
    #[error("could be read two ways")]
    Ambiguous,
    /// A number, time or date beyond its limits.
    #[error("is out of range")]
    OutOfRange,
    /// A second phrase of one kind.
    #[error("says the same thing a second time")]
    Repeated,
    /// Phrases that exclude each other.
    #[error("contradicts the rest")]
    Contradiction,
    /// Longer than the limits.
    #[error("is too long")]
    TooLong,
}

impl FaultKind {
    /// A fault of this kind at a column, about no word.
    pub(super) const fn at(self, column: usize, expected: &'static str) -> TextFault {
        TextFault { column, kind: self, word: None, expected }
    }
}

/// A word as far as a fault may repeat it.
pub(super) fn shown(word: &str) -> Option<String> {
    let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric());
    plain.then(|| word.chars().take(20).collect())
}
