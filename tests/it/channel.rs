//! Channels and the HTTP server over real sockets.

#![cfg(test)]

mod callbacks;
pub mod gateway;
mod mail;
mod mail_faults;
mod mail_house;
mod mail_inlet;
mod matrix;
mod meta;
mod sends;
mod server;
pub mod stub;
mod twilio;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use carebell::care::UtcMs;
use carebell::care::ids::AttemptId;
use carebell::care::{Address, Phi};
use carebell::channel::{Channels, Content, Outbound, Text};
use carebell::config::{
    AddressRetention, ChannelsConfig, ContentRetention, EmailConfig, KindConfig, Mode, Secret,
    Speaks, TwilioConfig, WhatsappConfig,
};
use carebell::security::{Keyring, Tokens};
use hmac::{Hmac, Mac};
use rand::SeedableRng;

/// Long enough for loopback under load; tests that wait for it choose a shorter one.
const TIMEOUT_MS: i64 = 20_000;
const PUBLIC_URL: &str = "https://hooks.example.org";
const META_SECRET: &str = "dev-app-secret-5f0c1e";
const INLET_SECRET: &str = "inlet-secret";
const TWILIO_TOKEN: &str = "dev0123456789abcdef0123456789abcd";

fn whatsapp(base_url: &str) -> WhatsappConfig {
    WhatsappConfig {
        base_url: base_url.to_owned(),
        phone_number_id: "106540352242922".to_owned(),
        phone_id_in_path: true,
        business_account_id: Some("102290129340398".to_owned()),
        access_token: Secret::new("token-1"),
        auth_header: "Authorization".to_owned(),
        app_secrets: vec![Secret::new("next-secret"), Secret::new(META_SECRET)],
        verify_token: Secret::new("verify-1"),
        template_categories: vec!["UTILITY".to_owned()],
        messages_per_second: 80.0,
    }
}

fn twilio(base_url: &str) -> TwilioConfig {
    TwilioConfig {
        base_url: base_url.to_owned(),
        account_sid: "AC1".to_owned(),
        api_key: None,
        api_secret: None,
        auth_tokens: vec![Secret::new("current-token"), Secret::new(TWILIO_TOKEN)],
        from: "+15005550006".to_owned(),
        speaks: Speaks::Sms,
        contents: Vec::new(),
        content_retention: ContentRetention::Retain,
        address_retention: AddressRetention::Retain,
        segments_per_second: 1.0,
    }
}

fn email(url: &str) -> EmailConfig {
    EmailConfig {
        url: url.to_owned(),
        username: None,
        password: None,
        from: "Clinic <clinic@example.org>".to_owned(),
        messages_per_second: 5.0,
        connections: 2,
        reply_address: "replies@example.org".to_owned(),
        bounce_address: "bounces@example.org".to_owned(),
        webhook_secrets: vec![Secret::new("next-inlet"), Secret::new(INLET_SECRET)],
        webhook_field: "email".to_owned(),
        dkim_domain: String::new(),
        dkim_selector: String::new(),
        dkim_key: None,
    }
}

/// All channels, each towards its own address, in sandbox mode.
pub fn channels(http: &str, smtp: &str, timeout_ms: i64) -> Channels {
    let config = ChannelsConfig::default()
        .with("whatsapp", KindConfig::Whatsapp(whatsapp(http)))
        .with("twilio", KindConfig::Twilio(twilio(http)))
        .with("email", KindConfig::Email(email(smtp)));
    Channels::build(&config, Mode::Sandbox, PUBLIC_URL, timeout_ms, &tokens()).unwrap()
}

fn tokens() -> Tokens {
    Keyring::new(&[7; 32]).tokens().clone()
}

fn text(text: &str) -> Text {
    Text(Phi::from(text))
}

fn attempt(seed: u64) -> AttemptId {
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    AttemptId::new(UtcMs(1_764_000_000_000), &mut rng)
}

fn outbound(to: &str, content: Content) -> Outbound {
    Outbound {
        correlation: attempt(1),
        to: Address::new(to),
        user_id: None,
        content,
        validity_seconds: 7_200,
    }
}

fn sms(body: &str) -> Outbound {
    outbound("+15555550123", Content::text(text(body)))
}

fn mail(subject: &str) -> Outbound {
    let content = Content::Email {
        subject: text(subject),
        text: text("It is time.\nReply if you need help. Grüße"),
        html: Some(text("<p>It is time.</p>")),
        message_id: "msg-1".to_owned(),
        unsubscribe_url: Some(format!("{PUBLIC_URL}/u/token")),
        invite: None,
    };
    outbound("patient@example.net", content)
}

/// Twilio's signature as its documentation words it (docs/usage/webhooks/webhooks-security).
fn twilio_signature(url: &str, form: &str, token: &str) -> String {
    let mut pairs: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
    pairs.sort();
    let mut signed = url.to_owned();
    for (name, value) in pairs {
        signed.push_str(&name);
        signed.push_str(&value);
    }
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}
