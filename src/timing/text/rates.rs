//! Rates and counts: `3x/day`, `every 8h`, `BID`, `10 times`.

use super::draft::{Bare, Draft, Placed, Rate, put};
use super::fault::{FaultKind, TextFault};
use super::parse::Parser;
use super::tokens::Lexeme;
use super::words::{self, Unit};

/// Abbreviations of prescriptions: times, period. Source: ValueSet timing-abbreviation, and the British forms.
const ABBREVIATIONS: [(&[&str], u32, u32); 5] = [
    (&["qd", "od"], 1, 1),
    (&["bid", "bd"], 2, 1),
    (&["tid", "tds"], 3, 1),
    (&["qid", "qds"], 4, 1),
    (&["qod"], 1, 2),
];

const EVERY: &str =
    "write how often, such as `every 8h`, `every 2 days`, `every other day`, `every Mon`";
const PER: &str = "write a unit, such as `3x/day`, `3 times a week`, `once every 2 weeks`";
const UNIT: &str = "write `min` or `months`, such as `every 90 min`";

impl Parser<'_> {
    /// A rate or a count; whether there was one.
    pub(super) fn rate(&mut self, draft: &mut Draft) -> Result<bool, TextFault> {
        let (start, column) = (self.at, self.column());
        let abbreviation = ABBREVIATIONS.iter().find(|(words, ..)| words.contains(&self.word(0)));
        let (times, (period, unit)) = if let Some((_, times, period)) = abbreviation {
            self.at += 1;
            (Some(*times), (*period, Unit::Day))
        } else if let Some(rate) = words::adverb(self.word(0)) {
            self.at += 1;
            (None, rate)
        } else if self.eat_word(&["every", "each"]) {
            (None, self.period(EVERY)?)
        } else if self.word(0) == "q" && matches!(self.peek(1), Some(Lexeme::Number(_))) {
            self.at += 1;
            (Some(1), self.period(EVERY)?)
        } else if let Some(times) = self.how_many() {
            if self.eat_word(&["dose", "doses"]) || self.eats_in_all() {
                put(&mut draft.count, Placed { value: times, column })?;
                return Ok(true);
            }
            let Some(rate) = self.per()? else {
                let value = Bare { times, starts: start };
                put(&mut draft.bare, Placed { value, column })?;
                return Ok(true);
            };
            (Some(times), rate)
        } else if self.word(0) == "x" && matches!(self.peek(1), Some(Lexeme::Number(_))) {
            return self.times_sign(draft, column);
        } else {
            return Ok(false);
        };
        let value = Rate { times, period, unit, ends: self.at };
        put(&mut draft.rate, Placed { value, column })?;
        Ok(true)
    }

    /// `3x`, `3 times`, `twice`; the 3 alone before `/`, `per` or `doses`.
    fn how_many(&mut self) -> Option<u32> {
        if let Some(times) = ["once", "twice", "thrice"].iter().position(|w| *w == self.word(0)) {
            self.at += 1;
            return u32::try_from(times + 1).ok();
        }
        let Some(Lexeme::Number(number)) = self.peek(0) else { return None };
        let number = *number;
        let length = match (self.peek(1), self.word(1)) {
            (Some(Lexeme::Slash), _) | (_, "per" | "dose" | "doses") => 1,
            (_, "x" | "time" | "times") => 2,
            _ => return None,
        };
        self.at += length;
        Some(number)
    }

    fn eats_in_all(&mut self) -> bool {
        self.eat_words(&["in", "all"])
            || self.eat_words(&["in", "total"])
            || self.eat_words(&["altogether"])
    }

    /// `x10`, `x 7 days`, `x3/day`.
    fn times_sign(&mut self, draft: &mut Draft, column: usize) -> Result<bool, TextFault> {
        self.at += 1;
        let Some(number) = self.eat_number() else { return Ok(false) };
        if Unit::of(self.word(0)).is_some() {
            let unit = self.unit(PER)?;
            put(&mut draft.length, Placed { value: (number, unit), column })?;
        } else if let Some((period, unit)) = self.per()? {
            let value = Rate { times: Some(number), period, unit, ends: self.at };
            put(&mut draft.rate, Placed { value, column })?;
        } else {
            self.eats_in_all();
            put(&mut draft.count, Placed { value: number, column })?;
        }
        Ok(true)
    }

    /// `/day`, `a week`, `every 2 weeks`, `daily`; nothing is taken where there is none.
    fn per(&mut self) -> Result<Option<(u32, Unit)>, TextFault> {
        if self.eat(&Lexeme::Slash) || self.eat_word(&["per", "a", "an", "each", "every"]) {
            return self.period(PER).map(Some);
        }
        let rate = words::adverb(self.word(0));
        self.at += usize::from(rate.is_some());
        Ok(rate)
    }

    /// `8 h`, `other day`, `2nd week`, `day`.
    fn period(&mut self, expected: &'static str) -> Result<(u32, Unit), TextFault> {
        let number = match self.word(0) {
            "other" | "second" => Some(2),
            "third" => Some(3),
            _ => None,
        };
        if let Some(number) = number {
            self.at += 1;
            return Ok((number, self.unit(expected)?));
        }
        let number = self.eat_number();
        if number.is_some() && (self.peek(0) == Some(&Lexeme::Dash) || self.word(0) == "to") {
            let expected = "write one number, not a range, such as `every 6h`";
            return Err(self.fault(FaultKind::NotUnderstood, expected));
        }
        if number.is_some() {
            self.eat_word(&["st", "nd", "rd", "th"]);
        }
        Ok((number.unwrap_or(1), self.unit(expected)?))
    }

    /// A unit of time; a bare `m` is minutes or months, and refused.
    pub(super) fn unit(&mut self, expected: &'static str) -> Result<Unit, TextFault> {
        let Some(unit) = Unit::of(self.word(0)) else {
            return Err(match self.word(0) {
                "m" => self.fault(FaultKind::Ambiguous, UNIT),
                _ => self.fault(FaultKind::NotUnderstood, expected),
            });
        };
        self.at += 1;
        Ok(unit)
    }
}
