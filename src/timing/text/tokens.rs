//! From characters to tokens, each with its place.

use super::MAX_CHARACTERS;
use super::fault::{FaultKind, TextFault, shown};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// One piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lexeme {
    Number(u32),
    /// In lower case, dots left out.
    Word(String),
    /// Hour, minute, second as written; `pm` may follow.
    Clock(u32, u32, u32),
    Date(NaiveDate),
    DateTime(NaiveDateTime),
    Comma,
    Semicolon,
    Colon,
    Slash,
    Dash,
}

/// A piece and where it begins, in characters from 1.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) lexeme: Lexeme,
    pub(super) column: usize,
    /// What a fault may repeat of it.
    pub(super) shown: Option<String>,
}

const NUMBER: &str = "write whole numbers from 1 to 9999, such as `every 90 min`";
const TIME: &str = "write times from 00:00 to 23:59, such as `08:30` or `8:30 pm`";
const DATE: &str = "write dates of the calendar, such as `2026-03-01` or `2026-03-01T09:00`";
const CHARACTER: &str =
    "write words, numbers, times and dates, such as `Mon Wed 09:00 for 14 days`";

/// Numbers that are words.
const NUMBERS: [&str; 12] = [
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
];

/// Splits a text.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, TextFault> {
    let characters: Vec<char> = text.chars().take(MAX_CHARACTERS + 1).collect();
    if characters.len() > MAX_CHARACTERS {
        let expected = "write at most 1,000 characters, such as `08:00, 20:00`";
        return Err(FaultKind::TooLong.at(MAX_CHARACTERS + 1, expected));
    }
    let mut reader = Reader { characters: &characters, at: 0 };
    let mut tokens = Vec::new();
    while let Some(next) = reader.peek(0) {
        let from = reader.at;
        let lexeme = match next {
            c if c.is_whitespace() => {
                reader.at += 1;
                continue;
            }
            '.' if reader.rest().iter().all(|c| *c == '.' || c.is_whitespace()) => break,
            '0'..='9' => reader.digits()?,
            c if c.is_ascii_alphabetic() => reader.word(),
            c => {
                reader.at += 1;
                match c {
                    ',' => Lexeme::Comma,
                    ';' => Lexeme::Semicolon,
                    ':' => Lexeme::Colon,
                    '/' => Lexeme::Slash,
                    '-' | '\u{2013}' | '\u{2014}' | '\u{2212}' => Lexeme::Dash,
                    '\u{d7}' => Lexeme::Word("x".to_owned()),
                    '&' | '+' => Lexeme::Word("and".to_owned()),
                    _ => return Err(FaultKind::NotUnderstood.at(from + 1, CHARACTER)),
                }
            }
        };
        let written: String = characters[from..reader.at].iter().collect();
        tokens.push(Token { lexeme, column: from + 1, shown: shown(&written) });
    }
    Ok(tokens)
}

struct Reader<'t> {
    characters: &'t [char],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &[char] {
        self.characters.get(self.at..).unwrap_or_default()
    }

    fn is_digit(&self, ahead: usize) -> bool {
        self.peek(ahead).is_some_and(|c| c.is_ascii_digit())
    }

    fn fault(&self, kind: FaultKind, from: usize, expected: &'static str) -> TextFault {
        let written: String = self.characters[from..self.at].iter().collect();
        TextFault { word: shown(&written), ..kind.at(from + 1, expected) }
    }

    /// A word; the dots of `b.i.d.` and `MORN.early` are left out.
    fn word(&mut self) -> Lexeme {
        let mut word = String::new();
        while let Some(c) = self.peek(0).filter(|c| c.is_ascii_alphabetic() || *c == '.') {
            if c != '.' {
                word.push(c.to_ascii_lowercase());
            }
            self.at += 1;
        }
        match (1..).zip(NUMBERS).find(|(_, name)| *name == word) {
            Some((number, _)) => Lexeme::Number(number),
            None => Lexeme::Word(word),
        }
    }

    /// Digits until something else; their value, saturating.
    fn number(&mut self) -> u32 {
        let mut value: u32 = 0;
        while let Some(digit) = self.peek(0).and_then(|c| c.to_digit(10)) {
            value = value.saturating_mul(10).saturating_add(digit);
            self.at += 1;
        }
        value
    }

    /// A date, a time or a number.
    fn digits(&mut self) -> Result<Lexeme, TextFault> {
        let from = self.at;
        let dash = |at: usize| self.peek(at) == Some('-');
        let two = |at: usize| self.is_digit(at) && self.is_digit(at + 1);
        if two(0) && two(2) && dash(4) && two(5) && dash(7) && two(8) && !self.is_digit(10) {
            return self.date();
        }
        let number = self.number();
        let length = self.at - from;
        if self.peek(0) == Some(':') && self.is_digit(1) {
            return self.clock(from, number, length);
        }
        if self.peek(0) == Some('.') && self.is_digit(1) {
            return Err(self.fault(FaultKind::OutOfRange, from, NUMBER));
        }
        match number {
            1..=9_999 => Ok(Lexeme::Number(number)),
            _ => Err(self.fault(FaultKind::OutOfRange, from, NUMBER)),
        }
    }

    /// The rest of a time whose hour is read.
    fn clock(&mut self, from: usize, hour: u32, hour_digits: usize) -> Result<Lexeme, TextFault> {
        let mut parts = [0; 2];
        let mut fits = hour_digits <= 2;
        for (index, part) in parts.iter_mut().enumerate() {
            if self.peek(0) == Some(':') && self.is_digit(1) {
                self.at += 1;
                let start = self.at;
                *part = self.number();
                fits &= self.at == start + 2;
            } else {
                fits &= index > 0;
            }
        }
        let [minute, second] = parts;
        match NaiveTime::from_hms_opt(hour, minute, second) {
            Some(_) if fits => Ok(Lexeme::Clock(hour, minute, second)),
            _ => Err(self.fault(FaultKind::OutOfRange, from, TIME)),
        }
    }

    /// `YYYY-MM-DD`, and a time after a `T`.
    fn date(&mut self) -> Result<Lexeme, TextFault> {
        let from = self.at;
        let mut parts = [0; 3];
        for part in &mut parts {
            *part = self.number();
            self.at += 1;
        }
        self.at -= 1;
        let [year, month, day] = parts;
        let date = i32::try_from(year)
            .ok()
            .filter(|year| *year > 0)
            .and_then(|year| NaiveDate::from_ymd_opt(year, month, day))
            .ok_or_else(|| self.fault(FaultKind::OutOfRange, from, DATE))?;
        if !matches!(self.peek(0), Some('T' | 't')) || !self.is_digit(1) {
            return Ok(Lexeme::Date(date));
        }
        self.at += 1;
        let clock = self.at;
        let Lexeme::Clock(hour, minute, second) = self.digits()? else {
            return Err(self.fault(FaultKind::NotUnderstood, clock, DATE));
        };
        let zoned = match self.peek(0) {
            Some('Z' | 'z') => true,
            Some('+' | '-') => self.is_digit(1),
            _ => false,
        };
        let time = NaiveTime::from_hms_opt(hour, minute, second).filter(|_| !zoned);
        time.map(|time| Lexeme::DateTime(date.and_time(time))).ok_or_else(|| {
            let expected =
                "leave the offset out, times are by the patient's clock: `2026-01-05T10:00`";
            FaultKind::NotUnderstood.at(self.at + 1, expected)
        })
    }
}
