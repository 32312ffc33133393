//! Contact points, channels and consent.

use crate::care::ids::{ContactPointId, PatientId};
use crate::care::{Phi, UtcMs, phi};
use serde::{Deserialize, Serialize};

/// The kind of channel an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// WhatsApp, by Meta's Cloud API.
    Whatsapp,
    /// SMS.
    Sms,
    /// Email.
    Email,
}

impl ChannelKind {
    /// Every kind, in the default order of preference.
    pub const ALL: [Self; 3] = [Self::Whatsapp, Self::Sms, Self::Email];

    /// The word stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Whatsapp => "whatsapp",
            Self::Sms => "sms",
            Self::Email => "email",
        }
    }

    /// Reads what [`ChannelKind::word`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// An address in its normal form: E.164 with a plus sign, or an email address in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(#[serde(with = "phi::sealed")] pub Phi<String>);

impl Address {
    /// An address that is already in its normal form.
    pub fn new(normal: impl Into<String>) -> Self {
        Self(Phi::new(normal.into()))
    }

    /// The address; every call is a place where it is used on purpose.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// How well an address works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum ContactHealth {
    /// Nothing speaks against it.
    #[default]
    Ok,
    /// It failed, but not surely for good.
    Suspect,
    /// A provider said that it is no address.
    Bad,
    /// Its owner said stop.
    OptedOut,
}

impl ContactHealth {
    /// The word stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Suspect => "suspect",
            Self::Bad => "bad",
            Self::OptedOut => "opted-out",
        }
    }

    /// Reads what [`ContactHealth::word`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Ok, Self::Suspect, Self::Bad, Self::OptedOut].into_iter().find(|h| h.word() == word)
    }
}

/// One address on one channel, as imported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContactPoint {
    /// Channel.
    pub channel: ChannelKind,
    /// Address.
    pub address: Address,
    /// Lower is preferred.
    pub rank: u16,
}

/// A recorded consent or refusal. No recorded consent, no send (design.md section 9).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsentBasis {
    /// Channel it is limited to; all channels when absent.
    pub channel: Option<ChannelKind>,
    /// Given or refused.
    pub decision: ConsentDecision,
    /// Wording or source, as recorded.
    #[serde(with = "phi::sealed")]
    pub basis: Phi<String>,
    /// When it was given or withdrawn.
    pub at: UtcMs,
}

/// What a person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentDecision {
    /// Yes.
    Given,
    /// No, or withdrawn.
    Refused,
}

/// A contact point with what experience says of it.
#[derive(Clone, Debug)]
pub struct KnownContact {
    /// Id.
    pub id: ContactPointId,
    /// Owner.
    pub patient: PatientId,
    /// Kind of channel.
    pub channel: ChannelKind,
    /// Lower is preferred.
    pub rank: i64,
    /// Address.
    pub address: Address,
    /// How well it works.
    pub health: ContactHealth,
    /// When it may be tried again although it is bad; `None`: when somebody has verified it.
    pub again_at: Option<UtcMs>,
    /// Whether the source still has it.
    pub in_use: bool,
}

/// A recorded decision; its wording stays sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownConsent {
    /// Who.
    pub patient: PatientId,
    /// Channel it is limited to; all when absent.
    pub channel: Option<ChannelKind>,
    /// Yes or no.
    pub decision: ConsentDecision,
    /// How it reached us: import, assertion, reply, provider, person.
    pub source: String,
    /// When it was decided.
    pub at: UtcMs,
}
