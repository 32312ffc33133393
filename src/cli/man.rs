//! `carebell man`: the manual page, from the same tree as `--help`.

use super::{Context, Failure};
use anyhow::Context as _;

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(super::tree()).render(&mut page).context("failed to write the page")?;
    context.output.print(&String::from_utf8_lossy(&page))
}
