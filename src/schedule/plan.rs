//! The pure half of a wake: which slots get a row now, in which state, and when the patient is due next.

use crate::care::ids::{ActivityId, ReminderId};
use crate::care::programme::Programme;
use crate::care::slot::Planned;
use crate::care::time::{DAY_MS, HOUR_MS, SECOND_MS};
use crate::care::{
    ActivityStatus, Occurrence, PatientStatus, Reason, ReminderState, Routine, Schedule, Slot,
    UtcMs, Zone,
};
use crate::policy::announced::{Candidate, Orphan, WITHIN_MS, already_announced, may_yet_announce};
use crate::policy::send::{Review, SlotStanding, stop};
use crate::policy::validity::valid_until;
use crate::store::activities::ActivityRow;
use crate::store::patients::PatientRow;
use crate::store::reminders::{GapRow, ReminderRow};
use crate::timing::{ActivityContext, expand_activity, next_activity_slot};
use rand::RngCore;
use std::collections::{BTreeMap, BTreeSet};

/// A patient is woken this long before the next due moment, in milliseconds.
pub const LEAD_MS: i64 = 60 * SECOND_MS;
/// Slots overdue by more than this and past their validity are counted, not listed, in milliseconds.
pub const GAP_AFTER_MS: i64 = 48 * HOUR_MS;
/// One wake writes at most this many reminders.
const ROWS: usize = 256;
/// How far the next due moment is looked for, in milliseconds.
const LOOK_AHEAD_MS: i64 = 400 * DAY_MS;
/// A patient whose activities have no slot within sight is looked at again after this, in milliseconds.
const LOOK_AGAIN_MS: i64 = 180 * DAY_MS;

/// What a wake knows.
#[derive(Clone, Copy)]
pub struct Wake<'a> {
    /// Now.
    pub now: UtcMs,
    /// The patient.
    pub row: &'a PatientRow,
    /// The patient's programme.
    pub programme: &'a Programme,
    /// The patient's zone.
    pub zone: &'a Zone,
    /// All activities, stopped ones included.
    pub activities: &'a [ActivityRow],
    /// Reminders that exist, from two days before the mark on.
    pub reminders: &'a [ReminderRow],
    /// Those of them that an attempt was made for: they do not come back (forward-only begins with the intent).
    pub attempted: &'a BTreeSet<ReminderId>,
}

/// What a wake does.
#[derive(Clone, Debug)]
pub struct WakePlan {
    /// New reminders; those in state `queued` want a message.
    pub new: Vec<ReminderRow>,
    /// Reminders that exist and come back or fall on another instant; those in state `queued` want a message.
    pub replanned: Vec<ReminderRow>,
    /// Slots counted instead of listed.
    pub gaps: Vec<GapRow>,
    /// Slots before it have their row now.
    pub expanded_until: UtcMs,
    /// The next alarm.
    pub wake_at: Option<UtcMs>,
}

/// Plans one wake. Pure: same input, same plan.
pub fn plan_wake(wake: &Wake<'_>, rng: &mut dyn RngCore) -> WakePlan {
    let horizon = wake.now.plus_ms(LEAD_MS);
    let routine = wake.row.patient.routine.or(&wake.programme.routine);
    let from = wake.row.expanded_until.min(horizon);
    let mut due = due_slots(wake, &routine, from, horizon);
    due.slots
        .sort_by_key(|slot| (slot.occurrence.at, slot.activity.id, slot.occurrence.slot.clone()));
    let cut = cut_between_instants(&due.slots);
    let until = cut.map_or(horizon, |at| due.slots[at].occurrence.at);
    due.slots.truncate(cut.unwrap_or(due.slots.len()));

    let mut plan = WakePlan {
        new: Vec::new(),
        replanned: Vec::new(),
        gaps: Vec::new(),
        expanded_until: until,
        wake_at: match cut {
            Some(_) => Some(wake.now),
            // The window ends before the horizon: a millisecond later the next slot lies within it.
            None => due.next.map(|at| at.plus_ms(1 - LEAD_MS).max(wake.now)),
        },
    };
    let existing: BTreeMap<(ActivityId, &Slot), &ReminderRow> =
        wake.reminders.iter().map(|r| ((r.activity, &r.slot), r)).collect();
    let mut orphans = Orphans::of(wake, context(wake, &routine));
    for slot in &due.slots {
        if let Some(reminder) = existing.get(&(slot.activity.id, &slot.occurrence.slot)) {
            plan.replanned.extend(come_back(wake, &due.slots, slot, reminder, &mut orphans));
            continue;
        }
        let newest = newest_due(wake, &due.slots, slot);
        write_new(wake, slot, newest, &mut orphans, &mut plan, rng);
    }
    plan
}

/// A slot that is due within the window.
pub(super) struct DueSlot<'a> {
    pub(super) activity: &'a ActivityRow,
    pub(super) occurrence: Occurrence,
    pub(super) valid_until: UtcMs,
}

pub(super) struct DueSlots<'a> {
    pub(super) slots: Vec<DueSlot<'a>>,
    next: Option<UtcMs>,
}

/// Whether an activity has slots at all: what is stopped, or of a patient who left or died, has none.
pub fn has_slots(row: &PatientRow, activity: &ActivityRow) -> bool {
    let present = !matches!(row.status, PatientStatus::Deceased | PatientStatus::Left);
    let in_force =
        matches!(activity.activity.status, ActivityStatus::Active | ActivityStatus::OnHold);
    present && in_force && activity.rejected_revision != Some(activity.revision)
}

fn context<'a>(wake: &Wake<'a>, routine: &'a Routine) -> ActivityContext<'a> {
    ActivityContext { zone: wake.zone, routine, programme: wake.programme }
}

pub(super) fn due_slots<'a>(
    wake: &Wake<'a>,
    routine: &'a Routine,
    from: UtcMs,
    horizon: UtcMs,
) -> DueSlots<'a> {
    let context = context(wake, routine);
    let mut due = DueSlots { slots: Vec::new(), next: None };
    for activity in wake.activities.iter().filter(|activity| has_slots(wake.row, activity)) {
        let from = from.max(activity.reminders_from);
        let occurrences = expand_activity(&activity.activity, context, from, horizon).occurrences;
        let next = next_activity_slot(
            &activity.activity,
            context,
            horizon.plus_ms(-1),
            horizon.plus_ms(LOOK_AHEAD_MS),
        );
        let look_again = (!matches!(activity.activity.schedule, Schedule::Unscheduled))
            .then(|| wake.now.plus_ms(LOOK_AGAIN_MS));
        due.next = [due.next, next.or(look_again)].into_iter().flatten().min();
        let instants: Vec<UtcMs> = occurrences.iter().map(|o| o.at).collect();
        for (index, occurrence) in occurrences.into_iter().enumerate() {
            let after = instants.get(index + 1).copied().or(next);
            let start = match activity.activity.schedule {
                Schedule::Appointment { start } => Some(start),
                Schedule::Dosages(_) | Schedule::Protocol { .. } | Schedule::Unscheduled => None,
            };
            due.slots.push(DueSlot {
                activity,
                valid_until: valid_until(
                    activity.activity.class,
                    occurrence.at,
                    after,
                    wake.zone,
                    start,
                ),
                occurrence,
            });
        }
    }
    due
}

/// Where to cut so that at most [`ROWS`] slots stay and no instant is split; `None`: all stay.
fn cut_between_instants(slots: &[DueSlot<'_>]) -> Option<usize> {
    let over = slots.get(ROWS)?.occurrence.at;
    let cut = slots.partition_point(|slot| slot.occurrence.at < over);
    // More than ROWS slots on one instant stay together: an instant is never split.
    if cut > 0 {
        return Some(cut);
    }
    let after = slots.partition_point(|slot| slot.occurrence.at <= over);
    (after < slots.len()).then_some(after)
}

pub(super) fn standing(row: &PatientRow, slot: &DueSlot<'_>) -> SlotStanding {
    SlotStanding {
        patient: row.status,
        activity: slot.activity.activity.status,
        review: if slot.activity.needs_review() { Review::Needed } else { Review::Clear },
        planned: Some(slot.occurrence.at),
    }
}

/// A later slot of the same activity that is due as well and still of use: after an outage the newest one is
/// announced alone (design.md section 6).
fn newest_due<'s>(
    wake: &Wake<'_>,
    slots: &'s [DueSlot<'_>],
    slot: &DueSlot<'_>,
) -> Option<&'s Slot> {
    slots
        .iter()
        .rev()
        .find(|other| {
            other.activity.id == slot.activity.id
                && slot.occurrence.at < other.occurrence.at
                && other.occurrence.at <= wake.now
                && wake.now < other.valid_until
        })
        .map(|other| &other.occurrence.slot)
}

fn write_new(
    wake: &Wake<'_>,
    slot: &DueSlot<'_>,
    newest: Option<&Slot>,
    orphans: &mut Orphans<'_>,
    plan: &mut WakePlan,
    rng: &mut dyn RngCore,
) {
    let at = slot.occurrence.at;
    let past = wake.now >= slot.valid_until;
    let made_by_change = at < wake.row.changed_until;
    if past && wake.now.since(at) > GAP_AFTER_MS {
        if !made_by_change {
            count_gap(plan, slot);
        }
        return;
    }
    let (state, reason) = if let Some(stopped) = stop(&standing(wake.row, slot)) {
        stopped
    } else if past && made_by_change {
        (ReminderState::Superseded, Reason::ChangedAfterDue)
    } else if past {
        let by_ms = wake.now.since(slot.valid_until);
        (ReminderState::Expired, Reason::PastValidity { by_ms })
    } else if let Some(newest) = newest {
        let slot = newest.planned.to_string();
        (ReminderState::Superseded, Reason::MergedInto { slot })
    } else if let Some(announced) = orphans.announced(slot) {
        (ReminderState::Superseded, announced)
    } else {
        (ReminderState::Queued, Reason::Due)
    };
    for merged in &slot.occurrence.merged {
        let into = slot.occurrence.slot.planned.to_string();
        let reason = Reason::MergedInto { slot: into };
        plan.new.push(row(wake, slot, merged.clone(), ReminderState::Superseded, reason, rng));
    }
    plan.new.push(row(wake, slot, slot.occurrence.slot.clone(), state, reason, rng));
}

fn row(
    wake: &Wake<'_>,
    slot: &DueSlot<'_>,
    name: Slot,
    state: ReminderState,
    reason: Reason,
    rng: &mut dyn RngCore,
) -> ReminderRow {
    ReminderRow {
        id: ReminderId::new(wake.now, rng),
        patient: wake.row.id,
        activity: slot.activity.id,
        slot: name,
        due_at: slot.occurrence.at,
        local_time: Planned::Local(slot.occurrence.local).to_string(),
        class: slot.activity.activity.class,
        valid_until: slot.valid_until,
        state,
        reason,
        message: None,
        created_at: wake.now,
        updated_at: wake.now,
    }
}

fn count_gap(plan: &mut WakePlan, slot: &DueSlot<'_>) {
    let at = slot.occurrence.at;
    match plan.gaps.iter_mut().find(|gap| gap.activity == slot.activity.id) {
        Some(gap) => {
            gap.slots += 1;
            gap.to = gap.to.max(at.plus_ms(1));
        }
        None => plan.gaps.push(GapRow {
            activity: slot.activity.id,
            from: at,
            to: at.plus_ms(1),
            slots: 1,
        }),
    }
}

/// A slot that has its reminder: it comes back when what stopped it before its intent is gone, or what was to speak for
/// it, and follows its instant when that moved; both only while it is still valid, and not once its drug was announced
/// by another name.
fn come_back(
    wake: &Wake<'_>,
    slots: &[DueSlot<'_>],
    slot: &DueSlot<'_>,
    reminder: &ReminderRow,
    orphans: &mut Orphans<'_>,
) -> Option<ReminderRow> {
    let valid = wake.now < slot.valid_until;
    let free = stop(&standing(wake.row, slot)).is_none();
    let moved = reminder.due_at != slot.occurrence.at;
    let (state, reason) = match reminder.state {
        ReminderState::Queued if moved => {
            (ReminderState::Queued, Reason::Moved { to: slot.occurrence.at })
        }
        ReminderState::Queued if reminder.message.is_none() && valid && free => {
            (ReminderState::Queued, Reason::Due)
        }
        ReminderState::Suppressed | ReminderState::Blocked | ReminderState::Cancelled
            if valid
                && free
                && reminder.reason != Reason::GoLive
                && !wake.attempted.contains(&reminder.id) =>
        {
            match orphans.announced(slot) {
                Some(announced) => (ReminderState::Superseded, announced),
                None => (ReminderState::Queued, Reason::Reinstated),
            }
        }
        ReminderState::Superseded
            if valid
                && free
                && (was_given_back(wake, reminder)
                    || speaks_again(wake, slots, slot, reminder, orphans.context)) =>
        {
            match orphans.announced(slot) {
                Some(announced) => (ReminderState::Superseded, announced),
                None => (ReminderState::Queued, Reason::Reinstated),
            }
        }
        _ => return None,
    };
    Some(ReminderRow {
        due_at: slot.occurrence.at,
        local_time: Planned::Local(slot.occurrence.local).to_string(),
        valid_until: slot.valid_until,
        state,
        reason,
        message: None,
        updated_at: wake.now,
        ..reminder.clone()
    })
}

/// Whether what had announced the dose under another name did not leave after all.
fn was_given_back(wake: &Wake<'_>, superseded: &ReminderRow) -> bool {
    let Reason::AlreadyAnnounced { reminder } = &superseded.reason else { return false };
    let by = wake.reminders.iter().find(|r| r.id.to_string() == *reminder);
    by.is_some_and(|by| !may_yet_announce(by.state))
}

/// Whether the newer slot that it gave way to was withdrawn before anything of it left, and no other newer one is due.
/// Not a dose: its moment went by when the newer one came due.
fn speaks_again(
    wake: &Wake<'_>,
    slots: &[DueSlot<'_>],
    slot: &DueSlot<'_>,
    superseded: &ReminderRow,
    context: ActivityContext<'_>,
) -> bool {
    let Reason::MergedInto { slot: newer } = &superseded.reason else { return false };
    let is_newer = |r: &&ReminderRow| {
        r.activity == superseded.activity && r.slot.planned.to_string() == *newer
    };
    let is_withdrawn = |r: &ReminderRow| {
        matches!(r.state, ReminderState::Queued | ReminderState::Cancelled)
            && !wake.attempted.contains(&r.id)
            && !around(slot.activity, context, r.due_at)
                .any(|o| o.slot == r.slot || o.merged.contains(&r.slot))
    };
    !superseded.class.is_dose()
        && newest_due(wake, slots, slot).is_none()
        && wake.reminders.iter().find(is_newer).is_some_and(is_withdrawn)
}

/// Doses that were announced under slots the current expansion no longer holds, by drug.
struct Orphans<'a> {
    context: ActivityContext<'a>,
    by_drug: Vec<(String, Orphan)>,
}

impl<'a> Orphans<'a> {
    fn of(wake: &Wake<'_>, context: ActivityContext<'a>) -> Self {
        let activities: BTreeMap<ActivityId, &ActivityRow> =
            wake.activities.iter().map(|activity| (activity.id, activity)).collect();
        let held = |r: &ReminderRow| {
            activities.get(&r.activity).is_some_and(|activity| {
                has_slots(wake.row, activity)
                    && around(activity, context, r.due_at)
                        .any(|o| o.slot == r.slot || o.merged.contains(&r.slot))
            })
        };
        // What used an orphan up and is renamed itself gives the orphan back: it still stands for one dose.
        let used: BTreeSet<&str> = wake
            .reminders
            .iter()
            .filter_map(|r| match &r.reason {
                Reason::AlreadyAnnounced { reminder } if held(r) => Some(reminder.as_str()),
                _ => None,
            })
            .collect();
        let announced = |state| {
            matches!(state, ReminderState::Sent | ReminderState::Sending | ReminderState::Unknown)
        };
        let by_drug = wake
            .reminders
            .iter()
            .filter(|r| r.class.is_dose() && announced(r.state))
            .filter(|r| wake.now.since(r.due_at) < WITHIN_MS)
            .filter(|r| !used.contains(r.id.to_string().as_str()) && !held(r))
            .filter_map(|r| {
                let drug = activities.get(&r.activity)?.activity.drug.as_ref()?.expose().clone();
                Some((drug, Orphan { id: r.id, at: r.due_at }))
            })
            .collect();
        Self { context, by_drug }
    }

    /// Why a slot is not announced: an orphan did so, and is used up.
    fn announced(&mut self, slot: &DueSlot<'_>) -> Option<Reason> {
        if !slot.activity.activity.class.is_dose() {
            return None;
        }
        let drug = slot.activity.activity.drug.as_ref()?.expose();
        let same: Vec<Orphan> =
            self.by_drug.iter().filter(|(of, _)| of == drug).map(|(_, orphan)| *orphan).collect();
        if same.is_empty() {
            return None;
        }
        let at = slot.occurrence.at;
        let neighbour = around(slot.activity, self.context, at)
            .map(|o| o.at)
            .filter(|other| *other != at)
            .min_by_key(|other| other.since(at).abs());
        let orphan = already_announced(Candidate { at, neighbour }, &same)?;
        self.by_drug.retain(|(_, other)| other.id != orphan.id);
        Some(Reason::AlreadyAnnounced { reminder: orphan.id.to_string() })
    }
}

/// An activity's due moments near an instant.
fn around(
    activity: &ActivityRow,
    context: ActivityContext<'_>,
    at: UtcMs,
) -> impl Iterator<Item = Occurrence> {
    let (from, to) = (at.plus_ms(-WITHIN_MS), at.plus_ms(WITHIN_MS));
    expand_activity(&activity.activity, context, from, to).occurrences.into_iter()
}
