//! Who may call back: secrets in the path, a header, a parameter or a login, keyed hashes, addresses.

use super::super::build::{ChannelConfigError, Section};
use super::super::{Callback, PEER_HEADER, Reject, signature};
use super::hash::{self, Hashed, Payload};
use super::request::{MASK, Secrets};
use crate::config::{CallbacksConfig, GatewayConfig, NamedSecretConfig, Secret, SignatureConfig};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::net::IpAddr;

/// The names of what a path asks for.
const STATUS: &str = "status";
const INBOUND: &str = "inbound";

/// Which of the two a callback brings, as its address says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brings {
    Receipts,
    Replies,
    /// It came to neither address.
    Either,
}

/// A name with the secrets that fit it.
type Named = Option<(String, Vec<Secret>)>;

/// What must hold of a callback; everything that is there.
pub(super) struct Guard {
    name: String,
    path: Vec<Secret>,
    header: Named,
    parameter: Named,
    basic: Named,
    hmac: Option<(SignatureConfig, Payload, Vec<Secret>)>,
    networks: Vec<Network>,
    address_header: Option<String>,
    public_url: String,
}

impl Guard {
    pub(super) fn new(
        section: Section<'_>,
        config: &GatewayConfig,
        public_url: &str,
    ) -> Result<Self, ChannelConfigError> {
        let callbacks: &CallbacksConfig = &config.callbacks;
        let secrets = |names: &[String]| {
            let of = |name: &String| config.secrets.get(name).cloned().unwrap_or(Secret::new(""));
            let found: Vec<Secret> = names.iter().map(of).collect();
            let key = names.first().map_or("secrets".to_owned(), |name| format!("secrets.{name}"));
            section.secrets(&key, &found, "choose a long word that nobody guesses")
        };
        let named = |given: &Option<NamedSecretConfig>| -> Result<Named, ChannelConfigError> {
            match given {
                None => Ok(None),
                Some(given) => Ok(Some((given.name.clone(), secrets(&given.secrets)?))),
            }
        };
        let wrong = |key: &str, fix| ChannelConfigError::WrongForm { key: section.key(key), fix };
        let hmac = match &callbacks.hmac {
            None => None,
            Some(given) => {
                let payload = Payload::parse(&given.payload);
                let payload = payload.map_err(|no| wrong("callbacks.hmac.payload", no.0))?;
                Some((given.clone(), payload, secrets(&given.secrets)?))
            }
        };
        let networks = callbacks.addresses.iter().map(|text| Network::parse(text));
        let networks = networks.collect::<Option<_>>();
        let fix = "write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32";
        let guard = Self {
            name: section.name.to_owned(),
            path: match &callbacks.path_secrets[..] {
                [] => Vec::new(),
                names => secrets(names)?,
            },
            header: named(&callbacks.header)?.map(|(name, all)| (name.to_lowercase(), all)),
            parameter: named(&callbacks.parameter)?,
            basic: match &callbacks.basic {
                None => None,
                Some(basic) => Some((basic.user.clone(), secrets(&basic.secrets)?)),
            },
            hmac,
            networks: networks.ok_or_else(|| wrong("callbacks.addresses", fix))?,
            address_header: callbacks.address_header.as_ref().map(|name| name.to_lowercase()),
            public_url: public_url.trim_end_matches('/').to_owned(),
        };
        let hears = config.receipts.is_some() || config.replies.is_some();
        if hears && !callbacks.is_guarded() {
            let fix = "say who may call: path_secrets, header, parameter, basic, hmac or addresses";
            return Err(ChannelConfigError::Empty { key: section.key("callbacks"), fix });
        }
        Ok(guard)
    }

    /// The address of receipts, for requests: with the first of the path's secrets.
    pub(super) fn receipts_path(&self, secrets: Secrets) -> Vec<&str> {
        let secret = self.path.first().map(|secret| match secrets {
            Secrets::Told => secret.expose(),
            Secrets::Masked => MASK,
        });
        ["webhooks", &self.name].into_iter().chain(secret).chain([STATUS]).collect()
    }

    /// Checks a callback.
    pub(super) fn check(&self, callback: &Callback) -> Result<Brings, Reject> {
        let brings = self.of_path(callback)?;
        if let Some((name, secrets)) = &self.header {
            one_of(secrets, callback.header(name).ok_or(Reject::Unsigned)?)?;
        }
        if let Some((name, secrets)) = &self.parameter {
            one_of(secrets, &callback.parameter(name).ok_or(Reject::Unsigned)?)?;
        }
        if let Some((user, secrets)) = &self.basic {
            let given = callback.header("authorization").ok_or(Reject::Unsigned)?;
            let given =
                given.split_once(' ').filter(|(kind, _)| kind.eq_ignore_ascii_case("basic"));
            let pair = BASE64_STANDARD.decode(given.ok_or(Reject::BadSignature)?.1.trim());
            let pair = pair.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = pair.ok_or(Reject::BadSignature)?;
            let (said, password) = pair.split_once(':').ok_or(Reject::BadSignature)?;
            one_of(secrets, password)?;
            if !signature::same(said, user) {
                return Err(Reject::BadSignature);
            }
        }
        if let Some((config, payload, secrets)) = &self.hmac {
            self.is_signed(callback, config, payload, secrets)?;
        }
        if !self.networks.is_empty() {
            let caller = self.caller(callback).ok_or(Reject::Unsigned)?;
            if !self.networks.iter().any(|network| network.holds(caller)) {
                return Err(Reject::BadSignature);
            }
        }
        Ok(brings)
    }

    /// What the path asks for, once its secret fits.
    fn of_path(&self, callback: &Callback) -> Result<Brings, Reject> {
        let path = callback.path_and_query.split('?').next().unwrap_or_default();
        let ours = path.strip_prefix(&format!("/webhooks/{}", self.name));
        let Some(below) = ours.filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
            // A recorded callback of somebody else's address: the server lets none in.
            return if self.path.is_empty() { Ok(brings(callback)) } else { Err(Reject::Unsigned) };
        };
        let mut steps = below.split('/').filter(|step| !step.is_empty());
        if !self.path.is_empty() {
            let given = steps.next().ok_or(Reject::Unsigned)?;
            one_of(&self.path, &decoded(given))?;
        }
        match (steps.next(), steps.next()) {
            (None, _) => Ok(Brings::Either),
            (Some(STATUS), None) => Ok(Brings::Receipts),
            (Some(INBOUND), None) => Ok(Brings::Replies),
            _ => Err(Reject::Unexpected),
        }
    }

    fn is_signed(
        &self,
        callback: &Callback,
        config: &SignatureConfig,
        payload: &Payload,
        secrets: &[Secret],
    ) -> Result<(), Reject> {
        let given = callback.header(&config.header.to_lowercase()).ok_or(Reject::Unsigned)?;
        let given = given.trim().strip_prefix(&config.prefix).ok_or(Reject::BadSignature)?;
        let given = hash::read(config.encoding, given).ok_or(Reject::BadSignature)?;
        let (path, query) =
            callback.path_and_query.split_once('?').unwrap_or((&callback.path_and_query, ""));
        // The proxy before this server takes the public URL's own path away.
        let url = format!("{}{}", self.public_url, callback.path_and_query);
        let hashed = Hashed {
            method: &callback.method,
            url: &url,
            path,
            query,
            body: &callback.body,
            headers: &callback.headers,
        };
        if signature::is_hmac(config.algorithm, secrets, &[&payload.of(&hashed)], &given) {
            return Ok(());
        }
        Err(Reject::BadSignature)
    }

    /// Who calls: whoever connects, or whom the proxy names last.
    fn caller(&self, callback: &Callback) -> Option<IpAddr> {
        let text = match &self.address_header {
            None => callback.header(PEER_HEADER)?,
            Some(name) => {
                let mut all = callback.headers.iter().filter(|(header, _)| header == name);
                all.next_back()?.1.rsplit(',').next()?
            }
        };
        text.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical())
    }
}

/// What the path of a callback that was verified before asks for.
pub(super) fn brings(callback: &Callback) -> Brings {
    let path = callback.path_and_query.split('?').next().unwrap_or_default();
    match path.rsplit('/').find(|step| !step.is_empty()) {
        Some(STATUS) => Brings::Receipts,
        Some(INBOUND) => Brings::Replies,
        _ => Brings::Either,
    }
}

fn one_of(secrets: &[Secret], given: &str) -> Result<(), Reject> {
    if signature::is_one_of(secrets, given) { Ok(()) } else { Err(Reject::BadSignature) }
}

/// A step of a path without its percent signs.
fn decoded(step: &str) -> String {
    // A plus sign is itself in a path, unlike in a form.
    let step = format!("x={}", step.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = form_urlencoded::parse(step.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// Addresses that begin with the same bits (RFC 4632 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base.parse::<IpAddr>().ok()?, Some(bits.parse::<u8>().ok()?)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { base, bits })
    }

    fn holds(self, address: IpAddr) -> bool {
        let of = |address: IpAddr| match address {
            IpAddr::V4(four) => u128::from(u32::from(four)) << 96,
            IpAddr::V6(six) => u128::from(six),
        };
        let shift = 128 - u32::from(self.bits);
        let begins = |address| of(address).checked_shr(shift).unwrap_or(0);
        self.base.is_ipv4() == address.is_ipv4() && begins(self.base) == begins(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_begins_alike() {
        for (network, address, holds) in [
            ("203.0.113.0/24", "203.0.113.9", true),
            ("203.0.113.0/24", "203.0.114.9", false),
            ("203.0.113.7", "203.0.113.7", true),
            ("203.0.113.7", "203.0.113.8", false),
            ("0.0.0.0/0", "198.51.100.1", true),
            ("0.0.0.0/0", "::1", false),
            ("2001:db8::/32", "2001:db8:1::5", true),
            ("2001:db8::/32", "2001:db9::5", false),
            ("::1", "::1", true),
        ] {
            let network = Network::parse(network).unwrap();
            assert_eq!(network.holds(address.parse().unwrap()), holds, "{network:?} {address}");
        }
        for text in ["", "203.0.113.0/33", "::/129", "host", "203.0.113.0/x"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_step_of_a_path_is_decoded_as_one() {
        for (step, expected) in [("a%2Fb", "a/b"), ("a+b", "a+b"), ("a&b=c", "a&b=c"), ("", "")] {
            assert_eq!(decoded(step), expected);
        }
    }
}
