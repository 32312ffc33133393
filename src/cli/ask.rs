//! Asking a person before what cannot be taken back.

use super::{Context, Exit, Failure};
use anyhow::Context as _;
use std::io::{BufRead as _, IsTerminal as _};

/// Says `warning`, and goes on only when `word` is typed at a terminal; `what` names the act, as in "settling".
///
/// # Errors
/// With [`Exit::Usage`] when another word is typed, or nobody is there to type.
pub(super) fn confirm(
    context: &Context,
    warning: &str,
    word: &str,
    what: &str,
) -> Result<(), Failure> {
    let stdin = std::io::stdin();
    let mut answer = String::new();
    if stdin.is_terminal() {
        context.output.say(&format!("{warning} Type `{word}` to go on:"));
        stdin.lock().read_line(&mut answer).context("failed to read what was typed")?;
    }
    if answer.trim() == word {
        return Ok(());
    }
    let fix = format!("say --yes, or answer `{word}`");
    Err(Failure::new(Exit::Usage, format!("{what} was not confirmed"), fix))
}
