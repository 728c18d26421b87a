//! An object store with injected faults: it passes requests on to another store, late, or not at all, as configured.
//! The same seed gives the same faults in the same order of requests. It counts the requests.

#![allow(dead_code, reason = "each test crate uses a part of it")]

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

/// The faults to inject; none by default.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Delay before each response.
    pub(crate) latency: Duration,
    /// Requests per thousand that take half a second longer.
    pub(crate) slow: u64,
    /// Requests per thousand that fail.
    pub(crate) failing: u64,
    /// Responses with bytes, per thousand, that are reset in the middle.
    pub(crate) resets: u64,
    /// Responses with bytes, per thousand, that end early without an error.
    pub(crate) short: u64,
    /// Number of next requests that get SlowDown.
    pub(crate) slow_downs: u64,
    /// Refuses every request.
    pub(crate) away: bool,
    /// Ignores `If-Match`.
    pub(crate) deaf: bool,
    /// Refuses writes.
    pub(crate) read_only: bool,
}

/// Counts of requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Reads, by name and range.
    pub(crate) reads: Vec<(String, Range<u64>)>,
    /// Reads of whole objects.
    pub(crate) whole: u64,
    /// Bytes sent.
    pub(crate) bytes: u64,
    pub(crate) heads: u64,
    pub(crate) lists: u64,
    /// Names in the responses to listings.
    pub(crate) names: u64,
    pub(crate) puts: u64,
    /// Requests with an injected fault.
    pub(crate) faults: u64,
}

#[derive(Debug)]
struct State {
    faults: Faults,
    dice: u64,
    seen: Seen,
}

/// The faulty store.
#[derive(Debug, Clone)]
pub(crate) struct Faulty {
    inner: Arc<dyn ObjectStore>,
    state: Arc<Mutex<State>>,
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty:")
    }
}

fn failed(why: &str) -> Error {
    Error::Generic { store: "faulty", source: why.to_owned().into() }
}

impl Faulty {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, seed: u64) -> Self {
        let state = State { faults: Faults::default(), dice: seed, seen: Seen::default() };
        Self { inner, state: Arc::new(Mutex::new(state)) }
    }

    /// The store behind it, without faults.
    pub(crate) fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }

    /// Sets the faults for further requests.
    pub(crate) fn set(&self, faults: Faults) {
        self.state.lock().unwrap().faults = faults;
    }

    /// Counts since the last call.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }

    /// Draws an event with a chance of `share` in a thousand (splitmix64).
    fn happens(state: &mut State, share: u64) -> bool {
        state.dice = state.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % 1_000 < share
    }

    /// Waits for the injected delay; fails if a fault is due.
    async fn pass(&self) -> Result<()> {
        let (wait, fault) = {
            let mut state = self.state.lock().unwrap();
            let faults = state.faults;
            let slow = Self::happens(&mut state, faults.slow);
            let fails = Self::happens(&mut state, faults.failing);
            let fault = match faults {
                Faults { away: true, .. } => Some("connection refused"),
                Faults { slow_downs: 1.., .. } => {
                    state.faults.slow_downs -= 1;
                    Some("<Code>SlowDown</Code><Message>Please reduce your request rate.</Message>")
                }
                _ => fails.then_some("<Code>InternalError</Code><Message>We encountered an error.</Message>"),
            };
            state.seen.faults += u64::from(fault.is_some());
            (faults.latency + if slow { Duration::from_millis(500) } else { Duration::ZERO }, fault)
        };
        if !wait.is_zero() {
            sleep(wait).await;
        }
        fault.map_or(Ok(()), |why| Err(failed(why)))
    }

    /// The pieces of a response, cut short if a fault is due.
    fn broken(&self, bytes: &Bytes) -> Vec<Result<Bytes>> {
        let mut state = self.state.lock().unwrap();
        let faults = state.faults;
        let resets = Self::happens(&mut state, faults.resets);
        let short = Self::happens(&mut state, faults.short);
        let sent = if resets || short { bytes.len() * 2 / 3 } else { bytes.len() };
        state.seen.bytes += u64::try_from(sent).unwrap();
        state.seen.faults += u64::from(resets || short);
        let pieces =
            bytes.slice(..sent).chunks(60_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect::<Vec<_>>();
        pieces.into_iter().chain(resets.then(|| Err(failed("connection reset by peer")))).collect()
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.pass().await?;
        let refuses = {
            let mut state = self.state.lock().unwrap();
            state.seen.puts += 1;
            state.faults.read_only
        };
        if refuses {
            let source = "<Code>AccessDenied</Code><Message>Access Denied</Message>".to_owned().into();
            return Err(Error::PermissionDenied { path: location.to_string(), source });
        }
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(&self, at: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, location: &Path, mut options: GetOptions) -> Result<GetResult> {
        self.pass().await?;
        if self.state.lock().unwrap().faults.deaf {
            options.if_match = None;
        }
        let head = options.head;
        let asked = options.range.clone();
        let got = self.inner.get_opts(location, options).await?;
        if head {
            self.state.lock().unwrap().seen.heads += 1;
            return Ok(got);
        }
        match asked {
            Some(GetRange::Bounded(range)) => {
                self.state.lock().unwrap().seen.reads.push((location.to_string(), range));
            }
            Some(_) | None => self.state.lock().unwrap().seen.whole += 1,
        }
        let (meta, range, attributes, extensions) =
            (got.meta.clone(), got.range.clone(), got.attributes.clone(), got.extensions.clone());
        let pieces = self.broken(&got.bytes().await?);
        let payload = GetResultPayload::Stream(stream::iter(pieces).boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned());
        let listed = async move {
            if let Err(error) = store.pass().await {
                return stream::iter([Err(error)]).boxed();
            }
            store.state.lock().unwrap().seen.lists += 1;
            let listed = store.inner.list(prefix.as_ref());
            listed.inspect(move |_| store.state.lock().unwrap().seen.names += 1).boxed()
        };
        stream::once(listed).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.pass().await?;
        self.state.lock().unwrap().seen.lists += 1;
        let listed = self.inner.list_with_delimiter(prefix).await?;
        let names = listed.objects.len() + listed.common_prefixes.len();
        self.state.lock().unwrap().seen.names += u64::try_from(names).unwrap();
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
