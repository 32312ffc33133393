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
}
