//! What a patient's reply asks of us, when it is one of the few words that bind a sender by law.
//!
//! Every language's words are heard from everybody: a patient's recorded language is not the one they type in.
//! Red flags ("chest pain") are looked for before this, and elsewhere.
//!
//! The bias: a plain STOP is always heard, whatever its language, case, accents, digits, emoji or politeness
//! (FCC 47 CFR 64.1200(a)(10): stop, quit, end, revoke, opt out, cancel, unsubscribe, and whatever a reasonable
//! person reads as such). A stop word among other words ("should I stop the white pill?") must not silence a
//! dose, nor be lost: it is [`Heard::PerhapsStop`] and a person reads it. START and HELP are heard only when
//! they stand alone; "yes" is no START, because it answers a reminder as well.

mod words;

use words::{FILLERS, HELP, START, STOP, STOP_ALONE};

/// What a reply asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Send nothing more.
    Stop,
    /// A stop word in a sentence that says more: sending goes on, and a person of the care team reads it.
    PerhapsStop,
    /// Send again.
    Start,
    /// Who are you?
    Help,
    /// A bare number of at most two digits, in whatever script.
    Number(u8),
    /// Anything else.
    Other,
}

/// Reads a reply.
pub fn hear(reply: &str) -> Heard {
    let words = fold(reply);
    let words: Vec<&str> = words.split_whitespace().collect();
    let spelled = words.concat();
    let plain = without_fillers(&words);
    if let [number] = words[..]
        && number.len() <= 2
        && let Ok(number) = number.parse()
    {
        return Heard::Number(number);
    }
    let asks = |lists: &[&[&str]]| {
        let listed = |text: &str| !text.is_empty() && lists.iter().any(|l| lists_it(l, text));
        listed(&words.join(" "))
            || listed(&plain.join(" "))
            || (words.iter().all(|word| word.chars().count() == 1) && listed(&spelled))
            || (!plain.is_empty() && plain.iter().all(|word| listed(word)))
    };
    if asks(&[STOP, STOP_ALONE]) {
        Heard::Stop
    } else if asks(&[START]) {
        Heard::Start
    } else if asks(&[HELP]) {
        Heard::Help
    } else if holds_stop(&words) {
        Heard::PerhapsStop
    } else {
        Heard::Other
    }
}

fn lists_it(list: &[&str], text: &str) -> bool {
    list.iter().any(|entry| fold(entry).trim() == text)
}

fn without_fillers<'a>(words: &[&'a str]) -> Vec<&'a str> {
    words.iter().copied().filter(|word| !lists_it(FILLERS, word)).collect()
}

/// Whether a stop word or phrase stands among the words.
fn holds_stop(words: &[&str]) -> bool {
    STOP.iter().any(|entry| {
        let entry = fold(entry);
        let entry: Vec<&str> = entry.split_whitespace().collect();
        words.windows(entry.len()).any(|window| window == entry)
    })
}

/// Lower case, no accents, vowel signs of Arabic, nuktas or invisible characters, ASCII digits and letters for
/// those of other widths and scripts, spaces for everything that is neither letter nor digit, runs of three or
/// more of one letter as one. Lists and replies go through the same folding, so they meet.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            '\u{1f6d1}' => folded.push_str(" stop "), // the stop sign says what it says
            '\'' | '\u{2019}' | '\u{640}' => {}
            c if is_invisible(c) => {}
            c => match plain(c) {
                c if c.is_alphanumeric() => folded.push(c),
                _ => folded.push(' '),
            },
        }
    }
    squeeze(&folded)
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'                       // combining accents
        | '\u{64b}'..='\u{65f}' | '\u{670}'         // Arabic vowel signs
        | '\u{93c}' | '\u{94d}'                     // Devanagari nukta and virama
        | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

fn plain(c: char) -> char {
    let digit = |zero: u32| char::from_u32(u32::from(b'0') + u32::from(c) - zero).unwrap_or(c);
    match c {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        'أ' | 'إ' | 'آ' | 'ٱ' => 'ا',
        'ى' | 'ی' => 'ي',
        'ک' => 'ك',
        'ة' => 'ه',
        '\u{958}'..='\u{95f}' => devanagari_without_nukta(c),
        '\u{660}'..='\u{669}' => digit(0x660),
        '\u{6f0}'..='\u{6f9}' => digit(0x6f0),
        '\u{966}'..='\u{96f}' => digit(0x966),
        // Full-width forms, one by one the ASCII characters.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    }
}

const fn devanagari_without_nukta(c: char) -> char {
    match c {
        '\u{958}' => 'क',
        '\u{959}' => 'ख',
        '\u{95a}' => 'ग',
        '\u{95b}' => 'ज',
        '\u{95c}' => 'ड',
        '\u{95d}' => 'ढ',
        '\u{95e}' => 'फ',
        _ => 'य',
    }
}

/// "stooop" as "stop"; doubled letters and digits stay.
fn squeeze(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    chars
        .chunk_by(|a, b| a == b)
        .flat_map(|run| {
            let is_stretched = run.len() > 2 && run[0].is_alphabetic();
            &run[..if is_stretched { 1 } else { run.len() }]
        })
        .collect()
}
