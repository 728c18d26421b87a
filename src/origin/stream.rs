//! The parts of a stream as replies: its playlist, its init segment, its media segments.

use super::answer::{Origin, VersionedRequest};
use super::content::Content;
use super::delivery::Media;
use super::error::Error;
use super::manifests::View;
use super::reply::{Caching, Reply, playlist};
use super::segment::AssetSegment;
use super::stages::Stages;
use crate::catalog::Asset;
use crate::media::{MediaKind, Packaging};
use crate::mux;
use crate::plan::Stream;
use crate::route::Part;
use std::sync::Arc;

impl Origin {
    /// A part of the stream that is wanted; `None` when `asset` has no such stream in that version.
    pub(super) async fn of_stream(
        self: &Arc<Self>,
        asset: &Arc<Asset>,
        wanted_part: VersionedRequest<'_>,
        stages: &mut Stages,
    ) -> Result<Option<Reply>, Error> {
        let VersionedRequest { version, name, part, demand } = wanted_part;
        let Some(selection) = asset.plan.select(name) else { return Ok(None) };
        if part == Part::Playlist {
            return match stages.looking(self.manifest(asset, View::Playlist(selection))).await {
                Ok(text) => Ok((text.version == version).then(|| playlist(version, text.text))),
                // No multivariant playlist lists this stream.
                Err(Error::NotFound) => Ok(None),
                Err(error) => Err(error),
            };
        }
        let Some(stream) = asset.plan.stream(selection).filter(|stream| stream.version() == version) else {
            return Ok(None);
        };
        let (etag, media) = match (part, name.packaging()) {
            (Part::Segment(number), packaging) => {
                let etag = match packaging {
                    Packaging::Cmaf => format!("{version}-{number}"),
                    Packaging::Ts => format!("{version}-{number}-ts"),
                };
                let segment = AssetSegment { asset: Arc::clone(asset), selection, number };
                (etag, self.media(segment, demand, stages).await?)
            }
            (Part::Init | Part::Playlist, Packaging::Cmaf) => {
                (format!("{version}-init"), Media::complete(vec![mux::init(stream.first())]))
            }
            (Part::Init | Part::Playlist, Packaging::Ts) => return Ok(None),
        };
        Ok(Some(Reply {
            media_type: media_type(stream, part),
            etag,
            modified: None,
            caching: Caching::Immutable,
            content: Content::Media(media),
        }))
    }
}

fn media_type(stream: Stream<'_>, part: Part) -> &'static str {
    match (stream.packaging(), part, stream.first().name.kind) {
        (Packaging::Ts, _, _) => "video/mp2t",
        (Packaging::Cmaf, Part::Segment(_), _) => "video/iso.segment",
        (Packaging::Cmaf, _, MediaKind::Video) => "video/mp4",
        (Packaging::Cmaf, _, MediaKind::Audio) => "audio/mp4",
    }
}
