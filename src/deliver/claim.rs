//! The claim: one transaction that re-reads what P6 names, decides, renders, and writes the intents.

use super::backlog::{self, Pressure, Taken};
use super::effects::Effects;
use super::media::Shelf;
use super::money::{self, Purse};
use super::parts::{self, Begun};
use super::send::{DelivererDeps, Intent, Take};
use super::step::Step;
use crate::care::hold::Hold;
use crate::care::ids::{ContactPointId, MessageId, PatientId, distinct};
use crate::care::{
    Address, AttemptState, ChannelKind, Class, HeldTemplate, MessageState, Reason, ReminderState,
    UtcMs,
};
use crate::channel::Channel;
use crate::crash;
use crate::home;
use crate::policy::backlog::has_piled_up;
use crate::policy::held_back::{Held, held_back};
use crate::policy::pair::PairPace;
use crate::store::alarms::{Alarm, AlarmKind};
use crate::store::invites::InviteRow;
use crate::store::messages::MessageRow;
use crate::store::reminders::ReminderRow;
use crate::store::standing::Standing;
use crate::store::{
    Result, Tx, alarms, attempts, database_clock_ms, holds, homes, invites, messages, patients,
    reach, reminders, spending, standing, templates,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// What a claim of one lane did.
#[derive(Default)]
pub(super) struct Claimed {
    /// Alarms it took.
    pub(super) alarms: usize,
    /// What is to be sent now.
    pub(super) intents: Vec<Intent>,
    /// Sends of this home with these, by the database.
    pub(super) sends: i64,
    /// The database counts fewer sends than this home remembers: nothing was claimed.
    pub(super) regressed: bool,
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
    let taken = match take {
        Take::Due => backlog::take(&mut tx, lane_name, now, limit).await?,
        Take::Held(classes) => Taken {
            due: alarms::held_due(&mut tx, lane_name, classes, now, limit).await?,
            pressure: Pressure::Held,
        },
    };
    let ids: Vec<Uuid> = taken.due.iter().map(|alarm| alarm.id).collect();
    let _in_hand = (!ids.is_empty()).then(|| deps.home.in_hand(home::Step::Claim, &ids));
    let claimed = claim_due(deps, &mut tx, lane_name, now, taken).await?;
    commit(deps, tx, claimed, now).await
}

/// Claims one message alone: after its set failed (P9).
pub(super) async fn claim_one(
    deps: &DelivererDeps,
    lane_name: &str,
    alarm: alarms::Due,
) -> Result<Claimed> {
    let now = deps.clock.now();
    let mut tx = deps.store.write().await?;
    let taken = Taken { due: vec![alarm], pressure: Pressure::OnTime };
    let _in_hand = deps.home.in_hand(home::Step::Claim, &[alarm.id]);
    let claimed = claim_due(deps, &mut tx, lane_name, now, taken).await?;
    commit(deps, tx, claimed, now).await
}

/// Commits a claim together with the count of its sends.
async fn commit(
    deps: &DelivererDeps,
    mut tx: Tx,
    mut claimed: Claimed,
    now: UtcMs,
) -> Result<Claimed> {
    let memory = deps.home.memory();
    let more = i64::try_from(claimed.intents.len()).unwrap_or(i64::MAX);
    if more > 0 {
        claimed.sends = homes::rise(&mut tx, memory.home, more, now).await?;
        if claimed.sends < memory.sends.saturating_add(more) {
            // It went back under our feet, behind a connection that was lost and found.
            return Ok(Claimed { regressed: true, ..Claimed::default() });
        }
    }
    crash::point("intent-written").await;
    tx.commit().await?;
    crash::point("intent-committed").await;
    Ok(claimed)
}

async fn claim_due(
    deps: &DelivererDeps,
    tx: &mut Tx,
    lane_name: &str,
    now: UtcMs,
    taken: Taken,
) -> Result<Claimed> {
    let Taken { due, pressure } = taken;
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
    let mut facts = Facts::read(deps, tx, &mine, now).await?;
    let piled_up = |m: &MessageRow| has_piled_up(m.minute, &m.reason, now);
    let folds = match pressure {
        Pressure::Behind => true,
        Pressure::OnTime => mine.iter().any(piled_up),
        Pressure::Held => false,
    };
    if folds {
        backlog::fold(deps, tx, &facts.standings, &mut mine, now).await?;
        facts.reminders = queued(tx, &mine).await?;
    }
    let mut rng = deps.rng.fork();
    let mut intents = Vec::new();
    let lease_until = facts.database_now.plus_ms(deps.lease_ms);
    for message in mine {
        let mut step =
            Step { deps, facts: &facts, now, lease_until, effects: &mut effects, rng: &mut rng };
        intents.extend(step.decide(message));
    }
    money::tell(tx, &facts.purses, &mut effects, &mut rng, now).await?;
    spending::add(tx, deps.home.memory().home, &effects.spent).await?;
    effects.write(tx, &mut rng, now).await?;
    Ok(Claimed { alarms: taken, intents, ..Claimed::default() })
}

/// Everything read anew in the claim's transaction.
pub(super) struct Facts {
    pub(super) standings: BTreeMap<PatientId, Standing>,
    pub(super) reminders: BTreeMap<MessageId, Vec<ReminderRow>>,
    /// Intents of late, in order.
    pub(super) recent: BTreeMap<(PatientId, String), Vec<UtcMs>>,
    /// Where free text is taken, of those to be answered.
    pub(super) windows: BTreeSet<(ContactPointId, String)>,
    /// By what else the owners of addresses are known, where one WhatsApp account tells it.
    pub(super) user_ids: BTreeMap<ContactPointId, Address>,
    /// Where no education goes, of those to be taught.
    pub(super) marketing_stops: BTreeSet<ContactPointId>,
    /// The calendar entries that messages take back or move, the newest of each.
    pub(super) followed: BTreeMap<MessageId, InviteRow>,
    pub(super) unknown: BTreeMap<MessageId, usize>,
    /// Messages that earlier attempts began and did not end, part by part.
    pub(super) begun: BTreeMap<MessageId, Vec<Begun>>,
    /// Messages that an earlier attempt left with a provider, and how we know.
    pub(super) left: BTreeMap<MessageId, Reason>,
    pub(super) database_now: UtcMs,
    /// The end of the gap in which messages went out that this database has no record of.
    pub(super) gap_until: Option<UtcMs>,
    /// Messages with an attempt that ended after that gap.
    pub(super) since_gap: BTreeSet<MessageId>,
    pub(super) configured: Vec<ChannelKind>,
    /// Those of the configured that are not paused.
    pub(super) open: Vec<ChannelKind>,
    pub(super) holds: Vec<Hold>,
    /// The budgets of programmes that have one.
    pub(super) purses: BTreeMap<String, Purse>,
    /// Templates by which nothing may go.
    pub(super) held_templates: Vec<HeldTemplate>,
    /// What providers have of material.
    pub(super) shelf: Shelf,
}

impl Facts {
    async fn read(
        deps: &DelivererDeps,
        tx: &mut Tx,
        mine: &[MessageRow],
        now: UtcMs,
    ) -> Result<Self> {
        let owners = distinct(mine.iter().map(|m| m.patient));
        let standings = standing::load(tx, deps.store.keys(), &owners).await?;
        let retried: Vec<MessageId> = mine.iter().filter(|m| m.tries > 0).map(|m| m.id).collect();
        let gap_until = homes::gap_until(tx).await?;
        let mut since_gap = BTreeSet::new();
        let mut unknown: BTreeMap<MessageId, usize> = BTreeMap::new();
        let mut left = BTreeMap::new();
        let mut halves = Vec::new();
        if !retried.is_empty() {
            for attempt in attempts::of_messages(tx, &retried).await? {
                if attempt.state == AttemptState::Unknown {
                    *unknown.entry(attempt.message).or_default() += 1;
                }
                if gap_until.is_some_and(|until| attempt.ended_at > Some(until)) {
                    since_gap.insert(attempt.message);
                }
                if attempt.own_parts.is_some() && !attempt.state.has_left() {
                    halves.push(attempt.clone());
                }
                if attempt.state.has_left() {
                    left.insert(attempt.message, attempt.reason);
                }
            }
        }
        let widest = deps.channels.iter().map(|c| pair_pace(c.as_ref()).looks_back_ms()).max();
        let since = now.plus_ms(-widest.unwrap_or(0));
        let mut recent: BTreeMap<_, Vec<UtcMs>> = BTreeMap::new();
        for (patient, channel, at) in attempts::intents_to(tx, &owners, since).await? {
            recent.entry((patient, channel)).or_default().push(at);
        }
        let of = |class| distinct(mine.iter().filter(|m| m.class == class).map(|m| m.patient));
        let (asked, taught) = (of(Class::Answer), of(Class::Education));
        let windows = match &asked[..] {
            [] => BTreeSet::new(),
            asked => reach::windows(tx, asked, now).await?,
        };
        let marketing_stops = match &taught[..] {
            [] => BTreeSet::new(),
            taught => reach::marketing_stops(tx, taught).await?,
        };
        // Another account knows the same person by another id.
        let accounts = deps.channels.iter().filter(|c| c.kind() == ChannelKind::Whatsapp).count();
        let rows: Vec<_> = standings.values().map(|standing| &standing.row).collect();
        let user_ids = match accounts {
            1 => reach::user_ids(tx, &rows).await?,
            _ => BTreeMap::new(),
        };
        let for_calendar = mine.iter().filter(|m| m.is_for_calendar()).map(|m| m.id);
        let followed = invites::of_messages(tx, &for_calendar.collect::<Vec<_>>()).await?;
        let followed = followed.into_iter().filter_map(|entry| Some((entry.followed_by?, entry)));
        let holds = holds::holding(tx, deps.instance).await?;
        let paused = |channel: &Arc<dyn Channel>| {
            let held = held_back(now, channel.name(), &holds);
            matches!(held, Some(Held::Paused { .. } | Held::Resting { .. }))
        };
        let open = deps.channels.iter().filter(|c| !paused(c)).map(|c| c.kind()).collect();
        Ok(Self {
            open,
            holds,
            purses: money::purses(deps, tx, standings.values(), now).await?,
            held_templates: templates::held(tx, now).await?,
            shelf: Shelf::read(deps, tx).await?,
            gap_until,
            since_gap,
            standings,
            reminders: queued(tx, mine).await?,
            recent,
            windows,
            followed: followed.collect(),
            marketing_stops,
            user_ids,
            unknown,
            begun: parts::begun(deps, tx, &halves).await?,
            left,
            database_now: database_clock_ms(tx).await?,
            configured: deps.channels.iter().map(|channel| channel.kind()).collect(),
        })
    }
}

/// What a channel allows to one address.
pub(super) fn pair_pace(channel: &dyn Channel) -> PairPace {
    let burst = i64::from(channel.pair_burst());
    PairPace { gap_ms: channel.capabilities().pair_gap_ms, burst }
}

/// The queued reminders that messages speak for.
async fn queued(tx: &mut Tx, mine: &[MessageRow]) -> Result<BTreeMap<MessageId, Vec<ReminderRow>>> {
    let ids: Vec<MessageId> = mine.iter().map(|m| m.id).collect();
    let mut by_message: BTreeMap<MessageId, Vec<ReminderRow>> = BTreeMap::new();
    for reminder in reminders::of_messages(tx, &ids).await? {
        if let Some(message) = reminder.message
            && reminder.state == ReminderState::Queued
        {
            by_message.entry(message).or_default().push(reminder);
        }
    }
    Ok(by_message)
}
