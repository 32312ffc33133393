//! A care programme: its defaults and policies, as `schedules/programmes/<name>/programme.toml` has them.

use crate::care::milestone::Milestone;
use crate::care::{Micros, Routine, TextStyle};
use chrono::NaiveTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A care programme. Every key is optional in the file but `title`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programme {
    /// The folder's name; not in the file.
    #[serde(skip)]
    pub name: String,
    /// What people call it. Opaque on purpose: it may appear in logs.
    pub title: String,
    /// How the programme signs its texts.
    #[serde(default = "default_sender_name")]
    pub sender_name: String,
    /// IANA zone of patients whose record names none.
    #[serde(default = "default_zone")]
    pub zone: String,
    /// Region (ISO 3166) of phone numbers without a country code.
    #[serde(default)]
    pub phone_region: Option<String>,
    /// Language of patients whose record names none.
    #[serde(default = "default_language")]
    pub language: String,
    /// Anchors of patients who have none of their own.
    #[serde(default)]
    pub routine: Routine,
    /// Whether patients may choose overt texts.
    #[serde(default)]
    pub overt_texts: Permission,
    /// Channels in order of preference.
    #[serde(default = "default_channels")]
    pub channels: Vec<crate::care::ChannelKind>,
    /// Which of several channels that serve equally comes first.
    #[serde(default)]
    pub prefer: Prefer,
    /// When to remind of an appointment, and when to ask after it.
    #[serde(default = "default_leads")]
    pub appointment_leads: Vec<AppointmentLead>,
    /// Follow-up protocols by name: milestones in order.
    #[serde(default)]
    pub protocols: BTreeMap<String, Vec<Milestone>>,
    /// Whether a dose of which no receipt came goes over the next channel once the first provider has surely dropped
    /// it. What was delivered without a receipt is then announced twice.
    #[serde(default)]
    pub dose_fallback: Permission,
    /// Quiet hours by the patient's clock.
    #[serde(default)]
    pub quiet_hours: QuietHours,
    /// What its messages may cost; no limit when absent.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// Categories (`system|code` or `code`) of imported FHIR Consents that speak of reminders.
    #[serde(default)]
    pub consent_categories: Vec<String>,
    /// WhatsApp templates by message name (`dose`, `appointment`, ...).
    #[serde(default)]
    pub whatsapp_templates: BTreeMap<String, WhatsappTemplate>,
}

impl Programme {
    /// The style of texts for a patient who chose this one: overt only where the programme permits it.
    pub const fn style(&self, chosen: TextStyle) -> TextStyle {
        match (chosen, self.overt_texts) {
            (TextStyle::Overt, Permission::Allowed) => TextStyle::Overt,
            (TextStyle::Overt, Permission::Denied) | (TextStyle::Discreet, _) => {
                TextStyle::Discreet
            }
        }
    }
}

/// Which channel comes first, of those that a patient ranks alike: a phone number has WhatsApp and SMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Prefer {
    /// The cheapest that meets the message's needs; the programme's order among equals.
    #[default]
    Cheapest,
    /// The programme's order.
    Order,
}

/// Allowed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// Not allowed.
    #[default]
    Denied,
    /// Allowed.
    Allowed,
}

/// A moment before or after an appointment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AppointmentLead {
    /// So many calendar days before, at a local time.
    DayBefore {
        /// Calendar days before the appointment's local date.
        days: u16,
        /// Local time, `HH:MM`.
        at: String,
    },
    /// So many calendar days after, at a local time.
    DayAfter {
        /// Calendar days after the appointment's local date.
        days_after: u16,
        /// Local time, `HH:MM`.
        at: String,
    },
    /// So many minutes before.
    MinutesBefore {
        /// Minutes.
        minutes: u32,
    },
}

/// Quiet hours: from opening to closing nothing but doses and answers leaves (design.md section 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// First quiet minute, local.
    pub from: NaiveTime,
    /// First minute that is quiet no more, local.
    pub to: NaiveTime,
}

/// What the messages of a programme may be in a calendar month of its zone: an amount, a number, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// What they may cost, in the currency of `prices.toml`.
    #[serde(default)]
    pub monthly: Option<Micros>,
    /// How many they may be; tries count, not parts.
    #[serde(default)]
    pub messages: Option<u64>,
    /// From this share on, in percent, it is said that the budget runs out.
    #[serde(default = "default_warn_percent")]
    pub warn_percent: u8,
}

impl Default for QuietHours {
    fn default() -> Self {
        Self {
            from: NaiveTime::from_hms_opt(21, 0, 0).unwrap_or_default(),
            to: NaiveTime::from_hms_opt(8, 0, 0).unwrap_or_default(),
        }
    }
}

/// A template as it is approved at Meta.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhatsappTemplate {
    /// Its name there.
    pub name: String,
    /// Languages in which it is approved: ours to Meta's code (`pt` to `pt_BR`).
    pub languages: BTreeMap<String, String>,
    /// Message variables in the order of the body's placeholders.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// The placeholders' names there, in the same order, where they have names instead of numbers.
    #[serde(default)]
    pub parameter_names: Vec<String>,
    /// Its stored `message_send_ttl_seconds`.
    pub ttl_seconds: u32,
    /// The category it is approved in: its price depends on it.
    #[serde(default)]
    pub category: TemplateCategory,
}

/// Meta's categories of templates; each has its own price.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "kebab-case")]
pub enum TemplateCategory {
    /// What the patient asked for or needs: reminders.
    #[default]
    Utility,
    /// Everything that invites, and what is mixed.
    Marketing,
    /// One-time codes.
    Authentication,
}

impl TemplateCategory {
    /// The word in files and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Utility => "utility",
            Self::Marketing => "marketing",
            Self::Authentication => "authentication",
        }
    }
}

fn default_sender_name() -> String {
    "Your care team".to_owned()
}
fn default_zone() -> String {
    "UTC".to_owned()
}
const fn default_warn_percent() -> u8 {
    80
}
fn default_language() -> String {
    "en".to_owned()
}
fn default_channels() -> Vec<crate::care::ChannelKind> {
    crate::care::ChannelKind::ALL.to_vec()
}
fn default_leads() -> Vec<AppointmentLead> {
    vec![
        AppointmentLead::DayBefore { days: 1, at: "18:00".to_owned() },
        AppointmentLead::MinutesBefore { minutes: 120 },
    ]
}
