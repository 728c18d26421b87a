//! Tests of the whole configuration: that `config.toml` documents it, and that errors name the mistake.

use super::{ByteSize, Config, Error, Overrides};
use std::path::{Path, PathBuf};
use std::time::Duration;

const DOCUMENT: &str = include_str!("../../config.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("c.toml"), text).map_err(|error| error.to_string())
}

/// `config.toml` with each `# key = value` uncommented.
fn uncommented() -> String {
    let set = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if rest.contains(" = ") => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    DOCUMENT.lines().map(set).collect()
}

#[test]
fn the_documented_file_says_the_defaults() {
    assert_eq!(parse(DOCUMENT), Ok(Config::default()));
    assert_eq!(parse(&uncommented()), Ok(Config::default()));
}

#[test]
fn the_documented_file_mentions_every_key() {
    // For an unknown field, serde's message lists all known keys.
    let expected = |text: &str| -> Vec<String> {
        let error = parse(text).unwrap_err();
        let (_, list) = error.split_once("expected").unwrap();
        list.split('`').skip(1).step_by(2).map(String::from).collect()
    };
    let sections = expected("stranger = 1");
    assert_eq!(sections.len(), 11);
    for section in sections {
        let text = uncommented();
        let (_, body) = text.split_once(&format!("[{section}]\n")).unwrap();
        let body = body.split("\n[").next().unwrap();
        for key in expected(&format!("[{section}]\nstranger = 1")) {
            assert!(body.lines().any(|line| line.starts_with(&format!("{key} = "))), "{section}.{key}");
        }
    }
}

#[test]
fn each_mistake_names_file_line_key_and_what_is_allowed() {
    let error = |text: &str| parse(text).unwrap_err();
    assert_eq!(
        error("[cache]\n\nsegment = \"1MiB\""),
        "c.toml:3: cache.segment: unknown field `segment`, expected one of `segments`, `manifests`, `indexes`, `blocks`, `index_folder`, `index_files`, `index_beside`, `making`, `making_wait`"
    );
    assert_eq!(
        error("[package]\nsegment_target = \"6\""),
        "c.toml:2: package.segment_target: `6`: a duration is a whole number and its unit, ms, s, min or h, as in \"6s\" or \"500ms\""
    );
    assert_eq!(
        error("[package]\nsegment_target = 6"),
        "c.toml:2: package.segment_target: invalid type: integer `6`, expected a duration is a whole number and its unit, ms, s, min or h, as in \"6s\" or \"500ms\""
    );
    assert_eq!(error("[package]\nsegment_target = \"61s\""), "c.toml:2: package.segment_target: 1s to 60s is allowed");
    assert_eq!(
        error("[cache]\nsegments = \"5MB\""),
        "c.toml:2: cache.segments: `5MB`: a size is a whole number and its unit, B, KiB, MiB or GiB, as in \"512MiB\""
    );
    assert_eq!(
        error("[listen]\npublic = \"8080\""),
        "c.toml:2: listen.public: `8080`: an address is an IP and a port, as in \"127.0.0.1:8080\" or \"[::]:8080\""
    );
    assert_eq!(error("[http]\nconnections = 0"), "c.toml:2: http.connections: 1 to 1000000 is allowed");
    assert_eq!(
        error("[http]\nmanifest_max_age = \"1500ms\""),
        "c.toml:2: http.manifest_max_age: whole seconds are allowed"
    );
    assert_eq!(
        error("[log]\nlevel = \"loud\""),
        "c.toml:2: log.level: unknown variant `loud`, expected one of `error`, `warn`, `info`, `debug`, `trace`"
    );
    assert_eq!(
        error("[http]\nserver_timing = \"off\""),
        "c.toml:2: http.server_timing: invalid type: string \"off\", expected a boolean"
    );
    assert!(!error("[http\nx").contains('\n'));
}

/// Each key of `config.toml` with its default, as `section.key`, the line that sets it, and the default.
fn documented() -> Vec<(String, String, String)> {
    let text = uncommented();
    let (mut section, mut keys) = ("", Vec::new());
    for line in text.lines() {
        if let Some(head) = line.strip_prefix('[') {
            section = head.trim_end_matches(']');
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            keys.push((format!("{section}.{key}"), format!("[{section}]\n{key} = "), value.to_owned()));
        }
    }
    keys
}

#[test]
fn every_size_and_every_duration_has_bounds() {
    let ends_with = |value: &str, units: &[&str]| {
        let text = value.trim_matches('"');
        text.starts_with(|c: char| c.is_ascii_digit())
            && units.iter().any(|unit| text.trim_start_matches(|c: char| c.is_ascii_digit()) == *unit)
    };
    let (mut sizes, mut durations) = (0, 0);
    for (key, line, value) in documented() {
        let tried: &[&str] = if ends_with(&value, &["B", "KiB", "MiB", "GiB"]) {
            sizes += 1;
            &["17179869184GiB", "17179869183GiB", "1048577GiB", "99999999999999999999B"]
        } else if ends_with(&value, &["ms", "s", "min", "h"]) {
            durations += 1;
            &["5124095576030432h", "18446744073709551615ms", "99999999999999999999s", "721h"]
        } else {
            continue;
        };
        for each in tried {
            let error = parse(&format!("{line}\"{each}\"")).expect_err(&format!("{key} = {each}"));
            let (place, allowed) = error.split_once(&format!("{key}: ")).unwrap();
            assert_eq!(place, "c.toml:2: ");
            assert!(allowed.contains(" to ") && allowed.ends_with(" is allowed"), "{error}");
        }
    }
    assert!(sizes >= 11 && durations >= 12, "{sizes} sizes, {durations} durations");
}

#[test]
fn a_byte_order_mark_is_refused_by_name() {
    assert_eq!(
        parse("\u{feff}[log]\nlevel = \"debug\""),
        Err("c.toml:1: the file begins with a byte order mark (BOM): save it as UTF-8 without one".into())
    );
}

#[test]
fn counts_addresses_and_urls_are_checked() {
    let error = |text: &str| parse(text).unwrap_err();
    assert_eq!(error("[http]\nconnections = -5"), "c.toml:2: http.connections: 1 to 1000000 is allowed");
    assert_eq!(error("[jobs]\nworkers = 65"), "c.toml:2: jobs.workers: 0 to 64 is allowed");
    assert_eq!(
        error("[jobs]\nworkers = 1.5"),
        "c.toml:2: jobs.workers: invalid type: floating point `1.5`, expected 0 to 64"
    );
    assert_eq!(
        error("[listen]\nprivate = \"127.0.0.1:65536\""),
        "c.toml:2: listen.private: `127.0.0.1:65536`: an address is an IP and a port, as in \"127.0.0.1:8080\" or \"[::]:8080\""
    );
    assert_eq!(
        error("[listen]\npublic_url = \"video.example.com\""),
        "c.toml:2: listen.public_url: `video.example.com`: a URL is allowed, as in \"https://video.example.com\", or nothing"
    );
    assert_eq!(
        error("[ingest]\norigins = [\n  \"https://studio.example.com/\",\n]"),
        "c.toml:2: ingest.origins: `https://studio.example.com/`: an origin is a scheme and a host, as in \"https://studio.example.com\""
    );
    assert_eq!(
        error("[[store.mounts]]\nprefix = \"a\"\nurl = \"s3://b\"\noptions = { endpoint = \"minio:9000\" }"),
        "c.toml:4: store.mounts.options: `minio:9000`: an endpoint is a URL, as in \"https://minio.example.com:9000\", or nothing"
    );
    assert!(parse("[ingest]\norigins = [\"https://a.example\", \"http://b:8080\"]").is_ok());
}

#[test]
fn a_key_that_is_set_twice_is_named() {
    let error = |text: &str| parse(text).unwrap_err();
    assert_eq!(error("[http]\nconnections = 1\nconnections = 2"), "c.toml:3: http.connections: duplicate key");
    assert_eq!(error("[log]\nlevel = \"info\"\n[log]\nlevel = \"warn\""), "c.toml:3: log: duplicate key");
}

#[test]
fn a_password_is_not_quoted() {
    assert_eq!(
        parse("[library]\nurl = \"postgres:/user:secret@host/name\"").unwrap_err(),
        "c.toml:2: library.url: a database is sqlite:file, postgres://user@host/name, or none"
    );
}

#[test]
fn units_are_read_as_they_are_written() {
    let config = parse("[cache]\nsegments = \"3GiB\"\n[store]\nrefresh = \"500ms\"\n[http]\ndrain = \"1min\"").unwrap();
    assert_eq!(config.cache.segments, ByteSize(3 << 30));
    assert_eq!(config.store.refresh, Duration::from_millis(500));
    assert_eq!(config.http.drain, Duration::from_mins(1));
}

#[test]
fn flags_win_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    std::fs::write(
        &file,
        "[listen]\npublic = \"127.0.0.1:1\"\nprivate = \"127.0.0.1:2\"\n[store]\nmedia = \"nowhere\"",
    )
    .unwrap();
    let overrides = Overrides {
        public: Some("127.0.0.1:3".parse().unwrap()),
        media: Some(folder.path().into()),
        ..Overrides::default()
    };
    let config = Config::load(Some(&file), overrides).unwrap();
    assert_eq!(config.listen.public.port(), 3);
    assert_eq!(config.listen.private.port(), 2);
    assert_eq!(config.store.media, folder.path());
}

#[test]
fn a_mount_has_a_url_and_a_prefix_of_its_own() {
    let load = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(&file, text).unwrap();
        let overrides = Overrides { media: Some(folder.path().into()), ..Overrides::default() };
        Config::load(Some(&file), overrides).unwrap_err().to_string()
    };
    let mount = "[[store.mounts]]\nprefix = \"a\"\nurl = \"s3://b\"\n";
    assert_eq!(load(&[mount, mount].concat()), "store.mounts: `a`: another mount has the same prefix");
    assert_eq!(load(&mount.replace("s3://b", "")), "store.mounts: `a`: it has no url");
}

#[test]
fn a_missing_folder_is_named() {
    let overrides = Overrides { media: Some(PathBuf::from("/no/such/folder")), ..Overrides::default() };
    let error: Error = Config::load(None, overrides).unwrap_err();
    assert_eq!(error.to_string(), "/no/such/folder: does not exist (the folder of media: `store.media` or --media)");
}
