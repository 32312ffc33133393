//! The provider stand-in, a server of its own: it speaks Meta's and Twilio's HTTP and SMTP on loopback,
//! refuses what they would refuse, never deduplicates, keeps an fsynced ledger of everything it accepted,
//! sends signed receipts and replies back, and misbehaves on request.
//!
//! It is the oracle of the delivery tests, so nothing here may come from `channel`; of Carebell it knows only
//! [`UtcMs`] and the clock. Demo, tests and simulator start it in-process; `carebell sandbox` runs it alone and
//! is driven over `/_sandbox/...` (see `control`).

mod account;
mod agenda;
mod callbacks;
mod config;
mod control;
mod faults;
mod http;
mod ledger;
mod media;
mod meta;
mod mime;
mod people;
mod smtp;
mod twilio;
mod world;

pub use config::{
    Condition, PairLimit, Presses, Receipts, SandboxConfig, SmtpLogin, Template, TwilioAccount,
    WhatsappAccount,
};
pub use faults::{AnswerFault, CallbackFault, Fault, Faults, Rule};
pub use ledger::{Entry, Ledger, LedgerError, Message, Query, TemplateUse};
pub use people::{NoInbound, Reply};

use crate::care::UtcMs;
use crate::clock::Clock;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use world::World;

/// Which provider's language a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// WhatsApp, by Meta's Cloud API.
    Whatsapp,
    /// SMS, by Twilio.
    Twilio,
    /// Email, by SMTP.
    Email,
}

/// Why the sandbox does not start, or refuses an order.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// It never leaves this machine.
    #[error(
        "sandbox.{key}: `{value}` is not a loopback address; use 127.0.0.1, [::1] or localhost"
    )]
    NotLoopback {
        /// The key of the configuration.
        key: &'static str,
        /// What it says.
        value: String,
    },
    /// The address is taken, or not ours.
    #[error("listen on {address} for {key}: {source}")]
    Listen {
        /// The key of the configuration.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The ledger file does not open or does not read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The HTTP client for callbacks does not build.
    #[error("build the callback client: {0}")]
    Client(#[from] reqwest::Error),
    /// The daemon did not echo the challenge of a webhook's registration.
    #[error("register the webhook: {0}")]
    NotSubscribed(String),
    /// The channel has no inbound webhook.
    #[error(transparent)]
    NoInbound(#[from] NoInbound),
}

/// A running sandbox. Dropping it ends its tasks; [`Sandbox::stop`] also waits for them.
pub struct Sandbox {
    world: Arc<World>,
    http_addr: SocketAddr,
    smtp_addr: SocketAddr,
}

impl Sandbox {
    /// Binds both listeners and starts serving; receipts and replies leave by `clock`.
    ///
    /// # Errors
    /// An address that is not loopback or not free, a ledger file that does not open.
    pub async fn start(config: SandboxConfig, clock: Arc<dyn Clock>) -> Result<Self, SandboxError> {
        config.validate()?;
        let http = listen("http", config.http).await?;
        let smtp = listen("smtp", config.smtp).await?;
        let (http_addr, smtp_addr) =
            (address_of("http", &http, config.http)?, address_of("smtp", &smtp, config.smtp)?);
        let world = Arc::new(World::new(config, clock)?);
        let tracker = world.tracker();
        tracker.spawn(http::run(Arc::clone(&world), http));
        tracker.spawn(smtp::run(Arc::clone(&world), smtp));
        tracker.spawn(Arc::clone(&world).fire_when_due());
        Ok(Self { world, http_addr, smtp_addr })
    }

    /// Where Meta's and Twilio's HTTP is spoken.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where SMTP is spoken.
    pub fn smtp_addr(&self) -> SocketAddr {
        self.smtp_addr
    }

    /// `http://127.0.0.1:PORT`, to configure connectors with (Meta: add `/v25.0`).
    pub fn http_url(&self) -> String {
        format!("http://{}", self.http_addr)
    }

    /// Tells where the daemon listens, `http://127.0.0.1:PORT`; callbacks that are still due go there too.
    ///
    /// # Errors
    /// An address that is not loopback.
    pub fn call_back(&self, base_url: &str) -> Result<(), SandboxError> {
        self.world.call_back(base_url)
    }

    /// Registers the WhatsApp webhook as Meta does: a GET whose challenge must come back as the bare body.
    ///
    /// # Errors
    /// The daemon is not there, refuses the token, or answers something else.
    pub async fn subscribe(&self, verify_token: &str) -> Result<(), SandboxError> {
        self.world.subscribe(verify_token).await
    }

    /// Everything accepted so far.
    pub fn ledger(&self) -> &Ledger {
        self.world.ledger()
    }

    /// The script of misbehaviour.
    pub fn faults(&self) -> &Faults {
        self.world.faults()
    }

    /// Sets or (with `None`) lifts what is special about an address.
    pub fn set_condition(&self, address: &str, condition: Option<Condition>) {
        self.world.set_condition(address, condition);
    }

    /// Changes what Meta has of a template, of an empty one where it has none; says nothing of it.
    pub fn change_template(&self, name: &str, change: impl FnOnce(&mut Template)) {
        change(self.world.templates().entry(name.to_owned()).or_default());
    }

    /// Meta has none of the files any more that were uploaded; says nothing of it.
    pub fn lose_uploads(&self) {
        self.world.uploads().clear();
    }

    /// How many people Meta lets be written to in a day, in its word: `TIER_2K`.
    pub fn set_messaging_limit(&self, word: &str) {
        word.clone_into(&mut self.world.messaging_limit());
    }

    /// WhatsApp knows this number by other digits from now on, as it does in Brazil and Mexico.
    pub fn know_as(&self, address: &str, digits: &str) {
        self.world.people().know_as(address, digits);
    }

    /// Posts news of Meta's: the field of a change and its value. Returns once the daemon has answered.
    pub async fn post_news(&self, field: &str, value: &serde_json::Value) {
        self.world.post_news(field, value);
        self.world.tick().await;
    }

    /// Has a person answer now; returns once the daemon has answered the webhook (or a retry is due).
    ///
    /// # Errors
    /// Email has no inbound webhook.
    pub async fn reply(&self, reply: Reply) -> Result<(), SandboxError> {
        self.world.schedule_reply(self.world.now(), reply)?;
        self.world.tick().await;
        Ok(())
    }

    /// Has a person answer at `at` of the sandbox's clock.
    ///
    /// # Errors
    /// Email has no inbound webhook.
    pub fn schedule_reply(&self, at: UtcMs, reply: Reply) -> Result<(), SandboxError> {
        Ok(self.world.schedule_reply(at, reply)?)
    }

    /// Posts everything that is due, and returns when it was answered. The sandbox does so by itself as well.
    pub async fn tick(&self) {
        self.world.tick().await;
    }

    /// Receipts, replies and retries that are still to be posted, whenever they are due.
    pub fn pending(&self) -> usize {
        self.world.agenda().pending()
    }

    /// When the next of them is due.
    pub fn next_at(&self) -> Option<UtcMs> {
        self.world.agenda().next_at()
    }

    /// Nothing is being received, held or posted, and nothing is due: a paced clock may run ahead.
    pub fn is_idle(&self) -> bool {
        self.world.agenda().is_idle(self.world.now())
    }

    /// Responses held back by a fault at this moment.
    pub fn held(&self) -> usize {
        self.world.gate().held()
    }

    /// Lets every held response go.
    pub fn release(&self) {
        self.world.gate().release();
    }

    /// Stops listening, ends open connections and waits for all tasks. What is pending is forgotten, as at a
    /// crash; the ledger file stays.
    pub async fn stop(self) {
        self.world.shut_down().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.world.cancel();
    }
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, SandboxError> {
    TcpListener::bind(address).await.map_err(|source| SandboxError::Listen { key, address, source })
}

fn address_of(
    key: &'static str,
    listener: &TcpListener,
    address: SocketAddr,
) -> Result<SocketAddr, SandboxError> {
    listener.local_addr().map_err(|source| SandboxError::Listen { key, address, source })
}
