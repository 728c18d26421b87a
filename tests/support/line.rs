//! A proxy between client and server: throttled on request, counted, and able to move to another server.

#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes forwarded at once.
const PIECE: usize = 8 << 10;

/// Longest time a test waits for bytes.
const PATIENCE: Duration = Duration::from_mins(1);

/// The proxy.
#[derive(Debug)]
pub(crate) struct Line {
    /// Address for clients.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: Mutex<SocketAddr>,
    /// Bytes a second towards the server; 0 for no limit.
    rate: AtomicU64,
    /// Bytes forwarded to the server.
    sent: AtomicU64,
    /// Number of cuts.
    cuts: AtomicU64,
}

impl Line {
    /// A proxy to `server` that forwards `rate` bytes a second.
    pub(crate) fn to(server: SocketAddr, rate: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { server: Mutex::new(server), rate: rate.into(), sent: 0.into(), cuts: 0.into() });
        let each = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                let each = Arc::clone(&each);
                thread::spawn(move || each.join(&client.unwrap()));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Forwards new connections to `server` from here on.
    pub(crate) fn leads_to(&self, server: SocketAddr) {
        *self.shared.server.lock().unwrap() = server;
    }

    /// Changes the rate, in bytes a second.
    pub(crate) fn carries(&self, rate: u64) {
        self.shared.rate.store(rate, Ordering::Relaxed);
    }

    /// Ends all connections and drops the bytes in flight; the kernel of a killed process would still send them.
    pub(crate) fn cut(&self) {
        self.shared.cuts.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes forwarded to the server so far.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Waits until `bytes` bytes were forwarded.
    pub(crate) fn wait_for(&self, bytes: u64) {
        let began = Instant::now();
        while self.sent() < bytes {
            assert!(began.elapsed() < PATIENCE, "{} of {bytes} bytes went", self.sent());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Shared {
    fn join(self: Arc<Self>, client: &TcpStream) {
        let server = *self.server.lock().unwrap();
        // If the server refuses the connection, the client sees its connection cut.
        let Ok(server) = TcpStream::connect(server) else { return };
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        let mut piece = [0; PIECE];
        let cuts = self.cuts.load(Ordering::Relaxed);
        while let Ok(count @ 1..) = (&*client).read(&mut piece) {
            if (&server).write_all(&piece[..count]).is_err() {
                break;
            }
            let count = u64::try_from(count).unwrap();
            self.sent.fetch_add(count, Ordering::Relaxed);
            if let Some(micros) = (count * 1_000_000).checked_div(self.rate.load(Ordering::Relaxed)) {
                thread::sleep(Duration::from_micros(micros));
            }
            if self.cuts.load(Ordering::Relaxed) != cuts {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
    }
}
