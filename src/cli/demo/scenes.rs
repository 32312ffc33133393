//! What patients write during the day, by their own clocks. The addresses are those of the sample data.

use super::cast::Cast;
use crate::care::UtcMs;
use crate::care::time::DAY_MS;
use crate::sandbox::{Channel, Reply};
use chrono::NaiveTime;

/// Says STOP in Arabic at noon, and never START: the evening's dose is not sent.
const CAIRO: &str = "+201001234504";
/// Says STOP after lunch and START an hour after the evening's dose: it comes back, for it is still of use.
const KOLKATA: &str = "+918123456701";

/// A reply at its time.
pub(super) struct Scene {
    pub(super) at: UtcMs,
    pub(super) reply: Reply,
}

/// The scenes of the day that begins at `from`, in order.
pub(super) fn scenes(cast: &Cast, from: UtcMs) -> Vec<Scene> {
    let mut scenes: Vec<Scene> =
        [(CAIRO, (12, 15), "إيقاف"), (KOLKATA, (13, 40), "STOP"), (KOLKATA, (21, 5), "START")]
            .into_iter()
            .filter_map(|(address, (hour, minute), text)| {
                let person = cast.at_address(address)?;
                let time = NaiveTime::from_hms_opt(hour, minute, 0)?;
                let at =
                    person.zone.resolve(person.zone.local(from).date().and_time(time)).instant();
                let at = if at < from { at.plus_ms(DAY_MS) } else { at };
                Some(Scene { at, reply: Reply::text(Channel::Whatsapp, address, text) })
            })
            .collect();
    scenes.sort_by_key(|scene| scene.at);
    scenes
}
