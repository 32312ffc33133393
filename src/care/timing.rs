//! When an activity is due: FHIR R4 `Timing`, element for element, nothing invented beside it.
//!
//! The serde shape is FHIR's JSON (<https://hl7.org/fhir/R4/datatypes.html#Timing>), so an imported timing is
//! stored as it came. What the elements mean is decided in the room `timing`.

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};

/// FHIR R4 `Timing`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Timing {
    /// Specific times, each a date or date-time as written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub event: Vec<String>,
    /// The rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// An abbreviation such as `BID` (ValueSet timing-abbreviation).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What changes the meaning of the rest; must not be ignored (FHIR R4, extensibility).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modifier_extension: Vec<Extension>,
}

/// FHIR `Extension`, as far as timings use it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Extension {
    /// What it means.
    pub url: String,
    /// `valueBoolean`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_boolean: Option<bool>,
    /// `valuePositiveInt`, or `valueInteger` as some write it.
    #[serde(skip_serializing_if = "Option::is_none", alias = "valueInteger")]
    pub value_positive_int: Option<i64>,
    /// `valueCode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_code: Option<String>,
    /// Its parts, where it has several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extension: Vec<Self>,
}

/// What FHIR cannot say of a timing, as extensions of its `repeat` that are the house's own. They narrow or
/// spread what the rest of the `repeat` says.
pub mod native {
    /// So many days on, so many off, over and over from the start: parts `on` and `off`, each a
    /// `valuePositiveInt` in days.
    pub const CYCLE: &str = "urn:carebell:timing-cycle";
    /// `valueBoolean` true: an interval in hours counts from waking to going to bed, anew each day.
    pub const WHILE_AWAKE: &str = "urn:carebell:timing-while-awake";
    /// `valueCode` `skip`: a month without the day is left out, rather than served on its last day (`clamp`).
    pub const MONTH_END: &str = "urn:carebell:timing-month-end";
    /// `valuePositiveInt`: slots closer together than so many minutes are for a person to confirm.
    pub const MINIMUM_SPACING: &str = "urn:carebell:timing-minimum-spacing";
}

/// FHIR `CodeableConcept`, as far as schedules need it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Code {
    /// The codes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coding: Vec<Coding>,
    /// Plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// FHIR `Coding`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Coding {
    /// Code system URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What it says to a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

/// FHIR `Timing.repeat`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Repeat {
    /// `boundsPeriod`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds_period: Option<Period>,
    /// `boundsDuration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds_duration: Option<Quantity>,
    /// `boundsRange`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds_range: Option<QuantityRange>,
    /// Total number of times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// Upper limit of `count`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count_max: Option<i64>,
    /// How long each event lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Decimal>,
    /// Upper limit of `duration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_max: Option<Decimal>,
    /// Unit of `duration` (UCUM: s min h d wk mo a).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_unit: Option<String>,
    /// Times per period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<i64>,
    /// Upper limit of `frequency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_max: Option<i64>,
    /// Length of the period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Decimal>,
    /// Upper limit of `period`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_max: Option<Decimal>,
    /// Unit of `period` (UCUM: s min h d wk mo a).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_unit: Option<String>,
    /// `mon` to `sun`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub day_of_week: Vec<String>,
    /// Wall-clock times.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub time_of_day: Vec<String>,
    /// Codes of ValueSet event-timing, for example `ACM`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<String>,
    /// Minutes from the event that `when` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// `timing-dayOfMonth`, `timing-daysOfCycle`, `timing-exact` and whatever else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extension: Vec<Extension>,
}

impl Repeat {
    /// The extensions of HL7's core with this short name, for example `timing-dayOfMonth`.
    pub fn extensions<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Extension> {
        const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";
        self.extension.iter().filter(move |e| e.url.strip_prefix(CORE) == Some(name))
    }

    /// The house's own extension with this URL (one of [`native`]).
    pub fn native(&self, url: &str) -> Option<&Extension> {
        self.extension.iter().find(|extension| extension.url == url)
    }

    /// Whether the times are to be kept to the minute (extension timing-exact): no quiet-hour shift, no bundling.
    pub fn is_exact(&self) -> bool {
        self.extensions("timing-exact").any(|e| e.value_boolean == Some(true))
    }
}

/// FHIR `Period`; each end a date or date-time as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Period {
    /// Inclusive start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Inclusive end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

/// FHIR `Quantity`, `Duration` or `Age`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quantity {
    /// The number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// Unit for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Unit code (UCUM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// FHIR `Range`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QuantityRange {
    /// Lower end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<Quantity>,
    /// Upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<Quantity>,
}

/// FHIR `Ratio`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ratio {
    /// So much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numerator: Option<Quantity>,
    /// For so much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denominator: Option<Quantity>,
}

/// A FHIR decimal, kept as the number that was written. Decisions use its exact value, never floating point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Decimal(pub serde_json::Number);

impl Decimal {
    /// Numerator and denominator (a power of ten), or `None` beyond 18 digits before or after the point.
    fn ratio(&self) -> Option<(i128, i128)> {
        if let Some(whole) = self.0.as_i64().filter(|whole| whole.abs() < 10_i64.pow(18)) {
            return Some((i128::from(whole), 1));
        }
        let text = self.0.to_string();
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text.as_str(), 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let shift = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let power = 10_i128.checked_pow(shift.unsigned_abs()).filter(|_| shift.abs() <= 18)?;
        if digits.abs() > 10_i128.pow(18) {
            None
        } else if shift >= 0 {
            Some((digits * power, 1))
        } else {
            Some((digits, power))
        }
    }

    /// This value times `factor`, when that is a whole number that fits.
    pub fn whole_times(&self, factor: i64) -> Option<i64> {
        if let Some(whole) = self.0.as_i64() {
            return whole.checked_mul(factor);
        }
        let (numerator, denominator) = self.ratio()?;
        let product = numerator.checked_mul(i128::from(factor))?;
        if product % denominator == 0 { i64::try_from(product / denominator).ok() } else { None }
    }

    /// Whether it is more than zero.
    pub fn is_positive(&self) -> bool {
        self.sign() == std::cmp::Ordering::Greater
    }

    /// Whether it is less than zero.
    pub fn is_negative(&self) -> bool {
        self.sign() == std::cmp::Ordering::Less
    }

    /// Whether `self` times `factor` is at least `other` times `other_factor`; unknown when out of range.
    pub fn is_at_least(&self, factor: i64, other: &Self, other_factor: i64) -> Option<bool> {
        let ((a, b), (c, d)) = (self.ratio()?, other.ratio()?);
        let left = a.checked_mul(i128::from(factor))?.checked_mul(d)?;
        let right = c.checked_mul(i128::from(other_factor))?.checked_mul(b)?;
        Some(left >= right)
    }

    /// How it compares to zero: the sign and the digits say it, whatever the size.
    fn sign(&self) -> std::cmp::Ordering {
        if let Some(whole) = self.0.as_i64() {
            return whole.cmp(&0);
        }
        let text = self.0.to_string();
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        match (mantissa.contains(|c| matches!(c, '1'..='9')), mantissa.starts_with('-')) {
            (false, _) => std::cmp::Ordering::Equal,
            (true, true) => std::cmp::Ordering::Less,
            (true, false) => std::cmp::Ordering::Greater,
        }
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self(value.into())
    }
}

/// A wall-clock time of day as FHIR writes it (`HH:MM:SS`, fractions dropped, `HH:MM` tolerated; 24:00 is not a
/// time).
pub fn parse_time_of_day(text: &str) -> Option<NaiveTime> {
    let two_digits = |at: usize| {
        let digits = text.as_bytes().get(at..at + 2)?;
        let [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = digits else { return None };
        Some(u32::from((tens - b'0') * 10 + (ones - b'0')))
    };
    let colon = |at: usize| text.as_bytes().get(at) == Some(&b':');
    let (hour, minute) = (two_digits(0)?, two_digits(3).filter(|_| colon(2))?);
    let second = match text.len() {
        5 => 0,
        8 => two_digits(6).filter(|_| colon(5))?,
        9.. => {
            let fraction = text.get(8..)?.strip_prefix('.')?;
            let digits = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
            two_digits(6).filter(|_| colon(5) && digits)?
        }
        _ => return None,
    };
    NaiveTime::from_hms_opt(hour, minute, second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn decimals_are_exact() {
        for (text, factor, expected) in [
            ("1.5", 24, Some(36)),
            ("0.1", 10, Some(1)),
            ("0.3", 10, Some(3)),
            ("1.0", 1, Some(1)),
            ("0.33", 24, None),
            ("1e3", 1, Some(1_000)),
            ("1e300", 1, None),
            ("-2.5", 2, Some(-5)),
        ] {
            assert_eq!(decimal(text).whole_times(factor), expected, "{text} x {factor}");
        }
        assert!(decimal("1e300").is_positive() && decimal("-0.001").is_negative());
        assert!(!decimal("0.0").is_positive() && !decimal("-0.0").is_negative());
        assert_eq!(decimal("12").is_at_least(7, &decimal("84"), 1), Some(true));
        assert_eq!(decimal("0.5").is_at_least(24, &decimal("12.5"), 1), Some(false));
    }

    #[test]
    fn times_of_day_are_read_strictly() {
        for good in ["08:00", "08:00:00", "23:59:59.999"] {
            assert!(parse_time_of_day(good).is_some(), "{good}");
        }
        for bad in
            ["24:00", "8:00", "08:00:60", "08:00:00.", "08-00", "", "08:00:00Z", "08:00:0", "é8:00"]
        {
            assert!(parse_time_of_day(bad).is_none(), "{bad}");
        }
    }
}
