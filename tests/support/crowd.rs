//! Dozens of players: each plays an entry and everything it refers to, again and again, until the test ends.

use super::tolerant::{self, Got};
use super::truth::{Truth, segments_of_mpd, uris};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Threads that play until the test stops them.
#[derive(Debug)]
pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    players: Vec<JoinHandle<Count>>,
    wrongs: Arc<Mutex<Vec<String>>>,
}

/// Numbers of responses that players got.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    /// Whole and right responses.
    pub(crate) whole: usize,
    /// Responses cut short.
    pub(crate) short: usize,
    /// Refusals.
    pub(crate) refused: usize,
}

/// One player.
struct Player {
    server: SocketAddr,
    id: String,
    file: String,
    number: usize,
    truth: Arc<Truth>,
    stop: Arc<AtomicBool>,
    wrongs: Arc<Mutex<Vec<String>>>,
    count: Count,
}

impl Crowd {
    /// `count` players, distributed over `assets`: names, each with the URL of a stored file.
    pub(crate) fn new(server: SocketAddr, count: usize, assets: &[(&str, &str)], truth: Truth) -> Self {
        let (stop, wrongs, truth) = (Arc::default(), Arc::default(), Arc::new(truth));
        let player = |number: usize| {
            let (id, file) = assets[number % assets.len()];
            let (truth, stop, wrongs) = (Arc::clone(&truth), Arc::clone(&stop), Arc::clone(&wrongs));
            let (id, file) = (id.to_owned(), file.to_owned());
            let mut player = Player { server, id, file, number, truth, stop, wrongs, count: Count::default() };
            std::thread::spawn(move || player.run())
        };
        Self { players: (0..count).map(player).collect(), stop, wrongs }
    }

    /// Stops the players; returns their counts, and fails if any response was wrong.
    pub(crate) fn stop(self) -> Count {
        self.stop.store(true, Ordering::Relaxed);
        let counts = self.players.into_iter().map(|player| player.join().unwrap());
        let count = counts.fold(Count::default(), |sum, count| Count {
            whole: sum.whole + count.whole,
            short: sum.short + count.short,
            refused: sum.refused + count.refused,
        });
        let wrongs = self.wrongs.lock().unwrap();
        assert!(wrongs.is_empty(), "{} wrong answers, such as {:#?}", wrongs.len(), &wrongs[..wrongs.len().min(8)]);
        count
    }
}

impl Player {
    fn run(&mut self) -> Count {
        while !self.stop.load(Ordering::Relaxed) {
            let base = format!("/vod/{}/", self.id);
            match self.number % 6 {
                0 | 1 => self.hls(&format!("{base}index.m3u8")),
                2 | 3 => self.dash(&base),
                4 => self.hls(&format!("{base}ts.m3u8")),
                _ => self.stored(),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.count
    }

    fn hls(&mut self, entry: &str) {
        let Some(multivariant) = self.text(entry) else { return };
        for playlist in uris(entry, &multivariant) {
            let Some(media) = self.text(&playlist) else { return };
            self.media(&uris(&playlist, &media));
        }
    }

    fn dash(&mut self, base: &str) {
        let Some(mpd) = self.text(&format!("{base}index.mpd")) else { return };
        self.media(&segments_of_mpd(base, &mpd));
    }

    fn stored(&mut self) {
        let file = self.file.clone();
        self.ask(&file, None);
        for at in 0..8 {
            self.ask(&file, Some((at * 50_000, at * 50_000 + 70_000)));
        }
    }

    /// Fetches `urls`; every third by ranges, as if resumed.
    fn media(&mut self, urls: &[String]) {
        for (at, url) in urls.iter().enumerate() {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            if (at + self.number).is_multiple_of(3) {
                self.ask(url, Some((0, 999)));
                self.ask(url, Some((1_000, 1 << 40)));
            } else {
                self.ask(url, None);
            }
        }
    }

    fn text(&mut self, url: &str) -> Option<String> {
        let got = self.ask(url, None)?;
        (got.status == 200 && got.body.len() == got.promised).then(|| String::from_utf8(got.body).unwrap())
    }

    fn ask(&mut self, url: &str, range: Option<(usize, usize)>) -> Option<Got> {
        let judged = tolerant::get(self.server, url, range).and_then(|got| {
            self.truth.judge(url, range, &got)?;
            Ok(got)
        });
        match judged {
            Ok(got) => {
                let place = match (got.status, got.body.len() == got.promised) {
                    (200 | 206, true) => &mut self.count.whole,
                    (0, _) | (200 | 206, false) => &mut self.count.short,
                    _ => &mut self.count.refused,
                };
                *place += 1;
                Some(got)
            }
            Err(wrong) => {
                self.wrongs.lock().unwrap().push(wrong);
                None
            }
        }
    }
}
