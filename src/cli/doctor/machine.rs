//! The machine underneath: its clock.

use super::{Finding, Weight};
use crate::cli::app::App;
use crate::policy::clock::Verdict;
use crate::store::Result;
use crate::watch::{HostTrouble, troubles};

/// Looks at what the installation stands on.
pub(super) async fn look(app: &App) -> Result<Vec<Finding>> {
    let mut tx = app.store.read().await?;
    let told = troubles(&mut tx).await?;
    drop(tx);
    let mut findings: Vec<Finding> = told.iter().map(told_of).collect();
    let here = super::super::app::host_name();
    if let Verdict::Implausible(trouble) = app.clock_watch().examine().await?
        && told.iter().all(|one| one.host != here)
    {
        findings.push(told_of(&HostTrouble { host: here, trouble }));
    }
    Ok(findings)
}

fn told_of(one: &HostTrouble) -> Finding {
    Finding {
        weight: Weight::Attention,
        place: format!("clock of {}", one.host),
        what: format!("{}: nothing is sent", one.trouble),
        fix: one.trouble.fix().to_owned(),
    }
}

/// What became of a person's word that the clock is right.
pub(super) async fn confirm_clock(app: &App) -> Result<Finding> {
    let refused = app.clock_watch().confirm().await?;
    let place = format!("clock of {}", super::super::app::host_name());
    let shown = app.clock.reading().wall.rfc3339();
    Ok(match refused {
        Some(trouble) => Finding {
            weight: Weight::Attention,
            place,
            what: format!("{shown} cannot be confirmed: {trouble}"),
            fix: trouble.fix().to_owned(),
        },
        None => Finding {
            weight: Weight::Note,
            place,
            what: format!("{shown} is confirmed"),
            fix: "nothing: a running daemon goes on within seconds".to_owned(),
        },
    })
}
