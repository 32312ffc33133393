//! `carebell messages`: the texts of the programmes, looked at before a patient sees them. No database is needed but
//! for a patient's own message.

mod check;
mod preview;

use super::app::catalogue_failure;
use super::{Context, Exit, Failure};
use crate::message::{Catalogue, Prices, Programmes};
use crate::zones::Zones;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Check every message in every language over every channel: length, parts, cost, faults
    #[command(
        after_help = "Ends with 1 when there is a problem; hints alone end with 0. Texts are made with sample values; \
                      costs are those of schedules/prices.toml to the programme's region, at most.\n\
                      Examples:\n  carebell messages check\n  \
                      carebell messages check --programme general --language hi --all\n  \
                      carebell messages check --parts 2 --json"
    )]
    Check(check::Args),
    /// Show a message as a patient would see it, over each channel
    #[command(
        after_help = "Examples:\n  carebell messages preview dose --programme general --language sw\n  \
                      carebell messages preview appointment --overt\n  \
                      carebell messages preview --patient pat_019b2f0c5d7e7a61b1d2c3e4f5061728"
    )]
    Preview(preview::Args),
}

pub(super) fn run(action: &Action, context: &Context) -> Result<(), Failure> {
    match action {
        Action::Check(args) => check::run(args, context),
        Action::Preview(args) => preview::run(args, context),
    }
}

/// What the schedules hold.
struct Texts {
    catalogue: Catalogue,
    programmes: Programmes,
    prices: Prices,
}

impl Texts {
    /// Reads the schedules folder over the copy in the binary, as the daemon does.
    fn read(context: &Context) -> Result<Self, Failure> {
        let config = context.load()?.config;
        let overlay = config.schedules.overlay();
        let unusable = |fault: crate::zones::ZonesError| {
            Failure::new(Exit::Failed, fault.to_string(), "carebell check")
        };
        let zones = Zones::open(config.zones.folder()).map_err(unusable)?;
        let catalogue = Catalogue::load(overlay).map_err(|p| catalogue_failure(&p))?;
        let programmes =
            Programmes::load(overlay, &zones, &catalogue).map_err(|p| catalogue_failure(&p))?;
        let prices = Prices::load(overlay).map_err(|p| catalogue_failure(&p))?;
        Ok(Self { catalogue, programmes, prices })
    }
}
