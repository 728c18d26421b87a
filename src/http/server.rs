//! The server's listeners and connections: accepts up to a limit, serves each connection in its own task, and drains
//! within a time limit.

use super::access::AccessLog;
use super::api;
use super::body::ResponseBody;
use super::identify::identify;
use super::incoming::BodyTimeouts;
use super::misses::Peer;
use super::private::{ApiHandler, PrivateHandler};
use super::public::PublicHandler;
use super::request::HasFragment;
use super::request_id::{X_REQUEST_ID, request_id};
use super::wire::eviction::EvictionSlot;
use super::wire::heads::{Fragments, Heads};
use super::wire::socket::{Connection, listen, prepare};
use super::wire::writer::{ConnectionWriter, Limits, ListenerState};
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

/// Largest request head, in bytes.
const HEAD_LIMIT: usize = 16 << 10;

/// Most connections at once on the private listener. A new one replaces the oldest that has not sent a request.
const PRIVATE_CONNECTIONS: usize = 1_024;

/// How long requests on the upload and private listeners may still take once the public listener has drained.
const PRIVATE_DRAIN: Duration = Duration::from_millis(500);

/// Pause before the next accept when the system is out of descriptors or memory.
const ACCEPT_REST: Duration = Duration::from_millis(200);

/// The server cannot listen on an address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (`listen.{key}` or --{flag}): {why}")]
pub struct Error {
    address: SocketAddr,
    key: &'static str,
    flag: &'static str,
    why: io::Error,
}

/// The bound listeners, before they accept connections.
#[derive(Debug)]
pub struct Server {
    public: TcpListener,
    private: TcpListener,
    upload: Option<TcpListener>,
    settings: Http,
    gallery: Gallery,
}

/// The handlers behind the listeners.
#[derive(Debug)]
pub struct Handlers {
    /// Answers players.
    pub origin: Arc<Origin>,
    /// Counts requests, connections and bytes; `/metrics` prints it.
    pub metrics: Arc<Metrics>,
    /// Router for `/api` and `/upload` on the private listener; `None` if that listener has no API.
    pub api: Option<Router>,
    /// Router of the upload listener; `None` if there is none.
    pub uploads: Option<Router>,
    /// Logs each response; `None` if the access log is off.
    pub access: Option<Arc<AccessLog>>,
}

impl Server {
    /// Binds the listeners of `config`. Must be called within a Tokio runtime.
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

    /// Addresses of the public and the private listener. A configured port 0 is replaced by the port that the system
    /// chose.
    pub fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.public.local_addr()?, self.private.local_addr()?))
    }

    /// Address of the upload listener; `None` if `listen.upload` is not set.
    pub fn upload_address(&self) -> io::Result<Option<SocketAddr>> {
        self.upload.as_ref().map(TcpListener::local_addr).transpose()
    }

    /// Serves until `stop` is cancelled, then finishes the requests in flight within `http.drain`.
    pub async fn run(self, desks: Handlers, stop: CancellationToken) {
        let Handlers { origin, metrics, api, uploads, access } = desks;
        let uploading = self.upload.zip(uploads).map(|(socket, uploads)| {
            let listener = Listener::new(RequestHandler::Upload(uploads), access.clone(), &self.settings, stop.clone());
            (Arc::clone(&listener), tokio::spawn(listener.accept(socket)))
        });
        let api = api.map(|router| ApiHandler::new(router, BodyTimeouts::of(&self.settings)));
        let public = || PublicHandler::new(Arc::clone(&origin), Arc::clone(&metrics), &self.settings);
        let (public, site) = match self.gallery {
            Gallery::Public => (public().with_gallery(), None),
            Gallery::Private => (public(), Some(public().with_gallery())),
            Gallery::Off => (public(), None),
        };
        let private = PrivateHandler { origin, metrics, stop: stop.clone(), api, site };
        // The private listener keeps serving until the public one has drained.
        let drained = CancellationToken::new();
        let private = Listener::new(RequestHandler::Private(private), access.clone(), &self.settings, drained.clone());
        let public = Listener::new(RequestHandler::Public(public), access, &self.settings, stop);
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

/// The handler of one listener.
#[derive(Debug)]
enum RequestHandler {
    Public(PublicHandler),
    Private(PrivateHandler),
    Upload(Router),
}

impl RequestHandler {
    /// Name in the access log.
    const fn name(&self) -> &'static str {
        match self {
            Self::Public(_) => "public",
            Self::Private(_) => "private",
            Self::Upload(_) => "upload",
        }
    }

    /// Where connections and bytes are counted. `None` for the private and the upload listener, which are not counted.
    const fn metrics(&self) -> Option<&Arc<Metrics>> {
        match self {
            Self::Public(public) => Some(public.metrics()),
            Self::Private(_) | Self::Upload(_) => None,
        }
    }
}

/// The client at the other end of a connection.
#[derive(Debug, Clone)]
struct Client {
    peer: SocketAddr,
    outlet: Arc<ConnectionWriter>,
    /// Set if the connection may be closed while it sends no request.
    seat: Option<Arc<EvictionSlot>>,
}

/// The client hung up before its response was ready.
#[derive(Debug, thiserror::Error)]
#[error("the client hung up before it was answered")]
struct ClientGone;

impl Client {
    /// Runs `work` to its end, unless the client hangs up before.
    async fn answered<T>(&self, mut work: Pin<Box<impl Future<Output = T>>>) -> Result<T, ClientGone> {
        // Most responses are ready at once: only the others need to watch the client.
        if let Poll::Ready(answer) = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
            return Ok(answer);
        }
        tokio::select! {
            biased;
            answer = work => Ok(answer),
            () = self.outlet.hung_up() => Err(ClientGone),
        }
    }
}

/// The connections of one listener.
#[derive(Debug)]
struct Listener {
    desk: RequestHandler,
    access: Option<Arc<AccessLog>>,
    settings: Http,
    slots: Arc<Semaphore>,
    shared: ListenerState,
    tasks: TaskTracker,
    /// Cancelled: accept no more connections, finish the requests in flight.
    stop: CancellationToken,
    /// Cancelled: abort the requests in flight.
    cut: CancellationToken,
}

impl Listener {
    fn new(
        desk: RequestHandler,
        access: Option<Arc<AccessLog>>,
        settings: &Http,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let slots = match desk {
            RequestHandler::Public(_) | RequestHandler::Upload(_) => settings.connections,
            RequestHandler::Private(_) => PRIVATE_CONNECTIONS,
        };
        Arc::new(Self {
            desk,
            access,
            settings: settings.clone(),
            slots: Arc::new(Semaphore::new(slots)),
            shared: ListenerState::default(),
            tasks: TaskTracker::new(),
            stop,
            cut: CancellationToken::new(),
        })
    }

    /// Accepts connections until the listener is stopped, then closes the socket. Connections without a free slot wait
    /// in the kernel's backlog.
    async fn accept(self: Arc<Self>, socket: TcpListener) {
        let mut failing = false;
        while let Some((accepted, slot)) = self.stop.run_until_cancelled(self.next(&socket)).await {
            match accepted {
                Ok((stream, peer)) => {
                    failing = false;
                    self.tasks.spawn(Arc::clone(&self).serve(stream, peer, slot));
                }
                // The client left before its connection was accepted: no fault of the server.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // Out of descriptors or memory: ending connections frees some. Logged once, not five times a second.
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "cannot accept connections; retrying");
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

    /// Waits for a free slot; closes the oldest evictable connection if there is none.
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
        let outlet = ConnectionWriter::new(outgoing, limits, &self.shared, self.desk.metrics().cloned());
        let seat = match self.desk {
            RequestHandler::Private(_) => Some(Arc::new(EvictionSlot::take(&self.shared.evictable))),
            RequestHandler::Public(_) | RequestHandler::Upload(_) => None,
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

    /// Answers the requests of `client`. `None` if the connection was cut off before its end.
    async fn converse(self: &Arc<Self>, incoming: OwnedReadHalf, client: Client) -> Option<hyper::Result<()>> {
        // Other listeners take bodies, and no cache stands before them.
        let fragments = matches!(self.desk, RequestHandler::Public(_)).then(Fragments::default);
        let incoming = Heads::new(incoming, fragments.clone());
        let connection = Connection::new(incoming, Arc::clone(&client.outlet));
        let listener = Arc::clone(self);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(client.peer.ip()));
            if fragments.as_ref().is_some_and(Fragments::next) {
                request.extensions_mut().insert(HasFragment);
            }
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
                    tracing::warn!("a connection was cut off: it outlasted the drain limit (`http.drain` if public)");
                }
                ended
            }
        }
    }

    /// Answers `request`: adds the request id, the access log line and the connection writer to the response.
    async fn answer(&self, request: Request<Incoming>, client: Client) -> Result<Response<ResponseBody>, ClientGone> {
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

    async fn made(&self, request: Request<Incoming>, client: &Client) -> Result<Response<ResponseBody>, ClientGone> {
        // Boxed, so that an idle connection does not reserve memory for the handlers' futures.
        Ok(match (&self.desk, &client.seat) {
            (RequestHandler::Public(public), _) => client.answered(Box::pin(public.answer(request))).await?,
            (RequestHandler::Private(private), Some(seat)) => Box::pin(private.answer(request, seat)).await,
            (RequestHandler::Private(_), None) => return Err(ClientGone),
            (RequestHandler::Upload(api), _) => {
                Box::pin(api::answer(api.clone(), request, BodyTimeouts::of(&self.settings))).await
            }
        })
    }

    /// Waits at most `limit` for the open connections, then aborts them.
    async fn finish(&self, limit: Duration) {
        self.tasks.close();
        if timeout(limit, self.tasks.wait()).await.is_err() {
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }
}
