//! Box writer for tests, and a driver for the probe.
#![expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::trivially_copy_pass_by_ref,
    reason = "numbers of a test are small, and box types read better without a star"
)]

/// Writes a box.
pub(super) fn atom(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

/// Writes a box with version and flags.
pub(super) fn full(kind: &[u8; 4], version: u8, flags: u32, body: &[u8]) -> Vec<u8> {
    let word = (u32::from(version) << 24) | flags;
    atom(kind, &[&word.to_be_bytes()[..], body].concat())
}

/// Writes 32-bit words.
pub(super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// `esds` with an object type and a decoder specific info.
pub(super) fn esds(object_type: u8, specific: &[u8]) -> Vec<u8> {
    let len = specific.len() as u8;
    let mut body = vec![3, 3 + 2 + 13 + 2 + len, 0, 1, 0, 4, 13 + 2 + len, object_type, 0x15];
    body.extend([0; 11]);
    body.extend([5, len]);
    body.extend(specific);
    full(b"esds", 0, 0, &body)
}

/// `avcC` of High profile, level 3.1, with one parameter set of each kind.
pub(super) fn avcc() -> Vec<u8> {
    atom(b"avcC", &[1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 2, 0x67, 0x64, 1, 0, 1, 0x68])
}

/// A visual sample entry of 320×240 with boxes.
pub(super) fn visual(kind: &[u8; 4], boxes: &[u8]) -> Vec<u8> {
    let mut body = [0, 0, 0, 0, 0, 0, 0, 1].to_vec();
    body.extend([0; 16]);
    body.extend([1, 64, 0, 240]);
    body.extend([0; 50]);
    body.extend(boxes);
    atom(kind, &body)
}

/// An audio sample entry of version 0: stereo at 44,100 Hz, with boxes.
pub(super) fn audible(kind: &[u8; 4], boxes: &[u8]) -> Vec<u8> {
    let body = [&[0, 0, 0, 0, 0, 0, 0, 1][..], &[0; 8], &[0, 2, 0, 16, 0, 0, 0, 0, 0xac, 0x44, 0, 0], boxes];
    atom(kind, &body.concat())
}

/// `mp4a` of AAC-LC.
pub(super) fn mp4a() -> Vec<u8> {
    audible(b"mp4a", &esds(0x40, &[0x12, 0x10]))
}

/// Writes a box of 32-bit fields, with version and flags 0.
pub(super) fn table(kind: &[u8; 4], fields: &[u32]) -> Vec<u8> {
    full(kind, 0, 0, &words(fields))
}

/// `stsd` with its entries.
pub(super) fn stsd(entries: &[Vec<u8>]) -> Vec<u8> {
    full(b"stsd", 0, 0, &[words(&[entries.len() as u32]), entries.concat()].concat())
}

/// One `trak`; tests change its parts before they write it.
#[derive(Debug, Clone)]
pub(super) struct Trak {
    pub(super) id: u32,
    pub(super) handler: [u8; 4],
    pub(super) timescale: u32,
    pub(super) entries: Vec<Vec<u8>>,
    /// The boxes of `stbl` behind `stsd`.
    pub(super) tables: Vec<Vec<u8>>,
    /// Boxes of `trak` before `mdia`.
    pub(super) more: Vec<u8>,
    /// Whether `tkhd` disables the track.
    pub(super) disabled: bool,
    /// alternate_group in `tkhd`; 0 for none.
    pub(super) alternate_group: u16,
}

impl Trak {
    /// H.264 at 25 frames a second: three samples of 10, 20 and 30 bytes in one chunk at `offset`.
    pub(super) fn video(offset: u32) -> Self {
        let tables = vec![
            table(b"stts", &[1, 3, 1_000]),
            table(b"ctts", &[2, 1, 0, 2, 1_000]),
            table(b"stsz", &[0, 3, 10, 20, 30]),
            table(b"stsc", &[1, 1, 3, 1]),
            table(b"stco", &[1, offset]),
            table(b"stss", &[1, 1]),
        ];
        let entries = vec![visual(b"avc1", &avcc())];
        Self {
            id: 1,
            handler: *b"vide",
            timescale: 25_000,
            entries,
            tables,
            more: Vec::new(),
            disabled: false,
            alternate_group: 0,
        }
    }

    /// AAC: two samples of 5 bytes in one chunk at `offset`.
    pub(super) fn audio(offset: u32) -> Self {
        let tables = vec![
            table(b"stts", &[1, 2, 1_024]),
            table(b"stsz", &[5, 2]),
            table(b"stsc", &[1, 1, 2, 1]),
            table(b"stco", &[1, offset]),
        ];
        Self {
            id: 2,
            handler: *b"soun",
            timescale: 44_100,
            entries: vec![mp4a()],
            tables,
            more: Vec::new(),
            disabled: false,
            alternate_group: 0,
        }
    }

    /// Removes the samples, as in the `moov` of a fragmented file.
    pub(super) fn empty(self) -> Self {
        let tables = vec![table(b"stts", &[0]), table(b"stsz", &[0, 0]), table(b"stsc", &[0]), table(b"stco", &[0])];
        Self { tables, ..self }
    }

    /// Replaces the table of the same type.
    pub(super) fn with(mut self, table: Vec<u8>) -> Self {
        self.tables.retain(|other| other[4..8] != table[4..8]);
        self.tables.push(table);
        self
    }

    /// Writes the `trak`.
    pub(super) fn print(&self) -> Vec<u8> {
        let mut tkhd = words(&[0, 0, self.id, 0, 0, 0, 0, u32::from(self.alternate_group), 0]);
        tkhd.extend(words(&[0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000, 0, 0]));
        let handler = u32::from_be_bytes(self.handler);
        let stbl = atom(b"stbl", &[stsd(&self.entries), self.tables.concat()].concat());
        let mdia = [
            table(b"mdhd", &[0, 0, self.timescale, 0, 0x15c7_0000]),
            table(b"hdlr", &[0, handler, 0, 0, 0]),
            atom(b"minf", &stbl),
        ];
        let trak = [
            full(b"tkhd", 0, if self.disabled { 2 } else { 3 }, &tkhd),
            self.more.clone(),
            atom(b"mdia", &mdia.concat()),
        ];
        atom(b"trak", &trak.concat())
    }
}

/// `ftyp` of an ISO file: 20 bytes.
pub(super) fn ftyp() -> Vec<u8> {
    atom(b"ftyp", b"isom\0\0\0\0mp42")
}

/// `moov` with boxes behind `mvhd`; the movie's timescale is milliseconds.
pub(super) fn moov(boxes: &[Vec<u8>]) -> Vec<u8> {
    let mvhd = table(b"mvhd", &[0, 0, 1_000, 0]);
    atom(b"moov", &[mvhd, boxes.concat()].concat())
}

/// Byte at which [`media_first`] puts its samples.
pub(super) const MEDIA: u32 = 28;

/// `ftyp`, an `mdat` with 70 bytes, and a `moov` with tracks.
pub(super) fn media_first(traks: &[Trak]) -> Vec<u8> {
    let traks: Vec<_> = traks.iter().map(Trak::print).collect();
    [ftyp(), atom(b"mdat", &[7; 70]), moov(&traks)].concat()
}

/// One video and one audio track.
pub(super) fn both() -> Vec<u8> {
    media_first(&[Trak::video(MEDIA), Trak::audio(MEDIA + 60)])
}

/// Parses an object with a probe, and counts the reads.
pub(super) fn drive(object: &[u8]) -> Result<(crate::media::Movie, usize), super::Error> {
    let object = bytes::Bytes::copy_from_slice(object);
    let (mut probe, mut need) = super::Probe::new(object.len() as u64)?;
    for reads in 1..10_000 {
        match probe.feed(&object.slice(need.start() as usize..need.end() as usize))? {
            super::Step::Need(next) => need = next,
            super::Step::Done(movie) => return Ok((*movie, reads)),
        }
    }
    panic!("the probe does not end")
}

/// Parses an object with a probe.
pub(super) fn movie(object: &[u8]) -> Result<crate::media::Movie, super::Error> {
    drive(object).map(|(movie, _)| movie)
}
