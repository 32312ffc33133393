//! Cutting a text into messages of their own, for gateways that do not join parts.

use super::{SEPTETS_ALONE, UNITS_ALONE, septets};
use unicode_segmentation::UnicodeSegmentation;

/// Cuts a text into pieces that each fit one message alone; joined they are the text again.
///
/// A cut falls after a blank where one lies in the second half of a piece, else between two characters as a reader
/// sees them (Unicode UAX 29), and only a single such character that is longer than a message is cut inside; never an
/// escape or a surrogate pair. Each piece travels in its own alphabet. At least one piece, which may be empty.
pub fn split(text: &str) -> Vec<String> {
    pieces(text, 0).into_iter().map(str::to_owned).collect()
}

/// As [`split`], each of several pieces behind its number, `(1/3) `: messages that nothing joins arrive in any order,
/// and half an instruction must be seen to be half.
pub fn split_numbered(text: &str) -> Vec<String> {
    let whole = pieces(text, 0);
    if whole.len() == 1 {
        return split(text);
    }
    // Of any length of numbers, the first in which the number of pieces fits: longer numbers make more pieces.
    for digits in 1.. {
        let pieces = pieces(text, "(/) ".len() + 2 * digits);
        let of = pieces.len();
        if of.to_string().len() <= digits {
            let numbered = pieces.iter().zip(1..).map(|(piece, n)| format!("({n}/{of}) {piece}"));
            return numbered.collect();
        }
    }
    split(text)
}

/// Pieces that leave `taken` units free.
fn pieces(text: &str, taken: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let fits = longest(rest, taken);
        if fits == rest.len() {
            pieces.push(rest);
            return pieces;
        }
        let (piece, left) = rest.split_at(cut(rest, fits));
        pieces.push(piece);
        rest = left;
    }
}

/// Bytes of the longest beginning that fits one message beside `taken` units, at least one character.
fn longest(text: &str, taken: usize) -> usize {
    let (mut seven, mut sixteen) = (Some(taken), taken);
    for (index, c) in text.char_indices() {
        seven = seven.and_then(|used| Some(used + septets(c)?));
        sixteen += c.len_utf16();
        let fits = seven.map_or(sixteen <= UNITS_ALONE, |used| used <= SEPTETS_ALONE);
        if !fits && index > 0 {
            return index;
        }
    }
    text.len()
}

/// Where to cut a text of which the first `fits` bytes fit.
fn cut(text: &str, fits: usize) -> usize {
    let beginning = &text[..fits];
    let blank = |c: char| c.is_whitespace() && !matches!(c, '\u{a0}' | '\u{2007}' | '\u{202f}');
    let after_blank = beginning.char_indices().rev().find(|(_, c)| blank(*c));
    if let Some((index, c)) = after_blank.filter(|(index, _)| *index >= fits / 2) {
        return index + c.len_utf8();
    }
    let boundaries = text.grapheme_indices(true).map(|(index, _)| index);
    boundaries.take_while(|index| *index <= fits).last().filter(|index| *index > 0).unwrap_or(fits)
}

#[cfg(test)]
mod tests {
    use super::super::count;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_end_after_a_blank_and_hold_no_half_character() {
        let text = "one two three ".repeat(20);
        assert!(split(&text).iter().all(|piece| piece.ends_with(' ')));
        assert_eq!(split("short"), ["short"]);
        assert_eq!(split(""), [""]);
        // 159 septets, then an escape pair: it goes into the next piece whole.
        let pair = format!("{}€", "a".repeat(159));
        assert_eq!(split(&pair)[1], "€");
        // A family is one character of eleven code units.
        let family = "👨‍👩‍👧‍👦".repeat(7);
        assert!(split(&family).iter().all(|piece| piece.starts_with('👨')));
        let hindi = "किताब".repeat(30);
        assert!(split(&hindi).iter().all(|piece| piece.starts_with(['क', 'त', 'ब'])));
    }

    #[test]
    fn numbers_are_counted_in_and_left_out_for_one_piece() {
        assert_eq!(split_numbered("short"), ["short"]);
        let numbered = split_numbered(&"x".repeat(161));
        assert_eq!(
            numbered,
            [format!("(1/2) {}", "x".repeat(154)), format!("(2/2) {}", "x".repeat(7))]
        );
        let many = split_numbered(&"y".repeat(1_541));
        assert_eq!(many.len(), 11);
        assert!(many[0].starts_with("(1/11) y") && many[10].starts_with("(11/11) y"));
    }

    /// Texts of what is cut badly most easily: escapes, pairs, marks, joiners, blanks, and letters between.
    fn texts() -> impl Strategy<Value = String> {
        let hard = "[a-z€\\[\\]{}~^ \u{a0}çकि\u{301}\u{200d}👨😀\n]{0,700}";
        prop_oneof![hard, "\\PC{0,400}", "[a-z ]{0,700}", "[a-z€ ]{100,700}"]
    }

    proptest! {
        #[test]
        fn joined_pieces_are_the_text_and_each_fits_one_message(text in texts()) {
            let pieces = split(&text);
            prop_assert_eq!(pieces.concat(), text.clone());
            prop_assert!(pieces.iter().all(|piece| count(piece).parts == 1));
            prop_assert!(pieces.len() == 1 || pieces.iter().all(|piece| !piece.is_empty()));
            let numbered = split_numbered(&text);
            prop_assert!(numbered.iter().all(|piece| count(piece).parts == 1));
            let bare = |(n, piece): (usize, &String)| {
                let number = format!("({}/{}) ", n + 1, numbered.len());
                piece.strip_prefix(&number).unwrap_or(piece).to_owned()
            };
            prop_assert_eq!(numbered.iter().enumerate().map(bare).collect::<String>(), text);
        }
    }
}
