//! What the watch expected of the last day, beside what became of its reminders: `carebell status --watch`.

use super::app::App;
use crate::care::time::DAY_MS;
use crate::store::{Result, watch};
use serde::Serialize;
use std::collections::BTreeMap;

/// How far back, in milliseconds.
const BACK_MS: i64 = DAY_MS;

/// One programme in one zone.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    programme: String,
    zone: String,
    /// Slots that the plans of the patients looked at have.
    expected: i64,
    /// Those of them without a reminder.
    missing: i64,
    /// Looks at patients whose plan could not be expanded.
    unreadable: i64,
    /// All reminders that were due, by state.
    reminders: BTreeMap<String, i64>,
}

/// The last 24 hours by programme and zone.
pub(super) async fn last_day(app: &App) -> Result<Vec<Line>> {
    let now = app.clock.now();
    let since = now.plus_ms(-BACK_MS);
    let mut tx = app.store.read().await?;
    let mut lines: BTreeMap<(String, String), Line> = BTreeMap::new();
    for hour in watch::hours(&mut tx, since).await? {
        let line = lines.entry((hour.programme, hour.zone)).or_default();
        line.expected += hour.expected;
        line.missing += hour.missing;
        line.unreadable += hour.unreadable;
    }
    for ended in watch::ended(&mut tx, (since, now)).await? {
        let line = lines.entry((ended.programme, ended.zone)).or_default();
        *line.reminders.entry(ended.state).or_default() += ended.reminders;
    }
    let named = |((programme, zone), line)| Line { programme, zone, ..line };
    Ok(lines.into_iter().map(named).collect())
}

/// The columns of the table.
pub(super) const HEAD: [&str; 5] = ["programme", "zone", "expected", "missing", "reminders due"];

impl Line {
    /// The line as a row under [`HEAD`].
    pub(super) fn row(&self) -> Vec<String> {
        let states: Vec<String> = self.reminders.iter().map(|(s, n)| format!("{n} {s}")).collect();
        vec![
            self.programme.clone(),
            self.zone.clone(),
            self.expected.to_string(),
            self.missing.to_string(),
            if states.is_empty() { "none".to_owned() } else { states.join(", ") },
        ]
    }
}
