//! The section `http`.

use super::problem::Report;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The HTTP server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Address and port to listen on; port 0 lets the system choose.
    pub listen: String,
    /// How providers reach this server; signatures are computed over it.
    pub public_url: String,
    /// Largest webhook body, in bytes.
    pub max_body_bytes: usize,
}

impl HttpConfig {
    pub(super) fn validate(&self, report: &mut Report<'_>) {
        report.require(
            self.listen.parse::<SocketAddr>().is_ok(),
            "http.listen",
            "is not an address with a port",
            "write it as 127.0.0.1:8480",
        );
        let plain = |url: &Url| {
            ["http", "https"].contains(&url.scheme())
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && !self.public_url.ends_with('/')
        };
        report.require(
            self.public_url.is_empty() || Url::parse(&self.public_url).is_ok_and(|url| plain(&url)),
            "http.public_url",
            "is not a plain http(s) URL without a trailing slash",
            "write it as https://carebell.example.org",
        );
        report.require(
            (65_536..=67_108_864).contains(&self.max_body_bytes),
            "http.max_body_bytes",
            "is not between 64 KiB and 64 MiB",
            "4194304 takes every body that Meta sends (up to 3 MB)",
        );
    }
}
