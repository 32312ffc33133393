//! Which message a reply belongs to, and how we know.
//!
//! Source: `reference/channels.md` section 9: the pressed button's payload, then the quoted message, then the only
//! open message; else a person asks.

use crate::care::ids::{MessageId, PatientId};
use crate::care::{Press, UtcMs};

/// A message with the patient it was written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The message.
    pub message: MessageId,
    /// Whose.
    pub patient: PatientId,
}

/// What a button or a quote points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// There is none.
    None,
    /// A message that nobody here knows: another installation's, a person's, or not known yet.
    Unknown,
    /// A message of ours.
    At(Owned),
}

/// How we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By the payload of the button.
    Payload,
    /// It quotes the message.
    Quote,
    /// Nothing else was open.
    OnlyOpen,
}

/// Which message a reply belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// To this one.
    Of(Owned, By),
    /// It points at a message of a patient who does not have the sender's address: not believed.
    Stranger,
    /// It points at a message that nobody here knows.
    Unknown,
    /// Several are open.
    Several,
    /// Nothing points anywhere, and nothing is open.
    Nothing,
}

/// Which message a reply belongs to. `senders` are the patients who have the sender's address, `open` their messages
/// that had left and were still of use when it was written.
///
/// First match wins: payload, quote, the only open one. What points at a message is never overruled by what is open:
/// a stranger's button, or one that nobody knows, tells nothing of another message.
pub fn whose(senders: &[PatientId], payload: Pointer, quote: Pointer, open: &[Owned]) -> Whose {
    for (pointer, by) in [(payload, By::Payload), (quote, By::Quote)] {
        match pointer {
            Pointer::None => {}
            Pointer::Unknown => return Whose::Unknown,
            Pointer::At(owned) if senders.contains(&owned.patient) => {
                return Whose::Of(owned, by);
            }
            Pointer::At(_) => return Whose::Stranger,
        }
    }
    match open {
        [] => Whose::Nothing,
        [one] => Whose::Of(*one, By::OnlyOpen),
        _ => Whose::Several,
    }
}

impl Whose {
    /// How a reply is known to belong to a message, or why it is not, for one of its senders.
    pub fn known_by(self, sender: PatientId) -> KnownBy {
        match self {
            Self::Of(owned, _) if owned.patient != sender => KnownBy::OtherSender,
            Self::Of(_, By::Payload) => KnownBy::Payload,
            Self::Of(_, By::Quote) => KnownBy::Quote,
            Self::Of(_, By::OnlyOpen) => KnownBy::OnlyOpen,
            Self::Stranger => KnownBy::Stranger,
            Self::Unknown => KnownBy::Unknown,
            Self::Several => KnownBy::Several,
            Self::Nothing => KnownBy::Nothing,
        }
    }

    /// The message, for one of the senders.
    pub fn message(self, sender: PatientId) -> Option<MessageId> {
        match self {
            Self::Of(owned, _) if owned.patient == sender => Some(owned.message),
            _ => None,
        }
    }
}

macro_rules! known_by {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $told:literal;)+) => {
        /// How a reply is known to belong to a message, or why it is not; kept with the reply.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum KnownBy { $($(#[$doc])* $variant),+ }

        impl KnownBy {
            /// The word stored.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads what `word` writes.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }

            /// The same for people.
            pub const fn told(self) -> &'static str {
                match self { $(Self::$variant => $told),+ }
            }
        }
    };
}

known_by! {
    /// By the payload of the button.
    Payload = "payload", "known by its button";
    /// It quotes the message.
    Quote = "quote", "known by what it quotes";
    /// Nothing else was open.
    OnlyOpen = "only-open", "the only message that was open";
    /// It belongs to a message of another patient with the same address.
    OtherSender = "other-sender", "of another patient with the same address";
    /// It points at a message of a patient who does not have the address: not believed.
    Stranger = "stranger", "it points at another patient's message: not believed";
    /// It points at a message that nobody here knows.
    Unknown = "unknown", "it points at a message that is not known here";
    /// Several messages are open.
    Several = "several", "several messages are open";
    /// Nothing points anywhere, and nothing is open.
    Nothing = "nothing", "no message is open";
}

/// One press of a button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pressed {
    /// When, by the provider's clock.
    pub at: UtcMs,
    /// The provider's id of it.
    pub provider_id: String,
    /// What.
    pub press: Press,
}

/// What counts of everything that was pressed under one message, in whatever order it came to us and however often
/// (P8): what was pressed last.
pub fn last_pressed(presses: &[Pressed]) -> Option<&Pressed> {
    presses.iter().max_by(|a, b| (a.at, &a.provider_id).cmp(&(b.at, &b.provider_id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    const fn patient(n: u128) -> PatientId {
        PatientId(Uuid::from_u128(n))
    }

    const fn message(n: u128, of: u128) -> Owned {
        Owned { message: MessageId(Uuid::from_u128(n)), patient: patient(of) }
    }

    #[test]
    fn the_button_then_the_quote_then_the_only_open_one() {
        use By::{OnlyOpen, Payload, Quote};
        use Pointer::{At, None, Unknown};
        let (a, b, theirs) = (message(1, 1), message(2, 1), message(3, 9));
        for (payload, quote, open, expected) in [
            (At(a), None, &[][..], Whose::Of(a, Payload)),
            (At(a), At(b), &[b], Whose::Of(a, Payload)),
            (At(a), Unknown, &[b], Whose::Of(a, Payload)),
            (None, At(b), &[a], Whose::Of(b, Quote)),
            (None, None, &[a], Whose::Of(a, OnlyOpen)),
            (None, None, &[a, b], Whose::Several),
            (None, None, &[], Whose::Nothing),
            // Another patient's is never believed, whatever else there is.
            (At(theirs), At(a), &[a], Whose::Stranger),
            (None, At(theirs), &[a], Whose::Stranger),
            // Another installation's button is no answer to what is open here.
            (Unknown, At(a), &[a], Whose::Unknown),
            (None, Unknown, &[a], Whose::Unknown),
        ] {
            assert_eq!(
                whose(&[patient(1)], payload, quote, open),
                expected,
                "{payload:?} {quote:?}"
            );
        }
    }

    #[test]
    fn of_two_who_share_an_address_one_is_meant() {
        let child = message(1, 2);
        let of = whose(&[patient(1), patient(2)], Pointer::At(child), Pointer::None, &[]);
        assert_eq!((of.message(patient(2)), of.message(patient(1))), (Some(child.message), None));
        assert_eq!(of.known_by(patient(2)), KnownBy::Payload);
        assert_eq!(of.known_by(patient(1)), KnownBy::OtherSender);
        for known in [KnownBy::Payload, KnownBy::OnlyOpen, KnownBy::OtherSender, KnownBy::Nothing] {
            assert_eq!(KnownBy::parse(known.word()), Some(known));
        }
    }

    proptest! {
        #[test]
        fn p8_what_was_pressed_last_counts_in_any_order(
            presses in proptest::collection::vec((0_i64..5, 0_u8..4, 0_usize..5), 1..8),
            turn in 0_usize..8,
        ) {
            // A provider's id is of one press.
            let of = |(at, id, press): &(i64, u8, usize)| Pressed {
                at: UtcMs(*at),
                provider_id: format!("{id}{press}"),
                press: Press::ALL[*press],
            };
            let mut presses: Vec<Pressed> = presses.iter().map(of).collect();
            let first = last_pressed(&presses).cloned();
            presses.extend(presses.clone());
            presses.reverse();
            let turn = turn % presses.len();
            presses.rotate_left(turn);
            prop_assert_eq!(last_pressed(&presses).cloned(), first);
        }
    }
}
