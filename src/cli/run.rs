//! `carebell run`: the daemon under systemd. Start order: lock, database, server, loops, READY; then signals
//! until a drain ends it.

use super::app::{App, Sources, Stamp};
use super::daemon::Daemon;
use super::lock::DaemonLock;
use super::{Context, Exit, Failure};
use crate::config::Engine;
use crate::http::{self, Limits, Parts};
use anyhow::Context as _;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// A drain that takes longer is given up; what is open then is found unknown at the next start.
const DRAIN: Duration = Duration::from_secs(40);
/// How often STATUS= and the watchdog are fed when systemd sets no interval.
const STATUS_EVERY: Duration = Duration::from_secs(10);

pub(super) fn run(_args: &Args, context: &Context) -> Result<(), Failure> {
    let loaded = context.load()?;
    let _flush = super::logging::init(&loaded.config.log, &context.environment)?;
    let metrics = super::metrics::install()?;
    context.block_on(async {
        let _lock = match loaded.config.database.engine() {
            Engine::Sqlite => Some(DaemonLock::take(&loaded.config.state_dir)?),
            Engine::Postgres => None,
        };
        let app = App::open_with(&loaded, Sources::real(), Stamp::Configured).await?;
        let declared = crate::jobs::load(&app.config.schedules.dir).map_err(|problems| {
            Failure::Configuration(
                problems
                    .iter()
                    .map(|p| crate::config::Problem::new(&p.place, &p.what, &p.fix))
                    .collect(),
            )
        })?;
        if let Some(hold) = &app.hold {
            tracing::error!(hold, "nothing is sent: the daemon is on hold");
        }
        let writers = TaskTracker::new();
        let tracker = TaskTracker::new();
        let shutdown = CancellationToken::new();
        let daemon = Daemon::new(app, declared, &writers);
        daemon.recover().await.context("failed to recover the state of an earlier run")?;
        let parts = Parts {
            channels: (*daemon.app().channels).clone(),
            sink: Arc::new(daemon.clone()),
            readiness: Arc::new(daemon.clone()),
            metrics: Arc::new(move || {
                metrics.run_upkeep();
                metrics.render()
            }),
        };
        let limits = Limits::with_max_body_bytes(daemon.app().config.http.max_body_bytes);
        let router = http::router(parts, limits);
        let listen = &daemon.app().config.http.listen;
        let address = http::start(listen, router, limits, &tracker, shutdown.clone())
            .await
            .map_err(|fault| Failure::new(Exit::Failed, fault.to_string(), "set http.listen"))?;
        daemon.run(&tracker, &shutdown);
        let jobs = daemon.jobs().ring(&tracker, shutdown.clone()).await;
        jobs.context("failed to start the job scheduler")?;
        tracing::info!(%address, mode = daemon.app().config.mode.word(),
            database = daemon.app().store.engine().word(), "carebell is ready");
        notify(&[NotifyState::Ready, NotifyState::Status("ready")]);
        let end = until_stopped(&daemon, context).await?;
        notify(&[NotifyState::Stopping, NotifyState::Status("draining")]);
        shutdown.cancel();
        tracker.close();
        drain(&daemon, end).await?;
        tracker.wait().await;
        daemon.app().store.close().await;
        tracing::info!("carebell has stopped");
        Ok(())
    })
}

/// Serves until SIGTERM or SIGINT; SIGHUP checks the configuration anew.
async fn until_stopped(
    daemon: &Daemon,
    context: &Context,
) -> Result<tokio::signal::unix::Signal, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut watchdog_us = 0;
    let watched = sd_notify::watchdog_enabled(false, &mut watchdog_us);
    let every = if watched { Duration::from_micros(watchdog_us) / 3 } else { STATUS_EVERY };
    let mut status = tokio::time::interval(every);
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(terminate),
            _ = interrupt.recv() => return Ok(terminate),
            _ = hang_up.recv() => reload(context),
            _ = status.tick() => feed(daemon).await,
        }
    }
}

/// The watchdog is fed by progress: every loop stepped, and the database answered.
async fn feed(daemon: &Daemon) {
    let stuck = daemon.stuck();
    match daemon.summary().await {
        Ok(summary) if stuck.is_empty() => {
            notify(&[NotifyState::Watchdog, NotifyState::Status(&summary)]);
        }
        Ok(_) => {
            tracing::error!(loops = stuck.join(", "), "loops do not step: the watchdog is not fed");
        }
        Err(fault) => {
            tracing::error!(%fault, "the database does not answer: the watchdog is not fed");
        }
    }
}

/// SIGHUP: the new configuration is checked and told of; what cannot change while running needs a restart, and
/// a faulty one leaves the old in force.
fn reload(context: &Context) {
    let monotonic = NotifyState::monotonic_usec_now();
    let mut states = vec![NotifyState::Reloading];
    states.extend(monotonic.ok());
    notify(&states);
    match context.load() {
        Ok(_) => tracing::warn!("the configuration is valid; restart to put changes into force"),
        Err(failure) => {
            tracing::error!("the new configuration is faulty; the old one stays in force");
            let _ = failure.tell(&context.output);
        }
    }
    notify(&[NotifyState::Ready]);
}

/// Waits for every outcome; a second SIGTERM or too long a wait ends it.
async fn drain(daemon: &Daemon, mut again: tokio::signal::unix::Signal) -> Result<(), Failure> {
    tokio::select! {
        drained = daemon.drain() => Ok(drained.context("failed to drain")?),
        _ = again.recv() => {
            tracing::warn!("stopped at once: open sends are found unknown at the next start");
            Ok(())
        }
        () = tokio::time::sleep(DRAIN) => {
            tracing::error!("the drain took too long: open sends are found unknown at the next start");
            Ok(())
        }
    }
}

fn notify(states: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(false, states);
}
