//! A line between a client and a server: slow where that is wanted, counted, and kept where the server moves.

#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what panics here fails a test")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes that go at once.
const PIECE: usize = 8 << 10;

/// How long a test waits for bytes.
const PATIENCE: Duration = Duration::from_mins(1);

/// The line.
#[derive(Debug)]
pub(crate) struct Line {
    /// Where clients call.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: Mutex<SocketAddr>,
    /// Bytes a second that go to the server; 0: all.
    rate: AtomicU64,
    /// Bytes that went to the server.
    sent: AtomicU64,
    /// How often the line was cut.
    cuts: AtomicU64,
}

impl Line {
    /// A line to `server` on which `rate` bytes go a second.
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

    /// The server is elsewhere from now on.
    pub(crate) fn leads_to(&self, server: SocketAddr) {
        *self.shared.server.lock().unwrap() = server;
    }

    /// As many bytes a second from now on.
    pub(crate) fn carries(&self, rate: u64) {
        self.shared.rate.store(rate, Ordering::Relaxed);
    }

    /// What is under way ends here, and what is in the line with it: a killed process's kernel would go on sending.
    pub(crate) fn cut(&self) {
        self.shared.cuts.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes that went to the server until now.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Waits until so many went.
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
        // Where nobody listens, the client finds that the line is cut.
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
