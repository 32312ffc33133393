//! F31: a large file is imported while a herd is due. Nothing that is due waits for the import's end: claims are
//! committed between its transactions, and it goes on between theirs.

use crate::house::On;
use crate::kills::{Story, ward};
use crate::process::{Installation, Wishes, noon_zone, until};
use carebell::store::Tx;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};

/// Rows of the file, a patient with an order each.
const ROWS: i64 = 20_000;
/// Patients of the herd, with two messages each.
const HERD: usize = 60;

/// What one snapshot of the database holds: whatever was committed before whatever it lacks.
#[derive(Clone, Copy, Debug)]
struct Snapshot {
    /// Patients, the herd among them.
    patients: i64,
    /// Intents.
    claimed: i64,
    /// Reminders that were sent.
    sent: i64,
}

impl Snapshot {
    async fn of(installation: &Installation) -> Self {
        const ALL: &str = "SELECT (SELECT count(*) FROM patients), (SELECT count(*) FROM attempts), \
                           (SELECT count(*) FROM reminders WHERE state = 'sent')";
        let mut tx = installation.store.read().await.unwrap();
        let (patients, claimed, sent) = match &mut tx {
            Tx::Sqlite(tx) => sqlx::query_as(ALL).fetch_one(&mut **tx).await.unwrap(),
            Tx::Postgres(tx) => sqlx::query_as(ALL).fetch_one(&mut **tx).await.unwrap(),
        };
        Self { patients, claimed, sent }
    }
}

/// `carebell import` of a file of its own; ended when dropped.
struct Import(Child);

impl Import {
    fn begin(installation: &Installation) -> Self {
        let mut table = "patient_id,phone,timezone,order_id,type,title,times,start\n".to_owned();
        let zone = noon_zone();
        for n in 0..ROWS {
            let row = "medication,Canarin,08:00,2026-01-01";
            writeln!(table, "i-{n},+1202{:07},{zone},o-{n},{row}", 5_600_000 + n).unwrap();
        }
        let file = installation.config_file().with_file_name("rows.csv");
        std::fs::write(&file, table).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_carebell"))
            .args(["import", "--consent-basis", "form 3", "--consent-at", "2026-01-01", "--config"])
            .arg(installation.config_file())
            .arg(file)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f31_nothing_due_waits_for_the_end_of_an_import_on_sqlite() {
    beside(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f31_p11_nothing_due_waits_for_the_end_of_an_import_on_postgres() {
    beside(On::Postgres).await;
}

async fn beside(on: On) {
    // Slow enough that the herd is claimed in several steps.
    let wishes = Wishes { messages_per_second: 5.0, ..Wishes::default() };
    let Some(installation) = Installation::make(on, wishes).await else { return };
    let daemon = installation.spawn_untold(&[]);
    let mut import = Import::begin(&installation);
    until("the import has begun", async || Snapshot::of(&installation).await.patients > 0).await;
    let begun = Snapshot::of(&installation).await.patients;
    let herd = ward(HERD);
    let due: usize = herd.iter().map(|(_, plan)| plan.len()).sum();
    let (herd_size, due) = (i64::try_from(HERD).unwrap(), i64::try_from(due).unwrap());
    installation.enrol(&herd).await;
    // How far the import was whenever more of the herd had been claimed than before.
    let mut between = BTreeSet::new();
    let mut last = Snapshot::of(&installation).await;
    until("the herd has left", async || {
        let seen = Snapshot::of(&installation).await;
        if seen.claimed > last.claimed {
            between.insert(seen.patients - herd_size);
        }
        last = seen;
        seen.sent == due
    })
    .await;
    let imported = last.patients - herd_size;
    eprintln!(
        "{on:?}: {begun} imported when the herd came, {imported} when it had left; {between:?}"
    );
    assert!(imported < ROWS, "the herd waited for the import's end");
    assert!(imported - begun < ROWS / 2, "{begun} to {imported}: claims wait for the import");
    // An import that waited for the sends would stand at one row through all claims.
    assert!(between.len() > 2, "the import waits for the sends: {between:?}");
    assert_eq!(import.0.try_wait().unwrap(), None, "it goes on");
    drop(import);
    assert_eq!(daemon.stop().await, Some(0), "{}", installation.log());
    let story = Story::read(&installation).await;
    story.check(usize::try_from(due).unwrap(), 0);
    assert_eq!(story.times_accepted(), story.messages(), "p1");
}
