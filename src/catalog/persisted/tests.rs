//! Saved files are found by this process and the next one, except damaged, foreign or surplus ones.

use super::{FILE_LIMIT, Persisted, PersistedFile, PersistedKey, RECOUNT, TORN, TOUCH};
use crate::media::{
    Arrangement, Codec, ContentId, Edit, Family, IndexBuilder, Kind, Language, Layout, LeftOut, Movie, Sizes, Sound,
    Timescale, Track,
};
use crate::plan::{self, Plan, SourceFile};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

fn movie(name: u8) -> Movie {
    let index = IndexBuilder {
        durations: vec![(3, 1_024)],
        sizes: Sizes::Each(vec![4, 5, 6]),
        chunk_offsets: vec![40].into(),
        chunk_runs: vec![(1, 3)],
        ..IndexBuilder::default()
    };
    let track = Track {
        id: 1,
        kind: Kind::Audio(Sound { channels: 2, sample_rate: 48_000, arrangement: Arrangement::Speakers }),
        timescale: Timescale::new(48_000).unwrap(),
        language: Language::undetermined(),
        title: None,
        enabled: true,
        alternate_group: 0,
        codec: Codec { fourcc: *b"fLaC", string: "fLaC".into(), family: Family::Other, supplemental: None },
        entry: b"\0\0\0\x08fLaC".to_vec().into(),
        edit: Edit::NONE,
        left_out: LeftOut::default(),
        index: index.build(100).unwrap(),
    };
    let content = ContentId::new([name; 16]);
    Movie { content, size: 100, layout: Layout::MoovFirst, cut_at: None, tracks: vec![track], skipped: Vec::new() }
}

fn key(name: u8) -> PersistedKey {
    PersistedKey::new("s3://films", &[name])
}

fn bytes() -> u64 {
    crate::media::u64_from_usize(movie(0).freeze().len())
}

fn names(dir: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

fn age(path: &Path, by: Duration) {
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - by).unwrap();
}

#[test]
fn what_is_kept_is_found_by_this_process_and_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join("made/anew");
    let kept = Persisted::open(&below, 1 << 20).unwrap();
    assert_eq!(kept.get(&key(1)), None);
    kept.put(&key(1), &movie(1).freeze());
    assert_eq!(kept.get(&key(1)), Some(movie(1)));
    assert_eq!(names(&below), [below.join(format!("{}.index", key(1)))]);
    assert_eq!(Persisted::open(&below, 1 << 20).unwrap().get(&key(1)), Some(movie(1)));
}

#[test]
fn keys_differ_by_store_and_by_version() {
    let keys = [
        PersistedKey::new("ab", b"c"),
        PersistedKey::new("a", b"bc"),
        PersistedKey::new("ab", b"d"),
        PersistedKey::new("abc", b""),
    ];
    let mut distinct = keys.to_vec();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), keys.len());
    assert_eq!(PersistedKey::named(format!("{}.index", keys[0]).as_ref()), Some(keys[0]));
    assert_eq!(PersistedKey::named(format!("{}.index", keys[0]).to_uppercase().as_ref()), None);
}

#[test]
fn a_plan_has_a_name_of_its_own_which_tells_its_files_and_its_settings() {
    let six = plan::Settings { target_millis: 6_000 };
    let of = |keys: &[PersistedKey], settings| PersistedKey::of_plan(keys.iter().copied(), settings);
    let keys = [
        of(&[key(1)], six),
        of(&[key(1)], plan::Settings { target_millis: 4_000 }),
        of(&[key(2)], six),
        of(&[key(1), key(2)], six),
        of(&[key(2), key(1)], six),
    ];
    let mut distinct = keys.to_vec();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), keys.len());
    let name = format!("{}.plan", keys[0]);
    assert_eq!((PersistedKey::named(name.as_ref()), keys[0].file_name()), (Some(keys[0]), name));
}

#[test]
fn plans_are_kept_beside_indexes_within_the_same_limit() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Persisted::open(dir.path(), 4 * bytes()).unwrap();
    let source = SourceFile { file: "a.mp4".into(), name: None, movie: Arc::new(movie(1)), said: Vec::new() };
    let (sources, settings) = ([source], plan::Settings { target_millis: 6_000 });
    let frozen = Plan::new(&sources, 0, settings).unwrap().freeze(0);
    let name = PersistedKey::of_plan([key(1)].into_iter(), settings);
    let thaw = |bytes: &bytes::Bytes| Plan::thaw(&sources, 0, settings, bytes);
    assert!(kept.plan(&name, thaw).is_none());
    kept.put(&name, &frozen);
    kept.put(&key(1), &movie(1).freeze());
    assert!(kept.plan(&name, thaw).is_some_and(|plan| plan.freeze(0) == frozen));
    assert_eq!(kept.shelf().bytes, bytes() + crate::media::u64_from_usize(frozen.len()));
    // Neither an index nor a damaged plan is a plan.
    for wrong in [movie(1).freeze(), frozen[1..].to_vec()] {
        kept.put(&name, &wrong);
        assert!(kept.plan(&name, thaw).is_none());
        assert_eq!(names(dir.path()), [kept.path(&key(1))]);
    }
    for other in 2..9 {
        kept.put(&PersistedKey::of_plan([key(other)].into_iter(), settings), &frozen);
        kept.put(&key(other), &movie(other).freeze());
    }
    let held: u64 = names(dir.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(held <= 4 * bytes(), "{held}");
}

#[test]
fn the_least_recently_used_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Persisted::open(dir.path(), 4 * bytes()).unwrap();
    for name in 0..4 {
        kept.put(&key(name), &movie(name).freeze());
    }
    assert_eq!(kept.get(&key(0)), Some(movie(0)));
    kept.put(&key(4), &movie(4).freeze());
    assert!(names(dir.path()).len() <= 4);
    let left: Vec<u8> = (0..5).filter(|name| kept.get(&key(*name)).is_some()).collect();
    assert_eq!(left, [0, 3, 4]);
}

#[test]
fn the_order_survives_a_start_and_a_smaller_limit_is_kept_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Persisted::open(dir.path(), 1 << 20).unwrap();
    for name in 0..4 {
        kept.put(&key(name), &movie(name).freeze());
        age(&kept.path(&key(name)), TOUCH * (10 - u32::from(name)));
    }
    assert_eq!(kept.get(&key(0)), Some(movie(0)));
    drop(kept);
    let kept = Persisted::open(dir.path(), 2 * bytes() + bytes() / 2).unwrap();
    assert_eq!(names(dir.path()).len(), 2);
    let left: Vec<u8> = (0..4).filter(|name| kept.get(&key(*name)).is_some()).collect();
    assert_eq!(left, [0, 3]);
}

#[test]
fn what_is_damaged_or_old_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Persisted::open(dir.path(), 1 << 20).unwrap();
    let frozen = movie(1).freeze();
    let mut old = frozen.clone();
    old[8] ^= 1;
    for damaged in [&frozen[..frozen.len() - 1], &old, b""] {
        kept.put(&key(1), damaged);
        assert_eq!(kept.get(&key(1)), None);
        assert!(names(dir.path()).is_empty());
    }
    assert_eq!(kept.shelf().bytes, 0);
}

#[test]
fn what_a_crash_left_is_removed_and_what_others_write_or_own_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let [torn, fresh] = ["1-2-3", "4-5-6"].map(|of| dir.path().join(format!("{}.{of}.part", key(1))));
    let foreign = dir.path().join("notes.part");
    for path in [&torn, &fresh, &foreign] {
        fs::write(path, b"half").unwrap();
    }
    for path in [&torn, &foreign] {
        age(path, TORN * 2);
    }
    Persisted::open(dir.path(), 1 << 20).unwrap();
    let mut expected = [fresh, foreign];
    expected.sort();
    assert_eq!(names(dir.path()), expected);
}

#[test]
fn files_come_and_go_by_other_hands() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (Persisted::open(dir.path(), 1 << 20).unwrap(), Persisted::open(dir.path(), 1 << 20).unwrap());
    one.put(&key(1), &movie(1).freeze());
    assert_eq!(other.get(&key(1)), Some(movie(1)));
    fs::remove_file(one.path(&key(1))).unwrap();
    assert_eq!((one.get(&key(1)), other.get(&key(1))), (None, None));
    assert_eq!((one.shelf().bytes, other.shelf().bytes), (0, 0));
    fs::remove_dir_all(dir.path()).unwrap();
    one.put(&key(1), &movie(1).freeze());
    assert_eq!(one.get(&key(1)), None);
}

#[test]
fn what_other_processes_wrote_is_counted_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) =
        (Persisted::open(dir.path(), 4 * bytes()).unwrap(), Persisted::open(dir.path(), 1 << 20).unwrap());
    for name in 0..6 {
        other.put(&key(name), &movie(name).freeze());
    }
    one.shelf().counted -= RECOUNT;
    one.put(&key(6), &movie(6).freeze());
    assert!(names(dir.path()).len() <= 4);
    assert_eq!(one.get(&key(6)), Some(movie(6)));
}

#[test]
fn a_file_larger_than_allowed_is_neither_written_nor_read() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Persisted::open(dir.path(), bytes() - 1).unwrap();
    kept.put(&key(1), &movie(1).freeze());
    assert!(names(dir.path()).is_empty());
    let kept = Persisted::open(dir.path(), u64::MAX).unwrap();
    File::create(kept.path(&key(1))).unwrap().set_len(FILE_LIMIT + 1).unwrap();
    assert_eq!(kept.get(&key(1)), None);
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_use_is_written_down_once_an_hour() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Persisted::open(dir.path(), 1 << 20).unwrap();
    kept.put(&key(1), &movie(1).freeze());
    let written = || fs::metadata(kept.path(&key(1))).unwrap().modified().unwrap();
    for (by, touched) in [(TOUCH / 2, false), (TOUCH * 2, true)] {
        age(&kept.path(&key(1)), by);
        let before = written();
        assert_eq!(kept.get(&key(1)), Some(movie(1)));
        assert_eq!(written() > before, touched);
    }
}

#[test]
fn writers_and_readers_at_once_see_whole_movies() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Persisted::open(dir.path(), 3 * bytes()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for turn in 0..200_u8 {
                    let name = turn % 5;
                    kept.put(&key(name), &movie(name).freeze());
                    assert!(kept.get(&key(name)).is_none_or(|found| found == movie(name)));
                }
            });
        }
    });
    let counted: u64 = kept.shelf().files.values().map(|PersistedFile { bytes, .. }| *bytes).sum();
    assert_eq!(counted, kept.shelf().bytes);
    assert!(counted <= 3 * bytes());
}
