//! Our addresses, and the tokens in them by which bounces, answers and leavers are known again.

use crate::care::ids::{AttemptId, PatientId};
use crate::security::{Purpose, Tokens};
use lettre::Address;
use lettre::message::Mailbox;

/// What this server goes by.
#[derive(Clone, Copy)]
pub(in super::super) struct Ours<'a> {
    /// How it is reached, without a trailing slash; empty: not at all.
    pub(in super::super) public_url: &'a str,
    pub(in super::super) tokens: &'a Tokens,
}

/// The addresses of one sender.
pub(super) struct Addresses {
    pub(super) from: Mailbox,
    /// `local@domain`, to which a token is added.
    reply: Option<Address>,
    bounce: Option<Address>,
    public_url: String,
    tokens: Tokens,
}

impl Addresses {
    pub(super) fn new(
        from: Mailbox,
        reply: Option<Address>,
        bounce: Option<Address>,
        ours: Ours<'_>,
    ) -> Self {
        let public_url = ours.public_url.to_owned();
        Self { from, reply, bounce, public_url, tokens: ours.tokens.clone() }
    }

    /// Our Message-ID without its brackets: unique and the same over retries (RFC 5322 section 3.6.4).
    pub(super) fn message_id(&self, given: &str) -> String {
        let bare = given.trim_start_matches('<').trim_end_matches('>');
        if bare.contains('@') {
            return bare.to_owned();
        }
        format!("{bare}@{}", self.from.email.domain())
    }

    /// Where the answer to an attempt goes.
    pub(super) fn reply_to(&self, attempt: AttemptId) -> Option<Address> {
        tagged(self.reply.as_ref()?, &self.tokens.sign(Purpose::Reply, attempt.0))
    }

    /// Where an attempt bounces to (VERP).
    pub(super) fn envelope_from(&self, attempt: AttemptId) -> Address {
        let token = || self.tokens.sign(Purpose::Bounce, attempt.0);
        let tagged = self.bounce.as_ref().and_then(|bounce| tagged(bounce, &token()));
        tagged.unwrap_or_else(|| self.from.email.clone())
    }

    /// Where a patient leaves a programme's messages.
    pub(super) fn unsubscribe_url(&self, patient: PatientId, programme: &str) -> Option<String> {
        let token = self.tokens.sign(Purpose::Unsubscribe { programme }, patient.0);
        (!self.public_url.is_empty()).then(|| format!("{}/u/{token}", self.public_url))
    }
}

/// `local+TOKEN@domain` (RFC 5233 calls the part behind the plus sign detail).
fn tagged(address: &Address, token: &str) -> Option<Address> {
    Address::new(format!("{}+{token}", address.user()), address.domain()).ok()
}
