//! Cost of a segment at the start and at the end of a two-hour film: time and, if Valgrind is installed, instructions.
//!
//! The claim: a segment at the end costs at most 1.02 times one at the start, in instructions. For MPEG-TS also the
//! cost of listing the stored bytes of a whole segment, and of building its bytes.

#![allow(
    missing_docs,
    dead_code,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a bench's numbers are small, a panic anywhere fails it, and each bench uses its part of the film"
)]

#[path = "../tests/support/movie.rs"]
mod movie;
mod support;

use afflux::media::MediaKind;
use afflux::mux::{self, Chunks, Packetized, Piece, Transport};
use afflux::plan::{Plan, Stream};
use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput};
use std::hint::black_box;
use std::process::Command;
use support::Stored;

/// A planned film, with its MPEG-TS layout.
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

    /// The second segment or the last but one: both cover 6 s.
    fn number(&self, place: &str) -> u32 {
        if place == "start" { 2 } else { self.transport.program().slices().len() as u32 - 1 }
    }

    /// A piece of work that can be repeated.
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

fn streams(plan: &Plan) -> Stream<'_> {
    Stream::muxed(&plan.tracks()[0], &plan.tracks()[1]).unwrap()
}

/// Stand-in for the bytes that the store reads, in its chunks: length fields of 4 bytes with the value 1,000, so that
/// pictures consist of several NAL units.
fn read(length: u64) -> Vec<Bytes> {
    let unit: Vec<u8> = 1_000_u32.to_be_bytes().into_iter().chain([0x41; 1_000]).collect();
    let bytes: Vec<u8> = unit.iter().copied().cycle().take(length as usize).collect();
    bytes.chunks(256 << 10).map(Bytes::copy_from_slice).collect()
}

/// Video and audio bytes for a whole segment.
fn stored(recipe: &Packetized) -> (Vec<Bytes>, Vec<Bytes>) {
    let reads = recipe.whole().reads();
    let total = |ranges: &[afflux::media::ByteRange]| ranges.iter().map(|range| range.len()).sum();
    (read(total(&reads.first)), read(total(&reads.second)))
}

fn bake(recipe: &Packetized, video: &[Bytes], audio: &[Bytes]) -> Vec<Bytes> {
    recipe.whole().build(Chunks::new(video.to_vec()), Chunks::new(audio.to_vec()), BytesMut::with_capacity)
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
    // fMP4 does not touch sample bytes: it builds only the head.
    let made = |piece: &Piece| if let Piece::Generated(bytes) = piece { bytes.len() } else { 0 };
    println!("fmp4: {} bytes, of which {} are made", recipe.length(), recipe.pieces().iter().map(made).sum::<usize>());
    group.throughput(Throughput::Bytes(recipe.length()));
    group.bench_function("fmp4", |bench| bench.iter(|| mux::segment(track, 2, track.segment(2).unwrap())));
    let recipe = film.transport.recipe(streams(&film.plan), 2).unwrap();
    println!("ts: {} bytes, all of which are made", recipe.estimate());
    group.throughput(Throughput::Bytes(recipe.estimate()));
    group.bench_function("ts", |bench| bench.iter(film.work("ts, its bytes", "start")));
    group.finish();
}

/// Instructions for one piece of work: this program under Callgrind, a hundred repetitions minus none.
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
