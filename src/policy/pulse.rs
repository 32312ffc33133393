//! Whether a daemon's loops still step: one that waits for what never comes must not look alive.

use std::time::Duration;

/// A loop that has not stepped for longer is told of, and the watchdog is not fed.
pub const SLOW: Duration = Duration::from_secs(15);
/// Longer than a loop can wait for a connection, twice in one turn: it waits for what never comes.
const GIVEN_UP: Duration = Duration::from_secs(90);

/// What a loop's silence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// It steps.
    Steps,
    /// It has not stepped for a while, and may yet.
    Slow,
    /// It will not step any more: the process ends, and its open intents are found at the next start.
    Gone,
}

/// Judges a loop by how long it has been `silent`; `unwatched` is how long nobody looked.
///
/// A process that was stopped itself (SIGSTOP, a frozen virtual machine) has silent loops that are well: it is
/// given until the next look. Source: design.md P2, and issue 4 on partitions.
pub fn judge(silent: Duration, unwatched: Duration) -> Pulse {
    if silent <= SLOW {
        Pulse::Steps
    } else if silent <= GIVEN_UP || unwatched > SLOW {
        Pulse::Slow
    } else {
        Pulse::Gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_given_up_when_it_stands_still_and_the_process_does_not() {
        for (silent, unwatched, says) in [
            (0, 5, Pulse::Steps),
            (15, 5, Pulse::Steps),
            (16, 5, Pulse::Slow),
            (90, 5, Pulse::Slow),
            (91, 5, Pulse::Gone),
            (91, 15, Pulse::Gone),
            // Stopped for a minute and a half: nothing stepped, and nothing could.
            (91, 86, Pulse::Slow),
            (100_000, 100_000, Pulse::Slow),
            (100_005, 5, Pulse::Gone),
        ] {
            let got = judge(Duration::from_secs(silent), Duration::from_secs(unwatched));
            assert_eq!(got, says, "{silent} s silent, {unwatched} s unwatched");
        }
    }
}
