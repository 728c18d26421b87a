//! Checks of the words in code and documents: how sentences begin, that names have one meaning, and that documents
//! match the program.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use afflux::metrics::Metrics;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Words that begin no sentence: they make a riddle of its subject.
const OPENINGS: [&str; 4] = ["What", "Who", "Whoever", "That which"];

/// Headings of tables and sections that may begin so.
const HEADINGS: [&str; 0] = [];

/// Type names that may be declared more than once, with the reason.
const SHARED_NAMES: [(&str, &str); 3] = [
    ("Error", "each module has its own, and says `store::Error`"),
    ("Limits", "each module has its own, and says `plan::Limits`"),
    ("Settings", "each module has its own, and says `plan::Settings`"),
];

/// Function names that do not tell a cost or a result.
const VAGUE_FUNCTIONS: [&str; 6] = ["told", "said", "seen", "look", "bring", "hold"];

/// Most lines of the README.
const README_LINES: usize = 150;

/// Folders without text of ours.
const SKIPPED_FOLDERS: [&str; 5] = ["target", "node_modules", "vendor", "fixtures/media", "run"];

/// A text file, with its path from the root of the repository.
struct Text {
    path: PathBuf,
    text: String,
}

impl Text {
    fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `folder` with this extension, sorted by path.
fn files(folder: &str, extension: &str) -> Vec<Text> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with('.') || SKIPPED_FOLDERS.iter().any(|skipped| path.ends_with(skipped)) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Text { path: path.strip_prefix(root()).unwrap().into(), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn code(folders: &[&str]) -> Vec<Text> {
    folders.iter().flat_map(|folder| files(folder, "rs")).collect()
}

/// Source files without their tests: test files are left out, others end where their tests begin.
fn program() -> Vec<Text> {
    let sources = files("src", "rs");
    let test_modules: Vec<PathBuf> = sources.iter().flat_map(test_modules).collect();
    let is_test = |path: &Path| test_modules.iter().any(|module| path.with_extension("").starts_with(module));
    let sources = sources.into_iter().filter(|source| !is_test(&source.path));
    sources.map(|source| Text { text: without_tests(&source.text), path: source.path }).collect()
}

/// Paths, without extension, of the modules that `source` declares for tests only.
fn test_modules(source: &Text) -> Vec<PathBuf> {
    let folder = match source.path.file_stem().unwrap().to_str().unwrap() {
        "mod" | "lib" | "main" => source.path.parent().unwrap().to_owned(),
        _ => source.path.with_extension(""),
    };
    let lines = source.text.lines().zip(source.text.lines().skip(1));
    let declared = lines.filter(|(attribute, _)| attribute.trim() == "#[cfg(test)]");
    let names = declared.filter_map(|(_, line)| line.rsplit_once("mod ")?.1.strip_suffix(';'));
    names.map(|name| folder.join(name)).collect()
}

fn without_tests(text: &str) -> String {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().into()
}

/// Sentences of a paragraph that begin with a word of [`OPENINGS`].
fn riddles(paragraph: &str) -> Vec<String> {
    let plain = paragraph.replace('*', "");
    let sentences = plain.replace(". ", ".\n").replace("! ", "!\n").replace("? ", "?\n");
    sentences.lines().map(str::trim).filter(|sentence| is_riddle(sentence)).map(Into::into).collect()
}

fn is_riddle(sentence: &str) -> bool {
    let begins = |opening: &&str| {
        let rest = sentence.strip_prefix(*opening);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '!'))
    };
    OPENINGS.iter().any(begins) && !HEADINGS.contains(&sentence)
}

/// Text of the comment on a line, be it alone or behind code.
fn comment<'a>(line: &'a str, marks: &[&str]) -> Option<&'a str> {
    let line = line.trim_start();
    let alone = marks.iter().find_map(|mark| line.strip_prefix(mark));
    let behind = || marks.iter().find_map(|mark| Some(line.split_once(&format!(" {mark} "))?.1));
    alone.or_else(behind).map(str::trim)
}

/// The paragraphs of comments, each with the number of its first line.
fn comments(text: &str, marks: &[&str]) -> BTreeMap<usize, String> {
    let mut found: BTreeMap<usize, String> = BTreeMap::new();
    let mut first = None;
    for (at, line) in text.lines().enumerate() {
        match comment(line, marks).filter(|text| !text.is_empty()) {
            Some(text) => {
                let paragraph = found.entry(*first.get_or_insert(at + 1)).or_default();
                *paragraph = format!("{paragraph} {text}").trim().into();
            }
            None => first = None,
        }
    }
    found
}

/// Lines of a Markdown file outside of code blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// The paragraphs of a Markdown file, list items and cells of tables included, each with the number of its first line.
fn paragraphs(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut joins = false;
    for (at, line) in prose(text) {
        let line = line.trim();
        let item = line.trim_start_matches(|c: char| "#>-+* ".contains(c) || c.is_ascii_digit() || c == '.').trim();
        if line.starts_with('|') {
            found.extend(line.split('|').map(|cell| (at, cell.trim().into())));
        } else if joins && line.len() == item.len() {
            found.last_mut().unwrap().1.extend([" ", item]);
        } else {
            found.push((at, item.into()));
        }
        joins = !line.is_empty() && !line.starts_with(['#', '|']);
    }
    found
}

#[test]
fn no_comment_begins_a_sentence_with_a_riddle() {
    let mut wrong = Vec::new();
    for source in code(&["src", "tests", "benches"]) {
        for (at, paragraph) in comments(&source.text, &["//!", "///", "//"]) {
            wrong.extend(riddles(&paragraph).into_iter().map(|riddle| format!("{}: {riddle}", source.at(at))));
        }
    }
    let config = fs::read_to_string(root().join("config.toml")).unwrap();
    for (at, paragraph) in comments(&config, &["#"]) {
        wrong.extend(riddles(&paragraph).into_iter().map(|riddle| format!("config.toml:{at}: {riddle}")));
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn no_document_begins_a_sentence_with_a_riddle() {
    let mut wrong = Vec::new();
    for document in files("", "md") {
        for (at, paragraph) in paragraphs(&document.text) {
            wrong.extend(riddles(&paragraph).into_iter().map(|riddle| format!("{}: {riddle}", document.at(at))));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// The name of the type that a line declares. Associated types are indented and do not count.
fn declared_type(line: &str) -> Option<&str> {
    let code = line.trim_start();
    let code = match code.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.trim_start(),
        None => code,
    };
    let (keyword, name) = code.split_once(' ')?;
    let counts = match keyword {
        "struct" | "enum" | "trait" => true,
        "type" => !line.starts_with(' '),
        _ => false,
    };
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    counts.then_some(&name[..end])
}

#[test]
fn every_type_name_is_declared_once() {
    let sources = program();
    let mut declared: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for source in &sources {
        for (at, line) in source.text.lines().enumerate() {
            if let Some(name) = declared_type(line) {
                declared.entry(name).or_default().push(source.at(at + 1));
            }
        }
    }
    let is_shared = |name: &str| SHARED_NAMES.iter().any(|(shared, _)| *shared == name);
    let twice = declared.iter().filter(|(name, places)| places.len() > 1 && !is_shared(name));
    let wrong: Vec<String> = twice.map(|(name, places)| format!("{name}: {}", places.join(", "))).collect();
    assert_eq!(wrong, [""; 0]);
    let needless = SHARED_NAMES.iter().filter(|(name, _)| declared.get(name).is_none_or(|places| places.len() < 2));
    let needless: Vec<&str> = needless.map(|(name, _)| *name).collect();
    assert_eq!(needless, [""; 0]);
}

/// A function's signature.
struct Signature<'a> {
    line: usize,
    name: &'a str,
    parameters: Vec<&'a str>,
}

fn signatures(text: &str) -> Vec<Signature<'_>> {
    let starts = text.match_indices("fn ").filter(|(at, _)| text[..*at].ends_with([' ', '\n', '(']) || *at == 0);
    starts.filter_map(|(at, keyword)| signature(text, at + keyword.len())).collect()
}

/// The signature whose name begins at byte `at`; `None` for text that is none.
fn signature(text: &str, at: usize) -> Option<Signature<'_>> {
    let rest = &text[at..];
    let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    let (name, rest) = rest.split_at(len);
    let rest = if rest.starts_with('<') { &rest[enclosed(rest)?..] } else { rest };
    let is_one = !name.is_empty() && rest.starts_with('(');
    let inside = &rest[1..enclosed(rest).filter(|_| is_one)? - 1];
    Some(Signature { line: text[..at].lines().count(), name, parameters: split(inside) })
}

/// Length of the bracket that `text` begins with, its content included.
fn enclosed(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            '>' if before == '-' || before == '=' => {}
            ')' | ']' | '}' | '>' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(at + c.len_utf8());
        }
        before = c;
    }
    None
}

/// Parts of `text` between commas that stand in no bracket.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut at) = (Vec::new(), 0, 0);
    while let Some(c) = text[at..].chars().next() {
        if c == ',' {
            parts.push(text[begin..at].trim());
            begin = at + 1;
        }
        at += if "([{<".contains(c) { enclosed(&text[at..]).unwrap_or(1) } else { c.len_utf8() };
    }
    parts.push(text[begin..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// Whether a parameter is a tuple, or a reference to one.
fn is_tuple(parameter: &str) -> bool {
    let (pattern, kind) = parameter.split_once(':').unwrap_or((parameter, ""));
    let kind = kind.trim_start().trim_start_matches('&').trim_start_matches("mut ");
    let inside = kind.strip_prefix('(').unwrap_or(")");
    pattern.starts_with('(') || !(inside.starts_with(')') || inside.starts_with("dyn ") || inside.starts_with("impl "))
}

/// Functions of `sources` for which `wrong` holds.
fn wrong_functions(sources: &[Text], wrong: impl Fn(&Signature<'_>) -> bool) -> Vec<String> {
    let each = sources.iter().flat_map(|source| signatures(&source.text).into_iter().map(move |found| (source, found)));
    let found = each.filter(|(_, found)| wrong(found));
    found.map(|(source, found)| format!("{}: {}", source.at(found.line), found.name)).collect()
}

#[test]
fn functions_have_plain_verbs() {
    let sources = code(&["src", "tests", "benches"]);
    let wrong = wrong_functions(&sources, |function| VAGUE_FUNCTIONS.contains(&function.name));
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn no_function_takes_a_tuple() {
    let wrong = wrong_functions(&program(), |function| function.parameters.iter().any(|one| is_tuple(one)));
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn signatures_are_read_as_the_compiler_reads_them() {
    let text = "fn a<T: Fn(u8) -> u8>(b: &(dyn Error), (c, d): (u8, u8), e: (), f: [u8; 2], g: &mut (u8, u8)) {}";
    let found = signatures(text);
    let read: Vec<(&str, Vec<bool>)> = found
        .iter()
        .map(|found| (found.name, found.parameters.iter().map(|parameter| is_tuple(parameter)).collect()))
        .collect();
    assert_eq!(read, [("a", vec![false, true, false, false, true])]);
}

#[test]
fn the_readme_stays_short() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines, at most {README_LINES} are allowed");
}

#[test]
fn every_metric_is_documented() {
    let documented = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let exported = Metrics::new().text();
    let families = exported.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let series = families.map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.into() });
    let wrong: Vec<String> = series.filter(|name| !documented.contains(&format!("`{name}`"))).collect();
    assert_eq!(wrong, [""; 0]);
}

/// Targets of the links of a Markdown file, with the numbers of their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let each = prose(text).flat_map(|(at, line)| line.split("](").skip(1).map(move |rest| (at, rest)));
    each.filter_map(|(at, rest)| Some((at, rest.split_once(')')?.0))).collect()
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn has_anchor(path: &Path, wanted: &str) -> bool {
    let text = fs::read_to_string(path).unwrap();
    prose(&text).any(|(_, line)| line.starts_with('#') && anchor(line) == wanted)
}

#[test]
fn relative_links_resolve() {
    let mut wrong = Vec::new();
    for document in files("", "md") {
        let own = root().join(&document.path);
        for (at, link) in links(&document.text).into_iter().filter(|(_, link)| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { own.clone() } else { own.parent().unwrap().join(path) };
            let is_document = target.extension().is_some_and(|extension| extension == "md");
            if !target.exists() || (is_document && !anchor.is_empty() && !has_anchor(&target, anchor)) {
                wrong.push(format!("{}: {link}", document.at(at)));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}
