//! The daemon's own parts over a channel that accepts at once, in a process of its own: what is left of a message's way
//! is Carebell and its database. Nothing of that way is left out.

use super::process::Installation;
use carebell::care::ChannelKind;
use carebell::care::ids::new_uuid;
use carebell::channel::{
    Callback, Capabilities, Channel, Channels, Event, Outbound, Outcome, Reject, ReminderForm,
    ShownRequest, Unreadable, Verified,
};
use carebell::cli::app::{App, Sources, Stamp};
use carebell::cli::daemon::Daemon;
use carebell::cli::{logging, metrics};
use carebell::config::{Environment, KindConfig};
use carebell::home::Home;
use futures::future::BoxFuture;
use sd_notify::NotifyState;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// The channel's name.
pub const NAME: &str = "none";
/// Set: statements are counted, and nothing is logged.
const COUNT: &str = "COUNT_STATEMENTS";
/// What a line with counts begins with.
const COUNTS: &str = "counts ";

/// Runs as the daemon where this process was started as one (`run --config FILE`), and never returns then.
pub async fn run_if_asked() {
    let words: Vec<OsString> = std::env::args_os().collect();
    if let [_, run, _, config] = &words[..]
        && run == "run"
    {
        serve(Path::new(config)).await;
        std::process::exit(0);
    }
}

/// Has an installation start this daemon instead of the built one.
pub fn take_the_place(installation: &mut Installation) {
    installation.program = std::env::current_exe().unwrap();
}

/// What makes a daemon count its statements.
pub const fn counting() -> (&'static str, &'static str) {
    (COUNT, "1")
}

/// The statements that a daemon of this installation counted until it last heard SIGUSR2: calls and seconds by name.
pub fn counted(installation: &Installation) -> Option<BTreeMap<String, (u64, f64)>> {
    let log = installation.log();
    let last = log.lines().rev().find_map(|line| line.strip_prefix(COUNTS))?;
    Some(serde_json::from_str(last).unwrap())
}

async fn serve(config: &Path) {
    let environment = Environment::of_process();
    let loaded = carebell::config::load(Some(config), &environment).unwrap();
    let counts = environment.variable(COUNT).is_some();
    let _flush = if counts {
        tracing_subscriber::registry().with(Counting).init();
        None
    } else {
        Some(logging::init(&loaded.config.log, &environment).unwrap())
    };
    let _metrics = metrics::install().unwrap();
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    let mut tell = signal(SignalKind::user_defined2()).unwrap();
    let sources = Sources::real();
    let mut app =
        App::open_with(&loaded, sources, Stamp::Configured).await.map_err(|_| ()).unwrap();
    let Some(KindConfig::Whatsapp(whatsapp)) = loaded.config.channels.get("whatsapp") else {
        panic!("no WhatsApp")
    };
    let per_second = whatsapp.messages_per_second;
    app.channels =
        Arc::new(Channels::from(vec![Arc::new(Accepts { per_second }) as Arc<dyn Channel>]));
    let fresh = new_uuid(app.clock.now(), &mut app.rng.fork());
    let home = Arc::new(Home::take(&loaded.config.state_dir, fresh).unwrap());
    let declared = carebell::jobs::load(&loaded.config.schedules.dir).unwrap();
    let (writers, tracker) = (TaskTracker::new(), TaskTracker::new());
    let shutdown = CancellationToken::new();
    let daemon = Daemon::in_home(app, declared, &writers, home);
    daemon.recover().await.unwrap();
    daemon.run(&tracker, &shutdown);
    daemon.jobs().ring(&tracker, shutdown.clone()).await.unwrap();
    let _ = sd_notify::notify(false, &[NotifyState::Ready]);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = tell.recv() => {
                let counts = std::mem::take(&mut *STATEMENTS.lock().unwrap());
                println!("{COUNTS}{}", serde_json::to_string(&counts).unwrap());
            }
        }
    }
    daemon.drain().await.unwrap();
    shutdown.cancel();
    tracker.close();
    tracker.wait().await;
    daemon.app().store.close().await;
}

struct Accepts {
    per_second: f64,
}

impl Channel for Accepts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn kind(&self) -> ChannelKind {
        ChannelKind::Sms
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            reminders: ReminderForm::Text,
            messages_per_second: self.per_second,
            pair_gap_ms: 0,
            request_timeout_ms: 5_000,
        }
    }

    fn send<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::Accepted { ids: vec![outbound.correlation.to_string()] } })
    }

    fn rendered(&self, _outbound: &Outbound) -> Result<ShownRequest, Outcome> {
        Err(Outcome::NotSent { stage: "request" })
    }

    fn verify(&self, _callback: &Callback) -> Result<Verified, Reject> {
        Err(Reject::Unexpected)
    }

    fn events(&self, _callback: &Callback) -> Result<Vec<Event>, Unreadable> {
        Ok(Vec::new())
    }
}

/// Calls and seconds of each statement, by the name in its first line.
static STATEMENTS: LazyLock<Mutex<BTreeMap<String, (u64, f64)>>> = LazyLock::new(Mutex::default);

/// Counts what the driver says of each statement it ran.
struct Counting;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Counting {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut statement = Statement::default();
        event.record(&mut statement);
        let mut counts = STATEMENTS.lock().unwrap();
        let (calls, seconds) = counts.entry(statement.name).or_default();
        *calls += 1;
        *seconds += statement.seconds;
    }
}

#[derive(Default)]
struct Statement {
    name: String,
    seconds: f64,
}

impl tracing::field::Visit for Statement {
    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        if field.name() == "summary" {
            // `-- room::function SELECT ...`, else the statement's first word.
            let named = value.strip_prefix("-- ").unwrap_or(value);
            named.split_whitespace().next().unwrap_or_default().clone_into(&mut self.name);
        }
    }

    fn record_f64(&mut self, field: &tracing::field::Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.seconds = value;
        }
    }
}
