//! Module dependencies (DESIGN §3), and rules for each module's code. The table below *is* the design: changing it is a
//! decision that the commit explains.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const MEDIA: &str = "media";
const CORE: [&str; 8] = [MEDIA, "route", "demux", "plan", "mux", "verdict", "manifest", "lint"];

/// Largest number of lines in a file, not counting its tests.
const LINES: usize = 500;

/// Words that core modules must not contain: they do not wait, read, log or ask the time.
const SHELL_WORDS: [&str; 8] = ["async ", ".await", "tokio", "tracing", "std::fs", "std::net", "std::io", "::now("];

/// Each module and the modules it may use.
fn table() -> Vec<(&'static str, Vec<&'static str>)> {
    let origin = [&CORE[..], &["store", "cache", "catalog", "config", "metrics"]].concat();
    // Publishing asks the catalog for a preview of an asset, so that it agrees with what players will get.
    let ingest = vec![MEDIA, "demux", "plan", "lint", "verdict", "store", "catalog", "library", "config", "metrics"];
    let control = [&origin[..], &["origin", "http", "library", "ingest"]].concat();
    let cli = [&control[..], &["control"]].concat();
    vec![
        (MEDIA, vec![]),
        ("route", vec![MEDIA]),
        ("demux", vec![MEDIA]),
        ("plan", vec![MEDIA]),
        // Findings and manifests both ask the verdict which players can play a track, so that they agree.
        ("verdict", vec![MEDIA, "plan", "mux"]),
        ("lint", vec![MEDIA, "plan", "verdict"]),
        ("mux", vec![MEDIA, "plan"]),
        ("manifest", vec![MEDIA, "plan", "route", "mux", "verdict"]),
        ("config", vec![MEDIA, "plan"]),
        ("metrics", vec![]),
        ("store", vec![MEDIA, "cache", "config", "metrics"]),
        ("cache", vec![MEDIA, "metrics"]),
        // An asset has findings about its files in the store, besides those about its tracks.
        ("catalog", vec![MEDIA, "demux", "plan", "lint", "store", "cache", "config", "metrics"]),
        ("origin", origin),
        // A query for the list of assets is of the catalog. A reply contains ranges of files, which sockets send.
        ("http", vec![MEDIA, "route", "catalog", "store", "origin", "config", "metrics"]),
        ("library", vec![MEDIA, "config"]),
        ("ingest", ingest),
        ("control", control),
        ("cli", cli),
    ]
}

/// A source file.
struct Source {
    path: PathBuf,
    /// The folder or file below `src` that holds it.
    room: String,
    text: String,
}

impl Source {
    /// Its lines with their numbers, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(at, line)| (at + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Number of the line on which its tests begin; past the end if it has none.
    fn tests_begin(&self) -> usize {
        let before = self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        before.count() + 1
    }

    fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }
}

fn sources() -> Vec<Source> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&source).unwrap();
                let room = below.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path: Path::new("src").join(below), room, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The names that follow `crate::` on a line.
fn visited(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

/// All lines that `wrong` accepts.
fn wrong_lines(wrong: impl Fn(&Source, usize, &str) -> bool) -> Vec<String> {
    let sources = sources();
    let each = sources.iter().flat_map(|source| source.code().map(move |(at, line)| (source, at, line)));
    let found = each.filter(|(source, at, line)| wrong(source, *at, line));
    found.map(|(source, at, line)| format!("{}: {}", source.at(at), line.trim())).collect()
}

#[test]
fn the_table_lists_the_rooms_that_exist() {
    let library = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let declared: BTreeSet<&str> =
        library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let listed: BTreeSet<&str> = table().into_iter().map(|(room, _)| room).collect();
    assert_eq!(declared, listed);
}

#[test]
fn rooms_visit_only_whom_they_may() {
    let table = table();
    let wrong = wrong_lines(|source, _, line| {
        let Some((room, allowed)) = table.iter().find(|(room, _)| *room == source.room) else {
            return false;
        };
        visited(line).any(|other| other != *room && !allowed.contains(&other))
    });
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn no_one_visits_without_naming_the_room() {
    let wrong = wrong_lines(|source, at, line| {
        let line = line.trim();
        let escapes = line.contains("use super::*") || line.contains("super::super");
        // A type is imported from the module that declares it, so that the table shows every dependency.
        let reexport = line.starts_with("pub use ") && (line.ends_with("::*;") || line.contains(" crate::"));
        let inside = escapes && at < source.tests_begin();
        inside || reexport || line.contains("use crate::*") || line.contains("use crate::{")
    });
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn core_rooms_neither_wait_nor_read_nor_ask_the_time() {
    // A cursor over bytes in memory does not read anything.
    let said = |line: &str| {
        let line = line.replace("std::io::Cursor", "");
        SHELL_WORDS.iter().any(|word| line.contains(word))
    };
    let wrong = wrong_lines(|source, _, line| CORE.contains(&source.room.as_str()) && said(line));
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn a_folders_mod_rs_only_lists_what_is_in_it() {
    let lists = |statement: &str| {
        let statement = statement.trim().trim_start_matches("#[cfg(test)]").trim_start();
        let visible =
            statement.strip_prefix("pub ").or_else(|| statement.strip_prefix("pub(super) ")).unwrap_or(statement);
        let is_use = visible.starts_with("use ") && visible != statement;
        visible.starts_with("mod ") || is_use || statement.is_empty()
    };
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|source| source.path.ends_with("mod.rs"))
        .filter(|source| {
            let code: Vec<&str> = source.code().map(|(_, line)| line).collect();
            !source.text.starts_with("//! ") || !code.join("\n").split(';').all(lists)
        })
        .map(|source| source.path.display().to_string())
        .collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    let sources = sources();
    let silent =
        sources.iter().filter(|source| !source.text.starts_with("//! ") || source.text.starts_with("//! (being"));
    let wrong: Vec<String> = silent.map(|source| source.path.display().to_string()).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn files_stay_short() {
    let sources = sources();
    let long = sources.iter().filter(|source| source.tests_begin() > LINES + 1);
    let wrong: Vec<String> = long.map(|source| source.at(source.tests_begin() - 1)).collect();
    assert_eq!(wrong, [""; 0]);
}
