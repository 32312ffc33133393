//! A database that went back in time (hazard H25): found by what this home remembers, held, and what may have gone in
//! the gap taken for an attempt whose outcome nobody knows.

use super::effects::Effects;
use super::send::Deliverer;
use super::settle::question;
use crate::care::hold::{Hold, Scope};
use crate::care::ids::{AttemptId, ReminderId};
use crate::care::time::MINUTE_MS;
use crate::care::{AttemptState, MessageState, Reason, ReminderState, UtcMs};
use crate::channel::{Channels, Found as Answer};
use crate::home::Memory;
use crate::policy::went_back::{Commits, Found, Known, WentBack, went_back};
use crate::store::attempts::AttemptMove;
use crate::store::homes::{self, RegressionRow};
use crate::store::messages::MessageRow;
use crate::store::meta::{self, fact};
use crate::store::reminders::ReminderMove;
use crate::store::story::{Act, audit};
use crate::store::{Engine, Result, Store, Tx, holds};

/// What a power cut may have taken from a state file, in milliseconds: it is made durable every five seconds.
const FILE_BEHIND_MS: i64 = MINUTE_MS;

/// What the database says of itself and of a home.
struct Here {
    database: String,
    timeline: Option<String>,
    synchronous: bool,
    own: Option<(i64, UtcMs)>,
    all_sends: i64,
}

impl Here {
    async fn read(tx: &mut Tx, memory: &Memory) -> Result<Self> {
        let (timeline, synchronous) = homes::timeline(tx).await?;
        Ok(Self {
            database: meta::get(tx, fact::DATABASE_ID).await?.unwrap_or_default(),
            timeline,
            synchronous,
            own: homes::counter(tx, memory.home).await?,
            all_sends: homes::all_sends(tx).await?,
        })
    }

    fn sends(&self) -> i64 {
        self.own.map_or(0, |(sends, _)| sends)
    }

    fn against(&self, memory: &Memory) -> Option<WentBack> {
        let known = Known {
            database: &memory.database,
            timeline: memory.timeline.as_deref(),
            commits: if memory.synchronous { Commits::OnStandby } else { Commits::Alone },
            sends: memory.sends,
            all_sends: memory.all_sends,
        };
        let found = Found {
            database: &self.database,
            timeline: self.timeline.as_deref(),
            sends: self.sends(),
            all_sends: self.all_sends,
        };
        went_back(&known, &found)
    }

    fn adopted(self, memory: &Memory) -> Memory {
        let sends = self.sends();
        let Self { database, timeline, synchronous, all_sends, .. } = self;
        Memory { database, timeline, synchronous, sends, all_sends, ..memory.clone() }
    }
}

impl Deliverer {
    /// Compares the database with what this home remembers, and holds all sending on every instance when it went
    /// back. Once a person has settled that, the home takes the database as it is.
    ///
    /// # Errors
    /// When the database fails: nothing is claimed until it was compared.
    pub async fn look_back(&self) -> Result<Option<WentBack>> {
        let deps = self.deps();
        let connected = deps.store.connected();
        let memory = deps.home.memory();
        let mut tx = deps.store.read().await?;
        let here = Here::read(&mut tx, &memory).await?;
        let went = here.against(&memory);
        let settled = homes::is_settled(&mut tx, memory.home, &memory.fingerprint()).await?;
        drop(tx);
        metrics::gauge!("carebell_database_went_back")
            .set(f64::from(u8::from(went.is_some() && !settled)));
        match went {
            Some(went) if !settled => {
                self.doubt();
                self.hold(&memory, &here, went).await?;
                Ok(Some(went))
            }
            _ => {
                match deps.home.adopt(here.adopted(&memory)) {
                    Ok(()) => self.shared.compared(connected),
                    Err(fault) => tracing::error!(%fault, "the state file cannot be written"),
                }
                Ok(None)
            }
        }
    }

    async fn hold(&self, memory: &Memory, here: &Here, went: WentBack) -> Result<()> {
        let deps = self.deps();
        let now = deps.clock.now();
        // Only one daemon writes to a SQLite file; on a server others may have sent until they find this too.
        let until = match (deps.store.engine(), went) {
            (Engine::Sqlite, WentBack::Forgot { .. }) => {
                memory.sent_at.plus_ms(FILE_BEHIND_MS).min(now)
            }
            _ => now,
        };
        let row = RegressionRow {
            home_id: memory.home,
            knew: memory.fingerprint(),
            kind: went.word().to_owned(),
            host: deps.host.clone(),
            file_sends: memory.sends,
            database_sends: here.sends(),
            from_ms: here.own.map(|(_, at)| at.0),
            until_ms: until.0,
            found_at_ms: now.0,
        };
        let hold = Hold {
            scope: Scope::Restored,
            until: None,
            actor: format!("carebell on {}", deps.host),
            because: format!("{went}; carebell reconcile lists and settles"),
            at: now,
        };
        let mut tx = deps.store.write().await?;
        homes::found(&mut tx, &row).await?;
        if holds::set_once(&mut tx, &hold).await? {
            tracing::error!(%went, home = %memory.home,
                "the database went back in time: nothing is sent until carebell reconcile --settle");
            let detail = serde_json::json!(row).to_string();
            let act = Act {
                actor: &hold.actor,
                action: "restored.hold",
                subject: &memory.home.to_string(),
                detail: &detail,
            };
            audit(&mut tx, &mut deps.rng.fork(), &act, now).await?;
        }
        tx.commit().await
    }
}

/// A message that may have gone in the gap: an attempt that the database forgot, whose outcome is unknown. The
/// provider is asked, then its class decides, as with any other (design.md section 6).
///
/// The attempt is the one that the claim has composed; `now` its end.
pub(super) fn take_for_gone(
    effects: &mut Effects,
    mut message: MessageRow,
    reminders: impl Iterator<Item = ReminderId>,
    now: UtcMs,
) {
    let Some(row) = effects.intents.last_mut().filter(|row| row.message == message.id) else {
        return;
    };
    row.state = AttemptState::Unknown;
    row.reason = Reason::RestoredBackup;
    row.intent_at = message.minute;
    let moved = row.moved_to(AttemptState::Unknown, Reason::RestoredBackup);
    effects.attempts.push(AttemptMove { wake_at: Some(now), ..moved });
    effects.reminders.extend(reminders.map(|id| ReminderMove {
        id,
        state: ReminderState::Unknown,
        reason: Reason::RestoredBackup,
    }));
    message.state = MessageState::Unknown;
    message.reason = Reason::RestoredBackup;
    message.tries += 1;
    message.wake_at = None;
    message.updated_at = now;
    effects.messages.push(message);
}

/// What the provider says of an attempt whose outcome is open; `None` where it cannot be asked or does not know.
///
/// # Errors
/// When the database fails, or the attempt cannot be read.
pub async fn ask_provider(
    store: &Store,
    channels: &Channels,
    attempt: AttemptId,
) -> Result<Option<Answer>> {
    let mut tx = store.read().await?;
    let question = question(store, channels, &mut tx, attempt).await?;
    drop(tx);
    Ok(match question {
        Some((channel, look_up)) => channel.look_up(&look_up).await,
        None => None,
    })
}
