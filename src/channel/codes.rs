//! Error codes to actions: tables as data, one per provider (design.md section 6).

use super::Action;
use crate::care::time::SECOND_MS;
use serde::Deserialize;

/// The table of one provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeTable {
    row: Vec<Row>,
}

/// What a group of codes asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    codes: Vec<Pattern>,
    /// Where in a dialogue the row holds; everywhere when empty.
    #[serde(default)]
    stages: Vec<String>,
    action: Action,
    wait_seconds: Option<u32>,
    /// For whoever reads or extends the table.
    #[serde(rename = "meaning")]
    _meaning: String,
}

/// `131026`, `200-299` or `5.7.*`.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
enum Pattern {
    Code(String),
    Range(u32, u32),
    Prefix(String),
}

/// What a code asks for, and the least pause its row states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) action: Action,
    pub(super) wait_ms: Option<i64>,
}

/// An embedded or extended code table is not readable.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the code table {table} is not readable: {fault}")]
pub struct BadCodeTable {
    table: &'static str,
    fault: String,
}

impl CodeTable {
    /// Meta's codes.
    pub(super) fn meta() -> Result<Self, BadCodeTable> {
        Self::parse("meta", include_str!("codes/meta.toml"))
    }

    /// Twilio's codes.
    pub(super) fn twilio() -> Result<Self, BadCodeTable> {
        Self::parse("twilio", include_str!("codes/twilio.toml"))
    }

    /// SMTP replies.
    pub(super) fn smtp() -> Result<Self, BadCodeTable> {
        Self::parse("smtp", include_str!("codes/smtp.toml"))
    }

    /// What HTTP gateways have in common.
    pub(super) fn gateway() -> Result<Self, BadCodeTable> {
        Self::parse("gateway", include_str!("codes/gateway.toml"))
    }

    /// The table under rows that go before it, as (pattern, action, pause in seconds): whole codes first, then the
    /// narrower patterns.
    #[must_use]
    pub(super) fn under(self, rows: Vec<(String, Action, Option<u32>)>) -> Self {
        let mut over: Vec<(String, Row)> = rows
            .into_iter()
            .map(|(code, action, wait_seconds)| {
                let codes = vec![Pattern::from(code.clone())];
                let meaning = String::new();
                (code, Row { codes, stages: Vec::new(), action, wait_seconds, _meaning: meaning })
            })
            .collect();
        over.sort_by_key(|(code, row)| {
            (!matches!(row.codes[..], [Pattern::Code(_)]), std::cmp::Reverse(code.len()))
        });
        Self { row: over.into_iter().map(|(_, row)| row).chain(self.row).collect() }
    }

    fn parse(table: &'static str, text: &str) -> Result<Self, BadCodeTable> {
        toml::from_str(text)
            .map_err(|fault| BadCodeTable { table, fault: fault.message().to_owned() })
    }

    /// What `code` asks for, wherever it came; `None` when the table does not know it.
    pub(super) fn asks(&self, code: &str) -> Option<Asked> {
        self.asks_at(code, "")
    }

    /// The same at a stage of a dialogue.
    pub(super) fn asks_at(&self, code: &str, stage: &str) -> Option<Asked> {
        let row = self.row.iter().find(|row| {
            (row.stages.is_empty() || row.stages.iter().any(|s| s == stage))
                && row.codes.iter().any(|pattern| pattern.matches(code))
        })?;
        Some(Asked {
            action: row.action,
            wait_ms: row.wait_seconds.map(|seconds| i64::from(seconds) * SECOND_MS),
        })
    }

    /// What a code in a receipt asks for; an unknown one is worth one more try.
    pub(super) fn asks_in_receipt(&self, code: &str) -> Action {
        self.asks(code).map_or(Action::Retry, |asked| asked.action)
    }
}

impl Pattern {
    fn matches(&self, code: &str) -> bool {
        match self {
            Self::Code(wanted) => wanted == code,
            Self::Range(first, last) => {
                code.parse::<u32>().is_ok_and(|code| (*first..=*last).contains(&code))
            }
            Self::Prefix(prefix) => code.starts_with(prefix.as_str()),
        }
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        if let Some(prefix) = text.strip_suffix('*') {
            return Self::Prefix(prefix.to_owned());
        }
        let range = text
            .split_once('-')
            .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        match range {
            Some((first, last)) => Self::Range(first, last),
            None => Self::Code(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{BadAddress, Fix, NextChannel, OptedOut, PauseChannel, Retry, TemplateProblem};

    /// Written from `reference/channels.md` section 6 by hand, row by row, not from the tables.
    const META: &[(&[u32], Action)] = &[
        (&[0, 190], PauseChannel),
        (&[3, 10, 200, 250, 299, 131_005], PauseChannel),
        (&[4, 80_007, 130_429, 131_056], Retry),
        (&[131_048], PauseChannel),
        (&[131_064], TemplateProblem),
        (&[368, 131_031, 130_497], PauseChannel),
        (&[1, 2, 131_016, 133_004, 131_000, 135_000, 131_057], Retry),
        (&[33, 131_045, 133_010, 133_006, 133_015, 131_042, 134_011], PauseChannel),
        (&[100, 131_008, 131_009, 131_021, 131_051], Fix),
        (&[131_026], NextChannel),
        (&[131_030, 130_403], Fix),
        (&[131_047, 131_049, 131_050, 130_472, 131_062], NextChannel),
        (&[131_052], Fix),
        (&[131_053], Retry),
        (&[131_037], PauseChannel),
        (&[131_063, 131_055, 134_100, 134_101, 134_102], Fix),
        (&[132_000, 132_012, 132_018, 132_001, 132_005, 132_007], TemplateProblem),
        (&[132_015, 132_016, 132_068, 132_069], TemplateProblem),
        (&[133_000, 133_005, 133_008, 133_009, 133_016], PauseChannel),
        (&[137_000], BadAddress),
    ];

    const TWILIO: &[(&[u32], Action)] = &[
        (&[20_429, 14_107], Retry),
        (&[20_003, 20_404, 30_002, 63_001, 63_007, 63_008, 63_020], PauseChannel),
        (&[21_211, 21_217, 21_401, 21_421, 21_614, 30_005, 30_006], BadAddress),
        (&[63_003, 63_024], BadAddress),
        (&[21_408, 21_612, 30_018, 30_024, 30_032], NextChannel),
        (&[21_606, 21_603, 21_701, 21_703, 21_705], PauseChannel),
        (&[21_610], OptedOut),
        (&[21_611, 30_001], Retry),
        (&[21_602, 21_617, 21_620, 21_623, 30_019, 63_005, 63_006, 63_021, 63_030, 63_031], Fix),
        (&[21_654, 21_655, 21_656, 63_027, 63_028, 63_040, 63_041], TemplateProblem),
        (&[63_016], NextChannel),
        (&[63_018, 63_017, 30_022], Retry),
        (&[63_038, 30_023, 30_027], PauseChannel),
        (&[30_003], Retry),
        (&[30_004, 63_014, 63_033, 30_007, 63_013, 63_026], NextChannel),
        (&[30_008, 63_010, 63_009, 63_012, 63_023, 30_410, 30_017], Retry),
        (&[30_036, 63_032], NextChannel),
        (&[35_114, 35_115, 35_117, 63_019, 63_034, 63_037], Fix),
    ];

    const SMTP: &[(&str, &str, Option<Action>)] = &[
        ("421", "connect", Some(Retry)),
        ("451", "connect", Some(Retry)),
        ("452", "mail", Some(Retry)),
        ("450", "rcpt", Some(Retry)),
        ("451", "rcpt", Some(Retry)),
        ("4.7.1", "rcpt", Some(Retry)),
        ("452", "rcpt", Some(Retry)),
        ("4.2.2", "rcpt", Some(Retry)),
        ("550", "rcpt", Some(BadAddress)),
        ("553", "rcpt", Some(BadAddress)),
        ("5.1.1", "rcpt", Some(BadAddress)),
        ("5.1.2", "rcpt", Some(BadAddress)),
        ("5.1.10", "rcpt", Some(BadAddress)),
        ("550", "data", Some(NextChannel)),
        ("550", "mail", None),
        ("530", "mail", Some(PauseChannel)),
        ("534", "login", Some(PauseChannel)),
        ("535", "login", Some(PauseChannel)),
        ("5.7.8", "login", Some(PauseChannel)),
        ("554", "connect", Some(PauseChannel)),
        ("5.7.1", "rcpt", Some(NextChannel)),
        ("5.7.26", "data", Some(NextChannel)),
        ("554", "data", Some(NextChannel)),
        ("552", "data", Some(Fix)),
        ("5.3.4", "mail", Some(Fix)),
        ("5.1.0", "report", Some(BadAddress)),
        ("5.1.1", "report", Some(BadAddress)),
        ("5.1.6", "report", Some(BadAddress)),
        ("5.2.1", "report", Some(BadAddress)),
        ("5.1.8", "report", Some(NextChannel)),
        ("5.2.2", "report", Some(NextChannel)),
        ("5.7.1", "report", None),
        ("550", "report", None),
        ("5.1.0", "rcpt", None),
    ];

    #[test]
    fn every_row_of_section_6_has_its_action() {
        for (table, rows) in [(CodeTable::meta(), META), (CodeTable::twilio(), TWILIO)] {
            let table = table.unwrap();
            for (codes, action) in rows {
                for code in *codes {
                    let asked = table.asks(&code.to_string()).map(|asked| asked.action);
                    assert_eq!(asked, Some(*action), "{code}");
                }
            }
            let told: usize = rows.iter().map(|(codes, _)| codes.len()).sum();
            let held: usize = table.row.iter().map(|row| row.codes.len()).sum();
            assert!(told >= held, "the table holds {held} patterns, this test only {told} codes");
        }
        let smtp = CodeTable::smtp().unwrap();
        for (code, stage, action) in SMTP {
            let asked = smtp.asks_at(code, stage).map(|asked| asked.action);
            assert_eq!(asked, *action, "{code} at {stage}");
        }
    }

    #[test]
    fn an_unknown_code_matches_nothing_and_is_worth_one_more_try_in_a_receipt() {
        for table in [CodeTable::meta(), CodeTable::twilio()] {
            let table = table.unwrap();
            for code in ["999999", "", "300", "199", "134103", "abc"] {
                assert_eq!(table.asks(code), None, "{code}");
            }
            assert_eq!(table.asks_in_receipt("999999"), Retry);
        }
    }

    #[test]
    fn a_row_may_state_the_least_pause() {
        let smtp = CodeTable::smtp().unwrap();
        assert_eq!(smtp.asks_at("450", "rcpt").and_then(|asked| asked.wait_ms), Some(300_000));
        let meta = CodeTable::meta().unwrap();
        assert_eq!(meta.asks("131047").and_then(|asked| asked.wait_ms), None);
    }
}
