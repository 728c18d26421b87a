//! The plan of an asset: its tracks, named and cut into segments. Manifests list it, and the muxer builds from it.

use super::cadence::Cadence;
use super::cuts::{self, Cuts, Grid};
use super::error::PlanError;
use super::limits::Limits;
use super::segments::{self, AccessPoint, Segment};
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
pub struct SourceFile {
    /// File name, extension included.
    pub file: String,
    /// File part of its tracks' names: the file name without extension; `None` if the asset is a single file.
    pub name: Option<String>,
    /// Parsed contents of the file: its tracks and their indexes.
    pub movie: Arc<Movie>,
    /// Entries of `asset.json` about its tracks.
    pub said: Vec<DescriptorTrack>,
}

/// Settings that decide where tracks are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The segment target in milliseconds, 1,000 to 60,000.
    pub target_millis: u32,
}

/// The tracks to serve of an asset, cut into segments. At least one track.
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
    /// Hash of everything that the bytes of its segments depend on; part of their URLs.
    pub version: Version,
    /// When each of its samples is decoded and presented.
    pub timeline: Timeline,
    /// Its segments; the first is number 1. Never empty.
    pub segments: Vec<Segment>,
    /// Whether its cuts are aligned with the reference's.
    pub alignment: Alignment,
    /// Its nominal frame rate; `None` for audio.
    pub cadence: Option<Cadence>,
    /// Its language: from `asset.json`, else from the file.
    pub language: Language,
    /// Name to show in players, from `asset.json`.
    pub label: Option<String>,
    /// Its role, from `asset.json`.
    pub role: Option<Role>,
    /// Whether `asset.json` makes it the track that players start with.
    pub default: bool,
    /// Samples at which it is cut; hashed into `version`. Includes cuts whose segments were merged into one.
    pub(super) cuts: Cuts,
    /// Whether its segments come from a frozen plan and were not computed from its samples.
    kept: bool,
}

/// Whether the cuts of a track are aligned with the reference's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// Its segments begin within half a frame of the reference's.
    Aligned,
    /// It lacks keyframes there, so it is cut at its own keyframes.
    Own,
}

impl Plan {
    /// Plans `sources` within the default limits. The first video track of the source at `reference` sets the start and
    /// the cuts; if it has no video, the asset starts at 0 and is cut on the grid.
    pub fn new(sources: &[SourceFile], reference: usize, settings: Settings) -> Result<Self, PlanError> {
        Self::within(sources, reference, settings, Limits::default())
    }

    /// Plans `sources` as [`Plan::new`] does, within `limits`.
    pub fn within(
        sources: &[SourceFile],
        reference: usize,
        settings: Settings,
        limits: Limits,
    ) -> Result<Self, PlanError> {
        limits.estimate(sources, settings)?;
        let grid = Grid { target_millis: settings.target_millis, segments: limits.segments };
        let leader = sources.get(reference).ok_or(PlanError::Nothing)?;
        let first = |track: &Track, shift: Moment| Some(start::first_served(track, shift));
        let shift = start::asset_shift(&leader.movie, first).unwrap_or(Moment::ZERO);
        let guide = ReferenceCuts::new(leader, shift, grid)?;
        let mut tracks = Vec::new();
        for source in sources {
            let mut timelines = Vec::new();
            for (at, track) in source.movie.tracks.iter().enumerate() {
                timelines.push(Timeline::new(source, at, shift, start::first_served(track, shift))?);
            }
            let end = timelines.iter().map(end_of).fold(guide.end, Moment::max);
            for timeline in timelines {
                tracks.push(Planned::new(source, timeline, &guide, end)?);
            }
        }
        Self::of(tracks, settings, &[])
    }

    /// The plan of `tracks`, which were cut by `settings`. `kept` is the checksum of the frozen plan they were read
    /// from; empty if they were not.
    pub(super) fn of(tracks: Vec<Planned>, settings: Settings, kept: &[u8]) -> Result<Self, PlanError> {
        let target_duration = tracks.iter().map(Planned::longest_rounded).max().ok_or(PlanError::Nothing)?;
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

    /// The track with this name and version.
    #[must_use]
    pub fn track(&self, name: &TrackName, version: Version) -> Option<&Planned> {
        self.tracks.iter().find(|track| track.name == *name && track.version == version)
    }

    /// `EXT-X-TARGETDURATION`: the longest segment of all tracks in seconds, rounded; at least 1 (RFC 8216 §4.3.3.1).
    #[must_use]
    pub const fn target_duration(&self) -> u32 {
        self.target_duration
    }

    /// When the track that ends last ends.
    #[must_use]
    pub fn end(&self) -> Moment {
        self.tracks.iter().map(Planned::end).max().unwrap_or(Moment::ZERO)
    }

    /// Hash of everything that manifests state: two plans of one asset with the same fingerprint have the same
    /// manifests. A thawed plan has another fingerprint than a computed one.
    #[must_use]
    pub const fn fingerprint(&self) -> Version {
        self.fingerprint
    }

    /// The settings that the tracks were cut by.
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
    /// Whether this comes from a frozen plan and was not computed from samples.
    pub(super) kept: bool,
}

/// Cuts and ends of the reference, which all other tracks follow.
struct ReferenceCuts {
    content: ContentId,
    /// Cuts of its video, without the first one at the start.
    moments: Vec<Moment>,
    /// When its video ends; zero if it has none.
    video_end: Moment,
    /// When the track that ends last ends.
    end: Moment,
    grid: Grid,
}

impl ReferenceCuts {
    fn new(leader: &SourceFile, shift: Moment, grid: Grid) -> Result<Self, PlanError> {
        let content = leader.movie.content;
        let tracks = leader.movie.tracks.iter().enumerate();
        let timelines = tracks.map(|(at, track)| Timeline::new(leader, at, shift, start::first_served(track, shift)));
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
    /// Cuts a track of `source` as `guide` says. `end` is when the last track of `source` or of the guide ends.
    fn new(source: &SourceFile, timeline: Timeline, guide: &ReferenceCuts, end: Moment) -> Result<Self, PlanError> {
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
            return Err(PlanError::Segments { file: source.file.clone(), track: track.id, limit: guide.grid.segments });
        }
        let timeline = timeline.held(end);
        let segments = segments::weighed(&timeline, segments::between(&timeline, &cuts));
        Ok(Self::of(source, timeline, guide.content, Division { cuts, segments, alignment, kept: false }))
    }

    /// Names a track of `source` that is already divided. `content` identifies the reference.
    pub(super) fn of(source: &SourceFile, timeline: Timeline, content: ContentId, division: Division) -> Self {
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

    /// The segment with this number, from 1.
    #[must_use]
    pub fn segment(&self, number: u32) -> Option<&Segment> {
        let at = number.checked_sub(1)?;
        self.segments.get(crate::media::usize_from_u32(at))
    }

    /// Whether `segment`, one of its own, matches its samples, whose tables must be loaded. Always true for a computed
    /// plan; a thawed plan is trusted until this check.
    #[must_use]
    pub fn is_true(&self, segment: &Segment) -> bool {
        !self.kept || segments::is_true(&self.timeline, segment)
    }

    /// Presented time of its first segment's start.
    #[must_use]
    pub fn start(&self) -> Moment {
        self.segments.first().map_or(Moment::ZERO, |first| first.start.at(self.timeline.timescale()))
    }

    /// When its last segment ends.
    #[must_use]
    pub fn end(&self) -> Moment {
        let end = self.segments.last().and_then(|last| last.start.after(last.span)).unwrap_or_default();
        end.at(self.timeline.timescale())
    }

    /// When its last sample would end without being held.
    pub(super) fn pictures_end(&self) -> Moment {
        let end = self.segments.last().and_then(|last| last.start.after(last.span)).unwrap_or_default();
        Ticks(end.0.saturating_sub(i64_from_u64(self.timeline.extension().0))).at(self.timeline.timescale())
    }

    /// Whether each of its segments can be decoded without any other.
    #[must_use]
    pub fn is_independent(&self) -> bool {
        self.segments.iter().all(|segment| segment.opening == AccessPoint::Closed)
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

/// The entry about `track`: the one with its track_ID, else the one for its kind without a track_ID.
fn said_of<'a>(track: &Track, said: &'a [DescriptorTrack]) -> Option<&'a DescriptorTrack> {
    let of_kind = || said.iter().filter(|entry| entry.kind == track.kind.media());
    of_kind().find(|entry| entry.track == Some(track.id)).or_else(|| of_kind().find(|entry| entry.track.is_none()))
}
