//! The loops that drive a daemon: each steps, then waits for the next alarm, a hint, or a second of real time at most.

use super::{Daemon, Turn};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The longest wait of a loop: another process's import is seen within it.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// The shortest wait of a loop that has something due it cannot take yet (pace, permits).
const SHORTEST_WAIT: Duration = Duration::from_millis(10);
/// How long a callback waits for others to be applied with.
const GATHER_CALLBACKS: Duration = Duration::from_millis(20);
/// How often lost intents are looked for and the heartbeat is written.
const BEAT: Duration = Duration::from_secs(5);

impl Daemon {
    /// Runs the loops until `shutdown`, on tasks of `tracker`.
    pub fn run(&self, tracker: &TaskTracker, shutdown: &CancellationToken) {
        let (daemon, stop) = (self.clone(), shutdown.clone());
        tracker.spawn(async move { daemon.send_loop(stop).await });
        let (daemon, stop) = (self.clone(), shutdown.clone());
        tracker.spawn(async move { daemon.inbound_loop(stop).await });
        let (daemon, stop) = (self.clone(), shutdown.clone());
        tracker.spawn(async move { daemon.settle_loop(stop).await });
        let (daemon, stop) = (self.clone(), shutdown.clone());
        let media = async move { daemon.media_loop().await };
        // An upload is no message: nothing is lost when it is broken off.
        tracker.spawn(async move { stop.run_until_cancelled(media).await });
    }

    async fn media_loop(&self) {
        loop {
            let wait = match self.step_media().await {
                Ok(()) => BEAT,
                Err(fault) => pause_after(&fault),
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn send_loop(&self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let step = self.step_sends().await;
            self.pulse.beat(0, self.app.clock.now());
            let wait = match step {
                Ok(true) => continue,
                // The next outcome decides; it is waited for below.
                Ok(false) if self.deliverer.in_flight() > 0 => SHORTEST_WAIT,
                Ok(false) => self.until_next_alarm().await,
                Err(fault) => {
                    self.deliverer.doubt();
                    pause_after(&fault)
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.deliverer.outcome_recorded() => {}
                () = self.inbound.applied() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn inbound_loop(&self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let step = self.step_inbound().await;
            self.pulse.beat(1, self.app.clock.now());
            let wait = match step {
                Ok(true) => continue,
                Ok(false) => LONGEST_WAIT,
                Err(fault) => pause_after(&fault),
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                // Where one is, more may follow: they are applied together.
                () = self.inbound.kept() => tokio::time::sleep(GATHER_CALLBACKS).await,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn settle_loop(&self, shutdown: CancellationToken) {
        let mut next_beat = tokio::time::Instant::now();
        while !shutdown.is_cancelled() {
            let beat = tokio::time::Instant::now() >= next_beat;
            if beat {
                next_beat = tokio::time::Instant::now() + BEAT;
            }
            let step = async {
                if beat {
                    self.beat().await?;
                    if self.clock_watch.look().await?.is_none() {
                        self.deliverer.find_lost(&[]).await?;
                    }
                }
                self.step_settling(if beat { Turn::Beat } else { Turn::Between }).await
            };
            let step = step.await;
            self.pulse.beat(2, self.app.clock.now());
            let wait = match step {
                Ok(settled) if settled > 0 => continue,
                Ok(_) => LONGEST_WAIT,
                Err(fault) => pause_after(&fault),
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// How long nothing will be due, a second at most: the wall clock is read anew then.
    async fn until_next_alarm(&self) -> Duration {
        let next = self.next_alarm().await.ok().flatten();
        let Some(next) = next else { return LONGEST_WAIT };
        let ms = u64::try_from(next.since(self.app.clock.now()).max(0)).unwrap_or(0);
        Duration::from_millis(ms).clamp(SHORTEST_WAIT, LONGEST_WAIT)
    }
}

fn pause_after(fault: &crate::store::StoreError) -> Duration {
    tracing::error!(%fault, "a step failed; it is tried again");
    metrics::counter!("carebell_steps_failed_total").increment(1);
    LONGEST_WAIT
}
