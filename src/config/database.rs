//! The section `database`, and the rule on TLS to PostgreSQL.

use super::is_loopback;
use super::problem::Report;
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::str::FromStr;

/// The database.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://...`; empty means SQLite in `state_dir`.
    pub url: String,
    /// Connections to PostgreSQL.
    pub max_connections: u32,
    /// TLS less strict than verify-full to a host that is not loopback.
    pub dangerous_accept_unverified_tls: bool,
}

/// The database engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in `state_dir`, one machine.
    Sqlite,
    /// A server, several machines.
    Postgres,
}

impl DatabaseConfig {
    /// The engine that the URL names.
    pub const fn engine(&self) -> Engine {
        if self.url.is_empty() { Engine::Sqlite } else { Engine::Postgres }
    }

    pub(super) fn validate(&self, report: &mut Report<'_>) {
        report.require(
            (2..=1000).contains(&self.max_connections),
            "database.max_connections",
            "is not between 2 and 1000",
            "16 serves most installations",
        );
        if self.engine() == Engine::Sqlite {
            return;
        }
        match self.servers() {
            Ok(_) => {}
            Err(ServersFault::NoUrl) => report.require(
                false,
                "database.url",
                "is no PostgreSQL URL",
                "write postgres://user@host/database (host1,host2 for a primary and its standby), \
                 or leave it empty for SQLite",
            ),
            Err(ServersFault::Tls(refused)) => report.require(
                false,
                "database.url",
                &refused.to_string(),
                "use sslmode=verify-full (sslrootcert=FILE for a private authority), or set \
                 database.dangerous_accept_unverified_tls",
            ),
        }
    }

    /// How to connect to each server that the URL names, in its order: `host1,host2:5433` as libpq writes it
    /// (PostgreSQL 15 manual, section 34.1.1.3).
    ///
    /// # Errors
    /// When it is no URL of PostgreSQL, or asks for TLS that proves nothing.
    pub fn servers(&self) -> Result<Vec<PgConnectOptions>, ServersFault> {
        let unverified = self.dangerous_accept_unverified_tls.into();
        one_url_a_server(&self.url)
            .ok_or(ServersFault::NoUrl)?
            .iter()
            .map(|url| {
                let options = PgConnectOptions::from_str(url).map_err(|_| ServersFault::NoUrl)?;
                Ok(connect_options_policy(options, unverified)?)
            })
            .collect()
    }
}

/// The URL names no servers that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServersFault {
    /// It is no URL of PostgreSQL.
    #[error("is no PostgreSQL URL")]
    NoUrl,
    /// It asks for TLS that proves nothing.
    #[error(transparent)]
    Tls(#[from] RefusedTls),
}

/// A URL that names several hosts, as one URL a host.
fn one_url_a_server(url: &str) -> Option<Vec<String>> {
    let (scheme, rest) = url.split_once("://")?;
    if !["postgres", "postgresql"].contains(&scheme) {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    Some(hosts.split(',').map(|host| format!("{scheme}://{user}{host}{path}")).collect())
}

/// Whether unverified TLS is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnverifiedTls {
    /// Refused.
    Refuse,
    /// Taken: the operator said so.
    Accept,
}

impl From<bool> for UnverifiedTls {
    fn from(accept: bool) -> Self {
        if accept { Self::Accept } else { Self::Refuse }
    }
}

/// The URL asks for TLS that does not prove who the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("asks for an sslmode that does not verify a server on another machine")]
pub struct RefusedTls;

/// The options to connect with: on loopback and sockets as they are; to another machine always verify-full
/// (PostgreSQL 15 manual, section 34.19.1), unless the operator accepts less.
///
/// sqlx takes `prefer` for a URL without an sslmode, so `prefer` is raised; any other word was written on
/// purpose and is refused, not changed.
///
/// # Errors
/// When the URL names a weaker mode and `unverified` is refused.
pub fn connect_options_policy(
    options: PgConnectOptions,
    unverified: UnverifiedTls,
) -> Result<PgConnectOptions, RefusedTls> {
    if options.get_socket().is_some() || is_loopback(options.get_host()) {
        return Ok(options);
    }
    match (options.get_ssl_mode(), unverified) {
        (PgSslMode::VerifyFull, _) | (_, UnverifiedTls::Accept) => Ok(options),
        (PgSslMode::Prefer, UnverifiedTls::Refuse) => Ok(options.ssl_mode(PgSslMode::VerifyFull)),
        (_, UnverifiedTls::Refuse) => Err(RefusedTls),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_one_server_or_several() {
        for (url, expected) in [
            ("postgres://u@db/c", vec![("db", 5432)]),
            (
                "postgres://u:a%40b@one,two:5433/c?sslmode=verify-full",
                vec![("one", 5432), ("two", 5433)],
            ),
            (
                "postgresql://u@127.0.0.1:5432,[::1]:5433/c",
                vec![("127.0.0.1", 5432), ("::1", 5433)],
            ),
        ] {
            let config = DatabaseConfig {
                url: url.to_owned(),
                max_connections: 4,
                dangerous_accept_unverified_tls: false,
            };
            let servers = config.servers().unwrap();
            let got: Vec<_> = servers.iter().map(|o| (o.get_host(), o.get_port())).collect();
            let trimmed: Vec<_> =
                got.iter().map(|(host, port)| (host.trim_matches(['[', ']']), *port)).collect();
            assert_eq!(trimmed, expected, "{url}");
        }
        for url in ["mysql://u@db/c", "db", "postgres://u@db:nope/c"] {
            assert_eq!(
                one_url_a_server(url).map_or(0, |urls| urls.len()).min(1),
                usize::from(url.starts_with("postgres"))
            );
        }
    }

    #[test]
    fn another_machine_must_prove_who_it_is() {
        use PgSslMode::{Disable, Prefer, VerifyFull};
        use UnverifiedTls::{Accept, Refuse};
        for (url, unverified, mode) in [
            ("postgres://u@db.example/c", Refuse, Some(VerifyFull)),
            ("postgres://u@10.0.0.5/c?sslmode=prefer", Refuse, Some(VerifyFull)),
            ("postgres://u@db.example/c?sslmode=verify-full", Refuse, Some(VerifyFull)),
            ("postgres://u@db.example/c?sslmode=verify-ca", Refuse, None),
            ("postgres://u@db.example/c?sslmode=require", Refuse, None),
            ("postgres://u@db.example/c?sslmode=disable", Refuse, None),
            ("postgres://u@db.example/c?sslmode=disable", Accept, Some(Disable)),
            ("postgres://u@db.example/c", Accept, Some(Prefer)),
            ("postgres://u@127.0.0.1/c?sslmode=disable", Refuse, Some(Disable)),
            ("postgres://u@localhost/c", Refuse, Some(Prefer)),
            ("postgres://u@[::1]/c", Refuse, Some(Prefer)),
            ("postgres://u@%2Frun%2Fpostgresql/c", Refuse, Some(Prefer)),
            // What connects is the last host named: a loopback name before it must not hide it.
            ("postgres://u@localhost/c?host=db.example&sslmode=disable", Refuse, None),
        ] {
            let options = PgConnectOptions::from_str(url).unwrap();
            let got = connect_options_policy(options, unverified).ok().map(|o| o.get_ssl_mode());
            assert_eq!(format!("{got:?}"), format!("{mode:?}"), "{url} {unverified:?}");
        }
    }
}
