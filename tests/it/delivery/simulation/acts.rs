//! What patients, operators and the weather do to the simulated house.

use super::ops::{DOSE_TIMES, RESIDENTS};
use super::world::{LOOK, World};
use crate::house::medicine;
use carebell::care::hold::{Hold, Scope};
use carebell::care::{ActivityStatus, ContactHealth};
use carebell::sandbox::{AnswerFault, Channel, Entry, Fault, Reply, Rule};
use carebell::store::holds;
use carebell::store::patients::{self, HealthMove};

/// A hold of an operator's, and the stretch of the ledger in which it was in force.
pub struct Held {
    /// Which channel; `None` is everything.
    channel: Option<Channel>,
    from: u64,
    to: Option<u64>,
}

impl Held {
    pub fn covers(&self, entry: &Entry) -> bool {
        self.channel.is_none_or(|channel| channel == entry.message.channel)
            && self.from < entry.seq
            && self.to.is_none_or(|to| entry.seq <= to)
    }

    pub fn name(&self) -> &'static str {
        self.channel.map_or("all sending", word)
    }
}

fn scope(channel: Option<Channel>) -> Scope {
    channel.map_or(Scope::Sending, |channel| Scope::Channel(word(channel).to_owned()))
}

/// The configured name of a stand-in's channel.
const fn word(channel: Channel) -> &'static str {
    match channel {
        Channel::Whatsapp => "whatsapp",
        Channel::Twilio => "twilio",
        Channel::Email => "email",
    }
}

impl World {
    pub(super) async fn dose(&mut self, who: usize, time: Option<usize>) {
        let person = &mut self.people[who];
        person.doses.push(time);
        let mut dose = medicine("dose", &[DOSE_TIMES[time.unwrap_or(0)]]);
        if time.is_none() {
            dose.status = ActivityStatus::Stopped;
        }
        self.house.edit(person.dose, person.patient, &dose).await;
    }

    pub(super) async fn health(&self, who: usize, health: ContactHealth) {
        let patient = self.people[who].patient;
        let store = &self.house.app.store;
        let mut tx = store.write().await.unwrap();
        patients::lock(&mut tx, &[patient]).await.unwrap();
        let rows = patients::load(&mut tx, store.keys(), &[patient]).await.unwrap();
        let known = patients::contacts(&mut tx, &rows).await.unwrap();
        let first = known.iter().find(|c| c.address.expose() == RESIDENTS[who].phone()).unwrap();
        let moved = HealthMove { id: first.id, health, code: "operator".to_owned() };
        patients::set_health(&mut tx, &[moved], self.now()).await.unwrap();
        patients::disturb(&mut tx, &[patient], self.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// An operator stops all sending, or one channel.
    pub(super) async fn hold(&mut self, channel: Option<Channel>) {
        if self.holds.iter().any(|held| held.channel == channel && held.to.is_none()) {
            return;
        }
        let hold = Hold {
            scope: scope(channel),
            until: None,
            actor: "operator".to_owned(),
            because: "the list says so".to_owned(),
            at: self.now(),
        };
        let mut tx = self.house.app.store.write().await.unwrap();
        assert!(holds::set_once(&mut tx, &hold).await.unwrap());
        tx.commit().await.unwrap();
        self.holds.push(Held { channel, from: self.last_seq(), to: None });
    }

    pub(super) async fn lift(&mut self, channel: Option<Channel>) {
        let seq = self.last_seq();
        let open = self.holds.iter_mut().find(|held| held.channel == channel && held.to.is_none());
        let Some(held) = open else { return };
        held.to = Some(seq);
        let mut tx = self.house.app.store.write().await.unwrap();
        assert!(holds::lift(&mut tx, &scope(channel)).await.unwrap());
        tx.commit().await.unwrap();
    }

    /// The next answer about a message to somebody comes later than anybody waits for it.
    pub(super) async fn time_out(&mut self, who: usize) {
        let hold = Rule::once(Fault::Answer(AnswerFault::Hold)).to(RESIDENTS[who].phone());
        if self.reach_held(&hold).await {
            let life = &self.lives[0];
            while !life.trap.has_fallen() && !life.daemon.is_quiet().await.unwrap_or(false) {
                let _ = life.trap.run(life.daemon.step()).await;
                self.house.sandbox.tick().await;
                tokio::time::sleep(LOOK).await;
            }
            self.timed_out += 1;
        }
        self.forget(&hold);
        self.settle().await;
    }

    /// Goes on from alarm to alarm until the first daemon waits for an answer that is held back; gives up after
    /// some alarms, and when the daemon dies.
    async fn reach_held(&mut self, hold: &Rule) -> bool {
        self.house.sandbox.faults().add(hold.clone());
        for _ in 0..8 {
            let life = &self.lives[0];
            let Some(next) = life.daemon.next_alarm().await.unwrap() else { return false };
            self.house.clock.set(next.max(self.now()));
            loop {
                let stepped = life.trap.run(life.daemon.step()).await;
                self.house.sandbox.tick().await;
                if life.trap.has_fallen() {
                    return false;
                }
                if self.house.sandbox.held() > 0 {
                    return true;
                }
                let quiet = life.daemon.is_quiet().await.unwrap_or(false);
                if quiet && !matches!(stepped, Some(Ok(true))) {
                    break;
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        false
    }

    /// Takes a rule that nothing met off the script.
    fn forget(&self, unmet: &Rule) {
        let rules = self.house.sandbox.faults().rules();
        self.house.sandbox.faults().clear();
        for rule in rules.into_iter().filter(|rule| rule != unmet) {
            self.house.sandbox.faults().add(rule);
        }
    }

    pub(super) async fn says(&mut self, who: usize, word: &str) {
        // The same minute never hears one person twice: what they said is told apart by its time.
        self.house.clock.advance_ms(1_000);
        // The script may lose callbacks about messages, never what a person says: nobody can heed the unheard.
        let rules = self.house.sandbox.faults().rules();
        self.house.sandbox.faults().clear();
        let resident = &RESIDENTS[who];
        let reply = Reply::text(resident.speaks, resident.phone(), word);
        self.house.sandbox.reply(reply).await.unwrap();
        self.settle().await;
        for rule in rules {
            self.house.sandbox.faults().add(rule);
        }
    }

    /// All daemons die, time passes, one starts.
    pub(super) async fn outage(&mut self, minutes: i64) {
        for life in &self.lives {
            life.trap.fall();
        }
        self.house.clock.advance_ms(minutes * 60_000);
        self.settle().await;
    }

    /// Goes on to the next send, holds its answer, lets the lease end and another daemon take over; then the
    /// stopped one gets its answer.
    pub(super) async fn stall(&mut self, minutes: i64) {
        let hold = Rule::once(Fault::Answer(AnswerFault::Hold));
        if self.reach_held(&hold).await {
            self.stalled += 1;
            self.end_leases().await;
            let other = self.house.daemon();
            other.deliverer().find_lost(&[]).await.unwrap();
            // Receipts come to whoever listens, and what is due by then is settled.
            self.house.clock.advance_ms(minutes * 60_000);
            self.house.sandbox.tick().await;
            while other.step().await.unwrap() {}
            while !other.is_quiet().await.unwrap() {
                other.step().await.unwrap();
                tokio::task::yield_now().await;
            }
        }
        self.forget(&hold);
        self.house.sandbox.release();
        self.settle().await;
    }

    /// PostgreSQL ends every session but the one that asks, while the daemons step.
    pub(super) async fn cut_database(&mut self) {
        if !self.house.database_url().starts_with("postgres") {
            return;
        }
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let life = &self.lives[0];
        let next = life.daemon.next_alarm().await.unwrap();
        self.house.clock.set(next.unwrap_or(self.now()).max(self.now()));
        let (_, _) = tokio::join!(life.trap.run(life.daemon.step()), self.house.damage(cut));
        self.settle().await;
    }
}
