//! The whole house in one process: stand-in, daemon parts and the daemon's own server over loopback, on a clock
//! that stands still until it is moved.

use super::super::app::{App, Sources, Stamp};
use super::super::daemon::Daemon;
use super::super::{Exit, Failure, stage};
use super::sample::Sample;
use crate::care::{UtcMs, ZoneRules};
use crate::clock::{Clock, ManualClock};
use crate::config::{Environment, Loaded, User};
use crate::http::{self, Limits, Parts};
use crate::import::{Importer, Mode, Options, ResourceReport};
use crate::message::{Catalogue, Programmes};
use crate::sandbox::{Presses, Receipts, Sandbox};
use crate::security::SharedRng;
use crate::store::Result as Stored;
use crate::store::meta::{self, fact};
use crate::zones::Zones;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the stand-in accepted, one JSON object a line, in the state folder.
pub(super) const LEDGER_FILE: &str = "sandbox-ledger.ndjson";
/// What the samples' ids are relative to.
const SAMPLE_SYSTEM: &str = "https://sample.example.org/fhir";
/// How many of the people open what they get over WhatsApp.
const READ_PROBABILITY: f64 = 0.6;
/// How many of them press a button of it.
const PRESS_PROBABILITY: f64 = 0.3;
/// How long a look at what is in flight waits for the next one.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// How many resources the import ended in each way.
pub(super) type Outcomes = BTreeMap<&'static str, usize>;

/// Everything that plays.
pub(super) struct House {
    pub(super) app: App,
    pub(super) daemon: Daemon,
    pub(super) sandbox: Sandbox,
    pub(super) clock: Arc<ManualClock>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

impl House {
    /// Opens a house in an empty folder; its clock shows `from`.
    ///
    /// # Errors
    /// When the folder, the database or a port cannot be used.
    pub(super) async fn open(folder: &Path, seed: u64, from: UtcMs) -> Result<Self, Failure> {
        let clock = Arc::new(ManualClock::new(from));
        let mut loaded = configuration(folder)?;
        let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
        // Twilio's signatures are computed over the public URL, so the port is known before the channels are.
        let no_port = "failed to find a port for the webhooks";
        let listener = TcpListener::bind("127.0.0.1:0").await.context(no_port)?;
        let public_url = format!("http://{}", listener.local_addr().context(no_port)?);
        let sandbox = {
            let mut config = stage::sandbox_config(&built_in_programmes()?);
            config.ledger = Some(folder.join(LEDGER_FILE));
            config.receipts =
                Receipts { read_probability: READ_PROBABILITY, ..Receipts::default() };
            config.presses = Presses { probability: PRESS_PROBABILITY, ..Presses::default() };
            config.seed = seed;
            let sandbox = Sandbox::start(config.clone(), Arc::clone(&clock) as Arc<dyn Clock>)
                .await
                .context("failed to start the providers' stand-in")?;
            loaded.config.channels = stage::channels_of(&config, &sandbox);
            sandbox
        };
        loaded.config.http.public_url.clone_from(&public_url);
        let sources = Sources {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            rng: Arc::new(SharedRng::seeded(seed)),
        };
        let app = App::open_with(&loaded, sources, Stamp::Demo).await?;
        let daemon = Daemon::new(app.clone(), Vec::new(), &tracker);
        daemon.recover().await.context("failed to start the daemon's parts")?;
        let limits = Limits::with_max_body_bytes(app.config.http.max_body_bytes);
        let parts = Parts {
            channels: (*app.channels).clone(),
            sink: Arc::new(daemon.clone()),
            leaving: Arc::new(daemon.clone()),
            readiness: Arc::new(daemon.clone()),
            metrics: Arc::new(String::new),
        };
        let router = http::router(parts, limits);
        http::serve_on(listener, router, limits, &tracker, shutdown.clone());
        sandbox.call_back(&public_url).context("failed to name the webhooks")?;
        sandbox.subscribe(stage::VERIFY_TOKEN).await.context("failed to register the webhook")?;
        Ok(Self { app, daemon, sandbox, clock, tracker, shutdown })
    }

    /// Imports samples as `carebell import` does.
    ///
    /// # Errors
    /// When the database fails, or a sample names no built-in programme.
    pub(super) async fn import(&self, samples: Vec<Sample>) -> Result<Outcomes, Failure> {
        let app = &self.app;
        let importer = Importer::new(
            app.store.clone(),
            Arc::clone(&app.clock),
            Arc::clone(&app.zones) as Arc<dyn ZoneRules>,
            Arc::clone(&app.programmes),
            Arc::clone(&app.rng),
        );
        let mut outcomes = Outcomes::new();
        for Sample { programme, documents } in samples {
            let options = Options {
                programme: app.programmes.get(programme).context("a programme is not built in")?,
                source_system: SAMPLE_SYSTEM.to_owned(),
                assertion: None,
                mode: Mode::Write,
            };
            let mut count = |report: ResourceReport| {
                *outcomes.entry(report.outcome.word()).or_default() += 1;
            };
            let imported = importer.import(documents.into_iter(), &options, &mut count).await;
            imported.with_context(|| format!("failed to import the sample {programme}"))?;
        }
        Ok(outcomes)
    }

    /// Steps until nothing is due, in flight or to be read at the clock's time.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn settle(&self) -> Result<(), Failure> {
        loop {
            let stepped = self.daemon.step().await.context("failed to step the daemon")?;
            self.sandbox.tick().await;
            // The stand-in first: what it posts last is then seen by the daemon's look.
            let idle = self.sandbox.is_idle();
            let quiet = self.daemon.is_quiet().await.context("failed to read the database")?;
            match (stepped, idle && quiet) {
                (true, _) => {}
                (false, true) => return Ok(()),
                (false, false) => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// When something is due next, at the daemon's or at the stand-in's.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn next_at(&self) -> Result<Option<UtcMs>, Failure> {
        let alarm = self.daemon.next_alarm().await.context("failed to read the alarms")?;
        Ok([alarm, self.sandbox.next_at()].into_iter().flatten().min())
    }

    /// Ends everything, so that the folder can be removed.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn close(self) -> Result<(), Failure> {
        self.shutdown.cancel();
        self.daemon.drain().await.context("failed to drain")?;
        self.forget_clock().await.context("failed to write to the database")?;
        self.sandbox.stop().await;
        self.app.store.close().await;
        drop(self.daemon);
        self.tracker.close();
        self.tracker.wait().await;
        Ok(())
    }

    /// Its clock ran ahead of this machine's, which whoever looks around later would be told is behind.
    async fn forget_clock(&self) -> Stored<()> {
        let mut tx = self.app.store.write().await?;
        meta::forget(&mut tx, fact::CLOCK_KNOWN_MS).await?;
        tx.commit().await
    }
}

/// The built-in defaults on a folder of its own: whatever is configured on this machine does not count.
fn configuration(folder: &Path) -> Result<Loaded, Failure> {
    let environment = Environment {
        variables: BTreeMap::new(),
        working_dir: folder.to_owned(),
        system_dir: folder.to_owned(),
        user: User::Other,
    };
    let mut loaded = crate::config::load(None, &environment)?;
    folder.clone_into(&mut loaded.config.state_dir);
    loaded.config.schedules.dir = folder.join("schedules");
    Ok(loaded)
}

fn built_in_programmes() -> Result<Programmes, Failure> {
    let faulty = || Failure::new(Exit::Failed, "the built-in programmes are faulty", "report it");
    let catalogue = Catalogue::load(None).map_err(|_| faulty())?;
    Programmes::load(None, &Zones::built_in(), &catalogue).map_err(|_| faulty())
}
