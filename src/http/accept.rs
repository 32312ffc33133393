//! The accept loop. axum's own has no time-out for headers, so that a slow client holds a socket for ever.

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// What one client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections at once; further ones wait in the system's backlog.
    pub connections: usize,
    /// Time for a whole head, and for an idle connection to send the next one.
    pub header: Duration,
    /// Time for a whole body.
    pub body: Duration,
    /// Time to keep a callback.
    pub keep: Duration,
    /// Largest head, in bytes.
    pub max_header_bytes: usize,
    /// Largest body, in bytes.
    pub max_body_bytes: usize,
}

impl Limits {
    /// The limits of a daemon whose bodies may have `max_body_bytes`.
    pub const fn with_max_body_bytes(max_body_bytes: usize) -> Self {
        Self {
            connections: 512,
            header: Duration::from_secs(10),
            body: Duration::from_secs(30),
            keep: Duration::from_secs(10),
            max_header_bytes: 32 * 1024,
            max_body_bytes,
        }
    }
}

/// The server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("http.listen: cannot listen on {listen}: choose a free `address:port` of this machine")]
pub struct NotListening {
    listen: String,
    source: std::io::Error,
}

/// Listens on `listen` (`address:port`; port 0 lets the system choose) and serves until `shutdown`, on tasks
/// of `tracker`. Requests under way are answered before their tasks end.
///
/// # Errors
/// [`NotListening`], when the address is taken or none of ours.
pub async fn start(
    listen: &str,
    router: Router,
    limits: Limits,
    tracker: &TaskTracker,
    shutdown: CancellationToken,
) -> Result<SocketAddr, NotListening> {
    let not_listening = |source| NotListening { listen: listen.to_owned(), source };
    let listener = TcpListener::bind(listen).await.map_err(not_listening)?;
    let address = listener.local_addr().map_err(not_listening)?;
    serve_on(listener, router, limits, tracker, shutdown);
    Ok(address)
}

/// Serves on a listener that is bound already, as [`start`] does: for whoever must know the address before the
/// channels are built.
pub fn serve_on(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    tracker: &TaskTracker,
    shutdown: CancellationToken,
) {
    tracker.spawn(accept(listener, router, limits, tracker.clone(), shutdown));
}

async fn accept(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    tracker: TaskTracker,
    shutdown: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(limits.connections));
    loop {
        let (stream, peer, permit) = tokio::select! {
            () = shutdown.cancelled() => return,
            next = next(&listener, &permits) => next,
        };
        tracker.spawn(serve(stream, peer, permit, router.clone(), limits, shutdown.clone()));
    }
}

async fn next(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, IpAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so there always is a permit in the end.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer.ip(), permit),
            // Out of file handles, or the client has gone: neither passes faster by asking at once.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Whoever is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    _permit: Option<OwnedSemaphorePermit>,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let router = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.to_canonical()));
        request
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header)
            .max_buf_size(limits.max_header_bytes)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    // What breaks a connection is the client's affair; what matters was counted by its handler.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
