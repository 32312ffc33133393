//! Our addresses, and the tokens in them by which bounces, answers and leavers are known again.

use super::super::Invite;
use super::calendar;
use crate::care::ids::{AttemptId, PatientId};
use crate::security::{Purpose, Tokens};
use lettre::Address;
use lettre::message::Mailbox;
use mail_parser::Message;

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

    /// An appointment as an entry of the patient's calendar.
    pub(super) fn calendar_entry(&self, invite: &Invite, to: &Address) -> String {
        let from = &self.from.email;
        calendar::entry(invite, from.as_ref(), to.as_ref(), from.domain())
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

/// Headers that name to whom a mail was delivered.
const TO: [&str; 10] = [
    "To",
    "Cc",
    "Delivered-To",
    "X-Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-Forwarded-To",
    "Resent-To",
    "Apparently-To",
];

impl Addresses {
    /// The attempt whose token a mail was sent to, with the token: by its headers, else by what the envelope said.
    pub(super) fn token_in(
        &self,
        purpose: Purpose<'_>,
        message: &Message<'_>,
        envelope: &str,
    ) -> Option<(AttemptId, String)> {
        let headers = message
            .headers_raw()
            .filter(|(name, _)| TO.iter().any(|known| known.eq_ignore_ascii_case(name.trim())));
        let places = headers.map(|(_, value)| value).chain([envelope]);
        places.flat_map(details).find_map(|token| {
            let id = self.tokens.read(purpose, token)?;
            Some((AttemptId(id), token.to_ascii_lowercase()))
        })
    }

    /// Our addresses in small letters, without tokens.
    pub(super) fn own(&self) -> Vec<String> {
        let others = [&self.reply, &self.bounce].into_iter().flatten();
        let all = std::iter::once(&self.from.email).chain(others);
        all.map(|address| address.to_string().to_lowercase()).collect()
    }
}

/// What stands between a plus sign and an at sign.
fn details(text: &str) -> impl Iterator<Item = &str> {
    text.split('@').filter_map(|before| Some(before.rsplit_once('+')?.1))
}

/// `local+TOKEN@domain` (RFC 5233 calls the part behind the plus sign detail).
fn tagged(address: &Address, token: &str) -> Option<Address> {
    Address::new(format!("{}+{token}", address.user()), address.domain()).ok()
}
