//! The channels: how our accounts stood when their providers were asked last, and what is held of their templates.

use super::{Finding, Weight};
use crate::cli::app::App;
use crate::cli::templates::{Held, together};
use crate::store::{Result, templates};

/// Looks at what the last `templates-sync` and the providers' news left.
pub(super) async fn look(app: &App) -> Result<Vec<Finding>> {
    let mut tx = app.store.read().await?;
    let mut findings = Vec::new();
    for standing in templates::standings(&mut tx).await? {
        // A channel that has left the configuration hurts nobody.
        if app.channels.by_name(&standing.channel).is_none() {
            continue;
        }
        for warning in standing.warnings {
            findings.push(Finding {
                weight: Weight::Attention,
                place: format!("channel {}", standing.channel),
                what: warning,
                fix: "see WhatsApp Manager; `carebell channels templates --sync` asks again"
                    .to_owned(),
            });
        }
    }
    let held = templates::held(&mut tx, app.clock.now()).await?;
    findings.extend(together(held).into_iter().map(|Held { place, what, why }| Finding {
        weight: Weight::Attention,
        place,
        what,
        fix: why,
    }));
    Ok(findings)
}
