//! Tests of movie fragments.

#![expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of a test are small"
)]

use crate::demux::fixture::{Trak, atom, drive, ftyp, full, moov, movie, table, words};
use crate::demux::{Error, FourCc};
use crate::media::{Edit, Layout, TableError, Ticks, Track};

const BASE_IS_MOOF: u32 = 0x2_0000;

fn traf(track: u32, tfdt: Option<u32>, truns: &[Vec<u8>]) -> Vec<u8> {
    let tfdt = tfdt.map(|time| table(b"tfdt", &[time])).unwrap_or_default();
    atom(b"traf", &[full(b"tfhd", 0, BASE_IS_MOOF, &words(&[track])), tfdt, truns.concat()].concat())
}

/// Two samples of 10 and 20 bytes, the first of them a sync sample, `at` bytes behind the moof.
fn trun(at: u32) -> Vec<u8> {
    full(b"trun", 0, 0x305, &words(&[2, at, 0, 100, 10, 100, 20]))
}

fn fragment(trafs: &[Vec<u8>]) -> Vec<u8> {
    let moof = atom(b"moof", &[table(b"mfhd", &[1]), trafs.concat()].concat());
    [moof, atom(b"mdat", &[7; 100])].concat()
}

/// ftyp and moov; the defaults in `trex` are 90 ticks, 5 bytes, no sync sample.
fn header(traks: &[Trak]) -> Vec<u8> {
    let mvex: Vec<_> = traks.iter().map(|t| table(b"trex", &[t.id, 1, 90, 5, 0x1_0000])).collect();
    let traks: Vec<_> = traks.iter().map(Trak::print).collect();
    [ftyp(), moov(&[traks.concat(), atom(b"mvex", &mvex.concat())])].concat()
}

fn video() -> Trak {
    Trak::video(0).empty()
}

fn audio() -> Trak {
    Trak::audio(0).empty()
}

/// position, size, decode time, sync.
fn samples(track: &Track) -> Vec<(u64, u32, i64, bool)> {
    track.index.samples(0..track.index.len()).map(|s| (s.position, s.size, s.decode_time.0, s.sync)).collect()
}

fn only(object: &[u8]) -> Track {
    movie(object).unwrap().tracks.remove(0)
}

#[test]
fn runs_of_fragments_become_one_track() {
    let head = header(&[video()]);
    let (one, two) = (fragment(&[traf(1, Some(0), &[trun(80)])]), fragment(&[traf(1, None, &[trun(90)])]));
    let object = [head.clone(), one.clone(), atom(b"styp", b"msdh"), two].concat();
    let (first, second) = (head.len() as u64 + 80, (head.len() + one.len()) as u64 + 12 + 90);
    let expected =
        [(first, 10, 0, true), (first + 10, 20, 100, false), (second, 10, 200, true), (second + 10, 20, 300, false)];
    assert_eq!(samples(&only(&object)), expected);
    assert_eq!(movie(&object).unwrap().layout, Layout::Fragmented);
    assert_eq!(drive(&object).unwrap().1, 1);
}

#[test]
fn a_recording_that_ends_inside_its_last_fragment_plays_to_the_one_before_and_no_change_of_a_byte_panics() {
    let head = [header(&[video()]), fragment(&[traf(1, Some(0), &[trun(120)])])].concat();
    let last = fragment(&[traf(1, Some(200), &[trun(120)])]);
    let object = [head.clone(), last].concat();
    let known = |len: usize| {
        let movie = movie(&object[..len]).unwrap();
        (movie.tracks[0].index.len(), movie.cut_at)
    };
    assert_eq!((known(object.len()), known(head.len())), ((4, None), (2, None)));
    for len in head.len() + 8..head.len() + 120 + 30 {
        assert_eq!(known(len), (2, Some(head.len() as u64)), "{len} of {}", object.len());
    }
    // A broken fragment is refused if it is the only one or if others follow it.
    let only = header(&[video()]).len();
    for len in only + 8..only + 120 + 30 {
        assert!(movie(&object[..len]).is_err(), "{len}");
    }
    let far = fragment(&[traf(1, Some(200), &[trun(0x7fff_ffff)])]);
    assert!(movie(&[head.clone(), far, fragment(&[traf(1, Some(400), &[trun(120)])])].concat()).is_err());
    for at in 0..object.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = object.clone();
            changed[at] = byte;
            drop(movie(&changed));
        }
    }
}

#[test]
fn a_gap_before_a_fragment_lengthens_the_sample_before_it() {
    let parts = |time| {
        [header(&[video()]), fragment(&[traf(1, Some(0), &[trun(80)])]), fragment(&[traf(1, Some(time), &[trun(80)])])]
    };
    let durations = |time| only(&parts(time).concat()).index.samples(0..4).map(|s| s.duration).collect::<Vec<_>>();
    assert_eq!(durations(200), [100, 100, 100, 100]);
    assert_eq!(durations(260), [100, 160, 100, 100]);
    assert_eq!(durations(101), [100, 1, 100, 100]);
    let refused = movie(&parts(100).concat()).unwrap_err();
    let at = parts(100).concat().windows(4).rposition(|four| four == b"tfdt").unwrap() as u64 - 4;
    assert_eq!(refused, Error::BackInTime { track: 1, at, claims: 100, expected: 200 });
}

#[test]
fn defaults_come_from_tfhd_and_else_from_trex() {
    let head = header(&[video()]);
    let at = head.len() as u64 + 9;
    let bare = full(b"trun", 0, 1, &words(&[2, 9]));
    assert_eq!(
        samples(&only(&[head.clone(), fragment(&[traf(1, None, std::slice::from_ref(&bare))])].concat())),
        [(at, 5, 0, true), (at + 5, 5, 90, false),]
    );
    let tfhd = full(b"tfhd", 0, BASE_IS_MOOF | 0x38, &words(&[1, 7, 8, 0]));
    let own = fragment(&[atom(b"traf", &[tfhd, bare].concat())]);
    assert_eq!(samples(&only(&[head, own].concat())), [(at, 8, 0, true), (at + 8, 8, 7, true)]);
}

#[test]
fn without_offsets_runs_follow_each_other_and_trafs_too() {
    let head = header(&[video(), audio()]);
    let run = full(b"trun", 0, 0, &words(&[2]));
    let old = |track| atom(b"traf", &[full(b"tfhd", 0, 0, &words(&[track])), run.clone(), run.clone()].concat());
    let movie = movie(&[head.clone(), fragment(&[old(1), old(2)])].concat()).unwrap();
    let positions = |track: &Track| samples(track).iter().map(|s| s.0 - head.len() as u64).collect::<Vec<_>>();
    assert_eq!(movie.tracks.iter().map(positions).collect::<Vec<_>>(), [[0, 5, 10, 15], [20, 25, 30, 35]]);
}

#[test]
fn a_base_offset_counts_from_the_object() {
    let tfhd = full(b"tfhd", 0, 1, &words(&[1, 0, 40]));
    let run = full(b"trun", 0, 1, &words(&[1, 2]));
    let object = [header(&[video()]), fragment(&[atom(b"traf", &[tfhd, run].concat())])].concat();
    assert_eq!(samples(&only(&object)), [(42, 5, 0, true)]);
}

#[test]
fn composition_offsets_are_signed() {
    let run = full(b"trun", 1, 0x801, &words(&[2, 80, 50, (-50_i32) as u32]));
    let track = only(&[header(&[video()]), fragment(&[traf(1, None, &[run])])].concat());
    assert_eq!(track.index.samples(0..2).map(|s| s.offset).collect::<Vec<_>>(), [50, -50]);
}

#[test]
fn a_recording_that_begins_late_is_presented_from_its_first_sample() {
    let late = |elst: &[u32]| {
        let edts = if elst.is_empty() { Vec::new() } else { atom(b"edts", &table(b"elst", elst)) };
        let audio = Trak { more: edts, ..audio() };
        let trafs = [traf(1, Some(250_000), &[trun(200)]), traf(2, Some(441_441), &[trun(230)])];
        let movie = movie(&[header(&[video(), audio]), fragment(&trafs), fragment(&[])].concat()).unwrap();
        movie.tracks.iter().map(|track| track.edit).collect::<Vec<_>>()
    };
    let edit = |ticks| Edit { media_time: Ticks(ticks), ..Edit::NONE };
    assert_eq!(late(&[]), [edit(250_000), edit(441_000)]);
    assert_eq!(late(&[1, 0, 400, 0x1_0000]), [edit(250_000), edit(441_400)]);
    // The edit counts from 0: its media time stays as stored, and the video's too.
    assert_eq!(late(&[1, 0, 441_500, 0x1_0000]), [Edit::NONE, edit(441_500)]);
}

#[test]
fn samples_of_the_moov_come_before_those_of_the_fragments() {
    let head = |offset| header(&[Trak::video(offset)]);
    let at = head(0).len() as u32 + 8;
    let object = [head(at), atom(b"mdat", &[7; 60]), fragment(&[traf(1, None, &[trun(80)])])].concat();
    let (at, moof) = (u64::from(at), u64::from(at) + 60);
    let expected = [
        (at, 10, 0, true),
        (at + 10, 20, 1_000, false),
        (at + 30, 30, 2_000, false),
        (moof + 80, 10, 3_000, true),
        (moof + 90, 20, 3_100, false),
    ];
    assert_eq!(samples(&only(&object)), expected);
}

#[test]
fn counts_that_no_byte_pays_for_are_refused() {
    let refused = |trun: Vec<u8>| match movie(&[header(&[video()]), fragment(&[traf(1, None, &[trun])])].concat()) {
        Err(Error::Count { kind, claims, fits, .. }) => (kind, claims, fits),
        other => panic!("{other:?}"),
    };
    let kind = FourCc(*b"trun");
    assert_eq!(refused(full(b"trun", 0, 0x200, &words(&[3, 1, 1]))), (kind, 3, 2));
    let object = [header(&[video()]), fragment(&[traf(1, None, &[full(b"trun", 0, 0, &words(&[0xff_ffff]))])])];
    let (size, at) = (object.concat().len() as u64, (object[0].len() + 8 + 16 + 8 + 16) as u64);
    let refused = Error::Oversize { track: 1, kind, at, total: 0xff_ffff * 5, size };
    assert_eq!(movie(&object.concat()).unwrap_err(), refused);
}

#[test]
fn a_fragment_outside_the_object_or_before_the_moov_is_refused() {
    let object = [header(&[video()]), fragment(&[traf(1, None, &[trun(0x7fff_ffff)])])].concat();
    let end = header(&[video()]).len() as u64 + 0x7fff_ffff + 30;
    let flaw = TableError::Outside { chunk: 0, end, size: object.len() as u64 };
    assert_eq!(movie(&object).unwrap_err(), Error::Track { track: 1, at: 56, flaw });
    let early = [ftyp(), fragment(&[]), header(&[video()])].concat();
    assert_eq!(movie(&early).unwrap_err(), Error::FragmentFirst { at: 20 });
    let before = [header(&[video()]), fragment(&[traf(1, None, &[trun(0x8000_0000)])])].concat();
    assert!(matches!(movie(&before).unwrap_err(), Error::Position { track: 1, .. }));
}

#[test]
fn fragments_of_ciphertext_under_a_clear_entry_are_not_served() {
    let senc = full(b"senc", 0, 2, &words(&[2, 0, 0]));
    let sealed = [traf(1, None, &[trun(80), senc])];
    let object = [header(&[video()]), fragment(&sealed)].concat();
    let error = movie(&object).unwrap_err();
    let at = object.windows(4).position(|four| four == b"senc").unwrap() - 4;
    let expected = format!(
        "no track can be served: track 1 (`vide`) is encrypted (`senc` at byte {at}), though its sample entry says that \
         it is clear"
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_track_without_fragments_is_skipped_and_unknown_tracks_are_ignored() {
    let movie = movie(
        &[header(&[video(), audio()]), fragment(&[traf(1, None, &[trun(80)]), traf(9, None, &[trun(80)])])].concat(),
    );
    let movie = movie.unwrap();
    assert_eq!(movie.tracks.len(), 1);
    assert_eq!((movie.skipped[0].track, movie.skipped[0].reason.as_str()), (2, "has no samples"));
}
