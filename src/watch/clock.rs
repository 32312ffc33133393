//! The clock watch: is the wall clock to be believed? It asks before every step of the daemon, tells once when the
//! answer turns, and everything that acts by business time waits meanwhile.

use crate::care::ids::TaskId;
use crate::care::time::{HOUR_MS, Reading};
use crate::care::{Reason, UtcMs};
use crate::clock::{Clock, built_after};
use crate::policy::clock::{Facts, Trouble, Verdict, Witness, judge};
use crate::security::SharedRng;
use crate::store::meta::{self, fact};
use crate::store::tasks::{self, NewTask, TaskKind};
use crate::store::{Engine, Result, Store, Tx, database_clock_ms};
use std::mem::discriminant;
use std::sync::{Arc, Mutex, PoisonError};

/// How often the database is asked when nothing looks wrong, in milliseconds of the steady clock.
const ASK_EVERY_MS: i64 = 5_000;
/// How often the time at which the clock was believed is written down, in milliseconds of the steady clock.
const NOTE_EVERY_MS: i64 = 60_000;

/// Watches the clock of this machine for one process.
#[derive(Clone)]
pub struct ClockWatch {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<SharedRng>,
    host: String,
    memory: tokio::sync::Mutex<Memory>,
    trouble: Mutex<Option<Trouble>>,
}

/// What was read when the clock was last believed.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    last: Option<Reading>,
    database: Option<Reading>,
    /// When the database was asked last, by the steady clock.
    asked_ms: Option<i64>,
    /// When the time was written down last, by the steady clock.
    noted_ms: Option<i64>,
}

/// A host whose clock is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostTrouble {
    /// Host name.
    pub host: String,
    /// Why.
    pub trouble: Trouble,
}

impl std::fmt::Display for HostTrouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "on {} {}: {}", self.host, self.trouble, self.trouble.fix())
    }
}

/// Hosts whose clocks daemons do not believe, as they last told.
///
/// # Errors
/// When the database fails.
pub async fn troubles(tx: &mut Tx) -> Result<Vec<HostTrouble>> {
    let facts = meta::beginning(tx, fact::CLOCK_TROUBLE).await?.into_iter();
    let read = |(host, json): (String, String)| {
        // A word of a newer version is trouble all the same.
        let trouble = serde_json::from_str(&json).unwrap_or(Trouble::Unresolved);
        HostTrouble { host, trouble }
    };
    Ok(facts.map(read).collect())
}

impl ClockWatch {
    /// A watch over this process's clock; `host` names the machine.
    pub fn new(store: Store, clock: Arc<dyn Clock>, rng: Arc<SharedRng>, host: String) -> Self {
        let (memory, trouble) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { store, clock, rng, host, memory, trouble }) }
    }

    /// Why the clock is not believed, as the last look found.
    pub fn trouble(&self) -> Option<Trouble> {
        *self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the clock; tells when it is no longer believed, or again. What it finds also holds for
    /// [`ClockWatch::trouble`].
    ///
    /// # Errors
    /// When the database fails; then nobody knows, and the caller must not act.
    pub async fn look(&self) -> Result<Option<Trouble>> {
        let mut memory = self.shared.memory.lock().await;
        let reading = self.shared.clock.reading();
        let known = self.trouble();
        let asked = memory.asked_ms.is_some_and(|at| reading.steady_ms - at < ASK_EVERY_MS);
        if let (None, Some(last), true) = (known, memory.last, asked) {
            let facts = Facts { reading, last: Some(last), ..self.unasked() };
            if judge(&facts) == Verdict::Fine {
                memory.last = Some(reading);
                return Ok(None);
            }
        }
        let facts = self.facts(&memory, reading).await?;
        memory.asked_ms = Some(reading.steady_ms);
        let found = match judge(&facts) {
            Verdict::Implausible(trouble) => Some(trouble),
            verdict => {
                if let Verdict::Stepped { by_ms } = verdict {
                    metrics::counter!("carebell_clock_steps_total").increment(1);
                    tracing::warn!(by_ms, "the clock was set; daemon time follows it");
                }
                self.shared.clock.accept(reading);
                memory.last = Some(reading);
                let steady_ms = reading.steady_ms;
                memory.database = facts.witness.map(|w| Reading { wall: w.now, steady_ms });
                let noted = memory.noted_ms.is_some_and(|at| steady_ms - at < NOTE_EVERY_MS);
                if !noted || known.is_some() {
                    self.note(reading.wall).await?;
                    memory.noted_ms = Some(steady_ms);
                }
                None
            }
        };
        if let Some(trouble) = found
            && known.as_ref().map(discriminant) != Some(discriminant(&trouble))
        {
            self.tell(trouble).await?;
        }
        if known.is_some() && found.is_none() {
            tracing::info!("the clock is believed again");
        }
        metrics::gauge!("carebell_clock_trouble").set(f64::from(u8::from(found.is_some())));
        *self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(found)
    }

    /// What is to be said of the clock without a daemon's memory: of a command's own look.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn examine(&self) -> Result<Verdict> {
        let reading = self.shared.clock.reading();
        Ok(judge(&self.facts(&Memory::default(), reading).await?))
    }

    /// Writes down a person's word that the clock is right as it is, unless it cannot be; every daemon that shows the
    /// same time believes it within seconds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn confirm(&self) -> Result<Option<Trouble>> {
        if let Verdict::Implausible(trouble) = self.examine().await?
            && !trouble.may_be_confirmed()
        {
            return Ok(Some(trouble));
        }
        let wall = self.shared.clock.reading().wall;
        let mut tx = self.shared.store.write().await?;
        meta::set(&mut tx, fact::CLOCK_CONFIRMED_MS, &wall.0.to_string()).await?;
        // A machine that no daemon runs on keeps no trouble.
        meta::forget(&mut tx, &self.trouble_key()).await?;
        tx.commit().await?;
        Ok(None)
    }

    fn trouble_key(&self) -> String {
        format!("{}{}", fact::CLOCK_TROUBLE, self.shared.host)
    }

    /// What is known without asking the database.
    fn unasked(&self) -> Facts {
        Facts {
            reading: self.shared.clock.reading(),
            last: None,
            witness: None,
            known: None,
            unresolved: false,
            confirmed: None,
            built_after: built_after(),
        }
    }

    async fn facts(&self, memory: &Memory, reading: Reading) -> Result<Facts> {
        let mut tx = self.shared.store.read().await?;
        let tx = &mut tx;
        // SQLite's clock is this machine's own, and a driven clock has no witness.
        let asks = self.shared.store.engine() == Engine::Postgres && !self.shared.clock.is_driven();
        let now = if asks { Some(database_clock_ms(tx).await?) } else { None };
        let left = meta::get(tx, &self.trouble_key()).await?;
        let left = left.map(|json| serde_json::from_str(&json).unwrap_or(Trouble::Unresolved));
        Ok(Facts {
            reading,
            last: memory.last,
            witness: now.map(|now| Witness { now, last: memory.database }),
            known: time(tx, fact::CLOCK_KNOWN_MS).await?,
            unresolved: left.is_some_and(Trouble::outlives_a_restart),
            confirmed: time(tx, fact::CLOCK_CONFIRMED_MS).await?,
            ..self.unasked()
        })
    }

    /// Writes down that the clock is believed, and ends the trouble that was.
    async fn note(&self, wall: UtcMs) -> Result<()> {
        let mut tx = self.shared.store.write().await?;
        meta::set(&mut tx, fact::CLOCK_KNOWN_MS, &wall.0.to_string()).await?;
        meta::forget(&mut tx, &self.trouble_key()).await?;
        tasks::close(&mut tx, TaskKind::Clock, &self.shared.host).await?;
        tx.commit().await
    }

    /// Tells of trouble where people look: log, task, database.
    async fn tell(&self, trouble: Trouble) -> Result<()> {
        let what = trouble.to_string();
        tracing::error!(
            trouble = what,
            fix = trouble.fix(),
            "nothing is sent: the clock is not believed"
        );
        // A clock that is far off must not date the task: this one goes on from the last time believed.
        let now = self.shared.clock.now();
        let task = NewTask {
            id: TaskId::new(now, &mut self.shared.rng.fork()),
            patient: None,
            kind: TaskKind::Clock,
            subject: self.shared.host.clone(),
            reason: Reason::ClockInTrouble { what },
            due_at: now.plus_ms(HOUR_MS),
        };
        let json = serde_json::json!(trouble).to_string();
        let mut tx = self.shared.store.write().await?;
        meta::set(&mut tx, &self.trouble_key(), &json).await?;
        tasks::open(&mut tx, &task, now).await?;
        tx.commit().await
    }
}

async fn time(tx: &mut Tx, key: &str) -> Result<Option<UtcMs>> {
    Ok(meta::get(tx, key).await?.and_then(|ms| ms.parse().ok()).map(UtcMs))
}
