//! Opening what most commands need: state folder, master key, database, zones, programmes, texts, channels.

use super::{Context, Exit, Failure};
use crate::care::ChannelKind;
use crate::care::ids::{InstanceId, new_uuid};
use crate::channel::{ChannelConfigError, Channels};
use crate::clock::{Clock, GuardedClock, SystemClock};
use crate::config::{Config, Engine, Loaded, Mode, Problem};
use crate::deliver::DelivererDeps;
use crate::home::Home;
use crate::jobs::{Declared, Jobs, JobsDeps};
use crate::message::{Catalogue, CatalogueProblem, Prices, Programmes, Tariff};
use crate::policy::clock::FOLLOWED_MS;
use crate::security::{Keyring, SharedRng, Tokens, WhenMissing, load_or_create_master_key};
use crate::store::meta::{self, fact};
use crate::store::{Store, connect_postgres, connect_sqlite, patients};
use crate::watch::{ClockWatch, Watch, WatchDeps};
use crate::zones::Zones;
use anyhow::Context as _;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The database in the state folder.
pub const SQLITE_FILE: &str = "carebell.db";
/// The master key in the state folder.
pub const MASTER_KEY_FILE: &str = "master.key";

/// An opened installation.
#[derive(Clone)]
pub struct App {
    /// The configuration.
    pub config: Arc<Config>,
    /// The database, migrated and stamped.
    pub store: Store,
    /// Business time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<SharedRng>,
    /// Zone rules.
    pub zones: Arc<Zones>,
    /// Programmes.
    pub programmes: Arc<Programmes>,
    /// Texts.
    pub catalogue: Arc<Catalogue>,
    /// What they cost.
    pub tariff: Arc<Tariff>,
    /// Channels.
    pub channels: Arc<Channels>,
    /// Why nothing may be sent, if so: a mode or host that is not the database's.
    pub hold: Option<String>,
}

/// Time and randomness of a process.
#[derive(Clone)]
pub struct Sources {
    /// Business time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<SharedRng>,
}

impl Sources {
    /// The real ones.
    pub fn real() -> Self {
        let clock = GuardedClock::new(Arc::new(SystemClock), FOLLOWED_MS);
        Self { clock: Arc::new(clock), rng: Arc::new(SharedRng::from_os()) }
    }
}

/// What a database is stamped with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// The configured mode: a demo's database is refused.
    Configured,
    /// The configured mode, or a demo's: that one opens on hold, to be looked at.
    AsItIs,
    /// A demo's: it can never go live.
    Demo,
}

impl App {
    /// Opens the installation that the configuration describes, for a command; a first start makes what is
    /// missing.
    ///
    /// # Errors
    /// With what is wrong, where, and the fix.
    pub async fn open(context: &Context) -> Result<Self, Failure> {
        Self::open_with(&context.load()?, Sources::real(), Stamp::AsItIs).await
    }

    /// Opens with given time and randomness.
    ///
    /// # Errors
    /// As [`App::open`].
    pub async fn open_with(
        loaded: &Loaded,
        sources: Sources,
        stamp: Stamp,
    ) -> Result<Self, Failure> {
        // One TLS provider for the process; a second installation changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = Arc::new(loaded.config.clone());
        let store = open_store(loaded, &sources.rng).await?;
        store.migrate().await.context("failed to bring the database up to date")?;
        let hold = stamp_or_compare(&store, &config, &sources, stamp).await?;
        let zones = Zones::open(config.zones.folder()).context("failed to read the zone rules")?;
        let overlay = config.schedules.overlay();
        let catalogue = Catalogue::load(overlay).map_err(|p| catalogue_failure(&p))?;
        let programmes =
            Programmes::load(overlay, &zones, &catalogue).map_err(|p| catalogue_failure(&p))?;
        let prices = Prices::load(overlay).map_err(|p| catalogue_failure(&p))?;
        let catalogue = Arc::new(catalogue);
        let channels = build_channels(&config, store.keys().tokens()).map_err(|fault| {
            Failure::new(Exit::BadConfiguration, fault.to_string(), "carebell check")
        })?;
        Ok(Self {
            config,
            store,
            clock: sources.clock,
            rng: sources.rng,
            zones: Arc::new(zones),
            programmes: Arc::new(programmes),
            tariff: Arc::new(Tariff::new(prices, Arc::clone(&catalogue))),
            catalogue,
            channels: Arc::new(channels),
            hold,
        })
    }
}

impl App {
    /// The kinds of channels that are configured.
    pub fn channel_kinds(&self) -> Vec<ChannelKind> {
        self.channels.iter().map(|channel| channel.kind()).collect()
    }

    /// What a forecast is made with.
    pub fn foreseen_channels<'a>(
        &'a self,
        configured: &'a [ChannelKind],
    ) -> crate::schedule::Channels<'a> {
        crate::schedule::Channels { configured, tariff: &self.tariff }
    }

    /// The watch over this machine's clock.
    pub fn clock_watch(&self) -> ClockWatch {
        let (store, clock, rng) = (self.store.clone(), self.clock.clone(), self.rng.clone());
        ClockWatch::new(store, clock, rng, host_name())
    }

    /// What delivering needs, as one instance.
    pub fn deliverer_deps(&self, instance: InstanceId, home: Arc<Home>) -> DelivererDeps {
        let deliver = &self.config.deliver;
        DelivererDeps {
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            zones: self.zones.clone(),
            programmes: Arc::clone(&self.programmes),
            catalogue: Arc::clone(&self.catalogue),
            tariff: Arc::clone(&self.tariff),
            channels: Arc::clone(&self.channels),
            rng: Arc::clone(&self.rng),
            instance,
            home,
            host: host_name(),
            lease_ms: i64::from(deliver.lease_seconds) * 1_000,
            waits_ms: deliver.retry_seconds.iter().map(|s| i64::from(*s) * 1_000).collect(),
            permits: deliver.permits as usize,
        }
    }

    /// The housekeeping.
    pub fn jobs(
        &self,
        deliver: DelivererDeps,
        clock_watch: ClockWatch,
        declared: Vec<Declared>,
    ) -> Jobs {
        let (retention, backup) = (self.config.retention.clone(), self.config.backup.clone());
        let watch = self.watch();
        Jobs::new(JobsDeps { deliver, watch, clock_watch, retention, backup }, Arc::new(declared))
    }

    /// The watch over this installation.
    pub fn watch(&self) -> Watch {
        Watch::new(WatchDeps {
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            zones: self.zones.clone(),
            programmes: Arc::clone(&self.programmes),
            rng: Arc::clone(&self.rng),
        })
    }
}

/// The channels as configured.
pub(super) fn build_channels(
    config: &Config,
    tokens: &Tokens,
) -> Result<Channels, ChannelConfigError> {
    let timeout_ms = request_timeout_ms(config);
    Channels::build(&config.channels, config.mode, &config.http.public_url, timeout_ms, tokens)
}

/// The time one send may take: just under half the lease (design.md section 3).
fn request_timeout_ms(config: &Config) -> i64 {
    i64::from(config.deliver.lease_seconds) * 1_000 / 2 - 1_000
}

/// Programmes and texts that cannot be used.
pub(super) fn catalogue_failure(problems: &[CatalogueProblem]) -> Failure {
    Failure::Configuration(catalogue_problems(problems))
}

/// The same, each with its file as the place.
pub(super) fn catalogue_problems(problems: &[CatalogueProblem]) -> Vec<Problem> {
    let place = |p: &CatalogueProblem| format!("{}, {}", p.file, p.place);
    problems.iter().map(|p| Problem::new(place(p), &p.what, &p.fix)).collect()
}

/// Opens the database without touching its schema.
///
/// # Errors
/// When the state folder, the key or the database cannot be used.
pub async fn open_store(loaded: &Loaded, rng: &SharedRng) -> Result<Store, Failure> {
    let config = &loaded.config;
    let dir = &config.state_dir;
    make_state_dir(dir)?;
    let file = sqlite_file(config);
    let when_missing = match config.database.engine() {
        Engine::Sqlite if file.exists() => WhenMissing::Refuse,
        Engine::Sqlite | Engine::Postgres => WhenMissing::Create,
    };
    let master = load_or_create_master_key(
        loaded.master_key_credential.as_deref(),
        &dir.join(MASTER_KEY_FILE),
        when_missing,
        &mut rng.fork(),
    )
    .map_err(|fault| {
        Failure::new(Exit::BadConfiguration, fault.to_string(), "see Backup in the README")
    })?;
    connect(config, Keyring::new(&master)).await
}

/// Connects to the database under these keys; SQLite's file is made where it is absent.
///
/// # Errors
/// When the database cannot be used.
pub async fn connect(config: &Config, keys: Keyring) -> Result<Store, Failure> {
    let opened = match config.database.engine() {
        Engine::Sqlite => connect_sqlite(&sqlite_file(config), keys).await,
        Engine::Postgres => {
            let servers = config
                .database
                .servers()
                .map_err(|fault| anyhow::anyhow!("database.url {fault}"))?;
            connect_postgres(servers, config.database.max_connections, keys).await
        }
    };
    opened.map_err(|fault| {
        Failure::new(
            Exit::Failed,
            fault.to_string(),
            "is the server up, and may this user connect?",
        )
    })
}

/// Makes the state folder, the daemon's alone.
///
/// # Errors
/// When it cannot be made.
pub fn make_state_dir(dir: &Path) -> Result<(), Failure> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|fault| {
        Failure::new(
            Exit::BadConfiguration,
            format!("the state folder {} cannot be made: {fault}", dir.display()),
            "set state_dir to a folder that this user may write, or run as the daemon's user",
        )
    })
}

/// Where the SQLite database lies.
pub fn sqlite_file(config: &Config) -> PathBuf {
    config.state_dir.join(SQLITE_FILE)
}

/// Stamps a new database; compares an old one. A wrong key refuses, a wrong mode or host holds.
async fn stamp_or_compare(
    store: &Store,
    config: &Config,
    sources: &Sources,
    stamp: Stamp,
) -> Result<Option<String>, Failure> {
    // A new database is a sandbox's whatever the configuration says: only `db go-live`, with its gate, makes it
    // live.
    let (first, wanted) = match stamp {
        Stamp::Configured | Stamp::AsItIs => (Mode::Sandbox.word(), config.mode.word()),
        Stamp::Demo => ("demo", "demo"),
    };
    let host = host_name();
    let id = new_uuid(sources.clock.now(), &mut sources.rng.fork()).to_string();
    let keys = store.keys();
    let facts = async {
        let mut tx = store.write().await?;
        meta::set_once(&mut tx, fact::DATABASE_ID, &id).await?;
        let print = meta::set_once(&mut tx, fact::KEY_FINGERPRINT, &keys.fingerprint()).await?;
        let mode = meta::set_once(&mut tx, fact::MODE, first).await?;
        let mut stamped = meta::set_once(&mut tx, fact::HOST, &host).await?;
        // What a host without a readable name was stamped with once.
        if stamped == "unknown" {
            meta::set(&mut tx, fact::HOST, &host).await?;
            stamped.clone_from(&host);
        }
        let opens = patients::opens_with(&mut tx, keys).await?;
        // A wrong key leaves no stamp: the right one must still find the database as it was.
        if opens && print == keys.fingerprint() {
            tx.commit().await?;
        }
        crate::store::Result::Ok((print, mode, stamped, opens))
    };
    let (print, mode, stamped, opens) =
        facts.await.context("failed to read the database's stamp")?;
    if print != keys.fingerprint() || !opens {
        return Err(Failure::new(
            Exit::BadConfiguration,
            "the master key is not the one this database was sealed with",
            "restore master.key (or the credential) that belongs to this database",
        ));
    }
    if mode == "demo" {
        return match stamp {
            Stamp::Demo => Ok(None),
            Stamp::AsItIs => {
                Ok(Some("this is a demo's database: it is only to be looked at".into()))
            }
            Stamp::Configured => Err(Failure::new(
                Exit::BadConfiguration,
                "this is a demo's database",
                "use another state_dir: a demo database can never be used for patients",
            )),
        };
    }
    if mode != wanted {
        return Ok(Some(format!(
            "the database is stamped {mode}, the configuration says {wanted}: \
             `carebell db go-live` moves a database from sandbox to live"
        )));
    }
    let sqlite = config.database.engine() == Engine::Sqlite;
    if sqlite && stamped != host && config.mode == Mode::Live {
        return Ok(Some(format!(
            "the database was stamped on host {stamped}, this is {host}: a copy must not send again"
        )));
    }
    Ok(None)
}

/// The name of this machine, from the kernel itself: the unit's view of /proc lacks it.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
