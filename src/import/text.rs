//! Text of others, made safe to show: no control characters, no marks that reverse or hide letters.

/// Longest name or title, in characters.
const NAME_LIMIT: usize = 200;

/// A name or title on one line; `None` when nothing is left of it.
pub(crate) fn line(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let shown: String = words.join(" ").chars().filter(|c| is_shown(*c)).take(NAME_LIMIT).collect();
    (!shown.trim().is_empty()).then_some(shown)
}

/// Running text, its line breaks kept; `None` when nothing is left of it.
pub(crate) fn block(text: &str) -> Option<String> {
    let shown: String = text.chars().filter(|c| *c == '\n' || is_shown(*c)).collect();
    (!shown.trim().is_empty()).then(|| shown.trim().to_owned())
}

/// Joiners (U+200C, U+200D) stay: Persian, Hindi and others are written with them.
fn is_shown(c: char) -> bool {
    !(c.is_control()
        || matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{FEFF}' | '\u{00AD}')
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_hide_or_reverse_are_dropped_and_joiners_kept() {
        assert_eq!(line(" A\u{202E}nn\u{200B}a\r\nB\u{0} ").as_deref(), Some("Anna B"));
        assert_eq!(line("می\u{200C}خواهم").as_deref(), Some("می\u{200C}خواهم"));
        assert_eq!(line("\u{200B} \t"), None);
        assert_eq!(line(&"x".repeat(999)).map(|l| l.len()), Some(NAME_LIMIT));
        assert_eq!(block("a\nb\u{7}").as_deref(), Some("a\nb"));
    }
}
