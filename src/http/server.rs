//! Listeners and connections: accepted up to a bound, each in a task of its own, drained within a bounded time.

use super::access::AccessLog;
use super::api;
use super::body::Body;
use super::incoming::Patience;
use super::misses::Peer;
use super::outlet::{Limits, Outlet, Shared};
use super::private::{Api, Private};
use super::public::Public;
use super::request_id::{X_REQUEST_ID, identify, request_id};
use super::seat::Seat;
use super::socket::{Connection, listen, prepare};
use crate::config::{Config, Gallery, Http};
use crate::metrics::Metrics;
use crate::origin::Origin;
use axum::Router;
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioTimer;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes of a request's head at most.
const HEAD_LIMIT: usize = 16 << 10;

/// Connections at once on the private listener. A new one takes the place of the oldest that has not sent a request.
const PRIVATE_CONNECTIONS: usize = 1_024;

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
    /// Where each answer is logged.
    pub access: Option<Arc<AccessLog>>,
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
        let Desks { origin, metrics, api, uploads, access } = desks;
        let uploading = self.upload.zip(uploads).map(|(socket, uploads)| {
            let listener = Listener::new(Desk::Upload(uploads), access.clone(), &self.settings, stop.clone());
            (Arc::clone(&listener), tokio::spawn(listener.accept(socket)))
        });
        let api = api.map(|router| Api::new(router, Patience::of(&self.settings)));
        let public = || Public::new(Arc::clone(&origin), Arc::clone(&metrics), &self.settings);
        let (public, site) = match self.gallery {
            Gallery::Public => (public().with_gallery(), None),
            Gallery::Private => (public(), Some(public().with_gallery())),
            Gallery::Off => (public(), None),
        };
        let private = Private { origin, metrics, stop: stop.clone(), api, site };
        // The private listener answers as long as the public one has something under way.
        let drained = CancellationToken::new();
        let private = Listener::new(Desk::Private(private), access.clone(), &self.settings, drained.clone());
        let public = Listener::new(Desk::Public(public), access, &self.settings, stop);
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
    /// What the access log calls it.
    const fn name(&self) -> &'static str {
        match self {
            Self::Public(_) => "public",
            Self::Private(_) => "private",
            Self::Upload(_) => "upload",
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

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
struct Client {
    peer: SocketAddr,
    outlet: Arc<Outlet>,
    /// Of a connection that may be closed while it sends no request.
    seat: Option<Arc<Seat>>,
}

/// Nobody waits for the answer any more.
#[derive(Debug, thiserror::Error)]
#[error("the client hung up before it was answered")]
struct HungUp;

impl Client {
    /// What `work` makes, unless the client hangs up before.
    async fn answered<T>(&self, mut work: Pin<Box<impl Future<Output = T>>>) -> Result<T, HungUp> {
        // Most answers are there at once: nobody is watched for them.
        if let Poll::Ready(answer) = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
            return Ok(answer);
        }
        tokio::select! {
            biased;
            answer = work => Ok(answer),
            () = self.outlet.hung_up() => Err(HungUp),
        }
    }
}

/// The connections of one listener.
#[derive(Debug)]
struct Listener {
    desk: Desk,
    access: Option<Arc<AccessLog>>,
    settings: Http,
    slots: Arc<Semaphore>,
    shared: Shared,
    tasks: TaskTracker,
    /// Cancelled: accept nothing further, finish what is under way.
    stop: CancellationToken,
    /// Cancelled: give up what is under way.
    cut: CancellationToken,
}

impl Listener {
    fn new(desk: Desk, access: Option<Arc<AccessLog>>, settings: &Http, stop: CancellationToken) -> Arc<Self> {
        let slots = match desk {
            Desk::Public(_) | Desk::Upload(_) => settings.connections,
            Desk::Private(_) => PRIVATE_CONNECTIONS,
        };
        Arc::new(Self {
            desk,
            access,
            settings: settings.clone(),
            slots: Arc::new(Semaphore::new(slots)),
            shared: Shared::default(),
            tasks: TaskTracker::new(),
            stop,
            cut: CancellationToken::new(),
        })
    }

    /// Accepts until it is stopped; then the socket closes. Whoever finds no slot waits in the kernel's queue.
    async fn accept(self: Arc<Self>, socket: TcpListener) {
        let mut failing = false;
        while let Some((accepted, slot)) = self.stop.run_until_cancelled(self.next(&socket)).await {
            match accepted {
                Ok((stream, peer)) => {
                    failing = false;
                    self.tasks.spawn(Arc::clone(&self).serve(stream, peer, slot));
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

    async fn next(&self, socket: &TcpListener) -> (io::Result<(TcpStream, SocketAddr)>, OwnedSemaphorePermit) {
        let accepted = socket.accept().await;
        (accepted, self.slot().await)
    }

    /// A free slot, or that of a connection that may be closed.
    async fn slot(&self) -> OwnedSemaphorePermit {
        let mut slot = pin!(Arc::clone(&self.slots).acquire_owned());
        let taken = |slot: Result<_, AcquireError>| slot.expect("the semaphore is never closed");
        loop {
            if let Some(slot) = slot.as_mut().now_or_never() {
                return taken(slot);
            }
            if self.shared.evictable.evict_oldest() {
                return taken(slot.await);
            }
            tokio::select! {
                slot = slot.as_mut() => return taken(slot),
                () = self.shared.evictable.entered() => {}
            }
        }
    }

    /// Serves one connection to its end.
    async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, slot: OwnedSemaphorePermit) {
        let _open = self.desk.metrics().map(|metrics| metrics.connection());
        let unsent = self.settings.unsent.bytes();
        prepare(&stream, u32::try_from(unsent).unwrap_or(u32::MAX));
        let limits = Limits { stall: self.settings.write_stall, rate: self.settings.minimum_rate.bytes(), unsent };
        let (incoming, outgoing) = stream.into_split();
        let outlet = Outlet::new(outgoing, limits, &self.shared, self.desk.metrics().cloned());
        let seat = match self.desk {
            Desk::Private(_) => Some(Arc::new(Seat::take(&self.shared.evictable))),
            Desk::Public(_) | Desk::Upload(_) => None,
        };
        let client = Client { peer, outlet, seat };
        let ended = match client.seat.clone() {
            None => self.converse(incoming, client).await,
            Some(seat) => tokio::select! {
                ended = self.converse(incoming, client) => ended,
                () = seat.evicted() => None,
            },
        };
        match ended {
            None | Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(%error, "a connection ended early"),
        }
        drop(slot);
    }

    /// Answers what `client` asks; `None` where it was given up before its end.
    async fn converse(self: &Arc<Self>, incoming: OwnedReadHalf, client: Client) -> Option<hyper::Result<()>> {
        let connection = Connection::new(incoming, Arc::clone(&client.outlet));
        let listener = Arc::clone(self);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(client.peer.ip()));
            let (listener, client) = (Arc::clone(&listener), client.clone());
            async move { listener.answer(request, client).await }
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
        tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let ended = self.cut.run_until_cancelled(connection).await;
                if ended.is_none() {
                    tracing::warn!("a connection was cut off: it took longer than `http.drain`");
                }
                ended
            }
        }
    }

    /// The answer to `request`, as its client takes it, logged and named.
    async fn answer(&self, request: Request<Incoming>, client: Client) -> Result<Response<Body>, HungUp> {
        let entry = self.access.as_ref().map(|access| access.begin(&request, self.desk.name(), client.peer));
        let id = request.headers().get(X_REQUEST_ID).cloned();
        let mut response = self.made(request, &client).await?;
        let failed = response.status().is_client_error() || response.status().is_server_error();
        if failed || id.is_some() || entry.is_some() {
            let id = identify(&mut response, request_id(id.as_ref()));
            if let Some(mut entry) = entry {
                entry.answered(response.status(), &id);
                response.body_mut().logged(entry);
            }
        }
        response.body_mut().sent_through(client.outlet);
        Ok(response)
    }

    async fn made(&self, request: Request<Incoming>, client: &Client) -> Result<Response<Body>, HungUp> {
        // In boxes of their own: an idle connection has no room for the work of answering.
        Ok(match (&self.desk, &client.seat) {
            (Desk::Public(public), _) => client.answered(Box::pin(public.answer(request))).await?,
            (Desk::Private(private), Some(seat)) => Box::pin(private.answer(request, seat)).await,
            (Desk::Private(_), None) => return Err(HungUp),
            (Desk::Upload(api), _) => Box::pin(api::answer(api.clone(), request, Patience::of(&self.settings))).await,
        })
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
