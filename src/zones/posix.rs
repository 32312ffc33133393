//! The POSIX rule in a TZif footer (POSIX.1 section 8.3 `TZ`, with RFC 9636 section 3.3.1's wider hours),
//! for example `CET-1CEST,M3.5.0,M10.5.0/3`.

use crate::care::zone::Segment;
use chrono::{Datelike, NaiveDate};

/// Rules are not applied to years before this one: footers speak of today's law.
pub(super) const FIRST_YEAR: i32 = 1970;

/// What a footer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    standard_seconds: i32,
    daylight: Option<Daylight>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Daylight {
    offset_seconds: i32,
    begins: Change,
    ends: Change,
}

/// A day of each year and a wall-clock time on it (which may lie on other days: -167 to 167 hours).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    day: Day,
    time_seconds: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// `Jn`: 1 to 365, 29 February never counted.
    Julian(u32),
    /// `n`: 0 to 365, 29 February counted.
    Ordinal(u32),
    /// `Mm.w.d`: the w-th (5: last) weekday d (0: Sunday) of month m.
    Weekday { month: u32, week: u32, weekday: u32 },
}

impl Rule {
    /// Reads a rule; `None` when it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut input = Input(text);
        input.name()?;
        let standard_seconds = -input.clock()?;
        if input.0.is_empty() {
            return Some(Self { standard_seconds, daylight: None });
        }
        input.name()?;
        let offset_seconds = match input.0.as_bytes().first()? {
            b',' => standard_seconds + 3_600,
            _ => -input.clock()?,
        };
        let begins = input.change()?;
        let ends = input.change()?;
        let daylight = Some(Daylight { offset_seconds, begins, ends });
        input.0.is_empty().then_some(Self { standard_seconds, daylight })
    }

    /// The offset changes that the rule makes in a year, in order. "Always daylight" (RFC 9636 section 3.3.1)
    /// changes to daylight at each year's start and never lasts back to standard.
    pub(super) fn changes(&self, year: i32) -> Vec<Segment> {
        let Some(daylight) = self.daylight else {
            return Vec::new();
        };
        let begins = daylight.begins.utc_seconds(year, self.standard_seconds);
        let ends = daylight.ends.utc_seconds(year, daylight.offset_seconds);
        let next = daylight.begins.utc_seconds(year + 1, self.standard_seconds);
        let summer = begins
            .map(|at| Segment { from_utc_seconds: at, offset_seconds: daylight.offset_seconds });
        let winter = ends
            .filter(|at| next.is_none_or(|next| *at < next))
            .map(|at| Segment { from_utc_seconds: at, offset_seconds: self.standard_seconds });
        let mut changes: Vec<Segment> = summer.into_iter().chain(winter).collect();
        changes.sort_by_key(|s| s.from_utc_seconds);
        changes
    }
}

impl Change {
    fn utc_seconds(self, year: i32, offset_seconds: i32) -> Option<i64> {
        let new_year = NaiveDate::from_ymd_opt(year, 1, 1)?;
        let date = match self.day {
            Day::Julian(n) => {
                let after_february = new_year.leap_year() && n >= 60;
                NaiveDate::from_yo_opt(year, n + u32::from(after_february))?
            }
            Day::Ordinal(n) => NaiveDate::from_yo_opt(year, n + 1)?,
            Day::Weekday { month, week, weekday } => {
                let first = NaiveDate::from_ymd_opt(year, month, 1)?;
                let to_weekday = (7 + weekday - first.weekday().num_days_from_sunday()) % 7;
                let day = 1 + to_weekday + 7 * (week - 1);
                first.with_day(day).or_else(|| first.with_day(day - 7))?
            }
        };
        let midnight = date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp();
        Some(midnight + i64::from(self.time_seconds) - i64::from(offset_seconds))
    }
}

/// Text not read yet.
struct Input<'a>(&'a str);

impl Input<'_> {
    /// An abbreviation: three letters or more, or `<...>`.
    fn name(&mut self) -> Option<()> {
        let end = match self.0.strip_prefix('<') {
            Some(rest) => rest.find('>')? + 2,
            None => self.0.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.0.len()),
        };
        self.0 = self.0.get(end..).filter(|_| end >= 3)?;
        Some(())
    }

    fn number(&mut self) -> Option<u32> {
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let value = self.0.get(..end)?.parse().ok()?;
        self.0 = &self.0[end..];
        Some(value)
    }

    fn skip(&mut self, prefix: char) -> Option<()> {
        self.0 = self.0.strip_prefix(prefix)?;
        Some(())
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    fn clock(&mut self) -> Option<i32> {
        let negative = self.skip('-').is_some();
        if !negative {
            self.skip('+');
        }
        let mut seconds =
            3_600 * i32::try_from(self.number()?).ok().filter(|hours| *hours <= 167)?;
        for unit in [60, 1] {
            if self.skip(':').is_some() {
                seconds += unit * i32::try_from(self.number()?).ok().filter(|part| *part < 60)?;
            }
        }
        Some(if negative { -seconds } else { seconds })
    }

    /// `,date[/time]`; the time is 02:00 where none is given.
    fn change(&mut self) -> Option<Change> {
        self.skip(',')?;
        let day = if self.skip('M').is_some() {
            let month = self.number()?;
            self.skip('.')?;
            let week = self.number()?;
            self.skip('.')?;
            let weekday = self.number()?;
            ((1..=12).contains(&month) && (1..=5).contains(&week) && weekday <= 6)
                .then_some(Day::Weekday { month, week, weekday })?
        } else if self.skip('J').is_some() {
            Day::Julian(self.number().filter(|n| (1..=365).contains(n))?)
        } else {
            Day::Ordinal(self.number().filter(|n| *n <= 365)?)
        };
        let time_seconds = if self.skip('/').is_some() { self.clock()? } else { 7_200 };
        Some(Change { day, time_seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::UtcMs;

    fn changes(rule: &str, year: i32) -> Vec<String> {
        let show = |s: Segment| {
            format!("{} {}", UtcMs(s.from_utc_seconds * 1_000).rfc3339(), s.offset_seconds)
        };
        Rule::parse(rule).unwrap().changes(year).into_iter().map(show).collect()
    }

    #[test]
    fn footers_change_when_their_law_says() {
        for (rule, year, expected) in [
            (
                "CET-1CEST,M3.5.0,M10.5.0/3",
                2025,
                vec!["2025-03-30T01:00:00Z 7200", "2025-10-26T01:00:00Z 3600"],
            ),
            (
                "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
                2025,
                vec!["2025-04-05T15:00:00Z 37800", "2025-10-04T15:30:00Z 39600"],
            ),
            (
                "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
                2025,
                vec!["2025-03-30T01:00:00Z -3600", "2025-10-26T01:00:00Z -7200"],
            ),
            (
                "IST-2IDT,M3.4.4/26,M10.5.0",
                2025,
                vec!["2025-03-28T00:00:00Z 10800", "2025-10-25T23:00:00Z 7200"],
            ),
            ("IST-5:30", 2025, vec![]),
            (
                "XXX3YYY,J60,J300",
                2024,
                vec!["2024-03-01T05:00:00Z -7200", "2024-10-27T04:00:00Z -10800"],
            ),
            (
                "XXX3YYY,59,300",
                2024,
                vec!["2024-02-29T05:00:00Z -7200", "2024-10-27T04:00:00Z -10800"],
            ),
            ("XXX3EDT4,0/0,J365/23", 2024, vec!["2024-01-01T03:00:00Z -14400"]),
        ] {
            assert_eq!(changes(rule, year), expected, "{rule}");
        }
        for bad in [
            "",
            "CE-1",
            "CET",
            "CET-1CEST",
            "CET-1CEST,M13.5.0,M10.5.0",
            "CET-1CEST,M3.5.0,M10.5.0x",
            "<é",
        ] {
            assert_eq!(Rule::parse(bad), None, "{bad}");
        }
    }
}
