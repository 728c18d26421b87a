//! A catalogue of short films, all different, and sequences of player requests to it.

use crate::chance::Chance;
use crate::film::Film;
use crate::load::{Walk, Wish};
use crate::stage::Stage;
use crate::title::{Title, store};
use std::net::SocketAddr;
use std::sync::Arc;

/// Number of titles.
const TITLES: u32 = 40;

/// Rank of the title that becomes popular.
const SUDDEN: usize = 30;

/// Requests per walk.
const REQUESTS: usize = 20_000;

/// The URLs of one title in all formats.
#[derive(Debug)]
struct Work {
    mpd: String,
    pictures: Title,
    sound: Title,
    ts: Title,
}

/// All titles.
#[derive(Debug)]
pub(crate) struct Catalogue(Vec<Work>);

impl Catalogue {
    /// Writes the films: a minute each, segments of 1 MB in 6 s.
    pub(crate) fn write(stage: &Stage) {
        for seed in 0..TITLES {
            stage.film(&format!("t{seed}"), &Film { seed: seed + 1, ..Film::new(60, 1_000_000) });
        }
    }

    /// Learns the URLs of the films from the server at `address`.
    pub(crate) async fn ask(address: SocketAddr) -> Self {
        let mut works = Vec::new();
        for number in 0..TITLES {
            let name = format!("t{number}");
            works.push(Work {
                mpd: format!("/vod/{name}/index.mpd"),
                pictures: Title::ask(address, &name, "index.m3u8").await,
                sound: Title::sound(address, &name).await,
                ts: Title::ask(address, &name, "ts.m3u8").await,
            });
        }
        Self(works)
    }

    /// Stores all responses that walks request, for nginx.
    pub(crate) async fn store(&self, address: SocketAddr, stage: &Stage) {
        for work in &self.0 {
            let mut paths = vec![work.mpd.clone()];
            for title in [&work.pictures, &work.sound, &work.ts] {
                paths.extend([title.entry.clone(), title.playlist.clone()]);
                paths.extend(title.init.clone());
                paths.extend(title.segments.clone());
            }
            store(address, &paths, &stage.files()).await;
        }
    }

    /// Segments, with titles in a Zipf distribution; a share `sudden` of the requests goes to a title that was
    /// unpopular.
    pub(crate) fn zipf(&self, sudden: f64) -> Arc<Walk> {
        self.walk(move |all, chance| {
            let rank = if chance.unit() < sudden { SUDDEN } else { chance.zipf(all.len()) };
            Wish::whole(chance.of(&all[rank].pictures.segments))
        })
    }

    /// A third each of HLS with CMAF, DASH and HLS with MPEG-TS; one request in four is for a text or an init segment.
    pub(crate) fn mixed(&self) -> Arc<Walk> {
        self.walk(|all, chance| {
            let work = &all[chance.zipf(all.len())];
            let (kind, text) = (chance.below(3), chance.unit() < 0.25);
            let sound = chance.unit() < 0.5;
            let title = if kind == 2 {
                &work.ts
            } else if sound {
                &work.sound
            } else {
                &work.pictures
            };
            let texts = [&title.entry, &title.playlist, title.init.as_ref().unwrap_or(&title.playlist)];
            Wish::whole(match (kind, text) {
                (1, true) => &work.mpd,
                (_, true) => chance.of(&texts),
                (_, false) => chance.of(&title.segments),
            })
        })
    }

    /// Entries, media playlists and MPDs.
    pub(crate) fn playlists(&self) -> Arc<Walk> {
        self.walk(|all, chance| {
            let work = &all[chance.zipf(all.len())];
            let [entry, playlist] = [&work.pictures.entry, &work.pictures.playlist];
            let [ts, ts_playlist] = [&work.ts.entry, &work.ts.playlist];
            Wish::whole(chance.of(&[entry, playlist, &work.sound.playlist, ts, ts_playlist, &work.mpd]))
        })
    }

    /// A single segment.
    pub(crate) fn hot(&self) -> Arc<Walk> {
        Walk::whole(&self.0[0].pictures.segments[1..2])
    }

    /// A few kilobytes somewhere in segments of both kinds.
    pub(crate) fn ranges(&self) -> Arc<Walk> {
        self.walk(|all, chance| {
            let work = &all[chance.zipf(all.len())];
            let title = if chance.unit() < 0.5 { &work.pictures } else { &work.ts };
            let start = chance.below(500_000);
            Wish::range(chance.of(&title.segments), &format!("{start}-{}", start + 1 + chance.below(8_192)))
        })
    }

    /// All video segments, in order.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.0.iter().flat_map(|work| work.pictures.segments.clone()).collect()
    }

    fn walk(&self, wish: impl Fn(&[Work], &mut Chance) -> Wish) -> Arc<Walk> {
        let mut chance = Chance::new(1);
        Walk::new((0..REQUESTS).map(|_| wish(&self.0, &mut chance)).collect())
    }
}
