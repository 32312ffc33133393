//! What Meta takes as a parameter of a template, in one place: whatever fills a template goes through here.

use super::render::{flat, refuse_placeholders};
use super::saying::NotRenderable;
use crate::care::Phi;

/// Most characters of a template's body with its parameters filled in
/// (<https://developers.facebook.com/documentation/business-messaging/whatsapp/templates>).
pub(super) const BODY_LIMIT: usize = 1_024;

/// The values as parameters: each in one line, because a newline, a tab or more than four spaces in a row is refused
/// (error 132018), and none empty or unfilled, because that is refused as well (132000).
///
/// Lengths count after that. The body's own words are not known here, so only what could fit no body is refused.
///
/// # Errors
/// What Meta would refuse, or a patient should not read.
pub(super) fn parameters(values: &[String]) -> Result<Vec<Phi<String>>, NotRenderable> {
    let parameters: Vec<String> =
        values.iter().map(|value| parameter(value)).collect::<Result<_, _>>()?;
    let length = parameters.iter().map(|value| value.chars().count()).sum();
    if length > BODY_LIMIT {
        return Err(NotRenderable::TooLong { length, limit: BODY_LIMIT });
    }
    Ok(parameters.into_iter().map(Phi::from).collect())
}

fn parameter(value: &str) -> Result<String, NotRenderable> {
    let line = flat(value);
    if !line.chars().any(is_seen) {
        return Err(NotRenderable::Empty { what: "a template's parameter" });
    }
    refuse_placeholders(&line)?;
    Ok(line)
}

/// Whether a character leaves a mark: marks of direction, joiners and controls alone are an empty parameter.
fn is_seen(c: char) -> bool {
    let unseen = matches!(
        c,
        '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
    );
    !(unseen || c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(value: &str) -> Result<String, NotRenderable> {
        Ok(parameters(&[value.to_owned()])?.remove(0).into_inner())
    }

    #[test]
    fn a_parameter_is_one_line_that_says_something() {
        for (value, expected) in [
            ("08:00", "08:00"),
            ("  two\nlines\r\n\tand     a tab ", "two lines and a tab"),
            ("no\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}break\u{2028}line", "no break line"),
            ("\u{2068}08:00\u{2069}", "\u{2068}08:00\u{2069}"),
        ] {
            assert_eq!(one(value).unwrap(), expected);
        }
        for empty in ["", " \n\t", "\u{2068}\u{2069}", "\u{200b}\u{feff}"] {
            assert!(matches!(one(empty), Err(NotRenderable::Empty { .. })), "{empty:?}");
        }
        assert!(matches!(one("Hi {{1}}"), Err(NotRenderable::Placeholder { .. })));
    }

    #[test]
    fn lengths_count_after_flattening_and_together() {
        let spaced = format!("{}{}", "a".repeat(1_023), " \n".repeat(500));
        assert!(one(&format!("{spaced}b")).is_err());
        assert!(one(&spaced).is_ok());
        let halves = ["x".repeat(512), "y".repeat(512)];
        assert!(parameters(&halves).is_ok());
        let over = ["x".repeat(512), "y".repeat(513)];
        let refused = parameters(&over).unwrap_err();
        assert_eq!(refused, NotRenderable::TooLong { length: 1_025, limit: 1_024 });
    }

    proptest! {
        #[test]
        fn what_meta_refuses_never_leaves(value in "[a-z \u{a0}\n\r\t\u{b}\u{c}\u{85}\u{2028}\u{3000}]{0,60}") {
            if let Ok(line) = one(&value) {
                let refused = ["\n", "\r", "\t", "     "];
                prop_assert!(!refused.iter().any(|part| line.contains(part)), "{line:?}");
                prop_assert!(!line.trim().is_empty());
            }
        }
    }
}
