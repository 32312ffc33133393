//! What there is around a moment, and for every activity that was silent, why.

use super::story::Reminder;
use crate::care::ids::{ActivityId, PatientId};
use crate::care::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::care::{Programme, Reason, UtcMs, Zone};
use crate::cli::app::App;
use crate::cli::installation::When;
use crate::cli::{Failure, printable, wrapped};
use crate::schedule::{LEAD_MS, why_silent};
use crate::store::activities::ActivityRow;
use crate::store::reminders::{self, GapRow, ReminderRow};
use crate::store::standing::Standing;
use crate::store::{Tx, patients::PatientRow};
use crate::timing::{ActivityContext, expand_activity, next_activity_slot};
use serde::Serialize;
use std::fmt::Write as _;

/// Reminders so close to the moment are shown with it, in milliseconds.
const NEARBY_MS: i64 = 2 * HOUR_MS;
/// How far back the slot before is looked for, and how far ahead the one after, in milliseconds.
const BACK_MS: i64 = 35 * DAY_MS;
const AHEAD_MS: i64 = 400 * DAY_MS;

/// What is known of a moment.
#[derive(Debug, Serialize)]
pub(super) struct Around {
    patient: PatientId,
    status: &'static str,
    at: When,
    reminders: Vec<Reminder>,
    without_reminder: Vec<Silence>,
}

/// An activity that has no reminder in that minute.
#[derive(Debug, Serialize)]
struct Silence {
    activity: ActivityId,
    kind: &'static str,
    cause: Cause,
    why: String,
    slot_before: Option<When>,
    slot_after: Option<When>,
}

/// Why there is no reminder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
enum Cause {
    /// The activity has no slots at all.
    NoSlots { reason: Reason },
    /// It has none in this minute.
    NoSlotThen,
    /// It has one, before its reminders begin.
    BeforeRemindersFrom { from: UtcMs },
    /// It was found too late to be listed.
    CountedInGap { slots: i64 },
    /// It is still to come.
    NotYetDue { written_at: UtcMs },
    /// Its time has come, but nobody has woken the patient.
    NotWoken { expanded_until: UtcMs },
    /// A change made it when it was long past.
    MadeByChange,
}

/// Why an activity that has no reminder at `at` has none. `slot` is the plan's slot in that minute.
fn cause(
    now: UtcMs,
    patient: &PatientRow,
    activity: &ActivityRow,
    slot: Option<UtcMs>,
    gaps: &[GapRow],
) -> Cause {
    if let Some(reason) = why_silent(patient, activity) {
        return Cause::NoSlots { reason };
    }
    let Some(at) = slot else { return Cause::NoSlotThen };
    let covers = |gap: &&GapRow| gap.activity == activity.id && gap.from <= at && at < gap.to;
    if at < activity.reminders_from {
        Cause::BeforeRemindersFrom { from: activity.reminders_from }
    } else if let Some(gap) = gaps.iter().find(covers) {
        Cause::CountedInGap { slots: gap.slots }
    } else if at.plus_ms(-LEAD_MS) > now {
        Cause::NotYetDue { written_at: at.plus_ms(-LEAD_MS) }
    } else if at >= patient.expanded_until {
        Cause::NotWoken { expanded_until: patient.expanded_until }
    } else {
        Cause::MadeByChange
    }
}

impl Cause {
    fn text(&self, zone: &Zone) -> String {
        let when = |at: &UtcMs| When::new(*at, Some(zone));
        match self {
            Self::NoSlots { reason } => format!("it has no slots: {reason}"),
            Self::NoSlotThen => "its plan has no slot at that time".to_owned(),
            Self::BeforeRemindersFrom { from } => {
                format!("it has a slot then, but its reminders begin at {}", when(from))
            }
            Self::CountedInGap { slots } => {
                format!("found more than two days overdue: counted with {slots} in a gap row")
            }
            Self::NotYetDue { written_at } => {
                format!("not yet due: its reminder is written at {}", when(written_at))
            }
            Self::NotWoken { expanded_until } => format!(
                "due, but nothing woke the patient after {}: is a daemon running?",
                when(expanded_until)
            ),
            Self::MadeByChange => {
                "a change made this slot when it was more than two days past".to_owned()
            }
        }
    }
}

/// What there is around `at`.
pub(super) async fn around(
    app: &App,
    tx: &mut Tx,
    standing: &Standing,
    programme: &Programme,
    zone: &Zone,
    at: UtcMs,
) -> Result<Around, Failure> {
    let row = &standing.row;
    let (from, to) = (at.plus_ms(-NEARBY_MS), at.plus_ms(NEARBY_MS));
    let near = reminders::around(tx, row.id, from, to).await?;
    let ids: Vec<ActivityId> = standing.activities.iter().map(|activity| activity.id).collect();
    let gaps = reminders::gaps_of(tx, &ids).await?;
    let routine = row.patient.routine.or(&programme.routine);
    let context = ActivityContext { zone, routine: &routine, programme };
    let now = app.clock.now();
    let minute = at.minute();
    let has_one = |activity: &&ActivityRow| {
        let then = |r: &ReminderRow| r.activity == activity.id && r.due_at.minute() == minute;
        near.iter().any(then)
    };
    let silent = standing.activities.iter().filter(|activity| !has_one(activity));
    let without_reminder = silent.map(|activity| {
        let plan = &activity.activity;
        let slots = |from, to| expand_activity(plan, context, from, to).occurrences;
        let then = slots(minute, minute.plus_ms(MINUTE_MS)).first().map(|slot| slot.at);
        let cause = cause(now, row, activity, then, &gaps);
        let before = slots(minute.plus_ms(-BACK_MS), minute).last().map(|slot| slot.at);
        let last = minute.plus_ms(MINUTE_MS - 1);
        let after = next_activity_slot(plan, context, last, last.plus_ms(AHEAD_MS));
        let has_slots = !matches!(cause, Cause::NoSlots { .. });
        let when = |at: Option<UtcMs>| at.filter(|_| has_slots).map(|at| When::new(at, Some(zone)));
        Silence {
            activity: activity.id,
            kind: plan.kind.word(),
            why: cause.text(zone),
            cause,
            slot_before: when(before),
            slot_after: when(after),
        }
    });
    Ok(Around {
        patient: row.id,
        status: row.status.word(),
        at: When::new(at, Some(zone)),
        without_reminder: without_reminder.collect(),
        reminders: near.iter().map(|row| Reminder::new(row, Some(zone))).collect(),
    })
}

impl Around {
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}, {}\naround {}\n", self.patient, self.status, self.at);
        if self.reminders.is_empty() {
            text += "No reminder within two hours.\n";
        }
        for reminder in &self.reminders {
            let Reminder { id, due, state, why, .. } = reminder;
            let _ = writeln!(text, "{id}, due {due}");
            text += &wrapped(&printable(&format!("{state}: {why}")), 4);
        }
        for silence in &self.without_reminder {
            let _ = writeln!(text, "{} {}", silence.kind, silence.activity);
            text += &wrapped(&printable(&silence.why), 4);
            let slots =
                [("slot before", &silence.slot_before), ("slot after", &silence.slot_after)];
            for (which, slot) in slots {
                if let Some(slot) = slot {
                    let _ = writeln!(text, "    {which}: {slot}");
                }
            }
        }
        text
    }
}
