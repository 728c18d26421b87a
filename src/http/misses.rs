//! Rate limits for lookups of names that do not exist, which cost requests to an object store: one limit per client,
//! one for all clients together.

use crate::config::Http;
use crate::media::AssetId;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most clients tracked at once.
const CLIENTS: u64 = 1 << 14;

/// Time after which an idle client is forgotten.
const IDLE: Duration = Duration::from_mins(2);

/// Burst size: as many lookups may come at once as the rate allows in this time.
const BURST: Duration = Duration::from_secs(10);

/// Address of the client that sent a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Token buckets for lookups: one per client, and one for all.
#[derive(Debug)]
pub(super) struct MissLimiter {
    clients: moka::sync::Cache<IpAddr, Arc<Bucket>>,
    all: Bucket,
    of_client: Option<Duration>,
    of_all: Option<Duration>,
    /// Names being looked up: concurrent requests for one name share one lookup, which is charged once.
    looking: Mutex<HashSet<AssetId>>,
}

/// A lookup of a name, charged to the first client that asked. Once this is dropped, the name can be charged again.
#[derive(Debug)]
pub(super) struct LookupPermit<'a> {
    misses: &'a MissLimiter,
    id: AssetId,
    peer: Option<Peer>,
}

/// Token bucket: the time until which past lookups use up the rate of one name per interval.
#[derive(Debug, Default)]
struct Bucket(Mutex<Option<Instant>>);

impl MissLimiter {
    /// Limits from the settings; a rate of 0 means no limit.
    pub(super) fn new(settings: &Http) -> Self {
        let interval = |rate: u32| Duration::from_secs(1).checked_div(rate);
        Self {
            clients: moka::sync::Cache::builder().max_capacity(CLIENTS).time_to_idle(IDLE).build(),
            all: Bucket::default(),
            of_client: interval(settings.misses_per_client),
            of_all: interval(settings.misses),
            looking: Mutex::default(),
        }
    }

    /// Begins a lookup of `id`, which is not cached. `None` if a lookup of `id` is in flight already; joining it is
    /// free. The error is how long the client must wait until the limits allow another lookup.
    pub(super) fn begin(&self, id: &AssetId, peer: Option<Peer>) -> Result<Option<LookupPermit<'_>>, Duration> {
        let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if looking.contains(id) {
            return Ok(None);
        }
        self.take_at(peer, Instant::now())?;
        looking.insert(id.clone());
        Ok(Some(LookupPermit { misses: self, id: id.clone(), peer }))
    }

    fn take_at(&self, peer: Option<Peer>, now: Instant) -> Result<(), Duration> {
        let bucket = peer.map(|peer| self.bucket(peer));
        if let (Some(bucket), Some(interval)) = (&bucket, self.of_client) {
            bucket.take(interval, now)?;
        }
        let Some(interval) = self.of_all else { return Ok(()) };
        self.all.take(interval, now).inspect_err(|_| {
            if let (Some(bucket), Some(interval)) = (&bucket, self.of_client) {
                bucket.give_back(interval);
            }
        })
    }

    fn give_back(&self, peer: Option<Peer>) {
        if let (Some(peer), Some(interval)) = (peer, self.of_client) {
            self.bucket(peer).give_back(interval);
        }
        if let Some(interval) = self.of_all {
            self.all.give_back(interval);
        }
    }

    fn bucket(&self, Peer(address): Peer) -> Arc<Bucket> {
        self.clients.get_with(network(address), || Arc::new(Bucket::default()))
    }
}

impl LookupPermit<'_> {
    /// Refunds the lookup, because the name exists.
    pub(super) fn found(self) {
        self.misses.give_back(self.peer);
    }
}

impl Drop for LookupPermit<'_> {
    fn drop(&mut self) {
        self.misses.looking.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Bucket {
    fn take(&self, interval: Duration, now: Instant) -> Result<(), Duration> {
        let mut paid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = paid.unwrap_or(now).max(now) + interval;
        let ahead = next.duration_since(now);
        match ahead.checked_sub(BURST) {
            Some(wait) if !wait.is_zero() => Err(wait),
            Some(_) | None => {
                *paid = Some(next);
                Ok(())
            }
        }
    }

    fn give_back(&self, interval: Duration) {
        let mut paid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *paid = paid.and_then(|paid| paid.checked_sub(interval));
    }
}

/// Groups IPv6 addresses by /64: one client has a whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MissLimiter, Peer};
    use crate::config::Http;
    use crate::media::AssetId;
    use std::time::{Duration, Instant};

    fn misses(of_client: u32, of_all: u32) -> MissLimiter {
        MissLimiter::new(&Http { misses_per_client: of_client, misses: of_all, ..Http::default() })
    }

    fn peer(text: &str) -> Peer {
        Peer(text.parse().unwrap())
    }

    #[test]
    fn a_client_has_so_much_and_all_have_so_much() {
        let misses = misses(1, 2);
        let now = Instant::now();
        let taken = |text: &str| (0..100).filter(|_| misses.take_at(Some(peer(text)), now).is_ok()).count();
        assert_eq!(taken("10.0.0.1"), 10);
        // A lookup that the limit of one client refuses is not charged to all.
        assert_eq!(taken("2001:db8::1"), 10);
        assert_eq!(taken("2001:db8::2"), 0);
        assert_eq!(taken("10.0.0.2"), 0);
        misses.give_back(Some(peer("10.0.0.1")));
        assert_eq!(taken("10.0.0.2"), 1);
        assert!(misses.take_at(Some(peer("10.0.0.2")), now).unwrap_err() <= Duration::from_secs(1));
        assert_eq!(misses.take_at(Some(peer("10.0.0.2")), now + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn none_is_no_bound() {
        let misses = misses(0, 0);
        let now = Instant::now();
        assert!((0..10_000).all(|_| misses.take_at(Some(peer("10.0.0.1")), now).is_ok()));
    }

    #[test]
    fn a_crowd_that_asks_for_one_name_pays_once() {
        let misses = misses(1, 0);
        let night = AssetId::new("night").unwrap();
        let first = misses.begin(&night, Some(peer("10.0.0.1"))).unwrap();
        assert!(first.is_some());
        assert!((0..1_000).all(|_| matches!(misses.begin(&night, Some(peer("10.0.0.1"))), Ok(None))));
        drop(first);
        assert!(matches!(misses.begin(&night, Some(peer("10.0.0.1"))), Ok(Some(_))));
        // Lookups of existing names are free.
        let there = |number: u32| AssetId::new(&format!("film-{number}")).unwrap();
        for number in 0..1_000 {
            misses.begin(&there(number), Some(peer("10.0.0.1"))).unwrap().unwrap().found();
        }
    }
}
