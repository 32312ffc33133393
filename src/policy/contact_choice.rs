//! Over which address a message goes, or why over none.

use crate::care::contact::{ConsentDecision, KnownConsent, KnownContact};
use crate::care::ids::ContactPointId;
use crate::care::programme::Prefer;
use crate::care::{ChannelKind, Class, ContactHealth, Micros, Reason, TextStyle, UtcMs};

/// What a choice is made from.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    /// Now: what is decided for later does not count yet.
    pub now: UtcMs,
    /// The patient's contact points.
    pub contacts: &'a [KnownContact],
    /// What the patient decided, by time.
    pub consents: &'a [KnownConsent],
    /// The programme's channels in order of preference.
    pub preference: &'a [ChannelKind],
    /// Whether that order comes before the price.
    pub prefer: Prefer,
    /// What the message needs.
    pub needs: Needs,
    /// What it would cost over a contact point at most; `None` where no price is known.
    pub price: &'a dyn Fn(&KnownContact) -> Option<Micros>,
    /// Channels that are configured.
    pub configured: &'a [ChannelKind],
    /// Contact points that failed for good on this message.
    pub tried: &'a [ContactPointId],
}

/// What a message needs of its channel beyond being carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// How soon it is of no use.
    pub class: Class,
    /// Whether it names what is due.
    pub style: TextStyle,
}

/// How many of its needs a channel leaves unmet.
///
/// Mail is never told until when it is of use, and tells of no delivery: what has an hour needs a phone. What names an
/// illness travels sealed over WhatsApp alone: SMS and mail lie open on their way, and on the screen of a locked phone.
const fn unmet(needs: Needs, channel: ChannelKind) -> usize {
    let waits = matches!(needs.class, Class::Education | Class::Notice);
    let late = !waits && matches!(channel, ChannelKind::Email);
    let open = matches!(needs.style, TextStyle::Overt) && !matches!(channel, ChannelKind::Whatsapp);
    late as usize + open as usize
}

/// The best consented contact point: the patient's rank first. Of one rank, as WhatsApp and SMS of one number, comes
/// what leaves the fewest needs unmet, then the cheapest, then the programme's order; or that order alone.
///
/// # Errors
/// The reason that stands in the way of the contact point that came nearest: a refusal tells more than a
/// missing address does.
pub fn choose<'a>(choice: &Choice<'a>) -> Result<&'a KnownContact, Reason> {
    let mut usable: Vec<&KnownContact> = Vec::new();
    let mut nearest = Reason::NoContact;
    for contact in choice.contacts.iter().filter(|contact| contact.in_use) {
        match hindrance(contact, choice) {
            None => usable.push(contact),
            Some(reason) if rank(&reason) > rank(&nearest) => nearest = reason,
            Some(_) => {}
        }
    }
    let best = usable.iter().map(|contact| contact.rank).min().ok_or(nearest.clone())?;
    usable.retain(|contact| contact.rank == best);
    if let [only] = usable[..] {
        return Ok(only);
    }
    let order = |contact: &KnownContact| {
        let place = choice.preference.iter().position(|kind| *kind == contact.channel);
        let place = place.unwrap_or(usize::MAX);
        match choice.prefer {
            Prefer::Order => (0, Micros::default(), place, contact.id),
            Prefer::Cheapest => {
                let price = (choice.price)(contact).unwrap_or(Micros(u64::MAX));
                (unmet(choice.needs, contact.channel), price, place, contact.id)
            }
        }
    };
    usable.into_iter().min_by_key(|contact| order(contact)).ok_or(nearest)
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
        weighed(contacts, consents, Prefer::Order, needs(Class::Dose), &|_| None)
    }

    fn weighed(
        contacts: &[KnownContact],
        consents: &[KnownConsent],
        prefer: Prefer,
        needs: Needs,
        price: &dyn Fn(&KnownContact) -> Option<Micros>,
    ) -> Result<u128, Reason> {
        choose(&Choice {
            now: UtcMs(100),
            contacts,
            consents,
            preference: &ChannelKind::ALL,
            prefer,
            needs,
            price,
            configured: &ChannelKind::ALL,
            tried: &[],
        })
        .map(|contact| contact.id.0.as_u128())
    }

    fn needs(class: Class) -> Needs {
        Needs { class, style: TextStyle::Discreet }
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
    fn of_one_rank_the_cheapest_that_meets_the_needs() {
        use ChannelKind::{Email, Sms, Whatsapp};
        let yes = [said(None, ConsentDecision::Given, 1)];
        let contacts = [contact(1, Sms, 1), contact(2, Whatsapp, 1), contact(3, Email, 1)];
        let chosen = |needs, prices: [Option<u64>; 3]| {
            let price = |c: &KnownContact| match c.channel {
                Sms => prices[0].map(Micros),
                Whatsapp => prices[1].map(Micros),
                Email => prices[2].map(Micros),
            };
            weighed(&contacts, &yes, Prefer::Cheapest, needs, &price)
        };
        let overt = |class| Needs { class, style: TextStyle::Overt };
        for (needs, prices, expected) in [
            // A mail would be the cheapest, and is for what can wait.
            (needs(Class::Dose), [Some(60), Some(4), Some(0)], 2),
            (needs(Class::Dose), [Some(3), Some(4), Some(0)], 1),
            (needs(Class::Appointment), [Some(3), Some(4), Some(0)], 1),
            (needs(Class::Education), [Some(3), Some(4), Some(0)], 3),
            (needs(Class::Notice), [Some(3), Some(4), Some(5)], 1),
            // What is named stays sealed, whatever it costs.
            (overt(Class::Dose), [Some(3), Some(400), Some(0)], 2),
            (overt(Class::Education), [Some(3), Some(400), Some(0)], 2),
            // A price that nobody knows is not called low; among equals the programme's order holds.
            (needs(Class::Dose), [None, Some(4), None], 2),
            (needs(Class::Dose), [Some(4), None, None], 1),
            (needs(Class::Dose), [None, None, None], 2),
            (needs(Class::Dose), [Some(4), Some(4), Some(4)], 2),
        ] {
            assert_eq!(chosen(needs, prices), Ok(expected), "{needs:?} {prices:?}");
        }
        // What the patient ranks higher is dearer, and is taken.
        let ranked = [contact(1, Sms, 1), contact(2, Whatsapp, 2)];
        let price = |c: &KnownContact| Some(Micros(if c.channel == Sms { 60 } else { 4 }));
        let needs = needs(Class::Dose);
        assert_eq!(weighed(&ranked, &yes, Prefer::Cheapest, needs, &price), Ok(1));
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
