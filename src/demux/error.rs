//! Why a stored file is refused: which box, where it stands in the object, what it claims and what is allowed.

use crate::media::Flaw;
use crate::media::Skipped;
use std::fmt;

/// A box type, printed as its four characters; bytes that are no printable ASCII as `\xhh`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FourCc(pub [u8; 4]);

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FourCc({self})")
    }
}

/// Why a file cannot be served. `at` is always the byte of the object where the named box's header begins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// It does not begin like an ISO base media or QuickTime file.
    #[error("this is no MP4 or QuickTime file: it begins with `{kind}`, where a box type such as `ftyp` belongs")]
    NotMp4 {
        /// What stands where the first box's type belongs.
        kind: FourCc,
    },
    /// No movie header.
    #[error("no `moov` among the {boxes} top-level boxes in {size} bytes: the file was cut short or never finished")]
    NoMoov {
        /// How many boxes there are.
        boxes: u32,
        /// The object's size.
        size: u64,
    },
    /// Other bytes were fed than the probe needed: a mistake of the caller or a short read.
    #[error("{needed} bytes were needed from byte {at}, {given} were given")]
    Fed {
        /// Where the range begins.
        at: u64,
        /// Its length.
        needed: u64,
        /// What came.
        given: u64,
    },
    /// A box that is smaller than its header or larger than what holds it.
    #[error("`{kind}` at byte {at} claims {claims} bytes; a box has at least 8, and {left} are left")]
    BoxSize {
        /// Its type.
        kind: FourCc,
        /// Where it begins.
        at: u64,
        /// What it claims.
        claims: u64,
        /// What is left of its container or of the object.
        left: u64,
    },
    /// A box that ends before its fields do.
    #[error("`{kind}` at byte {at} holds {has} bytes; its fields need {needs}")]
    Short {
        /// Its type.
        kind: FourCc,
        /// Where it begins.
        at: u64,
        /// Bytes behind its header.
        has: u64,
        /// Bytes needed.
        needs: u64,
    },
    /// A table with more entries than its box holds, or than are allowed.
    #[error("`{kind}` at byte {at} counts {claims} entries; {fits} fit")]
    Count {
        /// Its type.
        kind: FourCc,
        /// Where it begins.
        at: u64,
        /// What it counts.
        claims: u64,
        /// What is possible.
        fits: u64,
    },
    /// A box that is larger than is ever read.
    #[error("`{kind}` at byte {at} claims {claims} bytes; at most {limit} are read")]
    TooLarge {
        /// Its type.
        kind: FourCc,
        /// Where it begins.
        at: u64,
        /// What it claims.
        claims: u64,
        /// What is read.
        limit: u64,
    },
    /// More top-level boxes than are ever looked at.
    #[error("box `{kind}` at byte {at} is one of more than {limit} top-level boxes, which are not looked at")]
    TooManyBoxes {
        /// The first that is too many.
        kind: FourCc,
        /// Where it begins.
        at: u64,
        /// How many are looked at.
        limit: u32,
    },
    /// A box without one that it must hold.
    #[error("`{within}` at byte {at} holds no `{kind}`")]
    Missing {
        /// The type that is missing.
        kind: FourCc,
        /// The box that should hold it.
        within: FourCc,
        /// Where that begins.
        at: u64,
    },
    /// A field with a value that it cannot have.
    #[error("`{kind}` at byte {at} says {field} {claims}; it must be {allowed}")]
    Value {
        /// The box's type.
        kind: FourCc,
        /// Where it begins.
        at: u64,
        /// Which field.
        field: &'static str,
        /// What it says.
        claims: i64,
        /// What it may say.
        allowed: &'static str,
    },
    /// Two tracks with one number.
    #[error("`trak` at byte {at} is the second with track_ID {track}")]
    DuplicateTrack {
        /// The number.
        track: u32,
        /// Where the second begins.
        at: u64,
    },
    /// Samples of a sample entry that does not exist.
    #[error("track {track}: `{kind}` at byte {at} uses sample entry {entry}; `stsd` has {entries}")]
    EntryIndex {
        /// The track.
        track: u32,
        /// `stsc` or `tfhd`.
        kind: FourCc,
        /// Where that begins.
        at: u64,
        /// Which entry it uses, from 1.
        entry: u32,
        /// How many there are.
        entries: u32,
    },
    /// Samples of more than one sample entry, for which a player would have to begin anew.
    #[error("track {track}: `{kind}` at byte {at} changes its sample entry from {from} to {to}; one is served")]
    EntryChanges {
        /// The track.
        track: u32,
        /// `stsc` or `tfhd`.
        kind: FourCc,
        /// Where that begins.
        at: u64,
        /// The entry used first.
        from: u32,
        /// The entry used then.
        to: u32,
    },
    /// An edit list that goes back in the media.
    #[error(
        "track {track}: edits-not-contiguous: entry {entry} of {entries} in `elst` at byte {at} begins at media time {claims}, its predecessor ends at {expected}"
    )]
    EditsNotContiguous {
        /// The track.
        track: u32,
        /// Where `elst` begins.
        at: u64,
        /// The entry, from 1.
        entry: u64,
        /// How many there are.
        entries: u64,
        /// Its media_time, −1 for a gap.
        claims: i64,
        /// Where it should begin at the earliest.
        expected: i64,
    },
    /// An edit that follows on a cut, but not at a keyframe.
    #[error(
        "track {track}: edit-inside-gop: entry {entry} of `elst` at byte {at} begins at media time {media_time}, where no keyframe is; a cut must end at one: cut the film again or encode it"
    )]
    EditCut {
        /// The track.
        track: u32,
        /// Where `elst` begins.
        at: u64,
        /// The entry, from 1.
        entry: u64,
        /// Its media_time.
        media_time: i64,
    },
    /// An edit that sound cannot follow without a hole.
    #[error(
        "track {track}: edit-gap: entry {entry} of `elst` at byte {at} begins where the sound before it has not just ended; only pictures can be held over a gap: encode the sound with silence there"
    )]
    EditGap {
        /// The track.
        track: u32,
        /// Where `elst` begins.
        at: u64,
        /// The entry, from 1.
        entry: u64,
    },
    /// An edit that plays slower, faster, or stands still.
    #[error(
        "track {track}: edit-rate: entry {entry} of `elst` at byte {at} plays at {rate:#010x}; only 0x00010000 is served"
    )]
    EditRate {
        /// The track.
        track: u32,
        /// Where `elst` begins.
        at: u64,
        /// The entry, from 1.
        entry: u64,
        /// media_rate, 16.16.
        rate: u32,
    },
    /// An edit that begins where the media has ended.
    #[error(
        "track {track}: edit-beyond-media: `elst` at byte {at} begins at media time {media_time}; the media ends at {end}"
    )]
    EditBeyond {
        /// The track.
        track: u32,
        /// Where `elst` begins.
        at: u64,
        /// Where the edit begins.
        media_time: i64,
        /// Where the last sample's composition ends.
        end: i64,
    },
    /// A fragment that begins before its predecessor's last sample.
    #[error("track {track}: `tfdt` at byte {at} says {claims}; the samples before it last until {expected}")]
    BackInTime {
        /// The track.
        track: u32,
        /// Where `tfdt` begins.
        at: u64,
        /// What it says.
        claims: u64,
        /// Where the samples before end.
        expected: u64,
    },
    /// A fragment whose samples lie before the object or past the end of numbers.
    #[error("track {track}: `{kind}` at byte {at} puts its samples at byte {claims}")]
    Position {
        /// The track.
        track: u32,
        /// `trun` or `tfhd`.
        kind: FourCc,
        /// Where that begins.
        at: u64,
        /// Where its samples would be.
        claims: i128,
    },
    /// Fragments whose samples together are larger than the object.
    #[error("track {track}: with `{kind}` at byte {at} the samples take {total} bytes, the object has {size}")]
    Oversize {
        /// The track.
        track: u32,
        /// `trun`.
        kind: FourCc,
        /// Where that begins.
        at: u64,
        /// What the samples take.
        total: u64,
        /// What there is.
        size: u64,
    },
    /// A fragment before the header that says what it holds.
    #[error("`moof` at byte {at} stands before any `moov`")]
    FragmentFirst {
        /// Where it begins.
        at: u64,
    },
    /// A track whose tables contradict each other or the object.
    #[error("track {track} (`trak` at byte {at}): {flaw}")]
    Track {
        /// The track.
        track: u32,
        /// Where its `trak` begins.
        at: u64,
        /// What is wrong.
        flaw: Flaw,
    },
    /// A second movie header that says something else: which of them holds is anyone's guess.
    #[error("`moov` at byte {at} is the second, and differs from the first: remux the file, so that it has one")]
    SecondMoov {
        /// Where it begins.
        at: u64,
    },
    /// A part of a film that is no use without the other, which is encrypted.
    #[error("all {what} of this file is encrypted, and the rest is not served without it{}", Reasons(.skipped))]
    HalfEncrypted {
        /// Video or sound.
        what: &'static str,
        /// All tracks that are left out, with the reasons.
        skipped: Vec<Skipped>,
    },
    /// Nothing to serve.
    #[error("no track can be served{}", Reasons(.skipped))]
    NoTracks {
        /// All tracks, with the reasons.
        skipped: Vec<Skipped>,
    },
}

/// `: track 1 (hint) is …; track 2 …`, of the first few.
struct Reasons<'a>(&'a [Skipped]);

/// Reasons that are printed.
const REASONS: usize = 8;

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(": `moov` holds none");
        }
        for (at, skipped) in self.0.iter().take(REASONS).enumerate() {
            let (before, handler) = (if at == 0 { ": " } else { "; " }, FourCc(skipped.handler));
            write!(f, "{before}track {} (`{handler}`) {}", skipped.track, skipped.reason)?;
        }
        match self.0.len().saturating_sub(REASONS) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}
