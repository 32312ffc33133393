//! `carebell run`: the daemon under systemd. Start order: lock, database, server, loops, READY; then signals
//! until a drain ends it. SIGHUP drains and starts again with the new configuration, programmes and texts, in
//! the same process and under the same lock; a faulty one leaves the old in force.

use super::app::{App, Sources, Stamp, make_state_dir};
use super::daemon::Daemon;
use super::lock::DaemonLock;
use super::signals::{EndSignals, listen};
use super::{Context, Exit, Failure, media};
use crate::care::hold::{Hold, Scope};
use crate::care::ids::new_uuid;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Engine, Loaded, Problem};
use crate::home::Home;
use crate::http::{self, Limits, Parts};
use crate::jobs::{Declared, Job};
use crate::security::SharedRng;
use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// A drain that takes longer is given up; what is open then is found unknown at the next start.
const DRAIN: Duration = Duration::from_secs(40);
/// Loops and connections that take longer to end, after the drain, stand still.
const CLOSE: Duration = Duration::from_secs(10);
/// How often it is looked whether the loops step.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A database that does not answer a status line for so long does not feed the watchdog.
const SUMMARY_WITHIN: Duration = Duration::from_secs(5);
/// How often STATUS= and the watchdog are fed when systemd sets no interval.
const STATUS_EVERY: Duration = Duration::from_secs(10);

pub(super) fn run(_args: &Args, context: &Context) -> Result<(), Failure> {
    let loaded = context.load()?;
    let _flush = super::logging::init(&loaded.config.log, &context.environment)?;
    let metrics = super::metrics::install()?;
    crate::crash::arm_process(context.environment.variable("CRASH_AT"));
    context.block_on(async {
        let _lock = match loaded.config.database.engine() {
            Engine::Sqlite => Some(DaemonLock::take(&loaded.config.state_dir)?),
            Engine::Postgres => None,
        };
        let home = Arc::new(take_home(&loaded.config.state_dir)?);
        let mut signals = Signals::new()?;
        // One clock for the whole life of the process: a reload must not forget what it was held against.
        let sources = Sources::real();
        let mut ready = Installation::open(&loaded, &sources).await?;
        let house = House { state_dir: &loaded.config.state_dir, sources: &sources, home: &home };
        while let End::Reload(next) = serve(ready, &metrics, &mut signals, context, house).await? {
            ready = *next;
        }
        tracing::info!("carebell has stopped");
        Ok(())
    })
}

/// What stays through every reload.
#[derive(Clone, Copy)]
struct House<'a> {
    state_dir: &'a std::path::Path,
    sources: &'a Sources,
    home: &'a Arc<Home>,
}

/// This instance's place in the state folder, for all its lives.
fn take_home(folder: &std::path::Path) -> Result<Home, Failure> {
    make_state_dir(folder)?;
    let fresh = new_uuid(SystemClock.now(), &mut SharedRng::from_os().fork());
    Home::take(folder, fresh).map_err(|fault| {
        Failure::new(
            Exit::BadConfiguration,
            fault.to_string(),
            "may this user write there? A damaged file is moved away by hand: what went out before must then be \
             looked up at the providers",
        )
    })
}

/// An opened installation, everything of it checked.
struct Installation {
    app: App,
    declared: Vec<Declared>,
}

impl Installation {
    async fn open(loaded: &Loaded, sources: &Sources) -> Result<Self, Failure> {
        let app = App::open_with(loaded, sources.clone(), Stamp::Configured).await?;
        let declared = crate::jobs::load(&app.config.schedules.dir).map_err(|problems| {
            let told = problems.iter().map(|p| Problem::new(&p.place, &p.what, &p.fix));
            Failure::Configuration(told.collect())
        })?;
        Ok(Self { app, declared })
    }
}

/// Why a daemon ended.
enum End {
    Stop,
    Reload(Box<Installation>),
}

struct Signals {
    end: EndSignals,
    hang_up: Signal,
    stop_sending: Signal,
    /// An emergency stop that one life of the daemon could not write to the database, for the next.
    stop: Option<Hold>,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            end: EndSignals::listen()?,
            hang_up: listen(SignalKind::hangup())?,
            stop_sending: listen(SignalKind::user_defined1())?,
            stop: None,
        })
    }
}

/// One life of the daemon, from READY to the end of its drain.
async fn serve(
    installation: Installation,
    metrics: &PrometheusHandle,
    signals: &mut Signals,
    context: &Context,
    house: House<'_>,
) -> Result<End, Failure> {
    let Installation { app, declared } = installation;
    if let Some(hold) = &app.hold {
        tracing::error!(hold, "nothing is sent: the daemon is on hold");
    }
    for Problem { place, what, fix } in media::problems(&app.programmes, &app.channels) {
        tracing::error!(place, what, fix, "a file is left out: the words go without it");
    }
    let (writers, tracker) = (TaskTracker::new(), TaskTracker::new());
    let shutdown = CancellationToken::new();
    let daemon = Daemon::in_home(app, declared, &writers, Arc::clone(house.home));
    if let Some(stop) = signals.stop.take() {
        daemon.deliverer().stop_sending(stop);
    }
    daemon.recover().await.context("failed to recover the state of an earlier run")?;
    let metrics = metrics.clone();
    let parts = Parts {
        channels: (*daemon.app().channels).clone(),
        sink: Arc::new(daemon.clone()),
        leaving: Arc::new(daemon.clone()),
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
    sync_templates(&daemon, &tracker, &shutdown);
    tracing::info!(%address, mode = daemon.app().config.mode.word(),
        database = daemon.app().store.engine().word(), "carebell is ready");
    notify(&[NotifyState::Ready, NotifyState::Status("ready")]);
    let end = tokio::select! {
        end = until_ended(&daemon, signals, context, house) => end,
        // Crash only: nothing is drained over a line that says nothing, and open intents are found at the next start.
        loops = stand_still(&daemon) => return Err(stood_still(&loops)),
    };
    // Callbacks are kept until every outcome is in: a receipt must not find the door shut.
    let end = drain(&daemon, end, signals).await?;
    signals.stop = daemon.deliverer().unwritten_stop();
    shutdown.cancel();
    tracker.close();
    let closed = async {
        tracker.wait().await;
        daemon.app().store.close().await;
    };
    tokio::time::timeout(CLOSE, closed).await.map_err(|_| stood_still(&daemon.stuck()))?;
    Ok(end)
}

/// Templates may have been paused or sorted anew while no daemon ran. Sending does not wait for the answer.
fn sync_templates(daemon: &Daemon, tracker: &TaskTracker, shutdown: &CancellationToken) {
    let (jobs, shutdown) = (daemon.jobs().clone(), shutdown.clone());
    tracker.spawn(async move {
        if let Err(fault) = jobs.run_until(Job::TemplatesSync, &shutdown).await {
            tracing::error!(%fault, "the providers' templates could not be looked at");
        }
    });
}

/// Ends when loops have stood still for too long, with their names.
async fn stand_still(daemon: &Daemon) -> Vec<&'static str> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    // After a stop of the whole process the loops get their turn before the next look.
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        looks.tick().await;
        let gone = daemon.gone(last.elapsed());
        if !gone.is_empty() {
            return gone;
        }
        last = Instant::now();
    }
}

fn stood_still(loops: &[&str]) -> Failure {
    let which = if loops.is_empty() { "the end".to_owned() } else { loops.join(", ") };
    tracing::error!(loops = which, "the daemon stands still and ends itself");
    Failure::new(
        Exit::StoodStill,
        format!("the daemon stood still ({which}): something it waits for never comes"),
        "start it again, as systemd does; look at the way to the database if it comes back",
    )
}

async fn until_ended(
    daemon: &Daemon,
    signals: &mut Signals,
    context: &Context,
    house: House<'_>,
) -> End {
    let mut status = tokio::time::interval(status_every());
    loop {
        tokio::select! {
            () = signals.end.heard() => return End::Stop,
            _ = signals.hang_up.recv() => match reload(context, house).await {
                Ok(next) => {
                    tracing::info!("the new configuration takes over");
                    return End::Reload(Box::new(next));
                }
                Err(failure) => {
                    tracing::error!("the new configuration is faulty; the old one stays in force");
                    let _ = failure.tell(&context.output);
                    notify(&[NotifyState::Ready]);
                }
            },
            _ = signals.stop_sending.recv() => stop_sending(daemon),
            _ = status.tick() => feed(daemon).await,
        }
    }
}

/// SIGUSR1: no send begins any more. The next step writes it to the database, for the other instances.
fn stop_sending(daemon: &Daemon) {
    tracing::error!(
        "SIGUSR1: all sending is stopped; `carebell stop-sending --resume` lets it go on"
    );
    daemon.deliverer().stop_sending(Hold {
        scope: Scope::Sending,
        until: None,
        actor: format!("signal on {}", super::app::host_name()),
        because: "SIGUSR1".to_owned(),
        at: daemon.app().clock.now(),
    });
}

/// The watchdog is fed by progress: every loop stepped, and the database answered.
async fn feed(daemon: &Daemon) {
    let stuck = daemon.stuck();
    match tokio::time::timeout(SUMMARY_WITHIN, daemon.summary()).await {
        Ok(Ok(summary)) if stuck.is_empty() => {
            notify(&[NotifyState::Watchdog, NotifyState::Status(&summary)]);
        }
        Ok(Ok(_)) => {
            tracing::error!(loops = stuck.join(", "), "loops do not step: the watchdog is not fed");
        }
        Ok(Err(fault)) => {
            tracing::error!(%fault, "the database does not answer: the watchdog is not fed");
        }
        Err(_) => {
            let fault = format!("no answer within {} s", SUMMARY_WITHIN.as_secs());
            tracing::error!(fault, "the database does not answer: the watchdog is not fed");
        }
    }
}

/// Opens what the new configuration describes, in full, before the old is let go.
async fn reload(context: &Context, house: House<'_>) -> Result<Installation, Failure> {
    let mut states = vec![NotifyState::Reloading];
    states.extend(NotifyState::monotonic_usec_now().ok());
    notify(&states);
    let loaded = context.load()?;
    if loaded.config.database.engine() == Engine::Sqlite
        && loaded.config.state_dir != house.state_dir
    {
        return Err(Failure::new(
            Exit::BadConfiguration,
            "state_dir has changed, and with it the lock and the database",
            "restart the daemon to move it",
        ));
    }
    Installation::open(&loaded, house.sources).await
}

/// Waits for every outcome. A SIGTERM while a reload drains makes it a stop; one more, or too long a wait, ends
/// it. Until then the watchdog is fed: a slow provider is no reason to be killed.
async fn drain(daemon: &Daemon, mut end: End, signals: &mut Signals) -> Result<End, Failure> {
    if matches!(end, End::Stop) {
        tell_stopping();
    }
    let mut status = tokio::time::interval(status_every());
    let (drained, too_long) = (daemon.drain(), tokio::time::sleep(DRAIN));
    tokio::pin!(drained, too_long);
    loop {
        tokio::select! {
            done = &mut drained => return Ok(done.map(|()| end).context("failed to drain")?),
            () = signals.end.heard() => match end {
                End::Reload(_) => {
                    end = End::Stop;
                    tell_stopping();
                }
                End::Stop => {
                    tracing::warn!("stopped at once: open sends are found unknown at the next start");
                    return Ok(end);
                }
            },
            () = &mut too_long => {
                tracing::error!(
                    "the drain took too long: open sends are found unknown at the next start"
                );
                return Ok(end);
            }
            _ = signals.stop_sending.recv() => stop_sending(daemon),
            _ = status.tick() => notify(&[NotifyState::Watchdog]),
        }
    }
}

/// A third of what the watchdog allows.
fn status_every() -> Duration {
    let mut watchdog_us = 0;
    let watched = sd_notify::watchdog_enabled(false, &mut watchdog_us);
    if watched { Duration::from_micros(watchdog_us) / 3 } else { STATUS_EVERY }
}

fn tell_stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("draining")]);
}

fn notify(states: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(false, states);
}
