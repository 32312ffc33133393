//! Identifiers: one newtype per thing, shown with a prefix so that an id in a log tells what it names.

use crate::care::UtcMs;
use rand::RngCore;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The text is not an id of the expected kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an id of the form {expected}…: give it as the listing shows it")]
pub struct NotAnId {
    /// The prefix that the id should have.
    pub expected: &'static str,
}

/// A UUID version 7 from the given time and randomness (RFC 9562 section 5.7), so that ids sort by creation
/// and tests are reproducible.
pub fn new_uuid(now: UtcMs, rng: &mut dyn RngCore) -> Uuid {
    let mut random = [0_u8; 10];
    rng.fill_bytes(&mut random);
    let millis = u64::try_from(now.0).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// Each of them once, in order: the order in which rows are locked.
pub fn distinct<T: Ord>(ids: impl IntoIterator<Item = T>) -> Vec<T> {
    ids.into_iter().collect::<BTreeSet<T>>().into_iter().collect()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(pub Uuid);

        impl $name {
            /// What every shown id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, sortable by `now`.
            pub fn new(now: UtcMs, rng: &mut dyn RngCore) -> Self {
                Self(new_uuid(now, rng))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}{}", $prefix, self.0.simple())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.strip_prefix($prefix)
                    .and_then(|rest| Uuid::try_parse(rest).ok())
                    .map(Self)
                    .ok_or(NotAnId { expected: $prefix })
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;
            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }
    };
}

id!(
    /// A patient.
    PatientId, "pat_"
);
id!(
    /// A contact point of a patient.
    ContactPointId, "ctp_"
);
id!(
    /// A care plan.
    PlanId, "pln_"
);
id!(
    /// An activity of a plan; lives on while its key does.
    ActivityId, "act_"
);
id!(
    /// A reminder: the ledger row of one slot.
    ReminderId, "rem_"
);
id!(
    /// A message.
    MessageId, "msg_"
);
id!(
    /// An attempt; also the correlation id that providers echo in receipts.
    AttemptId, "att_"
);
id!(
    /// A receipt.
    ReceiptId, "rcp_"
);
id!(
    /// A reply.
    ReplyId, "rpl_"
);
id!(
    /// A task of the care team.
    TaskId, "tsk_"
);
id!(
    /// A raw inbound event.
    InboundId, "inb_"
);
id!(
    /// One running daemon; random at each start.
    InstanceId, "ins_"
);

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn an_id_survives_its_text_and_refuses_another_kind() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let id = PatientId::new(UtcMs(1_700_000_000_000), &mut rng);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().parse::<MessageId>(), Err(NotAnId { expected: "msg_" }));
        let later = PatientId::new(UtcMs(1_700_000_000_001), &mut rng);
        assert!(id < later);
    }
}
