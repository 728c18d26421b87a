//! Tests the elementary stream checker: it finds broken rules of H.264 and AAC. Also tests that demuxing gives back a
//! file's samples. FFmpeg made the streams: nothing here knows our muxer.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a test that panics has failed, which is what it is for"
)]
#![allow(dead_code, reason = "each test program uses its part of the support modules")]

#[path = "support/boxes.rs"]
mod boxes;
#[path = "support/check_es.rs"]
mod check_es;
#[path = "support/check_ts.rs"]
mod check_ts;
#[path = "support/codec.rs"]
mod codec;
#[path = "support/elementary.rs"]
mod elementary;
#[path = "support/hls.rs"]
mod hls;
#[path = "support/mpd.rs"]
mod mpd;
#[path = "support/presentation.rs"]
mod presentation;
#[path = "support/psi.rs"]
mod psi;
#[path = "support/spoil_ts.rs"]
mod spoil_ts;
#[path = "support/ts.rs"]
mod ts;
#[path = "support/undo_ts.rs"]
mod undo_ts;

use boxes::{Movie, Sample};
use check_es::Gap;
use check_ts::{H264, Start};
use spoil_ts::{AUDIO, Spoiled, VIDEO, finds, finds_at, good, pes, write, write_time};
use std::path::Path;

#[test]
fn broken_access_units_are_found() {
    let delimiter: &[u8] = &[0, 0, 0, 1, 9, 0xf0];
    finds(write(VIDEO, 1, delimiter, 4, &[12]), &["no access unit delimiter in front", "0 access unit delimiters"]);
    finds(write(VIDEO, 1, delimiter, 5, &[0xf8]), &["a delimiter [09, f8]"]);
    finds(write(VIDEO, 1, delimiter, 0, &[1]), &["no NAL unit starts where the data does"]);
    // The encoder's message becomes a second delimiter.
    let message = pes(VIDEO, 0, |bytes| bytes[29] = 9);
    finds(message, &["2 access unit delimiters", "a delimiter [09, 05"]);
    let slice: &[u8] = &[0, 0, 1, 0x41];
    finds(write(VIDEO, 1, slice, 3, &[0xc1]), &["forbidden_zero_bit"]);
    finds(write(VIDEO, 1, slice, 3, &[0x4c]), &["an access unit without a picture"]);
    finds(write(VIDEO, 1, slice, 7, &[0, 0, 0, 7]), &["bytes that only emulation prevention may hide"]);
    finds(write(VIDEO, 1, slice, 7, &[0, 0, 2, 7]), &["bytes that only emulation prevention may hide"]);
    finds(write(VIDEO, 1, slice, 7, &[0, 0, 1, 0, 0, 1, 0xc1]), &["NAL unit 2 is empty", "NAL unit 3: forbidden"]);
    finds(write(VIDEO, 0, &[0, 0, 0, 1, 0x68], 0, &[0x80]), &["its start code has three bytes"]);
}

#[test]
fn segments_that_players_cannot_start_at_are_found() {
    finds(write(VIDEO, 0, &[0, 0, 1, 0x67], 3, &[0x6c]), &["no SPS before its picture"]);
    finds(write(VIDEO, 0, &[0, 0, 1, 0x68], 3, &[0x6c]), &["no PPS before its picture"]);
    finds_at(Start::Open, write(VIDEO, 0, &[0, 0, 1, 0x68], 3, &[0x6c]), &["no PPS before its picture"]);
    let idr: &[u8] = &[0, 0, 1, 0x65];
    finds(other_picture(idr), &["the segment starts with no IDR picture", "where playing cannot start"]);
    finds_at(Start::Open, other_picture(idr), &[]);
    let unmarked = |stream: &mut Spoiled| {
        let at = stream.starts(0, VIDEO)[0];
        stream.packet(0, at)[5] &= !0x40;
    };
    finds(unmarked, &["an IDR picture without random_access_indicator"]);
    let marked = |stream: &mut Spoiled| {
        let at = stream.starts(0, VIDEO)[1];
        stream.packet(0, at)[5] |= 0x40;
    };
    finds(marked, &["random_access_indicator where playing cannot start"]);
    finds_at(Start::Empty, |_| (), &["pictures in a segment that starts Empty"]);
    let pictures = |stream: &mut Spoiled| {
        for segment in 0..2 {
            let keep = [0, spoil_ts::PMT, AUDIO];
            let packets = stream.0[segment]
                .1
                .chunks(188)
                .filter(|packet| keep.contains(&(u16::from_be_bytes([packet[1], packet[2]]) & 0x1fff)));
            stream.0[segment].1 = packets.flatten().copied().collect();
        }
    };
    finds(pictures, &["0 pictures in a segment that starts Idr", "no PCR in the first packet"]);
    finds_at(Start::Empty, pictures, &["no PCR in the first packet"]);
}

/// Turns the first picture into a non-IDR picture.
fn other_picture(idr: &[u8]) -> impl FnOnce(&mut Spoiled) {
    move |stream| {
        for at in stream.places(1, VIDEO) {
            let payload = stream.payload(1, at);
            if let Some(place) = payload.windows(4).position(|window| window == idr) {
                payload[place + 3] = 0x61;
            }
        }
    }
}

#[test]
fn broken_frames_of_sound_are_found() {
    // After a header of 14 bytes: syncword 12, MPEG-2 1, layer 2, absence of a CRC 1, profile 2, frequency 4, …
    let frame = |at: usize, edit: fn(u8) -> u8| pes(AUDIO, 1, move |bytes| bytes[14 + at] = edit(bytes[14 + at]));
    finds(frame(0, |_| 0), &["ADTS frame 0: no syncword"]);
    finds(frame(1, |_| 0x71), &["ADTS frame 0: no syncword"]);
    finds(frame(1, |byte| byte | 0x02), &["layer: 1"]);
    finds(frame(1, |byte| byte & !1), &["protection_absent: false"]);
    finds(frame(2, |byte| byte ^ 0x40), &["profile: 0"]);
    finds(frame(2, |byte| byte & 0xc3 | 0x34), &["index: 13"]);
    finds(frame(3, |byte| byte & 0x3f), &["channels: 0", "no channel configuration"]);
    finds(frame(5, |byte| byte ^ 0x20), &["ADTS frame 1: no syncword"]);
    finds(frame(4, |_| 0), &["ADTS frame 0: 5 bytes of"]);
    finds(frame(6, |byte| byte | 1), &["and 1 more blocks"]);
    let packets = good().0[0].1.clone();
    let mut units = ts::pes(&ts::parse(&packets).unwrap(), AUDIO).unwrap();
    units.truncate(1);
    let whole = units[0].data.clone();
    units[0].data = whole.repeat(8);
    let mut faults = Vec::new();
    check_es::audio(&units, &mut check_es::Past::default(), &mut faults);
    let count = elementary::frames(&whole).unwrap().len() * 8;
    assert_eq!(faults, [format!("packet {}: {count} frames behind one PTS", units[0].packets[0])]);
}

#[test]
fn broken_times_are_found() {
    let copy = |bytes: &mut [u8]| {
        let pts = bytes[9..14].to_vec();
        bytes[14..19].copy_from_slice(&pts);
        bytes[14] = bytes[14] & 0x0f | 0x10;
    };
    finds(pes(VIDEO, 1, copy), &["a DTS that is its PTS", "on PID 256 after"]);
    finds(pes(VIDEO, 1, |bytes| write_time(&mut bytes[9..14], 100_000)), &["PTS 100000 before DTS"]);
    // The first DTS is 126000, the second 129000.
    finds(pes(VIDEO, 1, |bytes| write_time(&mut bytes[14..19], 126_000)), &["DTS 126000 on PID 256 after 126000"]);
    let late = |stream: &mut Spoiled| stream.times(1, AUDIO, |time| time - 90_000);
    finds(late, &["on PID 257 after", "ticks past the decoding", "ticks before what precedes it"]);
}

#[test]
fn sound_far_from_its_pictures_is_found() {
    let parted = |stream: &mut Spoiled| {
        let (sound, rest): (Vec<&[u8]>, Vec<&[u8]>) =
            stream.0[0].1.chunks(188).partition(|packet| packet[1] & 0x1f == 1 && packet[2] == 1);
        stream.0[0].1 = [rest, sound].concat().concat();
    };
    finds(parted, &["ticks before what precedes it", "ticks past the decoding"]);
}

#[test]
fn gaps_of_sound_are_told_and_are_no_fault() {
    let mut stream = good();
    stream.times(1, AUDIO, |time| time + 1_000);
    assert_eq!(stream.faults(Start::Idr), Vec::<String>::new());
    let first = ts::pes(&ts::parse(&stream.0[1].1).unwrap(), AUDIO).unwrap()[0].pts.unwrap();
    assert_eq!(check_es::gaps(&stream.0), Ok(vec![Gap { pts: first, ticks: 1_000 }]));
    // One tick is rounding.
    let mut stream = good();
    stream.times(1, AUDIO, |time| time + 1);
    assert_eq!(check_es::gaps(&stream.0), Ok(Vec::new()));
}

/// The stored samples of a track, with their times in 90 kHz from the presentation of the first on.
fn stored(track: &boxes::Track) -> Vec<(&Sample, f64)> {
    let time = |sample: &Sample| sample.dts + sample.offset;
    let ticks =
        |sample: &Sample| (time(sample) - time(&track.samples[0])) as f64 * 90_000.0 / f64::from(track.timescale);
    track.samples.iter().map(|sample| (sample, ticks(sample))).collect()
}

/// Compares FFmpeg's segments of `file` with its samples; returns the number of equal ones.
fn compare(file: &str, spoil: impl FnOnce(&mut Spoiled)) -> Result<usize, String> {
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/media").join(file)).unwrap();
    let movie = Movie::read(&bytes).unwrap();
    let mut stream = Spoiled(spoil_ts::ffmpeg(file, &[]));
    spoil(&mut stream);
    let mut count = 0;
    for stream in undo_ts::undo(&stream.0)? {
        let handler = if stream.kind == H264 { b"vide" } else { b"soun" };
        let track = movie.tracks.iter().find(|track| &track.handler == handler).unwrap();
        let stored = stored(track);
        assert_eq!(stream.samples.len(), stored.len(), "{file}");
        for (number, (played, (sample, ticks))) in stream.samples.iter().zip(stored).enumerate() {
            let data = &bytes[sample.at as usize..][..sample.size as usize];
            let same = if stream.kind == H264 {
                let sets = undo_ts::avcc(codec::inside(&track.entry, *b"avcC").unwrap())?;
                undo_ts::same_video(&played.parts, data, &sets)
            } else {
                undo_ts::same_config(
                    stream.adts.unwrap(),
                    codec::audio_config(codec::inside(&track.entry, *b"esds").unwrap()).unwrap(),
                )?;
                undo_ts::same_audio(&played.parts, data)
            };
            same.map_err(|fault| format!("PID {} sample {number}: {fault}", stream.pid))?;
            let off = (played.pts - stream.samples[0].pts) as f64 - ticks;
            if off.abs() > if played.timed { 1.0 } else { 2.0 } {
                return Err(format!("PID {} sample {number}: {off} ticks off", stream.pid));
            }
            count += 1;
        }
    }
    Ok(count)
}

#[test]
fn what_was_muxed_comes_back_sample_by_sample() {
    assert_eq!(compare("moov-at-end.mp4", |_| ()), Ok(360 + 564));
    assert_eq!(compare("audio-only.m4a", |_| ()), Ok(564));
    assert_eq!(compare("video-only.mp4", |_| ()), Ok(360));
    assert!(compare("natural/352p.mp4", |_| ()).is_ok_and(|count| count > 1_440));
    let flip = |mark: &'static [u8]| {
        move |stream: &mut Spoiled| {
            let at = stream.starts(1, VIDEO)[1];
            *stream.from(1, at, mark).get_mut(9).unwrap() ^= 4;
        }
    };
    let video = compare("moov-at-end.mp4", flip(&[0, 0, 1, 0x41])).unwrap_err();
    assert!(video.starts_with("PID 256 sample 121: NAL unit 0 differs"), "{video}");
    let times = compare("moov-at-end.mp4", |stream| stream.times(1, AUDIO, |time| time + 3)).unwrap_err();
    assert!(times.ends_with("3 ticks off"), "{times}");
}
