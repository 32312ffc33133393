//! Lists: clock times, events of the day, days of the week and of the month, dates.

use super::fault::{FaultKind, TextFault};
use super::parse::Parser;
use super::tokens::Lexeme;
use super::words::{self, EVENTS, Unit, WEEKDAYS, WEEKEND};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use std::collections::BTreeSet;

/// Codes of `when`, by their place in [`EVENTS`], and the minutes from them.
pub(super) struct Events {
    pub(super) codes: BTreeSet<usize>,
    pub(super) offset: Option<u32>,
}

/// One event and how it was said; a list goes on with the same preposition and offset.
struct Said {
    code: usize,
    /// What a noun after it, without a preposition, is taken to be.
    side: Side,
    offset: Option<u32>,
    column: usize,
}

/// Which side of an event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Nothing was said.
    Bare,
    Before,
    At,
    After,
}

/// What a noun names on each side of it.
struct Noun {
    before: &'static str,
    at: &'static str,
    after: &'static str,
    bare: &'static str,
}

fn noun(word: &str) -> Option<Noun> {
    let meal = |before, at, after| Some(Noun { before, at, after, bare: "" });
    let part = |at| Some(Noun { before: "", at, after: "", bare: at });
    match word {
        "breakfast" => meal("ACM", "CM", "PCM"),
        "lunch" => meal("ACD", "CD", "PCD"),
        "dinner" | "supper" => meal("ACV", "CV", "PCV"),
        "meal" | "meals" | "food" | "eating" => meal("AC", "C", "PC"),
        "bed" | "bedtime" | "sleep" => {
            Some(Noun { before: "HS", at: "HS", after: "PHS", bare: "HS" })
        }
        "wake" | "waking" | "rising" => {
            Some(Noun { before: "", at: "WAKE", after: "WAKE", bare: "WAKE" })
        }
        "noon" | "midday" => part("NOON"),
        "morning" | "mornings" => part("MORN"),
        "afternoon" | "afternoons" => part("AFT"),
        "evening" | "evenings" => part("EVE"),
        "night" | "nights" => part("NIGHT"),
        _ => None,
    }
}

/// Days of the month as bits from 1.
pub(super) type MonthDays = u32;

const EVENT: &str = "name a meal, `bedtime` or `waking`, such as `30 min before breakfast`, `with lunch`, `at bedtime`";
const OFFSET: &str = "give one offset for all events of a schedule, such as `30 min before breakfast; 1h after dinner`";
const SIDE: &str = "write `before`, `with` or `after` a meal, such as `with breakfast`; and `in the evening`, `at noon`";
const MONTH_DAY: &str =
    "write days of the month from 1 to 31, such as `on the 1st and 15th`, `on the last day`";

impl Parser<'_> {
    /// `30 min before breakfast and dinner`, `in the morning`, `ACM`.
    pub(super) fn events(&mut self) -> Result<Option<Events>, TextFault> {
        let start = Said { code: 0, side: Side::Bare, offset: None, column: 0 };
        let Some(first) = self.event(&start)? else { return Ok(None) };
        let offset = first.offset;
        let all = self.list(first, Parser::event)?;
        if let Some(other) = all.iter().find(|said| said.offset != offset) {
            return Err(FaultKind::Contradiction.at(other.column, OFFSET));
        }
        Ok(Some(Events { codes: all.iter().map(|said| said.code).collect(), offset }))
    }

    /// One event; nothing is taken where there is none.
    fn event(&mut self, latest: &Said) -> Result<Option<Said>, TextFault> {
        let (back, column) = (self.at, self.column());
        let offset = self.offset()?;
        let (side, goes_on) = match self.word(0) {
            "before" => (Side::Before, Side::Before),
            "after" => (Side::After, Side::After),
            "with" | "at" => (Side::At, Side::At),
            "in" | "on" | "upon" | "during" | "every" | "each" => (Side::At, Side::Bare),
            _ => (Side::Bare, latest.side),
        };
        self.at += usize::from(side != Side::Bare);
        let mut part = self.part_of_day();
        self.eat_word(&["in"]);
        self.eat_word(&["the", "every", "each"]);
        part = part.or_else(|| self.part_of_day());
        let word = self.word(0).to_owned();
        if word == "midnight" {
            let expected = "write `00:00` or `23:59`, for midnight is the end of one day and the start of another";
            return Err(self.fault(FaultKind::Ambiguous, expected));
        }
        let Some(noun) = noun(&word) else {
            let code = words::code(&word).filter(|_| side == Side::Bare && part.is_none());
            if matches!(side, Side::Before | Side::After) {
                return Err(self.fault(FaultKind::NotUnderstood, EVENT));
            }
            self.at = if code.is_some() { self.at + 1 } else { back };
            return Ok(code.map(|code| Said { code, side: Side::Bare, offset: None, column }));
        };
        let name = match if side == Side::Bare { latest.side } else { side } {
            Side::Before => noun.before,
            Side::After => noun.after,
            Side::At => noun.at,
            Side::Bare => noun.bare,
        };
        let name = part.map_or_else(|| name.to_owned(), |part| format!("{name}{part}"));
        let Some(code) = EVENTS.iter().position(|event| event.code == name) else {
            let kind = match side {
                Side::Bare => FaultKind::Ambiguous,
                _ => FaultKind::NotUnderstood,
            };
            return Err(self.fault(kind, SIDE));
        };
        self.at += 1;
        let offset = if side == Side::Bare { latest.offset } else { offset };
        Ok(Some(Said { code, side: goes_on, offset, column }))
    }

    /// `30 min` or `1 h` with `before` or `after` behind it, in minutes.
    fn offset(&mut self) -> Result<Option<u32>, TextFault> {
        let Some(Lexeme::Number(number)) = self.peek(0) else { return Ok(None) };
        let number = *number;
        if !matches!(self.word(2), "before" | "after") {
            return Ok(None);
        }
        let minutes = match Unit::of(self.word(1)) {
            Some(Unit::Minute) => number,
            Some(Unit::Hour) => number.saturating_mul(60),
            _ => 0,
        };
        if !(1..=24 * 60).contains(&minutes) {
            let expected = "write an offset of at most a day in `min` or `h`, such as `30 min before breakfast`";
            self.at += 1;
            return Err(self.fault(FaultKind::OutOfRange, expected));
        }
        self.at += 2;
        Ok(Some(minutes))
    }

    fn part_of_day(&mut self) -> Option<&'static str> {
        let part = match self.word(0) {
            "early" => ".early",
            "late" => ".late",
            _ => return None,
        };
        self.at += 1;
        Some(part)
    }

    /// `08:00, 20:00`, `at 8am and 8:30 pm`.
    pub(super) fn times(&mut self) -> Result<Option<BTreeSet<NaiveTime>>, TextFault> {
        let Some(first) = self.time_at()? else { return Ok(None) };
        Ok(Some(self.list(first, |parser, _| parser.time_at())?.into_iter().collect()))
    }

    /// A clock time, `at` before it or not; nothing is taken where there is none.
    pub(super) fn time_at(&mut self) -> Result<Option<NaiveTime>, TextFault> {
        let back = self.at;
        self.eat_word(&["at"]);
        let time = self.time()?;
        if time.is_none() {
            self.at = back;
        }
        Ok(time)
    }

    fn time(&mut self) -> Result<Option<NaiveTime>, TextFault> {
        let half = |word: &str| ["am", "pm"].iter().position(|half| *half == word);
        let (hour, minute, second) = match self.peek(0) {
            Some(Lexeme::Clock(hour, minute, second)) => (*hour, *minute, *second),
            Some(Lexeme::Number(hour)) if half(self.word(1)).is_some() => (*hour, 0, 0),
            _ => return Ok(None),
        };
        let hour = match half(self.word(1)) {
            Some(_) if (hour, minute, second) == (12, 0, 0) => {
                let expected = "write `00:00` for midnight or `12:00` for noon";
                return Err(self.fault(FaultKind::Ambiguous, expected));
            }
            Some(half) if (1..=12).contains(&hour) => {
                self.at += 1;
                hour % 12 + if half == 1 { 12 } else { 0 }
            }
            Some(_) => 24,
            None => hour,
        };
        let time = NaiveTime::from_hms_opt(hour, minute, second);
        let expected = "write hours from 1 to 12 with `am` or `pm`, such as `8:30 pm` or `20:30`";
        let time = time.ok_or_else(|| self.fault(FaultKind::OutOfRange, expected))?;
        self.at += 1;
        Ok(Some(time))
    }

    /// `Mon Wed Fri`, `Mon-Fri`, `on weekdays`, as bits from Monday.
    pub(super) fn days(&mut self) -> Result<Option<u8>, TextFault> {
        let Some(first) = self.days_item() else { return Ok(None) };
        let all = self.list(first, |parser, _| {
            parser.eat(&Lexeme::Slash);
            Ok(parser.days_item())
        })?;
        Ok(Some(all.into_iter().fold(0, |mask, days| mask | days)))
    }

    fn days_item(&mut self) -> Option<u8> {
        let back = self.at;
        self.eat_word(&["on", "every", "each"]);
        self.eat_word(&["the"]);
        let named = words::day(self.word(0));
        let mask = match self.word(0) {
            "weekday" | "weekdays" => Some(WEEKDAYS),
            "weekend" | "weekends" => Some(WEEKEND),
            _ => named.map(|day| 1 << day),
        };
        let Some(mask) = mask else {
            self.at = back;
            return None;
        };
        self.at += 1;
        let to = self.peek(0) == Some(&Lexeme::Dash) || matches!(self.word(0), "to" | "through");
        let (Some(first), Some(last)) = (named, words::day(self.word(1)).filter(|_| to)) else {
            return Some(mask);
        };
        self.at += 2;
        let days = (last + 7 - first) % 7;
        Some((0..=days).fold(0, |mask, step| mask | 1 << ((first + step) % 7)))
    }

    /// `on the 1st and 15th`, `on 31`, `on the last day of the month`.
    pub(super) fn month_days(&mut self) -> Result<Option<MonthDays>, TextFault> {
        let back = self.at;
        let on = self.eat_word(&["on"]);
        self.eat_word(&["the"]);
        let plain = if on { Plain::Day } else { Plain::Something };
        let Some(first) = self.month_day(plain)? else {
            self.at = back;
            return Ok(None);
        };
        let all = self.list(first, |parser, _| {
            parser.eat_words(&["on"]);
            parser.eat_word(&["the"]);
            parser.month_day(plain)
        })?;
        if self.word(0) == "of" {
            self.at += 1;
            self.eat_word(&["the", "each", "every"]);
            if !self.eat_word(&["month"]) {
                return Err(self.fault(FaultKind::NotUnderstood, MONTH_DAY));
            }
        }
        Ok(Some(all.into_iter().fold(0, |mask, day| mask | 1 << day)))
    }

    fn month_day(&mut self, plain: Plain) -> Result<Option<u32>, TextFault> {
        if self.eat_words(&["last", "day"]) {
            return Ok(Some(31));
        }
        let Some(Lexeme::Number(day)) = self.peek(0) else { return Ok(None) };
        let day = *day;
        let ordinal = matches!(self.word(1), "st" | "nd" | "rd" | "th");
        let counts = match (self.peek(1), self.word(1)) {
            (Some(Lexeme::Slash | Lexeme::Dash | Lexeme::Colon | Lexeme::Number(_)), _)
            | (_, "x" | "time" | "times" | "dose" | "doses" | "per" | "m" | "am" | "pm") => true,
            (_, word) => Unit::of(word).is_some(),
        };
        if !ordinal && (counts || plain == Plain::Something) {
            return Ok(None);
        }
        if day > 31 {
            return Err(self.fault(FaultKind::OutOfRange, MONTH_DAY));
        }
        self.at += if ordinal { 2 } else { 1 };
        if ordinal && words::day(self.word(0)).is_some() {
            return Err(self.fault(FaultKind::NotUnderstood, MONTH_DAY));
        }
        Ok(Some(day))
    }

    /// `2026-03-01 09:00, 2026-04-01 09:00`, each as FHIR writes it.
    pub(super) fn dates(&mut self) -> Result<Option<BTreeSet<String>>, TextFault> {
        let back = self.at;
        self.eat_word(&["on"]);
        let Some(first) = self.date_item()? else {
            self.at = back;
            return Ok(None);
        };
        let timed = first.1;
        let all = self.list(first, |parser, _| {
            let column = parser.column();
            let next = parser.date_item()?;
            if next.as_ref().is_some_and(|next| next.1 != timed) {
                let expected = "give every date its time or none, such as `2026-03-01 09:00, 2026-04-01 09:00`";
                return Err(FaultKind::Ambiguous.at(column, expected));
            }
            Ok(next)
        })?;
        Ok(Some(all.into_iter().map(|(date, _)| date).collect()))
    }

    fn date_item(&mut self) -> Result<Option<(String, Precision)>, TextFault> {
        let (date, time) = match self.peek(0) {
            Some(Lexeme::Date(date)) => (*date, None),
            Some(Lexeme::DateTime(at)) => (at.date(), Some(at.time())),
            _ => return Ok(None),
        };
        self.at += 1;
        let time = if time.is_none() { self.time_at()? } else { time };
        Ok(Some(match time {
            Some(time) => (written_time(date.and_time(time)), Precision::Time),
            None => (written_day(date), Precision::Day),
        }))
    }
}

/// What a number that is no ordinal means after these words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plain {
    Day,
    Something,
}

/// How far a date goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Precision {
    Day,
    Time,
}

/// A date as FHIR writes it.
pub(super) fn written_day(date: NaiveDate) -> String {
    date.format("%Y-%m-%d").to_string()
}

/// A date-time as FHIR writes it, by the patient's clock.
pub(super) fn written_time(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%dT%H:%M:%S").to_string()
}
