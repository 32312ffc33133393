//! Which of several PostgreSQL servers takes writes: after a promotion it is another one (design.md section 3).

use super::OpenError;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, PgPool};
use std::time::Duration;

/// A server that does not answer for so long is passed over.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
/// How often the present server is asked.
const ASKED_EVERY: Duration = Duration::from_secs(2);

/// Whether the server at the other end takes writes: a standby does not, nor one that is set read-only.
pub(super) async fn takes_writes(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let read_only: String =
        sqlx::query_scalar("-- primary::takes_writes\nSHOW transaction_read_only")
            .fetch_one(connection)
            .await?;
    Ok(read_only == "off")
}

/// The first server from `start` on, and round, that takes writes: its place and its options.
pub(super) async fn find(
    servers: &[PgConnectOptions],
    start: usize,
) -> Result<(usize, PgConnectOptions), OpenError> {
    let mut last = "no server is named".to_owned();
    for place in (0..servers.len()).map(|n| (start + n) % servers.len()) {
        match ask(&servers[place]).await {
            Ok(connection) => {
                drop(connection.close().await);
                return Ok((place, servers[place].clone()));
            }
            Err(fault) => last = fault,
        }
    }
    Err(OpenError::NoPrimary { servers: servers.len(), last })
}

/// A connection to a server that takes writes, or why not.
async fn ask(server: &PgConnectOptions) -> Result<PgConnection, String> {
    let asking = async {
        let mut connection = server.connect().await?;
        let takes = takes_writes(&mut connection).await?;
        Ok::<_, sqlx::Error>((connection, takes))
    };
    match tokio::time::timeout(ANSWERS_WITHIN, asking).await {
        Ok(Ok((connection, true))) => Ok(connection),
        Ok(Ok((_, false))) => Err("it takes no writes (a standby, or set read-only)".to_owned()),
        Ok(Err(fault)) => Err(fault.to_string()),
        Err(_) => Err(format!("no answer within {} s", ANSWERS_WITHIN.as_secs())),
    }
}

/// Keeps a pool at the server that takes writes, over a connection of its own, until the pool is closed.
pub(super) async fn follow(pool: PgPool, servers: Vec<PgConnectOptions>, mut place: usize) {
    let mut watching: Option<PgConnection> = None;
    loop {
        tokio::select! {
            () = pool.close_event() => return,
            () = tokio::time::sleep(ASKED_EVERY) => {}
        }
        if let Some(connection) = &mut watching {
            let asked = tokio::time::timeout(ANSWERS_WITHIN, takes_writes(connection)).await;
            if matches!(asked, Ok(Ok(true))) {
                continue;
            }
        }
        watching = ask(&servers[place]).await.ok();
        if watching.is_some() {
            continue;
        }
        match find(&servers, place + 1).await {
            Ok((found, options)) => {
                if found != place {
                    tracing::error!(
                        server = found + 1,
                        of = servers.len(),
                        "the database server that takes writes is another one now"
                    );
                    metrics::counter!("carebell_database_failovers_total").increment(1);
                }
                place = found;
                pool.set_connect_options(options);
            }
            Err(fault) => tracing::error!(%fault, "no database server takes writes"),
        }
    }
}
