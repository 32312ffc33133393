//! How far an address is believed: what refusals and arrivals make of its health.

use crate::care::time::{DAY_MS, HOUR_MS};
use crate::care::{ContactHealth, UtcMs};

/// The code of an address that was refused on two days for what may pass: a block, an old client.
pub const NOT_REACHED: &str = "not-reached";
/// Two refusals this far apart are of two days, in milliseconds.
const ANOTHER_DAY_MS: i64 = 20 * HOUR_MS;
/// What was not reached is tried again after this, in milliseconds (`reference/channels.md` section 6, code 131026).
const TRY_AGAIN_MS: i64 = 30 * DAY_MS;

/// What is known of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing<'a> {
    /// Its health.
    pub health: ContactHealth,
    /// Since when; never moved, when absent.
    pub since: Option<UtcMs>,
    /// The code that moved it.
    pub code: Option<&'a str>,
}

/// What a refusal makes of an address that says that it may not be reachable at all, with the code to store; `None`: it
/// stays as it is. One makes it suspect, another on another day bad; and bad for longer, where it was tried again.
pub fn doubted<'a>(
    known: &Standing<'_>,
    code: &'a str,
    now: UtcMs,
) -> Option<(ContactHealth, &'a str)> {
    let another_day = known.since.is_some_and(|since| now.since(since) >= ANOTHER_DAY_MS);
    match known.health {
        ContactHealth::Ok => Some((ContactHealth::Suspect, code)),
        ContactHealth::Suspect if another_day => Some((ContactHealth::Bad, NOT_REACHED)),
        ContactHealth::Bad if another_day && known.code == Some(NOT_REACHED) => {
            Some((ContactHealth::Bad, NOT_REACHED))
        }
        ContactHealth::Suspect | ContactHealth::Bad | ContactHealth::OptedOut => None,
    }
}

/// When a bad address may be tried again without anybody's word for it.
pub fn again_at(known: &Standing<'_>) -> Option<UtcMs> {
    let passes = known.health == ContactHealth::Bad && known.code == Some(NOT_REACHED);
    known.since.filter(|_| passes).map(|since| since.plus_ms(TRY_AGAIN_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ContactHealth::{Bad, Ok, OptedOut, Suspect};

    #[test]
    fn two_days_condemn_what_may_pass_and_a_month_forgives_it() {
        let hours = |hours: i64| UtcMs(hours * HOUR_MS);
        for (health, since, code, now, expected) in [
            (Ok, None, None, 0, Some((Suspect, "131026"))),
            (Suspect, Some(0), Some("131026"), 19, None),
            (Suspect, Some(0), Some("131026"), 20, Some((Bad, NOT_REACHED))),
            (Bad, Some(0), Some(NOT_REACHED), 10, None),
            (Bad, Some(0), Some(NOT_REACHED), 720, Some((Bad, NOT_REACHED))),
            (Bad, Some(0), Some("number-changed"), 720, None),
            (OptedOut, Some(0), Some("STOP"), 720, None),
        ] {
            let known = Standing { health, since: since.map(hours), code };
            assert_eq!(doubted(&known, "131026", hours(now)), expected, "{known:?} {now}");
        }
        let known = |code| Standing { health: Bad, since: Some(hours(0)), code: Some(code) };
        assert_eq!(again_at(&known(NOT_REACHED)), Some(hours(720)));
        assert_eq!(again_at(&known("131009")), None);
        assert_eq!(again_at(&Standing { health: Suspect, ..known(NOT_REACHED) }), None);
    }
}
