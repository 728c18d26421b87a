//! Tests the transport stream checker: it passes correct streams and finds each broken rule, one by one. Also tests
//! that demuxing gives back a file's samples. FFmpeg made the streams: nothing here knows our muxer.

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

use check_ts::Start;
use spoil_ts::{AUDIO, PMT, Spoiled, VIDEO, finds, good, pes};
use ts::{PCR_TICKS, WRAP};

#[test]
fn ffmpegs_own_streams_are_asked_to_leave_out_only_their_further_tables() {
    for file in ["moov-at-end.mp4", "natural/352p.mp4"] {
        let segments = spoil_ts::ffmpeg(file, &[]);
        let tables = |number: &u64| {
            let line = |said: &str| format!("segment {number}: {said}");
            let order = ["packet 0 is not the PAT", "2 packets of the PAT", "packet 1 is not the PMT"];
            let rest = ["2 packets of the PMT", "packet 0: PID 17 is in no table"];
            order.into_iter().chain(rest).map(line).collect::<Vec<_>>()
        };
        let numbers: Vec<u64> = segments.iter().map(|segment| segment.0).collect();
        let wanted: Vec<String> = numbers.iter().flat_map(tables).collect();
        assert_eq!(check_ts::check(&segments, |_| Start::Idr), wanted, "{file}");
        assert_eq!(check_es::gaps(&segments), Ok(Vec::new()), "{file}");
    }
}

#[test]
fn without_them_nothing_is_wrong() {
    assert_eq!(good().faults(Start::Idr), Vec::<String>::new());
    assert_eq!(good().faults(Start::Open), Vec::<String>::new());
}

#[test]
fn sound_alone_needs_a_clock_as_fine() {
    let tables = |fault: &String| ["PAT", "PMT", "PID 17"].iter().any(|word| fault.contains(word));
    let clock = |further: &[&str]| {
        let segments = spoil_ts::ffmpeg("natural/352p.mp4", &[&["-vn"], further].concat());
        let found = check_ts::check(&segments, |_| Start::Idr);
        found.into_iter().filter(|fault| !tables(fault)).collect::<Vec<_>>()
    };
    // One frame per PES packet.
    assert_eq!(
        clock(&["-hls_segment_options", "pes_payload_size=0:pat_period=1000:sdt_period=1000"]),
        Vec::<String>::new()
    );
    // FFmpeg's default PES packets hold more than 100 ms of sound, and each has only one PCR.
    let found = clock(&[]);
    assert!(!found.is_empty());
    assert!(found.iter().all(|fault| fault.ends_with("ticks after the one before")), "{found:?}");
}

#[test]
fn broken_packets_are_found() {
    finds(|stream| stream.0[0].1.push(0), &["are not whole packets"]);
    finds(|stream| stream.packet(0, 5)[0] = 0x48, &["packet 5: no sync byte"]);
    finds(|stream| stream.packet(0, 5)[3] &= 0x0f, &["packet 5: adaptation_field_control 00"]);
    finds(|stream| stream.packet(0, 5)[1] |= 0x80, &["packet 5: transport_error_indicator true"]);
    finds(|stream| stream.packet(0, 5)[3] |= 0x80, &["packet 5: transport_error_indicator false, scrambling 2"]);
    finds(|stream| stream.insert(0, 5, &[&[0x47, 0x1f, 0xff, 0x10][..], &[0xff; 184]].concat()), &["PID 8191"]);
    finds(|stream| stream.0[0].1.clear(), &["no PAT"]);
}

#[test]
fn broken_adaptation_fields_are_found() {
    let field = |edit: fn(&mut [u8])| {
        move |stream: &mut Spoiled| {
            let at = stream.starts(0, VIDEO)[3];
            edit(stream.packet(0, at));
        }
    };
    finds(field(|packet| packet[5] |= 0x80), &["discontinuity true"]);
    finds(field(|packet| packet[5] |= 0x02), &["optional fields 0010"]);
    finds(field(|packet| packet[10] &= !0x02), &["PCR reserved bits"]);
    finds(field(|packet| packet[10..12].copy_from_slice(&[0x7f, 0x2c])), &["PCR reserved bits"]);
    let clock = |edit: fn(&mut Vec<u8>), pid: u16| {
        move |stream: &mut Spoiled| {
            let at = stream.starts(0, VIDEO)[3];
            let mut packet = stream.clock_only(0, at, pid);
            edit(&mut packet);
            stream.insert(0, at + 1, &packet);
            if pid != VIDEO || packet[3] & 0x10 != 0 {
                stream.recount();
            }
        }
    };
    finds(clock(|_| (), VIDEO), &[]);
    finds(clock(|packet| packet[187] = 0, VIDEO), &["stuffing that is not 0xff"]);
    finds(clock(|packet| packet[1] |= 0x40, VIDEO), &["a unit starts where there is no payload"]);
    finds(clock(|packet| packet[4] = 182, VIDEO), &["adaptation_field_length 182"]);
    finds(clock(|packet| packet[3] |= 0x10, VIDEO), &["adaptation_field_length 183"]);
    finds(clock(|packet| packet[4] = 184, VIDEO), &["adaptation field of 184 bytes"]);
    finds(clock(|_| (), AUDIO), &["a PCR on a PID that is not PCR_PID"]);
    finds(clock(|packet| packet[3] = 0x20 | ((packet[3] + 1) % 16), VIDEO), &["continuity_counter"]);
}

#[test]
fn broken_tables_are_found() {
    let pat = |edit: fn(&mut [u8])| move |stream: &mut Spoiled| stream.section(0, 0, edit);
    let pmt = |edit: fn(&mut [u8])| move |stream: &mut Spoiled| (0..2).for_each(|at| stream.section(at, 1, edit));
    for name in ["PAT", "PMT"] {
        let at = usize::from(name == "PMT");
        let changed = format!("{name}: another than before");
        let spoil = |byte: usize, to: fn(u8) -> u8| {
            move |stream: &mut Spoiled| stream.section(0, at, |section| section[byte] = to(section[byte]))
        };
        finds(|stream| stream.payload(0, at)[4] ^= 1, &["its CRC is wrong", &format!("{name}: "), &changed]);
        finds(spoil(0, |_| 1 << 6), &[&format!("{name}: table_id 64"), &changed]);
        finds(spoil(1, |byte| byte & 0x7f), &[&format!("{name}: section_syntax_indicator"), &changed]);
        finds(spoil(5, |byte| byte & 0xfe), &[&format!("{name}: it is not current"), &changed]);
        finds(spoil(6, |_| 1), &[&format!("{name}: section 1 of 0 to 0"), &changed]);
        finds(spoil(5, |byte| byte + 2), &[&changed]);
        finds(|stream| stream.payload(0, at)[183] = 0, &[&format!("{name}: what follows it is no stuffing")]);
        finds(|stream| stream.payload(0, at)[3] = 0xff, &[&format!("{name}: a section that is not whole")]);
    }
    finds(pat(|section| section[9] = 0), &["PAT: program 0", "the PAT says 0", "PAT: another"]);
    finds(pmt(|section| section[9] = AUDIO as u8), &["PMT: PCR_PID 257", "no PCR in the first", "a PCR on a PID"]);
    finds(pmt(|section| section[8] &= 0x1f), &["PMT: a reserved bit is 0"]);
    finds(pmt(|section| section[17] = 0x03), &["PMT: stream types"]);
    finds(
        pmt(|section| section[12] = check_ts::AAC),
        &["not at most one video and one audio", "stream_id 0xe0 of audio", "on audio", "ADTS frame 0"],
    );
    finds(
        pmt(|section| section[19] = VIDEO as u8),
        &["PMT: PIDs [256, 256, 4096]", "PID 257 is in no table", "on PID 256 after", "on audio", "of audio", "ADTS"],
    );
    finds(|stream| stream.0[1].1.truncate(2 * 188), &["it carries nothing", "0 pictures", "no PCR in the first"]);
    finds(
        |stream| {
            let tables = stream.0[0].1.drain(..188).collect::<Vec<_>>();
            stream.insert(0, 1, &tables);
        },
        &["packet 0 is not the PAT", "packet 1 is not the PMT"],
    );
    finds(
        |stream| {
            let tables = stream.packet(0, 0).to_vec();
            stream.insert(0, 7, &tables);
            stream.recount();
        },
        &["2 packets of the PAT"],
    );
}

#[test]
fn broken_counters_are_found_within_segments_and_between_them() {
    finds(|stream| stream.packet(0, 9)[3] ^= 1, &["packet 9: continuity_counter", ": continuity_counter"]);
    for pid in [0, PMT, VIDEO, AUDIO] {
        let later = |stream: &mut Spoiled| {
            for at in stream.places(1, pid) {
                let packet = stream.packet(1, at);
                packet[3] = packet[3] & 0xf0 | ((packet[3] + 1) % 16);
            }
        };
        finds(later, &["segment 1: packet"]);
        // With a segment missing in between, the join says nothing.
        let apart = |stream: &mut Spoiled| {
            later(stream);
            stream.0[1].0 = 2;
        };
        finds(apart, &[]);
    }
    finds(
        |stream| {
            let twice = stream.packet(0, 9).to_vec();
            stream.insert(0, 10, &twice);
        },
        &["packet 10: continuity_counter", "packet 10: PCR 0 ticks", "packet 10: DTS"],
    );
}

#[test]
fn a_broken_clock_is_found() {
    let without = |count: usize| {
        move |stream: &mut Spoiled| {
            for at in stream.starts(0, VIDEO).into_iter().skip(5).take(count) {
                stream.stop_clock(0, at);
            }
        }
    };
    // Pictures are 33 ms apart.
    finds(without(2), &[]);
    finds(without(3), &["ticks after the one before"]);
    let first = |stream: &mut Spoiled| {
        let at = stream.starts(1, VIDEO)[0];
        stream.stop_clock(1, at);
    };
    finds(first, &["segment 1: no PCR in the first packet of PCR_PID"]);
    // FFmpeg's PCR is 0.7 s before decoding.
    finds(|stream| stream.pcrs(|pcr| pcr + 8_100_000), &[]);
    finds(|stream| stream.pcrs(|pcr| pcr + 21_600_000), &["ticks past the decoding"]);
    finds(|stream| stream.pcrs(|pcr| pcr + WRAP * PCR_TICKS - 10_800_000), &["ticks after its PCR"]);
    finds(|stream| stream.pcrs(|pcr| pcr / 8_100_000 * 8_100_000), &["PCR 0 ticks", "PCR 8100000 ticks"]);
    let twice = |stream: &mut Spoiled| {
        let (early, late) = (stream.starts(0, VIDEO)[0], stream.starts(1, VIDEO)[0]);
        let pcr = stream.packet(0, early)[6..12].to_vec();
        stream.packet(1, late)[6..12].copy_from_slice(&pcr);
    };
    finds(twice, &["segment 1: packet 2: PCR -", "ticks after the one before", "ticks after its PCR"]);
}

#[test]
fn broken_pes_packets_are_found() {
    finds(pes(AUDIO, 1, |bytes| bytes[2] = 2), &["no packet_start_code_prefix"]);
    finds(pes(AUDIO, 1, |bytes| bytes[6] |= 0x40), &["no marker bits 10"]);
    finds(pes(AUDIO, 1, |bytes| bytes[6] |= 0x10), &["no marker bits 10, or scrambling"]);
    finds(pes(AUDIO, 1, |bytes| bytes[7] |= 0x04), &["optional fields 000100"]);
    finds(pes(AUDIO, 1, |bytes| bytes[7] = 0x40), &["PTS_DTS_flags 01"]);
    finds(pes(AUDIO, 1, |bytes| bytes[5] ^= 1), &["PES_packet_length"]);
    finds(pes(AUDIO, 1, |bytes| bytes[4..6].fill(0)), &["PES_packet_length 0 on audio"]);
    finds(pes(AUDIO, 1, |bytes| bytes[3] = 0xbd), &["stream_id 0xbd of audio"]);
    finds(pes(VIDEO, 1, |bytes| bytes[3] = 0xc0), &["stream_id 0xc0 of video"]);
    finds(pes(VIDEO, 1, |bytes| bytes[5] = 9), &["PES_packet_length 9 for"]);
    for marker in [9, 11, 13] {
        finds(pes(AUDIO, 1, move |bytes| bytes[marker] &= !1), &["a time's marker bit is 0"]);
    }
    finds(pes(AUDIO, 1, |bytes| bytes[9] |= 0x10), &["time prefix 0011, not 0010"]);
    finds(pes(VIDEO, 1, |bytes| bytes[14] |= 0x20), &["time prefix 0011, not 0001"]);
    // The flags say that there is no time, so its bytes are stuffing.
    finds(pes(AUDIO, 1, |bytes| bytes[7] = 0), &["PES header stuffing", "no PTS"]);
    let silent = |bytes: &mut [u8]| {
        bytes[7] = 0;
        bytes[9..14].fill(0xff);
    };
    finds(pes(AUDIO, 1, silent), &["no PTS"]);
    let unmarked = |stream: &mut Spoiled| {
        let at = stream.starts(0, AUDIO)[1];
        stream.packet(0, at)[1] &= !0x40;
    };
    finds(unmarked, &["PES_packet_length", "ADTS frame", "ticks past the decoding"]);
    let headless = |stream: &mut Spoiled| {
        let at = stream.starts(0, AUDIO)[0];
        stream.packet(0, at)[1] &= !0x40;
    };
    finds(headless, &["no PES packet starts here"]);
}

#[test]
fn a_clock_that_starts_again_at_zero_is_no_fault() {
    // The 33-bit clock wraps within the first segment.
    let mut stream = good();
    for (segment, pid) in [(0, VIDEO), (0, AUDIO), (1, VIDEO), (1, AUDIO)] {
        stream.times(segment, pid, |time| time + WRAP - 300_000);
    }
    stream.pcrs(|pcr| pcr + (WRAP - 300_000) * PCR_TICKS);
    assert_eq!(stream.faults(Start::Idr), Vec::<String>::new());
    assert_eq!(check_es::gaps(&stream.0), Ok(Vec::new()));
    let times = |segments: &spoil_ts::Segments| {
        let streams = undo_ts::undo(segments).unwrap();
        let samples = streams.into_iter().flat_map(|stream| stream.samples);
        samples.map(|sample| (sample.pts, sample.dts)).collect::<Vec<_>>()
    };
    let later: Vec<_> = times(&good().0).iter().map(|(pts, dts)| (pts + 8_589_634_592, dts + 8_589_634_592)).collect();
    assert_eq!(times(&stream.0), later);
}
