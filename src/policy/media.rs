//! Whether a file goes with a message: what is known of it at the provider decides.

use crate::care::UtcMs;
use crate::care::time::{DAY_MS, MINUTE_MS};

/// A file that was not taken so often in a row is left out: once for the upload, once for the one after it.
const MOST_REFUSALS: i64 = 2;
/// For so long, in milliseconds. Then it is tried anew: a provider's trouble passes, and somebody may have mended it.
pub const RESTS_MS: i64 = DAY_MS;
/// A failed upload is tried again after this, then after twice as long, and so on, in milliseconds.
const FIRST_WAIT_MS: i64 = MINUTE_MS;
/// At most so often doubled: an hour.
const MOST_DOUBLED: u32 = 6;

/// A file as it is known at a provider.
#[derive(Clone, Copy, Debug)]
pub struct Shelved<'a> {
    /// The provider's id; empty: it has none.
    pub id: &'a str,
    /// How long messages may name it.
    pub until: UtcMs,
    /// How often in a row it was not taken.
    pub refused: i64,
    /// When last.
    pub refused_at: UtcMs,
}

/// What may be done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Messages name it by this id.
    Ready {
        /// The provider's.
        id: &'a str,
    },
    /// It is to be handed over first; a link may be sent as it is.
    Fresh,
    /// It is not sent.
    LeftOut,
}

/// How a file stands. Source: `reference/channels.md` section 6: after a refusal once more, then without.
pub fn standing<'a>(known: Option<&Shelved<'a>>, now: UtcMs) -> Standing<'a> {
    match known {
        Some(file) if file.refused >= MOST_REFUSALS && now.since(file.refused_at) < RESTS_MS => {
            Standing::LeftOut
        }
        Some(file) if !file.id.is_empty() && now < file.until => Standing::Ready { id: file.id },
        _ => Standing::Fresh,
    }
}

/// When an upload is tried again that failed so often.
pub fn try_again_at(now: UtcMs, failures: u32) -> UtcMs {
    now.plus_ms(FIRST_WAIT_MS << failures.saturating_sub(1).min(MOST_DOUBLED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_by_its_id_while_that_is_good_and_rests_when_it_is_not_taken() {
        let now = UtcMs(10 * DAY_MS);
        let ago = |ms: i64| now.plus_ms(-ms);
        let shelved = |id, until, refused, refused_at| Shelved { id, until, refused, refused_at };
        for (known, expected) in [
            (None, Standing::Fresh),
            (Some(shelved("7", now.plus_ms(1), 0, UtcMs(0))), Standing::Ready { id: "7" }),
            (Some(shelved("7", now, 0, UtcMs(0))), Standing::Fresh),
            (Some(shelved("", UtcMs(0), 1, ago(1))), Standing::Fresh),
            (Some(shelved("8", now.plus_ms(1), 1, ago(1))), Standing::Ready { id: "8" }),
            (Some(shelved("", UtcMs(0), 2, ago(DAY_MS - 1))), Standing::LeftOut),
            (Some(shelved("", UtcMs(0), 2, ago(DAY_MS))), Standing::Fresh),
            (Some(shelved("9", now.plus_ms(1), 2, ago(DAY_MS))), Standing::Ready { id: "9" }),
        ] {
            assert_eq!(standing(known.as_ref(), now), expected, "{known:?}");
        }
    }

    #[test]
    fn a_failed_upload_waits_longer_each_time_and_an_hour_at_most() {
        let minutes = |failures| try_again_at(UtcMs(0), failures).0 / MINUTE_MS;
        assert_eq!([1, 2, 3, 7, 99].map(minutes), [1, 2, 4, 64, 64]);
    }
}
