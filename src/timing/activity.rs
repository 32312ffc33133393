//! When an activity is due, whatever its schedule is made of: dosages, an appointment, a protocol.

use crate::care::{
    Activity, Confidence, Expansion, Note, Occurrence, Programme, Routine, Schedule, Slot, UtcMs,
    Zone,
};
use crate::timing::{self, Context, Decision};

/// What an activity's expansion needs of patient and programme.
#[derive(Clone, Copy, Debug)]
pub struct ActivityContext<'a> {
    /// The patient's zone.
    pub zone: &'a Zone,
    /// The patient's routine, the programme's filled in.
    pub routine: &'a Routine,
    /// The programme: its leads before and after appointments, its protocols.
    pub programme: &'a Programme,
}

impl<'a> ActivityContext<'a> {
    const fn timing<'b>(self, activity: &'b Activity) -> Context<'b>
    where
        'a: 'b,
    {
        Context { zone: self.zone, routine: self.routine, anchor: activity.anchor.as_str() }
    }

    /// All moments of an activity that dosages do not expand: there are few.
    fn moments(self, activity: &Activity) -> Expansion {
        match &activity.schedule {
            Schedule::Appointment { start } => Expansion {
                occurrences: timing::leads(*start, &self.programme.appointment_leads, self.zone),
                ..Expansion::default()
            },
            Schedule::Protocol { name, facts } => match self.programme.protocols.get(name) {
                Some(protocol) => timing::milestones(protocol, facts, self.timing(activity)),
                None => Expansion {
                    confidence: Confidence::Review,
                    notes: vec![Note {
                        rule: Decision::Milestones.rule().to_owned(),
                        text: "the programme has no protocol of this name".to_owned(),
                    }],
                    occurrences: Vec::new(),
                },
            },
            Schedule::Dosages(_) | Schedule::Unscheduled => {
                Expansion { confidence: Confidence::None, ..Expansion::default() }
            }
        }
    }
}

/// The due moments of an activity with `from <= instant < to`.
pub fn expand_activity(
    activity: &Activity,
    context: ActivityContext<'_>,
    from: UtcMs,
    to: UtcMs,
) -> Expansion {
    if let Schedule::Dosages(dosages) = &activity.schedule {
        return timing::expand(dosages, context.timing(activity), from, to);
    }
    let mut expansion = context.moments(activity);
    expansion.occurrences.retain(|occurrence| from <= occurrence.at && occurrence.at < to);
    expansion
}

/// How sure an activity's expansion is, and why.
pub fn activity_confidence(
    activity: &Activity,
    context: ActivityContext<'_>,
) -> (Confidence, Vec<Note>) {
    let (confidence, mut notes) = if let Schedule::Dosages(dosages) = &activity.schedule {
        let compiled = timing::compile(dosages, context.timing(activity));
        (compiled.confidence(), compiled.notes())
    } else {
        let Expansion { confidence, notes, .. } = context.moments(activity);
        (confidence, notes)
    };
    notes.extend(
        activity.review.iter().map(|why| Note { rule: "import".to_owned(), text: why.clone() }),
    );
    if activity.review.is_empty() { (confidence, notes) } else { (Confidence::Review, notes) }
}

/// One slot, re-read: its occurrence as the activity stands now, or `None` when it no longer has it.
pub fn activity_slot(
    activity: &Activity,
    context: ActivityContext<'_>,
    slot: &Slot,
) -> Option<Occurrence> {
    if let Schedule::Dosages(dosages) = &activity.schedule {
        return timing::compile(dosages, context.timing(activity)).slot(slot);
    }
    let mut moments = context.moments(activity).occurrences.into_iter();
    moments.find(|occurrence| occurrence.slot == *slot || occurrence.merged.contains(slot))
}

/// The first due moment after `after` and before `horizon`.
pub fn next_activity_slot(
    activity: &Activity,
    context: ActivityContext<'_>,
    after: UtcMs,
    horizon: UtcMs,
) -> Option<UtcMs> {
    if let Schedule::Dosages(dosages) = &activity.schedule {
        return timing::compile(dosages, context.timing(activity)).next_after(after, horizon);
    }
    let moments = context.moments(activity).occurrences;
    moments.iter().map(|moment| moment.at).filter(|at| *at > after && *at < horizon).min()
}
