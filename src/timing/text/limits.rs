//! Limits and conditions: `for 14 days`, `from 2026-01-05`, `as needed`, `21 days on 7 days off`.

use super::draft::{Draft, Moment, MonthEnd, Placed, put};
use super::fault::{FaultKind, TextFault};
use super::parse::Parser;
use super::tokens::Lexeme;
use super::words::Unit;

const LENGTH: &str =
    "write a number and a unit, such as `for 14 days`, `for 2 weeks`, `for 12 hours`";
const DATE: &str = "write a date or a date and time, such as `from 2026-01-05`, `until 2026-03-01`, `from 2026-01-05T10:00`";
const CYCLE: &str = "write both lengths in days or weeks, such as `21 days on 7 days off`";
const APART: &str = "write a length in hours or minutes, such as `at least 4h apart`";
const SKIP: &str = "write `or skip` or `or the last day`, such as `monthly on 31 or skip`";

impl Parser<'_> {
    /// A limit or a condition; whether there was one.
    pub(super) fn limit(&mut self, draft: &mut Draft) -> Result<bool, TextFault> {
        let column = self.column();
        if self.eat_word(&["for"]) {
            self.length(draft, column)?;
        } else if self.eat_word(&["from", "starting"]) {
            self.eat_word(&["on"]);
            let value = self.moment()?;
            put(&mut draft.from, Placed { value, column })?;
        } else if self.eat_word(&["until", "till", "through"]) {
            let value = self.moment()?;
            put(&mut draft.until, Placed { value, column })?;
        } else if self.eats_as_needed() {
            put(&mut draft.as_needed, Placed { value: (), column })?;
        } else if self.eat_words(&["while", "awake"]) {
            put(&mut draft.awake, Placed { value: (), column })?;
        } else if self.eat_words(&["at", "least"]) {
            let value = self.apart()?;
            put(&mut draft.spacing, Placed { value, column })?;
        } else if self.is_cycle() {
            let value = self.cycle()?;
            put(&mut draft.cycle, Placed { value, column })?;
        } else if let Some(value) = self.month_end()? {
            put(&mut draft.month_end, Placed { value, column })?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn length(&mut self, draft: &mut Draft, column: usize) -> Result<(), TextFault> {
        let number = if self.eat_word(&["a", "an"]) { Some(1) } else { self.eat_number() };
        let value = number.ok_or_else(|| self.fault(FaultKind::NotUnderstood, LENGTH))?;
        if self.eat_word(&["dose", "doses", "times"]) {
            return put(&mut draft.count, Placed { value, column });
        }
        let unit = self.unit(LENGTH)?;
        put(&mut draft.length, Placed { value: (value, unit), column })
    }

    /// A date or date-time that no clock time follows: whose would it be?
    fn moment(&mut self) -> Result<Moment, TextFault> {
        let moment = match self.peek(0) {
            Some(Lexeme::Date(date)) => Moment::Day(*date),
            Some(Lexeme::DateTime(at)) => Moment::Time(*at),
            _ => return Err(self.fault(FaultKind::NotUnderstood, DATE)),
        };
        self.at += 1;
        let time = self.at;
        if self.time_at()?.is_some() {
            self.at = time;
            let expected = "write `from 2026-01-05T10:00` for a start at that time, or daily times first: `10:00 from 2026-01-05`";
            return Err(self.fault(FaultKind::Ambiguous, expected));
        }
        Ok(moment)
    }

    fn eats_as_needed(&mut self) -> bool {
        let needed = matches!(self.word(0), "as" | "if" | "when")
            && matches!(self.word(1), "needed" | "required");
        self.at += if needed { 2 } else { 0 };
        needed || self.eat_word(&["prn"])
    }

    /// The minutes of `4h apart`.
    fn apart(&mut self) -> Result<u32, TextFault> {
        let number = self.eat_number();
        let number = number.ok_or_else(|| self.fault(FaultKind::NotUnderstood, APART))?;
        let back = self.at;
        let minutes = match self.unit(APART)? {
            Unit::Minute => number,
            Unit::Hour => number.saturating_mul(60),
            _ => {
                self.at = back;
                return Err(self.fault(FaultKind::OutOfRange, APART));
            }
        };
        if !self.eat_word(&["apart"]) {
            return Err(self.fault(FaultKind::NotUnderstood, APART));
        }
        Ok(minutes)
    }

    fn is_cycle(&self) -> bool {
        let after = if Unit::of(self.word(1)).is_some() { 2 } else { 1 };
        matches!(self.peek(0), Some(Lexeme::Number(_))) && self.word(after) == "on"
    }

    /// `21 days on, 7 days off`, in days. The first length is in days unless it says weeks, the second like the
    /// first.
    fn cycle(&mut self) -> Result<(u32, u32), TextFault> {
        let (on, unit) = self.cycle_days("on", Unit::Day)?;
        if !self.eat(&Lexeme::Slash) {
            self.eat_separator();
        }
        Ok((on, self.cycle_days("off", unit)?.0))
    }

    fn cycle_days(&mut self, end: &str, usual: Unit) -> Result<(u32, Unit), TextFault> {
        let number = self.eat_number();
        let number = number.ok_or_else(|| self.fault(FaultKind::NotUnderstood, CYCLE))?;
        let said = Unit::of(self.word(0));
        let unit = said.unwrap_or(usual);
        let days = match unit {
            Unit::Day => number,
            Unit::Week => number.saturating_mul(7),
            _ => return Err(self.fault(FaultKind::NotUnderstood, CYCLE)),
        };
        self.at += usize::from(said.is_some());
        if !self.eat_words(&[end]) {
            return Err(self.fault(FaultKind::NotUnderstood, CYCLE));
        }
        Ok((days, unit))
    }

    fn month_end(&mut self) -> Result<Option<MonthEnd>, TextFault> {
        if self.eat_words(&["skipping", "short", "months"]) || self.eat_words(&["or", "skip"]) {
            return Ok(Some(MonthEnd::Skip));
        }
        if self.word(0) != "or" || !matches!(self.word(1), "the" | "last") {
            return Ok(None);
        }
        self.at += 1;
        self.eat_word(&["the"]);
        if !self.eat_words(&["last", "day"]) {
            return Err(self.fault(FaultKind::NotUnderstood, SKIP));
        }
        Ok(Some(MonthEnd::Clamp))
    }
}
