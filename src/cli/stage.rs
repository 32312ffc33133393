//! A stage: the provider stand-in, and the channels that point at it. The demo plays on it, `sandbox` prints
//! it, tests build on it.

use crate::config::{
    AddressRetention, ChannelsConfig, ContentRetention, EmailConfig, KindConfig, Secret, Speaks,
    TwilioConfig, WhatsappConfig,
};
use crate::message::Programmes;
use crate::sandbox::{Sandbox, SandboxConfig, Template};
use std::net::SocketAddr;

/// Meta's API version on the stand-in.
const API_VERSION: &str = "v25.0";
/// What Meta's registration of the webhook repeats.
pub const VERIFY_TOKEN: &str = "sandbox-verify-token";
/// What opens the way in for mail.
pub const INLET_SECRET: &str = "sandbox-inlet-secret";
/// Messages a second of each sender: the stand-in takes what comes.
const PER_SECOND: f64 = 1_000.0;

/// A stand-in that knows the templates of these programmes.
pub fn sandbox_config(programmes: &Programmes) -> SandboxConfig {
    let mut config = SandboxConfig::default();
    for template in programmes.iter().flat_map(|programme| programme.whatsapp_templates.values()) {
        let known = Template {
            languages: template.languages.values().cloned().collect(),
            parameters: template.parameters.len(),
            ttl_seconds: Some(template.ttl_seconds),
            parameter_names: template.parameter_names.clone(),
            buttons: template.buttons.iter().map(|press| press.word().to_owned()).collect(),
            header: template.header.map(|kind| kind.word().to_uppercase()).unwrap_or_default(),
            ..Template::default()
        };
        config.whatsapp.templates.insert(template.name.clone(), known);
    }
    config
}

/// The channels of a daemon that talks to a stand-in of this configuration at these addresses.
pub fn channels_config(
    config: &SandboxConfig,
    http: SocketAddr,
    smtp: SocketAddr,
) -> ChannelsConfig {
    let whatsapp = WhatsappConfig {
        base_url: format!("http://{http}/{API_VERSION}"),
        phone_number_id: config.whatsapp.phone_number_id.clone(),
        phone_id_in_path: true,
        business_account_id: Some(config.whatsapp.business_account_id.clone()),
        access_token: Secret::new(config.whatsapp.access_token.clone()),
        auth_header: "Authorization".to_owned(),
        app_secrets: vec![Secret::new(config.whatsapp.app_secret.clone())],
        verify_token: Secret::new(VERIFY_TOKEN),
        template_categories: vec!["UTILITY".to_owned()],
        messages_per_second: PER_SECOND,
    };
    let twilio = TwilioConfig {
        base_url: format!("http://{http}"),
        account_sid: config.twilio.account_sid.clone(),
        api_key: None,
        api_secret: None,
        auth_tokens: vec![Secret::new(config.twilio.auth_token.clone())],
        from: config.twilio.senders.first().cloned().unwrap_or_default(),
        speaks: Speaks::Sms,
        contents: Vec::new(),
        content_retention: ContentRetention::Retain,
        address_retention: AddressRetention::Retain,
        segments_per_second: PER_SECOND,
    };
    let email = EmailConfig {
        url: format!("smtp://{smtp}"),
        username: None,
        password: None,
        from: "Carebell <carebell@example.org>".to_owned(),
        messages_per_second: PER_SECOND,
        connections: 4,
        reply_address: "replies@example.org".to_owned(),
        bounce_address: "bounces@example.org".to_owned(),
        webhook_secrets: vec![Secret::new(INLET_SECRET)],
        webhook_field: "email".to_owned(),
        ..EmailConfig::default()
    };
    ChannelsConfig::default()
        .with("whatsapp", KindConfig::Whatsapp(whatsapp))
        .with("twilio", KindConfig::Twilio(twilio))
        .with("email", KindConfig::Email(email))
}

/// The same of a stand-in that runs in this process.
pub fn channels_of(config: &SandboxConfig, sandbox: &Sandbox) -> ChannelsConfig {
    channels_config(config, sandbox.http_addr(), sandbox.smtp_addr())
}
