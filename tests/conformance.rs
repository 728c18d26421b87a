//! The rules of CMAF, HLS and DASH: the project's own checkers check every fixture (and the corpus, if present) as the
//! real binary serves it. Each checker is shown to fail on content that breaks its rules.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::similar_names,
    reason = "a test that panics has failed, which is what it is for"
)]
#![allow(dead_code, reason = "each test program uses its part of the support modules")]

#[path = "support/boxes.rs"]
mod boxes;
#[path = "support/check_cmaf.rs"]
mod check_cmaf;
#[path = "support/check_dash.rs"]
mod check_dash;
#[path = "support/check_hls.rs"]
mod check_hls;
#[path = "support/codec.rs"]
mod codec;
#[path = "support/fetch.rs"]
mod fetch;
#[path = "support/hls.rs"]
mod hls;
#[path = "support/media.rs"]
mod media;
#[path = "support/mpd.rs"]
mod mpd;
#[path = "support/presentation.rs"]
mod presentation;
#[path = "support/sample.rs"]
mod sample;
mod support;

use presentation::Presentation;
use sample::Site;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::Server;

/// All faults of an asset.
fn faults(presentation: &Presentation) -> Vec<String> {
    let mut faults: Vec<String> = presentation.tracks.iter().flat_map(check_cmaf::check).collect();
    faults.extend(check_hls::check(presentation));
    faults.extend(check_dash::check(presentation));
    faults
}

#[test]
fn every_fixture_keeps_the_rules_of_cmaf_hls_and_dash() {
    let folder = tempfile::tempdir().unwrap();
    media::copy(&media::fixtures(), &folder.path().join("fixtures")).unwrap();
    if let Some(corpus) = media::corpus() {
        media::copy(&corpus, &folder.path().join("corpus")).unwrap();
        let bad = folder.path().join("corpus/bad");
        fs::remove_dir_all(bad).unwrap();
    }
    let server = Server::start(folder.path(), &[]);
    let base = format!("http://{}", server.public);
    let files = media::files(folder.path());
    let (mut wrong, mut checked) = (BTreeMap::new(), 0);
    let mpds = tempfile::tempdir().unwrap();
    for asset in media::assets(&base, folder.path(), &files) {
        let root = media::root(&base, &asset.name);
        let refused = fetch::get(&format!("{root}index.m3u8")).is_ok_and(|answer| answer.status == 422);
        if refused && asset.name.starts_with("corpus/") {
            continue;
        }
        checked += 1;
        let found = match Presentation::load(&|uri| fetch::body(&format!("{root}{uri}"))) {
            Ok(presentation) => {
                fs::write(mpds.path().join(format!("{}.mpd", asset.name.replace('/', "-"))), &presentation.mpd_text)
                    .unwrap();
                faults(&presentation)
            }
            Err(fault) => vec![fault],
        };
        if !found.is_empty() {
            wrong.insert(asset.name, found);
        }
    }
    if let Err(fault) = validate(mpds.path()) {
        wrong.insert("the schema of MPDs".into(), vec![fault]);
    }
    println!("{checked} assets checked");
    let line = |(name, found): (&String, &Vec<String>)| format!("{name}:\n    {}", found.join("\n    "));
    let text: Vec<String> = wrong.iter().map(line).collect();
    assert!(wrong.is_empty(), "{} of {checked} assets break rules\n{}", wrong.len(), text.join("\n"));
    assert!(checked > 0, "nothing was checked");
}

/// Validates every `.mpd` of a folder with xmllint against the schema in `tests/schema`.
fn validate(folder: &Path) -> Result<(), String> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema/mpd.xsd");
    let mut command = Command::new("xmllint");
    command.args(["--nonet", "--noout", "--schema"]).arg(schema);
    let mut files = fs::read_dir(folder).map_err(|error| error.to_string())?.flatten().peekable();
    if files.peek().is_none() {
        return Ok(());
    }
    command.args(files.map(|entry| entry.path()));
    let done = command.output().map_err(|error| format!("xmllint (Debian: libxml2-utils): {error}"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    let wrong: Vec<&str> = said.lines().filter(|line| !line.ends_with(" validates")).collect();
    if done.status.success() { Ok(()) } else { Err(wrong.join("\n    ")) }
}

/// Asserts that a checker finds the damage done by `spoil`, and that its message contains `words`.
fn finds(spoil: impl FnOnce(&mut Site), words: &str) {
    let mut site = sample::site();
    spoil(&mut site);
    let found = match site.load() {
        Ok(presentation) => faults(&presentation),
        Err(fault) => vec![fault],
    };
    assert!(found.iter().any(|fault| fault.contains(words)), "{words:?} is not among {found:#?}");
}

#[test]
fn a_good_site_breaks_no_rule() {
    let site = sample::site();
    assert_eq!(faults(&site.load().unwrap()), Vec::<String>::new());
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.mpd"), site.text("index.mpd")).unwrap();
    assert_eq!(validate(folder.path()), Ok(()));
}

#[test]
fn the_cmaf_checker_finds_what_breaks_its_rules() {
    let init = |from: &'static [u8], to: &'static [u8]| move |site: &mut Site| site.swap("v1/init.mp4", from, to);
    let media = |from: &'static [u8], to: &'static [u8]| move |site: &mut Site| site.swap("v1/2.m4s", from, to);
    finds(init(b"cmfc", b"cmf2"), "brand cmf2");
    finds(init(b"iso6", b"iso5"), "no brand iso6");
    finds(init(b"mvex", b"free"), "moov at 28 has no mvex");
    finds(init(b"edts", b"free"), "not one of duration 0");
    finds(init(b"url \0\0\0\x01", b"url \0\0\0\0"), "dref points out of the file");
    finds(init(b"stsz\0\0\0\0\0\0\0\0\0\0\0\0", b"stsz\0\0\0\0\0\0\0\x09\0\0\0\x01"), "stts is shorter than stsz");
    finds(|site| site.edit("v1/init.mp4", |bytes| bytes.extend(*b"\0\0\0\x08free")), "not ftyp and moov");
    finds(media(b"tfhd\0\x02", b"tfhd\0\0"), "no default-base-is-moof");
    finds(media(b"tfdt\x01", b"tfxd\x01"), "no usable tfdt");
    finds(media(b"mfhd\0\0\0\0\0\0\0\x02", b"mfhd\0\0\0\0\0\0\0\x01"), "sequence_number 1 after 1");
    finds(media(b"mdat", b"free"), "a moof without its mdat");
    finds(|site| site.remove("v1/2.m4s"), "v1/2.m4s");
    finds(|site| site.bump("v1/2.m4s", b"tfdt", 15), "tfdt");
    finds(|site| site.bump("v1/2.m4s", b"trun", 15), "was due");
    finds(|site| site.edit("v1/2.m4s", |bytes| bytes.truncate(bytes.len() - 1)), "claims");
    finds(|site| site.edit("v1/2.m4s", |bytes| bytes.extend(*b"\0\0\0\x09free!")), "a free at byte");
    finds(|site| *site = sample::Plan { offset: -200, ..sample::Plan::good() }.site(), "composition offset -200");
    finds(|site| *site = sample::Plan { sync: false, ..sample::Plan::good() }.site(), "no sync sample");
    finds(|site| *site = sample::Plan { unused: 3, ..sample::Plan::good() }.site(), "samples end at byte");
}

#[test]
fn the_hls_checker_finds_what_breaks_its_rules() {
    let entry = |from: &'static str, to: &'static str| move |site: &mut Site| site.say("index.m3u8", from, to);
    let media = |from: &'static str, to: &'static str| move |site: &mut Site| site.say("v1/index.m3u8", from, to);
    finds(entry("#EXTM3U\n", ""), "#EXTM3U");
    finds(entry("#EXT-X-INDEPENDENT-SEGMENTS\n", ""), "INDEPENDENT-SEGMENTS is said: false");
    finds(|site| *site = sample::Plan { idr: false, ..sample::Plan::good() }.site(), "is true: false");
    finds(entry("LANGUAGE=\"en\",", ""), "LANGUAGE is missing");
    finds(entry("CHANNELS=\"2\"", "CHANNELS=2"), "CHANNELS is missing, empty or not quoted");
    finds(entry("GROUP-ID=\"a\"", "GROUP-ID=\"b\""), "no variant uses group");
    finds(entry("mp4a.40.2\"", "mp4a.40.5\""), "without mp4a.40.2");
    finds(entry("avc1.42c01e", "avc1"), "without avc1.42c01e");
    finds(entry("RESOLUTION=320x180", "RESOLUTION=180x180"), "RESOLUTION");
    finds(entry("FRAME-RATE=5.000,", ""), "FRAME-RATE None");
    finds(|site| site.say_rate("index.m3u8", "BANDWIDTH=", 0.98), "BANDWIDTH");
    finds(|site| site.say_rate("index.m3u8", ":BANDWIDTH=", 1.2), "BANDWIDTH");
    finds(|site| site.say_rate("index.m3u8", "AVERAGE-BANDWIDTH=", 1.2), "AVERAGE-BANDWIDTH");
    finds(media("#EXT-X-TARGETDURATION:2", "#EXT-X-TARGETDURATION:1"), "the target is 1");
    finds(media("#EXT-X-TARGETDURATION:2", "#EXT-X-TARGETDURATION:3"), "different EXT-X-TARGETDURATION");
    finds(media("#EXT-X-ENDLIST\n", ""), "EXT-X-ENDLIST 0 times");
    finds(media("#EXT-X-PLAYLIST-TYPE:VOD\n", ""), "not VOD");
    finds(media("#EXT-X-VERSION:7", "#EXT-X-VERSION:3"), "EXT-X-VERSION");
    finds(media("#EXTINF:2.000000,\n1.m4s", "#EXTINF:2.300000,\n1.m4s"), "are listed");
    finds(media("#EXTINF:2.000000,\n1.m4s", "#EXTINF:2.000000\n1.m4s"), "has no comma");
    finds(media("#EXT-X-MAP:URI=\"init.mp4\"\n", ""), "no EXT-X-MAP");
}

#[test]
fn the_dash_checker_finds_what_breaks_its_rules() {
    let mpd = |from: &'static str, to: &'static str| move |site: &mut Site| site.say("index.mpd", from, to);
    finds(mpd("presentationTimeOffset=\"10000\"", "presentationTimeOffset=\"9000\""), "presentationTimeOffset 9000");
    finds(mpd("<S t=\"10000\" d=\"2000\"", "<S t=\"10080\" d=\"2000\""), "its media 10000 to");
    finds(mpd("d=\"2000\" r=\"1\"", "d=\"2000\""), "segments in the timeline");
    finds(mpd("mediaPresentationDuration=\"PT4", "mediaPresentationDuration=\"PT5"), "the media ends at");
    finds(mpd("maxSegmentDuration=\"PT2", "maxSegmentDuration=\"PT1"), "maxSegmentDuration is below");
    finds(mpd("<Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"main\"/>", ""), "no Role");
    finds(mpd("lang=\"en\"", "id=\"9\""), "no @lang");
    finds(mpd("startNumber=\"1\"", "startNumber=\"2\""), "HLS has another");
    finds(mpd("codecs=\"avc1.42c01e\"", "codecs=\"avc1.42c01f\""), "@codecs");
    finds(mpd("AudioChannelConfiguration", "SupplementalProperty"), "no AudioChannelConfiguration");
    finds(|site| site.say_rate("index.mpd", "bandwidth=\"", 0.3), "@bandwidth");
    finds(|site| site.say_rate("index.mpd", "bandwidth=\"", 1.3), "@bandwidth");
}

#[test]
fn the_schema_refuses_what_is_no_mpd() {
    let folder = tempfile::tempdir().unwrap();
    let good = sample::site().text("index.mpd");
    for (from, to) in [
        ("<Role ", "<Roll "),
        (" type=\"static\"", " type=\"still\""),
        ("minBufferTime=\"PT2S\"", ""),
        ("bandwidth=", "bandwith="),
        ("d=\"2000\"", "d=\"two\""),
        ("<AdaptationSet ", "<AdaptationSet lang=\"english language\" "),
        ("frameRate=\"5\"", "frameRate=\"5.0.0\""),
        ("mediaPresentationDuration=\"PT", "mediaPresentationDuration=\""),
        ("urn:mpeg:dash:schema:mpd:2011", "urn:mpeg:DASH:schema:MPD:2011"),
    ] {
        let spoiled = good.replacen(from, to, 1);
        assert_ne!(spoiled, good, "{from}");
        fs::write(folder.path().join("bad.mpd"), spoiled).unwrap();
        let said = validate(folder.path()).expect_err(&format!("{from} as {to} passes"));
        assert!(said.contains("bad.mpd fails to validate"), "{said}");
    }
}
