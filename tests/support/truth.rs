//! Right responses for every URL of an asset, taken from a separate server over a folder that nobody changes.

#![allow(dead_code, reason = "each test crate uses a part of it")]

use super::support::{Server, afflux};
use super::tolerant::{self, Got};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The possible bodies of each URL. Versioned URLs have one; entries and stored files have one per state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Truth {
    bodies: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Truth {
    /// The bodies of every URL of the assets `ids` in the folder `media`; `files` are the URLs of their stored files.
    pub(crate) fn of(media: &Path, ids: &[&str], files: &[&str]) -> Self {
        let server = Server::start(media, &[]);
        let mut truth = Self::default();
        for id in ids {
            let urls = walk(&server, id);
            for url in urls.into_iter().chain(files.iter().map(ToString::to_string)) {
                let body = whole(&server, &url);
                truth.add(url, body);
            }
        }
        truth
    }

    fn add(&mut self, url: String, body: Vec<u8>) {
        let bodies = self.bodies.entry(url).or_default();
        if !bodies.contains(&body) {
            bodies.push(body);
        }
    }

    /// The bodies for a folder that is sometimes in one state and sometimes in the other.
    pub(crate) fn or(mut self, other: &Self) -> Self {
        for (url, bodies) in &other.bodies {
            for body in bodies {
                self.add(url.clone(), body.clone());
            }
        }
        self
    }

    /// URLs of segments.
    pub(crate) fn segments(&self) -> Vec<&str> {
        let is_segment =
            |url: &&str| url.rsplit_once('.').is_some_and(|(_, extension)| matches!(extension, "m4s" | "ts"));
        self.versioned().filter(is_segment).collect()
    }

    /// All URLs with a version in the path.
    pub(crate) fn versioned(&self) -> impl Iterator<Item = &str> {
        self.bodies.keys().map(String::as_str).filter(|url| url.contains("/~"))
    }

    /// The only body of the versioned `url`.
    pub(crate) fn body(&self, url: &str) -> &[u8] {
        let [body] = self.bodies[url].as_slice() else { panic!("{url} has several bodies") };
        body
    }

    /// Error unless `got` is a right response to `url`, or to a request for its bytes `range`.
    pub(crate) fn judge(&self, url: &str, range: Option<(usize, usize)>, got: &Got) -> Result<(), String> {
        let cut = |body: &Vec<u8>| match range {
            Some((from, to)) => body.get(from..(to + 1).min(body.len())).unwrap_or_default().to_vec(),
            None => body.clone(),
        };
        let allowed = self.bodies.get(url).map(|bodies| bodies.iter().map(cut).collect::<Vec<_>>()).unwrap_or_default();
        match (got.status, got.promised == got.body.len()) {
            (200 | 206, true) if allowed.contains(&got.body) => Ok(()),
            // Cut short: it must be the beginning of one of them.
            (200 | 206, false)
                if allowed.iter().any(|body| body.len() == got.promised && body.starts_with(&got.body)) =>
            {
                Ok(())
            }
            (200 | 206, _) => {
                Err(format!("{url}: {} with {} of {} bytes of no version", got.status, got.body.len(), got.promised))
            }
            (0, false) => Ok(()),
            (404 | 410 | 416 | 422 | 502 | 503, true) => got.check_problem(url),
            (status, _) => Err(format!("{url}: {status}")),
        }
    }
}

/// Every URL of `id` in its manifests, including the entries.
pub(crate) fn walk(server: &Server, id: &str) -> BTreeSet<String> {
    let base = format!("/vod/{id}/");
    let [hls, ts, dash] = ["index.m3u8", "ts.m3u8", "index.mpd"].map(|entry| format!("{base}{entry}"));
    let mut urls: BTreeSet<String> = segments_of_mpd(&base, &text(server, &dash)).into_iter().collect();
    for entry in [&hls, &ts] {
        for playlist in uris(&base, &text(server, entry)) {
            urls.extend(uris(&playlist, &text(server, &playlist)));
            urls.insert(playlist);
        }
    }
    urls.extend([hls, ts, dash]);
    urls
}

fn text(server: &Server, url: &str) -> String {
    String::from_utf8(whole(server, url)).unwrap()
}

fn whole(server: &Server, url: &str) -> Vec<u8> {
    let got = tolerant::get(server.public, url, None).expect(url);
    assert_eq!((got.status, got.body.len()), (200, got.promised), "{url}");
    got.body
}

/// URLs in the playlist at `url`.
pub(crate) fn uris(url: &str, playlist: &str) -> Vec<String> {
    let quoted = playlist.lines().filter_map(|line| line.split_once("URI=\"")?.1.split('"').next());
    let plain = playlist.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    quoted.chain(plain).map(|uri| resolved(url, uri)).collect()
}

fn resolved(url: &str, uri: &str) -> String {
    let mut parts: Vec<&str> = url.split('/').collect();
    parts.pop();
    for part in uri.split('/') {
        match part {
            ".." => parts.truncate(parts.len() - 1),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// URLs in an MPD below `base`, init segments first.
pub(crate) fn segments_of_mpd(base: &str, mpd: &str) -> Vec<String> {
    let value = |text: &str, name: &str| Some(text.split_once(&format!(" {name}=\""))?.1.split('"').next()?.to_owned());
    let mut urls = Vec::new();
    for template in mpd.split("<SegmentTemplate").skip(1) {
        let template = template.split("</SegmentTemplate>").next().unwrap();
        let lines = template.split("<S ").skip(1);
        let repeats = |line: &str| value(&format!(" {line}"), "r").map_or(0, |r| r.parse::<usize>().unwrap());
        let count: usize = lines.map(|line| 1 + repeats(line.split("/>").next().unwrap())).sum();
        let (init, media) = (value(template, "initialization").unwrap(), value(template, "media").unwrap());
        urls.push(format!("{base}{init}"));
        urls.extend((1..=count).map(|number| format!("{base}{}", media.replace("$Number$", &number.to_string()))));
    }
    urls
}

/// Asserts that `afflux explain` over the same folder reports the length in `truth` for every versioned URL.
pub(crate) fn assert_explained(truth: &Truth, media: &Path) {
    for url in truth.versioned() {
        let output = afflux(&["explain", url, "--json", "--media", media.to_str().unwrap()]).output().unwrap();
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["size"].as_u64(), u64::try_from(truth.body(url).len()).ok(), "{url}");
    }
}
