//! The request for one message, rendered from the configuration.

use super::super::build::{ChannelConfigError, Section};
use super::hash::{self, Hashed, Payload};
use super::template::{BadTemplate, Place, Templates};
use super::xml;
pub(super) use crate::config::MASK;
use crate::config::{AuthConfig, GatewayConfig, HmacAlgorithm, HmacEncoding, Secret};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use minijinja::Value;
use reqwest::{Method, Url};
use std::collections::BTreeMap;

const FORM: &str = "application/x-www-form-urlencoded";

/// Whether secrets are in what is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrets {
    /// For the gateway.
    Told,
    /// For whoever looks.
    Masked,
}

/// What templates may name.
#[derive(Clone, Debug)]
pub(super) struct Values<'a> {
    /// E.164 with a plus sign.
    pub(super) to: &'a str,
    /// The same without it.
    pub(super) to_digits: &'a str,
    /// As it is dialled at home, without the country code and a leading zero.
    pub(super) to_national: &'a str,
    pub(super) from: &'a str,
    pub(super) username: &'a str,
    pub(super) text: &'a str,
    /// UTF-16, four hexadecimal digits a unit.
    pub(super) ucs2_hex: &'a str,
    /// The alphabet of seven bits, two hexadecimal digits a septet; empty where the text does not go in it.
    pub(super) gsm7_hex: &'a str,
    /// Ours; comes back in receipts.
    pub(super) id: &'a str,
    /// Where receipts go, with our id.
    pub(super) callback: &'a str,
    /// Segments of the text.
    pub(super) segments: usize,
    /// Whether it needs sixteen bits a character.
    pub(super) unicode: bool,
    pub(super) validity_seconds: u32,
}

impl Values<'_> {
    fn with_secrets(&self, secrets: Value) -> Value {
        minijinja::context! {
            secrets,
            to => self.to,
            to_digits => self.to_digits,
            to_national => self.to_national,
            from => self.from,
            username => self.username,
            text => self.text,
            ucs2_hex => self.ucs2_hex,
            gsm7_hex => self.gsm7_hex,
            id => self.id,
            callback => self.callback,
            segments => self.segments,
            unicode => self.unicode,
            validity_seconds => self.validity_seconds,
        }
    }
}

/// A request, ready to be sent or shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rendered {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
}

/// How requests are rendered.
pub(super) struct Requests {
    templates: Templates,
    base: Url,
    method: Method,
    /// Names of parameters and headers; their templates are named `query.NAME`, ...
    query: Vec<String>,
    form: Vec<String>,
    headers: Vec<String>,
    /// The type of the body, when it is one text.
    body: Option<(String, Place)>,
    auth: Option<AuthConfig>,
    payload: Option<Payload>,
    secrets: BTreeMap<String, Secret>,
}

impl Requests {
    pub(super) fn new(
        section: Section<'_>,
        config: &GatewayConfig,
    ) -> Result<Self, ChannelConfigError> {
        let wrong = |key: &str, fix| ChannelConfigError::WrongForm { key: section.key(key), fix };
        let empty = |key: &str, fix| ChannelConfigError::Empty { key: section.key(key), fix };
        let template = |bad: BadTemplate| bad.of(section);
        let request = config
            .request
            .as_ref()
            .ok_or(empty("request", "name a preset, or write the request"))?;
        let base = Url::parse(config.base_url.trim_end_matches('/')).ok().filter(Url::has_host);
        let base = base.ok_or(ChannelConfigError::NotAUrl {
            key: section.key("base_url"),
            example: "https://host/path",
        })?;
        let mut templates = Templates::new();
        templates.add(Place::Url, "request.path", &request.path).map_err(template)?;
        for (name, texts) in
            [("query", &request.query), ("form", &request.form), ("headers", &request.headers)]
        {
            for (key, text) in texts {
                let key = format!("request.{name}.{key}");
                templates.add(Place::Plain, &key, text).map_err(template)?;
            }
        }
        let body = match (&request.body, &request.content_type) {
            (None, _) => None,
            (Some(_), _) if !request.form.is_empty() => {
                return Err(wrong("request.body", "write either body or form"));
            }
            (Some(_), None) => {
                return Err(empty("request.content_type", "values are escaped as it asks"));
            }
            (Some(text), Some(kind)) => {
                let place = Place::of_type(kind);
                templates.add(place, "request.body", text).map_err(template)?;
                Some((kind.clone(), place))
            }
        };
        if let Some(AuthConfig::Basic { user, .. }) = &request.auth {
            templates.add(Place::Plain, "request.auth.user", user).map_err(template)?;
        }
        if matches!(request.auth, Some(AuthConfig::Form { .. })) && body.is_some() {
            return Err(wrong("request.auth", "a parameter of a form needs a form, not a body"));
        }
        let payload = match &request.auth {
            Some(AuthConfig::Hmac { payload, .. }) => {
                Some(Payload::parse(payload).map_err(|no| wrong("request.auth.payload", no.0))?)
            }
            _ => None,
        };
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| wrong("request.method", "write GET, POST or PUT"))?;
        let names = |texts: &BTreeMap<String, String>| texts.keys().cloned().collect();
        let requests = Self {
            templates,
            base,
            method,
            query: names(&request.query),
            form: names(&request.form),
            headers: names(&request.headers),
            body,
            auth: request.auth.clone(),
            payload,
            secrets: config.secrets.clone(),
        };
        requests.try_out(section)?;
        Ok(requests)
    }

    /// A message that no template may stumble over.
    fn try_out(&self, section: Section<'_>) -> Result<(), ChannelConfigError> {
        for unicode in [true, false] {
            let values = Values {
                to: "+254700000001",
                to_digits: "254700000001",
                to_national: "700000001",
                from: "CLINIC & \"Co\"",
                username: "user",
                text: "It's \"8:00\" <now> & 100% \\ 2\u{2013}3\nÇ",
                ucs2_hex: "00C7",
                gsm7_hex: "09",
                id: "00000000-0000-0000-0000-000000000000",
                callback: "https://host/webhooks/name/status?msg=id",
                segments: 2,
                unicode,
                validity_seconds: 3_600,
            };
            let rendered = self.render(&values, Secrets::Told).map_err(|bad| bad.of(section))?;
            let fix = match (&self.body, rendered.body.as_deref()) {
                (Some((_, Place::Json)), Some(body))
                    if serde_json::from_str::<serde::de::IgnoredAny>(body).is_err() =>
                {
                    "rendered it is no JSON: write \"{{ text }}\" within quotes, numbers without"
                }
                (Some((_, Place::Xml)), Some(body)) if xml::tree(body).is_none() => {
                    "rendered it is no well-formed XML"
                }
                _ => continue,
            };
            return Err(ChannelConfigError::WrongForm { key: section.key("request.body"), fix });
        }
        Ok(())
    }

    /// The request for a message.
    pub(super) fn render(
        &self,
        values: &Values<'_>,
        secrets: Secrets,
    ) -> Result<Rendered, BadTemplate> {
        let names = self.secrets.keys();
        let told = Value::from_pairs(names.map(|name| (name.clone(), self.secret(name, secrets))));
        let values = values.with_secrets(told);
        let render = |place, key: &str| self.templates.render(place, key, &values);
        let url = self.url(&render(Place::Url, "request.path")?)?;
        let parameters = |names: &[String], section: &str| -> Result<Vec<_>, BadTemplate> {
            let mut found = Vec::with_capacity(names.len());
            for name in names {
                let value = render(Place::Plain, &format!("request.{section}.{name}"))?;
                if !value.is_empty() {
                    found.push((name.clone(), value));
                }
            }
            Ok(found)
        };
        let mut query = parameters(&self.query, "query")?;
        let mut form = parameters(&self.form, "form")?;
        let mut headers = parameters(&self.headers, "headers")?;
        match &self.auth {
            Some(AuthConfig::Query { name, secret }) => {
                query.push((name.clone(), self.secret(secret, secrets).to_owned()));
            }
            Some(AuthConfig::Form { name, secret }) => {
                form.push((name.clone(), self.secret(secret, secrets).to_owned()));
            }
            _ => {}
        }
        let mut url = url;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(&query);
        }
        let body = match &self.body {
            Some((kind, place)) => {
                headers.push(("content-type".to_owned(), kind.clone()));
                Some(render(*place, "request.body")?)
            }
            None if !form.is_empty() => {
                headers.push(("content-type".to_owned(), FORM.to_owned()));
                Some(form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish())
            }
            None => None,
        };
        let user = || render(Place::Plain, "request.auth.user");
        let signed = Hashed {
            method: self.method.as_str(),
            url: url.as_str(),
            path: url.path(),
            query: url.query().unwrap_or_default(),
            body: body.as_deref().unwrap_or_default().as_bytes(),
            headers: &[],
        };
        headers.extend(self.says_who(&signed, secrets, user)?);
        Ok(Rendered { method: self.method.clone(), url, headers, body })
    }

    /// The header that says who we are.
    fn says_who(
        &self,
        signed: &Hashed<'_>,
        secrets: Secrets,
        user: impl Fn() -> Result<String, BadTemplate>,
    ) -> Result<Option<(String, String)>, BadTemplate> {
        let secret = |name: &str| self.secret(name, secrets);
        let authorization = |value: String| Some(("authorization".to_owned(), value));
        Ok(match &self.auth {
            Some(AuthConfig::Basic { secret: name, .. }) => match secrets {
                Secrets::Masked => authorization(format!("Basic {MASK}")),
                Secrets::Told => {
                    let pair = format!("{}:{}", user()?, secret(name));
                    authorization(format!("Basic {}", BASE64_STANDARD.encode(pair)))
                }
            },
            Some(AuthConfig::Bearer { secret: name }) => {
                authorization(format!("Bearer {}", secret(name)))
            }
            Some(AuthConfig::Header { name, prefix, secret: of }) => {
                Some((name.clone(), format!("{prefix}{}", secret(of))))
            }
            Some(AuthConfig::Hmac {
                header, prefix, algorithm, encoding, secret: name, ..
            }) => {
                let hash = match secrets {
                    Secrets::Masked => MASK.to_owned(),
                    Secrets::Told => self.hash(*algorithm, *encoding, name, signed),
                };
                Some((header.clone(), format!("{prefix}{hash}")))
            }
            Some(AuthConfig::Query { .. } | AuthConfig::Form { .. }) | None => None,
        })
    }

    fn hash(
        &self,
        algorithm: HmacAlgorithm,
        encoding: HmacEncoding,
        name: &str,
        signed: &Hashed<'_>,
    ) -> String {
        let payload = self.payload.as_ref().map(|payload| payload.of(signed)).unwrap_or_default();
        let secret = self.secrets.get(name);
        secret.map_or_else(String::new, |key| hash::written(algorithm, encoding, key, &payload))
    }

    fn secret(&self, name: &str, secrets: Secrets) -> &str {
        match secrets {
            Secrets::Masked => MASK,
            Secrets::Told => self.secrets.get(name).map_or("", Secret::expose),
        }
    }

    /// The base with a path; a path may not lead to another machine.
    fn url(&self, path: &str) -> Result<Url, BadTemplate> {
        let whole = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let url = Url::parse(&whole).ok().filter(|url| url.origin() == self.base.origin());
        url.ok_or_else(|| BadTemplate {
            key: "request.path".to_owned(),
            fault: "it does not begin with /, or is no path".to_owned(),
        })
    }
}

impl BadTemplate {
    fn of(self, section: Section<'_>) -> ChannelConfigError {
        ChannelConfigError::Template { key: section.key(&self.key), fault: self.fault }
    }
}
