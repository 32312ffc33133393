//! What commands share that work on an installation: opening one that is there, finding a patient in it, and
//! showing instants and addresses.

use super::app::{App, sqlite_file};
use super::{Context, Exit, Failure, wrapped};
use crate::care::ids::PatientId;
use crate::care::time::MINUTE_MS;
use crate::care::{Address, Programme, UtcMs, Zone, ZoneRules};
use crate::config::{Config, Engine};
use crate::policy::clock::Verdict;
use crate::store::meta::{self, InstanceRow};
use crate::store::standing::{self, Standing};
use crate::store::{Result as Stored, Tx, database_clock_ms};
use crate::watch::ClockWatch;
use serde::Serialize;
use std::sync::Arc;

/// A daemon that has not said for this long that it lives counts as gone, in milliseconds.
const HEARD_OF_WITHIN_MS: i64 = MINUTE_MS;

/// Opens the installation, runs the command's work on it and closes it.
///
/// One that was never started is not made: a look as another user would leave files that the daemon cannot use.
pub(super) fn opened(
    context: &Context,
    work: impl AsyncFnOnce(&App) -> Result<(), Failure>,
) -> Result<(), Failure> {
    context.block_on(async {
        must_exist(&context.load()?.config)?;
        let app = App::open(context).await?;
        let done = work(&app).await;
        app.store.close().await;
        done
    })
}

/// Fails unless the database has been made.
pub(super) fn must_exist(config: &Config) -> Result<(), Failure> {
    let file = sqlite_file(config);
    if config.database.engine() == Engine::Sqlite && !file.exists() {
        let message = format!("there is no database at {} yet", file.display());
        return Err(Failure::new(
            Exit::NotFound,
            message,
            "carebell run makes it at its first start; or name the configuration with --config",
        ));
    }
    Ok(())
}

/// Fails while this machine's clock is not believed: what is written by it would be dated wrongly, and the daemon would
/// wake, expire or withhold by it.
pub(super) async fn must_know_the_time(app: &App) -> Result<(), Failure> {
    match app.clock_watch().examine().await? {
        Verdict::Implausible(trouble) => {
            let message = format!("nothing is written: {trouble}");
            Err(Failure::new(Exit::Failed, message, trouble.fix()))
        }
        Verdict::Fine | Verdict::Stepped { .. } => Ok(()),
    }
}

/// Says so where this machine's clock is not believed, for what must be done all the same.
pub(super) async fn tell_doubt(watch: &ClockWatch, context: &Context) {
    // A doubt that cannot be looked up must not stop what was asked for.
    if let Ok(Verdict::Implausible(trouble)) = watch.examine().await {
        let text =
            format!("The time recorded may be wrong: {trouble}. To mend: {}.", trouble.fix());
        context.output.say(wrapped(&text, 0).trim_end());
    }
}

/// What was asked for is not there.
pub(super) fn not_found(what: &str, id: &impl std::fmt::Display, fix: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("there is no {what} {id}"), fix)
}

/// Everything known of one patient.
pub(super) async fn standing_of(
    app: &App,
    tx: &mut Tx,
    id: PatientId,
) -> Result<Standing, Failure> {
    let found = standing::load(tx, app.store.keys(), &[id]).await?.remove(&id);
    found.ok_or_else(|| not_found("patient", &id, "carebell patients list shows those there are"))
}

/// The rules that hold for a patient: programme and zone, where this installation knows them.
pub(super) fn rules<'a>(
    app: &'a App,
    standing: &Standing,
) -> Result<(&'a Programme, Arc<Zone>), Failure> {
    let row = &standing.row;
    let programme = app.programmes.get(&row.programme).ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            format!("the programme {} of {} is not declared", row.programme, row.id),
            format!("add {}/programme.toml under schedules.dir/programmes", row.programme),
        )
    })?;
    let zone = app.zones.zone(&row.patient.zone).ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            format!("the zone of {} is not known", row.id),
            "correct it in the source and import again",
        )
    })?;
    Ok((programme, zone))
}

/// The daemons of this database that live.
pub(super) async fn alive(tx: &mut Tx) -> Stored<Vec<InstanceRow>> {
    let since = database_clock_ms(tx).await?.plus_ms(-HEARD_OF_WITHIN_MS);
    let mut instances = meta::instances(tx).await?;
    instances.retain(|instance| UtcMs(instance.heartbeat_ms) >= since);
    Ok(instances)
}

/// An instant as the patient's clock shows it and in UTC.
#[derive(Clone, Debug, Serialize)]
pub(super) struct When {
    /// RFC 3339.
    pub(super) utc: String,
    /// `YYYY-MM-DDTHH:MM:SS` on the patient's clock; absent where the zone is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) local: Option<String>,
}

impl When {
    pub(super) fn new(at: UtcMs, zone: Option<&Zone>) -> Self {
        let local = zone.map(|zone| zone.local(at).format("%Y-%m-%dT%H:%M:%S").to_string());
        Self { utc: at.rfc3339(), local }
    }

    /// The patient's clock to the minute, for tables.
    pub(super) fn local_minute(&self) -> String {
        self.local.as_deref().map_or_else(|| "?".to_owned(), minute)
    }

    /// UTC to the minute, for tables.
    pub(super) fn utc_minute(&self) -> String {
        minute(&self.utc) + "Z"
    }
}

impl std::fmt::Display for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.local {
            Some(_) => write!(f, "{} ({})", self.local_minute(), self.utc_minute()),
            None => f.write_str(&self.utc_minute()),
        }
    }
}

fn minute(text: &str) -> String {
    text.get(..16).unwrap_or(text).replace('T', " ")
}

/// An address of which only so much shows that its owner can confirm it: `+1202***0101`, `m***@***.org`.
pub(super) fn masked(address: &Address) -> String {
    let text = address.expose();
    let start = |n: usize| text.chars().take(n).collect::<String>();
    if let Some((_, domain)) = text.split_once('@') {
        let top = domain.rsplit('.').next().unwrap_or_default();
        return format!("{}***@***.{top}", start(1));
    }
    let length = text.chars().count();
    let (first, last) = if length >= 12 { (5, 4) } else { (3, 2) };
    let tail: String = text.chars().skip(length.saturating_sub(last)).collect();
    format!("{}***{tail}", start(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_a_masked_address_gives_no_address_away() {
        for (address, shown) in [
            ("+12025550101", "+1202***0101"),
            ("+2301234567", "+23***67"),
            ("mary.jones@clinic.example.org", "m***@***.org"),
        ] {
            assert_eq!(masked(&Address::new(address)), shown);
        }
    }
}
