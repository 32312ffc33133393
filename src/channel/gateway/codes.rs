//! A gateway's error codes: the operator's table over the one in the binary.

use super::super::build::{ChannelConfigError, Section};
use super::super::codes::CodeTable;
use crate::channel::Action;
use crate::config::{CodeConfig, GatewayConfig};
use std::collections::BTreeMap;

/// Longest code that is kept.
const LONGEST: usize = 64;
/// Digits in a row that are no code but a number of somebody.
const NUMBER: usize = 9;

/// What the codes of answers ask for.
pub(super) fn of_answers(
    section: Section<'_>,
    config: &GatewayConfig,
) -> Result<CodeTable, ChannelConfigError> {
    let own = rows(section, "answer.codes", &config.answer.codes)?;
    Ok(common(section, config)?.under(own))
}

/// What the codes of receipts ask for.
pub(super) fn of_receipts(
    section: Section<'_>,
    config: &GatewayConfig,
) -> Result<CodeTable, ChannelConfigError> {
    let own = match &config.receipts {
        Some(receipts) => rows(section, "receipts.codes", &receipts.codes)?,
        None => Vec::new(),
    };
    // In a receipt nothing is unknown any more: such a code is worth one more try, like one that nobody knows.
    let own = own.into_iter().filter(|(_, action, _)| *action != Action::Unknown).collect();
    Ok(common(section, config)?.under(own))
}

fn common(section: Section<'_>, config: &GatewayConfig) -> Result<CodeTable, ChannelConfigError> {
    Ok(CodeTable::gateway()?.under(rows(section, "codes", &config.codes)?))
}

type Rows = Vec<(String, Action, Option<u32>)>;

fn rows(
    section: Section<'_>,
    key: &str,
    codes: &BTreeMap<String, CodeConfig>,
) -> Result<Rows, ChannelConfigError> {
    let row = |(code, asks): (&String, &CodeConfig)| {
        let (word, wait) = match asks {
            CodeConfig::Action(word) => (word, None),
            CodeConfig::Paused { action, wait_seconds } => (action, Some(*wait_seconds)),
        };
        let action = Action::of_word(word).ok_or_else(|| ChannelConfigError::WrongForm {
            key: section.key(&format!("{key}.{code}")),
            fix: "write retry, next-channel, bad-address, opted-out, pause-channel, unknown or fix",
        })?;
        Ok((code.clone(), action, wait))
    };
    codes.iter().map(row).collect()
}

/// A gateway's word as a code: what may be the message's text or somebody's number is cut out of it (P10).
pub(super) fn code(text: &str) -> String {
    let text = text.trim();
    let text = text.split_once("text:").map_or(text, |(before, _)| before).trim_end();
    let mut code = String::new();
    let mut digits = String::new();
    for sign in text.chars().take(LONGEST).chain(['\0']) {
        if sign.is_ascii_digit() {
            digits.push(sign);
            continue;
        }
        if digits.len() >= NUMBER {
            code.push('#');
        } else {
            code.push_str(&digits);
        }
        digits.clear();
        if sign != '\0' {
            code.push(sign);
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn p10_a_code_is_no_text_and_no_number() {
        for (text, expected) in [
            (" UserInBlacklist ", "UserInBlacklist"),
            (
                "NACK/0x0000000b/Invalid Destination Address",
                "NACK/0x0000000b/Invalid Destination Address",
            ),
            ("id:m1 stat:UNDELIV err:001 text:Take your", "id:m1 stat:UNDELIV err:001"),
            ("bad number +254700000001", "bad number +#"),
            ("30005", "30005"),
            ("", ""),
        ] {
            assert_eq!(code(text), expected);
        }
        assert_eq!(code(&"x".repeat(900)).len(), 64);
    }
}
