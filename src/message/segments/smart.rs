//! Characters that look plain but force sixteen bits, put into the plain forms they stand for.

use super::count;
use unicode_normalization::UnicodeNormalization;

/// The text as it costs least without a word of it changed.
///
/// Typographic quotes, dashes, spaces and full-width forms become plain ones, and letters with a separate accent
/// become one letter, where that brings the whole text into the seven-bit alphabet for no more parts; else only what
/// nobody sees is left out. Letters stay: an accent lost can change a word.
///
/// Wider than Twilio's Smart Encoding (<https://www.twilio.com/docs/messaging/services/smart-encoding-char-list>) in
/// what it knows, and more careful: that one writes 1½ as 11/2, cuts accents off and turns ‹a› round.
pub fn smart(text: &str) -> String {
    if super::forcing(text).is_empty() {
        return text.to_owned();
    }
    let plain = plain(text);
    if super::forcing(&plain).is_empty() && count(&plain).parts <= count(text).parts {
        return plain;
    }
    text.chars().filter(|c| !is_invisible(*c)).collect()
}

fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.nfc().filter(|c| !is_invisible(*c)) {
        match c {
            // U+FF01 to U+FF5E are ASCII, wider.
            '\u{ff01}'..='\u{ff5e}' => plain.extend(char::from_u32(u32::from(c) - 0xfee0)),
            '¼' | '½' | '¾' => push_fraction(&mut plain, c),
            _ => match stand_in(c) {
                Some(stand_in) => plain.push_str(stand_in),
                None => plain.push(c),
            },
        }
    }
    plain
}

/// A fraction after a digit keeps its distance: 1½ is not 11/2.
fn push_fraction(plain: &mut String, c: char) {
    if plain.ends_with(|before: char| before.is_numeric()) {
        plain.push(' ');
    }
    plain.push_str(match c {
        '¼' => "1/4",
        '½' => "1/2",
        _ => "3/4",
    });
}

/// What nobody sees, and no letter needs: joiners (U+200C, U+200D) shape letters, and stay.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

const fn stand_in(c: char) -> Option<&'static str> {
    Some(match c {
        '‘'
        | '’'
        | '‚'
        | '‛'
        | '‹'
        | '›'
        | '′'
        | '‵'
        | '`'
        | '´'
        | '\u{2b9}'
        | '\u{2bb}'..='\u{2bd}'
        | '\u{2c8}'
        | '\u{2ca}'
        | '\u{2cb}'
        | '❛'
        | '❜' => "'",
        '“' | '”' | '„' | '‟' | '«' | '»' | '″' | '‶' | '\u{2ba}' | '\u{2ee}' | '❝' | '❞'
        | '〝' | '〞' => "\"",
        '\u{2010}'..='\u{2015}' | '⁃' | '−' | '﹣' => "-",
        '•' | '‣' | '∙' | '▪' | '●' | '∗' | '⁎' | '﹡' => "*",
        '…' => "...",
        '‼' => "!!",
        '⁄' | '∕' | '⧸' => "/",
        '∣' => "|",
        '∼' | '˜' => "~",
        'ˆ' => "^",
        '。' | '｡' | '﹒' => ".",
        '、' | '､' | '﹐' => ",",
        '\t'
        | '\u{a0}'
        | '\u{1680}'
        | '\u{2000}'..='\u{200a}'
        | '\u{202f}'
        | '\u{205f}'
        | '\u{3000}' => " ",
        '\u{85}' | '\u{2028}' | '\u{2029}' => "\n",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typographic_characters_become_plain_where_that_saves() {
        for (text, expected) in [
            ("It’s 08:00 – “time”\u{a0}for…", "It's 08:00 - \"time\" for..."),
            ("« Bonjour »\u{202f}! ‹x› „y“", "\" Bonjour \" ! 'x' \"y\""),
            ("soft\u{ad}ly\u{200b}\u{feff}", "softly"),
            ("cafe\u{301} e\u{300} a\u{30a}", "café è å"),
            ("１２：３０　ｏｋ！", "12:30 ok!"),
            ("−5 to 5\u{2009}mg\u{2028}• a", "-5 to 5 mg\n* a"),
            ("plain [~] €", "plain [~] €"),
        ] {
            assert_eq!(smart(text), expected);
            assert!(super::super::forcing(&smart(text)).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_dose_is_never_changed() {
        for (text, expected) in [
            ("take 1½ tablets", "take 1 1/2 tablets"),
            ("take ½ or ¾", "take 1/2 or 3/4"),
            ("２½", "2 1/2"),
            // What has no plain form that is surely the same stays, and so does the text.
            ("5 µg – twice", "5 µg – twice"),
            ("x ≤ 10² – y", "x ≤ 10² – y"),
            ("2×1 “tablet”", "2×1 “tablet”"),
        ] {
            assert_eq!(smart(text), expected);
        }
    }

    #[test]
    fn a_text_that_needs_sixteen_bits_keeps_its_typography() {
        assert_eq!(smart("दवा – “समय”…"), "दवा – “समय”…");
        assert_eq!(smart("می\u{200c}خواهم\u{feff}"), "می\u{200c}خواهم");
        assert_eq!(smart("leçon – l’heure"), "leçon – l’heure");
        let ellipses = "…".repeat(70);
        assert_eq!(smart(&ellipses), ellipses, "one part must not become two");
    }
}
