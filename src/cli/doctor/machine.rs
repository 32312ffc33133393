//! The machine underneath: its clock, its disk, and the copies it keeps.

use super::{Finding, Weight};
use crate::care::UtcMs;
use crate::care::time::{DAY_MS, HOUR_MS};
use crate::cli::app::App;
use crate::config::{Engine, Mode};
use crate::jobs::copies;
use crate::policy::clock::Verdict;
use crate::policy::disk::Room;
use crate::store::Result;
use crate::watch::{Disk, HostTrouble, troubles};
use std::path::Path;

/// A daily copy that is older than this was missed, in milliseconds.
const OLD_COPY_MS: i64 = 2 * DAY_MS;

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
    let folder = &app.config.state_dir;
    findings.extend(Disk::of(folder).and_then(|disk| disk_finding(folder, disk)));
    findings.extend(copies_finding(app));
    Ok(findings)
}

fn disk_finding(folder: &Path, disk: Disk) -> Option<Finding> {
    let weight = match disk.room() {
        Room::Enough => return None,
        Room::Low => Weight::Note,
        Room::Full => Weight::Attention,
    };
    Some(Finding {
        weight,
        place: format!("disk of {}", folder.display()),
        what: disk.to_string(),
        fix: "make room, or move state_dir to a larger disk: a full one stops imports and sends"
            .to_owned(),
    })
}

fn copies_finding(app: &App) -> Option<Finding> {
    let config = &app.config;
    match (config.database.engine(), config.backup.folder()) {
        // What a sandbox holds can be made again.
        _ if config.mode == Mode::Sandbox => None,
        (Engine::Postgres, _) => Some(Finding {
            weight: Weight::Note,
            place: "backup".to_owned(),
            what: "PostgreSQL is copied by its own tools, not by this daemon".to_owned(),
            fix: "run pg_dump or base backups, and keep the master key beside none of them"
                .to_owned(),
        }),
        (Engine::Sqlite, None) => Some(Finding {
            weight: Weight::Note,
            place: "backup".to_owned(),
            what: "backup.folder names no folder: no copies are made".to_owned(),
            fix: "name a folder on another disk, or copy the database by other means".to_owned(),
        }),
        (Engine::Sqlite, Some(folder)) => match copies(folder) {
            Ok(copies) => {
                let newest = copies.last().map(|copy| copy.at);
                old_copy_finding(folder, newest, app.clock.now())
            }
            Err(fault) => Some(Finding {
                weight: Weight::Attention,
                place: format!("backup in {}", folder.display()),
                what: format!("cannot be read: {fault}"),
                fix: "let the daemon's user own it".to_owned(),
            }),
        },
    }
}

fn old_copy_finding(folder: &Path, newest: Option<UtcMs>, now: UtcMs) -> Option<Finding> {
    let what = match newest {
        None => "there is no copy".to_owned(),
        Some(at) if now.since(at) > OLD_COPY_MS => {
            format!("the newest copy is {} h old", now.since(at) / HOUR_MS)
        }
        Some(_) => return None,
    };
    Some(Finding {
        weight: Weight::Attention,
        place: format!("backup in {}", folder.display()),
        what,
        fix: "carebell jobs run backup, and carebell jobs list for why it did not run".to_owned(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_was_missed_and_a_full_disk_are_told() {
        let folder = Path::new("/copies");
        let now = UtcMs(1_795_420_800_000);
        let told = |ago_ms: i64| old_copy_finding(folder, Some(now.plus_ms(-ago_ms)), now);
        assert_eq!(told(OLD_COPY_MS), None);
        assert_eq!(told(OLD_COPY_MS + 1).unwrap().what, "the newest copy is 48 h old");
        assert_eq!(old_copy_finding(folder, None, now).unwrap().weight, Weight::Attention);
        let disk = |free_bytes| disk_finding(folder, Disk { free_bytes, total_bytes: 500 << 30 });
        assert_eq!(disk(2 << 30), None);
        assert_eq!(disk(500 << 20).unwrap().weight, Weight::Note);
        let full = disk(5 << 20).unwrap();
        assert_eq!(
            (full.weight, full.what.as_str()),
            (Weight::Attention, "5 MiB free of 512000 MiB")
        );
    }
}
