//! Listeners and connections: accepted up to a bound, each in a task of its own, drained within a bounded time.

use super::api;
use super::body::Body;
use super::misses::Peer;
use super::outlet::{Limits, Outlet};
use super::pipes::Pipes;
use super::private::Private;
use super::public::Public;
use super::socket::{Connection, listen, prepare};
use crate::config::{Config, Gallery, Http};
use crate::metrics::Metrics;
use crate::origin::Origin;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioTimer;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes of a request's head at most.
const HEAD_LIMIT: usize = 16 << 10;

/// Connections at once on the private listener.
const PRIVATE_CONNECTIONS: usize = 256;

/// How long health and metrics under way may take once all else has ended.
const PRIVATE_DRAIN: Duration = Duration::from_millis(500);

/// How long accepting rests when the system has nothing left to accept with.
const ACCEPT_REST: Duration = Duration::from_millis(200);

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (`listen.{key}` or --{flag}): {why}")]
pub struct Error {
    address: SocketAddr,
    key: &'static str,
    flag: &'static str,
    why: io::Error,
}

/// Listeners that accept.
#[derive(Debug)]
pub struct Server {
    public: TcpListener,
    private: TcpListener,
    upload: Option<TcpListener>,
    settings: Http,
    gallery: Gallery,
}

/// Who answers what.
#[derive(Debug)]
pub struct Desks {
    /// Players.
    pub origin: Arc<Origin>,
    /// Who wants to know.
    pub metrics: Arc<Metrics>,
    /// Below `/api` and `/upload` of the private listener.
    pub api: Option<Router>,
    /// The same of the listener for uploads.
    pub uploads: Option<Router>,
}

impl Server {
    /// Listens as `config` says. Called in a runtime.
    pub fn bind(config: &Config) -> Result<Self, Error> {
        let bind = |address, key, flag| listen(address).map_err(|why| Error { address, key, flag, why });
        Ok(Self {
            public: bind(config.listen.public, "public", "listen")?,
            private: bind(config.listen.private, "private", "private")?,
            upload: config.listen.upload.map(|address| bind(address, "upload", "config")).transpose()?,
            settings: config.http.clone(),
            gallery: config.site.gallery,
        })
    }

    /// Where it listens: public, private. Ports are those that were picked.
    pub fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.public.local_addr()?, self.private.local_addr()?))
    }

    /// Where uploads are taken, where that is an address of its own.
    pub fn upload_address(&self) -> io::Result<Option<SocketAddr>> {
        self.upload.as_ref().map(TcpListener::local_addr).transpose()
    }

    /// Answers until `stop` is cancelled, then finishes what is under way, within `http.drain`.
    pub async fn run(self, desks: Desks, stop: CancellationToken) {
        let Desks { origin, metrics, api, uploads } = desks;
        let uploading = self.upload.zip(uploads).map(|(socket, uploads)| {
            let listener = Listener::new(Desk::Upload(uploads), &self.settings, stop.clone());
            (Arc::clone(&listener), tokio::spawn(listener.accept(socket)))
        });
        let public = || Public::new(Arc::clone(&origin), Arc::clone(&metrics), &self.settings);
        let (public, site) = match self.gallery {
            Gallery::Public => (public().with_gallery(), None),
            Gallery::Private => (public(), Some(public().with_gallery())),
            Gallery::Off => (public(), None),
        };
        let private = Private { origin, metrics, stop: stop.clone(), api, site };
        // The private listener answers as long as the public one has something under way.
        let drained = CancellationToken::new();
        let private = Listener::new(Desk::Private(private), &self.settings, drained.clone());
        let public = Listener::new(Desk::Public(public), &self.settings, stop);
        let watching = tokio::spawn(Arc::clone(&private).accept(self.private));
        Arc::clone(&public).accept(self.public).await;
        tracing::info!(connections = public.tasks.len(), "draining");
        public.finish(self.settings.drain).await;
        if let Some((upload, accepting)) = uploading {
            upload.finish(PRIVATE_DRAIN).await;
            accepting.abort();
        }
        drained.cancel();
        private.finish(PRIVATE_DRAIN).await;
        watching.abort();
    }
}

/// Who answers.
#[derive(Debug)]
enum Desk {
    Public(Public),
    Private(Private),
    Upload(Router),
}

impl Desk {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        match self {
            Self::Public(public) => public.answer(request).await,
            Self::Private(private) => private.answer(request).await,
            Self::Upload(api) => api::answer(api.clone(), request).await,
        }
    }

    /// Where its connections and bytes are counted: the private listener's are no one's business.
    const fn metrics(&self) -> Option<&Arc<Metrics>> {
        match self {
            Self::Public(public) => Some(public.metrics()),
            Self::Private(_) | Self::Upload(_) => None,
        }
    }
}

/// The connections of one listener.
#[derive(Debug)]
struct Listener {
    desk: Desk,
    settings: Http,
    slots: Arc<Semaphore>,
    pipes: Arc<Pipes>,
    tasks: TaskTracker,
    /// Cancelled: accept nothing further, finish what is under way.
    stop: CancellationToken,
    /// Cancelled: give up what is under way.
    cut: CancellationToken,
}

impl Listener {
    fn new(desk: Desk, settings: &Http, stop: CancellationToken) -> Arc<Self> {
        let slots = match desk {
            Desk::Public(_) | Desk::Upload(_) => settings.connections,
            Desk::Private(_) => PRIVATE_CONNECTIONS,
        };
        Arc::new(Self {
            desk,
            settings: settings.clone(),
            slots: Arc::new(Semaphore::new(slots)),
            pipes: Arc::default(),
            tasks: TaskTracker::new(),
            stop,
            cut: CancellationToken::new(),
        })
    }

    /// Accepts until it is stopped; then the socket closes. Whoever finds no slot waits in the kernel's queue.
    async fn accept(self: Arc<Self>, socket: TcpListener) {
        let mut failing = false;
        while let Some((slot, accepted)) = self.stop.run_until_cancelled(self.next(&socket)).await {
            match accepted {
                Ok((stream, peer)) => {
                    failing = false;
                    self.tasks.spawn(Arc::clone(&self).serve(stream, Peer(peer.ip()), slot));
                }
                // The client was gone before it was accepted: that is its own matter.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // No descriptors or memory left: some come back when connections end. Said once, not five times a second.
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "accepting fails; trying on");
                    }
                    self.stop.run_until_cancelled(sleep(ACCEPT_REST)).await;
                }
            }
        }
    }

    async fn next(&self, socket: &TcpListener) -> (OwnedSemaphorePermit, io::Result<(TcpStream, SocketAddr)>) {
        let slot = Arc::clone(&self.slots).acquire_owned().await.expect("the semaphore is never closed");
        (slot, socket.accept().await)
    }

    /// Serves one connection to its end.
    async fn serve(self: Arc<Self>, stream: TcpStream, peer: Peer, slot: OwnedSemaphorePermit) {
        let _open = self.desk.metrics().map(|metrics| metrics.connection());
        let unsent = self.settings.unsent.bytes();
        prepare(&stream, u32::try_from(unsent).unwrap_or(u32::MAX));
        let limits = Limits { stall: self.settings.write_stall, rate: self.settings.minimum_rate.bytes(), unsent };
        let (incoming, outgoing) = stream.into_split();
        let outlet = Outlet::new(outgoing, limits, &self.pipes, self.desk.metrics().cloned());
        let connection = Connection::new(incoming, Arc::clone(&outlet));
        let listener = Arc::clone(&self);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let (listener, outlet) = (Arc::clone(&listener), Arc::clone(&outlet));
            async move { Ok::<_, Infallible>(listener.answer(request, outlet).await) }
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.settings.header_timeout)
                .max_buf_size(HEAD_LIMIT)
                .max_header_size(HEAD_LIMIT)
                .half_close(true)
                .serve_connection(connection, service)
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                self.cut.run_until_cancelled(connection).await
            }
        };
        match ended {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(%error, "a connection ended early"),
            None => tracing::warn!("a connection was cut off: it took longer than `http.drain`"),
        }
        drop(slot);
    }

    /// The answer to `request`, as its client takes it from `outlet`.
    async fn answer(&self, request: Request<Incoming>, outlet: Arc<Outlet>) -> Response<Body> {
        // In a box of its own: an idle connection has no room for the work of answering.
        let mut response = Box::pin(self.desk.answer(request)).await;
        response.body_mut().sent_through(outlet);
        response
    }

    /// Waits for what is under way, at most `limit`, then cuts it off.
    async fn finish(&self, limit: Duration) {
        self.tasks.close();
        if timeout(limit, self.tasks.wait()).await.is_err() {
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }
}
