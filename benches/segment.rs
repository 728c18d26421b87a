//! What a segment costs, at the start of a film of two hours and at its end: time and, where Valgrind is, instructions.
//!
//! The claim: a segment at the end costs at most 1.02 of one at the start, in instructions. Of MPEG-TS also what it costs
//! to say which stored bytes a whole segment needs, and to make its bytes.

#![allow(
    missing_docs,
    dead_code,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a bench's numbers are small, what panics here fails it, and each bench uses its part of the film"
)]

#[path = "../tests/support/movie.rs"]
mod movie;
mod support;

use afflux::media::MediaKind;
use afflux::mux::{self, Chunks, Piece, Transport, TsRecipe};
use afflux::plan::{Plan, Streams};
use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput};
use std::hint::black_box;
use std::process::Command;
use support::Stored;

/// A film, planned, and laid out as MPEG-TS.
struct Film {
    plan: Plan,
    transport: Transport,
}

impl Film {
    fn new() -> Self {
        let plan = support::planned(Stored::new(&support::reels()).understand());
        let transport = Transport::new(streams(&plan), 6_000).unwrap();
        Self { plan, transport }
    }

    /// Segments behind the first and before the last: both cover 6 s.
    fn number(&self, place: &str) -> u32 {
        if place == "start" { 2 } else { self.transport.program().slices().len() as u32 - 1 }
    }

    /// One piece of work, to be done any number of times.
    fn work<'a>(&'a self, what: &str, place: &str) -> Box<dyn Fn() + 'a> {
        let number = self.number(place);
        let recipe = move || self.transport.recipe(streams(&self.plan), number).unwrap();
        match what {
            "fmp4" => {
                let track = self.plan.of_kind(MediaKind::Video).next().unwrap();
                Box::new(move || drop(black_box(mux::segment(track, number, track.segment(number).unwrap()))))
            }
            "ts" => Box::new(move || drop(black_box(recipe()))),
            "ts, its reads" => {
                let recipe = recipe();
                Box::new(move || drop(black_box(recipe.whole().reads())))
            }
            _ => {
                let recipe = recipe();
                let (video, audio) = stored(&recipe);
                Box::new(move || drop(black_box(bake(&recipe, &video, &audio))))
            }
        }
    }
}

fn streams(plan: &Plan) -> Streams<'_> {
    Streams::muxed(&plan.tracks()[0], &plan.tracks()[1]).unwrap()
}

/// What the store would read, in its chunks: length fields of 4 bytes that say 1,000, so that pictures are cut up.
fn read(length: u64) -> Vec<Bytes> {
    let unit: Vec<u8> = 1_000_u32.to_be_bytes().into_iter().chain([0x41; 1_000]).collect();
    let bytes: Vec<u8> = unit.iter().copied().cycle().take(length as usize).collect();
    bytes.chunks(256 << 10).map(Bytes::copy_from_slice).collect()
}

/// What a whole segment is made of.
fn stored(recipe: &TsRecipe) -> (Vec<Bytes>, Vec<Bytes>) {
    let reads = recipe.whole().reads();
    let total = |ranges: &[afflux::media::ByteRange]| ranges.iter().map(|range| range.len()).sum();
    (read(total(&reads.video)), read(total(&reads.audio)))
}

fn bake(recipe: &TsRecipe, video: &[Bytes], audio: &[Bytes]) -> Vec<Bytes> {
    recipe.whole().bake(Chunks::new(video.to_vec()), Chunks::new(audio.to_vec()), BytesMut::with_capacity)
}

fn timed(criterion: &mut Criterion, film: &Film) {
    for what in ["fmp4", "ts"] {
        for place in ["start", "end"] {
            let work = film.work(what, place);
            criterion.bench_function(&format!("recipe: {what}, at the {place}"), |bench| bench.iter(&work));
        }
    }
    let mut group = criterion.benchmark_group("mux");
    let track = film.plan.of_kind(MediaKind::Video).next().unwrap();
    let recipe = mux::segment(track, 2, track.segment(2).unwrap());
    // Sample bytes of fMP4 are not touched: what is made is the head.
    let made = |piece: &Piece| if let Piece::Made(bytes) = piece { bytes.len() } else { 0 };
    println!("fmp4: {} bytes, of which {} are made", recipe.length(), recipe.pieces().iter().map(made).sum::<usize>());
    group.throughput(Throughput::Bytes(recipe.length()));
    group.bench_function("fmp4", |bench| bench.iter(|| mux::segment(track, 2, track.segment(2).unwrap())));
    let recipe = film.transport.recipe(streams(&film.plan), 2).unwrap();
    println!("ts: {} bytes, all of which are made", recipe.assumed());
    group.throughput(Throughput::Bytes(recipe.assumed()));
    group.bench_function("ts", |bench| bench.iter(film.work("ts, its bytes", "start")));
    group.finish();
}

/// Instructions of one piece of work: this program under Callgrind, with a hundred of them less one with none.
fn instructions(what: &str, place: &str) -> Option<f64> {
    let collected = |times: &str| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().ok()?)
            .args(["count", what, place, times])
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().find(|line| line.contains("Collected :"))?.to_owned();
        line.rsplit(' ').next()?.parse::<f64>().ok()
    };
    Some((collected("100")? - collected("0")?) / 100.0)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, count, what, place, times] = arguments.as_slice()
        && count == "count"
    {
        let film = Film::new();
        let work = film.work(what, place);
        (0..times.parse::<u32>().unwrap()).for_each(|_| work());
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    timed(&mut criterion, &Film::new());
    criterion.final_summary();
    for what in ["fmp4", "ts", "ts, its reads", "ts, its bytes"] {
        match (instructions(what, "start"), instructions(what, "end")) {
            (Some(start), Some(end)) => {
                println!("{what}: {start:.0} instructions at the start, {end:.0} at the end: {:.3}", end / start);
            }
            _ => println!("{what}: instructions are not counted, as Valgrind is not there"),
        }
    }
}
