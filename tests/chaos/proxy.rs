//! A TCP proxy that cuts connections: before a request, before an answer, or all at once.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::chance::Chance;

const BUFFER_BYTES: usize = 64 * 1024;

/// Where a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// What was asked never arrives.
    BeforeRequest,
    /// What was asked arrives, and its answer does not.
    BeforeAnswer,
}

/// A proxy in front of one address.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    control: Arc<Control>,
}

struct Control {
    upstream: SocketAddr,
    open: AtomicBool,
    /// All connections of an earlier generation are cut.
    generation: watch::Sender<u64>,
    /// Requests that are cut, in a hundred thousand.
    often: AtomicU32,
    /// Requests that are cut next, whatever chance says.
    next: AtomicU32,
    chance: Mutex<Chance>,
    cuts: AtomicU64,
}

impl Proxy {
    pub(crate) async fn start(upstream: SocketAddr, chance: Chance) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let control = Arc::new(Control {
            upstream,
            open: AtomicBool::new(true),
            generation: watch::Sender::new(0),
            often: AtomicU32::new(0),
            next: AtomicU32::new(0),
            chance: Mutex::new(chance),
            cuts: AtomicU64::new(0),
        });
        let accepting = Arc::clone(&control);
        tokio::spawn(async move {
            loop {
                if let Ok((client, _)) = listener.accept().await
                    && accepting.open.load(Ordering::SeqCst)
                {
                    tokio::spawn(pass(client, Arc::clone(&accepting)));
                }
            }
        });
        Self { address, control }
    }

    /// Cuts so many requests in a hundred thousand from now on.
    pub(crate) fn cut_often(&self, often: u32) {
        self.control.often.store(often, Ordering::SeqCst);
    }

    /// Cuts the next requests, whosever they are.
    pub(crate) fn cut_next(&self, requests: u32) {
        self.control.next.store(requests, Ordering::SeqCst);
    }

    /// Cuts every connection that stands.
    pub(crate) fn cut_all(&self) {
        self.control.generation.send_modify(|generation| *generation += 1);
        self.control.cuts.fetch_add(1, Ordering::SeqCst);
    }

    /// Nobody gets through for a while.
    pub(crate) async fn shut_for(&self, span: Duration) {
        self.control.open.store(false, Ordering::SeqCst);
        self.cut_all();
        tokio::time::sleep(span).await;
        self.control.open.store(true, Ordering::SeqCst);
    }

    /// Lets everything through.
    pub(crate) fn heal(&self) {
        self.cut_often(0);
        self.cut_next(0);
        self.control.open.store(true, Ordering::SeqCst);
    }

    pub(crate) fn cuts(&self) -> u64 {
        self.control.cuts.load(Ordering::SeqCst)
    }
}

impl Control {
    /// What becomes of a request.
    fn fate(&self) -> Option<Cut> {
        let forced = self.next.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let often = self.often.load(Ordering::SeqCst);
        let mut chance = self.chance.lock().unwrap();
        if forced.is_err() && chance.below(100_000) >= often {
            return None;
        }
        self.cuts.fetch_add(1, Ordering::SeqCst);
        Some(if chance.below(2) == 0 { Cut::BeforeRequest } else { Cut::BeforeAnswer })
    }
}

/// Passes bytes on until either side ends or the connection is cut.
async fn pass(mut client: TcpStream, control: Arc<Control>) {
    let mut generation = control.generation.subscribe();
    let Ok(mut server) = TcpStream::connect(control.upstream).await else { return };
    let _quick = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut asked, mut answered) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    let mut doomed = false;
    loop {
        tokio::select! {
            _ = generation.changed() => return,
            read = client.read(&mut asked) => {
                let Some(bytes) = read.ok().filter(|bytes| *bytes > 0) else { return };
                match control.fate() {
                    Some(Cut::BeforeRequest) => return,
                    Some(Cut::BeforeAnswer) => doomed = true,
                    None => {}
                }
                if server.write_all(&asked[..bytes]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Some(bytes) = read.ok().filter(|bytes| *bytes > 0) else { return };
                if doomed || client.write_all(&answered[..bytes]).await.is_err() {
                    return;
                }
            }
        }
    }
}
