//! Whether a database went back in time: a restored backup, or a standby that lagged when it was promoted (design.md
//! section 7, hazard H25).

use crate::care::{Class, UtcMs};

/// What an instance remembers of the database it worked on.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its identity; empty: none yet.
    pub database: &'a str,
    /// PostgreSQL: its timeline.
    pub timeline: Option<&'a str>,
    /// What a commit waited for on that timeline.
    pub commits: Commits,
    /// Sends of this instance.
    pub sends: i64,
    /// Sends of all instances that it has heard of.
    pub all_sends: i64,
}

/// Where a commit had to be before it counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commits {
    /// On a synchronous standby as well: a promotion loses none.
    OnStandby,
    /// On one machine.
    Alone,
}

/// What a database says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Its identity.
    pub database: &'a str,
    /// PostgreSQL: its timeline.
    pub timeline: Option<&'a str>,
    /// Sends of this instance that it knows of.
    pub sends: i64,
    /// Sends of all instances that it knows of.
    pub all_sends: i64,
}

/// How a database went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WentBack {
    /// It is another one.
    OtherDatabase,
    /// It does not know of sends that were made.
    Forgot {
        /// How many at least.
        sends: i64,
    },
    /// A standby was promoted that no commit waited for, or the data moved to another server.
    NewTimeline,
}

impl WentBack {
    /// The word stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::OtherDatabase => "other-database",
            Self::Forgot { .. } => "forgot",
            Self::NewTimeline => "new-timeline",
        }
    }
}

impl std::fmt::Display for WentBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OtherDatabase => f.write_str("this is another database than before"),
            Self::Forgot { sends } => write!(f, "it has forgotten {sends} sends"),
            Self::NewTimeline => f.write_str(
                "its server is on another timeline, and no commit waited for a synchronous standby",
            ),
        }
    }
}

/// Whether a database is behind what an instance remembers. First match wins; an instance that never sent and never
/// heard of a send has nothing to lose.
pub fn went_back(known: &Known<'_>, found: &Found<'_>) -> Option<WentBack> {
    if known.database.is_empty() || known.all_sends == 0 {
        return None;
    }
    if known.database != found.database {
        return Some(WentBack::OtherDatabase);
    }
    let forgotten = (known.sends - found.sends).max(known.all_sends - found.all_sends);
    if forgotten > 0 {
        return Some(WentBack::Forgot { sends: forgotten });
    }
    let moved = known.timeline != found.timeline;
    (moved && known.commits == Commits::Alone).then_some(WentBack::NewTimeline)
}

/// Whether a message that was due at `due` may have gone out in a gap that ended at `gap_until`, of which its
/// database knows nothing. Answers may be said twice (design.md section 6).
pub fn may_have_gone(class: Class, due: UtcMs, gap_until: Option<UtcMs>) -> bool {
    class != Class::Answer && gap_until.is_some_and(|until| due <= until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h25_a_database_that_knows_less_went_back() {
        let known = Known {
            database: "a",
            timeline: Some("1"),
            commits: Commits::Alone,
            sends: 5,
            all_sends: 9,
        };
        let found = Found { database: "a", timeline: Some("1"), sends: 5, all_sends: 9 };
        let waited = Known { commits: Commits::OnStandby, ..known };
        let promoted = Found { timeline: Some("2"), ..found };
        for (known, found, told) in [
            (known, found, None),
            (known, Found { sends: 6, all_sends: 20, ..found }, None),
            (known, Found { sends: 3, ..found }, Some(WentBack::Forgot { sends: 2 })),
            (known, Found { all_sends: 5, ..found }, Some(WentBack::Forgot { sends: 4 })),
            (known, Found { database: "b", ..found }, Some(WentBack::OtherDatabase)),
            (known, promoted, Some(WentBack::NewTimeline)),
            (waited, promoted, None),
            (waited, Found { sends: 4, ..promoted }, Some(WentBack::Forgot { sends: 1 })),
            (Known { database: "", ..known }, found, None),
            (Known { sends: 0, all_sends: 0, ..known }, Found { database: "b", ..found }, None),
        ] {
            assert_eq!(went_back(&known, &found), told, "{known:?} {found:?}");
        }
    }

    #[test]
    fn h25_what_was_due_in_the_gap_may_have_gone() {
        let until = Some(UtcMs(10));
        for (class, due, until, may) in [
            (Class::Dose, 10, until, true),
            (Class::Notice, 9, until, true),
            (Class::Dose, 11, until, false),
            (Class::Answer, 9, until, false),
            (Class::Dose, 9, None, false),
        ] {
            assert_eq!(may_have_gone(class, UtcMs(due), until), may, "{class:?} {due}");
        }
    }
}
