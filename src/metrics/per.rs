//! One handle for each word, found without a lookup.

use super::words::{Asked, Kept, Outcome, Stage, Tier};
use prometheus_client::metrics::counter::Counter;

/// One `T` for each [`Kept`].
#[derive(Debug)]
pub(super) struct PerKept<T> {
    segment: T,
    manifest: T,
    index: T,
    transport: T,
    block: T,
}

impl<T> PerKept<T> {
    pub(super) fn new(make: impl Fn(&'static str) -> T) -> Self {
        let [segment, manifest] = [make("segment"), make("manifest")];
        Self { segment, manifest, index: make("index"), transport: make("transport"), block: make("block") }
    }

    pub(super) const fn get(&self, kept: Kept) -> &T {
        match kept {
            Kept::Segment => &self.segment,
            Kept::Manifest => &self.manifest,
            Kept::Index => &self.index,
            Kept::Transport => &self.transport,
            Kept::Block => &self.block,
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

/// One `T` for each [`Asked`].
#[derive(Debug)]
pub(super) struct PerAsked<T> {
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

impl<T> PerAsked<T> {
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

    pub(super) const fn get(&self, asked: Asked) -> &T {
        match asked {
            Asked::Hls => &self.hls,
            Asked::Dash => &self.dash,
            Asked::File => &self.file,
            Asked::Playlist => &self.playlist,
            Asked::Init => &self.init,
            Asked::Segment => &self.segment,
            Asked::Ts => &self.ts,
            Asked::TsPlaylist => &self.ts_playlist,
            Asked::TsSegment => &self.ts_segment,
            Asked::Gallery => &self.gallery,
            Asked::Preflight => &self.preflight,
            Asked::Other => &self.other,
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

    /// Informational answers are not counted apart: there are none.
    pub(super) const fn get(&self, status: u16) -> &Counter {
        match status {
            0..=299 => &self.succeeded,
            300..=399 => &self.redirected,
            400..=499 => &self.refused,
            500.. => &self.failed,
        }
    }
}
