//! Outages of providers, as their rests tell, and the report of every outage: one task for each programme.

use super::send::DelivererDeps;
use crate::care::UtcMs;
use crate::care::ids::TaskId;
use crate::care::time::DAY_MS;
use crate::policy::outage::{Outage, Standing, reports, standing};
use crate::store::tasks::{NewTask, TaskKind};
use crate::store::{Result, Tx, backlog, holds, tasks};

/// Looks for channels that rest, and reports the outages that are over.
pub(super) async fn look(deps: &DelivererDeps, now: UtcMs) -> Result<()> {
    let mut tx = deps.store.read().await?;
    let rests = holds::rests(&mut tx, now).await?;
    let open = backlog::open_outages(&mut tx).await?;
    drop(tx);
    let is_known = |(channel, until): &&(String, UtcMs)| {
        open.iter().any(|outage| outage.channel == *channel && outage.until >= *until)
    };
    let news: Vec<_> = rests.iter().filter(|rest| !is_known(rest)).collect();
    let due: Vec<_> =
        open.iter().filter(|outage| standing(outage, now) != Standing::GoesOn).collect();
    if news.is_empty() && due.is_empty() {
        return Ok(());
    }
    let mut tx = deps.store.write().await?;
    for (channel, until) in news {
        if !backlog::prolong_outage(&mut tx, channel, *until).await? {
            backlog::begin_outage(&mut tx, channel, now, *until).await?;
        }
    }
    for outage in due {
        judge(deps, &mut tx, outage, now).await?;
    }
    tx.commit().await
}

async fn judge(deps: &DelivererDeps, tx: &mut Tx, outage: &Outage, now: UtcMs) -> Result<()> {
    // Another instance may have looked meanwhile.
    if !backlog::look_at(tx, outage, now).await? {
        return Ok(());
    }
    if standing(outage, now) == Standing::Brief {
        return backlog::forget_outage(tx, outage).await;
    }
    let toll = backlog::toll(tx, outage).await?;
    let Some(reports) = reports(outage, now, &toll) else { return Ok(()) };
    backlog::reported(tx, outage, now).await?;
    for (programme, reason) in reports {
        tracing::warn!(
            programme,
            channel = outage.channel,
            since = outage.since.rfc3339(),
            until = outage.until.rfc3339(),
            "an outage is over: see the open task"
        );
        let task = NewTask {
            id: TaskId::new(now, &mut deps.rng.fork()),
            patient: None,
            kind: TaskKind::Outage,
            subject: format!("{programme} {} {}", outage.channel, outage.since.rfc3339()),
            reason,
            due_at: now.plus_ms(DAY_MS),
        };
        tasks::open(tx, &task, now).await?;
    }
    metrics::counter!("carebell_outages_total", "channel" => outage.channel.clone()).increment(1);
    Ok(())
}
