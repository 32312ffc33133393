//! Over which address a message goes, or why over none.

use crate::care::contact::{ConsentDecision, KnownConsent, KnownContact};
use crate::care::ids::ContactPointId;
use crate::care::{ChannelKind, ContactHealth, Reason, UtcMs};

/// What a choice is made from.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Now: what is decided for later does not count yet.
    pub now: UtcMs,
    /// The patient's contact points.
    pub contacts: &'a [KnownContact],
    /// What the patient decided, by time.
    pub consents: &'a [KnownConsent],
    /// The programme's channels in order of preference.
    pub preference: &'a [ChannelKind],
    /// Channels that are configured.
    pub configured: &'a [ChannelKind],
    /// Contact points that failed for good on this message.
    pub tried: &'a [ContactPointId],
}

/// The best consented contact point: the patient's rank first, then the programme's preference.
///
/// # Errors
/// The reason that stands in the way of the contact point that came nearest: a refusal tells more than a
/// missing address does.
pub fn choose<'a>(choice: &Choice<'a>) -> Result<&'a KnownContact, Reason> {
    let mut usable: Vec<(i64, usize, &KnownContact)> = Vec::new();
    let mut nearest = Reason::NoContact;
    for contact in choice.contacts.iter().filter(|contact| contact.in_use) {
        match hindrance(contact, choice) {
            None => {
                let preference = choice
                    .preference
                    .iter()
                    .position(|kind| *kind == contact.channel)
                    .unwrap_or(usize::MAX);
                usable.push((contact.rank, preference, contact));
            }
            Some(reason) if rank(&reason) > rank(&nearest) => nearest = reason,
            Some(_) => {}
        }
    }
    usable
        .into_iter()
        .min_by_key(|(rank, preference, contact)| (*rank, *preference, contact.id))
        .map(|(_, _, contact)| contact)
        .ok_or(nearest)
}

fn hindrance(contact: &KnownContact, choice: &Choice<'_>) -> Option<Reason> {
    if choice.tried.contains(&contact.id) || contact.health == ContactHealth::Bad {
        return Some(Reason::NoContact);
    }
    if contact.health == ContactHealth::OptedOut {
        return Some(Reason::OptedOut);
    }
    match consent(choice.consents, contact.channel, choice.now) {
        None => return Some(Reason::NoConsent),
        Some(ConsentDecision::Refused) => return Some(Reason::ConsentRefused),
        Some(ConsentDecision::Given) => {}
    }
    let configured = choice.configured.contains(&contact.channel)
        && choice.preference.contains(&contact.channel);
    (!configured).then_some(Reason::NoChannel)
}

/// The newest decision that covers a channel; of two at one moment the refusal holds. What an operator only
/// asserts fills a silence: it never stands against a recorded decision.
pub fn consent(
    consents: &[KnownConsent],
    channel: ChannelKind,
    now: UtcMs,
) -> Option<ConsentDecision> {
    consents
        .iter()
        .filter(|consent| consent.at <= now)
        .filter(|consent| consent.channel.is_none_or(|limited_to| limited_to == channel))
        .max_by_key(|consent| {
            let recorded = consent.source != ASSERTION;
            (recorded, consent.at, consent.decision == ConsentDecision::Refused)
        })
        .map(|consent| consent.decision)
}

/// The source of a consent that an operator asserts for a whole import.
pub const ASSERTION: &str = "assertion";

const fn rank(reason: &Reason) -> u8 {
    match reason {
        Reason::OptedOut => 4,
        Reason::ConsentRefused => 3,
        Reason::NoConsent => 2,
        Reason::NoChannel => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::Address;
    use crate::care::ids::PatientId;
    use uuid::Uuid;

    fn contact(number: u128, channel: ChannelKind, rank: i64) -> KnownContact {
        KnownContact {
            id: ContactPointId(Uuid::from_u128(number)),
            patient: PatientId(Uuid::nil()),
            channel,
            rank,
            address: Address::new("+1"),
            health: ContactHealth::Ok,
            in_use: true,
        }
    }

    fn said(channel: Option<ChannelKind>, decision: ConsentDecision, at: i64) -> KnownConsent {
        KnownConsent {
            patient: PatientId(Uuid::nil()),
            channel,
            decision,
            source: "import".to_owned(),
            at: UtcMs(at),
        }
    }

    fn chosen(contacts: &[KnownContact], consents: &[KnownConsent]) -> Result<u128, Reason> {
        choose(&Choice {
            now: UtcMs(100),
            contacts,
            consents,
            preference: &ChannelKind::ALL,
            configured: &ChannelKind::ALL,
            tried: &[],
        })
        .map(|contact| contact.id.0.as_u128())
    }

    #[test]
    fn rank_first_then_the_programmes_preference() {
        let yes = [said(None, ConsentDecision::Given, 1)];
        let contacts = [contact(1, ChannelKind::Sms, 1), contact(2, ChannelKind::Whatsapp, 1)];
        assert_eq!(chosen(&contacts, &yes), Ok(2));
        let contacts = [contact(1, ChannelKind::Sms, 0), contact(2, ChannelKind::Whatsapp, 1)];
        assert_eq!(chosen(&contacts, &yes), Ok(1));
    }

    #[test]
    fn p6_no_recorded_consent_no_send_and_the_newest_decision_holds() {
        use ConsentDecision::{Given, Refused};
        let contacts = [contact(1, ChannelKind::Sms, 1)];
        assert_eq!(chosen(&contacts, &[]), Err(Reason::NoConsent));
        assert_eq!(chosen(&contacts, &[said(None, Refused, 1)]), Err(Reason::ConsentRefused));
        let both = [said(None, Given, 5), said(Some(ChannelKind::Sms), Refused, 5)];
        assert_eq!(chosen(&contacts, &both), Err(Reason::ConsentRefused));
        let back = [said(None, Refused, 1), said(Some(ChannelKind::Sms), Given, 2)];
        assert_eq!(chosen(&contacts, &back), Ok(1));
        let other = [said(Some(ChannelKind::Email), Given, 2)];
        assert_eq!(chosen(&contacts, &other), Err(Reason::NoConsent));
        let lapses = [said(None, Given, 5), said(None, Refused, 101)];
        assert_eq!(
            chosen(&contacts, &lapses),
            Ok(1),
            "what is decided for later does not count yet"
        );
        let lapsed = [said(None, Given, 5), said(None, Refused, 100)];
        assert_eq!(chosen(&contacts, &lapsed), Err(Reason::ConsentRefused));
    }

    #[test]
    fn p6_an_assertion_fills_a_silence_and_beats_no_refusal() {
        use ConsentDecision::{Given, Refused};
        let contacts = [contact(1, ChannelKind::Sms, 1)];
        let asserted = |at| KnownConsent { source: ASSERTION.to_owned(), ..said(None, Given, at) };
        assert_eq!(chosen(&contacts, &[asserted(9)]), Ok(1));
        let refused = [said(None, Refused, 1), asserted(9)];
        assert_eq!(chosen(&contacts, &refused), Err(Reason::ConsentRefused));
        let elsewhere = [said(Some(ChannelKind::Email), Refused, 1), asserted(9)];
        assert_eq!(chosen(&contacts, &elsewhere), Ok(1));
    }

    #[test]
    fn p6_stop_and_bad_addresses_are_never_used() {
        let yes = [said(None, ConsentDecision::Given, 1)];
        let mut stopped = contact(1, ChannelKind::Sms, 1);
        stopped.health = ContactHealth::OptedOut;
        let mut bad = contact(2, ChannelKind::Whatsapp, 1);
        bad.health = ContactHealth::Bad;
        assert_eq!(chosen(&[stopped.clone(), bad.clone()], &yes), Err(Reason::OptedOut));
        assert_eq!(chosen(&[bad], &yes), Err(Reason::NoContact));
        assert_eq!(chosen(&[stopped, contact(3, ChannelKind::Email, 9)], &yes), Ok(3));
    }
}
