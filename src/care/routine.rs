//! A patient's wall-clock anchors.

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Wake, meals and bed on the patient's own clock. Keys that are absent fall back to table 1b of the timing
/// rules; `times_per_day` replaces the table of clock times for "n times a day".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Routine {
    /// Getting up.
    #[serde(skip_serializing_if = "Option::is_none", with = "hour_minute")]
    pub wake: Option<NaiveTime>,
    /// First meal.
    #[serde(skip_serializing_if = "Option::is_none", with = "hour_minute")]
    pub breakfast: Option<NaiveTime>,
    /// Midday meal.
    #[serde(skip_serializing_if = "Option::is_none", with = "hour_minute")]
    pub lunch: Option<NaiveTime>,
    /// Evening meal.
    #[serde(skip_serializing_if = "Option::is_none", with = "hour_minute")]
    pub dinner: Option<NaiveTime>,
    /// Going to bed.
    #[serde(skip_serializing_if = "Option::is_none", with = "hour_minute")]
    pub bed: Option<NaiveTime>,
    /// Clock times (`HH:MM`) for n times a day, by n as text ("1", "2", ...).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub times_per_day: BTreeMap<String, Vec<String>>,
    /// What is different on Saturdays and Sundays; keys that are absent there are as on other days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekend: Option<Box<Self>>,
}

impl Routine {
    /// This routine with every key it lacks taken from `fallback`.
    #[must_use]
    pub fn or(&self, fallback: &Self) -> Self {
        let mut times_per_day = fallback.times_per_day.clone();
        times_per_day.extend(self.times_per_day.clone());
        let weekend = match (&self.weekend, &fallback.weekend) {
            (Some(own), Some(fallback)) => Some(Box::new(own.or(fallback))),
            (own, fallback) => own.clone().or_else(|| fallback.clone()),
        };
        Self {
            wake: self.wake.or(fallback.wake),
            breakfast: self.breakfast.or(fallback.breakfast),
            lunch: self.lunch.or(fallback.lunch),
            dinner: self.dinner.or(fallback.dinner),
            bed: self.bed.or(fallback.bed),
            times_per_day,
            weekend,
        }
    }
}

mod hour_minute {
    use chrono::NaiveTime;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::ref_option, reason = "the signature that serde's `with` calls")]
    pub(super) fn serialize<S: Serializer>(
        time: &Option<NaiveTime>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => s.collect_str(&time.format("%H:%M")),
            None => s.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<NaiveTime>, D::Error> {
        let Some(text) = Option::<String>::deserialize(d)? else { return Ok(None) };
        NaiveTime::parse_from_str(&text, "%H:%M")
            .map(Some)
            .map_err(|_| D::Error::custom("a time of day is written HH:MM, from 00:00 to 23:59"))
    }
}
