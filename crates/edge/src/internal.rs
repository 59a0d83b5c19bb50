//! The internal listener: HTTP/1.1 for backends and operators, with bounds of its own.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use model::limits;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long the last answers may take when the node ends.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The internal listening sockets and the connections accepted from them.
pub(crate) struct Listeners {
    service: TowerToHyperService<Router>,
    connections: JoinSet<()>,
    acceptors: JoinSet<()>,
    accepted: mpsc::Receiver<tokio::net::TcpStream>,
    closing: watch::Sender<bool>,
}

impl Listeners {
    pub(crate) fn new(router: Router, listeners: Vec<TcpListener>) -> io::Result<Self> {
        let (sender, accepted) = mpsc::channel(1);
        let mut acceptors = JoinSet::new();
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            acceptors.spawn(accept(listener, sender.clone()));
        }
        let service = TowerToHyperService::new(router);
        let (connections, closing) = (JoinSet::new(), watch::Sender::new(false));
        Ok(Self { service, connections, acceptors, accepted, closing })
    }

    /// Accepts and serves until dropped.
    pub(crate) async fn serve(&mut self) -> Infallible {
        loop {
            while self.connections.try_join_next().is_some() {}
            let may_accept = self.connections.len() < limits::INTERNAL_CONNECTIONS_MAX;
            tokio::select! {
                stream = self.accepted.recv(), if may_accept => match stream {
                    Some(stream) => self.begin(stream),
                    // Without a listener of its own there is nothing to accept.
                    None => std::future::pending().await,
                },
                _ = self.connections.join_next(), if !may_accept => {}
            }
        }
    }

    /// Closes the listening sockets and lets answers that are under way finish.
    pub(crate) async fn close(&mut self) {
        self.acceptors.shutdown().await;
        self.closing.send_replace(true);
        let finish = async { while self.connections.join_next().await.is_some() {} };
        drop(timeout(LAST_ANSWERS, finish).await);
        self.connections.shutdown().await;
    }

    fn begin(&mut self, stream: tokio::net::TcpStream) {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::INTERNAL_IDLE_MAX)
            .max_headers(limits::HTTP_HEADERS_MAX)
            .max_buf_size(limits::INTERNAL_BUFFER_BYTES_MAX)
            // Answers are small: one buffer costs less than two in a vector.
            .writev(false)
            .serve_connection(TokioIo::new(stream), self.service.clone());
        let mut closing = self.closing.subscribe();
        self.connections.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = async { drop(closing.wait_for(|is_closing| *is_closing).await) } => {
                    // Idle ones end at once, the others after the answer that is under way.
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "internal connection ended");
            }
        });
    }
}

async fn accept(listener: tokio::net::TcpListener, accepted: mpsc::Sender<tokio::net::TcpStream>) {
    /// Pause after an error, most likely for want of descriptors.
    const PAUSE: Duration = Duration::from_millis(100);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if accepted.send(stream).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the internal listener cannot accept");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
