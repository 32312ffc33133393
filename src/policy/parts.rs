//! What the parts of a message say together.

use crate::care::ReceiptStatus;

/// What receipts of single parts prove of the whole message: it failed when any part did, and it has come as far as the
/// part that is furthest behind. `None`: there are no parts.
///
/// A part itself holds the most that was said of it, so that order and repetition do not matter. Source: design.md P8;
/// `reference/channels.md` section 2: a failed first part and a delivered second one are no success.
pub fn together(parts: impl IntoIterator<Item = ReceiptStatus>) -> Option<ReceiptStatus> {
    parts.into_iter().reduce(|whole, part| {
        if whole == ReceiptStatus::Failed || part == ReceiptStatus::Failed {
            return ReceiptStatus::Failed;
        }
        whole.min(part)
    })
}

/// The same of a message that goes as `planned` messages of its own, of which `taken` were taken so far: until all are,
/// only a failure says something of the whole.
pub fn together_of(planned: usize, taken: &[ReceiptStatus]) -> Option<ReceiptStatus> {
    let whole = together(taken.iter().copied())?;
    (taken.len() >= planned || whole == ReceiptStatus::Failed).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ReceiptStatus::{Accepted, Delivered, Failed, Read, Sent};

    #[test]
    fn p8_failed_wins_and_delivered_is_when_all_are() {
        for (parts, expected) in [
            (&[][..], None),
            (&[Delivered], Some(Delivered)),
            (&[Delivered, Accepted], Some(Accepted)),
            (&[Delivered, Sent], Some(Sent)),
            (&[Delivered, Read], Some(Delivered)),
            (&[Read, Read], Some(Read)),
            (&[Failed, Delivered], Some(Failed)),
            (&[Delivered, Failed, Accepted], Some(Failed)),
        ] {
            assert_eq!(together(parts.iter().copied()), expected, "{parts:?}");
            assert_eq!(together(parts.iter().rev().copied()), expected, "{parts:?}");
        }
    }

    #[test]
    fn p8_half_a_message_is_no_message() {
        for (planned, taken, expected) in [
            (2, &[][..], None),
            (2, &[Delivered], None),
            (2, &[Failed], Some(Failed)),
            (2, &[Delivered, Delivered], Some(Delivered)),
            (0, &[Sent], Some(Sent)),
        ] {
            assert_eq!(together_of(planned, taken), expected, "{taken:?} of {planned}");
        }
    }
}
