//! Explains the response to a route.

use super::view::StreamView;
use super::{cmaf, transport};
use crate::catalog::Asset;
use crate::manifest::{Manifests, Text};
use crate::media::{Packaging, u64_from_usize};
use crate::mux;
use crate::plan::Stream;
use crate::route::{Part, Route};
use serde::Serialize;
use std::error::Error;

/// Explanation of a URL.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    route: &'static str,
    asset: String,
    /// Uncompressed size of the response, in bytes; absent if only building the response would tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// The entity tag.
    etag: String,
    /// Cache key of the segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_key: Option<String>,
    #[serde(flatten)]
    stream: Option<StreamView>,
}

impl Explained {
    pub(super) fn new(asset: &Asset, route: &Route) -> Result<Self, Box<dyn Error>> {
        let about = |route, size, etag: String| Self {
            route,
            asset: asset.id.to_string(),
            size,
            etag,
            cache_key: None,
            stream: None,
        };
        let text = |route, text: &Text| about(route, Some(u64_from_usize(text.text.len())), text.version.to_string());
        let manifests = || Manifests::new(&asset.id, &asset.plan);
        match route {
            Route::Hls(_) => Ok(text("HLS multivariant playlist", &manifests().hls)),
            Route::Dash(_) => Ok(text("DASH manifest", &manifests().dash)),
            Route::Ts(_) => Ok(text("HLS multivariant playlist of MPEG-TS", &transport::manifests(asset)?.entry)),
            Route::File(_, name) => {
                let file = asset.served(name).ok_or("the asset has no such file")?;
                Ok(about("stored file", Some(file.object.size()), file.movie.content.to_string()))
            }
            Route::Stream(_, version, name, part) => {
                let selection = asset.plan.select(name).ok_or(UNKNOWN)?;
                let stream = asset.plan.stream(selection).ok_or(UNKNOWN)?;
                match (stream.packaging(), part) {
                    (Packaging::Cmaf, Part::Playlist) => {
                        let manifests = manifests();
                        let text = manifests.playlist(name.first(), *version).ok_or(UNKNOWN)?;
                        let size = Some(u64_from_usize(text.len()));
                        let stream = Some(StreamView::new(stream, None));
                        Ok(Self { stream, ..about("HLS media playlist", size, version.to_string()) })
                    }
                    (Packaging::Ts, Part::Playlist) => {
                        let manifests = transport::manifests(asset)?;
                        let size = Some(u64_from_usize(manifests.playlist(name, *version).ok_or(UNKNOWN)?.len()));
                        let stream = Some(StreamView::new(stream, None));
                        Ok(Self { stream, ..about("HLS media playlist of MPEG-TS", size, version.to_string()) })
                    }
                    _ if stream.version() != *version => Err(UNKNOWN.into()),
                    (_, Part::Init) => {
                        let size = Some(u64_from_usize(mux::init(stream.first()).len()));
                        let stream = Some(StreamView::new(stream, None));
                        Ok(Self { stream, ..about("CMAF header", size, format!("{version}-init")) })
                    }
                    (_, Part::Segment(number)) => Self::of_segment(asset, stream, *number, about),
                }
            }
        }
    }

    fn of_segment(
        asset: &Asset,
        stream: Stream<'_>,
        number: u32,
        about: impl Fn(&'static str, Option<u64>, String) -> Self,
    ) -> Result<Self, Box<dyn Error>> {
        let segment = match stream.packaging() {
            Packaging::Cmaf => {
                let track = stream.first();
                track.segment(number).map(|segment| cmaf::segment_view(track, number, segment))
            }
            Packaging::Ts => transport::segment_view(stream, asset.plan.settings(), number)?,
        };
        let (segment, version) = (segment.ok_or(NO_SEGMENT)?, stream.version());
        let (route, key, etag) = match stream.packaging() {
            Packaging::Cmaf => ("CMAF segment", format!("{version} cmaf {number}"), format!("{version}-{number}")),
            Packaging::Ts => ("MPEG-TS segment", format!("{version} ts {number}"), format!("{version}-{number}-ts")),
        };
        let size = segment.size();
        let stream = Some(StreamView::new(stream, Some(segment)));
        Ok(Self { cache_key: Some(key), stream, ..about(route, size, etag) })
    }
}

/// Error for a segment number that the track does not have.
const NO_SEGMENT: &str = "there is no segment of that number";

/// Error for a URL whose version no track has.
const UNKNOWN: &str = "no track has this version now: the file was replaced, or cut by other settings";
