//! A small correct site made by hand (H.264 and AAC, two segments each), on which to test checkers, whole and damaged.

use crate::presentation::Presentation;
use std::collections::BTreeMap;

/// Parameters of the site; [`Plan::good`] breaks no rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Composition offset of the first picture.
    pub(crate) offset: i32,
    /// Whether segments start with a sample marked sync.
    pub(crate) sync: bool,
    /// Whether segments start with an IDR picture.
    pub(crate) idr: bool,
    /// Bytes after the last sample in each mdat.
    pub(crate) unused: usize,
}

impl Plan {
    pub(crate) fn good() -> Self {
        Self { offset: 0, sync: true, idr: true, unused: 0 }
    }

    pub(crate) fn site(self) -> Site {
        let mut files = BTreeMap::new();
        for (track, folder) in [(VIDEO, "v1"), (AUDIO, "a2")] {
            files.insert(format!("{folder}/init.mp4"), init(&track));
            for number in [1, 2] {
                files.insert(format!("{folder}/{number}.m4s"), segment(&track, number, self));
            }
            files.insert(format!("{folder}/index.m3u8"), playlist(&track).into_bytes());
        }
        let rate = |folder: &str| {
            let size = |number: u32| files[&format!("{folder}/{number}.m4s")].len() as u64 * 8;
            (size(1).max(size(2)) / 2 + 8, u64::midpoint(size(1), size(2)) / 2)
        };
        let (video, audio) = (rate("v1"), rate("a2"));
        files.insert("index.m3u8".into(), multivariant(video.0 + audio.0, video.1 + audio.1).into_bytes());
        files.insert("index.mpd".into(), mpd(video.0, audio.0).into_bytes());
        Site(files)
    }
}

/// The correct site.
pub(crate) fn site() -> Site {
    Plan::good().site()
}

/// Files by their path below an asset's root.
#[derive(Debug, Clone)]
pub(crate) struct Site(BTreeMap<String, Vec<u8>>);

impl Site {
    pub(crate) fn load(&self) -> Result<Presentation, String> {
        Presentation::load(&|uri| self.0.get(uri).cloned().ok_or_else(|| format!("{uri} is not there")))
    }

    pub(crate) fn text(&self, file: &str) -> String {
        String::from_utf8_lossy(&self.0[file]).into_owned()
    }

    pub(crate) fn edit(&mut self, file: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        edit(self.0.get_mut(file).unwrap());
    }

    pub(crate) fn remove(&mut self, file: &str) {
        self.0.remove(file).unwrap();
    }

    /// Replaces the first `from` by `to`.
    pub(crate) fn swap(&mut self, file: &str, from: &[u8], to: &[u8]) {
        self.edit(file, |bytes| {
            let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
            bytes.splice(at..at + from.len(), to.iter().copied());
        });
    }

    /// Adds one to the byte `after` bytes after the start of `mark`.
    pub(crate) fn bump(&mut self, file: &str, mark: &[u8], after: usize) {
        self.edit(file, |bytes| {
            let at = bytes.windows(mark.len()).position(|window| window == mark).unwrap();
            bytes[at + after] = bytes[at + after].wrapping_add(1);
        });
    }

    /// Replaces the first `from` by `to` in a text.
    pub(crate) fn say(&mut self, file: &str, from: &str, to: &str) {
        self.swap(file, from.as_bytes(), to.as_bytes());
    }

    /// Multiplies the number after `mark` by `by`.
    pub(crate) fn say_rate(&mut self, file: &str, mark: &str, by: f64) {
        let text = self.text(file);
        let (head, tail) = text.split_once(mark).unwrap();
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap();
        let number = tail[..end].parse::<f64>().unwrap() * by;
        self.0.insert(file.into(), format!("{head}{mark}{number:.0}{}", &tail[end..]).into_bytes());
    }
}

#[derive(Debug, Clone, Copy)]
struct Track {
    id: u32,
    timescale: u32,
    /// Ticks per sample, and number of samples in each of the two segments.
    tick: u32,
    counts: [u32; 2],
    video: bool,
}

const VIDEO: Track = Track { id: 1, timescale: 1_000, tick: 200, counts: [10, 10], video: true };
const AUDIO: Track = Track { id: 2, timescale: 48_000, tick: 1_024, counts: [94, 94], video: false };

impl Track {
    /// Start of segment `number` in ticks; 3 gives the end.
    fn start(&self, number: u32) -> u32 {
        let before: u32 = self.counts.iter().take(number as usize - 1).sum();
        10 * self.timescale + before * self.tick
    }

    fn seconds(&self, number: u32) -> f64 {
        f64::from(self.start(number + 1) - self.start(number)) / f64::from(self.timescale)
    }
}

fn cell(kind: [u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let payload = parts.concat();
    [&(payload.len() as u32 + 8).to_be_bytes()[..], &kind, &payload].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn init(track: &Track) -> Vec<u8> {
    let unity = words(&[0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]);
    let mvhd = cell(
        *b"mvhd",
        &[&words(&[0, 0, 0, track.timescale, 0, 0x1_0000, 0x0100_0000, 0, 0]), &unity, &[0; 24], &words(&[3])],
    );
    let size = if track.video { [320 << 16, 180 << 16] } else { [0, 0] };
    let tkhd = cell(*b"tkhd", &[&words(&[7, 0, 0, track.id, 0, 0, 0, 0, 0, 0]), &unity, &words(&size)]);
    let edts = cell(*b"edts", &[&cell(*b"elst", &[&words(&[0, 1, 0, 0, 0x1_0000])])]);
    let mdhd = cell(*b"mdhd", &[&words(&[0, 0, 0, track.timescale, 0, 0x55c4_0000])]);
    let handler: &[u8; 4] = if track.video { b"vide" } else { b"soun" };
    let hdlr = cell(*b"hdlr", &[&words(&[0, 0]), handler, &[0; 13]]);
    let header = if track.video { cell(*b"vmhd", &[&words(&[1, 0, 0])]) } else { cell(*b"smhd", &[&words(&[0, 0])]) };
    let dref = cell(*b"dref", &[&words(&[0, 1]), &cell(*b"url ", &[&words(&[1])])]);
    let stsd = cell(*b"stsd", &[&words(&[0, 1]), &entry(track)]);
    let empty: Vec<u8> = [b"stts", b"stsc", b"stco"].iter().flat_map(|kind| cell(**kind, &[&words(&[0, 0])])).collect();
    let stbl = cell(*b"stbl", &[&stsd, &empty, &cell(*b"stsz", &[&words(&[0, 0, 0])])]);
    let minf = cell(*b"minf", &[&header, &cell(*b"dinf", &[&dref]), &stbl]);
    let trak = cell(*b"trak", &[&tkhd, &edts, &cell(*b"mdia", &[&mdhd, &hdlr, &minf])]);
    let mvex = cell(*b"mvex", &[&cell(*b"trex", &[&words(&[0, track.id, 1, 0, 0, 0])])]);
    [cell(*b"ftyp", &[b"cmfc", &words(&[0]), b"cmfc", b"iso6", b"mp41"]), cell(*b"moov", &[&mvhd, &trak, &mvex])]
        .concat()
}

fn entry(track: &Track) -> Vec<u8> {
    if track.video {
        let avcc = cell(*b"avcC", &[&[1, 0x42, 0xc0, 0x1e, 0xff, 0xe0, 0]]);
        let size = [0x01, 0x40, 0x00, 0xb4];
        return cell(
            *b"avc1",
            &[
                &words(&[0, 1, 0, 0, 0, 0]),
                &size,
                &words(&[0x48_0000, 0x48_0000, 0]),
                &[0, 1],
                &[0; 32],
                &[0, 0x18, 0xff, 0xff],
                &avcc,
            ],
        );
    }
    let esds = [3, 0x19, 0, 2, 0, 4, 0x11, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 2, 0x11, 0x90, 6, 1, 2];
    cell(
        *b"mp4a",
        &[
            &words(&[0, 1, 0, 0]),
            &[0, 2, 0, 16, 0, 0, 0, 0],
            &words(&[48_000 << 16]),
            &cell(*b"esds", &[&words(&[0]), &esds]),
        ],
    )
}

fn segment(track: &Track, number: u32, plan: Plan) -> Vec<u8> {
    let (mut run, mut payload) = (Vec::new(), Vec::new());
    for sample in 0..track.counts[number as usize - 1] {
        let first = sample == 0 && track.video;
        let kind = if first && plan.idr { 0x65 } else { 0x41 };
        let data =
            if track.video { vec![0, 0, 0, 3, kind, sample as u8, 7] } else { vec![0x21, sample as u8, number as u8] };
        let sync = !track.video || first && plan.sync;
        let offset = if first { plan.offset } else { 0 };
        run.extend(words(&[data.len() as u32, if sync { 0x0200_0000 } else { 0x0101_0000 }]));
        run.extend(offset.to_be_bytes());
        payload.extend(data);
    }
    payload.extend(vec![0; plan.unused]);
    let version = if plan.offset < 0 { 0x0100_0e01 } else { 0x0e01 };
    let moof = |data: u32| {
        let trun = cell(*b"trun", &[&words(&[version, track.counts[number as usize - 1], data]), &run]);
        let tfhd = cell(*b"tfhd", &[&words(&[0x02_0008, track.id, track.tick])]);
        let tfdt = cell(*b"tfdt", &[&words(&[0x0100_0000, 0, track.start(number)])]);
        cell(*b"moof", &[&cell(*b"mfhd", &[&words(&[0, number])]), &cell(*b"traf", &[&tfhd, &tfdt, &trun])])
    };
    let length = moof(0).len() as u32;
    [cell(*b"styp", &[b"cmfs", &words(&[0]), b"cmfs", b"cmff"]), moof(length + 8), cell(*b"mdat", &[&payload])].concat()
}

fn playlist(track: &Track) -> String {
    let head =
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"init.mp4\"\n";
    let line = |number: u32| format!("#EXTINF:{:.6},\n{number}.m4s\n", track.seconds(number));
    format!("{head}{}{}#EXT-X-ENDLIST\n", line(1), line(2))
}

fn multivariant(peak: u64, mean: u64) -> String {
    format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",\
         URI=\"a2/index.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={mean},CODECS=\"avc1.42c01e,mp4a.40.2\",\
         RESOLUTION=320x180,FRAME-RATE=5.000,AUDIO=\"a\"\nv1/index.m3u8\n"
    )
}

fn mpd(video: u64, audio: u64) -> String {
    let template = |folder: &str, scale: u32, run: &str| {
        format!(
            "<SegmentTemplate media=\"{folder}/$Number$.m4s\" initialization=\"{folder}/init.mp4\" startNumber=\"1\" \
             timescale=\"{scale}\" presentationTimeOffset=\"{}\"><SegmentTimeline>{run}</SegmentTimeline></SegmentTemplate>",
            scale * 10
        )
    };
    let role = "<Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"main\"/>";
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
         profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"static\" mediaPresentationDuration=\"PT4.010667S\" \
         minBufferTime=\"PT2S\" maxSegmentDuration=\"PT2.005334S\"><Period>\n\
         <AdaptationSet contentType=\"video\" mimeType=\"video/mp4\" segmentAlignment=\"true\" startWithSAP=\"1\">{role}\
         <Representation id=\"v1\" bandwidth=\"{video}\" codecs=\"avc1.42c01e\" width=\"320\" height=\"180\" frameRate=\"5\">{}\
         </Representation></AdaptationSet>\n\
         <AdaptationSet contentType=\"audio\" mimeType=\"audio/mp4\" lang=\"en\" segmentAlignment=\"true\">{role}\
         <Representation id=\"a2\" bandwidth=\"{audio}\" codecs=\"mp4a.40.2\" audioSamplingRate=\"48000\">\
         <AudioChannelConfiguration schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" value=\"2\"/>{}\
         </Representation></AdaptationSet>\n</Period></MPD>\n",
        template("v1", 1_000, "<S t=\"10000\" d=\"2000\" r=\"1\"/>"),
        template("a2", 48_000, "<S t=\"480000\" d=\"96256\" r=\"1\"/>"),
    )
}
