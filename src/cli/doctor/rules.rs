//! Zone rules: do the sources agree on every zone in use, for the year behind and the two ahead?

use super::{Finding, Weight};
use crate::care::time::DAY_MS;
use crate::care::{UtcMs, Zone};
use crate::message::Programmes;
use crate::store::patients::ZoneCount;
use crate::zones::{Source, SourceKind, Zones, fingerprint};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

const BEHIND_MS: i64 = 366 * DAY_MS;
const AHEAD_MS: i64 = 2 * 366 * DAY_MS;

/// A zone that patients or programmes live by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct InUse {
    zone: String,
    patients: i64,
    programmes: Vec<String>,
    /// Fingerprints of the rules that patients were planned by, and how many.
    planned_by: Vec<(Vec<u8>, i64)>,
}

/// A source as shown.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SourceShown {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
}

impl From<&Source> for SourceShown {
    fn from(source: &Source) -> Self {
        Self {
            kind: source.kind.word(),
            release: source.version.clone(),
            folder: source.folder.as_ref().map(|folder| folder.display().to_string()),
        }
    }
}

impl fmt::Display for SourceShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.release.as_deref().unwrap_or("without a release"))
    }
}

/// Every source, the one that is asked first at the front.
pub(super) fn sources(zones: &Zones) -> Vec<SourceShown> {
    zones.sources().iter().map(SourceShown::from).collect()
}

/// The zones of patients and the default zones of programmes, by name.
pub(super) fn in_use(counts: &[ZoneCount], programmes: &Programmes) -> Vec<InUse> {
    let mut zones: BTreeMap<&str, InUse> = BTreeMap::new();
    for count in counts {
        let zone = zones.entry(&count.zone).or_default();
        zone.patients += count.patients;
        zone.planned_by.push((count.zone_hash.clone(), count.patients));
    }
    for programme in programmes.iter() {
        zones.entry(&programme.zone).or_default().programmes.push(programme.name.clone());
    }
    let named = |(name, zone): (&str, InUse)| InUse { zone: name.to_owned(), ..zone };
    zones.into_iter().map(named).collect()
}

/// Looks at every zone in use.
pub(super) fn look(zones: &Zones, in_use: &[InUse], now: UtcMs) -> Vec<Finding> {
    in_use.iter().flat_map(|one| look_at(zones, one, now)).collect()
}

fn look_at(zones: &Zones, one: &InUse, now: UtcMs) -> Vec<Finding> {
    let known: Vec<(&Source, Zone)> = zones
        .sources()
        .iter()
        .filter_map(|source| Some((source, source.zone(&one.zone)?)))
        .collect();
    let finding = |weight, what: String, fix: &str| Finding {
        weight,
        place: place(one),
        what,
        fix: fix.to_owned(),
    };
    let Some(((holds, zone), others)) = known.split_first() else {
        return vec![finding(
            Weight::Attention,
            "no source knows this zone, so nothing is sent there".to_owned(),
            "correct the zone in the source and import again, or name newer rules in zones.folder",
        )];
    };
    if holds.kind == SourceKind::LastResort {
        return vec![finding(
            Weight::Attention,
            format!("only the {} knows this zone", SourceShown::from(*holds)),
            "correct the name to one that IANA lists, or name newer rules in zones.folder",
        )];
    }
    let mut findings: Vec<Finding> = Vec::new();
    for (source, other) in others {
        let Some(at) = first_difference(zone, other, now) else { continue };
        let what = format!(
            "from {} on, the {} says {}, the {} says {}; the first holds",
            at.rfc3339(),
            SourceShown::from(*holds),
            offset(zone.offset_at(at)),
            SourceShown::from(*source),
            offset(other.offset_at(at)),
        );
        findings.push(match source.kind {
            // It is asked only for zones that nobody else knows.
            SourceKind::LastResort => {
                finding(Weight::Note, what, "nothing: it is not asked for this zone")
            }
            SourceKind::System => finding(
                Weight::Attention,
                what,
                "bring the system's tzdata up to date: other programs here tell another time",
            ),
            SourceKind::Configured | SourceKind::Binary => finding(
                Weight::Attention,
                what,
                "bring the older of the two up to date, or leave zones.folder out",
            ),
        });
    }
    let rules = fingerprint(zone).into_bytes();
    let elsewise = one.planned_by.iter().filter(|(hash, _)| !hash.is_empty() && *hash != rules);
    let patients: i64 = elsewise.map(|(_, patients)| patients).sum();
    if patients > 0 {
        findings.push(finding(
            Weight::Attention,
            format!("{patients} patients were planned by other rules than the {}", SourceShown::from(*holds)),
            "if another daemon has newer rules, name them in zones.folder; else the daemon plans them anew",
        ));
    }
    findings
}

fn place(one: &InUse) -> String {
    let mut users = Vec::new();
    if one.patients > 0 {
        let noun = if one.patients == 1 { "patient" } else { "patients" };
        users.push(format!("{} {noun}", one.patients));
    }
    if !one.programmes.is_empty() {
        users.push(format!("default of {}", one.programmes.join(", ")));
    }
    format!("{} ({})", one.zone, users.join("; "))
}

/// The first instant of the window at which two tables differ.
fn first_difference(a: &Zone, b: &Zone, now: UtcMs) -> Option<UtcMs> {
    let (from, to) = (now.plus_ms(-BEHIND_MS), now.plus_ms(AHEAD_MS));
    let changes = a.segments().iter().chain(b.segments());
    let mut candidates: Vec<UtcMs> = changes
        .map(|segment| UtcMs(segment.from_utc_seconds.saturating_mul(1_000)))
        .filter(|at| from < *at && *at < to)
        .collect();
    candidates.push(from);
    candidates.into_iter().filter(|at| a.offset_at(*at) != b.offset_at(*at)).min()
}

/// `UTC-07:00`.
fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::ZoneRules as _;
    use std::path::Path;

    /// 2026-11-22T00:00:00Z.
    const NOW: UtcMs = UtcMs(1_795_305_600_000);

    fn used(zone: &str) -> InUse {
        InUse { zone: zone.to_owned(), patients: 2, ..InUse::default() }
    }

    #[test]
    fn old_rules_are_told_with_the_first_instant_and_both_offsets() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tzif/2025b");
        let zones = Zones::open(Some(&folder)).unwrap();
        let found = look(&zones, &[used("America/Edmonton")], NOW);
        let configured = found.iter().find(|f| f.what.contains("configured folder 2025b")).unwrap();
        assert_eq!(configured.weight, Weight::Attention);
        assert_eq!(configured.place, "America/Edmonton (2 patients)");
        // Alberta stays at UTC-06:00 from 2026-11-01 on (NEWS of IANA tz 2026).
        assert!(configured.what.contains("from 2026-11-01T08:00:00Z on"), "{}", configured.what);
        assert!(configured.what.contains("says UTC-06:00"), "{}", configured.what);
        assert!(configured.what.contains("says UTC-07:00"), "{}", configured.what);
    }

    #[test]
    fn zones_that_agree_are_not_told_and_those_unknown_are() {
        let zones = Zones::built_in();
        assert_eq!(look(&zones, &[used("Africa/Nairobi")], NOW), []);
        let lost = look(&zones, &[used("Mars/Olympus")], NOW);
        assert!(lost[0].what.contains("no source knows"), "{lost:?}");
        assert_eq!(lost[0].weight, Weight::Attention);
    }

    #[test]
    fn patients_planned_by_other_rules_are_counted() {
        let zones = Zones::built_in();
        let right = fingerprint(&zones.zone("Africa/Nairobi").unwrap()).into_bytes();
        let planned_by = vec![(right, 5), (b"older".to_vec(), 3), (Vec::new(), 7)];
        let one = InUse { planned_by, ..used("Africa/Nairobi") };
        let found = look(&zones, &[one], NOW);
        assert_eq!(found.len(), 1);
        assert!(found[0].what.starts_with("3 patients"), "{found:?}");
    }
}
