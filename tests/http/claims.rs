//! Small files that claim to be huge: the server refuses them by name before it builds anything, and other viewers do
//! not notice.

use crate::site::assert_problem;
use crate::support::{Answer, Server, fixtures, on_disk_only};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::fs::{File, copy, create_dir_all, read_to_string};
use std::io::Write;
use std::path::Path;

fn atom(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], &kind, body].concat()
}

/// A full box of 32-bit words, with version and flags 0.
fn table(kind: [u8; 4], fields: &[u32]) -> Vec<u8> {
    let words: Vec<u8> = [0].iter().chain(fields).flat_map(|word| word.to_be_bytes()).collect();
    atom(kind, &words)
}

/// An H.264 track of `samples` key frames of one byte, each lasting six seconds.
fn trak(id: u32, samples: u32, chunk: u32) -> Vec<u8> {
    let avcc = atom(*b"avcC", &[1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 2, 0x67, 0x64, 1, 0, 1, 0x68]);
    let entry = [&[0, 0, 0, 0, 0, 0, 0, 1][..], &[0; 16], &[1, 64, 0, 240], &[0; 50], &avcc].concat();
    let stsd = [&table(*b"stsd", &[1])[..], &atom(*b"avc1", &entry)].concat();
    let stsd = atom(*b"stsd", &stsd[8..]);
    let tables = [
        stsd,
        table(*b"stts", &[1, samples, 6]),
        table(*b"stsz", &[1, samples]),
        table(*b"stsc", &[1, 1, samples, 1]),
        table(*b"stco", &[1, chunk]),
    ];
    let matrix = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000, 0, 0];
    let tkhd = [&[0, 0, id, 0, 0, 0, 0, 0, 0][..], &matrix].concat();
    let handler = u32::from_be_bytes(*b"vide");
    let mdia = [
        table(*b"mdhd", &[0, 0, 1, 0, 0x15c7_0000]),
        table(*b"hdlr", &[0, handler, 0, 0, 0]),
        atom(*b"minf", &atom(*b"stbl", &tables.concat())),
    ];
    let mut tkhd = table(*b"tkhd", &tkhd);
    // Enabled and in the movie.
    tkhd[11] = 3;
    atom(*b"trak", &[tkhd, atom(*b"mdia", &mdia.concat())].concat())
}

/// Writes a file of `count` such tracks with `samples` samples each. Its media is a hole.
fn lay(path: &Path, count: u32, samples: u32) {
    let head = [atom(*b"ftyp", b"isom\0\0\0\0mp42"), (samples + 8).to_be_bytes().to_vec(), b"mdat".to_vec()].concat();
    let chunk = u32::try_from(head.len()).unwrap();
    let traks = (1..=count).flat_map(|id| trak(id, samples, chunk)).collect::<Vec<u8>>();
    let moov = atom(*b"moov", &[table(*b"mvhd", &[0, 0, 1_000, 0]), traks].concat());
    create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = File::create(path).unwrap();
    file.write_all(&head).unwrap();
    file.set_len(u64::from(chunk + samples)).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
    file.write_all(&moov).unwrap();
}

#[track_caller]
fn assert_refused(answer: &Answer, why: &str) {
    assert_problem(answer, 422);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(why), "{detail}");
}

/// Limits the server's address space to `more` bytes above its current size.
fn confine(server: &Server, more: u64) {
    let pid = i32::try_from(server.child.id()).unwrap();
    let status = read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mapped = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.trim().strip_suffix(" kB")).unwrap();
    let limit = Some(mapped.parse::<u64>().unwrap() * 1_024 + more);
    prlimit(Pid::from_raw(pid), Resource::As, Rlimit { current: limit, maximum: limit }).unwrap();
}

#[test]
fn thirty_million_key_frames_are_refused_by_name_and_the_server_lives() {
    if on_disk_only("the file is a hole") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    copy(fixtures().join("vfr.mp4"), folder.path().join("film.mp4")).unwrap();
    lay(&folder.path().join("frames.mp4"), 1, 30_000_000);
    lay(&folder.path().join("tracks.mp4"), 1_000, 10);
    let server = Server::start(folder.path(), &[]);
    assert_eq!(server.get("/vod/film/index.m3u8", "").status, 200);
    confine(&server, 512 << 20);
    for entry in ["index.m3u8", "index.mpd", "ts.m3u8"] {
        let answer = server.get(&format!("/vod/frames/{entry}"), "");
        assert_refused(&answer, "frames.mp4: track 1 would have more than 100000 segments (`limits.segments`");
        let answer = server.get(&format!("/vod/tracks/{entry}"), "");
        assert_refused(&answer, "it has 1000 tracks; at most 128 are served (`limits.tracks`)");
    }
    assert_eq!(server.get("/vod/film/index.mpd", "").status, 200);
}

#[test]
fn what_exceeds_the_settings_is_refused_by_the_name_of_its_key() {
    if on_disk_only("the file is a hole") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    lay(&folder.path().join("frames.mp4"), 1, 1_000);
    lay(&folder.path().join("tracks.mp4"), 3, 10);
    let serving = |limits: &str| {
        let settings = format!("[store]\nsettle = \"0s\"\n[limits]\n{limits}\n");
        Server::start_with(folder.path(), &settings)
    };
    let server = serving("segments = 1000\ntracks = 3\nvariants = 3");
    for path in ["/vod/frames/index.m3u8", "/vod/frames/index.mpd", "/vod/tracks/index.m3u8"] {
        assert_eq!(server.get(path, "").status, 200, "{path}");
    }
    let server = serving("segments = 999\ntracks = 2");
    assert_refused(&server.get("/vod/frames/index.m3u8", ""), "track 1 would have more than 999 segments");
    assert_refused(
        &server.get("/vod/tracks/index.m3u8", ""),
        "it has 3 tracks; at most 2 are served (`limits.tracks`)",
    );
    let server = serving("variants = 2");
    assert_refused(&server.get("/vod/tracks/index.m3u8", ""), "3 variants; 2 are allowed (`limits.variants`)");
    lay(&folder.path().join("frames.mp4"), 1, 5_000);
    let server = serving("manifest_bytes = \"64KiB\"");
    assert_refused(&server.get("/vod/frames/index.m3u8", ""), "65536 are allowed (`limits.manifest_bytes`)");
}
