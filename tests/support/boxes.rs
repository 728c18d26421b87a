//! An independent reader of ISO BMFF files (ISO/IEC 14496-12): bytes in, sample tables out. It shares no code with the
//! server. Times stay in ticks; anything it cannot read is an `Err` that says where.

/// A fault, in words.
pub(crate) type Fault = String;

/// One box: its four characters, where it starts in its file, its header's length, its payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell<'a> {
    pub(crate) kind: [u8; 4],
    pub(crate) at: usize,
    pub(crate) header: usize,
    pub(crate) payload: &'a [u8],
}

impl Cell<'_> {
    pub(crate) fn end(&self) -> usize {
        self.at + self.header + self.payload.len()
    }

    pub(crate) fn name(&self) -> String {
        String::from_utf8_lossy(&self.kind).into_owned()
    }
}

/// The boxes that fill `bytes`, whose first byte is byte `base` of the file. If `cut`, a last box that overruns is cut
/// short, as stored files may have one; in a server's response it is a fault.
fn walk(bytes: &[u8], base: usize, cut: bool) -> Result<Vec<Cell<'_>>, Fault> {
    let (mut cells, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let mut fields = Fields(&bytes[at..]);
        let small = fields.u32()?;
        let kind: [u8; 4] = fields.take(4)?.try_into().map_err(|_| "a box without a type")?;
        let (header, size) = match small {
            0 => (8, bytes.len() - at),
            1 => (16, usize::try_from(fields.u64()?).map_err(|_| "a box size past all files")?),
            _ => (8, usize::try_from(small).map_err(|_| "a box size past all files")?),
        };
        let end = at.saturating_add(size);
        if size < header || (end > bytes.len() && !cut) {
            return Err(format!("box {:?} at {} claims {size} bytes", String::from_utf8_lossy(&kind), base + at));
        }
        let end = end.min(bytes.len());
        cells.push(Cell { kind, at: base + at, header, payload: &bytes[at + header..end] });
        at = end;
    }
    Ok(cells)
}

/// The boxes of a response, which must fill it exactly.
pub(crate) fn boxes(bytes: &[u8]) -> Result<Vec<Cell<'_>>, Fault> {
    walk(bytes, 0, false)
}

/// The boxes inside `cell`.
pub(crate) fn children<'a>(cell: &Cell<'a>) -> Result<Vec<Cell<'a>>, Fault> {
    // QuickTime ends some containers with four zero bytes.
    let payload = match cell.payload {
        [head @ .., 0, 0, 0, 0] if &cell.kind == b"udta" => head,
        all => all,
    };
    walk(payload, cell.at + cell.header, false)
}

/// The box at `path` below `cell`, if there is one.
pub(crate) fn find<'a>(cell: &Cell<'a>, path: &[&[u8; 4]]) -> Result<Option<Cell<'a>>, Fault> {
    let Some((first, rest)) = path.split_first() else { return Ok(Some(*cell)) };
    match children(cell)?.into_iter().find(|child| child.kind == **first) {
        Some(child) => find(&child, rest),
        None => Ok(None),
    }
}

/// The box at `path` below `cell`.
pub(crate) fn need<'a>(cell: &Cell<'a>, path: &[&[u8; 4]]) -> Result<Cell<'a>, Fault> {
    let name = || path.iter().map(|kind| String::from_utf8_lossy(*kind)).collect::<Vec<_>>().join("/");
    find(cell, path)?.ok_or_else(|| format!("{} at {} has no {}", cell.name(), cell.at, name()))
}

/// Big-endian fields, read in order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (head, rest) = self.0.split_at_checked(count).ok_or("a box ends inside a field")?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| "a box ends inside a field".into())
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Fault> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Fault> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Fault> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// Version and flags of a full box.
    pub(crate) fn full(&mut self) -> Result<(u8, u32), Fault> {
        let word = self.u32()?;
        Ok((word.to_be_bytes()[0], word & 0x00ff_ffff))
    }

    /// 64 bits in version 1, else 32.
    pub(crate) fn wide(&mut self, version: u8) -> Result<u64, Fault> {
        if version == 1 { self.u64() } else { self.u32().map(u64::from) }
    }
}

/// One entry of an edit list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edit {
    /// In ticks of the movie's timescale.
    pub(crate) duration: u64,
    /// In ticks of the track's timescale; −1 is an empty edit.
    pub(crate) media_time: i64,
}

/// One sample, from sample tables or fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) at: u64,
    pub(crate) size: u32,
    pub(crate) dts: i64,
    pub(crate) duration: u32,
    pub(crate) offset: i64,
    pub(crate) sync: bool,
}

/// Defaults of a track's fragments (`trex`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Defaults {
    pub(crate) duration: u32,
    pub(crate) size: u32,
    pub(crate) flags: u32,
}

/// One track of a movie.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    pub(crate) id: u32,
    pub(crate) handler: [u8; 4],
    pub(crate) timescale: u32,
    pub(crate) edits: Vec<Edit>,
    /// Durations in `mvhd`, `tkhd` and `mdhd`.
    pub(crate) durations: [u64; 3],
    /// Width and height in `tkhd`, in whole pixels.
    pub(crate) size: (u32, u32),
    /// The whole first sample entry.
    pub(crate) entry: Vec<u8>,
    /// Number of entries in `stts`, `stsc`, `stsz` and `stco`: 0 in a CMAF header.
    pub(crate) table_entries: u64,
    pub(crate) trex: Option<Defaults>,
    pub(crate) samples: Vec<Sample>,
}

/// A movie header and its tracks.
#[derive(Debug, Clone)]
pub(crate) struct Movie {
    pub(crate) brands: Vec<String>,
    pub(crate) timescale: u32,
    pub(crate) fragmented: bool,
    pub(crate) tracks: Vec<Track>,
}

impl Movie {
    /// Reads a whole file: tables, and fragments if it has any.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let cells = walk(bytes, 0, true)?;
        let moov = cells.iter().find(|cell| &cell.kind == b"moov").ok_or("no moov")?;
        let mut movie = Self::header(moov)?;
        movie.brands = cells.iter().find(|cell| &cell.kind == b"ftyp").map(brands).transpose()?.unwrap_or_default();
        for moof in cells.iter().filter(|cell| &cell.kind == b"moof") {
            movie.append(&Fragment::read(moof, &movie.tracks)?);
        }
        Ok(movie)
    }

    fn header(moov: &Cell<'_>) -> Result<Self, Fault> {
        let mut mvhd = Fields(need(moov, &[b"mvhd"])?.payload);
        let (version, _) = mvhd.full()?;
        mvhd.take(if version == 1 { 16 } else { 8 })?;
        let (timescale, duration) = (mvhd.u32()?, mvhd.wide(version)?);
        let mvex = find(moov, &[b"mvex"])?;
        let mut tracks = Vec::new();
        for trak in children(moov)?.iter().filter(|cell| &cell.kind == b"trak") {
            let mut track = track(trak, duration)?;
            track.trex = match &mvex {
                Some(mvex) => trex(mvex, track.id)?,
                None => None,
            };
            tracks.push(track);
        }
        Ok(Self { brands: Vec::new(), timescale, fragmented: mvex.is_some(), tracks })
    }

    fn append(&mut self, fragment: &Fragment) {
        for run in &fragment.runs {
            let Some(track) = self.tracks.iter_mut().find(|track| track.id == run.track) else { continue };
            let next = track.samples.last().map_or(0, |last| last.dts + i64::from(last.duration));
            let mut dts = run.tfdt.map_or(next, |tfdt| i64::try_from(tfdt).unwrap_or(i64::MAX));
            for sample in &run.samples {
                track.samples.push(Sample { dts, ..*sample });
                dts += i64::from(sample.duration);
            }
        }
    }

    /// The shift of `track`'s presentation times against its composition times, in its ticks, according to its edits.
    /// `None` if the edits are not a single shift. The remainder is a rounding below one tick.
    pub(crate) fn shift(&self, track: &Track) -> Option<i64> {
        let to_track = |ticks: u64| {
            let scaled = i128::from(ticks) * i128::from(track.timescale);
            let movie = i128::from(self.timescale.max(1));
            i64::try_from((scaled + movie / 2).div_euclid(movie)).ok()
        };
        let (mut empty, mut first, mut next) = (0, None, None);
        for edit in &track.edits {
            let duration = to_track(edit.duration)?;
            match (edit.media_time, first) {
                (-1, None) => empty += duration,
                (-1, Some(_)) => return None,
                (start, None) => (first, next) = (Some(start), Some(start + duration)),
                (start, Some(_)) if next.is_some_and(|next: i64| next.abs_diff(start) <= 1) => {
                    next = Some(start + duration);
                }
                (_, Some(_)) => return None,
            }
        }
        Some(empty - first.unwrap_or(0))
    }
}

pub(crate) fn brands(cell: &Cell<'_>) -> Result<Vec<String>, Fault> {
    let word = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (major, rest) = cell.payload.split_at_checked(8).ok_or("a file type box without brands")?;
    Ok(std::iter::once(word(&major[..4])).chain(rest.chunks_exact(4).map(word)).collect())
}

fn trex(mvex: &Cell<'_>, track: u32) -> Result<Option<Defaults>, Fault> {
    for cell in children(mvex)?.iter().filter(|cell| &cell.kind == b"trex") {
        let mut fields = Fields(cell.payload);
        fields.full()?;
        let id = fields.u32()?;
        fields.u32()?;
        if id == track {
            return Ok(Some(Defaults { duration: fields.u32()?, size: fields.u32()?, flags: fields.u32()? }));
        }
    }
    Ok(None)
}

fn track(trak: &Cell<'_>, movie_duration: u64) -> Result<Track, Fault> {
    let mut tkhd = Fields(need(trak, &[b"tkhd"])?.payload);
    let (version, _) = tkhd.full()?;
    tkhd.take(if version == 1 { 16 } else { 8 })?;
    let id = tkhd.u32()?;
    tkhd.u32()?;
    let track_duration = tkhd.wide(version)?;
    tkhd.take(8 + 8 + 36)?;
    let size = (tkhd.u32()? >> 16, tkhd.u32()? >> 16);
    let mut mdhd = Fields(need(trak, &[b"mdia", b"mdhd"])?.payload);
    let (version, _) = mdhd.full()?;
    mdhd.take(if version == 1 { 16 } else { 8 })?;
    let (timescale, media_duration) = (mdhd.u32()?, mdhd.wide(version)?);
    let handler = need(trak, &[b"mdia", b"hdlr"])?.payload.get(8..12).and_then(|kind| kind.try_into().ok());
    let stbl = need(trak, &[b"mdia", b"minf", b"stbl"])?;
    let stsd = need(&stbl, &[b"stsd"])?.payload;
    let entry = walk(stsd.get(8..).unwrap_or_default(), 0, true)?
        .first()
        .map(|cell| stsd[8..8 + cell.end()].to_vec())
        .unwrap_or_default();
    let tables = Tables::read(&stbl)?;
    Ok(Track {
        id,
        handler: handler.ok_or("hdlr is too short")?,
        timescale,
        edits: edits(trak)?,
        durations: [movie_duration, track_duration, media_duration],
        size,
        entry,
        table_entries: tables.entries(),
        trex: None,
        samples: tables.samples()?,
    })
}

fn edits(trak: &Cell<'_>) -> Result<Vec<Edit>, Fault> {
    let Some(elst) = find(trak, &[b"edts", b"elst"])? else { return Ok(Vec::new()) };
    let mut fields = Fields(elst.payload);
    let (version, _) = fields.full()?;
    (0..fields.u32()?)
        .map(|_| {
            let duration = fields.wide(version)?;
            let media_time = if version == 1 { fields.i64()? } else { fields.i32()?.into() };
            fields.u32()?;
            Ok(Edit { duration, media_time })
        })
        .collect()
}

/// The sample tables of a track, as stored.
#[derive(Debug, Default)]
struct Tables {
    stts: Vec<(u32, u32)>,
    ctts: Vec<(u32, i32)>,
    stsc: Vec<(u32, u32)>,
    sizes: Vec<u32>,
    chunks: Vec<u64>,
    stss: Option<Vec<u32>>,
}

impl Tables {
    fn read(stbl: &Cell<'_>) -> Result<Self, Fault> {
        let mut tables = Self::default();
        for cell in children(stbl)? {
            let mut fields = Fields(cell.payload);
            match &cell.kind {
                b"stts" => tables.stts = pairs(&mut fields, |fields| Ok((fields.u32()?, fields.u32()?)))?,
                b"ctts" => tables.ctts = pairs(&mut fields, |fields| Ok((fields.u32()?, fields.i32()?)))?,
                b"stsc" => tables.stsc = pairs(&mut fields, chunk_run)?,
                b"stco" => tables.chunks = pairs(&mut fields, |fields| fields.u32().map(u64::from))?,
                b"co64" => tables.chunks = pairs(&mut fields, Fields::u64)?,
                b"stss" => tables.stss = Some(pairs(&mut fields, Fields::u32)?),
                b"stsz" => tables.sizes = sizes(&mut fields)?,
                _ => {}
            }
        }
        Ok(tables)
    }

    fn entries(&self) -> u64 {
        [self.stts.len(), self.stsc.len(), self.sizes.len(), self.chunks.len()].iter().map(|&n| n as u64).sum()
    }

    fn samples(&self) -> Result<Vec<Sample>, Fault> {
        let mut durations = self.stts.iter().flat_map(|&(count, value)| (0..count).map(move |_| value));
        let mut offsets = self.ctts.iter().flat_map(|&(count, value)| (0..count).map(move |_| value));
        let (mut samples, mut dts) = (Vec::new(), 0);
        let mut places = self.places();
        for (number, &size) in (1..).zip(&self.sizes) {
            let duration = durations.next().ok_or("stts is shorter than stsz")?;
            let at = places.place(size).ok_or("stsc and stco hold fewer samples than stsz")?;
            let sync = self.stss.as_ref().is_none_or(|stss| stss.binary_search(&number).is_ok());
            let offset = offsets.next().unwrap_or(0).into();
            samples.push(Sample { at, size, dts, duration, offset, sync });
            dts += i64::from(duration);
        }
        Ok(samples)
    }

    fn places(&self) -> Places<'_> {
        Places { tables: self, chunk: 0, left: 0, at: 0 }
    }
}

/// The offsets of samples, in order.
struct Places<'a> {
    tables: &'a Tables,
    chunk: usize,
    left: u32,
    at: u64,
}

impl Places<'_> {
    fn place(&mut self, size: u32) -> Option<u64> {
        while self.left == 0 {
            self.at = *self.tables.chunks.get(self.chunk)?;
            self.chunk += 1;
            let run =
                self.tables.stsc.iter().rev().find(|(first, _)| usize::try_from(*first).is_ok_and(|n| n <= self.chunk));
            self.left = run?.1;
        }
        let at = self.at;
        self.left -= 1;
        self.at += u64::from(size);
        Some(at)
    }
}

/// First chunk and samples per chunk; the description index is not used.
fn chunk_run(fields: &mut Fields<'_>) -> Result<(u32, u32), Fault> {
    let run = (fields.u32()?, fields.u32()?);
    fields.u32()?;
    Ok(run)
}

fn pairs<'a, T>(fields: &mut Fields<'a>, one: impl Fn(&mut Fields<'a>) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
    fields.full()?;
    (0..fields.u32()?).map(|_| one(fields)).collect()
}

fn sizes(fields: &mut Fields<'_>) -> Result<Vec<u32>, Fault> {
    fields.full()?;
    let (all, count) = (fields.u32()?, fields.u32()?);
    (0..count).map(|_| if all == 0 { fields.u32() } else { Ok(all) }).collect()
}

/// Contents of a `moof`.
#[derive(Debug, Clone)]
pub(crate) struct Fragment {
    pub(crate) at: usize,
    pub(crate) end: usize,
    pub(crate) sequence: u32,
    pub(crate) runs: Vec<Run>,
}

/// Contents of a `traf`, with its `trun`s joined.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) track: u32,
    pub(crate) tfhd_flags: u32,
    pub(crate) tfdt: Option<u64>,
    pub(crate) trun_versions: Vec<u8>,
    pub(crate) samples: Vec<Sample>,
}

impl Fragment {
    /// Reads `moof`; `tracks` hold the defaults. Sample times count from the fragment's start.
    pub(crate) fn read(moof: &Cell<'_>, tracks: &[Track]) -> Result<Self, Fault> {
        let mut mfhd = Fields(need(moof, &[b"mfhd"])?.payload);
        mfhd.full()?;
        let sequence = mfhd.u32()?;
        let (mut runs, mut next) = (Vec::new(), moof.at as u64);
        for traf in children(moof)?.iter().filter(|cell| &cell.kind == b"traf") {
            let run = traf_run(traf, (moof.at as u64, next), tracks)?;
            next = run.samples.last().map_or(next, |last| last.at + u64::from(last.size));
            runs.push(run);
        }
        Ok(Self { at: moof.at, end: moof.end(), sequence, runs })
    }
}

fn traf_run(traf: &Cell<'_>, (moof, next): (u64, u64), tracks: &[Track]) -> Result<Run, Fault> {
    let mut tfhd = Fields(need(traf, &[b"tfhd"])?.payload);
    let (_, flags) = tfhd.full()?;
    let id = tfhd.u32()?;
    let mut defaults = tracks.iter().find(|track| track.id == id).and_then(|track| track.trex).unwrap_or_default();
    // ISO/IEC 14496-12 §8.8.7.1: an explicit base, or the moof, or the end of the previous traf.
    let mut base = if flags & 0x02_0000 != 0 || next == moof { moof } else { next };
    if flags & 0x01 != 0 {
        base = tfhd.u64()?;
    }
    if flags & 0x02 != 0 {
        tfhd.u32()?;
    }
    for (bit, field) in [(0x08, &mut defaults.duration), (0x10, &mut defaults.size), (0x20, &mut defaults.flags)] {
        if flags & bit != 0 {
            *field = tfhd.u32()?;
        }
    }
    let tfdt = match find(traf, &[b"tfdt"])? {
        Some(cell) => {
            let mut fields = Fields(cell.payload);
            let (version, _) = fields.full()?;
            Some(fields.wide(version)?)
        }
        None => None,
    };
    let mut run = Run { track: id, tfhd_flags: flags, tfdt, trun_versions: Vec::new(), samples: Vec::new() };
    for trun in children(traf)?.iter().filter(|cell| &cell.kind == b"trun") {
        read_trun(trun, base, &defaults, &mut run)?;
    }
    Ok(run)
}

fn read_trun(trun: &Cell<'_>, base: u64, defaults: &Defaults, run: &mut Run) -> Result<(), Fault> {
    let mut fields = Fields(trun.payload);
    let (version, flags) = fields.full()?;
    run.trun_versions.push(version);
    let count = fields.u32()?;
    let mut at = run.samples.last().map_or(base, |last| last.at + u64::from(last.size));
    if flags & 0x01 != 0 {
        at = base.checked_add_signed(fields.i32()?.into()).ok_or("a data offset before the file")?;
    }
    let first_flags = if flags & 0x04 != 0 { Some(fields.u32()?) } else { None };
    let mut dts = run.samples.last().map_or(0, |last| last.dts + i64::from(last.duration));
    for number in 0..count {
        let duration = if flags & 0x100 != 0 { fields.u32()? } else { defaults.duration };
        let size = if flags & 0x200 != 0 { fields.u32()? } else { defaults.size };
        let default = first_flags.filter(|_| number == 0).unwrap_or(defaults.flags);
        let bits = if flags & 0x400 != 0 { fields.u32()? } else { default };
        let offset = match (flags & 0x800 != 0, version) {
            (false, _) => 0,
            (true, 0) => fields.u32()?.into(),
            (true, _) => fields.i32()?.into(),
        };
        run.samples.push(Sample { at, size, dts, duration, offset, sync: bits & 0x1_0000 == 0 });
        at += u64::from(size);
        dts += i64::from(duration);
    }
    Ok(())
}
