//! The segment cache on traces of a video service, compared with quick_cache and with moka's LRU and TinyLFU, at the same
//! capacity in bytes: a Zipf catalogue, viewers who walk through titles, a sudden title, scans. Entries have sizes but
//! no memory. `cargo test --test trace -- --nocapture --test-threads=1` prints the figures of docs/memory.md.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's numbers are small, and a test that panics has failed"
)]

use afflux::cache::{Admission, Limits, Tiers};
use afflux::metrics::Metrics;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use quick_cache::sync::{Cache as QuickCache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

/// Number of segments in the catalogue: 4.4 GB.
const CATALOGUE: u32 = 4_000;

/// Capacity of the cache in bytes: a tenth of the catalogue.
const CAPACITY: u64 = 440_000_000;

/// Keys from here on lie outside the catalogue.
const ELSEWHERE: u32 = 1_000_000;

const REQUESTS: u32 = 80_000;

/// SplitMix64: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u32) -> u32 {
        (self.roll() % u64::from(end)) as u32
    }

    fn share(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A Zipf distribution of ranks: cumulative shares.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(ranks: u32, exponent: f64) -> Self {
        let mut sum = 0.0;
        let cumulated = (1..=ranks).map(|rank| {
            sum += f64::from(rank).powf(-exponent);
            sum
        });
        Self(cumulated.collect())
    }

    fn draw(&self, dice: &mut Dice) -> u32 {
        let at = dice.share() * self.0.last().unwrap();
        self.0.partition_point(|sum| *sum < at) as u32
    }

    /// A random segment of the catalogue. Neighbours in rank are not neighbours in key, so that size and rank are
    /// unrelated.
    fn segment(&self, dice: &mut Dice) -> u32 {
        (u64::from(self.draw(dice)) * 2_654_435_761 % u64::from(CATALOGUE)) as u32
    }
}

/// About 2 MB for even keys, about 200 kB for odd ones.
fn size(key: u32) -> u64 {
    let usual = if key.is_multiple_of(2) { 2_000_000 } else { 200_000 };
    usual * 3 / 4 + Dice(u64::from(key)).roll() % (usual / 2)
}

/// The same hashes in every run.
type Hasher = BuildHasherDefault<DefaultHasher>;

type Moka = Cache<u32, u64, Hasher>;

type Quick = QuickCache<u32, u64, SizeWeighter, Hasher>;

#[derive(Clone)]
struct SizeWeighter;

impl Weighter<u32, u64> for SizeWeighter {
    fn weight(&self, _: &u32, size: &u64) -> u64 {
        *size
    }
}

enum Policy {
    Ours(Box<Tiers<u32, u64>>),
    Quick(Box<Quick>),
    Moka(Moka),
}

impl Policy {
    fn ours() -> Self {
        let limits = Limits::of_bodies(CAPACITY);
        Self::Ours(Box::new(Tiers::new(limits, |size| *size, |_| {}, Arc::new(Metrics::new()))))
    }

    fn moka(policy: EvictionPolicy) -> Self {
        let builder = Cache::builder().max_capacity(CAPACITY).weigher(|_, size: &u64| *size as u32);
        Self::Moka(builder.eviction_policy(policy).build_with_hasher(BuildHasherDefault::default()))
    }

    /// One shard, as the others have: more would split the capacity.
    fn quick() -> Self {
        let mut options = OptionsBuilder::new();
        options.shards(1).weight_capacity(CAPACITY).estimated_items_capacity((CATALOGUE / 10) as usize);
        let hasher = Hasher::default();
        let cache = Quick::with_options(options.build().unwrap(), SizeWeighter, hasher, DefaultLifecycle::default());
        Self::Quick(Box::new(cache))
    }

    fn all() -> [(&'static str, Self); 4] {
        [
            ("ours", Self::ours()),
            ("quick_cache", Self::quick()),
            ("LRU", Self::moka(EvictionPolicy::lru())),
            ("TinyLFU", Self::moka(EvictionPolicy::tiny_lfu())),
        ]
    }

    /// Whether `key` is a hit; on a miss it is built, and the cache must stay within its bound.
    fn ask(&self, key: u32) -> bool {
        self.ask_as(key, Admission::Once)
    }

    fn ask_as(&self, key: u32, entry: Admission) -> bool {
        match self {
            Self::Ours(tiers) => {
                let hit = tiers.get(&key).is_some();
                assert!(hit || tiers.insert(key, size(key), entry));
                assert!(tiers.bytes() <= CAPACITY);
                hit
            }
            Self::Quick(cache) => {
                let hit = cache.get(&key).is_some();
                if !hit {
                    cache.insert(key, size(key));
                    assert!(cache.weight() <= CAPACITY);
                }
                hit
            }
            Self::Moka(cache) => {
                let hit = cache.get(&key).is_some();
                if !hit {
                    cache.insert(key, size(key));
                    cache.run_pending_tasks();
                }
                hit
            }
        }
    }

    fn contains(&self, key: u32) -> bool {
        match self {
            Self::Ours(tiers) => tiers.contains(&key),
            Self::Quick(cache) => cache.contains_key(&key),
            Self::Moka(cache) => cache.contains_key(&key),
        }
    }
}

/// Hit ratio by requests and by bytes, once the cache is warm.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ratio {
    requests: f64,
    bytes: f64,
}

fn ratio(policy: &Policy, mut next: impl FnMut() -> u32) -> Ratio {
    for _ in 0..REQUESTS / 4 {
        policy.ask(next());
    }
    let (mut hits, mut hit_bytes, mut bytes) = (0_u32, 0, 0);
    for _ in 0..REQUESTS {
        let key = next();
        bytes += size(key);
        if policy.ask(key) {
            hits += 1;
            hit_bytes += size(key);
        }
    }
    Ratio { requests: f64::from(hits) / f64::from(REQUESTS), bytes: hit_bytes as f64 / bytes as f64 }
}

/// Bytes by which quick_cache may be better, as a part of all bytes: it counts a large body as one hit, where ours prefers
/// several small ones, because each saves a build.
const TRADED_BYTES: f64 = 0.006;

/// Runs one trace on all policies: ours must be the best by requests, and by bytes the best but for [`TRADED_BYTES`].
fn compare<N: FnMut() -> u32>(name: &str, trace: impl Fn() -> N) {
    let ratios = Policy::all().map(|(policy, cache)| (policy, ratio(&cache, trace())));
    let cells = ratios.map(|(_, Ratio { requests, bytes })| format!("{:.1} / {:.1}", requests * 100.0, bytes * 100.0));
    println!("| {name} | {} |", cells.join(" | "));
    let [(_, ours), others @ ..] = ratios;
    for (policy, other) in others {
        let traded = if policy == "quick_cache" { TRADED_BYTES } else { 0.0 };
        assert!(ours.requests >= other.requests, "{name}: {policy} is better by requests");
        assert!(ours.bytes + traded >= other.bytes, "{name}: {policy} is better by bytes");
    }
}

#[test]
fn a_zipf_catalogue_is_hit_more_often_than_with_other_policies() {
    for exponent in [0.7, 0.9, 1.1] {
        for seed in 1..=3 {
            compare(&format!("Zipf {exponent}, seed {seed}"), || {
                let (zipf, mut dice) = (Zipf::new(CATALOGUE, exponent), Dice(seed));
                move || zipf.segment(&mut dice)
            });
        }
    }
}

/// 200 viewers, each walking through a title of 40 segments, or leaving it early for another.
#[test]
fn viewers_who_walk_through_titles_are_hit_more_often_than_with_other_policies() {
    compare("viewers", || {
        let (titles, mut dice) = (Zipf::new(CATALOGUE / 40, 0.8), Dice(4));
        let mut viewers = [(0, 39); 200];
        move || {
            let viewer = &mut viewers[dice.below(200) as usize];
            let ends = viewer.1 == 39 || dice.share() < 0.03;
            *viewer = if ends { (titles.draw(&mut dice), 0) } else { (viewer.0, viewer.1 + 1) };
            viewer.0 * 40 + viewer.1
        }
    });
}

/// Requests for one segment of a sudden title.
#[derive(Default)]
struct Asked {
    count: u32,
    /// Bytes that the cache had built at the last request.
    made: u64,
    /// Length of the last run of requests with little built in between.
    close: u32,
}

/// Outcomes of the requests for a sudden title.
#[derive(Default)]
struct Sudden {
    hits: u32,
    /// Misses by ordinal of the request for the segment, counted from 1.
    misses: [u32; 10],
    /// Misses at the third or a later request of a run with at most a quarter of the capacity built in between.
    late: u32,
}

/// Requests the catalogue, then also a title that takes 30 % of the requests.
fn sudden(cache: &Policy, segment: impl Fn(&mut Dice, u32) -> u32) -> Sudden {
    let (zipf, mut dice, mut made) = (Zipf::new(CATALOGUE, 0.9), Dice(5), 0);
    let mut ask = |key| {
        let hit = cache.ask(key);
        made += if hit { 0 } else { size(key) };
        (hit, made)
    };
    for _ in 0..REQUESTS {
        ask(zipf.segment(&mut dice));
    }
    let (mut seen, mut asked): (_, HashMap<u32, Asked>) = (Sudden::default(), HashMap::new());
    for at in 0..REQUESTS / 2 {
        if dice.share() >= 0.3 {
            ask(zipf.segment(&mut dice));
            continue;
        }
        let key = ELSEWHERE + segment(&mut dice, at);
        let (hit, made) = ask(key);
        let of = asked.entry(key).or_default();
        let close = made - of.made - if hit { 0 } else { size(key) } <= CAPACITY / 4;
        *of = Asked { count: of.count + 1, made, close: if close { of.close + 1 } else { 1 } };
        if hit {
            seen.hits += 1;
        } else {
            seen.misses[(of.count as usize).min(9)] += 1;
            seen.late += u32::from(of.close > 2);
        }
    }
    seen
}

/// Runs a sudden title on all policies: ours must hit most of it, and never miss late.
fn compare_sudden(name: &str, segment: impl Fn(&mut Dice, u32) -> u32) -> Sudden {
    let seen = Policy::all().map(|(policy, cache)| (policy, sudden(&cache, &segment)));
    for (policy, Sudden { hits, misses, late }) in &seen {
        println!("{name}: {policy:>11} hits {hits}, misses by request {:?}, {late} of them late", &misses[1..]);
    }
    let [(_, ours), others @ ..] = seen;
    for (policy, other) in others {
        assert!(ours.hits >= other.hits, "{name}: {policy} is better");
    }
    assert_eq!(ours.late, 0);
    ours
}

#[test]
fn a_crowd_that_goes_through_a_sudden_title_together_makes_each_segment_once() {
    let seen = compare_sudden("a crowd together", |dice, at| at / 400 + dice.below(2));
    assert_eq!(seen.misses, [0, 101, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_sudden_title_asked_for_all_over_is_hit_from_the_third_request_on() {
    let seen = compare_sudden("all over", |dice, _| dice.below(60));
    assert_eq!(seen.misses[1], 60, "the first request for each segment must miss");
}

/// The most popular segments, up to half the capacity.
fn hot(asked: &HashMap<u32, u32>) -> Vec<u32> {
    let mut ranked: Vec<u32> = asked.keys().copied().collect();
    ranked.sort_by_key(|key| (Reverse(asked[key]), *key));
    let mut bytes = 0;
    ranked
        .into_iter()
        .take_while(|key| {
            bytes += size(*key);
            bytes <= CAPACITY / 2
        })
        .collect()
}

/// Part of the hot set that stays cached through a scan over as many other segments, each requested `times` times in a
/// row.
fn kept_through(cache: &Policy, times: u32, entry: Admission) -> f64 {
    let (zipf, mut dice, mut asked) = (Zipf::new(CATALOGUE, 0.9), Dice(6), HashMap::new());
    for _ in 0..REQUESTS {
        let key = zipf.segment(&mut dice);
        *asked.entry(key).or_default() += 1;
        cache.ask(key);
    }
    let hot: Vec<u32> = hot(&asked).into_iter().filter(|key| cache.contains(*key)).collect();
    assert!(hot.len() > 100, "{} are hot", hot.len());
    for key in 0..CATALOGUE {
        for _ in 0..times {
            cache.ask_as(ELSEWHERE + key, entry);
        }
    }
    let kept = hot.iter().filter(|key| cache.contains(**key)).count();
    kept as f64 / hot.len() as f64
}

#[test]
fn a_scan_does_not_throw_out_what_is_popular() {
    let scans = [
        ("once", 1, Admission::Once),
        ("twice", 2, Admission::Once),
        ("in eight ranges", 8, Admission::Once),
        ("in four ranges at once", 4, Admission::Wanted),
    ];
    for (name, times, entry) in scans {
        for (policy, cache) in Policy::all() {
            let kept = kept_through(&cache, times, entry);
            println!("a scan, each {name}: {policy:>11} keeps {:.1} % of the hot set", kept * 100.0);
            assert!(policy != "ours" || kept >= 0.95, "{policy} keeps {kept} of the hot set");
        }
    }
}
