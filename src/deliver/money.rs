//! Budgets in the claim: what the month has cost so far, what that holds back, and who is told.

use super::effects::Effects;
use super::send::DelivererDeps;
use super::step::Step;
use crate::care::ids::TaskId;
use crate::care::programme::Budget;
use crate::care::time::{DAY_MS, HOUR_MS};
use crate::care::{Class, Micros, Reason, Spent, UtcMs};
use crate::policy::budget::{Spending, held_for_money, month, spending};
use crate::store::messages::MessageRow;
use crate::store::spending::{Change, Month};
use crate::store::standing::Standing;
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::{Result, Tx, spending as stored, tasks};
use rand::rngs::StdRng;
use std::collections::{BTreeMap, BTreeSet};

/// What waits for money is looked at again after this, in milliseconds: a budget may have been raised.
const LOOK_AGAIN_MS: i64 = HOUR_MS;

/// A programme's budget, and what is spent of it.
pub(super) struct Purse {
    budget: Budget,
    month: Month,
    ends_at: UtcMs,
    /// The month's name, as `2026-11`.
    called: String,
    spent: Spent,
}

/// The purses of these patients' programmes; those without a budget have none.
pub(super) async fn purses<'a>(
    deps: &DelivererDeps,
    tx: &mut Tx,
    standings: impl Iterator<Item = &'a Standing>,
    now: UtcMs,
) -> Result<BTreeMap<String, Purse>> {
    let names: BTreeSet<&str> = standings.map(|s| s.row.programme.as_str()).collect();
    let purse = |name: &str| {
        let programme = deps.programmes.get(name)?;
        let (budget, zone) = (programme.budget?, deps.zones.zone(&programme.zone)?);
        let (begins_at, ends_at) = month(now, &zone);
        Some(Purse {
            budget,
            month: (name.to_owned(), begins_at),
            ends_at,
            called: zone.local(now).format("%Y-%m").to_string(),
            spent: Spent::default(),
        })
    };
    let mut purses: BTreeMap<String, Purse> =
        names.into_iter().filter_map(|name| Some((name.to_owned(), purse(name)?))).collect();
    if !purses.is_empty() {
        let months: Vec<Month> = purses.values().map(|purse| purse.month.clone()).collect();
        let spent = stored::of(tx, &months).await?;
        for purse in purses.values_mut() {
            purse.spent = spent.get(&purse.month).copied().unwrap_or_default();
        }
    }
    Ok(purses)
}

impl Purse {
    /// With what this claim spends.
    fn spent_with(&self, effects: &Effects) -> Spent {
        let here = effects.spent.get(&self.month).copied().unwrap_or_default();
        self.spent.plus(Spent {
            cost: Micros(u64::try_from(here.cost_micros).unwrap_or(0)),
            messages: u64::try_from(here.messages).unwrap_or(0),
        })
    }
}

/// What an intent was counted as, to be taken off again when it surely left nothing.
#[derive(Clone, Debug)]
pub(super) struct Paid {
    month: Month,
    change: Change,
}

impl Paid {
    /// Adds it to what is to be taken off.
    pub(super) fn take_off(&self, changes: &mut BTreeMap<Month, Change>) {
        let sum = changes.entry(self.month.clone()).or_default();
        sum.messages -= self.change.messages;
        sum.cost_micros -= self.change.cost_micros;
    }
}

impl Step<'_> {
    /// Until when and why a message waits for money, if it does.
    pub(super) fn held_for_money(
        &self,
        message: &MessageRow,
        programme: &str,
        price: Option<Micros>,
    ) -> Option<(UtcMs, Reason)> {
        let purse = self.facts.purses.get(programme)?;
        let spent = purse.spent_with(self.effects);
        let because = held_for_money(message.class, price, spent, &purse.budget)?;
        let again = self.now.plus_ms(LOOK_AGAIN_MS);
        Some((again.min(purse.ends_at).min(message.valid_until), because))
    }

    /// Counts an intent.
    pub(super) fn pay(&mut self, programme: &str, price: Option<Micros>) -> Option<Paid> {
        let month = self.facts.purses.get(programme)?.month.clone();
        let cost_micros = i64::try_from(price.unwrap_or_default().0).unwrap_or(i64::MAX);
        let change = Change { messages: 1, cost_micros };
        let sum = self.effects.spent.entry(month.clone()).or_default();
        sum.messages += change.messages;
        sum.cost_micros = sum.cost_micros.saturating_add(change.cost_micros);
        Some(Paid { month, change })
    }
}

/// Opens a task when a budget runs out, and another when it is spent: each once a month, whoever closed it.
pub(super) async fn tell(
    tx: &mut Tx,
    purses: &BTreeMap<String, Purse>,
    effects: &mut Effects,
    rng: &mut StdRng,
    now: UtcMs,
) -> Result<()> {
    for (programme, purse) in purses {
        let spent = purse.spent_with(effects);
        let (word, reason) = match spending(spent, &purse.budget) {
            Spending::Within => continue,
            Spending::RunsOut => {
                ("runs out", Reason::BudgetRunsOut { percent: purse.budget.warn_percent })
            }
            Spending::Spent => match held_for_money(Class::Education, None, spent, &purse.budget) {
                Some(reason) => ("is spent", reason),
                None => continue,
            },
        };
        let subject = format!("{programme} {} {word}", purse.called);
        let known = tasks::about(tx, std::slice::from_ref(&subject)).await?;
        if known.iter().any(|task| task.kind == TaskKind::Budget.word()) {
            continue;
        }
        tracing::warn!(programme, month = purse.called, %reason, "a programme's budget {word}");
        effects.tasks.push(NewTask {
            id: TaskId::new(now, rng),
            patient: None,
            kind: TaskKind::Budget,
            subject,
            reason,
            due_at: now.plus_ms(DAY_MS),
        });
    }
    Ok(())
}
