//! Module dependencies (DESIGN §3), and rules for each module's code. The table below *is* the design: changing it is a
//! decision that the commit explains.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const MEDIA: &str = "media";
const CORE: [&str; 8] = [MEDIA, "route", "demux", "plan", "mux", "verdict", "manifest", "lint"];

/// Largest number of lines in a file, not counting its tests.
const LINES: usize = 500;

/// Circles of more than two files that are known: to be broken, not to be joined by others.
const CIRCLES: [&[&str]; 10] = [
    &[
        "src/demux/av1.rs",
        "src/demux/codec.rs",
        "src/demux/dolby.rs",
        "src/demux/entry.rs",
        "src/demux/sps.rs",
        "src/demux/stream.rs",
    ],
    &["src/library/database.rs", "src/library/reserve.rs", "src/library/wake.rs"],
    &["src/manifest/dash.rs", "src/manifest/hls.rs", "src/manifest/texts.rs"],
    &["src/media/asset.rs", "src/media/details.rs", "src/media/track.rs"],
    &["src/media/frozen/directory.rs", "src/media/frozen/form.rs", "src/media/frozen/reader.rs", "src/media/frozen.rs"],
    &["src/media/index.rs", "src/media/offsets.rs", "src/media/sync.rs", "src/media/tables.rs"],
    &["src/media/packed.rs", "src/media/packer.rs", "src/media/whole.rs"],
    &[
        "src/mux/recipe.rs",
        "src/mux/ts/count.rs",
        "src/mux/ts/segment.rs",
        "src/mux/ts/transport.rs",
        "src/mux/ts/write.rs",
    ],
    &[
        "src/origin/answer.rs",
        "src/origin/content.rs",
        "src/origin/delivery.rs",
        "src/origin/gallery.rs",
        "src/origin/manifests.rs",
        "src/origin/reply.rs",
        "src/origin/segment.rs",
    ],
    &[
        "src/plan/cadence.rs",
        "src/plan/cuts.rs",
        "src/plan/ladder.rs",
        "src/plan/limits.rs",
        "src/plan/segments.rs",
        "src/plan/timeline.rs",
        "src/plan/version.rs",
    ],
];

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

    /// Its code without comments and without items for tests.
    fn program(&self) -> String {
        let (mut program, mut lines) = (String::new(), self.code().map(|(_, line)| line));
        while let Some(line) = lines.next() {
            if line.trim() == "#[cfg(test)]" {
                let end = line.replace("#[cfg(test)]", "}");
                let is_short = lines.next().is_none_or(|item| item.ends_with(';'));
                let _ = is_short || lines.any(|line| line.starts_with(&end));
            } else {
                program.extend([line, "\n"]);
            }
        }
        program
    }

    /// Modules that it declares for tests only.
    fn test_modules(&self) -> Vec<Vec<String>> {
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
        let names = declared.filter_map(|pair| pair[1].strip_prefix("mod ")?.strip_suffix(';'));
        names.map(|name| [self.module(), vec![name.to_owned()]].concat()).collect()
    }

    /// Names of the modules from the crate to it.
    fn module(&self) -> Vec<String> {
        let below = self.path.strip_prefix("src").unwrap().with_extension("");
        let names = below.iter().map(|name| name.to_str().unwrap().to_owned());
        names.filter(|name| !["mod", "lib", "main"].contains(&name.as_str())).collect()
    }
}

/// The modules of the program, by their names from the crate on.
struct Modules(BTreeMap<Vec<String>, Module>);

/// A module in its own file.
struct Module {
    path: PathBuf,
    /// Paths that its code names, from the crate on, as far as they lead to a module.
    visited: Vec<Vec<String>>,
    /// Items that it re-exports, by name.
    reexports: BTreeMap<String, Vec<String>>,
}

impl Modules {
    fn new() -> Self {
        let mut sources = sources();
        let tests: BTreeSet<Vec<String>> = sources.iter().flat_map(Source::test_modules).collect();
        sources.retain(|source| !(1..=source.module().len()).any(|end| tests.contains(&source.module()[..end])));
        let names: BTreeSet<Vec<String>> = sources.iter().map(Source::module).collect();
        let modules = sources.iter().map(|source| (source.module(), Module::new(source, &names)));
        Self(modules.collect())
    }

    /// The module that declares the item at `path`; `None` outside the crate.
    fn declaring(&self, path: &[String]) -> Option<&Module> {
        let (length, module) = (0..=path.len()).rev().find_map(|end| Some((end, self.0.get(path.get(..end)?)?)))?;
        match path.get(length).and_then(|item| module.reexports.get(item)) {
            Some(target) if target != path => self.declaring(target),
            _ => Some(module),
        }
    }

    /// The files that each file uses. Lists of modules (`mod.rs`) are not counted.
    fn edges(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let is_list = |path: &Path| ["mod.rs", "lib.rs", "main.rs"].iter().any(|list| path.ends_with(list));
        let files = self.0.values().filter(|module| !is_list(&module.path));
        let used = |module: &Module| {
            let declaring = module.visited.iter().filter_map(|path| Some(self.declaring(path)?.path.as_path()));
            declaring.filter(|path| *path != module.path && !is_list(path)).collect()
        };
        files.map(|module| (module.path.as_path(), used(module))).collect()
    }

    /// Groups of more than two files each of which uses each other one, directly or through others.
    fn circles(&self) -> BTreeSet<Vec<&str>> {
        let edges = self.edges();
        let reached: BTreeMap<&Path, BTreeSet<&Path>> =
            edges.keys().map(|file| (*file, reached(&edges, file))).collect();
        let mut circles = BTreeSet::new();
        for (file, others) in &reached {
            let is_back = |other: &&&Path| reached.get(**other).is_some_and(|back| back.contains(file));
            let circle: Vec<&str> = others.iter().filter(is_back).filter_map(|other| other.to_str()).collect();
            circles.extend(Some(circle).filter(|circle| circle.len() > 2));
        }
        circles
    }
}

/// The files that `from` uses, directly or through others.
fn reached<'a>(edges: &BTreeMap<&'a Path, BTreeSet<&'a Path>>, from: &Path) -> BTreeSet<&'a Path> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(file) = waiting.pop() {
        for next in edges.get(file).into_iter().flatten() {
            if reached.insert(*next) {
                waiting.push(next);
            }
        }
    }
    reached
}

impl Module {
    fn new(source: &Source, modules: &BTreeSet<Vec<String>>) -> Self {
        let (own, program) = (source.module(), source.program());
        let (mut visited, mut reexports) = (Vec::new(), BTreeMap::new());
        for (at, _) in program.match_indices("use ") {
            let visibility = program[..at].rsplit('\n').next().unwrap_or_default().trim();
            let is_use = visibility.is_empty() || ["pub", "pub(super)"].contains(&visibility);
            let Some((path, _)) = program[at + 4..].split_once(';').filter(|_| is_use) else { continue };
            for path in leaves(path).iter().filter_map(|path| from_crate(path, &own, modules)) {
                if !visibility.is_empty() {
                    reexports.extend(path.last().map(|name| (name.clone(), path.clone())));
                }
                visited.push(path);
            }
        }
        // Paths in expressions name one item each.
        for start in ["crate::", "super::"] {
            for (at, _) in program.match_indices(start) {
                let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
                let path = program[at..].split(|c| !is_path(c)).next().unwrap_or_default();
                visited.extend(from_crate(path.trim_end_matches(':'), &own, modules));
            }
        }
        Self { path: source.path.clone(), visited, reexports }
    }
}

/// The paths that a `use` names: `a::{b, c::{self, d}}` names `a::b`, `a::c` and `a::c::d`.
fn leaves(path: &str) -> Vec<String> {
    let Some((start, group)) = path.split_once('{') else {
        let path = path.split(" as ").next().unwrap_or_default().trim();
        return vec![path.trim_end_matches("::self").to_owned()];
    };
    let group = group.trim().strip_suffix('}').unwrap_or(group);
    let mut depth = 0;
    let parts = group.split(|c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    let parts = parts.map(str::trim).filter(|part| !part.is_empty());
    parts.flat_map(|part| leaves(&format!("{}{part}", start.trim()))).collect()
}

/// `path` from the crate on, as the module `own` sees it; `None` if it leads out of the crate.
fn from_crate(path: &str, own: &[String], modules: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    let (first, rest) = path.split_once("::").unwrap_or((path, ""));
    let parent = || own.split_last().map(|(_, parent)| parent.to_vec());
    let child = || [own, &[first.to_owned()]].concat();
    let start = match first {
        "crate" => Vec::new(),
        "super" => parent()?,
        _ => Some(child()).filter(|child| modules.contains(child))?,
    };
    let rest = rest.split("::").filter(|name| !name.is_empty()).map(str::to_owned);
    Some(start.into_iter().chain(rest).collect())
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

/// A reader of one file of a circle must read all of them.
#[test]
fn no_more_than_two_files_use_each_other() {
    let modules = Modules::new();
    let is_known = |circle: &Vec<&str>| CIRCLES.iter().any(|known| circle.iter().all(|file| known.contains(file)));
    let wrong: Vec<Vec<&str>> = modules.circles().into_iter().filter(|circle| !is_known(circle)).collect();
    assert_eq!(wrong, [[""; 0]; 0]);
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
