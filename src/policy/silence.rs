//! Silence as proof: when a provider that tells of all it takes has told nothing of an attempt (design.md
//! section 6, settling step 3).

use crate::care::time::MINUTE_MS;
use crate::care::{ReceiptHabit, UtcMs};

/// Silence shorter than this proves nothing, however quick the provider is otherwise, in milliseconds.
const LEAST_WAIT_MS: i64 = 2 * MINUTE_MS;
/// How many times the usual delay silence must last.
const DELAYS: i64 = 3;

/// A stretch of time in which an instance answered a channel's webhook, by the business clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// From.
    pub since: UtcMs,
    /// To, as last recorded.
    pub until: UtcMs,
}

/// What is known of an attempt's line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// What the provider tells of what it takes.
    pub habit: ReceiptHabit,
    /// When the intent was committed.
    pub intent_at: UtcMs,
    /// When its lease ended, by the business clock.
    pub lease_until: UtcMs,
    /// When the channel's webhook was answered, by any instance, in any order.
    pub open: &'a [Span],
    /// When an instance last turned a callback of the channel away, if any did.
    pub turned_away: Option<UtcMs>,
    /// Attempts of the same sender with a later intent of which a receipt came.
    pub later_heard: u64,
    /// What came of this sender since the intent and is matched with no attempt or not read yet: one of them may
    /// be the receipt.
    pub unmatched: u64,
    /// The 99th percentile of the delay from intent to first receipt over the last hour, in milliseconds.
    pub usual_delay_ms: Option<i64>,
}

/// What silence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The provider never took it.
    NotAccepted {
        /// How long it was silent on an open line after the lease's end, in milliseconds.
        silent_ms: i64,
    },
    /// Nothing, for now or for good.
    Nothing {
        /// What is missing.
        lacking: Lacking,
    },
}

/// What silence lacks to be a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// The provider sends no receipt on its own acceptance, or none with our id.
    Receipts,
    /// Nobody answered the webhook for a while after the intent, and what was missed may be lost.
    OpenLine,
    /// Nothing is known to come through: no receipt of a later attempt is here.
    LaterReceipts,
    /// A receipt is here that nobody can place.
    Matches,
    /// Time.
    Time {
        /// How long the line must be open and silent, in milliseconds.
        wait_ms: i64,
        /// How long it was, in milliseconds.
        silent_ms: i64,
    },
}

/// Whether silence proves that an attempt was never accepted.
///
/// First lack wins: the provider's habit; the line; later receipts; what is not matched; time. Silence is counted
/// from the lease's end to where the open line is known to reach, and only there.
pub fn silence(line: &Line<'_>) -> Silence {
    let nothing = |lacking| Silence::Nothing { lacking };
    let ReceiptHabit::OnAcceptance { redelivered_within_ms } = line.habit else {
        return nothing(Lacking::Receipts);
    };
    let Some(heard) = unbroken(line, redelivered_within_ms) else {
        return nothing(Lacking::OpenLine);
    };
    if line.later_heard == 0 {
        return nothing(Lacking::LaterReceipts);
    }
    if line.unmatched > 0 {
        return nothing(Lacking::Matches);
    }
    let wait_ms = line.usual_delay_ms.unwrap_or(0).saturating_mul(DELAYS).max(LEAST_WAIT_MS);
    let silent_ms = heard.until.since(heard.since.max(line.lease_until)).max(0);
    if silent_ms < wait_ms {
        return nothing(Lacking::Time { wait_ms, silent_ms });
    }
    Silence::NotAccepted { silent_ms }
}

/// The stretch on whose silence one may rely: from the intent if the line was open then and ever since; after a
/// break from its end, once everything the provider tried meanwhile has come again.
///
/// A break longer than the provider's redelivery loses receipts for good; so does any where none is stated. A
/// callback that was turned away is a break of no length, whoever else was open then.
fn unbroken(line: &Line<'_>, redelivered_within_ms: Option<i64>) -> Option<Span> {
    let intent_at = line.intent_at;
    let mut spans: Vec<Span> = line.open.iter().filter(|s| s.until >= intent_at).copied().collect();
    spans.sort_unstable();
    let mut heard = Span { since: intent_at, until: intent_at };
    for span in spans {
        if span.since > heard.until {
            let lost_ms = span.since.since(heard.until);
            let again_ms = redelivered_within_ms.filter(|within| lost_ms <= *within)?;
            heard = Span { since: span.since.plus_ms(again_ms), until: span.until };
        }
        heard.until = heard.until.max(span.until);
    }
    if let Some(at) = line.turned_away.filter(|at| *at >= intent_at) {
        heard.since = heard.since.max(at.plus_ms(redelivered_within_ms?));
    }
    (heard.until > heard.since).then_some(heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: ReceiptHabit = ReceiptHabit::OnAcceptance { redelivered_within_ms: None };

    fn span(since: i64, until: i64) -> Span {
        Span { since: UtcMs(since * MINUTE_MS), until: UtcMs(until * MINUTE_MS) }
    }

    /// The intent is at minute 10, its lease ends at 11, usual delays are short.
    fn line(open: &[Span]) -> Line<'_> {
        Line {
            habit: META,
            intent_at: UtcMs(10 * MINUTE_MS),
            lease_until: UtcMs(11 * MINUTE_MS),
            open,
            turned_away: None,
            later_heard: 1,
            unmatched: 0,
            usual_delay_ms: Some(1_500),
        }
    }

    fn told(silence: Silence) -> String {
        match silence {
            Silence::NotAccepted { silent_ms } => format!("proof {}", silent_ms / MINUTE_MS),
            Silence::Nothing { lacking: Lacking::Time { .. } } => "time".to_owned(),
            Silence::Nothing { lacking } => format!("{lacking:?}"),
        }
    }

    #[test]
    fn p4_only_an_open_line_can_be_silent() {
        let again = ReceiptHabit::OnAcceptance { redelivered_within_ms: Some(3 * MINUTE_MS) };
        for (habit, open, expected) in [
            (META, vec![span(0, 13)], "proof 2"),
            (META, vec![span(10, 13)], "proof 2"),
            (META, vec![span(0, 12)], "time"),
            (META, vec![], "OpenLine"),
            // Two instances, the one taking over from the other, told in any order.
            (META, vec![span(11, 14), span(0, 12)], "proof 3"),
            (META, vec![span(0, 12), span(12, 14)], "proof 3"),
            // A break: what the provider told meanwhile may never come.
            (META, vec![span(0, 11), span(12, 40)], "OpenLine"),
            (META, vec![span(11, 40)], "OpenLine"),
            // What was before the intent does not matter, nor what came after the proof.
            (META, vec![span(0, 2), span(9, 13)], "proof 2"),
            // A provider that comes again within three minutes: silence counts from three minutes after the break.
            (again, vec![span(0, 11), span(12, 16)], "time"),
            (again, vec![span(0, 11), span(12, 17)], "proof 2"),
            (again, vec![span(12, 17)], "proof 2"),
            (again, vec![span(0, 11), span(15, 40)], "OpenLine"),
            (again, vec![span(0, 11), span(12, 13)], "OpenLine"),
            (ReceiptHabit::OnProgress, vec![span(0, 99)], "Receipts"),
            (ReceiptHabit::None, vec![span(0, 99)], "Receipts"),
        ] {
            let got = told(silence(&Line { habit, ..line(&open) }));
            assert_eq!(got, expected, "{habit:?} {open:?}");
        }
    }

    #[test]
    fn p4_a_callback_that_was_turned_away_is_a_break() {
        let again = ReceiptHabit::OnAcceptance { redelivered_within_ms: Some(3 * MINUTE_MS) };
        for (habit, at, expected) in [
            (META, 9, "proof 4"),
            (META, 10, "OpenLine"),
            (META, 14, "OpenLine"),
            (again, 10, "proof 2"),
            (again, 11, "time"),
        ] {
            let open = [span(0, 15)];
            let turned_away = Some(UtcMs(at * MINUTE_MS));
            let got = told(silence(&Line { habit, turned_away, ..line(&open) }));
            assert_eq!(got, expected, "{habit:?} at {at}");
        }
    }

    #[test]
    fn p4_the_line_must_speak_of_others_and_of_nobody_unknown() {
        let open = [span(0, 60)];
        assert_eq!(told(silence(&Line { later_heard: 0, ..line(&open) })), "LaterReceipts");
        assert_eq!(told(silence(&Line { unmatched: 1, ..line(&open) })), "Matches");
    }

    #[test]
    fn p4_silence_lasts_three_times_the_usual_delay() {
        for (usual_delay_ms, until, expected) in [
            (None, 13, "proof 2"),
            (Some(MINUTE_MS), 13, "time"),
            (Some(MINUTE_MS), 14, "proof 3"),
            (Some(10 * MINUTE_MS), 40, "time"),
            (Some(i64::MAX), 99, "time"),
        ] {
            let open = [span(0, until)];
            let got = told(silence(&Line { usual_delay_ms, ..line(&open) }));
            assert_eq!(got, expected, "{usual_delay_ms:?} until {until}");
        }
    }
}
