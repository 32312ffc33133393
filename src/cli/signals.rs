//! Signals that a command which runs on its own listens for.

use super::Failure;
use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal, heard from now on.
///
/// # Errors
/// When the system lets nothing more be listened for.
pub(super) fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    Ok(signal(kind).context("failed to listen for signals")?)
}

/// SIGINT and SIGTERM: what ends a command.
pub(super) struct EndSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl EndSignals {
    /// Both, heard from now on.
    ///
    /// # Errors
    /// As [`listen`].
    pub(super) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for either.
    pub(super) async fn heard(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
