//! A PostgreSQL that goes away, stands still, takes no writes or is another one: the real binary on real time;
//! the providers' ledger is what is believed.

use crate::house::On;
use crate::kills::{Story, finish, states, ward};
use crate::process::{Installation, Running, Wishes, until};
use carebell::security::Keyring;
use carebell::store::connect_postgres;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _};
use std::str::FromStr as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// Open intents of a daemon at most: what one incident may leave unknown.
const PERMITS: u32 = 8;
const PATIENTS: usize = 24;

/// An installation on PostgreSQL whose daemons send slowly enough for something to happen in between.
async fn installation() -> Option<Installation> {
    let wishes = Wishes { permits: PERMITS, messages_per_second: 8.0, ..Wishes::default() };
    Installation::make(On::Postgres, wishes).await
}

/// Gives an installation its patients; returns how many slots are due.
async fn admit(installation: &Installation, patients: usize) -> usize {
    let people = ward(patients);
    installation.enrol(&people).await;
    people.iter().map(|(_, plan)| plan.len()).sum()
}

/// Changes the daemons' configuration: the line that names the database.
fn use_database(installation: &Installation, lines: &str) {
    let file = installation.config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let old = format!("database.url = \"{}\"", installation.database_url());
    assert!(text.contains(&old));
    std::fs::write(&file, text.replace(&old, lines)).unwrap();
}

async fn accepted(installation: &Installation, more: usize) {
    let before = installation.sandbox.ledger().len();
    until("messages are accepted", async || installation.sandbox.ledger().len() >= before + more)
        .await;
}

/// Waits until the daemons have said something once more than `before` times.
async fn said(installation: &Installation, words: &str, before: usize) {
    until(words, async || times(installation, words) > before).await;
}

fn times(installation: &Installation, words: &str) -> usize {
    installation.log().matches(words).count()
}

const STEP_FAILED: &str = "a step failed; it is tried again";

/// A connection of an administrator, past everything that stands between a daemon and its database.
async fn administrator(installation: &Installation) -> PgConnection {
    let (server, _) = installation.database_url().rsplit_once('/').map(owned).unwrap();
    PgConnection::connect(&format!("{server}/postgres")).await.unwrap()
}

fn owned((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

async fn order(connection: &mut PgConnection, statement: String) {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.unwrap();
}

fn database_name(installation: &Installation) -> String {
    installation.database_url().rsplit_once('/').map(owned).unwrap().1
}

/// Ends every connection to the database, this test's own among them.
async fn end_connections(installation: &Installation, connection: &mut PgConnection) {
    let ended: i64 = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1",
    )
    .bind(database_name(installation))
    .fetch_one(connection)
    .await
    .unwrap();
    assert!(ended > 0, "nobody was connected");
}

/// Gives the test new connections in the place of those that were ended.
async fn connect_again(installation: &mut Installation) {
    let options = PgConnectOptions::from_str(&installation.database_url()).unwrap();
    let keys: Keyring = installation.store.keys().clone();
    installation.store = connect_postgres([options], 4, keys).await.unwrap();
}

/// Everything has left, nothing twice; then the daemon stops without a complaint.
async fn all_is_told(installation: &Installation, running: Running, slots: usize, unknown: usize) {
    // A first batch of wakes may be told whole before the next one is written.
    until("every slot has its row", async || states(installation).await.all >= slots).await;
    finish(installation).await;
    assert_eq!(running.stop().await, Some(0), "{}", installation.log());
    Story::read(installation).await.check(slots, unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_p3_connections_that_are_ended_in_the_middle_of_sending() {
    let Some(mut installation) = installation().await else { return };
    let slots = admit(&installation, PATIENTS).await;
    let running = installation.start().await;
    let mut administrator = administrator(&installation).await;
    for _ in 0..3 {
        accepted(&installation, 5).await;
        let failed = times(&installation, "terminating connection due to administrator command");
        end_connections(&installation, &mut administrator).await;
        said(&installation, "terminating connection due to administrator command", failed).await;
    }
    connect_again(&mut installation).await;
    all_is_told(&installation, running, slots, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_two_connections_are_enough() {
    let wishes = Wishes::default();
    let Some(installation) = Installation::make(On::Postgres, wishes).await else { return };
    let url = installation.database_url();
    use_database(&installation, &format!("database = {{ url = \"{url}\", max_connections = 2 }}"));
    let slots = admit(&installation, 300).await;
    let running = installation.start().await;
    all_is_told(&installation, running, slots, 0).await;
    assert_eq!(times(&installation, STEP_FAILED), 0, "{}", installation.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p3_a_read_only_server_is_refused_at_the_start_and_waited_for_while_running() {
    let Some(mut installation) = installation().await else { return };
    let slots = admit(&installation, PATIENTS).await;
    let name = database_name(&installation);
    let mut administrator = administrator(&installation).await;
    let read_only = |on| format!("ALTER DATABASE {name} SET default_transaction_read_only = {on}");

    order(&mut administrator, read_only("on")).await;
    assert_eq!(installation.spawn_untold(&[]).ended().await, Some(1));
    let told = "none of the 1 database servers takes writes; the last one said: it takes no writes";
    assert!(installation.said(told), "{}", installation.log());
    order(&mut administrator, read_only("off")).await;

    let running = installation.start().await;
    accepted(&installation, 5).await;
    order(&mut administrator, read_only("on")).await;
    end_connections(&installation, &mut administrator).await;
    said(&installation, "the server takes no writes", 0).await;
    let intents = intents(&installation).await;
    assert!(intents < slots, "all was sent before: nothing is shown");
    // A pool gives up after half a minute: the step that waited has ended, and others will not do better.
    said(&installation, "pool timed out", 0).await;
    assert_eq!(self::intents(&installation).await, intents, "claimed on a read-only server");
    assert!(installation.sandbox.ledger().len() <= intents, "p3: sent without an intent");

    order(&mut administrator, read_only("off")).await;
    connect_again(&mut installation).await;
    all_is_told(&installation, running, slots, PERMITS as usize).await;
}

/// How many intents are committed, as an administrator sees it.
async fn intents(installation: &Installation) -> usize {
    let mut own = PgConnection::connect(&installation.database_url()).await.unwrap();
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM attempts").fetch_one(&mut own).await.unwrap();
    own.close().await.unwrap();
    usize::try_from(count).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_p3_a_line_to_the_database_that_is_cut() {
    let Some(installation) = installation().await else { return };
    let line = Line::to(&installation).await;
    use_database(&installation, &format!("database.url = \"{}\"", line.url(&installation)));
    let slots = admit(&installation, PATIENTS).await;
    let running = installation.start().await;
    for _ in 0..3 {
        accepted(&installation, 4).await;
        let failed = times(&installation, STEP_FAILED);
        line.becomes(State::Cut);
        said(&installation, STEP_FAILED, failed).await;
        sends_only_what_has_an_intent(&installation).await;
        line.becomes(State::Open);
    }
    all_is_told(&installation, running, slots, PERMITS as usize * 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_p3_a_line_to_the_database_that_stands_still() {
    let Some(installation) = installation().await else { return };
    let line = Line::to(&installation).await;
    use_database(&installation, &format!("database.url = \"{}\"", line.url(&installation)));
    let slots = admit(&installation, PATIENTS).await;
    let running = installation.start().await;
    accepted(&installation, 8).await;
    line.becomes(State::Stalled);
    said(&installation, "the watchdog is not fed", 0).await;
    let sent = sends_only_what_has_an_intent(&installation).await;
    assert!(sent < slots, "all was sent before: nothing is shown");
    line.becomes(State::Open);
    all_is_told(&installation, running, slots, PERMITS as usize).await;
}

/// P3, while the daemon cannot reach its database: what leaves has its intent there. Returns how much has left.
async fn sends_only_what_has_an_intent(installation: &Installation) -> usize {
    let sent = installation.sandbox.ledger().len();
    assert!(sent <= intents(installation).await, "p3: sent without a committed intent");
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_is_passed_over_for_the_next_one_named() {
    let Some(installation) = installation().await else { return };
    let line = Line::to(&installation).await;
    let name = database_name(&installation);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = format!("postgres://postgres@127.0.0.1:{closed},127.0.0.1:{}/{name}", line.port);
    use_database(&installation, &format!("database.url = \"{url}\""));
    let slots = admit(&installation, 6).await;
    let running = installation.start().await;
    all_is_told(&installation, running, slots, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_three_instances_are_restarted_one_after_the_other() {
    let Some(installation) = installation().await else { return };
    let spawn = |n: u32| match n {
        1 => installation.spawn_untold(&[]),
        n => installation.spawn_other(n, &[]),
    };
    let slots = admit(&installation, 40).await;
    let mut living: Vec<Running> = [1, 2, 3].map(spawn).into();
    for n in [1, 2, 3] {
        accepted(&installation, 4).await;
        assert_eq!(living.remove(0).stop().await, Some(0), "{n}: {}", installation.log());
        assert!(installation.sandbox.ledger().len() < slots, "{n}: all was sent before");
        living.push(spawn(n));
    }
    finish(&installation).await;
    for running in living {
        assert_eq!(running.stop().await, Some(0), "{}", installation.log());
    }
    let story = Story::read(&installation).await;
    story.check(slots, 0);
    assert_eq!(story.times_accepted(), story.messages(), "p1: twice, or not at all");
}

/// What a [`Line`] does with what is said on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Every connection is ended, and a new one as soon as it is made.
    Cut,
    /// Connections stay, and no byte passes.
    Stalled,
}

/// A way over loopback to the server's socket, which a test can cut and hold.
struct Line {
    port: u16,
    state: watch::Sender<State>,
}

impl Line {
    async fn to(installation: &Installation) -> Self {
        let options = PgConnectOptions::from_str(&installation.database_url()).unwrap();
        let socket = options.get_socket().unwrap().join(".s.PGSQL.5432");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (state, seen) = watch::channel(State::Open);
        let tracker = TaskTracker::new();
        let connections = tracker.clone();
        tracker.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, socket.clone(), seen.clone()));
            }
        });
        Self { port, state }
    }

    fn url(&self, installation: &Installation) -> String {
        let name = database_name(installation);
        format!("postgres://postgres@127.0.0.1:{}/{name}?sslmode=disable", self.port)
    }

    fn becomes(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn carry(client: TcpStream, socket: std::path::PathBuf, seen: watch::Receiver<State>) {
    if *seen.borrow() == State::Cut {
        return;
    }
    let Ok(server) = UnixStream::connect(socket).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut cut = seen.clone();
    tokio::select! {
        () = pour(from_client, to_server, seen.clone()) => {}
        () = pour(from_server, to_client, seen) => {}
        _ = cut.wait_for(|state| *state == State::Cut) => {}
    }
}

async fn pour(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut seen: watch::Receiver<State>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if seen.wait_for(|state| *state != State::Stalled).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
