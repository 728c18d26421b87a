//! The examples run as they are printed: the embedded origin, the upload by curl, the settings for a bucket, nginx in front.
//! The page is played by tests/players.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

#[path = "support/desk.rs"]
mod desk;
mod support;

use afflux::config::{Config, Overrides};
use desk::{Desk, film};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::fixtures;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// The standard output of a program that has succeeded.
#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_program_embeds_the_origin() {
    // Cargo builds examples beside the folder of the test programs.
    let built = std::env::current_exe().unwrap();
    let embed = built.parent().unwrap().parent().unwrap().join("examples/embed");
    assert!(embed.exists(), "cargo test --examples builds it");
    let text = succeeded(&Command::new(embed).arg(fixtures()).arg("natural").output().unwrap());
    assert!(text.starts_with("#EXTM3U\n") && text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
    assert_eq!(text.matches(".m4s\n").count(), text.matches("#EXTINF:").count());
}

#[test]
fn a_script_uploads_a_film_that_plays() {
    let desk = Desk::new();
    let upload = |key: &str| {
        let mut command = Command::new("bash");
        command.arg(example("upload.sh")).env("AFFLUX_KEY", key).env("FILE", film()).env("ASSET", "films/a night");
        command.env("AFFLUX_SERVER", format!("http://{}", desk.server.private)).output().unwrap()
    };
    assert!(!upload("afx_wrong").status.success());
    succeeded(&upload(&desk.key));
    assert_eq!(desk.packets("/vod/films/a%20night/index.m3u8"), desk.packets_of(&film()));
}

#[test]
fn the_settings_for_a_bucket_are_valid() {
    let config = Config::load(Some(&example("bucket.toml")), Overrides::default()).unwrap();
    assert!(config.cache.index_beside && config.http.misses_per_client == 100);
}

#[test]
fn nginx_takes_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nginx.conf");
    let text = std::fs::read_to_string(example("nginx.conf")).unwrap();
    std::fs::write(&file, text.replace("/tmp/vod", &folder.path().display().to_string())).unwrap();
    let mut check = Command::new("nginx");
    check.args(["-t", "-e", "stderr", "-p"]).arg(folder.path()).arg("-c").arg(file);
    succeeded(&check.output().unwrap());
}
