//! The claim: one transaction that re-reads what P6 names, decides, renders, and writes the intents.

use super::compose::{Composition, Hop, record};
use super::effects::Effects;
use super::send::{DelivererDeps, Intent, Take};
use crate::care::contact::KnownContact;
use crate::care::hold::Hold;
use crate::care::ids::{ActivityId, AttemptId, MessageId, PatientId, TaskId};
use crate::care::programme::Programme;
use crate::care::time::{DAY_MS, MINUTE_MS};
use crate::care::{
    AttemptState, ChannelKind, Class, MessageState, Reason, ReminderState, UtcMs, Zone,
};
use crate::channel::Channel;
use crate::crash;
use crate::message::{NotRenderable, Repeat as Saying};
use crate::policy::contact_choice::{Choice, choose};
use crate::policy::grouping::{lane, sender_of};
use crate::policy::held_back::{Held, falls_back, held_back};
use crate::policy::send::{Due, Review, SlotStanding, Verdict, may_send, stop};
use crate::security::Place;
use crate::store::activities::ActivityRow;
use crate::store::alarms::{Alarm, AlarmKind};
use crate::store::attempts::{AttemptRow, Repeat};
use crate::store::messages::MessageRow;
use crate::store::reminders::{ReminderMove, ReminderRow};
use crate::store::standing::Standing;
use crate::store::story::Turn;
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::{
    Result, Tx, alarms, attempts, database_clock_ms, holds, messages, patients, reminders, standing,
};
use crate::timing::{ActivityContext, activity_slot};
use rand::rngs::StdRng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// A message whose slot moved waits for its patient's wake at the new instant, at least so long, in milliseconds.
const WAKE_FIRST_MS: i64 = 2_000;

/// What a claim of one lane did.
#[derive(Default)]
pub(super) struct Claimed {
    /// Alarms it took.
    pub(super) alarms: usize,
    /// What is to be sent now.
    pub(super) intents: Vec<Intent>,
}

/// Claims up to `limit` messages of a lane and commits their intents.
pub(super) async fn claim_lane(
    deps: &DelivererDeps,
    lane_name: &str,
    take: Take,
    limit: usize,
) -> Result<Claimed> {
    let now = deps.clock.now();
    let mut tx = deps.store.write().await?;
    let due = match take {
        Take::Due => alarms::due(&mut tx, AlarmKind::Message, lane_name, now, limit).await?,
        Take::Held(classes) => alarms::held_due(&mut tx, lane_name, classes, now, limit).await?,
    };
    let claimed = claim_due(deps, &mut tx, lane_name, now, due).await?;
    crash::point("intent-written").await;
    tx.commit().await?;
    crash::point("intent-committed").await;
    Ok(claimed)
}

/// Claims one message alone: after its set failed (P9).
pub(super) async fn claim_one(
    deps: &DelivererDeps,
    lane_name: &str,
    alarm: alarms::Due,
) -> Result<Claimed> {
    let now = deps.clock.now();
    let mut tx = deps.store.write().await?;
    let claimed = claim_due(deps, &mut tx, lane_name, now, vec![alarm]).await?;
    tx.commit().await?;
    Ok(claimed)
}

async fn claim_due(
    deps: &DelivererDeps,
    tx: &mut Tx,
    lane_name: &str,
    now: UtcMs,
    due: Vec<alarms::Due>,
) -> Result<Claimed> {
    if due.is_empty() {
        return Ok(Claimed::default());
    }
    let ids: Vec<Uuid> = due.iter().map(|alarm| alarm.id).collect();
    let owners: BTreeMap<MessageId, MessageRow> =
        messages::claim(tx, &ids).await?.into_iter().map(|row| (row.id, row)).collect();
    // Whoever changes a patient holds the patient's row: what is decided here was not being changed (P6). A busy
    // patient's messages stay due; waiting for the row could wait for somebody who waits for the message.
    let of: Vec<Uuid> = owners.values().map(|message| message.patient.0).collect();
    let free: BTreeSet<PatientId> =
        patients::claim(tx, &of).await?.into_iter().map(|(id, _)| id).collect();
    let mut effects = Effects::default();
    let mut mine = Vec::new();
    for alarm in due {
        let message = owners.get(&MessageId(alarm.id)).filter(|m| free.contains(&m.patient));
        let Some(message) = message else { continue };
        let wake_at = UtcMs(alarm.wake_at_ms);
        effects.drop.push(Alarm::new(AlarmKind::Message, lane_name, wake_at, alarm.id));
        // An alarm that its owner does not name is left over from before a move.
        let named = message.wake_at == Some(wake_at) && message.lane == lane_name;
        if named && message.state == MessageState::Queued {
            mine.push(message.clone());
        }
    }
    let taken = effects.drop.len();
    let facts = Facts::read(deps, tx, &mine, now).await?;
    let mut rng = deps.rng.fork();
    let mut intents = Vec::new();
    let lease_until = facts.database_now.plus_ms(deps.lease_ms);
    for message in mine {
        let mut step =
            Step { deps, facts: &facts, now, lease_until, effects: &mut effects, rng: &mut rng };
        intents.extend(step.decide(message));
    }
    effects.write(tx, &mut rng, now).await?;
    Ok(Claimed { alarms: taken, intents })
}

/// Everything read anew in the claim's transaction.
struct Facts {
    standings: BTreeMap<PatientId, Standing>,
    reminders: BTreeMap<MessageId, Vec<ReminderRow>>,
    newest: BTreeMap<(PatientId, String), UtcMs>,
    unknown: BTreeMap<MessageId, usize>,
    database_now: UtcMs,
    configured: Vec<ChannelKind>,
    /// Those of the configured that are not paused.
    open: Vec<ChannelKind>,
    holds: Vec<Hold>,
}

impl Facts {
    async fn read(
        deps: &DelivererDeps,
        tx: &mut Tx,
        mine: &[MessageRow],
        now: UtcMs,
    ) -> Result<Self> {
        let ids: Vec<MessageId> = mine.iter().map(|m| m.id).collect();
        let mut owners: Vec<PatientId> = mine.iter().map(|m| m.patient).collect();
        owners.sort_unstable();
        owners.dedup();
        let standings = standing::load(tx, deps.store.keys(), &owners).await?;
        let mut by_message: BTreeMap<MessageId, Vec<ReminderRow>> = BTreeMap::new();
        for reminder in reminders::of_messages(tx, &ids).await? {
            if let Some(message) = reminder.message
                && reminder.state == ReminderState::Queued
            {
                by_message.entry(message).or_default().push(reminder);
            }
        }
        let retried: Vec<MessageId> = mine.iter().filter(|m| m.tries > 0).map(|m| m.id).collect();
        let mut unknown: BTreeMap<MessageId, usize> = BTreeMap::new();
        if !retried.is_empty() {
            for attempt in attempts::of_messages(tx, &retried).await? {
                if attempt.state == AttemptState::Unknown {
                    *unknown.entry(attempt.message).or_default() += 1;
                }
            }
        }
        let widest = deps.channels.iter().map(|c| c.capabilities().pair_gap_ms).max();
        let since = now.plus_ms(-widest.unwrap_or(0));
        let newest = attempts::newest_to(tx, &owners, since)
            .await?
            .into_iter()
            .map(|(patient, channel, at)| ((patient, channel), at))
            .collect();
        let holds = holds::all(tx).await?;
        let paused = |channel: &Arc<dyn Channel>| {
            matches!(held_back(now, channel.name(), &holds), Some(Held::Paused { .. }))
        };
        let open = deps.channels.iter().filter(|c| !paused(c)).map(|c| c.kind()).collect();
        Ok(Self {
            open,
            holds,
            standings,
            reminders: by_message,
            newest,
            unknown,
            database_now: database_clock_ms(tx).await?,
            configured: deps.channels.iter().map(|channel| channel.kind()).collect(),
        })
    }
}

struct Step<'a> {
    deps: &'a DelivererDeps,
    facts: &'a Facts,
    now: UtcMs,
    lease_until: UtcMs,
    effects: &'a mut Effects,
    rng: &'a mut StdRng,
}

impl Step<'_> {
    /// Decides one message; returns its intent when it leaves.
    fn decide(&mut self, mut message: MessageRow) -> Option<Intent> {
        let facts = self.facts;
        let deps = self.deps;
        let Some(standing) = facts.standings.get(&message.patient) else {
            self.end(message, MessageState::Cancelled, Reason::PlanChanged, &[]);
            return None;
        };
        let rules = deps
            .programmes
            .get(&standing.row.programme)
            .zip(deps.zones.zone(&standing.row.patient.zone));
        let Some((programme, zone)) = rules else {
            let until = self.now.plus_ms(WAKE_FIRST_MS * 30);
            self.wait(message, until, Reason::NoChannel);
            return None;
        };
        let reminders = facts.reminders.get(&message.id).map_or(&[][..], Vec::as_slice);
        let held = if message.class == Class::Answer {
            Vec::new()
        } else {
            match self.still_due(standing, programme, &zone, reminders) {
                StillDue::Moved { to } => {
                    let until = self.now.plus_ms(WAKE_FIRST_MS).max(to);
                    self.wait(message, until, Reason::Moved { to });
                    return None;
                }
                StillDue::Held(held) if held.is_empty() => {
                    let because = self
                        .effects
                        .reminders
                        .iter()
                        .rev()
                        .find(|moved| reminders.iter().any(|r| r.id == moved.id))
                        .map_or(Reason::PlanChanged, |moved| moved.reason.clone());
                    let state = match because {
                        Reason::PastValidity { .. } => MessageState::Expired,
                        Reason::NeedsReview => MessageState::Blocked,
                        _ => MessageState::Cancelled,
                    };
                    self.end(message, state, because, &[]);
                    return None;
                }
                StillDue::Held(held) => held,
            }
        };
        if let Some(valid_until) = held.iter().map(|(r, _)| r.valid_until).min() {
            message.valid_until = valid_until;
        }
        self.over_the_best_contact(message, standing, programme, &zone, &held)
    }

    /// Which reminders of the message still hold; the others end here, each with its reason.
    fn still_due<'r>(
        &mut self,
        standing: &'r Standing,
        programme: &Programme,
        zone: &Zone,
        reminders: &'r [ReminderRow],
    ) -> StillDue<'r> {
        let routine = standing.row.patient.routine.or(&programme.routine);
        let context = ActivityContext { zone, routine: &routine, programme };
        let activities: BTreeMap<ActivityId, &ActivityRow> =
            standing.activities.iter().map(|activity| (activity.id, activity)).collect();
        let mut held = Vec::new();
        for reminder in reminders {
            let Some(&row) = activities.get(&reminder.activity) else { continue };
            let occurrence = activity_slot(&row.activity, context, &reminder.slot);
            let slot = SlotStanding {
                patient: standing.row.status,
                activity: row.activity.status,
                review: if row.needs_review() || row.rejected_revision == Some(row.revision) {
                    Review::Needed
                } else {
                    Review::Clear
                },
                planned: occurrence.as_ref().map(|o| o.at),
            };
            if let Some((state, reason)) = stop(&slot) {
                self.effects.reminders.push(ReminderMove { id: reminder.id, state, reason });
            } else if let Some(moved) = occurrence.filter(|o| o.at != reminder.due_at) {
                return StillDue::Moved { to: moved.at };
            } else if self.now >= reminder.valid_until {
                let by_ms = self.now.since(reminder.valid_until);
                self.effects.reminders.push(ReminderMove {
                    id: reminder.id,
                    state: ReminderState::Expired,
                    reason: Reason::PastValidity { by_ms },
                });
            } else {
                held.push((reminder, row));
            }
        }
        StillDue::Held(held)
    }

    /// Tries contact points from the best down until one can carry the message.
    fn over_the_best_contact(
        &mut self,
        mut message: MessageRow,
        standing: &Standing,
        programme: &Programme,
        zone: &Zone,
        held: &[(&ReminderRow, &ActivityRow)],
    ) -> Option<Intent> {
        let mut first_fault: Option<NotRenderable> = None;
        loop {
            let tried = message.tried.clone();
            let every = Choice {
                now: self.now,
                contacts: &standing.contacts,
                consents: &standing.consents,
                preference: &programme.channels,
                configured: &self.facts.configured,
                tried: &tried,
            };
            // A paused channel is passed over only where the class lets it, and where there is another.
            let open = Choice { configured: &self.facts.open, ..every };
            let choice =
                if falls_back(message.class) && choose(&open).is_ok() { open } else { every };
            let answer_to = message
                .contact_point
                .and_then(|id| standing.contacts.iter().find(|contact| contact.id == id))
                .filter(|contact| !tried.contains(&contact.id));
            if message.contact_point.is_some() && answer_to.is_none() {
                self.no_way(message, standing, Reason::NoContact, first_fault, held);
                return None;
            }
            let due = Due {
                class: message.class,
                valid_until: message.valid_until,
                zone,
                quiet_hours: &programme.quiet_hours,
                answer_to,
            };
            let contact = match may_send(self.now, &due, &choice) {
                Verdict::Send(contact) => contact,
                Verdict::Wait { until, because } => {
                    self.wait(message, until, because);
                    return None;
                }
                Verdict::End { state: MessageState::Blocked, because } => {
                    self.no_way(message, standing, because, first_fault, held);
                    return None;
                }
                Verdict::End { state, because } => {
                    self.end(message, state, because, held);
                    return None;
                }
            };
            let Some(channel) = self.deps.channels.by_kind(contact.channel).cloned() else {
                self.no_way(message, standing, Reason::NoChannel, first_fault, held);
                return None;
            };
            if sender_of(&message.lane) != channel.name() {
                self.change_lane(message, channel.name());
                return None;
            }
            if let Some(held) = held_back(self.now, channel.name(), &self.facts.holds) {
                self.hold_back(message, held);
                return None;
            }
            if let Some(until) = self.pair_until(&message, &channel) {
                self.wait(message, until, Reason::Paced { until });
                return None;
            }
            let without = [&tried[..], &[contact.id]].concat();
            let more = choose(&Choice { tried: &without, ..choice }).is_ok();
            let hop = if more && falls_back(message.class) { Hop::MoreToCome } else { Hop::Last };
            match self.intend(&message, standing, programme, zone, held, contact, &channel, hop) {
                Ok(intent) => {
                    self.leave(message, held);
                    return Some(intent);
                }
                Err(fault) => {
                    tracing::warn!(message_id = %message.id, channel = channel.name(), %fault,
                        "a message does not render for a channel");
                    message.tried.push(contact.id);
                    first_fault.get_or_insert(fault);
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what an intent is made of")]
    fn intend(
        &mut self,
        message: &MessageRow,
        standing: &Standing,
        programme: &Programme,
        zone: &Zone,
        held: &[(&ReminderRow, &ActivityRow)],
        contact: &KnownContact,
        channel: &Arc<dyn Channel>,
        hop: Hop,
    ) -> std::result::Result<Intent, NotRenderable> {
        let id = AttemptId::new(self.now, self.rng);
        let again = self.facts.unknown.get(&message.id).is_some_and(|unknown| *unknown > 0);
        let composition = Composition {
            now: self.now,
            catalogue: &self.deps.catalogue,
            programme,
            zone,
            standing,
            message,
            reminders: held,
            repeat: if again { Saying::Again } else { Saying::First },
        };
        let outbound = composition.outbound(id, contact, channel.capabilities(), hop)?;
        let place = Place { table: "attempts", column: "content", row: id.0.as_bytes() };
        let content = standing.row.key.seal(place, record(&outbound).expose(), self.rng);
        let token = crate::care::ids::new_uuid(self.now, self.rng);
        self.effects.intents.push(AttemptRow {
            id,
            message: message.id,
            patient: message.patient,
            contact_point: contact.id,
            channel: channel.name().to_owned(),
            number: message.tries + 1,
            repeat: if again { Repeat::Again } else { Repeat::First },
            state: AttemptState::Intent,
            reason: if again { Reason::Repeated } else { Reason::Due },
            instance: self.deps.instance,
            token,
            lease_until: self.lease_until,
            intent_at: self.now,
            ended_at: None,
            code: None,
            provider_id: None,
            content,
            wake_at: None,
        });
        Ok(Intent {
            id,
            token,
            patient: message.patient,
            class: message.class,
            channel: Arc::clone(channel),
            outbound,
        })
    }

    fn leave(&mut self, mut message: MessageRow, held: &[(&ReminderRow, &ActivityRow)]) {
        message.state = MessageState::Sending;
        message.reason = Reason::Due;
        message.tries += 1;
        message.wake_at = None;
        message.updated_at = self.now;
        self.effects.messages.push(message);
        self.effects.reminders.extend(held.iter().map(|(reminder, _)| ReminderMove {
            id: reminder.id,
            state: ReminderState::Sending,
            reason: Reason::Due,
        }));
    }

    fn wait(&mut self, mut message: MessageRow, until: UtcMs, because: Reason) {
        self.tell(message.id.0, MessageState::Queued.word(), &because);
        message.reason = because;
        message.wake_at = Some(until);
        message.updated_at = self.now;
        self.effects.messages.push(message);
    }

    /// A hold keeps it: it stays due. What might go over another channel is looked at again in a minute.
    fn hold_back(&mut self, mut message: MessageRow, held: Held) {
        let because = held.reason();
        if message.reason != because {
            self.tell(message.id.0, MessageState::Queued.word(), &because);
        }
        let again = match held {
            Held::Paused { .. } if falls_back(message.class) => self.now.plus_ms(MINUTE_MS),
            _ => self.now,
        };
        message.wake_at = Some(again.min(message.valid_until));
        message.reason = because;
        message.updated_at = self.now;
        self.effects.messages.push(message);
    }

    fn change_lane(&mut self, mut message: MessageRow, sender: &str) {
        message.lane = lane(message.class, message.answering(), Some(sender));
        message.wake_at = Some(self.now);
        message.updated_at = self.now;
        self.effects.messages.push(message);
    }

    /// No contact point can carry it; a text that is missing is named rather than a contact.
    fn no_way(
        &mut self,
        message: MessageRow,
        standing: &Standing,
        because: Reason,
        fault: Option<NotRenderable>,
        held: &[(&ReminderRow, &ActivityRow)],
    ) {
        let Some(fault) = fault else {
            let failed_before = message.tries > 0 && because == Reason::NoContact;
            let state = if failed_before { MessageState::Failed } else { MessageState::Blocked };
            self.end(message, state, because, held);
            return;
        };
        tracing::error!(message_id = %message.id, %fault, "a message has no text: see the open task");
        self.effects.tasks.push(NewTask {
            id: TaskId::new(self.now, self.rng),
            patient: Some(standing.row.id),
            kind: TaskKind::NoText,
            subject: message.id.to_string(),
            reason: Reason::NoText,
            due_at: self.now.plus_ms(DAY_MS),
        });
        self.end(message, MessageState::Blocked, Reason::NoText, held);
    }

    fn end(
        &mut self,
        mut message: MessageRow,
        state: MessageState,
        because: Reason,
        held: &[(&ReminderRow, &ActivityRow)],
    ) {
        let reminder_state = match state {
            MessageState::Expired => ReminderState::Expired,
            MessageState::Blocked => ReminderState::Blocked,
            MessageState::Failed => ReminderState::Failed,
            _ => ReminderState::Cancelled,
        };
        self.effects.reminders.extend(held.iter().map(|(reminder, _)| ReminderMove {
            id: reminder.id,
            state: reminder_state,
            reason: because.clone(),
        }));
        self.tell(message.id.0, state.word(), &because);
        message.state = state;
        message.reason = because;
        message.wake_at = None;
        message.updated_at = self.now;
        self.effects.messages.push(message);
    }

    fn tell(&mut self, subject: Uuid, state: &'static str, reason: &Reason) {
        self.effects.turns.push(Turn { subject, state, reason: reason.clone() });
    }

    /// Until when the pair of sender and patient must rest.
    fn pair_until(&self, message: &MessageRow, channel: &Arc<dyn Channel>) -> Option<UtcMs> {
        let newest = self.facts.newest.get(&(message.patient, channel.name().to_owned()))?;
        let until = newest.plus_ms(channel.capabilities().pair_gap_ms);
        (until > self.now).then_some(until)
    }
}

enum StillDue<'a> {
    Held(Vec<(&'a ReminderRow, &'a ActivityRow)>),
    Moved { to: UtcMs },
}
