//! The sandbox gate: which machines a connector may talk to (design.md section 8).
//!
//! An address is checked after its name was resolved, and the connection goes to that very address, so a name
//! that changes its mind in between wins nothing.

use crate::config::Mode;
use futures::future::BoxFuture;
use std::net::{IpAddr, SocketAddr};

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Only this machine.
    LoopbackOnly,
    /// Any.
    Open,
}

/// How a connection is protected on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// TLS from the first byte, or before anything of a message is said.
    Tls,
    /// None.
    Clear,
}

/// The gate is shut for this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address is not loopback, and this connector may not leave the machine")]
pub(super) struct Shut;

/// Why a host has no address to connect to.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAddress {
    #[error(transparent)]
    Shut(#[from] Shut),
    #[error("the name does not resolve")]
    Unresolved(#[source] std::io::Error),
}

impl NoAddress {
    /// The stage at which a send ends here.
    pub(super) const fn stage(&self) -> &'static str {
        match self {
            Self::Shut(_) => "gate",
            Self::Unresolved(_) => "resolve",
        }
    }
}

impl Gate {
    /// The gate of a connector: shut in the sandbox, and shut for whatever is not protected on its way.
    pub(super) const fn of(mode: Mode, protection: Protection) -> Self {
        match (mode, protection) {
            (Mode::Live, Protection::Tls) => Self::Open,
            _ => Self::LoopbackOnly,
        }
    }

    /// Whether an address may be connected to.
    pub(super) fn admit(self, address: IpAddr) -> Result<(), Shut> {
        match self {
            Self::LoopbackOnly if !address.to_canonical().is_loopback() => Err(Shut),
            _ => Ok(()),
        }
    }

    /// The addresses of a host: a literal as it is, a name by the system's resolver. One refused address
    /// refuses them all, because a name must not hide a foreign machine behind a local one.
    pub(super) async fn resolve(self, host: &str, port: u16) -> Result<Vec<SocketAddr>, NoAddress> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((bare, port)).await;
        self.judge(found.map_err(NoAddress::Unresolved)?.collect())
    }

    /// The addresses of one name, if all of them may be connected to.
    pub(super) fn judge(self, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, NoAddress> {
        for address in &addresses {
            self.admit(address.ip())?;
        }
        Ok(addresses)
    }
}

/// The gate as a resolver of the HTTP client, which connects to exactly what this returns.
impl reqwest::dns::Resolve for Gate {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let gate = *self;
        let resolving: BoxFuture<'static, _> = Box::pin(async move {
            // Port 0 stands for the port of the URL.
            let addresses = gate.resolve(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs)
        });
        resolving
    }
}

/// Whether a host is this machine by its very name, so that clear text to it can be configured.
pub(super) fn names_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().map_or(bare == "localhost", |ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_opens_only_for_tls_in_live_mode() {
        for (mode, protection, gate) in [
            (Mode::Live, Protection::Tls, Gate::Open),
            (Mode::Live, Protection::Clear, Gate::LoopbackOnly),
            (Mode::Sandbox, Protection::Tls, Gate::LoopbackOnly),
            (Mode::Sandbox, Protection::Clear, Gate::LoopbackOnly),
        ] {
            assert_eq!(Gate::of(mode, protection), gate);
        }
    }

    #[test]
    fn loopback_in_every_spelling_and_nothing_else() {
        for address in ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(Gate::LoopbackOnly.admit(address.parse().unwrap()), Ok(()), "{address}");
            assert!(names_loopback(address));
        }
        let foreign = [
            "192.0.2.1",
            "0.0.0.0",
            "::",
            "10.0.0.1",
            "169.254.1.1",
            "::ffff:192.0.2.1",
            "fe80::1",
        ];
        for address in foreign {
            assert_eq!(Gate::LoopbackOnly.admit(address.parse().unwrap()), Err(Shut), "{address}");
            assert_eq!(Gate::Open.admit(address.parse().unwrap()), Ok(()));
            assert!(!names_loopback(address));
        }
        assert!(names_loopback("localhost") && names_loopback("[::1]"));
        assert!(!names_loopback("localhost.example.org"));
    }

    #[tokio::test]
    async fn a_name_is_judged_by_the_addresses_it_resolves_to() {
        assert!(Gate::LoopbackOnly.resolve("localhost", 1).await.is_ok());
        let shut = Gate::LoopbackOnly.resolve("192.0.2.1", 1).await.unwrap_err();
        assert_eq!(shut.stage(), "gate");
        let mixed = vec![([127, 0, 0, 1], 1).into(), ([192, 0, 2, 1], 1).into()];
        assert_eq!(Gate::LoopbackOnly.judge(mixed).unwrap_err().stage(), "gate");
        let unknown = Gate::Open.resolve(&"x".repeat(64), 1).await.unwrap_err();
        assert_eq!(unknown.stage(), "resolve");
    }
}
