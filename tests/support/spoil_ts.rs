//! A correct transport stream, and ways to damage one thing in it: FFmpeg's segments of a fixture, without the service
//! description and repeated tables.

use crate::check_ts::{self, Start};
use crate::psi;
use crate::ts::{self, PCR_TICKS, SIZE, WRAP};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// FFmpeg's PIDs.
pub(crate) const PMT: u16 = 0x1000;
pub(crate) const VIDEO: u16 = 0x100;
pub(crate) const AUDIO: u16 = 0x101;

/// Segments and their numbers.
pub(crate) type Segments = Vec<(u64, Vec<u8>)>;

/// FFmpeg's segments of `file` (of the fixtures), four seconds each, made with the arguments `further`.
pub(crate) fn ffmpeg(file: &str, further: &[&str]) -> Segments {
    let folder = tempfile::tempdir().unwrap();
    let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/media").join(file);
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-i"]).arg(input).args(["-c", "copy", "-f", "hls", "-hls_time", "4"]);
    // Tables once per segment (and once more, as FFmpeg does).
    command.args(["-hls_segment_type", "mpegts", "-hls_segment_options"]);
    command.arg("pat_period=1000:sdt_period=1000").args(further);
    command.args(["-hls_list_size", "0", "-hls_segment_filename", "%d.ts", "index.m3u8"]);
    assert!(command.current_dir(folder.path()).status().unwrap().success(), "ffmpeg");
    let read = |number: u64| Some((number, std::fs::read(folder.path().join(format!("{number}.ts"))).ok()?));
    (0..).map_while(read).collect()
}

/// Two segments of [`ffmpeg`] that break no rule.
pub(crate) fn good() -> Spoiled {
    static GOOD: OnceLock<Segments> = OnceLock::new();
    let made = || {
        let mut good = Spoiled(ffmpeg("moov-at-end.mp4", &[]));
        good.0.truncate(2);
        for segment in 0..good.0.len() {
            good.tidy(segment);
        }
        good.recount();
        good.0
    };
    Spoiled(GOOD.get_or_init(made).clone())
}

/// Segments that can be changed byte by byte.
#[derive(Debug, Clone)]
pub(crate) struct Spoiled(pub(crate) Segments);

impl Spoiled {
    /// The checker's findings.
    pub(crate) fn faults(&self, start: Start) -> Vec<String> {
        check_ts::check(&self.0, |_| start)
    }

    /// Numbers of the packets of `pid` in a segment.
    pub(crate) fn places(&self, segment: usize, pid: u16) -> Vec<usize> {
        let packets = ts::parse(&self.0[segment].1).unwrap();
        packets.iter().filter(|packet| packet.pid == pid).map(|packet| packet.at).collect()
    }

    /// Numbers of the packets in which PES packets of `pid` start.
    pub(crate) fn starts(&self, segment: usize, pid: u16) -> Vec<usize> {
        let packets = ts::parse(&self.0[segment].1).unwrap();
        packets.iter().filter(|packet| packet.pid == pid && packet.pusi).map(|packet| packet.at).collect()
    }

    pub(crate) fn packet(&mut self, segment: usize, at: usize) -> &mut [u8] {
        &mut self.0[segment].1[at * SIZE..(at + 1) * SIZE]
    }

    /// The bytes of a packet after its adaptation field.
    pub(crate) fn payload(&mut self, segment: usize, at: usize) -> &mut [u8] {
        let packet = self.packet(segment, at);
        let start = if packet[3] & 0x20 == 0 { 4 } else { 5 + usize::from(packet[4]) };
        &mut packet[start..]
    }

    /// The bytes of a packet from `mark` in its payload on.
    pub(crate) fn from(&mut self, segment: usize, at: usize, mark: &[u8]) -> &mut [u8] {
        let payload = self.payload(segment, at);
        let place = payload.windows(mark.len()).position(|window| window == mark).unwrap();
        &mut payload[place..]
    }

    pub(crate) fn insert(&mut self, segment: usize, at: usize, packet: &[u8]) {
        self.0[segment].1.splice(at * SIZE..at * SIZE, packet.iter().copied());
    }

    /// A packet without payload whose PCR is a tick later than that of the packet at `at`, to insert after it.
    pub(crate) fn clock_only(&mut self, segment: usize, at: usize, pid: u16) -> Vec<u8> {
        let like = self.packet(segment, at).to_vec();
        let mut packet = [
            &[0x47, like[1] & 0xa0 | (pid >> 8) as u8, pid as u8, 0x20 | like[3] & 0x0f, 183, 0x10],
            &like[6..12],
            &[0xff; 176],
        ]
        .concat();
        packet[11] += 1;
        packet
    }

    /// Edits a section and corrects its CRC.
    pub(crate) fn section(&mut self, segment: usize, at: usize, edit: impl FnOnce(&mut [u8])) {
        let payload = self.payload(segment, at);
        let end = 1 + 3 + usize::from(payload[3]);
        edit(&mut payload[1..end]);
        let crc = psi::crc(&payload[1..end - 4]);
        payload[end - 4..end].copy_from_slice(&crc.to_be_bytes());
    }

    /// Removes all tables but one PAT and one PMT.
    fn tidy(&mut self, segment: usize) {
        let mut seen = Vec::new();
        let (number, bytes) = self.0[segment].clone();
        let packets = ts::parse(&bytes).unwrap();
        let kept = packets.iter().filter(|packet| match packet.pid {
            0 | PMT => {
                seen.push(packet.pid);
                seen.iter().filter(|&&pid| pid == packet.pid).count() == 1
            }
            pid => pid == VIDEO || pid == AUDIO,
        });
        let kept = kept.flat_map(|packet| bytes[packet.at * SIZE..(packet.at + 1) * SIZE].iter().copied());
        self.0[segment] = (number, kept.collect());
    }

    /// Corrects all continuity counters.
    pub(crate) fn recount(&mut self) {
        let mut counters: BTreeMap<[u8; 2], u8> = BTreeMap::new();
        for packet in self.0.iter_mut().flat_map(|(_, bytes)| bytes.chunks_exact_mut(SIZE)) {
            let counter = counters.entry([packet[1] & 0x1f, packet[2]]).or_insert(15);
            *counter = (*counter + (packet[3] >> 4 & 1)) % 16;
            packet[3] = packet[3] & 0xf0 | *counter;
        }
    }

    /// Edits each PCR, in ticks of 27 MHz.
    pub(crate) fn pcrs(&mut self, edit: impl Fn(u64) -> u64) {
        for packet in self.0.iter_mut().flat_map(|(_, bytes)| bytes.chunks_exact_mut(SIZE)) {
            if packet[3] & 0x20 != 0 && packet[4] > 0 && packet[5] & 0x10 != 0 {
                let field = packet[6..12].iter().fold(0_u64, |field, &byte| field << 8 | u64::from(byte));
                let pcr = edit((field >> 15) * PCR_TICKS + (field & 0x1ff)) % (WRAP * PCR_TICKS);
                let field = (pcr / PCR_TICKS) << 15 | 0x3f << 9 | (pcr % PCR_TICKS);
                packet[6..12].copy_from_slice(&field.to_be_bytes()[2..]);
            }
        }
    }

    /// Removes the PCR from a packet.
    pub(crate) fn stop_clock(&mut self, segment: usize, at: usize) {
        let packet = self.packet(segment, at);
        packet[5] &= !0x10;
        packet[6..12].fill(0xff);
    }

    /// Edits the PTS and DTS of the PES packets of `pid` in a segment (only the PTS if there is no DTS).
    pub(crate) fn times(&mut self, segment: usize, pid: u16, edit: impl Fn(u64) -> u64) {
        for at in self.starts(segment, pid) {
            let payload = self.payload(segment, at);
            let count = usize::from(payload[8]) / 5;
            for field in payload[9..].chunks_exact_mut(5).take(count) {
                let bits = field.iter().fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
                let time = (bits >> 33 & 7) << 30 | (bits >> 17 & 0x7fff) << 15 | bits >> 1 & 0x7fff;
                write_time(field, edit(time) % WRAP);
            }
        }
    }
}

/// Overwrites a time; its prefix stays.
pub(crate) fn write_time(field: &mut [u8], time: u64) {
    let bits = u64::from(field[0] >> 4) << 36 | (time >> 30) << 33 | (time >> 15 & 0x7fff) << 17 | (time & 0x7fff) << 1;
    field.copy_from_slice(&(bits | 0x01_0001_0001).to_be_bytes()[3..]);
}

/// Asserts that the checker finds the damage of `spoil`: each finding contains one of `words`, and each of `words`
/// occurs.
pub(crate) fn finds(spoil: impl FnOnce(&mut Spoiled), words: &[&str]) {
    finds_at(Start::Idr, spoil, words);
}

pub(crate) fn finds_at(start: Start, spoil: impl FnOnce(&mut Spoiled), words: &[&str]) {
    let mut stream = good();
    spoil(&mut stream);
    let found = stream.faults(start);
    let said = |word: &&&str| found.iter().any(|fault| fault.contains(**word));
    let unsaid: Vec<_> = words.iter().filter(|word| !said(word)).collect();
    let other: Vec<_> = found.iter().filter(|fault| !words.iter().any(|word| fault.contains(word))).collect();
    assert!(unsaid.is_empty() && other.is_empty(), "not said: {unsaid:?}; said besides: {other:#?}");
}

/// Applies `edit` to the `number`th PES packet of `pid` in the first segment, from its start code on.
pub(crate) fn pes(pid: u16, number: usize, edit: impl FnOnce(&mut [u8])) -> impl FnOnce(&mut Spoiled) {
    move |stream| {
        let at = stream.starts(0, pid)[number];
        edit(stream.payload(0, at));
    }
}

/// Overwrites the bytes `after` bytes after `mark` in the first packet of the `number`th PES packet of `pid` in the
/// second segment (the first segment starts with the encoder's message).
pub(crate) fn write<'a>(
    pid: u16,
    number: usize,
    mark: &'a [u8],
    after: usize,
    to: &'a [u8],
) -> impl FnOnce(&mut Spoiled) + 'a {
    move |stream| {
        let at = stream.starts(1, pid)[number];
        stream.from(1, at, mark)[after..after + to.len()].copy_from_slice(to);
    }
}
