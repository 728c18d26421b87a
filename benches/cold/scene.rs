//! The setting of the bench: films, an object store with them, folders of indexes, and freshly started servers.

use crate::case::{Case, HOURS, Index, Place, asset};
use crate::client::{Connection, request};
use crate::machine::Cores;
use crate::origin::Afflux;
use crate::requests::Asked;
use crate::s3::{BUCKET, S3};
use crate::sparse;
use crate::title::Title;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Paths to request from a server.
#[derive(Debug)]
struct Paths {
    playlist: String,
    segment: String,
}

/// Measurements of one response.
#[derive(Debug)]
pub(crate) struct Answered {
    /// Time to its first bytes, in milliseconds.
    pub(crate) first: f64,
    /// Time to its last byte, in milliseconds.
    pub(crate) whole: f64,
    /// Moment of its first bytes.
    pub(crate) began: Instant,
    /// Requests to the object store.
    pub(crate) asked: Vec<Asked>,
    /// Bytes read from media files, including headers.
    pub(crate) read: u64,
    /// Number of header reads.
    pub(crate) moov_reads: u64,
}

/// The responses of one turn, from two servers.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) playlist: Answered,
    /// Requested after the playlist.
    pub(crate) next: Answered,
    /// First request to the other server.
    pub(crate) segment: Answered,
}

/// Films, store and index folders of all cases.
#[derive(Debug)]
pub(crate) struct Scene {
    folder: TempDir,
    cores: Cores,
    s3: S3,
    headers: Vec<usize>,
    /// In the order of `HOURS`.
    paths: Vec<Paths>,
}

impl Scene {
    /// Writes the films, and has a server per place store their indexes.
    pub(crate) async fn new(cores: Cores) -> Self {
        let folder = tempfile::Builder::new().prefix("afflux-cold-").tempdir().unwrap();
        let media = folder.path().join("media");
        fs::create_dir(&media).unwrap();
        let films = HOURS.iter().map(|hours| sparse::write(&media.join(format!("{}.mp4", asset(*hours))), *hours));
        let headers = films.collect();
        let s3 = S3::start(&media).await;
        let mut scene = Self { folder, cores, s3, headers, paths: Vec::new() };
        for place in [Place::Disk, Place::S3] {
            scene.paths = scene.learn(place).await;
        }
        scene
    }

    /// Header size of each film, in bytes.
    pub(crate) fn headers(&self) -> &[usize] {
        &self.headers
    }

    /// Requests a playlist and then its segment from one fresh server, and the segment alone from another.
    pub(crate) async fn turn(&self, case: Case) -> Turn {
        let at = HOURS.iter().position(|hours| *hours == case.hours).unwrap();
        let Paths { playlist, segment } = &self.paths[at];
        let server = self.started(case.place, case.index).await;
        let mut connection = Connection::open(server.address()).await.unwrap();
        let playlist = self.asked(&server, &mut connection, playlist).await;
        let next = self.asked(&server, &mut connection, segment).await;
        drop(server);
        let server = self.started(case.place, case.index).await;
        let mut connection = Connection::open(server.address()).await.unwrap();
        let segment = self.asked(&server, &mut connection, segment).await;
        Turn { playlist, next, segment }
    }

    /// Finds the films' playlists and segments, and makes the server write their indexes.
    async fn learn(&self, place: Place) -> Vec<Paths> {
        let server = self.started(place, Index::Kept).await;
        let mut paths = Vec::new();
        for hours in HOURS {
            let Title { playlist, segments, .. } = Title::ask(server.address(), &asset(hours), "index.m3u8").await;
            paths.push(Paths { playlist, segment: segments[0].clone() });
        }
        while !is_known(&self.indexes(place)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let complaints = server.complaints();
        assert!(complaints.is_empty(), "{complaints}");
        paths
    }

    /// A healthy server without any request yet.
    async fn started(&self, place: Place, index: Index) -> Afflux {
        let folder = match index {
            Index::None => String::new(),
            Index::Kept => self.indexes(place).display().to_string(),
        };
        let cache = format!("[cache]\nindex_folder = \"{folder}\"\n");
        let (media, core) = (self.folder.path().join("media"), self.cores.server);
        match place {
            Place::Disk => {
                let server = Afflux::start(&media, core, &cache);
                server.healthy().await;
                server
            }
            Place::S3 => {
                self.s3.take();
                let settings = format!("[store]\n{}{cache}", self.s3.settings());
                let server = Afflux::start_over(&format!("s3://{BUCKET}"), &media, core, &settings);
                server.healthy().await;
                // At the start it checks that the store responds, in the background.
                self.s3.asked().await;
                self.s3.quiet().await;
                server
            }
        }
    }

    async fn asked(&self, server: &Afflux, connection: &mut Connection, path: &str) -> Answered {
        let before = server.metrics().await;
        self.s3.take();
        let request = request(path, "");
        let start = Instant::now();
        let answer = connection.get(&request).await.unwrap();
        let whole = start.elapsed();
        assert_eq!(answer.status, 200, "{path}: {}", server.complaints());
        self.s3.quiet().await;
        let after = server.metrics().await;
        let read = "afflux_source_read_bytes_total";
        Answered {
            first: (answer.began - start).as_secs_f64() * 1e3,
            whole: whole.as_secs_f64() * 1e3,
            began: answer.began,
            asked: self.s3.take(),
            read: after.sum(read) - before.sum(read),
            moov_reads: after.moov_reads() - before.moov_reads(),
        }
    }

    /// Folder of the indexes for `place`.
    fn indexes(&self, place: Place) -> PathBuf {
        self.folder.path().join(match place {
            Place::Disk => "indexes-disk",
            Place::S3 => "indexes-s3",
        })
    }
}

/// Whether `folder` has an index and a plan of each film.
fn is_known(folder: &Path) -> bool {
    let names: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let whole = |ending| names.iter().filter(|path| path.extension().is_some_and(|end| end == ending)).count();
    ["index", "plan"].into_iter().all(|ending| whole(ending) >= HOURS.len())
}
