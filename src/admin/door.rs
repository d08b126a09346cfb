//! The door: how many connections there are at once, and how long each may take.
//!
//! Each has ten seconds for everything: its handshake, its question, its answer. When the house is full, the one that
//! has been there longest goes, so that a new one, such as the kubelet with its probe, always finds a place.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Timeout, timeout};
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::tls::Tls;

/// Connections at once.
const PLACES: usize = 64;

/// For everything that happens on a connection.
const LONGEST_VISIT: Duration = Duration::from_secs(10);

/// Lets connections in.
pub(super) struct Door {
    listener: TcpListener,
    tls: Option<Tls>,
    /// Who is inside, the longest first. Those that have left are cancelled.
    guests: VecDeque<CancellationToken>,
    /// Who is still shaking hands; nobody else waits for that.
    handshakes: JoinSet<io::Result<(TlsStream<Guest>, SocketAddr)>>,
}

impl Door {
    pub(super) fn new(listener: TcpListener, tls: Option<Tls>) -> Self {
        Self { listener, tls, guests: VecDeque::new(), handshakes: JoinSet::new() }
    }

    fn welcome(&mut self, stream: TcpStream) -> Guest {
        self.guests.retain(|guest| !guest.is_cancelled());
        if self.guests.len() >= PLACES
            && let Some(longest) = self.guests.pop_front()
        {
            longest.cancel();
        }
        let leave = CancellationToken::new();
        self.guests.push_back(leave.clone());
        let over = Box::pin(timeout(LONGEST_VISIT, leave.clone().cancelled_owned()));
        Guest { stream, leave, over }
    }
}

impl Listener for Door {
    type Io = Either<Guest, TlsStream<Guest>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            tokio::select! {
                (stream, address) = Listener::accept(&mut self.listener) => {
                    let guest = self.welcome(stream);
                    let Some(tls) = &mut self.tls else { return (Either::Left(guest), address) };
                    // Without a certificate there is nothing to talk with; why has been logged.
                    if let Some(acceptor) = tls.acceptor().await {
                        self.handshakes.spawn(async move { Ok((acceptor.accept(guest).await?, address)) });
                    }
                }
                Some(shaken) = self.handshakes.join_next() => {
                    if let Ok(Ok((stream, address))) = shaken {
                        return (Either::Right(stream), address);
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends in time.
pub(super) struct Guest {
    stream: TcpStream,
    leave: CancellationToken,
    over: Pin<Box<Timeout<WaitForCancellationFutureOwned>>>,
}

impl Guest {
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if !self.leave.is_cancelled() && self.over.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.leave.cancel();
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.leave.cancel();
    }
}

impl AsyncRead for Guest {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(end) = self.poll_end(cx) {
            return Poll::Ready(Err(end));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(end) = self.poll_end(cx) {
            return Poll::Ready(Err(end));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
