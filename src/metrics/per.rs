//! One metric handle for each label word, selected by a `match` instead of a map lookup.

use super::words::{CacheKind, Outcome, RequestKind, Stage, Tier};
use prometheus_client::metrics::counter::Counter;

/// One `T` for each [`CacheKind`].
#[derive(Debug)]
pub(super) struct PerCacheKind<T> {
    segment: T,
    manifest: T,
    index: T,
    transport: T,
    block: T,
}

impl<T> PerCacheKind<T> {
    pub(super) fn new(make: impl Fn(&'static str) -> T) -> Self {
        let [segment, manifest] = [make("segment"), make("manifest")];
        Self { segment, manifest, index: make("index"), transport: make("transport"), block: make("block") }
    }

    pub(super) const fn get(&self, kept: CacheKind) -> &T {
        match kept {
            CacheKind::Segment => &self.segment,
            CacheKind::Manifest => &self.manifest,
            CacheKind::Index => &self.index,
            CacheKind::Transport => &self.transport,
            CacheKind::Block => &self.block,
        }
    }
}

/// One `T` for each [`Tier`].
#[derive(Debug)]
pub(super) struct PerTier<T> {
    nursery: T,
    main: T,
}

impl<T> PerTier<T> {
    pub(super) fn new(make: impl Fn(&'static str) -> T) -> Self {
        Self { nursery: make("nursery"), main: make("main") }
    }

    pub(super) const fn get(&self, tier: Tier) -> &T {
        match tier {
            Tier::Nursery => &self.nursery,
            Tier::Main => &self.main,
        }
    }
}

/// One `T` for each [`Stage`].
#[derive(Debug)]
pub(super) struct PerStage<T> {
    index: T,
    plan: T,
    read: T,
    mux: T,
    wait: T,
}

impl<T> PerStage<T> {
    pub(super) fn new(make: impl Fn(&'static str) -> T) -> Self {
        Self { index: make("index"), plan: make("plan"), read: make("read"), mux: make("mux"), wait: make("wait") }
    }

    pub(super) const fn get(&self, stage: Stage) -> &T {
        match stage {
            Stage::Index => &self.index,
            Stage::Plan => &self.plan,
            Stage::Read => &self.read,
            Stage::Mux => &self.mux,
            Stage::Wait => &self.wait,
        }
    }
}

/// One counter for each [`Outcome`].
#[derive(Debug)]
pub(super) struct PerOutcome {
    hit: Counter,
    made: Counter,
    joined: Counter,
    too_large: Counter,
    shed: Counter,
}

impl PerOutcome {
    pub(super) fn new(counter: impl Fn(&'static str) -> Counter) -> Self {
        let counter = |outcome: Outcome| counter(outcome.as_str());
        Self {
            hit: counter(Outcome::Hit),
            made: counter(Outcome::Made),
            joined: counter(Outcome::Joined),
            too_large: counter(Outcome::TooLarge),
            shed: counter(Outcome::Shed),
        }
    }

    pub(super) const fn get(&self, outcome: Outcome) -> &Counter {
        match outcome {
            Outcome::Hit => &self.hit,
            Outcome::Made => &self.made,
            Outcome::Joined => &self.joined,
            Outcome::TooLarge => &self.too_large,
            Outcome::Shed => &self.shed,
        }
    }
}

/// One `T` for each [`RequestKind`].
#[derive(Debug)]
pub(super) struct PerRequestKind<T> {
    hls: T,
    dash: T,
    file: T,
    playlist: T,
    init: T,
    segment: T,
    ts: T,
    ts_playlist: T,
    ts_segment: T,
    gallery: T,
    preflight: T,
    other: T,
}

impl<T> PerRequestKind<T> {
    pub(super) fn new(make: impl Fn(&'static str) -> T) -> Self {
        Self {
            hls: make("hls"),
            dash: make("dash"),
            file: make("file"),
            playlist: make("playlist"),
            init: make("init"),
            segment: make("segment"),
            ts: make("ts"),
            ts_playlist: make("ts_playlist"),
            ts_segment: make("ts_segment"),
            gallery: make("gallery"),
            preflight: make("preflight"),
            other: make("other"),
        }
    }

    pub(super) const fn get(&self, asked: RequestKind) -> &T {
        match asked {
            RequestKind::Hls => &self.hls,
            RequestKind::Dash => &self.dash,
            RequestKind::File => &self.file,
            RequestKind::Playlist => &self.playlist,
            RequestKind::Init => &self.init,
            RequestKind::Segment => &self.segment,
            RequestKind::Ts => &self.ts,
            RequestKind::TsPlaylist => &self.ts_playlist,
            RequestKind::TsSegment => &self.ts_segment,
            RequestKind::Gallery => &self.gallery,
            RequestKind::Preflight => &self.preflight,
            RequestKind::Other => &self.other,
        }
    }
}

/// One counter for each class of status codes.
#[derive(Debug)]
pub(super) struct PerClass {
    succeeded: Counter,
    redirected: Counter,
    refused: Counter,
    failed: Counter,
}

impl PerClass {
    pub(super) fn new(make: impl Fn(&'static str) -> Counter) -> Self {
        Self { succeeded: make("2xx"), redirected: make("3xx"), refused: make("4xx"), failed: make("5xx") }
    }

    /// The counter for `status`. The server never sends informational responses, so they have no counter.
    pub(super) const fn get(&self, status: u16) -> &Counter {
        match status {
            0..=299 => &self.succeeded,
            300..=399 => &self.redirected,
            400..=499 => &self.refused,
            500.. => &self.failed,
        }
    }
}
