//! A proxy on loopback that breaks connections, for tests of what survives that.
//!
//! It works on bytes, so TLS passes through: use it with [`crate::ControlPlane::kubeconfig_via`].

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use crate::{Context, Result};

/// What is wrong with the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Each piece of data comes later by this much.
    Latency(Duration),
    /// Connections are made, and nothing arrives any more, in neither direction; on old connections neither. One that
    /// has lost data to it stays silent for ever, as behind a gateway that forgot it.
    Blackhole,
    /// New connections are closed at once. Old ones live on.
    Refuse,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    fault: Fault,
    cuts: usize,
}

#[derive(Debug, Default)]
struct Counters {
    open: AtomicUsize,
    silenced: AtomicUsize,
}

/// A running proxy; dropping it closes everything.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    counters: Arc<Counters>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts one in front of a server: `https://127.0.0.1:6443` or `127.0.0.1:6443`.
    pub async fn start(upstream: &str) -> Result<Self> {
        let upstream = upstream.trim_start_matches("https://").trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.context(|| "binding the fault proxy")?;
        let address = listener.local_addr().context(|| "binding the fault proxy")?;
        let (state, told) = watch::channel(State::default());
        let counters = Arc::new(Counters::default());
        let counting = Arc::clone(&counters);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if told.borrow().fault != Fault::Refuse {
                    tokio::spawn(serve(client, upstream.clone(), told.clone(), Arc::clone(&counting)));
                }
            }
        });
        Ok(Self { address, state, counters, task })
    }

    /// Where it listens, as the address of a TLS server.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Changes what is wrong, for old connections too.
    pub fn set(&self, fault: Fault) {
        self.state.send_modify(|state| state.fault = fault);
    }

    /// Cuts all connections that are open now.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.counters.open.load(Ordering::Relaxed)
    }

    /// How many connections have lost data to a blackhole so far.
    pub fn silenced(&self) -> usize {
        self.counters.silenced.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
        // The connections' tasks see the sender go, and end.
    }
}

async fn serve(client: TcpStream, upstream: String, state: watch::Receiver<State>, counters: Arc<Counters>) {
    counters.open.fetch_add(1, Ordering::Relaxed);
    let cuts = state.borrow().cuts;
    let both = async {
        while state.borrow().fault == Fault::Blackhole {
            state.clone().changed().await.ok();
        }
        // An upstream that is not there closes the connection, as it would without a proxy.
        let Ok(server) = TcpStream::connect(&upstream).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // One end's end is the end of both, as watches need it.
        tokio::select! {
            () = pump(from_client, to_server, &state, &counters) => {}
            () = pump(from_server, to_client, &state, &counters) => {}
        }
    };
    let mut cut = state.clone();
    tokio::select! {
        () = both => {}
        // Also when the proxy is gone.
        _ = cut.wait_for(|state| state.cuts != cuts) => {}
    }
    counters.open.fetch_sub(1, Ordering::Relaxed);
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    state: &watch::Receiver<State>,
    counters: &Counters,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        let fault = state.borrow().fault;
        match fault {
            Fault::Latency(latency) => tokio::time::sleep(latency).await,
            Fault::Blackhole => {
                counters.silenced.fetch_add(1, Ordering::Relaxed);
                std::future::pending::<()>().await;
            }
            Fault::None | Fault::Refuse => {}
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
