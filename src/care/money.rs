//! Amounts of money, as prices and budgets have them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Digits behind the point.
const DIGITS: usize = 6;
/// Millionths in one unit of the currency.
const UNIT: u64 = 1_000_000;

/// An amount in millionths of the currency's unit; which currency it is stands beside it. Never a fraction in binary:
/// a million messages at 0.0083 are exactly 8300.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(pub u64);

/// Not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no amount: write \"0.0083\", at most six digits behind the point")]
pub struct NotAnAmount;

impl Micros {
    /// Reads a plain decimal: digits, and a point with at most six digits behind it. No sign, no exponent, no comma.
    ///
    /// # Errors
    /// When it is anything else, or too large.
    pub fn parse(text: &str) -> Result<Self, NotAnAmount> {
        let (units, rest) = text.split_once('.').unwrap_or((text, ""));
        let is_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let complete = !units.is_empty() && (!rest.is_empty() || !text.contains('.'));
        if !complete || rest.len() > DIGITS || !is_digits(units) || !is_digits(rest) {
            return Err(NotAnAmount);
        }
        let whole: u64 = units.parse().map_err(|_| NotAnAmount)?;
        let behind: u64 = format!("{rest:0<DIGITS$}").parse().map_err(|_| NotAnAmount)?;
        whole
            .checked_mul(UNIT)
            .and_then(|micros| micros.checked_add(behind))
            .map(Self)
            .ok_or(NotAnAmount)
    }

    /// So many times the amount; at the end of the range it stays there.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// Both together; at the end of the range it stays there.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// This share of the amount, rounded down, in percent.
    #[must_use]
    pub const fn percent(self, share: u8) -> Self {
        Self(self.0 / 100 * share as u64 + self.0 % 100 * share as u64 / 100)
    }
}

/// What was spent on messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Spent {
    /// What they cost at most, as far as prices are known.
    pub cost: Micros,
    /// How many they were.
    pub messages: u64,
}

impl Spent {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            cost: self.cost.plus(other.cost),
            messages: self.messages.saturating_add(other.messages),
        }
    }
}

impl std::iter::Sum for Micros {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Self::plus)
    }
}

impl fmt::Display for Micros {
    /// At least two digits behind the point, and no more than it takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let behind = format!("{:0DIGITS$}", self.0 % UNIT);
        let kept = behind.trim_end_matches('0').len().max(2);
        f.pad(&format!("{}.{}", self.0 / UNIT, &behind[..kept]))
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_read_back() {
        for (text, micros, shown) in [
            ("0.0083", 8_300, "0.0083"),
            ("12", 12_000_000, "12.00"),
            ("0.000001", 1, "0.000001"),
            ("1.50", 1_500_000, "1.50"),
            ("0", 0, "0.00"),
        ] {
            let amount = Micros::parse(text).unwrap();
            assert_eq!((amount.0, amount.to_string().as_str()), (micros, shown));
            assert_eq!(Micros::parse(&amount.to_string()), Ok(amount));
        }
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1,5",
            "1e3",
            "0.0000001",
            " 1",
            "1.2.3",
            "99999999999999999999",
            "１",
        ] {
            assert_eq!(Micros::parse(bad), Err(NotAnAmount), "{bad}");
        }
        assert_eq!(Micros::parse("0.0083").unwrap().times(1_000_000).to_string(), "8300.00");
    }

    #[test]
    fn a_share_is_exact_to_the_millionth_and_never_overflows() {
        assert_eq!(Micros(1_000_001).percent(80), Micros(800_000));
        assert_eq!(Micros(99).percent(50), Micros(49));
        assert_eq!(Micros(u64::MAX).percent(100), Micros(u64::MAX));
        assert_eq!(Micros(u64::MAX).plus(Micros(1)), Micros(u64::MAX));
    }
}
