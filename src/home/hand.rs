//! Rows in hand: written before a step and cleared after it. What is found there at a start was in hand when the
//! process died, and is stepped alone (P9).

use super::{Home, Suspects};
use uuid::Uuid;

/// A kind of step; each has its own place in the state file, for several run at once.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Patients are woken.
    Wake,
    /// Messages are claimed.
    Claim,
    /// Unknown attempts are settled.
    Settle,
    /// Callbacks are applied.
    Inbound,
}

impl Step {
    /// Every kind.
    pub(super) const ALL: [Self; 4] = [Self::Wake, Self::Claim, Self::Settle, Self::Inbound];

    /// Its place in the file.
    pub(super) const fn place(self) -> usize {
        match self {
            Self::Wake => 1,
            Self::Claim => 2,
            Self::Settle => 3,
            Self::Inbound => 4,
        }
    }
}

/// A row that was in hand when the process died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Its id.
    pub id: Uuid,
    /// How often in a row.
    pub times: u32,
}

/// Rows in hand until this is dropped; a process that dies does not drop it.
#[derive(Debug)]
pub struct InHand<'a> {
    home: &'a Home,
    step: Step,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.home.note(self.step, &[]);
    }
}

/// Counts what was in hand at an unclean end; what was not in hand any more is forgotten.
pub(super) fn count(
    earlier: &Suspects,
    in_hand: impl IntoIterator<Item = (Step, Vec<Uuid>)>,
) -> Suspects {
    let mut counted = Suspects::new();
    for (step, ids) in in_hand {
        let before = earlier.get(&step);
        for id in ids {
            let times = before.and_then(|rows| rows.get(&id)).copied().unwrap_or(0);
            counted.entry(step).or_default().insert(id, times.saturating_add(1));
        }
    }
    counted
}

impl Home {
    /// Writes which rows the step that begins now has in hand.
    pub fn in_hand(&self, step: Step, ids: &[Uuid]) -> InHand<'_> {
        self.note(step, ids);
        InHand { home: self, step }
    }

    fn note(&self, step: Step, ids: &[Uuid]) {
        let Some(file) = &self.file else { return };
        if let Err(fault) = file.write_ids(step.place(), ids) {
            // The step goes on: what is lost is only that a crash in it would not be pinned on its rows.
            tracing::warn!(%fault, "the state file cannot be written");
        }
    }

    /// Rows of a kind of step that were in hand when the process died, and were not stepped since.
    pub fn suspects(&self, step: Step) -> Vec<Suspect> {
        let suspects = self.lock_suspects();
        let rows = suspects.get(&step).into_iter().flatten();
        rows.map(|(id, times)| Suspect { id: *id, times: *times }).collect()
    }

    /// A suspect was stepped alone without harm, or is parked.
    pub fn clear(&self, step: Step, id: Uuid) {
        let mut suspects = self.lock_suspects();
        let was_one = suspects.get_mut(&step).is_some_and(|rows| rows.remove(&id).is_some());
        let Some(file) = self.file.as_ref().filter(|_| was_one) else { return };
        if let Err(fault) = file.write_suspects(&suspects) {
            tracing::warn!(%fault, "the state file cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p9_what_was_in_hand_is_counted_and_the_rest_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let die = |step, ids: &[Uuid]| {
            let home = Home::take(folder.path(), Uuid::from_u128(9)).unwrap();
            std::mem::forget(home.in_hand(step, ids));
        };
        let start = || Home::take(folder.path(), Uuid::from_u128(9)).unwrap();
        die(Step::Wake, &[a, b]);
        die(Step::Wake, &[a]);
        let home = start();
        assert_eq!(home.suspects(Step::Wake), [Suspect { id: a, times: 2 }]);
        assert!(home.suspects(Step::Claim).is_empty());
        drop(home.in_hand(Step::Claim, &[c]));
        drop(home);
        // A clean end, and nothing was stepped in between.
        let home = start();
        assert_eq!(home.suspects(Step::Wake), [Suspect { id: a, times: 2 }]);
        assert!(home.suspects(Step::Claim).is_empty(), "its step was over");
        home.clear(Step::Wake, a);
        drop(home);
        die(Step::Inbound, &[c]);
        let home = start();
        assert!(home.suspects(Step::Wake).is_empty());
        assert_eq!(home.suspects(Step::Inbound), [Suspect { id: c, times: 1 }]);
    }
}
