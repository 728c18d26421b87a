//! Errors of the demuxer: each names the box, its position in the object, the value in the file and the allowed values.

use crate::media::Skipped;
use crate::media::TableError;
use std::fmt;

/// A box type. Displays as four characters; bytes that are not printable ASCII display as `\xhh`.
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

/// Why a file cannot be served. `at` is always the byte offset, in the object, of the named box's header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The object has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file does not begin like an ISO base media or QuickTime file.
    #[error("this is no MP4 or QuickTime file: it begins with `{kind}`, where a box type such as `ftyp` belongs")]
    NotMp4 {
        /// The four bytes in place of the first box's type.
        kind: FourCc,
    },
    /// The file has no movie header.
    #[error("no `moov` among the {boxes} top-level boxes in {size} bytes: the file was cut short or never finished")]
    NoMoov {
        /// Number of top-level boxes in the file.
        boxes: u32,
        /// Size of the object, in bytes.
        size: u64,
    },
    /// The caller fed the probe other bytes than it needed: a bug in the caller or a short read.
    #[error("{needed} bytes were needed from byte {at}, {given} were given")]
    Fed {
        /// First byte of the needed range.
        at: u64,
        /// Length of the needed range, in bytes.
        needed: u64,
        /// Number of bytes that the caller passed.
        given: u64,
    },
    /// A box is smaller than its header, or larger than its container or the object.
    #[error("`{kind}` at byte {at} claims {claims} bytes; a box has at least 8, and {left} are left")]
    BoxSize {
        /// Box type.
        kind: FourCc,
        /// Where the box begins.
        at: u64,
        /// Size in the box header, in bytes.
        claims: u64,
        /// Bytes that are left in its container or the object.
        left: u64,
    },
    /// A box ends before its fields do.
    #[error("`{kind}` at byte {at} holds {has} bytes; its fields need {needs}")]
    Short {
        /// Box type.
        kind: FourCc,
        /// Where the box begins.
        at: u64,
        /// Bytes behind the box header.
        has: u64,
        /// Bytes that the fields need.
        needs: u64,
    },
    /// A table claims more entries than its box holds, or than are allowed.
    #[error("`{kind}` at byte {at} counts {claims} entries; {fits} fit")]
    Count {
        /// Box type.
        kind: FourCc,
        /// Where the box begins.
        at: u64,
        /// Number of entries in the table header.
        claims: u64,
        /// Largest number of entries that is possible there.
        fits: u64,
    },
    /// A box exceeds the size limit for its type.
    #[error("`{kind}` at byte {at} claims {claims} bytes; at most {limit} are read")]
    TooLarge {
        /// Box type.
        kind: FourCc,
        /// Where the box begins.
        at: u64,
        /// Size in the box header, in bytes.
        claims: u64,
        /// Size limit, in bytes.
        limit: u64,
    },
    /// The file has more top-level boxes than the probe visits.
    #[error("box `{kind}` at byte {at} is one of more than {limit} top-level boxes, which are not looked at")]
    TooManyBoxes {
        /// Type of the first box over the limit.
        kind: FourCc,
        /// Where that box begins.
        at: u64,
        /// Largest number of top-level boxes that the probe visits.
        limit: u32,
    },
    /// A box lacks a mandatory child.
    #[error("`{within}` at byte {at} holds no `{kind}`")]
    Missing {
        /// Type of the missing box.
        kind: FourCc,
        /// Type of the box that should contain it.
        within: FourCc,
        /// Where the containing box begins.
        at: u64,
    },
    /// A field has a value that it may not have.
    #[error("`{kind}` at byte {at} says {field} {claims}; it must be {allowed}")]
    Value {
        /// Box type.
        kind: FourCc,
        /// Where the box begins.
        at: u64,
        /// Name of the field.
        field: &'static str,
        /// Value in the file.
        claims: i64,
        /// Description of the allowed values.
        allowed: &'static str,
    },
    /// Two tracks have the same track_ID.
    #[error("`trak` at byte {at} is the second with track_ID {track}")]
    DuplicateTrack {
        /// The track_ID that both use.
        track: u32,
        /// Where the second `trak` begins.
        at: u64,
    },
    /// Samples use a sample entry that does not exist.
    #[error("track {track}: `{kind}` at byte {at} uses sample entry {entry}; `stsd` has {entries}")]
    EntryIndex {
        /// track_ID.
        track: u32,
        /// `stsc` or `tfhd`.
        kind: FourCc,
        /// Where that box begins.
        at: u64,
        /// Number of the entry that the samples use, from 1.
        entry: u32,
        /// Number of entries in `stsd`.
        entries: u32,
    },
    /// Samples of one track use different sample entries: a player would have to restart its decoder at the change.
    #[error("track {track}: `{kind}` at byte {at} changes its sample entry from {from} to {to}; one is served")]
    EntryChanges {
        /// track_ID.
        track: u32,
        /// `stsc` or `tfhd`.
        kind: FourCc,
        /// Where that box begins.
        at: u64,
        /// Number of the first entry in use, from 1.
        from: u32,
        /// Number of the entry after the change, from 1.
        to: u32,
    },
    /// An edit list goes back in the media.
    #[error(
        "track {track}: edits-not-contiguous: entry {entry} of {entries} in `elst` at byte {at} begins at media time {claims}, its predecessor ends at {expected}"
    )]
    EditsNotContiguous {
        /// track_ID.
        track: u32,
        /// Where `elst` begins.
        at: u64,
        /// Number of the entry, from 1.
        entry: u64,
        /// Number of entries in the list.
        entries: u64,
        /// media_time of the entry, −1 for a gap.
        claims: i64,
        /// Earliest media_time that the entry may have.
        expected: i64,
    },
    /// An edit behind a cut does not begin at a keyframe.
    #[error(
        "track {track}: edit-inside-gop: entry {entry} of `elst` at byte {at} begins at media time {media_time}, where no keyframe is; a cut must end at one: cut the film again or encode it"
    )]
    EditCut {
        /// track_ID.
        track: u32,
        /// Where `elst` begins.
        at: u64,
        /// Number of the entry, from 1.
        entry: u64,
        /// media_time of the entry.
        media_time: i64,
    },
    /// An edit leaves a hole in the sound.
    #[error(
        "track {track}: edit-gap: entry {entry} of `elst` at byte {at} begins where the sound before it has not just ended; only pictures can be held over a gap: encode the sound with silence there"
    )]
    EditGap {
        /// track_ID.
        track: u32,
        /// Where `elst` begins.
        at: u64,
        /// Number of the entry, from 1.
        entry: u64,
    },
    /// An edit plays slower or faster than normal, or holds one picture.
    #[error(
        "track {track}: edit-rate: entry {entry} of `elst` at byte {at} plays at {rate:#010x}; only 0x00010000 is served"
    )]
    EditRate {
        /// track_ID.
        track: u32,
        /// Where `elst` begins.
        at: u64,
        /// Number of the entry, from 1.
        entry: u64,
        /// media_rate, 16.16 fixed point.
        rate: u32,
    },
    /// An edit begins after the end of the media.
    #[error(
        "track {track}: edit-beyond-media: `elst` at byte {at} begins at media time {media_time}; the media ends at {end}"
    )]
    EditBeyond {
        /// track_ID.
        track: u32,
        /// Where `elst` begins.
        at: u64,
        /// media_time at which the edit begins.
        media_time: i64,
        /// Media time at which the last sample's composition ends.
        end: i64,
    },
    /// A fragment begins at or before the decode time of its predecessor's last sample.
    #[error("track {track}: `tfdt` at byte {at} says {claims}; the samples before it last until {expected}")]
    BackInTime {
        /// track_ID.
        track: u32,
        /// Where `tfdt` begins.
        at: u64,
        /// Decode time in `tfdt`, in ticks of the track.
        claims: u64,
        /// Decode time at which the samples before it end.
        expected: u64,
    },
    /// The samples of a fragment would begin before byte 0, or beyond the range of 64-bit offsets.
    #[error("track {track}: `{kind}` at byte {at} puts its samples at byte {claims}")]
    Position {
        /// track_ID.
        track: u32,
        /// `trun` or `tfhd`.
        kind: FourCc,
        /// Where that box begins.
        at: u64,
        /// Byte offset at which the samples would begin.
        claims: i128,
    },
    /// The samples of all fragments together are larger than the object.
    #[error("track {track}: with `{kind}` at byte {at} the samples take {total} bytes, the object has {size}")]
    Oversize {
        /// track_ID.
        track: u32,
        /// `trun`.
        kind: FourCc,
        /// Where that box begins.
        at: u64,
        /// Total size of the samples up to this box, in bytes.
        total: u64,
        /// Size of the object, in bytes.
        size: u64,
    },
    /// A fragment precedes the movie header that describes its tracks.
    #[error("`moof` at byte {at} stands before any `moov`")]
    FragmentFirst {
        /// Where the `moof` begins.
        at: u64,
    },
    /// The tables of a track contradict each other or the object's size.
    #[error("track {track} (`trak` at byte {at}): {flaw}")]
    Track {
        /// track_ID.
        track: u32,
        /// Where the `trak` begins.
        at: u64,
        /// The contradiction.
        flaw: TableError,
    },
    /// The file has a second, different movie header: nothing tells which of the two is right.
    #[error("`moov` at byte {at} is the second, and differs from the first: remux the file, so that it has one")]
    SecondMoov {
        /// Where the second `moov` begins.
        at: u64,
    },
    /// All video or all sound of a film is encrypted; the rest alone is of no use.
    #[error("all {what} of this file is encrypted, and the rest is not served without it{}", SkipReasons(.skipped))]
    HalfEncrypted {
        /// The encrypted half, as a word for the message: video or sound.
        what: &'static str,
        /// Every skipped track, with the reason.
        skipped: Vec<Skipped>,
    },
    /// The file has no track that can be served.
    #[error("no track can be served{}", SkipReasons(.skipped))]
    NoTracks {
        /// Every track, with the reason to skip it.
        skipped: Vec<Skipped>,
    },
}

/// Displays the first [`REASONS`] skipped tracks: `: track 1 (hint) is …; track 2 …`.
struct SkipReasons<'a>(&'a [Skipped]);

/// Number of skipped tracks that an error message lists.
const REASONS: usize = 8;

impl fmt::Display for SkipReasons<'_> {
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
