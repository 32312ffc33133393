//! From tokens to dosages: schedules, and the phrases of each.

use super::draft::{Draft, Placed, put};
use super::fault::{FaultKind, TextFault};
use super::tokens::{Lexeme, Token, tokens};
use super::{MAX_SCHEDULES, words};
use crate::care::Dosage;

/// Reads a text of schedules ([the grammar](super)) into FHIR's model; linear in its length.
///
/// # Errors
/// With the first place that cannot be read one way only, and what to write there.
pub fn parse(text: &str) -> Result<Vec<Dosage>, TextFault> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, end: text.trim_end().chars().count() + 1 };
    let mut drafts = Vec::new();
    let mut joint = Joint::None;
    loop {
        if drafts.len() == MAX_SCHEDULES {
            let expected = "write at most 64 schedules, such as `08:00; at bedtime`";
            return Err(FaultKind::TooLong.at(parser.column(), expected));
        }
        drafts.push(parser.schedule()?);
        if parser.peek(0).is_none() {
            break;
        }
        let between = parser.at;
        parser.eat(&Lexeme::Semicolon);
        let found = if parser.eat_word(&["then"]) { Joint::Then } else { Joint::SideBySide };
        if joint != Joint::None && joint != found {
            parser.at = between;
            return Err(parser.fault(FaultKind::Ambiguous, NUMBERED));
        }
        joint = found;
    }
    if joint == Joint::Then {
        number(&mut drafts)?;
    }
    let columns: Vec<usize> = drafts.iter().map(|draft| draft.column).collect();
    let dosages: Vec<Dosage> = drafts.into_iter().map(Draft::finish).collect::<Result<_, _>>()?;
    check_steps(&dosages, &columns)?;
    Ok(dosages)
}

/// What stands between two schedules.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joint {
    None,
    SideBySide,
    Then,
}

const NUMBERED: &str = "number the steps instead, such as `step 1: 08:00 for 7 days; step 1: 20:00 for 7 days; step 2: 09:00`";

/// Gives schedules that follow one another their numbers.
fn number(drafts: &mut [Draft]) -> Result<(), TextFault> {
    for (number, draft) in (1..).zip(drafts) {
        if draft.step.replace(number).is_some() {
            return Err(FaultKind::Ambiguous.at(draft.column, NUMBERED));
        }
    }
    Ok(())
}

/// Every step before the last must end.
fn check_steps(dosages: &[Dosage], columns: &[usize]) -> Result<(), TextFault> {
    let last = dosages.iter().filter_map(|dosage| dosage.sequence).max();
    let ends = |dosage: &Dosage| {
        let repeat = dosage.timing.as_ref().and_then(|timing| timing.repeat.as_ref());
        repeat.is_some_and(|repeat| {
            let until = repeat.bounds_period.as_ref().is_some_and(|period| period.end.is_some());
            until || repeat.bounds_duration.is_some() || repeat.count.is_some()
        })
    };
    let is_open =
        |dosage: &Dosage| dosage.sequence.is_some() && dosage.sequence < last && !ends(dosage);
    let open = dosages.iter().zip(columns).find(|(dosage, _)| is_open(dosage));
    open.map_or(Ok(()), |(_, column)| {
        let expected =
            "say when a step before the last one ends, such as `2x/day for 7 days, then 1x/day`";
        Err(FaultKind::Incomplete.at(*column, expected))
    })
}

/// A place in the tokens.
pub(super) struct Parser<'t> {
    pub(super) tokens: &'t [Token],
    pub(super) at: usize,
    /// The column after the text.
    pub(super) end: usize,
}

impl Parser<'_> {
    pub(super) fn peek(&self, ahead: usize) -> Option<&Lexeme> {
        self.tokens.get(self.at + ahead).map(|token| &token.lexeme)
    }

    /// The word so many tokens ahead; empty where there is none.
    pub(super) fn word(&self, ahead: usize) -> &str {
        match self.peek(ahead) {
            Some(Lexeme::Word(word)) => word,
            _ => "",
        }
    }

    pub(super) fn column(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |token| token.column)
    }

    pub(super) fn eat(&mut self, lexeme: &Lexeme) -> bool {
        let there = self.peek(0) == Some(lexeme);
        self.at += usize::from(there);
        there
    }

    /// Goes past one of these words.
    pub(super) fn eat_word(&mut self, words: &[&str]) -> bool {
        let there = words.contains(&self.word(0));
        self.at += usize::from(there);
        there
    }

    /// Goes past these words, all in this order or none.
    pub(super) fn eat_words(&mut self, words: &[&str]) -> bool {
        let there = words.iter().enumerate().all(|(ahead, word)| self.word(ahead) == *word);
        self.at += if there { words.len() } else { 0 };
        there
    }

    pub(super) fn eat_number(&mut self) -> Option<u32> {
        let Some(Lexeme::Number(number)) = self.peek(0) else { return None };
        let number = *number;
        self.at += 1;
        Some(number)
    }

    /// Goes past what may stand between two items of a list.
    pub(super) fn eat_separator(&mut self) {
        self.eat(&Lexeme::Comma);
        self.eat_word(&["and"]);
    }

    /// A fault at this place; at the end of the text it is always incomplete.
    pub(super) fn fault(&self, kind: FaultKind, expected: &'static str) -> TextFault {
        match self.tokens.get(self.at) {
            Some(token) => {
                TextFault { word: token.shown.clone(), ..kind.at(token.column, expected) }
            }
            None => FaultKind::Incomplete.at(self.end, expected),
        }
    }

    /// The items of a list: `first`, and as many more as `next` takes after a separator. What `next` leaves is
    /// left with its separator.
    pub(super) fn list<T>(
        &mut self,
        first: T,
        mut next: impl FnMut(&mut Self, &T) -> Result<Option<T>, TextFault>,
    ) -> Result<Vec<T>, TextFault> {
        let mut items = Vec::new();
        let mut latest = first;
        loop {
            let back = self.at;
            self.eat_separator();
            let Some(item) = next(self, &latest)? else {
                self.at = back;
                items.push(latest);
                return Ok(items);
            };
            items.push(std::mem::replace(&mut latest, item));
        }
    }

    fn schedule(&mut self) -> Result<Draft, TextFault> {
        let mut draft = Draft { column: self.column(), ..Draft::default() };
        if self.eat_word(&["step"]) {
            let expected = "number a step, such as `step 1: 08:00 for 7 days; step 2: 20:00`";
            let number = self.eat_number();
            draft.step =
                Some(number.ok_or_else(|| self.fault(FaultKind::NotUnderstood, expected))?);
            if !self.eat(&Lexeme::Colon) {
                return Err(self.fault(FaultKind::NotUnderstood, expected));
            }
        }
        self.phrase(&mut draft)?;
        loop {
            let comma = self.eat(&Lexeme::Comma);
            match self.peek(0) {
                Some(Lexeme::Word(word)) if word == "then" => return Ok(draft),
                Some(Lexeme::Semicolon) | None if !comma => return Ok(draft),
                _ => self.phrase(&mut draft)?,
            }
        }
    }

    fn phrase(&mut self, draft: &mut Draft) -> Result<(), TextFault> {
        let column = self.column();
        if let Some(events) = self.events()? {
            return put(&mut draft.events, Placed { value: events, column });
        }
        if let Some(times) = self.times()? {
            return put(&mut draft.times, Placed { value: times, column });
        }
        if let Some(days) = self.days()? {
            return put(&mut draft.days, Placed { value: days, column });
        }
        if let Some(dates) = self.dates()? {
            return put(&mut draft.dates, Placed { value: dates, column });
        }
        if let Some(days) = self.month_days()? {
            return put(&mut draft.month_days, Placed { value: days, column });
        }
        if self.rate(draft)? || self.limit(draft)? {
            return Ok(());
        }
        Err(self.not_a_phrase())
    }

    /// Why no phrase begins here.
    fn not_a_phrase(&mut self) -> TextFault {
        if matches!(self.word(0), "at" | "on") && matches!(self.peek(1), Some(Lexeme::Number(_))) {
            self.at += 1;
        }
        let (kind, expected) = match (self.peek(0), self.word(0)) {
            (Some(Lexeme::Number(_)), _) => self.bare_number(),
            (_, "mo") => (FaultKind::Ambiguous, "write `Mon` for Monday, or `monthly`"),
            (_, "biweekly" | "bimonthly" | "semiweekly" | "biannually") => (
                FaultKind::Ambiguous,
                "write the number, such as `every 2 weeks` or `twice a week`",
            ),
            (_, "and" | "or") => (
                FaultKind::Ambiguous,
                "join times, days or events of one kind, such as `Mon and Wed 09:00`; put other schedules after `;`",
            ),
            (_, "with" | "before" | "after" | "during" | "at" | "on" | "in") => (
                FaultKind::NotUnderstood,
                "write a time, a day or an event after it, such as `at 08:00`, `on Mon`, `before breakfast`",
            ),
            _ => (
                FaultKind::NotUnderstood,
                "write when, such as `08:00, 20:00`, `every 8h`, `Mon Wed 09:00`, `with meals`, `for 14 days`",
            ),
        };
        self.fault(kind, expected)
    }

    /// What a number could have meant.
    fn bare_number(&self) -> (FaultKind, &'static str) {
        match (self.peek(1), self.word(1)) {
            (Some(Lexeme::Dash), _) | (_, "to") => {
                (FaultKind::NotUnderstood, "write one number, not a range, such as `every 6h`")
            }
            (_, "m") => (FaultKind::Ambiguous, "write `min` or `months`, such as `every 90 min`"),
            (_, word) if words::Unit::of(word).is_some() => (
                FaultKind::Ambiguous,
                "write what the length is, such as `every 8h`, `for 14 days`, `30 min before breakfast`",
            ),
            _ => (
                FaultKind::Ambiguous,
                "write what the number is, such as `8:00`, `8am`, `8x/day`, `8 times in all`, `on the 8th`",
            ),
        }
    }
}
