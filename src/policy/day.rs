//! How much of a day's messages a provider still takes.

use crate::care::UtcMs;
use crate::care::time::{DAY_MS, MINUTE_MS};

/// What is left of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// Something.
    Left {
        /// How many messages.
        messages: u32,
    },
    /// Nothing.
    UsedUp {
        /// When the first of them is a day old.
        until: UtcMs,
    },
}

/// A rest takes at least so long, in milliseconds: room comes by ones, and each look costs.
const REST_MS: i64 = 5 * MINUTE_MS;

/// What is left when a provider that takes `most` messages in 24 hours took `taken` in those before `now`, the first of
/// them at `first`.
pub fn day(now: UtcMs, most: u32, taken: i64, first: Option<UtcMs>) -> Day {
    let left = i64::from(most).saturating_sub(taken.max(0));
    match u32::try_from(left) {
        Ok(messages) if messages > 0 => Day::Left { messages },
        _ => {
            let room = first.map_or(now, |first| first.plus_ms(DAY_MS));
            Day::UsedUp { until: room.max(now.plus_ms(REST_MS)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_used_up_until_its_first_message_is_a_day_old() {
        let now = UtcMs(2 * DAY_MS);
        let first = Some(UtcMs(DAY_MS + 60 * MINUTE_MS));
        let used = |until| Day::UsedUp { until: UtcMs(until) };
        for (most, taken, first, expected) in [
            (10, 0, None, Day::Left { messages: 10 }),
            (10, 9, first, Day::Left { messages: 1 }),
            (10, 10, first, used(2 * DAY_MS + 60 * MINUTE_MS)),
            (10, 12, first, used(2 * DAY_MS + 60 * MINUTE_MS)),
            (10, 10, Some(UtcMs(DAY_MS + 1)), used(2 * DAY_MS + REST_MS)),
            (10, 10, None, used(2 * DAY_MS + REST_MS)),
        ] {
            assert_eq!(day(now, most, taken, first), expected, "{taken} of {most}");
        }
    }
}
