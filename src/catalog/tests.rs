//! The catalog over real folders, with films small enough to write by hand.

mod large;
mod listing;

use super::movies::weigh;
use super::{Asset, Catalog, Error, GoneReason, Reason, Settings};
use crate::media::{AssetId, ByteRange};
use crate::metrics::Metrics;
use crate::plan;
use crate::store::Store;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

fn atom(kind: [u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), kind.as_slice(), &body].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A sample entry of H.264.
fn sample_entry(width: u16, height: u16) -> Vec<u8> {
    let sizes = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let config = atom(*b"avcC", &[&[1, 66, 0, 30, 0xff, 0xe1, 0, 4, 0x67, 66, 0, 30, 1, 0, 2, 0x68, 0xce]]);
    let resolution = words(&[0x48_0000, 0x48_0000, 0]);
    let depth = [0, 24, 255, 255];
    atom(*b"avc1", &[&[0; 6], &[0, 1], &[0; 16], &sizes, &resolution, &[0, 1], &[0; 32], &depth, &config])
}

fn tables(entry: &[u8], seconds: u32, offset: u32) -> Vec<u8> {
    let parts = [
        atom(*b"stsd", &[&words(&[0, 1]), entry]),
        atom(*b"stts", &[&words(&[0, 1, seconds, 1_000])]),
        atom(*b"stsc", &[&words(&[0, 1, 1, seconds, 1])]),
        atom(*b"stsz", &[&words(&[0, 10, seconds])]),
        atom(*b"stco", &[&words(&[0, 1, offset])]),
    ];
    atom(*b"stbl", &[&parts.concat()])
}

fn headers(width: u16, height: u16, seconds: u32, offset: u32) -> Vec<u8> {
    let matrix = words(&[0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]);
    let area = words(&[u32::from(width) << 16, u32::from(height) << 16]);
    let references = atom(*b"dref", &[&words(&[0, 1]), &atom(*b"url ", &[&words(&[1])])]);
    let information = [
        atom(*b"vmhd", &[&words(&[1, 0, 0])]),
        atom(*b"dinf", &[&references]),
        tables(&sample_entry(width, height), seconds, offset),
    ];
    let media = [
        atom(*b"mdhd", &[&words(&[0, 0, 0, 1_000, seconds * 1_000, 0x55c4_0000])]),
        atom(*b"hdlr", &[&words(&[0, 0]), b"vide", &words(&[0, 0, 0]), &[0]]),
        atom(*b"minf", &[&information.concat()]),
    ];
    let track = [
        atom(*b"tkhd", &[&words(&[3, 0, 0, 1, 0, seconds * 1_000, 0, 0, 0, 0]), &matrix, &area]),
        atom(*b"mdia", &[&media.concat()]),
    ];
    let movie = words(&[0, 0, 0, 1_000, seconds * 1_000, 0x1_0000, 0x100_0000, 0, 0]);
    let movie = atom(*b"mvhd", &[&movie, &matrix, &words(&[0; 6]), &words(&[2])]);
    atom(*b"moov", &[&movie, &atom(*b"trak", &[&track.concat()])])
}

/// A film of `seconds` frames, one a second, each a keyframe of 10 bytes.
fn film(width: u16, height: u16, seconds: u32) -> Vec<u8> {
    let brand = atom(*b"ftyp", &[b"isom", &[0; 4], b"isomavc1"]);
    let before = brand.len() + headers(width, height, seconds, 0).len() + 8;
    let headers = headers(width, height, seconds, u32::try_from(before).unwrap());
    let media: Vec<u8> = (0..seconds).flat_map(|_| [0, 0, 0, 6, 0x65, 1, 2, 3, 4, 5]).collect();
    [brand, headers, atom(*b"mdat", &[&media])].concat()
}

struct House {
    root: TempDir,
    catalog: Catalog,
    metrics: Arc<Metrics>,
}

impl House {
    /// A catalog that checks the store at every access.
    fn new() -> Self {
        Self::looking(Duration::ZERO)
    }

    /// Files are held back for `settle`.
    fn settling(settle: Duration) -> Self {
        Self::keeping(Duration::ZERO, settle)
    }

    fn looking(refresh: Duration) -> Self {
        Self::keeping(refresh, Duration::ZERO)
    }

    fn keeping(refresh: Duration, settle: Duration) -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open_folder(root.path()).unwrap();
        let settings = Settings { refresh, settle, ..Settings::new(plan::Settings { target_millis: 6_000 }) };
        let metrics = Arc::new(Metrics::new());
        Self { catalog: Catalog::new(store, settings, Arc::clone(&metrics)), root, metrics }
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Replaces a file like a careful publisher: writes it elsewhere, then renames it over the old one.
    fn replace(&self, path: &str, bytes: &[u8]) {
        self.write(".staging/new", bytes);
        fs::rename(self.path(".staging/new"), self.path(path)).unwrap();
    }

    fn path(&self, path: impl AsRef<Path>) -> std::path::PathBuf {
        self.root.path().join(path)
    }

    async fn open(&self, name: &str) -> Result<Arc<Asset>, Error> {
        self.catalog.open(&id(name)).await
    }

    /// The metric of the size of the index cache.
    fn index_bytes(&self) -> u64 {
        let text = self.metrics.text();
        let value = text.lines().find_map(|line| line.strip_prefix("afflux_cache_size_bytes{kind=\"index\"} "));
        value.unwrap().parse().unwrap()
    }

    async fn refusal(&self, name: &str) -> String {
        self.open(name).await.unwrap_err().to_string()
    }

    /// All pages: names of assets, and refused names with their reasons.
    async fn pages(&self, limit: usize) -> Vec<String> {
        let (mut told, mut after) = (Vec::new(), None);
        loop {
            let page = self.catalog.page(after.as_ref(), limit).await.unwrap();
            assert!(page.entries.len() <= limit);
            told.extend(page.entries.into_iter().map(|(id, asset)| match asset {
                Ok(asset) => format!("{id} {}", names(&asset).join("+")),
                Err(error) => format!("{id}: {error}"),
            }));
            told.extend(page.refused.into_iter().map(|(name, _)| format!("{name}: refused")));
            after = page.next;
            if after.is_none() {
                return told;
            }
        }
    }
}

fn id(name: &str) -> AssetId {
    AssetId::new(name).unwrap()
}

fn names(asset: &Asset) -> Vec<&str> {
    asset.files.iter().map(|file| file.name.as_str()).collect()
}

#[tokio::test]
async fn a_file_is_an_asset_and_stays_the_same_until_it_changes() {
    let house = House::new();
    house.write("films/a.MP4", &film(64, 36, 10));
    let asset = house.open("films/a").await.unwrap();
    assert_eq!((names(&asset), asset.title.as_str(), asset.notes.len()), (vec!["a.MP4"], "a", 0));
    assert!(Arc::ptr_eq(&asset, &house.open("films/a").await.unwrap()));
    assert!(matches!(house.open("films/b").await, Err(Error::NotFound)));
    assert!(matches!(house.open("films").await, Err(Error::NotFound)));
    assert!(matches!(house.open("nowhere/a").await, Err(Error::NotFound)));
    house.write("films/a.MP4", &film(64, 36, 11));
    let changed = house.open("films/a").await.unwrap();
    assert_ne!(asset.files[0].movie.content, changed.files[0].movie.content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_ask_it_is_built_once() {
    let house = House::looking(Duration::from_mins(1));
    house.write("a.mp4", &film(64, 36, 10));
    let asked: Vec<_> = (0..200)
        .map(|_| {
            let catalog = house.catalog.clone();
            tokio::spawn(async move { catalog.open(&id("a")).await.unwrap() })
        })
        .collect();
    let first = house.open("a").await.unwrap();
    for asked in asked {
        assert!(Arc::ptr_eq(&first, &asked.await.unwrap()));
    }
}

#[tokio::test]
async fn a_folder_is_a_ladder_and_a_rung_that_joins_makes_it_another_whole() {
    let house = House::new();
    house.write("film/360.mp4", &film(640, 360, 10));
    house.write("film/720.mp4", &film(1280, 720, 10));
    let two = house.open("film").await.unwrap();
    assert_eq!(names(&two), ["360.mp4", "720.mp4"]);
    assert!(matches!(house.open("film/360").await, Err(Error::NotFound)));
    house.write("film/540.mp4", &film(960, 540, 10));
    let three = house.open("film").await.unwrap();
    assert_eq!(names(&three), ["360.mp4", "540.mp4", "720.mp4"]);
    // Unchanged files are not read again.
    assert!(Arc::ptr_eq(&two.files[0].movie, &three.files[0].movie));
    assert!(Arc::ptr_eq(&two.files[1].movie, &three.files[2].movie));
    assert_eq!(house.pages(10).await, ["film 360.mp4+540.mp4+720.mp4"]);
}

#[tokio::test]
async fn a_bad_file_takes_no_neighbour_down() {
    let house = House::new();
    house.write("film/360.mp4", &film(640, 360, 10));
    house.write("film/720.mp4", &film(1280, 720, 10));
    house.write("film/480.mp4", b"");
    assert_eq!(names(&house.open("film").await.unwrap()), ["360.mp4", "720.mp4"]);
    let refused = house.refusal("film/480").await;
    assert_eq!(refused, "film/480.mp4: the file is empty");
    assert_eq!(house.pages(1).await, ["film 360.mp4+720.mp4".into(), format!("film/480: {refused}")]);
}

#[tokio::test]
async fn files_that_do_not_go_together_are_assets_that_say_why() {
    let house = House::new();
    house.write("clips/a.mp4", &film(640, 360, 10));
    house.write("clips/b.mp4", &film(1280, 720, 20));
    house.write("clips/b/c.mp4", &film(1280, 720, 20));
    let codes = |asset: &Asset| asset.notes.iter().map(|note| note.code.as_str()).collect::<Vec<_>>();
    assert_eq!(codes(&house.open("clips/a").await.unwrap()), ["loose-folder"]);
    assert_eq!(codes(&house.open("clips/b").await.unwrap()), ["loose-folder", "name-beside-folder"]);
    assert_eq!(house.pages(2).await, ["clips/a a.mp4", "clips/b b.mp4", "clips/b/c c.mp4"]);
}

#[tokio::test]
async fn asset_json_says_what_a_folder_is_and_is_refused_by_name() {
    let house = House::new();
    house.write("film/a.mp4", &film(640, 360, 10));
    house.write("film/b.mp4", &film(640, 360, 10));
    house.write("film/c.mp4", &film(640, 360, 30));
    let json = r#"{"version":1,"title":"The film","renditions":[{"file":"b.mp4"},{"file":"a.mp4"}]}"#;
    house.write("film/asset.json", json.as_bytes());
    let asset = house.open("film").await.unwrap();
    assert_eq!((asset.title.as_str(), names(&asset)), ("The film", vec!["b.mp4", "a.mp4"]));
    assert_eq!(house.pages(9).await, ["film b.mp4+a.mp4"]);
    house.write("film/asset.json", br#"{"version":2,"renditions":[]}"#);
    let refused = house.refusal("film").await;
    assert_eq!(refused, "film/asset.json: asset.json: `version` is 2; this release reads version 1");
    house.write("film/asset.json", json.as_bytes());
    house.write("film/b.mp4", b"not a film");
    assert!(house.refusal("film").await.starts_with("film/b.mp4: "));
    house.replace("film/b.mp4", &film(640, 360, 10));
    assert_eq!(names(&house.open("film").await.unwrap()), ["b.mp4", "a.mp4"]);
}

#[tokio::test]
async fn a_replaced_file_goes_on_answering_for_its_old_version() {
    let house = House::new();
    house.write("a.mp4", &film(64, 36, 10));
    let old = house.open("a").await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    house.replace("a.mp4", &film(64, 36, 12));
    let new = house.open("a").await.unwrap();
    assert_ne!(old.files[0].movie.content, new.files[0].movie.content);
    let versions = house.catalog.replaced(&id("a"));
    assert_eq!(versions.len(), 1);
    assert!(Arc::ptr_eq(&versions[0], &old));
    let object = &old.files[0].object;
    let whole = object.read(ByteRange::new(0, object.size()).unwrap()).await.unwrap();
    assert!(whole == film(64, 36, 10));
}

#[tokio::test]
async fn no_version_of_what_was_removed_or_deleted_answers() {
    let house = House::new();
    house.write("a.mp4", &film(64, 36, 10));
    house.write("b/b.mp4", &film(64, 36, 10));
    house.write("b/asset.json", br#"{"version":1,"renditions":[{"file":"b.mp4"}]}"#);
    for name in ["a", "b"] {
        assert!(house.open(name).await.is_ok());
        assert_eq!(house.catalog.gone(&id(name)), None);
    }
    house.replace("a.mp4", &film(64, 36, 12));
    house.open("a").await.unwrap();
    fs::remove_file(house.path("a.mp4")).unwrap();
    house.write("b/asset.json", br#"{"version":1,"renditions":[]}"#);
    for (name, gone) in [("a", GoneReason::Removed), ("b", GoneReason::Deleted)] {
        assert!(matches!(house.open(name).await, Err(Error::NotFound)));
        assert_eq!((house.catalog.replaced(&id(name)).len(), house.catalog.gone(&id(name))), (0, Some(gone)));
    }
    // The deleted asset is purged: its folder disappears.
    fs::remove_dir_all(house.path("b")).unwrap();
    assert!(matches!(house.open("b").await, Err(Error::NotFound)));
    assert!(house.catalog.gone(&id("b")).is_some());
    house.write("b.mp4", &film(64, 36, 10));
    assert!(house.open("b").await.is_ok());
    assert_eq!(house.catalog.gone(&id("b")), None);
}

#[tokio::test]
async fn a_file_that_is_still_being_copied_is_looked_at_again() {
    let house = House::new();
    let whole = film(64, 36, 10);
    let (half, _) = whole.split_at(whole.len() / 2);
    house.write("a.mp4", half);
    assert!(matches!(house.open("a").await, Err(Error::Unplayable { reason: Reason::Demux(_), .. })));
    house.write("a.mp4", &whole);
    assert_eq!(names(&house.open("a").await.unwrap()), ["a.mp4"]);
}

#[tokio::test]
async fn a_touched_file_takes_no_old_version_out_of_the_history() {
    let house = House::new();
    house.write("a.mp4", &film(64, 36, 10));
    let old = house.open("a").await.unwrap();
    house.replace("a.mp4", &film(64, 36, 12));
    let new = house.open("a").await.unwrap();
    for hours in 1..8 {
        let time = std::time::SystemTime::now() - Duration::from_hours(hours);
        fs::File::options().write(true).open(house.path("a.mp4")).unwrap().set_modified(time).unwrap();
        let touched = house.open("a").await.unwrap();
        assert!(touched.plan.fingerprint() == new.plan.fingerprint() && !Arc::ptr_eq(&touched, &new));
    }
    let versions = house.catalog.replaced(&id("a"));
    assert_eq!(versions.len(), 1);
    assert!(Arc::ptr_eq(&versions[0], &old));
}

#[tokio::test]
async fn a_rung_that_is_replaced_stays_what_it_was_until_the_new_one_holds() {
    let house = House::settling(Duration::from_millis(300));
    let aged = |path: &str| {
        let time = std::time::SystemTime::now() - Duration::from_hours(1);
        fs::File::options().write(true).open(house.path(path)).unwrap().set_modified(time).unwrap();
    };
    house.write("film/360.mp4", &film(640, 360, 10));
    house.write("film/720.mp4", &film(1280, 720, 10));
    assert!(matches!(house.open("film").await, Err(Error::NotFound)));
    assert_eq!(house.pages(9).await, Vec::<String>::new());
    aged("film/360.mp4");
    aged("film/720.mp4");
    let old = house.open("film").await.unwrap();
    house.replace("film/720.mp4", &film(1920, 1080, 10));
    // A new rung makes a new asset, which still has the old version of the rung that is being replaced.
    house.write("film/540.mp4", &film(960, 540, 10));
    aged("film/540.mp4");
    let joined = house.open("film").await.unwrap();
    assert_eq!(names(&joined), ["360.mp4", "540.mp4", "720.mp4"]);
    assert!(Arc::ptr_eq(&joined.files[2].movie, &old.files[1].movie));
    tokio::time::sleep(Duration::from_millis(350)).await;
    let new = house.open("film").await.unwrap();
    assert_ne!(new.files[2].movie.content, old.files[1].movie.content);
}

#[tokio::test]
async fn a_film_that_is_written_over_is_neither_the_old_nor_the_new_until_it_holds() {
    let house = House::settling(Duration::from_millis(300));
    house.write("a.mp4", &film(64, 36, 10));
    tokio::time::sleep(Duration::from_millis(350)).await;
    let old = house.open("a").await.unwrap();
    house.write("a.mp4", &film(64, 36, 12));
    assert!(matches!(house.open("a").await, Err(Error::Overwritten(path)) if path == "a.mp4"));
    assert!(matches!(house.open("a").await, Err(Error::Interrupted(_))));
    assert!(Arc::ptr_eq(&house.catalog.replaced(&id("a"))[0], &old));
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_ne!(house.open("a").await.unwrap().files[0].movie.content, old.files[0].movie.content);
}

#[tokio::test]
async fn a_stale_asset_is_answered_while_it_is_looked_at() {
    let house = House::looking(Duration::from_secs(1));
    house.write("a.mp4", &film(64, 36, 10));
    let old = house.open("a").await.unwrap();
    house.replace("a.mp4", &film(64, 36, 12));
    assert!(Arc::ptr_eq(&old, &house.open("a").await.unwrap()));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(Arc::ptr_eq(&old, &house.open("a").await.unwrap()));
    while Arc::ptr_eq(&old, &house.open("a").await.unwrap()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_forced_look_sees_what_a_kept_answer_hides() {
    let house = House::looking(Duration::from_mins(1));
    house.write("a.mp4", &film(64, 36, 10));
    let old = house.open("a").await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    house.replace("a.mp4", &film(64, 36, 12));
    assert!(Arc::ptr_eq(&old, &house.open("a").await.unwrap()));
    let new = house.catalog.refresh(&id("a")).await.unwrap();
    assert!(!Arc::ptr_eq(&old, &new));
    assert!(Arc::ptr_eq(&new, &house.open("a").await.unwrap()));
}

#[tokio::test]
async fn names_that_cannot_be_or_are_claimed_twice_are_refused() {
    let house = House::new();
    house.write("a.mp4", &film(64, 36, 10));
    house.write("a.mov", &film(64, 36, 10));
    house.write("index.old.mp4", &film(64, 36, 10));
    house.write("files/b.mp4", &film(64, 36, 10));
    house.write("c.mp4", &film(64, 36, 10));
    house.write("c/360.mp4", &film(640, 360, 10));
    house.write("c/720.mp4", &film(1280, 720, 10));
    house.write("d.mp4", &film(64, 36, 10));
    let expected = [
        "a: a.mov: its name is also that of a.mp4: rename one",
        "c: c.mp4: its name is also that of the folder c/: rename one",
        "d d.mp4",
        "files/b: refused",
        "index.old: refused",
    ];
    for limit in [1, 2, 3, 10] {
        let mut told = house.pages(limit).await;
        told.sort_unstable();
        assert_eq!(told, expected, "{limit}");
    }
}

#[tokio::test]
async fn the_four_versions_replaced_last_are_kept() {
    let house = House::new();
    let mut made = Vec::new();
    for seconds in 10..18 {
        house.write("a.mp4", &film(64, 36, seconds));
        made.push(house.open("a").await.unwrap().files[0].movie.content);
    }
    let versions = house.catalog.replaced(&id("a"));
    let kept: Vec<_> = versions.iter().map(|asset| asset.files[0].movie.content).collect();
    made.pop();
    made.reverse();
    made.truncate(4);
    assert_eq!(kept, made);
}

#[tokio::test]
async fn the_size_of_the_index_cache_is_measured() {
    let house = House::new();
    house.write("a.mp4", &film(64, 36, 10));
    house.write("b.mp4", &film(64, 36, 20));
    let (a, b) = (house.open("a").await.unwrap(), house.open("b").await.unwrap());
    let [a_bytes, b_bytes] = [&a, &b].map(|asset| weigh(&asset.files[0].movie));
    assert_eq!(house.index_bytes(), a_bytes + b_bytes);
    house.catalog.doubt(&a).await;
    assert_eq!(house.index_bytes(), b_bytes);
}
