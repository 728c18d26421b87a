//! An asset's tracks, cut and named: what manifests list and what muxing works from.

use super::cadence::Cadence;
use super::cuts::{self, Cuts, Grid};
use super::error::Refusal;
use super::limits::Limits;
use super::segments::{self, Opening, Segment};
use super::start;
use super::timeline::Timeline;
use super::version;
use crate::media::{
    ContentId, DescriptorTrack, Kind, Language, MediaKind, Moment, Movie, Role, Ticks, Track, TrackName, Version,
    i64_from_u64,
};
use std::sync::Arc;

/// One stored file of an asset.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name, extension included.
    pub file: String,
    /// What tracks are named after: the file without extension; `None` where the asset is one file.
    pub name: Option<String>,
    /// What is in it.
    pub movie: Arc<Movie>,
    /// What `asset.json` says of its tracks.
    pub said: Vec<DescriptorTrack>,
}

/// What cuts depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The segment target in milliseconds, 1,000 to 60,000.
    pub target_millis: u32,
}

/// What will be served of an asset. At least one track.
#[derive(Debug, Clone)]
pub struct Plan {
    tracks: Vec<Planned>,
    target_duration: u32,
    fingerprint: Version,
    settings: Settings,
}

/// One track of a plan.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its name in URLs.
    pub name: TrackName,
    /// The file it is from.
    pub file: String,
    /// Names every byte made from it.
    pub version: Version,
    /// When each of its samples is decoded and presented.
    pub timeline: Timeline,
    /// Its segments; the first is number 1. Never empty.
    pub segments: Vec<Segment>,
    /// Whether it is cut where the reference is.
    pub alignment: Alignment,
    /// Its nominal frame rate; `None` of audio.
    pub cadence: Option<Cadence>,
    /// Its language: what `asset.json` says, else the file.
    pub language: Language,
    /// What players shall call it, where `asset.json` says so.
    pub label: Option<String>,
    /// The part it plays, where `asset.json` says so.
    pub role: Option<Role>,
    /// Whether `asset.json` wants players to start with it.
    pub default: bool,
    /// Where it is cut, which its version names; of segments that are one, too.
    pub(super) cuts: Cuts,
    /// Whether its segments are as they were kept.
    kept: bool,
}

/// Whether a track is cut where the reference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// Its segments begin within half a frame of the reference's.
    Aligned,
    /// It lacks keyframes there, and is cut at its own.
    Own,
}

impl Plan {
    /// Plans `sources`, the start and the cuts set by the one at `reference`: by its first video track; by its first
    /// track where it has no video.
    pub fn new(sources: &[Source], reference: usize, settings: Settings) -> Result<Self, Refusal> {
        Self::within(sources, reference, settings, Limits::default())
    }

    /// The same within other bounds than the default ones.
    pub fn within(sources: &[Source], reference: usize, settings: Settings, limits: Limits) -> Result<Self, Refusal> {
        limits.estimate(sources, settings)?;
        let grid = Grid { target_millis: settings.target_millis, segments: limits.segments };
        let leader = sources.get(reference).ok_or(Refusal::Nothing)?;
        let first = |track: &Track, shift: Moment| Some(start::first_served(track, shift));
        let shift = start::asset_shift(&leader.movie, first).unwrap_or(Moment::ZERO);
        let guide = Guide::new(leader, shift, grid)?;
        let mut tracks = Vec::new();
        for source in sources {
            let mut timelines = Vec::new();
            for (at, track) in source.movie.tracks.iter().enumerate() {
                timelines.push(Timeline::new(source, at, (shift, start::first_served(track, shift)))?);
            }
            let end = timelines.iter().map(end_of).fold(guide.end, Moment::max);
            for timeline in timelines {
                tracks.push(Planned::new(source, timeline, (&guide, end))?);
            }
        }
        Self::of(tracks, settings, &[])
    }

    /// Of `tracks`, which were cut by `settings` and `kept` in bytes with this checksum, if at all.
    pub(super) fn of(tracks: Vec<Planned>, settings: Settings, kept: &[u8]) -> Result<Self, Refusal> {
        let target_duration = tracks.iter().map(Planned::longest_rounded).max().ok_or(Refusal::Nothing)?;
        let fingerprint = version::of_manifests(&tracks, target_duration, kept);
        Ok(Self { tracks, target_duration, fingerprint, settings })
    }

    /// The tracks, in the order of their files.
    #[must_use]
    pub fn tracks(&self) -> &[Planned] {
        &self.tracks
    }

    /// The tracks of a kind.
    pub fn of_kind(&self, kind: MediaKind) -> impl Iterator<Item = &Planned> {
        self.tracks.iter().filter(move |track| track.name.kind == kind)
    }

    /// The track of that name and version.
    #[must_use]
    pub fn track(&self, name: &TrackName, version: Version) -> Option<&Planned> {
        self.tracks.iter().find(|track| track.name == *name && track.version == version)
    }

    /// `EXT-X-TARGETDURATION`: the longest segment of all tracks in seconds, rounded; at least 1 (RFC 8216 §4.3.3.1).
    #[must_use]
    pub const fn target_duration(&self) -> u32 {
        self.target_duration
    }

    /// When the last of its tracks ends.
    #[must_use]
    pub fn end(&self) -> Moment {
        self.tracks.iter().map(Planned::end).max().unwrap_or(Moment::ZERO)
    }

    /// Names all that manifests say of it: two plans of one asset with one fingerprint have the same manifests. One that
    /// was kept has another than one that was not.
    #[must_use]
    pub const fn fingerprint(&self) -> Version {
        self.fingerprint
    }

    /// What it was cut by.
    #[must_use]
    pub const fn settings(&self) -> Settings {
        self.settings
    }
}

/// How a track is divided.
#[derive(Debug)]
pub(super) struct Division {
    pub(super) cuts: Cuts,
    pub(super) segments: Vec<Segment>,
    pub(super) alignment: Alignment,
    /// Whether that was kept, and not found by looking at samples.
    pub(super) kept: bool,
}

/// What the reference object sets for everyone.
struct Guide {
    content: ContentId,
    /// The reference's cuts, the first one at the start left out.
    moments: Vec<Moment>,
    /// Where its video ends; the start where it has none.
    video_end: Moment,
    /// Where the last of its tracks ends.
    end: Moment,
    grid: Grid,
}

impl Guide {
    fn new(leader: &Source, shift: Moment, grid: Grid) -> Result<Self, Refusal> {
        let content = leader.movie.content;
        let tracks = leader.movie.tracks.iter().enumerate();
        let timelines = tracks.map(|(at, track)| Timeline::new(leader, at, (shift, start::first_served(track, shift))));
        let timelines = timelines.collect::<Result<Vec<_>, _>>()?;
        let end = timelines.iter().map(end_of).max().unwrap_or(Moment::ZERO);
        let video = timelines.into_iter().find(|timeline| matches!(timeline.track().kind, Kind::Video(_)));
        let Some(timeline) = video else {
            return Ok(Self { content, moments: Vec::new(), video_end: Moment::ZERO, end, grid });
        };
        let segments = segments::between(&timeline, &cuts::at_keyframes(&timeline, grid));
        let last = segments.last().and_then(|last| last.start.after(last.span)).unwrap_or_default();
        let video_end = last.at(timeline.timescale());
        Ok(Self { content, moments: segments::moments(&timeline, &segments), video_end, end, grid })
    }
}

impl Planned {
    /// A track of `source`, cut as the guide says; its file's and the guide's last track end at `end`.
    fn new(source: &Source, timeline: Timeline, (guide, end): (&Guide, Moment)) -> Result<Self, Refusal> {
        let track = timeline.track();
        let (cuts, alignment) = match track.kind {
            Kind::Video(_) => {
                match cuts::at_moments(&timeline, &guide.moments).filter(|_| guide.video_end > Moment::ZERO) {
                    Some(cuts) => (cuts, Alignment::Aligned),
                    None => (cuts::at_keyframes(&timeline, guide.grid), Alignment::Own),
                }
            }
            Kind::Audio(_) => {
                (cuts::follow(&timeline, &guide.moments, guide.video_end, guide.grid), Alignment::Aligned)
            }
        };
        if guide.grid.is_exceeded(&cuts) {
            return Err(Refusal::Segments { file: source.file.clone(), track: track.id, limit: guide.grid.segments });
        }
        let timeline = timeline.held(end);
        let segments = segments::weighed(&timeline, segments::between(&timeline, &cuts));
        Ok(Self::of(source, timeline, guide.content, Division { cuts, segments, alignment, kept: false }))
    }

    /// A track of `source` that was divided; `content` is the reference's.
    pub(super) fn of(source: &Source, timeline: Timeline, content: ContentId, division: Division) -> Self {
        let track = timeline.track();
        let Division { cuts, segments, alignment, kept } = division;
        let name = TrackName { kind: track.kind.media(), id: track.id, file: source.name.clone() };
        let said = said_of(track, &source.said);
        let language = said.and_then(|said| said.language.as_deref()).and_then(Language::new);
        Self {
            name,
            file: source.file.clone(),
            version: version::of_track(&timeline, content, &cuts),
            segments,
            alignment,
            cadence: Cadence::of(&timeline),
            language: language.unwrap_or_else(|| track.language.clone()),
            label: said.and_then(|said| said.label.clone()),
            role: said.and_then(|said| said.role),
            default: said.is_some_and(|said| said.default),
            timeline,
            cuts,
            kept,
        }
    }

    /// The stored track.
    #[must_use]
    pub fn track(&self) -> &Track {
        self.timeline.track()
    }

    /// The segment of that number, from 1.
    #[must_use]
    pub fn segment(&self, number: u32) -> Option<&Segment> {
        let at = number.checked_sub(1)?;
        self.segments.get(crate::media::usize_from_u32(at))
    }

    /// Whether what the plan says of `segment`, one of its own, is what its samples say, which must be at hand. A plan that
    /// was kept is believed until this is asked.
    #[must_use]
    pub fn is_true(&self, segment: &Segment) -> bool {
        !self.kept || segments::is_true(&self.timeline, segment)
    }

    /// When it starts.
    #[must_use]
    pub fn start(&self) -> Moment {
        self.segments.first().map_or(Moment::ZERO, |first| first.start.at(self.timeline.timescale()))
    }

    /// When it ends.
    #[must_use]
    pub fn end(&self) -> Moment {
        let end = self.segments.last().and_then(|last| last.start.after(last.span)).unwrap_or_default();
        end.at(self.timeline.timescale())
    }

    /// When its last sample ends, if it is not held.
    pub(super) fn pictures_end(&self) -> Moment {
        let end = self.segments.last().and_then(|last| last.start.after(last.span)).unwrap_or_default();
        Ticks(end.0.saturating_sub(i64_from_u64(self.timeline.hold().0))).at(self.timeline.timescale())
    }

    /// Whether each of its segments can be decoded without any other.
    #[must_use]
    pub fn is_independent(&self) -> bool {
        self.segments.iter().all(|segment| segment.opening == Opening::Closed)
    }

    /// The longest segment in seconds, rounded half up; at least 1.
    fn longest_rounded(&self) -> u32 {
        let longest = self.segments.iter().map(|segment| segment.span.0).max().unwrap_or(0);
        let scale = u64::from(self.timeline.timescale().get());
        let rounded = longest.saturating_mul(2).saturating_add(scale) / (2 * scale);
        u32::try_from(rounded.max(1)).unwrap_or(u32::MAX)
    }
}

/// When the last sample of `timeline` ends.
fn end_of(timeline: &Timeline) -> Moment {
    timeline.end(timeline.tail()).at(timeline.timescale())
}

/// The entry about `track`: the one that names its track_ID, else the one about its kind.
fn said_of<'a>(track: &Track, said: &'a [DescriptorTrack]) -> Option<&'a DescriptorTrack> {
    let of_kind = || said.iter().filter(|entry| entry.kind == track.kind.media());
    of_kind().find(|entry| entry.track == Some(track.id)).or_else(|| of_kind().find(|entry| entry.track.is_none()))
}
