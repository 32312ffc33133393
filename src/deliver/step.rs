//! One message at the moment of its claim: what becomes of it, decided from what was read anew (P6).

use super::calendar::reachable;
use super::claim::{Facts, pair_pace};
use super::compose::{Composition, Hop, Window};
use super::effects::Effects;
use super::ends::WAKE_MISSING_MS;
use super::parts::{Begun, OwnParts};
use super::restored::take_for_gone;
use super::said;
use super::send::{DelivererDeps, Intent};
use crate::care::contact::KnownContact;
use crate::care::ids::{ActivityId, AttemptId};
use crate::care::programme::Programme;
use crate::care::time::SECOND_MS;
use crate::care::{AttemptState, Class, MessageState, Micros, Reason, ReminderState, UtcMs, Zone};
use crate::channel::{Channel, Outbound};
use crate::message::{NotRenderable, Repeat as Saying};
use crate::policy::contact_choice::{Choice, Needs, choose};
use crate::policy::fallback::{self, would_fall_back};
use crate::policy::grouping::sender_of;
use crate::policy::held_back::{Earlier, goes_round, held_back};
use crate::policy::outcome::{Others, still_unknown};
use crate::policy::send::{Due, Review, SlotStanding, Verdict, may_send, stop};
use crate::policy::went_back::may_have_gone;
use crate::store::activities::ActivityRow;
use crate::store::attempts::{AttemptRow, Repeat};
use crate::store::messages::MessageRow;
use crate::store::parts::PartRow;
use crate::store::reminders::{ReminderMove, ReminderRow};
use crate::store::standing::Standing;
use crate::timing::{ActivityContext, activity_slot};
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The step of one message.
pub(super) struct Step<'a> {
    pub(super) deps: &'a DelivererDeps,
    pub(super) facts: &'a Facts,
    pub(super) now: UtcMs,
    pub(super) lease_until: UtcMs,
    pub(super) effects: &'a mut Effects,
    pub(super) rng: &'a mut StdRng,
}

/// A message made for a channel, before it is intended.
struct Ready {
    id: AttemptId,
    outbound: Outbound,
    /// Parts that are with the provider already.
    taken: Vec<PartRow>,
    /// What it costs at most.
    price: Option<Micros>,
}

impl Step<'_> {
    /// Decides one message; returns its intent when it leaves.
    pub(super) fn decide(&mut self, mut message: MessageRow) -> Option<Intent> {
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
            let until = self.now.plus_ms(WAKE_MISSING_MS);
            self.wait(message, until, Reason::NoChannel);
            return None;
        };
        let reminders = facts.reminders.get(&message.id).map_or(&[][..], Vec::as_slice);
        let earlier = self.effects.reminders.len();
        let held = if message.class == Class::Answer {
            Vec::new()
        } else if message.is_for_calendar() {
            message = self.still_news(message, standing, programme, &zone)?;
            Vec::new()
        } else {
            let due = self.still_due(standing, programme, &zone, reminders);
            if let Some(reason) = facts.left.get(&message.id) {
                // Said already over a channel that gave no receipt: nothing undoes it.
                for moved in &mut self.effects.reminders[earlier..] {
                    (moved.state, moved.reason) = (ReminderState::Sent, reason.clone());
                }
            } else if facts.unknown.contains_key(&message.id) {
                let ran_out = |moved: &&mut ReminderMove| moved.state == ReminderState::Expired;
                for moved in self.effects.reminders[earlier..].iter_mut().filter(ran_out) {
                    let reason = still_unknown(message.class);
                    (moved.state, moved.reason) = (ReminderState::Unknown, reason);
                }
            }
            match due {
                StillDue::Moved { to } => {
                    self.wait_for_wake(message, standing, to);
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
                        Reason::PastValidity { .. } | Reason::StaysUnknown | Reason::Dropped => {
                            MessageState::Expired
                        }
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
            let slot = slot_standing(standing, row, context, reminder);
            if let Some((state, reason)) = stop(&slot) {
                self.effects.reminders.push(ReminderMove { id: reminder.id, state, reason });
            } else if let Some(to) = slot.planned.filter(|at| *at != reminder.due_at) {
                return StillDue::Moved { to };
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
        let contacts = reachable(&message, standing);
        let answers = message.class == Class::Answer;
        let (tariff, patient, class) = (&self.deps.tariff, &standing.row.patient, message.class);
        let needs = Needs { class, style: programme.style(patient.text_style) };
        let price = |to: &KnownContact| {
            tariff.foreseen(programme, &patient.language, class, to.channel, to.address.expose())
        };
        loop {
            let mut tried = message.tried.clone();
            if message.class == Class::Education {
                tried.extend(&self.facts.marketing_stops);
            }
            let every = Choice {
                now: self.now,
                contacts: &contacts,
                consents: &standing.consents,
                preference: &programme.channels,
                prefer: programme.prefer,
                needs,
                price: &price,
                configured: &self.facts.configured,
                tried: &tried,
            };
            // A channel that is held is passed over only where the class lets it, and where there is another.
            let open = Choice { configured: &self.facts.open, ..every };
            let goes_round = goes_round(message.class, self.earlier(&message));
            let choice = if goes_round && choose(&open).is_ok() { open } else { every };
            let answer_to = message
                .contact_point
                .filter(|_| answers)
                .and_then(|id| standing.contacts.iter().find(|contact| contact.id == id))
                .filter(|contact| !tried.contains(&contact.id));
            if answers && message.contact_point.is_some() && answer_to.is_none() {
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
                    let stops = &self.facts.marketing_stops;
                    let is_stopped = |c: &KnownContact| c.in_use && stops.contains(&c.id);
                    let stopped = message.class == Class::Education
                        && because == Reason::NoContact
                        && standing.contacts.iter().any(is_stopped);
                    let because = if stopped { Reason::MarketingStopped } else { because };
                    self.no_way(message, standing, because, first_fault, held);
                    return None;
                }
                Verdict::End { state, because } => {
                    self.end(message, state, because, held);
                    return None;
                }
            };
            let is_open = |name: &str| held_back(self.now, name, &self.facts.holds).is_none();
            let channel = self.deps.channels.towards(contact.channel, &contact.address, is_open);
            let Some(channel) = channel.cloned() else {
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
            let others = if more { Others::Left } else { Others::None };
            let hop = would_fall_back(&fallback::Hop {
                class: message.class,
                others,
                habit: channel.receipt_habit(),
                drops_what_lapsed: channel.drops_what_lapsed(),
                dose_fallback: programme.dose_fallback,
                unknown: self.facts.unknown.get(&message.id).copied().unwrap_or(0),
            });
            let hop = if hop { Hop::MoreToCome } else { Hop::Last };
            let composition = Composition {
                now: self.now,
                catalogue: &self.deps.catalogue,
                programme,
                zone,
                standing,
                message: &message,
                reminders: held,
                repeat: if self.is_again(&message) { Saying::Again } else { Saying::First },
                calendar: self.news(&message, standing, programme, zone),
                held: &self.facts.held_templates,
                shelf: &self.facts.shelf,
                window: self.window(contact, channel.name()),
            };
            let ready = match self.ready(composition, contact, &channel, hop) {
                Ok(ready) => ready,
                Err(fault) => {
                    tracing::warn!(message_id = %message.id, channel = channel.name(), %fault,
                        "a message does not render for a channel");
                    message.tried.push(contact.id);
                    first_fault.get_or_insert(fault);
                    continue;
                }
            };
            let held_for_money = self.held_for_money(&message, &programme.name, ready.price);
            if let Some((until, because)) = held_for_money {
                self.wait(message, until, because);
                return None;
            }
            let price = ready.price;
            let mut intent = self.intend(&message, standing, contact, &channel, hop, ready);
            if self.may_have_gone(&message) {
                let reminders = held.iter().map(|(reminder, _)| reminder.id);
                take_for_gone(self.effects, message, reminders, self.now);
                return None;
            }
            intent.paid = self.pay(&programme.name, price);
            self.leave(message, held);
            return Some(intent);
        }
    }

    fn is_again(&self, message: &MessageRow) -> bool {
        self.facts.unknown.get(&message.id).is_some_and(|unknown| *unknown > 0)
    }

    fn window(&self, contact: &KnownContact, channel: &str) -> Window {
        if self.facts.windows.contains(&(contact.id, channel.to_owned())) {
            Window::Open
        } else {
            Window::Closed
        }
    }

    fn earlier(&self, message: &MessageRow) -> Earlier {
        let (left, unknown) = (&self.facts.left, &self.facts.unknown);
        if left.contains_key(&message.id) || unknown.contains_key(&message.id) {
            Earlier::MayHaveLeft
        } else {
            Earlier::NothingLeft
        }
    }

    fn may_have_gone(&self, message: &MessageRow) -> bool {
        may_have_gone(message.class, message.minute, self.facts.gap_until)
            && !self.facts.since_gap.contains(&message.id)
    }

    /// What would be handed to the channel.
    fn ready(
        &mut self,
        composition: Composition<'_>,
        contact: &KnownContact,
        channel: &Arc<dyn Channel>,
        hop: Hop,
    ) -> std::result::Result<Ready, NotRenderable> {
        let id = AttemptId::new(self.now, self.rng);
        let mut composed = composition.outbound(id, contact, channel.as_ref(), hop)?;
        let mut taken = Vec::new();
        if let Some(begun) = self.facts.begun.get(&composition.message.id) {
            // Only what was begun with the very same words is gone on with: two halves of two texts say neither.
            let plain = Composition { repeat: Saying::First, ..composition };
            let plain = plain.outbound(id, contact, channel.as_ref(), hop)?;
            let same = |begun: &&Begun| begun.is_of(contact.id, channel, &plain.outbound);
            if let Some(begun) = begun.iter().rev().find(same) {
                taken = begun.left_to(id);
                composed = plain;
            }
        }
        let price = self.deps.tariff.prices().estimate(composed.charge, contact.address.expose());
        Ok(Ready { id, outbound: composed.outbound, taken, price })
    }

    fn intend(
        &mut self,
        message: &MessageRow,
        standing: &Standing,
        contact: &KnownContact,
        channel: &Arc<dyn Channel>,
        hop: Hop,
        ready: Ready,
    ) -> Intent {
        let Ready { id, mut outbound, taken, .. } = ready;
        outbound.user_id = self.facts.user_ids.get(&contact.id).cloned();
        let again = self.is_again(message);
        self.keep_entry(id, contact, channel.name(), &outbound);
        let own = OwnParts::of(channel.parts(&outbound.content), &taken);
        let content = said::seal(&outbound, id, &standing.row.key, self.rng);
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
            hop_until: (hop == Hop::MoreToCome)
                .then(|| self.now.plus_ms(i64::from(outbound.validity_seconds) * SECOND_MS)),
            own_parts: own.as_ref().map(OwnParts::planned),
            day_costs: channel
                .messages_per_day()
                .map(|_| i64::from(channel.costs(&outbound.content))),
            named_parts: channel.named_parts(&outbound.content).map(i64::from),
        });
        self.effects.parts.extend(taken);
        Intent {
            id,
            token,
            patient: message.patient,
            class: message.class,
            channel: Arc::clone(channel),
            outbound,
            own,
            paid: None,
        }
    }

    /// Until when the pair of sender and patient must rest.
    fn pair_until(&self, message: &MessageRow, channel: &Arc<dyn Channel>) -> Option<UtcMs> {
        let sent = self.facts.recent.get(&(message.patient, channel.name().to_owned()))?;
        pair_pace(channel.as_ref()).free_at(sent, self.now)
    }
}

/// A reminder as patient, activity and plan stand now.
pub(super) fn slot_standing(
    standing: &Standing,
    row: &ActivityRow,
    context: ActivityContext<'_>,
    reminder: &ReminderRow,
) -> SlotStanding {
    SlotStanding {
        patient: standing.row.status,
        activity: row.activity.status,
        review: if row.needs_review() || row.rejected_revision == Some(row.revision) {
            Review::Needed
        } else {
            Review::Clear
        },
        planned: activity_slot(&row.activity, context, &reminder.slot).map(|o| o.at),
    }
}

enum StillDue<'a> {
    Held(Vec<(&'a ReminderRow, &'a ActivityRow)>),
    Moved { to: UtcMs },
}
