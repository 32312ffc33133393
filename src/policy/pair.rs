//! The pace from one sender to one patient: so many at once, as long as the rate is kept over time.

use crate::care::UtcMs;

/// What a provider allows from one sender to one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairPace {
    /// Time for one message, in milliseconds; 0: there is no limit.
    pub gap_ms: i64,
    /// So many may go at once; each takes its time from the future.
    pub burst: i64,
}

impl PairPace {
    /// How far back messages count, in milliseconds. Twice what a burst takes from the future: what is older has been
    /// paid back, unless more was sent all the while than any patient is to be sent.
    pub const fn looks_back_ms(self) -> i64 {
        self.gap_ms.saturating_mul(self.burst).saturating_mul(2)
    }

    /// When one more may go after `sent`, in order; `None`: now. A generic cell rate algorithm (ITU-T I.371).
    pub fn free_at(self, sent: &[UtcMs], now: UtcMs) -> Option<UtcMs> {
        let paid = |until: UtcMs, at: &UtcMs| until.max(*at).plus_ms(self.gap_ms);
        let paid_until = sent.iter().fold(UtcMs::MIN, paid);
        let free_at = paid_until.plus_ms(-self.gap_ms.saturating_mul((self.burst - 1).max(0)));
        (free_at > now).then_some(free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_is_paid_back() {
        let pace = PairPace { gap_ms: 6_000, burst: 3 };
        let at = |seconds: &[i64]| seconds.iter().map(|s| UtcMs(s * 1_000)).collect::<Vec<_>>();
        for (sent, now, free) in [
            (at(&[]), 0, None),
            (at(&[0]), 0, None),
            (at(&[0, 0]), 0, None),
            (at(&[0, 0, 0]), 0, Some(6)),
            (at(&[0, 0, 0]), 5, Some(6)),
            (at(&[0, 0, 0]), 6, None),
            (at(&[0, 0, 0, 6]), 6, Some(12)),
            (at(&[0, 0, 0]), 60, None),
            (at(&[0, 60]), 60, None),
        ] {
            let got = pace.free_at(&sent, UtcMs(now * 1_000));
            assert_eq!(got, free.map(|s| UtcMs(s * 1_000)), "{sent:?} at {now}");
        }
        let single = PairPace { gap_ms: 6_000, burst: 1 };
        assert_eq!(single.free_at(&at(&[0]), UtcMs(5_999)), Some(UtcMs(6_000)));
        assert_eq!(PairPace { gap_ms: 0, burst: 1 }.free_at(&at(&[0]), UtcMs(0)), None);
    }
}
