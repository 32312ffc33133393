//! Quiet hours by the patient's clock (design.md section 5). Whether a class keeps them is not decided here.

use crate::care::programme::QuietHours;
use crate::care::{UtcMs, Zone};
use chrono::{Days, NaiveDate};

/// When the quiet hours that hold at `now` end; `None` when none hold. Equal ends mean that there are none.
///
/// Both ends are civil times resolved like a dose (P7): in a gap shifted forward, in a fold the first. So an
/// opening, once passed, stays passed when the clock goes back over it.
pub fn opening_after(now: UtcMs, zone: &Zone, hours: &QuietHours) -> Option<UtcMs> {
    let today = zone.local(now).date();
    // A night belongs to the date on which it begins; two dates back, because a zone can skip a whole date.
    (0..=2).filter_map(|days| today.checked_sub_days(Days::new(days))).find_map(|evening| {
        let (closing, opening) = night(evening, zone, hours)?;
        (closing <= now && now < opening).then_some(opening)
    })
}

/// The quiet hours that begin on a date.
fn night(evening: NaiveDate, zone: &Zone, hours: &QuietHours) -> Option<(UtcMs, UtcMs)> {
    let morning = match hours.from.cmp(&hours.to) {
        std::cmp::Ordering::Less => evening,
        std::cmp::Ordering::Equal => return None,
        std::cmp::Ordering::Greater => evening.succ_opt()?,
    };
    let closing = zone.resolve(evening.and_time(hours.from)).instant();
    let opening = zone.resolve(morning.and_time(hours.to)).instant();
    Some((closing, opening))
}
