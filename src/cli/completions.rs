//! `carebell completions`: what a shell needs to complete command lines.

use super::{Context, Failure};
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::tree(), "carebell", &mut script);
    context.output.print(&String::from_utf8_lossy(&script))
}
